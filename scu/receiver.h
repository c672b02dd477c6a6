/**
 * Objects that come in by C-STORE, for C-GET and C-MOVE: each becomes one file in a folder, written
 * as its pieces come and put in place under its name when it is whole. Files are named by us: after
 * the SOP Instance UID where that is nothing but digits and dots, else by number; nothing that a
 * peer says becomes a path.
 *
 * What is refused, and how it is answered:
 *   0117 (Invalid SOP Instance)  the Data Set has another SOP Instance UID than was announced
 *   0124 (Not Authorized)        an object that was not asked for
 *   0111 (Duplicate)             a file of that name holds something else, and may not be replaced
 *   A700 (Out of Resources)      beyond a limit, or it cannot be written
 *   A900                         no UIDs, or a context for another SOP Class
 *
 * Threads: any for one receiver; one at a time per association.
 */
#ifndef MUR_SCU_RECEIVER_H
#define MUR_SCU_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/association.h"
#include "dicom/command.h"
#include "dicom/data_set.h"

struct mur_receiver;

enum {
    MUR_RECEIVER_OBJECTS = 10000000, /**< default of count_limit */
    MUR_RECEIVER_ROOM = 256 << 20,   /**< of room */
};
#define MUR_RECEIVER_BYTES ((uint64_t)64 << 30) /**< of object_limit */

/** One object, as it came. Borrowed for the call. */
struct mur_received {
    const char *path; /**< of the file; NULL when there is none */
    bool existed;     /**< the file was there, with the same Data Set */
    const char *sop_class, *sop_instance, *transfer_syntax;
    uint64_t bytes;     /**< of the Data Set */
    uint16_t status;    /**< what we answered */
    const char *reason; /**< why it was refused, or "" */
};

/** May be called from several threads at once when there are several associations. */
typedef void mur_received_callback(void *user, const struct mur_received *received);

struct mur_receiver_options {
    const char *folder;        /**< made if it is not there */
    bool overwrite;            /**< replace files of the same name with another content */
    uint64_t object_limit;     /**< bytes of a Data Set; 0 = MUR_RECEIVER_BYTES */
    uint64_t count_limit;      /**< objects; 0 = MUR_RECEIVER_OBJECTS */
    uint64_t room;             /**< bytes of the file system that stay free */
    struct mur_dataset *asked; /**< of the retrieval: what it does not ask for is refused; NULL: all
                                    is taken. Not needed after the call */
    mur_received_callback *on_object; /**< NULL if nobody wants to know */
    void *user;
};

/** @retval MUR_DENIED, MUR_IO, MUR_NO_SPACE  the folder cannot be written to */
MUR_NODISCARD
enum mur_status mur_receiver_create(struct mur_receiver **out,
                                    const struct mur_receiver_options *options,
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

/** Objects that became files, or were there as they came. */
uint64_t mur_receiver_count(const struct mur_receiver *receiver);
/** Whether nothing more can be taken, for want of room or by count_limit: let the peer stop. */
bool mur_receiver_is_full(const struct mur_receiver *receiver);
/** What went wrong first with a file of ours; MUR_OK if nothing did. @return its status */
enum mur_status mur_receiver_failure(const struct mur_receiver *receiver, struct mur_error *error);

#endif
