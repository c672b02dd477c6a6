#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"
#include "mapping/internal.h"

enum { LIST_LIMIT = 100000, VERSION = 1 };

/* ---- freeing --------------------------------------------------------------------------------- */

static void keys_free(struct mur_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->items[i]);
    free(keys->items);
}

static void set_free(struct mur_column_set *set)
{
    keys_free(&set->names);
    keys_free(&set->persons);
}

static void targets_free(struct mur_target *targets, size_t count);

static void target_free(struct mur_target *target)
{
    targets_free(target->unless, target->unless_count);
    keys_free(&target->units);
    keys_free(&target->only);
    keys_free(&target->except);
}

static void targets_free(struct mur_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        target_free(&targets[i]);
    free(targets);
}

void mur_mapping_free(struct mur_mapping *mapping)
{
    if (mapping == NULL)
        return;
    keys_free(&mapping->no_value);
    for (size_t i = 0; i < mapping->unit_count; i++)
        keys_free(&mapping->units[i].names);
    free(mapping->units);
    for (size_t i = 0; i < mapping->table_count; i++) {
        for (size_t e = 0; e < mapping->tables[i].count; e++)
            keys_free(&mapping->tables[i].entries[e].patterns);
        free(mapping->tables[i].entries);
    }
    free(mapping->tables);
    for (size_t i = 0; i < mapping->term_source_count; i++)
        keys_free(&mapping->term_sources[i].names);
    free(mapping->term_sources);
    for (size_t i = 0; i < MUR_ROLES; i++)
        set_free(&mapping->roles[i]);
    free(mapping->modality);
    for (size_t i = 0; i < mapping->field_count; i++) {
        set_free(&mapping->fields[i].columns);
        targets_free(mapping->fields[i].targets, mapping->fields[i].target_count);
    }
    free(mapping->fields);
    for (size_t i = 0; i < mapping->template_count; i++) {
        target_free(&mapping->templates[i].target);
        for (size_t a = 0; a < mapping->templates[i].count; a++)
            free(mapping->templates[i].alternatives[a].pieces);
        free(mapping->templates[i].alternatives);
    }
    free(mapping->templates);
    for (size_t i = 0; i < mapping->summary_count; i++)
        target_free(&mapping->summaries[i].target);
    free(mapping->summaries);
    for (size_t i = 0; i < mapping->rule_count; i++) {
        targets_free(mapping->rules[i].if_any, mapping->rules[i].if_any_count);
        targets_free(mapping->rules[i].add, mapping->rules[i].add_count);
        targets_free(mapping->rules[i].keep, mapping->rules[i].keep == NULL ? 0 : 1);
        targets_free(mapping->rules[i].only_with, mapping->rules[i].only_with_count);
        targets_free(mapping->rules[i].append, mapping->rules[i].append == NULL ? 0 : 1);
        keys_free(&mapping->rules[i].is);
        targets_free(mapping->rules[i].remove, mapping->rules[i].remove_count);
        targets_free(mapping->rules[i].start, mapping->rules[i].start == NULL ? 0 : 1);
        targets_free(mapping->rules[i].from, mapping->rules[i].from == NULL ? 0 : 1);
        targets_free(mapping->rules[i].minus, mapping->rules[i].minus == NULL ? 0 : 1);
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

/* ---- pieces of the file ---------------------------------------------------------------------- */

/** Zeroed memory for a list, whose count the caller sets after it is filled. */
static enum mur_status allocate(void *out, const struct mur_setting *list, size_t size,
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

/** How the texts of a list become keys. */
typedef enum mur_status make_key(char **out, struct mur_slice text, struct mur_error *error);

static enum mur_status read_keys(struct mur_keys *out, const struct mur_setting *group,
                                 const char *member, make_key *make, struct mur_error *error)
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
    enum mur_status status = read_keys(&out->names, group, "names", mur_mapping_key, error);
    if (status == MUR_OK)
        status = read_keys(&out->persons, group, "persons", mur_mapping_key, error);
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

static const struct mur_table *find_table(const struct mur_mapping *mapping, const char *name)
{
    for (size_t i = 0; i < mapping->table_count; i++)
        if (strcmp(mapping->tables[i].name, name) == 0)
            return &mapping->tables[i];
    return NULL;
}

static enum mur_status read_table_name(const struct mur_table **out,
                                       const struct mur_mapping *mapping,
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

static enum mur_status read_unit_name(const struct mur_unit **out,
                                      const struct mur_mapping *mapping,
                                      const struct mur_setting *group, const char *member,
                                      struct mur_error *error)
{
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, member, error);
    if (status != MUR_OK || name == NULL)
        return status;
    *out = mur_mapping_unit(mapping, mur_slice_of(name));
    if (*out == NULL)
        return mur_setting_error(group, error, "there is no unit \"%s\"", name);
    return MUR_OK;
}

/* ---- targets --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum mur_conversion conversion;
} conversions[] = {
    {"text", MUR_CONVERT_TEXT},       {"table", MUR_CONVERT_TABLE},
    {"meaning", MUR_CONVERT_MEANING}, {"code", MUR_CONVERT_CODE},
    {"number", MUR_CONVERT_NUMBER},   {"age", MUR_CONVERT_AGE},
    {"date", MUR_CONVERT_DATE},       {"time", MUR_CONVERT_TIME},
    {"person", MUR_CONVERT_PERSON},   {"constant", MUR_CONVERT_CONSTANT},
};

const char *mur_conversion_name(enum mur_conversion conversion)
{
    for (size_t i = 0; i < MUR_COUNT(conversions); i++)
        if (conversions[i].conversion == conversion)
            return conversions[i].name;
    return "";
}

static bool find_level(enum mur_level *out, const char *name)
{
    for (int level = 0; level < MUR_LEVEL_COUNT; level++)
        if (mur_ascii_equal_ignore_case(name, mur_level_name((enum mur_level)level))) {
            *out = (enum mur_level)level;
            return true;
        }
    return false;
}

static enum mur_status read_level(enum mur_level *out, const struct mur_setting *group,
                                  struct mur_error *error)
{
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, "level", error);
    if (status != MUR_OK || name == NULL)
        return status;
    if (!find_level(out, name))
        return mur_setting_error(group, error, "\"level\" is patient, study, series or image");
    return MUR_OK;
}

/** The attribute itself: a keyword, a path, or an element of the private block. */
static enum mur_status set_attribute(struct mur_target *target, const char *text,
                                     const struct mur_setting *setting, struct mur_error *error)
{
    struct mur_error cause = MUR_ERROR_INIT;
    if (mur_attribute_path_parse(&target->path, mur_slice_of(text), &cause) != MUR_OK)
        return mur_setting_error(setting, error, "\"%s\": %s", text, cause.message);
    target->vr = mur_dictionary_vr(target->path.tags[target->path.depth - 1], NULL);
    if (target->vr == MUR_VR_UN || target->vr == MUR_VR_NONE)
        return mur_setting_error(setting, error, "\"%s\" has no known VR", text);
    const struct mur_attribute *known = mur_attribute_find(target->path.tags[0]);
    target->level = known == NULL ? MUR_LEVEL_IMAGE : known->level;
    return MUR_OK;
}

static enum mur_status set_private(struct mur_target *target, int64_t element,
                                   const struct mur_setting *group, struct mur_error *error)
{
    const char *name = "LO";
    enum mur_status status = mur_setting_get_text(&name, group, "vr", error);
    if (status != MUR_OK)
        return status;
    target->path = mur_attribute_path_of(MUR_PRIVATE_TAG(0, element));
    target->vr = strlen(name) == 2 ? mur_vr_from_name(name) : MUR_VR_NONE;
    if (target->vr != MUR_VR_LO && target->vr != MUR_VR_FD && target->vr != MUR_VR_UC &&
        target->vr != MUR_VR_DA && target->vr != MUR_VR_SH)
        return mur_setting_error(group, error,
                                 "\"vr\" of a private element is LO, SH, UC, DA or FD");
    target->level = MUR_LEVEL_SERIES;
    return MUR_OK;
}

static enum mur_status read_modalities(struct mur_target *target, const struct mur_setting *group,
                                       struct mur_error *error)
{
    const struct mur_setting *list = mur_setting_get(group, "modalities");
    size_t count = mur_setting_count(list);
    if (count >= MUR_COUNT(target->modalities))
        return mur_setting_error(list, error, "too many modalities");
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < count && status == MUR_OK; i++)
        status = mur_setting_text_at(&target->modalities[i], list, i, error);
    return status;
}

static enum mur_status read_otherwise(struct mur_target *target, const struct mur_setting *group,
                                      struct mur_error *error)
{
    static const char *const names[] = {"drop", "keep", "empty"};
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, "otherwise", error);
    if (status != MUR_OK || name == NULL)
        return status;
    for (size_t i = 0; i < MUR_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            target->otherwise = (enum mur_otherwise)i;
            return MUR_OK;
        }
    return mur_setting_error(group, error, "\"otherwise\" is drop, keep or empty");
}

/** Attribute, level and conditions: what fields and templates have in common. */
static enum mur_status read_place(struct mur_target *target, const struct mur_setting *group,
                                  struct mur_error *error)
{
    const char *attribute = NULL;
    int64_t element = 0;
    enum mur_status status = mur_setting_get_text(&attribute, group, "attribute", error);
    if (status == MUR_OK)
        status = mur_setting_get_int(&element, group, "private", 0x10, 0x7F, error);
    if (status != MUR_OK)
        return status;
    if ((attribute == NULL) == (element == 0))
        return mur_setting_error(group, error, "either \"attribute\" or \"private\" is needed");
    if (attribute != NULL)
        status = set_attribute(target, attribute, group, error);
    else
        status = set_private(target, element, group, error);
    if (status == MUR_OK)
        status = read_level(&target->level, group, error);
    if (status == MUR_OK)
        status = read_modalities(target, group, error);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&target->drop_too_long, group, "drop_too_long", error);
    return status;
}

