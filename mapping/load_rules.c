#include "mapping/load.h"

/** { when, is, remove }: what speaks against attributes. */
static enum mur_status read_when(struct mur_rule *rule, const struct mur_mapping *mapping,
                                 const struct mur_setting *group, struct mur_error *error)
{
    const char *name = NULL;
    enum mur_status status = mur_setting_get_text(&name, group, "when", error);
    if (status != MUR_OK || name == NULL)
        return status;
    size_t field = 0;
    if (!mur_load_find_field(&field, mapping, mur_slice_of(name)))
        return mur_setting_error(group, error, "\"when\": there is no field \"%s\"", name);
    rule->when = &mapping->fields[field];
    rule->when_set = MUR_ROLES + field;
    status = mur_load_keys(&rule->is, group, "is", mur_text_fold, error);
    if (status == MUR_OK)
        status = mur_load_attributes(&rule->remove, &rule->remove_count, group, "remove", error);
    if (status == MUR_OK && (rule->is.count == 0 || rule->remove_count == 0))
        status = mur_setting_error(group, error, "\"when\" needs \"is\" and \"remove\"");
    return status;
}

/** { if_any, start, from, minus }: when something began. */
static enum mur_status read_start(struct mur_rule *rule, const struct mur_setting *group,
                                  struct mur_error *error)
{
    enum mur_status status = mur_load_attribute(&rule->start, group, "start", error);
    if (status == MUR_OK)
        status = mur_load_attribute(&rule->from, group, "from", error);
    if (status == MUR_OK)
        status = mur_load_attribute(&rule->minus, group, "minus", error);
    if (status != MUR_OK || rule->start == NULL)
        return status;
    if (rule->from == NULL || rule->minus == NULL || rule->start->vr != MUR_VR_TM)
        return mur_setting_error(group, error,
                                 "\"start\" names a time and goes with \"from\" and \"minus\"");
    return mur_load_level(&rule->start->level, group, error);
}

enum mur_status mur_load_rules(struct mur_mapping *mapping, const struct mur_setting *root,
                               struct mur_error *error)
{
    static const char *const members[] = {"if_any",    "add",   "append", "value",  "keep",
                                          "only_with", "when",  "is",     "remove", "start",
                                          "from",      "minus", "level",  NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status = mur_setting_get_members(&list, root, "rules", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_load_list(&mapping->rules, list, sizeof *mapping->rules, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(list); i++) {
        const struct mur_setting *group = mur_setting_at(list, i);
        struct mur_rule *rule = &mapping->rules[mapping->rule_count++];
        status = mur_setting_check_names(group, members, error);
        if (status == MUR_OK)
            status =
                mur_load_attributes(&rule->if_any, &rule->if_any_count, group, "if_any", error);
        if (status == MUR_OK)
            status = mur_load_attributes(&rule->add, &rule->add_count, group, "add", error);
        if (status == MUR_OK)
            status = mur_load_attributes(&rule->only_with, &rule->only_with_count, group,
                                         "only_with", error);
        rule->value = "";
        if (status == MUR_OK)
            status = mur_load_attribute(&rule->append, group, "append", error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&rule->value, group, "value", error);
        if (status == MUR_OK)
            status = mur_load_attribute(&rule->keep, group, "keep", error);
        if (status == MUR_OK)
            status = read_when(rule, mapping, group, error);
        if (status == MUR_OK)
            status = read_start(rule, group, error);
    }
    return status;
}
