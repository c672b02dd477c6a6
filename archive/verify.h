/**
 * Whether what is stored is what came: files against their digests, rows against files, files
 * against rows, the manifest against both. Nothing is changed but that the SHA-256 of whole files
 * is noted the first time. Others may write to the archive meanwhile.
 */
#ifndef MUR_ARCHIVE_VERIFY_H
#define MUR_ARCHIVE_VERIFY_H

#include "archive/archive.h"

enum mur_finding_kind {
    MUR_FINDING_CHANGED,     /**< the bytes are not those that came */
    MUR_FINDING_MISSING,     /**< a row without its file */
    MUR_FINDING_LENGTH,      /**< the file is cut, or too long */
    MUR_FINDING_UNREADABLE,  /**< the system cannot read it */
    MUR_FINDING_STRAY,       /**< a file that no row knows */
    MUR_FINDING_MANIFEST,    /**< manifest and index disagree */
    MUR_FINDING_CERTIFICATE, /**< of a converted series: none, or not its own; or of no series */
    MUR_FINDING_TABLES,      /**< an ISA-Tab that was applied is gone */
    MUR_FINDING_INDEX,       /**< the index itself is damaged */
};
/** "changed", ...; never NULL. */
const char *mur_finding_name(enum mur_finding_kind kind);

/** Texts are "" where there is none, and borrowed for the call. */
struct mur_finding {
    enum mur_finding_kind kind;
    const char *sop_instance, *study;
    const char *path;
    const char *text; /**< a sentence */
};

struct mur_verify_options {
    unsigned shares; /**< look at one of so many shares, the next one each time; 0 or 1 = all */
    const char *const *studies; /**< of these alone, and their files alone */
    size_t study_count;         /**< 0 = all */
    void (*found)(void *user, const struct mur_finding *finding);
    void *user;
};

struct mur_verify_summary {
    size_t instances, files; /**< looked at */
    uint64_t bytes;
    size_t findings;
    size_t noted;   /**< SHA-256 that were not known before */
    unsigned share; /**< which one: 1 to shares; 0 = all */
    int64_t started_us, ended_us;
};

enum { MUR_VERIFY_SHARES = 366 };

/**
 * Unless it was for single studies, what was found stands in the file verify.json of the archive
 * afterwards, with what earlier shares of the round found.
 * @retval MUR_OK also when something was found; MUR_NOT_FOUND a study that is not stored
 */
MUR_NODISCARD
enum mur_status mur_archive_verify(struct mur_verify_summary *out, struct mur_archive *archive,
                                   const struct mur_verify_options *options,
                                   const struct mur_progress *progress, struct mur_error *error);

#endif
