#include "converters/seg_grid.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/slice_steps.h"

static const double STEP_TOLERANCE = 0.01; /* of a step */
/* A step that is a smaller part of the smallest distance, or of the usual one, is none: positions
 * are uneven. */
static const double PART_OF_SMALLEST = 8, PART_OF_USUAL = 64;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static double length_of(const double a[3])
{
    return sqrt(dot(a, a));
}

/* ---- a grid of their own --------------------------------------------------------------------- */

static int compare_doubles(const void *a_pointer, const void *b_pointer)
{
    double a = *(const double *)a_pointer, b = *(const double *)b_pointer;
    return (a > b) - (a < b);
}

/* Distances along the normal, ascending, each once. */
static enum mur_status list_positions(double **out, size_t *count, const struct mur_seg_info *info,
                                      const double normal[3], struct mur_error *error)
{
    double *along = malloc(info->frame_count * sizeof *along);
    if (along == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < info->frame_count; index++)
        along[index] = dot(normal, info->frames[index].position);
    qsort(along, info->frame_count, sizeof *along, compare_doubles);
    double same = mur_slice_same_place(info->spacing);
    size_t kept = 1;
    for (size_t index = 1; index < info->frame_count; index++)
        if (along[index] - along[kept - 1] > same)
            along[kept++] = along[index];
    *out = along;
    *count = kept;
    return MUR_OK;
}

static double common_measure(double a, double b, double tolerance)
{
    while (b > tolerance) {
        double rest = fabs(a - rint(a / b) * b);
        a = b;
        b = rest;
    }
    return a;
}

static double smallest_distance(const double *along, size_t count)
{
    double smallest = INFINITY;
    for (size_t index = 1; index < count; index++)
        smallest = fmin(smallest, along[index] - along[index - 1]);
    return smallest;
}

/* The step that all distances are multiples of; one that is too small if there is none. */
static double step_of(const double *along, size_t count, const struct mur_seg_info *info)
{
    double stated = info->slice_spacing > 0 ? info->slice_spacing : info->slice_thickness;
    if (count == 1)
        return stated > 0 ? stated : 1;
    double smallest = smallest_distance(along, count);
    double tolerance = fmax(2 * mur_slice_same_place(info->spacing), STEP_TOLERANCE * smallest);
    tolerance = fmin(tolerance, 0.25 * smallest);
    double step = along[1] - along[0];
    for (size_t index = 2; index < count; index++)
        step = common_measure(fmax(step, along[index] - along[index - 1]),
                              fmin(step, along[index] - along[index - 1]), tolerance);
    /* planes between those that have frames */
    double parts = info->slice_spacing > 0 ? step / info->slice_spacing : 1;
    if (parts > 1.5 && fabs(parts - rint(parts)) <= STEP_TOLERANCE * parts)
        step /= rint(parts);
    /* over the whole length the rounding of single positions is small */
    double steps = rint((along[count - 1] - along[0]) / step);
    return steps >= 1 ? (along[count - 1] - along[0]) / steps : step;
}

/* Whether the step is a fair part of the distances between planes; if not, names the frame that the
 * distance of most neighbours does not lead to. */
static enum mur_status check_step(double step, const struct mur_seg_info *info,
                                  const double normal[3], const double *along, size_t count,
                                  struct mur_error *error)
{
    if (count < 3)
        return MUR_OK;
    MUR_AUTO_FREE double *distances = calloc(count - 1, sizeof *distances);
    if (distances == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index + 1 < count; index++)
        distances[index] = along[index + 1] - along[index];
    qsort(distances, count - 1, sizeof *distances, compare_doubles);
    double usual = distances[(count - 1) / 2];
    if (step * PART_OF_SMALLEST >= distances[0] && step * PART_OF_USUAL >= usual)
        return MUR_OK;
    size_t worst = 0;
    double most = 0;
    for (size_t index = 0; index < info->frame_count; index++) {
        double steps = (dot(normal, info->frames[index].position) - along[0]) / usual;
        if (fabs(steps - rint(steps)) > most) {
            most = fabs(steps - rint(steps));
            worst = index;
        }
    }
    const double *at = info->frames[worst].position;
    return mur_error_set(error, MUR_MISMATCH,
                         "frame %zu at (%g, %g, %g) is %.2f of a step off the others, which are "
                         "%.4g mm apart: positions make no even grid",
                         worst + 1, at[0], at[1], at[2], most, usual);
}

