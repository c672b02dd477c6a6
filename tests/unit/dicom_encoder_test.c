/* The encoder: bytes as PS3.5 has them, and what it refuses. */
#include "dicom_support.h"

#include <math.h>

#include "dicom/attribute.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"

static void expect(const struct mur_buffer *data, const char *bytes, size_t length)
{
    assert_int_equal(data->length, length);
    assert_memory_equal(data->data, bytes, length);
}

static void values_are_padded_by_their_vr(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, &data, mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_OK);
    assert_int_equal(mur_encode_text(&encoder, MUR_TAG_SOPClassUID, MUR_VR_UI, "1.2", NULL),
                     MUR_OK);
    assert_int_equal(mur_encode_text(&encoder, MUR_TAG_PatientID, MUR_VR_LO, "abc", NULL), MUR_OK);
    assert_int_equal(mur_encode_text(&encoder, 0x00100212, MUR_VR_UC, "B6", NULL), MUR_OK);
    static const char wanted[] = "\x08\0\x16\0UI\4\0"
                                 "1.2\0"
                                 "\x10\0\x20\0LO\4\0"
                                 "abc "
                                 "\x10\0\x12\2UC\0\0\2\0\0\0B6";
    expect(&data, wanted, sizeof wanted - 1);
}

static void sequences_get_their_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *transfer_syntax, *bytes;
        size_t length;
    } cases[] = {
        {mur_uid_ImplicitVRLittleEndian,
         "\x08\0\x40\x11\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x50\x11\2\0\0\0"
         "1\0",
         26},
        {mur_uid_ExplicitVRLittleEndian,
         "\x08\0\x40\x11SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x50\x11UI\2\0"
         "1\0",
         30},
        {mur_uid_ExplicitVRBigEndian,
         "\0\x08\x11\x40SQ\0\0\0\0\0\x12\xFF\xFE\xE0\0\0\0\0\x0A\0\x08\x11\x50UI\0\2"
         "1\0",
         30},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        struct mur_encoder encoder;
        assert_int_equal(mur_encoder_init(&encoder, &data, cases[i].transfer_syntax, NULL), MUR_OK);
        assert_int_equal(mur_encode_sequence_begin(&encoder, MUR_TAG_ReferencedImageSequence, NULL),
                         MUR_OK);
        assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
        assert_int_equal(
            mur_encode_text(&encoder, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI, "1", NULL), MUR_OK);
        assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
        assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
        assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_INVALID);
        expect(&data, cases[i].bytes, cases[i].length);
    }
}

static void text_of_the_index_becomes_a_value_of_any_vr(void **state)
{
    (void)state;
    static const struct {
        enum mur_vr vr;
        const char *text, *bytes;
        size_t length;
    } cases[] = {
        {MUR_VR_US, "1\\513", "\1\0\1\2", 4},
        {MUR_VR_SL, "-1", "\xFF\xFF\xFF\xFF", 4},
        {MUR_VR_UV, "18446744073709551615", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8},
        {MUR_VR_FD, "-2", "\0\0\0\0\0\0\0\xC0", 8},
        {MUR_VR_AT, "0020000D\\PatientID", "\x20\0\x0D\0\x10\0\x20\0", 8},
        {MUR_VR_LO, "a\\b", "a\\b ", 4},
        {MUR_VR_US, "", "", 0},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        struct mur_encoder encoder;
        assert_int_equal(mur_encoder_init(&encoder, &data, mur_uid_ImplicitVRLittleEndian, NULL),
                         MUR_OK);
        assert_int_equal(
            mur_encode_any(&encoder, 0x00091001, cases[i].vr, mur_slice_of(cases[i].text), NULL),
            MUR_OK);
        assert_int_equal(data.length, 8 + cases[i].length);
        assert_memory_equal(data.data + 8, cases[i].bytes, cases[i].length);
    }
}

