/**
 * Storage commitment (PS3.4 Annex J): what peers asked us to be responsible for. A request is a row
 * of the index until its answer was delivered, so that it outlives a restart; the answer itself is
 * made when it is sent, from index and files.
 */
#ifndef MUR_ARCHIVE_COMMITMENT_H
#define MUR_ARCHIVE_COMMITMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "core/error.h"
#include "dicom/uid.h"

enum { MUR_REFERENCES = 65536 }; /**< in one transaction */

/** Failure Reason (0008,1197), PS3.3 C.14.1.1. */
enum {
    MUR_REFERENCE_KEPT = 0,
    MUR_REFERENCE_PROCESSING_FAILURE = 0x0110, /**< damaged, or it cannot be read */
    MUR_REFERENCE_NO_SUCH_OBJECT = 0x0112,
    MUR_REFERENCE_CLASS_CONFLICT = 0x0119,
};

struct mur_reference {
    char sop_class[MUR_UID_TEXT_SIZE], sop_instance[MUR_UID_TEXT_SIZE];
    uint16_t failure;
};

struct mur_commitment {
    int64_t id; /**< row */
    char transaction_uid[MUR_UID_TEXT_SIZE];
    char peer[17]; /**< AE title that asked, and that is told */
    struct mur_reference *references;
    size_t count;
    int64_t requested_us, next_try_us;
    unsigned attempts; /**< to tell it, that failed */
};
void mur_commitment_free(struct mur_commitment *commitment); /**< the content; NULL is fine */
#define MUR_AUTO_COMMITMENT __attribute__((cleanup(mur_commitment_free)))

/** Adds a reference. @retval MUR_LIMIT  MUR_REFERENCES are there */
MUR_NODISCARD
enum mur_status mur_commitment_add(struct mur_commitment *commitment, const char *sop_class,
                                   const char *sop_instance, struct mur_error *error);

/* Threads of these: any. */

/** Takes a request: from now on the peer will be told, whatever happens. The same transaction again
 * takes the place of the first. */
MUR_NODISCARD
enum mur_status mur_archive_take_commitment(struct mur_archive *archive,
                                            const struct mur_commitment *commitment,
                                            struct mur_error *error);
/** The one to be told next, now or later: see next_try_us. @param[out] found  there is one */
MUR_NODISCARD
enum mur_status mur_archive_next_commitment(bool *found, struct mur_commitment *out,
                                            struct mur_archive *archive, struct mur_error *error);
/** Looks at each reference's row, file and digest, and marks those that are as they came: they are
 * not deleted without force from now on. Reads every byte. @param stop  asked before each; true
 * ends it with MUR_CANCELLED; may be NULL */
MUR_NODISCARD
enum mur_status mur_archive_commit(struct mur_commitment *commitment, struct mur_archive *archive,
                                   bool (*stop)(void *user), void *user, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_archive_commitment_told(struct mur_archive *archive, int64_t id,
                                            struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_archive_commitment_later(struct mur_archive *archive, int64_t id,
                                             int64_t next_try_us, struct mur_error *error);
/** After a restart: all are tried at once. */
MUR_NODISCARD
enum mur_status mur_archive_hasten_commitments(struct mur_archive *archive,
                                               struct mur_error *error);
/** Whether a peer was told that we keep this instance. */
MUR_NODISCARD
enum mur_status mur_archive_is_committed(bool *committed, struct mur_archive *archive,
                                         const char *sop_instance, struct mur_error *error);

#endif
