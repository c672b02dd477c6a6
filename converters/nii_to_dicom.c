#include "converters/nii_to_dicom.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/conversion.h"
#include "core/buffer.h"
#include "core/own.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

void mur_conversion_report_free(struct mur_conversion_report *report)
{
    mur_warnings_free(&report->warnings);
    mur_source_series_free(report->series);
    free(report->made);
    *report = (struct mur_conversion_report)MUR_CONVERSION_REPORT_INIT;
}

const char *mur_conversion_sop_class(const struct mur_conversion *c)
{
    if (c->form == MUR_PIXELS_COLOUR)
        return mur_uid_SecondaryCaptureImageStorage;
    if (c->form == MUR_PIXELS_FLOAT)
        return mur_uid_ParametricMapStorage;
    return c->options->modality == MUR_CONVERT_TO_CT ? mur_uid_CTImageStorage
                                                     : mur_uid_MRImageStorage;
}

enum mur_status mur_conversion_read(const void **out, struct mur_conversion *c, uint32_t volume,
                                    uint32_t slice, struct mur_error *error)
{
    enum mur_status status = mur_nifti_read_slice(out, c->nifti, volume, slice, error);
    if (status == MUR_OK)
        mur_progress_update(&c->options->progress, ++c->slices_read, c->slices_to_read, c->path);
    return status;
}

/* ---- looking at the voxels ------------------------------------------------------------------- */

/* Hands all slices of a part to @p look, in the order of the file. */
static enum mur_status each_slice(struct mur_conversion *c, struct mur_conversion_part *part,
                                  enum mur_status (*look)(struct mur_conversion *c,
                                                          struct mur_conversion_part *part,
                                                          const void *voxels, void *user,
                                                          struct mur_error *error),
                                  void *user, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t volume = part->first; volume < part->first + part->count; volume++) {
        status = mur_nifti_hold(c->nifti, volume, error);
        for (uint32_t slice = 0; status == MUR_OK && slice < c->header->dims[2]; slice++) {
            const void *voxels = NULL;
            status = mur_conversion_read(&voxels, c, volume, slice, error);
            if (status == MUR_OK)
                status = look(c, part, voxels, user, error);
        }
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static enum mur_status check_opaque(const struct mur_conversion *c, const uint8_t *voxels,
                                    struct mur_error *error)
{
    size_t count = mur_conversion_slice_voxels(c);
    for (size_t index = 0; index < count; index++)
        if (voxels[4 * index + 3] != 255)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: datatype rgba32 with voxels that are not opaque; DICOM has "
                                 "no transparency, so it would be lost",
                                 c->path);
    return MUR_OK;
}

static enum mur_status look_first(struct mur_conversion *c, struct mur_conversion_part *part,
                                  const void *voxels, void *digest, struct mur_error *error)
{
    size_t count = mur_conversion_slice_voxels(c);
    if (part->scan != NULL)
        mur_value_scan_add(part->scan, voxels, count);
    enum mur_status status = c->header->samples == 4 ? check_opaque(c, voxels, error) : MUR_OK;
    return status == MUR_OK
               ? mur_sha256_update(digest, voxels, count * c->header->voxel_size, error)
               : status;
}

static enum mur_status look_again(struct mur_conversion *c, struct mur_conversion_part *part,
                                  const void *voxels, void *user, struct mur_error *error)
{
    (void)user;
    (void)error;
    mur_value_scan_add_window(part->scan, voxels, mur_conversion_slice_voxels(c));
    return MUR_OK;
}

/* First pass: digest and range; second pass, where the range was needed before: window. */
static enum mur_status look_at_part(struct mur_conversion *c, struct mur_conversion_part *part,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    struct mur_value_options values = c->options->values;
    if (c->form == MUR_PIXELS_FLOAT) /* looked at for the window alone */
        values.nan = MUR_NAN_PAD;
    if (status == MUR_OK && c->form != MUR_PIXELS_COLOUR)
        status = mur_value_scan_create(&part->scan, c->header->type, c->header->slope,
                                       c->header->intercept, &values, error);
    if (status == MUR_OK)
        status = each_slice(c, part, look_first, digest, error);
    if (status == MUR_OK)
        status = mur_sha256_finish(part->voxel_digest, digest, error);
    if (status != MUR_OK || part->scan == NULL)
        return status;
    bool again = false, lossless = c->form == MUR_PIXELS_FLOAT;
    if (mur_value_scan_map(&part->values, &again, part->scan, lossless ? NULL : error) != MUR_OK)
        return lossless ? MUR_OK : mur_error_prefix(error, "%s", c->path);
    if (again)
        c->slices_to_read += (uint64_t)part->count * c->header->dims[2];
    if (again)
        status = each_slice(c, part, look_again, NULL, error);
    mur_value_scan_window(&part->values, part->scan);
    if (lossless) {
        part->values.error_bound = 0;
        part->values.padded = 0;
    }
    return status;
}

