/**
 * Files and folders: whole reads and writes, durable replacement, sorted walks, and paths from
 * outside that must stay beneath a folder. Threads: any.
 */
#ifndef MUR_CORE_FILE_H
#define MUR_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/buffer.h"
#include "core/error.h"

enum { MUR_WALK_DEPTH = 64 };

/** Writes all, over EINTR and short writes. @p what names the file in messages. */
MUR_NODISCARD
enum mur_status mur_write_full(int descriptor, const void *bytes, size_t length, const char *what,
                               struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_pwrite_full(int descriptor, const void *bytes, size_t length, off_t offset,
                                const char *what, struct mur_error *error);
/** @param vectors  changed while writing; @param offset  -1 for the descriptor's own position */
MUR_NODISCARD
enum mur_status mur_pwritev_full(int descriptor, struct iovec *vectors, int count, off_t offset,
                                 const char *what, struct mur_error *error);
/** Reads until @p length bytes or the end; *@p out is how many came. */
MUR_NODISCARD
enum mur_status mur_read_full(size_t *out, int descriptor, void *bytes, size_t length,
                              const char *what, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_pread_full(size_t *out, int descriptor, void *bytes, size_t length,
                               off_t offset, const char *what, struct mur_error *error);

/** Opens a file for reading that must be a regular one: a FIFO by that name stops nobody. A link is
 * not followed. @param[out] out  descriptor, the caller's
 * @retval MUR_NOT_FOUND; MUR_CORRUPT  something else stands there */
MUR_NODISCARD
enum mur_status mur_file_open_regular(int *out, const char *path, struct mur_error *error);
/** Appends the whole file. @retval MUR_LIMIT  longer than @p limit bytes; nothing is appended */
MUR_NODISCARD
enum mur_status mur_file_read_all(struct mur_buffer *out, const char *path, size_t limit,
                                  struct mur_error *error);
/** Replaces the file durably: temporary file beside it, fsync, rename, fsync of the folder. A
 * reader sees the old or the new content, whole. */
MUR_NODISCARD
enum mur_status mur_file_write_all(const char *path, const void *bytes, size_t length, mode_t mode,
                                   struct mur_error *error);
/** Removes what a process that was killed in mur_file_write_all() left in a folder of files whose
 * names end with @p suffix. What is being written now stays. */
void mur_file_sweep(const char *folder, const char *suffix);
/** fsync() of the folder itself, so that a new name in it survives a power cut. */
MUR_NODISCARD
enum mur_status mur_directory_sync(const char *path, struct mur_error *error);
/** Like mkdir -p; parents get @p mode too. An existing folder is success. */
MUR_NODISCARD
enum mur_status mur_directory_create(const char *path, mode_t mode, struct mur_error *error);
/** Removes it with all that is in it; what cannot be removed stays. Nothing where there is none. */
void mur_directory_remove(const char *path);
bool mur_file_exists(const char *path);
bool mur_directory_exists(const char *path);
/** Both are there, and are one file, whatever it is called. */
bool mur_file_is_same(const char *a, const char *b);

/** @param[out] out  malloc'ed "a/b" with one slash; @p b alone when @p a is "" */
MUR_NODISCARD
enum mur_status mur_path_join(char **out, const char *a, const char *b, struct mur_error *error);
/** The part after the last slash; borrowed from @p path. */
const char *mur_path_base(const char *path);

/** Where @p relative, a path from outside, lies beneath @p root. A name that is not there is looked
 * for in its other Unicode normalisations: a folder that was made by macOS has "é" as two code
 * points where who wrote the path has one, or the other way round.
 * @param[out] out  malloc'ed path that exists
 * @retval MUR_DENIED  empty, absolute, with a drive letter, or leaving the root by ".." or by a
 *                     symbolic link
 * @retval MUR_NOT_FOUND  no such file */
MUR_NODISCARD
enum mur_status mur_path_beneath(char **out, const char *root, const char *relative,
                                 struct mur_error *error);
/** The same; @p out is relative to @p root, with names as they are spelt there. */
MUR_NODISCARD
enum mur_status mur_path_spelling(char **out, const char *root, const char *relative,
                                  struct mur_error *error);
/** Opens it read-only at once, without a moment in which it could be exchanged; as it is spelt.
 * @param[out] out  descriptor, the caller's; the rest as mur_path_beneath() */
MUR_NODISCARD
enum mur_status mur_open_beneath(int *out, const char *root, const char *relative,
                                 struct mur_error *error);

enum mur_walk_kind {
    MUR_WALK_FILE,      /**< regular, or a link to a regular one beneath the root */
    MUR_WALK_DIRECTORY, /**< comes before what is in it; links to folders are not followed */
    MUR_WALK_OTHER, /**< socket, device, FIFO, link that leads outside or nowhere, or to a folder */
};

struct mur_walk_entry {
    const char *path;     /**< root and relative path; borrowed for the call */
    const char *relative; /**< without the root */
    enum mur_walk_kind kind;
    unsigned depth;      /**< 0 directly beneath the root */
    struct stat details; /**< of the file a link leads to; all zero for MUR_WALK_OTHER */
};

/** Return MUR_OK to go on; any other status ends the walk and is returned by it. Setting *@p skip
 * keeps the walk out of this folder. */
typedef enum mur_status mur_walk_callback(void *user, const struct mur_walk_entry *entry,
                                          bool *skip, struct mur_error *error);

/** Everything beneath @p root, each folder's names in byte order ("." and ".." apart).
 * @retval MUR_LIMIT  deeper than MUR_WALK_DEPTH */
MUR_NODISCARD
enum mur_status mur_directory_walk(const char *root, mur_walk_callback *callback, void *user,
                                   struct mur_error *error);

#endif
