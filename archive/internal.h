/** What the files of archive/ share. */
#ifndef MUR_ARCHIVE_INTERNAL_H
#define MUR_ARCHIVE_INTERNAL_H

#include <pthread.h>

#include "archive/archive.h"
#include "archive/header.h"
#include "core/digest.h"
#include "db/db.h"
#include "mapping/links.h"
#include "store/store.h"

enum { MUR_READERS = 64, MUR_BATCH = 256 };

/** One instance on its way in: filled by its own thread, settled by the one that writes, then its
 * own again. */
struct mur_ingest {
    struct mur_archive *archive; /**< borrowed */
    struct mur_origin origin;
    char *path;        /**< copy of the origin's, or NULL */
    const char *study; /**< that it must be of; borrowed; NULL = any */
    struct mur_object *object;
    struct mur_object *replaced[2]; /**< file and sidecar of what it replaces, or NULL */
    struct mur_header *header;
    struct mur_xxh128 *digest;
    struct mur_new_instance record;
    bool mends;  /**< the file of what is stored under its UID, which was damaged;
                      the outcome is MUR_UNCHANGED */
    int64_t row; /**< that was made for it, 0 = none */
    bool submitted;
    uint64_t charged; /**< quotas that it belongs to: bits */

    struct mur_ingest *next; /**< in the queue; this and the next three: the archive's mutex */
    bool awaited;            /**< a thread waits at @p settled: it may write the next batch */
    bool done;
    pthread_cond_t settled; /**< done, or the queue is this thread's to write */
    enum mur_ingest_outcome outcome;
    struct mur_error error; /**< of writing */
};

/** The file manifest.jsonl: one line an event, appended by the writer inside its transaction. */
struct mur_manifest {
    int descriptor;
    char *path;
    struct mur_buffer lines; /**< of the batch under way */
    bool synced;             /**< the archive is durable */
    size_t lasting; /**< where in the lines the last one ends that is on disk before the commit:
                         all but those of new objects and of SHA-256, which come again cheaply */
};

struct mur_quota;

struct mur_archive {
    char *directory;
    char *index_path;
    char *ae_title;
    int lock;
    bool durable;
    enum mur_duplicates duplicates;
    bool fold_case, unknown_matches, header_wins;
    const struct mur_link_rules *links; /**< borrowed; may be NULL */
    struct mur_quota *quotas;
    size_t quota_count;
    pthread_mutex_t quota_mutex; /**< guards what quotas say to be used */
    int64_t quotas_counted_ms;   /**< when; 0 = never */
    struct mur_store *store;
    struct mur_database *writer;  /**< under write_mutex */
    pthread_mutex_t write_mutex;  /**< one batch, or one ISA-Tab, at a time; guards the next five */
    struct mur_settling settling; /**< of the batch under way; last = 0: none */
    struct mur_settling undone;   /**< what must be taken out first; last = 0: nothing */
    bool settling_said;           /**< in the index */
    void (*note)(void *user, const char *sop_instance, const char *why);
    void *note_user;
    struct mur_manifest manifest;

    pthread_mutex_t mutex;  /**< guards all below */
    pthread_cond_t arrived; /**< for the archive's thread: something that nobody waits for */
    struct mur_ingest *first, *last;
    size_t queued;
    bool writing;                /**< some thread settles a batch, or gathers it */
    struct mur_ingest *gatherer; /**< whose thread waits for more to come, or NULL */
    size_t expected;             /**< so many senders were at work lately */
    int64_t settle_us;           /**< what the last batch took */
    int log_pages;               /**< of the index's log, when a checkpoint was asked for last */
    bool checkpoint;             /**< is asked for */
    bool closing;
    bool thread_started;
    pthread_t thread;
    struct mur_database *readers[MUR_READERS]; /**< idle read connections */
    size_t reader_count;
};

/* archive/lock.c */
enum mur_status mur_archive_lock(int *out, const char *directory, bool serving,
                                 struct mur_error *error);

/** For one who works on it alone. @retval MUR_BUSY */
enum mur_status mur_archive_lock_alone(int *out, const char *directory, struct mur_error *error);

/* archive/reindex.c */
#define MUR_NEW_INDEX "index.sqlite.new" /* beside the index, until it is whole */
/** Removes what a rebuilding or a backup left that was killed. The archive is locked: none runs. */
MUR_NODISCARD
enum mur_status mur_new_index_remove(const char *directory, struct mur_error *error);

/* archive/stored_header.c */
/** Reads a sidecar, from its beginning. It is made from the object, which can make it again: it
 * must be there and expand to its end. */
