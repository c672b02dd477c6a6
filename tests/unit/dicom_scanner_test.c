/* The scanner: every encoding, every cut, every lie about a length. */
#include "dicom_support.h"

#include "dicom/attribute.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"

#define BYTES(text) (text), sizeof(text) - 1

static enum mur_status scan(const char *transfer_syntax, const char *bytes, size_t length)
{
    MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
    return trace(&lines, transfer_syntax, bytes, length, 0, NULL);
}

static enum mur_status scan_explicit(const char *bytes, size_t length)
{
    return scan(mur_uid_ExplicitVRLittleEndian, bytes, length);
}

/* Scans a Data Set in Explicit VR Little Endian and wants these lines. */
static void expect(const char *transfer_syntax, const char *bytes, size_t length,
                   const char *const *wanted)
{
    for (size_t piece = 0; piece <= 3; piece++) {
        MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
        struct mur_error error = MUR_ERROR_INIT;
        enum mur_status status = trace(&lines, transfer_syntax, bytes, length, piece, &error);
        if (status != MUR_OK)
            print_message("%s\n", error.message);
        assert_int_equal(status, MUR_OK);
        const char *at = mur_buffer_text(&lines);
        for (size_t i = 0; wanted[i] != NULL; i++) {
            const char *end = strchr(at, '\n');
            if (end == NULL || strncmp(at, wanted[i], strlen(wanted[i])) != 0)
                fail_msg("line %zu is \"%s\", not \"%s\"", i, at, wanted[i]);
            at = end + 1;
        }
        assert_string_equal(at, "");
    }
}

static const char *const test_files[] = {
    "dicom/MR_small.dcm",        "dicom/MR_small_bigendian.dcm",
    "dicom/MR_small_expb.dcm",   "dicom/MR_small_implicit.dcm",
    "dicom/MR_small_padded.dcm", "dicom/MR_small_RLE.dcm",
    "dicom/image_dfl.dcm",       "dicom/MR_small_jpeg_ls_lossless.dcm",
    "dicom/CT_small.dcm",        "seg/liver.dcm",
};

static void pieces_of_any_size_give_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < MUR_COUNT(test_files); i++) {
        struct test_file file;
        read_test_file(&file, test_files[i]);
        MUR_AUTO_BUFFER struct mur_buffer whole = MUR_BUFFER_INIT;
        assert_int_equal(trace(&whole, file.head.transfer_syntax, file.data, file.length, 0, NULL),
                         MUR_OK);
        assert_true(whole.length > 1000);
        static const size_t pieces[] = {1, 2, 3, 7, 64, 1000};
        for (size_t p = 0; p < MUR_COUNT(pieces); p++) {
            MUR_AUTO_BUFFER struct mur_buffer cut = MUR_BUFFER_INIT;
            assert_int_equal(
                trace(&cut, file.head.transfer_syntax, file.data, file.length, pieces[p], NULL),
                MUR_OK);
            assert_string_equal(mur_buffer_text(&cut), mur_buffer_text(&whole));
        }
        mur_buffer_free(&file.bytes);
    }
}

static void a_data_set_cut_at_any_byte_is_refused_unless_an_element_ends_there(void **state)
{
    (void)state;
    struct test_file file;
    read_test_file(&file, "dicom/MR_small_implicit.dcm");
    size_t whole = 0;
    for (size_t length = 0; length < file.length; length++) {
        MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
        enum mur_status status =
            trace(&lines, file.head.transfer_syntax, file.data, length, 0, NULL);
        assert_true(status == MUR_OK || status == MUR_PARSE);
        whole += status == MUR_OK ? 1 : 0;
    }
    assert_in_range(whole, 50, 120); /* as many as there are elements at the top */
    mur_buffer_free(&file.bytes);
}

static void a_deflated_data_set_that_is_cut_is_refused(void **state)
{
    (void)state;
    struct test_file file;
    read_test_file(&file, "dicom/image_dfl.dcm");
    for (size_t length = 1; length + 16 < file.length; length += 977) {
        MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
        assert_int_equal(trace(&lines, file.head.transfer_syntax, file.data, length, 0, NULL),
                         MUR_PARSE);
    }
    mur_buffer_free(&file.bytes);
}

