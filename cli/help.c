#include "cli/cli.h"

#include <string.h>

#include "core/own.h"
#include "core/text.h"

enum { OPTION_COLUMN = 26, LINE_COLUMNS = 80 };

static bool is_shown(const struct mur_cli_command *command)
{
    return (command->flags & MUR_COMMAND_HIDDEN) == 0;
}

static bool is_end(const struct poptOption *option)
{
    return option->longName == NULL && option->shortName == '\0';
}

static bool is_hidden_option(const struct poptOption *option)
{
    return (option->argInfo & POPT_ARGFLAG_DOC_HIDDEN) != 0;
}

/* DCMTK's way: one dash before a long name. */
static const char *dashes(const struct poptOption *option)
{
    return (option->argInfo & POPT_ARGFLAG_ONEDASH) != 0 ? "-" : "--";
}

/* "-v, --verbose", "--config FILE" */
static enum mur_status write_option_name(struct mur_buffer *out, const struct poptOption *option,
                                         struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (option->shortName != '\0')
        status = mur_buffer_append_format(out, error, "-%c%s", option->shortName,
                                          option->longName != NULL ? ", " : "");
    if (status == MUR_OK && option->longName != NULL)
        status = mur_buffer_append_format(out, error, "%s%s", dashes(option), option->longName);
    if (status == MUR_OK && option->argDescrip != NULL)
        status = mur_buffer_append_format(out, error, " %s", option->argDescrip);
    return status;
}

