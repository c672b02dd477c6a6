#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa/reader.h"

/** A node while it grows: for each of its columns the row that speaks first. */
struct growing_nodes {
    struct mur_isa_index *index;
    struct mur_isa_node *nodes;
    uint32_t count;
    uint32_t capacity;
    const uint32_t *columns; /* of the study table, that belong to this kind of node */
    uint32_t column_count;
    uint32_t *rows; /* column_count for each node; MUR_ISA_NONE = no value yet */
};

static enum mur_status find_or_add(uint32_t *out, struct growing_nodes *nodes, const char *name,
                                   uint32_t row, struct mur_error *error)
{
    uint32_t known = mur_isa_index_get(nodes->index, name);
    if (known != MUR_ISA_NONE) {
        *out = known;
        return MUR_OK;
    }
    if (nodes->count == nodes->capacity) {
        uint32_t capacity = nodes->capacity == 0 ? 64 : nodes->capacity * 2;
        struct mur_isa_node *grown = reallocarray(nodes->nodes, capacity, sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        nodes->nodes = grown;
        size_t width = nodes->column_count == 0 ? 1 : nodes->column_count;
        uint32_t *rows = reallocarray(nodes->rows, capacity * width, sizeof *rows);
        if (rows == NULL)
            return mur_error_no_memory(error);
        nodes->rows = rows;
        nodes->capacity = capacity;
    }
    enum mur_status status = mur_isa_index_put(nodes->index, name, nodes->count, error);
    if (status != MUR_OK)
        return status;
    nodes->nodes[nodes->count] = (struct mur_isa_node){.name = name, .row = row};
    for (uint32_t i = 0; i < nodes->column_count; i++)
        nodes->rows[(size_t)nodes->count * nodes->column_count + i] = MUR_ISA_NONE;
    *out = nodes->count++;
    return MUR_OK;
}

/** Equal texts are equal pointers, apart from the empty one. */
static bool same_text(const char *a, const char *b)
{
    return a == b || (a[0] == '\0' && b[0] == '\0');
}

/** Takes over what this row says of a node; a contradiction is reported and the first one kept. */
static enum mur_status merge_row(struct growing_nodes *nodes, uint32_t node,
                                 const struct mur_isa_reader *reader,
                                 const struct mur_isa_table *table, uint32_t row,
                                 struct mur_error *error)
{
    uint32_t *rows = nodes->rows + (size_t)node * nodes->column_count;
    for (uint32_t i = 0; i < nodes->column_count; i++) {
        uint32_t column = nodes->columns[i];
        const char *value = mur_isa_cell(table, row, column);
        if (value[0] == '\0')
            continue;
        if (rows[i] == MUR_ISA_NONE) {
            rows[i] = row;
            continue;
        }
        const char *first = mur_isa_cell(table, rows[i], column);
        uint32_t unit = table->columns[column].unit;
        const char *first_unit = mur_isa_cell(table, rows[i], unit);
        const char *value_unit = mur_isa_cell(table, row, unit);
        if (same_text(first, value) && same_text(first_unit, value_unit))
            continue;
        enum mur_status status = mur_isa_report(
            reader, MUR_ISA_WARNING, "conflicting-value", table->path, table->lines[row], error,
            "%s %s: '%s%s%s' / '%s%s%s': the first one (line %u) is kept", nodes->nodes[node].name,
            table->columns[column].name, first, first_unit[0] == '\0' ? "" : " ", first_unit, value,
            value_unit[0] == '\0' ? "" : " ", value_unit, table->lines[rows[i]]);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

/** @param pairs  of sources and samples that were linked, apart from a sample's first source: a
 * pool may have as many sources as the table has rows */
static enum mur_status link_source(struct mur_isa_node *sample, uint32_t number, uint32_t source,
                                   struct mur_isa_index *pairs, struct mur_isa_strings *strings,
                                   bool *linked, struct mur_error *error)
{
    *linked = false;
    if (sample->source_count > 0) {
        if (sample->sources[0] == source)
            return MUR_OK;
        char pair[24];
        const char *key = NULL;
        (void)snprintf(pair, sizeof pair, "%u/%u", number, source);
        enum mur_status status = mur_isa_intern(&key, strings, mur_slice_of(pair), error);
        if (status != MUR_OK || mur_isa_index_get(pairs, key) != MUR_ISA_NONE)
            return status;
        status = mur_isa_index_put(pairs, key, 0, error);
        if (status != MUR_OK)
            return status;
    }
    uint32_t count = sample->source_count;
    if ((count & (count - 1)) == 0) { /* full: there is room for the next power of two */
        size_t room = count == 0 ? 1 : (size_t)count * 2;
        uint32_t *sources = reallocarray(sample->sources, room, sizeof *sources);
        if (sources == NULL)
            return mur_error_no_memory(error);
        sample->sources = sources;
    }
    sample->sources[sample->source_count++] = source;
    *linked = true;
    return MUR_OK;
}

static bool is_material(const struct mur_isa_column *column, const char *header)
{
    return column->kind == MUR_ISA_MATERIAL && strcmp(column->header, header) == 0;
}

/** The nodes of one row, left to right. */
static enum mur_status add_row(struct growing_nodes *sources, struct growing_nodes *samples,
                               struct mur_isa_index *pairs, const struct mur_isa_reader *reader,
                               const struct mur_isa_table *table, uint32_t row,
                               struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    bool new_row = false; /* something in it was not known before */
    uint32_t sample = MUR_ISA_NONE;
    for (uint32_t i = 0; i < table->column_count && status == MUR_OK; i++) {
        const char *name = mur_isa_cell(table, row, i);
        bool is_source = is_material(&table->columns[i], "Source Name");
        if (name[0] == '\0' || (!is_source && !is_material(&table->columns[i], "Sample Name")))
            continue;
        struct growing_nodes *nodes = is_source ? sources : samples;
        uint32_t before = nodes->count;
        uint32_t node = 0;
        status = find_or_add(&node, nodes, name, row, error);
        if (status != MUR_OK)
            break;
        new_row = new_row || nodes->count != before;
        status = merge_row(nodes, node, reader, table, row, error);
        if (!is_source)
            sample = node;
    }
    if (status != MUR_OK || sample == MUR_ISA_NONE)
        return status;
    for (uint32_t i = 0; i < table->column_count && status == MUR_OK; i++) {
        const char *name = mur_isa_cell(table, row, i);
        if (name[0] == '\0' || !is_material(&table->columns[i], "Source Name"))
            continue;
        bool linked = false;
        status =
            link_source(&samples->nodes[sample], sample, mur_isa_index_get(sources->index, name),
                        pairs, reader->strings, &linked, error);
        new_row = new_row || linked;
    }
    if (status == MUR_OK && !new_row)
        status = mur_isa_report(
            reader, MUR_ISA_WARNING, "repeated-sample", table->path, table->lines[row], error,
            "'%s' stands in line %u already, with the same source", samples->nodes[sample].name,
            table->lines[samples->nodes[sample].row]);
    return status;
}

/** The owner that is a node, over Protocol REF and files, for deciding whose a column is. */
static bool belongs_to_source(const struct mur_isa_table *table, uint32_t column)
{
    uint32_t owner = table->columns[column].owner;
    return owner != MUR_ISA_NONE && is_material(&table->columns[owner], "Source Name");
}

/** Turns the first-speaking rows into references, kept in the archive's memory. */
static enum mur_status finish_nodes(struct mur_isa_node **out, struct growing_nodes *nodes,
                                    const struct mur_isa_reader *reader, struct mur_error *error)
{
    enum mur_status status =
        mur_isa_allocate(out, reader->strings, nodes->count, sizeof **out, error);
    for (uint32_t n = 0; n < nodes->count && status == MUR_OK; n++) {
        struct mur_isa_node *node = &nodes->nodes[n];
        const uint32_t *rows = nodes->rows + (size_t)n * nodes->column_count;
        uint32_t filled = 0;
        for (uint32_t i = 0; i < nodes->column_count; i++)
            filled += rows[i] != MUR_ISA_NONE;
        status = mur_isa_allocate(&node->attributes, reader->strings, filled,
                                  sizeof *node->attributes, error);
        if (status != MUR_OK)
            break;
        for (uint32_t i = 0; i < nodes->column_count; i++)
            if (rows[i] != MUR_ISA_NONE)
                node->attributes[node->attribute_count++] =
                    (struct mur_isa_ref){.row = rows[i], .column = nodes->columns[i]};
        uint32_t *sources = NULL;
        status =
            mur_isa_allocate(&sources, reader->strings, node->source_count, sizeof *sources, error);
        if (status != MUR_OK)
            break;
        if (node->source_count > 0)
            memcpy(sources, node->sources, node->source_count * sizeof *sources);
        (*out)[n] = *node;
        (*out)[n].sources = sources;
    }
    return status;
}

static void growing_nodes_free(struct growing_nodes *nodes)
{
    for (uint32_t i = 0; i < nodes->count; i++)
        free(nodes->nodes[i].sources);
    free(nodes->nodes);
    free(nodes->rows);
}

enum mur_status mur_isa_build_graph(const struct mur_isa_reader *reader,
                                    struct mur_isa_study *study, struct mur_error *error)
{
    const struct mur_isa_table *table = &study->table;
    enum mur_status status =
        mur_isa_allocate(&study->index, reader->strings, 2, sizeof *study->index, error);
    if (status != MUR_OK)
        return status;
    study->index[0].strings = reader->strings;
    study->index[1].strings = reader->strings;
    uint32_t *columns = NULL;
    status =
        mur_isa_allocate(&columns, reader->strings, table->column_count, sizeof *columns, error);
    if (status != MUR_OK)
        return status;
    uint32_t source_columns = 0; /* from the front; those of the samples from the back */
    uint32_t sample_columns = table->column_count;
    for (uint32_t i = 0; i < table->column_count; i++) {
        enum mur_isa_kind kind = table->columns[i].kind;
        if (kind != MUR_ISA_QUALIFIER && kind != MUR_ISA_MATERIAL && belongs_to_source(table, i))
            columns[source_columns++] = i;
    }
    for (uint32_t i = table->column_count; i > 0; i--) {
        enum mur_isa_kind kind = table->columns[i - 1].kind;
        bool node_itself = is_material(&table->columns[i - 1], "Source Name") ||
                           is_material(&table->columns[i - 1], "Sample Name");
        if (kind != MUR_ISA_QUALIFIER && !node_itself && !belongs_to_source(table, i - 1))
            columns[--sample_columns] = i - 1;
    }
    struct growing_nodes sources = {
        .index = &study->index[0], .columns = columns, .column_count = source_columns};
    struct growing_nodes samples = {.index = &study->index[1],
                                    .columns = columns + sample_columns,
                                    .column_count = table->column_count - sample_columns};
    struct mur_isa_index pairs = {.strings = reader->strings};
    for (uint32_t row = 0; row < table->row_count && status == MUR_OK; row++)
        status = add_row(&sources, &samples, &pairs, reader, table, row, error);
    mur_isa_index_free(&pairs);
    if (status == MUR_OK)
        status = finish_nodes(&study->sources, &sources, reader, error);
    if (status == MUR_OK)
        status = finish_nodes(&study->samples, &samples, reader, error);
    if (status == MUR_OK) {
        study->source_count = sources.count;
        study->sample_count = samples.count;
    }
    growing_nodes_free(&sources);
    growing_nodes_free(&samples);
    return status;
}

void mur_isa_graph_clear(struct mur_isa_study *study)
{
    if (study->index == NULL)
        return;
    mur_isa_index_free(&study->index[0]);
    mur_isa_index_free(&study->index[1]);
}

static uint32_t find_node(const struct mur_isa_index *index, const char *name)
{
    if (index == NULL || index->size == 0)
        return MUR_ISA_NONE;
    return mur_isa_index_get(index, mur_isa_find_interned(index->strings, mur_slice_of(name)));
}

const struct mur_isa_node *mur_isa_find_source(const struct mur_isa_study *study, const char *name)
{
    uint32_t node = find_node(study->index, name);
    return node == MUR_ISA_NONE ? NULL : &study->sources[node];
}

const struct mur_isa_node *mur_isa_find_sample(const struct mur_isa_study *study, const char *name)
{
    uint32_t node = find_node(study->index == NULL ? NULL : study->index + 1, name);
    return node == MUR_ISA_NONE ? NULL : &study->samples[node];
}
