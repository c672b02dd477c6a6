/**
 * Certificates of an import (converters/certificate.h): what was converted is read again out of the
 * archive, converted back and compared with the file of the dataset, before it is kept. They lie in
 * the archive's folder certificates/, one for each series that was made, named after its UID.
 * Threads: one at a time per list.
 */
#ifndef MUR_WORKFLOW_CERTIFICATES_H
#define MUR_WORKFLOW_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/archive.h"
#include "converters/certify.h"
#include "core/error.h"

/** A series that was made of files of the dataset. Everything is borrowed. */
struct mur_made_series {
    const char *const *sources; /**< the files */
    size_t source_count;
    const char *const *instances; /**< SOP Instance UIDs */
    size_t instance_count;
    const char *series; /**< Series Instance UID */
    const char *voxels; /**< digest, as mur_certify_options.voxels; NULL: not known */
    const struct mur_certify_segment *segments; /**< of a segmentation; else NULL */
    size_t segment_count;
};

struct mur_converted;
/** All that a scan was converted to. */
struct mur_converted_list {
    struct mur_converted *items;
    size_t count;
};
void mur_converted_list_free(struct mur_converted_list *list); /**< the content */
/** Copies all of it.
 * @param[in] shown   path in the dataset, for messages
 * @param[in] is_new  something of it was not stored before */
MUR_NODISCARD
enum mur_status mur_converted_list_add(struct mur_converted_list *list,
                                       const struct mur_made_series *made, const char *shown,
                                       bool is_new, struct mur_error *error);

/** Whether a series is one of them. */
bool mur_converted_list_has(const struct mur_converted_list *list, const char *series);

/**
 * Certifies all that is new, or has no certificate yet; all of it must be stored.
 * @retval MUR_MISMATCH  something is not what it was made of: the message says what and where
 */
MUR_NODISCARD
enum mur_status mur_certificates_make(const struct mur_converted_list *list,
                                      struct mur_archive *archive, struct mur_error *error);

#endif
