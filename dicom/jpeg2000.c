#include "dicom/jpeg2000.h"

#include <openjpeg.h>
#include <string.h>

enum { SAMPLES_LIMIT = 4, SIDE_LIMIT = 65535 };

/* OpenJPEG's handles for one frame. */
struct decoder {
    opj_codec_t *codec;
    opj_stream_t *stream;
    opj_image_t *image;
};

static void decoder_end(struct decoder *decoder)
{
    opj_image_destroy(decoder->image);
    opj_stream_destroy(decoder->stream);
    opj_destroy_codec(decoder->codec);
}

size_t mur_pixel_frame_size(const struct mur_pixel_layout *layout)
{
    if (layout->rows == 0 || layout->rows > SIDE_LIMIT || layout->columns == 0 ||
        layout->columns > SIDE_LIMIT || layout->samples == 0 || layout->samples > SAMPLES_LIMIT ||
        (layout->bits_allocated != 8 && layout->bits_allocated != 16 &&
         layout->bits_allocated != 32))
        return 0;
    return (size_t)layout->rows * layout->columns * layout->samples * (layout->bits_allocated / 8);
}

/* ---- a stream over memory ---- */

struct memory {
    const uint8_t *bytes;
    size_t length, at;
};

static OPJ_SIZE_T read_memory(void *buffer, OPJ_SIZE_T size, void *user)
{
    struct memory *memory = user;
    size_t left = memory->length - memory->at;
    if (left == 0)
        return (OPJ_SIZE_T)-1;
    if (size > left)
        size = left;
    memcpy(buffer, memory->bytes + memory->at, size);
    memory->at += size;
    return size;
}

static OPJ_OFF_T skip_memory(OPJ_OFF_T size, void *user)
{
    struct memory *memory = user;
    if (size < 0)
        return -1;
    size_t left = memory->length - memory->at;
    size_t step = (uint64_t)size > left ? left : (size_t)size;
    memory->at += step;
    return (OPJ_OFF_T)step;
}

static OPJ_BOOL seek_memory(OPJ_OFF_T to, void *user)
{
    struct memory *memory = user;
    if (to < 0 || (uint64_t)to > memory->length)
        return OPJ_FALSE;
    memory->at = (size_t)to;
    return OPJ_TRUE;
}

static opj_stream_t *stream_over(struct memory *memory)
{
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    if (stream == NULL)
        return NULL;
    opj_stream_set_user_data(stream, memory, NULL);
    opj_stream_set_user_data_length(stream, memory->length);
    opj_stream_set_read_function(stream, read_memory);
    opj_stream_set_skip_function(stream, skip_memory);
    opj_stream_set_seek_function(stream, seek_memory);
    return stream;
}

/* Some writers put the JP2 file format where the bare codestream belongs. */
static OPJ_CODEC_FORMAT format_of(const uint8_t *bytes, size_t length)
{
    static const uint8_t jp2[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    return length >= sizeof(jp2) && memcmp(bytes, jp2, sizeof(jp2)) == 0 ? OPJ_CODEC_JP2
                                                                         : OPJ_CODEC_J2K;
}

/* ---- decoding ---- */

static enum mur_status check(const opj_image_t *image, const struct mur_pixel_layout *layout,
                             struct mur_error *error)
{
    if (image->x1 - image->x0 != layout->columns || image->y1 - image->y0 != layout->rows ||
        image->numcomps != layout->samples)
        return mur_error_set(error, MUR_MISMATCH,
                             "the JPEG 2000 codestream has %u x %u pixels of %u components, the "
                             "Data Set %u x %u of %u",
                             image->x1 - image->x0, image->y1 - image->y0, image->numcomps,
                             layout->columns, layout->rows, layout->samples);
    for (unsigned i = 0; i < image->numcomps; i++) {
        const opj_image_comp_t *component = &image->comps[i];
        if (component->dx != 1 || component->dy != 1)
            return mur_error_set(error, MUR_UNSUPPORTED, "subsampled JPEG 2000 components");
        if (component->prec > layout->bits_allocated)
            return mur_error_set(error, MUR_MISMATCH, "JPEG 2000 samples of %u bits in cells of %u",
                                 component->prec, layout->bits_allocated);
    }
    return MUR_OK;
}

static void copy_component(void *out, const struct mur_pixel_layout *layout, unsigned sample,
                           const int32_t *values)
{
    size_t count = (size_t)layout->rows * layout->columns;
    unsigned step = layout->samples;
    switch (layout->bits_allocated) {
    case 8:
        for (size_t i = 0; i < count; i++)
            ((uint8_t *)out)[i * step + sample] = (uint8_t)values[i];
        break;
    case 16:
        for (size_t i = 0; i < count; i++)
            ((uint16_t *)out)[i * step + sample] = (uint16_t)values[i];
        break;
    default:
        for (size_t i = 0; i < count; i++)
            ((uint32_t *)out)[i * step + sample] = (uint32_t)values[i];
        break;
    }
}

static bool undoes_colour_transform(opj_codec_t *codec)
{
    opj_codestream_info_v2_t *about = opj_get_cstr_info(codec);
    if (about == NULL)
        return false;
    bool transformed = about->m_default_tile_info.mct == 1;
    opj_destroy_cstr_info(&about);
    return transformed;
}

static enum mur_status decode(struct decoder *decoder, struct memory *memory,
                              const struct mur_pixel_layout *layout, bool *transformed,
                              struct mur_error *error)
{
    decoder->codec = opj_create_decompress(format_of(memory->bytes, memory->length));
    decoder->stream = stream_over(memory);
    if (decoder->codec == NULL || decoder->stream == NULL)
        return mur_error_no_memory(error);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(decoder->codec, &parameters) ||
        !opj_read_header(decoder->stream, decoder->codec, &decoder->image))
        return mur_error_set(error, MUR_PARSE, "no JPEG 2000 codestream");
    enum mur_status status = check(decoder->image, layout, error);
    if (status != MUR_OK)
        return status;
    *transformed = undoes_colour_transform(decoder->codec);
    if (!opj_decode(decoder->codec, decoder->stream, decoder->image) ||
        !opj_end_decompress(decoder->codec, decoder->stream))
        return mur_error_set(error, MUR_PARSE, "a damaged JPEG 2000 codestream");
    status = check(decoder->image, layout, error); /* a palette would have changed it */
    for (unsigned i = 0; status == MUR_OK && i < layout->samples; i++) {
        const opj_image_comp_t *component = &decoder->image->comps[i];
        if (component->data == NULL || component->w != layout->columns ||
            component->h != layout->rows)
            status = mur_error_set(error, MUR_PARSE, "a JPEG 2000 component is missing");
    }
    return status;
}

enum mur_status mur_jpeg2000_decode(void *out, bool *colour_transformed,
                                    const struct mur_pixel_layout *layout, const void *bytes,
                                    size_t length, struct mur_error *error)
{
    if (mur_pixel_frame_size(layout) == 0)
        return mur_error_set(error, MUR_UNSUPPORTED, "%u x %u pixels of %u samples of %u bits",
                             layout->columns, layout->rows, layout->samples,
                             layout->bits_allocated);
    struct memory memory = {.bytes = bytes, .length = length};
    struct decoder decoder = {.codec = NULL};
    bool transformed = false;
    enum mur_status status = decode(&decoder, &memory, layout, &transformed, error);
    for (unsigned i = 0; status == MUR_OK && i < layout->samples; i++)
        copy_component(out, layout, i, decoder.image->comps[i].data);
    decoder_end(&decoder);
    if (status == MUR_OK && colour_transformed != NULL)
        *colour_transformed = transformed;
    return status;
}
