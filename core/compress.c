#include "core/compress.h"

#include <stdatomic.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "core/file.h"

enum { BLOCK_SIZE = 64 * 1024 };
/* 8 MB, zstd's own limit for decoders, stated so that no frame from outside can ask for more. */
enum { WINDOW_LOG_LIMIT = 23 };

MUR_DEFINE_AUTO(ZSTD_DCtx_s, (void)ZSTD_freeDCtx)

/* Encoders between two uses: making one, and touching its memory, costs more than compressing a
 * header of 5 kB (22 us, 10 with one that is there). */
static _Atomic(ZSTD_CCtx *) idle_encoders[4];

static enum mur_status encoder_take(ZSTD_CCtx **out, struct mur_error *error)
{
    ZSTD_CCtx *context = NULL;
    for (size_t i = 0; context == NULL && i < MUR_COUNT(idle_encoders); i++)
        context = atomic_exchange(&idle_encoders[i], NULL);
    if (context == NULL)
        context = ZSTD_createCCtx();
    if (context == NULL)
        return mur_error_no_memory(error);
    *out = context;
    return MUR_OK;
}

static void encoder_return(ZSTD_CCtx *context)
{
    for (size_t i = 0; i < MUR_COUNT(idle_encoders); i++) {
        ZSTD_CCtx *none = NULL;
        if (atomic_compare_exchange_strong(&idle_encoders[i], &none, context))
            return;
    }
    (void)ZSTD_freeCCtx(context);
}

enum mur_status mur_zstd_compress(struct mur_buffer *out, const void *bytes, size_t length,
                                  int level, struct mur_error *error)
{
    size_t bound = ZSTD_compressBound(length);
    enum mur_status status = mur_buffer_reserve(out, bound, error);
    ZSTD_CCtx *context = NULL;
    if (status == MUR_OK)
        status = encoder_take(&context, error);
    if (status != MUR_OK)
        return status;
    size_t used = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(used))
        used = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    if (!ZSTD_isError(used))
        used = ZSTD_compress2(context, out->data + out->length, bound, bytes, length);
    encoder_return(context);
    if (ZSTD_isError(used)) {
        out->data[out->length] = '\0';
        return mur_error_set(error, MUR_INTERNAL, "cannot compress: %s", ZSTD_getErrorName(used));
    }
    out->length += used;
    out->data[out->length] = '\0';
    return MUR_OK;
}

/* Feeds @p input to the decoder. *ended says whether a frame has just ended. */
static enum mur_status decompress_piece(ZSTD_DCtx *context, ZSTD_inBuffer input,
                                        struct mur_sink sink, uint64_t *left, bool *ended,
                                        struct mur_error *error)
{
    char block[BLOCK_SIZE];
    for (;;) {
        ZSTD_outBuffer output = {.dst = block, .size = sizeof block, .pos = 0};
        size_t result = ZSTD_decompressStream(context, &output, &input);
        if (ZSTD_isError(result))
            return mur_error_set(error, MUR_CORRUPT, "not Zstandard, or damaged: %s",
                                 ZSTD_getErrorName(result));
        if (output.pos > *left)
            return mur_error_set(error, MUR_LIMIT, "expands to more than the limit");
        *left -= output.pos;
        if (output.pos > 0) {
            enum mur_status status = sink.write(sink.user, block, output.pos, error);
            if (status != MUR_OK)
                return status;
        }
        *ended = result == 0;
        if (input.pos == input.size && output.pos < sizeof block)
            return MUR_OK;
    }
}

static enum mur_status decoder_create(ZSTD_DCtx **out, struct mur_error *error)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return mur_error_no_memory(error);
    (void)ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_LIMIT);
    *out = context;
    return MUR_OK;
}

enum mur_status mur_zstd_decompress(struct mur_buffer *out, const void *bytes, size_t length,
                                    size_t limit, struct mur_error *error)
{
    MUR_AUTO(ZSTD_DCtx_s) *context = NULL;
    enum mur_status status = decoder_create(&context, error);
    if (status != MUR_OK)
        return status;
    size_t begin = out->length;
    uint64_t left = limit;
    bool ended = false;
    ZSTD_inBuffer input = {.src = bytes, .size = length, .pos = 0};
    status = decompress_piece(context, input, mur_sink_buffer(out), &left, &ended, error);
    if (status == MUR_OK && !ended)
        status = mur_error_set(error, MUR_CORRUPT, "Zstandard frame is cut");
    if (status != MUR_OK && out->data != NULL) {
        out->length = begin;
        out->data[begin] = '\0';
    }
    return status;
}

enum mur_status mur_zstd_read(struct mur_sink sink, int descriptor, uint64_t limit,
                              struct mur_error *error)
{
    MUR_AUTO(ZSTD_DCtx_s) *context = NULL;
    enum mur_status status = decoder_create(&context, error);
    if (status != MUR_OK)
        return status;
    char block[BLOCK_SIZE];
    bool ended = false;
    for (;;) {
        size_t length;
        status = mur_read_full(&length, descriptor, block, sizeof block, "compressed file", error);
        if (status != MUR_OK)
            return status;
        if (length == 0)
            break;
        ZSTD_inBuffer input = {.src = block, .size = length, .pos = 0};
        status = decompress_piece(context, input, sink, &limit, &ended, error);
        if (status != MUR_OK)
            return status;
    }
    return ended ? MUR_OK : mur_error_set(error, MUR_CORRUPT, "Zstandard frame is cut");
}

struct mur_zstd_writer {
    ZSTD_CCtx *context;
    struct mur_sink sink;
    char block[BLOCK_SIZE];
};

