/**
 * Lines for the administrator on stderr. Only scp/, web/, workflow/ and cli/ log; the rooms below
 * return errors.
 *
 * One line, one write(): lines of several threads never mix. Text format:
 *   2024-05-06T07:08:09.123Z INFO  scp A17: association accepted
 * with a priority prefix ("<6>") instead of the time when stderr is the journal (JOURNAL_STREAM).
 * JSON format: {"time":...,"level":...,"category":...,"association":...,"message":...}.
 * Control characters and bytes that are not UTF-8 are written as \n, \t, \xNN, so that text from a
 * peer cannot forge a line. No patient's name at info level or above.
 * Where stderr is a pipe or socket that nobody reads any more, lines are lost, after a wait of two
 * seconds once, and counted; a line says how many when there is room again.
 * Threads: any, all functions.
 */
#ifndef MUR_CORE_LOG_H
#define MUR_CORE_LOG_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/error.h"

/* Names in the order of the values: also what log.level accepts. */
enum mur_log_level {
    MUR_LOG_LEVEL_ERROR,
    MUR_LOG_LEVEL_WARNING,
    MUR_LOG_LEVEL_INFO,
    MUR_LOG_LEVEL_DEBUG,
    MUR_LOG_LEVEL_TRACE,
};

enum mur_log_category {
    MUR_LOG_MAIN,
    MUR_LOG_CONFIG,
    MUR_LOG_SCP,
    MUR_LOG_SCU,
    MUR_LOG_ARCHIVE,
    MUR_LOG_DB,
    MUR_LOG_WEB,
    MUR_LOG_IMPORT,
};

enum mur_log_format {
    MUR_LOG_FORMAT_TEXT,
    MUR_LOG_FORMAT_JSON,
};

enum { MUR_LOG_ASSOCIATION_SIZE = 32, MUR_LOG_LINE_SIZE = 4096 };

/** Lines above @p level are dropped. Before the first call: info, text. */
void mur_log_configure(enum mur_log_level level, enum mur_log_format format);

/** Whether a line of this level would be written: to spare costly arguments. */
bool mur_log_enabled(enum mur_log_level level);

/** Puts @p association ("A17", cut to its size; NULL or "" for none) on each further line of this
 * thread. */
void mur_log_set_association(const char *association);

/** Writes one line; longer ones than MUR_LOG_LINE_SIZE are cut and end with "...". errno is kept.
 */
void mur_log(enum mur_log_level level, enum mur_log_category category, const char *format, ...)
    MUR_PRINTF(3, 4);

/** Is told of warnings and errors that are written, from the threads that write them; must not log.
 */
typedef void mur_log_watcher(void *user, enum mur_log_level level, const char *message);
/** One at a time: the last one counts. */
void mur_log_watch(mur_log_watcher *watcher, void *user);
/** When the watcher is this user's it ends; returns when nobody is in it any more. */
void mur_log_unwatch(const void *user);

#define mur_log_error(category, ...) mur_log(MUR_LOG_LEVEL_ERROR, category, __VA_ARGS__)
#define mur_log_warning(category, ...) mur_log(MUR_LOG_LEVEL_WARNING, category, __VA_ARGS__)
#define mur_log_info(category, ...) mur_log(MUR_LOG_LEVEL_INFO, category, __VA_ARGS__)
#define mur_log_debug(category, ...) mur_log(MUR_LOG_LEVEL_DEBUG, category, __VA_ARGS__)
#define mur_log_trace(category, ...) mur_log(MUR_LOG_LEVEL_TRACE, category, __VA_ARGS__)

/** The line as it would be written, with its newline: what mur_log() is made of, for tests.
 * @param time_us microseconds since 1970 UTC
 * @param journal with a priority prefix and without the time */
MUR_NODISCARD
enum mur_status mur_log_line(struct mur_buffer *out, enum mur_log_level level,
                             enum mur_log_category category, enum mur_log_format format,
                             bool journal, long long time_us, const char *association,
                             const char *message, struct mur_error *error);

#endif
