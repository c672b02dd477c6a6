/* Syncing many files at once: each waits for the same commit of the file system's journal. */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/internal.h"

struct task {
    struct mur_object *object; /* or else a folder */
    struct aiocb request;
    bool under_way; /* by a thread of the C library */
    int failure;
};

static void sync_here(struct task *task)
{
    int descriptor = task->request.aio_fildes;
    if (descriptor < 0)
        return; /* a folder that is gone */
    int result = task->object != NULL ? fdatasync(descriptor) : fsync(descriptor);
    task->failure = result != 0 ? errno : 0;
}

static void start(struct task *task)
{
    task->request.aio_sigevent.sigev_notify = SIGEV_NONE;
    task->under_way = task->request.aio_fildes >= 0 &&
                      aio_fsync(task->object != NULL ? O_DSYNC : O_SYNC, &task->request) == 0;
    if (!task->under_way)
        sync_here(task);
}

static void finish(struct task *task)
{
    if (!task->under_way)
        return;
    const struct aiocb *const request = &task->request;
    while ((task->failure = aio_error(request)) == EINPROGRESS)
        (void)aio_suspend(&request, 1, NULL);
    (void)aio_return(&task->request);
}

static void run(struct task *tasks, size_t count)
{
    for (size_t i = 1; i < count; i++)
        start(&tasks[i]);
    if (count > 0)
        sync_here(&tasks[0]);
    for (size_t i = 1; i < count; i++)
        finish(&tasks[i]);
}

/* Folders with new names: taken out of the store while they are synced, so that nobody who begins
 * an object waits meanwhile. */
struct folders {
    char **names;
    size_t count;
};

static struct folders take_folders(struct mur_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    struct folders folders = {store->touched, store->touched_count};
    store->touched = NULL;
    store->touched_count = store->touched_capacity = 0;
    (void)pthread_mutex_unlock(&store->mutex);
    return folders;
}

/* After a failure they stay to be synced. The writer placed nothing meanwhile. */
static void give_folders_back(struct mur_store *store, struct folders folders)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->touched = folders.names;
    store->touched_count = store->touched_capacity = folders.count;
    (void)pthread_mutex_unlock(&store->mutex);
}

static void free_folders(struct folders folders)
{
    for (size_t i = 0; i < folders.count; i++)
        free(folders.names[i]);
    free(folders.names);
}

static enum mur_status open_folders(struct task *tasks, const struct mur_store *store,
                                    struct folders folders, struct mur_error *error)
{
    for (size_t i = 0; i < folders.count; i++) {
        const char *folder = folders.names[i];
        int descriptor = openat(store->directory_fd, folder[0] != '\0' ? folder : ".",
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (descriptor < 0 &&
            errno != ENOENT) /* gone: what was placed there was taken away again */
            return mur_error_set_errno(error, errno, "cannot open folder %s/%s", store->directory,
                                       folder);
        tasks[i].request.aio_fildes = descriptor;
    }
    return MUR_OK;
}

static enum mur_status judge(const struct mur_store *store, const struct task *objects,
                             size_t object_count, const struct task *tasks, struct folders folders,
                             struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < object_count; i++) {
        struct mur_object *object = objects[i].object;
        if (object->sync_failure == 0)
            object->sync_failure = objects[i].failure;
        if (status == MUR_OK && object->sync_failure != 0)
            status = mur_error_set_errno(error, object->sync_failure, "cannot sync %s",
                                         object->incoming);
    }
    for (size_t i = 0; status == MUR_OK && i < folders.count; i++)
        if (tasks[i].failure != 0)
            status = mur_error_set_errno(error, tasks[i].failure, "cannot sync folder %s/%s",
                                         store->directory, folders.names[i]);
    return status;
}

static enum mur_status sync_all(const struct mur_store *store, struct mur_object *const *objects,
                                size_t count, struct folders folders, struct mur_error *error)
{
    MUR_AUTO_FREE struct task *tasks = calloc(count + folders.count + 1, sizeof *tasks);
    if (tasks == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        tasks[i].object = objects[i];
        tasks[i].request.aio_fildes = objects[i]->descriptor;
    }
    struct task *of_folders = tasks + count;
    for (size_t i = 0; i < folders.count; i++)
        of_folders[i].request.aio_fildes = -1;
    enum mur_status status = open_folders(of_folders, store, folders, error);
    if (status == MUR_OK) {
        run(tasks, count + folders.count);
        status = judge(store, tasks, count, of_folders, folders, error);
    }
    for (size_t i = 0; i < folders.count; i++)
        if (of_folders[i].request.aio_fildes >= 0)
            (void)close(of_folders[i].request.aio_fildes);
    return status;
}

enum mur_status mur_store_sync(struct mur_store *store, struct mur_object *const *objects,
                               size_t count, bool names, struct mur_error *error)
{
    if (!store->sync)
        return MUR_OK;
    struct folders folders = names ? take_folders(store) : (struct folders){NULL, 0};
    enum mur_status status = sync_all(store, objects, count, folders, error);
    if (names && status != MUR_OK)
        give_folders_back(store, folders);
    else
        free_folders(folders);
    return status;
}
