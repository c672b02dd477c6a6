/**
 * Objects that come in by C-STORE, for C-GET and C-MOVE: each becomes one file in a folder, written
 * as its pieces come and put in place by rename when it is whole. Files are named by us: after the
 * SOP Instance UID where that is nothing but digits and dots, else by number; nothing that a peer
 * says becomes a path.
 * Threads: any for one receiver; one at a time per association.
 */
#ifndef MUR_SCU_RECEIVER_H
#define MUR_SCU_RECEIVER_H

#include <limits.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/association.h"
#include "dicom/command.h"

struct mur_receiver;

/** One object, as it came. Borrowed for the call. */
struct mur_received {
    const char *path; /**< of the file; NULL when there is none */
    const char *sop_class, *sop_instance, *transfer_syntax;
    uint64_t bytes;     /**< of the Data Set */
    uint16_t status;    /**< what we answered */
    const char *reason; /**< why it was refused, or "" */
};

/** May be called from several threads at once when there are several associations. */
typedef void mur_received_callback(void *user, const struct mur_received *received);

/** @param[in] folder  made if it is not there. @param on_object  NULL if nobody wants to know
 * @retval MUR_DENIED, MUR_IO, MUR_NO_SPACE  it cannot be written to */
MUR_NODISCARD
enum mur_status mur_receiver_create(struct mur_receiver **out, const char *folder,
                                    mur_received_callback *on_object, void *user,
                                    struct mur_error *error);
void mur_receiver_free(struct mur_receiver *receiver);
MUR_DEFINE_AUTO(mur_receiver, mur_receiver_free)

/**
 * Reads the Data Set that follows a C-STORE-RQ, and answers it.
 * @param[in] source_ae  AE title of the peer, for the file's head
 * @return other than MUR_OK: the association is over; no file is left of this object
 */
MUR_NODISCARD
enum mur_status mur_receiver_take(struct mur_receiver *receiver,
                                  struct mur_association *association, uint8_t context_id,
                                  const struct mur_command *request, const char *source_ae,
                                  int timeout_ms, struct mur_error *error);

/** Objects that became files. */
uint64_t mur_receiver_count(const struct mur_receiver *receiver);
/** What went wrong first with a file of ours; MUR_OK if nothing did. @return its status */
enum mur_status mur_receiver_failure(const struct mur_receiver *receiver, struct mur_error *error);

#endif
