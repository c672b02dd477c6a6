/* The bytes of one frame. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/data_set.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"
#include "web/frames.h"

void mur_pixels_free(struct mur_pixels *pixels)
{
    mur_buffer_free(&pixels->bytes);
}

/* ---- as stored ------------------------------------------------------------------------------- */

static enum mur_status take_fragments(struct mur_body *out, const struct mur_instance *instance,
                                      int descriptor, const struct mur_image *image, uint32_t frame,
                                      struct mur_error *error)
{
    uint32_t begin = image->first[frame];
    size_t count = image->first[frame + 1] - begin;
    MUR_AUTO_BODY struct mur_body body = MUR_BODY_INIT;
    body.runs = calloc(count, sizeof *body.runs);
    if (body.runs == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < count; i++)
        body.runs[i] =
            (struct mur_run){.offset = instance->offset + image->fragments[begin + i].offset,
                             .length = image->fragments[begin + i].length};
    body.run_count = count;
    if (count == 1) {
        body.run = body.runs[0];
        free(body.runs);
        body.runs = NULL;
    }
    body.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (body.descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", instance->sop_instance);
    *out = mur_body_take(&body);
    return MUR_OK;
}

static enum mur_status read_all(struct mur_buffer *out, const struct mur_body *body,
                                struct mur_error *error)
{
    uint64_t length = mur_body_length(body);
    if (length >= SIZE_MAX / 2)
        return mur_error_set(error, MUR_LIMIT, "%" PRIu64 " bytes", length);
    enum mur_status status = mur_buffer_reserve(out, (size_t)length + 1, error);
    for (uint64_t done = 0; status == MUR_OK && done < length;) {
        size_t got = 0;
        status = mur_body_read(&got, body, done, out->data + out->length, (size_t)(length - done),
                               error);
        out->length += got;
        done += got;
        if (status == MUR_OK && got == 0)
            status = mur_error_set(error, MUR_CORRUPT, "a frame ends too early");
    }
    return status;
}

/* Frames of single bits stand one behind the other without regard to bytes (PS3.5 8.1.1). */
static enum mur_status align_bits(struct mur_body *body, unsigned shift, uint64_t bits,
                                  struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = read_all(&bytes, body, error);
    if (status != MUR_OK)
        return status;
    size_t length = (size_t)((bits + 7) / 8);
    unsigned char *data = (unsigned char *)bytes.data;
    for (size_t i = 0; i < length && shift > 0; i++) {
        unsigned next = i + 1 < bytes.length ? data[i + 1] : 0;
        data[i] = (unsigned char)((unsigned)data[i] >> shift | next << (8 - shift));
    }
    if (bits % 8 != 0)
        data[length - 1] &= (unsigned char)((1u << (bits % 8)) - 1);
    bytes.length = length;
    mur_body_free(body);
    body->memory = bytes;
    bytes = (struct mur_buffer)MUR_BUFFER_INIT;
    return MUR_OK;
}

enum mur_status mur_frame_stored(struct mur_body *out, const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, int descriptor,
                                 const struct mur_image *image, uint32_t frame,
                                 struct mur_error *error)
{
    if (image->encapsulated)
        return take_fragments(out, instance, descriptor, image, frame, error);
    uint64_t from = image->frame_bits * frame;
    uint64_t to = from + image->frame_bits;
    unsigned width = mur_vr_info(image->pixel_vr)->width;
    /* Bytes in words are swapped with them: whole words are needed. */
    uint64_t begin = from / 8 - from / 8 % width;
    uint64_t end = (to + 7) / 8;
    end += (width - end % width) % width;
    if (end > image->length)
        end = image->length;
    bool aligned = from % 8 == 0 && to % 8 == 0;
    bool words = (mur_transfer_syntax_flags(instance->transfer_syntax) & MUR_TS_BIG_ENDIAN) != 0;
    if (!words) {
        begin = from / 8;
        end = (to + 7) / 8;
    }
    const struct mur_run run = {.offset = image->offset + begin, .length = end - begin};
    MUR_AUTO_BODY struct mur_body body = MUR_BODY_INIT;
    enum mur_status status =
        mur_wado_value(&body, exchange, instance, descriptor, &run, width, error);
    if (status == MUR_OK && (!aligned || begin != from / 8 || end != to / 8)) {
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        status = read_all(&bytes, &body, error);
        size_t skipped = (size_t)(from / 8 - begin);
        if (status == MUR_OK && skipped > 0) {
            memmove(bytes.data, bytes.data + skipped, bytes.length - skipped);
            bytes.length -= skipped;
        }
        if (status == MUR_OK) {
            mur_body_free(&body);
            body.memory = bytes;
            bytes = (struct mur_buffer)MUR_BUFFER_INIT;
            status = align_bits(&body, (unsigned)(from % 8), image->frame_bits, error);
        }
    }
    if (status == MUR_OK)
        *out = mur_body_take(&body);
    return status;
}

/* ---- decoded --------------------------------------------------------------------------------- */

uint64_t mur_frame_memory(const struct mur_image *image)
{
    uint64_t pixels =
        (uint64_t)image->rows * image->columns * image->samples * ((image->bits_allocated + 7) / 8);
    uint64_t coded = 0;
    if (image->encapsulated)
        for (uint32_t frame = 0; frame < image->frames; frame++) {
            uint64_t length = 0;
            for (uint32_t i = image->first[frame]; i < image->first[frame + 1]; i++)
                length += image->fragments[i].length;
            coded = length > coded ? length : coded;
        }
    return 3 * pixels + 3 * coded + (1 << 16);
}

static enum mur_status put_number(struct mur_encoder *encoder, uint32_t tag, unsigned value,
                                  struct mur_error *error)
{
    return mur_encode_int(encoder, tag, MUR_VR_US, value, error);
}

static enum mur_status put_layout(struct mur_buffer *out, const struct mur_image *image,
                                  struct mur_error *error)
{
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, mur_uid_ExplicitVRLittleEndian, error);
    if (status == MUR_OK)
        status = put_number(&encoder, MUR_TAG_SamplesPerPixel, image->samples, error);
    if (status == MUR_OK)
        status = mur_encode_text(&encoder, MUR_TAG_PhotometricInterpretation, MUR_VR_CS,
                                 image->photometric, error);
    if (status == MUR_OK && image->samples > 1)
        status = put_number(&encoder, MUR_TAG_PlanarConfiguration, image->planar, error);
    const struct {
        uint32_t tag;
        unsigned value;
    } numbers[] = {{MUR_TAG_Rows, image->rows},
                   {MUR_TAG_Columns, image->columns},
                   {MUR_TAG_BitsAllocated, image->bits_allocated},
                   {MUR_TAG_BitsStored, image->bits_stored},
                   {MUR_TAG_HighBit, image->high_bit},
                   {MUR_TAG_PixelRepresentation, image->is_signed ? 1 : 0}};
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(numbers); i++)
        status = put_number(&encoder, numbers[i].tag, numbers[i].value, error);
    return status;
}

