#include "web/cors.h"

#include <microhttpd.h>
#include <string.h>

#include "core/own.h"

/* Whether the configuration lists it. @param[out] any  by "*" */
static bool is_listed(bool *any, const struct mur_config *config, const char *origin)
{
    *any = false;
    for (const char *at = config->web_cors_origins; *at != '\0';) {
        at += strspn(at, " ,");
        const struct mur_slice one = {.data = at, .length = strcspn(at, " ,")};
        at += one.length;
        if (mur_slice_equal(one, origin))
            return true;
        *any = *any || mur_slice_equal(one, "*");
    }
    return *any;
}

/* As browsers write it: "https://host", with a port that is not the usual one, in lower case. */
static bool is_origin(struct mur_slice text)
{
    const char *host = memmem(text.data, text.length, "://", 3);
    if (host == NULL)
        return mur_slice_equal(text, "*") || mur_slice_equal(text, "null");
    size_t scheme = (size_t)(host - text.data);
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        bool punctuation = memchr("-.:[]_+", c, 7) != NULL;
        bool slash = c == '/' && i > scheme && i < scheme + 3;
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !punctuation && !slash)
            return false;
    }
    return scheme > 0 && text.length > scheme + 3;
}

enum mur_status mur_cors_check_config(const struct mur_config *config, struct mur_error *error)
{
    for (const char *at = config->web_cors_origins; *at != '\0';) {
        at += strspn(at, " ,");
        const struct mur_slice one = {.data = at, .length = strcspn(at, " ,")};
        at += one.length;
        if (one.length > 0 && !is_origin(one))
            return mur_error_set(error, MUR_INVALID,
                                 "web.cors_origins: %.*s is no origin: https://host or "
                                 "http://host:port, in lower case and without a path",
                                 (int)(one.length < 200 ? one.length : 200), one.data);
    }
    return MUR_OK;
}

enum mur_status mur_cors_add_headers(struct mur_exchange *exchange, struct mur_error *error)
{
    if (exchange->config->web_cors_origins[0] == '\0')
        return MUR_OK;
    MUR_AUTO_FREE char *origin = NULL;
    bool any = false;
    enum mur_status status = mur_exchange_header(&origin, exchange, "Origin", error);
    bool listed = status == MUR_OK && origin != NULL && is_listed(&any, exchange->config, origin);
    if (status == MUR_OK && !any) /* also without an Origin: a cache must ask again for another */
        status = mur_answer_header(exchange, "Vary", "Origin", error);
    if (status != MUR_OK || !listed)
        return status;
    status = mur_answer_header(exchange, "Access-Control-Allow-Origin", any ? "*" : origin, error);
    if (status == MUR_OK && !any && exchange->config->web_users_file[0] != '\0')
        status = mur_answer_header(exchange, "Access-Control-Allow-Credentials", "true", error);
    return status == MUR_OK
               ? mur_answer_header(exchange, "Access-Control-Expose-Headers",
                                   "Content-Location, Content-Range, ETag, Location, Warning",
                                   error)
               : status;
}

enum mur_status mur_cors_preflight(bool *answered, struct mur_exchange *exchange,
                                   const char *methods, struct mur_error *error)
{
    MUR_AUTO_FREE char *origin = NULL;
    MUR_AUTO_FREE char *method = NULL;
    bool any = false;
    *answered = false;
    if (strcmp(exchange->method, "OPTIONS") != 0 || methods[0] == '\0')
        return MUR_OK;
    enum mur_status status = mur_exchange_header(&origin, exchange, "Origin", error);
    if (status == MUR_OK)
        status = mur_exchange_header(&method, exchange, "Access-Control-Request-Method", error);
    if (status != MUR_OK || origin == NULL || method == NULL ||
        !is_listed(&any, exchange->config, origin))
        return status;
    status = mur_answer(exchange, MHD_HTTP_NO_CONTENT, NULL, mur_slice_of(""), error);
    if (status == MUR_OK)
        status = mur_answer_header(exchange, "Access-Control-Allow-Methods", methods, error);
    if (status == MUR_OK)
        status = mur_answer_header(exchange, "Access-Control-Allow-Headers",
                                   "Accept, Authorization, Cache-Control, Content-Type, "
                                   "If-Match, If-None-Match, Range",
                                   error);
    if (status == MUR_OK)
        status = mur_answer_header(exchange, "Access-Control-Max-Age", "7200", error);
    *answered = status == MUR_OK;
    return status;
}

/* "http://host:port" of a page that came from where the request goes. */
static bool is_same(const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");
    return at != NULL && host != NULL && mur_ascii_equal_ignore_case(at + 3, host);
}

enum mur_status mur_cors_check(const struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO_FREE char *origin = NULL;
    MUR_AUTO_FREE char *host = NULL;
    bool any = false;
    if (exchange->route->access != MUR_ACCESS_WRITE)
        return MUR_OK;
    enum mur_status status = mur_exchange_header(&origin, exchange, "Origin", error);
    if (status == MUR_OK)
        status = mur_exchange_header(&host, exchange, "Host", error);
    if (status != MUR_OK || origin == NULL || is_same(origin, host) ||
        is_listed(&any, exchange->config, origin))
        return status;
    return mur_error_set(error, MUR_DENIED,
                         "a page of %.200s may not store here (web.cors_origins)", origin);
}
