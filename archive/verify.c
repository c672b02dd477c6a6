#include "archive/verify.h"

#include <stdlib.h>
#include <string.h>

#include "archive/stored_header.h"
#include "archive/verify_parts.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

enum { PAGE = 1000 };

const char *mur_finding_name(enum mur_finding_kind kind)
{
    switch (kind) {
    case MUR_FINDING_CHANGED:
        return "changed";
    case MUR_FINDING_MISSING:
        return "missing";
    case MUR_FINDING_LENGTH:
        return "length";
    case MUR_FINDING_UNREADABLE:
        return "unreadable";
    case MUR_FINDING_STRAY:
        return "stray";
    case MUR_FINDING_MANIFEST:
        return "manifest";
    case MUR_FINDING_CERTIFICATE:
        return "certificate";
    case MUR_FINDING_TABLES:
        return "tables";
    case MUR_FINDING_INDEX:
        return "index";
    }
    return "";
}

/* ---- findings -------------------------------------------------------------------------------- */

static void kept_free(struct mur_kept_finding *one)
{
    free(one->sop_instance);
    free(one->study);
    free(one->path);
    free(one->text);
}

enum mur_status mur_verify_keep(struct mur_verify *verify, const struct mur_finding *finding,
                                unsigned share, struct mur_error *error)
{
    struct mur_kept_finding one = {.kind = finding->kind, .share = share};
    enum mur_status status = mur_archive_grow(&verify->kept, verify->kept_count,
                                              &verify->kept_capacity, sizeof one, error);
    if (status == MUR_OK)
        status = mur_text_copy(&one.sop_instance, mur_slice_of(finding->sop_instance), error);
    if (status == MUR_OK)
        status = mur_text_copy(&one.study, mur_slice_of(finding->study), error);
    if (status == MUR_OK)
        status = mur_text_copy(&one.path, mur_slice_of(finding->path), error);
    if (status == MUR_OK)
        status = mur_text_copy(&one.text, mur_slice_of(finding->text), error);
    if (status == MUR_OK)
        verify->kept[verify->kept_count++] = one;
    else
        kept_free(&one);
    return status;
}

enum mur_status mur_verify_report(struct mur_verify *verify, const struct mur_finding *finding,
                                  struct mur_error *error)
{
    verify->summary.findings++;
    if (verify->options->found != NULL)
        verify->options->found(verify->options->user, finding);
    return mur_verify_keep(verify, finding, verify->summary.share, error);
}

enum mur_status mur_verify_report_stray(struct mur_verify *verify, const char *path,
                                        const char *why, struct mur_error *error)
{
    const struct mur_finding finding = {
        .kind = MUR_FINDING_STRAY, .sop_instance = "", .study = "", .path = path, .text = why};
    return mur_verify_report(verify, &finding, error);
}

