#include "converters/dicom_to_nii.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "converters/dicom_names.h"
#include "converters/dicom_restore.h"
#include "converters/dicom_sidecar.h"
#include "converters/file_set.h"
#include "converters/nifti_write.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

enum { LISTED_STACKS = 8 };

struct job {
    const struct mur_image_set *set;
    const struct mur_nifti_output_options *options;
    struct mur_dicom_to_nii_report *report;
    struct mur_file_set *files;
    struct mur_plane_reader *reader;
    uint64_t done, total; /* slices */
    char **paths;         /* of each stack */
};

/* A stack on its way. */
struct piece {
    const struct mur_image_stack *stack;
    const struct mur_image_file *first;
    const char *path;
    struct mur_dataset *header;          /* of the first plane's file */
    struct mur_restoration *restoration; /* NULL: as DICOM has it */
    struct mur_volume_geometry grid;     /* as written */
    uint64_t padded;
};

void mur_dicom_to_nii_report_free(struct mur_dicom_to_nii_report *report)
{
    for (size_t index = 0; index < report->count; index++)
        free(report->outputs[index].path);
    free(report->outputs);
    mur_warnings_free(&report->warnings);
    *report = (struct mur_dicom_to_nii_report)MUR_DICOM_TO_NII_REPORT_INIT;
}

static enum mur_status step(struct job *job, const char *what, struct mur_error *error)
{
    const bool *cancelled = job->options->cancelled;
    if (cancelled != NULL && __atomic_load_n(cancelled, __ATOMIC_RELAXED))
        return mur_error_set(error, MUR_CANCELLED, "stopped by request");
    mur_progress_update(&job->options->progress, job->done++, job->total, what);
    return MUR_OK;
}

/* ---- names ------------------------------------------------------------------------------------
 */

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), tail = strlen(end);
    return length > tail && strcasecmp(path + length - tail, end) == 0;
}

static bool is_file_name(const char *path)
{
    return ends_with(path, ".nii") || ends_with(path, ".nii.gz");
}

static enum mur_status load_header(struct mur_dataset **out, const struct mur_image_file *file,
                                   struct mur_error *error)
{
    enum mur_status status = mur_dataset_load(out, file->path, MUR_HEADER, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", file->path);
}

static enum mur_status refuse_several(const struct job *job, const char *path,
                                      struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    size_t count = mur_image_set_stack_count(job->set);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count && index < LISTED_STACKS; index++) {
        const struct mur_image_stack *stack = mur_image_set_stack(job->set, index);
        const struct mur_image_file *file = mur_image_stack_first(job->set, stack);
        const uint32_t *dims = stack->geometry.dims;
        status = mur_buffer_append_format(
            &list, error,
            "%sseries %" PRId64 " (%s), %s, %" PRIu32 " x %" PRIu32 " x %" PRIu32 " x %" PRIu32,
            index > 0 ? "; " : "", file->series_number, file->series_instance, stack->kind, dims[0],
            dims[1], dims[2], stack->volumes);
    }
    if (status != MUR_OK)
        return status;
    return mur_error_set(error, MUR_MISMATCH,
                         "%s: one file cannot hold %zu volumes of different grids, series or "
                         "kinds; name a folder, or one series: %s%s",
                         path, count, mur_buffer_text(&list),
                         count > LISTED_STACKS ? "; and others" : "");
}

static void free_texts(char **texts, size_t count)
{
    for (size_t index = 0; texts != NULL && index < count; index++)
        free(texts[index]);
    free(texts);
}

/* Series Description, or how the scanner calls what it did; "" if it says nothing. */
static enum mur_status describe(char **out, struct mur_dataset *header, struct mur_error *error)
{
    static const uint32_t tags[] = {MUR_TAG_SeriesDescription, MUR_TAG_ProtocolName,
                                    MUR_TAG_AcquisitionProtocolName};
    for (size_t index = 0; index < MUR_COUNT(tags); index++)
        if (mur_dataset_has_value(header, tags[index]) &&
            mur_dataset_get_text(out, header, tags[index], NULL) == MUR_OK)
            return MUR_OK;
    return mur_text_copy(out, mur_slice_of(""), error);
}

/* Description of each stack's series: what lies side by side often has the same file. */
static enum mur_status read_descriptions(char **out, const struct job *job, struct mur_error *error)
{
    size_t count = mur_image_set_stack_count(job->set);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++) {
        const struct mur_image_file *file =
            mur_image_stack_first(job->set, mur_image_set_stack(job->set, index));
        const struct mur_image_file *before =
            index == 0 ? NULL
                       : mur_image_stack_first(job->set, mur_image_set_stack(job->set, index - 1));
        if (before != NULL && strcmp(before->series_instance, file->series_instance) == 0) {
            status = mur_text_copy(&out[index], mur_slice_of(out[index - 1]), error);
            continue;
        }
        MUR_AUTO(mur_dataset) *header = NULL;
        status = load_header(&header, file, error);
        if (status == MUR_OK)
            status = describe(&out[index], header, error);
    }
    return status;
}

