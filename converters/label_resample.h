/**
 * Labels on another grid: each voxel of the target gets the label whose voxel's centre is nearest,
 * background outside. Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_LABEL_RESAMPLE_H
#define MUR_CONVERTERS_LABEL_RESAMPLE_H

#include <stdint.h>

#include "converters/geometry.h"
#include "core/error.h"

struct mur_label_resampler {
    double origin[3], step[3][3]; /**< voxel of the file for (0,0,0), and per step along i, j, k */
    uint32_t to_dims[3], from_dims[3];
};

/** @retval MUR_MISMATCH  the file's axes lie in a plane */
MUR_NODISCARD
enum mur_status mur_label_resampler_init(struct mur_label_resampler *out,
                                         const struct mur_volume_geometry *target,
                                         const struct mur_volume_geometry *file,
                                         struct mur_error *error);
/**
 * Fills plane @p k of the target.
 * @param[out] out   a byte for each pixel, rows one after another
 * @param[in] volume the file's bytes, i fastest
 */
void mur_label_resample_plane(uint8_t *out, const struct mur_label_resampler *resampler,
                              const uint8_t *volume, uint32_t k);

#endif
