/**
 * Raw deflate (RFC 1951) for Deflated Explicit VR Little Endian (PS3.5 A.5), piece by piece with
 * constant memory. The same bytes give the same stream. Threads: one at a time per writer.
 */
#ifndef MUR_CORE_DEFLATE_H
#define MUR_CORE_DEFLATE_H

#include <stddef.h>

#include "core/error.h"
#include "core/own.h"
#include "core/sink.h"

struct mur_deflate_writer;

/** @param level  1 (fast) to 9 */
MUR_NODISCARD
enum mur_status mur_deflate_writer_create(struct mur_deflate_writer **out, struct mur_sink sink,
                                          int level, struct mur_error *error);
void mur_deflate_writer_free(struct mur_deflate_writer *writer); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_deflate_writer, mur_deflate_writer_free)
MUR_NODISCARD
enum mur_status mur_deflate_writer_write(struct mur_deflate_writer *writer, const void *bytes,
                                         size_t length, struct mur_error *error);
/** Ends the stream; the writer can only be freed then. */
MUR_NODISCARD
enum mur_status mur_deflate_writer_finish(struct mur_deflate_writer *writer,
                                          struct mur_error *error);

#endif
