/** What the commands that read ISA-Tab share: opening one, diagnostics as lines and as JSON. */
#ifndef MUR_CLI_ISA_H
#define MUR_CLI_ISA_H

#include "cli/cli.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/json_write.h"
#include "isa/diagnostic.h"
#include "isa/isa.h"
#include "isa/unpack.h"
#include "mapping/mapping.h"

/** Exit codes of what reads an ISA-Tab. What merely shows it has no errors of its own. */
enum {
    MUR_ISA_EXIT_OK = 0,       /**< at most warnings */
    MUR_ISA_EXIT_ERRORS = 1,   /**< errors, but usable */
    MUR_ISA_EXIT_UNUSABLE = 2, /**< no ISA-Tab, or nothing in it that can be used */
};

/** An ISA-Tab with its scans. */
struct mur_cli_isa {
    struct mur_unpacked *unpacked;
    struct mur_mapping *mapping;
    struct mur_isa *isa;
    struct mur_scan_list *scans;
    struct mur_isa_diagnostics diagnostics;
};
#define MUR_AUTO_CLI_ISA __attribute__((cleanup(mur_cli_isa_free)))
void mur_cli_isa_free(struct mur_cli_isa *of); /**< the content */

enum mur_cli_scans {
    MUR_CLI_NO_SCANS,
    MUR_CLI_SURVEY, /**< mur_mapping_survey() */
    MUR_CLI_WHOLE_SCANS,
};

/** Of what tables are to become a new version. */
struct mur_cli_isa_version {
    struct mur_archive *archive;
    const char *dataset; /**< NULL: as the tables say */
};

/** Reads the tables in the folder or ZIP file @p path. Images in a ZIP file are not unpacked.
 * @param scans  what is made of them, by the configured mapping
 * @param version  whose tables stand in for what cannot be read; NULL = nobody's
 * @param[out] out  zeroed before; mur_cli_isa_free(), also after a failure */
MUR_NODISCARD
enum mur_status mur_cli_open_isa(struct mur_cli_isa *out, const struct mur_cli *cli,
                                 const char *path, enum mur_cli_scans scans,
                                 const struct mur_cli_isa_version *version,
                                 struct mur_error *error);

/** Tells why nothing came of mur_cli_open_isa(). @return MUR_ISA_EXIT_UNUSABLE; where it is not the
 * fault of the tables but of the configured mapping, the exit code that suits the status */
int mur_cli_fail_isa(const struct mur_cli *cli, const struct mur_cli_isa *of,
                     const struct mur_error *error);

/** One line for each: "severity code file:line message"; and how many were left out.
 * @param least  what is less severe is passed over */
MUR_NODISCARD
enum mur_status mur_cli_append_diagnostics(struct mur_buffer *out,
                                           const struct mur_isa_diagnostics *diagnostics,
                                           enum mur_isa_severity least, struct mur_error *error);

/** Members "errors", "warnings", "notes", "dropped" and "diagnostics" of an open object. */
void mur_cli_json_diagnostics(struct mur_json_writer *json,
                              const struct mur_isa_diagnostics *diagnostics);

#endif
