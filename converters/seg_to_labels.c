#include "converters/seg_to_labels.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/file_set.h"
#include "converters/nifti.h"
#include "converters/nifti_write.h"
#include "converters/original.h"
#include "converters/seg_grid.h"
#include "converters/seg_table.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/text.h"

struct job {
    const struct mur_seg_to_labels_options *options;
    const char *path, *output;
    struct mur_seg_to_labels_report report;
    const struct mur_seg_info *info;
    struct mur_file_set *files;
    struct mur_nifti_writer *writer;
    struct mur_seg_volume *volume;
    uint8_t *voxels; /* of a slice, as a file has them */
};

void mur_seg_to_labels_report_free(struct mur_seg_to_labels_report *report)
{
    mur_warnings_free(&report->warnings);
    mur_seg_reader_free(report->reader);
    free(report->labels);
    *report = (struct mur_seg_to_labels_report)MUR_SEG_TO_LABELS_REPORT_INIT;
}

const char *mur_label_grid_name(enum mur_label_grid grid)
{
    static const char *const names[] = {"original", "source", "frames"};
    return names[grid];
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length > wanted && strcmp(text + length - wanted, end) == 0;
}

static enum mur_status keep_labels(struct job *job, const struct mur_volume_geometry *grid,
                                   struct mur_error *error)
{
    size_t count = job->info->segment_count;
    job->report.labels = calloc(count, sizeof *job->report.labels);
    if (job->report.labels == NULL)
        return mur_error_no_memory(error);
    memcpy(job->report.labels, mur_seg_volume_labels(job->volume),
           count * sizeof *job->report.labels);
    memcpy(job->report.dims, grid->dims, sizeof job->report.dims);
    job->report.layers = mur_seg_volume_layers(job->volume);
    job->report.overlaps = mur_seg_volume_overlaps(job->volume);
    return MUR_OK;
}

/* One more slice of one of the layers comes. */
static enum mur_status next_slice(const struct job *job, uint32_t layer, uint32_t slice,
                                  uint32_t slices, struct mur_error *error)
{
    const struct mur_seg_to_labels_options *options = job->options;
    if (options->cancelled != NULL && __atomic_load_n(options->cancelled, __ATOMIC_RELAXED))
        return mur_error_set(error, MUR_CANCELLED, "%s: stopped by request", job->path);
    mur_progress_update(&options->progress, (uint64_t)layer * slices + slice,
                        (uint64_t)mur_seg_volume_layers(job->volume) * slices, NULL);
    return MUR_OK;
}

/* ---- the way back to the file it was made from ----------------------------------------------- */

/* The file whose header is kept: its header as it was, and how its voxels are stored. */
struct before {
    struct mur_original kept;
    struct mur_nifti *nifti;
    const struct mur_nifti_header *header;
    struct mur_volume_geometry grid;
};

static void before_free(struct before *before)
{
    mur_original_free(&before->kept);
    mur_nifti_free(before->nifti);
}

/* Frames of labels2seg are whole planes of its map: of a header that claims more, nothing is true.
 */
static bool covers_planes(const struct mur_seg_placement *placement,
                          const struct mur_seg_info *info, const uint32_t dims[3])
{
    return dims[placement->axis[0]] == info->columns && dims[placement->axis[1]] == info->rows;
}

/* Whichever way labels2seg was told to understand the header: the one on whose grid frames lie. */
static bool find_grid(struct job *job, struct before *before)
{
    static const struct mur_orientation_options ways[] = {
        {.analyze_order = MUR_ANALYZE_RAS},
        {.prefer_qform = true},
        {.spm_when_unset = true},
        {.analyze_order = MUR_ANALYZE_LAS},
    };
    for (size_t way = 0; way < MUR_COUNT(ways); way++) {
        struct mur_seg_placement placement;
        if (mur_nifti_geometry(&before->grid, before->nifti, &ways[way], NULL, NULL) != MUR_OK ||
            mur_seg_place(&placement, job->info, &before->grid, NULL) != MUR_OK)
            continue;
        free(placement.slices);
        return covers_planes(&placement, job->info, before->grid.dims);
    }
    return false;
}

/* Stores a label as the file does. */
static void store_label(uint8_t *out, const struct mur_nifti_header *header, uint16_t label)
{
    double raw = ((double)label - header->intercept) / header->slope;
    int64_t whole = llrint(raw);
    float narrow = (float)raw;
    if (header->type == MUR_NIFTI_FLOAT32)
        memcpy(out, &narrow, sizeof narrow);
    else if (header->type == MUR_NIFTI_FLOAT64)
        memcpy(out, &raw, sizeof raw);
    else
        memcpy(out, &whole, header->voxel_size); /* little endian */
}

