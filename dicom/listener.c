#include "dicom/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "dicom/association_internal.h"
#include "dicom/pdu.h"
#include "dicom/stream.h"

enum {
    FIRST_STEP = 4096,                     /* bytes of memory for a request; doubled as they come */
    READ_AT_ONCE = 65536,                  /* of one connection, before others get their turn */
    BYTES_OF_ALL_LIMIT = 64 * 1024 * 1024, /* requests that have come in part */
    PAUSE_MS = 200,                        /* of accepting, when there are no descriptors left */
    LOWEST_DESCRIPTOR = 3,
};

/* A connection whose A-ASSOCIATE-RQ has not come as a whole. */
struct pending {
    struct pending *next, *previous; /* in order of their deadlines */
    struct mur_stream stream;
    enum mur_stream_event awaited;
    bool secured; /* or there is no TLS to agree on */
    int64_t deadline_ms;
    struct sockaddr_storage peer;
    uint8_t head[MUR_PDU_HEAD];
    uint8_t *request; /* NULL while the head is not there */
    size_t have, capacity, need;
};

struct mur_listener {
    int socket, epoll, wake;
    uint16_t port;
    char address[NI_MAXHOST];
    bool loopback;
    uint32_t max_pdu;
    struct mur_tls *tls; /* borrowed, or NULL */
    int artim_timeout_ms;
    unsigned max_pending, pending_count;
    size_t pending_bytes; /* allocated by all */
    struct pending *oldest, *newest;
    int64_t accept_again_ms; /* MUR_NO_DEADLINE unless accepting pauses */
};

/* ---- making and freeing ---- */

static void pending_free(struct pending *pending)
{
    mur_stream_close(&pending->stream);
    free(pending->request);
    free(pending);
}

static void pending_remove(struct mur_listener *listener, struct pending *pending)
{
    (void)epoll_ctl(listener->epoll, EPOLL_CTL_DEL, pending->stream.descriptor, NULL);
    *(pending->previous != NULL ? &pending->previous->next : &listener->oldest) = pending->next;
    *(pending->next != NULL ? &pending->next->previous : &listener->newest) = pending->previous;
    listener->pending_count--;
    listener->pending_bytes -= pending->capacity;
}

static void pending_drop(struct mur_listener *listener, struct pending *pending)
{
    pending_remove(listener, pending);
    pending_free(pending);
}

static void name_connection(struct mur_error *error, const struct pending *pending)
{
    char address[NI_MAXHOST];
    uint16_t port = 0;
    mur_format_address(address, sizeof(address), &port, (const struct sockaddr *)&pending->peer);
    (void)mur_error_prefix(error, "connection from %s port %u", address, port);
}

/* One that did nothing wrong but to wait for too long. */
static enum mur_status give_up_oldest(struct mur_listener *listener, const char *why,
                                      struct mur_error *error)
{
    struct pending *oldest = listener->oldest;
    if (oldest->secured)
        (void)mur_error_set(error, MUR_LIMIT, "dropped after %zu bytes of its A-ASSOCIATE-RQ: %s",
                            oldest->have, why);
    else
        (void)mur_error_set(error, MUR_LIMIT, "dropped before TLS was agreed on: %s", why);
    name_connection(error, oldest);
    pending_drop(listener, oldest);
    return MUR_LIMIT;
}

void mur_listener_free(struct mur_listener *listener)
{
    if (listener == NULL)
        return;
    while (listener->oldest != NULL)
        pending_drop(listener, listener->oldest);
    int descriptors[] = {listener->socket, listener->epoll, listener->wake};
    for (size_t i = 0; i < MUR_COUNT(descriptors); i++)
        if (descriptors[i] >= 0)
            (void)close(descriptors[i]);
    free(listener);
}

