/**
 * What was done to the archive, as it is told afterwards: imports (a line of JSON each in
 * imports.jsonl) and the last verification (verify.json, archive/verify.h). Threads: any; several
 * processes too.
 */
#ifndef MUR_ARCHIVE_REPORTS_H
#define MUR_ARCHIVE_REPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/error.h"

struct mur_archive;

#define MUR_IMPORTS_FILE "imports.jsonl"

/** Reasons that are kept of one report, and bytes of each. */
enum { MUR_REPORT_REASONS = 5, MUR_REPORT_REASON = 300, MUR_REPORT_SOURCE = 200 };

struct mur_import_report {
    char source[MUR_REPORT_SOURCE]; /**< the dataset's identifier, or the folder */
    char started[MUR_ISO_SIZE];     /**< mur_clock_format_us() */
    char ended[MUR_ISO_SIZE];
    int64_t imported, unchanged, failed; /**< scans, or files where there was no ISA-Tab */
    int64_t instances;                   /**< new ones */
    bool cancelled;
    char reasons[MUR_REPORT_REASONS]
                [MUR_REPORT_REASON]; /**< of the first failures; "" behind them */
};

/** Appends a report. @retval MUR_IO, MUR_NO_SPACE, MUR_DENIED */
MUR_NODISCARD
enum mur_status mur_archive_note_import(struct mur_archive *archive,
                                        const struct mur_import_report *report,
                                        struct mur_error *error);

enum { MUR_REPORTS = 10 };
/** The last imports, latest first. @param[out] count  at most MUR_REPORTS */
MUR_NODISCARD
enum mur_status mur_archive_imports(struct mur_import_report out[MUR_REPORTS], size_t *count,
                                    struct mur_archive *archive, struct mur_error *error);

struct mur_verify_report {
    char ended[MUR_ISO_SIZE]; /**< "": there was none */
    int64_t ended_us;         /**< 0: there was none */
    int64_t instances, bytes; /**< looked at */
    int64_t share, shares;    /**< 0: all was looked at */
    int64_t found;            /**< with what earlier shares of the round found */
    char reasons[MUR_REPORT_REASONS][MUR_REPORT_REASON]; /**< of the first findings */
};
MUR_NODISCARD
enum mur_status mur_archive_last_verify(struct mur_verify_report *out, struct mur_archive *archive,
                                        struct mur_error *error);

#endif
