/* The reader against published archives and against every defect that they were seen to have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/json.h"
#include "isa/isa.h"

/* ---- a folder made for one test -------------------------------------------------------------- */

static void put(const char *folder, const char *name, const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    char *path = NULL;
    assert_int_equal(mur_path_join(&path, folder, name, &error), MUR_OK);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(mur_directory_create(path, 0755, &error), MUR_OK);
    *slash = '/';
    assert_int_equal(mur_file_write_all(path, text, strlen(text), 0644, &error), MUR_OK);
    free(path);
}

static enum mur_status remove_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                    struct mur_error *error)
{
    (void)skip;
    (void)error;
    if ((entry->kind == MUR_WALK_DIRECTORY) == *(bool *)user)
        (void)remove(entry->path);
    return MUR_OK;
}

static int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    struct mur_error error = MUR_ERROR_INIT;
    char *folder = NULL;
    if (mur_path_join(&folder, base == NULL ? "/tmp" : base, "murpacs-isa-XXXXXX", &error) !=
        MUR_OK)
        return -1;
    if (mkdtemp(folder) == NULL)
        return -1;
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct mur_error error = MUR_ERROR_INIT;
    for (int depth = 0; depth < 6; depth++) { /* parents come before what is in them */
        bool directories = depth > 0;
        (void)!mur_directory_walk(*state, remove_entry, &directories, &error);
    }
    (void)remove(*state);
    free(*state);
    return 0;
}

static const char investigation[] = "ONTOLOGY SOURCE REFERENCE\n"
                                    "Term Source Name\tNCBITAXON\tUO\n"
                                    "INVESTIGATION\n"
                                    "Investigation Identifier\tINV\n"
                                    "STUDY\n"
                                    "Study Identifier\tS1\n"
                                    "Study Title\tMice\n"
                                    "Study File Name\ts_s1.txt\n"
                                    "Comment[Creator]\tDoe, Jo\n"
                                    "STUDY FACTORS\n"
                                    "Study Factor Name\tdiet\n"
                                    "STUDY ASSAYS\n"
                                    "Study Assay Measurement Type\timaging\n"
                                    "Study Assay Technology Type\tCT\n"
                                    "Study Assay File Name\ta_s1.txt\n"
                                    "STUDY PROTOCOLS\n"
                                    "Study Protocol Name\tkeeping\tscan\n"
                                    "Study Protocol Parameters Name\t\tvoltage;current\n"
                                    "STUDY CONTACTS\n"
                                    "Study Person Last Name\tDoe\n"
                                    "Study Person First Name\tJo\n"
                                    "Study Person Roles\tcreator;contact\n";
static const char study[] = "Source Name\tCharacteristics[Sex]\tProtocol REF\tSample Name\t"
                            "Characteristics[Age]\tUnit\tFactor Value[diet]\n"
                            "m1\tfemale\tkeeping\tm1-a\t56\tday\tchow\n"
                            "m1\tfemale\tkeeping\tm1-b\t70\tday\tchow\n"
                            "m2\tmale\tkeeping\tm2-a\t56\tday\twestern\n";
static const char assay[] =
    "Sample Name\tProtocol REF\tParameter Value[voltage]\tUnit\tAssay Name\t"
    "Image File\n"
    "m1-a\tscan\t50\tkV\tct1\timages/ct1.nii\n"
    "m1-b\tscan\t50\tkV\tct2\timages/ct2.nii\n"
    "m2-a\tscan\t50\tkV\tct3\timages/ct3.nii\n";

static void put_archive(const char *folder)
{
    put(folder, "i_investigation.txt", investigation);
    put(folder, "s_s1.txt", study);
    put(folder, "a_s1.txt", assay);
}

static struct mur_isa *read_archive(const char *folder, struct mur_isa_diagnostics *diagnostics)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_isa *isa = NULL;
    if (mur_isa_read(&isa, folder, diagnostics, &error) != MUR_OK)
        fail_msg("%s", error.message);
    return isa;
}

static size_t count_of(const struct mur_isa_diagnostics *diagnostics, const char *code)
{
    size_t count = 0;
    for (size_t i = 0; i < diagnostics->count; i++)
        count += strcmp(diagnostics->items[i].code, code) == 0;
    return count;
}

static const struct mur_isa_diagnostic *find(const struct mur_isa_diagnostics *diagnostics,
                                             const char *code)
{
    for (size_t i = 0; i < diagnostics->count; i++)
        if (strcmp(diagnostics->items[i].code, code) == 0)
            return &diagnostics->items[i];
    fail_msg("no diagnostic %s", code);
    return NULL;
}

static const char *sample_value(const struct mur_isa_study *of, const struct mur_isa_node *node,
                                enum mur_isa_kind kind, const char *name)
{
    for (uint32_t i = 0; i < node->attribute_count; i++) {
        struct mur_isa_value value =
            mur_isa_value_at(&of->table, node->attributes[i].row, node->attributes[i].column);
        if (value.kind == kind && strcmp(value.name, name) == 0)
            return value.value;
    }
    return NULL;
}

