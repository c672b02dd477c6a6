/** What the files of the import share. */
#ifndef MUR_WORKFLOW_INTERNAL_H
#define MUR_WORKFLOW_INTERNAL_H

#include "archive/isa.h"
#include "converters/dicom_series.h"
#include "workflow/import.h"
#include "workflow/intake.h"
#include "workflow/session.h"

/** What is the same for all scans of an import. */
struct mur_import_job {
    struct mur_archive *archive; /**< NULL in a dry run */
    const char *root;
    const struct mur_mapping *mapping;
    const struct mur_sessions *sessions;
    const struct mur_isa_rows *rows; /**< scans as in the list; NULL in a dry run */
    const struct mur_scan_list *scans;
};

/** One scan: image, then segmentations; all of it or nothing. @param[out] result  empty before;
 * freed by mur_import_result_free() @param[out] new_instances  stored now */
void mur_import_scan(struct mur_import_result *result, uint64_t *new_instances,
                     const struct mur_import_job *job, size_t index);
void mur_import_result_free(struct mur_import_result *result);
/** Adds a reason, unless it is there already. Where it names a file of the dataset by the dataset's
 * folder and path, the path alone is kept. What is beyond MUR_IMPORT_REASONS is only counted. */
void mur_import_reason(struct mur_import_result *result, const struct mur_import_job *job,
                       const char *format, ...) MUR_PRINTF(3, 4);
/** Puts the file's path in the dataset before a message that does not begin with it already, be it
 * with or without the dataset's folder. @return the error's status */
enum mur_status mur_import_blame(struct mur_error *error, const struct mur_import_job *job,
                                 const char *file);

/** Makes the segmentations of a scan on its image. */
MUR_NODISCARD
enum mur_status mur_import_segmentations(
    struct mur_import_result *result, struct mur_intake *intake, const struct mur_import_job *job,
    const struct mur_scan *scan, const struct mur_source_series *image, struct mur_error *error);

/** Whether a file begins as a DICOM file does (PS3.10 7.1). */
bool mur_is_dicom_file(const char *path);

/** Runs @p work(user, i) for i from 0 to count on several threads (0 = one a core), the caller's
 * among them: where the system gives fewer it only takes longer. */
void mur_parallel(size_t count, unsigned threads, void (*work)(void *user, size_t index),
                  void *user);

#endif
