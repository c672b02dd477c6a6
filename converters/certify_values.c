#include "converters/certify_values.h"
#include "converters/values.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CODES = 65536 };

static const double SAME_SLOPE = 1e-6;     /* of it: Decimal Strings, and float32 of NIfTI-1 */
static const double SAME_INTERCEPT = 0.01; /* of a step */
static const double ROUNDING = 2 * (double)FLT_EPSILON;

struct mur_value_check {
    struct mur_value_sides sides;
    struct mur_value_verdict verdict;
    bool colour, identity;
    double ratio, shift; /* voxel = pixel * ratio + shift, both without their scaling */
    double *values;      /* by pixel: what it means; pixels of one or two bytes */
    uint8_t *table;      /* by pixel: the voxel that means the same */
    uint8_t *unfit;      /* by pixel: 1 if there is none */
    uint8_t *made;       /* voxels */
    size_t made_size;    /* bytes */
    bool has_replaced;
    double replaced; /* what voxels became that were not finite */
};

void mur_value_check_free(struct mur_value_check *check)
{
    if (check == NULL)
        return;
    free(check->values);
    free(check->table);
    free(check->unfit);
    free(check->made);
    free(check);
}

const struct mur_value_verdict *mur_value_check_verdict(const struct mur_value_check *check)
{
    return &check->verdict;
}

/* ---- one value ------------------------------------------------------------------------------- */

static double pixel_at(enum mur_pixel_type type, const void *pixels, size_t index)
{
    switch (type) {
    case MUR_PIXEL_UINT8:
    case MUR_PIXEL_RGB24:
        return ((const uint8_t *)pixels)[index];
    case MUR_PIXEL_INT8:
        return ((const int8_t *)pixels)[index];
    case MUR_PIXEL_UINT16:
        return ((const uint16_t *)pixels)[index];
    case MUR_PIXEL_INT16:
        return ((const int16_t *)pixels)[index];
    case MUR_PIXEL_UINT32:
        return ((const uint32_t *)pixels)[index];
    case MUR_PIXEL_INT32:
        return ((const int32_t *)pixels)[index];
    case MUR_PIXEL_FLOAT32:
        return (double)((const float *)pixels)[index];
    case MUR_PIXEL_FLOAT64:
        return ((const double *)pixels)[index];
    }
    return 0;
}

static double voxel_at(const struct mur_nifti_header *header, const void *voxels, size_t index)
{
    return mur_nifti_voxel(header->type, voxels, index) * header->slope + header->intercept;
}

/* The range of a type of whole numbers; false for floats. */
static bool range_of(enum mur_nifti_type type, double *low, double *high)
{
    static const double ranges[][2] = {
        [MUR_NIFTI_UINT8] = {0, UINT8_MAX},   [MUR_NIFTI_INT8] = {INT8_MIN, INT8_MAX},
        [MUR_NIFTI_UINT16] = {0, UINT16_MAX}, [MUR_NIFTI_INT16] = {INT16_MIN, INT16_MAX},
        [MUR_NIFTI_UINT32] = {0, UINT32_MAX}, [MUR_NIFTI_INT32] = {INT32_MIN, INT32_MAX},
        [MUR_NIFTI_UINT64] = {0, 0x1p63},     [MUR_NIFTI_INT64] = {-0x1p63, 0x1p62},
        [MUR_NIFTI_FLOAT32] = {0, 0},         [MUR_NIFTI_FLOAT64] = {0, 0},
    };
    *low = ranges[type][0];
    *high = ranges[type][1];
    return *high > *low;
}

/* Writes the voxel that means the same as a pixel, little endian. Not by way of the value, which
 * loses small steps beside a large intercept. @return false: the type cannot hold it */
static bool store_voxel(uint8_t *out, const struct mur_value_check *check, double pixel)
{
    const struct mur_nifti_header *header = check->sides.plain;
    double raw = pixel * check->ratio + check->shift, low, high;
    if (!range_of(header->type, &low, &high)) {
        float narrow = (float)raw;
        if (header->type == MUR_NIFTI_FLOAT32)
            memcpy(out, &narrow, sizeof narrow);
        else
            memcpy(out, &raw, sizeof raw);
        return true;
    }
    raw = rint(raw);
    bool fits = raw >= low && raw <= high;
    int64_t whole = fits ? (int64_t)raw : 0;
    memcpy(out, &whole, header->voxel_size);
    return fits;
}

