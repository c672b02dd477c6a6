#include "converters/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/remedy.h"
#include "core/text.h"

enum {
    CODES = 65536,
    LANES =
        4, /* equal neighbours count in different tables, so that they do not wait for each other */
    PADDING = INT16_MIN,
    LARGEST_CODE =
        INT16_MAX, /* of scaled floats; its negative is the smallest, PADDING stays free */
};
static const double WINDOW_TAIL = 0.005;    /* of the voxels on either side */
static const double SMALLEST_STEP = 1e-300; /* well above the numbers that lose digits */

enum mapping {
    MAP_UNDECIDED,
    MAP_IDENTITY, /* 16 bits as they lie */
    MAP_WIDEN,    /* 8 bits */
    MAP_OFFSET,   /* integers, less a number */
    MAP_EXACT,    /* floats that are integers */
    MAP_SCALED,   /* anything else, to the nearest code */
};

struct mur_value_scan {
    enum mur_nifti_type type;
    double slope, intercept; /* of the header */
    struct mur_value_options options;
    enum mapping mapping;
    bool is_signed;
    int64_t offset;          /* of MAP_OFFSET */
    double origin, per_code; /* of MAP_SCALED: value of code 0, values a code */
    bool pads;
    uint16_t replacement; /* stored for what is not finite */
    uint64_t count, not_finite;
    bool too_large;    /* a uint64 beyond int64 */
    int64_t low, high; /* of integers */
    double low_float, high_float;
    bool integral;                    /* all finite floats are integers of at most 17 bits */
    uint32_t histogram[LANES][CODES]; /* by stored code as unsigned */
};

static bool is_float(enum mur_nifti_type type)
{
    return type == MUR_NIFTI_FLOAT32 || type == MUR_NIFTI_FLOAT64;
}

enum mur_status mur_value_scan_create(struct mur_value_scan **out, enum mur_nifti_type type,
                                      double slope, double intercept,
                                      const struct mur_value_options *options,
                                      struct mur_error *error)
{
    if (options->nan == MUR_NAN_REPLACE && !isfinite(options->nan_value))
        return mur_error_set(error, MUR_INVALID, "the value in place of NaN is no finite number");
    struct mur_value_scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL)
        return mur_error_no_memory(error);
    scan->type = type;
    scan->slope = slope;
    scan->intercept = intercept;
    scan->options = *options;
    scan->low = INT64_MAX;
    scan->high = INT64_MIN;
    scan->low_float = INFINITY;
    scan->high_float = -INFINITY;
    scan->integral = true;
    *out = scan;
    return MUR_OK;
}

void mur_value_scan_free(struct mur_value_scan *scan)
{
    free(scan);
}

static void count_codes(struct mur_value_scan *scan, const uint16_t *codes, size_t count)
{
    size_t index = 0;
    for (; index + LANES <= count; index += LANES) {
        scan->histogram[0][codes[index]]++;
        scan->histogram[1][codes[index + 1]]++;
        scan->histogram[2][codes[index + 2]]++;
        scan->histogram[3][codes[index + 3]]++;
    }
    for (; index < count; index++)
        scan->histogram[0][codes[index]]++;
}

static void count_bytes(struct mur_value_scan *scan, const uint8_t *voxels, size_t count)
{
    size_t index = 0;
    for (; index + LANES <= count; index += LANES) {
        scan->histogram[0][voxels[index]]++;
        scan->histogram[1][voxels[index + 1]]++;
        scan->histogram[2][voxels[index + 2]]++;
        scan->histogram[3][voxels[index + 3]]++;
    }
    for (; index < count; index++)
        scan->histogram[0][voxels[index]]++;
}

#define SCAN_INTEGERS(scan, voxels, count, ctype)                                                  \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        ctype low_ = values_[0], high_ = values_[0];                                               \
        for (size_t index_ = 1; index_ < (count); index_++) {                                      \
            low_ = values_[index_] < low_ ? values_[index_] : low_;                                \
            high_ = values_[index_] > high_ ? values_[index_] : high_;                             \
        }                                                                                          \
        if ((int64_t)low_ < (scan)->low)                                                           \
            (scan)->low = (int64_t)low_;                                                           \
        if ((int64_t)high_ > (scan)->high)                                                         \
            (scan)->high = (int64_t)high_;                                                         \
    } while (0)

