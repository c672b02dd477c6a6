#include <stdlib.h>
#include <string.h>

#include "mapping/load.h"

enum { VERSION = 1 };

/* ---- freeing --------------------------------------------------------------------------------- */

static void set_free(struct mur_column_set *set)
{
    mur_keys_free(&set->names);
    mur_keys_free(&set->persons);
}

void mur_mapping_free(struct mur_mapping *mapping)
{
    if (mapping == NULL)
        return;
    mur_keys_free(&mapping->no_value);
    for (size_t i = 0; i < mapping->unit_count; i++)
        mur_keys_free(&mapping->units[i].names);
    free(mapping->units);
    for (size_t i = 0; i < mapping->table_count; i++) {
        for (size_t e = 0; e < mapping->tables[i].count; e++)
            mur_keys_free(&mapping->tables[i].entries[e].patterns);
        free(mapping->tables[i].entries);
    }
    free(mapping->tables);
    for (size_t i = 0; i < mapping->term_source_count; i++)
        mur_keys_free(&mapping->term_sources[i].names);
    free(mapping->term_sources);
    for (size_t i = 0; i < MUR_ROLES; i++)
        set_free(&mapping->roles[i]);
    free(mapping->modality);
    for (size_t i = 0; i < mapping->field_count; i++) {
        set_free(&mapping->fields[i].columns);
        mur_targets_free(mapping->fields[i].targets, mapping->fields[i].target_count);
    }
    free(mapping->fields);
    for (size_t i = 0; i < mapping->template_count; i++) {
        mur_target_free(&mapping->templates[i].target);
        for (size_t a = 0; a < mapping->templates[i].count; a++)
            free(mapping->templates[i].alternatives[a].pieces);
        free(mapping->templates[i].alternatives);
    }
    free(mapping->templates);
    for (size_t i = 0; i < mapping->summary_count; i++)
        mur_target_free(&mapping->summaries[i].target);
    free(mapping->summaries);
    for (size_t i = 0; i < mapping->rule_count; i++) {
        mur_targets_free(mapping->rules[i].if_any, mapping->rules[i].if_any_count);
        mur_targets_free(mapping->rules[i].add, mapping->rules[i].add_count);
        mur_targets_free(mapping->rules[i].keep, mapping->rules[i].keep == NULL ? 0 : 1);
        mur_targets_free(mapping->rules[i].only_with, mapping->rules[i].only_with_count);
        mur_targets_free(mapping->rules[i].append, mapping->rules[i].append == NULL ? 0 : 1);
        mur_keys_free(&mapping->rules[i].is);
        mur_targets_free(mapping->rules[i].remove, mapping->rules[i].remove_count);
        mur_targets_free(mapping->rules[i].start, mapping->rules[i].start == NULL ? 0 : 1);
        mur_targets_free(mapping->rules[i].from, mapping->rules[i].from == NULL ? 0 : 1);
        mur_targets_free(mapping->rules[i].minus, mapping->rules[i].minus == NULL ? 0 : 1);
    }
    free(mapping->rules);
    mur_organs_free(mapping->organs);
    mur_config_tree_free(mapping->tree);
    free(mapping);
}

const struct mur_organs *mur_mapping_organs(const struct mur_mapping *mapping)
{
    return mapping->organs;
}

static const char *const outside_places[] = {"study",         "study comment", "assay",
                                             "assay comment", "investigation", "person"};

