/* The requestor's side of negotiation: A-ASSOCIATE-RQ out, A-ASSOCIATE-AC or -RJ in. dcmnet of
 * Debian 12 knows neither IPv6 nor a connection that is given up when the user wants to stop. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/clock.h"
#include "dicom/negotiation.h"
#include "dicom/pdu.h"
#include "dicom/uid.h"

enum { CANCEL_CHECK_MS = 250, ANSWER_STEP = 65536, TITLE_LENGTH = 16 };

static const char application_context[] = "1.2.840.10008.3.1.1.1"; /* PS3.7 A.2.1 */

/* ---- connecting ------------------------------------------------------------------------------ */

static bool is_cancelled(const struct mur_association_options *options)
{
    return options->cancelled != NULL && options->cancelled(options->user);
}

static enum mur_status cancelled(struct mur_error *error)
{
    return mur_error_set(error, MUR_CANCELLED, "cancelled while the peer was to answer");
}

/* In short waits, between which the caller may change its mind. */
static enum mur_status await_connection(int descriptor,
                                        const struct mur_association_options *options,
                                        struct mur_error *error)
{
    int timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : options->timeout_ms;
    int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : mur_clock_monotonic_ms() + timeout_ms;
    for (;;) {
        if (is_cancelled(options))
            return cancelled(error);
        int64_t left = deadline_ms - mur_clock_monotonic_ms();
        if (left <= 0)
            return mur_error_set(error, MUR_TIMEOUT, "%s port %u: no connection within %d ms",
                                 options->host, options->port, timeout_ms);
        struct pollfd polled = {.fd = descriptor, .events = POLLOUT};
        int count = poll(&polled, 1, left < CANCEL_CHECK_MS ? (int)left : CANCEL_CHECK_MS);
        if (count > 0)
            return MUR_OK;
        if (count < 0 && errno != EINTR)
            return mur_error_set_errno(error, errno, "waiting for the connection");
    }
}

static enum mur_status not_there(const struct mur_association_options *options, int number,
                                 struct mur_error *error)
{
    (void)mur_error_set_errno(error, number, "%s port %u", options->host, options->port);
    if (error != NULL)
        error->status = MUR_IO;
    return MUR_IO;
}

