/**
 * Which option of a command answers what a conversion was refused for: the library says what would
 * help (converters/remedy.h), the command knows the option. Threads: any.
 */
#ifndef MUR_CLI_REMEDIES_H
#define MUR_CLI_REMEDIES_H

/** "--allow-gaps: ..."; NULL where the command has no option for it. */
const char *mur_cli_remedy(const char *command, int remedy);

#endif
