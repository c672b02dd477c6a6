/* Data Sets over the bridge: what is put is got, what is saved is loaded, what is wrong is refused.
 */
#include "dicom_support.h"

#include <math.h>

#include "dicom/data_set.h"
#include "dicom/dictionary.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"

static struct mur_dataset *made(void)
{
    struct mur_dataset *dataset = NULL;
    assert_int_equal(mur_dataset_create(&dataset, NULL), MUR_OK);
    assert_int_equal(mur_dataset_set_utf8(dataset, NULL), MUR_OK);
    return dataset;
}

static void put(struct mur_dataset *dataset, uint32_t tag, const char *value)
{
    assert_int_equal(mur_dataset_put_string(dataset, tag, MUR_VR_NONE, value, NULL), MUR_OK);
}

static void expect_text(struct mur_dataset *dataset, uint32_t tag, const char *wanted)
{
    MUR_AUTO_FREE char *text = NULL;
    assert_int_equal(mur_dataset_get_text(&text, dataset, tag, NULL), MUR_OK);
    assert_string_equal(text, wanted);
}

static void absent_is_not_empty(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    struct mur_error error = MUR_ERROR_INIT;
    const char *value = NULL;
    assert_int_equal(mur_dataset_get_string(&value, dataset, MUR_TAG_PatientID, &error),
                     MUR_NOT_FOUND);
    assert_string_equal(error.message, "PatientID (0010,0020): absent");
    assert_null(value);
    assert_int_equal(mur_dataset_put_empty(dataset, MUR_TAG_PatientID, MUR_VR_NONE, NULL), MUR_OK);
    assert_int_equal(mur_dataset_get_string(&value, dataset, MUR_TAG_PatientID, NULL), MUR_OK);
    assert_string_equal(value, "");
    assert_true(mur_dataset_has(dataset, MUR_TAG_PatientID));
    assert_false(mur_dataset_has_value(dataset, MUR_TAG_PatientID));
    assert_int_equal(mur_dataset_vr(dataset, MUR_TAG_PatientID), MUR_VR_LO);
    size_t count = 9;
    assert_int_equal(mur_dataset_get_count(&count, dataset, MUR_TAG_PatientID, NULL), MUR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(mur_dataset_remove(dataset, MUR_TAG_PatientID, NULL), MUR_OK);
    assert_int_equal(mur_dataset_remove(dataset, MUR_TAG_PatientID, NULL), MUR_OK);
    assert_false(mur_dataset_has(dataset, MUR_TAG_PatientID));
}

static void numbers_come_back_from_every_vr(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    static const enum mur_vr integers[] = {MUR_VR_IS, MUR_VR_US, MUR_VR_SS, MUR_VR_UL, MUR_VR_SL,
                                           MUR_VR_UV, MUR_VR_SV, MUR_VR_DS, MUR_VR_FD};
    const int64_t values[] = {7, 31000};
    for (size_t i = 0; i < MUR_COUNT(integers); i++) {
        uint32_t tag = 0x00091001 + (uint32_t)i;
        int64_t value = 0;
        double real = 0;
        size_t count = 0;
        assert_int_equal(mur_dataset_put_ints(dataset, tag, integers[i], values, 2, NULL), MUR_OK);
        assert_int_equal(mur_dataset_vr(dataset, tag), integers[i]);
        assert_int_equal(mur_dataset_get_count(&count, dataset, tag, NULL), MUR_OK);
        assert_int_equal(count, 2);
        assert_int_equal(mur_dataset_get_int(&value, dataset, tag, 1, NULL), MUR_OK);
        assert_int_equal(value, 31000);
        assert_int_equal(mur_dataset_get_double(&real, dataset, tag, 0, NULL), MUR_OK);
        assert_true(real == 7);
        assert_int_equal(mur_dataset_get_int(&value, dataset, tag, 2, NULL), MUR_NOT_FOUND);
    }
    const double reals[] = {0.2, -1.0 / 3};
    static const enum mur_vr decimals[] = {MUR_VR_DS, MUR_VR_FD, MUR_VR_FL};
    for (size_t i = 0; i < MUR_COUNT(decimals); i++) {
        uint32_t tag = 0x00091101 + (uint32_t)i;
        double real = 0;
        assert_int_equal(mur_dataset_put_doubles(dataset, tag, decimals[i], reals, 2, NULL),
                         MUR_OK);
        assert_int_equal(mur_dataset_get_double(&real, dataset, tag, 1, NULL), MUR_OK);
        assert_true(fabs(real + 1.0 / 3) < 1e-7);
    }
    expect_text(dataset, 0x00091101, "0.2\\-0.3333333333333");
    expect_text(dataset, 0x00091002, "7\\31000");
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    int64_t whole = 0;
    assert_int_equal(mur_dataset_put_int(dataset, MUR_TAG_Rows, MUR_VR_NONE, 65536, NULL),
                     MUR_LIMIT);
    assert_int_equal(mur_dataset_put_int(dataset, MUR_TAG_Rows, MUR_VR_NONE, -1, NULL), MUR_LIMIT);
    assert_int_equal(
        mur_dataset_put_double(dataset, MUR_TAG_PatientWeight, MUR_VR_NONE, INFINITY, NULL),
        MUR_INVALID);
    assert_int_equal(mur_dataset_put_double(dataset, MUR_TAG_Rows, MUR_VR_NONE, 1, NULL),
                     MUR_INVALID);
    assert_int_equal(mur_dataset_put_string(dataset, MUR_TAG_Rows, MUR_VR_NONE, "1", NULL),
                     MUR_INVALID);
    assert_false(mur_dataset_has(dataset, MUR_TAG_Rows));
    put(dataset, MUR_TAG_PatientWeight, "0.0284");
    assert_int_equal(mur_dataset_get_int(&whole, dataset, MUR_TAG_PatientWeight, 0, NULL),
                     MUR_PARSE);
    put(dataset, MUR_TAG_PatientWeight, "heavy");
    assert_int_equal(mur_dataset_get_int(&whole, dataset, MUR_TAG_PatientWeight, 0, NULL),
                     MUR_PARSE);
    put(dataset, MUR_TAG_PatientID, "12");
    assert_int_equal(mur_dataset_get_int(&whole, dataset, MUR_TAG_PatientID, 0, NULL),
                     MUR_MISMATCH);
}

static void the_dictionary_decides_the_vr_and_private_blocks_are_reserved(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    unsigned block = 0;
    unsigned other = 0;
    assert_int_equal(mur_dataset_put_string(dataset, 0x00991001, MUR_VR_NONE, "a", NULL),
                     MUR_INVALID);
    assert_int_equal(
        mur_dataset_private_block(&block, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, NULL),
        MUR_OK);
    assert_int_equal(block, 0x10);
    assert_int_equal(
        mur_dataset_private_block(&other, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_NIFTI, NULL),
        MUR_OK);
    assert_int_equal(other, 0x11);
    assert_int_equal(
        mur_dataset_private_block(&other, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, NULL),
        MUR_OK);
    assert_int_equal(other, 0x10);
    put(dataset, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE), "factor:diet=western diet");
    assert_int_equal(mur_dataset_vr(dataset, 0x00991001), MUR_VR_UC);
    assert_int_equal(mur_dataset_private_block(&block, dataset, 0x0010, "X", NULL), MUR_INVALID);
    assert_int_equal(
        mur_dataset_put_int(dataset, MUR_TAG_PixelRepresentation, MUR_VR_NONE, 1, NULL), MUR_OK);
    assert_int_equal(
        mur_dataset_put_int(dataset, MUR_TAG_PixelPaddingValue, MUR_VR_NONE, -32768, NULL), MUR_OK);
    assert_int_equal(mur_dataset_vr(dataset, MUR_TAG_PixelPaddingValue), MUR_VR_SS);
}

