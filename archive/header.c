#include "archive/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/compress.h"
#include "core/file.h"
#include "core/json_write.h"
#include "dicom/charset.h"
#include "dicom/header_json.h"
#include "dicom/json_value.h"
#include "dicom/scanner.h"

enum {
    COLUMN_LIMIT = 64,    /* typed columns there can be */
    LARGE_SEQUENCES = 16, /* sequences that may be left out of the index's copy */
    LARGE_SEQUENCE_ELEMENTS = 2000,
    COMPRESS_FROM = 600, /* bytes below which compression does not pay */
    BRIEF_LIMIT = 4 << 20,
    LONG_VALUE = 1024,
    REREAD_SIZE = 256 * 1024,
};

/* What the index's copy does without, one more with each rereading until it is short enough; the
 * sidecar has all of it. What is known (attribute.h) and not long is short enough in any case. */
enum leaving {
    LEAVE_NOTHING, /* while the bytes come */
    LEAVE_LARGE_SEQUENCES,
    LEAVE_LONG_VALUES,
    LEAVE_SEQUENCES,
    LEAVE_UNKNOWN,
};

struct column_text {
    const struct mur_attribute *attribute;
    size_t offset; /* in texts */
};

struct mur_header {
    struct mur_scanner *scanner;
    struct mur_header_json *json;
    struct mur_json_writer writer;
    struct mur_charset *charset;
    struct mur_store *store; /* borrowed */
    char *transfer_syntax;
    struct mur_buffer texts; /* of the columns, each with its NUL */
    struct column_text columns[COLUMN_LIMIT];
    size_t column_count;
    struct mur_buffer memory; /* JSON as long as it is small; in the end the index's copy */
    struct mur_buffer stored; /* what the index stores */
    int form;
    bool complete;
    struct mur_object *sidecar;
    struct mur_zstd_writer *sidecar_writer;
    /* Which top-level sequences are large, counted as they pass. */
    uint32_t large[LARGE_SEQUENCES];
    size_t large_count;
    uint32_t open_sequence; /* top-level one that is open, 0 = none */
    unsigned open_depth;
    uint64_t open_elements;
    bool skipping; /* inside a sequence that is left out */
    enum leaving leaving;
};

void mur_header_free(struct mur_header *header)
{
    if (header == NULL)
        return;
    mur_scanner_free(header->scanner);
    mur_header_json_free(header->json);
    mur_charset_free(header->charset);
    mur_zstd_writer_free(header->sidecar_writer);
    mur_object_free(header->sidecar);
    mur_buffer_free(&header->texts);
    mur_buffer_free(&header->memory);
    mur_buffer_free(&header->stored);
    free(header->transfer_syntax);
    free(header);
}

/* ---- JSON that may be large ------------------------------------------------------------------ */

static enum mur_status write_object(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    return mur_object_write(user, bytes, length, error);
}

static enum mur_status spill(struct mur_header *header, struct mur_error *error)
{
    enum mur_status status = mur_object_create(&header->sidecar, header->store, error);
    if (status == MUR_OK)
        status = mur_zstd_writer_create(
            &header->sidecar_writer,
            (struct mur_sink){.write = write_object, .user = header->sidecar}, 1, error);
    if (status == MUR_OK)
        status = mur_zstd_writer_write(header->sidecar_writer, header->memory.data,
                                       header->memory.length, error);
    if (status == MUR_OK)
        mur_buffer_free(&header->memory);
    return status;
}