/* ---- what may differ ------------------------------------------------------------------------- */

static bool is_whole(enum mur_pixel_type type)
{
    return type != MUR_PIXEL_FLOAT32 && type != MUR_PIXEL_FLOAT64;
}

/* Whether voxels and pixels are the same numbers in memory. */
static bool same_type(enum mur_nifti_type plain, enum mur_pixel_type type)
{
    static const enum mur_pixel_type types[] = {
        [MUR_NIFTI_UINT8] = MUR_PIXEL_UINT8,     [MUR_NIFTI_INT8] = MUR_PIXEL_INT8,
        [MUR_NIFTI_UINT16] = MUR_PIXEL_UINT16,   [MUR_NIFTI_INT16] = MUR_PIXEL_INT16,
        [MUR_NIFTI_UINT32] = MUR_PIXEL_UINT32,   [MUR_NIFTI_INT32] = MUR_PIXEL_INT32,
        [MUR_NIFTI_FLOAT32] = MUR_PIXEL_FLOAT32, [MUR_NIFTI_FLOAT64] = MUR_PIXEL_FLOAT64,
    };
    return (size_t)plain < MUR_COUNT(types) && types[plain] == type;
}

static void judge(struct mur_value_check *check)
{
    const struct mur_value_sides *sides = &check->sides;
    const struct mur_nifti_header *plain = sides->plain;
    double low, high;
    bool voxels_whole = range_of(plain->type, &low, &high), pixels_whole = is_whole(sides->type);
    bool same_scale = sides->slope == plain->slope && sides->intercept == plain->intercept;
    double shift = mur_value_same_intercept(sides->intercept, plain->intercept)
                       ? 0
                       : (sides->intercept - plain->intercept) / plain->slope;
    check->ratio = sides->slope / plain->slope;
    check->shift = shift;
    bool same_steps =
        fabs(check->ratio - 1) < SAME_SLOPE && fabs(shift - rint(shift)) < SAME_INTERCEPT;
    if (same_steps) { /* else integers of 32 bits would add up what a decimal leaves out */
        check->ratio = 1;
        check->shift = rint(shift);
    }
    check->identity = same_type(plain->type, sides->type) && same_scale;
    check->verdict.exact = check->identity || (voxels_whole && pixels_whole && same_steps);
    bool step = sides->plain_is_original ? pixels_whole : voxels_whole;
    if (!check->verdict.exact && step)
        check->verdict.bound = fabs(sides->plain_is_original ? sides->slope : plain->slope) / 2;
}

static enum mur_status make_tables(struct mur_value_check *check, struct mur_error *error)
{
    enum mur_pixel_type type = check->sides.type;
    const struct mur_nifti_header *plain = check->sides.plain;
    unsigned size = mur_pixel_size(type);
    if (check->identity || size > 2)
        return MUR_OK;
    uint32_t count = size == 1 ? 256 : CODES;
    check->values = calloc(CODES, sizeof *check->values);
    check->table = calloc(CODES, plain->voxel_size);
    check->unfit = calloc(CODES, 1);
    if (check->values == NULL || check->table == NULL || check->unfit == NULL)
        return mur_error_no_memory(error);
    for (uint32_t code = 0; code < count; code++) {
        uint16_t pixel = (uint16_t)code; /* little endian: the low byte comes first */
        double number = pixel_at(type, &pixel, 0);
        check->values[code] = number * check->sides.slope + check->sides.intercept;
        check->unfit[code] =
            !store_voxel(check->table + (size_t)code * plain->voxel_size, check, number);
    }
    return MUR_OK;
}

