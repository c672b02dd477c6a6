/** What the files of dicom_series.h share: planes as they are found, and in their order. */
#ifndef MUR_CONVERTERS_DICOM_SERIES_INTERNAL_H
#define MUR_CONVERTERS_DICOM_SERIES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/dicom_series.h"

/** A plane as it was found. */
struct mur_series_plane {
    struct mur_source_plane source;
    double position[3];
    double along; /**< the normal */
    int64_t number;
    size_t instance; /**< index in the series */
};

/** A series while its files are read. */
struct mur_series_reader {
    struct mur_source_series *series;
    struct mur_series_plane *planes;
    size_t plane_count, plane_capacity;
    size_t instance_capacity;
    char **paths; /**< of the instances */
    size_t path_count;
    uint32_t rows, columns;
    double orientation[6], spacing[2]; /**< of the first plane */
    const char *wanted;                /**< Series Instance UID, or NULL */
    bool lenient;                      /**< what is not DICOM is passed over */
    struct mur_warnings *warnings;
    size_t file_count;
};

/**
 * Sorts the planes along their normal and puts the first of each position into the series, with
 * the grid that they make. There is one plane or more.
 * @retval MUR_MISMATCH  slices missing or not evenly spaced
 * @retval MUR_PARSE     values that place nothing
 */
MUR_NODISCARD
enum mur_status mur_series_arrange(struct mur_series_reader *reader, struct mur_error *error);

#endif
