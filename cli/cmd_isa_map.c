/* Where each column of an ISA-Tab goes. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/isa.h"
#include "core/own.h"
#include "dicom/dictionary.h"
#include "mapping/links.h"

enum { EXAMPLE_CHARACTERS = 60 };

static int as_json;

struct poptOption mur_isa_map_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON for each column", NULL},
    POPT_TABLEEND};

/** A column of one name, kind and level, in all tables that have it. */
struct column {
    const struct mur_isa_column *of;
    struct mur_column_description description;
    const char **tables; /* paths */
    size_t table_count;
    size_t count; /* cells that are not empty */
    const char *example;
    const char *unit; /* of the example */
    bool undeclared;  /* in one of the tables */
    bool links;       /* late scans are known by it */
};

struct columns {
    struct column *items;
    size_t count;
    size_t capacity;
};

static void columns_free(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++) {
        mur_column_description_free(&columns->items[i].description);
        free(columns->items[i].tables);
    }
    free(columns->items);
}

/* ---- gathering ------------------------------------------------------------------------------- */

static struct column *find_column(const struct columns *columns, const struct mur_isa_column *of,
                                  enum mur_level level)
{
    for (size_t i = 0; i < columns->count; i++) /* equal texts are equal pointers */
        if (columns->items[i].of->header == of->header && columns->items[i].of->kind == of->kind &&
            columns->items[i].description.level == level)
            return &columns->items[i];
    return NULL;
}

static enum mur_status add_column(struct column **out, struct columns *columns,
                                  const struct mur_isa_column *of,
                                  struct mur_column_description *description,
                                  struct mur_error *error)
{
    if (columns->count == columns->capacity) {
        size_t capacity = columns->capacity == 0 ? 64 : columns->capacity * 2;
        struct column *items = reallocarray(columns->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        columns->items = items;
        columns->capacity = capacity;
    }
    *out = &columns->items[columns->count++];
    **out = (struct column){.of = of, .description = *description, .example = "", .unit = ""};
    *description = (struct mur_column_description){.target_count = 0};
    return MUR_OK;
}

static enum mur_status add_table(struct column *column, const char *path, struct mur_error *error)
{
    if (column->table_count > 0 && column->tables[column->table_count - 1] == path)
        return MUR_OK; /* the column stands in it twice */
    const char **tables =
        reallocarray(column->tables, column->table_count + 1, sizeof *column->tables);
    if (tables == NULL)
        return mur_error_no_memory(error);
    column->tables = tables;
    tables[column->table_count++] = path;
    return MUR_OK;
}

static void count_cells(struct column *column, const struct mur_isa_table *table, uint32_t c)
{
    for (uint32_t row = 0; row < table->row_count; row++) {
        struct mur_isa_value value = mur_isa_value_at(table, row, c);
        if (value.value[0] == '\0')
            continue;
        if (column->count++ == 0) {
            column->example = value.value;
            column->unit = value.unit;
        }
    }
}

static enum mur_status gather_table(struct columns *columns, const struct mur_mapping *mapping,
                                    const struct mur_isa_study *study,
                                    const struct mur_isa_table *table, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; status == MUR_OK && c < table->column_count; c++) {
        if (table->columns[c].kind == MUR_ISA_QUALIFIER)
            continue;
        struct mur_column_description description = {.target_count = 0};
        status = mur_mapping_describe_column(&description, mapping, study, table, c, error);
        if (status != MUR_OK)
            break;
        struct column *column = find_column(columns, &table->columns[c], description.level);
        if (column == NULL)
            status = add_column(&column, columns, &table->columns[c], &description, error);
        mur_column_description_free(&description);
        if (status == MUR_OK)
            status = add_table(column, table->path, error);
        if (status != MUR_OK)
            break;
        count_cells(column, table, c);
        column->undeclared = column->undeclared || !mur_isa_column_declared(study, table, c);
    }
    return status;
}

static enum mur_status gather(struct columns *columns, const struct mur_cli_isa *of,
                              struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    MUR_AUTO(mur_link_rules) *rules = NULL;
    if (status == MUR_OK)
        status = mur_link_rules_create(&rules, of->mapping, error);
    for (size_t i = 0; status == MUR_OK && i < of->isa->study_count; i++) {
        const struct mur_isa_study *study = &of->isa->studies[i];
        status = gather_table(columns, of->mapping, study, &study->table, error);
        for (size_t a = 0; status == MUR_OK && a < study->assay_count; a++)
            status = gather_table(columns, of->mapping, study, &study->assays[a].table, error);
    }
    for (size_t i = 0; status == MUR_OK && i < columns->count; i++)
        status = mur_link_rules_ask_for(&columns->items[i].links, rules, columns->items[i].of->name,
                                        error);
    return status;
}

/* ---- printing -------------------------------------------------------------------------------- */

/** "StrainStockSequence.StrainSource (0010,0216).(0010,0217)" */
static enum mur_status append_path(struct mur_buffer *names, struct mur_buffer *tags,
                                   const struct mur_attribute_path *path, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (unsigned i = 0; status == MUR_OK && i < path->depth; i++) {
        uint32_t tag = path->tags[i];
        const char *dot = i == 0 ? "" : ".";
        const struct mur_dictionary_entry *entry =
            MUR_TAG_IS_PRIVATE(tag)
                ? mur_dictionary_find(tag | 0x1000, MUR_CREATOR_ISA) /* any block will do */
                : mur_dictionary_find(tag, NULL);
        status = mur_buffer_append_format(names, error, "%s%s", dot,
                                          entry != NULL ? entry->keyword : "unknown");
        if (status == MUR_OK && MUR_TAG_IS_PRIVATE(tag))
            status = mur_buffer_append_format(tags, error, "%s(%04X,xx%02X)", dot, tag >> 16,
                                              tag & 0xFF);
        else if (status == MUR_OK)
            status = mur_buffer_append_format(tags, error, "%s(%04X,%04X)", dot, tag >> 16,
                                              tag & 0xFFFF);
    }
    return status;
}

