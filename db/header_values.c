#include "db/header_values.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/compress.h"
#include "core/json_write.h"
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

const struct mur_json *mur_header_element(const struct mur_json *elements, uint32_t tag)
{
    const char *creator = mur_private_creator(tag);
    if (creator == NULL)
        return mur_json_element(elements, tag);
    uint32_t group = MUR_TAG_GROUP(tag);
    for (uint32_t block = 0x10; block <= 0xFF; block++) {
        const struct mur_json *reservation = mur_json_element(elements, MUR_TAG(group, block));
        const char *text = mur_json_text(mur_json_at(mur_json_get(reservation, "Value"), 0));
        if (text != NULL && mur_slice_equal(mur_slice_trim(mur_slice_of(text)), creator))
            return mur_json_element(elements, MUR_TAG(group, block << 8 | (tag & 0xFF)));
    }
    return NULL;
}

/* ---- private values that came without a VR --------------------------------------------------- */

static int digit_of_base64(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static enum mur_status decode_base64(struct mur_buffer *out, const char *text,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    unsigned bits = 0;
    unsigned value = 0;
    for (; status == MUR_OK && digit_of_base64(*text) >= 0; text++) {
        value = value << 6 | (unsigned)digit_of_base64(*text);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        char byte = (char)(value >> bits & 0xFF);
        status = mur_buffer_append(out, &byte, 1, error);
    }
    return status;
}

/* Numbers are little endian, as InlineBinary is (PS3.18 F.2.7). */
static enum mur_status append_number(struct mur_buffer *out, const char *bytes, enum mur_vr vr,
                                     struct mur_error *error)
{
    unsigned width = mur_vr_info(vr)->width;
    uint64_t raw = 0;
    for (unsigned i = width; i > 0; i--)
        raw = raw << 8 | (unsigned char)bytes[i - 1];
    char text[32];
    double real = 0;
    float single = 0;
    uint32_t low = (uint32_t)raw;
    switch ((int)vr) {
    case MUR_VR_FD:
        memcpy(&real, &raw, sizeof real);
        break;
    case MUR_VR_FL:
        memcpy(&single, &low, sizeof single);
        real = (double)single;
        break;
    case MUR_VR_SS:
        return mur_buffer_append_format(out, error, "%d", (int)(int16_t)raw);
    case MUR_VR_SL:
        return mur_buffer_append_format(out, error, "%ld", (long)(int32_t)raw);
    default:
        return mur_buffer_append_format(out, error, "%llu", (unsigned long long)raw);
    }
    if (!isfinite(real))
        return MUR_OK;
    mur_double_write(text, real);
    return mur_buffer_append_text(out, text, error);
}

/* Bytes of which only the site knows what they are. */
static enum mur_status add_unknown(struct mur_header_values *values, struct mur_index_value value,
                                   const struct mur_json *element, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    const char *coded = mur_json_text(mur_json_get(element, "InlineBinary"));
    enum mur_status status = coded != NULL ? decode_base64(&bytes, coded, error) : MUR_OK;
    unsigned width = mur_vr_info(value.vr)->width;
    bool text = mur_vr_is_text(value.vr);
    bool many = mur_vr_info(value.vr)->multi;
    size_t length = bytes.length;
    while (text && length > 0 && (bytes.data[length - 1] == '\0' || bytes.data[length - 1] == ' '))
        length--;
    if (!text && (!is_number(value.vr) || width == 0))
        return status;
    for (size_t at = 0; status == MUR_OK && at < length; value.position++) {
        size_t offset = values->text.length;
        if (!text) {
            if (at + width > length)
                break;
            status = append_number(&values->text, bytes.data + at, value.vr, error);
            at += width;
        } else {
            const char *end = many ? memchr(bytes.data + at, '\\', length - at) : NULL;
            size_t one = end != NULL ? (size_t)(end - bytes.data) - at : length - at;
            struct mur_slice slice =
                mur_slice_trim((struct mur_slice){.data = bytes.data + at, .length = one});
            MUR_AUTO_FREE char *converted = NULL;
            if (!mur_utf8_valid(slice))
                status = mur_utf8_from_cp1252(&converted, slice, error);
            if (status == MUR_OK)
                status = converted != NULL
                             ? mur_buffer_append_text(&values->text, converted, error)
                             : mur_buffer_append(&values->text, slice.data, slice.length, error);
            at += one + 1;
        }
        struct mur_index_value now = value;
        if (status == MUR_OK)
            status = mur_buffer_append(&values->text, "", 1, error);
        if (status != MUR_OK)
            break;
        values->text.length--; /* the end is add_value()'s */
        if (is_number(value.vr))
            now.has_number = mur_parse_double(&now.number, mur_slice_of(values->text.data + offset),
                                              NULL) == MUR_OK;
        status = add_value(values, now, offset, error);
    }
    return status;
}

static enum mur_status add_element(struct mur_header_values *values, struct mur_index_value value,
                                   const struct mur_json *element, struct mur_error *error)
{
    enum mur_vr wanted = value.vr;
    value.vr = mur_json_element_vr(element);
    if (value.vr == MUR_VR_UN && wanted != MUR_VR_NONE) {
        value.vr = wanted;
        return add_unknown(values, value, element, error);
    }
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
        depth < MUR_ATTRIBUTE_DEPTH ? mur_header_element(elements, key->path.tags[depth]) : NULL;
    if (element == NULL)
        return MUR_OK;
    if (depth + 1 == key->path.depth) {
        size_t before = values->count;
        value->vr = mur_private_creator(key->path.tags[depth]) != NULL ? key->vr : MUR_VR_NONE;
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
        const struct mur_json *element = mur_header_element(elements, attributes[i].tag);
        bool of_others = mur_private_creator(attributes[i].tag) != NULL;
        if (element != NULL)
            status = add_element(values,
                                 (struct mur_index_value){
                                     .level = attributes[i].level,
                                     .path = mur_attribute_path_of(attributes[i].tag),
                                     .vr = of_others ? attributes[i].vr : MUR_VR_NONE,
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