/* ---- what a good archive gives -----------------------------------------------------------------
 */

static void a_clean_archive_is_read_whole_and_without_a_word(void **state)
{
    put_archive(*state);
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_int_equal(diagnostics.count, 0);
    assert_int_equal(isa->study_count, 1);
    const struct mur_isa_study *s = &isa->studies[0];
    assert_string_equal(s->title, "Mice");
    assert_string_equal(s->comments[0].name, "Creator");
    assert_string_equal(s->comments[0].value, "Doe, Jo");
    assert_int_equal(s->contacts[0].role_count, 2);
    assert_string_equal(s->contacts[0].roles[1].value, "contact");
    assert_int_equal(s->protocol_count, 2);
    assert_int_equal(s->protocols[0].parameter_count, 0);
    assert_string_equal(s->protocols[1].parameters[1].value, "current");
    assert_int_equal(s->source_count, 2);
    assert_int_equal(s->sample_count, 3);
    const struct mur_isa_node *sample = mur_isa_find_sample(s, "m1-b");
    assert_non_null(sample);
    assert_string_equal(s->sources[sample->sources[0]].name, "m1");
    assert_string_equal(sample_value(s, sample, MUR_ISA_CHARACTERISTIC, "Age"), "70");
    assert_string_equal(sample_value(s, sample, MUR_ISA_FACTOR, "diet"), "chow");
    assert_null(sample_value(s, sample, MUR_ISA_CHARACTERISTIC, "Sex"));
    assert_string_equal(
        sample_value(s, mur_isa_find_source(s, "m2"), MUR_ISA_CHARACTERISTIC, "Sex"), "male");
    assert_null(mur_isa_find_sample(s, "m1"));
    const struct mur_isa_table *table = &s->assays[0].table;
    struct mur_isa_value value = mur_isa_value_at(table, 1, 2);
    assert_string_equal(value.value, "50");
    assert_string_equal(value.unit, "kV");
    assert_int_equal(table->columns[2].owner, 1);
    assert_int_equal(table->lines[1], 3);
}

static void terms_after_a_unit_belong_to_the_unit(void **state)
{
    put_archive(*state);
    put(*state, "s_s1.txt",
        "Source Name\tCharacteristics[organism]\tTerm Source REF\tTerm Accession Number\t"
        "Characteristics[weight]\tUnit\tTerm Source REF\tTerm Accession Number\tSample Name\n"
        "m1\tmouse\tNCBITAXON\t10090\t20\tgram\tUO\tUO:21\tm1-a\n"
        "m1\tmouse\tNCBITAXON\t10090\t20\tgram\tUO\tUO:21\tm1-b\n"
        "m2\tmouse\tNCBITAXON\t10090\t20\tgram\tUO\tUO:21\tm2-a\n");
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_int_equal(diagnostics.count, 0);
    struct mur_isa_value value = mur_isa_value_at(&isa->studies[0].table, 0, 1);
    assert_string_equal(value.term_source, "NCBITAXON");
    assert_string_equal(value.term_accession, "10090");
    value = mur_isa_value_at(&isa->studies[0].table, 0, 4);
    assert_string_equal(value.unit, "gram");
    assert_string_equal(value.unit_source, "UO");
    assert_string_equal(value.unit_accession, "UO:21");
    assert_string_equal(value.term_source, "");
}

static void a_pooled_sample_has_several_sources(void **state)
{
    put_archive(*state);
    put(*state, "s_s1.txt",
        "Source Name\tSample Name\nm1\tm1-a\nm2\tm1-a\nm1\tm1-b\nm2\tm2-a\nm2\tm2-a\n");
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    const struct mur_isa_node *pool = mur_isa_find_sample(&isa->studies[0], "m1-a");
    assert_int_equal(pool->source_count, 2);
    assert_string_equal(isa->studies[0].sources[pool->sources[1]].name, "m2");
    assert_int_equal(diagnostics.count, 1);
    assert_int_equal(find(&diagnostics, "repeated-sample")->line, 6);
}

