/* What is said of an animal, and of a session, is one thing: all scans of it say the same. */
#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"
#include "mapping/builder.h"

/** The values of one animal, or of one session. */
struct group {
    struct mur_scan_value *values; /* sorted by path */
    size_t count, capacity;
};

struct groups {
    struct mur_builder *builder;
    struct mur_isa_index index;
    struct group *items;
    size_t count, capacity;
    uint32_t *of_scan;
};

static void groups_free(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        free(groups->items[i].values);
    free(groups->items);
    free(groups->of_scan);
    mur_isa_index_free(&groups->index);
}

/** Lists of cells differ from scan to scan on purpose. */
static bool is_summary(const struct mur_mapping *mapping, const struct mur_attribute_path *path)
{
    for (size_t i = 0; i < mapping->summary_count; i++)
        if (mur_attribute_path_equal(&mapping->summaries[i].target.path, path))
            return true;
    return false;
}

static size_t find_place(bool *there, const struct group *group,
                         const struct mur_attribute_path *path)
{
    size_t place = 0;
    int order = -1;
    while (place < group->count &&
           (order = mur_attribute_path_compare(&group->values[place].path, path)) < 0)
        place++;
    *there = place < group->count && order == 0;
    return place;
}

static enum mur_status find_group(uint32_t *out, struct groups *groups, const struct mur_scan *scan,
                                  enum mur_level level, struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    const char *key = NULL;
    enum mur_status status =
        mur_text_format(&text, error, "%s\x1f%s\x1f%s", scan->study, scan->source,
                        level == MUR_LEVEL_PATIENT ? "" : scan->session);
    if (status == MUR_OK)
        status = mur_builder_keep(&key, groups->builder, text, error);
    if (status != MUR_OK)
        return status;
    *out = mur_isa_index_get(&groups->index, key);
    if (*out != MUR_ISA_NONE)
        return MUR_OK;
    if (groups->count == groups->capacity) {
        size_t capacity = groups->capacity == 0 ? 64 : groups->capacity * 2;
        struct group *items = reallocarray(groups->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        groups->items = items;
        groups->capacity = capacity;
    }
    *out = (uint32_t)groups->count;
    groups->items[groups->count++] = (struct group){.values = NULL};
    return mur_isa_index_put(&groups->index, key, *out, error);
}

static enum mur_status report(struct mur_builder *builder, const struct mur_scan *scan,
                              enum mur_level level, const struct mur_scan_value *kept,
                              const struct mur_scan_value *other, struct mur_error *error)
{
    char buffer[MUR_ATTRIBUTE_PATH_SIZE];
    const struct mur_isa_table *table = &scan->isa_assay->table;
    const char *keyword = kept->path.depth == 1 ? mur_dictionary_keyword(kept->path.tags[0]) : NULL;
    bool patient = level == MUR_LEVEL_PATIENT;
    return mur_builder_report(
        builder, MUR_ISA_WARNING, "contradicting-value", table->path, table->lines[scan->first_row],
        error, "%s of %s '%s' is '%s' by one scan and '%s' by '%s': the first one is kept",
        keyword != NULL ? keyword : mur_attribute_path_format(buffer, &kept->path),
        patient ? "animal" : "session", patient ? scan->source : scan->session, kept->text,
        other->text, scan->assay);
}

static enum mur_status add(struct groups *groups, struct group *group, const struct mur_scan *scan,
                           enum mur_level level, struct mur_error *error)
{
    for (size_t i = 0; i < scan->value_count; i++) {
        const struct mur_scan_value *value = &scan->values[i];
        if (value->level != level || is_summary(groups->builder->mapping, &value->path))
            continue;
        bool there = false;
        size_t place = find_place(&there, group, &value->path);
        if (there) {
            struct mur_scan_value *kept = &group->values[place];
            if (kept->text[0] == '\0') {
                *kept = *value;
            } else if (value->text[0] != '\0' && strcmp(kept->text, value->text) != 0) {
                enum mur_status status = report(groups->builder, scan, level, kept, value, error);
                if (status != MUR_OK)
                    return status;
            }
            continue;
        }
        if (group->count == group->capacity) {
            size_t capacity = group->capacity == 0 ? 32 : group->capacity * 2;
            struct mur_scan_value *values = reallocarray(group->values, capacity, sizeof *values);
            if (values == NULL)
                return mur_error_no_memory(error);
            group->values = values;
            group->capacity = capacity;
        }
        memmove(group->values + place + 1, group->values + place,
                (group->count - place) * sizeof *value);
        group->values[place] = *value;
        group->count++;
    }
    return MUR_OK;
}

/** The scan's values of this level become the group's. */
static enum mur_status replace(struct mur_builder *builder, struct mur_scan *scan,
                               const struct group *group, enum mur_level level,
                               struct mur_error *error)
{
    struct mur_scan_value *values = NULL;
    enum mur_status status = mur_isa_allocate(
        &values, builder->list->strings, scan->value_count + group->count, sizeof *values, error);
    if (status != MUR_OK)
        return status;
    size_t count = 0;
    size_t from_group = 0;
    for (size_t i = 0; i < scan->value_count; i++) {
        const struct mur_scan_value *value = &scan->values[i];
        while (from_group < group->count &&
               mur_attribute_path_compare(&group->values[from_group].path, &value->path) < 0)
            values[count++] = group->values[from_group++];
        if (value->level != level || is_summary(builder->mapping, &value->path))
            values[count++] = *value;
    }
    while (from_group < group->count)
        values[count++] = group->values[from_group++];
    scan->values = values;
    scan->value_count = count;
    return MUR_OK;
}

/** Whether the scan has all that the group has: nothing is to be done, as with most. */
static bool is_same(const struct mur_scan *scan, const struct group *group)
{
    size_t found = 0;
    for (size_t i = 0; i < scan->value_count && found < group->count; i++)
        if (mur_attribute_path_equal(&scan->values[i].path, &group->values[found].path)) {
            if (strcmp(scan->values[i].text, group->values[found].text) != 0)
                return false;
            found++;
        }
    return found == group->count;
}

static enum mur_status agree_on(struct mur_builder *builder, enum mur_level level,
                                struct mur_error *error)
{
    struct mur_scan_list *list = builder->list;
    struct groups groups = {.builder = builder, .index = {.strings = list->strings}};
    groups.of_scan = calloc(list->count + 1, sizeof *groups.of_scan);
    enum mur_status status = groups.of_scan == NULL ? mur_error_no_memory(error) : MUR_OK;
    for (size_t i = 0; i < list->count && status == MUR_OK; i++) {
        status = find_group(&groups.of_scan[i], &groups, &list->scans[i], level, error);
        if (status == MUR_OK)
            status = add(&groups, &groups.items[groups.of_scan[i]], &list->scans[i], level, error);
    }
    for (size_t i = 0; i < list->count && status == MUR_OK; i++) {
        const struct group *group = &groups.items[groups.of_scan[i]];
        if (!is_same(&list->scans[i], group))
            status = replace(builder, &list->scans[i], group, level, error);
    }
    groups_free(&groups);
    return status;
}

enum mur_status mur_builder_agree(struct mur_builder *builder, struct mur_error *error)
{
    enum mur_status status = agree_on(builder, MUR_LEVEL_PATIENT, error);
    return status == MUR_OK ? agree_on(builder, MUR_LEVEL_STUDY, error) : status;
}
