/**
 * The way back to the NIfTI file that a stack was made from by mur_nii_to_dicom(): its header and
 * extensions, its type, order and byte order of voxels (conversion.md 3.6).
 * Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_DICOM_RESTORE_H
#define MUR_CONVERTERS_DICOM_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/image_stacks.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"
#include "dicom/data_set.h"

struct mur_restoration;

/**
 * @param[in] header  of the instance that holds the block MURPACS NIFTI 1.0; not needed afterwards
 * @param[out] out  NULL where the kept header does not fit the stack: a warning says why
 * @retval MUR_NO_MEMORY
 */
MUR_NODISCARD
enum mur_status mur_restoration_create(struct mur_restoration **out, struct mur_dataset *header,
                                       const struct mur_image_set *set,
                                       const struct mur_image_stack *stack,
                                       struct mur_warnings *warnings, struct mur_error *error);
void mur_restoration_free(struct mur_restoration *restoration); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_restoration, mur_restoration_free)

/** The bytes before the voxels; borrowed. */
const uint8_t *mur_restoration_prologue(size_t *length, const struct mur_restoration *restoration);
/** "int16"; lives as long as the program. */
const char *mur_restoration_type_name(const struct mur_restoration *restoration);
/** The grid in the order of the file's voxels. */
const struct mur_volume_geometry *mur_restoration_geometry(
    const struct mur_restoration *restoration);

/**
 * The next slice as it stands in the file, from the first slice of the first volume on.
 * @param[out] out  borrowed until the next call. As mur_plane_read() */
MUR_NODISCARD
enum mur_status mur_restoration_next(const void **out, size_t *length,
                                     struct mur_restoration *restoration,
                                     struct mur_plane_reader *reader, struct mur_error *error);
/** After all slices. @param[out] same  whether these were the file's voxels */
MUR_NODISCARD
enum mur_status mur_restoration_check(bool *same, struct mur_restoration *restoration,
                                      struct mur_error *error);

#endif
