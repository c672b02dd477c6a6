#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"
#include "mapping/builder.h"
#include "mapping/names.h"

/* ---- what becomes of the cells as they are ----------------------------------------------------
 */

/** Equal texts of one archive are equal pointers, apart from the empty one. */
static bool same_text(const char *a, const char *b)
{
    return a == b || (a[0] == '\0' && b[0] == '\0');
}

static uint64_t mix(uint64_t hash, const char *text)
{
    return (hash ^ (text[0] == '\0' ? 0 : (uintptr_t)text)) * UINT64_C(0x9E3779B97F4A7C15);
}

/** Where the attribute stands in the table of what was gathered, or where it would be put. */
static size_t find_slot(const struct mur_gathered *in, const struct mur_isa_value *value)
{
    uint64_t hash = mix(mix(mix(value->kind, value->name), value->value), value->unit);
    size_t slot = (size_t)(hash >> 24) & (in->slot_count - 1);
    for (; in->slots[slot] != 0; slot = (slot + 1) & (in->slot_count - 1)) {
        const struct mur_scan_attribute *item = &in->items[in->slots[slot] - 1];
        if (item->kind == value->kind && same_text(item->name, value->name) &&
            same_text(item->text, value->value) && same_text(item->unit, value->unit))
            break;
    }
    return slot;
}

static enum mur_status make_room(struct mur_gathered *in, struct mur_error *error)
{
    if (in->count < in->capacity)
        return MUR_OK;
    size_t capacity = in->capacity == 0 ? 64 : in->capacity * 2;
    struct mur_scan_attribute *items = reallocarray(in->items, capacity, sizeof *items);
    if (items == NULL)
        return mur_error_no_memory(error);
    in->items = items;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return mur_error_no_memory(error);
    free(in->slots);
    in->slots = slots;
    in->slot_count = capacity * 2;
    in->capacity = capacity;
    for (size_t i = 0; i < in->count; i++) {
        const struct mur_scan_attribute *item = &items[i];
        const struct mur_isa_value value = {
            .kind = item->kind, .name = item->name, .value = item->text, .unit = item->unit};
        slots[find_slot(in, &value)] = (uint32_t)i + 1;
    }
    return MUR_OK;
}

void mur_gathered_free(struct mur_gathered *gathered)
{
    free(gathered->items);
    free(gathered->slots);
}

/** "23.4", or "23.4 g" when the mapping knows the unit. */
static bool read_number(double *out, const struct mur_mapping *mapping, const char *text)
{
    struct mur_decimal number;
    struct mur_slice rest = {"", 0};
    struct mur_error ignored = MUR_ERROR_INIT;
    if (mur_parse_double(out, mur_slice_of(text), &ignored) == MUR_OK)
        return true;
    if (mur_decimal_read(&number, &rest, mur_slice_of(text), &ignored) != MUR_OK ||
        mur_mapping_unit(mapping, rest) == NULL)
        return false;
    size_t length = strlen(text) - rest.length; /* the unit ends the trimmed cell */
    return mur_parse_double(out, mur_slice_trim((struct mur_slice){text, length}), &ignored) ==
           MUR_OK;
}

/** Adds what is not there yet: what the sample says, the row need not say again. */
static enum mur_status gather(struct mur_builder *builder, enum mur_level level,
                              const struct mur_isa_value *value, struct mur_error *error)
{
    struct mur_gathered *to = &builder->gathered;
    if (value->value[0] == '\0')
        return MUR_OK;
    enum mur_status status = make_room(to, error);
    if (status != MUR_OK)
        return status;
    size_t slot = find_slot(to, value);
    if (to->slots[slot] != 0)
        return MUR_OK;
    struct mur_scan_attribute *item = &to->items[to->count];
    *item = (struct mur_scan_attribute){.level = level,
                                        .kind = value->kind,
                                        .name = value->name,
                                        .text = value->value,
                                        .unit = value->unit};
    item->has_number = read_number(&item->number, builder->mapping, value->value);
    to->slots[slot] = (uint32_t)++to->count;
    return MUR_OK;
}

