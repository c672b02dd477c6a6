/* Slices of a NIfTI file as single-frame images. */
#include <stdlib.h>
#include <string.h>

#include "converters/conversion.h"
#include "core/beside.h"
#include "core/buffer.h"
#include "core/own.h"
#include "dicom/transfer_syntax.h"

/* Slices of a volume that one thread writes. */
struct slice_writer {
    struct mur_conversion *c;
    const struct mur_conversion_part *part;
    const struct mur_common_head *heads; /* of the first instance of a part, and of the others */
    struct mur_output output;
    struct mur_nifti *nifti;
    uint32_t instances_before; /* those of other parts */
    uint32_t volume, first, end;
    struct mur_buffer head;
    uint8_t *pixels; /* of one slice */
    uint64_t bytes;  /* of all Data Sets */
    enum mur_status status;
    struct mur_error error;
};

#define TURN_ROWS(type)                                                                            \
    do {                                                                                           \
        for (size_t row_ = 0; row_ < rows; row_++) {                                               \
            const type *from_ = (const type *)voxels + row_ * columns;                             \
            type *to_ = (type *)out + (order->flip_j ? rows - 1 - row_ : row_) * columns;          \
            for (size_t column_ = 0; column_ < columns; column_++)                                 \
                to_[column_] = from_[order->flip_i ? columns - 1 - column_ : column_];             \
        }                                                                                          \
    } while (0)

struct three_bytes {
    uint8_t bytes[3];
};

void mur_turn_slice(void *out, const void *voxels, size_t columns, size_t rows, size_t size,
                    const struct mur_voxel_order *order)
{
    if (!order->flip_i && !order->flip_j)
        memcpy(out, voxels, columns * rows * size);
    else if (size == 2)
        TURN_ROWS(uint16_t);
    else if (size == 3)
        TURN_ROWS(struct three_bytes);
    else if (size == 4)
        TURN_ROWS(uint32_t);
    else if (size == 8)
        TURN_ROWS(uint64_t);
}

static void reverse(uint16_t *row, size_t count)
{
    for (size_t index = 0; index < count / 2; index++) {
        uint16_t kept = row[index];
        row[index] = row[count - 1 - index];
        row[count - 1 - index] = kept;
    }
}

/* Alpha was found to be 255 everywhere. */
static void drop_alpha(uint8_t *out, const uint8_t *voxels, size_t count)
{
    for (size_t index = 0; index < count; index++)
        memcpy(out + 3 * index, voxels + 4 * index, 3);
}

/* Pixels of a slice in the order of the series; borrowed from @p voxels or @p writer. */
static const void *arrange_slice(const struct slice_writer *writer, const void *voxels)
{
    const struct mur_conversion *c = writer->c;
    const struct mur_value_scan *scan = writer->part->scan;
    size_t columns = c->header->dims[0], rows = c->header->dims[1];
    const struct mur_voxel_order *order = &c->report.order;
    if (c->header->samples == 4) {
        uint8_t *plain = writer->pixels + columns * rows * 3; /* beside the turned ones */
        drop_alpha(plain, voxels, columns * rows);
        voxels = plain;
    }
    if (scan == NULL || mur_value_scan_is_identity(scan)) {
        if (!order->flip_i && !order->flip_j && scan != NULL)
            return voxels;
        mur_turn_slice(writer->pixels, voxels, columns, rows, scan != NULL ? 2 : 3, order);
        return writer->pixels;
    }
    uint16_t *pixels = (uint16_t *)(void *)writer->pixels;
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *from = (const uint8_t *)voxels + row * columns * c->header->voxel_size;
        uint16_t *to = pixels + (order->flip_j ? rows - 1 - row : row) * columns;
        mur_value_scan_apply(to, scan, from, columns);
        if (order->flip_i)
            reverse(to, columns);
    }
    return writer->pixels;
}

