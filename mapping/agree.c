/* What is said of an animal, and of a session, is one thing: all scans of it say the same. */
#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"
#include "mapping/builder.h"
#include "mapping/names.h"

void mur_agreement_free(struct mur_agreement *agreement)
{
    for (size_t i = 0; i < agreement->count; i++)
        free(agreement->items[i].values);
    free(agreement->items);
    free(agreement->of_scan);
    mur_isa_index_free(&agreement->index);
}

/** Lists of cells differ from scan to scan on purpose. */
static bool is_summary(const struct mur_mapping *mapping, const struct mur_attribute_path *path)
{
    for (size_t i = 0; i < mapping->summary_count; i++)
        if (mur_attribute_path_equal(&mapping->summaries[i].target.path, path))
            return true;
    return false;
}

static size_t find_place(bool *there, const struct mur_shared_values *group,
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

/** The item of a scan's animal or session. */
static enum mur_status find_item(uint32_t *out, struct mur_agreement *agreement,
                                 struct mur_builder *builder, const struct mur_scan *scan,
                                 enum mur_level level, struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    const char *key = NULL;
    enum mur_status status =
        mur_text_format(&text, error, "%s\x1f%s\x1f%s", scan->study, scan->source,
                        level == MUR_LEVEL_PATIENT ? "" : scan->session);
    if (status == MUR_OK)
        status = mur_builder_keep(&key, builder, text, error);
    if (status != MUR_OK)
        return status;
    *out = mur_isa_index_get(&agreement->index, key);
    if (*out != MUR_ISA_NONE)
        return MUR_OK;
    if (agreement->count == agreement->capacity) {
        size_t capacity = agreement->capacity == 0 ? 64 : agreement->capacity * 2;
        struct mur_shared_values *items = reallocarray(agreement->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        agreement->items = items;
        agreement->capacity = capacity;
    }
    *out = (uint32_t)agreement->count;
    agreement->items[agreement->count++] = (struct mur_shared_values){.values = NULL};
    return mur_isa_index_put(&agreement->index, key, *out, error);
}

static enum mur_status report(struct mur_builder *builder, const struct mur_scan *scan,
                              enum mur_level level, const struct mur_scan_value *kept,
                              const struct mur_scan_value *other, struct mur_error *error)
{
    char buffer[MUR_ATTRIBUTE_PATH_SIZE];
    const struct mur_isa_table *table = &scan->isa_assay->table;
    bool patient = level == MUR_LEVEL_PATIENT;
    return mur_builder_report(
        builder, MUR_ISA_WARNING, "contradicting-value", table->path, table->lines[scan->first_row],
        error, "%s of %s '%s' is '%s' by one scan and '%s' by '%s': the first one is kept",
        kept->path.depth == 1 ? mur_mapping_attribute_name(&kept->path, 0, buffer)
                              : mur_attribute_path_format(buffer, &kept->path),
        patient ? "animal" : "session", patient ? scan->source : scan->session, kept->text,
        other->text, scan->assay);
}

static bool is_shared(const struct mur_builder *builder, const struct mur_scan_value *value,
                      enum mur_level level)
{
    return value->level == level && !is_summary(builder->mapping, &value->path);
}

/** Of the values from @p first on: there are as many groups as sessions, and most scans of one say
 * the same things. */
static size_t room_for(const struct mur_builder *builder, const struct mur_scan *scan,
                       enum mur_level level, size_t first)
{
    size_t room = 0;
    for (size_t i = first; i < scan->value_count; i++)
        room += is_shared(builder, &scan->values[i], level) ? 1 : 0;
    return room;
}

static enum mur_status add(struct mur_builder *builder, struct mur_shared_values *group,
                           const struct mur_scan *scan, enum mur_level level,
                           struct mur_error *error)
{
    for (size_t i = 0; i < scan->value_count; i++) {
        const struct mur_scan_value *value = &scan->values[i];
        if (!is_shared(builder, value, level))
            continue;
        bool there = false;
        size_t place = find_place(&there, group, &value->path);
        if (there) {
            struct mur_scan_value *kept = &group->values[place];
            if (kept->text[0] == '\0') {
                *kept = *value;
            } else if (value->text[0] != '\0' && strcmp(kept->text, value->text) != 0) {
                enum mur_status status = report(builder, scan, level, kept, value, error);
                if (status != MUR_OK)
                    return status;
            }
            continue;
        }
        if (group->count == group->capacity) {
            size_t capacity = group->capacity + room_for(builder, scan, level, i);
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

/** Whether the scan says what its group says already, as most do. */
static bool says_the_same(const struct mur_builder *builder, const struct mur_scan *scan,
                          const struct mur_shared_values *group, enum mur_level level)
{
    size_t place = 0;
    for (size_t i = 0; i < scan->value_count; i++) {
        const struct mur_scan_value *value = &scan->values[i];
        if (!is_shared(builder, value, level))
            continue;
        if (place == group->count ||
            !mur_attribute_path_equal(&group->values[place].path, &value->path) ||
            strcmp(group->values[place].text, value->text) != 0)
            return false;
        place++;
    }
    return place == group->count;
}

/** The scan's values of this level become the group's. */
static enum mur_status replace(struct mur_builder *builder, struct mur_scan *scan,
                               const struct mur_shared_values *group, enum mur_level level,
                               struct mur_error *error)
{
    if (says_the_same(builder, scan, group, level))
        return MUR_OK;
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
        if (!is_shared(builder, value, level))
            values[count++] = *value;
    }
    while (from_group < group->count)
        values[count++] = group->values[from_group++];
    scan->values = values;
    scan->value_count = count;
    return MUR_OK;
}

/** Whether the scan has all that the group has: nothing is to be done, as with most. */
static bool is_same(const struct mur_scan *scan, const struct mur_shared_values *group)
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

static enum mur_status note(struct mur_agreement *agreement, struct mur_builder *builder,
                            enum mur_level level, struct mur_error *error)
{
    const struct mur_scan *scan = builder->scan;
    if (agreement->scan_count == agreement->scan_capacity) {
        size_t capacity = agreement->scan_capacity == 0 ? 64 : agreement->scan_capacity * 2;
        uint32_t *of_scan = reallocarray(agreement->of_scan, capacity, sizeof *of_scan);
        if (of_scan == NULL)
            return mur_error_no_memory(error);
        agreement->of_scan = of_scan;
        agreement->scan_capacity = capacity;
    }
    uint32_t item = 0;
    agreement->index.strings = builder->list->strings;
    enum mur_status status = find_item(&item, agreement, builder, scan, level, error);
    if (status != MUR_OK)
        return status;
    agreement->of_scan[agreement->scan_count++] = item;
    return add(builder, &agreement->items[item], scan, level, error);
}

enum mur_status mur_builder_note_scan(struct mur_builder *builder, struct mur_error *error)
{
    enum mur_status status = note(&builder->of_animals, builder, MUR_LEVEL_PATIENT, error);
    return status == MUR_OK ? note(&builder->of_sessions, builder, MUR_LEVEL_STUDY, error) : status;
}

static enum mur_status agree_on(struct mur_builder *builder, const struct mur_agreement *agreement,
                                enum mur_level level, struct mur_error *error)
{
    struct mur_scan_list *list = builder->list;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < list->count && status == MUR_OK; i++) {
        const struct mur_shared_values *group = &agreement->items[agreement->of_scan[i]];
        if (!is_same(&list->scans[i], group))
            status = replace(builder, &list->scans[i], group, level, error);
    }
    return status;
}

enum mur_status mur_builder_agree(struct mur_builder *builder, struct mur_error *error)
{
    enum mur_status status = agree_on(builder, &builder->of_animals, MUR_LEVEL_PATIENT, error);
    return status == MUR_OK ? agree_on(builder, &builder->of_sessions, MUR_LEVEL_STUDY, error)
                            : status;
}
