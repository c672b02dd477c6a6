#include "converters/label_json.h"

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/file.h"

enum { SIZE_LIMIT = 16 * 1024 * 1024 };

/* The same things have other names in the two kinds of file. */
struct keys {
    const char *value, *color, *tracking_id, *tracking_uid;
    const char *category, *type, *modifier, *region, *region_modifier;
};
static const struct keys dcmqi = {
    .value = "labelID",
    .color = "recommendedDisplayRGBValue",
    .tracking_id = "TrackingIdentifier",
    .tracking_uid = "TrackingUniqueIdentifier",
    .category = "SegmentedPropertyCategoryCodeSequence",
    .type = "SegmentedPropertyTypeCodeSequence",
    .modifier = "SegmentedPropertyTypeModifierCodeSequence",
    .region = "AnatomicRegionSequence",
    .region_modifier = "AnatomicRegionModifierSequence",
};
static const struct keys ours = {
    .value = "Value",
    .color = "Color",
    .tracking_id = "TrackingID",
    .tracking_uid = "TrackingUID",
    .category = "SegmentedPropertyCategory",
    .type = "SegmentedPropertyType",
    .modifier = "SegmentedPropertyTypeModifier",
    .region = "AnatomicRegion",
    .region_modifier = "AnatomicRegionModifier",
};

void mur_label_json_free(struct mur_label_json *labels)
{
    mur_json_free(labels->document);
    free(labels->segments);
    *labels = (struct mur_label_json){.document = NULL};
}

/* Half a code is none. */
static struct mur_code code_of(const struct mur_json *item, const char *key)
{
    const struct mur_json *object = mur_json_get(item, key);
    struct mur_code code = {
        .value = mur_json_text(mur_json_get(object, "CodeValue")),
        .scheme = mur_json_text(mur_json_get(object, "CodingSchemeDesignator")),
        .meaning = mur_json_text(mur_json_get(object, "CodeMeaning")),
    };
    if (code.value == NULL || code.scheme == NULL || code.meaning == NULL)
        return (struct mur_code){.value = NULL};
    return code;
}

static bool read_color(struct mur_segment *segment, const struct mur_json *color)
{
    if (color == NULL)
        return true;
    for (unsigned part = 0; part < 3; part++) {
        double level = 0;
        if (mur_json_count(color) != 3 ||
            mur_json_get_double(&level, mur_json_at(color, part), NULL) != MUR_OK || level < 0 ||
            level > 255)
            return false;
        segment->rgb[part] = (uint8_t)(level + 0.5);
    }
    segment->has_color = true;
    return true;
}

static bool read_algorithm(struct mur_segment *segment, const char *type)
{
    segment->algorithm = MUR_SEGMENT_MANUAL;
    if (type == NULL || strcmp(type, "MANUAL") == 0)
        return true;
    segment->algorithm = MUR_SEGMENT_AUTOMATIC;
    if (strcmp(type, "AUTOMATIC") == 0)
        return true;
    segment->algorithm = MUR_SEGMENT_SEMIAUTOMATIC;
    return strcmp(type, "SEMIAUTOMATIC") == 0;
}

