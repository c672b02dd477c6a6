/* Validators, conditions and ranges (RFC 9110). */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "web/wado.h"

/* ---- entity tags ----------------------------------------------------------------------------- */

static void write_etag(char out[MUR_ETAG_SIZE], const uint8_t digest[MUR_XXH128_SIZE])
{
    char text[MUR_XXH128_TEXT_SIZE];
    mur_hex_write(text, digest, MUR_XXH128_SIZE);
    (void)snprintf(out, MUR_ETAG_SIZE, "\"%s\"", text);
}

void mur_wado_etag(char out[MUR_ETAG_SIZE], const struct mur_instance *instance,
                   const char *representation)
{
    uint8_t of_type[MUR_XXH128_SIZE];
    mur_xxh128_of(of_type, representation, strlen(representation));
    for (size_t i = 0; i < sizeof of_type; i++)
        of_type[i] ^= instance->digest[i];
    write_etag(out, of_type);
}

void mur_wado_plan_etag(char out[MUR_ETAG_SIZE], const struct mur_plan *plan,
                        const char *representation)
{
    uint8_t all[MUR_XXH128_SIZE];
    mur_xxh128_of(all, representation, strlen(representation));
    for (size_t i = 0; i < plan->count; i++) {
        uint8_t chained[2 * MUR_XXH128_SIZE];
        memcpy(chained, all, sizeof all);
        memcpy(chained + sizeof all, plan->items[i].digest, MUR_XXH128_SIZE);
        mur_xxh128_of(all, chained, sizeof chained);
    }
    write_etag(out, all);
}

/* Whether a list of entity tags has ours. @param weak  "W/" before it does not matter */
static bool has_tag(const char *list, const char *etag, bool weak)
{
    size_t length = strlen(etag);
    for (const char *at = list; *at != '\0';) {
        at += strspn(at, ", \t");
        if (*at == '*')
            return true;
        if (weak && strncmp(at, "W/", 2) == 0)
            at += 2;
        if (strncmp(at, etag, length) == 0)
            return true;
        at += strcspn(at, ",");
    }
    return false;
}

bool mur_wado_is_immutable(const struct mur_exchange *exchange)
{
    return exchange->config->dicom_duplicates == MUR_DUPLICATES_KEEP;
}

enum mur_status mur_answer_validators(struct mur_exchange *exchange, const char *etag,
                                      bool immutable, struct mur_error *error)
{
    const char *keep = etag == NULL ? "no-store"
                       : immutable  ? "private, max-age=31536000, immutable"
                                    : "private, no-cache";
    enum mur_status status = mur_answer_header(exchange, "Cache-Control", keep, error);
    if (status == MUR_OK && etag != NULL)
        status = mur_answer_header(exchange, "ETag", etag, error);
    return status == MUR_OK ? mur_answer_header(exchange, "Vary", "Accept, Accept-Encoding", error)
                            : status;
}

