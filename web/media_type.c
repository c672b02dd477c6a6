#include "web/media_type.h"

#include <stdlib.h>
#include <string.h>

enum { QUALITY_ONE = 1000 };

void mur_media_list_free(struct mur_media_list *list)
{
    if (list == NULL)
        return;
    free(list->ranges);
    free(list->text);
    *list = (struct mur_media_list){.count = 0};
}

/* ---- reading --------------------------------------------------------------------------------- */

/* RFC 9110 5.6.2. */
static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_blanks(char **at)
{
    while (**at == ' ' || **at == '\t')
        (*at)++;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* The next comma or semicolon outside of quotation marks, or the end. */
static char *end_of_part(char *at, bool of_element)
{
    bool quoted = false;
    for (; *at != '\0'; at++) {
        if (quoted && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == ',' || (*at == ';' && !of_element)))
            break;
    }
    return at;
}

/* "0.5" as thousandths; what is no weight counts as 1. */
static unsigned parse_quality(const char *text)
{
    double value = 1;
    if (mur_parse_double(&value, mur_slice_of(text), NULL) != MUR_OK || value > 1)
        return QUALITY_ONE;
    return value <= 0 ? 0 : (unsigned)(value * QUALITY_ONE + 0.5);
}

/* Takes quotation marks and backslashes away in place, or the blanks behind a bare value. */
static char *unquote(char *text)
{
    char *to = text;
    if (*text != '"') {
        for (char *end = text + strlen(text); end > text && (end[-1] == ' ' || end[-1] == '\t');)
            *--end = '\0';
        return text;
    }
    for (char *from = text + 1; *from != '\0' && *from != '"'; from++) {
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from;
    }
    *to = '\0';
    return text;
}

/* "; name=value" behind the type; @p text ends where the parameter does. */
static enum mur_status take_parameter(struct mur_media_range *range, char *text,
                                      struct mur_error *error)
{
    skip_blanks(&text);
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return MUR_OK; /* "; " at the end */
    *equals = '\0';
    char *name = unquote(text);
    char *value = equals + 1;
    skip_blanks(&value);
    value = unquote(value);
    lower(name);
    if (strcmp(name, "q") == 0) {
        range->quality = parse_quality(value);
        return MUR_OK;
    }
    if (range->parameter_count == MUR_MEDIA_PARAMETERS)
        return mur_error_set(error, MUR_INVALID, "%s/%s has more than %d parameters", range->type,
                             range->subtype, MUR_MEDIA_PARAMETERS);
    range->parameters[range->parameter_count++] =
        (struct mur_media_parameter){.name = name, .value = value};
    return MUR_OK;
}

/* An element of the list, which ends where the text does. @param[out] found  it is a range */
static enum mur_status take_range(struct mur_media_range *range, bool *found, char *text,
                                  struct mur_error *error)
{
    *range = (struct mur_media_range){.quality = QUALITY_ONE};
    *found = false;
    skip_blanks(&text);
    char *end = end_of_part(text, false);
    char *rest = *end == ';' ? end + 1 : NULL;
    *end = '\0';
    char *type = unquote(text);
    lower(type);
    range->type = type;
    char *slash = strchr(type, '/');
    if (slash != NULL) {
        *slash = '\0';
        range->subtype = slash + 1;
    } else if (strcmp(type, "*") == 0) {
        range->subtype = "*"; /* some clients write it so */
    } else {
        return MUR_OK;
    }
    for (const char *at = range->type; *at != '\0'; at++)
        if (!is_token(*at))
            return MUR_OK;
    for (const char *at = range->subtype; *at != '\0'; at++)
        if (!is_token(*at))
            return MUR_OK;
    if (range->type[0] == '\0' || range->subtype[0] == '\0')
        return MUR_OK;
    *found = true;
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && rest != NULL) {
        end = end_of_part(rest, false);
        char *next = *end == ';' ? end + 1 : NULL;
        *end = '\0';
        status = take_parameter(range, rest, error);
        rest = next;
    }
    return status;
}

