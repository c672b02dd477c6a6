/* What scans say, as an answer for a patient, a study, a series: every text once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/cell_condition.h"
#include "db/cell_write.h"
#include "db/connection.h"
#include "db/said.h"
#include "db/scan_values.h"
#include "dicom/dictionary.h"

enum { LONG_TEXT = 10240 }; /* characters of LT */

/* Rows m of the series whose scans speak: tables, in the order in which they are few, and which
 * rows.
 */
static const char *const series_tables[MUR_LEVEL_COUNT] = {"study t CROSS JOIN series m",
                                                           "series m", "series m", "series m"};
static const char *const series_rows[MUR_LEVEL_COUNT] = {"t.patient = ?1 AND m.study = t.id",
                                                         "m.study = ?1", "m.id = ?1", "m.id = ?1"};

/* ---- cells that were read before ------------------------------------------------------------- */

enum { FIRST_SLOTS = 64, TEXTS_MOST = 32768, TEXTS_LIMIT = 4 << 20 };

struct mur_cell_text {
    int64_t cell;    /* 0 = free */
    uint32_t answer; /* the last one that has it */
    uint32_t place;  /* there, in texts->said */
    bool known;      /* the rest is filled in */
    bool wanted;
    enum mur_vr vr;
    size_t offset, length; /* in texts->text */
};

struct mur_column_name {
    char *kind, *name; /* NULL: not read yet */
};

/* A cell that scans say, at its earliest place in their tables. */
struct said {
    int64_t cell, ordinal;
};

void mur_cell_texts_free(struct mur_cell_texts *texts)
{
    for (size_t i = 0; i < texts->column_count; i++) {
        free(texts->columns[i].kind);
        free(texts->columns[i].name);
    }
    free(texts->columns);
    free(texts->entries);
    mur_buffer_free(&texts->text);
    mur_buffer_free(&texts->said);
    mur_buffer_free(&texts->listed);
}

void mur_cell_texts_clear(struct mur_cell_texts *texts)
{
    if (texts->used > 0)
        memset(texts->entries, 0, texts->slots * sizeof *texts->entries);
    texts->used = 0;
    mur_buffer_clear(&texts->text);
}

/* Where the cell stands in the hash, or is to stand. */
static struct mur_cell_text *slot_of(const struct mur_cell_texts *texts, int64_t cell)
{
    size_t at = (size_t)((uint64_t)cell * 0x9E3779B97F4A7C15u >> 32) & (texts->slots - 1);
    while (texts->entries[at].cell != 0 && texts->entries[at].cell != cell)
        at = (at + 1) & (texts->slots - 1);
    return &texts->entries[at];
}

/* Twice the slots, so that half of them stay free. */
static enum mur_status grow(struct mur_cell_texts *texts, struct mur_error *error)
{
    struct mur_cell_texts larger = *texts;
    larger.slots = texts->slots > 0 ? texts->slots * 2 : FIRST_SLOTS;
    larger.entries = calloc(larger.slots, sizeof *larger.entries);
    if (larger.entries == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < texts->slots; i++)
        if (texts->entries[i].cell != 0)
            *slot_of(&larger, texts->entries[i].cell) = texts->entries[i];
    free(texts->entries);
    *texts = larger;
    return MUR_OK;
}

/* ---- which cells ----------------------------------------------------------------------------- */

/* One that is said by a row's scans. */
struct listed {
    int64_t owner;
    struct said said;
};

static int by_owner(const void *left, const void *right)
{
    const struct listed *a = left;
    const struct listed *b = right;
    return (a->owner > b->owner) - (a->owner < b->owner);
}

