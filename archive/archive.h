/**
 * The archive: what the node means. Everything that comes in (C-STORE, import, later STOW-RS) goes
 * through an ingest, everything that is asked through query.h, everything that goes out through a
 * plan. One directory holds one archive: index.sqlite, objects/, isa/, certificates/ (of imports),
 * manifest.jsonl, lock.
 *
 * Threads: a struct mur_archive may be used by any number of threads at once; an ingest, a cursor
 * or a plan by one at a time. Several processes may have the same archive open.
 */
#ifndef MUR_ARCHIVE_ARCHIVE_H
#define MUR_ARCHIVE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/query.h"
#include "core/config.h"
#include "core/error.h"
#include "core/own.h"
#include "core/progress.h"
#include "db/instance.h"

struct mur_link_rules;

struct mur_archive_options {
    const char *directory; /**< made if absent */
    enum mur_durability durability;
    bool existing;        /**< an archive that is not there is not made (MUR_NOT_FOUND) */
    bool serving;         /**< two serving processes on one archive are refused (MUR_BUSY) */
    const char *ae_title; /**< answered as Retrieve AE Title; NULL = "MURPACS" */
    uint64_t min_free;    /**< bytes to keep free on the disk; below it ingest says MUR_NO_SPACE */
    const char *quotas;   /**< as store.quotas; see archive/quota.h; NULL = none */
    enum mur_duplicates
        duplicates;         /**< what becomes of a SOP Instance UID that is stored already */
    const char *attributes; /**< what can be asked for beyond dicom/attributes.def; see
                                 mur_attributes_extend(); NULL = nothing */
    bool fold_case;         /**< questions compare all text without case and diacritics */
    bool unknown_matches;   /**< questions take values that are not known for a match */
    /** By which objects that come without a table find their scan (mapping/links.h); borrowed, NULL
     * = none do. */
    const struct mur_link_rules *links;
    bool header_wins; /**< isa.precedence: the header answers where it and the ISA-Tab differ */
    /** Told of each instance that is taken out because it never became durable: nobody was told
     * that it is stored. NULL = nobody is told. */
    void (*note)(void *user, const char *sop_instance, const char *why);
    void *note_user;
};

struct mur_archive;

/**
 * Opens an archive, recovering what an unclean end left behind.
 * @retval MUR_BUSY another node serves it; MUR_DENIED not writable; MUR_UNSUPPORTED index of a
 * newer version; MUR_CORRUPT index damaged, or missing while objects are there
 */
MUR_NODISCARD
enum mur_status mur_archive_open(struct mur_archive **out,
                                 const struct mur_archive_options *options,
                                 struct mur_error *error);
/** Waits for what was submitted. NULL is fine. */
void mur_archive_close(struct mur_archive *archive);
MUR_DEFINE_AUTO(mur_archive, mur_archive_close)

const char *mur_archive_directory(const struct mur_archive *archive);

/* ---- in ------------------------------------------------------------------------------------ */

/** The scan of an ISA-Tab that an object belongs to; see archive/isa.h. */
struct mur_isa_link {
    int64_t scan;        /**< row of the index */
    const char *dataset; /**< the names by which the manifest knows it, for ever */
    const char *study;
    const char *assay_file;
    const char *assay;
    bool segmentation; /**< the object is a segmentation of that scan, not its image */
};

/** What stands as struct mur_origin.how of objects that an import made of other files. */
#define MUR_HOW_CONVERSION "conversion"

/** Where an object came from: kept in the manifest and the index. Texts may be NULL; all but
 * the path is borrowed until the ingest is freed. */
struct mur_origin {
    const char *how;                /**< "C-STORE", "import", MUR_HOW_CONVERSION */
    const char *calling_ae;         /**< AE title of the sender */
    const char *peer;               /**< address of the sender */
    const char *path;               /**< file that it was imported from */
    const struct mur_isa_link *isa; /**< NULL = not known */
};

struct mur_ingest;

/**
 * Begins to take one instance. @p sop_class, @p sop_instance and @p transfer_syntax are what the
 * sender announced (PS3.7 9.1.1, or group 0002); the Data Set must agree with them at the end.
 * @retval MUR_INVALID not UIDs; MUR_NO_SPACE, MUR_IO, MUR_DENIED the store cannot be written
 */
MUR_NODISCARD
enum mur_status mur_ingest_begin(struct mur_ingest **out, struct mur_archive *archive,
                                 const char *sop_class, const char *sop_instance,
                                 const char *transfer_syntax, const struct mur_origin *origin,
                                 struct mur_error *error);

/** The Data Set must be of this study, else it is refused as MUR_MISMATCH at the end.
 * @param study  borrowed until it is submitted */
void mur_ingest_require_study(struct mur_ingest *ingest, const char *study);

/** Takes bytes of the encoded Data Set as they come; memory stays constant. On failure the ingest
 * is only good for mur_ingest_free(). */
MUR_NODISCARD
enum mur_status mur_ingest_write(struct mur_ingest *ingest, const void *bytes, size_t length,
                                 struct mur_error *error);

enum mur_ingest_outcome {
    MUR_STORED,    /**< new: durable and indexed */
    MUR_UNCHANGED, /**< the same content was there already */
    MUR_MENDED,    /**< likewise, but its file was damaged or lost: it is whole again */
};

