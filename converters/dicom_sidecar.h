/**
 * What a NIfTI header cannot say of the images: a JSON file with the names of BIDS
 * (bids-specification, Appendix "Glossary"; times in seconds), the DICOM keyword where BIDS has no
 * name, UIDs, and the private block MURPACS ISA 1.0. And b-values as FSL reads them.
 * Threads: any.
 */
#ifndef MUR_CONVERTERS_DICOM_SIDECAR_H
#define MUR_CONVERTERS_DICOM_SIDECAR_H

#include "converters/geometry.h"
#include "converters/image_stacks.h"
#include "core/buffer.h"
#include "core/error.h"
#include "dicom/data_set.h"

/** Appends one JSON object and a newline.
 * @param[in] header  of the file of the stack's first plane */
MUR_NODISCARD
enum mur_status mur_sidecar_json(struct mur_buffer *out, struct mur_dataset *header,
                                 const struct mur_image_set *set,
                                 const struct mur_image_stack *stack, struct mur_error *error);

/** One row of b-values, s/mm2; of a stack with @c diffusion. */
MUR_NODISCARD
enum mur_status mur_sidecar_b_values(struct mur_buffer *out, const struct mur_image_stack *stack,
                                     struct mur_error *error);
/** Three rows of gradient directions along the axes of @p voxels, the grid of the NIfTI file; i
 * reversed where it is right-handed, as FSL wants it. */
MUR_NODISCARD
enum mur_status mur_sidecar_b_vectors(struct mur_buffer *out, const struct mur_image_stack *stack,
                                      const struct mur_volume_geometry *voxels,
                                      struct mur_error *error);

#endif
