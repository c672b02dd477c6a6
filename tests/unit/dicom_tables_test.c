/* The tables: every row against DCMTK's dictionary, and what is looked up in them. */
#include "dicom_support.h"

#include "dicom/attribute.h"
#include "dicom/dictionary.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "dicom/uid.h"

/* The dictionary is DCMTK's wherever DCMTK has the tag. */
static void check_row(uint32_t tag, const char *keyword, enum mur_vr vr)
{
    const struct mur_dictionary_entry *entry = mur_dictionary_find(tag, NULL);
    if (entry == NULL)
        fail_msg("%08X %s is not in the dictionary", (unsigned)tag, keyword);
    else if (strcmp(entry->keyword, keyword) != 0)
        fail_msg("%08X is %s, not %s", (unsigned)tag, entry->keyword, keyword);
    else if (entry->vr != vr)
        fail_msg("%s has VR %s, not %s", keyword, mur_vr_name(entry->vr), mur_vr_name(vr));
}

static void every_attribute_is_as_in_the_dictionary(void **state)
{
    (void)state;
    size_t count;
    const struct mur_attribute *rows = mur_attributes(&count);
    assert_in_range(count, 150, 400);
    for (size_t i = 0; i < count; i++) {
        check_row(rows[i].tag, rows[i].keyword, rows[i].vr);
        if (i > 0)
            assert_true(rows[i - 1].tag < rows[i].tag);
        assert_ptr_equal(mur_attribute_find(rows[i].tag), &rows[i]);
        assert_int_equal(rows[i].storage == MUR_STORAGE_TABLE, rows[i].column[0] == '\0');
        assert_true(rows[i].column[0] != '=');
    }
    assert_null(mur_attribute_find(MUR_TAG_PixelData));
}

static void every_other_tag_is_as_in_the_dictionary(void **state)
{
    (void)state;
#define T(keyword, group, element, vr) check_row(MUR_TAG_##keyword, #keyword, MUR_VR_##vr);
#include "dicom/tags.def"
#undef T
}

static void levels_have_one_unique_key_each(void **state)
{
    (void)state;
    size_t count;
    const struct mur_attribute *rows = mur_attributes(&count);
    unsigned unique[MUR_LEVEL_COUNT] = {0};
    for (size_t i = 0; i < count; i++)
        unique[rows[i].level] += rows[i].match == MUR_MATCH_UNIQUE ? 1 : 0;
    for (int level = 0; level < MUR_LEVEL_COUNT; level++) {
        enum mur_level parsed = MUR_LEVEL_PATIENT;
        const char *name = mur_level_name((enum mur_level)level);
        assert_int_equal(unique[level], 1);
        assert_int_equal(mur_level_parse(&parsed, mur_slice_of(name), NULL), MUR_OK);
        assert_int_equal(parsed, level);
    }
    enum mur_level level;
    assert_int_equal(mur_level_parse(&level, mur_slice_of("FRAME"), NULL), MUR_PARSE);
}

static void every_path_leads_through_sequences_to_an_attribute(void **state)
{
    (void)state;
    size_t count;
    const struct mur_attribute_key *keys = mur_attribute_keys(&count);
    assert_in_range(count, 100, 400);
    for (size_t i = 0; i < count; i++) {
        const struct mur_attribute_path *path = &keys[i].path;
        char text[MUR_ATTRIBUTE_PATH_SIZE];
        struct mur_attribute_path parsed;
        if (i > 0)
            assert_true(mur_attribute_path_compare(&keys[i - 1].path, path) < 0);
        assert_ptr_equal(mur_attribute_key_find(path), &keys[i]);
        for (unsigned k = 0; k + 1 < path->depth; k++)
            assert_int_equal(mur_dictionary_vr(path->tags[k], NULL), MUR_VR_SQ);
        uint32_t last = path->tags[path->depth - 1];
        assert_int_equal(mur_dictionary_vr(last, mur_private_creator(last)), keys[i].vr);
        const struct mur_attribute *top = mur_attribute_find(path->tags[0]);
        assert_non_null(top);
        assert_int_equal(top->level, keys[i].level);
        struct mur_attribute_path outer = *path;
        outer.depth--;
        assert_true(mur_attribute_key_below(&outer));
        assert_int_equal(mur_attribute_path_parse(
                             &parsed, mur_slice_of(mur_attribute_path_format(text, path)), NULL),
                         MUR_OK);
        assert_true(mur_attribute_path_equal(&parsed, path));
    }
    struct mur_attribute_path name = mur_attribute_path_of(MUR_TAG_PatientName);
    assert_false(mur_attribute_key_below(&name));
    assert_null(mur_attribute_key_find(&name));
}

