/* Questions about what an ISA-Tab says, at every level: the private block, Patient Comments and
 * Additional Patient History. */
#include "isa_link_support.h"

#define CELL(text) ISA_VALUE(MUR_LEVEL_SERIES, MUR_PRIVATE_TAG(0x10, 0x01), MUR_VR_UC, text)
#define ELEMENT(number, kind, text)                                                                \
    ISA_VALUE(MUR_LEVEL_SERIES, MUR_PRIVATE_TAG(0x10, number), kind, text)
#define COMMENTS(text) ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientComments, MUR_VR_LT, text)
#define HISTORY(text) ISA_VALUE(MUR_LEVEL_STUDY, MUR_TAG_AdditionalPatientHistory, MUR_VR_LT, text)
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG HUNDRED HUNDRED HUNDRED

/* One animal with two scans in one study (A, B), another with one (C). */
static const struct mur_index_value scan_a[] = {
    ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "M1"),
    COMMENTS("Sex=male; note=100%"),
    HISTORY("week=2; Age=150; dose=1.50"),
    CELL("characteristic:Sex=male"),
    CELL("factor:week=2"),
    CELL("characteristic:Age=150"),
    CELL("parameter:dose=1.50"),
    CELL("comment:note=100%"),
    CELL("factor:cage µ=Käfig 'A' *?"),
    ELEMENT(0x12, MUR_VR_FD, "150"),
    ELEMENT(0x17, MUR_VR_LO, "Mouse_01"),
    ELEMENT(0x20, MUR_VR_LO, "of this site"),
};
static const struct mur_index_value scan_b[] = {
    ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "M1"),
    COMMENTS("Sex=male"),
    HISTORY("week=24; Age=250.5; study week=2 of 3"),
    CELL("characteristic:Sex=male"),
    CELL("factor:week=24"),
    CELL("characteristic:Age=250.5"),
    CELL("comment:study week=2 of 3"),
    CELL("comment:formula=a=b/c"),
    ELEMENT(0x12, MUR_VR_FD, "250.5"),
    ELEMENT(0x17, MUR_VR_LO, "Mouse_01"),
};
static const struct mur_index_value scan_c[] = {
    ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "M2"),
    COMMENTS("Sex=female"),
    HISTORY("week=2; Age=1500; remark=" LONG),
    CELL("characteristic:Sex=female"),
    CELL("factor:week=2"),
    CELL("characteristic:Age=1500"),
    CELL("comment:remark=" LONG),
    CELL("parameter:Age=17"),
    ELEMENT(0x12, MUR_VR_FD, "1500"),
    ELEMENT(0x17, MUR_VR_LO, "Mouse_02"),
};

static void add_scan(struct archive_fixture *f, const char *study, const char *series,
                     const struct mur_index_value *values, size_t count)
{
    char instance[64];
    (void)snprintf(instance, sizeof instance, "%s.1", series);
    struct object object = make_object("scanner", study, series, instance);
    store(f->archive, &object);
    link_scan(f->archive, series, false, series, values, count);
}

static int fill(void **state)
{
    (void)archive_set_up(state);
    struct archive_fixture *f = *state;
    add_scan(f, "1.1", "1.1.1", scan_a, MUR_COUNT(scan_a));
    add_scan(f, "1.1", "1.1.2", scan_b, MUR_COUNT(scan_b));
    add_scan(f, "1.2", "1.2.1", scan_c, MUR_COUNT(scan_c));
    struct object other = make_object("M3", "1.3", "1.3.1", "1.3.1.1"); /* of no ISA-Tab */
    set_text(&other, MUR_TAG_PatientComments, MUR_VR_LT, "Sex=unknown");
    store(f->archive, &other);
    return 0;
}

static const struct element unique[] = {{MUR_TAG_PatientID, MUR_VR_LO, ""},
                                        {MUR_TAG_StudyInstanceUID, MUR_VR_UI, ""},
                                        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, ""}};

static void assert_found(void **state, enum mur_level level, uint32_t tag, const char *key,
                         const char *wanted)
{
    struct archive_fixture *f = *state;
    enum mur_vr vr = MUR_TAG_IS_PRIVATE(tag) ? mur_dictionary_vr(tag, MUR_CREATOR_ISA)
                                             : mur_dictionary_vr(tag, NULL);
    const struct element keys[] = {unique[level], {tag, vr, key}, {0}};
    struct mur_error error = MUR_ERROR_INIT;
    char *got = ask(f->archive, level, keys, &error);
    if (got == NULL)
        fail_msg("%s: %s", key, error.message);
    if (strcmp(got, wanted) != 0)
        fail_msg("\"%s\" at %s found %s, not %s", key, mur_level_name(level), got, wanted);
    free(got);
}

