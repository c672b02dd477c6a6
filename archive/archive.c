#include "archive/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/certificates.h"
#include "archive/internal.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/data_set.h"
#include "dicom/dictionary.h"

/* ---- opening --------------------------------------------------------------------------------- */

/* A file of no bytes is none: SQLite would make an empty index of it. */
static bool has_index(const struct mur_archive *archive)
{
    struct stat details;
    return stat(archive->index_path, &details) == 0 && details.st_size > 0;
}

/* A log that is none cannot be written, and what stands there may be somebody's. */
static enum mur_status check_log(const struct mur_archive *archive, const char *suffix,
                                 struct mur_error *error)
{
    struct stat details;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_text_format(&path, error, "%s%s", archive->index_path, suffix);
    if (status == MUR_OK && lstat(path, &details) == 0 && !S_ISREG(details.st_mode))
        status = mur_error_set(error, MUR_CORRUPT, "%s is no file: move it away", path);
    return status;
}

/* What has its name must be a file: SQLite would try to read a FIFO, or make a file where a link
 * leads to nowhere. */
static enum mur_status check_kind(const struct mur_archive *archive, struct mur_error *error)
{
    struct stat details;
    MUR_AUTO_FREE char *manifest = NULL;
    const char *what = NULL;
    enum mur_status status = check_log(archive, "-wal", error);
    if (status == MUR_OK)
        status = check_log(archive, "-shm", error);
    if (status != MUR_OK || lstat(archive->index_path, &details) != 0)
        return status; /* no index is another's to tell */
    if (S_ISLNK(details.st_mode) && stat(archive->index_path, &details) != 0)
        what = "is a link that leads nowhere";
    else if (!S_ISREG(details.st_mode))
        what = S_ISDIR(details.st_mode) ? "is a folder" : "is no file";
    else if (faccessat(AT_FDCWD, archive->index_path, R_OK | W_OK, AT_EACCESS) != 0 &&
             errno == EACCES)
        what = "may not be read and written by this user";
    if (what == NULL)
        return MUR_OK;
    status = mur_path_join(&manifest, archive->directory, "manifest.jsonl", error);
    if (status != MUR_OK)
        return status;
    return mur_error_set(error, MUR_CORRUPT, "%s %s: %s", archive->index_path, what,
                         mur_file_exists(manifest)
                             ? "put that right, or \"murpacs reindex\" makes the index anew"
                             : "move it away");
}

static enum mur_status no_archive(const struct mur_archive *archive, struct mur_error *error)
{
    return mur_error_set(error, MUR_NOT_FOUND, "%s: there is no archive (index.sqlite) here",
                         archive->directory);
}

/* An index that is gone while objects are there must never become an empty archive in silence. */
static enum mur_status check_index(const struct mur_archive *archive, bool existing,
                                   struct mur_error *error)
{
    bool empty = true;
    enum mur_status status = mur_store_is_empty(&empty, archive->store, error);
    if (status != MUR_OK || has_index(archive))
        return status;
    if (!empty)
        return mur_error_set(error, MUR_CORRUPT,
                             "%s is missing or empty, but there are objects in %s/objects:"
                             " \"murpacs reindex\" makes the index anew",
                             archive->index_path, archive->directory);
    return existing ? no_archive(archive, error) : MUR_OK;
}

struct leftover {
    struct mur_archive *archive;
    struct mur_dataset *header;
    char uids[3][MUR_UID_TEXT_SIZE];
};

/* What a killed process placed but did not commit, or had committed that it goes: the index does
 * not know it. With the last one of its series goes the certificate. */
static enum mur_status ask_index(struct mur_store_leftover *out, const char *path, void *user,
                                 struct mur_error *error)
{
    struct leftover *leftover = user;
    MUR_AUTO(mur_dataset) *header = NULL;
    if (mur_dataset_load(&header, path, MUR_HEADER, NULL) != MUR_OK)
        return MUR_OK; /* a sidecar: it goes with its object */
    static const uint32_t tags[3] = {MUR_TAG_StudyInstanceUID, MUR_TAG_SeriesInstanceUID,
                                     MUR_TAG_SOPInstanceUID};
    for (size_t i = 0; i < 3; i++) {
        const char *uid = "";
        if (mur_dataset_get_string(&uid, header, tags[i], NULL) != MUR_OK)
            return MUR_OK;
        (void)snprintf(leftover->uids[i], MUR_UID_TEXT_SIZE, "%s", uid);
    }
    struct mur_instance instance = {.version = 0};
    enum mur_status status = mur_database_find_instance(
        &out->known, &instance, leftover->archive->writer, leftover->uids[2], error);
    out->name = (struct mur_object_name){.study = leftover->uids[0],
                                         .series = leftover->uids[1],
                                         .instance = leftover->uids[2],
                                         .version = instance.version};
    out->named = true;
    if (status == MUR_OK && !out->known)
        mur_certificates_tidy(leftover->archive, &leftover->uids[1], 1);
    /* Under other parents it is another object, that the index does not know. */
    out->known = out->known && strcmp(instance.study_instance, leftover->uids[0]) == 0 &&
                 strcmp(instance.series_instance, leftover->uids[1]) == 0;
    return status;
}