static void each_study_may_have_its_own_subfolder(void **state)
{
    put(*state, "one/i_one.txt", investigation);
    put(*state, "one/s_s1.txt", study);
    put(*state, "one/a_s1.txt", assay);
    put(*state, "one/images/ct1.nii", "x");
    put(*state, "two/i_two.txt", investigation);
    put(*state, "two/s_s1.txt", study);
    put(*state, "two/a_s1.txt", assay);
    put(*state, "images/ct2.nii", "x");
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_int_equal(diagnostics.count, 0);
    assert_int_equal(isa->investigation_count, 2);
    assert_int_equal(isa->study_count, 2);
    assert_string_equal(isa->studies[1].table.path, "two/s_s1.txt");
    assert_int_equal(isa->studies[1].sample_count, 3);

    struct mur_error error = MUR_ERROR_INIT;
    char *path = NULL;
    assert_int_equal(
        mur_isa_resolve_path(&path, isa, &isa->studies[0], ".\\images//ct1.nii", &error), MUR_OK);
    assert_string_equal(path, "one/images/ct1.nii");
    free(path);
    assert_int_equal(mur_isa_resolve_path(&path, isa, &isa->studies[0], "images/ct2.nii", &error),
                     MUR_OK);
    assert_string_equal(path, "images/ct2.nii");
    free(path);
    const char *const refused[] = {"../two/s_s1.txt", "/etc/passwd", "C:\\x", "\\\\host\\x",
                                   "https://host/x"};
    for (size_t i = 0; i < MUR_COUNT(refused); i++)
        assert_int_equal(mur_isa_resolve_path(&path, isa, &isa->studies[0], refused[i], &error),
                         MUR_DENIED);
    assert_int_equal(mur_isa_resolve_path(&path, isa, &isa->studies[0], "none.nii", &error),
                     MUR_NOT_FOUND);
}

/* ---- defects ------------------------------------------------------------------------------------
 */

static void a_folder_without_investigation_is_refused_with_the_remedy(void **state)
{
    put(*state, "s_s1.txt", study);
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_isa *isa = NULL;
    assert_int_equal(mur_isa_read(&isa, *state, NULL, &error), MUR_NOT_FOUND);
    assert_null(isa);
    assert_non_null(strstr(error.message, *state));
    assert_non_null(strstr(error.message, "i_*.txt"));
    assert_int_equal(mur_isa_read(&isa, "/nonexistent/folder", NULL, &error), MUR_NOT_FOUND);
}

/** One defect of a table, and what is said of it. */
struct defect {
    const char *file;
    const char *text;
    const char *code;
    enum mur_isa_severity severity;
    size_t line;
};