struct label_bytes {
    uint8_t (*bytes)[8]; /* of each label, little endian */
    bool big_endian;
    unsigned size;
};

static enum mur_status fill_label_bytes(struct label_bytes *out, const struct before *before,
                                        unsigned voxel_size, struct mur_error *error)
{
    uint32_t count = voxel_size == 1 ? 256 : 65536;
    out->size = before->header->voxel_size;
    out->big_endian = before->header->big_endian;
    out->bytes = calloc(count, sizeof *out->bytes);
    if (out->bytes == NULL)
        return mur_error_no_memory(error);
    for (uint32_t label = 0; label < count; label++)
        store_label(out->bytes[label], before->header, (uint16_t)label);
    return MUR_OK;
}

static void spread_labels(uint8_t *out, const struct label_bytes *by, const void *labels,
                          unsigned voxel_size, size_t count)
{
    const uint8_t *narrow = labels;
    const uint16_t *wide = labels;
    if (by->size == 1) {
        for (size_t index = 0; index < count; index++)
            out[index] = by->bytes[voxel_size == 1 ? narrow[index] : wide[index]][0];
        return;
    }
    for (size_t index = 0; index < count; index++)
        memcpy(out + index * by->size, by->bytes[voxel_size == 1 ? narrow[index] : wide[index]],
               by->size);
}

static void swap_voxels(uint8_t *bytes, unsigned size, size_t count)
{
    for (size_t index = 0; index < count; index++)
        for (unsigned byte = 0; byte < size / 2; byte++) {
            uint8_t *a = bytes + index * size + byte, *b = bytes + (index + 1) * size - 1 - byte;
            uint8_t kept = *a;
            *a = *b;
            *b = kept;
        }
}

static enum mur_status write_before_head(struct job *job, const struct before *before,
                                         struct mur_error *error)
{
    static const uint8_t zeros[4096];
    uint64_t offset = mur_nifti_voxel_offset(before->nifti);
    uint64_t written = before->kept.header_length + before->kept.extension_length;
    enum mur_status status =
        mur_nifti_writer_write(job->writer, before->kept.header, before->kept.header_length, error);
    if (status == MUR_OK && before->kept.extension_length > 0)
        status = mur_nifti_writer_write(job->writer, before->kept.extensions,
                                        before->kept.extension_length, error);
    while (status == MUR_OK && written < offset) {
        size_t piece = offset - written < sizeof zeros ? (size_t)(offset - written) : sizeof zeros;
        status = mur_nifti_writer_write(job->writer, zeros, piece, error);
        written += piece;
    }
    return status;
}

/* Writes the file again. @param[out] same  its voxels are those of before */
static enum mur_status write_before(struct job *job, const struct before *before, bool *same,
                                    struct mur_error *error)
{
    const uint32_t *dims = before->grid.dims;
    size_t count = (size_t)dims[0] * dims[1];
    unsigned label_size = mur_seg_volume_voxel_size(job->volume);
    struct label_bytes by = {.bytes = NULL};
    uint8_t digest[MUR_SHA256_SIZE];
    MUR_AUTO(mur_sha256) *sha256 = NULL;
    enum mur_status status = fill_label_bytes(&by, before, label_size, error);
    MUR_AUTO_FREE void *table = by.bytes;
    if (status == MUR_OK)
        status = mur_sha256_create(&sha256, error);
    job->voxels = status == MUR_OK ? calloc(count, by.size) : NULL;
    if (status == MUR_OK && job->voxels == NULL)
        status = mur_error_no_memory(error);
    if (status == MUR_OK)
        status = write_before_head(job, before, error);
    MUR_AUTO_FREE void *nothing = status == MUR_OK ? calloc(count, label_size) : NULL;
    if (status == MUR_OK && nothing == NULL)
        status = mur_error_no_memory(error);
    for (uint32_t layer = 0; layer < before->header->volumes; layer++)
        for (uint32_t slice = 0; status == MUR_OK && slice < dims[2]; slice++) {
            const void *labels = nothing;
            if (layer < mur_seg_volume_layers(job->volume)) { /* the last ones may be empty */
                status = next_slice(job, layer, slice, dims[2], error);
                if (status == MUR_OK)
                    status = mur_seg_volume_slice(&labels, job->volume, layer, slice, error);
            }
            if (status != MUR_OK)
                break;
            spread_labels(job->voxels, &by, labels, label_size, count);
            status = mur_sha256_update(sha256, job->voxels, count * by.size, error);
            if (status == MUR_OK && by.big_endian)
                swap_voxels(job->voxels, by.size, count);
            if (status == MUR_OK)
                status = mur_nifti_writer_write(job->writer, job->voxels, count * by.size, error);
        }
    if (status == MUR_OK)
        status = mur_sha256_finish(digest, sha256, error);
    if (status == MUR_OK)
        *same = memcmp(digest, before->kept.voxel_digest, sizeof digest) == 0;
    return status;
}

