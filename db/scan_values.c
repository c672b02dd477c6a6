/* What scans say, as an answer for a patient, a study, a series: every text once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_write.h"
#include "core/text.h"
#include "db/connection.h"
#include "db/scan_values.h"
#include "dicom/dictionary.h"

enum { LONG_TEXT = 10240 }; /* characters of LT */

/* Rows m of the series whose scans speak. */
static const char *series_of(enum mur_level level)
{
    switch (level) {
    case MUR_LEVEL_PATIENT:
        return "study t CROSS JOIN series m ON t.patient = ?1 AND m.study = t.id";
    case MUR_LEVEL_STUDY:
        return "series m ON m.study = ?1";
    case MUR_LEVEL_SERIES:
    case MUR_LEVEL_IMAGE:
        break;
    }
    return "series m ON m.id = ?1";
}

/* ---- the private block ----------------------------------------------------------------------- */

struct cell {
    const char *kind, *name, *text, *unit;
    bool has_number;
    double number;
};

static void write_text(struct mur_json_writer *json, unsigned element, const char *vr,
                       const char *text)
{
    char key[9];
    (void)snprintf(key, sizeof key, "%08X", (unsigned)MUR_PRIVATE_TAG(0x10, element));
    mur_json_key(json, key);
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", vr);
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    mur_json_string(json, text);
    mur_json_end_array(json);
    mur_json_end_object(json);
}

/* The characters that a VR has room for. */
static const char *cut(char *out, size_t size, const char *text, size_t characters)
{
    size_t length = 0;
    for (size_t count = 0; text[length] != '\0' && length + 1 < size; length++) {
        bool begins = ((unsigned char)text[length] & 0xC0) != 0x80;
        if (begins && count++ == characters)
            break;
        out[length] = text[length];
    }
    length = mur_utf8_cut((struct mur_slice){.data = text, .length = strlen(text)}, length);
    while (length > 0 && out[length - 1] == ' ')
        length--;
    out[length] = '\0';
    return out;
}

/* An item of element xx02, as mur_mapping_apply() writes it into objects. */
static void write_item(struct mur_json_writer *json, const struct cell *cell)
{
    enum { LO_CHARACTERS = 64, SH_CHARACTERS = 16 };
    char text[LO_CHARACTERS * 4 + 1];
    mur_json_begin_object(json);
    mur_json_key(json, "00990010");
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", "LO");
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    mur_json_string(json, MUR_CREATOR_ISA);
    mur_json_end_array(json);
    mur_json_end_object(json);
    (void)cut(text, sizeof text, cell->kind, SH_CHARACTERS);
    for (char *c = text; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    write_text(json, MUR_ISA_ATTRIBUTE_KIND, "CS", text);
    write_text(json, MUR_ISA_ATTRIBUTE_NAME, "LO",
               cut(text, sizeof text, cell->name, LO_CHARACTERS));
    write_text(json, MUR_ISA_ATTRIBUTE_TEXT, "UC", cell->text);
    if (cell->has_number) {
        char key[9];
        (void)snprintf(key, sizeof key, "%08X",
                       (unsigned)MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_NUMBER));
        mur_json_key(json, key);
        mur_json_begin_object(json);
        mur_json_member_string(json, "vr", "FD");
        mur_json_key(json, "Value");
        mur_json_begin_array(json);
        mur_json_double(json, cell->number);
        mur_json_end_array(json);
        mur_json_end_object(json);
    }
    if (cell->unit[0] != '\0')
        write_text(json, MUR_ISA_ATTRIBUTE_UNIT, "SH",
                   cut(text, sizeof text, cell->unit, SH_CHARACTERS));
    mur_json_end_object(json);
}

/* A cell that scans say, at its earliest place in their tables. */
struct said {
    int64_t cell, ordinal;
};

static int by_cell(const void *left, const void *right)
{
    const struct said *a = left;
    const struct said *b = right;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    return a->ordinal < b->ordinal ? -1 : a->ordinal > b->ordinal;
}

static int by_ordinal(const void *left, const void *right)
{
    const struct said *a = left;
    const struct said *b = right;
    if (a->ordinal != b->ordinal)
        return a->ordinal < b->ordinal ? -1 : 1;
    return a->cell < b->cell ? -1 : a->cell > b->cell;
}

