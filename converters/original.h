/**
 * The header of a NIfTI or Analyze file in the block MURPACS NIFTI 1.0 of what was made from it,
 * so that the way back gives the same file (conversion.md 3.6). Threads: one at a time per struct.
 */
#ifndef MUR_CONVERTERS_ORIGINAL_H
#define MUR_CONVERTERS_ORIGINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/nifti.h"
#include "core/digest.h"
#include "core/error.h"
#include "dicom/data_set.h"

struct mur_original {
    uint8_t header[MUR_NIFTI_HEADER_SIZE]; /**< as in the file */
    size_t header_length;
    uint8_t *extensions; /**< owned; as in the file, NULL if none */
    size_t extension_length;
    char *file_name;  /**< owned; without path, as much of it as LO holds */
    bool reversed[3]; /**< the file's axes i, j, k run against those of the instances */
    uint8_t voxel_digest[MUR_SHA256_SIZE]; /**< of the voxels, little endian, in the file's order */
};

/** Copies header, extensions and name of an open file; @c reversed and @c voxel_digest are the
 * caller's to set. @param[out] out  zero before */
MUR_NODISCARD
enum mur_status mur_original_take(struct mur_original *out, const struct mur_nifti *nifti,
                                  struct mur_error *error);
/** The content, not the struct itself; leaves it zero. */
void mur_original_free(struct mur_original *original);

/** Reads the block.
 * @param[out] out  zero before; mur_original_free()
 * @retval MUR_NOT_FOUND  there is none; MUR_PARSE  it is not whole */
MUR_NODISCARD
enum mur_status mur_original_get(struct mur_original *out, struct mur_dataset *dataset,
                                 struct mur_error *error);
/** Writes the block. */
MUR_NODISCARD
enum mur_status mur_original_put(struct mur_dataset *dataset, const struct mur_original *original,
                                 struct mur_error *error);

/** The last part of a path, without ".gz", as an LO can hold it: UTF-8, no backslash, no control
 * characters, at most 64 characters; composed (NFC), as a copy of the file that went over macOS
 * gives the same objects. @param[out] out  free() */
MUR_NODISCARD
enum mur_status mur_original_file_name(char **out, const char *path, struct mur_error *error);

#endif
