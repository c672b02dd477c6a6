#include "dicom/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"

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
    if (stream->descriptor >= 0)
        (void)close(stream->descriptor);
    stream->descriptor = -1;
}

static bool is_interrupted(const struct mur_stream *stream)
{
    return __atomic_load_n(&stream->interrupted, __ATOMIC_ACQUIRE) != 0;
}

static enum mur_status cancelled(struct mur_error *error)
{
    return mur_error_set(error, MUR_CANCELLED, "interrupted");
}

enum mur_status mur_stream_poll(struct mur_stream *stream, enum mur_stream_event event, int wake_fd,
                                int64_t deadline_ms, struct mur_error *error)
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

enum mur_status mur_stream_read(size_t *out, struct mur_stream *stream, void *bytes,
                                size_t capacity, int64_t deadline_ms, struct mur_error *error)
{
    for (;;) {
        if (!stream->likely_ready) {
            enum mur_status status =
                mur_stream_poll(stream, MUR_STREAM_READABLE, -1, deadline_ms, error);
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
                mur_stream_poll(stream, MUR_STREAM_WRITABLE, -1, deadline_ms, error);
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

void mur_stream_finish(struct mur_stream *stream)
{
    enum { AT_MOST = 64 };
    if (stream->descriptor < 0)
        return;
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
