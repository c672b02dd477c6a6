/* NRRD: header, segments of 3D Slicer, and voxels. */
#include "converters/nrrd.h"
#include "fuzz.h"

enum { SLICES = 8 };

static void look_at_slices(struct mur_nrrd *nrrd)
{
    const struct mur_nrrd_header *header = mur_nrrd_header(nrrd);
    size_t length = (size_t)header->dims[0] * header->dims[1] * header->voxel_size;
    unsigned sum = 0;
    for (uint32_t slice = 0; slice < header->dims[2] && slice < SLICES; slice++) {
        const void *voxels = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        uint32_t layer = slice % 2 == 0 ? 0 : header->layers - 1;
        enum mur_status status = mur_nrrd_read_slice(&voxels, nrrd, layer, slice, &error);
        fuzz_check_status(status, &error);
        if (status != MUR_OK)
            return;
        for (size_t i = 0; i < length; i++)
            sum += ((const uint8_t *)voxels)[i];
    }
    fuzz_check(sum < UINT32_MAX, "the sum is used");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    struct mur_nrrd_header header;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_slice text = {.data = (const char *)data, .length = size};
    enum mur_status status = mur_nrrd_header_parse(&header, text, "input", &warnings, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    fuzz_check(header.length <= size, "a header of %zu bytes out of %zu", header.length, size);
    fuzz_check(header.layers > 0 && header.layers <= MUR_NRRD_LAYER_LIMIT, "layers");
    for (size_t i = 0; i < header.segment_count; i++)
        fuzz_check(header.segments[i].name != NULL &&
                       mur_utf8_valid(mur_slice_of(header.segments[i].name)),
                   "the name of segment %zu", i);
    mur_nrrd_header_free(&header);
    MUR_AUTO(mur_nrrd) *nrrd = NULL;
    status = mur_nrrd_open(&nrrd, fuzz_file("input.nrrd", data, size), &warnings, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        look_at_slices(nrrd);
    return 0;
}
