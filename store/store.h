/**
 * The bytes of instances on disk: written once, never changed, named by hash of their UIDs.
 *
 * A new object is first a file in a folder of this process's own (incoming). Placing gives it a
 * second name (a hard link) at its place; once the index row is committed the first name is taken
 * away. So after a crash the incoming folders of dead processes list exactly what was unfinished,
 * and nothing else has to be searched.
 *
 * Layout: objects/<2 hex of study>/<study hash>/<series hash>/<instance hash>.dcm
 *         (and .json.zst beside it for headers too large for the index)
 *
 * Threads: a store by any number; an object by one at a time.
 */
#ifndef MUR_STORE_STORE_H
#define MUR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"
#include "core/own.h"

struct mur_store;
struct mur_object;

enum { MUR_STORE_TOKEN_SIZE = 17 };

struct mur_store_options {
    const char *directory; /**< objects/; made if absent */
    bool sync;             /**< make files and directories durable; false: leave it to the system */
    uint64_t min_free;     /**< refuse to write when less than this many bytes are free */
};

/** The three UIDs that name an object. */
struct mur_object_name {
    const char *study;
    const char *series;
    const char *instance;
    unsigned version; /**< 0; raised by one when an object is replaced, so that both can be there */
};

MUR_NODISCARD
enum mur_status mur_store_open(struct mur_store **out, const struct mur_store_options *options,
                               struct mur_error *error);
void mur_store_close(struct mur_store *store); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_store, mur_store_close)

/** @retval MUR_NO_SPACE less than min_free is left */
MUR_NODISCARD
enum mur_status mur_store_check_space(struct mur_store *store, struct mur_error *error);

/** Starts a new object. */
MUR_NODISCARD
enum mur_status mur_object_create(struct mur_object **out, struct mur_store *store,
                                  struct mur_error *error);
/** @retval MUR_NO_SPACE also when less than options.min_free is left: each MiB is asked for */
MUR_NODISCARD
enum mur_status mur_object_write(struct mur_object *object, const void *bytes, size_t length,
                                 struct mur_error *error);
/** Writes out what is buffered, to be read by its path. */
MUR_NODISCARD
enum mur_status mur_object_flush(struct mur_object *object, struct mur_error *error);
/** Writes out what is buffered and has a thread of the store begin to sync it, without waiting. */
MUR_NODISCARD
enum mur_status mur_object_finish(struct mur_object *object, struct mur_error *error);
/** Gives the object its place before it is finished and before the index is asked, if that is free:
 * then file and name need one commit of the file system instead of two. It is for
 * mur_object_place(), or mur_object_displace() when the index has an object of these UIDs. */
void mur_object_place_early(struct mur_object *object, const struct mur_object_name *name,
                            const char *suffix);
/** Gives the finished object its place, for one who has the index for himself and has asked it. A
 * file that is there already without being known to the index is a leftover, or what somebody
 * placed early, and is replaced. Nothing to do where it has been placed early and still is.
 * @param name  as it was early
 * @param suffix ".dcm" or ".json.zst" */
MUR_NODISCARD
enum mur_status mur_object_place(struct mur_object *object, const struct mur_object_name *name,
                                 const char *suffix, struct mur_error *error);
/** Takes the place away again, as after a failed commit, if it is still its own. */
void mur_object_displace(struct mur_object *object);
/**
 * Takes a stored object that shall go: it keeps its place, but stands in the incoming folder too,
 * so that an unclean end is settled as for a new one. Then either mur_object_displace() it, once
 * the index has forgotten it, or just mur_object_free() it, and it stays. @retval MUR_NOT_FOUND  or
 * a folder stands in its place, which is nobody's to remove
 */
MUR_NODISCARD
enum mur_status mur_object_condemn(struct mur_object **out, struct mur_store *store,
                                   const struct mur_object_name *name, const char *suffix,
                                   struct mur_error *error);
uint64_t mur_object_length(const struct mur_object *object);
/** Path of the unfinished or placed file, for comparison; borrowed. */
const char *mur_object_path(const struct mur_object *object);
/** Drops the incoming name: an object that was not placed is gone, a placed one stays. */
void mur_object_free(struct mur_object *object); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_object, mur_object_free)

