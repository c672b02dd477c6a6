#include "dicom/store_sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "dicom/message.h"

enum { CHUNK = 2 * (MUR_MAX_PDU_DEFAULT - 6) }; /* two PDUs of the largest size, whole */

struct mur_store_sender {
    struct mur_association *association; /* borrowed */
    struct mur_buffer command;
    uint8_t *chunk;
};

enum mur_status mur_store_sender_create(struct mur_store_sender **out,
                                        struct mur_association *association,
                                        struct mur_error *error)
{
    MUR_AUTO(mur_store_sender) *sender = calloc(1, sizeof(*sender));
    if (sender == NULL)
        return mur_error_no_memory(error);
    sender->association = association;
    sender->chunk = malloc(CHUNK);
    if (sender->chunk == NULL)
        return mur_error_no_memory(error);
    *out = MUR_STEAL(sender);
    return MUR_OK;
}

void mur_store_sender_free(struct mur_store_sender *sender)
{
    if (sender == NULL)
        return;
    mur_buffer_free(&sender->command);
    free(sender->chunk);
    free(sender);
}

static enum mur_status copy_uid(char out[65], const char *uid, struct mur_error *error)
{
    size_t length = strnlen(uid, 65);
    if (length == 0 || length > 64)
        return mur_error_set(error, MUR_INVALID, "\"%.64s\" is not a UID", uid);
    memcpy(out, uid, length + 1);
    return MUR_OK;
}

static enum mur_status encode_request(struct mur_store_sender *sender,
                                      const struct mur_store_operation *operation,
                                      struct mur_error *error)
{
    struct mur_command command = {
        .has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_AFFECTED_SOP_INSTANCE | MUR_HAS_MESSAGE_ID |
               MUR_HAS_PRIORITY,
        .field = MUR_C_STORE_RQ,
        .has_data_set = true,
        .message_id = operation->message_id,
        .priority = operation->priority,
    };
    enum mur_status status =
        copy_uid(command.affected_sop_class_uid, operation->sop_class_uid, error);
    if (status == MUR_OK)
        status = copy_uid(command.affected_sop_instance_uid, operation->sop_instance_uid, error);
    if (status != MUR_OK)
        return status;
    if (operation->move_originator_ae_title != NULL) {
        size_t length = strnlen(operation->move_originator_ae_title, 16);
        memcpy(command.move_originator_ae_title, operation->move_originator_ae_title, length);
        command.move_originator_message_id = operation->move_originator_message_id;
        command.has |= MUR_HAS_MOVE_ORIGINATOR | MUR_HAS_MOVE_ORIGINATOR_MESSAGE_ID;
    }
    mur_buffer_clear(&sender->command);
    return mur_command_encode(&sender->command, &command, error);
}

static enum mur_status check_source(const struct mur_store_source *source, struct mur_error *error)
{
    struct stat details;
    if (source->fd < 0)
        return MUR_OK;
    if (fstat(source->fd, &details) != 0)
        return mur_error_set_errno(error, errno, "reading a stored instance");
    if (source->length > UINT64_MAX - source->offset ||
        (uint64_t)details.st_size < source->offset + source->length)
        return mur_error_set(error, MUR_CORRUPT, "a stored instance is cut short");
    return MUR_OK;
}

static bool is_padded(const struct mur_store_source *source)
{
    return source->deflated && source->length % 2 != 0;
}

/* Where the next bytes are: in memory, or read into the chunk. */
static enum mur_status next_bytes(const uint8_t **out, size_t *length,
                                  struct mur_store_sender *sender,
                                  const struct mur_store_source *source, uint64_t done,
                                  struct mur_error *error)
{
    uint64_t left = source->length - done;
    if (left > 1 && is_padded(source))
        left--; /* the last one goes with the NUL: fragments are of even length */
    if (source->fd < 0) {
        *out = (const uint8_t *)source->data + source->offset + done;
        *length = (size_t)left;
        return MUR_OK;
    }
    size_t want = left < CHUNK ? (size_t)left : CHUNK;
    size_t got = 0;
    while (got < want) {
        ssize_t count = pread(source->fd, sender->chunk + got, want - got,
                              (off_t)(source->offset + done + got));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return mur_error_set_errno(error, errno, "reading a stored instance");
        if (count == 0)
            return mur_error_set(error, MUR_CORRUPT, "a stored instance is cut short");
        got += (size_t)count;
    }
    *out = sender->chunk;
    *length = want;
    return MUR_OK;
}

static enum mur_status send_all(struct mur_store_sender *sender,
                                const struct mur_store_operation *operation,
                                const struct mur_store_source *source, struct mur_error *error)
{
    struct mur_pdv pdvs[2] = {{.data = (const uint8_t *)sender->command.data,
                               .length = sender->command.length,
                               .context_id = operation->context_id,
                               .is_command = true,
                               .is_last = true},
                              {.context_id = operation->context_id}};
    uint64_t done = 0;
    for (bool first = true; first || done < source->length; first = false) {
        enum mur_status status =
            next_bytes(&pdvs[1].data, &pdvs[1].length, sender, source, done, error);
        if (status != MUR_OK) {
            if (!first)
                mur_association_abort(sender->association); /* half a Data Set went out */
            return status;
        }
        done += pdvs[1].length;
        uint8_t last[2] = {0, 0};
        if (done == source->length && is_padded(source)) {
            last[0] = pdvs[1].data[0];
            pdvs[1].data = last;
            pdvs[1].length = sizeof(last);
        }
        pdvs[1].is_last = done == source->length;
        status = mur_association_write(sender->association, first ? pdvs : pdvs + 1, first ? 2 : 1,
                                       operation->timeout_ms, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static enum mur_status read_response(struct mur_command *out, struct mur_store_sender *sender,
                                     const struct mur_store_operation *operation,
                                     struct mur_error *error)
{
    for (;;) {
        struct mur_command command;
        uint8_t context_id = 0;
        enum mur_status status = mur_message_read_command(
            &command, &context_id, sender->association, operation->timeout_ms, error);
        if (status != MUR_OK) {
            mur_association_abort(sender->association);
            return status;
        }
        if (command.field == MUR_C_STORE_RSP && !command.has_data_set &&
            command.responded_message_id == operation->message_id) {
            *out = command;
            return MUR_OK;
        }
        if (command.field != MUR_C_CANCEL_RQ || command.has_data_set ||
            operation->cancelled == NULL) {
            mur_association_abort(sender->association);
            return mur_error_set(error, MUR_PARSE, "protocol error: %s instead of the C-STORE-RSP",
                                 mur_command_field_name(command.field));
        }
        if (command.responded_message_id == operation->cancel_message_id)
            *operation->cancelled = true;
    }
}

enum mur_status mur_store_send(struct mur_command *response, struct mur_store_sender *sender,
                               const struct mur_store_operation *operation,
                               const struct mur_store_source *source, struct mur_error *error)
{
    enum mur_status status = check_source(source, error);
    if (status == MUR_OK)
        status = encode_request(sender, operation, error);
    if (status == MUR_OK)
        status = send_all(sender, operation, source, error);
    if (status != MUR_OK)
        return status;
    return read_response(response, sender, operation, error);
}
