#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/text.h"
#include "store/internal.h"

enum {
    FOLDER_MODE = 0750,
    FILE_MODE = 0640,
    SPACE_STEP = 1 << 20, /* statvfs() takes 1 us */
    FOLDER_TRIES = 1000,  /* some 20 us each; where several work at once a few in a row may fail */
    AWAIT_STEP_MS = 2,
    AWAIT_MOST_MS = 60000,
};

/* Where something is to be written, "no such folder" is no answer to a question: it is damage. */
static enum mur_status cannot_write(struct mur_error *error, int failure, const char *doing,
                                    const char *path)
{
    if (failure == ENOENT)
        return mur_error_set(error, MUR_IO, "%s %s: its folder is gone", doing, path);
    return mur_error_set_errno(error, failure, "%s %s", doing, path);
}

/* ---- names ----------------------------------------------------------------------------------- */

enum mur_status mur_object_place_of(struct mur_object_place *out,
                                    const struct mur_object_name *name, const char *suffix,
                                    struct mur_error *error)
{
    /* UIDs come from peers: as hashes they can never form a path (PS3.5 9.1 does not protect us).
     */
    const char *uids[3] = {name->study, name->series, name->instance};
    const size_t kept[3] = {8, 8, 16};
    char text[3][33];
    for (size_t i = 0; i < 3; i++) {
        uint8_t digest[MUR_SHA256_SIZE];
        enum mur_status status = mur_sha256_of(digest, uids[i], strlen(uids[i]), error);
        if (status != MUR_OK)
            return status;
        mur_hex_write(text[i], digest, kept[i]);
    }
    (void)snprintf(out->folder, sizeof out->folder, "%.2s/%s/%s", text[0], text[0], text[1]);
    if (name->version == 0)
        (void)snprintf(out->file, sizeof out->file, "%s%s", text[2], suffix);
    else
        (void)snprintf(out->file, sizeof out->file, "%s-%u%s", text[2], name->version, suffix);
    return MUR_OK;
}

enum mur_status mur_store_object_path(char **out, struct mur_store *store,
                                      const struct mur_object_name *name, const char *suffix,
                                      struct mur_error *error)
{
    struct mur_object_place place;
    enum mur_status status = mur_object_place_of(&place, name, suffix, error);
    if (status != MUR_OK)
        return status;
    return mur_text_format(out, error, "%s/%s/%s", store->directory, place.folder, place.file);
}

/* ---- the store ------------------------------------------------------------------------------- */

/* It has its name when it is locked: a process that recovers just now would else take it for that
 * of a dead one. @param[out] gone  it took the folder away before that, which was empty */
