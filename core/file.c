#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/own.h"
#include "core/text.h"

/* More names than this in one folder are no dataset; they would only eat memory. */
enum { FOLDER_LIMIT = 4 * 1000 * 1000 };
/* Linux writes at most this in one call (0x7ffff000); stay below on all. */
enum { CALL_LIMIT = 1 << 30 };

static size_t one_call(size_t length)
{
    return length < CALL_LIMIT ? length : CALL_LIMIT;
}

static enum mur_status advance(ssize_t result, const char *verb, const char *what,
                               struct mur_error *error)
{
    if (result > 0)
        return MUR_OK;
    if (result == 0)
        return mur_error_set(error, MUR_IO, "%s: cannot %s: nothing was taken", what, verb);
    return mur_error_set_errno(error, errno, "%s: cannot %s", what, verb);
}

enum mur_status mur_write_full(int descriptor, const void *bytes, size_t length, const char *what,
                               struct mur_error *error)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(descriptor, at, one_call(length));
        if (written < 0 && errno == EINTR)
            continue;
        enum mur_status status = advance(written, "write", what, error);
        if (status != MUR_OK)
            return status;
        at += written;
        length -= (size_t)written;
    }
    return MUR_OK;
}

enum mur_status mur_pwrite_full(int descriptor, const void *bytes, size_t length, off_t offset,
                                const char *what, struct mur_error *error)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = pwrite(descriptor, at, one_call(length), offset);
        if (written < 0 && errno == EINTR)
            continue;
        enum mur_status status = advance(written, "write", what, error);
        if (status != MUR_OK)
            return status;
        at += written;
        offset += written;
        length -= (size_t)written;
    }
    return MUR_OK;
}

enum mur_status mur_pwritev_full(int descriptor, struct iovec *vectors, int count, off_t offset,
                                 const char *what, struct mur_error *error)
{
    while (count > 0) {
        if (vectors->iov_len == 0) {
            vectors++;
            count--;
            continue;
        }
        int part = count < IOV_MAX ? count : IOV_MAX;
        ssize_t written = offset < 0 ? writev(descriptor, vectors, part)
                                     : pwritev(descriptor, vectors, part, offset);
        if (written < 0 && errno == EINTR)
            continue;
        enum mur_status status = advance(written, "write", what, error);
        if (status != MUR_OK)
            return status;
        if (offset >= 0)
            offset += written;
        size_t left = (size_t)written;
        while (left > 0) {
            size_t taken = left < vectors->iov_len ? left : vectors->iov_len;
            vectors->iov_base = (char *)vectors->iov_base + taken;
            vectors->iov_len -= taken;
            left -= taken;
            if (vectors->iov_len == 0) {
                vectors++;
                count--;
            }
        }
    }
    return MUR_OK;
}

