/** Projects and how much they may store: what certain AE titles send, and scans of certain studies
 * of ISA-Tabs. An object may belong to several. */
#ifndef MUR_ARCHIVE_QUOTA_H
#define MUR_ARCHIVE_QUOTA_H

#include "archive/archive.h"

enum { MUR_QUOTA_NAME_SIZE = 64, MUR_QUOTAS = 64 };

struct mur_usage {
    char name[MUR_QUOTA_NAME_SIZE];
    uint64_t quota; /**< bytes */
    int64_t bytes, instances;
};

/** Of each project of options.quotas. @param[out] out  malloc'ed */
MUR_NODISCARD
enum mur_status mur_archive_usage(struct mur_usage **out, size_t *count,
                                  struct mur_archive *archive, struct mur_error *error);

#endif
