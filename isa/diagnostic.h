/**
 * What is wrong with an archive, as a list: one bad table must not hide what the next one has.
 * Reader and mapping add to it; whoever prints it writes "severity code file:line message".
 * Threads: one at a time per list.
 */
#ifndef MUR_ISA_DIAGNOSTIC_H
#define MUR_ISA_DIAGNOSTIC_H

#include <stddef.h>

#include "core/error.h"

enum mur_isa_severity {
    MUR_ISA_NOTE,    /**< worth knowing, nothing to mend */
    MUR_ISA_WARNING, /**< read, though not as the author may have meant it */
    MUR_ISA_ERROR,   /**< something could not be used */
};

struct mur_isa_diagnostic {
    enum mur_isa_severity severity;
    const char *code; /**< static, such as "undeclared-parameter" */
    char *file;       /**< relative to the archive's root; "" when it is about the whole */
    size_t line;      /**< physical line, from 1; 0 = the file as a whole */
    char *message;
};

/** No more than this many are kept of one code in one file: the rest is only counted. */
enum { MUR_ISA_DIAGNOSTICS_PER_CODE = 200 };

struct mur_isa_diagnostics {
    struct mur_isa_diagnostic *items; /**< owned */
    size_t count;
    size_t capacity;
    size_t dropped;   /**< beyond the limit, not in items */
    size_t counts[3]; /**< by severity, dropped ones included */
};

#define MUR_ISA_DIAGNOSTICS_INIT                                                                   \
    {                                                                                              \
        .items = NULL, .count = 0, .capacity = 0, .dropped = 0, .counts = { 0, 0, 0 }              \
    }
#define MUR_AUTO_ISA_DIAGNOSTICS __attribute__((cleanup(mur_isa_diagnostics_free)))

void mur_isa_diagnostics_free(struct mur_isa_diagnostics *diagnostics); /**< leaves it empty */

/** Adds one. @p diagnostics may be NULL. @param code  static. @retval MUR_NO_MEMORY */
MUR_NODISCARD
enum mur_status mur_isa_diagnose(struct mur_isa_diagnostics *diagnostics,
                                 enum mur_isa_severity severity, const char *code, const char *file,
                                 size_t line, struct mur_error *error, const char *format, ...)
    MUR_PRINTF(7, 8);

/** "note", "warning", "error". */
const char *mur_isa_severity_name(enum mur_isa_severity severity);

#endif
