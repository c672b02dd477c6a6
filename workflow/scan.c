/* One scan of a dataset: its image, converted or as it is, then its segmentations. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/nii_to_dicom.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/part10.h"
#include "workflow/internal.h"

const char *mur_import_status_name(enum mur_import_status status)
{
    switch (status) {
    case MUR_IMPORTED:
        return "imported";
    case MUR_IMPORT_UNCHANGED:
        return "unchanged";
    case MUR_IMPORT_FAILED:
        return "failed";
    }
    return "failed";
}

/** Takes "FOLDER/" away wherever it stands in a text. */
static void cut_folder(char *text, const char *folder)
{
    size_t length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    for (char *at = text; length > 0 && (at = strstr(at, folder)) != NULL;) {
        bool whole_word = at == text || strchr(" '\"(", at[-1]) != NULL;
        if (!whole_word || at[length] != '/') {
            at += length;
            continue;
        }
        size_t cut = length + strspn(at + length, "/");
        memmove(at, at + cut, strlen(at + cut) + 1);
    }
}

void mur_import_reason(struct mur_import_result *result, const struct mur_import_job *job,
                       const char *format, ...)
{
    enum { STEP = 16 };
    va_list arguments;
    va_start(arguments, format);
    MUR_AUTO_FREE char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text == NULL)
        return;
    cut_folder(text, job->root);
    for (size_t i = 0; i < result->reason_count; i++)
        if (strcmp(result->reasons[i], text) == 0)
            return;
    char **grown = result->reasons;
    if (result->reason_count % STEP == 0 && result->reason_count < MUR_IMPORT_REASONS)
        grown = reallocarray(grown, result->reason_count + STEP, sizeof *grown);
    if (grown == NULL || result->reason_count == MUR_IMPORT_REASONS) {
        result->reasons_dropped++;
        return;
    }
    result->reasons = grown;
    grown[result->reason_count++] = MUR_STEAL(text);
}

enum mur_status mur_import_blame(struct mur_error *error, const struct mur_import_job *job,
                                 const char *file)
{
    cut_folder(error->message, job->root);
    size_t length = strlen(file);
    if (strncmp(error->message, file, length) == 0 &&
        strchr(":. /", error->message[length]) != NULL)
        return error->status;
    return mur_error_prefix(error, "%s", file);
}

void mur_import_result_free(struct mur_import_result *result)
{
    for (size_t i = 0; i < result->reason_count; i++)
        free(result->reasons[i]);
    free(result->reasons);
    free(result->series);
    *result = (struct mur_import_result){0};
}

/* ---- DICOM as it is -------------------------------------------------------------------------- */

bool mur_is_dicom_file(const char *path)
{
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    FILE *file = fopen(path, "rbe");
    char bytes[132] = "";
    bool is = file != NULL && fread(bytes, 1, sizeof bytes, file) == sizeof bytes &&
              memcmp(bytes + 128, "DICM", 4) == 0;
    if (file != NULL)
        (void)fclose(file);
    return is;
}

struct folder {
    struct mur_intake *intake;
    const struct mur_import_job *job;
    struct mur_import_result *result;
    size_t files;
};