enum mur_status mur_request_connect(int *descriptor, const struct mur_association_options *options,
                                    const struct sockaddr *address, socklen_t length,
                                    struct mur_error *error)
{
    MUR_AUTO_CLOSE int made =
        socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return not_there(options, errno, error);
    if (connect(made, address, length) != 0) {
        if (errno != EINPROGRESS && errno != EINTR)
            return not_there(options, errno, error);
        enum mur_status status = await_connection(made, options, error);
        if (status != MUR_OK)
            return status;
        int number = 0;
        socklen_t size = sizeof(number);
        if (getsockopt(made, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
            number = errno;
        if (number != 0)
            return not_there(options, number, error);
    }
    *descriptor = mur_steal_descriptor(&made);
    return MUR_OK;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

/* In short waits, between which the caller may change its mind. */
static enum mur_status shake_hands(struct mur_stream *stream,
                                   const struct mur_association_options *options,
                                   struct mur_error *error)
{
    int64_t deadline_ms = mur_deadline_after(options->timeout_ms);
    for (;;) {
        if (is_cancelled(options))
            return cancelled(error);
        int64_t until = mur_deadline_after(CANCEL_CHECK_MS);
        bool last = deadline_ms != MUR_NO_DEADLINE && deadline_ms <= until;
        enum mur_status status = mur_stream_handshake(stream, last ? deadline_ms : until, error);
        if (status != MUR_TIMEOUT || last)
            return status;
    }
}

enum mur_status mur_request_secure(struct mur_stream *stream,
                                   const struct mur_association_options *options,
                                   struct mur_error *error)
{
    if (options->tls == NULL)
        return MUR_OK;
    enum mur_status status = mur_stream_secure(stream, options->tls, options->host, error);
    if (status == MUR_OK)
        status = shake_hands(stream, options, error);
    if (status != MUR_OK)
        (void)mur_error_prefix(error, "%s port %u", options->host, options->port);
    return status;
}

/* ---- the request ----------------------------------------------------------------------------- */

/* An item in the making: its length is known at its end. */
struct open_item {
    struct mur_buffer *buffer;
    size_t at; /* of its head */
};

static enum mur_status begin_item(struct open_item *out, struct mur_buffer *buffer,
                                  enum mur_pdu_item_type type, struct mur_error *error)
{
    const uint8_t head[MUR_PDU_ITEM_HEAD] = {(uint8_t)type};
    *out = (struct open_item){.buffer = buffer, .at = buffer->length};
    return mur_buffer_append(buffer, head, sizeof(head), error);
}

static enum mur_status end_item(const struct open_item *item, struct mur_error *error)
{
    size_t length = item->buffer->length - item->at - MUR_PDU_ITEM_HEAD;
    if (length > UINT16_MAX)
        return mur_error_set(error, MUR_LIMIT, "more is proposed than an A-ASSOCIATE-RQ holds");
    uint8_t *head = (uint8_t *)item->buffer->data + item->at;
    head[2] = (uint8_t)(length >> 8);
    head[3] = (uint8_t)length;
    return MUR_OK;
}

static enum mur_status add_item(struct mur_buffer *buffer, enum mur_pdu_item_type type,
                                const void *value, size_t length, struct mur_error *error)
{
    struct open_item item;
    enum mur_status status = begin_item(&item, buffer, type, error);
    if (status == MUR_OK)
        status = mur_buffer_append(buffer, value, length, error);
    return status == MUR_OK ? end_item(&item, error) : status;
}

static enum mur_status add_text(struct mur_buffer *buffer, enum mur_pdu_item_type type,
                                const char *text, struct mur_error *error)
{
    return add_item(buffer, type, text, strlen(text), error);
}

static enum mur_status add_title(struct mur_buffer *buffer, const char *title,
                                 struct mur_error *error)
{
    char padded[TITLE_LENGTH];
    size_t length = strnlen(title, TITLE_LENGTH);
    memset(padded, ' ', sizeof(padded));
    memcpy(padded, title, length);
    return mur_buffer_append(buffer, padded, sizeof(padded), error);
}

static enum mur_status add_context(struct mur_buffer *buffer, uint8_t id,
                                   const struct mur_context_proposal *context,
                                   struct mur_error *error)
{
    const uint8_t head[4] = {id};
    struct open_item item;
    enum mur_status status = begin_item(&item, buffer, MUR_ITEM_CONTEXT_RQ, error);
    if (status == MUR_OK)
        status = mur_buffer_append(buffer, head, sizeof(head), error);
    if (status == MUR_OK)
        status = add_text(buffer, MUR_ITEM_ABSTRACT_SYNTAX, context->abstract_syntax, error);
    for (size_t i = 0; status == MUR_OK && i < context->transfer_syntax_count; i++)
        status = add_text(buffer, MUR_ITEM_TRANSFER_SYNTAX, context->transfer_syntaxes[i], error);
    return status == MUR_OK ? end_item(&item, error) : status;
}

/* A UID with the length before it, as role selection and extended negotiation begin. */
static enum mur_status begin_uid_item(struct open_item *out, struct mur_buffer *buffer,
                                      enum mur_pdu_item_type type, const char *uid,
                                      struct mur_error *error)
{
    size_t length = strlen(uid);
    const uint8_t bytes[2] = {(uint8_t)(length >> 8), (uint8_t)length};
    enum mur_status status = begin_item(out, buffer, type, error);
    if (status == MUR_OK)
        status = mur_buffer_append(buffer, bytes, sizeof(bytes), error);
    return status == MUR_OK ? mur_buffer_append(buffer, uid, length, error) : status;
}

/* Roles are said once for a SOP Class (PS3.7 D.3.3.4): by the first of its contexts with one. */
static bool is_told(const struct mur_association_options *options, size_t index)
{
    const struct mur_context_proposal *contexts = options->contexts;
    for (size_t i = 0; i < index; i++)
        if (contexts[i].role != MUR_ROLE_DEFAULT &&
            strcmp(contexts[i].abstract_syntax, contexts[index].abstract_syntax) == 0)
            return true;
    return false;
}

static enum mur_status add_roles(struct mur_buffer *buffer,
                                 const struct mur_association_options *options,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < options->context_count; i++) {
        enum mur_role role = options->contexts[i].role;
        if (role == MUR_ROLE_DEFAULT || is_told(options, i))
            continue;
        const uint8_t roles[2] = {role == MUR_ROLE_SCU || role == MUR_ROLE_BOTH,
                                  role == MUR_ROLE_SCP || role == MUR_ROLE_BOTH};
        struct open_item item;
        status = begin_uid_item(&item, buffer, MUR_ITEM_ROLE, options->contexts[i].abstract_syntax,
                                error);
        if (status == MUR_OK)
            status = mur_buffer_append(buffer, roles, sizeof(roles), error);
        if (status == MUR_OK)
            status = end_item(&item, error);
    }
    return status;
}

static enum mur_status add_extended(struct mur_buffer *buffer,
                                    const struct mur_association_options *options,
                                    struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < options->extended_count; i++) {
        const struct mur_extended_proposal *extended = &options->extended[i];
        struct open_item item;
        status = begin_uid_item(&item, buffer, MUR_ITEM_EXTENDED, extended->abstract_syntax, error);
        if (status == MUR_OK)
            status = mur_buffer_append(buffer, extended->bytes, extended->length, error);
        if (status == MUR_OK)
            status = end_item(&item, error);
    }
    return status;
}

static enum mur_status add_user_information(struct mur_buffer *buffer,
                                            const struct mur_association_options *options,
                                            struct mur_error *error)
{
    uint8_t max_pdu[4];
    mur_put_be32(max_pdu, MUR_MAX_PDU_DEFAULT);
    struct open_item item;
    enum mur_status status = begin_item(&item, buffer, MUR_ITEM_USER_INFORMATION, error);
    if (status == MUR_OK)
        status = add_item(buffer, MUR_ITEM_MAXIMUM_LENGTH, max_pdu, sizeof(max_pdu), error);
    if (status == MUR_OK)
        status =
            add_text(buffer, MUR_ITEM_IMPLEMENTATION_CLASS, MUR_IMPLEMENTATION_CLASS_UID, error);
    if (status == MUR_OK)
        status = add_roles(buffer, options, error);
    if (status == MUR_OK)
        status = add_text(buffer, MUR_ITEM_IMPLEMENTATION_VERSION, MUR_IMPLEMENTATION_VERSION_NAME,
                          error);
    if (status == MUR_OK)
        status = add_extended(buffer, options, error);
    return status == MUR_OK ? end_item(&item, error) : status;
}

static enum mur_status encode_request(struct mur_buffer *out,
                                      const struct mur_association_options *options,
                                      struct mur_error *error)
{
    static const uint8_t zeros[32];
    uint8_t head[MUR_PDU_HEAD + 4] = {MUR_PDU_ASSOCIATE_RQ};
    head[MUR_PDU_HEAD + 1] = 1; /* protocol version */
    enum mur_status status = mur_buffer_append(out, head, sizeof(head), error);
    if (status == MUR_OK)
        status = add_title(out, options->called_ae_title, error);
    if (status == MUR_OK)
        status = add_title(out, options->calling_ae_title, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, zeros, sizeof(zeros), error);
    if (status == MUR_OK)
        status = add_text(out, MUR_ITEM_APPLICATION_CONTEXT, application_context, error);
    for (size_t i = 0; status == MUR_OK && i < options->context_count; i++)
        status = add_context(out, (uint8_t)(2 * i + 1), &options->contexts[i], error);
    if (status == MUR_OK)
        status = add_user_information(out, options, error);
    if (status == MUR_OK)
        mur_put_be32((uint8_t *)out->data + 2, (uint32_t)(out->length - MUR_PDU_HEAD));
    return status;
}

/* What was proposed, as contexts that nobody decided on. */
static enum mur_status remember(struct mur_negotiated *negotiated,
                                const struct mur_association_options *options,
                                struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < options->context_count; i++) {
        const struct mur_context_proposal *context = &options->contexts[i];
        status = mur_negotiated_add_context(negotiated, (uint8_t)(2 * i + 1),
                                            context->abstract_syntax, context->transfer_syntaxes,
                                            context->transfer_syntax_count, context->role, error);
    }
    mur_negotiated_set_title(negotiated->calling_ae_title, options->calling_ae_title);
    mur_negotiated_set_title(negotiated->called_ae_title, options->called_ae_title);
    return status;
}

