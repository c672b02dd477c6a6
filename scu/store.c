#include "scu/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/own.h"
#include "dicom/data_set.h"
#include "dicom/sop_class.h"
#include "dicom/store_sender.h"
#include "dicom/transfer_syntax.h"
#include "scu/send_list.h"
#include "scu/send_state.h"

enum {
    WATCH_MS = 200,    /* how often the thread that waits looks whether to stop */
    CANCEL_MS = 10000, /* for operations under way to end by themselves */
    LONGEST_PAUSE_MS = 30000,
    OUT_OF_RESOURCES = 0xA7,
};

const char *mur_send_outcome_name(enum mur_send_outcome outcome)
{
    switch (outcome) {
    case MUR_SEND_STORED:
        return "stored";
    case MUR_SEND_KNOWN:
        return "known";
    case MUR_SEND_SKIPPED:
        return "skipped";
    case MUR_SEND_FAILED:
        return "failed";
    }
    return "?";
}

struct worker;

/* What the workers share. */
struct sending {
    const struct mur_send_options *options;
    struct mur_send_list list;
    struct mur_send_state *state; /* or NULL */
    size_t *todo;                 /* indices of items */
    size_t todo_count;
    struct worker *workers;
    unsigned worker_count;
    pthread_mutex_t mutex; /* for what follows, and for reporting */
    pthread_cond_t ended;
    size_t next;   /* of todo */
    size_t *again; /* items whose association broke: as many as there are workers */
    size_t again_count;
    unsigned connected; /* workers that have an association and look for more to do */
    unsigned running;
    bool stop;
    size_t done;
    struct mur_send_summary summary;
};

struct worker {
    struct sending *sending;
    pthread_t thread;
    struct mur_association *association; /* changed under the mutex */
    struct mur_store_sender *sender;
    bool counted;   /* in sending->connected; under the mutex */
    unsigned group; /* of the association */
    uint16_t message_id;
    unsigned failures; /* of associations, or for want of room at the peer, since ... */
    size_t stored;     /* ... so many objects were stored */
};

static void lock(struct sending *sending)
{
    (void)pthread_mutex_lock(&sending->mutex);
}

static void unlock(struct sending *sending)
{
    (void)pthread_mutex_unlock(&sending->mutex);
}

/* Ends everything, with the first reason. Under the mutex. */
static void stop(struct sending *sending, const struct mur_error *reason)
{
    sending->stop = true;
    if (sending->summary.reason.status == MUR_OK)
        sending->summary.reason = *reason;
}

/* ---- reporting ------------------------------------------------------------------------------- */

static void tell(struct sending *sending, const struct mur_send_result *result)
{
    if (sending->options->on_result != NULL)
        sending->options->on_result(sending->options->user, result);
}

static struct mur_send_result result_of(const struct sending *sending,
                                        const struct mur_send_item *item,
                                        enum mur_send_outcome outcome, const char *reason)
{
    const struct mur_send_pair *pair = &sending->list.pairs[item->pair];
    return (struct mur_send_result){.path = item->path,
                                    .sop_class = pair->sop_class,
                                    .sop_instance = item->sop_instance,
                                    .transfer_syntax = pair->transfer_syntax,
                                    .sent_as = "",
                                    .outcome = outcome,
                                    .reason = reason};
}

static void on_passed_over(void *user, const char *path, bool named, const struct mur_error *reason)
{
    struct sending *sending = user;
    bool skipped = !named && reason->status == MUR_PARSE;
    if (skipped)
        sending->summary.skipped++;
    else
        sending->summary.unreadable++;
    const struct mur_send_result result = {
        .path = path,
        .sop_class = "",
        .sop_instance = "",
        .transfer_syntax = "",
        .sent_as = "",
        .outcome = skipped ? MUR_SEND_SKIPPED : MUR_SEND_FAILED,
        .reason = reason->message,
    };
    tell(sending, &result);
}

