#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "converters/label_resample.h"
#include "converters/label_values.h"

enum { COLUMNS = 37, ROWS = 3, COUNT = COLUMNS * ROWS };

/* A slice of each type that holds @p values; those that do not fit are left out by the caller. */
static unsigned store(void *out, enum mur_nifti_type type, const double *values)
{
    unsigned size = 0;
    for (size_t index = 0; index < COUNT; index++) {
        double value = values[index];
        switch (type) {
        case MUR_NIFTI_UINT8:
            ((uint8_t *)out)[index] = (uint8_t)value;
            size = 1;
            break;
        case MUR_NIFTI_INT8:
            ((int8_t *)out)[index] = (int8_t)value;
            size = 1;
            break;
        case MUR_NIFTI_UINT16:
            ((uint16_t *)out)[index] = (uint16_t)value;
            size = 2;
            break;
        case MUR_NIFTI_INT16:
            ((int16_t *)out)[index] = (int16_t)value;
            size = 2;
            break;
        case MUR_NIFTI_UINT32:
            ((uint32_t *)out)[index] = (uint32_t)value;
            size = 4;
            break;
        case MUR_NIFTI_INT32:
            ((int32_t *)out)[index] = (int32_t)value;
            size = 4;
            break;
        case MUR_NIFTI_UINT64:
            ((uint64_t *)out)[index] = (uint64_t)value;
            size = 8;
            break;
        case MUR_NIFTI_INT64:
            ((int64_t *)out)[index] = (int64_t)value;
            size = 8;
            break;
        case MUR_NIFTI_FLOAT32:
            ((float *)out)[index] = (float)value;
            size = 4;
            break;
        case MUR_NIFTI_FLOAT64:
            ((double *)out)[index] = value;
            size = 8;
            break;
        }
    }
    return size;
}

static const enum mur_nifti_type types[] = {
    MUR_NIFTI_UINT8, MUR_NIFTI_INT8,   MUR_NIFTI_UINT16, MUR_NIFTI_INT16,   MUR_NIFTI_UINT32,
    MUR_NIFTI_INT32, MUR_NIFTI_UINT64, MUR_NIFTI_INT64,  MUR_NIFTI_FLOAT32, MUR_NIFTI_FLOAT64};

static struct mur_label_map_header header_of(enum mur_nifti_type type, unsigned size)
{
    return (struct mur_label_map_header){
        .type = type, .voxel_size = size, .slope = 1, .dims = {COLUMNS, ROWS, 1}, .layers = 1};
}

static void small_values_of_every_type_become_bytes_at_their_place(void **state)
{
    (void)state;
    static const struct mur_label_steps ways[] = {
        {.step = {1, COLUMNS}, .origin = 0},
        {.step = {-1, COLUMNS}, .origin = COLUMNS - 1},
        {.step = {-1, -COLUMNS}, .origin = COUNT - 1},
        {.step = {ROWS, 1}, .origin = 0},
        {.step = {-ROWS, 1}, .origin = ROWS * (COLUMNS - 1)},
    };
    double values[COUNT];
    _Alignas(64) uint8_t voxels[COUNT * 8], out[COUNT];
    for (size_t index = 0; index < COUNT; index++)
        values[index] = (double)(index * 7 % 128);
    for (size_t type = 0; type < MUR_COUNT(types); type++) {
        struct mur_label_map_header header =
            header_of(types[type], store(voxels, types[type], values));
        for (size_t way = 0; way < MUR_COUNT(ways); way++) {
            memset(out, 0xEE, sizeof out);
            assert_true(mur_label_narrow(out, &ways[way], &header, voxels));
            for (ptrdiff_t row = 0; row < ROWS; row++)
                for (ptrdiff_t column = 0; column < COLUMNS; column++)
                    assert_int_equal(out[ways[way].origin + row * ways[way].step[1] +
                                         column * ways[way].step[0]],
                                     (uint8_t)values[row * COLUMNS + column]);
        }
    }
}