static void text_needs_a_character_set_that_has_it(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    assert_int_equal(mur_dataset_create(&dataset, NULL), MUR_OK);
    assert_int_equal(
        mur_dataset_put_string(dataset, MUR_TAG_PatientName, MUR_VR_NONE, "Müller", NULL),
        MUR_UNSUPPORTED);
    put(dataset, MUR_TAG_SpecificCharacterSet, "ISO_IR 100");
    put(dataset, MUR_TAG_PatientName, "Müller");
    const char *raw = NULL;
    assert_int_equal(mur_dataset_get_string(&raw, dataset, MUR_TAG_PatientName, NULL), MUR_OK);
    assert_string_equal(raw, "M\xFCller");
    expect_text(dataset, MUR_TAG_PatientName, "Müller");

    struct mur_dataset *item = NULL;
    assert_int_equal(mur_dataset_append_item(&item, dataset, MUR_TAG_StrainStockSequence, NULL),
                     MUR_OK);
    put(item, MUR_TAG_StrainSource, "Jülich");
    assert_int_equal(mur_dataset_put_string(item, MUR_TAG_StrainSource, MUR_VR_NONE, "王", NULL),
                     MUR_UNSUPPORTED);
    assert_int_equal(mur_dataset_set_utf8(dataset, NULL), MUR_OK);
    expect_text(dataset, MUR_TAG_PatientName, "Müller");
    expect_text(item, MUR_TAG_StrainSource, "Jülich");
    assert_int_equal(mur_dataset_get_string(&raw, item, MUR_TAG_StrainSource, NULL), MUR_OK);
    assert_string_equal(raw, "Jülich");
    put(item, MUR_TAG_StrainSource, "王");
    assert_int_equal(
        mur_dataset_put_string(dataset, MUR_TAG_StudyInstanceUID, MUR_VR_NONE, "ü", NULL),
        MUR_INVALID);
}