enum mur_status mur_read_full(size_t *out, int descriptor, void *bytes, size_t length,
                              const char *what, struct mur_error *error)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = read(descriptor, (char *)bytes + done, one_call(length - done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mur_error_set_errno(error, errno, "%s: cannot read", what);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out = done;
    return MUR_OK;
}

enum mur_status mur_pread_full(size_t *out, int descriptor, void *bytes, size_t length,
                               off_t offset, const char *what, struct mur_error *error)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got =
            pread(descriptor, (char *)bytes + done, one_call(length - done), offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mur_error_set_errno(error, errno, "%s: cannot read", what);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out = done;
    return MUR_OK;
}

enum mur_status mur_file_open_regular(int *out, const char *path, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor =
        open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    struct stat details;
    if (descriptor < 0 && (errno == ELOOP || errno == ENXIO))
        return mur_error_set(error, MUR_CORRUPT, "%s is no regular file", path);
    if (descriptor < 0 || fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "cannot open %s", path);
    if (!S_ISREG(details.st_mode))
        return mur_error_set(error, MUR_CORRUPT, "%s is no regular file", path);
    *out = mur_steal_descriptor(&descriptor);
    return MUR_OK;
}

enum mur_status mur_file_read_all(struct mur_buffer *out, const char *path, size_t limit,
                                  struct mur_error *error)
{
    /* O_NONBLOCK: a FIFO by that name must not stop us for ever. */
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    struct stat details;
    if (fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(details.st_mode))
        return mur_error_set(error, MUR_INVALID, "%s: not a regular file", path);
    size_t begin = out->length;
    size_t expected = (uintmax_t)details.st_size < limit ? (size_t)details.st_size : limit;
    for (;;) {
        /* One byte more than expected shows the end without another round. */
        size_t done = out->length - begin;
        size_t step = done < expected ? expected - done + 1 : 64 * 1024;
        if (step > limit - done)
            step = limit - done + 1;
        size_t got = 0;
        enum mur_status status = mur_buffer_reserve(out, step, error);
        if (status == MUR_OK)
            status = mur_read_full(&got, descriptor, out->data + out->length, step, path, error);
        if (status == MUR_OK && got > limit - done)
            status = mur_error_set(error, MUR_LIMIT, "%s: longer than %zu bytes", path, limit);
        if (status != MUR_OK) {
            out->length = begin;
            if (out->data != NULL)
                out->data[begin] = '\0';
            return status;
        }
        out->length += got;
        out->data[out->length] = '\0';
        if (got < step)
            return MUR_OK;
    }
}

static enum mur_status write_and_sync(int descriptor, const void *bytes, size_t length, mode_t mode,
                                      const char *path, struct mur_error *error)
{
    enum mur_status status = mur_write_full(descriptor, bytes, length, path, error);
    if (status != MUR_OK)
        return status;
    if (fchmod(descriptor, mode) != 0 || fsync(descriptor) != 0)
        return mur_error_set_errno(error, errno, "%s: cannot write", path);
    return MUR_OK;
}

static enum mur_status parent_of(char **out, const char *path, struct mur_error *error)
{
    const char *base = mur_path_base(path);
    if (base == path)
        return mur_text_copy(out, mur_slice_of("."), error);
    size_t length = (size_t)(base - path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return mur_text_copy(out, (struct mur_slice){.data = path, .length = length}, error);
}

/* Locked, it is seen to be somebody's. A sweep may come between the two: then it is made again. */
static enum mur_status create_locked(int *out, char *temporary, const char *path,
                                     struct mur_error *error)
{
    enum { RANDOM_PART = 6 };
    for (;;) {
        struct stat details;
        int descriptor = mkostemp(temporary, O_CLOEXEC);
        if (descriptor < 0)
            return mur_error_set_errno(error, errno, "%s: cannot create", path);
        /* A file system without locks has no sweeps either. */
        (void)flock(descriptor, LOCK_EX);
        if (fstat(descriptor, &details) == 0 && details.st_nlink > 0) {
            *out = descriptor;
            return MUR_OK;
        }
        (void)close(descriptor);
        memset(temporary + strlen(temporary) - RANDOM_PART, 'X', RANDOM_PART);
    }
}

/* ".NAME.SUFFIX.XXXXXX" */
static bool is_temporary(const char *name, const char *suffix)
{
    const size_t random = strlen(".XXXXXX");
    size_t length = strlen(name);
    size_t end = strlen(suffix);
    return name[0] == '.' && length > 1 + end + random && name[length - random] == '.' &&
           strncmp(name + length - random - end, suffix, end) == 0;
}

void mur_file_sweep(const char *folder, const char *suffix)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        if (!is_temporary(entry->d_name, suffix))
            continue;
        MUR_AUTO_CLOSE int descriptor =
            openat(dirfd(entries), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    }
    (void)closedir(entries);
}

enum mur_status mur_file_write_all(const char *path, const void *bytes, size_t length, mode_t mode,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    MUR_AUTO_FREE char *temporary = NULL;
    enum mur_status status = parent_of(&folder, path, error);
    if (status == MUR_OK)
        status = mur_text_format(&temporary, error, "%s/.%s.XXXXXX", folder, mur_path_base(path));
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int descriptor = -1;
    status = create_locked(&descriptor, temporary, path, error);
    if (status != MUR_OK)
        return status;
    status = write_and_sync(descriptor, bytes, length, mode, path, error);
    if (status == MUR_OK && rename(temporary, path) != 0)
        status = mur_error_set_errno(error, errno, "%s: cannot replace", path);
    if (status != MUR_OK) {
        (void)unlink(temporary);
        return status;
    }
    return mur_directory_sync(folder, error);
}

enum mur_status mur_directory_sync(const char *path, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || fsync(descriptor) != 0)
        return mur_error_set_errno(error, errno, "%s: cannot sync", path);
    return MUR_OK;
}

