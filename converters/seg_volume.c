#include "converters/seg_volume.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "converters/nifti.h" /* MUR_NIFTI_HELD_LIMIT */
#include "converters/remedy.h"
#include "converters/seg_volume_internal.h"
#include "core/buffer.h"

enum {
    VALUES = 65536,
    LISTED_PAIRS = 8, /* in a message */
    UNRANKED = INT_MAX,
};

void mur_seg_volume_free(struct mur_seg_volume *volume)
{
    if (volume == NULL)
        return;
    free(volume->placement.slices);
    free(volume->mask);
    free(volume->other);
    free(volume->taken);
    free(volume->values);
    free(volume->label_of);
    free(volume->layer_of);
    free(volume->order);
    free(volume->begins);
    free(volume->ranks);
    free(volume->conflicts);
    free(volume->labels);
    free(volume->plane);
    free(volume->slice);
    free(volume);
}

double mur_seg_threshold(const struct mur_seg_volume_options *options)
{
    return options->threshold > 0 ? options->threshold : 0.5;
}

const struct mur_seg_label *mur_seg_volume_labels(const struct mur_seg_volume *volume)
{
    return volume->labels;
}

uint32_t mur_seg_volume_layers(const struct mur_seg_volume *volume)
{
    return volume->layers;
}

unsigned mur_seg_volume_voxel_size(const struct mur_seg_volume *volume)
{
    return volume->voxel_size;
}

size_t mur_seg_volume_overlaps(const struct mur_seg_volume *volume)
{
    return volume->conflict_count;
}

/* ---- order of the frames --------------------------------------------------------------------- */

/* Counting sort by slice; within one by rank, then segment. */
struct frame_key {
    uint32_t frame, segment;
    int rank;
};

static int compare_keys(const void *a_pointer, const void *b_pointer)
{
    const struct frame_key *a = a_pointer, *b = b_pointer;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static enum mur_status twice(const struct mur_seg_volume *volume, const struct frame_key *a,
                             const struct frame_key *b, struct mur_error *error)
{
    if (mur_seg_is_label_map(volume))
        return mur_error_set(error, MUR_UNSUPPORTED, "%s: frames %u and %u lie on the same plane",
                             mur_seg_reader_path(volume->reader), a->frame + 1, b->frame + 1);
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "%s: frames %u and %u are both segment %u on the same plane",
                         mur_seg_reader_path(volume->reader), a->frame + 1, b->frame + 1,
                         volume->info->segments[a->segment].number);
}

static enum mur_status order_frames(struct mur_seg_volume *volume, struct mur_error *error)
{
    const struct mur_seg_info *info = volume->info;
    uint32_t slices = volume->grid.dims[volume->placement.axis[2]];
    volume->order = calloc(info->frame_count, sizeof *volume->order);
    volume->begins = calloc((size_t)slices + 1, sizeof *volume->begins);
    MUR_AUTO_FREE struct frame_key *keys = calloc(info->frame_count, sizeof *keys);
    if (volume->order == NULL || volume->begins == NULL || keys == NULL)
        return mur_error_no_memory(error);
    for (size_t frame = 0; frame < info->frame_count; frame++)
        volume->begins[volume->placement.slices[frame] + 1]++;
    for (uint32_t slice = 0; slice < slices; slice++)
        volume->begins[slice + 1] += volume->begins[slice];
    for (size_t frame = info->frame_count; frame-- > 0;) {
        uint32_t *end = &volume->begins[volume->placement.slices[frame] + 1];
        uint32_t segment = info->frames[frame].segment;
        keys[--*end] = (struct frame_key){
            .frame = (uint32_t)frame, .segment = segment, .rank = volume->ranks[segment]};
    }
    /* every end has become the begin of its slice: shift them back */
    memmove(volume->begins, volume->begins + 1, slices * sizeof *volume->begins);
    volume->begins[slices] = (uint32_t)info->frame_count;
    for (uint32_t slice = 0; slice < slices; slice++) {
        struct frame_key *first = keys + volume->begins[slice];
        size_t count = volume->begins[slice + 1] - volume->begins[slice];
        qsort(first, count, sizeof *first, compare_keys);
        for (size_t index = 0; index < count; index++) {
            if (index > 0 && first[index].segment == first[index - 1].segment)
                return twice(volume, &first[index - 1], &first[index], error);
            volume->order[volume->begins[slice] + index] = first[index].frame;
        }
    }
    return MUR_OK;
}

/* ---- what overlaps --------------------------------------------------------------------------- */

