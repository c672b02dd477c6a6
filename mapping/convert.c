#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "dicom/vr.h"
#include "mapping/internal.h"

/** What a VR allows of one value, in characters (PS3.5 6.2). A person's name has up to three groups
 * of 64; we write one. */
static uint32_t most_characters(enum mur_vr vr)
{
    return vr == MUR_VR_PN ? 64 : mur_vr_info(vr)->maximum;
}

static bool is_long_text(enum mur_vr vr)
{
    return vr == MUR_VR_LT || vr == MUR_VR_ST || vr == MUR_VR_UT;
}

/** Bytes that @p limit characters take. */
static size_t prefix_length(const char *text, size_t limit)
{
    size_t i = 0;
    for (size_t characters = 0; text[i] != '\0'; i++) {
        if (((unsigned char)text[i] & 0xC0) == 0x80)
            continue;
        if (characters++ == limit)
            break;
    }
    return i;
}

enum mur_status mur_mapping_fit(const char **out, bool *cut, enum mur_vr vr, bool unique,
                                struct mur_slice text, struct mur_isa_strings *strings,
                                struct mur_error *error)
{
    MUR_AUTO_FREE char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_trim(text), error);
    if (status != MUR_OK)
        return status;
    bool is_long = is_long_text(vr);
    for (char *c = copy; *c != '\0'; c++) {
        bool line_end = is_long && (*c == '\n' || *c == '\r' || *c == '\f');
        if (((unsigned char)*c < 0x20 && !line_end) || *c == 0x7F)
            *c = ' ';
        else if (*c == '\\' && !is_long)
            *c = '/'; /* it would separate values */
    }
    uint32_t most = most_characters(vr);
    size_t length = strlen(copy);
    *cut = most != 0 && mur_utf8_count(mur_slice_of(copy)) > most;
    if (*cut) {
        enum { DIGEST = 9 }; /* "~" and 8 hexadecimal digits */
        char end[32] = "";
        if (unique)
            (void)snprintf(end, sizeof end, "~%08llx",
                           (unsigned long long)(mur_xxh64_of(copy, length) >> 32));
        length = prefix_length(copy, unique && most > DIGEST ? most - DIGEST : most);
        while (length > 0 && copy[length - 1] == ' ')
            length--;
        copy[length] = '\0';
        MUR_AUTO_FREE char *whole = NULL;
        status = mur_text_format(&whole, error, "%s%s", copy, end);
        return status != MUR_OK ? status : mur_isa_intern(out, strings, mur_slice_of(whole), error);
    }
    return mur_isa_intern(out, strings, (struct mur_slice){copy, length}, error);
}

static void set_problem(struct mur_converted *out, const struct mur_target *target,
                        const char *code, const char *problem)
{
    if (target->quiet)
        return;
    out->problem_code = code;
    out->problem = problem;
}

static void drop(struct mur_converted *out, const struct mur_target *target, const char *code,
                 const char *problem)
{
    out->drop = true;
    set_problem(out, target, code, problem);
}

/** CS: capitals, digits, blank and underscore (PS3.5 6.2). */
static bool make_code_string(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        bool good = (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == ' ' || *c == '_';
        if (!good)
            return false;
    }
    return true;
}

