/* No statement of daily work reads a whole table: what SQLite says it would do (EXPLAIN QUERY PLAN)
 * for the questions that clients ask, for retrieves, for what is stored, linked and removed. */
#include "isa_link_support.h"

/* ---- reading plans --------------------------------------------------------------------------- */

/* Steps that are called a scan but read no table: rows made by the statement itself. */
static bool reads_a_table(const char *step)
{
    static const char *const harmless[] = {"SCAN CONSTANT ROW",
                                           "SCAN 16 CONSTANT ROWS",
                                           "SCAN 16-ROW VALUES CLAUSE", /* SQLite 3.46 */
                                           "SCAN json_each ",
                                           "SCAN (",
                                           "SCAN settling" /* one row a process */};
    if (strncmp(step, "SCAN ", 5) != 0 || /* a question to FTS5, not all that it has */
        strncmp(step, "SCAN isa_cell_trigram VIRTUAL TABLE INDEX 0:M", 45) == 0)
        return false;
    for (size_t i = 0; i < MUR_COUNT(harmless); i++)
        if (strncmp(step, harmless[i], strlen(harmless[i])) == 0)
            return false;
    return true;
}

/* Of the attribute table (attribute, a, a0, ...) one column alone is shared by very many rows. */
static bool reads_too_many_attributes(const char *step)
{
    return strncmp(step, "SEARCH a", 8) == 0 && strstr(step, "attribute_path") == NULL &&
           strstr(step, " AND ") == NULL;
}

/* Every statement that the connection has prepared. @return how many there are */
static int assert_no_scan(struct mur_database *database, const char *what)
{
    MUR_AUTO_BUFFER struct mur_buffer plans = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_database_explain(&plans, database, &error) != MUR_OK)
        fail_msg("%s", error.message);
    char *rest = plans.data;
    const char *statement = "";
    int statements = 0;
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        if (line[0] != '\t') {
            statement = line;
            statements++;
        } else if (reads_a_table(line + 1) || reads_too_many_attributes(line + 1)) {
            fail_msg("%s: %s\nin: %s", what, line + 1, statement);
        }
    }
    return statements;
}

static struct mur_database *open_reader(struct archive_fixture *f)
{
    struct mur_database *reader = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_database_open(&reader, f->archive->index_path, MUR_DATABASE_READ, false, &error) !=
        MUR_OK)
        fail_msg("%s", error.message);
    return reader;
}

/* ---- what is asked --------------------------------------------------------------------------- */

struct question {
    enum mur_level level;
    const char *key; /* keyword or tag; in sequences, several */
    enum mur_vr vr;
    const char *text;
};

static void add_key(struct mur_query *query, const char *name, enum mur_vr vr, const char *text)
{
    struct mur_attribute_path path;
    assert_int_equal(mur_attribute_path_parse(&path, mur_slice_of(name), NULL), MUR_OK);
    assert_int_equal(mur_query_add(query, &path, vr, mur_slice_of(text), true, NULL), MUR_OK);
}

