/**
 * NIfTI-1, NIfTI-2 and Analyze 7.5 files: .nii, .hdr/.img, each plain or gzip. The header is
 * checked here, field by field against what the file holds, before any library or any allocation
 * relies on it. Voxels are read slice by slice: a plain file costs one slice of memory; a gzip file
 * is read as a stream, and one volume of it can be held where slices are needed in another order.
 * Plain files are read, not mapped: a file cut short meanwhile is an error, not a SIGBUS.
 * Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_NIFTI_H
#define MUR_CONVERTERS_NIFTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"

enum mur_nifti_kind { MUR_ANALYZE_75, MUR_NIFTI_1, MUR_NIFTI_2 };

enum mur_nifti_type {
    MUR_NIFTI_UINT8,
    MUR_NIFTI_INT8,
    MUR_NIFTI_UINT16,
    MUR_NIFTI_INT16,
    MUR_NIFTI_UINT32,
    MUR_NIFTI_INT32,
    MUR_NIFTI_UINT64,
    MUR_NIFTI_INT64,
    MUR_NIFTI_FLOAT32,
    MUR_NIFTI_FLOAT64,
};

enum {
    MUR_NIFTI_HEADER_SIZE = 540,             /**< of NIfTI-2; NIfTI-1 and Analyze have 348 bytes */
    MUR_NIFTI_EXTENSION_LIMIT = 1024 * 1024, /**< longer extensions are passed over */
    MUR_NIFTI_SIDE_LIMIT = 65535,            /**< Rows and Columns are US */
};
/** Of one volume that must be held in memory (gzip input only). */
#define MUR_NIFTI_HELD_LIMIT (UINT64_C(4) << 30)

struct mur_nifti_header {
    enum mur_nifti_kind kind;
    enum mur_nifti_type type;
    const char *type_name; /**< "int16", "rgb24" */
    unsigned samples;      /**< 1; of colour 3 (red, green, blue) or 4 (and alpha), of type uint8 */
    unsigned voxel_size;   /**< bytes, of all samples */
    uint32_t dims[3];      /**< voxels along i, j, k; never 0 */
    uint32_t volumes;      /**< product of dim[4] to dim[7]; never 0 */
    int64_t dim[8];        /**< as stated, 1 beyond dim[0] */
    double pixdim[8];      /**< as stated */
    unsigned space_unit;   /**< NIFTI_UNITS_*: 0 unknown, 1 m, 2 mm, 3 micron */
    unsigned time_unit;    /**< 0 unknown, 8 s, 16 ms, 24 us, 32 Hz, ... */
    bool scaled;           /**< scl_slope holds; otherwise slope 1, intercept 0 */
    double slope, intercept;
    int qform_code, sform_code, intent_code;
    double quatern[3], qoffset[3];
    double srow[3][4];
    char description[81];
    bool big_endian;                    /**< the file is; what is handed out never is */
    uint8_t raw[MUR_NIFTI_HEADER_SIZE]; /**< as in the file */
    size_t raw_length;
};

struct mur_nifti;

/**
 * Opens a file and checks its header; of a pair either name will do.
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file, or the other one of the pair
 * @retval MUR_PARSE  no such header; a field out of range; claims more than the file holds
 * @retval MUR_UNSUPPORTED  a data type that is not a plain number: colour, complex, one bit, long
 *                          double
 * @retval MUR_LIMIT  a side of more than MUR_NIFTI_SIDE_LIMIT voxels, a slice above 1 GiB
 */
MUR_NODISCARD
enum mur_status mur_nifti_open(struct mur_nifti **out, const char *path,
                               struct mur_warnings *warnings, struct mur_error *error);
/** Likewise, and takes colour (RGB24, RGBA32) too. */
MUR_NODISCARD
enum mur_status mur_nifti_open_image(struct mur_nifti **out, const char *path,
                                     struct mur_warnings *warnings, struct mur_error *error);
