#include "archive/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/backup_files.h"
#include "archive/certificates.h"
#include "archive/reports.h"
#include "archive/verify_parts.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json_write.h"
#include "core/text.h"

enum { PAGE = 1000, FILE_MODE = 0640, FOLDER_MODE = 0750 };

#define MARKER "backup.json"
#define NEW_MANIFEST "manifest.jsonl.new"

struct backup {
    struct mur_archive *archive;
    const char *folder;
    void (*damaged)(void *user, const char *what, const char *why);
    void *user;
    const struct mur_progress *progress;
    struct mur_backup_summary summary;
    int lock;
    struct mur_copies copies;
    struct mur_store *store;       /* of the copy */
    struct mur_database *rows;     /* the new index of the copy */
    struct mur_database *old_rows; /* NULL where there is none */
    uint64_t *places;              /* hashes of paths that the copy has files at */
    size_t place_count, place_capacity;
    char (*gone)[MUR_UID_TEXT_SIZE]; /* deleted since the index was copied */
    size_t gone_count, gone_capacity;
};

static void backup_free(struct backup *backup)
{
    mur_database_close(backup->rows);
    mur_database_close(backup->old_rows);
    mur_store_close(backup->store);
    mur_copies_end(&backup->copies);
    free(backup->places);
    free(backup->gone);
    if (backup->lock >= 0)
        (void)close(backup->lock);
}

static enum mur_status path_in(char **out, const struct backup *backup, const char *name,
                               struct mur_error *error)
{
    return mur_path_join(out, backup->folder, name, error);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static enum mur_status check_folder(const struct backup *backup, struct mur_error *error)
{
    struct stat own, other;
    MUR_AUTO_FREE char *marker = NULL;
    enum mur_status status = mur_directory_create(backup->folder, FOLDER_MODE, error);
    if (status == MUR_OK)
        status = path_in(&marker, backup, MARKER, error);
    if (status != MUR_OK)
        return status;
    if (stat(backup->archive->directory, &own) != 0 || stat(backup->folder, &other) != 0)
        return mur_error_set_errno(error, errno, "cannot look at %s", backup->folder);
    if (own.st_ino == other.st_ino && own.st_dev == other.st_dev)
        return mur_error_set(error, MUR_INVALID, "%s is the archive itself", backup->folder);
    if (mur_file_exists(marker))
        return MUR_OK;
    DIR *entries = opendir(backup->folder);
    if (entries == NULL)
        return mur_error_set_errno(error, errno, "cannot read %s", backup->folder);
    const struct dirent *entry;
    while (status == MUR_OK && (entry = readdir(entries)) != NULL)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lost+found") != 0 &&
            strcmp(entry->d_name, "lock") != 0)
            status =
                mur_error_set(error, MUR_EXISTS, "%s holds %s, but no earlier copy (" MARKER ")",
                              backup->folder, entry->d_name);
    (void)closedir(entries);
    return status;
}

static enum mur_status mark(const struct backup *backup, bool complete, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    char now[MUR_ISO_SIZE];
    struct mur_json_writer json;
    mur_clock_format_us(now, mur_clock_now_us());
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_object(&json);
    mur_json_member_bool(&json, "complete", complete);
    mur_json_member_string(&json, "archive", backup->archive->directory);
    mur_json_member_string(&json, "time", now);
    mur_json_member_int(&json, "instances", (int64_t)backup->summary.instances);
    mur_json_member_int(&json, "damaged", (int64_t)backup->summary.damaged);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    if (status == MUR_OK)
        status = mur_buffer_append(&text, "\n", 1, error);
    if (status == MUR_OK)
        status = path_in(&path, backup, MARKER, error);
    return status == MUR_OK ? mur_file_write_all(path, text.data, text.length, FILE_MODE, error)
                            : status;
}

