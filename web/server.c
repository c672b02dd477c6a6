#include "web/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "web/activity.h"
#include "web/address.h"
#include "web/audit.h"
#include "web/auth.h"
#include "web/cors.h"
#include "web/internal.h"
#include "web/route.h"
#include "web/status_groups.h"
#include "web/wado.h"

/* The request line and headers share this; a list of 500 UIDs of 64 characters fits. */
enum {
    HEADER_LIMIT = 64 * 1024,
    NOTED_PARAMETER = 64, /* bytes of it that the library takes for each parameter (measured) */
    ROOM_FOR_HEADERS = 4096,
    STACK_SIZE = 512 * 1024,
    BACKLOG = 256,
    IGNORED_BODY = 64 * 1024
};

/* Most of a body that is taken for nothing, so that a client that sends all of it before it listens
 * gets to know why it is refused. */
static const uint64_t WASTED_LIMIT = (uint64_t)256 << 20;

/* ---- binding --------------------------------------------------------------------------------- */

static enum mur_status bind_socket(struct mur_web *web, struct mur_error *error)
{
    const char *host = web->config->web_bind;
    char port[8];
    (void)snprintf(port, sizeof port, "%d", web->config->web_port);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *address = NULL;
    if (getaddrinfo(host, port, &hints, &address) != 0)
        return mur_error_set(error, MUR_INVALID, "web.bind: \"%s\" is no numeric address", host);
    int one = 1;
    int zero = 0;
    web->socket = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = 0;
    if (web->socket < 0 ||
        setsockopt(web->socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (address->ai_family == AF_INET6 &&
         setsockopt(web->socket, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) != 0) ||
        bind(web->socket, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(web->socket, BACKLOG) != 0)
        failed = errno;
    freeaddrinfo(address);
    if (failed == EADDRINUSE)
        return mur_error_set(error, MUR_BUSY,
                             "%s port %s is in use: choose another one with web.port", host, port);
    if (failed != 0)
        return mur_error_set_errno(error, failed,
                                   "cannot listen at %s port %s (web.bind, web.port)", host, port);
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (getsockname(web->socket, (struct sockaddr *)&bound, &length) != 0)
        return mur_error_set_errno(error, errno, "getsockname");
    web->local = mur_address_is_local((const struct sockaddr *)&bound);
    if (bound.ss_family == AF_INET6)
        web->port = ntohs(((const struct sockaddr_in6 *)&bound)->sin6_port);
    else
        web->port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    return MUR_OK;
}

/* ---- one exchange ---------------------------------------------------------------------------- */

static void exchange_free(struct mur_exchange *exchange)
{
    if (exchange == NULL)
        return;
    if (exchange->state != NULL)
        exchange->route->receiver->free(exchange->state);
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    free(exchange->parameters);
    free(exchange);
}
MUR_DEFINE_AUTO(mur_exchange, exchange_free)

static enum MHD_Result take_parameter(void *user, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct mur_exchange *exchange = user;
    if (strlen(name) != name_size || exchange->parameter_count == MUR_EXCHANGE_PARAMETERS)
        return MHD_NO;
    if (name_size == 0 && value == NULL)
        return MHD_YES; /* "a=b&&c=d" */
    exchange->parameters[exchange->parameter_count++] = (struct mur_parameter){
        .name = name,
        .value = {.data = value == NULL ? "" : value, .length = value == NULL ? 0 : value_size}};
    return MHD_YES;
}

static enum mur_status read_parameters(struct mur_exchange *exchange, struct mur_error *error)
{
    int count = MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL);
    if (count <= 0)
        return MUR_OK;
    if (count > MUR_EXCHANGE_PARAMETERS)
        return mur_error_set(error, MUR_INVALID, "more than %d parameters",
                             (int)MUR_EXCHANGE_PARAMETERS);
    exchange->parameters = calloc((size_t)count, sizeof *exchange->parameters);
    if (exchange->parameters == NULL)
        return mur_error_no_memory(error);
    if (MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, take_parameter,
                                    exchange) != count)
        return mur_error_set(error, MUR_INVALID, "the name of a parameter holds a NUL");
    return MUR_OK;
}

/* "http://node/studies", as it is sent to proxies, is "/studies" (RFC 9112 3.2.2). */
static const char *without_host(const char *path)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < MUR_COUNT(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(path, schemes[i], length) != 0)
            continue;
        path += length + strcspn(path + length, "/");
        return *path == '\0' ? "/" : path;
    }
    return path;
}

