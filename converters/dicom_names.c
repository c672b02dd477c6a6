#include "converters/dicom_names.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/own.h"
#include "core/text.h"

enum { DESCRIPTION_LENGTH = 64 };

/* What is safe in a file name everywhere; runs of anything else become one underscore. */
static void make_safe(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0'; at++) {
        bool safe = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '.';
        if (safe)
            *to++ = *at;
        else if (to > text && to[-1] != '_')
            *to++ = '_';
    }
    while (to > text && (to[-1] == '_' || to[-1] == '.'))
        to--;
    *to = '\0';
}

static enum mur_status append_safe(struct mur_buffer *name, const char *text,
                                   struct mur_error *error)
{
    char safe[DESCRIPTION_LENGTH + 1];
    size_t length = strlen(text);
    if (length > DESCRIPTION_LENGTH)
        length = DESCRIPTION_LENGTH;
    memcpy(safe, text, length);
    safe[length] = '\0';
    make_safe(safe);
    return safe[0] != '\0' ? mur_buffer_append_format(name, error, "_%s", safe) : MUR_OK;
}

static const struct mur_image_file *file_of(const struct mur_image_set *set, size_t stack)
{
    return mur_image_stack_first(set, mur_image_set_stack(set, stack));
}

/* Value 4 of Image Type, which says what a derived image is; else the last one. */
static const char *kind_of(const struct mur_image_stack *stack)
{
    const char *value = stack->kind;
    for (unsigned index = 1; index < 4; index++) {
        const char *next = strchr(value, '\\');
        if (next == NULL)
            break;
        value = next + 1;
    }
    return value;
}

static bool differ_in_series(const struct mur_image_set *set, size_t of,
                             const char *(*what)(const struct mur_image_stack *stack))
{
    const struct mur_image_stack *stack = mur_image_set_stack(set, of);
    for (size_t index = 0; index < mur_image_set_stack_count(set); index++)
        if (strcmp(file_of(set, index)->series_instance, file_of(set, of)->series_instance) == 0 &&
            strcmp(what(mur_image_set_stack(set, index)), what(stack)) != 0)
            return true;
    return false;
}

static const char *component_of(const struct mur_image_stack *stack)
{
    return stack->planes[0]->component;
}

static enum mur_status base_name(struct mur_buffer *name, const struct mur_image_set *set,
                                 size_t index, const char *description, struct mur_error *error)
{
    const struct mur_image_stack *stack = mur_image_set_stack(set, index);
    enum mur_status status =
        mur_buffer_append_format(name, error, "%04" PRId64, file_of(set, index)->series_number);
    if (status == MUR_OK)
        status = append_safe(name, description, error);
    if (status == MUR_OK && differ_in_series(set, index, kind_of)) {
        char kind[MUR_IMAGE_KIND_SIZE];
        memcpy(kind, kind_of(stack), strlen(kind_of(stack)) + 1);
        kind[strcspn(kind, "\\")] = '\0';
        status = append_safe(name, kind, error);
    }
    if (status == MUR_OK && differ_in_series(set, index, component_of))
        status = append_safe(name, component_of(stack), error);
    if (status == MUR_OK && stack->slabs > 1)
        status = mur_buffer_append_format(name, error, "_slab%" PRIu32, stack->slab);
    return status;
}

static bool is_taken(char *const *names, size_t count, const char *name)
{
    for (size_t index = 0; index < count; index++)
        if (mur_ascii_equal_ignore_case(names[index], name))
            return true;
    return false;
}

enum mur_status mur_stack_names(char **names, const struct mur_image_set *set,
                                const char *const *descriptions, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < mur_image_set_stack_count(set); index++) {
        MUR_AUTO_BUFFER struct mur_buffer name = MUR_BUFFER_INIT;
        status = base_name(&name, set, index, descriptions[index], error);
        size_t length = name.length;
        for (unsigned number = 2;
             status == MUR_OK && is_taken(names, index, mur_buffer_text(&name)); number++) {
            name.length = length;
            status = mur_buffer_append_format(&name, error, "_%u", number);
        }
        if (status == MUR_OK)
            status = mur_buffer_take(&names[index], &name, error);
    }
    return status;
}
