/**
 * Web pages from elsewhere (Fetch standard, CORS): which may ask, and that no other one stores with
 * the rights of the person who looks at it. Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_CORS_H
#define MUR_WEB_CORS_H

#include "web/exchange.h"

/** @retval MUR_INVALID  web.cors_origins lists what no browser calls an origin, so that it would
 * never be the one of a page */
MUR_NODISCARD
enum mur_status mur_cors_check_config(const struct mur_config *config, struct mur_error *error);

/** Answers a preflight of an origin in web.cors_origins.
 * @param[in] methods  that the path has, "" for none. @param[out] answered  it was one */
MUR_NODISCARD
enum mur_status mur_cors_preflight(bool *answered, struct mur_exchange *exchange,
                                   const char *methods, struct mur_error *error);

/** @retval MUR_DENIED  a page of another origin, which is not in web.cors_origins, wants to store
 */
MUR_NODISCARD
enum mur_status mur_cors_check(const struct mur_exchange *exchange, struct mur_error *error);

/** Adds to an answer what the browser needs to hand it to the page. */
MUR_NODISCARD
enum mur_status mur_cors_add_headers(struct mur_exchange *exchange, struct mur_error *error);

#endif