/* Each cell once, in the order of the tables' columns. @param[out] out  struct said */
static enum mur_status read_said(struct mur_buffer *out, struct mur_database *database,
                                 enum mur_level level, int64_t owner, struct mur_error *error)
{
    char sql[256];
    sqlite3_stmt *row = NULL;
    /* The joins in the order in which they are few. */
    (void)snprintf(sql, sizeof sql,
                   "SELECT c.cell, c.ordinal FROM (SELECT 1) CROSS JOIN %s"
                   " CROSS JOIN isa_scan_cell c ON c.scan = m.isa_scan",
                   series_of(level));
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(owner), 1, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct said one = {.cell = sqlite3_column_int64(row, 0),
                                 .ordinal = sqlite3_column_int64(row, 1)};
        status = mur_buffer_append(out, &one, sizeof one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what an ISA-Tab says");
    mur_statement_done(database, row);
    if (status != MUR_OK || out->length == 0)
        return status;
    struct said *list = (struct said *)(void *)out->data;
    size_t count = out->length / sizeof *list;
    size_t kept = 0;
    qsort(list, count, sizeof *list, by_cell);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || list[i].cell != list[kept - 1].cell)
            list[kept++] = list[i];
    qsort(list, kept, sizeof *list, by_ordinal);
    out->length = kept * sizeof *list;
    return MUR_OK;
}

static struct cell cell_of(sqlite3_stmt *row)
{
    return (struct cell){.kind = (const char *)sqlite3_column_text(row, 0),
                         .name = (const char *)sqlite3_column_text(row, 1),
                         .text = (const char *)sqlite3_column_text(row, 2),
                         .unit = (const char *)sqlite3_column_text(row, 3),
                         .has_number = sqlite3_column_type(row, 4) != SQLITE_NULL,
                         .number = sqlite3_column_double(row, 4)};
}

/* The statement that reads one of them, its first parameter: no row if it is not wanted.
 * @param[out] binds  its values, which it needs as long as it runs */
