/* Reports of imports: what is read is what was written, whatever stands between. */
#include "archive_support.h"

#include <fcntl.h>

#include "archive/reports.h"

static void append(const struct archive_fixture *f, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/imports.jsonl", f->folder);
    MUR_AUTO_CLOSE int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    assert_true(file >= 0);
    assert_int_equal(mur_write_full(file, text, strlen(text), path, NULL), MUR_OK);
}

static void the_last_imports_come_first_and_a_torn_line_is_passed_over(void **state)
{
    struct archive_fixture *f = *state;
    struct mur_import_report reports[MUR_REPORTS];
    size_t count = 7;
    assert_int_equal(mur_archive_imports(reports, &count, f->archive, NULL), MUR_OK);
    assert_int_equal(count, 0);
    for (int i = 1; i <= MUR_REPORTS + 2; i++) {
        struct mur_import_report one = {.imported = i, .failed = 1, .cancelled = i == 12};
        (void)snprintf(one.source, sizeof one.source, "dataset %d", i);
        (void)snprintf(one.reasons[0], sizeof one.reasons[0], "scan \"%d\": gone", i);
        assert_int_equal(mur_archive_note_import(f->archive, &one, NULL), MUR_OK);
        if (i == 11)
            append(f, "{\"source\": \"torn\n");
    }
    assert_int_equal(mur_archive_imports(reports, &count, f->archive, NULL), MUR_OK);
    assert_int_equal(count, MUR_REPORTS);
    assert_string_equal(reports[0].source, "dataset 12");
    assert_true(reports[0].cancelled);
    assert_string_equal(reports[0].reasons[0], "scan \"12\": gone");
    assert_string_equal(reports[1].source, "dataset 11");
    assert_int_equal(reports[9].imported, 3);
}

static void a_file_of_years_is_read_from_its_end(void **state)
{
    struct archive_fixture *f = *state;
    struct mur_import_report reports[MUR_REPORTS];
    size_t count = 0;
    char line[2000];
    memset(line, ' ', sizeof line);
    memcpy(line, "{}", 2);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    for (int i = 0; i < 200; i++)
        append(f, line);
    const struct mur_import_report last = {.source = "the last"};
    assert_int_equal(mur_archive_note_import(f->archive, &last, NULL), MUR_OK);
    assert_int_equal(mur_archive_imports(reports, &count, f->archive, NULL), MUR_OK);
    assert_int_equal(count, MUR_REPORTS);
    assert_string_equal(reports[0].source, "the last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_imports_come_first_and_a_torn_line_is_passed_over,
                                        archive_set_up, archive_tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_years_is_read_from_its_end, archive_set_up,
                                        archive_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