static enum mur_status list_statement(struct mur_buffer *sql, enum mur_level level,
                                      const struct mur_condition *cells, struct mur_error *error)
{
    static const char *const owners[MUR_LEVEL_COUNT] = {"t.patient", "m.study", "m.id", "m.id"};
    return mur_buffer_append_format(
        sql, error,
        "SELECT %s, c.cell, c.ordinal FROM (%s) l CROSS JOIN isa_scan_cell c ON c.cell = l.id"
        " CROSS JOIN series m ON m.isa_scan = c.scan%s",
        owners[level], mur_buffer_text(&cells->sql),
        level == MUR_LEVEL_PATIENT ? " CROSS JOIN study t ON t.id = m.study" : "");
}

enum mur_status mur_cell_texts_list(struct mur_cell_texts *texts, struct mur_database *database,
                                    enum mur_level level, const struct mur_condition *cells,
                                    size_t most, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer sql = MUR_BUFFER_INIT;
    sqlite3_stmt *row = NULL;
    enum mur_status status = list_statement(&sql, level, cells, error);
    if (status == MUR_OK)
        status = mur_statement_get(&row, database, mur_buffer_text(&sql), error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, cells->binds, cells->count, error);
    int result = SQLITE_DONE;
    size_t count = 0;
    while (status == MUR_OK && count <= most && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct listed one = {.owner = sqlite3_column_int64(row, 0),
                                   .said = {.cell = sqlite3_column_int64(row, 1),
                                            .ordinal = sqlite3_column_int64(row, 2)}};
        status = mur_buffer_append(&texts->listed, &one, sizeof one, error);
        count++;
    }
    if (status == MUR_OK && result != SQLITE_DONE && result != SQLITE_ROW)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    mur_statement_done(database, row);
    texts->only_listed = status == MUR_OK && count <= most;
    if (!texts->only_listed)
        mur_buffer_free(&texts->listed);
    else if (count > 0)
        qsort(texts->listed.data, count, sizeof(struct listed), by_owner);
    return status;
}

static int by_ordinal(const void *left, const void *right)
{
    const struct said *a = left;
    const struct said *b = right;
    if (a->ordinal != b->ordinal)
        return a->ordinal < b->ordinal ? -1 : 1;
    return a->cell < b->cell ? -1 : a->cell > b->cell;
}

/* One more in texts->said, unless this answer has it. */
static enum mur_status add_said(struct mur_cell_texts *texts, struct said one,
                                struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (texts->used * 2 >= texts->slots)
        status = grow(texts, error);
    if (status != MUR_OK)
        return status;
    struct mur_cell_text *entry = slot_of(texts, one.cell);
    if (entry->answer == texts->answer) {
        struct said *said = (struct said *)(void *)texts->said.data + entry->place;
        if (one.ordinal < said->ordinal)
            said->ordinal = one.ordinal;
        return MUR_OK;
    }
    uint32_t place = (uint32_t)(texts->said.length / sizeof one);
    status = mur_buffer_append(&texts->said, &one, sizeof one, error);
    if (status != MUR_OK)
        return status;
    if (entry->cell == 0)
        texts->used++;
    entry->cell = one.cell;
    entry->answer = texts->answer;
    entry->place = place;
    return MUR_OK;
}

static enum mur_status say_listed(struct mur_cell_texts *texts, int64_t owner,
                                  struct mur_error *error)
{
    const struct listed *list = (const struct listed *)(const void *)texts->listed.data;
    const size_t count = texts->listed.length / sizeof *list;
    const struct listed key = {.owner = owner};
    const struct listed *found =
        count > 0 ? bsearch(&key, list, count, sizeof *list, by_owner) : NULL;
    enum mur_status status = MUR_OK;
    if (found == NULL)
        return MUR_OK;
    while (found > list && found[-1].owner == owner)
        found--;
    for (; status == MUR_OK && found < list + count && found->owner == owner; found++)
        status = add_said(texts, found->said, error);
    return status;
}

