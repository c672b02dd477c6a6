/** SQLite behind a few functions: what the files of db/ share. */
#ifndef MUR_DB_CONNECTION_H
#define MUR_DB_CONNECTION_H

#include <sqlite3.h>

#include "db/db.h"

enum { MUR_STATEMENT_SLOTS = 128, MUR_SERIES_SLOTS = 256 };

/** A prepared statement that is kept for its next use. */
struct mur_statement {
    uint64_t hash;
    sqlite3_stmt *handle;
    bool busy;
};

/** Series that were written lately: their rows are not looked up again. */
struct mur_known_series {
    uint64_t key; /**< hash of Study UID, Series UID, Patient ID, issuer; 0 = free slot */
    int64_t series, study, patient;
    uint64_t kind; /**< hash of SOP Class, transfer syntax and origin of the last instance; and
                      their rows: the class is in the study's set already */
    int64_t sop_class, transfer_syntax, origin;
};

/** Instances added since begin, counted at commit: one UPDATE a series instead of one an instance.
 */
struct mur_pending_count {
    int64_t series, study, patient, instances, bytes;
};

/** A row that something was linked in, moved to or from, or taken out of. */
struct mur_touched {
    enum mur_level level;
    int64_t row;
    bool anew; /**< its header values too: its first instance may be another one */
};

/** The row of table manifest, written by commit. */
struct mur_progress_row {
    bool known;   /**< until another connection commits */
    bool changed; /**< in this transaction */
    int64_t length, next, lasting;
};

struct mur_database {
    sqlite3 *handle;
    enum mur_database_mode mode;
    char *path;
    struct mur_statement statements[MUR_STATEMENT_SLOTS];
    struct mur_known_series known[MUR_SERIES_SLOTS];
    bool fold_case, unknown_matches; /**< see mur_database_set_matching() */
    bool header_wins;                /**< isa.precedence = "header" */
    int64_t data_version; /**< changes when another connection commits: known is forgotten then */
    int log_pages;        /**< of the WAL, after the last commit */
    bool durable;         /**< commits wait for the disk, but for unsynced ones */
    bool unsynced;        /**< so is the connection set just now */
    int log_asked;        /**< log_pages when readers were asked last to leave it */
    bool log_lost;        /**< a sync of the WAL failed: it must be begun anew */
    struct mur_progress_row progress;
    struct mur_pending_count *pending;
    size_t pending_count;
    size_t pending_capacity;
    struct mur_touched *touched; /**< in this transaction */
    size_t touched_count;
    size_t touched_capacity;
    struct mur_link_finder link;
};

/** Turns SQLite's result into a status: full, busy, corrupt, read-only are told apart. */
enum mur_status mur_sqlite_error(struct mur_error *error, struct mur_database *database, int result,
                                 const char *doing);

/** A statement by its text, prepared once; reset and unbound. Give it back by mur_statement_done().
 */
MUR_NODISCARD
enum mur_status mur_statement_get(sqlite3_stmt **out, struct mur_database *database,
                                  const char *sql, struct mur_error *error);
void mur_statement_done(struct mur_database *database, sqlite3_stmt *statement);

/** One value to bind: text, integer, real or blob. */
struct mur_bind {
    enum { MUR_BIND_TEXT, MUR_BIND_INTEGER, MUR_BIND_REAL, MUR_BIND_BLOB, MUR_BIND_NULL } kind;
    const char *text;
    int64_t integer;
    double real;
    size_t length;
};
#define MUR_T(value) ((struct mur_bind){.kind = MUR_BIND_TEXT, .text = (value)})
#define MUR_I(value) ((struct mur_bind){.kind = MUR_BIND_INTEGER, .integer = (int64_t)(value)})
#define MUR_R(value) ((struct mur_bind){.kind = MUR_BIND_REAL, .real = (value)})
#define MUR_B(value, size)                                                                         \
    ((struct mur_bind){.kind = MUR_BIND_BLOB, .text = (const char *)(value), .length = (size)})
#define MUR_NULL ((struct mur_bind){.kind = MUR_BIND_NULL})

MUR_NODISCARD
enum mur_status mur_bind_all(struct mur_database *database, sqlite3_stmt *statement,
                             const struct mur_bind *binds, size_t count, struct mur_error *error);

/** Runs a statement that gives no rows; binds are borrowed for the call. */
MUR_NODISCARD
enum mur_status mur_run(struct mur_database *database, const char *sql,
                        const struct mur_bind *binds, size_t count, struct mur_error *error);
#define MUR_RUN(database, error, sql, ...)                                                         \
    mur_run(database, sql, (struct mur_bind[]){__VA_ARGS__},                                       \
            sizeof((struct mur_bind[]){__VA_ARGS__}) / sizeof(struct mur_bind), error)

/** The integer in the first column of the first row. @param[out] found  false: no row */
MUR_NODISCARD
enum mur_status mur_query_integer(int64_t *out, bool *found, struct mur_database *database,
                                  const char *sql, const struct mur_bind *binds, size_t count,
                                  struct mur_error *error);
#define MUR_QUERY_INTEGER(out, found, database, error, sql, ...)                                   \
    mur_query_integer(out, found, database, sql, (struct mur_bind[]){__VA_ARGS__},                 \
                      sizeof((struct mur_bind[]){__VA_ARGS__}) / sizeof(struct mur_bind), error)

