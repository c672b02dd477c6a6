/** C-MOVE (PS3.4 C.4.2): objects go from one peer to another, or to a folder of ours. Threads: one
 * at a time per call. */
#ifndef MUR_SCU_MOVE_H
#define MUR_SCU_MOVE_H

#include "dicom/data_set.h"
#include "scu/client.h"
#include "scu/receiver.h"
#include "scu/retrieve.h"

struct mur_move_options {
    struct mur_client client;
    enum mur_model model;
    struct mur_dataset *identifier;
    const char *destination;             /**< AE title, as the peer knows it */
    const struct mur_receiver *receiver; /**< where it lands, if that is here: once it is full the
                                              peer is asked to stop; or NULL */
    struct mur_progress progress;
};

/**
 * @param[out] out  mur_retrieval_result_free(), also after a failure
 * @retval MUR_OK  the retrieval came to an end: see outcome.status
 * @retval MUR_UNSUPPORTED  the peer does not offer C-MOVE of this model
 * @return others as mur_client_connect(), mur_exchange_next()
 */
MUR_NODISCARD
enum mur_status mur_scu_move(struct mur_retrieval_result *out,
                             const struct mur_move_options *options, struct mur_error *error);

/** A destination of ours for the length of a C-MOVE: a listener that takes any storage class in the
 * transfer syntax that the peer likes best, with threads of its own. */
struct mur_landing;

struct mur_landing_options {
    const char *bind_address;      /**< numeric; "::" takes IPv4 too */
    uint16_t port;                 /**< 0 = any free one */
    const char *ae_title;          /**< others are rejected (PS3.8 9.3.4: 1/1/7) */
    int timeout_ms;                /**< for each message of a peer */
    struct mur_receiver *receiver; /**< borrowed until mur_landing_free() */
    struct mur_tls *tls;           /**< likewise; who comes does so by TLS; NULL: plain */
};

/** Listens from now on. @retval MUR_BUSY, MUR_DENIED, MUR_INVALID, MUR_IO */
MUR_NODISCARD
enum mur_status mur_landing_create(struct mur_landing **out,
                                   const struct mur_landing_options *options,
                                   struct mur_error *error);
uint16_t mur_landing_port(const struct mur_landing *landing);
/** Waits a moment for associations under way to be released, ends the others. NULL is fine. */
void mur_landing_free(struct mur_landing *landing);
MUR_DEFINE_AUTO(mur_landing, mur_landing_free)

#endif
