/* Matching and answering, attribute by attribute (PS3.4 C.2.2.2). */
#include "archive_support.h"

static const char *const names[] = {"Müller^Hans", "MULLER^Anna", "Meier^Hans", "100%_[x]'^y",
                                    "Yamada^Tarou=山田^太郎=やまだ^たろう"};
static const char *const descriptions[] = {"diet 100%", "diet_x", "diet [a]", "it's *", "Diet"};
static const char *const dates[] = {"20240101", "20240115", "20240301", "", "20231231"};
static const char *const times[] = {"080000", "1015", "101530.5", "", "235959"};

static int fill(void **state)
{
    (void)archive_set_up(state);
    struct archive_fixture *f = *state;
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        char id[16];
        char study[16];
        char series[32];
        char instance[48];
        (void)snprintf(id, sizeof id, "P%zu", i + 1);
        (void)snprintf(study, sizeof study, "1.2.%zu", i + 1);
        (void)snprintf(series, sizeof series, "%s.1", study);
        (void)snprintf(instance, sizeof instance, "%s.1", series);
        struct object object = make_object(id, study, series, instance);
        set_text(&object, MUR_TAG_PatientName, MUR_VR_PN, names[i]);
        set_text(&object, MUR_TAG_PhysiciansOfRecord, MUR_VR_PN, names[i]);
        set_text(&object, MUR_TAG_StudyDescription, MUR_VR_LO, descriptions[i]);
        set_text(&object, MUR_TAG_StudyDate, MUR_VR_DA, dates[i]);
        set_text(&object, MUR_TAG_StudyTime, MUR_VR_TM, times[i]);
        set_text(&object, MUR_TAG_PerformedProcedureStepStartDate, MUR_VR_DA, dates[i]);
        set_text(&object, MUR_TAG_PerformedProcedureStepStartTime, MUR_VR_TM, times[i]);
        set_text(&object, MUR_TAG_PatientBirthDate, MUR_VR_DA, dates[i]);
        set_text(&object, MUR_TAG_PatientBirthTime, MUR_VR_TM, times[i]);
        set_text(&object, MUR_TAG_Modality, MUR_VR_CS, i % 2 == 0 ? "MR" : "CT");
        set_text(&object, MUR_TAG_PatientWeight, MUR_VR_DS, "0.025");
        set_text(&object, MUR_TAG_StrainDescription, MUR_VR_UC, i < 3 ? "C57BL/6J" : "BALB/c");
        store(f->archive, &object);
    }
    return 0;
}

/* Patient IDs of the studies that match, sorted. */
static void assert_found(void **state, uint32_t tag, enum mur_vr vr, const char *key,
                         const char *wanted)
{
    struct archive_fixture *f = *state;
    const struct element keys[] = {{MUR_TAG_PatientID, MUR_VR_LO, ""}, {tag, vr, key}, {0}};
    struct mur_error error = MUR_ERROR_INIT;
    char *got = ask(f->archive, MUR_LEVEL_STUDY, keys, &error);
    if (got == NULL)
        fail_msg("%s: %s", key, error.message);
    char sorted[32] = "";
    for (char id = '1'; id <= '5'; id++) {
        char one[4] = {'P', id, '\0'};
        if (strstr(got, one) != NULL) {
            size_t used = strlen(sorted);
            (void)snprintf(sorted + used, sizeof sorted - used, "%c", id);
        }
    }
    if (strcmp(sorted, wanted) != 0)
        fail_msg("\"%s\" found %s, not %s", key, sorted, wanted);
    free(got);
}

static void names_match_without_case_and_diacritics(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"Müller^Hans", "1"}, {"muller^hans", "1"}, {"MULLER*", "12"},     {"M*^Hans", "13"},
        {"*", "12345"},       {"m?ller^*", "12"},   {"mull?^hans", ""},    {"100%*", "4"},
        {"100%_[x]'^y", "4"}, {"1??%_[?]*", "4"},   {"Yamada^Tarou", "5"}, {"山田^太郎", "5"},
        {"やまだ*", "5"},     {"Müller", ""},       {"_uller*", ""},       {"%", ""},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_TAG_PatientName, MUR_VR_PN, cases[i].key, cases[i].found);
}