static enum mur_status watch(struct mur_listener *listener, int descriptor, void *what,
                             struct mur_error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = what}};
    if (epoll_ctl(listener->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
        return mur_error_set_errno(error, errno, "watching a socket");
    return MUR_OK;
}

static enum mur_status bind_failed(const struct mur_listener_options *options,
                                   struct mur_error *error)
{
    switch (errno) {
    case EADDRINUSE:
        return mur_error_set(error, MUR_BUSY, "port %u at %s is in use by another program",
                             options->port, options->bind_address);
    case EADDRNOTAVAIL:
        return mur_error_set(error, MUR_INVALID, "this machine has no address %s",
                             options->bind_address);
    case EACCES:
        return mur_error_set(error, MUR_DENIED,
                             "port %u may not be listened at without a privilege", options->port);
    default:
        return mur_error_set_errno(error, errno, "listening at %s port %u", options->bind_address,
                                   options->port);
    }
}

static enum mur_status open_socket(struct mur_listener *listener,
                                   const struct mur_listener_options *options,
                                   const struct addrinfo *address, struct mur_error *error)
{
    listener->socket = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->socket < 0)
        return mur_error_set_errno(error, errno, "making a socket");
    int one = 1, zero = 0;
    (void)setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->ai_family == AF_INET6)
        (void)setsockopt(listener->socket, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(listener->socket, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(listener->socket, SOMAXCONN) != 0)
        return bind_failed(options, error);
    return MUR_OK;
}

static enum mur_status open_address(struct mur_listener *listener,
                                    const struct mur_listener_options *options,
                                    struct mur_error *error)
{
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", options->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *address = NULL;
    if (getaddrinfo(options->bind_address, port, &hints, &address) != 0)
        return mur_error_set(error, MUR_INVALID, "\"%s\" is not a numeric address",
                             options->bind_address);
    enum mur_status status = open_socket(listener, options, address, error);
    freeaddrinfo(address);
    return status;
}