static enum mur_status name_in_folder(struct job *job, const char *folder, struct mur_error *error)
{
    size_t count = mur_image_set_stack_count(job->set);
    char **names = calloc(count, sizeof *names), **descriptions = calloc(count, sizeof *names);
    enum mur_status status =
        names == NULL || descriptions == NULL ? mur_error_no_memory(error) : MUR_OK;
    if (status == MUR_OK)
        status = read_descriptions(descriptions, job, error);
    if (status == MUR_OK)
        status = mur_stack_names(names, job->set, (const char *const *)descriptions, error);
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status = mur_text_format(&job->paths[index], error, "%s/%s.nii%s", folder, names[index],
                                 job->options->compress ? ".gz" : "");
    free_texts(names, count);
    free_texts(descriptions, count);
    return status == MUR_OK ? mur_file_set_folder(job->files, folder, error) : status;
}

static enum mur_status choose_paths(struct job *job, const char *path, struct mur_error *error)
{
    job->paths = calloc(mur_image_set_stack_count(job->set), sizeof *job->paths);
    if (job->paths == NULL)
        return mur_error_no_memory(error);
    if (!is_file_name(path))
        return name_in_folder(job, path, error);
    if (mur_image_set_stack_count(job->set) > 1)
        return refuse_several(job, path, error);
    return mur_text_copy(&job->paths[0], mur_slice_of(path), error);
}

/* "a/b.nii.gz" and ".json": "a/b.json". */
static enum mur_status beside(char **out, const char *path, const char *extension,
                              struct mur_error *error)
{
    size_t length = strlen(path);
    if (ends_with(path, ".gz"))
        length -= 3;
    length -= 4; /* .nii */
    return mur_text_format(out, error, "%.*s%s", (int)length, path, extension);
}

/* ---- voxels -----------------------------------------------------------------------------------
 */

/* Voxels that have Pixel Padding Value: they are values like others to a reader of NIfTI. */
static uint64_t count_padding(const void *voxels, size_t count, const struct mur_image_file *file)
{
    uint64_t found = 0;
    if (file->type == MUR_PIXEL_INT16) {
        const int16_t *values = voxels, padding = (int16_t)file->padding;
        for (size_t index = 0; index < count; index++)
            found += values[index] == padding;
    } else if (file->type == MUR_PIXEL_UINT16) {
        const uint16_t *values = voxels, padding = (uint16_t)file->padding;
        for (size_t index = 0; index < count; index++)
            found += values[index] == padding;
    } else if (file->type == MUR_PIXEL_UINT8) {
        const uint8_t *values = voxels, padding = (uint8_t)file->padding;
        for (size_t index = 0; index < count; index++)
            found += values[index] == padding;
    }
    return found;
}

static enum mur_status make_prologue(uint8_t out[MUR_NIFTI_PROLOGUE_SIZE], size_t *length,
                                     const struct piece *piece, struct mur_error *error)
{
    const struct mur_image_stack *stack = piece->stack;
    struct mur_nifti_shape shape = {
        .geometry = stack->geometry,
        .type = stack->type,
        .volumes = stack->volumes,
        .slope = stack->slope,
        .intercept = stack->intercept,
        .time_step_s = stack->time_step_s,
    };
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = describe(&text, piece->header, error);
    if (status != MUR_OK)
        return status;
    memcpy(shape.description, text, mur_utf8_cut(mur_slice_of(text), sizeof shape.description - 1));
    return mur_nifti_prologue(out, length, &shape, error);
}

static enum mur_status write_plain(struct job *job, struct piece *piece,
                                   struct mur_nifti_writer *writer, struct mur_error *error)
{
    const struct mur_image_stack *stack = piece->stack;
    const uint32_t *dims = stack->geometry.dims;
    uint8_t prologue[MUR_NIFTI_PROLOGUE_SIZE];
    size_t length = 0, size = mur_image_stack_slice_size(stack);
    enum mur_status status = make_prologue(prologue, &length, piece, error);
    if (status == MUR_OK)
        status = mur_nifti_writer_write(writer, prologue, length, error);
    piece->grid = stack->geometry;
    for (uint32_t volume = 0; status == MUR_OK && volume < stack->volumes; volume++)
        for (uint32_t slice = 0; status == MUR_OK && slice < dims[2]; slice++) {
            const void *voxels = NULL;
            status = step(job, piece->path, error);
            if (status == MUR_OK)
                status = mur_image_stack_read(&voxels, job->reader, job->set, stack, volume, slice,
                                              error);
            if (status != MUR_OK)
                break;
            if (piece->first->has_padding && stack->type == stack->stored)
                piece->padded +=
                    count_padding(voxels, size / mur_pixel_size(stack->type), piece->first);
            status = mur_nifti_writer_write(writer, voxels, size, error);
        }
    return status;
}