static enum mur_status gather_node(struct mur_builder *builder, enum mur_level level,
                                   const char *header, const struct mur_isa_node *node,
                                   struct mur_error *error)
{
    const struct mur_isa_table *table = &builder->study->table;
    struct mur_isa_value name = {
        .kind = MUR_ISA_MATERIAL, .name = header, .value = node->name, .unit = ""};
    enum mur_status status = gather(builder, level, &name, error);
    for (uint32_t i = 0; i < node->attribute_count && status == MUR_OK; i++) {
        struct mur_isa_value value =
            mur_isa_value_at(table, node->attributes[i].row, node->attributes[i].column);
        status = gather(builder, level, &value, error);
    }
    return status;
}

enum mur_status mur_builder_attributes(struct mur_builder *builder, struct mur_error *error)
{
    struct mur_gathered *gathered = &builder->gathered;
    const struct mur_isa_table *table = &builder->assay->table;
    enum mur_status status = MUR_OK;
    gathered->count = 0;
    if (gathered->slot_count > 0)
        memset(gathered->slots, 0, gathered->slot_count * sizeof *gathered->slots);
    for (uint32_t i = 0; i < builder->source_count && status == MUR_OK; i++)
        status = gather_node(builder, MUR_LEVEL_PATIENT, "Source Name", builder->sources[i], error);
    for (uint32_t i = 0; i < builder->sample_count && status == MUR_OK; i++)
        status = gather_node(builder, MUR_LEVEL_STUDY, "Sample Name", builder->samples[i], error);
    for (uint32_t r = 0; r < builder->row_count && status == MUR_OK; r++) {
        for (uint32_t c = 0; c < table->column_count && status == MUR_OK; c++) {
            enum mur_isa_kind kind = table->columns[c].kind;
            if (kind == MUR_ISA_QUALIFIER)
                continue;
            struct mur_isa_value value = mur_isa_value_at(table, builder->rows[r], c);
            bool is_node = kind == MUR_ISA_MATERIAL &&
                           (mur_isa_find_sample(builder->study, value.value) != NULL ||
                            mur_isa_find_source(builder->study, value.value) != NULL);
            if (!is_node) /* its name was gathered with the node */
                status = gather(builder, MUR_LEVEL_SERIES, &value, error);
        }
    }
    if (status != MUR_OK)
        return status;
    struct mur_scan *scan = builder->scan;
    scan->isa_attributes = gathered->items;
    scan->isa_attribute_count = gathered->count;
    if (builder->survey) /* on loan, while values are made */
        return MUR_OK;
    status = mur_isa_allocate(&scan->isa_attributes, builder->list->strings, gathered->count,
                              sizeof *gathered->items, error);
    if (status == MUR_OK && gathered->count > 0)
        memcpy(scan->isa_attributes, gathered->items, gathered->count * sizeof *gathered->items);
    return status;
}

/* ---- values ---------------------------------------------------------------------------------- */

/** Where the value stands, or where it would be put: sorted by path. */
static size_t find_place(bool *there, const struct mur_builder *builder,
                         const struct mur_attribute_path *path)
{
    size_t low = 0;
    size_t high = builder->value_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = mur_attribute_path_compare(&builder->values[middle].path, path);
        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = false;
    return low;
}

/** Puts a value unless there is one that is not empty. */
static enum mur_status put_value(struct mur_builder *builder, struct mur_scan_value value,
                                 struct mur_error *error)
{
    bool there = false;
    size_t place = find_place(&there, builder, &value.path);
    if (there) {
        if (builder->values[place].text[0] == '\0')
            builder->values[place] = value;
        return MUR_OK;
    }
    if (builder->value_count == builder->value_capacity) {
        size_t capacity = builder->value_capacity == 0 ? 64 : builder->value_capacity * 2;
        struct mur_scan_value *values = reallocarray(builder->values, capacity, sizeof *values);
        if (values == NULL)
            return mur_error_no_memory(error);
        builder->values = values;
        builder->value_capacity = capacity;
    }
    memmove(builder->values + place + 1, builder->values + place,
            (builder->value_count - place) * sizeof value);
    builder->values[place] = value;
    builder->value_count++;
    return MUR_OK;
}

