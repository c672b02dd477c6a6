/* Tells peers whether what they asked us to keep is kept: N-EVENT-REPORT of the Storage Commitment
 * Push Model (PS3.4 J.3.3), on an association of our own. One thread; what it owes stands in the
 * index, so that neither a peer that is away nor a restart of ours loses an answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "archive/commitment.h"
#include "core/clock.h"
#include "dicom/encoder.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "scp/session.h"

enum {
    EVENT_ALL_KEPT = 1,
    EVENT_FAILURES_EXIST = 2,
    CONNECT_MS = 5000,
    ANSWER_MS = 30000,
    RELEASE_MS = 3000,
    FIRST_PAUSE_S = 2,
    LONGEST_PAUSE_S = 3600,
    GIVE_UP_AFTER_S = 7 * 24 * 3600,
    LOOK_AGAIN_MS = 60000,
};

static bool is_stopping(void *user)
{
    struct mur_scp *scp = user;
    (void)pthread_mutex_lock(&scp->mutex);
    bool stopping = scp->stopping;
    (void)pthread_mutex_unlock(&scp->mutex);
    return stopping;
}

/* ---- the report's Data Set: PS3.4 Table J.3-2 ---- */

static enum mur_status encode_references(struct mur_encoder *encoder, uint32_t sequence,
                                         const struct mur_commitment *commitment, bool failed,
                                         struct mur_error *error)
{
    enum mur_status status = mur_encode_sequence_begin(encoder, sequence, error);
    for (size_t i = 0; status == MUR_OK && i < commitment->count; i++) {
        const struct mur_reference *reference = &commitment->references[i];
        if ((reference->failure != MUR_REFERENCE_KEPT) != failed)
            continue;
        status = mur_encode_item_begin(encoder, error);
        if (status == MUR_OK)
            status = mur_encode_text(encoder, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI,
                                     reference->sop_class, error);
        if (status == MUR_OK)
            status = mur_encode_text(encoder, MUR_TAG_ReferencedSOPInstanceUID, MUR_VR_UI,
                                     reference->sop_instance, error);
        if (status == MUR_OK && failed)
            status = mur_encode_int(encoder, MUR_TAG_FailureReason, MUR_VR_US, reference->failure,
                                    error);
        if (status == MUR_OK)
            status = mur_encode_item_end(encoder, error);
    }
    return status == MUR_OK ? mur_encode_sequence_end(encoder, error) : status;
}

static size_t count_failures(const struct mur_commitment *commitment)
{
    size_t failures = 0;
    for (size_t i = 0; i < commitment->count; i++)
        failures += commitment->references[i].failure != MUR_REFERENCE_KEPT;
    return failures;
}

static enum mur_status encode_report(struct mur_buffer *out, const struct mur_scp *scp,
                                     const struct mur_commitment *commitment,
                                     const char *transfer_syntax, struct mur_error *error)
{
    struct mur_encoder encoder;
    size_t failures = count_failures(commitment);
    enum mur_status status = mur_encoder_init(&encoder, out, transfer_syntax, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_RetrieveAETitle, MUR_VR_AE,
                                 scp->config->node_ae_title, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_TransactionUID, MUR_VR_UI,
                                 commitment->transaction_uid, error);
    if (status == MUR_OK && failures > 0)
        status = encode_references(&encoder, MUR_TAG_FailedSOPSequence, commitment, true, error);
    if (status == MUR_OK && failures < commitment->count)
        status =
            encode_references(&encoder, MUR_TAG_ReferencedSOPSequence, commitment, false, error);
    return status;
}

/* ---- the association ---- */

static enum mur_status ignore_data(void *user, const uint8_t *data, size_t length,
                                   struct mur_error *error)
{
    (void)user;
    (void)data;
    (void)length;
    (void)error;
    return MUR_OK;
}

