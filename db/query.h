/**
 * A question to the index, the same for C-FIND (PS3.4 C.4.1) and QIDO-RS (PS3.18 8.3.4), and how
 * its answers look. Text is UTF-8 throughout; the service that asks converts to and from character
 * sets.
 */
#ifndef MUR_DB_QUERY_H
#define MUR_DB_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/attribute.h"

enum mur_query_root {
    MUR_ROOT_PATIENT, /**< PS3.4 C.6.1 */
    MUR_ROOT_STUDY,   /**< PS3.4 C.6.2: Patient attributes belong to the Study level */
};

/** One attribute of an identifier. With text "" it is a universal key: returned, not matched. */
struct mur_query_key {
    struct mur_attribute_path path; /**< "00100020", or "00102202.00080100" within a sequence;
                                       private elements of ours with block 0x10: (0099,10xx) */
    enum mur_vr vr;
    unsigned item; /**< of our private sequence: keys of one item must match in one cell, and each
                      item must have its own; else 0 */
    char *text;    /**< owned; UTF-8; values separated by backslash as in the Data Set */
    bool returned; /**< false: matches only (its sequence is returned as a whole) */
    bool empty;    /**< with text "": matches what has no value (PS3.4 C.2.2.2.7); false after
                      mur_query_add(); not for our private block and what comes from scans */
};

enum {
    MUR_QUERY_KEYS = 1000,
    MUR_QUERY_TEXT = 4 << 20,
    MUR_QUERY_VALUES = 200, /**< of one key; of UIDs any number */
};

/** Filled by the caller through mur_query_add(); emptied by mur_query_free(). */
struct mur_query {
    enum mur_level level;
    enum mur_query_root root;
    struct mur_query_key *keys;
    size_t key_count;
    size_t text_length; /**< of all keys together */
    size_t limit;       /**< 0 = all */
    size_t counted;     /**< matches beyond the limit that are counted, but not handed out */
    size_t offset;
    bool combined_datetime; /**< date and time ranges are one range (PS3.4 C.5.1.1, negotiated) */
};

void mur_query_free(struct mur_query *query); /**< the content, not the struct; NULL is fine */
#define MUR_AUTO_QUERY __attribute__((cleanup(mur_query_free)))

/** Adds a key; copies its text. @retval MUR_LIMIT more than MUR_QUERY_KEYS,
 * MUR_QUERY_TEXT or MUR_QUERY_VALUES */
MUR_NODISCARD
enum mur_status mur_query_add(struct mur_query *query, const struct mur_attribute_path *path,
                              enum mur_vr vr, struct mur_slice text, bool returned,
                              struct mur_error *error);

/** Whether a tag is one of our private block MURPACS ISA 1.0, as it stands in keys. */
bool mur_is_isa_element(uint32_t tag);

/** How the index treats a key (for FF00 or FF01, PS3.4 C.4.1.1.4 and C.4.1.2.1). */
enum mur_key_support {
    MUR_KEY_MATCHED,  /**< matched when it has a value, and returned */
    MUR_KEY_RETURNED, /**< returned only: a value in it is not matched */
    MUR_KEY_IGNORED,  /**< neither */
};
enum mur_key_support mur_query_key_support(const struct mur_query *query, size_t key);

/** One value of an answer, in the order of query->keys. */
struct mur_value {
    enum mur_vr vr;
    const char *text; /**< borrowed; UTF-8, values separated by backslash; for SQ the DICOM JSON
                         array of items (PS3.18 F.2.2); NULL = the answer has no such attribute */
    size_t length;
};

#endif
