/* How long tables of the status page are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/status_groups.h"

static void tables_that_are_made_at_once_are_never_kept(void **state)
{
    (void)state;
    assert_false(mur_status_groups_last(0, 0));
    assert_false(mur_status_groups_last(100, 0));
}

static void others_are_kept_for_a_multiple_of_their_making_up_to_a_minute(void **state)
{
    (void)state;
    assert_true(mur_status_groups_last(700, 34999));
    assert_false(mur_status_groups_last(700, 35000));
    assert_true(mur_status_groups_last(100000, 59999));
    assert_false(mur_status_groups_last(100000, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_that_are_made_at_once_are_never_kept),
        cmocka_unit_test(others_are_kept_for_a_multiple_of_their_making_up_to_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
