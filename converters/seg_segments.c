/* Segment Sequence (0062,0002): what segments are, and whose the frames are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "converters/seg_reader_internal.h"
#include "core/own.h"
#include "dicom/dictionary.h"

enum { SEGMENT_NUMBERS = 65536 };

static enum mur_status keep_text(const char **out, struct mur_seg_reader *reader,
                                 struct mur_dataset *item, uint32_t tag, struct mur_error *error)
{
    if (!mur_dataset_has_value(item, tag))
        return MUR_OK;
    if (reader->text_count == reader->text_capacity) {
        size_t capacity = reader->text_capacity == 0 ? 64 : reader->text_capacity * 2;
        char **texts = realloc(reader->texts, capacity * sizeof *texts);
        if (texts == NULL)
            return mur_error_no_memory(error);
        reader->texts = texts;
        reader->text_capacity = capacity;
    }
    char *text = NULL;
    if (mur_dataset_get_text(&text, item, tag, error) != MUR_OK)
        return mur_error_prefix(error, "%s: Segment Sequence", reader->path);
    reader->texts[reader->text_count++] = text;
    *out = text;
    return MUR_OK;
}

/* The first code of a sequence; in @p item_out its item, for what stands within it. */
static enum mur_status read_code(struct mur_code *out, struct mur_dataset **item_out,
                                 struct mur_seg_reader *reader, struct mur_dataset *segment,
                                 uint32_t sequence, struct mur_error *error)
{
    struct mur_dataset *item = NULL;
    if (segment == NULL || !mur_dataset_has_value(segment, sequence) ||
        mur_dataset_get_item(&item, segment, sequence, 0, NULL) != MUR_OK)
        return MUR_OK;
    enum mur_status status = keep_text(&out->value, reader, item, MUR_TAG_CodeValue, error);
    if (status == MUR_OK && out->value == NULL)
        status = keep_text(&out->value, reader, item, MUR_TAG_LongCodeValue, error);
    if (status == MUR_OK && out->value == NULL)
        status = keep_text(&out->value, reader, item, MUR_TAG_URNCodeValue, error);
    if (status == MUR_OK)
        status = keep_text(&out->scheme, reader, item, MUR_TAG_CodingSchemeDesignator, error);
    if (status == MUR_OK)
        status = keep_text(&out->meaning, reader, item, MUR_TAG_CodeMeaning, error);
    if (item_out != NULL)
        *item_out = item;
    return status;
}

static enum mur_status read_codes(struct mur_segment *out, struct mur_seg_reader *reader,
                                  struct mur_dataset *item, struct mur_error *error)
{
    struct mur_dataset *type = NULL, *region = NULL;
    enum mur_status status = read_code(&out->category, NULL, reader, item,
                                       MUR_TAG_SegmentedPropertyCategoryCodeSequence, error);
    if (status == MUR_OK)
        status = read_code(&out->type, &type, reader, item,
                           MUR_TAG_SegmentedPropertyTypeCodeSequence, error);
    if (status == MUR_OK)
        status = read_code(&out->type_modifier, NULL, reader, type,
                           MUR_TAG_SegmentedPropertyTypeModifierCodeSequence, error);
    if (status == MUR_OK && out->type_modifier.value == NULL) /* older writers put it here */
        status = read_code(&out->type_modifier, NULL, reader, item,
                           MUR_TAG_SegmentedPropertyTypeModifierCodeSequence, error);
    if (status == MUR_OK)
        status =
            read_code(&out->region, &region, reader, item, MUR_TAG_AnatomicRegionSequence, error);
    if (status == MUR_OK)
        status = read_code(&out->region_modifier, NULL, reader, region,
                           MUR_TAG_AnatomicRegionModifierSequence, error);
    return status;
}

/* What labels2seg kept of the label map. */
static enum mur_status read_private(struct mur_seg_segment *out, struct mur_seg_reader *reader,
                                    struct mur_dataset *item, struct mur_error *error)
{
    unsigned block = 0;
    bool found = false;
    for (unsigned candidate = 0x10; !found && candidate <= 0xFF; candidate++)
        if (strcmp(mur_seg_string(item, MUR_TAG(MUR_PRIVATE_GROUP, candidate)),
                   MUR_CREATOR_NIFTI) == 0) {
            block = candidate;
            found = true;
        }
    int64_t value = 0;
    if (!found)
        return MUR_OK;
    if (mur_dataset_get_int(&value, item, MUR_PRIVATE_TAG(block, MUR_NIFTI_LABEL), 0, NULL) ==
            MUR_OK &&
        value > 0 && value <= UINT16_MAX) {
        out->about.has_source_value = true;
        out->about.source_value = (uint32_t)value;
    }
    if (mur_dataset_get_int(&value, item, MUR_PRIVATE_TAG(block, MUR_NIFTI_LAYER), 0, NULL) ==
            MUR_OK &&
        value > 0 && value <= UINT16_MAX)
        out->layer = (uint32_t)value;
    return keep_text(&out->about.source_file, reader, item,
                     MUR_PRIVATE_TAG(block, MUR_NIFTI_FILE_NAME), error);
}

