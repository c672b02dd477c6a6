/** Names of the files that stacks become in a folder. Threads: any. */
#ifndef MUR_CONVERTERS_DICOM_NAMES_H
#define MUR_CONVERTERS_DICOM_NAMES_H

#include <stddef.h>

#include "converters/image_stacks.h"
#include "core/error.h"

/**
 * "0003_T2_TurboRARE": series number and description; where a series makes several stacks also what
 * distinguishes them ("_WATER", "_PHASE", "_slab2"), and a number where names would be the same.
 * @param[in,out] names        count names, owned by the caller; NULL at first
 * @param[in] descriptions     UTF-8, of each stack's series; "" if none
 */
MUR_NODISCARD
enum mur_status mur_stack_names(char **names, const struct mur_image_set *set,
                                const char *const *descriptions, struct mur_error *error);

#endif
