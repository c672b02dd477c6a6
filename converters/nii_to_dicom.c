#include "converters/nii_to_dicom.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "converters/identity.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/encoder.h"
#include "dicom/put.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum {
    LO_CHARACTERS = 64,
    /* Sections of a head: what is the same in all slices, around what is not. */
    SECTIONS = 5,
};

/* The elements that differ from slice to slice, in order; Pixel Data follows at the end. */
static const uint32_t varying_tags[SECTIONS - 1] = {MUR_TAG_SOPInstanceUID, MUR_TAG_InstanceNumber,
                                                    MUR_TAG_ImagePositionPatient,
                                                    MUR_TAG_SliceLocation};

struct common_head {
    struct mur_buffer bytes;
    size_t ends[SECTIONS]; /* of each section in bytes */
};

struct conversion {
    const struct mur_conversion_options *options;
    const char *path;
    struct mur_nifti *nifti;
    const struct mur_nifti_header *header;
    struct mur_value_scan *scan;
    struct mur_conversion_report report;
    struct mur_dataset *dataset;
    struct common_head first, others;
    uint16_t *pixels;
    char *file_name; /* without path */
    uint8_t voxel_digest[MUR_SHA256_SIZE];
};

void mur_conversion_report_free(struct mur_conversion_report *report)
{
    mur_warnings_free(&report->warnings);
    mur_source_series_free(report->series);
    *report = (struct mur_conversion_report)MUR_CONVERSION_REPORT_INIT;
}

static const char *sop_class_of(const struct mur_conversion_options *options)
{
    return options->modality == MUR_CONVERT_TO_CT ? mur_uid_CTImageStorage : mur_uid_MRImageStorage;
}

/* ---- looking at the voxels ------------------------------------------------------------------- */

static size_t slice_voxels(const struct conversion *c)
{
    return (size_t)c->header->dims[0] * c->header->dims[1];
}

static enum mur_status hash_text(char out[MUR_SHA256_TEXT_SIZE], struct conversion *c,
                                 struct mur_sha256 *digest, struct mur_error *error)
{
    uint8_t bytes[MUR_SHA256_SIZE];
    size_t length = 0;
    const uint8_t *extensions = mur_nifti_extensions(&length, c->nifti);
    enum mur_status status =
        mur_sha256_update(digest, c->header->raw, c->header->raw_length, error);
    if (status == MUR_OK && length > 0)
        status = mur_sha256_update(digest, extensions, length, error);
    if (status == MUR_OK)
        status = mur_sha256_update(digest, c->voxel_digest, sizeof c->voxel_digest, error);
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status == MUR_OK)
        mur_hex_write(out, bytes, sizeof bytes);
    return status;
}

/* First pass: digest and range; second pass, where the range was needed before: window. */
static enum mur_status look_at_voxels(struct conversion *c, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    size_t count = slice_voxels(c);
    for (uint32_t slice = 0; status == MUR_OK && slice < c->header->dims[2]; slice++) {
        const void *voxels = NULL;
        status = mur_nifti_read_slice(&voxels, c->nifti, 0, slice, error);
        if (status != MUR_OK)
            break;
        mur_value_scan_add(c->scan, voxels, count);
        status = mur_sha256_update(digest, voxels, count * c->header->voxel_size, error);
    }
    if (status == MUR_OK)
        status = mur_sha256_finish(c->voxel_digest, digest, error);
    if (status != MUR_OK)
        return status;
    mur_hex_write(c->report.voxels, c->voxel_digest, sizeof c->voxel_digest);
    status = hash_text(c->report.content, c, digest, error);
    if (status != MUR_OK)
        return status;
    bool again = false;
    if (mur_value_scan_map(&c->report.values, &again, c->scan, error) != MUR_OK)
        return mur_error_prefix(error, "%s", c->path);
    for (uint32_t slice = 0; again && slice < c->header->dims[2]; slice++) {
        const void *voxels = NULL;
        status = mur_nifti_read_slice(&voxels, c->nifti, 0, slice, error);
        if (status != MUR_OK)
            return status;
        mur_value_scan_add_window(c->scan, voxels, count);
    }
    mur_value_scan_window(&c->report.values, c->scan);
    return MUR_OK;
}

