/* The configuration: defaults, files, overrides, and what is said about mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/builtin.h"
#include "core/config.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

static void defaults_are_those_that_are_promised(void **state)
{
    (void)state;
    MUR_AUTO(mur_config) *config = NULL;
    assert_int_equal(mur_config_create(&config, NULL), MUR_OK);
    assert_string_equal(config->node_ae_title, "MURPACS");
    assert_string_equal(config->dicom_bind, "127.0.0.1");
    assert_int_equal(config->dicom_port, 11112);
    assert_int_equal(config->dicom_max_associations, 256);
    assert_int_equal(config->dicom_idle_timeout_s, 60);
    assert_int_equal(config->dicom_artim_timeout_s, 30);
    assert_int_equal(config->dicom_durability, MUR_DURABILITY_DURABLE);
    assert_true(config->dicom_accept_unknown_sop_classes);
    assert_false(config->dicom_check_called_ae_title);
    assert_int_equal(config->dicom_unknown_peers, MUR_RIGHTS_WRITE);
    assert_int_equal(config->web_port, 8042);
    assert_true(config->store_min_free == 64 * 1024 * 1024);
    assert_int_equal(config->log_level, MUR_LOG_LEVEL_INFO);
    assert_int_equal(config->peer_count, 0);
}

static void no_file_and_an_empty_one_leave_the_defaults(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    char path[] = "/tmp/murpacs-empty-XXXXXX"; /* mkstemp leaves it empty */
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    const char *const paths[] = {"/dev/null", path};
    for (size_t i = 0; i < MUR_COUNT(paths); i++) {
        MUR_AUTO(mur_config) *config = NULL;
        assert_int_equal(mur_config_load(&config, paths[i], &error), MUR_OK);
        assert_int_equal(config->dicom_port, 11112);
    }
    (void)remove(path);
}

static void a_file_overlays_the_defaults(void **state)
{
    (void)state;
    MUR_AUTO(mur_config) *config = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const char text[] =
        "dicom: { port = 104; durability = \"process\"; unknown_peers = \"\"; };\n"
        "store = { min_free = 2147483648L; };\n"
        "peers = ( { ae_title = \" VIEWER \"; host = \"::1\"; port = 4242; rights = \"rw\"; },\n"
        "          { ae_title = \"CT 1\"; host = \"ct.example\"; port = 104; rights = \"\"; } );\n";
    assert_int_equal(mur_config_parse(&config, text, "x.cfg", &error), MUR_OK);
    assert_int_equal(config->dicom_port, 104);
    assert_int_equal(config->dicom_durability, MUR_DURABILITY_PROCESS);
    assert_int_equal(config->dicom_unknown_peers, MUR_RIGHTS_NONE);
    assert_true(config->store_min_free == UINT64_C(2147483648));
    assert_int_equal(config->dicom_idle_timeout_s, 60);
    const struct mur_peer *peer = mur_config_find_peer(config, "VIEWER");
    assert_non_null(peer);
    assert_string_equal(peer->host, "::1");
    assert_int_equal(peer->port, 4242);
    assert_int_equal(peer->rights, MUR_RIGHTS_BOTH);
    assert_non_null(mur_config_find_peer(config, "CT 1  "));
    assert_null(mur_config_find_peer(config, "viewer")); /* AE Titles have case (PS3.5 6.2) */
}

