#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/config_tree.h"

static struct mur_config_tree *parse(const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_config_tree *tree = NULL;
    if (mur_config_tree_parse(&tree, text, "some.cfg", &error) != MUR_OK)
        fail_msg("%s", error.message);
    return tree;
}

static void members_come_with_their_types_and_in_order(void **state)
{
    (void)state;
    MUR_AUTO(mur_config_tree) *tree =
        parse("a = { text = \"x µ\"; n = 7; on = true; };\nb = ( \"p\", \"q\" );\nc = [1.5];\n");
    const struct mur_setting *root = mur_config_tree_root(tree);
    assert_int_equal(mur_setting_count(root), 3);
    const struct mur_setting *group = mur_setting_get(root, "a");
    struct mur_error error = MUR_ERROR_INIT;
    const char *text = NULL;
    int64_t number = 0;
    bool on = false;
    assert_int_equal(mur_setting_get_text(&text, group, "text", &error), MUR_OK);
    assert_string_equal(text, "x µ");
    assert_int_equal(mur_setting_get_int(&number, group, "n", 0, 7, &error), MUR_OK);
    assert_int_equal(number, 7);
    assert_int_equal(mur_setting_get_bool(&on, group, "on", &error), MUR_OK);
    assert_true(on);
    assert_int_equal(mur_setting_text_at(&text, mur_setting_get(root, "b"), 1, &error), MUR_OK);
    assert_string_equal(text, "q");
    assert_int_equal(mur_setting_type(mur_setting_at(mur_setting_get(root, "c"), 0)),
                     MUR_SETTING_DOUBLE);
    text = "kept";
    assert_int_equal(mur_setting_get_text(&text, group, "none", &error), MUR_OK);
    assert_string_equal(text, "kept");
}

static void what_is_wrong_names_file_and_line(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_config_tree *none = NULL;
    assert_int_equal(mur_config_tree_parse(&none, "a = 1;\nb = = 2;\n", "some.cfg", &error),
                     MUR_INVALID);
    assert_null(none);
    assert_memory_equal(error.message, "some.cfg:2:", 11);

    MUR_AUTO(mur_config_tree) *tree = parse("a =\n{\n  n = 7;\n  wrong = \"x\";\n};\nb = 1;\n");
    const struct mur_setting *group = mur_setting_get(mur_config_tree_root(tree), "a");
    const char *text = NULL;
    assert_int_equal(mur_setting_get_text(&text, group, "n", &error), MUR_INVALID);
    assert_memory_equal(error.message, "some.cfg:3:", 11);
    int64_t number = 0;
    assert_int_equal(mur_setting_get_int(&number, group, "n", 8, 9, &error), MUR_INVALID);
    assert_non_null(strstr(error.message, "from 8 to 9"));
    const char *const names[] = {"n", NULL};
    assert_int_equal(mur_setting_check_names(group, names, &error), MUR_INVALID);
    assert_string_equal(error.message, "some.cfg:4: unknown setting \"wrong\"");
    const struct mur_setting *list = NULL;
    assert_int_equal(
        mur_setting_get_members(&list, mur_config_tree_root(tree), "b", MUR_SETTING_LIST, &error),
        MUR_INVALID);
    assert_memory_equal(error.message, "some.cfg:6:", 11);
    assert_int_equal(mur_config_tree_load(&none, "/nonexistent.cfg", &error), MUR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_with_their_types_and_in_order),
        cmocka_unit_test(what_is_wrong_names_file_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
