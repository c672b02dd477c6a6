#include "cli/find_isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/dictionary.h"

enum { LO_CHARACTERS = 64, NO_BLOCK = 0 };

void mur_isa_questions_free(struct mur_isa_questions *questions)
{
    for (size_t i = 0; i < questions->count; i++)
        free(questions->list[i].text);
    questions->count = 0;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* "Factor Value[diet]", "factor:diet". */
static const struct {
    const char *spelling;
    const char *kind;
} kinds[] = {
    {"characteristics", "CHARACTERISTIC"},
    {"characteristic", "CHARACTERISTIC"},
    {"factor value", "FACTOR"},
    {"factor", "FACTOR"},
    {"parameter value", "PARAMETER"},
    {"parameter", "PARAMETER"},
    {"comment", "COMMENT"},
    {"name", "NAME"},
    {"file", "FILE"},
    {"other", "OTHER"},
};

static const char *kind_of(struct mur_slice text)
{
    char word[32];
    text = mur_slice_trim(text);
    if (text.length >= sizeof word)
        return NULL;
    (void)snprintf(word, sizeof word, "%.*s", (int)text.length, text.data);
    for (size_t i = 0; i < MUR_COUNT(kinds); i++)
        if (mur_ascii_equal_ignore_case(word, kinds[i].spelling))
            return kinds[i].kind;
    return NULL;
}

static enum mur_status set_heading(struct mur_isa_question *out, struct mur_slice text,
                                   const char *word, struct mur_error *error)
{
    text = mur_slice_trim(text);
    const char *bracket = memchr(text.data, '[', text.length);
    const char *colon = memchr(text.data, ':', text.length);
    const char *kind = NULL;
    struct mur_slice before = {.data = text.data, .length = 0};
    if (bracket != NULL && text.data[text.length - 1] == ']') {
        before.length = (size_t)(bracket - text.data);
        kind = kind_of(before);
        if (kind != NULL)
            text =
                (struct mur_slice){.data = bracket + 1, .length = text.length - before.length - 2};
    } else if (colon != NULL) {
        before.length = (size_t)(colon - text.data);
        kind = kind_of(before);
        if (kind != NULL)
            text = (struct mur_slice){.data = colon + 1, .length = text.length - before.length - 1};
    }
    text = mur_slice_trim(text);
    if (text.length == 0 || text.length >= MUR_ISA_HEADING_SIZE)
        return mur_error_set(error, MUR_INVALID,
                             "--isa \"%s\": which column? \"Factor Value[diet]=western*\"", word);
    (void)snprintf(out->kind, sizeof out->kind, "%s", kind != NULL ? kind : "");
    (void)snprintf(out->heading, sizeof out->heading, "%.*s", (int)text.length, text.data);
    return MUR_OK;
}

/* The first operator outside of brackets. */
static const char *find_operator(const char *word)
{
    int depth = 0;
    for (const char *c = word; *c != '\0'; c++) {
        depth += *c == '[' ? 1 : *c == ']' ? -1 : 0;
        if (depth <= 0 && strchr("=<>!", *c) != NULL)
            return c;
    }
    return NULL;
}

static enum mur_status set_value(struct mur_isa_question *out, const char *sign, const char *word,
                                 struct mur_error *error)
{
    bool bound = sign[0] == '<' || sign[0] == '>';
    if ((sign[0] != '=' && sign[1] != '=') || sign[0] == '!')
        return mur_error_set(
            error, MUR_INVALID,
            "--isa \"%s\": C-FIND can ask for =, >= and <= (also \"Age=150..200\"), "
            "not for %s",
            word,
            sign[0] == '!'   ? "what is not so"
            : sign[0] == '<' ? "<"
                             : ">");
    struct mur_slice text = mur_slice_trim(mur_slice_of(sign + (bound ? 2 : 1)));
    double number;
    if (bound && mur_parse_double(&number, text, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "--isa \"%s\": \"%.*s\" is no number", word,
                             (int)text.length, text.data);
    enum mur_status status = mur_text_format(&out->text, error,
                                             sign[0] == '>'   ? "%.*s.."
                                             : sign[0] == '<' ? "..%.*s"
                                                              : "%.*s",
                                             (int)text.length, text.data);
    for (char *c = out->text; status == MUR_OK && *c != '\0'; c++)
        if (*c == '\\')
            *c = '/'; /* as cells are written there */
    out->matched = true;
    return status;
}

static enum mur_status read_word(struct mur_isa_question *out, const char *word,
                                 struct mur_error *error)
{
    const char *sign = find_operator(word);
    const struct mur_slice heading = {
        .data = word, .length = sign != NULL ? (size_t)(sign - word) : strlen(word)};
    if (!mur_utf8_valid(mur_slice_of(word)))
        return mur_error_set(error, MUR_INVALID, "a word of --isa is not UTF-8");
    enum mur_status status = set_heading(out, heading, word, error);
    if (status != MUR_OK || sign == NULL)
        return status;
    return set_value(out, sign, word, error);
}

enum mur_status mur_isa_questions_read(struct mur_isa_questions *out, char **words,
                                       struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && words != NULL && words[i] != NULL; i++) {
        if (out->count == MUR_ISA_QUESTIONS)
            return mur_error_set(error, MUR_INVALID, "more than %d times --isa", MUR_ISA_QUESTIONS);
        struct mur_isa_question *one = &out->list[out->count];
        *one = (struct mur_isa_question){.matched = false};
        status = read_word(one, words[i], error);
        if (status == MUR_OK)
            out->count++;
    }
    return status;
}

/* ---- into an identifier ---------------------------------------------------------------------- */

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static enum mur_status put_item(struct mur_dataset *identifier, unsigned block,
                                const struct mur_isa_question *question, struct mur_error *error)
{
    struct mur_dataset *item = NULL;
    unsigned inner = 0;
    enum mur_status status = mur_dataset_append_item(
        &item, identifier, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_SEQUENCE), error);
    if (status == MUR_OK)
        status = mur_dataset_private_block(&inner, item, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, error);
    if (status == MUR_OK && question->kind[0] != '\0')
        status = mur_dataset_put_string(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_KIND),
                                        MUR_VR_CS, question->kind, error);
    char heading[MUR_ISA_HEADING_SIZE];
    size_t length = 0;
    for (size_t count = 0; question->heading[length] != '\0'; length++) {
        bool begins = ((unsigned char)question->heading[length] & 0xC0) != 0x80;
        if (begins && count++ == LO_CHARACTERS)
            break; /* the peer knows that a name of this length may be a part */
    }
    (void)snprintf(heading, sizeof heading, "%.*s", (int)length, question->heading);
    if (status == MUR_OK)
        status = mur_dataset_put_string(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_NAME),
                                        MUR_VR_LO, heading, error);
    if (status == MUR_OK && question->text != NULL && question->text[0] != '\0')
        status = mur_dataset_put_string(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_TEXT),
                                        MUR_VR_UC, question->text, error);
    return status;
}

