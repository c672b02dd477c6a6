/* Rendered instances and frames, and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4). */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "archive/stored_header.h"
#include "dicom/json_value.h"
#include "web/rendered_picture.h"
#include "web/route.h"
#include "web/wado_object.h"

enum {
    HEADER_LIMIT = 64 << 20,
    SIZE_LIMIT = 8192,
    THUMBNAIL = 128,
    QUALITY = 90,
    VIEWPORT_PLACES = 6,
    ANNOTATION_LIMIT = 256,
    TRIES = 16, /* instances that are looked at for one with pixels */
};

/* How it is to look. */
struct wish {
    struct mur_grey grey; /* when has_window */
    bool has_viewport;
    unsigned width, height;
    bool has_crop;
    struct mur_crop crop;
    unsigned quality;
    uint32_t frame;              /* from 0 */
    struct mur_slice annotation; /* words that are not drawn */
};

/* ---- the query ------------------------------------------------------------------------------- */

/* Numbers separated by commas; what follows them is left in @p text. @return how many */
static size_t take_numbers(double *out, size_t most, struct mur_slice *text)
{
    size_t count = 0;
    while (count < most && text->length > 0) {
        const char *comma = memchr(text->data, ',', text->length);
        struct mur_slice one = {.data = text->data,
                                .length =
                                    comma != NULL ? (size_t)(comma - text->data) : text->length};
        if (mur_parse_double(&out[count], one, NULL) != MUR_OK)
            break;
        count++;
        size_t used = one.length + (comma != NULL ? 1 : 0);
        text->data += used;
        text->length -= used;
    }
    return count;
}

static enum mur_status read_window(struct wish *wish, const struct mur_exchange *exchange,
                                   struct mur_error *error)
{
    static const struct {
        const char *name;
        enum mur_voi function;
    } functions[] = {{"", MUR_VOI_LINEAR},
                     {"linear", MUR_VOI_LINEAR},
                     {"linear-exact", MUR_VOI_LINEAR_EXACT},
                     {"sigmoid", MUR_VOI_SIGMOID}};
    const struct mur_parameter *parameter = NULL;
    enum mur_status status = mur_exchange_parameter(&parameter, exchange, "window", error);
    if (status != MUR_OK || parameter == NULL)
        return status;
    double numbers[2];
    struct mur_slice text = parameter->value;
    bool good = take_numbers(numbers, 2, &text) == 2 && numbers[1] > 0;
    for (size_t i = 0; good && i < MUR_COUNT(functions); i++)
        if (mur_slice_equal(text, functions[i].name)) {
            wish->grey.has_window = true;
            wish->grey.centre = numbers[0];
            wish->grey.width = numbers[1];
            wish->grey.function = functions[i].function;
            return MUR_OK;
        }
    return mur_error_set(error, MUR_INVALID,
                         "window=%.*s: give centre,width,function, where width is above 0 and "
                         "function is linear, linear-exact or sigmoid",
                         (int)parameter->value.length, parameter->value.data);
}

/* "512,512,,,100,100": those after the second may be left out. @return how many places there are,
 * 0: something is wrong */
static size_t read_places(double numbers[VIEWPORT_PLACES], bool given[VIEWPORT_PLACES],
                          struct mur_slice text)
{
    for (size_t i = 0; i < VIEWPORT_PLACES; i++) {
        const char *comma = memchr(text.data, ',', text.length);
        struct mur_slice one = {
            .data = text.data, .length = comma != NULL ? (size_t)(comma - text.data) : text.length};
        bool corner = i == 2 || i == 3;
        given[i] = one.length > 0;
        if (given[i] ? mur_parse_double(&numbers[i], one, NULL) != MUR_OK ||
                           !(numbers[i] >= (corner ? 0 : 1)) ||
                           !(numbers[i] <= (i < 2 ? SIZE_LIMIT : UINT16_MAX))
                     : i < 2)
            return 0;
        if (comma == NULL)
            return i < 1 ? 0 : i + 1;
        text.data += one.length + 1;
        text.length -= one.length + 1;
    }
    return 0;
}

