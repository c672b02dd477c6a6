/* What an object says when it leaves with export.coerce: the identity that the index answers, what
 * the ISA-Tab says, and what was replaced (PS3.3 C.12.1.1.9.1). */
#include "isa_link_support.h"

#include "archive/coerce.h"
#include "dicom/dictionary.h"

static struct mur_dataset *read_object(const struct object *object)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, object);
    struct mur_dataset *dataset = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_dataset_read(&dataset, bytes.data, bytes.length, mur_uid_ExplicitVRLittleEndian,
                         &error) != MUR_OK)
        fail_msg("%s", error.message);
    return dataset;
}

/* The stored object as it would leave; the caller frees it. */
static struct mur_dataset *coerce(bool *changed, struct mur_archive *archive,
                                  const struct object *object)
{
    struct mur_instance instance;
    bool found = false;
    assert_int_equal(mur_archive_look_up(&found, &instance, archive,
                                         object_text(object, MUR_TAG_SOPInstanceUID), NULL),
                     MUR_OK);
    assert_true(found);
    struct mur_dataset *dataset = read_object(object);
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_archive_coerce(changed, dataset, archive, &instance, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return dataset;
}

static void assert_text(struct mur_dataset *dataset, uint32_t tag, const char *wanted)
{
    MUR_AUTO_FREE char *text = NULL;
    if (wanted == NULL) {
        assert_false(mur_dataset_has(dataset, tag));
        return;
    }
    assert_int_equal(mur_dataset_get_text(&text, dataset, tag, NULL), MUR_OK);
    assert_string_equal(text, wanted);
}

/* The attributes before the last change; NULL where there was none. */
static struct mur_dataset *originals(struct mur_dataset *dataset, size_t wanted_items)
{
    size_t count = 0;
    struct mur_dataset *item = NULL;
    struct mur_dataset *before = NULL;
    if (mur_dataset_item_count(&count, dataset, MUR_TAG_OriginalAttributesSequence, NULL) != MUR_OK)
        count = 0;
    assert_int_equal(count, wanted_items);
    if (count == 0)
        return NULL;
    assert_int_equal(
        mur_dataset_get_item(&item, dataset, MUR_TAG_OriginalAttributesSequence, count - 1, NULL),
        MUR_OK);
    assert_text(item, MUR_TAG_ReasonForTheAttributeModification, "COERCE");
    assert_text(item, MUR_TAG_ModifyingSystem, "MURPACS");
    assert_text(item, MUR_TAG_SourceOfPreviousValues, "TESTER");
    assert_true(mur_dataset_has_value(item, MUR_TAG_AttributeModificationDateTime));
    assert_int_equal(
        mur_dataset_get_item(&before, item, MUR_TAG_ModifiedAttributesSequence, 0, NULL), MUR_OK);
    return before;
}

static void an_object_that_says_what_the_index_says_is_not_touched(void **state)
{
    struct archive_fixture *f = *state;
    struct object first = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    struct object second = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.2");
    set_text(&second, MUR_TAG_PatientName, MUR_VR_PN, "Mouse^One^^");
    store(f->archive, &first);
    store(f->archive, &second);
    bool changed = true;
    MUR_AUTO(mur_dataset) *one = coerce(&changed, f->archive, &first);
    assert_false(changed);
    MUR_AUTO(mur_dataset) *two = coerce(&changed, f->archive, &second);
    assert_false(changed);
    assert_text(two, MUR_TAG_PatientName, "Mouse^One^^");
}

static void what_differs_from_the_index_is_replaced_and_kept(void **state)
{
    struct archive_fixture *f = *state;
    struct object first = make_object("P2", "1.2.2", "1.2.2.1", "1.2.2.1.1");
    struct object other = make_object("P2", "1.2.2", "1.2.2.2", "1.2.2.2.1");
    set_text(&first, MUR_TAG_PatientName, MUR_VR_PN, "Müller^Hans");
    set_text(&other, MUR_TAG_SpecificCharacterSet, MUR_VR_CS, "ISO_IR 100");
    set_text(&other, MUR_TAG_PatientName, MUR_VR_PN, "J\xE4ger^K");
    set_text(&other, MUR_TAG_StudyDescription, MUR_VR_LO, "");
    set_text(&other, MUR_TAG_StudyTime, MUR_VR_TM, "101531");
    store(f->archive, &first);
    store(f->archive, &other);
    bool changed = false;
    MUR_AUTO(mur_dataset) *one = coerce(&changed, f->archive, &other);
    assert_true(changed);
    assert_text(one, MUR_TAG_PatientName, "Müller^Hans");
    assert_text(one, MUR_TAG_SpecificCharacterSet, "ISO_IR 192");
    assert_text(one, MUR_TAG_StudyDescription, "a study");
    assert_text(one, MUR_TAG_StudyTime, "101530");
    assert_text(one, MUR_TAG_StudyInstanceUID, "1.2.2");
    assert_text(one, MUR_TAG_SeriesInstanceUID, "1.2.2.2");
    assert_text(one, MUR_TAG_SOPInstanceUID, "1.2.2.2.1");
    struct mur_dataset *before = originals(one, 1);
    assert_text(before, MUR_TAG_PatientName, "Jäger^K");
    assert_text(before, MUR_TAG_StudyTime, "101531");
    assert_text(before, MUR_TAG_StudyDescription, NULL); /* it said nothing */
    assert_text(before, MUR_TAG_PatientID, NULL);        /* it was the same */
}

/* ---- ISA-Tab --------------------------------------------------------------------------------- */

static const char species[] = "[{\"00080100\":{\"vr\":\"SH\",\"Value\":[\"447612001\"]},"
                              "\"00080102\":{\"vr\":\"SH\",\"Value\":[\"SCT\"]},"
                              "\"00080104\":{\"vr\":\"LO\",\"Value\":[\"Mus musculus\"]}}]";

static void link_animal(struct archive_fixture *f, const char *series, bool segmentation)
{
    const struct mur_index_value values[] = {
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_01"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientName, MUR_VR_PN, "Mouse_01^LIV"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientSpeciesDescription, MUR_VR_LO, "Mus musculus"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientSpeciesCodeSequence, MUR_VR_SQ, species),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_ClinicalTrialProtocolID, MUR_VR_LO, "LIV"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientComments, MUR_VR_LT, "Diet=western µ"),
        ISA_VALUE(MUR_LEVEL_STUDY, MUR_TAG_PatientWeight, MUR_VR_DS, "0.0250"),
        ISA_VALUE(MUR_LEVEL_STUDY, 0x00991012, MUR_VR_FD, "56.5"),
        ISA_VALUE(MUR_LEVEL_STUDY, 0x00991020, MUR_VR_LO, "of this site"),
        ISA_VALUE(MUR_LEVEL_SERIES, MUR_TAG_SeriesDescription, MUR_VR_LO, "T2 of Mouse_01"),
        ISA_VALUE(MUR_LEVEL_SERIES, MUR_TAG_EchoTime, MUR_VR_DS, "30"),
        ISA_VALUE(MUR_LEVEL_SERIES, MUR_TAG_FlipAngle, MUR_VR_DS, "90"),
        ISA_VALUE(MUR_LEVEL_SERIES, MUR_TAG_Modality, MUR_VR_CS, "CT"),
        ISA_VALUE(MUR_LEVEL_SERIES, 0x00991001, MUR_VR_UC, "factor:diet=western diet"),
    };
    link_scan(f->archive, series, segmentation, "one", values, MUR_COUNT(values));
}

static void what_the_isa_tab_says_leaves_with_the_object(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("A7", "1.2.3", "1.2.3.1", "1.2.3.1.1");
    set_text(&object, MUR_TAG_IssuerOfPatientID, MUR_VR_LO, "SCANNER");
    set_text(&object, MUR_TAG_PatientWeight, MUR_VR_DS, "0.025");
    set_text(&object, MUR_TAG_EchoTime, MUR_VR_DS, "10");
    set_text(&object, MUR_TAG(0x0099, 0x0010), MUR_VR_LO, "SOMEBODY ELSE");
    set_text(&object, MUR_TAG(0x0099, 0x1001), MUR_VR_LO, "theirs");
    store(f->archive, &object);
    link_animal(f, "1.2.3.1", false);
    bool changed = false;
    MUR_AUTO(mur_dataset) *one = coerce(&changed, f->archive, &object);
    assert_true(changed);
    assert_text(one, MUR_TAG_PatientID, "LIV:Mouse_01");
    assert_text(one, MUR_TAG_IssuerOfPatientID, NULL); /* of the ID before */
    assert_text(one, MUR_TAG_PatientName, "Mouse_01^LIV");
    assert_text(one, MUR_TAG_OtherPatientIDs, "A7");
    assert_text(one, MUR_TAG_PatientSpeciesDescription, "Mus musculus");
    assert_text(one, MUR_TAG_PatientComments, "Diet=western µ");
    assert_text(one, MUR_TAG_SeriesDescription, "T2 of Mouse_01");
    assert_text(one, MUR_TAG_PatientWeight, "0.025"); /* the same number */
    assert_text(one, MUR_TAG_EchoTime, "10");         /* the image knows better */
    assert_text(one, MUR_TAG_FlipAngle, "90");        /* it did not say */
    assert_text(one, MUR_TAG_Modality, "MR");
    assert_text(one, MUR_TAG_PatientBreedDescription, ""); /* type 2C beside a species */
    assert_text(one, MUR_TAG_ClinicalTrialSiteName, "");
    struct mur_dataset *code = NULL;
    assert_int_equal(mur_dataset_get_item(&code, one, MUR_TAG_PatientSpeciesCodeSequence, 0, NULL),
                     MUR_OK);
    assert_text(code, MUR_TAG_CodeValue, "447612001");
    assert_text(one, MUR_TAG(0x0099, 0x0011), MUR_CREATOR_ISA);
    assert_text(one, MUR_TAG(0x0099, 0x1001), "theirs");
    assert_text(one, MUR_PRIVATE_TAG(0x11, MUR_ISA_ATTRIBUTE), "factor:diet=western diet");
    assert_text(one, MUR_PRIVATE_TAG(0x11, 0x20), "of this site");
    double age = 0;
    assert_int_equal(
        mur_dataset_get_double(&age, one, MUR_PRIVATE_TAG(0x11, MUR_ISA_AGE_DAYS), 0, NULL),
        MUR_OK);
    assert_float_equal(age, 56.5, 0);
    struct mur_dataset *before = originals(one, 1);
    assert_text(before, MUR_TAG_PatientID, "A7");
    assert_text(before, MUR_TAG_IssuerOfPatientID, "SCANNER");
    assert_text(before, MUR_TAG_PatientWeight, NULL);
    assert_text(before, MUR_TAG_EchoTime, NULL);
}

static void what_has_left_before_has_nothing_more_to_change(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("A8", "1.2.4", "1.2.4.1", "1.2.4.1.1");
    store(f->archive, &object);
    link_animal(f, "1.2.4.1", false);
    bool changed = false;
    MUR_AUTO(mur_dataset) *one = coerce(&changed, f->archive, &object);
    assert_true(changed);
    struct mur_instance instance;
    bool found = false;
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, "1.2.4.1.1", NULL), MUR_OK);
    assert_int_equal(mur_archive_coerce(&changed, one, f->archive, &instance, NULL), MUR_OK);
    assert_false(changed);
    assert_int_equal(mur_dataset_put_string(one, MUR_TAG_PatientName, MUR_VR_PN, "Else", NULL),
                     MUR_OK);
    assert_int_equal(mur_archive_coerce(&changed, one, f->archive, &instance, NULL), MUR_OK);
    assert_true(changed);
    assert_text(originals(one, 2), MUR_TAG_PatientName, "Else"); /* beside the first change */
}