#define ATTRIBUTE MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE)

static void cells_are_found_by_value_pattern_and_list(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"factor:week=2", "1.1.1|1.2.1"},
        {"week=2", "1.1.1|1.2.1"},        /* without its kind */
        {"Factor:WEEK=2", "1.1.1|1.2.1"}, /* headings without case */
        {"factor:week=2*", "1.1.1|1.1.2|1.2.1"},
        {"*week=2", "1.1.1|1.2.1"},
        {"*week=2*", "1.1.1|1.1.2|1.2.1"},
        {"*week=2 of*", "1.1.2"},
        {"parameter:week=2", ""},
        {"characteristic:Sex=Male", ""}, /* values with case */
        {"factor:week=24\\characteristic:Sex=female", "1.1.2|1.2.1"},
        {"*female", "1.2.1"}, /* no "=": anywhere */
        {"comment:note=100%", "1.1.1"},
        {"comment:note=1?0%", "1.1.1"},
        {"factor:cage µ=Käfig 'A' *", "1.1.1"},
        {"factor:cage µ=K%", ""},
        {"comment:formula=a=b/c", "1.1.2"},
        {"*a=b*", "1.1.2"},         /* the "=" of a value */
        {"cage µ=*äfig*", "1.1.1"}, /* beginning with a wild card */
        {"cage µ=*fig 'A'*", "1.1.1"},
        {"*Käfig*", "1.1.1"},
        {"*FIG*", ""},
        {"*Age*", "1.1.1|1.1.2|1.2.1"}, /* in a heading */
        {"remark=*9" HUNDRED "*", "1.2.1"},
        {"remark=*90" HUNDRED HUNDRED "2*", ""},
        {"*fi?*'A'*", "1.1.1"},
        {"*co*mula*/c", "1.1.2"}, /* from the heading into the text */
        {"comment:remark=" LONG, "1.2.1"},
        {"comment:remark=" LONG "x", ""},
        {"nothing:like=this", ""},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_LEVEL_SERIES, ATTRIBUTE, cases[i].key, cases[i].found);
}

static void ranges_are_of_numbers(void **state)
{
    const struct {
        const char *key, *found;
    } cases[] = {
        {"Age=150..200", "1.1.1"},
        {"characteristic:age=150..", "1.1.1|1.1.2|1.2.1"},
        {"Age=..250.5", "1.1.1|1.1.2|1.2.1"}, /* a parameter of C is 17 */
        {"characteristic:Age=..250.5", "1.1.1|1.1.2"},
        {"Age=150.5..300", "1.1.2"},
        {"*ge=1500..1500", "1.2.1"},
        {"dose=1.5..1.5", "1.1.1"},
        {"Sex=1..2", ""},
        {"Age=2..1", ""},
        {"Age=..", ""},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_LEVEL_SERIES, ATTRIBUTE, cases[i].key, cases[i].found);
}

static void a_study_or_patient_matches_when_any_of_its_scans_does(void **state)
{
    assert_found(state, MUR_LEVEL_STUDY, ATTRIBUTE, "factor:week=24", "1.1");
    assert_found(state, MUR_LEVEL_STUDY, ATTRIBUTE, "characteristic:Sex=male", "1.1");
    assert_found(state, MUR_LEVEL_PATIENT, ATTRIBUTE, "factor:week=24", "M1");
    assert_found(state, MUR_LEVEL_PATIENT, ATTRIBUTE, "factor:week=2", "M1|M2");
    for (int level = MUR_LEVEL_PATIENT; level <= MUR_LEVEL_SERIES; level++) {
        static const char *const found[] = {"M2", "1.2", "1.2.1"};
        assert_found(state, (enum mur_level)level, MUR_PRIVATE_TAG(0x10, MUR_ISA_SOURCE_NAME),
                     "*_02", found[level]);
        assert_found(state, (enum mur_level)level, MUR_PRIVATE_TAG(0x10, MUR_ISA_AGE_DAYS),
                     "1500.0", found[level]);
    }
    assert_found(state, MUR_LEVEL_SERIES, MUR_PRIVATE_TAG(0x10, MUR_ISA_AGE_DAYS), "200..1500",
                 "1.1.2|1.2.1");
    assert_found(state, MUR_LEVEL_SERIES, MUR_PRIVATE_TAG(0x10, MUR_ISA_AGE_DAYS), "..200\\1500",
                 "1.1.1|1.2.1");
    assert_found(state, MUR_LEVEL_SERIES, MUR_PRIVATE_TAG(0x10, 0x20), "*site", "1.1.1");
}

