#include "dicom/association.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/association_internal.h"
#include "dicom/negotiation.h"
#include "dicom/pdu.h"
#include "dicom/stream.h"

enum { ADDRESS_SIZE = 64, LAST_WORDS_MS = 1000, READ_MORE = 4096 };

struct mur_association {
    struct mur_stream stream;
    struct mur_negotiated *negotiated; /* owned */
    bool up;                           /* acknowledged */
    enum mur_association_end end;
    char peer_address[ADDRESS_SIZE];
    uint16_t peer_port;
    uint32_t max_pdu;                               /* what we announced */
    struct mur_presentation_context *accepted[256]; /* by identifier; into negotiated */

    /* What was received: [start, stop) are bytes not used up; of the P-DATA-TF at start,
     * [pdv_at, pdv_stop) are the PDVs not yet handed out. */
    uint8_t *buffer;
    size_t start, stop, pdv_at, pdv_stop;
};

/* ---- making and freeing ---- */

void mur_format_address(char *out, size_t size, uint16_t *port, const struct sockaddr *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    socklen_t length = sizeof(struct sockaddr_in6);
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
            v4.sin_port = v6->sin6_port;
            address = (const struct sockaddr *)(const void *)&v4;
        }
    }
    if (address->sa_family == AF_INET)
        length = sizeof(struct sockaddr_in);
    *port =
        ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port); /* v6: same place */
    if (getnameinfo(address, length, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
        memcpy(out, "?", 2);
}

void mur_association_free(struct mur_association *association)
{
    if (association == NULL)
        return;
    mur_negotiated_free(association->negotiated);
    mur_stream_close(&association->stream);
    free(association->buffer);
    free(association);
}

static enum mur_status association_new(struct mur_association **out, uint32_t max_pdu,
                                       const struct sockaddr *peer, struct mur_error *error)
{
    struct mur_association *association = calloc(1, sizeof(*association));
    if (association == NULL)
        return mur_error_no_memory(error);
    association->stream = MUR_STREAM_NONE;
    association->max_pdu = max_pdu;
    mur_format_address(association->peer_address, sizeof(association->peer_address),
                       &association->peer_port, peer);
    *out = association;
    return MUR_OK;
}

static void establish(struct mur_association *association)
{
    struct mur_negotiated *negotiated = association->negotiated;
    for (size_t i = 0; i < negotiated->context_count; i++)
        if (negotiated->contexts[i].result == MUR_CONTEXT_ACCEPTED)
            association->accepted[negotiated->contexts[i].id] = &negotiated->contexts[i];
    association->up = true;
}

/* ---- the acceptor's side ---- */

void mur_abort_connection(struct mur_stream *stream, uint8_t reason)
{
    uint8_t pdu[MUR_PDU_CONTROL_SIZE];
    mur_pdu_control(pdu, MUR_PDU_ABORT, 0, 2, reason);
    struct iovec vector = {.iov_base = pdu, .iov_len = sizeof(pdu)};
    if (mur_stream_write(stream, &vector, 1, mur_deadline_after(0), NULL) == MUR_OK)
        mur_stream_finish(stream);
}

static enum mur_status parse_request(struct mur_association *association, const uint8_t *request,
                                     size_t length, struct mur_error *error)
{
    enum mur_status status = mur_dcmnet_receive(&association->negotiated, request, length,
                                                &association->stream, association->max_pdu, error);
    if (status != MUR_OK)
        return status;
    const struct mur_negotiated *negotiated = association->negotiated;
    if (negotiated->calling_ae_title[0] == '\0' || negotiated->called_ae_title[0] == '\0')
        return mur_error_set(error, MUR_PARSE, "an AE title is blank (PS3.8 9.3.2)");
    return MUR_OK;
}

/* Takes the stream, and gives it back where it fails. */
static enum mur_status receive_request(struct mur_association **out, struct mur_stream *stream,
                                       const uint8_t *request, size_t length,
                                       const struct sockaddr *peer, uint32_t max_pdu,
                                       struct mur_error *error)
{
    enum mur_status status = mur_pdu_check_associate(request, length, MUR_PDU_ASSOCIATE_RQ, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO(mur_association) *association = NULL;
    status = association_new(&association, max_pdu, peer, error);
    if (status != MUR_OK)
        return status;
    association->stream = mur_stream_steal(stream);
    status = parse_request(association, request, length, error);
    if (status != MUR_OK) {
        *stream = mur_stream_steal(&association->stream);
        return status;
    }
    *out = MUR_STEAL(association);
    return MUR_OK;
}

enum mur_status mur_association_receive(struct mur_association **out, struct mur_stream *stream,
                                        const uint8_t *request, size_t length,
                                        const struct sockaddr *peer, uint32_t max_pdu,
                                        struct mur_error *error)
{
    enum mur_status status = receive_request(out, stream, request, length, peer, max_pdu, error);
    if (status != MUR_OK)
        mur_abort_connection(stream, MUR_ABORT_INVALID_PARAMETER);
    return status;
}

static struct mur_presentation_context *context_of(struct mur_association *association, uint8_t id)
{
    struct mur_negotiated *negotiated = association->negotiated;
    for (size_t i = 0; i < negotiated->context_count; i++)
        if (negotiated->contexts[i].id == id)
            return &negotiated->contexts[i];
    return NULL;
}

static enum mur_role role_granted(enum mur_role proposed, enum mur_role wanted)
{
    if (proposed == MUR_ROLE_DEFAULT)
        return MUR_ROLE_DEFAULT;
    return proposed == MUR_ROLE_BOTH || proposed == wanted ? wanted : MUR_ROLE_DEFAULT;
}

enum mur_status mur_association_accept_context(struct mur_association *association, uint8_t id,
                                               const char *transfer_syntax, enum mur_role role,
                                               struct mur_error *error)
{
    struct mur_presentation_context *context = context_of(association, id);
    if (context == NULL || association->up)
        return mur_error_set(error, MUR_INVALID, "presentation context %u is not proposed", id);
    for (size_t i = 0; i < context->transfer_syntax_count; i++) {
        if (strcmp(context->transfer_syntaxes[i], transfer_syntax) == 0) {
            context->result = MUR_CONTEXT_ACCEPTED;
            context->accepted_transfer_syntax = context->transfer_syntaxes[i];
            context->accepted_role = role_granted(context->proposed_role, role);
            return MUR_OK;
        }
    }
    return mur_error_set(error, MUR_INVALID, "transfer syntax %s was not proposed",
                         transfer_syntax);
}

enum mur_status mur_association_refuse_context(struct mur_association *association, uint8_t id,
                                               enum mur_context_result result,
                                               struct mur_error *error)
{
    struct mur_presentation_context *context = context_of(association, id);
    if (context == NULL || association->up || result == MUR_CONTEXT_ACCEPTED)
        return mur_error_set(error, MUR_INVALID, "presentation context %u is not proposed", id);
    context->result = result;
    context->accepted_transfer_syntax = NULL;
    context->accepted_role = MUR_ROLE_DEFAULT;
    return MUR_OK;
}

static struct mur_extended_negotiation *extended_of(const struct mur_association *association,
                                                    const char *abstract_syntax)
{
    struct mur_negotiated *negotiated = association->negotiated;
    for (size_t i = 0; i < negotiated->extended_count; i++)
        if (strcmp(negotiated->extended[i].abstract_syntax, abstract_syntax) == 0)
            return &negotiated->extended[i];
    return NULL;
}

enum mur_status mur_association_get_extended(const uint8_t **out, size_t *length,
                                             const struct mur_association *association,
                                             const char *abstract_syntax, struct mur_error *error)
{
    const struct mur_extended_negotiation *item = extended_of(association, abstract_syntax);
    if (item == NULL)
        return mur_error_set(error, MUR_NOT_FOUND, "no extended negotiation for %s",
                             abstract_syntax);
    *out = item->bytes;
    *length = item->length;
    return MUR_OK;
}

enum mur_status mur_association_set_extended(struct mur_association *association,
                                             const char *abstract_syntax, const uint8_t *bytes,
                                             size_t length, struct mur_error *error)
{
    struct mur_extended_negotiation *item = extended_of(association, abstract_syntax);
    if (item == NULL || association->up || length > sizeof(item->answer))
        return mur_error_set(error, MUR_INVALID, "no extended negotiation for %s to answer",
                             abstract_syntax);
    memcpy(item->answer, bytes, length);
    item->answer_length = length;
    return MUR_OK;
}

/* A PDU of ten bytes, without waiting long for a peer that does not listen. */
static enum mur_status send_control(struct mur_association *association, enum mur_pdu_type type,
                                    uint8_t second, uint8_t third, uint8_t fourth,
                                    struct mur_error *error)
{
    uint8_t pdu[MUR_PDU_CONTROL_SIZE];
    mur_pdu_control(pdu, type, second, third, fourth);
    struct iovec vector = {.iov_base = pdu, .iov_len = sizeof(pdu)};
    return mur_stream_write(&association->stream, &vector, 1, mur_deadline_after(LAST_WORDS_MS),
                            error);
}

static void send_abort(struct mur_association *association, uint8_t source, uint8_t reason)
{
    (void)send_control(association, MUR_PDU_ABORT, 0, source, reason, NULL);
    mur_stream_finish(&association->stream);
}

enum mur_status mur_association_acknowledge(struct mur_association *association, int timeout_ms,
                                            struct mur_error *error)
{
    uint32_t peer_max = association->negotiated->peer_max_pdu;
    if (association->up || association->end != MUR_END_NONE)
        return mur_error_set(error, MUR_INVALID, "the association was answered already");
    if (peer_max != 0 && peer_max < MUR_MIN_PEER_PDU) {
        send_abort(association, 2, MUR_ABORT_INVALID_PARAMETER);
        association->end = MUR_END_PROTOCOL_ERROR;
        return mur_error_set(error, MUR_LIMIT, "the peer takes PDUs of %u bytes only", peer_max);
    }
    enum mur_status status =
        mur_dcmnet_acknowledge(association->negotiated, mur_deadline_after(timeout_ms), error);
    if (status != MUR_OK) {
        association->end = MUR_END_CONNECTION_LOST;
        return status;
    }
    establish(association);
    return MUR_OK;
}

void mur_association_reject(struct mur_association *association, uint8_t result, uint8_t source,
                            uint8_t reason)
{
    if (association->up || association->end != MUR_END_NONE)
        return;
    (void)send_control(association, MUR_PDU_ASSOCIATE_RJ, result, source, reason, NULL);
    mur_stream_finish(&association->stream);
    association->end = MUR_END_RELEASED;
}

/* ---- the requestor's side ---- */

static bool is_ae_title(const char *title)
{
    size_t length = strnlen(title, 17);
    size_t blanks = 0;
    for (size_t i = 0; i < length; i++) {
        if (title[i] < ' ' || title[i] > '~' || title[i] == '\\')
            return false;
        blanks += title[i] == ' ';
    }
    return length <= 16 && blanks < length;
}

static enum mur_status check_options(const struct mur_association_options *options,
                                     struct mur_error *error)
{
    if (!is_ae_title(options->calling_ae_title) || !is_ae_title(options->called_ae_title))
        return mur_error_set(error, MUR_INVALID,
                             "an AE title has 1 to 16 characters: \"%s\", \"%s\"",
                             options->calling_ae_title, options->called_ae_title);
    if (options->context_count == 0 || options->context_count > MUR_MAX_PRESENTATION_CONTEXTS)
        return mur_error_set(error, MUR_INVALID, "%zu presentation contexts cannot be proposed",
                             options->context_count);
    for (size_t i = 0; i < options->extended_count; i++)
        if (options->extended[i].length > MUR_EXTENDED_LIMIT)
            return mur_error_set(error, MUR_INVALID, "extended negotiation of more than %d bytes",
                                 MUR_EXTENDED_LIMIT);
    return MUR_OK;
}

static enum mur_status connect_to(int *descriptor, const struct mur_association_options *options,
                                  const struct addrinfo *at, struct mur_error *error)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    if (at->ai_addrlen > sizeof(address))
        return mur_error_set(error, MUR_IO, "an address of another kind");
    memcpy(&address, at->ai_addr, at->ai_addrlen);
    /* IPv6: the same place as in IPv4 */
    ((struct sockaddr_in *)(void *)&address)->sin_port = htons(options->port);
    return mur_request_connect(descriptor, options, (const struct sockaddr *)(const void *)&address,
                               at->ai_addrlen, error);
}

enum mur_status mur_association_request(struct mur_association **out,
                                        const struct mur_association_options *options,
                                        struct mur_error *error)
{
    enum mur_status status = check_options(options, error);
    if (status != MUR_OK)
        return status;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int failed = getaddrinfo(options->host, NULL, &hints, &addresses);
    if (failed != 0)
        return mur_error_set(error, MUR_NOT_FOUND, "no such host \"%s\": %s", options->host,
                             gai_strerror(failed));
    MUR_AUTO(mur_association) *association = NULL;
    struct mur_error reason =
        MUR_ERROR_INIT; /* nobody is told of it where another address answers */
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        mur_association_free(association);
        association = NULL;
        status = association_new(&association, MUR_MAX_PDU_DEFAULT, at->ai_addr, &reason);
        if (status != MUR_OK)
            break;
        association->peer_port = options->port;
        int descriptor = -1;
        status = connect_to(&descriptor, options, at, &reason);
        if (status == MUR_IO || status == MUR_TIMEOUT)
            continue; /* another address may answer */
        if (status != MUR_OK)
            break;
        mur_stream_init(&association->stream, descriptor);
        status = mur_request_secure(&association->stream, options, &reason);
        if (status != MUR_OK)
            break;
        status =
            mur_request_negotiate(&association->negotiated, &association->stream, options, &reason);
        break;
    }
    freeaddrinfo(addresses);
    if (status != MUR_OK) {
        if (error != NULL)
            *error = reason;
        return status;
    }
    establish(association);
    uint32_t peer_max = association->negotiated->peer_max_pdu;
    if (peer_max != 0 && peer_max < MUR_MIN_PEER_PDU) {
        send_abort(association, 2, MUR_ABORT_INVALID_PARAMETER);
        return mur_error_set(error, MUR_LIMIT, "the peer takes PDUs of %u bytes only", peer_max);
    }
    *out = MUR_STEAL(association);
    return MUR_OK;
}

