/* Segmentations: header, frames, and the label map that they become, in memory and as files. */
#include "converters/original.h"
#include "converters/seg_grid.h"
#include "converters/seg_reader.h"
#include "converters/seg_to_labels.h"
#include "converters/seg_volume.h"
#include "fuzz.h"

enum { FRAMES = 16, VOXEL_LIMIT = 1 << 20, SLICE_LIMIT = 1 << 12, SLICES = 64 };

static void look_at_frames(struct mur_seg_reader *reader)
{
    const struct mur_seg_info *info = mur_seg_reader_info(reader);
    struct mur_error error = MUR_ERROR_INIT;
    size_t pixels = (size_t)info->rows * info->columns;
    MUR_AUTO_FREE uint64_t *mask = malloc(mur_seg_mask_size(reader) + 8);
    MUR_AUTO_FREE uint16_t *values = calloc(pixels + 1, sizeof *values);
    fuzz_check(mask != NULL && values != NULL, "no memory");
    for (size_t i = 0; i < info->frame_count && i < FRAMES; i++) {
        fuzz_check(info->kind == MUR_SEG_LABELMAP || info->frames[i].segment < info->segment_count,
                   "frame %zu is of no segment", i);
        if (info->kind != MUR_SEG_LABELMAP)
            fuzz_check_status(mur_seg_read_mask(mask, reader, i, 0.5, &error), &error);
        if (info->bits_allocated != 1)
            fuzz_check_status(mur_seg_read_values(values, reader, i, &error), &error);
    }
}

static void look_at_original(const struct mur_seg_info *info)
{
    struct mur_original original = {.header_length = 0};
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_original_get(&original, info->head, &error);
    fuzz_check_status(status, &error);
    fuzz_check(original.header_length <= sizeof original.header, "longer than its place");
    mur_original_free(&original);
}

static void lay_on_grid(struct mur_seg_reader *reader, struct mur_warnings *warnings)
{
    MUR_AUTO(mur_seg_volume) *volume = NULL;
    struct mur_volume_geometry grid;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_seg_own_grid(&grid, mur_seg_reader_info(reader), warnings, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK || (uint64_t)grid.dims[0] * grid.dims[1] * grid.dims[2] > VOXEL_LIMIT)
        return;
    const struct mur_seg_volume_options options = {.overlap = MUR_SEG_LAYERS};
    status = mur_seg_volume_create(&volume, reader, &grid, &options, warnings, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    unsigned sum = 0;
    size_t length = (size_t)grid.dims[0] * grid.dims[1] * mur_seg_volume_voxel_size(volume);
    for (uint32_t layer = 0; layer < mur_seg_volume_layers(volume) && layer < 4; layer++) {
        for (uint32_t slice = 0; slice < grid.dims[2] && slice < FRAMES; slice++) {
            const void *voxels = NULL;
            status = mur_seg_volume_slice(&voxels, volume, layer, slice, &error);
            fuzz_check_status(status, &error);
            for (size_t i = 0; status == MUR_OK && i < length; i++)
                sum += ((const uint8_t *)voxels)[i];
        }
    }
    fuzz_check(sum < UINT32_MAX, "the sum is used");
}

/* A grid that is made up of two frames can be large: then we want an end. */
static void stop_when_long(void *user, uint64_t done, uint64_t total, const char *what)
{
    (void)total;
    (void)what;
    *(bool *)user = done > SLICES;
}

/* The whole way to files. The last bytes of the input choose the options. */
static void write_label_map(const char *path, const struct mur_seg_info *info, const uint8_t *data,
                            size_t size)
{
    if ((uint64_t)info->rows * info->columns > SLICE_LIMIT || size < 2)
        return;
    const char *folder = fuzz_folder();
    char output[128], table[128], itksnap[128];
    bool compressed = (data[size - 1] & 1) != 0, stop = false;
    (void)snprintf(output, sizeof output, "%s/labels.nii%s", folder, compressed ? ".gz" : "");
    (void)snprintf(table, sizeof table, "%s/labels.json", folder);
    (void)snprintf(itksnap, sizeof itksnap, "%s/labels.txt", folder);
    const uint16_t first = data[size - 2];
    const struct mur_seg_to_labels_options options = {
        .volume = {.overlap = (enum mur_seg_overlap)(data[size - 1] / 2 % 3),
                   .priority = &first,
                   .priority_count = 1,
                   .numbers = (data[size - 1] & 64) != 0 ? MUR_SEG_SEGMENT_NUMBERS
                                                         : MUR_SEG_ORIGINAL_NUMBERS},
        .plain = (data[size - 1] & 128) != 0,
        .itksnap = itksnap,
        .cancelled = &stop,
        .progress = {.update = stop_when_long, .user = &stop},
    };
    MUR_AUTO_SEG_TO_LABELS_REPORT struct mur_seg_to_labels_report report =
        MUR_SEG_TO_LABELS_REPORT_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_seg_to_labels(&report, path, output, &options, &error);
    fuzz_check_status(status, &error);
    bool done = status == MUR_OK;
    fuzz_check(mur_file_exists(output) == done && mur_file_exists(table) == done &&
                   mur_file_exists(itksnap) == done,
               "status %d, and not all files or not none", (int)status);
    (void)unlink(output);
    (void)unlink(table);
    (void)unlink(itksnap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MUR_AUTO(mur_seg_reader) *reader = NULL;
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    char path[256];
    (void)snprintf(path, sizeof path, "%s", fuzz_file("input.dcm", data, size));
    enum mur_status status = mur_seg_reader_open(&reader, path, &warnings, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    const struct mur_seg_info *info = mur_seg_reader_info(reader);
    if ((uint64_t)info->rows * info->columns > VOXEL_LIMIT)
        return 0;
    look_at_original(info);
    look_at_frames(reader);
    lay_on_grid(reader, &warnings);
    write_label_map(path, info, data, size);
    return 0;
}
