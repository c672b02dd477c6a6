/**
 * What objects and index share of the private block MURPACS ISA 1.0 (docs/isa.md): which kinds of
 * cells there are and how their text is written. Threads: any.
 */
#ifndef MUR_MAPPING_PRIVATE_BLOCK_H
#define MUR_MAPPING_PRIVATE_BLOCK_H

#include "core/buffer.h"
#include "core/error.h"
#include "isa/isa.h"

enum { MUR_BLOCK_TEXT_LIMIT = 32768 }; /**< bytes of one text; what is longer is cut */

/** "characteristic", "factor", "parameter", "comment"; "name" of a node or protocol; "file";
 * "other" for dates, performers and what ISA-Tab does not know. In upper case it is element xx03.
 */
const char *mur_block_kind(enum mur_isa_kind kind);

/** Appends a heading or a cell: without blanks at its ends, slashes for backslashes (they separate
 * values), blanks for control characters. */
MUR_NODISCARD
enum mur_status mur_block_append_text(struct mur_buffer *out, const char *text,
                                      struct mur_error *error);

#endif