static enum mur_status exchange_create(struct mur_exchange **out, struct mur_web *web,
                                       struct MHD_Connection *connection, const char *path,
                                       const char *method, struct mur_error *error)
{
    struct mur_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return mur_error_no_memory(error);
    exchange->web = web;
    exchange->archive = web->archive;
    exchange->config = web->config;
    exchange->connection = connection;
    exchange->method = method;
    exchange->path = without_host(path);
    *out = exchange;
    return MUR_OK;
}

/* ---- requests that may mean two things ------------------------------------------------------- */

static char hidden;  /* its address stands for an exchange whose path has a NUL */
static char crowded; /* and for one that is answered already: it has too many parameters */

/* The library notes each parameter in what is left of HEADER_LIMIT, and closes the connection
 * without a word when that is used up. */
static bool is_crowded(const char *address)
{
    size_t length = strlen(address);
    size_t count = 0;
    for (const char *at = address + strcspn(address, "?"); *at != '\0'; at++)
        count += *at == '?' || *at == '&';
    return length + count * NOTED_PARAMETER + ROOM_FOR_HEADERS > HEADER_LIMIT;
}

/* Says so in its place; nothing can be sent behind it. */
static void refuse_crowded(struct MHD_Connection *connection)
{
    static const char answer[] = "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Length: 47\r\n\r\n"
                                 "the address is too long for so many parameters\n";
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL)
        return;
    (void)send(info->connect_fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(info->connect_fd, SHUT_WR);
}

/* Sees the address before it is decoded: a NUL would hide what follows it. */
static void *note_address(void *user, const char *address, struct MHD_Connection *connection)
{
    const struct mur_web *web = user;
    if (is_crowded(address)) {
        refuse_crowded(connection);
        mur_activity_count(web->activity, MHD_HTTP_URI_TOO_LONG);
        mur_log_info(MUR_LOG_WEB, "an address with too many parameters: 414");
        return &crowded;
    }
    return memmem(address, strcspn(address, "?"), "%00", 3) != NULL ? &hidden : NULL;
}

struct framing {
    unsigned hosts, lengths, encodings;
    bool chunked;
};

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    struct framing *framing = user;
    if (mur_ascii_equal_ignore_case(name, "Host"))
        framing->hosts++;
    else if (mur_ascii_equal_ignore_case(name, "Content-Length"))
        framing->lengths++;
    else if (mur_ascii_equal_ignore_case(name, "Transfer-Encoding")) {
        framing->encodings++;
        framing->chunked = value != NULL && mur_ascii_equal_ignore_case(value, "chunked");
    }
    return MHD_YES;
}

/* RFC 9112 3.2, 6.1 and 6.3: a proxy before us might take them for something else than we do. */
static enum mur_status check_framing(struct mur_exchange *exchange, struct mur_error *error)
{
    struct framing framing = {.hosts = 0};
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, count_header, &framing);
    if (framing.hosts > 1)
        return mur_error_set(error, MUR_INVALID, "the request names more than one Host");
    exchange->torn =
        framing.lengths + framing.encodings > 1 || (framing.encodings == 1 && !framing.chunked);
    return exchange->torn
               ? mur_error_set(error, MUR_INVALID,
                               "the length of the body is told in more than one way, or in one "
                               "that is not known here: one Content-Length, or "
                               "\"Transfer-Encoding: chunked\"")
               : MUR_OK;
}

/* A failure as an answer, with its message for the person who asked. */
static void answer_failure(struct mur_exchange *exchange, const struct mur_error *reason)
{
    unsigned code = mur_http_code(reason->status);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_buffer_append_format(&text, &error, "%s\n", reason->message);
    if (status == MUR_OK)
        status = mur_answer_buffer(exchange, code, "text/plain; charset=utf-8", &text, &error);
    if (status != MUR_OK)
        mur_log_error(MUR_LOG_WEB, "%s %s: %s", exchange->method, exchange->path, error.message);
    if (code >= MHD_HTTP_INTERNAL_SERVER_ERROR)
        mur_log_error(MUR_LOG_WEB, "%s %s: %u: %s", exchange->method, exchange->path, code,
                      reason->message);
    else /* a parameter that is told of may be a patient's name */
        mur_log_info(MUR_LOG_WEB, "%s %s: %u%s%s", exchange->method, exchange->path, code,
                     exchange->parameter_count == 0 ? ": " : "",
                     exchange->parameter_count == 0 ? reason->message : "");
}

