/* Keys as users write them, into identifiers and out of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/own.h"
#include "dicom/dictionary.h"
#include "scu/keys.h"

enum { KEYS = 8 };

static struct mur_dataset *identifier_of(const char *const *texts, size_t count)
{
    struct mur_dataset *identifier = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_key keys[KEYS];
    assert_int_equal(mur_dataset_create(&identifier, &error), MUR_OK);
    for (size_t i = 0; i < count; i++)
        if (mur_key_parse(&keys[i], texts[i], &error) != MUR_OK)
            fail_msg("%s", error.message);
    if (mur_keys_put(identifier, keys, count, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return identifier;
}

static void assert_value(struct mur_dataset *dataset, const char *text, const char *value)
{
    struct mur_key key;
    MUR_AUTO_FREE char *found = NULL;
    assert_int_equal(mur_key_parse(&key, text, NULL), MUR_OK);
    assert_int_equal(mur_key_get(&found, &key, dataset, NULL), MUR_OK);
    assert_string_equal(found, value);
}

static void names_tags_and_both_ways_to_write_tags_mean_the_same(void **state)
{
    (void)state;
    const char *const texts[] = {"PatientName=M*", "(0010,0020)=M1",   "0008,0020=20240101-",
                                 "00080060=CT",    "StudyDescription", "AccessionNumber="};
    MUR_AUTO(mur_dataset) *identifier = identifier_of(texts, MUR_COUNT(texts));
    assert_value(identifier, "(0010,0010)", "M*");
    assert_value(identifier, "PatientID", "M1");
    assert_value(identifier, "StudyDate", "20240101-");
    assert_value(identifier, "Modality", "CT");
    assert_true(mur_dataset_has(identifier, MUR_TAG_StudyDescription));
    assert_false(mur_dataset_has_value(identifier, MUR_TAG_StudyDescription));
    assert_false(mur_dataset_has_value(identifier, MUR_TAG_AccessionNumber));
    assert_false(mur_dataset_has(identifier, MUR_TAG_SpecificCharacterSet));
}

static void items_of_sequences_are_made_as_they_are_named(void **state)
{
    (void)state;
    const char *const texts[] = {
        "RequestAttributesSequence[0].ScheduledProcedureStepID=S1",
        "(0040,0275)[0].(0040,1001)=P1",
        "RequestAttributesSequence[1].RequestedProcedureID=P2",
        "PatientSpeciesCodeSequence[0]",
        "ReferencedStudySequence",
    };
    MUR_AUTO(mur_dataset) *identifier = identifier_of(texts, MUR_COUNT(texts));
    assert_value(identifier, "RequestAttributesSequence[0].ScheduledProcedureStepID", "S1");
    assert_value(identifier, "RequestAttributesSequence[0].RequestedProcedureID", "P1");
    assert_value(identifier, "RequestAttributesSequence[1].RequestedProcedureID", "P2");
    assert_value(identifier, "RequestAttributesSequence[2].RequestedProcedureID", "");
    size_t count = 0;
    assert_int_equal(
        mur_dataset_item_count(&count, identifier, MUR_TAG_PatientSpeciesCodeSequence, NULL),
        MUR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(
        mur_dataset_item_count(&count, identifier, MUR_TAG_ReferencedStudySequence, NULL), MUR_OK);
    assert_int_equal(count, 0);
}

static void private_attributes_of_ours_bring_their_block(void **state)
{
    (void)state;
    const char *const texts[] = {"ISAHealthStatus=healthy", "ISABodyWeightInGrams=21.5"};
    MUR_AUTO(mur_dataset) *identifier = identifier_of(texts, MUR_COUNT(texts));
    assert_value(identifier, "(0099,0010)", MUR_CREATOR_ISA);
    assert_value(identifier, "(0099,1010)", "healthy");
    assert_value(identifier, "ISABodyWeightInGrams", "21.5");
    const char *const by_tag[] = {"0099,1110=ill", "0099,0011=MURPACS ISA 1.0"};
    MUR_AUTO(mur_dataset) *other = identifier_of(by_tag, MUR_COUNT(by_tag));
    assert_value(other, "ISAHealthStatus", "ill");
    assert_int_equal(mur_dataset_vr(other, 0x00991110), MUR_VR_LO);
}

static void numbers_are_binary_where_their_vr_is(void **state)
{
    (void)state;
    const char *const texts[] = {"Rows=512", "SeriesNumber=3", "EchoTime=2.5",
                                 "FrameIncrementPointer=(0018,1063)"};
    MUR_AUTO(mur_dataset) *identifier = identifier_of(texts, MUR_COUNT(texts));
    int64_t rows = 0;
    assert_int_equal(mur_dataset_get_int(&rows, identifier, MUR_TAG_Rows, 0, NULL), MUR_OK);
    assert_int_equal(rows, 512);
    assert_value(identifier, "SeriesNumber", "3");
    assert_value(identifier, "EchoTime", "2.5");
}

static void text_beyond_ascii_declares_its_character_set(void **state)
{
    (void)state;
    const char *const texts[] = {"PatientName=M\xC3\xBCller*", "SpecificCharacterSet"};
    MUR_AUTO(mur_dataset) *identifier = identifier_of(texts, MUR_COUNT(texts));
    assert_value(identifier, "SpecificCharacterSet", "ISO_IR 192");
    assert_value(identifier, "PatientName", "M\xC3\xBCller*");
    const char *const latin[] = {"PatientName=M\xC3\xBCller*", "SpecificCharacterSet=ISO_IR 100"};
    MUR_AUTO(mur_dataset) *other = identifier_of(latin, MUR_COUNT(latin));
    const char *raw = NULL;
    assert_int_equal(mur_dataset_get_string(&raw, other, MUR_TAG_PatientName, NULL), MUR_OK);
    assert_string_equal(raw, "M\xFCller*");
}

static void mistakes_are_named_with_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"PatentID=M1", "did you mean PatientID"},
        {"", "no attribute"},
        {"(0010,00G0)=M1", "no attribute"},
        {"0002,0010=x", "groups 0000 to 0007"},
        {"RequestAttributesSequence.ScheduledProcedureStepID=1", "Sequence[0].Attribute"},
        {"RequestAttributesSequence[x].ScheduledProcedureStepID=1", "[0] to [63]"},
        {"RequestAttributesSequence[64].ScheduledProcedureStepID=1", "[0] to [63]"},
        {"RequestAttributesSequence[0]=1", "no value itself"},
        {"PatientID[0].PatientName=1", "not a sequence"},
        {"RequestAttributesSequence=1", "no value itself"},
        {"0099,1010=x", "creator"},
        {"Rows=many", "no number"},
        {"PatientName=\xFF", "not UTF-8"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_key key;
        MUR_AUTO(mur_dataset) *identifier = NULL;
        assert_int_equal(mur_dataset_create(&identifier, NULL), MUR_OK);
        enum mur_status status = mur_key_parse(&key, cases[i].text, &error);
        if (status == MUR_OK)
            status = mur_keys_put(identifier, &key, 1, &error);
        assert_int_equal(status, MUR_INVALID);
        if (strstr(error.message, cases[i].told) == NULL)
            fail_msg("%s: %s", cases[i].text, error.message);
    }
}

static void a_key_has_the_name_that_it_can_be_written_by(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"(0010,0020)=M1", "PatientID"},
        {"0040,0275[1].0040,1001", "RequestAttributesSequence[1].RequestedProcedureID"},
        {"ISAHealthStatus", "ISAHealthStatus"},
        {"0099,1010", "(0099,1010)"},
        {"PatientSpeciesCodeSequence[0]", "PatientSpeciesCodeSequence[0]"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        char name[MUR_KEY_NAME_SIZE];
        struct mur_key key;
        assert_int_equal(mur_key_parse(&key, cases[i].text, NULL), MUR_OK);
        assert_string_equal(mur_key_name(name, &key), cases[i].name);
    }
}

static void the_level_is_that_of_the_deepest_unique_key(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        enum mur_model model;
        enum mur_level level;
    } cases[] = {
        {"PatientID=M1", MUR_MODEL_STUDY_ROOT, MUR_LEVEL_STUDY},
        {"PatientID=M1", MUR_MODEL_PATIENT_ROOT, MUR_LEVEL_PATIENT},
        {"StudyInstanceUID", MUR_MODEL_PATIENT_ROOT, MUR_LEVEL_STUDY},
        {"SeriesInstanceUID=1.2", MUR_MODEL_STUDY_ROOT, MUR_LEVEL_SERIES},
        {"SOPInstanceUID", MUR_MODEL_STUDY_ROOT, MUR_LEVEL_IMAGE},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO(mur_dataset) *identifier = identifier_of(&cases[i].key, 1);
        assert_int_equal(mur_keys_level(identifier, cases[i].model), cases[i].level);
    }
}

static void a_query_file_gives_its_keys_but_not_its_pixels(void **state)
{
    (void)state;
    char path[] = "keys_test.XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    MUR_AUTO(mur_dataset) *object = NULL;
    MUR_AUTO(mur_dataset) *keys = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_dataset_create(&object, NULL), MUR_OK);
    assert_int_equal(mur_dataset_put_string(object, MUR_TAG_SOPClassUID, MUR_VR_UI, "1.2.3", NULL),
                     MUR_OK);
    assert_int_equal(
        mur_dataset_put_string(object, MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.3.4", NULL), MUR_OK);
    assert_int_equal(mur_dataset_put_string(object, MUR_TAG_PatientID, MUR_VR_LO, "M7", NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_put_bytes(object, MUR_TAG_PixelData, MUR_VR_OW, "1234", 4, NULL),
                     MUR_OK);
    assert_int_equal(mur_dataset_save(object, path, NULL, NULL), MUR_OK);
    enum mur_status status = mur_keys_load(&keys, path, &error);
    (void)unlink(path);
    assert_int_equal(status, MUR_OK);
    assert_value(keys, "PatientID", "M7");
    assert_false(mur_dataset_has(keys, MUR_TAG_PixelData));
    assert_int_equal(mur_keys_load(&keys, path, &error), MUR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tags_and_both_ways_to_write_tags_mean_the_same),
        cmocka_unit_test(items_of_sequences_are_made_as_they_are_named),
        cmocka_unit_test(private_attributes_of_ours_bring_their_block),
        cmocka_unit_test(numbers_are_binary_where_their_vr_is),
        cmocka_unit_test(text_beyond_ascii_declares_its_character_set),
        cmocka_unit_test(mistakes_are_named_with_what_would_be_right),
        cmocka_unit_test(a_key_has_the_name_that_it_can_be_written_by),
        cmocka_unit_test(the_level_is_that_of_the_deepest_unique_key),
        cmocka_unit_test(a_query_file_gives_its_keys_but_not_its_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
