/* C-GET, and C-MOVE with a receiver of its own: everything that comes is compared. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/work.h"
#include "core/text.h"
#include "dicom/encoder.h"
#include "dicom/listener.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

static const char *const explicit_little[] = {mur_uid_ExplicitVRLittleEndian};

/* ---- asking ---- */

static enum mur_status encode_study(struct mur_buffer *out, const struct load_layout *layout,
                                    uint64_t study, struct mur_error *error)
{
    char uid[LOAD_UID_SIZE];
    load_uid(uid, layout, LOAD_STUDY, study);
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, 0x00080052, MUR_VR_CS, "STUDY", error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, 0x0020000D, MUR_VR_UI, uid, error);
    return status;
}

/* Reads responses, and with C-GET the objects, to the end of the operation. */
static enum mur_status follow(uint16_t *dimse_status, struct load_share *share,
                              struct load_reaper *reaper, uint16_t response_field,
                              struct mur_error *error)
{
    for (;;) {
        struct mur_command command;
        uint8_t context_id = 0;
        enum mur_status status = mur_message_read_command(&command, &context_id, share->association,
                                                          LOAD_TIMEOUT_MS, error);
        if (status != MUR_OK)
            return status;
        if (command.field == MUR_C_STORE_RQ && command.has_data_set) {
            status = load_reaper_take(reaper, share->association, &command, context_id,
                                      LOAD_TIMEOUT_MS, error);
            if (status != MUR_OK)
                return status;
            continue;
        }
        if (command.field != response_field)
            return mur_error_set(error, MUR_PARSE, "an unexpected %s",
                                 mur_command_field_name(command.field));
        if (command.has_data_set) { /* a list of failures */
            MUR_AUTO_BUFFER struct mur_buffer ignored = MUR_BUFFER_INIT;
            bool too_long = false;
            status = mur_message_read_identifier(&ignored, &too_long, share->association,
                                                 context_id, 1 << 20, LOAD_TIMEOUT_MS, error);
            if (status != MUR_OK)
                return status;
        }
        if (mur_dimse_status_is_pending(command.status))
            continue;
        *dimse_status = command.status;
        share->answers += command.completed;
        if (command.status != 0)
            (void)fprintf(stderr, "status %04X %s\n", command.status, command.error_comment);
        return MUR_OK;
    }
}

struct retrieval {
    struct load_harvest *harvest;
    const char *model;
    uint16_t request_field;
};

static enum mur_status retrieve_all(struct load_share *share, struct mur_error *error)
{
    const struct load_options *options = share->options;
    const struct retrieval *retrieval = share->user;
    bool is_get = retrieval->request_field == MUR_C_GET_RQ;
    struct mur_presentation_context context;
    if (!mur_association_find_context_for(&context, share->association, retrieval->model, NULL))
        return mur_error_set(error, MUR_DENIED, "the peer takes no retrieve requests");
    MUR_AUTO(load_reaper) *reaper = NULL;
    enum mur_status status =
        is_get && options->verify ? load_reaper_create(&reaper, retrieval->harvest, error) : MUR_OK;
    if (status == MUR_OK)
        status = load_times_reserve(&share->times, share->count, error);
    MUR_AUTO_BUFFER struct mur_buffer identifier = MUR_BUFFER_INIT;
    for (uint64_t i = 0; status == MUR_OK && i < share->count; i++) {
        struct mur_command request = {
            .has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY |
                   (is_get ? 0u : (unsigned)MUR_HAS_MOVE_DESTINATION),
            .field = retrieval->request_field,
            .message_id = (uint16_t)(i % 65535 + 1),
        };
        (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                       retrieval->model);
        (void)snprintf(request.move_destination, sizeof request.move_destination, "%s",
                       options->sink_title);
        mur_buffer_clear(&identifier);
        status = encode_study(&identifier, &options->layout, share->first + i, error);
        double start = load_now();
        if (status == MUR_OK)
            status = mur_message_write(share->association, context.id, &request, identifier.data,
                                       identifier.length, LOAD_TIMEOUT_MS, error);
        uint16_t dimse_status = 0;
        if (status == MUR_OK)
            status = follow(&dimse_status, share, reaper, is_get ? MUR_C_GET_RSP : MUR_C_MOVE_RSP,
                            error);
        load_times_add(&share->times, load_now() - start);
        share->refused += status == MUR_OK && dimse_status != 0;
    }
    return status;
}

