/**
 * A dataset as a ZIP file ("ISArchive"), unpacked into a private folder so that everybody reads it
 * as a folder. Nothing is written outside of that folder whatever names the entries have, links are
 * never made, and what is too much is refused before anything is written.
 * Threads: one at a time per handle.
 */
#ifndef MUR_ISA_UNPACK_H
#define MUR_ISA_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "core/progress.h"
#include "isa/diagnostic.h"

struct mur_unpacked;

/** What a ZIP may not exceed; 0 = the default. */
struct mur_unpack_limits {
    uint64_t entries;     /**< default MUR_UNPACK_ENTRIES */
    uint64_t total_bytes; /**< of all entries; default MUR_UNPACK_TOTAL_BYTES */
    uint64_t ratio;       /**< total to the size of the file; default MUR_UNPACK_RATIO */
    uint64_t
        any_ratio; /**< so many bytes are unpacked at any ratio; default MUR_UNPACK_ANY_RATIO */
};
enum {
    MUR_UNPACK_ENTRIES = 1000000,
    MUR_UNPACK_RATIO = 250, /**< label maps alone come near it; DEFLATE ends at 1032 */
    MUR_UNPACK_DEPTH = 32,  /**< folders within folders */
};
#define MUR_UNPACK_TOTAL_BYTES (UINT64_C(1) << 40)
#define MUR_UNPACK_ANY_RATIO (UINT64_C(1) << 30)

struct mur_unpack_options {
    /** Folder for private folders, made if absent; what processes that are gone have left in it is
     * removed. NULL: $TMPDIR or /tmp. */
    const char *parent;
    /** Unpack the tables and give every other file its name and size alone. */
    bool tables_only;
    struct mur_unpack_limits limits;
    struct mur_progress progress; /**< in bytes */
    const bool *cancelled;        /**< may be NULL; becomes true: MUR_CANCELLED */
};

/** Whether it is a file that begins as a ZIP does. */
bool mur_is_zip(const char *path);

/**
 * Unpacks a ZIP. A folder is no ZIP, but taken too, and left alone.
 * Entries that cannot be used (leading out, links, damaged, twice) are added to @p diagnostics and
 * left out.
 * @param[out] out  the caller's, mur_unpacked_free()
 * @retval MUR_NOT_FOUND    there is no such file
 * @retval MUR_PARSE        neither a folder nor a ZIP, or damaged as a whole
 * @retval MUR_UNSUPPORTED  encrypted, or compressed in a way that is not known
 * @retval MUR_LIMIT, MUR_NO_SPACE, MUR_CANCELLED, MUR_DENIED, MUR_IO, MUR_NO_MEMORY
 */
MUR_NODISCARD
enum mur_status mur_unpack(struct mur_unpacked **out, const char *path,
                           const struct mur_unpack_options *options,
                           struct mur_isa_diagnostics *diagnostics, struct mur_error *error);

/** The folder to read: what is given, or as long as there is nothing but one folder in it, that
 * one: so paths are the same however it was packed. Borrowed. */
const char *mur_unpacked_directory(const struct mur_unpacked *unpacked);
/** Whether it came out of a ZIP. */
bool mur_unpacked_is_copy(const struct mur_unpacked *unpacked);

void mur_unpacked_free(struct mur_unpacked *unpacked); /**< removes what was unpacked */
MUR_DEFINE_AUTO(mur_unpacked, mur_unpacked_free)

#endif
