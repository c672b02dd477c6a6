#include "db/header_values.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/compress.h"
#include "core/text.h"
#include "dicom/json_value.h"

enum { BRIEF_LIMIT = 4 << 20, HEADER_LIMIT = 16 << 20 };

void mur_header_values_free(struct mur_header_values *values)
{
    free(values->values);
    mur_buffer_free(&values->text);
}

/* The text stands at @p offset of values->text; pointers are set when all texts are there. */
static enum mur_status add_value(struct mur_header_values *values, struct mur_index_value value,
                                 size_t offset, struct mur_error *error)
{
    if (values->count == values->capacity) {
        size_t capacity = values->capacity == 0 ? 64 : values->capacity * 2;
        struct mur_index_value *grown = realloc(values->values, capacity * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        values->values = grown;
        values->capacity = capacity;
    }
    value.text = (const char *)(uintptr_t)offset;
    values->values[values->count++] = value;
    return mur_buffer_append(&values->text, "", 1, error);
}

enum mur_status mur_header_values_add(struct mur_header_values *values,
                                      struct mur_index_value value, const char *text,
                                      struct mur_error *error)
{
    size_t offset = values->text.length;
    enum mur_status status = mur_buffer_append_text(&values->text, text, error);
    return status == MUR_OK ? add_value(values, value, offset, error) : status;
}

static bool is_number(enum mur_vr vr)
{
    switch ((int)vr) {
    case MUR_VR_DS:
    case MUR_VR_IS:
    case MUR_VR_FD:
    case MUR_VR_FL:
    case MUR_VR_US:
    case MUR_VR_SS:
    case MUR_VR_UL:
    case MUR_VR_SL:
    case MUR_VR_UV:
    case MUR_VR_SV:
        return true;
    default:
        return false;
    }
}

static enum mur_status add_element(struct mur_header_values *values, struct mur_index_value value,
                                   const struct mur_json *element, struct mur_error *error)
{
    value.vr = mur_json_element_vr(element);
    bool sequence = value.vr == MUR_VR_SQ;
    size_t count = sequence ? 1 : mur_json_value_count(element);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        size_t offset = values->text.length;
        status = sequence ? mur_json_append_values(&values->text, element, error)
                          : mur_json_append_value(&values->text, element, i, error);
        struct mur_index_value one = value;
        one.position += (unsigned)i;
        if (status == MUR_OK && is_number(value.vr))
            one.has_number = mur_parse_double(&one.number, mur_slice_of(values->text.data + offset),
                                              NULL) == MUR_OK;
        if (status == MUR_OK)
            status = add_value(values, one, offset, error);
    }
    return status;
}

/* A key inside sequences: all items on the way; the outermost item and a running position name the
 * value. */
static enum mur_status add_nested(struct mur_header_values *values,
                                  const struct mur_attribute_key *key, unsigned depth,
                                  const struct mur_json *elements, struct mur_index_value *value,
                                  struct mur_error *error)
{
    const struct mur_json *element =
        depth < MUR_ATTRIBUTE_DEPTH ? mur_json_element(elements, key->path.tags[depth]) : NULL;
    if (element == NULL)
        return MUR_OK;
    if (depth + 1 == key->path.depth) {
        size_t before = values->count;
        enum mur_status status = add_element(values, *value, element, error);
        value->position += (unsigned)(values->count - before);
        return status;
    }
    enum mur_status status = MUR_OK;
    size_t items = mur_json_value_count(element);
    for (size_t i = 0; status == MUR_OK && i < items; i++) {
        if (depth == 0) {
            value->item = (unsigned)i;
            value->position = 0;
        }
        status = add_nested(values, key, depth + 1, mur_json_item(element, i), value, error);
    }
    return status;
}

static bool is_wanted(enum mur_level level, bool added, bool all)
{
    return level == MUR_LEVEL_IMAGE ? added : all;
}

static enum mur_status add_table_values(struct mur_header_values *values,
                                        const struct mur_json *elements, bool all,
                                        struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    size_t count;
    const struct mur_attribute *attributes = mur_attributes(&count);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        if (attributes[i].storage != MUR_STORAGE_TABLE ||
            !is_wanted(attributes[i].level, attributes[i].added, all))
            continue;
        const struct mur_json *element = mur_json_element(elements, attributes[i].tag);
        if (element != NULL)
            status = add_element(values,
                                 (struct mur_index_value){
                                     .level = attributes[i].level,
                                     .path = mur_attribute_path_of(attributes[i].tag),
                                 },
                                 element, error);
    }
    const struct mur_attribute_key *keys = mur_attribute_keys(&count);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        struct mur_index_value value = {.level = keys[i].level, .path = keys[i].path};
        if (is_wanted(keys[i].level, keys[i].added, all))
            status = add_nested(values, &keys[i], 0, elements, &value, error);
    }
    return status;
}

/* Typed columns hold the text of all values. */
static enum mur_status add_columns(struct mur_header_values *values,
                                   const struct mur_json *elements, struct mur_error *error)
{
    size_t count;
    const struct mur_attribute *attributes = mur_attributes(&count);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        const struct mur_attribute *attribute = &attributes[i];
        if (attribute->storage != MUR_STORAGE_COLUMN || attribute->level == MUR_LEVEL_IMAGE)
            continue;
        const struct mur_json *element = mur_json_element(elements, attribute->tag);
        if (element == NULL)
            continue;
        size_t offset = values->text.length;
        status = mur_json_append_values(&values->text, element, error);
        if (status == MUR_OK)
            status = add_value(values,
                               (struct mur_index_value){
                                   .level = attribute->level,
                                   .path = mur_attribute_path_of(attribute->tag),
                                   .vr = attribute->vr,
                               },
                               offset, error);
    }
    return status;
}

enum mur_status mur_header_values_add_json(struct mur_header_values *values, struct mur_slice json,
                                           enum mur_header_part part, struct mur_error *error)
{
    MUR_AUTO(mur_json) *elements = NULL;
    enum mur_status status = mur_json_parse(&elements, json, BRIEF_LIMIT, error);
    if (status == MUR_OK && part == MUR_HEADER_ALL)
        status = add_columns(values, elements, error);
    return status == MUR_OK ? add_table_values(values, elements, part != MUR_HEADER_ADDED, error)
                            : status;
}

void mur_header_values_end(struct mur_header_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        values->values[i].text = values->text.data + (uintptr_t)values->values[i].text;
}

enum mur_status mur_header_unpack(struct mur_buffer *out, int form, const void *bytes,
                                  size_t length, struct mur_error *error)
{
    if (form == 1)
        return mur_zstd_decompress(out, bytes, length, HEADER_LIMIT, error);
    return mur_buffer_append(out, bytes, length, error);
}