static void a_deflate_bomb_ends_at_the_limit(void **state)
{
    (void)state;
    struct test_file file;
    read_test_file(&file, "dicom/image_dfl.dcm");
    MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    assert_int_equal(
        mur_scanner_create(&scanner, file.head.transfer_syntax, &trace_events, &lines, NULL),
        MUR_OK);
    mur_scanner_limit_inflated(scanner, 5000);
    assert_int_equal(mur_scanner_write(scanner, file.data, file.length, NULL), MUR_LIMIT);
    mur_buffer_free(&file.bytes);
}

static void seeking_over_bulk_values_gives_the_same_events(void **state)
{
    (void)state;
    static const char *const names[] = {"seg/liver.dcm", "dicom/two_slices_0.dcm"};
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        struct test_file file;
        read_test_file(&file, names[i]);
        MUR_AUTO_BUFFER struct mur_buffer whole = MUR_BUFFER_INIT;
        MUR_AUTO_BUFFER struct mur_buffer seeking = MUR_BUFFER_INIT;
        assert_int_equal(trace(&whole, file.head.transfer_syntax, file.data, file.length, 0, NULL),
                         MUR_OK);
        MUR_AUTO(mur_scanner) *scanner = NULL;
        assert_int_equal(
            mur_scanner_create(&scanner, file.head.transfer_syntax, &trace_events, &seeking, NULL),
            MUR_OK);
        /* The smallest pieces, so that as much as can be is passed over. */
        for (size_t at = 0; at < file.length;) {
            uint64_t passable = mur_scanner_passable(scanner);
            assert_true(passable <= file.length - at);
            if (passable > 0)
                assert_int_equal(mur_scanner_pass(scanner, passable, NULL), MUR_OK);
            else
                assert_int_equal(mur_scanner_write(scanner, file.data + at, 1, NULL), MUR_OK);
            at += passable > 0 ? (size_t)passable : 1;
        }
        assert_int_equal(mur_scanner_finish(scanner, NULL), MUR_OK);
        assert_string_equal(mur_buffer_text(&seeking), mur_buffer_text(&whole));
        mur_buffer_free(&file.bytes);
    }
}

static void a_file_that_is_shorter_than_its_pixels_say_is_refused(void **state)
{
    (void)state;
    char name[] = "/tmp/murpacs_scanner_XXXXXX";
    int descriptor = mkstemp(name);
    assert_true(descriptor >= 0);
    static const char begin[] = "\xE0\x7F\x10\0OW\0\0\0\0\x10\0"; /* says 1 MiB */
    assert_int_equal(write(descriptor, begin, sizeof begin - 1), sizeof begin - 1);
    assert_int_equal(ftruncate(descriptor, 1000000), 0);
    MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    assert_int_equal(
        mur_scanner_create(&scanner, mur_uid_ExplicitVRLittleEndian, &trace_events, &lines, NULL),
        MUR_OK);
    assert_int_equal(mur_scanner_read(scanner, descriptor, 0, name, NULL), MUR_PARSE);
    assert_string_equal(mur_buffer_text(&lines), "");
    (void)close(descriptor);
    (void)unlink(name);
}

static void sequences_of_both_kinds_of_length_are_followed(void **state)
{
    (void)state;
    static const char *const wanted[] = {"0 00081140 SQ 8 @12",
                                         "{",
                                         "}",
                                         "]",
                                         "0 00081199 SQ 4294967295 @32",
                                         "{",
                                         "1 00081150 UI 2 @48",
                                         "}",
                                         "{",
                                         "1 00081155 UI 0 @66",
                                         "}",
                                         "]",
                                         "0 00100020 LO 2 @90",
                                         NULL};
    expect(mur_uid_ExplicitVRLittleEndian,
           BYTES("\x08\0\x40\x11SQ\0\0\x08\0\0\0\xFE\xFF\x00\xE0\0\0\0\0"
                 "\x08\0\x99\x11SQ\0\0\xFF\xFF\xFF\xFF"
                 "\xFE\xFF\x00\xE0\x0A\0\0\0\x08\0\x50\x11UI\x02\0"
                 "1\0"
                 "\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x08\0\x55\x11UI\0\0\xFE\xFF\x0D\xE0\0\0\0\0"
                 "\xFE\xFF\xDD\xE0\0\0\0\0"
                 "\x10\0\x20\0LO\x02\0ab"),
           wanted);
}

static void unknown_values_of_undefined_length_are_implicit_inside(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "0 00100216 SQ 4294967295 @12", "{", "1 00100217 LO 2 @28", "}", "]",
        "0 00200010 SH 2 @54",          NULL};
    expect(mur_uid_ExplicitVRLittleEndian,
           BYTES("\x10\0\x16\x02UN\0\0\xFF\xFF\xFF\xFF"
                 "\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x10\0\x17\x02\x02\0\0\0ab"
                 "\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0"
                 "\x20\0\x10\0SH\x02\0xy"),
           wanted);
}

