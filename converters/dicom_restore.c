#include "converters/dicom_restore.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/nifti_write.h"
#include "converters/original.h"
#include "converters/slice_steps.h"
#include "converters/values.h"
#include "core/digest.h"

enum { EXTENDER_SIZE = 4, OPACITY = 255 };
static const double SAME_FACTOR = 1e-6; /* of the value: decimals of a float32 */

struct mur_restoration {
    const struct mur_image_set *set;
    const struct mur_image_stack *stack;
    struct mur_original original;
    struct mur_nifti *nifti; /* of the kept header */
    const struct mur_nifti_header *header;
    struct mur_volume_geometry geometry;
    uint8_t *prologue;
    size_t prologue_length;
    int64_t offset; /* of integers: voxel = stored + offset */
    struct mur_sha256 *digest;
    uint8_t *voxels; /* of one slice */
    size_t slice_size;
    uint32_t volume, slice; /* the next one, in the order of the file */
    bool big_endian;        /* the voxels are to be written so */
};

void mur_restoration_free(struct mur_restoration *r)
{
    if (r == NULL)
        return;
    mur_original_free(&r->original);
    mur_nifti_free(r->nifti);
    mur_sha256_free(r->digest);
    free(r->prologue);
    free(r->voxels);
    free(r);
}

const uint8_t *mur_restoration_prologue(size_t *length, const struct mur_restoration *r)
{
    *length = r->prologue_length;
    return r->prologue;
}

const char *mur_restoration_type_name(const struct mur_restoration *r)
{
    return r->header->type_name;
}

const struct mur_volume_geometry *mur_restoration_geometry(const struct mur_restoration *r)
{
    return &r->geometry;
}

/* ---- whether it fits --------------------------------------------------------------------------
 */

/* The stack's grid with its axes as they run in the file. */
static void set_geometry(struct mur_restoration *r)
{
    struct mur_volume_geometry *geometry = &r->geometry;
    *geometry = r->stack->geometry;
    double *directions[3] = {geometry->row_dir_lps, geometry->column_dir_lps,
                             geometry->slice_dir_lps};
    for (unsigned axis = 0; axis < 3; axis++) {
        if (!r->original.reversed[axis])
            continue;
        double length = geometry->spacing_mm[axis] * (geometry->dims[axis] - 1);
        for (unsigned row = 0; row < 3; row++) {
            geometry->origin_lps_mm[row] += directions[axis][row] * length;
            directions[axis][row] = -directions[axis][row];
        }
    }
}

/* How the header was read then is not kept: any way of reading it may place it where it is. */
static bool same_place(const struct mur_restoration *r)
{
    enum { WAYS = 8 };
    /* twice what a conversion may lose in the decimals of positions (conversion.md 3.1 item 6) */
    double same = 2 * mur_slice_same_place(r->geometry.spacing_mm);
    for (unsigned way = 0; way < WAYS; way++) {
        const struct mur_orientation_options options = {
            .prefer_qform = (way & 1) != 0,
            .spm_when_unset = (way & 2) != 0,
            .analyze_order = (way & 4) != 0 ? MUR_ANALYZE_LAS : MUR_ANALYZE_RAS,
        };
        struct mur_volume_geometry there;
        if (mur_nifti_geometry(&there, r->nifti, &options, NULL, NULL) == MUR_OK &&
            mur_geometry_corner_distance(&there, &r->geometry) <= same)
            return true;
    }
    return false;
}

static bool same_factor(double a, double b)
{
    return fabs(a - b) <= SAME_FACTOR * fabs(b);
}

static bool is_float(enum mur_nifti_type type)
{
    return type == MUR_NIFTI_FLOAT32 || type == MUR_NIFTI_FLOAT64;
}

