/* The status page, for the person who runs the node: plain HTML, no script. */
#include <microhttpd.h>

#include "archive/overview.h"
#include "core/clock.h"
#include "core/own.h"
#include "web/activity.h"
#include "web/html.h"
#include "web/internal.h"
#include "web/route.h"
#include "web/status_groups.h"
#include "web/status_reports.h"
#include "web/status_search.h"

enum { MINUTE_US = 60 * 1000000 };

/* The beginning of a tile; its number follows. */
static void write_tile(struct mur_html *html, const char *what)
{
    mur_html_raw(html, "<div><dt>");
    mur_html_raw(html, what);
    mur_html_raw(html, "</dt><dd>");
}

static void write_count(struct mur_html *html, const char *what, int64_t count)
{
    write_tile(html, what);
    mur_html_number(html, count);
    mur_html_raw(html, "</dd></div>\n");
}

static void write_size(struct mur_html *html, const char *what, uint64_t bytes)
{
    write_tile(html, what);
    mur_html_bytes(html, bytes);
    mur_html_raw(html, "</dd></div>\n");
}

static enum mur_status write_stored(struct mur_html *html, const struct mur_exchange *exchange,
                                    const struct mur_counts *counts, struct mur_error *error)
{
    uint64_t space = 0;
    enum mur_status status = mur_archive_disk_free(&space, exchange->archive, error);
    if (status != MUR_OK)
        return status;
    mur_html_raw(html, "<section><h2>Stored</h2>\n<dl class=\"tiles\">\n");
    write_count(html, "Animals", counts->patients);
    write_count(html, "Studies", counts->studies);
    write_count(html, "Series", counts->series);
    write_count(html, "Instances", counts->instances);
    write_size(html, "Their files", (uint64_t)counts->bytes);
    write_size(html, "Free on the disk", space);
    mur_html_raw(html, "</dl></section>\n");
    return MUR_OK;
}

static enum mur_status write_activity(struct mur_html *html, const struct mur_exchange *exchange,
                                      struct mur_error *error)
{
    const struct mur_web *web = exchange->web;
    struct mur_arrivals arrivals;
    struct mur_backlog backlog;
    enum mur_status status =
        mur_archive_arrivals(&arrivals, exchange->archive, mur_clock_now_us() - MINUTE_US, error);
    if (status == MUR_OK)
        status = mur_archive_backlog(&backlog, exchange->archive, error);
    if (status != MUR_OK)
        return status;
    mur_html_raw(html, "<section><h2>Now</h2>\n<dl class=\"tiles\">\n");
    if (web->node.associations != NULL)
        write_count(html, "DICOM associations", (int64_t)web->node.associations(web->node.user));
    write_count(html, "Came in the last minute", arrivals.count);
    write_size(html, "Their bytes", (uint64_t)arrivals.bytes);
    write_count(html, "Waiting for the disk", (int64_t)backlog.unsettled);
    write_count(html, "Commitments to be told", backlog.commitments);
    mur_html_raw(html, "</dl>\n<p class=\"soft\">The last instance came: ");
    if (arrivals.last_us != 0)
        mur_status_time(html, arrivals.last_us);
    else
        mur_html_raw(html, "never");
    mur_html_raw(html, "</p></section>\n");
    return MUR_OK;
}

static enum mur_status write_columns(struct mur_html *html, const struct mur_exchange *exchange,
                                     const struct mur_counts *counts, struct mur_error *error)
{
    mur_html_raw(html, "<div class=\"columns\">\n");
    enum mur_status status =
        mur_status_groups_write(html, exchange->web->groups, exchange->archive, counts, error);
    if (status == MUR_OK)
        status = mur_status_imports(html, exchange->archive, error);
    mur_status_verify(html, exchange->archive);
    mur_status_failures(html, exchange->web->activity);
    mur_html_raw(html, "</div>\n");
    return status;
}

