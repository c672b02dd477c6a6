/**
 * The ISA-Tab of what was found: the tables as delivered, with the rows of those scans alone, their
 * file columns naming the DICOM objects. Runs beside a serving node. Threads: one at a time.
 */
#ifndef MUR_WORKFLOW_EXPORT_H
#define MUR_WORKFLOW_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "core/error.h"
#include "core/progress.h"
#include "mapping/mapping.h"

struct mur_export_options {
    const char *directory;             /**< to write to; made if absent, else it must be empty */
    const struct mur_mapping *mapping; /**< by which the tables were imported */
    /** Series level; a scan is found when its image or one of its segmentations is. NULL: all
     * scans, those too of which nothing is stored. Return keys are added to it. */
    struct mur_query *query;
    bool files;  /**< write the objects too; false: their UIDs stand in the file columns */
    bool coerce; /**< objects as export.coerce would have them leave; false: as they are stored */
    struct mur_progress progress;
    const bool *cancelled; /**< may be NULL; becomes true: MUR_CANCELLED */
};

struct mur_export_summary {
    size_t datasets, studies, scans;
    uint64_t instances; /**< written as files */
};

/**
 * Writes the tables of each dataset, of several each to a folder of its own. In file columns stands
 * the path of a file or folder below dicom/, else urn:oid: with the Series Instance UID of an
 * image, or the SOP Instance UID of a segmentation; label values are Segment Numbers. What was
 * delivered is kept in columns behind it, "Comment[Image File as delivered]".
 * @retval MUR_NOT_FOUND  no scan is found, or there is no ISA-Tab in the archive
 * @retval MUR_EXISTS     the folder is not empty
 * @retval MUR_INVALID    a key of the query cannot be understood
 */
MUR_NODISCARD
enum mur_status mur_export_isa(struct mur_export_summary *out, struct mur_archive *archive,
                               const struct mur_export_options *options, struct mur_error *error);

#endif
