/* Identifiers in: the keys of a question, in UTF-8. */
#include "scp/identifier.h"

#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "dicom/charset.h"
#include "dicom/dictionary.h"
#include "dicom/scanner.h"
#include "dicom/sop_class.h"

enum { FIRST_BLOCK = 0x10 };

struct reader {
    struct mur_identifier *identifier;
    const unsigned char *bytes; /* of the whole Data Set: long values are taken from here */
    struct mur_charset *charset;
    struct mur_buffer text;
};

void mur_identifier_free(struct mur_identifier *identifier)
{
    if (identifier == NULL)
        return;
    mur_query_free(&identifier->query);
    free(identifier->elements);
    identifier->elements = NULL;
    identifier->element_count = 0;
    for (size_t i = 0; i < MUR_ANSWERED_SEQUENCES; i++) {
        mur_buffer_free(&identifier->answered[i].text_and_bytes);
        identifier->answered[i].tag = 0;
    }
}

static enum mur_status add_element(struct mur_identifier *identifier,
                                   struct mur_answer_element element, struct mur_error *error)
{
    struct mur_answer_element *elements =
        reallocarray(identifier->elements, identifier->element_count + 1, sizeof(*elements));
    if (elements == NULL)
        return mur_error_no_memory(error);
    identifier->elements = elements;
    elements[identifier->element_count++] = element;
    return MUR_OK;
}

/* ---- values as text ---- */

static enum mur_status append_numbers(struct mur_buffer *out,
                                      const struct mur_scan_element *element,
                                      struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    size_t count = mur_scan_count(element);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        int64_t integer = 0;
        double real = 0;
        if (i > 0)
            status = mur_buffer_append_text(out, "\\", error);
        if (status != MUR_OK)
            break;
        if (element->vr == MUR_VR_AT && mur_scan_int(&integer, element, i))
            status = mur_buffer_append_format(out, error, "%08llX", (unsigned long long)integer);
        else if (mur_scan_int(&integer, element, i))
            status = mur_buffer_append_format(out, error, "%lld", (long long)integer);
        else if (mur_scan_double(&real, element, i))
            status = mur_buffer_append_format(out, error, "%.17g", real);
    }
    return status;
}

static bool is_bytes(enum mur_vr vr)
{
    return vr == MUR_VR_OB || vr == MUR_VR_OW || vr == MUR_VR_OL || vr == MUR_VR_OF ||
           vr == MUR_VR_OD || vr == MUR_VR_OV || vr == MUR_VR_UN;
}

/* The value of a key, in reader->text. */
static enum mur_status read_text(struct reader *reader, const struct mur_scan_element *element,
                                 struct mur_error *error)
{
    mur_buffer_clear(&reader->text);
    if (element->length == 0)
        return MUR_OK;
    switch (mur_vr_info(element->vr)->class_) {
    case MUR_VR_CLASS_TEXT: {
        enum mur_status status = mur_charset_use(&reader->charset, element->charset, error);
        if (status != MUR_OK)
            return status;
        return mur_charset_to_utf8(&reader->text, reader->charset, mur_scan_text(element),
                                   element->vr, error);
    }
    case MUR_VR_CLASS_STRING: {
        struct mur_slice text = mur_scan_text(element);
        return mur_buffer_append(&reader->text, text.data, text.length, error);
    }
    case MUR_VR_CLASS_TAGS:
    case MUR_VR_CLASS_BINARY:
        if (is_bytes(element->vr))
            return MUR_OK; /* nothing that could be matched */
        return append_numbers(&reader->text, element, error);
    case MUR_VR_CLASS_ITEMS:
    case MUR_VR_CLASS_NONE:
        break;
    }
    return MUR_OK;
}

/* ---- keys ---- */

static bool is_private_creator(uint32_t tag)
{
    return MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= 0x10 && MUR_TAG_ELEMENT(tag) <= 0xFF;
}

/* A tag as the index knows it: our private block is 0x10 there, whatever the peer reserved, and
 * those of others have stand-ins. @return false for what is private and not known */
