/* What a stored object takes in memory: what it holds counts, not what it claims or how short it
 * is. */
#include "dicom_support.h"

#include <sys/mman.h>
#include <unistd.h>

#include "core/deflate.h"
#include "dicom/measure.h"
#include "dicom/transfer_syntax.h"

/* 3 frames of 4 x 5 pixels of 16 bits in two fragments after an empty offset table, and before that
 * an icon of 2 x 2 pixels of 8 bits in an item. */
static const uint8_t encapsulated[] = "\x28\0\x08\0IS\x02\0"
                                      "3 "
                                      "\x28\0\x10\0US\x02\0\x04\0"
                                      "\x28\0\x11\0US\x02\0\x05\0"
                                      "\x28\0\0\x01US\x02\0\x10\0"
                                      "\x88\0\0\x02SQ\0\0\xFF\xFF\xFF\xFF"
                                      "\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF"
                                      "\x28\0\x10\0US\x02\0\x02\0"
                                      "\x28\0\x11\0US\x02\0\x02\0"
                                      "\x28\0\0\x01US\x02\0\x08\0"
                                      "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                      "\xFE\xFF\0\xE0\0\0\0\0"
                                      "\xFE\xFF\xDD\xE0\0\0\0\0"
                                      "\xFE\xFF\x0D\xE0\0\0\0\0"
                                      "\xFE\xFF\xDD\xE0\0\0\0\0"
                                      "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                      "\xFE\xFF\0\xE0\0\0\0\0"
                                      "\xFE\xFF\0\xE0\x02\0\0\0\x01\x02"
                                      "\xFE\xFF\0\xE0\x02\0\0\0\x01\x02"
                                      "\xFE\xFF\xDD\xE0\0\0\0\0";

static enum mur_status measure(struct mur_measure *out, const void *bytes, size_t length,
                               const char *syntax, uint64_t most)
{
    MUR_AUTO_CLOSE int file = memfd_create("measured", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(write(file, "head", 4), 4);
    assert_int_equal(write(file, bytes, length), length);
    return mur_measure_file(out, file, 4, syntax, most, "measured", NULL);
}

static void elements_items_fragments_and_pixels_of_all_levels_count(void **state)
{
    (void)state;
    struct mur_measure size;
    assert_int_equal(measure(&size, encapsulated, sizeof(encapsulated) - 1, mur_uid_RLELossless, 0),
                     MUR_OK);
    assert_int_equal(size.length, sizeof(encapsulated) - 1);
    assert_int_equal(size.objects, 10 + 1 + 4);
    assert_int_equal(size.pixels, 3 * 4 * 5 * 2 + 2 * 2);
    assert_int_equal(size.held, 7 * 2 + 2 * 2);
    assert_int_equal(mur_measure_decoded(&size), mur_measure_written(&size) + 2 * size.pixels);
    assert_true(mur_measure_loaded(&size) < mur_measure_written(&size));
}

static void values_that_stay_in_the_file_are_not_held(void **state)
{
    (void)state;
    static const uint8_t head[] = "\xE0\x7F\x10\0OW\0\0\0\0\x10\0";
    struct mur_measure size;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO_FREE char *pixels = calloc(1, 1 << 20);
    assert_int_equal(mur_buffer_append(&bytes, head, sizeof(head) - 1, NULL), MUR_OK);
    assert_int_equal(mur_buffer_append(&bytes, pixels, 1 << 20, NULL), MUR_OK);
    assert_int_equal(measure(&size, bytes.data, bytes.length, mur_uid_ExplicitVRLittleEndian, 0),
                     MUR_OK);
    assert_int_equal(size.held, 0);
    assert_int_equal(size.pixels, 0); /* they are no more than the length */
    assert_true(mur_measure_loaded(&size) < 1 << 10);
    assert_true(mur_measure_written(&size) > 2 << 20);
}

static void what_claims_more_than_can_be_counted_takes_more_than_there_is(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(encapsulated) - 1];
    memcpy(bytes, encapsulated, sizeof bytes);
    struct mur_measure size;
    for (size_t at = 18; at <= 28; at += 10)
        memset(bytes + at, 0xFF, 2); /* Rows, Columns */
    assert_int_equal(measure(&size, bytes, sizeof bytes, mur_uid_RLELossless, 0), MUR_OK);
    assert_int_equal(size.pixels, UINT64_C(3) * 65535 * 65535 * 2 + 4);
    const struct mur_measure largest = {
        .length = UINT64_MAX, .held = 1, .objects = UINT64_MAX, .pixels = UINT64_MAX};
    assert_true(mur_measure_loaded(&largest) == UINT64_MAX);
    assert_true(mur_measure_written(&largest) == UINT64_MAX);
    assert_true(mur_measure_decoded(&largest) == UINT64_MAX);
}

static void what_is_deflated_counts_as_what_it_inflates_to(void **state)
{
    (void)state;
    enum { ITEMS = 10000, LENGTH = 16 * ITEMS };
    static const uint8_t head[] = "\x40\0\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF";
    static const uint8_t item[] = "\xFE\xFF\0\xE0\x08\0\0\0\x08\0\0\x01SH\0\0";
    static const uint8_t end[] = "\xFE\xFF\xDD\xE0\0\0\0\0";
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_deflate_writer) *writer = NULL;
    struct mur_measure size;
    assert_int_equal(mur_deflate_writer_create(&writer, mur_sink_buffer(&bytes), 6, NULL), MUR_OK);
    assert_int_equal(mur_deflate_writer_write(writer, head, sizeof(head) - 1, NULL), MUR_OK);
    for (unsigned i = 0; i < ITEMS; i++)
        assert_int_equal(mur_deflate_writer_write(writer, item, sizeof(item) - 1, NULL), MUR_OK);
    assert_int_equal(mur_deflate_writer_write(writer, end, sizeof(end) - 1, NULL), MUR_OK);
    assert_int_equal(mur_deflate_writer_finish(writer, NULL), MUR_OK);
    assert_true(bytes.length < LENGTH / 100);
    assert_int_equal(measure(&size, bytes.data, bytes.length,
                             mur_uid_DeflatedExplicitVRLittleEndian, LENGTH + 100),
                     MUR_OK);
    assert_int_equal(size.objects, 1 + 2 * ITEMS);
    assert_int_equal(size.length, LENGTH + 20);
    assert_int_equal(size.held, size.length);
    assert_true(mur_measure_loaded(&size) > 30 * LENGTH);
    assert_int_equal(measure(&size, bytes.data, bytes.length,
                             mur_uid_DeflatedExplicitVRLittleEndian, LENGTH / 2),
                     MUR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_items_fragments_and_pixels_of_all_levels_count),
        cmocka_unit_test(values_that_stay_in_the_file_are_not_held),
        cmocka_unit_test(what_claims_more_than_can_be_counted_takes_more_than_there_is),
        cmocka_unit_test(what_is_deflated_counts_as_what_it_inflates_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
