#include "dicom/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "dicom/tls_session.h"

int64_t mur_deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? MUR_NO_DEADLINE : mur_clock_monotonic_ms() + timeout_ms;
}

void mur_stream_init(struct mur_stream *stream, int descriptor)
{
    *stream = (struct mur_stream){.descriptor = descriptor};
    int flags = fcntl(descriptor, F_GETFL);
    if (flags >= 0)
        (void)fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    int one = 1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void mur_stream_close(struct mur_stream *stream)
{
    mur_tls_session_free(stream->tls);
    stream->tls = NULL;
    if (stream->descriptor >= 0)
        (void)close(stream->descriptor);
    stream->descriptor = -1;
}

struct mur_stream mur_stream_steal(struct mur_stream *stream)
{
    struct mur_stream stolen = *stream;
    *stream = MUR_STREAM_NONE;
    return stolen;
}

static bool is_interrupted(const struct mur_stream *stream)
{
    return __atomic_load_n(&stream->interrupted, __ATOMIC_ACQUIRE) != 0;
}

static enum mur_status cancelled(struct mur_error *error)
{
    return mur_error_set(error, MUR_CANCELLED, "interrupted");
}

static enum mur_status poll_descriptor(struct mur_stream *stream, enum mur_stream_event event,
                                       int wake_fd, int64_t deadline_ms, struct mur_error *error)
{
    bool half_closed = false;
    for (;;) {
        if (is_interrupted(stream))
            return cancelled(error);
        int timeout = -1;
        if (deadline_ms != MUR_NO_DEADLINE) {
            int64_t left = deadline_ms - mur_clock_monotonic_ms();
            timeout = left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
        }
        short events = event == MUR_STREAM_READABLE ? POLLIN : POLLOUT;
        /* An interruption shuts our reading side down: that wakes a writer by POLLRDHUP. A peer's
         * own half-close wakes it once as well, and is then no longer asked about. */
        if (event == MUR_STREAM_WRITABLE && !half_closed)
            events = (short)(events | POLLRDHUP);
        struct pollfd polled[2] = {{.fd = stream->descriptor, .events = events},
                                   {.fd = wake_fd, .events = POLLIN}};
        int count = poll(polled, 2, timeout);
        if (count < 0 && errno != EINTR)
            return mur_error_set_errno(error, errno, "waiting for the peer");
        if (count == 0 && timeout >= 0)
            return mur_error_set(error, MUR_TIMEOUT, "the peer did not %s in time",
                                 event == MUR_STREAM_READABLE ? "send" : "take what was sent");
        if (count <= 0)
            continue;
        if (is_interrupted(stream) || (wake_fd >= 0 && polled[1].revents != 0))
            return cancelled(error);
        if (polled[0].revents == POLLRDHUP)
            half_closed = true;
        else if (polled[0].revents != 0)
            return MUR_OK;
    }
}

static enum mur_status lost(const struct mur_stream *stream, int number, struct mur_error *error)
{
    if (is_interrupted(stream))
        return cancelled(error);
    if (number == ECONNRESET || number == EPIPE || number == ENOTCONN)
        return mur_error_set(error, MUR_CLOSED, "the peer closed the connection");
    (void)mur_error_set_errno(error, number, "the connection failed");
    if (error != NULL)
        error->status = MUR_CLOSED;
    return MUR_CLOSED;
}

/* ---- TLS ---- */

static enum mur_status ended(const struct mur_stream *stream, struct mur_error *error)
{
    const char *reason = mur_tls_session_reason(stream->tls);
    if (is_interrupted(stream) || reason[0] == '\0')
        return lost(stream, ECONNRESET, error);
    return mur_error_set(error, MUR_CLOSED, "TLS: %s", reason);
}

static enum mur_stream_event event_of(enum mur_tls_step step)
{
    return step == MUR_TLS_WANTS_WRITE ? MUR_STREAM_WRITABLE : MUR_STREAM_READABLE;
}

/* Until a step that could not be done may be tried again. */
static enum mur_status await(struct mur_stream *stream, enum mur_tls_step step, int wake_fd,
                             int64_t deadline_ms, struct mur_error *error)
{
    if (step == MUR_TLS_ENDED)
        return ended(stream, error);
    return poll_descriptor(stream, event_of(step), wake_fd, deadline_ms, error);
}

static bool is_woken(int wake_fd)
{
    struct pollfd polled = {.fd = wake_fd, .events = POLLIN};
    return wake_fd >= 0 && poll(&polled, 1, 0) > 0;
}

/* The socket may be readable for the sake of TLS alone. */
static enum mur_status poll_secured(struct mur_stream *stream, int wake_fd, int64_t deadline_ms,
                                    struct mur_error *error)
{
    for (;;) {
        if (is_interrupted(stream) || is_woken(wake_fd))
            return cancelled(error);
        enum mur_tls_step step = mur_tls_peek(stream->tls);
        if (step == MUR_TLS_DONE || step == MUR_TLS_ENDED)
            return MUR_OK; /* reading tells of the end */
        enum mur_status status = await(stream, step, wake_fd, deadline_ms, error);
        if (status != MUR_OK)
            return status;
    }
}

static enum mur_status read_secured(size_t *out, struct mur_stream *stream, void *bytes,
                                    size_t capacity, int64_t deadline_ms, struct mur_error *error)
{
    for (;;) {
        if (is_interrupted(stream))
            return cancelled(error);
        enum mur_tls_step step = mur_tls_read(out, stream->tls, bytes, capacity);
        if (step == MUR_TLS_DONE)
            return MUR_OK;
        enum mur_status status = await(stream, step, -1, deadline_ms, error);
        if (status != MUR_OK)
            return status;
    }
}

/* As much as a record holds; the vectors move on. */
static size_t gather(uint8_t *record, struct iovec **vectors, size_t *count)
{
    size_t length = 0;
    while (*count > 0 && length < MUR_TLS_RECORD) {
        struct iovec *at = *vectors;
        size_t room = MUR_TLS_RECORD - length;
        size_t piece = at->iov_len < room ? at->iov_len : room;
        if (piece > 0)
            memcpy(record + length, at->iov_base, piece);
        length += piece;
        at->iov_base = (char *)at->iov_base + piece;
        at->iov_len -= piece;
        if (at->iov_len == 0) {
            ++*vectors;
            --*count;
        }
    }
    return length;
}

static enum mur_status write_secured(struct mur_stream *stream, struct iovec *vectors, size_t count,
                                     int64_t deadline_ms, struct mur_error *error)
{
    uint8_t *record = mur_tls_record(stream->tls);
    for (;;) {
        size_t length = gather(record, &vectors, &count);
        if (length == 0)
            return MUR_OK;
        for (;;) {
            if (is_interrupted(stream))
                return cancelled(error);
            enum mur_tls_step step = mur_tls_write(stream->tls, record, length);
            if (step == MUR_TLS_DONE)
                break;
            enum mur_status status = await(stream, step, -1, deadline_ms, error);
            if (status != MUR_OK)
                return status;
        }
    }
}

enum mur_status mur_stream_secure(struct mur_stream *stream, struct mur_tls *tls, const char *host,
                                  struct mur_error *error)
{
    return mur_tls_session_create(&stream->tls, tls, stream->descriptor, host, error);
}

enum mur_status mur_stream_try_handshake(enum mur_stream_event *wanted, struct mur_stream *stream,
                                         struct mur_error *error)
{
    enum mur_tls_step step = mur_tls_handshake(stream->tls);
    if (step == MUR_TLS_DONE)
        return MUR_OK;
    if (step == MUR_TLS_ENDED) {
        const char *reason = mur_tls_session_reason(stream->tls);
        mur_stream_finish(stream); /* it may have to read why */
        return mur_error_set(error, MUR_PARSE, "no TLS could be agreed on: %s",
                             reason[0] != '\0' ? reason : "the peer closed the connection");
    }
    *wanted = event_of(step);
    return MUR_BUSY;
}

enum mur_status mur_stream_handshake(struct mur_stream *stream, int64_t deadline_ms,
                                     struct mur_error *error)
{
    for (;;) {
        if (is_interrupted(stream))
            return cancelled(error);
        enum mur_stream_event wanted = MUR_STREAM_READABLE;
        enum mur_status status = mur_stream_try_handshake(&wanted, stream, error);
        if (status != MUR_BUSY)
            return status;
        status = poll_descriptor(stream, wanted, -1, deadline_ms, error);
        if (status != MUR_OK)
            return status;
    }
}

const char *mur_stream_security(const struct mur_stream *stream)
{
    return stream->tls != NULL ? mur_tls_session_description(stream->tls) : "";
}

bool mur_stream_has_buffered(const struct mur_stream *stream)
{
    return stream->tls != NULL && mur_tls_has_buffered(stream->tls);
}

/* ---- waiting, reading, writing ---- */

enum mur_status mur_stream_poll(struct mur_stream *stream, enum mur_stream_event event, int wake_fd,
                                int64_t deadline_ms, struct mur_error *error)
{
    if (stream->tls != NULL && event == MUR_STREAM_READABLE)
        return poll_secured(stream, wake_fd, deadline_ms, error);
    return poll_descriptor(stream, event, wake_fd, deadline_ms, error);
}

enum mur_status mur_stream_read(size_t *out, struct mur_stream *stream, void *bytes,
                                size_t capacity, int64_t deadline_ms, struct mur_error *error)
{
    if (stream->tls != NULL)
        return read_secured(out, stream, bytes, capacity, deadline_ms, error);
    for (;;) {
        if (!stream->likely_ready) {
            enum mur_status status =
                poll_descriptor(stream, MUR_STREAM_READABLE, -1, deadline_ms, error);
            if (status != MUR_OK)
                return status;
        }
        ssize_t count = recv(stream->descriptor, bytes, capacity, 0);
        stream->likely_ready = count == (ssize_t)capacity;
        if (is_interrupted(stream))
            return cancelled(error);
        if (count > 0) {
            *out = (size_t)count;
            return MUR_OK;
        }
        if (count == 0)
            return lost(stream, ECONNRESET, error);
        if (errno != EAGAIN && errno != EINTR)
            return lost(stream, errno, error);
    }
}

enum mur_status mur_stream_write(struct mur_stream *stream, struct iovec *vectors, size_t count,
                                 int64_t deadline_ms, struct mur_error *error)
{
    if (stream->tls != NULL)
        return write_secured(stream, vectors, count, deadline_ms, error);
    while (count > 0) {
        if (is_interrupted(stream))
            return cancelled(error);
        struct msghdr message = {.msg_iov = vectors,
                                 .msg_iovlen = count < IOV_MAX ? count : IOV_MAX};
        ssize_t written = sendmsg(stream->descriptor, &message, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return lost(stream, errno, error);
            enum mur_status status =
                poll_descriptor(stream, MUR_STREAM_WRITABLE, -1, deadline_ms, error);
            if (status != MUR_OK)
                return status;
            continue;
        }
        size_t left = (size_t)written;
        while (count > 0 && left >= vectors->iov_len) {
            left -= vectors->iov_len;
            vectors++;
            count--;
        }
        if (count > 0) {
            vectors->iov_base = (char *)vectors->iov_base + left;
            vectors->iov_len -= left;
        }
    }
    return MUR_OK;
}

enum mur_status mur_stream_try_read(size_t *out, enum mur_stream_event *wanted,
                                    struct mur_stream *stream, void *bytes, size_t capacity)
{
    *wanted = MUR_STREAM_READABLE;
    if (stream->tls != NULL) {
        enum mur_tls_step step = mur_tls_read(out, stream->tls, bytes, capacity);
        *wanted = event_of(step);
        return step == MUR_TLS_DONE ? MUR_OK : step == MUR_TLS_ENDED ? MUR_CLOSED : MUR_BUSY;
    }
    ssize_t count = recv(stream->descriptor, bytes, capacity, 0);
    if (count <= 0)
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? MUR_BUSY : MUR_CLOSED;
    *out = (size_t)count;
    return MUR_OK;
}

void mur_stream_finish(struct mur_stream *stream)
{
    enum { AT_MOST = 64 };
    if (stream->descriptor < 0)
        return;
    if (stream->tls != NULL)
        mur_tls_farewell(stream->tls);
    (void)shutdown(stream->descriptor, SHUT_WR);
    char ignored[16384];
    for (int i = 0; i < AT_MOST; i++)
        if (recv(stream->descriptor, ignored, sizeof(ignored), 0) <= 0)
            break;
}

void mur_stream_interrupt(struct mur_stream *stream)
{
    __atomic_store_n(&stream->interrupted, 1, __ATOMIC_RELEASE);
    if (stream->descriptor >= 0)
        (void)shutdown(stream->descriptor, SHUT_RD);
}