static enum mur_status put_text(struct mur_builder *builder, const struct mur_target *target,
                                const char *text, struct mur_error *error)
{
    struct mur_scan_value value = {target->level, target->path, target->vr, text};
    return put_value(builder, value, error);
}

static enum mur_status put_code(struct mur_builder *builder, const struct mur_target *target,
                                const struct mur_organ_code *code, struct mur_error *error)
{
    const struct {
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
    } parts[] = {{MUR_TAG_CodeValue, MUR_VR_SH, code->value},
                 {MUR_TAG_CodingSchemeDesignator, MUR_VR_SH, code->scheme},
                 {MUR_TAG_CodeMeaning, MUR_VR_LO, code->meaning}};
    enum mur_status status = MUR_OK;
    bool there = false;
    struct mur_scan_value value = {.level = target->level, .path = target->path};
    value.path.depth++;
    value.path.tags[value.path.depth - 1] = MUR_TAG_CodeValue;
    (void)find_place(&there, builder, &value.path);
    for (size_t i = 0; i < MUR_COUNT(parts) && status == MUR_OK && !there; i++) {
        value.path.tags[value.path.depth - 1] = parts[i].tag;
        value.vr = parts[i].vr;
        value.text = parts[i].text;
        status = put_value(builder, value, error);
    }
    return status;
}

static bool suits_modality(const struct mur_builder *builder, const struct mur_target *target)
{
    if (target->modalities[0] == NULL)
        return true;
    for (size_t i = 0; target->modalities[i] != NULL; i++)
        if (strcmp(target->modalities[i], builder->scan->modality) == 0)
            return true;
    return false;
}

static bool starts_with(const struct mur_attribute_path *path,
                        const struct mur_attribute_path *prefix)
{
    if (path->depth < prefix->depth)
        return false;
    for (unsigned i = 0; i < prefix->depth; i++)
        if (path->tags[i] != prefix->tags[i])
            return false;
    return true;
}

/** The attribute has a value, or the sequence an item with one. */
static bool has_value(const struct mur_builder *builder, const struct mur_attribute_path *path)
{
    for (size_t i = 0; i < builder->value_count; i++)
        if (starts_with(&builder->values[i].path, path) && builder->values[i].text[0] != '\0')
            return true;
    return false;
}

static bool is_said_already(const struct mur_builder *builder, const struct mur_target *target)
{
    for (size_t i = 0; i < target->unless_count; i++)
        if (has_value(builder, &target->unless[i].path))
            return true;
    return false;
}

static enum mur_status report_conversion(struct mur_builder *builder, const struct mur_field *field,
                                         const struct mur_target *target,
                                         const struct mur_place_found *found,
                                         const struct mur_converted *converted,
                                         struct mur_error *error)
{
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    const char *unit = found->found.value.unit;
    return mur_builder_report(
        builder, MUR_ISA_WARNING, converted->problem_code, found->file, found->line, error,
        "%s '%s%s%s' %s (%s)", field->name, found->found.value.value, unit[0] == '\0' ? "" : " ",
        unit, converted->problem,
        mur_mapping_attribute_name(&target->path, target->path.depth - 1, path));
}

static enum mur_status map_field(struct mur_builder *builder, size_t index, struct mur_error *error)
{
    const struct mur_field *field = &builder->mapping->fields[index];
    struct mur_place_found found;
    if (field->target_count == 0)
        return MUR_OK;
    enum mur_status status = mur_builder_find(&found, builder, MUR_ROLES + index, &field->columns,
                                              field->name, field->level, error);
    if (status != MUR_OK || found.found.value.value[0] == '\0')
        return status;
    for (size_t i = 0; i < field->target_count && status == MUR_OK; i++) {
        const struct mur_target *target = &field->targets[i];
        if (!suits_modality(builder, target) || is_said_already(builder, target))
            continue;
        struct mur_converted converted;
        status = mur_mapping_convert(&converted, builder->mapping, target, &found.found,
                                     builder->study, builder->list->strings, error);
        if (status == MUR_OK && converted.problem_code != NULL)
            status = report_conversion(builder, field, target, &found, &converted, error);
        if (status != MUR_OK || converted.drop)
            continue;
        status = target->conversion == MUR_CONVERT_CODE
                     ? put_code(builder, target, &converted.code, error)
                     : put_text(builder, target, converted.text, error);
    }
    return status;
}