/* What may be asked for, each as a link that asks it. */
static void write_examples(struct mur_html *html)
{
    static const char *const examples[] = {"StrainDescription=C57BL*", "Modality=CT",
                                           "AdmittingDiagnosesDescription=*carcinoma*",
                                           "Characteristics[Sex]=female"};
    mur_html_raw(html, "<small>Attributes of DICOM by keyword, columns of the ISA-Tab by their "
                       "headings; several by ; &middot; ");
    for (size_t i = 0; i < MUR_COUNT(examples); i++) {
        mur_html_raw(html, i > 0 ? ", <a href=\"/status?q=" : "<a href=\"/status?q=");
        mur_html_url(html, examples[i]);
        mur_html_raw(html, "\">");
        mur_html_text(html, examples[i]);
        mur_html_raw(html, "</a>");
    }
    mur_html_raw(html, "</small>\n");
}

/* The box, and what was found. @param[out] code  of the whole page */
static enum mur_status write_search(struct mur_html *html, unsigned *code,
                                    const struct mur_exchange *exchange, struct mur_error *error)
{
    const struct mur_parameter *asked = NULL;
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_exchange_parameter(&asked, exchange, "q", error);
    if (status == MUR_OK && asked != NULL)
        status = mur_text_copy(&text, asked->value, error);
    mur_html_raw(html, "<form action=\"/status\" method=\"get\" role=\"search\">"
                       "<input name=\"q\" type=\"search\" aria-label=\"Conditions\" placeholder=\""
                       "StrainDescription=C57BL*; Factor Value[diet]=western*\" value=\"");
    mur_html_text(html, text != NULL ? text : "");
    mur_html_raw(html, "\"><button>Find studies</button></form>\n");
    write_examples(html);
    if (status != MUR_OK || asked == NULL)
        return status;
    status = mur_status_search(html, exchange, asked->value, error);
    if (status != MUR_INVALID)
        return status;
    mur_html_raw(html, "<p class=\"bad\">");
    mur_html_text(html, error->message);
    mur_html_raw(html, "</p>\n");
    *code = MHD_HTTP_BAD_REQUEST;
    return MUR_OK;
}

static void write_head(struct mur_html *html, const struct mur_config *config)
{
    mur_html_raw(html, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                       "<title>");
    mur_html_text(html, config->node_ae_title);
    mur_html_raw(html, ": status</title><link rel=\"stylesheet\" href=\"/status.css\"></head>\n"
                       "<body><header><h1>");
    mur_html_text(html, config->node_ae_title);
    mur_html_raw(html, "</h1>");
    if (config->web_viewer_dir[0] != '\0')
        mur_html_raw(html, "<a href=\"/\">Viewer</a>");
    mur_html_raw(html, "<a href=\"/status\">Status</a><a href=\"/metrics\">Metrics</a><small>");
    mur_status_time(html, mur_clock_now_us());
    mur_html_raw(html, "</small></header>\n");
}

enum mur_status mur_web_status(struct mur_exchange *exchange, struct mur_error *error)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"Referrer-Policy", "no-referrer"},
        {"Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; "
                                    "base-uri 'none'; frame-ancestors 'none'"}};
    struct mur_html html = MUR_HTML_INIT;
    struct mur_counts counts;
    unsigned code = MHD_HTTP_OK;
    write_head(&html, exchange->config);
    enum mur_status status = write_search(&html, &code, exchange, error);
    if (status == MUR_OK)
        status = mur_archive_count(&counts, exchange->archive, error);
    if (status == MUR_OK)
        status = write_stored(&html, exchange, &counts, error);
    if (status == MUR_OK)
        status = write_activity(&html, exchange, error);
    if (status == MUR_OK)
        status = write_columns(&html, exchange, &counts, error);
    mur_html_raw(&html, "</body></html>\n");
    if (status == MUR_OK && html.status != MUR_OK)
        status = mur_error_set(error, html.status, "%s", html.error.message);
    if (status == MUR_OK)
        status = mur_answer_buffer(exchange, code, "text/html; charset=utf-8", &html.text, error);
    mur_buffer_free(&html.text);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(headers); i++)
        status = mur_answer_header(exchange, headers[i][0], headers[i][1], error);
    return status;
}
