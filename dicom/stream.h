/**
 * Bytes over a connected socket with absolute deadlines, plain or by TLS. Nonblocking beneath.
 * Threads: one at a time, except mur_stream_interrupt().
 */
#ifndef MUR_DICOM_STREAM_H
#define MUR_DICOM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/error.h"
#include "dicom/tls.h"

struct mur_tls_session;

struct mur_stream {
    int descriptor;              /**< owned; -1 when there is none */
    int interrupted;             /**< by __atomic builtins */
    bool likely_ready;           /**< the last read was not short: try before polling */
    struct mur_tls_session *tls; /**< owned; NULL: plain */
};
#define MUR_STREAM_NONE ((struct mur_stream){.descriptor = -1})

enum { MUR_NO_DEADLINE = -1 };

/** In milliseconds of mur_clock_monotonic_ms(); a negative timeout is MUR_NO_DEADLINE. */
int64_t mur_deadline_after(int timeout_ms);

/** Takes the descriptor: nonblocking, TCP_NODELAY, closed on exec. */
void mur_stream_init(struct mur_stream *stream, int descriptor);
void mur_stream_close(struct mur_stream *stream);
/** The stream, which leaves its place. */
struct mur_stream mur_stream_steal(struct mur_stream *stream);

/** What mur_stream_poll() waits for. */
enum mur_stream_event { MUR_STREAM_READABLE, MUR_STREAM_WRITABLE };
/** @param wake_fd  ends the wait when it is readable (MUR_CANCELLED); -1 for none
 * @retval MUR_TIMEOUT, MUR_CANCELLED */
MUR_NODISCARD
enum mur_status mur_stream_poll(struct mur_stream *stream, enum mur_stream_event event, int wake_fd,
                                int64_t deadline_ms, struct mur_error *error);

/** At least one byte. @retval MUR_CLOSED end of the stream or reset, MUR_TIMEOUT, MUR_CANCELLED */
MUR_NODISCARD
enum mur_status mur_stream_read(size_t *out, struct mur_stream *stream, void *bytes,
                                size_t capacity, int64_t deadline_ms, struct mur_error *error);
/** All bytes of all vectors, which are changed meanwhile. */
MUR_NODISCARD
enum mur_status mur_stream_write(struct mur_stream *stream, struct iovec *vectors, size_t count,
                                 int64_t deadline_ms, struct mur_error *error);

/* ---- TLS ---- */

/** Puts TLS in between; nothing is sent yet. @param host  whom we call; NULL: we are called */
MUR_NODISCARD
enum mur_status mur_stream_secure(struct mur_stream *stream, struct mur_tls *tls, const char *host,
                                  struct mur_error *error);
/** Agrees on TLS with the peer; where the time was too short, the call may be repeated.
 * @retval MUR_TIMEOUT, MUR_CANCELLED
 * @retval MUR_PARSE  not agreed on, and the peer was told; the message says why */
MUR_NODISCARD
enum mur_status mur_stream_handshake(struct mur_stream *stream, int64_t deadline_ms,
                                     struct mur_error *error);
/** Protocol, cipher and the peer's name by its certificate; "" if it is plain; borrowed. */
const char *mur_stream_security(const struct mur_stream *stream);

/* ---- without waiting, for who watches many of them ---- */

/** As mur_stream_handshake(). @retval MUR_BUSY  to be repeated after @p wanted */
MUR_NODISCARD
enum mur_status mur_stream_try_handshake(enum mur_stream_event *wanted, struct mur_stream *stream,
                                         struct mur_error *error);
/** At least one byte. @retval MUR_BUSY  to be repeated after @p wanted; MUR_CLOSED */
MUR_NODISCARD
enum mur_status mur_stream_try_read(size_t *out, enum mur_stream_event *wanted,
                                    struct mur_stream *stream, void *bytes, size_t capacity);
/** Bytes were taken from the socket already: it need not become readable before they can be read.
 */
bool mur_stream_has_buffered(const struct mur_stream *stream);

/** Says that no more will be written, and throws away what the peer sent already: with unread bytes
 * a close would reset the connection and our last words might be lost. */
void mur_stream_finish(struct mur_stream *stream);
/** Any thread: what waits, and all that comes later, fails with MUR_CANCELLED. */
void mur_stream_interrupt(struct mur_stream *stream);

#endif
