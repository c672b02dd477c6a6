/* What processes that are gone left unfinished: found by their incoming folders alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "store/internal.h"

enum { JUST_MADE_S = 60, VERSIONS_TRIED = 16 };

/* The sidecar first: by what stays, if this ends too, it is found once more. */
static enum mur_status remove_both(struct mur_store *store, const struct mur_object_name *name,
                                   struct mur_error *error)
{
    enum mur_status status = mur_store_remove(store, name, ".json.zst", error);
    return status == MUR_OK ? mur_store_remove(store, name, ".dcm", error) : status;
}

/* Removes a place if it is a name of this file. */
static enum mur_status remove_same(bool *removed, struct mur_store *store,
                                   const struct mur_object_name *name, const struct stat *info,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *place = NULL;
    struct stat placed;
    enum mur_status status = mur_store_object_path(&place, store, name, ".dcm", error);
    *removed = false;
    if (status != MUR_OK || lstat(place, &placed) != 0 || placed.st_ino != info->st_ino)
        return status;
    *removed = true;
    return remove_both(store, name, error);
}

/* What the index knows has taken the place of the version before, which may be too damaged to tell
 * by itself whose it is. */
static enum mur_status remove_replaced(struct mur_store *store, const struct mur_object_name *known,
                                       struct mur_error *error)
{
    struct mur_object_name name = *known;
    if (name.version == 0)
        return MUR_OK;
    name.version--;
    return remove_both(store, &name, error);
}

/* One leftover: if it was placed and the index does not know it, the place is taken away. */
static enum mur_status settle(struct mur_store *store, const char *path,
                              mur_store_leftover_function ask, void *user, struct mur_error *error)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at %s", path);
    struct mur_store_leftover leftover = {.named = false};
    enum mur_status status = MUR_OK;
    if (S_ISREG(info.st_mode) && info.st_nlink > 1)
        status = ask(&leftover, path, user, error);
    unsigned versions =
        leftover.known ? leftover.name.version + 2 : VERSIONS_TRIED; /* the next one at the most */
    bool removed = false;
    for (unsigned v = 0; status == MUR_OK && leftover.named && !removed && v < versions; v++) {
        struct mur_object_name name = leftover.name;
        name.version = v;
        if (!leftover.known || v != leftover.name.version)
            status = remove_same(&removed, store, &name, &info, error);
    }
    if (status == MUR_OK && leftover.known)
        status = remove_replaced(store, &leftover.name, error);
    if (status == MUR_OK && unlink(path) != 0)
        status = mur_error_set_errno(error, errno, "cannot remove leftover %s", path);
    return status;
}

/* An incoming folder belongs to nobody any more when its owner's lock can be had. An owner who is
 * just making it makes another one when it loses that.
 * @param[out] lock  descriptor, or -1; @param[out] dead  whether the folder is to be settled */
static enum mur_status take_over(int *lock, bool *dead, const char *folder, struct mur_error *error)
{
    static const char *const names[] = {MUR_INCOMING_LOCK, MUR_INCOMING_UNLOCKED};
    *lock = -1;
    *dead = false;
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        MUR_AUTO_FREE char *path = NULL;
        enum mur_status status = mur_path_join(&path, folder, names[i], error);
        if (status != MUR_OK)
            return status;
        MUR_AUTO_CLOSE int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (descriptor < 0 && errno != ENOENT)
            return mur_error_set_errno(error, errno, "cannot open %s", path);
        if (descriptor < 0)
            continue;
        *dead = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
        if (*dead)
            *lock = mur_steal_descriptor(&descriptor);
        return MUR_OK;
    }
    struct stat info;
    if (rmdir(folder) != 0 && errno == ENOTEMPTY && stat(folder, &info) == 0)
        *dead = time(NULL) - info.st_mtime >= JUST_MADE_S; /* somebody removed the lock */
    return MUR_OK;
}

static enum mur_status recover_folder(struct mur_store *store, const char *folder,
                                      mur_store_leftover_function ask, void *user,
                                      struct mur_error *error)
{
    MUR_AUTO_CLOSE int lock = -1;
    bool dead = false;
    MUR_AUTO_FREE char *lock_path = NULL;
    enum mur_status status = mur_path_join(&lock_path, folder, MUR_INCOMING_LOCK, error);
    if (status == MUR_OK)
        status = take_over(&lock, &dead, folder, error);
    if (status != MUR_OK || !dead)
        return status;
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return errno == ENOENT ? MUR_OK
                               : mur_error_set_errno(error, errno, "cannot read %s", folder);
    const struct dirent *entry;
    while (status == MUR_OK && (entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, MUR_INCOMING_LOCK) == 0)
            continue;
        MUR_AUTO_FREE char *path = NULL;
        status = mur_text_format(&path, error, "%s/%s", folder, entry->d_name);
        if (status == MUR_OK)
            status = settle(store, path, ask, user, error);
    }
    (void)closedir(entries);
    if (status != MUR_OK)
        return status;
    (void)unlink(lock_path);
    if (rmdir(folder) != 0 && errno != ENOENT)
        return mur_error_set_errno(error, errno, "cannot remove %s", folder);
    return MUR_OK;
}

bool mur_store_is_incoming(const char *name)
{
    size_t prefix = strlen(MUR_INCOMING_PREFIX);
    return strncmp(name, MUR_INCOMING_PREFIX, prefix) == 0 &&
           strspn(name + prefix, "0123456789abcdef") == MUR_STORE_TOKEN_SIZE - 1 &&
           strlen(name + prefix) == MUR_STORE_TOKEN_SIZE - 1;
}

enum mur_status mur_store_recover(struct mur_store *store, mur_store_leftover_function ask,
                                  void *user, struct mur_error *error)
{
    DIR *entries = opendir(store->directory);
    if (entries == NULL)
        return mur_error_set_errno(error, errno, "cannot read %s", store->directory);
    enum mur_status status = MUR_OK;
    const struct dirent *entry;
    while (status == MUR_OK && (entry = readdir(entries)) != NULL) {
        if (!mur_store_is_incoming(entry->d_name))
            continue;
        MUR_AUTO_FREE char *folder = NULL;
        status = mur_text_format(&folder, error, "%s/%s", store->directory, entry->d_name);
        if (status == MUR_OK)
            status = recover_folder(store, folder, ask, user, error);
    }
    (void)closedir(entries);
    return status;
}
