#include "dicom/measure.h"

#include <stdbool.h>

#include "dicom/attribute.h"
#include "dicom/scanner.h"
#include "dicom/transfer_syntax.h"

/* Of an element, an item or a fragment as DCMTK's object: some 240, and its value's allocation. */
enum { OBJECT_BYTES = 320, FACTORS = 5 };

/* What tells the size of the pixels of a level: they come before the pixels, by their tags. */
struct level {
    uint64_t factors[FACTORS];
};

struct reader {
    struct mur_measure measure;
    unsigned depth;
    struct level levels[MUR_SCAN_DEPTH + 1];
};

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static void reset(struct level *level)
{
    for (unsigned i = 0; i < FACTORS; i++)
        level->factors[i] = 1;
}

static uint64_t number_of(const struct mur_scan_element *element)
{
    int64_t value = 0;
    bool is_number = element->vr == MUR_VR_IS
                         ? mur_parse_int64(&value, mur_slice_trim(mur_scan_text(element)), 1,
                                           UINT32_MAX, NULL) == MUR_OK
                         : mur_scan_int(&value, element, 0);
    return is_number && value > 0 ? (uint64_t)value : 1;
}

static enum mur_status take_element(void *user, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    (void)error;
    struct reader *reader = user;
    uint64_t *factors = reader->levels[reader->depth].factors;
    reader->measure.held += element->length;
    switch (element->tag) {
    case MUR_TAG_SamplesPerPixel:
        factors[0] = number_of(element);
        break;
    case MUR_TAG_NumberOfFrames:
        factors[1] = number_of(element);
        break;
    case MUR_TAG_Rows:
        factors[2] = number_of(element);
        break;
    case MUR_TAG_Columns:
        factors[3] = number_of(element);
        break;
    case MUR_TAG_BitsAllocated:
        factors[4] = (number_of(element) + 7) / 8;
        break;
    default:
        break;
    }
    return MUR_OK;
}

static enum mur_status take_bulk(void *user, const struct mur_scan_element *element,
                                 struct mur_error *error)
{
    (void)error;
    struct reader *reader = user;
    if (!element->encapsulated)
        return MUR_OK;
    uint64_t pixels = 1;
    for (unsigned i = 0; i < FACTORS; i++)
        pixels = multiply(pixels, reader->levels[reader->depth].factors[i]);
    reader->measure.pixels = add(reader->measure.pixels, pixels);
    return MUR_OK;
}

static enum mur_status take_fragment(void *user, const struct mur_scan_element *element,
                                     uint32_t index, uint64_t offset, uint32_t length,
                                     struct mur_error *error)
{
    (void)element;
    (void)index;
    (void)offset;
    (void)error;
    struct reader *reader = user;
    reader->measure.objects++;
    if (length <= MUR_SCAN_VALUE)
        reader->measure.held += length;
    return MUR_OK;
}

static enum mur_status begin_item(void *user, struct mur_error *error)
{
    (void)error;
    struct reader *reader = user;
    reader->measure.objects++;
    reset(&reader->levels[++reader->depth]);
    return MUR_OK;
}

static enum mur_status end_item(void *user, struct mur_error *error)
{
    (void)error;
    struct reader *reader = user;
    reader->depth--;
    return MUR_OK;
}

enum mur_status mur_measure_file(struct mur_measure *out, int descriptor, uint64_t offset,
                                 const char *transfer_syntax, uint64_t most, const char *name,
                                 struct mur_error *error)
{
    static const struct mur_scan_events events = {
        .element = take_element,
        .bulk = take_bulk,
        .fragment = take_fragment,
        .item_begin = begin_item,
        .item_end = end_item,
    };
    struct reader reader = {.depth = 0};
    reset(&reader.levels[0]);
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_scanner_create(&scanner, transfer_syntax, &events, &reader, error);
    if (status != MUR_OK)
        return status;
    mur_scanner_limit_inflated(scanner, most);
    status = mur_scanner_read(scanner, descriptor, offset, name, error);
    if (status != MUR_OK)
        return status;
    reader.measure.length = mur_scanner_offset(scanner);
    reader.measure.objects += mur_scanner_elements(scanner);
    if ((mur_transfer_syntax_flags(transfer_syntax) & MUR_TS_DEFLATED) != 0)
        reader.measure.held = reader.measure.length;
    *out = reader.measure;
    return MUR_OK;
}

uint64_t mur_measure_loaded(const struct mur_measure *measure)
{
    return add(multiply(measure->objects, OBJECT_BYTES), measure->held);
}

uint64_t mur_measure_written(const struct mur_measure *measure)
{
    return add(multiply(measure->objects, OBJECT_BYTES), multiply(measure->length, 2));
}

uint64_t mur_measure_decoded(const struct mur_measure *measure)
{
    return add(mur_measure_written(measure), multiply(measure->pixels, 2));
}
