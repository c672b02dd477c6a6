/* Which columns of a table the roles and fields of a mapping name. */
#include "mapping/view.h"

#include <stdlib.h>
#include <string.h>

static size_t set_count(const struct mur_mapping *mapping)
{
    return MUR_ROLES + mapping->field_count;
}

static const struct mur_column_set *set_at(const struct mur_mapping *mapping, size_t set)
{
    return set < MUR_ROLES ? &mapping->roles[set] : &mapping->fields[set - MUR_ROLES].columns;
}

/** The name of a column as sets compare it: whole, and without its unit. */
struct column_key {
    char *whole;
    char *base; /* NULL: the name has no unit */
    const struct mur_unit *unit;
};

void mur_view_free(struct mur_view *view)
{
    free(view->matches);
    free(view->begin);
    *view = (struct mur_view){.table = NULL};
}

static void keys_free(struct column_key *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(keys[i].whole);
        free(keys[i].base);
    }
    free(keys);
}

static enum mur_status make_keys(struct column_key *keys, const struct mur_mapping *mapping,
                                 const struct mur_isa_table *table, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; i < table->column_count && status == MUR_OK; i++) {
        const char *name = table->columns[i].name;
        struct mur_slice base = {NULL, 0};
        status = mur_mapping_key(&keys[i].whole, mur_slice_of(name), error);
        keys[i].unit = mur_mapping_split_unit(&base, mapping, name);
        if (status == MUR_OK && keys[i].unit != NULL)
            status = mur_mapping_key(&keys[i].base, base, error);
    }
    return status;
}

static bool has_match(const struct mur_column_match *matches, uint32_t begin, uint32_t end,
                      uint32_t column)
{
    for (uint32_t i = begin; i < end; i++)
        if (matches[i].column == column)
            return true;
    return false;
}

/** Adds the columns of one set: by kind, then by name, then from left to right. */
static enum mur_status match_set(struct mur_view *view, uint32_t *count, uint32_t *capacity,
                                 const struct mur_column_set *set, const struct column_key *keys,
                                 struct mur_error *error)
{
    uint32_t begin = *count;
    for (size_t p = 0; p < set->place_count; p++) {
        for (size_t n = 0; n < set->names.count; n++) {
            for (uint32_t c = 0; c < view->table->column_count; c++) {
                const char *name = set->names.items[n];
                bool whole = strcmp(keys[c].whole, name) == 0;
                bool base = !whole && keys[c].base != NULL && strcmp(keys[c].base, name) == 0;
                if ((unsigned)view->table->columns[c].kind != set->places[p] || !(whole || base) ||
                    has_match(view->matches, begin, *count, c))
                    continue;
                if (*count == *capacity) {
                    uint32_t larger = *capacity == 0 ? 128 : *capacity * 2;
                    struct mur_column_match *matches =
                        reallocarray(view->matches, larger, sizeof *matches);
                    if (matches == NULL)
                        return mur_error_no_memory(error);
                    view->matches = matches;
                    *capacity = larger;
                }
                view->matches[(*count)++] =
                    (struct mur_column_match){c, base ? keys[c].unit : NULL};
            }
        }
    }
    return MUR_OK;
}

enum mur_status mur_view_make(struct mur_view *out, const struct mur_mapping *mapping,
                              const struct mur_isa_table *table, struct mur_error *error)
{
    mur_view_free(out);
    out->table = table;
    size_t sets = set_count(mapping);
    out->begin = calloc(sets + 1, sizeof *out->begin);
    struct column_key *keys = calloc((size_t)table->column_count + 1, sizeof *keys);
    enum mur_status status = MUR_OK;
    if (out->begin == NULL || keys == NULL)
        status = mur_error_no_memory(error);
    if (status == MUR_OK)
        status = make_keys(keys, mapping, table, error);
    uint32_t count = 0;
    uint32_t capacity = 0;
    for (size_t set = 0; set < sets && status == MUR_OK; set++) {
        out->begin[set] = count;
        status = match_set(out, &count, &capacity, set_at(mapping, set), keys, error);
    }
    if (status == MUR_OK)
        out->begin[sets] = count;
    if (keys != NULL)
        keys_free(keys, table->column_count);
    return status;
}
