/**
 * Files that come into being together: each is written beside its final name (".part") and gets it
 * at the commit; without one nothing stays on disk, nor do folders made for them.
 * Threads: one at a time per set.
 */
#ifndef MUR_CONVERTERS_FILE_SET_H
#define MUR_CONVERTERS_FILE_SET_H

#include <stddef.h>

#include "core/error.h"
#include "core/own.h"

struct mur_file_set;

/** What a file has behind its name until the commit. */
#define MUR_FILE_SET_PART ".part"

MUR_NODISCARD
enum mur_status mur_file_set_create(struct mur_file_set **out, struct mur_error *error);
/** What was not committed goes. NULL is fine. */
void mur_file_set_free(struct mur_file_set *set);
MUR_DEFINE_AUTO(mur_file_set, mur_file_set_free)

/** Makes a folder, with those around it; one that is there is success. */
MUR_NODISCARD
enum mur_status mur_file_set_folder(struct mur_file_set *set, const char *path,
                                    struct mur_error *error);
/** @param[out] descriptor  open for reading and writing, empty; the caller closes it
 * @retval MUR_INVALID  the set has this name already */
MUR_NODISCARD
enum mur_status mur_file_set_open(int *descriptor, struct mur_file_set *set, const char *path,
                                  struct mur_error *error);
/** A file of these bytes. */
MUR_NODISCARD
enum mur_status mur_file_set_write(struct mur_file_set *set, const char *path, const void *bytes,
                                   size_t length, struct mur_error *error);
/** Gives the files their names; existing ones are replaced.
 * @retval MUR_IO, MUR_NO_SPACE, MUR_DENIED  not everything has its name */
MUR_NODISCARD
enum mur_status mur_file_set_commit(struct mur_file_set *set, struct mur_error *error);

#endif
