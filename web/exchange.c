#include "web/exchange.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "dicom/uid.h"
#include "web/json_answer.h"

/* ---- the request ----------------------------------------------------------------------------- */

struct wanted {
    const char *name;
    struct mur_buffer value;
    bool found;
    enum mur_status status;
    struct mur_error *error;
};

static enum MHD_Result take_header(void *user, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    struct wanted *wanted = user;
    if (!mur_ascii_equal_ignore_case(name, wanted->name))
        return MHD_YES;
    wanted->status =
        mur_buffer_append_format(&wanted->value, wanted->error, "%s%s", wanted->found ? ", " : "",
                                 value == NULL ? "" : value);
    wanted->found = true;
    return wanted->status == MUR_OK ? MHD_YES : MHD_NO;
}

enum mur_status mur_exchange_header(char **out, const struct mur_exchange *exchange,
                                    const char *name, struct mur_error *error)
{
    struct wanted wanted = {.name = name, .value = MUR_BUFFER_INIT, .error = error};
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, take_header, &wanted);
    if (wanted.status == MUR_OK && wanted.found)
        wanted.status = mur_buffer_take(out, &wanted.value, error);
    else if (wanted.status == MUR_OK)
        *out = NULL;
    mur_buffer_free(&wanted.value);
    return wanted.status;
}

enum mur_status mur_exchange_parameter(const struct mur_parameter **out,
                                       const struct mur_exchange *exchange, const char *name,
                                       struct mur_error *error)
{
    const struct mur_parameter *found = NULL;
    for (size_t i = 0; i < exchange->parameter_count; i++) {
        if (strcmp(exchange->parameters[i].name, name) != 0)
            continue;
        if (found != NULL)
            return mur_error_set(error, MUR_INVALID, "%s is given twice", name);
        found = &exchange->parameters[i];
    }
    *out = found;
    return MUR_OK;
}

