/**
 * Label maps (NIfTI, Analyze, NRRD) as one multi-segment DICOM Segmentation of an image series
 * (PS3.3 A.51; conversion.md 3.7): binary, or a label map of its own. On the image's grid, under
 * any order and flip of axes, frames lie on the image's own planes, named with its own position
 * strings. Empty frames are left out; bits are packed here.
 *
 * The same files and options give the same bytes. Memory: of binary frames the packed bits between
 * the first and the last row that holds any, of a label map its frames; one slice; a volume of
 * bytes where the map's axes are permuted or it is resampled; the compressed file if deflated.
 * Threads: any; the series and Data Sets in the options are read only.
 */
#ifndef MUR_CONVERTERS_LABELS_TO_SEG_H
#define MUR_CONVERTERS_LABELS_TO_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/dicom_series.h"
#include "converters/label_map.h"
#include "converters/output.h"
#include "converters/report.h"
#include "core/error.h"
#include "dicom/segmentation.h"

enum { MUR_LABEL_ANY = 0 }; /**< every voxel that is not background */

/** Which voxels of which file become a segment. */
struct mur_label_segment {
    size_t file;    /**< index of the options' files */
    uint32_t layer; /**< of a file with several, from 1; 0: wherever the label lies */
    int64_t value;  /**< 1 to MUR_LABEL_LARGEST, or MUR_LABEL_ANY */
    struct mur_segment segment;
};

/** What becomes of a label map that does not lie on the image's grid. */
enum mur_other_grid {
    MUR_OTHER_GRID_KEEP, /**< the segmentation keeps it, with a warning: some viewers refuse it */
    MUR_OTHER_GRID_NEAREST, /**< each voxel of the image gets the label that is nearest */
};

struct mur_seg_options {
    const struct mur_source_series *source;
    const char *const *files;
    size_t file_count;
    const struct mur_label_segment *segments; /**< binary: numbered in this order */
    size_t segment_count;
    bool
        labelmap; /**< Label Map Segmentation: pixels are labels; segments must not overlap. Segment
                       Numbers are the labels' values if no two are the same, else 1, 2, ... */
    bool deflate; /**< as Deflated Explicit VR Little Endian */
    enum mur_other_grid other_grid;
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
    const bool *cancelled; /**< may be NULL; becomes true: MUR_CANCELLED */
};

struct mur_seg_segment_report {
    uint16_t number; /**< Segment Number; 0: left out, it has no voxel */
    uint64_t voxels;
    double volume_ml;
    uint32_t frames; /**< planes that it has voxels on */
};

struct mur_seg_report {
    struct mur_warnings warnings;            /**< also those before a failure */
    struct mur_seg_segment_report *segments; /**< as the options' */
    size_t segment_count;
    uint32_t frames;
    bool own_grid;  /**< the label map does not lie on the image's grid, and keeps its own */
    bool resampled; /**< at least one was resampled */
    double grid_error_voxels;
    char series_instance[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE];
    uint64_t bytes; /**< of the Data Set, compressed if it is deflated */
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
 * @retval MUR_PARSE     voxels that are no whole numbers; others as mur_label_map_open()
 * @retval MUR_MISMATCH  a label that no segment names; files on different grids, or on another than
 *                       the image if that is refused; no voxel labelled; segments of a label map
 *                       overlap; two files with the same voxels
 * @retval MUR_LIMIT     labels outside 0 to MUR_LABEL_LARGEST; more than MUR_LABEL_LIMIT in a layer
 * @retval MUR_INVALID   segments without name or code, or twice the same voxels
 */
MUR_NODISCARD
enum mur_status mur_labels_to_seg(struct mur_seg_report *report,
                                  const struct mur_seg_options *options,
                                  const struct mur_output *output, struct mur_error *error);

/** A label that a file holds. */
struct mur_label_found {
    uint32_t layer; /**< from 1 */
    int64_t value;
};
/** What a file holds, before anybody says what it means. */
struct mur_label_list {
    struct mur_label_found *items; /**< without background; by layer, then value */
    size_t count;
    uint32_t layers;
    struct mur_label_map *map; /**< the file, for what it says of its labels itself */
};
void mur_label_list_free(struct mur_label_list *list); /**< the content; leaves it empty */
#define MUR_AUTO_LABEL_LIST __attribute__((cleanup(mur_label_list_free)))
/**
 * Lists the labels of a file. Its voxels are read once.
 * @param[out] out  empty before; mur_label_list_free()
 * @retval as mur_labels_to_seg()
 */
MUR_NODISCARD
enum mur_status mur_label_list_read(struct mur_label_list *out, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error);

#endif
