/* The file lock: byte 0 is held shared by everybody who has the archive open, byte 1 by the one
 * that serves it. Locks of open file descriptions end with the process, however it ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "archive/internal.h"
#include "core/text.h"

static enum mur_status take(int descriptor, short type, off_t byte, const char *path,
                            const char *refused, struct mur_error *error)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(descriptor, F_OFD_SETLK, &lock) == 0)
        return MUR_OK;
    if (errno == EAGAIN || errno == EACCES)
        return mur_error_set(error, MUR_BUSY, "%s: %s", path, refused);
    return mur_error_set_errno(error, errno, "cannot lock %s", path);
}

enum mur_status mur_archive_lock(int *out, const char *directory, bool serving,
                                 struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_text_format(&path, error, "%s/lock", directory);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return mur_error_set_errno(
            error, errno, "cannot open %s (is the data directory writable for you?)", path);
    status = take(descriptor, F_RDLCK, 0, path,
                  "the archive is being rebuilt or upgraded by another process; wait for its end",
                  error);
    if (status == MUR_OK && serving)
        status = take(descriptor, F_WRLCK, 1, path,
                      "another node serves this archive; stop it, or give this one another"
                      " --data-dir",
                      error);
    if (status == MUR_OK)
        *out = mur_steal_descriptor(&descriptor);
    return status;
}

enum mur_status mur_archive_lock_alone(int *out, const char *directory, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_text_format(&path, error, "%s/lock", directory);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "cannot open %s", path);
    status = take(descriptor, F_WRLCK, 0, path,
                  "a node or another command has the archive open; stop it first", error);
    if (status == MUR_OK)
        *out = mur_steal_descriptor(&descriptor);
    return status;
}
