/* Log lines: form, escaping, cutting; and that threads do not mix them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h> /* ci-allow: the log is used by many threads */

#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/own.h"
#include "core/progress.h"

static const long long noon_us = 1714979289123456; /* 2024-05-06T07:08:09.123456Z */

static void assert_line(const char *expected, enum mur_log_format format, bool journal,
                        const char *association, const char *message)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    assert_int_equal(mur_log_line(&line, MUR_LOG_LEVEL_WARNING, MUR_LOG_SCP, format, journal,
                                  noon_us, association, message, NULL),
                     MUR_OK);
    assert_string_equal(mur_buffer_text(&line), expected);
}

static void a_line_has_time_level_category_and_association(void **state)
{
    (void)state;
    assert_line("2024-05-06T07:08:09.123Z WARN  scp A17: hello\n", MUR_LOG_FORMAT_TEXT, false,
                "A17", "hello");
    assert_line("2024-05-06T07:08:09.123Z WARN  scp: hello\n", MUR_LOG_FORMAT_TEXT, false, NULL,
                "hello");
    assert_line("<4>scp A17: hello\n", MUR_LOG_FORMAT_TEXT, true, "A17", "hello");
    assert_line("{\"time\":\"2024-05-06T07:08:09.123Z\",\"level\":\"warning\",\"category\":\"scp\","
                "\"association\":\"A17\",\"message\":\"hello\"}\n",
                MUR_LOG_FORMAT_JSON, false, "A17", "hello");
}

static void text_from_a_peer_cannot_forge_a_line(void **state)
{
    (void)state;
    const char hostile[] = "AE\n2024 ERROR x\x1b[2J\xFF \"q\\\" \xC3\xBC\xC2\x85\xE2\x80\xAE";
    assert_line("<4>scp: AE\\n2024 ERROR x\\x1b[2J\\xff \"q\\\" \xC3\xBC\\x85\\u202e\n",
                MUR_LOG_FORMAT_TEXT, true, NULL, hostile);
    assert_line("<4>scp A\\n1: x\n", MUR_LOG_FORMAT_TEXT, true, "A\n1", "x");
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    assert_int_equal(mur_log_line(&line, MUR_LOG_LEVEL_INFO, MUR_LOG_SCP, MUR_LOG_FORMAT_JSON,
                                  false, noon_us, "A", hostile, NULL),
                     MUR_OK);
    MUR_AUTO(mur_json) *json = NULL;
    assert_int_equal(mur_json_parse(&json, mur_slice_of(mur_buffer_text(&line)), line.length, NULL),
                     MUR_OK);
    assert_string_equal(mur_json_text(mur_json_get(json, "message")),
                        "AE\n2024 ERROR x\x1b[2J\xEF\xBF\xBD \"q\\\" \xC3\xBC\xC2\x85\xE2\x80\xAE");
}

static void an_endless_message_is_cut_in_both_formats(void **state)
{
    (void)state;
    char message[2 * MUR_LOG_LINE_SIZE];
    memset(message, '\n', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (int format = MUR_LOG_FORMAT_TEXT; format <= MUR_LOG_FORMAT_JSON; format++) {
        MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
        assert_int_equal(mur_log_line(&line, MUR_LOG_LEVEL_INFO, MUR_LOG_SCP,
                                      (enum mur_log_format)format, false, noon_us, NULL, message,
                                      NULL),
                         MUR_OK);
        assert_in_range(line.length, MUR_LOG_LINE_SIZE - 20, MUR_LOG_LINE_SIZE);
        const char *end = format == MUR_LOG_FORMAT_JSON ? "...\"}\n" : "...\n";
        assert_string_equal(line.data + line.length - strlen(end), end);
    }
}

enum { THREADS = 4, LINES = 50 };

static void *write_lines(void *argument)
{
    const int *number = argument;
    char association[16];
    (void)snprintf(association, sizeof association, "A%d", *number);
    mur_log_set_association(association);
    for (int i = 0; i < LINES; i++) {
        mur_log_info(MUR_LOG_SCP, "line %d of %d", i, *number);
        mur_log_debug(MUR_LOG_SCP, "not at this level");
    }
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    char path[] = "log_test.XXXXXX";
    int file = mkstemp(path);
    int saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0);
    assert_int_equal(fcntl(file, F_SETFL, O_APPEND), 0);
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    mur_log_configure(MUR_LOG_LEVEL_INFO, MUR_LOG_FORMAT_TEXT);
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int failures = 0;
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        failures += pthread_create(&threads[i], NULL, write_lines, &numbers[i]) != 0;
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(file);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&text, path, 1 << 20, NULL);
    (void)unlink(path);
    assert_int_equal(failures, 0);
    assert_int_equal(status, MUR_OK);
    int lines = 0;
    for (const char *at = mur_buffer_text(&text); *at != '\0'; at = strchr(at, '\n') + 1) {
        int association;
        int line;
        int number;
        assert_int_equal(
            sscanf(at, "%*s INFO scp A%d: line %d of %d\n", &association, &line, &number), 3);
        assert_int_equal(association, number);
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void who_stops_reading_keeps_nobody_waiting_and_is_told_later(void **state)
{
    enum { FAR_TOO_MANY = 4000 };
    (void)state;
    int ends[2];
    char text[1 << 17];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    mur_log_configure(MUR_LOG_LEVEL_INFO, MUR_LOG_FORMAT_TEXT);
    for (int i = 0; i < FAR_TOO_MANY; i++)
        mur_log_info(MUR_LOG_SCP, "line %d", i);
    size_t length = 0;
    int failures = fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
    size_t kept = count_lines(text);
    mur_log_info(MUR_LOG_SCP, "again");
    ssize_t rest = read(ends[0], text, sizeof text - 1);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(failures, 0);
    assert_true(length > 0 && rest > 0);
    assert_in_range(kept, 100, FAR_TOO_MANY - 1);
    text[rest] = '\0';
    char expected[80];
    (void)snprintf(expected, sizeof expected, "log lines that nobody read were lost: %zu\n",
                   FAR_TOO_MANY - kept);
    assert_non_null(strstr(text, expected));
    assert_int_equal(count_lines(text), 2);
    assert_non_null(strstr(text, "again\n"));
}

static void progress_tells_rate_and_remaining_time(void **state)
{
    (void)state;
    char line[256];
    mur_progress_format(line, sizeof line, "import", 12, 222, "m01\x1b", 4000, 200);
    assert_string_equal(line, "import  12/222  5 %  3.0/s  1 min 10 s left  m01?");
    mur_progress_format(line, sizeof line, "import", 12, 222, "m01", 4000, 9);
    assert_string_equal(line, "import  1");
    mur_progress_format(line, sizeof line, "import", 0, 0, NULL, 4000, 80);
    assert_string_equal(line, "import  0");
    mur_progress_format(line, sizeof line, "import", 1, 20000, NULL, 1000, 80);
    assert_string_equal(line, "import  1/20000  0 %  1.0/s  5 h 33 min left");
    struct mur_progress nobody = {0};
    mur_progress_update(&nobody, 1, 2, "x");
    mur_progress_update(NULL, 1, 2, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_category_and_association),
        cmocka_unit_test(text_from_a_peer_cannot_forge_a_line),
        cmocka_unit_test(an_endless_message_is_cut_in_both_formats),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(who_stops_reading_keeps_nobody_waiting_and_is_told_later),
        cmocka_unit_test(progress_tells_rate_and_remaining_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