/* The name without path, and without ".gz", which says nothing of the image; as an LO takes it. */
static enum mur_status file_name_text(char **out, const char *path, struct mur_error *error)
{
    const char *base = mur_path_base(path);
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_utf8_valid(mur_slice_of(base))
                                 ? mur_text_copy(&text, mur_slice_of(base), error)
                                 : mur_utf8_from_cp1252(&text, mur_slice_of(base), error);
    if (status != MUR_OK)
        return status;
    size_t length = strlen(text);
    if (length > 3 && strcasecmp(text + length - 3, ".gz") == 0)
        length -= 3;
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\\' || (unsigned char)*c < ' ')
            *c = '_';
    while (mur_utf8_count((struct mur_slice){.data = text, .length = length}) > LO_CHARACTERS)
        length = mur_utf8_cut(mur_slice_of(text), length - 1);
    text[length] = '\0';
    *out = MUR_STEAL(text);
    return MUR_OK;
}

/* ---- identity -------------------------------------------------------------------------------- */

static enum mur_status copy_given_uid(char out[MUR_UID_TEXT_SIZE], const char *uid,
                                      const char *what, struct mur_error *error)
{
    if (!mur_uid_valid(mur_slice_of(uid)))
        return mur_error_set(error, MUR_INVALID, "%s \"%s\" is not a UID", what, uid);
    memcpy(out, uid, strlen(uid) + 1);
    return MUR_OK;
}

static const char *attribute_text(const struct mur_conversion_options *options, uint32_t tag)
{
    const char *text = NULL;
    if (options->attributes == NULL || !mur_dataset_has_value(options->attributes, tag) ||
        mur_dataset_get_string(&text, options->attributes, tag, NULL) != MUR_OK)
        return NULL;
    return text;
}

/* What makes other bytes of the same voxels makes another series; the name is kept in it. */
static enum mur_status options_text(struct mur_buffer *out, const struct conversion *c,
                                    struct mur_error *error)
{
    const struct mur_conversion_options *options = c->options;
    return mur_buffer_append_format(
        out, error,
        "modality %d anatomy %d keep %d hu %d qform %d spm %d analyze %d nan %d %a round %d "
        "number %" PRId64 " frame %s|%s|%s",
        (int)options->modality, (int)options->anatomy, options->keep_order, options->hounsfield,
        options->orientation.prefer_qform, options->orientation.spm_when_unset,
        (int)options->orientation.analyze_order, (int)options->values.nan,
        options->values.nan == MUR_NAN_REPLACE ? options->values.nan_value : 0,
        options->values.round_integers, options->series_number,
        options->frame_of_reference != NULL ? options->frame_of_reference : "",
        options->identity != NULL ? options->identity : "", c->file_name);
}

static enum mur_status make_identity(struct conversion *c, struct mur_error *error)
{
    const struct mur_conversion_options *options = c->options;
    struct mur_source_series *series = c->report.series;
    const char *study = options->study_instance;
    const char *frame = options->frame_of_reference;
    if (study == NULL)
        study = attribute_text(options, MUR_TAG_StudyInstanceUID);
    if (frame == NULL)
        frame = attribute_text(options, MUR_TAG_FrameOfReferenceUID);
    enum mur_status status = MUR_OK;
    if (study != NULL)
        status = copy_given_uid(series->study_instance, study, "Study Instance UID", error);
    else
        status = mur_identity_study(series->study_instance, "", "", c->report.content, "", error);
    if (status == MUR_OK && frame != NULL)
        status = copy_given_uid(series->frame_of_reference, frame, "Frame of Reference UID", error);
    else if (status == MUR_OK) {
        char grid[MUR_ORIENTATION_TEXT_SIZE + MUR_SPACING_TEXT_SIZE + MUR_POSITION_TEXT_SIZE + 64];
        (void)snprintf(grid, sizeof grid, "%s|%s|%s|%s|%" PRIu32 "|%" PRIu32 "|%" PRIu32,
                       series->text.image_orientation, series->text.pixel_spacing,
                       series->text.slice_spacing, series->planes[0].position, c->header->dims[0],
                       c->header->dims[1], c->header->dims[2]);
        status = mur_identity_frame_of_reference(series->frame_of_reference, series->study_instance,
                                                 grid, error);
    }
    MUR_AUTO_BUFFER struct mur_buffer key = MUR_BUFFER_INIT;
    if (status == MUR_OK && options->series_instance != NULL)
        status = copy_given_uid(series->series_instance, options->series_instance,
                                "Series Instance UID", error);
    else if (status == MUR_OK && (status = options_text(&key, c, error)) == MUR_OK)
        status = mur_identity_series(series->series_instance, series->study_instance,
                                     c->report.content, mur_buffer_text(&key), error);
    for (uint32_t slice = 0; status == MUR_OK && slice < c->header->dims[2]; slice++)
        status = mur_identity_instance(series->planes[slice].sop_instance, series->series_instance,
                                       0, slice, error);
    return status;
}