static enum mur_status prepare_cell(sqlite3_stmt **out, struct mur_condition *binds,
                                    struct mur_database *database, unsigned element,
                                    const struct mur_condition *only, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer sql = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_format(
        &sql, error,
        "SELECT k.kind, k.name, f.text, f.unit, f.number, k.vr FROM isa_cell f CROSS JOIN"
        " isa_column k ON k.id = f.column WHERE f.id = ?1 AND k.element = ?2%s",
        only != NULL ? mur_buffer_text(&only->sql) : "");
    if (status == MUR_OK)
        status = mur_condition_bind(binds, MUR_NULL, error);
    if (status == MUR_OK)
        status = mur_condition_bind(binds, MUR_I(element), error);
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

/* ---- cells that were read before ------------------------------------------------------------- */

enum { TEXTS = 2048, TEXTS_LIMIT = 4 << 20 };

struct mur_cell_text {
    int64_t cell;
    unsigned element; /* 0 = free */
    bool wanted;
    size_t offset, length; /* in texts->text */
};

void mur_cell_texts_free(struct mur_cell_texts *texts)
{
    free(texts->entries);
    mur_buffer_free(&texts->text);
}

void mur_cell_texts_clear(struct mur_cell_texts *texts)
{
    if (texts->entries != NULL)
        memset(texts->entries, 0, TEXTS * sizeof *texts->entries);
    mur_buffer_clear(&texts->text);
}

/* Where the cell's text stands, or is to stand; NULL without memory for it, which does no harm. */
static struct mur_cell_text *entry_of(struct mur_cell_texts *texts, int64_t cell, unsigned element)
{
    if (texts->entries == NULL)
        texts->entries = calloc(TEXTS, sizeof *texts->entries);
    else if (texts->text.length > TEXTS_LIMIT)
        mur_cell_texts_clear(texts);
    return texts->entries != NULL
               ? &texts->entries[((uint64_t)cell * 2 + (element == MUR_ISA_ATTRIBUTE)) % TEXTS]
               : NULL;
}

static enum mur_status write_cell(struct mur_buffer *out, unsigned element, const struct cell *cell,
                                  struct mur_error *error)
{
    if (element == MUR_ISA_ATTRIBUTE)
        return mur_buffer_append_format(out, error, "%s:%s=%s", cell->kind, cell->name, cell->text);
    if (element != MUR_ISA_ATTRIBUTE_SEQUENCE)
        return mur_buffer_append_text(out, cell->text, error);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    write_item(&json, cell);
    return mur_json_finish(&json, error);
}

struct cell_reading {
    struct mur_database *database;
    sqlite3_stmt *row;
    unsigned element;
    const char *separator;
    enum mur_vr vr;
    size_t count;
};

static enum mur_status read_cell(struct mur_buffer *out, bool *wanted, struct cell_reading *reading,
                                 int64_t id, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    (void)sqlite3_bind_int64(reading->row, 1, id);
    int result = sqlite3_step(reading->row);
    *wanted = result == SQLITE_ROW;
    if (*wanted) {
        const struct cell cell = cell_of(reading->row);
        status = write_cell(out, reading->element, &cell, error);
        reading->vr = mur_vr_from_name((const char *)sqlite3_column_text(reading->row, 5));
    } else if (result != SQLITE_DONE) {
        status = mur_sqlite_error(error, reading->database, result, "reading what an ISA-Tab says");
    }
    (void)sqlite3_reset(reading->row);
    return status;
}

static enum mur_status append_cell(struct mur_buffer *out, struct cell_reading *reading, int64_t id,
                                   struct mur_cell_texts *texts, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer own = MUR_BUFFER_INIT;
    struct mur_cell_text *entry = texts != NULL ? entry_of(texts, id, reading->element) : NULL;
    struct mur_cell_text read = {.cell = id, .element = reading->element};
    struct mur_buffer *text = entry != NULL ? &texts->text : &own;
    enum mur_status status = MUR_OK;
    if (entry != NULL && entry->cell == id && entry->element == reading->element) {
        read = *entry;
    } else {
        read.offset = text->length;
        status = read_cell(text, &read.wanted, reading, id, error);
        read.length = text->length - read.offset;
        if (status == MUR_OK && entry != NULL)
            *entry = read;
    }
    if (status != MUR_OK || !read.wanted)
        return status;
    if (reading->count++ > 0)
        status = mur_buffer_append_text(out, reading->separator, error);
    return status == MUR_OK && read.length > 0
               ? mur_buffer_append(out, text->data + read.offset, read.length, error)
               : status;
}

enum mur_status mur_scan_values_element(struct mur_buffer *out, bool *found, enum mur_vr *vr,
                                        struct mur_database *database, enum mur_level level,
                                        int64_t owner, unsigned element,
                                        const struct mur_condition *only,
                                        struct mur_cell_texts *texts, struct mur_error *error)
{
    bool items = element == MUR_ISA_ATTRIBUTE_SEQUENCE;
    bool cells = items || element == MUR_ISA_ATTRIBUTE;
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    enum mur_status status = read_said(&list, database, level, owner, error);
    if (status != MUR_OK || list.length == 0)
        return status;
    MUR_AUTO_CONDITION struct mur_condition binds = MUR_CONDITION_INIT;
    struct cell_reading reading = {
        .database = database, .element = element, .separator = items ? "," : "\\", .vr = *vr};
    status = prepare_cell(&reading.row, &binds, database, cells ? 0 : element, only, error);
    if (status == MUR_OK && items)
        status = mur_buffer_append_text(out, "[", error);
    const struct said *said = (const struct said *)(const void *)list.data;
    for (size_t i = 0; status == MUR_OK && i < list.length / sizeof *said; i++)
        status = append_cell(out, &reading, said[i].cell, cells ? texts : NULL, error);
    mur_statement_done(database, reading.row);
    if (status == MUR_OK && items)
        status = mur_buffer_append_text(out, "]", error);
    if (status != MUR_OK)
        return status;
    *vr = items ? MUR_VR_SQ : cells ? MUR_VR_UC : reading.vr;
    *found = reading.count > 0;
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
                        "SELECT DISTINCT v.text FROM (SELECT 1) CROSS JOIN %s"
                        " CROSS JOIN isa_value v ON v.scan = m.isa_scan AND v.path = ?2"
                        " AND v.path IN ('001021B0', '00104000') ORDER BY v.scan",
                        series_of(level));
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