/* ---- what was negotiated ---- */

const char *mur_association_calling_ae_title(const struct mur_association *association)
{
    return association->negotiated->calling_ae_title;
}

const char *mur_association_called_ae_title(const struct mur_association *association)
{
    return association->negotiated->called_ae_title;
}

const char *mur_association_application_context(const struct mur_association *association)
{
    return association->negotiated->application_context;
}

const char *mur_association_peer_address(const struct mur_association *association)
{
    return association->peer_address;
}

const char *mur_association_security(const struct mur_association *association)
{
    return mur_stream_security(&association->stream);
}

uint16_t mur_association_peer_port(const struct mur_association *association)
{
    return association->peer_port;
}

const char *mur_association_peer_implementation(const struct mur_association *association)
{
    return association->negotiated->peer_implementation;
}

uint32_t mur_association_peer_max_pdu(const struct mur_association *association)
{
    return association->negotiated->peer_max_pdu;
}

size_t mur_association_context_count(const struct mur_association *association)
{
    return association->negotiated->context_count;
}

bool mur_association_get_context(struct mur_presentation_context *out,
                                 const struct mur_association *association, size_t index)
{
    if (index >= association->negotiated->context_count)
        return false;
    *out = association->negotiated->contexts[index];
    return true;
}

bool mur_association_find_accepted(struct mur_presentation_context *out,
                                   const struct mur_association *association, uint8_t id)
{
    if (association->accepted[id] == NULL)
        return false;
    *out = *association->accepted[id];
    return true;
}

