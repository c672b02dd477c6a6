#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buffer.h"
#include "dicom/pdu.h"

/* An A-ASSOCIATE PDU under construction; lengths are filled in at the end. */
struct pdu {
    uint8_t bytes[300000];
    size_t length;
};

static void put(struct pdu *pdu, const void *bytes, size_t length)
{
    memcpy(pdu->bytes + pdu->length, bytes, length);
    pdu->length += length;
}

static size_t open_item(struct pdu *pdu, uint8_t type)
{
    uint8_t head[4] = {type};
    put(pdu, head, 4);
    return pdu->length;
}

static void close_item(struct pdu *pdu, size_t begin)
{
    size_t length = pdu->length - begin;
    pdu->bytes[begin - 2] = (uint8_t)(length >> 8);
    pdu->bytes[begin - 1] = (uint8_t)length;
}

static void put_uid(struct pdu *pdu, uint8_t type, const char *uid)
{
    size_t item = open_item(pdu, type);
    put(pdu, uid, strlen(uid));
    close_item(pdu, item);
}

static void put_context(struct pdu *pdu, uint8_t id, unsigned syntaxes)
{
    size_t item = open_item(pdu, 0x20);
    put(pdu, (uint8_t[]){id, 0, 0, 0}, 4);
    put_uid(pdu, 0x30, "1.2.840.10008.1.1");
    for (unsigned i = 0; i < syntaxes; i++)
        put_uid(pdu, 0x40, "1.2.840.10008.1.2");
    close_item(pdu, item);
}

static void begin(struct pdu *pdu)
{
    pdu->length = 0;
    put(pdu, (uint8_t[]){1, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 10);
    put(pdu, "CALLED          CALLING         ", 32);
    put(pdu, (uint8_t[32]){0}, 32);
    put_uid(pdu, 0x10, "1.2.840.10008.3.1.1.1");
}

static void put_user_information(struct pdu *pdu, const void *more, size_t length)
{
    size_t item = open_item(pdu, 0x50);
    put(pdu, (uint8_t[]){0x51, 0, 0, 4, 0, 0, 0x40, 0}, 8);
    put_uid(pdu, 0x52, "1.2.3");
    put(pdu, more, length);
    close_item(pdu, item);
}

static enum mur_status check(struct pdu *pdu)
{
    mur_put_be32(pdu->bytes + 2, (uint32_t)(pdu->length - 6));
    return mur_pdu_check_associate(pdu->bytes, pdu->length, MUR_PDU_ASSOCIATE_RQ, NULL);
}

static struct pdu pdu;

static void a_request_as_the_standard_wants_it_passes(void **state)
{
    (void)state;
    begin(&pdu);
    put_context(&pdu, 1, 1);
    put_context(&pdu, 255, 40);
    /* role selection, extended negotiation, SOP Class common extended negotiation */
    put_user_information(&pdu,
                         "\x54\0\0\x07\0\x03"
                         "1.2\0\x01"
                         "\x56\0\0\x07\0\x03"
                         "1.2\x01\x01"
                         "\x57\0\0\x01\0",
                         27);
    assert_int_equal(check(&pdu), MUR_OK);
}

static void no_cut_and_no_changed_length_passes_for_another_request(void **state)
{
    (void)state;
    begin(&pdu);
    put_context(&pdu, 1, 2);
    put_user_information(&pdu, "", 0);
    size_t whole = pdu.length;
    assert_int_equal(check(&pdu), MUR_OK);
    for (pdu.length = 0; pdu.length < whole; pdu.length++) {
        mur_put_be32(pdu.bytes + 2, (uint32_t)pdu.length - 6);
        /* in particular no read beyond the end: run under AddressSanitizer */
        (void)!mur_pdu_check_associate(pdu.bytes, pdu.length, MUR_PDU_ASSOCIATE_RQ, NULL);
    }
    pdu.length = whole;
    for (size_t at = 74; at < whole; at++) {
        uint8_t kept = pdu.bytes[at];
        for (unsigned value = 0; value < 256; value++) {
            pdu.bytes[at] = (uint8_t)value;
            (void)!check(&pdu);
        }
        pdu.bytes[at] = kept;
    }
    mur_put_be32(pdu.bytes + 2, (uint32_t)whole);
    assert_int_equal(mur_pdu_check_associate(pdu.bytes, whole, MUR_PDU_ASSOCIATE_RQ, NULL),
                     MUR_PARSE);
}

static void contexts_are_counted_and_told_apart(void **state)
{
    (void)state;
    begin(&pdu);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_PARSE); /* none */
    begin(&pdu);
    put_context(&pdu, 2, 1);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_PARSE); /* even */
    begin(&pdu);
    put_context(&pdu, 3, 1);
    put_context(&pdu, 3, 1);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_PARSE); /* twice */
    begin(&pdu);
    put_context(&pdu, 1, 0);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_PARSE); /* no transfer syntax */
    begin(&pdu);
    put_context(&pdu, 1, 1000);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_PARSE); /* too many */
    begin(&pdu);
    for (unsigned id = 1; id < 256; id += 2)
        put_context(&pdu, (uint8_t)id, 40);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_OK);
}

