/**
 * The way of one scan's objects into the archive: what is stored already is only compared; the rest
 * goes through ingests, many under way at once; after a failure all that was new is taken out
 * again. Threads: one at a time.
 */
#ifndef MUR_WORKFLOW_INTAKE_H
#define MUR_WORKFLOW_INTAKE_H

#include "archive/archive.h"
#include "converters/output.h"
#include "workflow/certificates.h"
#include "workflow/import.h"

struct mur_intake;

/** @param archive  NULL: everything is looked at and counted, nothing stored
 * @param isa  link of the scan, or NULL; borrowed */
MUR_NODISCARD
enum mur_status mur_intake_create(struct mur_intake **out, struct mur_archive *archive,
                                  const struct mur_isa_link *isa, struct mur_error *error);
void mur_intake_free(struct mur_intake *intake); /**< takes out what was not committed */
MUR_DEFINE_AUTO(mur_intake, mur_intake_free)

/** From now on objects are of this kind and come from this file; borrowed until the next call. */
void mur_intake_source(struct mur_intake *intake, const char *path, bool segmentation);

/** Where converters put what they make. */
struct mur_output mur_intake_output(struct mur_intake *intake);

/** What the source was converted to: to be proven before it is kept. Everything is copied. */
MUR_NODISCARD
enum mur_status mur_intake_made(struct mur_intake *intake, const struct mur_made_series *made,
                                struct mur_error *error);

/** One DICOM file, its Data Set as it is. @retval MUR_PARSE not DICOM, or damaged */
MUR_NODISCARD
enum mur_status mur_intake_file(struct mur_intake *intake, const char *path,
                                struct mur_error *error);

/** Waits for all that is under way, and certifies what was converted (certificates.h). */
MUR_NODISCARD
enum mur_status mur_intake_certify(struct mur_intake *intake, struct mur_error *error);

/** Waits for all that is under way, links what was there already, and keeps it.
 * @param[out] new_instances  that were not stored before */
MUR_NODISCARD
enum mur_status mur_intake_commit(struct mur_intake *intake, uint64_t *new_instances,
                                  bool *link_changed, struct mur_error *error);

/** Series seen so far; borrowed. */
const struct mur_import_series *mur_intake_series(const struct mur_intake *intake, size_t *count);
/** Number of segments of the segmentation that was just written. */
void mur_intake_set_segments(struct mur_intake *intake, uint32_t segments);

#endif