static void questions_with_a_key_read_no_whole_table(void **state)
{
    struct archive_fixture *f = *state;
    static const struct question questions[] = {
        {MUR_LEVEL_PATIENT, "PatientID", MUR_VR_LO, "P1"},
        {MUR_LEVEL_STUDY, "PatientID", MUR_VR_LO, "P1"},
        {MUR_LEVEL_STUDY, "PatientID", MUR_VR_LO, "P1*"},
        {MUR_LEVEL_STUDY, "PatientID", MUR_VR_LO, "P1\\P2"},
        {MUR_LEVEL_STUDY, "PatientName", MUR_VR_PN, "mouse^one"},
        {MUR_LEVEL_PATIENT, "PatientName", MUR_VR_PN, "mou*"},
        {MUR_LEVEL_STUDY, "PatientName", MUR_VR_PN, "mou*"},
        {MUR_LEVEL_STUDY, "PatientName", MUR_VR_PN, "山田*"},
        {MUR_LEVEL_STUDY, "PatientName", MUR_VR_PN, "mou*=山田*"},
        {MUR_LEVEL_STUDY, "PatientName", MUR_VR_PN, "=山田*"},
        {MUR_LEVEL_STUDY, "PhysiciansOfRecord", MUR_VR_PN, "mou*"},
        {MUR_LEVEL_STUDY, "PhysiciansOfRecord", MUR_VR_PN, "山田*"},
        {MUR_LEVEL_STUDY, "PhysiciansOfRecord", MUR_VR_PN, "mou*=山田*"},
        {MUR_LEVEL_STUDY, "StudyInstanceUID", MUR_VR_UI, "1.2.1"},
        {MUR_LEVEL_STUDY, "StudyInstanceUID", MUR_VR_UI, "1.2.1\\1.2.2"},
        {MUR_LEVEL_SERIES, "StudyInstanceUID", MUR_VR_UI, "1.2.1"},
        {MUR_LEVEL_IMAGE, "StudyInstanceUID", MUR_VR_UI, "1.2.1"},
        {MUR_LEVEL_SERIES, "SeriesInstanceUID", MUR_VR_UI, "1.2.1.1"},
        {MUR_LEVEL_IMAGE, "SeriesInstanceUID", MUR_VR_UI, "1.2.1.1"},
        {MUR_LEVEL_IMAGE, "SOPInstanceUID", MUR_VR_UI, "1.2.1.1.1"},
        {MUR_LEVEL_IMAGE, "SOPInstanceUID", MUR_VR_UI, "1.2.1.1.1\\1.2.2.1.1"},
        {MUR_LEVEL_STUDY, "AccessionNumber", MUR_VR_SH, "A1"},
        {MUR_LEVEL_STUDY, "StudyDate", MUR_VR_DA, "20240506"},
        {MUR_LEVEL_STUDY, "StudyDate", MUR_VR_DA, "20240501-20240601"},
        {MUR_LEVEL_STUDY, "StudyDate", MUR_VR_DA, "20240501-"},
        {MUR_LEVEL_STUDY, "StudyDate", MUR_VR_DA, "-20240601"},
        {MUR_LEVEL_STUDY, "ModalitiesInStudy", MUR_VR_CS, "MR"},
        {MUR_LEVEL_STUDY, "ModalitiesInStudy", MUR_VR_CS, "CT\\MR"},
        {MUR_LEVEL_SERIES, "ModalitiesInStudy", MUR_VR_CS, "CT\\MR"},
        {MUR_LEVEL_IMAGE, "ModalitiesInStudy", MUR_VR_CS, "CT\\MR"},
        {MUR_LEVEL_SERIES, "Modality", MUR_VR_CS, "MR"},
        {MUR_LEVEL_SERIES, "PatientID", MUR_VR_LO, "P1"}, /* relational, without the Study */
        {MUR_LEVEL_IMAGE, "PatientID", MUR_VR_LO, "P1"},
        {MUR_LEVEL_IMAGE, "PatientName", MUR_VR_PN, "mou*"},
        {MUR_LEVEL_IMAGE, "AccessionNumber", MUR_VR_SH, "A1"},
        {MUR_LEVEL_SERIES, "StudyDate", MUR_VR_DA, "20240501-20240601"},
        {MUR_LEVEL_IMAGE, "StudyDate", MUR_VR_DA, "20240501-20240601"},
        {MUR_LEVEL_IMAGE, "Modality", MUR_VR_CS, "CT\\MR"},
        {MUR_LEVEL_IMAGE, "StrainDescription", MUR_VR_UC, "C57*"},
        {MUR_LEVEL_IMAGE, "00991001", MUR_VR_UC, "*stern*"},
        {MUR_LEVEL_IMAGE, "SOPClassUID", MUR_VR_UI, "1.2.840.10008.5.1.4.1.1.4"},
        {MUR_LEVEL_PATIENT, "StrainDescription", MUR_VR_UC, "C57BL/6J"},
        {MUR_LEVEL_STUDY, "StrainDescription", MUR_VR_UC, "C57BL/6J"},
        {MUR_LEVEL_STUDY, "StrainDescription", MUR_VR_UC, "C57*"},
        {MUR_LEVEL_SERIES, "StrainDescription", MUR_VR_UC, "C57*"},
        {MUR_LEVEL_STUDY, "PatientWeight", MUR_VR_DS, "0.025"},
        {MUR_LEVEL_STUDY, "OtherPatientIDs", MUR_VR_LO, "P1"},
        {MUR_LEVEL_STUDY, "PatientSpeciesCodeSequence.CodeValue", MUR_VR_SH, "447612001"},
        {MUR_LEVEL_STUDY, "00991001", MUR_VR_UC, "factor:diet=western diet"},
        {MUR_LEVEL_STUDY, "00991001", MUR_VR_UC, "factor:diet=*"},
        {MUR_LEVEL_SERIES, "00991001", MUR_VR_UC, "*diet=western*"},
        {MUR_LEVEL_SERIES, "00991001", MUR_VR_UC, "diet=*stern*"},
        {MUR_LEVEL_SERIES, "00991001", MUR_VR_UC, "*stern*"},
        {MUR_LEVEL_STUDY, "00991012", MUR_VR_FD, "56"},
        {MUR_LEVEL_PATIENT, "00991001", MUR_VR_UC, "week=2..3"},
        {MUR_LEVEL_SERIES, "00991002.00991004", MUR_VR_LO, "diet"},
        {MUR_LEVEL_STUDY, "00991002.00991005", MUR_VR_UC, "western*"},
        {MUR_LEVEL_SERIES, "00991002.00991005", MUR_VR_UC, "2.."},
        {MUR_LEVEL_SERIES, "00991002.00991005", MUR_VR_UC, "*stern*\\*chow"},
        {MUR_LEVEL_PATIENT, "PatientComments", MUR_VR_LT, "*Sex=male*"},
        {MUR_LEVEL_PATIENT, "PatientComments", MUR_VR_LT, "*male*"},
        {MUR_LEVEL_STUDY, "AdditionalPatientHistory", MUR_VR_LT, "*; week=2;*"},
        {MUR_LEVEL_SERIES, "AdditionalPatientHistory", MUR_VR_LT, "*week=2*"},
        {MUR_LEVEL_SERIES, "AdditionalPatientHistory", MUR_VR_LT, "week=*"},
    };
    for (size_t i = 0; i < MUR_COUNT(questions); i++) {
        const struct question *question = &questions[i];
        MUR_AUTO_QUERY struct mur_query query = {.level = question->level};
        add_key(&query, question->key, question->vr, question->text);
        add_key(&query, "StrainDescription", MUR_VR_UC, "");
        add_key(&query, "ModalitiesInStudy", MUR_VR_CS, "");
        add_key(&query, "NumberOfPatientRelatedInstances", MUR_VR_IS, "");
        add_key(&query, "NumberOfStudyRelatedInstances", MUR_VR_IS, "");
        add_key(&query, "NumberOfSeriesRelatedInstances", MUR_VR_IS, "");
        add_key(&query, "00991001", MUR_VR_UC, "");
        add_key(&query, "ImageType", MUR_VR_CS, "");
        MUR_AUTO(mur_database) *reader = open_reader(f);
        MUR_AUTO(mur_find) *find = NULL;
        const struct mur_value *values = NULL;
        size_t rows = 0;
        struct mur_error error = MUR_ERROR_INIT;
        if (mur_find_create(&find, reader, &query, "AE", &error) != MUR_OK ||
            mur_find_page(&values, &rows, find, reader, 10, &error) != MUR_OK)
            fail_msg("%s: %s", question->key, error.message);
        if (rows == 0)
            fail_msg("%s=%s finds nothing", question->key, question->text);
        assert_no_scan(reader, question->key);
    }
}

