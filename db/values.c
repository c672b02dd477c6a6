/* Values of one patient, study or series: typed columns and rows of the attribute table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/text.h"
#include "db/connection.h"

static bool is_column(const struct mur_index_value *value, const struct mur_attribute **attribute)
{
    if (value->path.depth != 1)
        return false;
    *attribute = mur_attribute_find(value->path.tags[0]);
    return *attribute != NULL && (*attribute)->storage == MUR_STORAGE_COLUMN;
}

bool mur_is_of_the_object(uint32_t tag)
{
    return tag == MUR_TAG_Modality || tag == MUR_TAG_SeriesNumber ||
           tag == MUR_TAG_FrameOfReferenceUID;
}

/* Columns that are set with the row: they name it. */
static bool names_the_row(uint32_t tag)
{
    return tag == MUR_TAG_StudyInstanceUID || tag == MUR_TAG_SeriesInstanceUID ||
           tag == MUR_TAG_SOPInstanceUID || tag == MUR_TAG_PatientID ||
           tag == MUR_TAG_IssuerOfPatientID;
}

static enum mur_status put_column(struct mur_database *database, enum mur_level level,
                                  int64_t owner, const char *column, const char *text,
                                  bool only_if_empty, struct mur_error *error)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = ?1 WHERE id = ?2%s%s%s",
                   mur_level_table(level), column, only_if_empty ? " AND " : "",
                   only_if_empty ? column : "", only_if_empty ? " = ''" : "");
    return MUR_RUN(database, error, sql, MUR_T(text), MUR_I(owner));
}

static enum mur_status put_name_fold(struct mur_database *database, enum mur_level level,
                                     int64_t owner, const char *column, const char *text,
                                     bool only_if_empty, struct mur_error *error)
{
    char fold_column[64];
    (void)snprintf(fold_column, sizeof fold_column, "%s_fold", column);
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_fold_name(&folded, mur_slice_of(text), error);
    if (status != MUR_OK)
        return status;
    return put_column(database, level, owner, fold_column, folded, only_if_empty, error);
}

enum mur_status mur_clear_column(struct mur_database *database,
                                 const struct mur_attribute *attribute, int64_t owner,
                                 struct mur_error *error)
{
    if (names_the_row(attribute->tag))
        return MUR_OK;
    enum mur_status status = MUR_OK;
    if (attribute->vr == MUR_VR_PN)
        status =
            put_name_fold(database, attribute->level, owner, attribute->column, "", false, error);
    return status == MUR_OK
               ? put_column(database, attribute->level, owner, attribute->column, "", false, error)
               : status;
}

/* What the header says is kept when the ISA-Tab says otherwise ... */
static enum mur_status keep_overwritten(struct mur_database *database,
                                        const struct mur_attribute *attribute, int64_t owner,
                                        struct mur_error *error)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "INSERT OR IGNORE INTO overwritten SELECT ?1, id, ?2, %s FROM %s WHERE id = ?3",
                   attribute->column, mur_level_table(attribute->level));
    return MUR_RUN(database, error, sql, MUR_I(attribute->level), MUR_I(attribute->tag),
                   MUR_I(owner));
}

static enum mur_status next_overwritten(bool *found, uint32_t *tag, char **text,
                                        struct mur_database *database, enum mur_level level,
                                        int64_t owner, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database, "SELECT tag, text FROM overwritten WHERE level = ? AND owner = ? LIMIT 1",
        error);
    if (status == MUR_OK)
        status =
            mur_bind_all(database, row, (struct mur_bind[]){MUR_I(level), MUR_I(owner)}, 2, error);
    int result = status == MUR_OK ? sqlite3_step(row) : SQLITE_DONE;
    *found = result == SQLITE_ROW;
    if (*found) {
        *tag = (uint32_t)sqlite3_column_int64(row, 0);
        status =
            mur_text_copy(text, mur_slice_of((const char *)sqlite3_column_text(row, 1)), error);
    } else if (result != SQLITE_DONE) {
        status = mur_sqlite_error(error, database, result, "reading what headers say");
    }
    mur_statement_done(database, row);
    return status;
}

