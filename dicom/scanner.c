#include "dicom/scanner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/compress.h"
#include "core/file.h"
#include "dicom/byte_order.h"
#include "dicom/dictionary.h"
#include "dicom/transfer_syntax.h"

#define UNDEFINED_LENGTH 0xFFFFFFFFu
#define NO_END UINT64_MAX
#define DEFAULT_INFLATED_LIMIT (UINT64_C(16) << 30)

enum {
    HEAD_SIZE = 12, /* the longest head of an element */
    READ_SIZE = 64 * 1024,
    CHARSET_SIZE = 128,
    CREATOR_SIZE = 65,
    CREATOR_LIMIT = 256, /* of all open items; elements of further blocks are UN */
};

/* How the bytes of a container are to be read. */
struct encoding {
    bool implicit;
    bool big_endian;
};

struct sequence {
    uint64_t end;   /* where it must end; NO_END until its delimiter */
    uint64_t limit; /* the closest end of all that is around it */
    struct encoding encoding;
};

/* The Data Set itself (index 0) or an item. */
struct item {
    uint64_t end;
    uint64_t limit;
    struct encoding encoding;
    struct mur_slice charset; /* in own_charset, or that of an item around this one */
    char own_charset[CHARSET_SIZE];
    size_t creators; /* how many were known when it began */
    bool is_signed;  /* Pixel Representation is 1 */
};

struct creator {
    uint16_t group;
    uint8_t block;
    char name[CREATOR_SIZE];
};

enum state {
    AT_ELEMENT,   /* the head of an element comes */
    AT_ITEM,      /* the head of an item of a sequence comes */
    AT_FRAGMENT,  /* the head of a fragment comes */
    IN_VALUE,     /* bytes of a value that is held */
    IN_BULK,      /* bytes of a value that is passed over and reported */
    IN_FRAGMENT,  /* bytes of a fragment */
    IN_UNNOTICED, /* bytes of a value that is passed over and not reported */
    IN_PADDING,   /* zeros after the end */
};

struct mur_scanner {
    const struct mur_scan_events *events;
    void *user;
    struct mur_inflate *inflate; /* NULL unless deflated */
    uint64_t inflated_limit;
    bool deflated;
    bool failed;

    enum state state;
    uint64_t offset;  /* of the next byte that is not in head[] */
    uint64_t padding; /* where IN_PADDING began */
    uint64_t elements;
    uint64_t left; /* bytes of a value still to come */

    unsigned char head[HEAD_SIZE]; /* begun by an earlier piece */
    size_t head_used;
    unsigned char *value; /* likewise */
    size_t value_used;
    size_t value_size;

    struct mur_scan_element element; /* the one under way */
    bool may_be_sequence;            /* it is UN, but its value may be items */
    uint32_t fragments;

    unsigned depth; /* open sequences; an item is open in each but, at AT_ITEM, the last */
    uint32_t sequence_tags[MUR_SCAN_DEPTH];
    uint32_t item_indexes[MUR_SCAN_DEPTH];
    struct sequence sequences[MUR_SCAN_DEPTH];
    struct item items[MUR_SCAN_DEPTH + 1];

    struct creator *creators;
    size_t creator_count;
    size_t creator_size;
};

static enum mur_status fail_at(const struct mur_scanner *scanner, struct mur_error *error,
                               uint32_t tag, const char *what)
{
    return mur_error_set(error, MUR_PARSE, "byte %llu of the Data Set, (%04X,%04X): %s",
                         (unsigned long long)scanner->offset, MUR_TAG_GROUP(tag),
                         MUR_TAG_ELEMENT(tag), what);
}

enum mur_status mur_scanner_create(struct mur_scanner **out, const char *transfer_syntax,
                                   const struct mur_scan_events *events, void *user,
                                   struct mur_error *error)
{
    struct mur_scanner *scanner = calloc(1, sizeof *scanner);
    if (scanner == NULL)
        return mur_error_no_memory(error);
    unsigned flags = mur_transfer_syntax_flags(transfer_syntax);
    scanner->events = events;
    scanner->user = user;
    scanner->deflated = (flags & MUR_TS_DEFLATED) != 0;
    scanner->inflated_limit = DEFAULT_INFLATED_LIMIT;
    scanner->items[0] = (struct item){
        .end = NO_END,
        .limit = NO_END,
        .encoding = {.implicit = (flags & MUR_TS_IMPLICIT) != 0,
                     .big_endian = (flags & MUR_TS_BIG_ENDIAN) != 0},
        .charset = {.data = "", .length = 0},
    };
    *out = scanner;
    return MUR_OK;
}

