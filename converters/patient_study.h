/**
 * What is made of images is of the same animal and study (PS3.3 C.7.1, C.7.2). Threads: one at a
 * time per Data Set.
 */
#ifndef MUR_CONVERTERS_PATIENT_STUDY_H
#define MUR_CONVERTERS_PATIENT_STUDY_H

#include "core/error.h"
#include "dicom/data_set.h"

/** Copies all attributes of Patient and Study level (attributes.def) that @p source has, and
 * Anatomical Orientation Type, which belongs to the animal although it stands in the series. Ages,
 * dates and numbers that are none by their VR are left out. */
MUR_NODISCARD
enum mur_status mur_copy_patient_and_study(struct mur_dataset *target, struct mur_dataset *source,
                                           struct mur_error *error);

#endif
