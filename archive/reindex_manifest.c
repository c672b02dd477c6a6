/* What the manifest says, for an index that is made anew: each object with its latest state, links,
 * versions of tables. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/reindex_parts.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"

enum { LINE_LIMIT = 1 << 20 };

static enum mur_status keep(const char **out, struct mur_reindex *reindex,
                            const struct mur_json *line, const char *key, struct mur_error *error)
{
    const char *text = mur_json_text(mur_json_get(line, key));
    return mur_isa_intern(out, reindex->strings, mur_slice_of(text != NULL ? text : ""), error);
}

static int64_t time_of(const struct mur_json *line, const char *key)
{
    const char *text = mur_json_text(mur_json_get(line, key));
    struct mur_datetime at;
    return text != NULL && mur_datetime_parse_iso(&at, mur_slice_of(text), NULL) == MUR_OK
               ? mur_datetime_to_us(&at)
               : 0;
}

/* By somebody's hand, or by tables, unless somebody said otherwise before. @param isa  NULL: none
 */
static enum mur_status note_link(struct mur_reindex *reindex, const char *series,
                                 const struct mur_json *isa, enum mur_link_kind kind,
                                 struct mur_error *error)
{
    uint32_t place = mur_isa_index_get(&reindex->link_places, series);
    enum mur_status status = MUR_OK;
    if (place == MUR_ISA_NONE) {
        status = mur_archive_grow(&reindex->links, reindex->link_count, &reindex->link_capacity,
                                  sizeof *reindex->links, error);
        place = reindex->link_count;
        if (status == MUR_OK)
            status = mur_isa_index_put(&reindex->link_places, series, place, error);
        if (status != MUR_OK)
            return status;
        reindex->links[reindex->link_count++] = (struct mur_told_link){.series = series};
    }
    struct mur_told_link *link = &reindex->links[place];
    if (kind == MUR_LINK_TABLES && link->kind == MUR_LINK_HAND)
        return MUR_OK;
    *link = (struct mur_told_link){.series = series, .kind = kind};
    if (isa == NULL)
        return MUR_OK;
    (void)!mur_json_get_bool(&link->segmentation, mur_json_get(isa, "segmentation"), NULL);
    status = keep(&link->dataset, reindex, isa, "dataset", error);
    if (status == MUR_OK)
        status = keep(&link->tables_study, reindex, isa, "study", error);
    if (status == MUR_OK)
        status = keep(&link->assay_file, reindex, isa, "assay_file", error);
    return status == MUR_OK ? keep(&link->assay, reindex, isa, "assay", error) : status;
}

static enum mur_status note_stored(struct mur_reindex *reindex, const struct mur_json *line,
                                   struct mur_error *error)
{
    struct mur_told_instance one = {.received_us = time_of(line, "received"), .alive = true};
    const struct {
        const char *key, **out;
    } texts[] = {
        {"instance", &one.instance}, {"series", &one.series},         {"study", &one.study},
        {"how", &one.how},           {"calling_ae", &one.calling_ae}, {"peer", &one.peer},
        {"path", &one.path}};
    enum mur_status status = mur_json_get_int(&one.number, mur_json_get(line, "n"), error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(texts); i++)
        status = keep(texts[i].out, reindex, line, texts[i].key, error);
    const char *digest = mur_json_text(mur_json_get(line, "xxh128"));
    if (status == MUR_OK)
        status = mur_hex_parse(one.digest, sizeof one.digest, digest != NULL ? digest : "", error);
    if (status != MUR_OK)
        return status;
    uint32_t place = mur_isa_index_get(&reindex->instance_places, one.instance);
    const struct mur_json *version = mur_json_get(line, "version");
    int64_t number = 0;
    if (version != NULL)
        status = mur_json_get_int(&number, version, error);
    if (status == MUR_OK && (number < 0 || number > UINT_MAX))
        status = mur_error_set(error, MUR_CORRUPT, "a line has no version");
    if (status != MUR_OK)
        return status;
    one.version = (unsigned)number;
    if (place != MUR_ISA_NONE) {
        if (version == NULL)
            one.version = reindex->instances[place].version;
        reindex->instances[place] = one;
    } else {
        status = mur_archive_grow(&reindex->instances, reindex->instance_count,
                                  &reindex->instance_capacity, sizeof *reindex->instances, error);
        if (status == MUR_OK)
            status = mur_isa_index_put(&reindex->instance_places, one.instance,
                                       reindex->instance_count, error);
        if (status != MUR_OK)
            return status;
        reindex->instances[reindex->instance_count++] = one;
    }
    const struct mur_json *isa = mur_json_get(line, "isa");
    return isa == NULL ? MUR_OK : note_link(reindex, one.series, isa, MUR_LINK_TABLES, error);
}