bool mur_association_find_context_for(struct mur_presentation_context *out,
                                      const struct mur_association *association,
                                      const char *abstract_syntax, const char *transfer_syntax)
{
    const struct mur_negotiated *negotiated = association->negotiated;
    for (size_t i = 0; i < negotiated->context_count; i++) {
        const struct mur_presentation_context *context = &negotiated->contexts[i];
        if (context->result == MUR_CONTEXT_ACCEPTED &&
            strcmp(context->abstract_syntax, abstract_syntax) == 0 &&
            (transfer_syntax == NULL ||
             strcmp(context->accepted_transfer_syntax, transfer_syntax) == 0)) {
            *out = *context;
            return true;
        }
    }
    return false;
}

/* ---- reading ---- */

enum mur_association_end mur_association_end(const struct mur_association *association)
{
    return association->end;
}

const char *mur_association_end_name(enum mur_association_end end)
{
    switch (end) {
    case MUR_END_NONE:
        return "up";
    case MUR_END_RELEASE_REQUESTED:
        return "release requested";
    case MUR_END_RELEASED:
        return "released";
    case MUR_END_ABORTED_BY_PEER:
        return "aborted by peer";
    case MUR_END_CONNECTION_LOST:
        return "connection lost";
    case MUR_END_PROTOCOL_ERROR:
        return "protocol error";
    case MUR_END_ABORTED_BY_US:
        return "aborted";
    }
    return "?";
}

