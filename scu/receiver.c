#include "scu/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "dicom/message.h"
#include "dicom/part10.h"
#include "dicom/uid.h"
#include "scu/asked.h"

enum {
    NAME_SIZE = MUR_UID_TEXT_SIZE + 16,
    NAMES_TRIED = 1000,
    COMPARED = 65536,        /* bytes at once */
    LOOK_FOR_ROOM = 8 << 20, /* bytes between two looks */
    STATUS_DUPLICATE = 0x0111,
    STATUS_INVALID_INSTANCE = 0x0117,
    STATUS_NOT_AUTHORIZED = 0x0124,
    STATUS_OUT_OF_RESOURCES = 0xA700,
    STATUS_MISMATCH = 0xA900,
};

struct mur_receiver {
    char *folder;
    int descriptor;                      /* of the folder */
    struct mur_receiver_options options; /* with the defaults; folder and asked are not used */
    struct mur_asked *asked;             /* owned; or NULL */
    bool full;                           /* by __atomic builtins, as what follows */
    uint64_t number;                     /* of the next file */
    uint64_t count;
    pthread_mutex_t mutex; /* for the failure */
    struct mur_error failure;
};

enum mur_status mur_receiver_create(struct mur_receiver **out,
                                    const struct mur_receiver_options *options,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_receiver) *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL)
        return mur_error_no_memory(error);
    const char *folder = options->folder;
    receiver->descriptor = -1;
    receiver->options = *options;
    receiver->options.folder = NULL;
    receiver->options.asked = NULL;
    if (options->object_limit == 0)
        receiver->options.object_limit = MUR_RECEIVER_BYTES;
    if (options->count_limit == 0)
        receiver->options.count_limit = MUR_RECEIVER_OBJECTS;
    (void)pthread_mutex_init(&receiver->mutex, NULL);
    enum mur_status status = mur_directory_create(folder, 0777, error);
    if (status == MUR_OK)
        status = mur_text_copy(&receiver->folder, mur_slice_of(folder), error);
    if (status == MUR_OK && options->asked != NULL)
        status = mur_asked_create(&receiver->asked, options->asked, error);
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
    mur_asked_free(receiver->asked);
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

bool mur_receiver_is_full(const struct mur_receiver *receiver)
{
    return __atomic_load_n(&receiver->full, __ATOMIC_RELAXED);
}

static void note_failure(struct mur_receiver *receiver, const struct mur_error *failure)
{
    if (failure->status == MUR_NO_SPACE)
        __atomic_store_n(&receiver->full, true, __ATOMIC_RELAXED);
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
    bool numbered;  /* named so for want of a UID that suits a name */
    bool existed;   /* what has the name already is the same */
    size_t offset;  /* of the Data Set in the file */
    uint64_t bytes; /* of it, so far */
    uint64_t seen;  /* of them, when we looked for room last */
    struct mur_asked_look look;
    uint16_t refusal; /* what is answered if it is not for want of a resource; else 0 */
};

static void drop(struct incoming *incoming)
{
    mur_asked_end(&incoming->look);
    if (incoming->descriptor < 0)
        return;
    (void)close(incoming->descriptor);
    (void)unlinkat(incoming->receiver->descriptor, incoming->temporary, 0);
    incoming->descriptor = -1;
}
#define AUTO_INCOMING __attribute__((cleanup(drop))) struct incoming

static void name_by_number(struct incoming *incoming)
{
    uint64_t number = __atomic_add_fetch(&incoming->receiver->number, 1, __ATOMIC_RELAXED);
    (void)snprintf(incoming->name, NAME_SIZE, "object-%06" PRIu64 ".dcm", number);
}

/* The file system is shared with others: its last bytes are not ours. */
static enum mur_status look_for_room(const struct mur_receiver *receiver, struct mur_error *error)
{
    struct statvfs details;
    if (receiver->options.room == 0 || fstatvfs(receiver->descriptor, &details) != 0)
        return MUR_OK;
    uint64_t blocks = receiver->options.room / details.f_frsize;
    if (details.f_bavail >= blocks)
        return MUR_OK;
    return mur_error_set(error, MUR_NO_SPACE,
                         "%s: less than %" PRIu64 " MB of the file system are free",
                         receiver->folder, receiver->options.room / 1000000);
}