/**
 * Waits until the bytes of @p objects, which are finished, are on disk and the places of all
 * objects that were placed since they were synced last (nothing to do without options.sync). All
 * are synced at once: disk and file system then need little more time than for one. An object that
 * failed fails again when asked again, since the system tells of a lost write but once. One caller
 * at a time.
 * @param also  what this thread syncs meanwhile, or NULL
 */
typedef enum mur_status (*mur_store_sync_function)(void *user, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_store_sync(struct mur_store *store, struct mur_object *const *objects,
                               size_t count, mur_store_sync_function also, void *user,
                               struct mur_error *error);

/** Begins to sync the places of what was placed, for mur_store_sync() to come; by the same caller.
 */
void mur_store_begin_names(struct mur_store *store);
/** Ends that for objects that were displaced since: a failure of theirs is no later one's. */
void mur_store_drop_names(struct mur_store *store);

/** Waits until a file that perhaps another process placed, and its folders, are on disk. */
MUR_NODISCARD
enum mur_status mur_store_sync_stored(struct mur_store *store, const struct mur_object_name *name,
                                      const char *suffix, struct mur_error *error);

/* A process is known by the token of its incoming folder. It may say that it commits what is not on
 * disk yet, and others wait until that is decided. */

/** "" before the first object. Valid as long as the store. */
const char *mur_store_token(const struct mur_store *store);
/** From now on, or no more. To be called between the first object and the end of the store. */
void mur_store_set_settling(struct mur_store *store, bool settling);
/** Waits while the process of @p token lives and is settling. @retval MUR_BUSY for too long */
MUR_NODISCARD
enum mur_status mur_store_await_settled(struct mur_store *store, const char *token,
                                        struct mur_error *error);
/** Whether the process of @p token has its incoming folder: after mur_store_recover(), whether it
 * lives. */
MUR_NODISCARD
enum mur_status mur_store_is_alive(bool *alive, struct mur_store *store, const char *token,
                                   struct mur_error *error);

/** Opens a stored file. @retval MUR_NOT_FOUND; MUR_CORRUPT something else stands there */
MUR_NODISCARD
enum mur_status mur_store_open_object(int *descriptor, struct mur_store *store,
                                      const struct mur_object_name *name, const char *suffix,
                                      struct mur_error *error);
/** malloc'ed path. */
MUR_NODISCARD
enum mur_status mur_store_object_path(char **out, struct mur_store *store,
                                      const struct mur_object_name *name, const char *suffix,
                                      struct mur_error *error);
/** Removes a stored file and folders that it leaves empty; absent is fine. */
MUR_NODISCARD
enum mur_status mur_store_remove(struct mur_store *store, const struct mur_object_name *name,
                                 const char *suffix, struct mur_error *error);

/** Whether the file of an object is there, neither just being stored nor just being removed. */
MUR_NODISCARD
enum mur_status mur_store_is_settled(bool *out, struct mur_store *store,
                                     const struct mur_object_name *name, const char *suffix,
                                     struct mur_error *error);
/** Whether a folder of this name in objects/ is one that a process stores into. */
bool mur_store_is_incoming(const char *name);
/** How many objects are there that are neither just being stored nor just being removed?
 * @param enough  when there are that many, no more are counted */
MUR_NODISCARD
enum mur_status mur_store_count_settled(size_t *out, struct mur_store *store, size_t enough,
                                        struct mur_error *error);
/** Is there any object at all? (An index that is missing beside objects is damage.) */
MUR_NODISCARD
enum mur_status mur_store_is_empty(bool *out, struct mur_store *store, struct mur_error *error);

/**
 * Finds what processes that are gone left unfinished. For each placed leftover the callback is
 * asked, by its incoming path, what its UIDs are and which version of them the index knows: that
 * one is kept, any other is taken away. Leftovers of processes that live are not touched.
 */
struct mur_store_leftover {
    bool named;                  /**< out: false for a file that tells no UIDs (a sidecar) */
    bool known;                  /**< out: the index has an object of these UIDs ... */
    struct mur_object_name name; /**< out: ... of this version; texts are the callback's */
};
typedef enum mur_status (*mur_store_leftover_function)(struct mur_store_leftover *out,
                                                       const char *path, void *user,
                                                       struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_store_recover(struct mur_store *store, mur_store_leftover_function ask,
                                  void *user, struct mur_error *error);

#endif