static void sequences_hold_items_that_are_data_sets(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    size_t count = 9;
    struct mur_dataset *item = NULL;
    assert_int_equal(mur_dataset_item_count(&count, dataset, MUR_TAG_SegmentSequence, NULL),
                     MUR_NOT_FOUND);
    assert_int_equal(mur_dataset_put_empty(dataset, MUR_TAG_SegmentSequence, MUR_VR_NONE, NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_item_count(&count, dataset, MUR_TAG_SegmentSequence, NULL),
                     MUR_OK);
    assert_int_equal(count, 0);
    for (int64_t i = 0; i < 100; i++) {
        struct mur_dataset *code = NULL;
        assert_int_equal(mur_dataset_append_item(&item, dataset, MUR_TAG_SegmentSequence, NULL),
                         MUR_OK);
        assert_int_equal(mur_dataset_put_int(item, MUR_TAG_SegmentNumber, MUR_VR_NONE, i, NULL),
                         MUR_OK);
        assert_int_equal(
            mur_dataset_append_item(&code, item, MUR_TAG_SegmentedPropertyTypeCodeSequence, NULL),
            MUR_OK);
        put(code, MUR_TAG_CodeValue, "10200004");
    }
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < 100; i++) {
            size_t index = pass == 0 ? i : 99 - i;
            int64_t number = -1;
            assert_int_equal(
                mur_dataset_get_item(&item, dataset, MUR_TAG_SegmentSequence, index, NULL), MUR_OK);
            assert_int_equal(mur_dataset_get_int(&number, item, MUR_TAG_SegmentNumber, 0, NULL),
                             MUR_OK);
            assert_int_equal(number, index);
        }
    }
    assert_int_equal(mur_dataset_get_item(&item, dataset, MUR_TAG_SegmentSequence, 100, NULL),
                     MUR_NOT_FOUND);
    put(dataset, MUR_TAG_PatientID, "x");
    assert_int_equal(mur_dataset_get_item(&item, dataset, MUR_TAG_PatientID, 0, NULL),
                     MUR_MISMATCH);
    assert_int_equal(mur_dataset_append_item(&item, dataset, MUR_TAG_PatientID, NULL),
                     MUR_MISMATCH);
}

