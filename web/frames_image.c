#include "web/frames_image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/stored_header.h"
#include "core/file.h"
#include "dicom/json_value.h"
#include "dicom/scanner.h"

enum { HEADER_LIMIT = 32 << 20 };

static void free_image(struct mur_cached *cached)
{
    struct mur_image *image = (struct mur_image *)cached;
    free(image->fragments);
    free(image->first);
    free(image);
}

/* ---- what the header says -------------------------------------------------------------------- */

static unsigned number(const struct mur_json *header, uint32_t tag, unsigned absent)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const struct mur_json *element = mur_json_element(header, tag);
    uint64_t value = 0;
    if (element == NULL || mur_json_value_count(element) == 0 ||
        mur_json_append_value(&text, element, 0, NULL) != MUR_OK ||
        mur_parse_uint64(&value, mur_slice_of(mur_buffer_text(&text)), 0, UINT32_MAX, NULL) !=
            MUR_OK)
        return absent;
    return (unsigned)value;
}

static bool is_float(const struct mur_image *image)
{
    return image->pixel_tag != MUR_TAG_PixelData;
}

static enum mur_status find_pixels(struct mur_image *image, const struct mur_json *header,
                                   struct mur_error *error)
{
    static const uint32_t tags[] = {MUR_TAG_PixelData, MUR_TAG_FloatPixelData,
                                    MUR_TAG_DoubleFloatPixelData};
    for (size_t i = 0; i < MUR_COUNT(tags); i++) {
        const struct mur_json *element = mur_json_element(header, tags[i]);
        const char *place =
            element != NULL ? mur_json_text(mur_json_get(element, "BulkDataURI")) : NULL;
        if (place == NULL || place[0] != '#')
            continue;
        const char *comma = strchr(place, ',');
        const char *second = comma != NULL ? strchr(comma + 1, ',') : NULL;
        if (comma == NULL)
            continue;
        struct mur_slice offset = {.data = place + 1, .length = (size_t)(comma - place) - 1};
        struct mur_slice length = {.data = comma + 1,
                                   .length = second != NULL ? (size_t)(second - comma) - 1
                                                            : strlen(comma + 1)};
        enum mur_status status = mur_parse_uint64(&image->offset, offset, 0, INT64_MAX, error);
        if (status == MUR_OK)
            status = mur_parse_uint64(&image->length, length, 0, INT64_MAX, error);
        image->pixel_tag = tags[i];
        image->pixel_vr = mur_json_element_vr(element);
        image->encapsulated = second != NULL;
        return status;
    }
    return mur_error_set(error, MUR_NOT_FOUND, "the instance has no pixels");
}

static enum mur_status read_header(struct mur_image *image, const struct mur_json *header,
                                   struct mur_error *error)
{
    image->rows = number(header, MUR_TAG_Rows, 0);
    image->columns = number(header, MUR_TAG_Columns, 0);
    image->samples = number(header, MUR_TAG_SamplesPerPixel, 1);
    image->bits_allocated = number(header, MUR_TAG_BitsAllocated, 0);
    image->bits_stored = number(header, MUR_TAG_BitsStored, image->bits_allocated);
    image->high_bit = number(header, MUR_TAG_HighBit, image->bits_stored - 1);
    image->is_signed = number(header, MUR_TAG_PixelRepresentation, 0) == 1;
    image->planar = number(header, MUR_TAG_PlanarConfiguration, 0);
    image->frames = number(header, MUR_TAG_NumberOfFrames, 1);
    if (image->frames == 0)
        image->frames = 1;
    const struct mur_json *photometric =
        mur_json_element(header, MUR_TAG_PhotometricInterpretation);
    const char *text = mur_json_text(mur_json_at(mur_json_get(photometric, "Value"), 0));
    (void)snprintf(image->photometric, sizeof image->photometric, "%s", text != NULL ? text : "");
    enum mur_status status = find_pixels(image, header, error);
    if (status != MUR_OK)
        return status;
    if (image->bits_allocated == 0 && is_float(image))
        image->bits_allocated = image->pixel_tag == MUR_TAG_FloatPixelData ? 32 : 64;
    if (image->rows == 0 || image->rows > UINT16_MAX || image->columns == 0 ||
        image->columns > UINT16_MAX || image->samples == 0 || image->samples > 4 ||
        image->frames > MUR_FRAMES_LIMIT ||
        (image->bits_allocated != 1 &&
         (image->bits_allocated % 8 != 0 || image->bits_allocated > 64)) ||
        image->bits_allocated == 0 || image->bits_stored > image->bits_allocated ||
        image->high_bit >= image->bits_allocated)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "the pixels are not as an image's can be: %u x %u, %u samples of %u "
                             "bits, %u frames",
                             image->columns, image->rows, image->samples, image->bits_allocated,
                             image->frames);
    return MUR_OK;
}

/* Whether there are so many native pixels as there must be. Where an image was cut off before it
 * was stored, the frames that are whole are all there are. */
