#include "scp/retrieve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/file.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"
#include "scp/audit.h"

enum {
    STATUS_CANCELLED = 0xFE00,
    STATUS_PENDING = 0xFF00,
    STATUS_SOME_FAILED = 0xB000,
    STATUS_ALL_FAILED = 0xA702,
    PENDING_EVERY_MS = 100,
    FAILURES_LOGGED = 20,
    FAILED_LIST_LIMIT = 65534, /* of a UI in Explicit VR */
    HELD_LIMIT = 1024 * 1024,  /* longer instances are read twice: to be checked, and to be sent */
    CHUNK = 256 * 1024,
};

/* ---- beginning and end ---- */

enum mur_status mur_retrieval_begin(struct mur_retrieval *retrieval, bool *refused,
                                    struct mur_session *session, const struct mur_request *request,
                                    const struct mur_delivery *delivery, struct mur_error *error)
{
    retrieval->session = session;
    retrieval->request = request;
    retrieval->delivery = delivery;
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status =
        mur_session_read_identifier(&retrieval->identifier, session, request, &reason, error);
    if (status != MUR_OK)
        return status;
    if (reason.status == MUR_OK &&
        mur_archive_plan(&retrieval->plan, session->scp->archive, &retrieval->identifier.query,
                         &reason) == MUR_OK)
        return MUR_OK;
    *refused = true;
    mur_audit_retrieval(retrieval, MUR_AUDIT_BEGIN_TRANSFERRING, mur_status_name(reason.status));
    return mur_session_fail(session, request, &reason, error);
}

void mur_retrieval_end(struct mur_retrieval *retrieval)
{
    mur_store_sender_free(retrieval->sender);
    mur_plan_free(&retrieval->plan);
    mur_identifier_free(&retrieval->identifier);
    mur_buffer_free(&retrieval->content);
    mur_buffer_free(&retrieval->failed_uids);
}

/* ---- responses ---- */

