/**
 * DICOM files that an argument names: a path as it stands, or the UID of a study, a series or an
 * instance in the archive.
 */
#ifndef MUR_CLI_OBJECTS_H
#define MUR_CLI_OBJECTS_H

#include <stddef.h>

#include "cli/archive.h"
#include "core/config.h"
#include "core/error.h"

struct mur_cli_objects {
    struct mur_cli_archive of; /**< open while something of it is used; archive NULL: never was */
    char **paths;              /**< of the last mur_cli_objects_find() */
    size_t count;
};
#define MUR_AUTO_CLI_OBJECTS __attribute__((cleanup(mur_cli_objects_free)))
void mur_cli_objects_free(struct mur_cli_objects *objects); /**< the content */

/**
 * What exists under that name is a path; else it is a UID. May be called again: the paths of the
 * call before are gone then, the archive stays open.
 * @param[in,out] objects  zeroed before the first call
 * @retval MUR_NOT_FOUND  neither a file nor known to the archive; or there is no archive
 */
MUR_NODISCARD
enum mur_status mur_cli_objects_find(struct mur_cli_objects *objects,
                                     const struct mur_config *config, const char *argument,
                                     struct mur_error *error);

#endif
