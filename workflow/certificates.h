/**
 * Certificates of an import (converters/certificate.h): what came in is read again out of the
 * archive before it is kept. What was converted is converted back and compared with the file of the
 * dataset; what was DICOM must be stored byte by byte. They lie in the archive's folder
 * certificates/, one for each series, named after its UID. Threads: one at a time per list.
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

/** A DICOM file that came in as it is. */
struct mur_native {
    char series[MUR_UID_TEXT_SIZE];
    char *path;                           /**< owned */
    struct mur_certificate_object object; /**< UID; what was read of the file; same_content */
    bool is_new;                          /**< it was not stored before */
};
/** Those of a scan, in any order. */
struct mur_native_list {
    struct mur_native *items;
    size_t count, capacity;
};
void mur_native_list_free(struct mur_native_list *list); /**< the content */
/** @param[in] native  copied, but for its path. @param[in] path  copied */
MUR_NODISCARD
enum mur_status mur_native_list_add(struct mur_native_list *list, const struct mur_native *native,
                                    const char *path, struct mur_error *error);
/** Whether a file of that series is among them. */
bool mur_native_list_has(const struct mur_native_list *list, const char *series);

/**
 * Certifies all that is new, or has no certificate yet; all of it must be stored.
 * @param[in,out] natives  sorted
 * @retval MUR_MISMATCH  something is not what it was made of: the message says what and where
 */
MUR_NODISCARD
enum mur_status mur_certificates_make(const struct mur_converted_list *list,
                                      struct mur_native_list *natives, struct mur_archive *archive,
                                      struct mur_error *error);

#endif
