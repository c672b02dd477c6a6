/** Storing (STOW-RS, PS3.18 10.5). Internal to web/. Threads: see web/exchange.h. */
#ifndef MUR_WEB_STOW_H
#define MUR_WEB_STOW_H

#include "web/exchange.h"

extern const struct mur_receiver mur_stow_receiver;

#endif