static bool in_conflict(const struct mur_seg_volume *volume, size_t a, size_t b)
{
    size_t bit = a * volume->info->segment_count + b;
    return volume->conflicts != NULL && (volume->conflicts[bit / 64] >> bit % 64 & 1) != 0;
}

static void set_conflict(struct mur_seg_volume *volume, size_t a, size_t b)
{
    size_t bit = a * volume->info->segment_count + b;
    volume->conflicts[bit / 64] |= UINT64_C(1) << bit % 64;
}

static enum mur_status note_conflict(struct mur_seg_volume *volume, size_t a, size_t b,
                                     struct mur_error *error)
{
    size_t count = volume->info->segment_count;
    if (volume->conflicts == NULL) {
        if (count > MUR_SEG_OVERLAP_LIMIT)
            return mur_error_set(error, MUR_LIMIT,
                                 "%s: segments overlap, and %zu of them are more than %d",
                                 mur_seg_reader_path(volume->reader), count, MUR_SEG_OVERLAP_LIMIT);
        volume->conflicts = calloc((count * count + 63) / 64, sizeof *volume->conflicts);
        if (volume->conflicts == NULL)
            return mur_error_no_memory(error);
    }
    set_conflict(volume, a, b);
    set_conflict(volume, b, a);
    volume->conflict_count++;
    return MUR_OK;
}

static uint64_t count_bits(const uint64_t *mask, size_t words)
{
    uint64_t count = 0;
    for (size_t index = 0; index < words; index++)
        count += (uint64_t)__builtin_popcountll(mask[index]);
    return count;
}

static bool masks_meet(const uint64_t *a, const uint64_t *b, size_t words)
{
    uint64_t both = 0;
    for (size_t index = 0; index < words; index++)
        both |= a[index] & b[index];
    return both != 0;
}

