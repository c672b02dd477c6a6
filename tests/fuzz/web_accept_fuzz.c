/* Accept headers, and the query parameter of that name: read, asked, and chosen by. */
#include "fuzz.h"
#include "web/media_type.h"
#include "web/wado.h"

enum { TEXT_LIMIT = 8192 };

static const char *const documents[] = {"application/dicom+json", "application/json", "image/png"};

static const struct mur_representation representations[] = {
    {"application/octet-stream", "1.2.840.10008.1.2.1", false, true, true, true},
    {"image/jls", "1.2.840.10008.1.2.4.80", true, false, true, true},
    {"application/dicom", "1.2.840.10008.1.2.1", true, true, false, true},
    {"image/jpeg", NULL, true, true, true, false},
};

static void look_at(const struct mur_media_range *range)
{
    fuzz_check(range->type[0] != '\0' && range->subtype[0] != '\0', "a range without a type");
    fuzz_check(range->quality <= 1000, "quality %u", range->quality);
    fuzz_check(range->parameter_count <= MUR_MEDIA_PARAMETERS, "%zu parameters",
               range->parameter_count);
    for (size_t i = 0; i < range->parameter_count; i++)
        fuzz_check(mur_media_parameter(range, range->parameters[i].name) != NULL, "%s is lost",
                   range->parameters[i].name);
    for (size_t i = 0; i < MUR_COUNT(documents); i++)
        (void)mur_media_fits(range, documents[i]);
}

/* The list as we would write it. */
static void write_list(struct mur_buffer *out, const struct mur_media_list *list)
{
    struct mur_error error = MUR_ERROR_INIT;
    for (size_t i = 0; i < list->count; i++)
        fuzz_check(mur_buffer_append_format(out, &error, "%s%s/%s;q=%u.%03u", i > 0 ? ", " : "",
                                            list->ranges[i].type, list->ranges[i].subtype,
                                            list->ranges[i].quality / 1000,
                                            list->ranges[i].quality % 1000) == MUR_OK,
                   "%s", error.message);
}

static void check_list(struct mur_slice text)
{
    MUR_AUTO_MEDIA_LIST struct mur_media_list list = {.count = 0};
    MUR_AUTO_MEDIA_LIST struct mur_media_list again = {.count = 0};
    MUR_AUTO_BUFFER struct mur_buffer written = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_media_list_parse(&list, text, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    for (size_t i = 0; i < list.count; i++)
        look_at(&list.ranges[i]);
    write_list(&written, &list);
    status = mur_media_list_parse(&again, mur_slice_of(mur_buffer_text(&written)), &error);
    fuzz_check(status == MUR_OK && again.count == list.count, "%zu of %zu read back from %s",
               again.count, list.count, mur_buffer_text(&written));
    for (size_t i = 0; i < MUR_COUNT(documents); i++) {
        size_t place = SIZE_MAX;
        unsigned quality = mur_media_quality(&place, &list, documents[i]);
        fuzz_check(quality == mur_media_quality(NULL, &again, documents[i]), "%s is wanted by %u",
                   documents[i], quality);
        fuzz_check(quality == 0 || place < list.count, "no place of %s", documents[i]);
    }
}

static void choose(struct mur_slice text)
{
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_parameter parameter = {.name = "accept", .value = text};
    const struct mur_exchange exchange = {.parameters = &parameter, .parameter_count = 1};
    enum mur_status status = mur_accept_read(&accept, &exchange, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    mur_media_list_free(&accept.header); /* there was none: it would take anything */
    size_t document = SIZE_MAX;
    status = mur_accept_choose(&document, &accept, documents, MUR_COUNT(documents), &error);
    fuzz_check_status(status, &error);
    fuzz_check(status != MUR_OK ||
                   (document < MUR_COUNT(documents) &&
                    mur_media_quality(NULL, &accept.parameter, documents[document]) > 0),
               "document %zu was chosen", document);
    struct mur_chosen chosen = {.representation = SIZE_MAX};
    status = mur_wado_choose(&chosen, &accept, representations, MUR_COUNT(representations),
                             text.length % 2 == 0, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    fuzz_check(chosen.representation < MUR_COUNT(representations), "%zu", chosen.representation);
    const struct mur_representation *one = &representations[chosen.representation];
    fuzz_check(chosen.multipart ? one->multipart : one->single, "%s cannot be sent so",
               one->media_type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_LIMIT];
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size); /* the value of a parameter is the length and an end */
    text[size] = '\0';
    check_list((struct mur_slice){.data = text, .length = size});
    choose((struct mur_slice){.data = text, .length = size});
    return 0;
}
