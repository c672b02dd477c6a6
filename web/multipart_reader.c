#include "web/multipart_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/text.h"

enum { DELIMITER = MUR_BOUNDARY_LENGTH + 4, PADDING = 256 };

enum state {
    BEFORE,  /* the first boundary */
    BEHIND,  /* a boundary: "--", or blanks and the line end */
    LAST,    /* "-" came: another one makes it the last */
    PADDED,  /* blanks up to the line end */
    LINE,    /* CR came, LF must follow */
    HEADERS, /* of a part */
    BODY,
    AFTER, /* the last boundary */
};

struct mur_multipart_reader {
    const struct mur_multipart_events *events;
    void *user;
    char delimiter[DELIMITER + 1]; /* CRLF, "--", boundary */
    size_t length;                 /* of it */
    size_t matched;                /* so much of it came at the end of the last bytes */
    size_t before;                 /* so much of that belongs to what was before this piece */
    enum state state;
    size_t passed; /* bytes of preamble, or of padding */
    struct mur_buffer headers;
};

static bool is_boundary(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > MUR_BOUNDARY_LENGTH || text[length - 1] == ' ')
        return false;
    for (const char *at = text; *at != '\0'; at++)
        if (!((*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= 'a' && *at <= 'z') || strchr("'()+_,-./:=? ", *at) != NULL))
            return false;
    return true;
}

enum mur_status mur_multipart_reader_create(struct mur_multipart_reader **out, const char *boundary,
                                            const struct mur_multipart_events *events, void *user,
                                            struct mur_error *error)
{
    if (!is_boundary(boundary))
        return mur_error_set(error, MUR_INVALID, "boundary=\"%.80s\" is none (RFC 2046 5.1.1)",
                             boundary);
    struct mur_multipart_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return mur_error_no_memory(error);
    reader->events = events;
    reader->user = user;
    reader->headers.limit = MUR_PART_HEADERS;
    reader->length =
        (size_t)snprintf(reader->delimiter, sizeof reader->delimiter, "\r\n--%s", boundary);
    reader->matched = reader->before = 2; /* the body may begin with a boundary */
    *out = reader;
    return MUR_OK;
}

void mur_multipart_reader_free(struct mur_multipart_reader *reader)
{
    if (reader == NULL)
        return;
    mur_buffer_free(&reader->headers);
    free(reader);
}

static enum mur_status give(struct mur_multipart_reader *reader, const char *bytes, size_t length,
                            struct mur_error *error)
{
    if (length == 0)
        return MUR_OK;
    if (reader->state == BODY)
        return reader->events->write(reader->user, bytes, length, error);
    reader->passed += length;
    if (reader->passed > MUR_MULTIPART_PREAMBLE)
        return mur_error_set(error, MUR_PARSE, "the body's first %d bytes hold no boundary \"%s\"",
                             (int)MUR_MULTIPART_PREAMBLE, reader->delimiter + 4);
    return MUR_OK;
}

/* A boundary was found. */
static enum mur_status end_piece(struct mur_multipart_reader *reader, struct mur_error *error)
{
    bool part = reader->state == BODY;
    reader->state = BEHIND;
    reader->passed = 0;
    reader->matched = reader->before = 0;
    return part ? reader->events->end(reader->user, error) : MUR_OK;
}

/* Bytes up to the next boundary. CR stands nowhere in it but at its beginning, so only the last CR
 * can begin one that is not whole yet. @param[out] used  of them */
static enum mur_status pass(size_t *used, struct mur_multipart_reader *reader, const char *bytes,
                            size_t length, struct mur_error *error)
{
    size_t at = 0;
    enum mur_status status = MUR_OK;
    if (reader->matched > 0) {
        while (reader->matched < reader->length && at < length &&
               bytes[at] == reader->delimiter[reader->matched]) {
            reader->matched++;
            at++;
        }
        *used = at;
        if (reader->matched == reader->length)
            return end_piece(reader, error);
        if (at == length)
            return MUR_OK;
        /* It was none: what seemed to be one goes on as it is. */
        status = give(reader, reader->delimiter + reader->before, reader->matched - reader->before,
                      error);
        reader->matched = reader->before = 0;
        if (status != MUR_OK)
            return status;
    }
    const char *found = memmem(bytes + at, length - at, reader->delimiter, reader->length);
    if (found != NULL) {
        status = give(reader, bytes + at, (size_t)(found - bytes) - at, error);
        *used = (size_t)(found - bytes) + reader->length;
        return status == MUR_OK ? end_piece(reader, error) : status;
    }
    const char *last = memrchr(bytes + at, '\r', length - at);
    size_t kept = last == NULL ? 0 : (size_t)(bytes + length - last);
    if (kept >= reader->length || (kept > 0 && memcmp(last, reader->delimiter, kept) != 0))
        kept = 0;
    reader->matched = kept;
    *used = length;
    return give(reader, bytes + at, length - at - kept, error);
}

