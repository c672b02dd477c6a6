#include "converters/slice_head.h"

#include "converters/geometry.h"
#include "dicom/attribute.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"

/* The elements that differ, in order; Pixel Data follows at the end. */
static const uint32_t varying_tags[MUR_HEAD_SECTIONS - 1] = {
    MUR_TAG_SOPInstanceUID, MUR_TAG_InstanceNumber, MUR_TAG_ImagePositionPatient,
    MUR_TAG_SliceLocation};

void mur_common_head_free(struct mur_common_head *head)
{
    mur_buffer_free(&head->bytes);
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Finds where the varying elements belong. The encoder writes explicit VR and explicit lengths, so
 * elements of the top level follow each other by their lengths. */
enum mur_status mur_common_head_encode(struct mur_common_head *out, struct mur_dataset *dataset,
                                       struct mur_error *error)
{
    mur_buffer_clear(&out->bytes);
    enum mur_status status =
        mur_dataset_encode(&out->bytes, dataset, mur_uid_ExplicitVRLittleEndian, error);
    if (status != MUR_OK)
        return status;
    const uint8_t *bytes = (const uint8_t *)out->bytes.data;
    size_t length = out->bytes.length, at = 0, section = 0;
    while (at + 8 <= length) {
        uint32_t tag = MUR_TAG(bytes[at] | bytes[at + 1] << 8, bytes[at + 2] | bytes[at + 3] << 8);
        while (section < MUR_HEAD_SECTIONS - 1 && tag > varying_tags[section])
            out->ends[section++] = at;
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
    while (section < MUR_HEAD_SECTIONS)
        out->ends[section++] = length;
    return MUR_OK;
}

static enum mur_status append_section(struct mur_buffer *out, const struct mur_common_head *head,
                                      unsigned section, struct mur_error *error)
{
    size_t begin = section == 0 ? 0 : head->ends[section - 1];
    return mur_buffer_append(out, head->bytes.data + begin, head->ends[section] - begin, error);
}

enum mur_status mur_slice_head_make(struct mur_buffer *out, const struct mur_common_head *common,
                                    const struct mur_slice_elements *slice, struct mur_error *error)
{
    char location[MUR_DS_SIZE];
    mur_ds_format(location, slice->location_mm, 1e-6);
    mur_buffer_clear(out);
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status = append_section(out, common, 0, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_SOPInstanceUID, MUR_VR_UI, slice->sop_instance,
                                 error);
    if (status == MUR_OK)
        status = append_section(out, common, 1, error);
    if (status == MUR_OK)
        status = mur_encode_int(&encoder, MUR_TAG_InstanceNumber, MUR_VR_IS,
                                (int64_t)slice->instance_number, error);
    if (status == MUR_OK)
        status = append_section(out, common, 2, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_ImagePositionPatient, MUR_VR_DS, slice->position,
                                 error);
    if (status == MUR_OK)
        status = append_section(out, common, 3, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_SliceLocation, MUR_VR_DS, location, error);
    if (status == MUR_OK)
        status = append_section(out, common, 4, error);
    const uint8_t pixel_data[12] = {0xE0,
                                    0x7F,
                                    0x10,
                                    0x00,
                                    (uint8_t)slice->pixel_vr[0],
                                    (uint8_t)slice->pixel_vr[1],
                                    0,
                                    0,
                                    (uint8_t)slice->pixel_bytes,
                                    (uint8_t)(slice->pixel_bytes >> 8),
                                    (uint8_t)(slice->pixel_bytes >> 16),
                                    (uint8_t)(slice->pixel_bytes >> 24)};
    return status == MUR_OK ? mur_buffer_append(out, pixel_data, sizeof pixel_data, error) : status;
}
