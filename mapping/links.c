#include "mapping/links.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "dicom/dictionary.h"
#include "dicom/json_value.h"
#include "mapping/internal.h"

enum { RULE_LIMIT = 64, TERM_LIMIT = 8, NAME_LIMIT = 64, KEY_LIMIT = 64, TEXT_LIMIT = 1024 };

/* One comparison. */
struct term {
    bool file;                       /* the name of the imported file, else ... */
    struct mur_attribute_path path;  /* ... an attribute of the header */
    regex_t *pattern;                /* its first group, or all that it matches; NULL = all */
    struct mur_attribute_path value; /* of the scan: what it becomes as an attribute ... */
    struct mur_keys columns; /* ... or, where that has no tags, the cells of these columns */
};

struct link_rule {
    struct term *terms;
    size_t count;
    char *text;
};

struct mur_link_rules {
    struct link_rule *rules;
    size_t count;
};

void mur_link_rules_free(struct mur_link_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t r = 0; r < rules->count; r++) {
        struct link_rule *rule = &rules->rules[r];
        for (size_t t = 0; t < rule->count; t++) {
            for (size_t i = 0; i < rule->terms[t].columns.count; i++)
                free(rule->terms[t].columns.items[i]);
            free(rule->terms[t].columns.items);
            if (rule->terms[t].pattern != NULL)
                regfree(rule->terms[t].pattern);
            free(rule->terms[t].pattern);
        }
        free(rule->terms);
        free(rule->text);
    }
    free(rules->rules);
    free(rules);
}

void mur_link_keys_free(struct mur_link_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->texts[i]);
    free(keys->texts);
    *keys = (struct mur_link_keys){0};
}

size_t mur_link_rules_count(const struct mur_link_rules *rules)
{
    return rules == NULL ? 0 : rules->count;
}

