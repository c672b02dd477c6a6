/**
 * Values for a Data Set from how the index keeps them: text of any VR, and items of the DICOM JSON
 * Model (PS3.18 F.2). Text is UTF-8. Threads: as for the Data Set.
 */
#ifndef MUR_DICOM_FROM_TEXT_H
#define MUR_DICOM_FROM_TEXT_H

#include "core/error.h"
#include "core/json.h"
#include "dicom/data_set.h"

/** Puts values that are separated by backslash, numbers in decimal; "" makes the attribute empty.
 * @retval MUR_PARSE  not numbers where the VR wants them; MUR_UNSUPPORTED bytes (OB, UN, ...)
 * @retval MUR_INVALID, MUR_UNSUPPORTED  see mur_dataset_put_string() */
MUR_NODISCARD
enum mur_status mur_dataset_put_any_text(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                         const char *text, struct mur_error *error);

/** Puts a sequence with the items of a JSON array, in the place of what is there. Bytes
 * (InlineBinary, BulkDataURI) are MUR_UNSUPPORTED. @retval MUR_PARSE no items */
MUR_NODISCARD
enum mur_status mur_dataset_put_json_items(struct mur_dataset *dataset, uint32_t tag,
                                           const struct mur_json *items, struct mur_error *error);

/** Puts the elements of a JSON object likewise. Specific Character Set is passed over: what it was
 * is gone, the text is UTF-8. @retval MUR_PARSE no object */
MUR_NODISCARD
enum mur_status mur_dataset_put_json_elements(struct mur_dataset *dataset,
                                              const struct mur_json *object,
                                              struct mur_error *error);

#endif
