/* C-STORE of objects from memory, a silent crowd of associations, and the disk's own pace. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/work.h"
#include "dicom/sop_class.h"
#include "dicom/store_sender.h"
#include "dicom/transfer_syntax.h"

static const char *const explicit_little[] = {mur_uid_ExplicitVRLittleEndian};

static enum mur_status send_one(struct load_share *share, struct mur_store_sender *sender,
                                const struct load_object *object, uint8_t context_id,
                                uint64_t number, struct mur_error *error)
{
    char uid[LOAD_UID_SIZE];
    load_uid(uid, &share->options->layout, LOAD_INSTANCE, number);
    const struct mur_buffer *bytes = load_object_bytes(object);
    const struct mur_store_source source = {.fd = -1, .data = bytes->data, .length = bytes->length};
    const struct mur_store_operation operation = {
        .context_id = context_id,
        .message_id = (uint16_t)(number % 65535 + 1),
        .sop_class_uid = share->options->kind->sop_class,
        .sop_instance_uid = uid,
        .timeout_ms = LOAD_TIMEOUT_MS,
    };
    struct mur_command response;
    double start = load_now();
    enum mur_status status = mur_store_send(&response, sender, &operation, &source, error);
    if (status != MUR_OK)
        return status;
    load_times_add(&share->times, load_now() - start);
    if (response.status == 0) {
        share->done++;
        share->bytes += bytes->length;
        return MUR_OK;
    }
    if (share->refused++ == 0)
        (void)fprintf(stderr, "%s refused: %04X %s\n", uid, response.status,
                      response.error_comment);
    return MUR_OK;
}

/* The object is made, and its memory touched, before the clock runs: see prepare(). */
static enum mur_status send_all(struct load_share *share, struct mur_error *error)
{
    struct load_object **objects = share->user;
    struct load_object *object = objects[share->index];
    struct mur_presentation_context context;
    if (!mur_association_find_context_for(&context, share->association,
                                          share->options->kind->sop_class, NULL))
        return mur_error_set(error, MUR_DENIED, "the peer takes no such objects");
    MUR_AUTO(mur_store_sender) *sender = NULL;
    enum mur_status status = mur_store_sender_create(&sender, share->association, error);
    if (status == MUR_OK)
        status = load_times_reserve(&share->times, share->count, error);
    for (uint64_t i = 0; status == MUR_OK && i < share->count; i++) {
        load_object_become(object, share->first + i);
        status = send_one(share, sender, object, context.id, share->first + i, error);
    }
    return status;
}

enum mur_status load_store(bool *good, struct mur_json_writer *json,
                           const struct load_options *options, struct mur_error *error)
{
    const struct mur_context_proposal proposal = {.abstract_syntax = options->kind->sop_class,
                                                  .transfer_syntaxes = explicit_little,
                                                  .transfer_syntax_count = 1};
    MUR_AUTO_FREE struct load_object **objects = calloc(options->associations, sizeof *objects);
    if (objects == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (unsigned i = 0; status == MUR_OK && i < options->associations; i++)
        status = load_object_create(&objects[i], options->kind, &options->layout, error);
    struct load_result result = {.done = 0};
    const struct load_job job = {
        .options = options,
        .contexts = &proposal,
        .context_count = 1,
        .first = options->first,
        .count = options->count,
        .unit = options->layout.per_series,
        .user = objects,
        .work = send_all,
    };
    if (status == MUR_OK)
        status = load_run(&result, &job, error);
    load_result_write(json, &result);
    *good = result.done == options->count;
    load_result_free(&result);
    for (unsigned i = 0; i < options->associations; i++)
        load_object_free(objects[i]);
    return status;
}

/* ---- silence ---- */

/* Waits until the driver closes our standard input. */
static enum mur_status stay(struct load_share *share, struct mur_error *error)
{
    (void)error;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    share->done = 1;
    if (share->index == 0) {
        (void)puts("ready");
        (void)fflush(stdout);
    }
    while (poll(&input, 1, -1) < 0 && errno == EINTR)
        continue;
    return MUR_OK;
}

enum mur_status load_idle(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error)
{
    const struct mur_context_proposal proposals[] = {
        {mur_uid_Verification, explicit_little, 1, MUR_ROLE_DEFAULT},
        {options->kind->sop_class, explicit_little, 1, MUR_ROLE_DEFAULT},
        {mur_uid_StudyRootQueryRetrieveInformationModelFind, explicit_little, 1, MUR_ROLE_DEFAULT},
    };
    const struct load_job job = {
        .options = options,
        .contexts = proposals,
        .context_count = MUR_COUNT(proposals),
        .count = options->associations,
        .unit = 1,
        .work = stay,
    };
    struct load_result result = {.done = 0};
    enum mur_status status = load_run(&result, &job, error);
    load_result_write(json, &result);
    *good = result.done == options->associations;
    load_result_free(&result);
    return status;
}

/* ---- the floor: files of this size, each made durable by itself ---- */

struct writer {
    const struct load_options *options;
    unsigned index;
    uint64_t count;
    const char *bytes;
    pthread_t thread;
    struct load_times times;
    struct mur_error error;
};

static enum mur_status write_file(const struct writer *writer, uint64_t number,
                                  struct mur_error *error)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%u-%llu", writer->options->folder, writer->index,
                   (unsigned long long)number);
    MUR_AUTO_CLOSE int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (file < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    for (uint64_t at = 0; at < writer->options->bytes;) {
        ssize_t written = write(file, writer->bytes + at, writer->options->bytes - at);
        if (written < 0)
            return mur_error_set_errno(error, errno, "%s", path);
        at += (uint64_t)written;
    }
    return fdatasync(file) == 0 ? MUR_OK : mur_error_set_errno(error, errno, "%s", path);
}

static void *write_files(void *argument)
{
    struct writer *writer = argument;
    enum mur_status status = load_times_reserve(&writer->times, writer->count, &writer->error);
    for (uint64_t i = 0; status == MUR_OK && i < writer->count; i++) {
        double start = load_now();
        status = write_file(writer, i, &writer->error);
        load_times_add(&writer->times, load_now() - start);
    }
    return NULL;
}

enum mur_status load_floor(bool *good, struct mur_json_writer *json,
                           const struct load_options *options, struct mur_error *error)
{
    MUR_AUTO_FREE struct writer *writers = calloc(options->associations, sizeof *writers);
    MUR_AUTO_FREE char *bytes = malloc(options->bytes + 1);
    if (writers == NULL || bytes == NULL)
        return mur_error_no_memory(error);
    memset(bytes, 0x5A, options->bytes + 1);
    double start = load_now();
    unsigned started = 0;
    enum mur_status status = MUR_OK;
    for (; status == MUR_OK && started < options->associations; started++) {
        writers[started] = (struct writer){.options = options,
                                           .index = started,
                                           .count = options->count / options->associations,
                                           .bytes = bytes};
        int failed = pthread_create(&writers[started].thread, NULL, write_files, &writers[started]);
        if (failed != 0)
            return mur_error_set_errno(error, failed, "starting a thread");
    }
    struct load_result result = {.done = 0};
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(writers[i].thread, NULL);
        result.done += writers[i].times.count;
        if (status == MUR_OK)
            status =
                writers[i].error.status != MUR_OK
                    ? mur_error_set(error, writers[i].error.status, "%s", writers[i].error.message)
                    : load_times_join(&result.times, &writers[i].times, error);
        load_times_free(&writers[i].times);
    }
    result.seconds = load_now() - start;
    result.bytes = result.done * options->bytes;
    load_result_write(json, &result);
    *good = status == MUR_OK;
    load_result_free(&result);
    return status;
}
