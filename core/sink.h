/** Where a producer puts bytes: a callback and what belongs to it. */
#ifndef MUR_CORE_SINK_H
#define MUR_CORE_SINK_H

#include <stddef.h>

#include "core/buffer.h"
#include "core/error.h"

struct mur_sink {
    /** Takes all of the bytes or fails; @p bytes are borrowed for the call. */
    enum mur_status (*write)(void *user, const void *bytes, size_t length, struct mur_error *error);
    void *user;
};

/** Appends to @p buffer, which must outlive the sink. */
struct mur_sink mur_sink_buffer(struct mur_buffer *buffer);
/** Writes to *@p descriptor, which must outlive the sink; see mur_write_full(). */
struct mur_sink mur_sink_descriptor(int *descriptor);

#endif
