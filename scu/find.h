/** C-FIND (PS3.4 C.4.1). Threads: one at a time per call. */
#ifndef MUR_SCU_FIND_H
#define MUR_SCU_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dicom/data_set.h"
#include "scu/client.h"

/** One match. Everything is borrowed for the call. */
struct mur_find_answer {
    const void *bytes; /**< of the encoded Data Set */
    size_t length;
    const char *transfer_syntax;
    bool unsupported_keys; /**< FF01: the peer does not support some optional keys */
};

/** Anything but MUR_OK cancels the query. */
typedef enum mur_status mur_find_callback(void *user, const struct mur_find_answer *answer,
                                          struct mur_error *error);

struct mur_find_options {
    struct mur_client client;
    enum mur_model model;
    struct mur_dataset *const *identifiers; /**< one query each, over one association */
    size_t identifier_count;
    uint64_t limit; /**< cancel a query after so many answers; 0 = none */
    /** Match a date and a time as one: from the first day's first moment to the last day's last
     * (PS3.4 C.2.2.2.5.4), rather than these hours of each of the days. */
    bool combined_datetime;
    mur_find_callback *on_answer;
    void *user;
};

struct mur_find_result {
    struct mur_outcome outcome; /**< of the last query: those after one that fails are not asked */
    uint64_t answers;
    bool unsupported_keys;
    /** The identifiers are relational ones (PS3.4 C.4.1.2.2) and the peer did not agree to that: it
     * may have refused them, or passed over keys. */
    bool relational_not_agreed;
};

/**
 * @retval MUR_OK  the queries came to an end: see outcome.status
 * @retval MUR_UNSUPPORTED  the peer does not offer C-FIND of this model, or not combined_datetime
 * @retval MUR_LIMIT  an answer is longer than MUR_ANSWER_LIMIT
 * @return others as mur_client_connect(), mur_exchange_next(), on_answer
 */
MUR_NODISCARD
enum mur_status mur_scu_find(struct mur_find_result *out, const struct mur_find_options *options,
                             struct mur_error *error);

/** UID of the SOP Class of a model for C-FIND, C-MOVE, C-GET. @param field  of the request */
const char *mur_model_sop_class(enum mur_model model, uint16_t field);

#endif
