#include "core/json.h"

#include <jansson.h>
#include <string.h>

/* A sequence in DICOM JSON costs three levels, and 64 of them may stand in one another. */
enum { DEPTH_LIMIT = 200 };

/* A value of ours is a value of jansson's under another name. */
static json_t *inner(const struct mur_json *value)
{
    return (json_t *)value;
}

static const struct mur_json *outer(const json_t *value)
{
    return (const struct mur_json *)value;
}

/* jansson's own limit (2048) is compiled in, so depth is measured before. */
static size_t nesting(struct mur_slice text)
{
    size_t depth = 0;
    size_t deepest = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

enum mur_status mur_json_parse(struct mur_json **out, struct mur_slice text, size_t size_limit,
                               struct mur_error *error)
{
    if (text.length > size_limit)
        return mur_error_set(error, MUR_LIMIT, "JSON of %zu bytes; at most %zu are read",
                             text.length, size_limit);
    if (nesting(text) > DEPTH_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "JSON nested deeper than %d", DEPTH_LIMIT);
    json_error_t reason;
    json_t *document =
        json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &reason);
    if (document == NULL) {
        if (json_error_code(&reason) == json_error_out_of_memory)
            return mur_error_no_memory(error);
        return mur_error_set(error, MUR_PARSE, "JSON, line %d, column %d: %s", reason.line,
                             reason.column, reason.text);
    }
    *out = (struct mur_json *)document;
    return MUR_OK;
}

/* ---- choosing members ------------------------------------------------------------------------ */

static size_t skip_blank(struct mur_slice text, size_t at)
{
    while (at < text.length && memchr(" \t\r\n", text.data[at], 4) != NULL)
        at++;
    return at;
}

/* Behind the string that begins at @p at; behind the text when it does not end. */
static size_t skip_string(struct mur_slice text, size_t at)
{
    for (at++; at < text.length && text.data[at] != '"'; at++)
        if (text.data[at] == '\\')
            at++;
    return at + 1;
}

/* Behind the value that begins at @p at: at the comma or bracket that ends it. */
static size_t skip_value(struct mur_slice text, size_t at)
{
    size_t depth = 0;
    while (at < text.length) {
        char c = text.data[at];
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return at;
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return at;
}

enum mur_status mur_json_select(struct mur_buffer *out, struct mur_slice text,
                                bool (*wanted)(void *user, struct mur_slice key), void *user,
                                struct mur_error *error)
{
    size_t at = skip_blank(text, 0);
    bool good = at < text.length && text.data[at] == '{';
    bool any = false;
    enum mur_status status = mur_buffer_append_text(out, "{", error);
    if (good)
        at = skip_blank(text, at + 1);
    bool empty = good && at < text.length && text.data[at] == '}';
    while (status == MUR_OK && good && !empty) {
        size_t begin = at;
        good = at < text.length && text.data[at] == '"';
        size_t key_end = good ? skip_string(text, at) : at;
        at = skip_blank(text, key_end);
        good = good && at < text.length && text.data[at] == ':';
        at = skip_value(text, at);
        good = good && at < text.length && text.data[at] != ']';
        if (!good)
            break;
        const struct mur_slice key = {.data = text.data + begin + 1, .length = key_end - begin - 2};
        if (wanted(user, key)) {
            status = mur_buffer_append_text(out, any ? "," : "", error);
            if (status == MUR_OK)
                status = mur_buffer_append(out, text.data + begin, at - begin, error);
            any = true;
        }
        if (text.data[at] == '}')
            break;
        at = skip_blank(text, at + 1);
    }
    if (status == MUR_OK && !good)
        status = mur_error_set(error, MUR_PARSE, "JSON, byte %zu: no object", at);
    return status == MUR_OK ? mur_buffer_append_text(out, "}", error) : status;
}

void mur_json_free(struct mur_json *document)
{
    json_decref(inner(document));
}

enum mur_json_type mur_json_type(const struct mur_json *value)
{
    switch (json_typeof(inner(value))) {
    case JSON_OBJECT:
        return MUR_JSON_OBJECT;
    case JSON_ARRAY:
        return MUR_JSON_ARRAY;
    case JSON_STRING:
        return MUR_JSON_STRING;
    case JSON_INTEGER:
        return MUR_JSON_INT;
    case JSON_REAL:
        return MUR_JSON_DOUBLE;
    case JSON_TRUE:
    case JSON_FALSE:
        return MUR_JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return MUR_JSON_NULL;
}

const struct mur_json *mur_json_get(const struct mur_json *object, const char *key)
{
    return outer(json_object_get(inner(object), key));
}

size_t mur_json_count(const struct mur_json *value)
{
    return json_is_array(inner(value)) ? json_array_size(inner(value))
                                       : json_object_size(inner(value));
}

const struct mur_json *mur_json_at(const struct mur_json *array, size_t index)
{
    return outer(json_array_get(inner(array), index));
}

void mur_json_each(const struct mur_json *object,
                   bool (*each)(void *user, const char *key, const struct mur_json *value),
                   void *user)
{
    const char *key;
    json_t *value;
    json_object_foreach(inner(object), key, value)
    {
        if (!each(user, key, outer(value)))
            return;
    }
}

const char *mur_json_text(const struct mur_json *value)
{
    return json_string_value(inner(value));
}

enum mur_status mur_json_get_int(int64_t *out, const struct mur_json *value,
                                 struct mur_error *error)
{
    if (!json_is_integer(inner(value)))
        return mur_error_set(error, MUR_MISMATCH, "JSON value is not an integer");
    *out = json_integer_value(inner(value));
    return MUR_OK;
}

enum mur_status mur_json_get_double(double *out, const struct mur_json *value,
                                    struct mur_error *error)
{
    if (!json_is_number(inner(value)))
        return mur_error_set(error, MUR_MISMATCH, "JSON value is not a number");
    *out = json_number_value(inner(value));
    return MUR_OK;
}

enum mur_status mur_json_get_bool(bool *out, const struct mur_json *value, struct mur_error *error)
{
    if (!json_is_boolean(inner(value)))
        return mur_error_set(error, MUR_MISMATCH, "JSON value is not true or false");
    *out = json_is_true(inner(value));
    return MUR_OK;
}
