#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converters/label_bits.h"
#include "core/buffer.h"

enum { MOST_PIXELS = 400, FRAMES = 37 };

static enum mur_status append(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    return mur_buffer_append(user, bytes, length, error);
}

/* The same numbers everywhere. */
static uint8_t next_byte(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint8_t)(*state >> 24);
}

/* As PS3.5 8.1.1 and D.1 say: pixel n of all is bit n % 8 of byte n / 8. */
static void frames_of_any_size_follow_each_other_without_a_gap(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    for (size_t pixels = 1; pixels <= MOST_PIXELS; pixels += pixels < 70 ? 1 : 33) {
        struct mur_buffer bytes = MUR_BUFFER_INIT;
        const struct mur_output output = {.write = append, .user = &bytes};
        size_t total = (pixels * FRAMES + 7) / 8 + (pixels * FRAMES + 7) / 8 % 2, at = 0;
        uint8_t *expected = calloc(total, 1);
        uint8_t frame[MOST_PIXELS + 8] = {0}, bits[MOST_PIXELS / 8 + 1];
        size_t padded = (pixels + 7) / 8 * 8;
        uint32_t random = (uint32_t)pixels;
        MUR_AUTO_BIT_WRITER struct mur_bit_writer writer;
        assert_int_equal(mur_bit_writer_init(&writer, &output, &error), MUR_OK);
        for (unsigned number = 0; number < FRAMES; number++) {
            uint64_t count = 0;
            for (size_t pixel = 0; pixel < pixels; pixel++, at++) {
                frame[pixel] = next_byte(&random) % 3;
                expected[at / 8] |= (uint8_t)((frame[pixel] == 2) << at % 8);
                count += frame[pixel] == 2;
            }
            assert_int_equal(mur_bits_equal(bits, frame, padded, 2), count);
            assert_int_equal(mur_bits_count(bits, padded / 8), count);
            assert_int_equal(mur_bit_writer_add(&writer, bits, pixels, &error), MUR_OK);
        }
        assert_int_equal(mur_bit_writer_finish(&writer, total, &error), MUR_OK);
        assert_int_equal(bytes.length, total);
        assert_memory_equal(bytes.data, expected, total);
        mur_buffer_free(&bytes);
        free(expected);
    }
}

static void large_frames_go_the_same_way(void **state)
{
    (void)state;
    enum { LARGE = 1021 * 1031 }; /* bits; more than a piece of the writer, and odd */
    struct mur_error error = MUR_ERROR_INIT;
    static uint8_t bits[LARGE / 8 + 8], expected[LARGE / 8 * 3 + 8];
    uint32_t random = 7;
    for (size_t index = 0; index < sizeof bits; index++)
        bits[index] = next_byte(&random);
    for (size_t pixel = 0; pixel < 3 * (size_t)LARGE; pixel++)
        expected[pixel / 8] |=
            (uint8_t)((bits[pixel % LARGE / 8] >> pixel % LARGE % 8 & 1) << pixel % 8);
    struct mur_buffer bytes = MUR_BUFFER_INIT;
    const struct mur_output output = {.write = append, .user = &bytes};
    MUR_AUTO_BIT_WRITER struct mur_bit_writer writer;
    assert_int_equal(mur_bit_writer_init(&writer, &output, &error), MUR_OK);
    for (unsigned frame = 0; frame < 3; frame++)
        assert_int_equal(mur_bit_writer_add(&writer, bits, LARGE, &error), MUR_OK);
    size_t total = (3 * (size_t)LARGE + 7) / 8;
    assert_int_equal(mur_bit_writer_finish(&writer, total, &error), MUR_OK);
    assert_int_equal(bytes.length, total);
    assert_memory_equal(bytes.data, expected, total);
    mur_buffer_free(&bytes);
}

static void every_byte_that_occurs_is_seen(void **state)
{
    (void)state;
    for (unsigned value = 0; value < MUR_BYTE_VALUES; value++)
        for (size_t at = 0; at < 24; at += 5) {
            uint8_t bytes[24];
            bool present[MUR_BYTE_VALUES];
            memset(bytes, 9, sizeof bytes);
            bytes[at] = (uint8_t)value;
            mur_bytes_present(present, bytes, sizeof bytes);
            for (unsigned other = 0; other < MUR_BYTE_VALUES; other++)
                assert_int_equal(present[other], other == 9 || other == value);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_any_size_follow_each_other_without_a_gap),
        cmocka_unit_test(large_frames_go_the_same_way),
        cmocka_unit_test(every_byte_that_occurs_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
