/* What is committed before it is on disk. A durable batch's rows are committed first; then files,
 * folders and the log of the index are synced at once, and only then is a sender told of success.
 * The index says which rows these are (table settling), so that what a power cut leaves of them is
 * looked at by the next one that opens the archive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "core/file.h"
#include "dicom/part10.h"

enum { CHUNK = 256 * 1024, PREAMBLE = 128, HEAD_LIMIT = 8192 };

enum mur_status mur_archive_has_its_bytes(bool *out, struct mur_archive *archive,
                                          const struct mur_instance *instance,
                                          struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = -1;
    MUR_AUTO(mur_xxh128) *digest = NULL;
    MUR_AUTO_FREE uint8_t *chunk = malloc(CHUNK);
    if (chunk == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_archive_open_item(&descriptor, archive, instance, error);
    if (status == MUR_OK)
        status = mur_xxh128_create(&digest, error);
    for (uint64_t done = 0; status == MUR_OK && done < instance->length;) {
        uint64_t left = instance->length - done;
        size_t count = 0;
        status = mur_pread_full(&count, descriptor, chunk, left < CHUNK ? (size_t)left : CHUNK,
                                (off_t)(instance->offset + done), instance->sop_instance, error);
        if (status == MUR_OK && count == 0)
            return mur_error_set(error, MUR_CORRUPT, "%s is cut short", instance->sop_instance);
        if (status == MUR_OK)
            mur_xxh128_update(digest, chunk, count);
        done += count;
    }
    if (status != MUR_OK)
        return status;
    uint8_t found[MUR_XXH128_SIZE];
    mur_xxh128_finish(found, digest);
    *out = memcmp(found, instance->digest, sizeof(found)) == 0;
    return MUR_OK;
}

bool mur_archive_head_fits(const struct mur_instance *instance, const uint8_t *bytes, size_t length)
{
    struct mur_part10 head;
    if (mur_part10_parse(&head, bytes, length, "", NULL) != MUR_OK || head.bare ||
        length < PREAMBLE)
        return false;
    for (size_t i = 0; i < PREAMBLE; i++)
        if (bytes[i] != 0)
            return false;
    return head.offset == instance->offset && strcmp(head.sop_class, instance->sop_class) == 0 &&
           strcmp(head.sop_instance, instance->sop_instance) == 0 &&
           strcmp(head.transfer_syntax, instance->transfer_syntax) == 0;
}

static enum mur_status has_its_head(bool *out, struct mur_archive *archive,
                                    const struct mur_instance *instance, struct mur_error *error)
{
    uint8_t head[HEAD_LIMIT];
    size_t got = 0;
    size_t wanted = instance->offset < HEAD_LIMIT ? (size_t)instance->offset : HEAD_LIMIT;
    MUR_AUTO_CLOSE int descriptor = -1;
    enum mur_status status = mur_archive_open_item(&descriptor, archive, instance, error);
    if (status == MUR_OK)
        status = mur_pread_full(&got, descriptor, head, wanted, 0, instance->sop_instance, error);
    if (status == MUR_OK)
        *out = mur_archive_head_fits(instance, head, got);
    return status;
}

enum mur_status mur_archive_has_its_file(bool *out, struct mur_archive *archive,
                                         const struct mur_instance *instance,
                                         struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    bool head = false;
    bool rest = false;
    enum mur_status status = has_its_head(&head, archive, instance, &reason);
    if (status == MUR_OK && head)
        status = mur_archive_has_its_bytes(&rest, archive, instance, &reason);
    *out = head && rest;
    return status == MUR_NO_MEMORY ? mur_error_no_memory(error) : MUR_OK;
}

enum mur_status mur_archive_is_whole(bool *out, struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error)
{
    bool whole = false;
    enum mur_status status = mur_archive_has_its_file(&whole, archive, instance, error);
    if (status == MUR_OK && whole) {
        struct mur_database *reader = NULL;
        MUR_AUTO_FREE struct mur_stored *row = NULL;
        size_t count = 0;
        status = mur_reader_take(&reader, archive, error);
        if (status == MUR_OK)
            status =
                mur_database_list_stored(&row, &count, reader, instance->id - 1, 1, NULL, error);
        mur_reader_return(archive, reader);
        if (status == MUR_OK && count == 1 && row->instance.id == instance->id && row->sidecar)
            status = mur_sidecar_is_whole(&whole, archive, instance, error);
    }
    if (status == MUR_OK)
        *out = whole;
    return status;
}

/* Whether an instance that nobody vouches for is whole; then it is on disk at return. */
static enum mur_status make_durable(bool *whole, struct mur_archive *archive,
                                    const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    bool same = false;
    struct mur_object_name name = mur_name_of(instance);
    enum mur_status status = mur_archive_has_its_bytes(&same, archive, instance, &reason);
    if (status == MUR_OK && same)
        status = mur_store_sync_stored(archive->store, &name, ".dcm", &reason);
    if (status != MUR_OK && status != MUR_CORRUPT && status != MUR_IO)
        return mur_error_set(error, status, "%s", reason.message);
    *whole = status == MUR_OK && same;
    return MUR_OK;
}

