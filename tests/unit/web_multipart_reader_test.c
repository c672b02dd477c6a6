/* Bodies taken apart, whole and byte by byte. */
#include "web/multipart_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buffer.h"

static enum mur_status note_begin(void *user, const char *type, const char *encoding,
                                  struct mur_error *error)
{
    return mur_buffer_append_format(user, error, "<%s|%s>", type != NULL ? type : "",
                                    encoding != NULL ? encoding : "");
}

static enum mur_status note_bytes(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    return mur_buffer_append(user, bytes, length, error);
}

static enum mur_status note_end(void *user, struct mur_error *error)
{
    return mur_buffer_append_text(user, ";", error);
}

static const struct mur_multipart_events events = {
    .begin = note_begin, .write = note_bytes, .end = note_end};

/* What is noted of a body with boundary "b1" that comes in pieces of @p size. */
static enum mur_status read_body(struct mur_buffer *notes, const char *body, size_t length,
                                 size_t size)
{
    MUR_AUTO(mur_multipart_reader) *reader = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    mur_buffer_clear(notes);
    assert_int_equal(mur_multipart_reader_create(&reader, "b1", &events, notes, &error), MUR_OK);
    enum mur_status status = MUR_OK;
    for (size_t at = 0; status == MUR_OK && at < length; at += size)
        status = mur_multipart_reader_write(reader, body + at,
                                            length - at < size ? length - at : size, &error);
    return status == MUR_OK ? mur_multipart_reader_finish(reader, &error) : status;
}

static void assert_read(const char *body, const char *expected)
{
    MUR_AUTO_BUFFER struct mur_buffer notes = MUR_BUFFER_INIT;
    for (size_t size = 1; size <= strlen(body); size++) {
        assert_int_equal(read_body(&notes, body, strlen(body), size), MUR_OK);
        assert_string_equal(mur_buffer_text(&notes), expected);
    }
}

static void assert_fails(const char *body, enum mur_status expected)
{
    MUR_AUTO_BUFFER struct mur_buffer notes = MUR_BUFFER_INIT;
    for (size_t size = 1; size <= strlen(body); size++)
        assert_int_equal(read_body(&notes, body, strlen(body), size), expected);
}

static void parts_are_the_same_however_they_are_cut(void **state)
{
    (void)state;
    assert_read("--b1\r\nContent-Type: application/dicom\r\n\r\none\r\n--b1\r\n\r\ntwo\r\n--b1--",
                "<application/dicom|>one;<|>two;");
    assert_read("before\r\n--b1 \t\r\ncontent-TYPE:a/b; c=\"d\" \r\nX: y\r\nContent-Encoding: gzip"
                "\r\n\r\n\r\n--b1--\r\nafter --b1",
                "<a/b; c=\"d\"|gzip>;");
}

static void a_part_may_be_empty_or_end_in_line_ends(void **state)
{
    (void)state;
    assert_read("--b1\r\n\r\n--b1\r\n\r\n\r\n\r\n--b1--", "<|>;<|>\r\n;");
}

static void what_only_begins_like_a_boundary_is_content(void **state)
{
    (void)state;
    assert_read("--b1\r\n\r\n-\r\n--b\r\n--\r\r\n\r\n-- b1\r\n--b1--",
                "<|>-\r\n--b\r\n--\r\r\n\r\n-- b1;");
    assert_read("--b1\r\n\r\n--b2\r\n--b1--", "<|>--b2;");
    assert_read("--b2\r\n--b1\r\n\r\nx\r\n--b1--", "<|>x;");
}

static void a_body_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char body[] = "--b1\r\nContent-Type: a/b\r\n\r\none\r\n--b1--";
    MUR_AUTO_BUFFER struct mur_buffer notes = MUR_BUFFER_INIT;
    for (size_t length = 0; length < sizeof body - 1; length++)
        assert_int_equal(read_body(&notes, body, length, 1000), MUR_PARSE);
}

static void malformed_bodies_are_refused(void **state)
{
    (void)state;
    assert_fails("--b1\n\none\n--b1--\n", MUR_PARSE); /* LF */
    assert_fails("--b1\r\nno colon\r\n\r\none\r\n--b1--", MUR_PARSE);
    assert_fails("--b1\r\nA: b\r\n folded\r\n\r\none\r\n--b1--", MUR_PARSE);
    assert_fails("--b1\r\nA: b\rC: d\r\n\r\none\r\n--b1--", MUR_PARSE);
    assert_fails("--b1\r\nA: b\nC: d\r\n\r\none\r\n--b1--", MUR_PARSE);
    assert_fails("--b1\r\n\r\none\r\n--b1x\r\n\r\n--b1--", MUR_PARSE);
    assert_fails("--b1\r\n\r\none\r\n--b1-\r\n", MUR_PARSE);
    assert_fails("one", MUR_PARSE);
}

static void headers_and_preamble_without_end_are_refused(void **state)
{
    (void)state;
    static char text[MUR_MULTIPART_PREAMBLE + 100];
    MUR_AUTO_BUFFER struct mur_buffer notes = MUR_BUFFER_INIT;
    memset(text, 'x', sizeof text);
    assert_int_equal(read_body(&notes, text, sizeof text, 4096), MUR_PARSE);
    memcpy(text, "--b1\r\n", 6);
    assert_int_equal(read_body(&notes, text, sizeof text, 4096), MUR_LIMIT);
    for (size_t at = 6; at + 4 < sizeof text; at += 4)
        memcpy(text + at, "A:\r\n", 4);
    assert_int_equal(read_body(&notes, text, sizeof text, 4096), MUR_LIMIT);
}

static void what_is_no_boundary_is_refused(void **state)
{
    (void)state;
    struct mur_multipart_reader *reader = NULL;
    char text[MUR_BOUNDARY_LENGTH + 2];
    memset(text, 'b', sizeof text);
    text[MUR_BOUNDARY_LENGTH + 1] = '\0';
    const char *const wrong[] = {"", "a\rb", "a\nb", "a\"b", "blank ", text};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        assert_int_equal(mur_multipart_reader_create(&reader, wrong[i], &events, NULL, NULL),
                         MUR_INVALID);
    assert_int_equal(mur_multipart_reader_create(&reader, text + 1, &events, NULL, NULL), MUR_OK);
    mur_multipart_reader_free(reader);
    static const char of_orthanc[] =
        "061e9295-3592-4ec9-b80e-c0fd1b128243-061e9295-3592-4ec9-b80e-c0fd1b128243";
    assert_int_equal(mur_multipart_reader_create(&reader, of_orthanc, &events, NULL, NULL), MUR_OK);
    mur_multipart_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_part_may_be_empty_or_end_in_line_ends),
        cmocka_unit_test(what_only_begins_like_a_boundary_is_content),
        cmocka_unit_test(a_body_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(headers_and_preamble_without_end_are_refused),
        cmocka_unit_test(what_is_no_boundary_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
