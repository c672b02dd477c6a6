/**
 * Ownership that shows in the declaration: MUR_AUTO frees at the end of the scope, MUR_STEAL hands
 * out. Each type says MUR_DEFINE_AUTO(type, type_free) once, where type_free() accepts NULL.
 */
#ifndef MUR_CORE_OWN_H
#define MUR_CORE_OWN_H

#include <stdlib.h>
#include <unistd.h>

#define MUR_DEFINE_AUTO(type, free_function)                                                       \
    static inline void type##_auto_free(struct type **pointer)                                     \
    {                                                                                              \
        free_function(*pointer);                                                                   \
    }

/** MUR_AUTO(mur_dataset) *response = NULL; is freed on every return. */
#define MUR_AUTO(type) __attribute__((cleanup(type##_auto_free))) struct type

static inline void mur_auto_free_memory(void *pointer)
{
    free(*(void **)pointer);
}
/** MUR_AUTO_FREE char *text = NULL; for memory from malloc(). */
#define MUR_AUTO_FREE __attribute__((cleanup(mur_auto_free_memory)))

static inline void mur_auto_close(const int *descriptor)
{
    if (*descriptor >= 0)
        (void)close(*descriptor);
}
/** MUR_AUTO_CLOSE int fd = -1; */
#define MUR_AUTO_CLOSE __attribute__((cleanup(mur_auto_close)))

/** Yields the pointer and leaves NULL behind: it is the receiver's now. */
#define MUR_STEAL(pointer)                                                                         \
    __extension__({                                                                                \
        __typeof__(pointer) stolen_ = (pointer);                                                   \
        (pointer) = NULL;                                                                          \
        stolen_;                                                                                   \
    })

/** Likewise for a descriptor: leaves -1 behind. */
static inline int mur_steal_descriptor(int *descriptor)
{
    int stolen = *descriptor;
    *descriptor = -1;
    return stolen;
}

#define MUR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
