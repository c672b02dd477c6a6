#include "dicom/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"

enum { TERM_SIZE = 24, TERM_LIMIT = 16, ESCAPE = 0x1B };

/* Character sets of PS3.3 C.12.1.1.2, in the forms that they have with and without code
 * extensions. */
enum set {
    SET_NONE,
    SET_ASCII, /* and JIS X 0201 romaji, whose yen and overline are backslash and tilde here */
    SET_LATIN1,
    SET_LATIN2,
    SET_LATIN3,
    SET_LATIN4,
    SET_CYRILLIC,
    SET_ARABIC,
    SET_GREEK,
    SET_HEBREW,
    SET_LATIN5,
    SET_LATIN9,
    SET_THAI,
    SET_KATAKANA, /* JIS X 0201, high half */
    SET_KANJI,    /* JIS X 0208 */
    SET_KANJI2,   /* JIS X 0212 */
    SET_KOREAN,   /* KS X 1001 */
    SET_CHINESE,  /* GB 2312 */
    SET_GB18030,
    SET_GBK,
    SET_COUNT
};

enum half { LOW, HIGH, WHOLE }; /* of the 8-bit code table; WHOLE: an encoding of its own */

static const struct {
    const char *number; /* in ISO_IR n, ISO 2022 IR n */
    const char *escape; /* designates it (PS3.3 Table C.12-3, C.12-4), without ESC */
    const char *iconv;  /* its name there */
    enum half half;
    unsigned bytes;     /* of a character */
    const char *prefix; /* what the iconv encoding wants before a character */
} sets[SET_COUNT] = {
    [SET_NONE] = {"", "", "", LOW, 1, ""},
    [SET_ASCII] = {"6", "(B", "ASCII", LOW, 1, ""},
    [SET_LATIN1] = {"100", "-A", "ISO-8859-1", HIGH, 1, ""},
    [SET_LATIN2] = {"101", "-B", "ISO-8859-2", HIGH, 1, ""},
    [SET_LATIN3] = {"109", "-C", "ISO-8859-3", HIGH, 1, ""},
    [SET_LATIN4] = {"110", "-D", "ISO-8859-4", HIGH, 1, ""},
    [SET_CYRILLIC] = {"144", "-L", "ISO-8859-5", HIGH, 1, ""},
    [SET_ARABIC] = {"127", "-G", "ISO-8859-6", HIGH, 1, ""},
    [SET_GREEK] = {"126", "-F", "ISO-8859-7", HIGH, 1, ""},
    [SET_HEBREW] = {"138", "-H", "ISO-8859-8", HIGH, 1, ""},
    [SET_LATIN5] = {"148", "-M", "ISO-8859-9", HIGH, 1, ""},
    [SET_LATIN9] = {"203", "-b", "ISO-8859-15", HIGH, 1, ""},
    [SET_THAI] = {"166", "-T", "TIS-620", HIGH, 1, ""},
    [SET_KATAKANA] = {"13", ")I", "EUC-JP", HIGH, 1, "\x8E"},
    [SET_KANJI] = {"87", "$B", "EUC-JP", LOW, 2, ""},
    [SET_KANJI2] = {"159", "$(D", "EUC-JP", LOW, 2, "\x8F"},
    [SET_KOREAN] = {"149", "$)C", "EUC-KR", HIGH, 2, ""},
    [SET_CHINESE] = {"58", "$)A", "EUC-CN", HIGH, 2, ""},
    [SET_GB18030] = {"GB18030", "", "GB18030", WHOLE, 1, ""},
    [SET_GBK] = {"GBK", "", "GBK", WHOLE, 1, ""},
};

enum kind {
    KIND_UTF8,   /* default repertoire and ISO_IR 192: what is beyond ASCII may well be UTF-8 */
    KIND_CP1252, /* ISO_IR 100, by which Windows-1252 is often meant, and what is not known */
    KIND_SETS,
};

struct mur_charset {
    char *name; /* as given */
    enum kind kind;
    bool declared; /* KIND_UTF8: ISO_IR 192, not the default repertoire */
    enum set low;  /* where each value begins (PS3.5 6.1.2.5.3) */
    enum set high;
    enum set target;            /* the one that can be written, SET_NONE if none */
    iconv_t readers[SET_COUNT]; /* (iconv_t)-1 until used */
    iconv_t writer;
};

