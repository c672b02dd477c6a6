/**
 * The index: one SQLite file behind these functions. A connection is for one thread at a time. A
 * write connection writes between mur_database_begin() and mur_database_commit(); read connections
 * see committed rows and hold no transaction between calls.
 */
#ifndef MUR_DB_DB_H
#define MUR_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "db/instance.h"
#include "db/query.h"

struct mur_database;

enum { MUR_SETTLING_TOKEN_SIZE = 17 };

enum mur_database_mode {
    MUR_DATABASE_WRITE, /**< makes and migrates the file */
    MUR_DATABASE_READ,
};

/** @param durable  commits survive loss of power (WAL), else the process alone
 * @retval MUR_UNSUPPORTED  made by a newer version; MUR_CORRUPT  not an index, or damaged */
MUR_NODISCARD
enum mur_status mur_database_open(struct mur_database **out, const char *path,
                                  enum mur_database_mode mode, bool durable,
                                  struct mur_error *error);
void mur_database_close(struct mur_database *database); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_database, mur_database_close)

/** Text of an ISA-Tab counts only where the header says nothing (isa.precedence = "header"). */
void mur_database_prefer_header(struct mur_database *database);

/** How questions of this connection match. @param fold_case  all text without case and diacritics,
 * not only names; @param unknown_matches  values that are not known match any key (PS3.4 C.2.2.2)
 */
void mur_database_set_matching(struct mur_database *database, bool fold_case, bool unknown_matches);

/** Waits for other writers up to 60 s. @retval MUR_BUSY */
MUR_NODISCARD
enum mur_status mur_database_begin(struct mur_database *database, struct mur_error *error);
/** The same, but its commit does not wait for the disk: mur_database_sync() does. */
MUR_NODISCARD
enum mur_status mur_database_begin_unsynced(struct mur_database *database, struct mur_error *error);
/** On failure everything since begin is rolled back. */
MUR_NODISCARD
enum mur_status mur_database_commit(struct mur_database *database, struct mur_error *error);
void mur_database_rollback(struct mur_database *database);
/** Waits until all commits of this connection are on disk; it may be called by another thread than
 * the one that writes, while none writes. After a failure nothing can be written until the log
 * could be begun anew, since the system tells of a lost write but once. */
MUR_NODISCARD
enum mur_status mur_database_sync(struct mur_database *database, struct mur_error *error);

/** Length of the write-ahead log after this connection's last commit, in pages. */
int mur_database_log_pages(const struct mur_database *database);
/** Copies committed pages from the log into the file, as far as readers allow; any connection may,
 * and neither readers nor a writer wait for it. Left to be done, it is done by a commit when the
 * log has grown long. */
void mur_database_checkpoint(struct mur_database *database);

/** All commits are in the file then, and on disk; nobody else may have it open. Before the file
 * gets another name: closing it tells nobody that this failed, and a log keeps the name it has. */
MUR_NODISCARD
enum mur_status mur_database_empty_log(struct mur_database *database, struct mur_error *error);

/** Gives the log its size at once, filled with zeros, where there is room: a file that grows takes
 * longer to sync. */
void mur_database_prepare_log(struct mur_database *database);

/** The files beside the index stay, empty, when this connection closes it: on a disk that is full
 * they could not be made again, and then nothing could be read. */
void mur_database_keep_log(struct mur_database *database);

/* ---- instances ------------------------------------------------------------------------------- */

/** @param[out] found  false: no such instance, @p out untouched */
MUR_NODISCARD
enum mur_status mur_database_find_instance(bool *found, struct mur_instance *out,
                                           struct mur_database *database, const char *sop_instance,
                                           struct mur_error *error);

/** The value of one attribute, for a typed column or for the attribute table. */
struct mur_index_value {
    enum mur_level level;
    struct mur_attribute_path path;
    enum mur_vr vr;
    unsigned item;     /**< of the outermost sequence */
    unsigned position; /**< of several values */
    const char *text;  /**< UTF-8; for a sequence as a whole its DICOM JSON items */
    bool has_number;
    double number;
};

