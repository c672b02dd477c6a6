/* N-ACTION of the Storage Commitment Push Model (PS3.4 J.3.2): the request is kept and answered at
 * once; reporter.c tells the outcome. */
#include "archive/commitment.h"

#include <stdio.h>
#include <string.h>

#include "dicom/scanner.h"
#include "dicom/sop_class.h"
#include "dicom/uid.h"
#include "scp/session.h"

enum {
    ACTION_REQUEST_COMMITMENT = 1,
    STATUS_PROCESSING_FAILURE = 0x0110,
    STATUS_NO_SUCH_INSTANCE = 0x0112,
    STATUS_INVALID_ARGUMENT = 0x0115,
    STATUS_NO_SUCH_ACTION = 0x0123,
    STATUS_NOT_AUTHORIZED = 0x0124,
    STATUS_RESOURCE_LIMITATION = 0x0213,
};

/* ---- the Data Set: PS3.4 Table J.3-1 ---- */

struct reader {
    struct mur_commitment *commitment;
    unsigned depth; /* of items */
    bool in_references, has_instance;
    char sop_class[MUR_UID_TEXT_SIZE];
};

static enum mur_status copy_uid(char out[MUR_UID_TEXT_SIZE], const struct mur_scan_element *element,
                                struct mur_error *error)
{
    struct mur_slice text = mur_scan_text(element);
    if (!mur_uid_acceptable(text))
        return mur_error_set(error, MUR_INVALID, "(%04X,%04X) is no UID",
                             MUR_TAG_GROUP(element->tag), MUR_TAG_ELEMENT(element->tag));
    memcpy(out, text.data, text.length);
    out[text.length] = '\0';
    return MUR_OK;
}

static enum mur_status take_reference(struct reader *reader, const struct mur_scan_element *element,
                                      struct mur_error *error)
{
    char sop_instance[MUR_UID_TEXT_SIZE];
    if (element->tag == MUR_TAG_ReferencedSOPClassUID)
        return copy_uid(reader->sop_class, element, error);
    if (element->tag != MUR_TAG_ReferencedSOPInstanceUID)
        return MUR_OK;
    if (reader->sop_class[0] == '\0')
        return mur_error_set(error, MUR_INVALID, "a reference without SOP Class UID");
    reader->has_instance = true;
    enum mur_status status = copy_uid(sop_instance, element, error);
    if (status == MUR_OK)
        status = mur_commitment_add(reader->commitment, reader->sop_class, sop_instance, error);
    return status;
}

static enum mur_status take_element(void *user, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    struct reader *reader = user;
    if (element->depth == 0 && element->tag == MUR_TAG_TransactionUID)
        return copy_uid(reader->commitment->transaction_uid, element, error);
    if (element->depth == 1 && element->sequences[0] == MUR_TAG_ReferencedSOPSequence)
        return take_reference(reader, element, error);
    return MUR_OK;
}

static enum mur_status begin_sequence(void *user, const struct mur_scan_element *element,
                                      struct mur_error *error)
{
    (void)error;
    struct reader *reader = user;
    if (element->depth == 0)
        reader->in_references = element->tag == MUR_TAG_ReferencedSOPSequence;
    return MUR_OK;
}

static enum mur_status begin_item(void *user, struct mur_error *error)
{
    (void)error;
    struct reader *reader = user;
    if (reader->depth++ == 0) {
        reader->has_instance = false;
        reader->sop_class[0] = '\0';
    }
    return MUR_OK;
}

/* One that names nothing would be in neither list of the report. */
static enum mur_status end_item(void *user, struct mur_error *error)
{
    struct reader *reader = user;
    if (--reader->depth == 0 && reader->in_references && !reader->has_instance)
        return mur_error_set(error, MUR_INVALID, "a reference without SOP Instance UID");
    return MUR_OK;
}

static enum mur_status parse(struct mur_commitment *out, const struct mur_buffer *bytes,
                             const char *transfer_syntax, struct mur_error *error)
{
    static const struct mur_scan_events events = {.element = take_element,
                                                  .sequence_begin = begin_sequence,
                                                  .item_begin = begin_item,
                                                  .item_end = end_item};
    struct reader reader = {.commitment = out};
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_scanner_create(&scanner, transfer_syntax, &events, &reader, error);
    if (status == MUR_OK)
        status = mur_scanner_write(scanner, bytes->data, bytes->length, error);
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    if (status == MUR_OK && out->transaction_uid[0] == '\0')
        status = mur_error_set(error, MUR_INVALID, "no Transaction UID (0008,1195)");
    if (status == MUR_OK && out->count == 0)
        status = mur_error_set(error, MUR_INVALID, "Referenced SOP Sequence (0008,1199) is empty");
    return status;
}

