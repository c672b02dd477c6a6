/* Answers: ids of matching rows first, then their values page by page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/compress.h"
#include "core/json.h"
#include "db/cell_condition.h"
#include "db/header_values.h"
#include "db/scan_values.h"
#include "dicom/dictionary.h"
#include "dicom/json_value.h"

enum { HEADER_LIMIT = 16 << 20, ARENA_BLOCK = 32768 };
enum { MANY_ROWS = 32, CELLS_OF_ROW = 32, LISTED_MOST = 1 << 20 };

/* Text of one page of answers. */
struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    char data[];
};

enum column_kind {
    COLUMN_NONE,      /* not answered */
    COLUMN_SELECTED,  /* in the row itself */
    COLUMN_AE_TITLE,  /* of this node */
    COLUMN_ATTRIBUTE, /* attribute table */
    COLUMN_COMMENT,   /* likewise, where a header says it; else as scans say */
    COLUMN_PRIVATE,   /* our private block, as scans say */
    COLUMN_HEADER,    /* JSON of the instance */
};

struct column {
    enum column_kind kind;
    int index;            /* SELECTED: column of the row */
    enum mur_level level; /* ATTRIBUTE, COMMENT: whose */
    int64_t path;         /* ATTRIBUTE, COMMENT: row of its path */
};

struct mur_find {
    const struct mur_query *query; /* borrowed */
    const char *ae_title;          /* borrowed */
    int64_t *ids;
    size_t id_count;
    size_t row_count; /* of those that are handed out */
    size_t next;
    char *page_sql;
    struct column *columns; /* one a key */
    bool need_header;
    struct mur_condition cells;  /* with which element xx02 is answered */
    struct mur_cell_texts texts; /* of the page, likewise items */
    struct mur_cell_texts items;
    struct mur_value *values; /* of the page */
    size_t value_capacity;
    struct arena_block *arena;
};

static void arena_clear(struct mur_find *find)
{
    while (find->arena != NULL && find->arena->next != NULL) { /* keeps one block */
        struct arena_block *block = find->arena;
        find->arena = block->next;
        free(block);
    }
    if (find->arena != NULL)
        find->arena->used = 0;
}

static enum mur_status arena_copy(const char **out, struct mur_find *find, const char *text,
                                  size_t length, struct mur_error *error)
{
    if (find->arena == NULL || find->arena->size - find->arena->used < length + 1) {
        size_t size = length + 1 > ARENA_BLOCK ? length + 1 : ARENA_BLOCK;
        struct arena_block *block = malloc(sizeof *block + size);
        if (block == NULL)
            return mur_error_no_memory(error);
        *block = (struct arena_block){.next = find->arena, .size = size};
        find->arena = block;
    }
    char *copy = find->arena->data + find->arena->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    find->arena->used += length + 1;
    *out = copy;
    return MUR_OK;
}

void mur_find_free(struct mur_find *find)
{
    if (find == NULL)
        return;
    while (find->arena != NULL) {
        struct arena_block *block = find->arena;
        find->arena = block->next;
        free(block);
    }
    mur_condition_free(&find->cells);
    mur_cell_texts_free(&find->texts);
    mur_cell_texts_free(&find->items);
    free(find->ids);
    free(find->page_sql);
    free(find->columns);
    free(find->values);
    free(find);
}

size_t mur_find_count(const struct mur_find *find)
{
    return find->id_count;
}

/* ---- matching -------------------------------------------------------------------------------- */

static const char *order_of(enum mur_level level)
{
    switch (level) {
    case MUR_LEVEL_PATIENT:
        return " ORDER BY p.patient_name_fold, p.id";
    case MUR_LEVEL_STUDY:
        return " ORDER BY s.study_date DESC, s.study_time DESC, s.id";
    case MUR_LEVEL_SERIES:
        return " ORDER BY e.study, CAST(e.series_number AS INTEGER), e.id";
    case MUR_LEVEL_IMAGE:
        return " ORDER BY i.series, CAST(i.instance_number AS INTEGER), i.id";
    }
    return "";
}

static enum mur_status bind_condition(struct mur_database *database, sqlite3_stmt *statement,
                                      const struct mur_condition *condition,
                                      struct mur_error *error)
{
    return mur_bind_all(database, statement, condition->binds, condition->count, error);
}

