#include "db/scan_series.h"

#include "db/connection.h"

enum mur_status mur_database_each_scan_series(struct mur_database *database,
                                              mur_scan_series_function *each, void *user,
                                              struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT d.identifier, d.folder, ifnull(s.study, ''), ifnull(s.assay_file, ''),"
        " ifnull(s.assay, ''), ifnull(t.study_uid, ''), ifnull(r.series_uid, ''),"
        " ifnull(r.segmentation, 0)"
        " FROM isa_dataset d LEFT JOIN isa_scan s ON s.dataset = d.id"
        " LEFT JOIN series r ON r.isa_scan = s.id LEFT JOIN study t ON t.id = r.study"
        " ORDER BY d.identifier, s.id, r.segmentation, r.id",
        error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_scan_series one = {
            .dataset = (const char *)sqlite3_column_text(row, 0),
            .folder = (const char *)sqlite3_column_text(row, 1),
            .study = (const char *)sqlite3_column_text(row, 2),
            .assay_file = (const char *)sqlite3_column_text(row, 3),
            .assay = (const char *)sqlite3_column_text(row, 4),
            .study_uid = (const char *)sqlite3_column_text(row, 5),
            .series_uid = (const char *)sqlite3_column_text(row, 6),
            .segmentation = sqlite3_column_int(row, 7) != 0,
        };
        status = each(user, &one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing the series of scans");
    mur_statement_done(database, row);
    return status;
}
