/**
 * DICOM image series as NIfTI files (conversion.md 3.1, 3.3, 3.4 back): one file for each stack of
 * image_stacks.h, without resampling, values as they are stored. Beside it a JSON file with BIDS
 * names, and .bval and .bvec where planes state b-values.
 *
 * Where the series came from a NIfTI file by mur_nii_to_dicom(), the original header, extensions
 * and order of voxels are written again, byte for byte, if geometry and values are still those.
 *
 * Who needs slices instead of files uses image_stacks.h. Memory: what is said of the planes, and
 * one slice of native pixels or one file of compressed ones. Threads: any.
 */
#ifndef MUR_CONVERTERS_DICOM_TO_NII_H
#define MUR_CONVERTERS_DICOM_TO_NII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/image_stacks.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/progress.h"
#include "dicom/data_set.h"
#include "dicom/uid.h"

struct mur_nifti_output_options {
    bool plain;            /**< do not look for the original header */
    bool no_sidecar;       /**< no JSON file */
    int gzip_level;        /**< 1 to 9; 0: MUR_NIFTI_GZIP_LEVEL */
    bool compress;         /**< in a folder: .nii.gz instead of .nii */
    const bool *cancelled; /**< may be NULL; becomes true: MUR_CANCELLED, nothing is left */
    struct mur_progress progress;
    /** Adds what is known of an image besides its header, before a JSON file is made of it; may be
     * NULL. */
    enum mur_status (*complete)(void *user, struct mur_dataset *header,
                                const struct mur_image_file *file, struct mur_error *error);
    void *complete_user;
};

/** A file that was written. */
struct mur_nifti_output {
    char *path;
    char series_instance[MUR_UID_TEXT_SIZE];
    uint32_t dims[3], volumes;
    const char *type; /**< of the voxels in the file, "int16" */
    bool original;    /**< as it was before its conversion to DICOM */
    uint64_t padded;  /**< voxels that have Pixel Padding Value */
};

struct mur_dicom_to_nii_report {
    struct mur_warnings warnings; /**< also those before a failure */
    struct mur_nifti_output *outputs;
    size_t count;
};
#define MUR_DICOM_TO_NII_REPORT_INIT                                                               \
    {                                                                                              \
        .outputs = NULL                                                                            \
    }
/** The content, not the struct itself. */
void mur_dicom_to_nii_report_free(struct mur_dicom_to_nii_report *report);
#define MUR_AUTO_DICOM_TO_NII_REPORT __attribute__((cleanup(mur_dicom_to_nii_report_free)))

/**
 * Writes the stacks of an arranged set.
 * @param[in] path  "X.nii" or "X.nii.gz": one file, of the only stack. Else a folder, which is made
 *                  if absent; files are named after series number and description
 * @param[in,out] report  empty before but for warnings, which stay
 * @retval MUR_MISMATCH   one file was asked for and there are several stacks: the message lists
 * them
 * @retval MUR_CANCELLED  by the options
 * @retval others         as mur_plane_read(), or of writing
 */
MUR_NODISCARD
enum mur_status mur_dicom_to_nii(struct mur_dicom_to_nii_report *report,
                                 const struct mur_image_set *set, const char *path,
                                 const struct mur_nifti_output_options *options,
                                 struct mur_error *error);

#endif
