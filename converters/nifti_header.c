/* The fields of NIfTI and Analyze headers: which are used, and what they may say. */
#include <math.h>
#include <nifti2_io.h>
#include <string.h>

#include "converters/nifti_internal.h"
#include "core/own.h"

_Static_assert(sizeof(nifti_1_header) == MUR_NIFTI_HEADER_1_SIZE &&
                   sizeof(nifti_2_header) == MUR_NIFTI_HEADER_2_SIZE,
               "as in the file");

enum { DIMENSIONS = 7 };
static const uint64_t SLICE_LIMIT = UINT64_C(1) << 30;
static const uint64_t VOLUME_COUNT_LIMIT = 1000000;

static const struct {
    int code;
    enum mur_nifti_type type;
    unsigned size; /* of one sample */
    unsigned samples;
    const char *name;
} types[] = {
    {NIFTI_TYPE_UINT8, MUR_NIFTI_UINT8, 1, 1, "uint8"},
    {NIFTI_TYPE_INT8, MUR_NIFTI_INT8, 1, 1, "int8"},
    {NIFTI_TYPE_UINT16, MUR_NIFTI_UINT16, 2, 1, "uint16"},
    {NIFTI_TYPE_INT16, MUR_NIFTI_INT16, 2, 1, "int16"},
    {NIFTI_TYPE_UINT32, MUR_NIFTI_UINT32, 4, 1, "uint32"},
    {NIFTI_TYPE_INT32, MUR_NIFTI_INT32, 4, 1, "int32"},
    {NIFTI_TYPE_UINT64, MUR_NIFTI_UINT64, 8, 1, "uint64"},
    {NIFTI_TYPE_INT64, MUR_NIFTI_INT64, 8, 1, "int64"},
    {NIFTI_TYPE_FLOAT32, MUR_NIFTI_FLOAT32, 4, 1, "float32"},
    {NIFTI_TYPE_FLOAT64, MUR_NIFTI_FLOAT64, 8, 1, "float64"},
    {NIFTI_TYPE_RGB24, MUR_NIFTI_UINT8, 1, 3, "rgb24"},
    {NIFTI_TYPE_RGBA32, MUR_NIFTI_UINT8, 1, 4, "rgba32"},
};

/* NIfTI-1 and Analyze fields in NIfTI-2's wider ones, so that they are checked once. */
static void widen(nifti_2_header *out, const nifti_1_header *from, bool analyze)
{
    *out = (nifti_2_header){.sizeof_hdr = MUR_NIFTI_HEADER_1_SIZE};
    out->datatype = from->datatype;
    out->bitpix = from->bitpix;
    for (unsigned index = 0; index < 8; index++) {
        out->dim[index] = from->dim[index];
        out->pixdim[index] = (double)from->pixdim[index];
    }
    memcpy(out->descrip, from->descrip, sizeof out->descrip);
    if (analyze)
        return;
    out->scl_slope = (double)from->scl_slope;
    out->scl_inter = (double)from->scl_inter;
    out->xyzt_units = (uint8_t)from->xyzt_units;
    out->intent_code = from->intent_code;
    out->qform_code = from->qform_code;
    out->sform_code = from->sform_code;
    out->quatern_b = (double)from->quatern_b;
    out->quatern_c = (double)from->quatern_c;
    out->quatern_d = (double)from->quatern_d;
    out->qoffset_x = (double)from->qoffset_x;
    out->qoffset_y = (double)from->qoffset_y;
    out->qoffset_z = (double)from->qoffset_z;
    for (unsigned index = 0; index < 4; index++) {
        out->srow_x[index] = (double)from->srow_x[index];
        out->srow_y[index] = (double)from->srow_y[index];
        out->srow_z[index] = (double)from->srow_z[index];
    }
}

static enum mur_status check_offset(uint64_t *out, double offset, bool single, size_t header_size,
                                    const char *path, struct mur_error *error)
{
    if (!isfinite(offset) || offset < 0 || offset > 1e15 || offset != floor(offset))
        return mur_error_set(error, MUR_PARSE, "%s: vox_offset is %g, which is no place in a file",
                             path, offset);
    if (single && offset < (double)(header_size + MUR_NIFTI_EXTENDER_SIZE))
        return mur_error_set(error, MUR_PARSE,
                             "%s: vox_offset is %.0f, inside the header (at least %zu)", path,
                             offset, header_size + MUR_NIFTI_EXTENDER_SIZE);
    *out = (uint64_t)offset;
    return MUR_OK;
}