static void mistakes_are_told_with_place_and_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"dicom: {\n  prot = 1;\n};", "x.cfg:2: unknown key dicom.prot; did you mean dicom.port?"},
        {"log: { zzzzzzzz = 1; };", "x.cfg:1: unknown key log.zzzzzzzz; log has: level, format"},
        {"\nfoo: { };", "x.cfg:2: unknown key foo; there are the groups node, dicom, "},
        {"dicom = 3;", "x.cfg:1: dicom must be a group: dicom: { ... };"},
        {"dicom: { port = \"104\"; };",
         "x.cfg:1: dicom.port must be a whole number from 0 to 65535"},
        {"dicom: { port = 65536; };", "x.cfg:1: dicom.port must be a whole number from 0 to 65535"},
        {"dicom: { port = 1.5; };", "x.cfg:1: dicom.port must be a whole number from 0 to 65535"},
        {"dicom: { durability = \"fast\"; };",
         "x.cfg:1: dicom.durability must be \"durable\" or \"process\""},
        {"dicom: { unknown_peers = \"wr\"; };",
         "x.cfg:1: dicom.unknown_peers must be \"\", \"r\", \"w\" or \"rw\""},
        {"web: { enabled = 1; };", "x.cfg:1: web.enabled must be true or false"},
        {"dicom: { bind = \"localhost\"; };",
         "x.cfg:1: dicom.bind \"localhost\" is no numeric address, such as \"127.0.0.1\" or "
         "\"::1\""},
        {"node: { data_dir = \"\"; };", "x.cfg:1: node.data_dir must not be empty"},
        {"store: { min_free = \"64X\"; };",
         "x.cfg:1: store.min_free \"64X\" is no size: a number of bytes, or with K, M, G or T"},
        {"store: { min_free = -1; };",
         "x.cfg:1: store.min_free \"\" is no size: a number of bytes, or with K, M, G or T"},
        {"peers = { };", "x.cfg:1: peers must be a list of at most 10000: peers = ( {...} );"},
        {"peers = ( { ae_title = \"A\"; host = \"h\"; port = 1; } );",
         "x.cfg:1: a peer needs all of { ae_title = \"AET\"; host = \"name\"; port = 104; rights "
         "= \"rw\"; }"},
        {"peers = ( { ae_title = \"A\"; hots = \"h\"; } );",
         "x.cfg:1: unknown key hots; a peer has: ae_title, host, port, rights, tls"},
        {"peers = ( { ae_title = \"A\"; host = \"h\"; port = 1; rights = \"\"; },\n"
         "{ ae_title = \"A \"; host = \"g\"; port = 1; rights = \"\"; } );",
         "x.cfg:2: peer \"A \" is listed twice"},
        {"dicom: { port = 1; port = 2; };", "x.cfg:1: duplicate setting name"},
        {"dicom: {\n\n port = ; };", "x.cfg:3: syntax error"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_config *config = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        assert_int_equal(mur_config_parse(&config, cases[i].text, "x.cfg", &error), MUR_INVALID);
        /* The beginning: lists of keys and groups grow. */
        error.message[strnlen(cases[i].message, sizeof error.message - 1)] = '\0';
        assert_string_equal(error.message, cases[i].message);
        assert_null(config);
    }
}

static void ae_titles_are_held_to_the_standard(void **state)
{
    (void)state;
    MUR_AUTO(mur_config) *config = NULL;
    assert_int_equal(mur_config_create(&config, NULL), MUR_OK);
    static const char *const wrong[] = {"",           "   ", "A\\B", "12345678901234567",
                                        "T\xC3\xBCR", "A\tB"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        MUR_AUTO_FREE char *assignment = NULL;
        assert_int_equal(mur_text_format(&assignment, NULL, "node.ae_title=%s", wrong[i]), MUR_OK);
        assert_int_equal(mur_config_set(config, assignment, NULL), MUR_INVALID);
    }
    assert_string_equal(config->node_ae_title, "MURPACS");
    assert_int_equal(mur_config_set(config, "node.ae_title=1234567890123456", NULL), MUR_OK);
}

static void overrides_change_one_key_or_nothing(void **state)
{
    (void)state;
    MUR_AUTO(mur_config) *config = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_config_create(&config, &error), MUR_OK);
    assert_int_equal(mur_config_set(config, "dicom.port=0", &error), MUR_OK);
    assert_int_equal(config->dicom_port, 0);
    assert_int_equal(mur_config_set(config, " dicom.unknown_peers=rw", &error), MUR_OK);
    assert_int_equal(config->dicom_unknown_peers, MUR_RIGHTS_BOTH);
    assert_int_equal(mur_config_set(config, "web.enabled=TRUE", &error), MUR_OK);
    assert_true(config->web_enabled);
    assert_int_equal(mur_config_set(config, "store.min_free=2K", &error), MUR_OK);
    assert_true(config->store_min_free == 2048);
    assert_int_equal(mur_config_set(config, "isa.mapping_file=a=b", &error), MUR_OK);
    assert_string_equal(config->isa_mapping_file, "a=b");

    static const char *const wrong[] = {"dicom.port",
                                        "dicom.port=",
                                        "dicom.port=1x",
                                        "dicom.port=-1",
                                        "dicom.prot=1",
                                        "=1",
                                        "",
                                        "web.enabled=1",
                                        "store.min_free=99999999T",
                                        "peers=x",
                                        "dicom=1"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        assert_int_equal(mur_config_set(config, wrong[i], &error), MUR_INVALID);
    assert_int_equal(config->dicom_port, 0);
}

static void the_file_in_etc_is_the_default_one(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer made = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer kept = MUR_BUFFER_INIT;
    assert_int_equal(mur_config_write_default(&made, NULL), MUR_OK);
    assert_int_equal(mur_file_read_all(&kept, MUR_SOURCE_DIR "/etc/murpacs.cfg", 1 << 20, NULL),
                     MUR_OK);
    /* When it differs: murpacs config --print-default > etc/murpacs.cfg */
    assert_string_equal(mur_buffer_text(&kept), mur_buffer_text(&made));
    assert_string_equal(mur_builtin_text("murpacs.cfg"), mur_buffer_text(&made));
    assert_null(mur_builtin_text("nothing.cfg"));
}

