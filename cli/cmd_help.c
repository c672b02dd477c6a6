#include "cli/cli.h"
#include "cli/conformance.h"

#include "core/own.h"

static int man, conformance;

struct poptOption mur_help_options[] = {
    {"man", '\0', POPT_ARG_NONE | POPT_ARGFLAG_DOC_HIDDEN, &man, 0, "print the man page", NULL},
    {"conformance", '\0', POPT_ARG_NONE | POPT_ARGFLAG_DOC_HIDDEN, &conformance, 0,
     "print the tables of the conformance statement", NULL},
    POPT_TABLEEND};

int mur_command_help(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status;
    if (man != 0) {
        status = mur_help_man(&text, &error);
    } else if (conformance != 0) {
        status = mur_conformance_tables(&text, &error);
    } else if (cli->argument_count == 0) {
        status = mur_help_program(&text, &error);
    } else {
        size_t used = 0;
        const struct mur_cli_command *command =
            mur_cli_find_command(&used, cli->arguments, cli->argument_count);
        if (command == NULL && mur_cli_is_group(cli->arguments[0]))
            used = 1;
        if (used < cli->argument_count)
            return mur_cli_usage(cli, "no command \"%s\"", cli->arguments[used]);
        status = command != NULL ? mur_help_command(&text, command, &error)
                                 : mur_help_group(&text, cli->arguments[0], &error);
    }
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