enum mur_status mur_value_check_create(struct mur_value_check **out,
                                       const struct mur_value_sides *sides, struct mur_error *error)
{
    MUR_AUTO(mur_value_check) *check = calloc(1, sizeof *check);
    if (check == NULL)
        return mur_error_no_memory(error);
    check->sides = *sides;
    check->colour = sides->type == MUR_PIXEL_RGB24;
    if (check->colour != (sides->plain->samples > 1))
        return mur_error_set(error, MUR_MISMATCH, "one of them is an image in colour, one is not");
    if (check->colour) {
        check->identity = sides->plain->samples == 3;
        check->verdict.exact = true;
    } else {
        judge(check);
        enum mur_status status = make_tables(check, error);
        if (status != MUR_OK)
            return status;
    }
    *out = MUR_STEAL(check);
    return MUR_OK;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static double value_of(const struct mur_value_check *check, const void *pixels, size_t index)
{
    if (check->values == NULL)
        return pixel_at(check->sides.type, pixels, index) * check->sides.slope +
               check->sides.intercept;
    if (mur_pixel_size(check->sides.type) == 1)
        return check->values[((const uint8_t *)pixels)[index]];
    return check->values[((const uint16_t *)pixels)[index]];
}

#define LOOK_UP(pixel_type, voxel_type)                                                            \
    do {                                                                                           \
        const pixel_type *from_ = pixels;                                                          \
        const voxel_type *table_ = (const voxel_type *)(const void *)check->table;                 \
        voxel_type *to_ = (voxel_type *)(void *)check->made;                                       \
        for (size_t index_ = 0; index_ < count; index_++) {                                        \
            to_[index_] = table_[from_[index_]];                                                   \
            unfit |= check->unfit[from_[index_]];                                                  \
        }                                                                                          \
    } while (0)

static bool look_up(struct mur_value_check *check, const void *pixels, size_t count)
{
    unsigned unfit = 0, size = check->sides.plain->voxel_size;
    bool narrow = mur_pixel_size(check->sides.type) == 1;
    if (narrow && size == 1)
        LOOK_UP(uint8_t, uint8_t);
    else if (narrow && size == 2)
        LOOK_UP(uint8_t, uint16_t);
    else if (narrow && size == 4)
        LOOK_UP(uint8_t, uint32_t);
    else if (narrow)
        LOOK_UP(uint8_t, uint64_t);
    else if (size == 1)
        LOOK_UP(uint16_t, uint8_t);
    else if (size == 2)
        LOOK_UP(uint16_t, uint16_t);
    else if (size == 4)
        LOOK_UP(uint16_t, uint32_t);
    else
        LOOK_UP(uint16_t, uint64_t);
    return unfit == 0;
}

static void add_alpha(uint8_t *out, const uint8_t *pixels, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        memcpy(out + 4 * index, pixels + 3 * index, 3);
        out[4 * index + 3] = UINT8_MAX;
    }
}

enum mur_status mur_value_check_convert(const void **out, bool *fit, struct mur_value_check *check,
                                        const void *pixels, size_t count, struct mur_error *error)
{
    const struct mur_nifti_header *plain = check->sides.plain;
    size_t needed = count * plain->voxel_size;
    *fit = true;
    if (check->identity) {
        *out = pixels;
        return MUR_OK;
    }
    if (check->made_size < needed) {
        uint8_t *made = realloc(check->made, needed);
        if (made == NULL)
            return mur_error_no_memory(error);
        check->made = made;
        check->made_size = needed;
    }
    if (check->colour)
        add_alpha(check->made, pixels, count);
    else if (check->table != NULL)
        *fit = look_up(check, pixels, count);
    else
        for (size_t index = 0; index < count; index++)
            if (!store_voxel(check->made + index * plain->voxel_size, check,
                             pixel_at(check->sides.type, pixels, index)))
                *fit = false;
    *out = check->made;
    return MUR_OK;
}

static void note(struct mur_value_difference *out, struct mur_value_check *check, size_t index,
                 double plain, double dicom)
{
    double off = fabs(plain - dicom);
    if (out->count++ == 0) {
        out->first = index;
        out->plain = plain;
        out->dicom = dicom;
    }
    if (off > check->verdict.largest)
        check->verdict.largest = off;
}