/* Of header, extensions and the digests of all voxels. */
static enum mur_status hash_content(struct mur_conversion *c, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    uint8_t bytes[MUR_SHA256_SIZE];
    size_t length = 0;
    const uint8_t *extensions = mur_nifti_extensions(&length, c->nifti);
    enum mur_status status = mur_sha256_create(&digest, error);
    if (status == MUR_OK)
        status = mur_sha256_update(digest, c->header->raw, c->header->raw_length, error);
    if (status == MUR_OK && length > 0)
        status = mur_sha256_update(digest, extensions, length, error);
    for (uint32_t part = 0; status == MUR_OK && part < c->part_count; part++)
        status = mur_sha256_update(digest, c->parts[part].voxel_digest, MUR_SHA256_SIZE, error);
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status != MUR_OK)
        return status;
    mur_hex_write(c->report.content, bytes, sizeof bytes);
    return MUR_OK;
}

static enum mur_status look_at_voxels(struct mur_conversion *c, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t part = 0; status == MUR_OK && part < c->part_count; part++)
        status = look_at_part(c, &c->parts[part], error);
    if (status != MUR_OK)
        return status;
    c->report.values = c->parts[0].values;
    for (uint32_t part = 1; part < c->part_count; part++)
        if (c->parts[part].values.error_bound > c->report.values.error_bound)
            c->report.values.error_bound = c->parts[part].values.error_bound;
    return hash_content(c, error);
}

/* ---- geometry -------------------------------------------------------------------------------- */

static enum mur_status make_series(struct mur_source_series **out, const struct mur_conversion *c,
                                   const struct mur_volume_geometry *geometry, uint32_t volumes,
                                   struct mur_error *error)
{
    MUR_AUTO(mur_source_series) *series = calloc(1, sizeof *series);
    if (series == NULL)
        return mur_error_no_memory(error);
    uint32_t count = geometry->dims[2];
    const char *sop_class = mur_conversion_sop_class(c);
    series->geometry = *geometry;
    mur_geometry_format(&series->text, geometry);
    memcpy(series->slice_thickness, series->text.slice_spacing, sizeof series->slice_thickness);
    memcpy(series->sop_class, sop_class, strlen(sop_class) + 1);
    series->volumes = volumes;
    series->planes = calloc(count, sizeof *series->planes);
    if (series->planes == NULL)
        return mur_error_no_memory(error);
    for (uint32_t slice = 0; slice < count; slice++)
        mur_geometry_format_position(series->planes[slice].position, geometry, slice);
    *out = MUR_STEAL(series);
    return MUR_OK;
}

static enum mur_status make_parts(struct mur_conversion *c, struct mur_error *error)
{
    struct mur_volume_geometry made, read;
    unsigned flags = (c->options->keep_order ? 0u : (unsigned)MUR_FLIP_FOR_DISPLAY) |
                     (c->options->allow_shear ? (unsigned)MUR_ALLOW_SHEAR : 0u);
    enum mur_status status = mur_nifti_geometry(&c->voxels, c->nifti, &c->options->orientation,
                                                &c->report.warnings, error);
    if (status != MUR_OK)
        return status;
    if (mur_geometry_for_series(&made, &c->report.order, &c->voxels, flags, error) != MUR_OK)
        return mur_error_prefix(error, "%s", c->path);
    uint32_t volumes = c->plan.volumes / c->plan.series;
    for (uint32_t part = 0; status == MUR_OK && part < c->plan.series; part++) {
        c->parts[part].first = part * volumes;
        c->parts[part].count = volumes;
        status = make_series(&c->parts[part].series, c, &made, volumes, error);
        if (status == MUR_OK)
            c->part_count++;
    }
    if (status != MUR_OK)
        return status;
    const struct mur_source_series *series = c->parts[0].series;
    status = mur_geometry_parse(&read, &series->text, series->planes[0].position,
                                series->planes[made.dims[2] - 1].position, made.dims, error);
    if (status == MUR_OK) /* what a reader gets counts, for segmentations too */
        c->report.corner_error_mm = mur_geometry_corner_distance(&read, &made);
    return status;
}

