#include "dicom/json_text.h"

#include <stdbool.h>
#include <string.h>

enum {
    DIGITS_SAFE = 15,    /* integers of this many digits are exact in every JSON reader */
    EXPONENT_DIGITS = 2, /* larger ones overflow a double */
    PERSON_NAME_GROUPS = 3,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the text is a number by the grammar of JSON (RFC 8259 6) that every reader can hold. */
static bool is_json_number(struct mur_slice text)
{
    size_t at = 0;
    if (at < text.length && text.data[at] == '-')
        at++;
    size_t whole = at;
    while (at < text.length && is_digit(text.data[at]))
        at++;
    size_t count = at - whole;
    if (count == 0 || (count > 1 && text.data[whole] == '0') || count > DIGITS_SAFE)
        return false;
    if (at < text.length && text.data[at] == '.') {
        size_t fraction = ++at;
        while (at < text.length && is_digit(text.data[at]))
            at++;
        if (at == fraction)
            return false;
    }
    if (at < text.length && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        if (at < text.length && (text.data[at] == '+' || text.data[at] == '-'))
            at++;
        size_t exponent = at;
        while (at < text.length && is_digit(text.data[at]))
            at++;
        if (at == exponent || at - exponent > EXPONENT_DIGITS)
            return false;
    }
    return at == text.length;
}

/* Cuts what pads a single value (PS3.5 6.2). */
static struct mur_slice trim_value(struct mur_slice value, enum mur_vr vr)
{
    while (value.length > 0 && value.data[value.length - 1] == ' ')
        value.length--;
    bool leading = vr == MUR_VR_AE || vr == MUR_VR_CS || vr == MUR_VR_DS || vr == MUR_VR_IS ||
                   vr == MUR_VR_LO || vr == MUR_VR_SH;
    while (leading && value.length > 0 && value.data[0] == ' ') {
        value.data++;
        value.length--;
    }
    return value;
}

/* Components that are empty at the end of a group may be left out (PS3.5 6.2.1.1). */
static struct mur_slice trim_group(struct mur_slice group)
{
    while (group.length > 0 &&
           (group.data[group.length - 1] == '^' || group.data[group.length - 1] == ' '))
        group.length--;
    return group;
}

static bool is_empty_value(struct mur_slice value, enum mur_vr vr)
{
    value = trim_value(value, vr);
    if (vr != MUR_VR_PN)
        return value.length == 0;
    for (size_t i = 0; i < value.length; i++)
        if (memchr("^= ", value.data[i], 3) == NULL)
            return false;
    return true;
}

static void write_person_name(struct mur_json_writer *json, struct mur_slice value)
{
    static const char *const groups[PERSON_NAME_GROUPS] = {"Alphabetic", "Ideographic", "Phonetic"};
    mur_json_begin_object(json);
    for (unsigned i = 0; i < PERSON_NAME_GROUPS; i++) {
        const char *equals =
            i + 1 < PERSON_NAME_GROUPS ? memchr(value.data, '=', value.length) : NULL;
        struct mur_slice group = {.data = value.data,
                                  .length = equals != NULL ? (size_t)(equals - value.data)
                                                           : value.length};
        struct mur_slice shown = trim_group(group);
        if (shown.length > 0) {
            mur_json_key(json, groups[i]);
            mur_json_slice(json, shown);
        }
        if (equals == NULL)
            break;
        value.length -= group.length + 1;
        value.data = equals + 1;
    }
    mur_json_end_object(json);
}

static void write_text_value(struct mur_json_writer *json, struct mur_slice value, enum mur_vr vr)
{
    bool is_empty = is_empty_value(value, vr);
    value = trim_value(value, vr);
    if (is_empty)
        mur_json_null(json);
    else if (vr == MUR_VR_PN)
        write_person_name(json, value);
    else if ((vr == MUR_VR_DS || vr == MUR_VR_IS) && is_json_number(value))
        mur_json_raw(json, value);
    else
        mur_json_slice(json, value);
}

static size_t copy_digits(char *out, struct mur_slice *text)
{
    size_t count = 0;
    while (count < text->length && is_digit(text->data[count]))
        count++;
    memcpy(out, text->data, count);
    text->data += count;
    text->length -= count;
    return count;
}

static bool take_sign(struct mur_slice *text, char sign)
{
    if (text->length == 0 || text->data[0] != sign)
        return false;
    text->data++;
    text->length--;
    return true;
}

size_t mur_json_decimal(char out[MUR_JSON_DECIMAL], struct mur_slice text)
{
    enum { LONGEST = 16 }; /* of DS; two digits at the most come to it */
    size_t used = 0;
    size_t digits = 0;
    if (text.length > LONGEST)
        return 0;
    if (take_sign(&text, '-'))
        out[used++] = '-';
    else
        (void)take_sign(&text, '+');
    while (text.length > 1 && text.data[0] == '0' && is_digit(text.data[1]))
        (void)take_sign(&text, '0');
    size_t whole = copy_digits(out + used, &text);
    digits = whole;
    used += whole;
    if (whole == 0)
        out[used++] = '0';
    if (take_sign(&text, '.')) {
        out[used++] = '.';
        size_t fraction = copy_digits(out + used, &text);
        digits += fraction;
        used += fraction;
        if (fraction == 0)
            out[used++] = '0';
    }
    if (digits > 0 && (take_sign(&text, 'e') || take_sign(&text, 'E'))) {
        out[used++] = 'e';
        if (take_sign(&text, '-'))
            out[used++] = '-';
        else
            (void)take_sign(&text, '+');
        size_t exponent = copy_digits(out + used, &text);
        used += exponent;
        digits = exponent;
    }
    bool decimal = digits > 0 && text.length == 0 && is_json_number((struct mur_slice){out, used});
    return decimal ? used : 0;
}

/* US, FD, ...: decimal text. */
static void write_number(struct mur_json_writer *json, struct mur_slice value, enum mur_vr vr)
{
    value = mur_slice_trim(value);
    double real = 0;
    if (is_json_number(value))
        mur_json_raw(json, value);
    else if (value.length == 0)
        mur_json_null(json);
    else if ((vr == MUR_VR_FD || vr == MUR_VR_FL) && mur_parse_double(&real, value, NULL) == MUR_OK)
        mur_json_double(json, real);
    else
        mur_json_slice(json, value); /* a large UV or SV (PS3.18 F.2.3) */
}

void mur_json_write_values(struct mur_json_writer *json, enum mur_vr vr, struct mur_slice text)
{
    const struct mur_vr_traits *traits = mur_vr_info(vr);
    bool number = traits->class_ == MUR_VR_CLASS_BINARY;
    if (is_empty_value(text, vr))
        return;
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    for (;;) {
        const char *separator = traits->multi ? memchr(text.data, '\\', text.length) : NULL;
        struct mur_slice value = {.data = text.data,
                                  .length = separator != NULL ? (size_t)(separator - text.data)
                                                              : text.length};
        if (number)
            write_number(json, value, vr);
        else
            write_text_value(json, value, vr);
        if (separator == NULL)
            break;
        text.length -= value.length + 1;
        text.data = separator + 1;
    }
    mur_json_end_array(json);
}
