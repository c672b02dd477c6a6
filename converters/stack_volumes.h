/**
 * How planes of one orientation become volumes: their order along the normal, volumes at the same
 * positions, even steps. Used by image_stacks.c alone. Threads: any.
 */
#ifndef MUR_CONVERTERS_STACK_VOLUMES_H
#define MUR_CONVERTERS_STACK_VOLUMES_H

#include <stdbool.h>
#include <stddef.h>

#include "converters/image_stacks.h"

/** Takes over the stack with its planes. */
typedef enum mur_status mur_stack_made(void *user, struct mur_image_stack *stack,
                                       struct mur_error *error);

/** @param[in,out] planes  sorted in place; borrowed for the call
 * @retval as mur_image_set_arrange() */
MUR_NODISCARD
enum mur_status mur_stack_planes(const struct mur_image_plane **planes, size_t count,
                                 const struct mur_image_set *set, bool allow_gaps,
                                 mur_stack_made *made, void *user, struct mur_warnings *warnings,
                                 struct mur_error *error);

#endif
