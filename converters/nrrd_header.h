/**
 * The header of a NRRD file (teem.sourceforge.net/nrrd/format.html), of those that label maps come
 * in: three dimensions, or four with a list of layers first or last, raw or gzip; and what 3D
 * Slicer says of segments (.seg.nrrd: Segment0_Name and so on). Everything is text from outside:
 * each field is checked, each size has a limit. Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_NRRD_HEADER_H
#define MUR_CONVERTERS_NRRD_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/nifti.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/text.h"
#include "dicom/put.h"

enum {
    MUR_NRRD_HEADER_LIMIT = 1024 * 1024,
    MUR_NRRD_LAYER_LIMIT = 65535,
    MUR_NRRD_SEGMENT_LIMIT = 65535,
    MUR_NRRD_DIMENSIONS = 4,
};

/** A label as a file itself describes it. */
struct mur_nrrd_segment {
    uint32_t layer; /**< from 0 */
    int64_t value;
    char *name; /**< owned; UTF-8, "" if not said */
    bool has_rgb;
    uint8_t rgb[3];
    /** From the terminology entry of its tags; not given: value NULL. */
    struct mur_code category, type, type_modifier, region, region_modifier;
    char *codes; /**< owned: texts of the codes */
};

struct mur_nrrd_header {
    enum mur_nifti_type type;
    const char *type_name; /**< "int16" */
    unsigned voxel_size;   /**< bytes */
    uint32_t dims[3];
    uint32_t layers;
    bool interleaved; /**< the list is the first axis: layers of one voxel follow each other */
    bool big_endian;
    bool gzip;
    bool has_space; /**< the header says which way the axes run */
    struct mur_volume_geometry geometry;
    char *data_file;    /**< owned; as written; NULL: the voxels follow the header */
    uint64_t byte_skip; /**< in front of the voxels */
    bool from_end;      /**< "byte skip: -1": the voxels are the last bytes of the file */
    size_t length;      /**< bytes of the header with the empty line behind it */
    struct mur_nrrd_segment *segments; /**< sorted by number: Segment0, Segment1, ... */
    size_t segment_count;
};

/**
 * @param[in] text  the file's beginning: the whole header, if it is no longer than
 *                  MUR_NRRD_HEADER_LIMIT
 * @param[in] name  of the file, for messages
 * @param[out] out  freed by mur_nrrd_header_free()
 * @retval MUR_PARSE        not NRRD; a field missing, twice, or out of range
 * @retval MUR_UNSUPPORTED  other dimensions, types, encodings, data in several files
 * @retval MUR_LIMIT        a side, the layers, the segments or the header are too large
 */
MUR_NODISCARD
enum mur_status mur_nrrd_header_parse(struct mur_nrrd_header *out, struct mur_slice text,
                                      const char *name, struct mur_warnings *warnings,
                                      struct mur_error *error);
/** The content, not the struct itself; leaves it zero. */
void mur_nrrd_header_free(struct mur_nrrd_header *header);

/** Whether a file that begins so is a NRRD file. */
bool mur_is_nrrd(struct mur_slice beginning);

#endif
