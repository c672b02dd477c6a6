/** Connections for targets that are peers. */
#ifndef MUR_TESTS_FUZZ_SOCKET_SUPPORT_H
#define MUR_TESTS_FUZZ_SOCKET_SUPPORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "fuzz.h"

enum {
    FUZZ_SAID_LIMIT = 100000,       /**< the socket holds it without a reader */
    FUZZ_USES_OF_AN_ADDRESS = 10000 /**< TCP keeps ports of what was closed for a minute */
};

/** A connection to @p address, from one of the many that this machine calls its own. */
static inline int fuzz_connect(const struct sockaddr_in *address)
{
    static uint32_t count;
    const struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + count++ / FUZZ_USES_OF_AN_ADDRESS % 0xFFFF)};
    const struct linger at_once = {.l_onoff = 1};
    int room = 4 * FUZZ_SAID_LIMIT, yes = 1;
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    fuzz_check(bind(connection, (const struct sockaddr *)(const void *)&from, sizeof from) == 0 &&
                   connect(connection, (const struct sockaddr *)(const void *)address,
                           sizeof *address) == 0,
               "no connection: %s", strerror(errno));
    return connection;
}

/** Sends all; a peer that closes before is fine. */
static inline void fuzz_say(int connection, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(connection, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

#endif