static bool normalize(uint32_t *tag, const struct mur_identifier *identifier)
{
    if (!MUR_TAG_IS_PRIVATE(*tag))
        return true;
    for (size_t i = 0; i < identifier->foreign_count; i++) {
        if (identifier->foreign[i].declared != (*tag & 0xFFFFFF00u))
            continue;
        *tag = identifier->foreign[i].stand_in | (*tag & 0xFF);
        return true;
    }
    unsigned block = MUR_TAG_ELEMENT(*tag) >> 8;
    if (MUR_TAG_GROUP(*tag) != MUR_PRIVATE_GROUP || !identifier->blocks[block])
        return false;
    *tag = MUR_PRIVATE_TAG(FIRST_BLOCK, *tag & 0xFF);
    return true;
}

static bool path_of(struct mur_attribute_path *out, const struct mur_scan_element *element,
                    const struct mur_identifier *identifier)
{
    if (!mur_scan_path(out, element))
        return false;
    for (unsigned i = 0; i < out->depth; i++)
        if (!normalize(&out->tags[i], identifier))
            return false;
    return true;
}

static bool is_known_already(const struct mur_identifier *identifier,
                             const struct mur_attribute_path *path, unsigned item)
{
    const struct mur_query *query = &identifier->query;
    for (size_t i = 0; i < query->key_count; i++)
        if (query->keys[i].item == item && mur_attribute_path_equal(&query->keys[i].path, path))
            return true;
    return false;
}

/* A peer may write any VR; the index matches, and answers, by the one that the attribute has. */
static enum mur_vr vr_in_index(const struct mur_attribute_path *path, enum mur_vr written)
{
    const struct mur_attribute_key *key = mur_attribute_key_find(path);
    const struct mur_attribute *attribute =
        path->depth == 1 ? mur_attribute_find(path->tags[0]) : NULL;
    if (key != NULL)
        return key->vr;
    if (attribute != NULL)
        return attribute->vr;
    uint32_t tag = path->tags[path->depth - 1];
    return mur_is_isa_element(tag) ? mur_dictionary_vr(tag, MUR_CREATOR_ISA) : written;
}

static enum mur_status add_key(struct reader *reader, const struct mur_scan_element *element,
                               enum mur_vr written, struct mur_error *error)
{
    struct mur_identifier *identifier = reader->identifier;
    struct mur_attribute_path path;
    if (!path_of(&path, element, identifier)) {
        identifier->unsupported_keys = true;
        return MUR_OK;
    }
    enum mur_vr vr = vr_in_index(&path, written);
    if ((vr == MUR_VR_SQ) != (written == MUR_VR_SQ)) {
        identifier->unsupported_keys = true; /* no value of it can match */
        mur_buffer_clear(&reader->text);
    }
    unsigned item = element->depth > 0 ? element->items[0] : 0;
    if (is_known_already(identifier, &path, item))
        return MUR_OK; /* only the first counts */
    struct mur_slice text = {.data = mur_buffer_text(&reader->text), .length = reader->text.length};
    bool returned = path.depth == 1;
    if (!returned && text.length == 0)
        return MUR_OK; /* comes with its sequence */
    enum mur_status status = mur_query_add(&identifier->query, &path, vr, text, returned, error);
    if (status != MUR_OK)
        return status;
    identifier->query.keys[identifier->query.key_count - 1].item = item;
    if (!returned)
        return MUR_OK;
    return add_element(identifier,
                       (struct mur_answer_element){.tag = element->tag,
                                                   .vr = vr,
                                                   .kind = MUR_ANSWER_KEY,
                                                   .key = identifier->query.key_count - 1},
                       error);
}

/* "0.5..2", where a number of FD or UL would have its bytes: a range cannot be one. */
static bool is_range_text(const struct mur_scan_element *element)
{
    const char *text = (const char *)element->value;
    bool dots = false;
    for (uint32_t i = 0; text != NULL && i < element->length; i++) {
        bool padding = text[i] == '\0' && i + 1 == element->length;
        if (!padding && (text[i] == '\0' || strchr("0123456789.+-eE ", text[i]) == NULL))
            return false;
        dots = dots || (i > 0 && text[i] == '.' && text[i - 1] == '.');
    }
    return dots;
}

/* Clients that have never heard of our block send its elements as UN, or without the creator in the
 * item. Elements that a site has configured are taken for text. */