enum mur_status mur_verify_still_there(bool *out, struct mur_verify *verify,
                                       const struct mur_instance *instance, struct mur_error *error)
{
    struct mur_instance now = {.id = 0};
    bool found = false;
    enum mur_status status =
        mur_archive_look_up(&found, &now, verify->archive, instance->sop_instance, error);
    if (status == MUR_OK)
        *out = found && now.id == instance->id;
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static enum mur_status add_place(struct mur_verify *verify, const struct mur_instance *instance,
                                 const char *suffix, struct mur_error *error)
{
    struct mur_object_name name = mur_name_of(instance);
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status =
        mur_store_object_path(&path, verify->archive->store, &name, suffix, error);
    if (status == MUR_OK)
        status = mur_archive_grow(&verify->places, verify->place_count, &verify->place_capacity,
                                  sizeof(verify->places[0]), error);
    if (status == MUR_OK)
        verify->places[verify->place_count++] = mur_xxh64_of(path, strlen(path));
    return status;
}

static bool is_of_share(const struct mur_verify *verify, uint64_t uid)
{
    return verify->summary.share == 0 || uid % verify->options->shares == verify->summary.share - 1;
}

/* A flipped bit in what the index keeps of a header is none to SQLite; its frame has a checksum. */
static enum mur_status check_header(struct mur_verify *verify, const struct mur_instance *instance,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer header = MUR_BUFFER_INIT;
    struct mur_error reason = MUR_ERROR_INIT;
    bool complete = false;
    bool still_there = false;
    enum mur_status status =
        mur_archive_read_header(&complete, &header, verify->archive, instance, &reason);
    if (status == MUR_OK)
        return MUR_OK;
    if (status != MUR_CORRUPT && status != MUR_LIMIT && status != MUR_NOT_FOUND)
        return mur_error_set(error, status, "%s", reason.message);
    status = mur_verify_still_there(&still_there, verify, instance, error);
    const struct mur_finding finding = {.kind = MUR_FINDING_INDEX,
                                        .sop_instance = instance->sop_instance,
                                        .study = instance->study_instance,
                                        .path = verify->archive->index_path,
                                        .text = reason.message};
    return status == MUR_OK && still_there ? mur_verify_report(verify, &finding, error) : status;
}

static enum mur_status take_row(struct mur_verify *verify, const struct mur_stored *stored,
                                struct mur_error *error)
{
    const struct mur_instance *instance = &stored->instance;
    struct mur_listed row = {
        .uid = mur_xxh64_of(instance->sop_instance, strlen(instance->sop_instance)),
        .id = instance->id};
    memcpy(row.digest, instance->digest, sizeof row.digest);
    enum mur_status status = add_place(verify, instance, ".dcm", error);
    if (status == MUR_OK && stored->sidecar)
        status = add_place(verify, instance, ".json.zst", error);
    if (status == MUR_OK)
        status = mur_archive_grow(&verify->rows, verify->row_count, &verify->row_capacity,
                                  sizeof row, error);
    if (status != MUR_OK)
        return status;
    verify->rows[verify->row_count++] = row;
    mur_progress_update(verify->progress, ++verify->listed_count, verify->total, NULL);
    if (!is_of_share(verify, row.uid))
        return MUR_OK;
    status = mur_verify_file(verify, stored, error);
    return status == MUR_OK ? check_header(verify, instance, error) : status;
}

static enum mur_status put_noted(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct mur_verify *verify = user;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < verify->noted_count; i++) {
        const struct mur_new_sha256 *one = &verify->noted[i];
        bool found = false;
        status = mur_database_set_sha256(&found, archive->writer, one->id, one->digest, error);
        if (status == MUR_OK && found)
            status =
                mur_manifest_add_sha256(&archive->manifest, one->sop_instance, one->digest, error);
    }
    return status;
}

/* A disk that is full is no reason not to look at what is on it. */
static enum mur_status flush_noted(struct mur_verify *verify, struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    if (verify->noted_count == 0)
        return MUR_OK;
    enum mur_status status = mur_archive_change(verify->archive, true, put_noted, verify, &reason);
    if (status == MUR_OK)
        verify->summary.noted += verify->noted_count;
    verify->noted_count = 0;
    return status == MUR_OK || status == MUR_NO_SPACE
               ? MUR_OK
               : mur_error_set(error, status, "%s", reason.message);
}

/* @param study  NULL = all */
static enum mur_status list_rows(struct mur_verify *verify, const char *study,
                                 struct mur_error *error)
{
    for (int64_t after = 0;;) {
        struct mur_database *reader = NULL;
        MUR_AUTO_FREE struct mur_stored *page = NULL;
        size_t count = 0;
        enum mur_status status = mur_reader_take(&reader, verify->archive, error);
        if (status == MUR_OK)
            status = mur_database_list_stored(&page, &count, reader, after, PAGE, study, error);
        mur_reader_return(verify->archive, reader);
        for (size_t i = 0; status == MUR_OK && i < count; i++)
            status = take_row(verify, &page[i], error);
        if (status == MUR_OK)
            status = flush_noted(verify, error);
        if (status != MUR_OK || count == 0)
            return status;
        after = page[count - 1].instance.id;
        verify->last = after > verify->last ? after : verify->last;
    }
}

/* ---- what else there is ---------------------------------------------------------------------- */

