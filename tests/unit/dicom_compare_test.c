/* The same content in whatever encoding, and the smallest difference. */
#include "dicom_support.h"

#include "dicom/compare.h"
#include "dicom/data_set.h"
#include "dicom/dictionary.h"
#include "dicom/transfer_syntax.h"

enum { PIXEL_COUNT = 100001 };

static bool same(const char *a, const char *b)
{
    bool result = false;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_dataset_same_content(&result, a, b, &error);
    if (status != MUR_OK)
        print_message("%s\n", error.message);
    assert_int_equal(status, MUR_OK);
    return result;
}

static void one_image_in_any_encoding_is_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"dicom/MR_small_bigendian.dcm", "dicom/MR_small_expb.dcm",
                                        "dicom/MR_small_implicit.dcm", "dicom/MR_small_RLE.dcm"};
    char first[1024];
    need_testdata(first, "dicom/MR_small.dcm");
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        char path[1024];
        need_testdata(path, names[i]);
        assert_true(same(first, path));
        assert_true(same(path, first));
    }
    char other[1024];
    need_testdata(other, "dicom/CT_small.dcm");
    assert_false(same(first, other));
}

struct files {
    char folder[64];
    char a[128];
    char b[128];
};

static int make_files(void **state)
{
    struct files *files = calloc(1, sizeof *files);
    if (files == NULL)
        return -1;
    (void)snprintf(files->folder, sizeof files->folder, "/tmp/murpacs_compare_XXXXXX");
    if (mkdtemp(files->folder) == NULL) {
        free(files);
        return -1;
    }
    (void)snprintf(files->a, sizeof files->a, "%s/a.dcm", files->folder);
    (void)snprintf(files->b, sizeof files->b, "%s/b.dcm", files->folder);
    *state = files;
    return 0;
}

static int remove_files(void **state)
{
    struct files *files = *state;
    (void)unlink(files->a);
    (void)unlink(files->b);
    (void)rmdir(files->folder);
    free(files);
    return 0;
}

