/** What store.c and recover.c share. */
#ifndef MUR_STORE_INTERNAL_H
#define MUR_STORE_INTERNAL_H

#include <pthread.h> /* ci-allow: several threads create objects and number them */
#include <stdatomic.h>

#include "store/store.h"

enum { MUR_OBJECT_HEAD = 8192 };

#define MUR_INCOMING_PREFIX ".incoming-"
#define MUR_INCOMING_LOCK "owner"

struct mur_store {
    char *directory;
    char *incoming; /**< directory/.incoming-<token> */
    int directory_fd;
    int incoming_lock; /**< held locked while this process lives */
    bool sync;
    uint64_t min_free;
    atomic_ulong next_number;
    pthread_mutex_t mutex; /**< guards touched */
    char **touched;        /**< folders with new entries since the last sync; sorted, unique */
    size_t touched_count;
    size_t touched_capacity;
};

struct mur_object {
    struct mur_store *store; /**< borrowed */
    int descriptor;
    char *incoming; /**< first name */
    char *placed;   /**< second name, NULL until placed */
    uint64_t length;
    int sync_failure; /**< errno of a sync, 0 = none */
    size_t gathered;
    char head[MUR_OBJECT_HEAD]; /**< small writes (Part 10 header, first PDVs) are gathered */
};

/** "ab/<study>/<series>" below objects/, and the file's own name. */
struct mur_object_place {
    char folder[80];
    char file[64];
};
enum mur_status mur_object_place_of(struct mur_object_place *out,
                                    const struct mur_object_name *name, const char *suffix,
                                    struct mur_error *error);

#endif