static enum mur_status lock_incoming(bool *gone, struct mur_store *store, struct mur_error *error)
{
    MUR_AUTO_FREE char *lock = NULL;
    MUR_AUTO_FREE char *unlocked = NULL;
    enum mur_status status =
        mur_text_format(&lock, error, "%s/" MUR_INCOMING_LOCK, store->incoming);
    if (status == MUR_OK)
        status = mur_text_format(&unlocked, error, "%s/" MUR_INCOMING_UNLOCKED, store->incoming);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int descriptor = open(unlocked, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    *gone = descriptor < 0 && errno == ENOENT;
    if (descriptor < 0)
        return *gone ? MUR_OK : cannot_write(error, errno, "cannot make", unlocked);
    bool locked = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    *gone = !locked && errno == EWOULDBLOCK;
    if (!locked)
        return *gone ? MUR_OK : mur_error_set_errno(error, errno, "cannot lock %s", unlocked);
    bool named = rename(unlocked, lock) == 0;
    *gone = !named && errno == ENOENT;
    if (!named)
        return *gone ? MUR_OK : cannot_write(error, errno, "cannot name", lock);
    store->incoming_lock = mur_steal_descriptor(&descriptor);
    return MUR_OK;
}

static enum mur_status make_incoming(struct mur_store *store, struct mur_error *error)
{
    bool gone = true;
    for (int tries = 0; gone; tries++) {
        uint64_t token;
        free(store->incoming);
        store->incoming = NULL;
        if (getrandom(&token, sizeof token, 0) != (ssize_t)sizeof token)
            return mur_error_set_errno(error, errno, "cannot get random bytes");
        (void)snprintf(store->token, sizeof store->token, "%016" PRIx64, token);
        enum mur_status status =
            mur_text_format(&store->incoming, error, "%s/" MUR_INCOMING_PREFIX "%s",
                            store->directory, store->token);
        if (status != MUR_OK)
            return status;
        if (mkdir(store->incoming, FOLDER_MODE) != 0)
            return cannot_write(error, errno, "cannot make folder", store->incoming);
        status = lock_incoming(&gone, store, error);
        if (status != MUR_OK)
            return status;
        if (gone && tries == FOLDER_TRIES)
            return mur_error_set(error, MUR_IO, "%s is taken away again and again",
                                 store->incoming);
    }
    return MUR_OK;
}

enum mur_status mur_store_open(struct mur_store **out, const struct mur_store_options *options,
                               struct mur_error *error)
{
    MUR_AUTO(mur_store) *store = calloc(1, sizeof *store);
    if (store == NULL)
        return mur_error_no_memory(error);
    store->directory_fd = -1;
    store->incoming_lock = -1;
    store->sync = options->sync;
    store->min_free = options->min_free;
    (void)pthread_mutex_init(&store->mutex, NULL);
    mur_syncer_init(&store->syncer);
    enum mur_status status =
        mur_text_copy(&store->directory, mur_slice_of(options->directory), error);
    if (status != MUR_OK)
        return status;
    if (mkdir(store->directory, FOLDER_MODE) != 0 && errno != EEXIST)
        return mur_error_set_errno(error, errno, "cannot make folder %s", store->directory);
    store->directory_fd = open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory_fd < 0)
        return mur_error_set_errno(error, errno, "cannot open folder %s", store->directory);
    *out = MUR_STEAL(store);
    return MUR_OK;
}

void mur_store_close(struct mur_store *store)
{
    if (store == NULL)
        return;
    mur_syncer_destroy(&store->syncer);
    if (store->incoming_lock >= 0) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/" MUR_INCOMING_LOCK, store->incoming);
        if (length > 0 && (size_t)length < sizeof path)
            (void)unlink(path);
        (void)rmdir(store->incoming);
        (void)close(store->incoming_lock);
    }
    if (store->directory_fd >= 0)
        (void)close(store->directory_fd);
    for (size_t i = 0; i < store->touched_count; i++)
        free(store->touched[i]);
    free(store->touched);
    free(store->incoming);
    free(store->directory);
    (void)pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* ---- what is committed but not on disk yet -----------------------------------------------------
 */

const char *mur_store_token(const struct mur_store *store)
{
    return store->token;
}

/* A lock of the open file, beside the one that says that the process lives. */
void mur_store_set_settling(struct mur_store *store, bool settling)
{
    struct flock lock = {.l_type = settling ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_len = 1};
    (void)fcntl(store->incoming_lock, F_OFD_SETLK, &lock);
}

/* Asked for and not taken, which would hinder its owner. @return 0 or errno */
static int is_settling(bool *out, int incoming_lock)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (fcntl(incoming_lock, F_OFD_GETLK, &lock) != 0)
        return errno;
    *out = lock.l_type != F_UNLCK;
    return 0;
}

static enum mur_status incoming_of(char **out, const struct mur_store *store, const char *token,
                                   const char *file, struct mur_error *error)
{
    return mur_text_format(out, error, "%s/" MUR_INCOMING_PREFIX "%s%s", store->directory, token,
                           file);
}

