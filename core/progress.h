/**
 * How far long work is. Who works reports through struct mur_progress and knows nothing of
 * terminals; cli/ shows it as one line on a terminal, and not at all elsewhere.
 */
#ifndef MUR_CORE_PROGRESS_H
#define MUR_CORE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"

/** May be called from any thread. A zeroed struct reports to nobody. */
struct mur_progress {
    /** @param total 0 while unknown; @param what  what is being done, or NULL */
    void (*update)(void *user, uint64_t done, uint64_t total, const char *what);
    void *user;
};

/** Calls update unless there is none. */
void mur_progress_update(const struct mur_progress *progress, uint64_t done, uint64_t total,
                         const char *what);

/** One line on stderr: "import  12/222  5 %  3.1/s  1 min 8 s left  scan name". */
struct mur_progress_line;
/** @param label  borrowed until freed. When stderr is no terminal, nothing will be shown. */
MUR_NODISCARD
enum mur_status mur_progress_line_create(struct mur_progress_line **out, const char *label,
                                         struct mur_error *error);
/** Wipes the line from the terminal. */
void mur_progress_line_free(struct mur_progress_line *line);
MUR_DEFINE_AUTO(mur_progress_line, mur_progress_line_free)
struct mur_progress mur_progress_line_reporter(struct mur_progress_line *line);

/** The line's text, cut to @p columns: for tests. */
void mur_progress_format(char *out, size_t size, const char *label, uint64_t done, uint64_t total,
                         const char *what, int64_t elapsed_ms, size_t columns);

#endif
