/* What makes objects and their names durable. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

/* Folders with new names are taken out of the store while they are synced, so that nobody who
 * begins an object waits meanwhile. A folder that cannot be opened fails when it is finished. */
static void begin_folders(struct mur_store *store)
{
    struct mur_folders *folders = &store->folders;
    (void)pthread_mutex_lock(&store->mutex);
    *folders = (struct mur_folders){.names = store->touched, .count = store->touched_count};
    store->touched = NULL;
    store->touched_count = store->touched_capacity = 0;
    (void)pthread_mutex_unlock(&store->mutex);
    if (folders->count > 0)
        folders->syncs = calloc(folders->count, sizeof *folders->syncs);
    for (size_t i = 0; folders->syncs != NULL && i < folders->count; i++) {
        struct mur_sync *sync = &folders->syncs[i];
        const char *folder = folders->names[i];
        int descriptor = openat(store->directory_fd, folder[0] != '\0' ? folder : ".",
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *sync = (struct mur_sync){.descriptor = descriptor, .folder = true};
        if (descriptor >= 0)
            mur_sync_begin(&store->syncer, sync);
        else if (errno != ENOENT) /* gone: what was placed there was taken away again */
            sync->failure = errno;
    }
}

/* What failed stays to be synced. */
static enum mur_status finish_folders(struct mur_store *store, struct mur_error *error)
{
    struct mur_folders *folders = &store->folders;
    enum mur_status status = MUR_OK;
    if (folders->count > 0 && folders->syncs == NULL)
        status = mur_error_no_memory(error);
    for (size_t i = 0; folders->syncs != NULL && i < folders->count; i++) {
        struct mur_sync *sync = &folders->syncs[i];
        if (sync->descriptor >= 0) {
            mur_sync_finish(&store->syncer, sync);
            (void)close(sync->descriptor);
        }
        if (status == MUR_OK && sync->failure != 0)
            status = mur_error_set_errno(error, sync->failure, "cannot sync folder %s/%s",
                                         store->directory, folders->names[i]);
    }
    for (size_t i = 0; i < folders->count; i++) {
        if (status != MUR_OK)
            (void)!mur_store_touch(store, folders->names[i], NULL);
        free(folders->names[i]);
    }
    free(folders->names);
    free(folders->syncs);
    *folders = (struct mur_folders){.count = 0};
    return status;
}

void mur_store_begin_names(struct mur_store *store)
{
    if (store->sync && store->folders.count == 0)
        begin_folders(store);
}

void mur_store_drop_names(struct mur_store *store)
{
    (void)!finish_folders(store, NULL);
}

static enum mur_status finish_objects(struct mur_store *store, struct mur_object *const *objects,
                                      size_t count, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < count; i++) {
        mur_sync_finish(&store->syncer, &objects[i]->sync);
        if (status == MUR_OK && objects[i]->sync.failure != 0)
            status = mur_error_set_errno(error, objects[i]->sync.failure, "cannot sync %s",
                                         objects[i]->incoming);
    }
    return status;
}

enum mur_status mur_store_sync(struct mur_store *store, struct mur_object *const *objects,
                               size_t count, mur_store_sync_function also, void *user,
                               struct mur_error *error)
{
    if (!store->sync)
        return MUR_OK;
    mur_store_begin_names(store);
    enum mur_status status = also != NULL ? also(user, error) : MUR_OK;
    enum mur_status other = finish_objects(store, objects, count, status == MUR_OK ? error : NULL);
    if (status == MUR_OK)
        status = other;
    other = finish_folders(store, status == MUR_OK ? error : NULL);
    if (status == MUR_OK && other == MUR_OK) { /* with what got names since they were begun */
        begin_folders(store);
        other = finish_folders(store, error);
    }
    return status == MUR_OK ? other : status;
}

/* ---- what another process may not have synced --------------------------------------------------
 */

static enum mur_status sync_one(int descriptor, bool folder, const char *path,
                                struct mur_error *error)
{
    if ((folder ? fsync(descriptor) : fdatasync(descriptor)) != 0)
        return mur_error_set_errno(error, errno, "cannot sync %s", path);
    return MUR_OK;
}

/* The file, its folder, and the folders above, up to the store's own. */
enum mur_status mur_store_sync_stored(struct mur_store *store, const struct mur_object_name *name,
                                      const char *suffix, struct mur_error *error)
{
    if (!store->sync)
        return MUR_OK;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_store_object_path(&path, store, name, suffix, error);
    if (status != MUR_OK)
        return status;
    for (int level = 0; level < 5; level++) {
        MUR_AUTO_CLOSE int descriptor =
            open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (level > 0 ? O_DIRECTORY : 0));
        if (descriptor < 0)
            return mur_error_set_errno(error, errno, "cannot open %s", path);
        status = sync_one(descriptor, level > 0, path, error);
        if (status != MUR_OK)
            return status;
        *strrchr(path, '/') = '\0';
    }
    return MUR_OK;
}
