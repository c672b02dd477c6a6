#include "workflow/export.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive/scan_series.h"
#include "core/file.h"
#include "core/text.h"
#include "workflow/export_parts.h"

enum { FOLDER_CHARACTERS = 64 };

/* ---- what there is --------------------------------------------------------------------------- */

static void export_free(struct mur_export *export)
{
    for (size_t i = 0; i < export->dataset_count; i++)
        mur_isa_index_free(&export->datasets[i].scans);
    mur_isa_index_free(&export->found);
    free(export->datasets);
    free(export->scans);
    free(export->series);
    mur_isa_strings_free(export->strings);
}

bool mur_export_is_cancelled(const struct mur_export *export)
{
    const bool *flag = export->options->cancelled;
    return flag != NULL && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

/** Room for one more; capacities are powers of two. */
static enum mur_status grow(void *items, size_t count, size_t size, struct mur_error *error)
{
    void **place = items;
    if ((count & (count - 1)) != 0 && count != 0)
        return MUR_OK;
    void *grown = reallocarray(*place, count == 0 ? 1 : count * 2, size);
    if (grown == NULL)
        return mur_error_no_memory(error);
    *place = grown;
    return MUR_OK;
}

enum mur_status mur_export_keep(const char **out, const struct mur_export *export, const char *text,
                                struct mur_error *error)
{
    return mur_isa_intern(out, export->strings, mur_slice_of(text), error);
}

enum mur_status mur_export_scan_key(const char **out, const struct mur_export *export,
                                    const char *study, const char *assay_file, const char *assay,
                                    struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status =
        mur_text_format(&text, error, "%s\x1f%s\x1f%s", study, assay_file, assay);
    return status == MUR_OK ? mur_export_keep(out, export, text, error) : status;
}

static enum mur_status find_scan(struct mur_export_scan **out, struct mur_export *export,
                                 struct mur_export_dataset *dataset,
                                 const struct mur_scan_series *one, struct mur_error *error)
{
    const char *key = NULL;
    enum mur_status status =
        mur_export_scan_key(&key, export, one->study, one->assay_file, one->assay, error);
    if (status != MUR_OK)
        return status;
    uint32_t known = mur_isa_index_get(&dataset->scans, key);
    if (known == MUR_ISA_NONE) {
        status = grow(&export->scans, export->scan_count, sizeof *export->scans, error);
        if (status == MUR_OK)
            status = mur_isa_index_put(&dataset->scans, key, (uint32_t) export->scan_count, error);
        if (status != MUR_OK)
            return status;
        known = (uint32_t) export->scan_count++;
        export->scans[known] = (struct mur_export_scan){.key = key,
                                                        .first_series = MUR_ISA_NONE,
                                                        .last_series = MUR_ISA_NONE,
                                                        .found = export->options->query == NULL};
        dataset->found = dataset->found || export->scans[known].found;
    }
    *out = &export->scans[known];
    return MUR_OK;
}

static enum mur_status add_series(struct mur_export *export, struct mur_export_scan *scan,
                                  const struct mur_scan_series *one, struct mur_error *error)
{
    struct mur_export_series series = {.segmentation = one->segmentation, .next = MUR_ISA_NONE};
    enum mur_status status = mur_export_keep(&series.uid, export, one->series_uid, error);
    if (status == MUR_OK)
        status = mur_export_keep(&series.study_uid, export, one->study_uid, error);
    if (status == MUR_OK)
        status = grow(&export->series, export->series_count, sizeof *export->series, error);
    if (status != MUR_OK)
        return status;
    uint32_t index = (uint32_t) export->series_count++;
    export->series[index] = series;
    if (scan->first_series == MUR_ISA_NONE)
        scan->first_series = index;
    else
        export->series[scan->last_series].next = index;
    scan->last_series = index;
    scan->found = scan->found || mur_isa_index_get(&export->found, series.uid) != MUR_ISA_NONE;
    return MUR_OK;
}

static enum mur_status note_series(void *user, const struct mur_scan_series *one,
                                   struct mur_error *error)
{
    struct mur_export *export = user;
    enum mur_status status = MUR_OK;
    struct mur_export_dataset *last =
        export->dataset_count == 0 ? NULL : &export->datasets[export->dataset_count - 1];
    if (last == NULL || strcmp(last->identifier, one->dataset) != 0) {
        status = grow(&export->datasets, export->dataset_count, sizeof *export->datasets, error);
        if (status != MUR_OK)
            return status;
        last = &export->datasets[export->dataset_count];
        *last = (struct mur_export_dataset){.scans = {.strings = export->strings}};
        status = mur_export_keep(&last->identifier, export, one->dataset, error);
        if (status == MUR_OK)
            status = mur_export_keep(&last->folder, export, one->folder, error);
        if (status != MUR_OK)
            return status;
        export->dataset_count++;
    }
    if (one->assay_file[0] == '\0')
        return MUR_OK;
    struct mur_export_scan *scan = NULL;
    status = find_scan(&scan, export, last, one, error);
    if (status == MUR_OK && one->series_uid[0] != '\0')
        status = add_series(export, scan, one, error);
    if (status == MUR_OK)
        last->found = last->found || scan->found;
    return status;
}

/** The series that the query finds. */
static enum mur_status run_query(struct mur_export *export, struct mur_error *error)
{
    struct mur_query *query = export->options->query;
    const struct mur_attribute_path path = mur_attribute_path_of(MUR_TAG_SeriesInstanceUID);
    size_t place = 0;
    while (place < query->key_count && !mur_attribute_path_equal(&query->keys[place].path, &path))
        place++;
    enum mur_status status = MUR_OK;
    if (place == query->key_count)
        status = mur_query_add(query, &path, MUR_VR_UI, mur_slice_of(""), true, error);
    else
        query->keys[place].returned = true;
    MUR_AUTO(mur_cursor) *cursor = NULL;
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, export->archive, query, error);
    while (status == MUR_OK) {
        const struct mur_value *values = NULL;
        bool found = false;
        status = mur_cursor_next(&values, &found, cursor, error);
        if (status != MUR_OK || !found)
            break;
        const char *uid = NULL;
        if (values[place].text == NULL)
            continue;
        status = mur_export_keep(&uid, export, values[place].text, error);
        if (status == MUR_OK)
            status = mur_isa_index_put(&export->found, uid, 0, error);
    }
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/** Letters, digits, '-', '_' and '.' of an identifier: it may hold anything. */
static enum mur_status folder_of(char **out, const struct mur_export *export, size_t index,
                                 struct mur_error *error)
{
    char name[FOLDER_CHARACTERS + 1];
    size_t length = 0;
    for (const char *c = export->datasets[index].identifier;
         *c != '\0' && length < FOLDER_CHARACTERS; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= 'a' && *c <= 'z') || *c == '-' || *c == '.';
        name[length++] = plain ? *c : '_';
    }
    name[length] = '\0';
    return mur_text_format(out, error, "%s/%zu-%s", export->options->directory, index + 1, name);
}

