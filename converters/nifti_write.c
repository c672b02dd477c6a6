#include "converters/nifti_write.h"

#include <errno.h>
#include <math.h>
#include <nifti2_io.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/file.h"
#include "core/gzip.h"
#include "core/text.h"

enum { GZIP_THREADS = 2, EXTENDER_SIZE = 4 };
static const double ORTHONORMAL = 1e-6;

_Static_assert(sizeof(struct nifti_1_header) == 348 && sizeof(struct nifti_2_header) == 540,
               "the structs are the files' headers");

/* ---- header -----------------------------------------------------------------------------------
 */

/* What both kinds of header say, in RAS. */
struct placement {
    double affine[3][4];
    double quatern[3], qfac;
    bool orthonormal;
};

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* The quaternion of a proper rotation (nifti1.h, method 2); a is not negative. */
static void set_quaternion(double out[3], const double r[3][3])
{
    double q[4];
    double largest = r[0][0] + r[1][1] + r[2][2];
    unsigned which = 0;
    for (unsigned axis = 0; axis < 3; axis++) /* the largest component is told best */
        if (r[axis][axis] > largest) {
            largest = r[axis][axis];
            which = axis + 1;
        }
    if (which == 0) {
        q[0] = sqrt(fmax(0, 1 + largest)) / 2;
        q[1] = (r[2][1] - r[1][2]) / (4 * q[0]);
        q[2] = (r[0][2] - r[2][0]) / (4 * q[0]);
        q[3] = (r[1][0] - r[0][1]) / (4 * q[0]);
    } else {
        unsigned i = which - 1, j = (i + 1) % 3, k = (i + 2) % 3;
        q[1 + i] = sqrt(fmax(0, 1 + r[i][i] - r[j][j] - r[k][k])) / 2;
        q[0] = (r[k][j] - r[j][k]) / (4 * q[1 + i]);
        q[1 + j] = (r[j][i] + r[i][j]) / (4 * q[1 + i]);
        q[1 + k] = (r[k][i] + r[i][k]) / (4 * q[1 + i]);
    }
    for (unsigned part = 0; part < 3; part++)
        out[part] = q[0] < 0 ? -q[1 + part] : q[1 + part];
}

static void place(struct placement *out, const struct mur_volume_geometry *geometry)
{
    const double *lps[3] = {geometry->row_dir_lps, geometry->column_dir_lps,
                            geometry->slice_dir_lps};
    double r[3][3];
    for (unsigned row = 0; row < 3; row++) {
        double sign = row < 2 ? -1 : 1; /* LPS to RAS */
        for (unsigned axis = 0; axis < 3; axis++) {
            r[row][axis] = sign * lps[axis][row];
            out->affine[row][axis] = r[row][axis] * geometry->spacing_mm[axis];
        }
        out->affine[row][3] = sign * geometry->origin_lps_mm[row];
    }
    out->orthonormal = fabs(dot(lps[0], lps[1])) < ORTHONORMAL &&
                       fabs(dot(lps[0], lps[2])) < ORTHONORMAL &&
                       fabs(dot(lps[1], lps[2])) < ORTHONORMAL;
    double normal[3];
    mur_geometry_normal(normal, geometry);
    out->qfac = dot(normal, lps[2]) < 0 ? -1 : 1;
    for (unsigned row = 0; row < 3; row++)
        r[row][2] *= out->qfac;
    set_quaternion(out->quatern, (const double(*)[3])r);
}

static void fill_1(struct nifti_1_header *header, const struct mur_nifti_shape *shape,
                   const struct placement *placement)
{
    const struct mur_volume_geometry *geometry = &shape->geometry;
    header->sizeof_hdr = (int)sizeof *header;
    header->regular = 'r';
    header->dim[0] = shape->volumes > 1 ? 4 : 3;
    for (unsigned axis = 0; axis < 3; axis++) {
        header->dim[axis + 1] = (short)geometry->dims[axis];
        header->pixdim[axis + 1] = (float)geometry->spacing_mm[axis];
        header->srow_x[axis] = (float)placement->affine[0][axis];
        header->srow_y[axis] = (float)placement->affine[1][axis];
        header->srow_z[axis] = (float)placement->affine[2][axis];
    }
    header->srow_x[3] = (float)placement->affine[0][3];
    header->srow_y[3] = (float)placement->affine[1][3];
    header->srow_z[3] = (float)placement->affine[2][3];
    header->dim[4] = (short)shape->volumes;
    header->dim[5] = header->dim[6] = header->dim[7] = 1;
    header->pixdim[0] = (float)placement->qfac;
    header->pixdim[4] = (float)shape->time_step_s;
    header->datatype = (short)shape->type;
    header->bitpix = (short)(8 * mur_pixel_size(shape->type));
    header->vox_offset = sizeof *header + EXTENDER_SIZE;
    header->scl_slope = (float)shape->slope;
    header->scl_inter = (float)shape->intercept;
    header->xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC;
    header->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    if (placement->orthonormal) {
        header->qform_code = NIFTI_XFORM_SCANNER_ANAT;
        header->quatern_b = (float)placement->quatern[0];
        header->quatern_c = (float)placement->quatern[1];
        header->quatern_d = (float)placement->quatern[2];
        header->qoffset_x = header->srow_x[3];
        header->qoffset_y = header->srow_y[3];
        header->qoffset_z = header->srow_z[3];
    }
    memcpy(header->descrip, shape->description, sizeof header->descrip);
    memcpy(header->magic, "n+1", sizeof header->magic);
}

