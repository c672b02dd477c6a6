#include "dicom/header_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "dicom/charset.h"
#include "dicom/json_text.h"

enum {
    TAG_LIMIT = 16384, /* elements of one level that are remembered */
};

/* The tags seen in an item, sorted: two members of one name would be no JSON. */
struct tag_set {
    uint32_t *tags;
    size_t count;
    size_t size;
};

struct mur_header_json {
    struct mur_json_writer *json;
    struct mur_charset *charset;             /* of the item */
    struct mur_charset *plain;               /* default repertoire, for what is not text */
    struct mur_buffer text;                  /* a value as UTF-8, or in base64 */
    struct mur_buffer swapped;               /* bytes of a big endian value */
    unsigned depth;                          /* open sequences */
    bool open[MUR_SCAN_DEPTH];               /* whether "Value" of each has been begun */
    struct tag_set seen[MUR_SCAN_DEPTH + 1]; /* in the item (or Data Set) at each depth */
    unsigned skipped; /* sequences open inside, and with, one that repeats a tag */
};

enum mur_status mur_header_json_create(struct mur_header_json **out, struct mur_json_writer *json,
                                       struct mur_error *error)
{
    struct mur_header_json *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mur_error_no_memory(error);
    writer->json = json;
    mur_json_begin_object(json);
    *out = writer;
    return MUR_OK;
}

void mur_header_json_free(struct mur_header_json *writer)
{
    if (writer == NULL)
        return;
    mur_charset_free(writer->charset);
    mur_charset_free(writer->plain);
    for (unsigned i = 0; i <= MUR_SCAN_DEPTH; i++)
        free(writer->seen[i].tags);
    mur_buffer_free(&writer->text);
    mur_buffer_free(&writer->swapped);
    free(writer);
}

/* The writer keeps its first failure; it is told at once, so that a full disk ends the scan. */
static enum mur_status json_status(const struct mur_header_json *writer, struct mur_error *error)
{
    if (!mur_json_failed(writer->json))
        return MUR_OK;
    return mur_error_set(error, writer->json->error.status, "%s", writer->json->error.message);
}

static void begin_element(struct mur_header_json *writer, const struct mur_scan_element *element)
{
    static const char digits[] = "0123456789ABCDEF";
    char key[9];
    for (unsigned i = 0; i < 8; i++)
        key[i] = digits[element->tag >> (28 - 4 * i) & 0xF];
    key[8] = '\0';
    mur_json_key(writer->json, key);
    mur_json_begin_object(writer->json);
    mur_json_key(writer->json, "vr");
    mur_json_string(writer->json, mur_vr_name(element->vr));
}

/* Remembers a tag. @param[out] is_new  false if it was there, or if there are too many to tell:
 * then elements that do not come in ascending order, as they must (PS3.5 7.1), are left out. */
