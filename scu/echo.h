/** C-ECHO (PS3.4 Annex A): whether a peer answers, and how fast. Threads: any. */
#ifndef MUR_SCU_ECHO_H
#define MUR_SCU_ECHO_H

#include <stdint.h>

#include "scu/client.h"

struct mur_echo_result {
    struct mur_outcome outcome; /**< of the last one */
    unsigned count;             /**< answers */
    int64_t associate_us;       /**< for connection and negotiation */
    int64_t least_us, mean_us;  /**< of the answers */
    char implementation[65];    /**< Implementation Version Name of the peer, or "" */
    uint32_t max_pdu;           /**< largest PDU that it takes; 0 = no limit */
};

/** @p count times over one association, until one is not a success.
 * @return other than MUR_OK: the peer could not be asked; as mur_client_connect() and
 *         mur_exchange_next() */
MUR_NODISCARD
enum mur_status mur_scu_echo(struct mur_echo_result *out, const struct mur_client *client,
                             unsigned count, struct mur_error *error);

#endif
