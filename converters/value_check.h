/**
 * Whether values are what their VRs allow (PS3.5 6.2), for attributes that people write: DCMTK and
 * the Data Set take anything. Threads: as for the Data Set.
 */
#ifndef MUR_CONVERTERS_VALUE_CHECK_H
#define MUR_CONVERTERS_VALUE_CHECK_H

#include "core/error.h"
#include "dicom/data_set.h"

/** One element, with what is in the items of a sequence.
 * @retval MUR_INVALID  with the attribute's name and the value */
MUR_NODISCARD
enum mur_status mur_value_check_element(struct mur_dataset *dataset, uint32_t tag,
                                        struct mur_error *error);
/** All elements. */
MUR_NODISCARD
enum mur_status mur_value_check(struct mur_dataset *dataset, struct mur_error *error);

#endif
