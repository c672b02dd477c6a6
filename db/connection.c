#include "db/connection.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/digest.h"
#include "core/text.h"

enum {
    BUSY_MS = 60000,
    LOG_SIZE = 34 << 20,
    LOG_LIMIT = 8000, /* pages of the WAL, below journal_size_limit: else it would be cut and grow
                          again, and a log that grows takes longer to sync */
    LOG_MOST = 11000, /* from here on the log goes first: 45 MB */
    LOG_STEP = 500,   /* between two tries to have readers leave it */
    READERS_MS = 50,
};

enum mur_status mur_sqlite_error(struct mur_error *error, struct mur_database *database, int result,
                                 const char *doing)
{
    enum mur_status status = MUR_IO;
    const char *remedy = "";
    switch (result & 0xFF) {
    case SQLITE_FULL:
        status = MUR_NO_SPACE;
        remedy = "; make room on the disk";
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = MUR_BUSY;
        remedy = "; another process is writing, try again";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = MUR_CORRUPT;
        remedy = "; the index is damaged, the objects are not: \"murpacs reindex\" makes it anew";
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        status = MUR_DENIED;
        break;
    case SQLITE_NOMEM:
        status = MUR_NO_MEMORY;
        break;
    case SQLITE_TOOBIG:
        status = MUR_LIMIT;
        break;
    case SQLITE_CONSTRAINT:
        status = MUR_EXISTS;
        break;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        status = MUR_INTERNAL;
        break;
    default:
        break;
    }
    return mur_error_set(error, status, "%s: %s: %s%s", database->path, doing,
                         database->handle != NULL ? sqlite3_errmsg(database->handle)
                                                  : sqlite3_errstr(result),
                         remedy);
}

/* ---- functions of SQL ------------------------------------------------------------------------ */

/* Time of day in microseconds; missing parts are zero (PS3.5 6.2 TM). */
static void sql_time(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    const unsigned char *text = sqlite3_value_text(arguments[0]);
    if (text == NULL || text[0] == '\0') {
        sqlite3_result_null(context);
        return;
    }
    int64_t digits[12] = {0};
    size_t used = 0;
    for (; *text != '\0' && used < MUR_COUNT(digits); text++)
        if (*text >= '0' && *text <= '9')
            digits[used++] = *text - '0';
    int64_t seconds = ((digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3]) * 60 +
                      digits[4] * 10 + digits[5];
    int64_t fraction = 0;
    for (size_t i = 6; i < MUR_COUNT(digits); i++)
        fraction = fraction * 10 + digits[i];
    sqlite3_result_int64(context, seconds * 1000000 + fraction);
}

/* Text without case and diacritics. */
static void sql_fold(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    const char *text = (const char *)sqlite3_value_text(arguments[0]);
    char *folded = NULL;
    if (text == NULL)
        sqlite3_result_null(context);
    else if (mur_text_fold(&folded, mur_slice_of(text), NULL) == MUR_OK)
        sqlite3_result_text(context, folded, -1, free);
    else
        sqlite3_result_error_nomem(context);
}

static const struct {
    const char *name;
    void (*function)(sqlite3_context *, int, sqlite3_value **);
} sql_functions[] = {{"mur_time", sql_time}, {"mur_fold", sql_fold}};

/* ---- waiting for the disk ----------------------------------------------------------------------
 */

static enum mur_status execute(struct mur_database *database, const char *sql, const char *doing,
                               struct mur_error *error)
{
    int result = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? MUR_OK : mur_sqlite_error(error, database, result, doing);
}

/* Between transactions only. */
static enum mur_status set_synced(struct mur_database *database, bool synced,
                                  struct mur_error *error)
{
    enum mur_status status =
        execute(database, synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                "setting durability", error);
    if (status == MUR_OK)
        database->unsynced = !synced;
    return status;
}

enum mur_status mur_database_sync(struct mur_database *database, struct mur_error *error)
{
    sqlite3_file *log = NULL;
    int result = sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (result == SQLITE_OK && log != NULL && log->pMethods != NULL)
        result = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (result == SQLITE_OK)
        return MUR_OK;
    database->log_lost = true;
    return mur_error_set(error, MUR_IO, "%s: cannot sync the log: %s", database->path,
                         sqlite3_errstr(result));
}

