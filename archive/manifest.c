#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/internal.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/json_write.h"
#include "core/text.h"

enum { LINE_LIMIT = 1 << 20, TAIL_SIZE = 65536 };

enum mur_status mur_manifest_open(struct mur_manifest *manifest, const char *directory,
                                  struct mur_error *error)
{
    enum mur_status status =
        mur_text_format(&manifest->path, error, "%s/manifest.jsonl", directory);
    if (status != MUR_OK)
        return status;
    struct stat info;
    manifest->descriptor = open(manifest->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (manifest->descriptor < 0 || fstat(manifest->descriptor, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot open %s", manifest->path);
    if (!S_ISREG(info.st_mode))
        return mur_error_set(error, MUR_CORRUPT, "%s is no file: take it from a backup",
                             manifest->path);
    return MUR_OK;
}

void mur_manifest_close(struct mur_manifest *manifest)
{
    if (manifest->descriptor >= 0) {
        (void)fdatasync(manifest->descriptor);
        (void)close(manifest->descriptor);
    }
    free(manifest->path);
    mur_buffer_free(&manifest->lines);
}

static void write_isa(struct mur_json_writer *json, const struct mur_isa_link *isa)
{
    mur_json_key(json, "isa");
    mur_json_begin_object(json);
    mur_json_member_string(json, "dataset", isa->dataset);
    mur_json_member_string(json, "study", isa->study);
    mur_json_member_string(json, "assay_file", isa->assay_file);
    mur_json_member_string(json, "assay", isa->assay);
    if (isa->segmentation)
        mur_json_member_bool(json, "segmentation", true);
    mur_json_end_object(json);
}

static enum mur_status end_line(struct mur_manifest *manifest, struct mur_json_writer *json,
                                struct mur_error *error)
{
    mur_json_end_object(json);
    enum mur_status status = mur_json_finish(json, error);
    return status == MUR_OK ? mur_buffer_append(&manifest->lines, "\n", 1, error) : status;
}

/* Ends a line that is on disk before its transaction is committed. */
static enum mur_status end_lasting(struct mur_manifest *manifest, struct mur_json_writer *json,
                                   struct mur_error *error)
{
    enum mur_status status = end_line(manifest, json, error);
    manifest->lasting = manifest->lines.length;
    return status;
}

static void member_if(struct mur_json_writer *json, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        mur_json_member_string(json, key, text);
}

enum mur_status mur_manifest_add_instance(struct mur_manifest *manifest,
                                          const struct mur_new_instance *record, int64_t id,
                                          const struct mur_isa_link *isa, struct mur_error *error)
{
    char digest[MUR_XXH128_TEXT_SIZE];
    char received[MUR_ISO_SIZE];
    mur_hex_write(digest, record->instance.digest, sizeof record->instance.digest);
    mur_clock_format_us(received, record->received_us);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "stored");
    mur_json_member_int(&json, "n", id);
    mur_json_member_string(&json, "instance", record->instance.sop_instance);
    mur_json_member_string(&json, "series", record->instance.series_instance);
    mur_json_member_string(&json, "study", record->instance.study_instance);
    mur_json_member_string(&json, "xxh128", digest);
    mur_json_member_string(&json, "received", received);
    member_if(&json, "how", record->how);
    member_if(&json, "calling_ae", record->calling_ae);
    member_if(&json, "peer", record->peer);
    member_if(&json, "path", record->path);
    if (record->instance.version > 0)
        mur_json_member_int(&json, "version", record->instance.version);
    if (isa != NULL)
        write_isa(&json, isa);
    return end_line(manifest, &json, error);
}

enum mur_status mur_manifest_add_link(struct mur_manifest *manifest, const char *series,
                                      const struct mur_isa_link *isa, struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "linked");
    mur_json_member_string(&json, "series", series);
    write_isa(&json, isa);
    return end_lasting(manifest, &json, error);
}

enum mur_status mur_manifest_add_decision(struct mur_manifest *manifest, const char *series,
                                          const struct mur_isa_link *isa, struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "linked");
    mur_json_member_string(&json, "series", series);
    mur_json_member_string(&json, "by", "hand");
    if (isa != NULL)
        write_isa(&json, isa);
    return end_lasting(manifest, &json, error);
}

enum mur_status mur_manifest_add_unlinking(struct mur_manifest *manifest, const char *series,
                                           struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "unlinked");
    mur_json_member_string(&json, "series", series);
    return end_lasting(manifest, &json, error);
}

