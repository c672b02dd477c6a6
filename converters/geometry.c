#include "converters/geometry.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "converters/remedy.h"
#include "core/own.h"
#include "core/text.h"

/* conversion.md 3.1: what still counts as a right-angled grid. */
static const double PLANE_COSINE_LIMIT = 1e-4;
static const double SHEAR_LIMIT_DEGREES = 0.1;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static double length_of(const double a[3])
{
    return sqrt(dot(a, a));
}

static void cross(double out[3], const double a[3], const double b[3])
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double *direction_of(struct mur_volume_geometry *geometry, unsigned axis)
{
    return axis == 0   ? geometry->row_dir_lps
           : axis == 1 ? geometry->column_dir_lps
                       : geometry->slice_dir_lps;
}

static const double *const_direction_of(const struct mur_volume_geometry *geometry, unsigned axis)
{
    return axis == 0   ? geometry->row_dir_lps
           : axis == 1 ? geometry->column_dir_lps
                       : geometry->slice_dir_lps;
}

enum mur_status mur_geometry_from_ras(struct mur_volume_geometry *out,
                                      const double affine_ras_mm[3][4], const uint32_t dims[3],
                                      struct mur_error *error)
{
    static const double to_lps[3] = {-1, -1, 1};
    struct mur_volume_geometry geometry;
    for (unsigned axis = 0; axis < 3; axis++) {
        double step[3];
        for (unsigned row = 0; row < 3; row++)
            step[row] = to_lps[row] * affine_ras_mm[row][axis];
        double spacing = length_of(step);
        if (!(spacing > 1e-9 && spacing < 1e9)) /* smaller than atoms: positions lose them */
            return mur_error_set(error, MUR_PARSE,
                                 "the voxel-to-world matrix gives axis %c a step of %g mm",
                                 "ijk"[axis], spacing);
        geometry.spacing_mm[axis] = spacing;
        for (unsigned row = 0; row < 3; row++)
            direction_of(&geometry, axis)[row] = step[row] / spacing;
        geometry.dims[axis] = dims[axis];
    }
    for (unsigned row = 0; row < 3; row++) {
        geometry.origin_lps_mm[row] = to_lps[row] * affine_ras_mm[row][3];
        if (!isfinite(geometry.origin_lps_mm[row]))
            return mur_error_set(error, MUR_PARSE,
                                 "the voxel-to-world matrix has an origin that is no number");
    }
    *out = geometry;
    return MUR_OK;
}

void mur_geometry_position(double out_lps_mm[3], const struct mur_volume_geometry *geometry,
                           double i, double j, double k)
{
    for (unsigned row = 0; row < 3; row++)
        out_lps_mm[row] = geometry->origin_lps_mm[row] +
                          i * geometry->spacing_mm[0] * geometry->row_dir_lps[row] +
                          j * geometry->spacing_mm[1] * geometry->column_dir_lps[row] +
                          k * geometry->spacing_mm[2] * geometry->slice_dir_lps[row];
}

void mur_geometry_normal(double out_lps[3], const struct mur_volume_geometry *geometry)
{
    double normal[3];
    cross(normal, geometry->row_dir_lps, geometry->column_dir_lps);
    double size = length_of(normal);
    for (unsigned row = 0; row < 3; row++)
        out_lps[row] = size > 0 ? normal[row] / size : 0;
}

static double last_index(const struct mur_volume_geometry *geometry, unsigned axis)
{
    return geometry->dims[axis] > 0 ? (double)geometry->dims[axis] - 1 : 0;
}

double mur_geometry_corner_distance(const struct mur_volume_geometry *a,
                                    const struct mur_volume_geometry *b)
{
    double largest = 0;
    for (unsigned corner = 0; corner < 8; corner++) {
        double i = (corner & 1) != 0 ? last_index(a, 0) : 0;
        double j = (corner & 2) != 0 ? last_index(a, 1) : 0;
        double k = (corner & 4) != 0 ? last_index(a, 2) : 0;
        double at_a[3], at_b[3];
        mur_geometry_position(at_a, a, i, j, k);
        mur_geometry_position(at_b, b, i, j, k);
        double difference[3] = {at_a[0] - at_b[0], at_a[1] - at_b[1], at_a[2] - at_b[2]};
        largest = fmax(largest, length_of(difference));
    }
    return largest;
}

static void flip_axis(struct mur_volume_geometry *geometry, unsigned axis)
{
    double *direction = direction_of(geometry, axis);
    double extent = last_index(geometry, axis) * geometry->spacing_mm[axis];
    for (unsigned row = 0; row < 3; row++) {
        geometry->origin_lps_mm[row] += extent * direction[row];
        direction[row] = -direction[row];
    }
}

