/** "Did you mean": the nearest of the names that would have been right. Threads: any. */
#ifndef MUR_CORE_SUGGEST_H
#define MUR_CORE_SUGGEST_H

#include <stddef.h>

/** Number of letters to insert, drop, exchange or swap with their neighbour to make one of the
 * other; texts beyond 64 bytes count as far. Case does not matter. */
size_t mur_text_distance(const char *a, const char *b);

enum { MUR_SUGGEST_COUNT = 3 };
/** The places of the nearest candidates, nearest first. @return how many, up to MUR_SUGGEST_COUNT
 */
size_t mur_suggest_places(size_t out[MUR_SUGGEST_COUNT], const char *given,
                          const char *const *candidates, size_t count);
/** Writes "a, b or c": up to MUR_SUGGEST_COUNT of the candidates, nearest first; "" when none is
 * near. @return how many */
size_t mur_suggest(char *out, size_t size, const char *given, const char *const *candidates,
                   size_t count);

#endif
