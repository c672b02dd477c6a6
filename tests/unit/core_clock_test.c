/* Dates and times as DICOM and ISO 8601 write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/own.h"

typedef enum mur_status parser(struct mur_datetime *out, struct mur_slice text,
                               struct mur_error *error);

static void assert_iso(parser *parse, const char *text, const char *expected)
{
    struct mur_datetime value;
    char iso[MUR_ISO_SIZE];
    assert_int_equal(parse(&value, mur_slice_of(text), NULL), MUR_OK);
    mur_datetime_format_iso(iso, &value);
    assert_string_equal(iso, expected);
}

static void refuse(parser *parse, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct mur_datetime value = {.year = -1};
        assert_int_equal(parse(&value, mur_slice_of(texts[i]), NULL), MUR_PARSE);
        assert_int_equal(value.year, -1);
    }
}

static void da_is_eight_digits_that_are_a_day(void **state)
{
    (void)state;
    assert_iso(mur_datetime_parse_da, "20240229", "2024-02-29");
    assert_iso(mur_datetime_parse_da, "2024.05.06 ", "2024-05-06");
    static const char *const wrong[] = {"",          "2024",     "20230229",  "20240001",
                                        "20240532",  "2024050",  "202405066", "2024-05-06",
                                        "2024.0506", "abcdefgh", "19000229"};
    refuse(mur_datetime_parse_da, wrong, MUR_COUNT(wrong));
}

static void tm_has_any_precision(void **state)
{
    (void)state;
    assert_iso(mur_datetime_parse_tm, "07", "07");
    assert_iso(mur_datetime_parse_tm, "0708", "07:08");
    assert_iso(mur_datetime_parse_tm, "070809", "07:08:09");
    assert_iso(mur_datetime_parse_tm, "070809.5 ", "07:08:09.500000");
    assert_iso(mur_datetime_parse_tm, "070860.123456", "07:08:60.123456");
    assert_iso(mur_datetime_parse_tm, "07:08:09", "07:08:09");
    static const char *const wrong[] = {
        "", "7", "24", "0760", "070861", "070809.", "0708.5", "070809.1234567", "070", "07:0809"};
    refuse(mur_datetime_parse_tm, wrong, MUR_COUNT(wrong));
}

static void dt_has_any_precision_and_an_offset(void **state)
{
    (void)state;
    assert_iso(mur_datetime_parse_dt, "2024", "2024");
    assert_iso(mur_datetime_parse_dt, "202405", "2024-05");
    assert_iso(mur_datetime_parse_dt, "20240506", "2024-05-06");
    assert_iso(mur_datetime_parse_dt, "2024050607", "2024-05-06T07");
    assert_iso(mur_datetime_parse_dt, "20240506070809.12-0530", "2024-05-06T07:08:09.120000-05:30");
    assert_iso(mur_datetime_parse_dt, "20240506070809+0000", "2024-05-06T07:08:09Z");
    static const char *const wrong[] = {"20240506070809.12&", "20240506+1500", "20240506+010",
                                        "20240506-1300",      "20240230",      "2024050607Z"};
    refuse(mur_datetime_parse_dt, wrong, MUR_COUNT(wrong));
}

static void iso_8601_is_read_as_people_write_it(void **state)
{
    (void)state;
    assert_iso(mur_datetime_parse_iso, "2024", "2024");
    assert_iso(mur_datetime_parse_iso, "2024-05", "2024-05");
    assert_iso(mur_datetime_parse_iso, "2024-05-06", "2024-05-06");
    assert_iso(mur_datetime_parse_iso, "20240506", "2024-05-06");
    assert_iso(mur_datetime_parse_iso, "2024-05-06T07:08", "2024-05-06T07:08");
    assert_iso(mur_datetime_parse_iso, "2024-05-06 07:08:09Z", "2024-05-06T07:08:09Z");
    assert_iso(mur_datetime_parse_iso, "20240506T070809,25+02", "2024-05-06T07:08:09.250000+02:00");
    assert_iso(mur_datetime_parse_iso, "2024-05-06T07:08:09.1234567891-0330",
               "2024-05-06T07:08:09.123456-03:30");
    static const char *const wrong[] = {
        "",           "202405",     "24-05-06",    "2024-5-6",         "2024-13-01",
        "2024-02-30", "06.05.2024", "2024-05-06T", "2024-05-06T25:00", "2024-05-06T07:08:09+99",
        "2024-05T07"};
    refuse(mur_datetime_parse_iso, wrong, MUR_COUNT(wrong));
}

static void dicom_forms_are_as_precise_as_the_value(void **state)
{
    (void)state;
    struct mur_datetime value;
    char da[MUR_DA_SIZE];
    char tm[MUR_TM_SIZE];
    char dt[MUR_DT_SIZE];
    assert_int_equal(
        mur_datetime_parse_iso(&value, mur_slice_of("2024-05-06T07:08:09.123456-03:30"), NULL),
        MUR_OK);
    mur_datetime_format_da(da, &value);
    mur_datetime_format_tm(tm, &value);
    mur_datetime_format_dt(dt, &value);
    assert_string_equal(da, "20240506");
    assert_string_equal(tm, "070809.123456");
    assert_string_equal(dt, "20240506070809.123456-0330");
    assert_int_equal(mur_datetime_parse_iso(&value, mur_slice_of("2024-05"), NULL), MUR_OK);
    mur_datetime_format_da(da, &value);
    mur_datetime_format_tm(tm, &value);
    mur_datetime_format_dt(dt, &value);
    assert_string_equal(da, "");
    assert_string_equal(tm, "");
    assert_string_equal(dt, "202405");
}

static void microseconds_and_calendar_are_each_other_s_inverse(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {INT64_C(-2203891200000000), "1900-03-01T00:00:00.000000Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
        {INT64_C(1714979289123456), "2024-05-06T07:08:09.123456Z"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        char text[MUR_ISO_SIZE];
        mur_clock_format_us(text, cases[i].us);
        assert_string_equal(text, cases[i].text);
        struct mur_datetime value;
        assert_int_equal(mur_datetime_parse_iso(&value, mur_slice_of(text), NULL), MUR_OK);
        assert_true(mur_datetime_to_us(&value) == cases[i].us);
    }
    for (int64_t day = -719528; day < 2932897; day += 97) { /* years 0 to 9999 */
        struct mur_datetime value = mur_datetime_of_us(day * INT64_C(86400000000));
        assert_true(mur_datetime_to_us(&value) == day * INT64_C(86400000000));
    }
    char text[MUR_ISO_SIZE];
    mur_clock_format_us(text, INT64_MAX);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

static void offsets_count_when_times_are_compared(void **state)
{
    (void)state;
    struct mur_datetime a;
    struct mur_datetime b;
    assert_int_equal(mur_datetime_parse_iso(&a, mur_slice_of("2024-05-06T00:30+01:00"), NULL),
                     MUR_OK);
    assert_int_equal(mur_datetime_parse_iso(&b, mur_slice_of("2024-05-05T23:30Z"), NULL), MUR_OK);
    assert_true(mur_datetime_to_us(&a) == mur_datetime_to_us(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(da_is_eight_digits_that_are_a_day),
        cmocka_unit_test(tm_has_any_precision),
        cmocka_unit_test(dt_has_any_precision_and_an_offset),
        cmocka_unit_test(iso_8601_is_read_as_people_write_it),
        cmocka_unit_test(dicom_forms_are_as_precise_as_the_value),
        cmocka_unit_test(microseconds_and_calendar_are_each_other_s_inverse),
        cmocka_unit_test(offsets_count_when_times_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
