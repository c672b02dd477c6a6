/**
 * Zstandard for what we store ourselves; inflate (RFC 1951) for Deflated Explicit VR Little Endian
 * (PS3.5 A.5). Every expansion has a limit. Threads: one at a time per handle.
 */
#ifndef MUR_CORE_COMPRESS_H
#define MUR_CORE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "core/sink.h"

/** Appends one frame, with a checksum, to @p out. @param level 1 (fast) to 19; 3 is usual */
MUR_NODISCARD
enum mur_status mur_zstd_compress(struct mur_buffer *out, const void *bytes, size_t length,
                                  int level, struct mur_error *error);
/** Appends the content of the frame (or frames).
 * @retval MUR_CORRUPT  not Zstandard, damaged or cut; @retval MUR_LIMIT  more than @p limit bytes
 */
MUR_NODISCARD
enum mur_status mur_zstd_decompress(struct mur_buffer *out, const void *bytes, size_t length,
                                    size_t limit, struct mur_error *error);

/** Compresses into a sink while it is written to, with constant memory. */
struct mur_zstd_writer;
MUR_NODISCARD
enum mur_status mur_zstd_writer_create(struct mur_zstd_writer **out, struct mur_sink sink,
                                       int level, struct mur_error *error);
void mur_zstd_writer_free(struct mur_zstd_writer *writer);
MUR_DEFINE_AUTO(mur_zstd_writer, mur_zstd_writer_free)
MUR_NODISCARD
enum mur_status mur_zstd_writer_write(struct mur_zstd_writer *writer, const void *bytes,
                                      size_t length, struct mur_error *error);
/** Ends the frame; the writer can only be freed then. Syncing the file is the caller's. */
MUR_NODISCARD
enum mur_status mur_zstd_writer_finish(struct mur_zstd_writer *writer, struct mur_error *error);
/** The writer as a sink, so that a JSON writer may write into it. */
struct mur_sink mur_zstd_writer_sink(struct mur_zstd_writer *writer);

/** Expands all of @p descriptor, from its position, into @p sink with constant memory.
 * @retval MUR_CORRUPT, MUR_LIMIT  as mur_zstd_decompress(); MUR_IO; or the sink's own */
MUR_NODISCARD
enum mur_status mur_zstd_read(struct mur_sink sink, int descriptor, uint64_t limit,
                              struct mur_error *error);

/** Inflates a raw stream (no zlib header) piece by piece. */
struct mur_inflate;
/** @param limit  bytes that may come out */
MUR_NODISCARD
enum mur_status mur_inflate_create(struct mur_inflate **out, uint64_t limit,
                                   struct mur_error *error);
/** Likewise a gzip stream (RFC 1952); its checksum is checked at the end. */
MUR_NODISCARD
enum mur_status mur_gunzip_create(struct mur_inflate **out, uint64_t limit,
                                  struct mur_error *error);
void mur_inflate_free(struct mur_inflate *inflater);
MUR_DEFINE_AUTO(mur_inflate, mur_inflate_free)
/** Puts what @p bytes yield into @p sink. Bytes after the end of the stream are ignored: PS3.5 A.5
 * allows one byte of padding. @retval MUR_PARSE  no such stream; MUR_LIMIT; or the sink's own */
MUR_NODISCARD
enum mur_status mur_inflate_write(struct mur_inflate *inflater, struct mur_sink sink,
                                  const void *bytes, size_t length, struct mur_error *error);
/** Whether the end of the stream was seen: false after the last piece means that it was cut. */
bool mur_inflate_ended(const struct mur_inflate *inflater);

#endif
