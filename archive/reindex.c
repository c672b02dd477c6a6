/* The index anew, from what it was made of: the manifest, the objects and the tables as delivered.
 * The new one is made beside the old one and takes its place at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/reindex_parts.h"
#include "archive/verify_parts.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/part10.h"

enum { READ_SIZE = 256 * 1024, PIECE = 256, PIECES_A_COMMIT = 64, MOST_THREADS = 16 };

/* ---- tables ---------------------------------------------------------------------------------- */

/* Tables that are not those that were applied any more would say what nobody said. Without them
 * their scans stay empty, and links stand in the manifest still. */
static enum mur_status put_last_version(struct mur_reindex *reindex,
                                        const struct mur_isa_version *one, int64_t dataset,
                                        struct mur_error *error)
{
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status = mur_tables_read(&isa, &reason, &reindex->archive, one, error);
    if (status == MUR_OK && isa == NULL) {
        if (reindex->summary.tables++ == 0)
            (void)mur_error_set(&reindex->summary.tables_why, reason.status, "%s: %s", one->folder,
                                reason.message);
        return MUR_OK;
    }
    if (status == MUR_OK)
        status = mur_mapping_scans(&scans, reindex->mapping, isa, &diagnostics, error);
    if (status == MUR_OK)
        status = mur_archive_put_scans(&reindex->archive, dataset, isa, scans, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "tables in %s", one->folder);
}

static enum mur_status put_tables(struct mur_reindex *reindex, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; status == MUR_OK && i < reindex->version_count; i++) {
        const struct mur_told_tables *one = &reindex->versions[i];
        int64_t dataset = 0;
        bool last = true;
        for (uint32_t j = i + 1; j < reindex->version_count; j++)
            last = last && reindex->versions[j].dataset != one->dataset;
        status = mur_database_put_isa_dataset(&dataset, reindex->archive.writer, one->dataset,
                                              one->version, one->folder, one->digest,
                                              one->applied_us, error);
        const struct mur_isa_version version = {
            .dataset = one->dataset, .folder = one->folder, .digest = one->digest};
        if (status == MUR_OK && last)
            status = put_last_version(reindex, &version, dataset, error);
    }
    for (uint32_t i = 0; status == MUR_OK && i < reindex->link_count; i++) {
        struct mur_told_link *link = &reindex->links[i];
        if (link->dataset != NULL)
            status =
                mur_database_scan_of_link(&link->scan, reindex->archive.writer, link->dataset,
                                          link->tables_study, link->assay_file, link->assay, error);
    }
    return status;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* One instance, scanned by any thread. */
struct scanned {
    struct mur_told_instance *stored;
    struct mur_header *header;
    struct mur_new_instance record;
    struct mur_error error;
};

struct piece {
    struct mur_reindex *reindex;
    struct scanned *items;
    size_t count;
    atomic_size_t next;
};

static enum mur_status scan_file(struct scanned *one, struct mur_reindex *reindex, const char *path,
                                 struct mur_error *error)
{
    struct mur_instance *instance = &one->record.instance;
    MUR_AUTO_CLOSE int file = -1;
    struct mur_part10 head;
    MUR_AUTO_FREE char *bytes = malloc(READ_SIZE);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_file_open_regular(&file, path, error);
    if (status == MUR_OK)
        status = mur_part10_read(&head, file, path, error);
    if (status == MUR_OK)
        status =
            mur_header_create(&one->header, head.transfer_syntax, reindex->archive.store, error);
    if (status != MUR_OK)
        return status;
    memcpy(instance->sop_class, head.sop_class, MUR_UID_TEXT_SIZE);
    memcpy(instance->transfer_syntax, head.transfer_syntax, MUR_UID_TEXT_SIZE);
    instance->offset = head.offset;
    for (size_t got = READ_SIZE; status == MUR_OK && got == READ_SIZE;) {
        status = mur_pread_full(&got, file, bytes, READ_SIZE,
                                (off_t)(head.offset + instance->length), path, error);
        if (status == MUR_OK)
            status = mur_header_write(one->header, bytes, got, error);
        instance->length += got;
    }
    return status == MUR_OK ? mur_header_finish(one->header, path, head.offset, error) : status;
}