enum mur_status mur_manifest_add_mended(struct mur_manifest *manifest, const char *sop_instance,
                                        struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "mended");
    mur_json_member_string(&json, "instance", sop_instance);
    return end_lasting(manifest, &json, error);
}

enum mur_status mur_manifest_add_committed(struct mur_manifest *manifest, const char *sop_instance,
                                           struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "committed");
    mur_json_member_string(&json, "instance", sop_instance);
    return end_lasting(manifest, &json, error);
}

enum mur_status mur_manifest_add_sha256(struct mur_manifest *manifest, const char *sop_instance,
                                        const uint8_t digest[MUR_SHA256_SIZE],
                                        struct mur_error *error)
{
    char text[MUR_SHA256_TEXT_SIZE];
    mur_hex_write(text, digest, MUR_SHA256_SIZE);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "verified");
    mur_json_member_string(&json, "instance", sop_instance);
    mur_json_member_string(&json, "sha256", text);
    return end_line(manifest, &json, error);
}

enum mur_status mur_manifest_add_isa(struct mur_manifest *manifest,
                                     const struct mur_isa_version *version, struct mur_error *error)
{
    char applied[MUR_ISO_SIZE];
    mur_clock_format_us(applied, version->applied_us);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "isa");
    mur_json_member_string(&json, "dataset", version->dataset);
    mur_json_member_int(&json, "version", version->version);
    mur_json_member_string(&json, "folder", version->folder);
    mur_json_member_string(&json, "digest", version->digest);
    mur_json_member_string(&json, "applied", applied);
    return end_lasting(manifest, &json, error);
}

enum mur_status mur_manifest_add_removal(struct mur_manifest *manifest, const char *sop_instance,
                                         const char *why, struct mur_error *error)
{
    char now[MUR_ISO_SIZE];
    mur_clock_format_us(now, mur_clock_now_us());
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&manifest->lines));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "event", "removed");
    mur_json_member_string(&json, "instance", sop_instance);
    mur_json_member_string(&json, "time", now);
    mur_json_member_string(&json, "why", why);
    return end_lasting(manifest, &json, error);
}

/* What is said to be stored must be found when the index is lost: a manifest that was taken away or
 * cut meanwhile would not say it. */
static enum mur_status check_place(const struct mur_manifest *manifest, uint64_t length,
                                   struct mur_error *error)
{
    struct stat own, there;
    if (fstat(manifest->descriptor, &own) != 0)
        return mur_error_set_errno(error, errno, "cannot look at %s", manifest->path);
    if (stat(manifest->path, &there) != 0 || there.st_ino != own.st_ino ||
        there.st_dev != own.st_dev)
        return mur_error_set(error, MUR_IO, "%s was taken away while it is in use", manifest->path);
    if ((uint64_t)own.st_size < length)
        return mur_error_set(error, MUR_IO, "%s was cut while it is in use", manifest->path);
    return MUR_OK;
}

enum mur_status mur_manifest_write(struct mur_manifest *manifest, struct mur_database *database,
                                   struct mur_error *error)
{
    if (manifest->lines.length == 0)
        return MUR_OK;
    uint64_t length;
    enum mur_status status = mur_database_manifest_length(&length, database, error);
    if (status == MUR_OK)
        status = check_place(manifest, length, error);
    if (status == MUR_OK)
        status = mur_pwrite_full(manifest->descriptor, manifest->lines.data, manifest->lines.length,
                                 (off_t)length, manifest->path, error);
    if (status == MUR_OK && manifest->synced && manifest->lasting > 0 &&
        fdatasync(manifest->descriptor) != 0)
        status = mur_error_set_errno(error, errno, "cannot sync %s", manifest->path);
    if (status == MUR_OK)
        status = mur_database_set_manifest_length(database, length + manifest->lines.length, error);
    if (status == MUR_OK && manifest->lasting > 0)
        status = mur_database_set_manifest_lasting(database, length + manifest->lasting, error);
    mur_buffer_clear(&manifest->lines);
    manifest->lasting = 0;
    return status;
}

/* ---- agreement ------------------------------------------------------------------------------- */

/* Number and UID of the last instance in the first @p length bytes, and where the last line ends.
 * @param most  bytes that are read; where they say of no instance, the number is 0 */
