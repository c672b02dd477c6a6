/**
 * Threads that end by themselves and are never asked one by one, and yet must be gone before the
 * process ends or what they used is freed: each that ends waits for the one that ended before it,
 * and who stops them all waits for the last. A detached thread could not be waited for: what the C
 * library and OpenSSL keep for each thread is freed after its last line. Threads: all of it under a
 * mutex of the caller's, but for mur_last_thread_join().
 */
#ifndef MUR_CORE_LAST_THREAD_H
#define MUR_CORE_LAST_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/** The one that ended last; all zero: none has. */
struct mur_last_thread {
    pthread_t thread;
    bool set;
};

/** The calling thread, which must be joinable, is @p last from now on.
 * @return the one before, for mur_last_thread_join() as the thread's last act, without the mutex */
struct mur_last_thread mur_last_thread_be(struct mur_last_thread *last);
/** Returns when that thread, and all that ended before it, are gone. Nothing to do where none is
 * set. */
void mur_last_thread_join(struct mur_last_thread last);

#endif
