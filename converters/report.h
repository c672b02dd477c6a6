/**
 * What a conversion has to tell besides its result: warnings for people.
 * Threads: one at a time per list.
 */
#ifndef MUR_CONVERTERS_REPORT_H
#define MUR_CONVERTERS_REPORT_H

#include <stddef.h>

#include "core/error.h"

enum { MUR_WARNING_LIMIT = 100 };

struct mur_warnings {
    char **texts; /**< owned; UTF-8, one line each */
    size_t count;
};

#define MUR_WARNINGS_INIT                                                                          \
    {                                                                                              \
        .texts = NULL, .count = 0                                                                  \
    }

/** The content, not the struct itself; leaves an empty list. */
void mur_warnings_free(struct mur_warnings *warnings);
#define MUR_AUTO_WARNINGS __attribute__((cleanup(mur_warnings_free)))

/** Adds a line unless it is there already. Lines beyond MUR_WARNING_LIMIT are dropped; @p warnings
 * may be NULL. */
MUR_NODISCARD
enum mur_status mur_warn(struct mur_warnings *warnings, struct mur_error *error, const char *format,
                         ...) MUR_PRINTF(3, 4);

#endif
