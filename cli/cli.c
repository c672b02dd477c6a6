#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/remedies.h"
#include "core/file.h"
#include "core/log.h"
#include "core/own.h"
#include "core/suggest.h"
#include "core/text.h"

static const char default_config_path[] = "/etc/murpacs/murpacs.cfg";

enum { SUGGESTION_SIZE = 256, PATH_SIZE = 4096 };

static void free_context(poptContext *context)
{
    if (*context != NULL)
        (void)poptFreeContext(*context);
}
#define AUTO_CONTEXT __attribute__((cleanup(free_context))) poptContext

enum mur_exit mur_exit_of_status(enum mur_status status)
{
    switch (status) {
    case MUR_OK:
        return MUR_EXIT_OK;
    case MUR_INVALID:
        return MUR_EXIT_USAGE;
    case MUR_DENIED:
        return MUR_EXIT_PRIVILEGES;
    case MUR_NO_MEMORY:
        return MUR_EXIT_MEMORY;
    case MUR_NOT_FOUND:
        return MUR_EXIT_INPUT_READ;
    case MUR_PARSE:
    case MUR_MISMATCH:
    case MUR_UNSUPPORTED:
    case MUR_LIMIT:
    case MUR_EXISTS:
        return MUR_EXIT_INPUT_INVALID;
    case MUR_IO:
    case MUR_NO_SPACE:
        return MUR_EXIT_OUTPUT;
    case MUR_BUSY:
        return MUR_EXIT_BUSY;
    case MUR_CLOSED:
        return MUR_EXIT_NETWORK;
    case MUR_TIMEOUT:
        return MUR_EXIT_TIMEOUT;
    case MUR_CANCELLED:
        return MUR_EXIT_CANCELLED;
    case MUR_CORRUPT:
    case MUR_INTERNAL:
        break;
    }
    return MUR_EXIT_INTERNAL;
}

int mur_cli_fail(const struct mur_cli *cli, const struct mur_error *error)
{
    const char *remedy = mur_cli_remedy(cli->command, error->remedy);
    (void)fprintf(stderr, "murpacs %s: %s\n", cli->command, error->message);
    if (remedy != NULL)
        (void)fprintf(stderr, "Try: %s\n", remedy);
    return (int)mur_exit_of_status(error->status);
}

int mur_cli_usage(const struct mur_cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "murpacs %s: ", cli->command);
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\nTry: murpacs help %s\n", cli->command);
    va_end(arguments);
    return MUR_EXIT_USAGE;
}

enum mur_status mur_cli_spare_inputs(const char *output, const char *const *inputs, size_t count,
                                     struct mur_error *error)
{
    for (size_t index = 0; index < count; index++)
        if (mur_file_is_same(output, inputs[index]))
            return mur_error_set(error, MUR_INVALID,
                                 "%s is to be read; name another file for what is written", output);
    return MUR_OK;
}

int mur_cli_print(const struct mur_cli *cli, const struct mur_buffer *text)
{
    if (fwrite(mur_buffer_text(text), 1, text->length, stdout) == text->length &&
        fflush(stdout) == 0)
        return MUR_EXIT_OK;
    struct mur_error error = MUR_ERROR_INIT;
    mur_error_set_errno(&error, errno, "cannot write to standard output");
    (void)mur_cli_fail(cli, &error);
    return MUR_EXIT_OUTPUT;
}

