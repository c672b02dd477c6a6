/* Bulk values (PS3.18 10.4.1.1.5), by the addresses that metadata gives them. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/frames.h"
#include "web/metadata.h"
#include "web/multipart_writer.h"
#include "web/route.h"

static const struct mur_representation offer = {.media_type = "application/octet-stream",
                                                .stored = true,
                                                .usual = true,
                                                .single = true,
                                                .multipart = true};

/* One part, once. */
struct single {
    struct mur_part part;
    bool given;
};

static enum mur_status next_part(void *user, bool *found, struct mur_part *part,
                                 struct mur_error *error)
{
    (void)error;
    struct single *single = user;
    if (single->given)
        return MUR_OK;
    single->given = true;
    *part = single->part;
    single->part = (struct mur_part){.body = MUR_BODY_INIT};
    *found = true;
    return MUR_OK;
}

static void free_single(void *user)
{
    struct single *single = user;
    mur_part_free(&single->part);
    free(single);
}

static enum mur_status answer_part(struct mur_exchange *exchange, struct mur_body *body,
                                   const char *etag, struct mur_error *error)
{
    struct single *single = calloc(1, sizeof *single);
    if (single == NULL)
        return mur_error_no_memory(error);
    single->part.body = mur_body_take(body);
    const struct mur_parts parts = {.next = next_part, .free = free_single, .user = single};
    enum mur_status status =
        mur_text_copy(&single->part.type, mur_slice_of(offer.media_type), error);
    if (status == MUR_OK)
        status = mur_text_copy(&single->part.location, mur_slice_of(exchange->path), error);
    if (status == MUR_OK)
        status = mur_answer_multipart(exchange, MHD_HTTP_OK, offer.media_type, &parts, error);
    if (status != MUR_OK) {
        free_single(single);
        return status;
    }
    return mur_answer_validators(exchange, etag, mur_wado_is_immutable(exchange), error);
}

static enum mur_status answer(struct mur_exchange *exchange, const struct mur_instance *instance,
                              const struct mur_bulk_place *place, const char *path,
                              struct mur_error *error)
{
    struct mur_chosen chosen;
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_wado_choose(&chosen, &accept, &offer, 1, true, error);
    if (status != MUR_OK)
        return status;
    char representation[MUR_BULK_PATH + 16];
    char etag[MUR_ETAG_SIZE];
    (void)snprintf(representation, sizeof representation, "bulk %s %d", path, chosen.multipart);
    mur_wado_etag(etag, instance, representation);
    bool immutable = mur_wado_is_immutable(exchange);
    bool answered = false;
    status = mur_answer_condition(&answered, exchange, etag, immutable, error);
    if (status != MUR_OK || answered)
        return status;
    MUR_AUTO_CLOSE int file = -1;
    MUR_AUTO_BODY struct mur_body body = MUR_BODY_INIT;
    const struct mur_run run = {.offset = place->offset, .length = place->length};
    status = mur_wado_open(&file, exchange, instance, error);
    if (status == MUR_OK)
        status = mur_wado_value(&body, exchange, instance, file, &run,
                                mur_vr_info(place->vr)->width, error);
    if (status != MUR_OK)
        return status;
    return chosen.multipart
               ? answer_part(exchange, &body, etag, error)
               : mur_answer_ranged(exchange, offer.media_type, &body, etag, immutable, error);
}

enum mur_status mur_web_bulk(struct mur_exchange *exchange, struct mur_error *error)
{
    struct mur_instance instance;
    struct mur_bulk_place place;
    bool found = false;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_wado_instance(&instance, exchange, error);
    if (status == MUR_OK)
        status = mur_text_copy(&path, exchange->parts[3], error);
    if (status == MUR_OK && strlen(path) < MUR_BULK_PATH)
        status = mur_metadata_find_bulk(&found, &place, exchange->archive, &instance, path, error);
    if (status != MUR_OK)
        return status;
    if (!found)
        return mur_error_set(error, MUR_NOT_FOUND, "there is no bulk value at %s", exchange->path);
    return place.encapsulated ? mur_answer_frames(exchange, &instance, mur_slice_of(""), error)
                              : answer(exchange, &instance, &place, path, error);
}
