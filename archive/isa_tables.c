/* The tables of ISA-Tabs as they were delivered: isa/<dataset>/<version>/, written within the
 * transaction that makes the version. Until that is committed <version>.open stands beside it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/internal.h"
#include "archive/isa.h"
#include "core/file.h"
#include "core/text.h"

#define PARTIAL_SUFFIX ".new" /* of the folder of a version that is being copied */
#define OPEN_SUFFIX ".open"

enum { TABLE_LIMIT = 256 << 20 };

enum mur_status mur_tables_each(const struct mur_isa *isa, mur_table_function *each, void *user,
                                struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < isa->investigation_count; i++)
        status = each(user, isa->investigations[i].earlier ? isa->earlier : isa->root,
                      isa->investigations[i].path, error);
    for (size_t i = 0; status == MUR_OK && i < isa->study_count; i++) {
        const struct mur_isa_study *study = &isa->studies[i];
        if (study->readable)
            status = each(user, study->table.earlier ? isa->earlier : isa->root, study->table.path,
                          error);
        for (size_t j = 0; status == MUR_OK && j < study->assay_count; j++) {
            const struct mur_isa_assay *assay = &study->assays[j];
            if (assay->readable)
                status = each(user, assay->table.earlier ? isa->earlier : isa->root,
                              assay->table.path, error);
        }
    }
    return status;
}

struct tables {
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

static enum mur_status digest_table(void *user, const char *root, const char *relative,
                                    struct mur_error *error)
{
    struct tables *tables = user;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = read_table(&bytes, root, relative, error);
    if (status == MUR_OK)
        status = mur_sha256_update(tables->digest, relative, strlen(relative) + 1, error);
    if (status == MUR_OK)
        status = mur_sha256_update(tables->digest, bytes.data, bytes.length, error);
    return status;
}

static enum mur_status copy_table(void *user, const char *root, const char *relative,
                                  struct mur_error *error)
{
    struct tables *tables = user;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = read_table(&bytes, root, relative, error);
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

enum mur_status mur_tables_digest(char out[MUR_SHA256_TEXT_SIZE], const struct mur_isa *isa,
                                  struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    struct tables tables = {.digest = digest};
    if (status == MUR_OK)
        status = mur_tables_each(isa, digest_table, &tables, error);
    uint8_t bytes[MUR_SHA256_SIZE];
    if (status == MUR_OK)
        status = mur_sha256_finish(bytes, digest, error);
    if (status == MUR_OK)
        mur_hex_write(out, bytes, sizeof bytes);
    return status;
}

/* The three folders above: the dataset's, isa/, the archive's. */
static enum mur_status sync_above(char *target, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (int up = 0; status == MUR_OK && up < 3; up++) {
        *strrchr(target, '/') = '\0';
        status = mur_directory_sync(target, error);
    }
    return status;
}

enum mur_status mur_tables_keep(const char *folder, const struct mur_archive *archive,
                                const struct mur_isa *isa, struct mur_error *error)
{
    MUR_AUTO_FREE char *target = NULL;
    MUR_AUTO_FREE char *partial = NULL;
    MUR_AUTO_FREE char *mark = NULL;
    enum mur_status status = mur_path_join(&target, archive->directory, folder, error);
    if (status == MUR_OK)
        status = mur_text_format(&partial, error, "%s" PARTIAL_SUFFIX, target);
    if (status == MUR_OK)
        status = mur_text_format(&mark, error, "%s" OPEN_SUFFIX, target);
    struct tables tables = {.target = partial};
    if (status != MUR_OK)
        return status;
    mur_directory_remove(partial);
    status = mur_tables_each(isa, copy_table, &tables, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int opened = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (opened < 0)
        return mur_error_set_errno(error, errno, "cannot make %s", mark);
    mur_directory_remove(target);
    if (rename(partial, target) != 0)
        return mur_error_set_errno(error, errno, "cannot rename %s", partial);
    return sync_above(target, error);
}

void mur_tables_committed(const struct mur_archive *archive, const char *folder)
{
    MUR_AUTO_FREE char *mark = NULL;
    if (mur_text_format(&mark, NULL, "%s/%s" OPEN_SUFFIX, archive->directory, folder) == MUR_OK)
        (void)unlink(mark); /* else when the archive is opened next */
}

bool mur_tables_is_mark(const char *path)
{
    const char *name = mur_path_base(path);
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && strcmp(name + digits, OPEN_SUFFIX) == 0;
}

/* ---- what one who was killed left --------------------------------------------------------------
 */

struct known {
    const char *folder; /* relative */
    bool found;
};

static enum mur_status compare_folder(void *user, const struct mur_isa_version *one,
                                      struct mur_error *error)
{
    struct known *known = user;
    (void)error;
    known->found = known->found || strcmp(one->folder, known->folder) == 0;
    return MUR_OK;
}

/* A version that was not committed goes; one that was stays, and is open no more. */
static enum mur_status settle(const struct mur_archive *archive, const struct mur_walk_entry *mark,
                              struct mur_error *error)
{
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_FREE char *relative = NULL;
    size_t cut = strlen(OPEN_SUFFIX);
    enum mur_status status =
        mur_text_format(&path, error, "%.*s", (int)(strlen(mark->path) - cut), mark->path);
    if (status == MUR_OK)
        status = mur_text_format(&relative, error, MUR_TABLES_FOLDER "/%.*s",
                                 (int)(strlen(mark->relative) - cut), mark->relative);
    struct known known = {.folder = relative};
    if (status == MUR_OK)
        status = mur_database_each_isa_version(archive->writer, compare_folder, &known, error);
    if (status != MUR_OK)
        return status;
    if (!known.found)
        mur_directory_remove(path);
    (void)unlink(mark->path);
    return MUR_OK;
}

static enum mur_status sweep_one(void *user, const struct mur_walk_entry *entry, bool *skip,
                                 struct mur_error *error)
{
    const char *name = mur_path_base(entry->path);
    size_t digits = strspn(name, "0123456789");
    *skip = entry->depth > 0;
    if (entry->depth != 1)
        return MUR_OK;
    if (entry->kind == MUR_WALK_DIRECTORY && digits > 0 &&
        strcmp(name + digits, PARTIAL_SUFFIX) == 0)
        mur_directory_remove(entry->path);
    return entry->kind == MUR_WALK_FILE && mur_tables_is_mark(name) ? settle(user, entry, error)
                                                                    : MUR_OK;
}

enum mur_status mur_tables_sweep(struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    enum mur_status status = mur_path_join(&folder, archive->directory, MUR_TABLES_FOLDER, error);
    return status == MUR_OK && mur_directory_exists(folder)
               ? mur_directory_walk(folder, sweep_one, archive, error)
               : status;
}
