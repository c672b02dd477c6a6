/* What checks and copies the archive as a whole needs of the index. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/text.h"
#include "db/connection.h"

#define STORED                                                                                     \
    "SELECT " MUR_INSTANCE_COLUMNS ", i.sha256, (SELECT h.complete FROM header h"                  \
    " WHERE h.instance = i.id)" MUR_INSTANCE_TABLES "i.id > ?"

static void read_stored(struct mur_stored *out, sqlite3_stmt *row)
{
    mur_read_instance(&out->instance, row);
    out->sidecar = sqlite3_column_type(row, 12) != SQLITE_NULL && sqlite3_column_int(row, 12) == 0;
    out->has_sha256 = sqlite3_column_bytes(row, 11) == (int)sizeof out->sha256;
    if (out->has_sha256)
        memcpy(out->sha256, sqlite3_column_blob(row, 11), sizeof out->sha256);
}

enum mur_status mur_database_list_stored(struct mur_stored **out, size_t *count,
                                         struct mur_database *database, int64_t after, size_t most,
                                         const char *study, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_stored *list = calloc(most, sizeof *list);
    if (list == NULL)
        return mur_error_no_memory(error);
    const struct mur_bind all[] = {MUR_I(after), MUR_I(most)};
    const struct mur_bind some[] = {MUR_I(after), MUR_T(study), MUR_I(most)};
    sqlite3_stmt *row = NULL;
    enum mur_status status =
        mur_statement_get(&row, database,
                          study == NULL ? STORED " ORDER BY i.id LIMIT ?"
                                        : STORED " AND s.study_uid = ? ORDER BY i.id LIMIT ?",
                          error);
    if (status == MUR_OK)
        status = study == NULL ? mur_bind_all(database, row, all, MUR_COUNT(all), error)
                               : mur_bind_all(database, row, some, MUR_COUNT(some), error);
    size_t used = 0;
    int result = SQLITE_DONE;
    while (status == MUR_OK && used < most && (result = sqlite3_step(row)) == SQLITE_ROW)
        read_stored(&list[used++], row);
    if (status == MUR_OK && result != SQLITE_DONE && result != SQLITE_ROW)
        status = mur_sqlite_error(error, database, result, "listing instances");
    mur_statement_done(database, row);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(list);
    *count = used;
    return MUR_OK;
}

static void read_later(struct mur_later *out, struct mur_scan_names *scan, sqlite3_stmt *row)
{
    *out = (struct mur_later){
        .sop_instance = (const char *)sqlite3_column_text(row, 0),
        .committed = sqlite3_column_int(row, 1) != 0,
        .series = (const char *)sqlite3_column_text(row, 3),
    };
    if (sqlite3_column_bytes(row, 2) == MUR_SHA256_SIZE)
        out->sha256 = sqlite3_column_blob(row, 2);
    *scan = (struct mur_scan_names){
        .dataset = (const char *)sqlite3_column_text(row, 4),
        .study = (const char *)sqlite3_column_text(row, 5),
        .assay_file = (const char *)sqlite3_column_text(row, 6),
        .assay = (const char *)sqlite3_column_text(row, 7),
        .segmentation = sqlite3_column_int(row, 8) != 0,
    };
    if (scan->dataset != NULL)
        out->scan = scan;
}

enum mur_status mur_database_each_later(struct mur_database *database,
                                        enum mur_status (*each)(void *user,
                                                                const struct mur_later *one,
                                                                struct mur_error *error),
                                        void *user, struct mur_error *error)
{
    static const char *const questions[] = {
        "SELECT sop_uid, committed, sha256, NULL, NULL, NULL, NULL, NULL, 0 FROM instance"
        " WHERE committed <> 0 OR sha256 IS NOT NULL ORDER BY id",
        "SELECT NULL, 0, NULL, e.series_uid, d.identifier, c.study, c.assay_file, c.assay,"
        " e.segmentation FROM series e LEFT JOIN isa_scan c ON c.id = e.isa_scan"
        " LEFT JOIN isa_dataset d ON d.id = c.dataset WHERE e.link = ? ORDER BY e.id",
    };
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(questions); i++) {
        sqlite3_stmt *row = NULL;
        int result = SQLITE_DONE;
        status = mur_statement_get(&row, database, questions[i], error);
        if (status == MUR_OK)
            status = mur_bind_all(database, row, &MUR_I(MUR_LINK_HAND), i, error);
        while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
            struct mur_later one;
            struct mur_scan_names scan;
            read_later(&one, &scan, row);
            status = each(user, &one, error);
        }
        if (status == MUR_OK && result != SQLITE_DONE)
            status = mur_sqlite_error(error, database, result, "listing what was said later");
        mur_statement_done(database, row);
    }
    return status;
}

enum mur_status mur_database_set_sha256(bool *found, struct mur_database *database, int64_t id,
                                        const uint8_t digest[32], struct mur_error *error)
{
    enum mur_status status = MUR_RUN(database, error, "UPDATE instance SET sha256 = ? WHERE id = ?",
                                     MUR_B(digest, MUR_SHA256_SIZE), MUR_I(id));
    if (status == MUR_OK)
        *found = sqlite3_changes(database->handle) > 0;
    return status;
}

enum mur_status mur_database_mend_instance(struct mur_database *database,
                                           const struct mur_instance *instance,
                                           struct mur_error *error)
{
    /* What stands before the Data Set may be longer or shorter than it was. */
    enum mur_status status = MUR_RUN(
        database, error,
        "UPDATE series SET bytes = bytes + ?1 - i.data_offset FROM instance i WHERE i.sop_uid = ?2"
        " AND series.id = i.series",
        MUR_I(instance->offset), MUR_T(instance->sop_instance));
    if (status != MUR_OK)
        return status;
    return MUR_RUN(database, error,
                   "UPDATE instance SET version = ?, data_offset = ?, sha256 = NULL"
                   " WHERE sop_uid = ?",
                   MUR_I(instance->version), MUR_I(instance->offset),
                   MUR_T(instance->sop_instance));
}

