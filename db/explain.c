/* How SQLite goes about our statements: for tests and measurements. */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/connection.h"

static enum mur_status explain_one(struct mur_buffer *out, struct mur_database *database,
                                   const char *sql, struct mur_error *error)
{
    MUR_AUTO_FREE char *question = NULL;
    enum mur_status status = mur_text_format(&question, error, "EXPLAIN QUERY PLAN %s", sql);
    if (status == MUR_OK)
        status = mur_buffer_append_format(out, error, "%s\n", sql);
    sqlite3_stmt *row = NULL;
    int result = SQLITE_OK;
    if (status == MUR_OK)
        result = sqlite3_prepare_v2(database->handle, question, -1, &row, NULL);
    while (status == MUR_OK && result != SQLITE_DONE) {
        if (result == SQLITE_ROW)
            status = mur_buffer_append_format(out, error, "\t%s\n",
                                              (const char *)sqlite3_column_text(row, 3));
        else if (result != SQLITE_OK)
            status = mur_sqlite_error(error, database, result, "explaining a statement");
        if (status == MUR_OK)
            result = sqlite3_step(row);
    }
    (void)sqlite3_finalize(row);
    return status;
}

enum mur_status mur_database_explain(struct mur_buffer *out, struct mur_database *database,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_STATEMENT_SLOTS; i++) {
        const char *sql = sqlite3_sql(database->statements[i].handle); /* NULL for NULL */
        static const char *const kinds[] = {"SELECT", "INSERT", "UPDATE", "DELETE"};
        bool has_plan = false;
        for (size_t k = 0; sql != NULL && k < MUR_COUNT(kinds); k++)
            has_plan = has_plan || strncmp(sql, kinds[k], strlen(kinds[k])) == 0;
        if (has_plan)
            status = explain_one(out, database, sql, error);
    }
    return status;
}