void mur_scanner_free(struct mur_scanner *scanner)
{
    if (scanner == NULL)
        return;
    mur_inflate_free(scanner->inflate);
    free(scanner->creators);
    free(scanner->value);
    free(scanner);
}

void mur_scanner_limit_inflated(struct mur_scanner *scanner, uint64_t limit)
{
    scanner->inflated_limit = limit;
}

uint64_t mur_scanner_offset(const struct mur_scanner *scanner)
{
    return scanner->offset;
}

uint64_t mur_scanner_end(const struct mur_scanner *scanner)
{
    return scanner->state == IN_PADDING ? scanner->padding : scanner->offset;
}

uint64_t mur_scanner_elements(const struct mur_scanner *scanner)
{
    return scanner->elements;
}

/* ---- private blocks ------------------------------------------------------------------------ */

static enum mur_status declare_creator(struct mur_scanner *scanner, struct mur_error *error)
{
    struct mur_slice name = mur_scan_text(&scanner->element);
    if (name.length == 0 || name.length >= CREATOR_SIZE || scanner->creator_count == CREATOR_LIMIT)
        return MUR_OK;
    if (scanner->creator_count == scanner->creator_size) {
        size_t size = scanner->creator_size == 0 ? 8 : 2 * scanner->creator_size;
        struct creator *grown = realloc(scanner->creators, size * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        scanner->creators = grown;
        scanner->creator_size = size;
    }
    struct creator *creator = &scanner->creators[scanner->creator_count++];
    creator->group = MUR_TAG_GROUP(scanner->element.tag);
    creator->block = (uint8_t)MUR_TAG_ELEMENT(scanner->element.tag);
    memcpy(creator->name, name.data, name.length);
    creator->name[name.length] = '\0';
    return MUR_OK;
}

static const char *creator_of(const struct mur_scanner *scanner, uint32_t tag)
{
    uint16_t group = MUR_TAG_GROUP(tag);
    uint8_t block = (uint8_t)(MUR_TAG_ELEMENT(tag) >> 8);
    size_t first = scanner->items[scanner->depth].creators;
    for (size_t i = scanner->creator_count; i > first; i--) /* usually the one declared last */
        if (scanner->creators[i - 1].group == group && scanner->creators[i - 1].block == block)
            return scanner->creators[i - 1].name;
    return "";
}

static bool is_creator(uint32_t tag)
{
    return MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= 0x10 && MUR_TAG_ELEMENT(tag) <= 0xFF;
}

/* ---- containers ---------------------------------------------------------------------------- */

static enum mur_status begin_sequence(struct mur_scanner *scanner, uint32_t length,
                                      struct encoding encoding, struct mur_error *error)
{
    uint32_t tag = scanner->element.tag;
    if (scanner->depth == MUR_SCAN_DEPTH)
        return mur_error_set(error, MUR_LIMIT, "sequences are nested deeper than %d",
                             MUR_SCAN_DEPTH);
    if (scanner->events->sequence_begin != NULL) {
        enum mur_status status =
            scanner->events->sequence_begin(scanner->user, &scanner->element, error);
        if (status != MUR_OK)
            return status;
    }
    uint64_t around = scanner->items[scanner->depth].limit;
    uint64_t end = length == UNDEFINED_LENGTH ? NO_END : scanner->offset + length;
    scanner->sequences[scanner->depth] =
        (struct sequence){.end = end, .limit = end == NO_END ? around : end, .encoding = encoding};
    scanner->sequence_tags[scanner->depth] = tag;
    scanner->item_indexes[scanner->depth] = UINT32_MAX; /* the first item makes it 0 */
    scanner->depth++;
    scanner->state = AT_ITEM;
    return MUR_OK;
}

static enum mur_status end_sequence(struct mur_scanner *scanner, struct mur_error *error)
{
    scanner->depth--;
    scanner->state = AT_ELEMENT;
    return scanner->events->sequence_end != NULL
               ? scanner->events->sequence_end(scanner->user, error)
               : MUR_OK;
}

static enum mur_status begin_item(struct mur_scanner *scanner, uint32_t length,
                                  struct mur_error *error)
{
    const struct sequence *around = &scanner->sequences[scanner->depth - 1];
    const struct item *outer = &scanner->items[scanner->depth - 1];
    struct item *item = &scanner->items[scanner->depth];
    uint64_t end = length == UNDEFINED_LENGTH ? NO_END : scanner->offset + length;
    if (end != NO_END && end > around->limit)
        return fail_at(scanner, error, scanner->sequence_tags[scanner->depth - 1],
                       "an item is longer than what it is in");
    scanner->item_indexes[scanner->depth - 1]++;
    item->end = end;
    item->limit = end == NO_END ? around->limit : end;
    item->encoding = around->encoding;
    item->charset = outer->charset;
    item->creators = scanner->creator_count;
    item->is_signed = outer->is_signed;
    scanner->state = AT_ELEMENT;
    return scanner->events->item_begin != NULL ? scanner->events->item_begin(scanner->user, error)
                                               : MUR_OK;
}

static enum mur_status end_item(struct mur_scanner *scanner, struct mur_error *error)
{
    scanner->creator_count = scanner->items[scanner->depth].creators;
    scanner->state = AT_ITEM;
    return scanner->events->item_end != NULL ? scanner->events->item_end(scanner->user, error)
                                             : MUR_OK;
}

/* Closes what ends where we are by its length. */
static enum mur_status close_ended(struct mur_scanner *scanner, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && scanner->depth > 0) {
        if (scanner->state == AT_ELEMENT && scanner->items[scanner->depth].end == scanner->offset)
            status = end_item(scanner, error);
        else if (scanner->state == AT_ITEM &&
                 scanner->sequences[scanner->depth - 1].end == scanner->offset)
            status = end_sequence(scanner, error);
        else
            break;
    }
    return status;
}

