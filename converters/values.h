/**
 * From what a NIfTI voxel holds to what a 16-bit Pixel Data value says (conversion.md 3.4), and
 * the window that shows it. Slices are looked at first (the scan), then mapped.
 * Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_VALUES_H
#define MUR_CONVERTERS_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/nifti.h"
#include "core/error.h"
#include "core/own.h"

/** What to do with voxels that are not finite numbers. */
enum mur_nan_policy {
    MUR_NAN_REFUSE,
    MUR_NAN_PAD,     /**< they become Pixel Padding Value (0028,0120) */
    MUR_NAN_REPLACE, /**< they become a value */
};

struct mur_value_options {
    enum mur_nan_policy nan;
    double nan_value;    /**< of MUR_NAN_REPLACE, in the units of the image */
    bool round_integers; /**< 32- and 64-bit integers over more than 16 bits are mapped as floats
                            are */
};

/** How stored values stand for the image's: value = stored * slope + intercept (PS3.3 C.11.1). */
struct mur_value_map {
    bool is_signed; /**< Pixel Representation */
    bool rescaled;  /**< slope is not 1 or intercept not 0 */
    char slope_text[MUR_DS_SIZE], intercept_text[MUR_DS_SIZE];
    double slope, intercept; /**< what the texts read back to */
    double error_bound;      /**< largest possible error of a value; 0 = exact */
    bool has_padding;
    int32_t padding;                    /**< Pixel Padding Value */
    uint64_t padded;                    /**< voxels that have it */
    uint64_t replaced;                  /**< voxels that were not finite and got a value */
    int32_t smallest, largest;          /**< stored values, padding left out */
    double window_center, window_width; /**< percentiles 0.5 and 99.5 of the volume, in values */
};

struct mur_value_scan;

/** @param type, slope, intercept  of the NIfTI header */
MUR_NODISCARD
enum mur_status mur_value_scan_create(struct mur_value_scan **out, enum mur_nifti_type type,
                                      double slope, double intercept,
                                      const struct mur_value_options *options,
                                      struct mur_error *error);
void mur_value_scan_free(struct mur_value_scan *scan);
MUR_DEFINE_AUTO(mur_value_scan, mur_value_scan_free)

/** Looks at @p count voxels. */
void mur_value_scan_add(struct mur_value_scan *scan, const void *voxels, size_t count);

/**
 * After all voxels were looked at: chooses the map.
 * @param[out] again  true: mur_value_scan_add_window() wants all voxels a second time, then
 *                    mur_value_scan_window() completes the map
 * @retval MUR_UNSUPPORTED  integers over more than 16 bits; voxels that are not finite
 */
MUR_NODISCARD
enum mur_status mur_value_scan_map(struct mur_value_map *out, bool *again,
                                   struct mur_value_scan *scan, struct mur_error *error);
void mur_value_scan_add_window(struct mur_value_scan *scan, const void *voxels, size_t count);
void mur_value_scan_window(struct mur_value_map *map, const struct mur_value_scan *scan);

/** Maps @p count voxels to stored values; valid after mur_value_scan_map(). */
void mur_value_scan_apply(uint16_t *out, const struct mur_value_scan *scan, const void *voxels,
                          size_t count);
/** Whether stored values are the voxels as they lie, so that nothing need be mapped. */
bool mur_value_scan_is_identity(const struct mur_value_scan *scan);

/** Whether an intercept of DICOM is that of a NIfTI header: as it is, by the decimal that is
 * written of it, or as the float32 that it becomes. Where values are scaled finely, what lies
 * between these is many steps wide. */
bool mur_value_same_intercept(double dicom, double header);

/** A voxel as it is stored, in the byte order of this machine, without slope and intercept; 64-bit
 * integers above 2^53 are rounded. Inline: it is called for each voxel. */
static inline double mur_nifti_voxel(enum mur_nifti_type type, const void *voxels, size_t index)
{
    switch (type) {
    case MUR_NIFTI_UINT8:
        return ((const uint8_t *)voxels)[index];
    case MUR_NIFTI_INT8:
        return ((const int8_t *)voxels)[index];
    case MUR_NIFTI_UINT16:
        return ((const uint16_t *)voxels)[index];
    case MUR_NIFTI_INT16:
        return ((const int16_t *)voxels)[index];
    case MUR_NIFTI_UINT32:
        return ((const uint32_t *)voxels)[index];
    case MUR_NIFTI_INT32:
        return ((const int32_t *)voxels)[index];
    case MUR_NIFTI_UINT64:
        return (double)((const uint64_t *)voxels)[index];
    case MUR_NIFTI_INT64:
        return (double)((const int64_t *)voxels)[index];
    case MUR_NIFTI_FLOAT32:
        return (double)((const float *)voxels)[index];
    case MUR_NIFTI_FLOAT64:
        return ((const double *)voxels)[index];
    }
    return 0;
}

#endif
