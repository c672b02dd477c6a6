#ifndef TESTS_PHANTOM_DICOM_H
#define TESTS_PHANTOM_DICOM_H

#include "tests/phantom/geometry.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Writes classic CT and MR Image objects as a small-animal scanner would: DICOM Part 10 files,
 * Explicit VR Little Endian, one slice a file.
 */

enum { DICOM_UID_SIZE = 65 };

/** A UID of the form 2.25.<decimal>, made from the seed and a name alone. */
void dicom_uid(char out[DICOM_UID_SIZE], uint64_t seed, const char *name);

/** What all slices of a Series share. Texts are DICOM values; "" gives a zero-length element. */
struct dicom_series {
    bool is_ct;
    const char *patient_name, *patient_id, *birth_date, *age, *weight_kg;
    const char *study_uid, *study_date, *study_time, *study_id, *study_description;
    const char *series_uid, *series_time, *series_description, *protocol_name;
    const char *frame_of_reference_uid;
    const char *manufacturer, *model, *institution,
        *operators; /* operators: UTF-8, Latin letters */
    const char *image_type;
    const char *contrast_agent; /* NULL: native */
    unsigned series_number;
    uint64_t uid_seed;
    struct grid grid;       /* millimetres, RAS; right-handed */
    double slice_thickness; /* millimetres; need not be the slices' distance */
    bool is_signed;
    int intercept;
    double kvp, tube_current_ua, exposure_ms;
    double tr_ms, te_ms, flip_degrees, averages, field_tesla, b_value;
    const char *scanning_sequence, *sequence_name;
};

/**
 * Writes slice @p k of the series.
 * @param instance_number  as the scanner counted, which need not be the order in space
 * @param pixels  rows * columns values of 16 bits
 */
void dicom_write_slice(const char *path, const struct dicom_series *series, unsigned k,
                       unsigned instance_number, const uint16_t *pixels);

#endif