static enum mur_status export_dataset(struct mur_export *export, size_t index, bool alone,
                                      struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    MUR_AUTO_FREE char *target = NULL;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    enum mur_status status = mur_path_join(&folder, mur_archive_directory(export->archive),
                                           export->datasets[index].folder, error);
    if (status == MUR_OK)
        status = mur_isa_read(&isa, folder, NULL, error);
    if (status == MUR_OK)
        status = mur_mapping_scans(&scans, export->options->mapping, isa, NULL, error);
    if (status == MUR_OK)
        status = alone ? mur_text_copy(&target, mur_slice_of(export->options->directory), error)
                       : folder_of(&target, export, index, error);
    if (status != MUR_OK)
        return status;
    __attribute__((cleanup(mur_export_writing_free))) struct mur_export_writing writing = {
        .export = export,
        .dataset = &export->datasets[index],
        .isa = isa,
        .scans = scans,
        .directory = target,
    };
    export->summary.datasets++;
    return mur_export_tables(&writing, error);
}

static enum mur_status check_target(const char *directory, struct mur_error *error)
{
    enum mur_status status = mur_directory_create(directory, 0777, error);
    DIR *stream = status == MUR_OK ? opendir(directory) : NULL;
    if (status == MUR_OK && stream == NULL)
        return mur_error_set_errno(error, errno, "%s", directory);
    for (const struct dirent *entry = stream == NULL ? NULL : readdir(stream);
         status == MUR_OK && entry != NULL; entry = readdir(stream))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = mur_error_set(error, MUR_EXISTS, "%s: is not empty", directory);
    if (stream != NULL)
        (void)closedir(stream);
    return status;
}

enum mur_status mur_export_isa(struct mur_export_summary *out, struct mur_archive *archive,
                               const struct mur_export_options *options, struct mur_error *error)
{
    __attribute__((cleanup(export_free))) struct mur_export export = {.options = options,
                                                                      .archive = archive};
    enum mur_status status = mur_isa_strings_create(&export.strings, error);
    export.found.strings = export.strings;
    if (status == MUR_OK && options->query != NULL)
        status = run_query(&export, error);
    if (status == MUR_OK)
        status = mur_archive_each_scan_series(archive, note_series, &export, error);
    if (status != MUR_OK)
        return status;
    size_t found = 0;
    for (size_t i = 0; i < export.dataset_count; i++)
        found += export.datasets[i].found ? 1 : 0;
    for (size_t i = 0; i < export.scan_count; i++)
        export.total += export.scans[i].found ? 1 : 0;
    if (export.dataset_count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "there is no ISA-Tab in this archive");
    if (found == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "no scan of an ISA-Tab is found");
    status = check_target(options->directory, error);
    for (size_t i = 0; status == MUR_OK && i < export.dataset_count; i++)
        if (export.datasets[i].found)
            status = export_dataset(&export, i, found == 1, error);
    if (status == MUR_OK)
        *out = export.summary;
    return status;
}
