/* Where a column goes, for people who want to know before they import. */
#include <stdlib.h>
#include <string.h>

#include "mapping/view.h"

const char *mur_column_use_name(enum mur_column_use use)
{
    switch (use) {
    case MUR_COLUMN_QUALIFIER:
        return "qualifier";
    case MUR_COLUMN_ROLE:
        return "role";
    case MUR_COLUMN_MAPPED:
        return "mapped";
    case MUR_COLUMN_INDEX_ONLY:
        return "index only";
    case MUR_COLUMN_UNMAPPED:
        return "unmapped";
    }
    return "unmapped";
}

void mur_column_description_free(struct mur_column_description *description)
{
    free(description->targets);
    description->targets = NULL;
    description->target_count = 0;
}

static enum mur_status add_target(struct mur_column_description *to,
                                  const struct mur_target *target, const char *conversion,
                                  struct mur_error *error)
{
    for (size_t i = 0; i < to->target_count; i++)
        if (mur_attribute_path_equal(&to->targets[i].path, &target->path))
            return MUR_OK;
    struct mur_column_target *grown =
        reallocarray(to->targets, to->target_count + 1, sizeof *grown);
    if (grown == NULL)
        return mur_error_no_memory(error);
    to->targets = grown;
    grown[to->target_count++] = (struct mur_column_target){
        .path = target->path,
        .vr = target->vr,
        .level = target->level,
        .conversion = conversion,
        .unit = target->unit != NULL ? target->unit->name : "",
        .table = target->table != NULL ? target->table->name : "",
    };
    return MUR_OK;
}

static bool is_in(const struct mur_template *from, enum mur_variable variable, size_t field)
{
    for (size_t a = 0; a < from->count; a++)
        for (size_t p = 0; p < from->alternatives[a].count; p++) {
            const struct mur_piece *piece = &from->alternatives[a].pieces[p];
            if (piece->literal.data == NULL && piece->variable == variable &&
                (variable != MUR_VARIABLE_FIELD || piece->field == field))
                return true;
        }
    return false;
}

static enum mur_status add_templates(struct mur_column_description *to,
                                     const struct mur_mapping *mapping, enum mur_variable variable,
                                     size_t field, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < mapping->template_count && status == MUR_OK; i++)
        if (is_in(&mapping->templates[i], variable, field))
            status = add_target(to, &mapping->templates[i].target, "template", error);
    return status;
}

static enum mur_status add_role(struct mur_column_description *to,
                                const struct mur_mapping *mapping, enum mur_role role,
                                struct mur_error *error)
{
    static const struct {
        enum mur_role role;
        enum mur_variable variable;
    } told[] = {{MUR_ROLE_SCAN, MUR_VARIABLE_SCAN},
                {MUR_ROLE_SAMPLE, MUR_VARIABLE_SAMPLE},
                {MUR_ROLE_SAMPLE, MUR_VARIABLE_SESSION},
                {MUR_ROLE_SOURCE, MUR_VARIABLE_SOURCE},
                {MUR_ROLE_SESSION, MUR_VARIABLE_SESSION}};
    if (to->role[0] == '\0')
        to->role = mur_role_name(role);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < MUR_COUNT(told) && status == MUR_OK; i++)
        if (told[i].role == role)
            status = add_templates(to, mapping, told[i].variable, 0, error);
    return status;
}

static enum mur_status add_field(struct mur_column_description *to,
                                 const struct mur_mapping *mapping, size_t index,
                                 struct mur_error *error)
{
    const struct mur_field *field = &mapping->fields[index];
    if (to->field[0] == '\0')
        to->field = field->name;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < field->target_count && status == MUR_OK; i++)
        status = add_target(to, &field->targets[i],
                            mur_conversion_name(field->targets[i].conversion), error);
    for (size_t i = 0; i < mapping->modality_count && status == MUR_OK; i++)
        if (mapping->modality[i].field == index)
            status = add_templates(to, mapping, MUR_VARIABLE_MODALITY, 0, error);
    return status == MUR_OK ? add_templates(to, mapping, MUR_VARIABLE_FIELD, index, error) : status;
}

/** Those of the source, of the sample, of the scan. */
static enum mur_level level_of(const struct mur_isa_study *study, const struct mur_isa_table *table,
                               uint32_t column)
{
    if (table != &study->table)
        return MUR_LEVEL_SERIES;
    uint32_t owner = table->columns[column].owner;
    const struct mur_isa_column *node =
        table->columns[column].kind == MUR_ISA_MATERIAL || owner == MUR_ISA_NONE
            ? &table->columns[column]
            : &table->columns[owner];
    return node->kind == MUR_ISA_MATERIAL && strcmp(node->header, "Source Name") == 0
               ? MUR_LEVEL_PATIENT
               : MUR_LEVEL_STUDY;
}

enum mur_status mur_mapping_describe_column(struct mur_column_description *out,
                                            const struct mur_mapping *mapping,
                                            const struct mur_isa_study *study,
                                            const struct mur_isa_table *table, uint32_t column,
                                            struct mur_error *error)
{
    struct mur_isa_column alone = table->columns[column];
    struct mur_isa_table one = {.path = "", .columns = &alone, .column_count = 1};
    struct mur_view view = {.table = NULL};
    struct mur_column_description made = {
        .level = level_of(study, table, column), .role = "", .field = "", .unit = ""};
    enum mur_status status = mur_view_make(&view, mapping, &one, error);
    for (size_t set = 0; set < MUR_ROLES + mapping->field_count && status == MUR_OK; set++) {
        if (view.begin[set] == view.begin[set + 1])
            continue;
        const struct mur_unit *unit = view.matches[view.begin[set]].unit;
        if (unit != NULL)
            made.unit = unit->name;
        status = set < MUR_ROLES ? add_role(&made, mapping, (enum mur_role)set, error)
                                 : add_field(&made, mapping, set - MUR_ROLES, error);
    }
    mur_view_free(&view);
    if (status != MUR_OK) {
        mur_column_description_free(&made);
        return status;
    }
    made.use = alone.kind == MUR_ISA_QUALIFIER ? MUR_COLUMN_QUALIFIER
               : made.role[0] != '\0'          ? MUR_COLUMN_ROLE
               : made.target_count > 0         ? MUR_COLUMN_MAPPED
               : made.field[0] != '\0'         ? MUR_COLUMN_INDEX_ONLY
                                               : MUR_COLUMN_UNMAPPED;
    *out = made;
    return MUR_OK;
}
