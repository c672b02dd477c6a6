#include "core/suggest.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LENGTH_LIMIT = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int lower(char c)
{
    return tolower((unsigned char)c);
}

/* Optimal string alignment, three rows at a time. */
size_t mur_text_distance(const char *a, const char *b)
{
    size_t rows = strlen(a);
    size_t columns = strlen(b);
    if (rows > LENGTH_LIMIT || columns > LENGTH_LIMIT)
        return SIZE_MAX;
    size_t table[3][LENGTH_LIMIT + 1];
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t *row = table[i % 3];
        const size_t *above = table[(i + 2) % 3];
        const size_t *two_above = table[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t exchange = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + exchange);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return table[rows % 3][columns];
}

size_t mur_suggest_places(size_t out[MUR_SUGGEST_COUNT], const char *given,
                          const char *const *candidates, size_t count)
{
    size_t distances[MUR_SUGGEST_COUNT];
    size_t found = 0;
    size_t bound = strlen(given) / 4 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = mur_text_distance(given, candidates[i]);
        if (distance > bound)
            continue;
        size_t at = found < MUR_SUGGEST_COUNT ? found++ : MUR_SUGGEST_COUNT;
        for (; at > 0 && distances[at - 1] > distance; at--)
            if (at < MUR_SUGGEST_COUNT) {
                out[at] = out[at - 1];
                distances[at] = distances[at - 1];
            }
        if (at < MUR_SUGGEST_COUNT) {
            out[at] = i;
            distances[at] = distance;
        }
    }
    return found;
}

size_t mur_suggest(char *out, size_t size, const char *given, const char *const *candidates,
                   size_t count)
{
    size_t places[MUR_SUGGEST_COUNT];
    size_t found = mur_suggest_places(places, given, candidates, count);
    out[0] = '\0';
    for (size_t i = 0; i < found; i++) {
        size_t used = strlen(out);
        const char *separator = i == 0 ? "" : i + 1 == found ? " or " : ", ";
        (void)snprintf(out + used, size - used, "%s%s", separator, candidates[places[i]]);
    }
    return found;
}
