#include "core/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void write_message(struct mur_error *error, enum mur_status status, const char *format,
                          va_list arguments)
{
    if (error == NULL)
        return;
    char text[MUR_ERROR_MESSAGE_SIZE]; /* the arguments may point into error->message */
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    error->status = status;
    error->remedy = 0;
    memcpy(error->message, text, sizeof text);
}

enum mur_status mur_error_set(struct mur_error *error, enum mur_status status, const char *format,
                              ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_message(error, status, format, arguments);
    va_end(arguments);
    return status;
}

static enum mur_status status_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return MUR_NO_SPACE;
    case ENOENT:
        return MUR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return MUR_DENIED;
    case ENOMEM:
        return MUR_NO_MEMORY;
    case EEXIST:
        return MUR_EXISTS;
    default:
        return MUR_IO;
    }
}

enum mur_status mur_error_set_errno(struct mur_error *error, int errno_value, const char *format,
                                    ...)
{
    enum mur_status status = status_of_errno(errno_value);
    va_list arguments;
    va_start(arguments, format);
    write_message(error, status, format, arguments);
    va_end(arguments);
    if (error != NULL) {
        char reason[128];
        const char *text = strerror_r(errno_value, reason, sizeof reason);
        size_t used = strlen(error->message);
        (void)snprintf(error->message + used, sizeof error->message - used, ": %s", text);
    }
    return status;
}

enum mur_status mur_error_prefix(struct mur_error *error, const char *format, ...)
{
    if (error == NULL)
        return MUR_INTERNAL;
    char prefix[MUR_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(prefix, sizeof prefix, format, arguments) < 0)
        prefix[0] = '\0';
    va_end(arguments);
    size_t length = strnlen(prefix, sizeof prefix - 3);
    size_t kept = strnlen(error->message, sizeof error->message - 1);
    if (kept > sizeof error->message - 1 - length - 2)
        kept = sizeof error->message - 1 - length - 2;
    memmove(error->message + length + 2, error->message, kept);
    memcpy(error->message, prefix, length);
    memcpy(error->message + length, ": ", 2);
    error->message[length + 2 + kept] = '\0';
    return error->status;
}

enum mur_status mur_error_offer(struct mur_error *error, enum mur_status status, int remedy)
{
    if (error != NULL)
        error->remedy = remedy;
    return status;
}

enum mur_status mur_error_no_memory(struct mur_error *error)
{
    return mur_error_set(error, MUR_NO_MEMORY, "out of memory");
}

const char *mur_status_name(enum mur_status status)
{
    switch (status) {
    case MUR_OK:
        return "success";
    case MUR_INVALID:
        return "invalid argument";
    case MUR_PARSE:
        return "cannot understand";
    case MUR_MISMATCH:
        return "mismatch";
    case MUR_NOT_FOUND:
        return "not found";
    case MUR_EXISTS:
        return "exists with other content";
    case MUR_UNSUPPORTED:
        return "not supported";
    case MUR_LIMIT:
        return "limit exceeded";
    case MUR_DENIED:
        return "not allowed";
    case MUR_BUSY:
        return "busy";
    case MUR_IO:
        return "input/output error";
    case MUR_NO_SPACE:
        return "no space";
    case MUR_NO_MEMORY:
        return "out of memory";
    case MUR_CORRUPT:
        return "stored data damaged";
    case MUR_CLOSED:
        return "closed by peer";
    case MUR_TIMEOUT:
        return "timed out";
    case MUR_CANCELLED:
        return "cancelled";
    case MUR_INTERNAL:
        return "internal error";
    }
    return "unknown status";
}
