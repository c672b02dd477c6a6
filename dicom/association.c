#include "dicom/association.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/association_internal.h"

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

enum mur_status mur_association_acknowledge(struct mur_association *association, int timeout_ms,
                                            struct mur_error *error)
{
    uint32_t peer_max = association->negotiated->peer_max_pdu;
    if (association->up || association->end != MUR_END_NONE)
        return mur_error_set(error, MUR_INVALID, "the association was answered already");
    if (peer_max != 0 && peer_max < MUR_MIN_PEER_PDU) {
        mur_association_send_abort(association, 2, MUR_ABORT_INVALID_PARAMETER);
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
    (void)mur_association_send_control(association, MUR_PDU_ASSOCIATE_RJ, result, source, reason,
                                       NULL);
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
        mur_association_send_abort(association, 2, MUR_ABORT_INVALID_PARAMETER);
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
