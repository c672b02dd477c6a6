/**
 * What was made once and may be asked for again: shared by all connections, bounded in bytes; what
 * was not asked for longest goes first. Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_WADO_CACHE_H
#define MUR_WEB_WADO_CACHE_H

#include <stddef.h>

#include "core/error.h"
#include "core/own.h"

struct mur_cache;

/** The first member of what is kept. Once it is in a cache, nothing of it may be changed. */
struct mur_cached {
    char *key;                         /**< malloc'ed; freed with it */
    size_t bytes;                      /**< that it takes, all in all */
    void (*free)(struct mur_cached *); /**< the rest of it, and itself */
    unsigned references;               /**< 1 when it is made; then the cache's */
    struct mur_cached *next, *newer, *older;
};

/** @param limit  bytes of all together */
MUR_NODISCARD
enum mur_status mur_cache_create(struct mur_cache **out, size_t limit, struct mur_error *error);
/** Nobody may have anything of it any more. NULL is fine. */
void mur_cache_free(struct mur_cache *cache);
MUR_DEFINE_AUTO(mur_cache, mur_cache_free)

/** The caller's until mur_cache_release(). NULL: it is not there. */
struct mur_cached *mur_cache_find(struct mur_cache *cache, const char *key);
/** Keeps it beside the caller, who releases it all the same; not if it is too large. */
void mur_cache_put(struct mur_cache *cache, struct mur_cached *cached);
/** NULL is fine. */
void mur_cache_release(struct mur_cache *cache, struct mur_cached *cached);

#endif