static enum mur_status take_file(void *user, const struct mur_walk_entry *entry, bool *skip,
                                 struct mur_error *error)
{
    (void)skip;
    struct folder *folder = user;
    if (entry->kind != MUR_WALK_FILE || strcmp(mur_path_base(entry->path), "DICOMDIR") == 0)
        return MUR_OK;
    if (!mur_is_dicom_file(entry->path)) {
        mur_import_reason(folder->result, folder->job, "%s: not DICOM, passed over", entry->path);
        return MUR_OK;
    }
    folder->files++;
    enum mur_status status = mur_intake_file(folder->intake, entry->path, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", entry->relative);
}

static enum mur_status import_dicom(struct mur_source_series **series,
                                    struct mur_import_result *result, struct mur_intake *intake,
                                    const struct mur_import_job *job, const struct mur_scan *scan,
                                    const char *path, bool folder, struct mur_error *error)
{
    struct folder files = {.intake = intake, .job = job, .result = result};
    enum mur_status status = folder ? mur_directory_walk(path, take_file, &files, error)
                                    : mur_intake_file(intake, path, error);
    if (status == MUR_OK && folder && files.files == 0)
        status = mur_error_set(error, MUR_NOT_FOUND, "there is no DICOM file in this folder");
    if (status != MUR_OK || scan->segmentation_count == 0)
        return status;
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    status = mur_source_series_read_path(series, path, NULL, &warnings, error);
    for (size_t i = 0; i < warnings.count; i++)
        mur_import_reason(result, job, "%s", warnings.texts[i]);
    return status;
}

/* ---- NIfTI ----------------------------------------------------------------------------------- */

static enum mur_status import_nifti(struct mur_source_series **series,
                                    struct mur_import_result *result, struct mur_intake *intake,
                                    const struct mur_import_job *job, const struct mur_scan *scan,
                                    const char *path, struct mur_error *error)
{
    struct mur_conversion_options options = {
        .study_instance = mur_session_study(job->sessions, scan),
        .series_number = mur_session_scan_number(job->sessions, scan),
        .anatomy = MUR_QUADRUPED,
        .identity_without_attributes = true,
    };
    if (strcmp(scan->modality, "CT") == 0)
        options.modality = MUR_CONVERT_TO_CT;
    else if (strcmp(scan->modality, "MR") == 0)
        options.modality = MUR_CONVERT_TO_MR;
    else if (scan->modality[0] == '\0')
        return mur_error_set(
            error, MUR_INVALID,
            "the tables do not say whether this is CT or MR (image modality, or the"
            " assay's technology type), and a NIfTI file cannot");
    else
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "NIfTI of modality %s is not supported yet, CT and MR are",
                             scan->modality);
    MUR_AUTO(mur_dataset) *attributes = NULL;
    enum mur_status status = mur_dataset_create(&attributes, error);
    if (status == MUR_OK)
        status = mur_mapping_apply(attributes, scan, MUR_LEVEL_IMAGE, error);
    if (status == MUR_OK && !mur_dataset_has_value(attributes, MUR_TAG_SeriesDescription))
        status = mur_dataset_put_string(attributes, MUR_TAG_SeriesDescription, MUR_VR_LO,
                                        scan->assay, error);
    options.attributes = attributes;
    MUR_AUTO_CONVERSION_REPORT struct mur_conversion_report report = MUR_CONVERSION_REPORT_INIT;
    struct mur_output output = mur_intake_output(intake);
    if (status == MUR_OK)
        status = mur_nii_to_dicom(&report, path, &options, &output, error);
    for (size_t i = 0; i < report.warnings.count; i++)
        mur_import_reason(result, job, "%s", report.warnings.texts[i]);
    if (status == MUR_OK) {
        const struct mur_made_series made = {
            .sources = &path,
            .source_count = 1,
            .instances = (const char *const *)report.series->instances,
            .instance_count = report.series->instance_count,
            .series = report.series->series_instance,
            .voxels = report.made[0].voxels,
        };
        status = mur_intake_made(intake, &made, error);
    }
    if (status == MUR_OK)
        *series = MUR_STEAL(report.series);
    return status;
}

/* ---- the scan -------------------------------------------------------------------------------- */

/* What the image says counts; a difference of more than 1 % is worth a word. */
static void check_spacing(struct mur_import_result *result, const struct mur_import_job *job,
                          const struct mur_scan *scan, const char *image,
                          const struct mur_source_series *series)
{
    const struct mur_attribute_path path =
        mur_attribute_path_of(MUR_PRIVATE_TAG(0, MUR_ISA_VOXEL_SIZE_MM));
    const struct mur_scan_value *value = mur_scan_find_value(scan, &path);
    double said;
    if (value == NULL || mur_parse_double(&said, mur_slice_of(value->text), NULL) != MUR_OK)
        return;
    const double *spacing = series->geometry.spacing_mm;
    for (int i = 0; i < 3; i++)
        if (fabs(spacing[i] - said) > 0.01 * said) {
            mur_import_reason(result, job,
                              "%s: its voxels are %.6g x %.6g x %.6g mm, the tables say %.6g mm",
                              image, spacing[0], spacing[1], spacing[2], said);
            return;
        }
}

