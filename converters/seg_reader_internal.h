/** Shared by seg_reader.c, seg_scan.c and seg_segments.c: a segmentation while it is read. Not for
 * others. */
#ifndef MUR_CONVERTERS_SEG_READER_INTERNAL_H
#define MUR_CONVERTERS_SEG_READER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/seg_pixels.h"
#include "converters/seg_reader.h"
#include "core/buffer.h"
#include "core/error.h"

enum { MUR_SEG_NO_SEGMENT = -1 };

/** What functional groups say, the shared ones or those of one frame. */
struct mur_seg_groups {
    bool has_orientation, has_spacing, has_position;
    double orientation[6], spacing[2], position[3];
    double slice_spacing, slice_thickness;
    int32_t segment; /**< Referenced Segment Number, or MUR_SEG_NO_SEGMENT */
};

struct mur_seg_reader {
    char *path;
    int descriptor;
    struct mur_buffer memory; /* the Data Set, where it must be held */
    const char *syntax;       /* of the Data Set as it is scanned */
    uint64_t data_set;        /* where it begins in the file */
    struct mur_seg_pixels pixels;
    struct mur_seg_info info;
    char **texts; /* of the segments */
    size_t text_count, text_capacity;
    struct mur_warnings *warnings;

    /* while the file is scanned */
    unsigned depth;
    bool in_frames; /* within Per-Frame Functional Groups */
    struct mur_seg_groups shared, frame;
    bool plane_known; /* the first frame said how all lie */
    int32_t *numbers; /* Referenced Segment Number of each frame */
    size_t frame_capacity;
    uint64_t head_length;
    bool pixels_seen, encapsulated;
    size_t fragment_capacity;
};

/** Inflates a Data Set that begins at @p offset of the file into memory (seg_inflate.c).
 * @retval MUR_MISMATCH  more pixels than its header tells of
 * @retval MUR_LIMIT     more than MUR_SEG_HEAD_LIMIT before them, or MUR_SEG_HELD_LIMIT in all */
MUR_NODISCARD
enum mur_status mur_seg_hold_inflated(struct mur_seg_reader *reader, uint64_t offset,
                                      struct mur_error *error);

/** Scans the Data Set, which lies in the file or in memory: frames, and where the pixels are
 * (seg_scan.c). */
MUR_NODISCARD
enum mur_status mur_seg_scan(struct mur_seg_reader *reader, struct mur_error *error);
/** A frame whose groups are all shared. */
MUR_NODISCARD
enum mur_status mur_seg_add_shared_frame(struct mur_seg_reader *reader, struct mur_error *error);

/** Reads Segment Sequence from the head, and gives each frame its segment (seg_segments.c). */
MUR_NODISCARD
enum mur_status mur_seg_read_segments(struct mur_seg_reader *reader, struct mur_error *error);

/** The text of an attribute, "" if it has none; borrowed. */
const char *mur_seg_string(struct mur_dataset *dataset, uint32_t tag);

#endif
