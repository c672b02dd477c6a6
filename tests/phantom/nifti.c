#include "tests/phantom/nifti.h"

#include "tests/phantom/files.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The header's fields as the NIfTI-1.1 standard names them, 348 bytes without padding. */
struct nifti1 {
    int32_t sizeof_hdr;
    char unused_analyze[35];
    char dim_info;
    int16_t dim[8];
    float intent_p[3];
    int16_t intent_code;
    int16_t datatype;
    int16_t bitpix;
    int16_t slice_start;
    float pixdim[8];
    float vox_offset;
    float scl_slope;
    float scl_inter;
    int16_t slice_end;
    char slice_code;
    char xyzt_units;
    float cal_max;
    float cal_min;
    float slice_duration;
    float toffset;
    int32_t glmax;
    int32_t glmin;
    char descrip[80];
    char aux_file[24];
    int16_t qform_code;
    int16_t sform_code;
    float quatern_bcd[3];
    float qoffset_xyz[3];
    float srow[3][4];
    char intent_name[16];
    char magic[4];
};

_Static_assert(sizeof(struct nifti1) == 348, "NIfTI-1 header size");

enum { UNITS_MM = 2, UNITS_MICRON = 3, UNITS_SEC = 8, SCANNER_ANATOMY = 1, FORM_OFFSET = 352 };

struct nifti_writer {
    char path[PATH_SIZE];
    FILE *plain;
    gzFile packed;
};

static int16_t bits_of(enum nifti_type type)
{
    switch (type) {
    case NIFTI_UINT8:
        return 8;
    case NIFTI_INT16:
    case NIFTI_UINT16:
        return 16;
    case NIFTI_FLOAT32:
        break;
    }
    return 32;
}

/* Unit quaternion of the grid's directions; the third is negated when they are left-handed. */
static void set_qform(struct nifti1 *header, const struct grid *grid, double unit)
{
    double r[3][3]; /* r[row][column]: columns are the directions of i, j, k */
    for (int n = 0; n < 3; n++) {
        for (int c = 0; c < 3; c++)
            r[c][n] = grid->axis[n][c] / grid_spacing(grid, n);
    }
    double determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                         r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                         r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    double qfac = determinant < 0 ? -1 : 1;
    for (int c = 0; c < 3; c++)
        r[c][2] *= qfac;

    /* the largest of the four components first, so that nothing is divided by a small number */
    double squares[4] = {1 + r[0][0] + r[1][1] + r[2][2], 1 + r[0][0] - r[1][1] - r[2][2],
                         1 - r[0][0] + r[1][1] - r[2][2], 1 - r[0][0] - r[1][1] + r[2][2]};
    int largest = 0;
    for (int n = 1; n < 4; n++)
        largest = squares[n] > squares[largest] ? n : largest;
    double half = 0.5 / sqrt(squares[largest]);
    double q[4]; /* a, b, c, d */
    double skew[3] = {r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]};
    q[largest] = 0.5 * sqrt(squares[largest]);
    for (int n = 0; n < 3; n++) {
        if (largest == 0)
            q[n + 1] = skew[n] * half;
        else if (n + 1 == largest)
            q[0] = skew[n] * half;
        else
            q[n + 1] = (r[n][largest - 1] + r[largest - 1][n]) * half;
    }
    double sign = q[0] < 0 ? -1 : 1;
    header->qform_code = SCANNER_ANATOMY;
    header->pixdim[0] = (float)qfac;
    for (int n = 0; n < 3; n++) {
        header->quatern_bcd[n] = (float)(sign * q[n + 1]);
        header->qoffset_xyz[n] = (float)(grid->origin[n] * unit);
    }
}

static void set_sform(struct nifti1 *header, const struct grid *grid, double unit)
{
    header->sform_code = SCANNER_ANATOMY;
    for (int c = 0; c < 3; c++) {
        for (int n = 0; n < 3; n++)
            header->srow[c][n] = (float)(grid->axis[n][c] * unit);
        header->srow[c][3] = (float)(grid->origin[c] * unit);
    }
}

static void fill_header(struct nifti1 *out, const struct nifti_header *header)
{
    const struct grid *grid = &header->grid;
    double unit = header->microns ? 1000.0 : 1.0;
    memset(out, 0, sizeof *out);
    out->sizeof_hdr = (int32_t)sizeof *out;
    out->dim[0] = 3;
    for (int n = 1; n < 8; n++) {
        out->dim[n] = n <= 3 ? (int16_t)grid->size[n - 1] : 1;
        out->pixdim[n] = n <= 3 ? (float)(grid_spacing(grid, n - 1) * unit) : 0;
    }
    out->datatype = (int16_t)header->type;
    out->bitpix = bits_of(header->type);
    out->vox_offset = FORM_OFFSET;
    out->scl_slope = header->slope;
    out->scl_inter = header->intercept;
    out->xyzt_units = (char)((header->microns ? UNITS_MICRON : UNITS_MM) | UNITS_SEC);
    format_text(out->descrip, sizeof out->descrip, "%s", header->description);
    set_qform(out, grid, unit);
    if (!header->qform_only)
        set_sform(out, grid, unit);
    memcpy(out->magic, "n+1", 4);
}

struct nifti_writer *nifti_create(const char *path, const struct nifti_header *header)
{
    struct nifti1 raw;
    const char no_extension[4] = {0};
    struct nifti_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        die("out of memory");
    format_text(writer->path, sizeof writer->path, "%s", path);
    size_t length = strlen(path);
    if (length > 3 && strcmp(path + length - 3, ".gz") == 0) {
        make_parents(path);
        /* zlib writes no time and no name into the gzip header: same voxels, same bytes */
        writer->packed = gzopen(path, "wb1");
        if (writer->packed == NULL)
            die("cannot write %s", path);
        gzbuffer(writer->packed, 1U << 18);
    } else {
        writer->plain = create_file(path);
    }
    fill_header(&raw, header);
    nifti_write(writer, &raw, sizeof raw);
    nifti_write(writer, no_extension, sizeof no_extension);
    return writer;
}

void nifti_write(struct nifti_writer *writer, const void *voxels, size_t bytes)
{
    if (writer->plain != NULL)
        write_bytes(writer->plain, voxels, bytes);
    else if (gzwrite(writer->packed, voxels, (unsigned)bytes) != (int)bytes)
        die("cannot write %s", writer->path);
}

void nifti_close(struct nifti_writer *writer)
{
    if (writer->plain != NULL)
        close_file(writer->plain, writer->path);
    else if (gzclose(writer->packed) != Z_OK)
        die("cannot write %s", writer->path);
    free(writer);
}