static struct mur_sent sent_of(const struct mur_send_item *item)
{
    struct mur_sent sent = {.size = item->size, .modified_ns = item->modified_ns};
    memcpy(sent.uid, item->sop_instance, sizeof sent.uid);
    return sent;
}

/* One item is done with. */
static void finish(struct sending *sending, const struct mur_send_item *item,
                   struct mur_send_result *result, uint64_t bytes)
{
    lock(sending);
    struct mur_error reason = MUR_ERROR_INIT;
    struct mur_sent sent = sent_of(item);
    if (result->outcome == MUR_SEND_STORED) {
        sending->summary.stored++;
        sending->summary.warnings += result->status != 0;
        sending->summary.bytes += bytes;
        if (sending->state != NULL &&
            mur_send_state_add(sending->state, &sent, result->status, &reason) != MUR_OK)
            stop(sending, &reason);
    } else {
        sending->summary.refused++;
    }
    sending->done++;
    tell(sending, result);
    mur_progress_update(&sending->options->progress, sending->done, sending->todo_count, NULL);
    unlock(sending);
}

/* ---- one object ------------------------------------------------------------------------------ */

/* What the peer did with an object, or what we could not do. */
struct attempt {
    struct mur_send_item *item;
    struct mur_command response;
    const char *sent_as;
    uint64_t bytes;
};

static enum mur_status open_item(int *out, const struct mur_send_item *item,
                                 struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(item->path, O_RDONLY | O_CLOEXEC);
    struct stat details;
    if (descriptor < 0 || fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", item->path);
    if ((uint64_t)details.st_size != item->size ||
        (int64_t)details.st_mtim.tv_sec * 1000000000 + details.st_mtim.tv_nsec != item->modified_ns)
        return mur_error_set(error, MUR_MISMATCH, "%s was changed while we sent", item->path);
    *out = mur_steal_descriptor(&descriptor);
    return MUR_OK;
}

static enum mur_status send_bytes(struct attempt *attempt, struct worker *worker,
                                  const struct mur_presentation_context *context,
                                  const struct mur_store_source *source, struct mur_error *error)
{
    const struct sending *sending = worker->sending;
    const struct mur_store_operation operation = {
        .context_id = context->id,
        .message_id = ++worker->message_id,
        .sop_class_uid = sending->list.pairs[attempt->item->pair].sop_class,
        .sop_instance_uid = attempt->item->sop_instance,
        .timeout_ms = sending->options->client.dimse_ms,
    };
    attempt->bytes = source->length;
    attempt->sent_as = context->accepted_transfer_syntax;
    return mur_store_send(&attempt->response, worker->sender, &operation, source, error);
}

static const char *refusal_name(enum mur_context_result result)
{
    return result == MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED ? "does not know this SOP Class"
           : result == MUR_CONTEXT_USER_REJECTION              ? "gives us no right to store"
                                                               : "did not accept it";
}

/* Decoded to something that the peer does take. */
static enum mur_status transcode(struct mur_buffer *out, struct mur_presentation_context *context,
                                 struct worker *worker, const struct mur_send_item *item,
                                 struct mur_error *error)
{
    const struct mur_send_pair *pair = &worker->sending->list.pairs[item->pair];
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_context_result refusal = MUR_CONTEXT_NO_REASON;
    bool accepted = false;
    for (size_t i = 0; mur_association_get_context(context, worker->association, i); i++) {
        if (strcmp(context->abstract_syntax, pair->sop_class) != 0)
            continue;
        if (context->result != MUR_CONTEXT_ACCEPTED) {
            refusal = context->result;
            continue;
        }
        accepted = true;
        enum mur_status status = MUR_OK;
        if (dataset == NULL)
            status = mur_dataset_load(&dataset, item->path, MUR_WHOLE, error);
        if (status != MUR_OK)
            return status;
        if (mur_transfer_syntax_is_native(context->accepted_transfer_syntax) &&
            mur_dataset_can_write(dataset, context->accepted_transfer_syntax))
            return mur_dataset_encode(out, dataset, context->accepted_transfer_syntax, error);
    }
    const char *class_name = mur_sop_class_name(pair->sop_class);
    const char *syntax_name = mur_transfer_syntax_name(pair->transfer_syntax);
    if (accepted)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s in %s: the peer does not take this transfer syntax, and it cannot "
                             "be decoded here",
                             class_name, syntax_name);
    return mur_error_set(error, MUR_UNSUPPORTED, "%s in %s: the peer %s", class_name, syntax_name,
                         refusal_name(refusal));
}