void mur_geometry_turn(struct mur_volume_geometry *geometry, const struct mur_voxel_order *order)
{
    const bool reversed[3] = {order->flip_i, order->flip_j, order->reverse_k};
    for (unsigned axis = 0; axis < 3; axis++)
        if (reversed[axis])
            flip_axis(geometry, axis);
}

/* On a screen left is right of the patient, up is anterior or head: +x, +y and -z run along rows
 * and columns (conversion.md 3.1 item 5). */
static bool runs_against_display(const double direction[3])
{
    unsigned dominant = 0;
    for (unsigned axis = 1; axis < 3; axis++)
        if (fabs(direction[axis]) > fabs(direction[dominant]) + 1e-6)
            dominant = axis;
    return dominant == 2 ? direction[2] > 0 : direction[dominant] < 0;
}

enum mur_status mur_geometry_for_series(struct mur_volume_geometry *out,
                                        struct mur_voxel_order *order,
                                        const struct mur_volume_geometry *voxels, unsigned flags,
                                        struct mur_error *error)
{
    struct mur_volume_geometry series = *voxels;
    struct mur_voxel_order taken = {false, false, false};
    double skew = fabs(dot(series.row_dir_lps, series.column_dir_lps));
    if (skew >= PLANE_COSINE_LIMIT)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "sheared volume: rows and columns are %.3f degrees off a right angle; "
                             "DICOM cannot say that, resample it first",
                             90 - acos(fmin(skew, 1)) * 180 / M_PI);
    double normal[3];
    mur_geometry_normal(normal, &series);
    double tilt = acos(fmin(fabs(dot(series.slice_dir_lps, normal)), 1)) * 180 / M_PI;
    if (tilt > SHEAR_LIMIT_DEGREES && series.dims[2] > 1 && (flags & MUR_ALLOW_SHEAR) == 0)
        return mur_error_offer(
            error,
            mur_error_set(error, MUR_UNSUPPORTED,
                          "sheared volume: slices follow each other %.2f degrees off the "
                          "slices' normal; resample it first",
                          tilt),
            MUR_REMEDY_ALLOW_SHEAR);
    if ((flags & MUR_FLIP_FOR_DISPLAY) != 0) {
        taken.flip_i = runs_against_display(series.row_dir_lps);
        taken.flip_j = runs_against_display(series.column_dir_lps);
        mur_geometry_turn(&series, &taken);
        mur_geometry_normal(normal, &series);
    }
    if (dot(series.slice_dir_lps, normal) < 0) {
        taken.reverse_k = true;
        flip_axis(&series, 2);
    }
    *out = series;
    *order = taken;
    return MUR_OK;
}

/* ---- Decimal Strings ------------------------------------------------------------------------ */

enum { DS_CHARACTERS = 16, DOUBLE_DIGITS = 17, FLOAT_DIGITS = 9 };

static double parsed(const char *text)
{
    double value = 0;
    return mur_parse_double(&value, mur_slice_of(text), NULL) == MUR_OK ? value : 0;
}

/* "1e-05" and "1e+20" say the same in fewer characters as "1e-5" and "1e20". */
static void print_number(char out[32], double value, int digits)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    char *mark = strchr(text, 'e');
    if (mark == NULL) {
        memcpy(out, text, sizeof text);
        return;
    }
    const char *digit = mark + 1;
    bool negative = *digit == '-';
    while (*digit == '-' || *digit == '+' || *digit == '0')
        digit++;
    (void)snprintf(out, 32, "%.*se%s%.4s", (int)(mark - text), text, negative ? "-" : "", digit);
}

/* So many digits write a number of this size without exponent: 100, not 1e2. */
static int first_digits(double value)
{
    int digits = 1;
    for (double limit = 10; limit < 1e10 && fabs(value) >= limit; limit *= 10)
        digits++;
    return fabs(value) < 1e10 ? digits : 1;
}

void mur_ds_format(char out[MUR_DS_SIZE], double value, double tolerance)
{
    char best[MUR_DS_SIZE] = "0";
    if (fabs(value) > tolerance) {
        double nearest = INFINITY;
        for (int digits = first_digits(value); digits <= DOUBLE_DIGITS; digits++) {
            char text[32];
            print_number(text, value, digits);
            if (strlen(text) > DS_CHARACTERS)
                continue; /* a later one may be shorter: 1.0000000001 and 1 */
            double distance = fabs(parsed(text) - value);
            if (distance < nearest) {
                nearest = distance;
                memcpy(best, text, strlen(text) + 1);
            }
            if (nearest <= tolerance)
                break;
        }
    }
    memcpy(out, best, sizeof best);
}

