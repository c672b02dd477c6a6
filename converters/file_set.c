#include "converters/file_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

struct mur_file_set {
    char **names; /* final: NAME and MUR_FILE_SET_PART is what is on disk */
    size_t count, capacity;
    char **folders; /* made by us, outer ones first */
    size_t folder_count;
};

enum mur_status mur_file_set_create(struct mur_file_set **out, struct mur_error *error)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? mur_error_no_memory(error) : MUR_OK;
}

static void remove_part(const char *name)
{
    char *part = NULL;
    if (mur_text_format(&part, NULL, "%s" MUR_FILE_SET_PART, name) == MUR_OK)
        (void)unlink(part);
    free(part);
}

void mur_file_set_free(struct mur_file_set *set)
{
    if (set == NULL)
        return;
    for (size_t index = 0; index < set->count; index++) {
        remove_part(set->names[index]);
        free(set->names[index]);
    }
    for (size_t index = set->folder_count; index-- > 0;) {
        (void)rmdir(set->folders[index]); /* stays if it holds anything */
        free(set->folders[index]);
    }
    free(set->names);
    free(set->folders);
    free(set);
}

static enum mur_status make_folder(struct mur_file_set *set, const char *path,
                                   struct mur_error *error)
{
    char **folders = realloc(set->folders, (set->folder_count + 1) * sizeof *folders);
    if (folders == NULL)
        return mur_error_no_memory(error);
    set->folders = folders;
    char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    if (mkdir(path, 0777) == 0) {
        set->folders[set->folder_count++] = copy;
        return MUR_OK;
    }
    int failure = errno;
    free(copy);
    if (failure == EEXIST && mur_directory_exists(path))
        return MUR_OK;
    /* Not that an input is missing or wrong: */
    if (failure == EEXIST)
        return mur_error_set(error, MUR_IO, "%s: cannot make the folder: a file has its name",
                             path);
    if (failure == ENOENT)
        return mur_error_set(error, MUR_IO, "%s: cannot make the folder: nothing to make it in",
                             path);
    return mur_error_set_errno(error, failure, "%s: cannot make the folder", path);
}

enum mur_status mur_file_set_folder(struct mur_file_set *set, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE char *part = NULL;
    enum mur_status status = mur_text_copy(&part, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    for (char *at = part + 1; *part != '\0' && *at != '\0' && status == MUR_OK; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = '\0';
        if (!mur_directory_exists(part))
            status = make_folder(set, part, error);
        *at = '/';
    }
    if (status == MUR_OK && !mur_directory_exists(path))
        status = make_folder(set, path, error);
    return status;
}

static bool is_named(const struct mur_file_set *set, const char *path)
{
    for (size_t index = 0; index < set->count; index++)
        if (strcmp(set->names[index], path) == 0)
            return true;
    return false;
}

static int open_part(const char *part)
{
    return open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
}

enum mur_status mur_file_set_open(int *descriptor, struct mur_file_set *set, const char *path,
                                  struct mur_error *error)
{
    if (mur_directory_exists(path))
        return mur_error_set(error, MUR_INVALID, "%s is a folder", path);
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 16 : set->capacity * 2;
        char **names = realloc(set->names, capacity * sizeof *names);
        if (names == NULL)
            return mur_error_no_memory(error);
        set->names = names;
        set->capacity = capacity;
    }
    MUR_AUTO_FREE char *name = NULL;
    MUR_AUTO_FREE char *part = NULL;
    enum mur_status status = mur_text_copy(&name, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = mur_text_format(&part, error, "%s" MUR_FILE_SET_PART, path);
    if (status != MUR_OK)
        return status;
    int opened = open_part(part);
    if (opened < 0 && errno == EEXIST) {
        if (is_named(set, path))
            return mur_error_set(error, MUR_INVALID, "%s would be written twice", path);
        (void)unlink(part); /* of a program that was killed */
        opened = open_part(part);
    }
    if (opened < 0 && errno == ENOENT) /* not that an input is missing */
        return mur_error_set(error, MUR_IO, "%s: its folder does not exist", path);
    if (opened < 0)
        return mur_error_set_errno(error, errno, "%s", part);
    set->names[set->count++] = MUR_STEAL(name);
    *descriptor = opened;
    return MUR_OK;
}

enum mur_status mur_file_set_write(struct mur_file_set *set, const char *path, const void *bytes,
                                   size_t length, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = -1;
    enum mur_status status = mur_file_set_open(&descriptor, set, path, error);
    if (status == MUR_OK)
        status = mur_write_full(descriptor, bytes, length, path, error);
    if (status == MUR_OK && close(mur_steal_descriptor(&descriptor)) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    return status;
}

enum mur_status mur_file_set_commit(struct mur_file_set *set, struct mur_error *error)
{
    while (set->count > 0) {
        char *name = set->names[set->count - 1];
        MUR_AUTO_FREE char *part = NULL;
        enum mur_status status = mur_text_format(&part, error, "%s" MUR_FILE_SET_PART, name);
        if (status != MUR_OK)
            return status;
        if (rename(part, name) != 0)
            return mur_error_set_errno(error, errno, "%s", name);
        free(name);
        set->count--;
    }
    return MUR_OK;
}
