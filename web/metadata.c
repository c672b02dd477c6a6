#include "web/metadata.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/coerce.h"
#include "archive/stored_header.h"
#include "core/digest.h"
#include "core/gzip.h"
#include "dicom/header_json.h"
#include "dicom/transfer_syntax.h"
#include "web/route.h"
#include "web/wado_object.h"

enum {
    GZIP_FROM = 16 * 1024, /* bytes below which it saves nobody's time */
    GZIP_LEVEL = 3,
    CACHED_LIMIT = 12 << 20,
    KEY_SIZE = 200,
    COPY_BLOCK = 32 * 1024,
};

/* ---- one instance ---------------------------------------------------------------------------- */

static enum mur_status write_stored(struct mur_metadata_filter *filter,
                                    const struct mur_exchange *exchange,
                                    const struct mur_instance *instance, struct mur_error *error)
{
    enum mur_status status = mur_archive_write_header(mur_metadata_filter_sink(filter),
                                                      exchange->archive, instance, error);
    return status == MUR_OK ? mur_metadata_filter_finish(filter, error) : status;
}

enum mur_status mur_metadata_find_bulk(bool *found, struct mur_bulk_place *out,
                                       struct mur_archive *archive,
                                       const struct mur_instance *instance, const char *path,
                                       struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_metadata_filter *filter = malloc(sizeof *filter);
    if (filter == NULL)
        return mur_error_no_memory(error);
    mur_metadata_filter_find(filter, path);
    enum mur_status status =
        mur_archive_write_header(mur_metadata_filter_sink(filter), archive, instance, error);
    if (status == MUR_OK)
        status = mur_metadata_filter_finish(filter, error);
    if (status != MUR_OK)
        return status;
    *found = filter->has_found;
    if (filter->has_found)
        *out = filter->found;
    return MUR_OK;
}

/* A Data Set as a header is stored: JSON with places. */
static enum mur_status describe(struct mur_buffer *out, struct mur_dataset *dataset,
                                struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_header_json) *header = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    MUR_AUTO_FREE struct mur_json_writer *json = malloc(sizeof *json);
    if (json == NULL)
        return mur_error_no_memory(error);
    mur_json_init(json, mur_sink_buffer(out));
    const char *syntax = mur_uid_ExplicitVRLittleEndian;
    enum mur_status status = mur_dataset_encode(&bytes, dataset, syntax, error);
    if (status == MUR_OK)
        status = mur_header_json_create(&header, json, error);
    if (status == MUR_OK)
        status = mur_scanner_create(&scanner, syntax, &mur_header_json_events, header, error);
    if (status == MUR_OK)
        status = mur_scanner_write(scanner, bytes.data, bytes.length, error);
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    if (status == MUR_OK)
        status = mur_header_json_finish(header, error);
    return status == MUR_OK ? mur_json_finish(json, error) : status;
}

/* Pixels, which the Data Set was read without: they stay where they are. */
static enum mur_status add_pixels(struct mur_buffer *json, const struct mur_exchange *exchange,
                                  const struct mur_instance *instance, struct mur_error *error)
{
    static const char *const tags[] = {"7FE00008", "7FE00009", "7FE00010"};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(tags); i++) {
        bool found = false;
        struct mur_bulk_place place;
        status =
            mur_metadata_find_bulk(&found, &place, exchange->archive, instance, tags[i], error);
        if (status != MUR_OK || !found)
            continue;
        json->length--; /* the brace at the end */
        status = mur_buffer_append_format(json, error,
                                          ",\"%s\":{\"vr\":\"%s\",\"BulkDataURI\":\"#0,0\"}}",
                                          tags[i], mur_vr_name(place.vr));
    }
    return status;
}

/* @param[out] changed  false: it is what is stored */
static enum mur_status coerced(bool *changed, struct mur_buffer *out,
                               const struct mur_exchange *exchange,
                               const struct mur_instance *instance, struct mur_error *error)
{
    MUR_AUTO_CLOSE int file = -1;
    struct mur_measure size = {.length = 0};
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = mur_wado_open(&file, exchange, instance, error);
    if (status == MUR_OK)
        status = mur_wado_measure(&size, exchange, instance, file, error);
    if (status == MUR_OK)
        status = mur_wado_take_memory(exchange, mur_measure_loaded(&size), error);
    if (status != MUR_OK)
        return status;
    status = mur_wado_load(&dataset, file, MUR_HEADER, error);
    if (status == MUR_OK)
        status = mur_archive_coerce(changed, dataset, exchange->archive, instance, error);
    if (status == MUR_OK && *changed)
        status = describe(out, dataset, error);
    mur_dataset_free(MUR_STEAL(dataset));
    mur_wado_give_memory(exchange, mur_measure_loaded(&size));
    return status == MUR_OK && *changed ? add_pixels(out, exchange, instance, error) : status;
}

