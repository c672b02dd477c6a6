#include "dicom/segmentation.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"
#include "dicom/encoder.h"
#include "dicom/put.h"
#include "dicom/references.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

static const struct mur_code segmentation_code = {"113076", "DCM", "Segmentation"};

/* ---- colour --------------------------------------------------------------------------------- */

static double linear_light(uint8_t value)
{
    double part = value / 255.0;
    return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4);
}

static double lab_curve(double part)
{
    const double bend = 6.0 / 29;
    return part > bend * bend * bend ? cbrt(part) : part / (3 * bend * bend) + 4.0 / 29;
}

static uint16_t scaled_word(double value)
{
    return (uint16_t)lrint(fmin(fmax(value, 0), UINT16_MAX));
}

void mur_cielab_from_rgb(uint16_t out[MUR_CIELAB_VALUES], const uint8_t rgb[3])
{
    double r = linear_light(rgb[0]), g = linear_light(rgb[1]), b = linear_light(rgb[2]);
    double x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047;
    double y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b;
    double z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883;
    double lightness = 116 * lab_curve(y) - 16;
    out[0] = scaled_word(lightness * 65535 / 100);
    out[1] = scaled_word((500 * (lab_curve(x) - lab_curve(y)) + 128) * 257);
    out[2] = scaled_word((200 * (lab_curve(y) - lab_curve(z)) + 128) * 257);
}

static double lab_inverse(double part)
{
    const double bend = 6.0 / 29;
    return part > bend ? part * part * part : 3 * bend * bend * (part - 4.0 / 29);
}

static uint8_t encoded_light(double light)
{
    double part = light <= 0.0031308 ? light * 12.92 : 1.055 * pow(light, 1 / 2.4) - 0.055;
    return (uint8_t)lrint(255 * fmin(fmax(part, 0), 1));
}

void mur_rgb_from_cielab(uint8_t out[3], const uint16_t cielab[MUR_CIELAB_VALUES])
{
    double y = (cielab[0] * 100.0 / 65535 + 16) / 116;
    double x = y + (cielab[1] / 257.0 - 128) / 500, z = y - (cielab[2] / 257.0 - 128) / 200;
    x = 0.95047 * lab_inverse(x);
    y = lab_inverse(y);
    z = 1.08883 * lab_inverse(z);
    out[0] = encoded_light(3.2404542 * x - 1.5371385 * y - 0.4985314 * z);
    out[1] = encoded_light(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z);
    out[2] = encoded_light(0.0556434 * x - 0.2040259 * y + 1.0572252 * z);
}

/* ---- the part before the frames -------------------------------------------------------------- */

const char *mur_segmentation_sop_class(enum mur_segmentation_kind kind)
{
    return kind == MUR_SEGMENTATION_BINARY ? mur_uid_SegmentationStorage
                                           : mur_uid_LabelMapSegmentationStorage;
}

static unsigned bits_allocated(const struct mur_segmentation *given)
{
    switch (given->kind) {
    case MUR_SEGMENTATION_BINARY:
        return 1;
    case MUR_SEGMENTATION_LABELMAP8:
        return 8;
    case MUR_SEGMENTATION_LABELMAP16:
        return 16;
    }
    return 1;
}

static enum mur_status check_given(const struct mur_segmentation *given, struct mur_error *error)
{
    if (given->segment_count == 0 || given->segment_count > MUR_SEGMENT_LIMIT)
        return mur_error_set(error, MUR_INVALID, "a segmentation has 1 to %d segments, not %zu",
                             MUR_SEGMENT_LIMIT, given->segment_count);
    if (given->frame_count == 0 || given->frame_count > INT32_MAX)
        return mur_error_set(error, MUR_INVALID, "a segmentation has at least one frame");
    if (given->rows == 0 || given->rows > UINT16_MAX || given->columns == 0 ||
        given->columns > UINT16_MAX)
        return mur_error_set(error, MUR_INVALID, "%" PRIu32 " x %" PRIu32 " pixels in a frame",
                             given->columns, given->rows);
    for (size_t index = 0; index < given->frame_count; index++)
        if (given->frames[index].segment >= given->segment_count ||
            given->frames[index].plane >= given->plane_count)
            return mur_error_set(error, MUR_INVALID, "frame %zu has no segment or plane",
                                 index + 1);
    const unsigned largest = given->kind == MUR_SEGMENTATION_LABELMAP8 ? UINT8_MAX : UINT16_MAX;
    for (size_t index = 0; given->kind != MUR_SEGMENTATION_BINARY && index < given->segment_count;
         index++)
        if (given->segments[index].number == 0 || given->segments[index].number > largest)
            return mur_error_set(error, MUR_INVALID, "segment %zu has number %u", index + 1,
                                 given->segments[index].number);
    return MUR_OK;
}

