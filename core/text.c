#include "core/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "core/own.h"

enum { NUMBER_SIZE = 64 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

struct mur_slice mur_slice_trim(struct mur_slice slice)
{
    while (slice.length > 0 && is_blank(slice.data[0])) {
        slice.data++;
        slice.length--;
    }
    while (slice.length > 0 && is_blank(slice.data[slice.length - 1]))
        slice.length--;
    return slice;
}

bool mur_slice_equal(struct mur_slice slice, const char *text)
{
    return strlen(text) == slice.length && memcmp(slice.data, text, slice.length) == 0;
}

static enum mur_status number_text(char out[NUMBER_SIZE], struct mur_slice text,
                                   const char *allowed, struct mur_error *error)
{
    struct mur_slice trimmed = mur_slice_trim(text);
    if (trimmed.length == 0 || trimmed.length >= NUMBER_SIZE)
        return mur_error_set(error, MUR_PARSE, "\"%.*s\" is not a number",
                             (int)(text.length < 40 ? text.length : 40), text.data);
    for (size_t i = 0; i < trimmed.length; i++)
        if (memchr(allowed, trimmed.data[i], strlen(allowed)) == NULL)
            return mur_error_set(error, MUR_PARSE, "\"%.*s\" is not a number", (int)trimmed.length,
                                 trimmed.data);
    memcpy(out, trimmed.data, trimmed.length);
    out[trimmed.length] = '\0';
    return MUR_OK;
}

enum mur_status mur_parse_int64(int64_t *out, struct mur_slice text, int64_t low, int64_t high,
                                struct mur_error *error)
{
    char number[NUMBER_SIZE];
    enum mur_status status = number_text(number, text, "+-0123456789", error);
    if (status != MUR_OK)
        return status;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(number, &end, 10); /* ci-allow: the one checked wrapper */
    if (*end != '\0' || end == number)
        return mur_error_set(error, MUR_PARSE, "\"%s\" is not a number", number);
    if (errno == ERANGE || value < low || value > high)
        return mur_error_set(error, MUR_LIMIT, "%s is not between %lld and %lld", number,
                             (long long)low, (long long)high);
    *out = value;
    return MUR_OK;
}

enum mur_status mur_parse_uint64(uint64_t *out, struct mur_slice text, uint64_t low, uint64_t high,
                                 struct mur_error *error)
{
    char number[NUMBER_SIZE];
    enum mur_status status = number_text(number, text, "+0123456789", error);
    if (status != MUR_OK)
        return status;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(number, &end, 10); /* ci-allow: the one checked wrapper */
    if (*end != '\0' || end == number)
        return mur_error_set(error, MUR_PARSE, "\"%s\" is not a number", number);
    if (errno == ERANGE || value < low || value > high)
        return mur_error_set(error, MUR_LIMIT, "%s is not between %llu and %llu", number,
                             (unsigned long long)low, (unsigned long long)high);
    *out = value;
    return MUR_OK;
}

enum mur_status mur_parse_double(double *out, struct mur_slice text, struct mur_error *error)
{
    char number[NUMBER_SIZE];
    enum mur_status status = number_text(number, text, "+-.eE0123456789", error);
    if (status != MUR_OK)
        return status;
    char *end = NULL;
    /* The program never calls setlocale(LC_NUMERIC), so the decimal point is a point. */
    double value = strtod(number, &end); /* ci-allow: the one checked wrapper */
    if (*end != '\0' || end == number)
        return mur_error_set(error, MUR_PARSE, "\"%s\" is not a number", number);
    if (!isfinite(value))
        return mur_error_set(error, MUR_LIMIT, "%s is too large", number);
    *out = value;
    return MUR_OK;
}

enum mur_status mur_text_copy(char **out, struct mur_slice text, struct mur_error *error)
{
    char *copy = malloc(text.length + 1);
    if (copy == NULL)
        return mur_error_no_memory(error);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    *out = copy;
    return MUR_OK;
}

enum mur_status mur_text_format(char **out, struct mur_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return mur_error_no_memory(error);
    *out = text;
    return MUR_OK;
}

bool mur_utf8_valid(struct mur_slice text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text.data;
    size_t left = text.length;
    while (left > 0) {
        utf8proc_int32_t code;
        utf8proc_ssize_t used = utf8proc_iterate(at, (utf8proc_ssize_t)left, &code);
        if (used <= 0)
            return false;
        at += used;
        left -= (size_t)used;
    }
    return true;
}

/* Code points of the bytes 0x80 to 0x9F in Windows-1252; 0 = undefined. */
static const uint16_t cp1252_high[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

enum mur_status mur_utf8_from_cp1252(char **out, struct mur_slice text, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer buffer = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_reserve(&buffer, text.length, error);
    for (size_t i = 0; status == MUR_OK && i < text.length; i++) {
        utf8proc_int32_t code = (unsigned char)text.data[i];
        if (code >= 0x80 && code < 0xA0)
            code = cp1252_high[code - 0x80] != 0 ? cp1252_high[code - 0x80] : 0xFFFD;
        utf8proc_uint8_t encoded[4];
        utf8proc_ssize_t length = utf8proc_encode_char(code, encoded);
        status = mur_buffer_append(&buffer, encoded, (size_t)length, error);
    }
    return status == MUR_OK ? mur_buffer_take(out, &buffer, error) : status;
}

static enum mur_status map_text(char **out, struct mur_slice text, unsigned options,
                                struct mur_error *error)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.length, &mapped,
                     (utf8proc_option_t)options);
    if (length == UTF8PROC_ERROR_NOMEM)
        return mur_error_no_memory(error);
    if (length < 0)
        return mur_error_set(error, MUR_PARSE, "cannot fold text: %s", utf8proc_errmsg(length));
    *out = (char *)mapped;
    return MUR_OK;
}