static uint16_t count16(size_t count)
{
    return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

static size_t remaining(const struct mur_retrieval *retrieval)
{
    return retrieval->plan.count - retrieval->completed - retrieval->warning - retrieval->failed;
}

static void init_response(struct mur_command *out, const struct mur_retrieval *retrieval,
                          uint16_t status)
{
    mur_command_init_response(out, &retrieval->request->command, status);
    out->completed = count16(retrieval->completed);
    out->failed = count16(retrieval->failed);
    out->warning = count16(retrieval->warning);
    out->has |= MUR_HAS_SUBOPERATION_COUNTS;
    if (status == STATUS_PENDING || status == STATUS_CANCELLED) {
        out->remaining = count16(remaining(retrieval));
        out->has |= MUR_HAS_REMAINING;
    }
}

static enum mur_status send_pending(struct mur_retrieval *retrieval, struct mur_error *error)
{
    int64_t now = mur_clock_monotonic_ms();
    if (retrieval->last_pending_ms != 0 && now - retrieval->last_pending_ms < PENDING_EVERY_MS)
        return MUR_OK;
    retrieval->last_pending_ms = now;
    struct mur_command response;
    init_response(&response, retrieval, STATUS_PENDING);
    return mur_message_write(retrieval->session->association, retrieval->request->context.id,
                             &response, NULL, 0, retrieval->session->timeout_ms, error);
}

static uint16_t last_status(const struct mur_retrieval *retrieval)
{
    if (retrieval->cancelled)
        return STATUS_CANCELLED;
    if (retrieval->failed > 0 && retrieval->completed + retrieval->warning == 0)
        return STATUS_ALL_FAILED;
    return retrieval->failed > 0 || retrieval->warning > 0 ? STATUS_SOME_FAILED : 0;
}

/* Failed SOP Instance UID List (0008,0058), as many as fit. */
static enum mur_status encode_failed(struct mur_buffer *out, const struct mur_retrieval *retrieval,
                                     struct mur_error *error)
{
    struct mur_slice list = {.data = mur_buffer_text(&retrieval->failed_uids),
                             .length = retrieval->failed_uids.length};
    if (list.length > FAILED_LIST_LIMIT) {
        list.length = FAILED_LIST_LIMIT;
        while (list.data[list.length] != '\\')
            list.length--;
    }
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(
        &encoder, out, retrieval->request->context.accepted_transfer_syntax, error);
    if (status == MUR_OK)
        status =
            mur_encode_value(&encoder, MUR_TAG_FailedSOPInstanceUIDList, MUR_VR_UI, list, error);
    return status;
}

static enum mur_status send_last(struct mur_retrieval *retrieval, struct mur_error *error)
{
    uint16_t dimse_status = last_status(retrieval);
    struct mur_command response;
    init_response(&response, retrieval, dimse_status);
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    if (retrieval->failed > 0) {
        mur_command_set_comment(&response, retrieval->comment);
        enum mur_status status = encode_failed(&list, retrieval, error);
        if (status != MUR_OK)
            return status;
    }
    if (dimse_status != 0)
        mur_session_log_refusal(retrieval->session, retrieval->request, dimse_status,
                                retrieval->failed > 0  ? retrieval->first_failure
                                : retrieval->cancelled ? "cancelled by the peer"
                                                       : "the receiver answered with warnings");
    mur_log_info(MUR_LOG_SCP, "%s: %zu instances, %zu sent, %zu with warnings, %zu failed",
                 retrieval->request->command.field == MUR_C_MOVE_RQ ? "C-MOVE" : "C-GET",
                 retrieval->plan.count, retrieval->completed, retrieval->warning,
                 retrieval->failed);
    return mur_message_write(retrieval->session->association, retrieval->request->context.id,
                             &response, list.length > 0 ? list.data : NULL, list.length,
                             retrieval->session->timeout_ms, error);
}

/* ---- one instance ---- */

static enum mur_status note_failure(struct mur_retrieval *retrieval,
                                    const struct mur_instance *item, const struct mur_error *reason,
                                    const char *comment, struct mur_error *error)
{
    if (retrieval->failed == 0) {
        (void)snprintf(retrieval->first_failure, sizeof(retrieval->first_failure), "%s",
                       reason->message);
        (void)snprintf(retrieval->comment, sizeof(retrieval->comment), "%s", comment);
    }
    retrieval->failed++;
    if (retrieval->failed <= FAILURES_LOGGED)
        mur_log_warning(MUR_LOG_SCP, "%s was not sent: %s", item->sop_instance, reason->message);
    enum mur_status status = MUR_OK;
    if (retrieval->failed_uids.length > 0)
        status = mur_buffer_append_text(&retrieval->failed_uids, "\\", error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(&retrieval->failed_uids, item->sop_instance, error);
    return status;
}

bool mur_retrieval_may_send_in(const struct mur_retrieval *retrieval,
                               const struct mur_presentation_context *context)
{
    if (context->result != MUR_CONTEXT_ACCEPTED)
        return false;
    return retrieval->we_are_requestor || context->accepted_role == MUR_ROLE_SCP ||
           context->accepted_role == MUR_ROLE_BOTH;
}

/* The context that takes the instance's bytes as they are; 0 if there is none. */
static uint8_t find_route(struct mur_retrieval *retrieval, const struct mur_instance *item)
{
    if (retrieval->routed.sop_class != NULL &&
        strcmp(retrieval->routed.sop_class, item->sop_class) == 0 &&
        strcmp(retrieval->routed.transfer_syntax, item->transfer_syntax) == 0)
        return retrieval->routed_context;
    struct mur_presentation_context context;
    for (size_t i = 0; mur_association_get_context(&context, retrieval->target, i); i++) {
        if (!mur_retrieval_may_send_in(retrieval, &context) ||
            strcmp(context.abstract_syntax, item->sop_class) != 0 ||
            strcmp(context.accepted_transfer_syntax, item->transfer_syntax) != 0)
            continue;
        retrieval->routed =
            (struct mur_pair){context.abstract_syntax, context.accepted_transfer_syntax};
        retrieval->routed_context = context.id;
        return context.id;
    }
    return 0;
}

struct sending {
    const struct mur_instance *item;
    struct mur_command response;
};

static enum mur_status send_bytes(struct sending *sending, struct mur_retrieval *retrieval,
                                  uint8_t context_id, const struct mur_store_source *source,
                                  struct mur_error *reason)
{
    struct mur_store_operation operation = {
        .context_id = context_id,
        .message_id = ++retrieval->message_id,
        .priority = retrieval->request->command.priority,
        .sop_class_uid = sending->item->sop_class,
        .sop_instance_uid = sending->item->sop_instance,
        .move_originator_ae_title = retrieval->move_originator,
        .move_originator_message_id = retrieval->request->command.message_id,
        .cancel_message_id = retrieval->request->command.message_id,
        .cancelled = retrieval->we_are_requestor ? NULL : &retrieval->cancelled,
        .timeout_ms = retrieval->session->timeout_ms,
    };
    return mur_store_send(&sending->response, retrieval->sender, &operation, source, reason);
}

static enum mur_status read_exactly(void *bytes, size_t length, int descriptor, uint64_t offset,
                                    const struct mur_instance *item, struct mur_error *reason)
{
    size_t count = 0;
    enum mur_status status = mur_pread_full(&count, descriptor, bytes, length, (off_t)offset,
                                            item->sop_instance, reason);
    if (status == MUR_OK && count != length)
        status = mur_error_set(reason, MUR_CORRUPT, "instance %s is cut short", item->sop_instance);
    return status;
}

/* The digest of the stored Data Set, which is left in retrieval->content if it is not too large. */
static enum mur_status digest_of(uint8_t out[MUR_XXH128_SIZE], struct mur_retrieval *retrieval,
                                 const struct mur_instance *item, int descriptor,
                                 struct mur_error *reason)
{
    struct mur_buffer *content = &retrieval->content;
    size_t chunk = item->length <= HELD_LIMIT ? (size_t)item->length : CHUNK;
    mur_buffer_clear(content);
    enum mur_status status = mur_buffer_reserve(content, chunk + 1, reason);
    MUR_AUTO(mur_xxh128) *digest = NULL;
    if (status == MUR_OK)
        status = mur_xxh128_create(&digest, reason);
    for (uint64_t done = 0; status == MUR_OK && done < item->length; done += chunk) {
        if (chunk > item->length - done)
            chunk = (size_t)(item->length - done);
        status = read_exactly(content->data, chunk, descriptor, item->offset + done, item, reason);
        if (status == MUR_OK)
            mur_xxh128_update(digest, content->data, chunk);
        if (status == MUR_OK && mur_session_must_hurry(retrieval->session))
            status = mur_error_set(reason, MUR_CANCELLED, "the node is being stopped");
    }
    if (status == MUR_OK)
        mur_xxh128_finish(out, digest);
    return status;
}

/* Wrong bytes are worse than none: the stored ones are compared with the digest of their arrival.
 * @param[out] source  where they are to be sent from */
static enum mur_status check_content(struct mur_store_source *source,
                                     struct mur_retrieval *retrieval,
                                     const struct mur_instance *item, int descriptor,
                                     struct mur_error *reason)
{
    uint8_t digest[MUR_XXH128_SIZE];
    enum mur_status status = digest_of(digest, retrieval, item, descriptor, reason);
    if (status != MUR_OK)
        return status;
    if (memcmp(digest, item->digest, sizeof(digest)) != 0)
        return mur_error_set(reason, MUR_CORRUPT, "the stored bytes of instance %s have changed",
                             item->sop_instance);
    if (item->length <= HELD_LIMIT)
        *source = (struct mur_store_source){
            .fd = -1, .data = retrieval->content.data, .length = item->length};
    else
        *source = (struct mur_store_source){
            .fd = descriptor, .offset = item->offset, .length = item->length};
    return MUR_OK;
}

static enum mur_status send_item(struct sending *sending, struct mur_retrieval *retrieval,
                                 struct mur_error *reason)
{
    const struct mur_instance *item = sending->item;
    MUR_AUTO_CLOSE int descriptor = -1;
    enum mur_status status =
        mur_archive_open_item(&descriptor, retrieval->session->scp->archive, item, reason);
    struct mur_store_source source = {.fd = -1};
    if (status == MUR_OK)
        status = check_content(&source, retrieval, item, descriptor, reason);
    if (status != MUR_OK)
        return status;
    uint8_t context_id = find_route(retrieval, item);
    struct mur_transcoding made = {.bytes = MUR_BUFFER_INIT};
    bool is_made = false;
    if (retrieval->session->scp->config->export_coerce)
        status =
            mur_retrieval_coerce(&is_made, &made, retrieval, item, descriptor, context_id, reason);
    if (status == MUR_OK && !is_made && context_id == 0) {
        mur_transcoding_end(&made); /* memory that comparing took */
        status = mur_retrieval_transcode(&made, retrieval, item, descriptor, reason);
        is_made = true;
    }
    if (is_made) {
        context_id = made.context_id;
        source = (struct mur_store_source){
            .fd = -1, .data = made.bytes.data, .length = made.bytes.length};
    }
    struct mur_presentation_context context;
    if (status == MUR_OK && mur_association_find_accepted(&context, retrieval->target, context_id))
        source.deflated =
            (mur_transfer_syntax_flags(context.accepted_transfer_syntax) & MUR_TS_DEFLATED) != 0;
    if (status == MUR_OK)
        status = send_bytes(sending, retrieval, context_id, &source, reason);
    mur_transcoding_end(&made);
    return status;
}

static enum mur_status deliver(struct mur_retrieval *retrieval, size_t index,
                               struct mur_error *error)
{
    struct sending sending = {.item = &retrieval->plan.items[index]};
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status sent = send_item(&sending, retrieval, &reason);
    if (sent != MUR_OK && mur_association_end(retrieval->target) != MUR_END_NONE) {
        enum mur_status status = retrieval->delivery->lost(retrieval, &reason);
        if (status != MUR_OK) {
            if (error != NULL)
                *error = reason;
            return status;
        }
    }
    uint16_t answered = sending.response.status;
    if (sent == MUR_OK && answered == 0) {
        retrieval->completed++;
        return MUR_OK;
    }
    if (sent == MUR_OK && mur_dimse_status_is_warning(answered)) {
        retrieval->warning++;
        return MUR_OK;
    }
    if (sent == MUR_OK)
        (void)mur_error_set(&reason, MUR_UNSUPPORTED, "the receiver refused it with %04X %s",
                            answered, sending.response.error_comment);
    return note_failure(retrieval, sending.item, &reason, mur_session_comment(&reason), error);
}

/* ---- all of them ---- */

static enum mur_status fail_rest(struct mur_retrieval *retrieval, size_t index,
                                 const struct mur_error *reason, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (; status == MUR_OK && index < retrieval->plan.count; index++)
        status =
            note_failure(retrieval, &retrieval->plan.items[index], reason, reason->message, error);
    return status;
}

static enum mur_status look_for_cancel(struct mur_retrieval *retrieval, struct mur_error *error)
{
    return mur_message_poll_cancel(&retrieval->cancelled, retrieval->session->association,
                                   retrieval->request->command.message_id, error);
}

static enum mur_status run(struct mur_retrieval *retrieval, struct mur_error *error)
{
    for (size_t i = 0; i < retrieval->plan.count; i++) {
        enum mur_status status = look_for_cancel(retrieval, error);
        if (status != MUR_OK)
            return status;
        if (retrieval->cancelled)
            break;
        struct mur_error reason = MUR_ERROR_INIT;
        enum mur_status prepared =
            mur_session_must_hurry(retrieval->session)
                ? mur_error_set(&reason, MUR_CANCELLED, "the node is being stopped")
                : retrieval->delivery->prepare(retrieval, i, &reason);
        if (prepared != MUR_OK) {
            status = fail_rest(retrieval, i, &reason, error);
            if (status != MUR_OK)
                return status;
            break;
        }
        status = deliver(retrieval, i, error);
        if (status == MUR_OK && remaining(retrieval) > 0)
            status = send_pending(retrieval, error);
        if (status != MUR_OK)
            return status;
    }
    return send_last(retrieval, error);
}

enum mur_status mur_retrieval_run(struct mur_retrieval *retrieval, struct mur_error *error)
{
    mur_audit_retrieval(retrieval, MUR_AUDIT_BEGIN_TRANSFERRING, NULL);
    enum mur_status status = run(retrieval, error);
    mur_audit_retrieval(retrieval, MUR_AUDIT_TRANSFERRED,
                        NULL); /* also where the association broke */
    return status;
}