/* What no attribute of the standard is for: where it came from, and its volume. */
static void put_private(struct mur_put *item, const struct mur_segment *segment)
{
    unsigned block = 0;
    bool has_volume = segment->volume_ml > 0;
    bool any = has_volume || segment->has_source_value || segment->source_layer > 0 ||
               segment->source_file != NULL;
    if (item->status == MUR_OK && any)
        item->status = mur_dataset_private_block(&block, item->dataset, MUR_PRIVATE_GROUP,
                                                 MUR_CREATOR_NIFTI, item->error);
    if (item->status == MUR_OK && segment->source_file != NULL)
        item->status =
            mur_dataset_put_string(item->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_FILE_NAME),
                                   MUR_VR_LO, segment->source_file, item->error);
    if (item->status == MUR_OK && segment->has_source_value)
        item->status = mur_dataset_put_int(item->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_LABEL),
                                           MUR_VR_UL, segment->source_value, item->error);
    if (item->status == MUR_OK && segment->source_layer > 0)
        item->status = mur_dataset_put_int(item->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_LAYER),
                                           MUR_VR_UL, segment->source_layer, item->error);
    if (item->status == MUR_OK && has_volume)
        item->status =
            mur_dataset_put_double(item->dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_VOLUME_ML),
                                   MUR_VR_FD, segment->volume_ml, item->error);
}

static const char *algorithm_name(enum mur_segment_algorithm algorithm)
{
    switch (algorithm) {
    case MUR_SEGMENT_MANUAL:
        return "MANUAL";
    case MUR_SEGMENT_SEMIAUTOMATIC:
        return "SEMIAUTOMATIC";
    case MUR_SEGMENT_AUTOMATIC:
        return "AUTOMATIC";
    }
    return "MANUAL";
}

static void put_segment(struct mur_put *top, const struct mur_segment *segment, size_t number)
{
    struct mur_put item = mur_put_item(top, MUR_TAG_SegmentSequence);
    mur_put_int(&item, MUR_TAG_SegmentNumber, (int64_t)number);
    mur_put_needed(&item, MUR_TAG_SegmentLabel, segment->label);
    mur_put_optional(&item, MUR_TAG_SegmentDescription, segment->description);
    mur_put_text(&item, MUR_TAG_SegmentAlgorithmType, algorithm_name(segment->algorithm));
    if (segment->algorithm != MUR_SEGMENT_MANUAL)
        mur_put_needed(&item, MUR_TAG_SegmentAlgorithmName, segment->algorithm_name);
    mur_put_code(&item, MUR_TAG_SegmentedPropertyCategoryCodeSequence, &segment->category);
    struct mur_put type =
        mur_put_code_item(&item, MUR_TAG_SegmentedPropertyTypeCodeSequence, &segment->type);
    if (mur_code_given(&segment->type_modifier))
        mur_put_code(&type, MUR_TAG_SegmentedPropertyTypeModifierCodeSequence,
                     &segment->type_modifier);
    item.status = type.status;
    if (mur_code_given(&segment->region)) {
        struct mur_put region =
            mur_put_code_item(&item, MUR_TAG_AnatomicRegionSequence, &segment->region);
        if (mur_code_given(&segment->region_modifier))
            mur_put_code(&region, MUR_TAG_AnatomicRegionModifierSequence,
                         &segment->region_modifier);
        item.status = region.status;
    }
    if (segment->has_color && item.status == MUR_OK) {
        uint16_t lab[MUR_CIELAB_VALUES];
        mur_cielab_from_rgb(lab, segment->rgb);
        int64_t values[MUR_CIELAB_VALUES] = {lab[0], lab[1], lab[2]};
        item.status = mur_dataset_put_ints(item.dataset, MUR_TAG_RecommendedDisplayCIELabValue,
                                           MUR_VR_US, values, MUR_CIELAB_VALUES, item.error);
    }
    if (segment->tracking_id != NULL && segment->tracking_uid != NULL) {
        mur_put_needed(&item, MUR_TAG_TrackingID, segment->tracking_id);
        mur_put_needed(&item, MUR_TAG_TrackingUID, segment->tracking_uid);
    }
    put_private(&item, segment);
    top->status = item.status;
}