static enum mur_status read_viewport(struct wish *wish, const struct mur_exchange *exchange,
                                     struct mur_error *error)
{
    const struct mur_parameter *parameter = NULL;
    enum mur_status status = mur_exchange_parameter(&parameter, exchange, "viewport", error);
    if (status != MUR_OK || parameter == NULL)
        return status;
    double numbers[VIEWPORT_PLACES] = {0};
    bool given[VIEWPORT_PLACES] = {false};
    size_t count = read_places(numbers, given, parameter->value);
    if (count == 0)
        return mur_error_set(error, MUR_INVALID,
                             "viewport=%.*s: give width,height of up to %d, and perhaps the "
                             "part of the image: x,y,width,height, from 0 and not mirrored",
                             (int)parameter->value.length, parameter->value.data, (int)SIZE_LIMIT);
    wish->has_viewport = true;
    wish->width = (unsigned)numbers[0];
    wish->height = (unsigned)numbers[1];
    wish->has_crop = count > 2;
    if (wish->has_crop)
        wish->crop = (struct mur_crop){.x = (unsigned)numbers[2],
                                       .y = (unsigned)numbers[3],
                                       .width = given[4] ? (unsigned)numbers[4] : UINT16_MAX,
                                       .height = given[5] ? (unsigned)numbers[5] : UINT16_MAX};
    return MUR_OK;
}

/* PS3.18 8.3.5.1.1: what cannot be drawn is left out, and the answer says so. */
static enum mur_status read_annotation(struct wish *wish, const struct mur_exchange *exchange,
                                       struct mur_error *error)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-,";
    const struct mur_parameter *parameter = NULL;
    enum mur_status status = mur_exchange_parameter(&parameter, exchange, "annotation", error);
    if (status != MUR_OK || parameter == NULL)
        return status;
    bool good = parameter->value.length > 0 && parameter->value.length <= ANNOTATION_LIMIT;
    for (size_t i = 0; good && i < parameter->value.length; i++)
        good = memchr(letters, parameter->value.data[i], sizeof letters - 1) != NULL;
    wish->annotation = parameter->value;
    return good ? MUR_OK
                : mur_error_set(error, MUR_INVALID,
                                "annotation is a list of words, such as patient,technique");
}

/* PS3.18 8.3.5.1.5 */
static enum mur_status check_profile(const struct mur_exchange *exchange, struct mur_error *error)
{
    const struct mur_parameter *parameter = NULL;
    enum mur_status status = mur_exchange_parameter(&parameter, exchange, "iccprofile", error);
    if (status != MUR_OK || parameter == NULL || mur_slice_equal(parameter->value, "no"))
        return status;
    return mur_error_set(error, MUR_INVALID,
                         "iccprofile: pictures are made without a profile here, iccprofile=no");
}

/* @param frame  its number from the path; empty: from the query, or the first */
static enum mur_status read_wish(struct wish *wish, const struct mur_exchange *exchange,
                                 struct mur_slice frame, struct mur_error *error)
{
    uint64_t quality = QUALITY;
    uint64_t number = 1;
    enum mur_status status = read_window(wish, exchange, error);
    if (status == MUR_OK)
        status = read_viewport(wish, exchange, error);
    if (status == MUR_OK)
        status = read_annotation(wish, exchange, error);
    if (status == MUR_OK)
        status = check_profile(exchange, error);
    if (status == MUR_OK)
        status = mur_exchange_number(&quality, exchange, "quality", QUALITY, 100, error);
    if (status == MUR_OK && quality == 0)
        status = mur_error_set(error, MUR_INVALID, "quality=0: it goes from 1 to 100");
    if (status == MUR_OK && frame.length == 0)
        status = mur_exchange_number(&number, exchange, "frame", 1, UINT32_MAX, error);
    else if (status == MUR_OK && mur_parse_uint64(&number, frame, 0, UINT32_MAX, NULL) != MUR_OK)
        status = mur_error_set(error, MUR_INVALID, "one frame is rendered at a time");
    if (status == MUR_OK && number == 0)
        status = mur_error_set(error, MUR_NOT_FOUND, "frames are counted from 1");
    if (status != MUR_OK)
        return status;
    wish->quality = (unsigned)quality;
    wish->frame = (uint32_t)number - 1;
    return MUR_OK;
}

/* ---- what the object says -------------------------------------------------------------------- */

static enum mur_status read_header(struct mur_json **out, const struct mur_exchange *exchange,
                                   const struct mur_instance *instance, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = {.limit = HEADER_LIMIT};
    enum mur_status status =
        mur_archive_write_header(mur_sink_buffer(&text), exchange->archive, instance, error);
    if (status != MUR_OK)
        return status;
    return mur_json_parse(out, (struct mur_slice){.data = text.data, .length = text.length},
                          HEADER_LIMIT, error);
}

static bool number_of(double *out, const struct mur_json *item, uint32_t tag)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const struct mur_json *element = item != NULL ? mur_json_element(item, tag) : NULL;
    return element != NULL && mur_json_value_count(element) > 0 &&
           mur_json_append_value(&text, element, 0, NULL) == MUR_OK &&
           mur_parse_double(out, mur_slice_of(mur_buffer_text(&text)), NULL) == MUR_OK;
}

