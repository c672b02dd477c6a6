/** Shared by seg_volume.c and seg_planes.c: a segmentation on a grid. Not for others. */
#ifndef MUR_CONVERTERS_SEG_VOLUME_INTERNAL_H
#define MUR_CONVERTERS_SEG_VOLUME_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/seg_grid.h"
#include "converters/seg_reader.h"
#include "converters/seg_volume.h"

struct mur_seg_volume {
    struct mur_seg_reader *reader;
    const struct mur_seg_info *info;
    struct mur_volume_geometry grid;
    struct mur_seg_placement placement;
    enum mur_seg_overlap overlap;
    double threshold;
    size_t words; /**< of a mask */
    size_t pixels;
    uint64_t *mask, *other, *taken;
    uint16_t *values;    /**< of a frame of a label map */
    uint16_t *label_of;  /**< label maps: by pixel value */
    uint32_t *layer_of;  /**< likewise */
    uint32_t *order;     /**< frames by slice, then rank, then segment */
    uint32_t *begins;    /**< in order, of each slice of placement.axis[2], and the end */
    int *ranks;          /**< of each segment: priority, the smaller wins; else UNRANKED */
    uint64_t *conflicts; /**< a bit for each pair of segments; NULL: none overlap */
    size_t conflict_count;
    struct mur_seg_label *labels;
    uint32_t layers;
    unsigned voxel_size;
    uint8_t *plane;     /**< one slice of frames */
    uint8_t *slice;     /**< one of the grid, or a whole layer where frames lie across */
    int64_t held_layer; /**< in slice; -1: none */
};

static inline bool mur_seg_is_label_map(const struct mur_seg_volume *volume)
{
    return volume->info->kind == MUR_SEG_LABELMAP;
}

#endif