static enum mur_status last_line(int64_t *id, char uid[MUR_UID_TEXT_SIZE], uint64_t *end,
                                 const struct mur_manifest *manifest, uint64_t length,
                                 uint64_t most, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer tail = MUR_BUFFER_INIT;
    *id = 0;
    uid[0] = '\0';
    *end = 0;
    for (uint64_t size = TAIL_SIZE;; size *= 4) { /* until an instance's line is in the tail */
        uint64_t start = length > size ? length - size : 0;
        size_t got;
        mur_buffer_clear(&tail);
        enum mur_status status = mur_buffer_reserve(&tail, (size_t)(length - start), error);
        if (status == MUR_OK)
            status = mur_pread_full(&got, manifest->descriptor, tail.data, (size_t)(length - start),
                                    (off_t)start, manifest->path, error);
        if (status != MUR_OK)
            return status;
        size_t stop = got;
        while (stop > 0 && tail.data[stop - 1] != '\n')
            stop--;
        *end = start + stop;
        while (stop > 0) { /* lines backwards */
            size_t begin = stop - 1;
            while (begin > 0 && tail.data[begin - 1] != '\n')
                begin--;
            MUR_AUTO(mur_json) *line = NULL;
            struct mur_slice text = {.data = tail.data + begin, .length = stop - begin};
            if ((begin > 0 || start == 0) &&
                mur_json_parse(&line, text, LINE_LIMIT, NULL) == MUR_OK &&
                mur_json_get_int(id, mur_json_get(line, "n"), NULL) == MUR_OK) {
                const char *instance = mur_json_text(mur_json_get(line, "instance"));
                (void)snprintf(uid, MUR_UID_TEXT_SIZE, "%s", instance != NULL ? instance : "");
                return MUR_OK;
            }
            stop = begin;
        }
        if (start == 0 || size >= most)
            return MUR_OK;
    }
}

struct rewrite {
    struct mur_manifest *manifest;
    struct mur_database *database;
};

static struct mur_isa_link link_of(const struct mur_scan_names *scan)
{
    return (struct mur_isa_link){.dataset = scan->dataset,
                                 .study = scan->study,
                                 .assay_file = scan->assay_file,
                                 .assay = scan->assay,
                                 .segmentation = scan->segmentation};
}

static enum mur_status rewrite_one(void *user, const struct mur_new_instance *record, int64_t id,
                                   const struct mur_scan_names *scan, struct mur_error *error)
{
    struct rewrite *rewrite = user;
    struct mur_isa_link isa = {.scan = 0};
    if (scan != NULL)
        isa = link_of(scan);
    enum mur_status status =
        mur_manifest_add_instance(rewrite->manifest, record, id, scan != NULL ? &isa : NULL, error);
    if (status == MUR_OK && rewrite->manifest->lines.length > LINE_LIMIT)
        status = mur_manifest_write(rewrite->manifest, rewrite->database, error);
    return status;
}

static enum mur_status rewrite_version(void *user, const struct mur_isa_version *one,
                                       struct mur_error *error)
{
    const struct rewrite *rewrite = user;
    return mur_manifest_add_isa(rewrite->manifest, one, error);
}

static enum mur_status rewrite_later(void *user, const struct mur_later *one,
                                     struct mur_error *error)
{
    struct rewrite *rewrite = user;
    struct mur_manifest *manifest = rewrite->manifest;
    enum mur_status status = MUR_OK;
    if (one->sop_instance == NULL) {
        struct mur_isa_link isa = {.scan = 0};
        if (one->scan != NULL)
            isa = link_of(one->scan);
        return mur_manifest_add_decision(manifest, one->series, one->scan != NULL ? &isa : NULL,
                                         error);
    }
    if (one->committed)
        status = mur_manifest_add_committed(manifest, one->sop_instance, error);
    if (status == MUR_OK && one->sha256 != NULL)
        status = mur_manifest_add_sha256(manifest, one->sop_instance, one->sha256, error);
    if (status == MUR_OK && manifest->lines.length > LINE_LIMIT)
        status = mur_manifest_write(manifest, rewrite->database, error);
    return status;
}