/* The file of what replaces an object has the next version; one that comes after a deletion begins
 * anew. */
static enum mur_status note_removed(struct mur_reindex *reindex, const struct mur_json *line,
                                    struct mur_error *error)
{
    const char *instance = NULL;
    const char *why = mur_json_text(mur_json_get(line, "why"));
    enum mur_status status = keep(&instance, reindex, line, "instance", error);
    if (status != MUR_OK)
        return status;
    uint32_t place = mur_isa_index_get(&reindex->instance_places, instance);
    if (place == MUR_ISA_NONE)
        return MUR_OK;
    struct mur_told_instance *one = &reindex->instances[place];
    one->alive = false;
    one->version = why != NULL && strcmp(why, "replaced") == 0 ? one->version + 1 : 0;
    return MUR_OK;
}

static enum mur_status note_committed(struct mur_reindex *reindex, const struct mur_json *line,
                                      struct mur_error *error)
{
    const char *instance = NULL;
    enum mur_status status = keep(&instance, reindex, line, "instance", error);
    uint32_t place =
        status == MUR_OK ? mur_isa_index_get(&reindex->instance_places, instance) : MUR_ISA_NONE;
    if (place != MUR_ISA_NONE)
        reindex->instances[place].committed = true;
    return status;
}

static enum mur_status note_mended(struct mur_reindex *reindex, const struct mur_json *line,
                                   struct mur_error *error)
{
    const char *instance = NULL;
    enum mur_status status = keep(&instance, reindex, line, "instance", error);
    uint32_t place =
        status == MUR_OK ? mur_isa_index_get(&reindex->instance_places, instance) : MUR_ISA_NONE;
    if (place == MUR_ISA_NONE)
        return status;
    reindex->instances[place].version++;
    reindex->instances[place].has_sha256 = false;
    return MUR_OK;
}

static enum mur_status note_verified(struct mur_reindex *reindex, const struct mur_json *line,
                                     struct mur_error *error)
{
    const char *instance = NULL;
    const char *digest = mur_json_text(mur_json_get(line, "sha256"));
    enum mur_status status = keep(&instance, reindex, line, "instance", error);
    uint32_t place =
        status == MUR_OK ? mur_isa_index_get(&reindex->instance_places, instance) : MUR_ISA_NONE;
    if (place == MUR_ISA_NONE)
        return status;
    struct mur_told_instance *one = &reindex->instances[place];
    status = mur_hex_parse(one->sha256, sizeof one->sha256, digest != NULL ? digest : "", error);
    one->has_sha256 = status == MUR_OK;
    return status;
}

static enum mur_status note_isa(struct mur_reindex *reindex, const struct mur_json *line,
                                struct mur_error *error)
{
    struct mur_told_tables one = {.applied_us = time_of(line, "applied")};
    enum mur_status status = mur_json_get_int(&one.version, mur_json_get(line, "version"), error);
    if (status == MUR_OK)
        status = keep(&one.dataset, reindex, line, "dataset", error);
    if (status == MUR_OK)
        status = keep(&one.folder, reindex, line, "folder", error);
    if (status == MUR_OK)
        status = keep(&one.digest, reindex, line, "digest", error);
    if (status == MUR_OK)
        status = mur_archive_grow(&reindex->versions, reindex->version_count,
                                  &reindex->version_capacity, sizeof *reindex->versions, error);
    if (status == MUR_OK)
        reindex->versions[reindex->version_count++] = one;
    return status;
}

