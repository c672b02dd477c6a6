/**
 * Unique Identifiers (PS3.5 Chapter 9). Pure functions: any thread.
 */
#ifndef MUR_DICOM_UID_H
#define MUR_DICOM_UID_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/text.h"

enum {
    MUR_UID_LENGTH = 64,                    /**< longest UID */
    MUR_UID_TEXT_SIZE = MUR_UID_LENGTH + 1, /**< with NUL */
};

/** Of Murpacs, in group 0002 and in association negotiation (PS3.7 D.3.3.2). */
#define MUR_IMPLEMENTATION_CLASS_UID "2.25.12753414464150133653816983605466407156"
#define MUR_IMPLEMENTATION_VERSION_NAME "MURPACS_010"

/** PS3.5 9.1: 1 to 64 characters, components of digits joined by dots, no leading zeros. */
bool mur_uid_valid(struct mur_slice uid);
/** What the world sends all the same: digits and dots, 1 to 64, beginning and ending with a digit;
 * leading zeros and empty components pass. Never more than that: a UID may become a file name. */
bool mur_uid_acceptable(struct mur_slice uid);
/** Cuts trailing NUL and blanks. */
struct mur_slice mur_uid_trim(struct mur_slice uid);

/** A namespace for mur_uid_from_name(), and the one of this program. */
struct mur_uid_namespace {
    unsigned char bytes[16];
};
extern const struct mur_uid_namespace mur_uid_murpacs;

/** "2.25." and the decimal of the UUID version 5 of a name (PS3.5 B.2, RFC 4122 4.3): the same name
 * always gives the same UID, of at most 44 characters. */
MUR_NODISCARD
enum mur_status mur_uid_from_name(char out[MUR_UID_TEXT_SIZE],
                                  const struct mur_uid_namespace *space, struct mur_slice name,
                                  struct mur_error *error);

#endif
