/**
 * The DIMSE service: a listener thread for each port, one thread an association, one file a service
 * (echo.c, store.c, find.c, move.c, get.c, commitment.c), and a thread that reports commitments to
 * peers. What the services mean is the archive's; who may use them is access.h's. It logs; nothing
 * here prints or exits.
 *
 * Threads: create, start, stop and free from one thread at a time; the rest from any.
 */
#ifndef MUR_SCP_SCP_H
#define MUR_SCP_SCP_H

#include <stdint.h>

#include "archive/archive.h"
#include "core/config.h"
#include "core/error.h"
#include "core/own.h"

struct mur_scp;

/**
 * Binds the addresses, so that mur_scp_port() tells the port, or takes the sockets that systemd
 * gives (scp/activation.h: "dicom", "dicom-tls"); nobody is answered before mur_scp_start().
 * @param config, archive  borrowed until mur_scp_free()
 * @retval MUR_BUSY port in use; MUR_IO
 * @retval MUR_INVALID  an address that is not ours; or TLS is wanted, and its files are of no use
 * @retval MUR_DENIED  no privilege for the port; or a public address without listed peers while
 *         strangers have rights, and dicom.promiscuous is false
 */
MUR_NODISCARD
enum mur_status mur_scp_create(struct mur_scp **out, const struct mur_config *config,
                               struct mur_archive *archive, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_scp_start(struct mur_scp *scp, struct mur_error *error);

uint16_t mur_scp_port(const struct mur_scp *scp);
/** Numeric address that it listens at; borrowed. */
const char *mur_scp_address(const struct mur_scp *scp);
/** The same of the port for TLS; 0 and "" when there is none. */
uint16_t mur_scp_tls_port(const struct mur_scp *scp);
const char *mur_scp_tls_address(const struct mur_scp *scp);
/** Reads certificates and keys again, for connections from now on. On failure those in force stay.
 */
MUR_NODISCARD
enum mur_status mur_scp_reload(struct mur_scp *scp, struct mur_error *error);
/** Associations that are being served. */
unsigned mur_scp_association_count(struct mur_scp *scp);

/**
 * Takes no new association, ends the idle ones, and lets operations under way finish for
 * @p grace_ms; then retrievals and queries end with what they have done, and what still waits for a
 * peer is aborted. Returns when all associations have ended: a few seconds after the grace, or
 * when the disk has done what they wait for.
 */
void mur_scp_stop(struct mur_scp *scp, int grace_ms);
/** Stops without grace what was not stopped. NULL is fine. */
void mur_scp_free(struct mur_scp *scp);
MUR_DEFINE_AUTO(mur_scp, mur_scp_free)

#endif