static enum mur_status take_json(void *user, const void *bytes, size_t length,
                                 struct mur_error *error)
{
    struct mur_header *header = user;
    if (header->leaving != LEAVE_NOTHING)
        return mur_buffer_append(&header->memory, bytes, length, error);
    if (header->sidecar_writer == NULL && header->memory.length + length > MUR_HEADER_IN_MEMORY) {
        enum mur_status status = spill(header, error);
        if (status != MUR_OK)
            return status;
    }
    if (header->sidecar_writer != NULL)
        return mur_zstd_writer_write(header->sidecar_writer, bytes, length, error);
    return mur_buffer_append(&header->memory, bytes, length, error);
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool leaves_sequence(const struct mur_header *header, uint32_t sequence)
{
    if (header->leaving == LEAVE_NOTHING)
        return false;
    if (header->leaving >= LEAVE_SEQUENCES)
        return true;
    for (size_t i = 0; i < header->large_count; i++)
        if (header->large[i] == sequence)
            return true;
    return false;
}

static bool leaves_element(const struct mur_header *header, const struct mur_scan_element *element)
{
    return header->skipping ||
           (header->leaving >= LEAVE_LONG_VALUES && element->length > LONG_VALUE) ||
           (header->leaving >= LEAVE_UNKNOWN && mur_attribute_find(element->tag) == NULL);
}

/* Elsewhere control characters are left out; but 1.2<NUL>.3 is not the UID 1.2.3. */
static enum mur_status keep_uid(struct mur_buffer *texts, struct mur_slice uid,
                                struct mur_error *error)
{
    size_t offset = texts->length;
    enum mur_status status = mur_buffer_append(texts, uid.data, uid.length, error);
    for (size_t i = offset; status == MUR_OK && i < texts->length; i++)
        if (texts->data[i] <= ' ' || texts->data[i] > '~')
            texts->data[i] = '?';
    return status;
}

static enum mur_status keep_column(struct mur_header *header,
                                   const struct mur_scan_element *element,
                                   const struct mur_attribute *attribute, struct mur_error *error)
{
    size_t offset = header->texts.length;
    enum mur_status status = MUR_OK;
    if (element->vr == MUR_VR_UI) {
        status = keep_uid(&header->texts, mur_slice_trim(mur_scan_text(element)), error);
    } else if (mur_vr_is_text(element->vr)) {
        status = mur_charset_use(&header->charset, element->charset, error);
        if (status == MUR_OK)
            status =
                mur_charset_to_utf8(&header->texts, header->charset,
                                    mur_slice_trim(mur_scan_text(element)), element->vr, error);
    } else {
        int64_t number;
        if (mur_scan_int(&number, element, 0))
            status = mur_buffer_append_format(&header->texts, error, "%lld", (long long)number);
    }
    if (status == MUR_OK)
        status = mur_buffer_append(&header->texts, "", 1, error);
    if (status == MUR_OK)
        header->columns[header->column_count++] =
            (struct column_text){.attribute = attribute, .offset = offset};
    return status;
}

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct mur_header *header = user;
    if (header->open_sequence != 0) {
        header->open_elements++;
    } else if (header->leaving == LEAVE_NOTHING && header->column_count < COLUMN_LIMIT) {
        const struct mur_attribute *attribute = mur_attribute_find(element->tag);
        if (attribute != NULL && attribute->storage == MUR_STORAGE_COLUMN) {
            enum mur_status status = keep_column(header, element, attribute, error);
            if (status != MUR_OK)
                return status;
        }
    }
    return leaves_element(header, element)
               ? MUR_OK
               : mur_header_json_events.element(header->json, element, error);
}

static enum mur_status on_bulk(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    struct mur_header *header = user;
    return header->skipping ? MUR_OK : mur_header_json_events.bulk(header->json, element, error);
}

static enum mur_status on_sequence_begin(void *user, const struct mur_scan_element *element,
                                         struct mur_error *error)
{
    struct mur_header *header = user;
    if (header->open_sequence == 0) {
        header->open_sequence = element->tag;
        header->open_elements = 0;
        header->skipping = leaves_sequence(header, element->tag);
    }
    header->open_depth++;
    return header->skipping ? MUR_OK
                            : mur_header_json_events.sequence_begin(header->json, element, error);
}

static enum mur_status on_sequence_end(void *user, struct mur_error *error)
{
    struct mur_header *header = user;
    bool skipped = header->skipping;
    header->open_depth--;
    if (header->open_depth == 0) {
        if (header->open_elements > LARGE_SEQUENCE_ELEMENTS && header->leaving == LEAVE_NOTHING &&
            header->large_count < LARGE_SEQUENCES)
            header->large[header->large_count++] = header->open_sequence;
        header->open_sequence = 0;
        header->skipping = false;
    }
    return skipped ? MUR_OK : mur_header_json_events.sequence_end(header->json, error);
}

static enum mur_status on_item_begin(void *user, struct mur_error *error)
{
    struct mur_header *header = user;
    return header->skipping ? MUR_OK : mur_header_json_events.item_begin(header->json, error);
}

static enum mur_status on_item_end(void *user, struct mur_error *error)
{
    struct mur_header *header = user;
    return header->skipping ? MUR_OK : mur_header_json_events.item_end(header->json, error);
}

static const struct mur_scan_events header_events = {
    .element = on_element,
    .bulk = on_bulk,
    .sequence_begin = on_sequence_begin,
    .item_begin = on_item_begin,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};

/* ---- the life of a header -------------------------------------------------------------------- */

static enum mur_status begin_scan(struct mur_header *header, struct mur_error *error)
{
    mur_scanner_free(header->scanner);
    mur_header_json_free(header->json);
    header->scanner = NULL;
    header->json = NULL;
    header->open_sequence = 0;
    header->open_depth = 0;
    header->skipping = false;
    mur_json_init(&header->writer, (struct mur_sink){.write = take_json, .user = header});
    enum mur_status status = mur_header_json_create(&header->json, &header->writer, error);
    if (status == MUR_OK)
        status = mur_scanner_create(&header->scanner, header->transfer_syntax, &header_events,
                                    header, error);
    return status;
}

