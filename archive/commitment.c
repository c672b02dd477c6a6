#include "archive/commitment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/json_write.h"

enum { JSON_LIMIT = 32 * 1024 * 1024 };

void mur_commitment_free(struct mur_commitment *commitment)
{
    if (commitment == NULL)
        return;
    free(commitment->references);
    commitment->references = NULL;
    commitment->count = 0;
}

enum mur_status mur_commitment_add(struct mur_commitment *commitment, const char *sop_class,
                                   const char *sop_instance, struct mur_error *error)
{
    size_t count = commitment->count;
    if (count == MUR_REFERENCES)
        return mur_error_set(error, MUR_LIMIT, "more than %d referenced instances", MUR_REFERENCES);
    if ((count & (count - 1)) == 0) { /* a power of two, or none: full */
        struct mur_reference *references =
            reallocarray(commitment->references, count > 0 ? 2 * count : 1, sizeof(*references));
        if (references == NULL)
            return mur_error_no_memory(error);
        commitment->references = references;
    }
    struct mur_reference *added = &commitment->references[count];
    memset(added, 0, sizeof(*added));
    (void)snprintf(added->sop_class, sizeof(added->sop_class), "%s", sop_class);
    (void)snprintf(added->sop_instance, sizeof(added->sop_instance), "%s", sop_instance);
    commitment->count++;
    return MUR_OK;
}

/* ---- references as text ---------------------------------------------------------------------- */

static enum mur_status references_to_json(struct mur_buffer *out,
                                          const struct mur_commitment *commitment,
                                          struct mur_error *error)
{
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(out));
    mur_json_begin_array(&writer);
    for (size_t i = 0; i < commitment->count; i++) {
        mur_json_begin_array(&writer);
        mur_json_string(&writer, commitment->references[i].sop_class);
        mur_json_string(&writer, commitment->references[i].sop_instance);
        mur_json_end_array(&writer);
    }
    mur_json_end_array(&writer);
    return mur_json_finish(&writer, error);
}

