/** What C-MOVE and C-GET have in common: counts of sub-operations and how they ended. Threads: one
 * at a time per struct. */
#ifndef MUR_SCU_RETRIEVE_H
#define MUR_SCU_RETRIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/progress.h"
#include "scu/client.h"

struct mur_retrieval_result {
    struct mur_outcome outcome;
    uint32_t completed, failed, warning; /**< sub-operations, as the peer counts them */
    uint32_t remaining;                  /**< not begun: when it was cancelled */
    /** As in struct mur_find_result (PS3.4 C.4.2.2.2). */
    bool relational_not_agreed;
    char *failed_uids; /**< separated by backslash, as far as the peer names them; or NULL */
};

void mur_retrieval_result_free(struct mur_retrieval_result *result); /**< the content */
#define MUR_AUTO_RETRIEVAL_RESULT __attribute__((cleanup(mur_retrieval_result_free)))

/**
 * Takes a response that was just read, with its Data Set, and tells the progress.
 * @param[out] last  whether it was the last one
 * @return other than MUR_OK: the association is over
 */
MUR_NODISCARD
enum mur_status mur_retrieval_take(struct mur_retrieval_result *result, bool *last,
                                   struct mur_exchange *exchange,
                                   const struct mur_command *response, uint8_t context_id,
                                   const struct mur_progress *progress, struct mur_error *error);

#endif
