#include "dicom/attribute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/digest.h"
#include "core/own.h"
#include "dicom/dictionary.h"

static const struct mur_attribute attributes[] = {
#define X(keyword_, group, element, vr_, level_, match_, column_)                                  \
    {.tag = MUR_TAG_##keyword_,                                                                    \
     .keyword = #keyword_,                                                                         \
     .vr = MUR_VR_##vr_,                                                                           \
     .level = MUR_LEVEL_##level_,                                                                  \
     .match = MUR_MATCH_##match_,                                                                  \
     .storage = (column_)[0] == '\0'  ? MUR_STORAGE_TABLE                                          \
                : (column_)[0] == '=' ? MUR_STORAGE_COMPUTED                                       \
                                      : MUR_STORAGE_COLUMN,                                        \
     .column = (column_)[0] == '=' ? &(column_)[1] : (column_)},
#include "dicom/attributes.def"
#undef X
};

/* VR of each tag that has a name here, for the last attribute of a path. */
enum {
#define X(keyword, group, element, vr, level, match, column) VR_##keyword = MUR_VR_##vr,
#include "dicom/attributes.def"
#undef X
#define T(keyword, group, element, vr) VR_##keyword = MUR_VR_##vr,
#include "dicom/tags.def"
#undef T
};

static const struct mur_attribute_key keys[] = {
#define P2(level_, a, b)                                                                           \
    {.path = {.depth = 2, .tags = {MUR_TAG_##a, MUR_TAG_##b}},                                     \
     .vr = (enum mur_vr)VR_##b,                                                                    \
     .level = MUR_LEVEL_##level_},
#define P3(level_, a, b, c)                                                                        \
    {.path = {.depth = 3, .tags = {MUR_TAG_##a, MUR_TAG_##b, MUR_TAG_##c}},                        \
     .vr = (enum mur_vr)VR_##c,                                                                    \
     .level = MUR_LEVEL_##level_},
#define P4(level_, a, b, c, d)                                                                     \
    {.path = {.depth = 4, .tags = {MUR_TAG_##a, MUR_TAG_##b, MUR_TAG_##c, MUR_TAG_##d}},           \
     .vr = (enum mur_vr)VR_##d,                                                                    \
     .level = MUR_LEVEL_##level_},
#include "dicom/attribute_paths.def"
#undef P2
#undef P3
#undef P4
    /* Stand-ins: a segment's value in the label map that it came from, and its volume. */
    {.path = {.depth = 2,
              .tags = {MUR_TAG_SegmentSequence, MUR_PRIVATE_TAG(0x20, MUR_NIFTI_LABEL)}},
     .vr = MUR_VR_UL,
     .level = MUR_LEVEL_SERIES},
    {.path = {.depth = 2,
              .tags = {MUR_TAG_SegmentSequence, MUR_PRIVATE_TAG(0x20, MUR_NIFTI_VOLUME_ML)}},
     .vr = MUR_VR_FD,
     .level = MUR_LEVEL_SERIES},
};

/* The tables in force: those above, or copies with what was added. */
static struct {
    const struct mur_attribute *attributes;
    size_t attribute_count;
    const struct mur_attribute_key *keys;
    size_t key_count;
    bool of_images;
    struct mur_attribute *own_attributes; /* what of the above is to be freed when it is replaced */
    struct mur_attribute_key *own_keys;
} tables = {attributes, MUR_COUNT(attributes), keys, MUR_COUNT(keys), false, NULL, NULL};

/* Creators whose private attributes have stand-ins: number n has block FIRST_STAND_IN + n. */
enum { FIRST_STAND_IN = 0x20, STAND_INS = 64 };
static struct {
    uint16_t group;
    const char *creator;
} stand_ins[STAND_INS] = {{MUR_PRIVATE_GROUP, MUR_CREATOR_NIFTI}};
static size_t stand_in_count = 1;

uint32_t mur_private_stand_in(uint32_t tag, const char *creator)
{
    for (size_t i = 0; i < stand_in_count; i++)
        if (stand_ins[i].group == MUR_TAG_GROUP(tag) && strcmp(stand_ins[i].creator, creator) == 0)
            return MUR_TAG(MUR_TAG_GROUP(tag), (FIRST_STAND_IN + (uint32_t)i) << 8 | (tag & 0xFF));
    return 0;
}

const char *mur_private_creator(uint32_t tag)
{
    size_t i = (size_t)(MUR_TAG_ELEMENT(tag) >> 8) - FIRST_STAND_IN;
    return MUR_TAG_IS_PRIVATE(tag) && i < stand_in_count && stand_ins[i].group == MUR_TAG_GROUP(tag)
               ? stand_ins[i].creator
               : NULL;
}

static unsigned digest_of(const char *creator)
{
    return (unsigned)(mur_xxh64_of(creator, strlen(creator)) & 0xFFFFFFFFu);
}

static const char *const level_names[MUR_LEVEL_COUNT] = {
    [MUR_LEVEL_PATIENT] = "PATIENT",
    [MUR_LEVEL_STUDY] = "STUDY",
    [MUR_LEVEL_SERIES] = "SERIES",
    [MUR_LEVEL_IMAGE] = "IMAGE",
};

const char *mur_level_name(enum mur_level level)
{
    return (unsigned)level < MUR_LEVEL_COUNT ? level_names[level] : "";
}

enum mur_status mur_level_parse(enum mur_level *out, struct mur_slice text, struct mur_error *error)
{
    struct mur_slice trimmed = mur_slice_trim(text);
    for (int level = 0; level < MUR_LEVEL_COUNT; level++) {
        if (mur_slice_equal(trimmed, level_names[level])) {
            *out = (enum mur_level)level;
            return MUR_OK;
        }
    }
    return mur_error_set(error, MUR_PARSE, "\"%.*s\" is not a Query/Retrieve Level",
                         (int)(trimmed.length < 64 ? trimmed.length : 64), trimmed.data);
}

const struct mur_attribute *mur_attributes(size_t *count)
{
    *count = tables.attribute_count;
    return tables.attributes;
}

const struct mur_attribute *mur_attribute_find(uint32_t tag)
{
    size_t low = 0;
    size_t high = tables.attribute_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tables.attributes[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tables.attribute_count && tables.attributes[low].tag == tag
               ? &tables.attributes[low]
               : NULL;
}

struct mur_attribute_path mur_attribute_path_of(uint32_t tag)
{
    return (struct mur_attribute_path){.depth = 1, .tags = {tag}};
}

int mur_attribute_path_compare(const struct mur_attribute_path *a,
                               const struct mur_attribute_path *b)
{
    for (unsigned i = 0; i < a->depth && i < b->depth; i++)
        if (a->tags[i] != b->tags[i])
            return a->tags[i] < b->tags[i] ? -1 : 1;
    return (a->depth > b->depth) - (a->depth < b->depth);
}

bool mur_attribute_path_equal(const struct mur_attribute_path *a,
                              const struct mur_attribute_path *b)
{
    return mur_attribute_path_compare(a, b) == 0;
}

const char *mur_attribute_path_format(char out[MUR_ATTRIBUTE_PATH_SIZE],
                                      const struct mur_attribute_path *path)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < path->depth && i < MUR_ATTRIBUTE_DEPTH; i++) {
        const char *creator = mur_private_creator(path->tags[i]);
        used += (size_t)snprintf(
            out + used, MUR_ATTRIBUTE_PATH_SIZE - used, "%s%08X", i > 0 ? "." : "",
            (unsigned)(creator != NULL ? path->tags[i] & 0xFFFF00FFu : path->tags[i]));
        if (creator != NULL)
            used += (size_t)snprintf(out + used, MUR_ATTRIBUTE_PATH_SIZE - used, "[%08X]",
                                     digest_of(creator));
    }
    return out;
}

bool mur_tag_parse(uint32_t *out, struct mur_slice text)
{
    uint32_t tag = 0;
    if (text.length != 8)
        return false;
    for (size_t i = 0; i < 8; i++) {
        char c = text.data[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else
            return false;
        tag = tag << 4 | digit;
    }
    *out = tag;
    return true;
}

/* "0029xx10" or "00291010": the block does not matter. */
static bool parse_private_tag(uint32_t *out, struct mur_slice text)
{
    char digits[8];
    if (text.length != 8)
        return false;
    memcpy(digits, text.data, 8);
    digits[4] = digits[5] = '0';
    return mur_tag_parse(out, (struct mur_slice){.data = digits, .length = 8}) &&
           MUR_TAG_IS_PRIVATE(*out);
}

/* "[ACME 1.1]0029xx10", and "00290010[3F2A91C0]" as it is formatted. */
static bool parse_private(uint32_t *out, struct mur_slice text)
{
    const char *open = memchr(text.data, '[', text.length);
    const char *close = memchr(text.data, ']', text.length);
    if (open == NULL || close == NULL || close < open)
        return false;
    const struct mur_slice creator = {.data = open + 1, .length = (size_t)(close - open) - 1};
    bool named = open == text.data;
    struct mur_slice tag_text = {.data = text.data, .length = (size_t)(open - text.data)};
    if (named)
        tag_text = (struct mur_slice){.data = close + 1,
                                      .length = text.length - (size_t)(close + 1 - text.data)};
    uint32_t tag = 0;
    uint32_t digest = 0;
    if (!parse_private_tag(&tag, tag_text) || (!named && !mur_tag_parse(&digest, creator)))
        return false;
    for (size_t i = 0; i < stand_in_count; i++) {
        if (stand_ins[i].group != MUR_TAG_GROUP(tag) ||
            (named ? !mur_slice_equal(creator, stand_ins[i].creator)
                   : digest_of(stand_ins[i].creator) != digest))
            continue;
        *out = mur_private_stand_in(tag, stand_ins[i].creator);
        return true;
    }
    return false;
}

/* Length of the part up to the next dot outside of brackets. */
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

enum mur_status mur_attribute_path_parse(struct mur_attribute_path *out, struct mur_slice text,
                                         struct mur_error *error)
{
    struct mur_attribute_path path = {.depth = 0};
    struct mur_slice rest = text;
    for (;;) {
        struct mur_slice part = {.data = rest.data, .length = part_length(rest)};
        uint32_t tag;
        if (!mur_tag_parse(&tag, part) && !mur_dictionary_tag(&tag, part) &&
            !parse_private(&tag, part))
            return mur_error_set(error, MUR_PARSE,
                                 "\"%.*s\" is neither a tag of eight hexadecimal digits nor a "
                                 "keyword of the standard",
                                 (int)(part.length < 80 ? part.length : 80), part.data);
        if (path.depth == MUR_ATTRIBUTE_DEPTH)
            return mur_error_set(error, MUR_LIMIT, "\"%.*s\" is nested deeper than %d sequences",
                                 (int)(text.length < 200 ? text.length : 200), text.data,
                                 MUR_ATTRIBUTE_DEPTH - 1);
        path.tags[path.depth++] = tag;
        if (part.length == rest.length)
            break;
        rest.data += part.length + 1;
        rest.length -= part.length + 1;
    }
    *out = path;
    return MUR_OK;
}

const struct mur_attribute_key *mur_attribute_keys(size_t *count)
{
    *count = tables.key_count;
    return tables.keys;
}

/* First row that does not sort before the path. */
static size_t key_position(const struct mur_attribute_path *path)
{
    size_t low = 0;
    size_t high = tables.key_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (mur_attribute_path_compare(&tables.keys[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct mur_attribute_key *mur_attribute_key_find(const struct mur_attribute_path *path)
{
    size_t at = key_position(path);
    return at < tables.key_count && mur_attribute_path_equal(&tables.keys[at].path, path)
               ? &tables.keys[at]
               : NULL;
}

bool mur_attribute_key_below(const struct mur_attribute_path *path)
{
    size_t at = key_position(path); /* a path sorts before those that it begins */
    return at < tables.key_count && tables.keys[at].path.depth > path->depth &&
           memcmp(tables.keys[at].path.tags, path->tags, path->depth * sizeof path->tags[0]) == 0;
}

/* ---- attributes that a site adds ------------------------------------------------------------- */

static enum mur_status add_attribute(const struct mur_attribute_path *path, enum mur_vr vr,
                                     enum mur_level level, struct mur_error *error)
{
    if (mur_attribute_find(path->tags[0]) != NULL &&
        mur_attribute_find(path->tags[0])->level != MUR_LEVEL_IMAGE)
        return MUR_OK; /* it can be asked for already */
    struct mur_attribute *copy = calloc(tables.attribute_count + 1, sizeof *copy);
    if (copy == NULL)
        return mur_error_no_memory(error);
    const struct mur_attribute added = {.tag = path->tags[0],
                                        .keyword = mur_private_creator(path->tags[0]) != NULL
                                                       ? mur_private_creator(path->tags[0])
                                                       : mur_dictionary_keyword(path->tags[0]),
                                        .vr = vr,
                                        .level = level,
                                        .match = MUR_MATCH_OPTIONAL,
                                        .storage = MUR_STORAGE_TABLE,
                                        .column = "",
                                        .added = true};
    size_t count = 0;
    bool placed = false;
    for (size_t i = 0; i < tables.attribute_count; i++) {
        if (!placed && tables.attributes[i].tag >= added.tag) {
            copy[count++] = added;
            placed = true;
        }
        if (tables.attributes[i].tag != added.tag)
            copy[count++] = tables.attributes[i];
    }
    if (!placed)
        copy[count++] = added;
    free(tables.own_attributes);
    tables.own_attributes = copy;
    tables.attributes = copy;
    tables.attribute_count = count;
    return MUR_OK;
}

static enum mur_status add_key(const struct mur_attribute_path *path, enum mur_vr vr,
                               enum mur_level level, struct mur_error *error)
{
    if (mur_attribute_key_find(path) != NULL)
        return MUR_OK;
    struct mur_attribute_key *copy = calloc(tables.key_count + 1, sizeof *copy);
    if (copy == NULL)
        return mur_error_no_memory(error);
    size_t at = key_position(path);
    memcpy(copy, tables.keys, at * sizeof *copy);
    copy[at] = (struct mur_attribute_key){.path = *path, .vr = vr, .level = level, .added = true};
    memcpy(copy + at + 1, tables.keys + at, (tables.key_count - at) * sizeof *copy);
    free(tables.own_keys);
    tables.own_keys = copy;
    tables.keys = copy;
    tables.key_count++;
    return MUR_OK;
}

/* Gives the creators that are named their stand-ins; they live as long as the process. */
static enum mur_status name_creators(struct mur_slice item, struct mur_error *error)
{
    enum { LO_BYTES = 64 * 4 };
    for (;;) {
        const char *open = item.length > 0 ? memchr(item.data, '[', item.length) : NULL;
        if (open == NULL)
            return MUR_OK;
        size_t before = (size_t)(open - item.data) + 1;
        struct mur_slice rest = {.data = open + 1, .length = item.length - before};
        const char *close = rest.length > 0 ? memchr(rest.data, ']', rest.length) : NULL;
        size_t length = close != NULL ? (size_t)(close - rest.data) : 0;
        uint32_t tag = 0;
        struct mur_slice after = {.data = rest.data + length + 1, .length = 8};
        if (length == 0 || length > LO_BYTES || rest.length < length + 9 ||
            !parse_private_tag(&tag, after))
            return mur_error_set(error, MUR_INVALID,
                                 "\"%.*s\": a private attribute is written as [CREATOR]ggggxxee",
                                 (int)item.length, item.data);
        MUR_AUTO_FREE char *creator = NULL;
        enum mur_status status =
            mur_text_copy(&creator, (struct mur_slice){.data = rest.data, .length = length}, error);
        if (status == MUR_OK && strcmp(creator, MUR_CREATOR_ISA) == 0)
            return mur_error_set(error, MUR_INVALID, "%s can be asked for as it is", creator);
        if (status == MUR_OK && mur_private_stand_in(tag, creator) == 0) {
            if (stand_in_count == STAND_INS)
                return mur_error_set(error, MUR_INVALID, "more than %d creators", STAND_INS);
            stand_ins[stand_in_count].group = MUR_TAG_GROUP(tag);
            stand_ins[stand_in_count++].creator = MUR_STEAL(creator);
        }
        if (status != MUR_OK)
            return status;
        item =
            (struct mur_slice){.data = rest.data + length + 9, .length = rest.length - length - 9};
    }
}

/* "/DS" at the end of a private attribute. */
static enum mur_status take_vr(enum mur_vr *vr, struct mur_slice *item, struct mur_error *error)
{
    *vr = MUR_VR_LO;
    if (item->length < 3 || item->data[item->length - 3] != '/')
        return MUR_OK;
    const char name[3] = {item->data[item->length - 2], item->data[item->length - 1], '\0'};
    *vr = mur_vr_from_name(name);
    item->length -= 3;
    return *vr != MUR_VR_NONE && *vr != MUR_VR_UN
               ? MUR_OK
               : mur_error_set(error, MUR_INVALID, "\"%s\" is no VR", name);
}

/* "image:EchoTime" */
static enum mur_status extend(struct mur_slice item, struct mur_error *error)
{
    enum mur_level level = MUR_LEVEL_SERIES;
    const char *bracket = memchr(item.data, '[', item.length);
    const char *colon = memchr(item.data, ':', item.length);
    if (colon != NULL && (bracket == NULL || colon < bracket)) {
        size_t length = (size_t)(colon - item.data);
        int found = -1;
        for (int i = 0; i < MUR_LEVEL_COUNT; i++)
            if (strlen(level_names[i]) == length &&
                strncasecmp(level_names[i], item.data, length) == 0)
                found = i;
        if (found < 0)
            return mur_error_set(error, MUR_INVALID,
                                 "\"%.*s\": the level is patient, study, series or image",
                                 (int)item.length, item.data);
        level = (enum mur_level)found;
        item = (struct mur_slice){.data = colon + 1, .length = item.length - length - 1};
    }
    struct mur_attribute_path path;
    enum mur_vr private_vr = MUR_VR_LO;
    enum mur_status status = take_vr(&private_vr, &item, error);
    if (status == MUR_OK)
        status = name_creators(item, error);
    if (status != MUR_OK)
        return status;
    if (mur_attribute_path_parse(&path, item, error) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "%s", error != NULL ? error->message : "");
    uint32_t last = path.tags[path.depth - 1];
    enum mur_vr vr = mur_private_creator(last) != NULL ? private_vr : mur_dictionary_vr(last, NULL);
    if ((MUR_TAG_IS_PRIVATE(last) && mur_private_creator(last) == NULL) || vr == MUR_VR_UN ||
        vr == MUR_VR_NONE)
        return mur_error_set(error, MUR_INVALID,
                             "\"%.*s\" has no VR in the dictionary; a private attribute needs its "
                             "creator: [CREATOR]ggggxxee",
                             (int)item.length, item.data);
    tables.of_images = tables.of_images || level == MUR_LEVEL_IMAGE;
    return path.depth == 1 ? add_attribute(&path, vr, level, error)
                           : add_key(&path, vr, level, error);
}

enum mur_status mur_attributes_extend(const char *list, struct mur_error *error)
{
    static const char separators[] = ", \t\n";
    enum mur_status status = MUR_OK;
    for (const char *at = list; status == MUR_OK;) {
        at += strspn(at, separators);
        size_t length = 0;
        bool inside = false; /* a creator may have blanks and commas */
        for (; at[length] != '\0'; length++) {
            if (!inside && strchr(separators, at[length]) != NULL)
                break;
            inside = at[length] == '[' || (inside && at[length] != ']');
        }
        if (length == 0)
            break;
        status = extend((struct mur_slice){.data = at, .length = length}, error);
        at += length;
    }
    return status;
}

bool mur_attributes_of_images_added(void)
{
    return tables.of_images;
}