static double location_of(const struct mur_volume_geometry *geometry, uint32_t slice)
{
    double normal[3], at[3], along = 0;
    mur_geometry_normal(normal, geometry);
    mur_geometry_position(at, geometry, 0, 0, slice);
    for (unsigned axis = 0; axis < 3; axis++)
        along += normal[axis] * at[axis];
    return along;
}

static enum mur_status write_slice(struct slice_writer *writer, uint32_t slice,
                                   struct mur_error *error)
{
    struct mur_conversion *c = writer->c;
    const struct mur_source_series *series = writer->part->series;
    const struct mur_output *output = &writer->output;
    uint32_t slices = c->header->dims[2];
    uint32_t index = (writer->volume - writer->part->first) * slices + slice;
    bool colour = c->form == MUR_PIXELS_COLOUR;
    size_t pixel_bytes = mur_conversion_slice_voxels(c) * (colour ? 3 : 2);
    pixel_bytes += pixel_bytes % 2; /* the buffer has a NUL there */
    const struct mur_slice_elements elements = {
        .sop_instance = series->instances[index],
        .instance_number = (uint64_t)index + 1,
        .position = series->planes[slice].position,
        .location_mm = location_of(&series->geometry, slice),
        .pixel_vr = colour ? "OB" : "OW",
        .pixel_bytes = (uint32_t)pixel_bytes,
    };
    const void *voxels = NULL;
    enum mur_status status =
        mur_slice_head_make(&writer->head, &writer->heads[index == 0 ? 0 : 1], &elements, error);
    if (status == MUR_OK)
        status = mur_conversion_read(&voxels, c, writer->nifti, writer->volume,
                                     mur_conversion_file_slice(c, slice), error);
    if (status != MUR_OK)
        return status;
    const struct mur_made_instance instance = {
        .sop_class = series->sop_class,
        .sop_instance = elements.sop_instance,
        .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
        .study_instance = series->study_instance,
        .series_instance = series->series_instance,
        .number = writer->instances_before + index + 1,
        .count = c->plan.volumes * slices,
        .data_set_length = writer->head.length + pixel_bytes,
    };
    writer->bytes += instance.data_set_length;
    status = output->begin(output->user, &instance, error);
    if (status == MUR_OK)
        status = output->write(output->user, writer->head.data, writer->head.length, error);
    if (status == MUR_OK)
        status = output->write(output->user, arrange_slice(writer, voxels), pixel_bytes, error);
    return status == MUR_OK ? output->end(output->user, error) : status;
}

static void write_slices(void *user)
{
    struct slice_writer *writer = user;
    for (uint32_t slice = writer->first; writer->status == MUR_OK && slice < writer->end; slice++)
        writer->status = write_slice(writer, slice, &writer->error);
}

/* Every thread has its own. */
static enum mur_status make_writer(struct slice_writer *out, const struct slice_writer *common,
                                   const struct mur_output *output, struct mur_error *error)
{
    const struct mur_conversion *c = common->c;
    /* Of colour one slice as it is beside the turned one, and a NUL for an odd length. */
    size_t size = c->form == MUR_PIXELS_COLOUR ? 6 : 2;
    *out = *common;
    out->output = *output;
    out->pixels = calloc(1, mur_conversion_slice_voxels(c) * size + 1);
    return out->pixels == NULL ? mur_error_no_memory(error) : MUR_OK;
}

static void free_writer(struct slice_writer *writer)
{
    mur_buffer_free(&writer->head);
    free(writer->pixels);
}

