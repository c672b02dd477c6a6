/* Files as whole Data Sets, by DCMTK behind the scanner, with its codecs: read, looked at, changed,
 * and written in the other transfer syntaxes. */
#include "core/json_write.h"
#include "dicom/data_set.h"
#include "dicom/part10.h"
#include "dicom/transfer_syntax.h"
#include "fuzz.h"

enum { PIXEL_LIMIT = 1024 * 1024, ELEMENTS = 200, DEPTH = 64 };

/* Values of a VR that nobody knows are copied as they stand, and may mean anything elsewhere. */
static bool has_unknown;

static void look_at(struct mur_dataset *dataset, unsigned depth);

struct tags {
    uint32_t tags[ELEMENTS];
    size_t count;
};

static enum mur_status note(void *user, const struct mur_dataset_element *element,
                            struct mur_error *error)
{
    (void)error;
    struct tags *seen = user;
    has_unknown = has_unknown || element->vr == MUR_VR_UN || element->vr == MUR_VR_NONE;
    if (seen->count < ELEMENTS)
        seen->tags[seen->count++] = element->tag;
    return MUR_OK;
}

static void look_at_element(struct mur_dataset *dataset, uint32_t tag, unsigned depth)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *text = NULL;
    const char *string = NULL;
    const uint8_t *bytes = NULL;
    const uint16_t *words = NULL;
    size_t count = 0, length = 0;
    double number = 0;
    int64_t whole = 0;
    fuzz_check_status(mur_dataset_get_string(&string, dataset, tag, &error), &error);
    fuzz_check_status(mur_dataset_get_text(&text, dataset, tag, &error), &error);
    fuzz_check_status(mur_dataset_get_count(&count, dataset, tag, &error), &error);
    for (size_t i = 0; i < count && i < 4; i++) {
        fuzz_check_status(mur_dataset_get_double(&number, dataset, tag, i, &error), &error);
        fuzz_check_status(mur_dataset_get_int(&whole, dataset, tag, i, &error), &error);
    }
    fuzz_check_status(mur_dataset_get_bytes(&bytes, &length, dataset, tag, &error), &error);
    fuzz_check_status(mur_dataset_get_words(&words, &length, dataset, tag, &error), &error);
    if (mur_dataset_vr(dataset, tag) != MUR_VR_SQ ||
        mur_dataset_item_count(&count, dataset, tag, &error) != MUR_OK)
        return;
    for (size_t i = 0; i < count && i < 4; i++) {
        struct mur_dataset *item = NULL;
        enum mur_status status = mur_dataset_get_item(&item, dataset, tag, i, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
        look_at(item, depth + 1);
    }
}

static void look_at(struct mur_dataset *dataset, unsigned depth)
{
    struct tags seen = {.count = 0};
    struct mur_error error = MUR_ERROR_INIT;
    fuzz_check(depth <= DEPTH, "deeper than the scanner lets pass");
    fuzz_check_status(mur_dataset_each(dataset, note, &seen, &error), &error);
    for (size_t i = 0; i < seen.count; i++)
        look_at_element(dataset, seen.tags[i], depth);
}

static uint64_t number(struct mur_dataset *dataset, uint32_t tag)
{
    int64_t value = 1;
    (void)!mur_dataset_get_int(&value, dataset, tag, 0, NULL);
    return value < 1 ? 1 : value > PIXEL_LIMIT ? PIXEL_LIMIT + 1 : (uint64_t)value;
}

/* Who decodes has made sure that there is memory for it: scp/transcode.c. */
static bool is_small(struct mur_dataset *dataset)
{
    const uint32_t tags[] = {MUR_TAG_Rows, MUR_TAG_Columns, MUR_TAG_SamplesPerPixel,
                             MUR_TAG_BitsAllocated, MUR_TAG_NumberOfFrames};
    uint64_t product = 1;
    for (size_t i = 0; i < MUR_COUNT(tags) && product <= PIXEL_LIMIT; i++)
        product *= number(dataset, tags[i]);
    return product <= PIXEL_LIMIT;
}

static void write_as(struct mur_dataset *dataset, const char *transfer_syntax)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *again = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    if (!mur_dataset_can_write(dataset, transfer_syntax))
        return;
    enum mur_status status = mur_dataset_encode(&bytes, dataset, transfer_syntax, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    status = mur_dataset_read(&again, bytes.data, bytes.length, transfer_syntax, &error);
    /* Without VRs the dictionary decides, whatever VR stood there before. */
    bool may_differ = has_unknown || transfer_syntax == mur_uid_ImplicitVRLittleEndian;
    fuzz_check(status == MUR_OK || may_differ, "what was written as %s is not read: %s",
               mur_transfer_syntax_name(transfer_syntax), error.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mur_part10 head;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_part10_parse(&head, data, size, "input", &error) != MUR_OK)
        return 0;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO(mur_dataset) *clone = NULL;
    enum mur_status status = mur_dataset_read(
        &dataset, data + head.offset, size - (size_t)head.offset, head.transfer_syntax, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    has_unknown = false;
    look_at(dataset, 0);
    status = mur_dataset_clone(&clone, dataset, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    if (!is_small(dataset))
        return 0;
    static const char *const others[] = {
        mur_uid_ImplicitVRLittleEndian, mur_uid_ExplicitVRLittleEndian, mur_uid_ExplicitVRBigEndian,
        mur_uid_DeflatedExplicitVRLittleEndian};
    for (size_t i = 0; i < MUR_COUNT(others); i++)
        write_as(dataset, others[i]);
    fuzz_check_status(mur_dataset_set_utf8(clone, &error), &error);
    write_as(clone, head.transfer_syntax);
    return 0;
}
