/**
 * A segmentation as volumes of label values, slice by slice: what a label map holds. Segments that
 * overlap lie in several layers, or one of them wins where the caller says so; never does the last
 * one win in silence.
 *
 * Memory: a slice, and eight bytes for each frame; a volume where the frames lie across the slices
 * of the grid. Threads: one at a time per volume and its reader.
 */
#ifndef MUR_CONVERTERS_SEG_VOLUME_H
#define MUR_CONVERTERS_SEG_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/report.h"
#include "converters/seg_reader.h"
#include "core/error.h"
#include "core/own.h"

/** Where segments overlap. */
enum mur_seg_overlap {
    MUR_SEG_LAYERS,   /**< as few layers as are needed */
    MUR_SEG_REFUSE,   /**< MUR_MISMATCH */
    MUR_SEG_PRIORITY, /**< one layer; the segment that is named first has the voxel */
};

/** The value of a segment's voxels. */
enum mur_seg_numbers {
    /** That of the label map it was made from; segment numbers where not all segments have one, or
     * two have the same. */
    MUR_SEG_ORIGINAL_NUMBERS,
    MUR_SEG_SEGMENT_NUMBERS, /**< Segment Number */
};

enum { MUR_SEG_OVERLAP_LIMIT = 4096 }; /**< segments, where some of them overlap */

struct mur_seg_volume_options {
    enum mur_seg_overlap overlap;
    const uint16_t *priority; /**< Segment Numbers; of two that overlap one at least is named */
    size_t priority_count;
    enum mur_seg_numbers numbers;
    double threshold; /**< FRACTIONAL: the least part of a voxel that counts; 0: one half */
    uint32_t layers;  /**< that the original is known to have: they are kept, even empty ones; 0:
                           no more layers than segments */
};

/** What became of a segment. */
struct mur_seg_label {
    uint16_t value;   /**< in the volume; 0: it has no voxel of its own (background) */
    uint32_t layer;   /**< from 0 */
    uint64_t voxels;  /**< in the volume */
    double volume_ml; /**< likewise */
    uint32_t frames;  /**< that are its; label maps: that it appears in */
};

/** The threshold that holds. */
double mur_seg_threshold(const struct mur_seg_volume_options *options);

struct mur_seg_volume;

/**
 * Lays a segmentation on a grid. All pixels are read once for that.
 * @param[in] reader  borrowed
 * @param[in] grid    its frames may cover a part of it
 * @retval MUR_MISMATCH  frames do not lie on the grid; segments overlap that must not; pixels of a
 *                       label map name no segment; a segment is twice on the same plane
 * @retval MUR_LIMIT     more than MUR_SEG_OVERLAP_LIMIT segments, some of which overlap
 * @retval others        as mur_seg_read_mask()
 */
MUR_NODISCARD
enum mur_status mur_seg_volume_create(struct mur_seg_volume **out, struct mur_seg_reader *reader,
                                      const struct mur_volume_geometry *grid,
                                      const struct mur_seg_volume_options *options,
                                      struct mur_warnings *warnings, struct mur_error *error);
void mur_seg_volume_free(struct mur_seg_volume *volume);
MUR_DEFINE_AUTO(mur_seg_volume, mur_seg_volume_free)

/** Of each segment, in the reader's order. Borrowed. */
const struct mur_seg_label *mur_seg_volume_labels(const struct mur_seg_volume *volume);
/** At least 1. */
uint32_t mur_seg_volume_layers(const struct mur_seg_volume *volume);
/** Bytes of a voxel: 1 where no value exceeds 255, else 2. */
unsigned mur_seg_volume_voxel_size(const struct mur_seg_volume *volume);
/** Pairs of segments that overlap. */
size_t mur_seg_volume_overlaps(const struct mur_seg_volume *volume);

/**
 * The voxels of a slice of the grid, i fastest, as uint8_t or uint16_t.
 * @param[out] out  borrowed until the next call
 */
MUR_NODISCARD
enum mur_status mur_seg_volume_slice(const void **out, struct mur_seg_volume *volume,
                                     uint32_t layer, uint32_t slice, struct mur_error *error);

#endif
