/* Text from outside: numbers, folding, wildcards; and the buffer and error beneath. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <errno.h>

#include <cmocka.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "core/suggest.h"
#include "core/text.h"

static void whole_numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mur_status status;
        int64_t value;
    } cases[] = {
        {"42", MUR_OK, 42},
        {" -7 ", MUR_OK, -7},
        {"+3", MUR_OK, 3},
        {"", MUR_PARSE, 0},
        {"  ", MUR_PARSE, 0},
        {"4x", MUR_PARSE, 0},
        {"0x10", MUR_PARSE, 0},
        {"1 2", MUR_PARSE, 0},
        {"--1", MUR_PARSE, 0},
        {"1.0", MUR_PARSE, 0},
        {"101", MUR_LIMIT, 0},
        {"-101", MUR_LIMIT, 0},
        {"99999999999999999999", MUR_LIMIT, 0},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        int64_t value = 12345;
        assert_int_equal(mur_parse_int64(&value, mur_slice_of(cases[i].text), -100, 100, NULL),
                         cases[i].status);
        assert_int_equal(value, cases[i].status == MUR_OK ? cases[i].value : 12345);
    }
    uint64_t large = 0;
    assert_int_equal(
        mur_parse_uint64(&large, mur_slice_of("18446744073709551615"), 0, UINT64_MAX, NULL),
        MUR_OK);
    assert_true(large == UINT64_MAX);
    assert_int_equal(mur_parse_uint64(&large, mur_slice_of("-1"), 0, UINT64_MAX, NULL), MUR_PARSE);
}

static void decimal_numbers_exclude_nan_infinity_and_hexadecimal(void **state)
{
    (void)state;
    double value = 0;
    assert_int_equal(mur_parse_double(&value, mur_slice_of(" -1.5e2"), NULL), MUR_OK);
    assert_true(value == -150.0);
    static const char *const wrong[] = {"nan", "inf", "0x1p3", "1,5", "", "1.5.2", "e5"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        assert_int_equal(mur_parse_double(&value, mur_slice_of(wrong[i]), NULL), MUR_PARSE);
    assert_int_equal(mur_parse_double(&value, mur_slice_of("1e999"), NULL), MUR_LIMIT);
    assert_true(value == -150.0);
}

static void assert_folded(const char *text, const char *expected)
{
    MUR_AUTO_FREE char *folded = NULL;
    assert_int_equal(mur_text_fold(&folded, mur_slice_of(text), NULL), MUR_OK);
    assert_string_equal(folded, expected);
}

static void folding_forgets_case_marks_and_encoding(void **state)
{
    (void)state;
    assert_folded("M\xC3\xBCLLER^Hans", "muller^hans");
    assert_folded("Mu\xCC\x88ller", "muller"); /* decomposed */
    assert_folded("M\xFCller", "muller");      /* Windows-1252 */
    assert_folded("Stra\xC3\x9F"
                  "e",
                  "strasse"); /* sharp s */
    assert_folded("", "");
}

static void windows_1252_becomes_utf8(void **state)
{
    (void)state;
    MUR_AUTO_FREE char *text = NULL;
    assert_int_equal(mur_utf8_from_cp1252(&text, mur_slice_of("\x80 \xB5g \x81"), NULL), MUR_OK);
    assert_string_equal(text, "\xE2\x82\xAC \xC2\xB5g \xEF\xBF\xBD");
}

static void utf8_is_checked_counted_and_cut_by_characters(void **state)
{
    (void)state;
    assert_true(mur_utf8_valid(mur_slice_of("a\xC3\xBC")));
    assert_false(mur_utf8_valid(mur_slice_of("a\xC3")));
    assert_false(mur_utf8_valid(mur_slice_of("\xED\xA0\x80"))); /* a surrogate */
    assert_int_equal(mur_utf8_count(mur_slice_of("a\xC3\xBC\xE2\x82\xAC")), 3);
    assert_int_equal(mur_utf8_cut(mur_slice_of("a\xC3\xBC\xE2\x82\xAC"), 5), 3);
    assert_int_equal(mur_utf8_cut(mur_slice_of("abc"), 5), 3);
}

static bool matches(const char *pattern, const char *text)
{
    return mur_wildcard_match(mur_slice_of(pattern), mur_slice_of(text));
}

