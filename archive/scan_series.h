/** Which stored series belong to which scans of the ISA-Tabs in force. */
#ifndef MUR_ARCHIVE_SCAN_SERIES_H
#define MUR_ARCHIVE_SCAN_SERIES_H

#include "archive/archive.h"
#include "db/scan_series.h"

/** See mur_database_each_scan_series(). @p each is called in one read transaction: it must not wait
 * for anybody. */
MUR_NODISCARD
enum mur_status mur_archive_each_scan_series(struct mur_archive *archive,
                                             mur_scan_series_function *each, void *user,
                                             struct mur_error *error);

#endif
