/* The rule for quotes, line ends and comments, cell by cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/own.h"
#include "isa/encoding.h"
#include "isa/tokenizer.h"

/** Writes the cells as "a|b/c|d": '|' between cells, '/' between records, '#' before comments. */
static char *cells_of(const char *text, size_t length)
{
    struct mur_isa_tokenizer tokenizer;
    mur_isa_tokenizer_init(&tokenizer, (struct mur_slice){text, length});
    struct mur_buffer out = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_buffer_reserve(&out, 1, &error);
    bool more = true;
    while (more && status == MUR_OK) {
        size_t line = 0;
        struct mur_isa_token token = {.last = false};
        switch (mur_isa_next_record(&tokenizer)) {
        case MUR_ISA_RECORD_END:
            more = false;
            break;
        case MUR_ISA_RECORD_COMMENT: {
            struct mur_slice comment = mur_isa_take_line(&line, &tokenizer);
            status = mur_buffer_append(&out, comment.data, comment.length, &error);
            break;
        }
        case MUR_ISA_RECORD_CELLS:
            while (!token.last && status == MUR_OK) {
                status = mur_isa_next_cell(&token, &tokenizer, &error);
                if (status == MUR_OK && token.unclosed)
                    status = mur_buffer_append_text(&out, "!", &error);
                if (status == MUR_OK)
                    status = mur_buffer_append(&out, token.text.data, token.text.length, &error);
                if (status == MUR_OK && !token.last)
                    status = mur_buffer_append_text(&out, "|", &error);
            }
            break;
        }
        if (more && status == MUR_OK)
            status = mur_buffer_append_text(&out, "/", &error);
    }
    mur_isa_tokenizer_free(&tokenizer);
    assert_int_equal(status, MUR_OK);
    return out.data;
}

static void expect(const char *text, const char *cells)
{
    char *got = cells_of(text, strlen(text));
    assert_string_equal(got, cells);
    free(got);
}

static void every_line_end_ends_a_record(void **state)
{
    (void)state;
    expect("a\tb\nc\td\n", "a|b/c|d/");
    expect("a\tb\r\nc\td\r\n", "a|b/c|d/");
    expect("a\tb\rc\td", "a|b/c|d/");
    expect("a\tb\r\nc\rd\ne", "a|b/c/d/e/");
}

static void empty_cells_count_and_blank_records_do_not(void **state)
{
    (void)state;
    expect("\ta\t\tb\t\n", "|a||b|/");
    expect("\n  \t \t\r\n\ra\n\t\n", "a/");
    expect("", "");
}

static void quotes_around_a_cell_are_not_part_of_it(void **state)
{
    (void)state;
    expect("\"a b\"\t\"\"\t\"c\"", "a b||c/");
}

static void quoted_cells_may_hold_tabs_and_line_ends(void **state)
{
    (void)state;
    expect("\"a\nb\r\nc\"\t\"d\te\"\nf", "a\nb\r\nc|d\te/f/");
}

static void doubled_quotes_are_one_and_others_literal(void **state)
{
    (void)state;
    expect("\"say \"\"hi\"\" now\"\tx", "say \"hi\" now|x/");
    expect("\"at 58.28\"N, 157\"W, low\"\tx", "at 58.28\"N, 157\"W, low|x/");
    expect("5\" disc\t\"\"\"\"", "5\" disc|\"/");
}

static void unclosed_quotes_are_taken_literally(void **state)
{
    (void)state;
    expect("\"a\tb\nc\td\n", "!\"a|b/c|d/");
    /* The next quote before a TAB closes it, however far away. */
    expect("\"a\tb\n\"c\"\td\n\"e", "a\tb\n\"c|d/!\"e/");
    expect("\"a\"\"\tb\n\"c\"\"\td", "!\"a\"\"|b/!\"c\"\"|d/");
}

static void comments_are_lines_that_begin_with_a_hash(void **state)
{
    (void)state;
    expect("# one \"two\na\t#b\n#\nc", "# one \"two/a|#b/#/c/");
    expect("\"a\n# not a comment\n\nb\"\tc", "a\n# not a comment\n\nb|c/");
    expect("\"#1\"\tx", "#1|x/");
}

static void lines_are_counted_through_quoted_cells(void **state)
{
    (void)state;
    static const char text[] = "#c\r\n\"a\nb\r\nc\"\td\rx\n\ny";
    struct mur_isa_tokenizer tokenizer;
    mur_isa_tokenizer_init(&tokenizer, mur_slice_of(text));
    struct mur_error error = MUR_ERROR_INIT;
    size_t lines[4] = {0};
    size_t newlines = 0;
    size_t count = 0;
    for (enum mur_isa_record record;
         (record = mur_isa_next_record(&tokenizer)) != MUR_ISA_RECORD_END;) {
        if (record == MUR_ISA_RECORD_COMMENT) {
            size_t line = 0;
            (void)mur_isa_take_line(&line, &tokenizer);
            assert_int_equal(line, 1);
            continue;
        }
        struct mur_isa_token token = {.last = false};
        while (!token.last) {
            assert_int_equal(mur_isa_next_cell(&token, &tokenizer, &error), MUR_OK);
            lines[count++] = token.line;
            newlines += token.newlines;
        }
    }
    mur_isa_tokenizer_free(&tokenizer);
    assert_int_equal(count, 4);
    assert_int_equal(newlines, 2);
    assert_int_equal(lines[0], 2);
    assert_int_equal(lines[1], 4);
    assert_int_equal(lines[2], 5);
    assert_int_equal(lines[3], 7);
}

