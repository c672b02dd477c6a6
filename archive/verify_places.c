/* What stands in the archive's folder itself. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/certificates.h"
#include "archive/reports.h"
#include "archive/verify_parts.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

/* What is written aside has another name for a moment. */
static const int64_t under_way_us = 600 * INT64_C(1000000);

static const char *const files[] = {
    "index.sqlite",   "index.sqlite-wal", "index.sqlite-shm", "manifest.jsonl",
    MUR_IMPORTS_FILE, "verify.json",      "backup.json",      "lock",
};
/* Others look into these; lost+found is the file system's. */
static const char *const folders[] = {
    "objects", MUR_TABLES_FOLDER, MUR_CERTIFICATE_FOLDER, "unpacked", "lost+found",
};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static const char *explain(const char *name)
{
    if (strncmp(name, "index.sqlite.aside-", strlen("index.sqlite.aside-")) == 0)
        return "murpacs reindex found it in the place of the index";
    if (strncmp(name, "manifest.jsonl.aside-", strlen("manifest.jsonl.aside-")) == 0)
        return "lines of the manifest were gone: this was left, and all was written anew but "
               "deletions";
    if (strcmp(name, ".copying") == 0 || strcmp(name, "manifest.jsonl.new") == 0)
        return "left by a murpacs backup that was killed; the next one removes it";
    return "it is no part of the archive";
}

struct places {
    struct mur_verify *verify;
    const char *why;
    size_t told;
};

static enum mur_status tell_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    struct places *places = user;
    (void)skip;
    if (entry->kind == MUR_WALK_DIRECTORY)
        return MUR_OK;
    places->told++;
    return mur_verify_report_stray(places->verify, entry->path, places->why, error);
}

/* A folder with each file in it; itself where it holds none, or cannot be read. */
static enum mur_status tell(struct mur_verify *verify, const char *path, const char *why,
                            struct mur_error *error)
{
    struct places places = {.verify = verify, .why = why};
    struct mur_error reason = MUR_ERROR_INIT;
    struct stat info;
    if (lstat(path, &info) != 0)
        return MUR_OK; /* it is gone */
    if (S_ISDIR(info.st_mode) &&
        mur_directory_walk(path, tell_entry, &places, &reason) == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    return places.told > 0 ? MUR_OK : mur_verify_report_stray(verify, path, why, error);
}

static enum mur_status look_at(void *user, const struct mur_walk_entry *entry, bool *skip,
                               struct mur_error *error)
{
    struct mur_verify *verify = user;
    const char *name = entry->relative;
    struct stat info;
    *skip = true;
    if (lstat(entry->path, &info) != 0)
        return MUR_OK;
    bool folder = S_ISDIR(info.st_mode);
    if (folder ? is_one_of(name, folders, MUR_COUNT(folders))
               : is_one_of(name, files, MUR_COUNT(files)) && entry->kind == MUR_WALK_FILE)
        return MUR_OK;
    if (S_ISLNK(info.st_mode) && stat(entry->path, &info) == 0 &&
        (S_ISDIR(info.st_mode) ? is_one_of(name, folders, MUR_COUNT(folders))
                               : is_one_of(name, files, MUR_COUNT(files))))
        return MUR_OK; /* on another disk */
    if (!folder && name[0] == '.' &&
        (int64_t)info.st_mtime * 1000000 > verify->summary.started_us - under_way_us)
        return MUR_OK;
    return tell(verify, entry->path, explain(name), error);
}

/* An import that lives holds its folder; while the parent is held, none is made. */
static enum mur_status look_at_unpacked(struct mur_verify *verify, struct mur_error *error)
{
    MUR_AUTO_FREE char *parent = NULL;
    enum mur_status status = mur_path_join(&parent, verify->archive->directory, "unpacked", error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int held = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (held < 0 || flock(held, LOCK_EX) != 0)
        return MUR_OK; /* there is none */
    DIR *entries = opendir(parent);
    if (entries == NULL)
        return MUR_OK;
    const struct dirent *entry;
    while (status == MUR_OK && (entry = readdir(entries)) != NULL) {
        MUR_AUTO_FREE char *path = NULL;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        status = mur_path_join(&path, parent, entry->d_name, error);
        if (status != MUR_OK)
            break;
        MUR_AUTO_CLOSE int own = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (own >= 0 && flock(own, LOCK_SH | LOCK_NB) != 0)
            continue;
        status =
            tell(verify, path, "left by an import that was killed; the next one removes it", error);
    }
    (void)closedir(entries);
    return status;
}

enum mur_status mur_verify_places(struct mur_verify *verify, struct mur_error *error)
{
    enum mur_status status = mur_directory_walk(verify->archive->directory, look_at, verify, error);
    return status == MUR_OK ? look_at_unpacked(verify, error) : status;
}
