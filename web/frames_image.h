/**
 * What must be known of an instance to give out its frames: how pixels are laid out, and where each
 * frame stands. Kept in memory from the first request on. Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_FRAMES_IMAGE_H
#define MUR_WEB_FRAMES_IMAGE_H

#include "dicom/vr.h"
#include "web/wado.h"

enum { MUR_FRAMES_LIMIT = 1 << 20, MUR_FRAGMENTS_LIMIT = 1 << 22 };

/** Part of encapsulated Pixel Data: its bytes in the Data Set. */
struct mur_fragment {
    uint64_t offset;
    uint32_t length;
    bool begins; /**< with what a frame begins with (JPEG: SOI, SOC) */
};

struct mur_image {
    struct mur_cached cached;
    unsigned rows, columns, samples, bits_allocated, bits_stored, high_bit, planar;
    bool is_signed;
    char photometric[17];
    uint32_t frames;
    uint32_t pixel_tag; /**< Pixel Data or one of its float kinds; 0: there are none */
    enum mur_vr pixel_vr;
    uint64_t offset, length; /**< of the pixels in the Data Set (deflated: inflated) */
    uint64_t frame_bits;     /**< of a native frame */
    bool encapsulated;
    struct mur_fragment *fragments;
    uint32_t *first; /**< fragment of each frame, and one behind the last; frames + 1 */
};

/**
 * Describes an instance, whose file is open.
 * @param[out] out  the caller's until mur_cache_release(mur_wado_images())
 * @retval MUR_NOT_FOUND  it has no pixels; MUR_CORRUPT  there are not so many
 * @retval MUR_UNSUPPORTED  frames cannot be told apart, or are laid out as none that we know
 */
MUR_NODISCARD
enum mur_status mur_image_get(struct mur_image **out, const struct mur_exchange *exchange,
                              const struct mur_instance *instance, int descriptor,
                              struct mur_error *error);

/**
 * Tells which fragments belong to which frame (PS3.5 A.4): by the offset table, by being as many,
 * all to a single one, or by how frames begin.
 * @param[out] first  frames + 1 numbers
 * @param starts  offsets of frames, from the first fragment's item on; NULL: there is no table
 * @retval MUR_UNSUPPORTED  cannot be told
 */
MUR_NODISCARD
enum mur_status mur_frames_divide(uint32_t *first, uint32_t frames,
                                  const struct mur_fragment *fragments, uint32_t count,
                                  const uint64_t *starts, struct mur_error *error);

#endif