void mur_database_prepare_log(struct mur_database *database)
{
    enum { PIECE = 1 << 20 };
    MUR_AUTO_FREE void *zeros = calloc(1, PIECE);
    sqlite3_file *log = NULL;
    sqlite3_int64 old = 0;
    /* What follows is no one's while nobody else can write; SQLite reads up to what is no frame. */
    if (zeros == NULL || mur_database_begin_unsynced(database, NULL) != MUR_OK)
        return;
    int result = sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (result == SQLITE_OK && log != NULL && log->pMethods != NULL &&
        log->pMethods->xFileSize(log, &old) == SQLITE_OK) {
        for (sqlite3_int64 at = old; result == SQLITE_OK && at < LOG_SIZE; at += PIECE)
            result = log->pMethods->xWrite(log, zeros, PIECE, at);
        if (result == SQLITE_OK)
            (void)log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
        else
            (void)log->pMethods->xTruncate(log, old);
    }
    mur_database_rollback(database);
}

/* What a failed sync may have lost must not stand before what is written now: all goes into the
 * database and the log is cut. */
static enum mur_status begin_log_anew(struct mur_database *database, struct mur_error *error)
{
    int result =
        sqlite3_wal_checkpoint_v2(database->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (result != SQLITE_OK)
        return mur_sqlite_error(error, database, result, "beginning the log anew");
    database->log_lost = false;
    return MUR_OK;
}

enum mur_status mur_database_empty_log(struct mur_database *database, struct mur_error *error)
{
    return begin_log_anew(database, error);
}

/* ---- opening --------------------------------------------------------------------------------- */

static enum mur_status read_pragma(int64_t *out, struct mur_database *database, const char *sql,
                                   struct mur_error *error)
{
    bool found;
    enum mur_status status = mur_query_integer(out, &found, database, sql, NULL, 0, error);
    if (status == MUR_OK && !found)
        return mur_error_set(error, MUR_CORRUPT, "%s: no answer to %s", database->path, sql);
    return status;
}

/* Schema and version change together or not at all; the version is read inside the lock. */
static enum mur_status migrate(struct mur_database *database, struct mur_error *error)
{
    int64_t version;
    enum mur_status status = read_pragma(&version, database, "PRAGMA user_version", error);
    if (status != MUR_OK)
        return status;
    if (version == (int64_t)mur_migration_count)
        return MUR_OK;
    if (version > (int64_t)mur_migration_count)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s is of version %lld, this program knows %zu; use the newer murpacs",
                             database->path, (long long)version, mur_migration_count);
    status = execute(database, "BEGIN IMMEDIATE", "locking the index", error);
    if (status != MUR_OK)
        return status;
    status = read_pragma(&version, database, "PRAGMA user_version", error);
    for (size_t v = (size_t)version; status == MUR_OK && v < mur_migration_count; v++)
        status = execute(database, mur_migrations[v].sql, mur_migrations[v].name, error);
    if (status == MUR_OK) {
        char pragma[64];
        (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %zu", mur_migration_count);
        status = execute(database, pragma, "writing the version", error);
    }
    if (status == MUR_OK)
        status = execute(database, "COMMIT", "committing the schema", error);
    if (status != MUR_OK)
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Called after each commit, in place of SQLite's own checkpoints: these would be waited for. */
static int note_log(void *user, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct mur_database *database = user;
    database->log_pages = pages;
    return SQLITE_OK;
}

int mur_database_log_pages(const struct mur_database *database)
{
    return database->log_pages;
}

void mur_database_checkpoint(struct mur_database *database)
{
    (void)sqlite3_wal_checkpoint_v2(database->handle, "main", SQLITE_CHECKPOINT_PASSIVE, NULL,
                                    NULL);
}

/* After a commit, so nobody else writes. Where the disk is slower than those who store, another
 * thread or process may still be copying pages: he is waited for, or the log would have no end. And
 * while one reader follows the other it cannot begin anew: then they are kept out for a moment. */
static void bound_log(struct mur_database *database)
{
    int result = SQLITE_BUSY;
    for (int waited_ms = 0; result == SQLITE_BUSY && waited_ms < BUSY_MS; waited_ms++) {
        result = sqlite3_wal_checkpoint_v2(database->handle, "main", SQLITE_CHECKPOINT_PASSIVE,
                                           NULL, NULL);
        if (database->log_pages < LOG_MOST)
            return; /* then the next commit begins the log anew, if that did it */
        if (result == SQLITE_BUSY)
            (void)nanosleep(&(const struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (database->log_pages < database->log_asked)
        database->log_asked = 0;
    if (database->log_pages - database->log_asked < LOG_STEP)
        return;
    database->log_asked = database->log_pages;
    (void)sqlite3_busy_timeout(database->handle, READERS_MS);
    (void)sqlite3_wal_checkpoint_v2(database->handle, "main", SQLITE_CHECKPOINT_RESTART, NULL,
                                    NULL);
    (void)sqlite3_busy_timeout(database->handle, BUSY_MS);
}

enum mur_status mur_database_open(struct mur_database **out, const char *path,
                                  enum mur_database_mode mode, bool durable,
                                  struct mur_error *error)
{
    MUR_AUTO(mur_database) *database = calloc(1, sizeof *database);
    if (database == NULL)
        return mur_error_no_memory(error);
    database->mode = mode;
    database->durable = durable;
    database->unsynced = true;
    enum mur_status status = mur_text_copy(&database->path, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    /* Counting its memory would lock a mutex with each of 80 allocations an instance. Once SQLite
     * is in use this has no effect. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE |
                (mode == MUR_DATABASE_WRITE ? SQLITE_OPEN_CREATE : 0);
    int result = sqlite3_open_v2(path, &database->handle, flags, NULL);
    if (result != SQLITE_OK)
        return mur_sqlite_error(error, database, result, "cannot open the index");
    (void)sqlite3_extended_result_codes(database->handle, 1);
    (void)sqlite3_busy_timeout(database->handle, BUSY_MS);
    /* A plan that hangs on bound values would be made anew with each of them. */
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
    for (size_t i = 0; result == SQLITE_OK && i < MUR_COUNT(sql_functions); i++)
        result = sqlite3_create_function(database->handle, sql_functions[i].name, 1,
                                         SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                         NULL, sql_functions[i].function, NULL, NULL);
    if (result != SQLITE_OK)
        return mur_sqlite_error(error, database, result, "preparing the index");
    if (mode == MUR_DATABASE_WRITE) {
        status = execute(database, "PRAGMA journal_mode = WAL", "switching to WAL", error);
        if (status == MUR_OK)
            status = set_synced(database, durable, error);
        if (status == MUR_OK)
            status = migrate(database, error);
        (void)sqlite3_wal_hook(database->handle, note_log, database);
    } else {
        status = execute(database, "PRAGMA query_only = ON", "setting read only", error);
    }
    if (status == MUR_OK)
        status = execute(database,
                         "PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;"
                         "PRAGMA mmap_size = 1073741824; PRAGMA temp_store = MEMORY;"
                         "PRAGMA journal_size_limit = 67108864",
                         "preparing the index", error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(database);
    return MUR_OK;
}

void mur_database_set_matching(struct mur_database *database, bool fold_case, bool unknown_matches)
{
    database->fold_case = fold_case;
    database->unknown_matches = unknown_matches;
}

void mur_database_set_link_finder(struct mur_database *database, struct mur_link_finder finder)
{
    database->link = finder;
}

void mur_database_prefer_header(struct mur_database *database)
{
    database->header_wins = true;
}

void mur_database_close(struct mur_database *database)
{
    if (database == NULL)
        return;
    for (size_t i = 0; i < MUR_STATEMENT_SLOTS; i++)
        (void)sqlite3_finalize(database->statements[i].handle);
    if (database->handle != NULL)
        (void)sqlite3_close(database->handle);
    free(database->pending);
    free(database->touched);
    free(database->path);
    free(database);
}

/* ---- statements ------------------------------------------------------------------------------ */

enum mur_status mur_statement_get(sqlite3_stmt **out, struct mur_database *database,
                                  const char *sql, struct mur_error *error)
{
    uint64_t hash = mur_xxh64_of(sql, strlen(sql));
    struct mur_statement *slot = NULL;
    for (size_t i = 0; i < 8; i++) { /* a few neighbours: an old one gives way */
        struct mur_statement *candidate = &database->statements[(hash + i) % MUR_STATEMENT_SLOTS];
        if (candidate->busy)
            continue;
        if (candidate->handle != NULL && candidate->hash == hash &&
            strcmp(sqlite3_sql(candidate->handle), sql) == 0) {
            candidate->busy = true;
            *out = candidate->handle;
            return MUR_OK;
        }
        if (slot == NULL || candidate->handle == NULL)
            slot = slot != NULL && slot->handle == NULL ? slot : candidate;
    }
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v3(database->handle, sql, -1,
                                    slot != NULL ? SQLITE_PREPARE_PERSISTENT : 0, &statement, NULL);
    if (result != SQLITE_OK)
        return mur_sqlite_error(error, database, result, "preparing a statement");
    if (slot != NULL) {
        (void)sqlite3_finalize(slot->handle);
        *slot = (struct mur_statement){.hash = hash, .handle = statement, .busy = true};
    }
    *out = statement;
    return MUR_OK;
}

void mur_statement_done(struct mur_database *database, sqlite3_stmt *statement)
{
    if (statement == NULL)
        return;
    for (size_t i = 0; i < MUR_STATEMENT_SLOTS; i++)
        if (database->statements[i].handle == statement) {
            (void)sqlite3_reset(statement);
            (void)sqlite3_clear_bindings(statement);
            database->statements[i].busy = false;
            return;
        }
    (void)sqlite3_finalize(statement); /* every slot near its hash was in use */
}

enum mur_status mur_bind_all(struct mur_database *database, sqlite3_stmt *statement,
                             const struct mur_bind *binds, size_t count, struct mur_error *error)
{
    for (size_t i = 0; i < count; i++) {
        int index = (int)i + 1;
        int result = SQLITE_OK;
        switch (binds[i].kind) {
        case MUR_BIND_TEXT:
            result = sqlite3_bind_text(statement, index, binds[i].text, -1, SQLITE_STATIC);
            break;
        case MUR_BIND_INTEGER:
            result = sqlite3_bind_int64(statement, index, binds[i].integer);
            break;
        case MUR_BIND_REAL:
            result = sqlite3_bind_double(statement, index, binds[i].real);
            break;
        case MUR_BIND_BLOB:
            result = sqlite3_bind_blob64(statement, index, binds[i].text, binds[i].length,
                                         SQLITE_STATIC);
            break;
        case MUR_BIND_NULL:
            result = sqlite3_bind_null(statement, index);
            break;
        }
        if (result != SQLITE_OK)
            return mur_sqlite_error(error, database, result, "binding a value");
    }
    return MUR_OK;
}

enum mur_status mur_run(struct mur_database *database, const char *sql,
                        const struct mur_bind *binds, size_t count, struct mur_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum mur_status status = mur_statement_get(&statement, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, statement, binds, count, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(statement);
        if (result != SQLITE_DONE && result != SQLITE_ROW)
            status = mur_sqlite_error(error, database, result, "writing the index");
    }
    mur_statement_done(database, statement);
    return status;
}

enum mur_status mur_query_integer(int64_t *out, bool *found, struct mur_database *database,
                                  const char *sql, const struct mur_bind *binds, size_t count,
                                  struct mur_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum mur_status status = mur_statement_get(&statement, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, statement, binds, count, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(statement);
        if (result == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
            *found = true;
        } else if (result == SQLITE_DONE) {
            *found = false;
        } else {
            status = mur_sqlite_error(error, database, result, "reading the index");
        }
    }
    mur_statement_done(database, statement);
    return status;
}

/* A row of a two-column table of texts, made when it is new. */
static enum mur_status text_row(int64_t *out, struct mur_database *database, const char *select,
                                const char *insert, const char *text, struct mur_error *error)
{
    bool found;
    int64_t id = 0;
    enum mur_status status = MUR_QUERY_INTEGER(&id, &found, database, error, select, MUR_T(text));
    if (status == MUR_OK && !found && database->mode == MUR_DATABASE_WRITE) {
        status = MUR_RUN(database, error, insert, MUR_T(text));
        id = sqlite3_last_insert_rowid(database->handle);
    }
    if (status == MUR_OK)
        *out = id;
    return status;
}

enum mur_status mur_uid_row(int64_t *out, struct mur_database *database, const char *uid,
                            struct mur_error *error)
{
    return text_row(out, database, "SELECT id FROM uid WHERE uid = ?",
                    "INSERT INTO uid(uid) VALUES (?)", uid, error);
}

enum mur_status mur_path_row(int64_t *out, struct mur_database *database, const char *path,
                             struct mur_error *error)
{
    return text_row(out, database, "SELECT id FROM attribute_path WHERE path = ?",
                    "INSERT INTO attribute_path(path) VALUES (?)", path, error);
}

const char *mur_level_table(enum mur_level level)
{
    switch (level) {
    case MUR_LEVEL_PATIENT:
        return "patient";
    case MUR_LEVEL_STUDY:
        return "study";
    case MUR_LEVEL_SERIES:
        return "series";
    case MUR_LEVEL_IMAGE:
        return "instance";
    }
    return "";
}

enum mur_status mur_fold_name(char **out, struct mur_slice name, struct mur_error *error)
{
    while (name.length > 0 && (name.data[0] == '=' || name.data[0] == ' ')) {
        name.data++; /* no alphabetic group */
        name.length--;
    }
    const char *end = memchr(name.data, '=', name.length);
    if (end != NULL)
        name.length = (size_t)(end - name.data);
    while (name.length > 0 &&
           (name.data[name.length - 1] == '^' || name.data[name.length - 1] == ' '))
        name.length--;
    return mur_text_fold(out, name, error);
}

/* ---- transactions ---------------------------------------------------------------------------- */

void mur_forget_series(struct mur_database *database)
{
    memset(database->known, 0, sizeof database->known);
}

/* What is written to a file without a name is lost with the process. */
static enum mur_status check_name(struct mur_database *database, struct mur_error *error)
{
    int moved = 0;
    int result = sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return result == SQLITE_OK && moved != 0
               ? mur_error_set(error, MUR_IO, "%s was taken away while it is in use",
                               database->path)
               : MUR_OK;
}

void mur_database_keep_log(struct mur_database *database)
{
    int keep = 1;
    (void)sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
}

static enum mur_status begin(struct mur_database *database, bool synced, struct mur_error *error)
{
    enum mur_status status = check_name(database, error);
    if (status == MUR_OK && database->log_lost)
        status = begin_log_anew(database, error);
    if (status == MUR_OK && synced == database->unsynced)
        status = set_synced(database, synced, error);
    if (status == MUR_OK)
        status = mur_run(database, "BEGIN IMMEDIATE", NULL, 0, error);
    if (status != MUR_OK)
        return status;
    int64_t version = 0;
    status = read_pragma(&version, database, "PRAGMA data_version", error);
    if (status != MUR_OK) {
        mur_database_rollback(database);
        return status;
    }
    if (version != database->data_version) {
        mur_forget_series(database);
        database->progress.known = false;
    }
    database->data_version = version;
    database->pending_count = 0;
    return MUR_OK;
}

enum mur_status mur_database_begin(struct mur_database *database, struct mur_error *error)
{
    return begin(database, database->durable, error);
}

enum mur_status mur_database_begin_unsynced(struct mur_database *database, struct mur_error *error)
{
    return begin(database, false, error);
}

static enum mur_status read_progress(struct mur_database *database, struct mur_error *error)
{
    if (database->progress.known)
        return MUR_OK;
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database, "SELECT length, next, lasting FROM manifest WHERE id = 1", error);
    if (status != MUR_OK)
        return status;
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        database->progress = (struct mur_progress_row){
            .known = sqlite3_get_autocommit(database->handle) == 0,
            .length = sqlite3_column_int64(row, 0),
            .next = sqlite3_column_int64(row, 1),
            .lasting = sqlite3_column_int64(row, 2),
        };
    else if (result == SQLITE_DONE)
        status = mur_error_set(error, MUR_CORRUPT, "%s: its row of table manifest is missing",
                               database->path);
    else
        status = mur_sqlite_error(error, database, result, "reading the manifest's length");
    mur_statement_done(database, row);
    return status;
}

static enum mur_status write_progress(struct mur_database *database, struct mur_error *error)
{
    if (!database->progress.changed)
        return MUR_OK;
    enum mur_status status = MUR_RUN(
        database, error, "UPDATE manifest SET length = ?, next = ?, lasting = ? WHERE id = 1",
        MUR_I(database->progress.length), MUR_I(database->progress.next),
        MUR_I(database->progress.lasting));
    if (status == MUR_OK)
        database->progress.changed = false;
    return status;
}

enum mur_status mur_database_manifest_length(uint64_t *out, struct mur_database *database,
                                             struct mur_error *error)
{
    enum mur_status status = read_progress(database, error);
    if (status == MUR_OK)
        *out = (uint64_t)database->progress.length;
    return status;
}

enum mur_status mur_database_set_manifest_length(struct mur_database *database, uint64_t length,
                                                 struct mur_error *error)
{
    enum mur_status status = read_progress(database, error);
    if (status != MUR_OK)
        return status;
    database->progress.length = (int64_t)length;
    database->progress.changed = true;
    return MUR_OK;
}

enum mur_status mur_database_manifest_lasting(uint64_t *out, struct mur_database *database,
                                              struct mur_error *error)
{
    enum mur_status status = read_progress(database, error);
    if (status == MUR_OK)
        *out = (uint64_t)database->progress.lasting;
    return status;
}

enum mur_status mur_database_set_manifest_lasting(struct mur_database *database, uint64_t length,
                                                  struct mur_error *error)
{
    enum mur_status status = read_progress(database, error);
    if (status != MUR_OK)
        return status;
    database->progress.lasting = (int64_t)length;
    database->progress.changed = true;
    return MUR_OK;
}

enum mur_status mur_number_instance(int64_t *row, struct mur_database *database,
                                    struct mur_error *error)
{
    enum mur_status status = read_progress(database, error);
    if (status != MUR_OK)
        return status;
    if (*row == 0)
        *row = database->progress.next;
    if (*row >= database->progress.next)
        database->progress.next = *row + 1;
    database->progress.changed = true;
    return MUR_OK;
}

enum mur_status mur_count_pending(struct mur_database *database, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < database->pending_count; i++) {
        const struct mur_pending_count *pending = &database->pending[i];
        status = MUR_RUN(database, error,
                         "UPDATE series SET instance_count = instance_count + ?,"
                         " bytes = bytes + ? WHERE id = ?",
                         MUR_I(pending->instances), MUR_I(pending->bytes), MUR_I(pending->series));
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE study SET instance_count = instance_count + ? WHERE id = ?",
                             MUR_I(pending->instances), MUR_I(pending->study));
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE patient SET instance_count = instance_count + ? WHERE id = ?",
                             MUR_I(pending->instances), MUR_I(pending->patient));
    }
    database->pending_count = 0;
    return status;
}

enum mur_status mur_database_commit(struct mur_database *database, struct mur_error *error)
{
    enum mur_status status = mur_place_touched(database, error);
    if (status == MUR_OK)
        status = mur_count_pending(database, error);
    if (status == MUR_OK)
        status = write_progress(database, error);
    if (status == MUR_OK)
        status = mur_run(database, "COMMIT", NULL, 0, error);
    if (status != MUR_OK)
        mur_database_rollback(database);
    else if (database->log_pages >= LOG_LIMIT)
        bound_log(database);
    return status;
}

void mur_database_rollback(struct mur_database *database)
{
    if (sqlite3_get_autocommit(database->handle) == 0)
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    database->pending_count = 0;
    database->touched_count = 0;
    database->progress = (struct mur_progress_row){.known = false};
    mur_forget_series(database);
}

enum mur_status mur_database_count(struct mur_counts *out, struct mur_database *database,
                                   struct mur_error *error)
{
    struct {
        const char *sql;
        int64_t value;
    } counts[] = {
        {"SELECT count(*) FROM patient", 0},
        {"SELECT count(*) FROM study", 0},
        {"SELECT count(*) FROM series", 0},
        {"SELECT coalesce(sum(instance_count), 0) FROM patient", 0},
        {"SELECT coalesce(sum(bytes), 0) FROM series", 0},
    };
    for (size_t i = 0; i < MUR_COUNT(counts); i++) {
        enum mur_status status = read_pragma(&counts[i].value, database, counts[i].sql, error);
        if (status != MUR_OK)
            return status;
    }
    *out = (struct mur_counts){counts[0].value, counts[1].value, counts[2].value, counts[3].value,
                               counts[4].value};
    return MUR_OK;
}