/* A Data Set of every kind of element; long enough that its pixels come in several pieces. */
static struct mur_dataset *sample(void)
{
    struct mur_dataset *dataset = NULL;
    struct mur_dataset *item = NULL;
    unsigned block = 0;
    MUR_AUTO_FREE uint16_t *pixels = calloc(PIXEL_COUNT, sizeof *pixels);
    for (unsigned i = 0; i < PIXEL_COUNT; i++)
        pixels[i] = (uint16_t)(i * 31);
    assert_int_equal(mur_dataset_create(&dataset, NULL), MUR_OK);
    assert_int_equal(mur_dataset_set_utf8(dataset, NULL), MUR_OK);
    static const struct {
        uint32_t tag;
        const char *value;
    } texts[] = {{MUR_TAG_SOPClassUID, "1.2.840.10008.5.1.4.1.1.7"},
                 {MUR_TAG_SOPInstanceUID, "2.25.1"},
                 {MUR_TAG_PatientName, "Müller^Hans"},
                 {MUR_TAG_PatientWeight, "0.0284"},
                 {MUR_TAG_StrainDescription, "C57BL/6J"}};
    for (size_t i = 0; i < MUR_COUNT(texts); i++)
        assert_int_equal(
            mur_dataset_put_string(dataset, texts[i].tag, MUR_VR_NONE, texts[i].value, NULL),
            MUR_OK);
    assert_int_equal(mur_dataset_append_item(&item, dataset, MUR_TAG_StrainStockSequence, NULL),
                     MUR_OK);
    assert_int_equal(
        mur_dataset_put_string(item, MUR_TAG_StrainStockNumber, MUR_VR_NONE, "000664", NULL),
        MUR_OK);
    /* a block that nobody knows, with a number, a text and a sequence: UN in Implicit VR */
    assert_int_equal(mur_dataset_private_block(&block, dataset, 0x0099, "UNHEARD OF", NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_put_int(dataset, 0x00991001, MUR_VR_US, 513, NULL), MUR_OK);
    assert_int_equal(mur_dataset_put_string(dataset, 0x00991002, MUR_VR_LO, "odd", NULL), MUR_OK);
    assert_int_equal(mur_dataset_append_item(&item, dataset, 0x00991003, NULL), MUR_OK);
    assert_int_equal(mur_dataset_put_string(item, MUR_TAG_CodeValue, MUR_VR_NONE, "1", NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_put_int(dataset, MUR_TAG_BitsAllocated, MUR_VR_NONE, 16, NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_put_bytes(dataset, MUR_TAG_PixelData, MUR_VR_OW, pixels,
                                           PIXEL_COUNT * sizeof *pixels, NULL),
                     MUR_OK);
    return dataset;
}

static const char *const syntaxes[] = {mur_uid_ExplicitVRLittleEndian,
                                       mur_uid_ImplicitVRLittleEndian, mur_uid_ExplicitVRBigEndian,
                                       mur_uid_DeflatedExplicitVRLittleEndian};

static void native_encodings_of_one_data_set_are_the_same(void **state)
{
    const struct files *files = *state;
    MUR_AUTO(mur_dataset) *dataset = sample();
    assert_int_equal(mur_dataset_save(dataset, files->a, syntaxes[0], NULL), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++) {
        assert_int_equal(mur_dataset_save(dataset, files->b, syntaxes[i], NULL), MUR_OK);
        assert_true(same(files->a, files->b));
    }
}

static void the_smallest_difference_is_seen(void **state)
{
    const struct files *files = *state;
    static const struct {
        uint32_t tag;
        const char *value; /* NULL: removed */
        bool same;
    } changes[] = {
        {MUR_TAG_PatientName, "Muller^Hans", false},
        {MUR_TAG_PatientName, NULL, false},
        {MUR_TAG_PatientID, "", false},
        {MUR_TAG_StrainDescription, "C57BL/6N", false},
        {MUR_TAG_PatientWeight, "0.02840", true},
        {MUR_TAG_PatientWeight, " 2.84e-2 ", true},
        {MUR_TAG_PatientWeight, "0.0285", false},
        {MUR_TAG_PatientName, "Müller^Hans  ", true},
        {MUR_TAG_StrainStockSequence, NULL, false},
    };
    MUR_AUTO(mur_dataset) *dataset = sample();
    assert_int_equal(mur_dataset_save(dataset, files->a, syntaxes[0], NULL), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(changes); i++) {
        MUR_AUTO(mur_dataset) *changed = NULL;
        assert_int_equal(mur_dataset_clone(&changed, dataset, NULL), MUR_OK);
        if (changes[i].value == NULL)
            assert_int_equal(mur_dataset_remove(changed, changes[i].tag, NULL), MUR_OK);
        else
            assert_int_equal(mur_dataset_put_string(changed, changes[i].tag, MUR_VR_NONE,
                                                    changes[i].value, NULL),
                             MUR_OK);
        assert_int_equal(
            mur_dataset_save(changed, files->b, syntaxes[i % MUR_COUNT(syntaxes)], NULL), MUR_OK);
        assert_int_equal(same(files->a, files->b), changes[i].same);
    }
}

static void one_pixel_makes_a_difference(void **state)
{
    const struct files *files = *state;
    MUR_AUTO(mur_dataset) *dataset = sample();
    assert_int_equal(mur_dataset_save(dataset, files->a, syntaxes[0], NULL), MUR_OK);
    const uint8_t *pixels = NULL;
    size_t length = 0;
    assert_int_equal(mur_dataset_get_bytes(&pixels, &length, dataset, MUR_TAG_PixelData, NULL),
                     MUR_OK);
    MUR_AUTO_FREE uint8_t *changed = malloc(length);
    memcpy(changed, pixels, length);
    changed[length - 2] ^= 1;
    assert_int_equal(
        mur_dataset_put_bytes(dataset, MUR_TAG_PixelData, MUR_VR_OW, changed, length, NULL),
        MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++) {
        assert_int_equal(mur_dataset_save(dataset, files->b, syntaxes[i], NULL), MUR_OK);
        assert_false(same(files->a, files->b));
    }
}

static void what_cannot_be_read_is_an_error_not_a_difference(void **state)
{
    const struct files *files = *state;
    MUR_AUTO(mur_dataset) *dataset = sample();
    bool result = false;
    assert_int_equal(mur_dataset_save(dataset, files->a, NULL, NULL), MUR_OK);
    assert_int_equal(mur_dataset_same_content(&result, files->a, files->b, NULL), MUR_NOT_FOUND);
    assert_int_equal(mur_dataset_save(dataset, files->b, NULL, NULL), MUR_OK);
    assert_int_equal(truncate(files->b, 5000), 0);
    assert_int_equal(mur_dataset_same_content(&result, files->a, files->b, NULL), MUR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_image_in_any_encoding_is_the_same),
        cmocka_unit_test_setup_teardown(native_encodings_of_one_data_set_are_the_same, make_files,
                                        remove_files),
        cmocka_unit_test_setup_teardown(the_smallest_difference_is_seen, make_files, remove_files),
        cmocka_unit_test_setup_teardown(one_pixel_makes_a_difference, make_files, remove_files),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_an_error_not_a_difference,
                                        make_files, remove_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