/* ---- the answer: its structure was checked by mur_pdu_check_associate() ---------------------- */

/* Peers pad UIDs with NUL against PS3.5 9.1. */
static bool is_uid(const uint8_t *value, size_t length, const char *uid)
{
    while (length > 0 && value[length - 1] == '\0')
        length--;
    return strlen(uid) == length && memcmp(value, uid, length) == 0;
}

static void take_context(struct mur_negotiated *negotiated, const struct mur_pdu_item *item)
{
    struct mur_presentation_context *context = NULL;
    for (size_t i = 0; i < negotiated->context_count; i++)
        if (negotiated->contexts[i].id == item->value[0])
            context = &negotiated->contexts[i];
    if (context == NULL)
        return;
    uint8_t result = item->value[2];
    if (result != MUR_CONTEXT_ACCEPTED) {
        if (result <= MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED)
            context->result = (enum mur_context_result)result;
        return;
    }
    struct mur_pdu_item inner;
    const uint8_t *at = item->value + 4;
    size_t left = item->length - 4;
    while (left > 0 && mur_pdu_next_item(&inner, &at, &left, NULL) == MUR_OK) {
        for (size_t i = 0;
             inner.type == MUR_ITEM_TRANSFER_SYNTAX && i < context->transfer_syntax_count; i++) {
            if (is_uid(inner.value, inner.length, context->transfer_syntaxes[i])) {
                context->result = MUR_CONTEXT_ACCEPTED;
                context->accepted_transfer_syntax = context->transfer_syntaxes[i];
            }
        }
    }
}

