/** What the files of verify share. */
#ifndef MUR_ARCHIVE_VERIFY_PARTS_H
#define MUR_ARCHIVE_VERIFY_PARTS_H

#include "archive/internal.h"
#include "archive/verify.h"
#include "core/digest.h"

/** A finding that is kept for the report. */
struct mur_kept_finding {
    enum mur_finding_kind kind;
    unsigned share; /**< that it was found in */
    char *sop_instance, *study, *path, *text;
};

/** A row as it was when it was listed. */
struct mur_listed {
    uint64_t uid; /**< hash of its SOP Instance UID */
    int64_t id;
    uint8_t digest[MUR_XXH128_SIZE];
    bool met; /**< in the manifest */
};

struct mur_new_sha256 {
    int64_t id;
    char sop_instance[MUR_UID_TEXT_SIZE];
    uint8_t digest[MUR_SHA256_SIZE];
};

struct mur_verify {
    struct mur_archive *archive;
    const struct mur_verify_options *options;
    const struct mur_progress *progress;
    struct mur_verify_summary summary;
    uint64_t total; /**< instances that will be listed */
    uint64_t listed_count;
    char *objects;    /**< folder */
    uint8_t *chunk;   /**< to read into */
    uint64_t *places; /**< hashes of paths that rows know; sorted when all are listed */
    size_t place_count, place_capacity;
    struct mur_listed *rows; /**< likewise, by uid */
    size_t row_count, row_capacity;
    int64_t last; /**< row */
    struct mur_new_sha256 *noted;
    size_t noted_count;
    struct mur_kept_finding *kept;
    size_t kept_count, kept_capacity;
};

enum mur_status mur_verify_report(struct mur_verify *verify, const struct mur_finding *finding,
                                  struct mur_error *error);
enum mur_status mur_verify_report_stray(struct mur_verify *verify, const char *path,
                                        const char *why, struct mur_error *error);
/** For verify.json alone. */
enum mur_status mur_verify_keep(struct mur_verify *verify, const struct mur_finding *finding,
                                unsigned share, struct mur_error *error);
/** Whether the row is still there: meanwhile it may have been deleted or replaced. */
enum mur_status mur_verify_still_there(bool *out, struct mur_verify *verify,
                                       const struct mur_instance *instance,
                                       struct mur_error *error);

/* archive/verify_file.c */
/** Reads the file of a row, and its sidecar. */
enum mur_status mur_verify_file(struct mur_verify *verify, const struct mur_stored *stored,
                                struct mur_error *error);
/* archive/verify_stray.c: after all rows are listed */
/** @param folder  objects/ or a folder below it */
enum mur_status mur_verify_strays(struct mur_verify *verify, const char *folder,
                                  struct mur_error *error);
/* archive/verify_places.c */
/** Strays in the archive's folder itself. */
enum mur_status mur_verify_places(struct mur_verify *verify, struct mur_error *error);
/* archive/verify_tables.c */
/** Tables that were applied, and strays among them. */
enum mur_status mur_verify_tables(struct mur_verify *verify, struct mur_error *error);
/** Reads the tables of a version.
 * @param[out] out  NULL: they are not those that were applied, and @p reason says why */
enum mur_status mur_tables_read(struct mur_isa **out, struct mur_error *reason,
                                const struct mur_archive *archive,
                                const struct mur_isa_version *version, struct mur_error *error);
/* archive/verify_manifest.c: likewise */
enum mur_status mur_verify_manifest(struct mur_verify *verify, struct mur_error *error);
/* archive/verify_certificates.c */
/** @param study  those of its series alone; NULL = all, and those of no series */
enum mur_status mur_verify_certificates(struct mur_verify *verify, const char *study,
                                        struct mur_error *error);
/* archive/verify_report.c */
/** Takes over what other shares of the round found, and says which share is next. */
enum mur_status mur_verify_read_report(struct mur_verify *verify, struct mur_error *error);
enum mur_status mur_verify_write_report(struct mur_verify *verify, struct mur_error *error);

#endif
