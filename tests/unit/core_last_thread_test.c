/* Threads that nobody waits for one by one (core/last_thread.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h> /* ci-allow: threads are what is tested */

#include "core/last_thread.h"

enum { THREADS = 50 };

struct group {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct mur_last_thread last;
    unsigned running;
    unsigned gone; /* by __atomic builtins */
    pthread_key_t kept;
};

/* What a library keeps for a thread is freed after its last line, here a good while after. */
static void freed_late(void *argument)
{
    struct group *group = argument;
    (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    (void)__atomic_add_fetch(&group->gone, 1, __ATOMIC_ACQ_REL);
}

static void *end_by_itself(void *argument)
{
    struct group *group = argument;
    (void)pthread_setspecific(group->kept, group);
    (void)pthread_mutex_lock(&group->mutex);
    struct mur_last_thread before = mur_last_thread_be(&group->last);
    group->running--;
    (void)pthread_cond_signal(&group->changed);
    (void)pthread_mutex_unlock(&group->mutex);
    mur_last_thread_join(before);
    return NULL;
}

static void who_waits_for_the_last_waits_for_all_to_the_very_end(void **state)
{
    (void)state;
    struct group group = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    assert_int_equal(pthread_key_create(&group.kept, freed_late), 0);
    mur_last_thread_join(group.last); /* none yet */
    group.running = THREADS;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, end_by_itself, &group), 0);
    }
    (void)pthread_mutex_lock(&group.mutex);
    while (group.running > 0)
        (void)pthread_cond_wait(&group.changed, &group.mutex);
    struct mur_last_thread last = group.last;
    (void)pthread_mutex_unlock(&group.mutex);
    mur_last_thread_join(last);
    assert_int_equal(__atomic_load_n(&group.gone, __ATOMIC_ACQUIRE), THREADS);
    (void)pthread_key_delete(group.kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_the_last_waits_for_all_to_the_very_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