enum mur_status mur_metadata_write(struct mur_sink sink, const struct mur_exchange *exchange,
                                   const struct mur_instance *instance, struct mur_error *error)
{
    MUR_AUTO_FREE char *prefix = NULL;
    MUR_AUTO_BUFFER struct mur_buffer json = MUR_BUFFER_INIT;
    MUR_AUTO_FREE struct mur_metadata_filter *filter = malloc(sizeof *filter);
    if (filter == NULL)
        return mur_error_no_memory(error);
    bool changed = false;
    enum mur_status status = mur_wado_location(&prefix, instance, "/bulkdata/", error);
    if (status == MUR_OK && exchange->config->export_coerce)
        status = coerced(&changed, &json, exchange, instance, error);
    if (status != MUR_OK)
        return status;
    mur_metadata_filter_init(filter, sink, prefix);
    if (!changed)
        return write_stored(filter, exchange, instance, error);
    struct mur_sink through = mur_metadata_filter_sink(filter);
    status = through.write(through.user, json.data, json.length, error);
    return status == MUR_OK ? mur_metadata_filter_finish(filter, error) : status;
}

/* ---- many ------------------------------------------------------------------------------------ */

static enum mur_status write_all(struct mur_sink sink, const struct mur_exchange *exchange,
                                 const struct mur_plan *plan, struct mur_error *error)
{
    enum mur_status status = sink.write(sink.user, "[", 1, error);
    for (size_t i = 0; status == MUR_OK && i < plan->count; i++) {
        if (i > 0)
            status = sink.write(sink.user, ",", 1, error);
        if (status == MUR_OK)
            status = mur_metadata_write(sink, exchange, &plan->items[i], error);
    }
    return status == MUR_OK ? sink.write(sink.user, "]", 1, error) : status;
}

static enum mur_status compress(struct mur_body *out, const struct mur_body *plain,
                                const char *directory, struct mur_error *error)
{
    MUR_AUTO_SPOOL struct mur_spool spool = MUR_SPOOL_INIT(directory);
    MUR_AUTO(mur_gzip_writer) *writer = NULL;
    MUR_AUTO_FREE char *block = malloc(COPY_BLOCK);
    if (block == NULL)
        return mur_error_no_memory(error);
    enum mur_status status =
        mur_gzip_writer_create(&writer, mur_spool_sink(&spool), GZIP_LEVEL, 1, error);
    uint64_t length = mur_body_length(plain);
    for (uint64_t done = 0; status == MUR_OK && done < length;) {
        size_t count = 0;
        status = mur_body_read(&count, plain, done, block, COPY_BLOCK, error);
        if (status == MUR_OK)
            status = mur_gzip_writer_write(writer, block, count, error);
        done += count;
    }
    if (status == MUR_OK)
        status = mur_gzip_writer_finish(writer, error);
    if (status == MUR_OK)
        *out = mur_spool_take(&spool);
    return status;
}

/* What is answered: the JSON, or a gzip stream of it. */
struct made {
    struct mur_body body;
    bool gzip;
};

