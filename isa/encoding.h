/** From the bytes of an ISA-Tab file to UTF-8. Pure functions: any thread. */
#ifndef MUR_ISA_ENCODING_H
#define MUR_ISA_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/error.h"

enum mur_isa_encoding {
    MUR_ISA_UTF8,
    MUR_ISA_UTF16, /**< by its byte order mark */
    MUR_ISA_CP1252 /**< whatever is neither: Windows-1252, which holds Latin-1 */
};

struct mur_isa_decoded {
    enum mur_isa_encoding encoding;
    bool byte_order_mark;
    size_t replaced; /**< NUL bytes and broken UTF-16 that became U+FFFD */
};

/** Turns @p bytes into UTF-8 without byte order mark, in place.
 * @retval MUR_NO_MEMORY, MUR_LIMIT  by the buffer's own limit */
MUR_NODISCARD
enum mur_status mur_isa_decode(struct mur_isa_decoded *out, struct mur_buffer *bytes,
                               struct mur_error *error);

#endif