static enum mur_status check_dimensions(struct mur_nifti_header *header, const nifti_2_header *from,
                                        const char *path, struct mur_error *error)
{
    if (from->dim[0] < 1 || from->dim[0] > DIMENSIONS)
        return mur_error_set(error, MUR_PARSE, "%s: dim[0] is %lld; 1 to 7 are possible", path,
                             (long long)from->dim[0]);
    header->dim[0] = from->dim[0];
    uint64_t volumes = 1;
    for (int index = 1; index <= DIMENSIONS; index++) {
        int64_t count = index <= from->dim[0] ? from->dim[index] : 1;
        if (index > 3 && count == 0)
            count = 1; /* many writers leave unused ones 0 */
        if (count < 1)
            return mur_error_set(error, MUR_PARSE, "%s: dim[%d] is %lld", path, index,
                                 (long long)count);
        if (index <= 3 && count > MUR_NIFTI_SIDE_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "%s: dim[%d] is %lld; at most %d are possible",
                                 path, index, (long long)count, MUR_NIFTI_SIDE_LIMIT);
        header->dim[index] = count;
        if (index <= 3)
            header->dims[index - 1] = (uint32_t)count;
        else if (__builtin_mul_overflow(volumes, (uint64_t)count, &volumes) ||
                 volumes > VOLUME_COUNT_LIMIT)
            return mur_error_set(error, MUR_LIMIT,
                                 "%s: dim[4] to dim[7] claim more than %llu volumes", path,
                                 (unsigned long long)VOLUME_COUNT_LIMIT);
    }
    header->volumes = (uint32_t)volumes;
    return MUR_OK;
}

static enum mur_status check_type(struct mur_nifti_header *header, const nifti_2_header *from,
                                  bool takes_colour, const char *path,
                                  struct mur_warnings *warnings, struct mur_error *error)
{
    for (size_t index = 0; index < MUR_COUNT(types); index++) {
        if (types[index].code != from->datatype || (types[index].samples > 1 && !takes_colour))
            continue;
        header->type = types[index].type;
        header->type_name = types[index].name;
        header->samples = types[index].samples;
        header->voxel_size = types[index].size * types[index].samples;
        if ((unsigned)from->bitpix == 8 * header->voxel_size)
            return MUR_OK;
        return mur_warn(warnings, error,
                        "%s: bitpix is %d where datatype %s has %u; datatype is used", path,
                        from->bitpix, types[index].name, 8 * header->voxel_size);
    }
    const char *what = "not known";
    switch (from->datatype) {
    case DT_BINARY:
        what = "1 bit a voxel";
        break;
    case NIFTI_TYPE_RGB24:
    case NIFTI_TYPE_RGBA32:
        what = "colour";
        break;
    case NIFTI_TYPE_COMPLEX64:
    case NIFTI_TYPE_COMPLEX128:
    case NIFTI_TYPE_COMPLEX256:
        what = "complex numbers";
        break;
    case NIFTI_TYPE_FLOAT128:
        what = "128-bit numbers";
        break;
    default:
        break;
    }
    return mur_error_set(
        error, MUR_UNSUPPORTED,
        "%s: datatype %d (%s) is not supported; integers up to 64 bits, float32 and "
        "float64 are",
        path, from->datatype, what);
}

static enum mur_status check_scaling(struct mur_nifti_header *header, const nifti_2_header *from,
                                     const char *path, struct mur_warnings *warnings,
                                     struct mur_error *error)
{
    header->slope = 1;
    header->intercept = 0;
    if (isinf(from->scl_slope))
        return mur_warn(warnings, error, "%s: scl_slope is infinite; no scaling is applied", path);
    if (isnan(from->scl_slope) || from->scl_slope == 0)
        return MUR_OK; /* "no scaling" (nifti1.h) */
    if (!isfinite(from->scl_inter))
        return mur_error_set(error, MUR_PARSE, "%s: scl_inter is %g while scl_slope is %g", path,
                             from->scl_inter, from->scl_slope);
    header->slope = from->scl_slope;
    header->intercept = from->scl_inter;
    header->scaled = from->scl_slope != 1 || from->scl_inter != 0;
    return MUR_OK;
}