static enum mur_status say_all(struct mur_cell_texts *texts, struct mur_database *database,
                               enum mur_level level, int64_t owner, unsigned element,
                               struct mur_error *error)
{
    char sql[256];
    sqlite3_stmt *row = NULL;
    (void)snprintf(sql, sizeof sql,
                   "SELECT c.cell, c.ordinal FROM %s CROSS JOIN isa_scan_cell c WHERE %s"
                   " AND c.scan = m.isa_scan AND c.ordinal >= ?2 AND c.ordinal < ?3",
                   series_tables[level], series_rows[level]);
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row,
                              (struct mur_bind[]){MUR_I(owner), MUR_I(mur_cell_ordinal(element, 0)),
                                                  MUR_I(mur_cell_ordinal(element + 1, 0))},
                              3, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct said one = {.cell = sqlite3_column_int64(row, 0),
                                 .ordinal = sqlite3_column_int64(row, 1)};
        status = add_said(texts, one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    mur_statement_done(database, row);
    return status;
}

/* Kind and name of a column, which are read once. */
static enum mur_status name_column(const struct mur_column_name **out, struct mur_cell_texts *texts,
                                   struct mur_database *database, uint64_t column,
                                   struct mur_error *error)
{
    enum { COLUMNS_MOST = 1 << 24 };
    enum mur_status status = MUR_OK;
    if (column >= texts->column_count && column < COLUMNS_MOST) {
        size_t count = (size_t)column + 64;
        struct mur_column_name *grown = realloc(texts->columns, count * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        memset(grown + texts->column_count, 0, (count - texts->column_count) * sizeof *grown);
        texts->columns = grown;
        texts->column_count = count;
    }
    struct mur_column_name *one = column < texts->column_count ? &texts->columns[column] : NULL;
    sqlite3_stmt *row = NULL;
    if (one != NULL && one->name == NULL) {
        status = mur_statement_get(&row, database, "SELECT kind, name FROM isa_column WHERE id = ?",
                                   error);
        if (status == MUR_OK)
            status = mur_bind_all(database, row, &MUR_I(column), 1, error);
        if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW) {
            MUR_AUTO_FREE char *kind = NULL;
            status = mur_text_copy(&kind, mur_slice_of((const char *)sqlite3_column_text(row, 0)),
                                   error);
            if (status == MUR_OK)
                status = mur_text_copy(
                    &one->name, mur_slice_of((const char *)sqlite3_column_text(row, 1)), error);
            if (status == MUR_OK)
                one->kind = MUR_STEAL(kind);
        }
        mur_statement_done(database, row);
    }
    if (status == MUR_OK && (one == NULL || one->name == NULL))
        return mur_error_set(error, MUR_CORRUPT, "%s: a scan's column is not there",
                             database->path);
    *out = one;
    return status;
}

/* What one scan says; texts that are long are left to read_cells(). */
static enum mur_status say_scan(struct mur_cell_texts *texts, struct mur_database *database,
                                struct mur_slice cells, unsigned element, struct mur_error *error)
{
    struct mur_said one;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && mur_said_next(&one, &cells)) {
        status = add_said(texts,
                          (struct said){.cell = (int64_t)one.cell,
                                        .ordinal = mur_cell_ordinal(0, (size_t)one.place)},
                          error);
        struct mur_cell_text *entry = status == MUR_OK ? slot_of(texts, (int64_t)one.cell) : NULL;
        if (entry == NULL || entry->known || one.is_long)
            continue;
        const struct mur_column_name *column = NULL;
        status = name_column(&column, texts, database, one.column, error);
        if (status != MUR_OK)
            break;
        const struct mur_said_cell cell = {.kind = column->kind,
                                           .name = column->name,
                                           .text = one.text,
                                           .unit = one.unit,
                                           .has_number = one.has_number,
                                           .number = one.number};
        entry->offset = texts->text.length;
        status = mur_write_cell(&texts->text, element, &cell, error);
        entry->length = texts->text.length - entry->offset;
        entry->vr = MUR_VR_NONE;
        entry->known = entry->wanted = status == MUR_OK;
    }
    if (status == MUR_OK && cells.length > 0)
        status =
            mur_error_set(error, MUR_CORRUPT, "%s: what a scan says is damaged", database->path);
    return status;
}