void mur_ds_format_float32(char out[MUR_DS_SIZE], float value)
{
    char text[32] = "0";
    for (int digits = first_digits((double)value); digits <= DOUBLE_DIGITS; digits++) {
        print_number(text, (double)value, digits);
        if ((float)parsed(text) == value)
            break;
    }
    (void)snprintf(out, MUR_DS_SIZE, "%.16s", text);
}

/* The header's own decimal where it is within float32's precision and moves the far edge by less
 * than 5 nm; else the nearest that fits. */
static void format_spacing(char out[MUR_DS_SIZE], double spacing, uint32_t count)
{
    mur_ds_format_float32(out, (float)spacing);
    double shift = fabs(parsed(out) - spacing);
    if (shift > spacing * 1.2e-7 || shift * (double)count > 1e-5) {
        mur_ds_format(out, spacing, 0);
        return;
    }
    for (int digits = first_digits(spacing); digits < FLOAT_DIGITS; digits++) {
        char text[32];
        print_number(text, spacing, digits);
        double off = fabs(parsed(text) - spacing);
        if (off <= spacing * 1.2e-7 && off * (double)count <= 5e-6) {
            if (strlen(text) < strlen(out))
                (void)snprintf(out, MUR_DS_SIZE, "%.16s", text);
            return;
        }
    }
}

static double slice_spacing(const struct mur_volume_geometry *geometry)
{
    double normal[3];
    mur_geometry_normal(normal, geometry);
    return geometry->spacing_mm[2] * fabs(dot(geometry->slice_dir_lps, normal));
}

void mur_geometry_format(struct mur_geometry_text *out, const struct mur_volume_geometry *geometry)
{
    char value[6][MUR_DS_SIZE];
    for (unsigned row = 0; row < 3; row++) {
        mur_ds_format(value[row], geometry->row_dir_lps[row], 1e-13);
        mur_ds_format(value[row + 3], geometry->column_dir_lps[row], 1e-13);
    }
    (void)snprintf(out->image_orientation, sizeof out->image_orientation, "%s\\%s\\%s\\%s\\%s\\%s",
                   value[0], value[1], value[2], value[3], value[4], value[5]);
    format_spacing(value[0], geometry->spacing_mm[1], geometry->dims[1]);
    format_spacing(value[1], geometry->spacing_mm[0], geometry->dims[0]);
    (void)snprintf(out->pixel_spacing, sizeof out->pixel_spacing, "%s\\%s", value[0], value[1]);
    format_spacing(out->slice_spacing, slice_spacing(geometry), geometry->dims[2]);
}

void mur_geometry_format_position(char out[MUR_POSITION_TEXT_SIZE],
                                  const struct mur_volume_geometry *geometry, uint32_t k)
{
    double position[3];
    char value[3][MUR_DS_SIZE];
    mur_geometry_position(position, geometry, 0, 0, k);
    for (unsigned row = 0; row < 3; row++)
        mur_ds_format(value[row], position[row], 1e-9);
    (void)snprintf(out, MUR_POSITION_TEXT_SIZE, "%s\\%s\\%s", value[0], value[1], value[2]);
}

enum mur_status mur_ds_parse(double *out, const char *text, unsigned count, struct mur_error *error)
{
    double values[16];
    if (count > MUR_COUNT(values))
        return mur_error_set(error, MUR_INVALID, "more than 16 numbers asked for");
    const char *at = text;
    for (unsigned index = 0; index < count; index++) {
        const char *end = strchrnul(at, '\\');
        if ((*end == '\0') != (index + 1 == count))
            return mur_error_set(error, MUR_PARSE, "\"%.100s\" does not hold %u numbers", text,
                                 count);
        enum mur_status status = mur_parse_double(
            &values[index], (struct mur_slice){.data = at, .length = (size_t)(end - at)}, error);
        if (status != MUR_OK)
            return status;
        at = end + 1;
    }
    memcpy(out, values, count * sizeof *values);
    return MUR_OK;
}

