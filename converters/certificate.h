/**
 * What a conversion was found to be when it was converted back: the same, how nearly, or where not
 * (conversion.md 3.6). As JSON it says nothing of time and place, so that the same files give the
 * same certificate. Threads: one at a time per certificate.
 */
#ifndef MUR_CONVERTERS_CERTIFICATE_H
#define MUR_CONVERTERS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/report.h"
#include "core/buffer.h"
#include "core/digest.h"
#include "core/error.h"
#include "dicom/uid.h"

enum mur_certificate_kind { MUR_CERTIFIES_IMAGE, MUR_CERTIFIES_LABELS };

/** Corners of the voxel grid may lie so far from where they were. Segmentations lie on the grid of
 * their images, of which the label map may be a tenth of a voxel off. */
#define MUR_CERTIFICATE_CORNER_LIMIT_MM 1e-3

/** In pairs: of the original, of what it was converted to. */
enum mur_certificate_side { MUR_SIDE_ORIGINAL, MUR_SIDE_CONVERTED, MUR_CERTIFICATE_SIDES };

/** A label and its segment. */
struct mur_certificate_label {
    size_t file;      /**< of several label maps */
    uint32_t layer;   /**< of it, from 1; 0: it has but one */
    int64_t value;    /**< in it; 0: whatever is not background */
    uint16_t segment; /**< Segment Number */
    char *name;       /**< owned: Segment Label */
    uint64_t voxels[MUR_CERTIFICATE_SIDES];
    /** Of its voxels as bits in the order of the label map, least significant first, the first of
     * each slice in a byte of its own. */
    char sha256[MUR_CERTIFICATE_SIDES][MUR_SHA256_TEXT_SIZE];
};

struct mur_certificate {
    enum mur_certificate_kind kind;
    bool passed;
    char **files; /**< owned: names of the NIfTI file or label maps, without path */
    size_t file_count;
    bool original_is_dicom;
    char study_instance[MUR_UID_TEXT_SIZE];  /**< of the DICOM side, as the next ones */
    char series_instance[MUR_UID_TEXT_SIZE]; /**< of several the first one's */
    char sop_class[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE]; /**< of a segmentation, else "" */
    uint32_t instances;                   /**< DICOM files that were looked at */

    const char *type_name; /**< of a voxel in the NIfTI file or label map: "int16" */
    uint32_t dims[3], volumes;
    /** Of all voxels in this type, little endian, in the order of the NIfTI file; "": could not be
     * told. */
    char sha256[MUR_CERTIFICATE_SIDES][MUR_SHA256_TEXT_SIZE];

    bool placed;            /**< the grids could be compared */
    double corner_error_mm; /**< if they were */
    double corner_limit_mm;

    bool exact;         /**< values must be equal; else within error_bound */
    double error_bound; /**< half a step of the stored values */
    double largest_error;
    uint64_t voxels;     /**< that were compared */
    uint64_t differing;  /**< by more than they may */
    uint64_t not_finite; /**< in the original; they became padding, or one value */

    struct mur_certificate_label *labels; /**< owned */
    size_t label_count;

    struct mur_warnings failures; /**< why it is not passed: what and where */
    size_t failures_dropped;      /**< of them, beyond MUR_WARNING_LIMIT */
};

#define MUR_CERTIFICATE_INIT                                                                       \
    {                                                                                              \
        .label_count = 0                                                                           \
    }
/** The content, not the struct itself; leaves an empty one. */
void mur_certificate_free(struct mur_certificate *certificate);
#define MUR_AUTO_CERTIFICATE __attribute__((cleanup(mur_certificate_free)))

/** Notes why it is not passed. */
MUR_NODISCARD
enum mur_status mur_certificate_fail(struct mur_certificate *certificate, struct mur_error *error,
                                     const char *format, ...) MUR_PRINTF(3, 4);

/** One JSON object and a line feed. */
MUR_NODISCARD
enum mur_status mur_certificate_json(struct mur_buffer *out,
                                     const struct mur_certificate *certificate,
                                     struct mur_error *error);

#endif
