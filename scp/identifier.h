/**
 * Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 C.4.1.1.3, C.4.2.1.4): from a Data Set's bytes to
 * a question to the archive, and answers from the archive to Data Sets' bytes. Internal to scp/.
 * Threads: one at a time per identifier.
 */
#ifndef MUR_SCP_IDENTIFIER_H
#define MUR_SCP_IDENTIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/query.h"
#include "core/buffer.h"
#include "core/error.h"

enum { MUR_IDENTIFIER_LIMIT = 8 * 1024 * 1024 };

/** One element of an answer. */
struct mur_answer_element {
    uint32_t tag; /**< as the peer named it: private ones in its own block */
    enum mur_vr vr;
    enum {
        MUR_ANSWER_CHARSET,
        MUR_ANSWER_LEVEL,
        MUR_ANSWER_RETRIEVE_AE_TITLE,
        MUR_ANSWER_PRIVATE_CREATOR,
        MUR_ANSWER_KEY,
    } kind;
    size_t key;          /**< of MUR_ANSWER_KEY: index in query.keys */
    const char *creator; /**< of MUR_ANSWER_PRIVATE_CREATOR */
};

/** A sequence that was answered: many rows have the same. */
struct mur_answered_sequence {
    uint32_t tag;       /**< 0 = none yet */
    size_t text_length; /**< as it came from the archive; its bytes stand behind */
    struct mur_buffer text_and_bytes;
};

enum { MUR_FOREIGN_BLOCKS = 32, MUR_ANSWERED_SEQUENCES = 64 };

struct mur_identifier {
    struct mur_query query;
    bool has_level;
    bool asked_for_charset;
    bool unsupported_keys; /**< an optional key is not supported: FF01 (PS3.4 C.4.1.1.4) */
    struct mur_answer_element *elements; /**< sorted by tag */
    size_t element_count;
    bool blocks[256]; /**< private blocks of ours that the peer declared in group 0099 */
    /** Blocks of others whose attributes a site has named: that of the peer, and its stand-in. */
    struct {
        uint32_t declared, stand_in; /**< group and block: (gggg,bb00) */
    } foreign[MUR_FOREIGN_BLOCKS];
    size_t foreign_count;
    struct mur_answered_sequence answered[MUR_ANSWERED_SEQUENCES]; /**< by hash */
};

void mur_identifier_free(struct mur_identifier *identifier); /**< the content; NULL is fine */
#define MUR_AUTO_IDENTIFIER __attribute__((cleanup(mur_identifier_free)))

/**
 * Reads an identifier.
 * @param[out] out  zeroed before; freed by the caller also on failure
 * @retval MUR_PARSE    no Data Set
 * @retval MUR_INVALID  no level, or one that the model does not have
 */
MUR_NODISCARD
enum mur_status mur_identifier_parse(struct mur_identifier *out, const void *bytes, size_t length,
                                     const char *transfer_syntax, const char *model,
                                     struct mur_error *error);

/** Appends the answer for one row, values in the order of query.keys.
 * @param transfer_syntax  the same for all answers */
MUR_NODISCARD
enum mur_status mur_identifier_answer(struct mur_buffer *out, struct mur_identifier *identifier,
                                      const struct mur_value *values, const char *transfer_syntax,
                                      const char *retrieve_ae_title, struct mur_error *error);

#endif
