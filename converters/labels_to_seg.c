#include "converters/labels_to_seg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/identity.h"
#include "converters/original.h"
#include "core/buffer.h"
#include "core/digest.h"
#include "core/text.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum {
    CODES = 65536,
    ARENA_BLOCK = 4 * 1024 * 1024,
    WRITE_PIECE = 256 * 1024,
    DEFAULT_SERIES_NUMBER = 300,
};
/* What a voxel means: the low byte is the file's own number of its segment, 0 = background. */
enum {
    ENTRY_CODE = 0xFF,
    ENTRY_UNLISTED = 0x100,
    ENTRY_BROKEN = 0x200,  /* not a whole number */
    ENTRY_OUTSIDE = 0x400, /* below 0 or above MUR_LABEL_LARGEST */
};
/* A scale factor in float32 (as nibabel writes) leaves whole numbers only nearly whole. */
static const double SCALED_TOLERANCE = 1e-3;

struct block {
    struct block *next;
    size_t used, size;
    uint8_t bytes[];
};

/* A frame that is not empty: its bits begin at a byte of their own. */
struct packed {
    uint32_t segment; /* index in the options */
    uint32_t plane;
    uint8_t *bits;
};

struct job {
    const struct mur_seg_options *options;
    const struct mur_source_series *source;
    struct mur_volume_geometry target; /* of the frames */
    size_t frame_pixels;
    size_t frame_bytes;
    uint8_t *codes; /* one slice, or a volume; a multiple of 8 bytes, zero beyond the pixels */
    size_t codes_size;
    struct block *arena;
    struct packed *frames;
    size_t frame_count, frame_capacity;
    struct mur_xxh128 *digest;
    struct mur_buffer content;       /* digests of the files, as text */
    struct mur_sha256 *voxel_digest; /* of a map that is kept for the way back */
    struct mur_original original;
    struct mur_seg_report report;
};

/* One label map while it is read. */
struct label_file {
    struct mur_nifti *nifti;
    const struct mur_nifti_header *header;
    const char *path;
    uint16_t entries[CODES];                /* by label value */
    uint16_t raw_entries[CODES];            /* by stored value of 8 and 16-bit types */
    uint32_t segments[MUR_LABEL_LIMIT + 1]; /* by code */
    size_t code_count;
    struct mur_grid_map map;
};

void mur_seg_report_free(struct mur_seg_report *report)
{
    mur_warnings_free(&report->warnings);
    free(report->segments);
    *report = (struct mur_seg_report)MUR_SEG_REPORT_INIT;
}

/* ---- what stored values mean ------------------------------------------------------------------
 */

static uint16_t entry_of_value(const struct label_file *file, double value)
{
    double whole = rint(value);
    double tolerance = file->header->scaled ? SCALED_TOLERANCE : 0;
    if (!(fabs(value - whole) <= tolerance))
        return ENTRY_BROKEN;
    if (whole < 0 || whole > MUR_LABEL_LARGEST)
        return ENTRY_OUTSIDE;
    return file->entries[(int32_t)whole];
}

static bool is_small(enum mur_nifti_type type)
{
    return type == MUR_NIFTI_UINT8 || type == MUR_NIFTI_INT8 || type == MUR_NIFTI_UINT16 ||
           type == MUR_NIFTI_INT16;
}

static double small_value(enum mur_nifti_type type, uint32_t raw)
{
    if (type == MUR_NIFTI_INT8)
        return (double)(int8_t)raw;
    return type == MUR_NIFTI_INT16 ? (double)(int16_t)raw : (double)raw;
}

static void fill_raw_entries(struct label_file *file)
{
    enum mur_nifti_type type = file->header->type;
    uint32_t count = file->header->voxel_size == 1 ? 256 : CODES;
    for (uint32_t raw = 0; raw < count; raw++)
        file->raw_entries[raw] = entry_of_value(file, small_value(type, raw) * file->header->slope +
                                                          file->header->intercept);
}

/* Entries of voxels of the wider types: neighbours are mostly equal, so the last one is kept. */
#define WIDE_ENTRIES(out, step, seen, file, voxels, count, ctype)                                  \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        ctype last_ = values_[0];                                                                  \
        uint16_t entry_ = entry_of_value((file), (double)last_ * (file)->header->slope +           \
                                                     (file)->header->intercept);                   \
        for (size_t index_ = 0; index_ < (count); index_++) {                                      \
            if (values_[index_] != last_) {                                                        \
                last_ = values_[index_];                                                           \
                entry_ = entry_of_value((file), (double)last_ * (file)->header->slope +            \
                                                    (file)->header->intercept);                    \
            }                                                                                      \
            (out)[(ptrdiff_t)index_ * (step)] = (uint8_t)entry_;                                   \
            (seen) |= entry_;                                                                      \
        }                                                                                          \
    } while (0)

#define SMALL_ENTRIES(out, step, seen, file, voxels, count, ctype)                                 \
    do {                                                                                           \
        const ctype *values_ = (voxels);                                                           \
        for (size_t index_ = 0; index_ < (count); index_++) {                                      \
            uint16_t entry_ = (file)->raw_entries[values_[index_]];                                \
            (out)[(ptrdiff_t)index_ * (step)] = (uint8_t)entry_;                                   \
            (seen) |= entry_;                                                                      \
        }                                                                                          \
    } while (0)

