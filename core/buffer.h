/**
 * A growable run of bytes, always followed by a NUL that does not count, so that text in it is a C
 * string. Threads: one at a time per buffer.
 */
#ifndef MUR_CORE_BUFFER_H
#define MUR_CORE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct mur_buffer {
    char *data; /**< owned; NULL while nothing was added */
    size_t length;
    size_t capacity;
    size_t limit; /**< 0 = none; growing past it is MUR_LIMIT */
};

#define MUR_BUFFER_INIT                                                                            \
    {                                                                                              \
        .data = NULL, .length = 0, .capacity = 0, .limit = 0                                       \
    }
/** MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT; */
#define MUR_AUTO_BUFFER __attribute__((cleanup(mur_buffer_free)))

void mur_buffer_free(struct mur_buffer *buffer);  /**< leaves an empty buffer */
void mur_buffer_clear(struct mur_buffer *buffer); /**< keeps the memory */

/** Makes room for @p extra more bytes. @retval MUR_LIMIT, MUR_NO_MEMORY */
MUR_NODISCARD
enum mur_status mur_buffer_reserve(struct mur_buffer *buffer, size_t extra,
                                   struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_buffer_append(struct mur_buffer *buffer, const void *bytes, size_t length,
                                  struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_buffer_append_text(struct mur_buffer *buffer, const char *text,
                                       struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_buffer_append_format(struct mur_buffer *buffer, struct mur_error *error,
                                         const char *format, ...) MUR_PRINTF(3, 4);
/** The text, "" when empty; borrowed until the buffer changes. */
const char *mur_buffer_text(const struct mur_buffer *buffer);
/** Hands the bytes to the caller (free()), leaving the buffer empty; never NULL on success. */
MUR_NODISCARD
enum mur_status mur_buffer_take(char **out, struct mur_buffer *buffer, struct mur_error *error);

#endif
