#include "core/beside.h"

#include <pthread.h>
#include <stdlib.h>

struct mur_beside {
    pthread_t thread;
    void (*work)(void *user);
    void *user;
};

static void *run(void *argument)
{
    const struct mur_beside *beside = argument;
    beside->work(beside->user);
    return NULL;
}

struct mur_beside *mur_beside_start(void (*work)(void *user), void *user)
{
    struct mur_beside *beside = malloc(sizeof *beside);
    if (beside != NULL) {
        *beside = (struct mur_beside){.work = work, .user = user};
        if (pthread_create(&beside->thread, NULL, run, beside) == 0)
            return beside;
    }
    free(beside);
    work(user);
    return NULL;
}

void mur_beside_wait(struct mur_beside *beside)
{
    if (beside == NULL)
        return;
    (void)pthread_join(beside->thread, NULL);
    free(beside);
}