static enum mur_status read_label(struct mur_label_json *out, const struct mur_json *item,
                                  const struct keys *keys, const char *path,
                                  struct mur_error *error)
{
    struct mur_label_segment *label = &out->segments[out->count];
    struct mur_segment *segment = &label->segment;
    int64_t layer = 0;
    memset(label, 0, sizeof *label);
    label->file = out->file_count - 1;
    if (mur_json_get_int(&label->value, mur_json_get(item, keys->value), NULL) != MUR_OK ||
        label->value < 1 || label->value > MUR_LABEL_LARGEST)
        return mur_error_set(error, MUR_PARSE, "%s: label %zu: %s is no number from 1 to %d", path,
                             out->count + 1, keys->value, MUR_LABEL_LARGEST);
    const struct mur_json *given_layer = mur_json_get(item, "Layer");
    if (given_layer != NULL && (mur_json_get_int(&layer, given_layer, NULL) != MUR_OK ||
                                layer < 1 || layer > MUR_LABEL_LAYER_LIMIT))
        return mur_error_set(error, MUR_PARSE, "%s: label %zu: Layer is no number from 1 to %d",
                             path, out->count + 1, MUR_LABEL_LAYER_LIMIT);
    label->layer = (uint32_t)layer;
    segment->label = mur_json_text(mur_json_get(item, "SegmentLabel"));
    segment->description = mur_json_text(mur_json_get(item, "SegmentDescription"));
    segment->algorithm_name = mur_json_text(mur_json_get(item, "SegmentAlgorithmName"));
    segment->tracking_id = mur_json_text(mur_json_get(item, keys->tracking_id));
    segment->tracking_uid = mur_json_text(mur_json_get(item, keys->tracking_uid));
    segment->category = code_of(item, keys->category);
    segment->type = code_of(item, keys->type);
    segment->type_modifier = code_of(item, keys->modifier);
    segment->region = code_of(item, keys->region);
    segment->region_modifier = code_of(item, keys->region_modifier);
    if (segment->label == NULL || segment->label[0] == '\0')
        segment->label =
            segment->description != NULL ? segment->description : segment->type.meaning;
    if (!read_color(segment, mur_json_get(item, keys->color)))
        return mur_error_set(error, MUR_PARSE,
                             "%s: label %zu: %s is not three numbers from 0 to 255", path,
                             out->count + 1, keys->color);
    if (!read_algorithm(segment, mur_json_text(mur_json_get(item, "SegmentAlgorithmType"))))
        return mur_error_set(
            error, MUR_PARSE,
            "%s: label %zu: SegmentAlgorithmType is none of MANUAL, SEMIAUTOMATIC, "
            "AUTOMATIC",
            path, out->count + 1);
    if (segment->algorithm != MUR_SEGMENT_MANUAL && segment->algorithm_name == NULL)
        return mur_error_set(error, MUR_PARSE, "%s: label %zu has no SegmentAlgorithmName", path,
                             out->count + 1);
    out->count++;
    return MUR_OK;
}

static enum mur_status read_list(struct mur_label_json *out, const struct mur_json *list,
                                 const struct keys *keys, const char *path, struct mur_error *error)
{
    size_t count = mur_json_count(list);
    out->file_count++;
    if (count == 0)
        return MUR_OK;
    struct mur_label_segment *segments =
        reallocarray(out->segments, out->count + count, sizeof *segments);
    if (segments == NULL)
        return mur_error_no_memory(error);
    out->segments = segments;
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status = read_label(out, mur_json_at(list, index), keys, path, error);
    return status;
}

enum mur_status mur_label_json_read(struct mur_label_json *out, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO_LABEL_JSON struct mur_label_json labels = {.document = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&text, path, SIZE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice slice = {.data = mur_buffer_text(&text), .length = text.length};
    status = mur_json_parse(&labels.document, slice, SIZE_LIMIT, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s", path);
    const struct mur_json *files = mur_json_get(labels.document, "segmentAttributes");
    const struct mur_json *list = mur_json_get(labels.document, "Labels");
    for (size_t file = 0; status == MUR_OK && file < mur_json_count(files); file++)
        status = read_list(&labels, mur_json_at(files, file), &dcmqi, path, error);
    if (status == MUR_OK && files == NULL && list != NULL)
        status = read_list(&labels, list, &ours, path, error);
    if (status == MUR_OK && labels.count == 0)
        status = mur_error_set(error, MUR_PARSE,
                               "%s: there are no labels in it: neither segmentAttributes, as for "
                               "dcmqi, nor Labels",
                               path);
    if (status == MUR_OK) {
        *out = labels;
        labels = (struct mur_label_json){.document = NULL};
    }
    return status;
}
