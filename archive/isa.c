#include "archive/isa.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "archive/isa_dataset.h"
#include "archive/isa_values.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/dictionary.h"
#include "mapping/private_block.h"

void mur_isa_rows_free(struct mur_isa_rows *rows)
{
    if (rows == NULL)
        return;
    free(rows->dataset);
    free(rows->scans);
    *rows = (struct mur_isa_rows){0};
}

/* ---- what is said otherwise --------------------------------------------------------------------
 */

/* What a scan says: its cells as "kind:name" and value, or attributes by their paths. */
struct statement {
    char *name, *text;
    bool cell, of_subject;
};
struct statements {
    struct statement *items;
    size_t count, capacity;
};

static void statements_free(struct statements *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].text);
    }
    free(list->items);
}

static struct statement *find_statement(const struct statements *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

static enum mur_status add_statement(struct statements *list, struct mur_slice name,
                                     const char *text, bool cell, struct mur_error *error)
{
    MUR_AUTO_FREE char *key = NULL;
    enum mur_status status = mur_text_copy(&key, name, error);
    if (status != MUR_OK)
        return status;
    struct statement *known = find_statement(list, key);
    if (known != NULL) {
        char *both = NULL;
        status = mur_text_format(&both, error, "%s; %s", known->text, text);
        if (status == MUR_OK) {
            free(known->text);
            known->text = both;
        }
        return status;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct statement *grown = reallocarray(list->items, capacity, sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        list->items = grown;
        list->capacity = capacity;
    }
    struct statement one = {.cell = cell};
    status = mur_text_copy(&one.text, mur_slice_of(text), error);
    if (status != MUR_OK)
        return status;
    one.name = MUR_STEAL(key);
    list->items[list->count++] = one;
    return MUR_OK;
}

/* What only these rows say of the animal is told once for each of its scans. */
static void mark_subject(struct statements *list, const struct mur_scan *scan)
{
    for (size_t i = 0; i < scan->isa_attribute_count; i++) {
        const struct mur_scan_attribute *attribute = &scan->isa_attributes[i];
        const char *kind = mur_block_kind(attribute->kind);
        size_t length = strlen(kind);
        for (size_t j = 0; attribute->level == MUR_LEVEL_PATIENT && j < list->count; j++)
            if (strncmp(list->items[j].name, kind, length) == 0 &&
                list->items[j].name[length] == ':' &&
                strcmp(list->items[j].name + length + 1, attribute->name) == 0)
                list->items[j].of_subject = true;
    }
}

static enum mur_status state(void *user, const struct mur_index_value *value,
                             struct mur_error *error)
{
    struct statements *list = user;
    uint32_t tag = value->path.tags[0];
    if (tag == MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE)) {
        const char *equals = strchr(value->text, '=');
        struct mur_slice name = {value->text, equals == NULL ? 0 : (size_t)(equals - value->text)};
        return equals == NULL ? MUR_OK : add_statement(list, name, equals + 1, true, error);
    }
    if (value->path.depth > 1 || value->vr == MUR_VR_SQ || MUR_TAG_IS_PRIVATE(tag) ||
        tag == MUR_TAG_PatientComments || tag == MUR_TAG_AdditionalPatientHistory)
        return MUR_OK;
    char path[MUR_ATTRIBUTE_PATH_SIZE];
    const struct mur_attribute *attribute = mur_attribute_find(tag);
    const char *name =
        attribute != NULL ? attribute->keyword : mur_attribute_path_format(path, &value->path);
    return add_statement(list, mur_slice_of(name), value->text, false, error);
}

static enum mur_status state_cell(struct statements *list, const struct mur_isa_cell *cell,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *name = NULL;
    if (cell->element != 0)
        return MUR_OK;
    enum mur_status status = mur_text_format(&name, error, "%s:%s", cell->kind, cell->name);
    return status == MUR_OK ? add_statement(list, mur_slice_of(name), cell->text, true, error)
                            : status;
}

struct put {
    struct mur_isa_rows *rows;
    const struct mur_isa *isa;
    const struct mur_scan_list *scans;
    const struct mur_isa_options *options;
    char digest[MUR_SHA256_TEXT_SIZE];
};

static enum mur_status tell(const struct put *put, const struct mur_isa_change *change,
                            struct mur_error *error)
{
    return put->options->on_change == NULL
               ? MUR_OK
               : put->options->on_change(put->options->user, change, error);
}

/* Where cells differ, they are told; attributes that follow from them are not. */
static enum mur_status tell_differences(const struct put *put, struct mur_isa_change change,
                                        const struct statements *before,
                                        const struct statements *now, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    bool told = false;
    for (int cells = 1; status == MUR_OK && cells >= 0 && !told; cells--) {
        const struct statements *const lists[2] = {before, now};
        for (int l = 0; status == MUR_OK && l < 2; l++)
            for (size_t i = 0; status == MUR_OK && i < lists[l]->count; i++) {
                const struct statement *one = &lists[l]->items[i];
                const struct statement *other = find_statement(lists[1 - l], one->name);
                if (one->cell != (cells == 1) || (l == 1 && other != NULL) ||
                    (other != NULL && strcmp(other->text, one->text) == 0))
                    continue;
                change.attribute = one->name;
                change.of_subject = one->of_subject;
                change.before = l == 0 ? one->text : "";
                change.now = l == 1 ? one->text : other != NULL ? other->text : "";
                told = true;
                status = tell(put, &change, error);
            }
    }
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct known_scan {
    int64_t row; /* 0 = none, or gone */
    char digest[MUR_SHA256_TEXT_SIZE];
};

static enum mur_status note_known(void *user, const struct mur_isa_scan_name *scan,
                                  struct mur_error *error)
{
    (void)error;
    struct known_scan *known = user;
    known->row = scan->digest[0] != '\0' ? scan->row : 0;
    (void)snprintf(known->digest, sizeof known->digest, "%s", scan->digest);
    return MUR_OK;
}

static enum mur_status put_scan(struct put *put, struct mur_archive *archive, int64_t dataset,
                                size_t index, struct mur_link_keys *keys, struct mur_error *error)
{
    const struct mur_scan *scan = &put->scans->scans[index];
    MUR_AUTO_ISA_VALUES struct mur_isa_values values = {0};
    MUR_AUTO_FREE struct mur_isa_key *list = NULL;
    char digest[MUR_SHA256_TEXT_SIZE];
    struct known_scan known = {.row = 0};
    struct statements before = {0};
    struct statements now = {0};
    struct mur_isa_scan_record record = {
        .study = scan->study,
        .source = scan->source,
        .sample = scan->sample,
        .assay_file = scan->assay_file,
        .assay = scan->assay,
        .digest = digest,
        .ordinal = (int64_t)index,
    };
    enum mur_status status = mur_isa_values_of(&values, digest, scan, error);
    record.values = values.values;
    record.value_count = values.count;
    record.cells = values.cells;
    record.cell_count = values.cell_count;
    if (status == MUR_OK)
        status = mur_archive_scan_keys(&list, &record.key_count, keys, archive->links, scan, error);
    record.keys = list;
    if (status == MUR_OK)
        status = mur_database_find_isa_scan(archive->writer, dataset, scan->study, scan->assay_file,
                                            scan->assay, note_known, &known, error);
    bool differs = known.row != 0 && strcmp(known.digest, digest) != 0;
    if (status == MUR_OK && differs && put->options->on_change != NULL) {
        status = mur_database_isa_scan_values(archive->writer, known.row, state, &before, error);
        for (size_t i = 0; status == MUR_OK && i < values.count; i++)
            status = state(&now, &values.values[i], error);
        for (size_t i = 0; status == MUR_OK && i < values.cell_count; i++)
            status = state_cell(&now, &values.cells[i], error);
        mark_subject(&before, scan);
        mark_subject(&now, scan);
    }
    bool changed = false;
    if (status == MUR_OK)
        status = mur_database_put_isa_scan(&put->rows->scans[index], &changed, archive->writer,
                                           dataset, &record, error);
    put->rows->changed += differs ? 1 : 0;
    put->rows->added += known.row == 0 ? 1 : 0;
    struct mur_isa_change change = {.kind =
                                        known.row == 0 ? MUR_ISA_SCAN_NEW : MUR_ISA_SCAN_CHANGED,
                                    .study = scan->study,
                                    .source = scan->source,
                                    .assay_file = scan->assay_file,
                                    .assay = scan->assay,
                                    .attribute = "",
                                    .before = "",
                                    .now = ""};
    if (status == MUR_OK && known.row == 0)
        status = tell(put, &change, error);
    else if (status == MUR_OK && differs)
        status = tell_differences(put, change, &before, &now, error);
    statements_free(&before);
    statements_free(&now);
    return status;
}

static enum mur_status put_scans(struct put *put, struct mur_archive *archive, int64_t dataset,
                                 struct mur_error *error)
{
    size_t rules = mur_link_rules_count(archive->links);
    MUR_AUTO_FREE struct mur_link_keys *keys = calloc(rules + 1, sizeof *keys);
    if (keys == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < put->scans->count; i++) {
        const struct mur_scan *scan = &put->scans->scans[i];
        status = put_scan(put, archive, dataset, i, keys, error);
        for (size_t r = 0; r < rules; r++)
            mur_link_keys_free(&keys[r]);
        if (status != MUR_OK)
            return mur_error_prefix(error, "scan %s of study %s", scan->assay, scan->study);
    }
    return status;
}

enum mur_status mur_archive_put_scans(struct mur_archive *archive, int64_t dataset,
                                      const struct mur_isa *isa, const struct mur_scan_list *scans,
                                      struct mur_error *error)
{
    static const struct mur_isa_options options = {.dry_run = false};
    MUR_AUTO_ISA_ROWS struct mur_isa_rows rows = {
        .scans = calloc(scans->count + 1, sizeof(int64_t)), .count = scans->count};
    struct put put = {.rows = &rows, .isa = isa, .scans = scans, .options = &options};
    return rows.scans == NULL ? mur_error_no_memory(error)
                              : put_scans(&put, archive, dataset, error);
}

static enum mur_status note_gone(void *user, const struct mur_isa_scan_name *scan,
                                 struct mur_error *error)
{
    struct put *put = user;
    const struct mur_isa_change change = {.kind = MUR_ISA_SCAN_GONE,
                                          .study = scan->study,
                                          .source = scan->source,
                                          .assay_file = scan->assay_file,
                                          .assay = scan->assay,
                                          .attribute = "",
                                          .before = "",
                                          .now = ""};
    put->rows->gone++;
    return tell(put, &change, error);
}

static enum mur_status put_version(int64_t *dataset, struct put *put, struct mur_archive *archive,
                                   struct mur_error *error)
{
    struct mur_isa_rows *rows = put->rows;
    rows->version++;
    const struct mur_isa_version version = {.dataset = rows->dataset,
                                            .version = rows->version,
                                            .folder = rows->folder,
                                            .digest = put->digest,
                                            .applied_us = mur_clock_now_us(),
                                            .in_force = true};
    enum mur_status status =
        mur_isa_version_folder(rows->folder, rows->dataset, rows->version, error);
    if (status == MUR_OK && !put->options->dry_run)
        status = mur_tables_keep(rows->folder, archive, put->isa, error);
    if (status == MUR_OK)
        status =
            mur_database_put_isa_dataset(dataset, archive->writer, rows->dataset, rows->version,
                                         rows->folder, put->digest, version.applied_us, error);
    return status == MUR_OK ? mur_manifest_add_isa(&archive->manifest, &version, error) : status;
}

static enum mur_status put_rows(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct put *put = user;
    struct mur_isa_rows *rows = put->rows;
    char known[MUR_SHA256_TEXT_SIZE];
    int64_t dataset = 0;
    enum mur_status status = mur_database_isa_dataset(&dataset, known, &rows->version,
                                                      archive->writer, rows->dataset, error);
    rows->new_version = status == MUR_OK && strcmp(known, put->digest) != 0;
    if (rows->new_version)
        status = put_version(&dataset, put, archive, error);
    else if (status == MUR_OK)
        status = mur_isa_version_folder(rows->folder, rows->dataset, rows->version, error);
    if (status == MUR_OK)
        status = put_scans(put, archive, dataset, error);
    if (status == MUR_OK)
        status = mur_database_retire_isa_scans(archive->writer, dataset, rows->scans, rows->count,
                                               note_gone, put, error);
    return status == MUR_OK ? mur_database_relink(&rows->relinked, archive->writer, error) : status;
}

/* ---- versions -------------------------------------------------------------------------------- */

enum mur_status mur_archive_each_isa_version(
    struct mur_archive *archive,
    enum mur_status (*each)(void *user, const struct mur_isa_version *one, struct mur_error *error),
    void *user, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_each_isa_version(reader, each, user, error);
    mur_reader_return(archive, reader);
    return status;
}

enum mur_status mur_archive_put_isa(struct mur_isa_rows *out, struct mur_archive *archive,
                                    const struct mur_isa *isa, const struct mur_scan_list *scans,
                                    const struct mur_isa_options *options, struct mur_error *error)
{
    MUR_AUTO_ISA_ROWS struct mur_isa_rows rows = {0};
    struct put put = {.rows = &rows, .isa = isa, .scans = scans, .options = options};
    enum mur_status status =
        mur_isa_name_dataset(&rows.dataset, archive, isa, options->dataset, error);
    if (status == MUR_OK)
        status = mur_tables_digest(put.digest, isa, error);
    if (status != MUR_OK)
        return status;
    rows.scans = calloc(scans->count + 1, sizeof *rows.scans);
    if (rows.scans == NULL)
        return mur_error_no_memory(error);
    rows.count = scans->count;
    status = mur_archive_change(archive, !options->dry_run, put_rows, &put, error);
    if (status != MUR_OK)
        return status;
    if (rows.new_version && !options->dry_run)
        mur_tables_committed(archive, rows.folder);
    *out = rows;
    rows = (struct mur_isa_rows){0};
    return MUR_OK;
}
