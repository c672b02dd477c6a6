/**
 * Objects that leave with the attributes by which the archive knows them (export.coerce): what
 * C-FIND answers of patient and study, what the ISA-Tab says of the scan. Stored bytes stay as they
 * are; what is replaced stands in the Original Attributes Sequence (PS3.3 C.12.1.1.9.1).
 */
#ifndef MUR_ARCHIVE_COERCE_H
#define MUR_ARCHIVE_COERCE_H

#include "archive/archive.h"
#include "dicom/data_set.h"

/**
 * Changes a Data Set that was loaded from @p instance. Study, Series and SOP Instance UIDs,
 * Modality and numbers are never changed; what the scanner says of its acquisition (group 0018) is
 * only added to. The same state of the archive gives the same Data Set each time.
 * @param[out] changed  false: it says all this already, and was not touched
 * @retval MUR_NOT_FOUND  the instance was removed meanwhile
 * @retval MUR_UNSUPPORTED  its text cannot be recoded to UTF-8
 * After a failure the Data Set is only good for mur_dataset_free(). Threads: any.
 */
MUR_NODISCARD
enum mur_status mur_archive_coerce(bool *changed, struct mur_dataset *dataset,
                                   struct mur_archive *archive, const struct mur_instance *instance,
                                   struct mur_error *error);

#endif
