#include "converters/nrrd_segments.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"

enum {
    PAIR_LIMIT = 1000000,
    LABEL_CHARACTERS = 64, /* Segment Label is an LO */
    CODE_PARTS = 3,
};

void mur_nrrd_pairs_free(struct mur_nrrd_pairs *pairs)
{
    free(pairs->items);
    *pairs = (struct mur_nrrd_pairs){.items = NULL};
}

void mur_nrrd_segment_free(struct mur_nrrd_segment *segment)
{
    free(segment->name);
    free(segment->codes);
}

enum mur_status mur_nrrd_pairs_add(struct mur_nrrd_pairs *pairs, struct mur_slice key,
                                   struct mur_slice value, const char *path,
                                   struct mur_error *error)
{
    static const char prefix[] = "Segment";
    size_t begin = sizeof prefix - 1, end = begin;
    if (key.length <= begin || memcmp(key.data, prefix, begin) != 0)
        return MUR_OK;
    while (end < key.length && key.data[end] >= '0' && key.data[end] <= '9')
        end++;
    if (end == begin || end == key.length || key.data[end] != '_')
        return MUR_OK; /* Segmentation_... and others */
    uint64_t number = 0;
    if (mur_parse_uint64(&number, (struct mur_slice){key.data + begin, end - begin}, 0,
                         MUR_NRRD_SEGMENT_LIMIT - 1, NULL) != MUR_OK ||
        pairs->count == PAIR_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: more than %d segments", path,
                             MUR_NRRD_SEGMENT_LIMIT);
    if (pairs->count == pairs->capacity) {
        size_t capacity = pairs->capacity == 0 ? 64 : pairs->capacity * 2;
        struct mur_nrrd_pair *items = reallocarray(pairs->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        pairs->items = items;
        pairs->capacity = capacity;
    }
    pairs->items[pairs->count++] = (struct mur_nrrd_pair){
        .segment = (unsigned)number,
        .key = {.data = key.data + end + 1, .length = key.length - end - 1},
        .value = value,
    };
    return MUR_OK;
}

/* Text of a value: escapes undone, UTF-8, at most @p characters. */
static enum mur_status read_text(char **out, struct mur_slice value, size_t characters,
                                 struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_utf8_valid(value) ? mur_text_copy(&text, value, error)
                                                   : mur_utf8_from_cp1252(&text, value, error);
    if (status != MUR_OK)
        return status;
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\\' && (from[1] == 'n' || from[1] == '\\'))
            *to++ = *++from == 'n' ? ' ' : '/'; /* a backslash would divide values */
        else
            *to++ = *from == '\\' || (unsigned char)*from < ' ' ? '_' : *from;
    }
    struct mur_slice made = mur_slice_trim((struct mur_slice){text, (size_t)(to - text)});
    while (mur_utf8_count(made) > characters)
        made.length = mur_utf8_cut(made, made.length - 1);
    return mur_text_copy(out, made, error);
}

static enum mur_status read_color(struct mur_nrrd_segment *segment, struct mur_slice value,
                                  const char *path, struct mur_error *error)
{
    struct mur_slice rest = value;
    for (unsigned part = 0; part < 3; part++) {
        rest = mur_slice_trim(rest);
        size_t length = 0;
        while (length < rest.length && rest.data[length] != ' ')
            length++;
        double level = 0;
        if (mur_parse_double(&level, (struct mur_slice){rest.data, length}, NULL) != MUR_OK ||
            level < 0 || level > 1)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: colour \"%.*s\" is no three numbers from 0 to 1", path,
                                 value.length < 60 ? (int)value.length : 60, value.data);
        segment->rgb[part] = (uint8_t)lrint(level * 255);
        rest.data += length;
        rest.length -= length;
    }
    segment->has_rgb = true;
    return MUR_OK;
}

/* "SCT^10200004^Liver" in place; anything else gives none. */
static struct mur_code cut_code(char *text)
{
    char *parts[CODE_PARTS] = {text, NULL, NULL};
    for (unsigned part = 1; part < CODE_PARTS; part++) {
        char *mark = strchr(parts[part - 1], '^');
        if (mark == NULL)
            return (struct mur_code){.value = NULL};
        *mark = '\0';
        parts[part] = mark + 1;
    }
    if (parts[0][0] == '\0' || parts[1][0] == '\0' || parts[2][0] == '\0')
        return (struct mur_code){.value = NULL};
    return (struct mur_code){.value = parts[1], .scheme = parts[0], .meaning = parts[2]};
}