/** A new instance. Texts are borrowed for the call. */
struct mur_new_instance {
    struct mur_instance instance;         /**< id and series are not read */
    const struct mur_index_value *values; /**< of all levels: typed columns and attribute table */
    size_t value_count;
    const char *patient_id; /**< by its own header; trimmed, may be "" */
    const char *issuer;
    int64_t row; /**< that it shall have; 0 = the next one */
    int64_t received_us;
    int header_form; /**< 0 plain, 1 Zstandard */
    bool header_complete;
    const void *header;
    size_t header_length;
    int64_t isa_scan; /**< 0 = not known */
    bool segmentation;
    const char *how, *calling_ae, *peer, *path; /**< origin; "" where not known */
};

/** Whether the series that an instance would join is there (then only its IMAGE values are needed).
 * A hint from memory: it may say false for one that is there. */
bool mur_database_knows_series(struct mur_database *database, const char *study_uid,
                               const char *series_uid, const char *patient_id, const char *issuer);

/** Adds it, with patient, study and series where they are new. */
MUR_NODISCARD
enum mur_status mur_database_insert_instance(int64_t *id, struct mur_database *database,
                                             const struct mur_new_instance *record,
                                             struct mur_error *error);

/** Takes an instance out, and series, study and patient that it leaves empty.
 * @param[out] found  false: no such instance; @param[out] out  what it was */
MUR_NODISCARD
enum mur_status mur_database_remove_instance(bool *found, struct mur_instance *out,
                                             struct mur_database *database,
                                             const char *sop_instance, struct mur_error *error);

/** The scan that the tables link a series to, by its names; borrowed for a call. */
struct mur_scan_names {
    const char *dataset, *study, *assay_file, *assay;
    bool segmentation;
};
/** Calls @p each for the instances after row @p after, in the order they came; of the record, UIDs,
 * digest, version, time and origin are set. @p scan is NULL where the tables name none. */
MUR_NODISCARD
enum mur_status mur_database_each_instance(
    struct mur_database *database, int64_t after,
    enum mur_status (*each)(void *user, const struct mur_new_instance *record, int64_t id,
                            const struct mur_scan_names *scan, struct mur_error *error),
    void *user, struct mur_error *error);

/** A header with the rows that it speaks for. */
struct mur_header_row {
    int64_t instance;
    int64_t owners[4]; /**< patient, study, series, instance */
    const char *json;  /**< borrowed for the call */
    size_t length;
};
/**
 * Calls @p each for headers of instances after row @p after: of every instance, or of the first of
 * each series. @p each may write to the same connection.
 * @param most  headers at most; @param[out] last  row of the last one, or @p after
 */
MUR_NODISCARD
enum mur_status mur_database_each_header(
    int64_t *last, struct mur_database *database, int64_t after, bool every_instance, size_t most,
    enum mur_status (*each)(void *user, const struct mur_header_row *row, struct mur_error *error),
    void *user, struct mur_error *error);
/** Appends the header of an instance as DICOM JSON. @param[out] complete  false: large sequences
 * are left out here, the whole stands beside the object. @retval MUR_NOT_FOUND  it is not there */
MUR_NODISCARD
enum mur_status mur_database_read_header(bool *complete, struct mur_buffer *out,
                                         struct mur_database *database, int64_t instance,
                                         struct mur_error *error);
/** How many instances a series has, of whichever patients, and the row of the newest: both stay the
 * same only as long as nothing comes, goes or is replaced, since rows are never used again. */
MUR_NODISCARD
enum mur_status mur_database_series_state(int64_t *count, int64_t *newest,
                                          struct mur_database *database, const char *study_uid,
                                          const char *series_uid, struct mur_error *error);
/** Adds rows of attributes that a site added (index.attributes) to what the owners have. */
MUR_NODISCARD
enum mur_status mur_database_add_attributes(struct mur_database *database, const int64_t owners[4],
                                            const struct mur_index_value *values, size_t count,
                                            struct mur_error *error);

/** A stored instance as whoever checks or copies files needs it. */
struct mur_stored {
    struct mur_instance instance;
    bool sidecar; /**< its header has a file of its own */
    bool has_sha256;
    uint8_t sha256[32]; /**< of the whole file */
};
/** Instances after row @p after, in the order they came, @p most at the most.
 * @param study  those of this Study alone; NULL = all; @param[out] out  malloc'ed */
MUR_NODISCARD
enum mur_status mur_database_list_stored(struct mur_stored **out, size_t *count,
                                         struct mur_database *database, int64_t after, size_t most,
                                         const char *study, struct mur_error *error);
