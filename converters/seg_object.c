/* The instance: its head, and the frames behind it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/identity.h"
#include "converters/label_bits.h"
#include "converters/label_colors.h"
#include "converters/labels_internal.h"
#include "core/deflate.h"
#include "core/text.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum { DEFAULT_SERIES_NUMBER = 300, DEFLATE_LEVEL = 6, LO_CHARACTERS = 64 };

/* ---- identity ---------------------------------------------------------------------------------
 */

static enum mur_status describe_code(struct mur_buffer *out, const struct mur_code *code,
                                     struct mur_error *error)
{
    if (!mur_code_given(code))
        return mur_buffer_append_text(out, "|", error);
    return mur_buffer_append_format(out, error, "|%s %s %s", code->scheme, code->value,
                                    code->meaning);
}

/* All that the object's bytes depend on besides voxels, source and attributes. */
static enum mur_status describe_options(struct mur_buffer *out, const struct mur_label_job *job,
                                        struct mur_error *error)
{
    const struct mur_seg_options *options = job->options;
    enum mur_status status = mur_buffer_append_format(
        out, error,
        "%s%s grid %d number %" PRId64 " qform %d spm %d analyze %d unlisted %d|%s|%s|%s|%s",
        options->labelmap ? "labelmap" : "binary", options->keep_empty ? " keep" : "",
        (int)options->other_grid, options->series_number, options->orientation.prefer_qform,
        options->orientation.spm_when_unset, (int)options->orientation.analyze_order,
        options->ignore_unlisted, options->series_description ? options->series_description : "",
        options->content_label ? options->content_label : "",
        options->content_creator ? options->content_creator : "",
        options->identity ? options->identity : "");
    for (size_t index = 0; status == MUR_OK && index < options->segment_count; index++) {
        const struct mur_label_segment *given = &options->segments[index];
        const struct mur_segment *segment = &given->segment;
        status = mur_buffer_append_format(
            out, error, "\n%zu %" PRIu32 " %" PRId64 " %s|%s|%d %s|%s %s|%d %02x%02x%02x",
            given->file, given->layer, given->value, segment->label,
            segment->description ? segment->description : "", (int)segment->algorithm,
            segment->algorithm_name ? segment->algorithm_name : "",
            segment->tracking_id ? segment->tracking_id : "",
            segment->tracking_uid ? segment->tracking_uid : "", segment->has_color, segment->rgb[0],
            segment->rgb[1], segment->rgb[2]);
        const struct mur_code *codes[] = {&segment->category, &segment->type,
                                          &segment->type_modifier, &segment->region,
                                          &segment->region_modifier};
        for (size_t code = 0; status == MUR_OK && code < MUR_COUNT(codes); code++)
            status = describe_code(out, codes[code], error);
    }
    return status;
}

static enum mur_status given_or_derived(char out[MUR_UID_TEXT_SIZE], const char *given,
                                        const char *kind, const char *const *parts, size_t count,
                                        struct mur_error *error)
{
    if (given == NULL)
        return mur_identity_of(out, kind, parts, count, error);
    if (!mur_uid_valid(mur_slice_of(given)))
        return mur_error_set(error, MUR_INVALID, "\"%s\" is not a UID", given);
    memcpy(out, given, strlen(given) + 1);
    return MUR_OK;
}

static enum mur_status make_identity(struct mur_label_job *job,
                                     char organization[MUR_UID_TEXT_SIZE], struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = describe_options(&text, job, error);
    if (status != MUR_OK)
        return status;
    const char *parts[] = {job->source->series_instance, mur_buffer_text(&job->content),
                           mur_buffer_text(&text), MUR_CONVERTER_FORMAT};
    status = given_or_derived(job->report.series_instance, job->options->series_instance,
                              "segmentation series", parts, MUR_COUNT(parts), error);
    parts[0] = job->report.series_instance;
    if (status == MUR_OK)
        status = given_or_derived(job->report.sop_instance, job->options->sop_instance,
                                  "segmentation instance", parts, 1, error);
    if (status == MUR_OK)
        status = mur_identity_of(organization, "dimension organization", parts, 1, error);
    return status;
}

/* ---- attributes -------------------------------------------------------------------------------
 */

static enum mur_status copy_element(void *user, const struct mur_dataset_element *element,
                                    struct mur_error *error)
{
    struct mur_dataset **pair = user;
    return mur_dataset_copy(pair[0], pair[1], element->tag, error);
}

