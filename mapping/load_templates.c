#include <stdlib.h>
#include <string.h>

#include "mapping/load.h"

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
    if (!mur_load_find_field(&piece->field, mapping, text))
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

enum mur_status mur_load_templates(struct mur_mapping *mapping, const struct mur_setting *root,
                                   struct mur_error *error)
{
    static const char *const members[] = {"attribute", "private",    "vr",
                                          "level",     "modalities", "drop_too_long",
                                          "text",      "unique",     NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "templates", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->templates, list, sizeof *mapping->templates, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_template *template = &mapping->templates[mapping->template_count++];
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = mur_load_place(&template->target, group, error);
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

enum mur_status mur_load_summaries(struct mur_mapping *mapping, const struct mur_setting *root,
                                   struct mur_error *error)
{
    static const char *const members[] = {"attribute", "level", "of", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "summaries", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->summaries, list, sizeof *mapping->summaries, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_summary *summary = &mapping->summaries[mapping->summary_count++];
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status = mur_load_place(&summary->target, group, error);
        const struct mur_setting *levels = mur_setting_get(group, "of");
        for (size_t l = 0; status == MUR_OK && l < mur_setting_count(levels); l++) {
            const char *name = "";
            enum mur_level level = MUR_LEVEL_PATIENT;
            status = mur_setting_text_at(&name, levels, l, error);
            if (status != MUR_OK)
                return status;
            if (!mur_load_find_level(&level, name))
                return mur_setting_error(levels, error, "\"of\" lists patient, study, series");
            summary->levels[level] = true;
        }
    }
    return status;
}