enum mur_status mur_isa_questions_put(struct mur_dataset *identifier,
                                      const struct mur_isa_questions *questions,
                                      struct mur_error *error)
{
    if (questions->count == 0)
        return MUR_OK;
    bool ascii = true;
    bool any = false;
    for (size_t i = 0; i < questions->count; i++) {
        const struct mur_isa_question *one = &questions->list[i];
        ascii = ascii && is_ascii(one->heading) && (one->text == NULL || is_ascii(one->text));
        any = any || one->matched;
    }
    unsigned block = 0;
    enum mur_status status = ascii ? MUR_OK : mur_dataset_set_utf8(identifier, error);
    if (status == MUR_OK)
        status = mur_dataset_private_block(&block, identifier, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA,
                                           error);
    if (status == MUR_OK && !any)
        return mur_dataset_put_empty(identifier, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_SEQUENCE),
                                     MUR_VR_SQ, error);
    bool all = false;
    for (size_t i = 0; status == MUR_OK && i < questions->count; i++) {
        all = all || !questions->list[i].matched;
        if (questions->list[i].matched)
            status = put_item(identifier, block, &questions->list[i], error);
    }
    /* What is only to be told is matched by nothing: a universal item asks for all cells. */
    const struct mur_isa_question any_cell = {.heading = "*"};
    return status == MUR_OK && all ? put_item(identifier, block, &any_cell, error) : status;
}

/* ---- out of an answer ------------------------------------------------------------------------ */

static unsigned find_block(struct mur_dataset *dataset)
{
    for (unsigned block = 0x10; block <= 0xFF; block++) {
        const char *creator = "";
        if (mur_dataset_get_string(&creator, dataset, MUR_TAG(MUR_PRIVATE_GROUP, block), NULL) ==
                MUR_OK &&
            strcmp(creator, MUR_CREATOR_ISA) == 0)
            return block;
    }
    return NO_BLOCK;
}

static bool has_text(struct mur_dataset *item, unsigned block, unsigned element, const char *wanted)
{
    MUR_AUTO_FREE char *text = NULL;
    MUR_AUTO_FREE char *one = NULL;
    MUR_AUTO_FREE char *other = NULL;
    return mur_dataset_get_text(&text, item, MUR_PRIVATE_TAG(block, element), NULL) == MUR_OK &&
           mur_text_fold(&one, mur_slice_of(text), NULL) == MUR_OK &&
           mur_text_fold(&other, mur_slice_of(wanted), NULL) == MUR_OK &&
           mur_wildcard_match(mur_slice_of(other), mur_slice_of(one));
}

static enum mur_status append_item(struct mur_buffer *out, const struct mur_isa_question *question,
                                   struct mur_dataset *item, struct mur_error *error)
{
    unsigned block = find_block(item);
    MUR_AUTO_FREE char *text = NULL;
    if (block == NO_BLOCK || !has_text(item, block, MUR_ISA_ATTRIBUTE_NAME, question->heading) ||
        (question->kind[0] != '\0' &&
         !has_text(item, block, MUR_ISA_ATTRIBUTE_KIND, question->kind)) ||
        mur_dataset_get_text(&text, item, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_TEXT), NULL) !=
            MUR_OK)
        return MUR_OK;
    return mur_buffer_append_format(out, error, "%s%s", out->length > 0 ? "; " : "", text);
}

enum mur_status mur_isa_question_answer(char **out, const struct mur_isa_question *question,
                                        struct mur_dataset *answer, struct mur_error *error)
{
    unsigned block = find_block(answer);
    uint32_t sequence = MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_SEQUENCE);
    if (block == NO_BLOCK || !mur_dataset_has(answer, sequence))
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "the peer does not know the private block %s: it is no murpacs, and "
                             "passes over --isa",
                             MUR_CREATOR_ISA);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    size_t count = 0;
    enum mur_status status = mur_dataset_item_count(&count, answer, sequence, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        struct mur_dataset *item = NULL;
        status = mur_dataset_get_item(&item, answer, sequence, i, error);
        if (status == MUR_OK)
            status = append_item(&text, question, item, error);
    }
    return status == MUR_OK ? mur_buffer_take(out, &text, error) : status;
}
