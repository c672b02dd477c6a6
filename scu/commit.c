#include "scu/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/text.h"
#include "dicom/encoder.h"
#include "dicom/listener.h"
#include "dicom/message.h"
#include "dicom/scanner.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "scu/send_list.h"

enum {
    ACTION_REQUEST_COMMITMENT = 1,
    MESSAGE_ID = 1,
    STATUS_PROCESSING_FAILURE = 0x0110,
    STATUS_NO_SUCH_EVENT = 0x0113,
    STATUS_INVALID_ARGUMENT = 0x0115,
    EVENT_ALL_KEPT = 1,
    EVENT_FAILURES_EXIST = 2,
    SLICE_MS = 50,      /* two places to look at, and Ctrl-C */
    MESSAGE_MS = 30000, /* for a message of a peer that called us */
    RELEASE_MS = 3000,  /* for the release after the report */
    ARTIM_MS = 30000,
    PENDING = 8,
};

static const char *const native[] = {mur_uid_ExplicitVRLittleEndian,
                                     mur_uid_ImplicitVRLittleEndian};

/* ---- the instances --------------------------------------------------------------------------- */

void mur_commit_list_free(struct mur_commit_list *list)
{
    free(list->references);
    *list = (struct mur_commit_list){.references = NULL};
}

enum mur_status mur_commit_list_add(struct mur_commit_list *list, const char *sop_class,
                                    const char *sop_instance, struct mur_error *error)
{
    enum { FIRST_CAPACITY = 64 };
    if (!mur_uid_acceptable(mur_slice_of(sop_class)) ||
        !mur_uid_acceptable(mur_slice_of(sop_instance)))
        return mur_error_set(error, MUR_INVALID, "SOP Class or SOP Instance UID is no UID");
    if (list->count == MUR_COMMIT_REFERENCES)
        return mur_error_set(error, MUR_LIMIT, "more than %d instances: ask for them in parts",
                             MUR_COMMIT_REFERENCES);
    if (list->count == list->capacity) {
        size_t wanted = list->capacity > 0 ? 2 * list->capacity : FIRST_CAPACITY;
        struct mur_commit_reference *references =
            reallocarray(list->references, wanted, sizeof *references);
        if (references == NULL)
            return mur_error_no_memory(error);
        list->references = references;
        list->capacity = wanted;
    }
    struct mur_commit_reference *added = &list->references[list->count++];
    *added = (struct mur_commit_reference){.answer = MUR_COMMIT_UNTOLD};
    (void)snprintf(added->sop_class, sizeof added->sop_class, "%s", sop_class);
    (void)snprintf(added->sop_instance, sizeof added->sop_instance, "%s", sop_instance);
    return MUR_OK;
}

enum mur_status mur_commit_list_gather(struct mur_commit_list *list,
                                       const struct mur_commit_files *files,
                                       struct mur_error *error)
{
    MUR_AUTO_SEND_LIST struct mur_send_list found = {.items = NULL};
    const struct mur_send_list_options options = {
        .paths = files->paths,
        .path_count = files->path_count,
        .recurse = true,
        .client = files->client,
        .progress = files->progress,
        .passed_over = files->passed_over,
        .user = files->user,
    };
    enum mur_status status = mur_send_list_gather(&found, &options, error);
    for (size_t i = 0; status == MUR_OK && i < found.count; i++) {
        const struct mur_send_item *item = &found.items[i];
        status =
            mur_commit_list_add(list, found.pairs[item->pair].sop_class, item->sop_instance, error);
        if (status == MUR_INVALID)
            return mur_error_prefix(error, "%s", item->path);
    }
    return status;
}

static int compare_references(const void *left, const void *right)
{
    const struct mur_commit_reference *a = left;
    const struct mur_commit_reference *b = right;
    return strcmp(a->sop_instance, b->sop_instance);
}

static void sort_and_merge(struct mur_commit_list *list)
{
    struct mur_commit_reference *references = list->references;
    size_t kept = 0;
    qsort(references, list->count, sizeof *references, compare_references);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || compare_references(&references[kept - 1], &references[i]) != 0)
            references[kept++] = references[i];
    list->count = kept;
    for (size_t i = 0; i < kept; i++) {
        references[i].answer = MUR_COMMIT_UNTOLD;
        references[i].failure = 0;
    }
}