static enum mur_status read_segment(struct mur_seg_segment *out, struct mur_seg_reader *reader,
                                    struct mur_dataset *item, size_t index, struct mur_error *error)
{
    struct mur_segment *about = &out->about;
    int64_t number = 0;
    if (mur_dataset_get_int(&number, item, MUR_TAG_SegmentNumber, 0, NULL) != MUR_OK ||
        number < 0 || number > UINT16_MAX || (number == 0 && reader->info.kind != MUR_SEG_LABELMAP))
        return mur_error_set(
            error, MUR_PARSE,
            "%s: item %zu of Segment Sequence has no Segment Number (0062,0004) of "
            "1 to 65535",
            reader->path, index + 1);
    out->number = (uint16_t)number;
    const char *algorithm = mur_seg_string(item, MUR_TAG_SegmentAlgorithmType);
    out->algorithm_given = algorithm[0] != '\0';
    about->algorithm = strcmp(algorithm, "AUTOMATIC") == 0       ? MUR_SEGMENT_AUTOMATIC
                       : strcmp(algorithm, "SEMIAUTOMATIC") == 0 ? MUR_SEGMENT_SEMIAUTOMATIC
                                                                 : MUR_SEGMENT_MANUAL;
    enum mur_status status = keep_text(&about->label, reader, item, MUR_TAG_SegmentLabel, error);
    if (status == MUR_OK)
        status = keep_text(&about->description, reader, item, MUR_TAG_SegmentDescription, error);
    if (status == MUR_OK)
        status =
            keep_text(&about->algorithm_name, reader, item, MUR_TAG_SegmentAlgorithmName, error);
    if (status == MUR_OK)
        status = keep_text(&about->tracking_id, reader, item, MUR_TAG_TrackingID, error);
    if (status == MUR_OK)
        status = keep_text(&about->tracking_uid, reader, item, MUR_TAG_TrackingUID, error);
    if (status == MUR_OK)
        status = read_codes(about, reader, item, error);
    out->has_cielab = true;
    for (size_t part = 0; part < MUR_CIELAB_VALUES; part++) {
        int64_t value = 0;
        if (mur_dataset_get_int(&value, item, MUR_TAG_RecommendedDisplayCIELabValue, part, NULL) !=
            MUR_OK)
            out->has_cielab = false;
        out->cielab[part] = (uint16_t)value;
    }
    if (out->has_cielab) {
        about->has_color = true;
        mur_rgb_from_cielab(about->rgb, out->cielab);
    }
    if (about->label == NULL)
        about->label = "";
    return status == MUR_OK ? read_private(out, reader, item, error) : status;
}

/* @p index_of: index of the segment of each number, -1 for none. */
static enum mur_status read_segments(struct mur_seg_reader *reader, int32_t *index_of,
                                     struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    size_t count = 0;
    if (!mur_dataset_has_value(info->head, MUR_TAG_SegmentSequence) ||
        mur_dataset_item_count(&count, info->head, MUR_TAG_SegmentSequence, NULL) != MUR_OK ||
        count == 0)
        return mur_error_set(error, MUR_PARSE, "%s: no Segment Sequence (0062,0002)", reader->path);
    if (count > SEGMENT_NUMBERS)
        return mur_error_set(error, MUR_LIMIT, "%s: %zu segments", reader->path, count);
    info->segments = calloc(count, sizeof *info->segments);
    if (info->segments == NULL)
        return mur_error_no_memory(error);
    memset(index_of, 0xFF, SEGMENT_NUMBERS * sizeof *index_of);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++) {
        struct mur_dataset *item = NULL;
        status = mur_dataset_get_item(&item, info->head, MUR_TAG_SegmentSequence, index, error);
        if (status == MUR_OK)
            status = read_segment(&info->segments[index], reader, item, index, error);
        if (status != MUR_OK)
            break;
        int32_t *known = &index_of[info->segments[index].number];
        if (*known >= 0)
            status = mur_error_set(error, MUR_MISMATCH, "%s: two segments have the number %u",
                                   reader->path, info->segments[index].number);
        *known = (int32_t)index;
        info->segment_count++;
    }
    return status;
}

static enum mur_status assign_frames(struct mur_seg_reader *reader, const int32_t *index_of,
                                     struct mur_error *error)
{
    struct mur_seg_info *info = &reader->info;
    for (size_t index = 0; info->kind != MUR_SEG_LABELMAP && index < info->frame_count; index++) {
        int32_t number = reader->numbers[index];
        if (number == MUR_SEG_NO_SEGMENT)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: frame %zu: no Referenced Segment Number (0062,000B)",
                                 reader->path, index + 1);
        if (number < 0 || number >= SEGMENT_NUMBERS || index_of[number] < 0)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: frame %zu belongs to segment %" PRId32
                                 ", which Segment Sequence does not have",
                                 reader->path, index + 1, number);
        info->frames[index].segment = (uint32_t)index_of[number];
    }
    return MUR_OK;
}

enum mur_status mur_seg_read_segments(struct mur_seg_reader *reader, struct mur_error *error)
{
    MUR_AUTO_FREE int32_t *index_of = malloc(SEGMENT_NUMBERS * sizeof *index_of);
    if (index_of == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = read_segments(reader, index_of, error);
    return status == MUR_OK ? assign_frames(reader, index_of, error) : status;
}
