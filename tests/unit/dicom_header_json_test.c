/* The header as JSON (PS3.18 F.2). tests/e2e compares it with dcm2json's on whole files. */
#include "dicom_support.h"

#include "core/json.h"
#include "dicom/attribute.h"
#include "dicom/encoder.h"
#include "dicom/header_json.h"
#include "dicom/json_text.h"
#include "dicom/transfer_syntax.h"

static enum mur_status write_json(struct mur_buffer *out, const char *transfer_syntax,
                                  const void *bytes, size_t length, struct mur_error *error)
{
    MUR_AUTO(mur_header_json) *header = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    MUR_AUTO_FREE struct mur_json_writer *json = malloc(sizeof *json);
    mur_json_init(json, mur_sink_buffer(out));
    enum mur_status status = mur_header_json_create(&header, json, error);
    if (status == MUR_OK)
        status =
            mur_scanner_create(&scanner, transfer_syntax, &mur_header_json_events, header, error);
    if (status == MUR_OK)
        status = mur_scanner_write(scanner, bytes, length, error);
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    if (status == MUR_OK)
        status = mur_header_json_finish(header, error);
    return status == MUR_OK ? mur_json_finish(json, error) : status;
}

static void expect(const struct mur_buffer *data, const char *transfer_syntax, const char *wanted)
{
    MUR_AUTO_BUFFER struct mur_buffer json = MUR_BUFFER_INIT;
    assert_int_equal(write_json(&json, transfer_syntax, data->data, data->length, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&json), wanted);
}

static struct mur_encoder begin(struct mur_buffer *data, const char *transfer_syntax)
{
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, data, transfer_syntax, NULL), MUR_OK);
    return encoder;
}

static void text(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr, const char *value)
{
    assert_int_equal(mur_encode_text(encoder, tag, vr, value, NULL), MUR_OK);
}

static void text_is_utf8_and_names_have_groups(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder = begin(&data, mur_uid_ExplicitVRLittleEndian);
    text(&encoder, MUR_TAG_SpecificCharacterSet, MUR_VR_CS, "ISO_IR 100");
    text(&encoder, MUR_TAG_ImageType, MUR_VR_CS, "ORIGINAL\\PRIMARY \\\\AXIAL");
    text(&encoder, MUR_TAG_ReferringPhysicianName, MUR_VR_PN, "^^^^");
    text(&encoder, MUR_TAG_OperatorsName, MUR_VR_PN, "A^B=C=D\\\\=E^^");
    text(&encoder, MUR_TAG_PatientName, MUR_VR_PN, "M\xFCller^Hans ");
    text(&encoder, MUR_TAG_PatientID, MUR_VR_LO, "");
    expect(&data, mur_uid_ExplicitVRLittleEndian,
           "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 100\"]},"
           "\"00080008\":{\"vr\":\"CS\",\"Value\":[\"ORIGINAL\",\"PRIMARY\",null,\"AXIAL\"]},"
           "\"00080090\":{\"vr\":\"PN\"},"
           "\"00081070\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"A^B\",\"Ideographic\":\"C\","
           "\"Phonetic\":\"D\"},null,{\"Ideographic\":\"E\"}]},"
           "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Müller^Hans\"}]},"
           "\"00100020\":{\"vr\":\"LO\"}}");
}

static void decimals_are_numbers_only_where_json_agrees(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder = begin(&data, mur_uid_ImplicitVRLittleEndian);
    text(&encoder, MUR_TAG_PatientWeight, MUR_VR_DS,
         "0.0284\\-1.50\\ 1e-5 \\+2\\.5\\007\\1E999\\-\\nan");
    text(&encoder, MUR_TAG_SeriesNumber, MUR_VR_IS, "300\\99999999999999999\\-0");
    expect(&data, mur_uid_ImplicitVRLittleEndian,
           "{\"00101030\":{\"vr\":\"DS\",\"Value\":[0.0284,-1.50,1e-5,\"+2\",\".5\",\"007\","
           "\"1E999\",\"-\",\"nan\"]},"
           "\"00200011\":{\"vr\":\"IS\",\"Value\":[300,\"99999999999999999\",-0]}}");
}

