/**
 * Image files put together to volumes: planes of one series, one orientation, spacing, size and
 * kind make a stack; it is sorted along its normal by Image Position (Patient), never by Instance
 * Number, and planes at the same positions are its volumes (conversion.md 3.1 item 7, 3.3).
 * Threads: one at a time per set.
 */
#ifndef MUR_CONVERTERS_IMAGE_STACKS_H
#define MUR_CONVERTERS_IMAGE_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/image_planes.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"
#include "core/progress.h"

/** Volumes on one grid. Voxel (i,j,k) of a volume is column i, row j of its plane k. */
struct mur_image_stack {
    struct mur_volume_geometry geometry; /**< the slices' step may be oblique to the plane: see
                                              slice_dir_lps */
    uint32_t volumes;
    /** planes[volume * dims[2] + k]: borrowed from the set's files */
    const struct mur_image_plane **planes;
    enum mur_pixel_type stored; /**< type of the stored values */
    /** Type of what mur_image_stack_read() hands out: @c stored, or float32 where planes are
     * rescaled differently: then rescaled. */
    enum mur_pixel_type type;
    double slope, intercept; /**< of all planes; 1 and 0 if type is not @c stored */
    const char *kind;        /**< see struct mur_image_plane */
    uint32_t slab, slabs;    /**< from 1, where gaps were allowed; else 1 of 1 */
    double time_step_s;      /**< from volume to volume; 0: not known */
    bool diffusion;          /**< all planes state a b-value and some are above 0 */
    bool several_echoes;     /**< echo times differ from volume to volume */
};

struct mur_image_set;

struct mur_stack_options {
    bool allow_gaps; /**< missing slices make slabs, each a stack of its own; else refused */
    bool keep_going; /**< what of the set cannot be arranged is told by a warning, the rest is */
};

MUR_NODISCARD
enum mur_status mur_image_set_create(struct mur_image_set **out, struct mur_error *error);
void mur_image_set_free(struct mur_image_set *set); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_image_set, mur_image_set_free)

/** Whoever waits for mur_image_set_add(): all may be NULL. @param[in] cancelled  becomes true:
 * MUR_CANCELLED; both outlive the set */
void mur_image_set_watch(struct mur_image_set *set, const bool *cancelled,
                         const struct mur_progress *progress);

/**
 * Reads a file, or all DICOM images beneath a folder (what is none is passed over).
 * @param[in] series  takes only what belongs to this Series Instance UID; NULL: everything
 * @retval as mur_image_file_read(); MUR_LIMIT more than MUR_IMAGE_FILE_LIMIT files; MUR_CANCELLED
 */
MUR_NODISCARD
enum mur_status mur_image_set_add(struct mur_image_set *set, const char *path, const char *series,
                                  struct mur_warnings *warnings, struct mur_error *error);

/** Likewise a file of a study or series: passed over if it is no image, as in a folder. */
MUR_NODISCARD
enum mur_status mur_image_set_add_member(struct mur_image_set *set, const char *path,
                                         const char *series, struct mur_warnings *warnings,
                                         struct mur_error *error);

/**
 * After all files: makes the stacks, sorted by series (Series Number, UID), kind and place. Series
 * that lie nowhere (photographs, reports as images) are passed over with a warning where others are
 * there, and so are copies of files.
 * @retval MUR_NOT_FOUND  there is no image
 * @retval MUR_PARSE      a plane does not say where it lies
 * @retval MUR_MISMATCH   slices are missing or unevenly spaced; positions have different numbers of
 *                        planes; signed and unsigned values in one stack. Messages name series and
 *                        slices, or the file.
 */
MUR_NODISCARD
enum mur_status mur_image_set_arrange(struct mur_image_set *set,
                                      const struct mur_stack_options *options,
                                      struct mur_warnings *warnings, struct mur_error *error);

/** Series and stacks that were left out by keep_going. */
size_t mur_image_set_refused_count(const struct mur_image_set *set);
size_t mur_image_set_stack_count(const struct mur_image_set *set);
const struct mur_image_stack *mur_image_set_stack(const struct mur_image_set *set, size_t index);
size_t mur_image_set_file_count(const struct mur_image_set *set);
/** By mur_image_plane.file. */
const struct mur_image_file *mur_image_set_file(const struct mur_image_set *set, size_t index);
/** The file of a stack's first plane. */
const struct mur_image_file *mur_image_stack_first(const struct mur_image_set *set,
                                                   const struct mur_image_stack *stack);

/** Bytes of one slice as mur_image_stack_read() hands it out. */
size_t mur_image_stack_slice_size(const struct mur_image_stack *stack);
/** One slice of one volume, i fastest; as mur_plane_read(). */
MUR_NODISCARD
enum mur_status mur_image_stack_read(const void **out, struct mur_plane_reader *reader,
                                     const struct mur_image_set *set,
                                     const struct mur_image_stack *stack, uint32_t volume,
                                     uint32_t slice, struct mur_error *error);

#endif