/* All cells of columns, as each scan has them in one piece. */
static enum mur_status say_scans(struct mur_cell_texts *texts, struct mur_database *database,
                                 enum mur_level level, int64_t owner, unsigned element,
                                 struct mur_error *error)
{
    char sql[256];
    sqlite3_stmt *row = NULL;
    (void)snprintf(sql, sizeof sql,
                   "SELECT b.cells FROM %s CROSS JOIN isa_said b WHERE %s AND b.scan = m.isa_scan",
                   series_tables[level], series_rows[level]);
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(owner), 1, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW)
        status = say_scan(texts, database,
                          (struct mur_slice){.data = sqlite3_column_blob(row, 0),
                                             .length = (size_t)sqlite3_column_bytes(row, 0)},
                          element, error);
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    mur_statement_done(database, row);
    return status;
}

/* Each cell once, in the order of the tables' columns, in texts->said. @param all  of columns: the
 * scans' own pieces tell */
static enum mur_status read_said(struct mur_cell_texts *texts, struct mur_database *database,
                                 enum mur_level level, int64_t owner, unsigned element, bool all,
                                 struct mur_error *error)
{
    bool columns = element == MUR_ISA_ATTRIBUTE || element == MUR_ISA_ATTRIBUTE_SEQUENCE;
    if (texts->used > TEXTS_MOST || texts->text.length > TEXTS_LIMIT)
        mur_cell_texts_clear(texts);
    texts->answer++;
    mur_buffer_clear(&texts->said);
    enum mur_status status = MUR_OK;
    if (texts->only_listed)
        status = say_listed(texts, owner, error);
    else if (columns && all)
        status = say_scans(texts, database, level, owner, element, error);
    else
        status = say_all(texts, database, level, owner, columns ? 0 : element, error);
    if (status == MUR_OK && texts->said.length > 0)
        qsort(texts->said.data, texts->said.length / sizeof(struct said), sizeof(struct said),
              by_ordinal);
    return status;
}

/* ---- what they say --------------------------------------------------------------------------- */

static struct mur_said_cell cell_of(sqlite3_stmt *row)
{
    return (struct mur_said_cell){.kind = (const char *)sqlite3_column_text(row, 0),
                                  .name = (const char *)sqlite3_column_text(row, 1),
                                  .text = mur_slice_of((const char *)sqlite3_column_text(row, 2)),
                                  .unit = mur_slice_of((const char *)sqlite3_column_text(row, 3)),
                                  .has_number = sqlite3_column_type(row, 4) != SQLITE_NULL,
                                  .number = sqlite3_column_double(row, 4)};
}

/* Cells that are read at once: opening the statement costs as much as a few of them. */
enum { BATCH = 16 };
#define VALUES_4 "(?),(?),(?),(?)"
#define VALUES_16 VALUES_4 "," VALUES_4 "," VALUES_4 "," VALUES_4

/* @param[out] binds  BATCH places for ids, and the values of @p only, which it borrows */
static enum mur_status prepare_cells(sqlite3_stmt **out, struct mur_condition *binds,
                                     struct mur_database *database,
                                     const struct mur_condition *only, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer sql = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_format(
        &sql, error,
        "SELECT k.kind, k.name, f.text, f.unit, f.number, k.vr, f.id FROM (VALUES " VALUES_16 ")"
        " CROSS JOIN isa_cell f ON f.id = column1 CROSS JOIN isa_column k ON k.id = f.column"
        " WHERE 1%s",
        only != NULL ? mur_buffer_text(&only->sql) : "");
    for (int i = 0; status == MUR_OK && i < BATCH; i++)
        status = mur_condition_bind(binds, MUR_NULL, error);
    for (size_t i = 0; status == MUR_OK && only != NULL && i < only->count; i++)
        status = mur_condition_bind(binds, only->binds[i], error);
    sqlite3_stmt *row = NULL;
    if (status == MUR_OK)
        status = mur_statement_get(&row, database, mur_buffer_text(&sql), error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds->binds, binds->count, error);
    if (status == MUR_OK)
        *out = row;
    else
        mur_statement_done(database, row);
    return status;
}