/* Finds which of the frames before @p at on the same plane share a pixel with it. */
static enum mur_status find_conflicts(struct mur_seg_volume *volume, uint32_t first, uint32_t at,
                                      struct mur_error *error)
{
    const struct mur_seg_frame *frames = volume->info->frames;
    uint32_t segment = frames[volume->order[at]].segment;
    for (uint32_t before = first; before < at; before++) {
        uint32_t other = frames[volume->order[before]].segment;
        if (in_conflict(volume, segment, other))
            continue;
        enum mur_status status = mur_seg_read_mask(volume->other, volume->reader,
                                                   volume->order[before], volume->threshold, error);
        if (status == MUR_OK && masks_meet(volume->mask, volume->other, volume->words))
            status = note_conflict(volume, segment, other, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static enum mur_status look_at_masks(struct mur_seg_volume *volume, uint32_t slice,
                                     struct mur_error *error)
{
    uint32_t first = volume->begins[slice], end = volume->begins[slice + 1];
    for (uint32_t at = first; at < end; at++) {
        struct mur_seg_label *label =
            &volume->labels[volume->info->frames[volume->order[at]].segment];
        enum mur_status status = mur_seg_read_mask(volume->mask, volume->reader, volume->order[at],
                                                   volume->threshold, error);
        if (status == MUR_OK && at > first &&
            masks_meet(volume->mask, volume->taken, volume->words))
            status = find_conflicts(volume, first, at, error);
        if (status != MUR_OK)
            return status;
        label->frames++;
        if (volume->overlap == MUR_SEG_PRIORITY && at > first)
            for (size_t index = 0; index < volume->words; index++)
                volume->mask[index] &= ~volume->taken[index];
        label->voxels += count_bits(volume->mask, volume->words);
        if (at + 1 == end)
            break; /* nobody asks what is taken */
        if (at == first)
            memcpy(volume->taken, volume->mask, volume->words * sizeof *volume->taken);
        else
            for (size_t index = 0; index < volume->words; index++)
                volume->taken[index] |= volume->mask[index];
    }
    return MUR_OK;
}

static enum mur_status look_at_values(struct mur_seg_volume *volume, uint32_t frame,
                                      const int32_t *index_of, struct mur_error *error)
{
    enum mur_status status = mur_seg_read_values(volume->values, volume->reader, frame, error);
    if (status != MUR_OK)
        return status;
    size_t pixels = volume->pixels;
    for (size_t begin = 0; begin < pixels;) { /* in runs: neighbours are mostly equal */
        uint16_t value = volume->values[begin];
        size_t end = begin + 1;
        while (end < pixels && volume->values[end] == value)
            end++;
        int32_t index = index_of[value];
        if (index >= 0)
            volume->labels[index].voxels += end - begin;
        else if (value != volume->info->background && value != 0)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: frame %u, row %zu, column %zu: the value %u is no segment's",
                                 mur_seg_reader_path(volume->reader), frame + 1,
                                 begin / volume->info->columns + 1,
                                 begin % volume->info->columns + 1, value);
        begin = end;
    }
    return MUR_OK;
}

static enum mur_status look_at_label_map(struct mur_seg_volume *volume, struct mur_error *error)
{
    const struct mur_seg_info *info = volume->info;
    MUR_AUTO_FREE int32_t *index_of = malloc(VALUES * sizeof *index_of);
    if (index_of == NULL)
        return mur_error_no_memory(error);
    memset(index_of, 0xFF, VALUES * sizeof *index_of);
    for (size_t index = 0; index < info->segment_count; index++)
        if (info->segments[index].number != 0 && info->segments[index].number != info->background)
            index_of[info->segments[index].number] = (int32_t)index;
    enum mur_status status = MUR_OK;
    for (size_t at = 0; status == MUR_OK && at < info->frame_count; at++)
        status = look_at_values(volume, volume->order[at], index_of, error);
    return status;
}

static enum mur_status look_at_all(struct mur_seg_volume *volume, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (mur_seg_is_label_map(volume)) {
        status = look_at_label_map(volume, error);
    } else {
        uint32_t slices = volume->grid.dims[volume->placement.axis[2]];
        for (uint32_t slice = 0; status == MUR_OK && slice < slices; slice++)
            status = look_at_masks(volume, slice, error);
    }
    const double *spacing = volume->grid.spacing_mm;
    for (size_t index = 0; index < volume->info->segment_count; index++)
        volume->labels[index].volume_ml =
            (double)volume->labels[index].voxels * spacing[0] * spacing[1] * spacing[2] / 1000;
    return status;
}

/* ---- layers and values ----------------------------------------------------------------------- */

/* @param ranked  pairs of which one has a rank are left out */
static enum mur_status refuse_overlaps(const struct mur_seg_volume *volume, bool ranked,
                                       struct mur_error *error)
{
    const struct mur_seg_info *info = volume->info;
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    size_t found = 0;
    for (size_t a = 0; a < info->segment_count && volume->conflicts != NULL; a++)
        for (size_t b = a + 1; b < info->segment_count; b++) {
            if (!in_conflict(volume, a, b) ||
                (ranked && (volume->ranks[a] != UNRANKED || volume->ranks[b] != UNRANKED)))
                continue;
            if (found++ >= LISTED_PAIRS)
                continue;
            enum mur_status status = mur_buffer_append_format(
                &list, error, "%s%u (%.40s) and %u (%.40s)", found > 1 ? ", " : "",
                info->segments[a].number, info->segments[a].about.label, info->segments[b].number,
                info->segments[b].about.label);
            if (status != MUR_OK)
                return status;
        }
    if (found == 0)
        return MUR_OK;
    return mur_error_offer(
        error,
        mur_error_set(error, MUR_MISMATCH,
                      "%s: segments overlap: %s%s; layers of a label map can hold them all, or "
                      "say which come first",
                      mur_seg_reader_path(volume->reader), mur_buffer_text(&list),
                      found > LISTED_PAIRS ? " and others" : ""),
        MUR_REMEDY_OVERLAP);
}

/* Of a label map: a segment by name only. */
static bool is_background(const struct mur_seg_volume *volume, size_t index)
{
    return mur_seg_is_label_map(volume) &&
           volume->info->segments[index].number == volume->info->background;
}

/* The layers that the label map had, if segments do not overlap within them. */
static bool take_recorded_layers(struct mur_seg_volume *volume, uint32_t known)
{
    const struct mur_seg_info *info = volume->info;
    uint32_t most = 1;
    for (size_t a = 0; a < info->segment_count; a++) {
        uint32_t layer = info->segments[a].layer;
        if (is_background(volume, a))
            continue;
        if (layer == 0 || (layer > info->segment_count && layer > known))
            return false;
        most = layer > most ? layer : most;
        for (size_t b = 0; volume->conflicts != NULL && b < a; b++)
            if (info->segments[b].layer == layer && in_conflict(volume, a, b))
                return false;
    }
    for (size_t index = 0; index < info->segment_count; index++)
        if (!is_background(volume, index))
            volume->labels[index].layer = info->segments[index].layer - 1;
    volume->layers = most;
    return true;
}

struct degree {
    size_t segment, count;
};

static int compare_degrees(const void *a_pointer, const void *b_pointer)
{
    const struct degree *a = a_pointer, *b = b_pointer;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return (a->segment > b->segment) - (a->segment < b->segment);
}

/* Each segment goes to the first layer that has none it overlaps with, those that overlap with most
 * others first. */
static enum mur_status fill_layers(struct mur_seg_volume *volume, struct mur_error *error)
{
    size_t count = volume->info->segment_count;
    if (volume->conflicts == NULL)
        return MUR_OK;
    MUR_AUTO_FREE struct degree *degrees = calloc(count, sizeof *degrees);
    MUR_AUTO_FREE bool *used = calloc(count + 1, sizeof *used);
    if (degrees == NULL || used == NULL)
        return mur_error_no_memory(error);
    for (size_t a = 0; a < count; a++) {
        degrees[a].segment = a;
        for (size_t b = 0; b < count; b++)
            degrees[a].count += in_conflict(volume, a, b);
    }
    qsort(degrees, count, sizeof *degrees, compare_degrees);
    for (size_t index = 0; index < count; index++) {
        size_t segment = degrees[index].segment;
        memset(used, 0, (count + 1) * sizeof *used);
        for (size_t before = 0; before < index; before++)
            if (in_conflict(volume, segment, degrees[before].segment))
                used[volume->labels[degrees[before].segment].layer] = true;
        uint32_t layer = 0;
        while (used[layer])
            layer++;
        volume->labels[segment].layer = layer;
        volume->layers = layer + 1 > volume->layers ? layer + 1 : volume->layers;
    }
    return MUR_OK;
}

/* Whether the values of the label map can be written again. */
static bool originals_fit(const struct mur_seg_volume *volume, bool *any)
{
    const struct mur_seg_info *info = volume->info;
    MUR_AUTO_FREE uint32_t *seen = calloc(VALUES, sizeof *seen);
    bool fit = seen != NULL;
    *any = false;
    for (uint32_t layer = 0; layer < volume->layers; layer++)
        for (size_t index = 0; index < info->segment_count; index++) {
            const struct mur_segment *about = &info->segments[index].about;
            *any = *any || about->has_source_value;
            if (volume->labels[index].layer != layer || is_background(volume, index))
                continue;
            if (!fit || !about->has_source_value || seen[about->source_value] == layer + 1)
                fit = false;
            else
                seen[about->source_value] = layer + 1;
        }
    return fit;
}

static enum mur_status choose_values(struct mur_seg_volume *volume, enum mur_seg_numbers numbers,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    const struct mur_seg_info *info = volume->info;
    bool any = false;
    bool original = numbers == MUR_SEG_ORIGINAL_NUMBERS && originals_fit(volume, &any);
    enum mur_status status = MUR_OK;
    if (any && !original)
        status = mur_warn(warnings, error,
                          "%s: not all segments have a label value of their own from the label map "
                          "they were made of: Segment Numbers are used",
                          mur_seg_reader_path(volume->reader));
    uint16_t largest = 0;
    for (size_t index = 0; index < info->segment_count; index++) {
        uint16_t number = info->segments[index].number;
        if (is_background(volume, index))
            number = 0;
        else if (original)
            number = (uint16_t)info->segments[index].about.source_value;
        volume->labels[index].value = number;
        largest = number > largest ? number : largest;
    }
    volume->voxel_size = largest > UINT8_MAX ? 2 : 1;
    if (!mur_seg_is_label_map(volume))
        return status;
    volume->label_of = calloc(VALUES, sizeof *volume->label_of);
    volume->layer_of = calloc(VALUES, sizeof *volume->layer_of);
    if (volume->label_of == NULL || volume->layer_of == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < info->segment_count; index++) {
        volume->label_of[info->segments[index].number] = volume->labels[index].value;
        volume->layer_of[info->segments[index].number] = volume->labels[index].layer;
    }
    volume->label_of[info->background] = 0;
    return status;
}

static enum mur_status rank_segments(struct mur_seg_volume *volume,
                                     const struct mur_seg_volume_options *options,
                                     struct mur_error *error)
{
    const struct mur_seg_info *info = volume->info;
    volume->ranks = calloc(info->segment_count, sizeof *volume->ranks);
    if (volume->ranks == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; index < info->segment_count; index++)
        volume->ranks[index] = UNRANKED;
    for (size_t place = 0; options->overlap == MUR_SEG_PRIORITY && place < options->priority_count;
         place++) {
        size_t index = 0;
        while (index < info->segment_count &&
               info->segments[index].number != options->priority[place])
            index++;
        if (index == info->segment_count)
            return mur_error_set(error, MUR_INVALID, "%s has no segment %u to take precedence",
                                 mur_seg_reader_path(volume->reader), options->priority[place]);
        if (volume->ranks[index] == UNRANKED)
            volume->ranks[index] = (int)place;
    }
    return MUR_OK;
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status reserve(struct mur_seg_volume *volume, struct mur_error *error)
{
    volume->pixels = (size_t)volume->info->rows * volume->info->columns;
    volume->words = mur_seg_mask_size(volume->reader) / sizeof(uint64_t);
    volume->mask = calloc(volume->words, sizeof *volume->mask);
    volume->other = calloc(volume->words, sizeof *volume->other);
    volume->taken = calloc(volume->words, sizeof *volume->taken);
    volume->labels = calloc(volume->info->segment_count, sizeof *volume->labels);
    if (mur_seg_is_label_map(volume))
        volume->values = calloc(volume->pixels, sizeof *volume->values);
    if (volume->mask == NULL || volume->other == NULL || volume->taken == NULL ||
        volume->labels == NULL || (mur_seg_is_label_map(volume) && volume->values == NULL))
        return mur_error_no_memory(error);
    return MUR_OK;
}

static enum mur_status reserve_slices(struct mur_seg_volume *volume, struct mur_error *error)
{
    const uint32_t *dims = volume->grid.dims;
    uint64_t voxels = (uint64_t)dims[0] * dims[1];
    if (voxels * volume->voxel_size > MUR_NIFTI_HELD_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "one slice of %" PRIu32 " x %" PRIu32 " voxels",
                             dims[0], dims[1]);
    if (volume->placement.axis[2] != 2)
        voxels *= dims[2];
    if (voxels * volume->voxel_size > MUR_NIFTI_HELD_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: its frames lie across the slices of the grid, and the volume is "
                             "too large to be turned in memory",
                             mur_seg_reader_path(volume->reader));
    volume->plane = calloc(volume->words * 64, volume->voxel_size);
    volume->slice = calloc((size_t)voxels, volume->voxel_size);
    return volume->plane == NULL || volume->slice == NULL ? mur_error_no_memory(error) : MUR_OK;
}

static enum mur_status build(struct mur_seg_volume *volume,
                             const struct mur_seg_volume_options *options,
                             struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = reserve(volume, error);
    if (status == MUR_OK &&
        mur_seg_place(&volume->placement, volume->info, &volume->grid, error) != MUR_OK)
        return mur_error_prefix(error, "%s", mur_seg_reader_path(volume->reader));
    if (status == MUR_OK)
        status = rank_segments(volume, options, error);
    if (status == MUR_OK)
        status = order_frames(volume, error);
    if (status == MUR_OK)
        status = look_at_all(volume, error);
    if (status == MUR_OK && options->overlap != MUR_SEG_LAYERS)
        status = refuse_overlaps(volume, options->overlap == MUR_SEG_PRIORITY, error);
    if (status == MUR_OK && options->overlap == MUR_SEG_LAYERS &&
        !take_recorded_layers(volume, options->layers))
        status = fill_layers(volume, error);
    if (status == MUR_OK)
        status = choose_values(volume, options->numbers, warnings, error);
    return status == MUR_OK ? reserve_slices(volume, error) : status;
}

enum mur_status mur_seg_volume_create(struct mur_seg_volume **out, struct mur_seg_reader *reader,
                                      const struct mur_volume_geometry *grid,
                                      const struct mur_seg_volume_options *options,
                                      struct mur_warnings *warnings, struct mur_error *error)
{
    if (options->threshold < 0 || options->threshold > 1)
        return mur_error_set(error, MUR_INVALID, "a threshold of %g; above 0 to 1 is possible",
                             options->threshold);
    MUR_AUTO(mur_seg_volume) *volume = calloc(1, sizeof *volume);
    if (volume == NULL)
        return mur_error_no_memory(error);
    volume->reader = reader;
    volume->info = mur_seg_reader_info(reader);
    volume->grid = *grid;
    volume->overlap = options->overlap;
    volume->threshold = mur_seg_threshold(options);
    volume->layers = 1;
    volume->held_layer = -1;
    enum mur_status status = build(volume, options, warnings, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(volume);
    return status;
}
