#include "archive/isa_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_write.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "mapping/private_block.h"

void mur_isa_values_free(struct mur_isa_values *values)
{
    free(values->values);
    free(values->cells);
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

/* Texts as offsets, likewise. */
static enum mur_status add_cell(struct mur_isa_values *values, struct mur_isa_cell cell,
                                const char *name, const char *text, const char *unit,
                                struct mur_error *error)
{
    if (values->cell_count == values->cell_capacity) {
        size_t capacity = values->cell_capacity == 0 ? 64 : values->cell_capacity * 2;
        struct mur_isa_cell *grown = realloc(values->cells, capacity * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        values->cells = grown;
        values->cell_capacity = capacity;
    }
    const char *const texts[] = {name, text, unit};
    const char **const places[] = {&cell.name, &cell.text, &cell.unit};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(texts); i++) {
        *places[i] = (const char *)(uintptr_t)values->text.length;
        status = mur_block_append_text(&values->text, texts[i], error);
        if (status == MUR_OK)
            status = mur_buffer_append(&values->text, "", 1, error);
    }
    if (status == MUR_OK)
        values->cells[values->cell_count++] = cell;
    return status;
}

/* The level where the attribute is asked for, which is not always where the table says it. */
static enum mur_level level_of(const struct mur_scan_value *value)
{
    const struct mur_attribute *attribute = mur_attribute_find(value->path.tags[0]);
    return attribute != NULL ? attribute->level : value->level;
}

/* A plain element of our private block. */
static enum mur_status add_element(struct mur_isa_values *values,
                                   const struct mur_index_value *value, struct mur_slice text,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, text, error);
    const struct mur_isa_cell cell = {.element = value->path.tags[0] & 0xFFu,
                                      .vr = value->vr,
                                      .kind = "",
                                      .has_number = value->has_number,
                                      .number = value->number};
    return status == MUR_OK ? add_cell(values, cell, "", copy, "", error) : status;
}

static enum mur_status add_values(struct mur_isa_values *values, const struct mur_scan_value *value,
                                  struct mur_error *error)
{
    struct mur_index_value one = {.level = level_of(value), .path = value->path, .vr = value->vr};
    bool many = mur_vr_info(value->vr)->multi;
    enum mur_status status = MUR_OK;
    for (const char *at = value->text; status == MUR_OK && *at != '\0';) {
        size_t length = many ? strcspn(at, "\\") : strlen(at);
        struct mur_slice text = {.data = at, .length = length};
        one.has_number = (value->vr == MUR_VR_FD || value->vr == MUR_VR_DS ||
                          value->vr == MUR_VR_IS || value->vr == MUR_VR_US) &&
                         mur_parse_double(&one.number, text, NULL) == MUR_OK;
        if (MUR_TAG_GROUP(value->path.tags[0]) == MUR_PRIVATE_GROUP)
            status = add_element(values, &one, text, error);
        else
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
                                    .path = mur_attribute_path_of(from->path.tags[0]),
                                    .vr = MUR_VR_SQ};
    return status == MUR_OK ? add(values, value, (struct mur_slice){text.data, text.length}, error)
                            : status;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

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
    for (size_t i = 0; status == MUR_OK && i < values->cell_count; i++) {
        const struct mur_isa_cell *cell = &values->cells[i];
        char element[8];
        (void)snprintf(element, sizeof element, "%02X%s", cell->element & 0xFFu,
                       cell->element != 0 ? mur_vr_name(cell->vr) : "");
        const char *const texts[] = {element, cell->kind, cell->name, cell->text, cell->unit};
        for (size_t t = 0; status == MUR_OK && t < MUR_COUNT(texts); t++)
            status = mur_sha256_update(digest, texts[t], strlen(texts[t]) + 1, error);
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
    for (size_t i = 0; status == MUR_OK && i < scan->isa_attribute_count; i++) {
        const struct mur_scan_attribute *attribute = &scan->isa_attributes[i];
        const struct mur_isa_cell cell = {.kind = mur_block_kind(attribute->kind),
                                          .has_number = attribute->has_number,
                                          .number = attribute->number};
        if (mur_slice_trim(mur_slice_of(attribute->text)).length > 0)
            status = add_cell(out, cell, attribute->name, attribute->text, attribute->unit, error);
    }
    for (size_t i = 0; i < out->count; i++)
        out->values[i].text = out->text.data + (uintptr_t)out->values[i].text;
    for (size_t i = 0; i < out->cell_count; i++) {
        const char **const places[] = {&out->cells[i].name, &out->cells[i].text,
                                       &out->cells[i].unit};
        for (size_t p = 0; p < MUR_COUNT(places); p++)
            *places[p] = out->text.data + (uintptr_t)*places[p];
    }
    return status == MUR_OK ? digest_of(digest, out, error) : status;
}
