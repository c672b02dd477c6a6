/* Floats as they are: one Parametric Map (PS3.3 A.75) for a part, its frames volume by volume. The
 * head is a Data Set of our own and frames are streamed: DCMTK's dcmpmap would hold all frames, and
 * copies of them. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/conversion.h"
#include "converters/identity.h"
#include "core/buffer.h"
#include "core/own.h"
#include "dicom/dictionary.h"
#include "dicom/put.h"
#include "dicom/references.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

static const struct mur_code no_units = {"1", "UCUM", "no units"};
/* Whatever it was that made these values of the images. */
static const struct mur_code image_processing = {"110001", "DCM", "Image Processing"};

static void put_double(struct mur_put *put, uint32_t tag, double value)
{
    if (put->status == MUR_OK)
        put->status = mur_dataset_put_double(put->dataset, tag, MUR_VR_FD, value, put->error);
}

static void put_image_type(struct mur_put *put, uint32_t tag, const struct mur_conversion *c,
                           const struct mur_conversion_part *part)
{
    char text[64];
    (void)snprintf(text, sizeof text, "DERIVED\\PRIMARY\\VOLUME\\%s",
                   c->plan.kind == MUR_VOLUMES_DIXON ? c->options->volumes.contrasts[part->first]
                                                     : "NONE");
    mur_put_text(put, tag, text);
}

static void put_as(struct mur_put *put, uint32_t tag, uint32_t other)
{
    const char *text = NULL;
    if (put->status == MUR_OK && !mur_dataset_has_value(put->dataset, tag) &&
        mur_dataset_has_value(put->dataset, other) &&
        mur_dataset_get_string(&text, put->dataset, other, NULL) == MUR_OK) {
        char kept[32];
        (void)snprintf(kept, sizeof kept, "%s", text);
        mur_put_text(put, tag, kept);
    }
}

/* Type 1, and not to be made up from the clock: the study's, else the day that stands for
 * "unknown", as in segmentations. */
static void put_dates(struct mur_put *put)
{
    if (put->status == MUR_OK && !mur_dataset_has_value(put->dataset, MUR_TAG_ContentDate)) {
        put_as(put, MUR_TAG_ContentDate, MUR_TAG_StudyDate);
        put_as(put, MUR_TAG_ContentTime, MUR_TAG_StudyTime);
    }
    mur_put_default_value(put, MUR_TAG_ContentDate, "19000101");
    mur_put_default_value(put, MUR_TAG_ContentTime, "000000");
}

static void put_dimensions(struct mur_put *put, const struct mur_conversion_part *part)
{
    char uid[MUR_UID_TEXT_SIZE];
    const char *parts[] = {part->series->series_instance};
    if (put->status == MUR_OK)
        put->status = mur_identity_of(uid, "dimension organization", parts, 1, put->error);
    if (put->status != MUR_OK)
        return;
    struct mur_put organization = mur_put_item(put, MUR_TAG_DimensionOrganizationSequence);
    mur_put_text(&organization, MUR_TAG_DimensionOrganizationUID, uid);
    put->status = organization.status;
    if (part->count > 1)
        mur_put_dimension(put, uid, MUR_TAG_TemporalPositionIndex, MUR_TAG_FrameContentSequence,
                          "TemporalPositionIndex");
    mur_put_dimension(put, uid, MUR_TAG_ImagePositionPatient, MUR_TAG_PlanePositionSequence,
                      "ImagePositionPatient");
}

static struct mur_referenced_series references_of(const struct mur_conversion *c,
                                                  const struct mur_conversion_part *part)
{
    const struct mur_source_series *images = c->options->images;
    bool same_study = strcmp(images->study_instance, part->series->study_instance) == 0;
    return (struct mur_referenced_series){
        .study_instance = same_study ? NULL : images->study_instance,
        .series_instance = images->series_instance,
        .sop_class = images->sop_class,
        .instances = (const char *const *)images->instances,
        .instance_count = images->instance_count,
    };
}

