#include "web/route.h"

#include <stdio.h>
#include <string.h>

#include "web/stow.h"

static const struct mur_route routes[] = {
#define MUR_ROUTE(method, path, access, handler, receiver)                                         \
    {method, path, MUR_ACCESS_##access, handler, receiver},
#include "web/routes.def"
};

/* Whether @p path is what @p pattern says; the variable parts go to @p parts. */
static bool fits(struct mur_slice parts[MUR_EXCHANGE_PARTS], size_t *count, const char *pattern,
                 const char *path)
{
    size_t found = 0;
    while (*pattern != '\0') {
        if (strcmp(pattern, "*") == 0) {
            parts[found++] = mur_slice_of(path);
            *count = found;
            return true;
        }
        if (strncmp(pattern, "{}", 2) == 0) {
            size_t length = strcspn(path, "/");
            if (length == 0 || found == MUR_EXCHANGE_PARTS - 1)
                return false;
            parts[found++] = (struct mur_slice){.data = path, .length = length};
            path += length;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    *count = found;
    return *path == '\0';
}

static void allow(char allowed[64], const char *method)
{
    size_t used = strlen(allowed);
    if (strstr(allowed, method) != NULL)
        return;
    (void)snprintf(allowed + used, 64 - used, "%s%s%s", used == 0 ? "" : ", ", method,
                   strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

enum mur_status mur_route_find(struct mur_exchange *exchange, char allowed[64],
                               struct mur_error *error)
{
    const char *method = strcmp(exchange->method, "HEAD") == 0 ? "GET" : exchange->method;
    allowed[0] = '\0';
    for (size_t i = 0; i < MUR_COUNT(routes); i++) {
        struct mur_slice parts[MUR_EXCHANGE_PARTS];
        size_t count = 0;
        if (!fits(parts, &count, routes[i].path, exchange->path))
            continue;
        if (strcmp(routes[i].method, method) != 0) {
            allow(allowed, routes[i].method);
            continue;
        }
        exchange->route = &routes[i];
        memcpy(exchange->parts, parts, count * sizeof parts[0]);
        exchange->part_count = count;
        return MUR_OK;
    }
    return mur_error_set(error, MUR_NOT_FOUND, "there is nothing at %s %s", exchange->method,
                         exchange->path);
}