/* ---- slices ---------------------------------------------------------------------------------- */

#define TURN_ROWS(type)                                                                            \
    do {                                                                                           \
        for (size_t row_ = 0; row_ < rows; row_++) {                                               \
            const type *from_ = (const type *)voxels + row_ * columns;                             \
            type *to_ = (type *)out + (order->flip_j ? rows - 1 - row_ : row_) * columns;          \
            for (size_t column_ = 0; column_ < columns; column_++)                                 \
                to_[column_] = from_[order->flip_i ? columns - 1 - column_ : column_];             \
        }                                                                                          \
    } while (0)

struct three_bytes {
    uint8_t bytes[3];
};

void mur_turn_slice(void *out, const void *voxels, size_t columns, size_t rows, size_t size,
                    const struct mur_voxel_order *order)
{
    if (!order->flip_i && !order->flip_j)
        memcpy(out, voxels, columns * rows * size);
    else if (size == 2)
        TURN_ROWS(uint16_t);
    else if (size == 3)
        TURN_ROWS(struct three_bytes);
    else if (size == 4)
        TURN_ROWS(uint32_t);
    else if (size == 8)
        TURN_ROWS(uint64_t);
}

static void reverse(uint16_t *row, size_t count)
{
    for (size_t index = 0; index < count / 2; index++) {
        uint16_t kept = row[index];
        row[index] = row[count - 1 - index];
        row[count - 1 - index] = kept;
    }
}

/* Alpha was found to be 255 everywhere. */
static void drop_alpha(uint8_t *out, const uint8_t *voxels, size_t count)
{
    for (size_t index = 0; index < count; index++)
        memcpy(out + 3 * index, voxels + 4 * index, 3);
}

/* Pixels of a slice in the order of the series; borrowed from @p voxels or @p c. */
static const void *arrange_slice(struct mur_conversion *c, const struct mur_conversion_part *part,
                                 const void *voxels)
{
    size_t columns = c->header->dims[0], rows = c->header->dims[1];
    const struct mur_voxel_order *order = &c->report.order;
    if (c->header->samples == 4) {
        uint8_t *plain = c->pixels + columns * rows * 3; /* beside the turned ones */
        drop_alpha(plain, voxels, columns * rows);
        voxels = plain;
    }
    if (part->scan == NULL || mur_value_scan_is_identity(part->scan)) {
        if (!order->flip_i && !order->flip_j && part->scan != NULL)
            return voxels;
        mur_turn_slice(c->pixels, voxels, columns, rows, part->scan != NULL ? 2 : 3, order);
        return c->pixels;
    }
    uint16_t *pixels = (uint16_t *)(void *)c->pixels;
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *from = (const uint8_t *)voxels + row * columns * c->header->voxel_size;
        uint16_t *to = pixels + (order->flip_j ? rows - 1 - row : row) * columns;
        mur_value_scan_apply(to, part->scan, from, columns);
        if (order->flip_i)
            reverse(to, columns);
    }
    return c->pixels;
}

static double location_of(const struct mur_volume_geometry *geometry, uint32_t slice)
{
    double normal[3], at[3], along = 0;
    mur_geometry_normal(normal, geometry);
    mur_geometry_position(at, geometry, 0, 0, slice);
    for (unsigned axis = 0; axis < 3; axis++)
        along += normal[axis] * at[axis];
    return along;
}

