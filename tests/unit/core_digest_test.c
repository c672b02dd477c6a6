/* Digests against published values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/own.h"

static void sha256_of_pieces_is_that_of_the_whole(void **state)
{
    (void)state;
    uint8_t value[MUR_SHA256_SIZE];
    char text[MUR_SHA256_TEXT_SIZE];
    MUR_AUTO(mur_sha256) *digest = NULL;
    assert_int_equal(mur_sha256_create(&digest, NULL), MUR_OK);
    for (int round = 0; round < 2; round++) { /* finishing begins anew */
        assert_int_equal(mur_sha256_update(digest, "a", 1, NULL), MUR_OK);
        assert_int_equal(mur_sha256_update(digest, NULL, 0, NULL), MUR_OK);
        assert_int_equal(mur_sha256_update(digest, "bc", 2, NULL), MUR_OK);
        assert_int_equal(mur_sha256_finish(value, digest, NULL), MUR_OK);
        mur_hex_write(text, value, sizeof value);
        assert_string_equal(text,
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    assert_int_equal(mur_sha256_of(value, NULL, 0, NULL), MUR_OK);
    mur_hex_write(text, value, sizeof value);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void xxh3_of_pieces_is_that_of_the_whole(void **state)
{
    (void)state;
    uint8_t whole[MUR_XXH128_SIZE];
    uint8_t pieces[MUR_XXH128_SIZE];
    char text[MUR_XXH128_TEXT_SIZE];
    mur_xxh128_of(whole, NULL, 0);
    mur_hex_write(text, whole, sizeof whole);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f"); /* xxHash's own test vector */
    MUR_AUTO(mur_xxh128) *digest = NULL;
    assert_int_equal(mur_xxh128_create(&digest, NULL), MUR_OK);
    char bytes[1000];
    memset(bytes, 'x', sizeof bytes);
    mur_xxh128_of(whole, bytes, sizeof bytes);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof bytes; i += 10)
            mur_xxh128_update(digest, bytes + i, 10);
        mur_xxh128_finish(pieces, digest);
        assert_memory_equal(whole, pieces, sizeof whole);
    }
    assert_true(mur_xxh64_of(NULL, 0) == UINT64_C(0x2d06800538d394c2));
}

static void uuid5_is_that_of_rfc_9562(void **state)
{
    (void)state;
    uint8_t dns[MUR_UUID_SIZE];
    uint8_t uuid[MUR_UUID_SIZE];
    char text[33];
    assert_int_equal(mur_hex_parse(dns, sizeof dns, "6ba7b8109dad11d180b400c04fd430c8", NULL),
                     MUR_OK);
    assert_int_equal(mur_uuid5(uuid, dns, "www.example.com", 15, NULL), MUR_OK);
    mur_hex_write(text, uuid, sizeof uuid);
    assert_string_equal(text, "2ed6657de927568b95e12665a8aea6a2"); /* RFC 9562 A.4 */
}

static void hexadecimal_must_be_complete(void **state)
{
    (void)state;
    uint8_t bytes[2] = {7, 7};
    assert_int_equal(mur_hex_parse(bytes, 2, "0aFf", NULL), MUR_OK);
    assert_int_equal(bytes[0], 0x0A);
    assert_int_equal(bytes[1], 0xFF);
    assert_int_equal(mur_hex_parse(bytes, 2, "0aF", NULL), MUR_PARSE);
    assert_int_equal(mur_hex_parse(bytes, 2, "0aFg", NULL), MUR_PARSE);
    assert_int_equal(mur_hex_parse(bytes, 2, "0aFf0", NULL), MUR_PARSE);
    assert_int_equal(bytes[1], 0xFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_pieces_is_that_of_the_whole),
        cmocka_unit_test(xxh3_of_pieces_is_that_of_the_whole),
        cmocka_unit_test(uuid5_is_that_of_rfc_9562),
        cmocka_unit_test(hexadecimal_must_be_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
