/* Whose things are when an answer cannot be made. */
#include "web/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <microhttpd.h>

static const char bad_type[] = "text/plain\r\nX: y";

static enum mur_status nothing(void *user, size_t *length, void *bytes, size_t room,
                               struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)room;
    (void)error;
    *length = 0;
    return MUR_OK;
}

static void count_end(void *user)
{
    ++*(int *)user;
}

static void a_stream_stays_the_callers_until_there_is_an_answer(void **state)
{
    (void)state;
    int ends = 0;
    struct mur_exchange exchange = {.code = 0};
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_stream stream = {.read = nothing, .free = count_end, .user = &ends};
    assert_int_equal(mur_answer_stream(&exchange, 200, bad_type, -1, &stream, &error),
                     MUR_INTERNAL);
    assert_int_equal(ends, 0);
    assert_null(exchange.response);
    assert_int_equal(mur_answer_stream(&exchange, 200, "text/plain", -1, &stream, &error), MUR_OK);
    assert_int_equal(ends, 0);
    /* A failure afterwards becomes another answer. */
    assert_int_equal(mur_answer(&exchange, 500, "text/plain", mur_slice_of("x"), &error), MUR_OK);
    assert_int_equal(ends, 1);
    MHD_destroy_response(exchange.response);
}

static void a_file_is_closed_once_by_every_answer(void **state)
{
    (void)state;
    for (int length = 0; length < 2; length++) {
        struct mur_exchange exchange = {.code = 0};
        struct mur_error error = MUR_ERROR_INIT;
        int file = dup(STDIN_FILENO);
        assert_true(file >= 0);
        assert_int_equal(
            mur_answer_file(&exchange, 200, bad_type, file, 0, (uint64_t)length, &error),
            MUR_INTERNAL);
        assert_null(exchange.response);
        int next = dup(STDIN_FILENO);
        assert_int_equal(next, file);
        (void)close(next);
    }
}

static void shared_bytes_are_given_back_once_by_every_answer(void **state)
{
    (void)state;
    int ends = 0;
    struct mur_exchange exchange = {.code = 0};
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_slice bytes = mur_slice_of("shared");
    assert_int_equal(mur_answer_shared(&exchange, 200, bad_type, bytes, count_end, &ends, &error),
                     MUR_INTERNAL);
    assert_int_equal(ends, 1);
    assert_int_equal(
        mur_answer_shared(&exchange, 200, "text/plain", bytes, count_end, &ends, &error), MUR_OK);
    assert_int_equal(ends, 1);
    MHD_destroy_response(exchange.response);
    assert_int_equal(ends, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_stays_the_callers_until_there_is_an_answer),
        cmocka_unit_test(a_file_is_closed_once_by_every_answer),
        cmocka_unit_test(shared_bytes_are_given_back_once_by_every_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