/* ---- geometry -------------------------------------------------------------------------------- */

static enum mur_status make_geometry(struct conversion *c, struct mur_error *error)
{
    struct mur_source_series *series = calloc(1, sizeof *series);
    if (series == NULL)
        return mur_error_no_memory(error);
    c->report.series = series;
    struct mur_volume_geometry voxels, read;
    enum mur_status status =
        mur_nifti_geometry(&voxels, c->nifti, &c->options->orientation, &c->report.warnings, error);
    if (status != MUR_OK)
        return status;
    status = mur_geometry_for_series(&series->geometry, &c->report.order, &voxels,
                                     !c->options->keep_order, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s", c->path);
    uint32_t count = series->geometry.dims[2];
    mur_geometry_format(&series->text, &series->geometry);
    memcpy(series->slice_thickness, series->text.slice_spacing, sizeof series->slice_thickness);
    memcpy(series->sop_class, sop_class_of(c->options), strlen(sop_class_of(c->options)) + 1);
    series->volumes = 1;
    series->planes = calloc(count, sizeof *series->planes);
    if (series->planes == NULL)
        return mur_error_no_memory(error);
    for (uint32_t slice = 0; slice < count; slice++)
        mur_geometry_format_position(series->planes[slice].position, &series->geometry, slice);
    status = mur_geometry_parse(&read, &series->text, series->planes[0].position,
                                series->planes[count - 1].position, series->geometry.dims, error);
    if (status == MUR_OK) /* what a reader gets counts, for segmentations too */
        c->report.corner_error_mm = mur_geometry_corner_distance(&read, &series->geometry);
    return status;
}

static enum mur_status list_instances(struct mur_source_series *series, struct mur_error *error)
{
    uint32_t count = series->geometry.dims[2];
    series->instances = calloc(count, sizeof *series->instances);
    if (series->instances == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint32_t slice = 0; status == MUR_OK && slice < count; slice++) {
        status = mur_text_copy(&series->instances[slice],
                               mur_slice_of(series->planes[slice].sop_instance), error);
        if (status == MUR_OK)
            series->instance_count++;
    }
    return status;
}

/* ---- the Data Set that slices share -----------------------------------------------------------
 */

struct removal {
    uint32_t *tags;
    size_t count;
};

/* What the image decides is not taken from given attributes. */
static bool decided_here(uint32_t tag)
{
    switch (tag) {
    case MUR_TAG_ImageType:
    case MUR_TAG_SOPClassUID:
    case MUR_TAG_SOPInstanceUID:
    case MUR_TAG_SpacingBetweenSlices:
    case MUR_TAG_InstanceNumber:
    case MUR_TAG_ImagePositionPatient:
    case MUR_TAG_ImageOrientationPatient:
    case MUR_TAG_SliceLocation:
    case MUR_TAG_DimensionOrganizationSequence:
    case MUR_TAG_DimensionIndexSequence:
    case MUR_TAG_SegmentSequence:
        return true;
    default:
        return MUR_TAG_GROUP(tag) == 0x0028 || MUR_TAG_GROUP(tag) >= 0x5200;
    }
}

static enum mur_status note_decided(void *user, const struct mur_dataset_element *element,
                                    struct mur_error *error)
{
    struct removal *removal = user;
    if (!decided_here(element->tag))
        return MUR_OK;
    uint32_t *tags = realloc(removal->tags, (removal->count + 1) * sizeof *tags);
    if (tags == NULL)
        return mur_error_no_memory(error);
    tags[removal->count++] = element->tag;
    removal->tags = tags;
    return MUR_OK;
}

static enum mur_status start_dataset(struct conversion *c, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (c->options->attributes != NULL)
        status = mur_dataset_clone(&c->dataset, c->options->attributes, error);
    else
        status = mur_dataset_create(&c->dataset, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(c->dataset, error);
    struct removal removal = {.tags = NULL, .count = 0};
    if (status == MUR_OK)
        status = mur_dataset_each(c->dataset, note_decided, &removal, error);
    for (size_t index = 0; status == MUR_OK && index < removal.count; index++)
        status = mur_dataset_remove(c->dataset, removal.tags[index], error);
    free(removal.tags);
    return status;
}

static void put_patient_and_study(struct mur_put *put, const struct conversion *c)
{
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
        MUR_TAG_Manufacturer,
        MUR_TAG_Laterality,
        MUR_TAG_PatientPosition,
        MUR_TAG_PositionReferenceIndicator,
        MUR_TAG_AcquisitionNumber,
    };
    for (size_t index = 0; index < MUR_COUNT(type_2); index++)
        mur_put_default(put, type_2[index], "");
    mur_put_animal_defaults(put);
    mur_put_text(put, MUR_TAG_StudyInstanceUID, c->report.series->study_instance);
    mur_put_text(put, MUR_TAG_SeriesInstanceUID, c->report.series->series_instance);
    mur_put_text(put, MUR_TAG_FrameOfReferenceUID, c->report.series->frame_of_reference);
    if (c->options->series_number > 0)
        mur_put_int(put, MUR_TAG_SeriesNumber, c->options->series_number);
    else
        mur_put_default_value(put, MUR_TAG_SeriesNumber, "1");
    if (c->options->anatomy != MUR_ANATOMY_UNSAID)
        mur_put_text(put, MUR_TAG_AnatomicalOrientationType,
                     c->options->anatomy == MUR_BIPED ? "BIPED" : "QUADRUPED");
}

static void put_equipment(struct mur_put *put, const struct conversion *c)
{
    static const struct mur_code processing = {"109102", "DCM", "Processing Equipment"};
    static const char *const kinds[] = {"Analyze 7.5", "NIfTI-1", "NIfTI-2"};
    const struct mur_value_map *values = &c->report.values;
    struct mur_put item = mur_put_item(put, MUR_TAG_ContributingEquipmentSequence);
    mur_put_text(&item, MUR_TAG_Manufacturer, "Murpacs");
    mur_put_text(&item, MUR_TAG_ManufacturerModelName, "NIfTI to DICOM");
    mur_put_text(&item, MUR_TAG_SoftwareVersions, "format " MUR_CONVERTER_FORMAT);
    mur_put_text(&item, MUR_TAG_ContributionDescription, "Conversion without resampling");
    mur_put_code(&item, MUR_TAG_PurposeOfReferenceCodeSequence, &processing);
    put->status = item.status;

    char text[256];
    int used = snprintf(text, sizeof text, "Converted from %s, %s", kinds[c->header->kind],
                        c->header->type_name);
    if (values->error_bound > 0)
        (void)snprintf(text + used, sizeof text - (size_t)used, ", values within %.3g",
                       values->error_bound);
    mur_put_text(put, MUR_TAG_DerivationDescription, text);
    if (mur_nifti_orientation_unknown(c->nifti))
        mur_put_default_value(put, MUR_TAG_ImageComments,
                              "Orientation and sides unknown: the original file does not state "
                              "them");
}

static void put_geometry(struct mur_put *put, const struct conversion *c)
{
    const struct mur_source_series *series = c->report.series;
    mur_put_text(put, MUR_TAG_ImageOrientationPatient, series->text.image_orientation);
    mur_put_text(put, MUR_TAG_PixelSpacing, series->text.pixel_spacing);
    mur_put_text(put, MUR_TAG_SliceThickness, series->slice_thickness);
    mur_put_text(put, MUR_TAG_SpacingBetweenSlices, series->text.slice_spacing);
    mur_put_int(put, MUR_TAG_Rows, c->header->dims[1]);
    mur_put_int(put, MUR_TAG_Columns, c->header->dims[0]);
}

static void put_window(struct mur_put *put, const struct conversion *c)
{
    const struct mur_value_map *values = &c->report.values;
    if (c->options->modality == MUR_CONVERT_TO_CT && c->options->hounsfield) {
        mur_put_text(put, MUR_TAG_WindowCenter, "40\\300");
        mur_put_text(put, MUR_TAG_WindowWidth, "400\\1500");
        mur_put_text(put, MUR_TAG_WindowCenterWidthExplanation, "Soft tissue\\Bone");
        return;
    }
    char center[MUR_DS_SIZE], width[MUR_DS_SIZE];
    mur_ds_format(center, values->window_center, values->window_width * 1e-4);
    mur_ds_format(width, values->window_width, values->window_width * 1e-4);
    mur_put_text(put, MUR_TAG_WindowCenter, center);
    mur_put_text(put, MUR_TAG_WindowWidth, width);
    if (values->window_width < 1) /* PS3.3 C.11.2.1.2: LINEAR wants at least 1 */
        mur_put_text(put, MUR_TAG_VOILUTFunction, "LINEAR_EXACT");
}

static void put_signed(struct mur_put *put, bool is_signed, uint32_t tag, int64_t value)
{
    if (put->status == MUR_OK)
        put->status = mur_dataset_put_int(put->dataset, tag, is_signed ? MUR_VR_SS : MUR_VR_US,
                                          value, put->error);
}

/* MR has no Modality LUT (PS3.3 A.4): the same is said where the standard looks for it too. */
static void put_real_world_values(struct mur_put *put, const struct mur_value_map *values)
{
    static const struct mur_code no_units = {"1", "UCUM", "no units"};
    struct mur_put item = mur_put_item(put, MUR_TAG_RealWorldValueMappingSequence);
    mur_put_text(&item, MUR_TAG_LUTExplanation, "Value of the original file");
    mur_put_text(&item, MUR_TAG_LUTLabel, "NIFTI");
    put_signed(&item, values->is_signed, MUR_TAG_RealWorldValueFirstValueMapped, values->smallest);
    put_signed(&item, values->is_signed, MUR_TAG_RealWorldValueLastValueMapped, values->largest);
    if (item.status == MUR_OK)
        item.status = mur_dataset_put_double(item.dataset, MUR_TAG_RealWorldValueIntercept,
                                             MUR_VR_FD, values->intercept, item.error);
    if (item.status == MUR_OK)
        item.status = mur_dataset_put_double(item.dataset, MUR_TAG_RealWorldValueSlope, MUR_VR_FD,
                                             values->slope, item.error);
    mur_put_code(&item, MUR_TAG_MeasurementUnitsCodeSequence, &no_units);
    put->status = item.status;
}

static void put_values(struct mur_put *put, const struct conversion *c)
{
    const struct mur_value_map *values = &c->report.values;
    bool ct = c->options->modality == MUR_CONVERT_TO_CT;
    mur_put_int(put, MUR_TAG_SamplesPerPixel, 1);
    mur_put_text(put, MUR_TAG_PhotometricInterpretation, "MONOCHROME2");
    mur_put_int(put, MUR_TAG_BitsAllocated, 16);
    mur_put_int(put, MUR_TAG_BitsStored, 16);
    mur_put_int(put, MUR_TAG_HighBit, 15);
    mur_put_int(put, MUR_TAG_PixelRepresentation, values->is_signed ? 1 : 0);
    if (values->has_padding)
        put_signed(put, values->is_signed, MUR_TAG_PixelPaddingValue, values->padding);
    if (ct || values->rescaled) {
        mur_put_text(put, MUR_TAG_RescaleIntercept, values->intercept_text);
        mur_put_text(put, MUR_TAG_RescaleSlope, values->slope_text);
        mur_put_text(put, MUR_TAG_RescaleType, ct && c->options->hounsfield ? "HU" : "US");
    }
    if (!ct && values->rescaled)
        put_real_world_values(put, values);
    put_window(put, c);
}

static void put_modality(struct mur_put *put, const struct conversion *c)
{
    mur_put_text(put, MUR_TAG_SOPClassUID, sop_class_of(c->options));
    if (c->options->modality == MUR_CONVERT_TO_CT) {
        mur_put_text(put, MUR_TAG_Modality, "CT");
        mur_put_text(put, MUR_TAG_ImageType, "DERIVED\\SECONDARY\\AXIAL");
        mur_put_default(put, MUR_TAG_KVP, "");
        return;
    }
    mur_put_text(put, MUR_TAG_Modality, "MR");
    mur_put_text(put, MUR_TAG_ImageType, "DERIVED\\SECONDARY\\OTHER");
    mur_put_default_value(put, MUR_TAG_ScanningSequence, "RM");
    mur_put_default_value(put, MUR_TAG_SequenceVariant, "NONE");
    mur_put_default(put, MUR_TAG_ScanOptions, "");
    mur_put_default(put, MUR_TAG_MRAcquisitionType, "3D");
    mur_put_default(put, MUR_TAG_RepetitionTime, "");
    mur_put_default(put, MUR_TAG_EchoTime, "");
    mur_put_default(put, MUR_TAG_EchoTrainLength, "");
}

static enum mur_status build_dataset(struct conversion *c, struct mur_error *error)
{
    enum mur_status status = start_dataset(c, error);
    if (status != MUR_OK)
        return status;
    struct mur_put put = {.dataset = c->dataset, .status = MUR_OK, .error = error};
    put_patient_and_study(&put, c);
    put_equipment(&put, c);
    put_modality(&put, c);
    put_geometry(&put, c);
    put_values(&put, c);
    return put.status;
}

/* The original header, for the way back. */
static enum mur_status put_original(struct conversion *c, struct mur_error *error)
{
    unsigned block = 0;
    MUR_AUTO_FREE char *name = NULL;
    enum mur_status status =
        mur_dataset_private_block(&block, c->dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_NIFTI, error);
    if (status == MUR_OK)
        status = mur_dataset_put_bytes(c->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_HEADER),
                                       MUR_VR_OB, c->header->raw, c->header->raw_length, error);
    size_t length = 0;
    const uint8_t *extensions = mur_nifti_extensions(&length, c->nifti);
    if (status == MUR_OK && length > 0)
        status = mur_dataset_put_bytes(c->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_EXTENSIONS),
                                       MUR_VR_OB, extensions, length, error);
    if (status == MUR_OK)
        status = mur_dataset_put_string(c->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_FILE_NAME),
                                        MUR_VR_LO, c->file_name, error);
    const struct mur_voxel_order *order = &c->report.order;
    char flips[8] = "";
    (void)snprintf(flips, sizeof flips, "%s%s%s", order->flip_i ? "\\I" : "",
                   order->flip_j ? "\\J" : "", order->reverse_k ? "\\K" : "");
    uint32_t flips_tag = MUR_PRIVATE_TAG(block, MUR_NIFTI_FLIPS);
    if (status == MUR_OK && flips[0] != '\0')
        status = mur_dataset_put_string(c->dataset, flips_tag, MUR_VR_CS, flips + 1, error);
    else if (status == MUR_OK)
        status = mur_dataset_put_empty(c->dataset, flips_tag, MUR_VR_CS, error);
    if (status == MUR_OK)
        status = mur_dataset_put_bytes(c->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_SHA256),
                                       MUR_VR_OB, c->voxel_digest, sizeof c->voxel_digest, error);
    return status;
}