static void scan_uint64(struct mur_value_scan *scan, const uint64_t *voxels, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (voxels[index] > INT64_MAX) {
            scan->too_large = true;
            continue;
        }
        int64_t value = (int64_t)voxels[index];
        scan->low = value < scan->low ? value : scan->low;
        scan->high = value > scan->high ? value : scan->high;
    }
}

/* Range first, in a loop without branches; the rest only while it still matters. */
#define SCAN_FLOATS(scan, voxels, count, ctype)                                                    \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        ctype low_ = (ctype)INFINITY, high_ = (ctype)-INFINITY;                                    \
        ctype broken_ = 0;                                                                         \
        for (size_t index_ = 0; index_ < (count); index_++) {                                      \
            ctype value_ = values_[index_];                                                        \
            broken_ += value_ - value_; /* NaN once something is not finite */                     \
            low_ = value_ < low_ ? value_ : low_;                                                  \
            high_ = value_ > high_ ? value_ : high_;                                               \
        }                                                                                          \
        if (isnan(broken_)) {                                                                      \
            low_ = (ctype)INFINITY;                                                                \
            high_ = (ctype)-INFINITY;                                                              \
            for (size_t index_ = 0; index_ < (count); index_++) {                                  \
                if (!isfinite(values_[index_])) {                                                  \
                    (scan)->not_finite++;                                                          \
                    continue;                                                                      \
                }                                                                                  \
                low_ = values_[index_] < low_ ? values_[index_] : low_;                            \
                high_ = values_[index_] > high_ ? values_[index_] : high_;                         \
            }                                                                                      \
        }                                                                                          \
        (scan)->low_float = fmin((scan)->low_float, (double)low_);                                 \
        (scan)->high_float = fmax((scan)->high_float, (double)high_);                              \
        if ((scan)->low_float < INT16_MIN || (scan)->high_float > UINT16_MAX)                      \
            (scan)->integral = false;                                                              \
        for (size_t index_ = 0; (scan)->integral && index_ < (count); index_++)                    \
            if (isfinite(values_[index_]) && (ctype)(int32_t)values_[index_] != values_[index_])   \
                (scan)->integral = false;                                                          \
    } while (0)

void mur_value_scan_add(struct mur_value_scan *scan, const void *voxels, size_t count)
{
    if (count == 0)
        return;
    scan->count += count;
    switch (scan->type) {
    case MUR_NIFTI_UINT8:
    case MUR_NIFTI_INT8:
        count_bytes(scan, voxels, count);
        break;
    case MUR_NIFTI_UINT16:
    case MUR_NIFTI_INT16:
        count_codes(scan, voxels, count);
        break;
    case MUR_NIFTI_UINT32:
        SCAN_INTEGERS(scan, voxels, count, uint32_t);
        break;
    case MUR_NIFTI_INT32:
        SCAN_INTEGERS(scan, voxels, count, int32_t);
        break;
    case MUR_NIFTI_INT64:
        SCAN_INTEGERS(scan, voxels, count, int64_t);
        break;
    case MUR_NIFTI_UINT64:
        scan_uint64(scan, voxels, count);
        break;
    case MUR_NIFTI_FLOAT32:
        SCAN_FLOATS(scan, voxels, count, float);
        break;
    case MUR_NIFTI_FLOAT64:
        SCAN_FLOATS(scan, voxels, count, double);
        break;
    }
}

/* ---- choosing the map ----------------------------------------------------------------------- */

static double read_back(const char *text)
{
    double value = 0;
    return mur_parse_double(&value, mur_slice_of(text), NULL) == MUR_OK ? value : 0;
}

/* NIfTI-1 keeps float32: its shortest decimal is what its writer meant. */
static void format_factor(char out[MUR_DS_SIZE], double value)
{
    if ((double)(float)value == value)
        mur_ds_format_float32(out, (float)value);
    else
        mur_ds_format(out, value, 0);
}

