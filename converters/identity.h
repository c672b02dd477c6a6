/**
 * UIDs made from what things are, never from time or place (conversion.md 3.6): the same input
 * gives the same UIDs forever, other content or other options give others. Each is "2.25." and a
 * version 5 UUID of the parts named. Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_IDENTITY_H
#define MUR_CONVERTERS_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "dicom/uid.h"

/** Part of every key below the study: raised when the converters write other bytes than before. */
#define MUR_CONVERTER_FORMAT "1"

/** @param dataset  DOI or name of the dataset; @param study  ISA study identifier */
MUR_NODISCARD
enum mur_status mur_identity_study(char out[MUR_UID_TEXT_SIZE], const char *dataset,
                                   const char *study, const char *subject, const char *session,
                                   struct mur_error *error);
/** @param content  SHA-256 of what is converted, hexadecimal; @param options  as text */
MUR_NODISCARD
enum mur_status mur_identity_series(char out[MUR_UID_TEXT_SIZE], const char *study,
                                    const char *content, const char *options,
                                    struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_identity_instance(char out[MUR_UID_TEXT_SIZE], const char *series,
                                      uint32_t volume, uint32_t slice, struct mur_error *error);
/** @param grid  what volumes that share a space share: a name, or a description of the grid */
MUR_NODISCARD
enum mur_status mur_identity_frame_of_reference(char out[MUR_UID_TEXT_SIZE], const char *study,
                                                const char *grid, struct mur_error *error);
/** Tracking UID: the same organ of the same animal over all sessions. */
MUR_NODISCARD
enum mur_status mur_identity_tracking(char out[MUR_UID_TEXT_SIZE], const char *study,
                                      const char *subject, const char *organ,
                                      struct mur_error *error);
/** Any other: @p kind keeps keys of different things apart. */
MUR_NODISCARD
enum mur_status mur_identity_of(char out[MUR_UID_TEXT_SIZE], const char *kind,
                                const char *const *parts, size_t count, struct mur_error *error);

#endif