/* The item of a functional group, of the frame or of all (PS3.3 C.7.6.16), or else the Data Set. */
static const struct mur_json *group_of(const struct mur_json *header, uint32_t frame,
                                       uint32_t group)
{
    const struct {
        uint32_t sequence;
        uint32_t index;
    } places[] = {{MUR_TAG_PerFrameFunctionalGroupsSequence, frame},
                  {MUR_TAG_SharedFunctionalGroupsSequence, 0}};
    for (size_t i = 0; i < MUR_COUNT(places); i++) {
        const struct mur_json *sequence = mur_json_element(header, places[i].sequence);
        const struct mur_json *groups =
            sequence != NULL ? mur_json_item(sequence, places[i].index) : NULL;
        const struct mur_json *element = groups != NULL ? mur_json_element(groups, group) : NULL;
        const struct mur_json *item = element != NULL ? mur_json_item(element, 0) : NULL;
        if (item != NULL)
            return item;
    }
    return header;
}

/* In a label map it is the background, from which the first segment is to be told. */
static void read_padding(struct mur_grey *grey, const struct mur_json *header)
{
    double value = 0;
    grey->has_padding = mur_json_element(header, MUR_TAG_SegmentSequence) == NULL &&
                        number_of(&value, header, MUR_TAG_PixelPaddingValue);
    double limit = value;
    (void)number_of(&limit, header, MUR_TAG_PixelPaddingRangeLimit);
    grey->padding_low = value < limit ? value : limit;
    grey->padding_high = value < limit ? limit : value;
}

static void read_grey(struct wish *wish, const struct mur_json *header)
{
    struct mur_grey *grey = &wish->grey;
    read_padding(grey, header);
    const struct mur_json *values =
        group_of(header, wish->frame, MUR_TAG_PixelValueTransformationSequence);
    grey->slope = 1;
    grey->intercept = 0;
    if (!number_of(&grey->slope, values, MUR_TAG_RescaleSlope) ||
        !number_of(&grey->intercept, values, MUR_TAG_RescaleIntercept)) {
        grey->slope = 1;
        grey->intercept = 0;
    }
    const struct mur_json *window = group_of(header, wish->frame, MUR_TAG_FrameVOILUTSequence);
    if (grey->has_window || !number_of(&grey->centre, window, MUR_TAG_WindowCenter) ||
        !number_of(&grey->width, window, MUR_TAG_WindowWidth) || !(grey->width > 0))
        return;
    const struct mur_json *function = mur_json_element(window, MUR_TAG_VOILUTFunction);
    const char *name =
        function != NULL ? mur_json_text(mur_json_at(mur_json_get(function, "Value"), 0)) : NULL;
    grey->has_window = true;
    grey->function = name != NULL && strcmp(name, "SIGMOID") == 0        ? MUR_VOI_SIGMOID
                     : name != NULL && strcmp(name, "LINEAR_EXACT") == 0 ? MUR_VOI_LINEAR_EXACT
                                                                         : MUR_VOI_LINEAR;
}

/* ---- the picture ----------------------------------------------------------------------------- */

static bool has_items(const struct mur_json *header, uint32_t tag)
{
    const struct mur_json *sequence = mur_json_element(header, tag);
    return sequence != NULL && mur_json_item(sequence, 0) != NULL;
}

/* Reads how values become grey. @param[out] whole  whether more is needed, that stands in the Data
 * Set: tables */
static enum mur_status read_look(bool *whole, struct wish *wish,
                                 const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, const struct mur_image *image,
                                 struct mur_error *error)
{
    MUR_AUTO(mur_json) *header = NULL;
    enum mur_status status = read_header(&header, exchange, instance, error);
    if (status != MUR_OK)
        return status;
    read_grey(wish, header);
    *whole = strcmp(image->photometric, "PALETTE COLOR") == 0 ||
             has_items(header, MUR_TAG_ModalityLUTSequence) ||
             (!wish->grey.has_window && has_items(header, MUR_TAG_VOILUTSequence));
    return MUR_OK;
}

/* The first table of a sequence. One that is damaged is passed over, as other readers do. */
static const struct mur_table *table_of(struct mur_table *table, struct mur_dataset *object,
                                        uint32_t sequence, bool is_signed)
{
    struct mur_dataset *item = NULL;
    return mur_dataset_get_item(&item, object, sequence, 0, NULL) == MUR_OK &&
                   mur_table_read(table, item, MUR_TAG_LUTDescriptor, MUR_TAG_LUTData, is_signed,
                                  NULL) == MUR_OK
               ? table
               : NULL;
}

