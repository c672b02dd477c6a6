#include "converters/label_values.h"
#include "converters/values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A scale factor in float32 (as nibabel writes) leaves whole numbers only nearly whole. */
static const double SCALED_TOLERANCE = 1e-3;

/* ---- one value --------------------------------------------------------------------------------
 */

uint16_t mur_label_entry_of(const struct mur_label_table *table,
                            const struct mur_label_map_header *header, double value)
{
    double whole = rint(value);
    double tolerance = header->scaled ? SCALED_TOLERANCE : 0;
    if (!(fabs(value - whole) <= tolerance))
        return MUR_ENTRY_BROKEN;
    if (whole < 0 || whole > MUR_LABEL_LARGEST)
        return MUR_ENTRY_OUTSIDE;
    return table->entries[(int32_t)whole];
}

double mur_label_value_at(const struct mur_label_map_header *header, const void *voxels,
                          size_t index)
{
    return mur_nifti_voxel(header->type, voxels, index) * header->slope + header->intercept;
}

void mur_label_byte_entries(uint16_t out[MUR_BYTE_VALUES], const struct mur_label_table *table,
                            const struct mur_label_map_header *header)
{
    for (unsigned byte = 0; byte < MUR_BYTE_VALUES; byte++) {
        uint8_t one = (uint8_t)byte;
        out[byte] = header->voxel_size == 1
                        ? mur_label_entry_of(table, header, mur_label_value_at(header, &one, 0))
                        : table->entries[byte];
    }
}

enum mur_status mur_label_refuse(const struct mur_label_map *map,
                                 const struct mur_label_table *table, const void *voxels,
                                 uint32_t layer, uint32_t slice, struct mur_error *error)
{
    const struct mur_label_map_header *header = mur_label_map_header(map);
    const char *path = mur_label_map_path(map);
    size_t count = (size_t)header->dims[0] * header->dims[1];
    char place[80], in_layer[32] = "";
    if (header->layers > 1)
        (void)snprintf(in_layer, sizeof in_layer, " of layer %" PRIu32, layer + 1);
    for (size_t index = 0; index < count; index++) {
        double value = mur_label_value_at(header, voxels, index);
        uint16_t entry = mur_label_entry_of(table, header, value);
        if ((entry & ~MUR_ENTRY_CODE) == 0)
            continue;
        (void)snprintf(place, sizeof place, "(%zu,%zu,%" PRIu32 ")%s", index % header->dims[0],
                       index / header->dims[0], slice, in_layer);
        if ((entry & MUR_ENTRY_BROKEN) != 0)
            return mur_error_set(
                error, MUR_PARSE, "%s: not a label map: voxel %s is %g, no whole number%s", path,
                place, value,
                value > 0 && value < 1 ? ". Of a map of probabilities make labels by a threshold"
                                       : "");
        if ((entry & MUR_ENTRY_OUTSIDE) != 0)
            return mur_error_set(error, MUR_LIMIT,
                                 "%s: voxel %s has label %.0f; 0 to %d are possible", path, place,
                                 value, MUR_LABEL_LARGEST);
        return mur_error_set(error, MUR_MISMATCH,
                             "%s: label %.0f at voxel %s is not named by any segment", path,
                             rint(value), place);
    }
    return mur_error_set(error, MUR_INTERNAL, "%s: a label was lost", path);
}

/* ---- planes -----------------------------------------------------------------------------------
 */

/* Sixteen at once: the compiler has instructions for these on every machine that we know of. */
enum { LANES = 16 };
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint16_t words16 __attribute__((vector_size(32)));
typedef int32_t longs16 __attribute__((vector_size(64)));
typedef float floats16 __attribute__((vector_size(64)));

static inline bytes16 reversed(bytes16 x)
{
    const bytes16 order = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    return __builtin_shuffle(x, order);
}

/* Puts sixteen bytes down, ascending or descending. */
static inline void put16(uint8_t *out, ptrdiff_t step, bytes16 x)
{
    if (step == 1) {
        memcpy(out, &x, sizeof x);
    } else {
        x = reversed(x);
        memcpy(out - (LANES - 1), &x, sizeof x);
    }
}

static void narrow_bytes(uint8_t *out, ptrdiff_t step, const uint8_t *in, size_t count)
{
    size_t index = 0;
    if (step == 1) {
        memcpy(out, in, count);
        return;
    }
    for (; step == -1 && index + LANES <= count; index += LANES) {
        bytes16 x;
        memcpy(&x, in + index, sizeof x);
        put16(out - (ptrdiff_t)index, step, x);
    }
    for (; index < count; index++)
        out[(ptrdiff_t)index * step] = in[index];
}

/* A row of another type; VECTOR holds sixteen of CTYPE. Values that are not 0 to 255 set bits of
 * @p wrong above the lowest eight. */