/** Row of a UID in table uid, made when it is new (write connections) or 0 when absent (read). */
MUR_NODISCARD
enum mur_status mur_uid_row(int64_t *out, struct mur_database *database, const char *uid,
                            struct mur_error *error);

/** Row of an attribute path, likewise. */
MUR_NODISCARD
enum mur_status mur_path_row(int64_t *out, struct mur_database *database, const char *path,
                             struct mur_error *error);

/** Numbered SQL files of db/schema, compiled in. */
struct mur_migration {
    const char *name;
    const char *sql;
};
extern const struct mur_migration mur_migrations[];
extern const size_t mur_migration_count;

/** What mur_read_instance() reads from the first columns of a row. */
#define MUR_INSTANCE_COLUMNS                                                                       \
    "i.id, i.series, c.uid, t.uid, s.study_uid, e.series_uid, i.data_offset, "                     \
    "i.data_length, i.digest, i.version, i.sop_uid"
#define MUR_INSTANCE_TABLES                                                                        \
    " FROM instance i JOIN series e ON e.id = i.series JOIN study s ON s.id = e.study"             \
    " JOIN uid c ON c.id = i.sop_class JOIN uid t ON t.id = i.transfer_syntax WHERE "
void mur_read_instance(struct mur_instance *out, sqlite3_stmt *row);

void mur_forget_series(struct mur_database *database);

/** The next instance's number. @param[in,out] row  not 0: it shall have this one */
MUR_NODISCARD
enum mur_status mur_number_instance(int64_t *row, struct mur_database *database,
                                    struct mur_error *error);

/** Writes the counts of what was inserted since begin; also done by commit. */
MUR_NODISCARD
enum mur_status mur_count_pending(struct mur_database *database, struct mur_error *error);

/** Notes a row that mur_place_touched() is to look at. */
MUR_NODISCARD
enum mur_status mur_touch(struct mur_database *database, enum mur_level level, int64_t row,
                          bool anew, struct mur_error *error);
/** Puts series to the study and patient where they belong now, and has rows answer for what is in
 * them; also done by commit. */
MUR_NODISCARD
enum mur_status mur_place_touched(struct mur_database *database, struct mur_error *error);
/** Sets the link of a series row and touches it. @param scan  0 = none */
MUR_NODISCARD
enum mur_status mur_set_link(struct mur_database *database, int64_t series, int64_t scan,
                             bool segmentation, enum mur_link_kind kind, struct mur_error *error);
/** Removes a scan that neither the tables nor a series know any more. */
MUR_NODISCARD
enum mur_status mur_drop_gone_scan(struct mur_database *database, int64_t scan,
                                   struct mur_error *error);
/** Empties a typed column, unless it names the row. */
MUR_NODISCARD
enum mur_status mur_clear_column(struct mur_database *database,
                                 const struct mur_attribute *attribute, int64_t owner,
                                 struct mur_error *error);

/** Counters of a study and a patient, anew from what is below them; 0 = none. */
MUR_NODISCARD
enum mur_status mur_recount(struct mur_database *database, int64_t study, int64_t patient,
                            struct mur_error *error);
/** Removes a study and a patient that nothing belongs to any more; 0 = none. */
MUR_NODISCARD
enum mur_status mur_drop_empty(struct mur_database *database, int64_t study, int64_t patient,
                               struct mur_error *error);

/** Row of a patient, made when it is new. @param fallback  identity when there is no Patient ID */
MUR_NODISCARD
enum mur_status mur_patient_row(int64_t *out, bool *made, struct mur_database *database,
                                const char *patient_id, const char *issuer, const char *fallback,
                                struct mur_error *error);

/** @return the table of a level: "patient", "study", "series", "instance" */
const char *mur_level_table(enum mur_level level);

/** PN for comparison: its alphabetic group (or the first that is there), folded, without trailing
 * carets (PS3.4 C.2.2.2.1). */
MUR_NODISCARD
enum mur_status mur_fold_name(char **out, struct mur_slice name, struct mur_error *error);

/** What a table cannot know better than the object: its identity, its kind, its place. */
bool mur_is_of_the_object(uint32_t tag);

/** Attributes whose text is each scan's own, whatever their level: they are looked for, and
 * answered, by way of the scans. */
bool mur_is_scan_text(uint32_t tag);

/** Writes what the private block says of a scan, in place of what it said before. */
MUR_NODISCARD
enum mur_status mur_put_cells(struct mur_database *database, int64_t scan,
                              const struct mur_isa_cell *cells, size_t count,
                              struct mur_error *error);

/** Writes typed columns and attribute rows of one owner. Values of other levels are passed over.
 * @param source 0 header (only what is not there yet), 1 ISA (replaces) */
MUR_NODISCARD
enum mur_status mur_put_values(struct mur_database *database, enum mur_level level, int64_t owner,
                               int source, const struct mur_index_value *values, size_t count,
                               struct mur_error *error);

/** Adds rows of attributes that the site added to the tables, where the owner has none yet. */
MUR_NODISCARD
enum mur_status mur_add_attributes(struct mur_database *database, enum mur_level level,
                                   int64_t owner, const struct mur_index_value *values,
                                   size_t count, struct mur_error *error);

#endif
