#ifndef TESTS_PHANTOM_CONTRAST_H
#define TESTS_PHANTOM_CONTRAST_H

#include "tests/phantom/anatomy.h"

#include <stdbool.h>

/** What a scanner sees: tissue to CT number, or to MR signal by the usual signal equations. */

enum sequence { CT_SCAN, SPIN_ECHO, GRADIENT_ECHO, WATER_IMAGE, FAT_IMAGE };

struct acquisition {
    enum sequence sequence;
    double agent;  /* 0 native; else how much contrast agent is in the blood */
    double uptake; /* 0..1: share of the agent that the liver's cells have taken up */
    double noise;  /* CT: Hounsfield units; MR: part of the full signal */
    double tr_ms;  /* MR only, from here on */
    double te_ms;
    double flip_degrees;
    double b_value; /* s/mm2, 0 without diffusion weighting */
};

/** What a disease does to the liver's look. */
struct liver_state {
    double fat;      /* fat fraction 0..0.4 */
    double fibrosis; /* 0..1: uneven texture */
};

/** Value of each tissue, and how much its unevenness counts. */
struct contrast {
    float value[TISSUE_COUNT];
    float unevenness[TISSUE_COUNT];
    float noise;
    bool is_ct;
};

struct contrast contrast_make(const struct acquisition *acquisition,
                              const struct liver_state *liver);

/**
 * Makes the slice's image: CT numbers in HU, or MR signal where 1 is full scale. Blurs by the
 * scanner's resolution, adds the coil's shading (MR) and noise.
 * @param scratch  as many floats as @p out
 */
void contrast_render_slice(float *out, float *scratch, const struct contrast *contrast,
                           const uint8_t *tissues, const float *texture, const unsigned size[2],
                           uint64_t noise_seed);

#endif
