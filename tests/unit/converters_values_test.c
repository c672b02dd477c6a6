#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converters/values.h"
#include "core/text.h"

enum { MANY = 1000 };

struct mapped {
    enum mur_status status;
    struct mur_value_map map;
    uint16_t stored[MANY];
    struct mur_error error;
};

static struct mapped map_all(enum mur_nifti_type type, const void *voxels, size_t count,
                             double slope, double intercept,
                             const struct mur_value_options *options)
{
    struct mapped out = {.status = MUR_OK, .error = MUR_ERROR_INIT};
    MUR_AUTO(mur_value_scan) *scan = NULL;
    assert_int_equal(mur_value_scan_create(&scan, type, slope, intercept, options, NULL), MUR_OK);
    mur_value_scan_add(scan, voxels, count);
    bool again = false;
    out.status = mur_value_scan_map(&out.map, &again, scan, &out.error);
    if (out.status != MUR_OK)
        return out;
    if (again)
        mur_value_scan_add_window(scan, voxels, count);
    mur_value_scan_window(&out.map, scan);
    mur_value_scan_apply(out.stored, scan, voxels, count);
    return out;
}

static double value_of(const struct mapped *m, size_t index)
{
    double stored = m->map.is_signed ? (double)(int16_t)m->stored[index] : m->stored[index];
    return stored * m->map.slope + m->map.intercept;
}

static const struct mur_value_options plain = {.nan = MUR_NAN_REFUSE};

static void small_integers_are_kept(void **state)
{
    (void)state;
    static const int8_t signed_bytes[] = {-128, -1, 0, 127};
    struct mapped m = map_all(MUR_NIFTI_INT8, signed_bytes, 4, 1, 0, &plain);
    assert_true(m.map.is_signed && !m.map.rescaled && m.map.error_bound == 0);
    for (size_t index = 0; index < 4; index++)
        assert_true(value_of(&m, index) == signed_bytes[index]);
    assert_int_equal(m.map.smallest, -128);
    assert_int_equal(m.map.largest, 127);
    static const uint16_t words[] = {0, 32768, 65535};
    m = map_all(MUR_NIFTI_UINT16, words, 3, 1, 0, &plain);
    assert_false(m.map.is_signed);
    for (size_t index = 0; index < 3; index++)
        assert_true(value_of(&m, index) == words[index]);
    assert_int_equal(m.map.largest, 65535);
}

static void scaling_of_the_header_is_handed_on(void **state)
{
    (void)state;
    static const int16_t voxels[] = {-1000, 0, 1000};
    struct mapped m = map_all(MUR_NIFTI_INT16, voxels, 3, (double)0.1f, (double)-3.7f, &plain);
    assert_string_equal(m.map.slope_text, "0.1");
    assert_string_equal(m.map.intercept_text, "-3.7");
    assert_true(m.map.rescaled && m.map.error_bound == 0);
    assert_true((int16_t)m.stored[0] == -1000);
}

static void wide_integers_are_exact_or_refused(void **state)
{
    (void)state;
    static const int32_t near[] = {70000, 70001, 135535};
    struct mapped m = map_all(MUR_NIFTI_INT32, near, 3, 1, 0, &plain);
    assert_int_equal(m.status, MUR_OK);
    for (size_t index = 0; index < 3; index++)
        assert_true(value_of(&m, index) == near[index]);
    static const int32_t wide[] = {-5, 70000};
    m = map_all(MUR_NIFTI_INT32, wide, 2, 1, 0, &plain);
    assert_int_equal(m.status, MUR_UNSUPPORTED);
    assert_non_null(strstr(m.error.message, "-5 to 70000"));
    struct mur_value_options rounding = {.round_integers = true};
    m = map_all(MUR_NIFTI_INT32, wide, 2, 1, 0, &rounding);
    assert_int_equal(m.status, MUR_OK);
    assert_true(fabs(value_of(&m, 1) - 70000) <= m.map.error_bound);
    static const uint64_t giant[] = {UINT64_MAX};
    m = map_all(MUR_NIFTI_UINT64, giant, 1, 1, 0, &rounding);
    assert_int_equal(m.status, MUR_UNSUPPORTED);
}

static void floats_that_are_integers_are_exact(void **state)
{
    (void)state;
    static const float voxels[] = {-1024, 0, 3071};
    struct mapped m = map_all(MUR_NIFTI_FLOAT32, voxels, 3, 1, 0, &plain);
    assert_true(!m.map.rescaled && m.map.error_bound == 0 && m.map.is_signed);
    assert_int_equal((int16_t)m.stored[0], -1024);
    static const double large[] = {0, 65535};
    m = map_all(MUR_NIFTI_FLOAT64, large, 2, 1, 0, &plain);
    assert_true(!m.map.rescaled && !m.map.is_signed);
    assert_int_equal(m.stored[1], 65535);
}

static void floats_are_within_half_a_step(void **state)
{
    (void)state;
    static const double ranges[][2] = {{-1, 1}, {0, 1e-6}, {1e6, 1e6 + 1}, {-3e5, 4e30}, {5, 5}};
    for (size_t range = 0; range < MUR_COUNT(ranges); range++) {
        double voxels[MANY];
        for (size_t index = 0; index < MANY; index++)
            voxels[index] = ranges[range][0] + (ranges[range][1] - ranges[range][0]) *
                                                   sqrt((double)index / (MANY - 1));
        struct mapped m = map_all(MUR_NIFTI_FLOAT64, voxels, MANY, 1, 0, &plain);
        assert_int_equal(m.status, MUR_OK);
        double worst = 0;
        for (size_t index = 0; index < MANY; index++)
            worst = fmax(worst, fabs(value_of(&m, index) - voxels[index]));
        assert_true(worst <= m.map.error_bound * (1 + 1e-6));
        double step = (ranges[range][1] - ranges[range][0]) / 65534;
        assert_true(m.map.error_bound <= step / 2 * (1 + 1e-6));
        assert_true(strlen(m.map.slope_text) <= 16 && strlen(m.map.intercept_text) <= 16);
    }
}

