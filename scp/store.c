/* C-STORE (PS3.4 Annex B, PS3.7 9.1.1): bytes go to the archive as they come. */
#include "scp/audit.h"
#include "scp/session.h"

#include <string.h>

static enum mur_status take(void *user, const uint8_t *data, size_t length, struct mur_error *error)
{
    struct mur_ingest *ingest = user;
    return mur_ingest_write(ingest, data, length, error);
}

/* An ingest that could not begin: the Data Set is read on for nothing. */
static enum mur_status drop(void *user, const uint8_t *data, size_t length, struct mur_error *error)
{
    (void)user;
    (void)data;
    (void)length;
    (void)error;
    return MUR_OK;
}

static enum mur_status begin(struct mur_ingest **out, struct mur_session *session,
                             const struct mur_request *request, const struct mur_origin *origin,
                             struct mur_error *error)
{
    const struct mur_command *command = &request->command;
    if (command->affected_sop_instance_uid[0] == '\0' || command->affected_sop_class_uid[0] == '\0')
        return mur_error_set(error, MUR_MISMATCH, "no Affected SOP Class or Instance UID");
    return mur_ingest_begin(out, session->scp->archive, command->affected_sop_class_uid,
                            command->affected_sop_instance_uid,
                            request->context.accepted_transfer_syntax, origin, error);
}

enum mur_status mur_session_store(struct mur_session *session, const struct mur_request *request,
                                  struct mur_error *error)
{
    session->asked++;
    struct mur_origin origin = {
        .how = "C-STORE",
        .calling_ae = mur_association_calling_ae_title(session->association),
        .peer = mur_association_peer_address(session->association),
    };
    if (!request->command.has_data_set)
        return mur_session_refuse(session, request,
                                  mur_dimse_status(MUR_SERVICE_STORE, MUR_MISMATCH),
                                  "a C-STORE-RQ without Data Set", error);
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO(mur_ingest) *ingest = NULL;
    enum mur_status stored = begin(&ingest, session, request, &origin, &reason);
    enum mur_status sunk = MUR_OK;
    struct mur_error network = MUR_ERROR_INIT;
    struct mur_error *sink_error = stored == MUR_OK ? &reason : &network;
    enum mur_status status = mur_message_read_data(&sunk, session->association, request->context.id,
                                                   stored == MUR_OK ? take : drop, ingest,
                                                   session->timeout_ms, sink_error);
    if (status != MUR_OK) {
        if (error != NULL)
            *error = *sink_error;
        return status;
    }
    if (stored == MUR_OK)
        stored = sunk;
    enum mur_ingest_outcome outcome = MUR_STORED;
    if (stored == MUR_OK)
        stored = mur_ingest_finish(&outcome, ingest, &reason);
    if (stored != MUR_OK)
        return mur_session_fail(session, request, &reason, error);
    if (outcome == MUR_MENDED)
        mur_log_warning(MUR_LOG_SCP, "%s was damaged and is whole again",
                        request->command.affected_sop_instance_uid);
    else
        mur_log_debug(MUR_LOG_SCP, "%s %s", outcome == MUR_STORED ? "stored" : "unchanged",
                      request->command.affected_sop_instance_uid);
    mur_audit_stored(session, mur_ingest_study(ingest));
    struct mur_command response;
    mur_command_init_response(&response, &request->command, 0);
    return mur_message_write(session->association, request->context.id, &response, NULL, 0,
                             session->timeout_ms, error);
}
