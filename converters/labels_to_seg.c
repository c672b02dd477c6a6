#include "converters/labels_to_seg.h"

#include <stdlib.h>
#include <string.h>

#include "converters/labels_internal.h"

void mur_seg_report_free(struct mur_seg_report *report)
{
    mur_warnings_free(&report->warnings);
    free(report->segments);
    *report = (struct mur_seg_report)MUR_SEG_REPORT_INIT;
}

static enum mur_status check_options(const struct mur_seg_options *options, struct mur_error *error)
{
    if (options->source == NULL || options->file_count == 0 || options->segment_count == 0)
        return mur_error_set(error, MUR_INVALID,
                             "a segmentation needs an image series, label maps and segments");
    for (size_t index = 0; index < options->segment_count; index++) {
        const struct mur_label_segment *segment = &options->segments[index];
        if (segment->segment.label == NULL || segment->segment.label[0] == '\0')
            return mur_error_set(error, MUR_INVALID, "segment %zu has no label text", index + 1);
        if (segment->file >= options->file_count)
            return mur_error_set(error, MUR_INVALID, "segment \"%s\" names no file",
                                 segment->segment.label);
    }
    return MUR_OK;
}

/* Numbers of a label map are needed before its pixels: values, where they can be told apart. */
static enum mur_status number_labels(struct mur_label_job *job, struct mur_error *error)
{
    size_t count = job->options->segment_count;
    if (!job->options->labelmap)
        return MUR_OK;
    if (count > MUR_LABEL_LARGEST)
        return mur_error_set(error, MUR_LIMIT, "%zu segments; a label map has at most %d", count,
                             MUR_LABEL_LARGEST);
    MUR_AUTO_FREE bool *taken = calloc(MUR_LABEL_VALUES, sizeof *taken);
    job->numbers = calloc(count, sizeof *job->numbers);
    if (taken == NULL || job->numbers == NULL)
        return mur_error_no_memory(error);
    taken[MUR_LABEL_ANY] = true;
    bool distinct = true;
    uint16_t largest = 0;
    for (size_t index = 0; distinct && index < count; index++) {
        int64_t value = job->options->segments[index].value;
        distinct = value > 0 && value <= MUR_LABEL_LARGEST && !taken[value];
        if (distinct)
            taken[value] = true;
    }
    for (size_t index = 0; index < count; index++) {
        job->numbers[index] =
            (uint16_t)(distinct ? (size_t)job->options->segments[index].value : index + 1);
        if (job->numbers[index] > largest)
            largest = job->numbers[index];
    }
    job->label_bytes = largest <= UINT8_MAX ? 1 : 2;
    return MUR_OK;
}

/* Segments without a voxel get no number; the others of a binary one are numbered without gaps. */
static enum mur_status number_segments(struct mur_label_job *job, struct mur_error *error)
{
    uint16_t next = 1;
    enum mur_status status = MUR_OK;
    const double *spacing = job->target.spacing_mm;
    for (size_t index = 0; status == MUR_OK && index < job->options->segment_count; index++) {
        struct mur_seg_segment_report *segment = &job->report.segments[index];
        segment->volume_ml = (double)segment->voxels * spacing[0] * spacing[1] * spacing[2] / 1000;
        const struct mur_label_segment *given = &job->options->segments[index];
        if (segment->voxels > 0) {
            segment->number = job->numbers != NULL ? job->numbers[index] : next;
            next++;
        }
        if (segment->voxels == 0)
            status = mur_warn(&job->report.warnings, error,
                              "segment \"%s\" has no voxel in %s and is left out",
                              given->segment.label, job->options->files[given->file]);
    }
    if (status == MUR_OK && next == 1)
        status =
            mur_error_set(error, MUR_MISMATCH, "%s: no voxel is labelled", job->options->files[0]);
    return status;
}

static void job_free(struct mur_label_job *job)
{
    mur_label_planes_free(job);
    free(job->codes);
    free(job->digests);
    free(job->layers);
    mur_xxh128_free(job->digest);
    mur_sha256_free(job->voxel_digest);
    mur_original_free(&job->original);
    mur_buffer_free(&job->content);
}

enum mur_status mur_labels_to_seg(struct mur_seg_report *report,
                                  const struct mur_seg_options *options,
                                  const struct mur_output *output, struct mur_error *error)
{
    enum mur_status status = check_options(options, error);
    if (status != MUR_OK)
        return status;
    struct mur_label_job job = {
        .options = options, .source = options->source, .content = MUR_BUFFER_INIT};
    job.report.warnings = report->warnings;
    job.report.segment_count = options->segment_count;
    job.report.segments = calloc(options->segment_count, sizeof *job.report.segments);
    if (job.report.segments == NULL)
        status = mur_error_no_memory(error);
    if (status == MUR_OK)
        status = number_labels(&job, error);
    if (status == MUR_OK)
        status = mur_label_files_read(&job, error);
    if (status == MUR_OK)
        status = mur_label_planes_finish(&job, error);
    if (status == MUR_OK)
        status = number_segments(&job, error);
    if (status == MUR_OK)
        status = mur_label_write_object(&job, output, error);
    if (status == MUR_OK) {
        *report = job.report;
    } else {
        report->warnings = job.report.warnings;
        job.report.warnings = (struct mur_warnings)MUR_WARNINGS_INIT;
        mur_seg_report_free(&job.report);
    }
    job_free(&job);
    return status;
}
