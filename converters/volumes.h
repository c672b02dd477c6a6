/**
 * What the fourth dimension of a NIfTI file means, and how each volume says so in classic images
 * (conversion.md 3.3): points in time, echoes, diffusion gradients, or contrasts (Dixon), which
 * become a series each. Threads: any; plans are read only.
 */
#ifndef MUR_CONVERTERS_VOLUMES_H
#define MUR_CONVERTERS_VOLUMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/geometry.h"
#include "converters/nifti.h"
#include "converters/report.h"
#include "core/buffer.h"
#include "core/error.h"
#include "dicom/put.h"

enum mur_volume_kind {
    MUR_VOLUMES_UNSAID, /**< as the other options say; else time, which is what dim[4] is */
    MUR_VOLUMES_TIME,
    MUR_VOLUMES_ECHO,
    MUR_VOLUMES_DIFFUSION,
    MUR_VOLUMES_DIXON,
};

/** Diffusion weighting of a volume, as FSL keeps it: the direction along the voxel axes i, j, k,
 * with i reversed where the voxel-to-world matrix has a positive determinant. */
struct mur_gradient {
    double b_value; /**< s/mm2 */
    double direction[3];
};

/** Values that a list of options or a file holds. */
struct mur_gradients {
    struct mur_gradient *items; /**< owned */
    size_t count;
    bool has_directions;
};

enum {
    MUR_VOLUME_SERIES_LIMIT = 64,
    MUR_INSTANCE_LIMIT = 10000000,
    MUR_CONTRAST_SIZE = 17, /**< Code String and its NUL */
};

struct mur_volume_options {
    enum mur_volume_kind kind;
    double time_step_ms; /**< 0: the header's */
    const double *echo_times_ms;
    size_t echo_count; /**< 0: not known */
    const struct mur_gradients *gradients;
    /** Of MUR_VOLUMES_DIXON: value 4 of Image Type (0008,0008), such as WATER, FAT, IN_PHASE,
     * OPP_PHASE, FAT_FRACTION. */
    const char *const *contrasts;
    size_t contrast_count;
};

/** What was decided. Borrows from the options. */
struct mur_volume_plan {
    enum mur_volume_kind kind; /**< UNSAID: there is one volume, of no kind */
    uint32_t volumes;
    uint32_t series; /**< of MUR_VOLUMES_DIXON as many as volumes, else 1 */
    double time_step_ms;
    const struct mur_volume_options *options;
};

/**
 * Compares options with the header.
 * @retval MUR_UNSUPPORTED  a fifth dimension (vectors); a fourth that is no time, where its kind is
 *                          not said
 * @retval MUR_INVALID  options that do not suit the number of volumes, or each other
 */
MUR_NODISCARD
enum mur_status mur_volume_plan_make(struct mur_volume_plan *out,
                                     const struct mur_nifti_header *header,
                                     const struct mur_volume_options *options, const char *path,
                                     struct mur_warnings *warnings, struct mur_error *error);

/** Appends what of the plan enters identities. */
MUR_NODISCARD
enum mur_status mur_volume_plan_text(struct mur_buffer *out, const struct mur_volume_plan *plan,
                                     struct mur_error *error);

/** When the acquisition began, as the attributes of the series say. */
struct mur_volume_clock {
    char date[9];  /**< Acquisition Date (0008,0022), or "" */
    char time[17]; /**< Acquisition, Content or Series Time; "000000" if none is known */
};
void mur_volume_clock_read(struct mur_volume_clock *out, struct mur_dataset *attributes);

/**
 * Puts what tells the volume apart.
 * @param[in] voxels  the file's grid, before any flip
 * @param[in] volume  from 0
 */
void mur_volume_put(struct mur_put *put, const struct mur_volume_plan *plan,
                    const struct mur_volume_clock *clock, const struct mur_volume_geometry *voxels,
                    uint32_t volume);

/**
 * Reads FSL's files: one row of b-values, three rows of components (or a row of three for each
 * volume). @param[in] vectors_path  NULL: directions are not known
 * @retval MUR_PARSE    not numbers, or not as many in one file as in the other
 * @retval MUR_INVALID  a negative b-value
 */
MUR_NODISCARD
enum mur_status mur_gradients_read(struct mur_gradients *out, const char *values_path,
                                   const char *vectors_path, struct mur_error *error);
/** The content, not the struct itself. */
void mur_gradients_free(struct mur_gradients *gradients);
#define MUR_AUTO_GRADIENTS __attribute__((cleanup(mur_gradients_free)))

#endif