#define NARROW_ROW(name, ctype, vector, bits, as_bits)                                             \
    static bool name(uint8_t *out, ptrdiff_t step, const ctype *in, size_t count)                  \
    {                                                                                              \
        size_t index = 0;                                                                          \
        bits all = {0};                                                                            \
        uint64_t wrong = 0;                                                                        \
        for (; (step == 1 || step == -1) && index + LANES <= count; index += LANES) {              \
            vector x;                                                                              \
            memcpy(&x, in + index, sizeof x);                                                      \
            bits whole;                                                                            \
            as_bits(&whole, &x);                                                                   \
            all |= whole;                                                                          \
            put16(out + (ptrdiff_t)index * step, step, __builtin_convertvector(whole, bytes16));   \
        }                                                                                          \
        for (unsigned lane = 0; lane < LANES; lane++)                                              \
            wrong |= (uint64_t)all[lane];                                                          \
        for (; index < count; index++) {                                                           \
            if (!(in[index] >= 0 && in[index] <= 255 && (ctype)(uint8_t)in[index] == in[index]))   \
                return false;                                                                      \
            out[(ptrdiff_t)index * step] = (uint8_t)in[index];                                     \
        }                                                                                          \
        return wrong <= 255;                                                                       \
    }

#define SAME(out, x) (*(out) = *(x))
/* What is not whole, or beyond what converts, gives all bits. */
static inline void whole_floats(longs16 *out, const floats16 *x)
{
    longs16 inside = (*x >= 0) & (*x <= 255);
    longs16 whole = __builtin_convertvector(*x, longs16);
    *out = whole | ~(inside & (__builtin_convertvector(whole, floats16) == *x));
}

NARROW_ROW(narrow_words, uint16_t, words16, words16, SAME)
NARROW_ROW(narrow_longs, int32_t, longs16, longs16, SAME)
NARROW_ROW(narrow_floats, float, floats16, longs16, whole_floats)

static bool narrow_doubles(uint8_t *out, ptrdiff_t step, const double *in, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (!(in[index] >= 0 && in[index] <= 255))
            return false;
        uint8_t whole = (uint8_t)in[index];
        if ((double)whole != in[index])
            return false;
        out[(ptrdiff_t)index * step] = whole;
    }
    return true;
}

static bool narrow_long_longs(uint8_t *out, ptrdiff_t step, const uint64_t *in, size_t count)
{
    uint64_t all = 0;
    for (size_t index = 0; index < count; index++) {
        all |= in[index];
        out[(ptrdiff_t)index * step] = (uint8_t)in[index];
    }
    return all <= 255;
}

bool mur_label_narrow(uint8_t *out, const struct mur_label_steps *steps,
                      const struct mur_label_map_header *header, const void *voxels)
{
    if (header->scaled && header->voxel_size > 1)
        return false;
    size_t columns = header->dims[0];
    for (uint32_t row = 0; row < header->dims[1]; row++) {
        uint8_t *to = out + steps->origin + (ptrdiff_t)row * steps->step[1];
        const uint8_t *from = (const uint8_t *)voxels + row * columns * header->voxel_size;
        bool good = true;
        switch (header->type) {
        case MUR_NIFTI_UINT8:
        case MUR_NIFTI_INT8:
            narrow_bytes(to, steps->step[0], from, columns);
            break;
        case MUR_NIFTI_UINT16: /* negative ones have their highest bit set */
        case MUR_NIFTI_INT16:
            good = narrow_words(to, steps->step[0], (const void *)from, columns);
            break;
        case MUR_NIFTI_UINT32:
        case MUR_NIFTI_INT32:
            good = narrow_longs(to, steps->step[0], (const void *)from, columns);
            break;
        case MUR_NIFTI_UINT64:
        case MUR_NIFTI_INT64:
            good = narrow_long_longs(to, steps->step[0], (const void *)from, columns);
            break;
        case MUR_NIFTI_FLOAT32:
            good = narrow_floats(to, steps->step[0], (const void *)from, columns);
            break;
        case MUR_NIFTI_FLOAT64:
            good = narrow_doubles(to, steps->step[0], (const void *)from, columns);
            break;
        }
        if (!good)
            return false;
    }
    return true;
}

uint16_t mur_label_encode(uint8_t *out, const struct mur_label_steps *steps,
                          const struct mur_label_map_header *header,
                          const struct mur_label_table *table, const void *voxels)
{
    uint16_t seen = 0, entry = 0;
    double last = NAN; /* neighbours are mostly equal */
    for (uint32_t row = 0; row < header->dims[1]; row++) {
        uint8_t *to = out + steps->origin + (ptrdiff_t)row * steps->step[1];
        for (size_t column = 0; column < header->dims[0]; column++) {
            double value =
                mur_label_value_at(header, voxels, (size_t)row * header->dims[0] + column);
            if (!(value == last)) {
                last = value;
                entry = mur_label_entry_of(table, header, value);
                seen |= entry;
            }
            to[(ptrdiff_t)column * steps->step[0]] = (uint8_t)entry;
        }
    }
    return seen & (uint16_t)~MUR_ENTRY_CODE;
}
