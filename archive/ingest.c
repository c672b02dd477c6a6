/* One instance on its way in, up to the writer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "core/clock.h"
#include "core/text.h"
#include "dicom/part10.h"

enum mur_status mur_ingest_begin(struct mur_ingest **out, struct mur_archive *archive,
                                 const char *sop_class, const char *sop_instance,
                                 const char *transfer_syntax, const struct mur_origin *origin,
                                 struct mur_error *error)
{
    struct mur_part10 head = {0};
    const char *const uids[] = {sop_class, sop_instance, transfer_syntax};
    static const char *const names[] = {"SOP Class UID", "SOP Instance UID", "Transfer Syntax UID"};
    char *const copies[] = {head.sop_class, head.sop_instance, head.transfer_syntax};
    for (size_t i = 0; i < MUR_COUNT(uids); i++) {
        struct mur_slice uid = mur_uid_trim(mur_slice_of(uids[i]));
        if (!mur_uid_acceptable(uid))
            return mur_error_set(error, MUR_INVALID, "%s is not a UID", names[i]);
        (void)snprintf(copies[i], MUR_UID_TEXT_SIZE, "%.*s", (int)uid.length, uid.data);
    }
    enum mur_status status = mur_store_check_space(archive->store, error);
    if (status != MUR_OK)
        return status;
    if (origin->calling_ae != NULL)
        (void)snprintf(head.source_ae, sizeof head.source_ae, "%s", origin->calling_ae);

    MUR_AUTO(mur_ingest) *ingest = calloc(1, sizeof *ingest);
    if (ingest == NULL)
        return mur_error_no_memory(error);
    ingest->archive = archive;
    (void)pthread_cond_init(&ingest->settled, NULL);
    ingest->origin = *origin;
    if (origin->path != NULL) {
        status = mur_text_copy(&ingest->path, mur_slice_of(origin->path), error);
        if (status != MUR_OK)
            return status;
    }
    struct mur_instance *instance = &ingest->record.instance;
    memcpy(instance->sop_class, head.sop_class, MUR_UID_TEXT_SIZE);
    memcpy(instance->sop_instance, head.sop_instance, MUR_UID_TEXT_SIZE);
    memcpy(instance->transfer_syntax, head.transfer_syntax, MUR_UID_TEXT_SIZE);
    status = mur_object_create(&ingest->object, archive->store, error);
    if (status == MUR_OK)
        status = mur_header_create(&ingest->header, head.transfer_syntax, archive->store, error);
    if (status == MUR_OK)
        status = mur_xxh128_create(&ingest->digest, error);
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    if (status == MUR_OK)
        status = mur_part10_write(&bytes, &head, error);
    if (status == MUR_OK)
        status = mur_object_write(ingest->object, bytes.data, bytes.length, error);
    if (status != MUR_OK)
        return status;
    instance->offset = bytes.length;
    *out = MUR_STEAL(ingest);
    return MUR_OK;
}

void mur_ingest_require_study(struct mur_ingest *ingest, const char *study)
{
    ingest->study = study;
}

const struct mur_instance *mur_ingest_instance(const struct mur_ingest *ingest)
{
    return &ingest->record.instance;
}

enum mur_status mur_ingest_write(struct mur_ingest *ingest, const void *bytes, size_t length,
                                 struct mur_error *error)
{
    enum mur_status status = mur_object_write(ingest->object, bytes, length, error);
    if (status == MUR_OK)
        status = mur_header_write(ingest->header, bytes, length, error);
    if (status != MUR_OK)
        return status;
    mur_xxh128_update(ingest->digest, bytes, length);
    ingest->record.instance.length += length;
    return MUR_OK;
}

/* The Data Set must name itself as the sender did, and its Study and Series (PS3.3 C.7.2.1,
 * C.7.3.1: Type 1). */
static enum mur_status check_uids(struct mur_ingest *ingest, struct mur_error *error)
{
    struct mur_instance *instance = &ingest->record.instance;
    const struct {
        uint32_t tag;
        const char *name;
        const char *announced;
        char *out;
    } uids[] = {
        {MUR_TAG_SOPClassUID, "SOP Class UID", instance->sop_class, NULL},
        {MUR_TAG_SOPInstanceUID, "SOP Instance UID", instance->sop_instance, NULL},
        {MUR_TAG_StudyInstanceUID, "Study Instance UID", NULL, instance->study_instance},
        {MUR_TAG_SeriesInstanceUID, "Series Instance UID", NULL, instance->series_instance},
    };
    for (size_t i = 0; i < MUR_COUNT(uids); i++) {
        struct mur_slice uid = mur_slice_of(mur_header_text(ingest->header, uids[i].tag));
        if (uid.length == 0)
            return mur_error_set(error, MUR_MISMATCH, "%s is missing", uids[i].name);
        if (!mur_uid_acceptable(uid))
            return mur_error_set(error, MUR_MISMATCH, "%s is not a UID", uids[i].name);
        if (uids[i].announced != NULL && !mur_slice_equal(uid, uids[i].announced))
            return mur_error_set(error, MUR_MISMATCH, "%s is not the one announced", uids[i].name);
        if (uids[i].out != NULL)
            memcpy(uids[i].out, uid.data, uid.length + 1);
    }
    if (ingest->study != NULL && strcmp(instance->study_instance, ingest->study) != 0)
        return mur_error_set(error, MUR_MISMATCH, "it is of another study: %s",
                             instance->study_instance);
    return MUR_OK;
}

