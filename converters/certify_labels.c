/* Label maps against their segmentation: which label is which segment, and where they lie. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/certify_labels_internal.h"
#include "converters/original.h"
#include "converters/seg_grid.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

enum { VALUES = 65536 };

static void check_free(struct mur_label_check *c)
{
    for (size_t index = 0; c->files != NULL && index < c->job->plain_count; index++) {
        mur_label_map_free(c->files[index].map);
        if (c->files[index].owned)
            mur_seg_volume_free(c->files[index].volume);
    }
    for (size_t index = 0; c->digests != NULL && index < c->out->label_count; index++)
        mur_sha256_free(c->digests[index]);
    mur_sha256_free(c->voxels);
    mur_seg_volume_free(c->laid);
    mur_seg_reader_free(c->reader);
    free(c->files);
    free(c->index_of);
    free(c->digests);
    free(c->entries);
    free(c->raw);
    free(c->kept);
    free(c->wanted);
    free(c->found);
    free(c->bits);
}

/* ---- which label is which segment ------------------------------------------------------------ */

bool mur_certify_is_background(const struct mur_label_check *c,
                               const struct mur_seg_segment *segment)
{
    return c->info->kind == MUR_SEG_LABELMAP &&
           (segment->number == 0 || segment->number == c->info->background);
}

/* The file that a segment was made of; where none is said, the only one. */
static enum mur_status file_of(size_t *out, bool *known, const struct mur_label_check *c,
                               const struct mur_seg_segment *segment, struct mur_error *error)
{
    const char *wanted = segment->about.source_file;
    *known = c->job->plain_count == 1 && wanted == NULL;
    *out = 0;
    for (size_t index = 0; wanted != NULL && !*known && index < c->job->plain_count; index++) {
        MUR_AUTO_FREE char *name = NULL;
        enum mur_status status = mur_original_file_name(&name, c->job->plain[index], error);
        if (status != MUR_OK)
            return status;
        *known = strcmp(name, wanted) == 0;
        *out = index;
    }
    if (*known)
        return MUR_OK;
    return mur_certificate_fail(c->out, error, "segment %u (%s) was made of %s, which is not there",
                                segment->number, segment->about.label,
                                wanted != NULL ? wanted : "a file that it does not name");
}

/* What was to become a segment. */
static enum mur_status told_label(struct mur_certificate_label *out, bool *known,
                                  const struct mur_label_check *c,
                                  const struct mur_seg_segment *segment, struct mur_error *error)
{
    const struct mur_certify_options *options = c->job->options;
    for (size_t index = 0; index < options->segment_count; index++) {
        const struct mur_certify_segment *told = &options->segments[index];
        if (told->number != segment->number)
            continue;
        out->file = told->file;
        out->layer = told->layer;
        out->value = told->value;
        *known = told->file < c->job->plain_count;
        return MUR_OK;
    }
    return mur_certificate_fail(c->out, error, "segment %u (%s): no label was to become it",
                                segment->number, segment->about.label);
}

static enum mur_status add_label(struct mur_label_check *c, const struct mur_seg_segment *segment,
                                 struct mur_error *error)
{
    bool known = false;
    struct mur_certificate_label label = {.layer = segment->layer, .segment = segment->number};
    if (segment->about.has_source_value)
        label.value = segment->about.source_value;
    enum mur_status status = MUR_OK;
    if (c->meaning == MUR_LABELS_LAID) {
        const struct mur_seg_label *laid =
            &mur_seg_volume_labels(c->laid)[segment - c->info->segments];
        known = true;
        label.value = laid->value;
        label.layer = laid->value > 0 ? laid->layer + 1 : c->files[0].header->layers + 1;
    } else if (c->meaning != MUR_LABELS_RECORDED) {
        known = true;
        label.layer = 0;
        if (c->meaning == MUR_LABELS_NUMBERS)
            label.value = segment->number;
    } else if (c->job->options->segments != NULL) {
        status = told_label(&label, &known, c, segment, error);
    } else {
        status = file_of(&label.file, &known, c, segment, error);
    }
    if (status == MUR_OK && known)
        status = mur_text_copy(&label.name, mur_slice_of(segment->about.label), error);
    if (status != MUR_OK || !known)
        return status;
    c->out->labels[c->out->label_count++] = label;
    c->index_of[segment->number] = (uint32_t)c->out->label_count;
    return MUR_OK;
}

