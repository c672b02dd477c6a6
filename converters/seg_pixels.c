#include "converters/seg_pixels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/compress.h"
#include "core/file.h"

enum {
    RLE_HEADER_SIZE = 64,
    RLE_SEGMENT_LIMIT = 15,
    WORD_BITS = 64,
};

void mur_seg_pixels_free(struct mur_seg_pixels *pixels)
{
    free(pixels->fragments);
    free(pixels->packed);
    free(pixels->frame);
    pixels->fragments = NULL;
    pixels->packed = NULL;
    pixels->frame = NULL;
    pixels->packed_size = pixels->frame_size = 0;
}

size_t mur_seg_pixels_words(const struct mur_seg_pixels *pixels)
{
    return (pixels->frame_pixels + WORD_BITS - 1) / WORD_BITS;
}

enum mur_status mur_seg_pixels_read(uint8_t *out, const struct mur_seg_pixels *pixels,
                                    uint64_t offset, size_t length, struct mur_error *error)
{
    if (pixels->memory != NULL) {
        memcpy(out, pixels->memory + offset, length); /* the scanner saw all of it */
        return MUR_OK;
    }
    size_t got = 0;
    enum mur_status status =
        mur_pread_full(&got, pixels->descriptor, out, length, (off_t)offset, pixels->path, error);
    if (status == MUR_OK && got != length)
        status = mur_error_set(error, MUR_PARSE, "%s: was cut while it was read", pixels->path);
    return status;
}

static enum mur_status reserve(uint8_t **bytes, size_t *size, size_t wanted,
                               struct mur_error *error)
{
    if (*size >= wanted)
        return MUR_OK;
    uint8_t *grown = realloc(*bytes, wanted);
    if (grown == NULL)
        return mur_error_no_memory(error);
    *bytes = grown;
    *size = wanted;
    return MUR_OK;
}

/* ---- bits ----------------------------------------------------------------------------------- */