/* ---- names --------------------------------------------------------------------------------- */

/* A term in one form: letters and digits in upper case, "iso_ir-100" as "ISOIR100". */
static void read_term(char out[TERM_SIZE], struct mur_slice text)
{
    size_t used = 0;
    for (size_t i = 0; i < text.length && used + 1 < TERM_SIZE; i++)
        if (isalnum((unsigned char)text.data[i]))
            out[used++] = (char)toupper((unsigned char)text.data[i]);
    out[used] = '\0';
}

static bool is_utf8_term(const char *term)
{
    return strcmp(term, "ISOIR192") == 0 || strcmp(term, "UTF8") == 0;
}

static enum set set_of_term(const char *term)
{
    const char *number = term;
    if (strncmp(term, "ISO2022IR", 9) == 0)
        number = term + 9;
    else if (strncmp(term, "ISOIR", 5) == 0)
        number = term + 5;
    else if (strcmp(term, "LATIN1") == 0 || strcmp(term, "ISO88591") == 0)
        number = "100";
    else if (term[0] == '\0')
        number = "6";
    for (int set = SET_ASCII; set < SET_COUNT; set++)
        if (strcmp(number, sets[set].number) == 0)
            return (enum set)set;
    return SET_NONE;
}

static void select_sets(struct mur_charset *charset)
{
    struct mur_slice rest = mur_slice_of(charset->name);
    bool extended = false;
    enum set first = SET_NONE;
    charset->low = SET_ASCII;
    for (unsigned i = 0; i < TERM_LIMIT; i++) {
        const char *separator = rest.length > 0 ? memchr(rest.data, '\\', rest.length) : NULL;
        struct mur_slice part = {.data = rest.data,
                                 .length = separator != NULL ? (size_t)(separator - rest.data)
                                                             : rest.length};
        char term[TERM_SIZE];
        read_term(term, part);
        enum set set = set_of_term(term);
        if (is_utf8_term(term)) {
            charset->kind = KIND_UTF8;
            charset->declared = true;
            return;
        }
        if (i == 0)
            first = set;
        if (sets[set].half == WHOLE) /* these know no code extensions */
            first = set;
        extended = extended || i > 0 || (sets[set].escape[0] == '$');
        if (separator == NULL)
            break;
        rest.length -= part.length + 1;
        rest.data = separator + 1;
    }
    if (first == SET_NONE || (first == SET_LATIN1 && !extended)) {
        charset->kind = KIND_CP1252;
        charset->target = SET_LATIN1;
        return;
    }
    charset->kind = first == SET_ASCII && !extended ? KIND_UTF8 : KIND_SETS;
    charset->high = sets[first].half == HIGH && sets[first].bytes == 1 ? first : SET_NONE;
    bool writable = charset->high != SET_NONE && first != SET_KATAKANA;
    if (sets[first].half == WHOLE) {
        charset->low = first;
        writable = true;
    }
    charset->target = writable ? first : SET_NONE;
}

/* ---- the converter ------------------------------------------------------------------------- */

static iconv_t no_converter(void)
{
    return (iconv_t)-1;
}

enum mur_status mur_charset_use(struct mur_charset **charset, struct mur_slice name,
                                struct mur_error *error)
{
    while (name.length > 0 &&
           (name.data[name.length - 1] == ' ' || name.data[name.length - 1] == '\0'))
        name.length--;
    if (*charset != NULL && mur_slice_equal(name, (*charset)->name))
        return MUR_OK;
    struct mur_charset *made = calloc(1, sizeof *made);
    if (made == NULL)
        return mur_error_no_memory(error);
    made->writer = no_converter();
    for (unsigned i = 0; i < SET_COUNT; i++)
        made->readers[i] = no_converter();
    enum mur_status status = mur_text_copy(&made->name, name, error);
    if (status != MUR_OK) {
        mur_charset_free(made);
        return status;
    }
    select_sets(made);
    mur_charset_free(*charset);
    *charset = made;
    return MUR_OK;
}

