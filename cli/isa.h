/** What the commands that read ISA-Tab share: diagnostics as lines and as JSON. */
#ifndef MUR_CLI_ISA_H
#define MUR_CLI_ISA_H

#include "core/buffer.h"
#include "core/error.h"
#include "core/json_write.h"
#include "isa/diagnostic.h"

/** Exit codes of what reads an ISA-Tab. */
enum {
    MUR_ISA_EXIT_OK = 0,       /**< at most warnings */
    MUR_ISA_EXIT_ERRORS = 1,   /**< errors, but usable */
    MUR_ISA_EXIT_UNUSABLE = 2, /**< no ISA-Tab, or nothing in it that can be used */
};

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