bool mur_value_same_intercept(double dicom, double header)
{
    char text[MUR_DS_SIZE];
    format_factor(text, header);
    return dicom == header || dicom == read_back(text) || (double)(float)dicom == header;
}

static void set_rescale(struct mur_value_map *map)
{
    map->slope = read_back(map->slope_text);
    map->intercept = read_back(map->intercept_text);
    map->rescaled = map->slope != 1 || map->intercept != 0;
}

/* Stored values are voxels, or voxels less an offset. */
static void rescale_as_header(struct mur_value_map *map, const struct mur_value_scan *scan)
{
    format_factor(map->slope_text, scan->slope);
    double exact = scan->intercept;
    if (scan->mapping == MAP_OFFSET && scan->offset != 0) {
        exact += scan->slope * (double)scan->offset;
        mur_ds_format(map->intercept_text, exact, 0);
    } else {
        format_factor(map->intercept_text, exact);
    }
    set_rescale(map);
    map->error_bound = scan->mapping == MAP_OFFSET ? fabs(map->intercept - exact) : 0;
    if (map->error_bound < 1e-6 * fabs(scan->slope))
        map->error_bound = 0; /* the decimal of a float32, not a loss */
}

static enum mur_status map_scaled(struct mur_value_map *map, struct mur_value_scan *scan,
                                  double low_voxel, double high_voxel, struct mur_error *error)
{
    double a = scan->slope * low_voxel + scan->intercept;
    double b = scan->slope * high_voxel + scan->intercept;
    if (low_voxel > high_voxel) /* no voxel is finite */
        a = b = scan->options.nan == MUR_NAN_REPLACE ? scan->options.nan_value : 0;
    double low = fmin(a, b), high = fmax(a, b);
    if (scan->not_finite > 0 && scan->options.nan == MUR_NAN_REPLACE) {
        low = fmin(low, scan->options.nan_value);
        high = fmax(high, scan->options.nan_value);
    }
    if (!isfinite(high - low) || !isfinite(low) || !isfinite(high))
        return mur_error_offer(error,
                               mur_error_set(error, MUR_UNSUPPORTED,
                                             "values from %g to %g are too far apart", low, high),
                               MUR_REMEDY_LOSSLESS);
    mur_ds_format(map->intercept_text, low / 2 + high / 2, (high - low) * 1e-9);
    double origin = read_back(map->intercept_text);
    double reach = fmax(fmax(high - origin, origin - low), 0);
    double step = reach / LARGEST_CODE;
    if (high > low && !(step > SMALLEST_STEP))
        return mur_error_offer(error,
                               mur_error_set(error, MUR_UNSUPPORTED,
                                             "values from %g to %g are too close together", low,
                                             high),
                               MUR_REMEDY_LOSSLESS);
    if (high == low) {
        mur_ds_format(map->slope_text, 1, 0);
        map->error_bound = reach;
    } else {
        do {
            mur_ds_format(map->slope_text, step, 0);
            step *= 1 + 1e-10;
        } while (read_back(map->slope_text) * LARGEST_CODE < reach);
        map->error_bound = read_back(map->slope_text) / 2;
    }
    set_rescale(map);
    scan->mapping = MAP_SCALED;
    scan->is_signed = true;
    scan->origin = map->intercept;
    scan->per_code = map->slope;
    if (scan->options.nan == MUR_NAN_REPLACE)
        scan->replacement =
            (uint16_t)(int16_t)lrint((scan->options.nan_value - origin) / scan->per_code);
    return MUR_OK;
}