/* What finds and what is only tested are other statements. */
static void several_questions_about_a_scan_read_no_whole_table(void **state)
{
    struct archive_fixture *f = *state;
    for (int level = MUR_LEVEL_PATIENT; level <= MUR_LEVEL_SERIES; level++) {
        MUR_AUTO_QUERY struct mur_query query = {.level = (enum mur_level)level};
        add_key(&query, "00991001", MUR_VR_UC, "factor:diet=western*");
        add_key(&query, "00991012", MUR_VR_FD, "56");
        add_key(&query, "PatientComments", MUR_VR_LT, "*Sex=male*");
        add_key(&query, "PatientID", MUR_VR_LO, "LIV:Mouse_01");
        add_key(&query, "00991002", MUR_VR_SQ, "");
        MUR_AUTO(mur_database) *reader = open_reader(f);
        MUR_AUTO(mur_find) *find = NULL;
        const struct mur_value *values = NULL;
        size_t rows = 0;
        assert_int_equal(mur_find_create(&find, reader, &query, "AE", NULL), MUR_OK);
        assert_int_equal(mur_find_page(&values, &rows, find, reader, 10, NULL), MUR_OK);
        assert_int_equal(rows, 1);
        assert_no_scan(reader, "several keys");
    }
}

static void a_range_of_date_and_time_reads_no_whole_table(void **state)
{
    struct archive_fixture *f = *state;
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_STUDY, .combined_datetime = true};
    add_key(&query, "StudyDate", MUR_VR_DA, "20240506-20240507");
    add_key(&query, "StudyTime", MUR_VR_TM, "0800-1200");
    MUR_AUTO(mur_database) *reader = open_reader(f);
    MUR_AUTO(mur_find) *find = NULL;
    assert_int_equal(mur_find_create(&find, reader, &query, "AE", NULL), MUR_OK);
    assert_true(mur_find_count(find) > 0);
    assert_no_scan(reader, "date and time");
}

