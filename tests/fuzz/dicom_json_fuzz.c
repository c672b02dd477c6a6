/* JSON from outside, and the DICOM JSON Model as values of a Data Set. */
#include "core/json.h"
#include "core/json_write.h"
#include "dicom/data_set.h"
#include "dicom/from_text.h"
#include "dicom/json_value.h"
#include "dicom/transfer_syntax.h"
#include "fuzz.h"

enum { SIZE_LIMIT = 1024 * 1024 };

static void write_json(struct mur_buffer *out, const struct mur_json *value)
{
    struct mur_json_writer writer;
    struct mur_error error = MUR_ERROR_INIT;
    mur_json_init(&writer, mur_sink_buffer(out));
    mur_json_write_value(&writer, value);
    enum mur_status status = mur_json_finish(&writer, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
}

static struct mur_json *parse_again(const struct mur_buffer *text)
{
    struct mur_json *json = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status =
        mur_json_parse(&json, (struct mur_slice){text->data, text->length}, 8 * SIZE_LIMIT, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    return json;
}

/* What was written reads back as the same; the first reading alone may lose the sign of zero. */
static void check_written(const struct mur_json *json)
{
    MUR_AUTO_BUFFER struct mur_buffer first = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer once = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer twice = MUR_BUFFER_INIT;
    write_json(&first, json);
    MUR_AUTO(mur_json) *again = parse_again(&first);
    write_json(&once, again);
    MUR_AUTO(mur_json) *and_again = parse_again(&once);
    write_json(&twice, and_again);
    fuzz_check(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
               "it reads back as something else");
}

static bool look_at(void *user, const char *key, const struct mur_json *value)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    (void)user;
    (void)mur_json_element_vr(value);
    fuzz_check(key != NULL, "a member without a name");
    fuzz_check_status(mur_json_append_values(&text, value, &error), &error);
    mur_buffer_clear(&text);
    fuzz_check_status(mur_json_append_value(&text, value, 0, &error), &error);
    const struct mur_json *item = mur_json_item(value, 0);
    if (item != NULL)
        (void)mur_json_element(item, MUR_TAG_CodeValue);
    return true;
}

static void put(const struct mur_json *json)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO(mur_dataset) *again = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_dataset_create(&dataset, &error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(dataset, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    status = mur_dataset_put_json_items(dataset, MUR_TAG_ReferencedSeriesSequence, json, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    status = mur_dataset_encode(&bytes, dataset, mur_uid_ExplicitVRLittleEndian, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    status =
        mur_dataset_read(&again, bytes.data, bytes.length, mur_uid_ExplicitVRLittleEndian, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MUR_AUTO(mur_json) *json = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status =
        mur_json_parse(&json, (struct mur_slice){(const char *)data, size}, SIZE_LIMIT, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    check_written(json);
    for (size_t i = 0; i < mur_json_count(json); i++)
        mur_json_each(mur_json_at(json, i), look_at, NULL);
    mur_json_each(json, look_at, NULL);
    put(json);
    return 0;
}
