/* Instances for receivers that did not accept them as they are stored: decoded in the thread that
 * sends them, within a limit of memory for all threads together. Nothing is ever encoded lossy. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "archive/coerce.h"
#include "core/clock.h"
#include "dicom/data_set.h"
#include "dicom/measure.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "scp/retrieve.h"

enum { LOOK_ROUND_MS = 200 };

/* ---- memory ---- */

/* With the mutex held. */
static void wait_a_little(struct mur_scp *scp)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_ROUND_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&scp->memory_released, &scp->mutex, &until);
}

static enum mur_status too_large(uint64_t bytes, uint64_t most, struct mur_error *reason)
{
    return mur_error_set(reason, MUR_LIMIT,
                         "converting it takes %.1f MB, dicom.transcode_memory is %.1f MB",
                         (double)bytes / 1e6, (double)most / 1e6);
}

static enum mur_status take_memory(struct mur_transcoding *transcoding,
                                   struct mur_retrieval *retrieval, uint64_t bytes,
                                   struct mur_error *reason)
{
    struct mur_session *session = retrieval->session;
    struct mur_scp *scp = session->scp;
    uint64_t most = scp->config->dicom_transcode_memory;
    if (bytes > most)
        return too_large(bytes, most, reason);
    enum mur_status status = MUR_OK;
    int64_t deadline = mur_clock_monotonic_ms() + session->timeout_ms;
    (void)pthread_mutex_lock(&scp->mutex);
    while (status == MUR_OK && scp->transcoding + bytes > most) {
        if (mur_session_must_hurry(session))
            status = mur_error_set(reason, MUR_CANCELLED, "the node is being stopped");
        else if (mur_clock_monotonic_ms() >= deadline)
            status = mur_error_set(reason, MUR_BUSY,
                                   "other objects that are being decoded use up "
                                   "dicom.transcode_memory");
        else
            wait_a_little(scp);
    }
    if (status == MUR_OK) {
        scp->transcoding += bytes;
        transcoding->scp = scp;
        transcoding->memory = bytes;
    }
    (void)pthread_mutex_unlock(&scp->mutex);
    return status;
}

void mur_transcoding_end(struct mur_transcoding *transcoding)
{
    mur_buffer_free(&transcoding->bytes);
    struct mur_scp *scp = transcoding->scp;
    if (scp == NULL)
        return;
    (void)pthread_mutex_lock(&scp->mutex);
    scp->transcoding -= transcoding->memory;
    (void)pthread_cond_broadcast(&scp->memory_released);
    (void)pthread_mutex_unlock(&scp->mutex);
    transcoding->scp = NULL;
}

/* ---- choosing ---- */

/* A native syntax that was accepted for the class, little endian if there is one; NULL: none was.
 */
static const char *find_syntax(uint8_t *context_id, const struct mur_retrieval *retrieval,
                               const struct mur_instance *item)
{
    const char *found = NULL;
    struct mur_presentation_context context;
    for (size_t i = 0; mur_association_get_context(&context, retrieval->target, i); i++) {
        if (!mur_retrieval_may_send_in(retrieval, &context) ||
            strcmp(context.abstract_syntax, item->sop_class) != 0 ||
            !mur_transfer_syntax_is_native(context.accepted_transfer_syntax))
            continue;
        bool retired =
            (mur_transfer_syntax_flags(context.accepted_transfer_syntax) & MUR_TS_BIG_ENDIAN) != 0;
        if (found != NULL && retired)
            continue;
        *context_id = context.id;
        found = context.accepted_transfer_syntax;
        if (!retired)
            break;
    }
    return found;
}

static enum mur_status need_syntax(const char **syntax, struct mur_transcoding *out,
                                   const struct mur_retrieval *retrieval,
                                   const struct mur_instance *item, struct mur_error *reason)
{
    *syntax = find_syntax(&out->context_id, retrieval, item);
    return *syntax != NULL ? MUR_OK
                           : mur_error_set(reason, MUR_UNSUPPORTED,
                                           "%s: the receiver accepted neither %s nor native pixels",
                                           mur_sop_class_name(item->sop_class),
                                           mur_transfer_syntax_name(item->transfer_syntax));
}

