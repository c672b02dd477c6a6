#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

#include "core/clock.h"
#include "core/own.h"
#include "core/progress_line.h"
#include "core/stderr_write.h"
#include "core/text.h"

static const char *const level_names[] = {"error", "warning", "info", "debug", "trace"};
static const char *const level_labels[] = {"ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"};
static const char *const category_names[] = {"main",    "config", "scp", "scu",
                                             "archive", "db",     "web", "import"};
/* sd-daemon(3): syslog's priorities; the journal has none below debug. */
static const char journal_priorities[] = {'3', '4', '6', '7', '7'};

enum journal_state { JOURNAL_UNKNOWN, JOURNAL_NO, JOURNAL_YES };

static atomic_int current_level = MUR_LOG_LEVEL_INFO;
static atomic_int current_format = MUR_LOG_FORMAT_TEXT;
static atomic_int journal = JOURNAL_UNKNOWN;
static atomic_ulong lost; /* lines that nobody took */
static _Thread_local char current_association[MUR_LOG_ASSOCIATION_SIZE];

/* Who is told, under a flag that is held for as long as it takes to tell: rare, and short. */
static atomic_flag watch_busy = ATOMIC_FLAG_INIT;
static mur_log_watcher *watcher_function;
static void *watcher_user;

/* A line in the making: what does not fit is dropped, but room for the end is always kept. */
struct line {
    char text[MUR_LOG_LINE_SIZE];
    size_t used;
    bool cut;
};
enum { END_SIZE = 8 }; /* ...", }, newline and NUL */

static void put(struct line *line, const char *bytes, size_t length)
{
    if (line->cut || length > sizeof line->text - END_SIZE - line->used) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->used, bytes, length);
    line->used += length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_end(struct line *line, const char *text)
{
    size_t length = strlen(text);
    memcpy(line->text + line->used, text, length);
    line->used += length;
}

/* Control characters, and those that turn the direction of what follows. */
static bool is_dangerous(utf8proc_int32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void put_escaped(struct line *line, const char *text, bool json)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    size_t left = strlen(text);
    while (left > 0) {
        utf8proc_int32_t code;
        utf8proc_ssize_t used = utf8proc_iterate(at, (utf8proc_ssize_t)left, &code);
        char escape[16];
        if (used <= 0) {
            (void)snprintf(escape, sizeof escape, json ? "\\u%04x" : "\\x%02x",
                           json ? 0xFFFD : *at);
            put_text(line, escape);
            used = 1;
        } else if (json && (code == '"' || code == '\\')) {
            (void)snprintf(escape, sizeof escape, "\\%c", (int)code);
            put_text(line, escape);
        } else if (code == '\n' || code == '\t' || code == '\r') {
            put_text(line, code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r");
        } else if (is_dangerous(code)) {
            (void)snprintf(escape, sizeof escape, json || code > 0xFF ? "\\u%04x" : "\\x%02x",
                           (unsigned)code);
            put_text(line, escape);
        } else {
            put(line, (const char *)at, (size_t)used);
        }
        at += used;
        left -= (size_t)used;
    }
}

static void build_line(struct line *line, enum mur_log_level level, enum mur_log_category category,
                       enum mur_log_format format, bool to_journal, int64_t time_us,
                       const char *association, const char *message)
{
    line->used = 0;
    line->cut = false;
    char time[MUR_ISO_SIZE];
    mur_clock_format_us(time, time_us);
    memcpy(time + 23, "Z", 2); /* milliseconds are enough */
    bool has_association = association != NULL && association[0] != '\0';
    if (to_journal) {
        char priority[] = {'<', journal_priorities[level], '>', '\0'};
        put_text(line, priority);
    }
    if (format == MUR_LOG_FORMAT_JSON) {
        put_text(line, "{\"time\":\"");
        put_text(line, time);
        put_text(line, "\",\"level\":\"");
        put_text(line, level_names[level]);
        put_text(line, "\",\"category\":\"");
        put_text(line, category_names[category]);
        if (has_association) {
            put_text(line, "\",\"association\":\"");
            put_escaped(line, association, true);
        }
        put_text(line, "\",\"message\":\"");
        put_escaped(line, message, true);
        if (line->cut)
            put_end(line, "...");
        put_end(line, "\"}\n");
        return;
    }
    if (!to_journal) {
        put_text(line, time);
        put_text(line, " ");
        put_text(line, level_labels[level]);
        put_text(line, " ");
    }
    put_text(line, category_names[category]);
    if (has_association) {
        put_text(line, " ");
        put_escaped(line, association, false);
    }
    put_text(line, ": ");
    put_escaped(line, message, false);
    if (line->cut)
        put_end(line, "...");
    put_end(line, "\n");
}

enum mur_status mur_log_line(struct mur_buffer *out, enum mur_log_level level,
                             enum mur_log_category category, enum mur_log_format format,
                             bool to_journal, long long time_us, const char *association,
                             const char *message, struct mur_error *error)
{
    struct line line;
    build_line(&line, level, category, format, to_journal, time_us, association, message);
    return mur_buffer_append(out, line.text, line.used, error);
}

void mur_log_configure(enum mur_log_level level, enum mur_log_format format)
{
    atomic_store(&current_level, (int)level);
    atomic_store(&current_format, (int)format);
}

bool mur_log_enabled(enum mur_log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void mur_log_set_association(const char *association)
{
    struct mur_slice text = mur_slice_of(association != NULL ? association : "");
    size_t length = mur_utf8_cut(text, sizeof current_association - 1);
    memcpy(current_association, text.data, length);
    current_association[length] = '\0';
}

/* systemd.exec(5): JOURNAL_STREAM is "DEVICE:INODE" of the stream that leads to the journal. A
 * program started by the service with another stderr inherits the variable too. */
static bool stderr_is_journal(void)
{
    int known = atomic_load(&journal);
    if (known != JOURNAL_UNKNOWN)
        return known == JOURNAL_YES;
    bool yes = false;
    const char *announced = getenv("JOURNAL_STREAM");
    struct stat details;
    if (announced != NULL && fstat(STDERR_FILENO, &details) == 0) {
        char own[64];
        (void)snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)details.st_dev,
                       (uintmax_t)details.st_ino);
        yes = strcmp(own, announced) == 0;
    }
    atomic_store(&journal, yes ? JOURNAL_YES : JOURNAL_NO);
    return yes;
}

