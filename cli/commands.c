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

size_t mur_cli_group_length(const struct mur_cli_command *command)
{
    const char *space = strchr(command->name, ' ');
    return space == NULL ? 0 : (size_t)(space - command->name);
}

bool mur_cli_is_group(const char *name)
{
    for (size_t i = 0; i < mur_command_count; i++) {
        size_t length = mur_cli_group_length(&mur_commands[i]);
        if (length > 0 && strlen(name) == length && memcmp(mur_commands[i].name, name, length) == 0)
            return true;
    }
    return false;
}

const struct mur_cli_command *mur_cli_find_command(size_t *used, const char *const *words,
                                                   size_t count)
{
    for (size_t i = 0; i < mur_command_count && count > 0; i++) {
        const char *name = mur_commands[i].name;
        size_t length = mur_cli_group_length(&mur_commands[i]);
        if (length == 0
                ? strcmp(name, words[0]) != 0
                : count < 2 || strlen(words[0]) != length || memcmp(name, words[0], length) != 0 ||
                      strcmp(name + length + 1, words[1]) != 0)
            continue;
        *used = length == 0 ? 1 : 2;
        return &mur_commands[i];
    }
    return NULL;
}