/* ---- the report's Data Set: PS3.4 Table J.3-2 ------------------------------------------------ */

struct reading {
    struct mur_commit_list *list; /* NULL: only whose report it is */
    char transaction_uid[MUR_UID_TEXT_SIZE];
    uint32_t sequence, item;              /* of what follows */
    struct mur_commit_reference *current; /* of this item; NULL: nobody asked for it */
};

static enum mur_status take_reference(struct reading *reading,
                                      const struct mur_scan_element *element)
{
    bool failed = element->sequences[0] == MUR_TAG_FailedSOPSequence;
    if (reading->sequence != element->sequences[0] || reading->item != element->items[0])
        reading->current = NULL;
    reading->sequence = element->sequences[0];
    reading->item = element->items[0];
    int64_t reason = 0;
    if (element->tag == MUR_TAG_ReferencedSOPInstanceUID) {
        struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
        struct mur_commit_reference wanted = {.answer = MUR_COMMIT_UNTOLD};
        if (uid.length == 0 || uid.length > MUR_UID_LENGTH)
            return MUR_OK;
        memcpy(wanted.sop_instance, uid.data, uid.length);
        reading->current = bsearch(&wanted, reading->list->references, reading->list->count,
                                   sizeof wanted, compare_references);
        /* What is in both sequences has failed. */
        if (reading->current != NULL && reading->current->answer != MUR_COMMIT_FAILED)
            reading->current->answer = failed ? MUR_COMMIT_FAILED : MUR_COMMIT_KEPT;
    } else if (element->tag == MUR_TAG_FailureReason && failed && reading->current != NULL &&
               mur_scan_int(&reason, element, 0)) {
        reading->current->failure = (uint16_t)reason;
    }
    return MUR_OK;
}

static enum mur_status take_element(void *user, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    (void)error;
    struct reading *reading = user;
    if (element->depth == 0 && element->tag == MUR_TAG_TransactionUID) {
        struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
        if (uid.length <= MUR_UID_LENGTH)
            (void)snprintf(reading->transaction_uid, sizeof reading->transaction_uid, "%.*s",
                           (int)uid.length, uid.data);
    }
    bool is_reference =
        element->depth == 1 && (element->sequences[0] == MUR_TAG_ReferencedSOPSequence ||
                                element->sequences[0] == MUR_TAG_FailedSOPSequence);
    return is_reference && reading->list != NULL ? take_reference(reading, element) : MUR_OK;
}