/* ---- heads ----------------------------------------------------------------------------------- */

static uint32_t read_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Encodes the Data Set and finds where the varying elements belong. The encoder writes explicit VR
 * and explicit lengths, so elements of the top level follow each other by their lengths. */
static enum mur_status encode_common(struct common_head *head, struct mur_dataset *dataset,
                                     struct mur_error *error)
{
    enum mur_status status =
        mur_dataset_encode(&head->bytes, dataset, mur_uid_ExplicitVRLittleEndian, error);
    if (status != MUR_OK)
        return status;
    const uint8_t *bytes = (const uint8_t *)head->bytes.data;
    size_t length = head->bytes.length, at = 0, section = 0;
    while (at + 8 <= length) {
        uint32_t tag = MUR_TAG(bytes[at] | bytes[at + 1] << 8, bytes[at + 2] | bytes[at + 3] << 8);
        while (section < SECTIONS - 1 && tag > varying_tags[section])
            head->ends[section++] = at;
        const char name[2] = {(char)bytes[at + 4], (char)bytes[at + 5]};
        if (!mur_vr_info(mur_vr_from_name(name))->long_length)
            at += 8 + (size_t)(bytes[at + 6] | bytes[at + 7] << 8);
        else if (at + 12 <= length)
            at += 12 + (size_t)read_u32(bytes + at + 8);
        else
            break;
    }
    if (at != length)
        return mur_error_set(error, MUR_INTERNAL,
                             "the common Data Set was not encoded as expected");
    while (section < SECTIONS)
        head->ends[section++] = length;
    return MUR_OK;
}

