/* The index anew, from what it was made of: the manifest, the objects and the tables as delivered.
 * The new one is made beside the old one and takes its place at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/internal.h"
#include "archive/reindex.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "dicom/part10.h"
#include "isa/strings.h"

enum {
    LINE_LIMIT = 1 << 20,
    READ_SIZE = 256 * 1024,
    PIECE = 256,
    PIECES_A_COMMIT = 64,
    MOST_THREADS = 16
};

/* ---- what the manifest says ------------------------------------------------------------------ */

/* All texts are interned. */
struct stored {
    int64_t number;
    const char *instance, *series, *study, *how, *calling_ae, *peer, *path;
    uint8_t digest[16];
    int64_t received_us;
    unsigned version;
    bool alive, settled, committed, has_sha256;
    uint8_t sha256[MUR_SHA256_SIZE];
};
struct linked {
    const char *series;
    enum mur_link_kind kind;
    const char *dataset, *tables_study, *assay_file, *assay; /* NULL: none */
    bool segmentation;
    int64_t scan; /* row, once it is known */
};
struct applied {
    const char *dataset, *folder, *digest;
    int64_t version, applied_us;
};

struct reindex {
    const struct mur_archive_options *options;
    const struct mur_mapping *mapping;
    const struct mur_progress *progress;
    struct mur_reindex_summary summary;
    struct mur_archive archive; /* as much of one as is needed */
    struct mur_isa_strings *strings;
    struct mur_isa_index instance_places, link_places;
    struct stored *instances;
    uint32_t instance_count, instance_capacity;
    struct linked *links;
    uint32_t link_count, link_capacity;
    struct applied *versions;
    uint32_t version_count, version_capacity;
    uint64_t manifest_length;
};

static void reindex_free(struct reindex *reindex)
{
    mur_isa_index_free(&reindex->instance_places);
    mur_isa_index_free(&reindex->link_places);
    mur_isa_strings_free(reindex->strings);
    free(reindex->instances);
    free(reindex->links);
    free(reindex->versions);
    mur_database_close(reindex->archive.writer);
    mur_store_close(reindex->archive.store);
    free(reindex->archive.directory);
    free(reindex->archive.index_path);
    if (reindex->archive.lock >= 0)
        (void)close(reindex->archive.lock);
}

/* Room for one more. @param list  address of the list's pointer */
static enum mur_status grow(void *list, uint32_t count, uint32_t *capacity, size_t size,
                            struct mur_error *error)
{
    void *old;
    if (count < *capacity)
        return MUR_OK;
    uint32_t more = *capacity == 0 ? 64 : *capacity * 2;
    memcpy(&old, list, sizeof old);
    void *grown = reallocarray(old, more, size);
    if (grown == NULL)
        return mur_error_no_memory(error);
    memcpy(list, &grown, sizeof grown);
    *capacity = more;
    return MUR_OK;
}

