/** Shared by the parts of labels_to_seg.h: one conversion while it goes on. Not for others. */
#ifndef MUR_CONVERTERS_LABELS_INTERNAL_H
#define MUR_CONVERTERS_LABELS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/label_map.h"
#include "converters/label_values.h"
#include "converters/labels_to_seg.h"
#include "converters/original.h"
#include "core/buffer.h"
#include "core/digest.h"
#include "core/error.h"

struct mur_label_block;

/** A binary frame that is not empty: bytes @c first and on of its bits, without zeros around. */
struct mur_label_frame {
    uint32_t segment; /**< index in the options */
    uint32_t plane;
    uint32_t first, length; /**< bytes */
    uint8_t *bits;
};

struct mur_label_job {
    const struct mur_seg_options *options;
    const struct mur_source_series *source;
    struct mur_volume_geometry target; /**< of the frames */
    size_t frame_pixels;
    size_t plane_size; /**< bytes of a plane of codes: pixels, rounded up to a multiple of 8 */
    uint8_t *codes;    /**< a plane, or a volume of them; zero beyond the pixels of a plane */
    size_t codes_size;
    /* Binary: */
    struct mur_label_block *arena;
    struct mur_label_frame *frames;
    size_t frame_count, frame_capacity;
    uint8_t *scratch; /**< bits of one plane */
    bool overlap;     /**< a pixel belongs to two segments */
    /* Label map: */
    unsigned label_bytes; /**< of a pixel: 1 or 2; 0: binary */
    uint16_t *numbers;    /**< Segment Number of each segment of the options */
    uint8_t **planes;     /**< target.dims[2] of them; NULL: empty so far */
    uint64_t planes_used;
    /* What it was made from: */
    struct mur_xxh128 *digest;           /**< of the file that is read */
    uint8_t (*digests)[MUR_XXH128_SIZE]; /**< of each file */
    uint32_t *layers;                    /**< of each file */
    struct mur_buffer content;           /**< digests of the files, as text */
    struct mur_sha256 *voxel_digest;     /**< of a map that is kept for the way back */
    struct mur_original original;        /**< header_length 0: none */
    double mask_value;                   /**< of a mask that is kept so: what its voxels are */
    bool mask_mixed;                     /**< they are of several values */
    struct mur_seg_report report;
};

/** What the values of one layer mean. */
struct mur_label_layer {
    struct mur_label_table table;
    uint16_t byte_entries[MUR_BYTE_VALUES]; /**< of small values, see mur_label_narrow() */
    uint16_t code_entries[MUR_BYTE_VALUES]; /**< of codes: themselves */
    uint32_t segments[MUR_LABEL_LIMIT + 1]; /**< index in the options, by code */
    unsigned code_count;                    /**< 0: nothing of the layer is wanted */
};

/** Reads all files into frames or planes (label_files.c). */
MUR_NODISCARD
enum mur_status mur_label_files_read(struct mur_label_job *job, struct mur_error *error);

/** Prepares for planes of the target, once it is known (label_planes.c). */
MUR_NODISCARD
enum mur_status mur_label_planes_begin(struct mur_label_job *job, struct mur_error *error);
/**
 * Takes the labels of a plane.
 * @param[in,out] bytes  job->plane_size of them; changed where several values are one segment
 * @param[in] present    which values occur
 * @param[in] entries    what they mean, without flags where they occur
 */
MUR_NODISCARD
enum mur_status mur_label_planes_add(struct mur_label_job *job, const struct mur_label_layer *layer,
                                     uint32_t plane, uint8_t *bytes,
                                     const bool present[MUR_BYTE_VALUES],
                                     const uint16_t entries[MUR_BYTE_VALUES],
                                     struct mur_error *error);
/** Sorts frames by segment and plane, joins those of the same, and looks for overlaps. */
MUR_NODISCARD
enum mur_status mur_label_planes_finish(struct mur_label_job *job, struct mur_error *error);
/** Frames of the result: binary ones, or planes of a label map. */
size_t mur_label_frame_total(const struct mur_label_job *job);
void mur_label_planes_free(struct mur_label_job *job);

/** Writes the instance (seg_object.c). */
MUR_NODISCARD
enum mur_status mur_label_write_object(struct mur_label_job *job, const struct mur_output *output,
                                       struct mur_error *error);

#endif