static void scan_one(struct scanned *one, struct mur_reindex *reindex)
{
    struct mur_told_instance *stored = one->stored;
    struct mur_new_instance *record = &one->record;
    struct mur_instance *instance = &record->instance;
    (void)snprintf(instance->sop_instance, MUR_UID_TEXT_SIZE, "%s", stored->instance);
    (void)snprintf(instance->series_instance, MUR_UID_TEXT_SIZE, "%s", stored->series);
    (void)snprintf(instance->study_instance, MUR_UID_TEXT_SIZE, "%s", stored->study);
    memcpy(instance->digest, stored->digest, sizeof instance->digest);
    instance->version = stored->version;
    MUR_AUTO_FREE char *path = NULL;
    struct mur_object_name name = mur_name_of(instance);
    enum mur_status status =
        mur_store_object_path(&path, reindex->archive.store, &name, ".dcm", &one->error);
    if (status == MUR_OK)
        status = mur_store_is_settled(&stored->settled, reindex->archive.store, &name, ".dcm",
                                      &one->error);
    if (status == MUR_OK)
        status = scan_file(one, reindex, path, &one->error);
    if (status != MUR_OK)
        return;
    record->row = stored->number;
    record->patient_id = mur_header_text(one->header, MUR_TAG_PatientID);
    record->issuer = mur_header_text(one->header, MUR_TAG_IssuerOfPatientID);
    record->received_us = stored->received_us;
    const struct mur_buffer *json =
        mur_header_json(one->header, &record->header_form, &record->header_complete);
    record->header = json->data;
    record->header_length = json->length;
    record->how = stored->how;
    record->calling_ae = stored->calling_ae;
    record->peer = stored->peer;
    record->path = stored->path;
    uint32_t link = mur_isa_index_get(&reindex->link_places, stored->series);
    if (link != MUR_ISA_NONE && reindex->links[link].kind == MUR_LINK_TABLES) {
        record->isa_scan = reindex->links[link].scan;
        record->segmentation = reindex->links[link].segmentation;
    }
}

static void *scan_some(void *user)
{
    struct piece *piece = user;
    for (size_t i = atomic_fetch_add(&piece->next, 1); i < piece->count;
         i = atomic_fetch_add(&piece->next, 1))
        scan_one(&piece->items[i], piece->reindex);
    return NULL;
}

static void scan_piece(struct piece *piece)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[MOST_THREADS];
    long started = 0;
    while (started + 1 < cores && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, scan_some, piece) == 0)
        started++;
    (void)scan_some(piece);
    for (long i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

static enum mur_status insert_one(struct mur_reindex *reindex, struct scanned *one,
                                  struct mur_error *error)
{
    struct mur_database *writer = reindex->archive.writer;
    struct mur_new_instance *record = &one->record;
    if (one->error.status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (one->error.status != MUR_OK) { /* it is gone, or cannot be read any more */
        reindex->summary.lost++;
        if (reindex->options->note != NULL)
            reindex->options->note(reindex->options->note_user, record->instance.sop_instance,
                                   one->error.message);
        return MUR_OK;
    }
    MUR_AUTO_HEADER_VALUES struct mur_header_values values = {0};
    bool known = mur_database_knows_series(writer, record->instance.study_instance,
                                           record->instance.series_instance, record->patient_id,
                                           record->issuer);
    enum mur_status status = mur_header_get_values(&values, one->header, !known, error);
    record->values = values.values;
    record->value_count = values.count;
    int64_t id = 0;
    if (status == MUR_OK)
        status = mur_database_insert_instance(&id, writer, record, error);
    bool found = false;
    if (status == MUR_OK && one->stored->committed)
        status = mur_database_commit_instance(&found, writer, &record->instance, error);
    if (status == MUR_OK && one->stored->has_sha256)
        status = mur_database_set_sha256(&found, writer, id, one->stored->sha256, error);
    reindex->summary.instances += status == MUR_OK ? 1 : 0;
    return status;
}

static int by_number(const void *left, const void *right)
{
    const struct mur_told_instance *a = *(const struct mur_told_instance *const *)left;
    const struct mur_told_instance *b = *(const struct mur_told_instance *const *)right;
    return a->number < b->number ? -1 : a->number > b->number;
}

static enum mur_status put_objects(struct mur_reindex *reindex, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_told_instance **alive =
        calloc((size_t)reindex->instance_count + 1, sizeof *alive);
    MUR_AUTO_FREE struct scanned *items = calloc(PIECE, sizeof *items);
    size_t count = 0;
    if (alive == NULL || items == NULL)
        return mur_error_no_memory(error);
    for (uint32_t i = 0; i < reindex->instance_count; i++)
        if (reindex->instances[i].alive)
            alive[count++] = &reindex->instances[i];
    qsort(alive, count, sizeof(alive[0]), by_number);
    enum mur_status status = MUR_OK;
    for (size_t at = 0; status == MUR_OK && at < count; at += PIECE) {
        struct piece piece = {
            .reindex = reindex, .items = items, .count = count - at < PIECE ? count - at : PIECE};
        for (size_t i = 0; i < piece.count; i++)
            items[i] = (struct scanned){.stored = alive[at + i], .error = MUR_ERROR_INIT};
        scan_piece(&piece);
        for (size_t i = 0; i < piece.count; i++) {
            if (status == MUR_OK)
                status = insert_one(reindex, &items[i], error);
            mur_header_free(items[i].header);
        }
        if (status == MUR_OK && (at / PIECE + 1) % PIECES_A_COMMIT == 0) {
            status = mur_database_commit(reindex->archive.writer, error);
            if (status == MUR_OK)
                status = mur_database_begin(reindex->archive.writer, error);
        }
        mur_progress_update(reindex->progress, at + piece.count, count, NULL);
    }
    return status;
}

/* A manifest that was cut, or taken from an older copy, leaves objects out: silence about them
 * would be a loss. */
static enum mur_status count_unknown(struct mur_reindex *reindex, struct mur_error *error)
{
    size_t settled = 0;
    size_t known = 0;
    enum mur_status status =
        mur_store_count_settled(&settled, reindex->archive.store, SIZE_MAX, error);
    if (status != MUR_OK)
        return status;
    for (uint32_t i = 0; i < reindex->instance_count; i++)
        known += reindex->instances[i].alive && reindex->instances[i].settled;
    reindex->summary.unknown = settled - known;
    if (reindex->summary.unknown > 0 && reindex->summary.instances == 0)
        return mur_reindex_useless_manifest(reindex, "knows none of the objects that are there",
                                            error);
    return MUR_OK;
}

static enum mur_status put_decisions(struct mur_reindex *reindex, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; status == MUR_OK && i < reindex->link_count; i++) {
        const struct mur_told_link *link = &reindex->links[i];
        int64_t changed = 0;
        if (link->kind == MUR_LINK_HAND)
            status = mur_database_set_link(&changed, reindex->archive.writer, link->series,
                                           link->scan, link->segmentation, MUR_LINK_HAND, error);
    }
    return status == MUR_OK ? mur_database_drop_gone_scans(reindex->archive.writer, error) : status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void reindex_free(struct mur_reindex *reindex)
{
    mur_isa_index_free(&reindex->instance_places);
    mur_isa_index_free(&reindex->link_places);
    mur_isa_strings_free(reindex->strings);
    free(reindex->instances);
    free(reindex->links);
    free(reindex->versions);
    mur_database_close(reindex->archive.writer);
    mur_store_close(reindex->archive.store);
    free(reindex->archive.directory);
    free(reindex->archive.index_path);
    if (reindex->archive.lock >= 0)
        (void)close(reindex->archive.lock);
}

/* An index that was begun, by this run or by one that was killed. */
enum mur_status mur_new_index_remove(const char *directory, struct mur_error *error)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(suffixes); i++) {
        MUR_AUTO_FREE char *path = NULL;
        status = mur_text_format(&path, error, "%s/" MUR_NEW_INDEX "%s", directory, suffixes[i]);
        if (status == MUR_OK && unlink(path) != 0 && errno != ENOENT)
            status = mur_error_set_errno(error, errno, "cannot remove %s", path);
    }
    return status;
}

