/**
 * @file
 * The way from slice to slice of a series, and what is said where it is not even.
 */
#ifndef MUR_CONVERTERS_SLICE_STEPS_H
#define MUR_CONVERTERS_SLICE_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/** Places of slices in their order, three numbers each, in mm. */
struct mur_slice_places {
    const double *const *positions;
    size_t count;
};

/**
 * Slices that lie closer together than this, in mm, are at one place: Decimal Strings are rounded;
 * but of pixels of a few micrometres the planes may lie as close, and no more than a tenth of a
 * pixel counts.
 * @param[in] pixel_spacing  of rows and of columns, in mm
 */
double mur_slice_same_place(const double pixel_spacing[2]);

/** Whether each slice follows the one before by the mean step, within 1 % (conversion.md 3.1 item
 * 7). */
bool mur_slice_steps_are_even(const struct mur_slice_places *places);

/** The distance of most neighbours: the lower median. There are two slices or more. */
MUR_NODISCARD
enum mur_status mur_slice_step_usual(double *out, const struct mur_slice_places *places,
                                     struct mur_error *error);

/**
 * Says which slices follow the one before by another distance than most.
 * @retval MUR_MISMATCH  always, unless memory is short
 */
MUR_NODISCARD
enum mur_status mur_slice_steps_refuse(const struct mur_slice_places *places, const char *series,
                                       struct mur_error *error);

#endif
