/* Threads that wait for the disk: so many files can be under way at once, and one be begun before
 * its end is needed. */
#include <errno.h>
#include <unistd.h>

#include "store/internal.h"

static void run(struct mur_sync *sync)
{
    int result = sync->folder ? fsync(sync->descriptor) : fdatasync(sync->descriptor);
    sync->failure = result != 0 ? errno : 0;
}

/* The mutex is held. */
static void take_out(struct mur_syncer *syncer, struct mur_sync *sync)
{
    struct mur_sync **at = &syncer->first;
    while (*at != sync)
        at = &(*at)->next;
    *at = sync->next;
    if (sync->next == NULL)
        syncer->last = at;
}

/* Likewise, and let go meanwhile. */
static void take_and_run(struct mur_syncer *syncer, struct mur_sync *sync)
{
    take_out(syncer, sync);
    sync->state = MUR_SYNC_RUNNING;
    (void)pthread_mutex_unlock(&syncer->mutex);
    run(sync);
    (void)pthread_mutex_lock(&syncer->mutex);
    sync->state = MUR_SYNC_DONE;
    if (sync->awaited)
        (void)pthread_cond_broadcast(&syncer->done);
}

static void *work(void *user)
{
    struct mur_syncer *syncer = user;
    (void)pthread_mutex_lock(&syncer->mutex);
    for (;;) {
        while (syncer->first != NULL)
            take_and_run(syncer, syncer->first);
        if (syncer->closing)
            break;
        syncer->idle++;
        while (syncer->called == 0 && !syncer->closing)
            (void)pthread_cond_wait(&syncer->begun, &syncer->mutex);
        if (syncer->called > 0)
            syncer->called--; /* who called has counted it as not idle */
        else
            syncer->idle--;
    }
    (void)pthread_mutex_unlock(&syncer->mutex);
    return NULL;
}

void mur_syncer_init(struct mur_syncer *syncer)
{
    (void)pthread_mutex_init(&syncer->mutex, NULL);
    (void)pthread_cond_init(&syncer->begun, NULL);
    (void)pthread_cond_init(&syncer->done, NULL);
    syncer->last = &syncer->first;
}

void mur_syncer_destroy(struct mur_syncer *syncer)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    syncer->closing = true;
    (void)pthread_cond_broadcast(&syncer->begun);
    (void)pthread_mutex_unlock(&syncer->mutex);
    for (size_t i = 0; i < syncer->count; i++)
        (void)pthread_join(syncer->threads[i], NULL);
    (void)pthread_cond_destroy(&syncer->done);
    (void)pthread_cond_destroy(&syncer->begun);
    (void)pthread_mutex_destroy(&syncer->mutex);
}

void mur_sync_begin(struct mur_syncer *syncer, struct mur_sync *sync)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    sync->state = MUR_SYNC_QUEUED;
    sync->awaited = false;
    sync->next = NULL;
    *syncer->last = sync;
    syncer->last = &sync->next;
    if (syncer->idle > 0) {
        syncer->idle--;
        syncer->called++;
        (void)pthread_cond_signal(&syncer->begun);
    } else if (syncer->count < MUR_SYNC_THREADS &&
               pthread_create(&syncer->threads[syncer->count], NULL, work, syncer) == 0) {
        syncer->count++; /* else one of the others does it, or who needs its end */
    }
    (void)pthread_mutex_unlock(&syncer->mutex);
}

void mur_sync_finish(struct mur_syncer *syncer, struct mur_sync *sync)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    if (sync->state == MUR_SYNC_QUEUED)
        take_and_run(syncer, sync);
    sync->awaited = true;
    while (sync->state == MUR_SYNC_RUNNING)
        (void)pthread_cond_wait(&syncer->done, &syncer->mutex);
    (void)pthread_mutex_unlock(&syncer->mutex);
}

void mur_sync_cancel(struct mur_syncer *syncer, struct mur_sync *sync)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    if (sync->state == MUR_SYNC_QUEUED)
        take_out(syncer, sync);
    sync->awaited = true;
    while (sync->state == MUR_SYNC_RUNNING)
        (void)pthread_cond_wait(&syncer->done, &syncer->mutex);
    sync->state = MUR_SYNC_NONE;
    (void)pthread_mutex_unlock(&syncer->mutex);
}
