/* What patient and study are called, and what an ISA-Tab says of a scan, for one instance: as
 * C-FIND answers, in DICOM's terms, to be written into what leaves. */
#include <stdlib.h>
#include <string.h>

#include "db/connection.h"
#include "db/scan_values.h"
#include "dicom/dictionary.h"

void mur_effective_free(struct mur_effective *effective)
{
    for (size_t i = 0; i < effective->count; i++)
        free(effective->values[i].text);
    free(effective->values);
    free(effective->calling_ae);
}

static enum mur_status add(struct mur_effective *out, size_t *capacity,
                           struct mur_effective_value value, const char *text,
                           struct mur_error *error)
{
    if (out->count == *capacity) {
        size_t grown = *capacity == 0 ? 64 : *capacity * 2;
        struct mur_effective_value *values = realloc(out->values, grown * sizeof *values);
        if (values == NULL)
            return mur_error_no_memory(error);
        out->values = values;
        *capacity = grown;
    }
    enum mur_status status = mur_text_copy(&value.text, mur_slice_of(text), error);
    if (status == MUR_OK)
        out->values[out->count++] = value;
    return status;
}

/* Whose rows an instance belongs to. */
struct rows {
    int64_t owners[MUR_LEVEL_COUNT]; /* patient, study, series */
    int64_t scan;                    /* of the series; 0 = none */
    bool segmentation;
};

static enum mur_status read_rows(struct rows *rows, struct mur_effective *out,
                                 struct mur_database *database, int64_t instance,
                                 struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT p.id, s.id, e.id, e.isa_scan, e.segmentation, o.calling_ae, max(i.received_us,"
        " coalesce((SELECT max(d.applied_us) FROM study t JOIN series f ON f.study = t.id"
        " JOIN isa_scan c ON c.id = f.isa_scan JOIN isa_dataset d ON d.id = c.dataset"
        " WHERE t.patient = p.id), 0))"
        " FROM instance i JOIN series e ON e.id = i.series JOIN study s ON s.id = e.study"
        " JOIN patient p ON p.id = s.patient JOIN origin o ON o.id = i.origin WHERE i.id = ?",
        error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(instance), 1, error);
    int result = status == MUR_OK ? sqlite3_step(row) : SQLITE_DONE;
    if (status == MUR_OK && result == SQLITE_ROW) {
        for (int level = 0; level <= (int)MUR_LEVEL_SERIES; level++)
            rows->owners[level] = sqlite3_column_int64(row, level);
        rows->scan = sqlite3_column_int64(row, 3); /* NULL is 0 */
        rows->segmentation = sqlite3_column_int(row, 4) != 0;
        out->since_us = sqlite3_column_int64(row, 6);
        status = mur_text_copy(&out->calling_ae,
                               mur_slice_of((const char *)sqlite3_column_text(row, 5)), error);
    } else if (status == MUR_OK) {
        status = result == SQLITE_DONE
                     ? mur_error_set(error, MUR_NOT_FOUND, "the instance was removed meanwhile")
                     : mur_sqlite_error(error, database, result, "looking for an instance");
    }
    mur_statement_done(database, row);
    return status;
}

/* ---- typed columns --------------------------------------------------------------------------- */

static bool scan_says(struct mur_database *database, int64_t scan, uint32_t tag)
{
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    const struct mur_attribute_path one = mur_attribute_path_of(tag);
    int64_t found_one = 0;
    bool found = false;
    return MUR_QUERY_INTEGER(&found_one, &found, database, NULL,
                             "SELECT 1 FROM isa_value WHERE scan = ? AND path = ? LIMIT 1",
                             MUR_I(scan), MUR_T(mur_attribute_path_format(path, &one))) == MUR_OK &&
           found;
}

/* Of patient and study all that name them; of a series what the ISA-Tab says otherwise. UIDs are
 * the object's own. */
static bool is_reconciled(struct mur_database *database, const struct mur_attribute *attribute,
                          const struct rows *rows)
{
    if (attribute->storage != MUR_STORAGE_COLUMN || attribute->vr == MUR_VR_UI)
        return false;
    if (attribute->level <= MUR_LEVEL_STUDY)
        return true;
    return attribute->level == MUR_LEVEL_SERIES && rows->scan != 0 && !rows->segmentation &&
           !mur_is_of_the_object(attribute->tag) && scan_says(database, rows->scan, attribute->tag);
}

static enum mur_status read_columns(struct mur_effective *out, size_t *capacity,
                                    struct mur_database *database, const struct rows *rows,
                                    struct mur_error *error)
{
    size_t count;
    const struct mur_attribute *attributes = mur_attributes(&count);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        const struct mur_attribute *attribute = &attributes[i];
        if (!is_reconciled(database, attribute, rows))
            continue;
        MUR_AUTO_FREE char *sql = NULL;
        status = mur_text_format(&sql, error, "SELECT %s FROM %s WHERE id = ?", attribute->column,
                                 mur_level_table(attribute->level));
        sqlite3_stmt *row = NULL;
        if (status == MUR_OK)
            status = mur_statement_get(&row, database, sql, error);
        if (status == MUR_OK)
            status = mur_bind_all(database, row, &MUR_I(rows->owners[attribute->level]), 1, error);
        if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(row, 0);
            const struct mur_effective_value value = {
                .level = attribute->level, .tag = attribute->tag, .vr = attribute->vr};
            if (text != NULL && text[0] != '\0')
                status = add(out, capacity, value, text, error);
        }
        mur_statement_done(database, row);
    }
    return status;
}

/* ---- attribute table ------------------------------------------------------------------------- */