static void copies_and_clones_stand_for_themselves(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *source = NULL;
    MUR_AUTO(mur_dataset) *target = made();
    MUR_AUTO(mur_dataset) *clone = NULL;
    struct mur_dataset *item = NULL;
    assert_int_equal(mur_dataset_create(&source, NULL), MUR_OK);
    put(source, MUR_TAG_SpecificCharacterSet, "ISO_IR 100");
    assert_int_equal(mur_dataset_append_item(&item, source, MUR_TAG_StrainStockSequence, NULL),
                     MUR_OK);
    put(item, MUR_TAG_StrainSource, "Jülich");
    assert_int_equal(mur_dataset_copy(target, source, MUR_TAG_StrainStockSequence, NULL), MUR_OK);
    assert_int_equal(mur_dataset_copy(target, source, MUR_TAG_PatientID, NULL), MUR_NOT_FOUND);
    assert_int_equal(mur_dataset_clone(&clone, item, NULL), MUR_OK);
    put(item, MUR_TAG_StrainSource, "changed");
    expect_text(clone, MUR_TAG_StrainSource, "Jülich");
    assert_int_equal(mur_dataset_get_item(&item, target, MUR_TAG_StrainStockSequence, 0, NULL),
                     MUR_OK);
    const char *raw = NULL;
    assert_int_equal(mur_dataset_get_string(&raw, item, MUR_TAG_StrainSource, NULL), MUR_OK);
    assert_string_equal(raw, "Jülich");
}

