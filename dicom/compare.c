#include "dicom/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/digest.h"
#include "core/own.h"
#include "core/sink.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/data_set.h"
#include "dicom/dictionary.h"
#include "dicom/measure.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
#include "dicom/transfer_syntax.h"

/* Each file is reduced to a digest of its elements in one canonical form, as they are scanned: any
 * size of file in constant memory. Decoding is the exception. */

enum { WIDEST_NUMBER = 8 };

/* Bytes to inflate to, or of memory to decode. Others wait meanwhile (archive/writer.c), and what
 * has been made to unfold to more shall not keep them waiting. */
#define UNFOLDED_LIMIT (UINT64_C(1) << 30)

/* What is digested besides values, so that different structures never look the same. */
enum mark {
    MARK_ELEMENT = 'E',
    MARK_BULK = 'B',
    MARK_FRAGMENT = 'F',
    MARK_SEQUENCE_BEGIN = '[',
    MARK_SEQUENCE_END = ']',
    MARK_ITEM_BEGIN = '{',
    MARK_ITEM_END = '}',
};

struct content {
    struct mur_xxh128 *digest;
    unsigned char cut[WIDEST_NUMBER]; /* a number of a bulk value, begun in the last piece */
    size_t cut_length;
};

static void add_mark(struct content *content, enum mark mark, uint64_t a, uint64_t b)
{
    uint64_t numbers[3] = {(uint64_t)mark, a, b};
    mur_xxh128_update(content->digest, numbers, sizeof numbers);
}

/* Whether both files tell its VR, or the dictionary does for the one that does not. */
static bool is_known(const struct mur_scan_element *element)
{
    return mur_dictionary_vr(element->tag, element->private_creator) != MUR_VR_UN;
}

/* Bytes in little endian order; @p length is a multiple of the width, but for damaged values. */
static void add_swapped(struct content *content, const unsigned char *bytes, size_t length,
                        unsigned width)
{
    unsigned char number[WIDEST_NUMBER];
    size_t whole = length - length % width;
    for (size_t i = 0; i < whole; i += width) {
        for (unsigned b = 0; b < width; b++)
            number[b] = bytes[i + width - 1 - b];
        mur_xxh128_update(content->digest, number, width);
    }
    mur_xxh128_update(content->digest, bytes + whole, length - whole);
}

static bool is_significant_blank(enum mur_vr vr)
{
    return vr == MUR_VR_LT || vr == MUR_VR_ST || vr == MUR_VR_UT || vr == MUR_VR_UC ||
           vr == MUR_VR_PN || vr == MUR_VR_UR;
}

static void add_single(struct content *content, struct mur_slice value, enum mur_vr vr)
{
    while (value.length > 0 && value.data[value.length - 1] == ' ')
        value.length--;
    while (!is_significant_blank(vr) && value.length > 0 && value.data[0] == ' ') {
        value.data++;
        value.length--;
    }
    double number;
    struct mur_error ignored = MUR_ERROR_INIT;
    bool is_number = (vr == MUR_VR_DS || vr == MUR_VR_IS) &&
                     mur_parse_double(&number, value, &ignored) == MUR_OK;
    if (is_number)
        mur_xxh128_update(content->digest, &number, sizeof number);
    else
        mur_xxh128_update(content->digest, value.data, value.length);
    mur_xxh128_update(content->digest, "\\", 1);
}

static void add_text(struct content *content, const struct mur_scan_element *element)
{
    struct mur_slice rest = mur_scan_text(element);
    bool multi = mur_vr_info(element->vr)->multi;
    for (;;) {
        const char *separator = multi ? memchr(rest.data, '\\', rest.length) : NULL;
        struct mur_slice value = {.data = rest.data,
                                  .length = separator != NULL ? (size_t)(separator - rest.data)
                                                              : rest.length};
        add_single(content, value, element->vr);
        if (separator == NULL)
            return;
        rest.length -= value.length + 1;
        rest.data = separator + 1;
    }
}

static enum mur_status on_element(void *user, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    struct content *content = user;
    unsigned width = mur_vr_info(element->vr)->width;
    (void)error;
    if (element->tag == MUR_TAG(0x0008, 0x0001)) /* Length to End: of the encoding */
        return MUR_OK;
    bool text = mur_vr_is_text(element->vr) && is_known(element);
    add_mark(content, MARK_ELEMENT, element->tag, text ? 0 : element->length);
    if (text)
        add_text(content, element);
    else if (element->big_endian && width > 1)
        add_swapped(content, element->value, (size_t)element->length, width);
    else
        mur_xxh128_update(content->digest, element->value, (size_t)element->length);
    return MUR_OK;
}

static enum mur_status on_bulk_bytes(void *user, const struct mur_scan_element *element,
                                     const unsigned char *bytes, size_t length,
                                     struct mur_error *error)
{
    struct content *content = user;
    unsigned width = mur_vr_info(element->vr)->width;
    (void)error;
    if (element->encapsulated || !element->big_endian || width == 1) {
        mur_xxh128_update(content->digest, bytes, length);
        return MUR_OK;
    }
    while (content->cut_length > 0 && content->cut_length < width &&
           content->cut_length < sizeof content->cut && length > 0) {
        content->cut[content->cut_length++] = *bytes++;
        length--;
    }
    if (content->cut_length == width) {
        add_swapped(content, content->cut, width, width);
        content->cut_length = 0;
    }
    if (length > 0) {
        size_t whole = length - length % width;
        add_swapped(content, bytes, whole, width);
        content->cut_length = length - whole;
        memcpy(content->cut, bytes + whole, content->cut_length);
    }
    return MUR_OK;
}