static enum mur_status references_from_json(struct mur_commitment *out, const char *text,
                                            struct mur_error *error)
{
    MUR_AUTO(mur_json) *json = NULL;
    enum mur_status status = mur_json_parse(&json, mur_slice_of(text), JSON_LIMIT, error);
    for (size_t i = 0; status == MUR_OK && i < mur_json_count(json); i++) {
        const struct mur_json *pair = mur_json_at(json, i);
        const char *sop_class = mur_json_text(mur_json_at(pair, 0));
        const char *sop_instance = mur_json_text(mur_json_at(pair, 1));
        if (sop_class == NULL || sop_instance == NULL)
            return mur_error_set(error, MUR_CORRUPT, "a pending commitment cannot be read");
        status = mur_commitment_add(out, sop_class, sop_instance, error);
    }
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

typedef enum mur_status change_function(struct mur_database *database, void *user,
                                        struct mur_error *error);

static enum mur_status in_transaction(struct mur_archive *archive, change_function *change,
                                      void *user, struct mur_error *error)
{
    (void)pthread_mutex_lock(&archive->write_mutex);
    enum mur_status status = mur_archive_begin(archive, true, error);
    if (status == MUR_OK) {
        status = change(archive->writer, user, error);
        if (status == MUR_OK)
            status = mur_database_commit(archive->writer, error);
        else
            mur_database_rollback(archive->writer);
    }
    (void)pthread_mutex_unlock(&archive->write_mutex);
    return status;
}

static enum mur_status put(struct mur_database *database, void *user, struct mur_error *error)
{
    return mur_database_put_commitment(database, user, error);
}

enum mur_status mur_archive_take_commitment(struct mur_archive *archive,
                                            const struct mur_commitment *commitment,
                                            struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = references_to_json(&text, commitment, error);
    if (status != MUR_OK)
        return status;
    struct mur_commitment_row row = {.requested_us = mur_clock_now_us()};
    row.next_try_us = row.requested_us;
    memcpy(row.transaction_uid, commitment->transaction_uid, sizeof(row.transaction_uid));
    memcpy(row.peer, commitment->peer, sizeof(row.peer));
    status = mur_buffer_append(&text, "", 1, error); /* the end of a C string */
    row.references = (char *)text.data;
    return status == MUR_OK ? in_transaction(archive, put, &row, error) : status;
}

enum mur_status mur_archive_next_commitment(bool *found, struct mur_commitment *out,
                                            struct mur_archive *archive, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    struct mur_commitment_row row = {.references = NULL};
    bool is_there = false;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_next_commitment(&is_there, &row, reader, error);
    mur_reader_return(archive, reader);
    if (status != MUR_OK || !is_there) {
        if (status == MUR_OK)
            *found = false;
        return status;
    }
    MUR_AUTO_COMMITMENT struct mur_commitment commitment = {.id = row.id,
                                                            .requested_us = row.requested_us,
                                                            .next_try_us = row.next_try_us,
                                                            .attempts = row.attempts};
    memcpy(commitment.transaction_uid, row.transaction_uid, sizeof(commitment.transaction_uid));
    memcpy(commitment.peer, row.peer, sizeof(commitment.peer));
    status = references_from_json(&commitment, row.references, error);
    free(row.references);
    if (status != MUR_OK)
        return status;
    *out = commitment;
    commitment.references = NULL;
    *found = true;
    return MUR_OK;
}

struct postponement {
    int64_t id, next_try_us;
};

static enum mur_status postpone(struct mur_database *database, void *user, struct mur_error *error)
{
    const struct postponement *postponement = user;
    return mur_database_postpone_commitment(database, postponement->id, postponement->next_try_us,
                                            error);
}

enum mur_status mur_archive_commitment_later(struct mur_archive *archive, int64_t id,
                                             int64_t next_try_us, struct mur_error *error)
{
    struct postponement postponement = {.id = id, .next_try_us = next_try_us};
    return in_transaction(archive, postpone, &postponement, error);
}

static enum mur_status drop(struct mur_database *database, void *user, struct mur_error *error)
{
    const int64_t *id = user;
    return mur_database_drop_commitment(database, *id, error);
}

enum mur_status mur_archive_commitment_told(struct mur_archive *archive, int64_t id,
                                            struct mur_error *error)
{
    return in_transaction(archive, drop, &id, error);
}

static enum mur_status hasten(struct mur_database *database, void *user, struct mur_error *error)
{
    (void)user;
    return mur_database_hasten_commitments(database, mur_clock_now_us(), error);
}

enum mur_status mur_archive_hasten_commitments(struct mur_archive *archive, struct mur_error *error)
{
    return in_transaction(archive, hasten, NULL, error);
}

enum mur_status mur_archive_is_committed(bool *committed, struct mur_archive *archive,
                                         const char *sop_instance, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_is_committed(committed, reader, sop_instance, error);
    mur_reader_return(archive, reader);
    return status;
}

/* ---- checking -------------------------------------------------------------------------------- */

/* What another process has not on disk yet cannot be promised. (Our own is, or is gone, when the
 * mark is made.) */
static enum mur_status await_settled(struct mur_archive *archive,
                                     const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_settling_await(archive, reader, instance->sop_instance, error);
    mur_reader_return(archive, reader);
    return status;
}

static enum mur_status check(struct mur_reference *reference, struct mur_instance *instance,
                             struct mur_archive *archive, struct mur_error *error)
{
    bool found = false, whole = false;
    enum mur_status status =
        mur_archive_look_up(&found, instance, archive, reference->sop_instance, error);
    if (status != MUR_OK)
        return status;
    if (!found) {
        reference->failure = MUR_REFERENCE_NO_SUCH_OBJECT;
        return MUR_OK;
    }
    if (strcmp(instance->sop_class, reference->sop_class) != 0) {
        reference->failure = MUR_REFERENCE_CLASS_CONFLICT;
        return MUR_OK;
    }
    struct mur_error reason = MUR_ERROR_INIT;
    status = await_settled(archive, instance, &reason);
    if (status == MUR_OK)
        status = mur_archive_has_its_bytes(&whole, archive, instance, &reason);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    reference->failure =
        status == MUR_OK && whole ? MUR_REFERENCE_KEPT : MUR_REFERENCE_PROCESSING_FAILURE;
    return MUR_OK;
}

struct marking {
    struct mur_commitment *commitment;
    const uint8_t (*digests)[16]; /* of what was checked */
};

/* What was deleted or replaced since it was looked at is not kept. */
static enum mur_status mark(struct mur_archive *archive, void *user, struct mur_error *error)
{
    const struct marking *marking = user;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < marking->commitment->count; i++) {
        struct mur_reference *reference = &marking->commitment->references[i];
        struct mur_instance instance = {.id = 0};
        bool found = false;
        if (reference->failure != MUR_REFERENCE_KEPT)
            continue;
        memcpy(instance.sop_instance, reference->sop_instance, sizeof(instance.sop_instance));
        memcpy(instance.digest, marking->digests[i], sizeof(instance.digest));
        status = mur_database_commit_instance(&found, archive->writer, &instance, error);
        if (status == MUR_OK && !found)
            reference->failure = MUR_REFERENCE_NO_SUCH_OBJECT;
        else if (status == MUR_OK)
            status = mur_manifest_add_committed(&archive->manifest, instance.sop_instance, error);
    }
    return status;
}

enum mur_status mur_archive_commit(struct mur_commitment *commitment, struct mur_archive *archive,
                                   bool (*stop)(void *user), void *user, struct mur_error *error)
{
    MUR_AUTO_FREE uint8_t(*digests)[16] = calloc(commitment->count + 1, sizeof(*digests));
    if (digests == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < commitment->count; i++) {
        struct mur_instance instance = {.id = 0};
        if (stop != NULL && stop(user))
            return mur_error_set(error, MUR_CANCELLED, "checking was ended");
        enum mur_status status = check(&commitment->references[i], &instance, archive, error);
        if (status != MUR_OK)
            return status;
        memcpy(digests[i], instance.digest, sizeof(digests[i]));
    }
    struct marking marking = {.commitment = commitment, .digests = (const uint8_t(*)[16])digests};
    return mur_archive_change(archive, true, mark, &marking, error);
}