static void standard_attributes_sent_as_un_have_their_vr(void **state)
{
    (void)state;
    /* a sequence of defined length, a number, and one of a length that no US has */
    static const char *const wanted[] = {
        "0 00100216 SQ 18 @12", "{", "1 00100217 LO 2 @28", "}", "]", "0 00280010 US 2 @42",
        "0 00280011 UN 3 @56",  NULL};
    expect(mur_uid_ExplicitVRLittleEndian,
           BYTES("\x10\0\x16\x02UN\0\0\x12\0\0\0\xFE\xFF\x00\xE0\x0A\0\0\0"
                 "\x10\0\x17\x02\x02\0\0\0ab"
                 "\x28\0\x10\0UN\0\0\x02\0\0\0\x40\0"
                 "\x28\0\x11\0UN\0\0\x03\0\0\0abc"),
           wanted);
}

static void bytes_that_only_begin_like_items_stay_bytes(void **state)
{
    (void)state;
    static const char *const wanted[] = {"0 00091010 UN 8 @12", "0 0009100A UN 12 @32", NULL};
    expect(mur_uid_ExplicitVRLittleEndian,
           BYTES("\x09\0\x10\x10UN\0\0\x08\0\0\0\xFE\xFF\x00\xE0\x08\0\0\0"
                 "\x09\0\x0A\x10UN\0\0\x0C\0\0\0\xFE\xFF\x00\xE0\x04\0\0\0abcd"),
           wanted);
}

static void private_blocks_are_known_by_their_creator_in_the_same_item(void **state)
{
    (void)state;
    static const char *const wanted[] = {"0 00990010 LO 16 @8",
                                         "0 00991001 UC 4 @32",
                                         "0 00991006 FD 8 @44",
                                         "0 00991102 UN 2 @60",
                                         "0 00991202 SQ 18 @70",
                                         "{",
                                         "1 00991001 UN 2 @86",
                                         "}",
                                         "]",
                                         NULL};
    expect(mur_uid_ImplicitVRLittleEndian,
           BYTES("\x99\0\x10\0\x10\0\0\0MURPACS ISA 1.0 "
                 "\x99\0\x01\x10\x04\0\0\0"
                 "a=b\0"
                 "\x99\0\x06\x10\x08\0\0\0\0\0\0\0\0\0\0\0"
                 "\x99\0\x02\x11\x02\0\0\0ab"
                 "\x99\0\x02\x12\x12\0\0\0\xFE\xFF\x00\xE0\x0A\0\0\0"
                 "\x99\0\x01\x10\x02\0\0\0ab"),
           wanted);
}

static void us_or_ss_follows_pixel_representation(void **state)
{
    (void)state;
    static const char *const wanted[] = {"0 00280103 US 2", "0 00280106 SS 2", NULL};
    expect(mur_uid_ImplicitVRLittleEndian,
           BYTES("\x28\0\x03\x01\x02\0\0\0\x01\0\x28\0\x06\x01\x02\0\0\0\xFF\xFF"), wanted);
    static const char *const other[] = {"0 00280103 US 2", "0 00280106 US 2", NULL};
    expect(mur_uid_ImplicitVRLittleEndian,
           BYTES("\x28\0\x03\x01\x02\0\0\0\0\0\x28\0\x06\x01\x02\0\0\0\xFF\xFF"), other);
}

static void items_inherit_the_character_set_and_may_have_their_own(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
    static const char data[] =
        "\x08\0\x05\0CS\x0A\0ISO_IR 100\x08\0\x40\x11SQ\0\0\xFF\xFF\xFF\xFF"
        "\xFE\xFF\x00\xE0\x0A\0\0\0\x10\0\x10\0PN\x02\0ab"
        "\xFE\xFF\x00\xE0\x1C\0\0\0\x08\0\x05\0CS\x0A\0ISO_IR 192\x10\0\x10\0PN\x02\0ab"
        "\xFE\xFF\xDD\xE0\0\0\0\0\x10\0\x10\0PN\x02\0ab";
    assert_int_equal(trace(&lines, mur_uid_ExplicitVRLittleEndian, data, sizeof data - 1, 0, NULL),
                     MUR_OK);
    static const struct {
        const char *begin, *charset;
    } wanted[] = {
        {"1 00100010", "ISO_IR 100"}, {"1 00100010", "ISO_IR 192"}, {"0 00100010", "ISO_IR 100"}};
    const char *at = mur_buffer_text(&lines);
    for (size_t i = 0; i < MUR_COUNT(wanted); i++) {
        at = strstr(at, wanted[i].begin);
        assert_non_null(at);
        const char *end = strchr(at, '\n');
        assert_memory_equal(end - strlen(wanted[i].charset), wanted[i].charset,
                            strlen(wanted[i].charset));
        at = end;
    }
}

