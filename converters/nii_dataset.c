/* The Data Set that the slices of a series share (conversion.md 3.2 to 3.6). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/body_part.h"
#include "converters/conversion.h"
#include "converters/identity.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/put.h"
#include "dicom/sop_class.h"

enum {
    LO_CHARACTERS = 64,
    FIRST_DATA_SET_GROUP = 0x0008, /* before: commands, File Meta Information, directories */
    FIRST_SIGNING_GROUP = 0x4FFE,  /* signatures, curves, overlays, frames, pixels */
};

struct removal {
    uint32_t *tags;
    size_t count;
};

/* What the image decides is not taken from given attributes. */
static bool decided_here(const struct mur_conversion *c, uint32_t tag)
{
    switch (tag) {
    case MUR_TAG_ReferencedSeriesSequence:
    case MUR_TAG_StudiesContainingOtherReferencedInstancesSequence:
        return mur_conversion_named_images(c) != NULL;
    case MUR_TAG_ImageType:
    case MUR_TAG_SOPClassUID:
    case MUR_TAG_SOPInstanceUID:
    case MUR_TAG_SeriesInstanceUID:
    case MUR_TAG_DerivationDescription:
    case MUR_TAG_SliceThickness:
    case MUR_TAG_SpacingBetweenSlices:
    case MUR_TAG_InstanceNumber:
    case MUR_TAG_ImagePositionPatient:
    case MUR_TAG_ImageOrientationPatient:
    case MUR_TAG_SliceLocation:
    case MUR_TAG_DimensionOrganizationSequence:
    case MUR_TAG_DimensionIndexSequence:
    case MUR_TAG_SegmentSequence:
    case MUR_TAG_IconImageSequence:
        return true;
    default:
        return MUR_TAG_GROUP(tag) < FIRST_DATA_SET_GROUP || MUR_TAG_GROUP(tag) == 0x0028 ||
               MUR_TAG_GROUP(tag) >= FIRST_SIGNING_GROUP;
    }
}

static enum mur_status note_tag(struct removal *removal, uint32_t tag, struct mur_error *error)
{
    uint32_t *tags = realloc(removal->tags, (removal->count + 1) * sizeof *tags);
    if (tags == NULL)
        return mur_error_no_memory(error);
    tags[removal->count++] = tag;
    removal->tags = tags;
    return MUR_OK;
}

struct decided {
    struct removal removal;
    struct mur_conversion *conversion;
};

static enum mur_status note_decided(void *user, const struct mur_dataset_element *element,
                                    struct mur_error *error)
{
    struct decided *decided = user;
    if (!decided_here(decided->conversion, element->tag))
        return MUR_OK;
    const char *keyword = mur_dictionary_keyword(element->tag);
    enum mur_status status =
        mur_warn(&decided->conversion->report.warnings, error,
                 "%s (%04x,%04x): the image decides this; what was given is not taken",
                 keyword != NULL ? keyword : "an attribute", MUR_TAG_GROUP(element->tag),
                 MUR_TAG_ELEMENT(element->tag));
    return status == MUR_OK ? note_tag(&decided->removal, element->tag, error) : status;
}

static enum mur_status remove_noted(struct mur_dataset *dataset, struct removal *removal,
                                    enum mur_status status, struct mur_error *error)
{
    for (size_t index = 0; status == MUR_OK && index < removal->count; index++)
        status = mur_dataset_remove(dataset, removal->tags[index], error);
    free(removal->tags);
    *removal = (struct removal){.tags = NULL};
    return status;
}

