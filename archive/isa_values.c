#include "archive/isa_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_write.h"
#include "core/text.h"
#include "dicom/dictionary.h"

enum { BLOCK = 0x10 }; /* the index knows our private elements by this block */

void mur_isa_values_free(struct mur_isa_values *values)
{
    free(values->values);
    mur_buffer_free(&values->text);
}

/* Pointers are set at the end, when the text has stopped moving. */
static enum mur_status add(struct mur_isa_values *values, struct mur_index_value value,
                           struct mur_slice text, struct mur_error *error)
{
    if (values->count == values->capacity) {
        size_t capacity = values->capacity == 0 ? 128 : values->capacity * 2;
        struct mur_index_value *grown = realloc(values->values, capacity * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        values->values = grown;
        values->capacity = capacity;
    }
    value.text = (const char *)(uintptr_t)values->text.length;
    enum mur_status status = mur_buffer_append(&values->text, text.data, text.length, error);
    if (status == MUR_OK)
        status = mur_buffer_append(&values->text, "", 1, error);
    if (status == MUR_OK)
        values->values[values->count++] = value;
    return status;
}

static struct mur_attribute_path in_block(struct mur_attribute_path path)
{
    for (unsigned i = 0; i < path.depth; i++)
        if (MUR_TAG_GROUP(path.tags[i]) == MUR_PRIVATE_GROUP)
            path.tags[i] = MUR_PRIVATE_TAG(BLOCK, path.tags[i] & 0xFFu);
    return path;
}

/* The level where the attribute is asked for, which is not always where the table says it. */
static enum mur_level level_of(const struct mur_scan_value *value)
{
    const struct mur_attribute *attribute = mur_attribute_find(value->path.tags[0]);
    return attribute != NULL ? attribute->level : value->level;
}

static enum mur_status add_values(struct mur_isa_values *values, const struct mur_scan_value *value,
                                  struct mur_error *error)
{
    struct mur_index_value one = {
        .level = level_of(value), .path = in_block(value->path), .vr = value->vr};
    bool many = mur_vr_info(value->vr)->multi;
    enum mur_status status = MUR_OK;
    for (const char *at = value->text; status == MUR_OK && *at != '\0';) {
        size_t length = many ? strcspn(at, "\\") : strlen(at);
        struct mur_slice text = {.data = at, .length = length};
        one.has_number = (value->vr == MUR_VR_FD || value->vr == MUR_VR_DS ||
                          value->vr == MUR_VR_IS || value->vr == MUR_VR_US) &&
                         mur_parse_double(&one.number, text, NULL) == MUR_OK;
        status = add(values, one, text, error);
        one.position++;
        at += length + (at[length] == '\\' ? 1 : 0);
    }
    return status;
}

/* ---- sequences as a whole, to be answered ---------------------------------------------------- */

/* Writes the attributes of one item: values [first, end) share the tags above @p depth. */
static void write_item(struct mur_json_writer *json, const struct mur_scan_value *values,
                       size_t first, size_t end, unsigned depth)
{
    mur_json_begin_object(json);
    while (first < end && depth < MUR_ATTRIBUTE_DEPTH) {
        uint32_t tag = values[first].path.tags[depth];
        size_t next = first;
        while (next < end && values[next].path.tags[depth] == tag)
            next++;
        const struct mur_scan_value *value = &values[first];
        bool sequence = value->path.depth > depth + 1;
        char key[9];
        (void)snprintf(key, sizeof key, "%08X", (unsigned)tag);
        mur_json_key(json, key);
        mur_json_begin_object(json);
        mur_json_member_string(json, "vr", sequence ? "SQ" : mur_vr_name(value->vr));
        if (sequence || value->text[0] != '\0') {
            mur_json_key(json, "Value");
            mur_json_begin_array(json);
            if (sequence)
                write_item(json, values, first, next, depth + 1);
            else
                mur_json_string(json, value->text);
            mur_json_end_array(json);
        }
        mur_json_end_object(json);
        first = next;
    }
    mur_json_end_object(json);
}

static enum mur_status add_sequence(struct mur_isa_values *values,
                                    const struct mur_scan_value *from, size_t count,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_array(&json);
    write_item(&json, from, 0, count, 1);
    mur_json_end_array(&json);
    enum mur_status status = mur_json_finish(&json, error);
    struct mur_index_value value = {.level = level_of(from),
                                    .path = in_block(mur_attribute_path_of(from->path.tags[0])),
                                    .vr = MUR_VR_SQ};
    return status == MUR_OK ? add(values, value, (struct mur_slice){text.data, text.length}, error)
                            : status;
}

/* ---- every cell ------------------------------------------------------------------------------ */

static const char *attribute_kind(enum mur_isa_kind kind)
{
    switch (kind) {
    case MUR_ISA_CHARACTERISTIC:
    case MUR_ISA_FACTOR:
    case MUR_ISA_PARAMETER:
    case MUR_ISA_COMMENT:
        return mur_isa_kind_name(kind);
    case MUR_ISA_OTHER:
    case MUR_ISA_MATERIAL:
    case MUR_ISA_NAME:
    case MUR_ISA_FILE:
    case MUR_ISA_PROTOCOL:
    case MUR_ISA_DATE:
    case MUR_ISA_PERFORMER:
    case MUR_ISA_PLAIN:
    case MUR_ISA_QUALIFIER:
    case MUR_ISA_KINDS:
        return "node"; /* a name or a file: searchable, but no attribute of the experiment */
    }
    return "node";
}

/* "kind:name=value"; a backslash would divide it in two, so it is written as a slash. A subject's
 * attributes answer for patient, study and series, a session's for study and series, and those of a
 * scan for its study as well: so a question at any level finds them. */
static enum mur_status add_cell(struct mur_isa_values *values,
                                const struct mur_scan_attribute *attribute, struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status =
        mur_text_format(&text, error, "%s:%s=%s", attribute_kind(attribute->kind), attribute->name,
                        attribute->text);
    if (status != MUR_OK)
        return status;
    for (char *at = strchr(text, '\\'); at != NULL; at = strchr(at, '\\'))
        *at = '/';
    enum mur_level highest =
        attribute->level == MUR_LEVEL_PATIENT ? MUR_LEVEL_PATIENT : MUR_LEVEL_STUDY;
    struct mur_index_value value = {
        .path = mur_attribute_path_of(MUR_PRIVATE_TAG(BLOCK, MUR_ISA_ATTRIBUTE)),
        .vr = MUR_VR_UC,
        .has_number = attribute->has_number,
        .number = attribute->number};
    for (int level = (int)highest; status == MUR_OK && level <= MUR_LEVEL_SERIES; level++) {
        value.level = (enum mur_level)level;
        value.position = (unsigned)values->count; /* unique; the order of the cells */
        status = add(values, value, mur_slice_of(text), error);
    }
    return status;
}

static enum mur_status digest_of(char out[MUR_SHA256_TEXT_SIZE],
                                 const struct mur_isa_values *values, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    for (size_t i = 0; status == MUR_OK && i < values->count; i++) {
        const struct mur_index_value *value = &values->values[i];
        char path[MUR_ATTRIBUTE_PATH_SIZE];
        char level = (char)('0' + value->level);
        (void)mur_attribute_path_format(path, &value->path);
        status = mur_sha256_update(digest, &level, 1, error);
        if (status == MUR_OK)
            status = mur_sha256_update(digest, path, strlen(path) + 1, error);
        if (status == MUR_OK)
            status = mur_sha256_update(digest, value->text, strlen(value->text) + 1, error);
    }
    uint8_t bytes[MUR_SHA256_SIZE];
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status == MUR_OK)
        mur_hex_write(out, bytes, sizeof bytes);
    return status;
}

enum mur_status mur_isa_values_of(struct mur_isa_values *out, char digest[MUR_SHA256_TEXT_SIZE],
                                  const struct mur_scan *scan, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < scan->value_count; i++) {
        const struct mur_scan_value *value = &scan->values[i];
        status = add_values(out, value, error);
        bool first = i == 0 || scan->values[i - 1].path.tags[0] != value->path.tags[0];
        if (status != MUR_OK || value->path.depth == 1 || !first)
            continue;
        size_t count = 1;
        while (i + count < scan->value_count &&
               scan->values[i + count].path.tags[0] == value->path.tags[0])
            count++;
        status = add_sequence(out, value, count, error);
    }
    for (size_t i = 0; status == MUR_OK && i < scan->isa_attribute_count; i++)
        if (scan->isa_attributes[i].text[0] != '\0')
            status = add_cell(out, &scan->isa_attributes[i], error);
    for (size_t i = 0; i < out->count; i++)
        out->values[i].text = out->text.data + (uintptr_t)out->values[i].text;
    return status == MUR_OK ? digest_of(digest, out, error) : status;
}
