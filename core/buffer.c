#include "core/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mur_buffer_free(struct mur_buffer *buffer)
{
    if (buffer == NULL)
        return;
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = 0;
    buffer->capacity = 0;
}

void mur_buffer_clear(struct mur_buffer *buffer)
{
    buffer->length = 0;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

enum mur_status mur_buffer_reserve(struct mur_buffer *buffer, size_t extra, struct mur_error *error)
{
    if (buffer->limit != 0 &&
        (buffer->length > buffer->limit || extra > buffer->limit - buffer->length))
        return mur_error_set(error, MUR_LIMIT, "more than %zu bytes", buffer->limit);
    if (extra > SIZE_MAX / 2 - buffer->length)
        return mur_error_no_memory(error);
    size_t needed = buffer->length + extra + 1;
    if (needed <= buffer->capacity)
        return MUR_OK;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed)
        capacity += capacity / 2;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return mur_error_no_memory(error);
    buffer->data = data;
    buffer->capacity = capacity;
    data[buffer->length] = '\0';
    return MUR_OK;
}

enum mur_status mur_buffer_append(struct mur_buffer *buffer, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    enum mur_status status = mur_buffer_reserve(buffer, length, error);
    if (status != MUR_OK)
        return status;
    if (length > 0)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return MUR_OK;
}

enum mur_status mur_buffer_append_text(struct mur_buffer *buffer, const char *text,
                                       struct mur_error *error)
{
    return mur_buffer_append(buffer, text, strlen(text), error);
}

enum mur_status mur_buffer_append_format(struct mur_buffer *buffer, struct mur_error *error,
                                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    enum mur_status status;
    if (length < 0)
        status = mur_error_set(error, MUR_INTERNAL, "cannot format text");
    else
        status = mur_buffer_reserve(buffer, (size_t)length, error);
    if (status == MUR_OK) {
        (void)vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
    return status;
}

const char *mur_buffer_text(const struct mur_buffer *buffer)
{
    return buffer->data != NULL ? buffer->data : "";
}

enum mur_status mur_buffer_take(char **out, struct mur_buffer *buffer, struct mur_error *error)
{
    enum mur_status status = mur_buffer_reserve(buffer, 0, error);
    if (status != MUR_OK)
        return status;
    *out = buffer->data;
    buffer->data = NULL;
    buffer->length = 0;
    buffer->capacity = 0;
    return MUR_OK;
}
