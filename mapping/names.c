#include "mapping/names.h"

#include <ctype.h>

#include "core/builtin.h"

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
