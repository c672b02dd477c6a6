/* The index anew: attributes that were added to the configuration after objects were stored. */
#include <inttypes.h>

#include "archive/archive.h"
#include "archive/reindex.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/log.h"
#include "core/own.h"
#include "core/progress.h"

static int attributes;

struct poptOption mur_reindex_options[] = {{"attributes", '\0', POPT_ARG_NONE, &attributes, 0,
                                            "add rows for the attributes of index.attributes",
                                            NULL},
                                           POPT_TABLEEND};

static void note_lost(void *user, const char *sop_instance, const char *why)
{
    (void)user;
    mur_log_error(MUR_LOG_ARCHIVE, "instance %s is lost: %s", sop_instance, why);
}

static int reindex_all(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO(mur_progress_line) *line = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_reindex_summary summary = {0};
    mur_cli_private_files();
    enum mur_status status = mur_cli_load_links(&of, cli->config, &error);
    struct mur_archive_options options = mur_cli_archive_options(cli->config, &of);
    options.note = note_lost;
    if (status == MUR_OK)
        status = mur_progress_line_create(&line, "reindex", &error);
    if (status == MUR_OK) {
        struct mur_progress progress = mur_progress_line_reporter(line);
        status = mur_archive_reindex(&summary, &options, of.mapping, &progress, &error);
    }
    if (status == MUR_OK)
        status = mur_buffer_append_format(&text, &error, "%zu instances indexed, %zu lost\n",
                                          summary.instances, summary.lost);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    if (summary.aside[0] != '\0')
        mur_log_warning(MUR_LOG_ARCHIVE, "what stood there as index.sqlite is %s now",
                        summary.aside);
    if (summary.unread > 0)
        mur_log_error(MUR_LOG_ARCHIVE,
                      "%zu lines of manifest.jsonl are damaged, the first at byte %" PRIu64
                      ": what they say is left out",
                      summary.unread, summary.unread_at);
    if (summary.tables > 0)
        mur_log_error(
            MUR_LOG_ARCHIVE,
            "tables of %zu ISA-Tabs are left out, the first: %s; take them from a backup, or"
            " from where they came, and reindex again",
            summary.tables, summary.tables_why.message);
    if (summary.unknown > 0)
        mur_log_error(
            MUR_LOG_ARCHIVE,
            "%zu objects are there that the manifest does not know, and are not shown:"
            " \"murpacs verify\" names them; take manifest.jsonl from a backup and reindex"
            " again, or \"murpacs import --dicom %s/objects\" takes them in",
            summary.unknown, cli->config->node_data_dir);
    int code = cli->quiet ? MUR_EXIT_OK : mur_cli_print(cli, &text);
    return code == MUR_EXIT_OK &&
                   summary.lost + summary.unknown + summary.unread + summary.tables > 0
               ? MUR_EXIT_INPUT_READ
               : code;
}

int mur_command_reindex(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_config *config = cli->config;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    if (attributes == 0)
        return reindex_all(cli);
    MUR_AUTO(mur_archive) *archive = NULL;
    MUR_AUTO(mur_progress_line) *line = NULL;
    const struct mur_archive_options options = {.directory = config->node_data_dir,
                                                .existing = true,
                                                .durability = config->dicom_durability,
                                                .attributes = config->index_attributes};
    size_t headers = 0;
    enum mur_status status = mur_archive_open(&archive, &options, &error);
    if (status == MUR_OK)
        status = mur_progress_line_create(&line, "reindex", &error);
    if (status == MUR_OK) {
        struct mur_progress progress = mur_progress_line_reporter(line);
        status = mur_archive_reindex_attributes(&headers, archive, &progress, &error);
    }
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (status == MUR_OK)
        status = mur_buffer_append_format(&text, &error, "%zu headers looked at\n", headers);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    return cli->quiet ? MUR_EXIT_OK : mur_cli_print(cli, &text);
}
