/* The index anew: attributes that were added to the configuration after objects were stored. */
#include "archive/archive.h"
#include "cli/cli.h"
#include "core/own.h"
#include "core/progress.h"

static int attributes;

struct poptOption mur_reindex_options[] = {{"attributes", '\0', POPT_ARG_NONE, &attributes, 0,
                                            "add rows for the attributes of index.attributes",
                                            NULL},
                                           POPT_TABLEEND};

int mur_command_reindex(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_config *config = cli->config;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    if (attributes == 0)
        return mur_cli_usage(cli, "say what shall be indexed anew: --attributes");
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