/* All that can be done without the others. */
static enum mur_status complete(struct mur_ingest *ingest, struct mur_error *error)
{
    enum mur_status status = mur_object_flush(ingest->object, error);
    if (status == MUR_OK)
        status = mur_header_finish(ingest->header, mur_object_path(ingest->object),
                                   ingest->record.instance.offset, error);
    if (status == MUR_OK)
        status = check_uids(ingest, error);
    if (status == MUR_OK)
        status = mur_quotas_charge(ingest, error);
    if (status != MUR_OK)
        return status;
    struct mur_new_instance *record = &ingest->record;
    if (mur_header_sidecar(ingest->header) == NULL) {
        struct mur_object_name name = mur_name_of(&record->instance);
        mur_object_place_early(ingest->object, &name, ".dcm");
    }
    status = mur_object_finish(ingest->object, error);
    mur_xxh128_finish(record->instance.digest, ingest->digest);
    record->patient_id = mur_header_text(ingest->header, MUR_TAG_PatientID);
    record->issuer = mur_header_text(ingest->header, MUR_TAG_IssuerOfPatientID);
    record->received_us = mur_clock_now_us();
    const struct mur_buffer *json =
        mur_header_json(ingest->header, &record->header_form, &record->header_complete);
    record->header = json->data;
    record->header_length = json->length;
    if (ingest->origin.isa != NULL) {
        record->isa_scan = ingest->origin.isa->scan;
        record->segmentation = ingest->origin.isa->segmentation;
    }
    record->how = ingest->origin.how != NULL ? ingest->origin.how : "";
    record->calling_ae = ingest->origin.calling_ae != NULL ? ingest->origin.calling_ae : "";
    record->peer = ingest->origin.peer != NULL ? ingest->origin.peer : "";
    record->path = ingest->path != NULL ? ingest->path : "";
    return status;
}

/* With the archive's mutex held. */
static void enqueue(struct mur_ingest *ingest)
{
    struct mur_archive *archive = ingest->archive;
    if (archive->last != NULL)
        archive->last->next = ingest;
    else
        archive->first = ingest;
    archive->last = ingest;
    archive->queued++;
    ingest->submitted = true;
    if (archive->gatherer != NULL && archive->queued >= archive->expected)
        (void)pthread_cond_signal(&archive->gatherer->settled);
}

/* With the archive's mutex held. Where nobody writes, this thread does: a hand-over to another one
 * costs more than the work. */
static void wait_until_done(struct mur_ingest *ingest)
{
    struct mur_archive *archive = ingest->archive;
    ingest->awaited = true;
    while (!ingest->done) {
        if (archive->writing)
            (void)pthread_cond_wait(&ingest->settled, &archive->mutex);
        else
            mur_archive_write_queue(archive, ingest);
    }
}

static enum mur_status outcome_of(enum mur_ingest_outcome *outcome, const struct mur_ingest *ingest,
                                  struct mur_error *error)
{
    if (ingest->error.status != MUR_OK)
        return mur_error_set(error, ingest->error.status, "%s", ingest->error.message);
    *outcome = ingest->mends ? MUR_MENDED : ingest->outcome;
    return MUR_OK;
}

enum mur_status mur_ingest_submit(struct mur_ingest *ingest, struct mur_error *error)
{
    enum mur_status status = complete(ingest, error);
    if (status != MUR_OK)
        return status;
    struct mur_archive *archive = ingest->archive;
    (void)pthread_mutex_lock(&archive->mutex);
    enqueue(ingest);
    if (!archive->writing)
        (void)pthread_cond_signal(&archive->arrived);
    (void)pthread_mutex_unlock(&archive->mutex);
    return MUR_OK;
}

enum mur_status mur_ingest_wait(enum mur_ingest_outcome *outcome, struct mur_ingest *ingest,
                                struct mur_error *error)
{
    (void)pthread_mutex_lock(&ingest->archive->mutex);
    wait_until_done(ingest);
    (void)pthread_mutex_unlock(&ingest->archive->mutex);
    return outcome_of(outcome, ingest, error);
}

enum mur_status mur_ingest_finish(enum mur_ingest_outcome *outcome, struct mur_ingest *ingest,
                                  struct mur_error *error)
{
    enum mur_status status = complete(ingest, error);
    if (status != MUR_OK)
        return status;
    (void)pthread_mutex_lock(&ingest->archive->mutex);
    enqueue(ingest);
    wait_until_done(ingest);
    (void)pthread_mutex_unlock(&ingest->archive->mutex);
    return outcome_of(outcome, ingest, error);
}

const char *mur_ingest_study(const struct mur_ingest *ingest)
{
    return ingest->record.instance.study_instance;
}

void mur_ingest_free(struct mur_ingest *ingest)
{
    if (ingest == NULL)
        return;
    if (ingest->submitted) {
        enum mur_ingest_outcome outcome;
        (void)!mur_ingest_wait(&outcome, ingest, NULL);
    }
    if (!ingest->submitted || ingest->error.status != MUR_OK || ingest->outcome != MUR_STORED)
        mur_quotas_discharge(ingest);
    mur_object_free(ingest->replaced[0]);
    mur_object_free(ingest->replaced[1]);
    mur_object_free(ingest->object);
    mur_header_free(ingest->header);
    mur_xxh128_free(ingest->digest);
    (void)pthread_cond_destroy(&ingest->settled);
    free(ingest->path);
    free(ingest);
}
