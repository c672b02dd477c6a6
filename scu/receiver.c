#include "scu/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "dicom/message.h"
#include "dicom/part10.h"
#include "dicom/uid.h"

enum {
    NAME_SIZE = MUR_UID_TEXT_SIZE + 16,
    STATUS_OUT_OF_RESOURCES = 0xA700,
    STATUS_MISMATCH = 0xA900,
};

struct mur_receiver {
    char *folder;
    int descriptor; /* of the folder */
    mur_received_callback *on_object;
    void *user;
    uint64_t number; /* of the next file: by __atomic builtins, as what follows */
    uint64_t count;
    pthread_mutex_t mutex; /* for the failure */
    struct mur_error failure;
};

enum mur_status mur_receiver_create(struct mur_receiver **out, const char *folder,
                                    mur_received_callback *on_object, void *user,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_receiver) *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL)
        return mur_error_no_memory(error);
    receiver->descriptor = -1;
    receiver->on_object = on_object;
    receiver->user = user;
    (void)pthread_mutex_init(&receiver->mutex, NULL);
    enum mur_status status = mur_directory_create(folder, 0777, error);
    if (status == MUR_OK)
        status = mur_text_copy(&receiver->folder, mur_slice_of(folder), error);
    if (status != MUR_OK)
        return status;
    receiver->descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (receiver->descriptor < 0)
        return mur_error_set_errno(error, errno, "output folder %s", folder);
    if (faccessat(receiver->descriptor, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return mur_error_set_errno(error, errno, "output folder %s", folder);
    *out = MUR_STEAL(receiver);
    return MUR_OK;
}

void mur_receiver_free(struct mur_receiver *receiver)
{
    if (receiver == NULL)
        return;
    if (receiver->descriptor >= 0)
        (void)close(receiver->descriptor);
    (void)pthread_mutex_destroy(&receiver->mutex);
    free(receiver->folder);
    free(receiver);
}

uint64_t mur_receiver_count(const struct mur_receiver *receiver)
{
    return __atomic_load_n(&receiver->count, __ATOMIC_RELAXED);
}

enum mur_status mur_receiver_failure(const struct mur_receiver *receiver, struct mur_error *error)
{
    if (receiver->failure.status != MUR_OK && error != NULL)
        *error = receiver->failure;
    return receiver->failure.status;
}

static void note_failure(struct mur_receiver *receiver, const struct mur_error *failure)
{
    (void)pthread_mutex_lock(&receiver->mutex);
    if (receiver->failure.status == MUR_OK)
        receiver->failure = *failure;
    (void)pthread_mutex_unlock(&receiver->mutex);
}

/* ---- one file -------------------------------------------------------------------------------- */

/* Removed unless it is put in place. */
struct incoming {
    struct mur_receiver *receiver;
    int descriptor;
    char temporary[NAME_SIZE];
    char name[NAME_SIZE];
    uint64_t bytes;
};

static void drop(struct incoming *incoming)
{
    if (incoming->descriptor < 0)
        return;
    (void)close(incoming->descriptor);
    (void)unlinkat(incoming->receiver->descriptor, incoming->temporary, 0);
    incoming->descriptor = -1;
}
#define AUTO_INCOMING __attribute__((cleanup(drop))) struct incoming

static enum mur_status begin(struct incoming *incoming, const char *sop_instance,
                             struct mur_error *error)
{
    struct mur_receiver *receiver = incoming->receiver;
    uint64_t number = __atomic_add_fetch(&receiver->number, 1, __ATOMIC_RELAXED);
    if (mur_uid_acceptable(mur_slice_of(sop_instance)))
        (void)snprintf(incoming->name, NAME_SIZE, "%s.dcm", sop_instance);
    else
        (void)snprintf(incoming->name, NAME_SIZE, "object-%06" PRIu64 ".dcm", number);
    (void)snprintf(incoming->temporary, NAME_SIZE, ".%ld-%" PRIu64 ".part", (long)getpid(), number);
    incoming->descriptor = openat(receiver->descriptor, incoming->temporary,
                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (incoming->descriptor < 0)
        return mur_error_set_errno(error, errno, "%s/%s", receiver->folder, incoming->temporary);
    return MUR_OK;
}

static enum mur_status write_head(struct incoming *incoming, const struct mur_command *request,
                                  const struct mur_presentation_context *context,
                                  const char *source_ae, struct mur_error *error)
{
    struct mur_part10 head = {.bare = false};
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s",
                   context->accepted_transfer_syntax);
    (void)snprintf(head.sop_class, sizeof head.sop_class, "%s", request->affected_sop_class_uid);
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s",
                   request->affected_sop_instance_uid);
    (void)snprintf(head.source_ae, sizeof head.source_ae, "%s", source_ae);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = mur_part10_write(&bytes, &head, error);
    if (status != MUR_OK)
        return status;
    return mur_write_full(incoming->descriptor, bytes.data, bytes.length,
                          incoming->receiver->folder, error);
}