enum mur_status mur_geometry_parse(struct mur_volume_geometry *out,
                                   const struct mur_geometry_text *text, const char *first_position,
                                   const char *last_position, const uint32_t dims[3],
                                   struct mur_error *error)
{
    double directions[6], spacing[2], first[3], last[3];
    if (mur_ds_parse(directions, text->image_orientation, 6, error) != MUR_OK)
        return mur_error_prefix(error, "Image Orientation (Patient) (0020,0037)");
    if (mur_ds_parse(spacing, text->pixel_spacing, 2, error) != MUR_OK)
        return mur_error_prefix(error, "Pixel Spacing (0028,0030)");
    if (mur_ds_parse(first, first_position, 3, error) != MUR_OK ||
        mur_ds_parse(last, last_position, 3, error) != MUR_OK)
        return mur_error_prefix(error, "Image Position (Patient) (0020,0032)");
    struct mur_volume_geometry geometry;
    memcpy(geometry.origin_lps_mm, first, sizeof first);
    memcpy(geometry.row_dir_lps, directions, sizeof geometry.row_dir_lps);
    memcpy(geometry.column_dir_lps, directions + 3, sizeof geometry.column_dir_lps);
    memcpy(geometry.dims, dims, sizeof geometry.dims);
    if (!(fabs(length_of(geometry.row_dir_lps) - 1) < 0.01) ||
        !(fabs(length_of(geometry.column_dir_lps) - 1) < 0.01))
        return mur_error_set(error, MUR_PARSE,
                             "Image Orientation (Patient) (0020,0037) \"%s\" holds no unit vectors",
                             text->image_orientation);
    if (!(spacing[0] > 0) || !(spacing[1] > 0))
        return mur_error_set(error, MUR_PARSE, "Pixel Spacing (0028,0030) \"%s\" is not positive",
                             text->pixel_spacing);
    geometry.spacing_mm[0] = spacing[1];
    geometry.spacing_mm[1] = spacing[0];
    if (dims[2] > 1) {
        double step[3];
        for (unsigned row = 0; row < 3; row++)
            step[row] = (last[row] - first[row]) / ((double)dims[2] - 1);
        geometry.spacing_mm[2] = length_of(step);
        if (!(geometry.spacing_mm[2] > 0))
            return mur_error_set(error, MUR_PARSE,
                                 "first and last slice have the same Image Position (Patient)");
        for (unsigned row = 0; row < 3; row++)
            geometry.slice_dir_lps[row] = step[row] / geometry.spacing_mm[2];
    } else {
        /* One slice has no step: its thickness is all that is known. */
        double thickness = 0;
        if (mur_ds_parse(&thickness, text->slice_spacing, 1, NULL) != MUR_OK || !(thickness > 0))
            thickness = 1;
        geometry.spacing_mm[2] = thickness;
        mur_geometry_normal(geometry.slice_dir_lps, &geometry);
    }
    *out = geometry;
    return MUR_OK;
}

/* ---- same grid? ----------------------------------------------------------------------------- */

enum mur_status mur_geometry_match(struct mur_grid_map *out,
                                   const struct mur_volume_geometry *target,
                                   const struct mur_volume_geometry *other, struct mur_error *error)
{
    struct mur_grid_map map = {{0, 0, 0}, {false, false, false}, 0};
    bool used[3] = {false, false, false};
    for (unsigned axis = 0; axis < 3; axis++) {
        double best = -1;
        for (unsigned candidate = 0; candidate < 3; candidate++) {
            double cosine =
                dot(const_direction_of(target, axis), const_direction_of(other, candidate));
            if (!used[candidate] && fabs(cosine) > best) {
                best = fabs(cosine);
                map.axis[axis] = candidate;
                map.flip[axis] = cosine < 0;
            }
        }
        used[map.axis[axis]] = true;
    }
    struct mur_volume_geometry turned = *other;
    for (unsigned axis = 0; axis < 3; axis++) {
        unsigned from = map.axis[axis];
        turned.dims[axis] = other->dims[from];
        turned.spacing_mm[axis] = other->spacing_mm[from];
        memcpy(direction_of(&turned, axis), const_direction_of(other, from), 3 * sizeof(double));
    }
    for (unsigned axis = 0; axis < 3; axis++)
        if (map.flip[axis])
            flip_axis(&turned, axis);
    if (memcmp(turned.dims, target->dims, sizeof turned.dims) != 0)
        return mur_error_set(error, MUR_MISMATCH,
                             "%u x %u x %u voxels where the image has %u x %u x %u", turned.dims[0],
                             turned.dims[1], turned.dims[2], target->dims[0], target->dims[1],
                             target->dims[2]);
    double voxel = fmin(target->spacing_mm[0], fmin(target->spacing_mm[1], target->spacing_mm[2]));
    map.error_voxels = mur_geometry_corner_distance(&turned, target) / voxel;
    if (!(map.error_voxels * 100 < MUR_GRID_TOLERANCE_PERCENT))
        return mur_error_set(error, MUR_MISMATCH,
                             "its corners lie up to %.3f voxels away from the image's",
                             map.error_voxels);
    *out = map;
    return MUR_OK;
}
