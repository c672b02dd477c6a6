#include "web/frames.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dicom/transfer_syntax.h"
#include "web/multipart_writer.h"
#include "web/route.h"

enum { OFFERS = 3, LIST_LIMIT = 1 << 16 };

static const char raw_type[] = "application/octet-stream";

/* ---- what can be given ----------------------------------------------------------------------- */

/* What a frame in a transfer syntax is called. Where viewers go by anything, it is by the transfer
 * syntax beside it. */
struct codec {
    const char *transfer_syntax;
    const char *media_type; /* PS3.18 Tables 8.7.3-4 and 8.7.3-5 */
    const char *older;      /* as earlier editions and npm's dicomweb-client have it; NULL: none */
};

static const struct codec *codec_of(const char *transfer_syntax)
{
    static const struct codec codecs[] = {
        {mur_uid_JPEGBaseline8Bit, "image/jpeg", NULL},
        {mur_uid_JPEGExtended12Bit, "image/jpeg", NULL},
        {mur_uid_JPEGLossless, "image/jpeg", NULL},
        {mur_uid_JPEGLosslessSV1, "image/jpeg", NULL},
        {mur_uid_JPEGLSLossless, "image/jls", "image/x-jls"},
        {mur_uid_JPEGLSNearLossless, "image/jls", "image/x-jls"},
        {mur_uid_JPEG2000Lossless, "image/jp2", NULL},
        {mur_uid_JPEG2000, "image/jp2", NULL},
        {mur_uid_JPEG2000MCLossless, "image/jpx", NULL},
        {mur_uid_JPEG2000MC, "image/jpx", NULL},
        {mur_uid_JPEGXLLossless, "image/jxl", NULL},
        {mur_uid_JPEGXLJPEGRecompression, "image/jxl", NULL},
        {mur_uid_JPEGXL, "image/jxl", NULL},
        {mur_uid_HTJ2KLossless, "image/jphc", "image/jhc"},
        {mur_uid_HTJ2KLosslessRPCL, "image/jphc", "image/jhc"},
        {mur_uid_HTJ2K, "image/jphc", "image/jhc"},
        {mur_uid_RLELossless, "image/dicom-rle", "image/x-dicom-rle"},
        {mur_uid_MPEG2MPML, "video/mpeg", NULL},
        {mur_uid_MPEG2MPHL, "video/mpeg", NULL},
        {mur_uid_MPEG4HP41, "video/mp4", NULL},
        {mur_uid_MPEG4HP41BD, "video/mp4", NULL},
        {mur_uid_MPEG4HP422D, "video/mp4", NULL},
        {mur_uid_MPEG4HP423D, "video/mp4", NULL},
        {mur_uid_MPEG4HP42STEREO, "video/mp4", NULL},
        {mur_uid_HEVCMP51, "video/mp4", NULL},
        {mur_uid_HEVCM10P51, "video/mp4", NULL},
    };
    for (size_t i = 0; i < MUR_COUNT(codecs); i++)
        if (strcmp(codecs[i].transfer_syntax, transfer_syntax) == 0)
            return &codecs[i];
    return NULL;
}