static void every_defect_is_reported_and_stops_nothing(void **state)
{
#define STUDY_HEAD "Source Name\tCharacteristics[Sex]\tProtocol REF\tSample Name\n"
#define STUDY_ROWS "m1\tfemale\tkeeping\tm1-a\nm1\tfemale\tkeeping\tm1-b\nm2\tmale\tkeeping\tm2-a\n"
    static const struct defect defects[] = {
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m3\tm\xE4nnlich\tkeeping\tm3-a\n", "not-utf8",
         MUR_ISA_WARNING, 0},
        {"s_s1.txt", "# made by hand\n" STUDY_HEAD STUDY_ROWS, "comment-line", MUR_ISA_NOTE, 1},
        {"s_s1.txt", STUDY_HEAD "#group 1\n" STUDY_ROWS, "comment-line", MUR_ISA_NOTE, 2},
        {"s_s1.txt", STUDY_HEAD "m0\t\"fe\nmale\"\tkeeping\tm0-a\n" STUDY_ROWS, "multiline-cell",
         MUR_ISA_NOTE, 2},
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m3\t\"female\tkeeping\tm3-a\n", "unclosed-quote",
         MUR_ISA_WARNING, 5},
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m3\t\"a\tb\"\tkeeping\tm3-a\n", "tab-in-cell",
         MUR_ISA_WARNING, 5},
        {"s_s1.txt", "Source name\tCharacteristics [ Sex ]\tProtocol REF\tSample Name\n" STUDY_ROWS,
         "header-normalised", MUR_ISA_WARNING, 1},
        {"s_s1.txt", "Source Name\tCharacteristics[Sex]\tPrototol REF\tSample Name\n" STUDY_ROWS,
         "unknown-column", MUR_ISA_WARNING, 1},
        {"s_s1.txt", "Source Name\tUnit\tUnit\tSample Name\n" STUDY_ROWS, "misplaced-qualifier",
         MUR_ISA_WARNING, 1},
        {"s_s1.txt",
         "Source Name\tComment[a]\tComment[a]\tSample Name\nm1\t1\t2\tm1-a\nm1\t1\t2\tm1-b\n"
         "m2\t1\t2\tm2-a\n",
         "duplicate-column", MUR_ISA_WARNING, 1},
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m1\tmale\tkeeping\tm1-c\n", "conflicting-value",
         MUR_ISA_WARNING, 5},
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m1\tfemale\tkeeping\tm1-a\n", "repeated-sample",
         MUR_ISA_WARNING, 5},
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m3\tmale\tkeping\tm3-a\n", "undeclared-protocol",
         MUR_ISA_WARNING, 5},
        {"s_s1.txt",
         "Source Name\tSample Name\tFactor Value[age]\nm1\tm1-a\t1\nm1\tm1-b\t2\n"
         "m2\tm2-a\t3\n",
         "undeclared-factor", MUR_ISA_WARNING, 2},
        {"s_s1.txt",
         "Source Name\tCharacteristics[Sex]\tTerm Source REF\tSample Name\nm1\tf\tPATO\tm1-a\n"
         "m1\tf\tPATO\tm1-b\nm2\tm\tPATO\tm2-a\n",
         "undeclared-term-source", MUR_ISA_WARNING, 2},
        {"s_s1.txt", STUDY_HEAD STUDY_ROWS "m3\tmale\tkeeping\tm3-a\t\tmore\n", "surplus-cell",
         MUR_ISA_WARNING, 5},
        {"s_s1.txt", STUDY_HEAD "m0\n" STUDY_ROWS, "short-row", MUR_ISA_NOTE, 2},
        {"s_s1.txt", "", "empty-file", MUR_ISA_ERROR, 0},
        {"s_s1.txt", "\n \n", "empty-file", MUR_ISA_ERROR, 0},
        {"a_s1.txt",
         "Sample Name\tProtocol REF\tParameter Value[dose]\tAssay Name\nm1-a\tscan\t\tct1\n"
         "m1-b\tscan\t2\tct2\n",
         "undeclared-parameter", MUR_ISA_WARNING, 3},
        {"a_s1.txt", "Sample Name\tAssay Name\nm1-x\tct1\n", "unknown-sample", MUR_ISA_ERROR, 2},
        {"a_s1.txt", "Sample Name\tImage File\nm1-a\t/Users/me/ct1.nii\n", "bad-path",
         MUR_ISA_ERROR, 2},
        {"a_s1.txt", "Sample Name\tImage File\nm1-a\timages/../../x\n", "bad-path", MUR_ISA_ERROR,
         2},
        {"i_investigation.txt",
         "STUDY\nStudy Identifier\tS1\nStudy File Name\ts_s1.txt\n"
         "Study Submission Date\t21/03/2014\n",
         "date-not-iso", MUR_ISA_WARNING, 0},
        {"i_investigation.txt", "STUDY\nStudy Identifier\tS1\nStudy File Name\tnone.txt\n",
         "missing-file", MUR_ISA_ERROR, 0},
        {"i_investigation.txt", "STUDY\nStudy Identifier\tS1\nStudy File Name\t../s_s1.txt\n",
         "bad-path", MUR_ISA_ERROR, 0},
        {"i_investigation.txt", "STUDY\nStudy Identifier\tS1\n", "missing-file", MUR_ISA_ERROR, 0},
        {"i_investigation.txt", "STUDY\nStudy Identifier\tS1\nStudy Identifer\tS2\n",
         "unknown-label", MUR_ISA_WARNING, 3},
        {"i_investigation.txt", "STUDY\nStudy Identifier\tS1\nStudy Identifier\tS2\n",
         "duplicate-label", MUR_ISA_WARNING, 3},
        {"i_investigation.txt",
         "STUDY\nStudy Identifier\tS1\nSTUDY FACTORS\nSTUDY CONTACTS\nSTUDY FACTORS\n",
         "duplicate-section", MUR_ISA_ERROR, 5},
        {"i_investigation.txt", "INVESTIGATION\n", "no-study", MUR_ISA_ERROR, 0},
    };
    for (size_t i = 0; i < MUR_COUNT(defects); i++) {
        put_archive(*state);
        put(*state, defects[i].file, defects[i].text);
        MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
        MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
        const struct mur_isa_diagnostic *said = find(&diagnostics, defects[i].code);
        assert_int_equal(said->severity, defects[i].severity);
        assert_int_equal(said->line, defects[i].line);
        if (strcmp(defects[i].code, "missing-file") != 0 &&
            strcmp(defects[i].code, "bad-path") != 0)
            assert_string_equal(said->file, defects[i].file);
        if (defects[i].file[0] == 's') { /* the other table is read all the same */
            assert_int_equal(isa->studies[0].assays[0].table.row_count, 3);
            if (strcmp(defects[i].code, "empty-file") != 0)
                assert_non_null(mur_isa_find_sample(&isa->studies[0], "m2-a"));
        }
    }
}

static void the_first_of_contradicting_values_is_kept(void **state)
{
    put_archive(*state);
    put(*state, "s_s1.txt",
        "Source Name\tCharacteristics[Sex]\tSample Name\nm1\t\tm1-a\nm1\tfemale\tm1-b\n"
        "m1\tmale\tm2-a\nm1\tother\tm3-a\n");
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    const struct mur_isa_study *s = &isa->studies[0];
    assert_string_equal(sample_value(s, &s->sources[0], MUR_ISA_CHARACTERISTIC, "Sex"), "female");
    assert_int_equal(count_of(&diagnostics, "conflicting-value"), 2);
    assert_non_null(strstr(find(&diagnostics, "conflicting-value")->message, "'female' / 'male'"));
}

