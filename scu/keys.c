#include "scu/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "core/suggest.h"
#include "core/text.h"
#include "dicom/dictionary.h"

enum { NUMBERS_LIMIT = 64, SUGGESTION_SIZE = 256, CANDIDATES = 1024 };

static const char *const own_creators[] = {MUR_CREATOR_ISA, MUR_CREATOR_NIFTI};

/* ---- names ----------------------------------------------------------------------------------- */

static enum mur_status unknown(struct mur_slice word, struct mur_error *error)
{
    char given[MUR_KEY_NAME_SIZE];
    char near[SUGGESTION_SIZE];
    const char *candidates[CANDIDATES];
    (void)snprintf(given, sizeof given, "%.*s", (int)word.length, word.data);
    size_t count = 0;
    const struct mur_attribute *rows = mur_attributes(&count);
    count = count < CANDIDATES ? count : CANDIDATES;
    for (size_t i = 0; i < count; i++)
        candidates[i] = rows[i].keyword;
    bool found = mur_suggest(near, sizeof near, given, candidates, count) > 0;
    return mur_error_set(error, MUR_INVALID,
                         "\"%s\" is no attribute%s%s; keys are written as PatientID=M1, "
                         "(0010,0020)=M1 or Sequence[0].Attribute=M1",
                         given, found ? ": did you mean " : "", found ? near : "");
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "(0010,0020)", "0010,0020", "00100020" */
static bool parse_tag(uint32_t *out, struct mur_slice word)
{
    if (word.length == 11 && word.data[0] == '(' && word.data[10] == ')')
        word = (struct mur_slice){.data = word.data + 1, .length = 9};
    if (word.length != 8 && (word.length != 9 || word.data[4] != ','))
        return false;
    uint32_t tag = 0;
    for (size_t i = 0; i < word.length; i++) {
        if (word.length == 9 && i == 4)
            continue;
        int digit = digit_of(word.data[i]);
        if (digit < 0)
            return false;
        tag = tag << 4 | (uint32_t)digit;
    }
    *out = tag;
    return true;
}

static bool find_own(struct mur_key_step *out, struct mur_slice word)
{
    for (size_t i = 0; i < MUR_COUNT(own_creators); i++) {
        for (uint32_t element = 1; element <= 0xFF; element++) {
            const struct mur_dictionary_entry *entry =
                mur_dictionary_find(MUR_PRIVATE_TAG(0x10, element), own_creators[i]);
            if (entry == NULL || !mur_slice_equal(word, entry->keyword))
                continue;
            out->tag = MUR_TAG(MUR_PRIVATE_GROUP, element);
            out->creator = own_creators[i];
            return true;
        }
    }
    return false;
}

static enum mur_status parse_item(struct mur_key_step *step, bool *has_item, struct mur_slice *word,
                                  struct mur_error *error)
{
    const char *bracket = memchr(word->data, '[', word->length);
    *has_item = bracket != NULL;
    if (bracket == NULL)
        return MUR_OK;
    size_t at = (size_t)(bracket - word->data);
    int64_t item = -1;
    struct mur_slice number = {.data = bracket + 1, .length = word->length - at - 1};
    bool closed = number.length > 0 && number.data[number.length - 1] == ']';
    number.length -= closed ? 1 : 0;
    if (!closed || mur_parse_int64(&item, number, 0, MUR_KEY_ITEMS - 1, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "\"%.*s\": an item is written as [0] to [%d]",
                             (int)word->length, word->data, MUR_KEY_ITEMS - 1);
    step->item = (unsigned)item;
    word->length = at;
    return MUR_OK;
}

static enum mur_status parse_step(struct mur_key_step *out, bool *has_item, struct mur_slice word,
                                  struct mur_error *error)
{
    struct mur_key_step step = {.tag = 0};
    enum mur_status status = parse_item(&step, has_item, &word, error);
    if (status != MUR_OK)
        return status;
    if (!parse_tag(&step.tag, word) && !mur_dictionary_tag(&step.tag, word) &&
        !find_own(&step, word))
        return unknown(word, error);
    if (MUR_TAG_GROUP(step.tag) < 0x0008)
        return mur_error_set(error, MUR_INVALID,
                             "\"%.*s\": groups 0000 to 0007 do not belong into a query",
                             (int)word.length, word.data);
    *out = step;
    return MUR_OK;
}

enum mur_status mur_key_parse(struct mur_key *out, const char *text, struct mur_error *error)
{
    struct mur_key key = {.depth = 0, .value = ""};
    const char *equals = strchr(text, '=');
    struct mur_slice path = {.data = text,
                             .length = equals != NULL ? (size_t)(equals - text) : strlen(text)};
    if (equals != NULL)
        key.value = equals + 1;
    bool more = true;
    bool has_item = false;
    while (more) {
        if (key.depth == MUR_KEY_DEPTH)
            return mur_error_set(error, MUR_INVALID, "\"%s\": nested deeper than %d", text,
                                 MUR_KEY_DEPTH);
        const char *dot = memchr(path.data, '.', path.length);
        more = dot != NULL;
        struct mur_slice word = {.data = path.data,
                                 .length = more ? (size_t)(dot - path.data) : path.length};
        enum mur_status status =
            parse_step(&key.steps[key.depth++], &has_item, mur_slice_trim(word), error);
        if (status != MUR_OK)
            return status;
        if (more && !has_item)
            return mur_error_set(error, MUR_INVALID, "\"%s\": which item? Sequence[0].Attribute",
                                 text);
        path = (struct mur_slice){.data = path.data + word.length + (more ? 1 : 0),
                                  .length = path.length - word.length - (more ? 1 : 0)};
    }
    key.empty_item = has_item;
    if (has_item && key.value[0] != '\0')
        return mur_error_set(error, MUR_INVALID, "\"%s\": an item has no value itself", text);
    *out = key;
    return MUR_OK;
}

static const char *keyword_of(const struct mur_key_step *step)
{
    if (step->creator == NULL)
        return mur_dictionary_keyword(step->tag);
    const struct mur_dictionary_entry *entry =
        mur_dictionary_find(MUR_PRIVATE_TAG(0x10, step->tag & 0xFF), step->creator);
    return entry != NULL ? entry->keyword : NULL;
}

const char *mur_key_name(char out[MUR_KEY_NAME_SIZE], const struct mur_key *key)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < key->depth && used < MUR_KEY_NAME_SIZE; i++) {
        const struct mur_key_step *step = &key->steps[i];
        const char *keyword = keyword_of(step);
        char tag[16];
        (void)snprintf(tag, sizeof tag, "(%04x,%04x)", MUR_TAG_GROUP(step->tag),
                       MUR_TAG_ELEMENT(step->tag));
        bool inside = i + 1 < key->depth;
        char item[16] = "";
        if (inside || key->empty_item)
            (void)snprintf(item, sizeof item, "[%u]%s", step->item, inside ? "." : "");
        int length = snprintf(out + used, MUR_KEY_NAME_SIZE - used, "%s%s",
                              keyword != NULL ? keyword : tag, item);
        used += (size_t)length;
    }
    return out;
}

