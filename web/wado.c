#include "web/wado.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/digest.h"
#include "core/file.h"
#include "web/internal.h"

enum {
    CHECKED = 4096,
    READ_BLOCK = 32 * 1024,
    IMAGES_LIMIT = 16 << 20,
    METADATA_LIMIT = 48 << 20,
    WAIT_S = 20,
};

/* A file whose bytes were compared, as it was then. */
struct checked {
    int64_t instance;
    unsigned version;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct mur_wado {
    uint64_t memory_limit;
    struct mur_cache *images, *metadata;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t given_back;
    uint64_t memory;
    struct checked checked[CHECKED];
};

enum mur_status mur_wado_create(struct mur_wado **out, const struct mur_config *config,
                                struct mur_error *error)
{
    struct mur_wado *made = calloc(1, sizeof *made);
    if (made == NULL)
        return mur_error_no_memory(error);
    made->memory_limit = config->dicom_transcode_memory;
    (void)pthread_mutex_init(&made->mutex, NULL);
    (void)pthread_cond_init(&made->given_back, NULL);
    MUR_AUTO(mur_wado) *wado = made;
    enum mur_status status = mur_cache_create(&wado->images, IMAGES_LIMIT, error);
    if (status == MUR_OK)
        status = mur_cache_create(&wado->metadata, METADATA_LIMIT, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(wado);
    return status;
}

void mur_wado_free(struct mur_wado *wado)
{
    if (wado == NULL)
        return;
    mur_cache_free(wado->images);
    mur_cache_free(wado->metadata);
    (void)pthread_cond_destroy(&wado->given_back);
    (void)pthread_mutex_destroy(&wado->mutex);
    free(wado);
}

struct mur_cache *mur_wado_images(const struct mur_exchange *exchange)
{
    return exchange->web->wado->images;
}

struct mur_cache *mur_wado_metadata(const struct mur_exchange *exchange)
{
    return exchange->web->wado->metadata;
}

/* ---- what an address means ------------------------------------------------------------------- */

static enum mur_status check_uids(const struct mur_exchange *exchange, size_t count,
                                  struct mur_error *error)
{
    for (size_t i = 0; i < count; i++) {
        MUR_AUTO_FREE char *uid = NULL;
        enum mur_status status = mur_exchange_uid(&uid, exchange, i, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static bool is_at(const struct mur_instance *instance, const struct mur_exchange *exchange)
{
    return mur_slice_equal(exchange->parts[0], instance->study_instance) &&
           mur_slice_equal(exchange->parts[1], instance->series_instance);
}

enum mur_status mur_wado_instance(struct mur_instance *out, const struct mur_exchange *exchange,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *uid = NULL;
    struct mur_instance instance;
    bool found = false;
    enum mur_status status = check_uids(exchange, 2, error);
    if (status == MUR_OK)
        status = mur_exchange_uid(&uid, exchange, 2, error);
    if (status == MUR_OK)
        status = mur_archive_look_up(&found, &instance, exchange->archive, uid, error);
    if (status != MUR_OK)
        return status;
    if (!found || !is_at(&instance, exchange))
        return mur_error_set(error, MUR_NOT_FOUND, "there is no such instance: %s", exchange->path);
    *out = instance;
    return MUR_OK;
}

enum mur_status mur_wado_plan(struct mur_plan *out, const struct mur_exchange *exchange,
                              enum mur_level level, struct mur_error *error)
{
    static const uint32_t keys[] = {MUR_TAG_StudyInstanceUID, MUR_TAG_SeriesInstanceUID,
                                    MUR_TAG_SOPInstanceUID};
    size_t count = (size_t)level - MUR_LEVEL_STUDY + 1;
    MUR_AUTO_QUERY struct mur_query query = {.level = level, .root = MUR_ROOT_STUDY};
    enum mur_status status = check_uids(exchange, count, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        struct mur_attribute_path path = mur_attribute_path_of(keys[i]);
        status = mur_query_add(&query, &path, MUR_VR_UI, exchange->parts[i], true, error);
    }
    MUR_AUTO_PLAN struct mur_plan plan = {.count = 0};
    if (status == MUR_OK)
        status = mur_archive_plan(&plan, exchange->archive, &query, error);
    if (status == MUR_OK && plan.count == 0)
        status = mur_error_set(error, MUR_NOT_FOUND, "nothing is stored at %s", exchange->path);
    if (status != MUR_OK)
        return status;
    *out = plan;
    plan = (struct mur_plan){.count = 0};
    return MUR_OK;
}

enum mur_status mur_wado_location(char **out, const struct mur_instance *instance, const char *rest,
                                  struct mur_error *error)
{
    return mur_text_format(out, error, "/dicom-web/studies/%s/series/%s/instances/%s%s",
                           instance->study_instance, instance->series_instance,
                           instance->sop_instance, rest);
}

/* ---- files that are what they were ----------------------------------------------------------- */

/* Wrong bytes are worse than none. */
static enum mur_status compare_digest(int descriptor, const struct mur_instance *instance,
                                      struct mur_error *error)
{
    char block[READ_BLOCK];
    MUR_AUTO(mur_xxh128) *digest = NULL;
    enum mur_status status = mur_xxh128_create(&digest, error);
    for (uint64_t done = 0; status == MUR_OK && done < instance->length;) {
        uint64_t left = instance->length - done;
        size_t wanted = left < sizeof block ? (size_t)left : sizeof block;
        size_t got = 0;
        status = mur_pread_full(&got, descriptor, block, wanted, (off_t)(instance->offset + done),
                                instance->sop_instance, error);
        if (status == MUR_OK && got != wanted)
            status = mur_error_set(error, MUR_CORRUPT, "instance %s is cut short",
                                   instance->sop_instance);
        if (status == MUR_OK)
            mur_xxh128_update(digest, block, got);
        done += got;
    }
    if (status != MUR_OK)
        return status;
    uint8_t found[MUR_XXH128_SIZE];
    mur_xxh128_finish(found, digest);
    return memcmp(found, instance->digest, sizeof found) == 0
               ? MUR_OK
               : mur_error_set(error, MUR_CORRUPT, "the stored bytes of instance %s have changed",
                               instance->sop_instance);
}

static bool same_file(const struct checked *a, const struct checked *b)
{
    return a->instance == b->instance && a->version == b->version && a->inode == b->inode &&
           a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

enum mur_status mur_wado_open(int *out, const struct mur_exchange *exchange,
                              const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_wado *wado = exchange->web->wado;
    MUR_AUTO_CLOSE int file = -1;
    enum mur_status status = mur_archive_open_item(&file, exchange->archive, instance, error);
    if (status != MUR_OK)
        return status;
    struct stat info;
    if (fstat(file, &info) != 0)
        return mur_error_set_errno(error, errno, "%s", instance->sop_instance);
    const struct checked now = {.instance = instance->id,
                                .version = instance->version,
                                .inode = info.st_ino,
                                .size = info.st_size,
                                .changed = info.st_ctim};
    struct checked *slot = &wado->checked[(uint64_t)instance->id % CHECKED];
    (void)pthread_mutex_lock(&wado->mutex);
    bool known = same_file(slot, &now);
    (void)pthread_mutex_unlock(&wado->mutex);
    if (!known) {
        status = compare_digest(file, instance, error);
        if (status != MUR_OK)
            return status;
        (void)pthread_mutex_lock(&wado->mutex);
        *slot = now;
        (void)pthread_mutex_unlock(&wado->mutex);
    }
    *out = mur_steal_descriptor(&file);
    return MUR_OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

enum mur_status mur_wado_take_memory(const struct mur_exchange *exchange, uint64_t bytes,
                                     struct mur_error *error)
{
    struct mur_wado *wado = exchange->web->wado;
    if (bytes > wado->memory_limit)
        return mur_error_set(error, MUR_LIMIT,
                             "converting it takes %.1f MB, dicom.transcode_memory is %.1f MB",
                             (double)bytes / 1e6, (double)wado->memory_limit / 1e6);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    enum mur_status status = MUR_OK;
    (void)pthread_mutex_lock(&wado->mutex);
    while (status == MUR_OK && wado->memory + bytes > wado->memory_limit)
        if (pthread_cond_timedwait(&wado->given_back, &wado->mutex, &until) != 0)
            status = mur_error_set(error, MUR_BUSY,
                                   "other objects that are being decoded use up "
                                   "dicom.transcode_memory");
    if (status == MUR_OK)
        wado->memory += bytes;
    (void)pthread_mutex_unlock(&wado->mutex);
    return status;
}

void mur_wado_give_memory(const struct mur_exchange *exchange, uint64_t bytes)
{
    struct mur_wado *wado = exchange->web->wado;
    (void)pthread_mutex_lock(&wado->mutex);
    wado->memory -= bytes;
    (void)pthread_cond_broadcast(&wado->given_back);
    (void)pthread_mutex_unlock(&wado->mutex);
}