/* Codes of a row of voxels, @p step bytes apart. @return the flags of all of them */
static uint16_t code_row(uint8_t *out, ptrdiff_t step, const struct label_file *file,
                         const void *voxels, size_t count)
{
    uint16_t seen = 0;
    switch (file->header->type) {
    case MUR_NIFTI_UINT8:
    case MUR_NIFTI_INT8:
        if (step == 1)
            SMALL_ENTRIES(out, 1, seen, file, voxels, count, uint8_t);
        else if (step == -1)
            SMALL_ENTRIES(out, -1, seen, file, voxels, count, uint8_t);
        else
            SMALL_ENTRIES(out, step, seen, file, voxels, count, uint8_t);
        break;
    case MUR_NIFTI_UINT16:
    case MUR_NIFTI_INT16:
        if (step == 1)
            SMALL_ENTRIES(out, 1, seen, file, voxels, count, uint16_t);
        else if (step == -1)
            SMALL_ENTRIES(out, -1, seen, file, voxels, count, uint16_t);
        else
            SMALL_ENTRIES(out, step, seen, file, voxels, count, uint16_t);
        break;
    case MUR_NIFTI_UINT32:
        WIDE_ENTRIES(out, step, seen, file, voxels, count, uint32_t);
        break;
    case MUR_NIFTI_INT32:
        WIDE_ENTRIES(out, step, seen, file, voxels, count, int32_t);
        break;
    case MUR_NIFTI_UINT64:
        WIDE_ENTRIES(out, step, seen, file, voxels, count, uint64_t);
        break;
    case MUR_NIFTI_INT64:
        WIDE_ENTRIES(out, step, seen, file, voxels, count, int64_t);
        break;
    case MUR_NIFTI_FLOAT32:
        WIDE_ENTRIES(out, step, seen, file, voxels, count, float);
        break;
    case MUR_NIFTI_FLOAT64:
        WIDE_ENTRIES(out, step, seen, file, voxels, count, double);
        break;
    }
    return seen;
}

static double voxel_value(const struct mur_nifti_header *header, const void *voxels, size_t index)
{
    double raw = 0;
    switch (header->type) {
    case MUR_NIFTI_UINT8:
    case MUR_NIFTI_INT8:
        raw = small_value(header->type, ((const uint8_t *)voxels)[index]);
        break;
    case MUR_NIFTI_UINT16:
    case MUR_NIFTI_INT16:
        raw = small_value(header->type, ((const uint16_t *)voxels)[index]);
        break;
    case MUR_NIFTI_UINT32:
        raw = ((const uint32_t *)voxels)[index];
        break;
    case MUR_NIFTI_INT32:
        raw = ((const int32_t *)voxels)[index];
        break;
    case MUR_NIFTI_UINT64:
        raw = (double)((const uint64_t *)voxels)[index];
        break;
    case MUR_NIFTI_INT64:
        raw = (double)((const int64_t *)voxels)[index];
        break;
    case MUR_NIFTI_FLOAT32:
        raw = (double)((const float *)voxels)[index];
        break;
    case MUR_NIFTI_FLOAT64:
        raw = ((const double *)voxels)[index];
        break;
    }
    return raw * header->slope + header->intercept;
}

/* Finds the voxel that raised a flag and says what is wrong with it. */
static enum mur_status refuse_voxel(const struct label_file *file, const void *voxels, size_t count,
                                    uint32_t slice, struct mur_error *error)
{
    for (size_t index = 0; index < count; index++) {
        double value = voxel_value(file->header, voxels, index);
        uint16_t entry = entry_of_value(file, value);
        uint32_t i = (uint32_t)(index % file->header->dims[0]);
        uint32_t j = (uint32_t)(index / file->header->dims[0]);
        if ((entry & ENTRY_BROKEN) != 0)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: not a label map: voxel (%" PRIu32 ",%" PRIu32 ",%" PRIu32
                                 ") is %g, no whole number",
                                 file->path, i, j, slice, value);
        if ((entry & ENTRY_OUTSIDE) != 0)
            return mur_error_set(error, MUR_LIMIT,
                                 "%s: voxel (%" PRIu32 ",%" PRIu32 ",%" PRIu32
                                 ") has label %.0f; 0 to %d are possible",
                                 file->path, i, j, slice, value, MUR_LABEL_LARGEST);
        if ((entry & ENTRY_UNLISTED) != 0)
            return mur_error_set(error, MUR_MISMATCH,
                                 "%s: label %.0f at voxel (%" PRIu32 ",%" PRIu32 ",%" PRIu32
                                 ") is not named by any segment",
                                 file->path, rint(value), i, j, slice);
    }
    return mur_error_set(error, MUR_INTERNAL, "%s: a label was lost", file->path);
}

/* ---- bits -------------------------------------------------------------------------------------
 */

/* Compares eight codes at once: a bit for each that equals the code, the first one lowest. */
static inline uint8_t equal_bits(uint64_t codes, uint64_t wanted)
{
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    uint64_t x = codes ^ wanted;
    uint64_t zero = ~(((x & low) + low) | x | low); /* 0x80 where a byte is 0 */
    return (uint8_t)(((zero >> 7) * UINT64_C(0x0102040810204080)) >> 56);
}

/* @return how many are set */
static uint64_t pack_bits(uint8_t *out, const uint8_t *codes, size_t bytes, uint8_t code)
{
    uint64_t wanted = UINT64_C(0x0101010101010101) * code, count = 0;
    for (size_t index = 0; index < bytes; index++) {
        uint64_t word;
        memcpy(&word, codes + 8 * index, sizeof word);
        out[index] = word == 0 ? 0 : equal_bits(word, wanted);
    }
    size_t index = 0;
    for (; index + 8 <= bytes; index += 8) {
        uint64_t word;
        memcpy(&word, out + index, sizeof word);
        count += (uint64_t)__builtin_popcountll(word);
    }
    for (; index < bytes; index++)
        count += (uint64_t)__builtin_popcount(out[index]);
    return count;
}

static void find_codes(bool present[MUR_LABEL_LIMIT + 1], const uint8_t *codes, size_t bytes)
{
    memset(present, 0, (MUR_LABEL_LIMIT + 1) * sizeof *present);
    uint64_t last = 0;
    for (size_t index = 0; index < bytes; index++) {
        uint64_t word;
        memcpy(&word, codes + 8 * index, sizeof word);
        if (word == last)
            continue;
        last = word;
        for (unsigned byte = 0; byte < 8; byte++)
            present[codes[8 * index + byte]] = true;
    }
}