static void coercing_reads_no_whole_table(void **state)
{
    struct archive_fixture *f = *state;
    MUR_AUTO(mur_database) *reader = open_reader(f);
    struct mur_instance instance;
    bool found = false;
    MUR_AUTO_EFFECTIVE struct mur_effective effective = {0};
    assert_int_equal(mur_database_find_instance(&found, &instance, reader, "1.2.9.1.1", NULL),
                     MUR_OK);
    assert_true(found);
    assert_int_equal(mur_database_effective(&effective, reader, instance.id, NULL), MUR_OK);
    assert_true(assert_no_scan(reader, "coercing") > 10);
}

static void retrieves_read_no_whole_table(void **state)
{
    struct archive_fixture *f = *state;
    static const struct question questions[] = {
        {MUR_LEVEL_PATIENT, "PatientID", MUR_VR_LO, "P1"},
        {MUR_LEVEL_STUDY, "StudyInstanceUID", MUR_VR_UI, "1.2.1"},
        {MUR_LEVEL_STUDY, "StudyInstanceUID", MUR_VR_UI, "1.2.1\\1.2.2"},
        {MUR_LEVEL_SERIES, "SeriesInstanceUID", MUR_VR_UI, "1.2.1.1"},
        {MUR_LEVEL_SERIES, "SeriesInstanceUID", MUR_VR_UI, "1.2.1.1\\1.2.2.1"},
        {MUR_LEVEL_IMAGE, "SOPInstanceUID", MUR_VR_UI, "1.2.1.1.1"},
        {MUR_LEVEL_IMAGE, "SOPInstanceUID", MUR_VR_UI, "1.2.1.1.1\\1.2.2.1.1"},
    };
    for (size_t i = 0; i < MUR_COUNT(questions); i++) {
        MUR_AUTO_QUERY struct mur_query query = {.level = questions[i].level};
        add_key(&query, questions[i].key, questions[i].vr, questions[i].text);
        MUR_AUTO(mur_database) *reader = open_reader(f);
        MUR_AUTO_PLAN struct mur_plan plan = {0};
        assert_int_equal(mur_database_plan(&plan.items, &plan.count, reader, &query, NULL), MUR_OK);
        assert_true(plan.count > 0);
        struct mur_encodings encodings = {.count = 0};
        assert_int_equal(mur_database_encodings(&encodings, reader, plan.items[0].sop_class, NULL),
                         MUR_OK);
        assert_int_equal(encodings.count, 1);
        assert_no_scan(reader, questions[i].key);
    }
}

/* ---- what is written ------------------------------------------------------------------------- */

