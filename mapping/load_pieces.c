#include <stdlib.h>
#include <string.h>

#include "mapping/load.h"

enum { LIST_LIMIT = 100000 };

void mur_keys_free(struct mur_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->items[i]);
    free(keys->items);
}

enum mur_status mur_load_list(void *out, const struct mur_setting *list, size_t size,
                              struct mur_error *error)
{
    size_t count = mur_setting_count(list);
    if (count > LIST_LIMIT)
        return mur_setting_error(list, error, "more than %d entries", LIST_LIMIT);
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL)
        return mur_error_no_memory(error);
    memcpy(out, &memory, sizeof memory);
    return MUR_OK;
}

enum mur_status mur_load_keys(struct mur_keys *out, const struct mur_setting *group,
                              const char *member, mur_make_key *make, struct mur_error *error)
{
    const struct mur_setting *list = mur_setting_get(group, member);
    if (list == NULL)
        return MUR_OK;
    size_t count = mur_setting_type(list) == MUR_SETTING_TEXT ? 1 : mur_setting_count(list);
    out->items = calloc(count == 0 ? 1 : count, sizeof *out->items);
    if (out->items == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        const char *text = "";
        enum mur_status status = mur_setting_text_at(&text, list, i, error);
        if (status == MUR_OK)
            status = make(&out->items[i], mur_slice_of(text), error);
        if (status != MUR_OK)
            return status;
        out->count++;
    }
    return MUR_OK;
}

static const struct mur_table *find_table(const struct mur_mapping *mapping, const char *name)
{
    for (size_t i = 0; i < mapping->table_count; i++)
        if (strcmp(mapping->tables[i].name, name) == 0)
            return &mapping->tables[i];
    return NULL;
}

enum mur_status mur_load_table_name(const struct mur_table **out, const struct mur_mapping *mapping,
                                    const struct mur_setting *group, struct mur_error *error)
{
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, "table", error);
    if (status != MUR_OK || name == NULL)
        return status;
    *out = find_table(mapping, name);
    if (*out == NULL)
        return mur_setting_error(group, error, "there is no table \"%s\"", name);
    return MUR_OK;
}

bool mur_load_find_field(size_t *out, const struct mur_mapping *mapping, struct mur_slice name)
{
    for (size_t i = 0; i < mapping->field_count; i++)
        if (mur_slice_equal(name, mapping->fields[i].name)) {
            *out = i;
            return true;
        }
    return false;
}