/* ---- into an identifier ---------------------------------------------------------------------- */

/* The creator of the block that a private tag is in, as declared at this level; NULL if it is not.
 */
static const char *creator_of(struct mur_dataset *dataset, uint32_t tag)
{
    const char *creator = NULL;
    uint32_t reservation = MUR_TAG(MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag) >> 8);
    if (mur_dataset_get_string(&creator, dataset, reservation, NULL) != MUR_OK ||
        creator[0] == '\0')
        return NULL;
    return creator;
}

static bool is_creator(uint32_t tag)
{
    return MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= 0x10 && MUR_TAG_ELEMENT(tag) <= 0xFF;
}

/* The tag as it stands in this Data Set, and its VR. */
static enum mur_status resolve(uint32_t *tag, enum mur_vr *vr, const struct mur_key_step *step,
                               struct mur_dataset *dataset, struct mur_error *error)
{
    if (step->creator != NULL) {
        unsigned block = 0;
        enum mur_status status =
            mur_dataset_private_block(&block, dataset, MUR_PRIVATE_GROUP, step->creator, error);
        if (status != MUR_OK)
            return status;
        *tag = MUR_PRIVATE_TAG(block, step->tag & 0xFF);
        *vr = mur_dictionary_vr(*tag, step->creator);
        return MUR_OK;
    }
    *tag = step->tag;
    const char *creator = NULL;
    if (MUR_TAG_IS_PRIVATE(step->tag) && !is_creator(step->tag)) {
        creator = creator_of(dataset, step->tag);
        if (creator == NULL)
            return mur_error_set(
                error, MUR_INVALID,
                "the private attribute (%04x,%04x) needs its creator as a key too: "
                "%04x,%04x=NAME",
                MUR_TAG_GROUP(step->tag), MUR_TAG_ELEMENT(step->tag), MUR_TAG_GROUP(step->tag),
                MUR_TAG_ELEMENT(step->tag) >> 8);
    }
    *vr = mur_dictionary_vr(step->tag, creator);
    return MUR_OK;
}

