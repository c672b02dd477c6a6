#include "web/metadata_json.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "dicom/json_text.h"

enum kind {
    ITEM,    /* the Data Set or an item: keys are tags */
    ELEMENT, /* keys are vr, Value, BulkDataURI, InlineBinary */
    VALUES,  /* of an element */
    OTHER,
};

static const char charset_tag[] = "00080005";
static const char charset[] = "\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]}";

void mur_metadata_filter_init(struct mur_metadata_filter *filter, struct mur_sink sink,
                              const char *prefix)
{
    *filter = (struct mur_metadata_filter){.sink = sink, .prefix = prefix};
}

static enum mur_status drop_all(void *user, const void *bytes, size_t length,
                                struct mur_error *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    (void)error;
    return MUR_OK;
}

void mur_metadata_filter_find(struct mur_metadata_filter *filter, const char *path)
{
    mur_metadata_filter_init(filter, (struct mur_sink){.write = drop_all}, "");
    filter->wanted = path;
}

/* ---- out ------------------------------------------------------------------------------------- */

static enum mur_status flush(struct mur_metadata_filter *filter, struct mur_error *error)
{
    size_t length = filter->used;
    filter->used = 0;
    return length == 0 ? MUR_OK
                       : filter->sink.write(filter->sink.user, filter->block, length, error);
}

static enum mur_status put(struct mur_metadata_filter *filter, const char *bytes, size_t length,
                           struct mur_error *error)
{
    if (filter->swallow != 0)
        return MUR_OK;
    while (length > 0) {
        size_t room = sizeof filter->block - filter->used;
        size_t count = length < room ? length : room;
        memcpy(filter->block + filter->used, bytes, count);
        filter->used += count;
        bytes += count;
        length -= count;
        if (filter->used == sizeof filter->block) {
            enum mur_status status = flush(filter, error);
            if (status != MUR_OK)
                return status;
        }
    }
    return MUR_OK;
}

/* ---- what is open ---------------------------------------------------------------------------- */

static enum mur_status opened(struct mur_metadata_filter *filter, bool is_array,
                              struct mur_error *error)
{
    if (filter->depth == MUR_METADATA_DEPTH)
        return mur_error_set(error, MUR_CORRUPT, "a stored header is nested too deep");
    unsigned kind = OTHER;
    unsigned parent = filter->depth > 0 ? filter->open[filter->depth - 1].kind : VALUES;
    if (is_array)
        kind = parent == ELEMENT && filter->is_value ? VALUES : OTHER;
    else if (parent == VALUES)
        kind = ITEM;
    else if (parent == ITEM)
        kind = ELEMENT;
    if (filter->depth > 0 && parent == VALUES)
        filter->open[filter->depth - 1].index++;
    filter->open[filter->depth].kind = (unsigned char)kind;
    filter->open[filter->depth].index = 0;
    filter->open[filter->depth].tag[0] = '\0';
    filter->depth++;
    filter->at_key = !is_array;
    filter->is_bulk = false;
    filter->is_vr = false;
    filter->is_value = false;
    return MUR_OK;
}

static enum mur_status closed(struct mur_metadata_filter *filter, struct mur_error *error)
{
    if (filter->depth == 0)
        return mur_error_set(error, MUR_CORRUPT, "a stored header is damaged");
    filter->depth--;
    filter->at_key = false;
    return MUR_OK;
}

/* Where the open element is, as in addresses. */
static enum mur_status write_path(char path[MUR_BULK_PATH],
                                  const struct mur_metadata_filter *filter, struct mur_error *error)
{
    size_t used = 0;
    for (unsigned i = 0; i < filter->depth; i++) {
        size_t room = MUR_BULK_PATH - used;
        int length = 0;
        if (filter->open[i].kind == ITEM)
            length = snprintf(path + used, room, "%s%s", used > 0 ? "/" : "", filter->open[i].tag);
        else if (filter->open[i].kind == VALUES)
            length = snprintf(path + used, room, "/%u", filter->open[i].index);
        if (length < 0 || (size_t)length >= room)
            return mur_error_set(error, MUR_LIMIT, "a bulk value is nested too deep");
        used += (size_t)length;
    }
    return MUR_OK;
}

static void note_place(struct mur_metadata_filter *filter)
{
    struct mur_bulk_place place = {.vr = filter->vr};
    const char *comma = memchr(filter->token, ',', filter->token_length);
    if (comma == NULL)
        return;
    struct mur_slice offset = {.data = filter->token + 1,
                               .length = (size_t)(comma - filter->token) - 1};
    struct mur_slice length = {.data = comma + 1,
                               .length = filter->token_length - offset.length - 2};
    const char *second = memchr(length.data, ',', length.length);
    if (second != NULL) {
        place.encapsulated = true;
        length.length = (size_t)(second - length.data);
    }
    if (mur_parse_uint64(&place.offset, offset, 0, INT64_MAX, NULL) != MUR_OK ||
        mur_parse_uint64(&place.length, length, 0, INT64_MAX, NULL) != MUR_OK)
        return;
    filter->found = place;
    filter->has_found = true;
}