static void take_role(struct mur_negotiated *negotiated, const struct mur_pdu_item *item)
{
    size_t length = mur_be16(item->value);
    bool scu = item->value[2 + length] != 0;
    bool scp = item->value[3 + length] != 0;
    enum mur_role role = scu && scp ? MUR_ROLE_BOTH
                         : scp      ? MUR_ROLE_SCP
                         : scu      ? MUR_ROLE_SCU
                                    : MUR_ROLE_DEFAULT;
    for (size_t i = 0; i < negotiated->context_count; i++)
        if (is_uid(item->value + 2, length, negotiated->contexts[i].abstract_syntax))
            negotiated->contexts[i].accepted_role = role;
}

static enum mur_status take_extended(struct mur_negotiated *negotiated,
                                     const struct mur_pdu_item *item, struct mur_error *error)
{
    size_t length = mur_be16(item->value);
    for (size_t i = 0; i < negotiated->context_count; i++)
        if (is_uid(item->value + 2, length, negotiated->contexts[i].abstract_syntax))
            return mur_negotiated_add_extended(negotiated, negotiated->contexts[i].abstract_syntax,
                                               item->value + 2 + length, item->length - 2 - length,
                                               error);
    return MUR_OK;
}

/* For log lines. */
static void take_version(struct mur_negotiated *negotiated, const struct mur_pdu_item *item)
{
    size_t length = item->length < MUR_UID_LENGTH ? item->length : MUR_UID_LENGTH;
    for (size_t i = 0; i < length; i++)
        negotiated->peer_implementation[i] =
            item->value[i] >= ' ' && item->value[i] <= '~' ? (char)item->value[i] : '?';
    while (length > 0 && (item->value[length - 1] == ' ' || item->value[length - 1] == '\0'))
        length--;
    negotiated->peer_implementation[length] = '\0';
}

static enum mur_status take_user_information(struct mur_negotiated *negotiated,
                                             const struct mur_pdu_item *information,
                                             struct mur_error *error)
{
    struct mur_pdu_item item;
    const uint8_t *at = information->value;
    size_t left = information->length;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && left > 0) {
        status = mur_pdu_next_item(&item, &at, &left, error);
        if (status != MUR_OK)
            return status;
        if (item.type == MUR_ITEM_MAXIMUM_LENGTH)
            negotiated->peer_max_pdu = mur_be32(item.value);
        else if (item.type == MUR_ITEM_IMPLEMENTATION_VERSION)
            take_version(negotiated, &item);
        else if (item.type == MUR_ITEM_ROLE)
            take_role(negotiated, &item);
        else if (item.type == MUR_ITEM_EXTENDED)
            status = take_extended(negotiated, &item, error);
    }
    return status;
}

static enum mur_status take_acceptance(struct mur_negotiated *negotiated,
                                       const struct mur_buffer *pdu, struct mur_error *error)
{
    const uint8_t *bytes = (const uint8_t *)pdu->data;
    enum mur_status status =
        mur_pdu_check_associate(bytes, pdu->length, MUR_PDU_ASSOCIATE_AC, error);
    if (status != MUR_OK)
        return status;
    const size_t begin = MUR_PDU_HEAD + MUR_ASSOCIATE_FIXED_PART;
    const uint8_t *at = bytes + begin;
    size_t left = pdu->length - begin;
    while (status == MUR_OK && left > 0) {
        struct mur_pdu_item item;
        status = mur_pdu_next_item(&item, &at, &left, error);
        if (status == MUR_OK && item.type == MUR_ITEM_CONTEXT_AC)
            take_context(negotiated, &item);
        else if (status == MUR_OK && item.type == MUR_ITEM_USER_INFORMATION)
            status = take_user_information(negotiated, &item, error);
    }
    return status;
}