/* ---- elements ------------------------------------------------------------------------------ */

static bool is_bulk_tag(uint32_t tag)
{
    return tag == MUR_TAG_PixelData || tag == MUR_TAG_FloatPixelData ||
           tag == MUR_TAG_DoubleFloatPixelData;
}

/* The real VR of what came as implicit or UN. */
static enum mur_vr known_vr(const struct mur_scanner *scanner, uint32_t tag, const char *creator)
{
    if (MUR_TAG_ELEMENT(tag) == 0 || is_creator(tag))
        return mur_dictionary_vr(tag, NULL);
    const struct mur_dictionary_entry *entry = mur_dictionary_find(tag, creator);
    if (entry == NULL || entry->vr == MUR_VR_NONE)
        return MUR_VR_UN;
    if (entry->by_pixel_representation && scanner->items[scanner->depth].is_signed)
        return MUR_VR_SS;
    return entry->vr;
}

/* Bytes that the head at @p head takes, as far as the first @p have of them tell. */
static size_t head_size(const struct mur_scanner *scanner, const unsigned char *head, size_t have)
{
    struct encoding encoding = scanner->items[scanner->depth].encoding;
    if (scanner->state != AT_ELEMENT || encoding.implicit || have < 8 ||
        mur_get16(head, encoding.big_endian) == 0xFFFE)
        return 8;
    if (head[4] == 0 && head[5] == 0) /* padding after the end has no VR */
        return 8;
    enum mur_vr vr = mur_vr_from_name((const char *)head + 4);
    if (vr == MUR_VR_NONE) /* a VR of the future has a long length, "??" of the past a short one */
        return head[4] == '?' ? 8 : 12;
    return mur_vr_info(vr)->long_length ? 12 : 8;
}

static bool is_vr_name(const unsigned char *at)
{
    return (at[0] >= 'A' && at[0] <= 'Z' && at[1] >= 'A' && at[1] <= 'Z') ||
           (at[0] == '?' && at[1] == '?');
}

