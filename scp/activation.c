#include "scp/activation.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"

enum { FIRST_DESCRIPTOR = 3, MOST_DESCRIPTORS = 64 };

/* What a unit's socket is called that was given no name. */
static bool is_no_name(struct mur_slice name)
{
    static const char unknown[] = "unknown";
    static const char suffix[] = ".socket"; /* the unit's own name */
    return name.length == 0 ||
           (name.length == strlen(unknown) && memcmp(name.data, unknown, name.length) == 0) ||
           (name.length > strlen(suffix) &&
            memcmp(name.data + name.length - strlen(suffix), suffix, strlen(suffix)) == 0);
}

enum mur_status mur_activation_socket(int *out, const char *name, bool is_main,
                                      struct mur_error *error)
{
    const char *process = getenv("LISTEN_PID");
    const char *descriptors = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int64_t id = 0, count = 0;
    *out = 0;
    if (process == NULL || descriptors == NULL ||
        mur_parse_int64(&id, mur_slice_of(process), 1, INT32_MAX, NULL) != MUR_OK || id != getpid())
        return MUR_OK; /* meant for another process, of which we inherited them */
    if (mur_parse_int64(&count, mur_slice_of(descriptors), 0, MOST_DESCRIPTORS, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "LISTEN_FDS=%s", descriptors);
    for (int64_t i = 0; i < count; i++) {
        struct mur_slice one = {.data = "", .length = 0};
        if (names != NULL) {
            one = (struct mur_slice){.data = names, .length = strcspn(names, ":")};
            names += one.length + (names[one.length] == ':' ? 1 : 0);
        }
        bool is_it = one.length == strlen(name) && memcmp(one.data, name, one.length) == 0;
        if (is_it || (is_main && i == 0 && is_no_name(one))) {
            *out = FIRST_DESCRIPTOR + (int)i;
            return MUR_OK;
        }
    }
    if (count == 0 || !is_main)
        return MUR_OK;
    return mur_error_set(error, MUR_INVALID,
                         "none of the %d sockets given by the service manager is named \"%s\"",
                         (int)count, name);
}