static enum mur_status read_report(struct reading *reading, const struct mur_buffer *bytes,
                                   const char *transfer_syntax, struct mur_error *error)
{
    static const struct mur_scan_events events = {.element = take_element};
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_scanner_create(&scanner, transfer_syntax, &events, reading, error);
    if (status == MUR_OK)
        status = mur_scanner_write(scanner, bytes->data, bytes->length, error);
    return status == MUR_OK ? mur_scanner_finish(scanner, error) : status;
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct waiting {
    const struct mur_commit_options *options;
    struct mur_commit_result *result;
    struct mur_listener *listener;
    struct mur_association *asked; /* where we asked; NULL once it is over */
    int64_t deadline_ms;           /* by mur_clock_monotonic_ms(); INT64_MAX = none */
    bool answered;                 /* the N-ACTION was */
    bool told;
    struct mur_error turned_away; /* who called last without a report for us */
};

static int milliseconds_left(const struct waiting *waiting, int at_most)
{
    int64_t left = waiting->deadline_ms - mur_clock_monotonic_ms();
    if (left < 0)
        return 0;
    return left < at_most ? (int)left : at_most;
}

/* What is wrong with a report; first without touching the list, so that a damaged one, or somebody
 * else's, leaves nothing behind. */
static uint16_t judge_report(struct waiting *waiting, const struct mur_command *request,
                             const struct mur_buffer *bytes, bool too_long,
                             const char *transfer_syntax, struct mur_error *reason)
{
    struct reading reading = {.list = NULL};
    if (request->event_type_id != EVENT_ALL_KEPT &&
        request->event_type_id != EVENT_FAILURES_EXIST) {
        (void)mur_error_set(reason, MUR_INVALID, "Event Type ID is neither 1 nor 2");
        return STATUS_NO_SUCH_EVENT;
    }
    if (too_long) {
        (void)mur_error_set(reason, MUR_LIMIT, "a report of more than %d bytes",
                            MUR_COMMIT_REPORT_LIMIT);
        return STATUS_PROCESSING_FAILURE;
    }
    if (read_report(&reading, bytes, transfer_syntax, reason) != MUR_OK)
        return STATUS_INVALID_ARGUMENT;
    if (strcmp(reading.transaction_uid, waiting->result->transaction_uid) != 0) {
        /* Not "invalid": whoever waits for it may be here when the peer tries again. */
        (void)mur_error_set(reason, MUR_NOT_FOUND, "a report of another transaction");
        return STATUS_PROCESSING_FAILURE;
    }
    reading.list = waiting->options->list;
    (void)!read_report(&reading, bytes, transfer_syntax, NULL); /* it could be read just now */
    return 0;
}

static enum mur_status take_report(struct waiting *waiting, struct mur_association *association,
                                   const struct mur_command *request, uint8_t context_id,
                                   struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    struct mur_presentation_context context;
    struct mur_error reason = MUR_ERROR_INIT;
    bool too_long = false;
    if (!request->has_data_set ||
        !mur_association_find_accepted(&context, association, context_id)) {
        mur_association_abort(association);
        return mur_error_set(error, MUR_PARSE,
                             "protocol error of the peer: a report without "
                             "Data Set");
    }
    enum mur_status status = mur_message_read_identifier(
        &bytes, &too_long, association, context_id, MUR_COMMIT_REPORT_LIMIT,
        milliseconds_left(waiting, MESSAGE_MS), error);
    if (status != MUR_OK)
        return status;
    uint16_t answer =
        judge_report(waiting, request, &bytes, too_long, context.accepted_transfer_syntax, &reason);
    struct mur_command response;
    mur_command_init_response(&response, request, answer);
    if (answer != 0) {
        mur_command_set_comment(&response, reason.message);
        waiting->turned_away = reason;
    } else if (!waiting->told) {
        waiting->told = true;
        (void)snprintf(waiting->result->reporter, sizeof waiting->result->reporter, "%s",
                       association == waiting->asked
                           ? mur_association_called_ae_title(association)
                           : mur_association_calling_ae_title(association));
    }
    return mur_message_write(association, context_id, &response, NULL, 0, MESSAGE_MS, error);
}

static enum mur_status take_answer(struct waiting *waiting, const struct mur_command *response,
                                   uint8_t context_id, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer ignored = MUR_BUFFER_INIT; /* nothing is defined for it */
    bool too_long = false;
    struct mur_outcome *outcome = &waiting->result->outcome;
    waiting->answered = true;
    outcome->status = response->status;
    outcome->offending_element = response->offending_element;
    (void)snprintf(outcome->comment, sizeof outcome->comment, "%s", response->error_comment);
    return response->has_data_set
               ? mur_message_read_identifier(&ignored, &too_long, waiting->asked, context_id,
                                             MUR_COMMIT_REPORT_LIMIT,
                                             waiting->options->client.dimse_ms, error)
               : MUR_OK;
}

/* @return other than MUR_OK: the association is over, or (MUR_TIMEOUT) silent */
static enum mur_status take_message(struct waiting *waiting, struct mur_association *association,
                                    int timeout_ms, struct mur_error *error)
{
    struct mur_command message;
    uint8_t context_id = 0;
    enum mur_status status =
        mur_message_read_command(&message, &context_id, association, timeout_ms, error);
    if (status != MUR_OK)
        return status;
    if (message.field == MUR_N_EVENT_REPORT_RQ)
        return take_report(waiting, association, &message, context_id, error);
    if (message.field == MUR_N_ACTION_RSP && association == waiting->asked && !waiting->answered &&
        message.responded_message_id == MESSAGE_ID)
        return take_answer(waiting, &message, context_id, error);
    if (message.field == MUR_C_ECHO_RQ && !message.has_data_set) {
        struct mur_command response;
        mur_command_init_response(&response, &message, 0);
        return mur_message_write(association, context_id, &response, NULL, 0, MESSAGE_MS, error);
    }
    mur_association_abort(association);
    return mur_error_set(error, MUR_PARSE, "protocol error of the peer: %s where a report was due",
                         mur_command_field_name(message.field));
}

/* ---- who calls us ---------------------------------------------------------------------------- */

/* The first of the native ones that it proposes; else NULL. */
static const char *choose_syntax(const struct mur_presentation_context *context)
{
    for (size_t i = 0; i < MUR_COUNT(native); i++)
        for (size_t k = 0; k < context->transfer_syntax_count; k++)
            if (strcmp(context->transfer_syntaxes[k], native[i]) == 0)
                return native[i];
    return NULL;
}

/* The peer is requestor and SCP (PS3.4 J.3.3.1): it should say so by role selection; one that says
 * nothing means the same. */
static enum mur_status decide(struct mur_association *association,
                              const struct mur_presentation_context *context,
                              struct mur_error *error)
{
    bool commitment = strcmp(context->abstract_syntax, mur_uid_StorageCommitmentPushModel) == 0;
    const char *syntax = choose_syntax(context);
    enum mur_context_result result = MUR_CONTEXT_ACCEPTED;
    enum mur_role role = MUR_ROLE_DEFAULT;
    if (!commitment && strcmp(context->abstract_syntax, mur_uid_Verification) != 0)
        result = MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED;
    else if (syntax == NULL)
        result = MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED;
    else if (commitment && context->proposed_role == MUR_ROLE_SCU)
        result = MUR_CONTEXT_USER_REJECTION; /* it wants to ask us */
    else if (commitment && context->proposed_role != MUR_ROLE_DEFAULT)
        role = MUR_ROLE_SCP;
    return result == MUR_CONTEXT_ACCEPTED
               ? mur_association_accept_context(association, context->id, syntax, role, error)
               : mur_association_refuse_context(association, context->id, result, error);
}

static enum mur_status negotiate(struct waiting *waiting, struct mur_association *association,
                                 struct mur_error *error)
{
    const char *called = mur_association_called_ae_title(association);
    const char *own = waiting->options->client.address.calling_ae_title;
    if (strcmp(called, own) != 0) {
        mur_error_set(error, MUR_DENIED, "%s at %s called \"%s\", but we are \"%s\"",
                      mur_association_calling_ae_title(association),
                      mur_association_peer_address(association), called, own);
        mur_association_reject(association, 1, 1, 7);
        return MUR_DENIED;
    }
    struct mur_presentation_context context;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && mur_association_get_context(&context, association, i);
         i++)
        status = decide(association, &context, error);
    return status == MUR_OK ? mur_association_acknowledge(association, MESSAGE_MS, error) : status;
}

