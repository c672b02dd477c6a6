/* Certificates of what was converted: none may be missing, or left over. */
#include <stdlib.h>
#include <string.h>

#include "archive/certificates.h"
#include "archive/verify_parts.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "dicom/uid.h"

enum { CERTIFICATE_LIMIT = 64 << 20 };

/* An import stores a series before it has read it back. */
static const int64_t under_way_us = 600 * INT64_C(1000000);

struct certificates {
    struct mur_verify *verify;
    struct mur_database *reader;
};

static enum mur_status report(struct mur_verify *verify, const char *study, const char *path,
                              const char *text, struct mur_error *error)
{
    const struct mur_finding finding = {.kind = MUR_FINDING_CERTIFICATE,
                                        .sop_instance = "",
                                        .study = study,
                                        .path = path,
                                        .text = text};
    return mur_verify_report(verify, &finding, error);
}

/* Whether it says of this series that it is what it was made of. */
static bool certifies(const char *path, const char *series)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *json = NULL;
    if (mur_file_read_all(&text, path, CERTIFICATE_LIMIT, NULL) != MUR_OK ||
        mur_json_parse(&json, (struct mur_slice){text.data, text.length}, CERTIFICATE_LIMIT,
                       NULL) != MUR_OK)
        return false;
    const char *verdict = mur_json_text(mur_json_get(json, "Verdict"));
    const char *of =
        mur_json_text(mur_json_get(mur_json_get(json, "Converted"), "SeriesInstanceUID"));
    return verdict != NULL && strcmp(verdict, "pass") == 0 && of != NULL && strcmp(of, series) == 0;
}

static enum mur_status check_series(struct mur_verify *verify, const struct mur_made_of *one,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status =
        mur_archive_certificate_path(&path, verify->archive, one->series, error);
    if (status != MUR_OK)
        return status;
    if (mur_file_exists(path))
        return certifies(path, one->series)
                   ? MUR_OK
                   : report(verify, one->study, path, "it does not certify its series", error);
    if (!one->made_so || one->newest_us > verify->summary.started_us - under_way_us)
        return MUR_OK;
    return report(verify, one->study, path,
                  "the series was converted, but nothing certifies that it is what it was made of",
                  error);
}

static enum mur_status look_at(void *user, const struct mur_walk_entry *entry, bool *skip,
                               struct mur_error *error)
{
    const struct certificates *certificates = user;
    const size_t suffix = strlen(MUR_CERTIFICATE_SUFFIX);
    const char *name = mur_path_base(entry->path);
    size_t length = strlen(name);
    struct stat now;
    bool known = false;
    (void)skip;
    int64_t changed_us = (int64_t)entry->details.st_mtime * 1000000;
    if (name[0] == '.' && changed_us > certificates->verify->summary.started_us - under_way_us)
        return MUR_OK; /* is being written */
    if (entry->kind == MUR_WALK_FILE && entry->depth == 0 && length > suffix &&
        strcmp(name + length - suffix, MUR_CERTIFICATE_SUFFIX) == 0) {
        MUR_AUTO_FREE char *uid = NULL;
        enum mur_status status =
            mur_text_copy(&uid, (struct mur_slice){name, length - suffix}, error);
        if (status == MUR_OK)
            status = mur_database_has_series(&known, certificates->reader, uid, error);
        if (status != MUR_OK)
            return status;
    }
    return known || lstat(entry->path, &now) != 0 ? MUR_OK
                                                  : report(certificates->verify, "", entry->path,
                                                           "it belongs to no stored series", error);
}

enum mur_status mur_verify_certificates(struct mur_verify *verify, const char *study,
                                        struct mur_error *error)
{
    struct certificates certificates = {.verify = verify};
    MUR_AUTO_FREE struct mur_made_of *list = NULL;
    MUR_AUTO_FREE char *folder = NULL;
    size_t count = 0;
    enum mur_status status = mur_reader_take(&certificates.reader, verify->archive, error);
    if (status == MUR_OK)
        status = mur_database_list_made(&list, &count, certificates.reader, MUR_HOW_CONVERSION,
                                        study, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = check_series(verify, &list[i], error);
    if (status == MUR_OK)
        status = mur_path_join(&folder, verify->archive->directory, MUR_CERTIFICATE_FOLDER, error);
    if (status == MUR_OK && study == NULL && mur_directory_exists(folder))
        status = mur_directory_walk(folder, look_at, &certificates, error);
    mur_reader_return(verify->archive, certificates.reader);
    return status;
}
