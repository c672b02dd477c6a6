#include "converters/value_check.h"

#include <string.h>

#include "core/clock.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/dictionary.h"
#include "dicom/uid.h"

enum { NAME_GROUP_CHARACTERS = 64, AGE_DIGITS = 3, SHOWN = 40, ESCAPE = 0x1B };

static const char UPPER[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char DIGITS[] = "0123456789";

static bool only(struct mur_slice text, const char *first, const char *second, const char *third)
{
    for (size_t index = 0; index < text.length; index++) {
        char c = text.data[index];
        if (c == '\0' ||
            (strchr(first, c) == NULL && strchr(second, c) == NULL && strchr(third, c) == NULL))
            return false;
    }
    return true;
}

static bool is_age(struct mur_slice text)
{
    struct mur_slice digits = {.data = text.data, .length = AGE_DIGITS};
    return text.length == AGE_DIGITS + 1 && only(digits, DIGITS, "", "") &&
           memchr("DWMY", text.data[AGE_DIGITS], 4) != NULL;
}

/* Up to three groups (alphabetic, ideographic, phonetic). */
static bool is_name(struct mur_slice text)
{
    size_t begin = 0;
    for (size_t at = 0; at <= text.length; at++) {
        if (at < text.length && text.data[at] != '=')
            continue;
        struct mur_slice group = {.data = text.data + begin, .length = at - begin};
        if (mur_utf8_count(group) > NAME_GROUP_CHARACTERS)
            return false;
        begin = at + 1;
    }
    return true;
}

/* Lines and pages are for the VRs of long text. Escape may switch repertoires. */
static bool has_control(enum mur_vr vr, const char *stored)
{
    bool lines = vr == MUR_VR_ST || vr == MUR_VR_LT || vr == MUR_VR_UT;
    for (const char *at = stored; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c < ' ' && c != ESCAPE && !(lines && strchr("\t\n\f\r", c) != NULL)) || c == 0x7F)
            return true;
    }
    return false;
}

/* What is wrong with one value that is not empty; NULL if nothing. */
static const char *fault_of(enum mur_vr vr, struct mur_slice value)
{
    const struct mur_vr_traits *traits = mur_vr_info(vr);
    struct mur_slice text = mur_slice_trim(value);
    size_t size = traits->class_ == MUR_VR_CLASS_TEXT ? mur_utf8_count(text) : text.length;
    struct mur_datetime time;
    int64_t whole = 0;
    double number = 0;
    bool sound = true;
    const char *kind = "";
    if (traits->maximum > 0 && size > traits->maximum)
        return "is too long";
    switch ((int)vr) {
    case MUR_VR_AS:
        sound = is_age(text);
        kind = "is no age such as 012W";
        break;
    case MUR_VR_CS:
        sound = only(text, UPPER, DIGITS, " _");
        kind = "is no code: A to Z, 0 to 9, _ and blanks";
        break;
    case MUR_VR_DA:
        sound = mur_datetime_parse_da(&time, text, NULL) == MUR_OK;
        kind = "is no date such as 20240506";
        break;
    case MUR_VR_TM:
        sound = mur_datetime_parse_tm(&time, text, NULL) == MUR_OK;
        kind = "is no time such as 070809.5";
        break;
    case MUR_VR_DT:
        sound = mur_datetime_parse_dt(&time, text, NULL) == MUR_OK;
        kind = "is no date and time such as 20240506070809";
        break;
    case MUR_VR_DS:
        sound = mur_parse_double(&number, text, NULL) == MUR_OK;
        kind = "is no number";
        break;
    case MUR_VR_IS:
        sound = mur_parse_int64(&whole, text, INT32_MIN, INT32_MAX, NULL) == MUR_OK;
        kind = "is no whole number of 32 bits";
        break;
    case MUR_VR_UI:
        sound = mur_uid_valid(text);
        kind = "is no UID";
        break;
    case MUR_VR_PN:
        sound = is_name(text);
        kind = "has a part of more than 64 characters";
        break;
    default:
        break;
    }
    return sound ? NULL : kind;
}