static enum mur_status write_piece(void *user, const uint8_t *data, size_t length,
                                   struct mur_error *error)
{
    struct incoming *incoming = user;
    if (incoming->descriptor < 0)
        return MUR_CANCELLED; /* there is no file: the rest is read and dropped */
    incoming->bytes += length;
    return mur_write_full(incoming->descriptor, data, length, incoming->receiver->folder, error);
}

static enum mur_status put_in_place(struct incoming *incoming, struct mur_error *error)
{
    struct mur_receiver *receiver = incoming->receiver;
    int descriptor = mur_steal_descriptor(&incoming->descriptor);
    if (close(descriptor) != 0 || renameat(receiver->descriptor, incoming->temporary,
                                           receiver->descriptor, incoming->name) != 0) {
        int number = errno;
        (void)unlinkat(receiver->descriptor, incoming->temporary, 0);
        return mur_error_set_errno(error, number, "%s/%s", receiver->folder, incoming->name);
    }
    __atomic_add_fetch(&receiver->count, 1, __ATOMIC_RELAXED);
    return MUR_OK;
}

/* ---- one object ------------------------------------------------------------------------------ */

static uint16_t judge(const struct mur_command *request,
                      const struct mur_presentation_context *context, struct mur_error *reason)
{
    if (request->affected_sop_class_uid[0] == '\0' || request->affected_sop_instance_uid[0] == '\0')
        (void)mur_error_set(reason, MUR_PARSE, "SOP Class or SOP Instance UID is missing");
    else if (strcmp(request->affected_sop_class_uid, context->abstract_syntax) != 0)
        (void)mur_error_set(reason, MUR_MISMATCH, "its context is for another SOP Class");
    return reason->status == MUR_OK ? 0 : STATUS_MISMATCH;
}

static void tell(const struct incoming *incoming, const struct mur_command *request,
                 const struct mur_presentation_context *context, uint16_t answer,
                 const struct mur_error *reason)
{
    struct mur_receiver *receiver = incoming->receiver;
    MUR_AUTO_FREE char *path = NULL;
    if (receiver->on_object == NULL)
        return;
    if (answer == 0 && mur_path_join(&path, receiver->folder, incoming->name, NULL) != MUR_OK)
        path = NULL;
    const struct mur_received received = {
        .path = path,
        .sop_class = request->affected_sop_class_uid,
        .sop_instance = request->affected_sop_instance_uid,
        .transfer_syntax = context->accepted_transfer_syntax,
        .bytes = incoming->bytes,
        .status = answer,
        .reason = reason->message,
    };
    receiver->on_object(receiver->user, &received);
}

enum mur_status mur_receiver_take(struct mur_receiver *receiver,
                                  struct mur_association *association, uint8_t context_id,
                                  const struct mur_command *request, const char *source_ae,
                                  int timeout_ms, struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    struct mur_presentation_context context;
    AUTO_INCOMING incoming = {.receiver = receiver, .descriptor = -1};
    if (!mur_association_find_accepted(&context, association, context_id) ||
        !request->has_data_set) {
        mur_association_abort(association);
        return mur_error_set(error, MUR_PARSE,
                             "protocol error of the peer: C-STORE without object");
    }
    uint16_t answer = judge(request, &context, &reason);
    if (answer == 0 && (begin(&incoming, request->affected_sop_instance_uid, &reason) != MUR_OK ||
                        write_head(&incoming, request, &context, source_ae, &reason) != MUR_OK))
        drop(&incoming);
    enum mur_status sunk = MUR_OK;
    struct mur_error told = MUR_ERROR_INIT;
    enum mur_status status = mur_message_read_data(&sunk, association, context_id, write_piece,
                                                   &incoming, timeout_ms, &told);
    if (status != MUR_OK) {
        if (error != NULL)
            *error = told;
        return status;
    }
    if (sunk != MUR_OK && reason.status == MUR_OK)
        reason = told;
    if (reason.status == MUR_OK)
        (void)!put_in_place(&incoming, &reason);
    if (reason.status != MUR_OK && answer == 0) {
        answer = STATUS_OUT_OF_RESOURCES;
        note_failure(receiver, &reason);
    }
    tell(&incoming, request, &context, answer, &reason);
    struct mur_command response;
    mur_command_init_response(&response, request, answer);
    if (answer != 0)
        mur_command_set_comment(&response, answer == STATUS_OUT_OF_RESOURCES ? "cannot write it"
                                                                             : reason.message);
    return mur_message_write(association, context_id, &response, NULL, 0, timeout_ms, error);
}
