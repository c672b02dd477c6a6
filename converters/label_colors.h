/**
 * @file
 * Colours for labels that nobody gave one.
 */
#ifndef MUR_CONVERTERS_LABEL_COLORS_H
#define MUR_CONVERTERS_LABEL_COLORS_H

#include <stdint.h>

/** Colours of values that follow each other are far apart; the eleventh is the first again. */
void mur_label_color(uint8_t rgb[3], uint32_t value);

#endif
