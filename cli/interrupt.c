#include "cli/interrupt.h"

#include <signal.h>

static bool interrupted;

static void on_interrupt(int number)
{
    (void)number;
    __atomic_store_n(&interrupted, true, __ATOMIC_RELAXED);
}

const bool *mur_cli_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    return &interrupted;
}