static void fill_2(struct nifti_2_header *header, const struct mur_nifti_shape *shape,
                   const struct placement *placement)
{
    const struct mur_volume_geometry *geometry = &shape->geometry;
    header->sizeof_hdr = (int)sizeof *header;
    header->dim[0] = shape->volumes > 1 ? 4 : 3;
    for (unsigned axis = 0; axis < 3; axis++) {
        header->dim[axis + 1] = geometry->dims[axis];
        header->pixdim[axis + 1] = geometry->spacing_mm[axis];
    }
    memcpy(header->srow_x, placement->affine[0], sizeof header->srow_x);
    memcpy(header->srow_y, placement->affine[1], sizeof header->srow_y);
    memcpy(header->srow_z, placement->affine[2], sizeof header->srow_z);
    header->dim[4] = shape->volumes;
    header->dim[5] = header->dim[6] = header->dim[7] = 1;
    header->pixdim[0] = placement->qfac;
    header->pixdim[4] = shape->time_step_s;
    header->datatype = (short)shape->type;
    header->bitpix = (short)(8 * mur_pixel_size(shape->type));
    header->vox_offset = sizeof *header + EXTENDER_SIZE;
    header->scl_slope = shape->slope;
    header->scl_inter = shape->intercept;
    header->xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC;
    header->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    if (placement->orthonormal) {
        header->qform_code = NIFTI_XFORM_SCANNER_ANAT;
        header->quatern_b = placement->quatern[0];
        header->quatern_c = placement->quatern[1];
        header->quatern_d = placement->quatern[2];
        header->qoffset_x = placement->affine[0][3];
        header->qoffset_y = placement->affine[1][3];
        header->qoffset_z = placement->affine[2][3];
    }
    memcpy(header->descrip, shape->description, sizeof header->descrip);
    memcpy(header->magic, "n+2\0\r\n\032\n", sizeof header->magic);
}

enum mur_status mur_nifti_prologue(uint8_t out[MUR_NIFTI_PROLOGUE_SIZE], size_t *length,
                                   const struct mur_nifti_shape *shape, struct mur_error *error)
{
    const uint32_t *dims = shape->geometry.dims;
    if (dims[0] == 0 || dims[1] == 0 || dims[2] == 0 || shape->volumes == 0)
        return mur_error_set(error, MUR_INVALID, "a NIfTI file of %u x %u x %u x %u voxels",
                             dims[0], dims[1], dims[2], shape->volumes);
    struct placement placement;
    place(&placement, &shape->geometry);
    memset(out, 0, MUR_NIFTI_PROLOGUE_SIZE);
    if (dims[0] > INT16_MAX || dims[1] > INT16_MAX || dims[2] > INT16_MAX ||
        shape->volumes > INT16_MAX) {
        struct nifti_2_header header;
        memset(&header, 0, sizeof header);
        fill_2(&header, shape, &placement);
        memcpy(out, &header, sizeof header);
        *length = sizeof header + EXTENDER_SIZE;
        return MUR_OK;
    }
    struct nifti_1_header header;
    memset(&header, 0, sizeof header);
    fill_1(&header, shape, &placement);
    memcpy(out, &header, sizeof header);
    *length = sizeof header + EXTENDER_SIZE;
    return MUR_OK;
}

/* ---- file -------------------------------------------------------------------------------------
 */

struct mur_nifti_writer {
    char *path;
    int descriptor;
    int level;                    /* of gzip; 0: plain */
    struct mur_gzip_writer *gzip; /* NULL: plain */
};

static enum mur_status begin_gzip(struct mur_nifti_writer *writer, struct mur_error *error)
{
    if (writer->level == 0)
        return MUR_OK;
    mur_gzip_writer_free(MUR_STEAL(writer->gzip));
    return mur_gzip_writer_create(&writer->gzip, mur_sink_descriptor(&writer->descriptor),
                                  writer->level, GZIP_THREADS, error);
}

enum mur_status mur_nifti_writer_create(struct mur_nifti_writer **out, struct mur_file_set *files,
                                        const char *path, int level, struct mur_error *error)
{
    MUR_AUTO(mur_nifti_writer) *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mur_error_no_memory(error);
    writer->descriptor = -1;
    size_t length = strlen(path);
    if (length > 3 && strcasecmp(path + length - 3, ".gz") == 0)
        writer->level = level == 0 ? MUR_NIFTI_GZIP_LEVEL : level;
    enum mur_status status = mur_text_copy(&writer->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = mur_file_set_open(&writer->descriptor, files, path, error);
    if (status == MUR_OK)
        status = begin_gzip(writer, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(writer);
    return status;
}

void mur_nifti_writer_free(struct mur_nifti_writer *writer)
{
    if (writer == NULL)
        return;
    mur_gzip_writer_free(writer->gzip);
    if (writer->descriptor >= 0)
        (void)close(writer->descriptor);
    free(writer->path);
    free(writer);
}

enum mur_status mur_nifti_writer_write(struct mur_nifti_writer *writer, const void *bytes,
                                       size_t length, struct mur_error *error)
{
    if (writer->gzip == NULL)
        return mur_write_full(writer->descriptor, bytes, length, writer->path, error);
    enum mur_status status = mur_gzip_writer_write(writer->gzip, bytes, length, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", writer->path);
}

enum mur_status mur_nifti_writer_restart(struct mur_nifti_writer *writer, struct mur_error *error)
{
    if (ftruncate(writer->descriptor, 0) != 0 || lseek(writer->descriptor, 0, SEEK_SET) != 0)
        return mur_error_set_errno(error, errno, "%s", writer->path);
    return begin_gzip(writer, error);
}

enum mur_status mur_nifti_writer_finish(struct mur_nifti_writer *writer, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (writer->gzip != NULL)
        status = mur_gzip_writer_finish(writer->gzip, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s", writer->path);
    if (close(mur_steal_descriptor(&writer->descriptor)) != 0)
        return mur_error_set_errno(error, errno, "%s", writer->path);
    return MUR_OK;
}
