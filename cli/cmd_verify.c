/* What is stored against what came. */
#include "archive/verify.h"

#include <stdlib.h>
#include <string.h>

#include "archive/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/own.h"
#include "core/progress.h"
#include "core/text.h"
#include "dicom/uid.h"

enum { EXIT_FOUND = 1 };

static char *share;
static const char **studies;
static int as_json;

struct poptOption mur_verify_options[] = {
    {"share", '\0', POPT_ARG_STRING, &share, 0, "read one of N shares, the next one each time",
     "1/N"},
    {"study", '\0', POPT_ARG_ARGV, &studies, 0, "of this Study alone (repeatable)", "UID"},
    {"json", '\0', POPT_ARG_NONE, &as_json, 0,
     "one line of JSON for each finding, and one at the end", NULL},
    POPT_TABLEEND};

struct findings {
    struct mur_cli *cli;
    int code; /* of printing */
};

static enum mur_status append_finding(struct mur_buffer *out, const struct mur_finding *finding,
                                      struct mur_error *error)
{
    if (as_json == 0)
        return mur_buffer_append_format(out, error, "%-10s %s%s%s: %s\n",
                                        mur_finding_name(finding->kind), finding->sop_instance,
                                        finding->sop_instance[0] != '\0' ? " " : "", finding->path,
                                        finding->text);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "kind", mur_finding_name(finding->kind));
    mur_json_member_string(&json, "SOPInstanceUID", finding->sop_instance);
    mur_json_member_string(&json, "StudyInstanceUID", finding->study);
    mur_json_member_string(&json, "path", finding->path);
    mur_json_member_string(&json, "text", finding->text);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

static void print_finding(void *user, const struct mur_finding *finding)
{
    struct findings *findings = user;
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    int code = append_finding(&text, finding, &error) == MUR_OK
                   ? mur_cli_print(findings->cli, &text)
                   : mur_cli_fail(findings->cli, &error);
    if (findings->code == MUR_EXIT_OK)
        findings->code = code;
}

static enum mur_status append_summary(struct mur_buffer *out,
                                      const struct mur_verify_summary *summary,
                                      struct mur_error *error)
{
    if (as_json == 0)
        return mur_buffer_append_format(
            out, error, "%zu instances, %.1f MiB read, %zu findings\n", summary->instances,
            (double)summary->bytes / (1024.0 * 1024.0), summary->findings);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_int(&json, "instances", (int64_t)summary->instances);
    mur_json_member_int(&json, "files", (int64_t)summary->files);
    mur_json_member_int(&json, "bytes", (int64_t)summary->bytes);
    mur_json_member_int(&json, "noted", (int64_t)summary->noted);
    if (summary->share > 0)
        mur_json_member_int(&json, "share", summary->share);
    mur_json_member_int(&json, "findings", (int64_t)summary->findings);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

/* "1/30": how many nights a round takes. */
static enum mur_status parse_share(unsigned *out, struct mur_error *error)
{
    int64_t shares = 0;
    if (strncmp(share, "1/", 2) != 0 ||
        mur_parse_int64(&shares, mur_slice_of(share + 2), 1, MUR_VERIFY_SHARES, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "--share %s: it is 1/N, with N up to %d", share,
                             MUR_VERIFY_SHARES);
    *out = (unsigned)shares;
    return MUR_OK;
}

int mur_command_verify(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct findings findings = {.cli = cli};
    struct mur_verify_options options = {.found = print_finding, .user = &findings};
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    if (share != NULL && studies != NULL)
        return mur_cli_usage(cli, "--share and --study do not go together");
    if (share != NULL && parse_share(&options.shares, &error) != MUR_OK)
        return mur_cli_usage(cli, "%s", error.message);
    options.studies = studies;
    while (studies != NULL && studies[options.study_count] != NULL)
        options.study_count++;
    MUR_AUTO(mur_archive) *archive = NULL;
    MUR_AUTO(mur_progress_line) *line = NULL;
    const struct mur_archive_options of = {.directory = cli->config->node_data_dir,
                                           .durability = cli->config->dicom_durability,
                                           .existing = true};
    struct mur_verify_summary summary = {0};
    enum mur_status status = mur_archive_open(&archive, &of, &error);
    if (status == MUR_OK)
        status = mur_progress_line_create(&line, "verify", &error);
    if (status == MUR_OK) {
        struct mur_progress progress = mur_progress_line_reporter(line);
        status = mur_archive_verify(&summary, archive, &options, &progress, &error);
    }
    mur_progress_line_free(MUR_STEAL(line));
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (status == MUR_OK)
        status = append_summary(&text, &summary, &error);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    if (findings.code == MUR_EXIT_OK && !cli->quiet)
        findings.code = mur_cli_print(cli, &text);
    if (findings.code != MUR_EXIT_OK)
        return findings.code;
    return summary.findings > 0 ? EXIT_FOUND : MUR_EXIT_OK;
}
