/* The status page, for the person who runs the node: plain HTML, no script. */
#include <microhttpd.h>
#include <stdio.h>

#include "archive/overview.h"
#include "core/clock.h"
#include "core/own.h"
#include "web/activity.h"
#include "web/html.h"
#include "web/internal.h"
#include "web/route.h"
#include "web/status_search.h"

enum { MINUTE_US = 60 * 1000000 };

static const char style[] =
    ":root{color-scheme:light dark;--line:#ccc;--soft:#666;--link:#0645ad;--bad:#b00020}\n"
    "@media (prefers-color-scheme:dark){:root{--line:#444;--soft:#aaa;--link:#8ab4f8;--bad:#ff8a80}"
    "body{background:#151515;color:#e6e6e6}}\n"
    "*{box-sizing:border-box}\n"
    "body{font:16px/1.45 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem}\n"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}\n"
    "a{color:var(--link)}small,th{color:var(--soft);font-weight:normal}.bad{color:var(--bad)}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;"
    "padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line)}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}\n"
    "form{display:flex;gap:.5rem;flex-wrap:wrap;margin:1rem 0}"
    "input,button{font:inherit;padding:.5rem}input{flex:1 1 16rem;min-width:0}\n"
    ".why{overflow-wrap:anywhere}\n";

enum mur_status mur_web_status_style(struct mur_exchange *exchange, struct mur_error *error)
{
    return mur_answer(exchange, MHD_HTTP_OK, "text/css; charset=utf-8",
                      (struct mur_slice){.data = style, .length = sizeof style - 1}, error);
}

static void write_count(struct mur_html *html, const char *what, int64_t count)
{
    mur_html_raw(html, "<tr><td>");
    mur_html_raw(html, what);
    mur_html_raw(html, "</td><td class=\"n\">");
    mur_html_number(html, count);
    mur_html_raw(html, "</td></tr>\n");
}

static void write_size(struct mur_html *html, const char *what, uint64_t bytes)
{
    mur_html_raw(html, "<tr><td>");
    mur_html_raw(html, what);
    mur_html_raw(html, "</td><td class=\"n\">");
    mur_html_bytes(html, bytes);
    mur_html_raw(html, "</td></tr>\n");
}

static enum mur_status write_stored(struct mur_html *html, const struct mur_exchange *exchange,
                                    struct mur_error *error)
{
    struct mur_counts counts;
    uint64_t space = 0;
    enum mur_status status = mur_archive_count(&counts, exchange->archive, error);
    if (status == MUR_OK)
        status = mur_archive_disk_free(&space, exchange->archive, error);
    if (status != MUR_OK)
        return status;
    mur_html_raw(html, "<h2>Stored</h2>\n<table><tbody>\n");
    write_count(html, "Patients (animals)", counts.patients);
    write_count(html, "Studies", counts.studies);
    write_count(html, "Series", counts.series);
    write_count(html, "Instances", counts.instances);
    write_size(html, "Their files", (uint64_t)counts.bytes);
    write_size(html, "Free on the disk", space);
    mur_html_raw(html, "</tbody></table>\n");
    return MUR_OK;
}

struct groups {
    struct mur_html *html;
    const char *heading;
    bool begun;
};

static enum mur_status write_group(void *user, const struct mur_group *one, struct mur_error *error)
{
    (void)error; /* failures stay in the page */
    struct groups *groups = user;
    struct mur_html *html = groups->html;
    if (!groups->begun) {
        mur_html_raw(html, "<h2>");
        mur_html_raw(html, groups->heading);
        mur_html_raw(html, "</h2>\n<table><thead><tr><th><th class=\"n\">Studies"
                           "<th class=\"n\">Series<th class=\"n\">Instances</tr></thead><tbody>\n");
        groups->begun = true;
    }
    const int64_t counts[] = {one->studies, one->series, one->instances};
    mur_html_raw(html, "<tr><td>");
    mur_html_text(html, one->name[0] != '\0' ? one->name : "(not said)");
    for (size_t i = 0; i < MUR_COUNT(counts); i++) {
        mur_html_raw(html, "</td><td class=\"n\">");
        mur_html_number(html, counts[i]);
    }
    mur_html_raw(html, "</td></tr>\n");
    return MUR_OK;
}

static enum mur_status write_groups(struct mur_html *html, const struct mur_exchange *exchange,
                                    struct mur_error *error)
{
    static const char *const titles[] = {[MUR_BY_MODALITY] = "By modality",
                                         [MUR_BY_ISA_STUDY] = "By study of the ISA-Tab",
                                         [MUR_BY_DISEASE_MODEL] = "By disease model"};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(titles); i++) {
        struct groups groups = {.html = html, .heading = titles[i]};
        status = mur_archive_each_group(exchange->archive, (enum mur_grouping)i, write_group,
                                        &groups, error);
        if (groups.begun)
            mur_html_raw(html, "</tbody></table>\n");
    }
    return status;
}

