/* Writing, by one thread of the process at a time: it takes what has arrived as a batch, makes it
 * durable, commits, answers. While it works the next batch gathers, so many senders share the cost
 * of a commit. */
#include <string.h>
#include <time.h>

#include "archive/internal.h"
#include "core/clock.h"
#include "dicom/compare.h"

enum { GATHER_MOST_US = 2000, CHECKPOINT_PAGES = 2000 };

static bool failed(const struct mur_ingest *ingest)
{
    return ingest->error.status != MUR_OK;
}

/* What is stored goes, in this transaction; its files when that is committed. */
static enum mur_status replace(struct mur_ingest *ingest, const struct mur_instance *stored,
                               struct mur_error *error)
{
    struct mur_archive *archive = ingest->archive;
    bool found = false;
    struct mur_instance removed;
    bool committed = false;
    enum mur_status status =
        mur_database_is_committed(&committed, archive->writer, stored->sop_instance, error);
    if (status == MUR_OK && committed)
        return mur_error_set(error, MUR_EXISTS,
                             "a peer was told that the object under this UID is kept");
    if (status == MUR_OK)
        status = mur_database_remove_instance(&found, &removed, archive->writer,
                                              stored->sop_instance, error);
    if (status == MUR_OK)
        status = mur_condemn_instance(ingest->replaced, archive, stored, error);
    if (status == MUR_OK)
        status =
            mur_manifest_add_removal(&archive->manifest, stored->sop_instance, "replaced", error);
    ingest->record.instance.version = stored->version + 1;
    return status;
}

/* The object first: whoever settles an unclean end knows by it what the sidecar belongs to. So that
 * is the first to go, too. */
static enum mur_status place(struct mur_ingest *ingest, struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(&ingest->record.instance);
    struct mur_object *sidecar = mur_header_sidecar(ingest->header);
    enum mur_status status = mur_object_place(ingest->object, &name, ".dcm", error);
    if (status == MUR_OK && sidecar != NULL)
        status = mur_object_place(sidecar, &name, ".json.zst", error);
    return status;
}

/* The file of what is stored is not what came, and here is what came once more. Its row stays, with
 * all that is known of it: links, what peers were told. */
static enum mur_status mend(struct mur_ingest *ingest, const struct mur_instance *stored,
                            struct mur_error *error)
{
    struct mur_archive *archive = ingest->archive;
    ingest->mends = true;
    ingest->record.instance.version = stored->version + 1;
    enum mur_status status = mur_condemn_instance(ingest->replaced, archive, stored, error);
    if (status == MUR_OK)
        status = place(ingest, error);
    if (status == MUR_OK)
        status = mur_database_mend_instance(archive->writer, &ingest->record.instance, error);
    return status == MUR_OK
               ? mur_manifest_add_mended(&archive->manifest, stored->sop_instance, error)
               : status;
}

/* Who is told that it is stored must get it back. */
static enum mur_status mend_if_damaged(struct mur_ingest *ingest, const struct mur_instance *stored,
                                       struct mur_error *error)
{
    bool whole = false;
    enum mur_status status = mur_archive_has_its_file(&whole, ingest->archive, stored, error);
    if (status == MUR_OK && whole && mur_header_sidecar(ingest->header) != NULL)
        status = mur_sidecar_is_whole(&whole, ingest->archive, stored, error);
    return status != MUR_OK || whole ? status : mend(ingest, stored, error);
}

/* What is damaged cannot be compared with: content that seems to be the same would be answered with
 * success, and never come back. @param[out] whole  whether it could be compared */
static enum mur_status has_same_content(bool *same, bool *whole, const struct mur_ingest *ingest,
                                        const struct mur_instance *stored, struct mur_error *error)
{
    const struct mur_archive *archive = ingest->archive;
    MUR_AUTO_FREE char *path = NULL;
    struct mur_object_name name = mur_name_of(stored);
    enum mur_status status = mur_archive_has_its_file(whole, ingest->archive, stored, error);
    if (status != MUR_OK || !*whole)
        return status;
    status = mur_store_object_path(&path, archive->store, &name, ".dcm", error);
    return status == MUR_OK
               ? mur_dataset_same_content(same, path, mur_object_path(ingest->object), error)
               : status;
}

/* The same SOP Instance UID again: by the default rule the same content is a success, other content
 * is refused and the first is kept (a warning would let the sender delete its copy).
 * @param[out] goes_in  the new one takes the place of the old one */
