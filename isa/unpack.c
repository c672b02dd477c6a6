#include "isa/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zip.h>

#include "core/file.h"
#include "core/text.h"
#include "isa/reader.h"

enum { PIECE = 256 * 1024 };

static const char folder_prefix[] = "unpacked-";

struct mur_unpacked {
    char *directory; /* to be read */
    char *private;   /* to be removed; NULL when nothing was unpacked */
    int lock;        /* held on it while it is in use */
};

const char *mur_unpacked_directory(const struct mur_unpacked *unpacked)
{
    return unpacked->directory;
}

bool mur_unpacked_is_copy(const struct mur_unpacked *unpacked)
{
    return unpacked->private != NULL;
}

bool mur_is_zip(const char *path)
{
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat details;
    char head[4];
    if (file < 0 || fstat(file, &details) != 0 || !S_ISREG(details.st_mode) ||
        pread(file, head, sizeof head, 0) != (ssize_t)sizeof head)
        return false;
    return memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0;
}

/* ---- the private folder ---------------------------------------------------------------------- */

void mur_unpacked_free(struct mur_unpacked *unpacked)
{
    if (unpacked == NULL)
        return;
    if (unpacked->private != NULL)
        mur_directory_remove(unpacked->private);
    if (unpacked->lock >= 0)
        (void)close(unpacked->lock);
    free(unpacked->private);
    free(unpacked->directory);
    free(unpacked);
}

/* What a process left that was killed: nobody holds its folder. */
static void sweep(const char *parent)
{
    DIR *directory = opendir(parent);
    if (directory == NULL)
        return;
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        if (strncmp(entry->d_name, folder_prefix, sizeof folder_prefix - 1) != 0)
            continue;
        MUR_AUTO_FREE char *path = NULL;
        if (mur_path_join(&path, parent, entry->d_name, NULL) != MUR_OK)
            break;
        MUR_AUTO_CLOSE int lock = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
            mur_directory_remove(path);
    }
    (void)closedir(directory);
}