static enum mur_status ended(const struct mur_association *association, struct mur_error *error)
{
    return mur_error_set(error, MUR_CLOSED, "association %s",
                         mur_association_end_name(association->end));
}

/* The peer broke the protocol: the provider aborts (PS3.8 9.2.4, AA-8). */
static enum mur_status breach(struct mur_association *association, enum mur_abort_reason reason,
                              struct mur_error *error)
{
    send_abort(association, 2, (uint8_t)reason);
    association->end = MUR_END_PROTOCOL_ERROR;
    return error == NULL ? MUR_PARSE : error->status;
}

/* Makes @p need bytes be there from start on. What came stays when the time is up. */
static enum mur_status fill(struct mur_association *association, size_t need, int64_t deadline_ms,
                            struct mur_error *error)
{
    /* Room for what comes with a PDU (its command set before it, the rest of a Data Set after it):
     * else all of it would be moved once. */
    size_t capacity = MUR_PDU_HEAD + (size_t)association->max_pdu + READ_MORE;
    if (association->buffer == NULL) {
        association->buffer = malloc(capacity); /* touched page by page, as data come */
        if (association->buffer == NULL)
            return mur_error_no_memory(error);
    }
    if (association->start + need > capacity || association->start == association->stop) {
        memmove(association->buffer, association->buffer + association->start,
                association->stop - association->start);
        association->stop -= association->start;
        association->start = 0;
    }
    while (association->stop - association->start < need) {
        size_t count = 0;
        enum mur_status status =
            mur_stream_read(&count, &association->stream, association->buffer + association->stop,
                            capacity - association->stop, deadline_ms, error);
        if (status == MUR_CLOSED)
            association->end = MUR_END_CONNECTION_LOST;
        if (status != MUR_OK)
            return status;
        association->stop += count;
    }
    return MUR_OK;
}

