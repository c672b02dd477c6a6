/* What DICOMweb offers here (PS3.18 8.9 and Annex H), from the routes themselves; and what it does
 * not. */
#include <microhttpd.h>
#include <string.h>

#include "core/json_write.h"
#include "core/own.h"
#include "web/json_answer.h"
#include "web/media_type.h"
#include "web/route.h"

static const struct {
    const char *method;
    const char *path;
} routes[] = {
#define MUR_ROUTE(method, path, access, handler, receiver) {method, path},
#include "web/routes.def"
};

static const char *const types[] = {"application/vnd.sun.wadl+xml", "application/json"};

/* A route's resource, below the root; NULL: it is none that is described. */
static const char *resource_of(size_t route)
{
    static const char root[] = MUR_DICOMWEB_ROOT "/";
    const char *path = routes[route].path;
    if (strncmp(path, root, sizeof root - 1) != 0 || path[sizeof root - 1] == '\0' ||
        strchr(path, '*') != NULL)
        return NULL;
    return path + sizeof root - 1;
}

/* Whether another route before has the same resource. */
static bool is_told(size_t route)
{
    for (size_t i = 0; i < route; i++)
        if (strcmp(routes[i].path, routes[route].path) == 0)
            return true;
    return false;
}

/* "studies/{study}/series": what stands for "{}" is named after the part before it. */
static enum mur_status name_parts(struct mur_buffer *out, const char *resource,
                                  struct mur_error *error)
{
    static const struct {
        const char *before;
        const char *name;
    } names[] = {{"studies/", "{study}"},
                 {"series/", "{series}"},
                 {"instances/", "{instance}"},
                 {"frames/", "{frames}"}};
    enum mur_status status = MUR_OK;
    for (const char *at = resource; status == MUR_OK && *at != '\0';) {
        if (strncmp(at, "{}", 2) != 0) {
            status = mur_buffer_append(out, at++, 1, error);
            continue;
        }
        const char *name = "{part}";
        for (size_t i = 0; i < MUR_COUNT(names); i++) {
            size_t length = strlen(names[i].before);
            if ((size_t)(at - resource) >= length &&
                memcmp(at - length, names[i].before, length) == 0)
                name = names[i].name;
        }
        status = mur_buffer_append_text(out, name, error);
        at += 2;
    }
    return status;
}

static enum mur_status write_wadl(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_text(out,
                               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                               "<application xmlns=\"http://wadl.dev.java.net/2009/02\">\n"
                               " <resources base=\"" MUR_DICOMWEB_ROOT "\">\n",
                               error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(routes); i++) {
        if (resource_of(i) == NULL || is_told(i))
            continue;
        status = mur_buffer_append_text(out, "  <resource path=\"", error);
        if (status == MUR_OK)
            status = name_parts(out, resource_of(i), error);
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, "\">", error);
        for (size_t k = i; status == MUR_OK && k < MUR_COUNT(routes); k++)
            if (strcmp(routes[k].path, routes[i].path) == 0)
                status =
                    mur_buffer_append_format(out, error, "<method name=\"%s\"/>", routes[k].method);
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, "</resource>\n", error);
    }
    return status == MUR_OK ? mur_buffer_append_text(out, " </resources>\n</application>\n", error)
                            : status;
}

static enum mur_status write_resource(struct mur_json_writer *json, size_t route,
                                      struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer path = MUR_BUFFER_INIT;
    enum mur_status status = name_parts(&path, resource_of(route), error);
    if (status != MUR_OK)
        return status;
    mur_json_begin_object(json);
    mur_json_member_string(json, "@path", mur_buffer_text(&path));
    mur_json_key(json, "method");
    mur_json_begin_array(json);
    for (size_t i = route; i < MUR_COUNT(routes); i++) {
        if (strcmp(routes[i].path, routes[route].path) != 0)
            continue;
        mur_json_begin_object(json);
        mur_json_member_string(json, "@name", routes[i].method);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
    mur_json_end_object(json);
    return MUR_OK;
}

static enum mur_status write_json(struct mur_buffer *out, struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_key(&json, "application");
    mur_json_begin_object(&json);
    mur_json_key(&json, "resources");
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "@base", MUR_DICOMWEB_ROOT);
    mur_json_key(&json, "resource");
    mur_json_begin_array(&json);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(routes); i++)
        if (resource_of(i) != NULL && !is_told(i))
            status = write_resource(&json, i, error);
    mur_json_end_array(&json);
    for (int depth = 0; depth < 3; depth++)
        mur_json_end_object(&json);
    return status == MUR_OK ? mur_json_finish(&json, error) : status;
}

enum mur_status mur_dicomweb_capabilities(struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    size_t type = 0;
    enum mur_status status = mur_accept_read(&accept, exchange, error);
    if (status == MUR_OK)
        status = mur_accept_choose(&type, &accept, types, MUR_COUNT(types), error);
    if (status == MUR_OK)
        status = type == 0 ? write_wadl(&text, error) : write_json(&text, error);
    return status == MUR_OK ? mur_answer_buffer(exchange, MHD_HTTP_OK, types[type], &text, error)
                            : status;
}

/* Not the viewer's: its addresses lie elsewhere. */
enum mur_status mur_dicomweb_nothing(struct mur_exchange *exchange, struct mur_error *error)
{
    return mur_error_set(error, MUR_NOT_FOUND, "DICOMweb has no resource %s", exchange->path);
}