static enum mur_status remember(bool *is_new, struct tag_set *set, uint32_t tag,
                                struct mur_error *error)
{
    bool ascending = set->count == 0 || tag > set->tags[set->count - 1];
    if (set->count == TAG_LIMIT) {
        *is_new = ascending;
        if (ascending)
            set->tags[set->count - 1] = tag;
        return MUR_OK;
    }
    if (set->count == set->size) {
        size_t size = set->size == 0 ? 64 : 2 * set->size;
        uint32_t *grown = realloc(set->tags, size * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        set->tags = grown;
        set->size = size;
    }
    size_t at = set->count;
    if (!ascending) {
        size_t low = 0;
        while (low < at) {
            size_t middle = (low + at) / 2;
            if (set->tags[middle] < tag)
                low = middle + 1;
            else
                at = middle;
        }
        if (set->tags[at] == tag) {
            *is_new = false;
            return MUR_OK;
        }
        memmove(set->tags + at + 1, set->tags + at, (set->count - at) * sizeof *set->tags);
    }
    set->tags[at] = tag;
    set->count++;
    *is_new = true;
    return MUR_OK;
}

/* Whether the element is to be written: not if its tag was there before. */
static enum mur_status is_wanted(bool *out, struct mur_header_json *writer,
                                 const struct mur_scan_element *element, struct mur_error *error)
{
    *out = false;
    return writer->skipped > 0 ? MUR_OK
                               : remember(out, &writer->seen[writer->depth], element->tag, error);
}

/* ---- text ---------------------------------------------------------------------------------- */

static enum mur_status write_text(struct mur_header_json *writer,
                                  const struct mur_scan_element *element, struct mur_error *error)
{
    const struct mur_vr_traits *traits = mur_vr_info(element->vr);
    bool is_text = traits->class_ == MUR_VR_CLASS_TEXT;
    struct mur_charset **charset = is_text ? &writer->charset : &writer->plain;
    struct mur_slice name = {.data = "", .length = 0};
    enum mur_status status = mur_charset_use(charset, is_text ? element->charset : name, error);
    mur_buffer_clear(&writer->text);
    if (status == MUR_OK)
        status = mur_charset_to_utf8(&writer->text, *charset, mur_scan_text(element), element->vr,
                                     error);
    if (status != MUR_OK)
        return status;
    mur_json_write_values(
        writer->json, element->vr,
        (struct mur_slice){.data = mur_buffer_text(&writer->text), .length = writer->text.length});
    return MUR_OK;
}

/* ---- numbers and bytes --------------------------------------------------------------------- */

static void write_int(struct mur_json_writer *json, const struct mur_scan_element *element,
                      int64_t value)
{
    const int64_t safe = INT64_C(1) << 53; /* beyond it JavaScript loses digits: PS3.18 F.2.2 */
    char text[24];
    if (element->vr == MUR_VR_AT) {
        (void)snprintf(text, sizeof text, "%08" PRIX32, (uint32_t)value);
        mur_json_string(json, text);
    } else if (element->vr == MUR_VR_UV && (value < 0 || value > safe)) {
        (void)snprintf(text, sizeof text, "%" PRIu64, (uint64_t)value);
        mur_json_string(json, text);
    } else if (value > safe || value < -safe) {
        (void)snprintf(text, sizeof text, "%" PRId64, value);
        mur_json_string(json, text);
    } else {
        mur_json_int(json, value);
    }
}

/* The shortest text that reads back as the same number of 32 bits. */
static void write_float(struct mur_json_writer *json, double value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        double back;
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        struct mur_error ignored = MUR_ERROR_INIT;
        if (mur_parse_double(&back, mur_slice_of(text), &ignored) != MUR_OK)
            break; /* not finite: null */
        if ((float)back == (float)value) {
            mur_json_raw(json, mur_slice_of(text));
            return;
        }
    }
    mur_json_null(json);
}

static void write_numbers(struct mur_header_json *writer, const struct mur_scan_element *element)
{
    size_t count = mur_scan_count(element);
    if (count == 0)
        return;
    mur_json_key(writer->json, "Value");
    mur_json_begin_array(writer->json);
    for (size_t i = 0; i < count; i++) {
        double real;
        int64_t integer;
        if (element->vr == MUR_VR_FL && mur_scan_double(&real, element, i))
            write_float(writer->json, real);
        else if (element->vr == MUR_VR_FD && mur_scan_double(&real, element, i))
            mur_json_double(writer->json, real);
        else if (mur_scan_int(&integer, element, i))
            write_int(writer->json, element, integer);
    }
    mur_json_end_array(writer->json);
}

/* Base64 in quotes. */
static enum mur_status append_base64(struct mur_buffer *out, const unsigned char *bytes,
                                     size_t length, struct mur_error *error)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (length + 2) / 3 * 4 + 2;
    enum mur_status status = mur_buffer_reserve(out, size, error);
    if (status != MUR_OK)
        return status;
    char *to = out->data + out->length;
    *to++ = '"';
    for (size_t i = 0; i < length; i += 3) {
        size_t have = length - i < 3 ? length - i : 3;
        unsigned group = (unsigned)bytes[i] << 16;
        group |= have > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        group |= have > 2 ? bytes[i + 2] : 0;
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = have > 1 ? alphabet[group >> 6 & 63] : '=';
        *to++ = have > 2 ? alphabet[group & 63] : '=';
    }
    *to++ = '"';
    *to = '\0';
    out->length += size;
    return MUR_OK;
}