/* A socket that somebody else bound: is it one that we can accept DICOM from? */
static enum mur_status inherit_socket(struct mur_listener *listener, int inherited,
                                      struct mur_error *error)
{
    int listening = 0, kind = 0;
    socklen_t length = sizeof(int);
    if (getsockopt(inherited, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 ||
        getsockopt(inherited, SOL_SOCKET, SO_TYPE, &kind, &length) != 0)
        return mur_error_set_errno(error, errno, "descriptor %d is no socket", inherited);
    if (!listening || kind != SOCK_STREAM)
        return mur_error_set(error, MUR_INVALID, "descriptor %d is no listening TCP socket",
                             inherited);
    int flags = fcntl(inherited, F_GETFL);
    if (flags < 0 || fcntl(inherited, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(inherited, F_SETFD, FD_CLOEXEC) != 0)
        return mur_error_set_errno(error, errno, "preparing to listen");
    listener->socket = inherited;
    return MUR_OK;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static enum mur_status ask_for_name(struct mur_listener *listener, struct mur_error *error)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof(bound);
    if (getsockname(listener->socket, (struct sockaddr *)&bound, &length) != 0)
        return mur_error_set_errno(error, errno, "asking for the port");
    if (bound.ss_family != AF_INET && bound.ss_family != AF_INET6)
        return mur_error_set(error, MUR_INVALID, "the socket given is neither IPv4 nor IPv6");
    mur_format_address(listener->address, sizeof(listener->address), &listener->port,
                       (struct sockaddr *)&bound);
    listener->loopback = is_loopback(&bound);
    return MUR_OK;
}

static enum mur_status listener_open(struct mur_listener *listener,
                                     const struct mur_listener_options *options,
                                     struct mur_error *error)
{
    enum mur_status status = mur_network_init(error);
    if (status == MUR_OK)
        status = options->inherited > 0 ? inherit_socket(listener, options->inherited, error)
                                        : open_address(listener, options, error);
    if (status == MUR_OK)
        status = ask_for_name(listener, error);
    if (status != MUR_OK)
        return status;
    listener->epoll = epoll_create1(EPOLL_CLOEXEC);
    listener->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listener->epoll < 0 || listener->wake < 0)
        return mur_error_set_errno(error, errno, "preparing to listen");
    status = watch(listener, listener->socket, &listener->socket, error);
    if (status == MUR_OK)
        status = watch(listener, listener->wake, &listener->wake, error);
    return status;
}

enum mur_status mur_listener_create(struct mur_listener **out,
                                    const struct mur_listener_options *options,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_listener) *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        return mur_error_no_memory(error);
    listener->socket = listener->epoll = listener->wake = -1;
    listener->accept_again_ms = MUR_NO_DEADLINE;
    listener->artim_timeout_ms = options->artim_timeout_ms;
    listener->max_pending = options->max_pending > 0 ? options->max_pending : 1;
    listener->max_pdu = options->max_pdu != 0 ? options->max_pdu : MUR_MAX_PDU_DEFAULT;
    listener->tls = options->tls;
    if (listener->tls != NULL && !mur_tls_has_certificate(listener->tls))
        return mur_error_set(error, MUR_INVALID,
                             "nobody can call us by TLS without a certificate of ours");
    enum mur_status status = listener_open(listener, options, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(listener);
    return MUR_OK;
}

uint16_t mur_listener_port(const struct mur_listener *listener)
{
    return listener->port;
}

const char *mur_listener_address(const struct mur_listener *listener)
{
    return listener->address;
}

bool mur_listener_is_local(const struct mur_listener *listener)
{
    return listener->loopback;
}

unsigned mur_listener_pending(const struct mur_listener *listener)
{
    return listener->pending_count;
}

void mur_listener_wake(struct mur_listener *listener)
{
    uint64_t one = 1;
    (void)!write(listener->wake, &one, sizeof(one)); /* fails only when it is awake already */
}

/* ---- accepting ---- */

static void set_accepting(struct mur_listener *listener, bool accepting)
{
    struct epoll_event event = {.events = accepting ? EPOLLIN : 0,
                                .data = {.ptr = &listener->socket}};
    (void)epoll_ctl(listener->epoll, EPOLL_CTL_MOD, listener->socket, &event);
    listener->accept_again_ms = accepting ? MUR_NO_DEADLINE : mur_deadline_after(PAUSE_MS);
}

static enum mur_status no_descriptor(struct mur_listener *listener, int number,
                                     struct mur_error *error)
{
    if (listener->oldest != NULL) /* the new one still waits to be accepted */
        return give_up_oldest(listener, "newer ones need its descriptor", error);
    set_accepting(listener, false);
    return mur_error_set_errno(error, number, "accepting a connection");
}

static enum mur_status accept_one(struct mur_listener *listener, struct mur_error *error)
{
    if (listener->pending_count >= listener->max_pending)
        return give_up_oldest(listener, "too many wait without a request", error);
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    MUR_AUTO_CLOSE int accepted =
        accept4(listener->socket, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return no_descriptor(listener, errno, error);
        return MUR_OK; /* it went away before we came to it */
    }
    if (accepted < LOWEST_DESCRIPTOR) {
        /* dcmnet takes 0 for "none", and what is closed here may be written to as stderr there. */
        int moved = fcntl(accepted, F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR);
        if (moved < 0)
            return mur_error_set_errno(error, errno, "accepting a connection");
        (void)close(accepted);
        accepted = moved;
    }
    struct pending *pending = calloc(1, sizeof(*pending));
    if (pending == NULL)
        return mur_error_no_memory(error);
    pending->stream = MUR_STREAM_NONE;
    pending->awaited = MUR_STREAM_READABLE;
    pending->secured = listener->tls == NULL;
    pending->peer = peer;
    pending->need = MUR_PDU_HEAD;
    pending->deadline_ms = mur_deadline_after(listener->artim_timeout_ms);
    enum mur_status status = watch(listener, accepted, pending, error);
    if (status != MUR_OK) {
        pending_free(pending);
        return status;
    }
    mur_stream_init(&pending->stream, mur_steal_descriptor(&accepted));
    pending->previous = listener->newest;
    *(listener->newest != NULL ? &listener->newest->next : &listener->oldest) = pending;
    listener->newest = pending;
    listener->pending_count++;
    return MUR_OK;
}

/* ---- reading requests ---- */

static enum mur_status check_head(struct mur_listener *listener, struct pending *pending,
                                  struct mur_error *error)
{
    uint8_t type = pending->head[0];
    size_t length = mur_be32(pending->head + 2);
    if (type != MUR_PDU_ASSOCIATE_RQ) {
        bool known = type > MUR_PDU_ASSOCIATE_RQ && type <= MUR_PDU_ABORT;
        mur_abort_connection(&pending->stream,
                             known ? MUR_ABORT_UNEXPECTED_PDU : MUR_ABORT_UNRECOGNIZED_PDU);
        return mur_error_set(error, MUR_PARSE, "it begins with 0x%02x, no A-ASSOCIATE-RQ", type);
    }
    if (length > MUR_ASSOCIATE_LIMIT - MUR_PDU_HEAD) {
        mur_abort_connection(&pending->stream, MUR_ABORT_INVALID_PARAMETER);
        return mur_error_set(error, MUR_LIMIT, "an A-ASSOCIATE-RQ of %zu bytes is announced",
                             length);
    }
    pending->need = MUR_PDU_HEAD + length;
    pending->request = malloc(FIRST_STEP);
    if (pending->request == NULL)
        return mur_error_no_memory(error);
    pending->capacity = FIRST_STEP;
    listener->pending_bytes += FIRST_STEP;
    memcpy(pending->request, pending->head, MUR_PDU_HEAD);
    return MUR_OK;
}

/* Memory follows what has come, not what is announced. */
static enum mur_status make_room(struct mur_listener *listener, struct pending *pending,
                                 struct mur_error *error)
{
    if (pending->have < pending->capacity)
        return MUR_OK;
    if (listener->pending_bytes + pending->capacity > BYTES_OF_ALL_LIMIT) {
        mur_abort_connection(&pending->stream, MUR_ABORT_NOT_SPECIFIED);
        return mur_error_set(error, MUR_LIMIT, "too many long A-ASSOCIATE-RQ at once");
    }
    uint8_t *request = realloc(pending->request, 2 * pending->capacity);
    if (request == NULL)
        return mur_error_no_memory(error);
    pending->request = request;
    listener->pending_bytes += pending->capacity;
    pending->capacity *= 2;
    return MUR_OK;
}

/* MUR_BUSY: to go on when this can be done. */
static enum mur_status wait_for(struct mur_listener *listener, struct pending *pending,
                                enum mur_stream_event wanted)
{
    if (wanted != pending->awaited) {
        struct epoll_event event = {.events = wanted == MUR_STREAM_READABLE ? EPOLLIN : EPOLLOUT,
                                    .data = {.ptr = pending}};
        (void)epoll_ctl(listener->epoll, EPOLL_CTL_MOD, pending->stream.descriptor, &event);
        pending->awaited = wanted;
    }
    return MUR_BUSY;
}

/* A connection is given memory for TLS when it says its first word. */
static enum mur_status secure(struct mur_listener *listener, struct pending *pending,
                              struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (pending->stream.tls == NULL)
        status = mur_stream_secure(&pending->stream, listener->tls, NULL, error);
    enum mur_stream_event wanted = MUR_STREAM_READABLE;
    if (status == MUR_OK)
        status = mur_stream_try_handshake(&wanted, &pending->stream, error);
    pending->secured = status == MUR_OK;
    return status == MUR_BUSY ? wait_for(listener, pending, wanted) : status;
}

/* MUR_OK: the request is complete. MUR_BUSY: more must come. MUR_CLOSED: the peer went away. */
static enum mur_status read_some(struct mur_listener *listener, struct pending *pending,
                                 struct mur_error *error)
{
    size_t taken = 0;
    if (!pending->secured) {
        enum mur_status status = secure(listener, pending, error);
        if (status != MUR_OK)
            return status;
    }
    while (taken < READ_AT_ONCE || mur_stream_has_buffered(&pending->stream)) {
        uint8_t *at = pending->head;
        size_t room = MUR_PDU_HEAD - pending->have;
        if (pending->request != NULL) {
            enum mur_status status = make_room(listener, pending, error);
            if (status != MUR_OK)
                return status;
            at = pending->request;
            room = (pending->capacity < pending->need ? pending->capacity : pending->need) -
                   pending->have;
        }
        size_t count = 0;
        enum mur_stream_event wanted = MUR_STREAM_READABLE;
        enum mur_status status =
            mur_stream_try_read(&count, &wanted, &pending->stream, at + pending->have, room);
        if (status == MUR_BUSY)
            return wait_for(listener, pending, wanted);
        if (status != MUR_OK)
            return status;
        pending->have += count;
        taken += count;
        if (pending->request == NULL && pending->have == MUR_PDU_HEAD) {
            status = check_head(listener, pending, error);
            if (status != MUR_OK)
                return status;
        }
        if (pending->have == pending->need)
            return MUR_OK;
    }
    return MUR_BUSY;
}

static enum mur_status hand_out(struct mur_association **out, struct mur_listener *listener,
                                struct pending *pending, struct mur_error *error)
{
    MUR_AUTO(mur_association) *association = NULL;
    enum mur_status status =
        mur_association_receive(&association, &pending->stream, pending->request, pending->have,
                                (const struct sockaddr *)&pending->peer, listener->max_pdu, error);
    if (status != MUR_OK)
        return status;
    if (strcmp(mur_association_application_context(association), "1.2.840.10008.3.1.1.1") != 0) {
        mur_association_reject(association, 1, 1, 2);
        return mur_error_set(error, MUR_MISMATCH, "%s proposes application context %s, not DICOM's",
                             mur_association_calling_ae_title(association),
                             mur_association_application_context(association));
    }
    *out = MUR_STEAL(association);
    return MUR_OK;
}

/* As read_some(), and MUR_OK means that *out is there. */
static enum mur_status advance(struct mur_association **out, struct mur_listener *listener,
                               struct pending *pending, struct mur_error *error)
{
    enum mur_status status = read_some(listener, pending, error);
    if (status == MUR_BUSY)
        return status;
    pending_remove(listener, pending);
    if (status == MUR_OK)
        status = hand_out(out, listener, pending, error);
    if (status != MUR_OK && status != MUR_CLOSED)
        name_connection(error, pending);
    pending_free(pending);
    return status;
}

/* ---- the loop ---- */

static int time_left(const struct mur_listener *listener, int64_t deadline_ms)
{
    if (listener->oldest != NULL && listener->oldest->deadline_ms != MUR_NO_DEADLINE &&
        (deadline_ms == MUR_NO_DEADLINE || listener->oldest->deadline_ms < deadline_ms))
        deadline_ms = listener->oldest->deadline_ms;
    if (listener->accept_again_ms != MUR_NO_DEADLINE &&
        (deadline_ms == MUR_NO_DEADLINE || listener->accept_again_ms < deadline_ms))
        deadline_ms = listener->accept_again_ms;
    if (deadline_ms == MUR_NO_DEADLINE)
        return -1;
    int64_t left = deadline_ms - mur_clock_monotonic_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* MUR_OK, or that one was dropped: ARTIM (PS3.8 9.1.5). */
static enum mur_status let_go_of_silent(struct mur_listener *listener, struct mur_error *error)
{
    int64_t now = mur_clock_monotonic_ms();
    if (listener->accept_again_ms != MUR_NO_DEADLINE && listener->accept_again_ms <= now)
        set_accepting(listener, true);
    if (listener->oldest == NULL || listener->oldest->deadline_ms == MUR_NO_DEADLINE ||
        listener->oldest->deadline_ms > now)
        return MUR_OK;
    return give_up_oldest(listener, "it did not come in time (ARTIM)", error);
}

enum mur_status mur_listener_next(struct mur_association **out, struct mur_listener *listener,
                                  int timeout_ms, struct mur_error *error)
{
    int64_t deadline_ms = mur_deadline_after(timeout_ms);
    for (;;) {
        enum mur_status status = let_go_of_silent(listener, error);
        if (status != MUR_OK)
            return status;
        /* One event at a time: handling one may end the connection of another. */
        struct epoll_event event;
        int count = epoll_wait(listener->epoll, &event, 1, time_left(listener, deadline_ms));
        if (count < 0 && errno != EINTR)
            return mur_error_set_errno(error, errno, "waiting for connections");
        if (count > 0 && event.data.ptr == &listener->wake)
            return mur_error_set(error, MUR_CANCELLED, "woken");
        if (count > 0 && event.data.ptr == &listener->socket) {
            status = accept_one(listener, error);
            if (status == MUR_OK)
                continue;
            return status;
        }
        if (count > 0) {
            status = advance(out, listener, event.data.ptr, error);
            if (status != MUR_BUSY && status != MUR_CLOSED)
                return status;
        }
        if (deadline_ms != MUR_NO_DEADLINE && mur_clock_monotonic_ms() >= deadline_ms)
            return mur_error_set(error, MUR_TIMEOUT, "no association came in time");
    }
}