enum mur_status mur_builder_modality(struct mur_builder *builder, struct mur_error *error)
{
    const struct mur_mapping *mapping = builder->mapping;
    for (size_t i = 0; i < mapping->modality_count; i++) {
        const struct mur_field *field = &mapping->fields[mapping->modality[i].field];
        struct mur_place_found found;
        enum mur_status status =
            mur_builder_find(&found, builder, MUR_ROLES + mapping->modality[i].field,
                             &field->columns, field->name, field->level, error);
        if (status != MUR_OK)
            return status;
        const struct mur_table_entry *entry =
            found.found.value.value[0] == '\0'
                ? NULL
                : mur_table_find(mapping->modality[i].table, found.found.value.value,
                                 found.found.value.term_accession);
        if (entry == NULL || entry->to[0] == '\0')
            continue;
        builder->scan->modality = entry->to;
        return MUR_OK;
    }
    return MUR_OK;
}

/** A whole or broken number in the unit that the field's first target assumes; else "". */
static const char *only_number(const struct mur_builder *builder, const struct mur_field *field,
                               const struct mur_found *found)
{
    struct mur_decimal number;
    struct mur_slice rest = {"", 0};
    struct mur_error ignored = MUR_ERROR_INIT;
    const char *text = found->value.value;
    if (mur_decimal_read(&number, &rest, mur_slice_of(text), &ignored) != MUR_OK || rest.length > 0)
        return "";
    const struct mur_unit *unit =
        found->value.unit[0] != '\0'
            ? mur_mapping_unit(builder->mapping, mur_slice_of(found->value.unit))
            : found->name_unit;
    bool is_told = found->value.unit[0] != '\0' || unit != NULL;
    const struct mur_unit *wanted = field->target_count > 0 ? field->targets[0].assume : NULL;
    return is_told && wanted != NULL && unit != wanted ? "" : text;
}

/** What is no number, with or without a unit. */
static const char *only_text(const struct mur_found *found)
{
    struct mur_decimal number;
    struct mur_slice rest = {"", 0};
    struct mur_error ignored = MUR_ERROR_INIT;
    const char *text = found->value.value;
    return mur_decimal_read(&number, &rest, mur_slice_of(text), &ignored) == MUR_OK ? "" : text;
}

/* ---- templates ------------------------------------------------------------------------------- */

static enum mur_status variable_value(const char **out, struct mur_builder *builder,
                                      const struct mur_piece *piece, struct mur_error *error)
{
    const struct mur_scan *scan = builder->scan;
    struct mur_place_found found;
    enum mur_status status = MUR_OK;
    const struct mur_field *field = NULL;
    switch (piece->variable) {
    case MUR_VARIABLE_STUDY:
        *out = scan->study;
        break;
    case MUR_VARIABLE_STUDY_TITLE:
        *out = scan->study_title;
        break;
    case MUR_VARIABLE_SOURCE:
        *out = scan->source;
        break;
    case MUR_VARIABLE_SAMPLE:
        *out = scan->sample;
        break;
    case MUR_VARIABLE_SESSION:
        *out = scan->session;
        break;
    case MUR_VARIABLE_SCAN:
        *out = scan->assay;
        break;
    case MUR_VARIABLE_MODALITY:
        *out = scan->modality;
        break;
    case MUR_VARIABLE_FIELD:
        field = &builder->mapping->fields[piece->field];
        status = mur_builder_find(&found, builder, MUR_ROLES + piece->field, &field->columns,
                                  field->name, field->level, error);
        if (status == MUR_OK)
            *out = piece->number ? only_number(builder, field, &found.found)
                   : piece->text ? only_text(&found.found)
                                 : found.found.value.value;
        break;
    }
    return status;
}

