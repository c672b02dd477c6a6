#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "workflow/internal.h"

enum { MOST_THREADS = 256 };

struct pool {
    atomic_size_t next;
    size_t count;
    void (*work)(void *user, size_t index);
    void *user;
};

static void *run(void *argument)
{
    struct pool *pool = argument;
    for (size_t i = atomic_fetch_add(&pool->next, 1); i < pool->count;
         i = atomic_fetch_add(&pool->next, 1))
        pool->work(pool->user, i);
    return NULL;
}

void mur_parallel(size_t count, unsigned threads, void (*work)(void *user, size_t index),
                  void *user)
{
    if (threads == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        threads = cores > 0 ? (unsigned)cores : 1;
    }
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if (threads > count)
        threads = (unsigned)count;
    struct pool pool = {.count = count, .work = work, .user = user};
    pthread_t ids[MOST_THREADS];
    unsigned started = 0;
    while (started + 1 < threads && pthread_create(&ids[started], NULL, run, &pool) == 0)
        started++;
    (void)run(&pool);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(ids[i], NULL);
}
