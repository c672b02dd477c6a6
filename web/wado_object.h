/** A whole instance as a DICOM file (PS3.10), as it is stored or made anew. Internal to web/. */
#ifndef MUR_WEB_WADO_OBJECT_H
#define MUR_WEB_WADO_OBJECT_H

#include "dicom/data_set.h"
#include "dicom/measure.h"
#include "web/wado.h"

/**
 * The instance in a transfer syntax: its file as it is, or converted, and coerced if the
 * configuration says so (archive/coerce.h).
 * @param[out] out  the caller's
 * @retval MUR_CORRUPT  damaged; MUR_UNSUPPORTED  cannot be converted; MUR_LIMIT, MUR_BUSY  memory
 */
MUR_NODISCARD
enum mur_status mur_wado_object(struct mur_body *out, const struct mur_exchange *exchange,
                                const struct mur_instance *instance, const char *transfer_syntax,
                                struct mur_error *error);

/** What the Data Set of an instance that was opened by mur_wado_open() takes, to be asked for by
 * mur_wado_take_memory() before it is loaded. @retval MUR_LIMIT  it inflates to more than
 * dicom.transcode_memory; MUR_PARSE, MUR_IO */
MUR_NODISCARD
enum mur_status mur_wado_measure(struct mur_measure *out, const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, int descriptor,
                                 struct mur_error *error);
/** That Data Set. */
MUR_NODISCARD
enum mur_status mur_wado_load(struct mur_dataset **out, int descriptor,
                              enum mur_dataset_extent extent, struct mur_error *error);

#endif