static void serve(struct waiting *waiting, struct mur_association *association)
{
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status = negotiate(waiting, association, &reason);
    while (status == MUR_OK) {
        int left_ms = waiting->told ? RELEASE_MS : milliseconds_left(waiting, MESSAGE_MS);
        status =
            mur_association_wait(association, waiting->options->client.cancel_fd, left_ms, &reason);
        if (status == MUR_OK)
            status = take_message(waiting, association, left_ms, &reason);
    }
    bool released = mur_association_end(association) == MUR_END_RELEASE_REQUESTED;
    if (released)
        mur_association_confirm_release(association);
    else
        mur_association_abort(association);
    if (!released && status != MUR_OK)
        waiting->turned_away = reason;
    mur_association_free(association);
}

/* ---- the request ----------------------------------------------------------------------------- */

static enum mur_status make_transaction_uid(char out[MUR_UID_TEXT_SIZE], struct mur_error *error)
{
    char bytes[16]; /* nobody who does not know it can report to us */
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return mur_error_set_errno(error, errno, "getrandom");
    return mur_uid_from_name(out, &mur_uid_murpacs,
                             (struct mur_slice){.data = bytes, .length = sizeof bytes}, error);
}

static enum mur_status encode_request(struct mur_buffer *out, const struct waiting *waiting,
                                      const char *transfer_syntax, struct mur_error *error)
{
    const struct mur_commit_list *list = waiting->options->list;
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, transfer_syntax, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_TransactionUID, MUR_VR_UI,
                                 waiting->result->transaction_uid, error);
    if (status == MUR_OK)
        status = mur_encode_sequence_begin(&encoder, MUR_TAG_ReferencedSOPSequence, error);
    for (size_t i = 0; status == MUR_OK && i < list->count; i++) {
        status = mur_encode_item_begin(&encoder, error);
        if (status == MUR_OK)
            status = mur_encode_text(&encoder, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI,
                                     list->references[i].sop_class, error);
        if (status == MUR_OK)
            status = mur_encode_text(&encoder, MUR_TAG_ReferencedSOPInstanceUID, MUR_VR_UI,
                                     list->references[i].sop_instance, error);
        if (status == MUR_OK)
            status = mur_encode_item_end(&encoder, error);
    }
    return status == MUR_OK ? mur_encode_sequence_end(&encoder, error) : status;
}

