/* C-FIND (PS3.4 C.4.1): rows of the archive as pending responses, many to a write. */
#include "scp/audit.h"
#include "scp/identifier.h"
#include "scp/session.h"

#include <string.h>

enum { MATCHING_CANCELLED = 0xFE00, PENDING = 0xFF00, PENDING_UNSUPPORTED_KEYS = 0xFF01 };

struct finding {
    struct mur_session *session;
    const struct mur_request *request;
    struct mur_identifier *identifier;
    struct mur_batch *batch;
    struct mur_cursor *cursor;
    size_t count;
    bool cancelled;
    struct mur_error reason; /* why the archive could not go on */
};

/* @return other than MUR_OK: the association is over. finding->reason tells of the archive. */
static enum mur_status send_rows(struct finding *finding, struct mur_error *error)
{
    struct mur_session *session = finding->session;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_command pending;
    mur_command_init_response(&pending, &finding->request->command,
                              finding->identifier->unsupported_keys ? PENDING_UNSUPPORTED_KEYS
                                                                    : PENDING);
    while (!finding->cancelled && !mur_session_must_hurry(session)) {
        const struct mur_value *values = NULL;
        bool found = false;
        enum mur_status read = mur_cursor_next(&values, &found, finding->cursor, &finding->reason);
        mur_buffer_clear(&data);
        if (read == MUR_OK && found)
            read = mur_identifier_answer(&data, finding->identifier, values,
                                         finding->request->context.accepted_transfer_syntax,
                                         session->scp->config->node_ae_title, &finding->reason);
        if (read != MUR_OK || !found)
            return MUR_OK;
        bool flushed = false;
        enum mur_status status = mur_batch_add(finding->batch, finding->request->context.id,
                                               &pending, data.data, data.length, &flushed, error);
        if (status == MUR_OK && flushed)
            status = mur_message_poll_cancel(&finding->cancelled, session->association,
                                             finding->request->command.message_id, error);
        if (status != MUR_OK)
            return status;
        finding->count++;
    }
    if (!finding->cancelled)
        (void)mur_error_set(&finding->reason, MUR_CANCELLED, "the node is being stopped");
    return MUR_OK;
}

static enum mur_status answer(struct finding *finding, struct mur_error *error)
{
    struct mur_session *session = finding->session;
    const struct mur_request *request = finding->request;
    enum mur_status status = send_rows(finding, error);
    mur_audit_find(session, finding->identifier, finding->count, &finding->reason);
    if (status == MUR_OK && finding->reason.status != MUR_OK) {
        status = mur_batch_flush(finding->batch, error);
        if (status != MUR_OK)
            return status;
        return mur_session_fail(session, request, &finding->reason, error);
    }
    if (status != MUR_OK)
        return status;
    struct mur_command last;
    mur_command_init_response(&last, &request->command,
                              finding->cancelled ? MATCHING_CANCELLED : 0);
    /* In one write with the answers before it. */
    status = mur_batch_add(finding->batch, request->context.id, &last, NULL, 0, NULL, error);
    if (status == MUR_OK)
        status = mur_batch_flush(finding->batch, error);
    mur_log_debug(MUR_LOG_SCP, "C-FIND at %s level %s: %zu answers",
                  mur_level_name(finding->identifier->query.level),
                  finding->cancelled ? "cancelled" : "done", finding->count);
    return status;
}

enum mur_status mur_session_find(struct mur_session *session, const struct mur_request *request,
                                 struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO_IDENTIFIER struct mur_identifier identifier = {.has_level = false};
    enum mur_status status =
        mur_session_read_identifier(&identifier, session, request, &reason, error);
    if (status != MUR_OK)
        return status;
    identifier.query.combined_datetime =
        mur_session_combines_datetime(session, request->context.abstract_syntax);
    MUR_AUTO(mur_cursor) *cursor = NULL;
    if (reason.status != MUR_OK ||
        mur_archive_find(&cursor, session->scp->archive, &identifier.query, &reason) != MUR_OK) {
        mur_audit_find(session, &identifier, 0, &reason);
        return mur_session_fail(session, request, &reason, error);
    }
    MUR_AUTO(mur_batch) *batch = NULL;
    status =
        mur_batch_create(&batch, session->association, MUR_BATCH_SIZE, session->timeout_ms, error);
    if (status != MUR_OK)
        return status;
    struct finding finding = {
        .session = session,
        .request = request,
        .identifier = &identifier,
        .batch = batch,
        .cursor = cursor,
        .reason = MUR_ERROR_INIT,
    };
    return answer(&finding, error);
}