/* Words of @p text, each line indented; the first line goes on where the buffer's last one is. */
static enum mur_status write_wrapped(struct mur_buffer *out, const char *text, size_t column,
                                     size_t indent, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    bool first = true;
    while (status == MUR_OK && *text != '\0') {
        size_t length = strcspn(text, " ");
        size_t width = mur_utf8_count((struct mur_slice){.data = text, .length = length});
        if (!first && column + 1 + width > LINE_COLUMNS) {
            status = mur_buffer_append_format(out, error, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        if (status == MUR_OK && !first)
            status = mur_buffer_append_text(out, " ", error);
        if (status == MUR_OK)
            status = mur_buffer_append(out, text, length, error);
        column += width + (first ? 0 : 1);
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

static enum mur_status write_option(struct mur_buffer *out, const struct poptOption *option,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer name = MUR_BUFFER_INIT;
    enum mur_status status = write_option_name(&name, option, error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(out, error, "  %-*s", OPTION_COLUMN - 2,
                                          mur_buffer_text(&name));
    if (status == MUR_OK && name.length >= OPTION_COLUMN - 2)
        status = mur_buffer_append_format(out, error, "\n%*s", OPTION_COLUMN, "");
    if (status != MUR_OK)
        return status;
    return write_wrapped(out, option->descrip, OPTION_COLUMN, OPTION_COLUMN, error);
}

static enum mur_status write_options(struct mur_buffer *out, const char *title,
                                     const struct poptOption *options, struct mur_error *error)
{
    if (is_end(options))
        return MUR_OK;
    enum mur_status status = mur_buffer_append_format(out, error, "\n%s:\n", title);
    for (; status == MUR_OK && !is_end(options); options++)
        if (!is_hidden_option(options))
            status = write_option(out, options, error);
    return status;
}

enum mur_status mur_help_program(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_text(out,
                               "murpacs " MUR_VERSION ": " MUR_DESCRIPTION "\n\n"
                               "Usage: murpacs COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n",
                               error);
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++)
        if (is_shown(&mur_commands[i]))
            status = mur_buffer_append_format(out, error, "  %-*s%s\n", OPTION_COLUMN - 2,
                                              mur_commands[i].name, mur_commands[i].summary);
    if (status == MUR_OK)
        status = write_options(out, "Options of every command", mur_common_options, error);
    if (status != MUR_OK)
        return status;
    return mur_buffer_append_text(out, "\n\"murpacs help COMMAND\" explains a command.\n", error);
}

enum mur_status mur_help_group(struct mur_buffer *out, const char *group, struct mur_error *error)
{
    size_t length = strlen(group);
    enum mur_status status = mur_buffer_append_format(
        out, error, "Usage: murpacs %s COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n", group);
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++) {
        const struct mur_cli_command *command = &mur_commands[i];
        if (is_shown(command) && mur_cli_group_length(command) == length &&
            memcmp(command->name, group, length) == 0)
            status = mur_buffer_append_format(out, error, "  %-*s%s\n", OPTION_COLUMN - 2,
                                              command->name + length + 1, command->summary);
    }
    if (status != MUR_OK)
        return status;
    return mur_buffer_append_format(out, error,
                                    "\n\"murpacs help %s COMMAND\" explains a command.\n", group);
}

enum mur_status mur_help_command(struct mur_buffer *out, const struct mur_cli_command *command,
                                 struct mur_error *error)
{
    enum mur_status status = mur_buffer_append_format(
        out, error, "murpacs %s: %s\n\nUsage: murpacs %s [OPTION...]%s%s\n", command->name,
        command->summary, command->name, command->arguments[0] != '\0' ? " " : "",
        command->arguments);
    if (status == MUR_OK && command->details[0] != '\0')
        status = mur_buffer_append_text(out, "\n", error);
    if (status == MUR_OK && command->details[0] != '\0')
        status = write_wrapped(out, command->details, 0, 0, error);
    if (status == MUR_OK)
        status = write_options(out, "Options", command->options, error);
    if (status == MUR_OK)
        status = write_options(out, "Options of every command", mur_common_options, error);
    return status;
}

/* Text for troff: its escape character and its minus, and no line may begin with a dot or quote. */
static enum mur_status write_troff(struct mur_buffer *out, const char *text,
                                   struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (*text == '.' || *text == '\'')
        status = mur_buffer_append_text(out, "\\&", error);
    for (; status == MUR_OK && *text != '\0'; text++) {
        if (*text == '\\')
            status = mur_buffer_append_text(out, "\\e", error);
        else if (*text == '-')
            status = mur_buffer_append_text(out, "\\-", error);
        else
            status = mur_buffer_append(out, text, 1, error);
    }
    return status;
}

static enum mur_status write_troff_line(struct mur_buffer *out, const char *before,
                                        const char *text, struct mur_error *error)
{
    enum mur_status status = mur_buffer_append_text(out, before, error);
    if (status == MUR_OK)
        status = write_troff(out, text, error);
    return status == MUR_OK ? mur_buffer_append_text(out, "\n", error) : status;
}

static enum mur_status write_man_options(struct mur_buffer *out, const struct poptOption *options,
                                         struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (; status == MUR_OK && !is_end(options); options++) {
        if (is_hidden_option(options))
            continue;
        MUR_AUTO_BUFFER struct mur_buffer name = MUR_BUFFER_INIT;
        status = write_option_name(&name, options, error);
        if (status == MUR_OK)
            status = write_troff_line(out, ".TP\n.B ", mur_buffer_text(&name), error);
        if (status == MUR_OK)
            status = write_troff_line(out, "", options->descrip, error);
    }
    return status;
}

static enum mur_status write_man_command(struct mur_buffer *out,
                                         const struct mur_cli_command *command,
                                         struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer usage = MUR_BUFFER_INIT;
    enum mur_status status =
        mur_buffer_append_format(&usage, error, "murpacs %s [OPTION...]%s%s", command->name,
                                 command->arguments[0] != '\0' ? " " : "", command->arguments);
    if (status == MUR_OK)
        status = write_troff_line(out, ".SS ", mur_buffer_text(&usage), error);
    if (status == MUR_OK)
        status = write_troff_line(out, "", command->summary, error);
    if (status == MUR_OK && command->details[0] != '\0')
        status = write_troff_line(out, ".PP\n", command->details, error);
    return status == MUR_OK ? write_man_options(out, command->options, error) : status;
}

enum mur_status mur_help_man(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status = mur_buffer_append_text(
        out,
        ".\\\" Made by \"murpacs help --man\" from cli/commands.def and the option tables.\n"
        ".TH MURPACS 1 \"\" \"Murpacs " MUR_VERSION "\" \"Murpacs\"\n"
        ".SH NAME\nmurpacs \\- " MUR_DESCRIPTION "\n"
        ".SH SYNOPSIS\n.B murpacs\nCOMMAND [OPTION...] [ARGUMENT...]\n"
        ".SH COMMANDS\n",
        error);
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++)
        if (is_shown(&mur_commands[i]))
            status = write_man_command(out, &mur_commands[i], error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(out, ".SH OPTIONS OF EVERY COMMAND\n", error);
    if (status == MUR_OK)
        status = write_man_options(out, mur_common_options, error);
    if (status != MUR_OK)
        return status;
    return mur_buffer_append_text(
        out,
        ".SH FILES\n.TP\n.I /etc/murpacs/murpacs.cfg\nThe configuration, if \\-\\-config names no "
        "other; of a program X/bin/murpacs first X/etc/murpacs/murpacs.cfg.\nEvery key has a "
        "default: see murpacs config \\-\\-print\\-default.\n"
        ".SH EXIT STATUS\n"
        ".TP\n0\nsuccess\n"
        ".TP\n1\nwrong option, argument or configuration\n"
        ".TP\n2\nnot permitted\n"
        ".TP\n4\nout of memory\n"
        ".TP\n20 to 29\nan input cannot be read, is absent or is wrong\n"
        ".TP\n40 to 49\nan output cannot be written\n"
        ".TP\n50\na defect, or damaged data of the archive\n"
        ".TP\n51\nsomebody else holds it: an archive, a state file, a port\n"
        ".TP\n52\nstopped by request (Ctrl\\-C)\n"
        ".TP\n60\nno connection, or it broke; the peer rejected the association, or broke the "
        "protocol\n"
        ".TP\n61\nthe peer did not answer in time\n"
        ".TP\n66\nthe peer does not offer the service: it refused every presentation context\n"
        ".TP\n68\ndone, but not all of it\n"
        ".TP\n69\nthe peer answers with a failure, or took nothing\n"
        ".PP\nThey are in the ranges of DCMTK's table (ofexit.h). Exit codes of murpacs import, "
        "isa apply, isa check, isa map and isa show are their own.\n",
        error);
}

static enum mur_status write_completion_words(struct mur_buffer *out,
                                              const struct poptOption *options,
                                              struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (; status == MUR_OK && !is_end(options); options++) {
        if (is_hidden_option(options))
            continue;
        if (options->longName != NULL)
            status =
                mur_buffer_append_format(out, error, " %s%s", dashes(options), options->longName);
        if (status == MUR_OK && options->shortName != '\0')
            status = mur_buffer_append_format(out, error, " -%c", options->shortName);
    }
    return status;
}

/* The first words of all commands, each once: commands of a group stand together. */
static enum mur_status write_completion_commands(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    const struct mur_cli_command *before = NULL;
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++) {
        const struct mur_cli_command *command = &mur_commands[i];
        if (!is_shown(command))
            continue;
        size_t length = mur_cli_group_length(command);
        if (length == 0)
            length = strlen(command->name);
        else if (before != NULL && mur_cli_group_length(before) == length &&
                 memcmp(before->name, command->name, length) == 0)
            continue;
        status = mur_buffer_append_format(out, error, " %.*s", (int)length, command->name);
        before = command;
    }
    return status;
}

/* The second words of a group, as a line of the shell's case. */
static enum mur_status write_completion_group(struct mur_buffer *out, const char *group,
                                              size_t length, struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_format(out, error, "        %.*s) second=\"", (int)length, group);
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++) {
        const struct mur_cli_command *command = &mur_commands[i];
        if (is_shown(command) && mur_cli_group_length(command) == length &&
            memcmp(command->name, group, length) == 0)
            status = mur_buffer_append_format(out, error, " %s", command->name + length + 1);
    }
    return status == MUR_OK ? mur_buffer_append_text(out, "\" ;;\n", error) : status;
}

static enum mur_status write_completion_groups(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    const struct mur_cli_command *before = NULL;
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++) {
        const struct mur_cli_command *command = &mur_commands[i];
        size_t length = mur_cli_group_length(command);
        bool again = before != NULL && mur_cli_group_length(before) == length &&
                     memcmp(before->name, command->name, length) == 0;
        if (!is_shown(command) || length == 0 || again)
            continue;
        status = write_completion_group(out, command->name, length, error);
        before = command;
    }
    return status;
}