static void items_that_must_stand_once_do(void **state)
{
    (void)state;
    begin(&pdu);
    put_context(&pdu, 1, 1);
    assert_int_equal(check(&pdu), MUR_PARSE); /* no user information */
    begin(&pdu);
    put_uid(&pdu, 0x10, "1.2.840.10008.3.1.1.1");
    put_context(&pdu, 1, 1);
    put_user_information(&pdu, "", 0);
    assert_int_equal(check(&pdu), MUR_PARSE); /* two application contexts */
}

static void titles_may_be_padded_by_nul_but_not_go_on_after_it(void **state)
{
    (void)state;
    begin(&pdu);
    put_context(&pdu, 1, 1);
    put_user_information(&pdu, "", 0);
    for (size_t title = 10; title <= 26; title += 16) {
        uint8_t kept[16];
        memcpy(kept, pdu.bytes + title, sizeof kept);
        memset(pdu.bytes + title + 6, 0, 10);
        pdu.bytes[title + 15] = ' ';
        assert_int_equal(check(&pdu), MUR_OK);
        pdu.bytes[title + 15] = 'X';
        assert_int_equal(check(&pdu), MUR_PARSE);
        memcpy(pdu.bytes + title, kept, sizeof kept);
    }
    assert_int_equal(check(&pdu), MUR_OK);
}

static void lying_sub_items_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } lies[] = {
        {"\x51\0\0\x08\0\0\0\0\0\0\0\0", 12},   /* maximum length of eight bytes */
        {"\x54\0\0\x04\0\x40\0\0", 8},          /* role: UID longer than the item */
        {"\x56\0\0\x03\0\x40x", 7},             /* extended: likewise */
        {"\x58\0\0\x06\x01\0\xFF\xFF\0\0", 10}, /* user identity */
        {"\x58\0\0\x08\x01\0\0\1u\0\1p", 12},   /* a passcode without its type */
        {"\x59\0\0\x02\0\0", 6},                /* an answer in a request */
        {"\x99\0\xFF\xFF", 4},                  /* unknown and too long */
        {"\x99\0", 2},                          /* cut short */
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        begin(&pdu);
        put_context(&pdu, 1, 1);
        put_user_information(&pdu, lies[i].bytes, lies[i].length);
        assert_int_equal(check(&pdu), MUR_PARSE);
    }
}

static void data_values_fill_their_pdu_exactly(void **state)
{
    (void)state;
    const uint8_t two[] = {0, 0, 0, 3, 1, 3, 'x', 0, 0, 0, 2, 1, 0};
    assert_int_equal(mur_pdu_check_data(two, sizeof(two), NULL), MUR_OK);
    for (size_t length = 0; length < sizeof(two); length++)
        if (length != 7)
            assert_int_equal(mur_pdu_check_data(two, length, NULL), MUR_PARSE);
    const uint8_t short_one[] = {0, 0, 0, 1, 1, 3};
    assert_int_equal(mur_pdu_check_data(short_one, sizeof(short_one), NULL), MUR_PARSE);
    const uint8_t huge[] = {0xFF, 0xFF, 0xFF, 0xFE, 1, 3, 0};
    assert_int_equal(mur_pdu_check_data(huge, sizeof(huge), NULL), MUR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_as_the_standard_wants_it_passes),
        cmocka_unit_test(no_cut_and_no_changed_length_passes_for_another_request),
        cmocka_unit_test(contexts_are_counted_and_told_apart),
        cmocka_unit_test(items_that_must_stand_once_do),
        cmocka_unit_test(titles_may_be_padded_by_nul_but_not_go_on_after_it),
        cmocka_unit_test(lying_sub_items_are_refused),
        cmocka_unit_test(data_values_fill_their_pdu_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