/* A deflated Data Set of odd length gets a NUL at its end (PS3.5 A.5): fragments are even, and many
 * a peer ends the association with who sends others. */
static bool needs_padding(const struct mur_send_item *item, const struct mur_send_pair *pair)
{
    return (item->size - item->offset) % 2 != 0 &&
           (mur_transfer_syntax_flags(pair->transfer_syntax) & MUR_TS_DEFLATED) != 0;
}

static enum mur_status send_padded(struct attempt *attempt, struct worker *worker,
                                   const struct mur_presentation_context *context, int descriptor,
                                   struct mur_error *error)
{
    const struct mur_send_item *item = attempt->item;
    size_t length = (size_t)(item->size - item->offset);
    size_t got = 0;
    MUR_AUTO_FREE char *bytes = calloc(1, length + 1);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    enum mur_status status =
        mur_pread_full(&got, descriptor, bytes, length, (off_t)item->offset, item->path, error);
    if (status != MUR_OK)
        return status;
    if (got < length)
        return mur_error_set(error, MUR_MISMATCH, "%s was changed while we sent", item->path);
    const struct mur_store_source source = {.fd = -1, .data = bytes, .length = length + 1};
    return send_bytes(attempt, worker, context, &source, error);
}

static enum mur_status send_item(struct attempt *attempt, struct worker *worker,
                                 struct mur_error *error)
{
    const struct mur_send_item *item = attempt->item;
    const struct mur_send_pair *pair = &worker->sending->list.pairs[item->pair];
    struct mur_presentation_context context;
    if (mur_association_find_context_for(&context, worker->association, pair->sop_class,
                                         pair->transfer_syntax)) {
        MUR_AUTO_CLOSE int descriptor = -1;
        enum mur_status status = open_item(&descriptor, item, error);
        if (status != MUR_OK)
            return status;
        if (needs_padding(item, pair))
            return send_padded(attempt, worker, &context, descriptor, error);
        const struct mur_store_source source = {
            .fd = descriptor, .offset = item->offset, .length = item->size - item->offset};
        return send_bytes(attempt, worker, &context, &source, error);
    }
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = transcode(&bytes, &context, worker, item, error);
    const struct mur_store_source source = {
        .fd = -1, .data = mur_buffer_text(&bytes), .length = bytes.length};
    return status == MUR_OK ? send_bytes(attempt, worker, &context, &source, error) : status;
}

/* ---- associations ---------------------------------------------------------------------------- */

/* It is no longer one that others may count on. Under the mutex. */
static void leave(struct worker *worker)
{
    worker->sending->connected -= worker->counted;
    worker->counted = false;
}

static void drop_association(struct worker *worker, bool release)
{
    struct sending *sending = worker->sending;
    mur_store_sender_free(worker->sender);
    worker->sender = NULL;
    lock(sending);
    struct mur_association *association = MUR_STEAL(worker->association);
    leave(worker);
    unlock(sending);
    if (release)
        mur_client_release(association, &sending->options->client);
    else
        mur_association_free(association);
}