static enum mur_status read_attributes(struct mur_target **out, size_t *count,
                                       const struct mur_setting *group, const char *member,
                                       struct mur_error *error)
{
    const struct mur_setting *list = mur_setting_get(group, member);
    if (list == NULL)
        return MUR_OK;
    enum mur_status status = allocate(out, list, sizeof **out, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const char *text = "";
        status = mur_setting_text_at(&text, list, i, error);
        if (status == MUR_OK)
            status = set_attribute(&(*out)[i], text, list, error);
        if (status == MUR_OK)
            (*count)++;
    }
    return status;
}

static enum mur_status read_target(struct mur_target *target, const struct mur_mapping *mapping,
                                   const struct mur_setting *group, struct mur_error *error)
{
    static const char *const members[] = {
        "attribute", "private",       "vr",     "level", "modalities", "convert", "table",
        "terms",     "unit",          "assume", "value", "only",       "except",  "otherwise",
        "quiet",     "drop_too_long", "unless", "units", NULL};
    enum mur_status status = mur_setting_check_names(group, members, error);
    if (status == MUR_OK)
        status = read_place(target, group, error);
    const char *name = "text";
    if (status == MUR_OK)
        status = mur_setting_get_text(&name, group, "convert", error);
    if (status != MUR_OK)
        return status;
    size_t conversion = 0;
    while (conversion < MUR_COUNT(conversions) && strcmp(name, conversions[conversion].name) != 0)
        conversion++;
    if (conversion == MUR_COUNT(conversions))
        return mur_setting_error(group, error, "there is no conversion \"%s\"", name);
    target->conversion = conversions[conversion].conversion;
    status = read_table_name(&target->table, mapping, group, error);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&target->terms, group, "terms", error);
    if (status == MUR_OK)
        status = read_unit_name(&target->unit, mapping, group, "unit", error);
    if (status == MUR_OK)
        status = read_unit_name(&target->assume, mapping, group, "assume", error);
    if (status == MUR_OK)
        status = read_keys(&target->units, group, "units", mur_text_fold, error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&target->constant, group, "value", error);
    if (status == MUR_OK)
        status = read_keys(&target->only, group, "only", mur_text_fold, error);
    if (status == MUR_OK)
        status = read_keys(&target->except, group, "except", mur_text_fold, error);
    if (status == MUR_OK)
        status = read_attributes(&target->unless, &target->unless_count, group, "unless", error);
    if (status == MUR_OK)
        status = read_otherwise(target, group, error);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&target->quiet, group, "quiet", error);
    if (status != MUR_OK)
        return status;
    bool is_code = target->conversion == MUR_CONVERT_CODE;
    if (is_code != (target->vr == MUR_VR_SQ))
        return mur_setting_error(group, error,
                                 "a sequence is converted by \"code\", and by that "
                                 "alone");
    if (is_code && target->path.depth == MUR_ATTRIBUTE_DEPTH)
        return mur_setting_error(group, error, "the sequence is nested too deep");
    if ((target->conversion == MUR_CONVERT_TABLE || target->conversion == MUR_CONVERT_MEANING) &&
        target->table == NULL)
        return mur_setting_error(group, error, "\"table\" is missing");
    if (target->conversion == MUR_CONVERT_AGE && target->unit == NULL)
        return mur_setting_error(group, error, "\"unit\" must name the day");
    if (target->conversion == MUR_CONVERT_CONSTANT && target->constant == NULL)
        return mur_setting_error(group, error, "\"value\" is missing");
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
        status = allocate(&mapping->units, list, sizeof *mapping->units, error);
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
            status = read_keys(&unit->names, group, "names", mur_text_fold, error);
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
        status = read_keys(&entry->patterns, group, "from", mur_text_fold, error);
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
        status = allocate(&mapping->tables, tables, sizeof *mapping->tables, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(tables); i++) {
        const struct mur_setting *list = mur_setting_at(tables, i);
        struct mur_table *table = &mapping->tables[mapping->table_count++];
        table->name = mur_setting_name(list);
        if (mur_setting_type(list) != MUR_SETTING_LIST)
            return mur_setting_error(list, error, "a table is a list ( ... )");
        status = allocate(&table->entries, list, sizeof *table->entries, error);
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
        status = allocate(&mapping->term_sources, list, sizeof *mapping->term_sources, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_term_source *source = &mapping->term_sources[mapping->term_source_count++];
        source->scheme = "";
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = read_keys(&source->names, group, "names", mur_mapping_key, error);
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
            status = read_table_name(&mapping->algorithm_table, mapping, group, error);
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
        status = read_keys(&field->columns.names, group, "name", mur_mapping_key, error);
    if (status == MUR_OK)
        status = read_level(&field->level, group, error);
    const struct mur_setting *targets = NULL;
    if (status == MUR_OK)
        status = mur_setting_get_members(&targets, group, "to", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = allocate(&field->targets, targets, sizeof *field->targets, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(targets); i++) {
        struct mur_target *target = &field->targets[field->target_count++];
        status = read_target(target, mapping, mur_setting_at(targets, i), error);
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
        status = allocate(&mapping->fields, list, sizeof *mapping->fields, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        struct mur_field *field = &mapping->fields[mapping->field_count++];
        status = read_field(field, mapping, mur_setting_at(list, i), error);
    }
    return status;
}

static bool find_field(size_t *out, const struct mur_mapping *mapping, struct mur_slice name)
{
    for (size_t i = 0; i < mapping->field_count; i++)
        if (mur_slice_equal(name, mapping->fields[i].name)) {
            *out = i;
            return true;
        }
    return false;
}

static enum mur_status read_modality(struct mur_mapping *mapping, const struct mur_setting *root,
                                     struct mur_error *error)
{
    static const char *const members[] = {"field", "table", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "modality", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = allocate(&mapping->modality, list, sizeof *mapping->modality, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_modality_source *source = &mapping->modality[mapping->modality_count++];
        const char *field = "";
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&field, group, "field", error);
        if (status == MUR_OK)
            status = read_table_name(&source->table, mapping, group, error);
        if (status == MUR_OK &&
            (!find_field(&source->field, mapping, mur_slice_of(field)) || source->table == NULL))
            status = mur_setting_error(group, error, "\"field\" and \"table\" must name one each");
    }
    return status;
}

/* ---- templates ------------------------------------------------------------------------------- */

static const char *const variables[] = {
    [MUR_VARIABLE_STUDY] = "study",       [MUR_VARIABLE_STUDY_TITLE] = "study_title",
    [MUR_VARIABLE_SOURCE] = "source",     [MUR_VARIABLE_SAMPLE] = "sample",
    [MUR_VARIABLE_SESSION] = "session",   [MUR_VARIABLE_SCAN] = "scan",
    [MUR_VARIABLE_MODALITY] = "modality",
};

static enum mur_status read_variable(struct mur_piece *piece, const struct mur_mapping *mapping,
                                     struct mur_slice text, const struct mur_setting *setting,
                                     struct mur_error *error)
{
    const char *colon = memchr(text.data, ':', text.length);
    if (colon != NULL) {
        uint64_t limit = 0;
        size_t before = (size_t)(colon - text.data);
        struct mur_slice number = {colon + 1, text.length - before - 1};
        struct mur_error cause = MUR_ERROR_INIT;
        piece->number = mur_slice_equal(number, "number");
        piece->text = mur_slice_equal(number, "text");
        if (!piece->number && !piece->text &&
            mur_parse_uint64(&limit, number, 1, 10000, &cause) != MUR_OK)
            return mur_setting_error(setting, error,
                                     "{name:N} needs a number of characters, or is {name:number} "
                                     "or {name:text}: %s",
                                     cause.message);
        piece->limit = (unsigned)limit;
        text.length = before;
    }
    for (size_t i = 0; i < MUR_COUNT(variables); i++)
        if (mur_slice_equal(text, variables[i])) {
            piece->variable = (enum mur_variable)i;
            return MUR_OK;
        }
    piece->variable = MUR_VARIABLE_FIELD;
    if (!find_field(&piece->field, mapping, text))
        return mur_setting_error(setting, error, "{%.*s} is no field", (int)text.length, text.data);
    return MUR_OK;
}

/** Literal text, {variable}, {variable:most characters}, [optional part]. */
static enum mur_status read_alternative(struct mur_alternative *out,
                                        const struct mur_mapping *mapping, const char *text,
                                        const struct mur_setting *setting, struct mur_error *error)
{
    out->pieces = calloc(strlen(text) + 1, sizeof *out->pieces);
    if (out->pieces == NULL)
        return mur_error_no_memory(error);
    unsigned group = 0;
    unsigned groups = 0;
    while (*text != '\0') {
        if (*text == '[' || *text == ']') {
            if ((*text == '[') == (group != 0))
                return mur_setting_error(setting, error, "[ ] must come in pairs");
            group = *text == '[' ? ++groups : 0;
            text++;
            continue;
        }
        struct mur_piece *piece = &out->pieces[out->count++];
        piece->group = group;
        if (*text != '{') {
            size_t length = strcspn(text, "{[]");
            piece->literal = (struct mur_slice){text, length};
            text += length;
            continue;
        }
        const char *end = strchr(text, '}');
        if (end == NULL)
            return mur_setting_error(setting, error, "{ } must come in pairs");
        struct mur_slice name = {text + 1, (size_t)(end - text) - 1};
        enum mur_status status = read_variable(piece, mapping, name, setting, error);
        if (status != MUR_OK)
            return status;
        text = end + 1;
    }
    return group == 0 ? MUR_OK : mur_setting_error(setting, error, "[ ] must come in pairs");
}

static enum mur_status read_templates(struct mur_mapping *mapping, const struct mur_setting *root,
                                      struct mur_error *error)
{
    static const char *const members[] = {"attribute", "private",    "vr",
                                          "level",     "modalities", "drop_too_long",
                                          "text",      "unique",     NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "templates", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = allocate(&mapping->templates, list, sizeof *mapping->templates, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_template *template = &mapping->templates[mapping->template_count++];
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = read_place(&template->target, group, error);
        if (status == MUR_OK)
            status = mur_setting_get_bool(&template->unique, group, "unique", error);
        if (status != MUR_OK)
            return status;
        const struct mur_setting *texts = mur_setting_get(group, "text");
        if (texts == NULL)
            return mur_setting_error(group, error, "\"text\" is missing");
        bool single = mur_setting_type(texts) == MUR_SETTING_TEXT;
        size_t count = single ? 1 : mur_setting_count(texts);
        template->alternatives = calloc(count + 1, sizeof *template->alternatives);
        if (template->alternatives == NULL)
            return mur_error_no_memory(error);
        for (size_t a = 0; status == MUR_OK && a < count; a++) {
            const char *text = "";
            status = mur_setting_text_at(&text, texts, a, error);
            if (status == MUR_OK)
                status = read_alternative(&template->alternatives[template->count++], mapping, text,
                                          texts, error);
        }
    }
    return status;
}

static enum mur_status read_summaries(struct mur_mapping *mapping, const struct mur_setting *root,
                                      struct mur_error *error)
{
    static const char *const members[] = {"attribute", "level", "of", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "summaries", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = allocate(&mapping->summaries, list, sizeof *mapping->summaries, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_summary *summary = &mapping->summaries[mapping->summary_count++];
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = read_place(&summary->target, group, error);
        const struct mur_setting *levels = mur_setting_get(group, "of");
        for (size_t l = 0; status == MUR_OK && l < mur_setting_count(levels); l++) {
            const char *name = "";
            enum mur_level level = MUR_LEVEL_PATIENT;
            status = mur_setting_text_at(&name, levels, l, error);
            if (status != MUR_OK)
                return status;
            if (!find_level(&level, name))
                return mur_setting_error(levels, error, "\"of\" lists patient, study, series");
            summary->levels[level] = true;
        }
    }
    return status;
}

/** One attribute, by its keyword or path, or as an element of the private block. */
static enum mur_status read_one(struct mur_target **out, const struct mur_setting *group,
                                const char *member, struct mur_error *error)
{
    const struct mur_setting *setting = mur_setting_get(group, member);
    if (setting == NULL)
        return MUR_OK;
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return mur_error_no_memory(error);
    int64_t element = 0;
    if (mur_setting_type(setting) == MUR_SETTING_INT) {
        enum mur_status status = mur_setting_get_int(&element, group, member, 0x10, 0x7F, error);
        (*out)->path = mur_attribute_path_of(MUR_PRIVATE_TAG(0, element));
        return status;
    }
    const char *text = NULL;
    enum mur_status status = mur_setting_get_text(&text, group, member, error);
    return status != MUR_OK ? status : set_attribute(*out, text, group, error);
}

/** { when, is, remove }: what speaks against attributes. */
static enum mur_status read_when(struct mur_rule *rule, const struct mur_mapping *mapping,
                                 const struct mur_setting *group, struct mur_error *error)
{
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, "when", error);
    if (status != MUR_OK || name == NULL)
        return status;
    size_t field = 0;
    if (!find_field(&field, mapping, mur_slice_of(name)))
        return mur_setting_error(group, error, "\"when\": there is no field \"%s\"", name);
    rule->when = &mapping->fields[field];
    rule->when_set = MUR_ROLES + field;
    status = read_keys(&rule->is, group, "is", mur_text_fold, error);
    if (status == MUR_OK)
        status = read_attributes(&rule->remove, &rule->remove_count, group, "remove", error);
    if (status == MUR_OK && (rule->is.count == 0 || rule->remove_count == 0))
        status = mur_setting_error(group, error, "\"when\" needs \"is\" and \"remove\"");
    return status;
}

/** { if_any, start, from, minus }: when something began. */
static enum mur_status read_start(struct mur_rule *rule, const struct mur_setting *group,
                                  struct mur_error *error)
{
    enum mur_status status = read_one(&rule->start, group, "start", error);
    if (status == MUR_OK)
        status = read_one(&rule->from, group, "from", error);
    if (status == MUR_OK)
        status = read_one(&rule->minus, group, "minus", error);
    if (status != MUR_OK || rule->start == NULL)
        return status;
    if (rule->from == NULL || rule->minus == NULL || rule->start->vr != MUR_VR_TM)
        return mur_setting_error(group, error,
                                 "\"start\" names a time and goes with \"from\" and \"minus\"");
    return read_level(&rule->start->level, group, error);
}

static enum mur_status read_rules(struct mur_mapping *mapping, const struct mur_setting *root,
                                  struct mur_error *error)
{
    static const char *const members[] = {"if_any",    "add",   "append", "value",  "keep",
                                          "only_with", "when",  "is",     "remove", "start",
                                          "from",      "minus", "level",  NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status = mur_setting_get_members(&list, root, "rules", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = allocate(&mapping->rules, list, sizeof *mapping->rules, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_rule *rule = &mapping->rules[mapping->rule_count++];
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = read_attributes(&rule->if_any, &rule->if_any_count, group, "if_any", error);
        if (status == MUR_OK)
            status = read_attributes(&rule->add, &rule->add_count, group, "add", error);
        if (status == MUR_OK)
            status = read_attributes(&rule->only_with, &rule->only_with_count, group, "only_with",
                                     error);
        rule->value = "";
        if (status == MUR_OK)
            status = read_one(&rule->append, group, "append", error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&rule->value, group, "value", error);
        if (status == MUR_OK)
            status = read_one(&rule->keep, group, "keep", error);
        if (status == MUR_OK)
            status = read_when(rule, mapping, group, error);
        if (status == MUR_OK)
            status = read_start(rule, group, error);
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
        status = read_keys(&mapping->no_value, root, "no_value", mur_text_fold, error);
    static enum mur_status (*const parts[])(struct mur_mapping *, const struct mur_setting *,
                                            struct mur_error *) = {
        read_units,    read_tables,    read_term_sources, read_roles, read_fields,
        read_modality, read_templates, read_summaries,    read_rules,
    };
    for (size_t i = 0; i < MUR_COUNT(parts) && status == MUR_OK; i++)
        status = parts[i](mapping, root, error);
    if (status == MUR_OK && organs_path != NULL)
        status = mur_organs_load(&mapping->organs, organs_path, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(mapping);
    return status;
}
