/* Which representation a client gets. */
#include <stdlib.h>
#include <string.h>

#include "web/wado.h"

static const char raw_type[] = "application/octet-stream";

/* Whether a type named in a range, which may end in a wildcard, means ours. */
static bool names(const char *name, const char *type)
{
    if (name == NULL || strcmp(name, "*/*") == 0)
        return true;
    size_t length = strlen(name);
    if (length >= 2 && strcmp(name + length - 2, "/*") == 0)
        return strncmp(name, type, length - 1) == 0;
    return mur_ascii_equal_ignore_case(name, type);
}

static bool same_syntax(const struct mur_representation *offer, const char *syntax)
{
    return offer->transfer_syntax != NULL && strcmp(offer->transfer_syntax, syntax) == 0;
}

static bool suits(const struct mur_representation *offer, const char *type, const char *syntax)
{
    /* Who takes octets in any transfer syntax takes what is stored, under its own name: the one way
     * in which viewers ask for it. */
    bool as_stored = syntax != NULL && offer->stored && type != NULL &&
                     mur_ascii_equal_ignore_case(type, raw_type);
    if (!names(type, offer->media_type) && !as_stored)
        return false;
    if (syntax == NULL)
        return offer->usual || type != NULL;
    return strcmp(syntax, "*") == 0 || same_syntax(offer, syntax);
}

/* "image/jls" as one text; NULL: any. */
static enum mur_status type_of_range(char **out, const struct mur_media_range *range,
                                     struct mur_error *error)
{
    *out = NULL;
    if (strcmp(range->type, "*") == 0)
        return MUR_OK;
    return mur_text_format(out, error, "%s/%s", range->type, range->subtype);
}

static enum mur_status match(bool *out, struct mur_chosen *chosen,
                             const struct mur_media_range *range,
                             const struct mur_representation *offers, size_t count,
                             bool prefer_single, struct mur_error *error)
{
    bool any = strcmp(range->type, "*") == 0;
    bool multipart = strcmp(range->type, "multipart") == 0;
    MUR_AUTO_FREE char *own = NULL;
    enum mur_status status = type_of_range(&own, range, error);
    if (status != MUR_OK)
        return status;
    const char *type = multipart ? mur_media_parameter(range, "type") : own;
    const char *syntax = mur_media_parameter(range, "transfer-syntax");
    bool want_stored = syntax != NULL && strcmp(syntax, "*") == 0;
    /* Where anything goes, what is stored comes first. */
    for (int pass = want_stored ? 0 : 1; pass < 2; pass++)
        for (size_t i = 0; i < count; i++) {
            const struct mur_representation *offer = &offers[i];
            bool possible = any         ? offer->single || offer->multipart
                            : multipart ? offer->multipart
                                        : offer->single;
            if (!possible || (pass == 0 && !offer->stored) || !suits(offer, type, syntax))
                continue;
            chosen->representation = i;
            chosen->multipart =
                any ? offer->multipart && !(prefer_single && offer->single) : multipart;
            *out = true;
            return MUR_OK;
        }
    return MUR_OK;
}

static enum mur_status choose_from(bool *out, struct mur_chosen *chosen,
                                   const struct mur_media_list *list,
                                   const struct mur_representation *offers, size_t count,
                                   bool prefer_single, struct mur_error *error)
{
    unsigned best = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->ranges[i].quality <= best)
            continue;
        bool found = false;
        enum mur_status status =
            match(&found, chosen, &list->ranges[i], offers, count, prefer_single, error);
        if (status != MUR_OK)
            return status;
        if (found)
            best = list->ranges[i].quality;
    }
    *out = best > 0;
    return MUR_OK;
}

enum mur_status mur_wado_choose(struct mur_chosen *out, const struct mur_accept *accept,
                                const struct mur_representation *offers, size_t count,
                                bool prefer_single, struct mur_error *error)
{
    struct mur_chosen chosen = {.representation = 0};
    bool found = false;
    enum mur_status status =
        choose_from(&found, &chosen, &accept->parameter, offers, count, prefer_single, error);
    if (status == MUR_OK && !found)
        status = choose_from(&found, &chosen, &accept->header, offers, count, prefer_single, error);
    if (status != MUR_OK)
        return status;
    if (found) {
        *out = chosen;
        return MUR_OK;
    }
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        MUR_AUTO_FREE char *type = NULL;
        status = mur_representation_type(&type, &offers[i], error);
        if (status == MUR_OK)
            status =
                mur_buffer_append_format(&list, error, "%s%s%s", i > 0 ? ", " : "", type,
                                         offers[i].multipart ? " (also in multipart/related)" : "");
    }
    return status != MUR_OK ? status
                            : mur_error_set(error, MUR_UNSUPPORTED,
                                            "none of the media types that the request accepts can "
                                            "be given; there are: %s",
                                            mur_buffer_text(&list));
}

enum mur_status mur_representation_type(char **out, const struct mur_representation *one,
                                        struct mur_error *error)
{
    return one->transfer_syntax == NULL ? mur_text_copy(out, mur_slice_of(one->media_type), error)
                                        : mur_text_format(out, error, "%s; transfer-syntax=%s",
                                                          one->media_type, one->transfer_syntax);
}
