/**
 * A NIfTI (or Analyze) file as series of classic CT or MR images (PS3.3 A.3, A.4): one instance a
 * slice and volume, Explicit VR Little Endian, voxels as conversion.md 3.1 to 3.6 say. Colour
 * becomes Secondary Capture (A.8.1), floats on request one Parametric Map (A.75). What all slices
 * share is encoded once. The original header goes along in a private block of the first instance
 * of a series, for an exact way back.
 *
 * The same file and options give the same bytes. Memory: one slice; for gzip input one volume.
 * Threads: any; one beside the caller's if asked. The Data Set in the options is read only.
 */
#ifndef MUR_CONVERTERS_NII_TO_DICOM_H
#define MUR_CONVERTERS_NII_TO_DICOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/dicom_series.h"
#include "converters/nifti.h"
#include "converters/output.h"
#include "converters/report.h"
#include "converters/values.h"
#include "converters/volumes.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/progress.h"
#include "dicom/uid.h"

enum mur_conversion_modality { MUR_CONVERT_TO_CT, MUR_CONVERT_TO_MR };

/** Anatomical Orientation Type (0010,2210), which is needed where the patient is an animal. */
enum mur_anatomy { MUR_QUADRUPED, MUR_BIPED, MUR_ANATOMY_UNSAID };

struct mur_conversion_options {
    enum mur_conversion_modality modality;
    /** Attributes to take over: Patient, Study and Series ones and those of the acquisition. Not
     * taken, with a warning: what the image itself decides (SOP, geometry, pixels, values).
     * NULL: none. */
    struct mur_dataset *attributes;
    /* UIDs; NULL derives them (identity.h): the study's from the attributes or the content. */
    const char *study_instance, *series_instance, *frame_of_reference;
    const char *identity; /**< enters derived UIDs: whatever else distinguishes; NULL = "" */
    /** Attributes do not enter the derived UIDs. Only for an archive that keeps what it stored
     * first and answers with attributes that were edited later. */
    bool identity_without_attributes;
    int64_t series_number;    /**< 0: the attributes', else 1 */
    enum mur_anatomy anatomy; /**< unless the attributes say it */
    bool keep_order;          /**< no flip for display */
    bool hounsfield;          /**< CT: values are HU */
    bool allow_shear;         /**< see MUR_ALLOW_SHEAR */
    bool lossless; /**< floats become a Parametric Map, bit for bit, instead of 16-bit images */
    /** What a Parametric Map was made of: it names them, and where its slices are theirs it is
     * turned as they are and of their Frame of Reference. NULL: not known. */
    const struct mur_source_series *images;
    struct mur_orientation_options orientation;
    struct mur_value_options values;
    struct mur_volume_options volumes;
    /** Digests are made, and slices written if the output has a second, on another thread too. The
     * bytes do not depend on it. */
    bool two_threads;
    const bool *cancelled;        /**< may be NULL; becomes true: MUR_CANCELLED */
    struct mur_progress progress; /**< of slices, each as often as it is read */
};

/** A series that was made. */
struct mur_conversion_series {
    char series_instance[MUR_UID_TEXT_SIZE];
    uint32_t instances;
    char contrast[MUR_CONTRAST_SIZE];  /**< of MUR_VOLUMES_DIXON, else "" */
    char voxels[MUR_SHA256_TEXT_SIZE]; /**< of its voxels, little endian, in the file's order */
};

/** What came of it. Filled on success; freed by mur_conversion_report_free(). */
struct mur_conversion_report {
    struct mur_warnings warnings; /**< also those before a failure */
    /** Owned: the instances, as a segmentation needs them; of several series the first. */
    struct mur_source_series *series;
    struct mur_conversion_series *made; /**< owned: all of them */
    uint32_t series_count;              /**< more than 1 where volumes are contrasts */
    struct mur_voxel_order order;
    struct mur_value_map values;        /**< of the first series; largest error of all */
    double corner_error_mm;             /**< of the written geometry against the header's */
    char content[MUR_SHA256_TEXT_SIZE]; /**< of header and voxels */
    uint32_t instances;
    uint64_t bytes; /**< of all Data Sets */
};

#define MUR_CONVERSION_REPORT_INIT                                                                 \
    {                                                                                              \
        .series = NULL                                                                             \
    }
/** The content, not the struct itself. */
void mur_conversion_report_free(struct mur_conversion_report *report);
#define MUR_AUTO_CONVERSION_REPORT __attribute__((cleanup(mur_conversion_report_free)))

/**
 * Converts a file. Slices go to @p output in ascending order along their normal, volume by volume;
 * with two threads the upper half of each volume to the second output.
 * @param[in,out] report  empty before but for warnings, which stay; on failure it holds only these
 * @retval MUR_UNSUPPORTED  more than four dimensions, sheared, values that 16 bits cannot hold
 * @retval MUR_INVALID      attributes that contradict the options
 * @retval MUR_LIMIT        a Parametric Map of 4 GiB or more
 * @retval MUR_CANCELLED    by the options
 * @retval others           as mur_nifti_open_image(), mur_nifti_geometry() and
 *                          mur_volume_plan_make(), or the output's own
 */
MUR_NODISCARD
enum mur_status mur_nii_to_dicom(struct mur_conversion_report *report, const char *path,
                                 const struct mur_conversion_options *options,
                                 const struct mur_output *output, struct mur_error *error);

#endif
