/* Planes of bytes to the frames of a segmentation: bits of each segment, or Segment Numbers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "converters/label_bits.h"
#include "converters/labels_internal.h"

enum { ARENA_BLOCK = 4 * 1024 * 1024 };

/* Memory of bits: many small pieces that go together. */
struct mur_label_block {
    struct mur_label_block *next;
    size_t used, size;
    uint8_t bytes[];
};

static enum mur_status arena_take(uint8_t **out, struct mur_label_job *job, size_t size,
                                  struct mur_error *error)
{
    struct mur_label_block *block = job->arena;
    if (block == NULL || block->size - block->used < size) {
        size_t block_size = size > ARENA_BLOCK ? size : ARENA_BLOCK;
        block = malloc(sizeof *block + block_size);
        if (block == NULL)
            return mur_error_no_memory(error);
        *block = (struct mur_label_block){.next = job->arena, .used = 0, .size = block_size};
        job->arena = block;
    }
    *out = block->bytes + block->used;
    block->used += size;
    return MUR_OK;
}

enum mur_status mur_label_planes_begin(struct mur_label_job *job, struct mur_error *error)
{
    if (job->label_bytes == 0 && job->scratch == NULL) {
        job->scratch = malloc(job->plane_size / 8);
        return job->scratch == NULL ? mur_error_no_memory(error) : MUR_OK;
    }
    if (job->label_bytes > 0 && job->planes == NULL) {
        job->planes = calloc(job->target.dims[2], sizeof *job->planes);
        return job->planes == NULL ? mur_error_no_memory(error) : MUR_OK;
    }
    return MUR_OK;
}

/* ---- binary -----------------------------------------------------------------------------------
 */

/* Keeps the bits in the scratch from the first to the last that is set; there must be one. */
static enum mur_status keep_bits(struct mur_label_frame *frame, struct mur_label_job *job,
                                 struct mur_error *error)
{
    size_t first = 0, end = job->plane_size / 8;
    while (job->scratch[first] == 0)
        first++;
    while (job->scratch[end - 1] == 0)
        end--;
    frame->first = (uint32_t)first;
    frame->length = (uint32_t)(end - first);
    enum mur_status status = arena_take(&frame->bits, job, frame->length, error);
    if (status == MUR_OK)
        memcpy(frame->bits, job->scratch + first, frame->length);
    return status;
}

static enum mur_status add_frame(struct mur_label_job *job, uint32_t segment, uint32_t plane,
                                 const uint8_t *bytes, uint8_t value, struct mur_error *error)
{
    if (job->frame_count == job->frame_capacity) {
        size_t capacity = job->frame_capacity == 0 ? 1024 : job->frame_capacity * 2;
        struct mur_label_frame *frames = reallocarray(job->frames, capacity, sizeof *frames);
        if (frames == NULL)
            return mur_error_no_memory(error);
        job->frames = frames;
        job->frame_capacity = capacity;
    }
    uint64_t voxels = mur_bits_equal(job->scratch, bytes, job->plane_size, value);
    struct mur_label_frame frame = {.segment = segment, .plane = plane};
    enum mur_status status = keep_bits(&frame, job, error);
    if (status != MUR_OK)
        return status;
    job->frames[job->frame_count++] = frame;
    job->report.segments[segment].voxels += voxels;
    job->report.segments[segment].frames++;
    return MUR_OK;
}

static int compare_frames(const void *a_pointer, const void *b_pointer)
{
    const struct mur_label_frame *a = a_pointer, *b = b_pointer;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return (a->plane > b->plane) - (a->plane < b->plane);
}

static int compare_planes(const void *a_pointer, const void *b_pointer)
{
    const struct mur_label_frame *a = a_pointer, *b = b_pointer;
    return a->plane != b->plane ? (a->plane > b->plane) - (a->plane < b->plane)
                                : (a->segment > b->segment) - (a->segment < b->segment);
}

/* Adds a frame to the bits in the scratch. @return whether they had a bit in common */
static bool join_bits(struct mur_label_job *job, const struct mur_label_frame *frame)
{
    uint8_t common = 0, *to = job->scratch + frame->first;
    for (uint32_t index = 0; index < frame->length; index++) {
        common |= to[index] & frame->bits[index];
        to[index] |= frame->bits[index];
    }
    return common != 0;
}