static enum mur_status connect_for(struct worker *worker, unsigned group, struct mur_error *error)
{
    struct sending *sending = worker->sending;
    struct mur_context_proposal contexts[MUR_MAX_PRESENTATION_CONTEXTS];
    size_t count = mur_send_list_propose(contexts, &sending->list, group);
    struct mur_association *association = NULL;
    enum mur_status status =
        mur_client_connect(&association, &sending->options->client, contexts, count, NULL, error);
    if (status == MUR_OK)
        status = mur_store_sender_create(&worker->sender, association, error);
    if (status != MUR_OK) {
        mur_association_free(association);
        return status;
    }
    worker->group = group;
    lock(sending);
    worker->association = association;
    worker->counted = true;
    sending->connected++;
    unlock(sending);
    return MUR_OK;
}

/* An association for the item's group. */
static enum mur_status prepare(struct worker *worker, const struct mur_send_item *item,
                               struct mur_error *error)
{
    unsigned group = worker->sending->list.pairs[item->pair].group;
    if (worker->association != NULL && worker->group == group)
        return MUR_OK;
    drop_association(worker, true);
    return connect_for(worker, group, error);
}

/* ---- a worker -------------------------------------------------------------------------------- */

/* @return false: there is nothing to do any more, and this worker ends */
static bool take(size_t *out, struct worker *worker)
{
    struct sending *sending = worker->sending;
    bool cancelled = mur_client_cancelled(&sending->options->client);
    bool found = false;
    lock(sending);
    if (cancelled) {
        sending->summary.cancelled = true;
        sending->stop = true;
    }
    if (!sending->stop && sending->again_count > 0) {
        *out = sending->again[--sending->again_count];
        found = true;
    } else if (!sending->stop && sending->next < sending->todo_count) {
        *out = sending->todo[sending->next++];
        found = true;
    } else {
        leave(worker); /* in the same moment: see on_no_association() */
    }
    unlock(sending);
    return found;
}

/* Under the mutex. */
static void give_back(struct sending *sending, size_t index)
{
    sending->again[sending->again_count++] = index;
}

/* Gives back what may go better next time, and waits; again and again without anything stored in
 * between, everything ends. @return false: this worker ends */
static bool retry(struct worker *worker, size_t index, const struct mur_error *reason)
{
    struct sending *sending = worker->sending;
    const struct mur_send_options *options = sending->options;
    lock(sending);
    give_back(sending, index);
    if (worker->stored != sending->summary.stored)
        worker->failures = 0;
    worker->stored = sending->summary.stored;
    worker->failures++;
    if (worker->failures >= options->attempts)
        stop(sending, reason);
    bool go_on = !sending->stop;
    unlock(sending);
    int64_t pause = options->pause_ms;
    for (unsigned i = 1; i < worker->failures && pause < LONGEST_PAUSE_MS; i++)
        pause *= 2;
    pause = pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
    if (go_on)
        (void)mur_client_sleep(&options->client, (int)pause);
    return go_on;
}

static void refuse(struct sending *sending, struct attempt *attempt, const char *reason)
{
    struct mur_send_result result = result_of(sending, attempt->item, MUR_SEND_FAILED, reason);
    finish(sending, attempt->item, &result, 0);
}

/* The association did not come about. @return false: this worker ends */
static bool on_no_association(struct worker *worker, size_t index, enum mur_status status,
                              const struct mur_error *reason)
{
    struct sending *sending = worker->sending;
    lock(sending);
    /* A peer takes so many associations and no more: the others do the work. */
    bool others = sending->connected > 0;
    if (others || status == MUR_CANCELLED)
        give_back(sending, index);
    unlock(sending);
    if (status == MUR_CANCELLED)
        return true; /* the next look finds it */
    return !others && retry(worker, index, reason);
}

