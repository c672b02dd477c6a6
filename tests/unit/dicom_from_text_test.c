/* Values from text and from DICOM JSON. */
#include "dicom_support.h"

#include "dicom/from_text.h"

static struct mur_dataset *made(void)
{
    struct mur_dataset *dataset = NULL;
    assert_int_equal(mur_dataset_create(&dataset, NULL), MUR_OK);
    assert_int_equal(mur_dataset_set_utf8(dataset, NULL), MUR_OK);
    return dataset;
}

static void text_becomes_a_value_of_any_vr_that_has_text(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
        enum mur_status status;
    } cases[] = {
        {MUR_TAG_PatientName, MUR_VR_PN, "Müller^Hans", MUR_OK},
        {MUR_TAG_ImageType, MUR_VR_CS, "ORIGINAL\\PRIMARY", MUR_OK},
        {MUR_TAG_PatientWeight, MUR_VR_DS, "0.025", MUR_OK},
        {MUR_TAG_Rows, MUR_VR_US, "64", MUR_OK},
        {MUR_TAG_LongitudinalTemporalOffsetFromEvent, MUR_VR_FD, "168.5", MUR_OK},
        {MUR_TAG(0x0099, 0x1012), MUR_VR_FL, "1\\2.5", MUR_OK},
        {MUR_TAG(0x0099, 0x1013), MUR_VR_SS, "-1\\ 2 ", MUR_OK},
        {MUR_TAG_PatientSexNeutered, MUR_VR_CS, "", MUR_OK},
        {MUR_TAG_PatientBreedCodeSequence, MUR_VR_SQ, "", MUR_OK},
        {MUR_TAG_Rows, MUR_VR_US, "sixty", MUR_PARSE},
        {MUR_TAG_Rows, MUR_VR_US, "70000", MUR_LIMIT},
        {MUR_TAG(0x0099, 0x1014), MUR_VR_FD, "1\\x", MUR_PARSE},
        {MUR_TAG_PixelData, MUR_VR_OW, "1", MUR_UNSUPPORTED},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO(mur_dataset) *dataset = made();
        struct mur_error error = MUR_ERROR_INIT;
        enum mur_status status =
            mur_dataset_put_any_text(dataset, cases[i].tag, cases[i].vr, cases[i].text, &error);
        if (status != cases[i].status)
            fail_msg("%s %s: %d %s", mur_vr_name(cases[i].vr), cases[i].text, (int)status,
                     error.message);
        assert_int_equal(mur_dataset_has(dataset, cases[i].tag), status == MUR_OK);
        if (status == MUR_OK && cases[i].vr != MUR_VR_SQ && cases[i].vr != MUR_VR_SS) {
            MUR_AUTO_FREE char *text = NULL;
            assert_int_equal(mur_dataset_get_text(&text, dataset, cases[i].tag, NULL), MUR_OK);
            assert_string_equal(text, cases[i].text);
        }
    }
}

static enum mur_status put_json(struct mur_dataset *dataset, const char *json)
{
    MUR_AUTO(mur_json) *items = NULL;
    assert_int_equal(mur_json_parse(&items, mur_slice_of(json), 10000, NULL), MUR_OK);
    return mur_dataset_put_json_items(dataset, MUR_TAG_StrainStockSequence, items, NULL);
}

static void items_of_dicom_json_become_items(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    assert_int_equal(put_json(dataset, "[{}, {}]"), MUR_OK); /* replaced below */
    assert_int_equal(
        put_json(dataset,
                 "[{\"00100214\":{\"vr\":\"LO\",\"Value\":[\"000664\"]},"
                 "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"A\",\"Phonetic\":"
                 "\"ä\"}]},\"00280010\":{\"vr\":\"US\",\"Value\":[64]},"
                 "\"00100216\":{\"vr\":\"SQ\"},"
                 "\"00100215\":{\"vr\":\"SQ\",\"Value\":[{\"00080100\":{\"vr\":\"SH\",\"Value\":"
                 "[\"126850\"]}}]},\"00100217\":{\"vr\":\"LO\"}}]"),
        MUR_OK);
    size_t count = 0;
    assert_int_equal(mur_dataset_item_count(&count, dataset, MUR_TAG_StrainStockSequence, NULL),
                     MUR_OK);
    assert_int_equal(count, 1);
    struct mur_dataset *item = NULL;
    struct mur_dataset *inner = NULL;
    const char *text = NULL;
    assert_int_equal(mur_dataset_get_item(&item, dataset, MUR_TAG_StrainStockSequence, 0, NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_get_string(&text, item, MUR_TAG_StrainStockNumber, NULL), MUR_OK);
    assert_string_equal(text, "000664");
    assert_int_equal(mur_dataset_get_string(&text, item, MUR_TAG_PatientName, NULL), MUR_OK);
    assert_string_equal(text, "A==ä");
    int64_t rows = 0;
    assert_int_equal(mur_dataset_get_int(&rows, item, MUR_TAG_Rows, 0, NULL), MUR_OK);
    assert_int_equal(rows, 64);
    assert_true(mur_dataset_has(item, MUR_TAG_StrainSource));
    assert_false(mur_dataset_has_value(item, MUR_TAG_StrainSource));
    assert_true(mur_dataset_has(item, MUR_TAG_StrainStockSequence));
    assert_int_equal(
        mur_dataset_get_item(&inner, item, MUR_TAG_StrainSourceRegistryCodeSequence, 0, NULL),
        MUR_OK);
    assert_int_equal(mur_dataset_get_string(&text, inner, MUR_TAG_CodeValue, NULL), MUR_OK);
    assert_string_equal(text, "126850");
}

static void json_that_is_no_items_is_refused(void **state)
{
    (void)state;
    MUR_AUTO(mur_dataset) *dataset = made();
    assert_int_equal(put_json(dataset, "{}"), MUR_PARSE);
    static const char *const keys[] = {"nothing", "00011480", "00020010", "FFFEE000",
                                       "00081140.00081155"};
    for (size_t i = 0; i < MUR_COUNT(keys); i++) {
        char json[64];
        (void)snprintf(json, sizeof json, "[{\"%s\":{\"vr\":\"LO\"}}]", keys[i]);
        assert_int_equal(put_json(dataset, json), MUR_PARSE);
    }
    assert_int_equal(
        put_json(dataset, "[{\"00080100\":{\"vr\":\"OB\",\"InlineBinary\":\"AA==\"}}]"),
        MUR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_a_value_of_any_vr_that_has_text),
        cmocka_unit_test(items_of_dicom_json_become_items),
        cmocka_unit_test(json_that_is_no_items_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