enum mur_status mur_text_fold(char **out, struct mur_slice text, struct mur_error *error)
{
    bool ascii = true;
    for (size_t i = 0; i < text.length && ascii; i++)
        ascii = (unsigned char)text.data[i] < 0x80;
    if (ascii) { /* nearly all text: no table look-ups */
        char *copy = NULL;
        enum mur_status status = mur_text_copy(&copy, text, error);
        if (status != MUR_OK)
            return status;
        for (size_t i = 0; i < text.length; i++)
            if (copy[i] >= 'A' && copy[i] <= 'Z')
                copy[i] = (char)(copy[i] + ('a' - 'A'));
        *out = copy;
        return MUR_OK;
    }
    if (!mur_utf8_valid(text)) {
        MUR_AUTO_FREE char *utf8 = NULL;
        enum mur_status status = mur_utf8_from_cp1252(&utf8, text, error);
        if (status != MUR_OK)
            return status;
        return mur_text_fold(out, mur_slice_of(utf8), error);
    }
    return map_text(out, text,
                    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STRIPMARK |
                        UTF8PROC_CASEFOLD,
                    error);
}

enum mur_status mur_text_normalise(char **out, struct mur_slice text, bool composed,
                                   struct mur_error *error)
{
    return map_text(out, text, UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE),
                    error);
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

size_t mur_utf8_cut(struct mur_slice text, size_t limit)
{
    if (text.length <= limit)
        return text.length;
    size_t length = limit;
    while (length > 0 && !starts_character(text.data[length]))
        length--;
    return length;
}

size_t mur_utf8_count(struct mur_slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += starts_character(text.data[i]) ? 1 : 0;
    return count;
}

static size_t next_character(struct mur_slice text, size_t at)
{
    at++;
    while (at < text.length && !starts_character(text.data[at]))
        at++;
    return at;
}

bool mur_wildcard_match(struct mur_slice pattern, struct mur_slice text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX; /* place after the last '*', to come back to */
    size_t resume = 0;      /* where in the text that '*' ends for now */
    while (t < text.length) {
        if (p < pattern.length && pattern.data[p] == '*') {
            star = ++p;
            resume = t;
        } else if (p < pattern.length && pattern.data[p] == '?') {
            p++;
            t = next_character(text, t);
        } else if (p < pattern.length && pattern.data[p] == text.data[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            resume = next_character(text, resume);
            p = star;
            t = resume;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.data[p] == '*')
        p++;
    return p == pattern.length;
}

bool mur_ascii_equal_ignore_case(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}