/* Every value of a label map's pixels must be that of a segment, background too (C.8.20.2.3). */
static void put_background(struct mur_put *top)
{
    static const struct mur_segment background = {
        .label = "Background",
        .algorithm = MUR_SEGMENT_MANUAL,
        .category = {"309825002", "SCT", "Spatial and Relational Concept"},
        .type = {"125040", "DCM", "Background"},
        .has_color = true,
    };
    if (top->status == MUR_OK)
        top->status =
            mur_dataset_put_int(top->dataset, MUR_TAG_PixelPaddingValue, MUR_VR_US, 0, top->error);
    put_segment(top, &background, 0);
}

static void put_segments(struct mur_put *top, const struct mur_segmentation *given)
{
    bool binary = given->kind == MUR_SEGMENTATION_BINARY;
    for (size_t index = 0; top->status == MUR_OK && index < given->segment_count; index++)
        put_segment(top, &given->segments[index],
                    binary ? index + 1 : given->segments[index].number);
    if (!binary) /* last: OHIF takes the first colour for segment 1 */
        put_background(top);
}

static struct mur_referenced_series references_of(const struct mur_segmentation *given)
{
    return (struct mur_referenced_series){
        .series_instance = given->referenced_series,
        .sop_class = given->referenced_sop_class,
        .instances = given->referenced_instances,
        .instance_count = given->referenced_instance_count,
    };
}

static void put_shared_groups(struct mur_put *top, const struct mur_segmentation *given)
{
    struct mur_put shared = mur_put_item(top, MUR_TAG_SharedFunctionalGroupsSequence);
    const struct mur_referenced_series references = references_of(given);
    if (given->shared_derivation && references.instance_count > 0)
        mur_put_shared_derivation(&shared, &segmentation_code, &references);
    struct mur_put orientation = mur_put_item(&shared, MUR_TAG_PlaneOrientationSequence);
    mur_put_needed(&orientation, MUR_TAG_ImageOrientationPatient, given->image_orientation);
    shared.status = orientation.status;
    struct mur_put measures = mur_put_item(&shared, MUR_TAG_PixelMeasuresSequence);
    mur_put_needed(&measures, MUR_TAG_SliceThickness, given->slice_thickness);
    mur_put_needed(&measures, MUR_TAG_SpacingBetweenSlices, given->slice_spacing);
    mur_put_needed(&measures, MUR_TAG_PixelSpacing, given->pixel_spacing);
    top->status = measures.status;
}

/* What a Data Set of the same kind may bring along and is not to be taken over. */
static enum mur_status remove_foreign(struct mur_dataset *dataset, struct mur_error *error)
{
    static const uint32_t tags[] = {
        MUR_TAG_ReferencedSeriesSequence,
        MUR_TAG_StudiesContainingOtherReferencedInstancesSequence,
        MUR_TAG_DimensionOrganizationSequence,
        MUR_TAG_DimensionIndexSequence,
        MUR_TAG_SegmentSequence,
        MUR_TAG_SharedFunctionalGroupsSequence,
        MUR_TAG_PerFrameFunctionalGroupsSequence,
        MUR_TAG_PixelData,
    };
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < MUR_COUNT(tags); index++)
        status = mur_dataset_remove(dataset, tags[index], error);
    return status;
}

