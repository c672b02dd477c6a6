/* An animal that an ISA-Tab names keeps what only the headers of its images know. */
#include "isa_link_support.h"

static const struct mur_index_value animal[] = {
    ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_01"),
    ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientName, MUR_VR_PN, "Mouse_01^LIV"),
    ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_StrainDescription, MUR_VR_UC, "C57BL/6J"),
};

static struct object scan_of(const char *study, const char *birth_date, const char *group)
{
    static char uid[2][64];
    (void)snprintf(uid[0], sizeof uid[0], "%s.1", study);
    (void)snprintf(uid[1], sizeof uid[1], "%s.1.1", study);
    struct object object = make_object("A7", study, uid[0], uid[1]);
    set_text(&object, MUR_TAG_PatientBirthDate, MUR_VR_DA, birth_date);
    set_text(&object, MUR_TAG_EthnicGroup, MUR_VR_SH, group);
    set_text(&object, MUR_TAG_StrainDescription, MUR_VR_UC, "BALB/c");
    return object;
}

static void assert_animal(struct archive_fixture *f, uint32_t tag, enum mur_vr vr,
                          const char *wanted)
{
    const struct element keys[] = {
        {tag, vr, ""}, {MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_01"}, {0}};
    assert_answer(f->archive, MUR_LEVEL_PATIENT, keys, wanted);
}

static void what_only_the_header_says_of_the_animal_stays(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = scan_of("1.2.1", "20210130", "colony 7");
    store(f->archive, &object);
    link_scan(f->archive, "1.2.1.1", false, "one", animal, MUR_COUNT(animal));
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_animal(f, MUR_TAG_PatientBirthDate, MUR_VR_DA, "20210130");
    assert_animal(f, MUR_TAG_EthnicGroup, MUR_VR_SH, "colony 7");
    assert_animal(f, MUR_TAG_PatientName, MUR_VR_PN, "Mouse_01^LIV");
    assert_animal(f, MUR_TAG_StrainDescription, MUR_VR_UC, "C57BL/6J");
}

static void where_the_header_wins_it_names_the_animal(void **state)
{
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    const struct mur_archive_options options = {.directory = f->folder, .header_wins = true};
    assert_int_equal(mur_archive_open(&f->archive, &options, NULL), MUR_OK);
    struct object object = scan_of("1.2.1", "20210130", "colony 7");
    store(f->archive, &object);
    link_scan(f->archive, "1.2.1.1", false, "one", animal, MUR_COUNT(animal));
    assert_animal(f, MUR_TAG_PatientName, MUR_VR_PN, "Mouse^One");
    assert_animal(f, MUR_TAG_StrainDescription, MUR_VR_UC, "BALB/c");
    assert_animal(f, MUR_TAG_PatientBirthDate, MUR_VR_DA, "20210130");
}

static void only_headers_of_its_own_images_speak_of_the_animal(void **state)
{
    struct archive_fixture *f = *state;
    struct object one = scan_of("1.2.1", "20210130", "colony 7");
    store(f->archive, &one);
    struct object two = scan_of("1.2.2", "20210131", "colony 7"); /* the same Patient ID */
    store(f->archive, &two);
    link_scan(f->archive, "1.2.2.1", false, "one", animal, MUR_COUNT(animal));
    assert_animal(f, MUR_TAG_PatientBirthDate, MUR_VR_DA, "20210131");
    assert_animal(f, MUR_TAG_EthnicGroup, MUR_VR_SH, "colony 7");
}

static void a_scan_of_another_animal_after_all_takes_nothing_along(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = scan_of("1.2.1", "20210130", "colony 7");
    store(f->archive, &object);
    static const struct mur_index_value wrong[] = {
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_02"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientSex, MUR_VR_CS, "F"),
    };
    link_scan(f->archive, "1.2.1.1", false, "one", wrong, MUR_COUNT(wrong));
    link_scan(f->archive, "1.2.1.1", false, "two", animal, MUR_COUNT(animal));
    assert_animal(f, MUR_TAG_PatientSex, MUR_VR_CS, "");
}

static void each_part_of_a_divided_study_says_what_its_headers_say(void **state)
{
    struct archive_fixture *f = *state;
    static const struct mur_index_value other[] = {
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_02"),
    };
    struct object one = make_object("hotel", "1.2.5", "1.2.5.1", "1.2.5.1.1");
    set_text(&one, MUR_TAG_ConsultingPhysicianName, MUR_VR_PN, "Vet^A");
    struct object two = make_object("hotel", "1.2.5", "1.2.5.2", "1.2.5.2.1");
    set_text(&two, MUR_TAG_ConsultingPhysicianName, MUR_VR_PN, "Vet^B");
    store(f->archive, &one);
    store(f->archive, &two);
    link_scan(f->archive, "1.2.5.1", false, "one", animal, MUR_COUNT(animal));
    link_scan(f->archive, "1.2.5.2", false, "two", other, MUR_COUNT(other));
    const struct element first[] = {{MUR_TAG_ConsultingPhysicianName, MUR_VR_PN, ""},
                                    {MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_01"},
                                    {0}};
    const struct element second[] = {{MUR_TAG_ConsultingPhysicianName, MUR_VR_PN, ""},
                                     {MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_02"},
                                     {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, first, "Vet^A");
    assert_answer(f->archive, MUR_LEVEL_STUDY, second, "Vet^B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_only_the_header_says_of_the_animal_stays,
                                        archive_set_up, archive_tear_down),
        cmocka_unit_test_setup_teardown(where_the_header_wins_it_names_the_animal, archive_set_up,
                                        archive_tear_down),
        cmocka_unit_test_setup_teardown(only_headers_of_its_own_images_speak_of_the_animal,
                                        archive_set_up, archive_tear_down),
        cmocka_unit_test_setup_teardown(each_part_of_a_divided_study_says_what_its_headers_say,
                                        archive_set_up, archive_tear_down),
        cmocka_unit_test_setup_teardown(a_scan_of_another_animal_after_all_takes_nothing_along,
                                        archive_set_up, archive_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
