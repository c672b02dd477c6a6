/* Stored headers, to be looked at again. */
#include "db/connection.h"
#include "db/header_values.h"

enum mur_status mur_database_each_header(
    int64_t *last, struct mur_database *database, int64_t after, bool every_instance, size_t most,
    enum mur_status (*each)(void *user, const struct mur_header_row *row, struct mur_error *error),
    void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        every_instance ? "SELECT i.id, s.patient, s.id, e.id, h.form, h.json FROM instance i"
                         " JOIN header h ON h.instance = i.id JOIN series e ON e.id = i.series"
                         " JOIN study s ON s.id = e.study WHERE i.id > ? ORDER BY i.id LIMIT ?"
                       : "SELECT i.id, s.patient, s.id, e.id, h.form, h.json FROM instance i"
                         " JOIN header h ON h.instance = i.id JOIN series e ON e.id = i.series"
                         " JOIN study s ON s.id = e.study WHERE i.id > ?"
                         " AND i.id = (SELECT min(n.id) FROM instance n WHERE n.series = i.series)"
                         " ORDER BY i.id LIMIT ?",
        error);
    if (status == MUR_OK)
        status =
            mur_bind_all(database, row, (struct mur_bind[]){MUR_I(after), MUR_I(most)}, 2, error);
    int result = SQLITE_DONE;
    int64_t seen = after;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        MUR_AUTO_BUFFER struct mur_buffer plain = MUR_BUFFER_INIT;
        struct mur_header_row header = {
            .instance = sqlite3_column_int64(row, 0),
            .owners = {sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
                       sqlite3_column_int64(row, 3), sqlite3_column_int64(row, 0)},
            .json = sqlite3_column_blob(row, 5),
            .length = (size_t)sqlite3_column_bytes(row, 5),
        };
        if (sqlite3_column_int(row, 4) == 1) {
            status = mur_header_unpack(&plain, 1, header.json, header.length, error);
            header.json = plain.data;
            header.length = plain.length;
        }
        if (status == MUR_OK)
            status = each(user, &header, error);
        seen = header.instance;
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading headers");
    mur_statement_done(database, row);
    if (status == MUR_OK)
        *last = seen;
    return status;
}

enum mur_status mur_database_add_attributes(struct mur_database *database, const int64_t owners[4],
                                            const struct mur_index_value *values, size_t count,
                                            struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (int level = 0; status == MUR_OK && level < MUR_LEVEL_COUNT; level++)
        status = mur_add_attributes(database, (enum mur_level)level, owners[level], values, count,
                                    error);
    return status;
}

enum mur_status mur_database_read_header(bool *complete, struct mur_buffer *out,
                                         struct mur_database *database, int64_t instance,
                                         struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database, "SELECT form, complete, json FROM header WHERE instance = ?", error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(instance), 1, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        if (result == SQLITE_DONE)
            status = mur_error_set(error, MUR_NOT_FOUND, "the index has no such header");
        else if (result != SQLITE_ROW)
            status = mur_sqlite_error(error, database, result, "reading a header");
    }
    if (status == MUR_OK)
        status = mur_header_unpack(out, sqlite3_column_int(row, 0), sqlite3_column_blob(row, 2),
                                   (size_t)sqlite3_column_bytes(row, 2), error);
    if (status == MUR_OK)
        *complete = sqlite3_column_int(row, 1) != 0;
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_series_state(int64_t *count, int64_t *newest,
                                          struct mur_database *database, const char *study_uid,
                                          const char *series_uid, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    const struct mur_bind binds[] = {MUR_T(series_uid), MUR_T(study_uid)};
    enum mur_status status =
        mur_statement_get(&row, database,
                          "SELECT count(*), ifnull(max(i.id), 0) FROM series e"
                          " JOIN study s ON s.id = e.study JOIN instance i ON i.series = e.id"
                          " WHERE e.series_uid = ? AND s.study_uid = ?",
                          error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, MUR_COUNT(binds), error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        if (result != SQLITE_ROW)
            status = mur_sqlite_error(error, database, result, "looking at a series");
    }
    if (status == MUR_OK) {
        *count = sqlite3_column_int64(row, 0);
        *newest = sqlite3_column_int64(row, 1);
    }
    mur_statement_done(database, row);
    return status;
}