static enum mur_status read_answer(struct mur_association *association, struct mur_error *error)
{
    struct mur_command response;
    uint8_t context_id = 0;
    enum mur_status sunk = MUR_OK;
    enum mur_status status =
        mur_message_read_command(&response, &context_id, association, ANSWER_MS, error);
    if (status == MUR_OK && response.has_data_set) /* Event Reply: nothing is defined for it */
        status = mur_message_read_data(&sunk, association, context_id, ignore_data, NULL, ANSWER_MS,
                                       error);
    if (status != MUR_OK)
        return status;
    if (response.field != MUR_N_EVENT_REPORT_RSP)
        return mur_error_set(error, MUR_PARSE, "%s in place of the N-EVENT-REPORT-RSP",
                             mur_command_field_name(response.field));
    if (response.status != 0 && !mur_dimse_status_is_warning(response.status))
        return mur_error_set(error, MUR_DENIED, "the report was answered with %04X %s",
                             response.status, response.error_comment);
    return MUR_OK;
}

static enum mur_status send_report(struct mur_scp *scp, struct mur_association *association,
                                   const struct mur_commitment *commitment, struct mur_error *error)
{
    struct mur_presentation_context context;
    if (!mur_association_find_context_for(&context, association, mur_uid_StorageCommitmentPushModel,
                                          NULL))
        return mur_error_set(error, MUR_UNSUPPORTED, "it does not accept Storage Commitment");
    struct mur_command request = {
        .field = MUR_N_EVENT_REPORT_RQ,
        .has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_AFFECTED_SOP_INSTANCE |
               MUR_HAS_EVENT_TYPE,
        .message_id = 1,
        .event_type_id = count_failures(commitment) > 0 ? EVENT_FAILURES_EXIST : EVENT_ALL_KEPT,
    };
    (void)snprintf(request.affected_sop_class_uid, sizeof(request.affected_sop_class_uid), "%s",
                   mur_uid_StorageCommitmentPushModel);
    (void)snprintf(request.affected_sop_instance_uid, sizeof(request.affected_sop_instance_uid),
                   "%s", mur_uid_StorageCommitmentPushModelInstance);
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    enum mur_status status =
        encode_report(&data, scp, commitment, context.accepted_transfer_syntax, error);
    if (status == MUR_OK)
        status = mur_message_write(association, context.id, &request, data.data, data.length,
                                   ANSWER_MS, error);
    if (status == MUR_OK)
        status = read_answer(association, error);
    return status;
}

static void set_association(struct mur_scp *scp, struct mur_association *association)
{
    (void)pthread_mutex_lock(&scp->mutex);
    scp->report = association;
    (void)pthread_mutex_unlock(&scp->mutex);
}

/* We are the SCP of a class whose SCU is the one that we call: hence the role (PS3.4 J.3.3.1). */
static enum mur_status tell(struct mur_scp *scp, const struct mur_commitment *commitment,
                            struct mur_error *error)
{
    static const char *const native[] = {mur_uid_ExplicitVRLittleEndian,
                                         mur_uid_ImplicitVRLittleEndian};
    const struct mur_peer *peer = mur_config_find_peer(scp->config, commitment->peer);
    if (peer == NULL)
        return mur_error_set(error, MUR_NOT_FOUND, "it is not listed in peers any more");
    const struct mur_context_proposal context = {.abstract_syntax =
                                                     mur_uid_StorageCommitmentPushModel,
                                                 .transfer_syntaxes = native,
                                                 .transfer_syntax_count = MUR_COUNT(native),
                                                 .role = MUR_ROLE_SCP};
    const struct mur_association_options options = {
        .host = peer->host,
        .port = (uint16_t)peer->port,
        .calling_ae_title = scp->config->node_ae_title,
        .called_ae_title = peer->ae_title,
        .tls = peer->tls ? scp->tls : NULL,
        .contexts = &context,
        .context_count = 1,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = ANSWER_MS,
        .cancelled = is_stopping,
        .user = scp,
    };
    struct mur_association *association = NULL;
    enum mur_status status = mur_association_request(&association, &options, error);
    if (status != MUR_OK)
        return status;
    set_association(scp, association);
    status = is_stopping(scp) /* which interrupts only what it sees */
                 ? mur_error_set(error, MUR_CANCELLED, "the node is being stopped")
                 : send_report(scp, association, commitment, error);
    /* Told is told, however the association ends. */
    if (status == MUR_OK)
        (void)!mur_association_release(association, RELEASE_MS, NULL);
    else
        mur_association_abort(association);
    set_association(scp, NULL);
    mur_association_free(association);
    return status;
}