/* One scan of an ISA-Tab, as archive/isa.c puts it: it names an animal of its own. */
static void link_animal(struct mur_archive *archive, const char *series, const char *digest)
{
    const struct mur_index_value values[] = {
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientID, MUR_VR_LO, "LIV:Mouse_01"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_StrainDescription, MUR_VR_UC, "C57BL/6J"),
        ISA_VALUE(MUR_LEVEL_PATIENT, MUR_TAG_PatientComments, MUR_VR_LT, "Sex=male"),
        ISA_VALUE(MUR_LEVEL_STUDY, MUR_TAG_AdditionalPatientHistory, MUR_VR_LT, "week=2"),
        ISA_VALUE(MUR_LEVEL_SERIES, 0x00991001, MUR_VR_UC, "factor:diet=western diet"),
        ISA_VALUE(MUR_LEVEL_SERIES, 0x00991001, MUR_VR_UC, "factor:week=2"),
        ISA_VALUE(MUR_LEVEL_SERIES, 0x00991001, MUR_VR_UC, "characteristic:Sex=male"),
        {.level = MUR_LEVEL_STUDY,
         .path = {.depth = 1, .tags = {0x00991012}},
         .vr = MUR_VR_FD,
         .text = "56",
         .has_number = true,
         .number = 56},
        {.level = MUR_LEVEL_PATIENT,
         .path = {.depth = 2, .tags = {MUR_TAG_PatientSpeciesCodeSequence, MUR_TAG_CodeValue}},
         .vr = MUR_VR_SH,
         .text = "447612001"},
    };
    link_scan(archive, series, false, digest, values, MUR_COUNT(values));
}

static void nothing_that_is_stored_linked_or_removed_reads_a_whole_table(void **state)
{
    struct archive_fixture *f = *state;
    struct mur_database *writer = f->archive->writer; /* its thread sleeps: nothing is under way */
    struct object object = make_object("P3", "1.2.3", "1.2.3.1", "1.2.3.1.1");
    set_text(&object, MUR_TAG_StrainDescription, MUR_VR_UC, "BALB/c");
    store(f->archive, &object);
    store(f->archive, &object);
    assert_true(assert_no_scan(writer, "storing") > 20);
    link_animal(f->archive, "1.2.3.1", "one");
    link_animal(f->archive, "1.2.3.1", "two"); /* and what the table says next */
    assert_true(assert_no_scan(writer, "linking") > 40);
    const char *const uid = "1.2.3.1.1";
    assert_int_equal(mur_archive_remove(f->archive, &uid, 1, "test", NULL), MUR_OK);
    assert_no_scan(writer, "removing");
}

static int fill(void **state)
{
    (void)archive_set_up(state);
    struct archive_fixture *f = *state;
    for (int i = 1; i <= 2; i++) {
        char uid[4][32];
        (void)snprintf(uid[0], 32, "P%d", i);
        (void)snprintf(uid[1], 32, "1.2.%d", i);
        (void)snprintf(uid[2], 32, "1.2.%d.1", i);
        (void)snprintf(uid[3], 32, "1.2.%d.1.1", i);
        struct object object = make_object(uid[0], uid[1], uid[2], uid[3]);
        set_text(&object, MUR_TAG_PatientName, MUR_VR_PN, "Mouse^One=山田^太郎");
        set_text(&object, MUR_TAG_PhysiciansOfRecord, MUR_VR_PN, "Mouse^One=山田^太郎");
        set_text(&object, MUR_TAG_StrainDescription, MUR_VR_UC, "C57BL/6J");
        set_text(&object, MUR_TAG_PatientWeight, MUR_VR_DS, "0.025");
        store(f->archive, &object);
    }
    struct object other = make_object("P1", "1.2.9", "1.2.9.1", "1.2.9.1.1");
    store(f->archive, &other);
    link_animal(f->archive, "1.2.9.1", "one");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_with_a_key_read_no_whole_table),
        cmocka_unit_test(several_questions_about_a_scan_read_no_whole_table),
        cmocka_unit_test(a_range_of_date_and_time_reads_no_whole_table),
        cmocka_unit_test(coercing_reads_no_whole_table),
        cmocka_unit_test(retrieves_read_no_whole_table),
        cmocka_unit_test(nothing_that_is_stored_linked_or_removed_reads_a_whole_table),
    };
    return cmocka_run_group_tests(tests, fill, archive_tear_down);
}
