/* Files that no row knows. */
#include <stdlib.h>
#include <string.h>

#include "archive/verify_parts.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/data_set.h"

#define SIDECAR ".json.zst"

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Came after its row would have been listed: the object itself says what it is. A sidecar belongs
 * to the object beside it. */
static enum mur_status is_known_now(bool *out, struct mur_verify *verify, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE char *object = NULL;
    size_t length = strlen(path);
    bool sidecar =
        length > strlen(SIDECAR) && strcmp(path + length - strlen(SIDECAR), SIDECAR) == 0;
    enum mur_status status =
        sidecar ? mur_text_format(&object, error, "%.*s.dcm", (int)(length - strlen(SIDECAR)), path)
                : mur_text_copy(&object, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    *out = false;
    MUR_AUTO(mur_dataset) *header = NULL;
    const char *uid = "";
    struct stat info;
    if (lstat(object, &info) != 0 || !S_ISREG(info.st_mode) ||
        mur_dataset_load(&header, object, MUR_HEADER, NULL) != MUR_OK ||
        mur_dataset_get_string(&uid, header, MUR_TAG_SOPInstanceUID, NULL) != MUR_OK)
        return MUR_OK;
    struct mur_instance instance = {.id = 0};
    bool found = false;
    status = mur_archive_look_up(&found, &instance, verify->archive, uid, error);
    if (status != MUR_OK || !found || (sidecar && instance.id <= verify->last))
        return status;
    struct mur_object_name name = mur_name_of(&instance);
    MUR_AUTO_FREE char *place = NULL;
    status = mur_store_object_path(&place, verify->archive->store, &name, ".dcm", error);
    if (status == MUR_OK)
        *out = strcmp(place, object) == 0;
    return status;
}

static enum mur_status look_at(void *user, const struct mur_walk_entry *entry, bool *skip,
                               struct mur_error *error)
{
    struct mur_verify *verify = user;
    if (entry->kind == MUR_WALK_DIRECTORY) {
        *skip = mur_store_is_incoming(mur_path_base(entry->path));
        return MUR_OK;
    }
    uint64_t hash = mur_xxh64_of(entry->path, strlen(entry->path));
    if (verify->place_count > 0 && bsearch(&hash, verify->places, verify->place_count,
                                           sizeof(verify->places[0]), by_value) != NULL)
        return MUR_OK;
    struct stat now;
    bool known = false;
    /* With a second name it is just coming or going. */
    if (entry->kind == MUR_WALK_FILE &&
        (entry->details.st_nlink > 1 || stat(entry->path, &now) != 0))
        return MUR_OK;
    enum mur_status status =
        entry->kind == MUR_WALK_FILE ? is_known_now(&known, verify, entry->path, error) : MUR_OK;
    if (status != MUR_OK || known || lstat(entry->path, &now) != 0)
        return status;
    return mur_verify_report_stray(verify, entry->path, "no row of the index knows this file",
                                   error);
}

enum mur_status mur_verify_strays(struct mur_verify *verify, const char *folder,
                                  struct mur_error *error)
{
    if (verify->place_count > 0)
        qsort(verify->places, verify->place_count, sizeof(verify->places[0]), by_value);
    return mur_directory_exists(folder) ? mur_directory_walk(folder, look_at, verify, error)
                                        : MUR_OK;
}
