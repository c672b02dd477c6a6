/**
 * Where the certificates of what an import converted lie: certificates/SERIES_UID.json in the
 * archive's folder (workflow/certificates.h makes them). They go with their series.
 */
#ifndef MUR_ARCHIVE_CERTIFICATES_H
#define MUR_ARCHIVE_CERTIFICATES_H

#include "archive/archive.h"

#define MUR_CERTIFICATE_FOLDER "certificates"
#define MUR_CERTIFICATE_SUFFIX ".json"

/** @param[out] out  path of the certificate of a series, whether there is one or not; free() */
MUR_NODISCARD
enum mur_status mur_archive_certificate_path(char **out, const struct mur_archive *archive,
                                             const char *series, struct mur_error *error);

/** Removes those of series of which nothing is stored any more. One that cannot be removed stays:
 * verify names it. */
void mur_certificates_tidy(struct mur_archive *archive, char (*series)[MUR_UID_TEXT_SIZE],
                           size_t count);

#endif