/** A name's own components must not be made by what is put into it (PS3.5 6.2.1). */
static enum mur_status append_variable(struct mur_buffer *text, const char *value, unsigned limit,
                                       enum mur_vr vr, struct mur_error *error)
{
    size_t begin = text->length;
    size_t characters = 0;
    for (const char *c = value; *c != '\0'; c++) {
        if (((unsigned char)*c & 0xC0) != 0x80 && limit != 0 && characters++ == limit)
            break;
        bool special = vr == MUR_VR_PN && (*c == '^' || *c == '=');
        enum mur_status status = mur_buffer_append(text, special ? " " : c, 1, error);
        if (status != MUR_OK)
            return status;
    }
    while (text->length > begin && text->data[text->length - 1] == ' ')
        text->data[--text->length] = '\0';
    return MUR_OK;
}

/** @param[out] whole  false: a variable outside of the optional parts has no value */
static enum mur_status render(struct mur_buffer *out, bool *whole, struct mur_builder *builder,
                              const struct mur_alternative *alternative, enum mur_vr vr,
                              struct mur_error *error)
{
    *whole = true;
    enum mur_status status = MUR_OK;
    unsigned group = 0;
    size_t group_begin = 0;
    bool group_lost = false;
    for (size_t i = 0; i < alternative->count && status == MUR_OK; i++) {
        const struct mur_piece *piece = &alternative->pieces[i];
        if (piece->group != group) {
            group = piece->group;
            group_begin = out->length;
            group_lost = false;
        }
        if (group_lost)
            continue;
        if (piece->literal.data != NULL) {
            status = mur_buffer_append(out, piece->literal.data, piece->literal.length, error);
            continue;
        }
        const char *value = "";
        status = variable_value(&value, builder, piece, error);
        if (status != MUR_OK)
            return status;
        if (value[0] != '\0') {
            status = append_variable(out, value, piece->limit, vr, error);
        } else if (group != 0) {
            group_lost = true;
            out->length = group_begin;
            if (out->data != NULL)
                out->data[group_begin] = '\0';
        } else {
            *whole = false;
            return MUR_OK;
        }
    }
    return status;
}

static enum mur_status fill_template(struct mur_builder *builder, const struct mur_template *from,
                                     struct mur_error *error)
{
    const struct mur_target *target = &from->target;
    const struct mur_isa_table *table = &builder->assay->table;
    if (!suits_modality(builder, target))
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    bool whole = false;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < from->count && !whole && status == MUR_OK; i++) {
        mur_buffer_clear(&text);
        status = render(&text, &whole, builder, &from->alternatives[i], target->vr, error);
    }
    if (status != MUR_OK || !whole)
        return status;
    bool cut = false;
    const char *fitted = "";
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    struct mur_slice slice = {mur_buffer_text(&text), text.length};
    status = mur_mapping_fit(&fitted, &cut, target->vr, from->unique, slice, builder->list->strings,
                             error);
    if (status == MUR_OK && cut && target->drop_too_long)
        return MUR_OK;
    if (status == MUR_OK && cut)
        status = mur_builder_report(builder, MUR_ISA_WARNING, "value-cut", table->path,
                                    table->lines[builder->scan->first_row], error,
                                    "'%s' is too long for %s and was cut", mur_buffer_text(&text),
                                    mur_mapping_attribute_name(&target->path, 0, path));
    return status != MUR_OK ? status : put_text(builder, target, fitted, error);
}

/* ---- summaries and rules --------------------------------------------------------------------- */

enum { SUMMARY_LIMIT = 10240 }; /* LT */

