/* An association from its request to its end: reads commands and gives each to its service. */
#include "scp/session.h"
#include "scp/audit.h"

#include <stdio.h>
#include <string.h>

enum {
    STATUS_OUT_OF_RESOURCES = 0xA700,
    STATUS_CANNOT_COUNT_MATCHES = 0xA701, /* of C-MOVE and C-GET, in place of A700 */
    STATUS_DATA_SET_MISMATCH = 0xA900,
    STATUS_CANNOT_UNDERSTAND = 0xC000,
    STATUS_PROCESSING_FAILURE = 0x0110,
    STATUS_DUPLICATE_INSTANCE = 0x0111,
    STATUS_CLASS_NOT_SUPPORTED = 0x0122,
    STATUS_NOT_AUTHORIZED = 0x0124,
    STATUS_UNRECOGNIZED_OPERATION = 0x0211,
};

bool mur_session_must_hurry(const struct mur_session *session)
{
    return __atomic_load_n(&session->scp->hurry, __ATOMIC_ACQUIRE) != 0;
}

void mur_session_set_outgoing(struct mur_session *session, struct mur_association *outgoing)
{
    (void)pthread_mutex_lock(&session->scp->mutex);
    session->outgoing = outgoing;
    (void)pthread_mutex_unlock(&session->scp->mutex);
}

uint16_t mur_dimse_status(enum mur_service service, enum mur_status status)
{
    bool retrieves = service == MUR_SERVICE_MOVE || service == MUR_SERVICE_GET;
    switch (status) {
    case MUR_OK:
        return 0x0000;
    case MUR_INVALID:
    case MUR_MISMATCH:
        return STATUS_DATA_SET_MISMATCH;
    case MUR_PARSE:
    case MUR_NOT_FOUND:
    case MUR_LIMIT:
        return STATUS_CANNOT_UNDERSTAND;
    case MUR_EXISTS:
        return STATUS_DUPLICATE_INSTANCE;
    case MUR_UNSUPPORTED:
        return STATUS_CLASS_NOT_SUPPORTED;
    case MUR_BUSY:
    case MUR_IO:
    case MUR_NO_SPACE:
    case MUR_NO_MEMORY:
    case MUR_DENIED: /* to us, by the file system */
        return retrieves ? STATUS_CANNOT_COUNT_MATCHES : STATUS_OUT_OF_RESOURCES;
    case MUR_CORRUPT:
    case MUR_CLOSED:
    case MUR_TIMEOUT:
    case MUR_CANCELLED:
    case MUR_INTERNAL:
        return STATUS_PROCESSING_FAILURE;
    }
    return STATUS_PROCESSING_FAILURE;
}

void mur_session_log_refusal(struct mur_session *session, const struct mur_request *request,
                             uint16_t status, const char *why)
{
    session->refused++;
    mur_log_warning(MUR_LOG_SCP, "%s of %s at %s refused with %04X: %s",
                    mur_command_field_name(request->command.field),
                    mur_association_calling_ae_title(session->association),
                    mur_association_peer_address(session->association), status, why);
}

static enum mur_status refuse(struct mur_session *session, const struct mur_request *request,
                              uint16_t status, const char *comment, struct mur_error *error)
{
    struct mur_command response;
    mur_command_init_response(&response, &request->command, status);
    mur_command_set_comment(&response, comment);
    return mur_message_write(session->association, request->context.id, &response, NULL, 0,
                             session->timeout_ms, error);
}

enum mur_status mur_session_refuse(struct mur_session *session, const struct mur_request *request,
                                   uint16_t status, const char *why, struct mur_error *error)
{
    mur_session_log_refusal(session, request, status, why);
    return refuse(session, request, status, why, error);
}

