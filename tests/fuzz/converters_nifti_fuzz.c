/* NIfTI-1, NIfTI-2 and Analyze: header, grid and voxels of a file that somebody made up. */
#include "converters/nifti.h"
#include "fuzz.h"

enum { SLICES = 8, HELD_LIMIT = 1 << 20 };

/* A gzip stream can stand for far more than its own bytes; the caller says how much it will take,
 * and so do we. */
static bool is_small(const struct mur_nifti_header *header)
{
    return (uint64_t)header->dims[0] * header->dims[1] * header->dims[2] * header->voxel_size <=
           HELD_LIMIT;
}

static void look_at_slices(struct mur_nifti *nifti)
{
    const struct mur_nifti_header *header = mur_nifti_header(nifti);
    struct mur_error error = MUR_ERROR_INIT;
    size_t length = (size_t)header->dims[0] * header->dims[1] * header->voxel_size;
    uint32_t volume = header->volumes - 1;
    unsigned sum = 0;
    if (is_small(header))
        fuzz_check_status(mur_nifti_hold(nifti, volume, &error), &error);
    for (uint32_t slice = 0; slice < header->dims[2] && slice < SLICES; slice++) {
        const void *voxels = NULL;
        enum mur_status status =
            mur_nifti_read_slice(&voxels, nifti, slice % 2 == 0 ? 0 : volume, slice, &error);
        fuzz_check_status(status, &error);
        if (status != MUR_OK)
            return;
        for (size_t i = 0; i < length; i++)
            sum += ((const uint8_t *)voxels)[i];
    }
    fuzz_check(sum < UINT32_MAX, "the sum is used");
}

static void check_file(const char *path)
{
    MUR_AUTO(mur_nifti) *nifti = NULL;
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_nifti_open_image(&nifti, path, &warnings, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    const struct mur_nifti_header *header = mur_nifti_header(nifti);
    for (int i = 0; i < 3; i++)
        fuzz_check(header->dims[i] > 0 && header->dims[i] <= MUR_NIFTI_SIDE_LIMIT, "side %d", i);
    fuzz_check(header->volumes > 0, "no volume");
    const struct mur_orientation_options options = {.prefer_qform = header->raw_length % 2 == 1,
                                                    .analyze_order = MUR_ANALYZE_RAS};
    struct mur_volume_geometry geometry;
    fuzz_check_status(mur_nifti_geometry(&geometry, nifti, &options, &warnings, &error), &error);
    double step_ms = mur_nifti_time_step_ms(header);
    fuzz_check(step_ms - step_ms == 0, "a time step that is not finite");
    look_at_slices(nifti);
    fuzz_check_status(mur_nifti_check_unchanged(nifti, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PAIR_HEADER = 348 };
    bool compressed = size > 2 && data[0] == 0x1F && data[1] == 0x8B;
    check_file(fuzz_file(compressed ? "input.nii.gz" : "input.nii", data, size));
    if (compressed || size < PAIR_HEADER)
        return 0;
    (void)fuzz_file("pair.img", data + PAIR_HEADER, size - PAIR_HEADER);
    check_file(fuzz_file("pair.hdr", data, PAIR_HEADER));
    return 0;
}