/* The association broke in the middle of an object. @return false: this worker ends */
static bool on_loss(struct worker *worker, size_t index, struct attempt *attempt,
                    struct mur_error *reason)
{
    struct sending *sending = worker->sending;
    drop_association(worker, false);
    if (mur_client_cancelled(&sending->options->client)) {
        lock(sending);
        give_back(sending, index);
        unlock(sending);
        return true;
    }
    if (++attempt->item->attempts < sending->options->attempts)
        return retry(worker, index, reason);
    (void)mur_error_prefix(reason, "the association broke on it %u times", attempt->item->attempts);
    refuse(sending, attempt, reason->message);
    return true;
}

/* @return false: this worker ends */
static bool on_answer(struct worker *worker, size_t index, struct attempt *attempt)
{
    struct sending *sending = worker->sending;
    uint16_t status = attempt->response.status;
    char words[160];
    (void)snprintf(words, sizeof words, "%s%s%s", mur_dimse_status_name(status, MUR_C_STORE_RQ),
                   attempt->response.error_comment[0] != '\0' ? ": " : "",
                   attempt->response.error_comment);
    if (status >> 8 == OUT_OF_RESOURCES && ++attempt->item->attempts < sending->options->attempts) {
        struct mur_error reason = MUR_ERROR_INIT;
        (void)mur_error_set(&reason, MUR_NO_SPACE, "the peer answers %04X %s", status, words);
        return retry(worker, index, &reason);
    }
    bool stored = status == 0 || mur_dimse_status_is_warning(status);
    struct mur_send_result result =
        result_of(sending, attempt->item, stored ? MUR_SEND_STORED : MUR_SEND_FAILED,
                  status == 0 ? "" : words);
    result.answered = true;
    result.status = status;
    result.sent_as = attempt->sent_as;
    finish(sending, attempt->item, &result, attempt->bytes);
    return true;
}

static bool work_once(struct worker *worker, size_t index)
{
    struct sending *sending = worker->sending;
    struct attempt attempt = {.item = &sending->list.items[index]};
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status = prepare(worker, attempt.item, &reason);
    if (status != MUR_OK)
        return on_no_association(worker, index, status, &reason);
    status = send_item(&attempt, worker, &reason);
    if (status == MUR_OK)
        return on_answer(worker, index, &attempt);
    if (mur_association_end(worker->association) != MUR_END_NONE || status == MUR_CANCELLED)
        return on_loss(worker, index, &attempt, &reason);
    refuse(sending, &attempt, reason.message);
    return true;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct sending *sending = worker->sending;
    size_t index = 0;
    while (take(&index, worker) && work_once(worker, index))
        continue;
    drop_association(worker, true);
    lock(sending);
    sending->running--;
    (void)pthread_cond_broadcast(&sending->ended);
    unlock(sending);
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Interrupts what does not end by itself. */
static void watch(struct sending *sending)
{
    int64_t deadline_ms = -1;
    lock(sending);
    while (sending->running > 0) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)WATCH_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&sending->ended, &sending->mutex, &until);
        if (!mur_client_cancelled(&sending->options->client))
            continue;
        int64_t now_ms = mur_clock_monotonic_ms();
        if (deadline_ms < 0)
            deadline_ms = now_ms + CANCEL_MS;
        for (unsigned i = 0; now_ms >= deadline_ms && i < sending->worker_count; i++)
            if (sending->workers[i].association != NULL)
                mur_association_interrupt(sending->workers[i].association);
    }
    unlock(sending);
}

static enum mur_status run_workers(struct sending *sending, struct mur_error *error)
{
    /* The first association is made before there are threads: whether the peer is there at all, and
     * takes us, must not depend on which of them is rejected first. */
    struct worker *first = &sending->workers[0];
    enum mur_status status = prepare(first, &sending->list.items[sending->todo[0]], error);
    if (status != MUR_OK)
        return status;
    unsigned started = 0;
    int failed = 0;
    for (; started < sending->worker_count; started++) {
        lock(sending);
        sending->running++;
        unlock(sending);
        failed = pthread_create(&sending->workers[started].thread, NULL, work,
                                &sending->workers[started]);
        if (failed != 0)
            break;
    }
    if (failed != 0) {
        lock(sending);
        sending->running--;
        unlock(sending);
    }
    if (started == 0) {
        drop_association(first, true);
        return mur_error_set_errno(error, failed, "starting a thread");
    }
    watch(sending);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(sending->workers[i].thread, NULL);
    return MUR_OK;
}