static enum mur_status append_section(struct mur_buffer *out, const struct common_head *head,
                                      unsigned section, struct mur_error *error)
{
    size_t begin = section == 0 ? 0 : head->ends[section - 1];
    return mur_buffer_append(out, head->bytes.data + begin, head->ends[section] - begin, error);
}

/* The Data Set of a slice up to its pixels. */
static enum mur_status make_head(struct mur_buffer *out, const struct conversion *c, uint32_t slice,
                                 uint32_t pixel_bytes, struct mur_error *error)
{
    const struct mur_source_series *series = c->report.series;
    const struct common_head *head = slice == 0 ? &c->first : &c->others;
    const char *position = series->planes[slice].position;
    double normal[3], at[3], along = 0;
    mur_geometry_normal(normal, &series->geometry);
    mur_geometry_position(at, &series->geometry, 0, 0, slice);
    for (unsigned axis = 0; axis < 3; axis++)
        along += normal[axis] * at[axis];
    char location[MUR_DS_SIZE];
    mur_ds_format(location, along, 1e-6);

    mur_buffer_clear(out);
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status = append_section(out, head, 0, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_SOPInstanceUID, MUR_VR_UI,
                                 series->planes[slice].sop_instance, error);
    if (status == MUR_OK)
        status = append_section(out, head, 1, error);
    if (status == MUR_OK)
        status =
            mur_encode_int(&encoder, MUR_TAG_InstanceNumber, MUR_VR_IS, (int64_t)slice + 1, error);
    if (status == MUR_OK)
        status = append_section(out, head, 2, error);
    if (status == MUR_OK)
        status =
            mur_encode_text(&encoder, MUR_TAG_ImagePositionPatient, MUR_VR_DS, position, error);
    if (status == MUR_OK)
        status = append_section(out, head, 3, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_SliceLocation, MUR_VR_DS, location, error);
    if (status == MUR_OK)
        status = append_section(out, head, 4, error);
    const uint8_t pixel_data[12] = {0xE0,
                                    0x7F,
                                    0x10,
                                    0x00,
                                    'O',
                                    'W',
                                    0,
                                    0,
                                    (uint8_t)pixel_bytes,
                                    (uint8_t)(pixel_bytes >> 8),
                                    (uint8_t)(pixel_bytes >> 16),
                                    (uint8_t)(pixel_bytes >> 24)};
    if (status == MUR_OK)
        status = mur_buffer_append(out, pixel_data, sizeof pixel_data, error);
    return status;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static void copy_reversed(uint16_t *out, const uint16_t *from, size_t count)
{
    for (size_t index = 0; index < count; index++)
        out[index] = from[count - 1 - index];
}

static void reverse(uint16_t *row, size_t count)
{
    for (size_t index = 0; index < count / 2; index++) {
        uint16_t kept = row[index];
        row[index] = row[count - 1 - index];
        row[count - 1 - index] = kept;
    }
}

/* Stored values of a slice in the order of the series; borrowed from @p voxels or @p c. */
static const uint16_t *arrange_slice(struct conversion *c, const void *voxels)
{
    size_t columns = c->header->dims[0], rows = c->header->dims[1];
    bool flip_i = c->report.order.flip_i, flip_j = c->report.order.flip_j;
    bool identity = mur_value_scan_is_identity(c->scan);
    if (identity && !flip_i && !flip_j)
        return voxels;
    if (identity && flip_i && flip_j) {
        copy_reversed(c->pixels, voxels, rows * columns);
        return c->pixels;
    }
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *from = (const uint8_t *)voxels + row * columns * c->header->voxel_size;
        uint16_t *to = c->pixels + (flip_j ? rows - 1 - row : row) * columns;
        if (identity && flip_i) {
            copy_reversed(to, (const uint16_t *)(const void *)from, columns);
            continue;
        }
        mur_value_scan_apply(to, c->scan, from, columns);
        if (flip_i)
            reverse(to, columns);
    }
    return c->pixels;
}

