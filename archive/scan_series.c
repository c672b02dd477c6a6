#include "archive/scan_series.h"
#include "archive/internal.h"

enum mur_status mur_archive_each_scan_series(struct mur_archive *archive,
                                             mur_scan_series_function *each, void *user,
                                             struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_each_scan_series(reader, each, user, error);
    mur_reader_return(archive, reader);
    return status;
}
