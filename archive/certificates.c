#include "archive/certificates.h"

#include <unistd.h>

#include "archive/internal.h"
#include "core/text.h"

enum mur_status mur_archive_certificate_path(char **out, const struct mur_archive *archive,
                                             const char *series, struct mur_error *error)
{
    return mur_text_format(out, error, "%s/" MUR_CERTIFICATE_FOLDER "/%s" MUR_CERTIFICATE_SUFFIX,
                           archive->directory, series);
}

struct tidied {
    char (*series)[MUR_UID_TEXT_SIZE];
    size_t count;
};

/* While the write lock is held: nobody brings the series back meanwhile. */
static enum mur_status tidy(struct mur_archive *archive, void *user, struct mur_error *error)
{
    const struct tidied *tidied = user;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < tidied->count; i++) {
        MUR_AUTO_FREE char *path = NULL;
        bool there = false;
        status = mur_database_has_series(&there, archive->writer, tidied->series[i], error);
        if (status == MUR_OK && !there)
            status = mur_archive_certificate_path(&path, archive, tidied->series[i], error);
        if (path != NULL)
            (void)unlink(path);
    }
    return status;
}

void mur_certificates_tidy(struct mur_archive *archive, char (*series)[MUR_UID_TEXT_SIZE],
                           size_t count)
{
    struct tidied tidied = {.series = series, .count = count};
    if (count > 0)
        (void)!mur_archive_change(archive, false, tidy, &tidied, NULL);
}