static enum mur_status arena_take(uint8_t **out, struct job *job, size_t size,
                                  struct mur_error *error)
{
    if (job->arena == NULL || job->arena->size - job->arena->used < size) {
        size_t block_size = size > ARENA_BLOCK ? size : ARENA_BLOCK;
        struct block *block = malloc(sizeof *block + block_size);
        if (block == NULL)
            return mur_error_no_memory(error);
        *block = (struct block){.next = job->arena, .used = 0, .size = block_size};
        job->arena = block;
    }
    *out = job->arena->bytes + job->arena->used;
    job->arena->used += size;
    return MUR_OK;
}

static enum mur_status add_frame(struct job *job, uint32_t segment, uint32_t plane,
                                 const uint8_t *codes, uint8_t code, struct mur_error *error)
{
    if (job->frame_count == job->frame_capacity) {
        size_t capacity = job->frame_capacity == 0 ? 1024 : job->frame_capacity * 2;
        struct packed *frames = realloc(job->frames, capacity * sizeof *frames);
        if (frames == NULL)
            return mur_error_no_memory(error);
        job->frames = frames;
        job->frame_capacity = capacity;
    }
    uint8_t *bits = NULL;
    enum mur_status status = arena_take(&bits, job, job->frame_bytes, error);
    if (status != MUR_OK)
        return status;
    uint64_t voxels = pack_bits(bits, codes, job->frame_bytes, code);
    job->frames[job->frame_count++] =
        (struct packed){.segment = segment, .plane = plane, .bits = bits};
    job->report.segments[segment].voxels += voxels;
    job->report.segments[segment].frames++;
    return MUR_OK;
}

static enum mur_status add_plane(struct job *job, const struct label_file *file, uint32_t plane,
                                 const uint8_t *codes, struct mur_error *error)
{
    bool present[MUR_LABEL_LIMIT + 1];
    find_codes(present, codes, job->frame_bytes);
    enum mur_status status = MUR_OK;
    for (size_t code = 1; status == MUR_OK && code <= file->code_count; code++)
        if (present[code])
            status = add_frame(job, file->segments[code], plane, codes, (uint8_t)code, error);
    return status;
}

/* ---- one file ---------------------------------------------------------------------------------
 */

static enum mur_status list_segments(struct label_file *file, const struct job *job,
                                     size_t file_index, struct mur_error *error)
{
    uint16_t unlisted = job->options->ignore_unlisted ? 0 : ENTRY_UNLISTED;
    file->entries[0] = 0;
    for (uint32_t value = 1; value < CODES; value++)
        file->entries[value] = unlisted;
    bool any = false;
    for (size_t index = 0; index < job->options->segment_count; index++) {
        const struct mur_label_segment *segment = &job->options->segments[index];
        if (segment->file != file_index)
            continue;
        if (segment->value < 0 || segment->value > MUR_LABEL_LARGEST)
            return mur_error_set(error, MUR_INVALID,
                                 "segment \"%s\": label value %" PRId64 "; 1 to %d are possible",
                                 segment->segment.label, segment->value, MUR_LABEL_LARGEST);
        if (file->code_count == MUR_LABEL_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "%s: more than %d labels", file->path,
                                 MUR_LABEL_LIMIT);
        bool taken =
            segment->value != MUR_LABEL_ANY && (file->entries[segment->value] & ENTRY_CODE);
        if (any || taken || (segment->value == MUR_LABEL_ANY && file->code_count > 0))
            return mur_error_set(error, MUR_INVALID,
                                 "segment \"%s\": another one has the same voxels of %s",
                                 segment->segment.label, file->path);
        uint16_t code = (uint16_t)++file->code_count;
        file->segments[code] = (uint32_t)index;
        any = segment->value == MUR_LABEL_ANY;
        if (!any)
            file->entries[segment->value] = code;
        for (uint32_t value = 1; any && value < CODES; value++)
            file->entries[value] = code;
    }
    if (file->code_count == 0)
        return mur_error_set(error, MUR_INVALID, "%s: no segment names it", file->path);
    return MUR_OK;
}

static enum mur_status own_grid(struct job *job, const struct mur_volume_geometry *voxels,
                                struct label_file *file, const struct mur_error *why,
                                struct mur_error *error)
{
    struct mur_voxel_order order;
    if (mur_geometry_for_series(&job->target, &order, voxels, true, error) != MUR_OK)
        return mur_error_prefix(error, "%s", file->path);
    file->map = (struct mur_grid_map){.axis = {0, 1, 2},
                                      .flip = {order.flip_i, order.flip_j, order.reverse_k},
                                      .error_voxels = 0};
    job->report.own_grid = true;
    return mur_warn(&job->report.warnings, error,
                    "%s does not lie on the grid of the image (%s): the segmentation keeps its own "
                    "grid, which some viewers refuse",
                    file->path, why->message);
}

