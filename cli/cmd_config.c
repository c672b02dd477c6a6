#include "cli/cli.h"

#include "core/own.h"

static char *check_path;
static int print_default;

struct poptOption mur_config_options[] = {
    {"check", '\0', POPT_ARG_STRING, &check_path, 0, "say whether this file is right", "FILE"},
    {"print-default", '\0', POPT_ARG_NONE, &print_default, 0,
     "print a commented file with every key at its default", NULL},
    POPT_TABLEEND};

int mur_command_config(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_config) *config = NULL;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    if (check_path != NULL && print_default != 0)
        return mur_cli_usage(cli, "--check and --print-default exclude each other");
    enum mur_status status;
    if (print_default != 0) {
        status = mur_config_write_default(&text, &error);
    } else {
        status = mur_cli_load_config(&config, check_path, &error);
        if (status == MUR_OK && check_path != NULL)
            status = mur_buffer_append_format(&text, &error, "%s: right\n", check_path);
        else if (status == MUR_OK)
            status = mur_config_write_values(&text, config, &error);
    }
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
