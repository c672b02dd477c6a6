/* Numbers for whoever watches the node, as Prometheus reads them (text format 0.0.4). */
#include <inttypes.h>
#include <microhttpd.h>

#include "archive/overview.h"
#include "archive/reports.h"
#include "core/clock.h"
#include "web/activity.h"
#include "web/internal.h"
#include "web/route.h"

enum { MINUTE_US = 60 * 1000000 };

struct sample {
    const char *name;
    const char *type;
    const char *help;
    uint64_t value;
};

static enum mur_status add(struct mur_buffer *text, const struct sample *sample,
                           struct mur_error *error)
{
    return mur_buffer_append_format(
        text, error, "# HELP murpacs_%s %s\n# TYPE murpacs_%s %s\nmurpacs_%s %" PRIu64 "\n",
        sample->name, sample->help, sample->name, sample->type, sample->name, sample->value);
}

static enum mur_status add_answers(struct mur_buffer *text, const struct mur_activity *activity,
                                   struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_text(text,
                               "# HELP murpacs_http_requests_total Requests by their answers.\n"
                               "# TYPE murpacs_http_requests_total counter\n",
                               error);
    for (unsigned code = 0; status == MUR_OK && code < MUR_ACTIVITY_CODES; code++) {
        uint64_t answers = mur_activity_answers(activity, code);
        if (answers > 0)
            status = mur_buffer_append_format(
                text, error, "murpacs_http_requests_total{code=\"%u\"} %" PRIu64 "\n", code,
                answers);
    }
    return status;
}

/* Nothing is told where the report cannot be read. */
static enum mur_status add_verification(struct mur_buffer *text, struct mur_archive *archive,
                                        struct mur_error *error)
{
    struct mur_verify_report report;
    if (mur_archive_last_verify(&report, archive, NULL) != MUR_OK)
        return MUR_OK;
    const struct sample samples[] = {
        {"verify_findings", "gauge",
         "What murpacs verify found in its last round that is not as it came.",
         (uint64_t)report.found},
        {"last_verify_seconds", "gauge", "When murpacs verify ended last, since 1970; 0: never.",
         (uint64_t)(report.ended_us / 1000000)},
    };
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(samples); i++)
        status = add(text, &samples[i], error);
    return status;
}

enum mur_status mur_web_metrics(struct mur_exchange *exchange, struct mur_error *error)
{
    const struct mur_web *web = exchange->web;
    struct mur_counts counts;
    struct mur_arrivals arrivals;
    struct mur_backlog backlog;
    uint64_t space = 0;
    enum mur_status status = mur_archive_count(&counts, exchange->archive, error);
    if (status == MUR_OK)
        status = mur_archive_arrivals(&arrivals, exchange->archive, mur_clock_now_us() - MINUTE_US,
                                      error);
    if (status == MUR_OK)
        status = mur_archive_backlog(&backlog, exchange->archive, error);
    if (status == MUR_OK)
        status = mur_archive_disk_free(&space, exchange->archive, error);
    if (status != MUR_OK)
        return status;
    const struct sample samples[] = {
        {"patients", "gauge", "Patients that are stored.", (uint64_t)counts.patients},
        {"studies", "gauge", "Studies that are stored.", (uint64_t)counts.studies},
        {"series", "gauge", "Series that are stored.", (uint64_t)counts.series},
        {"instances", "gauge", "Instances that are stored.", (uint64_t)counts.instances},
        {"stored_bytes", "gauge", "Bytes of the instances.", (uint64_t)counts.bytes},
        {"disk_free_bytes", "gauge", "Room that the disk has left.", space},
        {"arrived_last_minute", "gauge", "Instances that came within a minute.",
         (uint64_t)arrivals.count},
        {"arrived_bytes_last_minute", "gauge", "Bytes of the instances that came within a minute.",
         (uint64_t)arrivals.bytes},
        {"unsettled", "gauge", "Instances that wait to be written for good.", backlog.unsettled},
        {"commitments_pending", "gauge", "Answers to storage commitment that peers have not got.",
         (uint64_t)backlog.commitments},
        {"last_arrival_seconds", "gauge", "When the last instance came, since 1970; 0: never.",
         (uint64_t)(arrivals.last_us / 1000000)},
        {"failures_total", "counter", "Warnings and errors of this process.",
         mur_activity_failure_count(web->activity)},
    };
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(samples); i++)
        status = add(&text, &samples[i], error);
    if (status == MUR_OK && web->node.associations != NULL) {
        const struct sample associations = {"associations", "gauge",
                                            "DICOM associations being served.",
                                            web->node.associations(web->node.user)};
        status = add(&text, &associations, error);
    }
    if (status == MUR_OK)
        status = add_verification(&text, exchange->archive, error);
    if (status == MUR_OK)
        status = add_answers(&text, web->activity, error);
    if (status == MUR_OK)
        status = mur_answer_buffer(exchange, MHD_HTTP_OK,
                                   "text/plain; version=0.0.4; charset=utf-8", &text, error);
    return status == MUR_OK ? mur_answer_header(exchange, "Cache-Control", "no-store", error)
                            : status;
}