/** Notes the SHA-256 of an instance's file; one that is gone is passed over. */
MUR_NODISCARD
enum mur_status mur_database_set_sha256(bool *found, struct mur_database *database, int64_t id,
                                        const uint8_t digest[32], struct mur_error *error);
/** Notes that an instance's file was made anew: its version, where its Data Set begins. */
MUR_NODISCARD
enum mur_status mur_database_mend_instance(struct mur_database *database,
                                           const struct mur_instance *instance,
                                           struct mur_error *error);
/** What is stored of these senders and of scans of these studies of ISA-Tabs.
 * @param ae_titles, isa_studies  JSON arrays of texts */
MUR_NODISCARD
enum mur_status mur_database_usage(int64_t *bytes, int64_t *instances,
                                   struct mur_database *database, const char *ae_titles,
                                   const char *isa_studies, struct mur_error *error);
/** Whether a Study holds a scan of one of these studies of ISA-Tabs. */
MUR_NODISCARD
enum mur_status mur_database_study_is_of(bool *out, struct mur_database *database,
                                         const char *study_uid, const char *isa_studies,
                                         struct mur_error *error);
/** A series, and how it came. */
struct mur_made_of {
    char series[MUR_UID_TEXT_SIZE], study[MUR_UID_TEXT_SIZE];
    bool made_so;      /**< one of its objects came in the way that was asked for */
    int64_t newest_us; /**< when the last of them came; microseconds since 1970 UTC */
};
/** All series that are stored. @param how  for made_so; as in struct mur_new_instance
 * @param study  those of this Study alone; NULL = all; @param[out] out  malloc'ed */
