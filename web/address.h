/** Addresses of those who ask. Internal to web/. Threads: any. */
#ifndef MUR_WEB_ADDRESS_H
#define MUR_WEB_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "web/exchange.h"

/** Whether nobody but this machine reaches it: 127.0.0.0/8, ::1. */
bool mur_address_is_local(const struct sockaddr *address);

/** Whether the value of a Host header names this machine for whoever is at it: localhost, or one of
 * the addresses above; with or without a port. */
bool mur_host_is_local(const char *host);

/** Numeric address of who is connected, which may be a proxy; "" when not known. */
void mur_exchange_peer(char out[NI_MAXHOST], const struct mur_exchange *exchange);

#endif