const char *mur_session_comment(const struct mur_error *reason)
{
    switch (reason->status) {
    case MUR_INVALID:
    case MUR_PARSE:
    case MUR_MISMATCH:
    case MUR_NOT_FOUND:
    case MUR_EXISTS:
    case MUR_UNSUPPORTED:
    case MUR_LIMIT:
        return reason->message; /* about what the peer sent */
    case MUR_OK:
    case MUR_DENIED:
    case MUR_BUSY:
    case MUR_IO:
    case MUR_NO_MEMORY:
    case MUR_CORRUPT:
    case MUR_CLOSED:
    case MUR_TIMEOUT:
    case MUR_CANCELLED:
    case MUR_INTERNAL:
        break;
    case MUR_NO_SPACE: /* a project's name may be told, a path of ours not */
        if (strchr(reason->message, '/') == NULL)
            return reason->message;
        break;
    }
    return mur_status_name(reason->status);
}

enum mur_status mur_session_fail(struct mur_session *session, const struct mur_request *request,
                                 const struct mur_error *reason, struct mur_error *error)
{
    enum mur_service service = mur_service_of(request->context.abstract_syntax, true);
    uint16_t status = mur_dimse_status(service, reason->status);
    mur_session_log_refusal(session, request, status, reason->message);
    return refuse(session, request, status, mur_session_comment(reason), error);
}

enum mur_status mur_session_read_identifier(struct mur_identifier *out, struct mur_session *session,
                                            const struct mur_request *request,
                                            struct mur_error *reason, struct mur_error *error)
{
    const struct mur_presentation_context *context = &request->context;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    if (!request->command.has_data_set) {
        (void)mur_error_set(reason, MUR_INVALID, "no identifier");
        return MUR_OK;
    }
    enum mur_status status = mur_session_gather(&bytes, session, request, reason, error);
    if (status == MUR_OK && reason->status == MUR_OK)
        (void)!mur_identifier_parse(out, bytes.data, bytes.length,
                                    context->accepted_transfer_syntax, context->abstract_syntax,
                                    reason);
    return status;
}

static enum mur_status ignore_data(void *user, const uint8_t *data, size_t length,
                                   struct mur_error *error)
{
    (void)user;
    (void)data;
    (void)length;
    (void)error;
    return MUR_OK;
}

static enum mur_status refuse_operation(struct mur_session *session,
                                        const struct mur_request *request, uint16_t dimse_status,
                                        const char *why, struct mur_error *error)
{
    enum mur_status sunk = MUR_OK;
    enum mur_status status = MUR_OK;
    if (request->command.has_data_set)
        status = mur_message_read_data(&sunk, session->association, request->context.id,
                                       ignore_data, NULL, session->timeout_ms, error);
    if (status != MUR_OK)
        return status;
    return mur_session_refuse(session, request, dimse_status, why, error);
}

/* The one operation of each service. */
static const struct {
    enum mur_service service;
    enum mur_command_field field;
    enum mur_operation operation;
    enum mur_status (*run)(struct mur_session *session, const struct mur_request *request,
                           struct mur_error *error);
} operations[] = {
    {MUR_SERVICE_ECHO, MUR_C_ECHO_RQ, MUR_OPERATION_ECHO, mur_session_echo},
    {MUR_SERVICE_STORE, MUR_C_STORE_RQ, MUR_OPERATION_STORE, mur_session_store},
    {MUR_SERVICE_FIND, MUR_C_FIND_RQ, MUR_OPERATION_FIND, mur_session_find},
    {MUR_SERVICE_MOVE, MUR_C_MOVE_RQ, MUR_OPERATION_MOVE, mur_session_move},
    {MUR_SERVICE_GET, MUR_C_GET_RQ, MUR_OPERATION_GET, mur_session_get},
    {MUR_SERVICE_COMMITMENT, MUR_N_ACTION_RQ, MUR_OPERATION_COMMIT, mur_session_commit},
};

