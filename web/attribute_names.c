#include "web/attribute_names.h"

#include <stdio.h>
#include <string.h>

#include "core/own.h"
#include "core/suggest.h"
#include "dicom/attribute.h"
#include "dicom/dictionary.h"

enum { FIRST_BLOCK = 0x10, LAST_BLOCK = 0xFF, CANDIDATES = 1024, NAME_SHOWN = 80 };

#define BLOCK_OF(tag) ((tag)&0xFFFFFF00u)

static bool is_creator(uint32_t tag)
{
    return MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= FIRST_BLOCK &&
           MUR_TAG_ELEMENT(tag) <= LAST_BLOCK;
}

bool mur_names_is_creator(const char *name)
{
    uint32_t tag = 0;
    return mur_tag_parse(&tag, mur_slice_of(name)) && is_creator(tag);
}

enum mur_status mur_names_declare(struct mur_attribute_names *names, const char *name,
                                  struct mur_slice creator, struct mur_error *error)
{
    uint32_t tag = 0;
    if (!mur_tag_parse(&tag, mur_slice_of(name)) || !is_creator(tag))
        return mur_error_set(error, MUR_INTERNAL, "%s is no private creator", name);
    uint32_t place = MUR_TAG(MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag) << 8);
    for (size_t i = 0; i < names->count; i++)
        if (names->blocks[i].place == place)
            return mur_error_set(error, MUR_INVALID, "%s is given twice", name);
    if (names->count == MUR_NAME_BLOCKS)
        return mur_error_set(error, MUR_INVALID, "more than %d private creators", MUR_NAME_BLOCKS);
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_text_copy(&text, mur_slice_trim(creator), error);
    if (status != MUR_OK)
        return status;
    uint32_t base = 0;
    const char *known = NULL;
    if (MUR_TAG_GROUP(tag) == MUR_PRIVATE_GROUP && strcmp(text, MUR_CREATOR_ISA) == 0) {
        base = MUR_PRIVATE_TAG(FIRST_BLOCK, 0);
        known = MUR_CREATOR_ISA;
    } else {
        base = BLOCK_OF(mur_private_stand_in(place, text));
        known = mur_private_creator(base);
    }
    names->blocks[names->count].place = place;
    names->blocks[names->count].base = base;
    names->blocks[names->count++].creator = known;
    return MUR_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

static enum mur_status unknown_name(struct mur_slice part, struct mur_error *error)
{
    char given[NAME_SHOWN + 1];
    char near[256];
    const char *candidates[CANDIDATES];
    (void)snprintf(given, sizeof given, "%.*s",
                   (int)mur_utf8_cut(part, part.length < NAME_SHOWN ? part.length : NAME_SHOWN),
                   part.data);
    size_t count = 0;
    const struct mur_attribute *rows = mur_attributes(&count);
    count = count < CANDIDATES ? count : CANDIDATES;
    for (size_t i = 0; i < count; i++)
        candidates[i] = rows[i].keyword;
    bool found = mur_suggest(near, sizeof near, given, candidates, count) > 0;
    return mur_error_set(error, MUR_INVALID,
                         "\"%s\" is neither an attribute nor a parameter of a "
                         "search%s%s",
                         given, found ? ": did you mean " : "", found ? near : "");
}

/* "ISAHealthStatus" */
static bool find_own(uint32_t *out, struct mur_slice part)
{
    static const char *const creators[] = {MUR_CREATOR_ISA, MUR_CREATOR_NIFTI};
    for (size_t i = 0; i < MUR_COUNT(creators); i++) {
        for (uint32_t element = 1; element <= 0xFF; element++) {
            uint32_t tag = MUR_PRIVATE_TAG(FIRST_BLOCK, element);
            const struct mur_dictionary_entry *entry = mur_dictionary_find(tag, creators[i]);
            if (entry == NULL || !mur_slice_equal(part, entry->keyword))
                continue;
            *out = i == 0 ? tag : mur_private_stand_in(tag, creators[i]);
            return true;
        }
    }
    return false;
}

/* "[MURPACS ISA 1.0]0099xx10": those of others are the dictionary's. */
static bool parse_own_with_creator(uint32_t *out, struct mur_slice part)
{
    static const char creator[] = "[" MUR_CREATOR_ISA "]";
    size_t length = sizeof creator - 1;
    if (part.length != length + 8 || memcmp(part.data, creator, length) != 0)
        return false;
    char digits[8];
    memcpy(digits, part.data + length, 8);
    memcpy(digits + 4, "10", 2);
    uint32_t tag = 0;
    if (!mur_tag_parse(&tag, (struct mur_slice){.data = digits, .length = 8}) ||
        MUR_TAG_GROUP(tag) != MUR_PRIVATE_GROUP)
        return false;
    *out = tag;
    return true;
}

