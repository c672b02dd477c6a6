/* Which ISA-Tab it is that somebody brings, and what the archive has of it. */
#include "archive/isa_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "core/file.h"
#include "core/text.h"

enum { IDENTIFIER_LIMIT = 200, DIGEST_BYTES = 8 };

/* ---- identifiers ----------------------------------------------------------------------------- */

/* The last part of the path to the investigation file's folder. */
static enum mur_status folder_name(char **out, const struct mur_isa *isa,
                                   const struct mur_isa_investigation *of, struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    enum mur_status status = mur_path_join(&folder, isa->root, of->folder, error);
    if (status != MUR_OK)
        return status;
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        folder[--length] = '\0';
    return mur_text_copy(out, mur_slice_of(mur_path_base(folder)), error);
}

enum mur_status mur_isa_identifier_of(char **out, const struct mur_isa *isa, size_t investigation,
                                      struct mur_error *error)
{
    const struct mur_isa_investigation *of = &isa->investigations[investigation];
    const char *identifier = of->identifier;
    for (size_t i = 0; identifier[0] == '\0' && i < isa->study_count; i++)
        if (isa->studies[i].investigation == investigation)
            identifier = isa->studies[i].identifier;
    struct mur_slice text = mur_slice_of(identifier);
    text.length = mur_utf8_cut(text, IDENTIFIER_LIMIT);
    return text.length > 0 ? mur_text_copy(out, text, error) : folder_name(out, isa, of, error);
}

struct identifiers {
    char **items;
    size_t count;
};