static enum mur_status differs(struct job *job, const char *why, struct mur_error *error)
{
    return mur_warn(&job->report.warnings, error,
                    "%s: %s: a header is made for it instead of the one it was made from",
                    job->path, why);
}

/* @param[out] done  the file is written */
static enum mur_status try_before(struct job *job, struct before *before, bool *done,
                                  struct mur_error *error)
{
    struct mur_seg_volume_options options = job->options->volume;
    if (job->options->plain || options.numbers != MUR_SEG_ORIGINAL_NUMBERS ||
        options.overlap == MUR_SEG_PRIORITY)
        return MUR_OK;
    enum mur_status status = mur_original_get(&before->kept, job->info->head, error);
    if (status == MUR_NOT_FOUND)
        return MUR_OK;
    if (status == MUR_OK)
        status = mur_nifti_of_header(&before->nifti, before->kept.header,
                                     before->kept.header_length, job->path, error);
    if (status != MUR_OK)
        return status == MUR_NO_MEMORY ? status : differs(job, "its kept header is damaged", error);
    before->header = mur_nifti_header(before->nifti);
    if (mur_nifti_voxel_offset(before->nifti) == 0)
        return differs(job, "it was made from a pair of files", error);
    if (!find_grid(job, before))
        return differs(job, "its frames do not lie on the grid of its kept header", error);
    if (before->header->volumes > 1)
        options.overlap = MUR_SEG_LAYERS;
    options.layers = before->header->volumes;
    status = mur_seg_volume_create(&job->volume, job->report.reader, &before->grid, &options,
                                   &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    bool same = mur_seg_volume_layers(job->volume) <= before->header->volumes;
    if (same)
        status = write_before(job, before, &same, error);
    if (status == MUR_OK && same) {
        job->report.grid = MUR_GRID_ORIGINAL;
        job->report.original = *done = true;
        status = keep_labels(job, &before->grid, error);
        job->report.layers = before->header->volumes;
        return status;
    }
    mur_seg_volume_free(job->volume);
    job->volume = NULL;
    if (status == MUR_OK)
        status = differs(job, "its voxels are not those of the file it was made from", error);
    return status == MUR_OK ? mur_nifti_writer_restart(job->writer, error) : status;
}

/* ---- a file of our own ----------------------------------------------------------------------- */

static enum mur_status choose_grid(struct mur_volume_geometry *out, struct job *job,
                                   struct mur_error *error)
{
    const struct mur_source_series *source = job->options->source;
    job->report.grid = MUR_GRID_FRAMES;
    if (source != NULL) {
        struct mur_seg_placement placement;
        struct mur_error why = MUR_ERROR_INIT;
        enum mur_status status = mur_seg_place(&placement, job->info, &source->geometry, &why);
        if (status == MUR_OK) {
            free(placement.slices);
            *out = source->geometry;
            job->report.grid = MUR_GRID_SOURCE;
            return MUR_OK;
        }
        status = mur_warn(&job->report.warnings, error,
                          "%s does not lie on the grid of series %s (%s): it keeps its own",
                          job->path, source->series_instance, why.message);
        if (status != MUR_OK)
            return status;
    }
    if (mur_seg_own_grid(out, job->info, &job->report.warnings, error) != MUR_OK)
        return mur_error_prefix(error, "%s", job->path);
    return MUR_OK;
}

static enum mur_status write_new(struct job *job, struct mur_error *error)
{
    struct mur_nifti_shape shape = {.slope = 1, .intercept = 0};
    uint8_t prologue[MUR_NIFTI_PROLOGUE_SIZE];
    size_t length = 0;
    enum mur_status status = choose_grid(&shape.geometry, job, error);
    if (status == MUR_OK)
        status = mur_seg_volume_create(&job->volume, job->report.reader, &shape.geometry,
                                       &job->options->volume, &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    unsigned size = mur_seg_volume_voxel_size(job->volume);
    shape.volumes = mur_seg_volume_layers(job->volume);
    shape.type = size == 1 ? MUR_PIXEL_UINT8 : MUR_PIXEL_UINT16;
    (void)snprintf(shape.description, sizeof shape.description, "Murpacs label map");
    status = mur_nifti_prologue(prologue, &length, &shape, error);
    if (status == MUR_OK)
        status = mur_nifti_writer_write(job->writer, prologue, length, error);
    const uint32_t *dims = shape.geometry.dims;
    size_t bytes = (size_t)dims[0] * dims[1] * size;
    for (uint32_t layer = 0; layer < shape.volumes; layer++)
        for (uint32_t slice = 0; status == MUR_OK && slice < dims[2]; slice++) {
            const void *voxels = NULL;
            status = next_slice(job, layer, slice, dims[2], error);
            if (status == MUR_OK)
                status = mur_seg_volume_slice(&voxels, job->volume, layer, slice, error);
            if (status == MUR_OK)
                status = mur_nifti_writer_write(job->writer, voxels, bytes, error);
        }
    return status == MUR_OK ? keep_labels(job, &shape.geometry, error) : status;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static enum mur_status write_tables(struct job *job, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO_FREE char *name = NULL;
    enum mur_status status = MUR_OK;
    if (!job->options->no_table) {
        size_t stem = strlen(job->output) - (ends_with(job->output, ".gz") ? 7 : 4);
        status = mur_text_format(&name, error, "%.*s.json", (int)stem, job->output);
        if (status == MUR_OK)
            status = mur_seg_table_json(&text, job->info, job->report.labels, job->report.layers,
                                        mur_path_base(job->output),
                                        mur_label_grid_name(job->report.grid),
                                        mur_seg_threshold(&job->options->volume), error);
        if (status == MUR_OK)
            status = mur_file_set_write(job->files, name, text.data, text.length, error);
    }
    mur_buffer_clear(&text);
    if (status == MUR_OK && job->options->itksnap != NULL) {
        status = mur_seg_table_itksnap(&text, job->info, job->report.labels, error);
        if (status == MUR_OK)
            status = mur_file_set_write(job->files, job->options->itksnap, text.data, text.length,
                                        error);
    }
    return status;
}

static enum mur_status warn_of_layers(struct job *job, struct mur_error *error)
{
    if (job->report.overlaps == 0 || job->report.layers == 1)
        return MUR_OK;
    return mur_warn(&job->report.warnings, error,
                    "%s: %zu pair%s of segments overlap%s: the label map has %" PRIu32 " layers",
                    job->path, job->report.overlaps, job->report.overlaps == 1 ? "" : "s",
                    job->report.overlaps == 1 ? "s" : "", job->report.layers);
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status convert(struct job *job, struct before *before, struct mur_error *error)
{
    if (!ends_with(job->output, ".nii") && !ends_with(job->output, ".nii.gz"))
        return mur_error_set(error, MUR_INVALID,
                             "%s: the name of a label map ends with .nii or "
                             ".nii.gz",
                             job->output);
    enum mur_status status =
        mur_seg_reader_open(&job->report.reader, job->path, &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    job->info = mur_seg_reader_info(job->report.reader);
    bool done = false;
    status = mur_file_set_create(&job->files, error);
    if (status == MUR_OK)
        status = mur_nifti_writer_create(&job->writer, job->files, job->output,
                                         job->options->gzip_level, error);
    if (status == MUR_OK)
        status = try_before(job, before, &done, error);
    if (status == MUR_OK && !done)
        status = write_new(job, error);
    if (status == MUR_OK)
        status = mur_nifti_writer_finish(job->writer, error);
    if (status == MUR_OK)
        status = write_tables(job, error);
    if (status == MUR_OK)
        status = warn_of_layers(job, error);
    return status == MUR_OK ? mur_file_set_commit(job->files, error) : status;
}

enum mur_status mur_seg_to_labels(struct mur_seg_to_labels_report *report, const char *path,
                                  const char *output,
                                  const struct mur_seg_to_labels_options *options,
                                  struct mur_error *error)
{
    struct job job = {.options = options, .path = path, .output = output};
    struct before before = {.nifti = NULL};
    job.report.warnings = report->warnings;
    enum mur_status status = convert(&job, &before, error);
    before_free(&before);
    mur_seg_volume_free(job.volume);
    mur_nifti_writer_free(job.writer);
    mur_file_set_free(job.files);
    free(job.voxels);
    if (status == MUR_OK) {
        *report = job.report;
    } else {
        report->warnings = job.report.warnings;
        job.report.warnings = (struct mur_warnings)MUR_WARNINGS_INIT;
        mur_seg_to_labels_report_free(&job.report);
    }
    return status;
}
