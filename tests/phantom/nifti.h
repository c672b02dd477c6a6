#ifndef TESTS_PHANTOM_NIFTI_H
#define TESTS_PHANTOM_NIFTI_H

#include "tests/phantom/geometry.h"

#include <stdbool.h>
#include <stddef.h>

/** Writes single-file NIfTI-1 (.nii, .nii.gz) of three dimensions, slice by slice. */

enum nifti_type { NIFTI_UINT8 = 2, NIFTI_INT16 = 4, NIFTI_FLOAT32 = 16, NIFTI_UINT16 = 512 };

struct nifti_header {
    struct grid grid; /* millimetres, RAS */
    enum nifti_type type;
    bool qform_only; /* else sform and qform, both with code 1 */
    bool microns;    /* lengths in the file are micrometres */
    float slope;     /* 0: no scaling */
    float intercept;
    const char *description;
};

struct nifti_writer;

/** Creates @p path and its folders; a name that ends with .gz is compressed. */
struct nifti_writer *nifti_create(const char *path, const struct nifti_header *header);

/** Appends voxels in the machine's byte order; i runs fastest. */
void nifti_write(struct nifti_writer *writer, const void *voxels, size_t bytes);

/** Closes and frees. */
void nifti_close(struct nifti_writer *writer);

#endif
