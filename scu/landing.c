/* Where a C-MOVE to ourselves lands: one thread listens, one serves each association. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/last_thread.h"
#include "core/text.h"
#include "dicom/listener.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "scu/move.h"

enum {
    ASSOCIATIONS = 16,
    ARTIM_MS = 30000,
    PENDING = 32,
    GRACE_MS = 1000, /* for associations to be released after the last response */
};

struct mur_landing {
    struct mur_listener *listener;
    char ae_title[MUR_AE_TITLE_SIZE];
    int timeout_ms;
    struct mur_receiver *receiver; /* borrowed */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t changed;
    struct mur_association *associations[ASSOCIATIONS];
    unsigned count;
    struct mur_last_thread last;
};

/* ---- one association ------------------------------------------------------------------------- */

/* All that is a storage class, and what no table of ours knows. */
static bool is_storage(const char *sop_class)
{
    const struct mur_sop_class *known = mur_sop_class_find(sop_class);
    return known == NULL || known->kind == MUR_SOP_STORAGE;
}

static enum mur_status negotiate(struct mur_landing *landing, struct mur_association *association)
{
    if (strcmp(mur_association_called_ae_title(association), landing->ae_title) != 0) {
        mur_association_reject(association, 1, 1, 7);
        return MUR_DENIED;
    }
    struct mur_presentation_context context;
    for (size_t i = 0; mur_association_get_context(&context, association, i); i++) {
        bool echo = strcmp(context.abstract_syntax, mur_uid_Verification) == 0;
        enum mur_status status =
            echo || is_storage(context.abstract_syntax)
                ? mur_association_accept_context(
                      association, context.id, context.transfer_syntaxes[0], MUR_ROLE_DEFAULT, NULL)
                : mur_association_refuse_context(association, context.id,
                                                 MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED, NULL);
        if (status != MUR_OK)
            return status;
    }
    return mur_association_acknowledge(association, landing->timeout_ms, NULL);
}

static enum mur_status take_message(struct mur_landing *landing,
                                    struct mur_association *association)
{
    struct mur_command request;
    uint8_t context_id = 0;
    enum mur_status status =
        mur_message_read_command(&request, &context_id, association, landing->timeout_ms, NULL);
    if (status != MUR_OK)
        return status;
    if (request.field == MUR_C_STORE_RQ)
        return mur_receiver_take(landing->receiver, association, context_id, &request,
                                 mur_association_calling_ae_title(association), landing->timeout_ms,
                                 NULL);
    if (request.field != MUR_C_ECHO_RQ || request.has_data_set) {
        mur_association_abort(association);
        return MUR_PARSE;
    }
    struct mur_command response;
    mur_command_init_response(&response, &request, 0);
    return mur_message_write(association, context_id, &response, NULL, 0, landing->timeout_ms,
                             NULL);
}

struct serving {
    struct mur_landing *landing;
    unsigned slot;
};

static void *serve(void *argument)
{
    struct serving serving = *(struct serving *)argument;
    struct mur_landing *landing = serving.landing;
    struct mur_association *association = landing->associations[serving.slot];
    free(argument);
    enum mur_status status = negotiate(landing, association);
    while (status == MUR_OK)
        status = take_message(landing, association);
    if (mur_association_end(association) == MUR_END_RELEASE_REQUESTED)
        mur_association_confirm_release(association);
    else
        mur_association_abort(association);
    /* Out of the list first: what is in it may be interrupted, so must exist. */
    (void)pthread_mutex_lock(&landing->mutex);
    landing->associations[serving.slot] = NULL;
    (void)pthread_mutex_unlock(&landing->mutex);
    mur_association_free(association);
    /* And counted out last: after that the landing may be gone. */
    (void)pthread_mutex_lock(&landing->mutex);
    landing->count--;
    struct mur_last_thread before = mur_last_thread_be(&landing->last);
    (void)pthread_cond_broadcast(&landing->changed);
    (void)pthread_mutex_unlock(&landing->mutex);
    mur_last_thread_join(before);
    return NULL;
}

