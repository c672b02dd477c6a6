#include "dicom/encoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/json_write.h"
#include "core/own.h"
#include "dicom/attribute.h"
#include "dicom/transfer_syntax.h"

enum { SHORT_LIMIT = 0xFFFE, DS_DIGITS = 17 };

enum mur_status mur_encoder_init(struct mur_encoder *encoder, struct mur_buffer *out,
                                 const char *transfer_syntax, struct mur_error *error)
{
    unsigned flags = mur_transfer_syntax_flags(transfer_syntax);
    if (!mur_transfer_syntax_is_native(transfer_syntax))
        return mur_error_set(error, MUR_UNSUPPORTED, "cannot encode answers in %s",
                             mur_transfer_syntax_name(transfer_syntax));
    encoder->out = out;
    encoder->implicit = (flags & MUR_TS_IMPLICIT) != 0;
    encoder->big_endian = (flags & MUR_TS_BIG_ENDIAN) != 0;
    encoder->depth = 0;
    return MUR_OK;
}

static void write_number(unsigned char *at, uint64_t value, unsigned width, bool big_endian)
{
    for (unsigned i = 0; i < width; i++)
        at[big_endian ? width - 1 - i : i] = (unsigned char)(value >> 8 * i);
}

static size_t write_head(unsigned char head[12], const struct mur_encoder *encoder, uint32_t tag,
                         enum mur_vr vr, uint32_t length)
{
    bool big_endian = encoder->big_endian;
    write_number(head, MUR_TAG_GROUP(tag), 2, big_endian);
    write_number(head + 2, MUR_TAG_ELEMENT(tag), 2, big_endian);
    if (encoder->implicit || vr == MUR_VR_NONE) { /* NONE: an item */
        write_number(head + 4, length, 4, big_endian);
        return 8;
    }
    memcpy(head + 4, mur_vr_name(vr), 2);
    if (!mur_vr_info(vr)->long_length) {
        write_number(head + 6, length, 2, big_endian);
        return 8;
    }
    head[6] = 0;
    head[7] = 0;
    write_number(head + 8, length, 4, big_endian);
    return 12;
}

static enum mur_status put_head(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                size_t length, struct mur_error *error)
{
    unsigned char head[12];
    bool is_short = !encoder->implicit && !mur_vr_info(vr)->long_length;
    if (length > (is_short ? SHORT_LIMIT : UINT32_MAX - 1))
        return mur_error_set(error, MUR_LIMIT,
                             "(%04X,%04X): a value of %zu bytes does not fit its VR %s",
                             MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag), length, mur_vr_name(vr));
    size_t size = write_head(head, encoder, tag, vr, (uint32_t)length);
    return mur_buffer_append(encoder->out, head, size, error);
}

enum mur_status mur_encode_value(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                 struct mur_slice value, struct mur_error *error)
{
    size_t before = encoder->out->length;
    size_t padded = value.length + (value.length & 1);
    char padding = mur_vr_info(vr)->padding;
    enum mur_status status = put_head(encoder, tag, vr, padded, error);
    if (status == MUR_OK)
        status = mur_buffer_append(encoder->out, value.data, value.length, error);
    if (status == MUR_OK && padded > value.length)
        status = mur_buffer_append(encoder->out, &padding, 1, error);
    if (status != MUR_OK)
        encoder->out->length = before;
    return status;
}

enum mur_status mur_encode_text(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                const char *value, struct mur_error *error)
{
    return mur_encode_value(encoder, tag, vr, mur_slice_of(value), error);
}

enum mur_status mur_encode_empty(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                 struct mur_error *error)
{
    return put_head(encoder, tag, vr, 0, error);
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* Shortens the exponent as printf writes it: 1e-05 is 1e-5, 1e+20 is 1e20. */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    if (e == NULL)
        return;
    char *to = e + 1;
    const char *from = e + 1;
    if (*from == '-')
        *to++ = *from++;
    else if (*from == '+')
        from++;
    while (*from == '0' && from[1] != '\0')
        from++;
    memmove(to, from, strlen(from) + 1);
}

static bool fits(char out[MUR_DS_SIZE], bool exponent, int digits, double value)
{
    char text[40];
    if (exponent)
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
    else
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
    shorten_exponent(text);
    size_t length = strlen(text);
    if (length >= MUR_DS_SIZE)
        return false;
    memcpy(out, text, length + 1);
    return true;
}

