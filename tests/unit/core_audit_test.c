/* Audit lines: what they say, and that what a peer says cannot forge one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/audit.h"
#include "core/file.h"

static char path[] = "/tmp/murpacs-audit-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int made = mkstemp(path);
    if (made < 0)
        return -1;
    (void)close(made);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    mur_audit_close();
    return unlink(path);
}

static void read_file(struct mur_buffer *out)
{
    assert_int_equal(mur_file_read_all(out, path, 1 << 20, NULL), MUR_OK);
}

static void nothing_is_written_while_it_is_off(void **state)
{
    (void)state;
    const struct mur_audit_entry entry = {.event = MUR_AUDIT_QUERY};
    assert_false(mur_audit_enabled());
    assert_int_equal(mur_audit_open("", NULL), MUR_OK);
    assert_false(mur_audit_enabled());
    assert_int_equal(mur_audit_write(&entry, NULL), MUR_OK);
}

static void text_of_a_peer_stays_within_its_line(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const char *const studies[] = {"1.2.3", "1.2.4"};
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_TRANSFERRED,
        .outcome = MUR_AUDIT_MINOR_FAILURE,
        .association = "A1",
        .source = {.ae_title = "A\"},\n{\"B", .address = "192.0.2.1"},
        .instances = 7,
        .studies = studies,
        .study_count = 2,
        .detail = "line\nbreak",
    };
    assert_int_equal(mur_audit_open(path, NULL), MUR_OK);
    assert_int_equal(mur_audit_write(&entry, NULL), MUR_OK);
    read_file(&text);
    const char *line = mur_buffer_text(&text);
    assert_ptr_equal(strchr(line, '\n'), line + text.length - 1);
    assert_non_null(strstr(line, "\"event\":\"DICOM Instances Transferred\",\"code\":\"110104\","
                                 "\"outcome\":4,\"association\":\"A1\",\"source\":{\"aeTitle\":"
                                 "\"A\\\"},\\n{\\\"B\",\"address\":\"192.0.2.1\"},\"instances\":7,"
                                 "\"studies\":[\"1.2.3\",\"1.2.4\"],\"detail\":\"line\\nbreak\"}"));
}

static void a_file_moved_away_is_left_alone_after_reopening(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const struct mur_audit_entry entry = {.event = MUR_AUDIT_STOPPED};
    assert_int_equal(mur_audit_open(path, NULL), MUR_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mur_audit_write(&entry, NULL), MUR_OK);
    assert_int_equal(mur_audit_reopen(NULL), MUR_OK);
    assert_int_equal(mur_audit_write(&entry, NULL), MUR_OK);
    read_file(&text);
    const char *line = mur_buffer_text(&text);
    assert_non_null(strstr(line, "\"type\":\"Application Stop\",\"typeCode\":\"110121\""));
    assert_ptr_equal(strchr(line, '\n'), line + text.length - 1);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_not_equal(mur_audit_open(path, NULL), MUR_OK);
    assert_false(mur_audit_enabled());
}

static void a_fifo_that_nobody_reads_keeps_nobody_waiting(void **state)
{
    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_not_equal(mur_audit_open(path, NULL), MUR_OK);
    assert_false(mur_audit_enabled());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_while_it_is_off),
        cmocka_unit_test(text_of_a_peer_stays_within_its_line),
        cmocka_unit_test(a_file_moved_away_is_left_alone_after_reopening),
        cmocka_unit_test(a_link_in_its_place_is_not_followed),
        cmocka_unit_test(a_fifo_that_nobody_reads_keeps_nobody_waiting),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
