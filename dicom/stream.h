/**
 * Bytes over a connected socket with absolute deadlines. Nonblocking beneath; the one place to put
 * TLS. Threads: one at a time, except mur_stream_interrupt().
 */
#ifndef MUR_DICOM_STREAM_H
#define MUR_DICOM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/error.h"

struct mur_stream {
    int descriptor;    /**< owned; -1 when there is none */
    int interrupted;   /**< by __atomic builtins */
    bool likely_ready; /**< the last read was not short: try before polling */
};

enum { MUR_NO_DEADLINE = -1 };

/** In milliseconds of mur_clock_monotonic_ms(); a negative timeout is MUR_NO_DEADLINE. */
int64_t mur_deadline_after(int timeout_ms);

/** Takes the descriptor: nonblocking, TCP_NODELAY, closed on exec. */
void mur_stream_init(struct mur_stream *stream, int descriptor);
void mur_stream_close(struct mur_stream *stream);

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
/** Says that no more will be written, and throws away what the peer sent already: with unread bytes
 * a close would reset the connection and our last words might be lost. */
void mur_stream_finish(struct mur_stream *stream);
/** Any thread: what waits, and all that comes later, fails with MUR_CANCELLED. */
void mur_stream_interrupt(struct mur_stream *stream);

#endif
