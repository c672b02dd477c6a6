#include "converters/certify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "converters/certify_internal.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/part10.h"
#include "dicom/sop_class.h"

const struct mur_orientation_options mur_certify_ways[MUR_CERTIFY_WAYS] = {
    {.analyze_order = MUR_ANALYZE_RAS},
    {.prefer_qform = true},
    {.spm_when_unset = true},
    {.analyze_order = MUR_ANALYZE_LAS},
};

enum mur_status mur_certify_go_on(const struct mur_certify_job *job, uint64_t done, uint64_t total,
                                  struct mur_error *error)
{
    const struct mur_certify_options *options = job->options;
    if (options->cancelled != NULL && __atomic_load_n(options->cancelled, __ATOMIC_RELAXED))
        return mur_error_set(error, MUR_CANCELLED, "stopped by request");
    mur_progress_update(&options->progress, done, total, NULL);
    return MUR_OK;
}

/* Takes out @p folder wherever a name begins with it. */
static void cut_folder(char *message, const char *folder, size_t length)
{
    for (char *at = message; length > 0 && (at = strstr(at, folder)) != NULL;) {
        if (at == message || at[-1] == ' ')
            memmove(at, at + length, strlen(at + length) + 1);
        else
            at++;
    }
}

/* The certificate is the same wherever the files lie. */
static void cut_folders(char *message, const char *const *paths, size_t count)
{
    char folder[PATH_MAX];
    for (size_t index = 0; index < count; index++) {
        int length = snprintf(folder, sizeof folder, "%s/", paths[index]);
        if (length < 0 || (size_t)length >= sizeof folder)
            continue;
        cut_folder(message, folder, (size_t)length);
        folder[mur_path_base(paths[index]) - paths[index]] = '\0';
        cut_folder(message, folder, strlen(folder));
    }
}

enum mur_status mur_certify_finding(const struct mur_certify_job *job, bool converted,
                                    struct mur_error *error)
{
    switch (error->status) {
    case MUR_OK:
    case MUR_NO_MEMORY:
    case MUR_CANCELLED:
    case MUR_INTERNAL:
    case MUR_INVALID:
        return error->status;
    case MUR_PARSE:
    case MUR_MISMATCH:
    case MUR_NOT_FOUND:
    case MUR_EXISTS:
    case MUR_UNSUPPORTED:
    case MUR_LIMIT:
    case MUR_DENIED:
    case MUR_BUSY:
    case MUR_IO:
    case MUR_NO_SPACE:
    case MUR_CORRUPT:
    case MUR_CLOSED:
    case MUR_TIMEOUT:
        break;
    }
    if (!converted)
        return error->status;
    struct mur_error found = *error;
    *error = (struct mur_error)MUR_ERROR_INIT;
    cut_folders(found.message, job->plain, job->plain_count);
    cut_folders(found.message, job->dicom, job->dicom_count);
    return mur_certificate_fail(job->out, error, "%s", found.message);
}

/* ---- which side is what ---------------------------------------------------------------------- */

enum side_kind { SIDE_PLAIN, SIDE_IMAGES, SIDE_SEGMENTATION };

static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), wanted = strlen(suffix);
    return length > wanted && strcmp(path + length - wanted, suffix) == 0;
}

static enum mur_status kind_of(enum side_kind *out, const char *path, struct mur_error *error)
{
    struct mur_part10 head;
    *out = SIDE_IMAGES;
    if (mur_directory_exists(path))
        return MUR_OK;
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    bool named = has_suffix(path, ".nii") || has_suffix(path, ".gz") || has_suffix(path, ".hdr") ||
                 has_suffix(path, ".img") || has_suffix(path, ".nrrd");
    if (named || mur_part10_read(&head, file, path, NULL) != MUR_OK)
        *out = SIDE_PLAIN;
    else if (strcmp(head.sop_class, mur_uid_SegmentationStorage) == 0 ||
             strcmp(head.sop_class, mur_uid_LabelMapSegmentationStorage) == 0)
        *out = SIDE_SEGMENTATION;
    return MUR_OK;
}

static enum mur_status kind_of_side(enum side_kind *out, const char *const *paths, size_t count,
                                    struct mur_error *error)
{
    enum side_kind first = SIDE_PLAIN;
    for (size_t index = 0; index < count; index++) {
        enum side_kind kind = SIDE_PLAIN;
        enum mur_status status = kind_of(&kind, paths[index], error);
        if (status != MUR_OK)
            return status;
        if (index > 0 && kind != first)
            return mur_error_set(error, MUR_INVALID, "%s and %s are files of different kinds",
                                 paths[0], paths[index]);
        first = kind;
    }
    *out = first;
    return MUR_OK;
}

static enum mur_status keep_names(const struct mur_certify_job *job, struct mur_error *error)
{
    job->out->files = calloc(job->plain_count, sizeof *job->out->files);
    if (job->out->files == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < job->plain_count; index++) {
        status = mur_text_copy(&job->out->files[index],
                               mur_slice_of(mur_path_base(job->plain[index])), error);
        if (status == MUR_OK)
            job->out->file_count++;
    }
    return status;
}

enum mur_status mur_certify(struct mur_certificate *out, const char *const *originals,
                            size_t original_count, const char *const *converted,
                            size_t converted_count, const struct mur_certify_options *options,
                            struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO_CERTIFICATE struct mur_certificate made = {.passed = true};
    enum side_kind original_kind = SIDE_PLAIN, converted_kind = SIDE_PLAIN;
    enum mur_status status = kind_of_side(&original_kind, originals, original_count, error);
    if (status == MUR_OK)
        status = kind_of_side(&converted_kind, converted, converted_count, error);
    if (status != MUR_OK)
        return status;
    if ((original_kind == SIDE_PLAIN) == (converted_kind == SIDE_PLAIN))
        return mur_error_set(error, MUR_INVALID,
                             "%s and %s: one of them must be DICOM, the other one a NIfTI file or "
                             "label map",
                             originals[0], converted[0]);
    made.original_is_dicom = original_kind != SIDE_PLAIN;
    enum side_kind dicom = made.original_is_dicom ? original_kind : converted_kind;
    struct mur_certify_job job = {
        .plain = made.original_is_dicom ? converted : originals,
        .plain_count = made.original_is_dicom ? converted_count : original_count,
        .dicom = made.original_is_dicom ? originals : converted,
        .dicom_count = made.original_is_dicom ? original_count : converted_count,
        .options = options,
        .out = &made,
        .warnings = warnings,
    };
    if (dicom == SIDE_SEGMENTATION ? job.dicom_count != 1 : job.plain_count != 1)
        return mur_error_set(error, MUR_INVALID,
                             dicom == SIDE_SEGMENTATION ? "one segmentation at a time"
                                                        : "one NIfTI file at a time");
    made.kind = dicom == SIDE_SEGMENTATION ? MUR_CERTIFIES_LABELS : MUR_CERTIFIES_IMAGE;
    status = keep_names(&job, error);
    if (status == MUR_OK)
        status = dicom == SIDE_SEGMENTATION ? mur_certify_labels(&job, error)
                                            : mur_certify_image(&job, error);
    if (status != MUR_OK)
        return status;
    *out = made;
    made = (struct mur_certificate)MUR_CERTIFICATE_INIT;
    return MUR_OK;
}