/* The upper half of the slices on another thread, if there is a second writer. */
static enum mur_status write_volume(struct slice_writer writers[2], uint32_t volume,
                                    struct mur_error *error)
{
    const struct mur_conversion *c = writers[0].c;
    uint32_t slices = c->header->dims[2];
    bool both = writers[1].pixels != NULL;
    MUR_AUTO(mur_nifti) *nifti = NULL;
    enum mur_status status = mur_nifti_hold(c->nifti, volume, error);
    if (status == MUR_OK && both)
        status = mur_nifti_open_again(&nifti, c->nifti, error);
    if (status != MUR_OK)
        return status;
    writers[0].nifti = c->nifti;
    writers[1].nifti = nifti;
    writers[0].volume = writers[1].volume = volume;
    writers[0].end = writers[1].first = both ? slices / 2 : slices;
    writers[1].end = slices;
    struct mur_beside *beside = both ? mur_beside_start(write_slices, &writers[1]) : NULL;
    write_slices(&writers[0]);
    mur_beside_wait(beside);
    for (unsigned index = 0; index < 2; index++)
        if (writers[index].status != MUR_OK) {
            if (error != NULL)
                *error = writers[index].error;
            return writers[index].status;
        }
    return MUR_OK;
}

/* Encodes what the slices of a volume share; of a part's first volume also with the original
 * header. */
static enum mur_status encode_heads(struct mur_conversion *c, struct mur_conversion_part *part,
                                    struct mur_common_head heads[2], uint32_t volume,
                                    struct mur_error *error)
{
    struct mur_put put = {.dataset = c->dataset, .status = MUR_OK, .error = error};
    mur_volume_put(&put, &c->plan, &c->clock, &c->voxels, volume);
    enum mur_status status = put.status;
    if (status == MUR_OK && volume == part->first) {
        status = mur_conversion_put_original(c, part, error);
        if (status == MUR_OK)
            status = mur_common_head_encode(&heads[0], c->dataset, error);
        if (status == MUR_OK)
            status = mur_conversion_remove_original(c, error);
    }
    return status == MUR_OK ? mur_common_head_encode(&heads[1], c->dataset, error) : status;
}

static bool is_worth_a_thread(const struct mur_conversion *c, const struct mur_output *output)
{
    uint64_t bytes = (uint64_t)mur_conversion_slice_voxels(c) * 2 * c->header->dims[2];
    return c->options->two_threads && output->second != NULL && bytes >= MUR_CONVERSION_BESIDE;
}

static enum mur_status make_writers(struct slice_writer writers[2], struct mur_conversion *c,
                                    const struct mur_conversion_part *part,
                                    const struct mur_common_head heads[2],
                                    const struct mur_output *output, struct mur_error *error)
{
    const struct slice_writer common = {.c = c,
                                        .part = part,
                                        .heads = heads,
                                        .instances_before = c->report.instances,
                                        .head = MUR_BUFFER_INIT,
                                        .error = MUR_ERROR_INIT};
    enum mur_status status = make_writer(&writers[0], &common, output, error);
    if (status != MUR_OK || !is_worth_a_thread(c, output))
        return status;
    struct mur_output second;
    status = output->second(&second, output->user, error);
    return status == MUR_OK ? make_writer(&writers[1], &common, &second, error) : status;
}

enum mur_status mur_conversion_write_images(struct mur_conversion *c,
                                            struct mur_conversion_part *part,
                                            const struct mur_output *output,
                                            struct mur_error *error)
{
    struct mur_common_head heads[2] = {MUR_COMMON_HEAD_INIT, MUR_COMMON_HEAD_INIT};
    struct slice_writer writers[2] = {{.pixels = NULL}, {.pixels = NULL}};
    enum mur_status status = mur_conversion_identify_part(c, part, 0, error);
    if (status == MUR_OK)
        status = mur_dataset_put_string(c->dataset, MUR_TAG_SeriesInstanceUID, MUR_VR_UI,
                                        part->series->series_instance, error);
    if (status == MUR_OK)
        status = make_writers(writers, c, part, heads, output, error);
    for (uint32_t volume = part->first; status == MUR_OK && volume < part->first + part->count;
         volume++) {
        status = encode_heads(c, part, heads, volume, error);
        if (status == MUR_OK)
            status = write_volume(writers, volume, error);
    }
    c->report.instances += part->count * c->header->dims[2];
    c->report.bytes += writers[0].bytes + writers[1].bytes;
    for (unsigned index = 0; index < 2; index++) {
        free_writer(&writers[index]);
        mur_common_head_free(&heads[index]);
    }
    return status;
}