static enum mur_status open_beside(struct mur_reindex *reindex, struct mur_error *error)
{
    const struct mur_archive_options *options = reindex->options;
    MUR_AUTO_FREE char *objects = NULL;
    enum mur_status status =
        mur_text_copy(&reindex->archive.directory, mur_slice_of(options->directory), error);
    if (status == MUR_OK && !mur_directory_exists(options->directory))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such folder", options->directory);
    if (status == MUR_OK)
        status = mur_archive_lock_alone(&reindex->archive.lock, options->directory, error);
    if (status == MUR_OK)
        status = mur_path_join(&objects, options->directory, "objects", error);
    const struct mur_store_options store = {.directory = objects};
    if (status == MUR_OK)
        status = mur_store_open(&reindex->archive.store, &store, error);
    if (status == MUR_OK)
        status =
            mur_path_join(&reindex->archive.index_path, options->directory, MUR_NEW_INDEX, error);
    if (status == MUR_OK)
        status = mur_new_index_remove(options->directory, error);
    if (status != MUR_OK)
        return status;
    status = mur_database_open(&reindex->archive.writer, reindex->archive.index_path,
                               MUR_DATABASE_WRITE, false, error);
    if (status == MUR_OK && options->header_wins)
        mur_database_prefer_header(reindex->archive.writer);
    if (status == MUR_OK)
        mur_archive_watch_links(&reindex->archive, options->links);
    return status;
}

/* A folder, say, has no place here, but may be somebody's: it gets another name. And so does an
 * index that may be better than a manifest with damaged lines, or than damaged tables. */