static enum MHD_Result send_answer(struct mur_exchange *exchange)
{
    if (exchange->response == NULL)
        return MHD_NO;
    struct mur_error error = MUR_ERROR_INIT;
    /* Nothing that we send is to be taken for another type than we say (RFC 9110 8.3). */
    if ((exchange->torn && mur_answer_header(exchange, "Connection", "close", &error) != MUR_OK) ||
        mur_answer_header(exchange, "X-Content-Type-Options", "nosniff", &error) != MUR_OK ||
        mur_cors_add_headers(exchange, &error) != MUR_OK)
        mur_log_warning(MUR_LOG_WEB, "%s", error.message);
    mur_activity_count(exchange->web->activity, exchange->code);
    mur_log_debug(MUR_LOG_WEB, "%s %s: %u", exchange->method, exchange->path, exchange->code);
    return MHD_queue_response(exchange->connection, exchange->code, exchange->response);
}

/* The methods of an address: to who asks for them, or for one that it does not have. */
static enum mur_status answer_allowed(struct mur_exchange *exchange, const char *allowed,
                                      struct mur_error *error)
{
    char methods[80];
    (void)snprintf(methods, sizeof methods, "%s%s", allowed,
                   strstr(allowed, "OPTIONS") == NULL ? ", OPTIONS" : "");
    enum mur_status status =
        strcmp(exchange->method, "OPTIONS") == 0
            ? mur_answer(exchange, MHD_HTTP_NO_CONTENT, NULL, mur_slice_of(""), error)
            : mur_answer(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8",
                         mur_slice_of("this address does not take that method\n"), error);
    return status == MUR_OK ? mur_answer_header(exchange, "Allow", methods, error) : status;
}

/* Finds out whether there will be an answer, before a body is read. */
static enum mur_status begin(struct mur_exchange *exchange, struct mur_error *error)
{
    char allowed[64];
    bool answered = false;
    enum mur_status status = check_framing(exchange, error);
    if (status != MUR_OK)
        return status;
    status = mur_route_find(exchange, allowed, error);
    if (status == MUR_OK || allowed[0] != '\0') { /* preflights carry no credentials */
        const char *methods = allowed[0] != '\0' ? allowed : "GET, HEAD, OPTIONS";
        enum mur_status preflight = mur_cors_preflight(&answered, exchange, methods, error);
        if (preflight != MUR_OK || answered)
            return preflight;
    }
    if (status == MUR_NOT_FOUND && allowed[0] != '\0')
        return answer_allowed(exchange, allowed, error);
    if (status == MUR_OK)
        status = mur_auth_check(exchange->web->auth, exchange, error);
    if (status == MUR_OK && exchange->response != NULL)
        return MUR_OK;
    if (status == MUR_OK)
        status = mur_cors_check(exchange, error);
    if (status == MUR_OK)
        status = read_parameters(exchange, error);
    if (status == MUR_OK && exchange->route->receiver != NULL)
        status = exchange->route->receiver->begin(exchange, error);
    return status;
}

static enum mur_status receive(struct mur_exchange *exchange, const char *bytes, size_t length,
                               struct mur_error *error)
{
    const struct mur_receiver *receiver = exchange->route->receiver;
    if (receiver != NULL)
        return receiver->write(exchange, bytes, length, error);
    /* Some clients send a body with a GET: it means nothing (RFC 9110 9.3.1). */
    if (exchange->received > IGNORED_BODY)
        return mur_error_set(error, MUR_LIMIT, "%s takes no body", exchange->path);
    return MUR_OK;
}

/* Whether the body, if there is one, is taken before the answer, which is known, is sent: then the
 * connection can be used again. */
