/* What does not fit together: listed, never merged in silence. */
#include <string.h>

#include "db/connection.h"

enum mur_status mur_database_each_conflict(struct mur_database *database,
                                           enum mur_status (*each)(void *user,
                                                                   const struct mur_conflict *one,
                                                                   struct mur_error *error),
                                           void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT 0, group_concat(p.patient_id, '\\'), s.study_uid, '00100020', '', ''"
        " FROM study s JOIN patient p ON p.id = s.patient GROUP BY s.study_uid HAVING count(*) > 1"
        " UNION ALL"
        " SELECT 1, p.patient_id, d.series_uid, d.path, d.kept, d.other"
        " FROM difference d JOIN patient p ON p.id = d.patient ORDER BY 1, 2, 3, 4",
        error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_conflict conflict = {
            .kind = sqlite3_column_int(row, 0) == 0 ? MUR_CONFLICT_STUDY : MUR_CONFLICT_PATIENT,
            .patient_id = (const char *)sqlite3_column_text(row, 1),
            .uid = (const char *)sqlite3_column_text(row, 2),
            .kept = (const char *)sqlite3_column_text(row, 4),
            .other = (const char *)sqlite3_column_text(row, 5),
        };
        status = mur_attribute_path_parse(
            &conflict.path, mur_slice_of((const char *)sqlite3_column_text(row, 3)), error);
        if (status == MUR_OK)
            status = each(user, &conflict, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing conflicts");
    mur_statement_done(database, row);
    return status;
}