static void fragments_of_encapsulated_pixels_are_told(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "fragment 0 @20 0", "fragment 1 @28 4",
        "fragment 2 @40 2", "0 7FE00010 OB 30 @12 bulk []  encapsulated",
        "0 7FE10010 LO 2",  NULL};
    expect(mur_uid_RLELossless,
           BYTES("\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0"
                 "\xFE\xFF\x00\xE0\x04\0\0\0abcd\xFE\xFF\x00\xE0\x02\0\0\0ef"
                 "\xFE\xFF\xDD\xE0\0\0\0\0\xE1\x7F\x10\0LO\x02\0xy"),
           wanted);
}

static void group_lengths_and_padding_are_not_reported(void **state)
{
    (void)state;
    static const char *const wanted[] = {"0 00080060 CS 2", NULL};
    expect(mur_uid_ExplicitVRLittleEndian,
           BYTES("\x08\0\0\0UL\x04\0\x0A\0\0\0\x08\0\x60\0CS\x02\0MR"
                 "\xFC\xFF\xFC\xFFOB\0\0\x04\0\0\0abcd\0\0\0\0\0\0\0\0\0\0\0"),
           wanted);
    assert_int_equal(scan_explicit(BYTES("\x08\0\x60\0CS\x02\0MR\0\0\0\0\0\0\0\0\0\x01")),
                     MUR_PARSE);
}