static enum mur_status put_aside(struct mur_reindex *reindex, const char *place,
                                 struct mur_error *error)
{
    enum { NAMES = 100 };
    struct stat info;
    char *name = reindex->summary.aside;
    if (lstat(place, &info) != 0 ||
        (S_ISREG(info.st_mode) && reindex->summary.unread == 0 && reindex->summary.tables == 0))
        return MUR_OK;
    for (int i = 1; i < NAMES; i++) {
        MUR_AUTO_FREE char *path = NULL;
        (void)snprintf(name, sizeof reindex->summary.aside, "index.sqlite.aside-%d", i);
        enum mur_status status = mur_path_join(&path, reindex->archive.directory, name, error);
        if (status != MUR_OK)
            return status;
        if (renameat2(AT_FDCWD, place, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return MUR_OK;
        if (errno != EEXIST)
            return mur_error_set_errno(error, errno, "%s cannot be put aside: move it away", place);
    }
    return mur_error_set(error, MUR_EXISTS, "%s cannot be put aside: move it away", place);
}

/* On disk, then under its name. */
static enum mur_status take_place(struct mur_reindex *reindex, struct mur_error *error)
{
    static const char *const logs[] = {"index.sqlite-wal", "index.sqlite-shm"};
    const char *directory = reindex->archive.directory;
    MUR_AUTO_FREE char *place = NULL;
    enum mur_status status = mur_database_empty_log(reindex->archive.writer, error);
    if (status != MUR_OK)
        return status;
    mur_database_close(MUR_STEAL(reindex->archive.writer));
    status = mur_path_join(&place, directory, "index.sqlite", error);
    MUR_AUTO_CLOSE int file = open(reindex->archive.index_path, O_RDONLY | O_CLOEXEC);
    if (status == MUR_OK && (file < 0 || fsync(file) != 0))
        status = mur_error_set_errno(error, errno, "cannot sync %s", reindex->archive.index_path);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(logs); i++) {
        MUR_AUTO_FREE char *log = NULL;
        status = mur_path_join(&log, directory, logs[i], error);
        if (status == MUR_OK && unlink(log) != 0 && errno != ENOENT)
            status = mur_error_set_errno(error, errno, "cannot remove %s", log);
    }
    if (status == MUR_OK)
        status = put_aside(reindex, place, error);
    if (status == MUR_OK && rename(reindex->archive.index_path, place) != 0)
        status = mur_error_set_errno(error, errno, "cannot rename %s", reindex->archive.index_path);
    return status == MUR_OK ? mur_directory_sync(directory, error) : status;
}

static void give_up(struct mur_reindex *reindex)
{
    mur_database_close(MUR_STEAL(reindex->archive.writer));
    (void)!mur_new_index_remove(reindex->archive.directory, NULL);
}

enum mur_status mur_archive_reindex(struct mur_reindex_summary *out,
                                    const struct mur_archive_options *options,
                                    const struct mur_mapping *mapping,
                                    const struct mur_progress *progress, struct mur_error *error)
{
    __attribute__((cleanup(reindex_free))) struct mur_reindex reindex = {
        .options = options, .mapping = mapping, .progress = progress, .archive = {.lock = -1}};
    enum mur_status status = mur_dictionary_load(error);
    if (status == MUR_OK && options->attributes != NULL)
        status = mur_attributes_extend(options->attributes, error);
    if (status == MUR_OK)
        status = mur_isa_strings_create(&reindex.strings, error);
    reindex.instance_places.strings = reindex.strings;
    reindex.link_places.strings = reindex.strings;
    if (status == MUR_OK)
        status = open_beside(&reindex, error);
    if (status == MUR_OK)
        status = mur_reindex_read_manifest(&reindex, error);
    if (status == MUR_OK)
        status = mur_database_begin(reindex.archive.writer, error);
    if (status == MUR_OK)
        status = put_tables(&reindex, error);
    if (status == MUR_OK)
        status = put_objects(&reindex, error);
    if (status == MUR_OK && reindex.summary.instances == 0 && reindex.summary.lost > 0)
        status = mur_error_set(error, MUR_NOT_FOUND,
                               "none of %zu objects is in %s/objects: is its disk there? The index"
                               " stays as it was",
                               reindex.summary.lost, options->directory);
    if (status == MUR_OK)
        status = count_unknown(&reindex, error);
    if (status == MUR_OK)
        status = put_decisions(&reindex, error);
    if (status == MUR_OK)
        status = mur_database_set_manifest_length(reindex.archive.writer, reindex.manifest_length,
                                                  error);
    if (status == MUR_OK)
        status = mur_database_set_manifest_lasting(reindex.archive.writer, reindex.manifest_lasting,
                                                   error);
    if (status == MUR_OK)
        status = mur_database_commit(reindex.archive.writer, error);
    if (status == MUR_OK)
        status = take_place(&reindex, error);
    if (status == MUR_OK)
        *out = reindex.summary;
    else if (reindex.archive.lock >= 0 && reindex.archive.index_path != NULL)
        give_up(&reindex);
    return status;
}