static void paths_are_read_from_tags_and_keywords(void **state)
{
    (void)state;
    struct mur_attribute_path path;
    assert_int_equal(
        mur_attribute_path_parse(&path, mur_slice_of("StrainStockSequence.00100217"), NULL),
        MUR_OK);
    assert_int_equal(path.depth, 2);
    assert_int_equal(path.tags[0], 0x00100216);
    assert_int_equal(path.tags[1], MUR_TAG_StrainSource);
    static const char *const wrong[] = {"",         ".",        "PatientID.", "0010002",
                                        "0010002G", "PatientI", "PatientIDs", "00100020 "};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        assert_int_equal(mur_attribute_path_parse(&path, mur_slice_of(wrong[i]), NULL), MUR_PARSE);
    assert_int_equal(mur_attribute_path_parse(
                         &path, mur_slice_of("00081140.00081140.00081140.00081140.00081150"), NULL),
                     MUR_LIMIT);
}

static void the_dictionary_knows_private_blocks_and_repeating_groups(void **state)
{
    (void)state;
    assert_int_equal(mur_dictionary_load(NULL), MUR_OK);
    assert_int_equal(mur_dictionary_vr(MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE), MUR_CREATOR_ISA),
                     MUR_VR_UC);
    assert_int_equal(mur_dictionary_vr(MUR_PRIVATE_TAG(0x3F, MUR_ISA_AGE_DAYS), MUR_CREATOR_ISA),
                     MUR_VR_FD);
    assert_int_equal(mur_dictionary_vr(MUR_PRIVATE_TAG(0x10, MUR_NIFTI_HEADER), MUR_CREATOR_NIFTI),
                     MUR_VR_OB);
    assert_int_equal(mur_dictionary_vr(0x00991001, "SOMEBODY ELSE"), MUR_VR_UN);
    assert_int_equal(mur_dictionary_vr(0x00991001, NULL), MUR_VR_UN);
    assert_int_equal(mur_dictionary_vr(0x00990010, NULL), MUR_VR_LO);
    assert_int_equal(mur_dictionary_vr(0x00190000, NULL), MUR_VR_UL);
    assert_int_equal(mur_dictionary_vr(0x60020010, NULL), MUR_VR_US);
    assert_int_equal(mur_dictionary_vr(0x60033000, NULL), MUR_VR_UN);
    assert_int_equal(mur_dictionary_vr(MUR_TAG_PixelData, NULL), MUR_VR_OW);
    assert_true(mur_dictionary_find(MUR_TAG_PixelPaddingValue, NULL)->by_pixel_representation);
    /* not in DCMTK 3.6.7 */
    assert_int_equal(mur_dictionary_vr(0x00120022, NULL), MUR_VR_LO);
}