/* Of a segment that lies in several layers. */
static enum mur_status join_frames(struct mur_label_job *job, struct mur_label_frame *to,
                                   const struct mur_label_frame *from, struct mur_error *error)
{
    struct mur_seg_segment_report *segment = &job->report.segments[to->segment];
    memset(job->scratch, 0, job->plane_size / 8);
    segment->voxels -=
        mur_bits_count(to->bits, to->length) + mur_bits_count(from->bits, from->length);
    (void)join_bits(job, to);
    (void)join_bits(job, from);
    enum mur_status status = keep_bits(to, job, error);
    if (status != MUR_OK)
        return status;
    segment->voxels += mur_bits_count(to->bits, to->length);
    segment->frames--;
    return MUR_OK;
}

/* Frames of a plane follow each other. */
static void find_overlap(struct mur_label_job *job)
{
    for (size_t index = 0; index < job->frame_count && !job->overlap; index++) {
        if (index == 0 || job->frames[index].plane != job->frames[index - 1].plane)
            memset(job->scratch, 0, job->plane_size / 8);
        job->overlap = join_bits(job, &job->frames[index]);
    }
}

enum mur_status mur_label_planes_finish(struct mur_label_job *job, struct mur_error *error)
{
    if (job->frame_count == 0)
        return MUR_OK;
    qsort(job->frames, job->frame_count, sizeof *job->frames, compare_planes);
    size_t kept = 0;
    for (size_t index = 1; index < job->frame_count; index++) {
        struct mur_label_frame *last = &job->frames[kept];
        enum mur_status status = MUR_OK;
        if (compare_frames(last, &job->frames[index]) == 0)
            status = join_frames(job, last, &job->frames[index], error);
        else
            job->frames[++kept] = job->frames[index];
        if (status != MUR_OK)
            return status;
    }
    job->frame_count = kept + 1;
    find_overlap(job);
    qsort(job->frames, job->frame_count, sizeof *job->frames, compare_frames);
    return MUR_OK;
}

/* ---- label maps -------------------------------------------------------------------------------
 */

static uint16_t label_at(const struct mur_label_job *job, const uint8_t *plane, size_t pixel)
{
    return job->label_bytes == 1
               ? plane[pixel]
               : (uint16_t)(plane[2 * pixel] | (unsigned)plane[2 * pixel + 1] << 8);
}

static void set_label(const struct mur_label_job *job, uint8_t *plane, size_t pixel,
                      uint16_t number)
{
    if (job->label_bytes == 1) {
        plane[pixel] = (uint8_t)number;
    } else {
        plane[2 * pixel] = (uint8_t)number;
        plane[2 * pixel + 1] = (uint8_t)(number >> 8);
    }
}

static const char *label_of(const struct mur_label_job *job, uint16_t number)
{
    size_t index = 0;
    while (index + 1 < job->options->segment_count && job->numbers[index] != number)
        index++;
    return job->options->segments[index].segment.label;
}

static enum mur_status refuse_overlap(const struct mur_label_job *job, uint16_t first,
                                      uint16_t second, uint32_t plane, size_t pixel,
                                      struct mur_error *error)
{
    return mur_error_set(error, MUR_MISMATCH,
                         "segments \"%s\" and \"%s\" overlap at column %zu, row %zu of frame "
                         "%" PRIu32 ": a label map cannot hold both, a binary segmentation can",
                         label_of(job, first), label_of(job, second),
                         pixel % job->target.dims[0] + 1, pixel / job->target.dims[0] + 1,
                         plane + 1);
}

