/* Which images the slices of a map are of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/conversion.h"

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* The grid turned as the images are, slices ascending along their normal. */
static enum mur_status turn(struct mur_volume_geometry *out, struct mur_voxel_order *order,
                            const struct mur_conversion *c, struct mur_error *error)
{
    const struct mur_volume_geometry *theirs = &c->options->images->geometry;
    const struct mur_volume_geometry *mine = &c->voxels;
    bool may_turn = !c->options->keep_order;
    const struct mur_voxel_order within = {
        .flip_i = may_turn && dot(mine->row_dir_lps, theirs->row_dir_lps) < 0,
        .flip_j = may_turn && dot(mine->column_dir_lps, theirs->column_dir_lps) < 0,
    };
    struct mur_volume_geometry turned = *mine;
    mur_geometry_turn(&turned, &within);
    unsigned flags = c->options->allow_shear ? (unsigned)MUR_ALLOW_SHEAR : 0u;
    enum mur_status status = mur_geometry_for_series(out, order, &turned, flags, error);
    order->flip_i = within.flip_i;
    order->flip_j = within.flip_j;
    return status;
}

static struct mur_volume_geometry plane_of(const struct mur_volume_geometry *grid,
                                           const double origin[3])
{
    struct mur_volume_geometry plane = *grid;
    memcpy(plane.origin_lps_mm, origin, sizeof plane.origin_lps_mm);
    plane.dims[2] = 1;
    return plane;
}

/* Whether a slice is that of an image, pixel on pixel. */
static bool lies_on(const struct mur_volume_geometry *grid, uint32_t slice,
                    const struct mur_volume_geometry *images, const double position[3])
{
    double origin[3];
    struct mur_grid_map map;
    mur_geometry_position(origin, grid, 0, 0, slice);
    const struct mur_volume_geometry mine = plane_of(grid, origin);
    const struct mur_volume_geometry theirs = plane_of(images, position);
    return mur_geometry_match(&map, &theirs, &mine, NULL) == MUR_OK && map.axis[0] == 0 &&
           map.axis[1] == 1 && !map.flip[0] && !map.flip[1];
}

/* The slice that is next to a position; one that is not there if it lies beyond them. */
static uint32_t slice_at(const struct mur_volume_geometry *grid, const double position[3])
{
    double normal[3], from[3];
    mur_geometry_normal(normal, grid);
    for (unsigned axis = 0; axis < 3; axis++)
        from[axis] = position[axis] - grid->origin_lps_mm[axis];
    double index =
        nearbyint(dot(from, normal) / (grid->spacing_mm[2] * dot(grid->slice_dir_lps, normal)));
    return index >= 0 && index < grid->dims[2] ? (uint32_t)index : grid->dims[2];
}

static enum mur_status tell_none(struct mur_conversion *c, struct mur_error *error)
{
    const struct mur_source_series *images = c->options->images;
    struct mur_grid_map map;
    struct mur_error why = MUR_ERROR_INIT;
    bool across = mur_geometry_match(&map, &images->geometry, &c->voxels, &why) == MUR_OK;
    return mur_warn(&c->report.warnings, error,
                    "%s: its slices are not those of the images of series %s (%s): viewers that "
                    "lay a map over its images, such as OHIF, will not show it",
                    c->path, images->series_instance,
                    across ? "they run another way" : why.message);
}

enum mur_status mur_conversion_find_images(struct mur_conversion *c,
                                           struct mur_volume_geometry *made,
                                           struct mur_error *error)
{
    const struct mur_source_series *images = mur_conversion_named_images(c);
    struct mur_volume_geometry grid;
    struct mur_voxel_order order;
    if (images == NULL)
        return MUR_OK;
    enum mur_status status = turn(&grid, &order, c, error);
    if (status != MUR_OK)
        return status;
    const struct mur_source_plane **found = calloc(grid.dims[2], sizeof *found);
    if (found == NULL)
        return mur_error_no_memory(error);
    bool any = false;
    for (uint32_t plane = 0; plane < images->geometry.dims[2]; plane++) {
        double position[3];
        if (mur_ds_parse(position, images->planes[plane].position, 3, NULL) != MUR_OK)
            continue; /* none of a series that was read: it has a grid */
        uint32_t slice = slice_at(&grid, position);
        if (slice == grid.dims[2] || !lies_on(&grid, slice, &images->geometry, position))
            continue;
        found[slice] = &images->planes[plane];
        any = true;
    }
    if (!any) {
        free(found);
        return tell_none(c, error);
    }
    c->images = found;
    c->report.order = order;
    *made = grid;
    return MUR_OK;
}