/* While the parent is held nobody sweeps, so a folder that is not yet held is safe. */
static enum mur_status make_private(struct mur_unpacked *unpacked, const char *parent,
                                    struct mur_error *error)
{
    const char *temporary = getenv("TMPDIR");
    const char *where = parent;
    if (where == NULL)
        where = temporary != NULL && temporary[0] == '/' ? temporary : "/tmp";
    MUR_AUTO_CLOSE int held = -1;
    if (parent != NULL) {
        enum mur_status status = mur_directory_create(parent, 0700, error);
        if (status != MUR_OK)
            return status;
        held = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (held < 0 || flock(held, LOCK_EX) != 0)
            return mur_error_set_errno(error, errno, "%s", parent);
        sweep(parent);
    }
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_text_format(&path, error, "%s/%sXXXXXX", where, folder_prefix);
    if (status != MUR_OK)
        return status;
    if (mkdtemp(path) == NULL)
        return mur_error_set_errno(error, errno, "%s: cannot make a folder for unpacking", where);
    unpacked->private = MUR_STEAL(path);
    unpacked->lock = open(unpacked->private, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (unpacked->lock < 0 || flock(unpacked->lock, LOCK_EX | LOCK_NB) != 0)
        return mur_error_set_errno(error, errno, "%s", unpacked->private);
    return MUR_OK;
}

/* ---- entries --------------------------------------------------------------------------------- */

struct unpacking {
    zip_t *zip;
    const char *path; /* of the ZIP */
    const char *root; /* what entries are unpacked to */
    const struct mur_unpack_options *options;
    struct mur_isa_diagnostics *diagnostics;
    uint64_t total; /* bytes of all entries */
    uint64_t done;
    char *folder; /* made last */
    char *piece;
};

static void close_zip(zip_t **zip)
{
    if (*zip != NULL)
        zip_discard(*zip);
}

static void close_entry(zip_file_t **file)
{
    if (*file != NULL)
        (void)zip_fclose(*file);
}

static uint64_t limit_of(uint64_t given, uint64_t otherwise)
{
    return given != 0 ? given : otherwise;
}

static enum mur_status open_zip(zip_t **out, uint64_t *size, const char *path,
                                struct mur_error *error)
{
    struct stat details;
    if (stat(path, &details) != 0 && errno == ENOENT)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such folder or ZIP file", path);
    if (stat(path, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!mur_is_zip(path))
        return mur_error_set(error, MUR_PARSE, "%s: neither a folder nor a ZIP file", path);
    int reason = 0;
    *out = zip_open(path, ZIP_RDONLY, &reason);
    *size = (uint64_t)details.st_size;
    if (*out != NULL)
        return MUR_OK;
    zip_error_t why;
    zip_error_init_with_code(&why, reason);
    enum mur_status status = reason == ZIP_ER_MEMORY ? MUR_NO_MEMORY : MUR_PARSE;
    status = mur_error_set(error, status, "%s: damaged or incomplete ZIP file: %s", path,
                           zip_error_strerror(&why));
    zip_error_fini(&why);
    return status;
}

/** Sizes and kinds of all entries, before anything is written. */
static enum mur_status check_entries(struct unpacking *unpacking, uint64_t file_size,
                                     struct mur_error *error)
{
    const struct mur_unpack_limits *limits = &unpacking->options->limits;
    zip_int64_t count = zip_get_num_entries(unpacking->zip, 0);
    uint64_t most = limit_of(limits->entries, MUR_UNPACK_ENTRIES);
    if ((uint64_t)count > most)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: holds more than %llu files; unpack it and name the folder",
                             unpacking->path, (unsigned long long)most);
    uint64_t total = 0;
    uint64_t most_bytes = limit_of(limits->total_bytes, MUR_UNPACK_TOTAL_BYTES);
    for (zip_int64_t i = 0; i < count; i++) {
        zip_stat_t details;
        if (zip_stat_index(unpacking->zip, (zip_uint64_t)i, 0, &details) != 0 ||
            (details.valid & ZIP_STAT_SIZE) == 0)
            return mur_error_set(error, MUR_PARSE, "%s: damaged ZIP file", unpacking->path);
        if ((details.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
            details.encryption_method != ZIP_EM_NONE)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: is encrypted; unpack it and name the folder",
                                 unpacking->path);
        if ((details.valid & ZIP_STAT_COMP_METHOD) != 0 &&
            !zip_compression_method_supported((zip_int32_t)details.comp_method, 0))
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: compressed by method %u, which is not known here; unpack it "
                                 "and name the folder",
                                 unpacking->path, (unsigned)details.comp_method);
        total += details.size < most_bytes ? details.size : most_bytes;
        if (total >= most_bytes)
            return mur_error_set(error, MUR_LIMIT, "%s: unpacks to more than %llu MiB",
                                 unpacking->path, (unsigned long long)(most_bytes >> 20));
    }
    uint64_t ratio = limit_of(limits->ratio, MUR_UNPACK_RATIO);
    if (total > limit_of(limits->any_ratio, MUR_UNPACK_ANY_RATIO) && total / ratio > file_size)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: unpacks to more than %llu times its size: refused as a ZIP bomb",
                             unpacking->path, (unsigned long long)ratio);
    unpacking->total = total;
    return MUR_OK;
}

static enum mur_status check_space(const struct unpacking *unpacking, struct mur_error *error)
{
    struct statvfs system;
    if (unpacking->options->tables_only || statvfs(unpacking->root, &system) != 0)
        return MUR_OK;
    uint64_t room = (uint64_t)system.f_bavail * system.f_frsize;
    if (unpacking->total <= room)
        return MUR_OK;
    return mur_error_set(error, MUR_NO_SPACE, "%s: unpacks to %llu MiB, %s has room for %llu MiB",
                         unpacking->path, (unsigned long long)(unpacking->total >> 20),
                         unpacking->root, (unsigned long long)(room >> 20));
}

