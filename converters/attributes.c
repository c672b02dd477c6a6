#include "converters/attributes.h"

#include "converters/value_check.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/json.h"
#include "core/own.h"
#include "dicom/attribute.h"
#include "dicom/from_text.h"

enum mur_status mur_attributes_from_json(struct mur_dataset *target, const char *path,
                                         struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *document = NULL;
    enum mur_status status = mur_file_read_all(&text, path, MUR_ATTRIBUTES_FILE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    status = mur_json_parse(&document, (struct mur_slice){.data = text.data, .length = text.length},
                            MUR_ATTRIBUTES_FILE_LIMIT, error);
    const struct mur_json *object = document;
    if (status == MUR_OK && mur_json_type(object) == MUR_JSON_ARRAY && mur_json_count(object) == 1)
        object = mur_json_at(object, 0);
    if (status == MUR_OK)
        status = mur_dataset_put_json_elements(target, object, error);
    if (status == MUR_OK)
        status = mur_value_check(target, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", path);
}

static bool is_taken(uint32_t tag)
{
    switch (tag) {
    case MUR_TAG_SpecificCharacterSet:
    case MUR_TAG_ImageType:
    case MUR_TAG_InstanceCreationDate:
    case MUR_TAG_InstanceCreationTime:
    case MUR_TAG_SOPClassUID:
    case MUR_TAG_SOPInstanceUID:
    case MUR_TAG_ConversionType:
    case MUR_TAG_Modality:
    case MUR_TAG_DerivationDescription:
    case MUR_TAG_ReferencedSeriesSequence:
    case MUR_TAG_ReferencedImageSequence:
    case MUR_TAG_StudiesContainingOtherReferencedInstancesSequence:
    case MUR_TAG_SourceImageSequence:
    case MUR_TAG_ContributingEquipmentSequence:
    case MUR_TAG_SliceThickness:
    case MUR_TAG_SpacingBetweenSlices:
    case MUR_TAG_SeriesInstanceUID:
    case MUR_TAG_SeriesNumber:
    case MUR_TAG_InstanceNumber:
    case MUR_TAG_FrameOfReferenceUID:
    case MUR_TAG_ImagePositionPatient:
    case MUR_TAG_ImageOrientationPatient:
    case MUR_TAG_SliceLocation:
    case MUR_TAG_DimensionOrganizationSequence:
    case MUR_TAG_DimensionIndexSequence:
    case MUR_TAG_SegmentSequence:
    case MUR_TAG_AcquisitionNumber:
    case MUR_TAG_TemporalPositionIdentifier:
    case MUR_TAG_NumberOfTemporalPositions:
    case MUR_TAG_DiffusionBValue:
    case MUR_TAG_DiffusionDirectionality:
    case MUR_TAG_DiffusionGradientOrientation:
    case MUR_TAG_ConcatenationUID:
    case MUR_TAG_InConcatenationNumber:
    case MUR_TAG_InConcatenationTotalNumber:
    case MUR_TAG_RealWorldValueMappingSequence:
    case MUR_TAG_IconImageSequence:
    case MUR_TAG_OriginalAttributesSequence:
        return false;
    default: /* group 0028 is of the pixels; from 4FFE on signatures, overlays, frames, pixels */
        return !MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_GROUP(tag) > 0x0002 &&
               MUR_TAG_GROUP(tag) != 0x0028 && MUR_TAG_GROUP(tag) < 0x4FFE;
    }
}

struct copying {
    struct mur_dataset *target, *source;
    const char *path;
    struct mur_warnings *warnings;
};

static enum mur_status copy_taken(void *user, const struct mur_dataset_element *element,
                                  struct mur_error *error)
{
    const struct copying *copying = user;
    struct mur_error fault = MUR_ERROR_INIT;
    if (!is_taken(element->tag))
        return MUR_OK;
    enum mur_status status = mur_value_check_element(copying->source, element->tag, &fault);
    if (status == MUR_INVALID)
        return mur_warn(copying->warnings, error, "%s: %s; not taken", copying->path,
                        fault.message);
    if (status != MUR_OK)
        return mur_error_set(error, status, "%s", fault.message);
    return mur_dataset_copy(copying->target, copying->source, element->tag, error);
}

enum mur_status mur_attributes_like(struct mur_dataset *target, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *source = NULL;
    enum mur_status status = mur_dataset_load(&source, path, MUR_HEADER, error);
    if (status != MUR_OK)
        return status;
    struct copying copying = {
        .target = target, .source = source, .path = path, .warnings = warnings};
    status = mur_dataset_each(source, copy_taken, &copying, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", path);
}
