#include "core/json_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

void mur_json_init(struct mur_json_writer *writer, struct mur_sink sink)
{
    writer->sink = sink;
    writer->error.status = MUR_OK;
    writer->error.message[0] = '\0';
    writer->used = 0;
    writer->depth = 0;
    writer->after_key = false;
    writer->array[0] = false;
    writer->filled[0] = false;
}

static void flush(struct mur_json_writer *writer)
{
    if (writer->error.status != MUR_OK || writer->used == 0)
        return;
    enum mur_status status =
        writer->sink.write(writer->sink.user, writer->block, writer->used, &writer->error);
    writer->error.status = status; /* a sink may fail without a word */
    writer->used = 0;
}

static void put(struct mur_json_writer *writer, const char *bytes, size_t length)
{
    while (length > 0 && writer->error.status == MUR_OK) {
        size_t room = sizeof writer->block - writer->used;
        size_t part = length < room ? length : room;
        memcpy(writer->block + writer->used, bytes, part);
        writer->used += part;
        bytes += part;
        length -= part;
        if (writer->used == sizeof writer->block)
            flush(writer);
    }
}

static void put_character(struct mur_json_writer *writer, char c)
{
    if (writer->error.status != MUR_OK)
        return;
    writer->block[writer->used++] = c;
    if (writer->used == sizeof writer->block)
        flush(writer);
}

static void misuse(struct mur_json_writer *writer, const char *what)
{
    if (writer->error.status == MUR_OK)
        mur_error_set(&writer->error, MUR_INTERNAL, "JSON writer: %s", what);
}

/* A comma where one is due, and whether a value may stand here at all. */
static bool before_value(struct mur_json_writer *writer)
{
    if (writer->error.status != MUR_OK)
        return false;
    bool in_object = writer->depth > 0 && !writer->array[writer->depth];
    if (in_object && !writer->after_key) {
        misuse(writer, "a member without a key");
        return false;
    }
    if (writer->depth == 0 && writer->filled[0]) {
        misuse(writer, "a second value at the top");
        return false;
    }
    if (!in_object && writer->filled[writer->depth])
        put_character(writer, ',');
    writer->filled[writer->depth] = true;
    writer->after_key = false;
    return true;
}

static void begin(struct mur_json_writer *writer, bool array)
{
    if (!before_value(writer))
        return;
    if (writer->depth == MUR_JSON_DEPTH) {
        mur_error_set(&writer->error, MUR_LIMIT, "JSON nested deeper than %d", MUR_JSON_DEPTH);
        return;
    }
    writer->depth++;
    writer->array[writer->depth] = array;
    writer->filled[writer->depth] = false;
    put_character(writer, array ? '[' : '{');
}

static void end(struct mur_json_writer *writer, bool array)
{
    if (writer->depth == 0 || writer->array[writer->depth] != array || writer->after_key) {
        misuse(writer, "an end without its begin");
        return;
    }
    writer->depth--;
    put_character(writer, array ? ']' : '}');
}

void mur_json_begin_object(struct mur_json_writer *writer)
{
    begin(writer, false);
}

void mur_json_end_object(struct mur_json_writer *writer)
{
    end(writer, false);
}

void mur_json_begin_array(struct mur_json_writer *writer)
{
    begin(writer, true);
}

void mur_json_end_array(struct mur_json_writer *writer)
{
    end(writer, true);
}

static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Copies what needs no escape, as far as the block has room. Nearly every string is copied whole by
 * this, without a call for its few bytes. */
static size_t put_plain(struct mur_json_writer *writer, const char *bytes, size_t length)
{
    size_t room = sizeof writer->block - 1 - writer->used; /* a full block is flushed elsewhere */
    size_t most = length < room ? length : room;
    char *to = writer->block + writer->used;
    size_t count = 0;
    while (count < most && is_plain((unsigned char)bytes[count])) {
        to[count] = bytes[count];
        count++;
    }
    writer->used += count;
    return count;
}

static void put_escape(struct mur_json_writer *writer, unsigned char c)
{
    char escape[8] = {'\\', '\0'};
    size_t length = 2;
    switch (c) {
    case '"':
    case '\\':
        escape[1] = (char)c;
        break;
    case '\n':
        escape[1] = 'n';
        break;
    case '\r':
        escape[1] = 'r';
        break;
    case '\t':
        escape[1] = 't';
        break;
    default:
        length = (size_t)snprintf(escape, sizeof escape, "\\u%04x", c);
        break;
    }
    put(writer, escape, length);
}