static enum mur_status settle_duplicate(bool *goes_in, struct mur_ingest *ingest,
                                        const struct mur_instance *stored, struct mur_error *error)
{
    struct mur_archive *archive = ingest->archive;
    const struct mur_instance *instance = &ingest->record.instance;
    *goes_in = archive->duplicates == MUR_DUPLICATES_REPLACE;
    if (*goes_in)
        return replace(ingest, stored, error);
    bool equal = memcmp(stored->digest, instance->digest, sizeof stored->digest) == 0 &&
                 strcmp(stored->transfer_syntax, instance->transfer_syntax) == 0;
    bool same = equal;
    bool whole = true;
    if (!same && strcmp(stored->study_instance, instance->study_instance) == 0 &&
        strcmp(stored->series_instance, instance->series_instance) == 0) {
        enum mur_status status = has_same_content(&same, &whole, ingest, stored, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "comparing with the stored instance");
    }
    *goes_in = !same && archive->duplicates == MUR_DUPLICATES_REPLACE_CHANGED;
    if (*goes_in)
        return replace(ingest, stored, error);
    if (!whole)
        return mur_error_set(error, MUR_EXISTS,
                             "the file that is stored under this SOP Instance UID is damaged, and"
                             " these are not the bytes that it had: send them as they were sent"
                             " first (Transfer Syntax %s)",
                             stored->transfer_syntax);
    if (!same)
        return mur_error_set(error, MUR_EXISTS,
                             "another object is stored under this SOP Instance UID");
    ingest->outcome = MUR_UNCHANGED;
    enum mur_status status = equal ? mend_if_damaged(ingest, stored, error) : MUR_OK;
    const struct mur_isa_link *isa = ingest->origin.isa;
    if (status != MUR_OK || isa == NULL)
        return status;
    int64_t changed = 0;
    status = mur_database_link_series(&changed, archive->writer, stored->series_instance, isa->scan,
                                      isa->segmentation, error);
    if (status == MUR_OK && changed > 0)
        status = mur_manifest_add_link(&archive->manifest, stored->series_instance, isa, error);
    return status;
}

/* Undoes what take() did to files. */
static void displace(struct mur_ingest *ingest)
{
    for (size_t i = 0; i < MUR_COUNT(ingest->replaced); i++) {
        mur_object_free(ingest->replaced[i]);
        ingest->replaced[i] = NULL;
    }
    ingest->record.instance.version = 0;
    ingest->mends = false;
    ingest->row = 0;
    if (mur_header_sidecar(ingest->header) != NULL)
        mur_object_displace(mur_header_sidecar(ingest->header));
    mur_object_displace(ingest->object);
}

static enum mur_status insert(struct mur_ingest *ingest, struct mur_error *error)
{
    struct mur_archive *archive = ingest->archive;
    struct mur_new_instance *record = &ingest->record;
    MUR_AUTO_HEADER_VALUES struct mur_header_values values = {0};
    bool known = mur_database_knows_series(archive->writer, record->instance.study_instance,
                                           record->instance.series_instance, record->patient_id,
                                           record->issuer);
    enum mur_status status = mur_header_get_values(&values, ingest->header, !known, error);
    record->values = values.values;
    record->value_count = values.count;
    int64_t id = 0;
    if (status == MUR_OK)
        status = mur_database_insert_instance(&id, archive->writer, record, error);
    if (status == MUR_OK)
        status =
            mur_manifest_add_instance(&archive->manifest, record, id, ingest->origin.isa, error);
    record->values = NULL;
    record->value_count = 0;
    ingest->row = id;
    return status;
}

/* Takes one instance into the open transaction. MUR_EXISTS fails this one alone.
 * @param last  of the batch: no more names are to come */
static enum mur_status take(struct mur_ingest *ingest, bool last, struct mur_error *error)
{
    struct mur_instance stored;
    bool found = false;
    enum mur_status status = mur_database_find_instance(
        &found, &stored, ingest->archive->writer, ingest->record.instance.sop_instance, error);
    bool goes_in = true;
    if (status == MUR_OK && found) {
        mur_object_displace(ingest->object); /* its file was lost, or stands elsewhere */
        status = settle_duplicate(&goes_in, ingest, &stored, &ingest->error);
        if (status == MUR_EXISTS)
            return MUR_OK; /* this one is refused, the batch goes on */
        if (status != MUR_OK)
            return mur_error_set(error, status, "%s", ingest->error.message);
    }
    if (!goes_in)
        return status;
    ingest->outcome = MUR_STORED;
    if (status == MUR_OK)
        status = place(ingest, error);
    if (status == MUR_OK && last)
        mur_store_begin_names(ingest->archive->store);
    if (status == MUR_OK)
        status = insert(ingest, error);
    return status;
}