static enum mur_status write_slice(struct mur_conversion *c, struct mur_conversion_part *part,
                                   const struct mur_common_head *common, struct mur_buffer *head,
                                   uint32_t volume, uint32_t slice, const struct mur_output *output,
                                   struct mur_error *error)
{
    const struct mur_source_series *series = part->series;
    uint32_t slices = c->header->dims[2];
    size_t index = (size_t)(volume - part->first) * slices + slice;
    bool colour = c->form == MUR_PIXELS_COLOUR;
    size_t pixel_bytes = mur_conversion_slice_voxels(c) * (colour ? 3 : 2);
    pixel_bytes += pixel_bytes % 2; /* the buffer has a NUL there */
    const struct mur_slice_elements elements = {
        .sop_instance = series->instances[index],
        .instance_number = index + 1,
        .position = series->planes[slice].position,
        .location_mm = location_of(&series->geometry, slice),
        .pixel_vr = colour ? "OB" : "OW",
        .pixel_bytes = (uint32_t)pixel_bytes,
    };
    const void *voxels = NULL;
    enum mur_status status = mur_slice_head_make(head, common, &elements, error);
    if (status == MUR_OK)
        status =
            mur_conversion_read(&voxels, c, volume, mur_conversion_file_slice(c, slice), error);
    if (status != MUR_OK)
        return status;
    const struct mur_made_instance instance = {
        .sop_class = series->sop_class,
        .sop_instance = elements.sop_instance,
        .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
        .study_instance = series->study_instance,
        .series_instance = series->series_instance,
        .number = c->report.instances + 1,
        .count = c->plan.volumes * slices,
        .data_set_length = head->length + pixel_bytes,
    };
    status = output->begin(output->user, &instance, error);
    if (status == MUR_OK)
        status = output->write(output->user, head->data, head->length, error);
    if (status == MUR_OK)
        status = output->write(output->user, arrange_slice(c, part, voxels), pixel_bytes, error);
    if (status == MUR_OK)
        status = output->end(output->user, error);
    c->report.bytes += instance.data_set_length;
    c->report.instances++;
    return status;
}

/* Encodes what the slices of a volume share; of a part's first volume also with the original
 * header. */
static enum mur_status encode_heads(struct mur_conversion *c, struct mur_conversion_part *part,
                                    struct mur_common_head heads[2], uint32_t volume,
                                    struct mur_error *error)
{
    struct mur_put put = {.dataset = c->dataset, .status = MUR_OK, .error = error};
    mur_volume_put(&put, &c->plan, &c->clock, &c->voxels, volume);
    enum mur_status status = put.status;
    if (status == MUR_OK && volume == part->first) {
        status = mur_conversion_put_original(c, part, error);
        if (status == MUR_OK)
            status = mur_common_head_encode(&heads[0], c->dataset, error);
        if (status == MUR_OK)
            status = mur_conversion_remove_original(c, error);
    }
    return status == MUR_OK ? mur_common_head_encode(&heads[1], c->dataset, error) : status;
}

static enum mur_status write_images(struct mur_conversion *c, struct mur_conversion_part *part,
                                    const struct mur_output *output, struct mur_error *error)
{
    struct mur_common_head heads[2] = {MUR_COMMON_HEAD_INIT, MUR_COMMON_HEAD_INIT};
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    enum mur_status status = mur_conversion_identify_part(c, part, 0, error);
    if (status == MUR_OK)
        status = mur_dataset_put_string(c->dataset, MUR_TAG_SeriesInstanceUID, MUR_VR_UI,
                                        part->series->series_instance, error);
    for (uint32_t volume = part->first; status == MUR_OK && volume < part->first + part->count;
         volume++) {
        status = encode_heads(c, part, heads, volume, error);
        if (status == MUR_OK)
            status = mur_nifti_hold(c->nifti, volume, error);
        for (uint32_t slice = 0; status == MUR_OK && slice < c->header->dims[2]; slice++) {
            bool first = volume == part->first && slice == 0;
            status =
                write_slice(c, part, &heads[first ? 0 : 1], &head, volume, slice, output, error);
        }
    }
    mur_common_head_free(&heads[0]);
    mur_common_head_free(&heads[1]);
    return status;
}