/* Reads those whose ids are bound. */
static enum mur_status read_batch(struct mur_cell_texts *texts, struct mur_database *database,
                                  sqlite3_stmt *row, unsigned element, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_said_cell cell = cell_of(row);
        struct mur_cell_text *entry = slot_of(texts, sqlite3_column_int64(row, 6));
        entry->offset = texts->text.length;
        status = mur_write_cell(&texts->text, element, &cell, error);
        entry->length = texts->text.length - entry->offset;
        entry->vr = mur_vr_from_name((const char *)sqlite3_column_text(row, 5));
        entry->wanted = status == MUR_OK;
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    (void)sqlite3_reset(row);
    return status;
}

/* Reads those of texts->said that are not known yet. */
static enum mur_status read_cells(struct mur_cell_texts *texts, struct mur_database *database,
                                  unsigned element, const struct mur_condition *only,
                                  struct mur_error *error)
{
    MUR_AUTO_CONDITION struct mur_condition binds = MUR_CONDITION_INIT;
    sqlite3_stmt *row = NULL;
    const struct said *said = (const struct said *)(const void *)texts->said.data;
    const size_t count = texts->said.length / sizeof *said;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count;) {
        int bound = 0;
        for (; status == MUR_OK && i < count && bound < BATCH; i++) {
            struct mur_cell_text *entry = slot_of(texts, said[i].cell);
            if (entry->known)
                continue;
            if (row == NULL)
                status = prepare_cells(&row, &binds, database, only, error);
            if (status != MUR_OK)
                break;
            (void)sqlite3_bind_int64(row, ++bound, said[i].cell);
            entry->known = true;
        }
        if (status != MUR_OK || bound == 0)
            break;
        for (int rest = bound + 1; rest <= BATCH; rest++)
            (void)sqlite3_bind_null(row, rest);
        status = read_batch(texts, database, row, element, error);
    }
    mur_statement_done(database, row);
    if (status != MUR_OK) /* what was to be known is not */
        mur_cell_texts_clear(texts);
    return status;
}

static enum mur_status append_said(struct mur_buffer *out, bool *found, enum mur_vr *vr,
                                   const struct mur_cell_texts *texts, const char *separator,
                                   struct mur_error *error)
{
    const struct said *said = (const struct said *)(const void *)texts->said.data;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < texts->said.length / sizeof *said; i++) {
        const struct mur_cell_text *entry = slot_of(texts, said[i].cell);
        if (!entry->wanted)
            continue;
        if (*found)
            status = mur_buffer_append_text(out, separator, error);
        if (status == MUR_OK && entry->length > 0)
            status = mur_buffer_append(out, texts->text.data + entry->offset, entry->length, error);
        *vr = entry->vr;
        *found = true;
    }
    return status;
}

enum mur_status mur_scan_values_element(struct mur_buffer *out, bool *found, enum mur_vr *vr,
                                        struct mur_database *database, enum mur_level level,
                                        int64_t owner, unsigned element,
                                        const struct mur_condition *only,
                                        struct mur_cell_texts *texts, struct mur_error *error)
{
    bool items = element == MUR_ISA_ATTRIBUTE_SEQUENCE;
    bool cells = items || element == MUR_ISA_ATTRIBUTE;
    bool all = only == NULL || !mur_condition_has_sql(only);
    enum mur_status status = read_said(texts, database, level, owner, element, all, error);
    if (status != MUR_OK)
        return status;
    bool any = false;
    enum mur_vr written = *vr;
    status = read_cells(texts, database, element, only, error);
    if (status == MUR_OK && items)
        status = mur_buffer_append_text(out, "[", error);
    if (status == MUR_OK)
        status = append_said(out, &any, &written, texts, items ? "," : "\\", error);
    if (status == MUR_OK && items)
        status = mur_buffer_append_text(out, "]", error);
    if (status != MUR_OK)
        return status;
    *vr = items ? MUR_VR_SQ : cells ? MUR_VR_UC : written;
    *found = any;
    return MUR_OK;
}