/* Tags: "...|TerminologyEntry:context~category~type~modifier~context~region~modifier|..." */
static enum mur_status read_tags(struct mur_nrrd_segment *segment, struct mur_slice value,
                                 struct mur_error *error)
{
    static const char mark[] = "TerminologyEntry:";
    const char *found = memmem(value.data, value.length, mark, sizeof mark - 1);
    if (found == NULL || !mur_utf8_valid(value))
        return MUR_OK;
    struct mur_slice entry = {.data = found + sizeof mark - 1};
    entry.length = value.length - (size_t)(entry.data - value.data);
    const char *end = memchr(entry.data, '|', entry.length);
    if (end != NULL)
        entry.length = (size_t)(end - entry.data);
    enum mur_status status = mur_text_copy(&segment->codes, entry, error);
    if (status != MUR_OK)
        return status;
    struct mur_code *const codes[] = {
        NULL, &segment->category, &segment->type,           &segment->type_modifier,
        NULL, &segment->region,   &segment->region_modifier};
    char *part = segment->codes;
    for (size_t index = 0; part != NULL && index < MUR_COUNT(codes); index++) {
        char *next = strchr(part, '~');
        if (next != NULL)
            *next++ = '\0';
        if (codes[index] != NULL)
            *codes[index] = cut_code(part);
        part = next;
    }
    return MUR_OK;
}

static enum mur_status read_pair(struct mur_nrrd_segment *segment, const struct mur_nrrd_pair *pair,
                                 const char *path, struct mur_error *error)
{
    if (mur_slice_equal(pair->key, "Name") && segment->name == NULL)
        return read_text(&segment->name, pair->value, LABEL_CHARACTERS, error);
    if (mur_slice_equal(pair->key, "Color"))
        return read_color(segment, pair->value, path, error);
    if (mur_slice_equal(pair->key, "Tags") && segment->codes == NULL)
        return read_tags(segment, pair->value, error);
    uint64_t layer = 0;
    if (mur_slice_equal(pair->key, "LabelValue") &&
        mur_parse_int64(&segment->value, pair->value, INT32_MIN, INT32_MAX, NULL) != MUR_OK)
        return mur_error_set(error, MUR_PARSE, "%s: Segment%u_LabelValue is no number", path,
                             pair->segment);
    if (mur_slice_equal(pair->key, "Layer")) {
        if (mur_parse_uint64(&layer, pair->value, 0, MUR_NRRD_LAYER_LIMIT - 1, NULL) != MUR_OK)
            return mur_error_set(error, MUR_PARSE, "%s: Segment%u_Layer is no layer", path,
                                 pair->segment);
        segment->layer = (uint32_t)layer;
    }
    return MUR_OK;
}

/* Pointers lie in the header's text, so that equal numbers keep the order of the file. */
static int compare_pairs(const void *a_pointer, const void *b_pointer)
{
    const struct mur_nrrd_pair *a = a_pointer, *b = b_pointer;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return (a->key.data > b->key.data) - (a->key.data < b->key.data);
}

enum mur_status mur_nrrd_pairs_segments(struct mur_nrrd_segment **out, size_t *count,
                                        struct mur_nrrd_pairs *pairs, const char *path,
                                        struct mur_error *error)
{
    if (pairs->count == 0)
        return MUR_OK;
    qsort(pairs->items, pairs->count, sizeof *pairs->items, compare_pairs);
    size_t distinct = 1;
    for (size_t index = 1; index < pairs->count; index++)
        distinct += pairs->items[index].segment != pairs->items[index - 1].segment;
    struct mur_nrrd_segment *segments = calloc(distinct, sizeof *segments);
    if (segments == NULL)
        return mur_error_no_memory(error);
    *out = segments;
    struct mur_nrrd_segment *segment = segments;
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < pairs->count; index++) {
        const struct mur_nrrd_pair *pair = &pairs->items[index];
        bool first = index == 0 || pair[-1].segment != pair->segment;
        segment += first && index > 0;
        *count = (size_t)(segment - segments) + 1;
        if (first)
            segment->value = (int64_t)pair->segment + 1; /* of files older than LabelValue */
        status = read_pair(segment, pair, path, error);
    }
    for (size_t index = 0; status == MUR_OK && index < *count; index++)
        if (segments[index].name == NULL)
            status = mur_text_format(&segments[index].name, error, "Label %" PRId64,
                                     segments[index].value);
    return status;
}