static enum mur_status map_integers(struct mur_value_map *map, struct mur_value_scan *scan,
                                    struct mur_error *error)
{
    scan->mapping = MAP_OFFSET;
    uint64_t range = (uint64_t)scan->high - (uint64_t)scan->low;
    if (scan->too_large || range > UINT16_MAX) {
        if (scan->options.round_integers && !scan->too_large)
            return map_scaled(map, scan, (double)scan->low, (double)scan->high, error);
        return mur_error_offer(
            error,
            mur_error_set(error, MUR_UNSUPPORTED,
                          "its integers reach from %lld to %lld%s; more than 16 bits cannot be "
                          "kept exactly",
                          (long long)scan->low, (long long)scan->high,
                          scan->too_large ? " and beyond" : ""),
            scan->too_large ? 0 : MUR_REMEDY_ROUND_INTEGERS);
    }
    if (scan->low >= INT16_MIN && scan->high <= INT16_MAX) {
        scan->is_signed = true;
    } else if (scan->low < 0 || scan->high > UINT16_MAX) {
        if (scan->low < -(INT64_C(1) << 49) || scan->low > INT64_C(1) << 49)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "its integers begin at %lld; that cannot be a Rescale Intercept",
                                 (long long)scan->low);
        scan->offset = scan->low;
    }
    rescale_as_header(map, scan);
    return MUR_OK;
}

static bool fits(double value, double low, double high)
{
    return value >= low && value <= high;
}

static enum mur_status map_floats(struct mur_value_map *map, struct mur_value_scan *scan,
                                  struct mur_error *error)
{
    bool broken = scan->not_finite > 0;
    if (broken && scan->options.nan == MUR_NAN_REFUSE)
        return mur_error_offer(
            error,
            mur_error_set(error, MUR_UNSUPPORTED,
                          "%llu voxel%s not finite (NaN or infinity); say what they shall become",
                          (unsigned long long)scan->not_finite,
                          scan->not_finite == 1 ? " is" : "s are"),
            MUR_REMEDY_NAN);
    scan->pads = broken && scan->options.nan == MUR_NAN_PAD;
    if (scan->pads) {
        map->has_padding = true;
        map->padding = PADDING;
        map->padded = scan->not_finite;
        scan->replacement = (uint16_t)(int16_t)PADDING;
    } else if (broken) {
        map->replaced = scan->not_finite;
    }
    double low = scan->low_float, high = scan->high_float;
    bool integral = scan->integral && low <= high;
    if (integral && broken && !scan->pads) {
        double voxel = (scan->options.nan_value - scan->intercept) / scan->slope;
        integral = voxel == rint(voxel) && fits(voxel, INT16_MIN, UINT16_MAX);
        low = fmin(low, voxel);
        high = fmax(high, voxel);
        if (integral)
            scan->replacement = (uint16_t)(int32_t)voxel;
    }
    bool is_signed = low >= (scan->pads ? PADDING + 1 : INT16_MIN) && high <= INT16_MAX;
    bool is_unsigned = !scan->pads && low >= 0 && high <= UINT16_MAX;
    if (!integral || !(is_signed || is_unsigned))
        return map_scaled(map, scan, scan->low_float, scan->high_float, error);
    scan->mapping = MAP_EXACT;
    scan->is_signed = is_signed;
    rescale_as_header(map, scan);
    return MUR_OK;
}

enum mur_status mur_value_scan_map(struct mur_value_map *out, bool *again,
                                   struct mur_value_scan *scan, struct mur_error *error)
{
    struct mur_value_map map;
    memset(&map, 0, sizeof map);
    enum mur_status status = MUR_OK;
    bool wants_again = true;
    if (scan->count == 0)
        return mur_error_set(error, MUR_INTERNAL, "no voxels were looked at");
    switch (scan->type) {
    case MUR_NIFTI_UINT8:
    case MUR_NIFTI_INT8:
        scan->mapping = MAP_WIDEN;
        scan->is_signed = scan->type == MUR_NIFTI_INT8;
        rescale_as_header(&map, scan);
        wants_again = false;
        break;
    case MUR_NIFTI_UINT16:
    case MUR_NIFTI_INT16:
        scan->mapping = MAP_IDENTITY;
        scan->is_signed = scan->type == MUR_NIFTI_INT16;
        rescale_as_header(&map, scan);
        wants_again = false;
        break;
    case MUR_NIFTI_UINT32:
    case MUR_NIFTI_INT32:
    case MUR_NIFTI_UINT64:
    case MUR_NIFTI_INT64:
        status = map_integers(&map, scan, error);
        break;
    case MUR_NIFTI_FLOAT32:
    case MUR_NIFTI_FLOAT64:
        status = map_floats(&map, scan, error);
        break;
    }
    if (status != MUR_OK)
        return status;
    if (wants_again)
        memset(scan->histogram, 0, sizeof scan->histogram);
    map.is_signed = scan->is_signed;
    *out = map;
    *again = wants_again;
    return MUR_OK;
}

