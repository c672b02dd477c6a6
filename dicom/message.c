#include "dicom/message.h"

#include <stdlib.h>

#include "dicom/association_internal.h"

/* Ends what cannot go on. */
static enum mur_status give_up(struct mur_association *association, enum mur_status status)
{
    if (mur_association_end(association) == MUR_END_NONE)
        mur_association_abort(association);
    return status;
}

static enum mur_status breach(struct mur_association *association, struct mur_error *error,
                              const char *what)
{
    return give_up(association, mur_error_set(error, MUR_PARSE, "protocol error: %s", what));
}

/* ---- reading ---- */

enum mur_status mur_message_read_command(struct mur_command *out, uint8_t *context_id,
                                         struct mur_association *association, int timeout_ms,
                                         struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer gathered = MUR_BUFFER_INIT;
    gathered.limit = MUR_COMMAND_LIMIT;
    struct mur_pdv pdv;
    enum mur_status status = mur_association_read_pdv(&pdv, association, timeout_ms, error);
    if (status != MUR_OK)
        return status;
    uint8_t id = pdv.context_id;
    while (!pdv.is_last || gathered.length > 0) {
        if (!pdv.is_command || pdv.context_id != id)
            return breach(association, error, "a command set was interrupted");
        status = mur_buffer_append(&gathered, pdv.data, pdv.length, error);
        if (status != MUR_OK)
            return give_up(association, status);
        if (pdv.is_last)
            break;
        status = mur_association_read_pdv(&pdv, association, timeout_ms, error);
        if (status != MUR_OK)
            return give_up(association, status);
    }
    if (!pdv.is_command)
        return breach(association, error, "a Data Set without command");
    /* Nearly every command set comes in one piece and needs no copy. */
    const uint8_t *bytes = gathered.length > 0 ? (const uint8_t *)gathered.data : pdv.data;
    size_t length = gathered.length > 0 ? gathered.length : pdv.length;
    struct mur_command command;
    status = mur_command_decode(&command, bytes, length, error);
    if (status != MUR_OK)
        return give_up(association, status);
    *out = command;
    *context_id = id;
    return MUR_OK;
}

enum mur_status mur_message_read_data(enum mur_status *sink_status,
                                      struct mur_association *association, uint8_t context_id,
                                      mur_data_sink sink, void *user, int timeout_ms,
                                      struct mur_error *error)
{
    enum mur_status sunk = MUR_OK;
    struct mur_error network = MUR_ERROR_INIT;
    struct mur_pdv pdv = {.is_last = false};
    while (!pdv.is_last) {
        enum mur_status status = mur_association_read_pdv(&pdv, association, timeout_ms, &network);
        if (status == MUR_OK && (pdv.is_command || pdv.context_id != context_id))
            status = breach(association, &network, "a Data Set was interrupted");
        if (status != MUR_OK) {
            if (error != NULL)
                *error = network;
            return give_up(association, status);
        }
        if (sunk == MUR_OK && pdv.length > 0)
            sunk = sink(user, pdv.data, pdv.length, error);
    }
    *sink_status = sunk;
    return MUR_OK;
}

struct identifier {
    struct mur_buffer bytes;
    bool too_long;
};

static enum mur_status take_identifier(void *user, const uint8_t *data, size_t length,
                                       struct mur_error *error)
{
    struct identifier *identifier = user;
    enum mur_status status = mur_buffer_append(&identifier->bytes, data, length, error);
    identifier->too_long = status == MUR_LIMIT;
    return status;
}

enum mur_status mur_message_read_identifier(struct mur_buffer *out, bool *too_long,
                                            struct mur_association *association, uint8_t context_id,
                                            size_t limit, int timeout_ms, struct mur_error *error)
{
    struct identifier identifier = {.bytes = MUR_BUFFER_INIT};
    identifier.bytes.limit = limit;
    enum mur_status sunk = MUR_OK;
    enum mur_status status = mur_message_read_data(&sunk, association, context_id, take_identifier,
                                                   &identifier, timeout_ms, error);
    if (status == MUR_OK && sunk != MUR_OK && !identifier.too_long)
        status = give_up(association, sunk);
    if (status != MUR_OK || identifier.too_long)
        mur_buffer_free(&identifier.bytes);
    if (status != MUR_OK)
        return status;
    mur_buffer_free(out);
    *out = identifier.bytes;
    *too_long = identifier.too_long;
    return MUR_OK;
}