static enum mur_status prepare(struct backup *backup, struct mur_error *error)
{
    MUR_AUTO_FREE char *objects = NULL;
    MUR_AUTO_FREE char *marker = NULL;
    MUR_AUTO_FREE char *index = NULL;
    enum mur_status status = check_folder(backup, error);
    if (status == MUR_OK)
        status = mur_archive_lock_alone(&backup->lock, backup->folder, error);
    if (status == MUR_OK)
        status = path_in(&marker, backup, MARKER, error);
    if (status == MUR_OK && !mur_file_exists(marker))
        status = mark(backup, false, error);
    if (status == MUR_OK)
        status = mur_copies_begin(&backup->copies, backup->folder, error);
    if (status == MUR_OK)
        status = path_in(&objects, backup, "objects", error);
    const struct mur_store_options store = {.directory = objects};
    if (status == MUR_OK)
        status = mur_store_open(&backup->store, &store, error);
    if (status == MUR_OK)
        status = path_in(&index, backup, "index.sqlite", error);
    /* Where there is none, or it cannot be read, digests tell what is there already. */
    if (status == MUR_OK && mur_file_exists(index))
        (void)!mur_database_open(&backup->old_rows, index, MUR_DATABASE_READ, false, NULL);
    return status;
}

/* ---- the index ------------------------------------------------------------------------------- */

static enum mur_status copy_index(struct backup *backup, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    struct mur_database *reader = NULL;
    mur_progress_update(backup->progress, 0, 0, "the index");
    enum mur_status status = path_in(&path, backup, MUR_NEW_INDEX, error);
    if (status == MUR_OK)
        status = mur_reader_take(&reader, backup->archive, error);
    if (status == MUR_OK)
        status = mur_database_copy(reader, path, error);
    mur_reader_return(backup->archive, reader);
    return status == MUR_OK
               ? mur_database_open(&backup->rows, path, MUR_DATABASE_READ, false, error)
               : status;
}

static enum mur_status copy_manifest(struct backup *backup, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    uint64_t length = 0;
    enum mur_status status = path_in(&path, backup, NEW_MANIFEST, error);
    if (status == MUR_OK)
        status = mur_database_manifest_length(&length, backup->rows, error);
    if (status == MUR_OK)
        status = mur_copies_add(&backup->copies, backup->archive->manifest.descriptor, length, NULL,
                                path, error);
    return status == MUR_OK ? mur_copies_flush(&backup->copies, error) : status;
}

/* ---- objects --------------------------------------------------------------------------------- */

static enum mur_status length_of(uint64_t *out, struct backup *backup,
                                 const struct mur_instance *instance, const char *suffix,
                                 struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(instance);
    struct stat info;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status =
        mur_store_object_path(&path, backup->archive->store, &name, suffix, error);
    if (status == MUR_OK)
        *out = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    return status;
}

/* The same bytes stand there already: the earlier index says so, or the digest of what stands
 * there.
 */
static enum mur_status is_there(bool *out, struct backup *backup, const struct mur_stored *stored,
                                const char *suffix, const char *place, struct mur_error *error)
{
    const struct mur_instance *instance = &stored->instance;
    bool object = strcmp(suffix, ".dcm") == 0;
    uint64_t length = instance->offset + instance->length;
    enum mur_status status = object ? MUR_OK : length_of(&length, backup, instance, suffix, error);
    struct stat info;
    struct mur_instance old = {.id = 0};
    bool known = false;
    *out = false;
    if (status != MUR_OK || lstat(place, &info) != 0 || !S_ISREG(info.st_mode) ||
        (uint64_t)info.st_size != length)
        return status;
    if (backup->old_rows != NULL &&
        mur_database_find_instance(&known, &old, backup->old_rows, instance->sop_instance, NULL) ==
            MUR_OK &&
        known && old.version == instance->version) {
        *out = memcmp(old.digest, instance->digest, sizeof old.digest) == 0;
        return MUR_OK;
    }
    return object ? mur_copies_fits(out, &backup->copies, place, instance, error) : MUR_OK;
}

