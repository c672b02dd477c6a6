/* HTTP: requests out of a file, one after the other over connections that stay open. A line each:
 * "TARGET<TAB>ACCEPT". Every answer must be 200 and as long as the first one to the same line; what
 * it says is compared by bench/web.py, outside of what is measured. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/work.h"
#include "core/file.h"
#include "core/text.h"

enum { FILE_LIMIT = 64 << 20, RECEIVED = 64 * 1024, PATIENCE_S = 300 };

struct line {
    const char *target, *accept;
};

struct lines {
    struct mur_buffer text; /* what they point into */
    struct line *list;
    size_t count;
};

struct connection {
    int socket;
    char received[RECEIVED + 1];
    size_t length, at; /* of what was received; so much of it was read */
};

/* ---- the file -------------------------------------------------------------------------------- */

static enum mur_status read_lines(struct lines *out, const char *path, struct mur_error *error)
{
    enum mur_status status = mur_file_read_all(&out->text, path, FILE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    size_t capacity = 0;
    for (size_t i = 0; i < out->text.length; i++)
        capacity += out->text.data[i] == '\n' ? 1 : 0;
    out->list = calloc(capacity + 1, sizeof *out->list);
    if (out->list == NULL)
        return mur_error_no_memory(error);
    char *rest = out->text.data;
    for (char *one; rest != NULL && (one = strsep(&rest, "\n")) != NULL;) {
        char *accept = one;
        const char *target = strsep(&accept, "\t");
        if (target[0] != '\0')
            out->list[out->count++] =
                (struct line){.target = target, .accept = accept != NULL ? accept : "*/*"};
    }
    return out->count > 0 ? MUR_OK : mur_error_set(error, MUR_INVALID, "%s is empty", path);
}

/* ---- one connection -------------------------------------------------------------------------- */

static enum mur_status connect_to(int *out, const struct load_options *options,
                                  struct mur_error *error)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(options->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int one = 1;
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        return mur_error_set_errno(error, errno, "socket");
    *out = made;
    if (setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        connect(made, (const struct sockaddr *)&to, sizeof to) != 0)
        return mur_error_set_errno(error, errno, "connecting to port %u", options->port);
    return MUR_OK;
}

static enum mur_status send_request(const struct connection *connection, const struct line *line,
                                    struct mur_error *error)
{
    char text[4096];
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n",
                          line->target, line->accept);
    if (length >= (int)sizeof text)
        return mur_error_set(error, MUR_LIMIT, "a request exceeds %zu bytes", sizeof text);
    if (send(connection->socket, text, (size_t)length, MSG_NOSIGNAL) != length)
        return mur_error_set_errno(error, errno, "sending a request");
    return MUR_OK;
}

static enum mur_status receive(struct connection *connection, struct mur_error *error)
{
    if (connection->at > 0) {
        connection->length -= connection->at;
        memmove(connection->received, connection->received + connection->at, connection->length);
        connection->at = 0;
    }
    ssize_t got = connection->length < RECEIVED
                      ? recv(connection->socket, connection->received + connection->length,
                             RECEIVED - connection->length, 0)
                      : 0;
    if (got <= 0)
        return got < 0 ? mur_error_set_errno(error, errno, "receiving an answer")
                       : mur_error_set(error, MUR_CLOSED, "the connection was closed");
    connection->length += (size_t)got;
    connection->received[connection->length] = '\0';
    return MUR_OK;
}

/* Takes a line that ends in @p mark: it is cut out of what was received, and borrowed. */
static enum mur_status take_until(char **out, struct connection *connection, const char *mark,
                                  struct mur_error *error)
{
    for (;;) {
        char *begin = connection->received + connection->at;
        char *end = memmem(begin, connection->length - connection->at, mark, strlen(mark));
        if (end != NULL) {
            *end = '\0';
            connection->at += (size_t)(end - begin) + strlen(mark);
            *out = begin;
            return MUR_OK;
        }
        enum mur_status status = receive(connection, error);
        if (status != MUR_OK)
            return status;
    }
}

