/* Whom to talk to, in the three ways people write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/own.h"
#include "scu/address.h"

static const char configuration[] =
    "node = { ae_title = \"MOUSE\"; };\n"
    "peers = ({ ae_title = \"PACS\"; host = \"10.0.0.7\"; port = 104; rights = \"rw\"; },\n"
    "         { ae_title = \"OLD PACS\"; host = \"old.example\"; port = 4242; rights = \"r\"; "
    "});\n";

static int set_up(void **state)
{
    struct mur_config *config = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    int failed = mur_config_parse(&config, configuration, "test", &error) != MUR_OK;
    *state = config;
    return failed;
}

static int tear_down(void **state)
{
    mur_config_free(*state);
    return 0;
}

static struct mur_address parse(const struct mur_config *config, const char *first,
                                const char *second, size_t words)
{
    struct mur_address address;
    struct mur_error error = MUR_ERROR_INIT;
    const char *const given[] = {first, second, "file.dcm"};
    size_t used = 0;
    if (mur_address_parse(&address, &used, given, 3, config, &error) != MUR_OK)
        fail_msg("%s: %s", first, error.message);
    assert_int_equal(used, words);
    assert_string_equal(address.calling_ae_title, "MOUSE");
    return address;
}

static void host_and_port_call_any_scp(void **state)
{
    struct mur_address address = parse(*state, "pacs.example", "11112", 2);
    assert_string_equal(address.host, "pacs.example");
    assert_int_equal(address.port, 11112);
    assert_string_equal(address.called_ae_title, "ANY-SCP");
    address = parse(*state, "::1", "104", 2);
    assert_string_equal(address.host, "::1");
}

static void title_host_and_port_may_stand_in_one_word(void **state)
{
    struct mur_address address = parse(*state, "STORE@pacs.example:104", "x", 1);
    assert_string_equal(address.called_ae_title, "STORE");
    assert_string_equal(address.host, "pacs.example");
    assert_int_equal(address.port, 104);
    address = parse(*state, "A@B@[fe80::1%eth0]:65535", "x", 1);
    assert_string_equal(address.called_ae_title, "A@B");
    assert_string_equal(address.host, "fe80::1%eth0");
    assert_int_equal(address.port, 65535);
}

static void peers_of_the_configuration_are_known_by_name(void **state)
{
    struct mur_address address = parse(*state, "PACS", "11112", 1);
    assert_string_equal(address.host, "10.0.0.7");
    assert_int_equal(address.port, 104);
    assert_string_equal(address.called_ae_title, "PACS");
    address = parse(*state, "OLD PACS", "x", 1);
    assert_string_equal(address.called_ae_title, "OLD PACS");
}

static void what_is_no_address_is_refused_with_what_would_be_one(void **state)
{
    static const struct {
        const char *words[2];
        size_t count;
        const char *told;
    } cases[] = {
        {{"", ""}, 0, "AET@HOST:PORT"},
        {{"pacs.example", ""}, 1, "PACS, OLD PACS"},
        {{"pacs.example", "file.dcm"}, 2, "no port follows"},
        {{"pacs.example", "0"}, 2, "1 to 65535"},
        {{"pacs.example", "70000"}, 2, "1 to 65535"},
        {{"STORE@pacs.example", ""}, 1, "port is missing"},
        {{"STORE@pacs.example:", ""}, 1, "no port"},
        {{"STORE@:104", ""}, 1, "host is missing"},
        {{"@pacs.example:104", ""}, 1, "1 to 16"},
        {{"SEVENTEEN_LETTERS@pacs.example:104", ""}, 1, "longer than 16"},
        {{"ST\\RE@pacs.example:104", ""}, 1, "backslash"},
        {{"STORE@::1:104", ""}, 1, "brackets"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_address address = {.port = 1};
        struct mur_error error = MUR_ERROR_INIT;
        size_t used = 7;
        assert_int_equal(
            mur_address_parse(&address, &used, cases[i].words, cases[i].count, *state, &error),
            MUR_INVALID);
        if (strstr(error.message, cases[i].told) == NULL)
            fail_msg("%s: %s", cases[i].words[0], error.message);
        assert_int_equal(used, 7);
        assert_int_equal(address.port, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_call_any_scp),
        cmocka_unit_test(title_host_and_port_may_stand_in_one_word),
        cmocka_unit_test(peers_of_the_configuration_are_known_by_name),
        cmocka_unit_test(what_is_no_address_is_refused_with_what_would_be_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
