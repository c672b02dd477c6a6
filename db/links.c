/* Which series belongs to which scan: by rules, by hand, or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/connection.h"
#include "db/header_values.h"

/* ---- rules ----------------------------------------------------------------------------------- */

struct open_series {
    int64_t series, scan;
};

static enum mur_status list_open(struct mur_buffer *out, struct mur_database *database,
                                 struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT id, coalesce(isa_scan, 0) FROM series WHERE link IN (0, 1) ORDER BY id", error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct open_series one = {.series = sqlite3_column_int64(row, 0),
                                        .scan = sqlite3_column_int64(row, 1)};
        status = mur_buffer_append(out, &one, sizeof one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing series");
    mur_statement_done(database, row);
    return status;
}

/* Asks the rules about a stored series, by its first instance. */
static enum mur_status ask(int64_t *scan, bool *segmentation, struct mur_database *database,
                           int64_t series, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT h.form, h.json, i.path, e.series_uid FROM series e JOIN instance i ON i.id ="
        " (SELECT min(id) FROM instance WHERE series = e.id) JOIN header h ON h.instance = i.id"
        " WHERE e.id = ?",
        error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(series), 1, error);
    if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW) {
        struct mur_new_instance record = {
            .header_form = sqlite3_column_int(row, 0),
            .header = sqlite3_column_blob(row, 1),
            .header_length = (size_t)sqlite3_column_bytes(row, 1),
            .path = (const char *)sqlite3_column_text(row, 2),
        };
        (void)snprintf(record.instance.series_instance, MUR_UID_TEXT_SIZE, "%s",
                       (const char *)sqlite3_column_text(row, 3));
        status = database->link.find(scan, segmentation, database->link.user, &record, error);
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_relink(size_t *changed, struct mur_database *database,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    size_t count = 0;
    if (database->link.find == NULL) {
        *changed = 0;
        return MUR_OK;
    }
    enum mur_status status = list_open(&list, database, error);
    for (size_t at = 0; status == MUR_OK && at < list.length; at += sizeof(struct open_series)) {
        struct open_series one;
        memcpy(&one, list.data + at, sizeof one);
        int64_t scan = 0;
        bool segmentation = false;
        status = ask(&scan, &segmentation, database, one.series, error);
        if (status != MUR_OK || scan == one.scan)
            continue;
        count++;
        status = mur_set_link(database, one.series, scan, segmentation,
                              scan != 0 ? MUR_LINK_RULE : MUR_LINK_NONE, error);
    }
    if (status == MUR_OK)
        *changed = count;
    return status;
}

/* ---- what is not linked ---------------------------------------------------------------------- */

enum mur_status mur_database_each_loose_series(
    struct mur_database *database,
    enum mur_status (*each)(void *user, const struct mur_loose_series *one,
                            struct mur_error *error),
    void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT e.series_uid, s.study_uid, p.patient_id, s.study_date, e.modality,"
        " e.series_description, e.link, coalesce(c.assay, ''), coalesce(c.study, ''), h.form,"
        " h.json, i.path, e.instance_count FROM series e JOIN study s ON s.id = e.study"
        " JOIN patient p ON p.id = s.patient JOIN instance i ON i.id ="
        " (SELECT min(id) FROM instance WHERE series = e.id) JOIN header h ON h.instance = i.id"
        " LEFT JOIN isa_scan c ON c.id = e.isa_scan WHERE e.isa_scan IS NULL OR c.digest = ''"
        " ORDER BY p.patient_id, s.study_date, s.study_uid, e.series_uid",
        error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_loose_series one = {
            .series_uid = (const char *)sqlite3_column_text(row, 0),
            .study_uid = (const char *)sqlite3_column_text(row, 1),
            .patient_id = (const char *)sqlite3_column_text(row, 2),
            .study_date = (const char *)sqlite3_column_text(row, 3),
            .modality = (const char *)sqlite3_column_text(row, 4),
            .description = (const char *)sqlite3_column_text(row, 5),
            .by_hand = sqlite3_column_int(row, 6) == MUR_LINK_HAND,
            .gone_scan = (const char *)sqlite3_column_text(row, 7),
            .gone_study = (const char *)sqlite3_column_text(row, 8),
            .header_form = sqlite3_column_int(row, 9),
            .header = sqlite3_column_blob(row, 10),
            .header_length = (size_t)sqlite3_column_bytes(row, 10),
            .file = (const char *)sqlite3_column_text(row, 11),
            .instances = sqlite3_column_int64(row, 12),
        };
        status = each(user, &one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing series");
    mur_statement_done(database, row);
    return status;
}

#define SCAN_COLUMNS                                                                               \
    "SELECT c.id, d.identifier, c.study, c.source, c.sample, c.assay_file, c.assay, c.digest"      \
    " FROM isa_scan c JOIN isa_dataset d ON d.id = c.dataset "

static enum mur_status each_scan(struct mur_database *database, const char *sql,
                                 const struct mur_bind *binds, size_t count,
                                 mur_isa_scan_function *each, void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, count, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_isa_scan_name one = {
            .row = sqlite3_column_int64(row, 0),
            .dataset = (const char *)sqlite3_column_text(row, 1),
            .study = (const char *)sqlite3_column_text(row, 2),
            .source = (const char *)sqlite3_column_text(row, 3),
            .sample = (const char *)sqlite3_column_text(row, 4),
            .assay_file = (const char *)sqlite3_column_text(row, 5),
            .assay = (const char *)sqlite3_column_text(row, 6),
            .digest = (const char *)sqlite3_column_text(row, 7),
        };
        status = each(user, &one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing scans");
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_each_loose_scan(struct mur_database *database,
                                             mur_isa_scan_function *each, void *user,
                                             struct mur_error *error)
{
    return each_scan(database,
                     SCAN_COLUMNS "WHERE c.digest <> '' AND NOT EXISTS (SELECT 1 FROM series"
                                  " WHERE isa_scan = c.id) ORDER BY d.id, c.ordinal",
                     NULL, 0, each, user, error);
}

enum mur_status mur_database_each_scan_named(struct mur_database *database, const char *name,
                                             mur_isa_scan_function *each, void *user,
                                             struct mur_error *error)
{
    return each_scan(database,
                     SCAN_COLUMNS
                     "WHERE c.digest <> '' AND ?1 IN (c.assay, c.study || '/' || c.assay,"
                     " c.study || '/' || c.assay_file || '/' || c.assay,"
                     " d.identifier || '/' || c.study || '/' || c.assay_file || '/' || c.assay)"
                     " ORDER BY d.id, c.ordinal LIMIT 20",
                     &MUR_T(name), 1, each, user, error);
}

enum mur_status mur_database_each_scan_of_key(struct mur_database *database, const char *rule,
                                              const char *text, mur_isa_scan_function *each,
                                              void *user, struct mur_error *error)
{
    return each_scan(database,
                     SCAN_COLUMNS "JOIN isa_key k ON k.scan = c.id WHERE k.rule = ? AND k.text = ?"
                                  " ORDER BY d.id, c.ordinal LIMIT 20",
                     (struct mur_bind[]){MUR_T(rule), MUR_T(text)}, 2, each, user, error);
}

enum mur_status mur_database_isa_scan(struct mur_database *database, int64_t scan,
                                      mur_isa_scan_function *each, void *user,
                                      struct mur_error *error)
{
    return each_scan(database, SCAN_COLUMNS "WHERE c.id = ?", &MUR_I(scan), 1, each, user, error);
}

enum mur_status mur_database_find_isa_scan(struct mur_database *database, int64_t dataset,
                                           const char *study, const char *assay_file,
                                           const char *assay, mur_isa_scan_function *each,
                                           void *user, struct mur_error *error)
{
    return each_scan(
        database,
        SCAN_COLUMNS "WHERE c.dataset = ? AND c.study = ? AND c.assay_file = ? AND c.assay = ?",
        (struct mur_bind[]){MUR_I(dataset), MUR_T(study), MUR_T(assay_file), MUR_T(assay)}, 4, each,
        user, error);
}

enum mur_status mur_database_link_of(bool *found, enum mur_link_kind *kind, int64_t *scan,
                                     struct mur_database *database, const char *series_uid,
                                     struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT link, coalesce(isa_scan, 0) FROM series WHERE series_uid = ? ORDER BY link DESC",
        error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_T(series_uid), 1, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        *found = result == SQLITE_ROW;
        if (*found) {
            *kind = (enum mur_link_kind)sqlite3_column_int(row, 0);
            *scan = sqlite3_column_int64(row, 1);
        } else if (result != SQLITE_DONE) {
            status = mur_sqlite_error(error, database, result, "looking for a series");
        }
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_count_segmentations(int64_t *out, struct mur_database *database,
                                                 const char *series_uid, struct mur_error *error)
{
    bool found = false;
    return MUR_QUERY_INTEGER(
        out, &found, database, error,
        "SELECT count(*) FROM series WHERE series_uid = ? AND modality = 'SEG'", MUR_T(series_uid));
}

enum mur_status mur_database_each_linked_series(
    struct mur_database *database,
    enum mur_status (*each)(void *user, const struct mur_linked_series *one,
                            struct mur_error *error),
    void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT e.series_uid, e.segmentation, c.id, c.study, c.source, c.assay, h.form, h.json"
        " FROM series e JOIN isa_scan c ON c.id = e.isa_scan AND c.digest <> ''"
        " JOIN header h ON h.instance = (SELECT min(id) FROM instance WHERE series = e.id)"
        " ORDER BY c.study, c.source, c.assay, e.segmentation, e.series_uid",
        error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_linked_series one = {
            .series_uid = (const char *)sqlite3_column_text(row, 0),
            .segmentation = sqlite3_column_int(row, 1) != 0,
            .scan = sqlite3_column_int64(row, 2),
            .study = (const char *)sqlite3_column_text(row, 3),
            .source = (const char *)sqlite3_column_text(row, 4),
            .assay = (const char *)sqlite3_column_text(row, 5),
            .header_form = sqlite3_column_int(row, 6),
            .header = sqlite3_column_blob(row, 7),
            .header_length = (size_t)sqlite3_column_bytes(row, 7),
        };
        status = each(user, &one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing series");
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_scan_of_link(int64_t *scan, struct mur_database *database,
                                          const char *dataset, const char *study,
                                          const char *assay_file, const char *assay,
                                          struct mur_error *error)
{
    bool found = false;
    int64_t id = 0;
    enum mur_status status =
        MUR_RUN(database, error,
                "INSERT OR IGNORE INTO isa_scan(dataset, study, source, sample, assay_file, assay,"
                " digest, ordinal) SELECT id, ?, '', '', ?, ?, '', 0 FROM isa_dataset"
                " WHERE identifier = ?",
                MUR_T(study), MUR_T(assay_file), MUR_T(assay), MUR_T(dataset));
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(
            &id, &found, database, error,
            "SELECT c.id FROM isa_scan c JOIN isa_dataset d ON d.id = c.dataset"
            " WHERE d.identifier = ? AND c.study = ? AND c.assay_file = ? AND c.assay = ?",
            MUR_T(dataset), MUR_T(study), MUR_T(assay_file), MUR_T(assay));
    if (status == MUR_OK)
        *scan = id;
    return status;
}

enum mur_status mur_database_drop_gone_scans(struct mur_database *database, struct mur_error *error)
{
    return mur_run(database,
                   "DELETE FROM isa_scan WHERE digest = '' AND NOT EXISTS"
                   " (SELECT 1 FROM series WHERE isa_scan = isa_scan.id)",
                   NULL, 0, error);
}