static enum mur_status check_line(const struct mur_seg_info *info,
                                  const struct mur_volume_geometry *grid, const double normal[3],
                                  struct mur_error *error)
{
    double pixel = fmin(grid->spacing_mm[0], grid->spacing_mm[1]);
    for (size_t index = 0; index < info->frame_count; index++) {
        const double *position = info->frames[index].position;
        double from[3], off[3];
        for (unsigned row = 0; row < 3; row++)
            from[row] = position[row] - grid->origin_lps_mm[row];
        double slope = dot(normal, grid->slice_dir_lps) * grid->spacing_mm[2];
        double slice = dot(normal, from) / slope;
        for (unsigned row = 0; row < 3; row++)
            off[row] = from[row] - rint(slice) * grid->spacing_mm[2] * grid->slice_dir_lps[row];
        double along = dot(normal, off);
        for (unsigned row = 0; row < 3; row++)
            off[row] -= along * normal[row];
        if (length_of(off) * 100 > MUR_GRID_TOLERANCE_PERCENT * pixel)
            return mur_error_set(
                error, MUR_MISMATCH,
                "frame %zu at (%g, %g, %g) is not behind the others: frames do not "
                "lie on one line",
                index + 1, position[0], position[1], position[2]);
        if (fabs(slice - rint(slice)) * 100 > MUR_GRID_TOLERANCE_PERCENT)
            return mur_error_set(error, MUR_MISMATCH,
                                 "frame %zu at (%g, %g, %g) lies between slices %.4g mm apart: "
                                 "positions make no even grid",
                                 index + 1, position[0], position[1], position[2],
                                 grid->spacing_mm[2]);
    }
    return MUR_OK;
}

enum mur_status mur_seg_own_grid(struct mur_volume_geometry *out, const struct mur_seg_info *info,
                                 struct mur_warnings *warnings, struct mur_error *error)
{
    struct mur_volume_geometry grid = {
        .spacing_mm = {info->spacing[1], info->spacing[0], 1},
        .dims = {info->columns, info->rows, 1},
    };
    memcpy(grid.row_dir_lps, info->orientation, sizeof grid.row_dir_lps);
    memcpy(grid.column_dir_lps, info->orientation + 3, sizeof grid.column_dir_lps);
    if (!(fabs(length_of(grid.row_dir_lps) - 1) < 0.01) ||
        !(fabs(length_of(grid.column_dir_lps) - 1) < 0.01) ||
        !(fabs(dot(grid.row_dir_lps, grid.column_dir_lps)) < 0.01))
        return mur_error_set(error, MUR_PARSE,
                             "Image Orientation (Patient) (0020,0037) holds no unit vectors at a "
                             "right angle");
    double normal[3];
    mur_geometry_normal(normal, &grid);
    MUR_AUTO_FREE double *along = NULL;
    size_t count = 0;
    enum mur_status status = list_positions(&along, &count, info, normal, error);
    if (status != MUR_OK)
        return status;
    size_t first = 0, last = 0;
    for (size_t index = 1; index < info->frame_count; index++) {
        double here = dot(normal, info->frames[index].position);
        if (here < dot(normal, info->frames[first].position))
            first = index;
        if (here > dot(normal, info->frames[last].position))
            last = index;
    }
    memcpy(grid.origin_lps_mm, info->frames[first].position, sizeof grid.origin_lps_mm);
    memcpy(grid.slice_dir_lps, normal, sizeof normal);
    grid.spacing_mm[2] = step_of(along, count, info);
    status = check_step(grid.spacing_mm[2], info, normal, along, count, error);
    if (status != MUR_OK)
        return status;
    if (count == 1 && !(info->slice_spacing > 0) && !(info->slice_thickness > 0)) {
        status = mur_warn(warnings, error,
                          "one plane without Slice Thickness: it is taken to be 1 mm thick");
    } else if (count > 1) {
        double steps = rint((along[count - 1] - along[0]) / grid.spacing_mm[2]);
        if (!(steps < MUR_SEG_SIDE_LIMIT))
            return mur_error_set(error, MUR_MISMATCH,
                                 "positions of frames make no even grid: %zu planes over %.4g mm "
                                 "would need a step of %.4g mm",
                                 count, along[count - 1] - along[0], grid.spacing_mm[2]);
        double way[3];
        for (unsigned row = 0; row < 3; row++)
            way[row] = info->frames[last].position[row] - info->frames[first].position[row];
        grid.dims[2] = (uint32_t)steps + 1;
        grid.spacing_mm[2] = length_of(way) / steps;
        for (unsigned row = 0; row < 3; row++)
            grid.slice_dir_lps[row] = way[row] / length_of(way);
    }
    if (status == MUR_OK)
        status = check_line(info, &grid, normal, error);
    if (status == MUR_OK)
        *out = grid;
    return status;
}

/* ---- any grid -------------------------------------------------------------------------------- */

struct lattice {
    double inverse[3][3];
    const struct mur_volume_geometry *grid;
};

static bool invert(struct lattice *out, const struct mur_volume_geometry *grid)
{
    const double *directions[3] = {grid->row_dir_lps, grid->column_dir_lps, grid->slice_dir_lps};
    double m[3][3];
    for (unsigned axis = 0; axis < 3; axis++)
        for (unsigned row = 0; row < 3; row++)
            m[row][axis] = directions[axis][row] * grid->spacing_mm[axis];
    double determinant = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
                         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
                         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    if (!(fabs(determinant) > 0))
        return false;
    for (unsigned row = 0; row < 3; row++)
        for (unsigned column = 0; column < 3; column++) {
            unsigned r1 = (column + 1) % 3, r2 = (column + 2) % 3;
            unsigned c1 = (row + 1) % 3, c2 = (row + 2) % 3;
            out->inverse[row][column] =
                (m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]) / determinant;
        }
    out->grid = grid;
    return true;
}

