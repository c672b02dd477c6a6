#include "web/json_answer.h"

#include <string.h>

#include "core/own.h"
#include "dicom/json_text.h"
#include "dicom/json_value.h"

enum { SEQUENCE_LIMIT = 16 << 20 };

static void write_strings(struct mur_json_writer *json, const char *text)
{
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    mur_json_string(json, text);
    mur_json_end_array(json);
}

/* ---- sequences ------------------------------------------------------------------------------- */

static void write_items(struct mur_json_writer *json, const struct mur_json *items);

/* All text is UTF-8 here, and bytes that were left out have no address of ours. */
static bool write_member(void *user, const char *key, const struct mur_json *element)
{
    struct mur_json_writer *json = user;
    if (mur_json_get(element, "BulkDataURI") != NULL)
        return true;
    mur_json_key(json, key);
    bool charset = strcmp(key, "00080005") == 0;
    if (!charset && mur_json_element_vr(element) != MUR_VR_SQ) {
        mur_json_write_value(json, element);
        return true;
    }
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", charset ? "CS" : "SQ");
    if (charset)
        write_strings(json, "ISO_IR 192");
    else
        write_items(json, mur_json_get(element, "Value"));
    mur_json_end_object(json);
    return true;
}

/* As deep as the parser allows. */
static void write_items(struct mur_json_writer *json, const struct mur_json *items)
{
    size_t count = mur_json_count(items);
    if (count == 0)
        return;
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        mur_json_begin_object(json);
        mur_json_each(mur_json_at(items, i), write_member, json);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}

static enum mur_status write_sequence(struct mur_json_writer *json, const struct mur_value *value,
                                      struct mur_error *error)
{
    if (value->length <= strlen("[]"))
        return MUR_OK;
    if (memmem(value->text, value->length, "\"BulkDataURI\"", 13) == NULL &&
        memmem(value->text, value->length, "\"00080005\"", 10) == NULL) {
        mur_json_key(json, "Value");
        mur_json_raw(json, (struct mur_slice){.data = value->text, .length = value->length});
        return MUR_OK;
    }
    MUR_AUTO(mur_json) *items = NULL;
    enum mur_status status =
        mur_json_parse(&items, (struct mur_slice){.data = value->text, .length = value->length},
                       SEQUENCE_LIMIT, error);
    if (status == MUR_OK)
        write_items(json, items);
    return status;
}

/* ---- elements -------------------------------------------------------------------------------- */

static void begin_element(struct mur_json_writer *json, uint32_t tag, enum mur_vr vr)
{
    static const char digits[] = "0123456789ABCDEF";
    char key[8];
    for (size_t i = sizeof key; i-- > 0; tag >>= 4)
        key[i] = digits[tag & 0xF];
    mur_json_key_slice(json, (struct mur_slice){.data = key, .length = sizeof key});
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", mur_vr_name(vr));
}

static bool is_bytes(enum mur_vr vr)
{
    return mur_vr_info(vr)->class_ == MUR_VR_CLASS_BINARY && !mur_vr_info(vr)->multi;
}

static enum mur_vr vr_of(const struct mur_search_column *column, const struct mur_value *value)
{
    return value->vr != MUR_VR_NONE ? value->vr : column->vr;
}

static bool is_empty(const struct mur_value *value)
{
    return value->text == NULL || value->length == 0;
}

/* Bytes are retrieved, not searched for. */
static bool is_shown(const struct mur_search_column *column, const struct mur_value *value)
{
    enum mur_vr vr = vr_of(column, value);
    return !(is_empty(value) && column->if_known) && vr != MUR_VR_NONE && !is_bytes(vr);
}

static enum mur_status write_key(struct mur_json_writer *json,
                                 const struct mur_search_column *column,
                                 const struct mur_value *value, struct mur_error *error)
{
    enum mur_vr vr = vr_of(column, value);
    if (!is_shown(column, value))
        return MUR_OK;
    begin_element(json, column->tag, vr);
    enum mur_status status = MUR_OK;
    if (!is_empty(value) && vr == MUR_VR_SQ)
        status = write_sequence(json, value, error);
    else if (!is_empty(value))
        mur_json_write_values(json, vr,
                              (struct mur_slice){.data = value->text, .length = value->length});
    mur_json_end_object(json);
    return status;
}

/* Whether an element of the block that a creator reserves stands in the answer. */
static bool is_reserved_for_some(const struct mur_search *search, const struct mur_value *values,
                                 const struct mur_search_column *creator)
{
    for (size_t i = 0; i < search->column_count; i++) {
        const struct mur_search_column *column = &search->columns[i];
        if (column->kind == MUR_SEARCH_KEY &&
            MUR_TAG_GROUP(column->tag) == MUR_TAG_GROUP(creator->tag) &&
            MUR_TAG_ELEMENT(column->tag) >> 8 == MUR_TAG_ELEMENT(creator->tag) &&
            is_shown(column, &values[column->key]))
            return true;
    }
    return false;
}

static void write_text_element(struct mur_json_writer *json, const struct mur_search_column *column,
                               const char *text)
{
    begin_element(json, column->tag, column->vr);
    write_strings(json, text);
    mur_json_end_object(json);
}

static enum mur_status write_retrieve_url(struct mur_json_writer *json,
                                          const struct mur_search *search,
                                          const struct mur_value *values, struct mur_error *error)
{
    static const char *const resources[] = {"/studies/", "/series/", "/instances/"};
    MUR_AUTO_BUFFER struct mur_buffer url = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_text(&url, MUR_DICOMWEB_ROOT, error);
    for (int level = MUR_LEVEL_STUDY; status == MUR_OK && level <= (int)search->query.level;
         level++) {
        size_t at = (size_t)(level - MUR_LEVEL_STUDY);
        const struct mur_value *uid = &values[search->uids[at]];
        status = mur_buffer_append_text(&url, resources[at], error);
        if (status == MUR_OK && uid->text != NULL)
            status = mur_buffer_append(&url, uid->text, uid->length, error);
    }
    if (status != MUR_OK)
        return status;
    begin_element(json, MUR_TAG_RetrieveURL, MUR_VR_UR);
    write_strings(json, mur_buffer_text(&url));
    mur_json_end_object(json);
    return MUR_OK;
}

enum mur_status mur_json_answer_write(struct mur_json_writer *json, const struct mur_search *search,
                                      const struct mur_value *values, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    mur_json_begin_object(json);
    for (size_t i = 0; status == MUR_OK && i < search->column_count; i++) {
        const struct mur_search_column *column = &search->columns[i];
        switch (column->kind) {
        case MUR_SEARCH_KEY:
            status = write_key(json, column, &values[column->key], error);
            break;
        case MUR_SEARCH_RETRIEVE_URL:
            status = write_retrieve_url(json, search, values, error);
            break;
        case MUR_SEARCH_CHARSET:
            write_text_element(json, column, "ISO_IR 192");
            break;
        case MUR_SEARCH_CREATOR:
            if (is_reserved_for_some(search, values, column))
                write_text_element(json, column, column->creator);
            break;
        }
    }
    mur_json_end_object(json);
    return status;
}