static void copy_uid(char out[MUR_UID_TEXT_SIZE], sqlite3_stmt *row, int column)
{
    (void)snprintf(out, MUR_UID_TEXT_SIZE, "%s", (const char *)sqlite3_column_text(row, column));
}

enum mur_status mur_database_list_made(struct mur_made_of **out, size_t *count,
                                       struct mur_database *database, const char *how,
                                       const char *study, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_made_of *list = NULL;
    size_t used = 0;
    size_t capacity = 0;
    sqlite3_stmt *row = NULL;
    const struct mur_bind binds[] = {MUR_T(how), MUR_T(study)};
    enum mur_status status =
        mur_statement_get(&row, database,
                          "SELECT e.series_uid, s.study_uid, max(i.received_us), max(o.how = ?1)"
                          " FROM instance i JOIN origin o ON o.id = i.origin"
                          " JOIN series e ON e.id = i.series JOIN study s ON s.id = e.study"
                          " WHERE ?2 IS NULL OR s.study_uid = ?2 GROUP BY e.id ORDER BY e.id",
                          error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, MUR_COUNT(binds), error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        if (used == capacity) {
            capacity = capacity == 0 ? 256 : capacity * 2;
            struct mur_made_of *grown = reallocarray(list, capacity, sizeof *grown);
            if (grown == NULL) {
                status = mur_error_no_memory(error);
                break;
            }
            list = grown;
        }
        copy_uid(list[used].series, row, 0);
        copy_uid(list[used].study, row, 1);
        list[used].newest_us = sqlite3_column_int64(row, 2);
        list[used++].made_so = sqlite3_column_int(row, 3) != 0;
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing series");
    mur_statement_done(database, row);
    if (status == MUR_OK) {
        *out = MUR_STEAL(list);
        *count = used;
    }
    return status;
}

enum mur_status mur_database_has_series(bool *out, struct mur_database *database,
                                        const char *series_uid, struct mur_error *error)
{
    int64_t one = 0;
    return MUR_QUERY_INTEGER(&one, out, database, error,
                             "SELECT 1 FROM series WHERE series_uid = ? LIMIT 1",
                             MUR_T(series_uid));
}

enum mur_status mur_database_usage(int64_t *bytes, int64_t *instances,
                                   struct mur_database *database, const char *ae_titles,
                                   const char *isa_studies, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT coalesce(sum(i.data_offset + i.data_length), 0), count(*) FROM instance i"
        " WHERE i.origin IN (SELECT o.id FROM origin o WHERE o.calling_ae IN"
        " (SELECT value FROM json_each(?)))"
        " OR i.series IN (SELECT e.id FROM series e JOIN isa_scan c ON c.id = e.isa_scan"
        " WHERE c.study IN (SELECT value FROM json_each(?)))",
        error);
    const struct mur_bind binds[] = {MUR_T(ae_titles), MUR_T(isa_studies)};
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, MUR_COUNT(binds), error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        if (result == SQLITE_ROW) {
            *bytes = sqlite3_column_int64(row, 0);
            *instances = sqlite3_column_int64(row, 1);
        } else {
            status = mur_sqlite_error(error, database, result, "counting what a project has");
        }
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_study_is_of(bool *out, struct mur_database *database,
                                         const char *study_uid, const char *isa_studies,
                                         struct mur_error *error)
{
    int64_t one = 0;
    return MUR_QUERY_INTEGER(&one, out, database, error,
                             "SELECT 1 FROM study s JOIN series e ON e.study = s.id"
                             " JOIN isa_scan c ON c.id = e.isa_scan WHERE s.study_uid = ?"
                             " AND c.study IN (SELECT value FROM json_each(?)) LIMIT 1",
                             MUR_T(study_uid), MUR_T(isa_studies));
}

enum mur_status mur_database_check(char **out, struct mur_database *database,
                                   struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status =
        mur_statement_get(&row, database, "PRAGMA main.integrity_check(1)", error);
    if (status != MUR_OK)
        return status;
    int result = sqlite3_step(row);
    const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
    if (text == NULL && result != SQLITE_CORRUPT)
        status = mur_sqlite_error(error, database, result, "checking the index");
    else if (text == NULL)
        status = mur_text_copy(out, mur_slice_of(sqlite3_errstr(result)), error);
    else
        status = mur_text_copy(out, mur_slice_of(strcmp(text, "ok") == 0 ? "" : text), error);
    mur_statement_done(database, row);
    return status;
}

/* In one step: a copy in several would begin anew whenever somebody writes. */
static int copy_all(sqlite3 *target, sqlite3 *source)
{
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
    if (backup == NULL)
        return sqlite3_errcode(target);
    (void)sqlite3_backup_step(backup, -1);
    return sqlite3_backup_finish(backup);
}

enum mur_status mur_database_copy(struct mur_database *database, const char *path,
                                  struct mur_error *error)
{
    sqlite3 *target = NULL;
    if (unlink(path) != 0 && errno != ENOENT)
        return mur_error_set_errno(error, errno, "cannot remove %s", path);
    int result = sqlite3_open_v2(
        path, &target, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(target, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL,
                              NULL, NULL);
    if (result == SQLITE_OK)
        result = copy_all(target, database->handle);
    if (result == SQLITE_OK) /* one file, without a log beside it */
        result = sqlite3_exec(target, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    (void)sqlite3_close(target);
    if (result == SQLITE_FULL)
        return mur_error_set(error, MUR_NO_SPACE, "cannot copy the index to %s: no room", path);
    if (result != SQLITE_OK)
        return mur_error_set(error, MUR_IO, "cannot copy the index to %s: %s", path,
                             sqlite3_errstr(result));
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fsync(file) != 0)
        return mur_error_set_errno(error, errno, "cannot sync %s", path);
    return MUR_OK;
}