static enum mur_status make_common(struct mur_dataset **out, const struct mur_label_job *job,
                                   struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *common = NULL;
    enum mur_status status = mur_dataset_clone(&common, job->source->common, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(common, error);
    if (status == MUR_OK && job->options->attributes != NULL) {
        struct mur_dataset *pair[2] = {common, job->options->attributes};
        status = mur_dataset_each(job->options->attributes, copy_element, pair, error);
    }
    /* Text was recoded by the copies, whatever character set the attributes named. */
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(common, error);
    static const uint32_t type_2[] = {
        MUR_TAG_PatientName,
        MUR_TAG_PatientID,
        MUR_TAG_PatientBirthDate,
        MUR_TAG_PatientSex,
        MUR_TAG_StudyDate,
        MUR_TAG_StudyTime,
        MUR_TAG_AccessionNumber,
        MUR_TAG_StudyID,
        MUR_TAG_ReferringPhysicianName,
        MUR_TAG_PositionReferenceIndicator,
    };
    struct mur_put put = {.dataset = common, .status = status, .error = error};
    for (size_t index = 0; index < MUR_COUNT(type_2); index++)
        mur_put_default(&put, type_2[index], "");
    mur_put_animal_defaults(&put);
    mur_put_text(&put, MUR_TAG_StudyInstanceUID, job->source->study_instance);
    if (put.status == MUR_OK && job->original.header_length > 0)
        put.status = mur_original_put(common, &job->original, error);
    if (put.status == MUR_OK)
        *out = MUR_STEAL(common);
    return put.status;
}

/* Content Date and Time are type 1 and must not be made up from the clock: the study's, or where
 * there is none the date that stands for "unknown". */
static void content_date(char date[9], char time[15], struct mur_dataset *common)
{
    static const uint32_t tags[2][2] = {{MUR_TAG_ContentDate, MUR_TAG_ContentTime},
                                        {MUR_TAG_StudyDate, MUR_TAG_StudyTime}};
    (void)snprintf(date, 9, "19000101");
    (void)snprintf(time, 15, "000000");
    for (unsigned index = 0; index < 2; index++) {
        const char *text = NULL;
        if (!mur_dataset_has_value(common, tags[index][0]) ||
            mur_dataset_get_string(&text, common, tags[index][0], NULL) != MUR_OK ||
            strlen(text) != 8)
            continue;
        (void)snprintf(date, 9, "%s", text);
        if (mur_dataset_has_value(common, tags[index][1]) &&
            mur_dataset_get_string(&text, common, tags[index][1], NULL) == MUR_OK &&
            strlen(text) < 15)
            (void)snprintf(time, 15, "%s", text);
        return;
    }
}

/* The arrays that describe the object, in the order of its frames. */
struct description {
    struct mur_segment *segments;
    struct mur_segmentation_plane *planes;
    char (*positions)[MUR_POSITION_TEXT_SIZE];
    struct mur_segmentation_frame *frames;
    char **file_names; /* of each label map */
    size_t file_count;
    char **labels; /* of each segment */
    size_t label_count;
};

static void free_texts(char **texts, size_t count)
{
    for (size_t index = 0; texts != NULL && index < count; index++)
        free(texts[index]);
    free(texts);
}

static void description_free(struct description *description)
{
    free(description->segments);
    free(description->planes);
    free(description->positions);
    free(description->frames);
    free_texts(description->file_names, description->file_count);
    free_texts(description->labels, description->label_count);
}

/* As an LO holds it: a backslash would divide it. */
static enum mur_status make_label(char **out, const char *text, struct mur_error *error)
{
    struct mur_slice given = mur_slice_of(text);
    MUR_AUTO_FREE char *label = NULL;
    enum mur_status status = mur_utf8_valid(given) ? mur_text_copy(&label, given, error)
                                                   : mur_utf8_from_cp1252(&label, given, error);
    if (status != MUR_OK)
        return status;
    for (char *c = label; *c != '\0'; c++)
        *c = *c == '\\' ? '/' : (unsigned char)*c < ' ' ? ' ' : *c;
    struct mur_slice made = mur_slice_trim(mur_slice_of(label));
    while (mur_utf8_count(made) > LO_CHARACTERS)
        made.length = mur_utf8_cut(made, made.length - 1);
    return mur_text_copy(out, made, error);
}

static enum mur_status allocate(struct description *out, const struct mur_label_job *job,
                                struct mur_error *error)
{
    uint32_t plane_count = job->target.dims[2];
    out->segments = calloc(job->options->segment_count, sizeof *out->segments);
    out->planes = calloc(plane_count, sizeof *out->planes);
    out->positions = calloc(plane_count, sizeof *out->positions);
    out->frames = calloc(mur_label_frame_total(job), sizeof *out->frames);
    out->file_count = job->options->file_count;
    out->file_names = calloc(out->file_count, sizeof *out->file_names);
    out->label_count = job->options->segment_count;
    out->labels = calloc(out->label_count, sizeof *out->labels);
    if (out->segments == NULL || out->planes == NULL || out->positions == NULL ||
        out->frames == NULL || out->file_names == NULL || out->labels == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < out->file_count; index++)
        status = mur_original_file_name(&out->file_names[index], job->options->files[index], error);
    for (size_t index = 0; status == MUR_OK && index < out->label_count; index++)
        status =
            make_label(&out->labels[index], job->options->segments[index].segment.label, error);
    return status;
}

static size_t describe_segments(struct description *out, const struct mur_label_job *job)
{
    const double *spacing = job->target.spacing_mm;
    double voxel_ml = spacing[0] * spacing[1] * spacing[2] / 1000;
    size_t count = 0;
    for (size_t index = 0; index < job->options->segment_count; index++) {
        const struct mur_label_segment *from = &job->options->segments[index];
        const struct mur_seg_segment_report *found = &job->report.segments[index];
        if (found->number == 0)
            continue;
        struct mur_segment *segment = &out->segments[count++];
        *segment = from->segment;
        segment->label = out->labels[index];
        segment->number = found->number;
        if (!segment->has_color) { /* else viewers show all that nobody names alike */
            segment->has_color = true;
            mur_label_color(segment->rgb, segment->number);
        }
        double value = from->value != MUR_LABEL_ANY ? (double)from->value
                       : job->mask_mixed            ? 0
                                                    : rint(job->mask_value);
        segment->has_source_value = value > 0;
        segment->source_value = (uint32_t)value;
        segment->source_layer = job->layers[from->file] > 1 ? from->layer : 0;
        segment->source_file = out->file_count > 1 ? out->file_names[from->file] : NULL;
        /* To the nanolitre: the last digits of a grid are not the same in every file of it. */
        segment->volume_ml = nearbyint((double)found->voxels * voxel_ml * 1e6) / 1e6;
    }
    return count;
}

static void describe_planes(struct description *out, const struct mur_label_job *job)
{
    for (uint32_t plane = 0; plane < job->target.dims[2]; plane++) {
        if (job->report.own_grid) {
            mur_geometry_format_position(out->positions[plane], &job->target, plane);
            out->planes[plane].position = out->positions[plane];
            continue;
        }
        const struct mur_source_plane *source = &job->source->planes[plane];
        out->planes[plane] = (struct mur_segmentation_plane){
            .position = source->position,
            .sop_instance = source->sop_instance,
            .frame = source->frame,
        };
    }
}

static void describe_frames(struct description *out, const struct mur_label_job *job)
{
    for (size_t index = 0; index < job->frame_count; index++)
        out->frames[index] = (struct mur_segmentation_frame){
            .segment = job->report.segments[job->frames[index].segment].number - 1u,
            .plane = job->frames[index].plane,
        };
    size_t count = 0;
    for (uint32_t plane = 0; job->planes != NULL && plane < job->target.dims[2]; plane++)
        if (job->planes[plane] != NULL)
            out->frames[count++].plane = plane;
}

static enum mur_segmentation_kind kind_of(const struct mur_label_job *job)
{
    if (job->label_bytes == 0)
        return MUR_SEGMENTATION_BINARY;
    uint16_t largest = 0;
    for (size_t index = 0; index < job->report.segment_count; index++)
        if (job->report.segments[index].number > largest)
            largest = job->report.segments[index].number;
    return largest <= UINT8_MAX ? MUR_SEGMENTATION_LABELMAP8 : MUR_SEGMENTATION_LABELMAP16;
}

/* ---- frames -----------------------------------------------------------------------------------
 */

static enum mur_status write_binary(const struct mur_label_job *job,
                                    const struct mur_output *output, uint64_t pixel_bytes,
                                    struct mur_error *error)
{
    MUR_AUTO_BIT_WRITER struct mur_bit_writer writer = {.piece = NULL};
    enum mur_status status = mur_bit_writer_init(&writer, output, error);
    for (size_t index = 0; status == MUR_OK && index < job->frame_count; index++) {
        const struct mur_label_frame *frame = &job->frames[index];
        memset(job->scratch, 0, frame->first);
        memcpy(job->scratch + frame->first, frame->bits, frame->length);
        size_t end = (size_t)frame->first + frame->length;
        memset(job->scratch + end, 0, job->plane_size / 8 - end);
        status = mur_bit_writer_add(&writer, job->scratch, job->frame_pixels, error);
    }
    return status == MUR_OK ? mur_bit_writer_finish(&writer, pixel_bytes, error) : status;
}

static enum mur_status write_labels(const struct mur_label_job *job,
                                    enum mur_segmentation_kind kind,
                                    const struct mur_output *output, uint64_t pixel_bytes,
                                    struct mur_error *error)
{
    uint64_t written = 0;
    enum mur_status status = MUR_OK;
    bool narrow = kind == MUR_SEGMENTATION_LABELMAP8 && job->label_bytes == 2;
    size_t length = job->frame_pixels * (kind == MUR_SEGMENTATION_LABELMAP8 ? 1 : 2);
    for (uint32_t plane = 0; status == MUR_OK && plane < job->target.dims[2]; plane++) {
        uint8_t *labels = job->planes[plane];
        if (labels == NULL)
            continue;
        for (size_t pixel = 0; narrow && pixel < job->frame_pixels; pixel++)
            labels[pixel] = labels[2 * pixel]; /* the larger ones have no voxel */
        status = output->write(output->user, labels, length, error);
        written += length;
    }
    if (status == MUR_OK && written < pixel_bytes)
        status = output->write(output->user, "", 1, error);
    return status;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static enum mur_status write_content(const struct mur_label_job *job, const struct mur_buffer *head,
                                     enum mur_segmentation_kind kind, uint64_t pixel_bytes,
                                     const struct mur_output *output, struct mur_error *error)
{
    enum mur_status status = output->write(output->user, head->data, head->length, error);
    if (status != MUR_OK)
        return status;
    return kind == MUR_SEGMENTATION_BINARY ? write_binary(job, output, pixel_bytes, error)
                                           : write_labels(job, kind, output, pixel_bytes, error);
}

static enum mur_status deflate_piece(void *user, const void *bytes, size_t length,
                                     struct mur_error *error)
{
    return mur_deflate_writer_write(user, bytes, length, error);
}

/* The length must be known before the first byte goes out, so all of it is compressed first. */
static enum mur_status deflate_content(struct mur_buffer *out, const struct mur_label_job *job,
                                       const struct mur_buffer *head,
                                       enum mur_segmentation_kind kind, uint64_t pixel_bytes,
                                       struct mur_error *error)
{
    MUR_AUTO(mur_deflate_writer) *writer = NULL;
    enum mur_status status =
        mur_deflate_writer_create(&writer, mur_sink_buffer(out), DEFLATE_LEVEL, error);
    const struct mur_output inner = {.write = deflate_piece, .user = writer};
    if (status == MUR_OK)
        status = write_content(job, head, kind, pixel_bytes, &inner, error);
    if (status == MUR_OK)
        status = mur_deflate_writer_finish(writer, error);
    if (status == MUR_OK && out->length % 2 != 0) /* PS3.5 A.5 */
        status = mur_buffer_append(out, "", 1, error);
    return status;
}

static enum mur_status write_instance(struct mur_label_job *job, const struct mur_buffer *head,
                                      enum mur_segmentation_kind kind, uint64_t pixel_bytes,
                                      const struct mur_output *output, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer deflated = MUR_BUFFER_INIT;
    bool deflate = job->options->deflate;
    enum mur_status status = MUR_OK;
    if (deflate)
        status = deflate_content(&deflated, job, head, kind, pixel_bytes, error);
    job->report.bytes = deflate ? deflated.length : head->length + pixel_bytes;
    job->report.frames = (uint32_t)mur_label_frame_total(job);
    const struct mur_made_instance instance = {
        .sop_class = mur_segmentation_sop_class(kind),
        .sop_instance = job->report.sop_instance,
        .transfer_syntax =
            deflate ? mur_uid_DeflatedExplicitVRLittleEndian : mur_uid_ExplicitVRLittleEndian,
        .study_instance = job->source->study_instance,
        .series_instance = job->report.series_instance,
        .number = 1,
        .count = 1,
        .data_set_length = job->report.bytes,
    };
    if (status == MUR_OK)
        status = output->begin(output->user, &instance, error);
    if (status == MUR_OK && deflate)
        status = output->write(output->user, deflated.data, deflated.length, error);
    else if (status == MUR_OK)
        status = write_content(job, head, kind, pixel_bytes, output, error);
    return status == MUR_OK ? output->end(output->user, error) : status;
}

static enum mur_segments_overlap overlap_of(const struct mur_label_job *job)
{
    return job->overlap ? MUR_OVERLAP_YES : MUR_OVERLAP_NO;
}

static enum mur_status make_head(struct mur_buffer *head, uint64_t *pixel_bytes,
                                 struct mur_label_job *job, enum mur_segmentation_kind kind,
                                 struct mur_error *error)
{
    const struct mur_seg_options *options = job->options;
    const struct mur_source_series *source = job->source;
    char organization[MUR_UID_TEXT_SIZE], date[9], time[15];
    MUR_AUTO(mur_dataset) *common = NULL;
    struct description description = {.segments = NULL};
    struct mur_geometry_text own_text = {.image_orientation = ""};
    enum mur_status status = make_identity(job, organization, error);
    if (status == MUR_OK)
        status = make_common(&common, job, error);
    if (status != MUR_OK)
        return status;
    content_date(date, time, common);
    mur_geometry_format(&own_text, &job->target);
    bool own = job->report.own_grid;
    const struct mur_geometry_text *text = own ? &own_text : &source->text;
    struct mur_segmentation given = {
        .kind = kind,
        .overlap = overlap_of(job),
        .common = common,
        .sop_instance = job->report.sop_instance,
        .series_instance = job->report.series_instance,
        .frame_of_reference = source->frame_of_reference,
        .dimension_organization = organization,
        .series_number =
            options->series_number > 0 ? options->series_number : DEFAULT_SERIES_NUMBER,
        .series_description =
            options->series_description ? options->series_description : "Segmentation",
        .content_label = options->content_label ? options->content_label : "SEGMENTATION",
        .content_creator = options->content_creator,
        .content_date = date,
        .content_time = time,
        .manufacturer = "Murpacs",
        .model = "Label map to SEG",
        .serial_number = "0",
        .software = "format " MUR_CONVERTER_FORMAT,
        .rows = job->target.dims[1],
        .columns = job->target.dims[0],
        .image_orientation = text->image_orientation,
        .pixel_spacing = text->pixel_spacing,
        .slice_thickness = own ? own_text.slice_spacing : source->slice_thickness,
        .slice_spacing = text->slice_spacing,
        .plane_count = job->target.dims[2],
        .frame_count = mur_label_frame_total(job),
        .referenced_series = source->series_instance,
        .referenced_sop_class = source->sop_class,
        .referenced_instances = (const char *const *)source->instances,
        .referenced_instance_count = source->instance_count,
        .shared_derivation = own,
    };
    status = allocate(&description, job, error);
    if (status == MUR_OK) {
        given.segment_count = describe_segments(&description, job);
        describe_planes(&description, job);
        describe_frames(&description, job);
        given.segments = description.segments;
        given.planes = description.planes;
        given.frames = description.frames;
        status = mur_segmentation_write_head(head, pixel_bytes, &given, error);
    }
    description_free(&description);
    return status;
}

enum mur_status mur_label_write_object(struct mur_label_job *job, const struct mur_output *output,
                                       struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    uint64_t pixel_bytes = 0;
    enum mur_segmentation_kind kind = kind_of(job);
    enum mur_status status = MUR_OK;
    if (kind == MUR_SEGMENTATION_LABELMAP16)
        status = mur_warn(&job->report.warnings, error,
                          "a label above %d makes the label map 16 bits wide: viewers that hold 8, "
                          "such as OHIF, do not show it, but a binary segmentation",
                          UINT8_MAX);
    if (status == MUR_OK)
        status = make_head(&head, &pixel_bytes, job, kind, error);
    return status == MUR_OK ? write_instance(job, &head, kind, pixel_bytes, output, error) : status;
}