static enum mur_status make_workers(struct sending *sending, struct mur_error *error)
{
    size_t count = sending->options->associations > 0 ? sending->options->associations : 1;
    if (count > MUR_SEND_ASSOCIATIONS)
        count = MUR_SEND_ASSOCIATIONS;
    if (count > sending->todo_count)
        count = sending->todo_count;
    sending->workers = calloc(count, sizeof *sending->workers);
    sending->again = calloc(count, sizeof *sending->again);
    if (sending->workers == NULL || sending->again == NULL)
        return mur_error_no_memory(error);
    sending->worker_count = (unsigned)count;
    for (size_t i = 0; i < count; i++)
        sending->workers[i].sending = sending;
    return MUR_OK;
}

static enum mur_status leave_out_known(struct sending *sending, struct mur_error *error)
{
    sending->todo = calloc(sending->list.count, sizeof *sending->todo);
    if (sending->todo == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < sending->list.count; i++) {
        const struct mur_send_item *item = &sending->list.items[i];
        struct mur_sent sent = sent_of(item);
        if (sending->state == NULL || !mur_send_state_has(sending->state, &sent)) {
            sending->todo[sending->todo_count++] = i;
            continue;
        }
        struct mur_send_result result = result_of(sending, item, MUR_SEND_KNOWN, "");
        sending->summary.known++;
        tell(sending, &result);
    }
    return MUR_OK;
}

static enum mur_status open_state(struct sending *sending, struct mur_error *error)
{
    char peer[MUR_ADDRESS_TEXT_SIZE];
    if (sending->options->state_path == NULL)
        return MUR_OK;
    return mur_send_state_open(&sending->state, sending->options->state_path,
                               mur_address_format(peer, &sending->options->client.address), error);
}

static enum mur_status gather(struct sending *sending, struct mur_error *error)
{
    const struct mur_send_list_options options = {
        .paths = sending->options->paths,
        .path_count = sending->options->path_count,
        .recurse = sending->options->recurse,
        .client = &sending->options->client,
        .progress = sending->options->progress,
        .passed_over = on_passed_over,
        .user = sending,
    };
    enum mur_status status = mur_send_list_gather(&sending->list, &options, error);
    if (status == MUR_OK && sending->list.count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "no DICOM object among %zu files",
                             sending->summary.skipped + sending->summary.unreadable);
    return status;
}

static enum mur_status send_all(struct sending *sending, struct mur_error *error)
{
    enum mur_status status = open_state(sending, error);
    if (status == MUR_OK)
        status = gather(sending, error);
    if (status == MUR_OK)
        status = leave_out_known(sending, error);
    if (status != MUR_OK || sending->todo_count == 0)
        return status;
    status = make_workers(sending, error);
    if (status == MUR_OK)
        status = run_workers(sending, error);
    sending->summary.unsent = sending->todo_count - sending->done;
    return status;
}

enum mur_status mur_scu_store(struct mur_send_summary *out, const struct mur_send_options *options,
                              struct mur_error *error)
{
    struct sending sending = {.options = options, .summary = {.reason = MUR_ERROR_INIT}};
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&sending.mutex, NULL);
    (void)pthread_cond_init(&sending.ended, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    enum mur_status status = send_all(&sending, error);
    if (status == MUR_OK)
        *out = sending.summary;
    (void)pthread_cond_destroy(&sending.ended);
    (void)pthread_mutex_destroy(&sending.mutex);
    mur_send_list_free(&sending.list);
    mur_send_state_free(sending.state);
    free(sending.todo);
    free(sending.again);
    free(sending.workers);
    return status;
}
