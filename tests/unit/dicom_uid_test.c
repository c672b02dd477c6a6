/* UIDs: what is valid, what is let pass, what is made from names. */
#include "dicom_support.h"

#include "dicom/uid.h"

static void uids_are_valid_by_the_standard(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "1.2.840.10008.1.1", "0", "2.25.0", MUR_IMPLEMENTATION_CLASS_UID,
        "1.2.333333333333333333333333333333333333333333333333333333333333"};
    static const char *const invalid[] = {
        "",     ".1",
        "1.",   "1..2",
        "1.02", "1.2a",
        "1.2 ", "../../etc/passwd",
        "..",   "1.2.3333333333333333333333333333333333333333333333333333333333333"};
    for (size_t i = 0; i < MUR_COUNT(valid); i++)
        assert_true(mur_uid_valid(mur_slice_of(valid[i])));
    for (size_t i = 0; i < MUR_COUNT(invalid); i++)
        assert_false(mur_uid_valid(mur_slice_of(invalid[i])));
}

static void the_world_may_send_leading_zeros_but_no_paths(void **state)
{
    (void)state;
    static const char *const acceptable[] = {"1.2.840.10008.1.1", "1.02", "1..2"};
    static const char *const not [] = {"", ".", "..", "1.", ".1", "1/2", "1.2\n", "1.a"};
    for (size_t i = 0; i < MUR_COUNT(acceptable); i++)
        assert_true(mur_uid_acceptable(mur_slice_of(acceptable[i])));
    for (size_t i = 0; i < MUR_COUNT(not ); i++)
        assert_false(mur_uid_acceptable(mur_slice_of(not [i])));
    struct mur_slice padded = {.data = "1.2\0 ", .length = 5};
    assert_true(mur_slice_equal(mur_uid_trim(padded), "1.2"));
}

static void a_name_always_gives_the_same_uid(void **state)
{
    (void)state;
    char uid[MUR_UID_TEXT_SIZE];
    char again[MUR_UID_TEXT_SIZE];
    /* computed by Python: uuid.uuid5(uuid.UUID("63c3791e-5337-5db1-ab9c-2c808c825ab6"), ...).int */
    assert_int_equal(mur_uid_from_name(uid, &mur_uid_murpacs, mur_slice_of("implementation"), NULL),
                     MUR_OK);
    assert_string_equal(uid, MUR_IMPLEMENTATION_CLASS_UID);
    assert_int_equal(mur_uid_from_name(again, &mur_uid_murpacs, mur_slice_of("other"), NULL),
                     MUR_OK);
    assert_string_not_equal(uid, again);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u", i);
        assert_int_equal(mur_uid_from_name(uid, &mur_uid_murpacs, mur_slice_of(name), NULL),
                         MUR_OK);
        assert_true(strlen(uid) <= 44 && mur_uid_valid(mur_slice_of(uid)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uids_are_valid_by_the_standard),
        cmocka_unit_test(the_world_may_send_leading_zeros_but_no_paths),
        cmocka_unit_test(a_name_always_gives_the_same_uid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