static enum mur_status set_text(struct mur_config *config, const char *key, const char *value,
                                const char *option, struct mur_error *error)
{
    if (value == NULL)
        return MUR_OK;
    MUR_AUTO_FREE char *assignment = NULL;
    enum mur_status status = mur_text_format(&assignment, error, "%s=%s", key, value);
    if (status != MUR_OK)
        return status;
    status = mur_config_set(config, assignment, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s", option);
}

/* Of a program X/bin/murpacs, X/etc/murpacs/murpacs.cfg if it is there; else that of the system;
 * NULL if there is neither. One that is there but cannot be read must not turn into defaults. */
static const char *find_config(char out[PATH_SIZE])
{
    enum { PARTS = 2 }; /* "/bin/murpacs" */
    const size_t room = PATH_SIZE - sizeof default_config_path;
    ssize_t length = readlink("/proc/self/exe", out, room);
    char *end = length > 0 && (size_t)length < room ? out + length : NULL;
    for (int i = 0; end != NULL && i < PARTS; i++) {
        *end = '\0';
        end = strrchr(out, '/');
    }
    if (end != NULL) {
        memcpy(end, default_config_path, sizeof default_config_path);
        if (access(out, F_OK) == 0)
            return out;
    }
    return access(default_config_path, F_OK) == 0 ? default_config_path : NULL;
}

enum mur_status mur_cli_load_config(struct mur_config **out, const char *path,
                                    struct mur_error *error)
{
    MUR_AUTO(mur_config) *config = NULL;
    if (path == NULL)
        path = mur_common.config_path;
    char found[PATH_SIZE];
    if (path == NULL)
        path = find_config(found);
    enum mur_status status =
        path != NULL ? mur_config_load(&config, path, error) : mur_config_create(&config, error);
    char *const *assignment = mur_common.assignments;
    for (; status == MUR_OK && assignment != NULL && *assignment != NULL; assignment++) {
        status = mur_config_set(config, *assignment, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "--set %s", *assignment);
    }
    if (status == MUR_OK)
        status = set_text(config, "node.data_dir", mur_common.data_dir, "--data-dir", error);
    if (status == MUR_OK)
        status = set_text(config, "log.level", mur_common.log_level, "--log-level", error);
    if (status != MUR_OK)
        return status;
    if (mur_common.log_level == NULL && mur_common.verbosity != MUR_VERBOSITY_UNSET)
        config->log_level = (enum mur_log_level)mur_common.verbosity;
    *out = MUR_STEAL(config);
    return MUR_OK;
}

enum { OPTION_LIMIT = 128 };

static size_t add_options(const struct poptOption **out, size_t count,
                          const struct poptOption *options)
{
    for (; options->longName != NULL || options->shortName != '\0'; options++)
        if (options->longName != NULL && count < OPTION_LIMIT)
            out[count++] = options;
    return count;
}

/* "; did you mean -aet?": names are compared without their dashes and told with them. */
static void suggest_option(const char *given, const struct mur_cli_command *command)
{
    const struct poptOption *options[OPTION_LIMIT];
    const char *names[OPTION_LIMIT];
    size_t count = command != NULL ? add_options(options, 0, command->options) : 0;
    count = add_options(options, count, mur_common_options);
    for (size_t i = 0; i < count; i++)
        names[i] = options[i]->longName;
    size_t places[MUR_SUGGEST_COUNT];
    size_t found = mur_suggest_places(places, given + strspn(given, "-"), names, count);
    for (size_t i = 0; i < found; i++) {
        const struct poptOption *option = options[places[i]];
        const char *separator = i == 0 ? "; did you mean " : i + 1 == found ? " or " : ", ";
        bool one_dash = (option->argInfo & POPT_ARGFLAG_ONEDASH) != 0;
        (void)fprintf(stderr, "%s%s%s", separator, one_dash ? "-" : "--", option->longName);
    }
    if (found > 0)
        (void)fprintf(stderr, "?");
}

static int bad_option(poptContext context, int reason, const char *who,
                      const struct mur_cli_command *command)
{
    char option[SUGGESTION_SIZE];
    (void)snprintf(option, sizeof option, "%s", poptBadOption(context, 0));
    option[strcspn(option, "=")] = '\0';
    const char *space = who[0] != '\0' ? " " : "";
    (void)fprintf(stderr, "murpacs%s%s: %s: %s", space, who, option, poptStrerror(reason));
    if (reason == POPT_ERROR_BADOPT)
        suggest_option(option, command);
    (void)fprintf(stderr, "\nTry: murpacs help%s%s\n", space, who);
    return MUR_EXIT_USAGE;
}

static int print_text(const struct mur_cli *cli, enum mur_status status,
                      const struct mur_buffer *text, const struct mur_error *error)
{
    return status == MUR_OK ? mur_cli_print(cli, text) : mur_cli_fail(cli, error);
}

static int print_help(const struct mur_cli *cli, const struct mur_cli_command *command)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = command != NULL ? mur_help_command(&text, command, &error)
                                             : mur_help_program(&text, &error);
    return print_text(cli, status, &text, &error);
}

static int print_version(const struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_text(&text, "murpacs " MUR_VERSION "\n", &error);
    return print_text(cli, status, &text, &error);
}