static size_t make_offers(struct mur_representation offers[OFFERS], const struct mur_image *image,
                          const struct mur_instance *instance, bool single)
{
    size_t count = 0;
    struct mur_representation offer = {.media_type = raw_type,
                                       .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
                                       .stored = !image->encapsulated,
                                       .usual = true,
                                       .single = single,
                                       .multipart = true};
    bool decodes = (mur_transfer_syntax_flags(instance->transfer_syntax) & MUR_TS_DECODED) != 0;
    if (!image->encapsulated || decodes)
        offers[count++] = offer;
    if (!image->encapsulated)
        return count;
    const struct codec *codec = codec_of(instance->transfer_syntax);
    if (codec != NULL)
        offer.media_type = codec->media_type;
    offer.transfer_syntax = instance->transfer_syntax;
    offer.stored = true;
    offer.usual = !decodes;
    offers[count++] = offer;
    if (codec != NULL && codec->older != NULL) {
        offer.media_type = codec->older;
        offer.usual = false;
        offers[count++] = offer;
    }
    return count;
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* What an answer is made from; the streaming of it outlives the handler. */
struct asked {
    const struct mur_exchange *exchange; /* not when it is freed */
    struct mur_cache *images;
    struct mur_instance instance;
    struct mur_image *image;
    int descriptor;
    uint32_t *frames; /* from 0 */
    size_t count, next;
    struct mur_representation given;
};

static void free_asked(void *user)
{
    struct asked *asked = user;
    if (asked->image != NULL)
        mur_cache_release(asked->images, &asked->image->cached);
    if (asked->descriptor >= 0)
        (void)close(asked->descriptor);
    free(asked->frames);
    free(asked);
}

static enum mur_status all_frames(struct asked *asked, struct mur_error *error)
{
    asked->count = asked->image->frames;
    asked->frames = calloc(asked->count, sizeof *asked->frames);
    if (asked->frames == NULL)
        return mur_error_no_memory(error);
    for (uint32_t i = 0; i < asked->image->frames; i++)
        asked->frames[i] = i;
    return MUR_OK;
}

static enum mur_status parse_list(struct asked *asked, struct mur_slice list,
                                  struct mur_error *error)
{
    size_t commas = 0;
    for (size_t i = 0; i < list.length; i++)
        commas += list.data[i] == ',' ? 1 : 0;
    if (commas >= LIST_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d frames", (int)LIST_LIMIT);
    asked->frames = calloc(commas + 1, sizeof *asked->frames);
    if (asked->frames == NULL)
        return mur_error_no_memory(error);
    while (asked->count <= commas) {
        const char *comma = memchr(list.data, ',', list.length);
        struct mur_slice one = {
            .data = list.data, .length = comma != NULL ? (size_t)(comma - list.data) : list.length};
        uint64_t number = 0;
        if (mur_parse_uint64(&number, one, 0, UINT64_MAX, NULL) != MUR_OK)
            return mur_error_set(error, MUR_INVALID, "\"%.*s\" is no number of a frame",
                                 (int)(one.length < 100 ? one.length : 100), one.data);
        if (number == 0 || number > asked->image->frames)
            return mur_error_set(error, MUR_NOT_FOUND,
                                 "there is no frame %" PRIu64 ": the instance has %" PRIu32, number,
                                 asked->image->frames);
        asked->frames[asked->count++] = (uint32_t)number - 1;
        if (comma != NULL) {
            list.length -= one.length + 1;
            list.data = comma + 1;
        }
    }
    return MUR_OK;
}

static enum mur_status make_body(struct mur_body *out, const struct asked *asked, uint32_t frame,
                                 struct mur_error *error)
{
    if (asked->given.stored)
        return mur_frame_stored(out, asked->exchange, &asked->instance, asked->descriptor,
                                asked->image, frame, error);
    uint64_t memory = mur_frame_memory(asked->image);
    MUR_AUTO_PIXELS struct mur_pixels pixels = {.planar = 0};
    enum mur_status status = mur_wado_take_memory(asked->exchange, memory, error);
    if (status != MUR_OK)
        return status;
    status = mur_frame_decode(&pixels, asked->exchange, &asked->instance, asked->descriptor,
                              asked->image, frame, error);
    mur_wado_give_memory(asked->exchange, memory);
    if (status != MUR_OK)
        return status;
    *out = (struct mur_body){.memory = pixels.bytes, .descriptor = -1};
    pixels.bytes = (struct mur_buffer)MUR_BUFFER_INIT;
    return MUR_OK;
}

static enum mur_status next_part(void *user, bool *found, struct mur_part *part,
                                 struct mur_error *error)
{
    struct asked *asked = user;
    if (asked->next == asked->count)
        return MUR_OK;
    uint32_t frame = asked->frames[asked->next++];
    char rest[24];
    (void)snprintf(rest, sizeof rest, "/frames/%" PRIu32, frame + 1);
    enum mur_status status = make_body(&part->body, asked, frame, error);
    if (status == MUR_OK)
        status = mur_representation_type(&part->type, &asked->given, error);
    if (status == MUR_OK)
        status = mur_wado_location(&part->location, &asked->instance, rest, error);
    *found = status == MUR_OK;
    return status;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static enum mur_status answer_single(struct mur_exchange *exchange, const struct asked *asked,
                                     const char *type, const char *etag, struct mur_error *error)
{
    MUR_AUTO_BODY struct mur_body body = MUR_BODY_INIT;
    enum mur_status status = make_body(&body, asked, asked->frames[0], error);
    return status == MUR_OK ? mur_answer_ranged(exchange, type, &body, etag,
                                                mur_wado_is_immutable(exchange), error)
                            : status;
}

/* @param[out] taken  asked is the answer's now */
static enum mur_status answer(bool *taken, struct mur_exchange *exchange, struct asked *asked,
                              bool multipart, struct mur_slice list, struct mur_error *error)
{
    MUR_AUTO_FREE char *type = NULL;
    MUR_AUTO_FREE char *representation = NULL;
    bool answered = false;
    char etag[MUR_ETAG_SIZE];
    bool immutable = mur_wado_is_immutable(exchange);
    enum mur_status status = mur_representation_type(&type, &asked->given, error);
    if (status == MUR_OK)
        status = mur_text_format(&representation, error, "frames %.*s %s %d", (int)list.length,
                                 list.data, type, multipart);
    if (status != MUR_OK)
        return status;
    mur_wado_etag(etag, &asked->instance, representation);
    status = mur_answer_condition(&answered, exchange, etag, immutable, error);
    if (status != MUR_OK || answered)
        return status;
    if (!multipart)
        return answer_single(exchange, asked, type, etag, error);
    const struct mur_parts parts = {.next = next_part, .free = free_asked, .user = asked};
    const char *media_type = asked->given.media_type;
    status = mur_answer_multipart(exchange, MHD_HTTP_OK, media_type, &parts, error);
    *taken = status == MUR_OK;
    return status == MUR_OK ? mur_answer_validators(exchange, etag, immutable, error) : status;
}

static enum mur_status prepare(struct asked *asked, bool *multipart,
                               const struct mur_exchange *exchange, struct mur_slice list,
                               struct mur_error *error)
{
    struct mur_representation offers[OFFERS];
    struct mur_chosen chosen;
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_wado_open(&asked->descriptor, exchange, &asked->instance, error);
    if (status == MUR_OK)
        status = mur_image_get(&asked->image, exchange, &asked->instance, asked->descriptor, error);
    if (status == MUR_OK)
        status = list.length > 0 ? parse_list(asked, list, error) : all_frames(asked, error);
    if (status == MUR_OK)
        status = mur_wado_choose(
            &chosen, &accept, offers,
            make_offers(offers, asked->image, &asked->instance, asked->count == 1), false, error);
    if (status != MUR_OK)
        return status;
    asked->given = offers[chosen.representation];
    if (asked->given.stored && asked->image->encapsulated) /* ours lives longer */
        asked->given.transfer_syntax = asked->instance.transfer_syntax;
    *multipart = chosen.multipart;
    return MUR_OK;
}

enum mur_status mur_answer_frames(struct mur_exchange *exchange,
                                  const struct mur_instance *instance, struct mur_slice list,
                                  struct mur_error *error)
{
    struct asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL)
        return mur_error_no_memory(error);
    asked->exchange = exchange;
    asked->images = mur_wado_images(exchange);
    asked->instance = *instance;
    asked->descriptor = -1;
    bool taken = false;
    bool multipart = false;
    enum mur_status status = prepare(asked, &multipart, exchange, list, error);
    if (status == MUR_OK)
        status = answer(&taken, exchange, asked, multipart, list, error);
    if (!taken)
        free_asked(asked);
    return status;
}

enum mur_status mur_web_frames(struct mur_exchange *exchange, struct mur_error *error)
{
    struct mur_instance instance;
    enum mur_status status = mur_wado_instance(&instance, exchange, error);
    return status == MUR_OK ? mur_answer_frames(exchange, &instance, exchange->parts[3], error)
                            : status;
}