/** What macOS adds to its ZIP files. */
static bool is_litter(const char *name)
{
    const char *base = mur_path_base(name);
    return strncmp(name, "__MACOSX/", 9) == 0 || strncmp(base, "._", 2) == 0 ||
           strcmp(base, ".DS_Store") == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);
    size_t end_length = strlen(end);
    return length >= end_length && strcasecmp(name + length - end_length, end) == 0;
}

/** What a reader of tables opens: tables and label descriptions. */
static bool is_table(const char *name)
{
    const char *base = mur_path_base(name);
    return ((base[0] == 'i' || base[0] == 's' || base[0] == 'a') && base[1] == '_') ||
           ends_with(base, ".txt") || ends_with(base, ".tsv") || ends_with(base, ".csv") ||
           ends_with(base, ".label");
}

static bool too_deep(const char *name)
{
    unsigned depth = 0;
    for (; *name != '\0'; name++)
        depth += *name == '/' ? 1 : 0;
    return depth > MUR_UNPACK_DEPTH;
}

static enum mur_status leave_out(const struct unpacking *unpacking, enum mur_isa_severity severity,
                                 const char *code, const char *name, const char *why,
                                 struct mur_error *error)
{
    return mur_isa_diagnose(unpacking->diagnostics, severity, code, name, 0, error,
                            "%s: left out of what was unpacked", why);
}

/** Why an entry is not unpacked. @return false: it is */
static bool is_left_out(enum mur_isa_severity *severity, const char **code, const char **why,
                        zip_t *zip, zip_uint64_t index, const char *name)
{
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    *severity = MUR_ISA_ERROR;
    *code = "bad-path";
    if (name[0] == '\0' || mur_isa_leads_out(name)) {
        *why = "absolute, or leading out of the ZIP file";
        return true;
    }
    if (too_deep(name)) {
        *why = "too many folders within folders";
        return true;
    }
    if (zip_file_get_external_attributes(zip, index, 0, &system, &attributes) != 0)
        return false;
    mode_t kind = (mode_t)(attributes >> 16) & S_IFMT;
    bool unix_mode = system == ZIP_OPSYS_UNIX || system == ZIP_OPSYS_OS_X;
    if (!unix_mode || kind == 0 || kind == S_IFREG || kind == S_IFDIR)
        return false;
    *severity = MUR_ISA_WARNING;
    *why = kind == S_IFLNK ? "a symbolic link" : "no regular file";
    return true;
}

/** Makes the folder that @p path lies in, unless it was the last one. @return false: cannot */
static bool make_folder(struct unpacking *unpacking, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = (size_t)(slash - path);
    if (unpacking->folder != NULL && strlen(unpacking->folder) == length &&
        memcmp(unpacking->folder, path, length) == 0)
        return true;
    MUR_AUTO_FREE char *folder = strndup(path, length);
    if (folder == NULL || mur_directory_create(folder, 0700, NULL) != MUR_OK)
        return false;
    free(unpacking->folder);
    unpacking->folder = MUR_STEAL(folder);
    return true;
}

/** @retval MUR_PARSE  the entry is damaged */
static enum mur_status copy_entry(struct unpacking *unpacking, int to, const char *path,
                                  const zip_stat_t *details, struct mur_error *error)
{
    __attribute__((cleanup(close_entry))) zip_file_t *from =
        zip_fopen_index(unpacking->zip, details->index, 0);
    if (from == NULL)
        return mur_error_set(error, MUR_PARSE, "%s", zip_strerror(unpacking->zip));
    uint64_t got = 0;
    for (;;) {
        const bool *cancelled = unpacking->options->cancelled;
        if (cancelled != NULL && __atomic_load_n(cancelled, __ATOMIC_RELAXED))
            return mur_error_set(error, MUR_CANCELLED, "stopped by request");
        zip_int64_t length = zip_fread(from, unpacking->piece, PIECE);
        if (length < 0)
            return mur_error_set(error, MUR_PARSE, "%s",
                                 zip_error_strerror(zip_file_get_error(from)));
        if (length == 0)
            break;
        got += (uint64_t)length;
        if (got > details->size)
            return mur_error_set(error, MUR_PARSE, "longer than the ZIP file says");
        enum mur_status status = mur_write_full(to, unpacking->piece, (size_t)length, path, error);
        if (status != MUR_OK)
            return status;
        unpacking->done += (uint64_t)length;
        mur_progress_update(&unpacking->options->progress, unpacking->done, unpacking->total,
                            details->name);
    }
    return got == details->size ? MUR_OK
                                : mur_error_set(error, MUR_PARSE, "shorter than it should be");
}

