/**
 * A question to the archive, the same for C-FIND (PS3.4 C.4.1) and QIDO-RS (PS3.18 8.3.4), and its
 * answer as rows. Text is UTF-8 throughout; the service that asks converts to and from character
 * sets.
 */
#ifndef MUR_ARCHIVE_QUERY_H
#define MUR_ARCHIVE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/attribute.h"

struct mur_archive;

enum mur_query_root {
    MUR_ROOT_PATIENT, /**< PS3.4 C.6.1 */
    MUR_ROOT_STUDY,   /**< PS3.4 C.6.2: Patient attributes belong to the Study level */
};

/** One attribute of an identifier. With text "" it is a universal key: returned, not matched. */
struct mur_query_key {
    struct mur_attribute_path path; /**< "00100020", or "00102202.00080100" within a sequence */
    enum mur_vr vr;
    char *text; /**< owned; UTF-8; values separated by backslash as in the Data Set */
    const char *private_creator; /**< owned; NULL for standard attributes */
    bool returned; /**< false: matches only (a key inside a sequence whose sequence is returned) */
};

/** Filled by the caller through the functions below; freed by mur_query_free(). */
struct mur_query {
    enum mur_level level;
    enum mur_query_root root;
    struct mur_query_key *keys;
    size_t key_count;
    size_t limit; /**< 0 = all */
    size_t offset;
};

void mur_query_free(
    struct mur_query *query); /**< the content, not the struct itself; NULL is fine */
#define MUR_AUTO_QUERY __attribute__((cleanup(mur_query_free)))

/** Adds a key; copies its text. @retval MUR_LIMIT more than 1,000 keys or 1 MiB of text */
MUR_NODISCARD
enum mur_status mur_query_add(struct mur_query *query, const struct mur_attribute_path *path,
                              enum mur_vr vr, struct mur_slice text, struct mur_error *error);

/** How the archive treats one key (for FF00 or FF01, PS3.4 C.4.1.1.4 and C.4.1.2.1). */
enum mur_key_support {
    MUR_KEY_MATCHED,  /**< matched when it has a value, and returned */
    MUR_KEY_RETURNED, /**< returned only: a value in it is not matched */
    MUR_KEY_IGNORED,  /**< neither */
};
enum mur_key_support mur_query_key_support(const struct mur_query *query, size_t key);

/** One value of an answer, in the order of query->keys. */
struct mur_value {
    enum mur_vr vr;
    const char
        *text; /**< borrowed until the next step; UTF-8, values separated by backslash, as stored;
                    for SQ the DICOM JSON array of items (PS3.18 F.2.2); NULL = no value */
    size_t length;
};

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
void mur_cursor_free(struct mur_cursor *cursor);
MUR_DEFINE_AUTO(mur_cursor, mur_cursor_free)

#endif
