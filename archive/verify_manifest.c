/* The manifest against the index. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/verify_parts.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "isa/strings.h"

enum { LINE_LIMIT = 1 << 20 };

struct noted {
    const char *instance; /* interned */
    int64_t number;
    uint8_t digest[MUR_XXH128_SIZE];
    bool alive;
};

struct manifest {
    struct mur_verify *verify;
    const char *path;
    struct mur_isa_strings *strings;
    struct mur_isa_index places;
    struct noted *list;
    size_t count, capacity;
};

static void manifest_free(struct manifest *manifest)
{
    mur_isa_index_free(&manifest->places);
    mur_isa_strings_free(manifest->strings);
    free(manifest->list);
}

static enum mur_status disagree(struct manifest *manifest, const char *instance, const char *text,
                                struct mur_error *error)
{
    const struct mur_finding finding = {.kind = MUR_FINDING_MANIFEST,
                                        .sop_instance = instance,
                                        .study = "",
                                        .path = manifest->path,
                                        .text = text};
    return mur_verify_report(manifest->verify, &finding, error);
}

/* @retval MUR_PARSE  the line cannot be understood */
static enum mur_status take_line(struct manifest *manifest, struct mur_slice text,
                                 struct mur_error *error)
{
    MUR_AUTO(mur_json) *line = NULL;
    enum mur_status status = mur_json_parse(&line, text, LINE_LIMIT, error);
    const char *event = mur_json_text(mur_json_get(line, "event"));
    if (status == MUR_OK && event == NULL)
        return mur_error_set(error, MUR_PARSE, "a line says no event");
    if (status != MUR_OK || (strcmp(event, "stored") != 0 && strcmp(event, "removed") != 0))
        return status;
    const char *uid = mur_json_text(mur_json_get(line, "instance"));
    const char *digest = mur_json_text(mur_json_get(line, "xxh128"));
    struct noted one = {.alive = event[0] == 's'};
    if (one.alive && mur_json_get_int(&one.number, mur_json_get(line, "n"), error) != MUR_OK)
        return mur_error_set(error, MUR_PARSE, "a line has no number");
    if (uid == NULL || (one.alive && mur_hex_parse(one.digest, sizeof one.digest,
                                                   digest != NULL ? digest : "", NULL) != MUR_OK))
        return mur_error_set(error, MUR_PARSE, "a line has no instance or digest");
    status = mur_isa_intern(&one.instance, manifest->strings, mur_slice_of(uid), error);
    if (status != MUR_OK)
        return status;
    uint32_t place = mur_isa_index_get(&manifest->places, one.instance);
    if (place < manifest->count) {
        manifest->list[place] = one;
        return MUR_OK;
    }
    status = mur_archive_grow(&manifest->list, manifest->count, &manifest->capacity,
                              sizeof(manifest->list[0]), error);
    if (status == MUR_OK)
        status =
            mur_isa_index_put(&manifest->places, one.instance, (uint32_t)manifest->count, error);
    if (status == MUR_OK)
        manifest->list[manifest->count++] = one;
    return status;
}

static enum mur_status read_lines(struct manifest *manifest, uint64_t length,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *line = NULL;
    size_t size = 0;
    uint64_t at = 0;
    enum mur_status status = MUR_OK;
    FILE *file = fopen(manifest->path, "re");
    if (file == NULL)
        return disagree(manifest, "", "the manifest is missing", error);
    for (ssize_t got; status == MUR_OK && at < length && (got = getline(&line, &size, file)) > 0;
         at += (uint64_t)got) {
        struct mur_error reason = MUR_ERROR_INIT;
        status = take_line(manifest, (struct mur_slice){line, (size_t)got}, &reason);
        if (status == MUR_PARSE || status == MUR_LIMIT) {
            char text[96];
            (void)snprintf(text, sizeof text, "the line at byte %llu cannot be read",
                           (unsigned long long)at);
            status = disagree(manifest, "", text, error);
        } else if (status != MUR_OK) {
            (void)mur_error_set(error, status, "%s", reason.message);
        }
    }
    (void)fclose(file);
    return status == MUR_OK && at < length
               ? disagree(manifest, "", "the manifest is shorter than the index knows it", error)
               : status;
}