static enum mur_status keep(const char **out, struct reindex *reindex, const struct mur_json *line,
                            const char *key, struct mur_error *error)
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
static enum mur_status note_link(struct reindex *reindex, const char *series,
                                 const struct mur_json *isa, enum mur_link_kind kind,
                                 struct mur_error *error)
{
    uint32_t place = mur_isa_index_get(&reindex->link_places, series);
    enum mur_status status = MUR_OK;
    if (place == MUR_ISA_NONE) {
        status = grow(&reindex->links, reindex->link_count, &reindex->link_capacity,
                      sizeof *reindex->links, error);
        place = reindex->link_count;
        if (status == MUR_OK)
            status = mur_isa_index_put(&reindex->link_places, series, place, error);
        if (status != MUR_OK)
            return status;
        reindex->links[reindex->link_count++] = (struct linked){.series = series};
    }
    struct linked *link = &reindex->links[place];
    if (kind == MUR_LINK_TABLES && link->kind == MUR_LINK_HAND)
        return MUR_OK;
    *link = (struct linked){.series = series, .kind = kind};
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

static enum mur_status note_stored(struct reindex *reindex, const struct mur_json *line,
                                   struct mur_error *error)
{
    struct stored one = {.received_us = time_of(line, "received"), .alive = true};
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
    if (place != MUR_ISA_NONE) {
        one.version = reindex->instances[place].version;
        reindex->instances[place] = one;
    } else {
        status = grow(&reindex->instances, reindex->instance_count, &reindex->instance_capacity,
                      sizeof *reindex->instances, error);
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
static enum mur_status note_removed(struct reindex *reindex, const struct mur_json *line,
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
    struct stored *one = &reindex->instances[place];
    one->alive = false;
    one->version = why != NULL && strcmp(why, "replaced") == 0 ? one->version + 1 : 0;
    return MUR_OK;
}

static enum mur_status note_committed(struct reindex *reindex, const struct mur_json *line,
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

static enum mur_status note_mended(struct reindex *reindex, const struct mur_json *line,
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

static enum mur_status note_verified(struct reindex *reindex, const struct mur_json *line,
                                     struct mur_error *error)
{
    const char *instance = NULL;
    const char *digest = mur_json_text(mur_json_get(line, "sha256"));
    enum mur_status status = keep(&instance, reindex, line, "instance", error);
    uint32_t place =
        status == MUR_OK ? mur_isa_index_get(&reindex->instance_places, instance) : MUR_ISA_NONE;
    if (place == MUR_ISA_NONE)
        return status;
    struct stored *one = &reindex->instances[place];
    status = mur_hex_parse(one->sha256, sizeof one->sha256, digest != NULL ? digest : "", error);
    one->has_sha256 = status == MUR_OK;
    return status;
}

static enum mur_status note_isa(struct reindex *reindex, const struct mur_json *line,
                                struct mur_error *error)
{
    struct applied one = {.applied_us = time_of(line, "applied")};
    enum mur_status status = mur_json_get_int(&one.version, mur_json_get(line, "version"), error);
    if (status == MUR_OK)
        status = keep(&one.dataset, reindex, line, "dataset", error);
    if (status == MUR_OK)
        status = keep(&one.folder, reindex, line, "folder", error);
    if (status == MUR_OK)
        status = keep(&one.digest, reindex, line, "digest", error);
    if (status == MUR_OK)
        status = grow(&reindex->versions, reindex->version_count, &reindex->version_capacity,
                      sizeof *reindex->versions, error);
    if (status == MUR_OK)
        reindex->versions[reindex->version_count++] = one;
    return status;
}

static enum mur_status note_event(struct reindex *reindex, const struct mur_json *line,
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

static enum mur_status useless_manifest(const struct reindex *reindex, const char *why,
                                        struct mur_error *error)
{
    const char *directory = reindex->archive.directory;
    return mur_error_set(error, MUR_CORRUPT,
                         "%s/manifest.jsonl %s: take it from a backup; or \"murpacs import --dicom"
                         " %s/objects --data-dir NEW\" makes another archive of the objects",
                         directory, why, directory);
}

/* Objects alone do not say what was deleted, what replaced what, and to which scan they belong. */
static enum mur_status no_manifest(const struct reindex *reindex, struct mur_error *error)
{
    const char *directory = reindex->archive.directory;
    bool empty = true;
    enum mur_status status = mur_store_is_empty(&empty, reindex->archive.store, error);
    if (status != MUR_OK)
        return status;
    if (empty)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: there is no archive here", directory);
    return useless_manifest(reindex, "is missing", error);
}

static enum mur_status read_manifest(struct reindex *reindex, struct mur_error *error)
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
    }
    if (status == MUR_OK && ferror(file) != 0)
        status = mur_error_set_errno(error, errno, "cannot read %s", path);
    (void)fclose(file);
    return status;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static enum mur_status put_last_version(struct reindex *reindex, const struct applied *one,
                                        int64_t dataset, struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    enum mur_status status = mur_path_join(&folder, reindex->archive.directory, one->folder, error);
    if (status == MUR_OK)
        status = mur_isa_read(&isa, folder, &diagnostics, error);
    if (status == MUR_OK)
        status = mur_mapping_scans(&scans, reindex->mapping, isa, &diagnostics, error);
    if (status == MUR_OK)
        status = mur_archive_put_scans(&reindex->archive, dataset, isa, scans, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "tables in %s", one->folder);
}

static enum mur_status put_tables(struct reindex *reindex, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; status == MUR_OK && i < reindex->version_count; i++) {
        const struct applied *one = &reindex->versions[i];
        int64_t dataset = 0;
        bool last = true;
        for (uint32_t j = i + 1; j < reindex->version_count; j++)
            last = last && reindex->versions[j].dataset != one->dataset;
        status = mur_database_put_isa_dataset(&dataset, reindex->archive.writer, one->dataset,
                                              one->version, one->folder, one->digest,
                                              one->applied_us, error);
        if (status == MUR_OK && last)
            status = put_last_version(reindex, one, dataset, error);
    }
    for (uint32_t i = 0; status == MUR_OK && i < reindex->link_count; i++) {
        struct linked *link = &reindex->links[i];
        if (link->dataset != NULL)
            status =
                mur_database_scan_of_link(&link->scan, reindex->archive.writer, link->dataset,
                                          link->tables_study, link->assay_file, link->assay, error);
    }
    return status;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* One instance, scanned by any thread. */
struct scanned {
    struct stored *stored;
    struct mur_header *header;
    struct mur_new_instance record;
    struct mur_error error;
};

struct piece {
    struct reindex *reindex;
    struct scanned *items;
    size_t count;
    atomic_size_t next;
};

static enum mur_status scan_file(struct scanned *one, struct reindex *reindex, const char *path,
                                 struct mur_error *error)
{
    struct mur_instance *instance = &one->record.instance;
    MUR_AUTO_CLOSE int file = -1;
    struct mur_part10 head;
    MUR_AUTO_FREE char *bytes = malloc(READ_SIZE);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_file_open_regular(&file, path, error);
    if (status == MUR_OK)
        status = mur_part10_read(&head, file, path, error);
    if (status == MUR_OK)
        status =
            mur_header_create(&one->header, head.transfer_syntax, reindex->archive.store, error);
    if (status != MUR_OK)
        return status;
    memcpy(instance->sop_class, head.sop_class, MUR_UID_TEXT_SIZE);
    memcpy(instance->transfer_syntax, head.transfer_syntax, MUR_UID_TEXT_SIZE);
    instance->offset = head.offset;
    for (size_t got = READ_SIZE; status == MUR_OK && got == READ_SIZE;) {
        status = mur_pread_full(&got, file, bytes, READ_SIZE,
                                (off_t)(head.offset + instance->length), path, error);
        if (status == MUR_OK)
            status = mur_header_write(one->header, bytes, got, error);
        instance->length += got;
    }
    return status == MUR_OK ? mur_header_finish(one->header, path, head.offset, error) : status;
}

static void scan_one(struct scanned *one, struct reindex *reindex)
{
    struct stored *stored = one->stored;
    struct mur_new_instance *record = &one->record;
    struct mur_instance *instance = &record->instance;
    (void)snprintf(instance->sop_instance, MUR_UID_TEXT_SIZE, "%s", stored->instance);
    (void)snprintf(instance->series_instance, MUR_UID_TEXT_SIZE, "%s", stored->series);
    (void)snprintf(instance->study_instance, MUR_UID_TEXT_SIZE, "%s", stored->study);
    memcpy(instance->digest, stored->digest, sizeof instance->digest);
    instance->version = stored->version;
    MUR_AUTO_FREE char *path = NULL;
    struct mur_object_name name = mur_name_of(instance);
    enum mur_status status =
        mur_store_object_path(&path, reindex->archive.store, &name, ".dcm", &one->error);
    if (status == MUR_OK)
        status = mur_store_is_settled(&stored->settled, reindex->archive.store, &name, ".dcm",
                                      &one->error);
    if (status == MUR_OK)
        status = scan_file(one, reindex, path, &one->error);
    if (status != MUR_OK)
        return;
    record->row = stored->number;
    record->patient_id = mur_header_text(one->header, MUR_TAG_PatientID);
    record->issuer = mur_header_text(one->header, MUR_TAG_IssuerOfPatientID);
    record->received_us = stored->received_us;
    const struct mur_buffer *json =
        mur_header_json(one->header, &record->header_form, &record->header_complete);
    record->header = json->data;
    record->header_length = json->length;
    record->how = stored->how;
    record->calling_ae = stored->calling_ae;
    record->peer = stored->peer;
    record->path = stored->path;
    uint32_t link = mur_isa_index_get(&reindex->link_places, stored->series);
    if (link != MUR_ISA_NONE && reindex->links[link].kind == MUR_LINK_TABLES) {
        record->isa_scan = reindex->links[link].scan;
        record->segmentation = reindex->links[link].segmentation;
    }
}

static void *scan_some(void *user)
{
    struct piece *piece = user;
    for (size_t i = atomic_fetch_add(&piece->next, 1); i < piece->count;
         i = atomic_fetch_add(&piece->next, 1))
        scan_one(&piece->items[i], piece->reindex);
    return NULL;
}

static void scan_piece(struct piece *piece)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[MOST_THREADS];
    long started = 0;
    while (started + 1 < cores && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, scan_some, piece) == 0)
        started++;
    (void)scan_some(piece);
    for (long i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

static enum mur_status insert_one(struct reindex *reindex, struct scanned *one,
                                  struct mur_error *error)
{
    struct mur_database *writer = reindex->archive.writer;
    struct mur_new_instance *record = &one->record;
    if (one->error.status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (one->error.status != MUR_OK) { /* it is gone, or cannot be read any more */
        reindex->summary.lost++;
        if (reindex->options->note != NULL)
            reindex->options->note(reindex->options->note_user, record->instance.sop_instance,
                                   one->error.message);
        return MUR_OK;
    }
    MUR_AUTO_HEADER_VALUES struct mur_header_values values = {0};
    bool known = mur_database_knows_series(writer, record->instance.study_instance,
                                           record->instance.series_instance, record->patient_id,
                                           record->issuer);
    enum mur_status status = mur_header_get_values(&values, one->header, !known, error);
    record->values = values.values;
    record->value_count = values.count;
    int64_t id = 0;
    if (status == MUR_OK)
        status = mur_database_insert_instance(&id, writer, record, error);
    bool found = false;
    if (status == MUR_OK && one->stored->committed)
        status = mur_database_commit_instance(&found, writer, &record->instance, error);
    if (status == MUR_OK && one->stored->has_sha256)
        status = mur_database_set_sha256(&found, writer, id, one->stored->sha256, error);
    reindex->summary.instances += status == MUR_OK ? 1 : 0;
    return status;
}

static int by_number(const void *left, const void *right)
{
    const struct stored *a = *(const struct stored *const *)left;
    const struct stored *b = *(const struct stored *const *)right;
    return a->number < b->number ? -1 : a->number > b->number;
}

static enum mur_status put_objects(struct reindex *reindex, struct mur_error *error)
{
    MUR_AUTO_FREE struct stored **alive =
        calloc((size_t)reindex->instance_count + 1, sizeof *alive);
    MUR_AUTO_FREE struct scanned *items = calloc(PIECE, sizeof *items);
    size_t count = 0;
    if (alive == NULL || items == NULL)
        return mur_error_no_memory(error);
    for (uint32_t i = 0; i < reindex->instance_count; i++)
        if (reindex->instances[i].alive)
            alive[count++] = &reindex->instances[i];
    qsort(alive, count, sizeof(alive[0]), by_number);
    enum mur_status status = MUR_OK;
    for (size_t at = 0; status == MUR_OK && at < count; at += PIECE) {
        struct piece piece = {
            .reindex = reindex, .items = items, .count = count - at < PIECE ? count - at : PIECE};
        for (size_t i = 0; i < piece.count; i++)
            items[i] = (struct scanned){.stored = alive[at + i], .error = MUR_ERROR_INIT};
        scan_piece(&piece);
        for (size_t i = 0; i < piece.count; i++) {
            if (status == MUR_OK)
                status = insert_one(reindex, &items[i], error);
            mur_header_free(items[i].header);
        }
        if (status == MUR_OK && (at / PIECE + 1) % PIECES_A_COMMIT == 0) {
            status = mur_database_commit(reindex->archive.writer, error);
            if (status == MUR_OK)
                status = mur_database_begin(reindex->archive.writer, error);
        }
        mur_progress_update(reindex->progress, at + piece.count, count, NULL);
    }
    return status;
}

/* A manifest that was cut, or taken from an older copy, leaves objects out: silence about them
 * would be a loss. */
static enum mur_status count_unknown(struct reindex *reindex, struct mur_error *error)
{
    size_t settled = 0;
    size_t known = 0;
    enum mur_status status =
        mur_store_count_settled(&settled, reindex->archive.store, SIZE_MAX, error);
    if (status != MUR_OK)
        return status;
    for (uint32_t i = 0; i < reindex->instance_count; i++)
        known += reindex->instances[i].alive && reindex->instances[i].settled;
    reindex->summary.unknown = settled - known;
    if (reindex->summary.unknown > 0 && reindex->summary.instances == 0)
        return useless_manifest(reindex, "knows none of the objects that are there", error);
    return MUR_OK;
}

static enum mur_status put_decisions(struct reindex *reindex, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; status == MUR_OK && i < reindex->link_count; i++) {
        const struct linked *link = &reindex->links[i];
        int64_t changed = 0;
        if (link->kind == MUR_LINK_HAND)
            status = mur_database_set_link(&changed, reindex->archive.writer, link->series,
                                           link->scan, link->segmentation, MUR_LINK_HAND, error);
    }
    return status == MUR_OK ? mur_database_drop_gone_scans(reindex->archive.writer, error) : status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* An index that was begun, by this run or by one that was killed. */
static enum mur_status remove_new(const struct reindex *reindex, struct mur_error *error)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(suffixes); i++) {
        MUR_AUTO_FREE char *path = NULL;
        status = mur_text_format(&path, error, "%s%s", reindex->archive.index_path, suffixes[i]);
        if (status == MUR_OK && unlink(path) != 0 && errno != ENOENT)
            status = mur_error_set_errno(error, errno, "cannot remove %s", path);
    }
    return status;
}

static enum mur_status open_beside(struct reindex *reindex, struct mur_error *error)
{
    const struct mur_archive_options *options = reindex->options;
    MUR_AUTO_FREE char *objects = NULL;
    enum mur_status status =
        mur_text_copy(&reindex->archive.directory, mur_slice_of(options->directory), error);
    if (status == MUR_OK && !mur_directory_exists(options->directory))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such folder", options->directory);
    if (status == MUR_OK)
        status = mur_archive_lock_alone(&reindex->archive.lock, options->directory, error);
    if (status == MUR_OK)
        status = mur_path_join(&objects, options->directory, "objects", error);
    const struct mur_store_options store = {.directory = objects};
    if (status == MUR_OK)
        status = mur_store_open(&reindex->archive.store, &store, error);
    if (status == MUR_OK)
        status = mur_path_join(&reindex->archive.index_path, options->directory, "index.sqlite.new",
                               error);
    if (status == MUR_OK)
        status = remove_new(reindex, error);
    if (status != MUR_OK)
        return status;
    status = mur_database_open(&reindex->archive.writer, reindex->archive.index_path,
                               MUR_DATABASE_WRITE, false, error);
    if (status == MUR_OK && options->header_wins)
        mur_database_prefer_header(reindex->archive.writer);
    if (status == MUR_OK)
        mur_archive_watch_links(&reindex->archive, options->links);
    return status;
}

/* A folder, say, has no place here, but may be somebody's: it gets another name. And so does an
 * index that may be better than a manifest with damaged lines. */
static enum mur_status put_aside(struct reindex *reindex, const char *place,
                                 struct mur_error *error)
{
    enum { NAMES = 100 };
    struct stat info;
    char *name = reindex->summary.aside;
    if (lstat(place, &info) != 0 || (S_ISREG(info.st_mode) && reindex->summary.unread == 0))
        return MUR_OK;
    for (int i = 1; i < NAMES; i++) {
        MUR_AUTO_FREE char *path = NULL;
        (void)snprintf(name, sizeof reindex->summary.aside, "index.sqlite.aside-%d", i);
        enum mur_status status = mur_path_join(&path, reindex->archive.directory, name, error);
        if (status != MUR_OK)
            return status;
        if (renameat2(AT_FDCWD, place, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return MUR_OK;
        if (errno != EEXIST)
            return mur_error_set_errno(error, errno, "%s cannot be put aside: move it away", place);
    }
    return mur_error_set(error, MUR_EXISTS, "%s cannot be put aside: move it away", place);
}

/* On disk, then under its name. */
static enum mur_status take_place(struct reindex *reindex, struct mur_error *error)
{
    static const char *const logs[] = {"index.sqlite-wal", "index.sqlite-shm"};
    mur_database_close(MUR_STEAL(reindex->archive.writer)); /* its log goes into the file */
    const char *directory = reindex->archive.directory;
    MUR_AUTO_FREE char *place = NULL;
    enum mur_status status = mur_path_join(&place, directory, "index.sqlite", error);
    MUR_AUTO_CLOSE int file = open(reindex->archive.index_path, O_RDONLY | O_CLOEXEC);
    if (status == MUR_OK && (file < 0 || fsync(file) != 0))
        status = mur_error_set_errno(error, errno, "cannot sync %s", reindex->archive.index_path);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(logs); i++) {
        MUR_AUTO_FREE char *log = NULL;
        status = mur_path_join(&log, directory, logs[i], error);
        if (status == MUR_OK && unlink(log) != 0 && errno != ENOENT)
            status = mur_error_set_errno(error, errno, "cannot remove %s", log);
    }
    if (status == MUR_OK)
        status = put_aside(reindex, place, error);
    if (status == MUR_OK && rename(reindex->archive.index_path, place) != 0)
        status = mur_error_set_errno(error, errno, "cannot rename %s", reindex->archive.index_path);
    return status == MUR_OK ? mur_directory_sync(directory, error) : status;
}

static void give_up(struct reindex *reindex)
{
    mur_database_close(MUR_STEAL(reindex->archive.writer));
    (void)!remove_new(reindex, NULL);
}

enum mur_status mur_archive_reindex(struct mur_reindex_summary *out,
                                    const struct mur_archive_options *options,
                                    const struct mur_mapping *mapping,
                                    const struct mur_progress *progress, struct mur_error *error)
{
    __attribute__((cleanup(reindex_free))) struct reindex reindex = {
        .options = options, .mapping = mapping, .progress = progress, .archive = {.lock = -1}};
    enum mur_status status = mur_dictionary_load(error);
    if (status == MUR_OK && options->attributes != NULL)
        status = mur_attributes_extend(options->attributes, error);
    if (status == MUR_OK)
        status = mur_isa_strings_create(&reindex.strings, error);
    reindex.instance_places.strings = reindex.strings;
    reindex.link_places.strings = reindex.strings;
    if (status == MUR_OK)
        status = open_beside(&reindex, error);
    if (status == MUR_OK)
        status = read_manifest(&reindex, error);
    if (status == MUR_OK)
        status = mur_database_begin(reindex.archive.writer, error);
    if (status == MUR_OK)
        status = put_tables(&reindex, error);
    if (status == MUR_OK)
        status = put_objects(&reindex, error);
    if (status == MUR_OK && reindex.summary.instances == 0 && reindex.summary.lost > 0)
        status = mur_error_set(error, MUR_NOT_FOUND,
                               "none of %zu objects is in %s/objects: is its disk there? The index"
                               " stays as it was",
                               reindex.summary.lost, options->directory);
    if (status == MUR_OK)
        status = count_unknown(&reindex, error);
    if (status == MUR_OK)
        status = put_decisions(&reindex, error);
    if (status == MUR_OK)
        status = mur_database_set_manifest_length(reindex.archive.writer, reindex.manifest_length,
                                                  error);
    if (status == MUR_OK)
        status = mur_database_commit(reindex.archive.writer, error);
    if (status == MUR_OK)
        status = take_place(&reindex, error);
    if (status == MUR_OK)
        *out = reindex.summary;
    else if (reindex.archive.lock >= 0 && reindex.archive.index_path != NULL)
        give_up(&reindex);
    return status;
}