static enum mur_status put_address(struct mur_metadata_filter *filter, struct mur_error *error)
{
    char path[MUR_BULK_PATH];
    enum mur_status status = write_path(path, filter, error);
    if (status == MUR_OK && filter->wanted != NULL && strcmp(path, filter->wanted) == 0)
        note_place(filter);
    if (status == MUR_OK)
        status = put(filter, "\"", 1, error);
    if (status == MUR_OK)
        status = put(filter, filter->prefix, strlen(filter->prefix), error);
    if (status == MUR_OK)
        status = put(filter, path, strlen(path), error);
    return status == MUR_OK ? put(filter, "\"", 1, error) : status;
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool token_is(const struct mur_metadata_filter *filter, const char *text)
{
    return !filter->is_long && filter->token_length == strlen(text) &&
           memcmp(filter->token, text, filter->token_length) == 0;
}

static enum mur_status put_token(struct mur_metadata_filter *filter, struct mur_error *error)
{
    enum mur_status status = put(filter, "\"", 1, error);
    if (status == MUR_OK)
        status = put(filter, filter->token, filter->token_length, error);
    return status == MUR_OK ? put(filter, "\"", 1, error) : status;
}

static enum mur_status end_key(struct mur_metadata_filter *filter, struct mur_error *error)
{
    unsigned kind = filter->open[filter->depth - 1].kind;
    filter->is_bulk = kind == ELEMENT && token_is(filter, "BulkDataURI");
    filter->is_vr = kind == ELEMENT && token_is(filter, "vr");
    filter->is_value = kind == ELEMENT && token_is(filter, "Value");
    if (kind == ITEM && filter->token_length == 8)
        memcpy(filter->open[filter->depth - 1].tag, filter->token, 8);
    if (kind == ITEM)
        filter->open[filter->depth - 1].tag[8] = '\0';
    if (kind == ITEM && token_is(filter, charset_tag) && filter->swallow == 0) {
        enum mur_status status = put(filter, charset, sizeof charset - 1, error);
        filter->swallow = filter->depth;
        return status;
    }
    return put_token(filter, error);
}

static enum mur_status end_string(struct mur_metadata_filter *filter, struct mur_error *error)
{
    filter->in_string = false;
    if (filter->depth == 0)
        return mur_error_set(error, MUR_CORRUPT, "a stored header is damaged");
    if (filter->is_long)
        return put(filter, "\"", 1, error);
    if (filter->at_key)
        return end_key(filter, error);
    if (filter->is_vr)
        filter->vr = filter->token_length == 2 ? mur_vr_from_name(filter->token) : MUR_VR_NONE;
    if (filter->is_bulk && filter->token_length > 0 && filter->token[0] == '#')
        return put_address(filter, error);
    char decimal[MUR_JSON_DECIMAL];
    size_t length = 0;
    if (filter->open[filter->depth - 1].kind == VALUES &&
        (filter->vr == MUR_VR_DS || filter->vr == MUR_VR_IS))
        length = mur_json_decimal(decimal, (struct mur_slice){filter->token, filter->token_length});
    return length > 0 ? put(filter, decimal, length, error) : put_token(filter, error);
}

/* @param[out] taken  bytes of the string, with its end */
static enum mur_status take_string(size_t *taken, struct mur_metadata_filter *filter,
                                   const char *bytes, size_t length, struct mur_error *error)
{
    size_t at = 0;
    while (at < length && (filter->escaped || bytes[at] != '"')) {
        filter->escaped = !filter->escaped && bytes[at] == '\\';
        at++;
    }
    enum mur_status status = MUR_OK;
    if (!filter->is_long && at > sizeof filter->token - filter->token_length) {
        status = put(filter, "\"", 1, error);
        if (status == MUR_OK)
            status = put(filter, filter->token, filter->token_length, error);
        filter->is_long = true;
    }
    if (status == MUR_OK && filter->is_long) {
        status = put(filter, bytes, at, error);
    } else if (status == MUR_OK) {
        memcpy(filter->token + filter->token_length, bytes, at);
        filter->token_length += at;
    }
    if (status == MUR_OK && at < length)
        status = end_string(filter, error);
    *taken = at < length ? at + 1 : at;
    return status;
}

/* ---- everything ------------------------------------------------------------------------------ */

static enum mur_status take_sign(struct mur_metadata_filter *filter, char sign,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    bool ends = sign == '}' || sign == ']';
    if (sign == '{' || sign == '[')
        status = opened(filter, sign == '[', error);
    else if (ends)
        status = closed(filter, error);
    else if (sign == ',')
        filter->at_key = filter->depth > 0 && (filter->open[filter->depth - 1].kind == ITEM ||
                                               filter->open[filter->depth - 1].kind == ELEMENT);
    else if (sign == ':')
        filter->at_key = false;
    if (status == MUR_OK)
        status = put(filter, &sign, 1, error);
    if (ends && filter->swallow != 0 && filter->depth == filter->swallow)
        filter->swallow = 0; /* what was left out ends here */
    return status;
}

static enum mur_status take(void *user, const void *data, size_t length, struct mur_error *error)
{
    struct mur_metadata_filter *filter = user;
    const char *bytes = data;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && length > 0) {
        size_t taken = 1;
        if (filter->in_string) {
            status = take_string(&taken, filter, bytes, length, error);
        } else if (*bytes == '"') {
            filter->in_string = true;
            filter->is_long = false;
            filter->token_length = 0;
        } else {
            status = take_sign(filter, *bytes, error);
        }
        bytes += taken;
        length -= taken;
    }
    return status;
}

struct mur_sink mur_metadata_filter_sink(struct mur_metadata_filter *filter)
{
    return (struct mur_sink){.write = take, .user = filter};
}

enum mur_status mur_metadata_filter_finish(struct mur_metadata_filter *filter,
                                           struct mur_error *error)
{
    if (filter->depth != 0 || filter->in_string)
        return mur_error_set(error, MUR_CORRUPT, "a stored header is cut");
    return flush(filter, error);
}
