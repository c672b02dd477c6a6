/**
 * The planes of DICOM image files: what is said of each frame, read in one pass that seeks over the
 * pixels, and the pixels themselves, one frame at a time. Classic images, Enhanced and Legacy
 * Converted ones (functional groups, PS3.3 C.7.6.16), parametric maps (Float Pixel Data). Not
 * segmentations: those are seg_reader.h's.
 *
 * Native pixels are read where they stand in the file; encapsulated and deflated ones are decoded a
 * file at a time. Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_IMAGE_PLANES_H
#define MUR_CONVERTERS_IMAGE_PLANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/uid.h"

/** How pixels are handed out. The numbers are NIfTI's datatype codes. */
enum mur_pixel_type {
    MUR_PIXEL_UINT8 = 2,
    MUR_PIXEL_INT16 = 4,
    MUR_PIXEL_INT32 = 8,
    MUR_PIXEL_FLOAT32 = 16,
    MUR_PIXEL_FLOAT64 = 64,
    MUR_PIXEL_RGB24 = 128,
    MUR_PIXEL_INT8 = 256,
    MUR_PIXEL_UINT16 = 512,
    MUR_PIXEL_UINT32 = 768,
};
/** Bytes of one pixel; 3 for RGB24. */
unsigned mur_pixel_size(enum mur_pixel_type type);
/** "int16" */
const char *mur_pixel_type_name(enum mur_pixel_type type);

enum {
    MUR_IMAGE_KIND_SIZE = 96,
    MUR_IMAGE_FRAME_LIMIT = 1000000,
    MUR_IMAGE_FILE_LIMIT = 200000,
};
/** Of one file whose pixels must be decoded as a whole. */
#define MUR_IMAGE_DECODED_LIMIT (UINT64_C(4) << 30)

/** One frame, or the only one. Of functional groups the frame's own count before the shared ones,
 * and these before the Data Set's. Times and values that are not stated are NAN. */
struct mur_image_plane {
    uint32_t file;            /**< whose: set by who keeps several files (image_stacks.h) */
    uint32_t frame;           /**< from 0 */
    bool placed;              /**< position, orientation and spacing are stated and are numbers */
    double position[3];       /**< (0020,0032) */
    double orientation[6];    /**< (0020,0037) */
    double spacing[2];        /**< (0028,0030): of rows, of columns */
    double thickness;         /**< (0018,0050); 0: not stated */
    double slice_spacing;     /**< (0018,0088); 0: not stated */
    double slope, intercept;  /**< (0028,1053), (0028,1052); 1 and 0 if not stated */
    double echo_time_ms;      /**< (0018,0081) or Effective Echo Time (0018,9082) */
    double b_value;           /**< (0018,9087), s/mm2 */
    double gradient[3];       /**< (0018,9089), patient axes; all 0: none stated */
    double temporal_position; /**< (0020,0100) or Temporal Position Index (0020,9128) */
    double time_offset_s;     /**< Temporal Position Time Offset (0020,930D) */
    double acquired_s;        /**< Frame Acquisition DateTime, Acquisition DateTime or Time: since
                                   midnight of its day */
    char kind[MUR_IMAGE_KIND_SIZE]; /**< Frame Type (0008,9007) or Image Type (0008,0008) */
    char component[17];             /**< Complex Image Component (0008,9208); "" not stated */
};

/** What a file says of all its frames, and where their pixels are. */
struct mur_image_file {
    char *path;
    char transfer_syntax[MUR_UID_TEXT_SIZE];
    char sop_class[MUR_UID_TEXT_SIZE], sop_instance[MUR_UID_TEXT_SIZE];
    char study_instance[MUR_UID_TEXT_SIZE], series_instance[MUR_UID_TEXT_SIZE];
    char frame_of_reference[MUR_UID_TEXT_SIZE]; /**< "" if absent, as all of these */
    int64_t number;                             /**< Instance Number; 0 if not stated */
    int64_t series_number;                      /**< 0 if not stated */
    uint32_t rows, columns, samples;
    unsigned bits_allocated, bits_stored, high_bit;
    bool is_signed;
    bool planar;          /**< Planar Configuration 1 */
    char photometric[17]; /**< "MONOCHROME2" */
    enum mur_pixel_type type;
    bool has_padding;
    int64_t padding;                                   /**< Pixel Padding Value (0028,0120) */
    double temporal_resolution_ms, repetition_time_ms; /**< NAN: not stated */
    bool has_nifti_original; /**< a private block "MURPACS NIFTI 1.0" with a header */

    uint64_t pixel_offset, pixel_length; /**< in the file; native and not deflated only */
    bool encapsulated, deflated, big_endian, byte_pixels; /**< byte_pixels: their VR is OB */
    struct mur_image_plane *planes;
    uint32_t plane_count; /**< Number of Frames */
};

/**
 * Reads all but the pixels.
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file cannot be read
 * @retval MUR_PARSE        damaged, cut, or its pixels are fewer than its frames need
 * @retval MUR_MISMATCH     not DICOM, or no image: without Rows, Columns or pixels
 * @retval MUR_UNSUPPORTED  pixels of a layout that is not handed out; a transfer syntax that cannot
 *                          be decoded here: the message names it
 * @retval MUR_LIMIT        more than MUR_IMAGE_FRAME_LIMIT frames
 */
MUR_NODISCARD
enum mur_status mur_image_file_read(struct mur_image_file **out, const char *path,
                                    struct mur_error *error);
void mur_image_file_free(struct mur_image_file *file); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_image_file, mur_image_file_free)

/** Bytes of one plane as handed out: rows * columns * mur_pixel_size(). */
size_t mur_image_plane_size(const struct mur_image_file *file);

/** Reads planes; keeps the last file open, or its pixels if they had to be decoded. */
struct mur_plane_reader;
MUR_NODISCARD
enum mur_status mur_plane_reader_create(struct mur_plane_reader **out, struct mur_error *error);
void mur_plane_reader_free(struct mur_plane_reader *reader); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_plane_reader, mur_plane_reader_free)

/**
 * The stored values of a frame: Bits Stored of them taken and signs extended, in this machine's
 * byte order, samples of a pixel side by side, YBR_FULL turned to RGB. No rescaling.
 * @param[out] out  mur_image_plane_size() bytes, aligned for their type; borrowed until the next
 *                  call with @p reader
 * @retval MUR_PARSE  the file was cut, or its compressed pixels are damaged
 * @retval MUR_LIMIT  more than MUR_IMAGE_DECODED_LIMIT
 */
MUR_NODISCARD
enum mur_status mur_plane_read(const void **out, struct mur_plane_reader *reader,
                               const struct mur_image_file *file, uint32_t frame,
                               struct mur_error *error);

/** Likewise, value * slope + intercept of the plane, as @p type: MUR_PIXEL_FLOAT32 or _FLOAT64.
 * @retval MUR_UNSUPPORTED  colour */
MUR_NODISCARD
enum mur_status mur_plane_read_rescaled(const void **out, struct mur_plane_reader *reader,
                                        const struct mur_image_file *file, uint32_t frame,
                                        enum mur_pixel_type type, struct mur_error *error);

#endif
