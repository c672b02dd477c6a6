/** What the common options said. Private to cli.c and options.c. */
#ifndef MUR_CLI_OPTIONS_H
#define MUR_CLI_OPTIONS_H

#include "core/log.h"

/** popt writes here: one program run has one command line. */
struct mur_common {
    char *config_path;
    char **assignments; /**< each --set, in their order; NULL-terminated, or NULL */
    char *data_dir;
    char *log_level;
    int verbosity; /**< a level of mur_log_level, or MUR_VERBOSITY_UNSET */
    int help;
    int version;
};

enum { MUR_VERBOSITY_UNSET = -1 };

extern struct mur_common mur_common;

#endif