enum mur_status mur_ds_write(char out[MUR_DS_SIZE], double value, struct mur_error *error)
{
    if (!isfinite(value))
        return mur_error_set(error, MUR_INVALID, "%g cannot be written as a decimal", value);
    if (value == 0.0) {
        memcpy(out, "0", 2);
        return MUR_OK;
    }
    char exact[32];
    mur_double_write(exact, value);
    shorten_exponent(exact);
    if (strlen(exact) < MUR_DS_SIZE) {
        memcpy(out, exact, strlen(exact) + 1);
        return MUR_OK;
    }
    for (int digits = DS_DIGITS; digits > 0; digits--)
        if (fits(out, false, digits, value) || fits(out, true, digits, value))
            return MUR_OK;
    return mur_error_set(error, MUR_INTERNAL, "%g does not fit a decimal", value);
}

/* Whether the integer can be held by the VR. */
static bool in_range(enum mur_vr vr, int64_t value)
{
    if (vr == MUR_VR_US)
        return value >= 0 && value <= UINT16_MAX;
    if (vr == MUR_VR_SS)
        return value >= INT16_MIN && value <= INT16_MAX;
    if (vr == MUR_VR_UL || vr == MUR_VR_AT)
        return value >= 0 && value <= UINT32_MAX;
    if (vr == MUR_VR_SL || vr == MUR_VR_IS)
        return value >= INT32_MIN && value <= INT32_MAX;
    return vr == MUR_VR_SV || vr == MUR_VR_DS || (vr == MUR_VR_UV && value >= 0);
}

static enum mur_status append_separator(struct mur_buffer *text, struct mur_error *error)
{
    return text->length > 0 ? mur_buffer_append(text, "\\", 1, error) : MUR_OK;
}

static enum mur_status append_int(struct mur_buffer *out, const struct mur_encoder *encoder,
                                  enum mur_vr vr, int64_t value, struct mur_error *error)
{
    unsigned char bytes[8];
    bool big_endian = encoder->big_endian;
    unsigned width = mur_vr_info(vr)->width;
    if (!in_range(vr, value))
        return mur_error_set(error, MUR_LIMIT, "%" PRId64 " does not fit VR %s", value,
                             mur_vr_name(vr));
    if (vr == MUR_VR_IS || vr == MUR_VR_DS) {
        enum mur_status status = append_separator(out, error);
        return status == MUR_OK ? mur_buffer_append_format(out, error, "%" PRId64, value) : status;
    }
    if (vr == MUR_VR_AT) {
        write_number(bytes, (uint64_t)value >> 16, 2, big_endian);
        write_number(bytes + 2, (uint64_t)value & 0xFFFF, 2, big_endian);
        width = 4;
    } else {
        write_number(bytes, (uint64_t)value, width, big_endian);
    }
    return mur_buffer_append(out, bytes, width, error);
}

static enum mur_status append_double(struct mur_buffer *out, const struct mur_encoder *encoder,
                                     enum mur_vr vr, double value, struct mur_error *error)
{
    unsigned char bytes[8];
    if (vr == MUR_VR_DS) {
        char text[MUR_DS_SIZE];
        enum mur_status status = mur_ds_write(text, value, error);
        if (status == MUR_OK)
            status = append_separator(out, error);
        return status == MUR_OK ? mur_buffer_append_text(out, text, error) : status;
    }
    if (vr == MUR_VR_FL) {
        float single = (float)value;
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        write_number(bytes, bits, 4, encoder->big_endian);
        return mur_buffer_append(out, bytes, 4, error);
    }
    if (vr != MUR_VR_FD)
        return mur_error_set(error, MUR_INVALID, "VR %s holds no decimal numbers", mur_vr_name(vr));
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    write_number(bytes, bits, 8, encoder->big_endian);
    return mur_buffer_append(out, bytes, 8, error);
}

static enum mur_status put_buffer(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                  const struct mur_buffer *value, struct mur_error *error)
{
    struct mur_slice bytes = {.data = mur_buffer_text(value), .length = value->length};
    return mur_encode_value(encoder, tag, vr, bytes, error);
}

enum mur_status mur_encode_ints(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                const int64_t *values, size_t count, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer value = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = append_int(&value, encoder, vr, values[i], error);
    return status == MUR_OK ? put_buffer(encoder, tag, vr, &value, error) : status;
}

enum mur_status mur_encode_int(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                               int64_t value, struct mur_error *error)
{
    return mur_encode_ints(encoder, tag, vr, &value, 1, error);
}

enum mur_status mur_encode_doubles(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                                   const double *values, size_t count, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer value = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = append_double(&value, encoder, vr, values[i], error);
    return status == MUR_OK ? put_buffer(encoder, tag, vr, &value, error) : status;
}

