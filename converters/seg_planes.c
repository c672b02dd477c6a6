/* The frames of a segmentation painted into slices of its grid. */
#include <inttypes.h>
#include <string.h>

#include "converters/seg_volume_internal.h"

/* 0xFF in each byte whose bit is set. */
static uint64_t spread_bits(unsigned bits)
{
    uint64_t spread = (bits * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    spread = ((spread + UINT64_C(0x7F7F7F7F7F7F7F7F)) | spread) & UINT64_C(0x8080808080808080);
    return (spread >> 7) * 0xFF;
}

static void paint_bytes(uint8_t *out, const uint64_t *mask, size_t words, uint8_t value)
{
    uint64_t values = value * UINT64_C(0x0101010101010101);
    for (size_t index = 0; index < words; index++) {
        if (mask[index] == 0)
            continue;
        uint8_t *at = out + index * 64;
        if (mask[index] == UINT64_MAX) {
            memset(at, value, 64);
            continue;
        }
        for (unsigned byte = 0; byte < 8; byte++) {
            uint64_t here, spread = spread_bits((unsigned)(mask[index] >> 8 * byte & 0xFF));
            memcpy(&here, at + 8 * byte, sizeof here);
            here = (here & ~spread) | (values & spread);
            memcpy(at + 8 * byte, &here, sizeof here);
        }
    }
}

static void paint_words(uint8_t *out, const uint64_t *mask, size_t words, uint16_t value)
{
    for (size_t index = 0; index < words; index++)
        for (uint64_t bits = mask[index]; bits != 0; bits &= bits - 1) {
            size_t pixel = index * 64 + (size_t)__builtin_ctzll(bits);
            memcpy(out + 2 * pixel, &value, sizeof value);
        }
}

static enum mur_status paint_values(struct mur_seg_volume *volume, uint32_t layer, uint32_t frame,
                                    struct mur_error *error)
{
    enum mur_status status = mur_seg_read_values(volume->values, volume->reader, frame, error);
    if (status != MUR_OK)
        return status;
    for (size_t index = 0; index < volume->pixels; index++) {
        uint16_t pixel = volume->values[index];
        uint16_t value = volume->layer_of[pixel] == layer ? volume->label_of[pixel] : 0;
        if (volume->voxel_size == 1)
            volume->plane[index] = (uint8_t)value;
        else
            memcpy(volume->plane + 2 * index, &value, sizeof value);
    }
    return MUR_OK;
}

/* All frames of a layer on one plane, in their own order of pixels. @param[out] empty  none */
static enum mur_status paint_plane(struct mur_seg_volume *volume, uint32_t layer, uint32_t slice,
                                   bool *empty, struct mur_error *error)
{
    uint32_t first = volume->begins[slice], end = volume->begins[slice + 1];
    *empty = true;
    memset(volume->plane, 0, volume->words * 64 * volume->voxel_size);
    for (uint32_t at = end; at-- > first;) { /* the first one wins */
        uint32_t frame = volume->order[at];
        enum mur_status status = MUR_OK;
        if (mur_seg_is_label_map(volume)) {
            status = paint_values(volume, layer, frame, error);
        } else {
            const struct mur_seg_label *label =
                &volume->labels[volume->info->frames[frame].segment];
            if (label->layer != layer)
                continue;
            status =
                mur_seg_read_mask(volume->mask, volume->reader, frame, volume->threshold, error);
            if (status == MUR_OK && volume->voxel_size == 1)
                paint_bytes(volume->plane, volume->mask, volume->words, (uint8_t)label->value);
            else if (status == MUR_OK)
                paint_words(volume->plane, volume->mask, volume->words, label->value);
        }
        if (status != MUR_OK)
            return status;
        *empty = false;
    }
    return MUR_OK;
}

static void reverse_bytes(uint8_t *out, const uint8_t *from, size_t count)
{
    size_t index = 0;
    for (; index + 8 <= count; index += 8) {
        uint64_t word;
        memcpy(&word, from + count - 8 - index, sizeof word);
        word = __builtin_bswap64(word);
        memcpy(out + index, &word, sizeof word);
    }
    for (; index < count; index++)
        out[index] = from[count - 1 - index];
}

/* Lays the plane into the slice, or the layer, at @p out. */
static void lay_plane(uint8_t *out, const struct mur_seg_volume *volume, ptrdiff_t base)
{
    const struct mur_seg_placement *placement = &volume->placement;
    const uint32_t *dims = volume->grid.dims;
    const ptrdiff_t strides[3] = {1, dims[0], (ptrdiff_t)dims[0] * dims[1]};
    size_t rows = volume->info->rows, columns = volume->info->columns, size = volume->voxel_size;
    ptrdiff_t step = strides[placement->axis[0]], row_step = strides[placement->axis[1]];
    base += placement->start[0] * step + placement->start[1] * row_step;
    if (placement->flip[0])
        step = -step;
    if (placement->flip[1])
        row_step = -row_step;
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *from = volume->plane + row * columns * size;
        ptrdiff_t at = base + (ptrdiff_t)row * row_step;
        if (step == 1) {
            memcpy(out + at * (ptrdiff_t)size, from, columns * size);
        } else if (step == -1 && size == 1) {
            reverse_bytes(out + at - ((ptrdiff_t)columns - 1), from, columns);
        } else {
            for (size_t column = 0; column < columns; column++, at += step)
                memcpy(out + at * (ptrdiff_t)size, from + column * size, size);
        }
    }
}