static void a_flood_of_one_kind_does_not_hide_the_others(void **state)
{
    put_archive(*state);
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(
        mur_buffer_append_text(&text, "Source Name\tCharacteristics[Sex]\tSample Name\n", &error),
        MUR_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(mur_buffer_append_format(&text, &error, "m1\tsex %d\tm1-%d\n", i, i),
                         MUR_OK);
    put(*state, "s_s1.txt", mur_buffer_text(&text));
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_int_equal(count_of(&diagnostics, "conflicting-value"), MUR_ISA_DIAGNOSTICS_PER_CODE);
    assert_int_equal(diagnostics.dropped, 999 - MUR_ISA_DIAGNOSTICS_PER_CODE);
    assert_int_equal(count_of(&diagnostics, "unknown-sample"), 3);
    assert_int_equal(isa->studies[0].sample_count, 1000);
}

static void links_out_of_the_folder_are_not_followed(void **state)
{
    put_archive(*state);
    char *path = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_path_join(&path, *state, "s_s1.txt", &error), MUR_OK);
    assert_int_equal(remove(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    free(path);
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_string_equal(find(&diagnostics, "bad-path")->file, "s_s1.txt");
    assert_false(isa->studies[0].readable);
}

/** 22 MB with long cells: the largest published table. */
static void large_tables_are_read_in_seconds(void **state)
{
    put_archive(*state);
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status =
        mur_buffer_append_text(&text, "Sample Name\tAssay Name\tComment[a]\tComment[b]\n", &error);
    for (int i = 0; i < 200000 && status == MUR_OK; i++)
        status = mur_buffer_append_format(
            &text, &error, "m1-a\tct%d\tthe same text in every row of the table\tvalue %d\n", i,
            i * 7);
    char *cell = malloc((size_t)3 * 1024 * 1024);
    assert_non_null(cell);
    memset(cell, 'x', (size_t)3 * 1024 * 1024);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&text, &error, "m1-a\tlast\t\"%.*s\"\t\n",
                                          3 * 1024 * 1024, cell);
    free(cell);
    assert_int_equal(status, MUR_OK);
    put(*state, "a_s1.txt", mur_buffer_text(&text));
    MUR_AUTO(mur_isa) *isa = read_archive(*state, NULL);
    const struct mur_isa_table *table = &isa->studies[0].assays[0].table;
    assert_int_equal(table->row_count, 200001);
    assert_int_equal(strlen(mur_isa_cell(table, 200000, 2)), 3 * 1024 * 1024);
}

static void append_times(struct mur_buffer *to, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mur_buffer_append_text(to, text, NULL), MUR_OK);
}

static void more_than_anybody_has_is_refused_and_not_kept_in_memory(void **state)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_isa *none = NULL;
    MUR_AUTO_BUFFER struct mur_buffer studies = MUR_BUFFER_INIT;
    append_times(&studies, "STUDY\n", 10001);
    put(*state, "i_investigation.txt", mur_buffer_text(&studies));
    assert_int_equal(mur_isa_read(&none, *state, NULL, &error), MUR_LIMIT);
    assert_null(none);

    MUR_AUTO_BUFFER struct mur_buffer wide = MUR_BUFFER_INIT;
    append_times(&wide, "STUDY\nStudy Identifier\tS1\nSTUDY ASSAYS\nStudy Assay File Name", 1);
    append_times(&wide, "\ta_s1.txt", 20000);
    put(*state, "i_investigation.txt", mur_buffer_text(&wide));
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_int_equal(find(&diagnostics, "too-large")->severity, MUR_ISA_ERROR);
    assert_int_equal(isa->studies[0].assay_count, 0);
    assert_string_equal(isa->studies[0].identifier, "S1");
}

/** Each row adds a source to the one sample: that must not take a search through all before. */
static void a_pool_of_very_many_sources_costs_linear_time(void **state)
{
    put_archive(*state);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    append_times(&text, "Source Name\tSample Name\n", 1);
    for (int i = 0; i < 200000; i++)
        assert_int_equal(mur_buffer_append_format(&text, NULL, "m%d\tpool\n", i % 150000), MUR_OK);
    put(*state, "s_s1.txt", mur_buffer_text(&text));
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(*state, &diagnostics);
    assert_int_equal(isa->studies[0].samples[0].source_count, 150000);
    assert_int_equal(count_of(&diagnostics, "repeated-sample"), MUR_ISA_DIAGNOSTICS_PER_CODE);
}

/* ---- published archives
 * -------------------------------------------------------------------------- */

static void same_text(const struct mur_json *expected, const char *text, const char *what)
{
    const char *known = mur_json_text(expected);
    if (known == NULL || strcmp(known, text) != 0)
        fail_msg("%s: '%s' instead of '%s'", what, text, known == NULL ? "(none)" : known);
}

struct members {
    const struct mur_isa_study *study;
    const struct mur_isa_node *node;
    const struct mur_isa_table *table;
    uint32_t row;
    enum mur_isa_kind kind;
    size_t count;
};