/* Both reading and writing take memory, and reading it to find out how much would be too late. */
static enum mur_status measure(struct mur_measure *out, const struct mur_retrieval *retrieval,
                               const struct mur_instance *item, int descriptor,
                               struct mur_error *reason)
{
    enum mur_status status = mur_measure_file(
        out, descriptor, item->offset, item->transfer_syntax,
        retrieval->session->scp->config->dicom_transcode_memory, item->sop_instance, reason);
    return status == MUR_LIMIT ? mur_error_prefix(reason, "dicom.transcode_memory") : status;
}

static enum mur_status load(struct mur_dataset **out, int descriptor, struct mur_error *reason)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    return mur_dataset_load(out, path, MUR_WHOLE, reason);
}

/* What it takes to send it in a transfer syntax; where that is the stored one pixels stay as they
 * are. */
static uint64_t memory_for(const struct mur_measure *measure, const struct mur_instance *item,
                           const char *syntax)
{
    return strcmp(syntax, item->transfer_syntax) == 0 ? mur_measure_written(measure)
                                                      : mur_measure_decoded(measure);
}

static enum mur_status encode(struct mur_transcoding *out, const struct mur_instance *item,
                              struct mur_dataset *dataset, const char *syntax,
                              struct mur_error *reason)
{
    if (!mur_dataset_can_write(dataset, syntax))
        return mur_error_set(reason, MUR_UNSUPPORTED,
                             "%s: the receiver takes native pixels only; %s cannot be decoded",
                             mur_sop_class_name(item->sop_class),
                             mur_transfer_syntax_name(item->transfer_syntax));
    return mur_dataset_encode(&out->bytes, dataset, syntax, reason);
}

enum mur_status mur_retrieval_transcode(struct mur_transcoding *out,
                                        struct mur_retrieval *retrieval,
                                        const struct mur_instance *item, int descriptor,
                                        struct mur_error *reason)
{
    const char *syntax = NULL;
    struct mur_measure size = {.length = 0};
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = need_syntax(&syntax, out, retrieval, item, reason);
    if (status == MUR_OK)
        status = measure(&size, retrieval, item, descriptor, reason);
    if (status == MUR_OK)
        status = take_memory(out, retrieval, memory_for(&size, item, syntax), reason);
    if (status == MUR_OK)
        status = load(&dataset, descriptor, reason);
    return status == MUR_OK ? encode(out, item, dataset, syntax, reason) : status;
}

enum mur_status mur_retrieval_coerce(bool *changed, struct mur_transcoding *out,
                                     struct mur_retrieval *retrieval,
                                     const struct mur_instance *item, int descriptor,
                                     uint8_t context_id, struct mur_error *reason)
{
    bool differs = false;
    uint64_t most = retrieval->session->scp->config->dicom_transcode_memory;
    const char *syntax = item->transfer_syntax;
    struct mur_measure size = {.length = 0};
    MUR_AUTO(mur_dataset) *dataset = NULL;
    out->context_id = context_id;
    enum mur_status status =
        context_id == 0 ? need_syntax(&syntax, out, retrieval, item, reason) : MUR_OK;
    if (status == MUR_OK)
        status = measure(&size, retrieval, item, descriptor, reason);
    if (status != MUR_OK)
        return status;
    /* One that is too large to be written may still say all that already. */
    uint64_t memory = memory_for(&size, item, syntax);
    bool writable = memory <= most;
    status = take_memory(out, retrieval, writable ? memory : mur_measure_loaded(&size), reason);
    if (status == MUR_OK)
        status = load(&dataset, descriptor, reason);
    if (status == MUR_OK)
        status =
            mur_archive_coerce(&differs, dataset, retrieval->session->scp->archive, item, reason);
    if (status == MUR_OK && differs)
        status =
            writable ? encode(out, item, dataset, syntax, reason) : too_large(memory, most, reason);
    if (status == MUR_OK)
        *changed = differs;
    return status;
}