static void other_decimals_can_be_made_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *number; /* "": it is none */
    } cases[] = {
        {"+2", "2"},
        {".5", "0.5"},
        {"-.50", "-0.50"},
        {"007", "7"},
        {"-007.5", "-7.5"},
        {"00", "0"},
        {"5.", "5.0"},
        {"+1.E+05", "1.0e05"},
        {"-0", "-0"},
        {".", ""},
        {"-", ""},
        {"--1", ""},
        {"1,5", ""},
        {"1e", ""},
        {"0x1", ""},
        {"1 2", ""},
        {"", ""},
        {"1E999", ""},
        {"-.12345678901234", "-0.12345678901234"},
        {"00000000000000007", ""},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        char number[MUR_JSON_DECIMAL + 1];
        size_t length = mur_json_decimal(number, mur_slice_of(cases[i].text));
        assert_in_range(length, 0, MUR_JSON_DECIMAL);
        number[length] = '\0';
        assert_string_equal(number, cases[i].number);
    }
}

static void numbers_and_bytes_are_written_by_their_vr(void **state)
{
    (void)state;
    static const char *const syntaxes[] = {mur_uid_ExplicitVRLittleEndian,
                                           mur_uid_ExplicitVRBigEndian};
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        struct mur_encoder encoder = begin(&data, syntaxes[i]);
        struct mur_slice bytes = {.data = "abcd", .length = 4};
        struct mur_slice words = {.data = i == 0 ? "\1\2\3\4" : "\2\1\4\3", .length = 4};
        assert_int_equal(mur_encode_int(&encoder, 0x00091001, MUR_VR_AT, 0x0020000D, NULL), MUR_OK);
        assert_int_equal(mur_encode_int(&encoder, 0x00091002, MUR_VR_SS, -2, NULL), MUR_OK);
        assert_int_equal(mur_encode_int(&encoder, 0x00091003, MUR_VR_SV, -9007199254740993, NULL),
                         MUR_OK);
        const double real = 0.2;
        assert_int_equal(mur_encode_doubles(&encoder, 0x00091004, MUR_VR_FL, &real, 1, NULL),
                         MUR_OK);
        assert_int_equal(mur_encode_doubles(&encoder, 0x00091005, MUR_VR_FD, &real, 1, NULL),
                         MUR_OK);
        assert_int_equal(mur_encode_value(&encoder, 0x00091006, MUR_VR_OB, bytes, NULL), MUR_OK);
        assert_int_equal(mur_encode_value(&encoder, 0x00091007, MUR_VR_OW, words, NULL), MUR_OK);
        assert_int_equal(mur_encode_empty(&encoder, 0x00091008, MUR_VR_UN, NULL), MUR_OK);
        expect(&data, syntaxes[i],
               "{\"00091001\":{\"vr\":\"AT\",\"Value\":[\"0020000D\"]},"
               "\"00091002\":{\"vr\":\"SS\",\"Value\":[-2]},"
               "\"00091003\":{\"vr\":\"SV\",\"Value\":[\"-9007199254740993\"]},"
               "\"00091004\":{\"vr\":\"FL\",\"Value\":[0.2]},"
               "\"00091005\":{\"vr\":\"FD\",\"Value\":[0.2]},"
               "\"00091006\":{\"vr\":\"OB\",\"InlineBinary\":\"YWJjZA==\"},"
               "\"00091007\":{\"vr\":\"OW\",\"InlineBinary\":\"AQIDBA==\"},"
               "\"00091008\":{\"vr\":\"UN\"}}");
    }
}

static void sequences_nest_and_empty_ones_have_no_value(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder = begin(&data, mur_uid_ExplicitVRLittleEndian);
    assert_int_equal(mur_encode_sequence_begin(&encoder, 0x00081140, NULL), MUR_OK);
    assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
    assert_int_equal(mur_encode_sequence_begin(&encoder, 0x00100216, NULL), MUR_OK);
    assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
    assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
    assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
    text(&encoder, MUR_TAG_StrainStockNumber, MUR_VR_LO, "000664");
    assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
    assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
    expect(&data, mur_uid_ExplicitVRLittleEndian,
           "{\"00081140\":{\"vr\":\"SQ\"},\"00100216\":{\"vr\":\"SQ\",\"Value\":[{},"
           "{\"00100214\":{\"vr\":\"LO\",\"Value\":[\"000664\"]}}]}}");
}

static void a_repeated_element_is_written_once(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder = begin(&data, mur_uid_ExplicitVRLittleEndian);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(mur_encode_sequence_begin(&encoder, 0x00081140, NULL), MUR_OK);
        assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
        text(&encoder, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI, i == 0 ? "1.2" : "1.3");
        assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
        assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
    }
    text(&encoder, MUR_TAG_PatientID, MUR_VR_LO, "first");
    text(&encoder, MUR_TAG_PatientName, MUR_VR_PN, "late");
    text(&encoder, MUR_TAG_PatientID, MUR_VR_LO, "second");
    expect(&data, mur_uid_ExplicitVRLittleEndian,
           "{\"00081140\":{\"vr\":\"SQ\",\"Value\":[{\"00081150\":{\"vr\":\"UI\",\"Value\":"
           "[\"1.2\"]}}]},\"00100020\":{\"vr\":\"LO\",\"Value\":[\"first\"]},"
           "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"late\"}]}}");
}

