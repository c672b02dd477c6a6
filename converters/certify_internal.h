/** Shared by certify.c, certify_image.c and certify_labels.c; nobody else includes it. */
#ifndef MUR_CONVERTERS_CERTIFY_INTERNAL_H
#define MUR_CONVERTERS_CERTIFY_INTERNAL_H

#include "converters/certify.h"
#include "converters/geometry.h"
#include "converters/nifti.h"

struct mur_certify_job {
    const char *const *plain; /**< NIfTI file, or label maps */
    size_t plain_count;
    const char *const *dicom; /**< files and folders */
    size_t dicom_count;
    const struct mur_certify_options *options;
    struct mur_certificate *out; /**< begins as passed */
    struct mur_warnings *warnings;
};

/** MUR_CANCELLED once the caller wants an end; else tells how far it is. */
MUR_NODISCARD
enum mur_status mur_certify_go_on(const struct mur_certify_job *job, uint64_t done, uint64_t total,
                                  struct mur_error *error);

/** Ways in which a conversion may have been told to understand a header. */
enum { MUR_CERTIFY_WAYS = 4 };
extern const struct mur_orientation_options mur_certify_ways[MUR_CERTIFY_WAYS];

/** Turns an error of the converted side into a failure of the certificate.
 * @return MUR_OK, or an error that is no finding: memory, cancelled */
MUR_NODISCARD
enum mur_status mur_certify_finding(const struct mur_certify_job *job, bool converted,
                                    struct mur_error *error);

MUR_NODISCARD
enum mur_status mur_certify_image(const struct mur_certify_job *job, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_certify_labels(const struct mur_certify_job *job, struct mur_error *error);

#endif