static void keywords_are_found(void **state)
{
    (void)state;
    uint32_t tag = 0;
    assert_true(mur_dictionary_tag(&tag, mur_slice_of("StrainDescription")));
    assert_int_equal(tag, MUR_TAG_StrainDescription);
    assert_string_equal(mur_dictionary_keyword(MUR_TAG_StudyInstanceUID), "StudyInstanceUID");
    static const char *const wrong[] = {"", "Strain", "straindescription", "StrainDescriptionX"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        assert_false(mur_dictionary_tag(&tag, mur_slice_of(wrong[i])));
    assert_null(mur_dictionary_keyword(0x00091001));
}

static void vrs_are_found_by_name(void **state)
{
    (void)state;
    for (int vr = 1; vr < MUR_VR_COUNT; vr++)
        assert_int_equal(mur_vr_from_name(mur_vr_name((enum mur_vr)vr)), vr);
    assert_int_equal(mur_vr_from_name("??"), MUR_VR_NONE);
    assert_string_equal(mur_vr_name(MUR_VR_NONE), "");
}

static void sop_classes_are_found_and_valid(void **state)
{
    (void)state;
    size_t count;
    size_t storage = 0;
    const struct mur_sop_class *rows = mur_sop_classes(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(mur_uid_valid(mur_slice_of(rows[i].uid)));
        if (i > 0)
            assert_true(strcmp(rows[i - 1].uid, rows[i].uid) < 0);
        assert_ptr_equal(mur_sop_class_find(rows[i].uid), &rows[i]);
        assert_ptr_equal(mur_sop_class_by_keyword(rows[i].keyword), &rows[i]);
        storage += rows[i].kind == MUR_SOP_STORAGE ? 1 : 0;
    }
    assert_true(storage > 200);
    assert_int_equal(mur_sop_class_find("1.2.840.10008.5.1.4.1.1.66.7")->kind, MUR_SOP_STORAGE);
    assert_int_equal(mur_sop_class_find(mur_uid_StudyRootQueryRetrieveInformationModelFind)->kind,
                     MUR_SOP_FIND);
    assert_int_equal(mur_sop_class_find(mur_uid_PatientRootQueryRetrieveInformationModelGet)->kind,
                     MUR_SOP_GET);
    assert_int_equal(mur_sop_class_find(mur_uid_StudyRootQueryRetrieveInformationModelMove)->kind,
                     MUR_SOP_MOVE);
    assert_int_equal(mur_sop_class_find(mur_uid_StorageCommitmentPushModel)->kind,
                     MUR_SOP_COMMITMENT);
    assert_string_equal(mur_sop_class_name(mur_uid_CTImageStorage), "CTImageStorage");
    assert_null(mur_sop_class_find("1.2.3"));
    assert_string_equal(mur_sop_class_name("1.2.3"), "1.2.3");
}

static void transfer_syntaxes_say_how_a_data_set_is_encoded(void **state)
{
    (void)state;
    size_t count;
    const struct mur_transfer_syntax *rows = mur_transfer_syntaxes(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(mur_uid_valid(mur_slice_of(rows[i].uid)));
        assert_ptr_equal(mur_transfer_syntax_find(rows[i].uid), &rows[i]);
    }
    assert_true(mur_transfer_syntax_is_native(mur_uid_ImplicitVRLittleEndian));
    assert_false(mur_transfer_syntax_is_native(mur_uid_DeflatedExplicitVRLittleEndian));
    /* names that are no encoding of elements, and one whose pixels stand apart */
    assert_false(mur_transfer_syntax_is_native(mur_uid_XMLEncoding));
    assert_false(mur_transfer_syntax_converts(mur_uid_ExplicitVRLittleEndian, mur_uid_XMLEncoding));
    assert_false(mur_transfer_syntax_is_native(mur_uid_Papyrus3ImplicitVRLittleEndian));
    assert_int_equal(mur_transfer_syntax_flags("1.2.840.10008.1.2.4.201"), MUR_TS_ENCAPSULATED);
    assert_int_equal(mur_transfer_syntax_flags("1.2.3.4"), MUR_TS_ENCAPSULATED);
    assert_true((mur_transfer_syntax_flags(mur_uid_JPEGBaseline8Bit) & MUR_TS_LOSSY) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attribute_is_as_in_the_dictionary),
        cmocka_unit_test(every_other_tag_is_as_in_the_dictionary),
        cmocka_unit_test(levels_have_one_unique_key_each),
        cmocka_unit_test(every_path_leads_through_sequences_to_an_attribute),
        cmocka_unit_test(paths_are_read_from_tags_and_keywords),
        cmocka_unit_test(the_dictionary_knows_private_blocks_and_repeating_groups),
        cmocka_unit_test(keywords_are_found),
        cmocka_unit_test(vrs_are_found_by_name),
        cmocka_unit_test(sop_classes_are_found_and_valid),
        cmocka_unit_test(transfer_syntaxes_say_how_a_data_set_is_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