static void scaled_floats_keep_the_headers_scaling(void **state)
{
    (void)state;
    static const float voxels[] = {0.25f, 0.5f, 0.75f};
    struct mapped m = map_all(MUR_NIFTI_FLOAT32, voxels, 3, -10, 3, &plain);
    for (size_t index = 0; index < 3; index++)
        assert_true(fabs(value_of(&m, index) - ((double)voxels[index] * -10 + 3)) <=
                    m.map.error_bound * (1 + 1e-6));
}

static void what_is_not_finite_is_refused_unless_told(void **state)
{
    (void)state;
    static const float voxels[] = {1, NAN, 3, INFINITY};
    struct mapped m = map_all(MUR_NIFTI_FLOAT32, voxels, 4, 1, 0, &plain);
    assert_int_equal(m.status, MUR_UNSUPPORTED);
    assert_non_null(strstr(m.error.message, "2 voxels"));
    struct mur_value_options pad = {.nan = MUR_NAN_PAD};
    m = map_all(MUR_NIFTI_FLOAT32, voxels, 4, 1, 0, &pad);
    assert_true(m.map.has_padding && m.map.padding == -32768 && m.map.padded == 2);
    assert_int_equal((int16_t)m.stored[1], -32768);
    assert_int_equal((int16_t)m.stored[2], 3);
    assert_int_equal(m.map.smallest, 1);
    struct mur_value_options zero = {.nan = MUR_NAN_REPLACE, .nan_value = 0.5};
    m = map_all(MUR_NIFTI_FLOAT32, voxels, 4, 1, 0, &zero);
    assert_int_equal(m.map.replaced, 2);
    assert_true(fabs(value_of(&m, 3) - 0.5) <= m.map.error_bound * (1 + 1e-6));
}

static void an_image_without_a_finite_value_is_all_padding_or_all_replaced(void **state)
{
    (void)state;
    static const float voxels[] = {NAN, INFINITY, -INFINITY};
    const struct mur_value_options pad = {.nan = MUR_NAN_PAD};
    struct mapped m = map_all(MUR_NIFTI_FLOAT32, voxels, 3, 1, 0, &pad);
    assert_int_equal(m.status, MUR_OK);
    assert_int_equal(m.map.padded, 3);
    for (size_t index = 0; index < 3; index++)
        assert_int_equal((int16_t)m.stored[index], m.map.padding);
    const struct mur_value_options replace = {.nan = MUR_NAN_REPLACE, .nan_value = -2.5};
    m = map_all(MUR_NIFTI_FLOAT32, voxels, 3, 1, 0, &replace);
    assert_int_equal(m.status, MUR_OK);
    for (size_t index = 0; index < 3; index++)
        assert_true(value_of(&m, index) == -2.5);
}

static void numbers_too_small_for_a_step_are_refused(void **state)
{
    (void)state;
    static const double voxels[] = {0, 1e-310, 3e-310};
    struct mapped m = map_all(MUR_NIFTI_FLOAT64, voxels, 3, 1, 0, &plain);
    assert_int_equal(m.status, MUR_UNSUPPORTED);
    assert_non_null(strstr(m.error.message, "too close together"));
    static const double larger[] = {0, 1e-290, 3e-290};
    m = map_all(MUR_NIFTI_FLOAT64, larger, 3, 1, 0, &plain);
    assert_int_equal(m.status, MUR_OK);
    assert_true(fabs(value_of(&m, 1) - 1e-290) <= m.map.error_bound);
}

static void the_window_leaves_out_the_tails(void **state)
{
    (void)state;
    int16_t voxels[MANY];
    for (int index = 0; index < MANY; index++)
        voxels[index] = (int16_t)index;
    voxels[999] = 30000;
    struct mapped m = map_all(MUR_NIFTI_INT16, voxels, MANY, 1, 0, &plain);
    assert_true(m.map.window_center == 499.5 && m.map.window_width == 989);
    for (int index = 0; index < MANY; index++)
        voxels[index] = index == 7 ? 9 : 0;
    m = map_all(MUR_NIFTI_INT16, voxels, MANY, 1, 0, &plain);
    assert_true(m.map.window_center == 4.5 && m.map.window_width == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_integers_are_kept),
        cmocka_unit_test(scaling_of_the_header_is_handed_on),
        cmocka_unit_test(wide_integers_are_exact_or_refused),
        cmocka_unit_test(floats_that_are_integers_are_exact),
        cmocka_unit_test(floats_are_within_half_a_step),
        cmocka_unit_test(scaled_floats_keep_the_headers_scaling),
        cmocka_unit_test(what_is_not_finite_is_refused_unless_told),
        cmocka_unit_test(an_image_without_a_finite_value_is_all_padding_or_all_replaced),
        cmocka_unit_test(numbers_too_small_for_a_step_are_refused),
        cmocka_unit_test(the_window_leaves_out_the_tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
