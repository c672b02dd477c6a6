#include "converters/seg_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "converters/label_colors.h"
#include "core/json_write.h"
#include "core/own.h"

enum { VALUES = 65536 };

static void write_code(struct mur_json_writer *json, const char *key, const struct mur_code *code)
{
    if (!mur_code_given(code))
        return;
    mur_json_key(json, key);
    mur_json_begin_object(json);
    mur_json_member_string(json, "CodeValue", code->value);
    if (code->scheme != NULL)
        mur_json_member_string(json, "CodingSchemeDesignator", code->scheme);
    if (code->meaning != NULL)
        mur_json_member_string(json, "CodeMeaning", code->meaning);
    mur_json_end_object(json);
}

static void write_given(struct mur_json_writer *json, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        mur_json_member_string(json, key, text);
}

static void write_color(struct mur_json_writer *json, const struct mur_seg_segment *segment)
{
    if (!segment->has_cielab)
        return;
    mur_json_key(json, "Color");
    mur_json_begin_array(json);
    for (unsigned part = 0; part < 3; part++)
        mur_json_int(json, segment->about.rgb[part]);
    mur_json_end_array(json);
    mur_json_key(json, "RecommendedDisplayCIELabValue");
    mur_json_begin_array(json);
    for (unsigned part = 0; part < MUR_CIELAB_VALUES; part++)
        mur_json_int(json, segment->cielab[part]);
    mur_json_end_array(json);
}

static void write_segment(struct mur_json_writer *json, const struct mur_seg_segment *segment,
                          const struct mur_seg_label *label)
{
    static const char *const algorithms[] = {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"};
    const struct mur_segment *about = &segment->about;
    mur_json_begin_object(json);
    mur_json_member_int(json, "Value", label->value);
    mur_json_member_int(json, "Layer", (int64_t)label->layer + 1);
    mur_json_member_int(json, "SegmentNumber", segment->number);
    mur_json_member_string(json, "SegmentLabel", about->label);
    write_given(json, "SegmentDescription", about->description);
    mur_json_member_int(json, "Voxels", (int64_t)label->voxels);
    mur_json_member_double(json, "VolumeML", label->volume_ml);
    write_code(json, "SegmentedPropertyCategory", &about->category);
    write_code(json, "SegmentedPropertyType", &about->type);
    write_code(json, "SegmentedPropertyTypeModifier", &about->type_modifier);
    write_code(json, "AnatomicRegion", &about->region);
    write_code(json, "AnatomicRegionModifier", &about->region_modifier);
    write_color(json, segment);
    if (segment->algorithm_given)
        mur_json_member_string(json, "SegmentAlgorithmType", algorithms[about->algorithm]);
    write_given(json, "SegmentAlgorithmName", about->algorithm_name);
    write_given(json, "TrackingID", about->tracking_id);
    write_given(json, "TrackingUID", about->tracking_uid);
    mur_json_end_object(json);
}

enum mur_status mur_seg_table_json(struct mur_buffer *out, const struct mur_seg_info *info,
                                   const struct mur_seg_label *labels, uint32_t layers,
                                   const char *file, const char *grid, double threshold,
                                   struct mur_error *error)
{
    static const char *const kinds[] = {"BINARY", "FRACTIONAL", "LABELMAP"};
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "File", file);
    mur_json_member_string(&json, "Grid", grid);
    mur_json_member_int(&json, "Layers", layers);
    mur_json_member_string(&json, "SegmentationType", kinds[info->kind]);
    if (info->kind == MUR_SEG_FRACTIONAL) {
        mur_json_member_int(&json, "MaximumFractionalValue", info->maximum);
        mur_json_member_double(&json, "Threshold", threshold);
    }
    write_given(&json, "StudyInstanceUID", info->study_instance);
    write_given(&json, "SeriesInstanceUID", info->series_instance);
    write_given(&json, "SOPInstanceUID", info->sop_instance);
    write_given(&json, "FrameOfReferenceUID", info->frame_of_reference);
    write_given(&json, "ReferencedSeriesInstanceUID", info->referenced_series);
    mur_json_key(&json, "Labels");
    mur_json_begin_array(&json);
    for (size_t index = 0; index < info->segment_count && !mur_json_failed(&json); index++)
        if (labels[index].value != 0)
            write_segment(&json, &info->segments[index], &labels[index]);
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

/* Its format knows no escape for quotes, and one line for each label. */
static enum mur_status append_name(struct mur_buffer *out, const char *name,
                                   struct mur_error *error)
{
    for (const char *c = name; *c != '\0'; c++) {
        char shown = *c == '"' ? '\'' : (unsigned char)*c < ' ' ? ' ' : *c;
        enum mur_status status = mur_buffer_append(out, &shown, 1, error);
        if (status != MUR_OK)
            return status;
    }
    return mur_buffer_append_text(out, "\"\n", error);
}

enum mur_status mur_seg_table_itksnap(struct mur_buffer *out, const struct mur_seg_info *info,
                                      const struct mur_seg_label *labels, struct mur_error *error)
{
    MUR_AUTO_FREE bool *listed = calloc(VALUES, sizeof *listed);
    if (listed == NULL)
        return mur_error_no_memory(error);
    enum mur_status status =
        mur_buffer_append_text(out,
                               "# ITK-SnAP Label Description File\n"
                               "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL\n"
                               "    0     0    0    0        0  0  0    \"Clear Label\"\n",
                               error);
    for (size_t index = 0; status == MUR_OK && index < info->segment_count; index++) {
        const struct mur_segment *about = &info->segments[index].about;
        uint16_t value = labels[index].value;
        uint8_t rgb[3];
        if (value == 0 || listed[value])
            continue;
        listed[value] = true;
        mur_label_color(rgb, value);
        if (info->segments[index].has_cielab)
            memcpy(rgb, about->rgb, sizeof rgb);
        status = mur_buffer_append_format(out, error, "%5u  %4u %4u %4u        1  1  1    \"",
                                          value, rgb[0], rgb[1], rgb[2]);
        if (status == MUR_OK)
            status = append_name(out, about->label, error);
    }
    return status;
}
