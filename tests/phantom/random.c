#include "tests/phantom/random.h"

uint64_t random_mix(uint64_t seed, uint64_t value)
{
    /* splitmix64's finaliser; never 0, so that the result can start an xorshift */
    uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15) * (value + 1);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

uint64_t random_mix_text(uint64_t seed, const char *text)
{
    uint64_t x = seed;
    for (const char *c = text; *c != '\0'; c++)
        x = random_mix(x, (uint64_t)(unsigned char)*c);
    return x;
}

double random_between(uint64_t *state, double low, double high)
{
    uint64_t x = random_next(state) * UINT64_C(0x2545f4914f6cdd1d);
    return low + (high - low) * ((double)(x >> 11) * 0x1p-53);
}
