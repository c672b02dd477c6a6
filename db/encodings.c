/* In which transfer syntaxes a SOP Class is stored: a few steps through an index, whatever the
 * number of instances. */
#include "db/connection.h"

#include <stdio.h>

static enum mur_status next_encoding(int64_t *syntax, bool *found, struct mur_database *database,
                                     int64_t sop_class, struct mur_error *error)
{
    return MUR_QUERY_INTEGER(syntax, found, database, error,
                             "SELECT transfer_syntax FROM instance WHERE sop_class = ? AND "
                             "transfer_syntax > ? ORDER BY transfer_syntax LIMIT 1",
                             MUR_I(sop_class), MUR_I(*syntax));
}

static enum mur_status copy_uid(char out[MUR_UID_TEXT_SIZE], struct mur_database *database,
                                int64_t row, struct mur_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum mur_status status =
        mur_statement_get(&statement, database, "SELECT uid FROM uid WHERE id = ?", error);
    if (status != MUR_OK)
        return status;
    status = mur_bind_all(database, statement, (struct mur_bind[]){MUR_I(row)}, 1, error);
    int result = status == MUR_OK ? sqlite3_step(statement) : SQLITE_DONE;
    if (result == SQLITE_ROW)
        (void)snprintf(out, MUR_UID_TEXT_SIZE, "%s",
                       (const char *)sqlite3_column_text(statement, 0));
    else if (status == MUR_OK)
        status = mur_sqlite_error(error, database, result, "reading a transfer syntax");
    mur_statement_done(database, statement);
    return status;
}

enum mur_status mur_database_encodings(struct mur_encodings *out, struct mur_database *database,
                                       const char *sop_class, struct mur_error *error)
{
    struct mur_encodings encodings = {.count = 0};
    int64_t row = 0, syntax = 0;
    bool found = false;
    enum mur_status status = MUR_QUERY_INTEGER(
        &row, &found, database, error, "SELECT id FROM uid WHERE uid = ?", MUR_T(sop_class));
    while (status == MUR_OK && found && encodings.count < MUR_ENCODINGS) {
        status = next_encoding(&syntax, &found, database, row, error);
        if (status == MUR_OK && found)
            status = copy_uid(encodings.uids[encodings.count++], database, syntax, error);
    }
    if (status == MUR_OK)
        *out = encodings;
    return status;
}