static void compare_exactly(struct mur_value_difference *out, struct mur_value_check *check,
                            const uint8_t *voxels, const uint8_t *made, const void *pixels,
                            size_t count)
{
    size_t size = check->sides.plain->voxel_size;
    for (size_t index = 0; index < count; index++) {
        bool same = memcmp(voxels + index * size, made + index * size, size) == 0;
        uint8_t voxel[8];
        if (same && check->colour)
            continue;
        if (check->colour) { /* the first sample that differs */
            size_t sample = 0;
            while (voxels[index * size + sample] == made[index * size + sample])
                sample++;
            note(out, check, index, voxels[index * size + sample], made[index * size + sample]);
            continue;
        }
        if (same && (check->identity ||
                     store_voxel(voxel, check, pixel_at(check->sides.type, pixels, index))))
            continue;
        note(out, check, index, voxel_at(check->sides.plain, voxels, index),
             value_of(check, pixels, index));
    }
}

/* What became of a voxel that is no finite number: padding, or one value for all. */
static bool replaced_rightly(struct mur_value_check *check, const void *pixels, size_t index)
{
    if (check->sides.has_padding &&
        pixel_at(check->sides.type, pixels, index) == (double)check->sides.padding)
        return true;
    double value = value_of(check, pixels, index);
    if (!check->has_replaced) {
        check->has_replaced = true;
        check->replaced = value;
    }
    return value == check->replaced;
}

static void compare_nearly(struct mur_value_difference *out, struct mur_value_check *check,
                           const void *voxels, const void *pixels, size_t count)
{
    const struct mur_value_sides *sides = &check->sides;
    double bound = check->verdict.bound * (1 + SAME_SLOPE), largest = check->verdict.largest;
    double shift = fabs(sides->intercept) + fabs(sides->plain->intercept);
    for (size_t index = 0; index < count; index++) {
        double plain = voxel_at(sides->plain, voxels, index);
        double dicom = value_of(check, pixels, index);
        if (!isfinite(plain) || !isfinite(dicom)) {
            bool same = (isnan(plain) && isnan(dicom)) || plain == dicom;
            check->verdict.not_finite++;
            if (!same && !(sides->plain_is_original && !isfinite(plain) &&
                           replaced_rightly(check, pixels, index)))
                note(out, check, index, plain, dicom);
            continue;
        }
        double off = fabs(plain - dicom);
        if (off > bound + ROUNDING * (fabs(plain) + shift))
            note(out, check, index, plain, dicom);
        else if (off > largest)
            largest = off;
    }
    check->verdict.largest = fmax(check->verdict.largest, largest);
}

enum mur_status mur_value_check_compare(struct mur_value_difference *out,
                                        struct mur_value_check *check, const void *voxels,
                                        const void *pixels, size_t count, struct mur_error *error)
{
    struct mur_value_difference found = {.count = 0};
    if (!check->verdict.exact) {
        compare_nearly(&found, check, voxels, pixels, count);
        *out = found;
        return MUR_OK;
    }
    const void *made = NULL;
    bool fit = false;
    enum mur_status status = mur_value_check_convert(&made, &fit, check, pixels, count, error);
    if (status != MUR_OK)
        return status;
    if (!fit || memcmp(voxels, made, count * check->sides.plain->voxel_size) != 0)
        compare_exactly(&found, check, voxels, made, pixels, count);
    *out = found;
    return MUR_OK;
}

void mur_gather_pixels(uint8_t *out, const uint8_t *from, size_t count, ptrdiff_t step, size_t size)
{
    const ptrdiff_t bytes = step * (ptrdiff_t)size;
    switch (size) {
    case 1:
        for (size_t index = 0; index < count; index++, from += bytes)
            out[index] = *from;
        break;
    case 2:
        for (size_t index = 0; index < count; index++, from += bytes)
            memcpy(out + 2 * index, from, 2);
        break;
    case 4:
        for (size_t index = 0; index < count; index++, from += bytes)
            memcpy(out + 4 * index, from, 4);
        break;
    default:
        for (size_t index = 0; index < count; index++, from += bytes)
            memcpy(out + size * index, from, size);
        break;
    }
}
