/** Files on their way into a copy of an archive: written aside, and put in place when they are on
 * disk, many at once. */
#ifndef MUR_ARCHIVE_BACKUP_FILES_H
#define MUR_ARCHIVE_BACKUP_FILES_H

#include "archive/internal.h"

enum { MUR_COPIES = 512 };

struct mur_copies {
    char *folder;   /**< of the copy */
    char *aside;    /**< folder of what is not in place yet */
    uint8_t *chunk; /**< to read into */
    char *places[MUR_COPIES];
    size_t count;
    size_t copied;
    uint64_t bytes;
};

/** @param folder  of the copy. What an earlier run left aside goes. */
enum mur_status mur_copies_begin(struct mur_copies *copies, const char *folder,
                                 struct mur_error *error);
void mur_copies_end(struct mur_copies *copies);
/**
 * Copies @p length bytes of an open file.
 * @param instance  the Data Set's digest must be this one's; NULL = whatever it is
 * @retval MUR_CORRUPT  it is not, or the file is shorter or cannot be read: nothing is copied
 */
enum mur_status mur_copies_add(struct mur_copies *copies, int source, uint64_t length,
                               const struct mur_instance *instance, const char *place,
                               struct mur_error *error);
/** Copies a file of no instance, unless the same bytes stand in its place.
 * @retval MUR_CORRUPT  it cannot be read */
enum mur_status mur_copies_add_file(struct mur_copies *copies, const char *source,
                                    const char *place, struct mur_error *error);
/** Waits for the disk and puts all in place. */
enum mur_status mur_copies_flush(struct mur_copies *copies, struct mur_error *error);
/** Waits until everything in the file system of the copy is on disk. */
enum mur_status mur_copies_sync(const struct mur_copies *copies, struct mur_error *error);

/** Whether the first bytes of a file have the digest of the instance. */
enum mur_status mur_copies_fits(bool *out, struct mur_copies *copies, const char *path,
                                const struct mur_instance *instance, struct mur_error *error);

#endif
