/* The planes of a series in the order of their positions, and the grid that they make. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/dicom_series_internal.h"
#include "converters/slice_steps.h"

static int compare_planes(const void *a_pointer, const void *b_pointer)
{
    const struct mur_series_plane *a = a_pointer, *b = b_pointer;
    if (a->along != b->along)
        return a->along < b->along ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return (a->source.frame > b->source.frame) - (a->source.frame < b->source.frame);
}

static bool before_in_series(const struct mur_series_plane *a, const struct mur_series_plane *b)
{
    return a->number != b->number ? a->number < b->number : a->source.frame < b->source.frame;
}

/* Leaves one plane at each position, the first of the series, in ascending order. */
static uint32_t keep_first_volume(struct mur_series_reader *reader, bool *even)
{
    double same = mur_slice_same_place(reader->spacing);
    size_t kept = 0, most = 0, fewest = SIZE_MAX;
    for (size_t begin = 0; begin < reader->plane_count;) {
        size_t end = begin + 1, first = begin;
        while (end < reader->plane_count &&
               reader->planes[end].along - reader->planes[begin].along < same)
            end++;
        for (size_t index = begin + 1; index < end; index++)
            if (before_in_series(&reader->planes[index], &reader->planes[first]))
                first = index;
        struct mur_series_plane chosen = reader->planes[first];
        most = end - begin > most ? end - begin : most;
        fewest = end - begin < fewest ? end - begin : fewest;
        reader->planes[kept++] = chosen;
        begin = end;
    }
    reader->plane_count = kept;
    *even = most == fewest;
    return (uint32_t)most;
}

static enum mur_status check_steps(const struct mur_series_reader *reader, struct mur_error *error)
{
    const double **positions = calloc(reader->plane_count, sizeof *positions);
    if (positions == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < reader->plane_count; index++)
        positions[index] = reader->planes[index].position;
    const struct mur_slice_places places = {.positions = positions, .count = reader->plane_count};
    enum mur_status status =
        mur_slice_steps_are_even(&places)
            ? MUR_OK
            : mur_slice_steps_refuse(&places, reader->series->series_instance, error);
    free(positions);
    return status;
}

enum mur_status mur_series_arrange(struct mur_series_reader *reader, struct mur_error *error)
{
    struct mur_source_series *series = reader->series;
    double normal[3] = {0, 0, 0};
    struct mur_volume_geometry frame;
    memset(&frame, 0, sizeof frame);
    memcpy(frame.row_dir_lps, reader->orientation, sizeof frame.row_dir_lps);
    memcpy(frame.column_dir_lps, reader->orientation + 3, sizeof frame.column_dir_lps);
    mur_geometry_normal(normal, &frame);
    for (size_t index = 0; index < reader->plane_count; index++) {
        struct mur_series_plane *plane = &reader->planes[index];
        plane->along = normal[0] * plane->position[0] + normal[1] * plane->position[1] +
                       normal[2] * plane->position[2];
    }
    qsort(reader->planes, reader->plane_count, sizeof *reader->planes, compare_planes);
    bool even = true;
    series->volumes = keep_first_volume(reader, &even);
    enum mur_status status = MUR_OK;
    if (series->volumes > 1)
        status = mur_warn(reader->warnings, error,
                          "series %s has %s%" PRIu32 " images at the same positions: the first of "
                          "each is taken",
                          series->series_instance, even ? "" : "up to ", series->volumes);
    if (status == MUR_OK)
        status = check_steps(reader, error);
    if (status != MUR_OK)
        return status;
    series->planes = calloc(reader->plane_count, sizeof *series->planes);
    if (series->planes == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < reader->plane_count; index++)
        series->planes[index] = reader->planes[index].source;
    series->first_file = MUR_STEAL(reader->paths[reader->planes[0].instance]);
    const uint32_t dims[3] = {reader->columns, reader->rows, (uint32_t)reader->plane_count};
    if (series->text.slice_spacing[0] == '\0') /* one slice has no step: its thickness serves */
        memcpy(series->text.slice_spacing, series->slice_thickness,
               sizeof series->text.slice_spacing);
    status = mur_geometry_parse(&series->geometry, &series->text, series->planes[0].position,
                                series->planes[reader->plane_count - 1].position, dims, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "series %s", series->series_instance);
    double stated = 0, step = series->geometry.spacing_mm[2];
    if (mur_ds_parse(&stated, series->text.slice_spacing, 1, NULL) != MUR_OK)
        stated = 0;
    if (reader->plane_count > 1 && !(fabs(stated - step) < 1e-4 * step))
        mur_ds_format(series->text.slice_spacing, step, 1e-9); /* positions count, not statements */
    if (series->slice_thickness[0] == '\0')
        mur_ds_format(series->slice_thickness, series->geometry.spacing_mm[2], 1e-9);
    if (series->text.slice_spacing[0] == '\0')
        memcpy(series->text.slice_spacing, series->slice_thickness,
               sizeof series->text.slice_spacing);
    return MUR_OK;
}