static void put_frame_source(struct mur_put *frame, const struct mur_conversion *c, uint32_t slice)
{
    const struct mur_source_plane *image = c->images[slice];
    if (image == NULL) {
        mur_put_empty(frame, MUR_TAG_DerivationImageSequence); /* every frame has the group */
        return;
    }
    struct mur_put derivation = mur_put_derivation(frame, &image_processing);
    mur_put_source_image(&derivation, c->options->images->sop_class, image->sop_instance,
                         image->frame);
    frame->status = derivation.status;
}

static void put_top(struct mur_put *put, const struct mur_conversion *c,
                    const struct mur_conversion_part *part)
{
    put_image_type(put, MUR_TAG_ImageType, c, part);
    put_dates(put);
    mur_put_int(put, MUR_TAG_InstanceNumber, 1);
    mur_put_default_value(put, MUR_TAG_Manufacturer, "Murpacs");
    mur_put_default_value(put, MUR_TAG_ManufacturerModelName, "NIfTI to DICOM");
    mur_put_default_value(put, MUR_TAG_DeviceSerialNumber, "0");
    mur_put_default_value(put, MUR_TAG_SoftwareVersions, "format " MUR_CONVERTER_FORMAT);
    mur_put_default_value(put, MUR_TAG_ContentLabel, "NIFTI");
    mur_put_default(put, MUR_TAG_ContentDescription, "");
    mur_put_default(put, MUR_TAG_ContentCreatorName, "");
    mur_put_text(put, MUR_TAG_PixelPresentation, "MONOCHROME");
    mur_put_default_value(put, MUR_TAG_ContentQualification, "RESEARCH");
    mur_put_text(put, MUR_TAG_RecognizableVisualFeatures, "NO");
    mur_put_default(put, MUR_TAG_AcquisitionContextSequence, "");
    mur_put_int(put, MUR_TAG_SamplesPerPixel, 1);
    mur_put_text(put, MUR_TAG_PhotometricInterpretation, "MONOCHROME2");
    mur_put_int(put, MUR_TAG_NumberOfFrames, (int64_t)part->count * (int64_t)c->header->dims[2]);
    mur_put_int(put, MUR_TAG_BitsAllocated, c->header->voxel_size * 8);
    mur_put_text(put, MUR_TAG_BurnedInAnnotation, "NO");
    mur_put_text(put, MUR_TAG_LossyImageCompression, "00");
    mur_put_text(put, MUR_TAG_PresentationLUTShape, "IDENTITY");
    put_dimensions(put, part);
}

static void put_shared(struct mur_put *put, const struct mur_conversion *c,
                       const struct mur_conversion_part *part)
{
    const struct mur_source_series *series = part->series;
    bool narrow = c->header->type == MUR_NIFTI_FLOAT32;
    struct mur_put shared = mur_put_item(put, MUR_TAG_SharedFunctionalGroupsSequence);
    struct mur_put item = mur_put_item(&shared, MUR_TAG_PlaneOrientationSequence);
    mur_put_text(&item, MUR_TAG_ImageOrientationPatient, series->text.image_orientation);
    shared.status = item.status;
    item = mur_put_item(&shared, MUR_TAG_PixelMeasuresSequence);
    mur_put_text(&item, MUR_TAG_SliceThickness, series->slice_thickness);
    mur_put_text(&item, MUR_TAG_SpacingBetweenSlices, series->text.slice_spacing);
    mur_put_text(&item, MUR_TAG_PixelSpacing, series->text.pixel_spacing);
    shared.status = item.status;
    if (part->values.window_width > 0) {
        char center[MUR_DS_SIZE], width[MUR_DS_SIZE];
        mur_ds_format(center, part->values.window_center, part->values.window_width * 1e-4);
        mur_ds_format(width, part->values.window_width, part->values.window_width * 1e-4);
        item = mur_put_item(&shared, MUR_TAG_FrameVOILUTSequence);
        mur_put_text(&item, MUR_TAG_WindowCenter, center);
        mur_put_text(&item, MUR_TAG_WindowWidth, width);
        mur_put_text(&item, MUR_TAG_VOILUTFunction, "LINEAR_EXACT");
        shared.status = item.status;
    }
    item = mur_put_item(&shared, MUR_TAG_PixelValueTransformationSequence);
    mur_put_text(&item, MUR_TAG_RescaleIntercept, "0");
    mur_put_text(&item, MUR_TAG_RescaleSlope, "1");
    mur_put_text(&item, MUR_TAG_RescaleType, "US");
    shared.status = item.status;
    item = mur_put_item(&shared, MUR_TAG_ParametricMapFrameTypeSequence);
    put_image_type(&item, MUR_TAG_FrameType, c, part);
    shared.status = item.status;
    item = mur_put_item(&shared, MUR_TAG_RealWorldValueMappingSequence);
    mur_put_text(&item, MUR_TAG_LUTExplanation, "Value of the original file");
    mur_put_code(&item, MUR_TAG_MeasurementUnitsCodeSequence, &no_units);
    mur_put_text(&item, MUR_TAG_LUTLabel, "NIFTI");
    put_double(&item, MUR_TAG_DoubleFloatRealWorldValueFirstValueMapped,
               narrow ? -(double)FLT_MAX : -DBL_MAX);
    put_double(&item, MUR_TAG_DoubleFloatRealWorldValueLastValueMapped,
               narrow ? (double)FLT_MAX : DBL_MAX);
    put_double(&item, MUR_TAG_RealWorldValueIntercept, c->header->intercept);
    put_double(&item, MUR_TAG_RealWorldValueSlope, c->header->slope);
    shared.status = item.status;
    if (c->options->images != NULL && c->images == NULL) {
        const struct mur_referenced_series references = references_of(c, part);
        mur_put_shared_derivation(&shared, &image_processing, &references);
    }
    put->status = shared.status;
}