enum mur_status mur_help_completion_bash(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_text(out,
                               "# bash completion of murpacs; made by \"murpacs completion bash\"\n"
                               "_murpacs()\n{\n"
                               "    local word=${COMP_WORDS[COMP_CWORD]} common=\"",
                               error);
    if (status == MUR_OK)
        status = write_completion_words(out, mur_common_options, error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(out, "\" commands=\"", error);
    if (status == MUR_OK)
        status = write_completion_commands(out, error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(
            out,
            "\"\n"
            "    local words=\"\" second=\"\" first=1\n"
            "    COMPREPLY=()\n"
            "    [[ ${COMP_WORDS[1]} == help ]] && first=2\n"
            "    if ((COMP_CWORD == 1)); then\n"
            "        COMPREPLY=($(compgen -W \"$commands --help --version\" -- \"$word\"))\n"
            "        return\n"
            "    fi\n"
            "    if ((COMP_CWORD == first)) && [[ $word != -* ]]; then\n"
            "        COMPREPLY=($(compgen -W \"$commands\" -- \"$word\"))\n"
            "        return\n"
            "    fi\n"
            "    if ((COMP_CWORD == first + 1)); then\n"
            "        case ${COMP_WORDS[first]} in\n",
            error);
    if (status == MUR_OK)
        status = write_completion_groups(out, error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(
            out,
            "        esac\n"
            "        if [[ -n $second ]]; then\n"
            "            COMPREPLY=($(compgen -W \"$second\" -- \"$word\"))\n"
            "            return\n"
            "        fi\n"
            "    fi\n"
            "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
            error);
    for (size_t i = 0; status == MUR_OK && i < mur_command_count; i++) {
        const struct mur_cli_command *command = &mur_commands[i];
        if (!is_shown(command) || is_end(command->options))
            continue;
        status = mur_buffer_append_format(out, error, "    \"%s%s) words=\"", command->name,
                                          mur_cli_group_length(command) == 0 ? " \"*" : "\"");
        if (status == MUR_OK)
            status = write_completion_words(out, command->options, error);
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, "\" ;;\n", error);
    }
    if (status != MUR_OK)
        return status;
    return mur_buffer_append_text(out,
                                  "    esac\n"
                                  "    if [[ $word == -* ]]; then\n"
                                  "        COMPREPLY=($(compgen -W \"$words $common\" -- "
                                  "\"$word\"))\n"
                                  "    else\n"
                                  "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                                  "    fi\n"
                                  "}\n"
                                  "complete -o filenames -F _murpacs murpacs\n",
                                  error);
}