static enum mur_status start_dataset(struct mur_conversion *c, struct mur_error *error)
{
    const char *modality = c->options->modality == MUR_CONVERT_TO_CT ? "CT" : "MR";
    const char *given = NULL;
    enum mur_status status = MUR_OK;
    mur_dataset_free(c->dataset);
    c->dataset = NULL;
    if (c->options->attributes != NULL &&
        mur_dataset_has_value(c->options->attributes, MUR_TAG_Modality) &&
        mur_dataset_get_string(&given, c->options->attributes, MUR_TAG_Modality, NULL) == MUR_OK &&
        strcmp(given, modality) != 0)
        return mur_error_set(error, MUR_INVALID,
                             "the attributes say that Modality (0008,0060) is %.16s, the "
                             "conversion that it is %s",
                             given, modality);
    if (c->options->attributes != NULL)
        status = mur_dataset_clone(&c->dataset, c->options->attributes, error);
    else
        status = mur_dataset_create(&c->dataset, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(c->dataset, error);
    struct decided decided = {.removal = {.tags = NULL, .count = 0}, .conversion = c};
    if (status == MUR_OK)
        status = mur_dataset_each(c->dataset, note_decided, &decided, error);
    return remove_noted(c->dataset, &decided.removal, status, error);
}

/* Contrasts of one file become neighbours: 4 becomes 401, 402, ... */
static void put_series(struct mur_put *put, const struct mur_conversion *c,
                       const struct mur_conversion_part *part)
{
    int64_t number = c->options->series_number;
    if (number == 0 && put->status == MUR_OK &&
        mur_dataset_get_int(&number, put->dataset, MUR_TAG_SeriesNumber, 0, NULL) != MUR_OK)
        number = 1;
    if (c->part_count > 1)
        number = number * 100 + (int64_t)part->first + 1;
    mur_put_int(put, MUR_TAG_SeriesNumber, number);
    if (c->plan.kind != MUR_VOLUMES_DIXON)
        return;
    const char *contrast = c->options->volumes.contrasts[part->first];
    MUR_AUTO_FREE char *given = NULL;
    MUR_AUTO_FREE char *text = NULL;
    if (put->status == MUR_OK && mur_dataset_has_value(put->dataset, MUR_TAG_SeriesDescription))
        put->status =
            mur_dataset_get_text(&given, put->dataset, MUR_TAG_SeriesDescription, put->error);
    if (put->status != MUR_OK)
        return;
    size_t room = LO_CHARACTERS - strlen(contrast) - 1;
    struct mur_slice kept = mur_slice_of(given != NULL ? given : "");
    while (mur_utf8_count(kept) > room)
        kept.length = mur_utf8_cut(kept, kept.length - 1);
    put->status = mur_text_format(&text, put->error, "%.*s%s%s", (int)kept.length, kept.data,
                                  kept.length > 0 ? " " : "", contrast);
    mur_put_text(put, MUR_TAG_SeriesDescription, text != NULL ? text : "");
}

/* Of a part of the body that there is once, or beside Image Laterality, it would be wrong even
 * without a value. */
static void put_laterality(struct mur_put *put)
{
    const char *part = NULL;
    if (put->status == MUR_OK && mur_dataset_has_value(put->dataset, MUR_TAG_BodyPartExamined))
        put->status =
            mur_dataset_get_string(&part, put->dataset, MUR_TAG_BodyPartExamined, put->error);
    if (put->status != MUR_OK || (!mur_dataset_has_value(put->dataset, MUR_TAG_ImageLaterality) &&
                                  (part == NULL || !mur_body_part_is_single(part))))
        mur_put_default(put, MUR_TAG_Laterality, "");
    else if (!mur_dataset_has_value(put->dataset, MUR_TAG_Laterality))
        put->status = mur_dataset_remove(put->dataset, MUR_TAG_Laterality, put->error);
}

static void put_patient_and_study(struct mur_put *put, const struct mur_conversion *c,
                                  const struct mur_conversion_part *part)
{
    static const uint32_t type_2[] = {
        MUR_TAG_PatientName,       MUR_TAG_PatientID,       MUR_TAG_PatientBirthDate,
        MUR_TAG_PatientSex,        MUR_TAG_StudyDate,       MUR_TAG_StudyTime,
        MUR_TAG_AccessionNumber,   MUR_TAG_StudyID,         MUR_TAG_ReferringPhysicianName,
        MUR_TAG_Manufacturer,      MUR_TAG_PatientPosition, MUR_TAG_PositionReferenceIndicator,
        MUR_TAG_AcquisitionNumber,
    };
    for (size_t index = 0; index < MUR_COUNT(type_2); index++)
        mur_put_default(put, type_2[index], "");
    put_laterality(put);
    mur_put_animal_defaults(put);
    mur_put_text(put, MUR_TAG_StudyInstanceUID, part->series->study_instance);
    mur_put_text(put, MUR_TAG_FrameOfReferenceUID, part->series->frame_of_reference);
    put_series(put, c, part);
    if (c->options->anatomy != MUR_ANATOMY_UNSAID)
        mur_put_default_value(put, MUR_TAG_AnatomicalOrientationType,
                              c->options->anatomy == MUR_BIPED ? "BIPED" : "QUADRUPED");
}

static void put_equipment(struct mur_put *put, const struct mur_conversion *c,
                          const struct mur_conversion_part *part)
{
    static const struct mur_code processing = {"109102", "DCM", "Processing Equipment"};
    static const char *const kinds[] = {"Analyze 7.5", "NIfTI-1", "NIfTI-2"};
    const struct mur_value_map *values = &part->values;
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

static void put_geometry(struct mur_put *put, const struct mur_conversion *c,
                         const struct mur_conversion_part *part)
{
    const struct mur_source_series *series = part->series;
    mur_put_int(put, MUR_TAG_Rows, c->header->dims[1]);
    mur_put_int(put, MUR_TAG_Columns, c->header->dims[0]);
    if (c->form == MUR_PIXELS_FLOAT)
        return; /* in functional groups */
    mur_put_text(put, MUR_TAG_ImageOrientationPatient, series->text.image_orientation);
    mur_put_text(put, MUR_TAG_PixelSpacing, series->text.pixel_spacing);
    mur_put_text(put, MUR_TAG_SliceThickness, series->slice_thickness);
    mur_put_text(put, MUR_TAG_SpacingBetweenSlices, series->text.slice_spacing);
}

static void put_window(struct mur_put *put, const struct mur_conversion *c,
                       const struct mur_conversion_part *part)
{
    const struct mur_value_map *values = &part->values;
    if (c->options->modality == MUR_CONVERT_TO_CT && c->options->hounsfield) {
        mur_put_text(put, MUR_TAG_WindowCenter, "40\\300");
        mur_put_text(put, MUR_TAG_WindowWidth, "400\\1500");
        mur_put_text(put, MUR_TAG_WindowCenterWidthExplanation, "Soft tissue\\Bone");
        return;
    }
    /* LINEAR spans width - 1, from center - 0.5 - (width - 1) / 2 on (PS3.3 C.11.2.1.2): much of a
     * small range would be cut off. LINEAR_EXACT would say it plainer, but images with it OHIF does
     * not show at all. */
    char center[MUR_DS_SIZE], width[MUR_DS_SIZE];
    mur_ds_format(center, values->window_center + 0.5, values->window_width * 1e-4);
    mur_ds_format(width, values->window_width + 1, values->window_width * 1e-4);
    mur_put_text(put, MUR_TAG_WindowCenter, center);
    mur_put_text(put, MUR_TAG_WindowWidth, width);
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

static void put_colour(struct mur_put *put)
{
    mur_put_int(put, MUR_TAG_SamplesPerPixel, 3);
    mur_put_text(put, MUR_TAG_PhotometricInterpretation, "RGB");
    mur_put_int(put, MUR_TAG_PlanarConfiguration, 0);
    mur_put_int(put, MUR_TAG_BitsAllocated, 8);
    mur_put_int(put, MUR_TAG_BitsStored, 8);
    mur_put_int(put, MUR_TAG_HighBit, 7);
    mur_put_int(put, MUR_TAG_PixelRepresentation, 0);
}

static void put_values(struct mur_put *put, const struct mur_conversion *c,
                       const struct mur_conversion_part *part)
{
    const struct mur_value_map *values = &part->values;
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
    put_window(put, c, part);
}

static void put_modality(struct mur_put *put, const struct mur_conversion *c,
                         const struct mur_conversion_part *part)
{
    mur_put_text(put, MUR_TAG_SOPClassUID, mur_conversion_sop_class(c));
    mur_put_text(put, MUR_TAG_Modality, c->options->modality == MUR_CONVERT_TO_CT ? "CT" : "MR");
    if (c->form == MUR_PIXELS_COLOUR) {
        mur_put_text(put, MUR_TAG_ImageType, "DERIVED\\SECONDARY");
        mur_put_default_value(put, MUR_TAG_ConversionType, "WSD");
        mur_put_default(put, MUR_TAG_PatientOrientation, "");
        return;
    }
    if (c->form == MUR_PIXELS_FLOAT)
        return;
    if (c->options->modality == MUR_CONVERT_TO_CT) {
        mur_put_text(put, MUR_TAG_ImageType, "DERIVED\\SECONDARY\\AXIAL");
        mur_put_default(put, MUR_TAG_KVP, "");
        return;
    }
    char image_type[64] = "DERIVED\\SECONDARY\\OTHER";
    if (c->plan.kind == MUR_VOLUMES_DIXON)
        (void)snprintf(image_type, sizeof image_type, "DERIVED\\SECONDARY\\OTHER\\%s",
                       c->options->volumes.contrasts[part->first]);
    mur_put_text(put, MUR_TAG_ImageType, image_type);
    mur_put_default_value(put, MUR_TAG_ScanningSequence, "RM");
    mur_put_default_value(put, MUR_TAG_SequenceVariant, "NONE");
    const char *sequences = NULL;
    if (put->status == MUR_OK)
        put->status =
            mur_dataset_get_string(&sequences, put->dataset, MUR_TAG_ScanningSequence, put->error);
    if (put->status == MUR_OK && strstr(sequences, "IR") != NULL) /* no other term has it */
        mur_put_default(put, MUR_TAG_InversionTime, "");
    mur_put_default(put, MUR_TAG_ScanOptions, "");
    mur_put_default(put, MUR_TAG_MRAcquisitionType, "3D");
    mur_put_default(put, MUR_TAG_RepetitionTime, "");
    mur_put_default(put, MUR_TAG_EchoTime, "");
    mur_put_default(put, MUR_TAG_EchoTrainLength, "");
}

enum mur_status mur_conversion_dataset(struct mur_conversion *c,
                                       const struct mur_conversion_part *part,
                                       struct mur_error *error)
{
    enum mur_status status = start_dataset(c, error);
    if (status != MUR_OK)
        return status;
    struct mur_put put = {.dataset = c->dataset, .status = MUR_OK, .error = error};
    put_patient_and_study(&put, c, part);
    put_equipment(&put, c, part);
    put_modality(&put, c, part);
    put_geometry(&put, c, part);
    if (c->form == MUR_PIXELS_COLOUR)
        put_colour(&put);
    else if (c->form == MUR_PIXELS_MAPPED)
        put_values(&put, c, part);
    return put.status;
}

/* ---- the original header --------------------------------------------------------------------- */

/* A contrast of several gets a header as if it stood alone in a file of three dimensions. */
static void cut_to_volume(struct mur_original *original, const struct mur_nifti_header *header)
{
    bool wide = header->kind == MUR_NIFTI_2;
    size_t at = wide ? 16 : 40, size = wide ? 8 : 2; /* dim[] */
    for (size_t index = 0; index < 8; index += 4) {
        uint8_t *field = original->header + at + index * size;
        memset(field, 0, size);
        field[header->big_endian ? size - 1 : 0] = index == 0 ? 3 : 1;
    }
}

enum mur_status mur_conversion_put_original(struct mur_conversion *c,
                                            const struct mur_conversion_part *part,
                                            struct mur_error *error)
{
    struct mur_original original = c->original; /* borrows */
    memcpy(original.voxel_digest, part->voxel_digest, sizeof original.voxel_digest);
    original.reversed[0] = c->report.order.flip_i;
    original.reversed[1] = c->report.order.flip_j;
    original.reversed[2] = c->report.order.reverse_k;
    if (c->part_count > 1)
        cut_to_volume(&original, c->header);
    return mur_original_put(c->dataset, &original, error);
}

struct block_removal {
    struct removal removal;
    unsigned block;
};

static enum mur_status note_original(void *user, const struct mur_dataset_element *element,
                                     struct mur_error *error)
{
    struct block_removal *removal = user;
    unsigned number = MUR_TAG_ELEMENT(element->tag);
    bool in_block = MUR_TAG_GROUP(element->tag) == MUR_PRIVATE_GROUP &&
                    (number == removal->block || number >> 8 == removal->block);
    return in_block ? note_tag(&removal->removal, element->tag, error) : MUR_OK;
}

enum mur_status mur_conversion_remove_original(struct mur_conversion *c, struct mur_error *error)
{
    struct block_removal removal = {.removal = {.tags = NULL, .count = 0}};
    enum mur_status status = mur_dataset_private_block(&removal.block, c->dataset,
                                                       MUR_PRIVATE_GROUP, MUR_CREATOR_NIFTI, error);
    if (status == MUR_OK)
        status = mur_dataset_each(c->dataset, note_original, &removal, error);
    return remove_noted(c->dataset, &removal.removal, status, error);
}