enum mur_status mur_sidecar_read(int descriptor, struct mur_error *error);
/** Whether the sidecar of an instance that has one is there and can be read. */
enum mur_status mur_sidecar_is_whole(bool *out, const struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error);

/* archive/isa_tables.c */
#define MUR_TABLES_FOLDER "isa"
typedef enum mur_status mur_table_function(void *user, const char *root, const char *relative,
                                           struct mur_error *error);
/** Calls @p each for every table that is kept of an ISA-Tab. */
enum mur_status mur_tables_each(const struct mur_isa *isa, mur_table_function *each, void *user,
                                struct mur_error *error);
/** Of the tables of an ISA-Tab, as the index knows it for each version. */
enum mur_status mur_tables_digest(char out[MUR_SHA256_TEXT_SIZE], const struct mur_isa *isa,
                                  struct mur_error *error);
/** Copies them to a version's folder, in the transaction that makes it. A folder that is there
 * already is of no version that was ever committed. */
enum mur_status mur_tables_keep(const char *folder, const struct mur_archive *archive,
                                const struct mur_isa *isa, struct mur_error *error);
/** To be called when the version is committed. */
void mur_tables_committed(const struct mur_archive *archive, const char *folder);
/** Whether a file in isa/<dataset>/ says that a version may not have been committed. */
bool mur_tables_is_mark(const char *path);
/** Removes what one who was killed left of tables half copied or not committed, in a transaction.
 */
enum mur_status mur_tables_sweep(struct mur_archive *archive, struct mur_error *error);

/* archive/isa.c */
/** Rows of the scans of a dataset, in a transaction. */
enum mur_status mur_archive_put_scans(struct mur_archive *archive, int64_t dataset,
                                      const struct mur_isa *isa, const struct mur_scan_list *scans,
                                      struct mur_error *error);

/* archive/manifest.c */
enum mur_status mur_manifest_open(struct mur_manifest *manifest, const char *directory,
                                  struct mur_error *error);
void mur_manifest_close(struct mur_manifest *manifest);
/** Makes the file and the index agree; the write lock of the index is held. */
enum mur_status mur_manifest_reconcile(struct mur_archive *archive, struct mur_error *error);
enum mur_status mur_manifest_add_instance(struct mur_manifest *manifest,
                                          const struct mur_new_instance *record, int64_t id,
                                          const struct mur_isa_link *isa, struct mur_error *error);
enum mur_status mur_manifest_add_link(struct mur_manifest *manifest, const char *series,
                                      const struct mur_isa_link *isa, struct mur_error *error);
enum mur_status mur_manifest_add_removal(struct mur_manifest *manifest, const char *sop_instance,
                                         const char *why, struct mur_error *error);
/** Somebody said to which scan a series belongs. @param isa  NULL: to none */
enum mur_status mur_manifest_add_decision(struct mur_manifest *manifest, const char *series,
                                          const struct mur_isa_link *isa, struct mur_error *error);
/** ... and took it back. */
enum mur_status mur_manifest_add_unlinking(struct mur_manifest *manifest, const char *series,
                                           struct mur_error *error);
/** Its file was damaged, and has the next version now. */
enum mur_status mur_manifest_add_mended(struct mur_manifest *manifest, const char *sop_instance,
                                        struct mur_error *error);
/** A peer was told that it is kept. */
enum mur_status mur_manifest_add_committed(struct mur_manifest *manifest, const char *sop_instance,
                                           struct mur_error *error);
/** The digest of its whole file. */
enum mur_status mur_manifest_add_sha256(struct mur_manifest *manifest, const char *sop_instance,
                                        const uint8_t digest[MUR_SHA256_SIZE],
                                        struct mur_error *error);
enum mur_status mur_manifest_add_isa(struct mur_manifest *manifest,
                                     const struct mur_isa_version *version,
                                     struct mur_error *error);
/** Appends the lines and tells the index how long the file is. */
enum mur_status mur_manifest_write(struct mur_manifest *manifest, struct mur_database *database,
                                   struct mur_error *error);

/* archive/grow.c */
/** Room for one more in a list whose pointer is at @p list. */
enum mur_status mur_archive_grow(void *list, size_t count, size_t *capacity, size_t size,
                                 struct mur_error *error);

/* archive/manifest_tail.c */
/** Before they are made to agree; what was left unfinished is gone already.
 * @retval MUR_CORRUPT  the index does not know what was stored: it is an old one */
