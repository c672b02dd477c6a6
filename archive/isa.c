#include "archive/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"
#include "archive/isa_values.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

enum { TABLE_LIMIT = 256 << 20, IDENTIFIER_LIMIT = 200 };

void mur_isa_rows_free(struct mur_isa_rows *rows)
{
    if (rows == NULL)
        return;
    free(rows->dataset);
    free(rows->scans);
    *rows = (struct mur_isa_rows){0};
}

static enum mur_status append_identifier(struct mur_buffer *out, const char *identifier,
                                         struct mur_error *error)
{
    if (identifier[0] == '\0')
        return MUR_OK;
    return mur_buffer_append_format(out, error, "%s%s", out->length > 0 ? "+" : "", identifier);
}

enum mur_status mur_isa_dataset_identifier(char **out, const struct mur_isa *isa,
                                           struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_reserve(&text, IDENTIFIER_LIMIT, error);
    for (size_t i = 0; status == MUR_OK && i < isa->investigation_count; i++)
        status = append_identifier(&text, isa->investigations[i].identifier, error);
    for (size_t i = 0; status == MUR_OK && text.length == 0 && i < isa->study_count; i++)
        status = append_identifier(&text, isa->studies[i].identifier, error);
    if (status == MUR_OK && text.length == 0) {
        struct mur_slice root = mur_slice_of(isa->root);
        while (root.length > 1 && root.data[root.length - 1] == '/')
            root.length--;
        MUR_AUTO_FREE char *folder = NULL;
        status = mur_text_copy(&folder, root, error);
        if (status == MUR_OK)
            status = append_identifier(&text, mur_path_base(folder), error);
    }
    if (status == MUR_OK && text.length > IDENTIFIER_LIMIT) {
        text.length = mur_utf8_cut((struct mur_slice){text.data, text.length}, IDENTIFIER_LIMIT);
        text.data[text.length] = '\0';
    }
    return status == MUR_OK ? mur_buffer_take(out, &text, error) : status;
}

/* ---- the tables as delivered ----------------------------------------------------------------- */

typedef enum mur_status table_function(void *user, const char *relative, struct mur_error *error);

static enum mur_status each_table(const struct mur_isa *isa, table_function *each, void *user,
                                  struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < isa->investigation_count; i++)
        status = each(user, isa->investigations[i].path, error);
    for (size_t i = 0; status == MUR_OK && i < isa->study_count; i++) {
        const struct mur_isa_study *study = &isa->studies[i];
        if (study->readable)
            status = each(user, study->table.path, error);
        for (size_t j = 0; status == MUR_OK && j < study->assay_count; j++)
            if (study->assays[j].readable)
                status = each(user, study->assays[j].table.path, error);
    }
    return status;
}

struct tables {
    const char *root;
    const char *target; /* folder to copy to */
    struct mur_sha256 *digest;
};

static enum mur_status read_table(struct mur_buffer *out, const char *root, const char *relative,
                                  struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_path_beneath(&path, root, relative, error);
    return status == MUR_OK ? mur_file_read_all(out, path, TABLE_LIMIT, error) : status;
}

static enum mur_status digest_table(void *user, const char *relative, struct mur_error *error)
{
    struct tables *tables = user;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = read_table(&bytes, tables->root, relative, error);
    if (status == MUR_OK)
        status = mur_sha256_update(tables->digest, relative, strlen(relative) + 1, error);
    if (status == MUR_OK)
        status = mur_sha256_update(tables->digest, bytes.data, bytes.length, error);
    return status;
}

static enum mur_status copy_table(void *user, const char *relative, struct mur_error *error)
{
    struct tables *tables = user;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = read_table(&bytes, tables->root, relative, error);
    if (status == MUR_OK)
        status = mur_path_join(&path, tables->target, relative, error);
    if (status != MUR_OK)
        return status;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    status = mur_directory_create(path, 0750, error);
    *slash = '/';
    return status == MUR_OK ? mur_file_write_all(path, bytes.data, bytes.length, 0640, error)
                            : status;
}

static enum mur_status digest_tables(char out[MUR_SHA256_TEXT_SIZE], const struct mur_isa *isa,
                                     struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    struct tables tables = {.root = isa->root, .digest = digest};
    if (status == MUR_OK)
        status = each_table(isa, digest_table, &tables, error);
    uint8_t bytes[MUR_SHA256_SIZE];
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status == MUR_OK)
        mur_hex_write(out, bytes, sizeof bytes);
    return status;
}

