/**
 * Where a segmentation's frames lie in a volume: on the grid of the images they belong to, on one
 * that is made from their own positions, or on any other. Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_SEG_GRID_H
#define MUR_CONVERTERS_SEG_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/report.h"
#include "converters/seg_reader.h"
#include "core/error.h"

enum { MUR_SEG_SIDE_LIMIT = 32767 }; /**< slices of a grid that is made up */

/**
 * The smallest grid that holds all frames. Its step is the greatest common measure of their
 * positions' distances, or Spacing Between Slices where that is a part of it: planes on which no
 * segment lies have no frame.
 * @retval MUR_MISMATCH  positions do not lie on one line, or on no even grid: the message says
 *                       which frame
 */
MUR_NODISCARD
enum mur_status mur_seg_own_grid(struct mur_volume_geometry *out, const struct mur_seg_info *info,
                                 struct mur_warnings *warnings, struct mur_error *error);

/** Pixel (column, row) of a frame is the voxel whose index along axis[0] is start[0] + or -
 * column, along axis[1] start[1] + or - row, along axis[2] its slice. */
struct mur_seg_placement {
    unsigned axis[3];
    bool flip[2];
    uint32_t start[2];
    uint32_t *slices;    /**< owned: of each frame, along axis[2] */
    double error_voxels; /**< largest distance of a frame's corner from its voxel's centre */
};

/**
 * Places the frames on a grid, under any order and direction of axes; they may cover a part of it.
 * @param[out] out  free(out->slices)
 * @retval MUR_MISMATCH  they do not lie on it, within MUR_GRID_TOLERANCE_PERCENT of a voxel
 */
MUR_NODISCARD
enum mur_status mur_seg_place(struct mur_seg_placement *out, const struct mur_seg_info *info,
                              const struct mur_volume_geometry *grid, struct mur_error *error);

#endif