/* @param group  of which it is no command, or NULL */
static int unknown_command(const char *name, const char *group)
{
    const char *names[64];
    size_t count = 0;
    size_t group_length = group != NULL ? strlen(group) : 0;
    for (size_t i = 0; i < mur_command_count && count < MUR_COUNT(names); i++) {
        if ((mur_commands[i].flags & MUR_COMMAND_HIDDEN) != 0)
            continue;
        size_t length = mur_cli_group_length(&mur_commands[i]);
        if (group == NULL)
            names[count++] = mur_commands[i].name;
        else if (length == group_length && memcmp(mur_commands[i].name, group, length) == 0)
            names[count++] = mur_commands[i].name + length + 1;
    }
    char near[SUGGESTION_SIZE];
    const char *space = group != NULL ? " " : "";
    const char *whose = group != NULL ? group : "";
    (void)fprintf(stderr, "murpacs%s%s: unknown command \"%s\"", space, whose, name);
    if (mur_suggest(near, sizeof near, name, names, count) > 0)
        (void)fprintf(stderr, "; did you mean %s?", near);
    (void)fprintf(stderr, "\nTry: murpacs help%s%s\n", space, whose);
    return MUR_EXIT_USAGE;
}

/* "murpacs isa" and what is no command of the group. */
static int run_group(const struct mur_cli *cli, const char *const *words, size_t count)
{
    if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)) {
        struct mur_error error = MUR_ERROR_INIT;
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        enum mur_status status = mur_help_group(&text, words[0], &error);
        return print_text(cli, status, &text, &error);
    }
    if (count > 1)
        return unknown_command(words[1], words[0]);
    (void)fprintf(stderr, "murpacs %s: which command?\nTry: murpacs help %s\n", words[0], words[0]);
    return MUR_EXIT_USAGE;
}

static int run_command(struct mur_cli *cli, const struct mur_cli_command *command)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_config) *config = NULL;
    if ((command->flags & MUR_COMMAND_NO_CONFIG) == 0) {
        if (mur_cli_load_config(&config, NULL, &error) != MUR_OK)
            return mur_cli_fail(cli, &error);
        mur_log_configure(config->log_level, config->log_format);
        cli->config = config;
    }
    return command->run(cli);
}

static int parse_and_run(const struct mur_cli_command *command, int argc, const char **argv)
{
    struct poptOption table[] = {
        {NULL, '\0', POPT_ARG_INCLUDE_TABLE, command->options, 0, NULL, NULL},
        {NULL, '\0', POPT_ARG_INCLUDE_TABLE, mur_common_options, 0, NULL, NULL},
        POPT_TABLEEND};
    AUTO_CONTEXT context = poptGetContext("murpacs", argc, argv, table, 0);
    int reason;
    do {
        reason = poptGetNextOpt(context);
    } while (reason >= 0);
    if (reason < -1)
        return bad_option(context, reason, command->name, command);
    struct mur_cli cli = {.command = command->name,
                          .arguments = (const char *const *)poptGetArgs(context),
                          .quiet = mur_common.verbosity == MUR_LOG_LEVEL_ERROR};
    while (cli.arguments != NULL && cli.arguments[cli.argument_count] != NULL)
        cli.argument_count++;
    if (mur_common.help != 0)
        return print_help(&cli, command);
    if (mur_common.version != 0)
        return print_version(&cli);
    return run_command(&cli, command);
}

int mur_cli_run(int argc, const char **argv)
{
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is one more kind of full disk */
    /* Options before the command are the common ones; the command's name ends them. */
    AUTO_CONTEXT context =
        poptGetContext("murpacs", argc, argv, mur_common_options, POPT_CONTEXT_POSIXMEHARDER);
    int reason;
    do {
        reason = poptGetNextOpt(context);
    } while (reason >= 0);
    if (reason < -1)
        return bad_option(context, reason, "", NULL);
    struct mur_cli cli = {.command = "help"};
    if (mur_common.help != 0)
        return print_help(&cli, NULL);
    if (mur_common.version != 0)
        return print_version(&cli);
    const char **rest = poptGetArgs(context);
    if (rest == NULL || rest[0] == NULL) {
        (void)fprintf(stderr, "murpacs: which command?\nTry: murpacs help\n");
        return MUR_EXIT_USAGE;
    }
    size_t count = 0;
    while (rest[count] != NULL)
        count++;
    size_t used = 0;
    const struct mur_cli_command *command =
        mur_cli_find_command(&used, (const char *const *)rest, count);
    if (command == NULL && mur_cli_is_group(rest[0]))
        return run_group(&cli, (const char *const *)rest, count);
    if (command == NULL)
        return unknown_command(rest[0], NULL);
    return parse_and_run(command, (int)(count - used + 1), rest + used - 1);
}