static enum mur_status read_places(struct mur_column_set *out, const struct mur_setting *list,
                                   struct mur_error *error)
{
    out->place_count = 0;
    for (size_t i = 0; i < mur_setting_count(list); i++) {
        const char *name = "";
        enum mur_status status = mur_setting_text_at(&name, list, i, error);
        if (status != MUR_OK)
            return status;
        unsigned place = mur_isa_kind_of(name);
        for (size_t o = 0; o < MUR_COUNT(outside_places); o++)
            if (strcmp(name, outside_places[o]) == 0)
                place = (unsigned)(MUR_PLACE_STUDY + o);
        if (place == MUR_PLACE_STUDY && strcmp(name, outside_places[0]) != 0)
            return mur_setting_error(mur_setting_at(list, i), error,
                                     "there is no kind \"%s\": characteristic, factor, parameter, "
                                     "comment, material, name, file, protocol, date, performer, "
                                     "plain, other, study, study comment, assay, assay comment, "
                                     "investigation or person",
                                     name);
        if (out->place_count == MUR_PLACES)
            return mur_setting_error(list, error, "a kind stands twice");
        out->places[out->place_count++] = place;
    }
    return MUR_OK;
}

static enum mur_status read_set(struct mur_column_set *out, const struct mur_setting *group,
                                struct mur_error *error)
{
    enum mur_status status = mur_load_keys(&out->names, group, "names", mur_mapping_key, error);
    if (status == MUR_OK)
        status = mur_load_keys(&out->persons, group, "persons", mur_mapping_key, error);
    const struct mur_setting *kinds = mur_setting_get(group, "kinds");
    if (status != MUR_OK)
        return status;
    if (kinds != NULL)
        return read_places(out, kinds, error);
    static const unsigned usual[] = {MUR_ISA_CHARACTERISTIC, MUR_ISA_PARAMETER, MUR_ISA_COMMENT,
                                     MUR_ISA_FACTOR, MUR_ISA_OTHER};
    memcpy(out->places, usual, sizeof usual);
    out->place_count = MUR_COUNT(usual);
    return MUR_OK;
}

/* ---- sections -------------------------------------------------------------------------------- */

static enum mur_status read_units(struct mur_mapping *mapping, const struct mur_setting *root,
                                  struct mur_error *error)
{
    static const char *const members[] = {"dimension", "names", "factor", "power", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status = mur_setting_get_members(&list, root, "units", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->units, list, sizeof *mapping->units, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_unit *unit = &mapping->units[mapping->unit_count++];
        int64_t factor = 1;
        int64_t power = 0;
        unit->dimension = "";
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&unit->dimension, group, "dimension", error);
        if (status == MUR_OK)
            status = mur_setting_get_int(&factor, group, "factor", 1, 1000000000, error);
        if (status == MUR_OK)
            status = mur_setting_get_int(&power, group, "power", -30, 30, error);
        if (status == MUR_OK)
            status = mur_load_keys(&unit->names, group, "names", mur_text_fold, error);
        unit->factor = (uint32_t)factor;
        unit->power = (int)power;
        if (status == MUR_OK && (unit->names.count == 0 || unit->dimension[0] == '\0'))
            status = mur_setting_error(group, error, "a unit needs \"dimension\" and \"names\"");
        if (status == MUR_OK)
            status = mur_setting_text_at(&unit->name, mur_setting_get(group, "names"), 0, error);
    }
    return status;
}

static enum mur_status read_entry(struct mur_table_entry *entry, const struct mur_setting *group,
                                  struct mur_error *error)
{
    static const char *const members[] = {"from", "to", "code", NULL};
    *entry = (struct mur_table_entry){.to = "", .code = {"", "", ""}};
    enum mur_status status = mur_setting_check_names(group, members, error);
    if (status == MUR_OK)
        status = mur_load_keys(&entry->patterns, group, "from", mur_text_fold, error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&entry->to, group, "to", error);
    const struct mur_setting *code = mur_setting_get(group, "code");
    if (status == MUR_OK && code != NULL && mur_setting_count(code) != 3)
        status = mur_setting_error(code, error, "a code is [\"value\", \"scheme\", \"meaning\"]");
    if (status == MUR_OK && code != NULL)
        status = mur_setting_text_at(&entry->code.value, code, 0, error);
    if (status == MUR_OK && code != NULL)
        status = mur_setting_text_at(&entry->code.scheme, code, 1, error);
    if (status == MUR_OK && code != NULL)
        status = mur_setting_text_at(&entry->code.meaning, code, 2, error);
    return status;
}

