/**
 * Reads Segmentation instances (PS3.3 A.51, C.8.20) of anybody: BINARY, FRACTIONAL and label maps
 * (Label Map Segmentation Storage), native, deflated, RLE, deflated by frame, or what the bridge
 * can decode; functional groups shared or for each frame, with references to images or without.
 *
 * The header is scanned as it stands: memory is the segments and a few bytes for each frame. Pixels
 * are read frame by frame; only a deflated Data Set, or one that the bridge has to decode, is held
 * in memory. Bits are unpacked here, least significant first and without gaps between frames
 * (PS3.5 8.1.1), whatever Rows * Columns is.
 * Threads: one at a time per reader.
 */
#ifndef MUR_CONVERTERS_SEG_READER_H
#define MUR_CONVERTERS_SEG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"
#include "dicom/data_set.h"
#include "dicom/segmentation.h"
#include "dicom/uid.h"

enum mur_seg_kind { MUR_SEG_BINARY, MUR_SEG_FRACTIONAL, MUR_SEG_LABELMAP };

enum {
    MUR_SEG_FRAME_LIMIT = 4 * 1024 * 1024,
    /** Bytes before the frames' functional groups; of a deflated one, before the pixels. */
    MUR_SEG_HEAD_LIMIT = 256 * 1024 * 1024,
};
/** Of a Data Set that must be held in memory. */
#define MUR_SEG_HELD_LIMIT (UINT64_C(4) << 30)

struct mur_seg_segment {
    uint16_t number;          /**< Segment Number; 0 can be the background of a label map */
    struct mur_segment about; /**< texts are the reader's; not given: "" or NULL */
    uint32_t layer;           /**< of the label map it came from, from 1; 0: not recorded */
    bool algorithm_given;
    bool has_cielab;
    uint16_t cielab[MUR_CIELAB_VALUES]; /**< as it stands */
};

/** A frame: where it lies and, unless it is one of a label map, whose it is. */
struct mur_seg_frame {
    double position[3]; /**< Image Position (Patient) */
    uint32_t segment;   /**< index of the segments; label maps: 0 */
};

struct mur_seg_info {
    enum mur_seg_kind kind;
    uint32_t rows, columns;
    unsigned bits_allocated; /**< 1, 8 or 16 */
    unsigned maximum;        /**< FRACTIONAL: Maximum Fractional Value, which means 1 */
    uint16_t background;     /**< label map: the value that is not a segment */
    double orientation[6];   /**< of all frames */
    double spacing[2];       /**< of all frames, between rows first */
    double slice_spacing;    /**< Spacing Between Slices, else 0 */
    double slice_thickness;  /**< else 0 */
    struct mur_seg_segment *segments;
    size_t segment_count;
    struct mur_seg_frame *frames; /**< in the order of their pixels */
    size_t frame_count;
    char sop_class[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE];
    char study_instance[MUR_UID_TEXT_SIZE];     /**< "" if absent */
    char series_instance[MUR_UID_TEXT_SIZE];    /**< "" if absent */
    char frame_of_reference[MUR_UID_TEXT_SIZE]; /**< "" if absent */
    char referenced_series[MUR_UID_TEXT_SIZE];  /**< the first one; "" if absent */
    /** Everything before the frames' functional groups and the pixels. */
    struct mur_dataset *head;
};

struct mur_seg_reader;

/**
 * Opens a file and reads all but pixels.
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file cannot be read
 * @retval MUR_PARSE     not DICOM, cut, or something that is needed is missing or out of range
 * @retval MUR_MISMATCH  not a segmentation; frames, items and pixels do not fit together
 * @retval MUR_UNSUPPORTED  frames of several orientations or spacings; an encoding that cannot be
 *                       decoded (the message names it)
 * @retval MUR_LIMIT     too many frames, or too large to be held
 */
MUR_NODISCARD
enum mur_status mur_seg_reader_open(struct mur_seg_reader **out, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error);
void mur_seg_reader_free(struct mur_seg_reader *reader);
MUR_DEFINE_AUTO(mur_seg_reader, mur_seg_reader_free)

/** Borrowed until the reader goes. */
const struct mur_seg_info *mur_seg_reader_info(const struct mur_seg_reader *reader);
/** The name it was opened by, for messages. */
const char *mur_seg_reader_path(const struct mur_seg_reader *reader);

/** Bytes that mur_seg_read_mask() fills: a multiple of 8. */
size_t mur_seg_mask_size(const struct mur_seg_reader *reader);
/**
 * Which pixels of a frame belong to its segment: one bit each, least significant first, the first
 * row first, from a byte of its own; zero beyond the last pixel. Not of label maps.
 * @param[in] threshold  FRACTIONAL: the least part of 1 that counts
 * @retval MUR_PARSE  pixels are cut or damaged: the message names the frame
 */
MUR_NODISCARD
enum mur_status mur_seg_read_mask(uint64_t *out, struct mur_seg_reader *reader, size_t frame,
                                  double threshold, struct mur_error *error);
/** The values of a frame of 8 or 16 bits: Rows * Columns of them. As mur_seg_read_mask(). */
MUR_NODISCARD
enum mur_status mur_seg_read_values(uint16_t *out, struct mur_seg_reader *reader, size_t frame,
                                    struct mur_error *error);

#endif
