/**
 * Writes NIfTI files, plain or gzip by their name: the header of a volume, then voxels as they
 * come. NIfTI-1, or NIfTI-2 where a dimension exceeds 32767. Threads: one at a time per handle;
 * gzip compresses on threads of its own.
 */
#ifndef MUR_CONVERTERS_NIFTI_WRITE_H
#define MUR_CONVERTERS_NIFTI_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/file_set.h"
#include "converters/geometry.h"
#include "converters/image_planes.h"
#include "core/error.h"
#include "core/own.h"

enum {
    MUR_NIFTI_PROLOGUE_SIZE = 544, /**< NIfTI-2 header and the mark that no extension follows */
    MUR_NIFTI_GZIP_LEVEL = 1,      /**< 9 saves a tenth of the space for ten times the time */
};

/** What a header says. */
struct mur_nifti_shape {
    struct mur_volume_geometry geometry;
    enum mur_pixel_type type;
    uint32_t volumes;        /**< 1: three dimensions */
    double slope, intercept; /**< value = stored * slope + intercept; 1 and 0: none */
    double time_step_s;      /**< pixdim[4] */
    char description[80];    /**< descrip; UTF-8, ends with NUL */
};

/**
 * The bytes before the voxels: sform and qform, both code 1, where the axes are orthonormal to
 * 1e-6, else sform only; mm and s.
 * @param[out] length  352 or 544
 */
MUR_NODISCARD
enum mur_status mur_nifti_prologue(uint8_t out[MUR_NIFTI_PROLOGUE_SIZE], size_t *length,
                                   const struct mur_nifti_shape *shape, struct mur_error *error);

struct mur_nifti_writer;
/**
 * @param[in] path   gzip if it ends with ".gz"; opened in @p files, which must outlive the writer
 * @param[in] level  1 to 9 of gzip; 0: MUR_NIFTI_GZIP_LEVEL
 */
MUR_NODISCARD
enum mur_status mur_nifti_writer_create(struct mur_nifti_writer **out, struct mur_file_set *files,
                                        const char *path, int level, struct mur_error *error);
void mur_nifti_writer_free(struct mur_nifti_writer *writer); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_nifti_writer, mur_nifti_writer_free)
/** Header and voxels, in pieces of any size. */
MUR_NODISCARD
enum mur_status mur_nifti_writer_write(struct mur_nifti_writer *writer, const void *bytes,
                                       size_t length, struct mur_error *error);
/** Throws away what was written, to write other content under the same name. */
MUR_NODISCARD
enum mur_status mur_nifti_writer_restart(struct mur_nifti_writer *writer, struct mur_error *error);
/** The file is whole: its name comes with the commit of the files. */
MUR_NODISCARD
enum mur_status mur_nifti_writer_finish(struct mur_nifti_writer *writer, struct mur_error *error);

#endif
