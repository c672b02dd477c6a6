/**
 * A Segmentation as a label map in NIfTI (conversion.md 3.7), with a table of its labels beside it.
 * The map lies on the grid of the image series where that is given and fits, else on the smallest
 * grid that holds all frames; nothing is resampled.
 *
 * Where mur_labels_to_seg() made the segmentation from one file, the same file is written again,
 * byte for byte before compression, if voxels and grid are still those; layers of that file are
 * layers again, even where overlaps are otherwise refused.
 *
 * Memory: as seg_volume.h and seg_reader.h. Threads: any; the series in the options is read only.
 */
#ifndef MUR_CONVERTERS_SEG_TO_LABELS_H
#define MUR_CONVERTERS_SEG_TO_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/dicom_series.h"
#include "converters/report.h"
#include "converters/seg_reader.h"
#include "converters/seg_volume.h"
#include "core/error.h"
#include "core/progress.h"

struct mur_seg_to_labels_options {
    const struct mur_source_series *source; /**< NULL: not known */
    struct mur_seg_volume_options volume;
    bool plain;            /**< do not look for the original file's header */
    int gzip_level;        /**< 1 to 9; 0: MUR_NIFTI_GZIP_LEVEL */
    bool no_table;         /**< no JSON file */
    const char *itksnap;   /**< label description file of ITK-SNAP to write; NULL: none */
    const bool *cancelled; /**< may be NULL; becomes true: MUR_CANCELLED, nothing is left */
    struct mur_progress progress;
};

/** Which grid the map lies on. */
enum mur_label_grid {
    MUR_GRID_ORIGINAL, /**< of the file that the segmentation was made from */
    MUR_GRID_SOURCE,   /**< of the image series */
    MUR_GRID_FRAMES,   /**< the smallest that holds all frames */
};

/** "original", "source", "frames" */
const char *mur_label_grid_name(enum mur_label_grid grid);

struct mur_seg_to_labels_report {
    struct mur_warnings warnings; /**< also those before a failure */
    enum mur_label_grid grid;
    bool original; /**< the same file as before, byte for byte */
    uint32_t dims[3], layers;
    size_t overlaps;               /**< pairs of segments */
    struct mur_seg_reader *reader; /**< owned: what is known of the segments */
    struct mur_seg_label *labels;  /**< owned: one for each of the reader's segments */
};
#define MUR_SEG_TO_LABELS_REPORT_INIT                                                              \
    {                                                                                              \
        .reader = NULL                                                                             \
    }
/** The content, not the struct itself. */
void mur_seg_to_labels_report_free(struct mur_seg_to_labels_report *report);
#define MUR_AUTO_SEG_TO_LABELS_REPORT __attribute__((cleanup(mur_seg_to_labels_report_free)))

/**
 * Converts a file. All files get their names together, or nothing stays.
 * @param[in] path    the segmentation
 * @param[in] output  "X.nii" or "X.nii.gz"; the table is "X.json"
 * @param[in,out] report  empty before but for warnings, which stay
 * @retval MUR_INVALID  @p output has another ending
 * @retval MUR_CANCELLED  by the options
 * @retval others       as mur_seg_reader_open(), mur_seg_own_grid(), mur_seg_volume_create(), or of
 *                      writing
 */
MUR_NODISCARD
enum mur_status mur_seg_to_labels(struct mur_seg_to_labels_report *report, const char *path,
                                  const char *output,
                                  const struct mur_seg_to_labels_options *options,
                                  struct mur_error *error);

#endif
