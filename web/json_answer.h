/**
 * Rows of a search as DICOM JSON (PS3.18 Annex F). Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_JSON_ANSWER_H
#define MUR_WEB_JSON_ANSWER_H

#include "core/json_write.h"
#include "web/search.h"

/** Where DICOMweb begins: what RetrieveURL and Warning headers name. Without scheme and host, which
 * a proxy may have changed: UR takes relative references too (PS3.5 6.2). */
#define MUR_DICOMWEB_ROOT "/dicom-web"

/** Writes one object. @param values  of the row, in the order of search->query.keys
 * @retval MUR_CORRUPT, MUR_NO_MEMORY  a sequence of the index cannot be read; failures to write
 * stay in the writer */
MUR_NODISCARD
enum mur_status mur_json_answer_write(struct mur_json_writer *json, const struct mur_search *search,
                                      const struct mur_value *values, struct mur_error *error);

#endif
