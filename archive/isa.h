/**
 * The ISA-Tab in the archive: its tables are kept as delivered, by version, below isa/; what each
 * scan says answers for the patients, studies and series that are linked to it.
 */
#ifndef MUR_ARCHIVE_ISA_H
#define MUR_ARCHIVE_ISA_H

#include "archive/archive.h"
#include "core/error.h"
#include "db/db.h"
#include "isa/isa.h"
#include "mapping/mapping.h"

/** Rows of the index for the scans of an ISA-Tab, in the order of the list. */
struct mur_isa_rows {
    char *dataset; /**< identifier under which it is known */
    int64_t *scans;
    size_t count;
    size_t added, changed, gone; /**< scans that are new, say something else, are not there now */
    size_t relinked;             /**< late series that belong to another scan now, or to none */
    int64_t version;             /**< in force, from 1 */
    char folder[64];             /**< where its tables are kept, relative to the archive */
    bool new_version;            /**< the tables differ from those that were kept */
};
void mur_isa_rows_free(struct mur_isa_rows *rows); /**< the content; NULL is fine */
#define MUR_AUTO_ISA_ROWS __attribute__((cleanup(mur_isa_rows_free)))

/** Name of an investigation for ever, and of all UIDs that are made for its images, wherever its
 * folder is: its identifier, else that of its first study, else the name of its folder.
 * @param[out] out  malloc'ed */
MUR_NODISCARD
enum mur_status mur_isa_identifier_of(char **out, const struct mur_isa *isa, size_t investigation,
                                      struct mur_error *error);
/** Name of an ISA-Tab that is new: those of its investigations. @param[out] out  malloc'ed */
MUR_NODISCARD
enum mur_status mur_isa_dataset_identifier(char **out, const struct mur_isa *isa,
                                           struct mur_error *error);

/**
 * Reads the tables in @p directory that mur_archive_put_isa() is to take. What is missing or
 * damaged is reported, and the version in force stands in for it: nothing is lost because a file
 * is.
 * @param archive  NULL: none
 * @param dataset  as in struct mur_isa_options
 */
MUR_NODISCARD
enum mur_status mur_archive_read_isa(struct mur_isa **out, struct mur_archive *archive,
                                     const char *dataset, const char *directory,
                                     struct mur_isa_diagnostics *diagnostics,
                                     struct mur_error *error);

/** One thing that a new version of an ISA-Tab says otherwise. Texts are borrowed for the call. */
struct mur_isa_change {
    enum { MUR_ISA_SCAN_NEW, MUR_ISA_SCAN_GONE, MUR_ISA_SCAN_CHANGED } kind;
    const char *study, *source, *assay_file, *assay;
    /* Of MUR_ISA_SCAN_CHANGED, a call for each attribute: */
    const char *attribute;    /**< "characteristic:Age", or a keyword that follows from others */
    const char *before, *now; /**< "" where it has none; several values separated by "; " */
    bool of_subject;          /**< said of the animal: told once for each of its scans */
};

struct mur_isa_options {
    const char *dataset; /**< of which it is a new version; NULL: as the tables or the folder say */
    bool dry_run;        /**< all is tried and taken back */
    enum mur_status (*on_change)(void *user, const struct mur_isa_change *change,
                                 struct mur_error *error); /**< may be NULL */
    void *user;
};

/**
 * Takes an ISA-Tab, or a new version of it, in one transaction: what is linked to a scan whose row
 * has changed answers with the new values at once, what is linked to one that is gone by its
 * header. Late series find their scans by the rules of the archive's options. Objects are not
 * touched. The same tables again change nothing, but for links by changed rules.
 */
MUR_NODISCARD
enum mur_status mur_archive_put_isa(struct mur_isa_rows *out, struct mur_archive *archive,
                                    const struct mur_isa *isa, const struct mur_scan_list *scans,
                                    const struct mur_isa_options *options, struct mur_error *error);

/** Versions that were applied, dataset by dataset. */
MUR_NODISCARD
enum mur_status mur_archive_each_isa_version(
    struct mur_archive *archive,
    enum mur_status (*each)(void *user, const struct mur_isa_version *one, struct mur_error *error),
    void *user, struct mur_error *error);

/** A place where header and tables disagree. Texts are borrowed for the call. */
struct mur_isa_conflict {
    const char *series_uid, *study, *source, *assay;
    const char *attribute; /**< keyword, or a tag */
    const char *header, *tables;
    bool tables_answer; /**< what queries are answered with */
};
/** Calls @p each for all of them, in the order of study, subject, scan, its image before its
 * outlines, and attribute; by the first instance of each linked series. Numbers are the same within
 * 1 % for voxel sizes, else exactly. */
MUR_NODISCARD
enum mur_status mur_archive_each_isa_conflict(
    struct mur_archive *archive,
    enum mur_status (*each)(void *user, const struct mur_isa_conflict *one,
                            struct mur_error *error),
    void *user, struct mur_error *error);

/* ---- links ----------------------------------------------------------------------------------- */

/** Series without a scan, scans without a series. */
struct mur_loose_functions {
    /** @param rule  that knows several scans for it, or ""; @param candidates  STUDY/ASSAY of
     * these, separated by ", " */
    enum mur_status (*series)(void *user, const struct mur_loose_series *one, const char *rule,
                              const char *candidates, struct mur_error *error);
    mur_isa_scan_function *scan;
};
MUR_NODISCARD
enum mur_status mur_archive_each_loose(struct mur_archive *archive,
                                       const struct mur_loose_functions *functions, void *user,
                                       struct mur_error *error);

struct mur_link_outcome {
    bool changed;
    bool to_rules; /**< taken back: rules decide again. Else it has no scan from now on */
};
/**
 * Links a series by hand: that outlives new tables and reindex.
 * @param scan  its name: ASSAY, STUDY/ASSAY, STUDY/FILE/ASSAY or DATASET/STUDY/FILE/ASSAY. NULL: a
 *        link by hand is taken back; one by rules or tables is cut, by hand
 * @retval MUR_NOT_FOUND  no such series or scan; MUR_INVALID  several scans of that name
 */
MUR_NODISCARD
enum mur_status mur_archive_link_by_hand(struct mur_link_outcome *out, struct mur_archive *archive,
                                         const char *series, const char *scan,
                                         struct mur_error *error);

#endif
