/* Raw deflate, piece by piece: what zlib inflates, the same bytes each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/buffer.h"
#include "core/deflate.h"

enum { LENGTH = 300000 };

static unsigned char *made_up(void)
{
    unsigned char *bytes = malloc(LENGTH);
    uint32_t random = 1;
    assert_non_null(bytes);
    for (size_t index = 0; index < LENGTH; index++) {
        random = random * 1664525u + 1013904223u;
        bytes[index] = (unsigned char)(random >> 28);
    }
    return bytes;
}

static void deflate_in_pieces(struct mur_buffer *out, const unsigned char *bytes, size_t piece)
{
    struct mur_deflate_writer *writer = NULL;
    assert_int_equal(mur_deflate_writer_create(&writer, mur_sink_buffer(out), 6, NULL), MUR_OK);
    for (size_t at = 0; at < LENGTH; at += piece) {
        size_t length = LENGTH - at < piece ? LENGTH - at : piece;
        assert_int_equal(mur_deflate_writer_write(writer, bytes + at, length, NULL), MUR_OK);
    }
    assert_int_equal(mur_deflate_writer_finish(writer, NULL), MUR_OK);
    mur_deflate_writer_free(writer);
}

static void bytes_do_not_depend_on_the_pieces(void **state)
{
    (void)state;
    unsigned char *bytes = made_up(), *back = malloc(LENGTH);
    struct mur_buffer whole = MUR_BUFFER_INIT, pieces = MUR_BUFFER_INIT;
    assert_non_null(back);
    deflate_in_pieces(&whole, bytes, LENGTH);
    deflate_in_pieces(&pieces, bytes, 777);
    assert_int_equal(whole.length, pieces.length);
    assert_memory_equal(whole.data, pieces.data, whole.length);
    z_stream stream = {.next_in = (unsigned char *)whole.data,
                       .avail_in = (unsigned)whole.length,
                       .next_out = back,
                       .avail_out = LENGTH};
    assert_int_equal(inflateInit2(&stream, -MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(inflateEnd(&stream), Z_OK);
    assert_int_equal(stream.avail_out, 0);
    assert_memory_equal(back, bytes, LENGTH);
    mur_buffer_free(&whole);
    mur_buffer_free(&pieces);
    free(back);
    free(bytes);
}

static enum mur_status refuse(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    return mur_error_set(error, MUR_NO_SPACE, "full");
}

static void failure_of_the_sink_is_handed_on(void **state)
{
    (void)state;
    unsigned char *bytes = made_up();
    struct mur_deflate_writer *writer = NULL;
    assert_int_equal(
        mur_deflate_writer_create(&writer, (struct mur_sink){.write = refuse}, 1, NULL), MUR_OK);
    assert_int_equal(mur_deflate_writer_write(writer, bytes, LENGTH, NULL), MUR_NO_SPACE);
    mur_deflate_writer_free(writer);
    free(bytes);
}

static void levels_that_zlib_does_not_know_are_refused(void **state)
{
    (void)state;
    struct mur_deflate_writer *writer = NULL;
    assert_int_equal(
        mur_deflate_writer_create(&writer, (struct mur_sink){.write = refuse}, 10, NULL),
        MUR_INVALID);
    assert_null(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_do_not_depend_on_the_pieces),
        cmocka_unit_test(failure_of_the_sink_is_handed_on),
        cmocka_unit_test(levels_that_zlib_does_not_know_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
