#ifndef TESTS_PHANTOM_RANDOM_H
#define TESTS_PHANTOM_RANDOM_H

#include <stdint.h>

/**
 * Random numbers that depend on the seed alone: every animal, session and slice gets its own seed
 * derived from names, so that the order in which threads work cannot change a byte.
 */

/** Derives a new seed from @p seed and a number. */
uint64_t random_mix(uint64_t seed, uint64_t value);

/** Derives a new seed from @p seed and a text. */
uint64_t random_mix_text(uint64_t seed, const char *text);

/** Uniform in [low, high); advances @p state. */
double random_between(uint64_t *state, double low, double high);

/** xorshift64: @p state must not be 0. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

/** Approximately normal, mean 0, deviation 1: the sum of a word's eight bytes (limits +-4.9). */
static inline float random_normal(uint64_t *state)
{
    uint64_t x = random_next(state) * UINT64_C(0x2545f4914f6cdd1d);
    uint64_t pairs = (x & UINT64_C(0x00ff00ff00ff00ff)) + ((x >> 8) & UINT64_C(0x00ff00ff00ff00ff));
    uint64_t sum = (pairs * UINT64_C(0x0001000100010001)) >> 48;
    return ((float)sum - 1020.0F) * (1.0F / 209.02F);
}

#endif
