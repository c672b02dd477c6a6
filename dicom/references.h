/**
 * How an object names the images that it was made of: once for all of it (Common Instance
 * Reference, PS3.3 C.12.2), and where each frame comes from (Derivation Image, C.7.6.16.2.6). The
 * first must name all that the second does. Threads: as for the Data Set.
 */
#ifndef MUR_DICOM_REFERENCES_H
#define MUR_DICOM_REFERENCES_H

#include <stddef.h>
#include <stdint.h>

#include "dicom/put.h"

/** Purpose of reference to an image that something was made of: (121322, DCM). */
extern const struct mur_code mur_code_source_image;

/** Instances of one series and SOP Class. */
struct mur_referenced_series {
    const char *study_instance; /**< NULL: the study of what names them */
    const char *series_instance, *sop_class;
    const char *const *instances;
    size_t instance_count;
};

/** Puts an item of Referenced Series Sequence; of another study below Studies Containing Other
 * Referenced Instances Sequence. Without instances nothing. */
void mur_put_referenced_series(struct mur_put *put, const struct mur_referenced_series *series);

/** A new item of Derivation Image Sequence, in a functional group's item; give its status back when
 * it is done: group.status = derivation.status. */
struct mur_put mur_put_derivation(struct mur_put *group, const struct mur_code *derivation);
/** Puts an image into it. @param frame  from 1; 0: not a multi-frame image */
void mur_put_source_image(struct mur_put *derivation, const char *sop_class,
                          const char *sop_instance, uint32_t frame);

/** Derivation of frames that lie on no image, into the shared functional groups: another grid, made
 * of all instances together. */
void mur_put_shared_derivation(struct mur_put *shared, const struct mur_code *derivation,
                               const struct mur_referenced_series *series);

#endif
