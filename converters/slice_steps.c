#include "converters/slice_steps.h"

#include <math.h>
#include <stdlib.h>

#include "core/buffer.h"
#include "core/own.h"

enum { LISTED = 8 }; /* slices in a message */

static const double STEP_TOLERANCE = 0.01; /* of the step */
static const double ROUNDING_MM = 1e-3;    /* of positions */
static const double PART_OF_PIXEL = 0.1;

double mur_slice_same_place(const double pixel_spacing[2])
{
    double part = PART_OF_PIXEL * fmin(pixel_spacing[0], pixel_spacing[1]);
    return part > 0 ? fmin(part, ROUNDING_MM) : ROUNDING_MM;
}

/* From the slice before. */
static double step_before(const struct mur_slice_places *places, size_t index)
{
    const double *from = places->positions[index - 1], *to = places->positions[index];
    double square = 0;
    for (unsigned axis = 0; axis < 3; axis++)
        square += (to[axis] - from[axis]) * (to[axis] - from[axis]);
    return sqrt(square);
}

static int compare_steps(const void *a_pointer, const void *b_pointer)
{
    double a = *(const double *)a_pointer, b = *(const double *)b_pointer;
    return (a > b) - (a < b);
}

bool mur_slice_steps_are_even(const struct mur_slice_places *places)
{
    if (places->count < 3)
        return true;
    const double *first = places->positions[0], *last = places->positions[places->count - 1];
    double step[3], square = 0;
    for (unsigned axis = 0; axis < 3; axis++) {
        step[axis] = (last[axis] - first[axis]) / ((double)places->count - 1);
        square += step[axis] * step[axis];
    }
    for (size_t index = 1; index < places->count; index++) {
        const double *before = places->positions[index - 1], *at = places->positions[index];
        double off = 0;
        for (unsigned axis = 0; axis < 3; axis++) {
            double between = at[axis] - before[axis] - step[axis];
            off += between * between;
        }
        if (off > STEP_TOLERANCE * STEP_TOLERANCE * square)
            return false;
    }
    return true;
}

enum mur_status mur_slice_step_usual(double *out, const struct mur_slice_places *places,
                                     struct mur_error *error)
{
    size_t count = places->count - 1;
    double *steps = malloc(count * sizeof *steps);
    if (steps == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < count; index++)
        steps[index] = step_before(places, index + 1);
    qsort(steps, count, sizeof *steps, compare_steps);
    *out = steps[(count - 1) / 2];
    free(steps);
    return MUR_OK;
}

enum mur_status mur_slice_steps_refuse(const struct mur_slice_places *places, const char *series,
                                       struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    double usual = 0;
    size_t noted = 0;
    enum mur_status status = mur_slice_step_usual(&usual, places, error);
    for (size_t index = 1; status == MUR_OK && index < places->count; index++) {
        const double *at = places->positions[index];
        double here = step_before(places, index);
        if (fabs(here - usual) > STEP_TOLERANCE * usual && noted++ < LISTED)
            status = mur_buffer_append_format(
                &list, error, "%s%.4g mm before slice %zu (%.6g, %.6g, %.6g)",
                noted > 1 ? ", " : "", here, index + 1, at[0], at[1], at[2]);
    }
    if (status != MUR_OK)
        return status;
    return mur_error_set(error, MUR_MISMATCH,
                         "series %s: slices are missing or unevenly spaced: %.4g mm as a rule, but "
                         "%s%s",
                         series, usual,
                         noted > 0 ? mur_buffer_text(&list) : "not along a straight line",
                         noted > LISTED ? " and others" : "");
}
