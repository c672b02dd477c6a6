/* What a scan says, in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/own.h"
#include "db/said.h"

static const char long_text[MUR_SAID_TEXT + 2] = {[0 ... MUR_SAID_TEXT] = 'x'};

static void append(struct mur_buffer *out, const struct mur_said *cell)
{
    assert_int_equal(mur_said_append(out, cell, NULL), MUR_OK);
}

static void fill(struct mur_buffer *out)
{
    append(out, &(struct mur_said){.place = 0,
                                   .cell = 1,
                                   .column = 127,
                                   .text = mur_slice_of("23.4"),
                                   .unit = mur_slice_of("gram"),
                                   .has_number = true,
                                   .number = 23.4});
    append(out, &(struct mur_said){
                    .place = 1, .cell = 300000, .column = 128, .text = mur_slice_of(long_text)});
    append(out, &(struct mur_said){.place = 16384, .cell = UINT32_MAX, .column = 2});
}

static void cells_come_back_in_their_order_and_long_ones_without_texts(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer buffer = MUR_BUFFER_INIT;
    fill(&buffer);
    struct mur_slice rest = {.data = buffer.data, .length = buffer.length};
    struct mur_said one;
    assert_true(mur_said_next(&one, &rest));
    assert_int_equal(one.column, 127);
    assert_true(mur_slice_equal(one.text, "23.4"));
    assert_true(mur_slice_equal(one.unit, "gram"));
    assert_true(one.has_number && one.number == 23.4);
    assert_true(mur_said_next(&one, &rest));
    assert_true(one.is_long);
    assert_int_equal(one.cell, 300000);
    assert_int_equal(one.text.length, 0);
    assert_true(mur_said_next(&one, &rest));
    assert_int_equal(one.place, 16384);
    assert_int_equal(one.cell, UINT32_MAX);
    assert_false(one.is_long || one.has_number);
    assert_false(mur_said_next(&one, &rest));
    assert_int_equal(rest.length, 0);
}

static void what_is_cut_off_is_told_from_an_end(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer buffer = MUR_BUFFER_INIT;
    fill(&buffer);
    size_t whole = 0;
    for (size_t length = 0; length <= buffer.length; length++) {
        MUR_AUTO_FREE char *copy = NULL; /* of this length, so that a sanitizer sees what is read */
        const struct mur_slice part = {.data = buffer.data, .length = length};
        assert_int_equal(mur_text_copy(&copy, part, NULL), MUR_OK);
        struct mur_slice rest = {.data = copy, .length = length};
        struct mur_said one;
        while (mur_said_next(&one, &rest))
            ;
        whole += rest.length == 0;
    }
    assert_int_equal(whole, 4); /* after none, one, two and three cells */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_come_back_in_their_order_and_long_ones_without_texts),
        cmocka_unit_test(what_is_cut_off_is_told_from_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
