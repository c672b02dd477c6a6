/** SIGINT and SIGTERM as a request that long work looks at. One of them; a second ends at once. */
#ifndef MUR_CLI_INTERRUPT_H
#define MUR_CLI_INTERRUPT_H

#include <stdbool.h>

/** Catches both from now on. @return what becomes true; lives as long as the program */
const bool *mur_cli_catch_interrupts(void);

#endif