void mur_charset_free(struct mur_charset *charset)
{
    if (charset == NULL)
        return;
    for (unsigned i = 0; i < SET_COUNT; i++)
        if (charset->readers[i] != no_converter())
            (void)iconv_close(charset->readers[i]);
    if (charset->writer != no_converter())
        (void)iconv_close(charset->writer);
    free(charset->name);
    free(charset);
}

bool mur_charset_is_utf8(const struct mur_charset *charset)
{
    return charset->kind == KIND_UTF8;
}

/* Appends what iconv makes of the bytes. @retval MUR_PARSE they are not of its encoding */
static enum mur_status append_converted(struct mur_buffer *out, iconv_t converter,
                                        const char *bytes, size_t length, struct mur_error *error)
{
    char *from = (char *)bytes; /* iconv() does not write to it */
    (void)iconv(converter, NULL, NULL, NULL, NULL);
    while (length > 0) {
        char piece[256];
        char *to = piece;
        size_t room = sizeof piece;
        size_t result = iconv(converter, &from, &length, &to, &room);
        enum mur_status status = mur_buffer_append(out, piece, sizeof piece - room, error);
        if (status != MUR_OK)
            return status;
        if (result == (size_t)-1 && errno != E2BIG)
            return mur_error_set(error, MUR_PARSE, "not a text of this character set");
    }
    return MUR_OK;
}

static enum mur_status append_from_set(struct mur_buffer *out, struct mur_charset *charset,
                                       enum set set, const char *bytes, size_t length,
                                       struct mur_error *error)
{
    if (charset->readers[set] == no_converter())
        charset->readers[set] = iconv_open("UTF-8", sets[set].iconv);
    if (charset->readers[set] == no_converter())
        return mur_error_set(error, MUR_PARSE, "iconv does not know %s", sets[set].iconv);
    return append_converted(out, charset->readers[set], bytes, length, error);
}

/* One character of a set from the bytes at @p at. */
static enum mur_status append_character(struct mur_buffer *out, struct mur_charset *charset,
                                        enum set set, struct mur_slice bytes, size_t at,
                                        struct mur_error *error)
{
    char character[4];
    size_t used = strlen(sets[set].prefix);
    if (at + sets[set].bytes > bytes.length)
        return mur_error_set(error, MUR_PARSE, "a character is cut");
    memcpy(character, sets[set].prefix, used);
    for (unsigned i = 0; i < sets[set].bytes;
         i++) /* iconv's encodings have them in the high half */
        character[used++] = (char)((unsigned char)bytes.data[at + i] | 0x80);
    return append_from_set(out, charset, set, character, used, error);
}

/* The set that an escape sequence designates, SET_NONE if unknown; its length goes to @p length. */
static enum set designated(struct mur_slice bytes, size_t at, size_t *length)
{
    for (int set = SET_ASCII; set < SET_COUNT; set++) {
        size_t size = strlen(sets[set].escape);
        if (size > 0 && at + size <= bytes.length &&
            memcmp(bytes.data + at, sets[set].escape, size) == 0) {
            *length = size;
            return (enum set)set;
        }
    }
    if (at + 2 <= bytes.length && memcmp(bytes.data + at, "(J", 2) == 0) {
        *length = 2; /* romaji */
        return SET_ASCII;
    }
    return SET_NONE;
}

static bool is_delimiter(char c, enum mur_vr vr)
{
    if (c == '\n' || c == '\r' || c == '\f' || c == '\t')
        return true;
    return (c == '\\' && mur_vr_info(vr)->multi) || (vr == MUR_VR_PN && (c == '^' || c == '='));
}