/* ---- the request ---- */

static uint16_t why_not(const char **comment, const struct mur_session *session,
                        const struct mur_request *request)
{
    const struct mur_command *command = &request->command;
    const char *calling = mur_association_calling_ae_title(session->association);
    if (strcmp(command->requested_sop_instance_uid, mur_uid_StorageCommitmentPushModelInstance) !=
        0) {
        *comment = "not the well-known instance 1.2.840.10008.1.20.1.1";
        return STATUS_NO_SUCH_INSTANCE;
    }
    if (command->action_type_id != ACTION_REQUEST_COMMITMENT) {
        *comment = "Action Type ID is not 1";
        return STATUS_NO_SUCH_ACTION;
    }
    if (mur_config_find_peer(session->scp->config, calling) == NULL) {
        *comment = "calling AE title is not listed in peers: no address to report to";
        return STATUS_NOT_AUTHORIZED;
    }
    if (!command->has_data_set) {
        *comment = "no Data Set";
        return STATUS_INVALID_ARGUMENT;
    }
    return 0;
}

static uint16_t status_of(enum mur_status status)
{
    switch (status) {
    case MUR_OK:
        return 0;
    case MUR_INVALID:
    case MUR_PARSE:
    case MUR_MISMATCH:
    case MUR_UNSUPPORTED:
    case MUR_NOT_FOUND:
    case MUR_EXISTS:
        return STATUS_INVALID_ARGUMENT;
    case MUR_LIMIT:
    case MUR_NO_MEMORY:
    case MUR_NO_SPACE:
    case MUR_BUSY:
        return STATUS_RESOURCE_LIMITATION;
    case MUR_IO:
    case MUR_DENIED:
    case MUR_CORRUPT:
    case MUR_CLOSED:
    case MUR_TIMEOUT:
    case MUR_CANCELLED:
    case MUR_INTERNAL:
        return STATUS_PROCESSING_FAILURE;
    }
    return STATUS_PROCESSING_FAILURE;
}

static enum mur_status accept(struct mur_session *session, const struct mur_request *request,
                              const struct mur_commitment *commitment, struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status taken = mur_archive_take_commitment(session->scp->archive, commitment, &reason);
    if (taken != MUR_OK) {
        mur_session_log_refusal(session, request, status_of(taken), reason.message);
        return mur_session_refuse(session, request, status_of(taken), mur_session_comment(&reason),
                                  error);
    }
    mur_log_info(MUR_LOG_SCP, "commitment of %zu instances asked for by %s, transaction %s",
                 commitment->count, commitment->peer, commitment->transaction_uid);
    struct mur_command response;
    mur_command_init_response(&response, &request->command, 0);
    enum mur_status status = mur_message_write(session->association, request->context.id, &response,
                                               NULL, 0, session->timeout_ms, error);
    mur_scp_wake_reporter(session->scp);
    return status;
}

enum mur_status mur_session_commit(struct mur_session *session, const struct mur_request *request,
                                   struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status = MUR_OK;
    if (request->command.has_data_set)
        status = mur_session_gather(&bytes, session, request, &reason, error);
    if (status != MUR_OK)
        return status;
    const char *comment = "";
    uint16_t refusal = why_not(&comment, session, request);
    if (refusal != 0)
        return mur_session_refuse(session, request, refusal, comment, error);
    MUR_AUTO_COMMITMENT struct mur_commitment commitment = {.id = 0};
    if (reason.status == MUR_OK)
        (void)!parse(&commitment, &bytes, request->context.accepted_transfer_syntax, &reason);
    if (reason.status != MUR_OK)
        return mur_session_refuse(session, request, status_of(reason.status), reason.message,
                                  error);
    (void)snprintf(commitment.peer, sizeof(commitment.peer), "%s",
                   mur_association_calling_ae_title(session->association));
    return accept(session, request, &commitment, error);
}
