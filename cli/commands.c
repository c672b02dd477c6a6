#include "cli/cli.h"

#include <string.h>

const struct mur_cli_command mur_commands[] = {
#define MUR_COMMAND(identifier, name_, arguments_, summary_, details_, flags_)                     \
    {.name = name_,                                                                                \
     .arguments = arguments_,                                                                      \
     .summary = summary_,                                                                          \
     .details = details_,                                                                          \
     .options = mur_##identifier##_options,                                                        \
     .run = mur_command_##identifier,                                                              \
     .flags = flags_},
#include "cli/commands.def"
};

const size_t mur_command_count = MUR_COUNT(mur_commands);

const struct mur_cli_command *mur_cli_find_command(const char *name)
{
    for (size_t i = 0; i < mur_command_count; i++)
        if (strcmp(mur_commands[i].name, name) == 0)
            return &mur_commands[i];
    return NULL;
}