static enum mur_status read_tables(struct mur_mapping *mapping, const struct mur_setting *root,
                                   struct mur_error *error)
{
    const struct mur_setting *tables = NULL;
    enum mur_status status =
        mur_setting_get_members(&tables, root, "tables", MUR_SETTING_GROUP, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->tables, tables, sizeof *mapping->tables, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(tables); i++) {
        const struct mur_setting *list = mur_setting_at(tables, i);
        struct mur_table *table = &mapping->tables[mapping->table_count++];
        table->name = mur_setting_name(list);
        if (mur_setting_type(list) != MUR_SETTING_LIST)
            return mur_setting_error(list, error, "a table is a list ( ... )");
        status = mur_load_list(&table->entries, list, sizeof *table->entries, error);
        for (size_t e = 0; status == MUR_OK && e < mur_setting_count(list); e++)
            status = read_entry(&table->entries[table->count++], mur_setting_at(list, e), error);
    }
    return status;
}

static enum mur_status read_term_sources(struct mur_mapping *mapping,
                                         const struct mur_setting *root, struct mur_error *error)
{
    static const char *const members[] = {"names", "scheme", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "term_sources", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->term_sources, list, sizeof *mapping->term_sources, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_term_source *source = &mapping->term_sources[mapping->term_source_count++];
        source->scheme = "";
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = mur_load_keys(&source->names, group, "names", mur_mapping_key, error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&source->scheme, group, "scheme", error);
    }
    return status;
}

static const char *const role_names[MUR_ROLES + 1] = {
    [MUR_ROLE_SCAN] = "scan",
    [MUR_ROLE_SAMPLE] = "sample",
    [MUR_ROLE_SOURCE] = "source",
    [MUR_ROLE_SESSION] = "session",
    [MUR_ROLE_IMAGE] = "image",
    [MUR_ROLE_IMAGE_FALLBACK] = "image_fallback",
    [MUR_ROLE_SEGMENTATION] = "segmentation",
    [MUR_ROLE_LABEL_DESCRIPTION] = "label_description",
    [MUR_ROLE_ORGAN] = "organ",
    [MUR_ROLE_LABEL_VALUE] = "label_value",
    [MUR_ROLE_SEGMENT_LABEL] = "segment_label",
    [MUR_ROLE_ORGAN_HEALTH] = "organ_health",
    [MUR_ROLE_ALGORITHM_TYPE] = "algorithm_type",
    [MUR_ROLE_ALGORITHM_NAME] = "algorithm_name",
};

const char *mur_role_name(enum mur_role role)
{
    return role_names[role];
}

static enum mur_status read_roles(struct mur_mapping *mapping, const struct mur_setting *root,
                                  struct mur_error *error)
{
    static const char *const members[] = {"names", "kinds", "table", NULL};
    const struct mur_setting *roles = NULL;
    enum mur_status status =
        mur_setting_get_members(&roles, root, "roles", MUR_SETTING_GROUP, error);
    if (status == MUR_OK && roles == NULL)
        return mur_setting_error(root, error, "\"roles\" is missing");
    if (status == MUR_OK)
        status = mur_setting_check_names(roles, role_names, error);
    for (int role = 0; role < MUR_ROLES && status == MUR_OK; role++) {
        const struct mur_setting *group = mur_setting_get(roles, role_names[role]);
        if (group == NULL)
            continue;
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = read_set(&mapping->roles[role], group, error);
        if (status == MUR_OK && role == MUR_ROLE_ALGORITHM_TYPE)
            status = mur_load_table_name(&mapping->algorithm_table, mapping, group, error);
    }
    return status;
}

