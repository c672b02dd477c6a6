/**
 * Where voxels lie. NIfTI speaks RAS, DICOM LPS; everything here is LPS and millimetres unless the
 * name says otherwise. Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_GEOMETRY_H
#define MUR_CONVERTERS_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "dicom/encoder.h" /* MUR_DS_SIZE */

/** A regular grid of voxels, patient coordinates (PS3.3 C.7.6.2.1.1). */
struct mur_volume_geometry {
    double origin_lps_mm[3];  /**< centre of voxel (0,0,0) */
    double row_dir_lps[3];    /**< unit vector along i: along a row, to the next column */
    double column_dir_lps[3]; /**< unit vector along j: down a column, to the next row */
    double slice_dir_lps[3];  /**< unit vector along k */
    double spacing_mm[3];     /**< distance of neighbours along i, j, k */
    uint32_t dims[3];         /**< voxels along i (columns), j (rows), k (slices) */
};

/**
 * @param[in] affine_ras_mm  rows x, y, z of the voxel-to-world matrix (NIfTI method 2 or 3), in mm
 * @retval MUR_PARSE  not finite, or an axis without length
 */
MUR_NODISCARD
enum mur_status mur_geometry_from_ras(struct mur_volume_geometry *out,
                                      const double affine_ras_mm[3][4], const uint32_t dims[3],
                                      struct mur_error *error);

/** Centre of voxel (i,j,k). */
void mur_geometry_position(double out_lps_mm[3], const struct mur_volume_geometry *geometry,
                           double i, double j, double k);

/** Unit vector row x column: the direction in which a series' slices are numbered. */
void mur_geometry_normal(double out_lps[3], const struct mur_volume_geometry *geometry);

/** Largest distance in mm between the eight corner voxels of two grids of equal dims. */
double mur_geometry_corner_distance(const struct mur_volume_geometry *a,
                                    const struct mur_volume_geometry *b);

/** How a series' slices were taken from the voxel array: kept for the way back. */
struct mur_voxel_order {
    bool flip_i;    /**< column 0 of the series is the last voxel along i */
    bool flip_j;    /**< row 0 of the series is the last voxel along j */
    bool reverse_k; /**< the first slice of the series is the last along k */
};

/** Reverses the axes that @p order says. */
void mur_geometry_turn(struct mur_volume_geometry *geometry, const struct mur_voxel_order *order);

enum mur_series_flags {
    MUR_FLIP_FOR_DISPLAY = 1, /**< within the plane, so that it is not mirrored on a screen: rows to
                                   the left or posterior, columns to the posterior or feet */
    MUR_ALLOW_SHEAR = 2,      /**< slices that follow each other off the normal: only Image Position
                                   (Patient) says so, and many readers do not look */
};

/**
 * The grid as a series of slices shows it: optionally flipped, slices ascending along the normal.
 * Nothing is resampled.
 * @param[in] flags  of enum mur_series_flags
 * @retval MUR_UNSUPPORTED  sheared: slices more than 0.1 degree off the plane's normal, unless
 *                          allowed; or rows not perpendicular to columns
 */
MUR_NODISCARD
enum mur_status mur_geometry_for_series(struct mur_volume_geometry *out,
                                        struct mur_voxel_order *order,
                                        const struct mur_volume_geometry *voxels, unsigned flags,
                                        struct mur_error *error);

enum {
    MUR_POSITION_TEXT_SIZE = 3 * MUR_DS_SIZE,
    MUR_ORIENTATION_TEXT_SIZE = 6 * MUR_DS_SIZE,
    MUR_SPACING_TEXT_SIZE = 2 * MUR_DS_SIZE,
};

/** Shortest decimal of at most 16 characters within @p tolerance of a finite value, or else the
 * nearest one that fits. */
void mur_ds_format(char out[MUR_DS_SIZE], double value, double tolerance);

/** Shortest decimal that reads back to the same float32: 0.2, not 0.200000003. */
void mur_ds_format_float32(char out[MUR_DS_SIZE], float value);

/** A grid as Attribute values. A position is made for each slice. */
struct mur_geometry_text {
    char image_orientation[MUR_ORIENTATION_TEXT_SIZE]; /**< (0020,0037) */
    char pixel_spacing[MUR_SPACING_TEXT_SIZE];         /**< (0028,0030), row distance first */
    char slice_spacing[MUR_DS_SIZE]; /**< (0018,0088), distance along the normal */
};

void mur_geometry_format(struct mur_geometry_text *out, const struct mur_volume_geometry *geometry);
/** Image Position (Patient) (0020,0032) of slice @p k. */
void mur_geometry_format_position(char out[MUR_POSITION_TEXT_SIZE],
                                  const struct mur_volume_geometry *geometry, uint32_t k);

/**
 * The grid as a reader gets it from the values: positions of the first and the last slice.
 * @retval MUR_PARSE  values missing, not numbers, or directions without length
 */
MUR_NODISCARD
enum mur_status mur_geometry_parse(struct mur_volume_geometry *out,
                                   const struct mur_geometry_text *text, const char *first_position,
                                   const char *last_position, const uint32_t dims[3],
                                   struct mur_error *error);

/** Reads @p count numbers separated by backslashes. @retval MUR_PARSE fewer, more, or not numbers
 */
MUR_NODISCARD
enum mur_status mur_ds_parse(double *out, const char *text, unsigned count,
                             struct mur_error *error);

/** Voxel (i,j,k) of the target grid is voxel axes[0..2] of the other one. */
struct mur_grid_map {
    unsigned axis[3];    /**< which axis of the other grid runs along i, j, k of the target */
    bool flip[3];        /**< and whether against it */
    double error_voxels; /**< largest distance of corresponding corners, in target voxels */
};

enum { MUR_GRID_TOLERANCE_PERCENT = 10 }; /**< of a voxel: below, two grids are the same */

/**
 * Finds the permutation and flips that make @p other the same grid as @p target.
 * @retval MUR_MISMATCH  there is none: the message says what differs
 */
MUR_NODISCARD
enum mur_status mur_geometry_match(struct mur_grid_map *out,
                                   const struct mur_volume_geometry *target,
                                   const struct mur_volume_geometry *other,
                                   struct mur_error *error);

#endif
