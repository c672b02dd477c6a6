#include "core/deflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

enum { BLOCK_SIZE = 64 * 1024, INPUT_LIMIT = 1 << 30, MEMORY_LEVEL = 8 };

struct mur_deflate_writer {
    z_stream stream;
    bool open;
    struct mur_sink sink;
    unsigned char block[BLOCK_SIZE];
};

enum mur_status mur_deflate_writer_create(struct mur_deflate_writer **out, struct mur_sink sink,
                                          int level, struct mur_error *error)
{
    MUR_AUTO(mur_deflate_writer) *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mur_error_no_memory(error);
    writer->sink = sink;
    int result = deflateInit2(&writer->stream, level, Z_DEFLATED, -MAX_WBITS, MEMORY_LEVEL,
                              Z_DEFAULT_STRATEGY);
    if (result == Z_STREAM_ERROR)
        return mur_error_set(error, MUR_INVALID, "compression level %d", level);
    if (result != Z_OK)
        return mur_error_no_memory(error);
    writer->open = true;
    *out = MUR_STEAL(writer);
    return MUR_OK;
}

void mur_deflate_writer_free(struct mur_deflate_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->open)
        (void)deflateEnd(&writer->stream);
    free(writer);
}

static enum mur_status deflate_piece(struct mur_deflate_writer *writer, int flush,
                                     struct mur_error *error)
{
    z_stream *stream = &writer->stream;
    int result = Z_OK;
    do {
        stream->next_out = writer->block;
        stream->avail_out = sizeof writer->block;
        result = deflate(stream, flush);
        if (result == Z_STREAM_ERROR)
            return mur_error_set(error, MUR_INTERNAL, "cannot deflate");
        size_t made = sizeof writer->block - stream->avail_out;
        enum mur_status status =
            made > 0 ? writer->sink.write(writer->sink.user, writer->block, made, error) : MUR_OK;
        if (status != MUR_OK)
            return status;
    } while (stream->avail_out == 0);
    return MUR_OK;
}

enum mur_status mur_deflate_writer_write(struct mur_deflate_writer *writer, const void *bytes,
                                         size_t length, struct mur_error *error)
{
    const unsigned char *at = bytes;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && length > 0) {
        unsigned part = length < INPUT_LIMIT ? (unsigned)length : INPUT_LIMIT;
        writer->stream.next_in = (unsigned char *)at; /* zlib does not write to it */
        writer->stream.avail_in = part;
        status = deflate_piece(writer, Z_NO_FLUSH, error);
        at += part;
        length -= part;
    }
    return status;
}

enum mur_status mur_deflate_writer_finish(struct mur_deflate_writer *writer,
                                          struct mur_error *error)
{
    writer->stream.next_in = NULL;
    writer->stream.avail_in = 0;
    return deflate_piece(writer, Z_FINISH, error);
}
