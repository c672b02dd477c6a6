/* Reads the files of a conversion into frames or planes. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "converters/label_bits.h"
#include "converters/label_resample.h"
#include "converters/labels_internal.h"
#include "converters/remedy.h"

/* One file while it is read. */
struct reading {
    struct mur_label_job *job;
    size_t index; /* of the options' files */
    struct mur_label_map *map;
    const struct mur_label_map_header *header;
    struct mur_label_layer **layers; /* of each layer: one of its own, or the common one */
    struct mur_label_layer *common;
    struct mur_grid_map grid;
    struct mur_label_steps steps;
    ptrdiff_t slice_step;
    bool whole; /* its slices are not planes of the target: a volume is needed */
    bool resample;
    struct mur_label_resampler resampler;
};

/* ---- what values mean -------------------------------------------------------------------------
 */

static enum mur_status add_segment(struct mur_label_layer *layer, bool *any, size_t index,
                                   const struct mur_label_segment *segment, const char *path,
                                   struct mur_error *error)
{
    uint16_t *entries = layer->table.entries;
    if (segment->value < 0 || segment->value > MUR_LABEL_LARGEST)
        return mur_error_set(error, MUR_INVALID,
                             "segment \"%s\": label value %" PRId64 "; 1 to %d are possible",
                             segment->segment.label, segment->value, MUR_LABEL_LARGEST);
    if (layer->code_count == MUR_LABEL_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: more than %d labels", path, MUR_LABEL_LIMIT);
    bool taken =
        segment->value == MUR_LABEL_ANY ? layer->code_count > 0 : entries[segment->value] % 256 > 0;
    if (*any || taken)
        return mur_error_set(error, MUR_INVALID,
                             "segment \"%s\": another one has the same voxels of %s",
                             segment->segment.label, path);
    uint16_t code = (uint16_t)++layer->code_count;
    layer->segments[code] = (uint32_t)index;
    *any = segment->value == MUR_LABEL_ANY;
    if (!*any)
        entries[segment->value] = code;
    for (uint32_t value = 1; *any && value < MUR_LABEL_VALUES; value++)
        entries[value] = code;
    return MUR_OK;
}

/* @param[in] number  of the layer, from 1; 0: only what lies in any of them */
static enum mur_status make_layer(struct mur_label_layer **out, const struct reading *reading,
                                  uint32_t number, struct mur_error *error)
{
    const struct mur_seg_options *options = reading->job->options;
    uint16_t unlisted = options->ignore_unlisted ? 0 : MUR_ENTRY_UNLISTED;
    MUR_AUTO_FREE struct mur_label_layer *layer = calloc(1, sizeof *layer);
    if (layer == NULL)
        return mur_error_no_memory(error);
    for (uint32_t value = 1; value < MUR_LABEL_VALUES; value++)
        layer->table.entries[value] = unlisted;
    bool any = false;
    for (size_t index = 0; index < options->segment_count; index++) {
        const struct mur_label_segment *segment = &options->segments[index];
        if (segment->file != reading->index || (segment->layer != 0 && segment->layer != number))
            continue;
        enum mur_status status =
            add_segment(layer, &any, index, segment, options->files[reading->index], error);
        if (status != MUR_OK)
            return status;
    }
    mur_label_byte_entries(layer->byte_entries, &layer->table, reading->header);
    for (unsigned code = 1; code <= layer->code_count; code++)
        layer->code_entries[code] = (uint16_t)code;
    *out = MUR_STEAL(layer);
    return MUR_OK;
}

static enum mur_status make_layers(struct reading *reading, struct mur_error *error)
{
    const struct mur_seg_options *options = reading->job->options;
    const char *path = options->files[reading->index];
    uint32_t count = reading->header->layers;
    MUR_AUTO_FREE bool *own = calloc((size_t)count + 1, sizeof *own);
    reading->layers = calloc(count, sizeof *reading->layers);
    if (own == NULL || reading->layers == NULL)
        return mur_error_no_memory(error);
    size_t named = 0;
    for (size_t index = 0; index < options->segment_count; index++) {
        const struct mur_label_segment *segment = &options->segments[index];
        if (segment->file != reading->index)
            continue;
        if (segment->layer > count)
            return mur_error_set(error, MUR_INVALID,
                                 "segment \"%s\": %s has %" PRIu32
                                 " layers, none is number %" PRIu32,
                                 segment->segment.label, path, count, segment->layer);
        own[segment->layer] = true;
        named++;
    }
    if (named == 0)
        return mur_error_set(error, MUR_INVALID, "%s: no segment names it", path);
    enum mur_status status = make_layer(&reading->common, reading, 0, error);
    for (uint32_t layer = 0; status == MUR_OK && layer < count; layer++) {
        reading->layers[layer] = reading->common;
        if (own[layer + 1])
            status = make_layer(&reading->layers[layer], reading, layer + 1, error);
    }
    return status;
}

/* ---- where voxels go --------------------------------------------------------------------------
 */

static enum mur_status keep_own_grid(struct reading *reading,
                                     const struct mur_volume_geometry *voxels,
                                     const struct mur_error *why, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    struct mur_voxel_order order;
    const char *path = mur_label_map_path(reading->map);
    if (mur_geometry_for_series(&job->target, &order, voxels, MUR_FLIP_FOR_DISPLAY, error) !=
        MUR_OK)
        return mur_error_prefix(error, "%s", path);
    reading->grid = (struct mur_grid_map){.axis = {0, 1, 2},
                                          .flip = {order.flip_i, order.flip_j, order.reverse_k}};
    job->report.own_grid = true;
    return mur_warn(&job->report.warnings, error,
                    "%s does not lie on the grid of the image (%s): the segmentation keeps its own "
                    "grid, which some viewers refuse",
                    path, why->message);
}

static enum mur_status resample(struct reading *reading, const struct mur_volume_geometry *voxels,
                                const struct mur_error *why, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    const char *path = mur_label_map_path(reading->map);
    if (mur_label_resampler_init(&reading->resampler, &job->target, voxels, error) != MUR_OK)
        return mur_error_prefix(error, "%s", path);
    reading->resample = true;
    job->report.resampled = true;
    return mur_warn(&job->report.warnings, error,
                    "%s does not lie on the grid of the image (%s): each voxel of the image gets "
                    "the nearest label",
                    path, why->message);
}

static enum mur_status place(struct reading *reading, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    struct mur_volume_geometry voxels;
    struct mur_error why = MUR_ERROR_INIT;
    const char *path = mur_label_map_path(reading->map);
    enum mur_status status = mur_label_map_geometry(
        &voxels, reading->map, &job->options->orientation, &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    bool first = reading->index == 0;
    if (first)
        job->target = job->source->geometry;
    status = mur_geometry_match(&reading->grid, &job->target, &voxels, &why);
    if (status != MUR_OK && job->options->other_grid == MUR_OTHER_GRID_NEAREST)
        status = resample(reading, &voxels, &why, error);
    else if (status != MUR_OK && first)
        status = keep_own_grid(reading, &voxels, &why, error);
    else if (status != MUR_OK)
        return mur_error_offer(
            error,
            mur_error_set(error, status,
                          "%s does not lie on the grid of %s: %s. Both can be resampled to the "
                          "nearest label of each voxel of the image",
                          path, job->report.own_grid ? job->options->files[0] : "the image",
                          why.message),
            MUR_REMEDY_RESAMPLE);
    else
        job->report.grid_error_voxels =
            fmax(job->report.grid_error_voxels, reading->grid.error_voxels);
    job->frame_pixels = (size_t)job->target.dims[0] * job->target.dims[1];
    job->plane_size = (job->frame_pixels + 7) / 8 * 8;
    return status;
}

static void find_steps(struct reading *reading)
{
    const struct mur_label_job *job = reading->job;
    const struct mur_grid_map *grid = &reading->grid;
    if (reading->resample) { /* as it lies */
        const uint32_t *dims = reading->header->dims;
        reading->steps = (struct mur_label_steps){.step = {1, dims[0]}};
        reading->slice_step = (ptrdiff_t)dims[0] * (ptrdiff_t)dims[1];
        reading->whole = true;
        return;
    }
    reading->whole = grid->axis[2] != 2;
    const ptrdiff_t unit[3] = {1, (ptrdiff_t)job->target.dims[0], (ptrdiff_t)job->plane_size};
    ptrdiff_t steps[3] = {0, 0, 0};
    for (unsigned axis = 0; axis < 3; axis++) {
        if (axis == 2 && !reading->whole)
            continue; /* one slice at a time */
        ptrdiff_t step = unit[axis];
        if (grid->flip[axis]) {
            reading->steps.origin += step * ((ptrdiff_t)job->target.dims[axis] - 1);
            step = -step;
        }
        steps[grid->axis[axis]] = step;
    }
    memcpy(reading->steps.step, steps, sizeof reading->steps.step);
    reading->slice_step = steps[2];
}

/* A plane of codes, or as many bytes as a volume needs. */
static enum mur_status reserve_codes(const struct reading *reading, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    uint64_t size = job->plane_size;
    if (reading->resample)
        size = (uint64_t)reading->slice_step * reading->header->dims[2];
    else if (reading->whole)
        size *= job->target.dims[2];
    if (reading->whole && size > MUR_NIFTI_HELD_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: its slices are not those of the image, and it is too large to be "
                             "turned in memory",
                             mur_label_map_path(reading->map));
    if (job->codes_size >= size)
        return MUR_OK;
    free(job->codes);
    job->codes = calloc((size_t)size, 1);
    job->codes_size = job->codes == NULL ? 0 : (size_t)size;
    return job->codes == NULL ? mur_error_no_memory(error) : MUR_OK;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* What is no background in a mask is mostly of one value; the way back wants to know it. */
static void note_mask_value(struct mur_label_job *job, const struct mur_label_map_header *header,
                            const void *voxels)
{
    size_t count = (size_t)header->dims[0] * header->dims[1];
    for (size_t index = 0; index < count && !job->mask_mixed; index++) {
        double value = mur_label_value_at(header, voxels, index);
        if (value == 0 || value == job->mask_value)
            continue;
        job->mask_mixed = job->mask_value != 0;
        job->mask_value = value;
    }
}

static enum mur_status read_slice(const void **voxels, const struct reading *reading,
                                  uint32_t layer, uint32_t slice, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    const struct mur_label_map_header *header = reading->header;
    if (job->options->cancelled != NULL &&
        __atomic_load_n(job->options->cancelled, __ATOMIC_RELAXED))
        return mur_error_set(error, MUR_CANCELLED, "%s: stopped by request",
                             mur_label_map_path(reading->map));
    enum mur_status status = mur_label_map_read_slice(voxels, reading->map, layer, slice, error);
    if (status != MUR_OK)
        return status;
    size_t bytes = (size_t)header->dims[0] * header->dims[1] * header->voxel_size;
    mur_xxh128_update(job->digest, *voxels, bytes);
    if (job->voxel_digest == NULL)
        return MUR_OK;
    if (job->options->segment_count == 1 && job->options->segments[0].value == MUR_LABEL_ANY)
        note_mask_value(job, header, *voxels);
    return mur_sha256_update(job->voxel_digest, *voxels, bytes, error);
}

static enum mur_status encode_slice(const struct reading *reading, uint8_t *out, const void *voxels,
                                    uint32_t layer, uint32_t slice, struct mur_error *error)
{
    const struct mur_label_table *table = &reading->layers[layer]->table;
    uint16_t flags = mur_label_encode(out, &reading->steps, reading->header, table, voxels);
    return flags == 0 ? MUR_OK : mur_label_refuse(reading->map, table, voxels, layer, slice, error);
}

/* A slice that is a plane of the target. */
static enum mur_status take_slice(const struct reading *reading, uint32_t layer, uint32_t slice,
                                  struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    const struct mur_label_layer *meaning = reading->layers[layer];
    const uint16_t *entries = meaning->byte_entries;
    const void *voxels = NULL;
    enum mur_status status = read_slice(&voxels, reading, layer, slice, error);
    if (status != MUR_OK)
        return status;
    /* Beyond the last pixel stand zeros, which must mean nothing. */
    bool narrow =
        entries[0] == 0 && mur_label_narrow(job->codes, &reading->steps, reading->header, voxels);
    if (!narrow) {
        entries = meaning->code_entries;
        status = encode_slice(reading, job->codes, voxels, layer, slice, error);
    }
    bool present[MUR_BYTE_VALUES];
    if (status == MUR_OK)
        mur_bytes_present(present, job->codes, job->plane_size);
    for (unsigned byte = 0; status == MUR_OK && narrow && byte < MUR_BYTE_VALUES; byte++)
        if (present[byte] && (entries[byte] & ~MUR_ENTRY_CODE) != 0)
            status = mur_label_refuse(reading->map, &meaning->table, voxels, layer, slice, error);
    if (status != MUR_OK)
        return status;
    uint32_t plane = reading->grid.flip[2] ? reading->header->dims[2] - 1 - slice : slice;
    return mur_label_planes_add(job, meaning, plane, job->codes, present, entries, error);
}

/* Gives the pages of a plane of codes back: as planes go, frames come. What is read there now is
 * zero; the next layer writes all of it anew. */
static void release_plane(const struct mur_label_job *job, uint32_t plane)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)job->codes + page - 1; /* ours from its first whole page on */
    uintptr_t begin = (uintptr_t)job->codes + plane * job->plane_size;
    uintptr_t end = begin + job->plane_size;
    begin = (begin > first ? begin : first) / page * page;
    end = end / page * page;
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Planes of a volume of codes that was read whole. */
static enum mur_status take_planes(const struct reading *reading, uint32_t layer,
                                   struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    const struct mur_label_layer *meaning = reading->layers[layer];
    MUR_AUTO_FREE uint8_t *plane = reading->resample ? calloc(job->plane_size, 1) : NULL;
    if (reading->resample && plane == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint32_t k = 0; status == MUR_OK && k < job->target.dims[2]; k++) {
        bool present[MUR_BYTE_VALUES];
        uint8_t *bytes = plane != NULL ? plane : job->codes + k * job->plane_size;
        if (plane != NULL)
            mur_label_resample_plane(plane, &reading->resampler, job->codes, k);
        mur_bytes_present(present, bytes, job->plane_size);
        status =
            mur_label_planes_add(job, meaning, k, bytes, present, meaning->code_entries, error);
        if (plane == NULL)
            release_plane(job, k);
    }
    return status;
}

static enum mur_status read_whole(const struct reading *reading, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    enum mur_status status = MUR_OK;
    for (uint32_t layer = 0; status == MUR_OK && layer < reading->header->layers; layer++) {
        for (uint32_t slice = 0; status == MUR_OK && slice < reading->header->dims[2]; slice++) {
            const void *voxels = NULL;
            status = read_slice(&voxels, reading, layer, slice, error);
            if (status == MUR_OK)
                status = encode_slice(reading, job->codes + slice * reading->slice_step, voxels,
                                      layer, slice, error);
        }
        if (status == MUR_OK)
            status = take_planes(reading, layer, error);
    }
    return status;
}

static enum mur_status read_voxels(const struct reading *reading, struct mur_error *error)
{
    const struct mur_label_map_header *header = reading->header;
    enum mur_status status = reserve_codes(reading, error);
    if (status != MUR_OK || reading->whole)
        return status == MUR_OK ? read_whole(reading, error) : status;
    uint32_t outer = header->interleaved ? header->dims[2] : header->layers;
    uint32_t inner = header->interleaved ? header->layers : header->dims[2];
    for (uint32_t a = 0; status == MUR_OK && a < outer; a++)
        for (uint32_t b = 0; status == MUR_OK && b < inner; b++)
            status = take_slice(reading, header->interleaved ? b : a, header->interleaved ? a : b,
                                error);
    return status;
}

/* ---- one file ---------------------------------------------------------------------------------
 */

/* A map that is alone goes along with its header; of several nobody could tell whose it is. */
static enum mur_status take_original(const struct reading *reading, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    bool kept = false;
    if (job->options->file_count > 1 || reading->resample)
        return MUR_OK;
    enum mur_status status = mur_label_map_original(&job->original, &kept, reading->map, error);
    return status == MUR_OK && kept ? mur_sha256_create(&job->voxel_digest, error) : status;
}

static enum mur_status finish_original(const struct reading *reading, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    struct mur_original *original = &job->original;
    if (job->voxel_digest == NULL)
        return MUR_OK;
    for (unsigned axis = 0; axis < 3; axis++)
        original->reversed[reading->grid.axis[axis]] = reading->grid.flip[axis];
    uint64_t header = mur_xxh64_of(original->header, original->header_length);
    uint64_t extensions = mur_xxh64_of(original->extensions, original->extension_length);
    enum mur_status status =
        mur_buffer_append_format(&job->content, error, "%016" PRIx64 " %016" PRIx64 " %s;", header,
                                 extensions, original->file_name);
    return status == MUR_OK ? mur_sha256_finish(original->voxel_digest, job->voxel_digest, error)
                            : status;
}

static uint64_t voxels_so_far(const struct mur_label_job *job)
{
    uint64_t sum = 0;
    for (size_t index = 0; index < job->report.segment_count; index++)
        sum += job->report.segments[index].voxels;
    return sum;
}

/* A file that is given twice, or copied under another name, would become two organs. */
static enum mur_status remember(const struct reading *reading, uint64_t voxels_before,
                                struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    const struct mur_label_map_header *header = reading->header;
    uint8_t *digest = job->digests[reading->index];
    char text[MUR_XXH128_TEXT_SIZE];
    mur_xxh128_finish(digest, job->digest);
    mur_hex_write(text, digest, MUR_XXH128_SIZE);
    for (size_t other = 0; other < reading->index && voxels_so_far(job) > voxels_before; other++)
        if (memcmp(job->digests[other], digest, MUR_XXH128_SIZE) == 0)
            return mur_error_set(error, MUR_MISMATCH, "%s holds the same voxels as %s",
                                 mur_label_map_path(reading->map), job->options->files[other]);
    return mur_buffer_append_format(&job->content, error, "%s %s %a %a;", text, header->type_name,
                                    header->slope, header->intercept);
}

static enum mur_status read_file(struct reading *reading, struct mur_error *error)
{
    struct mur_label_job *job = reading->job;
    uint64_t before = voxels_so_far(job);
    enum mur_status status = mur_label_map_open(&reading->map, job->options->files[reading->index],
                                                &job->report.warnings, error);
    if (status != MUR_OK)
        return status;
    reading->header = mur_label_map_header(reading->map);
    job->layers[reading->index] = reading->header->layers;
    status = make_layers(reading, error);
    if (status == MUR_OK)
        status = place(reading, error);
    if (status == MUR_OK)
        status = mur_label_planes_begin(job, error);
    if (status != MUR_OK)
        return status;
    find_steps(reading);
    mur_xxh128_free(job->digest);
    job->digest = NULL;
    status = mur_xxh128_create(&job->digest, error);
    if (status == MUR_OK)
        status = take_original(reading, error);
    if (status == MUR_OK)
        status = read_voxels(reading, error);
    if (status == MUR_OK)
        status = mur_label_map_check_unchanged(reading->map, error);
    if (status == MUR_OK)
        status = finish_original(reading, error);
    return status == MUR_OK ? remember(reading, before, error) : status;
}

enum mur_status mur_label_files_read(struct mur_label_job *job, struct mur_error *error)
{
    job->digests = calloc(job->options->file_count, sizeof *job->digests);
    job->layers = calloc(job->options->file_count, sizeof *job->layers);
    if (job->digests == NULL || job->layers == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < job->options->file_count; index++) {
        struct reading reading = {.job = job, .index = index};
        status = read_file(&reading, error);
        uint32_t layers = reading.layers == NULL ? 0 : reading.header->layers;
        for (uint32_t layer = 0; layer < layers; layer++)
            if (reading.layers[layer] != reading.common)
                free(reading.layers[layer]);
        free(reading.layers);
        free(reading.common);
        mur_label_map_free(reading.map);
    }
    return status;
}