static enum mur_status check_index(struct mur_verify *verify, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    MUR_AUTO_FREE char *wrong = NULL;
    mur_progress_update(verify->progress, verify->listed_count, verify->total, "the index");
    enum mur_status status = mur_reader_take(&reader, verify->archive, error);
    if (status == MUR_OK)
        status = mur_database_check(&wrong, reader, error);
    mur_reader_return(verify->archive, reader);
    if (status != MUR_OK || wrong[0] == '\0')
        return status;
    const struct mur_finding finding = {.kind = MUR_FINDING_INDEX,
                                        .sop_instance = "",
                                        .study = "",
                                        .path = verify->archive->index_path,
                                        .text = wrong};
    return mur_verify_report(verify, &finding, error);
}

static enum mur_status verify_all(struct mur_verify *verify, struct mur_error *error)
{
    struct mur_counts counts;
    enum mur_status status = mur_archive_count(&counts, verify->archive, error);
    if (status == MUR_OK)
        status = mur_verify_read_report(verify, error);
    if (status == MUR_OK) {
        verify->total = (uint64_t)counts.instances;
        status = list_rows(verify, NULL, error);
    }
    if (status == MUR_OK)
        status = mur_verify_strays(verify, verify->objects, error);
    if (status == MUR_OK)
        status = mur_verify_places(verify, error);
    if (status == MUR_OK)
        status = mur_verify_manifest(verify, error);
    if (status == MUR_OK)
        status = mur_verify_certificates(verify, NULL, error);
    if (status == MUR_OK)
        status = mur_verify_tables(verify, error);
    if (status == MUR_OK && verify->summary.share == 0)
        status = check_index(verify, error);
    verify->summary.ended_us = mur_clock_now_us();
    return status == MUR_OK ? mur_verify_write_report(verify, error) : status;
}

/* Its rows and what stands in its folder. */
static enum mur_status verify_study(struct mur_verify *verify, const char *study,
                                    struct mur_error *error)
{
    size_t before = verify->summary.instances;
    MUR_AUTO_FREE char *folder = NULL;
    enum mur_status status = list_rows(verify, study, error);
    if (status == MUR_OK && verify->summary.instances == before)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no study of this UID is stored", study);
    if (status == MUR_OK)
        status = mur_verify_certificates(verify, study, error);
    const struct mur_object_name name = {.study = study, .series = "", .instance = ""};
    if (status == MUR_OK)
        status = mur_store_object_path(&folder, verify->archive->store, &name, "", error);
    for (int up = 0; status == MUR_OK && up < 2; up++)
        *strrchr(folder, '/') = '\0';
    return status == MUR_OK ? mur_verify_strays(verify, folder, error) : status;
}

static void verify_free(struct mur_verify *verify)
{
    for (size_t i = 0; i < verify->kept_count; i++)
        kept_free(&verify->kept[i]);
    free(verify->kept);
    free(verify->objects);
    free(verify->chunk);
    free(verify->places);
    free(verify->rows);
    free(verify->noted);
}

enum mur_status mur_archive_verify(struct mur_verify_summary *out, struct mur_archive *archive,
                                   const struct mur_verify_options *options,
                                   const struct mur_progress *progress, struct mur_error *error)
{
    __attribute__((cleanup(verify_free))) struct mur_verify verify = {
        .archive = archive, .options = options, .progress = progress};
    if (options->shares > MUR_VERIFY_SHARES)
        return mur_error_set(error, MUR_INVALID, "at most %d shares", MUR_VERIFY_SHARES);
    verify.summary.started_us = verify.summary.ended_us = mur_clock_now_us();
    verify.noted = calloc(PAGE, sizeof *verify.noted);
    if (verify.noted == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_path_join(&verify.objects, archive->directory, "objects", error);
    if (status == MUR_OK && options->study_count == 0)
        status = verify_all(&verify, error);
    for (size_t i = 0; status == MUR_OK && i < options->study_count; i++)
        status = verify_study(&verify, options->studies[i], error);
    if (status == MUR_OK) {
        verify.summary.ended_us = mur_clock_now_us();
        *out = verify.summary;
    }
    return status;
}