static enum mur_status refuse(uint32_t tag, enum mur_vr vr, struct mur_slice value,
                              const char *fault, struct mur_error *error)
{
    const char *keyword = mur_dictionary_keyword(tag);
    return mur_error_set(error, MUR_INVALID, "%s (%04x,%04x): \"%.*s\" %s",
                         keyword != NULL ? keyword : mur_vr_name(vr), MUR_TAG_GROUP(tag),
                         MUR_TAG_ELEMENT(tag), (int)mur_utf8_cut(value, SHOWN), value.data, fault);
}

static enum mur_status check_text(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    const char *stored = NULL; /* the text as such is given without control characters */
    enum mur_status status = mur_dataset_get_string(&stored, dataset, tag, error);
    if (status == MUR_OK && has_control(vr, stored))
        return refuse(tag, vr, mur_slice_of(stored), "has a control character", error);
    if (status == MUR_OK)
        status = mur_dataset_get_text(&text, dataset, tag, error);
    if (status != MUR_OK)
        return status;
    const struct mur_dictionary_entry *entry = mur_dictionary_find(tag, NULL);
    bool multi = mur_vr_info(vr)->multi;
    unsigned count = 0;
    for (const char *at = text; at != NULL;) {
        const char *end = multi ? strchr(at, '\\') : NULL;
        struct mur_slice value = {.data = at,
                                  .length = end != NULL ? (size_t)(end - at) : strlen(at)};
        const char *fault = mur_slice_trim(value).length > 0 ? fault_of(vr, value) : NULL;
        if (fault != NULL)
            return refuse(tag, vr, value, fault, error);
        if (entry != NULL && entry->maximum_values > 0 && ++count > entry->maximum_values)
            return refuse(tag, vr, mur_slice_of(text), "has more values than the attribute may",
                          error);
        at = end != NULL ? end + 1 : NULL;
    }
    return MUR_OK;
}

/* Text where the standard has other text, numbers or items, or the other way round. */
static enum mur_status check_vr(uint32_t tag, enum mur_vr vr, struct mur_error *error)
{
    const struct mur_dictionary_entry *entry = mur_dictionary_find(tag, NULL);
    if (entry == NULL || entry->vr == vr || MUR_TAG_IS_PRIVATE(tag) ||
        (!mur_vr_is_text(vr) && vr != MUR_VR_SQ && !mur_vr_is_text(entry->vr) &&
         entry->vr != MUR_VR_SQ))
        return MUR_OK;
    return mur_error_set(error, MUR_INVALID, "%s (%04x,%04x): VR %s, but the standard has %s",
                         entry->keyword, MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag), mur_vr_name(vr),
                         mur_vr_name(entry->vr));
}

enum mur_status mur_value_check_element(struct mur_dataset *dataset, uint32_t tag,
                                        struct mur_error *error)
{
    enum mur_vr vr = mur_dataset_vr(dataset, tag);
    if (check_vr(tag, vr, error) != MUR_OK)
        return MUR_INVALID;
    if (!mur_dataset_has_value(dataset, tag))
        return MUR_OK;
    if (mur_vr_is_text(vr))
        return check_text(dataset, tag, vr, error);
    size_t count = 0;
    enum mur_status status =
        vr == MUR_VR_SQ ? mur_dataset_item_count(&count, dataset, tag, error) : MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++) {
        struct mur_dataset *item = NULL;
        status = mur_dataset_get_item(&item, dataset, tag, index, error);
        if (status == MUR_OK)
            status = mur_value_check(item, error);
    }
    return status;
}

static enum mur_status check_visited(void *user, const struct mur_dataset_element *element,
                                     struct mur_error *error)
{
    return mur_value_check_element(user, element->tag, error);
}

enum mur_status mur_value_check(struct mur_dataset *dataset, struct mur_error *error)
{
    return mur_dataset_each(dataset, check_visited, dataset, error);
}