static void a_value_that_is_no_byte_is_noticed_wherever_it_stands(void **state)
{
    (void)state;
    static const struct {
        double value;
        uint16_t entry; /* with a table where only 300 is listed, as code 1 */
        unsigned types; /* that can hold it, of the order above */
    } cases[] = {
        {300, 1, 0x3FC},
        {256, MUR_ENTRY_UNLISTED, 0x3FC},
        {-1, MUR_ENTRY_OUTSIDE, 0x3A8},
        {70000, MUR_ENTRY_OUTSIDE, 0x3F0},
        {4294967296.0, MUR_ENTRY_OUTSIDE, 0x3C0},
        {1.5, MUR_ENTRY_BROKEN, 0x300},
        {NAN, MUR_ENTRY_BROKEN, 0x300},
        {INFINITY, MUR_ENTRY_BROKEN, 0x300},
        {1e30, MUR_ENTRY_OUTSIDE, 0x300},
    };
    static struct mur_label_table table;
    for (unsigned value = 1; value < MUR_LABEL_VALUES; value++)
        table.entries[value] = value == 300 ? 1 : MUR_ENTRY_UNLISTED;
    const struct mur_label_steps steps = {.step = {1, COLUMNS}};
    _Alignas(64) uint8_t voxels[COUNT * 8], out[COUNT];
    for (size_t index = 0; index < MUR_COUNT(cases); index++)
        for (size_t type = 0; type < MUR_COUNT(types); type++)
            for (size_t place = 0; place < COUNT; place += 11) {
                if ((cases[index].types >> type & 1) == 0)
                    continue;
                double values[COUNT] = {0};
                values[place] = cases[index].value;
                struct mur_label_map_header header =
                    header_of(types[type], store(voxels, types[type], values));
                assert_false(mur_label_narrow(out, &steps, &header, voxels));
                assert_int_equal(mur_label_encode(out, &steps, &header, &table, voxels),
                                 cases[index].entry & ~MUR_ENTRY_CODE);
                assert_int_equal(out[place], cases[index].entry & MUR_ENTRY_CODE);
                assert_int_equal(
                    mur_label_entry_of(&table, &header, mur_label_value_at(&header, voxels, place)),
                    cases[index].entry);
            }
}

static void scaled_values_are_whole_within_what_float32_leaves(void **state)
{
    (void)state;
    static struct mur_label_table table;
    for (unsigned value = 1; value < MUR_LABEL_VALUES; value++)
        table.entries[value] = (uint16_t)(value % 200);
    struct mur_label_map_header header = header_of(MUR_NIFTI_UINT8, 1);
    header.scaled = true;
    header.slope = (double)0.1f; /* 10 * 0.1f is not 1 */
    assert_int_equal(mur_label_entry_of(&table, &header, 10 * header.slope), 1);
    assert_int_equal(mur_label_entry_of(&table, &header, 15 * header.slope), MUR_ENTRY_BROKEN);
    uint16_t entries[MUR_BYTE_VALUES];
    mur_label_byte_entries(entries, &table, &header);
    assert_int_equal(entries[20], 2);
    assert_int_equal(entries[21], MUR_ENTRY_BROKEN);
    header.type = MUR_NIFTI_INT8;
    header.scaled = false;
    header.slope = 1;
    mur_label_byte_entries(entries, &table, &header);
    assert_int_equal(entries[127], 127);
    assert_int_equal(entries[128], MUR_ENTRY_OUTSIDE); /* -128 */
}

static void resampling_takes_the_nearest_voxel_and_background_outside(void **state)
{
    (void)state;
    const struct mur_volume_geometry file = {.origin_lps_mm = {0, 0, 0},
                                             .row_dir_lps = {1, 0, 0},
                                             .column_dir_lps = {0, 1, 0},
                                             .slice_dir_lps = {0, 0, 1},
                                             .spacing_mm = {2, 2, 2},
                                             .dims = {2, 1, 1}};
    struct mur_volume_geometry target = file;
    target.spacing_mm[0] = 1;
    target.origin_lps_mm[0] = -2;
    target.dims[0] = 7; /* -2, -1, 0, 1, 2, 3, 4 mm; the file's voxels reach from -1 to 3 */
    const uint8_t volume[2] = {5, 6}, expected[7] = {0, 5, 5, 6, 6, 0, 0};
    uint8_t out[7];
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_label_resampler resampler;
    assert_int_equal(mur_label_resampler_init(&resampler, &target, &file, &error), MUR_OK);
    mur_label_resample_plane(out, &resampler, volume, 0);
    assert_memory_equal(out, expected, sizeof out);
    struct mur_volume_geometry flat = file;
    flat.slice_dir_lps[0] = 1;
    flat.slice_dir_lps[2] = 0;
    assert_int_equal(mur_label_resampler_init(&resampler, &target, &flat, &error), MUR_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_of_every_type_become_bytes_at_their_place),
        cmocka_unit_test(a_value_that_is_no_byte_is_noticed_wherever_it_stands),
        cmocka_unit_test(scaled_values_are_whole_within_what_float32_leaves),
        cmocka_unit_test(resampling_takes_the_nearest_voxel_and_background_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