static enum mur_status send_request(const struct waiting *waiting, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_presentation_context context;
    struct mur_command request = {
        .field = MUR_N_ACTION_RQ,
        .has = MUR_HAS_REQUESTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_REQUESTED_SOP_INSTANCE |
               MUR_HAS_ACTION_TYPE,
        .message_id = MESSAGE_ID,
        .action_type_id = ACTION_REQUEST_COMMITMENT,
    };
    (void)snprintf(request.requested_sop_class_uid, sizeof request.requested_sop_class_uid, "%s",
                   mur_uid_StorageCommitmentPushModel);
    (void)snprintf(request.requested_sop_instance_uid, sizeof request.requested_sop_instance_uid,
                   "%s", mur_uid_StorageCommitmentPushModelInstance);
    enum mur_status status = mur_client_find_context(&context, waiting->asked,
                                                     mur_uid_StorageCommitmentPushModel, error);
    if (status == MUR_OK)
        status = encode_request(&data, waiting, context.accepted_transfer_syntax, error);
    if (status == MUR_OK)
        status = mur_message_write(waiting->asked, context.id, &request, data.data, data.length,
                                   waiting->options->client.dimse_ms, error);
    return status;
}

static enum mur_status await_answer(struct waiting *waiting, struct mur_error *error)
{
    const struct mur_client *client = &waiting->options->client;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && !waiting->answered) {
        status = mur_association_wait(waiting->asked, client->cancel_fd, client->dimse_ms, error);
        if (status == MUR_OK)
            status = take_message(waiting, waiting->asked, client->dimse_ms, error);
    }
    if (status == MUR_TIMEOUT || status == MUR_CANCELLED)
        mur_association_abort(waiting->asked);
    if (status == MUR_TIMEOUT)
        return mur_error_set(error, MUR_TIMEOUT, "the peer did not answer within %d s (-td)",
                             client->dimse_ms / 1000);
    if (status == MUR_CANCELLED)
        return mur_error_set(error, MUR_CANCELLED, "stopped by request");
    return status == MUR_CLOSED ? mur_error_prefix(error, "while waiting for the answer") : status;
}

/* ---- the report ------------------------------------------------------------------------------ */

/* The association that asked need not stay: the report then comes on another. */
static void look_at_first(struct waiting *waiting)
{
    if (waiting->asked == NULL || !mur_association_data_waiting(waiting->asked, 0))
        return;
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status =
        take_message(waiting, waiting->asked, milliseconds_left(waiting, MESSAGE_MS), &reason);
    if (status == MUR_OK)
        return;
    if (mur_association_end(waiting->asked) == MUR_END_RELEASE_REQUESTED)
        mur_association_confirm_release(waiting->asked);
    else
        mur_association_abort(waiting->asked);
    mur_association_free(waiting->asked);
    waiting->asked = NULL;
}

