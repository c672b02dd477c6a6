/**
 * Converts back and compares, voxel by voxel: a NIfTI file with the DICOM images that were made of
 * it or that it was made of, label maps with their segmentation. Whoever made them: nothing but the
 * files is asked; what the conversion kept of its original is not trusted, except to tell which
 * label became which segment.
 *
 * Memory: a slice; a volume where axes are permuted. Threads: any.
 */
#ifndef MUR_CONVERTERS_CERTIFY_H
#define MUR_CONVERTERS_CERTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "converters/certificate.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/progress.h"

/** Of what a segment was made, where that is known. */
struct mur_certify_segment {
    uint16_t number; /**< Segment Number */
    size_t file;     /**< of the label maps */
    uint32_t layer;  /**< of it, from 1; 0: all of them */
    int64_t value;   /**< 0: whatever is not background */
};

struct mur_certify_options {
    /** All segments; NULL: what the segmentation itself says of them. */
    const struct mur_certify_segment *segments;
    size_t segment_count;
    const char *series; /**< takes only this Series Instance UID of the DICOM files; NULL: all */
    /** SHA-256 of the original's voxels (as mur_conversion_report.voxels), where it is known since
     * they were read: they are read again only if what was made of them has another. NULL: not
     * known. */
    const char *voxels;
    bool ignore_unlisted;  /**< labels that no segment was made of are no failure */
    const bool *cancelled; /**< may be NULL; becomes true: MUR_CANCELLED */
    struct mur_progress progress;
};

/**
 * Compares. One of the sides is DICOM: files or folders of images, or one segmentation.
 * @param[out] out  empty before; filled also where the verdict is that it failed, which is no error
 * @retval MUR_INVALID    none of the sides is DICOM, or both; files of a kind that do not belong
 *                        together
 * @retval MUR_CANCELLED  by the options
 * @retval others         the original cannot be read
 */
MUR_NODISCARD
enum mur_status mur_certify(struct mur_certificate *out, const char *const *originals,
                            size_t original_count, const char *const *converted,
                            size_t converted_count, const struct mur_certify_options *options,
                            struct mur_warnings *warnings, struct mur_error *error);

#endif