static void the_default_file_changes_nothing(void **state)
{
    (void)state;
    MUR_AUTO(mur_config) *loaded = NULL;
    MUR_AUTO(mur_config) *defaults = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_config_load(&loaded, MUR_SOURCE_DIR "/etc/murpacs.cfg", &error), MUR_OK);
    assert_int_equal(mur_config_create(&defaults, &error), MUR_OK);
    MUR_AUTO_BUFFER struct mur_buffer a = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer b = MUR_BUFFER_INIT;
    assert_int_equal(mur_config_write_values(&a, loaded, &error), MUR_OK);
    assert_int_equal(mur_config_write_values(&b, defaults, &error), MUR_OK);
    assert_string_equal(mur_buffer_text(&a), mur_buffer_text(&b));
}

static void unreadable_and_binary_files_are_named(void **state)
{
    (void)state;
    struct mur_config *config = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_config_load(&config, "no/such.cfg", &error), MUR_NOT_FOUND);
    assert_string_equal(error.message, "configuration: no/such.cfg: No such file or directory");
    char path[] = "config_test.XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(mur_write_full(descriptor, "\nlog:\0 {};", 10, path, &error), MUR_OK);
    assert_int_equal(close(descriptor), 0);
    enum mur_status status = mur_config_load(&config, path, &error);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(status, MUR_INVALID);
    assert_non_null(strstr(error.message, ":2: NUL byte"));
}

static void an_included_file_lies_beside_and_is_named(void **state)
{
    (void)state;
    char folder[] = "config_test.XXXXXX";
    assert_non_null(mkdtemp(folder));
    MUR_AUTO_FREE char *outer = NULL;
    MUR_AUTO_FREE char *inner = NULL;
    assert_int_equal(mur_path_join(&outer, folder, "outer.cfg", NULL), MUR_OK);
    assert_int_equal(mur_path_join(&inner, folder, "inner.cfg", NULL), MUR_OK);
    static const char outer_text[] = "web: { port = 1; };\n@include \"inner.cfg\"\n";
    static const char inner_text[] = "\nlog: { level = \"loud\"; };\n";
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_config *config = NULL;
    assert_int_equal(mur_file_write_all(outer, outer_text, strlen(outer_text), 0600, &error),
                     MUR_OK);
    assert_int_equal(mur_file_write_all(inner, inner_text, strlen(inner_text), 0600, &error),
                     MUR_OK);
    enum mur_status status = mur_config_load(&config, outer, &error);
    (void)unlink(outer);
    (void)unlink(inner);
    (void)rmdir(folder);
    assert_int_equal(status, MUR_INVALID);
    assert_non_null(strstr(error.message, "inner.cfg:2: log.level must be \"error\""));
}

static void values_in_force_show_peers_and_quotes(void **state)
{
    (void)state;
    MUR_AUTO(mur_config) *config = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const char file[] = "web: { viewer_dir = \"a\\\"b\\\\c\"; };"
                        "peers = ({ ae_title = \"A\"; host = \"h\"; port = 1; rights = \"r\"; });";
    assert_int_equal(mur_config_parse(&config, file, "x", NULL), MUR_OK);
    assert_int_equal(mur_config_write_values(&text, config, NULL), MUR_OK);
    assert_non_null(strstr(mur_buffer_text(&text), "web.viewer_dir = \"a\\\"b\\\\c\"\n"));
    assert_non_null(strstr(mur_buffer_text(&text), "store.min_free = \"64M\"\n"));
    assert_non_null(strstr(mur_buffer_text(&text),
                           "peers = ({ ae_title = \"A\"; host = \"h\"; port = 1; rights = "
                           "\"r\"; })\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_that_are_promised),
        cmocka_unit_test(no_file_and_an_empty_one_leave_the_defaults),
        cmocka_unit_test(a_file_overlays_the_defaults),
        cmocka_unit_test(mistakes_are_told_with_place_and_remedy),
        cmocka_unit_test(ae_titles_are_held_to_the_standard),
        cmocka_unit_test(overrides_change_one_key_or_nothing),
        cmocka_unit_test(the_file_in_etc_is_the_default_one),
        cmocka_unit_test(the_default_file_changes_nothing),
        cmocka_unit_test(unreadable_and_binary_files_are_named),
        cmocka_unit_test(an_included_file_lies_beside_and_is_named),
        cmocka_unit_test(values_in_force_show_peers_and_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
