/** Shared by certify_labels.c, certify_label_meaning.c and certify_label_files.c: label maps and a
 * segmentation while they are compared. Not for others. */
#ifndef MUR_CONVERTERS_CERTIFY_LABELS_INTERNAL_H
#define MUR_CONVERTERS_CERTIFY_LABELS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/certify_internal.h"
#include "converters/geometry.h"
#include "converters/label_map.h"
#include "converters/seg_reader.h"
#include "converters/seg_volume.h"
#include "core/digest.h"
#include "core/error.h"

enum { MUR_LISTED_LABELS = 16 };

/** A label that no segment was made of. */
struct mur_unlisted_label {
    double value;
    uint64_t count;
    uint32_t first[3];
};

/** What the values of a label map are. */
enum mur_label_meaning {
    MUR_LABELS_RECORDED,  /**< the values and layers that the segmentation tells of its original */
    MUR_LABELS_ANY_LAYER, /**< these values, in whatever layer */
    MUR_LABELS_LAID,      /**< what our way back makes of a value that several layers had */
    MUR_LABELS_NUMBERS,   /**< Segment Numbers */
};

/** One label map. */
struct mur_label_side {
    struct mur_label_map *map;
    const struct mur_label_map_header *header;
    struct mur_volume_geometry grid;
    struct mur_seg_volume *volume; /**< the segmentation on this grid */
    bool owned;                    /**< it is not that of the file before */
    bool united;                   /**< segments are what is in any of its layers */
    struct mur_unlisted_label unlisted[MUR_LISTED_LABELS];
    size_t unlisted_count;
};

struct mur_label_check {
    const struct mur_certify_job *job;
    struct mur_certificate *out;
    unsigned plain, dicom; /**< sides */
    struct mur_seg_reader *reader;
    const struct mur_seg_info *info;
    struct mur_label_side *files;
    enum mur_label_meaning meaning;
    struct mur_seg_volume *laid; /**< with MUR_LABELS_LAID: as that is */
    uint32_t only_value;         /**< of a map that was made of a single segment; 0: any */
    uint32_t *index_of;          /**< of a Segment Number: index of out->labels, and 1; 0: none */
    struct mur_sha256 **digests; /**< of out->labels */
    struct mur_sha256 *voxels;   /**< of all files */
    bool voxels_known;           /**< their digest is that of the files as they lie */
    /* of one layer of a file, and a layer of the segmentation: */
    uint32_t *entries; /**< by label: Segment Number, or UNLISTED */
    uint32_t *raw;     /**< by voxel of one or two bytes: likewise */
    bool *kept;        /**< by Segment Number: it was made of this layer */
    uint8_t *wanted, *found, *bits;
    size_t slice_voxels; /**< of wanted, found: without what fills them up to 8 */
};

/** Whether it is the segment that stands for no segment in a label map segmentation. */
bool mur_certify_is_background(const struct mur_label_check *c,
                               const struct mur_seg_segment *segment);

/**
 * Finds what the values of a label map that was made of the segmentation mean: programs write
 * Segment Numbers, and fewer layers than there were. A meaning is taken if it explains every value
 * of the map, what is recorded first; where none does, what is recorded. The segmentation and the
 * file are open, and places are known.
 */
MUR_NODISCARD
enum mur_status mur_certify_label_meaning(struct mur_label_check *c, struct mur_error *error);

/** Compares all files voxel by voxel; labels and places are known. */
MUR_NODISCARD
enum mur_status mur_certify_label_files(struct mur_label_check *c, struct mur_error *error);

#endif
