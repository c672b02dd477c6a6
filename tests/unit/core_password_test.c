/* Passwords and tokens. */
#include "core/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/own.h"

#define SCRYPT_OF_MOUSE "0bc4cd939fcac478ae3959ac1c548354c7439e2956eb1730bebbc0ce5f725975"

static bool matches(const char *kept, const char *password)
{
    bool out = false;
    assert_int_equal(mur_password_verify(&out, kept, mur_slice_of(password), NULL), MUR_OK);
    return out;
}

static void a_password_is_known_again_and_no_other_one(void **state)
{
    (void)state;
    MUR_AUTO_FREE char *kept = NULL;
    MUR_AUTO_FREE char *again = NULL;
    assert_int_equal(mur_password_hash(&kept, mur_slice_of("M\xC3\xA4use: 3"), NULL), MUR_OK);
    assert_int_equal(mur_password_hash(&again, mur_slice_of("M\xC3\xA4use: 3"), NULL), MUR_OK);
    assert_true(strcmp(kept, again) != 0); /* each has a salt of its own */
    assert_true(mur_password_is_hash(kept));
    assert_false(mur_password_is_token(kept));
    assert_true(matches(kept, "M\xC3\xA4use: 3"));
    assert_false(matches(kept, "M\xC3\xA4use: 4"));
    assert_false(matches(kept, ""));
    assert_false(matches("", ""));
    assert_false(matches("", "anything"));
}

/* RFC 7914 12 has N = 16384, r = 8, p = 1 with a salt of another length; this one was made by
 * Python's hashlib.scrypt. */
static void the_hash_is_scrypt(void **state)
{
    (void)state;
    assert_true(
        matches("scrypt$14$8$1$000102030405060708090a0b0c0d0e0f$" SCRYPT_OF_MOUSE, "mouse"));
}

static void a_token_is_known_again(void **state)
{
    (void)state;
    char token[MUR_TOKEN_SIZE];
    char other[MUR_TOKEN_SIZE];
    MUR_AUTO_FREE char *kept = NULL;
    MUR_AUTO_FREE char *of_other = NULL;
    assert_int_equal(mur_token_create(token, &kept, NULL), MUR_OK);
    assert_int_equal(mur_token_create(other, &of_other, NULL), MUR_OK);
    assert_int_equal(strlen(token), MUR_TOKEN_SIZE - 1);
    assert_true(mur_password_is_token(kept));
    assert_true(matches(kept, token));
    assert_false(matches(kept, other));
}

static void what_is_no_hash_or_asks_for_too_much_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "secret",
        "sha256$00",
        "scrypt$14$8$1$000102030405060708090a0b0c0d0e0f$00",
        "scrypt$30$8$1$000102030405060708090a0b0c0d0e0f$" SCRYPT_OF_MOUSE,
        "scrypt$14$99$1$000102030405060708090a0b0c0d0e0f$" SCRYPT_OF_MOUSE,
        "scrypt$14$8$1$000102030405060708090a0b0c0d0e0f$" SCRYPT_OF_MOUSE "00",
    };
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        bool out = false;
        assert_false(mur_password_is_hash(wrong[i]));
        assert_int_equal(mur_password_verify(&out, wrong[i], mur_slice_of("x"), NULL), MUR_INVALID);
    }
    MUR_AUTO_FREE char *kept = NULL;
    assert_int_equal(mur_password_hash(&kept, mur_slice_of(""), NULL), MUR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_known_again_and_no_other_one),
        cmocka_unit_test(the_hash_is_scrypt),
        cmocka_unit_test(a_token_is_known_again),
        cmocka_unit_test(what_is_no_hash_or_asks_for_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