static enum mur_status sync_log(void *user, struct mur_error *error)
{
    return mur_database_sync(user, error);
}

/* Files, sidecars, what was placed, and with @p log the index: all at once. */
static enum mur_status sync_batch(struct mur_archive *archive, struct mur_ingest *const *batch,
                                  size_t count, bool log, struct mur_error *error)
{
    struct mur_object *objects[2 * MUR_BATCH];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (failed(batch[i]) || (batch[i]->outcome != MUR_STORED && !batch[i]->mends))
            continue;
        objects[used++] = batch[i]->object;
        if (mur_header_sidecar(batch[i]->header) != NULL)
            objects[used++] = mur_header_sidecar(batch[i]->header);
    }
    return mur_store_sync(archive->store, objects, used, log ? sync_log : NULL, archive->writer,
                          error);
}

/* When rows are committed: with them on disk, or before that. */
enum order { FILES_FIRST, ALL_AT_ONCE };

/* What takes the place of a whole one must be on disk before that goes; and a sidecar, which no
 * digest vouches for. */
static enum order order_of(const struct mur_archive *archive, struct mur_ingest *const *batch,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (batch[i]->mends || batch[i]->replaced[0] != NULL || batch[i]->replaced[1] != NULL ||
            mur_header_sidecar(batch[i]->header) != NULL)
            return FILES_FIRST;
    return archive->durable ? ALL_AT_ONCE : FILES_FIRST;
}

/* One transaction: all of the batch or nothing. @param[in,out] order  in which to do it; when it
 * turns out to be the other one, nothing was done */
static enum mur_status commit_batch(enum order *order, struct mur_archive *archive,
                                    struct mur_ingest *const *batch, size_t count,
                                    struct mur_error *error)
{
    enum mur_status status = mur_archive_begin(archive, *order == FILES_FIRST, error);
    if (status != MUR_OK)
        return status;
    mur_buffer_clear(&archive->manifest.lines);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        if (!failed(batch[i]))
            status = take(batch[i], i + 1 == count, error);
    if (status == MUR_OK && *order == ALL_AT_ONCE &&
        order_of(archive, batch, count) == FILES_FIRST) {
        *order = FILES_FIRST;
        mur_database_rollback(archive->writer);
        return MUR_OK;
    }
    if (status == MUR_OK && *order == FILES_FIRST)
        status = sync_batch(archive, batch, count, false, error);
    else if (status == MUR_OK)
        status = mur_settling_put(archive, batch, count, error);
    if (status == MUR_OK)
        status = mur_manifest_write(&archive->manifest, archive->writer, error);
    if (status == MUR_OK)
        return mur_database_commit(archive->writer, error);
    mur_database_rollback(archive->writer);
    return status;
}

static void displace_all(struct mur_ingest *const *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        displace(batch[i]);
}

/* What was there already is on disk, or about to be by another process. */
static void await_others(struct mur_archive *archive, struct mur_ingest *const *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!failed(batch[i]) && batch[i]->outcome == MUR_UNCHANGED) {
            struct mur_error error = MUR_ERROR_INIT;
            if (mur_settling_await(archive, archive->writer, batch[i]->record.instance.sop_instance,
                                   &error) != MUR_OK)
                batch[i]->error = error;
        }
}

/* All of the batch is on disk at return or, on failure, no row and no placed file stays. */
static enum mur_status write_batch(struct mur_archive *archive, struct mur_ingest *const *batch,
                                   size_t count, struct mur_error *error)
{
    enum order order = order_of(archive, batch, count);
    const enum order wanted = order;
    enum mur_status status = commit_batch(&order, archive, batch, count, error);
    if (status == MUR_OK && order != wanted) {
        displace_all(batch, count);
        status = commit_batch(&order, archive, batch, count, error);
    } else if (status == MUR_OK && order == ALL_AT_ONCE) {
        status = sync_batch(archive, batch, count, true, error);
        if (status != MUR_OK) {
            displace_all(batch, count);
            mur_settling_undo(archive);
        }
    }
    mur_settling_over(archive);
    if (status != MUR_OK) {
        displace_all(batch, count);
        mur_store_drop_names(archive->store);
    } else {
        await_others(archive, batch, count);
    }
    return status;
}