static enum mur_status build_top(struct mur_dataset *dataset, const struct mur_segmentation *given,
                                 struct mur_error *error)
{
    struct mur_put top = {
        .dataset = dataset, .status = remove_foreign(dataset, error), .error = error};
    mur_put_text(&top, MUR_TAG_ImageType, "DERIVED\\PRIMARY");
    mur_put_text(&top, MUR_TAG_SOPClassUID, mur_segmentation_sop_class(given->kind));
    mur_put_needed(&top, MUR_TAG_SOPInstanceUID, given->sop_instance);
    mur_put_needed(&top, MUR_TAG_ContentDate, given->content_date);
    mur_put_needed(&top, MUR_TAG_ContentTime, given->content_time);
    mur_put_text(&top, MUR_TAG_Modality, "SEG");
    mur_put_needed(&top, MUR_TAG_Manufacturer, given->manufacturer);
    mur_put_needed(&top, MUR_TAG_ManufacturerModelName, given->model);
    mur_put_needed(&top, MUR_TAG_DeviceSerialNumber, given->serial_number);
    mur_put_needed(&top, MUR_TAG_SoftwareVersions, given->software);
    mur_put_optional(&top, MUR_TAG_SeriesDescription, given->series_description);
    mur_put_needed(&top, MUR_TAG_SeriesInstanceUID, given->series_instance);
    mur_put_int(&top, MUR_TAG_SeriesNumber, given->series_number);
    mur_put_int(&top, MUR_TAG_InstanceNumber, 1);
    mur_put_needed(&top, MUR_TAG_FrameOfReferenceUID, given->frame_of_reference);
    const struct mur_referenced_series references = references_of(given);
    mur_put_referenced_series(&top, &references);

    struct mur_put organization = mur_put_item(&top, MUR_TAG_DimensionOrganizationSequence);
    mur_put_needed(&organization, MUR_TAG_DimensionOrganizationUID, given->dimension_organization);
    top.status = organization.status;
    bool binary = given->kind == MUR_SEGMENTATION_BINARY;
    if (binary)
        mur_put_dimension(&top, given->dimension_organization, MUR_TAG_ReferencedSegmentNumber,
                          MUR_TAG_SegmentIdentificationSequence, "ReferencedSegmentNumber");
    mur_put_dimension(&top, given->dimension_organization, MUR_TAG_ImagePositionPatient,
                      MUR_TAG_PlanePositionSequence, "ImagePositionPatient");

