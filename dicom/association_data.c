#include <stdlib.h>
#include <string.h>

#include "dicom/association_internal.h"

enum { LAST_WORDS_MS = 1000, READ_MORE = 4096 };

enum mur_status mur_association_send_control(struct mur_association *association,
                                             enum mur_pdu_type type, uint8_t second, uint8_t third,
                                             uint8_t fourth, struct mur_error *error)
{
    uint8_t pdu[MUR_PDU_CONTROL_SIZE];
    mur_pdu_control(pdu, type, second, third, fourth);
    struct iovec vector = {.iov_base = pdu, .iov_len = sizeof(pdu)};
    return mur_stream_write(&association->stream, &vector, 1, mur_deadline_after(LAST_WORDS_MS),
                            error);
}

void mur_association_send_abort(struct mur_association *association, uint8_t source, uint8_t reason)
{
    (void)mur_association_send_control(association, MUR_PDU_ABORT, 0, source, reason, NULL);
    mur_stream_finish(&association->stream);
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
    mur_association_send_abort(association, 2, (uint8_t)reason);
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
    enum mur_status status =
        mur_association_send_control(association, MUR_PDU_RELEASE_RQ, 0, 0, 0, &reason);
    while (status == MUR_OK) {
        struct mur_pdv ignored;
        status = next_pdv(&ignored, association, true, deadline_ms, &reason);
        if (association->end == MUR_END_RELEASE_REQUESTED) {
            /* Both asked at once (PS3.8 9.2.4, AR-8 to AR-10). */
            association->end = MUR_END_NONE;
            status =
                mur_association_send_control(association, MUR_PDU_RELEASE_RP, 0, 0, 0, &reason);
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
    (void)mur_association_send_control(association, MUR_PDU_RELEASE_RP, 0, 0, 0, NULL);
    mur_stream_finish(&association->stream);
    association->end = MUR_END_RELEASED;
}

void mur_association_abort(struct mur_association *association)
{
    if (association->end != MUR_END_NONE && association->end != MUR_END_RELEASE_REQUESTED)
        return;
    /* An interruption must not keep the peer from hearing of it. */
    __atomic_store_n(&association->stream.interrupted, 0, __ATOMIC_RELEASE);
    mur_association_send_abort(association, 0, MUR_ABORT_NOT_SPECIFIED);
    association->end = MUR_END_ABORTED_BY_US;
}

void mur_association_interrupt(struct mur_association *association)
{
    mur_stream_interrupt(&association->stream);
}