static enum mur_status make(struct made *out, const struct mur_exchange *exchange,
                            enum mur_level level, bool gzip, struct mur_error *error)
{
    const char *directory = mur_archive_directory(exchange->archive);
    MUR_AUTO_PLAN struct mur_plan plan = {.count = 0};
    MUR_AUTO_SPOOL struct mur_spool spool = MUR_SPOOL_INIT(directory);
    enum mur_status status = mur_wado_plan(&plan, exchange, level, error);
    if (status == MUR_OK)
        status = write_all(mur_spool_sink(&spool), exchange, &plan, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_BODY struct mur_body plain = mur_spool_take(&spool);
    struct made made = {.gzip = gzip && mur_body_length(&plain) >= GZIP_FROM};
    if (made.gzip)
        status = compress(&made.body, &plain, directory, error);
    else
        made.body = mur_body_take(&plain);
    if (status == MUR_OK)
        *out = made;
    return status;
}

/* ---- what is kept of series ------------------------------------------------------------------ */

struct kept {
    struct mur_cached cached;
    struct mur_cache *cache; /* that it is in */
    struct mur_buffer bytes;
    bool gzip;
};

static void free_kept(struct mur_cached *cached)
{
    struct kept *kept = (struct kept *)cached;
    mur_buffer_free(&kept->bytes);
    free(kept);
}

static void release_kept(void *user)
{
    struct kept *kept = user;
    mur_cache_release(kept->cache, &kept->cached);
}

/* @param[out] out  NULL: too large to be kept; else made is empty then */
static enum mur_status keep(struct kept **out, struct made *made, const char *key,
                            struct mur_cache *cache, struct mur_error *error)
{
    *out = NULL;
    if (made->body.descriptor >= 0 || made->body.memory.length > CACHED_LIMIT)
        return MUR_OK;
    MUR_AUTO_FREE struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_text_copy(&kept->cached.key, mur_slice_of(key), error);
    if (status != MUR_OK)
        return status;
    kept->cached.bytes = made->body.memory.capacity + sizeof *kept + strlen(key);
    kept->cached.free = free_kept;
    kept->cached.references = 1;
    kept->cache = cache;
    kept->bytes = made->body.memory;
    kept->gzip = made->gzip;
    made->body.memory = (struct mur_buffer)MUR_BUFFER_INIT;
    *out = MUR_STEAL(kept);
    mur_cache_put(cache, &(*out)->cached);
    return MUR_OK;
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum mur_status choose_type(const char **out, const struct mur_exchange *exchange,
                                   struct mur_error *error)
{
    static const char *const types[] = {"application/dicom+json", "application/json"};
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    size_t chosen = 0;
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_accept_choose(&chosen, &accept, types, MUR_COUNT(types), error);
    if (status == MUR_OK)
        *out = types[chosen];
    return status;
}

/* "q" of what begins there, behind the name: 1 if it is not told. */
static double quality_of(const char *parameters)
{
    double value = 1;
    const char *at = parameters + strspn(parameters, " \t;");
    if (strncasecmp(at, "q=", 2) != 0)
        return value;
    const struct mur_slice number = {.data = at + 2, .length = strcspn(at + 2, ", \t;")};
    return mur_parse_double(&value, number, NULL) == MUR_OK ? value : 0;
}

/* Whether Accept-Encoding has gzip, by its name before "*", and does not rather have it plain (RFC
 * 9110 12.5.3). */
static enum mur_status takes_gzip(bool *out, const struct mur_exchange *exchange,
                                  struct mur_error *error)
{
    static const char *const codings[] = {"gzip", "x-gzip", "*", "identity"};
    double qualities[MUR_COUNT(codings)] = {-1, -1, -1, -1};
    MUR_AUTO_FREE char *header = NULL;
    enum mur_status status = mur_exchange_header(&header, exchange, "Accept-Encoding", error);
    if (status != MUR_OK || header == NULL)
        return status;
    for (const char *at = header; *at != '\0'; at += strcspn(at, ",")) {
        at += strspn(at, ", \t");
        size_t length = strcspn(at, ";, \t");
        for (size_t i = 0; i < MUR_COUNT(codings); i++)
            if (length == strlen(codings[i]) && strncasecmp(at, codings[i], length) == 0)
                qualities[i] = quality_of(at + length);
    }
    double gzip = qualities[0] >= 0   ? qualities[0]
                  : qualities[1] >= 0 ? qualities[1]
                                      : qualities[2];
    *out = gzip > 0 && gzip >= qualities[3];
    return MUR_OK;
}

static enum mur_status finish(struct mur_exchange *exchange, bool gzip, const char *etag,
                              struct mur_error *error)
{
    enum mur_status status =
        gzip ? mur_answer_header(exchange, "Content-Encoding", "gzip", error) : MUR_OK;
    return status == MUR_OK ? mur_answer_validators(exchange, etag, false, error) : status;
}

static enum mur_status answer_made(struct mur_exchange *exchange, const char *type,
                                   enum mur_level level, bool gzip, const char *etag,
                                   struct mur_error *error)
{
    struct made made = {.body = MUR_BODY_INIT};
    enum mur_status status = make(&made, exchange, level, gzip, error);
    if (status == MUR_OK)
        status = mur_answer_body(exchange, MHD_HTTP_OK, type, &made.body, NULL, error);
    mur_body_free(&made.body);
    return status == MUR_OK ? finish(exchange, made.gzip, etag, error) : status;
}

static enum mur_status answer_series(struct mur_exchange *exchange, const char *type, bool gzip,
                                     const char *key, const char *etag, struct mur_error *error)
{
    struct mur_cache *cache = mur_wado_metadata(exchange);
    struct mur_cached *cached = mur_cache_find(cache, key);
    struct kept *kept = (struct kept *)cached;
    struct made made = {.body = MUR_BODY_INIT};
    enum mur_status status = MUR_OK;
    if (kept == NULL) {
        status = make(&made, exchange, MUR_LEVEL_SERIES, gzip, error);
        if (status == MUR_OK)
            status = keep(&kept, &made, key, cache, error);
    }
    bool is_gzip = kept != NULL ? kept->gzip : made.gzip;
    if (status == MUR_OK && kept != NULL) {
        const struct mur_slice bytes = {.data = kept->bytes.data, .length = kept->bytes.length};
        status = mur_answer_shared(exchange, MHD_HTTP_OK, type, bytes, release_kept, kept, error);
    } else if (status == MUR_OK) {
        status = mur_answer_body(exchange, MHD_HTTP_OK, type, &made.body, NULL, error);
    }
    mur_body_free(&made.body);
    return status == MUR_OK ? finish(exchange, is_gzip, etag, error) : status;
}

/* A key by which a series, as it is now, is known. */
static enum mur_status make_key(char key[KEY_SIZE], struct mur_exchange *exchange, bool gzip,
                                struct mur_error *error)
{
    MUR_AUTO_FREE char *study = NULL;
    MUR_AUTO_FREE char *series = NULL;
    int64_t state[2] = {0, 0};
    enum mur_status status = mur_exchange_uid(&study, exchange, 0, error);
    if (status == MUR_OK)
        status = mur_exchange_uid(&series, exchange, 1, error);
    if (status == MUR_OK)
        status = mur_archive_series_state(state, exchange->archive, study, series, error);
    if (status == MUR_OK && state[0] == 0)
        status = mur_error_set(error, MUR_NOT_FOUND, "there is no such series: %s", exchange->path);
    if (status == MUR_OK)
        (void)snprintf(key, KEY_SIZE, "%s/%s %lld %lld %c", study, series, (long long)state[0],
                       (long long)state[1], gzip ? 'z' : 'p');
    exchange->told = (uint64_t)state[0];
    return status;
}

static void etag_of_key(char out[MUR_ETAG_SIZE], const char *key, const char *type)
{
    struct mur_instance none = {.id = 0};
    mur_xxh128_of(none.digest, key, strlen(key));
    mur_wado_etag(out, &none, type);
}

enum mur_status mur_web_metadata_of_series(struct mur_exchange *exchange, struct mur_error *error)
{
    const char *type = NULL;
    bool gzip = false;
    char key[KEY_SIZE];
    char etag[MUR_ETAG_SIZE];
    enum mur_status status = choose_type(&type, exchange, error);
    if (status == MUR_OK)
        status = takes_gzip(&gzip, exchange, error);
    if (status == MUR_OK && exchange->config->export_coerce)
        return answer_made(exchange, type, MUR_LEVEL_SERIES, gzip, NULL, error);
    if (status == MUR_OK)
        status = make_key(key, exchange, gzip, error);
    if (status != MUR_OK)
        return status;
    etag_of_key(etag, key, type);
    bool answered = false;
    status = mur_answer_condition(&answered, exchange, etag, false, error);
    return status == MUR_OK && !answered ? answer_series(exchange, type, gzip, key, etag, error)
                                         : status;
}

static enum mur_status answer_level(struct mur_exchange *exchange, enum mur_level level,
                                    struct mur_error *error)
{
    const char *type = NULL;
    bool gzip = false;
    bool answered = false;
    char etag[MUR_ETAG_SIZE];
    MUR_AUTO_PLAN struct mur_plan plan = {.count = 0};
    enum mur_status status = choose_type(&type, exchange, error);
    if (status == MUR_OK)
        status = takes_gzip(&gzip, exchange, error);
    if (status == MUR_OK)
        status = mur_wado_plan(&plan, exchange, level, error);
    bool known = !exchange->config->export_coerce;
    if (status == MUR_OK) {
        char representation[64];
        (void)snprintf(representation, sizeof representation, "metadata %s %d", type, gzip);
        mur_wado_plan_etag(etag, &plan, representation);
        exchange->told = plan.count;
    }
    if (status == MUR_OK && known)
        status = mur_answer_condition(&answered, exchange, etag, false, error);
    mur_plan_free(&plan);
    return status == MUR_OK && !answered
               ? answer_made(exchange, type, level, gzip, known ? etag : NULL, error)
               : status;
}

enum mur_status mur_web_metadata_of_study(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_level(exchange, MUR_LEVEL_STUDY, error);
}

enum mur_status mur_web_metadata_of_instance(struct mur_exchange *exchange, struct mur_error *error)
{
    return answer_level(exchange, MUR_LEVEL_IMAGE, error);
}
