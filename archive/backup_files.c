#include "archive/backup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

enum { CHUNK = 1 << 20, FILE_MODE = 0640, FOLDER_MODE = 0750 };

static enum mur_status name_aside(char **out, const struct mur_copies *copies, size_t number,
                                  struct mur_error *error)
{
    return mur_text_format(out, error, "%s/%zu", copies->aside, number);
}

/* Numbers are given from 0 on: what stands there can be but these. */
static enum mur_status clear_aside(const struct mur_copies *copies, struct mur_error *error)
{
    for (size_t i = 0; i < MUR_COPIES; i++) {
        MUR_AUTO_FREE char *path = NULL;
        enum mur_status status = name_aside(&path, copies, i, error);
        if (status != MUR_OK)
            return status;
        if (unlink(path) != 0 && errno != ENOENT)
            return mur_error_set_errno(error, errno, "cannot remove %s", path);
    }
    return MUR_OK;
}

enum mur_status mur_copies_begin(struct mur_copies *copies, const char *folder,
                                 struct mur_error *error)
{
    copies->chunk = malloc(CHUNK);
    if (copies->chunk == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_text_copy(&copies->folder, mur_slice_of(folder), error);
    if (status == MUR_OK)
        status = mur_path_join(&copies->aside, folder, ".copying", error);
    if (status == MUR_OK)
        status = mur_directory_create(copies->aside, FOLDER_MODE, error);
    return status == MUR_OK ? clear_aside(copies, error) : status;
}

void mur_copies_end(struct mur_copies *copies)
{
    if (copies->aside != NULL) {
        (void)!clear_aside(copies, NULL);
        (void)rmdir(copies->aside);
    }
    for (size_t i = 0; i < copies->count; i++)
        free(copies->places[i]);
    free(copies->chunk);
    free(copies->aside);
    free(copies->folder);
}

/* @param target  -1: only looks at the digest */
static enum mur_status pass_through(bool *fits, struct mur_copies *copies, int source, int target,
                                    uint64_t length, const struct mur_instance *instance,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_xxh128) *digest = NULL;
    enum mur_status status = mur_xxh128_create(&digest, error);
    for (uint64_t at = 0; status == MUR_OK && at < length;) {
        size_t got = 0;
        uint64_t left = length - at;
        struct mur_error reason = MUR_ERROR_INIT;
        if (mur_pread_full(&got, source, copies->chunk, left < CHUNK ? (size_t)left : CHUNK,
                           (off_t)at, "the stored file", &reason) != MUR_OK)
            return mur_error_set(error, MUR_CORRUPT, "%s", reason.message);
        if (got == 0)
            return mur_error_set(error, MUR_CORRUPT, "the stored file is cut");
        if (status == MUR_OK && target >= 0)
            status = mur_write_full(target, copies->chunk, got, copies->aside, error);
        size_t skip = instance == NULL || at >= instance->offset ? 0
                      : instance->offset - at < got              ? (size_t)(instance->offset - at)
                                                                 : got;
        mur_xxh128_update(digest, copies->chunk + skip, got - skip);
        at += got;
    }
    uint8_t found[MUR_XXH128_SIZE];
    mur_xxh128_finish(found, digest);
    *fits = instance == NULL || memcmp(found, instance->digest, sizeof found) == 0;
    return status;
}