static void groups_of_a_name_match_at_their_places(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"yamada*=山*", "5"}, {"yamada*=王*", ""},     {"王*=山田*", ""},
        {"=山田*", "5"},      {"==やまだ*", "5"},      {"=やまだ*", ""},
        {"=yamada*", ""},     {"yamada^tarou==", "5"}, {"=山田^太郎=やま*", "5"},
        {"*=*=山*", ""},      {"*=*", "12345"},        {"meier*=山*", ""},
        {"meier*=*", "3"},    {"=", "12345"},          {"yamada*=", "5"},
        {"山田^太郎=", "5"},  {"=山田", ""},           {"meier^hans\\=山*", "35"},
    };
    static const uint32_t names_of[] = {MUR_TAG_PatientName, MUR_TAG_PhysiciansOfRecord};
    for (size_t n = 0; n < MUR_COUNT(names_of); n++) /* of a typed column, and of none */
        for (size_t i = 0; i < MUR_COUNT(cases); i++)
            assert_found(state, names_of[n], MUR_VR_PN, cases[i].key, cases[i].found);
}

static void other_text_matches_with_case_and_only_star_and_question_mark_are_wild(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"diet 100%", "1"}, {"diet*", "123"},  {"Diet", "5"},
        {"?iet", "5"},      {"diet?*", "123"}, {"diet [a]", "3"},
        {"*[a]", "3"},      {"diet _a_", ""},  {"it's \\nothing", "" /* no such value */},
        {"it's *", "4"},    {"*'*", "4"},      {"diet 100%\\Diet", "15"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_TAG_StudyDescription, MUR_VR_LO, cases[i].key, cases[i].found);
}

static void dates_match_by_value_and_range(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"20240115", "2"},          {"20240101-20240301", "123"}, {"20240115-", "23"},
        {"-20240101", "15"},        {"20240102-20240114", ""},    {"2024.01.15", "2"},
        {"20240115-20240115", "2"}, {"19000101-", "1235"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_TAG_StudyDate, MUR_VR_DA, cases[i].key, cases[i].found);
}

static void times_match_by_value_and_range_whatever_their_precision(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"080000", "1"},  {"1015", "23"},         {"10", "23"},     {"101500-101530", "23"},
        {"1016-", "5"},   {"-0800", "1"},         {"08-10", "123"}, {"101530.5", "3"},
        {"235959-", "5"}, {"101500-101529", "2"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_TAG_StudyTime, MUR_VR_TM, cases[i].key, cases[i].found);
}

static void values_that_are_no_dates_are_refused_by_name(void **state)
{
    struct archive_fixture *f = *state;
    static const char *const wrong[] = {"yesterday", "2024-01-15", "-", "202401", "20240101-x"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        const struct element keys[] = {{MUR_TAG_StudyDate, MUR_VR_DA, wrong[i]}, {0}};
        struct mur_error error = MUR_ERROR_INIT;
        assert_null(ask(f->archive, MUR_LEVEL_STUDY, keys, &error));
        assert_int_equal(error.status, MUR_INVALID);
        assert_non_null(strstr(error.message, "StudyDate"));
    }
}

