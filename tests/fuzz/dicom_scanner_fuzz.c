/* Files as the archive reads them: the head (PS3.10 7), then the scanner, with the DICOM JSON that
 * it makes; in one piece and in many, which must give the same. */
#include "core/json.h"
#include "dicom/header_json.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
#include "fuzz.h"

enum { INFLATED_LIMIT = 1024 * 1024, JSON_LIMIT = 64 * 1024 * 1024 };

struct scan {
    enum mur_status status;
    struct mur_error error;
    struct mur_buffer json;
    uint64_t elements, end;
};

static void scan(struct scan *out, const struct mur_part10 *head, const uint8_t *data, size_t size,
                 size_t piece)
{
    MUR_AUTO(mur_header_json) *header = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    struct mur_json_writer json;
    *out = (struct scan){.error = MUR_ERROR_INIT, .json = MUR_BUFFER_INIT};
    mur_json_init(&json, mur_sink_buffer(&out->json));
    enum mur_status status = mur_header_json_create(&header, &json, &out->error);
    fuzz_check(status == MUR_OK, "%s", out->error.message);
    status = mur_scanner_create(&scanner, head->transfer_syntax, &mur_header_json_events, header,
                                &out->error);
    fuzz_check(status == MUR_OK, "%s", out->error.message);
    mur_scanner_limit_inflated(scanner, INFLATED_LIMIT);
    for (size_t at = 0; status == MUR_OK && at < size;) {
        size_t part = piece < size - at ? piece : size - at;
        status = mur_scanner_write(scanner, data + at, part, &out->error);
        at += part;
    }
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, &out->error);
    out->elements = mur_scanner_elements(scanner);
    out->end = mur_scanner_end(scanner);
    fuzz_check(status != MUR_OK || out->end <= mur_scanner_offset(scanner), "it ends behind");
    if (status == MUR_OK)
        status = mur_header_json_finish(header, &out->error);
    if (status == MUR_OK)
        status = mur_json_finish(&json, &out->error);
    fuzz_check_status(status, &out->error);
    out->status = status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mur_part10 head;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_part10_parse(&head, data, size, "input", &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    fuzz_check(head.offset <= size, "a Data Set at %llu of %zu bytes",
               (unsigned long long)head.offset, size);
    data += head.offset;
    size -= (size_t)head.offset;
    struct scan whole, pieces;
    scan(&whole, &head, data, size, SIZE_MAX);
    scan(&pieces, &head, data, size, 1 + size % 13);
    fuzz_check(whole.status == pieces.status, "%s; but in pieces: %s", whole.error.message,
               pieces.error.message);
    if (whole.status == MUR_OK) {
        fuzz_check(whole.elements == pieces.elements && whole.end == pieces.end &&
                       whole.json.length == pieces.json.length &&
                       memcmp(whole.json.data, pieces.json.data, whole.json.length) == 0,
                   "pieces differ");
        MUR_AUTO(mur_json) *json = NULL;
        status = mur_json_parse(&json, (struct mur_slice){whole.json.data, whole.json.length},
                                JSON_LIMIT, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
    }
    mur_buffer_free(&whole.json);
    mur_buffer_free(&pieces.json);
    return 0;
}