/* ---- headers --------------------------------------------------------------------------------- */

static bool has_control(const char *line)
{
    for (; *line != '\0'; line++)
        if (((unsigned char)*line < ' ' && *line != '\t') || *line == 0x7F)
            return true;
    return false;
}

/* "Name: value"; values are cut out of the text in place. */
static enum mur_status read_header(char **type, char **encoding, char *line,
                                   struct mur_error *error)
{
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line || strpbrk(line, " \t") == line || has_control(line))
        return mur_error_set(error, MUR_PARSE, "\"%.80s\" is no header of a part", line);
    *colon = '\0';
    struct mur_slice value = mur_slice_trim(mur_slice_of(colon + 1));
    char *text = colon + 1 + (value.data - (colon + 1));
    text[value.length] = '\0';
    if (mur_ascii_equal_ignore_case(line, "Content-Type"))
        *type = text;
    else if (mur_ascii_equal_ignore_case(line, "Content-Encoding"))
        *encoding = text;
    return MUR_OK;
}

static enum mur_status begin_part(struct mur_multipart_reader *reader, struct mur_error *error)
{
    char *type = NULL;
    char *encoding = NULL;
    enum mur_status status = MUR_OK;
    char *text = reader->headers.data;
    if (memchr(text, '\0', reader->headers.length) != NULL)
        return mur_error_set(error, MUR_PARSE, "a header of a part holds a NUL");
    for (char *line = text; status == MUR_OK && *line != '\r';) {
        char *end = strstr(line, "\r\n");
        *end = '\0';
        status = read_header(&type, &encoding, line, error);
        line = end + 2;
    }
    reader->state = BODY;
    if (status == MUR_OK)
        status = reader->events->begin(reader->user, type, encoding, error);
    mur_buffer_clear(&reader->headers);
    /* A part without content ends in the boundary whose line end is that of the headers. */
    reader->matched = reader->before = 2;
    return status;
}

/* One character of the headers, up to the empty line. */
static enum mur_status take_header(struct mur_multipart_reader *reader, char c,
                                   struct mur_error *error)
{
    struct mur_buffer *text = &reader->headers;
    if (mur_buffer_append(text, &c, 1, NULL) != MUR_OK)
        return mur_error_set(error, MUR_LIMIT, "the headers of a part exceed %d bytes",
                             (int)MUR_PART_HEADERS);
    bool empty = text->length == 2 && memcmp(text->data, "\r\n", 2) == 0;
    bool ended = text->length >= 4 && memcmp(text->data + text->length - 4, "\r\n\r\n", 4) == 0;
    return empty || ended ? begin_part(reader, error) : MUR_OK;
}

/* ---- boundaries ------------------------------------------------------------------------------ */

static enum mur_status take_behind(struct mur_multipart_reader *reader, char c,
                                   struct mur_error *error)
{
    bool blank = c == ' ' || c == '\t';
    if (reader->state == BEHIND && c == '-')
        reader->state = LAST;
    else if (reader->state == LAST && c == '-')
        reader->state = AFTER;
    else if (reader->state != LAST && reader->state != LINE && blank && ++reader->passed < PADDING)
        reader->state = PADDED;
    else if (reader->state != LAST && reader->state != LINE && c == '\r')
        reader->state = LINE;
    else if (reader->state == LINE && c == '\n')
        reader->state = HEADERS;
    else
        return mur_error_set(error, MUR_PARSE, "a boundary has no line end (CRLF) behind it");
    return MUR_OK;
}

enum mur_status mur_multipart_reader_write(struct mur_multipart_reader *reader, const void *bytes,
                                           size_t length, struct mur_error *error)
{
    const char *at = bytes;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && length > 0 && reader->state != AFTER) {
        size_t used = 1;
        if (reader->state == BEFORE || reader->state == BODY)
            status = pass(&used, reader, at, length, error);
        else if (reader->state == HEADERS)
            status = take_header(reader, *at, error);
        else
            status = take_behind(reader, *at, error);
        at += used;
        length -= used;
    }
    return status;
}

enum mur_status mur_multipart_reader_finish(struct mur_multipart_reader *reader,
                                            struct mur_error *error)
{
    if (reader->state != AFTER)
        return mur_error_set(error, MUR_PARSE, "the body ends before its last boundary, \"--%s--\"",
                             reader->delimiter + 4);
    return MUR_OK;
}
