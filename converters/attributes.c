#include "converters/attributes.h"

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
        return false;
    default:
        return !MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_GROUP(tag) > 0x0002 &&
               MUR_TAG_GROUP(tag) != 0x0028 && MUR_TAG_GROUP(tag) < 0x5000;
    }
}

static enum mur_status copy_taken(void *user, const struct mur_dataset_element *element,
                                  struct mur_error *error)
{
    struct mur_dataset *const *pair = user;
    return is_taken(element->tag) ? mur_dataset_copy(pair[0], pair[1], element->tag, error)
                                  : MUR_OK;
}

enum mur_status mur_attributes_like(struct mur_dataset *target, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *source = NULL;
    enum mur_status status = mur_dataset_load(&source, path, MUR_HEADER, error);
    if (status != MUR_OK)
        return status;
    struct mur_dataset *pair[2] = {target, source};
    status = mur_dataset_each(source, copy_taken, pair, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", path);
}
