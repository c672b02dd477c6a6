#include "cli/options.h"
#include "cli/cli.h"

struct mur_common mur_common = {.verbosity = MUR_VERBOSITY_UNSET};

struct poptOption mur_common_options[] = {
    {"config", '\0', POPT_ARG_STRING, &mur_common.config_path, 0,
     "configuration file, instead of /etc/murpacs/murpacs.cfg", "FILE"},
    {"set", '\0', POPT_ARG_ARGV, &mur_common.assignments, 0,
     "override one key of the configuration; may be repeated", "KEY=VALUE"},
    {"data-dir", '\0', POPT_ARG_STRING, &mur_common.data_dir, 0,
     "where the archive lies: node.data_dir", "DIR"},
    {"log-level", '\0', POPT_ARG_STRING, &mur_common.log_level, 0,
     "error, warning, info, debug or trace", "LEVEL"},
    {"verbose", 'v', POPT_ARG_VAL, &mur_common.verbosity, MUR_LOG_LEVEL_INFO, "log at level info",
     NULL},
    {"debug", 'd', POPT_ARG_VAL, &mur_common.verbosity, MUR_LOG_LEVEL_DEBUG, "log at level debug",
     NULL},
    {"quiet", 'q', POPT_ARG_VAL, &mur_common.verbosity, MUR_LOG_LEVEL_ERROR,
     "log errors only, print no progress", NULL},
    {"help", 'h', POPT_ARG_NONE, &mur_common.help, 0, "explain and end", NULL},
    {"version", '\0', POPT_ARG_NONE, &mur_common.version, 0, "print the version and end", NULL},
    POPT_TABLEEND};
