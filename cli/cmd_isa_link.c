/* A late series gets its scan by hand. */
#include "archive/isa.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/log.h"
#include "core/own.h"

static int undo;

struct poptOption mur_isa_link_options[] = {
    {"undo", '\0', POPT_ARG_NONE, &undo, 0,
     "a link by hand is left to the rules again, any other is cut", NULL},
    POPT_TABLEEND};

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
    if (status == MUR_OK)
        status = mur_buffer_append_format(&text, &error, "series %s: %s\n", series, what);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    mur_log_info(MUR_LOG_ARCHIVE, "series %s: %s%s%s by hand", series, what,
                 scan != NULL ? " to " : "", scan != NULL ? scan : "");
    return cli->quiet ? MUR_EXIT_OK : mur_cli_print(cli, &text);
}
