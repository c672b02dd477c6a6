#include "scu/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "dicom/sop_class.h"

enum {
    CANCEL_MS = 15000, /* for what a peer answers to a C-CANCEL */
    CANCELLED = 0xFE00,
};

struct mur_client mur_client_of(const struct mur_address *address)
{
    return (struct mur_client){.address = *address,
                               .connect_ms = MUR_CONNECT_MS,
                               .acse_ms = MUR_ACSE_MS,
                               .dimse_ms = MUR_DIMSE_MS,
                               .cancel_fd = -1};
}

bool mur_client_sleep(const struct mur_client *client, int milliseconds)
{
    struct pollfd polled = {.fd = client->cancel_fd, .events = POLLIN};
    int count;
    do {
        count = poll(&polled, 1, milliseconds); /* a descriptor of -1 is passed over */
    } while (count < 0 && errno == EINTR);
    return count <= 0;
}

bool mur_client_cancelled(const struct mur_client *client)
{
    return client->cancel_fd >= 0 && !mur_client_sleep(client, 0);
}

/* ---- associations ---------------------------------------------------------------------------- */

static bool is_cancelled(void *user)
{
    return mur_client_cancelled(user);
}

/* What a user may look at. */
static enum mur_status explain(enum mur_status status, const struct mur_client *client,
                               struct mur_error *error)
{
    const struct mur_address *address = &client->address;
    struct mur_error reason = MUR_ERROR_INIT;
    if (error != NULL)
        reason = *error;
    if (status == MUR_DENIED)
        return mur_error_set(error, MUR_DENIED,
                             "%s; we called \"%s\" (-aec) and ourselves \"%s\" (-aet): the peer "
                             "must have the one and know the other",
                             reason.message, address->called_ae_title, address->calling_ae_title);
    if (status == MUR_CANCELLED)
        return mur_error_set(error, MUR_CANCELLED, "stopped by request");
    if (status == MUR_NOT_FOUND)
        return mur_error_set(error, MUR_CLOSED, "%s: is the name right?", reason.message);
    if (status == MUR_IO || status == MUR_UNSUPPORTED)
        return mur_error_set(error, MUR_CLOSED,
                             "%s: does the peer run, and are host and port right?", reason.message);
    if (status == MUR_TIMEOUT)
        return mur_error_set(error, MUR_TIMEOUT, "%s (-to and -ta set how long we wait)",
                             reason.message);
    if (status == MUR_CLOSED && client->tls != NULL)
        return mur_error_set(error, MUR_CLOSED, "%s: does it trust our certificate?",
                             reason.message);
    if (status == MUR_CLOSED)
        return mur_error_set(error, MUR_CLOSED, "%s: is this a DICOM port, without TLS?",
                             reason.message);
    return status;
}

enum mur_status mur_client_connect(struct mur_association **out, const struct mur_client *client,
                                   const struct mur_context_proposal *contexts, size_t count,
                                   const struct mur_extended_proposal *extended,
                                   struct mur_error *error)
{
    enum mur_status status = mur_network_init(error);
    if (status != MUR_OK)
        return status;
    if (mur_client_cancelled(client))
        return mur_error_set(error, MUR_CANCELLED, "stopped by request");
    struct mur_association_options options = {
        .host = client->address.host,
        .port = client->address.port,
        .calling_ae_title = client->address.calling_ae_title,
        .called_ae_title = client->address.called_ae_title,
        .tls = client->tls,
        .contexts = contexts,
        .context_count = count,
        .extended = extended,
        .extended_count = extended != NULL ? 1 : 0,
        .connect_timeout_ms = client->connect_ms,
        .timeout_ms = client->acse_ms,
        .cancelled = is_cancelled,
        .user = (void *)(uintptr_t)client,
    };
    MUR_AUTO(mur_association) *association = NULL;
    status = mur_association_request(&association, &options, error);
    if (status != MUR_OK)
        return explain(status, client, error);
    if (client->connected != NULL)
        client->connected(client->user, association);
    *out = MUR_STEAL(association);
    return MUR_OK;
}

void mur_client_release(struct mur_association *association, const struct mur_client *client)
{
    if (association == NULL)
        return;
    if (mur_association_end(association) == MUR_END_RELEASE_REQUESTED)
        mur_association_confirm_release(association);
    else if (mur_association_end(association) == MUR_END_NONE)
        (void)!mur_association_release(association, client->acse_ms, NULL);
    mur_association_free(association);
}

/* ---- statuses -------------------------------------------------------------------------------- */

struct status_name {
    uint16_t first, last;
    uint16_t field; /* 0 = any */
    const char *name;
};