/* ... and comes back when it does not any more. */
static enum mur_status restore_overwritten(struct mur_database *database, enum mur_level level,
                                           int64_t owner, struct mur_error *error)
{
    for (;;) {
        bool found = false;
        uint32_t tag = 0;
        MUR_AUTO_FREE char *text = NULL;
        enum mur_status status =
            next_overwritten(&found, &tag, &text, database, level, owner, error);
        if (status != MUR_OK || !found)
            return status;
        const struct mur_attribute *attribute = mur_attribute_find(tag);
        if (attribute != NULL && attribute->vr == MUR_VR_PN)
            status = put_name_fold(database, level, owner, attribute->column, text, false, error);
        if (attribute != NULL && status == MUR_OK)
            status = put_column(database, level, owner, attribute->column, text, false, error);
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "DELETE FROM overwritten WHERE level = ? AND owner = ? AND tag = ?",
                             MUR_I(level), MUR_I(owner), MUR_I(tag));
        if (status != MUR_OK)
            return status;
    }
}

/* The ideographic and phonetic groups of a name are found through the attribute table. */
static enum mur_status put_row(struct mur_database *database, enum mur_level level, int64_t owner,
                               int source, const struct mur_index_value *value, bool hidden,
                               const char *text, unsigned position, struct mur_error *error)
{
    char path_text[MUR_ATTRIBUTE_PATH_SIZE];
    int64_t path = 0;
    enum mur_status status =
        mur_path_row(&path, database, mur_attribute_path_format(path_text, &value->path), error);
    MUR_AUTO_FREE char *folded = NULL;
    if (status == MUR_OK && value->vr == MUR_VR_PN)
        status = mur_fold_name(&folded, mur_slice_of(text), error);
    if (status != MUR_OK)
        return status;
    return MUR_RUN(database, error,
                   "INSERT OR REPLACE INTO attribute(level, owner, path, source, item, position,"
                   " hidden, text, folded, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   MUR_I(level), MUR_I(owner), MUR_I(path), MUR_I(source), MUR_I(value->item),
                   MUR_I(position), MUR_I(hidden), MUR_T(text),
                   folded != NULL ? MUR_T(folded) : MUR_NULL,
                   value->has_number ? MUR_R(value->number) : MUR_NULL);
}

