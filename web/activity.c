#include "web/activity.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"

struct mur_activity {
    atomic_uint_fast64_t answers[MUR_ACTIVITY_CODES];
    pthread_mutex_t mutex; /* guards all below */
    struct mur_failure failures[MUR_ACTIVITY_FAILURES];
    uint64_t failure_count; /* since the start */
};

static void note_failure(void *user, enum mur_log_level level, const char *message)
{
    struct mur_activity *activity = user;
    (void)pthread_mutex_lock(&activity->mutex);
    struct mur_failure *failure =
        &activity->failures[activity->failure_count++ % MUR_ACTIVITY_FAILURES];
    failure->time_us = mur_clock_now_us();
    failure->level = level;
    (void)snprintf(failure->text, sizeof failure->text, "%s", message);
    (void)pthread_mutex_unlock(&activity->mutex);
}

enum mur_status mur_activity_create(struct mur_activity **out, struct mur_error *error)
{
    struct mur_activity *activity = calloc(1, sizeof *activity);
    if (activity == NULL)
        return mur_error_no_memory(error);
    (void)pthread_mutex_init(&activity->mutex, NULL);
    mur_log_watch(note_failure, activity);
    *out = activity;
    return MUR_OK;
}

void mur_activity_free(struct mur_activity *activity)
{
    if (activity == NULL)
        return;
    mur_log_unwatch(activity);
    (void)pthread_mutex_destroy(&activity->mutex);
    free(activity);
}

void mur_activity_count(struct mur_activity *activity, unsigned code)
{
    if (code < MUR_ACTIVITY_CODES)
        (void)atomic_fetch_add(&activity->answers[code], 1);
}

uint64_t mur_activity_answers(const struct mur_activity *activity, unsigned code)
{
    return atomic_load(&activity->answers[code]);
}

uint64_t mur_activity_failure_count(struct mur_activity *activity)
{
    (void)pthread_mutex_lock(&activity->mutex);
    uint64_t count = activity->failure_count;
    (void)pthread_mutex_unlock(&activity->mutex);
    return count;
}

size_t mur_activity_failures(struct mur_failure out[MUR_ACTIVITY_FAILURES],
                             struct mur_activity *activity)
{
    (void)pthread_mutex_lock(&activity->mutex);
    uint64_t all = activity->failure_count;
    size_t count = all < MUR_ACTIVITY_FAILURES ? (size_t)all : MUR_ACTIVITY_FAILURES;
    for (size_t i = 0; i < count; i++)
        out[i] = activity->failures[(all - 1 - i) % MUR_ACTIVITY_FAILURES];
    (void)pthread_mutex_unlock(&activity->mutex);
    return count;
}