enum mur_status mur_store_await_settled(struct mur_store *store, const char *token,
                                        struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = incoming_of(&path, store, token, "/" MUR_INCOMING_LOCK, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0 && errno == ENOENT)
        return MUR_OK; /* it is gone */
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "cannot open %s", path);
    const struct timespec pause = {.tv_nsec = AWAIT_STEP_MS * 1000000L};
    for (int waited = 0;; waited += AWAIT_STEP_MS) {
        bool settling = false;
        int failed = is_settling(&settling, descriptor);
        if (failed != 0)
            return mur_error_set_errno(error, failed, "cannot ask for locks of %s", path);
        if (!settling)
            return MUR_OK;
        if (waited >= AWAIT_MOST_MS)
            return mur_error_set(error, MUR_BUSY, "another process is still writing it; try again");
        (void)nanosleep(&pause, NULL);
    }
}

enum mur_status mur_store_is_alive(bool *alive, struct mur_store *store, const char *token,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = incoming_of(&path, store, token, "", error);
    if (status != MUR_OK)
        return status;
    if (access(path, F_OK) == 0)
        *alive = true;
    else if (errno == ENOENT)
        *alive = false;
    else
        status = mur_error_set_errno(error, errno, "cannot look at %s", path);
    return status;
}

/* ---- room --------------------------------------------------------------------------------------
 */

enum mur_status mur_store_check_space(struct mur_store *store, struct mur_error *error)
{
    if (store->min_free == 0)
        return MUR_OK;
    struct statvfs info;
    if (fstatvfs(store->directory_fd, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot ask for free space of %s",
                                   store->directory);
    uint64_t space = (uint64_t)info.f_bavail * info.f_frsize;
    if (space < store->min_free)
        return mur_error_set(error, MUR_NO_SPACE,
                             "%s: %" PRIu64 " MiB free, %" PRIu64
                             " MiB are kept (store.min_free); make room on the disk",
                             store->directory, space >> 20, store->min_free >> 20);
    return MUR_OK;
}

/* Remembers folders whose entries must be synced, each once. */
static enum mur_status touch(struct mur_store *store, const char *folder, struct mur_error *error)
{
    for (size_t i = store->touched_count; i > 0; i--) /* the last one is nearly always it */
        if (strcmp(store->touched[i - 1], folder) == 0)
            return MUR_OK;
    if (store->touched_count == store->touched_capacity) {
        size_t capacity = store->touched_capacity == 0 ? 16 : store->touched_capacity * 2;
        char **touched = realloc(store->touched, capacity * sizeof *touched);
        if (touched == NULL)
            return mur_error_no_memory(error);
        store->touched = touched;
        store->touched_capacity = capacity;
    }
    char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_of(folder), error);
    if (status == MUR_OK)
        store->touched[store->touched_count++] = copy;
    return status;
}

enum mur_status mur_store_touch(struct mur_store *store, const char *folder,
                                struct mur_error *error)
{
    if (!store->sync)
        return MUR_OK;
    (void)pthread_mutex_lock(&store->mutex);
    enum mur_status status = touch(store, folder, error);
    (void)pthread_mutex_unlock(&store->mutex);
    return status;
}

/* ---- objects --------------------------------------------------------------------------------- */

static enum mur_status ensure_incoming(struct mur_store *store, struct mur_error *error)
{
    (void)pthread_mutex_lock(&store->mutex);
    enum mur_status status = MUR_OK;
    if (store->incoming_lock <
        0) /* not at opening: a full disk must not keep a node from reading */
        status = make_incoming(store, error);
    (void)pthread_mutex_unlock(&store->mutex);
    return status;
}

