/* Studies, series and instances as they are (PS3.18 10.4.1.1.1). */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "dicom/transfer_syntax.h"
#include "web/multipart_writer.h"
#include "web/route.h"
#include "web/wado_object.h"

enum { OFFERS = 2 };

static const char dicom_type[] = "application/dicom";

/* PS3.18 8.7.3.1: Explicit VR Little Endian where nothing is said, if it can be made. */
static size_t make_offers(struct mur_representation offers[OFFERS],
                          const struct mur_instance *instance, bool single)
{
    size_t count = 0;
    const char *stored = instance->transfer_syntax;
    const char *usual = mur_uid_ExplicitVRLittleEndian;
    struct mur_representation offer = {.media_type = dicom_type,
                                       .transfer_syntax = usual,
                                       .usual = true,
                                       .single = single,
                                       .multipart = true};
    bool converts = strcmp(stored, usual) != 0 && mur_transfer_syntax_converts(stored, usual);
    if (converts)
        offers[count++] = offer;
    offer.transfer_syntax = stored;
    offer.stored = true;
    offer.usual = !converts;
    offers[count++] = offer;
    return count;
}

/* ---- many ------------------------------------------------------------------------------------ */

struct item {
    struct mur_instance *instance;
    bool stored; /* as it is; else in Explicit VR Little Endian */
};

struct retrieval {
    const struct mur_exchange *exchange; /* not when it is freed */
    struct mur_plan plan;
    struct item *items; /* those that can be given */
    size_t count, next, failed;
    struct mur_error first_failure;
};

static void free_retrieval(void *user)
{
    struct retrieval *retrieval = user;
    mur_plan_free(&retrieval->plan);
    free(retrieval->items);
    free(retrieval);
}

static enum mur_status make_part(struct mur_part *part, const struct retrieval *retrieval,
                                 const struct item *item, struct mur_error *error)
{
    const char *syntax =
        item->stored ? item->instance->transfer_syntax : mur_uid_ExplicitVRLittleEndian;
    enum mur_status status =
        mur_wado_object(&part->body, retrieval->exchange, item->instance, syntax, error);
    if (status == MUR_OK)
        status = mur_text_format(&part->type, error, "%s; transfer-syntax=%s", dicom_type, syntax);
    return status == MUR_OK ? mur_wado_location(&part->location, item->instance, "", error)
                            : status;
}

/* What cannot be given is left out, the others are sent; but then the answer is broken off at its
 * end, so that nobody takes it for all there is. */
static enum mur_status next_part(void *user, bool *found, struct mur_part *part,
                                 struct mur_error *error)
{
    struct retrieval *retrieval = user;
    while (retrieval->next < retrieval->count) {
        const struct item *item = &retrieval->items[retrieval->next++];
        struct mur_error reason = MUR_ERROR_INIT;
        if (make_part(part, retrieval, item, &reason) == MUR_OK) {
            *found = true;
            return MUR_OK;
        }
        mur_part_free(part);
        mur_log_warning(MUR_LOG_WEB, "%s was not sent: %s", item->instance->sop_instance,
                        reason.message);
        if (retrieval->failed++ == 0)
            retrieval->first_failure = reason;
    }
    if (retrieval->failed > 0)
        return mur_error_set(error, retrieval->first_failure.status,
                             "%zu of %zu instances could not be sent; the first: %s",
                             retrieval->failed, retrieval->count, retrieval->first_failure.message);
    return MUR_OK;
}

/* Sets what is given of the plan, and how. @param[out] whole  false: not all is acceptable */
static enum mur_status choose_items(struct retrieval *retrieval, bool *whole,
                                    const struct mur_accept *accept, struct mur_error *error)
{
    const struct mur_plan *plan = &retrieval->plan;
    retrieval->items = calloc(plan->count, sizeof *retrieval->items);
    if (retrieval->items == NULL)
        return mur_error_no_memory(error);
    const char *syntax = "";
    bool acceptable = false;
    bool stored = false;
    struct mur_error refusal = MUR_ERROR_INIT;
    for (size_t i = 0; i < plan->count; i++) {
        struct mur_instance *instance = &plan->items[i];
        if (strcmp(instance->transfer_syntax, syntax) != 0) {
            struct mur_representation offers[OFFERS];
            struct mur_chosen chosen;
            size_t count = make_offers(offers, instance, false);
            enum mur_status status =
                mur_wado_choose(&chosen, accept, offers, count, false, &refusal);
            if (status != MUR_OK && status != MUR_UNSUPPORTED)
                return mur_error_set(error, status, "%s", refusal.message);
            acceptable = status == MUR_OK;
            stored = acceptable && offers[chosen.representation].stored;
            syntax = instance->transfer_syntax;
        }
        if (acceptable)
            retrieval->items[retrieval->count++] =
                (struct item){.instance = instance, .stored = stored};
    }
    *whole = retrieval->count == plan->count;
    return retrieval->count > 0 ? MUR_OK
                                : mur_error_set(error, refusal.status, "%s", refusal.message);
}