static enum mur_status read_control(struct mur_association *association, uint8_t type,
                                    int64_t deadline_ms, struct mur_error *error)
{
    enum mur_status status = fill(association, MUR_PDU_CONTROL_SIZE, deadline_ms, error);
    if (status != MUR_OK)
        return status;
    association->start += MUR_PDU_CONTROL_SIZE;
    switch (type) {
    case MUR_PDU_RELEASE_RQ:
        association->end = MUR_END_RELEASE_REQUESTED;
        break;
    case MUR_PDU_RELEASE_RP:
        association->end = MUR_END_RELEASED;
        break;
    default:
        association->end = MUR_END_ABORTED_BY_PEER;
        break;
    }
    return ended(association, error);
}

/* The next PDU; MUR_OK when it is a P-DATA-TF, whose PDVs then wait. */
static enum mur_status read_pdu(struct mur_association *association, bool releasing,
                                int64_t deadline_ms, struct mur_error *error)
{
    enum mur_status status = fill(association, MUR_PDU_HEAD, deadline_ms, error);
    if (status != MUR_OK)
        return status;
    const uint8_t *head = association->buffer + association->start;
    uint8_t type = head[0];
    size_t length = mur_be32(head + 2);
    if (type < MUR_PDU_ASSOCIATE_RQ || type > MUR_PDU_ABORT) {
        (void)mur_error_set(error, MUR_PARSE, "PDU of unknown type %u", type);
        return breach(association, MUR_ABORT_UNRECOGNIZED_PDU, error);
    }
    bool is_control = type == MUR_PDU_RELEASE_RQ || type == MUR_PDU_ABORT ||
                      (type == MUR_PDU_RELEASE_RP && releasing);
    if (!is_control && type != MUR_PDU_DATA) {
        (void)mur_error_set(error, MUR_PARSE, "PDU of type %u is out of place", type);
        return breach(association, MUR_ABORT_UNEXPECTED_PDU, error);
    }
    if (length > association->max_pdu || (is_control && length != 4)) {
        (void)mur_error_set(error, MUR_PARSE, "PDU of type %u with %zu bytes; %u announced", type,
                            length, association->max_pdu);
        return breach(association, MUR_ABORT_INVALID_PARAMETER, error);
    }
    if (is_control)
        return read_control(association, type, deadline_ms, error);
    status = fill(association, MUR_PDU_HEAD + length, deadline_ms, error);
    if (status != MUR_OK)
        return status;
    size_t body = association->start + MUR_PDU_HEAD;
    if (mur_pdu_check_data(association->buffer + body, length, error) != MUR_OK)
        return breach(association, MUR_ABORT_INVALID_PARAMETER, error);
    association->pdv_at = body;
    association->pdv_stop = body + length;
    return MUR_OK;
}

