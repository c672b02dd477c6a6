#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "converters/image_planes.h"
#include "core/buffer.h"
#include "core/file.h"
#include "dicom/data_set.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
#include "dicom/transfer_syntax.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pixels are handed out as they lie");

/* How pixels lie that were decoded, which may not be what the file says of the encoded ones. */
struct pixel_layout {
    bool big_endian, byte_pixels, planar, ybr;
};

struct mur_plane_reader {
    const struct mur_image_file *file; /* NULL: none yet */
    int descriptor;                    /* of native pixels */
    struct mur_buffer decoded;         /* of all frames of the file, of others */
    struct pixel_layout layout;
    uint8_t *raw, *plane, *rescaled;
    size_t raw_size, plane_size, rescaled_size;
};

enum mur_status mur_plane_reader_create(struct mur_plane_reader **out, struct mur_error *error)
{
    struct mur_plane_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return mur_error_no_memory(error);
    reader->descriptor = -1;
    reader->decoded.limit = MUR_IMAGE_DECODED_LIMIT;
    *out = reader;
    return MUR_OK;
}

void mur_plane_reader_free(struct mur_plane_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->descriptor >= 0)
        (void)close(reader->descriptor);
    mur_buffer_free(&reader->decoded);
    free(reader->raw);
    free(reader->plane);
    free(reader->rescaled);
    free(reader);
}

/* ---- decoded pixels ------------------------------------------------------------------------- */

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    (void)error;
    struct mur_plane_reader *reader = user;
    int64_t value = 0;
    if (element->depth > 0)
        return MUR_OK;
    if (element->tag == MUR_TAG_PlanarConfiguration && mur_scan_int(&value, element, 0))
        reader->layout.planar = value == 1;
    if (element->tag == MUR_TAG_PhotometricInterpretation)
        reader->layout.ybr = mur_slice_equal(mur_scan_text(element), "YBR_FULL");
    return MUR_OK;
}

static bool is_pixel_data(const struct mur_scan_element *element)
{
    return element->depth == 0 &&
           (element->tag == MUR_TAG_PixelData || element->tag == MUR_TAG_FloatPixelData ||
            element->tag == MUR_TAG_DoubleFloatPixelData);
}

static enum mur_status on_bulk_bytes(void *user, const struct mur_scan_element *element,
                                     const unsigned char *bytes, size_t length,
                                     struct mur_error *error)
{
    struct mur_plane_reader *reader = user;
    if (!is_pixel_data(element))
        return MUR_OK;
    reader->layout.big_endian = element->big_endian;
    reader->layout.byte_pixels = element->vr == MUR_VR_OB;
    return mur_buffer_append(&reader->decoded, bytes, length, error);
}

static const struct mur_scan_events decoding = {.element = on_element, .bulk_bytes = on_bulk_bytes};