/* Takes the association. */
static void start_serving(struct mur_landing *landing, struct mur_association *association)
{
    struct serving *serving = malloc(sizeof *serving);
    unsigned slot = 0;
    (void)pthread_mutex_lock(&landing->mutex);
    while (slot < ASSOCIATIONS && landing->associations[slot] != NULL)
        slot++;
    bool room = serving != NULL && slot < ASSOCIATIONS;
    if (room) {
        *serving = (struct serving){.landing = landing, .slot = slot};
        landing->associations[slot] = association;
        landing->count++;
        pthread_t thread;
        room = pthread_create(&thread, NULL, serve, serving) == 0;
        if (!room) {
            landing->associations[slot] = NULL;
            landing->count--;
        }
    }
    (void)pthread_mutex_unlock(&landing->mutex);
    if (room)
        return;
    free(serving);
    mur_association_reject(association, 2, 3, 2);
    mur_association_free(association);
}

static void *listen_for_peers(void *argument)
{
    struct mur_landing *landing = argument;
    for (;;) {
        struct mur_association *association = NULL;
        enum mur_status status = mur_listener_next(&association, landing->listener, -1, NULL);
        if (status == MUR_CANCELLED)
            return NULL;
        if (status == MUR_OK)
            start_serving(landing, association);
        else if (status == MUR_IO || status == MUR_NO_MEMORY)
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

/* ---- beginning and end ----------------------------------------------------------------------- */

enum mur_status mur_landing_create(struct mur_landing **out,
                                   const struct mur_landing_options *options,
                                   struct mur_error *error)
{
    MUR_AUTO(mur_landing) *landing = calloc(1, sizeof *landing);
    if (landing == NULL)
        return mur_error_no_memory(error);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&landing->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&landing->mutex, NULL);
    landing->receiver = options->receiver;
    landing->timeout_ms = options->timeout_ms;
    enum mur_status status =
        mur_ae_title_parse(landing->ae_title, options->ae_title, "destination", error);
    const struct mur_listener_options listening = {
        .bind_address = options->bind_address,
        .port = options->port,
        .artim_timeout_ms = ARTIM_MS,
        .max_pending = PENDING,
        .tls = options->tls,
    };
    if (status == MUR_OK)
        status = mur_network_init(error);
    if (status == MUR_OK)
        status = mur_listener_create(&landing->listener, &listening, error);
    if (status != MUR_OK)
        return status;
    int failed = pthread_create(&landing->thread, NULL, listen_for_peers, landing);
    if (failed != 0)
        return mur_error_set_errno(error, failed, "starting a thread");
    landing->started = true;
    *out = MUR_STEAL(landing);
    return MUR_OK;
}

uint16_t mur_landing_port(const struct mur_landing *landing)
{
    return mur_listener_port(landing->listener);
}

/* Until all associations have ended; interrupts what is left after the grace. */
static void wait_for_the_end(struct mur_landing *landing)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += GRACE_MS / 1000;
    (void)pthread_mutex_lock(&landing->mutex);
    while (landing->count > 0 &&
           pthread_cond_timedwait(&landing->changed, &landing->mutex, &deadline) != ETIMEDOUT)
        continue;
    for (unsigned i = 0; i < ASSOCIATIONS; i++)
        if (landing->associations[i] != NULL)
            mur_association_interrupt(landing->associations[i]);
    while (landing->count > 0)
        (void)pthread_cond_wait(&landing->changed, &landing->mutex);
    struct mur_last_thread last = landing->last;
    (void)pthread_mutex_unlock(&landing->mutex);
    mur_last_thread_join(last);
}

void mur_landing_free(struct mur_landing *landing)
{
    if (landing == NULL)
        return;
    if (landing->started) {
        mur_listener_wake(landing->listener);
        (void)pthread_join(landing->thread, NULL);
        wait_for_the_end(landing);
    }
    mur_listener_free(landing->listener);
    (void)pthread_cond_destroy(&landing->changed);
    (void)pthread_mutex_destroy(&landing->mutex);
    free(landing);
}
