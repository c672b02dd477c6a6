/* Tables of ISA-Tabs as they were applied, and what else stands among them. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/isa.h"
#include "archive/verify_parts.h"
#include "core/file.h"
#include "core/text.h"

struct mur_known_files {
    struct {
        dev_t device;
        ino_t file;
    } * items;
    size_t count, capacity;
    char **folders; /* of versions that were looked at */
    size_t folder_count, folder_capacity;
};

static void known_free(struct mur_known_files *known)
{
    for (size_t i = 0; i < known->folder_count; i++)
        free(known->folders[i]);
    free(known->folders);
    free(known->items);
}

/* By what it is, not by its name, which may be written in several ways. */
static enum mur_status add_file(struct mur_known_files *known, const char *path,
                                struct mur_error *error)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return MUR_OK;
    enum mur_status status = mur_archive_grow(&known->items, known->count, &known->capacity,
                                              sizeof known->items[0], error);
    if (status != MUR_OK)
        return status;
    known->items[known->count].device = info.st_dev;
    known->items[known->count++].file = info.st_ino;
    return MUR_OK;
}

static bool is_known(const struct mur_known_files *known, const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return true; /* it is gone */
    for (size_t i = 0; i < known->count; i++)
        if (known->items[i].file == info.st_ino && known->items[i].device == info.st_dev)
            return true;
    return false;
}

static enum mur_status add_walked(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    (void)skip;
    return add_file(user, entry->path, error);
}

/* ---- versions -------------------------------------------------------------------------------- */

enum mur_status mur_tables_read(struct mur_isa **out, struct mur_error *reason,
                                const struct mur_archive *archive,
                                const struct mur_isa_version *version, struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    char digest[MUR_SHA256_TEXT_SIZE] = "";
    enum mur_status status = mur_path_join(&folder, archive->directory, version->folder, error);
    if (status != MUR_OK)
        return status;
    status = mur_isa_read(&isa, folder, &diagnostics, reason);
    if (status == MUR_OK)
        status = mur_tables_digest(digest, isa, reason);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (status == MUR_OK && strcmp(digest, version->digest) != 0)
        status = mur_error_set(reason, MUR_CORRUPT, "the tables are not those that were applied");
    *out = status == MUR_OK ? MUR_STEAL(isa) : NULL;
    return MUR_OK;
}

struct tables {
    struct mur_verify *verify;
    struct mur_known_files known;
};

static enum mur_status add_table(void *user, const char *root, const char *relative,
                                 struct mur_error *error)
{
    struct mur_known_files *known = user;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_path_join(&path, root, relative, error);
    return status == MUR_OK ? add_file(known, path, error) : status;
}

static enum mur_status add_folder(struct mur_known_files *known, const char *folder,
                                  struct mur_error *error)
{
    enum mur_status status =
        mur_archive_grow(&known->folders, known->folder_count, &known->folder_capacity,
                         sizeof known->folders[0], error);
    if (status == MUR_OK)
        status = mur_text_copy(&known->folders[known->folder_count], mur_slice_of(folder), error);
    known->folder_count += status == MUR_OK ? 1 : 0;
    return status;
}

/* Where tables are damaged, it cannot be said which files are theirs. */
static enum mur_status add_all(struct tables *tables, const char *relative, struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    enum mur_status status =
        mur_path_join(&folder, tables->verify->archive->directory, relative, error);
    return status == MUR_OK && mur_directory_exists(folder)
               ? mur_directory_walk(folder, add_walked, &tables->known, error)
               : status;
}

static enum mur_status check_version(void *user, const struct mur_isa_version *one,
                                     struct mur_error *error)
{
    struct tables *tables = user;
    struct mur_error reason = MUR_ERROR_INIT;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO_FREE char *folder = NULL;
    enum mur_status status = add_folder(&tables->known, one->folder, error);
    if (status == MUR_OK)
        status = mur_tables_read(&isa, &reason, tables->verify->archive, one, error);
    if (status == MUR_OK)
        status = mur_path_join(&folder, tables->verify->archive->directory, one->folder, error);
    if (status != MUR_OK)
        return status;
    if (isa != NULL)
        return mur_tables_each(isa, add_table, &tables->known, error);
    const struct mur_finding finding = {.kind = MUR_FINDING_TABLES,
                                        .sop_instance = "",
                                        .study = "",
                                        .path = folder,
                                        .text = reason.message};
    status = mur_verify_report(tables->verify, &finding, error);
    return status == MUR_OK ? add_all(tables, one->folder, error) : status;
}

/* ---- what else there is ---------------------------------------------------------------------- */

/* That came meanwhile. */
static enum mur_status add_new_version(void *user, const struct mur_isa_version *one,
                                       struct mur_error *error)
{
    struct tables *tables = user;
    for (size_t i = 0; i < tables->known.folder_count; i++)
        if (strcmp(tables->known.folders[i], one->folder) == 0)
            return MUR_OK;
    return add_all(tables, one->folder, error);
}

static enum mur_status look_at(void *user, const struct mur_walk_entry *entry, bool *skip,
                               struct mur_error *error)
{
    const struct tables *tables = user;
    (void)skip;
    if (entry->kind == MUR_WALK_DIRECTORY || is_known(&tables->known, entry->path) ||
        (entry->depth == 1 && mur_tables_is_mark(entry->path)))
        return MUR_OK;
    return mur_verify_report_stray(tables->verify, entry->path, "it is no table of an ISA-Tab",
                                   error);
}

/* In a transaction: nobody is about to put tables there, but perhaps to take a mark away. */
static enum mur_status find_strays(struct mur_archive *archive, void *user, struct mur_error *error)
{
    struct tables *tables = user;
    MUR_AUTO_FREE char *folder = NULL;
    enum mur_status status =
        mur_database_each_isa_version(archive->writer, add_new_version, tables, error);
    if (status == MUR_OK)
        status = mur_path_join(&folder, archive->directory, MUR_TABLES_FOLDER, error);
    return status == MUR_OK && mur_directory_exists(folder)
               ? mur_directory_walk(folder, look_at, tables, error)
               : status;
}

enum mur_status mur_verify_tables(struct mur_verify *verify, struct mur_error *error)
{
    struct tables tables = {.verify = verify};
    enum mur_status status =
        mur_archive_each_isa_version(verify->archive, check_version, &tables, error);
    if (status == MUR_OK)
        status = mur_archive_change(verify->archive, false, find_strays, &tables, error);
    known_free(&tables.known);
    return status;
}