/* ---- writing ---- */

enum mur_status mur_message_write(struct mur_association *association, uint8_t context_id,
                                  struct mur_command *command, const void *data, size_t length,
                                  int timeout_ms, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer encoded = MUR_BUFFER_INIT;
    command->has_data_set = data != NULL;
    enum mur_status status = mur_command_encode(&encoded, command, error);
    if (status != MUR_OK)
        return status;
    struct mur_pdv pdvs[2] = {{.data = (const uint8_t *)encoded.data,
                               .length = encoded.length,
                               .context_id = context_id,
                               .is_command = true,
                               .is_last = true},
                              {.data = data,
                               .length = length,
                               .context_id = context_id,
                               .is_command = false,
                               .is_last = true}};
    return mur_association_write(association, pdvs, data != NULL ? 2 : 1, timeout_ms, error);
}

struct mur_batch {
    struct mur_association *association; /* borrowed */
    size_t size_limit;
    int timeout_ms;
    struct mur_buffer pdus;
    struct mur_buffer command;
};

enum mur_status mur_batch_create(struct mur_batch **out, struct mur_association *association,
                                 size_t size_limit, int timeout_ms, struct mur_error *error)
{
    struct mur_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return mur_error_no_memory(error);
    batch->association = association;
    batch->size_limit = size_limit;
    batch->timeout_ms = timeout_ms;
    *out = batch;
    return MUR_OK;
}

void mur_batch_free(struct mur_batch *batch)
{
    if (batch == NULL)
        return;
    mur_buffer_free(&batch->pdus);
    mur_buffer_free(&batch->command);
    free(batch);
}

enum mur_status mur_batch_add(struct mur_batch *batch, uint8_t context_id,
                              struct mur_command *command, const void *data, size_t length,
                              bool *flushed, struct mur_error *error)
{
    command->has_data_set = data != NULL;
    mur_buffer_clear(&batch->command);
    enum mur_status status = mur_command_encode(&batch->command, command, error);
    if (status != MUR_OK)
        return status;
    struct mur_pdv pdv = {.data = (const uint8_t *)batch->command.data,
                          .length = batch->command.length,
                          .context_id = context_id,
                          .is_command = true,
                          .is_last = true};
    status = mur_association_append_pdus(&batch->pdus, batch->association, &pdv, error);
    if (status == MUR_OK && data != NULL) {
        pdv.data = data;
        pdv.length = length;
        pdv.is_command = false;
        status = mur_association_append_pdus(&batch->pdus, batch->association, &pdv, error);
    }
    if (status != MUR_OK)
        return status;
    bool full = batch->pdus.length >= batch->size_limit;
    if (flushed != NULL)
        *flushed = full;
    return full ? mur_batch_flush(batch, error) : MUR_OK;
}

enum mur_status mur_batch_flush(struct mur_batch *batch, struct mur_error *error)
{
    if (batch->pdus.length == 0)
        return MUR_OK;
    enum mur_status status = mur_association_write_pdus(
        batch->association, batch->pdus.data, batch->pdus.length, batch->timeout_ms, error);
    mur_buffer_clear(&batch->pdus);
    return status;
}

/* ---- C-CANCEL ---- */

enum mur_status mur_message_poll_cancel(bool *cancelled, struct mur_association *association,
                                        uint16_t message_id, struct mur_error *error)
{
    enum { REST_OF_COMMAND_MS = 10000 };
    while (mur_association_data_waiting(association, 0)) {
        struct mur_command command;
        uint8_t context_id = 0;
        enum mur_status status =
            mur_message_read_command(&command, &context_id, association, REST_OF_COMMAND_MS, error);
        if (status != MUR_OK)
            return give_up(association, status);
        if (command.field != MUR_C_CANCEL_RQ || command.has_data_set)
            return breach(association, error, "a command while an operation is under way");
        if (command.responded_message_id == message_id)
            *cancelled = true;
    }
    return MUR_OK;
}
