/* For the tests of dicom/: files of foreign origin, whole into memory, and a trace of scanner
 * events. */
#ifndef MUR_TESTS_DICOM_SUPPORT_H
#define MUR_TESTS_DICOM_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buffer.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/own.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"

/** Path of a file of the test data; skips the test where they are not. */
static inline void need_testdata(char out[1024], const char *name)
{
    const char *folder = getenv("MURPACS_TESTDATA");
    if (folder == NULL || folder[0] == '\0')
        folder = MUR_SOURCE_DIR "/../shared/testdata";
    (void)snprintf(out, 1024, "%s/%s", folder, name);
    if (!mur_file_exists(out))
        skip();
}

/** A file with its head read; free with mur_buffer_free(&file->bytes). */
struct test_file {
    struct mur_buffer bytes;
    struct mur_part10 head;
    const unsigned char *data; /* the Data Set */
    size_t length;
};

static inline void read_test_file(struct test_file *file, const char *name)
{
    char path[1024];
    struct mur_error error = MUR_ERROR_INIT;
    need_testdata(path, name);
    *file = (struct test_file){.bytes = MUR_BUFFER_INIT};
    assert_int_equal(mur_file_read_all(&file->bytes, path, 1 << 26, &error), MUR_OK);
    assert_int_equal(
        mur_part10_parse(&file->head, file->bytes.data, file->bytes.length, path, &error), MUR_OK);
    file->data = (const unsigned char *)file->bytes.data + file->head.offset;
    file->length = file->bytes.length - file->head.offset;
}

/* ---- a trace of events: one line each, values by digest ------------------------------------ */

static inline enum mur_status trace_element(void *user, const struct mur_scan_element *element,
                                            struct mur_error *error)
{
    char value[64] = "bulk";
    if (element->value != NULL)
        (void)snprintf(value, sizeof value, "%016llx",
                       (unsigned long long)mur_xxh64_of(element->value, (size_t)element->length));
    return mur_buffer_append_format(
        user, error, "%u %08X %s %llu @%llu %s [%s] %.*s%s\n", element->depth,
        (unsigned)element->tag, mur_vr_name(element->vr), (unsigned long long)element->length,
        (unsigned long long)element->offset, value, element->private_creator,
        (int)element->charset.length, element->charset.data,
        element->encapsulated ? " encapsulated" : "");
}

static inline enum mur_status trace_fragment(void *user, const struct mur_scan_element *element,
                                             uint32_t index, uint64_t offset, uint32_t length,
                                             struct mur_error *error)
{
    (void)element;
    return mur_buffer_append_format(user, error, "fragment %u @%llu %u\n", (unsigned)index,
                                    (unsigned long long)offset, (unsigned)length);
}

static inline enum mur_status trace_item_begin(void *user, struct mur_error *error)
{
    return mur_buffer_append_text(user, "{\n", error);
}

static inline enum mur_status trace_item_end(void *user, struct mur_error *error)
{
    return mur_buffer_append_text(user, "}\n", error);
}

static inline enum mur_status trace_sequence_end(void *user, struct mur_error *error)
{
    return mur_buffer_append_text(user, "]\n", error);
}

static const struct mur_scan_events trace_events = {
    .element = trace_element,
    .bulk = trace_element,
    .bulk_bytes = NULL,
    .fragment = trace_fragment,
    .sequence_begin = trace_element,
    .item_begin = trace_item_begin,
    .item_end = trace_item_end,
    .sequence_end = trace_sequence_end,
};

/** Scans in pieces of @p piece bytes (0: all at once). @return of write or finish */
static inline enum mur_status trace(struct mur_buffer *out, const char *transfer_syntax,
                                    const void *bytes, size_t length, size_t piece,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status =
        mur_scanner_create(&scanner, transfer_syntax, &trace_events, out, error);
    for (size_t at = 0; status == MUR_OK && at < length;) {
        size_t part = piece == 0 || piece > length - at ? length - at : piece;
        status = mur_scanner_write(scanner, (const unsigned char *)bytes + at, part, error);
        at += part;
    }
    return status == MUR_OK ? mur_scanner_finish(scanner, error) : status;
}

#endif