static void same_value(const struct mur_json *known, struct mur_isa_value value)
{
    const char *plain = mur_json_text(known);
    if (plain != NULL) { /* comments are plain strings */
        assert_string_equal(plain, value.value);
        return;
    }
    same_text(mur_json_get(known, "value"), value.value, value.name);
    static const struct {
        const char *key;
        size_t offset;
    } parts[] = {
        {"unit", offsetof(struct mur_isa_value, unit)},
        {"unit_source", offsetof(struct mur_isa_value, unit_source)},
        {"unit_accession", offsetof(struct mur_isa_value, unit_accession)},
        {"source", offsetof(struct mur_isa_value, term_source)},
        {"accession", offsetof(struct mur_isa_value, term_accession)},
    };
    for (size_t i = 0; i < MUR_COUNT(parts); i++) {
        const struct mur_json *part = mur_json_get(known, parts[i].key);
        const char *text = NULL;
        memcpy(&text, (const char *)&value + parts[i].offset, sizeof text);
        assert_string_equal(text, part == NULL ? "" : mur_json_text(part));
    }
}

static bool compare_node_member(void *user, const char *key, const struct mur_json *value)
{
    struct members *of = user;
    of->count++;
    for (uint32_t i = 0; i < of->node->attribute_count; i++) {
        struct mur_isa_value have = mur_isa_value_at(&of->study->table, of->node->attributes[i].row,
                                                     of->node->attributes[i].column);
        if (have.kind != of->kind || strcmp(have.name, key) != 0)
            continue;
        same_value(value, have);
        return true;
    }
    fail_msg("%s lacks %s", of->node->name, key);
    return false;
}

static size_t kind_count(const struct mur_isa_study *of, const struct mur_isa_node *node,
                         enum mur_isa_kind kind)
{
    size_t count = 0;
    for (uint32_t i = 0; i < node->attribute_count; i++)
        count += of->table.columns[node->attributes[i].column].kind == kind;
    return count;
}

static void same_node(const struct mur_isa_study *of, const struct mur_isa_node *node,
                      enum mur_isa_kind kind, const struct mur_json *known)
{
    struct members members = {.study = of, .node = node, .kind = kind};
    mur_json_each(known, compare_node_member, &members);
    assert_int_equal(members.count, kind_count(of, node, kind));
}

static bool compare_source(void *user, const char *key, const struct mur_json *value)
{
    const struct mur_isa_study *of = user;
    const struct mur_isa_node *source = mur_isa_find_source(of, key);
    assert_non_null(source);
    same_node(of, source, MUR_ISA_CHARACTERISTIC, value);
    return true;
}

static bool compare_sample(void *user, const char *key, const struct mur_json *value)
{
    const struct mur_isa_study *of = user;
    const struct mur_isa_node *sample = mur_isa_find_sample(of, key);
    assert_non_null(sample);
    const struct mur_json *sources = mur_json_get(value, "sources");
    assert_int_equal(mur_json_count(sources), sample->source_count);
    for (uint32_t i = 0; i < sample->source_count; i++)
        same_text(mur_json_at(sources, i), of->sources[sample->sources[i]].name, key);
    same_node(of, sample, MUR_ISA_CHARACTERISTIC, mur_json_get(value, "characteristics"));
    same_node(of, sample, MUR_ISA_FACTOR, mur_json_get(value, "factors"));
    same_node(of, sample, MUR_ISA_COMMENT, mur_json_get(value, "comments"));
    return true;
}

static bool compare_row_member(void *user, const char *key, const struct mur_json *value)
{
    struct members *of = user;
    for (uint32_t i = 0; i < of->table->column_count; i++) {
        struct mur_isa_value have = mur_isa_value_at(of->table, of->row, i);
        if (have.kind != of->kind || strcmp(have.name, key) != 0 || have.value[0] == '\0')
            continue;
        same_value(value, have);
        return true;
    }
    fail_msg("row %u lacks %s", of->row, key);
    return false;
}

static void same_row(const struct mur_isa_table *table, uint32_t row, const struct mur_json *known)
{
    struct members members = {.table = table, .row = row, .kind = MUR_ISA_PARAMETER};
    mur_json_each(mur_json_get(known, "parameters"), compare_row_member, &members);
    members.kind = MUR_ISA_FACTOR;
    mur_json_each(mur_json_get(known, "factors"), compare_row_member, &members);
    members.kind = MUR_ISA_COMMENT;
    mur_json_each(mur_json_get(known, "comments"), compare_row_member, &members);
    size_t samples = 0;
    size_t names = 0;
    size_t files = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct mur_isa_value have = mur_isa_value_at(table, row, i);
        if (have.value[0] == '\0')
            continue;
        if (strcmp(have.name, "Sample Name") == 0)
            same_text(mur_json_at(mur_json_get(known, "samples"), samples++), have.value, "sample");
        if (have.kind == MUR_ISA_NAME)
            same_text(mur_json_at(mur_json_get(known, "names"), names++), have.value, "name");
        if (have.kind == MUR_ISA_FILE) {
            const struct mur_json *file = mur_json_at(mur_json_get(known, "files"), files++);
            same_text(mur_json_at(file, 0), have.name, "file column");
            same_text(mur_json_at(file, 1), have.value, "file");
        }
    }
    assert_int_equal(samples, mur_json_count(mur_json_get(known, "samples")));
    assert_int_equal(names, mur_json_count(mur_json_get(known, "names")));
    assert_int_equal(files, mur_json_count(mur_json_get(known, "files")));
}

