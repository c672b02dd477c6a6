/**
 * The frames of a Segmentation's Pixel Data, one at a time: native ones anywhere in a file or in
 * memory, and encapsulated ones that need no library (RLE: PS3.5 Annex G; frames deflated one by
 * one: PS3.5 A.4.13). For seg_reader.c alone. Threads: one at a time.
 */
#ifndef MUR_CONVERTERS_SEG_PIXELS_H
#define MUR_CONVERTERS_SEG_PIXELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum mur_pixel_packing { MUR_PIXELS_NATIVE, MUR_PIXELS_RLE, MUR_PIXELS_DEFLATED };

struct mur_pixel_fragment {
    uint64_t offset; /**< as mur_seg_pixels.offset */
    uint32_t length;
};

struct mur_seg_pixels {
    const char *path;      /**< for messages; borrowed */
    int descriptor;        /**< borrowed; used where @c memory is NULL */
    const uint8_t *memory; /**< borrowed */
    uint64_t offset;       /**< of the value in file or memory */
    uint64_t length;       /**< of the value */
    enum mur_pixel_packing packing;
    struct mur_pixel_fragment *fragments; /**< owned: one for each frame; not if native */
    size_t fragment_count;
    size_t frame_pixels;
    unsigned bits; /**< 1, 8 or 16 */
    uint8_t *packed, *frame;
    size_t packed_size, frame_size;
};

/** What it owns; not the struct. */
void mur_seg_pixels_free(struct mur_seg_pixels *pixels);

/** Words that the bits of a frame fill. */
size_t mur_seg_pixels_words(const struct mur_seg_pixels *pixels);
/** @p bits 1: the bits of a frame, from the first bit of the first word on, zero after them.
 * @retval MUR_PARSE  cut or damaged: the message names file and frame; MUR_IO */
MUR_NODISCARD
enum mur_status mur_seg_pixels_bits(uint64_t *out, struct mur_seg_pixels *pixels, size_t frame,
                                    struct mur_error *error);
/** @p bits 8 or 16: the values of a frame, little endian. Borrowed until the next call. */
MUR_NODISCARD
enum mur_status mur_seg_pixels_bytes(const uint8_t **out, struct mur_seg_pixels *pixels,
                                     size_t frame, struct mur_error *error);

/** The bytes [offset, offset + length) of file or memory. @retval MUR_PARSE  it ends before */
MUR_NODISCARD
enum mur_status mur_seg_pixels_read(uint8_t *out, const struct mur_seg_pixels *pixels,
                                    uint64_t offset, size_t length, struct mur_error *error);

#endif