static void bytes_come_back_as_they_were_put(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    static const enum mur_vr vrs[] = {MUR_VR_OB, MUR_VR_OW, MUR_VR_UN, MUR_VR_OF, MUR_VR_OD,
                                      MUR_VR_OL, MUR_VR_OV, MUR_VR_FL, MUR_VR_US};
    for (size_t i = 0; i < MUR_COUNT(vrs); i++) {
        uint32_t tag = 0x00091001 + (uint32_t)i;
        const uint8_t *bytes = NULL;
        size_t length = 0;
        assert_int_equal(mur_dataset_put_bytes(dataset, tag, vrs[i], "abcdefgh", 8, NULL), MUR_OK);
        assert_int_equal(mur_dataset_get_bytes(&bytes, &length, dataset, tag, NULL), MUR_OK);
        assert_int_equal(length, 8);
        assert_memory_equal(bytes, "abcdefgh", 8);
    }
    const uint16_t *words = NULL;
    size_t count = 0;
    assert_int_equal(mur_dataset_put_bytes(dataset, MUR_TAG_PixelData, MUR_VR_OW, "abcd", 4, NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_get_words(&words, &count, dataset, MUR_TAG_PixelData, NULL),
                     MUR_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(words, "abcd", 4);
}

struct seen {
    unsigned count;
    char creator[65];
};

static enum mur_status see(void *user, const struct mur_dataset_element *element,
                           struct mur_error *error)
{
    struct seen *seen = user;
    (void)error;
    seen->count++;
    if (element->tag == 0x00991001)
        (void)snprintf(seen->creator, sizeof seen->creator, "%s", element->private_creator);
    return element->tag == MUR_TAG_PatientName ? MUR_CANCELLED : MUR_OK;
}

static void elements_are_visited_in_order_until_the_visitor_ends_it(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    struct seen seen = {.count = 0};
    unsigned block = 0;
    assert_int_equal(
        mur_dataset_private_block(&block, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, NULL),
        MUR_OK);
    put(dataset, 0x00991001, "a:b=c");
    put(dataset, MUR_TAG_PatientID, "x");
    assert_int_equal(mur_dataset_each(dataset, see, &seen, NULL), MUR_OK);
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.creator, MUR_CREATOR_ISA);
    put(dataset, MUR_TAG_PatientName, "A");
    seen.count = 0;
    assert_int_equal(mur_dataset_each(dataset, see, &seen, NULL), MUR_CANCELLED);
    assert_int_equal(seen.count, 2);
}

static void what_is_written_in_any_native_syntax_is_read_again(void **state)
{
    (void)state;
    static const char *const syntaxes[] = {
        mur_uid_ImplicitVRLittleEndian, mur_uid_ExplicitVRLittleEndian, mur_uid_ExplicitVRBigEndian,
        mur_uid_DeflatedExplicitVRLittleEndian};
    MUR_AUTO(mur_dataset) *dataset = made();
    MUR_AUTO_FREE uint8_t *pixels = malloc(200000);
    struct mur_dataset *item = NULL;
    for (size_t i = 0; i < 200000; i++)
        pixels[i] = (uint8_t)(i * 7);
    put(dataset, MUR_TAG_PatientName, "Müller^Hans");
    assert_int_equal(mur_dataset_append_item(&item, dataset, MUR_TAG_StrainStockSequence, NULL),
                     MUR_OK);
    put(item, MUR_TAG_StrainStockNumber, "000664");
    assert_int_equal(mur_dataset_put_int(dataset, MUR_TAG_BitsAllocated, MUR_VR_NONE, 16, NULL),
                     MUR_OK);
    assert_int_equal(
        mur_dataset_put_bytes(dataset, MUR_TAG_PixelData, MUR_VR_OW, pixels, 200000, NULL), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++) {
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        MUR_AUTO(mur_dataset) *again = NULL;
        const uint8_t *read = NULL;
        size_t length = 0;
        assert_true(mur_dataset_can_write(dataset, syntaxes[i]));
        assert_int_equal(mur_dataset_encode(&bytes, dataset, syntaxes[i], NULL), MUR_OK);
        assert_int_equal(mur_dataset_read(&again, bytes.data, bytes.length, syntaxes[i], NULL),
                         MUR_OK);
        assert_string_equal(mur_dataset_transfer_syntax(again), syntaxes[i]);
        expect_text(again, MUR_TAG_PatientName, "Müller^Hans");
        assert_int_equal(mur_dataset_get_item(&item, again, MUR_TAG_StrainStockSequence, 0, NULL),
                         MUR_OK);
        expect_text(item, MUR_TAG_StrainStockNumber, "000664");
        assert_int_equal(mur_dataset_get_bytes(&read, &length, again, MUR_TAG_PixelData, NULL),
                         MUR_OK);
        assert_int_equal(length, 200000);
        assert_memory_equal(read, pixels, 200000);
    }
    assert_false(mur_dataset_can_write(dataset, mur_uid_JPEGBaseline8Bit));
    MUR_AUTO_BUFFER struct mur_buffer none = MUR_BUFFER_INIT;
    assert_int_equal(mur_dataset_encode(&none, dataset, mur_uid_RLELossless, NULL),
                     MUR_UNSUPPORTED);
    assert_int_equal(mur_dataset_get_item(&item, dataset, MUR_TAG_StrainStockSequence, 0, NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_encode(&none, item, mur_uid_ImplicitVRLittleEndian, NULL),
                     MUR_INVALID);
}

static void saving_twice_gives_the_same_bytes(void **state)
{
    (void)state;
    char name[] = "/tmp/murpacs_data_set_XXXXXX";
    int descriptor = mkstemp(name);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    MUR_AUTO(mur_dataset) *dataset = made();
    MUR_AUTO(mur_dataset) *loaded = NULL;
    MUR_AUTO_BUFFER struct mur_buffer first = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer second = MUR_BUFFER_INIT;
    assert_int_equal(mur_dataset_save(dataset, name, NULL, NULL), MUR_INVALID);
    put(dataset, MUR_TAG_SOPClassUID, "1.2.840.10008.5.1.4.1.1.2");
    put(dataset, MUR_TAG_SOPInstanceUID, "2.25.1");
    MUR_AUTO_FREE uint8_t *pixels = calloc(1, 100001);
    assert_int_equal(
        mur_dataset_put_bytes(dataset, MUR_TAG_PixelData, MUR_VR_OB, pixels, 100001, NULL), MUR_OK);
    assert_int_equal(mur_dataset_save(dataset, name, NULL, NULL), MUR_OK);
    assert_int_equal(mur_file_read_all(&first, name, 1 << 20, NULL), MUR_OK);
    /* over the file that its own pixels still lie in */
    assert_int_equal(mur_dataset_load(&loaded, name, MUR_WHOLE, NULL), MUR_OK);
    assert_int_equal(mur_dataset_save(loaded, name, NULL, NULL), MUR_OK);
    assert_int_equal(mur_file_read_all(&second, name, 1 << 20, NULL), MUR_OK);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    (void)unlink(name);
    assert_int_equal(mur_dataset_save(dataset, "/nowhere/a.dcm", NULL, NULL), MUR_NOT_FOUND);
}

static void every_encoding_of_an_image_is_loaded(void **state)
{
    (void)state;
    static const char *const names[] = {"dicom/MR_small.dcm",
                                        "dicom/MR_small_bigendian.dcm",
                                        "dicom/MR_small_expb.dcm",
                                        "dicom/MR_small_implicit.dcm",
                                        "dicom/MR_small_padded.dcm",
                                        "dicom/MR_small_RLE.dcm",
                                        "dicom/MR_small_jpeg_ls_lossless.dcm"};
    MUR_AUTO_BUFFER struct mur_buffer wanted = MUR_BUFFER_INIT;
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        char path[1024];
        MUR_AUTO(mur_dataset) *dataset = NULL;
        MUR_AUTO(mur_dataset) *header = NULL;
        MUR_AUTO(mur_dataset) *native = NULL;
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        const uint8_t *pixels = NULL;
        size_t length = 0;
        need_testdata(path, names[i]);
        assert_int_equal(mur_dataset_load(&dataset, path, MUR_WHOLE, NULL), MUR_OK);
        assert_int_equal(mur_dataset_load(&header, path, MUR_HEADER, NULL), MUR_OK);
        assert_false(mur_dataset_has(header, MUR_TAG_PixelData));
        expect_text(header, MUR_TAG_PatientName, "CompressedSamples^MR1");
        assert_int_equal(mur_dataset_encode(&bytes, dataset, mur_uid_ExplicitVRLittleEndian, NULL),
                         MUR_OK);
        assert_int_equal(mur_dataset_read(&native, bytes.data, bytes.length,
                                          mur_uid_ExplicitVRLittleEndian, NULL),
                         MUR_OK);
        assert_int_equal(mur_dataset_get_bytes(&pixels, &length, native, MUR_TAG_PixelData, NULL),
                         MUR_OK);
        assert_true(length >= 64 * 64 * 2); /* one of them has padding behind its pixels */
        if (i == 0)
            assert_int_equal(mur_buffer_append(&wanted, pixels, 64 * 64 * 2, NULL), MUR_OK);
        assert_memory_equal(pixels, wanted.data, wanted.length);
    }
}

/* An image in a transfer syntax that DCMTK 3.6.7 does not know, with two fragments. */
static void encode_htj2k(struct mur_buffer *data)
{
    struct mur_encoder encoder;
    static const char pixels[] = "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0"
                                 "\xFE\xFF\x00\xE0\x02\0\0\0ab\xFE\xFF\x00\xE0\x02\0\0\0cd"
                                 "\xFE\xFF\xDD\xE0\0\0\0\0";
    assert_int_equal(mur_encoder_init(&encoder, data, mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_OK);
    assert_int_equal(mur_encode_text(&encoder, MUR_TAG_PatientID, MUR_VR_LO, "mouse", NULL),
                     MUR_OK);
    assert_int_equal(mur_buffer_append(data, pixels, sizeof pixels - 1, NULL), MUR_OK);
}

static void syntaxes_that_dcmtk_does_not_know_pass_through(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer again = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    encode_htj2k(&data);
    assert_int_equal(
        mur_dataset_read(&dataset, data.data, data.length, mur_uid_HTJ2KLossless, NULL), MUR_OK);
    expect_text(dataset, MUR_TAG_PatientID, "mouse");
    assert_true(mur_dataset_can_write(dataset, mur_uid_HTJ2KLossless));
    assert_false(mur_dataset_can_write(dataset, mur_uid_ExplicitVRLittleEndian));
    assert_false(mur_dataset_can_write(dataset, mur_uid_JPEG2000));
    assert_int_equal(mur_dataset_encode(&again, dataset, mur_uid_HTJ2KLossless, NULL), MUR_OK);
    assert_int_equal(again.length, data.length);
    assert_memory_equal(again.data, data.data, data.length);
}

static void padding_and_values_of_unknown_vr_are_understood(void **state)
{
    (void)state;
    static const char data[] = "\x10\0\x16\x02UN\0\0\x12\0\0\0\xFE\xFF\x00\xE0\x0A\0\0\0"
                               "\x10\0\x17\x02\x02\0\0\0ab"
                               "\x28\0\x10\0UN\0\0\x02\0\0\0\x40\0"
                               "\0\0\0\0\0\0\0\0\0\0\0";
    MUR_AUTO(mur_dataset) *dataset = NULL;
    struct mur_dataset *item = NULL;
    int64_t rows = 0;
    assert_int_equal(
        mur_dataset_read(&dataset, data, sizeof data - 1, mur_uid_ExplicitVRLittleEndian, NULL),
        MUR_OK);
    assert_int_equal(mur_dataset_get_item(&item, dataset, MUR_TAG_StrainStockSequence, 0, NULL),
                     MUR_OK);
    expect_text(item, MUR_TAG_StrainSource, "ab");
    assert_int_equal(mur_dataset_get_int(&rows, dataset, MUR_TAG_Rows, 0, NULL), MUR_OK);
    assert_int_equal(rows, 64);
}

static void damaged_and_deep_data_sets_are_refused_before_dcmtk_sees_them(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer deep = MUR_BUFFER_INIT;
    struct mur_dataset *dataset = NULL;
    for (unsigned i = 0; i < 50000; i++)
        assert_int_equal(
            mur_buffer_append(
                &deep, "\x08\0\x40\x11\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF", 16, NULL),
            MUR_OK);
    assert_int_equal(
        mur_dataset_read(&dataset, deep.data, deep.length, mur_uid_ImplicitVRLittleEndian, NULL),
        MUR_LIMIT);
    assert_int_equal(mur_dataset_read(&dataset, "\x08\0\x60\0CS\4\0MR", 10,
                                      mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_PARSE);
    assert_int_equal(mur_dataset_load(&dataset, "/nowhere/a.dcm", MUR_WHOLE, NULL), MUR_NOT_FOUND);
    assert_int_equal(mur_dataset_load(&dataset, MUR_SOURCE_DIR "/CMakeLists.txt", MUR_WHOLE, NULL),
                     MUR_PARSE);
    assert_null(dataset);
}

static void thousands_of_empty_elements_are_deflated(void **state)
{
    (void)state;
    enum { ELEMENTS = 3000 };
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO(mur_dataset) *again = NULL;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    assert_int_equal(mur_dataset_create(&dataset, NULL), MUR_OK);
    for (uint32_t i = 0; i < ELEMENTS; i++)
        assert_int_equal(
            mur_dataset_put_empty(dataset, MUR_TAG(0x0011, 0x1000 + i), MUR_VR_LO, NULL), MUR_OK);
    assert_int_equal(
        mur_dataset_encode(&bytes, dataset, mur_uid_DeflatedExplicitVRLittleEndian, NULL), MUR_OK);
    assert_int_equal(mur_dataset_read(&again, bytes.data, bytes.length,
                                      mur_uid_DeflatedExplicitVRLittleEndian, NULL),
                     MUR_OK);
    assert_true(mur_dataset_has(again, MUR_TAG(0x0011, 0x1000 + ELEMENTS - 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_is_not_empty),
        cmocka_unit_test(numbers_come_back_from_every_vr),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(the_dictionary_decides_the_vr_and_private_blocks_are_reserved),
        cmocka_unit_test(text_needs_a_character_set_that_has_it),
        cmocka_unit_test(sequences_hold_items_that_are_data_sets),
        cmocka_unit_test(copies_and_clones_stand_for_themselves),
        cmocka_unit_test(bytes_come_back_as_they_were_put),
        cmocka_unit_test(elements_are_visited_in_order_until_the_visitor_ends_it),
        cmocka_unit_test(what_is_written_in_any_native_syntax_is_read_again),
        cmocka_unit_test(saving_twice_gives_the_same_bytes),
        cmocka_unit_test(every_encoding_of_an_image_is_loaded),
        cmocka_unit_test(syntaxes_that_dcmtk_does_not_know_pass_through),
        cmocka_unit_test(padding_and_values_of_unknown_vr_are_understood),
        cmocka_unit_test(damaged_and_deep_data_sets_are_refused_before_dcmtk_sees_them),
        cmocka_unit_test(thousands_of_empty_elements_are_deflated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