/* What changed while rows were listed looks like a difference: the index is asked again. */
static enum mur_status suspect(struct manifest *manifest, const struct noted *one,
                               struct mur_error *error)
{
    struct mur_instance now = {.id = 0};
    bool found = false;
    enum mur_status status =
        mur_archive_look_up(&found, &now, manifest->verify->archive, one->instance, error);
    if (status != MUR_OK || (found && now.id > manifest->verify->last) || (!found && !one->alive) ||
        (found && one->alive && memcmp(now.digest, one->digest, sizeof now.digest) == 0))
        return status;
    const char *text = "the manifest has another digest than the index";
    if (!found)
        text = "the manifest says that it is stored, the index does not know it";
    else if (!one->alive)
        text = "the manifest says that it was removed, the index knows it";
    return disagree(manifest, one->instance, text, error);
}

static int by_uid(const void *left, const void *right)
{
    const struct mur_listed *a = left, *b = right;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static enum mur_status compare(struct manifest *manifest, struct mur_error *error)
{
    struct mur_verify *verify = manifest->verify;
    enum mur_status status = MUR_OK;
    if (verify->row_count > 0)
        qsort(verify->rows, verify->row_count, sizeof(verify->rows[0]), by_uid);
    for (size_t i = 0; status == MUR_OK && i < manifest->count; i++) {
        const struct noted *one = &manifest->list[i];
        const struct mur_listed key = {.uid = mur_xxh64_of(one->instance, strlen(one->instance))};
        struct mur_listed *row =
            verify->row_count > 0
                ? bsearch(&key, verify->rows, verify->row_count, sizeof(verify->rows[0]), by_uid)
                : NULL;
        if (row != NULL)
            row->met = true;
        if (one->alive ? row == NULL || memcmp(row->digest, one->digest, sizeof row->digest) != 0
                       : row != NULL)
            status = suspect(manifest, one, error);
    }
    return status;
}

/* Rows that the manifest never heard of: reindex would lose them. */
static enum mur_status report_unmet(struct manifest *manifest, struct mur_error *error)
{
    struct mur_verify *verify = manifest->verify;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < verify->row_count; i++) {
        if (verify->rows[i].met)
            continue;
        struct mur_database *reader = NULL;
        MUR_AUTO_FREE struct mur_stored *row = NULL;
        size_t count = 0;
        status = mur_reader_take(&reader, verify->archive, error);
        if (status == MUR_OK)
            status = mur_database_list_stored(&row, &count, reader, verify->rows[i].id - 1, 1, NULL,
                                              error);
        mur_reader_return(verify->archive, reader);
        if (status == MUR_OK && count == 1 && row->instance.id == verify->rows[i].id)
            status = disagree(manifest, row->instance.sop_instance, "the manifest does not know it",
                              error);
    }
    return status;
}

enum mur_status mur_verify_manifest(struct mur_verify *verify, struct mur_error *error)
{
    __attribute__((cleanup(manifest_free))) struct manifest manifest = {.verify = verify};
    struct mur_database *reader = NULL;
    uint64_t length = 0;
    manifest.path = verify->archive->manifest.path;
    enum mur_status status = mur_isa_strings_create(&manifest.strings, error);
    manifest.places.strings = manifest.strings;
    if (status == MUR_OK)
        status = mur_reader_take(&reader, verify->archive, error);
    if (status == MUR_OK)
        status = mur_database_manifest_length(&length, reader, error);
    mur_reader_return(verify->archive, reader);
    if (status == MUR_OK)
        status = read_lines(&manifest, length, error);
    if (status == MUR_OK)
        status = compare(&manifest, error);
    return status == MUR_OK ? report_unmet(&manifest, error) : status;
}