/* Of a service first, then those of all (PS3.7 Annex C). */
static const struct status_name names[] = {
    {0x0000, 0x0000, 0, "success"},
    {0xFF00, 0xFF00, 0, "pending"},
    {0xFF01, 0xFF01, 0, "pending, some keys not supported"},
    {0xFE00, 0xFE00, 0, "cancelled"},
    {0xB000, 0xB000, MUR_C_STORE_RQ, "stored, elements coerced"},
    {0xB006, 0xB006, MUR_C_STORE_RQ, "stored, elements discarded"},
    {0xB007, 0xB007, MUR_C_STORE_RQ, "stored, does not match its SOP Class"},
    {0xB000, 0xB000, MUR_C_MOVE_RQ, "some sub-operations failed"},
    {0xB000, 0xB000, MUR_C_GET_RQ, "some sub-operations failed"},
    {0xA701, 0xA701, MUR_C_MOVE_RQ, "out of resources: cannot count the matches"},
    {0xA701, 0xA701, MUR_C_GET_RQ, "out of resources: cannot count the matches"},
    {0xA702, 0xA702, MUR_C_MOVE_RQ, "out of resources: sub-operations cannot be done"},
    {0xA702, 0xA702, MUR_C_GET_RQ, "out of resources: sub-operations cannot be done"},
    {0xA801, 0xA801, MUR_C_MOVE_RQ, "move destination unknown"},
    {0xA900, 0xA9FF, MUR_C_STORE_RQ, "object does not match its SOP Class"},
    {0xA900, 0xA9FF, 0, "identifier does not match the SOP Class"},
    {0xA700, 0xA7FF, 0, "out of resources"},
    {0xC000, 0xCFFF, MUR_C_STORE_RQ, "cannot understand the object"},
    {0xC000, 0xCFFF, 0, "unable to process"},
    {0x0105, 0x0105, 0, "no such attribute"},
    {0x0106, 0x0106, 0, "invalid attribute value"},
    {0x0107, 0x0107, 0, "attribute list error"},
    {0x0110, 0x0110, 0, "processing failure"},
    {0x0111, 0x0111, 0, "duplicate SOP Instance"},
    {0x0112, 0x0112, 0, "no such SOP Instance"},
    {0x0114, 0x0114, 0, "no such argument"},
    {0x0115, 0x0115, 0, "invalid argument value"},
    {0x0116, 0x0116, 0, "attribute value out of range"},
    {0x0117, 0x0117, 0, "invalid SOP Instance"},
    {0x0118, 0x0118, 0, "no such SOP Class"},
    {0x0119, 0x0119, 0, "class-instance conflict"},
    {0x0120, 0x0120, 0, "missing attribute"},
    {0x0121, 0x0121, 0, "missing attribute value"},
    {0x0122, 0x0122, 0, "SOP Class not supported"},
    {0x0123, 0x0123, 0, "no such action"},
    {0x0124, 0x0124, 0, "not authorized"},
    {0x0131, 0x0131, 0, "duplicate Transaction UID"},
    {0x0210, 0x0210, 0, "duplicate invocation"},
    {0x0211, 0x0211, 0, "unrecognized operation"},
    {0x0212, 0x0212, 0, "mistyped argument"},
    {0x0213, 0x0213, 0, "resource limitation"},
    {0xB000, 0xBFFF, 0, "warning"},
    {0x0001, 0x0001, 0, "warning"},
};

const char *mur_dimse_status_name(uint16_t status, uint16_t field)
{
    for (size_t i = 0; i < MUR_COUNT(names); i++)
        if (status >= names[i].first && status <= names[i].last &&
            (names[i].field == 0 || names[i].field == field))
            return names[i].name;
    return "unknown status";
}

const char *mur_dimse_status_remedy(uint16_t status, uint16_t field)
{
    if (status == 0xA801)
        return "the peer must have the destination in its list, with host and port";
    if (status == 0x0124)
        return "the peer must give our AE title (-aet) the right to it";
    if (status >= 0xA900 && status <= 0xA9FF && field != MUR_C_STORE_RQ)
        return "look at the level (-L) and at the keys above it: many peers want the unique key of "
               "each level";
    return "";
}

/* ---- request and responses ------------------------------------------------------------------- */

static const char *refusal_name(enum mur_context_result result)
{
    switch (result) {
    case MUR_CONTEXT_ACCEPTED:
        return "accepted";
    case MUR_CONTEXT_USER_REJECTION:
        return "it rejects us as user: have we the right to it?";
    case MUR_CONTEXT_NO_REASON:
        return "it gives no reason";
    case MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED:
        return "it does not offer this service";
    case MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED:
        return "it knows none of the transfer syntaxes";
    }
    return "it gives no reason";
}

