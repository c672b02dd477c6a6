#include "isa/diagnostic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "core/text.h"

enum { MESSAGE_LIMIT = 1000 };

void mur_isa_diagnostics_free(struct mur_isa_diagnostics *diagnostics)
{
    if (diagnostics == NULL)
        return;
    for (size_t i = 0; i < diagnostics->count; i++) {
        free(diagnostics->items[i].file);
        free(diagnostics->items[i].message);
    }
    free(diagnostics->items);
    *diagnostics = (struct mur_isa_diagnostics)MUR_ISA_DIAGNOSTICS_INIT;
}

/** Those of one code in one file mostly stand together, so looking back over the newest ones is
 * enough to keep a flood out and costs the same however long the list is. */
static bool is_flood(const struct mur_isa_diagnostics *diagnostics, const char *code,
                     const char *file)
{
    size_t same = 0;
    size_t looked = 0;
    for (size_t i = diagnostics->count; i > 0 && looked < (size_t)4 * MUR_ISA_DIAGNOSTICS_PER_CODE;
         i--) {
        const struct mur_isa_diagnostic *item = &diagnostics->items[i - 1];
        if (strcmp(item->code, code) == 0 && strcmp(item->file, file) == 0)
            same++;
        looked++;
    }
    return same >= MUR_ISA_DIAGNOSTICS_PER_CODE;
}

enum mur_status mur_isa_diagnose(struct mur_isa_diagnostics *diagnostics,
                                 enum mur_isa_severity severity, const char *code, const char *file,
                                 size_t line, struct mur_error *error, const char *format, ...)
{
    if (diagnostics == NULL)
        return MUR_OK;
    diagnostics->counts[severity]++;
    if (is_flood(diagnostics, code, file)) {
        diagnostics->dropped++;
        return MUR_OK;
    }
    if (diagnostics->count == diagnostics->capacity) {
        size_t capacity = diagnostics->capacity == 0 ? 32 : diagnostics->capacity * 2;
        struct mur_isa_diagnostic *items =
            reallocarray(diagnostics->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        diagnostics->items = items;
        diagnostics->capacity = capacity;
    }
    va_list arguments;
    va_start(arguments, format);
    MUR_AUTO_FREE char *message = NULL;
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0) {
        message = NULL;
        return mur_error_no_memory(error);
    }
    size_t shown = mur_utf8_cut(mur_slice_of(message), MESSAGE_LIMIT);
    message[shown] = '\0';                   /* a cell may have megabytes */
    for (char *c = message; *c != '\0'; c++) /* cells may hold line ends; a message is one line */
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    MUR_AUTO_FREE char *name = NULL;
    enum mur_status status = mur_text_copy(&name, mur_slice_of(file), error);
    if (status != MUR_OK)
        return status;
    diagnostics->items[diagnostics->count++] = (struct mur_isa_diagnostic){
        .severity = severity,
        .code = code,
        .file = MUR_STEAL(name),
        .line = line,
        .message = MUR_STEAL(message),
    };
    return MUR_OK;
}

const char *mur_isa_severity_name(enum mur_isa_severity severity)
{
    switch (severity) {
    case MUR_ISA_NOTE:
        return "note";
    case MUR_ISA_WARNING:
        return "warning";
    case MUR_ISA_ERROR:
        return "error";
    }
    return "error";
}