static enum mur_status append_target(struct mur_buffer *out, const struct mur_column_target *target,
                                     struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer names = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer tags = MUR_BUFFER_INIT;
    enum mur_status status = append_path(&names, &tags, &target->path, error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(
            out, error, "    -> %s %s %s, %s, %s", mur_buffer_text(&names), mur_buffer_text(&tags),
            mur_vr_name(target->vr), mur_level_name(target->level), target->conversion);
    if (status == MUR_OK && target->unit[0] != '\0')
        status = mur_buffer_append_format(out, error, " in %s", target->unit);
    if (status == MUR_OK && target->table[0] != '\0')
        status = mur_buffer_append_format(out, error, " by table %s", target->table);
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

static int shown_length(const char *text)
{
    return (int)mur_utf8_cut(mur_slice_of(text), EXAMPLE_CHARACTERS);
}

static enum mur_status append_column(struct mur_buffer *out, const struct column *column,
                                     struct mur_error *error)
{
    const struct mur_column_description *to = &column->description;
    enum mur_status status = mur_buffer_append_format(
        out, error, "%s: %s, %s, values %zu", column->of->header, mur_column_use_name(to->use),
        mur_level_name(to->level), column->count);
    if (status == MUR_OK && column->count > 0)
        status = mur_buffer_append_format(
            out, error, ", such as \"%.*s%s\"%s%s", shown_length(column->example), column->example,
            column->example[shown_length(column->example)] != '\0' ? "..." : "",
            column->unit[0] != '\0' ? " " : "", column->unit);
    if (status == MUR_OK && to->role[0] != '\0')
        status = mur_buffer_append_format(out, error, ", says which %s", to->role);
    if (status == MUR_OK && column->links)
        status = mur_buffer_append_text(out, ", links late scans", error);
    if (status == MUR_OK && column->undeclared)
        status = mur_buffer_append_text(out, ", undeclared", error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(out, "\n    in", error);
    for (size_t i = 0; status == MUR_OK && i < column->table_count; i++)
        status = mur_buffer_append_format(out, error, " %s", column->tables[i]);
    if (status == MUR_OK)
        status = mur_buffer_append_text(out, "\n", error);
    for (size_t i = 0; status == MUR_OK && i < to->target_count; i++)
        status = append_target(out, &to->targets[i], error);
    return status;
}

static enum mur_status json_targets(struct mur_json_writer *json,
                                    const struct mur_column_description *to,
                                    struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    mur_json_key(json, "targets");
    mur_json_begin_array(json);
    for (size_t i = 0; status == MUR_OK && i < to->target_count; i++) {
        const struct mur_column_target *target = &to->targets[i];
        MUR_AUTO_BUFFER struct mur_buffer names = MUR_BUFFER_INIT;
        MUR_AUTO_BUFFER struct mur_buffer tags = MUR_BUFFER_INIT;
        status = append_path(&names, &tags, &target->path, error);
        mur_json_begin_object(json);
        mur_json_member_string(json, "attribute", mur_buffer_text(&names));
        mur_json_member_string(json, "tag", mur_buffer_text(&tags));
        mur_json_member_bool(json, "private", MUR_TAG_IS_PRIVATE(target->path.tags[0]));
        mur_json_member_string(json, "vr", mur_vr_name(target->vr));
        mur_json_member_string(json, "level", mur_level_name(target->level));
        mur_json_member_string(json, "conversion", target->conversion);
        mur_json_member_string(json, "unit", target->unit);
        mur_json_member_string(json, "table", target->table);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
    return status;
}

static enum mur_status append_json(struct mur_buffer *out, const struct column *column,
                                   struct mur_error *error)
{
    const struct mur_column_description *to = &column->description;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "column", column->of->header);
    mur_json_member_string(&json, "kind", mur_isa_kind_name(column->of->kind));
    mur_json_member_string(&json, "name", column->of->name);
    mur_json_member_string(&json, "use", mur_column_use_name(to->use));
    mur_json_member_string(&json, "level", mur_level_name(to->level));
    mur_json_member_string(&json, "role", to->role);
    mur_json_member_string(&json, "field", to->field);
    mur_json_member_string(&json, "unit", to->unit[0] != '\0' ? to->unit : column->unit);
    mur_json_member_bool(&json, "links", column->links);
    mur_json_member_bool(&json, "declared", !column->undeclared);
    mur_json_member_int(&json, "values", (int64_t)column->count);
    mur_json_member_string(&json, "example", column->example);
    mur_json_key(&json, "tables");
    mur_json_begin_array(&json);
    for (size_t i = 0; i < column->table_count; i++)
        mur_json_string(&json, column->tables[i]);
    mur_json_end_array(&json);
    enum mur_status status = json_targets(&json, to, error);
    mur_json_end_object(&json);
    if (status == MUR_OK)
        status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_isa_map(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder or ZIP file is needed");
    MUR_AUTO_CLI_ISA struct mur_cli_isa of = {0};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    __attribute__((cleanup(columns_free))) struct columns columns = {0};
    enum mur_status status =
        mur_cli_open_isa(&of, cli, cli->arguments[0], MUR_CLI_NO_SCANS, NULL, &error);
    if (status == MUR_OK)
        status = gather(&columns, &of, &error);
    for (size_t i = 0; status == MUR_OK && i < columns.count; i++)
        status = as_json != 0 ? append_json(&text, &columns.items[i], &error)
                              : append_column(&text, &columns.items[i], &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail_isa(cli, &of, &error);
}