enum mur_status mur_client_find_context(struct mur_presentation_context *out,
                                        const struct mur_association *association,
                                        const char *sop_class, struct mur_error *error)
{
    if (mur_association_find_context_for(out, association, sop_class, NULL))
        return MUR_OK;
    struct mur_presentation_context context = {.result = MUR_CONTEXT_NO_REASON};
    for (size_t i = 0; mur_association_get_context(&context, association, i); i++)
        if (strcmp(context.abstract_syntax, sop_class) == 0)
            break;
    return mur_error_set(error, MUR_UNSUPPORTED, "the peer refused %s: %s",
                         mur_sop_class_name(sop_class), refusal_name(context.result));
}

enum mur_status mur_exchange_begin(struct mur_exchange *exchange, struct mur_command *request,
                                   struct mur_dataset *identifier, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = mur_client_find_context(&exchange->context, exchange->association,
                                                     request->affected_sop_class_uid, error);
    if (status == MUR_OK && identifier != NULL)
        status = mur_dataset_encode(&bytes, identifier, exchange->context.accepted_transfer_syntax,
                                    error);
    if (status != MUR_OK)
        return status;
    exchange->field = request->field;
    exchange->cancelled = false;
    request->message_id = exchange->message_id;
    request->has |= MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID;
    if (request->field != MUR_C_ECHO_RQ)
        request->has |= MUR_HAS_PRIORITY;
    return mur_message_write(exchange->association, exchange->context.id, request,
                             identifier != NULL ? mur_buffer_text(&bytes) : NULL, bytes.length,
                             exchange->client->dimse_ms, error);
}

enum mur_status mur_exchange_cancel(struct mur_exchange *exchange, struct mur_error *error)
{
    if (exchange->cancelled)
        return MUR_OK;
    exchange->cancelled = true;
    if (exchange->field == MUR_C_ECHO_RQ)
        return MUR_OK; /* nothing that could be cancelled */
    struct mur_command cancel = {.has = MUR_HAS_RESPONDED_MESSAGE_ID,
                                 .field = MUR_C_CANCEL_RQ,
                                 .responded_message_id = exchange->message_id};
    return mur_message_write(exchange->association, exchange->context.id, &cancel, NULL, 0,
                             exchange->client->dimse_ms, error);
}

static int patience_of(const struct mur_exchange *exchange)
{
    int patience = exchange->client->dimse_ms;
    if (exchange->cancelled && (patience < 0 || patience > CANCEL_MS))
        patience = CANCEL_MS;
    return patience;
}

enum mur_status mur_exchange_next(struct mur_command *out, uint8_t *context_id,
                                  struct mur_exchange *exchange, struct mur_error *error)
{
    enum mur_status status;
    for (;;) {
        if (!exchange->cancelled && mur_client_cancelled(exchange->client)) {
            status = mur_exchange_cancel(exchange, error);
            if (status != MUR_OK)
                return status;
        }
        status = mur_association_wait(exchange->association,
                                      exchange->cancelled ? -1 : exchange->client->cancel_fd,
                                      patience_of(exchange), error);
        if (status != MUR_CANCELLED)
            break;
    }
    if (status == MUR_OK)
        status = mur_message_read_command(out, context_id, exchange->association,
                                          patience_of(exchange), error);
    if (status == MUR_TIMEOUT) {
        mur_association_abort(exchange->association);
        return mur_error_set(error, MUR_TIMEOUT, "the peer did not answer within %d s%s",
                             patience_of(exchange) / 1000,
                             exchange->cancelled ? " of being asked to stop" : " (-td)");
    }
    if (status == MUR_CLOSED)
        return mur_error_prefix(error, "while waiting for the answer");
    return status;
}

bool mur_exchange_is_answer(const struct mur_exchange *exchange, const struct mur_command *command)
{
    return command->field == (exchange->field | 0x8000) &&
           command->responded_message_id == exchange->message_id;
}

enum mur_status mur_exchange_breach(struct mur_exchange *exchange, const struct mur_command *got,
                                    struct mur_error *error)
{
    mur_association_abort(exchange->association);
    return mur_error_set(
        error, MUR_PARSE, "protocol error of the peer: %s where an answer to %s was due",
        mur_command_field_name(got->field), mur_command_field_name(exchange->field));
}

void mur_exchange_end(struct mur_outcome *out, const struct mur_exchange *exchange,
                      const struct mur_command *last)
{
    *out = (struct mur_outcome){.status = last->status,
                                .offending_element = last->offending_element,
                                .cancelled = exchange->cancelled || last->status == CANCELLED};
    (void)snprintf(out->comment, sizeof out->comment, "%s", last->error_comment);
}