static enum mur_vr vr_of(const struct mur_scan_element *element,
                         const struct mur_identifier *identifier)
{
    uint32_t tag = element->tag;
    if (MUR_TAG_IS_PRIVATE(tag) && mur_vr_info(element->vr)->class_ == MUR_VR_CLASS_BINARY &&
        is_range_text(element))
        return MUR_VR_LO;
    if (element->vr != MUR_VR_UN || !MUR_TAG_IS_PRIVATE(tag) || !normalize(&tag, identifier))
        return element->vr;
    const char *creator = mur_private_creator(tag);
    const struct mur_attribute *attribute = mur_attribute_find(tag);
    struct mur_attribute_path path;
    const struct mur_attribute_key *key =
        path_of(&path, element, identifier) ? mur_attribute_key_find(&path) : NULL;
    if (key != NULL)
        return key->vr;
    if (attribute != NULL)
        return attribute->vr;
    enum mur_vr vr = mur_dictionary_vr(tag, creator != NULL ? creator : MUR_CREATOR_ISA);
    return vr == MUR_VR_UN || vr == MUR_VR_NONE ? MUR_VR_LO : vr;
}

static enum mur_status take_creator(struct reader *reader, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    enum mur_status status = read_text(reader, element, error);
    if (status != MUR_OK)
        return status;
    struct mur_identifier *identifier = reader->identifier;
    unsigned block = MUR_TAG_ELEMENT(element->tag);
    struct mur_slice name = mur_slice_trim(mur_slice_of(mur_buffer_text(&reader->text)));
    MUR_AUTO_FREE char *text = NULL;
    status = mur_text_copy(&text, name, error);
    if (status != MUR_OK)
        return status;
    uint32_t declared = MUR_TAG(MUR_TAG_GROUP(element->tag), block << 8);
    uint32_t stand_in = mur_private_stand_in(declared, text);
    bool ours = MUR_TAG_GROUP(element->tag) == MUR_PRIVATE_GROUP && block <= 0xFF &&
                strcmp(text, MUR_CREATOR_ISA) == 0;
    if (ours) {
        identifier->blocks[block] = true;
    } else if (stand_in != 0 && identifier->foreign_count < MUR_FOREIGN_BLOCKS) {
        identifier->foreign[identifier->foreign_count].declared = declared;
        identifier->foreign[identifier->foreign_count++].stand_in = stand_in;
    }
    if (element->depth > 0 || (!ours && stand_in == 0))
        return MUR_OK;
    return add_element(identifier,
                       (struct mur_answer_element){.tag = element->tag,
                                                   .vr = MUR_VR_LO,
                                                   .kind = MUR_ANSWER_PRIVATE_CREATOR,
                                                   .creator = ours ? MUR_CREATOR_ISA
                                                                   : mur_private_creator(stand_in)},
                       error);
}

