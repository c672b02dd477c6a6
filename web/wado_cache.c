#include "web/wado_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"

enum { SLOTS = 4096, SHARE = 4 /* one alone takes no more than this part of all */ };

struct mur_cache {
    pthread_mutex_t mutex; /* guards all below, and references and links of what is kept */
    size_t limit, used;
    struct mur_cached *newest, *oldest;
    struct mur_cached *slots[SLOTS];
};

enum mur_status mur_cache_create(struct mur_cache **out, size_t limit, struct mur_error *error)
{
    struct mur_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return mur_error_no_memory(error);
    cache->limit = limit;
    (void)pthread_mutex_init(&cache->mutex, NULL);
    *out = cache;
    return MUR_OK;
}

static struct mur_cached **slot_of(struct mur_cache *cache, const char *key)
{
    return &cache->slots[mur_xxh64_of(key, strlen(key)) % SLOTS];
}

static void destroy(struct mur_cached *cached)
{
    free(cached->key);
    cached->free(cached);
}

/* With the mutex held. @return what nobody has any more, for destroy() without it; or NULL */
static struct mur_cached *let_go(struct mur_cached *cached)
{
    return --cached->references == 0 ? cached : NULL;
}

/* Out of the list by age, with the mutex held. */
static void detach(struct mur_cache *cache, struct mur_cached *cached)
{
    *(cached->newer != NULL ? &cached->newer->older : &cache->newest) = cached->older;
    *(cached->older != NULL ? &cached->older->newer : &cache->oldest) = cached->newer;
    cached->newer = NULL;
    cached->older = NULL;
}

static void attach(struct mur_cache *cache, struct mur_cached *cached)
{
    cached->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = cached;
    cache->newest = cached;
}

/* Out of the cache, with the mutex held. */
static struct mur_cached *drop(struct mur_cache *cache, struct mur_cached *cached)
{
    struct mur_cached **at = slot_of(cache, cached->key);
    while (*at != cached)
        at = &(*at)->next;
    *at = cached->next;
    cached->next = NULL;
    detach(cache, cached);
    cache->used -= cached->bytes;
    return let_go(cached);
}

void mur_cache_free(struct mur_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->oldest != NULL) {
        struct mur_cached *gone = drop(cache, cache->oldest);
        if (gone != NULL)
            destroy(gone);
    }
    (void)pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

static struct mur_cached *find(struct mur_cache *cache, const char *key)
{
    struct mur_cached *at = *slot_of(cache, key);
    while (at != NULL && strcmp(at->key, key) != 0)
        at = at->next;
    return at;
}

struct mur_cached *mur_cache_find(struct mur_cache *cache, const char *key)
{
    (void)pthread_mutex_lock(&cache->mutex);
    struct mur_cached *found = find(cache, key);
    if (found != NULL) {
        found->references++;
        detach(cache, found);
        attach(cache, found);
    }
    (void)pthread_mutex_unlock(&cache->mutex);
    return found;
}

void mur_cache_put(struct mur_cache *cache, struct mur_cached *cached)
{
    if (cached->bytes > cache->limit / SHARE)
        return;
    struct mur_cached *gone = NULL; /* a list by next */
    (void)pthread_mutex_lock(&cache->mutex);
    struct mur_cached *same = find(cache, cached->key);
    for (struct mur_cached *old = same; old != NULL || cache->used + cached->bytes > cache->limit;
         old = NULL) {
        struct mur_cached *one = drop(cache, old != NULL ? old : cache->oldest);
        if (one != NULL) {
            one->next = gone;
            gone = one;
        }
    }
    struct mur_cached **slot = slot_of(cache, cached->key);
    cached->next = *slot;
    *slot = cached;
    cached->references++;
    attach(cache, cached);
    cache->used += cached->bytes;
    (void)pthread_mutex_unlock(&cache->mutex);
    while (gone != NULL) {
        struct mur_cached *next = gone->next;
        destroy(gone);
        gone = next;
    }
}

void mur_cache_release(struct mur_cache *cache, struct mur_cached *cached)
{
    if (cached == NULL)
        return;
    (void)pthread_mutex_lock(&cache->mutex);
    struct mur_cached *gone = let_go(cached);
    (void)pthread_mutex_unlock(&cache->mutex);
    if (gone != NULL)
        destroy(gone);
}
