/**
 * NRRD files (.nrrd, .seg.nrrd, and .nhdr with the voxels in a file beside it), raw or gzip. Voxels
 * are read slice by slice, as of converters/nifti.h; a gzip stream is read in order, going
 * backwards starts it again. What the header claims is compared with what the file can hold first.
 * Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_NRRD_H
#define MUR_CONVERTERS_NRRD_H

#include <stdint.h>

#include "converters/nrrd_header.h"
#include "converters/report.h"
#include "core/error.h"
#include "core/own.h"

struct mur_nrrd;

/**
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file, or that of its voxels, which must lie in the
 *                    same folder or beneath it
 * @retval MUR_PARSE  as mur_nrrd_header_parse(); claims more than the file holds
 * @retval MUR_LIMIT  a slice above 1 GiB
 */
MUR_NODISCARD
enum mur_status mur_nrrd_open(struct mur_nrrd **out, const char *path,
                              struct mur_warnings *warnings, struct mur_error *error);
void mur_nrrd_free(struct mur_nrrd *nrrd); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_nrrd, mur_nrrd_free)

const struct mur_nrrd_header *mur_nrrd_header(const struct mur_nrrd *nrrd);

/**
 * Voxels of one slice of one layer, i fastest, little endian.
 * @param[out] out  borrowed until the next call with @p nrrd; aligned for the type
 * Where layers are interleaved, all of a slice are read at once: ask for them one after another.
 * @retval MUR_PARSE  the file ends before, or the gzip stream is damaged
 */
MUR_NODISCARD
enum mur_status mur_nrrd_read_slice(const void **out, struct mur_nrrd *nrrd, uint32_t layer,
                                    uint32_t slice, struct mur_error *error);

/** @retval MUR_MISMATCH  the file was changed since it was opened */
MUR_NODISCARD
enum mur_status mur_nrrd_check_unchanged(const struct mur_nrrd *nrrd, struct mur_error *error);

#endif