enum mur_status mur_zstd_writer_create(struct mur_zstd_writer **out, struct mur_sink sink,
                                       int level, struct mur_error *error)
{
    MUR_AUTO(mur_zstd_writer) *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mur_error_no_memory(error);
    writer->context = ZSTD_createCCtx();
    if (writer->context == NULL)
        return mur_error_no_memory(error);
    writer->sink = sink;
    size_t result = ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(result))
        result = ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1);
    if (ZSTD_isError(result))
        return mur_error_set(error, MUR_INTERNAL, "cannot compress: %s", ZSTD_getErrorName(result));
    *out = MUR_STEAL(writer);
    return MUR_OK;
}

void mur_zstd_writer_free(struct mur_zstd_writer *writer)
{
    if (writer == NULL)
        return;
    (void)ZSTD_freeCCtx(writer->context);
    free(writer);
}

static enum mur_status compress_piece(struct mur_zstd_writer *writer, const void *bytes,
                                      size_t length, ZSTD_EndDirective end, struct mur_error *error)
{
    ZSTD_inBuffer input = {.src = bytes, .size = length, .pos = 0};
    for (;;) {
        ZSTD_outBuffer output = {.dst = writer->block, .size = sizeof writer->block, .pos = 0};
        size_t left = ZSTD_compressStream2(writer->context, &output, &input, end);
        if (ZSTD_isError(left))
            return mur_error_set(error, MUR_INTERNAL, "cannot compress: %s",
                                 ZSTD_getErrorName(left));
        if (output.pos > 0) {
            enum mur_status status =
                writer->sink.write(writer->sink.user, writer->block, output.pos, error);
            if (status != MUR_OK)
                return status;
        }
        if (end == ZSTD_e_end ? left == 0 : input.pos == input.size)
            return MUR_OK;
    }
}

enum mur_status mur_zstd_writer_write(struct mur_zstd_writer *writer, const void *bytes,
                                      size_t length, struct mur_error *error)
{
    return compress_piece(writer, bytes, length, ZSTD_e_continue, error);
}

enum mur_status mur_zstd_writer_finish(struct mur_zstd_writer *writer, struct mur_error *error)
{
    return compress_piece(writer, NULL, 0, ZSTD_e_end, error);
}

static enum mur_status write_zstd(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    struct mur_zstd_writer *writer = user;
    return mur_zstd_writer_write(writer, bytes, length, error);
}

struct mur_sink mur_zstd_writer_sink(struct mur_zstd_writer *writer)
{
    return (struct mur_sink){.write = write_zstd, .user = writer};
}

struct mur_inflate {
    z_stream stream;
    bool open;
    bool ended;
    uint64_t left;
};

/* @param window  as inflateInit2() takes it: negative for a raw stream, with GZIP added for gzip */
static enum mur_status inflater_create(struct mur_inflate **out, int window, uint64_t limit,
                                       struct mur_error *error)
{
    MUR_AUTO(mur_inflate) *inflater = calloc(1, sizeof *inflater);
    if (inflater == NULL)
        return mur_error_no_memory(error);
    if (inflateInit2(&inflater->stream, window) != Z_OK)
        return mur_error_no_memory(error);
    inflater->open = true;
    inflater->left = limit;
    *out = MUR_STEAL(inflater);
    return MUR_OK;
}

enum mur_status mur_inflate_create(struct mur_inflate **out, uint64_t limit,
                                   struct mur_error *error)
{
    return inflater_create(out, -MAX_WBITS, limit, error);
}

enum mur_status mur_gunzip_create(struct mur_inflate **out, uint64_t limit, struct mur_error *error)
{
    enum { GZIP = 16 };
    return inflater_create(out, GZIP + MAX_WBITS, limit, error);
}

void mur_inflate_free(struct mur_inflate *inflater)
{
    if (inflater == NULL)
        return;
    if (inflater->open)
        (void)inflateEnd(&inflater->stream);
    free(inflater);
}

static enum mur_status inflate_piece(struct mur_inflate *inflater, struct mur_sink sink,
                                     const unsigned char *bytes, unsigned length,
                                     struct mur_error *error)
{
    unsigned char block[BLOCK_SIZE];
    z_stream *stream = &inflater->stream;
    stream->next_in = (unsigned char *)bytes;
    stream->avail_in = length;
    do {
        stream->next_out = block;
        stream->avail_out = sizeof block;
        int result = inflate(stream, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR)
            return mur_error_no_memory(error);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return mur_error_set(error, MUR_PARSE, "deflated data are damaged: %s",
                                 stream->msg != NULL ? stream->msg : "unknown reason");
        size_t produced = sizeof block - stream->avail_out;
        if (produced > inflater->left)
            return mur_error_set(error, MUR_LIMIT, "deflated data expand to more than the limit");
        inflater->left -= produced;
        if (produced > 0) {
            enum mur_status status = sink.write(sink.user, block, produced, error);
            if (status != MUR_OK)
                return status;
        }
        inflater->ended = result == Z_STREAM_END;
    } while (!inflater->ended && (stream->avail_in > 0 || stream->avail_out == 0));
    return MUR_OK;
}

enum mur_status mur_inflate_write(struct mur_inflate *inflater, struct mur_sink sink,
                                  const void *bytes, size_t length, struct mur_error *error)
{
    const unsigned char *at = bytes;
    while (length > 0 && !inflater->ended) {
        unsigned part = length < BLOCK_SIZE ? (unsigned)length : BLOCK_SIZE;
        enum mur_status status = inflate_piece(inflater, sink, at, part, error);
        if (status != MUR_OK)
            return status;
        at += part;
        length -= part;
    }
    return MUR_OK;
}

bool mur_inflate_ended(const struct mur_inflate *inflater)
{
    return inflater->ended;
}