/* ---- mapping -------------------------------------------------------------------------------- */

bool mur_value_scan_is_identity(const struct mur_value_scan *scan)
{
    return scan->mapping == MAP_IDENTITY;
}

#define APPLY_OFFSET(out, voxels, count, ctype, offset)                                            \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        for (size_t index_ = 0; index_ < (count); index_++)                                        \
            (out)[index_] = (uint16_t)((uint64_t)values_[index_] - (uint64_t)(offset));            \
    } while (0)

#define APPLY_EXACT(out, voxels, count, ctype, replacement)                                        \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        for (size_t index_ = 0; index_ < (count); index_++)                                        \
            (out)[index_] =                                                                        \
                isfinite(values_[index_]) ? (uint16_t)(int32_t)values_[index_] : (replacement);    \
    } while (0)

/* Adding 1.5 * 2^52 leaves the nearest integer in the low bits of the sum. */
static inline uint16_t nearest_code(double code)
{
    code = code < -LARGEST_CODE ? -LARGEST_CODE : code;
    code = code > LARGEST_CODE ? LARGEST_CODE : code;
    double sum = code + 0x1.8p52;
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return (uint16_t)bits;
}

#define APPLY_SCALED(out, voxels, count, ctype, scan)                                              \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        double slope_ = (scan)->slope, shift_ = (scan)->intercept - (scan)->origin;                \
        double per_code_ = (scan)->per_code;                                                       \
        for (size_t index_ = 0; index_ < (count); index_++)                                        \
            (out)[index_] = nearest_code(((double)values_[index_] * slope_ + shift_) / per_code_); \
    } while (0)

static void replace_not_finite(uint16_t *out, const struct mur_value_scan *scan, const void *voxels,
                               size_t count)
{
    if (scan->not_finite == 0)
        return;
    for (size_t index = 0; index < count; index++) {
        bool finite = scan->type == MUR_NIFTI_FLOAT32 ? isfinite(((const float *)voxels)[index])
                                                      : isfinite(((const double *)voxels)[index]);
        if (!finite)
            out[index] = scan->replacement;
    }
}

static void apply_scaled(uint16_t *out, const struct mur_value_scan *scan, const void *voxels,
                         size_t count)
{
    switch (scan->type) {
    case MUR_NIFTI_UINT32:
        APPLY_SCALED(out, voxels, count, uint32_t, scan);
        break;
    case MUR_NIFTI_INT32:
        APPLY_SCALED(out, voxels, count, int32_t, scan);
        break;
    case MUR_NIFTI_UINT64:
        APPLY_SCALED(out, voxels, count, uint64_t, scan);
        break;
    case MUR_NIFTI_INT64:
        APPLY_SCALED(out, voxels, count, int64_t, scan);
        break;
    case MUR_NIFTI_FLOAT32:
        APPLY_SCALED(out, voxels, count, float, scan);
        break;
    case MUR_NIFTI_FLOAT64:
        APPLY_SCALED(out, voxels, count, double, scan);
        break;
    case MUR_NIFTI_UINT8:
    case MUR_NIFTI_INT8:
    case MUR_NIFTI_UINT16:
    case MUR_NIFTI_INT16:
        break; /* never scaled: they fit */
    }
    if (is_float(scan->type))
        replace_not_finite(out, scan, voxels, count);
}