static enum mur_status write_entry(struct unpacking *unpacking, const char *path, const char *name,
                                   const zip_stat_t *details, struct mur_error *error)
{
    if (!make_folder(unpacking, path))
        return leave_out(unpacking, MUR_ISA_ERROR, "bad-path", name,
                         "its folder cannot be made, perhaps a file has that name", error);
    MUR_AUTO_CLOSE int file =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST)
        return leave_out(unpacking, MUR_ISA_WARNING, "duplicate-entry", name,
                         "stands twice in the ZIP file, the first one is kept", error);
    if (file < 0 && (errno == ENAMETOOLONG || errno == EISDIR || errno == EINVAL))
        return leave_out(unpacking, MUR_ISA_ERROR, "bad-path", name, strerror(errno), error);
    if (file < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (unpacking->options->tables_only && !is_table(name)) {
        if (ftruncate(file, (off_t)details->size) != 0)
            return mur_error_set_errno(error, errno, "%s", path);
        return MUR_OK;
    }
    struct mur_error cause = MUR_ERROR_INIT;
    enum mur_status status = copy_entry(unpacking, file, path, details, &cause);
    if (status == MUR_PARSE) {
        (void)unlink(path);
        return leave_out(unpacking, MUR_ISA_ERROR, "damaged-entry", name, cause.message, error);
    }
    if (status != MUR_OK)
        return mur_error_set(error, status, "%s", cause.message);
    return MUR_OK;
}