static void same_assay(const struct mur_isa_assay *of, const struct mur_json *known)
{
    same_text(mur_json_get(known, "file"), of->file, "assay file");
    same_text(mur_json_get(known, "measurement"), of->measurement.value, "measurement");
    same_text(mur_json_get(known, "technology"), of->technology.value, "technology");
    same_text(mur_json_get(known, "platform"), of->platform, "platform");
    const struct mur_json *rows = mur_json_get(known, "rows");
    assert_int_equal(mur_json_count(rows), of->table.row_count);
    for (uint32_t row = 0; row < of->table.row_count; row++)
        same_row(&of->table, row, mur_json_at(rows, row));
}

static bool compare_comment(void *user, const char *key, const struct mur_json *value)
{
    const struct mur_isa_study *of = user;
    for (size_t i = 0; i < of->comment_count; i++)
        if (strcmp(of->comments[i].name, key) == 0) {
            same_text(value, of->comments[i].value, key);
            return true;
        }
    assert_string_equal(mur_json_text(value), ""); /* empty ones are not kept */
    return true;
}

static void same_study(const struct mur_isa_study *of, const struct mur_json *known)
{
    same_text(mur_json_get(known, "identifier"), of->identifier, "identifier");
    same_text(mur_json_get(known, "title"), of->title, "title");
    same_text(mur_json_get(known, "file"), of->file, "study file");
    mur_json_each(mur_json_get(known, "comments"), compare_comment, (void *)of);
    const struct mur_json *list = mur_json_get(known, "design_descriptors");
    assert_int_equal(mur_json_count(list), of->design_descriptor_count);
    for (size_t i = 0; i < of->design_descriptor_count; i++)
        same_text(mur_json_at(list, i), of->design_descriptors[i].value, "descriptor");
    list = mur_json_get(known, "factors_declared");
    assert_int_equal(mur_json_count(list), of->factor_count);
    for (size_t i = 0; i < of->factor_count; i++)
        same_text(mur_json_at(list, i), of->factors[i].name, "factor");
    list = mur_json_get(known, "protocols");
    assert_int_equal(mur_json_count(list), of->protocol_count);
    for (size_t i = 0; i < of->protocol_count; i++) {
        const struct mur_json *protocol = mur_json_at(list, i);
        same_text(mur_json_get(protocol, "name"), of->protocols[i].name, "protocol");
        same_text(mur_json_get(protocol, "type"), of->protocols[i].type.value, "protocol type");
        const struct mur_json *parameters = mur_json_get(protocol, "parameters");
        assert_int_equal(mur_json_count(parameters), of->protocols[i].parameter_count);
        for (size_t p = 0; p < of->protocols[i].parameter_count; p++)
            same_text(mur_json_at(parameters, p), of->protocols[i].parameters[p].value,
                      "parameter");
    }
    list = mur_json_get(known, "contacts");
    assert_int_equal(mur_json_count(list), of->contact_count);
    for (size_t i = 0; i < of->contact_count; i++) {
        char *name = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        assert_int_equal(mur_text_format(&name, &error, "%s, %s", of->contacts[i].last_name,
                                         of->contacts[i].first_name),
                         MUR_OK);
        same_text(mur_json_at(list, i), name, "contact");
        free(name);
    }
    const struct mur_json *sources = mur_json_get(known, "sources");
    const struct mur_json *samples = mur_json_get(known, "samples");
    assert_int_equal(mur_json_count(sources), of->source_count);
    assert_int_equal(mur_json_count(samples), of->sample_count);
    mur_json_each(sources, compare_source, (void *)of);
    mur_json_each(samples, compare_sample, (void *)of);
    list = mur_json_get(known, "assays");
    assert_int_equal(mur_json_count(list), of->assay_count);
    for (size_t i = 0; i < of->assay_count; i++)
        same_assay(&of->assays[i], mur_json_at(list, i));
}

