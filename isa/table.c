#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "isa/column.h"
#include "isa/reader.h"

const char *mur_isa_cell(const struct mur_isa_table *table, uint32_t row, uint32_t column)
{
    if (row >= table->row_count || column >= table->column_count)
        return "";
    return table->cells[(size_t)row * table->column_count + column];
}

struct mur_isa_value mur_isa_value_at(const struct mur_isa_table *table, uint32_t row,
                                      uint32_t column)
{
    const struct mur_isa_column *of = &table->columns[column];
    return (struct mur_isa_value){
        .kind = of->kind,
        .name = of->name,
        .value = mur_isa_cell(table, row, column),
        .unit = mur_isa_cell(table, row, of->unit),
        .unit_source = mur_isa_cell(table, row, of->unit_source),
        .unit_accession = mur_isa_cell(table, row, of->unit_accession),
        .term_source = mur_isa_cell(table, row, of->term_source),
        .term_accession = mur_isa_cell(table, row, of->term_accession),
        .column = column,
    };
}

void mur_isa_table_clear(struct mur_isa_table *table)
{
    free(table->cells);
    free(table->lines);
    table->cells = NULL;
    table->lines = NULL;
    table->row_count = 0;
}

/** A table while it grows. */
struct growing {
    struct mur_isa_table table;
    uint32_t capacity; /* rows */
    size_t most_cells;
    size_t short_rows;
    size_t first_short; /* its line */
};

static enum mur_status add_row(struct growing *growing, size_t line, struct mur_error *error)
{
    struct mur_isa_table *table = &growing->table;
    if (table->row_count == growing->capacity) {
        uint32_t most = (uint32_t)(growing->most_cells / table->column_count);
        if (growing->capacity == most)
            return mur_error_set(error, MUR_LIMIT,
                                 "more than %d cells, or with the other tables more than %d",
                                 MUR_ISA_TABLE_CELLS, MUR_ISA_ARCHIVE_CELLS);
        uint32_t capacity = growing->capacity == 0 ? 64 : growing->capacity * 2;
        if (capacity > most)
            capacity = most;
        const char **cells =
            reallocarray(table->cells, (size_t)capacity * table->column_count, sizeof *cells);
        if (cells == NULL)
            return mur_error_no_memory(error);
        table->cells = cells;
        uint32_t *lines = reallocarray(table->lines, capacity, sizeof *lines);
        if (lines == NULL)
            return mur_error_no_memory(error);
        table->lines = lines;
        growing->capacity = capacity;
    }
    const char **row = table->cells + (size_t)table->row_count * table->column_count;
    for (uint32_t i = 0; i < table->column_count; i++)
        row[i] = "";
    table->lines[table->row_count] = (uint32_t)line;
    table->row_count++;
    return MUR_OK;
}

static enum mur_status read_row(struct growing *growing, const struct mur_isa_reader *reader,
                                struct mur_isa_tokenizer *tokenizer, struct mur_error *error)
{
    struct mur_isa_table *table = &growing->table;
    enum mur_status status = add_row(growing, tokenizer->line, error);
    if (status != MUR_OK)
        return status;
    size_t line = tokenizer->line;
    const char **row = table->cells + (size_t)(table->row_count - 1) * table->column_count;
    struct mur_isa_token token = {.last = false};
    uint32_t column = 0;
    size_t surplus = 0;
    MUR_AUTO_FREE char *surplus_text = NULL;
    for (; !token.last; column++) {
        status = mur_isa_next_cell(&token, tokenizer, error);
        if (status == MUR_OK)
            status = mur_isa_report_token(reader, table->path, &token, error);
        if (status != MUR_OK)
            return status;
        struct mur_slice text = mur_slice_trim(token.text);
        if (column < table->column_count) {
            status = mur_isa_intern(&row[column], reader->strings, text, error);
            if (status != MUR_OK)
                return status;
        } else if (text.length > 0 && surplus++ == 0) {
            status = mur_text_copy(&surplus_text, text, error);
            if (status != MUR_OK)
                return status;
        }
    }
    if (surplus > 0)
        return mur_isa_report(reader, MUR_ISA_WARNING, "surplus-cell", table->path, line, error,
                              "%zu value(s) beyond the last header are ignored: '%s'", surplus,
                              surplus_text);
    if (column < table->column_count && growing->short_rows++ == 0)
        growing->first_short = line;
    return MUR_OK;
}

static enum mur_status report_columns(const struct mur_isa_table *table,
                                      const struct mur_isa_reader *reader, size_t line,
                                      uint32_t misplaced, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; i < table->column_count && status == MUR_OK; i++) {
        const struct mur_isa_column *column = &table->columns[i];
        if (column->kind == MUR_ISA_OTHER) {
            status = mur_isa_report(reader, MUR_ISA_WARNING, "unknown-column", table->path, line,
                                    error, "'%s' (column %u)", column->header, i + 1);
            continue;
        }
        if (column->kind != MUR_ISA_CHARACTERISTIC && column->kind != MUR_ISA_FACTOR &&
            column->kind != MUR_ISA_PARAMETER && column->kind != MUR_ISA_COMMENT)
            continue;
        for (uint32_t before = 0; before < i; before++) {
            const struct mur_isa_column *other = &table->columns[before];
            if (other->header != column->header || other->owner != column->owner)
                continue;
            status = mur_isa_report(reader, MUR_ISA_WARNING, "duplicate-column", table->path, line,
                                    error, "'%s' stands in columns %u and %u", column->header,
                                    before + 1, i + 1);
            break;
        }
    }
    if (status == MUR_OK && misplaced > 0)
        status =
            mur_isa_report(reader, MUR_ISA_WARNING, "misplaced-qualifier", table->path, line, error,
                           "%u Unit or Term column(s) do not follow a value they could "
                           "belong to",
                           misplaced);
    return status;
}