static enum mur_status is_gone(bool *out, struct backup *backup,
                               const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_instance now = {.id = 0};
    bool found = false;
    enum mur_status status =
        mur_archive_look_up(&found, &now, backup->archive, instance->sop_instance, error);
    if (status == MUR_OK)
        *out = !found || now.id != instance->id;
    return status;
}

/* The copy has a file there: it is no stray. */
static enum mur_status add_place(struct backup *backup, const char *place, struct mur_error *error)
{
    enum mur_status status =
        mur_archive_grow(&backup->places, backup->place_count, &backup->place_capacity,
                         sizeof(backup->places[0]), error);
    if (status == MUR_OK)
        backup->places[backup->place_count++] = mur_xxh64_of(place, strlen(place));
    return status;
}

static enum mur_status add_gone(struct backup *backup, const struct mur_instance *instance,
                                struct mur_error *error)
{
    enum mur_status status = mur_archive_grow(&backup->gone, backup->gone_count,
                                              &backup->gone_capacity, sizeof *backup->gone, error);
    if (status == MUR_OK)
        memcpy(backup->gone[backup->gone_count++], instance->sop_instance, MUR_UID_TEXT_SIZE);
    return status;
}

static enum mur_status copy_file(struct backup *backup, const struct mur_stored *stored,
                                 const char *suffix, const char *place, struct mur_error *error)
{
    const struct mur_instance *instance = &stored->instance;
    bool object = strcmp(suffix, ".dcm") == 0;
    struct mur_object_name name = mur_name_of(instance);
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO_CLOSE int source = -1;
    struct stat info;
    enum mur_status status =
        mur_store_open_object(&source, backup->archive->store, &name, suffix, &reason);
    if (status == MUR_OK && !object)
        status = mur_sidecar_read(source, &reason);
    if (status != MUR_OK) /* a bad sector is no reason to leave all others out */
        return mur_error_set(
            error, status == MUR_NO_MEMORY || status == MUR_NOT_FOUND ? status : MUR_CORRUPT, "%s",
            reason.message);
    if (fstat(source, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at it");
    if (object && (uint64_t)info.st_size != instance->offset + instance->length)
        return mur_error_set(error, MUR_CORRUPT, "the file has not the length that was stored");
    return mur_copies_add(&backup->copies, source, (uint64_t)info.st_size, object ? instance : NULL,
                          place, error);
}

static enum mur_status tell_damaged(struct backup *backup, const char *what, const char *why)
{
    backup->summary.damaged++;
    if (backup->damaged != NULL)
        backup->damaged(backup->user, what, why);
    return MUR_OK;
}

/* @param[out] goes_on  false: its row is to go, or it is damaged */
static enum mur_status take_file(bool *goes_on, struct backup *backup,
                                 const struct mur_stored *stored, const char *suffix,
                                 struct mur_error *error)
{
    const struct mur_instance *instance = &stored->instance;
    struct mur_object_name name = mur_name_of(instance);
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *place = NULL;
    bool there = false;
    bool gone = false;
    enum mur_status status = mur_store_object_path(&place, backup->store, &name, suffix, error);
    if (status == MUR_OK)
        status = add_place(backup, place, error);
    if (status != MUR_OK)
        return status;
    status = is_there(&there, backup, stored, suffix, place, error);
    if (status != MUR_OK || there)
        return status;
    status = copy_file(backup, stored, suffix, place, &reason);
    if (status == MUR_OK)
        return MUR_OK;
    if (status != MUR_NOT_FOUND && status != MUR_CORRUPT)
        return mur_error_set(error, status, "%s", reason.message);
    *goes_on = false;
    status = is_gone(&gone, backup, instance, error);
    if (status == MUR_OK && gone)
        return add_gone(backup, instance, error);
    return status == MUR_OK ? tell_damaged(backup, instance->sop_instance, reason.message) : status;
}

static enum mur_status copy_objects(struct backup *backup, struct mur_error *error)
{
    struct mur_counts counts;
    enum mur_status status = mur_database_count(&counts, backup->rows, error);
    for (int64_t after = 0; status == MUR_OK;) {
        MUR_AUTO_FREE struct mur_stored *page = NULL;
        size_t count = 0;
        status = mur_database_list_stored(&page, &count, backup->rows, after, PAGE, NULL, error);
        if (status != MUR_OK || count == 0)
            break;
        for (size_t i = 0; status == MUR_OK && i < count; i++) {
            bool goes_on = true;
            status = take_file(&goes_on, backup, &page[i], ".dcm", error);
            if (status == MUR_OK && goes_on && page[i].sidecar)
                status = take_file(&goes_on, backup, &page[i], ".json.zst", error);
            backup->summary.instances++;
            mur_progress_update(backup->progress, backup->summary.instances,
                                (uint64_t)counts.instances, NULL);
        }
        after = page[count - 1].instance.id;
    }
    return status == MUR_OK ? mur_copies_flush(&backup->copies, error) : status;
}

/* ---- what has no digest ---------------------------------------------------------------------- */

/* What cannot be read is named, and what an earlier copy has of it stays. */
static enum mur_status copy_other(struct backup *backup, const char *source, const char *place,
                                  struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    enum mur_status status = mur_copies_add_file(&backup->copies, source, place, &reason);
    if (status == MUR_CORRUPT)
        return tell_damaged(backup, source, reason.message);
    return status == MUR_OK ? MUR_OK : mur_error_set(error, status, "%s", reason.message);
}

/* ---- tables ---------------------------------------------------------------------------------- */

struct tables {
    struct backup *backup;
    const char *folder; /* of the version, in the copy */
};

static enum mur_status copy_table(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    const struct tables *tables = user;
    MUR_AUTO_FREE char *place = NULL;
    (void)skip;
    if (entry->kind != MUR_WALK_FILE)
        return MUR_OK;
    enum mur_status status = mur_path_join(&place, tables->folder, entry->relative, error);
    if (status == MUR_OK)
        status = add_place(tables->backup, place, error);
    return status == MUR_OK ? copy_other(tables->backup, entry->path, place, error) : status;
}

/* What an earlier copy has of it stays. */
static enum mur_status keep_table(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    (void)skip;
    return add_place(user, entry->path, error);
}

static enum mur_status copy_version(void *user, const struct mur_isa_version *one,
                                    struct mur_error *error)
{
    struct backup *backup = user;
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO_FREE char *source = NULL;
    MUR_AUTO_FREE char *place = NULL;
    enum mur_status status = mur_path_join(&source, backup->archive->directory, one->folder, error);
    if (status == MUR_OK)
        status = path_in(&place, backup, one->folder, error);
    struct tables tables = {.backup = backup, .folder = place};
    if (status == MUR_OK)
        status = mur_tables_read(&isa, &reason, backup->archive, one, error);
    if (status != MUR_OK)
        return status;
    if (isa != NULL)
        return mur_directory_walk(source, copy_table, &tables, error);
    status = tell_damaged(backup, one->folder, reason.message);
    return status == MUR_OK && mur_directory_exists(place)
               ? mur_directory_walk(place, keep_table, backup, error)
               : status;
}

/* ---- certificates ---------------------------------------------------------------------------- */

static enum mur_status copy_certificate(struct backup *backup, const struct mur_made_of *one,
                                        struct mur_error *error)
{
    MUR_AUTO_FREE char *source = NULL;
    MUR_AUTO_FREE char *name = NULL;
    MUR_AUTO_FREE char *place = NULL;
    enum mur_status status =
        mur_archive_certificate_path(&source, backup->archive, one->series, error);
    if (status == MUR_OK)
        status = mur_text_format(&name, error, MUR_CERTIFICATE_FOLDER "/%s" MUR_CERTIFICATE_SUFFIX,
                                 one->series);
    if (status == MUR_OK)
        status = path_in(&place, backup, name, error);
    if (status == MUR_OK)
        status = add_place(backup, place, error);
    if (status != MUR_OK || !mur_file_exists(source))
        return status; /* one that is missing is verify's to tell */
    return copy_other(backup, source, place, error);
}

static enum mur_status copy_certificates(struct backup *backup, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_made_of *list = NULL;
    size_t count = 0;
    enum mur_status status =
        mur_database_list_made(&list, &count, backup->rows, MUR_HOW_CONVERSION, NULL, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = copy_certificate(backup, &list[i], error);
    return status == MUR_OK ? mur_copies_flush(&backup->copies, error) : status;
}

/* ---- imports --------------------------------------------------------------------------------- */

/* What was imported, when and from where: lines are only ever added. */
static enum mur_status copy_imports(struct backup *backup, struct mur_error *error)
{
    MUR_AUTO_FREE char *source = NULL;
    MUR_AUTO_FREE char *place = NULL;
    enum mur_status status =
        mur_path_join(&source, backup->archive->directory, MUR_IMPORTS_FILE, error);
    if (status == MUR_OK)
        status = path_in(&place, backup, MUR_IMPORTS_FILE, error);
    if (status != MUR_OK || !mur_file_exists(source))
        return status;
    status = copy_other(backup, source, place, error);
    return status == MUR_OK ? mur_copies_flush(&backup->copies, error) : status;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Rows whose files were deleted before they could be copied. */
static enum mur_status remove_gone(struct backup *backup, struct mur_error *error)
{
    MUR_AUTO(mur_database) *writer = NULL;
    MUR_AUTO_FREE char *index = NULL;
    struct mur_manifest manifest = {.descriptor = -1};
    if (backup->gone_count == 0)
        return MUR_OK;
    enum mur_status status = path_in(&index, backup, MUR_NEW_INDEX, error);
    if (status == MUR_OK)
        status = path_in(&manifest.path, backup, NEW_MANIFEST, error);
    if (status == MUR_OK)
        status = mur_database_open(&writer, index, MUR_DATABASE_WRITE, false, error);
    if (status == MUR_OK && backup->archive->header_wins)
        mur_database_prefer_header(writer);
    if (status == MUR_OK) {
        manifest.descriptor = open(manifest.path, O_RDWR | O_CLOEXEC);
        if (manifest.descriptor < 0)
            status = mur_error_set_errno(error, errno, "cannot open %s", manifest.path);
    }
    if (status == MUR_OK)
        status = mur_database_begin(writer, error);
    for (size_t i = 0; status == MUR_OK && i < backup->gone_count; i++) {
        struct mur_instance removed;
        bool found = false;
        status = mur_database_remove_instance(&found, &removed, writer, backup->gone[i], error);
        if (status == MUR_OK)
            status = mur_manifest_add_removal(&manifest, backup->gone[i],
                                              "deleted while the backup was made", error);
    }
    if (status == MUR_OK)
        status = mur_manifest_write(&manifest, writer, error);
    if (status == MUR_OK)
        status = mur_database_commit(writer, error);
    if (status == MUR_OK)
        status = mur_database_empty_log(writer, error);
    mur_manifest_close(&manifest);
    backup->summary.instances -= backup->gone_count;
    return status;
}

/* The earlier copy ends here. A log beside its index must not be taken for one of the new index. */
static enum mur_status change_over(struct backup *backup, struct mur_error *error)
{
    static const char *const logs[] = {"index.sqlite-wal", "index.sqlite-shm"};
    static const char *const names[][2] = {{NEW_MANIFEST, "manifest.jsonl"},
                                           {MUR_NEW_INDEX, "index.sqlite"}};
    mur_database_close(MUR_STEAL(backup->rows));
    mur_database_close(MUR_STEAL(backup->old_rows));
    enum mur_status status = remove_gone(backup, error);
    if (status == MUR_OK)
        status = mur_copies_sync(&backup->copies, error);
    if (status == MUR_OK)
        status = mark(backup, false, error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(logs); i++) {
        MUR_AUTO_FREE char *log = NULL;
        status = path_in(&log, backup, logs[i], error);
        if (status == MUR_OK && unlink(log) != 0 && errno != ENOENT)
            status = mur_error_set_errno(error, errno, "cannot remove %s", log);
    }
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(names); i++) {
        MUR_AUTO_FREE char *from = NULL;
        MUR_AUTO_FREE char *to = NULL;
        status = path_in(&from, backup, names[i][0], error);
        if (status == MUR_OK)
            status = path_in(&to, backup, names[i][1], error);
        if (status == MUR_OK && rename(from, to) != 0)
            status = mur_error_set_errno(error, errno, "cannot rename %s", from);
        if (status == MUR_OK)
            status = mur_directory_sync(backup->folder, error);
    }
    return status;
}

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* What was deleted since the earlier copy. */
static enum mur_status remove_stray(void *user, const struct mur_walk_entry *entry, bool *skip,
                                    struct mur_error *error)
{
    struct backup *backup = user;
    (void)skip;
    uint64_t hash = mur_xxh64_of(entry->path, strlen(entry->path));
    if (entry->kind == MUR_WALK_DIRECTORY ||
        (backup->place_count > 0 && bsearch(&hash, backup->places, backup->place_count,
                                            sizeof(backup->places[0]), by_value) != NULL))
        return MUR_OK;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_text_copy(&path, mur_slice_of(entry->path), error);
    if (status != MUR_OK)
        return status;
    if (unlink(path) != 0)
        return mur_error_set_errno(error, errno, "cannot remove %s", path);
    backup->summary.removed++;
    for (unsigned up = 0; up < entry->depth; up++) {
        *strrchr(path, '/') = '\0';
        if (rmdir(path) != 0)
            break;
    }
    return MUR_OK;
}

static enum mur_status remove_strays(struct backup *backup, struct mur_error *error)
{
    static const char *const folders[] = {"objects", MUR_TABLES_FOLDER, MUR_CERTIFICATE_FOLDER};
    enum mur_status status = MUR_OK;
    if (backup->place_count > 0)
        qsort(backup->places, backup->place_count, sizeof(backup->places[0]), by_value);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(folders); i++) {
        MUR_AUTO_FREE char *folder = NULL;
        status = path_in(&folder, backup, folders[i], error);
        if (status == MUR_OK && mur_directory_exists(folder))
            status = mur_directory_walk(folder, remove_stray, backup, error);
    }
    return status;
}

enum mur_status mur_archive_backup(struct mur_backup_summary *out, struct mur_archive *archive,
                                   const char *folder,
                                   void (*damaged)(void *user, const char *what, const char *why),
                                   void *user, const struct mur_progress *progress,
                                   struct mur_error *error)
{
    __attribute__((cleanup(backup_free))) struct backup backup = {.archive = archive,
                                                                  .folder = folder,
                                                                  .damaged = damaged,
                                                                  .user = user,
                                                                  .progress = progress,
                                                                  .lock = -1};
    enum mur_status status = prepare(&backup, error);
    if (status == MUR_OK)
        status = copy_index(&backup, error);
    if (status == MUR_OK)
        status = copy_objects(&backup, error);
    if (status == MUR_OK)
        status = mur_database_each_isa_version(backup.rows, copy_version, &backup, error);
    if (status == MUR_OK)
        status = copy_certificates(&backup, error);
    backup.summary.copied = backup.copies.copied;
    backup.summary.bytes = backup.copies.bytes;
    if (status == MUR_OK)
        status = copy_imports(&backup, error);
    if (status == MUR_OK)
        status = copy_manifest(&backup, error);
    if (status == MUR_OK)
        status = change_over(&backup, error);
    if (status == MUR_OK)
        status = remove_strays(&backup, error);
    if (status == MUR_OK)
        status = mur_copies_sync(&backup.copies, error);
    if (status == MUR_OK)
        status = mark(&backup, true, error);
    if (status == MUR_OK)
        *out = backup.summary;
    return status;
}