static enum mur_status reported(struct mur_scanner *scanner, struct mur_error *error)
{
    return scanner->events->element != NULL
               ? scanner->events->element(scanner->user, &scanner->element, error)
               : MUR_OK;
}

/* A value of an element is whole. */
static enum mur_status take_value(struct mur_scanner *scanner, const unsigned char *value,
                                  struct mur_error *error)
{
    struct mur_scan_element *element = &scanner->element;
    struct item *item = &scanner->items[scanner->depth];
    element->value = value;
    scanner->state = AT_ELEMENT;
    if (element->tag == MUR_TAG_SpecificCharacterSet) {
        struct mur_slice name = mur_scan_text(element);
        if (name.length > sizeof item->own_charset)
            name.length = sizeof item->own_charset;
        memcpy(item->own_charset, name.data, name.length);
        item->charset.data = item->own_charset;
        item->charset.length = name.length;
        element->charset = item->charset;
    } else if (element->tag == MUR_TAG_PixelRepresentation) {
        int64_t representation;
        if (mur_scan_int(&representation, element, 0))
            item->is_signed = representation == 1;
    } else if (is_creator(element->tag)) {
        enum mur_status status = declare_creator(scanner, error);
        if (status != MUR_OK)
            return status;
    }
    return reported(scanner, error);
}

/* After the head of an element. */
static enum mur_status begin_element(struct mur_scanner *scanner, uint32_t tag, enum mur_vr vr,
                                     uint32_t length, struct mur_error *error)
{
    struct item *item = &scanner->items[scanner->depth];
    struct encoding encoding = item->encoding;
    struct encoding inside = encoding;
    bool is_private = MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) > 0xFF;
    const char *creator = is_private ? creator_of(scanner, tag) : "";

    if (length != UNDEFINED_LENGTH && length > item->limit - scanner->offset)
        return fail_at(scanner, error, tag, "the value is longer than what it is in");
    scanner->may_be_sequence = false;
    if (encoding.implicit) {
        vr = known_vr(scanner, tag, creator);
        if (vr == MUR_VR_UN && length == UNDEFINED_LENGTH)
            vr = MUR_VR_SQ;
        else if (vr == MUR_VR_UN)
            scanner->may_be_sequence = length >= 8;
    } else if (vr == MUR_VR_UN) { /* PS3.5 6.2.2: UN is Implicit VR Little Endian inside */
        inside = (struct encoding){.implicit = true, .big_endian = false};
        encoding.big_endian = false;
        enum mur_vr known = known_vr(scanner, tag, creator);
        if (length == UNDEFINED_LENGTH)
            vr = MUR_VR_SQ;
        else if (known == MUR_VR_SQ || known == MUR_VR_UN)
            scanner->may_be_sequence = known == MUR_VR_SQ || length >= 8;
        else if (length % mur_vr_info(known)->width == 0)
            vr = known;
    }
    scanner->elements++;
    scanner->element = (struct mur_scan_element){
        .tag = tag,
        .vr = vr,
        .depth = scanner->depth,
        .sequences = scanner->sequence_tags,
        .items = scanner->item_indexes,
        .private_creator = creator,
        .charset = item->charset,
        .big_endian = encoding.big_endian,
        .offset = scanner->offset,
        .length = length,
    };

    if (MUR_TAG_ELEMENT(tag) == 0 || tag == MUR_TAG_DataSetTrailingPadding) {
        if (length == UNDEFINED_LENGTH)
            return fail_at(scanner, error, tag, "undefined length");
        if (vr == MUR_VR_SQ) /* nobody would look at the lengths within */
            return fail_at(scanner, error, tag, "a sequence where none can be");
        scanner->elements--;
        scanner->left = length;
        scanner->state = IN_UNNOTICED;
        return MUR_OK;
    }
    if (vr == MUR_VR_SQ)
        return begin_sequence(scanner, length, inside, error);
    if (length == UNDEFINED_LENGTH) {
        if (vr != MUR_VR_OB && vr != MUR_VR_OW)
            return fail_at(scanner, error, tag, "undefined length");
        scanner->element.encapsulated = true;
        scanner->fragments = 0;
        scanner->state = AT_FRAGMENT;
        return MUR_OK;
    }
    scanner->left = length;
    scanner->state =
        length > MUR_SCAN_VALUE || (is_bulk_tag(tag) && length > 0) ? IN_BULK : IN_VALUE;
    scanner->value_used = 0;
    return MUR_OK;
}