enum mur_status mur_media_list_parse(struct mur_media_list *out, struct mur_slice text,
                                     struct mur_error *error)
{
    MUR_AUTO_MEDIA_LIST struct mur_media_list list = {.count = 0};
    enum mur_status status = mur_text_copy(&list.text, text, error);
    if (status != MUR_OK)
        return status;
    list.ranges = calloc(MUR_MEDIA_RANGES, sizeof *list.ranges);
    if (list.ranges == NULL)
        return mur_error_no_memory(error);
    for (char *at = list.text; at != NULL;) {
        char *end = end_of_part(at, true);
        char *next = *end == ',' ? end + 1 : NULL;
        *end = '\0';
        struct mur_media_range range;
        bool found = false;
        status = take_range(&range, &found, at, error);
        if (status == MUR_OK && found && list.count == MUR_MEDIA_RANGES)
            status = mur_error_set(error, MUR_INVALID, "more than %d media types are accepted",
                                   MUR_MEDIA_RANGES);
        if (status != MUR_OK)
            return status;
        if (found)
            list.ranges[list.count++] = range;
        at = next;
    }
    *out = list;
    list = (struct mur_media_list){.count = 0};
    return MUR_OK;
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *mur_media_parameter(const struct mur_media_range *range, const char *name)
{
    for (size_t i = 0; i < range->parameter_count; i++)
        if (strcmp(range->parameters[i].name, name) == 0)
            return range->parameters[i].value;
    return NULL;
}

bool mur_media_fits(const struct mur_media_range *range, const char *type)
{
    if (strcmp(range->type, "*") == 0)
        return strcmp(range->subtype, "*") == 0;
    size_t length = strlen(range->type);
    if (strncmp(type, range->type, length) != 0 || type[length] != '/')
        return false;
    return strcmp(range->subtype, "*") == 0 || strcmp(range->subtype, type + length + 1) == 0;
}

unsigned mur_media_quality(size_t *place, const struct mur_media_list *list, const char *type)
{
    int best = -1;
    unsigned quality = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct mur_media_range *range = &list->ranges[i];
        int exactness =
            (strcmp(range->type, "*") != 0 ? 1 : 0) + (strcmp(range->subtype, "*") != 0 ? 1 : 0);
        if (exactness <= best || !mur_media_fits(range, type))
            continue;
        best = exactness;
        quality = range->quality;
        if (place != NULL)
            *place = i;
    }
    return quality;
}

void mur_accept_free(struct mur_accept *accept)
{
    if (accept == NULL)
        return;
    mur_media_list_free(&accept->parameter);
    mur_media_list_free(&accept->header);
}

/* "+" in a query string means a blank, but nobody writes application/dicom%2Bjson. */
static void restore_plus(char *text)
{
    for (size_t i = 1; text[0] != '\0' && text[i] != '\0'; i++)
        if (text[i] == ' ' && is_token(text[i - 1]) && is_token(text[i + 1]))
            text[i] = '+';
}

static enum mur_status read_parameter(struct mur_media_list *out,
                                      const struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < exchange->parameter_count; i++) {
        const struct mur_parameter *parameter = &exchange->parameters[i];
        if (strcmp(parameter->name, "accept") != 0)
            continue;
        status = mur_buffer_append(&text, ",", text.length > 0 ? 1 : 0, error);
        if (status == MUR_OK)
            status =
                mur_buffer_append(&text, parameter->value.data, parameter->value.length, error);
    }
    if (status != MUR_OK || text.length == 0)
        return status;
    restore_plus(text.data);
    return mur_media_list_parse(out, mur_slice_of(mur_buffer_text(&text)), error);
}

enum mur_status mur_accept_read(struct mur_accept *out, const struct mur_exchange *exchange,
                                struct mur_error *error)
{
    MUR_AUTO_FREE char *header = NULL;
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    enum mur_status status = read_parameter(&accept.parameter, exchange, error);
    if (status == MUR_OK)
        status = mur_exchange_header(&header, exchange, "Accept", error);
    /* An empty list wishes for nothing, as none does. */
    bool wishes = header != NULL && header[strspn(header, " \t,")] != '\0';
    if (status == MUR_OK)
        status = mur_media_list_parse(&accept.header, mur_slice_of(wishes ? header : "*/*"), error);
    if (status != MUR_OK)
        return status;
    *out = accept;
    accept = (struct mur_accept){.parameter = {.count = 0}};
    return MUR_OK;
}

static bool choose(size_t *out, const struct mur_media_list *list, const char *const *offers,
                   size_t count)
{
    unsigned best = 0;
    size_t best_place = 0;
    for (size_t i = 0; i < count; i++) {
        size_t place = 0;
        unsigned quality = mur_media_quality(&place, list, offers[i]);
        if (quality == 0 || quality < best || (quality == best && place >= best_place))
            continue;
        best = quality;
        best_place = place;
        *out = i;
    }
    return best > 0;
}

enum mur_status mur_accept_choose(size_t *out, const struct mur_accept *accept,
                                  const char *const *offers, size_t count, struct mur_error *error)
{
    size_t chosen = 0;
    if (choose(&chosen, &accept->parameter, offers, count) ||
        choose(&chosen, &accept->header, offers, count)) {
        *out = chosen;
        return MUR_OK;
    }
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    for (size_t i = 0; i < count; i++)
        if (mur_buffer_append_format(&list, error, "%s%s", i > 0 ? ", " : "", offers[i]) != MUR_OK)
            return MUR_NO_MEMORY;
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "none of the media types that the request accepts can be given; there "
                         "are: %s",
                         mur_buffer_text(&list));
}