/** Each that the independent reader named is named here too, at its line. */
static void same_diagnostics(const struct mur_isa_diagnostics *diagnostics,
                             const struct mur_json *known)
{
    for (size_t i = 0; i < mur_json_count(known); i++) {
        const struct mur_json *one = mur_json_at(known, i);
        const char *code = mur_json_text(mur_json_get(one, "code"));
        const char *file = mur_json_text(mur_json_get(one, "file"));
        const char *detail = mur_json_text(mur_json_get(one, "detail"));
        int64_t line = 0;
        struct mur_error error = MUR_ERROR_INIT;
        assert_int_equal(mur_json_get_int(&line, mur_json_get(one, "line"), &error), MUR_OK);
        /* We say once of a column what is so in all its rows. */
        bool once = strcmp(code, "undeclared-parameter") == 0;
        bool found = false;
        for (size_t d = 0; d < diagnostics->count && !found; d++) {
            const struct mur_isa_diagnostic *have = &diagnostics->items[d];
            found = strcmp(have->code, code) == 0 && strcmp(have->file, file) == 0 &&
                    (once ? strstr(have->message, detail) != NULL : have->line == (size_t)line);
        }
        if (!found)
            fail_msg("no %s %s:%d %s", code, file, (int)line, detail);
    }
}

static char *testdata_folder(void)
{
    const char *given = getenv("MURPACS_TESTDATA");
    struct mur_error error = MUR_ERROR_INIT;
    char *folder = NULL;
    enum mur_status status =
        given != NULL && given[0] != '\0'
            ? mur_path_join(&folder, given, "isa", &error)
            : mur_path_join(&folder, MUR_SOURCE_DIR, "../shared/testdata/isa", &error);
    assert_int_equal(status, MUR_OK);
    return folder;
}

/** Compares one archive with its known.json. */
static enum mur_status check_known(void *user, const struct mur_walk_entry *entry, bool *skip,
                                   struct mur_error *error)
{
    (void)skip;
    if (entry->kind != MUR_WALK_FILE || entry->depth != 1 ||
        strcmp(mur_path_base(entry->path), "known.json") != 0)
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(mur_file_read_all(&text, entry->path, 1 << 24, error), MUR_OK);
    MUR_AUTO(mur_json) *known = NULL;
    assert_int_equal(mur_json_parse(&known, mur_slice_of(mur_buffer_text(&text)), 1 << 24, error),
                     MUR_OK);
    MUR_AUTO_FREE char *archive = NULL;
    assert_int_equal(mur_text_format(&archive, error, "%.*s/archive",
                                     (int)(mur_path_base(entry->path) - 1 - entry->path),
                                     entry->path),
                     MUR_OK);
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = read_archive(archive, &diagnostics);
    same_text(mur_json_get(known, "investigation_file"), isa->investigations[0].path, "path");
    const struct mur_json *list = mur_json_get(known, "ontology_sources");
    assert_int_equal(mur_json_count(list), isa->investigations[0].ontology_source_count);
    for (size_t o = 0; o < isa->investigations[0].ontology_source_count; o++)
        same_text(mur_json_at(list, o), isa->investigations[0].ontology_sources[o].name,
                  "ontology");
    list = mur_json_get(known, "studies");
    assert_int_equal(mur_json_count(list), isa->study_count);
    for (size_t s = 0; s < isa->study_count; s++)
        same_study(&isa->studies[s], mur_json_at(list, s));
    same_diagnostics(&diagnostics, mur_json_get(known, "diagnostics"));
    (*(size_t *)user)++;
    return MUR_OK;
}

static void published_archives_parse_to_what_is_known_of_them(void **state)
{
    (void)state;
    MUR_AUTO_FREE char *folder = testdata_folder();
    if (!mur_directory_exists(folder)) {
        free(MUR_STEAL(folder)); /* skip() jumps over the cleanup */
        skip();
    }
    struct mur_error error = MUR_ERROR_INIT;
    size_t archives = 0;
    assert_int_equal(mur_directory_walk(folder, check_known, &archives, &error), MUR_OK);
    assert_true(archives > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
        IN_FOLDER(a_clean_archive_is_read_whole_and_without_a_word),
        IN_FOLDER(terms_after_a_unit_belong_to_the_unit),
        IN_FOLDER(a_pooled_sample_has_several_sources),
        IN_FOLDER(each_study_may_have_its_own_subfolder),
        IN_FOLDER(a_folder_without_investigation_is_refused_with_the_remedy),
        IN_FOLDER(every_defect_is_reported_and_stops_nothing),
        IN_FOLDER(the_first_of_contradicting_values_is_kept),
        IN_FOLDER(a_flood_of_one_kind_does_not_hide_the_others),
        IN_FOLDER(links_out_of_the_folder_are_not_followed),
        IN_FOLDER(large_tables_are_read_in_seconds),
        IN_FOLDER(more_than_anybody_has_is_refused_and_not_kept_in_memory),
        IN_FOLDER(a_pool_of_very_many_sources_costs_linear_time),
        cmocka_unit_test(published_archives_parse_to_what_is_known_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