static void what_does_not_fit_is_refused_and_nothing_is_written(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, &data, mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_OK);
    static const struct {
        enum mur_vr vr;
        const char *text;
        enum mur_status status;
    } cases[] = {
        {MUR_VR_US, "65536", MUR_LIMIT}, {MUR_VR_US, "-1", MUR_LIMIT}, {MUR_VR_SS, "x", MUR_PARSE},
        {MUR_VR_FD, "nan", MUR_PARSE},   {MUR_VR_AT, "12", MUR_PARSE}, {MUR_VR_OB, "a", MUR_PARSE},
        {MUR_VR_US, "1\\", MUR_PARSE},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_int_equal(
            mur_encode_any(&encoder, 0x00091001, cases[i].vr, mur_slice_of(cases[i].text), NULL),
            cases[i].status);
    MUR_AUTO_FREE char *big = calloc(1, 65536);
    struct mur_slice value = {.data = big, .length = 65535};
    assert_int_equal(mur_encode_value(&encoder, 0x00091001, MUR_VR_LO, value, NULL), MUR_LIMIT);
    assert_int_equal(mur_encode_value(&encoder, 0x00091001, MUR_VR_UC, value, NULL), MUR_OK);
    assert_int_equal(data.length, 12 + 65536);
    assert_int_equal(
        mur_encoder_init(&encoder, &data, mur_uid_DeflatedExplicitVRLittleEndian, NULL),
        MUR_UNSUPPORTED);
}

static void decimals_have_at_most_sixteen_characters(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.2, "0.2"},
                 {-0.0, "0"},
                 {1e-5, "1e-5"},
                 {1e20, "1e20"},
                 {1.0 / 3, "0.33333333333333"},
                 {-1.0 / 3, "-0.3333333333333"},
                 {-123456789.123456789, "-123456789.12346"},
                 {-1.2345678901234567e-100, "-1.23456789e-100"},
                 {1.2345678901234567e300, "1.2345678901e300"}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        char text[MUR_DS_SIZE];
        assert_int_equal(mur_ds_write(text, cases[i].value, NULL), MUR_OK);
        assert_string_equal(text, cases[i].text);
        double back = 0;
        assert_int_equal(mur_parse_double(&back, mur_slice_of(text), NULL), MUR_OK);
        assert_true(fabs(back - cases[i].value) <= fabs(cases[i].value) * 1e-8);
    }
    char text[MUR_DS_SIZE];
    assert_int_equal(mur_ds_write(text, NAN, NULL), MUR_INVALID);
    for (int exponent = -300; exponent <= 300; exponent += 7) {
        double value = -M_PI * pow(10, exponent);
        assert_int_equal(mur_ds_write(text, value, NULL), MUR_OK);
        assert_in_range(strlen(text), 1, 16);
    }
}

static void what_is_encoded_is_scanned_again(void **state)
{
    (void)state;
    static const char *const syntaxes[] = {mur_uid_ImplicitVRLittleEndian,
                                           mur_uid_ExplicitVRLittleEndian};
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        MUR_AUTO_BUFFER struct mur_buffer events = MUR_BUFFER_INIT;
        struct mur_encoder encoder;
        assert_int_equal(mur_encoder_init(&encoder, &data, syntaxes[i], NULL), MUR_OK);
        for (unsigned depth = 0; depth < MUR_ENCODE_DEPTH; depth++) {
            assert_int_equal(mur_encode_sequence_begin(&encoder, 0x00081140, NULL), MUR_OK);
            assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
        }
        assert_int_equal(mur_encode_sequence_begin(&encoder, 0x00081140, NULL), MUR_LIMIT);
        for (unsigned depth = 0; depth < MUR_ENCODE_DEPTH; depth++) {
            assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
            assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
        }
        assert_int_equal(trace(&events, syntaxes[i], data.data, data.length, 0, NULL), MUR_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_padded_by_their_vr),
        cmocka_unit_test(sequences_get_their_lengths),
        cmocka_unit_test(text_of_the_index_becomes_a_value_of_any_vr),
        cmocka_unit_test(what_does_not_fit_is_refused_and_nothing_is_written),
        cmocka_unit_test(decimals_have_at_most_sixteen_characters),
        cmocka_unit_test(what_is_encoded_is_scanned_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