enum mur_status mur_answer_condition(bool *answered, struct mur_exchange *exchange,
                                     const char *etag, bool immutable, struct mur_error *error)
{
    MUR_AUTO_FREE char *wanted = NULL;
    MUR_AUTO_FREE char *known = NULL;
    enum mur_status status = mur_exchange_header(&wanted, exchange, "If-Match", error);
    if (status == MUR_OK)
        status = mur_exchange_header(&known, exchange, "If-None-Match", error);
    if (status != MUR_OK)
        return status;
    bool changed = wanted != NULL && !has_tag(wanted, etag, false);
    if (changed)
        status = mur_answer(exchange, MHD_HTTP_PRECONDITION_FAILED, "text/plain; charset=utf-8",
                            mur_slice_of("it is not what If-Match says\n"), error);
    else if (known != NULL && has_tag(known, etag, true))
        status = mur_answer(exchange, MHD_HTTP_NOT_MODIFIED, NULL, mur_slice_of(""), error);
    else
        return MUR_OK;
    if (status == MUR_OK && !changed)
        status = mur_answer_validators(exchange, etag, immutable, error);
    if (status == MUR_OK)
        *answered = true;
    return status;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

enum mur_status mur_range_parse(struct mur_run *out, bool *ok, struct mur_slice text,
                                uint64_t length, struct mur_error *error)
{
    static const char unit[] = "bytes=";
    *ok = false;
    text = mur_slice_trim(text);
    if (text.length < sizeof unit || strncmp(text.data, unit, sizeof unit - 1) != 0 ||
        memchr(text.data, ',', text.length) != NULL)
        return MUR_OK;
    text.data += sizeof unit - 1;
    text.length -= sizeof unit - 1;
    const char *dash = memchr(text.data, '-', text.length);
    if (dash == NULL)
        return MUR_OK;
    struct mur_slice first = {.data = text.data, .length = (size_t)(dash - text.data)};
    struct mur_slice last = {.data = dash + 1, .length = text.length - first.length - 1};
    uint64_t from = 0;
    uint64_t to = INT64_MAX;
    if ((first.length == 0 && last.length == 0) ||
        (first.length > 0 && mur_parse_uint64(&from, first, 0, INT64_MAX, NULL) != MUR_OK) ||
        (last.length > 0 && mur_parse_uint64(&to, last, 0, INT64_MAX, NULL) != MUR_OK) ||
        (first.length > 0 && to < from))
        return MUR_OK;
    if (first.length == 0) { /* so many at the end */
        from = to < length ? length - to : 0;
        to = to == 0 ? 0 : INT64_MAX;
        if (to == 0)
            from = length;
    }
    if (from >= length)
        return mur_error_set(error, MUR_LIMIT, "there are %" PRIu64 " bytes", length);
    if (to >= length)
        to = length - 1;
    *out = (struct mur_run){.offset = from, .length = to - from + 1};
    *ok = true;
    return MUR_OK;
}

static enum mur_status refuse_range(struct mur_exchange *exchange, uint64_t length,
                                    struct mur_error *error)
{
    char range[48];
    (void)snprintf(range, sizeof range, "bytes */%" PRIu64, length);
    enum mur_status status =
        mur_answer(exchange, MHD_HTTP_RANGE_NOT_SATISFIABLE, "text/plain; charset=utf-8",
                   mur_slice_of("there are not so many bytes\n"), error);
    return status == MUR_OK ? mur_answer_header(exchange, "Content-Range", range, error) : status;
}

/* @param[out] found  false: all of it */
static enum mur_status asked_range(struct mur_run *out, bool *found,
                                   const struct mur_exchange *exchange, uint64_t length,
                                   const char *etag, struct mur_error *error)
{
    MUR_AUTO_FREE char *range = NULL;
    MUR_AUTO_FREE char *condition = NULL;
    enum mur_status status = mur_exchange_header(&range, exchange, "Range", error);
    if (status == MUR_OK)
        status = mur_exchange_header(&condition, exchange, "If-Range", error);
    if (status != MUR_OK || range == NULL)
        return status;
    /* A part of something else than the client has would be of no use to it. */
    if (condition != NULL && (etag == NULL || strcmp(condition, etag) != 0))
        return MUR_OK;
    return mur_range_parse(out, found, mur_slice_of(range), length, error);
}

enum mur_status mur_answer_ranged(struct mur_exchange *exchange, const char *type,
                                  struct mur_body *body, const char *etag, bool immutable,
                                  struct mur_error *error)
{
    uint64_t length = mur_body_length(body);
    struct mur_run part;
    bool is_part = false;
    struct mur_error why = MUR_ERROR_INIT;
    enum mur_status status = asked_range(&part, &is_part, exchange, length, etag, &why);
    if (status == MUR_LIMIT)
        return refuse_range(exchange, length, error);
    if (status != MUR_OK)
        return mur_error_set(error, status, "%s", why.message);
    status = mur_answer_body(exchange, is_part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, type, body,
                             is_part ? &part : NULL, error);
    char range[80];
    (void)snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                   is_part ? part.offset : 0, is_part ? part.offset + part.length - 1 : 0, length);
    if (status == MUR_OK && is_part)
        status = mur_answer_header(exchange, "Content-Range", range, error);
    if (status == MUR_OK)
        status = mur_answer_header(exchange, "Accept-Ranges", "bytes", error);
    return status == MUR_OK ? mur_answer_validators(exchange, etag, immutable, error) : status;
}