/** "name=value; name=value": the descriptive ones first, names and files last. */
static enum mur_status summarise(struct mur_builder *builder, const struct mur_summary *summary,
                                 struct mur_error *error)
{
    const struct mur_scan *scan = builder->scan;
    const struct mur_isa_table *table = &builder->assay->table;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    size_t characters = 0;
    size_t left_out = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < scan->isa_attribute_count && status == MUR_OK; i++) {
            const struct mur_scan_attribute *attribute = &scan->isa_attributes[i];
            bool descriptive =
                attribute->kind == MUR_ISA_CHARACTERISTIC || attribute->kind == MUR_ISA_FACTOR ||
                attribute->kind == MUR_ISA_PARAMETER || attribute->kind == MUR_ISA_COMMENT;
            if (!summary->levels[attribute->level] || descriptive != (pass == 0))
                continue;
            size_t more = mur_utf8_count(mur_slice_of(attribute->name)) +
                          mur_utf8_count(mur_slice_of(attribute->text)) + 3;
            if (characters + more > SUMMARY_LIMIT) {
                left_out++;
                continue;
            }
            characters += more;
            status = mur_buffer_append_format(&text, error, "%s%s=%s", text.length == 0 ? "" : "; ",
                                              attribute->name, attribute->text);
        }
    }
    if (status == MUR_OK && left_out > 0)
        status = mur_builder_report(builder, MUR_ISA_WARNING, "value-cut", table->path,
                                    table->lines[scan->first_row], error,
                                    "%zu attributes of scan '%s' do not fit into %s; they stay "
                                    "searchable in the private block",
                                    left_out, scan->assay,
                                    mur_mapping_attribute_name(&summary->target.path, 0, path));
    if (status != MUR_OK || text.length == 0 || builder->survey)
        return status;
    for (size_t i = 0; i < text.length; i++) /* as in the private block: one line, named exactly */
        if ((unsigned char)text.data[i] < 0x20)
            text.data[i] = ' ';
    bool cut = false;
    const char *fitted = "";
    struct mur_slice slice = {mur_buffer_text(&text), text.length};
    status = mur_mapping_fit(&fitted, &cut, summary->target.vr, false, slice,
                             builder->list->strings, error);
    return status != MUR_OK ? status : put_text(builder, &summary->target, fitted, error);
}

static bool is_there(const struct mur_builder *builder, const struct mur_attribute_path *path)
{
    for (size_t i = 0; i < builder->value_count; i++)
        if (starts_with(&builder->values[i].path, path))
            return true;
    return false;
}

static void remove_below(struct mur_builder *builder, const struct mur_attribute_path *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < builder->value_count; i++)
        if (!starts_with(&builder->values[i].path, path))
            builder->values[kept++] = builder->values[i];
    builder->value_count = kept;
}

/** What a field's value speaks against goes away. */
static enum mur_status apply_when(struct mur_builder *builder, const struct mur_rule *rule,
                                  struct mur_error *error)
{
    struct mur_place_found found;
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_builder_find(&found, builder, rule->when_set, &rule->when->columns,
                                              rule->when->name, rule->when->level, error);
    if (status == MUR_OK)
        status = mur_text_fold(&folded, mur_slice_of(found.found.value.value), error);
    if (status != MUR_OK || folded[0] == '\0' || !mur_keys_match(&rule->is, folded))
        return status;
    for (size_t i = 0; i < rule->remove_count && status == MUR_OK; i++) {
        const struct mur_attribute_path *path = &rule->remove[i].path;
        char buffer[MUR_ATTRIBUTE_PATH_SIZE];
        if (has_value(builder, path))
            status = mur_builder_report(
                builder, MUR_ISA_WARNING, "contradicting-value", found.file, found.line, error,
                "%s '%s' of scan '%s' speaks against %s, which is left out", rule->when->name,
                found.found.value.value, builder->scan->assay,
                mur_mapping_attribute_name(path, 0, buffer));
        remove_below(builder, path);
    }
    return status;
}

static const char *text_at(const struct mur_builder *builder, const struct mur_attribute_path *path)
{
    bool there = false;
    size_t place = find_place(&there, builder, path);
    return there ? builder->values[place].text : "";
}

/** A time of day less minutes; not over midnight, and not of parts that are missing. */
static enum mur_status apply_start(struct mur_builder *builder, const struct mur_rule *rule,
                                   struct mur_error *error)
{
    enum { DAY = 86400 };
    int64_t from = 0;
    double minutes = 0;
    struct mur_error ignored = MUR_ERROR_INIT;
    const char *time = text_at(builder, &rule->from->path);
    const char *minus = text_at(builder, &rule->minus->path);
    if (strlen(time) != 6 || minus[0] == '\0' ||
        mur_parse_int64(&from, mur_slice_of(time), 0, 235959, &ignored) != MUR_OK ||
        mur_parse_double(&minutes, mur_slice_of(minus), &ignored) != MUR_OK ||
        minutes < -DAY / 60.0 || minutes > DAY / 60.0)
        return MUR_OK;
    int64_t seconds = from / 10000 * 3600 + from / 100 % 100 * 60 + from % 100;
    seconds -= (int64_t)(minutes * 60 + (minutes < 0 ? -0.5 : 0.5));
    if (seconds < 0 || seconds >= DAY)
        return MUR_OK;
    char text[32];
    const char *kept = NULL;
    (void)snprintf(text, sizeof text, "%02d%02d%02d", (int)(seconds / 3600),
                   (int)(seconds / 60 % 60), (int)(seconds % 60));
    enum mur_status status = mur_builder_keep(&kept, builder, text, error);
    return status != MUR_OK ? status : put_text(builder, rule->start, kept, error);
}