/* @param[out] same  false: what was written is not the file that it was, and must go */
static enum mur_status write_original(bool *same, struct job *job, struct piece *piece,
                                      struct mur_nifti_writer *writer, struct mur_error *error)
{
    size_t length = 0;
    const void *bytes = mur_restoration_prologue(&length, piece->restoration);
    enum mur_status status = mur_nifti_writer_write(writer, bytes, length, error);
    uint64_t count = (uint64_t)piece->stack->volumes * piece->stack->geometry.dims[2];
    for (uint64_t slice = 0; status == MUR_OK && slice < count; slice++) {
        status = step(job, piece->path, error);
        if (status == MUR_OK)
            status = mur_restoration_next(&bytes, &length, piece->restoration, job->reader, error);
        if (status == MUR_OK)
            status = mur_nifti_writer_write(writer, bytes, length, error);
    }
    piece->grid = *mur_restoration_geometry(piece->restoration);
    return status == MUR_OK ? mur_restoration_check(same, piece->restoration, error) : status;
}

static enum mur_status give_up_original(struct job *job, struct piece *piece,
                                        struct mur_nifti_writer *writer, struct mur_error *error)
{
    mur_restoration_free(MUR_STEAL(piece->restoration));
    job->done -= (uint64_t)piece->stack->volumes * piece->stack->geometry.dims[2];
    enum mur_status status =
        mur_warn(&job->report->warnings, error,
                 "series %s: the header of the NIfTI file that it was made from is not used: the "
                 "voxels are others",
                 piece->first->series_instance);
    return status == MUR_OK ? mur_nifti_writer_restart(writer, error) : status;
}

static enum mur_status write_voxels(struct job *job, struct piece *piece, struct mur_error *error)
{
    MUR_AUTO(mur_nifti_writer) *writer = NULL;
    bool same = false;
    enum mur_status status =
        mur_nifti_writer_create(&writer, job->files, piece->path, job->options->gzip_level, error);
    if (status == MUR_OK && piece->restoration != NULL) {
        status = write_original(&same, job, piece, writer, error);
        if (status == MUR_OK && !same)
            status = give_up_original(job, piece, writer, error);
    }
    if (status == MUR_OK && !same)
        status = write_plain(job, piece, writer, error);
    return status == MUR_OK ? mur_nifti_writer_finish(writer, error) : status;
}

/* ---- one stack --------------------------------------------------------------------------------
 */

static enum mur_status find_original(struct job *job, struct piece *piece, struct mur_error *error)
{
    for (size_t index = 0; index < mur_image_set_file_count(job->set); index++) {
        const struct mur_image_file *file = mur_image_set_file(job->set, index);
        if (!file->has_nifti_original ||
            strcmp(file->series_instance, piece->first->series_instance) != 0)
            continue;
        MUR_AUTO(mur_dataset) *header = NULL;
        enum mur_status status = load_header(&header, file, error);
        return status == MUR_OK
                   ? mur_restoration_create(&piece->restoration, header, job->set, piece->stack,
                                            &job->report->warnings, error)
                   : status;
    }
    return MUR_OK;
}

static enum mur_status write_beside(struct job *job, const struct piece *piece,
                                    const char *extension, const struct mur_buffer *text,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = beside(&path, piece->path, extension, error);
    return status == MUR_OK ? mur_file_set_write(job->files, path, text->data, text->length, error)
                            : status;
}

static enum mur_status write_sidecars(struct job *job, const struct piece *piece,
                                      struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const struct mur_nifti_output_options *options = job->options;
    enum mur_status status = MUR_OK;
    if (!options->no_sidecar) {
        if (options->complete != NULL)
            status = options->complete(options->complete_user, piece->header, piece->first, error);
        if (status == MUR_OK)
            status = mur_sidecar_json(&text, piece->header, job->set, piece->stack, error);
        if (status == MUR_OK)
            status = write_beside(job, piece, ".json", &text, error);
    }
    if (status != MUR_OK || !piece->stack->diffusion)
        return status;
    mur_buffer_clear(&text);
    status = mur_sidecar_b_values(&text, piece->stack, error);
    if (status == MUR_OK)
        status = write_beside(job, piece, ".bval", &text, error);
    mur_buffer_clear(&text);
    if (status == MUR_OK)
        status = mur_sidecar_b_vectors(&text, piece->stack, &piece->grid, error);
    return status == MUR_OK ? write_beside(job, piece, ".bvec", &text, error) : status;
}

