/**
 * What the commands of `murpacs` share. A command is one row in commands.def and one file
 * cmd_IDENTIFIER.c with its option table and its function; main does the rest: parsing, help, man
 * page, completion, configuration, log level. Commands whose names have two words ("isa check")
 * stand together as a group.
 *
 * Commands parse and print and call the rooms below, nothing else.
 */
#ifndef MUR_CLI_CLI_H
#define MUR_CLI_CLI_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/config.h"
#include "core/error.h"

/** Exit codes: DCMTK's table (ofexit.h), so that scripts written for its tools work. */
enum mur_exit {
    MUR_EXIT_OK = 0,
    MUR_EXIT_USAGE = 1,          /**< wrong option, argument or configuration */
    MUR_EXIT_PRIVILEGES = 2,     /**< not permitted */
    MUR_EXIT_MEMORY = 4,         /**< out of memory */
    MUR_EXIT_INPUT_READ = 20,    /**< an input cannot be read */
    MUR_EXIT_INPUT_NONE = 21,    /**< there is no input */
    MUR_EXIT_INPUT_INVALID = 22, /**< an input is wrong */
    MUR_EXIT_OUTPUT = 40,        /**< an output cannot be written */
    MUR_EXIT_INTERNAL = 50,      /**< a defect of ours, or damaged data of ours */
    MUR_EXIT_BUSY = 51,          /**< somebody else holds it */
    MUR_EXIT_CANCELLED = 52,     /**< stopped by request */
    MUR_EXIT_NETWORK = 60,       /**< no connection, or it broke */
    MUR_EXIT_TIMEOUT = 61,       /**< the peer did not answer in time */
};

/** The invocation as main hands it to a command. Everything is borrowed. */
struct mur_cli {
    const char *command;          /**< "config" */
    const char *const *arguments; /**< what is neither option nor option's argument */
    size_t argument_count;
    /** Defaults, file, --set, --data-dir and --log-level in this order; NULL for commands marked
     * MUR_COMMAND_NO_CONFIG. */
    struct mur_config *config;
    bool quiet; /**< -q: errors only */
};

enum mur_command_flags {
    MUR_COMMAND_PLAIN = 0,
    MUR_COMMAND_NO_CONFIG = 1, /**< works although the configuration is wrong */
    MUR_COMMAND_HIDDEN = 2,    /**< not in help, man page and completion */
};

/** A row of commands.def. */
struct mur_cli_command {
    const char *name;                /**< one word, or two: "isa check" */
    const char *arguments;           /**< "DATASET_DIR", for the usage line */
    const char *summary;             /**< one line, no full stop */
    const char *details;             /**< sentences for help and man page; may be "" */
    struct poptOption *options;      /**< the command's own, ended by POPT_TABLEEND */
    int (*run)(struct mur_cli *cli); /**< returns the exit code */
    enum mur_command_flags flags;
};

extern const struct mur_cli_command mur_commands[];
extern const size_t mur_command_count;

/* struct poptOption mur_config_options[]; int mur_command_config(struct mur_cli *cli); ... */
#define MUR_COMMAND(identifier, name, arguments, summary, details, flags)                          \
    extern struct poptOption mur_##identifier##_options[];                                         \
    int mur_command_##identifier(struct mur_cli *cli);
#include "cli/commands.def"

/** The whole program but for main(): @return the exit code. */
int mur_cli_run(int argc, const char **argv);

/** The configuration as the common options say (see struct mur_cli), for MUR_COMMAND_NO_CONFIG
 * commands. @param path  instead of --config and the search; NULL for these
 * @param[out] out  the caller's, mur_config_free() */
MUR_NODISCARD
enum mur_status mur_cli_load_config(struct mur_config **out, const char *path,
                                    struct mur_error *error);

/** Prints "murpacs COMMAND: message" on stderr, and the option that would help, if there is one.
 * @return the exit code that suits the status */
int mur_cli_fail(const struct mur_cli *cli, const struct mur_error *error);
/** Prints the same for a wrong argument, with how to get help. @return MUR_EXIT_USAGE */
int mur_cli_usage(const struct mur_cli *cli, const char *format, ...) MUR_PRINTF(2, 3);
enum mur_exit mur_exit_of_status(enum mur_status status);

/** Before an output is written over what is there.
 * @retval MUR_INVALID  @p output is one of @p inputs, which would be lost */
MUR_NODISCARD
enum mur_status mur_cli_spare_inputs(const char *output, const char *const *inputs, size_t count,
                                     struct mur_error *error);

/** Writes to stdout and flushes. @return MUR_EXIT_OK, or MUR_EXIT_OUTPUT with a message */
int mur_cli_print(const struct mur_cli *cli, const struct mur_buffer *text);

/* Text made from the table (help.c). */
MUR_NODISCARD
enum mur_status mur_help_program(struct mur_buffer *out, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_help_command(struct mur_buffer *out, const struct mur_cli_command *command,
                                 struct mur_error *error);
/** docs/man/murpacs.1 */
MUR_NODISCARD
enum mur_status mur_help_man(struct mur_buffer *out, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_help_completion_bash(struct mur_buffer *out, struct mur_error *error);
/** All commands of a group, such as "isa". */
MUR_NODISCARD
enum mur_status mur_help_group(struct mur_buffer *out, const char *group, struct mur_error *error);

/** The command whose name @p words begin with. @param[out] used  words of its name; valid unless
 * NULL is returned, which says that there is none */
const struct mur_cli_command *mur_cli_find_command(size_t *used, const char *const *words,
                                                   size_t count);
/** Length of the first word of a command's name if other words follow, else 0: "isa check" is of
 * the group "isa". */
size_t mur_cli_group_length(const struct mur_cli_command *command);
bool mur_cli_is_group(const char *name);

/** The options that every command has (options.c). */
extern struct poptOption mur_common_options[];

#endif
