/**
 * What the files of the NIfTI to DICOM conversion share (nii_to_dicom.c, nii_look.c,
 * nii_dataset.c, nii_identity.c, nii_images.c, nii_slices.c, parametric_map.c); nobody else
 * includes it.
 * Threads: one at a time, but for what says otherwise.
 */
#ifndef MUR_CONVERTERS_CONVERSION_H
#define MUR_CONVERTERS_CONVERSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/dicom_series.h"
#include "converters/nii_to_dicom.h"
#include "converters/original.h"
#include "converters/slice_head.h"
#include "converters/volumes.h"

/** A series that is made: all volumes, or one contrast of several. */
struct mur_conversion_part {
    struct mur_value_scan *scan; /**< NULL: pixels are written as they are */
    struct mur_value_map values;
    struct mur_source_series *series; /**< owned */
    uint32_t first, count;            /**< volumes of the file */
    uint8_t voxel_digest[MUR_SHA256_SIZE];
};

/** How voxels become pixels. */
enum mur_pixel_form {
    MUR_PIXELS_MAPPED, /**< one sample of 16 bits, by the value map */
    MUR_PIXELS_COLOUR, /**< red, green, blue of 8 bits: Secondary Capture */
    MUR_PIXELS_FLOAT,  /**< 32 or 64 bits as they are: Parametric Map */
};

struct mur_conversion {
    const struct mur_conversion_options *options;
    const char *path;
    struct mur_nifti *nifti;
    const struct mur_nifti_header *header;
    enum mur_pixel_form form;
    struct mur_volume_plan plan;
    struct mur_volume_clock clock;
    struct mur_volume_geometry voxels; /**< the file's grid, before any flip */
    /** Of each slice of a series the image that it is of, or NULL; borrowed from the options. NULL:
     * no slice has one. */
    const struct mur_source_plane **images;
    struct mur_original original; /**< of the file; a part's digest is put in when written */
    struct mur_conversion_part parts[MUR_VOLUME_SERIES_LIMIT];
    uint32_t part_count;
    struct mur_conversion_report report;
    atomic_uint_fast64_t slices_read; /**< as progress tells them */
    uint64_t slices_to_read;
    struct mur_dataset *dataset; /**< of the part that is being written */
};

/** Volumes smaller than this are not worth another thread. */
enum { MUR_CONVERSION_BESIDE = 4 * 1024 * 1024 };

static inline size_t mur_conversion_slice_voxels(const struct mur_conversion *c)
{
    return (size_t)c->header->dims[0] * c->header->dims[1];
}

/** Reads a slice of the file and tells how far all is.
 * @param[in] nifti  the conversion's, or of another thread its own reader
 * @retval MUR_CANCELLED  the caller wants an end */
MUR_NODISCARD
enum mur_status mur_conversion_read(const void **out, struct mur_conversion *c,
                                    struct mur_nifti *nifti, uint32_t volume, uint32_t slice,
                                    struct mur_error *error);

/** The slice of the file that becomes slice @p index of a series. */
static inline uint32_t mur_conversion_file_slice(const struct mur_conversion *c, uint32_t index)
{
    return c->report.order.reverse_k ? c->header->dims[2] - 1 - index : index;
}

/** The images that what is made is to name, or NULL. */
static inline const struct mur_source_series *mur_conversion_named_images(
    const struct mur_conversion *c)
{
    return c->form == MUR_PIXELS_FLOAT ? c->options->images : NULL;
}

/* nii_images.c */
/**
 * Looks which slices are those of the images that are to be named.
 * @param[in,out] made  grid of the series; where slices are found, it and the order in the report
 *                      are turned as the images are
 */
MUR_NODISCARD
enum mur_status mur_conversion_find_images(struct mur_conversion *c,
                                           struct mur_volume_geometry *made,
                                           struct mur_error *error);

/* nii_look.c */
/** Looks at all voxels: value maps and digests of the parts, digest of the content. */
MUR_NODISCARD
enum mur_status mur_conversion_look(struct mur_conversion *c, struct mur_error *error);

/* nii_slices.c */
/** Copies a slice of voxels of @p size bytes with its rows and columns turned as the order says. */
void mur_turn_slice(void *out, const void *voxels, size_t columns, size_t rows, size_t size,
                    const struct mur_voxel_order *order);
/** Writes a part as single-frame images; its Data Set stands in @p c. */
MUR_NODISCARD
enum mur_status mur_conversion_write_images(struct mur_conversion *c,
                                            struct mur_conversion_part *part,
                                            const struct mur_output *output,
                                            struct mur_error *error);

const char *mur_conversion_sop_class(const struct mur_conversion *c);

/* nii_dataset.c */
/** Builds the Data Set of a part in @p c, without UIDs of series and instances, for classic images.
 */
MUR_NODISCARD
enum mur_status mur_conversion_dataset(struct mur_conversion *c,
                                       const struct mur_conversion_part *part,
                                       struct mur_error *error);
/** Puts and takes away the original header, of the first instance of a part. */
MUR_NODISCARD
enum mur_status mur_conversion_put_original(struct mur_conversion *c,
                                            const struct mur_conversion_part *part,
                                            struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_conversion_remove_original(struct mur_conversion *c, struct mur_error *error);

/* nii_identity.c */
/** Study and Frame of Reference UID of all parts. */
MUR_NODISCARD
enum mur_status mur_conversion_identify(struct mur_conversion *c, struct mur_error *error);
/** Series and SOP Instance UIDs of a part whose Data Set stands in @p c.
 * @param[in] instances  0: one for each slice and volume; else as many */
MUR_NODISCARD
enum mur_status mur_conversion_identify_part(struct mur_conversion *c,
                                             struct mur_conversion_part *part, uint32_t instances,
                                             struct mur_error *error);

/* parametric_map.c */
/** Writes a part as one Parametric Map (PS3.3 A.75); its Data Set stands in @p c. */
MUR_NODISCARD
enum mur_status mur_conversion_write_map(struct mur_conversion *c, struct mur_conversion_part *part,
                                         const struct mur_output *output, struct mur_error *error);

#endif
