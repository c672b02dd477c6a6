/**
 * Where converters put the instances that they make, piece by piece: an ingest of the archive, or
 * files. Threads: one at a time per output.
 */
#ifndef MUR_CONVERTERS_OUTPUT_H
#define MUR_CONVERTERS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"

/** One instance that is about to be written. Everything is borrowed for the call. */
struct mur_made_instance {
    const char *sop_class, *sop_instance, *transfer_syntax;
    const char *study_instance, *series_instance;
    uint32_t number, count;   /**< from 1, of how many */
    uint64_t data_set_length; /**< bytes that write() will be given in all */
};

/**
 * begin(), write() in pieces until the Data Set is whole (no group 0002), end(); then the next
 * instance. A status other than MUR_OK ends the conversion and is returned by it; end() is not
 * called then.
 */
struct mur_output {
    enum mur_status (*begin)(void *user, const struct mur_made_instance *instance,
                             struct mur_error *error);
    enum mur_status (*write)(void *user, const void *bytes, size_t length, struct mur_error *error);
    enum mur_status (*end)(void *user, struct mur_error *error);
    /** Another output to the same place, that another thread may use meanwhile; it lasts as long as
     * the first. NULL where there is none. */
    enum mur_status (*second)(struct mur_output *out, void *user, struct mur_error *error);
    void *user;
};

/** Part 10 files, as a file set (file_set.h): in a folder as IM0001.dcm and so on, or one file of a
 * given name. */
struct mur_file_output;

/**
 * @param[in] folder  made if absent, with those around it; NULL with @p file
 * @param[in] file    the name of the only file; NULL with @p folder
 */
MUR_NODISCARD
enum mur_status mur_file_output_create(struct mur_file_output **out, const char *folder,
                                       const char *file, struct mur_error *error);
/** Keeps what was written: files get their names now; existing ones of the same instance, and a
 * single file of any content, are replaced.
 * @retval MUR_EXISTS  the folder holds files of another conversion, which would be mixed with these
 *                     or lost
 * @retval MUR_NO_SPACE, MUR_IO, MUR_DENIED  nothing was renamed, or not everything */
MUR_NODISCARD
enum mur_status mur_file_output_commit(struct mur_file_output *output, struct mur_error *error);
/** Without a commit nothing of it stays on disk. */
void mur_file_output_free(struct mur_file_output *output);
MUR_DEFINE_AUTO(mur_file_output, mur_file_output_free)

struct mur_output mur_file_output_of(struct mur_file_output *output);

#endif
