#include "web/rendered_picture.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GREY_LEVELS = 255 };

void mur_picture_free(struct mur_picture *picture)
{
    mur_buffer_free(&picture->bytes);
}

/* ---- values ---------------------------------------------------------------------------------- */

static uint64_t little_endian(const unsigned char *bytes, size_t width)
{
    uint64_t value = 0;
    for (size_t i = width; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

/* The value of a sample (PS3.5 8.1.1). */
static double value_at(const struct mur_image *image, const unsigned char *bytes, size_t index)
{
    if (image->bits_allocated == 1)
        return bytes[index / 8] >> (index % 8) & 1;
    size_t width = image->bits_allocated / 8;
    uint64_t cell = little_endian(bytes + index * width, width);
    if (image->pixel_tag == MUR_TAG_FloatPixelData) {
        uint32_t bits = (uint32_t)cell;
        float real;
        memcpy(&real, &bits, sizeof real);
        return (double)real;
    }
    if (image->pixel_tag == MUR_TAG_DoubleFloatPixelData) {
        double real;
        memcpy(&real, &cell, sizeof real);
        return real;
    }
    unsigned stored = image->bits_stored;
    if (image->high_bit + 1 > stored)
        cell >>= image->high_bit + 1 - stored;
    uint64_t mask = stored >= 64 ? UINT64_MAX : (UINT64_C(1) << stored) - 1;
    cell &= mask;
    if (image->is_signed && stored > 0 && (cell >> (stored - 1) & 1) != 0)
        return (double)(int64_t)(cell | ~mask);
    return (double)cell;
}

/* ---- grey ------------------------------------------------------------------------------------ */

/* From 0 to 1 (PS3.3 C.11.2.1.2, C.11.2.1.3). */
static double windowed(double value, const struct mur_grey *grey)
{
    switch (grey->function) {
    case MUR_VOI_LINEAR:
        if (grey->width > 1)
            return (value - (grey->centre - 0.5)) / (grey->width - 1) + 0.5;
        return value > grey->centre - 0.5 ? 1 : 0;
    case MUR_VOI_SIGMOID:
        return 1 / (1 + exp(-4 * (value - grey->centre) / grey->width));
    case MUR_VOI_LINEAR_EXACT:
        break;
    }
    return (value - grey->centre) / grey->width + 0.5;
}

/* What a stored value means (PS3.3 C.11.1). */
static double meant(const struct mur_grey *grey, double stored)
{
    return grey->modality != NULL ? mur_table_look_up(grey->modality, stored)
                                  : stored * grey->slope + grey->intercept;
}

/* From 0 to 1, and beyond where the window ends (PS3.3 C.11.2). */
static double level_of(const struct mur_grey *grey, double value)
{
    if (!isfinite(value))
        return 0;
    if (grey->voi != NULL)
        return mur_table_look_up(grey->voi, value) / (ldexp(1.0, (int)grey->voi->bits) - 1);
    return windowed(value, grey);
}

static struct mur_grey whole_range(const struct mur_grey *grey, const struct mur_image *image,
                                   const unsigned char *bytes, size_t count)
{
    double lowest = DBL_MAX;
    double highest = -DBL_MAX;
    for (size_t i = 0; i < count; i++) {
        double stored = value_at(image, bytes, i);
        double value = meant(grey, stored);
        if (!isfinite(value) ||
            (grey->has_padding && stored >= grey->padding_low && stored <= grey->padding_high))
            continue;
        lowest = value < lowest ? value : lowest;
        highest = value > highest ? value : highest;
    }
    struct mur_grey range = *grey;
    range.has_window = true;
    range.function = MUR_VOI_LINEAR_EXACT;
    range.width = highest > lowest ? highest - lowest : 1;
    range.centre = highest > lowest ? lowest + range.width / 2 : lowest + 0.5;
    return range;
}

static enum mur_status make_grey(struct mur_picture *picture, const struct mur_image *image,
                                 const struct mur_pixels *pixels, const struct mur_grey *grey,
                                 struct mur_error *error)
{
    const unsigned char *bytes = (const unsigned char *)pixels->bytes.data;
    size_t count = (size_t)picture->width * picture->height;
    enum mur_status status = mur_buffer_reserve(&picture->bytes, count + 1, error);
    if (status != MUR_OK)
        return status;
    bool told = grey->voi != NULL || (grey->has_window && grey->width > 0);
    struct mur_grey used = told ? *grey : whole_range(grey, image, bytes, count);
    bool inverse = strcmp(pixels->photometric, "MONOCHROME1") == 0;
    for (size_t i = 0; i < count; i++) {
        double level = level_of(&used, meant(&used, value_at(image, bytes, i)));
        level = level < 0 ? 0 : level > 1 ? 1 : level;
        if (inverse)
            level = 1 - level;
        picture->bytes.data[i] = (char)(unsigned char)lround(level * GREY_LEVELS);
    }
    picture->bytes.length = count;
    return MUR_OK;
}

/* ---- colour ---------------------------------------------------------------------------------- */

static unsigned char clamp(double value)
{
    return (unsigned char)(value < 0 ? 0 : value > GREY_LEVELS ? GREY_LEVELS : lround(value));
}

/* PS3.3 C.7.6.3.1.2 */
static void red_green_blue(unsigned char out[3], double y, double blue, double red)
{
    out[0] = clamp(y + 1.402 * (red - 128));
    out[1] = clamp(y - 0.344136 * (blue - 128) - 0.714136 * (red - 128));
    out[2] = clamp(y + 1.772 * (blue - 128));
}

static enum mur_status make_colour(struct mur_picture *picture, const struct mur_image *image,
                                   const struct mur_pixels *pixels, struct mur_error *error)
{
    const unsigned char *bytes = (const unsigned char *)pixels->bytes.data;
    size_t count = (size_t)picture->width * picture->height;
    bool ybr = strncmp(pixels->photometric, "YBR_FULL", 8) == 0;
    bool shared = strcmp(pixels->photometric, "YBR_FULL_422") == 0 && !image->encapsulated;
    if ((!ybr && strcmp(pixels->photometric, "RGB") != 0) || (shared && image->bits_allocated != 8))
        return mur_error_set(error, MUR_UNSUPPORTED, "%s pixels cannot be rendered",
                             pixels->photometric);
    enum mur_status status = mur_buffer_reserve(&picture->bytes, 3 * count + 1, error);
    if (status != MUR_OK)
        return status;
    double scale = ldexp(1.0, 8 - (int)image->bits_stored);
    for (size_t i = 0; i < count; i++) {
        unsigned char *out = (unsigned char *)picture->bytes.data + 3 * i;
        double samples[3];
        for (size_t k = 0; k < 3; k++) {
            size_t at = pixels->planar == 1 ? k * count + i : 3 * i + k;
            if (shared) /* two of Y, then what they share */
                at = i / 2 * 4 + (k == 0 ? i % 2 : k + 1);
            samples[k] = value_at(image, bytes, at) * scale;
        }
        if (ybr)
            red_green_blue(out, samples[0], samples[1], samples[2]);
        else
            for (size_t k = 0; k < 3; k++)
                out[k] = clamp(floor(samples[k]));
    }
    picture->bytes.length = 3 * count;
    return MUR_OK;
}

/* PS3.3 C.7.6.3.1.5, C.7.6.3.1.6 */
static enum mur_status read_palette(struct mur_table *out, struct mur_dataset *header,
                                    uint32_t descriptor, uint32_t data, bool is_signed,
                                    struct mur_error *error)
{
    enum mur_status status = mur_table_read(out, header, descriptor, data, is_signed, error);
    if (status == MUR_NOT_FOUND || status == MUR_UNSUPPORTED ||
        (status == MUR_OK && out->bits != 8 && out->bits != 16))
        return mur_error_set(error, MUR_UNSUPPORTED, "the palette is not a plain one");
    return status;
}

static enum mur_status make_palette(struct mur_picture *picture, const struct mur_image *image,
                                    const struct mur_pixels *pixels, struct mur_dataset *header,
                                    struct mur_error *error)
{
    static const uint32_t tags[3][2] = {
        {MUR_TAG_RedPaletteColorLookupTableDescriptor, MUR_TAG_RedPaletteColorLookupTableData},
        {MUR_TAG_GreenPaletteColorLookupTableDescriptor, MUR_TAG_GreenPaletteColorLookupTableData},
        {MUR_TAG_BluePaletteColorLookupTableDescriptor, MUR_TAG_BluePaletteColorLookupTableData}};
    struct mur_table tables[3];
    size_t count = (size_t)picture->width * picture->height;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < 3; i++)
        status = read_palette(&tables[i], header, tags[i][0], tags[i][1], image->is_signed, error);
    if (status == MUR_OK)
        status = mur_buffer_reserve(&picture->bytes, 3 * count + 1, error);
    if (status != MUR_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        double value = value_at(image, (const unsigned char *)pixels->bytes.data, i);
        for (size_t k = 0; k < 3; k++)
            picture->bytes.data[3 * i + k] =
                (char)(unsigned char)(mur_table_look_up(&tables[k], value) >> (tables[k].bits - 8));
    }
    picture->bytes.length = 3 * count;
    return MUR_OK;
}

enum mur_status mur_picture_make(struct mur_picture *out, const struct mur_image *image,
                                 const struct mur_pixels *pixels, const struct mur_grey *grey,
                                 struct mur_dataset *palette, struct mur_error *error)
{
    bool is_palette = strcmp(pixels->photometric, "PALETTE COLOR") == 0;
    MUR_AUTO_PICTURE struct mur_picture picture = {.width = image->columns,
                                                   .height = image->rows,
                                                   .channels =
                                                       image->samples == 1 && !is_palette ? 1 : 3};
    enum mur_status status = MUR_OK;
    if (image->samples == 1)
        status = is_palette ? make_palette(&picture, image, pixels, palette, error)
                            : make_grey(&picture, image, pixels, grey, error);
    else if (image->samples == 3)
        status = make_colour(&picture, image, pixels, error);
    else
        status = mur_error_set(error, MUR_UNSUPPORTED, "pixels of %u samples cannot be rendered",
                               image->samples);
    if (status == MUR_OK) {
        *out = picture;
        picture.bytes = (struct mur_buffer)MUR_BUFFER_INIT;
    }
    return status;
}

/* ---- size ------------------------------------------------------------------------------------ */

/* First and last but one of the pixels that become one. */
static void source_range(unsigned range[2], unsigned index, unsigned count, unsigned begin,
                         unsigned length)
{
    range[0] = begin + (unsigned)((uint64_t)index * length / count);
    range[1] = begin + (unsigned)((uint64_t)(index + 1) * length / count);
    if (range[1] <= range[0])
        range[1] = range[0] + 1;
}

enum mur_status mur_picture_scale(struct mur_picture *out, const struct mur_picture *from,
                                  const struct mur_crop *crop, unsigned width, unsigned height,
                                  struct mur_error *error)
{
    double by_width = (double)width / crop->width;
    double by_height = (double)height / crop->height;
    double factor = by_width < by_height ? by_width : by_height;
    MUR_AUTO_PICTURE struct mur_picture picture = {
        .width = (unsigned)fmax(1, round(crop->width * factor)),
        .height = (unsigned)fmax(1, round(crop->height * factor)),
        .channels = from->channels};
    size_t size = (size_t)picture.width * picture.height * picture.channels;
    enum mur_status status = mur_buffer_reserve(&picture.bytes, size + 1, error);
    if (status != MUR_OK)
        return status;
    unsigned char *to = (unsigned char *)picture.bytes.data;
    for (unsigned y = 0; y < picture.height; y++) {
        unsigned rows[2];
        source_range(rows, y, picture.height, crop->y, crop->height);
        for (unsigned x = 0; x < picture.width; x++) {
            unsigned columns[2];
            source_range(columns, x, picture.width, crop->x, crop->width);
            for (unsigned k = 0; k < picture.channels; k++) {
                uint64_t sum = 0;
                uint64_t count = (uint64_t)(rows[1] - rows[0]) * (columns[1] - columns[0]);
                for (unsigned row = rows[0]; row < rows[1]; row++)
                    for (unsigned column = columns[0]; column < columns[1]; column++)
                        sum += (unsigned char)from->bytes
                                   .data[((size_t)row * from->width + column) * from->channels + k];
                *to++ = (unsigned char)((sum + count / 2) / count);
            }
        }
    }
    picture.bytes.length = size;
    *out = picture;
    picture.bytes = (struct mur_buffer)MUR_BUFFER_INIT;
    return MUR_OK;
}