/* Segments that do not say so are the only one of their file, or have its values as numbers. */
static void number_labels(struct mur_label_check *c)
{
    for (size_t index = 0; index < c->out->label_count; index++) {
        struct mur_certificate_label *label = &c->out->labels[index];
        size_t same = 0;
        for (size_t other = 0; other < c->out->label_count; other++)
            same += c->out->labels[other].file == label->file;
        if (label->value == 0)
            label->value = same > 1 ? label->segment : (uint16_t)c->only_value;
    }
}

static enum mur_status list_labels(struct mur_label_check *c, struct mur_error *error)
{
    c->out->labels = calloc(c->info->segment_count, sizeof *c->out->labels);
    c->index_of = calloc(VALUES, sizeof *c->index_of);
    if (c->out->labels == NULL || c->index_of == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < c->info->segment_count; index++)
        if (!mur_certify_is_background(c, &c->info->segments[index]))
            status = add_label(c, &c->info->segments[index], error);
    if (status != MUR_OK)
        return status;
    if (c->job->options->segments == NULL)
        number_labels(c);
    c->digests = calloc(c->out->label_count + 1, sizeof(struct mur_sha256 *));
    if (c->digests == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; status == MUR_OK && index < c->out->label_count; index++) {
        const struct mur_certificate_label *label = &c->out->labels[index];
        status = mur_sha256_create(&c->digests[index], error);
        if (label->layer == 0 && c->files[label->file].header->layers > 1)
            c->files[label->file].united = true;
    }
    return status;
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool same_grid(const struct mur_volume_geometry *a, const struct mur_volume_geometry *b)
{
    return memcmp(a->dims, b->dims, sizeof a->dims) == 0 &&
           mur_geometry_corner_distance(a, b) < MUR_CERTIFICATE_CORNER_LIMIT_MM;
}

static enum mur_status find_grid(struct mur_label_check *c, struct mur_label_side *file,
                                 bool *placed, struct mur_error *error)
{
    struct mur_error why = MUR_ERROR_INIT;
    *placed = false;
    for (unsigned way = 0; way < MUR_CERTIFY_WAYS; way++) {
        struct mur_seg_placement placement;
        if (mur_label_map_geometry(&file->grid, file->map, &mur_certify_ways[way], NULL, NULL) !=
                MUR_OK ||
            mur_seg_place(&placement, c->info, &file->grid, way == 0 ? &why : NULL) != MUR_OK)
            continue;
        free(placement.slices);
        const double *spacing = file->grid.spacing_mm;
        double off = placement.error_voxels * fmax(spacing[0], fmax(spacing[1], spacing[2]));
        c->out->corner_error_mm = fmax(c->out->corner_error_mm, off);
        c->out->corner_limit_mm =
            fmin(spacing[0], fmin(spacing[1], spacing[2])) * MUR_GRID_TOLERANCE_PERCENT / 100;
        *placed = true;
        return MUR_OK;
    }
    return mur_certificate_fail(c->out, error, "it does not lie on the grid of %s%s%s",
                                mur_path_base(mur_label_map_path(file->map)),
                                why.message[0] != '\0' ? ": " : "", why.message);
}

static enum mur_status place_file(struct mur_label_check *c, size_t index, struct mur_error *error)
{
    struct mur_label_side *file = &c->files[index];
    bool placed = false;
    enum mur_status status = find_grid(c, file, &placed, error);
    c->out->placed = c->out->placed && placed;
    if (status != MUR_OK || !placed)
        return status;
    if (index > 0 && c->files[index - 1].volume != NULL &&
        same_grid(&file->grid, &c->files[index - 1].grid)) {
        file->volume = c->files[index - 1].volume;
        return MUR_OK;
    }
    const struct mur_seg_volume_options options = {.overlap = MUR_SEG_LAYERS,
                                                   .numbers = MUR_SEG_SEGMENT_NUMBERS};
    status = mur_seg_volume_create(&file->volume, c->reader, &file->grid, &options,
                                   c->job->warnings, error);
    file->owned = status == MUR_OK;
    if (status == MUR_OK)
        return MUR_OK;
    c->out->placed = false;
    return mur_certify_finding(c->job, !c->out->original_is_dicom, error);
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status open_plain(struct mur_label_check *c, struct mur_error *error)
{
    c->files = calloc(c->job->plain_count, sizeof *c->files);
    if (c->files == NULL)
        return mur_error_no_memory(error);
    c->voxels_known = true;
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < c->job->plain_count; index++) {
        struct mur_label_side *file = &c->files[index];
        status = mur_label_map_open(&file->map, c->job->plain[index], c->job->warnings, error);
        if (status != MUR_OK)
            break;
        file->header = mur_label_map_header(file->map);
        c->voxels_known = c->voxels_known && !file->header->interleaved;
    }
    if (status != MUR_OK)
        return status;
    c->out->type_name = c->files[0].header->type_name;
    memcpy(c->out->dims, c->files[0].header->dims, sizeof c->out->dims);
    c->out->volumes = c->files[0].header->layers;
    return MUR_OK;
}

static enum mur_status open_segmentation(struct mur_label_check *c, struct mur_error *error)
{
    enum mur_status status =
        mur_seg_reader_open(&c->reader, c->job->dicom[0], c->job->warnings, error);
    if (status != MUR_OK)
        return status;
    c->info = mur_seg_reader_info(c->reader);
    memcpy(c->out->study_instance, c->info->study_instance, sizeof c->out->study_instance);
    memcpy(c->out->series_instance, c->info->series_instance, sizeof c->out->series_instance);
    memcpy(c->out->sop_class, c->info->sop_class, sizeof c->out->sop_class);
    memcpy(c->out->sop_instance, c->info->sop_instance, sizeof c->out->sop_instance);
    c->out->instances = 1;
    return MUR_OK;
}

static enum mur_status run(struct mur_label_check *c, struct mur_error *error)
{
    bool plain_is_converted = c->out->original_is_dicom;
    c->out->exact = true;
    c->out->placed = true;
    enum mur_status status = open_plain(c, error);
    if (status != MUR_OK)
        return mur_certify_finding(c->job, plain_is_converted, error);
    status = open_segmentation(c, error);
    if (status != MUR_OK)
        return mur_certify_finding(c->job, !plain_is_converted, error);
    for (size_t index = 0; status == MUR_OK && index < c->job->plain_count; index++)
        status = place_file(c, index, error);
    if (status == MUR_OK)
        status = mur_certify_label_meaning(c, error);
    if (status == MUR_OK)
        status = list_labels(c, error);
    c->entries = calloc(VALUES, sizeof *c->entries);
    c->raw = calloc(VALUES, sizeof *c->raw);
    c->kept = calloc(VALUES, sizeof *c->kept);
    if (status == MUR_OK && (c->entries == NULL || c->raw == NULL || c->kept == NULL))
        return mur_error_no_memory(error);
    if (status == MUR_OK && c->out->placed)
        status = mur_certify_label_files(c, error);
    return status;
}

enum mur_status mur_certify_labels(const struct mur_certify_job *job, struct mur_error *error)
{
    struct mur_label_check c = {.job = job, .out = job->out};
    c.plain = job->out->original_is_dicom ? MUR_SIDE_CONVERTED : MUR_SIDE_ORIGINAL;
    c.dicom = 1 - c.plain;
    enum mur_status status = run(&c, error);
    check_free(&c);
    return status;
}