/* What was there keeps its lines, of deletions too, under another name. */
static enum mur_status put_aside(struct mur_manifest *manifest, struct mur_error *error)
{
    enum { NAMES = 100 };
    for (int i = 1; i < NAMES; i++) {
        MUR_AUTO_FREE char *path = NULL;
        enum mur_status status = mur_text_format(&path, error, "%s.aside-%d", manifest->path, i);
        if (status != MUR_OK)
            return status;
        if (renameat2(AT_FDCWD, manifest->path, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            break;
        if (errno != EEXIST || i == NAMES - 1)
            return mur_error_set_errno(error, errno, "%s is damaged and cannot be put aside",
                                       manifest->path);
    }
    int descriptor = open(manifest->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "cannot make %s", manifest->path);
    (void)close(manifest->descriptor);
    manifest->descriptor = descriptor;
    return MUR_OK;
}

/* Lines are gone that were on disk: the index says them all again, but for deletions, and they are
 * on disk before it is committed. */
static enum mur_status write_anew(struct mur_archive *archive, uint64_t size,
                                  struct mur_error *error)
{
    struct mur_manifest *manifest = &archive->manifest;
    struct mur_database *database = archive->writer;
    struct rewrite rewrite = {.manifest = manifest, .database = database};
    bool synced = manifest->synced;
    enum mur_status status = size > 0 ? put_aside(manifest, error) : MUR_OK;
    manifest->synced = false;
    if (status == MUR_OK)
        status = mur_database_set_manifest_length(database, 0, error);
    if (status == MUR_OK)
        status = mur_database_set_manifest_lasting(database, 0, error);
    if (status == MUR_OK)
        status = mur_database_each_isa_version(database, rewrite_version, &rewrite, error);
    if (status == MUR_OK)
        status = mur_database_each_instance(database, 0, rewrite_one, &rewrite, error);
    if (status == MUR_OK)
        status = mur_database_each_later(database, rewrite_later, &rewrite, error);
    if (status == MUR_OK)
        status = mur_manifest_write(manifest, database, error);
    manifest->synced = synced;
    if (status == MUR_OK && synced && fdatasync(manifest->descriptor) != 0)
        status = mur_error_set_errno(error, errno, "cannot sync %s", manifest->path);
    return status == MUR_OK && synced ? mur_directory_sync(archive->directory, error) : status;
}

/* Whether the last instance of the first @p length bytes is the one that the index has under its
 * number. */
static enum mur_status check_last(const struct mur_archive *archive, uint64_t length,
                                  struct mur_error *error)
{
    char uid[MUR_UID_TEXT_SIZE];
    struct mur_instance same = {.id = 0};
    int64_t last = 0;
    uint64_t end = 0;
    bool found = false;
    enum mur_status status =
        last_line(&last, uid, &end, &archive->manifest, length, TAIL_SIZE, error);
    if (status == MUR_OK && last > 0)
        status = mur_database_next_instance(&found, &same, archive->writer, last - 1, last, error);
    return status == MUR_OK && found && strcmp(same.sop_instance, uid) != 0
               ? mur_manifest_is_foreign(archive, error)
               : status;
}

/* Longer than the index knows: the tail was written before a commit that did not come, so it goes.
 * Shorter: a power cut took what was not synced, so it is written again from the index; and if
 * lines are gone that were on disk, all of it. */
enum mur_status mur_manifest_reconcile(struct mur_archive *archive, struct mur_error *error)
{
    struct mur_manifest *manifest = &archive->manifest;
    struct mur_database *database = archive->writer;
    struct stat info;
    if (fstat(manifest->descriptor, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at %s", manifest->path);
    uint64_t size = (uint64_t)info.st_size;
    uint64_t length;
    enum mur_status status = mur_database_manifest_length(&length, database, error);
    if (status == MUR_OK)
        status = check_last(archive, size < length ? size : length, error);
    if (status != MUR_OK || size == length)
        return status;
    if (size > length) {
        if (ftruncate(manifest->descriptor, (off_t)length) != 0)
            return mur_error_set_errno(error, errno, "cannot cut %s", manifest->path);
        return MUR_OK;
    }
    uint64_t lasting = 0;
    status = mur_database_manifest_lasting(&lasting, database, error);
    if (status != MUR_OK || size < lasting)
        return status == MUR_OK ? write_anew(archive, size, error) : status;
    int64_t last = 0;
    uint64_t end = 0;
    char uid[MUR_UID_TEXT_SIZE];
    status = last_line(&last, uid, &end, manifest, size, UINT64_MAX, error);
    if (status == MUR_OK)
        status = mur_database_set_manifest_length(database, end, error);
    struct rewrite rewrite = {.manifest = manifest, .database = database};
    if (status == MUR_OK)
        status = mur_database_each_instance(database, last, rewrite_one, &rewrite, error);
    return status == MUR_OK ? mur_manifest_write(manifest, database, error) : status;
}