static enum mur_status keep_patient_and_study(struct mur_conversion *c,
                                              struct mur_source_series *series,
                                              struct mur_error *error)
{
    enum mur_status status = mur_dataset_create(&series->common, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(series->common, error);
    if (status == MUR_OK)
        status = mur_copy_patient_and_study(series->common, c->dataset, error);
    return status;
}

static enum mur_status write_parts(struct mur_conversion *c, const struct mur_output *output,
                                   struct mur_error *error)
{
    /* Of colour one slice as it is beside the turned one, and a NUL for an odd length. */
    size_t size = c->form == MUR_PIXELS_MAPPED  ? 2
                  : c->form == MUR_PIXELS_FLOAT ? c->header->voxel_size
                                                : 6;
    c->pixels = calloc(1, mur_conversion_slice_voxels(c) * size + 1);
    if (c->pixels == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint32_t part = 0; status == MUR_OK && part < c->part_count; part++) {
        status = mur_conversion_dataset(c, &c->parts[part], error);
        if (status == MUR_OK && c->form == MUR_PIXELS_FLOAT)
            status = mur_conversion_write_map(c, &c->parts[part], output, error);
        else if (status == MUR_OK)
            status = write_images(c, &c->parts[part], output, error);
        if (status == MUR_OK)
            status = keep_patient_and_study(c, c->parts[part].series, error);
    }
    return status;
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status prepare(struct mur_conversion *c, struct mur_error *error)
{
    const struct mur_conversion_options *options = c->options;
    enum mur_status status = mur_nifti_open_image(&c->nifti, c->path, &c->report.warnings, error);
    if (status != MUR_OK)
        return status;
    c->header = mur_nifti_header(c->nifti);
    bool is_float = c->header->type == MUR_NIFTI_FLOAT32 || c->header->type == MUR_NIFTI_FLOAT64;
    if (c->header->samples > 1)
        c->form = MUR_PIXELS_COLOUR;
    else if (options->lossless && is_float)
        c->form = MUR_PIXELS_FLOAT;
    size_t size = c->form == MUR_PIXELS_COLOUR ? 3 : 2;
    if (mur_conversion_slice_voxels(c) * size >= UINT32_MAX - 1)
        return mur_error_set(error, MUR_LIMIT, "%s: one slice exceeds what Pixel Data can hold",
                             c->path);
    mur_nifti_stop_when(c->nifti, options->cancelled);
    status = mur_volume_plan_make(&c->plan, c->header, &options->volumes, c->path,
                                  &c->report.warnings, error);
    c->slices_to_read = (uint64_t)2 * c->plan.volumes * c->header->dims[2];
    mur_volume_clock_read(&c->clock, options->attributes);
    if (status == MUR_OK)
        status = make_parts(c, error);
    if (status == MUR_OK)
        status = look_at_voxels(c, error);
    if (status == MUR_OK)
        status = mur_original_take(&c->original, c->nifti, error);
    if (status == MUR_OK)
        status = mur_conversion_identify(c, error);
    if (status == MUR_OK && c->report.values.error_bound > 0)
        status = mur_warn(&c->report.warnings, error,
                          "%s: %s values are stored in 16 bits, within %.3g of the original",
                          c->path, c->header->type_name, c->report.values.error_bound);
    return status;
}

static enum mur_status tell_series(struct mur_conversion *c, struct mur_error *error)
{
    c->report.made = calloc(c->part_count, sizeof *c->report.made);
    if (c->report.made == NULL)
        return mur_error_no_memory(error);
    for (uint32_t index = 0; index < c->part_count; index++) {
        const struct mur_conversion_part *part = &c->parts[index];
        struct mur_conversion_series *made = &c->report.made[index];
        memcpy(made->series_instance, part->series->series_instance, sizeof made->series_instance);
        made->instances = (uint32_t)part->series->instance_count;
        mur_hex_write(made->voxels, part->voxel_digest, MUR_SHA256_SIZE);
        if (c->plan.kind == MUR_VOLUMES_DIXON)
            (void)snprintf(made->contrast, sizeof made->contrast, "%s",
                           c->options->volumes.contrasts[part->first]);
    }
    c->report.series_count = c->part_count;
    c->report.series = MUR_STEAL(c->parts[0].series);
    return MUR_OK;
}

static void finish(struct mur_conversion *c)
{
    for (uint32_t part = 0; part < c->part_count; part++) {
        mur_value_scan_free(c->parts[part].scan);
        mur_source_series_free(c->parts[part].series);
    }
    mur_original_free(&c->original);
    mur_dataset_free(c->dataset);
    mur_nifti_free(c->nifti);
    free(c->pixels);
}

enum mur_status mur_nii_to_dicom(struct mur_conversion_report *report, const char *path,
                                 const struct mur_conversion_options *options,
                                 const struct mur_output *output, struct mur_error *error)
{
    struct mur_conversion c = {.options = options, .path = path};
    c.report.warnings = report->warnings;
    enum mur_status status = prepare(&c, error);
    if (status == MUR_OK)
        status = write_parts(&c, output, error);
    if (status == MUR_OK)
        status = mur_nifti_check_unchanged(c.nifti, error);
    if (status == MUR_OK)
        status = tell_series(&c, error);
    if (status == MUR_OK)
        *report = c.report;
    else
        report->warnings = c.report.warnings;
    finish(&c);
    return status;
}
