/**
 * DIMSE messages over an association: a command set, and perhaps a Data Set (PS3.7 6.3.1, Annex F).
 * What breaks the protocol aborts the association. Threads: as for the association.
 */
#ifndef MUR_DICOM_MESSAGE_H
#define MUR_DICOM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "dicom/association.h"
#include "dicom/command.h"

/**
 * Reads one whole command set.
 * @param[out] context_id  an accepted presentation context, the one its Data Set will come in
 * @retval MUR_CLOSED, MUR_CANCELLED  as mur_association_read_pdv()
 * @retval MUR_TIMEOUT  the association was not aborted: nobody may have wanted to say anything
 * @retval MUR_PARSE, MUR_LIMIT  the association was aborted
 */
MUR_NODISCARD
enum mur_status mur_message_read_command(struct mur_command *out, uint8_t *context_id,
                                         struct mur_association *association, int timeout_ms,
                                         struct mur_error *error);

/** Takes a piece of a Data Set; bytes are borrowed for the call. An error makes the reader read on
 * to the end, calling no more. Must not longjmp. */
typedef enum mur_status (*mur_data_sink)(void *user, const uint8_t *data, size_t length,
                                         struct mur_error *error);

/**
 * Reads the Data Set that follows a command, handing on each PDV as it comes.
 * @param[out] sink_status  what the sink returned last; @p error then tells of it while the
 * function itself returns MUR_OK: the association is fine
 * @param timeout_ms        for each PDV
 * @return MUR_OK when the Data Set was read to its end; else the association is over
 */
MUR_NODISCARD
enum mur_status mur_message_read_data(enum mur_status *sink_status,
                                      struct mur_association *association, uint8_t context_id,
                                      mur_data_sink sink, void *user, int timeout_ms,
                                      struct mur_error *error);

/** Reads a small Data Set (an identifier) into memory. @param[out] too_long  it exceeded @p limit;
 * it was read to its end and @p out is empty */
MUR_NODISCARD
enum mur_status mur_message_read_identifier(struct mur_buffer *out, bool *too_long,
                                            struct mur_association *association, uint8_t context_id,
                                            size_t limit, int timeout_ms, struct mur_error *error);

/** Writes a command and its Data Set (@p data NULL for none; sets has_data_set accordingly) at
 * once. */
MUR_NODISCARD
enum mur_status mur_message_write(struct mur_association *association, uint8_t context_id,
                                  struct mur_command *command, const void *data, size_t length,
                                  int timeout_ms, struct mur_error *error);

/**
 * Many responses in few system calls. Gather with mur_batch_add(), which writes when size_limit
 * bytes came together; end with mur_batch_flush(). What was not flushed is lost with the batch.
 */
struct mur_batch;
enum { MUR_BATCH_SIZE = 65536 };
MUR_NODISCARD
enum mur_status mur_batch_create(struct mur_batch **out, struct mur_association *association,
                                 size_t size_limit, int timeout_ms, struct mur_error *error);
void mur_batch_free(struct mur_batch *batch);
MUR_DEFINE_AUTO(mur_batch, mur_batch_free)
/** Copies command and Data Set. @param[out] flushed  whether bytes went out: a good moment to look
 * for a C-CANCEL; may be NULL */
MUR_NODISCARD
enum mur_status mur_batch_add(struct mur_batch *batch, uint8_t context_id,
                              struct mur_command *command, const void *data, size_t length,
                              bool *flushed, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_batch_flush(struct mur_batch *batch, struct mur_error *error);

/**
 * Looks without waiting for a C-CANCEL-RQ of the operation under way (PS3.7 9.3.2.3).
 * @param[out] cancelled  set to true when it came, else untouched; C-CANCELs of other messages are
 *                        passed over
 * @return other than MUR_OK: the association is over (any other command now is a breach: no
 *         asynchronous operations were negotiated)
 */
MUR_NODISCARD
enum mur_status mur_message_poll_cancel(bool *cancelled, struct mur_association *association,
                                        uint16_t message_id, struct mur_error *error);

#endif