static enum mur_status add_labels(struct mur_label_job *job, const struct mur_label_layer *layer,
                                  uint32_t plane, const uint8_t *bytes,
                                  const uint16_t entries[MUR_BYTE_VALUES], struct mur_error *error)
{
    uint64_t counts[MUR_LABEL_LIMIT + 1] = {0};
    uint16_t numbers[MUR_BYTE_VALUES] = {0};
    bool fresh = job->planes[plane] == NULL;
    uint64_t size = (uint64_t)job->frame_pixels * job->label_bytes;
    if (fresh && (job->planes_used + 1) * size >= UINT32_MAX)
        return mur_error_set(error, MUR_LIMIT,
                             "%" PRIu64 " frames of %" PRIu32 " x %" PRIu32
                             " pixels exceed what Pixel Data can hold",
                             job->planes_used + 1, job->target.dims[0], job->target.dims[1]);
    job->planes_used += fresh;
    if (fresh)
        job->planes[plane] = calloc(job->frame_pixels, job->label_bytes);
    uint8_t *labels = job->planes[plane];
    if (labels == NULL)
        return mur_error_no_memory(error);
    for (unsigned byte = 0; byte < MUR_BYTE_VALUES; byte++)
        if ((entries[byte] & MUR_ENTRY_CODE) != 0)
            numbers[byte] = job->numbers[layer->segments[entries[byte] & MUR_ENTRY_CODE]];
    for (size_t pixel = 0; pixel < job->frame_pixels; pixel++) {
        uint8_t byte = bytes[pixel];
        if (numbers[byte] == 0)
            continue;
        uint16_t there = fresh ? 0 : label_at(job, labels, pixel);
        if (there == numbers[byte])
            continue;
        if (there != 0)
            return refuse_overlap(job, there, numbers[byte], plane, pixel, error);
        set_label(job, labels, pixel, numbers[byte]);
        counts[entries[byte] & MUR_ENTRY_CODE]++;
    }
    for (unsigned code = 1; code <= layer->code_count; code++) {
        job->report.segments[layer->segments[code]].voxels += counts[code];
        job->report.segments[layer->segments[code]].frames += counts[code] > 0;
    }
    return MUR_OK;
}

/* ---- both -------------------------------------------------------------------------------------
 */

/* Whether two values that occur mean the same segment. */
static bool shares_codes(const bool present[MUR_BYTE_VALUES],
                         const uint16_t entries[MUR_BYTE_VALUES])
{
    bool seen[MUR_LABEL_LIMIT + 1] = {false};
    for (unsigned byte = 0; byte < MUR_BYTE_VALUES; byte++) {
        uint16_t code = entries[byte] & MUR_ENTRY_CODE;
        if (!present[byte] || code == 0)
            continue;
        if (seen[code])
            return true;
        seen[code] = true;
    }
    return false;
}

enum mur_status mur_label_planes_add(struct mur_label_job *job, const struct mur_label_layer *layer,
                                     uint32_t plane, uint8_t *bytes,
                                     const bool present[MUR_BYTE_VALUES],
                                     const uint16_t entries[MUR_BYTE_VALUES],
                                     struct mur_error *error)
{
    bool any = false;
    for (unsigned byte = 0; byte < MUR_BYTE_VALUES; byte++)
        any = any || (present[byte] && (entries[byte] & MUR_ENTRY_CODE) != 0);
    if (!any)
        return MUR_OK;
    if (job->label_bytes > 0)
        return add_labels(job, layer, plane, bytes, entries, error);
    bool codes[MUR_BYTE_VALUES];
    if (shares_codes(present, entries)) {
        for (size_t pixel = 0; pixel < job->frame_pixels; pixel++)
            bytes[pixel] = (uint8_t)entries[bytes[pixel]];
        mur_bytes_present(codes, bytes, job->plane_size);
        present = codes;
        entries = layer->code_entries;
    }
    enum mur_status status = MUR_OK;
    for (unsigned byte = 0; status == MUR_OK && byte < MUR_BYTE_VALUES; byte++) {
        uint16_t code = entries[byte] & MUR_ENTRY_CODE;
        if (present[byte] && code != 0)
            status = add_frame(job, layer->segments[code], plane, bytes, (uint8_t)byte, error);
    }
    return status;
}

size_t mur_label_frame_total(const struct mur_label_job *job)
{
    return job->label_bytes == 0 ? job->frame_count : (size_t)job->planes_used;
}

void mur_label_planes_free(struct mur_label_job *job)
{
    while (job->arena != NULL) {
        struct mur_label_block *next = job->arena->next;
        free(job->arena);
        job->arena = next;
    }
    for (uint32_t plane = 0; job->planes != NULL && plane < job->target.dims[2]; plane++)
        free(job->planes[plane]);
    free(job->planes);
    free(job->numbers);
    free(job->frames);
    free(job->scratch);
}
