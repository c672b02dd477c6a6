/* ISA-Tab rows, and the links by which they answer for patients, studies and series. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/connection.h"
#include "dicom/dictionary.h"

enum mur_status mur_database_isa_dataset(int64_t *id, char known_digest[65], int64_t *version,
                                         struct mur_database *database, const char *identifier,
                                         struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database, "SELECT digest, version, id FROM isa_dataset WHERE identifier = ?", error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_T(identifier), 1, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        known_digest[0] = '\0';
        *version = 0;
        *id = 0;
        if (result == SQLITE_ROW) {
            (void)snprintf(known_digest, 65, "%s", (const char *)sqlite3_column_text(row, 0));
            *version = sqlite3_column_int64(row, 1);
            *id = sqlite3_column_int64(row, 2);
        } else if (result != SQLITE_DONE) {
            status = mur_sqlite_error(error, database, result, "looking for an ISA-Tab");
        }
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_put_isa_dataset(int64_t *id, struct mur_database *database,
                                             const char *identifier, int64_t version,
                                             const char *folder, const char *digest,
                                             int64_t applied_us, struct mur_error *error)
{
    enum mur_status status = MUR_RUN(
        database, error,
        "INSERT INTO isa_dataset(identifier, version, folder, digest, applied_us)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (identifier) DO UPDATE SET version = excluded.version,"
        " folder = excluded.folder, digest = excluded.digest, applied_us = excluded.applied_us",
        MUR_T(identifier), MUR_I(version), MUR_T(folder), MUR_T(digest), MUR_I(applied_us));
    bool found = false;
    int64_t row = 0;
    if (status == MUR_OK)
        status =
            MUR_QUERY_INTEGER(&row, &found, database, error,
                              "SELECT id FROM isa_dataset WHERE identifier = ?", MUR_T(identifier));
    if (status == MUR_OK)
        status =
            MUR_RUN(database, error, "INSERT OR REPLACE INTO isa_version VALUES (?, ?, ?, ?, ?)",
                    MUR_I(row), MUR_I(version), MUR_T(folder), MUR_T(digest), MUR_I(applied_us));
    if (status == MUR_OK)
        *id = row;
    return status;
}

enum mur_status mur_database_each_isa_version(
    struct mur_database *database,
    enum mur_status (*each)(void *user, const struct mur_isa_version *one, struct mur_error *error),
    void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT d.identifier, v.version, v.folder, v.digest, v.applied_us, v.version = d.version"
        " FROM isa_version v JOIN isa_dataset d ON d.id = v.dataset ORDER BY d.id, v.version",
        error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_isa_version one = {
            .dataset = (const char *)sqlite3_column_text(row, 0),
            .version = sqlite3_column_int64(row, 1),
            .folder = (const char *)sqlite3_column_text(row, 2),
            .digest = (const char *)sqlite3_column_text(row, 3),
            .applied_us = sqlite3_column_int64(row, 4),
            .in_force = sqlite3_column_int(row, 5) != 0,
        };
        status = each(user, &one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing ISA-Tabs");
    mur_statement_done(database, row);
    return status;
}

/* ---- one scan -------------------------------------------------------------------------------- */

static enum mur_status put_scan_values(struct mur_database *database, int64_t scan,
                                       const struct mur_isa_scan_record *record,
                                       struct mur_error *error)
{
    enum mur_status status =
        MUR_RUN(database, error, "DELETE FROM isa_value WHERE scan = ?", MUR_I(scan));
    for (size_t i = 0; status == MUR_OK && i < record->value_count; i++) {
        const struct mur_index_value *value = &record->values[i];
        char path[MUR_ATTRIBUTE_PATH_SIZE];
        status = MUR_RUN(
            database, error,
            "INSERT INTO isa_value(scan, ordinal, level, path, vr, item, position, text, number)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            MUR_I(scan), MUR_I(i), MUR_I(value->level),
            MUR_T(mur_attribute_path_format(path, &value->path)), MUR_T(mur_vr_name(value->vr)),
            MUR_I(value->item), MUR_I(value->position), MUR_T(value->text),
            value->has_number ? MUR_R(value->number) : MUR_NULL);
    }
    return status;
}