/* ---- ends of a batch ---------------------------------------------------------------------------
 */

static enum mur_status remove_one(struct mur_archive *archive, const struct mur_instance *instance,
                                  const char *why, struct mur_error *error)
{
    static const char *const suffixes[] = {".json.zst", ".dcm"};
    struct mur_object_name name = mur_name_of(instance);
    bool found = false;
    struct mur_instance removed;
    enum mur_status status = mur_database_remove_instance(&found, &removed, archive->writer,
                                                          instance->sop_instance, error);
    /* Before the commit: afterwards another process may store it anew at this place. */
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(suffixes); i++)
        status = mur_store_remove(archive->store, &name, suffixes[i], error);
    if (status == MUR_OK)
        status = mur_manifest_add_removal(&archive->manifest, instance->sop_instance, why, error);
    if (status == MUR_OK && archive->note != NULL)
        archive->note(archive->note_user, instance->sop_instance, why);
    return status;
}

/* @param check  what is whole stays; else what another process has mended, which alone makes new
 * versions of rows that are not on disk */
static enum mur_status remove_rows(struct mur_archive *archive, const struct mur_settling *range,
                                   bool check, const char *why, struct mur_error *error)
{
    struct mur_instance instance = {.id = range->first - 1};
    for (;;) {
        bool found = false;
        enum mur_status status = mur_database_next_instance(&found, &instance, archive->writer,
                                                            instance.id, range->last, error);
        if (status == MUR_OK && !found)
            return MUR_OK;
        bool stays = instance.version > 0;
        if (status == MUR_OK && check)
            status = make_durable(&stays, archive, &instance, error);
        if (status == MUR_OK && !stays)
            status = remove_one(archive, &instance, why, error);
        if (status != MUR_OK)
            return status;
    }
}

/* A transaction of its own, on disk when it is over. */
static enum mur_status end_range(struct mur_archive *archive, const struct mur_settling *range,
                                 bool check, const char *why, struct mur_error *error)
{
    enum mur_status status = mur_database_begin(archive->writer, error);
    if (status != MUR_OK)
        return status;
    mur_buffer_clear(&archive->manifest.lines);
    status = remove_rows(archive, range, check, why, error);
    if (status == MUR_OK)
        status = mur_database_drop_settling(archive->writer, range->token, error);
    if (status == MUR_OK)
        status = mur_manifest_write(&archive->manifest, archive->writer, error);
    if (status == MUR_OK)
        return mur_database_commit(archive->writer, error);
    mur_database_rollback(archive->writer);
    return status;
}

static enum mur_status take_back(struct mur_archive *archive, struct mur_error *error)
{
    if (archive->undone.last == 0)
        return MUR_OK;
    enum mur_status status =
        end_range(archive, &archive->undone, false, "could not be synced", error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "taking back what could not be synced");
    archive->undone.last = 0;
    return MUR_OK;
}

