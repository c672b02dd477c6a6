/* What the values of a label map mean that was made of a segmentation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/certify_labels_internal.h"
#include "converters/label_values.h"
#include "converters/original.h"
#include "core/own.h"

enum { VALUES = 65536 };

/* Which meanings all voxels seen so far allow. */
struct meanings {
    bool recorded, any_layer, numbers;
};

static size_t count_segments(const struct mur_label_check *c)
{
    size_t count = 0;
    for (size_t index = 0; index < c->info->segment_count; index++)
        count += !mur_certify_is_background(c, &c->info->segments[index]);
    return count;
}

/* Without voxels: whether a single file can be what the segmentation tells of its original. */
static enum mur_status begin(struct meanings *out, const struct mur_label_check *c,
                             struct mur_error *error)
{
    MUR_AUTO_FREE char *name = NULL;
    MUR_AUTO_FREE bool *taken = calloc(VALUES, sizeof *taken);
    if (taken == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_original_file_name(&name, c->job->plain[0], error);
    *out = (struct meanings){.recorded = true, .any_layer = true, .numbers = true};
    for (size_t index = 0; status == MUR_OK && index < c->info->segment_count; index++) {
        const struct mur_seg_segment *segment = &c->info->segments[index];
        const char *file = segment->about.source_file;
        if (mur_certify_is_background(c, segment))
            continue;
        out->recorded = out->recorded && (file == NULL || strcmp(file, name) == 0);
        if (!segment->about.has_source_value || taken[segment->about.source_value])
            out->any_layer = false;
        else
            taken[segment->about.source_value] = true;
    }
    return status;
}

/* The voxels of the only segment, which does not say what value they had, have one all the same. */
static void note_value(struct mur_label_check *c, uint32_t value)
{
    for (size_t index = 0; index < c->info->segment_count; index++) {
        const struct mur_seg_segment *segment = &c->info->segments[index];
        if (mur_certify_is_background(c, segment) || segment->about.has_source_value)
            continue;
        if (c->only_value == 0 || segment->number == value)
            c->only_value = value;
    }
}

/* Takes away what a label of a layer, from 0, does not allow. */
static void judge(struct meanings *out, const struct mur_label_check *c, size_t segments,
                  uint32_t layer, uint32_t value)
{
    struct meanings here = {.recorded = false};
    for (size_t index = 0; index < c->info->segment_count; index++) {
        const struct mur_seg_segment *segment = &c->info->segments[index];
        if (mur_certify_is_background(c, segment))
            continue;
        bool number = segment->number == value;
        bool same = segment->about.has_source_value ? segment->about.source_value == value
                                                    : number || segments == 1;
        here.numbers = here.numbers || number;
        here.any_layer = here.any_layer || same;
        here.recorded =
            here.recorded || (same && (segment->layer == 0 || segment->layer == layer + 1));
    }
    out->recorded = out->recorded && here.recorded;
    out->any_layer = out->any_layer && here.any_layer;
    out->numbers = out->numbers && here.numbers;
}

/* The labels of a slice. @param[in,out] codes  voxels of one or two bytes as they lie */
static void see(bool *labels, bool *codes, const struct mur_label_map_header *header,
                const void *voxels)
{
    size_t count = (size_t)header->dims[0] * header->dims[1];
    for (size_t index = 0; header->voxel_size == 1 && index < count; index++)
        codes[((const uint8_t *)voxels)[index]] = true;
    for (size_t index = 0; header->voxel_size == 2 && index < count; index++)
        codes[((const uint16_t *)voxels)[index]] = true;
    for (size_t index = 0; header->voxel_size > 2 && index < count; index++) {
        double whole = rint(mur_label_value_at(header, voxels, index));
        if (whole > 0 && whole < VALUES)
            labels[(uint32_t)whole] = true;
    }
}

static void translate_codes(bool *labels, const bool *codes,
                            const struct mur_label_map_header *header)
{
    for (uint32_t code = 0; header->voxel_size <= 2 && code < VALUES; code++) {
        uint16_t voxel = (uint16_t)code; /* little endian: the low byte comes first */
        double whole = rint(mur_label_value_at(header, &voxel, 0));
        if (codes[code] && whole > 0 && whole < VALUES)
            labels[(uint32_t)whole] = true;
    }
}

/* Which labels a layer of the file has. @param codes  VALUES of them, to work with */
static enum mur_status find_labels(bool *labels, bool *codes, const struct mur_label_side *file,
                                   uint32_t layer, struct mur_error *error)
{
    const struct mur_label_map_header *header = file->header;
    enum mur_status status = MUR_OK;
    memset(labels, 0, VALUES * sizeof *labels);
    memset(codes, 0, VALUES * sizeof *codes);
    for (uint32_t slice = 0; status == MUR_OK && slice < header->dims[2]; slice++) {
        const void *voxels = NULL;
        status = mur_label_map_read_slice(&voxels, file->map, layer, slice, error);
        if (status == MUR_OK)
            see(labels, codes, header, voxels);
    }
    if (status == MUR_OK)
        translate_codes(labels, codes, header);
    return status;
}

/* Whether the segmentation, laid on the grid as for a label map, has these labels in this layer. */
static bool explains(const struct mur_label_check *c, const struct mur_seg_volume *laid,
                     uint32_t layer, const bool *labels)
{
    const struct mur_seg_label *of = mur_seg_volume_labels(laid);
    for (uint32_t value = 1; value < VALUES; value++) {
        bool found = !labels[value];
        for (size_t index = 0; !found && index < c->info->segment_count; index++)
            found = of[index].value == value && of[index].layer == layer;
        if (!found)
            return false;
    }
    return true;
}

/* A value that was in several layers says nothing without them, and there may be fewer now. */
static enum mur_status try_laid(struct mur_label_check *c, bool *labels, bool *codes,
                                struct mur_error *error)
{
    const struct mur_label_side *file = &c->files[0];
    const struct mur_seg_volume_options options = {.overlap = MUR_SEG_LAYERS,
                                                   .numbers = MUR_SEG_ORIGINAL_NUMBERS};
    MUR_AUTO(mur_seg_volume) *laid = NULL;
    if (file->volume == NULL)
        return MUR_OK;
    enum mur_status status =
        mur_seg_volume_create(&laid, c->reader, &file->grid, &options, c->job->warnings, error);
    bool same = status == MUR_OK && mur_seg_volume_layers(laid) == file->header->layers;
    for (uint32_t layer = 0; status == MUR_OK && same && layer < file->header->layers; layer++) {
        status = find_labels(labels, codes, file, layer, error);
        same = status == MUR_OK && explains(c, laid, layer, labels);
    }
    if (status == MUR_OK && same) {
        c->laid = MUR_STEAL(laid);
        c->meaning = MUR_LABELS_LAID;
    }
    return status;
}

enum mur_status mur_certify_label_meaning(struct mur_label_check *c, struct mur_error *error)
{
    const struct mur_label_side *file = &c->files[0];
    c->meaning = MUR_LABELS_RECORDED;
    if (!c->out->original_is_dicom || c->job->plain_count != 1 || c->job->options->segments != NULL)
        return MUR_OK;
    struct meanings allowed = {.recorded = false};
    size_t segments = count_segments(c);
    enum mur_status status = begin(&allowed, c, error);
    MUR_AUTO_FREE bool *labels = calloc(VALUES, sizeof *labels);
    MUR_AUTO_FREE bool *codes = calloc(VALUES, sizeof *codes);
    if (status == MUR_OK && (labels == NULL || codes == NULL))
        return mur_error_no_memory(error);
    for (uint32_t layer = 0; status == MUR_OK && layer < file->header->layers; layer++) {
        status = find_labels(labels, codes, file, layer, error);
        for (uint32_t value = 1; status == MUR_OK && value < VALUES; value++)
            if (labels[value]) {
                judge(&allowed, c, segments, layer, value);
                if (segments == 1)
                    note_value(c, value);
            }
    }
    if (status != MUR_OK || allowed.recorded)
        return status;
    if (allowed.any_layer)
        c->meaning = MUR_LABELS_ANY_LAYER;
    else
        status = try_laid(c, labels, codes, error);
    if (status == MUR_OK && c->meaning == MUR_LABELS_RECORDED && allowed.numbers)
        c->meaning = MUR_LABELS_NUMBERS;
    return status;
}
