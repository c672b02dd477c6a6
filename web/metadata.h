/** Metadata of stored instances (PS3.18 10.4.1.1.2) as JSON. Internal to web/. Threads: any. */
#ifndef MUR_WEB_METADATA_H
#define MUR_WEB_METADATA_H

#include "web/metadata_json.h"
#include "web/wado.h"

/** Writes the object of one instance, coerced if the configuration says so. */
MUR_NODISCARD
enum mur_status mur_metadata_write(struct mur_sink sink, const struct mur_exchange *exchange,
                                   const struct mur_instance *instance, struct mur_error *error);

/** Finds a bulk value by its path ("7FE00010"). @param[out] found  false: it has none there */
MUR_NODISCARD
enum mur_status mur_metadata_find_bulk(bool *found, struct mur_bulk_place *out,
                                       struct mur_archive *archive,
                                       const struct mur_instance *instance, const char *path,
                                       struct mur_error *error);

#endif
