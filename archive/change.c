/* Changes to what is stored already: links to an ISA-Tab, removals. Each is one transaction. */
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"

typedef enum mur_status change_function(struct mur_archive *archive, void *user,
                                        struct mur_error *error);

static enum mur_status in_transaction(struct mur_archive *archive, change_function *change,
                                      void *user, struct mur_error *error)
{
    (void)pthread_mutex_lock(&archive->write_mutex);
    enum mur_status status = mur_database_begin(archive->writer, error);
    if (status == MUR_OK) {
        mur_buffer_clear(&archive->manifest.lines);
        status = change(archive, user, error);
        if (status == MUR_OK)
            status = mur_manifest_write(&archive->manifest, archive->writer, error);
        if (status == MUR_OK)
            status = mur_database_commit(archive->writer, error);
        else
            mur_database_rollback(archive->writer);
    }
    (void)pthread_mutex_unlock(&archive->write_mutex);
    return status;
}

/* ---- links ----------------------------------------------------------------------------------- */

struct link {
    const char *series;
    const struct mur_isa_link *isa;
    int64_t changed;
};

static enum mur_status link_series(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct link *link = user;
    enum mur_status status =
        mur_database_link_series(&link->changed, archive->writer, link->series, link->isa->scan,
                                 link->isa->segmentation, error);
    if (status == MUR_OK && link->changed > 0)
        status = mur_manifest_add_link(&archive->manifest, link->series, link->isa, error);
    return status;
}

enum mur_status mur_archive_link(bool *changed, struct mur_archive *archive, const char *series,
                                 const struct mur_isa_link *isa, struct mur_error *error)
{
    struct link link = {.series = series, .isa = isa};
    enum mur_status status = in_transaction(archive, link_series, &link, error);
    if (status == MUR_OK)
        *changed = link.changed > 0;
    return status;
}

/* ---- removals -------------------------------------------------------------------------------- */

struct removal {
    const char *const *sop_instances;
    size_t count;
    const char *why;
    struct mur_instance *removed;
    size_t removed_count;
};

static enum mur_status remove_rows(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct removal *removal = user;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < removal->count; i++) {
        bool found = false;
        status = mur_database_remove_instance(&found, &removal->removed[removal->removed_count],
                                              archive->writer, removal->sop_instances[i], error);
        if (status == MUR_OK && found) {
            removal->removed_count++;
            status = mur_manifest_add_removal(&archive->manifest, removal->sop_instances[i],
                                              removal->why, error);
        }
    }
    return status;
}

enum mur_status mur_archive_remove(struct mur_archive *archive, const char *const *sop_instances,
                                   size_t count, const char *why, struct mur_error *error)
{
    struct removal removal = {.sop_instances = sop_instances, .count = count, .why = why};
    MUR_AUTO_FREE struct mur_instance *removed = calloc(count + 1, sizeof *removed);
    if (removed == NULL)
        return mur_error_no_memory(error);
    removal.removed = removed;
    enum mur_status status = in_transaction(archive, remove_rows, &removal, error);
    for (size_t i = 0; status == MUR_OK && i < removal.removed_count; i++) {
        struct mur_object_name name = {.study = removed[i].study_instance,
                                       .series = removed[i].series_instance,
                                       .instance = removed[i].sop_instance};
        status = mur_store_remove(archive->store, &name, ".json.zst", error);
        if (status == MUR_OK)
            status = mur_store_remove(archive->store, &name, ".dcm", error);
    }
    return status;
}