enum mur_status mur_exchange_number(uint64_t *out, const struct mur_exchange *exchange,
                                    const char *name, uint64_t absent, uint64_t high,
                                    struct mur_error *error)
{
    const struct mur_parameter *parameter = NULL;
    enum mur_status status = mur_exchange_parameter(&parameter, exchange, name, error);
    if (status != MUR_OK)
        return status;
    if (parameter == NULL) {
        *out = absent;
        return MUR_OK;
    }
    uint64_t value = 0;
    if (mur_parse_uint64(&value, parameter->value, 0, high, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "%s=%.*s is no number from 0 to %llu", name,
                             (int)parameter->value.length, parameter->value.data,
                             (unsigned long long)high);
    *out = value;
    return MUR_OK;
}

enum mur_status mur_exchange_uid(char **out, const struct mur_exchange *exchange, size_t part,
                                 struct mur_error *error)
{
    struct mur_slice uid = exchange->parts[part];
    if (!mur_uid_acceptable(uid))
        return mur_error_set(error, MUR_INVALID, "\"%.*s\" in %s is no UID", (int)uid.length,
                             uid.data, exchange->path);
    return mur_text_copy(out, uid, error);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Makes it the exchange's, or destroys it. */
static enum mur_status take_response(struct mur_exchange *exchange, unsigned code, const char *type,
                                     struct MHD_Response *response, struct mur_error *error)
{
    if (response == NULL)
        return mur_error_no_memory(error);
    if (type != NULL && MHD_add_response_header(response, "Content-Type", type) != MHD_YES) {
        MHD_destroy_response(response);
        return mur_error_set(error, MUR_INTERNAL, "\"%s\" cannot be a Content-Type", type);
    }
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    exchange->response = response;
    exchange->code = code;
    return MUR_OK;
}

enum mur_status mur_answer(struct mur_exchange *exchange, unsigned code, const char *type,
                           struct mur_slice text, struct mur_error *error)
{
    return take_response(exchange, code, type,
                         MHD_create_response_from_buffer(text.length, (void *)(uintptr_t)text.data,
                                                         MHD_RESPMEM_MUST_COPY),
                         error);
}

enum mur_status mur_answer_buffer(struct mur_exchange *exchange, unsigned code, const char *type,
                                  struct mur_buffer *body, struct mur_error *error)
{
    size_t length = body->length;
    char *bytes = NULL;
    enum mur_status status = mur_buffer_take(&bytes, body, error);
    if (status != MUR_OK)
        return status;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(bytes);
    return take_response(exchange, code, type, response, error);
}

enum mur_status mur_answer_shared(struct mur_exchange *exchange, unsigned code, const char *type,
                                  struct mur_slice bytes, void (*release)(void *user), void *user,
                                  struct mur_error *error)
{
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        bytes.length, (void *)(uintptr_t)bytes.data, release, user);
    if (response == NULL)
        release(user);
    return take_response(exchange, code, type, response, error);
}

enum mur_status mur_answer_file(struct mur_exchange *exchange, unsigned code, const char *type,
                                int descriptor, uint64_t offset, uint64_t length,
                                struct mur_error *error)
{
    /* With length 0 the library would send the whole file. */
    if (length == 0) {
        (void)close(descriptor);
        return mur_answer(exchange, code, type, mur_slice_of(""), error);
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64(length, descriptor, offset);
    if (response == NULL)
        (void)close(descriptor);
    return take_response(exchange, code, type, response, error);
}

static ssize_t read_stream(void *user, uint64_t position, char *bytes, size_t room)
{
    (void)position;
    struct mur_stream *stream = user;
    struct mur_error error = MUR_ERROR_INIT;
    size_t length = 0;
    if (stream->read(stream->user, &length, bytes, room, &error) != MUR_OK) {
        mur_log_error(MUR_LOG_WEB, "an answer is broken off: %s", error.message);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return length == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)length;
}

static void free_stream(void *user)
{
    struct mur_stream *stream = user;
    if (stream->free != NULL)
        stream->free(stream->user);
    free(stream);
}

enum mur_status mur_answer_stream(struct mur_exchange *exchange, unsigned code, const char *type,
                                  int64_t length, const struct mur_stream *stream,
                                  struct mur_error *error)
{
    struct mur_stream *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return mur_error_no_memory(error);
    *copy = *stream;
    copy->free = NULL; /* the caller's, until there is an answer */
    size_t block = length >= 0 && length < MUR_STREAM_BLOCK ? (size_t)length : MUR_STREAM_BLOCK;
    struct MHD_Response *response =
        MHD_create_response_from_callback(length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)length,
                                          block > 0 ? block : 1, read_stream, copy, free_stream);
    if (response == NULL)
        free(copy);
    enum mur_status status = take_response(exchange, code, type, response, error);
    if (status == MUR_OK)
        copy->free = stream->free;
    return status;
}

enum mur_status mur_answer_header(struct mur_exchange *exchange, const char *name,
                                  const char *value, struct mur_error *error)
{
    if (MHD_add_response_header(exchange->response, name, value) != MHD_YES)
        return mur_error_set(error, MUR_INTERNAL, "\"%s\" cannot be a header %s", value, name);
    return MUR_OK;
}

enum mur_status mur_answer_warning(struct mur_exchange *exchange, struct mur_error *error,
                                   const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    MUR_AUTO_FREE char *value = NULL;
    enum mur_status status = mur_text_format(&value, error, "299 " MUR_DICOMWEB_ROOT ": %s", text);
    return status == MUR_OK ? mur_answer_header(exchange, "Warning", value, error) : status;
}

unsigned mur_http_code(enum mur_status status)
{
    switch (status) {
    case MUR_OK:
        return MHD_HTTP_OK;
    case MUR_INVALID:
    case MUR_PARSE:
        return MHD_HTTP_BAD_REQUEST;
    case MUR_NOT_FOUND:
        return MHD_HTTP_NOT_FOUND;
    case MUR_MISMATCH:
    case MUR_EXISTS:
        return MHD_HTTP_CONFLICT;
    case MUR_UNSUPPORTED:
        return MHD_HTTP_NOT_ACCEPTABLE;
    case MUR_LIMIT:
        return MHD_HTTP_CONTENT_TOO_LARGE;
    case MUR_DENIED:
        return MHD_HTTP_FORBIDDEN;
    case MUR_NO_SPACE:
        return MHD_HTTP_INSUFFICIENT_STORAGE;
    case MUR_BUSY:
    case MUR_NO_MEMORY:
    case MUR_CANCELLED:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case MUR_TIMEOUT:
        return MHD_HTTP_REQUEST_TIMEOUT;
    case MUR_IO:
    case MUR_CORRUPT:
    case MUR_CLOSED:
    case MUR_INTERNAL:
        break;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}