static void put_frame(struct mur_put *put, const struct mur_conversion *c,
                      const struct mur_conversion_part *part, uint32_t volume, uint32_t slice)
{
    const int64_t index[] = {(int64_t)volume + 1, (int64_t)slice + 1};
    bool many = part->count > 1;
    struct mur_put frame = mur_put_item(put, MUR_TAG_PerFrameFunctionalGroupsSequence);
    struct mur_put item = mur_put_item(&frame, MUR_TAG_FrameContentSequence);
    mur_put_text(&item, MUR_TAG_StackID, "1");
    mur_put_int(&item, MUR_TAG_InStackPositionNumber, index[1]);
    if (many)
        mur_put_int(&item, MUR_TAG_TemporalPositionIndex, index[0]);
    if (item.status == MUR_OK)
        item.status = mur_dataset_put_ints(item.dataset, MUR_TAG_DimensionIndexValues, MUR_VR_UL,
                                           many ? index : index + 1, many ? 2 : 1, item.error);
    frame.status = item.status;
    if (c->images != NULL)
        put_frame_source(&frame, c, slice);
    item = mur_put_item(&frame, MUR_TAG_PlanePositionSequence);
    mur_put_text(&item, MUR_TAG_ImagePositionPatient, part->series->planes[slice].position);
    frame.status = item.status;
    if (many && c->plan.time_step_ms > 0) {
        item = mur_put_item(&frame, MUR_TAG_TemporalPositionSequence);
        put_double(&item, MUR_TAG_TemporalPositionTimeOffset,
                   c->plan.time_step_ms / 1000 * (double)volume);
        frame.status = item.status;
    }
    put->status = frame.status;
}

static enum mur_status build_map(struct mur_conversion *c, const struct mur_conversion_part *part,
                                 struct mur_error *error)
{
    struct mur_put put = {.dataset = c->dataset, .status = MUR_OK, .error = error};
    mur_put_text(&put, MUR_TAG_SeriesInstanceUID, part->series->series_instance);
    mur_put_text(&put, MUR_TAG_SOPInstanceUID, part->series->instances[0]);
    put_top(&put, c, part);
    put_shared(&put, c, part);
    for (uint32_t volume = 0; put.status == MUR_OK && volume < part->count; volume++)
        for (uint32_t slice = 0; put.status == MUR_OK && slice < c->header->dims[2]; slice++)
            put_frame(&put, c, part, volume, slice);
    if (put.status == MUR_OK)
        put.status = mur_conversion_put_original(c, part, error);
    return put.status;
}

