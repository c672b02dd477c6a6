#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"
#include "mapping/load.h"

void mur_target_free(struct mur_target *target)
{
    mur_targets_free(target->unless, target->unless_count);
    mur_keys_free(&target->units);
    mur_keys_free(&target->only);
    mur_keys_free(&target->except);
}

void mur_targets_free(struct mur_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mur_target_free(&targets[i]);
    free(targets);
}

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

bool mur_load_find_level(enum mur_level *out, const char *name)
{
    for (int level = 0; level < MUR_LEVEL_COUNT; level++)
        if (mur_ascii_equal_ignore_case(name, mur_level_name((enum mur_level)level))) {
            *out = (enum mur_level)level;
            return true;
        }
    return false;
}

enum mur_status mur_load_level(enum mur_level *out, const struct mur_setting *group,
                               struct mur_error *error)
{
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, "level", error);
    if (status != MUR_OK || name == NULL)
        return status;
    if (!mur_load_find_level(out, name))
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

enum mur_status mur_load_place(struct mur_target *target, const struct mur_setting *group,
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
        status = mur_load_level(&target->level, group, error);
    if (status == MUR_OK)
        status = read_modalities(target, group, error);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&target->drop_too_long, group, "drop_too_long", error);
    return status;
}

enum mur_status mur_load_attributes(struct mur_target **out, size_t *count,
                                    const struct mur_setting *group, const char *member,
                                    struct mur_error *error)
{
    const struct mur_setting *list = mur_setting_get(group, member);
    if (list == NULL)
        return MUR_OK;
    enum mur_status status = mur_load_list(out, list, sizeof **out, error);
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

enum mur_status mur_load_attribute(struct mur_target **out, const struct mur_setting *group,
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

enum mur_status mur_load_target(struct mur_target *target, const struct mur_mapping *mapping,
                                const struct mur_setting *group, struct mur_error *error)
{
    static const char *const members[] = {
        "attribute", "private",       "vr",     "level", "modalities", "convert", "table",
        "terms",     "unit",          "assume", "value", "only",       "except",  "otherwise",
        "quiet",     "drop_too_long", "unless", "units", NULL};
    enum mur_status status = mur_setting_check_names(group, members, error);
    if (status == MUR_OK)
        status = mur_load_place(target, group, error);
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
    status = mur_load_table_name(&target->table, mapping, group, error);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&target->terms, group, "terms", error);
    if (status == MUR_OK)
        status = read_unit_name(&target->unit, mapping, group, "unit", error);
    if (status == MUR_OK)
        status = read_unit_name(&target->assume, mapping, group, "assume", error);
    if (status == MUR_OK)
        status = mur_load_keys(&target->units, group, "units", mur_text_fold, error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&target->constant, group, "value", error);
    if (status == MUR_OK)
        status = mur_load_keys(&target->only, group, "only", mur_text_fold, error);
    if (status == MUR_OK)
        status = mur_load_keys(&target->except, group, "except", mur_text_fold, error);
    if (status == MUR_OK)
        status =
            mur_load_attributes(&target->unless, &target->unless_count, group, "unless", error);
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