static void write_time(struct mur_html *html, int64_t time_us)
{
    char text[MUR_ISO_SIZE];
    mur_clock_format_us(text, time_us);
    text[10] = ' ';
    text[19] = '\0'; /* seconds are enough */
    mur_html_raw(html, text);
    mur_html_raw(html, " UTC");
}

static void write_failures(struct mur_html *html, struct mur_activity *activity)
{
    struct mur_failure failures[MUR_ACTIVITY_FAILURES];
    size_t count = mur_activity_failures(failures, activity);
    mur_html_raw(html, "<h2>Last warnings and errors</h2>\n");
    if (count == 0) {
        mur_html_raw(html, "<p>None since the start.</p>\n");
        return;
    }
    mur_html_raw(html, "<table><tbody>\n");
    for (size_t i = 0; i < count; i++) {
        mur_html_raw(html, "<tr><td><small>");
        write_time(html, failures[i].time_us);
        mur_html_raw(html, failures[i].level == MUR_LOG_LEVEL_ERROR
                               ? "</small></td><td class=\"why bad\">"
                               : "</small></td><td class=\"why\">");
        mur_html_text(html, failures[i].text);
        mur_html_raw(html, "</td></tr>\n");
    }
    mur_html_raw(html, "</tbody></table>\n");
}

static enum mur_status write_activity(struct mur_html *html, const struct mur_exchange *exchange,
                                      struct mur_error *error)
{
    const struct mur_web *web = exchange->web;
    struct mur_arrivals arrivals;
    enum mur_status status =
        mur_archive_arrivals(&arrivals, exchange->archive, mur_clock_now_us() - MINUTE_US, error);
    if (status != MUR_OK)
        return status;
    mur_html_raw(html, "<h2>Now</h2>\n<table><tbody>\n");
    if (web->node.associations != NULL)
        write_count(html, "DICOM associations", (int64_t)web->node.associations(web->node.user));
    write_count(html, "Instances that came in the last minute", arrivals.count);
    mur_html_raw(html, "<tr><td>The last one came</td><td class=\"n\">");
    if (arrivals.last_us != 0)
        write_time(html, arrivals.last_us);
    else
        mur_html_raw(html, "never");
    mur_html_raw(html, "</td></tr>\n</tbody></table>\n");
    write_failures(html, web->activity);
    return MUR_OK;
}

/* The box, and what was found. @param[out] code  of the whole page */
static enum mur_status write_search(struct mur_html *html, unsigned *code,
                                    const struct mur_exchange *exchange, struct mur_error *error)
{
    const struct mur_parameter *asked = mur_exchange_parameter(exchange, "q");
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = MUR_OK;
    if (asked != NULL)
        status = mur_text_copy(&text, asked->value, error);
    mur_html_raw(html, "<form action=\"/status\" method=\"get\" role=\"search\">"
                       "<input name=\"q\" type=\"search\" aria-label=\"Conditions\" placeholder=\""
                       "StrainDescription=C57BL*; Factor Value[diet]=western*\" value=\"");
    mur_html_text(html, text != NULL ? text : "");
    mur_html_raw(html, "\"><button>Find studies</button></form>\n");
    if (status != MUR_OK || asked == NULL)
        return status;
    status = mur_status_search(html, exchange, asked->value, error);
    if (status != MUR_INVALID)
        return status;
    mur_html_raw(html, "<p class=\"bad why\">");
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
                       "<body><h1>");
    mur_html_text(html, config->node_ae_title);
    mur_html_raw(html, "</h1>\n<small>");
    write_time(html, mur_clock_now_us());
    mur_html_raw(html, "</small>");
    if (config->web_viewer_dir[0] != '\0')
        mur_html_raw(html, " &middot; <a href=\"/\">Viewer</a>");
    mur_html_raw(html, " &middot; <a href=\"/metrics\">Metrics</a>\n");
}

enum mur_status mur_web_status(struct mur_exchange *exchange, struct mur_error *error)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"Referrer-Policy", "no-referrer"},
        {"Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; "
                                    "base-uri 'none'; frame-ancestors 'none'"}};
    struct mur_html html = MUR_HTML_INIT;
    unsigned code = MHD_HTTP_OK;
    write_head(&html, exchange->config);
    enum mur_status status = write_search(&html, &code, exchange, error);
    if (status == MUR_OK)
        status = write_activity(&html, exchange, error);
    if (status == MUR_OK)
        status = write_stored(&html, exchange, error);
    if (status == MUR_OK)
        status = write_groups(&html, exchange, error);
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