static enum mur_status put_name_groups(struct mur_database *database, enum mur_level level,
                                       int64_t owner, int source,
                                       const struct mur_index_value *value, struct mur_error *error)
{
    unsigned position = 0;
    for (const char *group = strchr(value->text, '='); group != NULL; group = strchr(group, '=')) {
        group++;
        position++;
        MUR_AUTO_FREE char *text = NULL;
        enum mur_status status = mur_text_copy(
            &text, (struct mur_slice){.data = group, .length = strcspn(group, "=")}, error);
        if (status == MUR_OK && text[0] != '\0')
            status = put_row(database, level, owner, source, value, false, text, position, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

/* Whether the other source speaks about the same attribute. All of a sequence counts as one: paths
 * in it go on with ".", which comes before "/". */
static enum mur_status spoken_of(bool *out, struct mur_database *database, enum mur_level level,
                                 int64_t owner, int source, const struct mur_attribute_path *path,
                                 struct mur_error *error)
{
    char top[MUR_ATTRIBUTE_PATH_SIZE];
    struct mur_attribute_path first = mur_attribute_path_of(path->tags[0]);
    (void)mur_attribute_path_format(top, &first);
    bool found;
    int64_t one;
    enum mur_status status = MUR_QUERY_INTEGER(
        &one, &found, database, error,
        "SELECT 1 FROM attribute a JOIN attribute_path p ON p.id = a.path WHERE a.level = ?"
        " AND a.owner = ? AND a.source = ? AND p.path >= ?4 AND p.path < ?4 || '/' LIMIT 1",
        MUR_I(level), MUR_I(owner), MUR_I(source), MUR_T(top));
    if (status == MUR_OK)
        *out = found;
    return status;
}

static enum mur_status has_value(bool *out, struct mur_database *database, enum mur_level level,
                                 int64_t owner, const struct mur_index_value *value,
                                 struct mur_error *error)
{
    char text[MUR_ATTRIBUTE_PATH_SIZE];
    int64_t one;
    return MUR_QUERY_INTEGER(
        &one, out, database, error,
        "SELECT 1 FROM attribute WHERE level = ? AND owner = ? AND source = 0 AND item = ?"
        " AND position = ? AND path = (SELECT id FROM attribute_path WHERE path = ?)",
        MUR_I(level), MUR_I(owner), MUR_I(value->item), MUR_I(value->position),
        MUR_T(mur_attribute_path_format(text, &value->path)));
}

static enum mur_status hide_header(struct mur_database *database, enum mur_level level,
                                   int64_t owner, const struct mur_attribute_path *path,
                                   struct mur_error *error)
{
    char top[MUR_ATTRIBUTE_PATH_SIZE];
    struct mur_attribute_path first = mur_attribute_path_of(path->tags[0]);
    (void)mur_attribute_path_format(top, &first);
    return MUR_RUN(database, error,
                   "UPDATE attribute SET hidden = 1 WHERE level = ? AND owner = ? AND source = 0"
                   " AND hidden = 0 AND path IN"
                   " (SELECT id FROM attribute_path WHERE path >= ?3 AND path < ?3 || '/')",
                   MUR_I(level), MUR_I(owner), MUR_T(top));
}

static enum mur_status put_value(struct mur_database *database, enum mur_level level, int64_t owner,
                                 int source, const struct mur_index_value *value,
                                 struct mur_error *error)
{
    const struct mur_attribute *attribute = NULL;
    bool from_isa = source != 0;
    if (is_column(value, &attribute)) {
        if (names_the_row(attribute->tag) || (from_isa && mur_is_of_the_object(attribute->tag)))
            return MUR_OK;
        bool only_if_empty = from_isa && database->header_wins;
        enum mur_status status = MUR_OK;
        if (from_isa)
            status = keep_overwritten(database, attribute, owner, error);
        if (status == MUR_OK && value->vr == MUR_VR_PN) {
            status = put_name_fold(database, level, owner, attribute->column, value->text,
                                   only_if_empty, error);
            if (status == MUR_OK)
                status = put_name_groups(database, level, owner, source, value, error);
        }
        if (status == MUR_OK)
            status = put_column(database, level, owner, attribute->column, value->text,
                                only_if_empty, error);
        return status;
    }
    if (attribute != NULL && attribute->storage == MUR_STORAGE_COMPUTED)
        return MUR_OK;
    bool other = false;
    enum mur_status status =
        spoken_of(&other, database, level, owner, from_isa ? 0 : 1, &value->path, error);
    bool hidden = other && (from_isa == database->header_wins);
    if (status == MUR_OK && other && !hidden && from_isa)
        status = hide_header(database, level, owner, &value->path, error);
    bool of_scan = from_isa && value->path.depth == 1 && mur_is_scan_text(value->path.tags[0]);
    if (status == MUR_OK && !of_scan)
        status = put_row(database, level, owner, source, value, hidden, value->text,
                         value->position, error);
    return status;
}

/* Rows of attributes that the site added (index.attributes), where there are none yet. */
enum mur_status mur_add_attributes(struct mur_database *database, enum mur_level level,
                                   int64_t owner, const struct mur_index_value *values,
                                   size_t count, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        const struct mur_index_value *value = &values[i];
        const struct mur_attribute *attribute =
            value->path.depth == 1 ? mur_attribute_find(value->path.tags[0]) : NULL;
        const struct mur_attribute_key *key =
            value->path.depth > 1 ? mur_attribute_key_find(&value->path) : NULL;
        bool added = (attribute != NULL && attribute->added) || (key != NULL && key->added);
        bool there = false;
        if (!added || value->level != level)
            continue;
        status = has_value(&there, database, level, owner, value, error);
        if (status == MUR_OK && !there)
            status = put_row(database, level, owner, 0, value, false, value->text, value->position,
                             error);
    }
    return status;
}

enum mur_status mur_put_values(struct mur_database *database, enum mur_level level, int64_t owner,
                               int source, const struct mur_index_value *values, size_t count,
                               struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (source != 0) { /* replaced as a whole */
        status = MUR_RUN(database, error,
                         "DELETE FROM attribute WHERE level = ? AND owner = ? AND source = ?",
                         MUR_I(level), MUR_I(owner), MUR_I(source));
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE attribute SET hidden = 0 WHERE level = ? AND owner = ?",
                             MUR_I(level), MUR_I(owner));
        if (status == MUR_OK)
            status = restore_overwritten(database, level, owner, error);
    }
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        if (values[i].level == level)
            status = put_value(database, level, owner, source, &values[i], error);
    return status;
}
