#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "converters/geometry.h"
#include "core/own.h"
#include "core/text.h"

static const uint32_t dims[3] = {7, 5, 4};

static void make_affine(double out[3][4], const unsigned axis[3], unsigned signs, double turn)
{
    static const double spacing[3] = {0.2f, 0.25f, 0.7f};
    static const double origin[3] = {-12.3f, 4.56f, 78.9f};
    double c = cos(turn), s = sin(turn);
    memset(out, 0, 3 * sizeof out[0]);
    for (unsigned column = 0; column < 3; column++) {
        double unit[3] = {0, 0, 0};
        unit[axis[column]] = (signs >> column & 1) != 0 ? -1 : 1;
        double turned[3] = {c * unit[0] - s * unit[1], s * unit[0] + c * unit[1], unit[2]};
        double tipped[3] = {turned[0], c * turned[1] - s * turned[2],
                            s * turned[1] + c * turned[2]};
        for (unsigned row = 0; row < 3; row++)
            out[row][column] = spacing[column] * tipped[row];
    }
    for (unsigned row = 0; row < 3; row++)
        out[row][3] = origin[row];
}

static const unsigned permutations[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                            {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* Where the written values put voxels, against where the matrix puts them. */
static void check_written(const double affine[3][4], double limit)
{
    struct mur_volume_geometry voxels, series, read;
    struct mur_voxel_order order;
    assert_int_equal(mur_geometry_from_ras(&voxels, affine, dims, NULL), MUR_OK);
    assert_int_equal(mur_geometry_for_series(&series, &order, &voxels, MUR_FLIP_FOR_DISPLAY, NULL),
                     MUR_OK);
    struct mur_geometry_text text;
    char first[MUR_POSITION_TEXT_SIZE], last[MUR_POSITION_TEXT_SIZE];
    mur_geometry_format(&text, &series);
    mur_geometry_format_position(first, &series, 0);
    mur_geometry_format_position(last, &series, dims[2] - 1);
    assert_int_equal(mur_geometry_parse(&read, &text, first, last, dims, NULL), MUR_OK);
    for (unsigned corner = 0; corner < 8; corner++) {
        unsigned i = (corner & 1) != 0 ? dims[0] - 1 : 0, j = (corner & 2) != 0 ? dims[1] - 1 : 0;
        unsigned k = (corner & 4) != 0 ? dims[2] - 1 : 0, at[3] = {i, j, k};
        if (order.flip_i)
            at[0] = dims[0] - 1 - i;
        if (order.flip_j)
            at[1] = dims[1] - 1 - j;
        if (order.reverse_k)
            at[2] = dims[2] - 1 - k;
        double position[3];
        mur_geometry_position(position, &read, i, j, k);
        for (unsigned row = 0; row < 3; row++) {
            double world = affine[row][0] * at[0] + affine[row][1] * at[1] +
                           affine[row][2] * at[2] + affine[row][3];
            assert_true(fabs(position[row] - (row < 2 ? -world : world)) < limit);
        }
    }
    double normal[3];
    mur_geometry_normal(normal, &read);
    double along = 0;
    for (unsigned row = 0; row < 3; row++)
        along += normal[row] * read.slice_dir_lps[row];
    assert_true(along > 0.999);
}

static void all_48_orders_and_flips_are_written_where_they_lie(void **state)
{
    (void)state;
    for (unsigned permutation = 0; permutation < 6; permutation++)
        for (unsigned signs = 0; signs < 8; signs++) {
            double affine[3][4];
            make_affine(affine, permutations[permutation], signs, 0);
            check_written((const double(*)[4])affine, 1e-6);
            make_affine(affine, permutations[permutation], signs, 0.3);
            check_written((const double(*)[4])affine, 1e-6);
        }
}

static void a_display_sees_nothing_mirrored(void **state)
{
    (void)state;
    double affine[3][4];
    make_affine(affine, permutations[0], 0, 0); /* RAS, as NIfTI has it */
    struct mur_volume_geometry voxels, series;
    struct mur_voxel_order order;
    assert_int_equal(mur_geometry_from_ras(&voxels, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    assert_int_equal(mur_geometry_for_series(&series, &order, &voxels, MUR_FLIP_FOR_DISPLAY, NULL),
                     MUR_OK);
    assert_true(order.flip_i && order.flip_j && !order.reverse_k);
    assert_true(series.row_dir_lps[0] > 0.999 && series.column_dir_lps[1] > 0.999);
    make_affine(affine, permutations[1], 0, 0); /* coronal: i = right, j = superior */
    assert_int_equal(mur_geometry_from_ras(&voxels, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    assert_int_equal(mur_geometry_for_series(&series, &order, &voxels, MUR_FLIP_FOR_DISPLAY, NULL),
                     MUR_OK);
    assert_true(series.row_dir_lps[0] > 0.999 && series.column_dir_lps[2] < -0.999);
    assert_int_equal(mur_geometry_for_series(&series, &order, &voxels, 0, NULL), MUR_OK);
    assert_true(!order.flip_i && !order.flip_j);
}

static void sheared_volumes_are_refused(void **state)
{
    (void)state;
    double affine[3][4];
    struct mur_volume_geometry voxels, series;
    struct mur_voxel_order order;
    struct mur_error error = MUR_ERROR_INIT;
    make_affine(affine, permutations[0], 0, 0);
    affine[0][2] = 0.05;
    assert_int_equal(mur_geometry_from_ras(&voxels, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    assert_int_equal(
        mur_geometry_for_series(&series, &order, &voxels, MUR_FLIP_FOR_DISPLAY, &error),
        MUR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "4.09 degrees"));
    make_affine(affine, permutations[0], 0, 0);
    affine[1][0] = 0.001;
    assert_int_equal(mur_geometry_from_ras(&voxels, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    assert_int_equal(
        mur_geometry_for_series(&series, &order, &voxels, MUR_FLIP_FOR_DISPLAY, &error),
        MUR_UNSUPPORTED);
}

static void a_matrix_without_extent_is_refused(void **state)
{
    (void)state;
    double affine[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 0}};
    struct mur_volume_geometry out;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_geometry_from_ras(&out, (const double(*)[4])affine, dims, &error),
                     MUR_PARSE);
    assert_non_null(strstr(error.message, "axis k"));
    affine[2][2] = 1;
    affine[1][1] = 5e-21; /* a broken header */
    assert_int_equal(mur_geometry_from_ras(&out, (const double(*)[4])affine, dims, &error),
                     MUR_PARSE);
    assert_non_null(strstr(error.message, "axis j"));
}

static void decimals_are_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value, tolerance;
        const char *text;
    } cases[] = {
        {0.1 + 0.2, 1e-9, "0.3"},
        {-1e-12, 1e-9, "0"},
        {20.000000298, 1e-9, "20.000000298"},
        {-123.45678901234567, 1e-13, "-123.45678901235"},
        {-1.2345678901234567e-5, 1e-20, "-1.2345678901e-5"},
        {1e22, 1, "1e22"},
        {100, 0, "100"},
        {1234567, 0, "1234567"},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        char text[MUR_DS_SIZE];
        mur_ds_format(text, cases[index].value, cases[index].tolerance);
        assert_string_equal(text, cases[index].text);
    }
    char text[MUR_DS_SIZE];
    mur_ds_format_float32(text, 0.2f);
    assert_string_equal(text, "0.2");
    mur_ds_format_float32(text, -1.17549435e-38f);
    assert_true(strlen(text) <= 16);
    double back = 0;
    assert_int_equal(mur_parse_double(&back, mur_slice_of(text), NULL), MUR_OK);
    assert_true((float)back == -1.17549435e-38f);
}

static void spacing_is_what_the_header_meant(void **state)
{
    (void)state;
    double affine[3][4];
    make_affine(affine, permutations[0], 0, 0);
    struct mur_volume_geometry voxels;
    struct mur_geometry_text text;
    assert_int_equal(mur_geometry_from_ras(&voxels, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    mur_geometry_format(&text, &voxels);
    assert_string_equal(text.pixel_spacing, "0.25\\0.2"); /* row distance first */
    assert_string_equal(text.slice_spacing, "0.7");
    voxels.spacing_mm[0] = 70.5f / 1000.0; /* microns */
    mur_geometry_format(&text, &voxels);
    assert_string_equal(text.pixel_spacing, "0.25\\0.0705");
}

static void the_same_grid_is_found_under_any_order_and_flip(void **state)
{
    (void)state;
    double affine[3][4];
    make_affine(affine, permutations[0], 5, 0.2);
    struct mur_volume_geometry target;
    assert_int_equal(mur_geometry_from_ras(&target, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    for (unsigned permutation = 0; permutation < 6; permutation++)
        for (unsigned flips = 0; flips < 8; flips++) {
            double turned[3][4];
            uint32_t turned_dims[3];
            for (unsigned row = 0; row < 3; row++)
                turned[row][3] = affine[row][3];
            for (unsigned axis = 0; axis < 3; axis++) {
                unsigned from = permutations[permutation][axis];
                bool flip = (flips >> axis & 1) != 0;
                turned_dims[axis] = dims[from];
                for (unsigned row = 0; row < 3; row++) {
                    turned[row][axis] = flip ? -affine[row][from] : affine[row][from];
                    if (flip)
                        turned[row][3] += affine[row][from] * (dims[from] - 1);
                }
            }
            struct mur_volume_geometry other;
            struct mur_grid_map map;
            assert_int_equal(
                mur_geometry_from_ras(&other, (const double(*)[4])turned, turned_dims, NULL),
                MUR_OK);
            assert_int_equal(mur_geometry_match(&map, &target, &other, NULL), MUR_OK);
            for (unsigned axis = 0; axis < 3; axis++) {
                unsigned from = permutations[permutation][axis];
                assert_int_equal(map.axis[from], axis);
                assert_int_equal(map.flip[from], (flips >> axis & 1) != 0);
            }
        }
}

static void another_grid_is_told_apart(void **state)
{
    (void)state;
    double affine[3][4];
    make_affine(affine, permutations[0], 0, 0);
    struct mur_volume_geometry target, other;
    struct mur_grid_map map;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_geometry_from_ras(&target, (const double(*)[4])affine, dims, NULL),
                     MUR_OK);
    other = target;
    other.dims[0]++;
    assert_int_equal(mur_geometry_match(&map, &target, &other, &error), MUR_MISMATCH);
    assert_non_null(strstr(error.message, "8 x 5 x 4"));
    other = target;
    other.origin_lps_mm[0] += 0.19f * 0.15f;
    assert_int_equal(mur_geometry_match(&map, &target, &other, &error), MUR_MISMATCH);
    other = target;
    other.origin_lps_mm[0] += 0.19f * 0.05f;
    assert_int_equal(mur_geometry_match(&map, &target, &other, &error), MUR_OK);
}

static void values_that_are_no_grid_are_refused(void **state)
{
    (void)state;
    static const struct mur_geometry_text good = {"1\\0\\0\\0\\1\\0", "0.5\\0.5", "1"};
    struct mur_volume_geometry out;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_geometry_text text = good;
    assert_int_equal(mur_geometry_parse(&out, &text, "0\\0\\0", "0\\0\\9", dims, &error), MUR_OK);
    assert_true(fabs(out.spacing_mm[2] - 3) < 1e-12);
    assert_int_equal(mur_geometry_parse(&out, &text, "0\\0\\0", "0\\0\\0", dims, &error),
                     MUR_PARSE);
    assert_int_equal(mur_geometry_parse(&out, &text, "0\\0", "0\\0\\9", dims, &error), MUR_PARSE);
    assert_non_null(strstr(error.message, "(0020,0032)"));
    text.pixel_spacing[4] = '0';
    text.pixel_spacing[5] = '\0';
    assert_int_equal(mur_geometry_parse(&out, &text, "0\\0\\0", "0\\0\\9", dims, &error),
                     MUR_PARSE);
    text = good;
    text.image_orientation[0] = '9';
    assert_int_equal(mur_geometry_parse(&out, &text, "0\\0\\0", "0\\0\\9", dims, &error),
                     MUR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_48_orders_and_flips_are_written_where_they_lie),
        cmocka_unit_test(a_display_sees_nothing_mirrored),
        cmocka_unit_test(sheared_volumes_are_refused),
        cmocka_unit_test(a_matrix_without_extent_is_refused),
        cmocka_unit_test(decimals_are_short_and_exact),
        cmocka_unit_test(spacing_is_what_the_header_meant),
        cmocka_unit_test(the_same_grid_is_found_under_any_order_and_flip),
        cmocka_unit_test(another_grid_is_told_apart),
        cmocka_unit_test(values_that_are_no_grid_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
