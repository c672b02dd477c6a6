/* Compression: what goes in comes out, limits hold, damage is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <zlib.h>

#include "core/compress.h"
#include "core/file.h"
#include "core/own.h"

enum { SIZE = 300000 };

/* Compressible, but not trivially so. */
static unsigned char *sample(void)
{
    unsigned char *bytes = malloc(SIZE);
    uint32_t seed = 1;
    for (size_t i = 0; bytes != NULL && i < SIZE; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(seed >> 28);
    }
    return bytes;
}

static void zstd_gives_back_what_it_got(void **state)
{
    (void)state;
    MUR_AUTO_FREE unsigned char *bytes = sample();
    MUR_AUTO_BUFFER struct mur_buffer packed = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
    assert_int_equal(mur_zstd_compress(&packed, bytes, SIZE, 3, NULL), MUR_OK);
    assert_true(packed.length < SIZE * 3 / 4);
    assert_int_equal(mur_buffer_append_text(&plain, "kept", NULL), MUR_OK);
    assert_int_equal(mur_zstd_decompress(&plain, packed.data, packed.length, SIZE, NULL), MUR_OK);
    assert_int_equal(plain.length, SIZE + 4);
    assert_memory_equal(plain.data + 4, bytes, SIZE);
}

static void zstd_refuses_bombs_damage_and_cuts(void **state)
{
    (void)state;
    MUR_AUTO_FREE unsigned char *bytes = sample();
    MUR_AUTO_BUFFER struct mur_buffer packed = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
    assert_int_equal(mur_zstd_compress(&packed, bytes, SIZE, 3, NULL), MUR_OK);
    assert_int_equal(mur_zstd_decompress(&plain, packed.data, packed.length, SIZE - 1, NULL),
                     MUR_LIMIT);
    assert_int_equal(mur_zstd_decompress(&plain, packed.data, packed.length - 1, SIZE, NULL),
                     MUR_CORRUPT);
    assert_int_equal(mur_zstd_decompress(&plain, packed.data, 0, SIZE, NULL), MUR_CORRUPT);
    assert_int_equal(mur_zstd_decompress(&plain, "no frame", 8, SIZE, NULL), MUR_CORRUPT);
    assert_int_equal(plain.length, 0);
}

static void zstd_writes_and_reads_files_as_streams(void **state)
{
    (void)state;
    MUR_AUTO_FREE unsigned char *bytes = sample();
    char path[] = "compress_test.XXXXXX";
    MUR_AUTO_CLOSE int descriptor = mkostemp(path, O_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(unlink(path), 0);
    MUR_AUTO(mur_zstd_writer) *writer = NULL;
    assert_int_equal(mur_zstd_writer_create(&writer, mur_sink_descriptor(&descriptor), 3, NULL),
                     MUR_OK);
    struct mur_sink sink = mur_zstd_writer_sink(writer);
    for (size_t i = 0; i < SIZE; i += 1000)
        assert_int_equal(sink.write(sink.user, bytes + i, 1000, NULL), MUR_OK);
    assert_int_equal(mur_zstd_writer_finish(writer, NULL), MUR_OK);

    MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
    assert_true(lseek(descriptor, 0, SEEK_SET) == 0);
    assert_int_equal(mur_zstd_read(mur_sink_buffer(&plain), descriptor, SIZE, NULL), MUR_OK);
    assert_int_equal(plain.length, SIZE);
    assert_memory_equal(plain.data, bytes, SIZE);
    assert_true(lseek(descriptor, 0, SEEK_SET) == 0);
    assert_int_equal(mur_zstd_read(mur_sink_buffer(&plain), descriptor, SIZE / 2, NULL), MUR_LIMIT);

    /* One flipped bit in the middle: the frame's checksum tells. */
    char byte;
    assert_int_equal(pread(descriptor, &byte, 1, 5000), 1);
    byte = (char)(byte ^ 4);
    assert_int_equal(pwrite(descriptor, &byte, 1, 5000), 1);
    assert_true(lseek(descriptor, 0, SEEK_SET) == 0);
    mur_buffer_clear(&plain);
    assert_int_equal(mur_zstd_read(mur_sink_buffer(&plain), descriptor, 2 * SIZE, NULL),
                     MUR_CORRUPT);
}

static size_t deflate_raw(unsigned char *out, size_t size, unsigned char *bytes, size_t length)
{
    z_stream stream = {.next_in = bytes,
                       .avail_in = (unsigned)length,
                       .next_out = out,
                       .avail_out = (unsigned)size};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t used = stream.total_out;
    (void)deflateEnd(&stream);
    return used;
}

static void inflate_takes_pieces_and_ignores_padding(void **state)
{
    (void)state;
    MUR_AUTO_FREE unsigned char *bytes = sample();
    MUR_AUTO_FREE unsigned char *packed = malloc(SIZE + 100);
    assert_non_null(packed);
    size_t length = deflate_raw(packed, SIZE + 100, bytes, SIZE);
    packed[length++] = 0; /* PS3.5 A.5: padded to even length */
    MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
    MUR_AUTO(mur_inflate) *inflate = NULL;
    assert_int_equal(mur_inflate_create(&inflate, SIZE, NULL), MUR_OK);
    for (size_t i = 0; i < length; i += 777) {
        size_t part = length - i < 777 ? length - i : 777;
        assert_int_equal(
            mur_inflate_write(inflate, mur_sink_buffer(&plain), packed + i, part, NULL), MUR_OK);
    }
    assert_true(mur_inflate_ended(inflate));
    assert_int_equal(plain.length, SIZE);
    assert_memory_equal(plain.data, bytes, SIZE);
}

static void inflate_refuses_bombs_and_damage_and_sees_cuts(void **state)
{
    (void)state;
    MUR_AUTO_FREE unsigned char *bytes = calloc(1, SIZE);
    unsigned char packed[2000];
    assert_non_null(bytes);
    size_t length = deflate_raw(packed, sizeof packed, bytes, SIZE);
    MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
    struct mur_sink sink = mur_sink_buffer(&plain);

    MUR_AUTO(mur_inflate) *small = NULL;
    assert_int_equal(mur_inflate_create(&small, SIZE - 1, NULL), MUR_OK);
    assert_int_equal(mur_inflate_write(small, sink, packed, length, NULL), MUR_LIMIT);

    MUR_AUTO(mur_inflate) *cut = NULL;
    assert_int_equal(mur_inflate_create(&cut, SIZE, NULL), MUR_OK);
    assert_int_equal(mur_inflate_write(cut, sink, packed, length - 2, NULL), MUR_OK);
    assert_false(mur_inflate_ended(cut));

    MUR_AUTO(mur_inflate) *wrong = NULL;
    assert_int_equal(mur_inflate_create(&wrong, SIZE, NULL), MUR_OK);
    assert_int_equal(mur_inflate_write(wrong, sink, "\xFF\xFF\xFF\xFF", 4, NULL), MUR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zstd_gives_back_what_it_got),
        cmocka_unit_test(zstd_refuses_bombs_damage_and_cuts),
        cmocka_unit_test(zstd_writes_and_reads_files_as_streams),
        cmocka_unit_test(inflate_takes_pieces_and_ignores_padding),
        cmocka_unit_test(inflate_refuses_bombs_and_damage_and_sees_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