static enum mur_status take_element_head(struct mur_scanner *scanner, const unsigned char *head,
                                         size_t size, struct mur_error *error)
{
    const struct item *item = &scanner->items[scanner->depth];
    bool big_endian = item->encoding.big_endian;
    uint32_t tag = mur_get_tag(head, big_endian);
    uint64_t begin = scanner->offset;
    if (size > item->limit - begin)
        return fail_at(scanner, error, tag, "an element begins where an item must end");
    if (tag == 0 && scanner->depth == 0 && memcmp(head, "\0\0\0\0\0\0\0\0", 8) == 0) {
        scanner->padding = scanner->offset;
        scanner->offset += 8;
        scanner->state = IN_PADDING;
        return MUR_OK;
    }
    if (MUR_TAG_GROUP(tag) < 0x0004)
        return fail_at(scanner, error, tag, "not an element of a Data Set");
    if (tag == MUR_TAG_ItemDelimitationItem && scanner->depth > 0) {
        scanner->offset += 8;
        return item->end == NO_END ? end_item(scanner, error) : MUR_OK;
    }
    if (MUR_TAG_GROUP(tag) == 0xFFFE)
        return fail_at(scanner, error, tag, "a delimiter without what it would end");

    enum mur_vr vr = MUR_VR_NONE;
    uint32_t length;
    if (item->encoding.implicit) {
        length = mur_get32(head + 4, false);
    } else {
        if (!is_vr_name(head + 4))
            return fail_at(scanner, error, tag, "not a Value Representation");
        vr = mur_vr_from_name((const char *)head + 4);
        if (vr == MUR_VR_NONE)
            vr = MUR_VR_UN;
        length = size == 12 ? mur_get32(head + 8, big_endian) : mur_get16(head + 6, big_endian);
    }
    scanner->offset += size;
    return begin_element(scanner, tag, vr, length, error);
}

static enum mur_status take_item_head(struct mur_scanner *scanner, const unsigned char *head,
                                      struct mur_error *error)
{
    const struct sequence *sequence = &scanner->sequences[scanner->depth - 1];
    uint32_t tag = mur_get_tag(head, sequence->encoding.big_endian);
    uint32_t length = mur_get32(head + 4, sequence->encoding.big_endian);
    if (8 > sequence->limit - scanner->offset)
        return fail_at(scanner, error, tag, "an item begins where a sequence must end");
    scanner->offset += 8;
    if (tag == MUR_TAG_Item)
        return begin_item(scanner, length, error);
    if (tag == MUR_TAG_SequenceDelimitationItem)
        return sequence->end == NO_END ? end_sequence(scanner, error) : MUR_OK;
    return fail_at(scanner, error, tag, "an item or the end of a sequence was expected");
}

static enum mur_status take_fragment_head(struct mur_scanner *scanner, const unsigned char *head,
                                          struct mur_error *error)
{
    bool big_endian = scanner->items[scanner->depth].encoding.big_endian;
    uint64_t limit = scanner->items[scanner->depth].limit;
    uint32_t tag = mur_get_tag(head, big_endian);
    uint32_t length = mur_get32(head + 4, big_endian);
    if (8 > limit - scanner->offset)
        return fail_at(scanner, error, tag, "a fragment begins where an item must end");
    scanner->offset += 8;
    if (tag == MUR_TAG_SequenceDelimitationItem) {
        scanner->element.length = scanner->offset - 8 - scanner->element.offset;
        scanner->state = AT_ELEMENT;
        return scanner->events->bulk != NULL
                   ? scanner->events->bulk(scanner->user, &scanner->element, error)
                   : MUR_OK;
    }
    if (tag != MUR_TAG_Item)
        return fail_at(scanner, error, tag, "a fragment or the end of fragments was expected");
    if (length == UNDEFINED_LENGTH || length > limit - scanner->offset)
        return fail_at(scanner, error, tag, "impossible length of a fragment");
    scanner->left = length;
    scanner->state = IN_FRAGMENT;
    uint32_t index = scanner->fragments++;
    return scanner->events->fragment != NULL
               ? scanner->events->fragment(scanner->user, &scanner->element, index, scanner->offset,
                                           length, error)
               : MUR_OK;
}

