/* Where headers and ISA-Tab disagree. */
#include "archive/isa.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/own.h"

static int as_json;

struct poptOption mur_isa_conflicts_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON for each", NULL}, POPT_TABLEEND};

static enum mur_status append_conflict(void *user, const struct mur_isa_conflict *one,
                                       struct mur_error *error)
{
    if (as_json == 0)
        return mur_buffer_append_format(
            user, error,
            "%s/%s scan %s: %s: header \"%s\", tables \"%s\"; answered by the %s (%s)\n",
            one->study, one->source, one->assay, one->attribute, one->header, one->tables,
            one->tables_answer ? "tables" : "header", one->series_uid);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(user));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "study", one->study);
    mur_json_member_string(&json, "subject", one->source);
    mur_json_member_string(&json, "scan", one->assay);
    mur_json_member_string(&json, "SeriesInstanceUID", one->series_uid);
    mur_json_member_string(&json, "attribute", one->attribute);
    mur_json_member_string(&json, "header", one->header);
    mur_json_member_string(&json, "tables", one->tables);
    mur_json_member_string(&json, "answer", one->tables_answer ? "tables" : "header");
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(user, "\n", 1, error) : status;
}

int mur_command_isa_conflicts(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_archive_each_isa_conflict(of.archive, append_conflict, &text, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