static enum mur_status next_pdv(struct mur_pdv *out, struct mur_association *association,
                                bool releasing, int64_t deadline_ms, struct mur_error *error)
{
    if (association->end != MUR_END_NONE)
        return ended(association, error);
    if (association->pdv_at == association->pdv_stop) {
        if (association->pdv_stop != 0) {
            association->start = association->pdv_stop;
            association->pdv_at = association->pdv_stop = 0;
        }
        enum mur_status status = read_pdu(association, releasing, deadline_ms, error);
        if (status != MUR_OK)
            return status;
    }
    const uint8_t *pdv = association->buffer + association->pdv_at;
    size_t item = mur_be32(pdv);
    *out = (struct mur_pdv){
        .data = pdv + MUR_PDV_HEAD,
        .length = item - 2,
        .context_id = pdv[4],
        .is_command = (pdv[5] & 1) != 0,
        .is_last = (pdv[5] & 2) != 0,
    };
    association->pdv_at += 4 + item;
    return MUR_OK;
}

enum mur_status mur_association_read_pdv(struct mur_pdv *out, struct mur_association *association,
                                         int timeout_ms, struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    struct mur_error *told = error != NULL ? error : &reason; /* breach() needs its status */
    struct mur_pdv pdv;
    enum mur_status status =
        next_pdv(&pdv, association, false, mur_deadline_after(timeout_ms), told);
    if (status != MUR_OK)
        return status;
    if (association->accepted[pdv.context_id] == NULL) {
        (void)mur_error_set(told, MUR_PARSE, "data in presentation context %u, not accepted",
                            pdv.context_id);
        return breach(association, MUR_ABORT_INVALID_PARAMETER, told);
    }
    *out = pdv;
    return MUR_OK;
}

