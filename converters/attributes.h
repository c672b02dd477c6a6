/**
 * Attributes for what a conversion makes, from files that people have: the DICOM JSON Model, or an
 * image of the same study. Threads: one at a time per Data Set.
 */
#ifndef MUR_CONVERTERS_ATTRIBUTES_H
#define MUR_CONVERTERS_ATTRIBUTES_H

#include "converters/report.h"
#include "core/error.h"
#include "dicom/data_set.h"

enum { MUR_ATTRIBUTES_FILE_LIMIT = 16 * 1024 * 1024 };

/**
 * Puts the elements of a JSON object (PS3.18 F.2), or of an array that holds one, in the place of
 * what is there. The VR may be left out where the dictionary knows it.
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file cannot be read
 * @retval MUR_PARSE, MUR_LIMIT  not such JSON, or longer than MUR_ATTRIBUTES_FILE_LIMIT
 * @retval MUR_INVALID, MUR_UNSUPPORTED  a value that its VR does not allow; bytes (InlineBinary)
 */
MUR_NODISCARD
enum mur_status mur_attributes_from_json(struct mur_dataset *target, const char *path,
                                         struct mur_error *error);

/**
 * Puts what a DICOM file says of patient, study and acquisition. Not taken: what identifies the
 * series and the instance, what its pixels decide, references to other objects, private attributes;
 * nor, with a warning, values that their VR does not allow.
 * @retval as mur_dataset_load()
 */
MUR_NODISCARD
enum mur_status mur_attributes_like(struct mur_dataset *target, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error);

#endif