static enum mur_status check_native(struct mur_image *image, struct mur_error *error)
{
    /* Two pixels share their colour (PS3.3 C.7.6.3.1.2). */
    bool shares = strcmp(image->photometric, "YBR_FULL_422") == 0 && image->samples == 3;
    image->frame_bits = (uint64_t)image->rows * image->columns * (shares ? 2 : image->samples) *
                        image->bits_allocated;
    uint64_t bits = image->length < UINT64_MAX / 8 ? image->length * 8 : UINT64_MAX;
    uint64_t whole = bits / image->frame_bits;
    if (whole == 0)
        return mur_error_set(error, MUR_NOT_FOUND,
                             "no frame is whole: there are %" PRIu64 " bytes of pixels, %" PRIu64
                             " are needed",
                             image->length, (image->frame_bits + 7) / 8);
    if (whole < image->frames)
        image->frames = (uint32_t)whole;
    return MUR_OK;
}

/* ---- frames and fragments -------------------------------------------------------------------- */

static bool by_starts(uint32_t *first, uint32_t frames, const struct mur_fragment *fragments,
                      uint32_t count, const uint64_t *starts)
{
    uint32_t at = 0;
    for (uint32_t frame = 0; frame < frames; frame++) {
        while (at < count && fragments[at].offset - fragments[0].offset < starts[frame])
            at++;
        if (at == count || fragments[at].offset - fragments[0].offset != starts[frame] ||
            (frame == 0 && at != 0) || (frame > 0 && at == first[frame - 1]))
            return false;
        first[frame] = at;
    }
    first[frames] = count;
    return true;
}

enum mur_status mur_frames_divide(uint32_t *first, uint32_t frames,
                                  const struct mur_fragment *fragments, uint32_t count,
                                  const uint64_t *starts, struct mur_error *error)
{
    if (count >= frames && starts != NULL && by_starts(first, frames, fragments, count, starts))
        return MUR_OK;
    uint32_t begun = 0;
    for (uint32_t i = 0; i < count; i++)
        begun += fragments[i].begins ? 1 : 0;
    if (count == frames || (frames == 1 && count > 0)) {
        for (uint32_t i = 0; i < frames; i++)
            first[i] = i;
        first[frames] = count;
        return MUR_OK;
    }
    if (count > frames && begun == frames && fragments[0].begins) {
        uint32_t frame = 0;
        for (uint32_t i = 0; i < count; i++)
            if (fragments[i].begins)
                first[frame++] = i;
        first[frames] = count;
        return MUR_OK;
    }
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "%" PRIu32 " fragments and no right offset table: %" PRIu32
                         " frames cannot be told apart",
                         count, frames);
}

struct gathering {
    struct mur_fragment *fragments;
    uint32_t count, room;
    struct mur_run basic;    /* offset table, in the Data Set */
    struct mur_run extended; /* likewise */
    struct mur_buffer table; /* the extended one, if the scanner has it */
};