static enum mur_status place_file(struct job *job, struct label_file *file, bool first,
                                  struct mur_error *error)
{
    struct mur_volume_geometry voxels;
    struct mur_error why = MUR_ERROR_INIT;
    enum mur_status status = mur_nifti_geometry(&voxels, file->nifti, &job->options->orientation,
                                                &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    if (first)
        job->target = job->source->geometry;
    status = mur_geometry_match(&file->map, &job->target, &voxels, &why);
    if (status != MUR_OK && first)
        return own_grid(job, &voxels, file, &why, error);
    if (status != MUR_OK)
        return mur_error_set(error, status, "%s does not lie on the grid of %s: %s", file->path,
                             job->report.own_grid ? job->options->files[0] : "the image",
                             why.message);
    job->report.grid_error_voxels = fmax(job->report.grid_error_voxels, file->map.error_voxels);
    return MUR_OK;
}

/* Where a voxel of the file goes: bytes per step along its axes, and where its first voxel is. */
struct strides {
    ptrdiff_t step[3];
    ptrdiff_t origin;
    bool whole; /* slices of the file are not slices of the target: a volume is needed */
};

static struct strides strides_of(const struct job *job, const struct label_file *file)
{
    struct strides strides = {.origin = 0, .whole = file->map.axis[2] != 2};
    ptrdiff_t columns = (ptrdiff_t)job->target.dims[0];
    ptrdiff_t plane_size = (ptrdiff_t)(job->frame_bytes * 8);
    const ptrdiff_t unit[3] = {1, columns, plane_size};
    for (unsigned axis = 0; axis < 3; axis++) {
        if (axis == 2 && !strides.whole)
            continue; /* one slice at a time */
        ptrdiff_t step = unit[axis];
        if (file->map.flip[axis]) {
            strides.origin += step * ((ptrdiff_t)job->target.dims[axis] - 1);
            step = -step;
        }
        strides.step[file->map.axis[axis]] = step;
    }
    return strides;
}

static enum mur_status reserve_codes(struct job *job, size_t size, struct mur_error *error)
{
    if (job->codes_size >= size)
        return MUR_OK;
    free(job->codes);
    job->codes = calloc(size, 1); /* beyond the pixels of a plane it stays zero */
    job->codes_size = job->codes == NULL ? 0 : size;
    return job->codes == NULL ? mur_error_no_memory(error) : MUR_OK;
}

static enum mur_status read_slice(struct job *job, const struct label_file *file, uint32_t slice,
                                  const struct strides *strides, struct mur_error *error)
{
    const struct mur_nifti_header *header = file->header;
    const void *voxels = NULL;
    enum mur_status status = mur_nifti_read_slice(&voxels, file->nifti, 0, slice, error);
    if (status != MUR_OK)
        return status;
    size_t row_bytes = (size_t)header->dims[0] * header->voxel_size;
    mur_xxh128_update(job->digest, voxels, row_bytes * header->dims[1]);
    if (job->voxel_digest != NULL)
        status = mur_sha256_update(job->voxel_digest, voxels, row_bytes * header->dims[1], error);
    if (status != MUR_OK)
        return status;
    uint16_t seen = 0;
    ptrdiff_t at = strides->origin + (strides->whole ? (ptrdiff_t)slice * strides->step[2] : 0);
    for (uint32_t row = 0; row < header->dims[1]; row++) {
        seen |= code_row(job->codes + at, strides->step[0], file,
                         (const uint8_t *)voxels + row * row_bytes, header->dims[0]);
        at += strides->step[1];
    }
    if ((seen & ~ENTRY_CODE) != 0)
        return refuse_voxel(file, voxels, (size_t)header->dims[0] * header->dims[1], slice, error);
    return MUR_OK;
}

static enum mur_status read_voxels(struct job *job, const struct label_file *file,
                                   struct mur_error *error)
{
    struct strides strides = strides_of(job, file);
    size_t plane_size = job->frame_bytes * 8;
    uint32_t slices = file->header->dims[2];
    if (strides.whole && plane_size * job->target.dims[2] > MUR_NIFTI_HELD_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: its slices lie across those of the image and it is too large to "
                             "be turned in memory",
                             file->path);
    enum mur_status status =
        reserve_codes(job, strides.whole ? plane_size * job->target.dims[2] : plane_size, error);
    for (uint32_t slice = 0; status == MUR_OK && slice < slices; slice++) {
        status = read_slice(job, file, slice, &strides, error);
        if (status != MUR_OK || strides.whole)
            continue;
        uint32_t plane = file->map.flip[2] ? slices - 1 - slice : slice;
        status = add_plane(job, file, plane, job->codes, error);
    }
    for (uint32_t plane = 0; status == MUR_OK && strides.whole && plane < job->target.dims[2];
         plane++)
        status = add_plane(job, file, plane, job->codes + plane * plane_size, error);
    return status;
}

/* A map that is alone goes along with its header; of several nobody could tell whose it is. */
static enum mur_status keep_original(struct job *job, const struct label_file *file,
                                     struct mur_error *error)
{
    for (unsigned axis = 0; axis < 3; axis++)
        job->original.reversed[file->map.axis[axis]] = file->map.flip[axis];
    struct mur_original *original = &job->original;
    uint64_t header = mur_xxh64_of(original->header, original->header_length);
    uint64_t extensions = mur_xxh64_of(original->extensions, original->extension_length);
    enum mur_status status =
        mur_buffer_append_format(&job->content, error, "%016" PRIx64 " %016" PRIx64 " %s;", header,
                                 extensions, original->file_name);
    return status == MUR_OK ? mur_sha256_finish(original->voxel_digest, job->voxel_digest, error)
                            : status;
}

static enum mur_status read_file(struct job *job, struct label_file *file, size_t index,
                                 struct mur_error *error)
{
    file->path = job->options->files[index];
    enum mur_status status = mur_nifti_open(&file->nifti, file->path, &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    file->header = mur_nifti_header(file->nifti);
    if (file->header->volumes > 1)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s: dim[] holds %" PRIu32
                             " volumes; label maps of one are supported so far",
                             file->path, file->header->volumes);
    status = list_segments(file, job, index, error);
    if (status == MUR_OK)
        status = place_file(job, file, index == 0, error);
    if (status != MUR_OK)
        return status;
    if (is_small(file->header->type))
        fill_raw_entries(file);
    job->frame_pixels = (size_t)job->target.dims[0] * job->target.dims[1];
    job->frame_bytes = (job->frame_pixels + 7) / 8;
    if (job->options->file_count == 1) {
        status = mur_original_take(&job->original, file->nifti, error);
        if (status == MUR_OK)
            status = mur_sha256_create(&job->voxel_digest, error);
    }
    if (status == MUR_OK)
        status = read_voxels(job, file, error);
    if (status == MUR_OK)
        status = mur_nifti_check_unchanged(file->nifti, error);
    if (status == MUR_OK && job->voxel_digest != NULL)
        status = keep_original(job, file, error);
    if (status != MUR_OK)
        return status;
    uint8_t digest[MUR_XXH128_SIZE];
    char text[MUR_XXH128_TEXT_SIZE];
    mur_xxh128_finish(digest, job->digest);
    mur_hex_write(text, digest, sizeof digest);
    return mur_buffer_append_format(&job->content, error, "%s %s %a %a;", text,
                                    file->header->type_name, file->header->slope,
                                    file->header->intercept);
}

static enum mur_status read_files(struct job *job, struct mur_error *error)
{
    enum mur_status status = mur_xxh128_create(&job->digest, error);
    for (size_t index = 0; status == MUR_OK && index < job->options->file_count; index++) {
        struct label_file *file = calloc(1, sizeof *file);
        if (file == NULL)
            return mur_error_no_memory(error);
        status = read_file(job, file, index, error);
        mur_nifti_free(file->nifti);
        free(file);
    }
    return status;
}

/* ---- the object -------------------------------------------------------------------------------
 */

static int compare_frames(const void *a_pointer, const void *b_pointer)
{
    const struct packed *a = a_pointer, *b = b_pointer;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return (a->plane > b->plane) - (a->plane < b->plane);
}

/* Segments without a voxel get no number; the others are numbered without gaps. */
static enum mur_status number_segments(struct job *job, struct mur_error *error)
{
    uint16_t next = 1;
    enum mur_status status = MUR_OK;
    const double *spacing = job->target.spacing_mm;
    for (size_t index = 0; status == MUR_OK && index < job->options->segment_count; index++) {
        struct mur_seg_segment_report *segment = &job->report.segments[index];
        segment->volume_ml = (double)segment->voxels * spacing[0] * spacing[1] * spacing[2] / 1000;
        const struct mur_label_segment *given = &job->options->segments[index];
        if (segment->voxels > 0)
            segment->number = next++;
        else
            status = mur_warn(&job->report.warnings, error,
                              "segment \"%s\" has no voxel in %s and is left out",
                              given->segment.label, job->options->files[given->file]);
    }
    if (status == MUR_OK && next == 1)
        status =
            mur_error_set(error, MUR_MISMATCH, "%s: no voxel is labelled", job->options->files[0]);
    return status;
}

static enum mur_status describe_code(struct mur_buffer *out, const struct mur_code *code,
                                     struct mur_error *error)
{
    if (!mur_code_given(code))
        return mur_buffer_append_text(out, "|", error);
    return mur_buffer_append_format(out, error, "|%s %s %s", code->scheme, code->value,
                                    code->meaning);
}

/* All that the object's bytes depend on besides voxels, source and attributes. */
static enum mur_status describe_options(struct mur_buffer *out, const struct job *job,
                                        struct mur_error *error)
{
    const struct mur_seg_options *options = job->options;
    enum mur_status status = mur_buffer_append_format(
        out, error, "number %" PRId64 " qform %d spm %d analyze %d unlisted %d|%s|%s|%s|%s",
        options->series_number, options->orientation.prefer_qform,
        options->orientation.spm_when_unset, (int)options->orientation.analyze_order,
        options->ignore_unlisted, options->series_description ? options->series_description : "",
        options->content_label ? options->content_label : "",
        options->content_creator ? options->content_creator : "",
        options->identity ? options->identity : "");
    for (size_t index = 0; status == MUR_OK && index < options->segment_count; index++) {
        const struct mur_label_segment *given = &options->segments[index];
        const struct mur_segment *segment = &given->segment;
        status = mur_buffer_append_format(
            out, error, "\n%zu %" PRId64 " %s|%s|%d %s|%s %s|%d %02x%02x%02x", given->file,
            given->value, segment->label, segment->description ? segment->description : "",
            (int)segment->algorithm, segment->algorithm_name ? segment->algorithm_name : "",
            segment->tracking_id ? segment->tracking_id : "",
            segment->tracking_uid ? segment->tracking_uid : "", segment->has_color, segment->rgb[0],
            segment->rgb[1], segment->rgb[2]);
        const struct mur_code *codes[] = {&segment->category, &segment->type,
                                          &segment->type_modifier, &segment->region,
                                          &segment->region_modifier};
        for (size_t code = 0; status == MUR_OK && code < MUR_COUNT(codes); code++)
            status = describe_code(out, codes[code], error);
    }
    return status;
}

static enum mur_status given_or_derived(char out[MUR_UID_TEXT_SIZE], const char *given,
                                        const char *kind, const char *const *parts, size_t count,
                                        struct mur_error *error)
{
    if (given == NULL)
        return mur_identity_of(out, kind, parts, count, error);
    if (!mur_uid_valid(mur_slice_of(given)))
        return mur_error_set(error, MUR_INVALID, "\"%s\" is not a UID", given);
    memcpy(out, given, strlen(given) + 1);
    return MUR_OK;
}

static enum mur_status make_identity(struct job *job, char organization[MUR_UID_TEXT_SIZE],
                                     struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = describe_options(&text, job, error);
    if (status != MUR_OK)
        return status;
    const char *parts[] = {job->source->series_instance, mur_buffer_text(&job->content),
                           mur_buffer_text(&text), MUR_CONVERTER_FORMAT};
    status = given_or_derived(job->report.series_instance, job->options->series_instance,
                              "segmentation series", parts, MUR_COUNT(parts), error);
    parts[0] = job->report.series_instance;
    if (status == MUR_OK)
        status = given_or_derived(job->report.sop_instance, job->options->sop_instance,
                                  "segmentation instance", parts, 1, error);
    if (status == MUR_OK)
        status = mur_identity_of(organization, "dimension organization", parts, 1, error);
    return status;
}

static enum mur_status copy_element(void *user, const struct mur_dataset_element *element,
                                    struct mur_error *error)
{
    struct mur_dataset **pair = user;
    return mur_dataset_copy(pair[0], pair[1], element->tag, error);
}

static enum mur_status make_common(struct mur_dataset **out, const struct job *job,
                                   struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *common = NULL;
    enum mur_status status = mur_dataset_clone(&common, job->source->common, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(common, error);
    if (status == MUR_OK && job->options->attributes != NULL) {
        struct mur_dataset *pair[2] = {common, job->options->attributes};
        status = mur_dataset_each(job->options->attributes, copy_element, pair, error);
    }
    /* Text was recoded by the copies, whatever character set the attributes named. */
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(common, error);
    static const uint32_t type_2[] = {
        MUR_TAG_PatientName,
        MUR_TAG_PatientID,
        MUR_TAG_PatientBirthDate,
        MUR_TAG_PatientSex,
        MUR_TAG_StudyDate,
        MUR_TAG_StudyTime,
        MUR_TAG_AccessionNumber,
        MUR_TAG_StudyID,
        MUR_TAG_ReferringPhysicianName,
        MUR_TAG_PositionReferenceIndicator,
    };
    struct mur_put put = {.dataset = common, .status = status, .error = error};
    for (size_t index = 0; index < MUR_COUNT(type_2); index++)
        mur_put_default(&put, type_2[index], "");
    mur_put_animal_defaults(&put);
    mur_put_text(&put, MUR_TAG_StudyInstanceUID, job->source->study_instance);
    if (put.status == MUR_OK && job->original.header_length > 0)
        put.status = mur_original_put(common, &job->original, error);
    if (put.status == MUR_OK)
        *out = MUR_STEAL(common);
    return put.status;
}

/* Content Date and Time are type 1 and must not be made up from the clock: the study's, or where
 * there is none the date that stands for "unknown". */
static void content_date(char date[9], char time[15], struct mur_dataset *common)
{
    static const uint32_t tags[2][2] = {{MUR_TAG_ContentDate, MUR_TAG_ContentTime},
                                        {MUR_TAG_StudyDate, MUR_TAG_StudyTime}};
    (void)snprintf(date, 9, "19000101");
    (void)snprintf(time, 15, "000000");
    for (unsigned index = 0; index < 2; index++) {
        const char *text = NULL;
        if (!mur_dataset_has_value(common, tags[index][0]) ||
            mur_dataset_get_string(&text, common, tags[index][0], NULL) != MUR_OK ||
            strlen(text) != 8)
            continue;
        (void)snprintf(date, 9, "%s", text);
        if (mur_dataset_has_value(common, tags[index][1]) &&
            mur_dataset_get_string(&text, common, tags[index][1], NULL) == MUR_OK &&
            strlen(text) < 15)
            (void)snprintf(time, 15, "%s", text);
        return;
    }
}

/* The arrays that describe the object, in the order of its frames. */
struct description {
    struct mur_segment *segments;
    struct mur_segmentation_plane *planes;
    char (*positions)[MUR_POSITION_TEXT_SIZE];
    struct mur_segmentation_frame *frames;
};

static void description_free(struct description *description)
{
    free(description->segments);
    free(description->planes);
    free(description->positions);
    free(description->frames);
}

static enum mur_status describe(struct description *out, struct job *job,
                                struct mur_segmentation *given, struct mur_error *error)
{
    uint32_t plane_count = job->target.dims[2];
    out->segments = calloc(job->options->segment_count, sizeof *out->segments);
    out->planes = calloc(plane_count, sizeof *out->planes);
    out->positions = calloc(plane_count, sizeof *out->positions);
    out->frames = calloc(job->frame_count, sizeof *out->frames);
    if (out->segments == NULL || out->planes == NULL || out->positions == NULL ||
        out->frames == NULL)
        return mur_error_no_memory(error);
    const double *spacing = job->target.spacing_mm;
    double voxel_ml = spacing[0] * spacing[1] * spacing[2] / 1000;
    for (size_t index = 0; index < job->options->segment_count; index++) {
        const struct mur_label_segment *from = &job->options->segments[index];
        uint16_t number = job->report.segments[index].number;
        if (number == 0)
            continue;
        struct mur_segment *segment = &out->segments[number - 1];
        *segment = from->segment;
        segment->has_source_value = from->value != MUR_LABEL_ANY;
        segment->source_value = (uint32_t)from->value;
        /* To the nanolitre: the last digits of a grid are not the same in every file of it. */
        segment->volume_ml =
            nearbyint((double)job->report.segments[index].voxels * voxel_ml * 1e6) / 1e6;
        given->segment_count++;
    }
    for (uint32_t plane = 0; plane < plane_count; plane++) {
        if (job->report.own_grid) {
            mur_geometry_format_position(out->positions[plane], &job->target, plane);
            out->planes[plane].position = out->positions[plane];
            continue;
        }
        const struct mur_source_plane *source = &job->source->planes[plane];
        out->planes[plane] = (struct mur_segmentation_plane){
            .position = source->position,
            .sop_instance = source->sop_instance,
            .frame = source->frame,
        };
    }
    for (size_t index = 0; index < job->frame_count; index++)
        out->frames[index] = (struct mur_segmentation_frame){
            .segment = job->report.segments[job->frames[index].segment].number - 1u,
            .plane = job->frames[index].plane,
        };
    given->segments = out->segments;
    given->planes = out->planes;
    given->plane_count = plane_count;
    given->frames = out->frames;
    given->frame_count = job->frame_count;
    return MUR_OK;
}

/* Joins bits of frames that end within a byte, and gathers small frames into larger writes. */
struct bit_writer {
    const struct mur_output *output;
    uint8_t *piece;
    size_t used;
    unsigned carried; /* bits of piece[used] that are taken */
};

static enum mur_status flush_bits(struct bit_writer *writer, struct mur_error *error)
{
    if (writer->used == 0)
        return MUR_OK;
    enum mur_status status =
        writer->output->write(writer->output->user, writer->piece, writer->used, error);
    writer->piece[0] = writer->piece[writer->used]; /* the byte that is not full yet */
    writer->used = 0;
    return status;
}

static void join_bytes(struct bit_writer *writer, const uint8_t *bits, size_t count)
{
    uint8_t *out = writer->piece + writer->used;
    unsigned shift = writer->carried;
    if (shift == 0) {
        memcpy(out, bits, count);
        out[count] = 0;
    } else {
        unsigned carry = out[0];
        size_t index = 0;
        for (; index + 8 <= count; index += 8) {
            uint64_t word, joined;
            memcpy(&word, bits + index, sizeof word);
            joined = word << shift | carry;
            memcpy(out + index, &joined, sizeof joined);
            carry = (unsigned)(word >> (64 - shift));
        }
        for (; index < count; index++) {
            unsigned joined = (unsigned)bits[index] << shift | carry;
            out[index] = (uint8_t)joined;
            carry = joined >> 8;
        }
        out[count] = (uint8_t)carry;
    }
    writer->used += count;
}

static enum mur_status write_bits(struct bit_writer *writer, const uint8_t *bits, size_t pixels,
                                  struct mur_error *error)
{
    size_t whole = pixels / 8;
    for (size_t done = 0; done < whole;) {
        size_t room = WRITE_PIECE - writer->used;
        size_t count = whole - done < room ? whole - done : room;
        join_bytes(writer, bits + done, count);
        done += count;
        if (writer->used == WRITE_PIECE) {
            enum mur_status status = flush_bits(writer, error);
            if (status != MUR_OK)
                return status;
        }
    }
    unsigned rest = (unsigned)(pixels % 8);
    if (rest == 0)
        return MUR_OK;
    unsigned joined = writer->piece[writer->used] | (bits[whole] & ((1u << rest) - 1))
                                                        << writer->carried;
    writer->piece[writer->used] = (uint8_t)joined;
    writer->carried += rest;
    if (writer->carried < 8)
        return MUR_OK;
    writer->carried -= 8;
    writer->piece[++writer->used] = (uint8_t)(joined >> 8);
    return writer->used == WRITE_PIECE ? flush_bits(writer, error) : MUR_OK;
}

static enum mur_status write_frames(const struct job *job, const struct mur_output *output,
                                    uint64_t pixel_bytes, struct mur_error *error)
{
    struct bit_writer writer = {.output = output};
    writer.piece = calloc(WRITE_PIECE + 8, 1);
    if (writer.piece == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < job->frame_count; index++)
        status = write_bits(&writer, job->frames[index].bits, job->frame_pixels, error);
    if (status == MUR_OK) {
        uint64_t written = (job->frame_pixels * job->frame_count + 7) / 8;
        if (writer.carried > 0)
            writer.used++;
        if (pixel_bytes > written)
            writer.piece[writer.used++] = 0;
        status = flush_bits(&writer, error);
    }
    free(writer.piece);
    return status;
}

static enum mur_status write_object(struct job *job, const struct mur_output *output,
                                    struct mur_error *error)
{
    const struct mur_seg_options *options = job->options;
    const struct mur_source_series *source = job->source;
    char organization[MUR_UID_TEXT_SIZE], date[9], time[15];
    MUR_AUTO(mur_dataset) *common = NULL;
    MUR_AUTO_BUFFER struct mur_buffer head = MUR_BUFFER_INIT;
    struct description description = {.segments = NULL};
    struct mur_geometry_text own_text = {.image_orientation = ""};
    enum mur_status status = make_identity(job, organization, error);
    if (status == MUR_OK)
        status = make_common(&common, job, error);
    if (status != MUR_OK)
        return status;
    content_date(date, time, common);
    mur_geometry_format(&own_text, &job->target);
    bool own = job->report.own_grid;
    const struct mur_geometry_text *text = own ? &own_text : &source->text;
    struct mur_segmentation given = {
        .common = common,
        .sop_instance = job->report.sop_instance,
        .series_instance = job->report.series_instance,
        .frame_of_reference = source->frame_of_reference,
        .dimension_organization = organization,
        .series_number =
            options->series_number > 0 ? options->series_number : DEFAULT_SERIES_NUMBER,
        .series_description =
            options->series_description ? options->series_description : "Segmentation",
        .content_label = options->content_label ? options->content_label : "SEGMENTATION",
        .content_creator = options->content_creator,
        .content_date = date,
        .content_time = time,
        .manufacturer = "Murpacs",
        .model = "Label map to SEG",
        .serial_number = "0",
        .software = "format " MUR_CONVERTER_FORMAT,
        .rows = job->target.dims[1],
        .columns = job->target.dims[0],
        .image_orientation = text->image_orientation,
        .pixel_spacing = text->pixel_spacing,
        .slice_thickness = own ? own_text.slice_spacing : source->slice_thickness,
        .slice_spacing = text->slice_spacing,
        .referenced_series = source->series_instance,
        .referenced_sop_class = source->sop_class,
        .referenced_instances = (const char *const *)source->instances,
        .referenced_instance_count = source->instance_count,
        .shared_derivation = own,
    };
    uint64_t pixel_bytes = 0;
    status = describe(&description, job, &given, error);
    if (status == MUR_OK)
        status = mur_segmentation_write_head(&head, &pixel_bytes, &given, error);
    description_free(&description);
    if (status != MUR_OK)
        return status;
    const struct mur_made_instance instance = {
        .sop_class = mur_uid_SegmentationStorage,
        .sop_instance = job->report.sop_instance,
        .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
        .study_instance = source->study_instance,
        .series_instance = job->report.series_instance,
        .number = 1,
        .count = 1,
        .data_set_length = head.length + pixel_bytes,
    };
    job->report.bytes = instance.data_set_length;
    job->report.frames = (uint32_t)job->frame_count;
    status = output->begin(output->user, &instance, error);
    if (status == MUR_OK)
        status = output->write(output->user, head.data, head.length, error);
    mur_buffer_free(&head);
    if (status == MUR_OK)
        status = write_frames(job, output, pixel_bytes, error);
    if (status == MUR_OK)
        status = output->end(output->user, error);
    return status;
}

static enum mur_status check_options(const struct mur_seg_options *options, struct mur_error *error)
{
    if (options->source == NULL || options->file_count == 0 || options->segment_count == 0)
        return mur_error_set(error, MUR_INVALID,
                             "a segmentation needs an image series, label maps and segments");
    for (size_t index = 0; index < options->segment_count; index++) {
        const struct mur_label_segment *segment = &options->segments[index];
        if (segment->segment.label == NULL || segment->segment.label[0] == '\0')
            return mur_error_set(error, MUR_INVALID, "segment %zu has no label text", index + 1);
        if (segment->file >= options->file_count)
            return mur_error_set(error, MUR_INVALID, "segment \"%s\" names no file",
                                 segment->segment.label);
    }
    return MUR_OK;
}

static void job_free(struct job *job)
{
    while (job->arena != NULL) {
        struct block *next = job->arena->next;
        free(job->arena);
        job->arena = next;
    }
    free(job->frames);
    free(job->codes);
    mur_xxh128_free(job->digest);
    mur_sha256_free(job->voxel_digest);
    mur_original_free(&job->original);
    mur_buffer_free(&job->content);
}

enum mur_status mur_labels_to_seg(struct mur_seg_report *report,
                                  const struct mur_seg_options *options,
                                  const struct mur_output *output, struct mur_error *error)
{
    enum mur_status status = check_options(options, error);
    if (status != MUR_OK)
        return status;
    struct job job = {.options = options, .source = options->source, .content = MUR_BUFFER_INIT};
    job.report.warnings = report->warnings;
    job.report.segment_count = options->segment_count;
    job.report.segments = calloc(options->segment_count, sizeof *job.report.segments);
    if (job.report.segments == NULL)
        status = mur_error_no_memory(error);
    if (status == MUR_OK)
        status = read_files(&job, error);
    if (status == MUR_OK)
        status = number_segments(&job, error);
    if (status == MUR_OK) {
        qsort(job.frames, job.frame_count, sizeof *job.frames, compare_frames);
        status = write_object(&job, output, error);
    }
    if (status == MUR_OK) {
        *report = job.report;
    } else {
        report->warnings = job.report.warnings;
        job.report.warnings = (struct mur_warnings)MUR_WARNINGS_INIT;
        mur_seg_report_free(&job.report);
    }
    job_free(&job);
    return status;
}

/* ---- what a map holds -------------------------------------------------------------------------
 */

static enum mur_status count_labels(uint64_t counts[CODES], const struct label_file *file,
                                    struct mur_error *error)
{
    const struct mur_nifti_header *header = file->header;
    size_t count = (size_t)header->dims[0] * header->dims[1];
    for (uint32_t slice = 0; slice < header->dims[2]; slice++) {
        const void *voxels = NULL;
        enum mur_status status = mur_nifti_read_slice(&voxels, file->nifti, 0, slice, error);
        if (status != MUR_OK)
            return status;
        for (size_t index = 0; index < count; index++) {
            double value = voxel_value(header, voxels, index);
            if ((entry_of_value(file, value) & (ENTRY_BROKEN | ENTRY_OUTSIDE)) != 0)
                return refuse_voxel(file, voxels, count, slice, error);
            counts[(int32_t)rint(value)]++;
        }
    }
    return MUR_OK;
}

static enum mur_status scan_file(struct mur_label_count out[MUR_LABEL_LIMIT], size_t *count,
                                 struct label_file *file, uint64_t counts[CODES],
                                 struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = mur_nifti_open(&file->nifti, file->path, warnings, error);
    if (status != MUR_OK)
        return status;
    file->header = mur_nifti_header(file->nifti);
    status = count_labels(counts, file, error);
    if (status != MUR_OK)
        return status;
    struct mur_label_count found[MUR_LABEL_LIMIT];
    size_t distinct = 0;
    for (int32_t value = 1; value < CODES; value++) {
        if (counts[value] == 0)
            continue;
        if (distinct == MUR_LABEL_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "%s: more than %d labels: not a label map",
                                 file->path, MUR_LABEL_LIMIT);
        found[distinct++] = (struct mur_label_count){.value = value, .voxels = counts[value]};
    }
    memcpy(out, found, distinct * sizeof *out);
    *count = distinct;
    return MUR_OK;
}

enum mur_status mur_labels_scan(struct mur_label_count out[MUR_LABEL_LIMIT], size_t *count,
                                const char *path, struct mur_warnings *warnings,
                                struct mur_error *error)
{
    struct label_file *file = calloc(1, sizeof *file);
    uint64_t *counts = calloc(CODES, sizeof *counts);
    enum mur_status status = MUR_OK;
    if (file == NULL || counts == NULL) {
        status = mur_error_no_memory(error);
    } else {
        file->path = path;
        status = scan_file(out, count, file, counts, warnings, error);
        mur_nifti_free(file->nifti);
    }
    free(file);
    free(counts);
    return status;
}
