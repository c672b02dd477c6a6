/** What is stored, in groups, and what came lately (db/overview.h). Threads: any. */
#ifndef MUR_ARCHIVE_OVERVIEW_H
#define MUR_ARCHIVE_OVERVIEW_H

#include <stddef.h>

#include "db/overview.h"

struct mur_archive;

MUR_NODISCARD
enum mur_status mur_archive_each_group(struct mur_archive *archive, enum mur_grouping grouping,
                                       mur_group_function *each, void *user,
                                       struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_archive_arrivals(struct mur_arrivals *out, struct mur_archive *archive,
                                     int64_t since_us, struct mur_error *error);
/** What is under way. */
struct mur_backlog {
    size_t unsettled;    /**< instances that this process has taken and not yet written for good */
    int64_t commitments; /**< answers that peers have not got yet (commitment.h) */
};
MUR_NODISCARD
enum mur_status mur_archive_backlog(struct mur_backlog *out, struct mur_archive *archive,
                                    struct mur_error *error);
/** Bytes that the disk of the archive has left for it. */
MUR_NODISCARD
enum mur_status mur_archive_disk_free(uint64_t *out, const struct mur_archive *archive,
                                      struct mur_error *error);

#endif
