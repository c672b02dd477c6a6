/* The HTTP service of a node on a port of its own, and a client without opinions. */
#ifndef MUR_TESTS_WEB_SUPPORT_H
#define MUR_TESTS_WEB_SUPPORT_H

#include "scp_support.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "core/json.h"
#include "dicom/json_value.h"
#include "web/web.h"

enum { HTTP_LIMIT = 64 << 20 };

struct site {
    struct node node;
    struct mur_web *web;
};

static inline void start_site(struct site *site, const char *settings)
{
    struct mur_error error = MUR_ERROR_INIT;
    char all[400];
    (void)snprintf(all, sizeof all, "web.port=0;%s", settings != NULL ? settings : "");
    start_node(&site->node, all);
    if (mur_web_create(&site->web, site->node.config, site->node.archive, NULL, &error) != MUR_OK ||
        mur_web_start(site->web, &error) != MUR_OK)
        fail_msg("%s", error.message);
}

static inline void stop_site(struct site *site)
{
    mur_web_stop(site->web);
    mur_web_free(site->web);
    stop_node(&site->node);
}

struct http_answer {
    int code;
    struct mur_buffer head; /* status line and headers, up to the empty line */
    struct mur_buffer body; /* without the marks of chunks */
};

static inline void http_free(struct http_answer *answer)
{
    mur_buffer_free(&answer->head);
    mur_buffer_free(&answer->body);
}
#define AUTO_HTTP __attribute__((cleanup(http_free)))

static inline int http_connect(const struct site *site)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(mur_web_port(site->web)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = NODE_PATIENCE_MS / 1000};
    assert_true(client >= 0);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&to, sizeof to), 0);
    return client;
}

/* Takes the marks of chunks out (RFC 9112 7.1). */
static inline void join_chunks(struct mur_buffer *body)
{
    size_t to = 0;
    if (body->length == 0)
        return;
    for (size_t at = 0; at < body->length;) {
        unsigned size = 0;
        int marks = 0;
        assert_int_equal(sscanf(body->data + at, "%x\r\n%n", &size, &marks), 1);
        at += (size_t)marks;
        assert_true(at + size <= body->length);
        memmove(body->data + to, body->data + at, size);
        to += size;
        at += size + 2;
        if (size == 0)
            break;
    }
    body->length = to;
    body->data[to] = '\0';
}

/* Sends bytes, which ask to close, and takes all that comes. */
static inline struct http_answer http_exchange(const struct site *site, const void *bytes,
                                               size_t length)
{
    struct http_answer answer = {.head = MUR_BUFFER_INIT, .body = MUR_BUFFER_INIT};
    MUR_AUTO_BUFFER struct mur_buffer all = MUR_BUFFER_INIT;
    MUR_AUTO_CLOSE int client = http_connect(site);
    for (size_t sent = 0; sent < length;) {
        ssize_t some = send(client, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);
        assert_true(some > 0);
        sent += (size_t)some;
    }
    all.limit = HTTP_LIMIT;
    char piece[16384];
    for (ssize_t some; (some = recv(client, piece, sizeof piece, 0)) > 0;)
        assert_int_equal(mur_buffer_append(&all, piece, (size_t)some, NULL), MUR_OK);
    const char *end = all.length > 0 ? memmem(all.data, all.length, "\r\n\r\n", 4) : NULL;
    assert_non_null(end);
    size_t head = (size_t)(end - all.data) + 2;
    assert_int_equal(mur_buffer_append(&answer.head, all.data, head, NULL), MUR_OK);
    assert_int_equal(
        mur_buffer_append(&answer.body, all.data + head + 2, all.length - head - 2, NULL), MUR_OK);
    assert_int_equal(sscanf(answer.head.data, "HTTP/1.1 %d", &answer.code), 1);
    if (strcasestr(answer.head.data, "\r\nTransfer-Encoding: chunked") != NULL)
        join_chunks(&answer.body);
    return answer;
}

/* @param headers  further ones, each with its line end; NULL for none */
static inline struct http_answer http_request(const struct site *site, const char *method,
                                              const char *target, const char *headers)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(
        mur_buffer_append_format(&text, NULL,
                                 "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
                                 method, target, headers != NULL ? headers : ""),
        MUR_OK);
    return http_exchange(site, text.data, text.length);
}

static inline struct http_answer http_get(const struct site *site, const char *target)
{
    return http_request(site, "GET", target, NULL);
}

/* Whether the answer has this header with this at the beginning of its value: "Warning: 299". */
static inline bool has_header(const struct http_answer *answer, const char *line)
{
    char wanted[512];
    (void)snprintf(wanted, sizeof wanted, "\r\n%s", line);
    return strcasestr(mur_buffer_text(&answer->head), wanted) != NULL;
}

static inline struct mur_json *http_json(const struct http_answer *answer)
{
    struct mur_json *json = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_slice text = {.data = mur_buffer_text(&answer->body),
                                   .length = answer->body.length};
    if (mur_json_parse(&json, text, HTTP_LIMIT, &error) != MUR_OK)
        fail_msg("%d %s: %s", answer->code, error.message, text.data);
    return json;
}

#endif