/* Ids of a query's first column, malloc'ed: rows may change while they are worked through. */
static enum mur_status collect_ids(int64_t **out, size_t *count, struct mur_database *database,
                                   const char *sql, const struct mur_bind *binds, size_t bind_count,
                                   struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer ids = MUR_BUFFER_INIT;
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, bind_count, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(row, 0);
        status = mur_buffer_append(&ids, &id, sizeof id, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading the index");
    mur_statement_done(database, row);
    size_t length = ids.length;
    char *bytes = NULL;
    if (status == MUR_OK)
        status = mur_buffer_take(&bytes, &ids, error);
    if (status == MUR_OK) {
        *out = (int64_t *)(void *)bytes;
        *count = length / sizeof(int64_t);
    }
    return status;
}

static enum mur_status put_keys(struct mur_database *database, int64_t scan,
                                const struct mur_isa_scan_record *record, struct mur_error *error)
{
    enum mur_status status =
        MUR_RUN(database, error, "DELETE FROM isa_key WHERE scan = ?", MUR_I(scan));
    for (size_t i = 0; status == MUR_OK && i < record->key_count; i++)
        status = MUR_RUN(database, error, "INSERT OR IGNORE INTO isa_key VALUES (?, ?, ?)",
                         MUR_T(record->keys[i].rule), MUR_T(record->keys[i].text), MUR_I(scan));
    return status;
}

/* What is linked to a scan answers otherwise now: at once, or when the transaction ends. */
static enum mur_status touch_linked(struct mur_database *database, int64_t scan,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE int64_t *series = NULL;
    size_t count = 0;
    enum mur_status status =
        collect_ids(&series, &count, database, "SELECT id FROM series WHERE isa_scan = ?",
                    &MUR_I(scan), 1, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = mur_touch(database, MUR_LEVEL_SERIES, series[i], false, error);
    return status;
}

enum mur_status mur_database_put_isa_scan(int64_t *id, bool *changed, struct mur_database *database,
                                          int64_t dataset, const struct mur_isa_scan_record *record,
                                          struct mur_error *error)
{
    bool found = false;
    bool same = false;
    int64_t scan = 0;
    int64_t ordinal = 0;
    enum mur_status status = MUR_QUERY_INTEGER(
        &scan, &found, database, error,
        "SELECT id FROM isa_scan WHERE dataset = ? AND study = ? AND assay_file = ? AND assay = ?",
        MUR_I(dataset), MUR_T(record->study), MUR_T(record->assay_file), MUR_T(record->assay));
    if (status == MUR_OK && found)
        status = MUR_QUERY_INTEGER(&ordinal, &same, database, error,
                                   "SELECT ordinal FROM isa_scan WHERE id = ? AND digest = ?",
                                   MUR_I(scan), MUR_T(record->digest));
    if (status != MUR_OK)
        return status;
    if (!found) {
        status = MUR_RUN(database, error,
                         "INSERT INTO isa_scan(dataset, study, source, sample, assay_file, assay,"
                         " digest, ordinal) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                         MUR_I(dataset), MUR_T(record->study), MUR_T(record->source),
                         MUR_T(record->sample), MUR_T(record->assay_file), MUR_T(record->assay),
                         MUR_T(record->digest), MUR_I(record->ordinal));
        scan = sqlite3_last_insert_rowid(database->handle);
    } else if (!same || ordinal != record->ordinal) {
        status = MUR_RUN(database, error,
                         "UPDATE isa_scan SET source = ?, sample = ?, digest = ?, ordinal = ?"
                         " WHERE id = ?",
                         MUR_T(record->source), MUR_T(record->sample), MUR_T(record->digest),
                         MUR_I(record->ordinal), MUR_I(scan));
        if (status == MUR_OK)
            status = touch_linked(database, scan, error);
    }
    if (status == MUR_OK && !same)
        status = put_scan_values(database, scan, record, error);
    if (status == MUR_OK && !same)
        status = mur_put_cells(database, scan, record->cells, record->cell_count, error);
    if (status == MUR_OK)
        status = put_keys(database, scan, record, error);
    if (status == MUR_OK) {
        *id = scan;
        *changed = !same;
    }
    return status;
}

static int by_value(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

static enum mur_status retire_scan(struct mur_database *database, int64_t scan,
                                   struct mur_error *error)
{
    enum mur_status status = touch_linked(database, scan, error);
    if (status == MUR_OK)
        status = mur_put_cells(database, scan, NULL, 0, error);
    static const char *const steps[] = {
        "DELETE FROM isa_value WHERE scan = ?",
        "DELETE FROM isa_key WHERE scan = ?",
        "UPDATE isa_scan SET digest = '', source = '', sample = '', ordinal = 0 WHERE id = ?",
        "UPDATE series SET isa_scan = NULL, link = 0, segmentation = 0"
        " WHERE isa_scan = ? AND link = 1",
    };
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(steps); i++)
        status = MUR_RUN(database, error, steps[i], MUR_I(scan));
    return status == MUR_OK ? mur_drop_gone_scan(database, scan, error) : status;
}

enum mur_status mur_database_retire_isa_scans(struct mur_database *database, int64_t dataset,
                                              const int64_t *scans, size_t count,
                                              mur_isa_scan_function *each, void *user,
                                              struct mur_error *error)
{
    MUR_AUTO_FREE int64_t *sorted = calloc(count + 1, sizeof *sorted);
    MUR_AUTO_FREE int64_t *known = NULL;
    size_t known_count = 0;
    if (sorted == NULL)
        return mur_error_no_memory(error);
    if (count > 0)
        memcpy(sorted, scans, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_value);
    enum mur_status status = collect_ids(
        &known, &known_count, database,
        "SELECT id FROM isa_scan WHERE dataset = ? AND digest <> '' ORDER BY study, assay_file,"
        " ordinal",
        &MUR_I(dataset), 1, error);
    for (size_t i = 0; status == MUR_OK && i < known_count; i++) {
        if (count > 0 && bsearch(&known[i], sorted, count, sizeof *sorted, by_value) != NULL)
            continue;
        status = mur_database_isa_scan(database, known[i], each, user, error);
        if (status == MUR_OK)
            status = retire_scan(database, known[i], error);
    }
    if (status == MUR_OK) /* those of which all cells are gone */
        status = mur_run(database,
                         "DELETE FROM isa_column WHERE NOT EXISTS"
                         " (SELECT 1 FROM isa_cell f WHERE f.column = isa_column.id)",
                         NULL, 0, error);
    return status;
}

enum mur_status mur_drop_gone_scan(struct mur_database *database, int64_t scan,
                                   struct mur_error *error)
{
    return MUR_RUN(database, error,
                   "DELETE FROM isa_scan WHERE id = ?1 AND digest = ''"
                   " AND NOT EXISTS (SELECT 1 FROM series WHERE isa_scan = ?1)",
                   MUR_I(scan));
}

enum mur_status mur_database_isa_scan_values(struct mur_database *database, int64_t scan,
                                             mur_isa_value_function *each, void *user,
                                             struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status =
        mur_statement_get(&row, database,
                          "SELECT level, path, vr, item, position, text, number FROM isa_value"
                          " WHERE scan = ?1 UNION ALL SELECT * FROM (SELECT 2,"
                          " CASE k.element WHEN 0 THEN '00991001'"
                          " ELSE printf('009910%02X', k.element) END,"
                          " CASE k.element WHEN 0 THEN 'UC' ELSE k.vr END, 0, c.ordinal,"
                          " CASE k.element WHEN 0 THEN k.kind || ':' || k.name || '=' || f.text"
                          " ELSE f.text END, f.number FROM isa_scan_cell c JOIN isa_cell f"
                          " ON f.id = c.cell JOIN isa_column k ON k.id = f.column"
                          " WHERE c.scan = ?1 ORDER BY c.ordinal)",
                          error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(scan), 1, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_index_value value = {
            .level = (enum mur_level)sqlite3_column_int(row, 0),
            .vr = mur_vr_from_name((const char *)sqlite3_column_text(row, 2)),
            .item = (unsigned)sqlite3_column_int(row, 3),
            .position = (unsigned)sqlite3_column_int(row, 4),
            .text = (const char *)sqlite3_column_text(row, 5),
            .has_number = sqlite3_column_type(row, 6) != SQLITE_NULL,
            .number = sqlite3_column_double(row, 6)};
        status = mur_attribute_path_parse(
            &value.path, mur_slice_of((const char *)sqlite3_column_text(row, 1)), error);
        if (status == MUR_OK)
            status = each(user, &value, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading ISA values");
    mur_statement_done(database, row);
    return status;
}

/* ---- links ----------------------------------------------------------------------------------- */

enum mur_status mur_set_link(struct mur_database *database, int64_t series, int64_t scan,
                             bool segmentation, enum mur_link_kind kind, struct mur_error *error)
{
    bool found = false;
    int64_t before = 0;
    enum mur_status status = MUR_QUERY_INTEGER(&before, &found, database, error,
                                               "SELECT coalesce(isa_scan, 0) FROM series"
                                               " WHERE id = ?",
                                               MUR_I(series));
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "UPDATE series SET isa_scan = ?, link = ?, segmentation = ? WHERE id = ?",
                         scan != 0 ? MUR_I(scan) : MUR_NULL, MUR_I(kind), MUR_I(segmentation),
                         MUR_I(series));
    if (status == MUR_OK)
        status = mur_touch(database, MUR_LEVEL_SERIES, series, false, error);
    if (status == MUR_OK && before != 0 && before != scan)
        status = mur_drop_gone_scan(database, before, error);
    return status;
}

enum mur_status mur_database_set_link(int64_t *changed, struct mur_database *database,
                                      const char *series_uid, int64_t scan, bool segmentation,
                                      enum mur_link_kind kind, struct mur_error *error)
{
    MUR_AUTO_FREE int64_t *series = NULL;
    size_t count = 0;
    enum mur_status status = collect_ids(
        &series, &count, database,
        kind == MUR_LINK_TABLES
            ? "SELECT id FROM series WHERE series_uid = ?1 AND link <> 3"
              " AND (isa_scan IS NOT ?2 OR segmentation <> ?3 OR link <> 2)"
            : "SELECT id FROM series WHERE series_uid = ?1"
              " AND (coalesce(isa_scan, 0) <> ?2 OR segmentation <> ?3 OR link <> ?4)",
        (struct mur_bind[]){MUR_T(series_uid), MUR_I(scan), MUR_I(segmentation), MUR_I(kind)},
        kind == MUR_LINK_TABLES ? 3 : 4, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = mur_set_link(database, series[i], scan, segmentation, kind, error);
    if (status == MUR_OK)
        status = mur_place_touched(database, error);
    if (status == MUR_OK)
        *changed = (int64_t)count;
    return status;
}

enum mur_status mur_database_link_series(int64_t *changed, struct mur_database *database,
                                         const char *series_uid, int64_t scan, bool segmentation,
                                         struct mur_error *error)
{
    return mur_database_set_link(changed, database, series_uid, scan, segmentation, MUR_LINK_TABLES,
                                 error);
}

enum mur_status mur_database_has_keys(bool *out, struct mur_database *database, const char *rule,
                                      struct mur_error *error)
{
    int64_t scan;
    return MUR_QUERY_INTEGER(&scan, out, database, error,
                             "SELECT scan FROM isa_key WHERE rule = ? LIMIT 1", MUR_T(rule));
}

enum mur_status mur_database_match_scan(int64_t *scan, size_t *candidates,
                                        struct mur_database *database, const char *rule,
                                        const char *text, struct mur_error *error)
{
    MUR_AUTO_FREE int64_t *found = NULL;
    size_t count = 0;
    enum mur_status status = collect_ids(
        &found, &count, database, "SELECT scan FROM isa_key WHERE rule = ? AND text = ? LIMIT 1000",
        (struct mur_bind[]){MUR_T(rule), MUR_T(text)}, 2, error);
    if (status == MUR_OK) {
        *scan = count > 0 ? found[0] : 0;
        *candidates = count;
    }
    return status;
}
