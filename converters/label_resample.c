#include "converters/label_resample.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Of a voxel: centres that lie between two, up to rounding, all go the same way. */
static const double TIE = 1e-6;

static void cross(double out[3], const double a[3], const double b[3])
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

enum mur_status mur_label_resampler_init(struct mur_label_resampler *out,
                                         const struct mur_volume_geometry *target,
                                         const struct mur_volume_geometry *file,
                                         struct mur_error *error)
{
    const double *const from[3] = {file->row_dir_lps, file->column_dir_lps, file->slice_dir_lps};
    const double *const to[3] = {target->row_dir_lps, target->column_dir_lps,
                                 target->slice_dir_lps};
    double inverse[3][3], offset[3];
    for (unsigned axis = 0; axis < 3; axis++)
        cross(inverse[axis], from[(axis + 1) % 3], from[(axis + 2) % 3]);
    double volume = dot(from[0], inverse[0]);
    if (!(fabs(volume) > 1e-6))
        return mur_error_set(error, MUR_MISMATCH, "its axes lie in a plane");
    for (unsigned row = 0; row < 3; row++)
        offset[row] = target->origin_lps_mm[row] - file->origin_lps_mm[row];
    for (unsigned axis = 0; axis < 3; axis++) { /* of the file */
        double scale = volume * file->spacing_mm[axis];
        out->origin[axis] = dot(inverse[axis], offset) / scale;
        for (unsigned along = 0; along < 3; along++)
            out->step[along][axis] =
                dot(inverse[axis], to[along]) * target->spacing_mm[along] / scale;
    }
    memcpy(out->to_dims, target->dims, sizeof out->to_dims);
    memcpy(out->from_dims, file->dims, sizeof out->from_dims);
    return MUR_OK;
}

void mur_label_resample_plane(uint8_t *out, const struct mur_label_resampler *resampler,
                              const uint8_t *volume, uint32_t k)
{
    const uint32_t *dims = resampler->from_dims;
    const double *step = resampler->step[0];
    for (uint32_t j = 0; j < resampler->to_dims[1]; j++) {
        double start[3];
        for (unsigned axis = 0; axis < 3; axis++)
            start[axis] = resampler->origin[axis] + 0.5 + TIE + j * resampler->step[1][axis] +
                          k * resampler->step[2][axis];
        for (uint32_t i = 0; i < resampler->to_dims[0]; i++) {
            double x = start[0] + i * step[0], y = start[1] + i * step[1],
                   z = start[2] + i * step[2];
            bool inside = x >= 0 && x < dims[0] && y >= 0 && y < dims[1] && z >= 0 && z < dims[2];
            *out++ = inside ? volume[((size_t)z * dims[1] + (size_t)y) * dims[0] + (size_t)x] : 0;
        }
    }
}
