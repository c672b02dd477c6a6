/**
 * A question to the archive, the same for C-FIND (PS3.4 C.4.1) and QIDO-RS (PS3.18 8.3.4), and its
 * answer as rows. Text is UTF-8 throughout; the service that asks converts to and from character
 * sets. The question itself is db/query.h.
 */
#ifndef MUR_ARCHIVE_QUERY_H
#define MUR_ARCHIVE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "db/query.h"

struct mur_archive;
struct mur_cursor;

/**
 * Starts a query. Rows come in a stable order (by level: name, date, number). Rows are fetched in
 * pages: between two calls no database snapshot stays open, so a slow receiver does no harm.
 * @param[in] query  borrowed until mur_cursor_free()
 * @retval MUR_INVALID  a key cannot be understood (bad range, level): the message says which
 * Threads: one at a time per cursor; different cursors in different threads.
 */
MUR_NODISCARD
enum mur_status mur_archive_find(struct mur_cursor **out, struct mur_archive *archive,
                                 const struct mur_query *query, struct mur_error *error);

/**
 * Next row. @param[out] values  query->key_count values, borrowed until the next call
 * @param[out] found  false: no more rows
 */
MUR_NODISCARD
enum mur_status mur_cursor_next(const struct mur_value **values, bool *found,
                                struct mur_cursor *cursor, struct mur_error *error);
/** How many rows matched, those that were handed out included; with a limit at most query->limit
 * and query->counted together. Rows may be gone when their turn comes. */
size_t mur_cursor_count(const struct mur_cursor *cursor);
void mur_cursor_free(struct mur_cursor *cursor);
MUR_DEFINE_AUTO(mur_cursor, mur_cursor_free)

#endif