/* Type 1C: where frames name images. */
static enum mur_status name_images(const struct mur_conversion *c,
                                   const struct mur_conversion_part *part, struct mur_error *error)
{
    struct mur_put put = {.dataset = c->dataset, .status = MUR_OK, .error = error};
    if (c->options->images != NULL) {
        const struct mur_referenced_series references = references_of(c, part);
        mur_put_referenced_series(&put, &references);
    }
    return put.status;
}

static enum mur_status append_pixel_head(struct mur_buffer *out, bool narrow, uint32_t length,
                                         struct mur_error *error)
{
    const uint8_t bytes[12] = {0xE0,
                               0x7F,
                               narrow ? 0x08 : 0x09,
                               0x00,
                               'O',
                               narrow ? 'F' : 'D',
                               0,
                               0,
                               (uint8_t)length,
                               (uint8_t)(length >> 8),
                               (uint8_t)(length >> 16),
                               (uint8_t)(length >> 24)};
    return mur_buffer_append(out, bytes, sizeof bytes, error);
}

static enum mur_status write_frames(struct mur_conversion *c,
                                    const struct mur_conversion_part *part,
                                    const struct mur_output *output, struct mur_error *error)
{
    size_t size = mur_conversion_slice_voxels(c) * c->header->voxel_size;
    MUR_AUTO_FREE uint8_t *pixels = malloc(size);
    if (pixels == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint32_t volume = part->first; status == MUR_OK && volume < part->first + part->count;
         volume++) {
        status = mur_nifti_hold(c->nifti, volume, error);
        for (uint32_t slice = 0; status == MUR_OK && slice < c->header->dims[2]; slice++) {
            const void *voxels = NULL;
            status = mur_conversion_read(&voxels, c, c->nifti, volume,
                                         mur_conversion_file_slice(c, slice), error);
            if (status != MUR_OK)
                break;
            mur_turn_slice(pixels, voxels, c->header->dims[0], c->header->dims[1],
                           c->header->voxel_size, &c->report.order);
            status = output->write(output->user, pixels, size, error);
        }
    }
    return status;
}

enum mur_status mur_conversion_write_map(struct mur_conversion *c, struct mur_conversion_part *part,
                                         const struct mur_output *output, struct mur_error *error)
{
    struct mur_source_series *series = part->series;
    if (c->plan.kind == MUR_VOLUMES_ECHO || c->plan.kind == MUR_VOLUMES_DIFFUSION)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s: a Parametric Map holds points in time; echoes and diffusion are "
                             "images of 16 bits only",
                             c->path);
    uint64_t length = (uint64_t)part->count * c->header->dims[2] * c->header->voxel_size *
                      mur_conversion_slice_voxels(c);
    if (length >= UINT32_MAX)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: %" PRIu64 " bytes of pixels; a Parametric Map holds less than "
                             "4 GiB",
                             c->path, length);
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    enum mur_status status = name_images(c, part, error); /* UIDs depend on them */
    if (status == MUR_OK)
        status = mur_conversion_identify_part(c, part, 1, error);
    if (status == MUR_OK)
        status = build_map(c, part, error);
    if (status == MUR_OK)
        status = mur_dataset_encode(&head, c->dataset, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status =
            append_pixel_head(&head, c->header->type == MUR_NIFTI_FLOAT32, (uint32_t)length, error);
    if (status != MUR_OK)
        return status;
    const struct mur_made_instance instance = {
        .sop_class = series->sop_class,
        .sop_instance = series->instances[0],
        .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
        .study_instance = series->study_instance,
        .series_instance = series->series_instance,
        .number = c->report.instances + 1,
        .count = c->part_count,
        .data_set_length = head.length + length,
    };
    status = output->begin(output->user, &instance, error);
    if (status == MUR_OK)
        status = output->write(output->user, head.data, head.length, error);
    if (status == MUR_OK)
        status = write_frames(c, part, output, error);
    if (status == MUR_OK)
        status = output->end(output->user, error);
    c->report.bytes += instance.data_set_length;
    c->report.instances++;
    return status;
}
