#include "web/status_reports.h"

#include <stdio.h>

#include "archive/reports.h"
#include "core/clock.h"
#include "web/activity.h"

/* @param iso  mur_clock_format_us(); seconds are enough */
static void write_iso(struct mur_html *html, const char *iso)
{
    char text[MUR_ISO_SIZE];
    (void)snprintf(text, sizeof text, "%.19s", iso);
    if (text[0] != '\0' && text[10] == 'T')
        text[10] = ' ';
    mur_html_text(html, text);
    mur_html_raw(html, " UTC");
}

void mur_status_time(struct mur_html *html, int64_t time_us)
{
    char text[MUR_ISO_SIZE];
    mur_clock_format_us(text, time_us);
    write_iso(html, text);
}

void mur_status_failures(struct mur_html *html, struct mur_activity *activity)
{
    struct mur_failure failures[MUR_ACTIVITY_FAILURES];
    size_t count = mur_activity_failures(failures, activity);
    mur_html_raw(html, "<section><h2>Last warnings and errors</h2>\n");
    if (count == 0)
        mur_html_raw(html, "<p class=\"soft\">None since the start.</p>\n");
    else
        mur_html_raw(html, "<table><tbody>\n");
    for (size_t i = 0; i < count; i++) {
        mur_html_raw(html, "<tr><td><small>");
        mur_status_time(html, failures[i].time_us);
        mur_html_raw(html, failures[i].level == MUR_LOG_LEVEL_ERROR
                               ? "</small><br><span class=\"why bad\">"
                               : "</small><br><span class=\"why\">");
        mur_html_text(html, failures[i].text);
        mur_html_raw(html, "</span></td></tr>\n");
    }
    mur_html_raw(html, count == 0 ? "</section>\n" : "</tbody></table></section>\n");
}

static void write_reasons(struct mur_html *html, char reasons[][MUR_REPORT_REASON], int64_t of)
{
    size_t count = 0;
    while (count < MUR_REPORT_REASONS && reasons[count][0] != '\0')
        count++;
    if (count == 0)
        return;
    mur_html_raw(html, "<ul class=\"why bad\">");
    for (size_t i = 0; i < count; i++) {
        mur_html_raw(html, "<li>");
        mur_html_text(html, reasons[i]);
        mur_html_raw(html, "</li>");
    }
    mur_html_raw(html, "</ul>");
    if (of > (int64_t)count) {
        mur_html_raw(html, "<small>and ");
        mur_html_number(html, of - (int64_t)count);
        mur_html_raw(html, " more</small>");
    }
}

static void write_import(struct mur_html *html, struct mur_import_report *report)
{
    const int64_t counts[] = {report->imported, report->unchanged, report->failed,
                              report->instances};
    mur_html_raw(html, "<tr><td class=\"why\">");
    mur_html_text(html, report->source);
    mur_html_raw(html, report->cancelled ? " <span class=\"warn\">stopped</span>" : "");
    mur_html_raw(html, "<br><small>");
    write_iso(html, report->ended);
    mur_html_raw(html, "</small>");
    for (size_t i = 0; i < MUR_COUNT(counts); i++) {
        mur_html_raw(html, i == 2 && counts[i] > 0 ? "</td><td class=\"n bad\">"
                                                   : "</td><td class=\"n\">");
        mur_html_number(html, counts[i]);
    }
    mur_html_raw(html, "</td></tr>\n");
    if (report->reasons[0][0] == '\0')
        return;
    mur_html_raw(html, "<tr><td colspan=\"5\">");
    write_reasons(html, report->reasons, report->failed);
    mur_html_raw(html, "</td></tr>\n");
}

enum mur_status mur_status_imports(struct mur_html *html, struct mur_archive *archive,
                                   struct mur_error *error)
{
    struct mur_import_report reports[MUR_REPORTS];
    size_t count = 0;
    enum mur_status status = mur_archive_imports(reports, &count, archive, error);
    if (status != MUR_OK)
        return status;
    mur_html_raw(html, "<section><h2>Last imports</h2>\n");
    mur_html_raw(html, count == 0
                           ? "<p class=\"soft\">None yet.</p>\n"
                           : "<table><thead><tr><th>Dataset<th class=\"n\">New<th class=\"n\">"
                             "Same<th class=\"n\">Failed<th class=\"n\">Instances</tr></thead>"
                             "<tbody>\n");
    for (size_t i = 0; i < count; i++)
        write_import(html, &reports[i]);
    mur_html_raw(html, count == 0 ? "</section>\n" : "</tbody></table></section>\n");
    return MUR_OK;
}

static void write_verify(struct mur_html *html, struct mur_verify_report *report)
{
    mur_html_raw(html, "<p>");
    write_iso(html, report->ended);
    mur_html_raw(html, ": ");
    mur_html_number(html, report->instances);
    mur_html_raw(html, " instances, ");
    mur_html_bytes(html, (uint64_t)report->bytes);
    if (report->share > 0) {
        mur_html_raw(html, " (share ");
        mur_html_number(html, report->share);
        mur_html_raw(html, " of ");
        mur_html_number(html, report->shares);
        mur_html_raw(html, ")");
    }
    mur_html_raw(html,
                 report->found == 0 ? "</p>\n<p>All as it came.</p>\n" : "</p>\n<p class=\"bad\">");
    if (report->found > 0) {
        mur_html_number(html, report->found);
        mur_html_raw(html, report->found == 1 ? " finding:</p>\n" : " findings:</p>\n");
    }
    write_reasons(html, report->reasons, report->found);
}

void mur_status_verify(struct mur_html *html, struct mur_archive *archive)
{
    struct mur_verify_report report;
    struct mur_error error = MUR_ERROR_INIT;
    mur_html_raw(html, "<section><h2>Verification</h2>\n");
    if (mur_archive_last_verify(&report, archive, &error) != MUR_OK) {
        mur_html_raw(html, "<p class=\"bad\">");
        mur_html_text(html, error.message);
        mur_html_raw(html, "</p>\n");
    } else if (report.ended[0] == '\0') {
        mur_html_raw(html, "<p class=\"soft\">Never yet: <code>murpacs verify</code> compares what "
                           "is stored with what came.</p>\n");
    } else {
        write_verify(html, &report);
    }
    mur_html_raw(html, "</section>\n");
}