/* Values between backslashes, into @p numbers of one or the other kind. */
static enum mur_status put_numbers(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                   const char *value, struct mur_error *error)
{
    bool real = vr == MUR_VR_FL || vr == MUR_VR_FD;
    double reals[NUMBERS_LIMIT];
    int64_t integers[NUMBERS_LIMIT];
    size_t count = 0;
    for (const char *at = value; at != NULL; count++) {
        const char *end = strchr(at, '\\');
        struct mur_slice one = {.data = at,
                                .length = end != NULL ? (size_t)(end - at) : strlen(at)};
        uint32_t other = 0;
        if (count == NUMBERS_LIMIT)
            return mur_error_set(error, MUR_INVALID, "more than %d values", NUMBERS_LIMIT);
        enum mur_status status = MUR_OK;
        if (real)
            status = mur_parse_double(&reals[count], one, error);
        else if (vr == MUR_VR_AT && parse_tag(&other, mur_slice_trim(one)))
            integers[count] = other;
        else
            status = mur_parse_int64(&integers[count], one, INT64_MIN, INT64_MAX, error);
        if (status != MUR_OK)
            return mur_error_set(error, MUR_INVALID, "\"%.*s\" is no number", (int)one.length,
                                 one.data);
        at = end != NULL ? end + 1 : NULL;
    }
    return real ? mur_dataset_put_doubles(dataset, tag, vr, reals, count, error)
                : mur_dataset_put_ints(dataset, tag, vr, integers, count, error);
}

static enum mur_status put_value(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                 const char *value, struct mur_error *error)
{
    if (value[0] == '\0')
        return mur_dataset_put_empty(dataset, tag, vr, error);
    if (mur_vr_is_text(vr))
        return mur_dataset_put_string(dataset, tag, vr, value, error);
    /* A range of numbers, which only murpacs knows (docs/isa.md): no number has room for it. */
    if ((vr == MUR_VR_FD || vr == MUR_VR_UL) && strstr(value, "..") != NULL)
        return mur_dataset_put_string(dataset, tag, MUR_VR_LO, value, error);
    switch (mur_vr_info(vr)->class_) {
    case MUR_VR_CLASS_ITEMS:
        return mur_error_set(error, MUR_INVALID,
                             "a sequence has no value itself: Sequence[0].Attribute=VALUE");
    case MUR_VR_CLASS_BINARY:
    case MUR_VR_CLASS_TAGS:
        if (vr == MUR_VR_UN)
            return mur_dataset_put_bytes(dataset, tag, vr, value, strlen(value), error);
        if (mur_vr_info(vr)->width > 1 && vr != MUR_VR_OW && vr != MUR_VR_OF && vr != MUR_VR_OD &&
            vr != MUR_VR_OL && vr != MUR_VR_OV)
            return put_numbers(dataset, tag, vr, value, error);
        return mur_error_set(error, MUR_INVALID, "bytes cannot be matched");
    case MUR_VR_CLASS_TEXT:
    case MUR_VR_CLASS_STRING:
    case MUR_VR_CLASS_NONE:
        break;
    }
    return mur_dataset_put_string(dataset, tag, vr, value, error);
}

/* The item @p index, with those before it where there are fewer. */
static enum mur_status reach_item(struct mur_dataset **out, struct mur_dataset *dataset,
                                  uint32_t tag, unsigned index, struct mur_error *error)
{
    size_t count = 0;
    enum mur_status status = MUR_OK;
    if (mur_dataset_has(dataset, tag))
        status = mur_dataset_item_count(&count, dataset, tag, error);
    struct mur_dataset *item = NULL;
    for (; status == MUR_OK && count <= index; count++)
        status = mur_dataset_append_item(&item, dataset, tag, error);
    return status == MUR_OK ? mur_dataset_get_item(out, dataset, tag, index, error) : status;
}

