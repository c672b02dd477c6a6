/* Storage commitment: answers that are owed to peers, and instances that peers rely on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/connection.h"

enum mur_status mur_database_put_commitment(struct mur_database *database,
                                            const struct mur_commitment_row *row,
                                            struct mur_error *error)
{
    return MUR_RUN(database, error,
                   "INSERT INTO commitment (transaction_uid, peer, refs, requested_us, next_try_us)"
                   " VALUES (?, ?, ?, ?, ?) ON CONFLICT (peer, transaction_uid) DO UPDATE SET"
                   " refs = excluded.refs, requested_us = excluded.requested_us,"
                   " next_try_us = excluded.next_try_us, attempts = 0",
                   MUR_T(row->transaction_uid), MUR_T(row->peer), MUR_T(row->references),
                   MUR_I(row->requested_us), MUR_I(row->next_try_us));
}

static enum mur_status read_row(struct mur_commitment_row *out, sqlite3_stmt *statement,
                                struct mur_error *error)
{
    struct mur_commitment_row row = {
        .id = sqlite3_column_int64(statement, 0),
        .requested_us = sqlite3_column_int64(statement, 4),
        .next_try_us = sqlite3_column_int64(statement, 5),
        .attempts = (unsigned)sqlite3_column_int(statement, 6),
    };
    const char *references = (const char *)sqlite3_column_text(statement, 3);
    row.references = references != NULL ? strdup(references) : NULL;
    if (row.references == NULL)
        return mur_error_no_memory(error);
    (void)snprintf(row.transaction_uid, sizeof(row.transaction_uid), "%s",
                   (const char *)sqlite3_column_text(statement, 1));
    (void)snprintf(row.peer, sizeof(row.peer), "%s",
                   (const char *)sqlite3_column_text(statement, 2));
    *out = row;
    return MUR_OK;
}

enum mur_status mur_database_next_commitment(bool *found, struct mur_commitment_row *out,
                                             struct mur_database *database, struct mur_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum mur_status status = mur_statement_get(
        &statement, database,
        "SELECT id, transaction_uid, peer, refs, requested_us, next_try_us, attempts"
        " FROM commitment ORDER BY next_try_us LIMIT 1",
        error);
    if (status != MUR_OK)
        return status;
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        status = read_row(out, statement, error);
    else if (result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading pending commitments");
    if (status == MUR_OK)
        *found = result == SQLITE_ROW;
    mur_statement_done(database, statement);
    return status;
}

enum mur_status mur_database_postpone_commitment(struct mur_database *database, int64_t id,
                                                 int64_t next_try_us, struct mur_error *error)
{
    return MUR_RUN(database, error,
                   "UPDATE commitment SET next_try_us = ?, attempts = attempts + 1 WHERE id = ?",
                   MUR_I(next_try_us), MUR_I(id));
}

enum mur_status mur_database_hasten_commitments(struct mur_database *database, int64_t now_us,
                                                struct mur_error *error)
{
    return MUR_RUN(database, error, "UPDATE commitment SET next_try_us = ?1 WHERE next_try_us > ?1",
                   MUR_I(now_us));
}

enum mur_status mur_database_drop_commitment(struct mur_database *database, int64_t id,
                                             struct mur_error *error)
{
    return MUR_RUN(database, error, "DELETE FROM commitment WHERE id = ?", MUR_I(id));
}

enum mur_status mur_database_commit_instance(bool *found, struct mur_database *database,
                                             const struct mur_instance *instance,
                                             struct mur_error *error)
{
    enum mur_status status = MUR_RUN(
        database, error, "UPDATE instance SET committed = 1 WHERE sop_uid = ? AND digest = ?",
        MUR_T(instance->sop_instance), MUR_B(instance->digest, sizeof(instance->digest)));
    if (status == MUR_OK)
        *found = sqlite3_changes(database->handle) > 0;
    return status;
}

enum mur_status mur_database_is_committed(bool *committed, struct mur_database *database,
                                          const char *sop_instance, struct mur_error *error)
{
    int64_t value = 0;
    bool found = false;
    enum mur_status status =
        MUR_QUERY_INTEGER(&value, &found, database, error,
                          "SELECT committed FROM instance WHERE sop_uid = ?", MUR_T(sop_instance));
    if (status == MUR_OK)
        *committed = found && value != 0;
    return status;
}