static void lengths_that_lie_are_refused(void **state)
{
    (void)state;
    /* an element longer than its item */
    assert_int_equal(scan_explicit(BYTES("\x08\0\x40\x11SQ\0\0\x12\0\0\0\xFE\xFF\x00\xE0\x0A\0\0\0"
                                         "\x08\0\x50\x11UI\x04\0"
                                         "1234"
                                         "\x10\0\x20\0LO\0\0")),
                     MUR_PARSE);
    /* an item longer than its sequence */
    assert_int_equal(scan_explicit(BYTES("\x08\0\x40\x11SQ\0\0\x08\0\0\0\xFE\xFF\x00\xE0\x0A\0\0\0"
                                         "\x08\0\x50\x11UI\x02\0"
                                         "12")),
                     MUR_PARSE);
    /* a sequence longer than the item around it */
    assert_int_equal(scan_explicit(BYTES("\x08\0\x40\x11SQ\0\0\x14\0\0\0\xFE\xFF\x00\xE0\x0C\0\0\0"
                                         "\x08\0\x99\x11SQ\0\0\x08\0\0\0\xFE\xFF\x00\xE0\0\0\0\0")),
                     MUR_PARSE);
    /* items where there can be none, in a group length and in padding: DCMTK would believe them */
    assert_int_equal(scan_explicit(BYTES("\x62\x0F\0\0SQ\0\0\x0C\0\0\0\xFE\xFF\x00\xE0\0\0\0\x30"
                                         "1234")),
                     MUR_PARSE);
    assert_int_equal(
        scan_explicit(BYTES("\xFC\xFF\xFC\xFFSQ\0\0\x0C\0\0\0\xFE\xFF\x00\xE0\0\0\0\x30"
                            "1234")),
        MUR_PARSE);
    /* a head that does not fit before the end of the item */
    assert_int_equal(scan_explicit(BYTES("\x08\0\x40\x11SQ\0\0\x0C\0\0\0\xFE\xFF\x00\xE0\x04\0\0\0"
                                         "\x08\0\x50\x11UI\x02\0"
                                         "12")),
                     MUR_PARSE);
    /* an item of undefined length that does not end before its sequence does */
    assert_int_equal(
        scan_explicit(BYTES("\x08\0\x40\x11SQ\0\0\x12\0\0\0\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF"
                            "\x08\0\x50\x11UI\x02\0"
                            "12"
                            "\x10\0\x20\0LO\0\0")),
        MUR_PARSE);
    /* a fragment of undefined length */
    assert_int_equal(scan(mur_uid_RLELossless, BYTES("\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                                     "\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF")),
                     MUR_PARSE);
    /* undefined length of a text */
    assert_int_equal(scan_explicit(BYTES("\x08\0\x19\x01UC\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0")),
                     MUR_PARSE);
}

static void what_is_no_data_set_is_refused(void **state)
{
    (void)state;
    assert_int_equal(scan_explicit(BYTES("GIF89a is another format altogether")), MUR_PARSE);
    assert_int_equal(scan_explicit(BYTES("\xFE\xFF\x0D\xE0\0\0\0\0")), MUR_PARSE);
    assert_int_equal(scan_explicit(BYTES("\x02\0\x10\0UI\x02\0"
                                         "1.")),
                     MUR_PARSE);
    assert_int_equal(scan_explicit(BYTES("\x08\0\x40\x11SQ\0\0\xFF\xFF\xFF\xFF"
                                         "\x08\0\x50\x11UI\x02\0"
                                         "12")),
                     MUR_PARSE);
    assert_int_equal(scan_explicit(BYTES("")), MUR_OK);
}

static void a_vr_of_the_future_has_a_long_length(void **state)
{
    (void)state;
    static const char *const wanted[] = {"0 00091010 UN 2 @12", "0 00091011 UN 2 @22", NULL};
    expect(mur_uid_ExplicitVRLittleEndian,
           BYTES("\x09\0\x10\x10ZZ\0\0\x02\0\0\0ab\x09\0\x11\x10??\x02\0ab"), wanted);
}

/* Implicit: a sequence of defined or undefined length, @p depth times, with an element inside. */
static void nest(struct mur_buffer *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        assert_int_equal(mur_buffer_append(out,
                                           "\x08\0\x40\x11\xFF\xFF\xFF\xFF"
                                           "\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
                                           16, NULL),
                         MUR_OK);
    assert_int_equal(mur_buffer_append(out,
                                       "\x08\0\x50\x11\x02\0\0\0"
                                       "1\0",
                                       10, NULL),
                     MUR_OK);
    for (unsigned i = 0; i < depth; i++)
        assert_int_equal(
            mur_buffer_append(out, "\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0", 16, NULL),
            MUR_OK);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    static const struct {
        unsigned depth;
        enum mur_status status;
    } cases[] = {{60, MUR_OK}, {64, MUR_OK}, {65, MUR_LIMIT}, {20000, MUR_LIMIT}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        nest(&data, cases[i].depth);
        assert_int_equal(scan(mur_uid_ImplicitVRLittleEndian, data.data, data.length),
                         cases[i].status);
    }
}

static void long_values_are_bulk_and_the_longest_held_one_is_whole(void **state)
{
    (void)state;
    static const size_t lengths[] = {MUR_SCAN_VALUE, MUR_SCAN_VALUE + 2};
    for (size_t i = 0; i < MUR_COUNT(lengths); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        MUR_AUTO_BUFFER struct mur_buffer lines = MUR_BUFFER_INIT;
        MUR_AUTO_FREE char *value = calloc(1, lengths[i]);
        struct mur_encoder encoder;
        assert_int_equal(mur_encoder_init(&encoder, &data, mur_uid_ExplicitVRLittleEndian, NULL),
                         MUR_OK);
        struct mur_slice slice = {.data = value, .length = lengths[i]};
        assert_int_equal(mur_encode_value(&encoder, 0x00091010, MUR_VR_OB, slice, NULL), MUR_OK);
        assert_int_equal(
            trace(&lines, mur_uid_ExplicitVRLittleEndian, data.data, data.length, 4096, NULL),
            MUR_OK);
        assert_int_equal(strstr(mur_buffer_text(&lines), "bulk") != NULL, i == 1);
    }
}

/* Remembers one number of each VR. */
struct numbers {
    int64_t integer[MUR_VR_COUNT];
    double real[MUR_VR_COUNT];
};

static enum mur_status take_number(void *user, const struct mur_scan_element *element,
                                   struct mur_error *error)
{
    struct numbers *numbers = user;
    (void)error;
    (void)mur_scan_int(&numbers->integer[element->vr], element, 1);
    (void)mur_scan_double(&numbers->real[element->vr], element, 1);
    return MUR_OK;
}

static void numbers_are_read_in_either_byte_order(void **state)
{
    (void)state;
    static const char *const syntaxes[] = {mur_uid_ExplicitVRLittleEndian,
                                           mur_uid_ExplicitVRBigEndian};
    static const enum mur_vr integers[] = {MUR_VR_US, MUR_VR_UL, MUR_VR_UV, MUR_VR_AT};
    static const enum mur_vr negatives[] = {MUR_VR_SS, MUR_VR_SL, MUR_VR_SV};
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++) {
        MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
        struct mur_encoder encoder;
        struct numbers numbers = {.integer = {0}};
        assert_int_equal(mur_encoder_init(&encoder, &data, syntaxes[i], NULL), MUR_OK);
        uint32_t tag = 0x00091001;
        for (size_t k = 0; k < MUR_COUNT(integers); k++)
            assert_int_equal(mur_encode_ints(&encoder, tag++, integers[k],
                                             (const int64_t[]){1, 0x1234}, 2, NULL),
                             MUR_OK);
        for (size_t k = 0; k < MUR_COUNT(negatives); k++)
            assert_int_equal(
                mur_encode_ints(&encoder, tag++, negatives[k], (const int64_t[]){1, -300}, 2, NULL),
                MUR_OK);
        const double reals[] = {0, -1.5};
        assert_int_equal(mur_encode_doubles(&encoder, tag++, MUR_VR_FL, reals, 2, NULL), MUR_OK);
        assert_int_equal(mur_encode_doubles(&encoder, tag++, MUR_VR_FD, reals, 2, NULL), MUR_OK);
        const struct mur_scan_events events = {.element = take_number};
        MUR_AUTO(mur_scanner) *scanner = NULL;
        assert_int_equal(mur_scanner_create(&scanner, syntaxes[i], &events, &numbers, NULL),
                         MUR_OK);
        assert_int_equal(mur_scanner_write(scanner, data.data, data.length, NULL), MUR_OK);
        for (size_t k = 0; k < MUR_COUNT(integers); k++)
            assert_int_equal(numbers.integer[integers[k]], 0x1234);
        for (size_t k = 0; k < MUR_COUNT(negatives); k++)
            assert_int_equal(numbers.integer[negatives[k]], -300);
        assert_true(numbers.real[MUR_VR_FL] == -1.5 && numbers.real[MUR_VR_FD] == -1.5);
    }
}

static enum mur_status refuse(void *user, const struct mur_scan_element *element,
                              struct mur_error *error)
{
    (void)user;
    return mur_error_set(error, MUR_NO_SPACE, "full at %08X", (unsigned)element->tag);
}

static void a_receivers_failure_ends_the_scan(void **state)
{
    (void)state;
    const struct mur_scan_events events = {.element = refuse};
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    assert_int_equal(
        mur_scanner_create(&scanner, mur_uid_ExplicitVRLittleEndian, &events, NULL, NULL), MUR_OK);
    assert_int_equal(mur_scanner_write(scanner, BYTES("\x08\0\x60\0CS\x02\0MR"), &error),
                     MUR_NO_SPACE);
    assert_string_equal(error.message, "full at 00080060");
    assert_int_equal(mur_scanner_finish(scanner, &error), MUR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_give_the_same_events),
        cmocka_unit_test(a_data_set_cut_at_any_byte_is_refused_unless_an_element_ends_there),
        cmocka_unit_test(a_deflated_data_set_that_is_cut_is_refused),
        cmocka_unit_test(a_deflate_bomb_ends_at_the_limit),
        cmocka_unit_test(seeking_over_bulk_values_gives_the_same_events),
        cmocka_unit_test(a_file_that_is_shorter_than_its_pixels_say_is_refused),
        cmocka_unit_test(sequences_of_both_kinds_of_length_are_followed),
        cmocka_unit_test(unknown_values_of_undefined_length_are_implicit_inside),
        cmocka_unit_test(standard_attributes_sent_as_un_have_their_vr),
        cmocka_unit_test(bytes_that_only_begin_like_items_stay_bytes),
        cmocka_unit_test(private_blocks_are_known_by_their_creator_in_the_same_item),
        cmocka_unit_test(us_or_ss_follows_pixel_representation),
        cmocka_unit_test(items_inherit_the_character_set_and_may_have_their_own),
        cmocka_unit_test(fragments_of_encapsulated_pixels_are_told),
        cmocka_unit_test(group_lengths_and_padding_are_not_reported),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(what_is_no_data_set_is_refused),
        cmocka_unit_test(a_vr_of_the_future_has_a_long_length),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(long_values_are_bulk_and_the_longest_held_one_is_whole),
        cmocka_unit_test(numbers_are_read_in_either_byte_order),
        cmocka_unit_test(a_receivers_failure_ends_the_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
