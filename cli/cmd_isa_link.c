/* A late series gets its scan by hand. */
#include "archive/isa.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/log.h"
#include "core/own.h"

static int undo;
static int as_json;

struct poptOption mur_isa_link_options[] = {
    {"undo", '\0', POPT_ARG_NONE, &undo, 0,
     "a link by hand is left to the rules again, any other is cut", NULL},
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one JSON object", NULL},
    POPT_TABLEEND};

/* @param scan  NULL: none from now on */
static enum mur_status append_json(struct mur_buffer *out, const char *series, const char *scan,
                                   const char *what, bool changed, struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "SeriesInstanceUID", series);
    mur_json_key(&json, "scan");
    mur_json_string(&json, scan);
    mur_json_member_bool(&json, "changed", changed);
    mur_json_member_string(&json, "outcome", what);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_isa_link(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != (undo != 0 ? 1 : 2))
        return mur_cli_usage(cli, undo != 0 ? "one Series Instance UID is needed"
                                            : "a Series Instance UID and a scan are needed");
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_link_outcome outcome = {.changed = false};
    const char *series = cli->arguments[0];
    const char *scan = undo != 0 ? NULL : cli->arguments[1];
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_archive_link_by_hand(&outcome, of.archive, series, scan, &error);
    const char *what = !outcome.changed   ? "as before"
                       : scan != NULL     ? "linked"
                       : outcome.to_rules ? "left to the rules"
                                          : "without a scan from now on";
    if (status == MUR_OK && as_json != 0)
        status = append_json(&text, series, scan, what, outcome.changed, &error);
    else if (status == MUR_OK)
        status = mur_buffer_append_format(&text, &error, "series %s: %s\n", series, what);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    mur_log_info(MUR_LOG_ARCHIVE, "series %s: %s%s%s by hand", series, what,
                 scan != NULL ? " to " : "", scan != NULL ? scan : "");
    return cli->quiet ? MUR_EXIT_OK : mur_cli_print(cli, &text);
}
