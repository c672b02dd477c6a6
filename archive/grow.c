/* Lists that grow. */
#include <stdlib.h>
#include <string.h>

#include "archive/internal.h"

enum mur_status mur_archive_grow(void *list, size_t count, size_t *capacity, size_t size,
                                 struct mur_error *error)
{
    void *old;
    if (count < *capacity)
        return MUR_OK;
    size_t more = *capacity == 0 ? 64 : *capacity * 2;
    memcpy(&old, list, sizeof old);
    void *grown = reallocarray(old, more, size);
    if (grown == NULL)
        return mur_error_no_memory(error);
    memcpy(list, &grown, sizeof grown);
    *capacity = more;
    return MUR_OK;
}
