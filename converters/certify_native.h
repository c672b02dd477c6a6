/**
 * Proves that DICOM files are stored as they came: the Data Set of each, byte for byte. Group 0002
 * is the storing node's own (PS3.10 7.1). Memory: a piece of a file. Threads: any.
 */
#ifndef MUR_CONVERTERS_CERTIFY_NATIVE_H
#define MUR_CONVERTERS_CERTIFY_NATIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "converters/certificate.h"
#include "core/error.h"

/** A DICOM file. Borrowed. */
struct mur_native_file {
    const char *name;   /**< for the certificate, without path */
    const char *stored; /**< path of the file that the archive has of it */
    uint64_t offset;    /**< of the Data Set in that */
    struct mur_certificate_object
        object; /**< UID; bytes and digest of the original; same_content */
};

/**
 * Reads what is stored, and compares.
 * @param[out] out  empty before; filled also where the verdict is that it failed, which is no
 * error. UIDs of study, series and SOP Class are the caller's to set
 * @retval MUR_NOT_FOUND, MUR_IO, MUR_DENIED  a stored file cannot be read
 */
MUR_NODISCARD
enum mur_status mur_certify_native(struct mur_certificate *out, const struct mur_native_file *files,
                                   size_t count, struct mur_error *error);

#endif