static enum mur_status make_picture(struct mur_picture *out, struct wish *wish, bool whole,
                                    const struct mur_exchange *exchange,
                                    const struct mur_instance *instance, int descriptor,
                                    const struct mur_image *image, struct mur_error *error)
{
    struct mur_table modality;
    struct mur_table voi;
    MUR_AUTO(mur_dataset) *object = NULL;
    MUR_AUTO_PIXELS struct mur_pixels pixels = {.planar = 0};
    struct mur_grey grey = wish->grey;
    enum mur_status status =
        mur_frame_decode(&pixels, exchange, instance, descriptor, image, wish->frame, error);
    if (status == MUR_OK && whole) {
        status = mur_wado_load(&object, descriptor, MUR_HEADER, error);
        if (status == MUR_OK) {
            grey.modality =
                table_of(&modality, object, MUR_TAG_ModalityLUTSequence, image->is_signed);
            /* What it looks up is what values mean, which may be below 0 though none is stored. */
            bool below = grey.modality == NULL && (image->is_signed || grey.intercept < 0);
            grey.voi =
                grey.has_window ? NULL : table_of(&voi, object, MUR_TAG_VOILUTSequence, below);
        }
    }
    return status == MUR_OK ? mur_picture_make(out, image, &pixels, &grey, object, error) : status;
}

static enum mur_status fit(struct mur_picture *picture, const struct wish *wish,
                           struct mur_error *error)
{
    if (!wish->has_viewport)
        return MUR_OK;
    struct mur_crop crop = {.width = picture->width, .height = picture->height};
    if (wish->has_crop) {
        crop = wish->crop;
        if (crop.x >= picture->width || crop.y >= picture->height)
            return mur_error_set(error, MUR_INVALID, "viewport: the image has %u x %u pixels",
                                 picture->width, picture->height);
        if (crop.width > picture->width - crop.x)
            crop.width = picture->width - crop.x;
        if (crop.height > picture->height - crop.y)
            crop.height = picture->height - crop.y;
    }
    struct mur_picture scaled;
    enum mur_status status =
        mur_picture_scale(&scaled, picture, &crop, wish->width, wish->height, error);
    if (status != MUR_OK)
        return status;
    mur_picture_free(picture);
    *picture = scaled;
    return MUR_OK;
}