static enum mur_status explain_silence(const struct waiting *waiting, struct mur_error *error)
{
    const struct mur_commit_options *options = waiting->options;
    bool somebody = waiting->turned_away.status != MUR_OK;
    return mur_error_set(
        error, MUR_TIMEOUT,
        "the peer took the request, but did not report within %d s: it must know our AE title "
        "\"%s\" with this host and port %u, and reach them%s%s",
        options->wait_ms / 1000, options->client.address.calling_ae_title,
        mur_listener_port(waiting->listener), somebody ? "; the last who called: " : "",
        somebody ? waiting->turned_away.message : "");
}

static enum mur_status await_report(struct waiting *waiting, struct mur_error *error)
{
    const struct mur_client *client = &waiting->options->client;
    if (waiting->options->wait_ms >= 0)
        waiting->deadline_ms = mur_clock_monotonic_ms() + waiting->options->wait_ms;
    while (!waiting->told) {
        if (mur_client_cancelled(client))
            return mur_error_set(error, MUR_CANCELLED, "stopped by request");
        int slice_ms = milliseconds_left(waiting, SLICE_MS);
        if (slice_ms == 0)
            return explain_silence(waiting, error);
        look_at_first(waiting);
        struct mur_association *caller = NULL;
        struct mur_error reason = MUR_ERROR_INIT;
        enum mur_status status =
            waiting->told ? MUR_TIMEOUT
                          : mur_listener_next(&caller, waiting->listener, slice_ms, &reason);
        if (status == MUR_OK) {
            serve(waiting, caller);
        } else if (status != MUR_TIMEOUT) {
            waiting->turned_away = reason;
            (void)mur_client_sleep(client, slice_ms);
        }
    }
    return MUR_OK;
}

static void count_answers(struct mur_commit_result *result, const struct mur_commit_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        result->kept += list->references[i].answer == MUR_COMMIT_KEPT;
    result->failed = list->count - result->kept;
}

static enum mur_status ask_and_wait(struct waiting *waiting, struct mur_error *error)
{
    const struct mur_context_proposal context = {
        .abstract_syntax = mur_uid_StorageCommitmentPushModel,
        .transfer_syntaxes = native,
        .transfer_syntax_count = MUR_COUNT(native),
    };
    enum mur_status status =
        mur_client_connect(&waiting->asked, &waiting->options->client, &context, 1, NULL, error);
    if (status == MUR_OK)
        status = send_request(waiting, error);
    if (status == MUR_OK)
        status = await_answer(waiting, error);
    uint16_t answer = waiting->result->outcome.status;
    if (status != MUR_OK || (answer != 0 && !mur_dimse_status_is_warning(answer)))
        return status;
    status = await_report(waiting, error);
    if (status == MUR_OK)
        count_answers(waiting->result, waiting->options->list);
    return status;
}

enum mur_status mur_scu_commit(struct mur_commit_result *out,
                               const struct mur_commit_options *options, struct mur_error *error)
{
    MUR_AUTO(mur_listener) *listener = NULL;
    const struct mur_listener_options listening = {
        .bind_address = options->bind_address,
        .port = options->port,
        .artim_timeout_ms = ARTIM_MS,
        .max_pending = PENDING,
        .tls = options->client.tls,
    };
    struct waiting waiting = {.options = options, .result = out, .deadline_ms = INT64_MAX};
    *out = (struct mur_commit_result){.kept = 0};
    if (options->list->count == 0)
        return mur_error_set(error, MUR_INVALID, "no instances to ask for");
    sort_and_merge(options->list);
    enum mur_status status = mur_network_init(error);
    if (status == MUR_OK)
        status = make_transaction_uid(out->transaction_uid, error);
    if (status == MUR_OK)
        status = mur_listener_create(&listener, &listening, error);
    if (status != MUR_OK)
        return status;
    waiting.listener = listener;
    if (options->listening != NULL)
        options->listening(options->user, mur_listener_address(listener),
                           mur_listener_port(listener));
    status = ask_and_wait(&waiting, error);
    mur_client_release(waiting.asked, &options->client);
    return status;
}
