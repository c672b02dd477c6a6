/* Media types that clients accept. */
#include "web/media_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const json_types[] = {"application/dicom+json", "application/json"};

static struct mur_media_list parse(const char *text)
{
    struct mur_media_list list = {.count = 0};
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_media_list_parse(&list, mur_slice_of(text), &error) != MUR_OK)
        fail_msg("%s: %s", text, error.message);
    return list;
}

/* Index of the type that is chosen; -1: none. */
static int chosen(const char *parameter, const char *header)
{
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = parse(parameter),
                                                .header = parse(header)};
    size_t out = 99;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status =
        mur_accept_choose(&out, &accept, json_types, MUR_COUNT(json_types), &error);
    if (status == MUR_OK)
        return (int)out;
    assert_int_equal(status, MUR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "application/dicom+json, application/json"));
    return -1;
}

static void what_is_wanted_most_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(chosen("", "application/dicom+json"), 0);
    assert_int_equal(chosen("", "application/json"), 1);
    assert_int_equal(chosen("", "application/json, application/dicom+json"), 1);
    assert_int_equal(chosen("", "application/json;q=0.5, application/dicom+json"), 0);
    assert_int_equal(chosen("", "application/dicom+json; q=0.25 , application/json; Q=.3"), 1);
    assert_int_equal(chosen("", "APPLICATION/Json"), 1);
}

static void wildcards_mean_the_default_unless_something_is_named(void **state)
{
    (void)state;
    assert_int_equal(chosen("", "*/*"), 0);
    assert_int_equal(chosen("", "*"), 0);
    assert_int_equal(chosen("", "application/*"), 0);
    assert_int_equal(
        chosen("", "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8"), 0);
    assert_int_equal(chosen("", "*/*;q=0.1, application/json"), 1);
    assert_int_equal(chosen("", "application/dicom+json;q=0, */*"), 1);
}

static void nothing_acceptable_is_an_error_that_says_what_there_is(void **state)
{
    (void)state;
    assert_int_equal(chosen("", "application/dicom+xml"), -1);
    assert_int_equal(chosen("", "image/*"), -1);
    assert_int_equal(chosen("", "*/json"), -1);
    assert_int_equal(chosen("", "application/json;q=0"), -1);
    assert_int_equal(chosen("", "rubbish"), -1);
    assert_int_equal(chosen("", "multipart/related; type=\"application/dicom+xml\""), -1);
}

/* OHIF 3.11 sends both in one header. */
static void json_beside_multipart_is_found(void **state)
{
    (void)state;
    assert_int_equal(chosen("", "application/dicom+json, multipart/related; "
                                "type=application/octet-stream; transfer-syntax=*"),
                     0);
}

static void the_parameter_comes_before_the_header(void **state)
{
    (void)state;
    assert_int_equal(chosen("application/json", "application/dicom+json"), 1);
    assert_int_equal(chosen("image/png", "application/json"), 1);
    assert_int_equal(chosen("image/png", "image/png"), -1);
}

static void parameters_are_read_with_and_without_quotation_marks(void **state)
{
    (void)state;
    MUR_AUTO_MEDIA_LIST struct mur_media_list list = parse(
        "multipart/related; type=\"application/dicom\"; Transfer-Syntax=\"*\"; q=0.7,"
        "multipart/related;type=application/octet-stream ; transfer-syntax=1.2.840.10008.1.2 ,"
        "text/plain; note=\"a, \\\"b\\\"; c\"");
    assert_int_equal(list.count, 3);
    assert_string_equal(mur_media_parameter(&list.ranges[0], "type"), "application/dicom");
    assert_string_equal(mur_media_parameter(&list.ranges[0], "transfer-syntax"), "*");
    assert_int_equal(list.ranges[0].quality, 700);
    assert_null(mur_media_parameter(&list.ranges[0], "q"));
    assert_string_equal(mur_media_parameter(&list.ranges[1], "type"), "application/octet-stream");
    assert_string_equal(mur_media_parameter(&list.ranges[1], "transfer-syntax"),
                        "1.2.840.10008.1.2");
    assert_int_equal(list.ranges[1].quality, 1000);
    assert_string_equal(mur_media_parameter(&list.ranges[2], "note"), "a, \"b\"; c");
    assert_true(mur_media_fits(&list.ranges[0], "multipart/related"));
    assert_false(mur_media_fits(&list.ranges[0], "multipart/relatedly"));
}

static void odd_text_does_no_harm(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",      ",",      ",,;,=",    "/",          "a/",    "/b",     "a/b;",           "a/b;;",
        "a/b;=", "a/b;x=", "a/b;x=\"", "a/b;x=\"\\", "a/b c", "a/b;q=", "a/b;q=nonsense", "\"a/b"};
    for (size_t i = 0; i < MUR_COUNT(odd); i++) {
        struct mur_media_list list = parse(odd[i]);
        mur_media_list_free(&list);
    }
}

static void lists_without_end_are_refused(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer many = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer wide = MUR_BUFFER_INIT;
    assert_int_equal(mur_buffer_append_text(&wide, "a/b", NULL), MUR_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mur_buffer_append_text(&many, "a/b,", NULL), MUR_OK);
        assert_int_equal(mur_buffer_append_text(&wide, ";x=y", NULL), MUR_OK);
    }
    struct mur_media_list list = {.count = 0};
    assert_int_equal(mur_media_list_parse(&list, mur_slice_of(mur_buffer_text(&many)), NULL),
                     MUR_INVALID);
    assert_int_equal(mur_media_list_parse(&list, mur_slice_of(mur_buffer_text(&wide)), NULL),
                     MUR_INVALID);
    assert_null(list.ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_most_is_chosen),
        cmocka_unit_test(wildcards_mean_the_default_unless_something_is_named),
        cmocka_unit_test(nothing_acceptable_is_an_error_that_says_what_there_is),
        cmocka_unit_test(json_beside_multipart_is_found),
        cmocka_unit_test(the_parameter_comes_before_the_header),
        cmocka_unit_test(parameters_are_read_with_and_without_quotation_marks),
        cmocka_unit_test(odd_text_does_no_harm),
        cmocka_unit_test(lists_without_end_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