static enum mur_status on_fragment(void *user, const struct mur_scan_element *element,
                                   uint32_t index, uint64_t offset, uint32_t length,
                                   struct mur_error *error)
{
    struct gathering *gathering = user;
    if (element->depth > 0 || element->tag != MUR_TAG_PixelData)
        return MUR_OK;
    if (index == 0) {
        gathering->basic = (struct mur_run){.offset = offset, .length = length};
        return MUR_OK;
    }
    if (gathering->count == MUR_FRAGMENTS_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d fragments", (int)MUR_FRAGMENTS_LIMIT);
    if (gathering->count == gathering->room) {
        uint32_t room = gathering->room == 0 ? 16 : 2 * gathering->room;
        struct mur_fragment *grown = realloc(gathering->fragments, room * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        gathering->fragments = grown;
        gathering->room = room;
    }
    gathering->fragments[gathering->count++] =
        (struct mur_fragment){.offset = offset, .length = length};
    return MUR_OK;
}

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct gathering *gathering = user;
    if (element->depth > 0 || element->tag != MUR_TAG_ExtendedOffsetTable)
        return MUR_OK;
    return mur_buffer_append(&gathering->table, element->value, (size_t)element->length, error);
}

static enum mur_status on_bulk(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    (void)error;
    struct gathering *gathering = user;
    if (element->depth == 0 && element->tag == MUR_TAG_ExtendedOffsetTable)
        gathering->extended =
            (struct mur_run){.offset = element->offset, .length = element->length};
    return MUR_OK;
}

static uint64_t little_endian(const unsigned char *bytes, size_t width)
{
    uint64_t value = 0;
    for (size_t i = width; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

/* @param[out] starts  NULL: there is no table for so many frames */
static enum mur_status read_table(uint64_t **starts, struct gathering *gathering, uint32_t frames,
                                  uint64_t base, int descriptor, struct mur_error *error)
{
    *starts = NULL;
    size_t width = gathering->table.length > 0 || gathering->extended.length > 0 ? 8 : 4;
    struct mur_run run = width == 8 ? gathering->extended : gathering->basic;
    if (gathering->table.length == 0 && run.length == (uint64_t)frames * width) {
        size_t got = 0;
        enum mur_status status =
            mur_buffer_reserve(&gathering->table, (size_t)run.length + 1, error);
        if (status == MUR_OK)
            status = mur_pread_full(&got, descriptor, gathering->table.data, (size_t)run.length,
                                    (off_t)(base + run.offset), "an object", error);
        if (status != MUR_OK)
            return status;
        gathering->table.length = got;
    }
    if (gathering->table.length != (size_t)frames * width)
        return MUR_OK;
    *starts = calloc(frames, sizeof **starts);
    if (*starts == NULL)
        return mur_error_no_memory(error);
    for (uint32_t i = 0; i < frames; i++)
        (*starts)[i] =
            little_endian((const unsigned char *)gathering->table.data + i * width, width);
    return MUR_OK;
}

/* Looks at the first bytes of each fragment; where they are as many as frames nobody asks. */
static enum mur_status look_at_begins(struct gathering *gathering, uint64_t base, int descriptor,
                                      struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; status == MUR_OK && i < gathering->count; i++) {
        unsigned char head[2] = {0, 0};
        size_t got = 0;
        if (gathering->fragments[i].length < sizeof head)
            continue;
        status = mur_pread_full(&got, descriptor, head, sizeof head,
                                (off_t)(base + gathering->fragments[i].offset), "an object", error);
        gathering->fragments[i].begins = head[0] == 0xFF && (head[1] == 0xD8 || head[1] == 0x4F);
    }
    return status;
}

static enum mur_status index_fragments(struct mur_image *image, struct gathering *gathering,
                                       const struct mur_instance *instance, int descriptor,
                                       struct mur_error *error)
{
    static const struct mur_scan_events events = {
        .element = on_element, .bulk = on_bulk, .fragment = on_fragment};
    MUR_AUTO(mur_scanner) *scanner = NULL;
    MUR_AUTO_FREE uint64_t *starts = NULL;
    enum mur_status status =
        mur_scanner_create(&scanner, instance->transfer_syntax, &events, gathering, error);
    if (status == MUR_OK)
        status =
            mur_scanner_read(scanner, descriptor, instance->offset, instance->sop_instance, error);
    if (status == MUR_OK)
        status = read_table(&starts, gathering, image->frames, instance->offset, descriptor, error);
    if (status == MUR_OK && gathering->count > image->frames && image->frames > 1)
        status = look_at_begins(gathering, instance->offset, descriptor, error);
    if (status != MUR_OK)
        return status;
    image->first = calloc((size_t)image->frames + 1, sizeof *image->first);
    if (image->first == NULL)
        return mur_error_no_memory(error);
    status = mur_frames_divide(image->first, image->frames, gathering->fragments, gathering->count,
                               starts, error);
    if (status == MUR_OK) {
        image->fragments = MUR_STEAL(gathering->fragments);
        image->cached.bytes += gathering->room * sizeof *image->fragments +
                               ((size_t)image->frames + 1) * sizeof *image->first;
    }
    return status;
}

/* ---- together -------------------------------------------------------------------------------- */

static enum mur_status fill(struct mur_image *image, const struct mur_exchange *exchange,
                            const struct mur_instance *instance, int descriptor,
                            struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *header = NULL;
    bool complete = false;
    enum mur_status status =
        mur_archive_read_header(&complete, &text, exchange->archive, instance, error);
    if (status == MUR_OK)
        status = mur_json_parse(&header, (struct mur_slice){text.data, text.length}, HEADER_LIMIT,
                                error);
    if (status == MUR_OK)
        status = read_header(image, header, error);
    if (status != MUR_OK || !image->encapsulated)
        return status == MUR_OK ? check_native(image, error) : status;
    struct gathering gathering = {.table = MUR_BUFFER_INIT};
    status = index_fragments(image, &gathering, instance, descriptor, error);
    mur_buffer_free(&gathering.table);
    free(gathering.fragments);
    return status;
}

enum mur_status mur_image_get(struct mur_image **out, const struct mur_exchange *exchange,
                              const struct mur_instance *instance, int descriptor,
                              struct mur_error *error)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%" PRId64 " %u", instance->id, instance->version);
    struct mur_cache *cache = mur_wado_images(exchange);
    struct mur_cached *cached = mur_cache_find(cache, key);
    if (cached != NULL) {
        *out = (struct mur_image *)cached;
        return MUR_OK;
    }
    struct mur_image *image = calloc(1, sizeof *image);
    if (image == NULL)
        return mur_error_no_memory(error);
    image->cached = (struct mur_cached){
        .bytes = sizeof *image + sizeof key, .free = free_image, .references = 1};
    enum mur_status status = mur_text_copy(&image->cached.key, mur_slice_of(key), error);
    if (status == MUR_OK)
        status = fill(image, exchange, instance, descriptor, error);
    if (status != MUR_OK) {
        free(image->cached.key);
        free_image(&image->cached);
        return status;
    }
    mur_cache_put(cache, &image->cached);
    *out = image;
    return MUR_OK;
}
