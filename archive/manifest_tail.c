/* What the manifest says beyond the end that the index knows. As a rule that is what a commit that
 * did not come left, and it goes. But where an object of these lines is there, settled, the index
 * is of another day: one that was put back, or whose log was taken away. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/internal.h"
#include "core/json.h"

enum { LINE_LIMIT = 1 << 20, VERSIONS_TRIED = 16, NEXT_VERSIONS = 2 };

static const char *text_of(const struct mur_json *line, const char *key)
{
    const char *text = mur_json_text(mur_json_get(line, key));
    return text != NULL ? text : "";
}

/* Nobody is between a file and its row: what has one name only was committed once. */
static enum mur_status is_missed(bool *out, struct mur_archive *archive,
                                 const struct mur_json *line, struct mur_error *error)
{
    struct mur_instance known = {.id = 0};
    bool found = false;
    const char *event = text_of(line, "event");
    bool mended = strcmp(event, "mended") == 0;
    struct mur_object_name name = {.study = text_of(line, "study"),
                                   .series = text_of(line, "series"),
                                   .instance = text_of(line, "instance")};
    if (!mended && strcmp(event, "stored") != 0)
        return MUR_OK;
    enum mur_status status =
        mur_database_find_instance(&found, &known, archive->writer, name.instance, error);
    if (status != MUR_OK || (mended && !found))
        return status;
    if (mended)
        name = mur_name_of(&known);
    found = found && strcmp(name.study, known.study_instance) == 0 &&
            strcmp(name.series, known.series_instance) == 0;
    unsigned first = found ? known.version + 1 : 0;
    unsigned count = found ? NEXT_VERSIONS : VERSIONS_TRIED;
    for (unsigned i = 0; status == MUR_OK && i < count && !*out; i++) {
        name.version = first + i;
        status = mur_store_is_settled(out, archive->store, &name, ".dcm", error);
    }
    return status;
}

enum mur_status mur_manifest_check_tail(struct mur_archive *archive, struct mur_error *error)
{
    const struct mur_manifest *manifest = &archive->manifest;
    MUR_AUTO_FREE char *line = NULL;
    struct stat info;
    uint64_t length = 0;
    size_t size = 0;
    if (fstat(manifest->descriptor, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at %s", manifest->path);
    enum mur_status status = mur_database_manifest_length(&length, archive->writer, error);
    if (status != MUR_OK || (uint64_t)info.st_size <= length)
        return status;
    FILE *file = fopen(manifest->path, "re");
    if (file == NULL || fseeko(file, (off_t)length, SEEK_SET) != 0)
        status = mur_error_set_errno(error, errno, "cannot read %s", manifest->path);
    for (ssize_t got; status == MUR_OK && (got = getline(&line, &size, file)) > 0;) {
        MUR_AUTO(mur_json) *json = NULL;
        bool missed = false;
        if (mur_json_parse(&json, (struct mur_slice){line, (size_t)got}, LINE_LIMIT, NULL) !=
            MUR_OK)
            break; /* torn */
        status = is_missed(&missed, archive, json, error);
        if (status == MUR_OK && missed)
            status =
                mur_error_set(error, MUR_CORRUPT,
                              "%s is older than the archive: it does not know instance %s, which is"
                              " stored: \"murpacs reindex\" makes the index anew",
                              archive->index_path, text_of(json, "instance"));
    }
    if (file != NULL)
        (void)fclose(file);
    return status;
}