/* The kernel throws away what need not be looked at, so that the client costs little. */
static enum mur_status skip(struct connection *connection, uint64_t length, struct mur_error *error)
{
    size_t here = connection->length - connection->at;
    size_t used = length < here ? (size_t)length : here;
    connection->at += used;
    length -= used;
    while (length > 0) {
        ssize_t gone = recv(connection->socket, NULL, length, MSG_TRUNC);
        if (gone <= 0)
            return gone < 0 ? mur_error_set_errno(error, errno, "receiving an answer")
                            : mur_error_set(error, MUR_CLOSED, "an answer is broken off");
        length -= (uint64_t)gone;
    }
    return MUR_OK;
}

static enum mur_status skip_chunks(uint64_t *length, struct connection *connection,
                                   struct mur_error *error)
{
    char *line = NULL;
    for (;;) {
        unsigned long size = 0;
        enum mur_status status = take_until(&line, connection, "\r\n", error);
        if (status == MUR_OK && sscanf(line, "%lx", &size) != 1)
            status = mur_error_set(error, MUR_PARSE, "\"%.20s\" is no length of a chunk", line);
        if (status == MUR_OK)
            status = skip(connection, size, error);
        if (status == MUR_OK)
            status = take_until(&line, connection, "\r\n", error);
        if (status != MUR_OK || size == 0)
            return status;
        *length += size;
    }
}

/* @param[out] length  of the body */
static enum mur_status take_answer(uint64_t *length, struct connection *connection,
                                   struct mur_error *error)
{
    char *head = NULL;
    enum mur_status status = take_until(&head, connection, "\r\n\r\n", error);
    if (status != MUR_OK)
        return status;
    if (strncmp(head, "HTTP/1.1 200", 12) != 0)
        return mur_error_set(error, MUR_MISMATCH, "%.60s", head);
    const char *found = strcasestr(head, "\r\nContent-Length:");
    *length = 0;
    if (found == NULL)
        return skip_chunks(length, connection, error);
    found += strlen("\r\nContent-Length:");
    const struct mur_slice number =
        mur_slice_trim((struct mur_slice){.data = found, .length = strcspn(found, "\r")});
    status = mur_parse_uint64(length, number, 0, INT64_MAX, error);
    return status == MUR_OK ? skip(connection, *length, error) : status;
}

static enum mur_status ask(struct load_share *share, struct connection *connection,
                           const struct lines *lines, uint64_t *lengths, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (unsigned i = 0; status == MUR_OK && i < share->options->repeat; i++) {
        size_t number = (share->index + i) % lines->count;
        uint64_t length = 0;
        double start = load_now();
        status = send_request(connection, &lines->list[number], error);
        if (status == MUR_OK)
            status = take_answer(&length, connection, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "%s", lines->list[number].target);
        load_times_add(&share->times, load_now() - start);
        if (lengths[number] != 0 && lengths[number] != length)
            return mur_error_set(error, MUR_MISMATCH, "%s: %llu bytes, and %llu the time before",
                                 lines->list[number].target, (unsigned long long)length,
                                 (unsigned long long)lengths[number]);
        lengths[number] = length;
        share->bytes += length;
        share->done++;
    }
    return status;
}

static enum mur_status work(struct load_share *share, struct mur_error *error)
{
    const struct lines *lines = share->user;
    MUR_AUTO_CLOSE int socket = -1;
    MUR_AUTO_FREE uint64_t *lengths = calloc(lines->count, sizeof *lengths);
    MUR_AUTO_FREE struct connection *connection = calloc(1, sizeof *connection);
    if (lengths == NULL || connection == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = connect_to(&socket, share->options, error);
    if (status == MUR_OK)
        status = load_times_reserve(&share->times, share->options->repeat, error);
    connection->socket = socket;
    return status == MUR_OK ? ask(share, connection, lines, lengths, error) : status;
}

enum mur_status load_http(bool *good, struct mur_json_writer *json,
                          const struct load_options *options, struct mur_error *error)
{
    struct lines lines = {.text = MUR_BUFFER_INIT};
    const struct load_job job = {.options = options, .unit = 1, .user = &lines, .work = work};
    struct load_result result = {.done = 0};
    enum mur_status status = read_lines(&lines, options->questions, error);
    if (status == MUR_OK)
        status = load_run(&result, &job, error);
    load_result_write(json, &result);
    *good = result.done > 0;
    load_result_free(&result);
    free(lines.list);
    mur_buffer_free(&lines.text);
    return status;
}
