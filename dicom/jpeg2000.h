/**
 * JPEG 2000 frames (PS3.5 8.2.4, A.4.4) to pixel cells, by OpenJPEG; lossless and lossy alike. Any
 * thread.
 */
#ifndef MUR_DICOM_JPEG2000_H
#define MUR_DICOM_JPEG2000_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/** What the Data Set says of its pixels (PS3.3 C.7.6.3); the codestream must agree. */
struct mur_pixel_layout {
    unsigned rows, columns, samples;
    unsigned bits_allocated; /**< 8, 16 or 32 */
};

/** Bytes of one frame; 0 if the layout is none that is supported. */
size_t mur_pixel_frame_size(const struct mur_pixel_layout *layout);

/**
 * Decodes one frame into @p out, of mur_pixel_frame_size() bytes: samples of a pixel side by side,
 * in this machine's byte order, negative values as two's complement. Memory: four bytes a sample,
 * after the codestream's sizes were compared with the layout.
 * @param[out] colour_transformed  the codestream's colour transform was undone: the samples are
 * RGB, where Photometric Interpretation says YBR_RCT or YBR_ICT; may be NULL
 * @retval MUR_PARSE        damaged or cut codestream
 * @retval MUR_MISMATCH     it is not of this layout
 * @retval MUR_UNSUPPORTED  the layout, or subsampled components
 */
MUR_NODISCARD
enum mur_status mur_jpeg2000_decode(void *out, bool *colour_transformed,
                                    const struct mur_pixel_layout *layout, const void *bytes,
                                    size_t length, struct mur_error *error);

#endif