static enum mur_status import_image(struct mur_source_series **series,
                                    struct mur_import_result *result, struct mur_intake *intake,
                                    const struct mur_import_job *job, const struct mur_scan *scan,
                                    const struct mur_scan_file *image, struct mur_error *error)
{
    if (image->path[0] == '\0')
        return mur_error_set(error, MUR_NOT_FOUND, "%s", image->problem);
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_path_join(&path, job->root, image->path, error);
    if (status != MUR_OK)
        return status;
    mur_intake_source(intake, image->path, false);
    bool folder = mur_directory_exists(path);
    if (folder || mur_is_dicom_file(path))
        status = import_dicom(series, result, intake, job, scan, path, folder, error);
    else
        status = import_nifti(series, result, intake, job, scan, path, error);
    if (status == MUR_OK && *series != NULL)
        check_spacing(result, job, scan, image->cell, *series);
    return status == MUR_OK ? MUR_OK : mur_import_blame(error, job, image->path);
}

static enum mur_status import_parts(struct mur_import_result *result, struct mur_intake *intake,
                                    const struct mur_import_job *job, const struct mur_scan *scan,
                                    struct mur_error *error)
{
    if (scan->image_count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "the tables name no image for this scan");
    MUR_AUTO(mur_source_series) *first = NULL; /* outlines belong to the first image */
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < scan->image_count; i++) {
        MUR_AUTO(mur_source_series) *series = NULL;
        status = import_image(&series, result, intake, job, scan, &scan->images[i], error);
        if (status == MUR_OK && first == NULL)
            first = MUR_STEAL(series);
    }
    if (status == MUR_OK)
        status = mur_import_segmentations(result, intake, job, scan, first, error);
    return status;
}

static enum mur_status keep_series(struct mur_import_result *result,
                                   const struct mur_intake *intake, struct mur_error *error)
{
    size_t count;
    const struct mur_import_series *series = mur_intake_series(intake, &count);
    result->series = calloc(count + 1, sizeof *result->series);
    if (result->series == NULL)
        return mur_error_no_memory(error);
    if (count > 0)
        memcpy(result->series, series, count * sizeof *series);
    result->series_count = count;
    return MUR_OK;
}

void mur_import_scan(struct mur_import_result *result, uint64_t *new_instances,
                     const struct mur_import_job *job, size_t index)
{
    const struct mur_scan *scan = &job->scans->scans[index];
    struct mur_error error = MUR_ERROR_INIT;
    result->scan = scan;
    result->image = scan->image_count > 0 ? scan->images[0].cell : "";
    result->status = MUR_IMPORT_FAILED;
    *new_instances = 0;
    struct mur_isa_link link = {
        .scan = job->rows != NULL ? job->rows->scans[index] : 0,
        .dataset = job->rows != NULL ? job->rows->dataset : "",
        .study = scan->study,
        .assay_file = scan->assay_file,
        .assay = scan->assay,
    };
    MUR_AUTO(mur_intake) *intake = NULL;
    bool linked = false;
    enum mur_status status =
        mur_intake_create(&intake, job->archive, job->rows != NULL ? &link : NULL, &error);
    if (status == MUR_OK)
        status = import_parts(result, intake, job, scan, &error);
    if (status == MUR_OK)
        status = mur_intake_certify(intake, &error);
    if (status == MUR_OK)
        status = mur_intake_commit(intake, new_instances, &linked, &error);
    if (status == MUR_OK)
        status = keep_series(result, intake, &error);
    if (status != MUR_OK) {
        mur_import_reason(result, job, "%s", error.message);
        return;
    }
    result->status = *new_instances > 0 || linked ? MUR_IMPORTED : MUR_IMPORT_UNCHANGED;
    if (job->archive == NULL)
        result->status = MUR_IMPORTED; /* a dry run: it would be */
}