static enum mur_status begin(struct incoming *incoming, const struct mur_command *request,
                             const struct mur_presentation_context *context,
                             struct mur_error *error)
{
    struct mur_receiver *receiver = incoming->receiver;
    const char *sop_instance = request->affected_sop_instance_uid;
    if (mur_receiver_count(receiver) >= receiver->options.count_limit)
        return mur_error_set(error, MUR_NO_SPACE, "more than %" PRIu64 " objects came",
                             receiver->options.count_limit);
    enum mur_status status = look_for_room(receiver, error);
    if (status == MUR_OK)
        status = mur_asked_begin(&incoming->look, receiver->asked,
                                 context->accepted_transfer_syntax, sop_instance, error);
    if (status != MUR_OK)
        return status;
    incoming->numbered = !mur_uid_acceptable(mur_slice_of(sop_instance));
    if (incoming->numbered)
        name_by_number(incoming);
    else
        (void)snprintf(incoming->name, NAME_SIZE, "%s.dcm", sop_instance);
    uint64_t number = __atomic_add_fetch(&receiver->number, 1, __ATOMIC_RELAXED);
    (void)snprintf(incoming->temporary, NAME_SIZE, ".%ld-%" PRIu64 ".part", (long)getpid(), number);
    incoming->descriptor = openat(receiver->descriptor, incoming->temporary,
                                  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
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
    incoming->offset = bytes.length;
    return mur_write_full(incoming->descriptor, bytes.data, bytes.length,
                          incoming->receiver->folder, error);
}

static enum mur_status check_uids(struct incoming *incoming, struct mur_error *error)
{
    if (incoming->look.other_instance) {
        incoming->refusal = STATUS_INVALID_INSTANCE;
        return mur_error_set(error, MUR_MISMATCH, "another SOP Instance UID than was announced");
    }
    if (incoming->look.not_asked) {
        incoming->refusal = STATUS_NOT_AUTHORIZED;
        return mur_error_set(error, MUR_MISMATCH, "an object came that nobody asked for");
    }
    return MUR_OK;
}

static enum mur_status write_piece(void *user, const uint8_t *data, size_t length,
                                   struct mur_error *error)
{
    struct incoming *incoming = user;
    if (incoming->descriptor < 0)
        return MUR_CANCELLED; /* there is no file: the rest is read and dropped */
    const struct mur_receiver *receiver = incoming->receiver;
    mur_asked_write(&incoming->look, data, length);
    incoming->bytes += length;
    if (incoming->bytes > receiver->options.object_limit)
        return mur_error_set(error, MUR_LIMIT, "an object of more than %" PRIu64 " bytes",
                             receiver->options.object_limit);
    enum mur_status status = check_uids(incoming, error);
    if (status == MUR_OK && incoming->bytes - incoming->seen >= LOOK_FOR_ROOM) {
        incoming->seen = incoming->bytes;
        status = look_for_room(receiver, error);
    }
    if (status != MUR_OK)
        return status;
    return mur_write_full(incoming->descriptor, data, length, incoming->receiver->folder, error);
}

/* Whether a file of the name holds the same Data Set, byte by byte. */
static bool is_the_same(const struct incoming *incoming)
{
    const struct mur_receiver *receiver = incoming->receiver;
    MUR_AUTO_CLOSE int there = openat(receiver->descriptor, incoming->name,
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat details;
    struct mur_part10 head;
    if (there < 0 || fstat(there, &details) != 0 || !S_ISREG(details.st_mode) ||
        mur_part10_read(&head, there, incoming->name, NULL) != MUR_OK ||
        (uint64_t)details.st_size != head.offset + incoming->bytes)
        return false;
    MUR_AUTO_FREE char *ours = malloc(COMPARED);
    MUR_AUTO_FREE char *theirs = malloc(COMPARED);
    if (ours == NULL || theirs == NULL)
        return false;
    for (uint64_t done = 0; done < incoming->bytes; done += COMPARED) {
        size_t lengths[2] = {0};
        if (mur_pread_full(&lengths[0], incoming->descriptor, ours, COMPARED,
                           (off_t)(incoming->offset + done), incoming->name, NULL) != MUR_OK ||
            mur_pread_full(&lengths[1], there, theirs, COMPARED, (off_t)(head.offset + done),
                           incoming->name, NULL) != MUR_OK ||
            lengths[0] != lengths[1] || memcmp(ours, theirs, lengths[0]) != 0)
            return false;
    }
    return true;
}

/* Without replacing what has the name. Not every file system knows that: there, between looking and
 * renaming, another process may come in between. @return 0 or errno */
static int rename_anew(const struct incoming *incoming)
{
    int folder = incoming->receiver->descriptor;
    if (renameat2(folder, incoming->temporary, folder, incoming->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (faccessat(folder, incoming->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    return renameat(folder, incoming->temporary, folder, incoming->name) == 0 ? 0 : errno;
}

static int give_name(struct incoming *incoming)
{
    int folder = incoming->receiver->descriptor;
    int number = rename_anew(incoming);
    for (unsigned i = 0; number == EEXIST && incoming->numbered && i < NAMES_TRIED; i++) {
        name_by_number(incoming);
        number = rename_anew(incoming);
    }
    if (number == EEXIST && !incoming->numbered && incoming->receiver->options.overwrite)
        number = renameat(folder, incoming->temporary, folder, incoming->name) == 0 ? 0 : errno;
    return number;
}

static enum mur_status put_in_place(struct incoming *incoming, struct mur_error *error)
{
    struct mur_receiver *receiver = incoming->receiver;
    int number = give_name(incoming);
    incoming->existed = number == EEXIST && is_the_same(incoming);
    if (incoming->existed)
        (void)unlinkat(receiver->descriptor, incoming->temporary, 0);
    if (number == EEXIST && !incoming->existed) {
        incoming->refusal = STATUS_DUPLICATE;
        return mur_error_set(error, MUR_EXISTS,
                             "%s/%s holds something else and is kept (--overwrite replaces it)",
                             receiver->folder, incoming->name);
    }
    if (number != 0 && number != EEXIST)
        return mur_error_set_errno(error, number, "%s/%s", receiver->folder, incoming->name);
    (void)close(mur_steal_descriptor(&incoming->descriptor));
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
        (void)mur_error_set(reason, MUR_PARSE, "its context is for another SOP Class");
    return reason->status == MUR_OK ? 0 : STATUS_MISMATCH;
}

/* No paths of ours in it. */
static const char *comment_of(const struct incoming *incoming, const struct mur_error *reason)
{
    if (incoming->refusal == STATUS_DUPLICATE)
        return "another object of this UID is there";
    if (incoming->refusal != 0)
        return reason->message;
    return reason->status == MUR_LIMIT ? "the object is too large" : "cannot write it";
}

static void tell(const struct incoming *incoming, const struct mur_command *request,
                 const struct mur_presentation_context *context, uint16_t answer,
                 const struct mur_error *reason)
{
    struct mur_receiver *receiver = incoming->receiver;
    MUR_AUTO_FREE char *path = NULL;
    if (receiver->options.on_object == NULL)
        return;
    if (answer == 0 && mur_path_join(&path, receiver->folder, incoming->name, NULL) != MUR_OK)
        path = NULL;
    const struct mur_received received = {
        .path = path,
        .existed = incoming->existed,
        .sop_class = request->affected_sop_class_uid,
        .sop_instance = request->affected_sop_instance_uid,
        .transfer_syntax = context->accepted_transfer_syntax,
        .bytes = incoming->bytes,
        .status = answer,
        .reason = reason->message,
    };
    receiver->options.on_object(receiver->options.user, &received);
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
    if (answer == 0 && (begin(&incoming, request, &context, &reason) != MUR_OK ||
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
    const char *comment = reason.message;
    if (reason.status != MUR_OK && answer == 0) {
        answer = incoming.refusal != 0 ? incoming.refusal : STATUS_OUT_OF_RESOURCES;
        comment = comment_of(&incoming, &reason);
        note_failure(receiver, &reason);
    }
    tell(&incoming, request, &context, answer, &reason);
    struct mur_command response;
    mur_command_init_response(&response, request, answer);
    if (answer != 0)
        mur_command_set_comment(&response, comment);
    return mur_message_write(association, context_id, &response, NULL, 0, timeout_ms, error);
}