/* A tag as it stands in the request to what the index has. */
static enum mur_status from_block(uint32_t *out, bool *known,
                                  const struct mur_attribute_names *names, uint32_t tag,
                                  struct mur_error *error)
{
    if (is_creator(tag)) { /* comes with what it stands for */
        *out = tag;
        *known = false;
        return MUR_OK;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (names->blocks[i].place != BLOCK_OF(tag))
            continue;
        *known = *known && names->blocks[i].base != 0;
        *out = names->blocks[i].base | (tag & 0xFFu);
        return MUR_OK;
    }
    return mur_error_set(error, MUR_INVALID,
                         "the private attribute %08X needs its creator as a parameter too: "
                         "%04X%04X=NAME",
                         (unsigned)tag, MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag) >> 8);
}

static enum mur_status parse_part(uint32_t *out, bool *known,
                                  const struct mur_attribute_names *names, struct mur_slice part,
                                  struct mur_error *error)
{
    struct mur_attribute_path path;
    uint32_t tag = 0;
    if (mur_tag_parse(&tag, part)) {
        if (MUR_TAG_IS_PRIVATE(tag))
            return from_block(out, known, names, tag, error);
        *out = tag;
        return MUR_OK;
    }
    if (parse_own_with_creator(out, part) || find_own(out, part))
        return MUR_OK;
    if (mur_attribute_path_parse(&path, part, NULL) != MUR_OK || path.depth != 1)
        return unknown_name(part, error);
    *out = path.tags[0];
    return MUR_OK;
}

/* Length up to the next dot; a creator may have dots too. */
static size_t part_length(struct mur_slice text)
{
    bool inside = false;
    for (size_t i = 0; i < text.length; i++) {
        inside = text.data[i] == '[' || (inside && text.data[i] != ']');
        if (text.data[i] == '.' && !inside)
            return i;
    }
    return text.length;
}

enum mur_status mur_names_parse(struct mur_attribute_path *out, bool *known,
                                const struct mur_attribute_names *names, struct mur_slice text,
                                struct mur_error *error)
{
    struct mur_attribute_path path = {.depth = 0};
    bool all_known = true;
    for (struct mur_slice rest = text;;) {
        struct mur_slice part = {.data = rest.data, .length = part_length(rest)};
        if (path.depth == MUR_ATTRIBUTE_DEPTH)
            return mur_error_set(error, MUR_INVALID, "\"%.*s\" is nested deeper than %d sequences",
                                 (int)(text.length < NAME_SHOWN ? text.length : NAME_SHOWN),
                                 text.data, MUR_ATTRIBUTE_DEPTH - 1);
        enum mur_status status = parse_part(&path.tags[path.depth], &all_known, names, part, error);
        if (status != MUR_OK)
            return status;
        path.depth++;
        if (part.length == rest.length)
            break;
        rest = (struct mur_slice){.data = rest.data + part.length + 1,
                                  .length = rest.length - part.length - 1};
    }
    *out = path;
    *known = all_known;
    return MUR_OK;
}

enum mur_vr mur_names_vr(const struct mur_attribute_path *path)
{
    uint32_t tag = path->tags[path->depth - 1];
    if (!MUR_TAG_IS_PRIVATE(tag))
        return mur_dictionary_vr(tag, NULL);
    const struct mur_attribute_key *key = mur_attribute_key_find(path);
    const struct mur_attribute *attribute = path->depth == 1 ? mur_attribute_find(tag) : NULL;
    if (key != NULL)
        return key->vr;
    if (attribute != NULL)
        return attribute->vr;
    const char *creator = mur_private_creator(tag);
    return mur_dictionary_vr(tag, creator != NULL ? creator : MUR_CREATOR_ISA);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool is_taken(const struct mur_attribute_names *names, uint32_t place)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->blocks[i].place == place)
            return true;
    return false;
}

enum mur_status mur_names_answer(uint32_t *out, const char **creator,
                                 struct mur_attribute_names *names, uint32_t tag,
                                 struct mur_error *error)
{
    if (!MUR_TAG_IS_PRIVATE(tag)) {
        *creator = NULL;
        *out = tag;
        return MUR_OK;
    }
    size_t at = 0;
    while (at < names->count && names->blocks[at].base != BLOCK_OF(tag))
        at++;
    if (at == MUR_NAME_BLOCKS)
        return mur_error_set(error, MUR_INVALID, "more than %d private creators", MUR_NAME_BLOCKS);
    if (at == names->count) {
        uint32_t place = MUR_TAG(MUR_TAG_GROUP(tag), FIRST_BLOCK << 8);
        while (is_taken(names, place)) /* ends: there are fewer than blocks of a group */
            place += 0x100;
        const char *other = mur_private_creator(tag);
        names->blocks[at].place = place;
        names->blocks[at].base = BLOCK_OF(tag);
        names->blocks[at].creator = other != NULL ? other : MUR_CREATOR_ISA;
        names->count++;
    }
    *creator = names->blocks[at].creator;
    *out = names->blocks[at].place | (tag & 0xFFu);
    return MUR_OK;
}