static void wildcards_follow_the_standard(void **state)
{
    (void)state;
    assert_true(matches("*", ""));
    assert_true(matches("a*c", "abbc"));
    assert_true(matches("a?c", "a\xC3\xBC"
                               "c")); /* one character, two bytes */
    assert_true(matches("*ab*ab", "abxabab"));
    assert_false(matches("a?c", "ac"));
    assert_false(matches("a*b", "ac"));
    assert_false(matches("", "a"));
    assert_true(matches("", ""));
}

static void a_hostile_wildcard_takes_no_exponential_time(void **state)
{
    (void)state;
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = '\0';
    assert_false(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void trimming_takes_blanks_from_both_ends(void **state)
{
    (void)state;
    struct mur_slice trimmed = mur_slice_trim(mur_slice_of(" \t a b\r\n"));
    assert_true(mur_slice_equal(trimmed, "a b"));
    assert_int_equal(mur_slice_trim(mur_slice_of("  ")).length, 0);
}

static void a_buffer_keeps_its_limit_and_its_content(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer buffer = MUR_BUFFER_INIT;
    buffer.limit = 5;
    assert_string_equal(mur_buffer_text(&buffer), "");
    assert_int_equal(mur_buffer_append_text(&buffer, "abc", NULL), MUR_OK);
    assert_int_equal(mur_buffer_append_text(&buffer, "def", NULL), MUR_LIMIT);
    assert_int_equal(mur_buffer_append_format(&buffer, NULL, "%d", 12), MUR_OK);
    assert_string_equal(mur_buffer_text(&buffer), "abc12");
    MUR_AUTO_FREE char *taken = NULL;
    assert_int_equal(mur_buffer_take(&taken, &buffer, NULL), MUR_OK);
    assert_string_equal(taken, "abc12");
    assert_int_equal(buffer.length, 0);
}

static void errors_gather_prefixes_and_never_overflow(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_error_set_errno(&error, ENOSPC, "writing %s", "x"), MUR_NO_SPACE);
    assert_int_equal(mur_error_prefix(&error, "import"), MUR_NO_SPACE);
    assert_string_equal(error.message, "import: writing x: No space left on device");
    for (int i = 0; i < 200; i++)
        (void)mur_error_prefix(&error, "%s", "a prefix that is not short");
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(mur_error_set_errno(&error, ENOENT, "x"), MUR_NOT_FOUND);
    assert_int_equal(mur_error_set(NULL, MUR_IO, "nobody listens"), MUR_IO);
}

static void an_error_may_quote_itself(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    mur_error_set(&error, MUR_IO, "inner");
    mur_error_set(&error, MUR_PARSE, "outer of %s", error.message);
    assert_string_equal(error.message, "outer of inner");
}

static void suggestions_are_the_nearest_first(void **state)
{
    (void)state;
    static const char *const names[] = {"serve", "import", "verify", "server", "find"};
    char text[128];
    assert_int_equal(mur_suggest(text, sizeof text, "sevre", names, MUR_COUNT(names)), 2);
    assert_string_equal(text, "serve or server");
    assert_int_equal(mur_suggest(text, sizeof text, "vrify", names, MUR_COUNT(names)), 1);
    assert_string_equal(text, "verify");
    assert_int_equal(mur_suggest(text, sizeof text, "xyz", names, MUR_COUNT(names)), 0);
    assert_string_equal(text, "");
    assert_int_equal(mur_text_distance("ABCD", "acbd"), 1);
    assert_int_equal(mur_text_distance("", "abc"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(decimal_numbers_exclude_nan_infinity_and_hexadecimal),
        cmocka_unit_test(folding_forgets_case_marks_and_encoding),
        cmocka_unit_test(windows_1252_becomes_utf8),
        cmocka_unit_test(utf8_is_checked_counted_and_cut_by_characters),
        cmocka_unit_test(wildcards_follow_the_standard),
        cmocka_unit_test(a_hostile_wildcard_takes_no_exponential_time),
        cmocka_unit_test(trimming_takes_blanks_from_both_ends),
        cmocka_unit_test(a_buffer_keeps_its_limit_and_its_content),
        cmocka_unit_test(errors_gather_prefixes_and_never_overflow),
        cmocka_unit_test(an_error_may_quote_itself),
        cmocka_unit_test(suggestions_are_the_nearest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