/* One value of a binary VR from text. */
static enum mur_status append_parsed(struct mur_buffer *out, const struct mur_encoder *encoder,
                                     enum mur_vr vr, struct mur_slice text, struct mur_error *error)
{
    if (vr == MUR_VR_FL || vr == MUR_VR_FD) {
        double value;
        enum mur_status status = mur_parse_double(&value, text, error);
        return status == MUR_OK ? append_double(out, encoder, vr, value, error) : status;
    }
    if (vr == MUR_VR_AT) {
        struct mur_attribute_path path;
        enum mur_status status = mur_attribute_path_parse(&path, text, error);
        if (status == MUR_OK && path.depth != 1)
            status = mur_error_set(error, MUR_PARSE, "a path is not a tag");
        return status == MUR_OK ? append_int(out, encoder, vr, path.tags[0], error) : status;
    }
    if (vr == MUR_VR_UV) {
        unsigned char bytes[8];
        uint64_t value;
        enum mur_status status = mur_parse_uint64(&value, text, 0, UINT64_MAX, error);
        if (status != MUR_OK)
            return status;
        write_number(bytes, value, 8, encoder->big_endian);
        return mur_buffer_append(out, bytes, 8, error);
    }
    int64_t value;
    enum mur_status status = mur_parse_int64(&value, text, INT64_MIN, INT64_MAX, error);
    return status == MUR_OK ? append_int(out, encoder, vr, value, error) : status;
}

enum mur_status mur_encode_any(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                               struct mur_slice text, struct mur_error *error)
{
    const struct mur_vr_traits *traits = mur_vr_info(vr);
    if (mur_vr_is_text(vr))
        return mur_encode_value(encoder, tag, vr, text, error);
    if (text.length == 0)
        return mur_encode_empty(encoder, tag, vr, error);
    if (!traits->multi && traits->class_ != MUR_VR_CLASS_TAGS)
        return mur_error_set(error, MUR_PARSE, "(%04X,%04X): VR %s has no form as text",
                             MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag), mur_vr_name(vr));
    MUR_AUTO_BUFFER struct mur_buffer value = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    struct mur_slice rest = text;
    while (status == MUR_OK) {
        const char *separator = memchr(rest.data, '\\', rest.length);
        struct mur_slice part = {.data = rest.data,
                                 .length = separator != NULL ? (size_t)(separator - rest.data)
                                                             : rest.length};
        status = append_parsed(&value, encoder, vr, part, error);
        if (separator == NULL)
            break;
        rest.length -= part.length + 1;
        rest.data = separator + 1;
    }
    return status == MUR_OK ? put_buffer(encoder, tag, vr, &value, error) : status;
}

/* ---- sequences ----------------------------------------------------------------------------- */

static enum mur_status begin(struct mur_encoder *encoder, uint32_t tag, enum mur_vr vr,
                             struct mur_error *error)
{
    if (encoder->depth == MUR_COUNT(encoder->length_at))
        return mur_error_set(error, MUR_LIMIT, "sequences are nested deeper than %d",
                             MUR_ENCODE_DEPTH);
    unsigned char head[12];
    size_t size = write_head(head, encoder, tag, vr, 0);
    enum mur_status status = mur_buffer_append(encoder->out, head, size, error);
    if (status == MUR_OK)
        encoder->length_at[encoder->depth++] = encoder->out->length - 4;
    return status;
}

static enum mur_status end(struct mur_encoder *encoder, struct mur_error *error)
{
    if (encoder->depth == 0)
        return mur_error_set(error, MUR_INVALID, "the end of a sequence that was not begun");
    size_t at = encoder->length_at[--encoder->depth];
    size_t length = encoder->out->length - at - 4;
    if (length >= UINT32_MAX)
        return mur_error_set(error, MUR_LIMIT, "a sequence of %zu bytes is too long", length);
    write_number((unsigned char *)encoder->out->data + at, length, 4, encoder->big_endian);
    return MUR_OK;
}

enum mur_status mur_encode_sequence_begin(struct mur_encoder *encoder, uint32_t tag,
                                          struct mur_error *error)
{
    return begin(encoder, tag, MUR_VR_SQ, error);
}

enum mur_status mur_encode_item_begin(struct mur_encoder *encoder, struct mur_error *error)
{
    return begin(encoder, MUR_TAG_Item, MUR_VR_NONE, error);
}

enum mur_status mur_encode_item_end(struct mur_encoder *encoder, struct mur_error *error)
{
    return end(encoder, error);
}

enum mur_status mur_encode_sequence_end(struct mur_encoder *encoder, struct mur_error *error)
{
    return end(encoder, error);
}
