#include "workflow/certificates.h"

#include <stdlib.h>
#include <string.h>

#include "archive/certificates.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

enum { FOLDER_MODE = 0750, FILE_MODE = 0640 };

struct mur_converted {
    char *shown, *series, *voxels;
    char **sources, **instances;
    size_t source_count, instance_count;
    struct mur_certify_segment *segments;
    size_t segment_count;
    bool is_new;
};

/* ---- the list -------------------------------------------------------------------------------- */

static void free_texts(char **texts, size_t count)
{
    for (size_t index = 0; texts != NULL && index < count; index++)
        free(texts[index]);
    free(texts);
}

static void free_one(struct mur_converted *one)
{
    free_texts(one->sources, one->source_count);
    free_texts(one->instances, one->instance_count);
    free(one->shown);
    free(one->series);
    free(one->voxels);
    free(one->segments);
}

void mur_converted_list_free(struct mur_converted_list *list)
{
    for (size_t index = 0; index < list->count; index++)
        free_one(&list->items[index]);
    free(list->items);
    *list = (struct mur_converted_list){.items = NULL};
}

static enum mur_status copy_texts(char ***out, size_t *copied, const char *const *texts,
                                  size_t count, struct mur_error *error)
{
    *out = calloc(count + 1, sizeof **out);
    if (*out == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (; status == MUR_OK && *copied < count; *copied += status == MUR_OK)
        status = mur_text_copy(&(*out)[*copied], mur_slice_of(texts[*copied]), error);
    return status;
}

static enum mur_status copy_made(struct mur_converted *out, const struct mur_made_series *made,
                                 struct mur_error *error)
{
    enum mur_status status = mur_text_copy(&out->series, mur_slice_of(made->series), error);
    if (status == MUR_OK && made->voxels != NULL)
        status = mur_text_copy(&out->voxels, mur_slice_of(made->voxels), error);
    if (status == MUR_OK)
        status =
            copy_texts(&out->sources, &out->source_count, made->sources, made->source_count, error);
    if (status == MUR_OK)
        status = copy_texts(&out->instances, &out->instance_count, made->instances,
                            made->instance_count, error);
    if (status != MUR_OK || made->segments == NULL)
        return status;
    out->segments = calloc(made->segment_count + 1, sizeof *out->segments);
    if (out->segments == NULL)
        return mur_error_no_memory(error);
    memcpy(out->segments, made->segments, made->segment_count * sizeof *out->segments);
    out->segment_count = made->segment_count;
    return MUR_OK;
}

enum mur_status mur_converted_list_add(struct mur_converted_list *list,
                                       const struct mur_made_series *made, const char *shown,
                                       bool is_new, struct mur_error *error)
{
    struct mur_converted *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return mur_error_no_memory(error);
    list->items = items;
    struct mur_converted copy = {.is_new = is_new};
    enum mur_status status = mur_text_copy(&copy.shown, mur_slice_of(shown), error);
    if (status == MUR_OK)
        status = copy_made(&copy, made, error);
    if (status == MUR_OK)
        items[list->count++] = copy;
    else
        free_one(&copy);
    return status;
}

bool mur_converted_list_has(const struct mur_converted_list *list, const char *series)
{
    for (size_t index = 0; index < list->count; index++)
        if (strcmp(list->items[index].series, series) == 0)
            return true;
    return false;
}

/* ---- certificates ---------------------------------------------------------------------------- */

/* Where the instances are stored. */
static enum mur_status find_files(char **paths, const struct mur_converted *one,
                                  struct mur_archive *archive, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < one->instance_count; index++) {
        struct mur_instance item;
        bool found = false;
        status = mur_archive_look_up(&found, &item, archive, one->instances[index], error);
        if (status == MUR_OK && !found)
            status = mur_error_set(error, MUR_MISMATCH, "instance %s was not stored",
                                   one->instances[index]);
        if (status == MUR_OK)
            status = mur_archive_item_path(&paths[index], archive, &item, error);
    }
    return status;
}

static enum mur_status refuse(const struct mur_converted *one,
                              const struct mur_certificate *certificate, struct mur_error *error)
{
    size_t more = certificate->failures.count + certificate->failures_dropped;
    const char *first = more > 0 ? certificate->failures.texts[0] : "";
    if (more <= 1)
        return mur_error_set(error, MUR_MISMATCH,
                             "%s: converted back it is not the same, so it is not kept: %s",
                             one->shown, first);
    return mur_error_set(error, MUR_MISMATCH,
                         "%s: converted back it is not the same, so it is not kept: %s; and %zu "
                         "more",
                         one->shown, first, more - 1);
}

static enum mur_status certify_one(const struct mur_converted *one, const char *path,
                                   struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO_CERTIFICATE struct mur_certificate certificate = MUR_CERTIFICATE_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const struct mur_certify_options options = {
        .voxels = one->voxels, .segments = one->segments, .segment_count = one->segment_count};
    char **files = calloc(one->instance_count + 1, sizeof *files);
    if (files == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = find_files(files, one, archive, error);
    if (status == MUR_OK)
        status =
            mur_certify(&certificate, (const char *const *)one->sources, one->source_count,
                        (const char *const *)files, one->instance_count, &options, NULL, error);
    free_texts(files, one->instance_count);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s: no certificate", one->shown);
    if (!certificate.passed)
        return refuse(one, &certificate, error);
    status = mur_certificate_json(&text, &certificate, error);
    return status == MUR_OK ? mur_file_write_all(path, text.data, text.length, FILE_MODE, error)
                            : status;
}

enum mur_status mur_certificates_make(const struct mur_converted_list *list,
                                      struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    if (list->count == 0)
        return MUR_OK;
    enum mur_status status =
        mur_path_join(&folder, mur_archive_directory(archive), MUR_CERTIFICATE_FOLDER, error);
    if (status == MUR_OK)
        status = mur_directory_create(folder, FOLDER_MODE, error);
    for (size_t index = 0; status == MUR_OK && index < list->count; index++) {
        const struct mur_converted *one = &list->items[index];
        MUR_AUTO_FREE char *path = NULL;
        status = mur_archive_certificate_path(&path, archive, one->series, error);
        if (status == MUR_OK && (one->is_new || !mur_file_exists(path)))
            status = certify_one(one, path, archive, error);
    }
    return status;
}