/** A further value of an attribute, unless it has it. */
static enum mur_status append_value(struct mur_builder *builder, const struct mur_rule *rule,
                                    struct mur_error *error)
{
    const char *before = text_at(builder, &rule->append->path);
    if (before[0] == '\0')
        return put_text(builder, rule->append, rule->value, error);
    size_t length = strlen(rule->value);
    for (const char *at = before; at != NULL; at = strchr(at, '\\')) {
        at += *at == '\\';
        if (strncmp(at, rule->value, length) == 0 && (at[length] == '\0' || at[length] == '\\'))
            return MUR_OK;
    }
    MUR_AUTO_FREE char *text = NULL;
    bool there = false;
    size_t place = find_place(&there, builder, &rule->append->path);
    enum mur_status status = mur_text_format(&text, error, "%s\\%s", before, rule->value);
    return status != MUR_OK ? status
                            : mur_builder_keep(&builder->values[place].text, builder, text, error);
}

static enum mur_status apply_rule(struct mur_builder *builder, const struct mur_rule *rule,
                                  struct mur_error *error)
{
    bool whole = true;
    for (size_t i = 0; i < rule->only_with_count; i++)
        whole = whole && has_value(builder, &rule->only_with[i].path);
    if (rule->keep != NULL && !whole)
        remove_below(builder, &rule->keep->path);
    bool any = false;
    for (size_t i = 0; i < rule->if_any_count; i++)
        any = any || is_there(builder, &rule->if_any[i].path);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < rule->add_count && any && status == MUR_OK; i++)
        if (!is_there(builder, &rule->add[i].path))
            status = put_text(builder, &rule->add[i], rule->value, error);
    if (status == MUR_OK && rule->append != NULL && any)
        status = append_value(builder, rule, error);
    if (status == MUR_OK && rule->when != NULL)
        status = apply_when(builder, rule, error);
    if (status == MUR_OK && rule->start != NULL && any)
        status = apply_start(builder, rule, error);
    return status;
}

enum mur_status mur_builder_values(struct mur_builder *builder, struct mur_error *error)
{
    const struct mur_mapping *mapping = builder->mapping;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < mapping->field_count && status == MUR_OK; i++)
        status = map_field(builder, i, error);
    for (size_t i = 0; i < mapping->template_count && status == MUR_OK; i++)
        status = fill_template(builder, &mapping->templates[i], error);
    for (size_t i = 0; i < mapping->summary_count && status == MUR_OK; i++)
        status = summarise(builder, &mapping->summaries[i], error);
    for (size_t i = 0; i < mapping->rule_count && status == MUR_OK; i++)
        status = apply_rule(builder, &mapping->rules[i], error);
    struct mur_scan *scan = builder->scan;
    scan->values = builder->values;
    scan->value_count = builder->value_count;
    if (status != MUR_OK || builder->survey) /* on loan, for agreement */
        return status;
    status = mur_isa_allocate(&scan->values, builder->list->strings, builder->value_count,
                              sizeof *scan->values, error);
    if (status == MUR_OK && builder->value_count > 0)
        memcpy(scan->values, builder->values, builder->value_count * sizeof *scan->values);
    return status;
}

const struct mur_scan_value *mur_scan_find_value(const struct mur_scan *scan,
                                                 const struct mur_attribute_path *path)
{
    for (size_t i = 0; i < scan->value_count; i++)
        if (mur_attribute_path_equal(&scan->values[i].path, path))
            return &scan->values[i];
    return NULL;
}