/* ---- the machine --------------------------------------------------------------------------- */

static enum mur_status feed(struct mur_scanner *scanner, const unsigned char *bytes, size_t length,
                            struct mur_error *error);

/* Whether the bytes are items in Implicit VR Little Endian from the first to the last. */
static enum mur_status is_sequence(bool *out, const unsigned char *bytes, size_t length,
                                   struct mur_error *error)
{
    static const struct mur_scan_events nothing = {.element = NULL};
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    if (length < 8 || mur_get_tag(bytes, false) != MUR_TAG_Item) {
        *out = length == 0;
        return MUR_OK;
    }
    enum mur_status status =
        mur_scanner_create(&scanner, "1.2.840.10008.1.2", &nothing, NULL, error);
    if (status != MUR_OK)
        return status;
    scanner->element.tag = MUR_TAG_Item;
    status = begin_sequence(scanner, (uint32_t)length, scanner->items[0].encoding, error);
    if (status != MUR_OK)
        return status;
    *out = feed(scanner, bytes, length, &ignored) == MUR_OK &&
           mur_scanner_finish(scanner, &ignored) == MUR_OK;
    return MUR_OK;
}

/* The value of an element whose VR is not told and that may be a sequence: descends into it if it
 * is one. @p whole is in memory; the offset is after it. */
static enum mur_status take_unknown(struct mur_scanner *scanner, const unsigned char *whole,
                                    size_t length, struct mur_error *error)
{
    bool descend = false;
    enum mur_status status = is_sequence(&descend, whole, length, error);
    if (status != MUR_OK)
        return status;
    if (!descend)
        return take_value(scanner, whole, error);
    scanner->element.vr = MUR_VR_SQ;
    scanner->offset -= length;
    status = begin_sequence(scanner, (uint32_t)length,
                            (struct encoding){.implicit = true, .big_endian = false}, error);
    /* All of it is there, so the values within need no buffer: this goes no deeper than one call.
     */
    return status == MUR_OK ? feed(scanner, whole, length, error) : status;
}

static enum mur_status finish_value(struct mur_scanner *scanner, const unsigned char *value,
                                    struct mur_error *error)
{
    size_t length = (size_t)scanner->element.length;
    if (!scanner->may_be_sequence)
        return take_value(scanner, value, error);
    scanner->may_be_sequence = false;
    if (value != scanner->value)
        return take_unknown(scanner, value, length, error);
    scanner->value = NULL; /* in case a value within is cut between pieces: it never is, but see */
    size_t size = scanner->value_size;
    scanner->value_size = 0;
    enum mur_status status = take_unknown(scanner, value, length, error);
    free(scanner->value);
    scanner->value = (unsigned char *)value;
    scanner->value_size = size;
    return status;
}

static enum mur_status hold(struct mur_scanner *scanner, const unsigned char *bytes, size_t length,
                            struct mur_error *error)
{
    if (scanner->value_size < scanner->element.length) {
        unsigned char *grown = realloc(scanner->value, (size_t)scanner->element.length);
        if (grown == NULL)
            return mur_error_no_memory(error);
        scanner->value = grown;
        scanner->value_size = (size_t)scanner->element.length;
    }
    memcpy(scanner->value + scanner->value_used, bytes, length);
    scanner->value_used += length;
    return MUR_OK;
}

static enum mur_status take_head(struct mur_scanner *scanner, const unsigned char *head,
                                 size_t size, struct mur_error *error)
{
    if (scanner->state == AT_ELEMENT)
        return take_element_head(scanner, head, size, error);
    if (scanner->state == AT_ITEM)
        return take_item_head(scanner, head, error);
    return take_fragment_head(scanner, head, error);
}