static enum mur_status unpack_entry(struct unpacking *unpacking, zip_uint64_t index,
                                    struct mur_error *error)
{
    zip_stat_t details;
    if (zip_stat_index(unpacking->zip, index, 0, &details) != 0 ||
        (details.valid & ZIP_STAT_NAME) == 0)
        return mur_error_set(error, MUR_PARSE, "%s: damaged ZIP file", unpacking->path);
    details.index = index;
    MUR_AUTO_FREE char *name = NULL;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_text_copy(&name, mur_slice_of(details.name), error);
    if (status != MUR_OK)
        return status;
    for (char *c = name; *c != '\0'; c++) /* as old programs for Windows write it */
        if (*c == '\\')
            *c = '/';
    if (is_litter(name))
        return MUR_OK;
    enum mur_isa_severity severity;
    const char *code;
    const char *why;
    if (is_left_out(&severity, &code, &why, unpacking->zip, index, name))
        return leave_out(unpacking, severity, code, details.name, why, error);
    status = mur_path_join(&path, unpacking->root, name, error);
    if (status != MUR_OK)
        return status;
    if (path[strlen(path) - 1] != '/')
        return write_entry(unpacking, path, name, &details, error);
    return make_folder(unpacking, path)
               ? MUR_OK
               : leave_out(unpacking, MUR_ISA_ERROR, "bad-path", details.name,
                           "cannot be made, perhaps a file has that name", error);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/** The only thing in a folder, when it is a folder itself. @param[out] out  malloc'ed path, or NULL
 */
static enum mur_status only_folder(char **out, const char *directory, struct mur_error *error)
{
    *out = NULL;
    DIR *stream = opendir(directory);
    if (stream == NULL)
        return mur_error_set_errno(error, errno, "%s", directory);
    MUR_AUTO_FREE char *only = NULL;
    size_t count = 0;
    enum mur_status status = MUR_OK;
    for (const struct dirent *entry = readdir(stream); entry != NULL && count < 2;
         entry = readdir(stream)) {
        if (entry->d_name[0] == '.') /* this one, the one above, what file managers leave */
            continue;
        if (count++ == 0)
            status = mur_path_join(&only, directory, entry->d_name, error);
        if (status != MUR_OK)
            break;
    }
    (void)closedir(stream);
    if (status == MUR_OK && count == 1 && mur_directory_exists(only))
        *out = MUR_STEAL(only);
    return status;
}

/** A ZIP of a folder is that folder; and so is a folder with nothing but that one in it. */
static enum mur_status descend(struct mur_unpacked *unpacked, struct mur_error *error)
{
    for (unsigned depth = 0; depth < MUR_UNPACK_DEPTH; depth++) {
        char *deeper = NULL;
        enum mur_status status = only_folder(&deeper, unpacked->directory, error);
        if (status != MUR_OK || deeper == NULL)
            return status;
        free(unpacked->directory);
        unpacked->directory = deeper;
    }
    return MUR_OK;
}

/** The folder is called as the ZIP is: a dataset without identifier takes its name. */
static enum mur_status name_folder(struct mur_unpacked *unpacked, const char *path,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE char *name = NULL;
    enum mur_status status = mur_text_copy(&name, mur_slice_of(mur_path_base(path)), error);
    if (status != MUR_OK)
        return status;
    if (ends_with(name, ".zip") && strlen(name) > 4)
        name[strlen(name) - 4] = '\0';
    status = mur_path_join(&unpacked->directory, unpacked->private, name, error);
    return status == MUR_OK ? mur_directory_create(unpacked->directory, 0700, error) : status;
}

static enum mur_status unpack_all(struct mur_unpacked *unpacked, struct unpacking *unpacking,
                                  struct mur_error *error)
{
    enum mur_status status = make_private(unpacked, unpacking->options->parent, error);
    if (status == MUR_OK)
        status = name_folder(unpacked, unpacking->path, error);
    if (status != MUR_OK)
        return status;
    unpacking->root = unpacked->directory;
    unpacking->piece = malloc(PIECE);
    if (unpacking->piece == NULL)
        return mur_error_no_memory(error);
    status = check_space(unpacking, error);
    zip_int64_t count = zip_get_num_entries(unpacking->zip, 0);
    for (zip_int64_t i = 0; status == MUR_OK && i < count; i++)
        status = unpack_entry(unpacking, (zip_uint64_t)i, error);
    return status == MUR_OK ? descend(unpacked, error) : status;
}

enum mur_status mur_unpack(struct mur_unpacked **out, const char *path,
                           const struct mur_unpack_options *options,
                           struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    MUR_AUTO(mur_unpacked) *unpacked = calloc(1, sizeof *unpacked);
    if (unpacked == NULL)
        return mur_error_no_memory(error);
    unpacked->lock = -1;
    if (mur_directory_exists(path)) {
        enum mur_status status = mur_text_copy(&unpacked->directory, mur_slice_of(path), error);
        if (status == MUR_OK)
            status = descend(unpacked, error);
        if (status == MUR_OK)
            *out = MUR_STEAL(unpacked);
        return status;
    }
    __attribute__((cleanup(close_zip))) zip_t *zip = NULL;
    uint64_t file_size = 0;
    enum mur_status status = open_zip(&zip, &file_size, path, error);
    struct unpacking unpacking = {
        .zip = zip, .path = path, .options = options, .diagnostics = diagnostics};
    if (status == MUR_OK)
        status = check_entries(&unpacking, file_size, error);
    if (status == MUR_OK)
        status = unpack_all(unpacked, &unpacking, error);
    free(unpacking.folder);
    free(unpacking.piece);
    if (status == MUR_OK)
        *out = MUR_STEAL(unpacked);
    return status;
}