static enum mur_status convert_text(struct mur_converted *out, const struct mur_target *target,
                                    const char *text, struct mur_isa_strings *strings,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE char *copy = NULL;
    enum mur_status status = mur_text_copy(&copy, mur_slice_of(text), error);
    if (status != MUR_OK)
        return status;
    if (target->vr == MUR_VR_CS && !make_code_string(copy)) {
        drop(out, target, "bad-value", "has characters that a code string cannot have");
        return MUR_OK;
    }
    bool cut = false;
    status =
        mur_mapping_fit(&out->text, &cut, target->vr, false, mur_slice_of(copy), strings, error);
    if (status != MUR_OK || !cut)
        return status;
    if (target->drop_too_long)
        out->drop = true;
    else
        set_problem(out, target, "value-cut",
                    "is too long for the attribute and was cut; the whole text stays searchable "
                    "as ISA attribute");
    return MUR_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/** Reads the number and finds its unit: the Unit column, else the name's, else what stands behind
 * the number, else what the mapping assumes. @param[out] unit  NULL = none or not known */
static enum mur_status read_quantity(struct mur_decimal *number, const struct mur_unit **unit,
                                     bool *known, const struct mur_mapping *mapping,
                                     const struct mur_target *target, const struct mur_found *found,
                                     struct mur_error *error)
{
    struct mur_slice rest = {"", 0};
    enum mur_status status =
        mur_decimal_read(number, &rest, mur_slice_of(found->value.value), error);
    if (status != MUR_OK)
        return status;
    if (rest.length > 0 && strchr(",.;:'0123456789", rest.data[0]) != NULL)
        return mur_error_set(error, MUR_PARSE, "a comma, or a number in two parts");
    struct mur_slice written = mur_slice_of(found->value.unit);
    if (written.length > 0 && rest.length > 0)
        return mur_error_set(error, MUR_PARSE, "text stands behind the number");
    if (written.length == 0)
        written = rest;
    *unit = target->assume;
    *known = true;
    if (written.length > 0) {
        *unit = mur_mapping_unit(mapping, written);
        *known = *unit != NULL;
    } else if (found->name_unit != NULL) {
        *unit = found->name_unit;
    }
    return MUR_OK;
}

static enum mur_status to_unit(struct mur_decimal *number, bool *exact, const struct mur_unit *from,
                               const struct mur_unit *to, struct mur_error *error)
{
    *exact = true;
    enum mur_status status = mur_decimal_multiply(number, from->factor, error);
    if (status == MUR_OK)
        status = mur_decimal_divide(number, exact, to->factor, error);
    if (status == MUR_OK)
        status = mur_decimal_shift(number, from->power - to->power, error);
    return status;
}

static bool is_one_of(const struct mur_unit *unit, const struct mur_keys *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (mur_keys_have(&unit->names, names->items[i]))
            return true;
    return false;
}

/** The number in the wanted unit. *@p good is false, and the problem set, when there is none. */
static enum mur_status get_number(struct mur_decimal *number, bool *good, struct mur_converted *out,
                                  const struct mur_mapping *mapping,
                                  const struct mur_target *target, const struct mur_found *found)
{
    struct mur_error cause = MUR_ERROR_INIT;
    const struct mur_unit *unit = NULL;
    bool known = true;
    *good = false;
    if (read_quantity(number, &unit, &known, mapping, target, found, &cause) != MUR_OK) {
        drop(out, target, "bad-number",
             "is not a number: 23.4 has a point, and nothing separates thousands");
        return MUR_OK;
    }
    if (target->unit == NULL) {
        *good = true;
        return MUR_OK;
    }
    if (!known) {
        drop(out, target, "unknown-unit", "has a unit that the mapping does not know");
        return MUR_OK;
    }
    if (unit == NULL) {
        drop(out, target, "missing-unit", "has no unit");
        return MUR_OK;
    }
    if (target->units.count > 0 && !is_one_of(unit, &target->units)) {
        out->drop = true; /* another field has it */
        return MUR_OK;
    }
    if (strcmp(unit->dimension, target->unit->dimension) != 0) {
        drop(out, target, "wrong-unit", "has a unit of another kind");
        return MUR_OK;
    }
    bool exact = true;
    if (to_unit(number, &exact, unit, target->unit, &cause) != MUR_OK) {
        drop(out, target, "bad-number", "is too large or too small");
        return MUR_OK;
    }
    *good = true;
    return MUR_OK;
}

static enum mur_status convert_number(struct mur_converted *out, const struct mur_mapping *mapping,
                                      const struct mur_target *target,
                                      const struct mur_found *found,
                                      struct mur_isa_strings *strings, struct mur_error *error)
{
    struct mur_decimal number;
    bool good = false;
    enum mur_status status = get_number(&number, &good, out, mapping, target, found);
    if (status != MUR_OK || !good)
        return status;
    char text[MUR_DECIMAL_TEXT_SIZE];
    bool exact = true;
    if (target->vr == MUR_VR_IS) {
        int64_t value = 0;
        struct mur_error ignored = MUR_ERROR_INIT;
        if (!mur_decimal_is_integer(&number) ||
            mur_decimal_to_int(&value, &number, &ignored) != MUR_OK || value > INT32_MAX ||
            value < INT32_MIN) {
            drop(out, target, "not-integer", "is no whole number, which the attribute wants");
            return MUR_OK;
        }
        mur_decimal_write(text, &number);
    } else if (target->vr == MUR_VR_DS) {
        mur_decimal_write_short(text, &exact, &number, 16);
    } else {
        mur_decimal_write(text, &number);
    }
    if (!exact)
        set_problem(out, target, "value-rounded", "was rounded to the 16 characters of a DS");
    return mur_isa_intern(&out->text, strings, mur_slice_of(text), error);
}

/** The number in months, where its unit is one of the calendar's. */
static bool get_months(struct mur_decimal *number, const struct mur_mapping *mapping,
                       const struct mur_target *target, const struct mur_found *found)
{
    static const struct mur_unit month = {.factor = 1};
    const struct mur_unit *unit = NULL;
    bool known = true;
    bool exact = true;
    struct mur_error ignored = MUR_ERROR_INIT;
    return read_quantity(number, &unit, &known, mapping, target, found, &ignored) == MUR_OK &&
           unit != NULL && strcmp(unit->dimension, "calendar") == 0 &&
           to_unit(number, &exact, unit, &month, &ignored) == MUR_OK;
}

/** PS3.5 6.2 AS: nnnD, nnnW, nnnM or nnnY; the first that has room. How long a month is in days
 * depends on the month: an age in months or years becomes no days. */
static enum mur_status convert_age(struct mur_converted *out, const struct mur_mapping *mapping,
                                   const struct mur_target *target, const struct mur_found *found,
                                   struct mur_isa_strings *strings, struct mur_error *error)
{
    struct mur_decimal number;
    bool is_calendar = get_months(&number, mapping, target, found);
    bool good = is_calendar;
    enum mur_status status =
        is_calendar ? MUR_OK : get_number(&number, &good, out, mapping, target, found);
    if (status != MUR_OK || !good)
        return status;
    int64_t value = 0; /* days or months */
    struct mur_error ignored = MUR_ERROR_INIT;
    if (number.negative || mur_decimal_to_int(&value, &number, &ignored) != MUR_OK) {
        drop(out, target, "bad-number", "is no age");
        return MUR_OK;
    }
    if (is_calendar && !mur_decimal_is_integer(&number))
        set_problem(out, target, "value-rounded", "was cut to whole months");
    static const struct {
        char letter;
        int64_t numerator, denominator; /* days or months of one */
    } steps[] = {{'D', 1, 1}, {'W', 7, 1}, {'M', 1461, 48}, {'Y', 1461, 4}, /* of days */
                 {'M', 1, 1}, {'Y', 12, 1}};
    enum { DAYS = 4, ALL = MUR_COUNT(steps) };
    for (size_t i = is_calendar ? DAYS : 0; i < (is_calendar ? ALL : DAYS); i++) {
        if (value > INT32_MAX)
            break;
        int64_t count = value * steps[i].denominator / steps[i].numerator;
        if (count > 999)
            continue;
        char text[32];
        (void)snprintf(text, sizeof text, "%03lld%c", (long long)count, steps[i].letter);
        return mur_isa_intern(&out->text, strings, mur_slice_of(text), error);
    }
    drop(out, target, "bad-number", "is no age");
    return MUR_OK;
}

/* ---- dates ----------------------------------------------------------------------------------- */

static bool digits_at(const char *text, size_t begin, size_t count)
{
    for (size_t i = begin; i < begin + count; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static unsigned number_at(const char *text, size_t begin, size_t count)
{
    unsigned value = 0;
    for (size_t i = begin; i < begin + count; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return value;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/** YYYY-MM-DD or YYYYMMDD at the beginning. @return what follows, or NULL */
static const char *read_date(char out[9], const char *text)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    size_t gap = 0;
    if (strlen(text) >= 10 && text[4] == '-' && text[7] == '-')
        gap = 1;
    else if (strlen(text) < 8)
        return NULL;
    if (!digits_at(text, 0, 4) || !digits_at(text, 4 + gap, 2) || !digits_at(text, 6 + 2 * gap, 2))
        return NULL;
    unsigned year = number_at(text, 0, 4);
    unsigned month = number_at(text, 4 + gap, 2);
    unsigned day = number_at(text, 6 + 2 * gap, 2);
    if (month < 1 || month > 12 || day < 1 ||
        day > days[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U))
        return NULL;
    (void)snprintf(out, 9, "%04u%02u%02u", year % 10000, month % 100, day % 100);
    return text + 8 + 2 * gap;
}

/** hh:mm or hh:mm:ss, with or without fraction and zone, which are left out. */
static bool read_time(char out[7], const char *text)
{
    if (strlen(text) < 5 || !digits_at(text, 0, 2) || text[2] != ':' || !digits_at(text, 3, 2))
        return false;
    bool seconds = strlen(text) >= 8 && text[5] == ':' && digits_at(text, 6, 2);
    unsigned hour = number_at(text, 0, 2);
    unsigned minute = number_at(text, 3, 2);
    unsigned second = seconds ? number_at(text, 6, 2) : 0;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    (void)snprintf(out, 7, "%02u%02u%02u", hour, minute, second);
    return true;
}

static enum mur_status convert_date(struct mur_converted *out, const struct mur_target *target,
                                    const char *text, struct mur_isa_strings *strings,
                                    struct mur_error *error)
{
    char date[9];
    char time[7];
    const char *rest = read_date(date, text);
    if (rest == NULL) {
        drop(out, target, "bad-date", "is no date of the form YYYY-MM-DD");
        return MUR_OK;
    }
    if (target->conversion == MUR_CONVERT_DATE)
        return mur_isa_intern(&out->text, strings, mur_slice_of(date), error);
    if ((rest[0] != 'T' && rest[0] != ' ') || !read_time(time, rest + 1)) {
        out->drop = true; /* a date alone has no time */
        return MUR_OK;
    }
    return mur_isa_intern(&out->text, strings, mur_slice_of(time), error);
}

/* ---- persons --------------------------------------------------------------------------------- */

/** Family^Given^Middle of a contact. */
static enum mur_status contact_name(char **out, const struct mur_isa_contact *contact,
                                    struct mur_error *error)
{
    enum mur_status status = mur_text_format(out, error, "%s^%s^%s", contact->last_name,
                                             contact->first_name, contact->mid_initials);
    if (status == MUR_OK)
        for (size_t length = strlen(*out); length > 0 && (*out)[length - 1] == '^'; length--)
            (*out)[length - 1] = '\0';
    return status;
}

/** "First Last" or "Last First" as one of the study's contacts has it. */
static const struct mur_isa_contact *find_contact(const struct mur_isa_study *study,
                                                  const char *text)
{
    for (size_t i = 0; i < study->contact_count; i++) {
        const struct mur_isa_contact *contact = &study->contacts[i];
        size_t first = strlen(contact->first_name);
        size_t last = strlen(contact->last_name);
        if (first == 0 || last == 0 || strlen(text) != first + 1 + last)
            continue;
        if (text[first] == ' ' && strncmp(text, contact->first_name, first) == 0 &&
            strcmp(text + first + 1, contact->last_name) == 0)
            return contact;
    }
    return NULL;
}

static enum mur_status convert_person(struct mur_converted *out, const struct mur_target *target,
                                      const char *text, const struct mur_isa_study *study,
                                      struct mur_isa_strings *strings, struct mur_error *error)
{
    MUR_AUTO_FREE char *name = NULL;
    const struct mur_isa_contact *contact = find_contact(study, text);
    const char *comma = strchr(text, ',');
    enum mur_status status;
    if (contact != NULL) {
        status = contact_name(&name, contact, error);
    } else if (comma != NULL) {
        struct mur_slice last = mur_slice_trim((struct mur_slice){text, (size_t)(comma - text)});
        struct mur_slice first = mur_slice_trim(mur_slice_of(comma + 1));
        status = mur_text_format(&name, error, "%.*s^%.*s", (int)last.length, last.data,
                                 (int)first.length, first.data);
    } else {
        status = mur_text_copy(&name, mur_slice_of(text), error);
    }
    return status != MUR_OK ? status : convert_text(out, target, name, strings, error);
}

/* ---- codes ----------------------------------------------------------------------------------- */

/** "MGI:3028467" of the ontology MGI is 3028467 there. */
static const char *strip_prefix(const char *accession, const struct mur_term_source *source)
{
    const char *slash = strrchr(accession, '/');
    const char *tail = slash == NULL ? accession : slash + 1;
    size_t length = strcspn(tail, ":_");
    if (tail[length] == '\0')
        return tail;
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *key = NULL;
    if (mur_mapping_key(&key, (struct mur_slice){tail, length}, &ignored) != MUR_OK)
        return tail;
    return mur_keys_have(&source->names, key) ? tail + length + 1 : tail;
}

static enum mur_status code_of_term(struct mur_organ_code *out, const struct mur_mapping *mapping,
                                    const struct mur_isa_value *value,
                                    struct mur_isa_strings *strings, struct mur_error *error)
{
    enum { CODE_VALUE = 16 }; /* SH */
    MUR_AUTO_FREE char *key = NULL;
    if (value->term_accession[0] == '\0' || value->term_source[0] == '\0')
        return MUR_OK;
    enum mur_status status = mur_mapping_key(&key, mur_slice_of(value->term_source), error);
    for (size_t i = 0; status == MUR_OK && i < mapping->term_source_count; i++) {
        const struct mur_term_source *source = &mapping->term_sources[i];
        if (!mur_keys_have(&source->names, key))
            continue;
        const char *code = strip_prefix(value->term_accession, source);
        if (code[0] == '\0' || mur_utf8_count(mur_slice_of(code)) > CODE_VALUE)
            return MUR_OK;
        bool cut = false;
        const char *meaning = "";
        status = mur_mapping_fit(&meaning, &cut, MUR_VR_LO, false, mur_slice_of(value->value),
                                 strings, error);
        if (status == MUR_OK)
            *out = (struct mur_organ_code){code, source->scheme, meaning};
        return status;
    }
    return status;
}

static enum mur_status convert_code(struct mur_converted *out, const struct mur_mapping *mapping,
                                    const struct mur_target *target, const struct mur_found *found,
                                    struct mur_isa_strings *strings, struct mur_error *error)
{
    const struct mur_table_entry *entry =
        mur_table_find(target->table, found->value.value, found->value.term_accession);
    if (entry != NULL && entry->code.value[0] != '\0') {
        out->code = entry->code;
        return MUR_OK;
    }
    enum mur_status status = MUR_OK;
    if (target->terms)
        status = code_of_term(&out->code, mapping, &found->value, strings, error);
    if (status == MUR_OK && out->code.value[0] == '\0') {
        out->drop = true;
        if (target->table != NULL)
            set_problem(out, target, "no-code",
                        "has no code in the mapping's table: it is kept as text alone");
    }
    return status;
}

static enum mur_status convert_by_table(struct mur_converted *out, const struct mur_target *target,
                                        const struct mur_found *found,
                                        struct mur_isa_strings *strings, struct mur_error *error)
{
    bool meaning = target->conversion == MUR_CONVERT_MEANING;
    const struct mur_table_entry *entry =
        mur_table_find(target->table, found->value.value, found->value.term_accession);
    if (entry != NULL)
        return convert_text(out, target, meaning ? entry->code.meaning : entry->to, strings, error);
    if (meaning || target->otherwise == MUR_OTHERWISE_KEEP)
        return convert_text(out, target, found->value.value, strings, error);
    set_problem(out, target, "unknown-value", "stands in no line of the mapping's table");
    if (target->otherwise == MUR_OTHERWISE_DROP)
        out->drop = true;
    return MUR_OK;
}

enum mur_status mur_mapping_convert(struct mur_converted *out, const struct mur_mapping *mapping,
                                    const struct mur_target *target, const struct mur_found *found,
                                    const struct mur_isa_study *study,
                                    struct mur_isa_strings *strings, struct mur_error *error)
{
    struct mur_converted converted = {.text = "", .code = {"", "", ""}};
    MUR_AUTO_FREE char *folded = NULL;
    enum mur_status status = mur_text_fold(&folded, mur_slice_of(found->value.value), error);
    if (status != MUR_OK)
        return status;
    if ((target->only.count > 0 && !mur_keys_match(&target->only, folded)) ||
        mur_keys_match(&target->except, folded)) {
        converted.drop = true;
        *out = converted;
        return MUR_OK;
    }
    switch (target->conversion) {
    case MUR_CONVERT_TEXT:
        status = convert_text(&converted, target, found->value.value, strings, error);
        break;
    case MUR_CONVERT_TABLE:
    case MUR_CONVERT_MEANING:
        status = convert_by_table(&converted, target, found, strings, error);
        break;
    case MUR_CONVERT_CODE:
        status = convert_code(&converted, mapping, target, found, strings, error);
        break;
    case MUR_CONVERT_NUMBER:
        status = convert_number(&converted, mapping, target, found, strings, error);
        break;
    case MUR_CONVERT_AGE:
        status = convert_age(&converted, mapping, target, found, strings, error);
        break;
    case MUR_CONVERT_DATE:
    case MUR_CONVERT_TIME:
        status = convert_date(&converted, target, found->value.value, strings, error);
        break;
    case MUR_CONVERT_PERSON:
        status = convert_person(&converted, target, found->value.value, study, strings, error);
        break;
    case MUR_CONVERT_CONSTANT:
        status = convert_text(&converted, target, target->constant, strings, error);
        break;
    }
    if (status == MUR_OK)
        *out = converted;
    return status;
}