/* Takes from the piece what makes a head whole. */
static enum mur_status feed_head(struct mur_scanner *scanner, const unsigned char **at,
                                 const unsigned char *end, struct mur_error *error)
{
    size_t have = (size_t)(end - *at);
    if (scanner->head_used == 0 && have >= HEAD_SIZE) {
        const unsigned char *head = *at;
        size_t size = head_size(scanner, head, HEAD_SIZE);
        *at += size;
        return take_head(scanner, head, size, error);
    }
    size_t size = 8;
    for (;;) {
        size = head_size(scanner, scanner->head, scanner->head_used);
        if (scanner->head_used == size)
            break;
        if (*at == end)
            return MUR_OK;
        scanner->head[scanner->head_used++] = *(*at)++;
    }
    scanner->head_used = 0;
    return take_head(scanner, scanner->head, size, error);
}

/* The end of a value that was passed over. */
static enum mur_status finish_unseen(struct mur_scanner *scanner, struct mur_error *error)
{
    enum state was = scanner->state;
    scanner->state = was == IN_FRAGMENT ? AT_FRAGMENT : AT_ELEMENT;
    return was == IN_BULK && scanner->events->bulk != NULL
               ? scanner->events->bulk(scanner->user, &scanner->element, error)
               : MUR_OK;
}

/* Takes from the piece what belongs to the value under way. */
static enum mur_status feed_value(struct mur_scanner *scanner, const unsigned char **at,
                                  const unsigned char *end, struct mur_error *error)
{
    size_t have = (size_t)(end - *at);
    size_t part = scanner->left < have ? (size_t)scanner->left : have;
    const unsigned char *begin = *at;
    enum mur_status status = MUR_OK;
    bool whole = scanner->state == IN_VALUE && part == scanner->element.length;
    if (scanner->state == IN_VALUE && !whole && part > 0)
        status = hold(scanner, begin, part, error);
    if (scanner->events->bulk_bytes != NULL && part > 0 &&
        (scanner->state == IN_BULK || scanner->state == IN_FRAGMENT))
        status = scanner->events->bulk_bytes(scanner->user, &scanner->element, begin, part, error);
    if (status != MUR_OK)
        return status;
    *at += part;
    scanner->offset += part;
    scanner->left -= part;
    if (scanner->left > 0)
        return MUR_OK;
    return scanner->state == IN_VALUE ? finish_value(scanner, whole ? begin : scanner->value, error)
                                      : finish_unseen(scanner, error);
}

static enum mur_status feed_padding(struct mur_scanner *scanner, const unsigned char **at,
                                    const unsigned char *end, struct mur_error *error)
{
    for (; *at < end; (*at)++, scanner->offset++)
        if (**at != 0)
            return fail_at(scanner, error, 0, "bytes after the end of the Data Set");
    return MUR_OK;
}

static enum mur_status feed(struct mur_scanner *scanner, const unsigned char *bytes, size_t length,
                            struct mur_error *error)
{
    const unsigned char *at = bytes;
    const unsigned char *end = bytes + length;
    enum mur_status status = close_ended(scanner, error);
    for (;;) {
        /* A value of length zero is whole without a byte. */
        bool complete =
            scanner->left == 0 && (scanner->state == IN_VALUE || scanner->state == IN_FRAGMENT ||
                                   scanner->state == IN_UNNOTICED);
        if (status != MUR_OK || (at == end && !complete))
            return status;
        switch (scanner->state) {
        case AT_ELEMENT:
        case AT_ITEM:
        case AT_FRAGMENT:
            status = feed_head(scanner, &at, end, error);
            break;
        case IN_VALUE:
        case IN_BULK:
        case IN_FRAGMENT:
        case IN_UNNOTICED:
            status = feed_value(scanner, &at, end, error);
            break;
        case IN_PADDING:
            status = feed_padding(scanner, &at, end, error);
            break;
        }
        if (status == MUR_OK && scanner->head_used == 0)
            status = close_ended(scanner, error);
    }
}

static enum mur_status feed_inflated(void *user, const void *bytes, size_t length,
                                     struct mur_error *error)
{
    return feed(user, bytes, length, error);
}

