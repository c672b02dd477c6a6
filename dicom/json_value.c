#include "dicom/json_value.h"

#include <stdio.h>

#include "core/own.h"

const struct mur_json *mur_json_element(const struct mur_json *elements, uint32_t tag)
{
    char key[9];
    (void)snprintf(key, sizeof key, "%08X", (unsigned)tag);
    return mur_json_get(elements, key);
}

enum mur_vr mur_json_element_vr(const struct mur_json *element)
{
    const char *name = mur_json_text(mur_json_get(element, "vr"));
    return name != NULL && name[0] != '\0' && name[1] != '\0' ? mur_vr_from_name(name)
                                                              : MUR_VR_NONE;
}

size_t mur_json_value_count(const struct mur_json *element)
{
    return mur_json_count(mur_json_get(element, "Value"));
}

const struct mur_json *mur_json_item(const struct mur_json *element, size_t index)
{
    return mur_json_at(mur_json_get(element, "Value"), index);
}

/* Alphabetic=Ideographic=Phonetic (PS3.5 6.2.1), without trailing delimiters. */
static enum mur_status append_name(struct mur_buffer *out, const struct mur_json *name,
                                   struct mur_error *error)
{
    static const char *const groups[3] = {"Alphabetic", "Ideographic", "Phonetic"};
    enum mur_status status = MUR_OK;
    size_t delimiters = 0;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(groups); i++, delimiters++) {
        const char *group = mur_json_text(mur_json_get(name, groups[i]));
        if (group == NULL)
            continue;
        for (; status == MUR_OK && delimiters > 0; delimiters--)
            status = mur_buffer_append_text(out, "=", error);
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, group, error);
    }
    return status;
}

enum mur_status mur_json_append_value(struct mur_buffer *out, const struct mur_json *element,
                                      size_t index, struct mur_error *error)
{
    const struct mur_json *value = mur_json_at(mur_json_get(element, "Value"), index);
    if (value == NULL)
        return MUR_OK;
    int64_t integer;
    double real;
    switch (mur_json_type(value)) {
    case MUR_JSON_STRING:
        return mur_buffer_append_text(out, mur_json_text(value), error);
    case MUR_JSON_INT: {
        enum mur_status status = mur_json_get_int(&integer, value, error);
        return status == MUR_OK ? mur_buffer_append_format(out, error, "%lld", (long long)integer)
                                : status;
    }
    case MUR_JSON_DOUBLE: {
        enum mur_status status = mur_json_get_double(&real, value, error);
        char number[32];
        if (status != MUR_OK)
            return status;
        mur_double_write(number, real);
        return mur_buffer_append_text(out, number, error);
    }
    case MUR_JSON_OBJECT:
        return append_name(out, value, error);
    case MUR_JSON_NULL:
    case MUR_JSON_BOOL:
    case MUR_JSON_ARRAY:
        return MUR_OK;
    }
    return MUR_OK;
}

enum mur_status mur_json_append_values(struct mur_buffer *out, const struct mur_json *element,
                                       struct mur_error *error)
{
    if (mur_json_element_vr(element) == MUR_VR_SQ) {
        struct mur_json_writer writer;
        mur_json_init(&writer, mur_sink_buffer(out));
        const struct mur_json *items = mur_json_get(element, "Value");
        if (items != NULL) {
            mur_json_write_value(&writer, items);
        } else {
            mur_json_begin_array(&writer);
            mur_json_end_array(&writer);
        }
        return mur_json_finish(&writer, error);
    }
    size_t count = mur_json_value_count(element);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        if (i > 0)
            status = mur_buffer_append_text(out, "\\", error);
        if (status == MUR_OK)
            status = mur_json_append_value(out, element, i, error);
    }
    return status;
}

static bool write_member(void *user, const char *key, const struct mur_json *value)
{
    struct mur_json_writer *writer = user;
    mur_json_key(writer, key);
    mur_json_write_value(writer, value);
    return true;
}

void mur_json_write_value(struct mur_json_writer *writer, const struct mur_json *value)
{
    int64_t integer = 0;
    double real = 0;
    bool truth = false;
    switch (mur_json_type(value)) { /* depth: the parser has limited it to 64 */
    case MUR_JSON_NULL:
        mur_json_null(writer);
        return;
    case MUR_JSON_BOOL:
        (void)!mur_json_get_bool(&truth, value, NULL);
        mur_json_bool(writer, truth);
        return;
    case MUR_JSON_INT:
        (void)!mur_json_get_int(&integer, value, NULL);
        mur_json_int(writer, integer);
        return;
    case MUR_JSON_DOUBLE:
        (void)!mur_json_get_double(&real, value, NULL);
        mur_json_double(writer, real);
        return;
    case MUR_JSON_STRING:
        mur_json_string(writer, mur_json_text(value));
        return;
    case MUR_JSON_ARRAY:
        mur_json_begin_array(writer);
        for (size_t i = 0; i < mur_json_count(value); i++)
            mur_json_write_value(writer, mur_json_at(value, i));
        mur_json_end_array(writer);
        return;
    case MUR_JSON_OBJECT:
        mur_json_begin_object(writer);
        mur_json_each(value, write_member, writer);
        mur_json_end_object(writer);
        return;
    }
}