static enum mur_status sweep(const struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO_FREE char *certificates = NULL;
    enum mur_status status =
        mur_path_join(&certificates, archive->directory, MUR_CERTIFICATE_FOLDER, error);
    if (status != MUR_OK)
        return status;
    mur_file_sweep(certificates, MUR_CERTIFICATE_SUFFIX);
    mur_file_sweep(archive->directory, ".json");           /* verify.json */
    (void)!mur_new_index_remove(archive->directory, NULL); /* where it cannot be, verify tells */
    return MUR_OK;
}

/* Nor must an index of nothing, which came there in whatever way. In a transaction, and when what
 * was left over is gone: nobody else is between a file and its row. */
static enum mur_status check_rows(struct mur_archive *archive, struct mur_error *error)
{
    struct mur_instance first = {.id = 0};
    bool any = false;
    size_t settled = 0;
    enum mur_status status =
        mur_database_next_instance(&any, &first, archive->writer, 0, INT64_MAX, error);
    if (status == MUR_OK && !any)
        status = mur_store_count_settled(&settled, archive->store, 1, error);
    if (status == MUR_OK && settled > 0)
        status = mur_error_set(error, MUR_CORRUPT,
                               "%s knows no objects, but there are some in %s/objects:"
                               " \"murpacs reindex\" makes the index anew",
                               archive->index_path, archive->directory);
    return status;
}

/* That the index is this archive's, and of today. */
static enum mur_status check_belonging(struct mur_archive *archive, struct mur_error *error)
{
    enum mur_status status = check_rows(archive, error);
    return status == MUR_OK ? mur_manifest_check_tail(archive, error) : status;
}

/* What an index of another day does not know must not go for that: it is asked only when it has
 * been checked against what is settled already, and once more when all is. */
static enum mur_status recover(struct mur_archive *archive, struct mur_error *error)
{
    struct leftover leftover = {.archive = archive};
    enum mur_status status = mur_database_begin(archive->writer, error);
    if (status == MUR_OK) {
        status = check_belonging(archive, error);
        mur_database_rollback(archive->writer);
    }
    if (status == MUR_OK)
        status = mur_store_recover(archive->store, ask_index, &leftover, error);
    if (status == MUR_OK)
        status = sweep(archive, error);
    if (status != MUR_OK)
        return status;
    status = mur_database_begin(archive->writer, error);
    if (status == MUR_OK) {
        status = check_belonging(archive, error);
        if (status == MUR_OK)
            status = mur_tables_sweep(archive, error);
        if (status == MUR_OK)
            status = mur_manifest_reconcile(archive, error);
        if (status == MUR_OK)
            status = mur_database_commit(archive->writer, error);
        else
            mur_database_rollback(archive->writer);
    }
    return status == MUR_OK ? mur_settling_recover(archive, error) : status;
}

static enum mur_status open_parts(struct mur_archive *archive,
                                  const struct mur_archive_options *options,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *objects = NULL;
    enum mur_status status = mur_path_join(&objects, archive->directory, "objects", error);
    if (status == MUR_OK)
        status = check_kind(archive, error);
    if (status == MUR_OK && options->existing && !has_index(archive) &&
        !mur_directory_exists(objects))
        return no_archive(archive, error);
    if (status == MUR_OK)
        status = mur_directory_create(archive->directory, 0750, error);
    if (status == MUR_OK)
        status = mur_archive_lock(&archive->lock, archive->directory, options->serving, error);
    struct mur_store_options store = {
        .directory = objects, .sync = archive->durable, .min_free = options->min_free};
    if (status == MUR_OK)
        status = mur_store_open(&archive->store, &store, error);
    if (status == MUR_OK)
        status = check_index(archive, options->existing, error);
    if (status == MUR_OK)
        status = mur_database_open(&archive->writer, archive->index_path, MUR_DATABASE_WRITE,
                                   archive->durable, error);
    if (status == MUR_OK)
        mur_database_keep_log(archive->writer);
    if (status == MUR_OK && options->header_wins)
        mur_database_prefer_header(archive->writer);
    if (status == MUR_OK)
        mur_archive_watch_links(archive, options->links);
    if (status == MUR_OK)
        status = mur_manifest_open(&archive->manifest, archive->directory, error);
    archive->manifest.synced = archive->durable;
    if (status == MUR_OK)
        status = recover(archive, error);
    if (status == MUR_OK && options->serving && archive->durable &&
        mur_store_check_space(archive->store, NULL) == MUR_OK)
        mur_database_prepare_log(archive->writer);
    return status;
}