static bool shall_drain(const struct mur_exchange *exchange)
{
    uint64_t length = 0;
    if (exchange->torn)
        return false;
    if (MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Expect") != NULL)
        return false; /* it listens */
    const char *announced =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
    return announced == NULL ||
           mur_parse_uint64(&length, mur_slice_of(announced), 0, WASTED_LIMIT, NULL) == MUR_OK;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **of)
{
    (void)version;
    struct mur_web *web = user;
    struct mur_error error = MUR_ERROR_INIT;
    if (*of == &crowded)
        return MHD_NO;
    bool is_hidden = *of == &hidden;
    struct mur_exchange *exchange = is_hidden ? NULL : *of;
    enum mur_status status = MUR_OK;
    if (exchange == NULL) {
        *of = NULL;
        status = exchange_create(&exchange, web, connection, path, method, &error);
        if (status != MUR_OK) {
            mur_log_error(MUR_LOG_WEB, "%s %s: %s", method, path, error.message);
            return MHD_NO;
        }
        *of = exchange;
        status = is_hidden ? mur_error_set(&error, MUR_INVALID, "the address holds a NUL")
                           : begin(exchange, &error);
        if (status != MUR_OK)
            answer_failure(exchange, &error);
        bool goes_on = exchange->response == NULL ? status == MUR_OK : shall_drain(exchange);
        return goes_on ? MHD_YES : send_answer(exchange);
    } else if (*upload_size > 0) {
        size_t length = *upload_size;
        *upload_size = 0;
        exchange->received += length;
        if (exchange->response != NULL)
            exchange->wasted += length;
        else
            status = receive(exchange, upload, length, &error);
        if (status != MUR_OK)
            answer_failure(exchange, &error);
        return exchange->wasted > WASTED_LIMIT ? MHD_NO : MHD_YES;
    } else if (exchange->response == NULL) {
        status = exchange->route->handle(exchange, &error);
        if (status == MUR_OK && exchange->response == NULL)
            status = mur_error_set(&error, MUR_INTERNAL, "%s has no answer", path);
    }
    if (status != MUR_OK)
        answer_failure(exchange, &error);
    return send_answer(exchange);
}

static void completed(void *user, struct MHD_Connection *connection, void **of,
                      enum MHD_RequestTerminationCode why)
{
    (void)user;
    (void)connection;
    if (*of != NULL && *of != &hidden && *of != &crowded) {
        mur_web_audit(*of, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        exchange_free(*of);
    }
    *of = NULL;
}

/* What the library has to say, a line at a time. */
static void log_library(void *user, const char *format, va_list arguments) MUR_PRINTF(2, 0);
static void log_library(void *user, const char *format, va_list arguments)
{
    (void)user;
    char line[512];
    (void)vsnprintf(line, sizeof line, format, arguments);
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == '\n')
        line[--length] = '\0';
    mur_log_debug(MUR_LOG_WEB, "%s", line);
}

/* ---- the service ----------------------------------------------------------------------------- */

enum mur_status mur_web_create(struct mur_web **out, const struct mur_config *config,
                               struct mur_archive *archive, const struct mur_web_node *node,
                               struct mur_error *error)
{
    MUR_AUTO(mur_web) *web = calloc(1, sizeof *web);
    if (web == NULL)
        return mur_error_no_memory(error);
    web->config = config;
    web->archive = archive;
    web->socket = -1;
    if (node != NULL)
        web->node = *node;
    enum mur_status status = mur_activity_create(&web->activity, error);
    if (status == MUR_OK)
        status = mur_status_groups_create(&web->groups, error);
    if (status == MUR_OK)
        status = mur_wado_create(&web->wado, config, error);
    if (status == MUR_OK)
        status = mur_cors_check_config(config, error);
    if (status == MUR_OK)
        status = bind_socket(web, error);
    if (status == MUR_OK)
        status = mur_auth_create(&web->auth, config, web->local, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(web);
    return MUR_OK;
}

enum mur_status mur_web_start(struct mur_web *web, struct mur_error *error)
{
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ERROR_LOG;
    /* The logger comes first, so that it hears of the other options. */
    web->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, web, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_LISTEN_SOCKET, web->socket, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)web->config->web_max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)web->config->web_idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_LIMIT, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, note_address, web,
        MHD_OPTION_NOTIFY_COMPLETED, completed, web, MHD_OPTION_END);
    if (web->daemon == NULL)
        return mur_error_set(error, MUR_IO, "the HTTP service cannot be started at %s port %u",
                             web->config->web_bind, (unsigned)web->port);
    web->socket = -1; /* the library's from now on */
    return MUR_OK;
}

uint16_t mur_web_port(const struct mur_web *web)
{
    return web->port;
}

const char *mur_web_address(const struct mur_web *web)
{
    return web->config->web_bind;
}

void mur_web_stop(struct mur_web *web)
{
    if (web->daemon != NULL)
        MHD_stop_daemon(web->daemon);
    web->daemon = NULL;
}

void mur_web_free(struct mur_web *web)
{
    if (web == NULL)
        return;
    mur_web_stop(web);
    if (web->socket >= 0)
        (void)close(web->socket);
    mur_wado_free(web->wado);
    mur_auth_free(web->auth);
    mur_status_groups_free(web->groups);
    mur_activity_free(web->activity);
    free(web);
}
