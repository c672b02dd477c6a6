#include "dicom/from_text.h"

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/json_value.h"

enum { VALUE_LIMIT = 65536 };

static bool holds_whole_numbers(enum mur_vr vr)
{
    return vr == MUR_VR_US || vr == MUR_VR_SS || vr == MUR_VR_UL || vr == MUR_VR_SL ||
           vr == MUR_VR_UV || vr == MUR_VR_SV;
}

static enum mur_status put_numbers(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                   const char *text, struct mur_error *error)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == '\\' ? 1 : 0;
    if (count > VALUE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d numbers", VALUE_LIMIT);
    MUR_AUTO_FREE double *reals = calloc(count, sizeof *reals);
    MUR_AUTO_FREE int64_t *integers = calloc(count, sizeof *integers);
    if (reals == NULL || integers == NULL)
        return mur_error_no_memory(error);
    bool whole = holds_whole_numbers(vr);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        struct mur_slice one =
            mur_slice_trim((struct mur_slice){.data = text, .length = strcspn(text, "\\")});
        text += strcspn(text, "\\") + 1;
        status = whole ? mur_parse_int64(&integers[i], one, INT64_MIN, INT64_MAX, error)
                       : mur_parse_double(&reals[i], one, error);
    }
    if (status != MUR_OK)
        return status;
    return whole ? mur_dataset_put_ints(dataset, tag, vr, integers, count, error)
                 : mur_dataset_put_doubles(dataset, tag, vr, reals, count, error);
}

enum mur_status mur_dataset_put_any_text(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                         const char *text, struct mur_error *error)
{
    if (text[0] == '\0')
        return mur_dataset_put_empty(dataset, tag, vr, error);
    if (mur_vr_is_text(vr))
        return mur_dataset_put_string(dataset, tag, vr, text, error);
    if (vr == MUR_VR_FD || vr == MUR_VR_FL || holds_whole_numbers(vr))
        return put_numbers(dataset, tag, vr, text, error);
    return mur_error_set(error, MUR_UNSUPPORTED, "values of VR %s have no text", mur_vr_name(vr));
}

struct filling {
    struct mur_dataset *item;
    enum mur_status status;
    struct mur_error *error;
};

/* Neither a command's, a file's, nor what bounds items (PS3.5 7.1). */
static bool is_of_data_set(uint32_t tag)
{
    return MUR_TAG_GROUP(tag) >= 0x0004 && MUR_TAG_GROUP(tag) != 0xFFFE;
}

static bool put_member(void *user, const char *key, const struct mur_json *value)
{
    struct filling *filling = user;
    struct mur_attribute_path path;
    enum mur_vr vr = mur_json_element_vr(value);
    filling->status = mur_attribute_path_parse(&path, mur_slice_of(key), filling->error);
    if (filling->status == MUR_OK && (path.depth != 1 || !is_of_data_set(path.tags[0])))
        filling->status =
            mur_error_set(filling->error, MUR_PARSE, "%s is no element of a Data Set", key);
    if (filling->status != MUR_OK)
        return false; /* the message has the key */
    if (path.depth != 1) {
        filling->status = mur_error_set(filling->error, MUR_PARSE, "%s: sequences are nested", key);
        return false;
    }
    if (vr == MUR_VR_NONE)
        vr = mur_dictionary_vr(path.tags[0], NULL);
    const struct mur_json *items = mur_json_get(value, "Value");
    if (vr == MUR_VR_SQ && items != NULL) {
        filling->status =
            mur_dataset_put_json_items(filling->item, path.tags[0], items, filling->error);
    } else if (mur_json_get(value, "InlineBinary") != NULL ||
               mur_json_get(value, "BulkDataURI") != NULL) {
        filling->status = mur_error_set(filling->error, MUR_UNSUPPORTED, "%s holds bytes", key);
    } else {
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        if (vr != MUR_VR_SQ)
            filling->status = mur_json_append_values(&text, value, filling->error);
        if (filling->status == MUR_OK)
            filling->status = mur_dataset_put_any_text(filling->item, path.tags[0], vr,
                                                       mur_buffer_text(&text), filling->error);
    }
    if (filling->status != MUR_OK)
        (void)mur_error_prefix(filling->error, "%s", key);
    return filling->status == MUR_OK;
}

enum mur_status mur_dataset_put_json_items(struct mur_dataset *dataset, uint32_t tag,
                                           const struct mur_json *items, struct mur_error *error)
{
    if (mur_json_type(items) != MUR_JSON_ARRAY)
        return mur_error_set(error, MUR_PARSE, "a sequence is not an array of items");
    enum mur_status status = mur_dataset_put_empty(dataset, tag, MUR_VR_SQ, error);
    for (size_t i = 0; status == MUR_OK && i < mur_json_count(items); i++) {
        struct filling filling = {.error = error};
        status = mur_dataset_append_item(&filling.item, dataset, tag, error);
        if (status == MUR_OK) { /* depth: the parser has limited it */
            filling.status = MUR_OK;
            mur_json_each(mur_json_at(items, i), put_member, &filling);
            status = filling.status;
        }
    }
    return status;
}

static bool put_top_member(void *user, const char *key, const struct mur_json *value)
{
    struct mur_attribute_path path;
    bool is_character_set = mur_attribute_path_parse(&path, mur_slice_of(key), NULL) == MUR_OK &&
                            path.tags[0] == MUR_TAG_SpecificCharacterSet;
    return is_character_set || put_member(user, key, value);
}

enum mur_status mur_dataset_put_json_elements(struct mur_dataset *dataset,
                                              const struct mur_json *object,
                                              struct mur_error *error)
{
    if (mur_json_type(object) != MUR_JSON_OBJECT)
        return mur_error_set(error, MUR_PARSE, "not an object of elements (PS3.18 F.2)");
    struct filling filling = {.item = dataset, .status = MUR_OK, .error = error};
    mur_json_each(object, put_top_member, &filling);
    return filling.status;
}