static enum mur_status write_slices(struct conversion *c, const struct mur_output *output,
                                    struct mur_error *error)
{
    const struct mur_source_series *series = c->report.series;
    uint32_t count = series->geometry.dims[2];
    size_t pixel_bytes = slice_voxels(c) * sizeof(uint16_t);
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    c->pixels = malloc(pixel_bytes);
    if (c->pixels == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint32_t slice = 0; status == MUR_OK && slice < count; slice++) {
        const void *voxels = NULL;
        uint32_t from = c->report.order.reverse_k ? count - 1 - slice : slice;
        status = make_head(&head, c, slice, (uint32_t)pixel_bytes, error);
        if (status == MUR_OK)
            status = mur_nifti_read_slice(&voxels, c->nifti, 0, from, error);
        if (status != MUR_OK)
            break;
        const struct mur_made_instance instance = {
            .sop_class = series->sop_class,
            .sop_instance = series->planes[slice].sop_instance,
            .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
            .study_instance = series->study_instance,
            .series_instance = series->series_instance,
            .number = slice + 1,
            .count = count,
            .data_set_length = head.length + pixel_bytes,
        };
        status = output->begin(output->user, &instance, error);
        if (status == MUR_OK)
            status = output->write(output->user, head.data, head.length, error);
        if (status == MUR_OK)
            status = output->write(output->user, arrange_slice(c, voxels), pixel_bytes, error);
        if (status == MUR_OK)
            status = output->end(output->user, error);
        c->report.bytes += instance.data_set_length;
        c->report.instances++;
    }
    return status;
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status check_shape(const struct conversion *c, struct mur_error *error)
{
    if (c->header->volumes > 1)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s: dim[] holds %" PRIu32 " volumes; one is supported so far",
                             c->path, c->header->volumes);
    if (slice_voxels(c) * sizeof(uint16_t) >= UINT32_MAX - 1)
        return mur_error_set(error, MUR_LIMIT, "%s: one slice exceeds what Pixel Data can hold",
                             c->path);
    return MUR_OK;
}