static enum mur_status take_level(struct reader *reader, const struct mur_scan_element *element,
                                  struct mur_error *error)
{
    enum mur_status status = read_text(reader, element, error);
    if (status != MUR_OK)
        return status;
    if (mur_level_parse(&reader->identifier->query.level,
                        mur_slice_of(mur_buffer_text(&reader->text)), NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "no such Query/Retrieve Level: \"%.16s\"",
                             mur_buffer_text(&reader->text));
    reader->identifier->has_level = true;
    return MUR_OK;
}

static enum mur_status take_element(void *user, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    struct reader *reader = user;
    /* A sequence key has one item (PS3.4 C.2.2.2.6); ours may have several, all of which must
     * match. */
    bool ours = element->depth > 0 && MUR_TAG_GROUP(element->sequences[0]) == MUR_PRIVATE_GROUP;
    for (unsigned i = ours ? 1 : 0; i < element->depth; i++)
        if (element->items[i] > 0)
            return MUR_OK;
    if (is_private_creator(element->tag))
        return take_creator(reader, element, error);
    if (element->depth == 0 && element->tag == MUR_TAG_QueryRetrieveLevel)
        return take_level(reader, element, error);
    if (element->tag == MUR_TAG_SpecificCharacterSet) {
        reader->identifier->asked_for_charset |= element->depth == 0;
        return MUR_OK;
    }
    if (element->depth == 0 && element->tag == MUR_TAG_RetrieveAETitle && element->length == 0)
        return MUR_OK; /* is in every answer */
    struct mur_scan_element known = *element;
    known.vr = vr_of(element, reader->identifier);
    enum mur_status status = read_text(reader, &known, error);
    if (status != MUR_OK)
        return status;
    return add_key(reader, &known, known.vr, error);
}

/* Values longer than the scanner holds, such as lists of thousands of UIDs. */
static enum mur_status take_long_element(void *user, const struct mur_scan_element *element,
                                         struct mur_error *error)
{
    struct reader *reader = user;
    struct mur_scan_element whole = *element;
    whole.value = reader->bytes + element->offset;
    return take_element(reader, &whole, error);
}

static enum mur_status take_sequence(void *user, const struct mur_scan_element *element,
                                     struct mur_error *error)
{
    struct reader *reader = user;
    if (element->depth > 0)
        return MUR_OK;
    mur_buffer_clear(&reader->text);
    return add_key(reader, element, MUR_VR_SQ, error);
}

static const struct mur_scan_events events = {
    .element = take_element,
    .bulk = take_long_element,
    .sequence_begin = take_sequence,
};

static enum mur_status scan(struct reader *reader, size_t length, const char *transfer_syntax,
                            struct mur_error *error)
{
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status = mur_scanner_create(&scanner, transfer_syntax, &events, reader, error);
    if (status == MUR_OK)
        status = mur_scanner_write(scanner, reader->bytes, length, error);
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    return status;
}

/* ---- the model ---- */

static enum mur_status check_level(struct mur_identifier *identifier, const char *model,
                                   struct mur_error *error)
{
    if (!identifier->has_level)
        return mur_error_set(error, MUR_INVALID, "Query/Retrieve Level (0008,0052) is missing");
    bool study_root = strcmp(model, mur_uid_StudyRootQueryRetrieveInformationModelFind) == 0 ||
                      strcmp(model, mur_uid_StudyRootQueryRetrieveInformationModelMove) == 0 ||
                      strcmp(model, mur_uid_StudyRootQueryRetrieveInformationModelGet) == 0;
    bool patient_study =
        strcmp(model, mur_uid_PatientStudyOnlyQueryRetrieveInformationModelFind) == 0 ||
        strcmp(model, mur_uid_PatientStudyOnlyQueryRetrieveInformationModelMove) == 0 ||
        strcmp(model, mur_uid_PatientStudyOnlyQueryRetrieveInformationModelGet) == 0;
    identifier->query.root = study_root ? MUR_ROOT_STUDY : MUR_ROOT_PATIENT;
    enum mur_level level = identifier->query.level;
    if ((study_root && level == MUR_LEVEL_PATIENT) || (patient_study && level > MUR_LEVEL_STUDY))
        return mur_error_set(error, MUR_INVALID, "the model has no level %s",
                             mur_level_name(level));
    return MUR_OK;
}

static void look_for_unsupported_keys(struct mur_identifier *identifier)
{
    const struct mur_query *query = &identifier->query;
    for (size_t i = 0; i < query->key_count; i++) {
        enum mur_key_support support = mur_query_key_support(query, i);
        if (support == MUR_KEY_IGNORED ||
            (support == MUR_KEY_RETURNED && query->keys[i].text[0] != '\0'))
            identifier->unsupported_keys = true;
    }
}

static int compare_tags(const void *a, const void *b)
{
    uint32_t left = ((const struct mur_answer_element *)a)->tag;
    uint32_t right = ((const struct mur_answer_element *)b)->tag;
    return (left > right) - (left < right);
}

enum mur_status mur_identifier_parse(struct mur_identifier *out, const void *bytes, size_t length,
                                     const char *transfer_syntax, const char *model,
                                     struct mur_error *error)
{
    static const struct mur_answer_element always[] = {
        {MUR_TAG_SpecificCharacterSet, MUR_VR_CS, MUR_ANSWER_CHARSET, 0, NULL},
        {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, MUR_ANSWER_LEVEL, 0, NULL},
        {MUR_TAG_RetrieveAETitle, MUR_VR_AE, MUR_ANSWER_RETRIEVE_AE_TITLE, 0, NULL},
    };
    struct reader reader = {.identifier = out, .bytes = bytes};
    reader.text.limit = MUR_QUERY_TEXT;
    enum mur_status status = scan(&reader, length, transfer_syntax, error);
    mur_charset_free(reader.charset);
    mur_buffer_free(&reader.text);
    if (status == MUR_OK)
        status = check_level(out, model, error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(always); i++)
        status = add_element(out, always[i], error);
    if (status != MUR_OK)
        return status;
    look_for_unsupported_keys(out);
    qsort(out->elements, out->element_count, sizeof(*out->elements), compare_tags);
    return MUR_OK;
}