/* The voxel, with fractions, at a position; or along a way, where @p origin is not taken off. */
static void to_voxels(double out[3], const struct lattice *lattice, const double at[3],
                      bool position)
{
    double from[3];
    for (unsigned row = 0; row < 3; row++)
        from[row] = position ? at[row] - lattice->grid->origin_lps_mm[row] : at[row];
    for (unsigned row = 0; row < 3; row++)
        out[row] = dot(lattice->inverse[row], from);
}

static unsigned dominant_axis(const double way[3])
{
    unsigned best = 0;
    for (unsigned axis = 1; axis < 3; axis++)
        if (fabs(way[axis]) > fabs(way[best]))
            best = axis;
    return best;
}

static enum mur_status outside(size_t frame, struct mur_error *error)
{
    return mur_error_set(error, MUR_MISMATCH, "frame %zu reaches beyond the grid", frame + 1);
}

/* Compares the frame's four corners with the voxels that they are to be. */
static double corner_error(const double corner[3], const double ways[2][3],
                           const struct mur_seg_info *info, const double start[3],
                           const struct mur_seg_placement *placement)
{
    double largest = 0;
    for (unsigned which = 0; which < 4; which++) {
        double column = (which & 1) != 0 ? info->columns - 1.0 : 0;
        double row = (which & 2) != 0 ? info->rows - 1.0 : 0;
        double off[3], wanted[3] = {start[0], start[1], start[2]};
        wanted[placement->axis[0]] += placement->flip[0] ? -column : column;
        wanted[placement->axis[1]] += placement->flip[1] ? -row : row;
        for (unsigned axis = 0; axis < 3; axis++)
            off[axis] = corner[axis] + column * ways[0][axis] + row * ways[1][axis] - wanted[axis];
        largest = fmax(largest, length_of(off));
    }
    return largest;
}

static enum mur_status place_frame(struct mur_seg_placement *placement, size_t frame,
                                   const struct mur_seg_info *info, const struct lattice *lattice,
                                   const double ways[2][3], struct mur_error *error)
{
    double corner[3], start[3];
    to_voxels(corner, lattice, info->frames[frame].position, true);
    for (unsigned axis = 0; axis < 3; axis++)
        start[axis] = rint(corner[axis]);
    double off = corner_error(corner, ways, info, start, placement);
    placement->error_voxels = fmax(placement->error_voxels, off);
    if (!(off * 100 < MUR_GRID_TOLERANCE_PERCENT))
        return mur_error_set(error, MUR_MISMATCH,
                             "a corner of frame %zu lies %.3f voxels away from the grid", frame + 1,
                             off);
    const uint32_t sizes[2] = {info->columns, info->rows};
    for (unsigned side = 0; side < 2; side++) {
        double begin = start[placement->axis[side]];
        double end =
            placement->flip[side] ? begin - (sizes[side] - 1.0) : begin + sizes[side] - 1.0;
        double limit = lattice->grid->dims[placement->axis[side]] - 1.0;
        if (!(fmin(begin, end) >= 0) || !(fmax(begin, end) <= limit))
            return outside(frame, error);
        if (frame > 0 && begin != (double)placement->start[side])
            return mur_error_set(
                error, MUR_MISMATCH,
                "frame %zu is not behind the others: frames do not lie on one line", frame + 1);
        placement->start[side] = (uint32_t)begin;
    }
    double slice = start[placement->axis[2]];
    if (!(slice >= 0) || !(slice < lattice->grid->dims[placement->axis[2]]))
        return outside(frame, error);
    placement->slices[frame] = (uint32_t)slice;
    return MUR_OK;
}

enum mur_status mur_seg_place(struct mur_seg_placement *out, const struct mur_seg_info *info,
                              const struct mur_volume_geometry *grid, struct mur_error *error)
{
    struct lattice lattice;
    struct mur_seg_placement placement = {.error_voxels = 0};
    double ways[2][3], step[3];
    if (!invert(&lattice, grid))
        return mur_error_set(error, MUR_MISMATCH, "the grid is flat");
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned row = 0; row < 3; row++)
            step[row] = info->orientation[3 * side + row] * info->spacing[1 - side];
        to_voxels(ways[side], &lattice, step, false);
        placement.axis[side] = dominant_axis(ways[side]);
        placement.flip[side] = ways[side][placement.axis[side]] < 0;
    }
    if (placement.axis[0] == placement.axis[1])
        return mur_error_set(error, MUR_MISMATCH, "rows and columns run along the same axis of it");
    placement.axis[2] = 3 - placement.axis[0] - placement.axis[1];
    MUR_AUTO_FREE uint32_t *slices = calloc(info->frame_count, sizeof *slices);
    if (slices == NULL)
        return mur_error_no_memory(error);
    placement.slices = slices;
    enum mur_status status = MUR_OK;
    for (size_t frame = 0; status == MUR_OK && frame < info->frame_count; frame++)
        status = place_frame(&placement, frame, info, &lattice, (const double(*)[3])ways, error);
    if (status != MUR_OK)
        return status;
    slices = NULL;
    *out = placement;
    return MUR_OK;
}