static uint64_t little_endian(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

enum mur_status mur_seg_pixels_bits(uint64_t *out, struct mur_seg_pixels *pixels, size_t frame,
                                    struct mur_error *error)
{
    uint64_t first = (uint64_t)frame * pixels->frame_pixels;
    unsigned shift = (unsigned)(first % 8);
    size_t bytes = (pixels->frame_pixels + shift + 7) / 8, words = mur_seg_pixels_words(pixels);
    size_t room = words * sizeof *out + 1;
    enum mur_status status = reserve(&pixels->packed, &pixels->packed_size, room, error);
    if (status == MUR_OK)
        status =
            mur_seg_pixels_read(pixels->packed, pixels, pixels->offset + first / 8, bytes, error);
    if (status != MUR_OK)
        return status;
    memset(pixels->packed + bytes, 0, room - bytes);
    if (shift == 0)
        for (size_t index = 0; index < words; index++)
            out[index] = little_endian(pixels->packed + index * 8);
    else
        for (size_t index = 0; index < words; index++)
            out[index] = little_endian(pixels->packed + index * 8) >> shift |
                         (uint64_t)pixels->packed[index * 8 + 8] << (WORD_BITS - shift);
    unsigned rest = (unsigned)(pixels->frame_pixels % WORD_BITS);
    if (rest != 0) /* the bits after it are the next frame's */
        out[words - 1] &= (UINT64_C(1) << rest) - 1;
    return MUR_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static uint32_t read_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static enum mur_status damaged(const struct mur_seg_pixels *pixels, size_t frame, const char *what,
                               struct mur_error *error)
{
    return mur_error_set(error, MUR_PARSE, "%s: Pixel Data of frame %zu: %s", pixels->path,
                         frame + 1, what);
}

/* One RLE segment (PS3.5 G.3): every @p step-th byte of the frame. @return false if it ends early
 * or says too much */
static bool unpack_rle(uint8_t *out, size_t count, size_t step, const uint8_t *from,
                       const uint8_t *end)
{
    size_t done = 0;
    while (done < count) {
        if (from == end)
            return false;
        unsigned code = *from++;
        if (code == 128)
            continue;
        size_t run = code < 128 ? code + 1u : 257u - code;
        size_t needed = code < 128 ? run : 1;
        if (run > count - done || needed > (size_t)(end - from))
            return false;
        for (size_t index = 0; index < run; index++)
            out[(done + index) * step] = code < 128 ? from[index] : from[0];
        from += needed;
        done += run;
    }
    return true;
}

static enum mur_status decode_rle(struct mur_seg_pixels *pixels, size_t frame, size_t length,
                                  struct mur_error *error)
{
    size_t planes = pixels->bits / 8;
    if (length < RLE_HEADER_SIZE)
        return damaged(pixels, frame, "shorter than an RLE header", error);
    const uint8_t *bytes = pixels->packed;
    uint32_t count = read_u32(bytes);
    if (count != planes || count > RLE_SEGMENT_LIMIT)
        return damaged(pixels, frame, "another number of RLE segments than its bits need", error);
    for (size_t plane = 0; plane < planes; plane++) {
        uint32_t begin = read_u32(bytes + 4 * (plane + 1));
        uint32_t end = plane + 1 < planes ? read_u32(bytes + 4 * (plane + 2)) : (uint32_t)length;
        if (begin < RLE_HEADER_SIZE || begin > end || end > length)
            return damaged(pixels, frame, "RLE segments lie outside of the fragment", error);
        /* the most significant byte comes first */
        if (!unpack_rle(pixels->frame + (planes - 1 - plane), pixels->frame_pixels, planes,
                        bytes + begin, bytes + end))
            return damaged(pixels, frame, "RLE data do not hold as many pixels as they should",
                           error);
    }
    return MUR_OK;
}

struct fixed {
    uint8_t *bytes;
    size_t used, size;
};

static enum mur_status fill_fixed(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    struct fixed *fixed = user;
    if (length > fixed->size - fixed->used) /* one byte may pad the frame to an even length */
        length = fixed->size - fixed->used;
    (void)error;
    memcpy(fixed->bytes + fixed->used, bytes, length);
    fixed->used += length;
    return MUR_OK;
}

static enum mur_status decode_deflated(struct mur_seg_pixels *pixels, size_t frame, size_t length,
                                       size_t frame_bytes, struct mur_error *error)
{
    MUR_AUTO(mur_inflate) *inflate = NULL;
    struct fixed fixed = {.bytes = pixels->frame, .used = 0, .size = frame_bytes};
    struct mur_sink sink = {.write = fill_fixed, .user = &fixed};
    enum mur_status status = mur_inflate_create(&inflate, frame_bytes + 1, error);
    if (status == MUR_OK &&
        mur_inflate_write(inflate, sink, pixels->packed, length, error) != MUR_OK)
        return mur_error_prefix(error, "%s: Pixel Data of frame %zu", pixels->path, frame + 1);
    if (status == MUR_OK && (fixed.used != frame_bytes || !mur_inflate_ended(inflate)))
        status = damaged(pixels, frame, "inflates to less than a frame", error);
    return status;
}

enum mur_status mur_seg_pixels_bytes(const uint8_t **out, struct mur_seg_pixels *pixels,
                                     size_t frame, struct mur_error *error)
{
    size_t bytes = pixels->frame_pixels * (pixels->bits / 8);
    enum mur_status status = reserve(&pixels->frame, &pixels->frame_size, bytes, error);
    if (status != MUR_OK)
        return status;
    if (pixels->packing == MUR_PIXELS_NATIVE) {
        status = mur_seg_pixels_read(pixels->frame, pixels, pixels->offset + frame * bytes, bytes,
                                     error);
    } else {
        const struct mur_pixel_fragment *fragment = &pixels->fragments[frame];
        status = reserve(&pixels->packed, &pixels->packed_size, fragment->length, error);
        if (status == MUR_OK)
            status = mur_seg_pixels_read(pixels->packed, pixels, fragment->offset, fragment->length,
                                         error);
        if (status == MUR_OK && pixels->packing == MUR_PIXELS_RLE)
            status = decode_rle(pixels, frame, fragment->length, error);
        else if (status == MUR_OK)
            status = decode_deflated(pixels, frame, fragment->length, bytes, error);
    }
    if (status == MUR_OK)
        *out = pixels->frame;
    return status;
}
