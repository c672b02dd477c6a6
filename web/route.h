/** Which handler an address has. Internal to web/. */
#ifndef MUR_WEB_ROUTE_H
#define MUR_WEB_ROUTE_H

#include "web/exchange.h"

#define MUR_ROUTE(method, path, access, handler, receiver)                                         \
    enum mur_status handler(struct mur_exchange *exchange, struct mur_error *error);
#include "web/routes.def"

/**
 * Finds the route of exchange->method and path; sets exchange->route and the parts.
 * @param[out] allowed  methods that the path has ("GET, HEAD, POST"), for a 405; "" when it has
 * none
 * @retval MUR_NOT_FOUND  no such path, or not by this method
 */
MUR_NODISCARD
enum mur_status mur_route_find(struct mur_exchange *exchange, char allowed[64],
                               struct mur_error *error);

#endif