const char *mur_link_rule_text(const struct mur_link_rules *rules, size_t rule)
{
    return rules->rules[rule].text;
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum mur_status read_attribute(struct mur_attribute_path *out,
                                      const struct mur_setting *from, const char *text,
                                      struct mur_error *error)
{
    struct mur_error cause = MUR_ERROR_INIT;
    if (mur_attribute_path_parse(out, mur_slice_of(text), &cause) == MUR_OK)
        return MUR_OK;
    return mur_setting_error(from, error, "%s", cause.message);
}

static enum mur_status read_pattern(struct term *term, struct mur_buffer *text,
                                    const struct mur_setting *group, struct mur_error *error)
{
    const char *pattern = NULL;
    enum mur_status status = mur_setting_get_text(&pattern, group, "pattern", error);
    if (status != MUR_OK || pattern == NULL)
        return status;
    regex_t *compiled = calloc(1, sizeof *compiled);
    if (compiled == NULL)
        return mur_error_no_memory(error);
    int result = regcomp(compiled, pattern, REG_EXTENDED);
    if (result != 0) {
        char reason[128];
        (void)regerror(result, compiled, reason, sizeof reason);
        free(compiled);
        return mur_setting_error(group, error, "\"pattern\" \"%s\": %s", pattern, reason);
    }
    term->pattern = compiled;
    return mur_buffer_append_format(text, error, "~%s", pattern);
}

static enum mur_status read_columns(struct term *term, struct mur_buffer *text,
                                    const struct mur_setting *group, struct mur_error *error)
{
    const struct mur_setting *list = mur_setting_get(group, "columns");
    if (list == NULL)
        return mur_setting_error(group, error, "\"columns\" or \"value\" is missing");
    size_t count = mur_setting_type(list) == MUR_SETTING_TEXT ? 1 : mur_setting_count(list);
    if (count == 0 || count > NAME_LIMIT)
        return mur_setting_error(list, error, "\"columns\" needs 1 to %d names", NAME_LIMIT);
    term->columns.items = calloc(count, sizeof *term->columns.items);
    if (term->columns.items == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        const char *name = "";
        status = mur_setting_text_at(&name, list, i, error);
        if (status == MUR_OK)
            status = mur_mapping_key(&term->columns.items[i], mur_slice_of(name), error);
        if (status == MUR_OK)
            status = mur_buffer_append_format(text, error, "%s%s", i == 0 ? "=" : "|",
                                              term->columns.items[term->columns.count++]);
    }
    return status;
}

static enum mur_status read_term(struct term *term, struct mur_buffer *text,
                                 const struct mur_setting *group, struct mur_error *error)
{
    static const char *const members[] = {"attribute", "pattern", "columns", "value", NULL};
    const char *attribute = NULL;
    const char *value = NULL;
    enum mur_status status = mur_setting_check_names(group, members, error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&attribute, group, "attribute", error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&value, group, "value", error);
    if (status != MUR_OK)
        return status;
    if (attribute == NULL)
        return mur_setting_error(group, error, "\"attribute\" is missing");
    term->file = strcmp(attribute, "file") == 0;
    if (!term->file)
        status = read_attribute(&term->path, group, attribute, error);
    if (status == MUR_OK)
        status =
            mur_buffer_append_format(text, error, "%s%s", text->length == 0 ? "" : "; ", attribute);
    if (status == MUR_OK)
        status = read_pattern(term, text, group, error);
    if (status != MUR_OK || value == NULL)
        return status != MUR_OK ? status : read_columns(term, text, group, error);
    status = read_attribute(&term->value, group, value, error);
    return status == MUR_OK ? mur_buffer_append_format(text, error, "=<%s>", value) : status;
}

static enum mur_status read_rule(struct link_rule *rule, const struct mur_setting *list,
                                 struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    size_t count = mur_setting_count(list);
    if (mur_setting_type(list) != MUR_SETTING_LIST || count == 0 || count > TERM_LIMIT)
        return mur_setting_error(list, error, "a rule is a list of 1 to %d comparisons",
                                 TERM_LIMIT);
    rule->terms = calloc(count, sizeof *rule->terms);
    if (rule->terms == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = read_term(&rule->terms[rule->count++], &text, mur_setting_at(list, i), error);
    return status == MUR_OK ? mur_buffer_take(&rule->text, &text, error) : status;
}

enum mur_status mur_link_rules_create(struct mur_link_rules **out,
                                      const struct mur_mapping *mapping, struct mur_error *error)
{
    MUR_AUTO(mur_link_rules) *rules = calloc(1, sizeof *rules);
    if (rules == NULL)
        return mur_error_no_memory(error);
    const struct mur_setting *list = NULL;
    enum mur_status status = mur_setting_get_members(&list, mur_config_tree_root(mapping->tree),
                                                     "links", MUR_SETTING_LIST, error);
    size_t count = mur_setting_count(list);
    if (status == MUR_OK && count > RULE_LIMIT)
        status = mur_setting_error(list, error, "more than %d rules", RULE_LIMIT);
    if (status != MUR_OK)
        return status;
    rules->rules = calloc(count + 1, sizeof *rules->rules);
    if (rules->rules == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = read_rule(&rules->rules[rules->count++], mur_setting_at(list, i), error);
    if (status == MUR_OK)
        *out = MUR_STEAL(rules);
    return status;
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Case, diacritics and blanks around it do not matter. */
static enum mur_status append_folded(struct mur_buffer *out, const char *text,
                                     struct mur_error *error)
{
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_text_fold(&folded, mur_slice_trim(mur_slice_of(text)), error);
    return status == MUR_OK ? mur_buffer_append_format(out, error, "%s%s",
                                                       out->length == 0 ? "" : "\x1f", folded)
                            : status;
}

static const char *value_of(const struct mur_scan *scan, const struct mur_attribute_path *path)
{
    const struct mur_scan_value *value = mur_scan_find_value(scan, path);
    return value == NULL ? "" : value->text;
}

static enum mur_status says(bool *out, const struct term *term,
                            const struct mur_scan_attribute *attribute, struct mur_error *error)
{
    MUR_AUTO_FREE char *key = NULL;
    enum mur_status status = mur_mapping_key(&key, mur_slice_of(attribute->name), error);
    if (status == MUR_OK)
        *out = attribute->text[0] != '\0' && mur_keys_have(&term->columns, key);
    return status;
}

static enum mur_status add_scan_keys(struct mur_link_keys *out, const struct link_rule *rule,
                                     size_t at, const char *before, const struct mur_scan *scan,
                                     struct mur_error *error);

/* One more text of the key, and all the ways in which it goes on. */
static enum mur_status go_on(struct mur_link_keys *out, const struct link_rule *rule, size_t at,
                             const char *before, const char *text, const struct mur_scan *scan,
                             struct mur_error *error)
{
    if (text[0] == '\0' || strlen(text) > TEXT_LIMIT)
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer key = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_text(&key, before, error);
    if (status == MUR_OK)
        status = append_folded(&key, text, error);
    return status == MUR_OK ? add_scan_keys(out, rule, at + 1, mur_buffer_text(&key), scan, error)
                            : status;
}

static enum mur_status add_scan_keys(struct mur_link_keys *out, const struct link_rule *rule,
                                     size_t at, const char *before, const struct mur_scan *scan,
                                     struct mur_error *error)
{
    if (out->count == KEY_LIMIT)
        return MUR_OK;
    if (at == rule->count) {
        if (out->texts == NULL)
            out->texts = calloc(KEY_LIMIT, sizeof *out->texts);
        if (out->texts == NULL)
            return mur_error_no_memory(error);
        enum mur_status status =
            mur_text_copy(&out->texts[out->count], mur_slice_of(before), error);
        out->count += status == MUR_OK ? 1 : 0;
        return status;
    }
    const struct term *term = &rule->terms[at];
    if (term->value.depth > 0)
        return go_on(out, rule, at, before, value_of(scan, &term->value), scan, error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < scan->isa_attribute_count; i++) {
        bool wanted = false;
        status = says(&wanted, term, &scan->isa_attributes[i], error);
        if (status == MUR_OK && wanted)
            status = go_on(out, rule, at, before,
                           term->file ? mur_path_base(scan->isa_attributes[i].text)
                                      : scan->isa_attributes[i].text,
                           scan, error);
    }
    return status;
}

enum mur_status mur_link_rules_ask_for(bool *out, const struct mur_link_rules *rules,
                                       const char *column, struct mur_error *error)
{
    const struct mur_scan_attribute named = {.name = column, .text = column};
    enum mur_status status = MUR_OK;
    *out = false;
    for (size_t r = 0; r < rules->count; r++)
        for (size_t t = 0; status == MUR_OK && !*out && t < rules->rules[r].count; t++)
            status = says(out, &rules->rules[r].terms[t], &named, error);
    return status;
}

enum mur_status mur_link_keys_of_scan(struct mur_link_keys *out, const struct mur_link_rules *rules,
                                      size_t rule, const struct mur_scan *scan,
                                      struct mur_error *error)
{
    return add_scan_keys(out, &rules->rules[rule], 0, "", scan, error);
}

static enum mur_status header_text(struct mur_buffer *out, const struct term *term,
                                   const struct mur_json *elements, const char *file,
                                   struct mur_error *error)
{
    if (term->file)
        return mur_buffer_append_text(out, mur_path_base(file), error);
    const struct mur_json *element = NULL;
    for (unsigned i = 0; i < term->path.depth; i++) {
        if (i > 0)
            elements = element == NULL ? NULL : mur_json_item(element, 0);
        element = elements == NULL ? NULL : mur_json_element(elements, term->path.tags[i]);
    }
    if (element == NULL || mur_json_value_count(element) == 0)
        return MUR_OK;
    return mur_json_append_value(out, element, 0, error);
}

/* @param[in,out] text  what the pattern takes of it; "" where it does not fit */
static void cut_to_pattern(struct mur_buffer *text, const regex_t *pattern)
{
    regmatch_t match[2];
    char *at = text->data;
    if (regexec(pattern, mur_buffer_text(text), MUR_COUNT(match), match, 0) != 0) {
        mur_buffer_clear(text);
        return;
    }
    const regmatch_t *part = match[1].rm_so >= 0 ? &match[1] : &match[0];
    text->length = (size_t)(part->rm_eo - part->rm_so);
    memmove(at, at + part->rm_so, text->length);
    at[text->length] = '\0';
}

enum mur_status mur_link_key_of_header(char **out, const struct mur_link_rules *rules, size_t rule,
                                       const struct mur_json *elements, const char *file,
                                       struct mur_error *error)
{
    const struct link_rule *of = &rules->rules[rule];
    MUR_AUTO_BUFFER struct mur_buffer key = MUR_BUFFER_INIT;
    for (size_t i = 0; i < of->count; i++) {
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        enum mur_status status = header_text(&text, &of->terms[i], elements, file, error);
        if (status == MUR_OK && text.length > 0 && text.length <= TEXT_LIMIT &&
            of->terms[i].pattern != NULL)
            cut_to_pattern(&text, of->terms[i].pattern);
        if (status != MUR_OK || text.length == 0 || text.length > TEXT_LIMIT) {
            if (status == MUR_OK)
                *out = NULL;
            return status;
        }
        status = append_folded(&key, mur_buffer_text(&text), error);
        if (status != MUR_OK)
            return status;
    }
    return mur_buffer_take(out, &key, error);
}
