/**
 * The HTTP service: DICOMweb (PS3.18) under /dicom-web, the viewer's files, the status page, health
 * and metrics. One thread a connection, so that a slow one keeps nobody waiting; their number is
 * limited. What the answers mean is the archive's. It logs; nothing here prints or exits.
 *
 * Threads: create, start, stop and free from one thread at a time; the rest from any.
 */
#ifndef MUR_WEB_WEB_H
#define MUR_WEB_WEB_H

#include <stdint.h>

#include "archive/archive.h"
#include "core/config.h"
#include "core/error.h"
#include "core/own.h"

struct mur_web;

/** What the rest of the node is doing, for the status page and metrics. Called from any thread. */
struct mur_web_node {
    unsigned (*associations)(void *user); /**< being served; NULL = there is no DICOM listener */
    void *user;
};

/**
 * Binds web.bind and web.port, so that mur_web_port() tells the port; nobody is answered before
 * mur_web_start().
 * @param config, archive  borrowed until mur_web_free()
 * @param node  copied; NULL = nothing is known
 * @retval MUR_BUSY port in use; MUR_INVALID no such address here; MUR_DENIED, MUR_IO
 */
MUR_NODISCARD
enum mur_status mur_web_create(struct mur_web **out, const struct mur_config *config,
                               struct mur_archive *archive, const struct mur_web_node *node,
                               struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_web_start(struct mur_web *web, struct mur_error *error);

uint16_t mur_web_port(const struct mur_web *web);
/** Numeric address that it listens at; borrowed. */
const char *mur_web_address(const struct mur_web *web);

/** Takes no new connection, ends those that are open, and returns when their threads have ended. */
void mur_web_stop(struct mur_web *web);
/** Stops what was not stopped. NULL is fine. */
void mur_web_free(struct mur_web *web);
MUR_DEFINE_AUTO(mur_web, mur_web_free)

#endif