static enum mur_status render(struct mur_buffer *out, struct wish *wish, bool png,
                              const struct mur_exchange *exchange,
                              const struct mur_instance *instance, int descriptor,
                              const struct mur_image *image, struct mur_error *error)
{
    MUR_AUTO_PICTURE struct mur_picture picture = {.channels = 0};
    /* Decoded pixels, the picture and its smaller or larger self. */
    uint64_t memory = mur_frame_memory(image) + 6 * (uint64_t)image->rows * image->columns +
                      (wish->has_viewport ? 3 * (uint64_t)wish->width * wish->height : 0);
    struct mur_measure size = {.length = 0};
    bool whole = false;
    enum mur_status status = read_look(&whole, wish, exchange, instance, image, error);
    if (status == MUR_OK && whole)
        status = mur_wado_measure(&size, exchange, instance, descriptor, error);
    if (status == MUR_OK && __builtin_add_overflow(memory, mur_measure_loaded(&size), &memory))
        memory = UINT64_MAX;
    if (status == MUR_OK)
        status = mur_wado_take_memory(exchange, memory, error);
    if (status != MUR_OK)
        return status;
    status = make_picture(&picture, wish, whole, exchange, instance, descriptor, image, error);
    if (status == MUR_OK)
        status = fit(&picture, wish, error);
    if (status == MUR_OK)
        status = png ? mur_picture_write_png(out, &picture, error)
                     : mur_picture_write_jpeg(out, &picture, wish->quality, error);
    mur_picture_free(&picture);
    mur_wado_give_memory(exchange, memory);
    return status;
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum mur_status choose_type(const char **type, const struct mur_exchange *exchange,
                                   struct mur_error *error)
{
    static const char *const types[] = {"image/jpeg", "image/png"};
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    size_t chosen = 0;
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_accept_choose(&chosen, &accept, types, MUR_COUNT(types), error);
    if (status == MUR_OK)
        *type = types[chosen];
    return status;
}

static enum mur_status answer_image(struct mur_exchange *exchange, struct wish *wish,
                                    const struct mur_instance *instance, int descriptor,
                                    const struct mur_image *image, const char *type,
                                    struct mur_error *error)
{
    if (wish->frame >= image->frames)
        return mur_error_set(error, MUR_NOT_FOUND,
                             "there is no frame %" PRIu32 ": the instance has %" PRIu32,
                             wish->frame + 1, image->frames);
    char representation[256];
    (void)snprintf(representation, sizeof representation,
                   "rendered " MUR_VERSION " %s %u %u %d %g %g %d %u %u %u %u %u %u", type,
                   (unsigned)wish->frame, wish->quality, wish->grey.has_window, wish->grey.centre,
                   wish->grey.width, (int)wish->grey.function, wish->width, wish->height,
                   wish->crop.x, wish->crop.y, wish->crop.width, wish->crop.height);
    char etag[MUR_ETAG_SIZE];
    mur_wado_etag(etag, instance, representation);
    bool answered = false;
    /* Later versions may render better: it is asked again whether it is the same, and the tag says
     * by which one. */
    enum mur_status status = mur_answer_condition(&answered, exchange, etag, false, error);
    if (status != MUR_OK || answered)
        return status;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    status = render(&bytes, wish, strcmp(type, "image/png") == 0, exchange, instance, descriptor,
                    image, error);
    if (status == MUR_OK)
        status = mur_answer_buffer(exchange, MHD_HTTP_OK, type, &bytes, error);
    if (status == MUR_OK && wish->annotation.length > 0)
        status = mur_answer_warning(exchange, error,
                                    "The following annotation values are not supported: %.*s",
                                    (int)wish->annotation.length, wish->annotation.data);
    return status == MUR_OK ? mur_answer_validators(exchange, etag, false, error) : status;
}

static enum mur_status answer(struct mur_exchange *exchange, struct wish *wish,
                              const struct mur_instance *instance, struct mur_error *error)
{
    const char *type = NULL;
    MUR_AUTO_CLOSE int file = -1;
    struct mur_image *image = NULL;
    enum mur_status status = choose_type(&type, exchange, error);
    if (status == MUR_OK)
        status = mur_wado_open(&file, exchange, instance, error);
    if (status == MUR_OK)
        status = mur_image_get(&image, exchange, instance, file, error);
    if (status != MUR_OK)
        return status;
    status = answer_image(exchange, wish, instance, file, image, type, error);
    mur_cache_release(mur_wado_images(exchange), &image->cached);
    return status;
}

static void make_thumbnail(struct wish *wish)
{
    if (wish->has_viewport)
        return;
    wish->has_viewport = true;
    wish->width = THUMBNAIL;
    wish->height = THUMBNAIL;
}

static enum mur_status answer_one(struct mur_exchange *exchange, bool thumbnail,
                                  struct mur_slice frame, struct mur_error *error)
{
    struct wish wish = {.frame = 0};
    struct mur_instance instance;
    enum mur_status status = read_wish(&wish, exchange, frame, error);
    if (status == MUR_OK)
        status = mur_wado_instance(&instance, exchange, error);
    if (status == MUR_OK && thumbnail)
        make_thumbnail(&wish);
    return status == MUR_OK ? answer(exchange, &wish, &instance, error) : status;
}

enum mur_status mur_web_rendered(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_one(exchange, false, mur_slice_of(""), error);
}

enum mur_status mur_web_rendered_frame(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_one(exchange, false, exchange->parts[3], error);
}

enum mur_status mur_web_thumbnail(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_one(exchange, true, mur_slice_of(""), error);
}

enum mur_status mur_web_thumbnail_of_frame(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_one(exchange, true, exchange->parts[3], error);
}

/* The instance in the middle speaks for all, or the next one that has pixels which can be shown. */
static enum mur_status answer_middle(struct mur_exchange *exchange, enum mur_level level,
                                     struct mur_error *error)
{
    struct wish wish = {.frame = 0};
    MUR_AUTO_PLAN struct mur_plan plan = {.count = 0};
    enum mur_status status = read_wish(&wish, exchange, mur_slice_of(""), error);
    if (status == MUR_OK)
        status = mur_wado_plan(&plan, exchange, level, error);
    if (status != MUR_OK)
        return status;
    make_thumbnail(&wish);
    status = MUR_NOT_FOUND;
    for (size_t i = 0;
         (status == MUR_NOT_FOUND || status == MUR_UNSUPPORTED) && i < plan.count && i < TRIES;
         i++) {
        struct wish one = wish; /* an object's own window is not the next one's */
        status = answer(exchange, &one, &plan.items[(plan.count / 2 + i) % plan.count], error);
    }
    return status;
}

enum mur_status mur_web_thumbnail_of_series(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_middle(exchange, MUR_LEVEL_SERIES, error);
}

enum mur_status mur_web_thumbnail_of_study(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_middle(exchange, MUR_LEVEL_STUDY, error);
}