/* Pixel Data of one item (PS3.5 A.4), with an empty offset table. */
static enum mur_status put_frame(struct mur_buffer *out, const struct mur_body *frame,
                                 struct mur_error *error)
{
    uint64_t length = mur_body_length(frame);
    uint64_t even = length + length % 2;
    if (even >= UINT32_MAX)
        return mur_error_set(error, MUR_LIMIT, "a frame of %" PRIu64 " bytes", length);
    const unsigned char begin[] = {0xE0,
                                   0x7F,
                                   0x10,
                                   0x00,
                                   'O',
                                   'B',
                                   0,
                                   0,
                                   0xFF,
                                   0xFF,
                                   0xFF,
                                   0xFF,
                                   0xFE,
                                   0xFF,
                                   0x00,
                                   0xE0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0xFE,
                                   0xFF,
                                   0x00,
                                   0xE0,
                                   (unsigned char)even,
                                   (unsigned char)(even >> 8),
                                   (unsigned char)(even >> 16),
                                   (unsigned char)(even >> 24)};
    static const unsigned char end[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    enum mur_status status = mur_buffer_append(out, begin, sizeof begin, error);
    if (status == MUR_OK)
        status = read_all(out, frame, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, "", (size_t)(even - length), error);
    return status == MUR_OK ? mur_buffer_append(out, end, sizeof end, error) : status;
}

static enum mur_status forget_bytes(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    (void)error;
    return MUR_OK;
}

static enum mur_status take_decoded(struct mur_pixels *out, struct mur_dataset *dataset,
                                    const struct mur_image *image, struct mur_error *error)
{
    const uint8_t *bytes = NULL;
    size_t length = 0;
    size_t wanted =
        (size_t)image->rows * image->columns * image->samples * ((image->bits_allocated + 7) / 8);
    const char *photometric = image->photometric;
    int64_t planar = image->planar;
    enum mur_status status =
        mur_dataset_get_bytes(&bytes, &length, dataset, MUR_TAG_PixelData, error);
    if (status == MUR_OK && length < wanted)
        status = mur_error_set(error, MUR_UNSUPPORTED, "a frame decodes to %zu bytes, not %zu",
                               length, wanted);
    if (status == MUR_OK)
        status = mur_buffer_append(&out->bytes, bytes, wanted, error);
    if (status != MUR_OK)
        return status;
    /* A codec may have undone a colour transform. */
    (void)!mur_dataset_get_string(&photometric, dataset, MUR_TAG_PhotometricInterpretation, NULL);
    (void)!mur_dataset_get_int(&planar, dataset, MUR_TAG_PlanarConfiguration, 0, NULL);
    (void)snprintf(out->photometric, sizeof out->photometric, "%s", photometric);
    out->planar = planar == 1 ? 1 : 0;
    return MUR_OK;
}

/* The frame alone as a Data Set, which is decoded like any other. */
static enum mur_status decode(struct mur_pixels *out, const struct mur_instance *instance,
                              const struct mur_image *image, const struct mur_body *frame,
                              struct mur_error *error)
{
    const char *native = mur_uid_ExplicitVRLittleEndian;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = put_layout(&bytes, image, error);
    if (status == MUR_OK)
        status = put_frame(&bytes, frame, error);
    if (status == MUR_OK)
        status =
            mur_dataset_read(&dataset, bytes.data, bytes.length, instance->transfer_syntax, error);
    mur_buffer_free(&bytes);
    if (status == MUR_OK && !mur_dataset_can_write(dataset, native))
        return mur_error_set(error, MUR_UNSUPPORTED, "%s cannot be decoded here",
                             mur_transfer_syntax_name(instance->transfer_syntax));
    if (status == MUR_OK) {
        status =
            mur_dataset_write(dataset, native, (struct mur_sink){.write = forget_bytes}, error);
        if (status == MUR_UNSUPPORTED) /* it was damaged before it came: as it is it can be had */
            status = mur_error_set(error, MUR_UNSUPPORTED,
                                   "a frame of %s cannot be decoded, only be sent as it is "
                                   "(transfer-syntax=*)",
                                   instance->sop_instance);
    }
    return status == MUR_OK ? take_decoded(out, dataset, image, error) : status;
}

enum mur_status mur_frame_decode(struct mur_pixels *out, const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, int descriptor,
                                 const struct mur_image *image, uint32_t frame,
                                 struct mur_error *error)
{
    MUR_AUTO_BODY struct mur_body body = MUR_BODY_INIT;
    MUR_AUTO_PIXELS struct mur_pixels pixels = {.planar = image->planar};
    (void)snprintf(pixels.photometric, sizeof pixels.photometric, "%s", image->photometric);
    enum mur_status status =
        mur_frame_stored(&body, exchange, instance, descriptor, image, frame, error);
    if (status == MUR_OK)
        status = image->encapsulated ? decode(&pixels, instance, image, &body, error)
                                     : read_all(&pixels.bytes, &body, error);
    if (status != MUR_OK)
        return status;
    *out = pixels;
    pixels.bytes = (struct mur_buffer)MUR_BUFFER_INIT;
    return MUR_OK;
}
