/* A deflated segmentation, held in memory: no more of it than what its header says of frames. */
#include <inttypes.h>
#include <stdlib.h>

#include "converters/seg_reader_internal.h"
#include "core/compress.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/scanner.h"
#include "dicom/transfer_syntax.h"

enum {
    PIECE = 256 * 1024,
    MORE_THAN_NEEDED = 1024 * 1024, /* bytes after the pixels, and padding of them */
};

/* What a pass over the bytes tells while they come. */
struct watch {
    struct mur_seg_reader *reader;
    struct mur_scanner *scanner;
    int64_t rows, columns, bits, frames;
    bool in_pixels;
};

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct watch *watch = user;
    (void)error;
    if (element->depth > 0)
        return MUR_OK;
    if (element->tag == MUR_TAG_Rows)
        (void)mur_scan_int(&watch->rows, element, 0);
    else if (element->tag == MUR_TAG_Columns)
        (void)mur_scan_int(&watch->columns, element, 0);
    else if (element->tag == MUR_TAG_BitsAllocated)
        (void)mur_scan_int(&watch->bits, element, 0);
    else if (element->tag == MUR_TAG_NumberOfFrames &&
             mur_parse_int64(&watch->frames, mur_scan_text(element), 1, INT32_MAX, NULL) != MUR_OK)
        watch->frames = 1; /* what is wrong with it is told later */
    return MUR_OK;
}

/* A stream of three megabytes can stand for three gigabytes: that is said before they are held. */
static enum mur_status on_pixels(void *user, const struct mur_scan_element *element,
                                 const unsigned char *bytes, size_t length, struct mur_error *error)
{
    struct watch *watch = user;
    (void)bytes;
    (void)length;
    if (element->tag != MUR_TAG_PixelData || element->depth > 0)
        return MUR_OK;
    double needed = (double)watch->rows * (double)watch->columns * (double)watch->bits *
                    (double)watch->frames / 8;
    if ((double)element->length > needed + MORE_THAN_NEEDED)
        return mur_error_set(error, MUR_MISMATCH,
                             "Pixel Data (7FE0,0010) holds %" PRIu64 " bytes where its frames need "
                             "%.0f",
                             element->length, needed);
    watch->in_pixels = true;
    uint64_t end = element->offset + element->length + MORE_THAN_NEEDED;
    watch->reader->memory.limit = end < MUR_SEG_HELD_LIMIT ? (size_t)end : MUR_SEG_HELD_LIMIT;
    return MUR_OK;
}

static const struct mur_scan_events events = {.element = on_element, .bulk_bytes = on_pixels};

static enum mur_status keep(void *user, const void *bytes, size_t length, struct mur_error *error)
{
    struct watch *watch = user;
    enum mur_status status = mur_scanner_write(watch->scanner, bytes, length, error);
    if (status == MUR_OK && !watch->in_pixels &&
        watch->reader->memory.length + length > MUR_SEG_HEAD_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d bytes before its pixels",
                             MUR_SEG_HEAD_LIMIT);
    return status == MUR_OK ? mur_buffer_append(&watch->reader->memory, bytes, length, error)
                            : status;
}

enum mur_status mur_seg_hold_inflated(struct mur_seg_reader *reader, uint64_t offset,
                                      struct mur_error *error)
{
    MUR_AUTO(mur_inflate) *inflate = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    MUR_AUTO_FREE uint8_t *piece = malloc(PIECE);
    if (piece == NULL)
        return mur_error_no_memory(error);
    reader->syntax = mur_uid_ExplicitVRLittleEndian;
    struct watch watch = {.reader = reader, .frames = 1};
    const struct mur_sink sink = {.write = keep, .user = &watch};
    enum mur_status status = mur_scanner_create(&scanner, reader->syntax, &events, &watch, error);
    watch.scanner = scanner;
    if (status == MUR_OK)
        status = mur_inflate_create(&inflate, MUR_SEG_HELD_LIMIT, error);
    while (status == MUR_OK && !mur_inflate_ended(inflate)) {
        size_t got = 0;
        status = mur_pread_full(&got, reader->descriptor, piece, PIECE, (off_t)offset, reader->path,
                                error);
        if (status != MUR_OK)
            return status;
        if (got == 0)
            return mur_error_set(error, MUR_PARSE, "%s: cut: the deflated Data Set has no end",
                                 reader->path);
        offset += got;
        if (mur_inflate_write(inflate, sink, piece, got, error) != MUR_OK)
            return mur_error_prefix(error, "%s", reader->path);
    }
    return status;
}
