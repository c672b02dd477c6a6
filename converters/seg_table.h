/**
 * What the values of a label map mean, as text: JSON, and the label description file that ITK-SNAP
 * reads. Threads: any.
 */
#ifndef MUR_CONVERTERS_SEG_TABLE_H
#define MUR_CONVERTERS_SEG_TABLE_H

#include <stdint.h>

#include "converters/seg_reader.h"
#include "converters/seg_volume.h"
#include "core/buffer.h"
#include "core/error.h"

/** @param[in] file       name of the label map; @param[in] grid  "original", "source" or "frames"
 *  @param[in] labels     one for each segment
 *  @param[in] threshold  that FRACTIONAL ones were read with */
MUR_NODISCARD
enum mur_status mur_seg_table_json(struct mur_buffer *out, const struct mur_seg_info *info,
                                   const struct mur_seg_label *labels, uint32_t layers,
                                   const char *file, const char *grid, double threshold,
                                   struct mur_error *error);
/** Of several layers the values of all are listed once. */
MUR_NODISCARD
enum mur_status mur_seg_table_itksnap(struct mur_buffer *out, const struct mur_seg_info *info,
                                      const struct mur_seg_label *labels, struct mur_error *error);

#endif