static enum mur_status put_key(struct mur_dataset *dataset, const struct mur_key *key,
                               struct mur_error *error)
{
    for (unsigned i = 0; i < key->depth; i++) {
        uint32_t tag = 0;
        enum mur_vr vr = MUR_VR_NONE;
        enum mur_status status = resolve(&tag, &vr, &key->steps[i], dataset, error);
        if (status != MUR_OK)
            return status;
        bool into_item = i + 1 < key->depth || key->empty_item;
        if (!into_item)
            return put_value(dataset, tag, vr, key->value, error);
        if (vr != MUR_VR_SQ && !MUR_TAG_IS_PRIVATE(tag))
            return mur_error_set(error, MUR_INVALID, "it is not a sequence and has no items");
        status = reach_item(&dataset, dataset, tag, key->steps[i].item, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static bool comes_first(const struct mur_key *key)
{
    uint32_t tag = key->steps[key->depth - 1].tag;
    return key->steps[key->depth - 1].creator == NULL &&
           (tag == MUR_TAG_SpecificCharacterSet || is_creator(tag));
}

static enum mur_status put_some(struct mur_dataset *identifier, const struct mur_key *keys,
                                size_t count, bool first, struct mur_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (comes_first(&keys[i]) != first)
            continue;
        char name[MUR_KEY_NAME_SIZE];
        if (put_key(identifier, &keys[i], error) != MUR_OK)
            return mur_error_prefix(error, "%s", mur_key_name(name, &keys[i]));
    }
    return MUR_OK;
}

enum mur_status mur_keys_put(struct mur_dataset *identifier, const struct mur_key *keys,
                             size_t count, struct mur_error *error)
{
    bool ascii = true;
    for (size_t i = 0; i < count; i++) {
        if (!mur_utf8_valid(mur_slice_of(keys[i].value)))
            return mur_error_set(error, MUR_INVALID, "a key's value is not UTF-8");
        ascii = ascii && is_ascii(keys[i].value);
    }
    enum mur_status status = put_some(identifier, keys, count, true, error);
    if (status == MUR_OK && !ascii &&
        !mur_dataset_has_value(identifier, MUR_TAG_SpecificCharacterSet))
        status = mur_dataset_set_utf8(identifier, error);
    return status == MUR_OK ? put_some(identifier, keys, count, false, error) : status;
}

/* ---- out of an answer ------------------------------------------------------------------------ */

enum mur_status mur_key_get(char **out, const struct mur_key *key, struct mur_dataset *answer,
                            struct mur_error *error)
{
    struct mur_dataset *dataset = answer;
    bool there = true;
    uint32_t tag = 0;
    for (unsigned i = 0; there && i < key->depth; i++) {
        enum mur_vr vr = MUR_VR_NONE;
        tag = key->steps[i].tag;
        if (key->steps[i].creator != NULL)
            there = resolve(&tag, &vr, &key->steps[i], dataset, NULL) == MUR_OK;
        if (there && i + 1 < key->depth)
            there =
                mur_dataset_get_item(&dataset, dataset, tag, key->steps[i].item, NULL) == MUR_OK;
    }
    if (there && mur_dataset_get_text(out, dataset, tag, NULL) == MUR_OK)
        return MUR_OK;
    return mur_text_copy(out, mur_slice_of(""), error);
}

/* ---- identifiers ----------------------------------------------------------------------------- */

enum mur_level mur_keys_level(const struct mur_dataset *identifier, enum mur_model model)
{
    static const struct {
        uint32_t tag;
        enum mur_level level;
    } unique[] = {
        {MUR_TAG_SOPInstanceUID, MUR_LEVEL_IMAGE},
        {MUR_TAG_SeriesInstanceUID, MUR_LEVEL_SERIES},
        {MUR_TAG_StudyInstanceUID, MUR_LEVEL_STUDY},
    };
    for (size_t i = 0; i < MUR_COUNT(unique); i++)
        if (mur_dataset_has(identifier, unique[i].tag))
            return unique[i].level;
    return model == MUR_MODEL_PATIENT_ROOT ? MUR_LEVEL_PATIENT : MUR_LEVEL_STUDY;
}

struct gathered {
    uint32_t tags[NUMBERS_LIMIT];
    size_t count;
};

static enum mur_status gather_foreign(void *user, const struct mur_dataset_element *element,
                                      struct mur_error *error)
{
    (void)error;
    struct gathered *gathered = user;
    uint16_t group = MUR_TAG_GROUP(element->tag);
    if ((group < 0x0008 || group >= 0x7FE0) && gathered->count < NUMBERS_LIMIT)
        gathered->tags[gathered->count++] = element->tag;
    return MUR_OK;
}

enum mur_status mur_keys_load(struct mur_dataset **out, const char *path, struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = mur_dataset_load(&dataset, path, MUR_HEADER, error);
    struct gathered gathered;
    do {
        gathered.count = 0;
        if (status == MUR_OK)
            status = mur_dataset_each(dataset, gather_foreign, &gathered, error);
        for (size_t i = 0; status == MUR_OK && i < gathered.count; i++)
            status = mur_dataset_remove(dataset, gathered.tags[i], error);
    } while (status == MUR_OK && gathered.count == NUMBERS_LIMIT);
    if (status != MUR_OK)
        return mur_error_prefix(error, "query file %s", path);
    *out = MUR_STEAL(dataset);
    return MUR_OK;
}
