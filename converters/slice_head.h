/**
 * Encoded Data Sets of slices that share nearly everything (Explicit VR Little Endian): what is
 * shared is encoded once, what differs goes in between, Pixel Data comes after.
 * Threads: any may make heads of one common part.
 */
#ifndef MUR_CONVERTERS_SLICE_HEAD_H
#define MUR_CONVERTERS_SLICE_HEAD_H

#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "dicom/data_set.h"

enum { MUR_HEAD_SECTIONS = 5 };

/** Initialise with MUR_COMMON_HEAD_INIT. */
struct mur_common_head {
    struct mur_buffer bytes;
    size_t ends[MUR_HEAD_SECTIONS]; /**< of each section between elements that vary */
};
#define MUR_COMMON_HEAD_INIT                                                                       \
    {                                                                                              \
        .bytes = MUR_BUFFER_INIT                                                                   \
    }
void mur_common_head_free(struct mur_common_head *head);

/** Encodes @p dataset, which must not have Pixel Data nor the elements below.
 * @param[out] out  what it held is replaced */
MUR_NODISCARD
enum mur_status mur_common_head_encode(struct mur_common_head *out, struct mur_dataset *dataset,
                                       struct mur_error *error);

/** What differs from slice to slice. */
struct mur_slice_elements {
    const char *sop_instance;
    uint64_t instance_number;
    const char *position; /**< Image Position (Patient) */
    double location_mm;   /**< Slice Location */
    const char *pixel_vr; /**< "OW" or "OB" */
    uint32_t pixel_bytes; /**< even */
};

/** The Data Set of a slice up to its pixels. @param[out] out  what it held is replaced */
MUR_NODISCARD
enum mur_status mur_slice_head_make(struct mur_buffer *out, const struct mur_common_head *common,
                                    const struct mur_slice_elements *slice,
                                    struct mur_error *error);

#endif
