/** C-GET (PS3.4 C.4.3): objects come over the association that asked for them. Threads: one at a
 * time per call. */
#ifndef MUR_SCU_GET_H
#define MUR_SCU_GET_H

#include <stddef.h>

#include "dicom/data_set.h"
#include "scu/client.h"
#include "scu/receiver.h"
#include "scu/retrieve.h"

enum { MUR_GET_CLASSES = MUR_MAX_PRESENTATION_CONTEXTS - 1 };

/** SOP Classes that objects may have: what is proposed. */
struct mur_class_list {
    char (*uids)[65]; /**< owned */
    size_t count;     /**< at most MUR_GET_CLASSES */
};

void mur_class_list_free(struct mur_class_list *list); /**< the content */
#define MUR_AUTO_CLASS_LIST __attribute__((cleanup(mur_class_list_free)))

struct mur_get_options {
    struct mur_client client;
    enum mur_model model;
    struct mur_dataset *identifier;
    /** What is proposed; NULL for the storage classes that are met most. Only for few classes there
     * is room for each transfer syntax by itself, which is what lets every peer send objects as it
     * has them. */
    const struct mur_class_list *classes;
    struct mur_receiver *receiver; /**< borrowed */
    struct mur_progress progress;
};

/**
 * Asks by C-FIND which SOP Classes a retrieval will meet: the answers to the same keys at the level
 * IMAGE.
 * @param[in] identifier  of the retrieval; unchanged
 * @param[out] instances  how many there are
 * @return other than MUR_OK: the peer does not tell (a refusal is MUR_UNSUPPORTED); retrieving may
 *         still work
 */
MUR_NODISCARD
enum mur_status mur_scu_get_classes(struct mur_class_list *out, uint64_t *instances,
                                    const struct mur_client *client, enum mur_model model,
                                    const struct mur_dataset *identifier, struct mur_error *error);

/**
 * @param[out] out  mur_retrieval_result_free(), also after a failure: what was counted until then
 * @retval MUR_OK  the retrieval came to an end: see outcome.status
 * @retval MUR_UNSUPPORTED  the peer does not offer C-GET of this model
 * @return others as mur_client_connect(), mur_exchange_next()
 */
MUR_NODISCARD
enum mur_status mur_scu_get(struct mur_retrieval_result *out, const struct mur_get_options *options,
                            struct mur_error *error);

#endif