enum mur_status mur_copies_add(struct mur_copies *copies, int source, uint64_t length,
                               const struct mur_instance *instance, const char *place,
                               struct mur_error *error)
{
    MUR_AUTO_FREE char *aside = NULL;
    bool fits = false;
    enum mur_status status = copies->count == MUR_COPIES ? mur_copies_flush(copies, error) : MUR_OK;
    if (status == MUR_OK)
        status = name_aside(&aside, copies, copies->count, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int target =
        open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (target < 0)
        return mur_error_set_errno(error, errno, "cannot make %s", aside);
    status = pass_through(&fits, copies, source, target, length, instance, error);
    if (status == MUR_OK && !fits)
        status = mur_error_set(error, MUR_CORRUPT, "its bytes are not those that came");
    if (status == MUR_OK)
        status = mur_text_copy(&copies->places[copies->count], mur_slice_of(place), error);
    if (status != MUR_OK) {
        (void)unlink(aside);
        return status;
    }
    copies->count++;
    copies->copied++;
    copies->bytes += length;
    return MUR_OK;
}

/* Whether a file begins and ends with the same @p length bytes as the open one. */
static bool is_same(int source, uint64_t length, const char *place)
{
    enum { PIECE = 16 * 1024 };
    char pieces[2][PIECE];
    struct stat info;
    MUR_AUTO_CLOSE int there = -1;
    if (mur_file_open_regular(&there, place, NULL) != MUR_OK || fstat(there, &info) != 0 ||
        (uint64_t)info.st_size != length)
        return false;
    for (uint64_t at = 0; at < length;) {
        size_t want = length - at < PIECE ? (size_t)(length - at) : PIECE;
        size_t got[2] = {0, 0};
        if (mur_pread_full(&got[0], source, pieces[0], want, (off_t)at, place, NULL) != MUR_OK ||
            mur_pread_full(&got[1], there, pieces[1], want, (off_t)at, place, NULL) != MUR_OK ||
            got[0] != want || got[1] != want || memcmp(pieces[0], pieces[1], want) != 0)
            return false;
        at += want;
    }
    return true;
}

enum mur_status mur_copies_add_file(struct mur_copies *copies, const char *source,
                                    const char *place, struct mur_error *error)
{
    MUR_AUTO_CLOSE int file = -1;
    struct stat info;
    struct mur_error reason = MUR_ERROR_INIT;
    if (mur_file_open_regular(&file, source, &reason) != MUR_OK)
        return mur_error_set(error, MUR_CORRUPT, "%s", reason.message);
    if (fstat(file, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at %s", source);
    uint64_t length = (uint64_t)info.st_size;
    return is_same(file, length, place) ? MUR_OK
                                        : mur_copies_add(copies, file, length, NULL, place, error);
}

enum mur_status mur_copies_sync(const struct mur_copies *copies, struct mur_error *error)
{
    MUR_AUTO_CLOSE int folder = open(copies->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || syncfs(folder) != 0)
        return mur_error_set_errno(error, errno, "cannot sync %s", copies->folder);
    return MUR_OK;
}

static enum mur_status put_in_place(const struct mur_copies *copies, size_t number,
                                    struct mur_error *error)
{
    const char *place = copies->places[number];
    MUR_AUTO_FREE char *aside = NULL;
    enum mur_status status = name_aside(&aside, copies, number, error);
    if (status != MUR_OK || rename(aside, place) == 0)
        return status;
    MUR_AUTO_FREE char *parent = strndup(place, (size_t)(strrchr(place, '/') - place));
    if (parent == NULL)
        return mur_error_no_memory(error);
    status = mur_directory_create(parent, FOLDER_MODE, error);
    if (status == MUR_OK && rename(aside, place) != 0)
        status = mur_error_set_errno(error, errno, "cannot place %s", place);
    return status;
}

enum mur_status mur_copies_flush(struct mur_copies *copies, struct mur_error *error)
{
    enum mur_status status = copies->count > 0 ? mur_copies_sync(copies, error) : MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < copies->count; i++)
        status = put_in_place(copies, i, error);
    for (size_t i = 0; status == MUR_OK && i < copies->count; i++)
        free(copies->places[i]);
    if (status == MUR_OK)
        copies->count = 0;
    return status;
}

enum mur_status mur_copies_fits(bool *out, struct mur_copies *copies, const char *path,
                                const struct mur_instance *instance, struct mur_error *error)
{
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *out = false;
    if (file < 0)
        return MUR_OK;
    enum mur_status status =
        pass_through(out, copies, file, -1, instance->offset + instance->length, instance, error);
    return status == MUR_NO_MEMORY ? status : MUR_OK;
}