static enum mur_status run(bool *good, struct mur_json_writer *json,
                           const struct load_options *options, struct retrieval *retrieval,
                           struct mur_error *error)
{
    bool is_get = retrieval->request_field == MUR_C_GET_RQ;
    const struct mur_context_proposal proposals[] = {
        {retrieval->model, explicit_little, 1, MUR_ROLE_DEFAULT},
        {options->kind->sop_class, explicit_little, 1, MUR_ROLE_SCP},
    };
    const struct load_layout *layout = &options->layout;
    uint64_t per_study = (uint64_t)layout->per_series * layout->series_per_study;
    const struct load_job job = {
        .options = options,
        .contexts = proposals,
        .context_count = is_get ? 2 : 1,
        .first = load_study_of(layout, options->first),
        .count = (options->count + per_study - 1) / per_study,
        .unit = 1,
        .user = retrieval,
        .work = retrieve_all,
    };
    struct load_result result = {.done = 0};
    enum mur_status status = load_run(&result, &job, error);
    const struct load_harvest *harvest = retrieval->harvest;
    result.done = options->verify ? harvest->arrived : result.answers;
    result.bytes = harvest->bytes;
    uint64_t lost = options->verify ? load_harvest_lost(harvest) : 0;
    load_result_write(json, &result);
    mur_json_member_int(json, "lost", (int64_t)lost);
    mur_json_member_int(json, "changed", (int64_t)harvest->changed);
    mur_json_member_int(json, "unknown", (int64_t)harvest->unknown);
    mur_json_member_int(json, "twice", (int64_t)harvest->twice);
    *good = result.refused == 0 && lost == 0 && harvest->changed == 0 && harvest->unknown == 0 &&
            harvest->twice == 0;
    load_result_free(&result);
    return status;
}

enum mur_status load_get(bool *good, struct mur_json_writer *json,
                         const struct load_options *options, struct mur_error *error)
{
    struct load_harvest harvest;
    enum mur_status status = load_harvest_init(&harvest, options->kind, &options->layout,
                                               options->first, options->count, error);
    struct retrieval retrieval = {
        .harvest = &harvest,
        .model = mur_uid_StudyRootQueryRetrieveInformationModelGet,
        .request_field = MUR_C_GET_RQ,
    };
    if (status == MUR_OK)
        status = run(good, json, options, &retrieval, error);
    load_harvest_free(&harvest);
    return status;
}

/* ---- receiving ---- */

struct sink {
    struct mur_listener *listener;
    struct load_harvest *harvest; /* NULL: compares nothing */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    unsigned open; /* associations; guarded by mutex */
};

struct receiver {
    struct sink *sink;
    struct mur_association *association;
};

/* One transfer syntax of each context: Explicit VR Little Endian, or the first. */
static enum mur_status accept_contexts(struct mur_association *association, struct mur_error *error)
{
    struct mur_presentation_context context;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && mur_association_get_context(&context, association, i);
         i++) {
        const char *chosen = context.transfer_syntaxes[0];
        for (size_t k = 0; k < context.transfer_syntax_count; k++)
            if (strcmp(context.transfer_syntaxes[k], mur_uid_ExplicitVRLittleEndian) == 0)
                chosen = context.transfer_syntaxes[k];
        status = mur_association_accept_context(association, context.id, chosen, MUR_ROLE_DEFAULT,
                                                error);
    }
    return status == MUR_OK ? mur_association_acknowledge(association, LOAD_TIMEOUT_MS, error)
                            : status;
}

static enum mur_status receive_all(struct mur_association *association,
                                   struct load_harvest *harvest, struct mur_error *error)
{
    MUR_AUTO(load_reaper) *reaper = NULL;
    enum mur_status status = harvest != NULL ? load_reaper_create(&reaper, harvest, error) : MUR_OK;
    if (status == MUR_OK)
        status = accept_contexts(association, error);
    while (status == MUR_OK) {
        struct mur_command command;
        uint8_t context_id = 0;
        status =
            mur_message_read_command(&command, &context_id, association, LOAD_TIMEOUT_MS, error);
        if (status == MUR_OK && command.field == MUR_C_STORE_RQ && command.has_data_set) {
            status =
                load_reaper_take(reaper, association, &command, context_id, LOAD_TIMEOUT_MS, error);
        } else if (status == MUR_OK && command.field == MUR_C_ECHO_RQ) {
            struct mur_command response;
            mur_command_init_response(&response, &command, 0);
            status = mur_message_write(association, context_id, &response, NULL, 0, LOAD_TIMEOUT_MS,
                                       error);
        } else if (status == MUR_OK) {
            mur_association_abort(association);
            status = mur_error_set(error, MUR_PARSE, "an unexpected %s",
                                   mur_command_field_name(command.field));
        }
    }
    return status;
}

