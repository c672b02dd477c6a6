/**
 * Writes the head of a Segmentation instance, binary (PS3.3 A.51) or as a label map (Label Map
 * Segmentation Storage): everything of its Data Set (C.8.20) up to the first bit of Pixel Data. The
 * pixels come after it, from whom has them: of binary ones frames follow each other without a gap,
 * least significant bit first (PS3.5 8.1.1, D.1), whatever Rows * Columns is. Time and memory grow
 * linearly with the frames.
 *
 * The result depends on nothing but what is given: no date, no random UID.
 * Threads: any; the Data Set that is given is read only.
 */
#ifndef MUR_DICOM_SEGMENTATION_H
#define MUR_DICOM_SEGMENTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "dicom/data_set.h"
#include "dicom/put.h"

enum mur_segment_algorithm { MUR_SEGMENT_MANUAL, MUR_SEGMENT_SEMIAUTOMATIC, MUR_SEGMENT_AUTOMATIC };

enum { MUR_SEGMENT_LIMIT = 65535, MUR_CIELAB_VALUES = 3 };

/** Segmentation Type (0062,0001), of those that are written. */
enum mur_segmentation_kind {
    MUR_SEGMENTATION_BINARY,    /**< one bit a pixel, frames of one segment each */
    MUR_SEGMENTATION_LABELMAP8, /**< pixels are Segment Numbers, 0 = background */
    MUR_SEGMENTATION_LABELMAP16,
};

/** Segments Overlap (0062,0013). */
enum mur_segments_overlap { MUR_OVERLAP_UNKNOWN, MUR_OVERLAP_NO, MUR_OVERLAP_YES };

/** An item of Segment Sequence (0062,0002). Texts may be NULL unless said otherwise. */
struct mur_segment {
    const char *label; /**< Segment Label, shown by viewers; needed */
    const char *description;
    enum mur_segment_algorithm algorithm;
    const char *algorithm_name; /**< needed unless MANUAL */
    struct mur_code category;   /**< needed */
    struct mur_code type;       /**< needed */
    struct mur_code type_modifier;
    struct mur_code region; /**< Anatomic Region Sequence */
    struct mur_code region_modifier;
    bool has_color;
    uint8_t rgb[3];          /**< sRGB; written as Recommended Display CIELab Value */
    const char *tracking_id; /**< with tracking_uid, or neither */
    const char *tracking_uid;
    /* Where it came from, and how large it is: kept in our private block. */
    bool has_source_value;
    uint32_t source_value;   /**< in the label map */
    uint32_t source_layer;   /**< of the label map, from 1; 0: it has but one, or all of them */
    const char *source_file; /**< of several label maps: name without path; NULL: not said */
    double volume_ml;        /**< 0 = not known */
    uint16_t number;         /**< Segment Number of a label map, not 0; binary: 0 */
};

/** A plane that frames lie on. */
struct mur_segmentation_plane {
    const char *position;     /**< Image Position (Patient), as in the image it belongs to */
    const char *sop_instance; /**< image of the same plane; NULL: none */
    uint32_t frame;           /**< in it, from 1; 0: not a multi-frame image */
};

/** A frame: one segment on one plane; of a label map all segments on it. */
struct mur_segmentation_frame {
    uint32_t segment; /**< index, from 0; label map: 0 */
    uint32_t plane;   /**< index, from 0 */
};

struct mur_segmentation {
    enum mur_segmentation_kind kind;
    enum mur_segments_overlap overlap;
    /** What it takes over: Patient, Study, Frame of Reference and the like. What is set here by
     * fields below, and image, series and segment attributes, are replaced. */
    struct mur_dataset *common;
    const char *sop_instance, *series_instance;
    const char *frame_of_reference;
    const char *dimension_organization; /**< UID */
    int64_t series_number;
    const char *series_description;  /**< may be NULL */
    const char *content_label;       /**< CS: capitals, digits, blank, underscore */
    const char *content_description; /**< may be NULL */
    const char *content_creator;     /**< PN; may be NULL */
    const char *content_date, *content_time;
    const char *manufacturer, *model, *serial_number, *software; /**< none may be empty */

    uint32_t rows, columns;
    const char *image_orientation, *pixel_spacing, *slice_thickness, *slice_spacing;

    const struct mur_segment *segments; /**< binary: numbered from 1 in this order */
    size_t segment_count;
    const struct mur_segmentation_plane *planes;
    size_t plane_count;
    const struct mur_segmentation_frame *frames; /**< in the order of their bits */
    size_t frame_count;

    const char *referenced_series, *referenced_sop_class;
    const char *const *referenced_instances; /**< all of the series that was segmented */
    size_t referenced_instance_count;
    /** Planes are not those of the images: all of them stand as source of all frames. */
    bool shared_derivation;
};

/** SOP Class UID of a kind. */
const char *mur_segmentation_sop_class(enum mur_segmentation_kind kind);

/**
 * Appends the encoded Data Set (Explicit VR Little Endian) up to, and with, tag, VR and length of
 * Pixel Data.
 * @param[out] pixel_bytes  bytes that must follow: all frames' pixels, a zero bit to the full byte,
 *                          and a zero byte to an even length
 * @retval MUR_INVALID  something that is needed is missing, or out of range
 * @retval MUR_LIMIT    Pixel Data would exceed what its length can say (4 GiB)
 */
MUR_NODISCARD
enum mur_status mur_segmentation_write_head(struct mur_buffer *out, uint64_t *pixel_bytes,
                                            const struct mur_segmentation *given,
                                            struct mur_error *error);

/** sRGB to L*a*b* (D65) scaled as PS3.3 C.10.7.1.1 says. */
void mur_cielab_from_rgb(uint16_t out[MUR_CIELAB_VALUES], const uint8_t rgb[3]);
/** And back, to the nearest colour that sRGB has. */
void mur_rgb_from_cielab(uint8_t out[3], const uint16_t cielab[MUR_CIELAB_VALUES]);

#endif
