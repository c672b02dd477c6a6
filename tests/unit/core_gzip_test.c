/* gzip on several threads: one member that any reader takes, the same bytes on any number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/buffer.h"
#include "core/gzip.h"

static void pack(struct mur_buffer *out, const unsigned char *bytes, size_t length, size_t piece,
                 unsigned threads)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_gzip_writer) *writer = NULL;
    assert_int_equal(mur_gzip_writer_create(&writer, mur_sink_buffer(out), 1, threads, &error),
                     MUR_OK);
    for (size_t at = 0; at < length; at += piece) {
        size_t part = length - at < piece ? length - at : piece;
        assert_int_equal(mur_gzip_writer_write(writer, bytes + at, part, &error), MUR_OK);
    }
    assert_int_equal(mur_gzip_writer_finish(writer, &error), MUR_OK);
}

/* As one member, checksum and all, with nothing after it. */
static void expand(unsigned char *out, size_t length, const struct mur_buffer *stream)
{
    z_stream inflater = {.zalloc = Z_NULL};
    assert_int_equal(inflateInit2(&inflater, 15 + 16), Z_OK);
    inflater.next_in = (unsigned char *)stream->data;
    inflater.avail_in = (uInt)stream->length;
    unsigned char none = 0;
    inflater.next_out = length > 0 ? out : &none;
    inflater.avail_out = (uInt)length;
    assert_int_equal(inflate(&inflater, Z_FINISH), Z_STREAM_END);
    assert_int_equal(inflater.avail_out, 0);
    assert_int_equal(inflater.avail_in, 0);
    assert_int_equal(inflateEnd(&inflater), Z_OK);
}

static unsigned char *sample(size_t length)
{
    unsigned char *bytes = malloc(length + 1);
    assert_non_null(bytes);
    uint32_t state = 1;
    for (size_t index = 0; index < length; index++) {
        state = state * 1664525u + 1013904223u;
        bytes[index] = index % 3000 < 2000 ? (unsigned char)(state >> 28) : bytes[index / 2];
    }
    return bytes;
}

static void any_length_comes_back(void **state)
{
    (void)state;
    static const size_t lengths[] = {0,          1,          524287,         524288,     524289,
                                     3 * 524288, 4 * 524288, 4 * 524288 + 5, 5 * 524288, 4100000};
    for (size_t index = 0; index < MUR_COUNT(lengths); index++) {
        MUR_AUTO_BUFFER struct mur_buffer stream = MUR_BUFFER_INIT;
        MUR_AUTO_FREE unsigned char *bytes = sample(lengths[index]);
        MUR_AUTO_FREE unsigned char *back = malloc(lengths[index] + 1);
        pack(&stream, bytes, lengths[index], 100003, 2);
        expand(back, lengths[index], &stream);
        assert_memory_equal(bytes, back, lengths[index]);
    }
}

static void threads_and_pieces_do_not_change_the_bytes(void **state)
{
    (void)state;
    size_t length = 3000000;
    MUR_AUTO_FREE unsigned char *bytes = sample(length);
    MUR_AUTO_BUFFER struct mur_buffer one = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer four = MUR_BUFFER_INIT;
    pack(&one, bytes, length, length, 1);
    pack(&four, bytes, length, 4097, 4);
    assert_int_equal(one.length, four.length);
    assert_memory_equal(one.data, four.data, one.length);
}

static enum mur_status full(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    return mur_error_set(error, MUR_NO_SPACE, "full");
}

static void failing_sink_ends_the_stream(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_gzip_writer) *writer = NULL;
    MUR_AUTO_FREE unsigned char *bytes = sample(8000000);
    struct mur_sink sink = {.write = full};
    assert_int_equal(mur_gzip_writer_create(&writer, sink, 1, 2, &error), MUR_OK);
    assert_int_equal(mur_gzip_writer_write(writer, bytes, 8000000, &error), MUR_NO_SPACE);
    assert_int_equal(mur_gzip_writer_finish(writer, &error), MUR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_length_comes_back),
        cmocka_unit_test(threads_and_pieces_do_not_change_the_bytes),
        cmocka_unit_test(failing_sink_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
