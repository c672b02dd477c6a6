/** What the files of store/ share. */
#ifndef MUR_STORE_INTERNAL_H
#define MUR_STORE_INTERNAL_H

#include <pthread.h> /* ci-allow: objects are begun by many threads, and synced by some */
#include <stdatomic.h>

#include "store/store.h"

enum { MUR_OBJECT_HEAD = 8192, MUR_SYNC_THREADS = 12 };

#define MUR_INCOMING_PREFIX ".incoming-"
#define MUR_INCOMING_LOCK "owner"
#define MUR_INCOMING_UNLOCKED "owner.new"

/** One file or folder to be synced. */
struct mur_sync {
    int descriptor;
    bool folder;
    int failure; /**< errno, 0 = none; valid once it is finished */
    /* the syncer's mutex: */
    enum { MUR_SYNC_NONE, MUR_SYNC_QUEUED, MUR_SYNC_RUNNING, MUR_SYNC_DONE } state;
    bool awaited;
    struct mur_sync *next;
};

struct mur_syncer {
    pthread_mutex_t mutex; /**< guards all below */
    pthread_cond_t begun, done;
    struct mur_sync *first, **last; /**< the queue */
    size_t idle;                    /**< threads that wait and were not called */
    size_t called;
    bool closing;
    pthread_t threads[MUR_SYNC_THREADS];
    size_t count;
};

/* store/syncer.c */
void mur_syncer_init(struct mur_syncer *syncer);
void mur_syncer_destroy(struct mur_syncer *syncer); /**< nothing is under way any more */
/** @p sync is not touched until it is finished or cancelled. */
void mur_sync_begin(struct mur_syncer *syncer, struct mur_sync *sync);
/** Waits for its end; does it here where no thread has begun. */
void mur_sync_finish(struct mur_syncer *syncer, struct mur_sync *sync);
/** Gives it up; also one that was never begun. */
void mur_sync_cancel(struct mur_syncer *syncer, struct mur_sync *sync);

/** Folders that are being synced. */
struct mur_folders {
    char **names;
    struct mur_sync *syncs;
    size_t count;
};

struct mur_store {
    char *directory;
    char *incoming; /**< directory/.incoming-<token> */
    char token[MUR_STORE_TOKEN_SIZE];
    int directory_fd;
    int incoming_lock; /**< held locked while this process lives */
    bool sync;
    uint64_t min_free;
    atomic_ulong next_number;
    pthread_mutex_t mutex; /**< guards touched */
    char **touched;        /**< folders with new entries since the last sync; sorted, unique */
    size_t touched_count;
    size_t touched_capacity;
    struct mur_folders folders; /**< of the one caller who syncs names */
    struct mur_syncer syncer;
};

struct mur_object {
    struct mur_store *store; /**< borrowed */
    int descriptor;
    char *incoming; /**< first name */
    char *placed;   /**< second name, NULL until placed */
    uint64_t length;
    uint64_t unchecked;   /**< bytes since free space was looked at */
    struct mur_sync sync; /**< begun when the object is finished */
    size_t gathered;
    char head[MUR_OBJECT_HEAD]; /**< small writes (Part 10 header, first PDVs) are gathered */
};

/** Remembers a folder whose entries must be synced. */
enum mur_status mur_store_touch(struct mur_store *store, const char *folder,
                                struct mur_error *error);

/** "ab/<study>/<series>" below objects/, and the file's own name. */
struct mur_object_place {
    char folder[80];
    char file[64];
};
enum mur_status mur_object_place_of(struct mur_object_place *out,
                                    const struct mur_object_name *name, const char *suffix,
                                    struct mur_error *error);

#endif
