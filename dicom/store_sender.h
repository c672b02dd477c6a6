/**
 * C-STORE as SCU with the Data Set's bytes as they are: no parsing, no re-encoding. Used by C-MOVE
 * and C-GET sub-operations and by clients. Threads: as for the association.
 */
#ifndef MUR_DICOM_STORE_SENDER_H
#define MUR_DICOM_STORE_SENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"
#include "dicom/association.h"
#include "dicom/command.h"

struct mur_store_source {
    int fd;           /**< an open file (pread is used), or -1 for memory */
    const void *data; /**< memory, when fd is -1 */
    uint64_t offset;  /**< where the Data Set begins in the file or memory */
    uint64_t length;  /**< of the Data Set; must be there, or MUR_CORRUPT */
    bool deflated;    /**< it gets a NUL at its end if its length is odd (PS3.5 A.5) */
};

struct mur_store_operation {
    uint8_t context_id;
    uint16_t message_id;
    uint16_t priority;
    const char *sop_class_uid;
    const char *sop_instance_uid;
    const char *move_originator_ae_title; /**< NULL outside C-MOVE */
    uint16_t move_originator_message_id;
    uint16_t cancel_message_id; /**< a C-CANCEL-RQ of this id may come while we wait (C-GET) ... */
    bool *cancelled;            /**< ... and sets this; NULL: none expected */
    int timeout_ms;             /**< for writing each piece, and for the response */
};

struct mur_store_sender;

/** Holds the memory that sending needs, for many instances over one association.
 * @param association  borrowed until mur_store_sender_free() */
MUR_NODISCARD
enum mur_status mur_store_sender_create(struct mur_store_sender **out,
                                        struct mur_association *association,
                                        struct mur_error *error);
void mur_store_sender_free(struct mur_store_sender *sender);
MUR_DEFINE_AUTO(mur_store_sender, mur_store_sender_free)

/**
 * Sends one instance and waits for the answer.
 * @param[out] response  the C-STORE-RSP; its status is the peer's judgement
 * @retval MUR_OK       there is a response
 * @retval MUR_CORRUPT, MUR_IO  the file is shorter than told or unreadable. When nothing was sent
 *         yet the association is still up, else it had to be aborted: see mur_association_end()
 * @retval others       the association is over
 */
MUR_NODISCARD
enum mur_status mur_store_send(struct mur_command *response, struct mur_store_sender *sender,
                               const struct mur_store_operation *operation,
                               const struct mur_store_source *source, struct mur_error *error);

#endif
