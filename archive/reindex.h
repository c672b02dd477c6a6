/** The index anew, from the manifest, the objects and the tables of ISA-Tabs as delivered. */
#ifndef MUR_ARCHIVE_REINDEX_H
#define MUR_ARCHIVE_REINDEX_H

#include "archive/archive.h"
#include "mapping/mapping.h"

struct mur_reindex_summary {
    size_t instances;
    size_t lost; /**< that the manifest knows, and that are gone or cannot be read */
    /** Objects that are there, and that the manifest does not know; they stay as they are. */
    size_t unknown;
    size_t unread;      /**< lines of the manifest that are damaged: what they say is left out */
    uint64_t unread_at; /**< byte where the first of them begins */
    size_t tables;      /**< folders of tables that are damaged or gone: their scans are left out */
    struct mur_error tables_why; /**< of the first of them */
    /** What stood in the place of the index and was no file, or may have known what damaged lines
     * or tables say, has this name now; "": nothing. */
    char aside[32];
};

/**
 * Makes the index anew; until it is whole, the old one stays. What was deleted stays deleted.
 * @param options  of the archive; nobody may have it open. note: told of each lost instance
 * @retval MUR_BUSY  somebody has it open; MUR_CORRUPT  the manifest is gone, or does not know one
 * of the objects that are there; MUR_NOT_FOUND  no archive, or not one of its objects
 */
MUR_NODISCARD
enum mur_status mur_archive_reindex(struct mur_reindex_summary *out,
                                    const struct mur_archive_options *options,
                                    const struct mur_mapping *mapping,
                                    const struct mur_progress *progress, struct mur_error *error);

#endif