enum mur_status mur_scan_values_each_element(struct mur_database *database, int64_t scan,
                                             enum mur_status (*each)(void *user, unsigned element,
                                                                     struct mur_error *error),
                                             void *user, struct mur_error *error)
{
    unsigned elements[128];
    size_t count = 0;
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT DISTINCT k.element FROM isa_scan_cell c CROSS JOIN isa_cell f ON f.id = c.cell"
        " CROSS JOIN isa_column k ON k.id = f.column WHERE c.scan = ? AND k.element <> 0"
        " ORDER BY k.element",
        error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(scan), 1, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW)
        if (count < MUR_COUNT(elements))
            elements[count++] = (unsigned)sqlite3_column_int(row, 0);
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    mur_statement_done(database, row);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = each(user, elements[i], error);
    return status;
}

/* ---- Patient Comments, Additional Patient History -------------------------------------------- */

static bool has_entry(const struct mur_buffer *list, const char *entry, size_t length)
{
    const char *at = mur_buffer_text(list);
    while (*at != '\0') {
        const char *end = strstr(at, "; ");
        size_t here = end != NULL ? (size_t)(end - at) : strlen(at);
        if (here == length && memcmp(at, entry, length) == 0)
            return true;
        at += here + (end != NULL ? 2 : 0);
    }
    return false;
}

/* The entries "name=value" that are not there yet, as far as there is room. */
static enum mur_status append_entries(struct mur_buffer *list, size_t *characters, const char *text,
                                      struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && *text != '\0') {
        const char *end = strstr(text, "; ");
        size_t length = end != NULL ? (size_t)(end - text) : strlen(text);
        size_t more = mur_utf8_count((struct mur_slice){.data = text, .length = length}) + 2;
        if (*characters + more <= LONG_TEXT && !has_entry(list, text, length)) {
            status = mur_buffer_append_format(list, error, "%s%.*s", list->length > 0 ? "; " : "",
                                              (int)length, text);
            *characters += more;
        }
        text += length + (end != NULL ? 2 : 0);
    }
    return status;
}

enum mur_status mur_scan_values_text(struct mur_buffer *out, bool *found,
                                     struct mur_database *database, enum mur_level level,
                                     int64_t owner, uint32_t tag, struct mur_error *error)
{
    MUR_AUTO_FREE char *sql = NULL;
    sqlite3_stmt *row = NULL;
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    const struct mur_attribute_path one = mur_attribute_path_of(tag);
    enum mur_status status =
        mur_text_format(&sql, error,
                        "SELECT v.text FROM %s CROSS JOIN isa_value v INDEXED BY isa_value_text"
                        " WHERE %s AND v.scan = m.isa_scan AND v.path = ?2"
                        " AND v.path IN ('001021B0', '00104000') ORDER BY m.isa_scan",
                        series_tables[level], series_rows[level]);
    if (status == MUR_OK)
        status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(
            database, row,
            (struct mur_bind[]){MUR_I(owner), MUR_T(mur_attribute_path_format(path, &one))}, 2,
            error);
    int result = SQLITE_DONE;
    bool any = false;
    size_t characters = 0;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(row, 0);
        if (any && strcmp(text, mur_buffer_text(out)) == 0)
            continue; /* as most scans of an animal say it */
        /* One scan's text is answered as it stands. */
        status = any ? append_entries(out, &characters, text, error)
                     : mur_buffer_append_text(out, text, error);
        if (!any)
            characters = mur_utf8_count(mur_slice_of(text));
        any = true;
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    mur_statement_done(database, row);
    if (status == MUR_OK)
        *found = any;
    return status;
}
