/**
 * An image series as a segmentation sees it: its grid, its instances in the order of their
 * positions, and what they say of patient and study. Made by a conversion, or read from files.
 * Threads: one at a time per series.
 */
#ifndef MUR_CONVERTERS_DICOM_SERIES_H
#define MUR_CONVERTERS_DICOM_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/patient_study.h" /* of which common is made */
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"
#include "dicom/data_set.h"
#include "dicom/uid.h"

/** One plane: a single-frame instance, or a frame of a multi-frame one. */
struct mur_source_plane {
    char sop_instance[MUR_UID_TEXT_SIZE];
    uint32_t frame;                        /**< from 1; 0: the instance is the plane */
    char position[MUR_POSITION_TEXT_SIZE]; /**< Image Position (Patient), as it stands there */
};

struct mur_source_series {
    char study_instance[MUR_UID_TEXT_SIZE];
    char series_instance[MUR_UID_TEXT_SIZE];
    char frame_of_reference[MUR_UID_TEXT_SIZE]; /**< made up here where the images have none */
    char sop_class[MUR_UID_TEXT_SIZE];
    struct mur_geometry_text text;     /**< as it stands in the instances */
    char slice_thickness[MUR_DS_SIZE]; /**< "" if not given */
    struct mur_volume_geometry geometry;
    struct mur_source_plane *planes; /**< along the normal; geometry.dims[2] of them */
    char **instances;                /**< all SOP Instance UIDs of the series */
    size_t instance_count;
    char *first_file; /**< holds the first plane; NULL of a conversion */
    uint32_t volumes; /**< planes at the same positions: the first ones stand in @c planes */
    struct mur_dataset *common; /**< attributes of Patient and Study level */
};

void mur_source_series_free(struct mur_source_series *series);
MUR_DEFINE_AUTO(mur_source_series, mur_source_series_free)

enum { MUR_SERIES_FILE_LIMIT = 200000 };

/**
 * Reads the headers of files: those of one series, classic or multi-frame.
 * @param[in] series_uid  takes only this series; NULL: there must be only one
 * @retval MUR_NOT_FOUND    none of the files belongs to the series
 * @retval MUR_MISMATCH     more than one series; orientations, spacings or sizes differ; slices
 *                          missing or not evenly spaced (the message lists them)
 * @retval MUR_PARSE        a file is not DICOM, or lacks what places it in space
 */
MUR_NODISCARD
enum mur_status mur_source_series_read(struct mur_source_series **out, const char *const *paths,
                                       size_t count, const char *series_uid,
                                       struct mur_warnings *warnings, struct mur_error *error);
/** Likewise all DICOM files beneath a folder (others are passed over), or one file. */
MUR_NODISCARD
enum mur_status mur_source_series_read_path(struct mur_source_series **out, const char *path,
                                            const char *series_uid, struct mur_warnings *warnings,
                                            struct mur_error *error);

#endif