static void comments_are_those_of_each_scan(void **state)
{
    const struct {
        uint32_t tag;
        const char *key, *found;
    } cases[] = {
        {MUR_TAG_AdditionalPatientHistory, "*week=2*", "1.1.1|1.1.2|1.2.1"}, /* PS3.4 */
        {MUR_TAG_AdditionalPatientHistory, "*; week=2;*", "1.1.1|1.2.1"},
        {MUR_TAG_AdditionalPatientHistory, "*; week=2; *", "1.1.1|1.2.1"},
        {MUR_TAG_AdditionalPatientHistory, "*; week=2*", "1.1.1|1.1.2|1.2.1"},
        {MUR_TAG_AdditionalPatientHistory, "*Age=150;*", "1.1.1"},
        {MUR_TAG_AdditionalPatientHistory, "*=150*", "1.1.1|1.2.1"},
        {MUR_TAG_AdditionalPatientHistory, "week=2*Age=15*", "1.1.1|1.2.1"}, /* of the whole */
        {MUR_TAG_AdditionalPatientHistory, "week=24", "1.1.2"},
        {MUR_TAG_AdditionalPatientHistory, "week=24; Age=250.5", "1.1.2"},
        {MUR_TAG_AdditionalPatientHistory, "*; remark=" LONG ";*", "1.2.1"},
        {MUR_TAG_AdditionalPatientHistory, "*Sex=male*", ""},
        {MUR_TAG_PatientComments, "*Sex=male*", "1.1.1|1.1.2"},
        {MUR_TAG_PatientComments, "*note=100%*", "1.1.1"},
        {MUR_TAG_PatientComments, "*Sex=unknown*", "1.3.1"}, /* what a header says */
        {MUR_TAG_PatientComments, "Sex=*", "1.1.1|1.1.2|1.2.1|1.3.1"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_found(state, MUR_LEVEL_SERIES, cases[i].tag, cases[i].key, cases[i].found);
    assert_found(state, MUR_LEVEL_STUDY, MUR_TAG_AdditionalPatientHistory, "*; week=24;*", "1.1");
    assert_found(state, MUR_LEVEL_STUDY, MUR_TAG_PatientComments, "*Sex=female*", "1.2");
    assert_found(state, MUR_LEVEL_PATIENT, MUR_TAG_PatientComments, "*Sex=*male*", "M1|M2");
}

static void several_keys_must_all_match(void **state)
{
    struct archive_fixture *f = *state;
    const struct element keys[] = {{MUR_TAG_SeriesInstanceUID, MUR_VR_UI, ""},
                                   {MUR_TAG_Modality, MUR_VR_CS, "MR"},
                                   {ATTRIBUTE, MUR_VR_UC, "factor:week=2"},
                                   {MUR_TAG_PatientComments, MUR_VR_LT, "*Sex=male*"},
                                   {MUR_PRIVATE_TAG(0x10, MUR_ISA_AGE_DAYS), MUR_VR_FD, "150"},
                                   {0}};
    assert_answer(f->archive, MUR_LEVEL_SERIES, keys, "1.1.1");
    const struct element none[] = {{MUR_TAG_SeriesInstanceUID, MUR_VR_UI, ""},
                                   {ATTRIBUTE, MUR_VR_UC, "factor:week=2"},
                                   {MUR_TAG_AdditionalPatientHistory, MUR_VR_LT, "*; week=24;*"},
                                   {0}};
    assert_answer(f->archive, MUR_LEVEL_SERIES, none, "");
    /* A study whose scans say both, each one of them. */
    const struct element both[] = {{MUR_TAG_StudyInstanceUID, MUR_VR_UI, ""},
                                   {ATTRIBUTE, MUR_VR_UC, "factor:week=2"},
                                   {MUR_TAG_AdditionalPatientHistory, MUR_VR_LT, "*; week=24;*"},
                                   {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, both, "1.1");
}

static void add_nested(struct mur_query *query, unsigned item, unsigned element, const char *text)
{
    const struct mur_attribute_path path = {
        .depth = 2,
        .tags = {MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_SEQUENCE),
                 MUR_PRIVATE_TAG(0x10, element)}};
    assert_int_equal(mur_query_add(query, &path, mur_dictionary_vr(path.tags[1], MUR_CREATOR_ISA),
                                   mur_slice_of(text), false, NULL),
                     MUR_OK);
    query->keys[query->key_count - 1].item = item;
}

static void assert_items(void **state, const char *const texts[][3], size_t count,
                         const char *wanted)
{
    struct archive_fixture *f = *state;
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES};
    fill_query(&query, (const struct element[]){unique[MUR_LEVEL_SERIES], {0}});
    for (size_t i = 0; i < count; i++) {
        static const unsigned elements[] = {MUR_ISA_ATTRIBUTE_KIND, MUR_ISA_ATTRIBUTE_NAME,
                                            MUR_ISA_ATTRIBUTE_TEXT};
        for (size_t e = 0; e < 3; e++)
            add_nested(&query, (unsigned)i, elements[e], texts[i][e]);
    }
    struct mur_error error = MUR_ERROR_INIT;
    char *got = ask_query(f->archive, &query, &error);
    assert_non_null(got);
    assert_string_equal(got, wanted);
    free(got);
}

static void the_keys_of_an_item_match_in_one_cell_and_each_item_has_its_own(void **state)
{
    assert_items(state, (const char *const[][3]){{"", "Age", "17"}}, 1, "1.2.1");
    assert_items(state, (const char *const[][3]){{"CHARACTERISTIC", "Age", "17"}}, 1, "");
    assert_items(state, (const char *const[][3]){{"PARAMETER\\CHARACTERISTIC", "age", "100..200"}},
                 1, "1.1.1");
    assert_items(state, (const char *const[][3]){{"", "cage µ", "Käfig 'A' ??"}}, 1, "1.1.1");
    assert_items(state, (const char *const[][3]){{"", "week", "2"}, {"", "Sex", "male"}}, 2,
                 "1.1.1");
    assert_items(state, (const char *const[][3]){{"", "week", "2\\24"}, {"FACTOR", "*", ""}}, 2,
                 "1.1.1|1.1.2|1.2.1");
}

static void an_item_with_keys_is_answered_with_the_cells_that_match(void **state)
{
    struct archive_fixture *f = *state;
    static const char *const asked[][4] = {/* name, text, and of another item */
                                           {"Age", "1..", "week", "2"},
                                           {"Age", "", "", ""},
                                           {"*", "2*", "", ""}};
    static const char *const told[][2] = {{"1500", "\"2\""}, {"1500", "17"}, {"\"2\"", "\"2\""}};
    static const char *const not_told[] = {"female", "week", "1500"};
    for (size_t i = 0; i < MUR_COUNT(asked); i++) {
        MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES};
        fill_query(&query, (const struct element[]){
                               {MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_SEQUENCE), MUR_VR_SQ, ""},
                               {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.1"},
                               {0}});
        for (unsigned item = 0; item < 2; item++) {
            if (asked[i][2 * item][0] == '\0')
                continue;
            add_nested(&query, item, MUR_ISA_ATTRIBUTE_NAME, asked[i][2 * item]);
            add_nested(&query, item, MUR_ISA_ATTRIBUTE_TEXT, asked[i][2 * item + 1]);
        }
        MUR_AUTO_FREE char *got = ask_query(f->archive, &query, NULL);
        assert_non_null(got);
        assert_non_null(strstr(got, told[i][0]));
        assert_non_null(strstr(got, told[i][1]));
        assert_null(strstr(got, not_told[i]));
    }
}