/* ISO 2022 as DICOM has it (PS3.5 6.1.2.5). */
static enum mur_status append_sets(struct mur_buffer *out, struct mur_charset *charset,
                                   struct mur_slice bytes, enum mur_vr vr, struct mur_error *error)
{
    if (sets[charset->low].half == WHOLE)
        return append_from_set(out, charset, charset->low, bytes.data, bytes.length, error);
    enum set low = charset->low;
    enum set high = charset->high;
    enum mur_status status = MUR_OK;
    for (size_t at = 0; status == MUR_OK && at < bytes.length;) {
        unsigned char c = (unsigned char)bytes.data[at];
        size_t length = 1;
        if (c == ESCAPE) {
            enum set set = designated(bytes, at + 1, &length);
            if (set == SET_NONE)
                return mur_error_set(error, MUR_PARSE, "an escape sequence that is not known");
            *(sets[set].half == LOW ? &low : &high) = set;
            length++;
        } else if (c < 0x21 || (c < 0x80 && low == SET_ASCII)) {
            status = mur_buffer_append(out, bytes.data + at, 1, error);
            if (is_delimiter((char)c, vr)) {
                low = charset->low;
                high = charset->high;
            }
        } else {
            enum set set = c < 0x80 ? low : high;
            if (set == SET_NONE)
                return mur_error_set(error, MUR_PARSE, "a character of no set");
            length = sets[set].bytes;
            status = append_character(out, charset, set, bytes, at, error);
        }
        at += length;
    }
    return status;
}

/* ---- both ways ----------------------------------------------------------------------------- */

static bool is_kept(unsigned char c)
{
    return c >= 0x20 ? c != 0x7F : c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_plain(struct mur_slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        if ((unsigned char)bytes.data[i] >= 0x80 || !is_kept((unsigned char)bytes.data[i]))
            return false;
    return true;
}

static bool is_ascii(struct mur_slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    return true;
}

/* Removes control characters from @p begin on. */
static void clean(struct mur_buffer *text, size_t begin)
{
    size_t kept = begin;
    for (size_t i = begin; i < text->length; i++)
        if (is_kept((unsigned char)text->data[i]))
            text->data[kept++] = text->data[i];
    text->length = kept;
    if (text->data != NULL)
        text->data[kept] = '\0';
}

enum mur_status mur_charset_to_utf8(struct mur_buffer *out, struct mur_charset *charset,
                                    struct mur_slice bytes, enum mur_vr vr, struct mur_error *error)
{
    if (is_plain(bytes))
        return mur_buffer_append(out, bytes.data, bytes.length, error);
    size_t before = out->length;
    enum mur_status status = MUR_PARSE;
    if (charset->kind == KIND_SETS) {
        struct mur_error reason = MUR_ERROR_INIT;
        status = append_sets(out, charset, bytes, vr, &reason);
        if (status != MUR_OK) {
            out->length = before;
            if (status != MUR_PARSE)
                return mur_error_set(error, status, "%s", reason.message);
        }
    }
    if (status != MUR_OK && charset->kind != KIND_CP1252 && mur_utf8_valid(bytes)) {
        status = mur_buffer_append(out, bytes.data, bytes.length, error);
    } else if (status != MUR_OK) {
        MUR_AUTO_BUFFER struct mur_buffer kept = MUR_BUFFER_INIT;
        MUR_AUTO_FREE char *converted = NULL;
        status = mur_buffer_append(&kept, bytes.data, bytes.length, error);
        if (status == MUR_OK) {
            clean(&kept, 0); /* a NUL would end the text */
            struct mur_slice text = {.data = mur_buffer_text(&kept), .length = kept.length};
            status = mur_utf8_from_cp1252(&converted, text, error);
        }
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, converted, error);
    }
    if (status == MUR_OK)
        clean(out, before);
    else
        out->length = before;
    return status;
}

enum mur_status mur_charset_from_utf8(struct mur_buffer *out, struct mur_charset *charset,
                                      struct mur_slice text, enum mur_vr vr,
                                      struct mur_error *error)
{
    (void)vr; /* the sets that are written have one state only */
    if (is_ascii(text) || charset->declared)
        return mur_buffer_append(out, text.data, text.length, error);
    if (charset->target != SET_NONE && charset->writer == no_converter())
        charset->writer = iconv_open(sets[charset->target].iconv, "UTF-8");
    size_t before = out->length;
    enum mur_status status = MUR_PARSE;
    if (charset->writer != no_converter())
        status = append_converted(out, charset->writer, text.data, text.length, error);
    if (status == MUR_OK)
        return MUR_OK;
    out->length = before;
    if (out->data != NULL)
        out->data[before] = '\0';
    if (status != MUR_PARSE)
        return status;
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "\"%.*s\" has characters that \"%s\" does not have",
                         (int)mur_utf8_cut(text, 64), text.data, charset->name);
}