static enum mur_status write_bytes(struct mur_header_json *writer,
                                   const struct mur_scan_element *element, struct mur_error *error)
{
    size_t length = (size_t)element->length;
    unsigned width = mur_vr_info(element->vr)->width;
    const unsigned char *bytes = element->value;
    if (length == 0)
        return MUR_OK;
    enum mur_status status = MUR_OK;
    if (element->big_endian && width > 1) {
        mur_buffer_clear(&writer->swapped);
        status = mur_buffer_append(&writer->swapped, bytes, length, error);
        for (size_t i = 0; status == MUR_OK && i + width <= length; i += width)
            for (unsigned b = 0; b < width; b++)
                writer->swapped.data[i + b] = (char)bytes[i + width - 1 - b];
        bytes = (const unsigned char *)writer->swapped.data;
    }
    mur_buffer_clear(&writer->text);
    if (status == MUR_OK)
        status = append_base64(&writer->text, bytes, length, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice text = {.data = mur_buffer_text(&writer->text), .length = writer->text.length};
    mur_json_key(writer->json, "InlineBinary");
    mur_json_raw(writer->json, text);
    return MUR_OK;
}

static bool has_numbers(enum mur_vr vr)
{
    const struct mur_vr_traits *traits = mur_vr_info(vr);
    return traits->class_ == MUR_VR_CLASS_TAGS ||
           (traits->class_ == MUR_VR_CLASS_BINARY && traits->multi);
}

/* ---- events -------------------------------------------------------------------------------- */

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct mur_header_json *writer = user;
    bool wanted;
    enum mur_status status = is_wanted(&wanted, writer, element, error);
    if (status != MUR_OK || !wanted)
        return status;
    begin_element(writer, element);
    if (mur_vr_is_text(element->vr))
        status = write_text(writer, element, error);
    else if (has_numbers(element->vr))
        write_numbers(writer, element);
    else
        status = write_bytes(writer, element, error);
    mur_json_end_object(writer->json);
    return status == MUR_OK ? json_status(writer, error) : status;
}

static enum mur_status on_bulk(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    struct mur_header_json *writer = user;
    bool wanted;
    enum mur_status status = is_wanted(&wanted, writer, element, error);
    if (status != MUR_OK || !wanted)
        return status;
    char uri[64];
    (void)snprintf(uri, sizeof uri, "#%" PRIu64 ",%" PRIu64 "%s", element->offset, element->length,
                   element->encapsulated ? ",encapsulated" : "");
    begin_element(writer, element);
    mur_json_member_string(writer->json, "BulkDataURI", uri);
    mur_json_end_object(writer->json);
    return json_status(writer, error);
}

static enum mur_status on_sequence_begin(void *user, const struct mur_scan_element *element,
                                         struct mur_error *error)
{
    struct mur_header_json *writer = user;
    bool wanted;
    enum mur_status status = is_wanted(&wanted, writer, element, error);
    if (status != MUR_OK)
        return status;
    if (!wanted) {
        writer->skipped++;
        return MUR_OK;
    }
    begin_element(writer, element);
    writer->open[writer->depth++] = false;
    return json_status(writer, error);
}

static enum mur_status on_item_begin(void *user, struct mur_error *error)
{
    struct mur_header_json *writer = user;
    if (writer->skipped > 0)
        return MUR_OK;
    if (!writer->open[writer->depth - 1]) {
        writer->open[writer->depth - 1] = true;
        mur_json_key(writer->json, "Value");
        mur_json_begin_array(writer->json);
    }
    writer->seen[writer->depth].count = 0;
    mur_json_begin_object(writer->json);
    return json_status(writer, error);
}

static enum mur_status on_item_end(void *user, struct mur_error *error)
{
    struct mur_header_json *writer = user;
    if (writer->skipped > 0)
        return MUR_OK;
    mur_json_end_object(writer->json);
    return json_status(writer, error);
}

static enum mur_status on_sequence_end(void *user, struct mur_error *error)
{
    struct mur_header_json *writer = user;
    if (writer->skipped > 0) {
        writer->skipped--;
        return MUR_OK;
    }
    writer->depth--;
    if (writer->open[writer->depth])
        mur_json_end_array(writer->json);
    mur_json_end_object(writer->json);
    return json_status(writer, error);
}

const struct mur_scan_events mur_header_json_events = {
    .element = on_element,
    .bulk = on_bulk,
    .fragment = NULL,
    .sequence_begin = on_sequence_begin,
    .item_begin = on_item_begin,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};

enum mur_status mur_header_json_finish(struct mur_header_json *writer, struct mur_error *error)
{
    if (writer->depth > 0 || writer->skipped > 0)
        return mur_error_set(error, MUR_INVALID, "the Data Set has not come to its end");
    mur_json_end_object(writer->json);
    return json_status(writer, error);
}