static void cells_are_answered_once_at_every_level(void **state)
{
    struct archive_fixture *f = *state;
    const struct element series[] = {
        {ATTRIBUTE, MUR_VR_UC, ""}, {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.1.2"}, {0}};
    assert_answer(f->archive, MUR_LEVEL_SERIES, series,
                  "characteristic:Sex=male\\factor:week=24\\characteristic:Age=250.5\\"
                  "comment:study week=2 of 3\\comment:formula=a=b/c");
    assert_answer(f->archive, MUR_LEVEL_IMAGE, series,
                  "characteristic:Sex=male\\factor:week=24\\characteristic:Age=250.5\\"
                  "comment:study week=2 of 3\\comment:formula=a=b/c");
    const struct element ages[] = {{MUR_PRIVATE_TAG(0x10, MUR_ISA_AGE_DAYS), MUR_VR_FD, ""},
                                   {MUR_TAG_PatientID, MUR_VR_LO, "M1"},
                                   {0}};
    assert_answer(f->archive, MUR_LEVEL_PATIENT, ages, "250.5\\150");
    const struct element history[] = {{MUR_TAG_AdditionalPatientHistory, MUR_VR_LT, ""},
                                      {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.1"},
                                      {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, history,
                  "week=2; Age=150; dose=1.50; week=24; Age=250.5; study week=2 of 3");
    const struct element items[] = {
        {MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_SEQUENCE), MUR_VR_SQ, ""},
        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.1"},
        {0}};
    struct mur_error error = MUR_ERROR_INIT;
    char *got = ask(f->archive, MUR_LEVEL_SERIES, items, &error);
    assert_non_null(strstr(got, "{\"00990010\":{\"vr\":\"LO\",\"Value\":[\"MURPACS ISA 1.0\"]},"
                                "\"00991003\":{\"vr\":\"CS\",\"Value\":[\"PARAMETER\"]},"
                                "\"00991004\":{\"vr\":\"LO\",\"Value\":[\"Age\"]},"
                                "\"00991005\":{\"vr\":\"UC\",\"Value\":[\"17\"]},"
                                "\"00991006\":{\"vr\":\"FD\",\"Value\":[17]}}"));
    free(got);
}

static void what_a_scan_no_longer_says_is_not_found(void **state)
{
    struct archive_fixture *f = *state;
    static const struct mur_index_value edited[] = {
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "M2"),
        HISTORY("week=3"),
        CELL("factor:week=3"),
    };
    link_scan(f->archive, "1.2.1", false, "edited", edited, MUR_COUNT(edited));
    assert_found(state, MUR_LEVEL_SERIES, ATTRIBUTE, "factor:week=2", "1.1.1");
    assert_found(state, MUR_LEVEL_SERIES, ATTRIBUTE, "factor:week=3", "1.2.1");
    assert_found(state, MUR_LEVEL_SERIES, MUR_TAG_PatientComments, "*female*", "");
    assert_found(state, MUR_LEVEL_SERIES, ATTRIBUTE, "comment:remark=*", "");
}

/* Many rows are answered in another way than few. */
static void each_of_many_rows_is_answered_with_its_own_cells(void **state)
{
    struct archive_fixture *f = *state;
    enum { SCANS = 40 };
    for (int i = 0; i < SCANS; i++) {
        char series[32], run[32];
        (void)snprintf(series, sizeof series, "1.4.%d", i + 1);
        (void)snprintf(run, sizeof run, "factor:run=r%02d", i);
        const struct mur_index_value scan[] = {
            ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "M4"),
            CELL("characteristic:Sex=many"),
            CELL(run),
        };
        add_scan(f, "1.4", series, scan, MUR_COUNT(scan));
    }
    static const enum mur_level levels[] = {MUR_LEVEL_SERIES, MUR_LEVEL_IMAGE};
    for (size_t l = 0; l < MUR_COUNT(levels); l++) {
        MUR_AUTO_QUERY struct mur_query query = {.level = levels[l]};
        fill_query(&query,
                   (const struct element[]){
                       {MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_SEQUENCE), MUR_VR_SQ, ""}, {0}});
        add_nested(&query, 0, MUR_ISA_ATTRIBUTE_NAME, "run");
        add_nested(&query, 0, MUR_ISA_ATTRIBUTE_TEXT, "r*");
        MUR_AUTO_FREE char *got = ask_query(f->archive, &query, NULL);
        assert_non_null(got);
        const char *rest = got;
        for (int i = 0; i < SCANS; i++) {
            char wanted[32];
            (void)snprintf(wanted, sizeof wanted, "\"Value\":[\"r%02d\"]", i);
            const char *end = strchr(rest, '|');
            const char *at = strstr(rest, wanted);
            assert_non_null(at);
            assert_true(end == NULL ? i + 1 == SCANS : at < end);
            rest = end != NULL ? end + 1 : rest + strlen(rest);
        }
        assert_null(strstr(got, "many"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_found_by_value_pattern_and_list),
        cmocka_unit_test(ranges_are_of_numbers),
        cmocka_unit_test(a_study_or_patient_matches_when_any_of_its_scans_does),
        cmocka_unit_test(comments_are_those_of_each_scan),
        cmocka_unit_test(several_keys_must_all_match),
        cmocka_unit_test(the_keys_of_an_item_match_in_one_cell_and_each_item_has_its_own),
        cmocka_unit_test(an_item_with_keys_is_answered_with_the_cells_that_match),
        cmocka_unit_test(cells_are_answered_once_at_every_level),
        /* the last: they edit */
        cmocka_unit_test(what_a_scan_no_longer_says_is_not_found),
        cmocka_unit_test(each_of_many_rows_is_answered_with_its_own_cells),
    };
    return cmocka_run_group_tests(tests, fill, archive_tear_down);
}