/* Whether stored values can be the file's voxels; NULL, or why not. */
static const char *misfit_of_values(struct mur_restoration *r)
{
    const struct mur_image_stack *stack = r->stack;
    const struct mur_nifti_header *header = r->header;
    enum mur_pixel_type stored = stack->stored;
    if (stored == MUR_PIXEL_FLOAT32 || stored == MUR_PIXEL_FLOAT64)
        return header->type == (stored == MUR_PIXEL_FLOAT32 ? MUR_NIFTI_FLOAT32 : MUR_NIFTI_FLOAT64)
                   ? NULL
                   : "its data type is another one";
    if ((stored == MUR_PIXEL_RGB24) != (header->samples > 1))
        return "one of both has colour";
    if (stored == MUR_PIXEL_RGB24)
        return NULL;
    if (stored != MUR_PIXEL_INT16 && stored != MUR_PIXEL_UINT16)
        return "pixels are not of 16 bits";
    double slope = header->scaled ? header->slope : 1;
    double intercept = header->scaled ? header->intercept : 0;
    if (stack->type != stored || !same_factor(stack->slope, slope))
        return "values were mapped to 16 bits";
    if (mur_value_same_intercept(stack->intercept, intercept))
        return NULL;
    double offset = (stack->intercept - intercept) / slope;
    if (!(fabs(offset) < 0x1p52) || fabs(offset - rint(offset)) > 1e-3 * fmax(1, fabs(offset)))
        return "values were mapped to 16 bits";
    r->offset = (int64_t)rint(offset);
    if (r->offset != 0 && is_float(header->type))
        return "values were mapped to 16 bits";
    return NULL;
}

static const char *misfit(struct mur_restoration *r)
{
    const uint32_t *dims = r->stack->geometry.dims;
    if (memcmp(r->header->dims, dims, sizeof r->header->dims) != 0 ||
        r->header->volumes != r->stack->volumes)
        return "the number of slices, rows, columns or volumes is another one";
    if (!same_place(r))
        return "it lies elsewhere";
    return misfit_of_values(r);
}

/* ---- bytes before the voxels ------------------------------------------------------------------
 */

static uint16_t header_u16(const struct mur_nifti_header *header, size_t at)
{
    uint16_t value = 0;
    memcpy(&value, header->raw + at, sizeof value);
    return (uint16_t)(header->big_endian ? __builtin_bswap16(value) : value);
}