    mur_put_int(&top, MUR_TAG_SamplesPerPixel, 1);
    mur_put_text(&top, MUR_TAG_PhotometricInterpretation, "MONOCHROME2");
    mur_put_int(&top, MUR_TAG_NumberOfFrames, (int64_t)given->frame_count);
    mur_put_int(&top, MUR_TAG_Rows, given->rows);
    mur_put_int(&top, MUR_TAG_Columns, given->columns);
    unsigned bits = bits_allocated(given);
    mur_put_int(&top, MUR_TAG_BitsAllocated, bits);
    mur_put_int(&top, MUR_TAG_BitsStored, bits);
    mur_put_int(&top, MUR_TAG_HighBit, bits - 1);
    mur_put_int(&top, MUR_TAG_PixelRepresentation, 0);
    mur_put_text(&top, MUR_TAG_LossyImageCompression, "00");
    mur_put_text(&top, MUR_TAG_SegmentationType, binary ? "BINARY" : "LABELMAP");
    mur_put_text(&top, MUR_TAG_SegmentsOverlap,
                 given->overlap == MUR_OVERLAP_NO || !binary ? "NO"
                 : given->overlap == MUR_OVERLAP_YES         ? "YES"
                                                             : "UNDEFINED");
    put_segments(&top, given);
    mur_put_needed(&top, MUR_TAG_ContentLabel, given->content_label);
    if (given->content_description != NULL)
        mur_put_text(&top, MUR_TAG_ContentDescription, given->content_description);
    else
        mur_put_empty(&top, MUR_TAG_ContentDescription);
    if (given->content_creator != NULL)
        mur_put_text(&top, MUR_TAG_ContentCreatorName, given->content_creator);
    else
        mur_put_empty(&top, MUR_TAG_ContentCreatorName);
    put_shared_groups(&top, given);
    return top.status;
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Encoder calls that stop at the first failure. */
struct encode {
    struct mur_encoder encoder;
    enum mur_status status;
    struct mur_error *error;
};

static void encode_text(struct encode *out, uint32_t tag, enum mur_vr vr, const char *text)
{
    if (out->status == MUR_OK)
        out->status = mur_encode_text(&out->encoder, tag, vr, text, out->error);
}

static void encode_int(struct encode *out, uint32_t tag, enum mur_vr vr, int64_t value)
{
    if (out->status == MUR_OK)
        out->status = mur_encode_int(&out->encoder, tag, vr, value, out->error);
}

static void begin_sequence(struct encode *out, uint32_t tag)
{
    if (out->status == MUR_OK)
        out->status = mur_encode_sequence_begin(&out->encoder, tag, out->error);
}

static void begin_item(struct encode *out)
{
    if (out->status == MUR_OK)
        out->status = mur_encode_item_begin(&out->encoder, out->error);
}

static void end_item(struct encode *out)
{
    if (out->status == MUR_OK)
        out->status = mur_encode_item_end(&out->encoder, out->error);
}

static void end_sequence(struct encode *out)
{
    if (out->status == MUR_OK)
        out->status = mur_encode_sequence_end(&out->encoder, out->error);
}

static void encode_code(struct encode *out, uint32_t tag, const struct mur_code *code)
{
    begin_sequence(out, tag);
    begin_item(out);
    encode_text(out, MUR_TAG_CodeValue, MUR_VR_SH, code->value);
    encode_text(out, MUR_TAG_CodingSchemeDesignator, MUR_VR_SH, code->scheme);
    encode_text(out, MUR_TAG_CodeMeaning, MUR_VR_LO, code->meaning);
    end_item(out);
    end_sequence(out);
}

static void encode_derivation(struct encode *out, const struct mur_segmentation_plane *plane,
                              const char *sop_class)
{
    begin_sequence(out, MUR_TAG_DerivationImageSequence);
    begin_item(out);
    begin_sequence(out, MUR_TAG_SourceImageSequence);
    begin_item(out);
    encode_text(out, MUR_TAG_ReferencedSOPClassUID, MUR_VR_UI, sop_class);
    encode_text(out, MUR_TAG_ReferencedSOPInstanceUID, MUR_VR_UI, plane->sop_instance);
    if (plane->frame > 0)
        encode_int(out, MUR_TAG_ReferencedFrameNumber, MUR_VR_IS, plane->frame);
    encode_code(out, MUR_TAG_PurposeOfReferenceCodeSequence, &mur_code_source_image);
    end_item(out);
    end_sequence(out);
    encode_code(out, MUR_TAG_DerivationCodeSequence, &segmentation_code);
    end_item(out);
    end_sequence(out);
}

static void encode_frame(struct encode *out, const struct mur_segmentation *given,
                         const struct mur_segmentation_frame *frame, uint32_t rank)
{
    const struct mur_segmentation_plane *plane = &given->planes[frame->plane];
    begin_item(out);
    if (plane->sop_instance != NULL && !given->shared_derivation)
        encode_derivation(out, plane, given->referenced_sop_class);
    begin_sequence(out, MUR_TAG_FrameContentSequence);
    begin_item(out);
    encode_text(out, MUR_TAG_StackID, MUR_VR_SH, "1");
    encode_int(out, MUR_TAG_InStackPositionNumber, MUR_VR_UL, rank);
    bool binary = given->kind == MUR_SEGMENTATION_BINARY;
    int64_t dimension[2] = {(int64_t)frame->segment + 1, rank};
    if (out->status == MUR_OK)
        out->status =
            mur_encode_ints(&out->encoder, MUR_TAG_DimensionIndexValues, MUR_VR_UL,
                            binary ? dimension : dimension + 1, binary ? 2 : 1, out->error);
    end_item(out);
    end_sequence(out);
    begin_sequence(out, MUR_TAG_PlanePositionSequence);
    begin_item(out);
    encode_text(out, MUR_TAG_ImagePositionPatient, MUR_VR_DS, plane->position);
    end_item(out);
    end_sequence(out);
    if (binary) {
        begin_sequence(out, MUR_TAG_SegmentIdentificationSequence);
        begin_item(out);
        encode_int(out, MUR_TAG_ReferencedSegmentNumber, MUR_VR_US, (int64_t)frame->segment + 1);
        end_item(out);
        end_sequence(out);
    }
    end_item(out);
}

/* Position of each plane among those that any frame lies on, from 1; 0 for the others. */
static enum mur_status rank_planes(uint32_t **out, const struct mur_segmentation *given,
                                   struct mur_error *error)
{
    uint32_t *ranks = calloc(given->plane_count, sizeof *ranks);
    if (ranks == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < given->frame_count; index++)
        ranks[given->frames[index].plane] = 1;
    uint32_t next = 1;
    for (size_t index = 0; index < given->plane_count; index++)
        if (ranks[index] != 0)
            ranks[index] = next++;
    *out = ranks;
    return MUR_OK;
}

static enum mur_status append_frames(struct mur_buffer *out, const struct mur_segmentation *given,
                                     struct mur_error *error)
{
    MUR_AUTO_FREE uint32_t *ranks = NULL;
    enum mur_status status = rank_planes(&ranks, given, error);
    if (status != MUR_OK)
        return status;
    struct encode frames = {.status = MUR_OK, .error = error};
    frames.status = mur_encoder_init(&frames.encoder, out, mur_uid_ExplicitVRLittleEndian, error);
    begin_sequence(&frames, MUR_TAG_PerFrameFunctionalGroupsSequence);
    for (size_t index = 0; frames.status == MUR_OK && index < given->frame_count; index++)
        encode_frame(&frames, given, &given->frames[index], ranks[given->frames[index].plane]);
    end_sequence(&frames);
    return frames.status;
}

enum mur_status mur_segmentation_write_head(struct mur_buffer *out, uint64_t *pixel_bytes,
                                            const struct mur_segmentation *given,
                                            struct mur_error *error)
{
    enum mur_status status = check_given(given, error);
    if (status != MUR_OK)
        return status;
    uint64_t bits = (uint64_t)given->rows * given->columns * bits_allocated(given);
    if (bits > UINT64_MAX / 2 / given->frame_count)
        return mur_error_set(error, MUR_LIMIT, "too many frames");
    uint64_t bytes = (bits * given->frame_count + 7) / 8;
    bytes += bytes & 1;
    if (bytes >= UINT32_MAX - 1)
        return mur_error_set(error, MUR_LIMIT,
                             "%zu frames of %" PRIu32 " x %" PRIu32
                             " pixels exceed what Pixel Data can hold",
                             given->frame_count, given->columns, given->rows);
    MUR_AUTO(mur_dataset) *top = NULL;
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    status = mur_dataset_clone(&top, given->common, error);
    if (status == MUR_OK)
        status = build_top(top, given, error);
    if (status == MUR_OK)
        status = mur_dataset_encode(&head, top, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status = append_frames(&head, given, error);
    if (status != MUR_OK)
        return status;
    bool words = given->kind == MUR_SEGMENTATION_LABELMAP16;
    const uint8_t pixel_data[12] = {0xE0,
                                    0x7F,
                                    0x10,
                                    0x00,
                                    'O',
                                    words ? 'W' : 'B',
                                    0,
                                    0,
                                    (uint8_t)bytes,
                                    (uint8_t)(bytes >> 8),
                                    (uint8_t)(bytes >> 16),
                                    (uint8_t)(bytes >> 24)};
    status = mur_buffer_append(&head, pixel_data, sizeof pixel_data, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, head.data, head.length, error);
    if (status == MUR_OK)
        *pixel_bytes = bytes;
    return status;
}
