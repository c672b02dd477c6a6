/**
 * The memory of an archive: blocks that are freed together, and texts kept once each, so that equal
 * texts are equal pointers. Private to isa/. Threads: one at a time.
 */
#ifndef MUR_ISA_STRINGS_H
#define MUR_ISA_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "core/text.h"

struct mur_isa_strings;

MUR_NODISCARD
enum mur_status mur_isa_strings_create(struct mur_isa_strings **out, struct mur_error *error);
void mur_isa_strings_free(struct mur_isa_strings *strings);
MUR_DEFINE_AUTO(mur_isa_strings, mur_isa_strings_free)

/** Zeroed memory for @p count things of @p size; it lives as long as @p strings. */
MUR_NODISCARD
enum mur_status mur_isa_allocate(void *out, struct mur_isa_strings *strings, size_t count,
                                 size_t size, struct mur_error *error);

/** The one copy of @p text. */
MUR_NODISCARD
enum mur_status mur_isa_intern(const char **out, struct mur_isa_strings *strings,
                               struct mur_slice text, struct mur_error *error);
/** The one copy, or NULL when nobody interned it. */
const char *mur_isa_find_interned(const struct mur_isa_strings *strings, struct mur_slice text);

/** From interned texts to numbers. */
struct mur_isa_index {
    const struct mur_isa_strings *strings;
    const char **keys;
    uint32_t *values;
    size_t size; /* a power of two; 0 while empty */
    size_t used;
};

void mur_isa_index_free(struct mur_isa_index *index); /**< leaves it empty */
/** @param key  interned. @return MUR_ISA_NONE when absent */
uint32_t mur_isa_index_get(const struct mur_isa_index *index, const char *key);
MUR_NODISCARD
enum mur_status mur_isa_index_put(struct mur_isa_index *index, const char *key, uint32_t value,
                                  struct mur_error *error);

#endif