static void cells_up_to_the_limit_are_read_and_longer_ones_refused(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    size_t length = MUR_ISA_CELL_LIMIT;
    char *text = malloc(length + 2);
    assert_non_null(text);
    memset(text, 'x', length + 2);
    text[length] = '\t';
    struct mur_isa_tokenizer tokenizer;
    struct mur_isa_token token;
    mur_isa_tokenizer_init(&tokenizer, (struct mur_slice){text, length + 2});
    assert_int_equal(mur_isa_next_cell(&token, &tokenizer, &error), MUR_OK);
    assert_int_equal(token.text.length, length);
    text[length] = 'x';
    mur_isa_tokenizer_init(&tokenizer, (struct mur_slice){text, length + 2});
    assert_int_equal(mur_isa_next_cell(&token, &tokenizer, &error), MUR_LIMIT);
    mur_isa_tokenizer_free(&tokenizer);
    free(text);
}

/** Every cell opens a quote that is never closed: each must not search the whole rest again. */
static void many_unclosed_quotes_cost_linear_time(void **state)
{
    (void)state;
    static const char *const units[] = {"\"a\t", "\"a\"\"\t", "\"a\n"};
    for (size_t u = 0; u < MUR_COUNT(units); u++) {
        size_t unit = strlen(units[u]);
        size_t count = (size_t)4 * 1024 * 1024 / unit;
        char *text = malloc(unit * count);
        assert_non_null(text);
        for (size_t i = 0; i < count; i++)
            memcpy(text + i * unit, units[u], unit);
        char *cells = cells_of(text, unit * count - 1);
        assert_memory_equal(cells, "!\"a", 3);
        free(cells);
        free(text);
    }
}

static void check_decoded(const char *bytes, size_t length, const char *text,
                          enum mur_isa_encoding encoding, size_t replaced)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_buffer buffer = MUR_BUFFER_INIT;
    assert_int_equal(mur_buffer_append(&buffer, bytes, length, &error), MUR_OK);
    struct mur_isa_decoded decoded;
    assert_int_equal(mur_isa_decode(&decoded, &buffer, &error), MUR_OK);
    assert_string_equal(mur_buffer_text(&buffer), text);
    assert_int_equal(decoded.encoding, encoding);
    assert_int_equal(decoded.replaced, replaced);
    mur_buffer_free(&buffer);
}

static void every_encoding_becomes_utf8(void **state)
{
    (void)state;
    check_decoded("a\xC2\xB5", 3, "aµ", MUR_ISA_UTF8, 0);
    check_decoded("\xEF\xBB\xBF"
                  "a",
                  4, "a", MUR_ISA_UTF8, 0);
    check_decoded("M\xFC"
                  "ller \x80",
                  8, "Müller €", MUR_ISA_CP1252, 0);
    check_decoded("\xFF\xFE"
                  "a\0\xB5\0\x3D\xD8\x00\xDE",
                  10, "aµ😀", MUR_ISA_UTF16, 0);
    check_decoded("\xFE\xFF\0a\0\xB5", 6, "aµ", MUR_ISA_UTF16, 0);
    check_decoded("\xFE\xFF\xD8\x00\0a\0", 7, "\uFFFDa\uFFFD", MUR_ISA_UTF16, 2);
    check_decoded("a\0b", 3, "a\uFFFDb", MUR_ISA_UTF8, 1);
    check_decoded("", 0, "", MUR_ISA_UTF8, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_end_ends_a_record),
        cmocka_unit_test(empty_cells_count_and_blank_records_do_not),
        cmocka_unit_test(quotes_around_a_cell_are_not_part_of_it),
        cmocka_unit_test(quoted_cells_may_hold_tabs_and_line_ends),
        cmocka_unit_test(doubled_quotes_are_one_and_others_literal),
        cmocka_unit_test(unclosed_quotes_are_taken_literally),
        cmocka_unit_test(comments_are_lines_that_begin_with_a_hash),
        cmocka_unit_test(lines_are_counted_through_quoted_cells),
        cmocka_unit_test(cells_up_to_the_limit_are_read_and_longer_ones_refused),
        cmocka_unit_test(many_unclosed_quotes_cost_linear_time),
        cmocka_unit_test(every_encoding_becomes_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