static enum mur_status read_field(struct mur_field *field, const struct mur_mapping *mapping,
                                  const struct mur_setting *group, struct mur_error *error)
{
    static const char *const members[] = {"name", "names", "kinds", "persons", "level", "to", NULL};
    field->level = MUR_LEVEL_SERIES;
    enum mur_status status = mur_setting_check_names(group, members, error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&field->name, group, "name", error);
    if (status == MUR_OK && field->name == NULL)
        return mur_setting_error(group, error, "a field needs a \"name\"");
    if (status == MUR_OK)
        status = read_set(&field->columns, group, error);
    if (status == MUR_OK && field->columns.names.count == 0)
        status = mur_load_keys(&field->columns.names, group, "name", mur_mapping_key, error);
    if (status == MUR_OK)
        status = mur_load_level(&field->level, group, error);
    const struct mur_setting *targets = NULL;
    if (status == MUR_OK)
        status = mur_setting_get_members(&targets, group, "to", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&field->targets, targets, sizeof *field->targets, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(targets); i++) {
        struct mur_target *target = &field->targets[field->target_count++];
        status = mur_load_target(target, mapping, mur_setting_at(targets, i), error);
    }
    return status;
}

static enum mur_status read_fields(struct mur_mapping *mapping, const struct mur_setting *root,
                                   struct mur_error *error)
{
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "fields", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->fields, list, sizeof *mapping->fields, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        struct mur_field *field = &mapping->fields[mapping->field_count++];
        status = read_field(field, mapping, mur_setting_at(list, i), error);
    }
    return status;
}

static enum mur_status read_modality(struct mur_mapping *mapping, const struct mur_setting *root,
                                     struct mur_error *error)
{
    static const char *const members[] = {"field", "table", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "modality", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->modality, list, sizeof *mapping->modality, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_modality_source *source = &mapping->modality[mapping->modality_count++];
        const char *field = "";
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&field, group, "field", error);
        if (status == MUR_OK)
            status = mur_load_table_name(&source->table, mapping, group, error);
        if (status == MUR_OK &&
            (!mur_load_find_field(&source->field, mapping, mur_slice_of(field)) ||
             source->table == NULL))
            status = mur_setting_error(group, error, "\"field\" and \"table\" must name one each");
    }
    return status;
}

enum mur_status mur_mapping_load(struct mur_mapping **out, const char *mapping_path,
                                 const char *organs_path, struct mur_error *error)
{
    static const char *const members[] = {"version", "units_in_names", "no_value",  "units",
                                          "tables",  "term_sources",   "roles",     "modality",
                                          "fields",  "templates",      "summaries", "rules",
                                          "links",   "required",       NULL};
    MUR_AUTO(mur_mapping) *mapping = calloc(1, sizeof *mapping);
    if (mapping == NULL)
        return mur_error_no_memory(error);
    enum mur_status status =
        mur_mapping_tree(&mapping->tree, mapping_path, "isa-mapping.cfg", error);
    if (status != MUR_OK)
        return status;
    const struct mur_setting *root = mur_config_tree_root(mapping->tree);
    int64_t version = 0;
    status = mur_setting_check_names(root, members, error);
    if (status == MUR_OK)
        status = mur_setting_get_int(&version, root, "version", 0, INT32_MAX, error);
    if (status == MUR_OK && version != VERSION)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s: \"version\" must be %d, the form that this program reads",
                             mapping_path, VERSION);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&mapping->units_in_names, root, "units_in_names", error);
    if (status == MUR_OK)
        status = mur_load_keys(&mapping->no_value, root, "no_value", mur_text_fold, error);
    static enum mur_status (*const parts[])(struct mur_mapping *, const struct mur_setting *,
                                            struct mur_error *) = {
        read_units,    read_tables,        read_term_sources,  read_roles,     read_fields,
        read_modality, mur_load_templates, mur_load_summaries, mur_load_rules,
    };
    for (size_t i = 0; i < MUR_COUNT(parts) && status == MUR_OK; i++)
        status = parts[i](mapping, root, error);
    if (status == MUR_OK && organs_path != NULL)
        status = mur_organs_load(&mapping->organs, organs_path, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(mapping);
    return status;
}