static enum mur_status make_one(const char *path, mode_t mode, struct mur_error *error)
{
    if (mkdir(path, mode) == 0 || mur_directory_exists(path))
        return MUR_OK;
    if (errno == EEXIST)
        return mur_error_set(error, MUR_EXISTS, "%s: exists and is no folder", path);
    return mur_error_set_errno(error, errno, "%s: cannot create the folder", path);
}

enum mur_status mur_directory_create(const char *path, mode_t mode, struct mur_error *error)
{
    if (path[0] == '\0')
        return mur_error_set(error, MUR_INVALID, "the folder's name is empty");
    MUR_AUTO_FREE char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    for (char *at = copy + 1; *at != '\0'; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = '\0';
        status = make_one(copy, mode, error);
        if (status != MUR_OK)
            return status;
        *at = '/';
    }
    return make_one(copy, mode, error);
}

static int remove_entry(const char *path, const struct stat *details, int kind, struct FTW *where)
{
    (void)details;
    (void)where;
    (void)(kind == FTW_DP ? rmdir(path) : unlink(path));
    return 0; /* the rest goes all the same */
}

void mur_directory_remove(const char *path)
{
    enum { OPEN_FOLDERS = 16 };
    (void)nftw(path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

bool mur_file_exists(const char *path)
{
    struct stat details;
    return stat(path, &details) == 0 && S_ISREG(details.st_mode);
}

bool mur_file_is_same(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

bool mur_directory_exists(const char *path)
{
    int saved_errno = errno;
    struct stat details;
    bool exists = stat(path, &details) == 0 && S_ISDIR(details.st_mode);
    errno = saved_errno;
    return exists;
}

enum mur_status mur_path_join(char **out, const char *a, const char *b, struct mur_error *error)
{
    size_t length = strlen(a);
    while (length > 1 && a[length - 1] == '/')
        length--;
    if (length > (size_t)INT_MAX)
        return mur_error_set(error, MUR_LIMIT, "path too long");
    const char *slash = length == 0 || a[length - 1] == '/' ? "" : "/";
    return mur_text_format(out, error, "%.*s%s%s", (int)length, a, slash, b);
}

const char *mur_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static enum mur_status refuse_path(const char *relative, const char *reason,
                                   struct mur_error *error)
{
    return mur_error_set(error, MUR_DENIED, "path \"%s\" %s", relative, reason);
}

static enum mur_status check_relative(const char *relative, struct mur_error *error)
{
    if (relative[0] == '\0')
        return refuse_path(relative, "is empty", error);
    if (relative[0] == '/')
        return refuse_path(relative, "is absolute", error);
    bool letter =
        (relative[0] >= 'a' && relative[0] <= 'z') || (relative[0] >= 'A' && relative[0] <= 'Z');
    if (letter && relative[1] == ':')
        return refuse_path(relative, "has a drive letter", error);
    if (strlen(relative) >= PATH_MAX)
        return refuse_path(relative, "is too long", error);
    return MUR_OK;
}

/* Where the kernel has no openat2(2) or a sandbox forbids it: open, then see what was opened. */
static enum mur_status open_and_compare(int *out, int root_descriptor, const char *relative,
                                        uint64_t flags, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = openat(root_descriptor, relative, (int)flags);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", relative);
    char link[64];
    char root[PATH_MAX];
    char opened[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", root_descriptor);
    ssize_t root_length = readlink(link, root, sizeof root);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t opened_length = readlink(link, opened, sizeof opened);
    if (root_length <= 0 || opened_length <= 0)
        return mur_error_set_errno(error, errno, "%s", relative);
    size_t length = (size_t)root_length;
    bool beneath = length == 1 || (opened_length > root_length &&
                                   memcmp(root, opened, length) == 0 && opened[length] == '/');
    if (!beneath)
        return refuse_path(relative, "leaves its folder", error);
    *out = mur_steal_descriptor(&descriptor);
    return MUR_OK;
}

static enum mur_status open_resolved(int *out, const char *root, const char *relative,
                                     uint64_t flags, struct mur_error *error)
{
    enum mur_status status = check_relative(relative, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int root_descriptor = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", root);
    struct open_how how = {.flags = flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long opened = syscall(SYS_openat2, root_descriptor, relative, &how, sizeof how);
    if (opened >= 0) {
        *out = (int)opened;
        return MUR_OK;
    }
    switch (errno) {
    case EXDEV:
        return refuse_path(relative, "leaves its folder", error);
    case ENOSYS:
    case EPERM:
    case EAGAIN: /* something was renamed meanwhile */
        return open_and_compare(out, root_descriptor, relative, flags, error);
    default:
        return mur_error_set_errno(error, errno, "%s/%s", root, relative);
    }
}

static enum mur_status exists_beneath(const char *root, const char *relative,
                                      struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = -1;
    return open_resolved(&descriptor, root, relative, O_PATH | O_CLOEXEC, error);
}

/* Adds a name of a path to those before it, as it is spelt there. */
static enum mur_status add_spelling(char **path, const char *root, struct mur_slice name,
                                    struct mur_error *error)
{
    enum mur_status status = MUR_NOT_FOUND;
    for (int i = 0; i < 3 && status == MUR_NOT_FOUND; i++) {
        MUR_AUTO_FREE char *spelt = NULL;
        MUR_AUTO_FREE char *tried = NULL;
        status = i == 0 ? mur_text_copy(&spelt, name, error)
                        : mur_text_normalise(&spelt, name, i == 1, error);
        if (status == MUR_PARSE) /* bytes that are no text have one spelling */
            return MUR_NOT_FOUND;
        if (status == MUR_OK)
            status = mur_path_join(&tried, *path, spelt, error);
        if (status == MUR_OK)
            status = exists_beneath(root, tried, error);
        if (status != MUR_OK)
            continue;
        free(*path);
        *path = MUR_STEAL(tried);
    }
    return status;
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

enum mur_status mur_path_spelling(char **out, const char *root, const char *relative,
                                  struct mur_error *error)
{
    struct mur_error asked = MUR_ERROR_INIT; /* names what was asked for */
    struct mur_error cause = MUR_ERROR_INIT;
    enum mur_status status = exists_beneath(root, relative, &asked);
    if (status == MUR_OK)
        return mur_text_copy(out, mur_slice_of(relative), error);
    MUR_AUTO_FREE char *path = NULL;
    bool others = status == MUR_NOT_FOUND && !is_ascii(relative);
    if (others)
        status = mur_text_copy(&path, mur_slice_of(""), &cause);
    for (const char *at = relative; others && status == MUR_OK && *at != '\0';) {
        size_t length = strcspn(at, "/");
        if (length > 0)
            status =
                add_spelling(&path, root, (struct mur_slice){.data = at, .length = length}, &cause);
        at += length + (at[length] == '/');
    }
    if (status == MUR_OK)
        *out = MUR_STEAL(path);
    else if (error != NULL)
        *error = others && status != MUR_NOT_FOUND ? cause : asked;
    return status;
}

enum mur_status mur_path_beneath(char **out, const char *root, const char *relative,
                                 struct mur_error *error)
{
    MUR_AUTO_FREE char *spelt = NULL;
    enum mur_status status = mur_path_spelling(&spelt, root, relative, error);
    return status == MUR_OK ? mur_path_join(out, root, spelt, error) : status;
}

enum mur_status mur_open_beneath(int *out, const char *root, const char *relative,
                                 struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = -1;
    enum mur_status status = open_resolved(&descriptor, root, relative,
                                           O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, error);
    if (status != MUR_OK)
        return status;
    struct stat details;
    if (fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s/%s", root, relative);
    if (!S_ISREG(details.st_mode))
        return mur_error_set(error, MUR_INVALID, "%s/%s: not a regular file", root, relative);
    *out = mur_steal_descriptor(&descriptor);
    return MUR_OK;
}

struct names {
    char **items;
    size_t count;
    size_t capacity;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static enum mur_status names_add(struct names *names, const char *name, struct mur_error *error)
{
    if (names->count == FOLDER_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d names in one folder", FOLDER_LIMIT);
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 64 : 2 * names->capacity;
        char **items = realloc(names->items, capacity * sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        names->items = items;
        names->capacity = capacity;
    }
    enum mur_status status = mur_text_copy(&names->items[names->count], mur_slice_of(name), error);
    if (status == MUR_OK)
        names->count++;
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL)
        (void)closedir(*folder);
}

static enum mur_status list_names(struct names *names, const char *path, struct mur_error *error)
{
    __attribute__((cleanup(close_folder))) DIR *folder = opendir(path);
    if (folder == NULL)
        return mur_error_set_errno(error, errno, "%s", path);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        enum mur_status status = names_add(names, entry->d_name, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "%s", path);
    }
    if (errno != 0)
        return mur_error_set_errno(error, errno, "%s: cannot list", path);
    if (names->count > 0)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    return MUR_OK;
}

struct walk {
    const char *root;
    mur_walk_callback *callback;
    void *user;
};

static void look_at(struct mur_walk_entry *entry, const struct walk *walk)
{
    entry->kind = MUR_WALK_OTHER;
    if (lstat(entry->path, &entry->details) == 0) {
        if (S_ISREG(entry->details.st_mode))
            entry->kind = MUR_WALK_FILE;
        else if (S_ISDIR(entry->details.st_mode))
            entry->kind = MUR_WALK_DIRECTORY;
        else if (S_ISLNK(entry->details.st_mode)) {
            MUR_AUTO_CLOSE int descriptor = -1;
            if (mur_open_beneath(&descriptor, walk->root, entry->relative, NULL) == MUR_OK &&
                fstat(descriptor, &entry->details) == 0)
                entry->kind = MUR_WALK_FILE;
        }
    }
    if (entry->kind == MUR_WALK_OTHER)
        memset(&entry->details, 0, sizeof entry->details);
}

static enum mur_status walk_folder(const struct walk *walk, const char *relative, unsigned depth,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = relative[0] == '\0'
                                 ? mur_text_copy(&path, mur_slice_of(walk->root), error)
                                 : mur_path_join(&path, walk->root, relative, error);
    if (status != MUR_OK)
        return status;
    if (depth > MUR_WALK_DEPTH)
        return mur_error_set(error, MUR_LIMIT, "%s: folders nested deeper than %d", path,
                             MUR_WALK_DEPTH);
    __attribute__((cleanup(names_free))) struct names names = {0};
    status = list_names(&names, path, error);
    for (size_t i = 0; status == MUR_OK && i < names.count; i++) {
        MUR_AUTO_FREE char *entry_path = NULL;
        MUR_AUTO_FREE char *entry_relative = NULL;
        status = mur_path_join(&entry_path, path, names.items[i], error);
        if (status == MUR_OK)
            status = mur_path_join(&entry_relative, relative, names.items[i], error);
        if (status != MUR_OK)
            return status;
        struct mur_walk_entry entry = {
            .path = entry_path, .relative = entry_relative, .depth = depth};
        look_at(&entry, walk);
        bool skip = false;
        status = walk->callback(walk->user, &entry, &skip, error);
        if (status == MUR_OK && entry.kind == MUR_WALK_DIRECTORY && !skip)
            status = walk_folder(walk, entry_relative, depth + 1, error);
    }
    return status;
}

enum mur_status mur_directory_walk(const char *root, mur_walk_callback *callback, void *user,
                                   struct mur_error *error)
{
    struct walk walk = {.root = root, .callback = callback, .user = user};
    return walk_folder(&walk, "", 0, error);
}