/* Folder of a version, relative to the archive: a hash, because an identifier may hold anything. */
static enum mur_status version_folder(char out[64], const char *dataset, int64_t version,
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

static enum mur_status keep_tables(char folder[64], const struct mur_archive *archive,
                                   const struct mur_isa *isa, const char *dataset, int64_t version,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *target = NULL;
    enum mur_status status = version_folder(folder, dataset, version, error);
    if (status == MUR_OK)
        status = mur_path_join(&target, archive->directory, folder, error);
    struct tables tables = {.root = isa->root, .target = target};
    if (status == MUR_OK)
        status = each_table(isa, copy_table, &tables, error);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static enum mur_status put_scans(struct mur_isa_rows *rows, struct mur_archive *archive,
                                 int64_t dataset, const struct mur_scan_list *scans,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < scans->count; i++) {
        const struct mur_scan *scan = &scans->scans[i];
        MUR_AUTO_ISA_VALUES struct mur_isa_values values = {0};
        char digest[MUR_SHA256_TEXT_SIZE];
        status = mur_isa_values_of(&values, digest, scan, error);
        struct mur_isa_scan_record record = {
            .study = scan->study,
            .source = scan->source,
            .sample = scan->sample,
            .assay_file = scan->assay_file,
            .assay = scan->assay,
            .digest = digest,
            .values = values.values,
            .value_count = values.count,
            .ordinal = (int64_t)i,
            .cells = values.cells,
            .cell_count = values.cell_count,
        };
        bool changed = false;
        if (status == MUR_OK)
            status = mur_database_put_isa_scan(&rows->scans[i], &changed, archive->writer, dataset,
                                               &record, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "scan %s of study %s", scan->assay, scan->study);
        rows->changed += changed ? 1 : 0;
    }
    return status;
}

static enum mur_status put_rows(struct mur_isa_rows *rows, struct mur_archive *archive,
                                const struct mur_isa *isa, const struct mur_scan_list *scans,
                                const char *digest, struct mur_error *error)
{
    char known[MUR_SHA256_TEXT_SIZE];
    int64_t version = 0;
    int64_t dataset = 0;
    char folder[64];
    enum mur_status status =
        mur_database_isa_dataset(&dataset, known, &version, archive->writer, rows->dataset, error);
    rows->new_version = status == MUR_OK && strcmp(known, digest) != 0;
    if (rows->new_version) {
        version++;
        status = keep_tables(folder, archive, isa, rows->dataset, version, error);
        if (status == MUR_OK)
            status = mur_database_put_isa_dataset(&dataset, archive->writer, rows->dataset, version,
                                                  folder, digest, mur_clock_now_us(), error);
    }
    return status == MUR_OK ? put_scans(rows, archive, dataset, scans, error) : status;
}

enum mur_status mur_archive_put_isa(struct mur_isa_rows *out, struct mur_archive *archive,
                                    const struct mur_isa *isa, const struct mur_scan_list *scans,
                                    struct mur_error *error)
{
    MUR_AUTO_ISA_ROWS struct mur_isa_rows rows = {0};
    char digest[MUR_SHA256_TEXT_SIZE];
    enum mur_status status = mur_isa_dataset_identifier(&rows.dataset, isa, error);
    if (status == MUR_OK)
        status = digest_tables(digest, isa, error);
    if (status != MUR_OK)
        return status;
    rows.scans = calloc(scans->count + 1, sizeof *rows.scans);
    if (rows.scans == NULL)
        return mur_error_no_memory(error);
    rows.count = scans->count;
    (void)pthread_mutex_lock(&archive->write_mutex);
    status = mur_archive_begin(archive, true, error);
    if (status == MUR_OK) {
        status = put_rows(&rows, archive, isa, scans, digest, error);
        if (status == MUR_OK)
            status = mur_database_commit(archive->writer, error);
        else
            mur_database_rollback(archive->writer);
    }
    (void)pthread_mutex_unlock(&archive->write_mutex);
    if (status != MUR_OK)
        return status;
    *out = rows;
    rows = (struct mur_isa_rows){0};
    return MUR_OK;
}