MUR_NODISCARD
enum mur_status mur_database_list_made(struct mur_made_of **out, size_t *count,
                                       struct mur_database *database, const char *how,
                                       const char *study, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_has_series(bool *out, struct mur_database *database,
                                        const char *series_uid, struct mur_error *error);
/** Looks through the whole file. @param[out] out  what is wrong first, "" if nothing; malloc'ed */
MUR_NODISCARD
enum mur_status mur_database_check(char **out, struct mur_database *database,
                                   struct mur_error *error);
/** Copies what is committed now to a new file, and waits until it is on disk; others write on. */
MUR_NODISCARD
enum mur_status mur_database_copy(struct mur_database *database, const char *path,
                                  struct mur_error *error);

/** How much of the manifest belongs to what is committed. */
MUR_NODISCARD
enum mur_status mur_database_manifest_length(uint64_t *out, struct mur_database *database,
                                             struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_set_manifest_length(struct mur_database *database, uint64_t length,
                                                 struct mur_error *error);
/** How much of it was on disk before a commit, as the index alone could not say it again: where it
 * is shorter, something took it away. */
MUR_NODISCARD
enum mur_status mur_database_manifest_lasting(uint64_t *out, struct mur_database *database,
                                              struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_set_manifest_lasting(struct mur_database *database, uint64_t length,
                                                  struct mur_error *error);

/** What is said of an instance or a series after it came. */
struct mur_later {
    const char *sop_instance; /**< NULL: @p series was linked by hand */
    bool committed;
    const uint8_t *sha256; /**< NULL: none */
    const char *series;
    const struct mur_scan_names *scan; /**< NULL: to none */
};
/** Calls @p each for what was committed to peers or has a SHA-256, then for what was linked by
 * hand. */
MUR_NODISCARD
enum mur_status mur_database_each_later(struct mur_database *database,
                                        enum mur_status (*each)(void *user,
                                                                const struct mur_later *one,
                                                                struct mur_error *error),
                                        void *user, struct mur_error *error);

/* ---- what is not on disk yet ------------------------------------------------------------------
 */

/** Instances, by the rows from first to last, that a process committed before they were on disk. */
struct mur_settling {
    char token[MUR_SETTLING_TOKEN_SIZE]; /**< of the process */
    int64_t first, last;
};

/** The last batch of a process: takes the place of the one before. */
MUR_NODISCARD
enum mur_status mur_database_put_settling(struct mur_database *database,
                                          const struct mur_settling *settling,
                                          struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_drop_settling(struct mur_database *database, const char *token,
                                           struct mur_error *error);
/** Those of all processes. @param[out] out  malloc'ed */
MUR_NODISCARD
enum mur_status mur_database_list_settling(struct mur_settling **out, size_t *count,
                                           struct mur_database *database, struct mur_error *error);
/** The first instance in rows @p after + 1 to @p last. @param[out] found  false: none is left */
MUR_NODISCARD
enum mur_status mur_database_next_instance(bool *found, struct mur_instance *out,
                                           struct mur_database *database, int64_t after,
                                           int64_t last, struct mur_error *error);

/* ---- identity -------------------------------------------------------------------------------- */

/** Something that does not fit together. Texts are borrowed for the call. */
struct mur_conflict {
    enum {
        MUR_CONFLICT_STUDY,   /**< one Study Instance UID under several patients */
        MUR_CONFLICT_PATIENT, /**< one Patient ID, of which headers say different things */
    } kind;
    const char *patient_id;         /**< of a study: all of them, separated by backslash */
    const char *uid;                /**< of the study, or of a series that says otherwise */
    struct mur_attribute_path path; /**< of a patient: what differs */
    const char *kept, *other;
};
/** Calls @p each for all of them; its failure ends the list and is returned. */
MUR_NODISCARD
enum mur_status mur_database_each_conflict(struct mur_database *database,
                                           enum mur_status (*each)(void *user,
                                                                   const struct mur_conflict *one,
                                                                   struct mur_error *error),
                                           void *user, struct mur_error *error);

/* ---- ISA-Tab --------------------------------------------------------------------------------- */

/** @param[out] id  its row, 0 when there is none; @param[out] known_digest  of the version that is
 * applied, "" when there is none; 65 bytes
 * @param[out] version  number of that version, 0 when there is none */
MUR_NODISCARD
enum mur_status mur_database_isa_dataset(int64_t *id, char known_digest[65], int64_t *version,
                                         struct mur_database *database, const char *identifier,
                                         struct mur_error *error);
/** Adds the archive or its new version. @param[out] id its row */
MUR_NODISCARD
enum mur_status mur_database_put_isa_dataset(int64_t *id, struct mur_database *database,
                                             const char *identifier, int64_t version,
                                             const char *folder, const char *digest,
                                             int64_t applied_us, struct mur_error *error);

/** A version of an ISA-Tab that was applied. Texts are borrowed for the call. */
struct mur_isa_version {
    const char *dataset;
    int64_t version;
    const char *folder; /**< with the tables as delivered, relative to the archive */
    const char *digest;
    int64_t applied_us;
    bool in_force; /**< the last one */
};
MUR_NODISCARD
enum mur_status mur_database_each_isa_version(
    struct mur_database *database,
    enum mur_status (*each)(void *user, const struct mur_isa_version *one, struct mur_error *error),
    void *user, struct mur_error *error);

/** What a rule of the mapping compares a header with. */
struct mur_isa_key {
    const char *rule; /**< all of its definition */
    const char *text;
};

/** What our private block says of a scan. Texts are borrowed. */
struct mur_isa_cell {
    unsigned element;        /**< 0: a cell of the tables (xx01, xx02); else a plain element */
    enum mur_vr vr;          /**< of a plain element */
    const char *kind, *name; /**< "factor", "diet"; "" of a plain element */
    const char *text, *unit; /**< unit "" where there is none */
    bool has_number;
    double number;
};

struct mur_isa_scan_record {
    const char *study, *source, *sample, *assay_file, *assay;
    const char *digest;                   /**< of all its values; not "" */
    const struct mur_index_value *values; /**< attributes of the standard */
    size_t value_count;
    const struct mur_isa_cell *cells;
    size_t cell_count;
    int64_t ordinal; /**< its place in the tables */
    const struct mur_isa_key *keys;
    size_t key_count;
};
/** Adds or replaces the scan and its values; what is linked to it takes the new values when the
 * transaction ends.
 * @param[out] id  its row; @param[out] changed  false: the same digest was there */
MUR_NODISCARD
enum mur_status mur_database_put_isa_scan(int64_t *id, bool *changed, struct mur_database *database,
                                          int64_t dataset, const struct mur_isa_scan_record *record,
                                          struct mur_error *error);
/** A scan by its names. Texts are borrowed for the call. */
struct mur_isa_scan_name {
    int64_t row;
    const char *dataset, *study, *source, *sample, *assay_file, *assay;
    const char *digest; /**< "": gone from the tables */
};
typedef enum mur_status mur_isa_scan_function(void *user, const struct mur_isa_scan_name *scan,
                                              struct mur_error *error);
/** Takes the values from scans of a dataset that are not among @p scans: what is linked to them
 * answers by its header again. A scan to which nothing is linked goes altogether.
 * @param each  called before, for each of them */
MUR_NODISCARD
enum mur_status mur_database_retire_isa_scans(struct mur_database *database, int64_t dataset,
                                              const int64_t *scans, size_t count,
                                              mur_isa_scan_function *each, void *user,
                                              struct mur_error *error);
typedef enum mur_status mur_isa_value_function(void *user, const struct mur_index_value *value,
                                               struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_isa_scan_values(struct mur_database *database, int64_t scan,
                                             mur_isa_value_function *each, void *user,
                                             struct mur_error *error);

/** Who links a series to a scan; the later ones count more. */
enum mur_link_kind {
    MUR_LINK_NONE,
    MUR_LINK_RULE,   /**< by a rule of the mapping */
    MUR_LINK_TABLES, /**< by the file that a cell names */
    MUR_LINK_HAND,   /**< somebody said so; with no scan: that there is none */
};
/** Links every series of that UID to the scan: its patient becomes the animal of the ISA-Tab, the
 * values of the scan answer for patient, study and series. Series UIDs that are not there: nothing.
 * What is linked by hand stays, unless by hand.
 * @param scan  0 = none
 * @param[out] changed  number of series that were not linked so before */
MUR_NODISCARD
enum mur_status mur_database_set_link(int64_t *changed, struct mur_database *database,
                                      const char *series_uid, int64_t scan, bool segmentation,
                                      enum mur_link_kind kind, struct mur_error *error);
/** The same, by the tables. */
MUR_NODISCARD
enum mur_status mur_database_link_series(int64_t *changed, struct mur_database *database,
                                         const char *series_uid, int64_t scan, bool segmentation,
                                         struct mur_error *error);
/** Whether any scan has a key of this rule. */
MUR_NODISCARD
enum mur_status mur_database_has_keys(bool *out, struct mur_database *database, const char *rule,
                                      struct mur_error *error);
/** Scans with this key. @param[out] scan  one of them, 0 = none */
MUR_NODISCARD
enum mur_status mur_database_match_scan(int64_t *scan, size_t *candidates,
                                        struct mur_database *database, const char *rule,
                                        const char *text, struct mur_error *error);
/** Says to which scan a new series belongs of which no table says so, by its first instance. */
struct mur_link_finder {
    /** @param[in,out] scan  stays 0 where it cannot be told */
    enum mur_status (*find)(int64_t *scan, bool *segmentation, void *user,
                            const struct mur_new_instance *record, struct mur_error *error);
    void *user;
};
void mur_database_set_link_finder(struct mur_database *database, struct mur_link_finder finder);
/** Asks again for all series of which neither a table nor somebody says something.
 * @param[out] changed  how many belong to another scan now */
MUR_NODISCARD
enum mur_status mur_database_relink(size_t *changed, struct mur_database *database,
                                    struct mur_error *error);

/** A series without a scan, or with one that is gone. Texts are borrowed for the call. */
struct mur_loose_series {
    const char *series_uid, *study_uid, *patient_id, *study_date, *modality, *description;
    bool by_hand;                       /**< somebody said so */
    const char *gone_scan, *gone_study; /**< linked to one that is gone from the tables; or "" */
    int header_form;                    /**< of its first instance */
    const void *header;
    size_t header_length;
    const char *file; /**< that it was imported from; or "" */
    int64_t instances;
};
MUR_NODISCARD
enum mur_status mur_database_each_loose_series(
    struct mur_database *database,
    enum mur_status (*each)(void *user, const struct mur_loose_series *one,
                            struct mur_error *error),
    void *user, struct mur_error *error);
/** A series with its scan. Texts are borrowed for the call. */
struct mur_linked_series {
    const char *series_uid, *study, *source, *assay;
    bool segmentation;
    int64_t scan;
    int header_form; /**< of its first instance */
    const void *header;
    size_t header_length;
};
MUR_NODISCARD
enum mur_status mur_database_each_linked_series(
    struct mur_database *database,
    enum mur_status (*each)(void *user, const struct mur_linked_series *one,
                            struct mur_error *error),
    void *user, struct mur_error *error);
/** The scan that a link names; where the tables know it no more, as one that is gone.
 * @param[out] scan  0: nobody knows the dataset */
MUR_NODISCARD
enum mur_status mur_database_scan_of_link(int64_t *scan, struct mur_database *database,
                                          const char *dataset, const char *study,
                                          const char *assay_file, const char *assay,
                                          struct mur_error *error);
/** Removes scans that are gone and to which no series is linked. */
MUR_NODISCARD
enum mur_status mur_database_drop_gone_scans(struct mur_database *database,
                                             struct mur_error *error);
/** Scans without a series. */
MUR_NODISCARD
enum mur_status mur_database_each_loose_scan(struct mur_database *database,
                                             mur_isa_scan_function *each, void *user,
                                             struct mur_error *error);
/** Scans of that name: ASSAY, STUDY/ASSAY, STUDY/FILE/ASSAY or DATASET/STUDY/FILE/ASSAY; 20 at
 * most. */
MUR_NODISCARD
enum mur_status mur_database_each_scan_named(struct mur_database *database, const char *name,
                                             mur_isa_scan_function *each, void *user,
                                             struct mur_error *error);
/** Scans with a key; 20 at most. */
MUR_NODISCARD
enum mur_status mur_database_each_scan_of_key(struct mur_database *database, const char *rule,
                                              const char *text, mur_isa_scan_function *each,
                                              void *user, struct mur_error *error);
/** The scan of a row. */
MUR_NODISCARD
enum mur_status mur_database_isa_scan(struct mur_database *database, int64_t scan,
                                      mur_isa_scan_function *each, void *user,
                                      struct mur_error *error);
/** The scan of a dataset with these names, gone ones too. */
MUR_NODISCARD
enum mur_status mur_database_find_isa_scan(struct mur_database *database, int64_t dataset,
                                           const char *study, const char *assay_file,
                                           const char *assay, mur_isa_scan_function *each,
                                           void *user, struct mur_error *error);
/** @param[out] out  0: no series of that UID holds segmentations */
MUR_NODISCARD
enum mur_status mur_database_count_segmentations(int64_t *out, struct mur_database *database,
                                                 const char *series_uid, struct mur_error *error);
/** How a series is linked. @param[out] found  false: no such series */
MUR_NODISCARD
enum mur_status mur_database_link_of(bool *found, enum mur_link_kind *kind, int64_t *scan,
                                     struct mur_database *database, const char *series_uid,
                                     struct mur_error *error);

/* ---- questions ------------------------------------------------------------------------------- */

/** A prepared question: matching rows' ids first, their values page by page. */
struct mur_find;

/** @param ae_title  answered as Retrieve AE Title; borrowed, like @p query, until mur_find_free()
 * @retval MUR_INVALID  a key cannot be understood: the message says which */
MUR_NODISCARD
enum mur_status mur_find_create(struct mur_find **out, struct mur_database *database,
                                const struct mur_query *query, const char *ae_title,
                                struct mur_error *error);
void mur_find_free(struct mur_find *find);
MUR_DEFINE_AUTO(mur_find, mur_find_free)
size_t mur_find_count(const struct mur_find *find); /**< rows that matched */

/** Reads up to @p most rows from where the last page ended, in one read transaction that is over at
 * return. @p database may be another connection than before.
 * @param[out] values  row after row, query->key_count each; borrowed until the next page
 * @param[out] rows  0 at the end (rows deleted since are left out) */
MUR_NODISCARD
enum mur_status mur_find_page(const struct mur_value **values, size_t *rows, struct mur_find *find,
                              struct mur_database *database, size_t most, struct mur_error *error);

/** Instances that a retrieve names, sorted by series and instance number (malloc'ed array).
 * @retval MUR_INVALID  see mur_archive_plan() */
MUR_NODISCARD
enum mur_status mur_database_plan(struct mur_instance **out, size_t *count,
                                  struct mur_database *database, const struct mur_query *query,
                                  struct mur_error *error);

MUR_NODISCARD
enum mur_status mur_database_count(struct mur_counts *out, struct mur_database *database,
                                   struct mur_error *error);

/* ---- what leaves (db/effective.c) ------------------------------------------------------------ */

/** An attribute as C-FIND would answer it. */
struct mur_effective_value {
    enum mur_level level;
    uint32_t tag; /**< elements of our private block with block 0x10 */
    enum mur_vr vr;
    char *text; /**< UTF-8, values separated by backslash; for SQ the JSON array of items */
    bool list;  /**< gathered from the cells of a scan */
};

/** All that an instance's patient, study and scan are said to be. */
struct mur_effective {
    struct mur_effective_value *values;
    size_t count;
    int64_t since_us;  /**< when the index came to say so; the same at each reading */
    char *calling_ae;  /**< who sent the instance; "" where not known */
    bool segmentation; /**< of a scan, not its image */
};
void mur_effective_free(struct mur_effective *effective); /**< the content */
#define MUR_AUTO_EFFECTIVE __attribute__((cleanup(mur_effective_free)))

/** Reads it in one transaction. @param instance  row: mur_instance.id
 * @retval MUR_NOT_FOUND  it is not there any more */
MUR_NODISCARD
enum mur_status mur_database_effective(struct mur_effective *out, struct mur_database *database,
                                       int64_t instance, struct mur_error *error);

/* ---- plans (db/explain.c) -------------------------------------------------------------------- */

/** Appends each statement that this connection keeps prepared, as a line, and below it, one a line
 * after a tab, the steps by which SQLite would do it (EXPLAIN QUERY PLAN). Values do not matter:
 * the plan of a statement is the same for all of them. */
MUR_NODISCARD
enum mur_status mur_database_explain(struct mur_buffer *out, struct mur_database *database,
                                     struct mur_error *error);

/* ---- encodings (db/encodings.c) -------------------------------------------------------------- */

enum { MUR_ENCODINGS = 32 };

/** Transfer syntaxes in which instances of a SOP Class are stored. */
struct mur_encodings {
    char uids[MUR_ENCODINGS][MUR_UID_TEXT_SIZE];
    size_t count;
};
MUR_NODISCARD
enum mur_status mur_database_encodings(struct mur_encodings *out, struct mur_database *database,
                                       const char *sop_class, struct mur_error *error);

/* ---- storage commitment (db/commitment.c) ---------------------------------------------------- */

/** An answer that a peer has not got yet (PS3.4 J.3.3). */
struct mur_commitment_row {
    int64_t id;
    char transaction_uid[MUR_UID_TEXT_SIZE];
    char peer[17];    /**< AE title */
    char *references; /**< JSON; malloc'ed */
    int64_t requested_us, next_try_us;
    unsigned attempts; /**< that failed */
};

/** Adds it; the same transaction of the same peer again takes the place of the first. Of @p row, id
 * and attempts are not read. */
MUR_NODISCARD
enum mur_status mur_database_put_commitment(struct mur_database *database,
                                            const struct mur_commitment_row *row,
                                            struct mur_error *error);
/** The one whose time comes first. @param[out] out free() its references */
MUR_NODISCARD
enum mur_status mur_database_next_commitment(bool *found, struct mur_commitment_row *out,
                                             struct mur_database *database,
                                             struct mur_error *error);
/** A try failed; the next one at @p next_try_us. */
MUR_NODISCARD
enum mur_status mur_database_postpone_commitment(struct mur_database *database, int64_t id,
                                                 int64_t next_try_us, struct mur_error *error);
/** All tries that are due later are due at @p now_us: what kept them away may be over. */
MUR_NODISCARD
enum mur_status mur_database_hasten_commitments(struct mur_database *database, int64_t now_us,
                                                struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_drop_commitment(struct mur_database *database, int64_t id,
                                             struct mur_error *error);
/** Marks an instance as one that a peer relies on. @param[out] found  it is there, with this digest
 */
MUR_NODISCARD
enum mur_status mur_database_commit_instance(bool *found, struct mur_database *database,
                                             const struct mur_instance *instance,
                                             struct mur_error *error);
/** @param[out] committed  whether a peer was told that it is kept; false too when there is none */
MUR_NODISCARD
enum mur_status mur_database_is_committed(bool *committed, struct mur_database *database,
                                          const char *sop_instance, struct mur_error *error);

#endif