/**
 * Hands the finished Data Set to the writer without waiting: many may be under way from one thread.
 * @retval MUR_PARSE not a whole Data Set; MUR_MISMATCH UIDs missing, or others than announced
 */
MUR_NODISCARD
enum mur_status mur_ingest_submit(struct mur_ingest *ingest, struct mur_error *error);

/**
 * Waits until a submitted instance is durable and indexed.
 * @retval MUR_EXISTS other content is stored under this SOP Instance UID, and was kept (see
 *         options.duplicates)
 */
MUR_NODISCARD
enum mur_status mur_ingest_wait(enum mur_ingest_outcome *outcome, struct mur_ingest *ingest,
                                struct mur_error *error);

/** What the Data Set says of itself, once it was submitted: its UIDs. Borrowed. */
const struct mur_instance *mur_ingest_instance(const struct mur_ingest *ingest);

/** Submit and wait. */
MUR_NODISCARD
enum mur_status mur_ingest_finish(enum mur_ingest_outcome *outcome, struct mur_ingest *ingest,
                                  struct mur_error *error);

/** Study Instance UID of what was submitted, "" before; borrowed from @p ingest. */
const char *mur_ingest_study(const struct mur_ingest *ingest);

/** Whether the stored file of an instance is there with the bytes that came, and that of a large
 * header: all are read. */
MUR_NODISCARD
enum mur_status mur_archive_is_whole(bool *out, struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error);

/** Gives up what was not submitted (nothing of it stays on disk) or waits for what was. */
void mur_ingest_free(struct mur_ingest *ingest);
MUR_DEFINE_AUTO(mur_ingest, mur_ingest_free)

/** Links a stored series to a scan of an ISA-Tab; see archive/isa.h. What is linked so already
 * stays untouched. @param[out] changed  whether anything was linked now */
MUR_NODISCARD
enum mur_status mur_archive_link(bool *changed, struct mur_archive *archive, const char *series,
                                 const struct mur_isa_link *isa, struct mur_error *error);

/** Takes instances out again: rows first, in one transaction, then files; with the last instance of
 * a series its certificate. Those that are not there are passed over. @p why stands in the
 * manifest. */
MUR_NODISCARD
enum mur_status mur_archive_remove(struct mur_archive *archive, const char *const *sop_instances,
                                   size_t count, const char *why, struct mur_error *error);

/** Adds rows of the attributes in options.attributes for what was stored before they were added. In
 * pieces, while others work on the archive. @param[out] headers  that were looked at */
MUR_NODISCARD
enum mur_status mur_archive_reindex_attributes(size_t *headers, struct mur_archive *archive,
                                               const struct mur_progress *progress,
                                               struct mur_error *error);

/* ---- out ----------------------------------------------------------------------------------- */

/** Instances to be sent. */
struct mur_plan {
    struct mur_instance *items;
    size_t count;
};
void mur_plan_free(struct mur_plan *plan); /**< the content; NULL is fine */
#define MUR_AUTO_PLAN __attribute__((cleanup(mur_plan_free)))

/**
 * Lists the instances that a C-MOVE or C-GET identifier names (PS3.4 C.4.2.1.4, C.4.3.1.3): the
 * unique key of @p query->level must have values (UID lists allowed, no wildcards); keys of upper
 * levels narrow it. Sorted by series and instance number.
 * @retval MUR_INVALID  the level's unique key is absent, empty or a wildcard
 */
MUR_NODISCARD
enum mur_status mur_archive_plan(struct mur_plan *out, struct mur_archive *archive,
                                 const struct mur_query *query, struct mur_error *error);

/** Opens the file of an item for reading; the caller closes it.
 * @retval MUR_CORRUPT  missing, or its length is not what was stored */
MUR_NODISCARD
enum mur_status mur_archive_open_item(int *descriptor, struct mur_archive *archive,
                                      const struct mur_instance *item, struct mur_error *error);

/** Where the file of an item lies, for readers that open it themselves.
 * @param[out] out  free()
 * @retval MUR_CORRUPT  as mur_archive_open_item() */
MUR_NODISCARD
enum mur_status mur_archive_item_path(char **out, struct mur_archive *archive,
                                      const struct mur_instance *item, struct mur_error *error);

/** What is stored under a SOP Instance UID. @param[out] found  false: nothing */
MUR_NODISCARD
enum mur_status mur_archive_look_up(bool *found, struct mur_instance *out,
                                    struct mur_archive *archive, const char *sop_instance,
                                    struct mur_error *error);

/* ---- what is there ------------------------------------------------------------------------- */

MUR_NODISCARD
enum mur_status mur_archive_count(struct mur_counts *out, struct mur_archive *archive,
                                  struct mur_error *error);

/** Calls @p each for everything that does not fit together (db/db.h). */
struct mur_conflict;
MUR_NODISCARD
enum mur_status mur_archive_each_conflict(struct mur_archive *archive,
                                          enum mur_status (*each)(void *user,
                                                                  const struct mur_conflict *one,
                                                                  struct mur_error *error),
                                          void *user, struct mur_error *error);

#endif