void mur_value_scan_apply(uint16_t *out, const struct mur_value_scan *scan, const void *voxels,
                          size_t count)
{
    if (scan->mapping == MAP_SCALED) {
        apply_scaled(out, scan, voxels, count);
        return;
    }
    switch (scan->type) {
    case MUR_NIFTI_UINT8:
        APPLY_OFFSET(out, voxels, count, uint8_t, 0);
        break;
    case MUR_NIFTI_INT8:
        APPLY_OFFSET(out, voxels, count, int8_t, 0);
        break;
    case MUR_NIFTI_UINT16:
    case MUR_NIFTI_INT16:
        memcpy(out, voxels, count * sizeof *out);
        break;
    case MUR_NIFTI_UINT32:
        APPLY_OFFSET(out, voxels, count, uint32_t, scan->offset);
        break;
    case MUR_NIFTI_INT32:
        APPLY_OFFSET(out, voxels, count, int32_t, scan->offset);
        break;
    case MUR_NIFTI_UINT64:
        APPLY_OFFSET(out, voxels, count, uint64_t, scan->offset);
        break;
    case MUR_NIFTI_INT64:
        APPLY_OFFSET(out, voxels, count, int64_t, scan->offset);
        break;
    case MUR_NIFTI_FLOAT32:
        APPLY_EXACT(out, voxels, count, float, scan->replacement);
        break;
    case MUR_NIFTI_FLOAT64:
        APPLY_EXACT(out, voxels, count, double, scan->replacement);
        break;
    }
}

/* ---- window --------------------------------------------------------------------------------- */

void mur_value_scan_add_window(struct mur_value_scan *scan, const void *voxels, size_t count)
{
    enum { PIECE = 4096 };
    uint16_t codes[PIECE];
    size_t size = scan->type == MUR_NIFTI_UINT64 || scan->type == MUR_NIFTI_INT64 ||
                          scan->type == MUR_NIFTI_FLOAT64
                      ? 8
                      : 4;
    for (size_t done = 0; done < count; done += PIECE) {
        size_t piece = count - done < PIECE ? count - done : PIECE;
        mur_value_scan_apply(codes, scan, (const uint8_t *)voxels + done * size, piece);
        count_codes(scan, codes, piece);
    }
}

/* The counter of the n-th smallest stored value. */
static uint64_t count_at(const struct mur_value_scan *scan, unsigned rank, int32_t *value)
{
    unsigned code = rank;
    if (scan->mapping == MAP_WIDEN) {
        *value = scan->is_signed ? (int32_t)rank - 128 : (int32_t)rank;
        code = (uint8_t)*value;
    } else {
        *value = scan->is_signed ? (int32_t)rank + INT16_MIN : (int32_t)rank;
        code = (uint16_t)*value;
    }
    if (scan->pads && *value == PADDING)
        return 0;
    uint64_t sum = 0;
    for (unsigned lane = 0; lane < LANES; lane++)
        sum += scan->histogram[lane][code];
    return sum;
}

void mur_value_scan_window(struct mur_value_map *map, const struct mur_value_scan *scan)
{
    unsigned ranks = scan->mapping == MAP_WIDEN ? 256 : CODES;
    uint64_t total = scan->count - map->padded, seen = 0;
    double tail = WINDOW_TAIL * (double)total;
    int32_t value = 0, low = 0, high = 0;
    bool any = false, low_found = false, high_found = false;
    for (unsigned rank = 0; rank < ranks; rank++) {
        uint64_t here = count_at(scan, rank, &value);
        if (here == 0)
            continue;
        if (!any)
            map->smallest = value;
        any = true;
        map->largest = value;
        seen += here;
        if (!low_found && (double)seen > tail) {
            low = value;
            low_found = true;
        }
        if (!high_found && (double)seen >= (double)total - tail) {
            high = value;
            high_found = true;
        }
    }
    if (low >= high) { /* nearly all voxels are equal */
        low = map->smallest;
        high = map->largest;
    }
    double a = low * map->slope + map->intercept, b = high * map->slope + map->intercept;
    map->window_center = (a + b) / 2;
    map->window_width = fabs(b - a);
    if (!(map->window_width > 0))
        map->window_width = 1;
}
