/**
 * A search (QIDO-RS; PS3.18 8.3.4 and 10.6): from the parameters of a request to a question to the
 * archive, and what stands in its answers. Internal to web/. Threads: one at a time per search.
 */
#ifndef MUR_WEB_SEARCH_H
#define MUR_WEB_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/query.h"
#include "core/buffer.h"
#include "web/attribute_names.h"
#include "web/exchange.h"

/** One element of an answer. */
struct mur_search_column {
    uint32_t tag; /**< as it stands in the answer: private ones in their block */
    enum mur_vr vr;
    enum {
        MUR_SEARCH_KEY,
        MUR_SEARCH_CHARSET,
        MUR_SEARCH_RETRIEVE_URL,
        MUR_SEARCH_CREATOR, /**< of a private block */
    } kind;
    bool if_known; /**< left out without a value; else the element is there and empty */
    size_t key;    /**< of MUR_SEARCH_KEY: index in query.keys */
    const char *creator;
};

/** What is searched for: a path such as /studies/{study}/instances. */
struct mur_search_target {
    enum mur_level level; /**< STUDY, SERIES or IMAGE */
    const char *study;    /**< UID from the path; NULL = in all studies */
    const char *series;   /**< likewise */
};

struct mur_search {
    struct mur_query query;
    struct mur_search_column *columns; /**< sorted by tag */
    size_t column_count;
    size_t uids[3];              /**< keys of the study's, series' and instance's UID, by level */
    uint64_t limit;              /**< rows to be answered at most */
    bool fuzzy;                  /**< fuzzymatching was asked for, which is not done */
    struct mur_buffer unmatched; /**< names of attributes that were not matched, by ", " */
    struct mur_attribute_names names;
};

enum { MUR_SEARCH_COUNTED = 10000 }; /**< matches beyond the answer that are counted */

/**
 * Reads the parameters.
 * @param[out] out  zeroed before; freed by the caller also on failure
 * @retval MUR_INVALID  a parameter that cannot be understood: the message names it
 */
MUR_NODISCARD
enum mur_status mur_search_parse(struct mur_search *out, const struct mur_exchange *exchange,
                                 const struct mur_search_target *target, struct mur_error *error);
void mur_search_free(struct mur_search *search); /**< the content; NULL is fine */

#endif