static enum mur_status take_answer(struct mur_negotiated *negotiated, const struct mur_buffer *pdu,
                                   struct mur_error *error)
{
    const uint8_t *bytes = (const uint8_t *)pdu->data;
    if (bytes[0] == MUR_PDU_ASSOCIATE_AC)
        return take_acceptance(negotiated, pdu, error);
    if (pdu->length != MUR_PDU_CONTROL_SIZE)
        return mur_error_set(error, MUR_PARSE, "the peer answers with a malformed PDU");
    if (bytes[0] == MUR_PDU_ASSOCIATE_RJ)
        return mur_error_set(
            error, MUR_DENIED, "association rejected (%s): %s (result %u, source %u, reason %u)",
            bytes[7] == 2 ? "transient" : "permanent", mur_reject_reason_name(bytes[8], bytes[9]),
            bytes[7], bytes[8], bytes[9]);
    if (bytes[0] == MUR_PDU_ABORT)
        return mur_error_set(error, MUR_CLOSED, "the peer aborted the association");
    return mur_error_set(error, MUR_PARSE, "the peer answers with an unexpected PDU");
}

/* In short waits, between which the caller may change its mind. */
static enum mur_status read_some(size_t *count, struct mur_stream *stream, void *bytes,
                                 size_t length, const struct mur_association_options *options,
                                 int64_t deadline_ms, struct mur_error *error)
{
    for (;;) {
        if (is_cancelled(options))
            return cancelled(error);
        int64_t until = mur_deadline_after(CANCEL_CHECK_MS);
        bool last = deadline_ms != MUR_NO_DEADLINE && deadline_ms <= until;
        enum mur_status status =
            mur_stream_read(count, stream, bytes, length, last ? deadline_ms : until, error);
        if (status != MUR_TIMEOUT || last)
            return status;
    }
}

/* Grows with what comes: a length field alone costs nothing. */
static enum mur_status read_answer(struct mur_buffer *out, struct mur_stream *stream,
                                   const struct mur_association_options *options,
                                   struct mur_error *error)
{
    int64_t deadline_ms = mur_deadline_after(options->timeout_ms);
    size_t wanted = MUR_PDU_HEAD;
    while (out->length < wanted) {
        size_t left = wanted - out->length;
        size_t step = left < ANSWER_STEP ? left : ANSWER_STEP;
        enum mur_status status = mur_buffer_reserve(out, step, error);
        size_t count = 0;
        if (status == MUR_OK)
            status = read_some(&count, stream, out->data + out->length, step, options, deadline_ms,
                               error);
        if (status != MUR_OK)
            return status;
        out->length += count;
        if (out->length == MUR_PDU_HEAD)
            wanted += mur_be32((const uint8_t *)out->data + 2);
        if (wanted > MUR_ASSOCIATE_LIMIT)
            return mur_error_set(error, MUR_PARSE, "the peer answers with a PDU of %zu bytes",
                                 wanted);
    }
    return MUR_OK;
}

enum mur_status mur_request_negotiate(struct mur_negotiated **out, struct mur_stream *stream,
                                      const struct mur_association_options *options,
                                      struct mur_error *error)
{
    MUR_AUTO(mur_negotiated) *negotiated = NULL;
    MUR_AUTO_BUFFER struct mur_buffer request = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer answer = MUR_BUFFER_INIT;
    enum mur_status status = mur_negotiated_create(&negotiated, error);
    if (status == MUR_OK)
        status = remember(negotiated, options, error);
    if (status == MUR_OK)
        status = encode_request(&request, options, error);
    if (status != MUR_OK)
        return status;
    struct iovec vector = {.iov_base = request.data, .iov_len = request.length};
    status = mur_stream_write(stream, &vector, 1, mur_deadline_after(options->timeout_ms), error);
    if (status == MUR_OK)
        status = read_answer(&answer, stream, options, error);
    if (status == MUR_OK)
        status = take_answer(negotiated, &answer, error);
    if (status != MUR_OK) {
        (void)mur_error_prefix(error, "%s port %u", options->host, options->port);
        return status;
    }
    *out = MUR_STEAL(negotiated);
    return MUR_OK;
}