static void a_segmentation_is_of_the_animal_but_was_not_scanned(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("A9", "1.2.5", "1.2.5.1", "1.2.5.1.1");
    store(f->archive, &object);
    link_animal(f, "1.2.5.1", true);
    bool changed = false;
    MUR_AUTO(mur_dataset) *one = coerce(&changed, f->archive, &object);
    assert_text(one, MUR_TAG_PatientID, "LIV:Mouse_01");
    assert_text(one, MUR_TAG_FlipAngle, NULL);
    assert_text(one, MUR_TAG_SeriesDescription, NULL);
}

static void an_instance_that_was_removed_is_not_there(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P6", "1.2.6", "1.2.6.1", "1.2.6.1.1");
    store(f->archive, &object);
    struct mur_instance instance;
    bool found = false;
    bool changed = false;
    const char *const uid = "1.2.6.1.1";
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, uid, NULL), MUR_OK);
    assert_int_equal(mur_archive_remove(f->archive, &uid, 1, "test", NULL), MUR_OK);
    MUR_AUTO(mur_dataset) *dataset = read_object(&object);
    assert_int_equal(mur_archive_coerce(&changed, dataset, f->archive, &instance, NULL),
                     MUR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_that_says_what_the_index_says_is_not_touched),
        cmocka_unit_test(what_differs_from_the_index_is_replaced_and_kept),
        cmocka_unit_test(what_the_isa_tab_says_leaves_with_the_object),
        cmocka_unit_test(what_has_left_before_has_nothing_more_to_change),
        cmocka_unit_test(a_segmentation_is_of_the_animal_but_was_not_scanned),
        cmocka_unit_test(an_instance_that_was_removed_is_not_there),
    };
    return cmocka_run_group_tests(tests, archive_set_up, archive_tear_down);
}