enum mur_status mur_archive_begin(struct mur_archive *archive, bool synced, struct mur_error *error)
{
    enum mur_status status = take_back(archive, error);
    if (status != MUR_OK)
        return status;
    return synced ? mur_database_begin(archive->writer, error)
                  : mur_database_begin_unsynced(archive->writer, error);
}

enum mur_status mur_settling_put(struct mur_archive *archive, struct mur_ingest *const *batch,
                                 size_t count, struct mur_error *error)
{
    struct mur_settling *settling = &archive->settling;
    *settling = (struct mur_settling){.first = INT64_MAX};
    for (size_t i = 0; i < count; i++) {
        int64_t id = batch[i]->row;
        if (id == 0)
            continue;
        settling->first = id < settling->first ? id : settling->first;
        settling->last = id > settling->last ? id : settling->last;
    }
    if (settling->last == 0)
        return MUR_OK;
    (void)snprintf(settling->token, sizeof settling->token, "%s", mur_store_token(archive->store));
    archive->settling_said = true;
    mur_store_set_settling(archive->store, true);
    return mur_database_put_settling(archive->writer, settling, error);
}

void mur_settling_undo(struct mur_archive *archive)
{
    if (archive->settling.last == 0)
        return;
    archive->undone = archive->settling;
    (void)!take_back(archive, NULL); /* else before the next transaction */
}

void mur_settling_over(struct mur_archive *archive)
{
    if (archive->settling.last != 0)
        mur_store_set_settling(archive->store, false);
    archive->settling.last = 0;
}

void mur_settling_close(struct mur_archive *archive)
{
    if (!archive->settling_said || mur_archive_begin(archive, true, NULL) != MUR_OK)
        return;
    if (mur_database_drop_settling(archive->writer, mur_store_token(archive->store), NULL) !=
            MUR_OK ||
        mur_database_commit(archive->writer, NULL) != MUR_OK)
        mur_database_rollback(
            archive->writer); /* it is looked at when the archive is opened next */
}

/* ---- those of others
 * ----------------------------------------------------------------------------- */

enum mur_status mur_settling_recover(struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_settling *list = NULL;
    size_t count = 0;
    enum mur_status status = mur_database_list_settling(&list, &count, archive->writer, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        bool alive = false;
        status = mur_store_is_alive(&alive, archive->store, list[i].token, error);
        if (status != MUR_OK || alive)
            continue;
        struct mur_error reason = MUR_ERROR_INIT;
        status = end_range(archive, &list[i], true, "was not whole after an unclean end", &reason);
        if (status == MUR_NO_SPACE)
            status = MUR_OK; /* a full disk must not keep a node from reading: another time */
        if (status != MUR_OK)
            (void)mur_error_set(error, status, "%s", reason.message);
    }
    return status;
}

enum mur_status mur_settling_await(struct mur_archive *archive, struct mur_database *database,
                                   const char *sop_instance, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_settling *list = NULL;
    size_t count = 0;
    struct mur_instance instance;
    bool found = false;
    if (!archive->durable)
        return MUR_OK;
    enum mur_status status = mur_database_list_settling(&list, &count, database, error);
    if (status == MUR_OK)
        status = mur_database_find_instance(&found, &instance, database, sop_instance, error);
    for (size_t i = 0; status == MUR_OK && found && i < count; i++) {
        if (instance.id < list[i].first || instance.id > list[i].last ||
            strcmp(list[i].token, mur_store_token(archive->store)) == 0)
            continue;
        bool whole = false;
        status = mur_store_await_settled(archive->store, list[i].token, error);
        if (status == MUR_OK)
            status = mur_database_find_instance(&found, &instance, database, sop_instance, error);
        if (status == MUR_OK && found)
            status = make_durable(&whole, archive, &instance, error);
        if (status == MUR_OK && found && !whole)
            status = mur_error_set(error, MUR_CORRUPT, "what is stored of %s is not whole",
                                   sop_instance);
    }
    if (status == MUR_OK && !found)
        status =
            mur_error_set(error, MUR_NOT_FOUND, "%s has been taken out meanwhile", sop_instance);
    return status;
}
