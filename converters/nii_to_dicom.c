#include "converters/nii_to_dicom.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/conversion.h"
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

enum mur_status mur_conversion_read(const void **out, struct mur_conversion *c,
                                    struct mur_nifti *nifti, uint32_t volume, uint32_t slice,
                                    struct mur_error *error)
{
    enum mur_status status = mur_nifti_read_slice(out, nifti, volume, slice, error);
    if (status == MUR_OK)
        mur_progress_update(&c->options->progress, atomic_fetch_add(&c->slices_read, 1) + 1,
                            c->slices_to_read, c->path);
    return status;
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
    status = mur_conversion_find_images(c, &made, error);
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
    enum mur_status status = MUR_OK;
    for (uint32_t part = 0; status == MUR_OK && part < c->part_count; part++) {
        status = mur_conversion_dataset(c, &c->parts[part], error);
        if (status == MUR_OK && c->form == MUR_PIXELS_FLOAT)
            status = mur_conversion_write_map(c, &c->parts[part], output, error);
        else if (status == MUR_OK)
            status = mur_conversion_write_images(c, &c->parts[part], output, error);
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
        status = mur_conversion_look(c, error);
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
    free(c->images);
    mur_original_free(&c->original);
    mur_dataset_free(c->dataset);
    mur_nifti_free(c->nifti);
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
