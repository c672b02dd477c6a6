#include "converters/stack_volumes.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/remedy.h"
#include "converters/slice_steps.h"
#include "core/buffer.h"

enum { LISTED = 8 };                       /* slices in a message */
static const double STEP_TOLERANCE = 0.01; /* of the step (conversion.md 3.1 item 7) */

/* A plane on its way into a stack. */
struct placed {
    const struct mur_image_plane *plane;
    const struct mur_image_file *file;
    double along; /* the normal */
};

struct stacking {
    const struct mur_image_set *set;
    struct placed *planes; /* sorted by place */
    size_t count;
    size_t positions;
    uint32_t volumes; /* at each position */
    bool allow_gaps;
    mur_stack_made *made;
    void *user;
    struct mur_warnings *warnings;
};

static const char *series_of(const struct stacking *s)
{
    return s->planes[0].file->series_instance;
}

static double distance(const double a[3], const double b[3])
{
    double square = 0;
    for (unsigned axis = 0; axis < 3; axis++)
        square += (a[axis] - b[axis]) * (a[axis] - b[axis]);
    return sqrt(square);
}

static void unit(double out[3], const double from[3])
{
    const double zero[3] = {0, 0, 0};
    double length = distance(from, zero);
    for (unsigned axis = 0; axis < 3; axis++)
        out[axis] = length > 0 ? from[axis] / length : 0;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int compare(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

/* In the order of the series: instance number, frame, and as the files came. */
static int compare_numbers(const struct placed *a, const struct placed *b)
{
    if (a->file->number != b->file->number)
        return a->file->number < b->file->number ? -1 : 1;
    if (a->plane->frame != b->plane->frame)
        return a->plane->frame < b->plane->frame ? -1 : 1;
    return (a->plane->file > b->plane->file) - (a->plane->file < b->plane->file);
}

static int compare_places(const void *a_pointer, const void *b_pointer)
{
    const struct placed *a = a_pointer, *b = b_pointer;
    return a->along != b->along ? (a->along < b->along ? -1 : 1) : compare_numbers(a, b);
}

static int compare_in_series(const void *a_pointer, const void *b_pointer)
{
    return compare_numbers(a_pointer, b_pointer);
}

/* By what distinguishes volumes. */
static int compare_conditions(const struct placed *a, const struct placed *b)
{
    int order = compare(a->plane->temporal_position, b->plane->temporal_position);
    if (order == 0)
        order = compare(a->plane->echo_time_ms, b->plane->echo_time_ms);
    if (order == 0)
        order = compare(a->plane->b_value, b->plane->b_value);
    for (unsigned axis = 0; order == 0 && axis < 3; axis++)
        order = compare(a->plane->gradient[axis], b->plane->gradient[axis]);
    return order;
}

static int compare_by_conditions(const void *a_pointer, const void *b_pointer)
{
    int order = compare_conditions(a_pointer, b_pointer);
    return order != 0 ? order : compare_numbers(a_pointer, b_pointer);
}

static enum mur_status note_position(struct mur_buffer *list, size_t noted,
                                     const struct placed *placed, struct mur_error *error)
{
    const double *at = placed->plane->position;
    return mur_buffer_append_format(list, error, "%s(%.6g, %.6g, %.6g)", noted > 0 ? ", " : "",
                                    at[0], at[1], at[2]);
}

/* Planes at one position stand side by side after this, the volumes of each in the same order. */
static enum mur_status find_positions(struct stacking *s, struct mur_error *error)
{
    qsort(s->planes, s->count, sizeof *s->planes, compare_places);
    size_t most = 0, fewest = SIZE_MAX;
    double same = mur_slice_same_place(s->planes[0].plane->spacing);
    double pixel = fmin(s->planes[0].plane->spacing[0], s->planes[0].plane->spacing[1]);
    for (size_t begin = 0; begin < s->count; s->positions++) {
        size_t end = begin + 1;
        while (end < s->count && s->planes[end].along - s->planes[begin].along < same)
            end++;
        for (size_t index = begin + 1; index < end; index++)
            if (distance(s->planes[begin].plane->position, s->planes[index].plane->position) >
                0.1 * pixel + same)
                return mur_error_set(error, MUR_MISMATCH,
                                     "series %s: %s and %s lie in one plane beside each other, "
                                     "which no volume holds",
                                     series_of(s), s->planes[begin].file->path,
                                     s->planes[index].file->path);
        qsort(s->planes + begin, end - begin, sizeof *s->planes, compare_in_series);
        most = end - begin > most ? end - begin : most;
        fewest = end - begin < fewest ? end - begin : fewest;
        begin = end;
    }
    s->volumes = (uint32_t)most;
    if (most == fewest)
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    size_t noted = 0;
    for (size_t begin = 0, end; begin < s->count; begin = end) {
        for (end = begin + 1;
             end < s->count && s->planes[end].along - s->planes[begin].along < same;)
            end++;
        if (end - begin == most)
            continue;
        enum mur_status status = MUR_OK;
        if (noted < LISTED)
            status = note_position(&list, noted, &s->planes[begin], error);
        if (status != MUR_OK)
            return status;
        noted++;
    }
    return mur_error_set(error, MUR_MISMATCH,
                         "series %s: slices are missing: %zu positions have %zu images, but fewer "
                         "are at %s%s",
                         series_of(s), s->positions - noted, most, mur_buffer_text(&list),
                         noted > LISTED ? " and others" : "");
}

static const struct placed *placed_at(const struct stacking *s, uint32_t volume, size_t position)
{
    return &s->planes[position * s->volumes + volume];
}

/* Whether each volume is of one condition, and none of an earlier time than that before. */
static bool volumes_agree(const struct stacking *s)
{
    for (uint32_t volume = 0; volume < s->volumes; volume++) {
        if (volume > 0 && placed_at(s, volume, 0)->plane->temporal_position <
                              placed_at(s, volume - 1, 0)->plane->temporal_position)
            return false;
        for (size_t position = 1; position < s->positions; position++)
            if (compare_conditions(placed_at(s, volume, 0), placed_at(s, volume, position)) != 0)
                return false;
    }
    return true;
}

/* Numbers say nothing of volumes where slices were numbered first, or time runs backwards: what
 * distinguishes volumes does. */
static enum mur_status order_volumes(struct stacking *s, struct mur_error *error)
{
    if (s->volumes == 1 || volumes_agree(s))
        return MUR_OK;
    for (size_t position = 0; position < s->positions; position++)
        qsort(s->planes + position * s->volumes, s->volumes, sizeof *s->planes,
              compare_by_conditions);
    if (volumes_agree(s))
        return MUR_OK;
    return mur_warn(s->warnings, error,
                    "series %s: echo time, b-value or temporal position differ within a volume",
                    series_of(s));
}

/* ---- steps ---------------------------------------------------------------------------------- */

static const double *position_of(const struct stacking *s, size_t position)
{
    return placed_at(s, 0, position)->plane->position;
}

/* ---- stacks --------------------------------------------------------------------------------- */

static void set_geometry(struct mur_image_stack *stack, const struct stacking *s, size_t first,
                         size_t count)
{
    struct mur_volume_geometry *geometry = &stack->geometry;
    const struct mur_image_plane *plane = placed_at(s, 0, first)->plane;
    unit(geometry->row_dir_lps, plane->orientation);
    unit(geometry->column_dir_lps, plane->orientation + 3);
    memcpy(geometry->origin_lps_mm, plane->position, sizeof geometry->origin_lps_mm);
    geometry->spacing_mm[0] = plane->spacing[1];
    geometry->spacing_mm[1] = plane->spacing[0];
    geometry->dims[0] = placed_at(s, 0, first)->file->columns;
    geometry->dims[1] = placed_at(s, 0, first)->file->rows;
    geometry->dims[2] = (uint32_t)count;
    if (count == 1) { /* one slice has no step: what is said of it is all that is known */
        double stated = plane->slice_spacing > 0 ? plane->slice_spacing : plane->thickness;
        geometry->spacing_mm[2] = stated > 0 ? stated : 1;
        mur_geometry_normal(geometry->slice_dir_lps, geometry);
        return;
    }
    double step[3];
    const double *last = position_of(s, first + count - 1);
    for (unsigned axis = 0; axis < 3; axis++)
        step[axis] = (last[axis] - plane->position[axis]) / ((double)count - 1);
    const double zero[3] = {0, 0, 0};
    geometry->spacing_mm[2] = distance(step, zero);
    unit(geometry->slice_dir_lps, step);
}

static double mean_step(const struct stacking *s, double first, double last)
{
    double step = (last - first) / ((double)s->volumes - 1);
    return isfinite(step) && step > 0 ? step : 0;
}

/* From volume to volume, by the first statement there is. */
static double time_step(const struct stacking *s, size_t position)
{
    if (s->volumes < 2)
        return 0;
    const struct placed *first = placed_at(s, 0, position);
    const struct placed *last = placed_at(s, s->volumes - 1, position);
    double step = first->file->temporal_resolution_ms / 1000;
    if (!(step > 0))
        step = mean_step(s, first->plane->time_offset_s, last->plane->time_offset_s);
    if (!(step > 0) && first->plane->temporal_position < last->plane->temporal_position)
        step = mean_step(s, first->plane->acquired_s, last->plane->acquired_s);
    if (!(step > 0))
        step = first->file->repetition_time_ms / 1000;
    return step > 0 ? step : 0;
}

static void set_conditions(struct mur_image_stack *stack)
{
    bool stated = true, above = false;
    size_t count = (size_t)stack->volumes * stack->geometry.dims[2];
    for (size_t index = 0; index < count; index++) {
        const struct mur_image_plane *plane = stack->planes[index];
        stated = stated && !isnan(plane->b_value);
        above = above || plane->b_value > 0;
        stack->several_echoes = stack->several_echoes ||
                                compare(plane->echo_time_ms, stack->planes[0]->echo_time_ms) != 0;
    }
    stack->diffusion = stated && above;
}

static enum mur_status make_stack(const struct stacking *s, size_t first, size_t count,
                                  uint32_t slab, uint32_t slabs, struct mur_error *error)
{
    struct mur_image_stack stack = {.volumes = s->volumes, .slab = slab, .slabs = slabs};
    stack.planes = calloc(count * s->volumes, sizeof(struct mur_image_plane *));
    if (stack.planes == NULL)
        return mur_error_no_memory(error);
    for (uint32_t volume = 0; volume < s->volumes; volume++)
        for (size_t position = 0; position < count; position++)
            stack.planes[volume * count + position] = placed_at(s, volume, first + position)->plane;
    stack.kind = stack.planes[0]->kind;
    set_geometry(&stack, s, first, count);
    set_conditions(&stack);
    stack.time_step_s = time_step(s, first);
    enum mur_status status = s->made(s->user, &stack, error);
    if (status != MUR_OK)
        free(stack.planes);
    return status;
}

/* Where a run of usual steps that begins at @p first ends. */
static size_t end_of_slab(const struct stacking *s, size_t first, double step)
{
    size_t end = first + 1;
    while (end < s->positions && fabs(distance(position_of(s, end - 1), position_of(s, end)) -
                                      step) <= STEP_TOLERANCE * step)
        end++;
    return end;
}

static enum mur_status make_slabs(const struct stacking *s, const struct mur_slice_places *places,
                                  struct mur_error *error)
{
    double step = 0;
    uint32_t slabs = 0, slab = 0;
    enum mur_status status = mur_slice_step_usual(&step, places, error);
    if (status != MUR_OK)
        return status;
    for (size_t first = 0; first < s->positions; first = end_of_slab(s, first, step))
        slabs++;
    for (size_t first = 0, end; status == MUR_OK && first < s->positions; first = end) {
        end = end_of_slab(s, first, step);
        status = make_stack(s, first, end - first, ++slab, slabs, error);
    }
    if (status == MUR_OK)
        status = mur_warn(s->warnings, error,
                          "series %s: slices are missing or unevenly spaced: it becomes %" PRIu32
                          " slabs",
                          series_of(s), slabs);
    return status;
}

static enum mur_status make_stacks(const struct stacking *s, struct mur_error *error)
{
    const double **positions = calloc(s->positions, sizeof *positions);
    if (positions == NULL)
        return mur_error_no_memory(error);
    for (size_t position = 0; position < s->positions; position++)
        positions[position] = position_of(s, position);
    const struct mur_slice_places places = {.positions = positions, .count = s->positions};
    enum mur_status status =
        mur_slice_steps_are_even(&places) ? make_stack(s, 0, s->positions, 1, 1, error)
        : s->allow_gaps
            ? make_slabs(s, &places, error)
            : mur_error_offer(error, mur_slice_steps_refuse(&places, series_of(s), error),
                              MUR_REMEDY_ALLOW_GAPS);
    free(positions);
    return status;
}

enum mur_status mur_stack_planes(const struct mur_image_plane **planes, size_t count,
                                 const struct mur_image_set *set, bool allow_gaps,
                                 mur_stack_made *made, void *user, struct mur_warnings *warnings,
                                 struct mur_error *error)
{
    struct stacking s = {.set = set,
                         .count = count,
                         .allow_gaps = allow_gaps,
                         .made = made,
                         .user = user,
                         .warnings = warnings};
    s.planes = malloc(count * sizeof *s.planes);
    if (s.planes == NULL)
        return mur_error_no_memory(error);
    struct mur_volume_geometry grid;
    double normal[3];
    memcpy(grid.row_dir_lps, planes[0]->orientation, sizeof grid.row_dir_lps);
    memcpy(grid.column_dir_lps, planes[0]->orientation + 3, sizeof grid.column_dir_lps);
    mur_geometry_normal(normal, &grid);
    for (size_t index = 0; index < count; index++) {
        s.planes[index].plane = planes[index];
        s.planes[index].file = mur_image_set_file(set, planes[index]->file);
        s.planes[index].along = 0;
        for (unsigned axis = 0; axis < 3; axis++)
            s.planes[index].along += normal[axis] * planes[index]->position[axis];
    }
    enum mur_status status = find_positions(&s, error);
    if (status == MUR_OK)
        status = order_volumes(&s, error);
    if (status == MUR_OK)
        status = make_stacks(&s, error);
    free(s.planes);
    return status;
}
