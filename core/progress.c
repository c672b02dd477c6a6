#include "core/progress.h"

#include <inttypes.h>
#include <pthread.h> /* ci-allow: the line is updated by all threads of an import */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/progress_line.h"
#include "core/text.h"

enum { REDRAW_MS = 100, LINE_SIZE = 512 };

struct mur_progress_line {
    pthread_mutex_t mutex;
    const char *label;
    bool terminal;
    int64_t begun_ms;
    int64_t drawn_ms;
};

static atomic_bool shown;

void mur_progress_update(const struct mur_progress *progress, uint64_t done, uint64_t total,
                         const char *what)
{
    if (progress != NULL && progress->update != NULL)
        progress->update(progress->user, done, total, what);
}

/* Without stdio's lock and buffer: other threads may be logging. */
static void draw(const char *text, size_t length)
{
    ssize_t ignored = write(STDERR_FILENO, text, length);
    (void)ignored;
}

void mur_progress_line_hide(void)
{
    if (atomic_exchange(&shown, false))
        draw("\r\033[K", 4);
}

static void format_duration(char *out, size_t size, int64_t seconds)
{
    if (seconds < 60)
        (void)snprintf(out, size, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        (void)snprintf(out, size, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
    else
        (void)snprintf(out, size, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                       seconds / 60 % 60);
}

static void append(char *out, size_t size, const char *format, ...) MUR_PRINTF(3, 4);
static void append(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(out + used, size - used, format, arguments) < 0)
        out[used] = '\0';
    va_end(arguments);
}

void mur_progress_format(char *out, size_t size, const char *label, uint64_t done, uint64_t total,
                         const char *what, int64_t elapsed_ms, size_t columns)
{
    out[0] = '\0';
    append(out, size, "%s  %" PRIu64, label, done);
    if (total > 0) {
        double part = done < total ? (double)done / (double)total : 1.0;
        append(out, size, "/%" PRIu64 "  %d %%", total, (int)(100.0 * part));
    }
    if (done > 0 && elapsed_ms > 0) {
        double rate = 1000.0 * (double)done / (double)elapsed_ms;
        append(out, size, rate < 10 ? "  %.1f/s" : "  %.0f/s", rate);
        if (total > done) {
            char left[48];
            format_duration(left, sizeof left, (int64_t)((double)(total - done) / rate + 0.5));
            append(out, size, "  %s left", left);
        }
    }
    if (what != NULL && what[0] != '\0')
        append(out, size, "  %s", what);
    /* Names come from outside: nothing in them may move the cursor. */
    for (char *at = out; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    size_t length = 0;
    struct mur_slice text = mur_slice_of(out);
    for (size_t count = 0; count < columns && length < text.length; count++) {
        length++;
        while (length < text.length && ((unsigned char)out[length] & 0xC0) == 0x80)
            length++;
    }
    out[length] = '\0';
}

static void update_line(void *user, uint64_t done, uint64_t total, const char *what)
{
    struct mur_progress_line *line = user;
    if (!line->terminal)
        return;
    int64_t now = mur_clock_monotonic_ms();
    (void)pthread_mutex_lock(&line->mutex);
    if (now - line->drawn_ms >= REDRAW_MS || (total > 0 && done == total)) {
        line->drawn_ms = now;
        struct winsize window = {0};
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 2)
            window.ws_col = 80;
        char text[LINE_SIZE];
        mur_progress_format(text, sizeof text, line->label, done, total, what, now - line->begun_ms,
                            window.ws_col - 1U);
        char drawing[LINE_SIZE + 8];
        int length = snprintf(drawing, sizeof drawing, "\r%s\033[K", text);
        atomic_store(&shown, true);
        draw(drawing, (size_t)length);
    }
    (void)pthread_mutex_unlock(&line->mutex);
}

enum mur_status mur_progress_line_create(struct mur_progress_line **out, const char *label,
                                         struct mur_error *error)
{
    struct mur_progress_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return mur_error_no_memory(error);
    (void)pthread_mutex_init(&line->mutex, NULL);
    line->label = label;
    line->terminal = isatty(STDERR_FILENO) == 1;
    line->begun_ms = mur_clock_monotonic_ms();
    line->drawn_ms = line->begun_ms - REDRAW_MS;
    *out = line;
    return MUR_OK;
}

void mur_progress_line_free(struct mur_progress_line *line)
{
    if (line == NULL)
        return;
    mur_progress_line_hide();
    (void)pthread_mutex_destroy(&line->mutex);
    free(line);
}

struct mur_progress mur_progress_line_reporter(struct mur_progress_line *line)
{
    return (struct mur_progress){.update = update_line, .user = line};
}