static enum mur_status dispatch(struct mur_session *session, const struct mur_request *request,
                                struct mur_error *error)
{
    const struct mur_command *command = &request->command;
    if (command->field == MUR_C_CANCEL_RQ && !command->has_data_set)
        return MUR_OK; /* what it means has ended already */
    if ((command->field & 0x8000) != 0 || command->field == MUR_C_CANCEL_RQ) {
        mur_association_abort(session->association);
        return mur_error_set(error, MUR_PARSE, "%s (0x%04X) out of place",
                             mur_command_field_name(command->field), command->field);
    }
    if ((command->has & MUR_HAS_AFFECTED_SOP_CLASS) != 0 &&
        strcmp(command->affected_sop_class_uid, request->context.abstract_syntax) != 0)
        return refuse_operation(session, request, STATUS_CLASS_NOT_SUPPORTED,
                                "SOP Class differs from the presentation context's", error);
    enum mur_service service = mur_service_of(request->context.abstract_syntax, true);
    for (size_t i = 0; i < MUR_COUNT(operations); i++) {
        if (operations[i].field != command->field || operations[i].service != service)
            continue;
        if (service == MUR_SERVICE_STORE && request->context.accepted_role == MUR_ROLE_SCP)
            return refuse_operation(session, request, STATUS_NOT_AUTHORIZED,
                                    "this context was negotiated for C-GET", error);
        session->done[operations[i].operation]++;
        return operations[i].run(session, request, error);
    }
    return refuse_operation(session, request, STATUS_UNRECOGNIZED_OPERATION,
                            "operation not offered in this context", error);
}

static enum mur_status serve_one(struct mur_session *session, struct mur_error *error)
{
    struct mur_association *association = session->association;
    enum mur_status status =
        mur_association_wait(association, session->scp->stop_event, session->timeout_ms, error);
    if (status == MUR_TIMEOUT)
        return mur_error_set(error, MUR_TIMEOUT, "silent for %d s (dicom.idle_timeout_s)",
                             session->timeout_ms / 1000);
    if (status == MUR_CANCELLED)
        return mur_error_set(error, MUR_CANCELLED, "the node is being stopped");
    if (status != MUR_OK)
        return status;
    struct mur_request request;
    uint8_t context_id = 0;
    status = mur_message_read_command(&request.command, &context_id, association,
                                      session->timeout_ms, error);
    if (status != MUR_OK)
        return status;
    if (!mur_association_find_accepted(&request.context, association, context_id))
        return mur_error_set(error, MUR_INTERNAL, "context %u was not accepted", context_id);
    status = dispatch(session, &request, error);
    mur_session_forget_gathered(session);
    return status;
}

static void log_end(const struct mur_session *session, const struct mur_error *error)
{
    const char *calling = mur_association_calling_ae_title(session->association);
    const char *address = mur_association_peer_address(session->association);
    enum mur_association_end end = mur_association_end(session->association);
    if (end == MUR_END_RELEASED)
        mur_log_info(
            MUR_LOG_SCP,
            "released by %s: %u echoes, %u stores, %u finds, %u moves, %u gets, %u commitments; "
            "%u refused",
            calling, session->done[MUR_OPERATION_ECHO], session->done[MUR_OPERATION_STORE],
            session->done[MUR_OPERATION_FIND], session->done[MUR_OPERATION_MOVE],
            session->done[MUR_OPERATION_GET], session->done[MUR_OPERATION_COMMIT],
            session->refused);
    else
        mur_log_warning(MUR_LOG_SCP, "association of %s at %s %s: %s", calling, address,
                        mur_association_end_name(end), error->message);
}

void mur_session_serve(struct mur_session *session)
{
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_session_negotiate(session, &error);
    if (status == MUR_DENIED)
        return; /* rejected, and told */
    while (status == MUR_OK)
        status = serve_one(session, &error);
    if (mur_association_end(session->association) == MUR_END_RELEASE_REQUESTED)
        mur_association_confirm_release(session->association);
    else
        mur_association_abort(session->association);
    log_end(session, &error);
    mur_audit_stores(session);
}