static enum mur_status note_event(struct mur_reindex *reindex, const struct mur_json *line,
                                  struct mur_error *error)
{
    const char *event = mur_json_text(mur_json_get(line, "event"));
    const char *series = NULL;
    if (event == NULL)
        return mur_error_set(error, MUR_CORRUPT, "a line says no event");
    if (strcmp(event, "stored") == 0)
        return note_stored(reindex, line, error);
    if (strcmp(event, "removed") == 0)
        return note_removed(reindex, line, error);
    if (strcmp(event, "isa") == 0)
        return note_isa(reindex, line, error);
    if (strcmp(event, "committed") == 0)
        return note_committed(reindex, line, error);
    if (strcmp(event, "mended") == 0)
        return note_mended(reindex, line, error);
    if (strcmp(event, "verified") == 0)
        return note_verified(reindex, line, error);
    bool linked = strcmp(event, "linked") == 0;
    if (!linked && strcmp(event, "unlinked") != 0)
        return MUR_OK; /* of a later program */
    enum mur_status status = keep(&series, reindex, line, "series", error);
    if (status != MUR_OK)
        return status;
    if (!linked)
        return note_link(reindex, series, NULL, MUR_LINK_NONE, error);
    return note_link(reindex, series, mur_json_get(line, "isa"),
                     mur_json_get(line, "by") != NULL ? MUR_LINK_HAND : MUR_LINK_TABLES, error);
}

enum mur_status mur_reindex_useless_manifest(const struct mur_reindex *reindex, const char *why,
                                             struct mur_error *error)
{
    const char *directory = reindex->archive.directory;
    return mur_error_set(error, MUR_CORRUPT,
                         "%s/manifest.jsonl %s: take it from a backup; or \"murpacs import --dicom"
                         " %s/objects --data-dir NEW\" makes another archive of the objects",
                         directory, why, directory);
}

/* Objects alone do not say what was deleted, what replaced what, and to which scan they belong. */
static enum mur_status no_manifest(const struct mur_reindex *reindex, struct mur_error *error)
{
    const char *directory = reindex->archive.directory;
    bool empty = true;
    enum mur_status status = mur_store_is_empty(&empty, reindex->archive.store, error);
    if (status != MUR_OK)
        return status;
    if (empty)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: there is no archive here", directory);
    return mur_reindex_useless_manifest(reindex, "is missing", error);
}

/* As archive/manifest.c has it. */
static bool comes_again(const struct mur_json *line)
{
    const char *event = mur_json_text(mur_json_get(line, "event"));
    return event == NULL || strcmp(event, "stored") == 0 || strcmp(event, "verified") == 0;
}

enum mur_status mur_reindex_read_manifest(struct mur_reindex *reindex, struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_FREE char *line = NULL;
    size_t size = 0;
    enum mur_status status =
        mur_path_join(&path, reindex->archive.directory, "manifest.jsonl", error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int descriptor = -1;
    status = mur_file_open_regular(&descriptor, path, error);
    if (status == MUR_NOT_FOUND)
        return no_manifest(reindex, error);
    if (status != MUR_OK)
        return status;
    FILE *file = fdopen(descriptor, "r");
    if (file == NULL)
        return mur_error_set_errno(error, errno, "cannot open %s", path);
    (void)mur_steal_descriptor(&descriptor);
    for (ssize_t length; status == MUR_OK && (length = getline(&line, &size, file)) > 0;) {
        MUR_AUTO(mur_json) *json = NULL;
        if (line[length - 1] != '\n')
            break; /* cut: it was never committed */
        status = mur_json_parse(&json, (struct mur_slice){line, (size_t)length}, LINE_LIMIT, error);
        if (status == MUR_OK)
            status = note_event(reindex, json, error);
        if (status != MUR_OK && status != MUR_NO_MEMORY) {
            status = MUR_OK;
            if (reindex->summary.unread++ == 0)
                reindex->summary.unread_at = reindex->manifest_length;
        }
        reindex->manifest_length += (uint64_t)length;
        if (status == MUR_OK && json != NULL && !comes_again(json))
            reindex->manifest_lasting = reindex->manifest_length;
    }
    if (status == MUR_OK && ferror(file) != 0)
        status = mur_error_set_errno(error, errno, "cannot read %s", path);
    (void)fclose(file);
    return status;
}
