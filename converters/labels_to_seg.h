/**
 * Label maps (NIfTI, Analyze) as one binary, multi-segment DICOM Segmentation of an image series
 * (PS3.3 A.51; conversion.md 3.7). On the image's grid, under any order and flip of axes, frames
 * lie on the image's own planes, named with its own position strings; on another grid the map
 * keeps its own, with a warning. Empty frames are left out; bits are packed here.
 *
 * The same files and options give the same bytes. Memory: the packed bits of the frames that are
 * not empty, and one slice; a volume of bytes where the map's axes are permuted.
 * Threads: any; the series and Data Sets in the options are read only.
 */
#ifndef MUR_CONVERTERS_LABELS_TO_SEG_H
#define MUR_CONVERTERS_LABELS_TO_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/dicom_series.h"
#include "converters/label_map.h"
#include "converters/nifti.h"
#include "converters/output.h"
#include "converters/report.h"
#include "core/error.h"
#include "dicom/segmentation.h"

enum { MUR_LABEL_ANY = 0 }; /**< every voxel that is not background */

/** Which voxels of which file become a segment. */
struct mur_label_segment {
    size_t file;   /**< index of the options' files */
    int64_t value; /**< 1 to MUR_LABEL_LARGEST, or MUR_LABEL_ANY */
    struct mur_segment segment;
};

struct mur_seg_options {
    const struct mur_source_series *source;
    const char *const *files;
    size_t file_count;
    const struct mur_label_segment *segments; /**< numbered in this order */
    size_t segment_count;
    /** Attributes beyond what the source says of Patient and Study (which these replace). NULL:
     * none. */
    struct mur_dataset *attributes;
    const char *series_instance, *sop_instance; /**< NULL: derived */
    const char *identity;                       /**< enters derived UIDs; NULL = "" */
    int64_t series_number;                      /**< 0: 300 */
    const char *series_description;             /**< NULL: "Segmentation" */
    const char *content_label;                  /**< CS; NULL: "SEGMENTATION" */
    const char *content_creator;                /**< PN; NULL: empty */
    bool ignore_unlisted; /**< labels that no segment names are left out, else refused */
    struct mur_orientation_options orientation;
};

struct mur_seg_segment_report {
    uint16_t number; /**< Segment Number; 0: left out, it has no voxel */
    uint64_t voxels;
    double volume_ml;
    uint32_t frames;
};

struct mur_seg_report {
    struct mur_warnings warnings;            /**< also those before a failure */
    struct mur_seg_segment_report *segments; /**< as the options' */
    size_t segment_count;
    uint32_t frames;
    bool own_grid; /**< the label map does not lie on the image's grid */
    double grid_error_voxels;
    char series_instance[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE];
    uint64_t bytes; /**< of the Data Set */
};

#define MUR_SEG_REPORT_INIT                                                                        \
    {                                                                                              \
        .segments = NULL                                                                           \
    }
/** The content, not the struct itself. */
void mur_seg_report_free(struct mur_seg_report *report);
#define MUR_AUTO_SEG_REPORT __attribute__((cleanup(mur_seg_report_free)))

/**
 * @param[in,out] report  empty before but for warnings, which stay; on failure it holds only these
 * @retval MUR_PARSE     voxels that are no whole numbers; others as mur_nifti_open()
 * @retval MUR_MISMATCH  a label that no segment names; files on different grids; no voxel labelled
 * @retval MUR_LIMIT     labels outside 0 to MUR_LABEL_LARGEST; too many of them
 * @retval MUR_UNSUPPORTED  more than three dimensions
 * @retval MUR_INVALID   segments without name or code, or twice the same voxels
 */
MUR_NODISCARD
enum mur_status mur_labels_to_seg(struct mur_seg_report *report,
                                  const struct mur_seg_options *options,
                                  const struct mur_output *output, struct mur_error *error);

/** A label that a map holds. */
struct mur_label_count {
    int64_t value;
    uint64_t voxels;
};
/**
 * Lists the labels of a file without background, ascending. As mur_labels_to_seg().
 * @param[out] out  MUR_LABEL_LIMIT of them
 */
MUR_NODISCARD
enum mur_status mur_labels_scan(struct mur_label_count out[MUR_LABEL_LIMIT], size_t *count,
                                const char *path, struct mur_warnings *warnings,
                                struct mur_error *error);

#endif
