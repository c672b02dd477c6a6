#include "core/json.h"

#include <jansson.h>

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
