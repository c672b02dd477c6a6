#include <stdlib.h>
#include <string.h>

#include "isa/reader.h"

/** A name that the tables use and nobody declares: reported once, with how often. */
struct missing {
    const char *name;
    uint32_t first; /* row */
    size_t count;
};

struct missing_list {
    struct missing *items;
    size_t count;
    size_t capacity;
    struct mur_isa_index index;
};

static void missing_free(struct missing_list *list)
{
    free(list->items);
    mur_isa_index_free(&list->index);
}

static enum mur_status add_missing(struct missing_list *list, const char *name, uint32_t row,
                                   struct mur_error *error)
{
    uint32_t known = mur_isa_index_get(&list->index, name);
    if (known != MUR_ISA_NONE) {
        list->items[known].count++;
        return MUR_OK;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct missing *items = reallocarray(list->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        list->items = items;
        list->capacity = capacity;
    }
    enum mur_status status = mur_isa_index_put(&list->index, name, (uint32_t)list->count, error);
    if (status == MUR_OK)
        list->items[list->count++] = (struct missing){.name = name, .first = row, .count = 1};
    return status;
}

static enum mur_status report_missing(const struct mur_isa_reader *reader,
                                      const struct mur_isa_table *table,
                                      const struct missing_list *list,
                                      enum mur_isa_severity severity, const char *code,
                                      const char *what, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < list->count && status == MUR_OK; i++)
        status =
            mur_isa_report(reader, severity, code, table->path, table->lines[list->items[i].first],
                           error, "%s: '%s' (%zu row%s)", what, list->items[i].name,
                           list->items[i].count, list->items[i].count == 1 ? "" : "s");
    return status;
}

static const struct mur_isa_protocol *find_protocol(const struct mur_isa_study *study,
                                                    const char *name)
{
    for (size_t i = 0; i < study->protocol_count; i++)
        if (strcmp(study->protocols[i].name, name) == 0)
            return &study->protocols[i];
    return NULL;
}

static bool declares(const struct mur_isa_protocol *protocol, const char *parameter)
{
    for (size_t i = 0; i < protocol->parameter_count; i++)
        if (strcmp(protocol->parameters[i].value, parameter) == 0)
            return true;
    return false;
}

static bool declares_factor(const struct mur_isa_study *study, const char *factor)
{
    for (size_t i = 0; i < study->factor_count; i++)
        if (strcmp(study->factors[i].name, factor) == 0)
            return true;
    return false;
}

bool mur_isa_column_declared(const struct mur_isa_study *study, const struct mur_isa_table *table,
                             uint32_t column)
{
    const struct mur_isa_column *of = &table->columns[column];
    if (of->kind == MUR_ISA_FACTOR)
        return declares_factor(study, of->name);
    const char *last = NULL; /* equal texts are equal pointers */
    for (uint32_t row = 0; row < table->row_count && of->kind == MUR_ISA_PARAMETER; row++) {
        const char *name = mur_isa_cell(table, row, of->owner);
        if (name == last || name[0] == '\0' || mur_isa_cell(table, row, column)[0] == '\0')
            continue;
        last = name;
        const struct mur_isa_protocol *protocol = find_protocol(study, name);
        if (protocol != NULL && !declares(protocol, of->name))
            return false;
    }
    return true;
}

static bool declares_source(const struct mur_isa_reader *reader, const struct mur_isa_study *study,
                            const char *term_source)
{
    const struct mur_isa_investigation *investigation =
        &reader->isa->investigations[study->investigation];
    for (size_t i = 0; i < investigation->ontology_source_count; i++)
        if (strcmp(investigation->ontology_sources[i].name, term_source) == 0)
            return true;
    return false;
}

/** Protocols and their parameters. */
static enum mur_status check_protocols(const struct mur_isa_reader *reader,
                                       const struct mur_isa_study *study,
                                       const struct mur_isa_table *table, struct mur_error *error)
{
    struct missing_list protocols = {.items = NULL};
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; c < table->column_count && status == MUR_OK; c++) {
        const struct mur_isa_column *column = &table->columns[c];
        struct missing_list parameters = {.items = NULL};
        const char *last = NULL; /* the protocol looked up last; equal texts are equal pointers */
        bool last_declares = true;
        for (uint32_t row = 0; row < table->row_count && status == MUR_OK; row++) {
            const char *cell = mur_isa_cell(table, row, c);
            if (cell[0] == '\0')
                continue;
            if (column->kind == MUR_ISA_PROTOCOL && cell != last) {
                last = cell;
                last_declares = find_protocol(study, cell) != NULL;
            }
            if (column->kind == MUR_ISA_PARAMETER) {
                const char *name = mur_isa_cell(table, row, column->owner);
                if (name != last && name[0] != '\0') {
                    const struct mur_isa_protocol *protocol = find_protocol(study, name);
                    last = name;
                    last_declares = protocol == NULL || declares(protocol, column->name);
                } else if (name[0] == '\0') {
                    last = NULL;
                    last_declares = true;
                }
            }
            if (last_declares || column->kind == MUR_ISA_QUALIFIER)
                continue;
            if (column->kind == MUR_ISA_PROTOCOL)
                status = add_missing(&protocols, cell, row, error);
            else if (column->kind == MUR_ISA_PARAMETER)
                status = add_missing(&parameters, column->name, row, error);
        }
        if (status == MUR_OK)
            status =
                report_missing(reader, table, &parameters, MUR_ISA_WARNING, "undeclared-parameter",
                               "the row's protocol does not declare this parameter", error);
        missing_free(&parameters);
    }
    if (status == MUR_OK)
        status = report_missing(reader, table, &protocols, MUR_ISA_WARNING, "undeclared-protocol",
                                "STUDY PROTOCOLS does not declare this protocol", error);
    missing_free(&protocols);
    return status;
}

