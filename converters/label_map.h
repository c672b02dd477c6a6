/**
 * Label maps of any format that is read: NIfTI-1, NIfTI-2, Analyze 7.5, NRRD. One grid and one or
 * more layers, which may overlap: volumes of a 4-D file, or the layers of a .seg.nrrd.
 * Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_LABEL_MAP_H
#define MUR_CONVERTERS_LABEL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/nifti.h"
#include "converters/nrrd_header.h"
#include "converters/original.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"

enum {
    MUR_LABEL_LIMIT = 255, /**< labels of one layer */
    MUR_LABEL_LARGEST = 65535,
    MUR_LABEL_LAYER_LIMIT = 255,
};

struct mur_label_map_header {
    enum mur_nifti_type type;
    const char *type_name;
    unsigned voxel_size; /**< bytes */
    bool scaled;         /**< otherwise slope 1, intercept 0 */
    double slope, intercept;
    uint32_t dims[3];
    uint32_t layers;
    bool interleaved; /**< read all layers of a slice one after another */
    /** What the file itself says of its labels (.seg.nrrd). */
    const struct mur_nrrd_segment *segments;
    size_t segment_count;
};

struct mur_label_map;

/**
 * Opens a file by what it holds, whatever its name.
 * @retval MUR_LIMIT  more than MUR_LABEL_LAYER_LIMIT layers
 * @retval others     as mur_nifti_open() and mur_nrrd_open()
 */
MUR_NODISCARD
enum mur_status mur_label_map_open(struct mur_label_map **out, const char *path,
                                   struct mur_warnings *warnings, struct mur_error *error);
void mur_label_map_free(struct mur_label_map *map);
MUR_DEFINE_AUTO(mur_label_map, mur_label_map_free)

const struct mur_label_map_header *mur_label_map_header(const struct mur_label_map *map);
/** The name it was opened by, for messages. */
const char *mur_label_map_path(const struct mur_label_map *map);

/** As mur_nifti_geometry(); NRRD needs no @p options. */
MUR_NODISCARD
enum mur_status mur_label_map_geometry(struct mur_volume_geometry *out,
                                       const struct mur_label_map *map,
                                       const struct mur_orientation_options *options,
                                       struct mur_warnings *warnings, struct mur_error *error);
/** Voxels of a slice, i fastest, little endian; borrowed until the next call with @p map. */
MUR_NODISCARD
enum mur_status mur_label_map_read_slice(const void **out, struct mur_label_map *map,
                                         uint32_t layer, uint32_t slice, struct mur_error *error);
/** @retval MUR_MISMATCH  the file was changed since it was opened */
MUR_NODISCARD
enum mur_status mur_label_map_check_unchanged(const struct mur_label_map *map,
                                              struct mur_error *error);
/** What is kept of a NIfTI or Analyze file for the way back: as mur_original_take().
 * @param[out] kept  false: the file is of another format, @p out is left as it is */
MUR_NODISCARD
enum mur_status mur_label_map_original(struct mur_original *out, bool *kept,
                                       const struct mur_label_map *map, struct mur_error *error);

#endif