static void settle(struct mur_archive *archive, struct mur_ingest **batch, size_t count)
{
    struct mur_error error = MUR_ERROR_INIT;
    (void)pthread_mutex_lock(&archive->write_mutex);
    if (write_batch(archive, batch, count, &error) != MUR_OK) {
        /* One of them may have spoilt it for the others: each is tried by itself. */
        for (size_t i = 0; i < count; i++) {
            struct mur_error own = MUR_ERROR_INIT;
            if (!failed(batch[i]) && (count == 1 || write_batch(archive, &batch[i], 1, &own)))
                batch[i]->error = count == 1 ? error : own;
        }
    }
    (void)pthread_mutex_unlock(&archive->write_mutex);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < MUR_COUNT(batch[i]->replaced); j++)
            if (batch[i]->replaced[j] != NULL)
                mur_object_displace(batch[i]->replaced[j]);
}

/* Somebody who waits writes what came meanwhile; the thread, where nobody does. */
static void hand_on(struct mur_archive *archive)
{
    for (struct mur_ingest *at = archive->first; at != NULL; at = at->next)
        if (at->awaited) {
            (void)pthread_cond_signal(&at->settled);
            return;
        }
    if (archive->first != NULL || archive->closing)
        (void)pthread_cond_signal(&archive->arrived);
}

static void ask_for_checkpoint(struct mur_archive *archive)
{
    int pages = mur_database_log_pages(archive->writer);
    if (pages < archive->log_pages) /* the log has begun anew */
        archive->log_pages = 0;
    if (pages - archive->log_pages < CHECKPOINT_PAGES)
        return;
    archive->log_pages = pages;
    archive->checkpoint = true;
    (void)pthread_cond_signal(&archive->arrived);
}

/* While others write. Where no connection can be had, a commit does it in time. */
static void checkpoint(struct mur_archive *archive)
{
    archive->checkpoint = false;
    (void)pthread_mutex_unlock(&archive->mutex);
    struct mur_database *reader = NULL;
    if (mur_reader_take(&reader, archive, NULL) == MUR_OK) {
        mur_database_checkpoint(reader);
        mur_reader_return(archive, reader);
    }
    (void)pthread_mutex_lock(&archive->mutex);
}

/* Where a batch has to wait for the disk, those who are just receiving are waited for: a short
 * while, and only as many as were there before. They would else have to wait for the batch after.
 */
static void gather(struct mur_archive *archive, struct mur_ingest *own)
{
    int64_t most_us = archive->settle_us / 2;
    if (!archive->durable || own == NULL || archive->queued >= archive->expected)
        return;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 1000 * (most_us < GATHER_MOST_US ? most_us : GATHER_MOST_US);
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    archive->gatherer = own;
    while (archive->queued < archive->expected)
        if (pthread_cond_clockwait(&own->settled, &archive->mutex, CLOCK_MONOTONIC, &until) != 0)
            break;
    archive->gatherer = NULL;
}

void mur_archive_write_queue(struct mur_archive *archive, struct mur_ingest *own)
{
    struct mur_ingest *batch[MUR_BATCH];
    size_t count = 0;
    archive->writing = true;
    gather(archive, own);
    while (archive->first != NULL && count < MUR_BATCH) {
        batch[count++] = archive->first;
        archive->first = archive->first->next;
    }
    if (archive->first == NULL)
        archive->last = NULL;
    archive->queued -= count;
    (void)pthread_mutex_unlock(&archive->mutex);
    int64_t start = mur_clock_now_us();
    settle(archive, batch, count);
    int64_t end = mur_clock_now_us();
    (void)pthread_mutex_lock(&archive->mutex);
    archive->settle_us = end > start ? end - start : 0;
    archive->writing = false;
    archive->expected = count + archive->queued;
    for (size_t i = 0; i < count; i++) {
        batch[i]->done = true;
        (void)pthread_cond_signal(&batch[i]->settled);
    }
    hand_on(archive);
    ask_for_checkpoint(archive);
}

void *mur_archive_writer(void *user)
{
    struct mur_archive *archive = user;
    (void)pthread_mutex_lock(&archive->mutex);
    for (;;) {
        if (!archive->writing && archive->first != NULL)
            mur_archive_write_queue(archive, NULL);
        else if (!archive->writing && archive->closing)
            break; /* and nothing is left */
        else if (archive->checkpoint)
            checkpoint(archive);
        else
            (void)pthread_cond_wait(&archive->arrived, &archive->mutex);
    }
    (void)pthread_mutex_unlock(&archive->mutex);
    return NULL;
}