/* Bytes that poll() knows nothing of any more. */
static bool has_buffered(const struct mur_association *association)
{
    return association->pdv_at != association->pdv_stop ||
           association->stop >
               (association->pdv_stop != 0 ? association->pdv_stop : association->start);
}

enum mur_status mur_association_wait(struct mur_association *association, int wake_fd,
                                     int timeout_ms, struct mur_error *error)
{
    if (association->end != MUR_END_NONE || has_buffered(association))
        return MUR_OK;
    enum mur_status status = mur_stream_poll(&association->stream, MUR_STREAM_READABLE, wake_fd,
                                             mur_deadline_after(timeout_ms), error);
    if (status == MUR_OK)
        association->stream.likely_ready = true;
    return status;
}

bool mur_association_data_waiting(struct mur_association *association, int timeout_ms)
{
    /* An interruption counts as something to be read: reading tells of it. */
    return mur_association_wait(association, -1, timeout_ms, NULL) != MUR_TIMEOUT;
}

/* ---- writing ---- */

enum { DATA_HEAD = MUR_PDU_HEAD + MUR_PDV_HEAD, PDUS_AT_ONCE = 64 };

/* Where a call to write stands: the PDV under way and how much of it is cut into PDUs already. */
struct cutter {
    const struct mur_pdv *pdvs;
    size_t count, index, offset;
    size_t piece_limit;
};

static struct cutter cutter_of(const struct mur_association *association,
                               const struct mur_pdv *pdvs, size_t count)
{
    size_t limit = association->negotiated->peer_max_pdu;
    if (limit == 0 || limit > MUR_MAX_PDU_DEFAULT)
        limit = MUR_MAX_PDU_DEFAULT;
    /* Fragments are of even length (PS3.8 Annex E). */
    return (struct cutter){
        .pdvs = pdvs, .count = count, .piece_limit = (limit - MUR_PDV_HEAD) & ~(size_t)1};
}

/* The next PDU: its head, and *length bytes at the returned place. */
static const uint8_t *cut(uint8_t head[DATA_HEAD], size_t *length, struct cutter *cutter)
{
    const struct mur_pdv *pdv = &cutter->pdvs[cutter->index];
    const uint8_t *data = pdv->data + cutter->offset;
    size_t left = pdv->length - cutter->offset;
    bool is_end = left <= cutter->piece_limit;
    *length = is_end ? left : cutter->piece_limit;
    head[0] = MUR_PDU_DATA;
    head[1] = 0;
    mur_put_be32(head + 2, (uint32_t)(*length + MUR_PDV_HEAD));
    mur_put_be32(head + 6, (uint32_t)(*length + 2));
    head[10] = pdv->context_id;
    head[11] = (uint8_t)((pdv->is_command ? 1 : 0) | (is_end && pdv->is_last ? 2 : 0));
    cutter->offset += *length;
    if (is_end) {
        cutter->index++;
        cutter->offset = 0;
    }
    return data;
}

static enum mur_status write_vectors(struct mur_association *association, struct iovec *vectors,
                                     size_t count, int64_t deadline_ms, struct mur_error *error)
{
    enum mur_status status =
        mur_stream_write(&association->stream, vectors, count, deadline_ms, error);
    /* A PDU may be half written: nothing more can be said on this connection. */
    if (status != MUR_OK)
        association->end = status == MUR_CLOSED ? MUR_END_CONNECTION_LOST : MUR_END_ABORTED_BY_US;
    return status;
}