/* Analyze has no such thing as a single file: its fields go into a NIfTI header. */
static enum mur_status translate_analyze(struct mur_restoration *r, struct mur_error *error)
{
    enum { DATATYPE = 70, BITPIX = 72 };
    const struct mur_nifti_header *header = r->header;
    const struct mur_nifti_shape shape = {
        .geometry = r->geometry,
        .type = MUR_PIXEL_UINT8,
        .volumes = header->volumes,
        .slope = header->scaled ? header->slope : 1,
        .intercept = header->scaled ? header->intercept : 0,
        .time_step_s = mur_nifti_time_step_ms(header) / 1000,
    };
    r->prologue = malloc(MUR_NIFTI_PROLOGUE_SIZE);
    if (r->prologue == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_nifti_prologue(r->prologue, &r->prologue_length, &shape, error);
    if (status != MUR_OK)
        return status;
    uint16_t type = header_u16(header, DATATYPE), bits = (uint16_t)(8 * header->voxel_size);
    for (unsigned byte = 0; byte < 2; byte++) {
        r->prologue[DATATYPE + byte] = (uint8_t)(type >> (8 * byte));
        r->prologue[BITPIX + byte] = (uint8_t)(bits >> (8 * byte));
    }
    return MUR_OK;
}

/* The header of a pair says where the voxels begin in another file, and that there is one. */
static void join_pair(struct mur_restoration *r, size_t offset)
{
    bool wide = r->header->kind == MUR_NIFTI_2, big = r->header->big_endian;
    uint8_t bytes[8] = {0};
    size_t size = wide ? sizeof(int64_t) : sizeof(float);
    float single = (float)offset;
    if (wide)
        memcpy(bytes, &(int64_t){(int64_t)offset}, sizeof(int64_t));
    else
        memcpy(bytes, &single, sizeof single);
    uint8_t *field = r->prologue + (wide ? 168 : 108); /* vox_offset */
    for (size_t byte = 0; byte < size; byte++)
        field[byte] = bytes[big ? size - 1 - byte : byte];
    r->prologue[(wide ? 4 : 344) + 1] = '+'; /* magic: n+1, n+2 */
}

static enum mur_status make_prologue(struct mur_restoration *r, struct mur_error *error)
{
    const struct mur_original *original = &r->original;
    if (r->header->kind == MUR_ANALYZE_75)
        return translate_analyze(r, error);
    enum { ALIGNMENT = 16 };
    size_t extensions = original->extension_length > 0 ? original->extension_length : EXTENDER_SIZE;
    size_t content = original->header_length + extensions;
    size_t begin = (size_t)mur_nifti_voxel_offset(r->nifti);
    bool pair = r->header->raw[(r->header->kind == MUR_NIFTI_2 ? 4 : 344) + 1] == 'i';
    if (pair)
        begin = (content + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (begin > content + MUR_NIFTI_EXTENSION_LIMIT) /* extensions that were too long to be kept */
        begin = content;
    r->prologue_length = begin > content ? begin : content;
    r->prologue = calloc(1, r->prologue_length);
    if (r->prologue == NULL)
        return mur_error_no_memory(error);
    memcpy(r->prologue, original->header, original->header_length);
    if (original->extension_length > 0)
        memcpy(r->prologue + original->header_length, original->extensions,
               original->extension_length);
    if (begin < content) /* cut to what the header says */
        r->prologue_length = begin;
    if (pair || begin != (size_t)mur_nifti_voxel_offset(r->nifti))
        join_pair(r, begin);
    return MUR_OK;
}

/* ---- together ---------------------------------------------------------------------------------
 */

static enum mur_status prepare(struct mur_restoration *r, struct mur_warnings *warnings, bool *fits,
                               struct mur_error *error)
{
    struct mur_error why = MUR_ERROR_INIT;
    const char *series = mur_image_stack_first(r->set, r->stack)->series_instance;
    enum mur_status status = mur_nifti_of_header(
        &r->nifti, r->original.header, r->original.header_length, r->original.file_name, &why);
    if (status == MUR_NO_MEMORY)
        return mur_error_set(error, status, "%s", why.message);
    const char *reason = why.message;
    if (status == MUR_OK) {
        r->header = mur_nifti_header(r->nifti);
        set_geometry(r);
        reason = misfit(r);
    }
    *fits = reason == NULL;
    if (reason != NULL)
        return mur_warn(warnings, error,
                        "series %s: the header of the NIfTI file %s, which it was made from, is "
                        "not used: %s",
                        series, r->original.file_name, reason);
    r->big_endian = r->header->big_endian && r->header->kind != MUR_ANALYZE_75;
    r->slice_size = (size_t)r->header->dims[0] * r->header->dims[1] * r->header->voxel_size;
    r->voxels = malloc(r->slice_size);
    if (r->voxels == NULL)
        return mur_error_no_memory(error);
    status = make_prologue(r, error);
    return status == MUR_OK ? mur_sha256_create(&r->digest, error) : status;
}

enum mur_status mur_restoration_create(struct mur_restoration **out, struct mur_dataset *header,
                                       const struct mur_image_set *set,
                                       const struct mur_image_stack *stack,
                                       struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_restoration) *r = calloc(1, sizeof *r);
    if (r == NULL)
        return mur_error_no_memory(error);
    r->set = set;
    r->stack = stack;
    *out = NULL;
    bool fits = false;
    struct mur_error why = MUR_ERROR_INIT;
    enum mur_status status = mur_original_get(&r->original, header, &why);
    if (status == MUR_NOT_FOUND)
        return MUR_OK;
    if (status == MUR_PARSE)
        return mur_warn(warnings, error, "series %s: %s",
                        mur_image_stack_first(set, stack)->series_instance, why.message);
    if (status != MUR_OK)
        return mur_error_set(error, status, "%s", why.message);
    status = prepare(r, warnings, &fits, error);
    if (status == MUR_OK && fits)
        *out = MUR_STEAL(r);
    return status;
}

/* ---- voxels -----------------------------------------------------------------------------------
 */

#define UNMAP(type, from)                                                                          \
    do {                                                                                           \
        type *to_ = (type *)(void *)out;                                                           \
        for (size_t index_ = 0; index_ < count; index_++)                                          \
            to_[index_] = (type)((from)[index_] + (int64_t)offset);                                \
    } while (0)

#define UNMAP_ALL(from)                                                                            \
    do {                                                                                           \
        switch (type) {                                                                            \
        case MUR_NIFTI_UINT8:                                                                      \
            UNMAP(uint8_t, from);                                                                  \
            break;                                                                                 \
        case MUR_NIFTI_INT8:                                                                       \
            UNMAP(int8_t, from);                                                                   \
            break;                                                                                 \
        case MUR_NIFTI_UINT16:                                                                     \
            UNMAP(uint16_t, from);                                                                 \
            break;                                                                                 \
        case MUR_NIFTI_INT16:                                                                      \
            UNMAP(int16_t, from);                                                                  \
            break;                                                                                 \
        case MUR_NIFTI_UINT32:                                                                     \
            UNMAP(uint32_t, from);                                                                 \
            break;                                                                                 \
        case MUR_NIFTI_INT32:                                                                      \
            UNMAP(int32_t, from);                                                                  \
            break;                                                                                 \
        case MUR_NIFTI_UINT64:                                                                     \
            UNMAP(uint64_t, from);                                                                 \
            break;                                                                                 \
        case MUR_NIFTI_INT64:                                                                      \
            UNMAP(int64_t, from);                                                                  \
            break;                                                                                 \
        case MUR_NIFTI_FLOAT32:                                                                    \
            UNMAP(float, from);                                                                    \
            break;                                                                                 \
        case MUR_NIFTI_FLOAT64:                                                                    \
            UNMAP(double, from);                                                                   \
            break;                                                                                 \
        }                                                                                          \
    } while (0)

/* A row of stored values as the file's voxels. */
static void unmap_row(uint8_t *out, const void *stored, size_t count,
                      const struct mur_restoration *r)
{
    enum mur_nifti_type type = r->header->type;
    int64_t offset = r->offset;
    if (r->header->samples == 4) {
        const uint8_t *colours = stored;
        for (size_t index = 0; index < count; index++) {
            memcpy(out + 4 * index, colours + 3 * index, 3);
            out[4 * index + 3] = OPACITY;
        }
    } else if (r->header->voxel_size == 2 && offset == 0) {
        memcpy(out, stored, count * sizeof(uint16_t));
    } else if (r->stack->stored == MUR_PIXEL_INT16) {
        UNMAP_ALL((const int16_t *)stored);
    } else if (r->stack->stored == MUR_PIXEL_UINT16) {
        UNMAP_ALL((const uint16_t *)stored);
    } else {
        memcpy(out, stored, count * r->header->voxel_size);
    }
}

#define MIRROR(type)                                                                               \
    do {                                                                                           \
        type *values_ = (type *)(void *)row;                                                       \
        for (size_t index_ = 0; index_ < count / 2; index_++) {                                    \
            type kept_ = values_[index_];                                                          \
            values_[index_] = values_[count - 1 - index_];                                         \
            values_[count - 1 - index_] = kept_;                                                   \
        }                                                                                          \
    } while (0)

struct colour {
    uint8_t bytes[3];
};

static void mirror(uint8_t *row, size_t count, unsigned size)
{
    if (size == 1)
        MIRROR(uint8_t);
    else if (size == 2)
        MIRROR(uint16_t);
    else if (size == 3)
        MIRROR(struct colour);
    else if (size == 4)
        MIRROR(uint32_t);
    else if (size == 8)
        MIRROR(uint64_t);
}

static void swap_bytes(uint8_t *bytes, size_t length, unsigned size)
{
    for (size_t at = 0; at < length; at += size)
        for (unsigned byte = 0; byte < size / 2; byte++) {
            uint8_t kept = bytes[at + byte];
            bytes[at + byte] = bytes[at + size - 1 - byte];
            bytes[at + size - 1 - byte] = kept;
        }
}

enum mur_status mur_restoration_next(const void **out, size_t *length, struct mur_restoration *r,
                                     struct mur_plane_reader *reader, struct mur_error *error)
{
    const uint32_t *dims = r->header->dims;
    const void *stored = NULL;
    uint32_t plane = r->original.reversed[2] ? dims[2] - 1 - r->slice : r->slice;
    enum mur_status status =
        mur_image_stack_read(&stored, reader, r->set, r->stack, r->volume, plane, error);
    if (status != MUR_OK)
        return status;
    unsigned size = r->header->voxel_size;
    size_t columns = dims[0], stored_size = mur_pixel_size(r->stack->stored) * columns;
    for (size_t row = 0; row < dims[1]; row++) {
        size_t from = r->original.reversed[1] ? dims[1] - 1 - row : row;
        uint8_t *to = r->voxels + row * columns * size;
        unmap_row(to, (const uint8_t *)stored + from * stored_size, columns, r);
        if (r->original.reversed[0])
            mirror(to, columns, size);
    }
    status = mur_sha256_update(r->digest, r->voxels, r->slice_size, error);
    if (r->big_endian && r->header->samples == 1 && size > 1)
        swap_bytes(r->voxels, r->slice_size, size);
    if (++r->slice == dims[2]) {
        r->slice = 0;
        r->volume++;
    }
    *out = r->voxels;
    *length = r->slice_size;
    return status;
}

enum mur_status mur_restoration_check(bool *same, struct mur_restoration *r,
                                      struct mur_error *error)
{
    uint8_t digest[MUR_SHA256_SIZE];
    enum mur_status status = mur_sha256_finish(digest, r->digest, error);
    if (status == MUR_OK)
        *same = memcmp(digest, r->original.voxel_digest, sizeof digest) == 0;
    return status;
}