static enum mur_status check_header(struct mur_nifti *nifti, const nifti_2_header *from,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    struct mur_nifti_header *header = &nifti->header;
    enum mur_status status = check_dimensions(header, from, nifti->header_path, error);
    if (status == MUR_OK)
        status = check_type(header, from, nifti->takes_colour, nifti->header_path, warnings, error);
    if (status == MUR_OK)
        status = check_scaling(header, from, nifti->header_path, warnings, error);
    if (status != MUR_OK)
        return status;
    memcpy(header->pixdim, from->pixdim, sizeof header->pixdim);
    header->space_unit = (unsigned)from->xyzt_units & 7u;
    header->time_unit = (unsigned)from->xyzt_units & 0x38u;
    header->qform_code = from->qform_code;
    header->sform_code = from->sform_code;
    header->intent_code = from->intent_code;
    header->quatern[0] = from->quatern_b;
    header->quatern[1] = from->quatern_c;
    header->quatern[2] = from->quatern_d;
    header->qoffset[0] = from->qoffset_x;
    header->qoffset[1] = from->qoffset_y;
    header->qoffset[2] = from->qoffset_z;
    memcpy(header->srow[0], from->srow_x, sizeof header->srow[0]);
    memcpy(header->srow[1], from->srow_y, sizeof header->srow[1]);
    memcpy(header->srow[2], from->srow_z, sizeof header->srow[2]);
    memcpy(header->description, from->descrip, sizeof from->descrip);
    header->description[sizeof header->description - 1] = '\0';

    uint64_t slice = (uint64_t)header->dims[0] * header->dims[1] * header->voxel_size;
    if (slice > SLICE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: one slice of %u x %u %s voxels exceeds 1 GiB",
                             nifti->header_path, header->dims[0], header->dims[1],
                             header->type_name);
    nifti->slice_size = slice;
    nifti->volume_size = slice * header->dims[2];
    return MUR_OK;
}

enum mur_status mur_nifti_parse_header(struct mur_nifti *nifti, bool *single, const uint8_t *bytes,
                                       size_t length, struct mur_warnings *warnings,
                                       struct mur_error *error)
{
    struct mur_nifti_header *header = &nifti->header;
    int32_t size = 0;
    if (length >= sizeof size)
        memcpy(&size, bytes, sizeof size);
    int32_t swapped = (int32_t)__builtin_bswap32((uint32_t)size);
    header->big_endian = swapped == MUR_NIFTI_HEADER_1_SIZE || swapped == MUR_NIFTI_HEADER_2_SIZE;
    if (header->big_endian)
        size = swapped;
    if (size != MUR_NIFTI_HEADER_1_SIZE && size != MUR_NIFTI_HEADER_2_SIZE)
        return mur_error_set(error, MUR_PARSE,
                             "%s: not NIfTI or Analyze: sizeof_hdr is neither 348 nor 540",
                             nifti->header_path);
    if (length < (size_t)size)
        return mur_error_set(error, MUR_PARSE, "%s: truncated: %zu bytes where the header has %d",
                             nifti->header_path, length, (int)size);
    memcpy(header->raw, bytes, (size_t)size);
    header->raw_length = (size_t)size;

    nifti_2_header fields;
    double offset = 0;
    if (size == MUR_NIFTI_HEADER_2_SIZE) {
        memcpy(&fields, bytes, sizeof fields);
        if (header->big_endian)
            nifti_swap_as_nifti2(&fields);
        if (memcmp(fields.magic, "n+2\0\r\n\032\n", 8) != 0 &&
            memcmp(fields.magic, "ni2\0\r\n\032\n", 8) != 0)
            return mur_error_set(error, MUR_PARSE, "%s: magic is not that of NIfTI-2",
                                 nifti->header_path);
        header->kind = MUR_NIFTI_2;
        *single = fields.magic[1] == '+';
        offset = (double)fields.vox_offset;
    } else {
        nifti_1_header narrow;
        memcpy(&narrow, bytes, sizeof narrow);
        if (header->big_endian)
            nifti_swap_as_nifti1(&narrow);
        *single = memcmp(narrow.magic, "n+1", 4) == 0;
        header->kind =
            *single || memcmp(narrow.magic, "ni1", 4) == 0 ? MUR_NIFTI_1 : MUR_ANALYZE_75;
        if (header->kind == MUR_ANALYZE_75 && !mur_nifti_is_pair_name(nifti->path))
            return mur_error_set(error, MUR_PARSE, "%s: magic is neither \"n+1\" nor \"ni1\"",
                                 nifti->header_path);
        widen(&fields, &narrow, header->kind == MUR_ANALYZE_75);
        offset = (double)narrow.vox_offset;
        float factor = narrow.scl_slope; /* funused1 in Analyze: SPM keeps a scale factor there */
        if (header->kind == MUR_ANALYZE_75 && isfinite(factor) && factor != 0 && factor != 1) {
            enum mur_status status =
                mur_warn(warnings, error, "%s: funused1 is %g; SPM's scale factor is not applied",
                         nifti->header_path, (double)factor);
            if (status != MUR_OK)
                return status;
        }
    }
    enum mur_status status = check_header(nifti, &fields, warnings, error);
    if (status != MUR_OK)
        return status;
    return check_offset(&nifti->voxel_offset, offset, *single, (size_t)size, nifti->header_path,
                        error);
}