static enum mur_status on_bulk(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    struct content *content = user;
    (void)error;
    mur_xxh128_update(content->digest, content->cut, content->cut_length);
    content->cut_length = 0;
    add_mark(content, MARK_BULK, element->tag, element->encapsulated ? 0 : element->length);
    return MUR_OK;
}

static enum mur_status on_fragment(void *user, const struct mur_scan_element *element,
                                   uint32_t index, uint64_t offset, uint32_t length,
                                   struct mur_error *error)
{
    (void)element;
    (void)offset;
    (void)error;
    add_mark(user, MARK_FRAGMENT, index, length);
    return MUR_OK;
}

static enum mur_status on_sequence_begin(void *user, const struct mur_scan_element *element,
                                         struct mur_error *error)
{
    (void)error;
    add_mark(user, MARK_SEQUENCE_BEGIN, element->tag, 0);
    return MUR_OK;
}

static enum mur_status on_item_begin(void *user, struct mur_error *error)
{
    (void)error;
    add_mark(user, MARK_ITEM_BEGIN, 0, 0);
    return MUR_OK;
}

static enum mur_status on_item_end(void *user, struct mur_error *error)
{
    (void)error;
    add_mark(user, MARK_ITEM_END, 0, 0);
    return MUR_OK;
}

static enum mur_status on_sequence_end(void *user, struct mur_error *error)
{
    (void)error;
    add_mark(user, MARK_SEQUENCE_END, 0, 0);
    return MUR_OK;
}

static const struct mur_scan_events events = {
    .element = on_element,
    .bulk = on_bulk,
    .bulk_bytes = on_bulk_bytes,
    .fragment = on_fragment,
    .sequence_begin = on_sequence_begin,
    .item_begin = on_item_begin,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};

/* ---- the two files ------------------------------------------------------------------------- */

struct file {
    const char *path;
    int descriptor;
    struct mur_part10 head;
};

static enum mur_status open_file(struct file *file, const char *path, struct mur_error *error)
{
    file->path = path;
    file->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (file->descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    return mur_part10_read(&file->head, file->descriptor, path, error);
}

static enum mur_status feed_scanner(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    return mur_scanner_write(user, bytes, length, error);
}

/* Digests the Data Set with its pixels decoded. @retval MUR_UNSUPPORTED they cannot be */
static enum mur_status scan_decoded(const struct file *file, struct content *content,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    struct mur_measure size = {.length = 0};
    enum mur_status status =
        mur_measure_file(&size, file->descriptor, file->head.offset, file->head.transfer_syntax,
                         UNFOLDED_LIMIT, file->path, error);
    if (status == MUR_OK && mur_measure_decoded(&size) > UNFOLDED_LIMIT)
        status = mur_error_set(error, MUR_LIMIT, "%s: too large to be decoded", file->path);
    if (status == MUR_OK)
        status = mur_dataset_load(&dataset, file->path, MUR_WHOLE, error);
    if (status == MUR_OK)
        status =
            mur_scanner_create(&scanner, mur_uid_ExplicitVRLittleEndian, &events, content, error);
    struct mur_sink sink = {.write = feed_scanner, .user = scanner};
    if (status == MUR_OK)
        status = mur_dataset_write(dataset, mur_uid_ExplicitVRLittleEndian, sink, error);
    return status == MUR_OK ? mur_scanner_finish(scanner, error) : status;
}

static enum mur_status digest_file(uint8_t out[MUR_XXH128_SIZE], const struct file *file,
                                   bool decode, struct mur_error *error)
{
    MUR_AUTO(mur_xxh128) *digest = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_xxh128_create(&digest, error);
    if (status != MUR_OK)
        return status;
    struct content content = {.digest = digest, .cut_length = 0};
    if (decode) {
        status = scan_decoded(file, &content, error);
    } else {
        status = mur_scanner_create(&scanner, file->head.transfer_syntax, &events, &content, error);
        if (status == MUR_OK)
            mur_scanner_limit_inflated(scanner, UNFOLDED_LIMIT);
        if (status == MUR_OK)
            status =
                mur_scanner_read(scanner, file->descriptor, file->head.offset, file->path, error);
    }
    if (status == MUR_OK)
        mur_xxh128_finish(out, digest);
    return status;
}

static bool is_encapsulated(const struct file *file)
{
    return (mur_transfer_syntax_flags(file->head.transfer_syntax) & MUR_TS_ENCAPSULATED) != 0;
}

enum mur_status mur_dataset_same_content(bool *same, const char *path_a, const char *path_b,
                                         struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor_a = -1;
    MUR_AUTO_CLOSE int descriptor_b = -1;
    struct file a;
    struct file b;
    enum mur_status status = open_file(&a, path_a, error);
    descriptor_a = a.descriptor;
    if (status != MUR_OK)
        return status;
    status = open_file(&b, path_b, error);
    descriptor_b = b.descriptor;
    if (status != MUR_OK)
        return status;

    bool differ = strcmp(a.head.transfer_syntax, b.head.transfer_syntax) != 0;
    uint8_t digest_a[MUR_XXH128_SIZE];
    uint8_t digest_b[MUR_XXH128_SIZE];
    struct mur_error reason = MUR_ERROR_INIT;
    status = digest_file(digest_a, &a, differ && is_encapsulated(&a), &reason);
    if (status == MUR_OK)
        status = digest_file(digest_b, &b, differ && is_encapsulated(&b), &reason);
    /* Pixels that cannot be decoded here, or that unfold to too much. */
    if (status == MUR_UNSUPPORTED || status == MUR_LIMIT) {
        *same = false;
        return MUR_OK;
    }
    if (status == MUR_OK)
        *same = memcmp(digest_a, digest_b, sizeof digest_a) == 0;
    else if (error != NULL)
        *error = reason;
    return status;
}
