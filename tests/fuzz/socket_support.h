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

/** As poll() of one descriptor; libFuzzer's clock interrupts whatever waits. */
static inline bool fuzz_wait(int descriptor, short events, int timeout_ms)
{
    struct pollfd waiting = {.fd = descriptor, .events = events};
    int ready;
    do
        ready = poll(&waiting, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/** A connection to @p address, from one of the many that this machine calls its own. */
static inline int fuzz_connect(const struct sockaddr_in *address)
{
    static uint32_t count;
    const struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + count++ / FUZZ_USES_OF_AN_ADDRESS % 0xFFFF)};
    const struct linger at_once = {.l_onoff = 1};
    int room = 4 * FUZZ_SAID_LIMIT, yes = 1, failure = 0;
    socklen_t length = sizeof failure;
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    fuzz_check(bind(connection, (const struct sockaddr *)(const void *)&from, sizeof from) == 0,
               "no address: %s", strerror(errno));
    if (connect(connection, (const struct sockaddr *)(const void *)address, sizeof *address) != 0)
        failure = errno;
    if (failure == EINTR && fuzz_wait(connection, POLLOUT, -1))
        (void)getsockopt(connection, SOL_SOCKET, SO_ERROR, &failure, &length);
    fuzz_check(failure == 0, "no connection: %s", strerror(failure));
    return connection;
}

/** Sends all; a peer that closes before is fine. */
static inline void fuzz_say(int connection, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(connection, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

#endif
