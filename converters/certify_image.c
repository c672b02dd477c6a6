/* A NIfTI file against the DICOM images: places first, then voxel by voxel. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/certify_internal.h"
#include "converters/certify_values.h"
#include "converters/image_stacks.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/own.h"

enum { LISTED_FILES = 8, PROBED_SLICES = 3 };

/* A stack, and where voxels of the NIfTI file are in it. */
struct part {
    const struct mur_image_stack *stack;
    struct mur_grid_map map;
    uint32_t first; /* its first volume, in the NIfTI file */
};

struct check {
    const struct mur_certify_job *job;
    struct mur_certificate *out;
    struct mur_nifti *nifti;
    const struct mur_nifti_header *header;
    struct mur_volume_geometry grid; /* of the NIfTI file */
    struct mur_image_set *set;
    struct mur_plane_reader *reader;
    struct part *parts;
    size_t part_count;
    struct mur_value_check *values; /* of the part that is looked at */
    size_t slice_voxels;
    uint8_t *turned; /* a slice of pixels in the order of the NIfTI file */
    uint8_t *held;   /* a volume of pixels, where axes are permuted */
    const struct mur_image_stack *held_stack;
    uint32_t held_volume;
};

static void check_free(struct check *c)
{
    mur_nifti_free(c->nifti);
    mur_plane_reader_free(c->reader);
    mur_image_set_free(c->set);
    mur_value_check_free(c->values);
    free(c->parts);
    free(c->turned);
    free(c->held);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* Slices that lie otherwise than the first one: that is why they make no one volume. */
static enum mur_status name_odd_files(const struct check *c, struct mur_error *error)
{
    const struct mur_image_file *first = mur_image_set_file(c->set, 0);
    size_t count = mur_image_set_file_count(c->set), odd = 0;
    enum mur_status status = MUR_OK;
    bool first_is_odd = false;
    for (unsigned pass = 0; status == MUR_OK && pass < 2; pass++) {
        odd = 0;
        const struct mur_image_plane *usual =
            &(first_is_odd ? mur_image_set_file(c->set, 1) : first)->planes[0];
        for (size_t index = 0; status == MUR_OK && index < count; index++) {
            const struct mur_image_file *file = mur_image_set_file(c->set, index);
            double off = 0;
            for (unsigned part = 0; part < 6; part++)
                off = fmax(off, fabs(file->planes[0].orientation[part] - usual->orientation[part]));
            if (!(off > 1e-4))
                continue;
            odd++;
            if (pass > 0 && odd <= LISTED_FILES)
                status = mur_certificate_fail(
                    c->out, error,
                    "%s: its Image Orientation (Patient) (0020,0037) is not that of the others",
                    mur_path_base(file->path));
        }
        first_is_odd = odd > count / 2;
    }
    return status;
}

/* @p map tells where the corners are. */
static double corner_error_mm(const struct mur_volume_geometry *grid,
                              const struct mur_volume_geometry *other,
                              const struct mur_grid_map *map)
{
    double largest = 0;
    for (unsigned corner = 0; corner < 8; corner++) {
        double here[3], there[3], at[3], index[3];
        for (unsigned axis = 0; axis < 3; axis++) {
            double last = grid->dims[axis] - 1.0;
            at[axis] = (corner >> axis & 1) != 0 ? last : 0;
            index[map->axis[axis]] = map->flip[axis] ? last - at[axis] : at[axis];
        }
        mur_geometry_position(here, grid, at[0], at[1], at[2]);
        mur_geometry_position(there, other, index[0], index[1], index[2]);
        double square = 0;
        for (unsigned row = 0; row < 3; row++)
            square += (here[row] - there[row]) * (here[row] - there[row]);
        largest = fmax(largest, sqrt(square));
    }
    return largest;
}

/* Where the grids would be the same with one direction turned, says which one. */
static const char *reversed_direction(const struct mur_volume_geometry *grid,
                                      const struct mur_volume_geometry *other)
{
    static const char *const names[3] = {"its rows run", "its columns run", "its slices follow"};
    for (unsigned axis = 0; axis < 3; axis++) {
        struct mur_volume_geometry turned = *other;
        struct mur_grid_map map;
        double *directions[3] = {turned.row_dir_lps, turned.column_dir_lps, turned.slice_dir_lps};
        for (unsigned row = 0; row < 3; row++)
            directions[axis][row] = -directions[axis][row];
        if (mur_geometry_match(&map, grid, &turned, NULL) == MUR_OK)
            return names[axis];
    }
    return NULL;
}

/* Every slice by itself: one that is a little off would not show in the corners. */
static enum mur_status check_planes(const struct check *c, const struct mur_image_stack *stack,
                                    struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    uint32_t slices = stack->geometry.dims[2];
    for (size_t index = 0; status == MUR_OK && index < (size_t)slices * stack->volumes; index++) {
        const struct mur_image_plane *plane = stack->planes[index];
        double at[3], square = 0;
        mur_geometry_position(at, &stack->geometry, 0, 0, (double)(index % slices));
        for (unsigned row = 0; row < 3; row++)
            square += (at[row] - plane->position[row]) * (at[row] - plane->position[row]);
        if (sqrt(square) > MUR_CERTIFICATE_CORNER_LIMIT_MM)
            status = mur_certificate_fail(
                c->out, error, "%s: Image Position (Patient) (0020,0032) lies %.3g mm off the grid",
                mur_path_base(mur_image_set_file(c->set, plane->file)->path), sqrt(square));
    }
    return status;
}

static enum mur_status place_part(struct check *c, struct part *part, struct mur_error *error)
{
    struct mur_error why = MUR_ERROR_INIT;
    const struct mur_volume_geometry *other = &part->stack->geometry;
    if (mur_geometry_match(&part->map, &c->grid, other, &why) != MUR_OK) {
        const char *turned = reversed_direction(&c->grid, other);
        const char *series = mur_image_stack_first(c->set, part->stack)->series_instance;
        c->out->placed = false;
        if (turned != NULL)
            return mur_certificate_fail(c->out, error,
                                        "series %s: %s against the direction that they should",
                                        series, turned);
        return mur_certificate_fail(c->out, error, "series %s: it is not on the grid of %s: %s",
                                    series, c->out->files[0], why.message);
    }
    if ((part->stack->type == MUR_PIXEL_RGB24) != (c->header->samples > 1)) {
        c->out->placed = false;
        return mur_certificate_fail(c->out, error, "one of them is in colour, the other one not");
    }
    double off = corner_error_mm(&c->grid, other, &part->map);
    c->out->corner_error_mm = fmax(c->out->corner_error_mm, off);
    enum mur_status status = check_planes(c, part->stack, error);
    if (status == MUR_OK && !(off <= MUR_CERTIFICATE_CORNER_LIMIT_MM))
        status = mur_certificate_fail(
            c->out, error, "a corner of the volume lies %.3g mm from where it should", off);
    return status;
}

static enum mur_status choose_way(struct check *c, struct mur_error *error)
{
    const struct mur_volume_geometry *other = &c->parts[0].stack->geometry;
    struct mur_grid_map map;
    for (unsigned way = 0; way < MUR_CERTIFY_WAYS; way++) {
        if (mur_nifti_geometry(&c->grid, c->nifti, &mur_certify_ways[way], NULL, NULL) == MUR_OK &&
            mur_geometry_match(&map, &c->grid, other, NULL) == MUR_OK)
            return MUR_OK;
    }
    return mur_nifti_geometry(&c->grid, c->nifti, &mur_certify_ways[0], NULL, error);
}

static enum mur_status place_parts(struct check *c, struct mur_error *error)
{
    size_t count = mur_image_set_stack_count(c->set);
    uint32_t volumes = 0;
    c->parts = calloc(count, sizeof *c->parts);
    if (c->parts == NULL)
        return mur_error_no_memory(error);
    c->part_count = count;
    for (size_t index = 0; index < count; index++) {
        c->parts[index].stack = mur_image_set_stack(c->set, index);
        c->parts[index].first = volumes;
        volumes += c->parts[index].stack->volumes;
    }
    enum mur_status status = choose_way(c, error);
    c->out->placed = true;
    c->out->corner_limit_mm = MUR_CERTIFICATE_CORNER_LIMIT_MM;
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status = place_part(c, &c->parts[index], error);
    if (status == MUR_OK && volumes != c->header->volumes) {
        status = mur_certificate_fail(c->out, error, "%" PRIu32 " volumes where %s has %" PRIu32,
                                      volumes, c->out->files[0], c->header->volumes);
        if (status == MUR_OK)
            status = name_odd_files(c, error);
    }
    return status;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static enum mur_status hold_volume(struct check *c, const struct mur_image_stack *stack,
                                   uint32_t volume, struct mur_error *error)
{
    size_t size = mur_image_stack_slice_size(stack);
    if (c->held != NULL && c->held_stack == stack && c->held_volume == volume)
        return MUR_OK;
    if (size > MUR_NIFTI_HELD_LIMIT / stack->geometry.dims[2])
        return mur_error_set(error, MUR_LIMIT,
                             "axes are permuted, and a volume is too large to be held in memory");
    free(c->held);
    c->held = malloc(size * stack->geometry.dims[2]);
    if (c->held == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (uint32_t slice = 0; status == MUR_OK && slice < stack->geometry.dims[2]; slice++) {
        const void *pixels = NULL;
        status = mur_image_stack_read(&pixels, c->reader, c->set, stack, volume, slice, error);
        if (status == MUR_OK)
            memcpy(c->held + slice * size, pixels, size);
    }
    c->held_stack = status == MUR_OK ? stack : NULL;
    c->held_volume = volume;
    return status;
}

/* The pixels of a slice of the NIfTI file, in its order. @param[out] out  borrowed */
static enum mur_status read_turned(const uint8_t **out, struct check *c, const struct part *part,
                                   uint32_t volume, uint32_t slice, struct mur_error *error)
{
    const struct mur_image_stack *stack = part->stack;
    const struct mur_grid_map *map = &part->map;
    const uint32_t *dims = stack->geometry.dims;
    size_t size = mur_pixel_size(stack->type);
    const ptrdiff_t strides[3] = {1, dims[0], (ptrdiff_t)dims[0] * dims[1]};
    const void *pixels = NULL;
    enum mur_status status = MUR_OK;
    ptrdiff_t at = 0, steps[3];
    for (unsigned axis = 0; axis < 3; axis++) {
        steps[axis] = strides[map->axis[axis]];
        if (map->flip[axis]) {
            at += steps[axis] * (ptrdiff_t)(c->header->dims[axis] - 1);
            steps[axis] = -steps[axis];
        }
    }
    if (map->axis[2] == 2) {
        uint32_t there = map->flip[2] ? dims[2] - 1 - slice : slice;
        status = mur_image_stack_read(&pixels, c->reader, c->set, stack, volume, there, error);
        at -= map->flip[2] ? strides[2] * (ptrdiff_t)(dims[2] - 1) : 0;
    } else {
        status = hold_volume(c, stack, volume, error);
        pixels = c->held;
        at += (ptrdiff_t)slice * steps[2];
    }
    if (status != MUR_OK)
        return status;
    size_t columns = c->header->dims[0], rows = c->header->dims[1];
    const uint8_t *from = pixels;
    if (steps[0] == 1 && steps[1] == (ptrdiff_t)columns) {
        *out = from + at * (ptrdiff_t)size;
        return MUR_OK;
    }
    for (size_t row = 0; row < rows; row++)
        mur_gather_pixels(c->turned + row * columns * size,
                          from + (at + (ptrdiff_t)row * steps[1]) * (ptrdiff_t)size, columns,
                          steps[0], size);
    *out = c->turned;
    return MUR_OK;
}

/* Where a voxel is in the DICOM files, for people. */
static enum mur_status note_slice(struct check *c, const struct part *part, uint32_t volume,
                                  uint32_t slice, const struct mur_value_difference *difference,
                                  struct mur_error *error)
{
    const struct mur_grid_map *map = &part->map;
    uint32_t columns = c->header->dims[0];
    const uint32_t voxel[3] = {(uint32_t)(difference->first % columns),
                               (uint32_t)(difference->first / columns), slice};
    uint32_t there[3] = {0, 0, 0};
    for (unsigned axis = 0; axis < 3; axis++)
        there[map->axis[axis]] =
            map->flip[axis] ? c->header->dims[axis] - 1 - voxel[axis] : voxel[axis];
    const struct mur_image_stack *stack = part->stack;
    const struct mur_image_plane *plane =
        stack->planes[(size_t)volume * stack->geometry.dims[2] + there[2]];
    const struct mur_image_file *file = mur_image_set_file(c->set, plane->file);
    char which[64] = "";
    if (c->header->volumes > 1)
        (void)snprintf(which, sizeof which, " of volume %" PRIu32, part->first + volume);
    return mur_certificate_fail(
        c->out, error,
        "slice k=%" PRIu32 "%s: %" PRIu64 " voxels differ, the first at (%" PRIu32 ", %" PRIu32
        ", %" PRIu32 "): %.9g in the NIfTI file, %.9g in instance %s, frame %" PRIu32
        ", row %" PRIu32 ", column %" PRIu32 " (%s)",
        slice, which, difference->count, voxel[0], voxel[1], voxel[2], difference->plain,
        difference->dicom, file->sop_instance, plane->frame + 1, there[1] + 1, there[0] + 1,
        mur_path_base(file->path));
}

/* ---- voxels ---------------------------------------------------------------------------------- */

static enum mur_status begin_part(struct check *c, const struct part *part, struct mur_error *error)
{
    mur_value_check_free(c->values);
    c->values = NULL;
    const struct mur_image_stack *stack = part->stack;
    const struct mur_image_file *file = mur_image_stack_first(c->set, stack);
    const struct mur_value_sides sides = {
        .plain = c->header,
        .type = stack->type,
        .slope = stack->slope,
        .intercept = stack->intercept,
        .has_padding = file->has_padding,
        .padding = file->padding,
        .plain_is_original = !c->out->original_is_dicom,
    };
    enum mur_status status = mur_value_check_create(&c->values, &sides, error);
    if (status == MUR_OK) {
        free(c->turned);
        c->turned = malloc(c->slice_voxels * mur_pixel_size(stack->type));
        if (c->turned == NULL)
            status = mur_error_no_memory(error);
    }
    return status;
}

static enum mur_status finish_digest(char out[MUR_SHA256_TEXT_SIZE], struct mur_sha256 *digest,
                                     struct mur_error *error)
{
    uint8_t bytes[MUR_SHA256_SIZE];
    enum mur_status status = mur_sha256_finish(bytes, digest, error);
    if (status == MUR_OK)
        mur_hex_write(out, bytes, sizeof bytes);
    return status;
}

/* Digest of the images as voxels of the NIfTI file. @param[out] whole  all of them could be such */
static enum mur_status digest_images(char out[MUR_SHA256_TEXT_SIZE], bool *whole, struct check *c,
                                     struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    size_t size = c->slice_voxels * c->header->voxel_size;
    uint32_t slices = c->header->dims[2];
    uint64_t done = 0, total = (uint64_t)c->header->volumes * slices;
    *whole = true;
    for (size_t index = 0; status == MUR_OK && index < c->part_count; index++) {
        const struct part *part = &c->parts[index];
        status = begin_part(c, part, error);
        for (uint32_t at = 0; status == MUR_OK && at < part->stack->volumes * slices; at++) {
            const uint8_t *pixels = NULL;
            const void *voxels = NULL;
            bool fit = false;
            status = mur_certify_go_on(c->job, done++, total, error);
            if (status == MUR_OK)
                status = read_turned(&pixels, c, part, at / slices, at % slices, error);
            if (status == MUR_OK)
                status = mur_value_check_convert(&voxels, &fit, c->values, pixels, c->slice_voxels,
                                                 error);
            if (status == MUR_OK)
                status = mur_sha256_update(digest, voxels, size, error);
            *whole = *whole && fit;
        }
    }
    return status == MUR_OK ? finish_digest(out, digest, error) : status;
}

static enum mur_status compare_part(struct check *c, const struct part *part,
                                    struct mur_sha256 *digest, struct mur_error *error)
{
    uint32_t slices = c->header->dims[2];
    uint64_t total = (uint64_t)c->header->volumes * slices;
    enum mur_status status = begin_part(c, part, error);
    for (uint32_t at = 0; status == MUR_OK && at < part->stack->volumes * slices; at++) {
        const uint8_t *pixels = NULL;
        const void *voxels = NULL;
        struct mur_value_difference difference = {.count = 0};
        uint32_t volume = at / slices, slice = at % slices;
        status = mur_certify_go_on(c->job, (uint64_t)part->first * slices + at, total, error);
        if (status == MUR_OK && slice == 0 && part->map.axis[2] != 2)
            status = hold_volume(c, part->stack, volume, error);
        if (status == MUR_OK) {
            status = mur_nifti_read_slice(&voxels, c->nifti, part->first + volume, slice, error);
            if (status != MUR_OK &&
                mur_certify_finding(c->job, c->out->original_is_dicom, error) != MUR_OK)
                return error->status;
            if (status != MUR_OK)
                return MUR_OK; /* the rest cannot be read either */
        }
        if (status == MUR_OK)
            status =
                mur_sha256_update(digest, voxels, c->slice_voxels * c->header->voxel_size, error);
        if (status == MUR_OK) {
            status = read_turned(&pixels, c, part, volume, slice, error);
            if (status != MUR_OK &&
                mur_certify_finding(c->job, !c->out->original_is_dicom, error) != MUR_OK)
                return error->status;
            if (status != MUR_OK) {
                status = MUR_OK;
                continue;
            }
        }
        if (status == MUR_OK)
            status = mur_value_check_compare(&difference, c->values, voxels, pixels,
                                             c->slice_voxels, error);
        if (status == MUR_OK && difference.count > 0)
            status = note_slice(c, part, volume, slice, &difference, error);
        c->out->differing += difference.count;
        c->out->voxels += status == MUR_OK ? c->slice_voxels : 0;
    }
    const struct mur_value_verdict *verdict =
        c->values != NULL ? mur_value_check_verdict(c->values) : NULL;
    if (status != MUR_OK || verdict == NULL)
        return status;
    c->out->exact = c->out->exact && verdict->exact;
    c->out->error_bound = fmax(c->out->error_bound, verdict->bound);
    c->out->largest_error = fmax(c->out->largest_error, verdict->largest);
    c->out->not_finite += verdict->not_finite;
    return MUR_OK;
}

static enum mur_status compare_all(struct check *c, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    unsigned plain = c->out->original_is_dicom ? MUR_SIDE_CONVERTED : MUR_SIDE_ORIGINAL;
    c->out->exact = true;
    enum mur_status status = mur_sha256_create(&digest, error);
    for (size_t index = 0; status == MUR_OK && index < c->part_count; index++)
        status = compare_part(c, &c->parts[index], digest, error);
    uint64_t all = (uint64_t)c->slice_voxels * c->header->dims[2] * c->header->volumes;
    if (status != MUR_OK || c->out->voxels != all)
        return status;
    status = finish_digest(c->out->sha256[plain], digest, error);
    if (status == MUR_OK && c->out->exact && c->out->differing == 0) {
        memcpy(c->out->sha256[1 - plain], c->out->sha256[plain], MUR_SHA256_TEXT_SIZE);
        return MUR_OK;
    }
    bool whole = false;
    char text[MUR_SHA256_TEXT_SIZE];
    if (status == MUR_OK)
        status = digest_images(text, &whole, c, error);
    if (status == MUR_OK && whole)
        memcpy(c->out->sha256[1 - plain], text, sizeof text);
    return status;
}

/* Where the digest of the original's voxels is known, only what was made of them is read.
 * @param[out] same  nothing else need be looked at */
static enum mur_status compare_digest(bool *same, struct check *c, struct mur_error *error)
{
    const char *known = c->job->options->voxels;
    char text[MUR_SHA256_TEXT_SIZE];
    bool whole = false;
    *same = false;
    if (known == NULL || c->out->original_is_dicom)
        return MUR_OK;
    for (size_t index = 0; index < c->part_count; index++) {
        enum mur_status status = begin_part(c, &c->parts[index], error);
        if (status != MUR_OK)
            return status;
        if (!mur_value_check_verdict(c->values)->exact)
            return MUR_OK;
    }
    if (digest_images(text, &whole, c, error) != MUR_OK)
        return error->status == MUR_CANCELLED || error->status == MUR_NO_MEMORY ? error->status
                                                                                : MUR_OK;
    if (!whole || strcmp(text, known) != 0)
        return MUR_OK;
    *same = true;
    c->out->exact = true;
    c->out->voxels = (uint64_t)c->slice_voxels * c->header->dims[2] * c->header->volumes;
    for (unsigned side = 0; side < MUR_CERTIFICATE_SIDES; side++)
        memcpy(c->out->sha256[side], text, sizeof text);
    return MUR_OK;
}

/* ---- all together ---------------------------------------------------------------------------- */

static enum mur_status open_images(struct check *c, struct mur_error *error)
{
    const struct mur_certify_job *job = c->job;
    enum mur_status status = mur_image_set_create(&c->set, error);
    for (size_t index = 0; status == MUR_OK && index < job->dicom_count; index++)
        status = mur_image_set_add(c->set, job->dicom[index], job->options->series, job->warnings,
                                   error);
    if (status == MUR_OK)
        status = mur_plane_reader_create(&c->reader, error);
    if (status != MUR_OK)
        return status;
    c->out->instances = (uint32_t)mur_image_set_file_count(c->set);
    if (c->out->instances > 0) {
        const struct mur_image_file *file = mur_image_set_file(c->set, 0);
        memcpy(c->out->study_instance, file->study_instance, sizeof file->study_instance);
        memcpy(c->out->series_instance, file->series_instance, sizeof file->series_instance);
        memcpy(c->out->sop_class, file->sop_class, sizeof file->sop_class);
    }
    status = mur_image_set_arrange(c->set, &(struct mur_stack_options){.allow_gaps = false},
                                   job->warnings, error);
    if (status == MUR_OK || c->out->instances == 0)
        return status;
    struct mur_error odd = MUR_ERROR_INIT;
    return name_odd_files(c, &odd) == MUR_OK ? status
                                             : mur_error_set(error, odd.status, "%s", odd.message);
}

static enum mur_status open_nifti(struct check *c, struct mur_error *error)
{
    enum mur_status status =
        mur_nifti_open_image(&c->nifti, c->job->plain[0], c->job->warnings, error);
    if (status != MUR_OK)
        return status;
    c->header = mur_nifti_header(c->nifti);
    c->slice_voxels = (size_t)c->header->dims[0] * c->header->dims[1];
    c->out->type_name = c->header->type_name;
    memcpy(c->out->dims, c->header->dims, sizeof c->out->dims);
    c->out->volumes = c->header->volumes;
    return MUR_OK;
}

static enum mur_status run(struct check *c, struct mur_error *error)
{
    bool same = false;
    enum mur_status status = open_nifti(c, error);
    if (status != MUR_OK)
        return mur_certify_finding(c->job, c->out->original_is_dicom, error);
    status = open_images(c, error);
    if (status != MUR_OK)
        return mur_certify_finding(c->job, !c->out->original_is_dicom, error);
    status = place_parts(c, error);
    if (status != MUR_OK)
        return mur_certify_finding(c->job, c->out->original_is_dicom, error);
    uint32_t volumes = 0;
    for (size_t index = 0; index < c->part_count; index++)
        volumes += c->parts[index].stack->volumes;
    if (!c->out->placed || volumes != c->header->volumes)
        return MUR_OK; /* what is compared with what is not known */
    status = compare_digest(&same, c, error);
    return status == MUR_OK && !same ? compare_all(c, error) : status;
}

enum mur_status mur_certify_image(const struct mur_certify_job *job, struct mur_error *error)
{
    struct check c = {.job = job, .out = job->out};
    enum mur_status status = run(&c, error);
    check_free(&c);
    return status;
}