static enum mur_status find_ids(struct mur_find *find, struct mur_database *database,
                                struct mur_error *error)
{
    const struct mur_query *query = find->query;
    MUR_AUTO_CONDITION struct mur_condition condition = MUR_CONDITION_INIT;
    MUR_AUTO_BUFFER struct mur_buffer sql = MUR_BUFFER_INIT;
    enum mur_status status = mur_condition_add_query(&condition, database, query, false, error);
    if (status == MUR_OK)
        status =
            mur_buffer_append_format(&sql, error, "SELECT %s.id", mur_level_alias(query->level));
    if (status == MUR_OK)
        status = mur_level_from(&sql, query->level, mur_buffer_text(&condition.sql), error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&sql, error, " WHERE 1%s%s",
                                          mur_buffer_text(&condition.sql), order_of(query->level));
    if (status == MUR_OK && (query->limit != 0 || query->offset != 0))
        status = mur_buffer_append_format(
            &sql, error, " LIMIT %lld OFFSET %zu",
            query->limit != 0 ? (long long)(query->limit + query->counted) : -1LL, query->offset);
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer ids = MUR_BUFFER_INIT;
    if (status == MUR_OK)
        status = mur_statement_get(&row, database, mur_buffer_text(&sql), error);
    if (status == MUR_OK)
        status = bind_condition(database, row, &condition, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(row, 0);
        status = mur_buffer_append(&ids, &id, sizeof id, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "asking the index");
    mur_statement_done(database, row);
    size_t length = ids.length;
    char *bytes = NULL;
    if (status == MUR_OK)
        status = mur_buffer_take(&bytes, &ids, error);
    if (status == MUR_OK) {
        find->ids = (int64_t *)(void *)bytes;
        find->id_count = length / sizeof(int64_t);
        find->row_count =
            query->limit != 0 && query->limit < find->id_count ? query->limit : find->id_count;
    }
    return status;
}

/* ---- what each key is answered from ---------------------------------------------------------- */

static enum mur_status plan_attribute(struct column *column, struct mur_database *database,
                                      const struct mur_query_key *key,
                                      const struct mur_attribute *attribute,
                                      struct mur_error *error)
{
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    column->kind = mur_is_scan_text(attribute->tag) ? COLUMN_COMMENT : COLUMN_ATTRIBUTE;
    column->level = attribute->level;
    return mur_path_row(&column->path, database, mur_attribute_path_format(path, &key->path),
                        error);
}

/* The statement that reads one answer: ids of those whose values stand elsewhere, then columns. */
static enum mur_status plan_page(struct mur_find *find, const struct mur_buffer *columns,
                                 struct mur_error *error)
{
    static const char *const ids[MUR_LEVEL_COUNT][MUR_LEVEL_COUNT] = {
        {"p.id", "0", "0", "0"},
        {"s.patient", "s.id", "0", "0"},
        {"s.patient", "e.study", "e.id", "0"},
        {"s.patient", "e.study", "i.series", "i.id"}};
    const enum mur_level level = find->query->level;
    bool wanted[MUR_LEVEL_COUNT] = {[MUR_LEVEL_SERIES] = true, [MUR_LEVEL_IMAGE] = true};
    wanted[level] = true;
    for (size_t i = 0; i < find->query->key_count; i++)
        if (find->columns[i].kind == COLUMN_ATTRIBUTE || find->columns[i].kind == COLUMN_COMMENT)
            wanted[find->columns[i].level] = true;
    MUR_AUTO_BUFFER struct mur_buffer sql = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_text(&sql, "SELECT ", error);
    for (int i = 0; status == MUR_OK && i < (int)MUR_LEVEL_COUNT; i++)
        status = mur_buffer_append_format(&sql, error, "%s%s", i > 0 ? ", " : "",
                                          wanted[i] ? ids[level][i] : "0");
    if (status == MUR_OK && columns->length > 0)
        status = mur_buffer_append(&sql, columns->data, columns->length, error);
    if (status == MUR_OK)
        status = mur_level_from(&sql, level, mur_buffer_text(&sql), error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&sql, error, " WHERE %s.id = ?", mur_level_alias(level));
    return status == MUR_OK ? mur_buffer_take(&find->page_sql, &sql, error) : status;
}

static enum mur_status plan_columns(struct mur_find *find, struct mur_database *database,
                                    struct mur_error *error)
{
    const struct mur_query *query = find->query;
    MUR_AUTO_BUFFER struct mur_buffer sql = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    int selected = MUR_LEVEL_COUNT;
    for (size_t i = 0; status == MUR_OK && i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        struct column *column = &find->columns[i];
        if (!key->returned || key->path.depth != 1 ||
            mur_query_key_support(query, i) == MUR_KEY_IGNORED)
            continue;
        const struct mur_attribute *attribute = mur_attribute_find(key->path.tags[0]);
        bool of_image = attribute == NULL || attribute->level == MUR_LEVEL_IMAGE;
        if (attribute != NULL && attribute->tag == MUR_TAG_RetrieveAETitle) {
            column->kind = COLUMN_AE_TITLE;
        } else if (attribute != NULL && attribute->storage != MUR_STORAGE_TABLE) {
            column->kind = COLUMN_SELECTED;
            column->index = selected++;
            if (attribute->tag == MUR_TAG_InstanceAvailability)
                status = mur_buffer_append_text(&sql, ", 'ONLINE'", error);
            else if (attribute->tag == MUR_TAG_SOPClassUID)
                status = mur_buffer_append_text(
                    &sql, ", (SELECT u.uid FROM uid u WHERE u.id = i.sop_class)", error);
            else
                status = mur_buffer_append_format(
                    &sql, error, ", %s.%s", mur_level_alias(attribute->level),
                    attribute->column + (attribute->column[0] == '=' ? 1 : 0));
        } else if (mur_is_isa_element(key->path.tags[0])) {
            column->kind = COLUMN_PRIVATE;
        } else if (!of_image) {
            status = plan_attribute(column, database, key, attribute, error);
        } else {
            column->kind = COLUMN_HEADER;
            find->need_header = true;
        }
    }
    return status == MUR_OK ? plan_page(find, &sql, error) : status;
}

/* Which cells element xx02 is answered with: those of few rows are tested one by one, for finding
 * all of them may take longer. */
static enum mur_status plan_cells(struct mur_find *find, struct mur_database *database,
                                  struct mur_error *error)
{
    find->cells.fold_case = database->fold_case;
    enum mur_status status = mur_condition_add_answered_cells(&find->cells, find->query, error);
    if (status != MUR_OK || find->id_count < MANY_ROWS || !mur_condition_has_sql(&find->cells))
        return status;
    MUR_AUTO_CONDITION struct mur_condition list = MUR_CONDITION_INIT;
    list.fold_case = database->fold_case;
    status = mur_condition_list_answered_cells(&list, find->query, error);
    size_t most =
        find->id_count < LISTED_MOST / CELLS_OF_ROW ? find->id_count * CELLS_OF_ROW : LISTED_MOST;
    return status == MUR_OK
               ? mur_cell_texts_list(&find->items, database, find->query->level, &list, most, error)
               : status;
}

enum mur_status mur_find_create(struct mur_find **out, struct mur_database *database,
                                const struct mur_query *query, const char *ae_title,
                                struct mur_error *error)
{
    MUR_AUTO(mur_find) *find = calloc(1, sizeof *find);
    if (find == NULL)
        return mur_error_no_memory(error);
    find->query = query;
    find->ae_title = ae_title;
    find->columns = calloc(query->key_count + 1, sizeof *find->columns);
    if (find->columns == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = find_ids(find, database, error);
    if (status == MUR_OK)
        status = plan_columns(find, database, error);
    if (status == MUR_OK)
        status = plan_cells(find, database, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(find);
    return MUR_OK;
}

/* ---- values ---------------------------------------------------------------------------------- */

static enum mur_status value_of_table(struct mur_value *out, struct mur_find *find,
                                      struct mur_database *database, const struct column *column,
                                      int64_t owner, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status =
        mur_statement_get(&row, database,
                          "SELECT text FROM attribute WHERE level = ? AND owner = ? AND path = ?"
                          " AND hidden = 0 ORDER BY source, item, position",
                          error);
    if (status == MUR_OK)
        status = mur_bind_all(
            database, row,
            (struct mur_bind[]){MUR_I(column->level), MUR_I(owner), MUR_I(column->path)}, 3, error);
    bool found = false;
    int result = SQLITE_DONE;
    const char *separator = mur_vr_info(out->vr)->multi ? "\\" : "; ";
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        if (found)
            status = mur_buffer_append_text(&text, separator, error);
        if (status == MUR_OK)
            status = mur_buffer_append(&text, sqlite3_column_text(row, 0),
                                       (size_t)sqlite3_column_bytes(row, 0), error);
        found = true;
        if (out->vr == MUR_VR_SQ)
            break; /* a sequence is one text */
    }
    if (status == MUR_OK && result != SQLITE_DONE && result != SQLITE_ROW)
        status = mur_sqlite_error(error, database, result, "reading an attribute");
    mur_statement_done(database, row);
    if (status == MUR_OK && found) {
        status = arena_copy(&out->text, find, mur_buffer_text(&text), text.length, error);
        out->length = text.length;
    }
    return status;
}

/* Element of our private block, or a comment, for the row itself. */
static enum mur_status value_of_scans(struct mur_value *out, struct mur_find *find,
                                      struct mur_database *database, uint32_t tag, int64_t owner,
                                      struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    bool found = false;
    enum mur_level level = find->query->level;
    bool items = (tag & 0xFFu) == MUR_ISA_ATTRIBUTE_SEQUENCE;
    enum mur_status status =
        MUR_TAG_IS_PRIVATE(tag)
            ? mur_scan_values_element(&text, &found, &out->vr, database, level, owner, tag & 0xFFu,
                                      items ? &find->cells : NULL,
                                      items ? &find->items : &find->texts, error)
            : mur_scan_values_text(&text, &found, database, level, owner, tag, error);
    if (status == MUR_OK && found) {
        status = arena_copy(&out->text, find, mur_buffer_text(&text), text.length, error);
        out->length = text.length;
    }
    return status;
}

static enum mur_status value_of_header(struct mur_value *out, struct mur_find *find,
                                       const struct mur_json *header, uint32_t tag,
                                       struct mur_error *error)
{
    const struct mur_json *element = mur_header_element(header, tag);
    if (element == NULL)
        return MUR_OK;
    out->vr = mur_json_element_vr(element);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_json_append_values(&text, element, error);
    if (status == MUR_OK)
        status = arena_copy(&out->text, find, mur_buffer_text(&text), text.length, error);
    out->length = text.length;
    return status;
}

/* Whether a column needs the member; for private attributes their creators too. */
static bool is_answered(void *user, struct mur_slice key)
{
    const struct mur_find *find = user;
    uint32_t tag = 0;
    if (!mur_tag_parse(&tag, key))
        return false;
    for (size_t k = 0; k < find->query->key_count; k++) {
        uint32_t asked = find->query->keys[k].path.tags[0];
        if (find->columns[k].kind == COLUMN_HEADER &&
            (asked == tag ||
             (MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_GROUP(asked) == MUR_TAG_GROUP(tag))))
            return true;
    }
    return false;
}

/* The header is mostly what nobody asked for: that is not parsed. */
static enum mur_status read_header(struct mur_json **out, struct mur_find *find,
                                   struct mur_database *database, int64_t instance,
                                   struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer some = MUR_BUFFER_INIT;
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
    enum mur_status status = mur_statement_get(
        &row, database, "SELECT form, json FROM header WHERE instance = ?", error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(instance), 1, error);
    if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(row, 1);
        size_t length = (size_t)sqlite3_column_bytes(row, 1);
        if (sqlite3_column_int(row, 0) == 1) {
            status = mur_zstd_decompress(&plain, bytes, length, HEADER_LIMIT, error);
            bytes = plain.data;
            length = plain.length;
        }
        if (status == MUR_OK &&
            (mur_json_select(&some, (struct mur_slice){.data = bytes, .length = length},
                             is_answered, find, error) != MUR_OK ||
             mur_json_parse(out, (struct mur_slice){.data = some.data, .length = some.length},
                            HEADER_LIMIT, error) != MUR_OK))
            status = mur_error_set(error, MUR_CORRUPT, "%s: header of instance %lld is damaged",
                                   database->path, (long long)instance);
    }
    mur_statement_done(database, row);
    return status;
}

static enum mur_status fill_row(struct mur_value *values, struct mur_find *find,
                                struct mur_database *database, sqlite3_stmt *row,
                                struct mur_error *error)
{
    MUR_AUTO(mur_json) *header = NULL;
    enum mur_status status = MUR_OK;
    enum mur_level level = find->query->level;
    int64_t own = sqlite3_column_int64(
        row, (int)(level == MUR_LEVEL_IMAGE ? MUR_LEVEL_SERIES : level)); /* who has a scan */
    if (find->need_header)
        status =
            read_header(&header, find, database, sqlite3_column_int64(row, MUR_LEVEL_IMAGE), error);
    for (size_t k = 0; status == MUR_OK && k < find->query->key_count; k++) {
        const struct column *column = &find->columns[k];
        struct mur_value *value = &values[k];
        *value = (struct mur_value){.vr = find->query->keys[k].vr};
        switch (column->kind) {
        case COLUMN_NONE:
            break;
        case COLUMN_SELECTED:
            if (sqlite3_column_type(row, column->index) != SQLITE_NULL) {
                value->length = (size_t)sqlite3_column_bytes(row, column->index);
                status = arena_copy(&value->text, find,
                                    (const char *)sqlite3_column_text(row, column->index),
                                    value->length, error);
            }
            break;
        case COLUMN_AE_TITLE:
            value->text = find->ae_title;
            value->length = strlen(find->ae_title);
            break;
        case COLUMN_ATTRIBUTE:
            status = value_of_table(value, find, database, column,
                                    sqlite3_column_int64(row, (int)column->level), error);
            break;
        case COLUMN_COMMENT:
            status = value_of_table(value, find, database, column,
                                    sqlite3_column_int64(row, (int)column->level), error);
            if (status == MUR_OK && value->text == NULL)
                status = value_of_scans(value, find, database, find->query->keys[k].path.tags[0],
                                        own, error);
            break;
        case COLUMN_PRIVATE:
            status = value_of_scans(value, find, database, find->query->keys[k].path.tags[0], own,
                                    error);
            break;
        case COLUMN_HEADER:
            status = value_of_header(value, find, header, find->query->keys[k].path.tags[0], error);
            break;
        }
    }
    return status;
}

enum mur_status mur_find_page(const struct mur_value **values, size_t *rows, struct mur_find *find,
                              struct mur_database *database, size_t most, struct mur_error *error)
{
    size_t keys = find->query->key_count;
    arena_clear(find);
    mur_cell_texts_clear(&find->texts);
    mur_cell_texts_clear(&find->items);
    if (find->value_capacity < most * keys + 1) {
        struct mur_value *grown = realloc(find->values, (most * keys + 1) * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        find->values = grown;
        find->value_capacity = most * keys + 1;
    }
    size_t filled = 0;
    sqlite3_stmt *row = NULL;
    enum mur_status status = MUR_OK;
    if (find->next < find->row_count) {
        status = mur_run(database, "BEGIN", NULL, 0, error);
        if (status == MUR_OK)
            status = mur_statement_get(&row, database, find->page_sql, error);
    }
    while (status == MUR_OK && filled < most && find->next < find->row_count) {
        status = mur_bind_all(database, row, &MUR_I(find->ids[find->next]), 1, error);
        if (status != MUR_OK)
            break;
        int result = sqlite3_step(row);
        if (result == SQLITE_ROW) {
            status = fill_row(&find->values[filled * keys], find, database, row, error);
            filled++;
        } else if (result != SQLITE_DONE) {
            status = mur_sqlite_error(error, database, result, "reading an answer");
        }
        (void)sqlite3_reset(row);
        find->next++;
    }
    mur_statement_done(database, row);
    if (sqlite3_get_autocommit(database->handle) == 0)
        (void)sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    if (status == MUR_OK) {
        *values = find->values;
        *rows = filled;
    }
    return status;
}

/* ---- retrieval ------------------------------------------------------------------------------- */

static uint32_t unique_tag(enum mur_level level)
{
    switch (level) {
    case MUR_LEVEL_PATIENT:
        return MUR_TAG_PatientID;
    case MUR_LEVEL_STUDY:
        return MUR_TAG_StudyInstanceUID;
    case MUR_LEVEL_SERIES:
        return MUR_TAG_SeriesInstanceUID;
    case MUR_LEVEL_IMAGE:
        return MUR_TAG_SOPInstanceUID;
    }
    return 0;
}

/* A retrieve must name what it wants: without the level's key it would mean the whole archive
 * (PS3.4 C.4.2.1.4, C.4.2.2.1). */
static enum mur_status check_unique_key(const struct mur_query *query, struct mur_error *error)
{
    uint32_t tag = unique_tag(query->level);
    for (size_t i = 0; i < query->key_count; i++) {
        const struct mur_query_key *key = &query->keys[i];
        if (key->path.depth != 1 || key->path.tags[0] != tag || key->text[0] == '\0')
            continue;
        if (strpbrk(key->text, query->level == MUR_LEVEL_PATIENT ? "*?\\" : "*?") != NULL)
            return mur_error_set(error, MUR_INVALID, "%s of a retrieve cannot be a pattern",
                                 mur_dictionary_keyword(tag));
        return MUR_OK;
    }
    return mur_error_set(error, MUR_INVALID, "%s has no value, which level %s needs",
                         mur_dictionary_keyword(tag), mur_level_name(query->level));
}

enum mur_status mur_database_plan(struct mur_instance **out, size_t *count,
                                  struct mur_database *database, const struct mur_query *query,
                                  struct mur_error *error)
{
    enum mur_status status = check_unique_key(query, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CONDITION struct mur_condition condition = MUR_CONDITION_INIT;
    status = mur_condition_add(
        &condition, error,
        "SELECT i.id, i.series, i.data_offset, i.data_length, i.digest, i.version,"
        " (SELECT uid FROM uid WHERE id = i.sop_class), i.sop_uid,"
        " (SELECT uid FROM uid WHERE id = i.transfer_syntax), s.study_uid, e.series_uid"
        " FROM instance i JOIN series e ON e.id = i.series JOIN study s ON s.id = e.study"
        " JOIN patient p ON p.id = s.patient WHERE 1");
    if (status == MUR_OK)
        status = mur_condition_add_query(&condition, database, query, true, error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(&condition.sql,
                                        " ORDER BY s.id, CAST(e.series_number AS INTEGER), e.id,"
                                        " CAST(i.instance_number AS INTEGER), i.id",
                                        error);
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    if (status == MUR_OK)
        status = mur_statement_get(&row, database, mur_buffer_text(&condition.sql), error);
    if (status == MUR_OK)
        status = bind_condition(database, row, &condition, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_instance item = {.id = sqlite3_column_int64(row, 0),
                                    .series = sqlite3_column_int64(row, 1),
                                    .offset = (uint64_t)sqlite3_column_int64(row, 2),
                                    .length = (uint64_t)sqlite3_column_int64(row, 3),
                                    .version = (unsigned)sqlite3_column_int(row, 5)};
        if (sqlite3_column_bytes(row, 4) == (int)sizeof item.digest)
            memcpy(item.digest, sqlite3_column_blob(row, 4), sizeof item.digest);
        char *const texts[] = {item.sop_class, item.sop_instance, item.transfer_syntax,
                               item.study_instance, item.series_instance};
        for (int i = 0; i < (int)MUR_COUNT(texts); i++)
            (void)snprintf(texts[i], MUR_UID_TEXT_SIZE, "%s",
                           (const char *)sqlite3_column_text(row, 6 + i));
        status = mur_buffer_append(&list, &item, sizeof item, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "planning a retrieve");
    mur_statement_done(database, row);
    size_t length = list.length;
    char *bytes = NULL;
    if (status == MUR_OK)
        status = mur_buffer_take(&bytes, &list, error);
    if (status == MUR_OK) {
        *out = (struct mur_instance *)(void *)bytes;
        *count = length / sizeof(struct mur_instance);
    }
    return status;
}