static enum mur_status prepare(struct conversion *c, struct mur_error *error)
{
    enum mur_status status = mur_nifti_open(&c->nifti, c->path, &c->report.warnings, error);
    if (status != MUR_OK)
        return status;
    c->header = mur_nifti_header(c->nifti);
    status = check_shape(c, error);
    if (status == MUR_OK)
        status = make_geometry(c, error);
    if (status == MUR_OK)
        status = mur_value_scan_create(&c->scan, c->header->type, c->header->slope,
                                       c->header->intercept, &c->options->values, error);
    if (status == MUR_OK)
        status = mur_nifti_hold(c->nifti, 0, error);
    if (status == MUR_OK)
        status = look_at_voxels(c, error);
    if (status == MUR_OK)
        status = file_name_text(&c->file_name, c->path, error);
    if (status == MUR_OK)
        status = make_identity(c, error);
    if (status == MUR_OK)
        status = list_instances(c->report.series, error);
    if (status == MUR_OK)
        status = build_dataset(c, error);
    if (status == MUR_OK)
        status = encode_common(&c->others, c->dataset, error);
    if (status == MUR_OK)
        status = put_original(c, error);
    if (status == MUR_OK)
        status = encode_common(&c->first, c->dataset, error);
    return status;
}

static enum mur_status keep_patient_and_study(struct conversion *c, struct mur_error *error)
{
    struct mur_source_series *series = c->report.series;
    enum mur_status status = mur_dataset_create(&series->common, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(series->common, error);
    if (status == MUR_OK)
        status = mur_copy_patient_and_study(series->common, c->dataset, error);
    return status;
}

enum mur_status mur_nii_to_dicom(struct mur_conversion_report *report, const char *path,
                                 const struct mur_conversion_options *options,
                                 const struct mur_output *output, struct mur_error *error)
{
    struct conversion c = {.options = options, .path = path};
    c.report.warnings = report->warnings;
    enum mur_status status = prepare(&c, error);
    if (status == MUR_OK && c.report.values.error_bound > 0)
        status = mur_warn(&c.report.warnings, error,
                          "%s: %s values are stored in 16 bits, within %.3g of the original", path,
                          c.header->type_name, c.report.values.error_bound);
    if (status == MUR_OK)
        status = write_slices(&c, output, error);
    if (status == MUR_OK)
        status = keep_patient_and_study(&c, error);
    if (status == MUR_OK)
        status = mur_nifti_check_unchanged(c.nifti, error);
    if (status == MUR_OK) {
        *report = c.report;
    } else {
        report->warnings = c.report.warnings;
        c.report.warnings = (struct mur_warnings)MUR_WARNINGS_INIT;
        mur_conversion_report_free(&c.report);
    }
    mur_buffer_free(&c.first.bytes);
    mur_buffer_free(&c.others.bytes);
    mur_dataset_free(c.dataset);
    mur_value_scan_free(c.scan);
    mur_nifti_free(c.nifti);
    free(c.pixels);
    free(c.file_name);
    return status;
}
