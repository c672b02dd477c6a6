#include "core/last_thread.h"

struct mur_last_thread mur_last_thread_be(struct mur_last_thread *last)
{
    struct mur_last_thread before = *last;
    *last = (struct mur_last_thread){.thread = pthread_self(), .set = true};
    return before;
}

void mur_last_thread_join(struct mur_last_thread last)
{
    if (last.set)
        (void)pthread_join(last.thread, NULL);
}
