#include "core/config_tree.h"

#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"

enum { SIZE_LIMIT = 16 * 1024 * 1024 };

struct mur_config_tree {
    config_t config;
    char *name;
};

/* A struct mur_setting is libconfig's own setting; nobody outside sees into it. */
static const config_setting_t *inner(const struct mur_setting *setting)
{
    return (const config_setting_t *)setting;
}

static const struct mur_setting *outer(const config_setting_t *setting)
{
    return (const struct mur_setting *)setting;
}

void mur_config_tree_free(struct mur_config_tree *tree)
{
    if (tree == NULL)
        return;
    config_destroy(&tree->config);
    free(tree->name);
    free(tree);
}

enum mur_status mur_config_tree_parse(struct mur_config_tree **out, const char *text,
                                      const char *name, struct mur_error *error)
{
    struct mur_config_tree *allocated = calloc(1, sizeof *allocated);
    if (allocated == NULL)
        return mur_error_no_memory(error);
    config_init(&allocated->config);
    MUR_AUTO(mur_config_tree) *tree = allocated;
    enum mur_status status = mur_text_copy(&tree->name, mur_slice_of(name), error);
    if (status != MUR_OK)
        return status;
    if (config_read_string(&tree->config, text) != CONFIG_TRUE) {
        const char *file = config_error_file(&tree->config);
        return mur_error_set(error, MUR_INVALID, "%s:%d: %s", file != NULL ? file : name,
                             config_error_line(&tree->config), config_error_text(&tree->config));
    }
    config_setting_set_hook(config_root_setting(&tree->config), tree->name);
    *out = MUR_STEAL(tree);
    return MUR_OK;
}

enum mur_status mur_config_tree_load(struct mur_config_tree **out, const char *path,
                                     struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&text, path, SIZE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    return mur_config_tree_parse(out, mur_buffer_text(&text), path, error);
}

const struct mur_setting *mur_config_tree_root(const struct mur_config_tree *tree)
{
    return outer(config_root_setting(&tree->config));
}

enum mur_setting_type mur_setting_type(const struct mur_setting *setting)
{
    switch (config_setting_type(inner(setting))) {
    case CONFIG_TYPE_GROUP:
        return MUR_SETTING_GROUP;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return MUR_SETTING_INT;
    case CONFIG_TYPE_FLOAT:
        return MUR_SETTING_DOUBLE;
    case CONFIG_TYPE_BOOL:
        return MUR_SETTING_BOOL;
    case CONFIG_TYPE_STRING:
        return MUR_SETTING_TEXT;
    default:
        return MUR_SETTING_LIST;
    }
}

const char *mur_setting_name(const struct mur_setting *setting)
{
    const char *name = config_setting_name(inner(setting));
    return name == NULL ? "" : name;
}

size_t mur_setting_count(const struct mur_setting *setting)
{
    if (setting == NULL || !config_setting_is_aggregate(inner(setting)))
        return 0;
    return (size_t)config_setting_length(inner(setting));
}

const struct mur_setting *mur_setting_at(const struct mur_setting *setting, size_t index)
{
    if (index >= mur_setting_count(setting))
        return NULL;
    return outer(config_setting_get_elem(inner(setting), (unsigned)index));
}

const struct mur_setting *mur_setting_get(const struct mur_setting *group, const char *name)
{
    if (group == NULL || !config_setting_is_group(inner(group)))
        return NULL;
    return outer(config_setting_get_member(inner(group), name));
}

static const char *file_of(const config_setting_t *setting)
{
    const char *file = config_setting_source_file(setting); /* NULL but in an @include */
    while (file == NULL && !config_setting_is_root(setting))
        setting = config_setting_parent(setting);
    return file != NULL ? file : config_setting_get_hook(setting);
}

enum mur_status mur_setting_error(const struct mur_setting *setting, struct mur_error *error,
                                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    MUR_AUTO_FREE char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return mur_error_no_memory(error);
    }
    return mur_error_set(error, MUR_INVALID, "%s:%u: %s", file_of(inner(setting)),
                         (unsigned)config_setting_source_line(inner(setting)), text);
}