static enum mur_status hold_layer(struct mur_seg_volume *volume, uint32_t layer,
                                  struct mur_error *error)
{
    const uint32_t *dims = volume->grid.dims;
    unsigned axis = volume->placement.axis[2];
    ptrdiff_t stride = axis == 0 ? 1 : dims[0]; /* frames lie across: the axis is not the last */
    memset(volume->slice, 0, (size_t)dims[0] * dims[1] * dims[2] * volume->voxel_size);
    volume->held_layer = -1;
    for (uint32_t slice = 0; slice < dims[axis]; slice++) {
        bool empty = true;
        enum mur_status status = paint_plane(volume, layer, slice, &empty, error);
        if (status != MUR_OK)
            return status;
        if (!empty)
            lay_plane(volume->slice, volume, (ptrdiff_t)slice * stride);
    }
    volume->held_layer = layer;
    return MUR_OK;
}

enum mur_status mur_seg_volume_slice(const void **out, struct mur_seg_volume *volume,
                                     uint32_t layer, uint32_t slice, struct mur_error *error)
{
    const uint32_t *dims = volume->grid.dims;
    size_t slice_size = (size_t)dims[0] * dims[1] * volume->voxel_size;
    if (layer >= volume->layers || slice >= dims[2])
        return mur_error_set(error, MUR_INVALID, "no slice %" PRIu32 " in layer %" PRIu32, slice,
                             layer);
    if (volume->placement.axis[2] != 2) {
        enum mur_status status =
            volume->held_layer == layer ? MUR_OK : hold_layer(volume, layer, error);
        if (status == MUR_OK)
            *out = volume->slice + slice * slice_size;
        return status;
    }
    bool empty = true;
    enum mur_status status = paint_plane(volume, layer, slice, &empty, error);
    if (status != MUR_OK)
        return status;
    const struct mur_seg_placement *placement = &volume->placement;
    if (placement->axis[0] == 0 && !placement->flip[0] && !placement->flip[1] &&
        volume->info->columns == dims[0] && volume->info->rows == dims[1]) {
        *out = volume->plane;
        return MUR_OK;
    }
    if (empty ||
        volume->info->columns * (uint64_t)volume->info->rows != (uint64_t)dims[0] * dims[1])
        memset(volume->slice, 0, slice_size);
    if (!empty)
        lay_plane(volume->slice, volume, 0);
    *out = volume->slice;
    return MUR_OK;
}