static void identifiers_free(struct identifiers *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

/* Several folders of one investigation are one. */
static enum mur_status list_identifiers(struct identifiers *out, const struct mur_isa *isa,
                                        struct mur_error *error)
{
    out->items = calloc(isa->investigation_count + 1, sizeof *out->items);
    if (out->items == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < isa->investigation_count; i++) {
        MUR_AUTO_FREE char *one = NULL;
        enum mur_status status = mur_isa_identifier_of(&one, isa, i, error);
        if (status != MUR_OK)
            return status;
        bool known = false;
        for (size_t j = 0; !known && j < out->count; j++)
            known = strcmp(one, out->items[j]) == 0;
        if (!known)
            out->items[out->count++] = MUR_STEAL(one);
    }
    return MUR_OK;
}

enum mur_status mur_isa_dataset_identifier(char **out, const struct mur_isa *isa,
                                           struct mur_error *error)
{
    __attribute__((cleanup(identifiers_free))) struct identifiers list = {.items = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = list_identifiers(&list, isa, error);
    for (size_t i = 0; status == MUR_OK && i < list.count; i++)
        status = mur_buffer_append_format(&text, error, "%s%s", i > 0 ? "+" : "", list.items[i]);
    if (status == MUR_OK && text.length > IDENTIFIER_LIMIT) { /* its end becomes a digest */
        uint8_t digest[MUR_SHA256_SIZE];
        char end[2 * DIGEST_BYTES + 1];
        status = mur_sha256_of(digest, text.data, text.length, error);
        mur_hex_write(end, digest, DIGEST_BYTES);
        text.length =
            mur_utf8_cut((struct mur_slice){text.data, text.length}, IDENTIFIER_LIMIT - sizeof end);
        if (status == MUR_OK)
            status = mur_buffer_append_format(&text, error, "+%s", end);
    }
    return status == MUR_OK ? mur_buffer_take(out, &text, error) : status;
}

enum mur_status mur_isa_version_folder(char out[64], const char *dataset, int64_t version,
                                       struct mur_error *error)
{
    uint8_t digest[MUR_SHA256_SIZE];
    char text[17];
    enum mur_status status = mur_sha256_of(digest, dataset, strlen(dataset), error);
    if (status == MUR_OK) {
        mur_hex_write(text, digest, 8);
        (void)snprintf(out, 64, "isa/%s/%lld", text, (long long)version);
    }
    return status;
}

/* ---- which one ------------------------------------------------------------------------------- */

struct origin {
    const struct mur_archive *archive;
    char *root; /* real path */
    char *dataset;
};

/* An earlier version has the name under which it was kept, whatever its folder is called. */
static enum mur_status compare_folder(void *user, const struct mur_isa_version *one,
                                      struct mur_error *error)
{
    struct origin *origin = user;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_path_join(&path, origin->archive->directory, one->folder, error);
    if (status != MUR_OK || origin->dataset != NULL)
        return status;
    MUR_AUTO_FREE char *real = realpath(path, NULL);
    return real != NULL && strcmp(real, origin->root) == 0
               ? mur_text_copy(&origin->dataset, mur_slice_of(one->dataset), error)
               : MUR_OK;
}

/* @param[out] origin  its dataset is NULL where the tables are not those of a version */
static enum mur_status find_origin(struct origin *origin, struct mur_archive *archive,
                                   const struct mur_isa *isa, struct mur_error *error)
{
    *origin = (struct origin){.archive = archive, .root = realpath(isa->root, NULL)};
    enum mur_status status = MUR_OK;
    if (origin->root != NULL)
        status = mur_archive_each_isa_version(archive, compare_folder, origin, error);
    free(origin->root);
    origin->root = NULL;
    return status;
}

/* Looks for the longest name of which all identifiers are among these. */
struct growth {
    struct identifiers list;
    char *grown;
};

/* Names have identifiers in the order of their files, which further ones leave as it is. */
static bool is_part_of(const char *name, const struct identifiers *list)
{
    for (size_t i = 0; i < list->count && *name != '\0'; i++) {
        size_t length = strlen(list->items[i]);
        if (strncmp(name, list->items[i], length) == 0 &&
            (name[length] == '+' || name[length] == '\0'))
            name += length + (name[length] == '+' ? 1 : 0);
    }
    return *name == '\0';
}

static enum mur_status compare_name(void *user, const struct mur_isa_version *one,
                                    struct mur_error *error)
{
    struct growth *growth = user;
    if (!one->in_force || !is_part_of(one->dataset, &growth->list) ||
        (growth->grown != NULL && strlen(growth->grown) >= strlen(one->dataset)))
        return MUR_OK;
    free(growth->grown);
    growth->grown = NULL;
    return mur_text_copy(&growth->grown, mur_slice_of(one->dataset), error);
}

static enum mur_status find_grown(char **out, struct mur_archive *archive,
                                  const struct mur_isa *isa, struct mur_error *error)
{
    struct growth growth = {.grown = NULL};
    enum mur_status status = list_identifiers(&growth.list, isa, error);
    if (status == MUR_OK)
        status = mur_archive_each_isa_version(archive, compare_name, &growth, error);
    identifiers_free(&growth.list);
    *out = growth.grown;
    return status;
}

enum mur_status mur_isa_name_dataset(char **out, struct mur_archive *archive,
                                     const struct mur_isa *isa, const char *given,
                                     struct mur_error *error)
{
    *out = NULL;
    if (given != NULL)
        return mur_text_copy(out, mur_slice_of(given), error);
    struct origin origin;
    enum mur_status status = find_origin(&origin, archive, isa, error);
    if (status == MUR_OK && origin.dataset == NULL)
        status = find_grown(&origin.dataset, archive, isa, error);
    if (status == MUR_OK && origin.dataset == NULL)
        status = mur_isa_dataset_identifier(&origin.dataset, isa, error);
    *out = origin.dataset;
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct in_force {
    struct mur_archive *archive;
    const char *dataset;
};

static enum mur_status folder_in_force(char **folder, void *user, const struct mur_isa *isa,
                                       struct mur_error *error)
{
    const struct in_force *of = user;
    struct mur_database *reader = NULL;
    char digest[MUR_SHA256_TEXT_SIZE];
    char relative[64];
    int64_t dataset = 0;
    int64_t version = 0;
    struct origin origin;
    *folder = NULL;
    enum mur_status status = find_origin(&origin, of->archive, isa, error);
    if (status == MUR_OK && origin.dataset != NULL) {
        free(origin.dataset);
        return MUR_OK; /* an earlier version is what it is */
    }
    if (status == MUR_OK)
        status = mur_isa_name_dataset(&origin.dataset, of->archive, isa, of->dataset, error);
    if (status == MUR_OK)
        status = mur_reader_take(&reader, of->archive, error);
    if (status == MUR_OK)
        status =
            mur_database_isa_dataset(&dataset, digest, &version, reader, origin.dataset, error);
    mur_reader_return(of->archive, reader);
    if (status == MUR_OK && dataset != 0)
        status = mur_isa_version_folder(relative, origin.dataset, version, error);
    if (status == MUR_OK && dataset != 0)
        status = mur_path_join(folder, of->archive->directory, relative, error);
    free(origin.dataset);
    return status;
}

enum mur_status mur_archive_read_isa(struct mur_isa **out, struct mur_archive *archive,
                                     const char *dataset, const char *directory,
                                     struct mur_isa_diagnostics *diagnostics,
                                     struct mur_error *error)
{
    struct in_force of = {.archive = archive, .dataset = dataset};
    const struct mur_isa_earlier earlier = {.folder = folder_in_force, .user = &of};
    return mur_isa_read_over(out, directory, archive != NULL ? &earlier : NULL, diagnostics, error);
}