enum mur_status mur_association_write(struct mur_association *association,
                                      const struct mur_pdv *pdvs, size_t count, int timeout_ms,
                                      struct mur_error *error)
{
    if (!association->up || association->end != MUR_END_NONE)
        return ended(association, error);
    struct cutter cutter = cutter_of(association, pdvs, count);
    int64_t deadline_ms = mur_deadline_after(timeout_ms);
    struct iovec vectors[2 * PDUS_AT_ONCE];
    uint8_t heads[PDUS_AT_ONCE][DATA_HEAD];
    while (cutter.index < cutter.count) {
        size_t used = 0;
        for (size_t pdu = 0; pdu < PDUS_AT_ONCE && cutter.index < cutter.count; pdu++) {
            size_t length = 0;
            const uint8_t *data = cut(heads[pdu], &length, &cutter);
            vectors[used++] = (struct iovec){.iov_base = heads[pdu], .iov_len = DATA_HEAD};
            vectors[used++] =
                (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = length};
        }
        enum mur_status status = write_vectors(association, vectors, used, deadline_ms, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

enum mur_status mur_association_append_pdus(struct mur_buffer *out,
                                            const struct mur_association *association,
                                            const struct mur_pdv *pdv, struct mur_error *error)
{
    struct cutter cutter = cutter_of(association, pdv, 1);
    while (cutter.index < cutter.count) {
        uint8_t head[DATA_HEAD];
        size_t length = 0;
        const uint8_t *data = cut(head, &length, &cutter);
        enum mur_status status = mur_buffer_append(out, head, sizeof(head), error);
        if (status == MUR_OK)
            status = mur_buffer_append(out, data, length, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

enum mur_status mur_association_write_pdus(struct mur_association *association, const void *bytes,
                                           size_t length, int timeout_ms, struct mur_error *error)
{
    if (!association->up || association->end != MUR_END_NONE)
        return ended(association, error);
    struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    return write_vectors(association, &vector, 1, mur_deadline_after(timeout_ms), error);
}

/* ---- the end ---- */

enum mur_status mur_association_release(struct mur_association *association, int timeout_ms,
                                        struct mur_error *error)
{
    if (association->end != MUR_END_NONE)
        return ended(association, error);
    int64_t deadline_ms = mur_deadline_after(timeout_ms);
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status = send_control(association, MUR_PDU_RELEASE_RQ, 0, 0, 0, &reason);
    while (status == MUR_OK) {
        struct mur_pdv ignored;
        status = next_pdv(&ignored, association, true, deadline_ms, &reason);
        if (association->end == MUR_END_RELEASE_REQUESTED) {
            /* Both asked at once (PS3.8 9.2.4, AR-8 to AR-10). */
            association->end = MUR_END_NONE;
            status = send_control(association, MUR_PDU_RELEASE_RP, 0, 0, 0, &reason);
        }
    }
    if (association->end == MUR_END_RELEASED) {
        mur_stream_finish(&association->stream);
        return MUR_OK;
    }
    if (association->end == MUR_END_NONE)
        mur_association_abort(association);
    if (error != NULL)
        *error = reason;
    return status;
}

void mur_association_confirm_release(struct mur_association *association)
{
    if (association->end != MUR_END_RELEASE_REQUESTED)
        return;
    (void)send_control(association, MUR_PDU_RELEASE_RP, 0, 0, 0, NULL);
    mur_stream_finish(&association->stream);
    association->end = MUR_END_RELEASED;
}

void mur_association_abort(struct mur_association *association)
{
    if (association->end != MUR_END_NONE && association->end != MUR_END_RELEASE_REQUESTED)
        return;
    /* An interruption must not keep the peer from hearing of it. */
    __atomic_store_n(&association->stream.interrupted, 0, __ATOMIC_RELEASE);
    send_abort(association, 0, MUR_ABORT_NOT_SPECIFIED);
    association->end = MUR_END_ABORTED_BY_US;
}

void mur_association_interrupt(struct mur_association *association)
{
    mur_stream_interrupt(&association->stream);
}