static void lock_watch(void)
{
    while (atomic_flag_test_and_set_explicit(&watch_busy, memory_order_acquire))
        (void)sched_yield();
}

static void unlock_watch(void)
{
    atomic_flag_clear_explicit(&watch_busy, memory_order_release);
}

void mur_log_watch(mur_log_watcher *watcher, void *user)
{
    lock_watch();
    watcher_function = watcher;
    watcher_user = user;
    unlock_watch();
}

void mur_log_unwatch(const void *user)
{
    lock_watch();
    if (watcher_user == user) {
        watcher_function = NULL;
        watcher_user = NULL;
    }
    unlock_watch();
}

static void tell_watcher(enum mur_log_level level, const char *message)
{
    if (level > MUR_LOG_LEVEL_WARNING)
        return;
    lock_watch();
    if (watcher_function != NULL)
        watcher_function(watcher_user, level, message);
    unlock_watch();
}

/* Counts what is not taken: @p lines of them. */
static void write_line(enum mur_log_level level, enum mur_log_category category,
                       const char *association, const char *message, unsigned long lines)
{
    struct line line;
    build_line(&line, level, category,
               (enum mur_log_format)atomic_load_explicit(&current_format, memory_order_relaxed),
               stderr_is_journal(), mur_clock_now_us(), association, message);
    if (!mur_stderr_write(line.text, line.used))
        (void)atomic_fetch_add(&lost, lines);
}

static void tell_what_was_lost(void)
{
    unsigned long count = atomic_exchange(&lost, 0);
    if (count == 0)
        return;
    char message[64];
    (void)snprintf(message, sizeof message, "log lines that nobody read were lost: %lu", count);
    write_line(MUR_LOG_LEVEL_WARNING, MUR_LOG_MAIN, NULL, message, count);
}

void mur_log(enum mur_log_level level, enum mur_log_category category, const char *format, ...)
{
    if (!mur_log_enabled(level))
        return;
    int saved_errno = errno;
    char message[MUR_LOG_LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        message[0] = '\0';
    va_end(arguments);
    mur_progress_line_hide();
    tell_what_was_lost();
    write_line(level, category, current_association, message, 1);
    tell_watcher(level, message);
    errno = saved_errno;
}
