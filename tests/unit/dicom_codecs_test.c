/* The table of transfer syntaxes says what can be decoded; the codecs are asked whether it is so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/buffer.h"
#include "core/own.h"
#include "dicom/data_set.h"
#include "dicom/transfer_syntax.h"

/* Rows, Columns, bits, and Pixel Data of an empty offset table and one fragment. */
static const uint8_t data_set[] = "\x28\0\x02\0US\x02\0\x01\0"
                                  "\x28\0\x04\0CS\x0C\0MONOCHROME2 "
                                  "\x28\0\x10\0US\x02\0\x01\0"
                                  "\x28\0\x11\0US\x02\0\x02\0"
                                  "\x28\0\0\x01US\x02\0\x08\0"
                                  "\x28\0\x01\x01US\x02\0\x08\0"
                                  "\x28\0\x02\x01US\x02\0\x07\0"
                                  "\x28\0\x03\x01US\x02\0\0\0"
                                  "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                  "\xFE\xFF\0\xE0\0\0\0\0"
                                  "\xFE\xFF\0\xE0\x02\0\0\0\x01\x02"
                                  "\xFE\xFF\xDD\xE0\0\0\0\0";

static void the_table_agrees_with_the_codecs(void **state)
{
    (void)state;
    size_t count = 0, decoded = 0;
    const struct mur_transfer_syntax *all = mur_transfer_syntaxes(&count);
    for (size_t i = 0; i < count; i++) {
        if ((all[i].flags & MUR_TS_ENCAPSULATED) == 0) {
            assert_int_equal(all[i].flags & MUR_TS_DECODED, 0);
            continue;
        }
        MUR_AUTO(mur_dataset) *dataset = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        if (mur_dataset_read(&dataset, data_set, sizeof(data_set) - 1, all[i].uid, &error) !=
            MUR_OK)
            fail_msg("%s: %s", all[i].keyword, error.message);
        bool can = mur_dataset_can_write(dataset, mur_uid_ExplicitVRLittleEndian);
        if (can != mur_transfer_syntax_converts(all[i].uid, mur_uid_ExplicitVRLittleEndian))
            fail_msg("%s", all[i].keyword);
        assert_false(mur_transfer_syntax_converts(mur_uid_ExplicitVRLittleEndian, all[i].uid));
        decoded += can;
    }
    assert_int_equal(decoded, 11);
}

static void native_and_deflated_become_native(void **state)
{
    (void)state;
    static const char *const from[] = {mur_uid_ImplicitVRLittleEndian, mur_uid_ExplicitVRBigEndian,
                                       mur_uid_DeflatedExplicitVRLittleEndian,
                                       mur_uid_ExplicitVRLittleEndian};
    for (size_t i = 0; i < MUR_COUNT(from); i++)
        assert_true(mur_transfer_syntax_converts(from[i], mur_uid_ExplicitVRLittleEndian));
    assert_false(
        mur_transfer_syntax_converts(mur_uid_JPIPReferenced, mur_uid_ExplicitVRLittleEndian));
    assert_false(
        mur_transfer_syntax_converts("1.2.840.10008.1.2.4.999", mur_uid_ExplicitVRLittleEndian));
    assert_true(mur_transfer_syntax_converts("1.2.840.10008.1.2.4.999", "1.2.840.10008.1.2.4.999"));
}

/* DCMTK's decoders walk to each fragment from the first one. */
static void too_many_fragments_are_not_decoded_by_those_who_walk_to_each(void **state)
{
    (void)state;
    static const uint8_t fragment[] = {0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0};
    enum { FRAGMENTS = 70000, END = 8 };
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    const size_t length = sizeof(data_set) - 1;
    assert_int_equal(mur_buffer_append(&bytes, data_set, length - END, NULL), MUR_OK);
    for (size_t i = 0; i < FRAGMENTS; i++)
        assert_int_equal(mur_buffer_append(&bytes, fragment, sizeof fragment, NULL), MUR_OK);
    assert_int_equal(mur_buffer_append(&bytes, data_set + length - END, END, NULL), MUR_OK);
    assert_int_equal(
        mur_dataset_read(&dataset, bytes.data, bytes.length, mur_uid_RLELossless, NULL), MUR_OK);
    MUR_AUTO_BUFFER struct mur_buffer out = MUR_BUFFER_INIT;
    assert_int_equal(mur_dataset_encode(&out, dataset, mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_LIMIT);
    assert_int_equal(mur_dataset_encode(&out, dataset, mur_uid_RLELossless, NULL), MUR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_agrees_with_the_codecs),
        cmocka_unit_test(native_and_deflated_become_native),
        cmocka_unit_test(too_many_fragments_are_not_decoded_by_those_who_walk_to_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
