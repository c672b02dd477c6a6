/* One stored file against what the index says of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/verify_parts.h"
#include "core/file.h"

enum { CHUNK = 1 << 20 };

struct digests {
    uint8_t data_set[MUR_XXH128_SIZE], file[MUR_SHA256_SIZE];
    bool head_fits;
};

static enum mur_status digest_file(struct digests *out, struct mur_verify *verify, int descriptor,
                                   const struct mur_instance *instance, struct mur_error *error)
{
    MUR_AUTO(mur_xxh128) *fast = NULL;
    MUR_AUTO(mur_sha256) *whole = NULL;
    uint64_t end = instance->offset + instance->length;
    enum mur_status status = mur_xxh128_create(&fast, error);
    if (status == MUR_OK)
        status = mur_sha256_create(&whole, error);
    for (uint64_t at = 0; status == MUR_OK && at < end;) {
        size_t got = 0;
        status = mur_pread_full(&got, descriptor, verify->chunk, CHUNK, (off_t)at,
                                instance->sop_instance, error);
        if (status == MUR_OK && got == 0)
            return mur_error_set(error, MUR_IO, "it was cut while it was read");
        if (status != MUR_OK)
            break;
        if (at == 0)
            out->head_fits = mur_archive_head_fits(instance, verify->chunk, got);
        size_t skip = at >= instance->offset ? 0 : (size_t)(instance->offset - at);
        if (skip < got)
            mur_xxh128_update(fast, verify->chunk + skip, got - skip);
        status = mur_sha256_update(whole, verify->chunk, got, error);
        at += got;
    }
    if (status == MUR_OK)
        status = mur_sha256_finish(out->file, whole, error);
    if (status == MUR_OK)
        mur_xxh128_finish(out->data_set, fast);
    return status;
}

static void note(struct mur_verify *verify, const struct mur_instance *instance,
                 const uint8_t digest[MUR_SHA256_SIZE])
{
    struct mur_new_sha256 *one = &verify->noted[verify->noted_count++];
    one->id = instance->id;
    memcpy(one->sop_instance, instance->sop_instance, sizeof one->sop_instance);
    memcpy(one->digest, digest, sizeof one->digest);
}

/* @param[out] finding  text NULL: nothing is wrong */
static enum mur_status compare(struct mur_finding *finding, struct mur_verify *verify,
                               const struct mur_stored *stored, int descriptor,
                               struct mur_error *error)
{
    const struct mur_instance *instance = &stored->instance;
    struct stat info;
    struct digests digests = {.head_fits = false};
    if (fstat(descriptor, &info) != 0)
        return mur_error_set_errno(error, errno, "cannot look at it");
    if ((uint64_t)info.st_size != instance->offset + instance->length) {
        finding->kind = MUR_FINDING_LENGTH;
        finding->text = "the file has not the length that was stored";
        return MUR_OK;
    }
    /* What stands on the disk is asked for, not what the system remembers of it. */
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    enum mur_status status = digest_file(&digests, verify, descriptor, instance, error);
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    if (status != MUR_OK)
        return status;
    verify->summary.bytes += (uint64_t)info.st_size;
    finding->kind = MUR_FINDING_CHANGED;
    if (memcmp(digests.data_set, instance->digest, sizeof digests.data_set) != 0)
        finding->text = "the Data Set is not the one that came";
    else if (!digests.head_fits)
        finding->text = "preamble or group 0002 are not what was written";
    else if (stored->has_sha256 && memcmp(digests.file, stored->sha256, sizeof digests.file) != 0)
        finding->text = "the SHA-256 of the file is another one than before";
    else if (!stored->has_sha256)
        note(verify, instance, digests.file);
    return MUR_OK;
}

static enum mur_status check_one(struct mur_verify *verify, const struct mur_stored *stored,
                                 const char *suffix, struct mur_error *error)
{
    const struct mur_instance *instance = &stored->instance;
    struct mur_object_name name = mur_name_of(instance);
    struct mur_error reason = MUR_ERROR_INIT;
    struct mur_finding finding = {
        .sop_instance = instance->sop_instance, .study = instance->study_instance, .path = ""};
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_CLOSE int descriptor = -1;
    enum mur_status status =
        mur_store_object_path(&path, verify->archive->store, &name, suffix, error);
    if (status != MUR_OK)
        return status;
    finding.path = path;
    status = mur_store_open_object(&descriptor, verify->archive->store, &name, suffix, &reason);
    if (status == MUR_OK)
        status = strcmp(suffix, ".dcm") == 0
                     ? compare(&finding, verify, stored, descriptor, &reason)
                     : mur_sidecar_read(descriptor, &reason);
    verify->summary.files++;
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (status != MUR_OK) {
        finding.kind = status == MUR_NOT_FOUND ? MUR_FINDING_MISSING
                       : status == MUR_CORRUPT ? MUR_FINDING_CHANGED
                                               : MUR_FINDING_UNREADABLE;
        finding.text = status == MUR_NOT_FOUND ? "the file is missing" : reason.message;
    }
    if (finding.text == NULL)
        return MUR_OK;
    bool still_there = false;
    status = mur_verify_still_there(&still_there, verify, instance, error);
    return status == MUR_OK && still_there ? mur_verify_report(verify, &finding, error) : status;
}

enum mur_status mur_verify_file(struct mur_verify *verify, const struct mur_stored *stored,
                                struct mur_error *error)
{
    verify->summary.instances++;
    if (verify->chunk == NULL && (verify->chunk = malloc(CHUNK)) == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = check_one(verify, stored, ".dcm", error);
    return status == MUR_OK && stored->sidecar ? check_one(verify, stored, ".json.zst", error)
                                               : status;
}
