/**
 * Who asks, and what they may do: HTTP Basic (RFC 7617) or a bearer token (RFC 6750), against a
 * file of users. Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_AUTH_H
#define MUR_WEB_AUTH_H

#include "core/own.h"
#include "web/exchange.h"

struct mur_auth;

/**
 * Reads web.users_file: lines "name:role:hash", role "r" or "rw", hash as in core/password.h;
 * empty lines and those that begin with '#' say nothing.
 * @param[in] local  nobody but this machine reaches the service
 * @param[out] out  NULL when everybody may do everything: no file, and local
 * @retval MUR_DENIED  others can read or write the file; or there is none although not local
 * @retval MUR_INVALID  "FILE:LINE: reason"
 */
MUR_NODISCARD
enum mur_status mur_auth_create(struct mur_auth **out, const struct mur_config *config, bool local,
                                struct mur_error *error);
void mur_auth_free(struct mur_auth *auth);
MUR_DEFINE_AUTO(mur_auth, mur_auth_free)

/** Answers with 401 or 403 unless the exchange may have what its route is.
 * @param auth  NULL: it may, when it was sent to this machine by its own name */
MUR_NODISCARD
enum mur_status mur_auth_check(struct mur_auth *auth, struct mur_exchange *exchange,
                               struct mur_error *error);

#endif
