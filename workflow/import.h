/**
 * Import of a whole dataset: its ISA-Tab, the images and outlines that it names. NIfTI volumes are
 * converted, DICOM files keep their Data Sets byte by byte; every object is linked to its scan.
 *
 * One scan comes in whole or not at all, and a bad one never stops the others. UIDs are made from
 * content, so a second import changes nothing. Threads: call from one; it uses as many as told.
 */
#ifndef MUR_WORKFLOW_IMPORT_H
#define MUR_WORKFLOW_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "core/progress.h"
#include "dicom/uid.h"
#include "isa/diagnostic.h"
#include "mapping/mapping.h"

enum mur_import_status {
    MUR_IMPORTED,         /**< something of it is new */
    MUR_IMPORT_UNCHANGED, /**< all of it was there */
    MUR_IMPORT_FAILED,    /**< nothing of it is in the archive that was not there before */
};
const char *mur_import_status_name(enum mur_import_status status); /**< "imported", ... */

/** One series that came of a scan. */
struct mur_import_series {
    char series_instance[MUR_UID_TEXT_SIZE];
    char study_instance[MUR_UID_TEXT_SIZE];
    bool segmentation;
    bool certified; /**< converted, and proven to be the same (certificates.h) */
    uint32_t instances;
    uint32_t segments; /**< of a segmentation */
};

/** So many reasons are kept of one scan: a folder may hold many files. */
enum { MUR_IMPORT_REASONS = 10000 };

/** What became of one scan. Texts of the scan are borrowed for the call. */
struct mur_import_result {
    const struct mur_scan *scan;
    const char *image; /**< path as the table has it */
    enum mur_import_status status;
    struct mur_import_series *series;
    size_t series_count;
    char **reasons; /**< why it failed; or warnings. Files by their paths in the dataset */
    size_t reason_count;
    size_t reasons_dropped; /**< what was beyond MUR_IMPORT_REASONS */
};

struct mur_import_options {
    const char *directory; /**< of the dataset */
    const struct mur_mapping *mapping;
    bool dry_run;     /**< look at everything, write nothing; the archive may be NULL */
    unsigned threads; /**< 0 = one a core */
    struct mur_progress progress;
    /** Called once a scan, as they are done, never by two threads at a time. */
    void (*on_scan)(void *user, const struct mur_import_result *result);
    void *user;
    const bool *cancelled; /**< when it becomes true, no new scan is begun; may be NULL */
};

struct mur_import_summary {
    size_t imported, unchanged, failed;
    uint64_t instances;   /**< new ones */
    bool new_isa_version; /**< the tables are new or changed */
    size_t isa_scans_changed;
};

/**
 * Imports a dataset.
 * @param diagnostics  takes what is wrong in the tables
 * @retval MUR_NOT_FOUND  no such folder, or no ISA-Tab in it: the message says what to do
 * @retval others  nothing could be imported; a scan's failure is no failure of the import
 */
MUR_NODISCARD
enum mur_status mur_import(struct mur_import_summary *out, struct mur_archive *archive,
                           const struct mur_import_options *options,
                           struct mur_isa_diagnostics *diagnostics, struct mur_error *error);

/** What became of one file of a plain DICOM tree. */
struct mur_import_file {
    const char *path;
    enum mur_import_status status;
    const char *reason; /**< of a failure, else "" */
};

struct mur_import_tree_options {
    const char *directory;
    const char *shown; /**< what it is called in reports and the manifest, as the ZIP file that it
                            came out of; NULL: as it is */
    bool dry_run;
    unsigned threads;
    struct mur_progress progress;
    void (*on_file)(void *user, const struct mur_import_file *file); /**< as on_scan */
    void *user;
    const bool *cancelled;
};

/** Imports all DICOM files beneath a folder, without an ISA-Tab; files that are not DICOM are
 * passed over. @retval MUR_NOT_FOUND  no such folder, or no DICOM file in it */
MUR_NODISCARD
enum mur_status mur_import_tree(struct mur_import_summary *out, struct mur_archive *archive,
                                const struct mur_import_tree_options *options,
                                struct mur_error *error);

#endif