/* What a reader of the file cannot see. */
static enum mur_status warn_of_looks(struct job *job, const struct piece *piece,
                                     struct mur_error *error)
{
    static const double TILT = 1.7e-3; /* 0.1 degree */
    const struct mur_volume_geometry *geometry = &piece->stack->geometry;
    struct mur_warnings *warnings = &job->report->warnings;
    double normal[3], along = 0;
    enum mur_status status = MUR_OK;
    mur_geometry_normal(normal, geometry);
    for (unsigned axis = 0; axis < 3; axis++)
        along += normal[axis] * geometry->slice_dir_lps[axis];
    if (piece->restoration == NULL && fabs(along) < cos(TILT))
        status = mur_warn(warnings, error,
                          "%s: slices follow each other obliquely (a tilted gantry); of NIfTI "
                          "readers only those see it that read sform",
                          piece->path);
    if (status == MUR_OK && strcmp(piece->first->photometric, "MONOCHROME1") == 0)
        status = mur_warn(warnings, error,
                          "%s: MONOCHROME1: large values are dark; values are as they are stored",
                          piece->path);
    if (status == MUR_OK && strcmp(piece->first->photometric, "PALETTE COLOR") == 0)
        status = mur_warn(warnings, error,
                          "%s: PALETTE COLOR: values are numbers of colours in a table that NIfTI "
                          "does not have",
                          piece->path);
    return status;
}

static enum mur_status note_output(struct job *job, const struct piece *piece,
                                   struct mur_error *error)
{
    struct mur_dicom_to_nii_report *report = job->report;
    struct mur_nifti_output output = {
        .volumes = piece->stack->volumes,
        .type = piece->restoration != NULL ? mur_restoration_type_name(piece->restoration)
                                           : mur_pixel_type_name(piece->stack->type),
        .original = piece->restoration != NULL,
        .padded = piece->padded,
    };
    memcpy(output.series_instance, piece->first->series_instance, sizeof output.series_instance);
    memcpy(output.dims, piece->stack->geometry.dims, sizeof output.dims);
    enum mur_status status = mur_text_copy(&output.path, mur_slice_of(piece->path), error);
    if (status == MUR_OK)
        report->outputs[report->count++] = output;
    if (status == MUR_OK && piece->padded > 0)
        status = mur_warn(&report->warnings, error,
                          "%s: %" PRIu64 " voxels have Pixel Padding Value %" PRId64 " and keep it",
                          piece->path, piece->padded, piece->first->padding);
    return status == MUR_OK ? warn_of_looks(job, piece, error) : status;
}

static enum mur_status write_stack(struct job *job, size_t index, struct mur_error *error)
{
    struct piece piece = {.stack = mur_image_set_stack(job->set, index), .path = job->paths[index]};
    piece.first = mur_image_stack_first(job->set, piece.stack);
    enum mur_status status = load_header(&piece.header, piece.first, error);
    if (status == MUR_OK && !job->options->plain)
        status = find_original(job, &piece, error);
    if (status == MUR_OK)
        status = write_voxels(job, &piece, error);
    if (status == MUR_OK)
        status = write_sidecars(job, &piece, error);
    if (status == MUR_OK)
        status = note_output(job, &piece, error);
    mur_restoration_free(piece.restoration);
    mur_dataset_free(piece.header);
    return status;
}

enum mur_status mur_dicom_to_nii(struct mur_dicom_to_nii_report *report,
                                 const struct mur_image_set *set, const char *path,
                                 const struct mur_nifti_output_options *options,
                                 struct mur_error *error)
{
    size_t count = mur_image_set_stack_count(set);
    struct job job = {.set = set, .options = options, .report = report};
    if (options->gzip_level < 0 || options->gzip_level > 9)
        return mur_error_set(error, MUR_INVALID, "gzip level %d is not 1 to 9",
                             options->gzip_level);
    report->outputs = calloc(count, sizeof *report->outputs);
    enum mur_status status = report->outputs == NULL ? mur_error_no_memory(error) : MUR_OK;
    for (size_t index = 0; index < count; index++) {
        const struct mur_image_stack *stack = mur_image_set_stack(set, index);
        job.total += (uint64_t)stack->volumes * stack->geometry.dims[2];
    }
    if (status == MUR_OK)
        status = mur_file_set_create(&job.files, error);
    if (status == MUR_OK)
        status = mur_plane_reader_create(&job.reader, error);
    if (status == MUR_OK)
        status = choose_paths(&job, path, error);
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status = write_stack(&job, index, error);
    if (status == MUR_OK)
        status = mur_file_set_commit(job.files, error);
    free_texts(job.paths, count);
    mur_plane_reader_free(job.reader);
    mur_file_set_free(job.files);
    if (status != MUR_OK) {
        for (size_t index = 0; index < report->count; index++)
            free(report->outputs[index].path);
        free(MUR_STEAL(report->outputs));
        report->count = 0;
    }
    return status;
}
