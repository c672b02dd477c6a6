#include "isa/strings.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "isa/isa.h"

enum { BLOCK_SIZE = 256 * 1024, FIRST_SIZE = 1024 };

struct block {
    struct block *next;
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

struct mur_isa_strings {
    struct block *blocks;
    const char **texts; /* open addressing */
    size_t size;
    size_t used;
};

enum mur_status mur_isa_strings_create(struct mur_isa_strings **out, struct mur_error *error)
{
    struct mur_isa_strings *strings = calloc(1, sizeof *strings);
    if (strings == NULL)
        return mur_error_no_memory(error);
    strings->texts = calloc(FIRST_SIZE, sizeof *strings->texts);
    if (strings->texts == NULL) {
        free(strings);
        return mur_error_no_memory(error);
    }
    strings->size = FIRST_SIZE;
    *out = strings;
    return MUR_OK;
}

void mur_isa_strings_free(struct mur_isa_strings *strings)
{
    if (strings == NULL)
        return;
    while (strings->blocks != NULL) {
        struct block *next = strings->blocks->next;
        free(strings->blocks);
        strings->blocks = next;
    }
    free(strings->texts);
    free(strings);
}

static enum mur_status take(void **out, struct mur_isa_strings *strings, size_t length,
                            size_t alignment, struct mur_error *error)
{
    struct block *block = strings->blocks;
    size_t begin = 0;
    if (block != NULL) {
        begin = (block->used + alignment - 1) / alignment * alignment;
        if (begin > block->size || length > block->size - begin)
            block = NULL;
    }
    if (block == NULL) {
        if (length > SIZE_MAX / 2)
            return mur_error_no_memory(error);
        size_t size = length > BLOCK_SIZE / 4 ? length : BLOCK_SIZE;
        block = malloc(sizeof *block + size);
        if (block == NULL)
            return mur_error_no_memory(error);
        block->size = size;
        block->used = 0;
        begin = 0;
        if (size != BLOCK_SIZE && strings->blocks != NULL) {
            /* A large one goes behind the block that still has room. */
            block->next = strings->blocks->next;
            strings->blocks->next = block;
        } else {
            block->next = strings->blocks;
            strings->blocks = block;
        }
    }
    block->used = begin + length;
    *out = block->bytes + begin;
    return MUR_OK;
}

enum mur_status mur_isa_allocate(void *out, struct mur_isa_strings *strings, size_t count,
                                 size_t size, struct mur_error *error)
{
    if (size != 0 && count > SIZE_MAX / 2 / size)
        return mur_error_no_memory(error);
    void *memory = NULL;
    enum mur_status status = take(&memory, strings, count * size, _Alignof(max_align_t), error);
    if (status != MUR_OK)
        return status;
    memset(memory, 0, count * size);
    memcpy(out, &memory, sizeof memory);
    return MUR_OK;
}

static size_t find_slot(const struct mur_isa_strings *strings, struct mur_slice text)
{
    size_t slot = (size_t)mur_xxh64_of(text.data, text.length) & (strings->size - 1);
    while (strings->texts[slot] != NULL && !mur_slice_equal(text, strings->texts[slot]))
        slot = (slot + 1) & (strings->size - 1);
    return slot;
}

static enum mur_status grow(struct mur_isa_strings *strings, struct mur_error *error)
{
    struct mur_isa_strings larger = {.size = strings->size * 2};
    larger.texts = calloc(larger.size, sizeof *larger.texts);
    if (larger.texts == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < strings->size; i++)
        if (strings->texts[i] != NULL)
            larger.texts[find_slot(&larger, mur_slice_of(strings->texts[i]))] = strings->texts[i];
    free(strings->texts);
    strings->texts = larger.texts;
    strings->size = larger.size;
    return MUR_OK;
}

enum mur_status mur_isa_intern(const char **out, struct mur_isa_strings *strings,
                               struct mur_slice text, struct mur_error *error)
{
    if (text.length == 0) {
        *out = "";
        return MUR_OK;
    }
    size_t slot = find_slot(strings, text);
    if (strings->texts[slot] != NULL) {
        *out = strings->texts[slot];
        return MUR_OK;
    }
    if (strings->used >= strings->size / 4 * 3) {
        enum mur_status status = grow(strings, error);
        if (status != MUR_OK)
            return status;
        slot = find_slot(strings, text);
    }
    void *memory = NULL;
    enum mur_status status = take(&memory, strings, text.length + 1, 1, error);
    if (status != MUR_OK)
        return status;
    char *copy = memory;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    strings->texts[slot] = copy;
    strings->used++;
    *out = copy;
    return MUR_OK;
}

const char *mur_isa_find_interned(const struct mur_isa_strings *strings, struct mur_slice text)
{
    return text.length == 0 ? "" : strings->texts[find_slot(strings, text)];
}

void mur_isa_index_free(struct mur_isa_index *index)
{
    free(index->keys);
    free(index->values);
    index->keys = NULL;
    index->values = NULL;
    index->size = 0;
    index->used = 0;
}

static size_t index_slot(const struct mur_isa_index *index, const char *key)
{
    size_t slot = (size_t)((uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15) >> 16) & (index->size - 1);
    while (index->keys[slot] != NULL && index->keys[slot] != key)
        slot = (slot + 1) & (index->size - 1);
    return slot;
}

uint32_t mur_isa_index_get(const struct mur_isa_index *index, const char *key)
{
    if (index->size == 0 || key == NULL)
        return MUR_ISA_NONE;
    size_t slot = index_slot(index, key);
    return index->keys[slot] == NULL ? MUR_ISA_NONE : index->values[slot];
}

static enum mur_status grow_index(struct mur_isa_index *index, struct mur_error *error)
{
    struct mur_isa_index larger = {.strings = index->strings,
                                   .size = index->size == 0 ? 64 : index->size * 2,
                                   .used = index->used};
    larger.keys = calloc(larger.size, sizeof *larger.keys);
    larger.values = calloc(larger.size, sizeof *larger.values);
    if (larger.keys == NULL || larger.values == NULL) {
        mur_isa_index_free(&larger);
        return mur_error_no_memory(error);
    }
    for (size_t i = 0; i < index->size; i++) {
        if (index->keys[i] == NULL)
            continue;
        size_t slot = index_slot(&larger, index->keys[i]);
        larger.keys[slot] = index->keys[i];
        larger.values[slot] = index->values[i];
    }
    mur_isa_index_free(index);
    *index = larger;
    return MUR_OK;
}

enum mur_status mur_isa_index_put(struct mur_isa_index *index, const char *key, uint32_t value,
                                  struct mur_error *error)
{
    if (index->used >= index->size / 4 * 3) {
        enum mur_status status = grow_index(index, error);
        if (status != MUR_OK)
            return status;
    }
    size_t slot = index_slot(index, key);
    if (index->keys[slot] == NULL) {
        index->keys[slot] = key;
        index->used++;
    }
    index->values[slot] = value;
    return MUR_OK;
}
