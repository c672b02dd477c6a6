#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mapping/decimal.h"

static struct mur_decimal number(const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_decimal read;
    struct mur_slice rest;
    assert_int_equal(mur_decimal_read(&read, &rest, mur_slice_of(text), &error), MUR_OK);
    assert_int_equal(rest.length, 0);
    return read;
}

static void expect(const struct mur_decimal *is, const char *text)
{
    char out[MUR_DECIMAL_TEXT_SIZE];
    mur_decimal_write(out, is);
    assert_string_equal(out, text);
}

static void shifted(const char *text, int power, const char *result)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_decimal is = number(text);
    assert_int_equal(mur_decimal_shift(&is, power, &error), MUR_OK);
    expect(&is, result);
}

static void moving_the_point_is_exact(void **state)
{
    (void)state;
    shifted("23.4", -3, "0.0234");
    shifted("28", -3, "0.028");
    shifted("0.1", -3, "0.0001");
    shifted("1000", -3, "1");
    shifted("23.40", 0, "23.4");
    shifted("-0.00120e2", 3, "-120");
    shifted("+7.", 2, "700");
    shifted(".5", 1, "5");
    shifted("0.000", 5, "0");
    shifted("12345678901234567890.123456789", -3, "12345678901234567.890123456789");
}

static void what_stands_behind_a_number_is_its_unit(void **state)
{
    (void)state;
    static const char *const cells[][3] = {{"23.4 g", "23.4", "g"},
                                           {"3T", "3", "T"},
                                           {"170 µA", "170", "µA"},
                                           {"5e", "5", "e"},
                                           {"1e3 ms", "1000", "ms"}};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_decimal is;
        struct mur_slice rest;
        assert_int_equal(mur_decimal_read(&is, &rest, mur_slice_of(cells[i][0]), &error), MUR_OK);
        expect(&is, cells[i][1]);
        assert_true(mur_slice_equal(rest, cells[i][2]));
    }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mur_status status;
    } cells[] = {{"", MUR_PARSE},     {"abc", MUR_PARSE},
                 {"-", MUR_PARSE},    {".", MUR_PARSE},
                 {"1e99", MUR_LIMIT}, {"1e-99", MUR_LIMIT},
                 {"nan", MUR_PARSE},  {"1e99999999999999999999", MUR_LIMIT}};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_decimal is;
        struct mur_slice rest;
        assert_int_equal(mur_decimal_read(&is, &rest, mur_slice_of(cells[i].text), &error),
                         cells[i].status);
    }
    char digits[80];
    memset(digits, '7', sizeof digits);
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_decimal is;
    struct mur_slice rest;
    assert_int_equal(
        mur_decimal_read(&is, &rest, (struct mur_slice){digits, sizeof digits}, &error), MUR_LIMIT);
}

static void factors_are_exact_and_divisors_say_when_they_are_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t factor, divisor;
        const char *result;
        bool exact;
    } cases[] = {
        {"24", 604800, 86400, "168", true},
        {"1.5", 604800, 86400, "10.5", true},
        {"0.1", 7, 1, "0.7", true},
        {"12", 1, 8, "1.5", true},
        {"1", 1, 3, "0.333333333333", false},
        {"2", 1, 3, "0.666666666667", false},
        {"-90", 60, 86400, "-0.0625", true},
        {"999999999999.9", 1, 7, "142857142857", false},
        {"0", 5, 3, "0", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_decimal is = number(cases[i].text);
        bool exact = false;
        assert_int_equal(mur_decimal_multiply(&is, cases[i].factor, &error), MUR_OK);
        assert_int_equal(mur_decimal_divide(&is, &exact, cases[i].divisor, &error), MUR_OK);
        expect(&is, cases[i].result);
        assert_int_equal(exact, cases[i].exact);
    }
}

static void long_numbers_become_the_nearest_of_16_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *result;
        bool exact;
    } cases[] = {
        {"0.0234", "0.0234", true},
        {"12345678901234567", "1.23456789012e16", false},
        {"0.12345678901234567", "0.12345678901235", false},
        {"0.00000000000000012", "1.2e-16", true},
        {"-0.99999999999999999", "-1", false},
        {"0.44444444444444449", "0.44444444444444", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mur_decimal is = number(cases[i].text);
        char out[MUR_DECIMAL_TEXT_SIZE];
        bool exact = false;
        mur_decimal_write_short(out, &exact, &is, 16);
        assert_string_equal(out, cases[i].result);
        assert_int_equal(exact, cases[i].exact);
    }
}

static void whole_numbers_are_known(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    int64_t value = 0;
    struct mur_decimal is = number("1e3");
    assert_true(mur_decimal_is_integer(&is));
    assert_int_equal(mur_decimal_to_int(&value, &is, &error), MUR_OK);
    assert_int_equal(value, 1000);
    is = number("-167.9");
    assert_false(mur_decimal_is_integer(&is));
    assert_int_equal(mur_decimal_to_int(&value, &is, &error), MUR_OK);
    assert_int_equal(value, -167);
    is = number("1e30");
    assert_int_equal(mur_decimal_to_int(&value, &is, &error), MUR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moving_the_point_is_exact),
        cmocka_unit_test(what_stands_behind_a_number_is_its_unit),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(factors_are_exact_and_divisors_say_when_they_are_not),
        cmocka_unit_test(long_numbers_become_the_nearest_of_16_characters),
        cmocka_unit_test(whole_numbers_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
