/* The configuration file, and tables of that syntax. */
#include "core/config.h"
#include "core/config_tree.h"
#include "fuzz.h"

enum { DEPTH = 100 };

/* libconfig forgets the text that stands before a syntax error. The file is read once. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

static void walk(const struct mur_setting *setting, unsigned depth)
{
    const char *text;
    int64_t number;
    fuzz_check(mur_setting_name(setting) != NULL, "no name");
    for (size_t i = 0; depth < DEPTH && i < mur_setting_count(setting); i++) {
        const struct mur_setting *member = mur_setting_at(setting, i);
        fuzz_check(member != NULL, "member %zu is missing", i);
        (void)mur_setting_int_at(&number, setting, i);
        (void)!mur_setting_text_at(&text, setting, i, NULL);
        walk(member, depth + 1);
    }
}

/* The values in force can be written and set again. */
static void check_values(const struct mur_config *config)
{
    MUR_AUTO_BUFFER struct mur_buffer values = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_config_write_values(&values, config, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    fuzz_check(mur_config_find_peer(config, "NOBODY AT ALL, SURELY") == NULL, "found nobody");
    for (size_t i = 0; i < config->peer_count; i++)
        fuzz_check(mur_config_find_peer(config, config->peers[i].ae_title) != NULL, "peer %zu", i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MUR_AUTO_FREE char *text = malloc(size + 1);
    struct mur_error error = MUR_ERROR_INIT;
    fuzz_check(text != NULL, "no memory");
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (strstr(text, "@include") != NULL)
        return 0; /* other files are the administrator's */
    MUR_AUTO(mur_config_tree) *tree = NULL;
    enum mur_status status = mur_config_tree_parse(&tree, text, "input", &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        walk(mur_config_tree_root(tree), 0);
    MUR_AUTO(mur_config) *config = NULL;
    status = mur_config_parse(&config, text, "input", &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        check_values(config);
    else
        fuzz_check(mur_config_create(&config, &error) == MUR_OK, "%s", error.message);
    status = mur_config_set(config, text, &error);
    fuzz_check_status(status, &error);
    return 0;
}
