/* Series without a scan and scans without a series. */
#include "archive/isa.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/own.h"

static int as_json;

struct poptOption mur_isa_unlinked_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON for each", NULL}, POPT_TABLEEND};

static enum mur_status end_line(struct mur_buffer *out, struct mur_json_writer *json,
                                struct mur_error *error)
{
    mur_json_end_object(json);
    enum mur_status status = mur_json_finish(json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

static enum mur_status series_json(struct mur_buffer *out, const struct mur_loose_series *one,
                                   const char *rule, const char *candidates,
                                   struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "kind", "series");
    mur_json_member_string(&json, "SeriesInstanceUID", one->series_uid);
    mur_json_member_string(&json, "StudyInstanceUID", one->study_uid);
    mur_json_member_string(&json, "PatientID", one->patient_id);
    mur_json_member_string(&json, "StudyDate", one->study_date);
    mur_json_member_string(&json, "Modality", one->modality);
    mur_json_member_string(&json, "SeriesDescription", one->description);
    mur_json_member_int(&json, "instances", one->instances);
    mur_json_member_bool(&json, "by_hand", one->by_hand);
    if (one->gone_scan[0] != '\0') {
        mur_json_member_string(&json, "gone_study", one->gone_study);
        mur_json_member_string(&json, "gone_scan", one->gone_scan);
    }
    if (candidates[0] != '\0') {
        mur_json_member_string(&json, "rule", rule);
        mur_json_member_string(&json, "candidates", candidates);
    }
    return end_line(out, &json, error);
}

static enum mur_status append_series(void *user, const struct mur_loose_series *one,
                                     const char *rule, const char *candidates,
                                     struct mur_error *error)
{
    if (as_json != 0)
        return series_json(user, one, rule, candidates, error);
    enum mur_status status = mur_buffer_append_format(
        user, error, "series %s: %s \"%s\" of patient %s, %lld instances", one->series_uid,
        one->modality, one->description, one->patient_id, (long long)one->instances);
    if (status == MUR_OK && one->by_hand)
        status = mur_buffer_append_text(user, "; by hand", error);
    if (status == MUR_OK && one->gone_scan[0] != '\0')
        status = mur_buffer_append_format(user, error, "; its scan %s/%s is gone from the tables",
                                          one->gone_study, one->gone_scan);
    if (status == MUR_OK && candidates[0] != '\0')
        status = mur_buffer_append_format(user, error, "; may be %s", candidates);
    return status == MUR_OK ? mur_buffer_append(user, "\n", 1, error) : status;
}

static enum mur_status append_scan(void *user, const struct mur_isa_scan_name *one,
                                   struct mur_error *error)
{
    if (as_json == 0)
        return mur_buffer_append_format(user, error, "scan %s/%s: of %s, %s\n", one->study,
                                        one->assay, one->source, one->assay_file);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(user));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "kind", "scan");
    mur_json_member_string(&json, "dataset", one->dataset);
    mur_json_member_string(&json, "study", one->study);
    mur_json_member_string(&json, "subject", one->source);
    mur_json_member_string(&json, "sample", one->sample);
    mur_json_member_string(&json, "file", one->assay_file);
    mur_json_member_string(&json, "scan", one->assay);
    return end_line(user, &json, error);
}

int mur_command_isa_unlinked(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    static const struct mur_loose_functions functions = {.series = append_series,
                                                         .scan = append_scan};
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_archive_each_loose(of.archive, &functions, &text, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