static void *receive(void *argument)
{
    struct receiver *receiver = argument;
    struct sink *sink = receiver->sink;
    struct mur_error error = MUR_ERROR_INIT;
    (void)!receive_all(receiver->association, sink->harvest, &error);
    if (mur_association_end(receiver->association) == MUR_END_RELEASE_REQUESTED)
        mur_association_confirm_release(receiver->association);
    else
        (void)fprintf(stderr, "receiver: %s\n", error.message);
    mur_association_free(receiver->association);
    free(receiver);
    (void)pthread_mutex_lock(&sink->mutex);
    sink->open--;
    (void)pthread_cond_broadcast(&sink->ended);
    (void)pthread_mutex_unlock(&sink->mutex);
    return NULL;
}

static void start_receiver(struct sink *sink, struct mur_association *association)
{
    struct receiver *receiver = malloc(sizeof *receiver);
    pthread_t thread;
    if (receiver == NULL) {
        mur_association_free(association);
        return;
    }
    *receiver = (struct receiver){.sink = sink, .association = association};
    (void)pthread_mutex_lock(&sink->mutex);
    sink->open++;
    (void)pthread_mutex_unlock(&sink->mutex);
    if (pthread_create(&thread, NULL, receive, receiver) == 0) {
        (void)pthread_detach(thread);
        return;
    }
    (void)pthread_mutex_lock(&sink->mutex);
    sink->open--;
    (void)pthread_mutex_unlock(&sink->mutex);
    mur_association_free(association);
    free(receiver);
}

static void *listen_for_receivers(void *argument)
{
    struct sink *sink = argument;
    for (;;) {
        struct mur_association *association = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        enum mur_status status = mur_listener_next(&association, sink->listener, -1, &error);
        if (status == MUR_CANCELLED)
            return NULL;
        if (status == MUR_OK)
            start_receiver(sink, association);
        else
            (void)fprintf(stderr, "receiver: %s\n", error.message);
    }
}

static enum mur_status open_sink(struct sink *sink, uint16_t port, struct load_harvest *harvest,
                                 struct mur_error *error)
{
    const struct mur_listener_options options = {.bind_address = "127.0.0.1",
                                                 .port = port,
                                                 .artim_timeout_ms = LOAD_TIMEOUT_MS,
                                                 .max_pending = LOAD_ASSOCIATIONS};
    *sink = (struct sink){.harvest = harvest};
    (void)pthread_mutex_init(&sink->mutex, NULL);
    (void)pthread_cond_init(&sink->ended, NULL);
    enum mur_status status = mur_listener_create(&sink->listener, &options, error);
    if (status != MUR_OK)
        return status;
    int failed = pthread_create(&sink->thread, NULL, listen_for_receivers, sink);
    if (failed != 0) {
        mur_listener_free(sink->listener);
        return mur_error_set_errno(error, failed, "starting a thread");
    }
    return MUR_OK;
}

/* Peers that keep their association for the next operation are waited for until they end it. */
static void close_sink(struct sink *sink)
{
    mur_listener_wake(sink->listener);
    (void)pthread_join(sink->thread, NULL);
    (void)pthread_mutex_lock(&sink->mutex);
    while (sink->open > 0)
        (void)pthread_cond_wait(&sink->ended, &sink->mutex);
    (void)pthread_mutex_unlock(&sink->mutex);
    mur_listener_free(sink->listener);
}

enum mur_status load_move(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error)
{
    struct load_harvest harvest;
    struct sink sink;
    enum mur_status status = load_harvest_init(&harvest, options->kind, &options->layout,
                                               options->first, options->count, error);
    if (status == MUR_OK)
        status = open_sink(&sink, options->sink_port, options->verify ? &harvest : NULL, error);
    if (status == MUR_OK) {
        struct retrieval retrieval = {
            .harvest = &harvest,
            .model = mur_uid_StudyRootQueryRetrieveInformationModelMove,
            .request_field = MUR_C_MOVE_RQ,
        };
        status = run(good, json, options, &retrieval, error);
        close_sink(&sink);
    }
    load_harvest_free(&harvest);
    return status;
}

enum mur_status load_sink(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error)
{
    struct sink sink;
    enum mur_status status = open_sink(&sink, options->sink_port, NULL, error);
    if (status != MUR_OK)
        return status;
    (void)printf("port %u\n", (unsigned)mur_listener_port(sink.listener));
    (void)fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    (void)poll(&input, 1, -1);
    close_sink(&sink);
    mur_json_member_bool(json, "ended", true);
    *good = true;
    return MUR_OK;
}
