/**
 * Voxels of a NIfTI file against pixels of DICOM images: which of them mean the same. Used by
 * certify_image.c alone. Threads: one at a time per check.
 */
#ifndef MUR_CONVERTERS_CERTIFY_VALUES_H
#define MUR_CONVERTERS_CERTIFY_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/image_planes.h"
#include "converters/nifti.h"
#include "core/error.h"
#include "core/own.h"

/** How values are stored on both sides. */
struct mur_value_sides {
    const struct mur_nifti_header *plain; /**< borrowed */
    enum mur_pixel_type type;             /**< of the pixels */
    double slope, intercept;              /**< of the pixels */
    bool has_padding;                     /**< Pixel Padding Value */
    int64_t padding;
    bool plain_is_original; /**< else the pixels are */
};

struct mur_value_verdict {
    bool exact;          /**< values must be equal */
    double bound;        /**< else: half a step of what the original was converted to */
    double largest;      /**< difference that was found */
    uint64_t not_finite; /**< voxels of the original */
};

/** What was found in a slice. */
struct mur_value_difference {
    uint64_t count;
    size_t first;        /**< index of the voxel */
    double plain, dicom; /**< its values */
};

struct mur_value_check;

/** @retval MUR_MISMATCH  one side is colour, the other one is not */
MUR_NODISCARD
enum mur_status mur_value_check_create(struct mur_value_check **out,
                                       const struct mur_value_sides *sides,
                                       struct mur_error *error);
void mur_value_check_free(struct mur_value_check *check); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_value_check, mur_value_check_free)

const struct mur_value_verdict *mur_value_check_verdict(const struct mur_value_check *check);

/** Pixels as voxels of the NIfTI file.
 * @param[out] out  borrowed: from @p pixels, or until the next call
 * @param[out] fit  false: the type of the voxels cannot hold some */
MUR_NODISCARD
enum mur_status mur_value_check_convert(const void **out, bool *fit, struct mur_value_check *check,
                                        const void *pixels, size_t count, struct mur_error *error);
/** Looks for voxels that differ more than they may. */
MUR_NODISCARD
enum mur_status mur_value_check_compare(struct mur_value_difference *out,
                                        struct mur_value_check *check, const void *voxels,
                                        const void *pixels, size_t count, struct mur_error *error);

/** Every @p step-th pixel of @p size bytes, from @p from on. */
void mur_gather_pixels(uint8_t *out, const uint8_t *from, size_t count, ptrdiff_t step,
                       size_t size);

#endif
