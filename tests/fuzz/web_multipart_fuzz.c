/* Multipart bodies: the first line is the boundary, the rest the body. It says the same in one
 * piece and in many, and what it says can be written as a body that says it again. */
#include "fuzz.h"
#include "web/multipart_reader.h"

enum { PIECES = 3 };

/* What was read: of each part its headers and content. */
struct record {
    struct mur_buffer text;
    struct mur_buffer body; /* as we would write it */
    const char *boundary;
    bool inside;
    size_t parts;
};

static enum mur_status add(struct mur_buffer *out, const char *text, size_t length)
{
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_buffer_append(out, text, length, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    return status;
}

static void add_header(struct record *record, const char *name, const char *value)
{
    char text[64];
    fuzz_check(value == NULL || strpbrk(value, "\r\n") == NULL, "a line end in %s", name);
    (void)snprintf(text, sizeof text, "%s %d:", name, value != NULL);
    (void)add(&record->text, text, strlen(text));
    if (value == NULL)
        return;
    (void)add(&record->text, value, strlen(value));
    (void)add(&record->body, name, strlen(name));
    (void)add(&record->body, ": ", 2);
    (void)add(&record->body, value, strlen(value));
    (void)add(&record->body, "\r\n", 2);
}

static enum mur_status begin(void *user, const char *type, const char *encoding,
                             struct mur_error *error)
{
    (void)error;
    struct record *record = user;
    fuzz_check(!record->inside, "a part in a part");
    record->inside = true;
    record->parts++;
    (void)add(&record->body, "--", 2);
    (void)add(&record->body, record->boundary, strlen(record->boundary));
    (void)add(&record->body, "\r\n", 2);
    add_header(record, "Content-Type", type);
    add_header(record, "Content-Encoding", encoding);
    return add(&record->body, "\r\n", 2);
}

static enum mur_status take(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    (void)error;
    struct record *record = user;
    fuzz_check(record->inside && length > 0, "%zu bytes outside of a part", length);
    (void)add(&record->text, bytes, length);
    return add(&record->body, bytes, length);
}

static enum mur_status end(void *user, struct mur_error *error)
{
    (void)error;
    struct record *record = user;
    fuzz_check(record->inside, "the end of no part");
    record->inside = false;
    (void)add(&record->body, "\r\n", 2);
    return add(&record->text, "|", 1);
}

static const struct mur_multipart_events events = {.begin = begin, .write = take, .end = end};

static void record_free(struct record *record)
{
    mur_buffer_free(&record->text);
    mur_buffer_free(&record->body);
}

/* @param piece  bytes at a time; 0: all at once */
static enum mur_status read_body(struct record *out, const char *boundary, const char *body,
                                 size_t length, size_t piece)
{
    MUR_AUTO(mur_multipart_reader) *reader = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    *out = (struct record){
        .text = MUR_BUFFER_INIT, .body = MUR_BUFFER_INIT, .boundary = boundary, .parts = 0};
    enum mur_status status = mur_multipart_reader_create(&reader, boundary, &events, out, &error);
    for (size_t at = 0; status == MUR_OK && at < length;) {
        size_t count = piece == 0 || length - at < piece ? length - at : piece;
        status = mur_multipart_reader_write(reader, body + at, count, &error);
        at += count;
    }
    if (status == MUR_OK)
        status = mur_multipart_reader_finish(reader, &error);
    fuzz_check_status(status, &error);
    return status;
}

static void read_again(struct record *first)
{
    struct record again;
    (void)add(&first->body, "--", 2);
    (void)add(&first->body, first->boundary, strlen(first->boundary));
    (void)add(&first->body, "--", 2);
    enum mur_status status =
        read_body(&again, first->boundary, first->body.data, first->body.length, 0);
    fuzz_check(status == MUR_OK && again.parts == first->parts &&
                   again.text.length == first->text.length &&
                   (again.text.length == 0 ||
                    memcmp(again.text.data, first->text.data, again.text.length) == 0),
               "%zu parts read back as %zu", first->parts, again.parts);
    record_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[PIECES] = {0, 1, 7};
    char boundary[2 * MUR_BOUNDARY_LENGTH];
    struct record records[PIECES];
    enum mur_status status[PIECES];
    struct mur_slice line = fuzz_until(&data, &size, "\n");
    (void)snprintf(boundary, sizeof boundary, "%.*s",
                   (int)(line.length < sizeof boundary ? line.length : sizeof boundary - 1),
                   line.data);
    for (size_t i = 0; i < PIECES; i++) {
        status[i] = read_body(&records[i], boundary, (const char *)data, size, pieces[i]);
        fuzz_check(status[i] == status[0], "pieces of %zu: %d, not %d", pieces[i], (int)status[i],
                   (int)status[0]);
        fuzz_check(records[i].parts == records[0].parts &&
                       records[i].body.length <= size + records[i].parts * sizeof boundary,
                   "%zu parts, not %zu", records[i].parts, records[0].parts);
        /* What came before a failure may have come in more pieces. */
        fuzz_check(status[i] != MUR_OK || (records[i].text.length == records[0].text.length &&
                                           (records[i].text.length == 0 ||
                                            memcmp(records[i].text.data, records[0].text.data,
                                                   records[0].text.length) == 0)),
                   "pieces of %zu say something else", pieces[i]);
    }
    if (status[0] == MUR_OK)
        read_again(&records[0]);
    for (size_t i = 0; i < PIECES; i++)
        record_free(&records[i]);
    return 0;
}