/* Appends a further value of the attribute before. */
static enum mur_status append(struct mur_effective_value *value, const char *text,
                              struct mur_error *error)
{
    char *both = NULL;
    enum mur_status status = mur_text_format(&both, error, "%s%s%s", value->text,
                                             mur_vr_info(value->vr)->multi ? "\\" : "; ", text);
    if (status == MUR_OK) {
        free(value->text);
        value->text = both;
    }
    return status;
}

/* Rows of (path, text), values of one attribute one after another. */
static enum mur_status read_values(struct mur_effective *out, size_t *capacity,
                                   struct mur_database *database, enum mur_level level,
                                   const char *sql, const struct mur_bind *binds, size_t bind_count,
                                   struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, bind_count, error);
    int result = SQLITE_DONE;
    size_t first = out->count;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_attribute_path path;
        status = mur_attribute_path_parse(
            &path, mur_slice_of((const char *)sqlite3_column_text(row, 0)), error);
        if (status != MUR_OK || path.depth != 1)
            continue;
        const char *text = (const char *)sqlite3_column_text(row, 1);
        const struct mur_effective_value value = {.level = level,
                                                  .tag = path.tags[0],
                                                  .vr = mur_dictionary_vr(path.tags[0], NULL),
                                                  .list = mur_is_scan_text(path.tags[0])};
        if (out->count > first && out->values[out->count - 1].tag == value.tag)
            status =
                value.vr == MUR_VR_SQ ? MUR_OK : append(&out->values[out->count - 1], text, error);
        else
            status = add(out, capacity, value, text, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what the ISA-Tab says");
    mur_statement_done(database, row);
    return status;
}

struct reading {
    struct mur_effective *out;
    size_t *capacity;
    struct mur_database *database;
    const struct rows *rows;
};

/* One element of the private block, of the series' scan. */
static enum mur_status read_element(void *user, unsigned element, struct mur_error *error)
{
    const struct reading *reading = user;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_effective_value value = {.level = MUR_LEVEL_SERIES,
                                        .tag = MUR_PRIVATE_TAG(0x10, element),
                                        .list = element == MUR_ISA_ATTRIBUTE ||
                                                element == MUR_ISA_ATTRIBUTE_SEQUENCE};
    struct mur_cell_texts texts = {0};
    bool found = false;
    enum mur_status status = mur_scan_values_element(
        &text, &found, &value.vr, reading->database, MUR_LEVEL_SERIES,
        reading->rows->owners[MUR_LEVEL_SERIES], element, NULL, &texts, error);
    mur_cell_texts_free(&texts);
    return status == MUR_OK && found
               ? add(reading->out, reading->capacity, value, mur_buffer_text(&text), error)
               : status;
}

static enum mur_status read_isa(struct mur_effective *out, size_t *capacity,
                                struct mur_database *database, const struct rows *rows,
                                struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (int level = 0; status == MUR_OK && level <= (int)MUR_LEVEL_SERIES; level++)
        status = read_values(
            out, capacity, database, (enum mur_level)level,
            "SELECT p.path, a.text FROM attribute a JOIN attribute_path p ON p.id = a.path"
            " WHERE a.owner = ?1 AND a.level = ?2 AND a.source = 1 AND a.hidden = 0"
            " AND length(p.path) = 8 ORDER BY p.path, a.item, a.position",
            (struct mur_bind[]){MUR_I(rows->owners[level]), MUR_I(level)}, 2, error);
    if (rows->scan == 0)
        return status;
    /* Comments are answered for all scans of a study; here only the instance's own leave. */
    for (int level = 0; status == MUR_OK && level <= (int)MUR_LEVEL_STUDY; level++)
        status = read_values(
            out, capacity, database, (enum mur_level)level,
            "SELECT v.path, v.text FROM isa_value v WHERE v.scan = ?3 AND v.level = ?2"
            " AND v.path IN ('001021B0', '00104000') AND NOT EXISTS (SELECT 1 FROM attribute a"
            " JOIN attribute_path p ON p.id = a.path WHERE a.owner = ?1 AND a.level = ?2"
            " AND p.path = v.path AND a.hidden = 0) ORDER BY v.ordinal",
            (struct mur_bind[]){MUR_I(rows->owners[level]), MUR_I(level), MUR_I(rows->scan)}, 3,
            error);
    struct reading reading = {.out = out, .capacity = capacity, .database = database, .rows = rows};
    if (status == MUR_OK)
        status = read_element(&reading, MUR_ISA_ATTRIBUTE, error);
    if (status == MUR_OK)
        status = read_element(&reading, MUR_ISA_ATTRIBUTE_SEQUENCE, error);
    return status == MUR_OK
               ? mur_scan_values_each_element(database, rows->scan, read_element, &reading, error)
               : status;
}

enum mur_status mur_database_effective(struct mur_effective *out, struct mur_database *database,
                                       int64_t instance, struct mur_error *error)
{
    MUR_AUTO_EFFECTIVE struct mur_effective effective = {0};
    struct rows rows = {0};
    size_t capacity = 0;
    enum mur_status status = mur_run(database, "BEGIN", NULL, 0, error);
    if (status == MUR_OK)
        status = read_rows(&rows, &effective, database, instance, error);
    if (status == MUR_OK)
        status = read_columns(&effective, &capacity, database, &rows, error);
    if (status == MUR_OK)
        status = read_isa(&effective, &capacity, database, &rows, error);
    if (sqlite3_get_autocommit(database->handle) == 0)
        (void)sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);
    if (status != MUR_OK)
        return status;
    effective.segmentation = rows.segmentation;
    *out = effective;
    effective = (struct mur_effective){0};
    return MUR_OK;
}
