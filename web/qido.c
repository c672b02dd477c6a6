/* QIDO-RS (PS3.18 10.6): searches for studies, series and instances. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "web/json_answer.h"
#include "web/media_type.h"
#include "web/route.h"
#include "web/search.h"

/* Up to this an answer is sent with its length, and a failure in it becomes a status. */
enum { WHOLE_ANSWER = 256 * 1024 };

static const char *const types[] = {"application/dicom+json", "application/json"};

/* An answer that is being made. */
struct results {
    struct mur_search search;
    struct mur_cursor *cursor;
    uint64_t rows; /* so far */
    bool complete;
    struct mur_buffer text; /* made and not yet sent */
    size_t sent;            /* of it */
};

static void results_free(struct results *results)
{
    if (results == NULL)
        return;
    mur_cursor_free(results->cursor);
    mur_search_free(&results->search);
    mur_buffer_free(&results->text);
    free(results);
}
MUR_DEFINE_AUTO(results, results_free)

/* ---- rows ------------------------------------------------------------------------------------ */

static enum mur_status write_row(struct results *results, const struct mur_value *values,
                                 struct mur_error *error)
{
    struct mur_json_writer json;
    enum mur_status status =
        mur_buffer_append_text(&results->text, results->rows == 0 ? "[" : ",\n", error);
    if (status != MUR_OK)
        return status;
    mur_json_init(&json, mur_sink_buffer(&results->text));
    status = mur_json_answer_write(&json, &results->search, values, error);
    return status == MUR_OK ? mur_json_finish(&json, error) : status;
}

/* Makes text until there are @p enough bytes of it, or all. */
static enum mur_status make(struct results *results, size_t enough, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && !results->complete && results->text.length < enough) {
        const struct mur_value *values = NULL;
        bool found = false;
        if (results->rows < results->search.limit)
            status = mur_cursor_next(&values, &found, results->cursor, error);
        if (status == MUR_OK && found) {
            status = write_row(results, values, error);
            results->rows++;
        } else if (status == MUR_OK) {
            status = mur_buffer_append_text(&results->text, results->rows == 0 ? "[]" : "]", error);
            results->complete = true;
        }
    }
    return status;
}

static enum mur_status read_results(void *user, size_t *length, void *bytes, size_t room,
                                    struct mur_error *error)
{
    struct results *results = user;
    if (results->sent == results->text.length) {
        mur_buffer_clear(&results->text);
        results->sent = 0;
        enum mur_status status = make(results, room, error);
        if (status != MUR_OK)
            return status;
    }
    size_t left = results->text.length - results->sent;
    *length = left < room ? left : room;
    if (*length > 0)
        memcpy(bytes, results->text.data + results->sent, *length);
    results->sent += *length;
    return MUR_OK;
}

static void free_results(void *user)
{
    results_free(user);
}

/* ---- headers --------------------------------------------------------------------------------- */

struct warnings {
    uint64_t limit;
    uint64_t matched; /* those beyond the limit up to what is counted */
    bool fuzzy;
    const char *unmatched; /* "" for none */
};

/* PS3.18 8.3.4.2 and 8.3.4.4.1; the last one is ours. */
static enum mur_status add_warnings(struct mur_exchange *exchange, const struct warnings *warnings,
                                    struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    uint64_t more = warnings->matched > warnings->limit ? warnings->matched - warnings->limit : 0;
    if (more > MUR_SEARCH_COUNTED)
        status = mur_answer_warning(
            exchange, error, "There are more than %d additional results that can be requested",
            MUR_SEARCH_COUNTED);
    else if (more > 0)
        status = mur_answer_warning(exchange, error,
                                    "There are %llu additional results that can be requested",
                                    (unsigned long long)more);
    if (status == MUR_OK && warnings->fuzzy)
        status = mur_answer_warning(
            exchange, error,
            "The fuzzymatching parameter is not supported. Only literal matching has "
            "been performed.");
    if (status == MUR_OK && warnings->unmatched[0] != '\0')
        status = mur_answer_warning(exchange, error, "These attributes have not been matched: %s",
                                    warnings->unmatched);
    return status;
}

/* ---- the search ------------------------------------------------------------------------------ */

static enum mur_status answer(struct mur_exchange *exchange, struct results **owned,
                              const char *type, struct mur_error *error)
{
    struct results *results = *owned;
    enum mur_status status = make(results, WHOLE_ANSWER, error);
    if (status != MUR_OK)
        return status;
    if (results->complete)
        return mur_answer_buffer(exchange, MHD_HTTP_OK, type, &results->text, error);
    const struct mur_stream stream = {.read = read_results, .free = free_results, .user = results};
    status = mur_answer_stream(exchange, MHD_HTTP_OK, type, -1, &stream, error);
    if (status == MUR_OK)
        *owned = NULL;
    return status;
}

static enum mur_status search(struct mur_exchange *exchange, const struct mur_search_target *target,
                              struct mur_error *error)
{
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    size_t type = 0;
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_accept_choose(&type, &accept, types, MUR_COUNT(types), error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO(results) *results = calloc(1, sizeof *results);
    if (results == NULL)
        return mur_error_no_memory(error);
    status = mur_search_parse(&results->search, exchange, target, error);
    if (status == MUR_OK)
        status =
            mur_archive_find(&results->cursor, exchange->archive, &results->search.query, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_FREE char *unmatched = NULL;
    status =
        mur_text_copy(&unmatched, mur_slice_of(mur_buffer_text(&results->search.unmatched)), error);
    if (status != MUR_OK)
        return status;
    const struct warnings warnings = {.limit = results->search.limit,
                                      .matched = mur_cursor_count(results->cursor),
                                      .fuzzy = results->search.fuzzy,
                                      .unmatched = unmatched};
    exchange->told = warnings.matched < warnings.limit ? warnings.matched : warnings.limit;
    status = answer(exchange, &results, types[type], error);
    if (status == MUR_OK)
        status = add_warnings(exchange, &warnings, error);
    return status == MUR_OK ? mur_answer_header(exchange, "Cache-Control", "no-cache", error)
                            : status;
}

/* @param parts  UIDs that the path names: of a study, of a series */
static enum mur_status search_below(struct mur_exchange *exchange, enum mur_level level,
                                    size_t parts, struct mur_error *error)
{
    MUR_AUTO_FREE char *study = NULL;
    MUR_AUTO_FREE char *series = NULL;
    enum mur_status status = MUR_OK;
    if (parts > 0)
        status = mur_exchange_uid(&study, exchange, 0, error);
    if (status == MUR_OK && parts > 1)
        status = mur_exchange_uid(&series, exchange, 1, error);
    if (status != MUR_OK)
        return status;
    const struct mur_search_target target = {.level = level, .study = study, .series = series};
    return search(exchange, &target, error);
}

enum mur_status mur_qido_studies(struct mur_exchange *exchange, struct mur_error *error)
{
    return search_below(exchange, MUR_LEVEL_STUDY, 0, error);
}

enum mur_status mur_qido_series(struct mur_exchange *exchange, struct mur_error *error)
{
    return search_below(exchange, MUR_LEVEL_SERIES, exchange->part_count, error);
}

enum mur_status mur_qido_instances(struct mur_exchange *exchange, struct mur_error *error)
{
    return search_below(exchange, MUR_LEVEL_IMAGE, exchange->part_count, error);
}
