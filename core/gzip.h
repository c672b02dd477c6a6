/**
 * Writes a gzip stream (RFC 1952) on several threads: blocks are compressed beside each other, each
 * with the end of the one before as its dictionary, and make one member as a single compressor
 * would. Threads: one at a time per writer; the sink is called by the thread that writes.
 */
#ifndef MUR_CORE_GZIP_H
#define MUR_CORE_GZIP_H

#include <stddef.h>

#include "core/error.h"
#include "core/own.h"
#include "core/sink.h"

struct mur_gzip_writer;

enum { MUR_GZIP_THREAD_LIMIT = 16 };

/** @param level  1 (fast) to 9; @param threads  1 to MUR_GZIP_THREAD_LIMIT that compress; the bytes
 * do not depend on it, nor on time or name. */
MUR_NODISCARD
enum mur_status mur_gzip_writer_create(struct mur_gzip_writer **out, struct mur_sink sink,
                                       int level, unsigned threads, struct mur_error *error);
void mur_gzip_writer_free(struct mur_gzip_writer *writer); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_gzip_writer, mur_gzip_writer_free)
MUR_NODISCARD
enum mur_status mur_gzip_writer_write(struct mur_gzip_writer *writer, const void *bytes,
                                      size_t length, struct mur_error *error);
/** Ends the stream; the writer can only be freed then. */
MUR_NODISCARD
enum mur_status mur_gzip_writer_finish(struct mur_gzip_writer *writer, struct mur_error *error);

#endif
