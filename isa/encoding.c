#include "isa/encoding.h"

#include <stdint.h>
#include <string.h>

#include "core/text.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static enum mur_status append_code_point(struct mur_buffer *out, uint32_t c,
                                         struct mur_error *error)
{
    char bytes[4];
    size_t length = 0;
    if (c < 0x80) {
        bytes[length++] = (char)c;
    } else if (c < 0x800) {
        bytes[length++] = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[length++] = (char)(0xE0 | c >> 12);
        bytes[length++] = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        bytes[length++] = (char)(0xF0 | c >> 18);
        bytes[length++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[length++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80)
        bytes[length++] = (char)(0x80 | (c & 0x3F));
    return mur_buffer_append(out, bytes, length, error);
}

static enum mur_status decode_utf16(struct mur_buffer *out, size_t *replaced,
                                    const unsigned char *bytes, size_t length, bool big_endian,
                                    struct mur_error *error)
{
    enum mur_status status = mur_buffer_reserve(out, length / 2, error);
    size_t i = 0;
    while (status == MUR_OK && i + 1 < length) {
        uint32_t c =
            (uint32_t)bytes[i + (big_endian ? 0 : 1)] << 8 | bytes[i + (big_endian ? 1 : 0)];
        i += 2;
        if (c >= 0xD800 && c < 0xDC00 && i + 1 < length) {
            uint32_t low =
                (uint32_t)bytes[i + (big_endian ? 0 : 1)] << 8 | bytes[i + (big_endian ? 1 : 0)];
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                i += 2;
            }
        }
        if (c == 0 || (c >= 0xD800 && c < 0xE000)) {
            c = 0xFFFD;
            (*replaced)++;
        }
        status = append_code_point(out, c, error);
    }
    if (status == MUR_OK && i < length) {
        (*replaced)++;
        status = append_code_point(out, 0xFFFD, error);
    }
    return status;
}

/** NUL would end the text early for everybody who takes it for a C string. */
static enum mur_status replace_nuls(struct mur_buffer *bytes, size_t *replaced,
                                    struct mur_error *error)
{
    if (bytes->length == 0 || memchr(bytes->data, '\0', bytes->length) == NULL)
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer clean = {.limit = bytes->limit};
    const char *from = bytes->data;
    const char *end = bytes->data + bytes->length;
    enum mur_status status = mur_buffer_reserve(&clean, bytes->length, error);
    while (status == MUR_OK && from < end) {
        const char *nul = memchr(from, '\0', (size_t)(end - from));
        status = mur_buffer_append(&clean, from, (size_t)((nul == NULL ? end : nul) - from), error);
        if (status == MUR_OK && nul != NULL) {
            (*replaced)++;
            status = mur_buffer_append_text(&clean, replacement, error);
        }
        from = nul == NULL ? end : nul + 1;
    }
    if (status != MUR_OK)
        return status;
    struct mur_buffer swapped = *bytes;
    *bytes = clean;
    clean = swapped;
    return MUR_OK;
}

static void drop_front(struct mur_buffer *bytes, size_t count)
{
    memmove(bytes->data, bytes->data + count, bytes->length - count + 1); /* with its NUL */
    bytes->length -= count;
}

enum mur_status mur_isa_decode(struct mur_isa_decoded *out, struct mur_buffer *bytes,
                               struct mur_error *error)
{
    struct mur_isa_decoded decoded = {.encoding = MUR_ISA_UTF8};
    const unsigned char *data = (const unsigned char *)mur_buffer_text(bytes);
    bool little = bytes->length >= 2 && data[0] == 0xFF && data[1] == 0xFE;
    bool big = bytes->length >= 2 && data[0] == 0xFE && data[1] == 0xFF;
    if (little || big) {
        MUR_AUTO_BUFFER struct mur_buffer text = {.limit = bytes->limit};
        enum mur_status status =
            decode_utf16(&text, &decoded.replaced, data + 2, bytes->length - 2, big, error);
        if (status != MUR_OK)
            return status;
        struct mur_buffer swapped = *bytes;
        *bytes = text;
        text = swapped;
        decoded.encoding = MUR_ISA_UTF16;
        decoded.byte_order_mark = true;
        *out = decoded;
        return MUR_OK;
    }
    if (bytes->length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) {
        decoded.byte_order_mark = true;
        drop_front(bytes, 3);
    }
    enum mur_status status = replace_nuls(bytes, &decoded.replaced, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice text = {mur_buffer_text(bytes), bytes->length};
    if (!mur_utf8_valid(text)) {
        char *converted = NULL;
        status = mur_utf8_from_cp1252(&converted, text, error);
        if (status != MUR_OK)
            return status;
        size_t limit = bytes->limit;
        mur_buffer_free(bytes);
        size_t length = strlen(converted);
        *bytes = (struct mur_buffer){
            .data = converted, .length = length, .capacity = length + 1, .limit = limit};
        decoded.encoding = MUR_ISA_CP1252;
    }
    *out = decoded;
    return MUR_OK;
}
