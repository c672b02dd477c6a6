#include <stdlib.h>
#include <string.h>

#include "mapping/internal.h"

bool mur_keys_match(const struct mur_keys *patterns, const char *folded)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (mur_wildcard_match(mur_slice_of(patterns->items[i]), mur_slice_of(folded)))
            return true;
    return false;
}

bool mur_keys_have(const struct mur_keys *keys, const char *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->items[i], key) == 0)
            return true;
    return false;
}

const struct mur_unit *mur_mapping_unit(const struct mur_mapping *mapping, struct mur_slice name)
{
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *key = NULL;
    if (mur_slice_trim(name).length == 0 || mur_text_fold(&key, mur_slice_trim(name), &ignored))
        return NULL;
    for (size_t i = 0; i < mapping->unit_count; i++)
        if (mur_keys_have(&mapping->units[i].names, key))
            return &mapping->units[i];
    return NULL;
}

const struct mur_unit *mur_mapping_split_unit(struct mur_slice *base,
                                              const struct mur_mapping *mapping, const char *name)
{
    size_t length = strlen(name);
    if (!mapping->units_in_names || length < 4)
        return NULL;
    char open = name[length - 1] == ')' ? '(' : '[';
    if (open == '[' && name[length - 1] != ']')
        return NULL;
    const char *begin = strrchr(name, open);
    if (begin == NULL || begin == name)
        return NULL;
    size_t before = (size_t)(begin - name);
    const struct mur_unit *unit =
        mur_mapping_unit(mapping, (struct mur_slice){begin + 1, length - before - 2});
    if (unit != NULL)
        *base = mur_slice_trim((struct mur_slice){name, before});
    return unit;
}

/** The last part of an accession: "NCBITaxon:10090" and ".../obo/NCBITaxon_10090" are the same. */
static const char *accession_tail(const char *accession)
{
    const char *slash = strrchr(accession, '/');
    return slash == NULL ? accession : slash + 1;
}

static enum mur_status fold_accession(char **out, const char *accession, struct mur_error *error)
{
    char *folded = NULL;
    enum mur_status status = mur_text_fold(&folded, mur_slice_of(accession_tail(accession)), error);
    if (status != MUR_OK)
        return status;
    for (char *c = folded; *c != '\0'; c++)
        if (*c == '_')
            *c = ':';
    *out = folded;
    return MUR_OK;
}

const struct mur_table_entry *mur_table_find(const struct mur_table *table, const char *value,
                                             const char *accession)
{
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *folded = NULL;
    MUR_AUTO_FREE char *term = NULL;
    if (table == NULL || mur_text_fold(&folded, mur_slice_of(value), &ignored) != MUR_OK ||
        fold_accession(&term, accession, &ignored) != MUR_OK)
        return NULL;
    for (size_t i = 0; i < table->count; i++)
        if (mur_keys_match(&table->entries[i].patterns, folded) ||
            (term[0] != '\0' && mur_keys_have(&table->entries[i].patterns, term)))
            return &table->entries[i];
    return NULL;
}
