/** Which ISA-Tab it is that somebody brings, and what the archive has of it. Private to archive/.
 */
#ifndef MUR_ARCHIVE_ISA_DATASET_H
#define MUR_ARCHIVE_ISA_DATASET_H

#include "archive/isa.h"
#include "core/error.h"

/**
 * The dataset that tables are a version of: that of their folder, where it is one of the archive's
 * own versions; else the one of the same identifiers; else one of which they have all identifiers,
 * and more: it has grown. Else a new one.
 * @param[out] out  malloc'ed
 * @param given  what the caller says it is; NULL = nothing
 */
MUR_NODISCARD
enum mur_status mur_isa_name_dataset(char **out, struct mur_archive *archive,
                                     const struct mur_isa *isa, const char *given,
                                     struct mur_error *error);

/** Folder of a version, relative to the archive: a hash, because an identifier may hold anything.
 */
MUR_NODISCARD
enum mur_status mur_isa_version_folder(char out[64], const char *dataset, int64_t version,
                                       struct mur_error *error);

#endif
