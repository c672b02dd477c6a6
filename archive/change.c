/* Changes to what is stored already: links to an ISA-Tab, removals. Each is one transaction. */
#include <stdlib.h>
#include <string.h>

#include "archive/certificates.h"
#include "archive/internal.h"

enum mur_status mur_archive_change(struct mur_archive *archive, bool keep,
                                   mur_change_function *change, void *user, struct mur_error *error)
{
    (void)pthread_mutex_lock(&archive->write_mutex);
    enum mur_status status = mur_archive_begin(archive, true, error);
    if (status == MUR_OK) {
        mur_buffer_clear(&archive->manifest.lines);
        status = change(archive, user, error);
        if (status == MUR_OK && keep)
            status = mur_manifest_write(&archive->manifest, archive->writer, error);
        if (status == MUR_OK && keep)
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
    enum mur_status status = mur_archive_change(archive, true, link_series, &link, error);
    if (status == MUR_OK)
        *changed = link.changed > 0;
    return status;
}

/* ---- removals -------------------------------------------------------------------------------- */

enum { FILES = 2 };
static const char *const suffixes[FILES] = {".json.zst", ".dcm"};

struct removal {
    const char *const *sop_instances;
    size_t count;
    const char *why;
    struct mur_object **files;         /* FILES of each, condemned; NULL where there is none */
    char (*series)[MUR_UID_TEXT_SIZE]; /* of which something went */
    size_t series_count;
};

/* A file that is gone already is no reason to keep its row. */
static enum mur_status condemn(struct mur_object **out, struct mur_store *store,
                               const struct mur_instance *instance, const char *suffix,
                               struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(instance);
    struct mur_error attempt = MUR_ERROR_INIT;
    enum mur_status status = mur_object_condemn(out, store, &name, suffix, &attempt);
    if (status == MUR_OK || status == MUR_NOT_FOUND)
        return MUR_OK;
    return mur_error_set(error, status, "%s", attempt.message);
}

enum mur_status mur_condemn_instance(struct mur_object *out[FILES], struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < FILES; i++)
        status = condemn(&out[i], archive->store, instance, suffixes[i], error);
    return status;
}

static enum mur_status remove_rows(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct removal *removal = user;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < removal->count; i++) {
        bool found = false;
        struct mur_instance removed;
        status = mur_database_remove_instance(&found, &removed, archive->writer,
                                              removal->sop_instances[i], error);
        if (status != MUR_OK || !found)
            continue;
        size_t last = removal->series_count;
        if (last == 0 || strcmp(removal->series[last - 1], removed.series_instance) != 0)
            memcpy(removal->series[removal->series_count++], removed.series_instance,
                   MUR_UID_TEXT_SIZE);
        status = mur_condemn_instance(&removal->files[i * FILES], archive, &removed, error);
        if (status == MUR_OK)
            status = mur_manifest_add_removal(&archive->manifest, removal->sop_instances[i],
                                              removal->why, error);
    }
    return status;
}

enum mur_status mur_archive_remove(struct mur_archive *archive, const char *const *sop_instances,
                                   size_t count, const char *why, struct mur_error *error)
{
    struct removal removal = {.sop_instances = sop_instances, .count = count, .why = why};
    MUR_AUTO_FREE struct mur_object **files =
        calloc(count * FILES + 1, sizeof(struct mur_object *));
    MUR_AUTO_FREE char(*series)[MUR_UID_TEXT_SIZE] = calloc(count + 1, sizeof *series);
    if (files == NULL || series == NULL)
        return mur_error_no_memory(error);
    removal.files = files;
    removal.series = series;
    enum mur_status status = mur_archive_change(archive, true, remove_rows, &removal, error);
    if (status == MUR_OK) /* before the files, by which an unclean end is settled */
        mur_certificates_tidy(archive, series, removal.series_count);
    for (size_t i = 0; i < count * FILES; i++) {
        if (status == MUR_OK && files[i] != NULL)
            mur_object_displace(files[i]);
        mur_object_free(files[i]);
    }
    return status;
}

/* ---- attributes that were added later -------------------------------------------------------- */

enum { HEADERS_A_PIECE = 500 };

struct reindex {
    struct mur_archive *archive;
    int64_t after;
    size_t headers;
};

static enum mur_status add_rows(void *user, const struct mur_header_row *row,
                                struct mur_error *error)
{
    struct reindex *reindex = user;
    MUR_AUTO_HEADER_VALUES struct mur_header_values values = {0};
    enum mur_status status = mur_header_values_add_json(
        &values, (struct mur_slice){.data = row->json, .length = row->length}, MUR_HEADER_TABLE,
        error);
    mur_header_values_end(&values);
    if (status == MUR_OK)
        status = mur_database_add_attributes(reindex->archive->writer, row->owners, values.values,
                                             values.count, error);
    reindex->headers++;
    return status;
}

static enum mur_status reindex_piece(struct mur_archive *archive, void *user,
                                     struct mur_error *error)
{
    struct reindex *reindex = user;
    return mur_database_each_header(&reindex->after, archive->writer, reindex->after,
                                    mur_attributes_of_images_added(), HEADERS_A_PIECE, add_rows,
                                    reindex, error);
}

enum mur_status mur_archive_reindex_attributes(size_t *headers, struct mur_archive *archive,
                                               const struct mur_progress *progress,
                                               struct mur_error *error)
{
    struct mur_counts counts;
    enum mur_status status = mur_archive_count(&counts, archive, error);
    uint64_t total = 0;
    if (status == MUR_OK)
        total = (uint64_t)(mur_attributes_of_images_added() ? counts.instances : counts.series);
    struct reindex reindex = {.archive = archive};
    for (int64_t before = -1; status == MUR_OK && before != reindex.after;) {
        before = reindex.after;
        status = mur_archive_change(archive, true, reindex_piece, &reindex, error);
        mur_progress_update(progress, reindex.headers, total, NULL);
    }
    if (status == MUR_OK)
        *headers = reindex.headers;
    return status;
}