static void pixels_are_told_by_place_and_length(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder = begin(&data, mur_uid_ExplicitVRLittleEndian);
    struct mur_slice pixels = {.data = "abcd", .length = 4};
    assert_int_equal(mur_encode_value(&encoder, MUR_TAG_PixelData, MUR_VR_OW, pixels, NULL),
                     MUR_OK);
    expect(&data, mur_uid_ExplicitVRLittleEndian,
           "{\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"#12,4\"}}");
    static const char fragments[] = "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0"
                                    "\xFE\xFF\x00\xE0\x02\0\0\0ab\xFE\xFF\xDD\xE0\0\0\0\0";
    mur_buffer_clear(&data);
    assert_int_equal(mur_buffer_append(&data, fragments, sizeof fragments - 1, NULL), MUR_OK);
    expect(&data, mur_uid_RLELossless,
           "{\"7FE00010\":{\"vr\":\"OB\",\"BulkDataURI\":\"#12,18,encapsulated\"}}");
}

/* Everything before the pixels, where offsets begin to differ. */
static size_t header_length(const struct mur_buffer *json)
{
    const char *pixels = strstr(mur_buffer_text(json), ",\"7FE00010\"");
    assert_non_null(pixels);
    return (size_t)(pixels - mur_buffer_text(json));
}

static void one_image_in_any_encoding_has_the_same_header(void **state)
{
    (void)state;
    static const char *const names[] = {"dicom/MR_small_bigendian.dcm", "dicom/MR_small_expb.dcm",
                                        "dicom/MR_small_implicit.dcm", "dicom/MR_small_RLE.dcm",
                                        "dicom/MR_small_padded.dcm"};
    struct test_file first;
    read_test_file(&first, "dicom/MR_small.dcm");
    MUR_AUTO_BUFFER struct mur_buffer wanted = MUR_BUFFER_INIT;
    assert_int_equal(
        write_json(&wanted, first.head.transfer_syntax, first.data, first.length, NULL), MUR_OK);
    assert_true(wanted.length > 2000);
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        struct test_file file;
        read_test_file(&file, names[i]);
        MUR_AUTO_BUFFER struct mur_buffer json = MUR_BUFFER_INIT;
        assert_int_equal(write_json(&json, file.head.transfer_syntax, file.data, file.length, NULL),
                         MUR_OK);
        assert_int_equal(header_length(&json), header_length(&wanted));
        assert_memory_equal(mur_buffer_text(&json), mur_buffer_text(&wanted),
                            header_length(&wanted));
        mur_buffer_free(&file.bytes);
    }
    mur_buffer_free(&first.bytes);
}

static enum mur_status full(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    return mur_error_set(error, MUR_NO_SPACE, "disk full");
}

static void a_full_disk_ends_the_scan_at_once(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_encoder encoder = begin(&data, mur_uid_ExplicitVRLittleEndian);
    for (uint32_t i = 0; i < 1000; i++)
        text(&encoder, 0x00091000 + i, MUR_VR_LO, "something");
    MUR_AUTO(mur_header_json) *header = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    MUR_AUTO_FREE struct mur_json_writer *json = malloc(sizeof *json);
    struct mur_error error = MUR_ERROR_INIT;
    mur_json_init(json, (struct mur_sink){.write = full});
    assert_int_equal(mur_header_json_create(&header, json, NULL), MUR_OK);
    assert_int_equal(mur_scanner_create(&scanner, mur_uid_ExplicitVRLittleEndian,
                                        &mur_header_json_events, header, NULL),
                     MUR_OK);
    assert_int_equal(mur_scanner_write(scanner, data.data, data.length, &error), MUR_NO_SPACE);
    assert_string_equal(error.message, "disk full");
    assert_true(mur_scanner_elements(scanner) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_utf8_and_names_have_groups),
        cmocka_unit_test(decimals_are_numbers_only_where_json_agrees),
        cmocka_unit_test(other_decimals_can_be_made_numbers),
        cmocka_unit_test(numbers_and_bytes_are_written_by_their_vr),
        cmocka_unit_test(sequences_nest_and_empty_ones_have_no_value),
        cmocka_unit_test(a_repeated_element_is_written_once),
        cmocka_unit_test(pixels_are_told_by_place_and_length),
        cmocka_unit_test(one_image_in_any_encoding_has_the_same_header),
        cmocka_unit_test(a_full_disk_ends_the_scan_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