/* An object with a name in the incoming folder, where nothing stands yet. */
static enum mur_status new_object(struct mur_object **out, struct mur_store *store,
                                  struct mur_error *error)
{
    enum mur_status status = ensure_incoming(store, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO(mur_object) *object = malloc(sizeof *object);
    if (object == NULL)
        return mur_error_no_memory(error);
    object->store = store;
    object->descriptor = -1;
    object->incoming = NULL;
    object->placed = NULL;
    object->length = 0;
    object->unchecked = 0;
    object->sync = (struct mur_sync){.descriptor = -1};
    object->gathered = 0;
    status = mur_text_format(&object->incoming, error, "%s/%lu", store->incoming,
                             atomic_fetch_add(&store->next_number, 1));
    if (status == MUR_OK)
        *out = MUR_STEAL(object);
    return status;
}

enum mur_status mur_object_condemn(struct mur_object **out, struct mur_store *store,
                                   const struct mur_object_name *name, const char *suffix,
                                   struct mur_error *error)
{
    MUR_AUTO(mur_object) *object = NULL;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = new_object(&object, store, error);
    if (status == MUR_OK)
        status = mur_store_object_path(&path, store, name, suffix, error);
    if (status == MUR_OK && link(path, object->incoming) != 0) {
        struct stat info;
        status = mur_error_set_errno(error, errno, "cannot take %s", path);
        if (status == MUR_DENIED && mur_directory_exists(path))
            return mur_error_set(error, MUR_NOT_FOUND, "%s is a folder", path);
        if (status == MUR_NOT_FOUND && lstat(path, &info) == 0) /* our own folder is gone */
            status =
                mur_error_set(error, MUR_IO, "cannot take %s: %s is gone", path, store->incoming);
    }
    if (status != MUR_OK)
        return status;
    object->placed = MUR_STEAL(path);
    *out = MUR_STEAL(object);
    return MUR_OK;
}

enum mur_status mur_object_create(struct mur_object **out, struct mur_store *store,
                                  struct mur_error *error)
{
    MUR_AUTO(mur_object) *object = NULL;
    enum mur_status status = new_object(&object, store, error);
    if (status != MUR_OK)
        return status;
    object->descriptor =
        open(object->incoming, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (object->descriptor < 0)
        return cannot_write(error, errno, "cannot make", object->incoming);
    object->sync.descriptor = object->descriptor;
    *out = MUR_STEAL(object);
    return MUR_OK;
}

/* Writes what was gathered and then these bytes, in one call where the system takes it all. */
static enum mur_status write_through(struct mur_object *object, const void *bytes, size_t length,
                                     struct mur_error *error)
{
    struct iovec parts[2] = {{.iov_base = object->head, .iov_len = object->gathered},
                             {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length}};
    object->gathered = 0;
    struct iovec *at = parts;
    while (at < parts + 2) {
        if (at->iov_len == 0) {
            at++;
            continue;
        }
        ssize_t written = writev(object->descriptor, at, (int)(parts + 2 - at));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return mur_error_set_errno(error, written < 0 ? errno : ENOSPC, "cannot write %s",
                                       object->incoming);
        size_t left = (size_t)written;
        while (at < parts + 2 && left >= at->iov_len) {
            left -= at->iov_len;
            at++;
        }
        if (at < parts + 2) {
            at->iov_base = (char *)at->iov_base + left;
            at->iov_len -= left;
        }
    }
    return MUR_OK;
}

enum mur_status mur_object_write(struct mur_object *object, const void *bytes, size_t length,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (length <= MUR_OBJECT_HEAD - object->gathered) {
        memcpy(object->head + object->gathered, bytes, length);
        object->gathered += length;
    } else {
        status = write_through(object, bytes, length, error);
    }
    if (status != MUR_OK)
        return status;
    object->length += length;
    object->unchecked += length;
    if (object->unchecked >= SPACE_STEP) { /* how long it becomes, nobody has said before */
        object->unchecked = 0;
        status = mur_store_check_space(object->store, error);
    }
    return status;
}

enum mur_status mur_object_flush(struct mur_object *object, struct mur_error *error)
{
    return write_through(object, NULL, 0, error);
}

enum mur_status mur_object_finish(struct mur_object *object, struct mur_error *error)
{
    enum mur_status status = mur_object_flush(object, error);
    if (status == MUR_OK && object->store->sync)
        mur_sync_begin(&object->store->syncer, &object->sync);
    return status;
}

/* A new folder and its entry are known together: who places an object in it meanwhile, comes after
 * it with his own name. */
static enum mur_status make_folder(struct mur_store *store, char *path, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    (void)pthread_mutex_lock(&store->mutex);
    bool made = mkdirat(store->directory_fd, path, FOLDER_MODE) == 0;
    int failure = errno;
    if (made && store->sync) {
        char *slash = strrchr(path, '/');
        if (slash != NULL)
            *slash = '\0';
        status = touch(store, slash != NULL ? path : "", error);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (!made && failure != EEXIST)
        return cannot_write(error, failure, "cannot make folder", path);
    return status;
}

/* Makes objects/ab/<study>/<series>, noting each folder that got a new entry. */
static enum mur_status make_folders(struct mur_store *store, const char *folder,
                                    struct mur_error *error)
{
    char path[64];
    for (const char *end = strchr(folder, '/');; end = strchr(end + 1, '/')) {
        size_t length = end != NULL ? (size_t)(end - folder) : strlen(folder);
        memcpy(path, folder, length);
        path[length] = '\0';
        enum mur_status status = make_folder(store, path, error);
        if (status != MUR_OK || end == NULL)
            return status;
    }
}

/* One try. @param[out] failure  errno of link(), 0 = placed */
static enum mur_status link_object(int *failure, struct mur_object *object,
                                   const struct mur_object_place *place, const char *path,
                                   struct mur_error *error)
{
    *failure = link(object->incoming, path) == 0 ? 0 : errno;
    if (*failure != 0)
        return MUR_OK;
    enum mur_status status = mur_store_touch(object->store, place->folder, error);
    if (status != MUR_OK)
        (void)unlink(path);
    return status;
}

/* @param replace  what stands there is a leftover; false: then it stays unplaced */
static enum mur_status place_object(struct mur_object *object, const struct mur_object_name *name,
                                    const char *suffix, bool replace, struct mur_error *error)
{
    struct mur_store *store = object->store;
    struct mur_object_place place;
    enum mur_status status = mur_object_place_of(&place, name, suffix, error);
    MUR_AUTO_FREE char *path = NULL;
    if (status == MUR_OK)
        status =
            mur_text_format(&path, error, "%s/%s/%s", store->directory, place.folder, place.file);
    if (status != MUR_OK)
        return status;
    int failure = 0;
    int tries = 0; /* another process may take an empty folder away again */
    for (;;) {
        status = link_object(&failure, object, &place, path, error);
        if (status != MUR_OK || failure == 0)
            break;
        if (failure == ENOENT && tries++ < FOLDER_TRIES) {
            status = make_folders(store, place.folder, error);
        } else if (failure == EEXIST && !replace) {
            return MUR_OK;
        } else if (failure == EEXIST) {
            if (unlink(path) != 0 && errno != ENOENT)
                status = mur_error_set_errno(error, errno, "cannot replace leftover %s", path);
        } else {
            status = cannot_write(error, failure, "cannot place", path);
        }
        if (status != MUR_OK)
            return status;
    }
    if (status == MUR_OK)
        object->placed = MUR_STEAL(path);
    return status;
}

void mur_object_place_early(struct mur_object *object, const struct mur_object_name *name,
                            const char *suffix)
{
    (void)!place_object(object, name, suffix, false, NULL); /* else when it is placed for good */
}

/* The place an object was given early may have been taken for a leftover meanwhile. */
static bool is_still_placed(const struct mur_object *object)
{
    struct stat incoming;
    struct stat placed;
    return object->placed != NULL && lstat(object->incoming, &incoming) == 0 &&
           lstat(object->placed, &placed) == 0 && incoming.st_ino == placed.st_ino;
}

enum mur_status mur_object_place(struct mur_object *object, const struct mur_object_name *name,
                                 const char *suffix, struct mur_error *error)
{
    struct stat info;
    if (object->placed != NULL && fstat(object->descriptor, &info) == 0 && info.st_nlink > 1)
        return MUR_OK;
    free(object->placed);
    object->placed = NULL;
    return place_object(object, name, suffix, true, error);
}

/* Takes folders away that a removed file leaves empty: series, study, first two digits. */
static void remove_empty_folders(char *path)
{
    for (int level = 0; level < 3; level++) {
        *strrchr(path, '/') = '\0';
        if (rmdir(path) != 0)
            break;
    }
}

void mur_object_displace(struct mur_object *object)
{
    if (object->placed == NULL)
        return;
    if (is_still_placed(object)) {
        (void)unlink(object->placed);
        remove_empty_folders(object->placed);
    }
    free(object->placed);
    object->placed = NULL;
}

uint64_t mur_object_length(const struct mur_object *object)
{
    return object->length;
}

const char *mur_object_path(const struct mur_object *object)
{
    return object->placed != NULL ? object->placed : object->incoming;
}

void mur_object_free(struct mur_object *object)
{
    if (object == NULL)
        return;
    mur_sync_cancel(&object->store->syncer, &object->sync);
    if (object->incoming != NULL)
        (void)unlink(object->incoming);
    if (object->descriptor >= 0)
        (void)close(object->descriptor);
    free(object->incoming);
    free(object->placed);
    free(object);
}

/* ---- what is stored -------------------------------------------------------------------------- */

enum mur_status mur_store_open_object(int *descriptor, struct mur_store *store,
                                      const struct mur_object_name *name, const char *suffix,
                                      struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_store_object_path(&path, store, name, suffix, error);
    return status == MUR_OK ? mur_file_open_regular(descriptor, path, error) : status;
}

enum mur_status mur_store_remove(struct mur_store *store, const struct mur_object_name *name,
                                 const char *suffix, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_store_object_path(&path, store, name, suffix, error);
    if (status != MUR_OK)
        return status;
    if (unlink(path) != 0 && errno != ENOENT)
        return mur_error_set_errno(error, errno, "cannot remove %s", path);
    remove_empty_folders(path);
    return MUR_OK;
}

enum mur_status mur_store_is_empty(bool *out, struct mur_store *store, struct mur_error *error)
{
    DIR *folder = opendir(store->directory);
    if (folder == NULL)
        return mur_error_set_errno(error, errno, "cannot read folder %s", store->directory);
    bool empty = true;
    const struct dirent *entry;
    while (empty && (entry = readdir(folder)) != NULL)
        empty = entry->d_name[0] == '.'; /* "." and "..", and incoming folders */
    (void)closedir(folder);
    *out = empty;
    return MUR_OK;
}

/* What has a second name in an incoming folder is on its way. */
static bool is_settled(const struct stat *details)
{
    return S_ISREG(details->st_mode) && details->st_nlink == 1;
}

enum mur_status mur_store_is_settled(bool *out, struct mur_store *store,
                                     const struct mur_object_name *name, const char *suffix,
                                     struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    struct stat info;
    enum mur_status status = mur_store_object_path(&path, store, name, suffix, error);
    if (status == MUR_OK)
        *out = lstat(path, &info) == 0 && is_settled(&info);
    return status;
}

struct settled_count {
    size_t count, enough;
};

static enum mur_status count_object(void *user, const struct mur_walk_entry *entry, bool *skip,
                                    struct mur_error *error)
{
    struct settled_count *settled = user;
    const char *name = mur_path_base(entry->path);
    const char *suffix = strrchr(name, '.');
    *skip = name[0] == '.';
    if (entry->kind == MUR_WALK_FILE && entry->depth > 0 && is_settled(&entry->details) &&
        suffix != NULL && strcmp(suffix, ".dcm") == 0)
        settled->count++;
    return settled->count < settled->enough ? MUR_OK
                                            : mur_error_set(error, MUR_CANCELLED, "enough");
}

enum mur_status mur_store_count_settled(size_t *out, struct mur_store *store, size_t enough,
                                        struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    struct settled_count settled = {.enough = enough};
    enum mur_status status = mur_directory_walk(store->directory, count_object, &settled, &reason);
    if (status != MUR_OK && settled.count < enough)
        return mur_error_set(error, status, "%s", reason.message);
    *out = settled.count;
    return MUR_OK;
}