enum mur_status mur_archive_open(struct mur_archive **out,
                                 const struct mur_archive_options *options, struct mur_error *error)
{
    enum mur_status status = mur_dictionary_load(error);
    if (status == MUR_OK && options->attributes != NULL)
        status = mur_attributes_extend(options->attributes, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO(mur_archive) *archive = calloc(1, sizeof *archive);
    if (archive == NULL)
        return mur_error_no_memory(error);
    archive->lock = -1;
    archive->manifest.descriptor = -1;
    archive->durable = options->durability == MUR_DURABILITY_DURABLE;
    archive->duplicates = options->duplicates;
    archive->fold_case = options->fold_case;
    archive->unknown_matches = options->unknown_matches;
    archive->header_wins = options->header_wins;
    archive->note = options->note;
    archive->note_user = options->note_user;
    (void)pthread_mutex_init(&archive->mutex, NULL);
    (void)pthread_mutex_init(&archive->quota_mutex, NULL);
    (void)pthread_mutex_init(&archive->write_mutex, NULL);
    (void)pthread_cond_init(&archive->arrived, NULL);
    status = mur_quotas_open(archive, options->quotas, error);
    if (status == MUR_OK)
        status = mur_text_copy(&archive->directory, mur_slice_of(options->directory), error);
    if (status == MUR_OK)
        status = mur_path_join(&archive->index_path, archive->directory, "index.sqlite", error);
    if (status == MUR_OK)
        status = mur_text_copy(
            &archive->ae_title,
            mur_slice_of(options->ae_title != NULL ? options->ae_title : "MURPACS"), error);
    if (status == MUR_OK)
        status = open_parts(archive, options, error);
    if (status != MUR_OK)
        return status;
    int result = pthread_create(&archive->thread, NULL, mur_archive_writer, archive);
    if (result != 0)
        return mur_error_set_errno(error, result, "cannot start the writer");
    archive->thread_started = true;
    *out = MUR_STEAL(archive);
    return MUR_OK;
}

void mur_archive_close(struct mur_archive *archive)
{
    if (archive == NULL)
        return;
    if (archive->thread_started) {
        (void)pthread_mutex_lock(&archive->mutex);
        archive->closing = true;
        (void)pthread_cond_signal(&archive->arrived);
        (void)pthread_mutex_unlock(&archive->mutex);
        (void)pthread_join(archive->thread, NULL);
    }
    for (size_t i = 0; i < archive->reader_count; i++)
        mur_database_close(archive->readers[i]);
    mur_settling_close(archive);
    mur_manifest_close(&archive->manifest);
    mur_database_close(archive->writer);
    mur_store_close(archive->store);
    if (archive->lock >= 0)
        (void)close(archive->lock);
    (void)pthread_cond_destroy(&archive->arrived);
    (void)pthread_mutex_destroy(&archive->write_mutex);
    (void)pthread_mutex_destroy(&archive->mutex);
    (void)pthread_mutex_destroy(&archive->quota_mutex);
    mur_quotas_close(archive);
    free(archive->ae_title);
    free(archive->index_path);
    free(archive->directory);
    free(archive);
}

const char *mur_archive_directory(const struct mur_archive *archive)
{
    return archive->directory;
}

/* ---- read connections ------------------------------------------------------------------------ */

enum mur_status mur_reader_take(struct mur_database **out, struct mur_archive *archive,
                                struct mur_error *error)
{
    struct mur_database *reader = NULL;
    (void)pthread_mutex_lock(&archive->mutex);
    if (archive->reader_count > 0)
        reader = archive->readers[--archive->reader_count];
    (void)pthread_mutex_unlock(&archive->mutex);
    if (reader != NULL) {
        *out = reader;
        return MUR_OK;
    }
    enum mur_status status =
        mur_database_open(out, archive->index_path, MUR_DATABASE_READ, archive->durable, error);
    if (status == MUR_OK)
        mur_database_set_matching(*out, archive->fold_case, archive->unknown_matches);
    return status;
}

void mur_reader_return(struct mur_archive *archive, struct mur_database *reader)
{
    if (reader == NULL)
        return;
    (void)pthread_mutex_lock(&archive->mutex);
    if (archive->reader_count < MUR_READERS) {
        archive->readers[archive->reader_count++] = reader;
        reader = NULL;
    }
    (void)pthread_mutex_unlock(&archive->mutex);
    mur_database_close(reader);
}

/* ---- questions ------------------------------------------------------------------------------- */

enum { PAGE_ROWS = 128 };

struct mur_cursor {
    struct mur_archive *archive;
    struct mur_find *find;
    size_t key_count;
    const struct mur_value *page;
    size_t rows; /* in the page */
    size_t next; /* row of the page */
};

enum mur_status mur_archive_find(struct mur_cursor **out, struct mur_archive *archive,
                                 const struct mur_query *query, struct mur_error *error)
{
    MUR_AUTO(mur_cursor) *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return mur_error_no_memory(error);
    cursor->archive = archive;
    cursor->key_count = query->key_count;
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_find_create(&cursor->find, reader, query, archive->ae_title, error);
    mur_reader_return(archive, reader);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(cursor);
    return MUR_OK;
}

enum mur_status mur_cursor_next(const struct mur_value **values, bool *found,
                                struct mur_cursor *cursor, struct mur_error *error)
{
    if (cursor->next == cursor->rows) {
        struct mur_database *reader = NULL;
        enum mur_status status = mur_reader_take(&reader, cursor->archive, error);
        if (status == MUR_OK)
            status =
                mur_find_page(&cursor->page, &cursor->rows, cursor->find, reader, PAGE_ROWS, error);
        mur_reader_return(cursor->archive, reader);
        if (status != MUR_OK)
            return status;
        cursor->next = 0;
    }
    *found = cursor->next < cursor->rows;
    if (*found)
        *values = cursor->page + cursor->next++ * cursor->key_count;
    return MUR_OK;
}

size_t mur_cursor_count(const struct mur_cursor *cursor)
{
    return mur_find_count(cursor->find);
}

void mur_cursor_free(struct mur_cursor *cursor)
{
    if (cursor == NULL)
        return;
    mur_find_free(cursor->find);
    free(cursor);
}

struct mur_object_name mur_name_of(const struct mur_instance *instance)
{
    return (struct mur_object_name){.study = instance->study_instance,
                                    .series = instance->series_instance,
                                    .instance = instance->sop_instance,
                                    .version = instance->version};
}

/* ---- retrieval ------------------------------------------------------------------------------- */

void mur_plan_free(struct mur_plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->items);
    plan->items = NULL;
    plan->count = 0;
}