static enum mur_status end_scan(struct mur_header *header, struct mur_error *error)
{
    enum mur_status status = mur_scanner_finish(header->scanner, error);
    if (status == MUR_OK)
        status = mur_header_json_finish(header->json, error);
    if (status == MUR_OK)
        status = mur_json_finish(&header->writer, error);
    return status;
}

enum mur_status mur_header_create(struct mur_header **out, const char *transfer_syntax,
                                  struct mur_store *store, struct mur_error *error)
{
    MUR_AUTO(mur_header) *header = calloc(1, sizeof *header);
    if (header == NULL)
        return mur_error_no_memory(error);
    header->store = store;
    header->complete = true;
    enum mur_status status =
        mur_text_copy(&header->transfer_syntax, mur_slice_of(transfer_syntax), error);
    if (status == MUR_OK)
        status = begin_scan(header, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(header);
    return MUR_OK;
}

enum mur_status mur_header_write(struct mur_header *header, const void *bytes, size_t length,
                                 struct mur_error *error)
{
    return mur_scanner_write(header->scanner, bytes, length, error);
}

/* Scans the stored file once more. */
static enum mur_status reread(struct mur_header *header, enum leaving leaving, const char *path,
                              uint64_t offset, struct mur_error *error)
{
    header->leaving = leaving;
    mur_buffer_clear(&header->memory);
    header->memory.limit = BRIEF_LIMIT;
    enum mur_status status = begin_scan(header, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return mur_error_set_errno(error, errno, "cannot read %s again", path);
    MUR_AUTO_FREE char *bytes = malloc(REREAD_SIZE);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    for (size_t got = REREAD_SIZE; status == MUR_OK && got == REREAD_SIZE;) {
        status = mur_pread_full(&got, file, bytes, REREAD_SIZE, (off_t)offset, path, error);
        offset += got;
        if (status == MUR_OK)
            status = mur_scanner_write(header->scanner, bytes, got, error);
    }
    return status == MUR_OK ? end_scan(header, error) : status;
}

static enum mur_status finish_large(struct mur_header *header, const char *path, uint64_t offset,
                                    struct mur_error *error)
{
    enum mur_status status = mur_zstd_writer_finish(header->sidecar_writer, error);
    if (status == MUR_OK)
        status = mur_object_finish(header->sidecar, error);
    if (status != MUR_OK)
        return status;
    header->complete = false;
    struct mur_error reason = MUR_ERROR_INIT; /* of one that was still too long nobody is told */
    status = MUR_LIMIT;
    for (enum leaving leaving = LEAVE_LARGE_SEQUENCES;
         status == MUR_LIMIT && leaving <= LEAVE_UNKNOWN; leaving++)
        status = reread(header, leaving, path, offset, &reason);
    if (status != MUR_OK && error != NULL)
        *error = reason;
    return status;
}

enum mur_status mur_header_finish(struct mur_header *header, const char *path, uint64_t offset,
                                  struct mur_error *error)
{
    enum mur_status status = end_scan(header, error);
    if (status == MUR_OK && header->sidecar_writer != NULL)
        status = finish_large(header, path, offset, error);
    if (status == MUR_OK && header->memory.length >= COMPRESS_FROM) {
        status = mur_zstd_compress(&header->stored, header->memory.data, header->memory.length, 1,
                                   error);
        header->form = 1;
    } else if (status == MUR_OK) {
        status =
            mur_buffer_append(&header->stored, header->memory.data, header->memory.length, error);
    }
    return status;
}

const char *mur_header_text(const struct mur_header *header, uint32_t tag)
{
    for (size_t i = 0; i < header->column_count; i++)
        if (header->columns[i].attribute->tag == tag)
            return header->texts.data + header->columns[i].offset;
    return "";
}

const struct mur_buffer *mur_header_json(const struct mur_header *header, int *form, bool *complete)
{
    *form = header->form;
    *complete = header->complete;
    return &header->stored;
}

struct mur_object *mur_header_sidecar(struct mur_header *header)
{
    return header->sidecar;
}

/* ---- values for the index -------------------------------------------------------------------- */

enum mur_status mur_header_get_values(struct mur_header_values *out,
                                      const struct mur_header *header, bool all,
                                      struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < header->column_count; i++) {
        const struct mur_attribute *attribute = header->columns[i].attribute;
        if (!all && attribute->level != MUR_LEVEL_IMAGE)
            continue;
        status = mur_header_values_add(out,
                                       (struct mur_index_value){
                                           .level = attribute->level,
                                           .path = mur_attribute_path_of(attribute->tag),
                                           .vr = attribute->vr,
                                       },
                                       header->texts.data + header->columns[i].offset, error);
    }
    if (status == MUR_OK && (all || mur_attributes_of_images_added()))
        status = mur_header_values_add_json(
            out, (struct mur_slice){.data = header->memory.data, .length = header->memory.length},
            all ? MUR_HEADER_TABLE : MUR_HEADER_ADDED, error);
    mur_header_values_end(out);
    return status;
}
