#include "cli/cli.h"

#include <string.h>

#include "core/own.h"

struct poptOption mur_completion_options[] = {POPT_TABLEEND};

int mur_command_completion(struct mur_cli *cli)
{
    if (cli->argument_count != 1 || strcmp(cli->arguments[0], "bash") != 0)
        return mur_cli_usage(cli, "which shell? There is: bash");
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (mur_help_completion_bash(&text, &error) != MUR_OK)
        return mur_cli_fail(cli, &error);
    return mur_cli_print(cli, &text);
}