static void modalities_and_uid_lists_are_alternatives(void **state)
{
    assert_found(state, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "CT", "24");
    assert_found(state, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "CT\\MR", "12345");
    assert_found(state, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "C*", "24");
    assert_found(state, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "PT", "");
    assert_found(state, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.1\\1.2.4\\9.9", "14");
    assert_found(state, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.*", "");
    assert_found(state, MUR_TAG_SOPClassesInStudy, MUR_VR_UI, "1.2.840.10008.5.1.4.1.1.4", "12345");
}

static void attributes_outside_of_columns_are_found_and_returned(void **state)
{
    struct archive_fixture *f = *state;
    assert_found(state, MUR_TAG_StrainDescription, MUR_VR_UC, "C57BL/6J", "123");
    assert_found(state, MUR_TAG_StrainDescription, MUR_VR_UC, "*/c", "45");
    assert_found(state, MUR_TAG_PatientWeight, MUR_VR_DS, "0.0250", "12345");
    assert_found(state, MUR_TAG_PatientWeight, MUR_VR_DS, "0.02..0.03", "12345"); /* our own rule */
    assert_found(state, MUR_TAG_PatientWeight, MUR_VR_DS, "0.03..", "");
    assert_found(state, MUR_TAG_PatientWeight, MUR_VR_DS, "25", "");
    const struct element keys[] = {{MUR_TAG_StrainDescription, MUR_VR_UC, ""},
                                   {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.5"},
                                   {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "BALB/c");
}

static void a_list_of_five_thousand_uids_is_one_question(void **state)
{
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(mur_buffer_append_format(&list, NULL, "1.3.%d\\", i), MUR_OK);
    assert_int_equal(mur_buffer_append_text(&list, "1.2.3", NULL), MUR_OK);
    assert_found(state, MUR_TAG_StudyInstanceUID, MUR_VR_UI, list.data, "3");
}

static void patterns_have_a_limit_and_take_no_time(void **state)
{
    struct archive_fixture *f = *state;
    const struct {
        int repeats;
        enum mur_status status;
    } cases[] = {{20000, MUR_OK}, {60000, MUR_LIMIT}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        for (int k = 0; k < cases[i].repeats; k++)
            assert_int_equal(mur_buffer_append_text(&text, "*a", NULL), MUR_OK);
        const struct element keys[] = {{MUR_TAG_StudyDescription, MUR_VR_LO, text.data}, {0}};
        struct mur_error error = MUR_ERROR_INIT;
        MUR_AUTO_FREE char *got = ask(f->archive, MUR_LEVEL_STUDY, keys, &error);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(got != NULL, cases[i].status == MUR_OK);
    }
}

static void by_configuration_case_does_not_matter_and_unknown_values_match(void **state)
{
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    const struct mur_archive_options options = {
        .directory = f->folder, .fold_case = true, .unknown_matches = true};
    assert_int_equal(mur_archive_open(&f->archive, &options, NULL), MUR_OK);
    assert_found(state, MUR_TAG_StudyDescription, MUR_VR_LO, "DIET*", "1235");
    assert_found(state, MUR_TAG_StrainDescription, MUR_VR_UC, "c57bl/6j", "123");
    assert_found(state, MUR_TAG_StudyDate, MUR_VR_DA, "20240115", "24");
    assert_found(state, MUR_TAG_AdmittingDiagnosesDescription, MUR_VR_LO, "any", "12345");
    mur_archive_close(f->archive);
    f->archive = open_archive(f->folder);
    assert_found(state, MUR_TAG_AdmittingDiagnosesDescription, MUR_VR_LO, "any", "");
}

static void date_and_time_are_one_range_when_that_was_negotiated(void **state)
{
    struct archive_fixture *f = *state;
    /* Two columns, two of the table of attributes, one of each. */
    static const struct {
        uint32_t date, time;
        enum mur_level level;
    } pairs[] = {
        {MUR_TAG_StudyDate, MUR_TAG_StudyTime, MUR_LEVEL_STUDY},
        {MUR_TAG_PerformedProcedureStepStartDate, MUR_TAG_PerformedProcedureStepStartTime,
         MUR_LEVEL_SERIES},
        {MUR_TAG_PatientBirthDate, MUR_TAG_PatientBirthTime, MUR_LEVEL_STUDY},
    };
    const struct {
        const char *date, *time, *wanted;
        bool combined;
    } cases[] = {
        {"20240101-20240115", "0900-0930", "", false},
        {"20240101-20240115", "0900-0930", "", true},
        {"20240101-20240115", "0700-1100", "1 2 ", true},
        {"20240101-20240115", "0900-1100", "2 ", true},
        {"20231231-20240101", "2300-0900", "1 5 ", true},
        {"20231231-20240101", "2300-0900", "", false},
        {"20240115-", "1016-", "3 ", true},
        /* What is no range stands for itself, and so does one of several ranges. */
        {"20231231-20240301", "1015", "2 3 ", true},
        {"20240115", "0900-1100", "2 ", true},
        {"20231231-20240301", "07-09\\101530-", "1 3 5 ", true},
    };
    for (size_t i = 0; i < MUR_COUNT(cases) * MUR_COUNT(pairs); i++) {
        size_t row = i / MUR_COUNT(pairs);
        size_t pair = i % MUR_COUNT(pairs);
        MUR_AUTO_QUERY struct mur_query query = {.level = pairs[pair].level,
                                                 .combined_datetime = cases[row].combined};
        const struct element keys[] = {{MUR_TAG_PatientID, MUR_VR_LO, ""},
                                       {pairs[pair].date, MUR_VR_DA, cases[row].date},
                                       {pairs[pair].time, MUR_VR_TM, cases[row].time},
                                       {0}};
        fill_query(&query, keys);
        struct mur_error error = MUR_ERROR_INIT;
        char *got = ask_query(f->archive, &query, &error);
        assert_non_null(got);
        char sorted[32] = "";
        for (char id = '1'; id <= '5'; id++) {
            const char one[] = {'P', id, '\0'};
            size_t used = strlen(sorted);
            if (strstr(got, one) != NULL)
                (void)snprintf(sorted + used, sizeof sorted - used, "%c ", id);
        }
        if (strcmp(sorted, cases[row].wanted) != 0)
            fail_msg("pair %zu, %s and %s: found %s", pair, cases[row].date, cases[row].time,
                     sorted);
        free(got);
    }
}

static void images_answer_any_attribute_of_their_header(void **state)
{
    struct archive_fixture *f = *state;
    const struct element keys[] = {{MUR_TAG_PatientName, MUR_VR_PN, ""},
                                   {MUR_TAG_InstanceNumber, MUR_VR_IS, "7"},
                                   {MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.5.1.1"},
                                   {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, names[4]);
    const struct element padded[] = {{MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""},
                                     {MUR_TAG_InstanceNumber, MUR_VR_IS, "007"},
                                     {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.5"},
                                     {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, padded, "1.2.5.1.1");
    const struct element syntax[] = {{MUR_TAG_SpecificCharacterSet, MUR_VR_CS, ""},
                                     {MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.5.1.1"},
                                     {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, syntax, "ISO_IR 192");
}

static void rows_come_in_pages_and_stay_the_same_when_more_is_stored(void **state)
{
    struct archive_fixture *f = *state;
    for (int i = 0; i < 300; i++) {
        char instance[32];
        (void)snprintf(instance, sizeof instance, "1.7.1.%d", i);
        struct object object = make_object("P9", "1.7", "1.7.1", instance);
        store(f->archive, &object);
    }
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_IMAGE};
    const struct mur_attribute_path uid = mur_attribute_path_of(MUR_TAG_SOPInstanceUID);
    const struct mur_attribute_path study = mur_attribute_path_of(MUR_TAG_StudyInstanceUID);
    assert_int_equal(mur_query_add(&query, &uid, MUR_VR_UI, mur_slice_of(""), true, NULL), MUR_OK);
    assert_int_equal(mur_query_add(&query, &study, MUR_VR_UI, mur_slice_of("1.7"), true, NULL),
                     MUR_OK);
    MUR_AUTO(mur_cursor) *cursor = NULL;
    assert_int_equal(mur_archive_find(&cursor, f->archive, &query, NULL), MUR_OK);
    int rows = 0;
    bool found = true;
    while (found) {
        const struct mur_value *values;
        assert_int_equal(mur_cursor_next(&values, &found, cursor, NULL), MUR_OK);
        rows += found ? 1 : 0;
        if (rows == 10) {
            struct object object = make_object("P9", "1.7", "1.7.1", "1.7.1.999");
            store(f->archive, &object);
        }
    }
    assert_int_equal(rows, 300);
}

static void a_retrieve_without_its_key_is_refused(void **state)
{
    struct archive_fixture *f = *state;
    const struct {
        enum mur_level level;
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
        enum mur_status status;
        size_t count;
    } cases[] = {
        {MUR_LEVEL_STUDY, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "", MUR_INVALID, 0},
        {MUR_LEVEL_STUDY, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "*", MUR_INVALID, 0},
        {MUR_LEVEL_SERIES, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.1", MUR_INVALID, 0},
        {MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "P*", MUR_INVALID, 0},
        {MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "P1", MUR_OK, 1},
        {MUR_LEVEL_STUDY, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.1\\1.2.2", MUR_OK, 2},
        {MUR_LEVEL_STUDY, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "9.9.9", MUR_OK, 0},
        {MUR_LEVEL_IMAGE, MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.3.1.1", MUR_OK, 1},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO_QUERY struct mur_query query = {.level = cases[i].level};
        MUR_AUTO_PLAN struct mur_plan plan = {0};
        const struct mur_attribute_path path = mur_attribute_path_of(cases[i].tag);
        assert_int_equal(
            mur_query_add(&query, &path, cases[i].vr, mur_slice_of(cases[i].text), true, NULL),
            MUR_OK);
        assert_int_equal(mur_archive_plan(&plan, f->archive, &query, NULL), cases[i].status);
        assert_int_equal(plan.count, cases[i].count);
    }
}

/* Last: what is added stays for the process. */
static void attributes_that_a_site_adds_are_searchable_for_what_is_stored_too(void **state)
{
    struct archive_fixture *f = *state;
    assert_found(state, MUR_TAG_ImagedNucleus, MUR_VR_SH, "31P", "12345"); /* not a key yet */
    struct object object = make_object("P1", "1.2.1", "1.2.1.8", "1.2.1.8.1");
    set_text(&object, MUR_TAG_ImagedNucleus, MUR_VR_SH, "31P");
    set_text(&object, MUR_TAG(0x0018, 0x0084), MUR_VR_DS, "12.50");
    store(f->archive, &object);
    mur_archive_close(f->archive);
    const struct mur_archive_options options = {
        .directory = f->folder, .attributes = "ImagedNucleus image:ImagingFrequency"};
    assert_int_equal(mur_archive_open(&f->archive, &options, NULL), MUR_OK);
    const struct element by_nucleus[] = {
        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, ""}, {MUR_TAG_ImagedNucleus, MUR_VR_SH, "31?"}, {0}};
    const struct element by_time[] = {
        {MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""}, {MUR_TAG(0x0018, 0x0084), MUR_VR_DS, "12.5"}, {0}};
    assert_answer(f->archive, MUR_LEVEL_SERIES, by_nucleus, "");
    size_t headers = 0;
    const struct mur_progress progress = {0};
    for (int again = 0; again < 2; again++) {
        assert_int_equal(mur_archive_reindex_attributes(&headers, f->archive, &progress, NULL),
                         MUR_OK);
        assert_true(headers > 300);
        assert_answer(f->archive, MUR_LEVEL_SERIES, by_nucleus, "1.2.1.8");
        assert_answer(f->archive, MUR_LEVEL_IMAGE, by_time, "1.2.1.8.1");
    }
    set_text(&object, MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.1.8.2"); /* and for what comes */
    store(f->archive, &object);
    assert_answer(f->archive, MUR_LEVEL_IMAGE, by_time, "1.2.1.8.1|1.2.1.8.2");
}

static void attributes_that_do_not_exist_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const wrong[] = {"NoSuchKeyword", "floor:ImagedNucleus", "00990010", "0019"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        struct mur_error error = MUR_ERROR_INIT;
        assert_int_equal(mur_attributes_extend(wrong[i], &error), MUR_INVALID);
        assert_true(error.message[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_match_without_case_and_diacritics),
        cmocka_unit_test(groups_of_a_name_match_at_their_places),
        cmocka_unit_test(other_text_matches_with_case_and_only_star_and_question_mark_are_wild),
        cmocka_unit_test(dates_match_by_value_and_range),
        cmocka_unit_test(times_match_by_value_and_range_whatever_their_precision),
        cmocka_unit_test(values_that_are_no_dates_are_refused_by_name),
        cmocka_unit_test(modalities_and_uid_lists_are_alternatives),
        cmocka_unit_test(attributes_outside_of_columns_are_found_and_returned),
        cmocka_unit_test(patterns_have_a_limit_and_take_no_time),
        cmocka_unit_test(a_list_of_five_thousand_uids_is_one_question),
        cmocka_unit_test(by_configuration_case_does_not_matter_and_unknown_values_match),
        cmocka_unit_test(date_and_time_are_one_range_when_that_was_negotiated),
        cmocka_unit_test(images_answer_any_attribute_of_their_header),
        cmocka_unit_test(rows_come_in_pages_and_stay_the_same_when_more_is_stored),
        cmocka_unit_test(a_retrieve_without_its_key_is_refused),
        cmocka_unit_test(attributes_that_do_not_exist_are_refused_by_name),
        cmocka_unit_test(attributes_that_a_site_adds_are_searchable_for_what_is_stored_too),
    };
    return cmocka_run_group_tests(tests, fill, archive_tear_down);
}
