/**
 * Listening for associations. A connection costs one descriptor and the bytes it has sent until its
 * A-ASSOCIATE-RQ is there as a whole: silent and slow peers keep nobody waiting, nor do those that
 * take their time to agree on TLS. No thread of its own: it works within mur_listener_next().
 *
 * Threads: one at a time, except mur_listener_wake().
 */
#ifndef MUR_DICOM_LISTENER_H
#define MUR_DICOM_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/association.h"

struct mur_listener;

struct mur_listener_options {
    const char *bind_address; /**< numeric, IPv4 or IPv6; "::" takes IPv4 too */
    uint16_t port;            /**< 0 = any free one */
    int artim_timeout_ms;     /**< for the A-ASSOCIATE-RQ to be complete (PS3.8 9.1.5) */
    uint32_t max_pdu;         /**< what is announced, 4096 to 131072; 0 = MUR_MAX_PDU_DEFAULT */
    int inherited; /**< a socket that listens already, 3 or above, the listener's from now on unless
                        creating it fails; 0 = bind one */
    unsigned max_pending; /**< connections without a request; the oldest goes for a new one */
    struct mur_tls *tls;  /**< all of them are by TLS; borrowed; NULL: plain */
};

/** Binds exactly the address given. @retval MUR_BUSY port in use, MUR_DENIED, MUR_INVALID no such
 * address here, or TLS without a certificate of ours, MUR_IO */
MUR_NODISCARD
enum mur_status mur_listener_create(struct mur_listener **out,
                                    const struct mur_listener_options *options,
                                    struct mur_error *error);
/** Closes the sockets and drops connections not yet handed out; accepts NULL. */
void mur_listener_free(struct mur_listener *listener);
MUR_DEFINE_AUTO(mur_listener, mur_listener_free)

uint16_t mur_listener_port(const struct mur_listener *listener);
/** Numeric, as it is bound; borrowed. */
const char *mur_listener_address(const struct mur_listener *listener);
/** Only this machine reaches it: bound to a loopback address. */
bool mur_listener_is_local(const struct mur_listener *listener);

/**
 * The next association, its request read and parsed, to be answered by the caller.
 * @param[out] out  the caller's to free
 * @retval MUR_TIMEOUT    none within @p timeout_ms (-1 = no limit)
 * @retval MUR_CANCELLED  mur_listener_wake()
 * @retval MUR_PARSE, MUR_LIMIT, MUR_MISMATCH  one connection was turned away (aborted or rejected,
 *         or no TLS could be agreed on),
 *         or dropped because its request did not come in time or newer ones need its place; the
 *         message names its address and the reason. Call again.
 * @retval MUR_IO, MUR_NO_MEMORY  accepting fails for want of descriptors or memory. Call again.
 */
MUR_NODISCARD
enum mur_status mur_listener_next(struct mur_association **out, struct mur_listener *listener,
                                  int timeout_ms, struct mur_error *error);
/** Connections that have not sent their request yet. */
unsigned mur_listener_pending(const struct mur_listener *listener);

/** Any thread, also a signal handler: mur_listener_next() returns MUR_CANCELLED, now and always. */
void mur_listener_wake(struct mur_listener *listener);

#endif
