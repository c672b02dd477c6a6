/** Which stored series belong to which scans of the ISA-Tabs in force. */
#ifndef MUR_DB_SCAN_SERIES_H
#define MUR_DB_SCAN_SERIES_H

#include <stdbool.h>

#include "core/error.h"

struct mur_database;

/** Texts are borrowed for the call. */
struct mur_scan_series {
    const char *dataset;    /**< identifier of the ISA-Tab */
    const char *folder;     /**< its tables in force, relative to the archive */
    const char *study;      /**< of the scan; "" with the next two: a dataset without any scan */
    const char *assay_file; /**< path of the table */
    const char *assay;
    const char *study_uid;
    const char *series_uid; /**< "": nothing is linked to the scan */
    bool segmentation;
};

typedef enum mur_status mur_scan_series_function(void *user, const struct mur_scan_series *one,
                                                 struct mur_error *error);

/** Calls @p each for every series of every scan, dataset by dataset, scan by scan, images before
 * segmentations, in the order in which they came. Its failure ends the list and is returned. */
MUR_NODISCARD
enum mur_status mur_database_each_scan_series(struct mur_database *database,
                                              mur_scan_series_function *each, void *user,
                                              struct mur_error *error);

#endif
