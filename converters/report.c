#include "converters/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mur_warnings_free(struct mur_warnings *warnings)
{
    if (warnings == NULL)
        return;
    for (size_t index = 0; index < warnings->count; index++)
        free(warnings->texts[index]);
    free(warnings->texts);
    *warnings = (struct mur_warnings)MUR_WARNINGS_INIT;
}

enum mur_status mur_warn(struct mur_warnings *warnings, struct mur_error *error, const char *format,
                         ...)
{
    if (warnings == NULL || warnings->count >= MUR_WARNING_LIMIT)
        return MUR_OK;
    char text[MUR_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return mur_error_set(error, MUR_INTERNAL, "a warning could not be written");
    for (size_t index = 0; index < warnings->count; index++)
        if (strcmp(warnings->texts[index], text) == 0)
            return MUR_OK;
    char **texts = realloc(warnings->texts, (warnings->count + 1) * sizeof *warnings->texts);
    if (texts == NULL)
        return mur_error_no_memory(error);
    warnings->texts = texts;
    char *copy = strdup(text);
    if (copy == NULL)
        return mur_error_no_memory(error);
    warnings->texts[warnings->count++] = copy;
    return MUR_OK;
}
