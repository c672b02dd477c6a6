/* The viewer's files (web.viewer_dir), and its settings: a single-page application whose own
 * addresses all mean its index.html. */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "web/route.h"
#include "web/wado.h"

static const struct {
    const char *suffix;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".wasm", "application/wasm"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".ico", "image/x-icon"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".ttf", "font/ttf"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *path)
{
    const char *dot = strrchr(mur_path_base(path), '.');
    for (size_t i = 0; dot != NULL && i < MUR_COUNT(types); i++)
        if (strcmp(dot, types[i].suffix) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* Builds name files by a digest of their content: "app.bundle.0f6159c501addfe9.js". */
static bool is_named_by_content(const char *path)
{
    enum { DIGITS = 16 };
    const char *part = mur_path_base(path);
    while (*part != '\0') {
        size_t digits = strspn(part, "0123456789abcdef");
        size_t length = strcspn(part, ".");
        if (digits == length && length >= DIGITS)
            return true;
        part += length + (part[length] == '.' ? 1 : 0);
    }
    return false;
}

/* @retval MUR_NOT_FOUND  no regular file */
static enum mur_status answer_file(struct mur_exchange *exchange, const char *path,
                                   struct mur_error *error)
{
    MUR_AUTO_CLOSE int file = -1;
    enum mur_status status = mur_open_beneath(&file, exchange->config->web_viewer_dir, path, error);
    if (status != MUR_OK)
        return mur_error_set(error, MUR_NOT_FOUND, "the viewer has no %s", path);
    struct stat info;
    if (fstat(file, &info) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(info.st_mode))
        return mur_error_set(error, MUR_NOT_FOUND, "the viewer has no %s", path);
    char etag[MUR_ETAG_SIZE];
    (void)snprintf(etag, sizeof etag, "\"%llx-%llx\"", (unsigned long long)info.st_mtime,
                   (unsigned long long)info.st_size);
    bool immutable = is_named_by_content(path);
    bool answered = false;
    status = mur_answer_condition(&answered, exchange, etag, immutable, error);
    if (status != MUR_OK || answered)
        return status;
    status = mur_answer_file(exchange, MHD_HTTP_OK, type_of(path), file, 0, (uint64_t)info.st_size,
                             error);
    if (status != MUR_OK)
        return status;
    (void)mur_steal_descriptor(&file);
    return mur_answer_validators(exchange, etag, immutable, error);
}

/* OHIF's settings in place of the file that comes with it, which names a server of the makers:
 * everything is asked of the origin that served the page. Without quotation marks in Accept no
 * request for frames is preflighted where the page is embedded elsewhere. */
static const char settings[] =
    "window.config = {\n"
    "  name: 'murpacs',\n"
    "  routerBasename: '/',\n"
    "  extensions: [],\n"
    "  modes: [],\n"
    "  showStudyList: true,\n"
    "  defaultDataSourceName: 'dicomweb',\n"
    "  dataSources: [{\n"
    "    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',\n"
    "    sourceName: 'dicomweb',\n"
    "    configuration: {\n"
    "      friendlyName: 'Murpacs',\n"
    "      name: 'murpacs',\n"
    "      qidoRoot: '/dicom-web',\n"
    "      wadoRoot: '/dicom-web',\n"
    "      wadoUriRoot: '/wado',\n"
    "      qidoSupportsIncludeField: true,\n"
    "      imageRendering: 'wadors',\n"
    "      thumbnailRendering: 'wadors',\n"
    "      enableStudyLazyLoad: true,\n"
    "      supportsFuzzyMatching: false,\n"
    "      supportsWildcard: true,\n"
    "      omitQuotationForMultipartRequest: true,\n"
    "    },\n"
    "  }],\n"
    "};\n";

enum mur_status mur_web_viewer_config(struct mur_exchange *exchange, struct mur_error *error)
{
    enum mur_status status =
        mur_answer(exchange, MHD_HTTP_OK, "text/javascript; charset=utf-8",
                   (struct mur_slice){.data = settings, .length = sizeof settings - 1}, error);
    return status == MUR_OK ? mur_answer_header(exchange, "Cache-Control", "no-cache", error)
                            : status;
}

enum mur_status mur_web_viewer(struct mur_exchange *exchange, struct mur_error *error)
{
    if (exchange->config->web_viewer_dir[0] == '\0')
        return mur_error_set(error, MUR_NOT_FOUND,
                             "there is no viewer here: scripts/fetch-viewer.sh FOLDER gets OHIF "
                             "(npm's @ohif/app), and web.viewer_dir names the folder; the images "
                             "are at /dicom-web/studies");
    const char *path = exchange->path + 1;
    enum mur_status status = MUR_NOT_FOUND;
    if (path[0] != '\0')
        status = answer_file(exchange, path, error);
    /* What looks like a file is one; all else is an address within the application. */
    if (status == MUR_NOT_FOUND && strchr(mur_path_base(path), '.') == NULL)
        status = answer_file(exchange, "index.html", error);
    return status;
}