/** Likewise of a header that is kept elsewhere (original.h): its fields and its grid can be asked
 * for, voxels cannot. @param[in] name  for messages. @retval MUR_PARSE, MUR_UNSUPPORTED, MUR_LIMIT
 */
MUR_NODISCARD
enum mur_status mur_nifti_of_header(struct mur_nifti **out, const uint8_t *bytes, size_t length,
                                    const char *name, struct mur_error *error);
void mur_nifti_free(struct mur_nifti *nifti);
MUR_DEFINE_AUTO(mur_nifti, mur_nifti_free)

/** Reading voxels ends with MUR_CANCELLED once @p cancelled, which may be NULL, becomes true. */
void mur_nifti_stop_when(struct mur_nifti *nifti, const bool *cancelled);

const struct mur_nifti_header *mur_nifti_header(const struct mur_nifti *nifti);
/** The name it was opened by, for messages. */
const char *mur_nifti_path(const struct mur_nifti *nifti);
/** Bytes before the first voxel of a single file; 0 of a pair. */
uint64_t mur_nifti_voxel_offset(const struct mur_nifti *nifti);
/** Header extensions as in the file, with their four leading bytes; @p length 0 if none. */
const uint8_t *mur_nifti_extensions(size_t *length, const struct mur_nifti *nifti);

/** Analyze 7.5 does not say which way its rows run. */
enum mur_analyze_order {
    MUR_ANALYZE_UNSTATED,
    MUR_ANALYZE_RAS, /**< to the right, anterior, superior */
    MUR_ANALYZE_LAS, /**< to the left (radiological): as nibabel and SPM take it */
};

struct mur_orientation_options {
    bool prefer_qform;   /**< where both are set and differ */
    bool spm_when_unset; /**< neither is set: x to the left and centred, as nibabel does, not as
                              the standard's method 1 */
    enum mur_analyze_order analyze_order;
};

/**
 * The grid, by sform, else qform, else pixdim (with a warning); units converted to mm.
 * @retval MUR_PARSE    no usable numbers in the fields that hold it
 * @retval MUR_INVALID  Analyze, and @p options do not state its order
 */
MUR_NODISCARD
enum mur_status mur_nifti_geometry(struct mur_volume_geometry *out, const struct mur_nifti *nifti,
                                   const struct mur_orientation_options *options,
                                   struct mur_warnings *warnings, struct mur_error *error);

/** pixdim[4] in milliseconds; 0 where it is not stated, or not as a time. */
double mur_nifti_time_step_ms(const struct mur_nifti_header *header);

/** Whether neither qform nor sform says where the volume lies. */
bool mur_nifti_orientation_unknown(const struct mur_nifti *nifti);

/**
 * Makes slices of @p volume readable in any order at no cost; without effect on plain files.
 * Replaces the volume held before.
 * @retval MUR_LIMIT  larger than MUR_NIFTI_HELD_LIMIT
 * @retval MUR_PARSE  the gzip stream is cut or damaged
 * @retval MUR_CANCELLED  see mur_nifti_stop_when()
 */
MUR_NODISCARD
enum mur_status mur_nifti_hold(struct mur_nifti *nifti, uint32_t volume, struct mur_error *error);

/**
 * Voxels of one slice in the file's order (i fastest), little endian.
 * @param[out] out  dims[0] * dims[1] values of the file's type, aligned for them; borrowed until
 *                  the next call with @p nifti
 * Of a gzip file whose volume is not held, going backwards starts the stream again.
 * @retval MUR_PARSE  the file ends before, or the gzip stream is damaged
 * @retval MUR_CANCELLED  see mur_nifti_stop_when()
 */
MUR_NODISCARD
enum mur_status mur_nifti_read_slice(const void **out, struct mur_nifti *nifti, uint32_t volume,
                                     uint32_t slice, struct mur_error *error);

/** @retval MUR_MISMATCH  the file was changed since it was opened */
MUR_NODISCARD
enum mur_status mur_nifti_check_unchanged(const struct mur_nifti *nifti, struct mur_error *error);

#endif
