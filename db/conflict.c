/* What does not fit together: listed, never merged in silence. */
#include <string.h>

#include "db/connection.h"

#define DIFFERENCE(path, kept, said)                                                               \
    " UNION ALL SELECT 1, p.patient_id, e.series_uid, '" path "', p." kept ", e." said             \
    " FROM patient p JOIN study s ON s.patient = p.id JOIN series e ON e.study = s.id"             \
    " WHERE p.isa = 0 AND p." kept " <> '' AND e." said " NOT IN ('', p." kept ")"                 \
    " GROUP BY p.id, e." said " HAVING e.id = min(e.id)"

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
        /* One Patient ID with two birth dates may be two animals. The first series that says so. */
        DIFFERENCE("00100010", "patient_name", "said_name")
            DIFFERENCE("00100030", "patient_birth_date", "said_birth_date")
                DIFFERENCE("00100040", "patient_sex", "said_sex") " ORDER BY 1, 2, 3, 4",
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