static void put_string(struct mur_json_writer *writer, struct mur_slice text)
{
    put_character(writer, '"');
    size_t at = writer->error.status == MUR_OK ? put_plain(writer, text.data, text.length) : 0;
    while (at < text.length && writer->error.status == MUR_OK) {
        size_t run = at;
        while (run < text.length && is_plain((unsigned char)text.data[run]))
            run++;
        put(writer, text.data + at, run - at);
        at = run;
        if (at == text.length)
            break;
        unsigned char c = (unsigned char)text.data[at];
        if (c < 0x80) {
            put_escape(writer, c);
            at++;
            continue;
        }
        utf8proc_int32_t code;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text.data + at,
                                                 (utf8proc_ssize_t)(text.length - at), &code);
        if (used <= 0) {
            put(writer, "\xEF\xBF\xBD", 3);
            at++;
        } else {
            put(writer, text.data + at, (size_t)used);
            at += (size_t)used;
        }
    }
    put_character(writer, '"');
}

void mur_json_key_slice(struct mur_json_writer *writer, struct mur_slice key)
{
    if (writer->error.status != MUR_OK)
        return;
    if (writer->depth == 0 || writer->array[writer->depth] || writer->after_key) {
        misuse(writer, "a key outside an object");
        return;
    }
    if (writer->filled[writer->depth])
        put_character(writer, ',');
    put_string(writer, key);
    put_character(writer, ':');
    writer->after_key = true;
}

void mur_json_slice(struct mur_json_writer *writer, struct mur_slice text)
{
    if (before_value(writer))
        put_string(writer, text);
}

void mur_json_raw(struct mur_json_writer *writer, struct mur_slice text)
{
    if (before_value(writer))
        put(writer, text.data, text.length);
}

void mur_json_null(struct mur_json_writer *writer)
{
    mur_json_raw(writer, mur_slice_of("null"));
}

void mur_json_string(struct mur_json_writer *writer, const char *text)
{
    if (text == NULL)
        mur_json_null(writer);
    else
        mur_json_slice(writer, mur_slice_of(text));
}

void mur_json_bool(struct mur_json_writer *writer, bool value)
{
    mur_json_raw(writer, mur_slice_of(value ? "true" : "false"));
}

static void write_digits(struct mur_json_writer *writer, bool negative, uint64_t value)
{
    char text[24];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (negative)
        text[--at] = '-';
    mur_json_raw(writer, (struct mur_slice){.data = text + at, .length = sizeof text - at});
}

void mur_json_int(struct mur_json_writer *writer, int64_t value)
{
    write_digits(writer, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void mur_json_uint(struct mur_json_writer *writer, uint64_t value)
{
    write_digits(writer, false, value);
}

void mur_double_write(char out[32], double value)
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, 32, "%.*g", digits, value);
        double back;
        if (mur_parse_double(&back, mur_slice_of(out), NULL) == MUR_OK && back == value)
            break;
    }
}

void mur_json_double(struct mur_json_writer *writer, double value)
{
    if (!isfinite(value)) {
        mur_json_null(writer);
        return;
    }
    char text[32];
    mur_double_write(text, value);
    mur_json_raw(writer, mur_slice_of(text));
}

void mur_json_member_string(struct mur_json_writer *writer, const char *key, const char *text)
{
    mur_json_key(writer, key);
    mur_json_string(writer, text);
}

void mur_json_member_int(struct mur_json_writer *writer, const char *key, int64_t value)
{
    mur_json_key(writer, key);
    mur_json_int(writer, value);
}

void mur_json_member_double(struct mur_json_writer *writer, const char *key, double value)
{
    mur_json_key(writer, key);
    mur_json_double(writer, value);
}

void mur_json_member_bool(struct mur_json_writer *writer, const char *key, bool value)
{
    mur_json_key(writer, key);
    mur_json_bool(writer, value);
}

bool mur_json_failed(const struct mur_json_writer *writer)
{
    return writer->error.status != MUR_OK;
}

enum mur_status mur_json_finish(struct mur_json_writer *writer, struct mur_error *error)
{
    if (writer->depth > 0 || !writer->filled[0])
        misuse(writer, "finished before its value was");
    flush(writer);
    if (writer->error.status != MUR_OK)
        return mur_error_set(error, writer->error.status, "%s", writer->error.message);
    return MUR_OK;
}