enum mur_status mur_archive_plan(struct mur_plan *out, struct mur_archive *archive,
                                 const struct mur_query *query, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_plan(&out->items, &out->count, reader, query, error);
    mur_reader_return(archive, reader);
    return status;
}

enum mur_status mur_archive_look_up(bool *found, struct mur_instance *out,
                                    struct mur_archive *archive, const char *sop_instance,
                                    struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_find_instance(found, out, reader, sop_instance, error);
    mur_reader_return(archive, reader);
    return status;
}

enum mur_status mur_archive_open_item(int *descriptor, struct mur_archive *archive,
                                      const struct mur_instance *item, struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(item);
    MUR_AUTO_CLOSE int file = -1;
    enum mur_status status = mur_store_open_object(&file, archive->store, &name, ".dcm", error);
    if (status == MUR_NOT_FOUND)
        return mur_error_set(error, MUR_CORRUPT, "the file of instance %s is missing",
                             item->sop_instance);
    if (status != MUR_OK)
        return status;
    struct stat info;
    if (fstat(file, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at instance %s", item->sop_instance);
    if ((uint64_t)info.st_size != item->offset + item->length)
        return mur_error_set(error, MUR_CORRUPT,
                             "the file of instance %s has %lld bytes, stored were %llu",
                             item->sop_instance, (long long)info.st_size,
                             (unsigned long long)(item->offset + item->length));
    *descriptor = mur_steal_descriptor(&file);
    return MUR_OK;
}

enum mur_status mur_archive_item_path(char **out, struct mur_archive *archive,
                                      const struct mur_instance *item, struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(item);
    MUR_AUTO_CLOSE int file = -1; /* it is there, and whole */
    enum mur_status status = mur_archive_open_item(&file, archive, item, error);
    return status == MUR_OK ? mur_store_object_path(out, archive->store, &name, ".dcm", error)
                            : status;
}

enum mur_status mur_archive_count(struct mur_counts *out, struct mur_archive *archive,
                                  struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_count(out, reader, error);
    mur_reader_return(archive, reader);
    return status;
}

enum mur_status mur_archive_each_conflict(struct mur_archive *archive,
                                          enum mur_status (*each)(void *user,
                                                                  const struct mur_conflict *one,
                                                                  struct mur_error *error),
                                          void *user, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_each_conflict(reader, each, user, error);
    mur_reader_return(archive, reader);
    return status;
}