/** Factors and ontologies. */
static enum mur_status check_names(const struct mur_isa_reader *reader,
                                   const struct mur_isa_study *study,
                                   const struct mur_isa_table *table, struct mur_error *error)
{
    struct missing_list sources = {.items = NULL};
    struct missing_list factors = {.items = NULL};
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; c < table->column_count && status == MUR_OK; c++) {
        const struct mur_isa_column *column = &table->columns[c];
        bool factor = column->kind == MUR_ISA_FACTOR && !declares_factor(study, column->name);
        bool terms =
            column->kind == MUR_ISA_QUALIFIER && strcmp(column->header, "Term Source REF") == 0;
        const char *last = NULL;
        bool last_declared = true;
        for (uint32_t row = 0; row < table->row_count && status == MUR_OK && (factor || terms);
             row++) {
            const char *cell = mur_isa_cell(table, row, c);
            if (cell[0] == '\0')
                continue;
            if (terms && cell != last) {
                last = cell;
                last_declared = declares_source(reader, study, cell);
            }
            if (factor)
                status = add_missing(&factors, column->name, row, error);
            else if (!last_declared)
                status = add_missing(&sources, cell, row, error);
        }
    }
    if (status == MUR_OK)
        status = report_missing(reader, table, &factors, MUR_ISA_WARNING, "undeclared-factor",
                                "STUDY FACTORS does not declare this factor", error);
    if (status == MUR_OK)
        status = report_missing(reader, table, &sources, MUR_ISA_WARNING, "undeclared-term-source",
                                "ONTOLOGY SOURCE REFERENCE does not declare this source", error);
    missing_free(&sources);
    missing_free(&factors);
    return status;
}

/** File cells that cannot lie beneath the archive's root; whether the others exist is the
 * importer's business. */
static enum mur_status check_paths(const struct mur_isa_reader *reader,
                                   const struct mur_isa_table *table, struct mur_error *error)
{
    struct missing_list paths = {.items = NULL};
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; c < table->column_count && status == MUR_OK; c++) {
        if (table->columns[c].kind != MUR_ISA_FILE)
            continue;
        for (uint32_t row = 0; row < table->row_count && status == MUR_OK; row++) {
            const char *cell = mur_isa_cell(table, row, c);
            if (!mur_isa_is_url(cell) && mur_isa_leads_out(cell))
                status = add_missing(&paths, cell, row, error);
        }
    }
    if (status == MUR_OK)
        status = report_missing(reader, table, &paths, MUR_ISA_ERROR, "bad-path",
                                "absolute, or leading out of the folder: not followed", error);
    missing_free(&paths);
    return status;
}

/** Samples that the study table does not know. */
static enum mur_status check_assay(const struct mur_isa_reader *reader,
                                   const struct mur_isa_study *study,
                                   const struct mur_isa_table *table, struct mur_error *error)
{
    struct missing_list samples = {.items = NULL};
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; c < table->column_count && status == MUR_OK; c++) {
        if (table->columns[c].kind != MUR_ISA_MATERIAL ||
            strcmp(table->columns[c].header, "Sample Name") != 0)
            continue;
        for (uint32_t row = 0; row < table->row_count && status == MUR_OK; row++) {
            const char *cell = mur_isa_cell(table, row, c);
            if (cell[0] != '\0' && mur_isa_index_get(&study->index[1], cell) == MUR_ISA_NONE)
                status = add_missing(&samples, cell, row, error);
        }
    }
    if (status == MUR_OK)
        status = report_missing(reader, table, &samples, MUR_ISA_ERROR, "unknown-sample",
                                "the study table does not know this sample", error);
    missing_free(&samples);
    return status;
}

/** ISO 8601: YYYY, YYYY-MM, YYYY-MM-DD, with or without a time. */
static bool is_iso_date(const char *text)
{
    static const char pattern[] = "dddd-dd-dd";
    size_t i = 0;
    for (; pattern[i] != '\0' && text[i] != '\0' && text[i] != 'T' && text[i] != ' '; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (pattern[i] == 'd' ? !digit : text[i] != '-')
            return false;
    }
    return i == 4 || i == 7 || i == 10;
}

static enum mur_status check_date(const struct mur_isa_reader *reader, const char *path,
                                  const char *label, const char *date, struct mur_error *error)
{
    if (date[0] == '\0' || is_iso_date(date))
        return MUR_OK;
    return mur_isa_report(reader, MUR_ISA_WARNING, "date-not-iso", path, 0, error,
                          "%s '%s' is not written as YYYY-MM-DD", label, date);
}

enum mur_status mur_isa_check_study(const struct mur_isa_reader *reader,
                                    const struct mur_isa_study *study, struct mur_error *error)
{
    const char *path = reader->isa->investigations[study->investigation].path;
    enum mur_status status =
        check_date(reader, path, "Study Submission Date", study->submission_date, error);
    if (status == MUR_OK)
        status = check_date(reader, path, "Study Public Release Date", study->public_release_date,
                            error);
    if (status == MUR_OK)
        status = check_protocols(reader, study, &study->table, error);
    if (status == MUR_OK)
        status = check_names(reader, study, &study->table, error);
    for (size_t i = 0; i < study->assay_count && status == MUR_OK; i++) {
        const struct mur_isa_table *table = &study->assays[i].table;
        status = check_protocols(reader, study, table, error);
        if (status == MUR_OK)
            status = check_names(reader, study, table, error);
        if (status == MUR_OK)
            status = check_paths(reader, table, error);
        if (status == MUR_OK && study->readable)
            status = check_assay(reader, study, table, error);
    }
    return status;
}
