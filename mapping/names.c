#include "mapping/names.h"

#include <ctype.h>

#include "core/builtin.h"
#include "dicom/dictionary.h"

enum mur_status mur_mapping_tree(struct mur_config_tree **out, const char *path, const char *name,
                                 struct mur_error *error)
{
    if (path[0] != '\0')
        return mur_config_tree_load(out, path, error);
    return mur_config_tree_parse(out, mur_builtin_text(name), name, error);
}

enum mur_status mur_mapping_key(char **out, struct mur_slice name, struct mur_error *error)
{
    char *key = NULL;
    enum mur_status status = mur_text_fold(&key, mur_slice_trim(name), error);
    if (status != MUR_OK)
        return status;
    bool only_punctuation = true;
    for (const char *c = key; *c != '\0'; c++)
        only_punctuation = only_punctuation && (unsigned char)*c < 0x80 && !isalnum(*c);
    char *to = key;
    for (const char *c = key; *c != '\0'; c++)
        if (only_punctuation || (unsigned char)*c >= 0x80 || isalnum(*c))
            *to++ = *c;
    *to = '\0';
    *out = key;
    return MUR_OK;
}

const char *mur_mapping_attribute_name(const struct mur_attribute_path *path, unsigned at,
                                       char buffer[MUR_ATTRIBUTE_PATH_SIZE])
{
    uint32_t tag = path->tags[at];
    const struct mur_dictionary_entry *entry =
        MUR_TAG_IS_PRIVATE(tag) ? mur_dictionary_find(tag | 0x1000, MUR_CREATOR_ISA)
                                : mur_dictionary_find(tag, NULL);
    return entry != NULL ? entry->keyword : mur_attribute_path_format(buffer, path);
}
