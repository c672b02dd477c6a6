#include "converters/label_map.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "converters/nrrd.h"
#include "core/file.h"

struct mur_label_map {
    struct mur_label_map_header header;
    char *path;
    struct mur_nifti *nifti; /* one of the two */
    struct mur_nrrd *nrrd;
};

/* What cannot be read is none: whoever opens it then says why. */
static bool begins_as_nrrd(const char *path)
{
    char beginning[8];
    size_t got = 0;
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return descriptor >= 0 &&
           mur_pread_full(&got, descriptor, beginning, sizeof beginning, 0, path, NULL) == MUR_OK &&
           mur_is_nrrd((struct mur_slice){.data = beginning, .length = got});
}

static void describe_nifti(struct mur_label_map_header *out, const struct mur_nifti_header *from)
{
    *out = (struct mur_label_map_header){
        .type = from->type,
        .type_name = from->type_name,
        .voxel_size = from->voxel_size,
        .scaled = from->scaled,
        .slope = from->slope,
        .intercept = from->intercept,
        .dims = {from->dims[0], from->dims[1], from->dims[2]},
        .layers = from->volumes,
    };
}

static void describe_nrrd(struct mur_label_map_header *out, const struct mur_nrrd_header *from)
{
    *out = (struct mur_label_map_header){
        .type = from->type,
        .type_name = from->type_name,
        .voxel_size = from->voxel_size,
        .slope = 1,
        .dims = {from->dims[0], from->dims[1], from->dims[2]},
        .layers = from->layers,
        .interleaved = from->interleaved && from->layers > 1,
        .segments = from->segments,
        .segment_count = from->segment_count,
    };
}

enum mur_status mur_label_map_open(struct mur_label_map **out, const char *path,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_label_map) *map = calloc(1, sizeof *map);
    if (map == NULL)
        return mur_error_no_memory(error);
    bool nrrd = begins_as_nrrd(path);
    enum mur_status status = mur_text_copy(&map->path, mur_slice_of(path), error);
    if (status == MUR_OK && nrrd)
        status = mur_nrrd_open(&map->nrrd, path, warnings, error);
    else if (status == MUR_OK)
        status = mur_nifti_open(&map->nifti, path, warnings, error);
    if (status != MUR_OK)
        return status;
    if (nrrd)
        describe_nrrd(&map->header, mur_nrrd_header(map->nrrd));
    else
        describe_nifti(&map->header, mur_nifti_header(map->nifti));
    if (map->header.layers > MUR_LABEL_LAYER_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: %" PRIu32 " volumes; a label map has at most %d layers", path,
                             map->header.layers, MUR_LABEL_LAYER_LIMIT);
    *out = MUR_STEAL(map);
    return MUR_OK;
}

void mur_label_map_free(struct mur_label_map *map)
{
    if (map == NULL)
        return;
    mur_nifti_free(map->nifti);
    mur_nrrd_free(map->nrrd);
    free(map->path);
    free(map);
}

const struct mur_label_map_header *mur_label_map_header(const struct mur_label_map *map)
{
    return &map->header;
}

const char *mur_label_map_path(const struct mur_label_map *map)
{
    return map->path;
}

enum mur_status mur_label_map_geometry(struct mur_volume_geometry *out,
                                       const struct mur_label_map *map,
                                       const struct mur_orientation_options *options,
                                       struct mur_warnings *warnings, struct mur_error *error)
{
    if (map->nifti != NULL)
        return mur_nifti_geometry(out, map->nifti, options, warnings, error);
    *out = mur_nrrd_header(map->nrrd)->geometry;
    return MUR_OK;
}

enum mur_status mur_label_map_read_slice(const void **out, struct mur_label_map *map,
                                         uint32_t layer, uint32_t slice, struct mur_error *error)
{
    return map->nifti != NULL ? mur_nifti_read_slice(out, map->nifti, layer, slice, error)
                              : mur_nrrd_read_slice(out, map->nrrd, layer, slice, error);
}

enum mur_status mur_label_map_check_unchanged(const struct mur_label_map *map,
                                              struct mur_error *error)
{
    return map->nifti != NULL ? mur_nifti_check_unchanged(map->nifti, error)
                              : mur_nrrd_check_unchanged(map->nrrd, error);
}

enum mur_status mur_label_map_original(struct mur_original *out, bool *kept,
                                       const struct mur_label_map *map, struct mur_error *error)
{
    *kept = map->nifti != NULL;
    return *kept ? mur_original_take(out, map->nifti, error) : MUR_OK;
}
