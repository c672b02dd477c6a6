#include "db/overview.h"

#include "db/connection.h"

#define COUNTS " count(DISTINCT e.study), count(*), sum(e.instance_count), sum(e.bytes) "
#define LARGEST " ORDER BY 4 DESC, 1 LIMIT ?"

static const char *const groupings[] = {
    [MUR_BY_MODALITY] = "SELECT e.modality," COUNTS "FROM series e GROUP BY 1" LARGEST,
    [MUR_BY_ISA_STUDY] = "SELECT s.study," COUNTS "FROM series e JOIN isa_scan s ON s.id ="
                         " e.isa_scan GROUP BY 1" LARGEST,
    /* Characteristics, factors and parameters of that name say the same. */
    [MUR_BY_DISEASE_MODEL] =
        "SELECT d.text," COUNTS "FROM (SELECT DISTINCT c.scan, f.text FROM isa_column k JOIN"
        " isa_cell f ON f.column = k.id JOIN isa_scan_cell c ON c.cell = f.id WHERE k.element = 0"
        " AND k.name_fold = 'disease model') d JOIN series e ON e.isa_scan = d.scan"
        " GROUP BY 1" LARGEST,
};

enum mur_status mur_database_each_group(struct mur_database *database, enum mur_grouping grouping,
                                        mur_group_function *each, void *user,
                                        struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    int result = SQLITE_DONE;
    enum mur_status status = mur_statement_get(&row, database, groupings[grouping], error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(MUR_GROUPS), 1, error);
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        const struct mur_group one = {.name = (const char *)sqlite3_column_text(row, 0),
                                      .studies = sqlite3_column_int64(row, 1),
                                      .series = sqlite3_column_int64(row, 2),
                                      .instances = sqlite3_column_int64(row, 3),
                                      .bytes = sqlite3_column_int64(row, 4)};
        status = each(user, &one, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "counting series");
    mur_statement_done(database, row);
    return status;
}

static enum mur_status count_arrivals(struct mur_arrivals *arrivals, struct mur_database *database,
                                      int64_t since_us, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status =
        mur_statement_get(&row, database,
                          "SELECT count(*), coalesce(sum(bytes), 0) FROM (SELECT received_us,"
                          " data_offset + data_length AS bytes FROM instance ORDER BY id DESC"
                          " LIMIT ?) WHERE received_us >= ?",
                          error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row,
                              (struct mur_bind[]){MUR_I(MUR_ARRIVALS), MUR_I(since_us)}, 2, error);
    int result = status == MUR_OK ? sqlite3_step(row) : SQLITE_DONE;
    if (status == MUR_OK && result == SQLITE_ROW) {
        arrivals->count = sqlite3_column_int64(row, 0);
        arrivals->bytes = sqlite3_column_int64(row, 1);
    } else if (status == MUR_OK) {
        status = mur_sqlite_error(error, database, result, "counting what came");
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_arrivals(struct mur_arrivals *out, struct mur_database *database,
                                      int64_t since_us, struct mur_error *error)
{
    bool found = false;
    struct mur_arrivals arrivals = {.count = 0};
    /* Rows are numbered as they come: the last ones are enough to look at. */
    enum mur_status status =
        MUR_QUERY_INTEGER(&arrivals.last_us, &found, database, error,
                          "SELECT received_us FROM instance ORDER BY id DESC LIMIT ?", MUR_I(1));
    if (status == MUR_OK && found && arrivals.last_us >= since_us)
        status = count_arrivals(&arrivals, database, since_us, error);
    if (status == MUR_OK)
        *out = arrivals;
    return status;
}

enum mur_status mur_database_count_commitments(int64_t *out, struct mur_database *database,
                                               struct mur_error *error)
{
    bool found = false;
    int64_t count = 0;
    enum mur_status status = MUR_QUERY_INTEGER(
        &count, &found, database, error, "SELECT count(*) FROM commitment WHERE id > ?", MUR_I(0));
    if (status == MUR_OK)
        *out = count;
    return status;
}
