/* Where the voxels of a NIfTI file lie: sform, qform or pixdim, and units. */
#include <math.h>
#include <nifti2_io.h>
#include <string.h>

#include "converters/nifti_internal.h"

static enum mur_status unit_factor(double *out, const struct mur_nifti *nifti,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    switch (nifti->header.space_unit) {
    case NIFTI_UNITS_METER:
        *out = 1000;
        return MUR_OK;
    case NIFTI_UNITS_MM:
        *out = 1;
        return MUR_OK;
    case NIFTI_UNITS_MICRON:
        *out = 0.001;
        return MUR_OK;
    default:
        *out = 1;
        return mur_warn(warnings, error,
                        "%s: its header does not name the unit of length; mm is taken",
                        nifti->path);
    }
}

double mur_nifti_time_step_ms(const struct mur_nifti_header *header)
{
    double factor = 0;
    if (header->time_unit == NIFTI_UNITS_SEC)
        factor = 1e3;
    else if (header->time_unit == NIFTI_UNITS_MSEC)
        factor = 1;
    else if (header->time_unit == NIFTI_UNITS_USEC)
        factor = 1e-3;
    double step = header->pixdim[4] * factor;
    return isfinite(step) && step > 0 && step < 1e12 ? step : 0;
}

static enum mur_status checked_pixdim(double out[3], const struct mur_nifti *nifti,
                                      struct mur_warnings *warnings, struct mur_error *error)
{
    for (unsigned axis = 0; axis < 3; axis++) {
        double size = nifti->header.pixdim[axis + 1];
        if (!isfinite(size))
            return mur_error_set(error, MUR_PARSE, "%s: pixdim[%u] is %g", nifti->path, axis + 1,
                                 size);
        enum mur_status status = MUR_OK;
        if (size == 0 && nifti->header.dims[axis] > 1)
            return mur_error_set(error, MUR_PARSE, "%s: pixdim[%u] is 0", nifti->path, axis + 1);
        if (size == 0) {
            status = mur_warn(warnings, error, "%s: pixdim[%u] is 0; 1 is taken for its one slice",
                              nifti->path, axis + 1);
            size = 1;
        } else if (size < 0) {
            status = mur_warn(warnings, error, "%s: pixdim[%u] is negative; its sign is ignored",
                              nifti->path, axis + 1);
            size = -size;
        }
        if (status != MUR_OK)
            return status;
        out[axis] = size;
    }
    return MUR_OK;
}

static enum mur_status qform_affine(double out[3][4], const struct mur_nifti *nifti,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    const struct mur_nifti_header *header = &nifti->header;
    double size[3];
    enum mur_status status = checked_pixdim(size, nifti, warnings, error);
    if (status != MUR_OK)
        return status;
    double norm = 0;
    for (unsigned index = 0; index < 3; index++) {
        norm += header->quatern[index] * header->quatern[index];
        if (!isfinite(header->quatern[index]) || !isfinite(header->qoffset[index]))
            return mur_error_set(
                error, MUR_PARSE,
                "%s: quatern_b to quatern_d and qoffset_x to qoffset_z are not all "
                "numbers",
                nifti->path);
    }
    if (norm > 1.001)
        return mur_error_set(error, MUR_PARSE,
                             "%s: quatern_b, quatern_c and quatern_d are no unit quaternion",
                             nifti->path);
    nifti_dmat44 matrix =
        nifti_quatern_to_dmat44(header->quatern[0], header->quatern[1], header->quatern[2],
                                header->qoffset[0], header->qoffset[1], header->qoffset[2], size[0],
                                size[1], size[2], header->pixdim[0] < 0 ? -1 : 1);
    for (unsigned row = 0; row < 3; row++)
        memcpy(out[row], matrix.m[row], sizeof out[row]);
    return MUR_OK;
}

static enum mur_status sform_affine(double out[3][4], const struct mur_nifti *nifti,
                                    struct mur_error *error)
{
    for (unsigned row = 0; row < 3; row++)
        for (unsigned column = 0; column < 4; column++)
            if (!isfinite(nifti->header.srow[row][column]))
                return mur_error_set(error, MUR_PARSE, "%s: srow_%c[%u] is %g", nifti->path,
                                     "xyz"[row], column, nifti -> header.srow[row][column]);
    memcpy(out, nifti->header.srow, sizeof nifti->header.srow);
    return MUR_OK;
}