static enum mur_status read_header(struct mur_isa_table *table, const struct mur_isa_reader *reader,
                                   struct mur_isa_tokenizer *tokenizer, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_isa_column *columns = NULL;
    uint32_t count = 0;
    uint32_t capacity = 0;
    uint32_t named = 0; /* up to and with the last header that is not empty */
    size_t line = tokenizer->line;
    struct mur_isa_token token = {.last = false};
    while (!token.last) {
        enum mur_status status = mur_isa_next_cell(&token, tokenizer, error);
        if (status == MUR_OK)
            status = mur_isa_report_token(reader, table->path, &token, error);
        if (status != MUR_OK)
            return status;
        if (count == MUR_ISA_COLUMN_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "more than %d columns", MUR_ISA_COLUMN_LIMIT);
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            struct mur_isa_column *grown = reallocarray(columns, capacity, sizeof *columns);
            if (grown == NULL)
                return mur_error_no_memory(error);
            columns = grown;
        }
        bool normalised = false;
        struct mur_slice header = mur_slice_trim(token.text);
        status = mur_isa_column_read(&columns[count], &normalised, reader->strings, header, error);
        if (status == MUR_OK && normalised)
            status = mur_isa_report(reader, MUR_ISA_WARNING, "header-normalised", table->path, line,
                                    error, "'%.*s' -> '%s'", (int)header.length, header.data,
                                    columns[count].header);
        if (status != MUR_OK)
            return status;
        count++;
        if (columns[count - 1].header[0] != '\0')
            named = count;
    }
    enum mur_status status =
        mur_isa_allocate(&table->columns, reader->strings, named, sizeof *columns, error);
    if (status != MUR_OK)
        return status;
    memcpy(table->columns, columns, named * sizeof *columns);
    table->column_count = named;
    uint32_t misplaced = mur_isa_columns_attach(table->columns, named);
    return report_columns(table, reader, line, misplaced, error);
}

static enum mur_status read_rows(struct growing *growing, const struct mur_isa_reader *reader,
                                 struct mur_isa_tokenizer *tokenizer, struct mur_error *error)
{
    for (;;) {
        enum mur_status status = MUR_OK;
        switch (mur_isa_next_record(tokenizer)) {
        case MUR_ISA_RECORD_END:
            return MUR_OK;
        case MUR_ISA_RECORD_COMMENT:
            status = mur_isa_skip_comment(reader, growing->table.path, tokenizer, error);
            break;
        case MUR_ISA_RECORD_CELLS:
            if (growing->table.column_count == 0)
                status = read_header(&growing->table, reader, tokenizer, error);
            else
                status = read_row(growing, reader, tokenizer, error);
            break;
        }
        if (status != MUR_OK)
            return status;
    }
}

static enum mur_status read_from(struct mur_isa_table *out, bool *readable, size_t *room,
                                 const struct mur_isa_reader *reader, const char *root,
                                 struct mur_error *error)
{
    const char *path = out->path;
    struct growing growing = {.table = {.path = path},
                              .most_cells =
                                  *room < MUR_ISA_TABLE_CELLS ? *room : MUR_ISA_TABLE_CELLS};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    bool found = false;
    enum mur_status status = mur_isa_load_text(&text, &found, reader, root, path, error);
    if (status != MUR_OK || !found)
        return status;
    struct mur_isa_tokenizer tokenizer;
    mur_isa_tokenizer_init(&tokenizer, (struct mur_slice){mur_buffer_text(&text), text.length});
    status = read_rows(&growing, reader, &tokenizer, error);
    mur_isa_tokenizer_free(&tokenizer);
    if (status == MUR_LIMIT) { /* what was read so far is kept: one bad table stops nothing */
        struct mur_error cause = MUR_ERROR_INIT;
        if (error != NULL)
            cause = *error;
        status = mur_isa_report(reader, MUR_ISA_ERROR, "too-large", growing.table.path,
                                tokenizer.line, error, "%s; read up to here", cause.message);
    }
    if (status == MUR_OK && growing.table.column_count == 0)
        status = mur_isa_report(reader, MUR_ISA_ERROR, "empty-file", growing.table.path, 0, error,
                                "has no header row");
    if (status == MUR_OK && growing.short_rows > 0)
        status = mur_isa_report(reader, MUR_ISA_NOTE, "short-row", growing.table.path,
                                growing.first_short, error,
                                "%zu row(s) have fewer cells than the header", growing.short_rows);
    if (status != MUR_OK) {
        mur_isa_table_clear(&growing.table);
        return status;
    }
    *room -= (size_t)growing.table.row_count * growing.table.column_count;
    *out = growing.table;
    *readable = growing.table.column_count > 0;
    return MUR_OK;
}

enum mur_status mur_isa_read_table(struct mur_isa_table *out, bool *readable, size_t *room,
                                   struct mur_isa_reader *reader, const char *folder,
                                   const char *name, struct mur_error *error)
{
    MUR_AUTO_FREE char *joined = NULL;
    *out = (struct mur_isa_table){.path = ""};
    *readable = false;
    enum mur_status status = mur_path_join(&joined, folder, name, error);
    if (status == MUR_OK)
        status = mur_isa_intern(&out->path, reader->strings, mur_slice_of(joined), error);
    if (status == MUR_OK)
        status = read_from(out, readable, room, reader, reader->isa->root, error);
    bool earlier = false;
    if (status == MUR_OK && !*readable)
        status = mur_isa_has_earlier(&earlier, reader, out->path, error);
    if (status == MUR_OK && earlier)
        status = read_from(out, readable, room, reader, reader->isa->earlier, error);
    out->earlier = earlier && *readable;
    return status;
}
