#include "archive/overview.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "archive/internal.h"

enum mur_status mur_archive_each_group(struct mur_archive *archive, enum mur_grouping grouping,
                                       mur_group_function *each, void *user,
                                       struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_each_group(reader, grouping, each, user, error);
    mur_reader_return(archive, reader);
    return status;
}

enum mur_status mur_archive_arrivals(struct mur_arrivals *out, struct mur_archive *archive,
                                     int64_t since_us, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_arrivals(out, reader, since_us, error);
    mur_reader_return(archive, reader);
    return status;
}

enum mur_status mur_archive_backlog(struct mur_backlog *out, struct mur_archive *archive,
                                    struct mur_error *error)
{
    struct mur_backlog backlog = {.unsettled = 0};
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_count_commitments(&backlog.commitments, reader, error);
    mur_reader_return(archive, reader);
    if (status != MUR_OK)
        return status;
    (void)pthread_mutex_lock(&archive->mutex);
    backlog.unsettled = archive->queued;
    (void)pthread_mutex_unlock(&archive->mutex);
    *out = backlog;
    return MUR_OK;
}

enum mur_status mur_archive_disk_free(uint64_t *out, const struct mur_archive *archive,
                                      struct mur_error *error)
{
    struct statvfs info;
    if (statvfs(archive->directory, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot ask for free space of %s",
                                   archive->directory);
    *out = (uint64_t)info.f_bavail * info.f_frsize;
    return MUR_OK;
}