bool mur_nifti_orientation_unknown(const struct mur_nifti *nifti)
{
    return nifti->header.qform_code <= 0 && nifti->header.sform_code <= 0;
}

static enum mur_status unset_affine(double out[3][4], const struct mur_nifti *nifti,
                                    const struct mur_orientation_options *options,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    bool centred = options->spm_when_unset;
    if (nifti->header.kind == MUR_ANALYZE_75) {
        if (options->analyze_order == MUR_ANALYZE_UNSTATED)
            return mur_error_set(
                error, MUR_INVALID,
                "%s: Analyze 7.5 does not say whether its rows run to the left or to "
                "the right; state it (las or ras)",
                nifti->path);
        centred = options->analyze_order == MUR_ANALYZE_LAS;
    }
    double size[3];
    enum mur_status status = checked_pixdim(size, nifti, warnings, error);
    if (status == MUR_OK && nifti->header.kind != MUR_ANALYZE_75)
        status = mur_warn(warnings, error,
                          "%s: qform_code and sform_code are 0: orientation and sides are unknown, "
                          "axes are taken as %s",
                          nifti->path,
                          centred ? "left, anterior, superior" : "right, anterior, superior");
    if (status != MUR_OK)
        return status;
    memset(out, 0, 3 * sizeof out[0]);
    for (unsigned axis = 0; axis < 3; axis++) {
        out[axis][axis] = size[axis];
        if (centred)
            out[axis][3] = -size[axis] * ((double)nifti->header.dims[axis] - 1) / 2;
    }
    if (centred) {
        out[0][0] = -out[0][0];
        out[0][3] = -out[0][3];
    }
    return MUR_OK;
}

/* Both matrices are there: says so when they disagree. */
static enum mur_status compare_forms(const struct mur_nifti *nifti, const double sform[3][4],
                                     const struct mur_orientation_options *options,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    double qform[3][4];
    struct mur_volume_geometry a, b;
    if (qform_affine(qform, nifti, NULL, NULL) != MUR_OK ||
        mur_geometry_from_ras(&a, sform, nifti->header.dims, NULL) != MUR_OK ||
        mur_geometry_from_ras(&b, (const double(*)[4])qform, nifti->header.dims, NULL) != MUR_OK)
        return MUR_OK; /* only one of them is usable */
    double voxel = fmin(a.spacing_mm[0], fmin(a.spacing_mm[1], a.spacing_mm[2]));
    double distance = mur_geometry_corner_distance(&a, &b) / voxel;
    if (distance <= 0.1)
        return MUR_OK;
    return mur_warn(warnings, error, "%s: qform and sform differ by %.2f voxels; %s is used",
                    nifti->path, distance, options->prefer_qform ? "qform" : "sform");
}

enum mur_status mur_nifti_geometry(struct mur_volume_geometry *out, const struct mur_nifti *nifti,
                                   const struct mur_orientation_options *options,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    const struct mur_nifti_header *header = &nifti->header;
    double affine[3][4], factor = 1;
    enum mur_status status = unit_factor(&factor, nifti, warnings, error);
    if (status != MUR_OK)
        return status;
    bool sform = header->sform_code > 0, qform = header->qform_code > 0;
    if (sform && !(qform && options->prefer_qform))
        status = sform_affine(affine, nifti, error);
    else if (qform)
        status = qform_affine(affine, nifti, warnings, error);
    else
        status = unset_affine(affine, nifti, options, warnings, error);
    if (status == MUR_OK && sform && qform)
        status = compare_forms(nifti, header->srow, options, warnings, error);
    if (status != MUR_OK)
        return status;
    for (unsigned row = 0; row < 3; row++)
        for (unsigned column = 0; column < 4; column++)
            affine[row][column] *= factor;
    status = mur_geometry_from_ras(out, (const double(*)[4])affine, header->dims, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s: %s", nifti->path,
                                sform && !(qform && options->prefer_qform)
                                    ? "srow_x, srow_y, srow_z"
                                    : "pixdim and qform");
    return MUR_OK;
}