static enum mur_status inflate_pixels(struct mur_plane_reader *reader,
                                      const struct mur_image_file *file, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", file->path);
    struct mur_part10 head;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_part10_read(&head, descriptor, file->path, error);
    if (status != MUR_OK)
        return status;
    status = mur_scanner_create(&scanner, head.transfer_syntax, &decoding, reader, error);
    if (status == MUR_OK)
        status = mur_scanner_read(scanner, descriptor, head.offset, file->path, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", file->path);
}

static enum mur_status write_scanner(void *user, const void *bytes, size_t length,
                                     struct mur_error *error)
{
    return mur_scanner_write(user, bytes, length, error);
}

/* The bridge decodes while it writes; what it writes is scanned for its pixels. */
static enum mur_status decode_pixels(struct mur_plane_reader *reader,
                                     const struct mur_image_file *file, struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_dataset_load(&dataset, file->path, MUR_WHOLE, error);
    if (status != MUR_OK)
        return status;
    status = mur_scanner_create(&scanner, mur_uid_ExplicitVRLittleEndian, &decoding, reader, error);
    if (status == MUR_OK)
        status =
            mur_dataset_write(dataset, mur_uid_ExplicitVRLittleEndian,
                              (struct mur_sink){.write = write_scanner, .user = scanner}, error);
    if (status == MUR_UNSUPPORTED || status == MUR_INTERNAL)
        (void)mur_error_prefix(error, "its %s pixels are damaged or of a kind that is not known",
                               mur_transfer_syntax_name(file->transfer_syntax));
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", file->path);
}

static enum mur_status fill_decoded(struct mur_plane_reader *reader,
                                    const struct mur_image_file *file, struct mur_error *error)
{
    uint64_t needed = (uint64_t)mur_image_plane_size(file) * file->plane_count;
    if (needed > MUR_IMAGE_DECODED_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: its pixels take %" PRIu64
                             " bytes when decoded, more than %" PRIu64,
                             file->path, needed, (uint64_t)MUR_IMAGE_DECODED_LIMIT);
    reader->layout = (struct pixel_layout){.planar = file->planar};
    enum mur_status status = file->encapsulated ? decode_pixels(reader, file, error)
                                                : inflate_pixels(reader, file, error);
    if (status == MUR_OK && reader->decoded.length < needed)
        return mur_error_set(error, MUR_PARSE,
                             "%s: cut: %zu bytes of pixels were decoded where %" PRIu64
                             " are needed",
                             file->path, reader->decoded.length, needed);
    return status;
}

static enum mur_status open_file(struct mur_plane_reader *reader, const struct mur_image_file *file,
                                 struct mur_error *error)
{
    if (reader->file == file)
        return MUR_OK;
    reader->file = NULL;
    mur_buffer_clear(&reader->decoded);
    if (reader->descriptor >= 0)
        (void)close(mur_steal_descriptor(&reader->descriptor));
    enum mur_status status = MUR_OK;
    if (file->encapsulated || file->deflated) {
        status = fill_decoded(reader, file, error);
    } else {
        reader->descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
        if (reader->descriptor < 0)
            return mur_error_set_errno(error, errno, "%s", file->path);
        reader->layout = (struct pixel_layout){.big_endian = file->big_endian,
                                               .byte_pixels = file->byte_pixels,
                                               .planar = file->planar,
                                               .ybr = strcmp(file->photometric, "YBR_FULL") == 0};
    }
    if (status == MUR_OK)
        reader->file = file;
    return status;
}

/* ---- one plane ------------------------------------------------------------------------------ */

static enum mur_status make_room(uint8_t **bytes, size_t *size, size_t wanted,
                                 struct mur_error *error)
{
    if (*size >= wanted)
        return MUR_OK;
    free(*bytes);
    *size = 0;
    *bytes = malloc(wanted);
    if (*bytes == NULL)
        return mur_error_no_memory(error);
    *size = wanted;
    return MUR_OK;
}

static enum mur_status read_bytes(const struct mur_plane_reader *reader, uint8_t *out,
                                  uint64_t offset, size_t length, struct mur_error *error)
{
    const struct mur_image_file *file = reader->file;
    if (reader->descriptor < 0) {
        if (offset + length > reader->decoded.length)
            return mur_error_set(error, MUR_PARSE, "%s: its pixels are cut", file->path);
        memcpy(out, reader->decoded.data + offset, length);
        return MUR_OK;
    }
    size_t got = 0;
    enum mur_status status =
        mur_pread_full(&got, reader->descriptor, out, length, (off_t)(file->pixel_offset + offset),
                       file->path, error);
    if (status == MUR_OK && got < length)
        return mur_error_set(error, MUR_PARSE, "%s: was cut while it was read", file->path);
    return status;
}

static void swap_bytes(uint8_t *bytes, size_t count, unsigned size)
{
    if (size == 2) {
        uint16_t *values = (uint16_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = __builtin_bswap16(values[index]);
    } else if (size == 4) {
        uint32_t *values = (uint32_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = __builtin_bswap32(values[index]);
    } else if (size == 8) {
        uint64_t *values = (uint64_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = __builtin_bswap64(values[index]);
    }
}

/* Bytes of a big endian file whose VR is OW stand in pairs, the second one first (PS3.5 Annex D).
 */
static enum mur_status read_paired(const struct mur_plane_reader *reader, uint8_t *out,
                                   uint64_t offset, size_t length, struct mur_error *error)
{
    uint64_t begin = offset & ~UINT64_C(1);
    size_t whole = (size_t)(offset + length + 1 - begin) & ~(size_t)1;
    MUR_AUTO_FREE uint8_t *pairs = malloc(whole);
    if (pairs == NULL)
        return mur_error_no_memory(error);
    pairs[whole - 1] = 0;
    enum mur_status status = read_bytes(reader, pairs, begin, whole, error);
    if (status != MUR_OK)
        return status;
    swap_bytes(pairs, whole / 2, 2);
    memcpy(out, pairs + (offset - begin), length);
    return MUR_OK;
}

/* Takes Bits Stored out of what is allocated, and extends the sign. */
static void take_stored_bits(uint8_t *bytes, size_t count, const struct mur_image_file *file)
{
    unsigned up = file->bits_allocated - 1 - file->high_bit;
    unsigned down = file->bits_allocated - file->bits_stored;
    if (file->bits_allocated == 16 && file->is_signed) {
        int16_t *values = (int16_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = (int16_t)((int16_t)((uint32_t)(uint16_t)values[index] << up) >> down);
    } else if (file->bits_allocated == 16) {
        uint16_t *values = (uint16_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = (uint16_t)((uint16_t)((uint32_t)values[index] << up) >> down);
    } else if (file->bits_allocated == 8 && file->is_signed) {
        int8_t *values = (int8_t *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = (int8_t)((int8_t)((uint32_t)(uint8_t)values[index] << up) >> down);
    } else if (file->bits_allocated == 8) {
        for (size_t index = 0; index < count; index++)
            bytes[index] = (uint8_t)((uint8_t)((uint32_t)bytes[index] << up) >> down);
    } else if (file->is_signed) {
        int32_t *values = (int32_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = (int32_t)((uint32_t)values[index] << up) >> down;
    } else {
        uint32_t *values = (uint32_t *)(void *)bytes;
        for (size_t index = 0; index < count; index++)
            values[index] = values[index] << up >> down;
    }
}

static void interleave(uint8_t *out, const uint8_t *planes, size_t pixels)
{
    for (size_t index = 0; index < pixels; index++)
        for (unsigned sample = 0; sample < 3; sample++)
            out[3 * index + sample] = planes[sample * pixels + index];
}

static uint8_t clamp(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

/* PS3.3 C.7.6.3.1.2 */
static void rgb_of_ybr(uint8_t *pixel, size_t pixels)
{
    for (size_t index = 0; index < pixels; index++, pixel += 3) {
        double y = pixel[0], cb = pixel[1] - 128.0, cr = pixel[2] - 128.0;
        pixel[0] = clamp(y + 1.402 * cr);
        pixel[1] = clamp(y - 0.344136 * cb - 0.714136 * cr);
        pixel[2] = clamp(y + 1.772 * cb);
    }
}

enum mur_status mur_plane_read(const void **out, struct mur_plane_reader *reader,
                               const struct mur_image_file *file, uint32_t frame,
                               struct mur_error *error)
{
    if (frame >= file->plane_count)
        return mur_error_set(error, MUR_INVALID, "%s: frame %" PRIu32 " of %" PRIu32, file->path,
                             frame + 1, file->plane_count);
    enum mur_status status = open_file(reader, file, error);
    size_t size = mur_image_plane_size(file);
    size_t pixels = (size_t)file->rows * file->columns;
    if (status == MUR_OK)
        status = make_room(&reader->plane, &reader->plane_size, size, error);
    if (status != MUR_OK)
        return status;
    uint64_t offset = (uint64_t)frame * size;
    bool paired =
        reader->layout.big_endian && !reader->layout.byte_pixels && file->bits_allocated == 8;
    status = paired ? read_paired(reader, reader->plane, offset, size, error)
                    : read_bytes(reader, reader->plane, offset, size, error);
    if (status != MUR_OK)
        return status;
    if (reader->layout.big_endian && file->bits_allocated > 8)
        swap_bytes(reader->plane, pixels, file->bits_allocated / 8);
    if (file->bits_stored < file->bits_allocated)
        take_stored_bits(reader->plane, pixels, file);
    *out = reader->plane;
    if (file->type != MUR_PIXEL_RGB24)
        return MUR_OK;
    if (reader->layout.planar) {
        status = make_room(&reader->raw, &reader->raw_size, size, error);
        if (status != MUR_OK)
            return status;
        interleave(reader->raw, reader->plane, pixels);
        *out = reader->raw;
    }
    if (reader->layout.ybr)
        rgb_of_ybr(reader->layout.planar ? reader->raw : reader->plane, pixels);
    return MUR_OK;
}

static double stored_value(const void *values, size_t index, enum mur_pixel_type type)
{
    switch (type) {
    case MUR_PIXEL_UINT8:
        return ((const uint8_t *)values)[index];
    case MUR_PIXEL_INT8:
        return ((const int8_t *)values)[index];
    case MUR_PIXEL_INT16:
        return ((const int16_t *)values)[index];
    case MUR_PIXEL_UINT16:
        return ((const uint16_t *)values)[index];
    case MUR_PIXEL_INT32:
        return ((const int32_t *)values)[index];
    case MUR_PIXEL_UINT32:
        return ((const uint32_t *)values)[index];
    case MUR_PIXEL_FLOAT32:
        return (double)((const float *)values)[index];
    case MUR_PIXEL_FLOAT64:
        return ((const double *)values)[index];
    case MUR_PIXEL_RGB24:
        break;
    }
    return 0;
}

enum mur_status mur_plane_read_rescaled(const void **out, struct mur_plane_reader *reader,
                                        const struct mur_image_file *file, uint32_t frame,
                                        enum mur_pixel_type type, struct mur_error *error)
{
    const void *stored = NULL;
    if (file->type == MUR_PIXEL_RGB24)
        return mur_error_set(error, MUR_UNSUPPORTED, "%s: colour is not rescaled", file->path);
    enum mur_status status = mur_plane_read(&stored, reader, file, frame, error);
    size_t pixels = (size_t)file->rows * file->columns;
    if (status == MUR_OK)
        status = make_room(&reader->rescaled, &reader->rescaled_size, pixels * mur_pixel_size(type),
                           error);
    if (status != MUR_OK)
        return status;
    double slope = file->planes[frame].slope, intercept = file->planes[frame].intercept;
    for (size_t index = 0; index < pixels; index++) {
        double value = stored_value(stored, index, file->type) * slope + intercept;
        if (type == MUR_PIXEL_FLOAT32)
            ((float *)(void *)reader->rescaled)[index] = (float)value;
        else
            ((double *)(void *)reader->rescaled)[index] = value;
    }
    *out = reader->rescaled;
    return MUR_OK;
}