static void make_etag(char out[MUR_ETAG_SIZE], const struct retrieval *retrieval)
{
    uint64_t choices = 0;
    for (size_t i = 0; i < retrieval->count; i++)
        choices = choices * 31 + (retrieval->items[i].stored ? 2 : 1);
    char representation[48];
    (void)snprintf(representation, sizeof representation, "many %zu %llx", retrieval->count,
                   (unsigned long long)choices);
    mur_wado_plan_etag(out, &retrieval->plan, representation);
}

/* @param immutable  the address never means other bytes: that of an instance */
static enum mur_status answer_many(struct mur_exchange *exchange, struct retrieval *retrieval,
                                   const struct mur_accept *accept, bool immutable, bool *taken,
                                   struct mur_error *error)
{
    bool whole = false;
    enum mur_status status = choose_items(retrieval, &whole, accept, error);
    if (status != MUR_OK)
        return status;
    char etag[MUR_ETAG_SIZE];
    make_etag(etag, retrieval);
    bool known = !exchange->config->export_coerce;
    bool answered = false;
    if (known)
        status = mur_answer_condition(&answered, exchange, etag, immutable, error);
    if (status != MUR_OK || answered)
        return status;
    const struct mur_parts parts = {.next = next_part, .free = free_retrieval, .user = retrieval};
    exchange->told = retrieval->count;
    status = mur_answer_multipart(exchange, whole ? MHD_HTTP_OK : MHD_HTTP_PARTIAL_CONTENT,
                                  dicom_type, &parts, error);
    *taken = status == MUR_OK;
    return status == MUR_OK ? mur_answer_validators(exchange, known ? etag : NULL, immutable, error)
                            : status;
}

static enum mur_status retrieve_many(struct mur_exchange *exchange, enum mur_level level,
                                     const struct mur_accept *accept, struct mur_error *error)
{
    struct retrieval *retrieval = calloc(1, sizeof *retrieval);
    if (retrieval == NULL)
        return mur_error_no_memory(error);
    retrieval->exchange = exchange;
    bool taken = false;
    bool immutable = level == MUR_LEVEL_IMAGE && mur_wado_is_immutable(exchange);
    enum mur_status status = mur_wado_plan(&retrieval->plan, exchange, level, error);
    if (status == MUR_OK)
        status = answer_many(exchange, retrieval, accept, immutable, &taken, error);
    if (!taken)
        free_retrieval(retrieval);
    return status;
}

enum mur_status mur_web_retrieve_study(struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    return status == MUR_OK ? retrieve_many(exchange, MUR_LEVEL_STUDY, &accept, error) : status;
}

enum mur_status mur_web_retrieve_series(struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    return status == MUR_OK ? retrieve_many(exchange, MUR_LEVEL_SERIES, &accept, error) : status;
}

/* ---- one ------------------------------------------------------------------------------------- */

static enum mur_status retrieve_one(struct mur_exchange *exchange,
                                    const struct mur_instance *instance,
                                    const struct mur_representation *one, struct mur_error *error)
{
    MUR_AUTO_FREE char *type = NULL;
    enum mur_status status = mur_representation_type(&type, one, error);
    if (status != MUR_OK)
        return status;
    char etag[MUR_ETAG_SIZE];
    mur_wado_etag(etag, instance, type);
    bool immutable = mur_wado_is_immutable(exchange);
    bool known = !exchange->config->export_coerce;
    bool answered = false;
    if (known)
        status = mur_answer_condition(&answered, exchange, etag, immutable, error);
    if (status != MUR_OK || answered)
        return status;
    MUR_AUTO_BODY struct mur_body body = MUR_BODY_INIT;
    status = mur_wado_object(&body, exchange, instance, one->transfer_syntax, error);
    return status == MUR_OK
               ? mur_answer_ranged(exchange, type, &body, known ? etag : NULL, immutable, error)
               : status;
}

enum mur_status mur_web_retrieve_instance(struct mur_exchange *exchange, struct mur_error *error)
{
    struct mur_instance instance;
    struct mur_representation offers[OFFERS];
    struct mur_chosen chosen;
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_wado_instance(&instance, exchange, error);
    if (status == MUR_OK)
        status = mur_wado_choose(&chosen, &accept, offers, make_offers(offers, &instance, true),
                                 true, error);
    if (status != MUR_OK)
        return status;
    return chosen.multipart
               ? retrieve_many(exchange, MUR_LEVEL_IMAGE, &accept, error)
               : retrieve_one(exchange, &instance, &offers[chosen.representation], error);
}
