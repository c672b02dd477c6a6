/* Which instances may not be on disk although they are committed. */
#include <stdio.h>
#include <stdlib.h>

#include "db/connection.h"

enum mur_status mur_database_put_settling(struct mur_database *database,
                                          const struct mur_settling *settling,
                                          struct mur_error *error)
{
    return MUR_RUN(database, error, "INSERT OR REPLACE INTO settling VALUES (?, ?, ?)",
                   MUR_T(settling->token), MUR_I(settling->first), MUR_I(settling->last));
}

enum mur_status mur_database_drop_settling(struct mur_database *database, const char *token,
                                           struct mur_error *error)
{
    return MUR_RUN(database, error, "DELETE FROM settling WHERE token = ?", MUR_T(token));
}

enum mur_status mur_database_list_settling(struct mur_settling **out, size_t *count,
                                           struct mur_database *database, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_settling *list = NULL;
    size_t used = 0;
    sqlite3_stmt *row = NULL;
    enum mur_status status =
        mur_statement_get(&row, database, "SELECT token, first, last FROM settling", error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_settling *more = reallocarray(list, used + 1, sizeof *list);
        if (more == NULL) {
            status = mur_error_no_memory(error);
            break;
        }
        list = more;
        struct mur_settling *one = &list[used++];
        (void)snprintf(one->token, sizeof one->token, "%s",
                       (const char *)sqlite3_column_text(row, 0));
        one->first = sqlite3_column_int64(row, 1);
        one->last = sqlite3_column_int64(row, 2);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading what is settling");
    mur_statement_done(database, row);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(list);
    *count = used;
    return MUR_OK;
}
