/**
 * A copy of an archive in another folder, which is an archive itself: to restore, it is served.
 * Others may write to the archive meanwhile; the copy is what was committed at one moment, less
 * what was deleted before its file could be copied.
 */
#ifndef MUR_ARCHIVE_BACKUP_H
#define MUR_ARCHIVE_BACKUP_H

#include "archive/archive.h"

struct mur_backup_summary {
    size_t instances; /**< in the copy */
    size_t copied;    /**< files that were not there yet */
    uint64_t bytes;   /**< of these */
    size_t removed;   /**< files of what was deleted since the last time */
    size_t damaged;   /**< not copied: their bytes are not those that came, or gone */
};

/**
 * @param folder  empty, absent, or an earlier copy: then only what is new is copied, and the
 * earlier copy is good until all of that is there. It ends with "complete" in its file backup.json
 * @param damaged  told of each SOP Instance UID, or file, that was not copied, and why; NULL =
 * nobody
 * @retval MUR_EXISTS the folder holds something else; MUR_BUSY somebody has the copy open;
 * MUR_NO_SPACE, MUR_IO, MUR_DENIED it cannot be written
 */
MUR_NODISCARD
enum mur_status mur_archive_backup(struct mur_backup_summary *out, struct mur_archive *archive,
                                   const char *folder,
                                   void (*damaged)(void *user, const char *what, const char *why),
                                   void *user, const struct mur_progress *progress,
                                   struct mur_error *error);

#endif