enum mur_status mur_manifest_check_tail(struct mur_archive *archive, struct mur_error *error);
/** Says that index and manifest are of two archives: MUR_CORRUPT. */
enum mur_status mur_manifest_is_foreign(const struct mur_archive *archive, struct mur_error *error);

/** Borrows the UIDs. */
struct mur_object_name mur_name_of(const struct mur_instance *instance);

/* archive/link.c */
/** Has late series find their scans by the rules of the options. */
void mur_archive_watch_links(struct mur_archive *archive, const struct mur_link_rules *rules);
/** Keys of a scan for the index; borrowed from @p keys and the rules. @param[out] out  free() */
enum mur_status mur_archive_scan_keys(struct mur_isa_key **out, size_t *count,
                                      struct mur_link_keys *keys,
                                      const struct mur_link_rules *rules,
                                      const struct mur_scan *scan, struct mur_error *error);

/* archive/quota.c */
enum mur_status mur_quotas_open(struct mur_archive *archive, const char *text,
                                struct mur_error *error);
void mur_quotas_close(struct mur_archive *archive);
/** Charges a finished object to the projects that it belongs to. @retval MUR_NO_SPACE */
enum mur_status mur_quotas_charge(struct mur_ingest *ingest, struct mur_error *error);
/** ... and takes it back, as it was not stored. */
void mur_quotas_discharge(struct mur_ingest *ingest);

/* archive/change.c */
/** One transaction with what it adds to the manifest. @param keep  false: all is taken back */
typedef enum mur_status mur_change_function(struct mur_archive *archive, void *user,
                                            struct mur_error *error);
enum mur_status mur_archive_change(struct mur_archive *archive, bool keep,
                                   mur_change_function *change, void *user,
                                   struct mur_error *error);
/** Takes the files of an instance that shall go: sidecar and object, NULL where there is none. */
enum mur_status mur_condemn_instance(struct mur_object *out[2], struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error);

/* archive/settling.c: all but the first two with the write mutex held */
/** Whether these first bytes of a file, with all that stands before the Data Set, are what was
 * written: the preamble is zeros (else it could be another kind of file), group 0002 says what the
 * row does. */
bool mur_archive_head_fits(const struct mur_instance *instance, const uint8_t *bytes,
                           size_t length);
/** Whether the stored bytes are those that came. */
enum mur_status mur_archive_has_its_bytes(bool *out, struct mur_archive *archive,
                                          const struct mur_instance *instance,
                                          struct mur_error *error);
/** And those before its Data Set. */
enum mur_status mur_archive_has_its_file(bool *out, struct mur_archive *archive,
                                         const struct mur_instance *instance,
                                         struct mur_error *error);
/** Begins a transaction, after what an earlier batch left to be undone.
 * @param synced  the commit waits for the disk */
enum mur_status mur_archive_begin(struct mur_archive *archive, bool synced,
                                  struct mur_error *error);
/** In the transaction: says that the rows of this batch are not on disk when it is committed. */
enum mur_status mur_settling_put(struct mur_archive *archive, struct mur_ingest *const *batch,
                                 size_t count, struct mur_error *error);
/** Takes the rows of the batch out again; if it cannot, the next transaction does, or the next one
 * who opens the archive. Files are displaced already. */
void mur_settling_undo(struct mur_archive *archive);
/** The batch is on disk, or undone, or was not committed. */
void mur_settling_over(struct mur_archive *archive);
void mur_settling_close(struct mur_archive *archive);
/** Takes out what is not whole of the last batches of processes that are gone. */
enum mur_status mur_settling_recover(struct mur_archive *archive, struct mur_error *error);
/** Waits until an instance is on disk that another process may just be storing; makes it so when
 * that process is gone. @p database needs no write mutex.
 * @retval MUR_NOT_FOUND, MUR_CORRUPT  it did not become so */
enum mur_status mur_settling_await(struct mur_archive *archive, struct mur_database *database,
                                   const char *sop_instance, struct mur_error *error);

/* archive/writer.c */
/** Writes what is queued; not while archive->writing. The mutex is held, and let go meanwhile.
 * @param own  of this thread, which waits for it; or NULL */
void mur_archive_write_queue(struct mur_archive *archive, struct mur_ingest *own);
/** The thread for what nobody waits for: what was submitted alone, and checkpoints of the index. */
void *mur_archive_writer(void *archive);

/** A read connection of the pool; give it back by mur_reader_return(), also after an error. */
enum mur_status mur_reader_take(struct mur_database **out, struct mur_archive *archive,
                                struct mur_error *error);
void mur_reader_return(struct mur_archive *archive, struct mur_database *reader);

#endif