enum mur_status mur_setting_check_names(const struct mur_setting *group, const char *const *names,
                                        struct mur_error *error)
{
    if (mur_setting_type(group) != MUR_SETTING_GROUP)
        return mur_setting_error(group, error, "a group { ... } is needed here");
    for (size_t i = 0; i < mur_setting_count(group); i++) {
        const struct mur_setting *member = mur_setting_at(group, i);
        size_t known = 0;
        while (names[known] != NULL && strcmp(names[known], mur_setting_name(member)) != 0)
            known++;
        if (names[known] == NULL)
            return mur_setting_error(member, error, "unknown setting \"%s\"",
                                     mur_setting_name(member));
    }
    return MUR_OK;
}

enum mur_status mur_setting_get_text(const char **out, const struct mur_setting *group,
                                     const char *name, struct mur_error *error)
{
    const struct mur_setting *setting = mur_setting_get(group, name);
    if (setting == NULL)
        return MUR_OK;
    if (mur_setting_type(setting) != MUR_SETTING_TEXT)
        return mur_setting_error(setting, error, "\"%s\" must be a text in quotes", name);
    *out = config_setting_get_string(inner(setting));
    return MUR_OK;
}

enum mur_status mur_setting_get_int(int64_t *out, const struct mur_setting *group, const char *name,
                                    int64_t low, int64_t high, struct mur_error *error)
{
    const struct mur_setting *setting = mur_setting_get(group, name);
    if (setting == NULL)
        return MUR_OK;
    int64_t value = 0;
    if (mur_setting_type(setting) == MUR_SETTING_INT)
        value = config_setting_get_int64(inner(setting));
    if (mur_setting_type(setting) != MUR_SETTING_INT || value < low || value > high)
        return mur_setting_error(setting, error, "\"%s\" must be a whole number from %lld to %lld",
                                 name, (long long)low, (long long)high);
    *out = value;
    return MUR_OK;
}

enum mur_status mur_setting_get_bool(bool *out, const struct mur_setting *group, const char *name,
                                     struct mur_error *error)
{
    const struct mur_setting *setting = mur_setting_get(group, name);
    if (setting == NULL)
        return MUR_OK;
    if (mur_setting_type(setting) != MUR_SETTING_BOOL)
        return mur_setting_error(setting, error, "\"%s\" must be true or false", name);
    *out = config_setting_get_bool(inner(setting)) != CONFIG_FALSE;
    return MUR_OK;
}

enum mur_status mur_setting_get_members(const struct mur_setting **out,
                                        const struct mur_setting *group, const char *name,
                                        enum mur_setting_type type, struct mur_error *error)
{
    const struct mur_setting *setting = mur_setting_get(group, name);
    if (setting == NULL)
        return MUR_OK;
    if (mur_setting_type(setting) != type)
        return mur_setting_error(setting, error, "\"%s\" must be a %s", name,
                                 type == MUR_SETTING_GROUP ? "group { ... }" : "list ( ... )");
    *out = setting;
    return MUR_OK;
}

enum mur_status mur_setting_text_at(const char **out, const struct mur_setting *list, size_t index,
                                    struct mur_error *error)
{
    const struct mur_setting *element = list;
    if (mur_setting_type(list) == MUR_SETTING_LIST)
        element = mur_setting_at(list, index);
    else if (index > 0)
        element = NULL;
    if (element == NULL || mur_setting_type(element) != MUR_SETTING_TEXT)
        return mur_setting_error(element == NULL ? list : element, error,
                                 "a text in quotes is needed here");
    *out = config_setting_get_string(inner(element));
    return MUR_OK;
}

bool mur_setting_int_at(int64_t *out, const struct mur_setting *list, size_t index)
{
    const struct mur_setting *element = mur_setting_at(list, index);
    if (element == NULL || mur_setting_type(element) != MUR_SETTING_INT)
        return false;
    *out = config_setting_get_int64(inner(element));
    return true;
}