enum mur_status mur_scanner_write(struct mur_scanner *scanner, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    if (scanner->failed)
        return mur_error_set(error, MUR_INVALID, "the Data Set has failed to be read before");
    enum mur_status status = MUR_OK;
    if (scanner->deflated) {
        if (scanner->inflate == NULL)
            status = mur_inflate_create(&scanner->inflate, scanner->inflated_limit, error);
        struct mur_sink sink = {.write = feed_inflated, .user = scanner};
        if (status == MUR_OK)
            status = mur_inflate_write(scanner->inflate, sink, bytes, length, error);
    } else if (length > 0) {
        status = feed(scanner, bytes, length, error);
    }
    scanner->failed = status != MUR_OK;
    return status;
}

uint64_t mur_scanner_passable(const struct mur_scanner *scanner)
{
    bool is_bulk = scanner->state == IN_BULK || scanner->state == IN_FRAGMENT;
    bool is_unseen =
        scanner->state == IN_UNNOTICED || (is_bulk && scanner->events->bulk_bytes == NULL);
    return is_unseen && !scanner->deflated && !scanner->failed ? scanner->left : 0;
}

enum mur_status mur_scanner_pass(struct mur_scanner *scanner, uint64_t length,
                                 struct mur_error *error)
{
    if (length > mur_scanner_passable(scanner))
        return mur_error_set(error, MUR_INVALID, "these bytes cannot be passed over");
    if (length == 0)
        return MUR_OK;
    scanner->offset += length;
    scanner->left -= length;
    enum mur_status status = scanner->left == 0 ? finish_unseen(scanner, error) : MUR_OK;
    if (status == MUR_OK)
        status = close_ended(scanner, error);
    scanner->failed = status != MUR_OK;
    return status;
}

enum mur_status mur_scanner_read(struct mur_scanner *scanner, int descriptor, uint64_t offset,
                                 const char *name, struct mur_error *error)
{
    struct stat details;
    if (fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", name);
    MUR_AUTO_FREE unsigned char *piece = malloc(READ_SIZE);
    if (piece == NULL)
        return mur_error_no_memory(error);
    uint64_t size = details.st_size > 0 ? (uint64_t)details.st_size : 0;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && offset < size) {
        uint64_t passable = mur_scanner_passable(scanner);
        if (passable > READ_SIZE) {
            uint64_t passed = passable < size - offset ? passable : size - offset;
            status = mur_scanner_pass(scanner, passed, error);
            offset += passed;
            continue;
        }
        size_t length = 0;
        status = mur_pread_full(&length, descriptor, piece, READ_SIZE, (off_t)offset, name, error);
        if (status == MUR_OK && length == 0)
            break; /* cut while it was read */
        if (status == MUR_OK)
            status = mur_scanner_write(scanner, piece, length, error);
        offset += length;
    }
    return status == MUR_OK ? mur_scanner_finish(scanner, error) : status;
}

enum mur_status mur_scanner_finish(struct mur_scanner *scanner, struct mur_error *error)
{
    if (scanner->failed)
        return mur_error_set(error, MUR_INVALID, "the Data Set has failed to be read before");
    if (scanner->deflated && scanner->inflate != NULL && !mur_inflate_ended(scanner->inflate))
        return mur_error_set(error, MUR_PARSE, "the deflated Data Set is cut after %llu bytes",
                             (unsigned long long)scanner->offset);
    bool padded = true; /* less than a head of zeros is padding too */
    for (size_t i = 0; i < scanner->head_used; i++)
        padded = padded && scanner->head[i] == 0;
    if (scanner->state == IN_PADDING ||
        (scanner->state == AT_ELEMENT && scanner->depth == 0 && padded))
        return MUR_OK;
    uint32_t tag = scanner->element.tag;
    char place[32] = "";
    if (tag != 0)
        (void)snprintf(place, sizeof place, ", in or after (%04X,%04X)", MUR_TAG_GROUP(tag),
                       MUR_TAG_ELEMENT(tag));
    return mur_error_set(error, MUR_PARSE, "the Data Set is cut after %llu bytes%s",
                         (unsigned long long)(scanner->offset + scanner->head_used), place);
}