/* ---- one after the other ---- */

static int64_t pause_us(unsigned attempts)
{
    int64_t seconds = FIRST_PAUSE_S;
    for (unsigned i = 0; i < attempts && seconds < LONGEST_PAUSE_S; i++)
        seconds *= 2;
    return (seconds < LONGEST_PAUSE_S ? seconds : LONGEST_PAUSE_S) * 1000000;
}

static void settle(struct mur_scp *scp, const struct mur_commitment *commitment,
                   const struct mur_error *failure)
{
    struct mur_error error = MUR_ERROR_INIT;
    int64_t now = mur_clock_now_us();
    bool told = failure->status == MUR_OK;
    if (told) {
        size_t failures = count_failures(commitment);
        mur_log_info(MUR_LOG_SCP, "commitment told to %s: %zu kept, %zu not, transaction %s",
                     commitment->peer, commitment->count - failures, failures,
                     commitment->transaction_uid);
    }
    bool give_up = !told && now - commitment->requested_us > (int64_t)GIVE_UP_AFTER_S * 1000000;
    if (give_up)
        mur_log_error(MUR_LOG_SCP, "commitment never told to %s, given up after %u tries: %s",
                      commitment->peer, commitment->attempts + 1, failure->message);
    enum mur_status status = MUR_OK;
    if (told || give_up) {
        status = mur_archive_commitment_told(scp->archive, commitment->id, &error);
    } else {
        int64_t pause = pause_us(commitment->attempts);
        mur_log_warning(MUR_LOG_SCP, "commitment not told to %s, next try in %lld s: %s",
                        commitment->peer, (long long)(pause / 1000000), failure->message);
        status = mur_archive_commitment_later(scp->archive, commitment->id, now + pause, &error);
    }
    if (status != MUR_OK)
        mur_log_error(MUR_LOG_SCP, "pending commitments: %s", error.message);
}

static void report(struct mur_scp *scp, struct mur_commitment *commitment)
{
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_archive_commit(commitment, scp->archive, is_stopping, scp, &error);
    if (status == MUR_OK)
        status = tell(scp, commitment, &error);
    if (status != MUR_OK && is_stopping(scp))
        return; /* the next start tries again */
    settle(scp, commitment, &error);
}

/* Until it is woken, or so many milliseconds. @return false: the server stops */
static bool wait_for_work(struct mur_scp *scp, int64_t milliseconds)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&scp->mutex);
    while (!scp->stopping && !scp->report_wanted)
        if (pthread_cond_timedwait(&scp->reporter_woken, &scp->mutex, &until) == ETIMEDOUT)
            break;
    scp->report_wanted = false; /* before the index is read again */
    bool go_on = !scp->stopping;
    (void)pthread_mutex_unlock(&scp->mutex);
    return go_on;
}

void *mur_scp_reporter(void *argument)
{
    struct mur_scp *scp = argument;
    mur_log_set_association("commit");
    int64_t wait_ms = 0;
    while (wait_for_work(scp, wait_ms)) {
        struct mur_error error = MUR_ERROR_INIT;
        MUR_AUTO_COMMITMENT struct mur_commitment next = {.id = 0};
        bool found = false;
        wait_ms = LOOK_AGAIN_MS;
        if (mur_archive_next_commitment(&found, &next, scp->archive, &error) != MUR_OK) {
            mur_log_error(MUR_LOG_SCP, "pending commitments: %s", error.message);
            continue;
        }
        int64_t left_ms = (next.next_try_us - mur_clock_now_us() + 999) / 1000;
        if (found && left_ms <= 0)
            report(scp, &next);
        if (found && left_ms < wait_ms)
            wait_ms = left_ms > 0 ? left_ms : 0;
    }
    return NULL;
}

void mur_scp_wake_reporter(struct mur_scp *scp)
{
    (void)pthread_mutex_lock(&scp->mutex);
    scp->report_wanted = true;
    (void)pthread_cond_signal(&scp->reporter_woken);
    (void)pthread_mutex_unlock(&scp->mutex);
}
