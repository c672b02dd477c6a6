#include "db/query.h"

#include <stdlib.h>
#include <string.h>

#include "dicom/dictionary.h"

void mur_query_free(struct mur_query *query)
{
    if (query == NULL)
        return;
    for (size_t i = 0; i < query->key_count; i++)
        free(query->keys[i].text);
    free(query->keys);
    query->keys = NULL;
    query->key_count = 0;
    query->text_length = 0;
}

/* UIDs are bound as one list, however many; each other value is a part of the statement's text, in
 * which SQLite takes no more than a thousand beside each other. */
static bool has_too_many_values(const struct mur_attribute_path *path, enum mur_vr vr,
                                struct mur_slice text)
{
    /* Elements of our block that no dictionary knows are taken for LO (cell_condition.c). */
    if ((vr == MUR_VR_UN || vr == MUR_VR_NONE) &&
        mur_is_isa_element(path->tags[path->depth > 0 ? path->depth - 1 : 0]))
        vr = MUR_VR_LO;
    if (!mur_vr_info(vr)->multi || vr == MUR_VR_SQ ||
        (vr == MUR_VR_UI && path->tags[0] != MUR_TAG_SOPClassesInStudy))
        return false;
    size_t count = 1;
    for (size_t i = 0; i < text.length; i++)
        count += text.data[i] == '\\';
    return count > MUR_QUERY_VALUES;
}

enum mur_status mur_query_add(struct mur_query *query, const struct mur_attribute_path *path,
                              enum mur_vr vr, struct mur_slice text, bool returned,
                              struct mur_error *error)
{
    if (query->key_count >= MUR_QUERY_KEYS)
        return mur_error_set(error, MUR_LIMIT, "more than %d keys", MUR_QUERY_KEYS);
    if (text.length > MUR_QUERY_TEXT - query->text_length)
        return mur_error_set(error, MUR_LIMIT, "keys of more than %d bytes", MUR_QUERY_TEXT);
    if (has_too_many_values(path, vr, text))
        return mur_error_set(error, MUR_LIMIT, "more than %d values in a key", MUR_QUERY_VALUES);
    struct mur_query_key *keys = realloc(query->keys, (query->key_count + 1) * sizeof *keys);
    if (keys == NULL)
        return mur_error_no_memory(error);
    query->keys = keys;
    char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_trim(text), error);
    if (status != MUR_OK)
        return status;
    keys[query->key_count++] =
        (struct mur_query_key){.path = *path, .vr = vr, .text = copy, .returned = returned};
    query->text_length += text.length;
    return MUR_OK;
}

bool mur_is_isa_element(uint32_t tag)
{
    return (tag & 0xFFFFFF00u) == MUR_PRIVATE_TAG(0x10, 0);
}

/* Of our own block; that of others never gets here. */
static enum mur_key_support private_support(const struct mur_attribute_path *path)
{
    unsigned element = path->tags[0] & 0xFFu;
    unsigned inner = path->tags[path->depth - 1] & 0xFFu;
    bool sequence = element == MUR_ISA_ATTRIBUTE_SEQUENCE;
    if (path->depth == 1 && sequence)
        return MUR_KEY_RETURNED;
    bool supported = path->depth == 1
                         ? element == MUR_ISA_ATTRIBUTE || (element >= 0x10 && element <= 0x7F)
                         : sequence && path->depth == 2 && inner >= MUR_ISA_ATTRIBUTE_KIND &&
                               inner <= MUR_ISA_ATTRIBUTE_UNIT;
    return supported ? MUR_KEY_MATCHED : MUR_KEY_IGNORED;
}

enum mur_key_support mur_query_key_support(const struct mur_query *query, size_t key)
{
    const struct mur_attribute_path *path = &query->keys[key].path;
    if (mur_is_isa_element(path->tags[0]))
        return private_support(path);
    if (path->depth > 1) {
        const struct mur_attribute_key *nested = mur_attribute_key_find(path);
        return nested != NULL && nested->level <= query->level ? MUR_KEY_MATCHED : MUR_KEY_IGNORED;
    }
    const struct mur_attribute *attribute = mur_attribute_find(path->tags[0]);
    if (attribute == NULL)
        return query->level == MUR_LEVEL_IMAGE ? MUR_KEY_RETURNED : MUR_KEY_IGNORED;
    if (attribute->level > query->level)
        return MUR_KEY_IGNORED;
    switch (attribute->storage) {
    case MUR_STORAGE_COLUMN:
        return MUR_KEY_MATCHED;
    case MUR_STORAGE_COMPUTED:
        return attribute->tag == MUR_TAG_ModalitiesInStudy ||
                       attribute->tag == MUR_TAG_SOPClassesInStudy
                   ? MUR_KEY_MATCHED
                   : MUR_KEY_RETURNED;
    case MUR_STORAGE_TABLE:
        return (attribute->level == MUR_LEVEL_IMAGE && !attribute->added) ||
                       attribute->vr == MUR_VR_SQ
                   ? MUR_KEY_RETURNED
                   : MUR_KEY_MATCHED;
    }
    return MUR_KEY_IGNORED;
}
