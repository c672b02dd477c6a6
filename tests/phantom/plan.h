#ifndef TESTS_PHANTOM_PLAN_H
#define TESTS_PHANTOM_PLAN_H

#include "tests/phantom/dicom.h"
#include "tests/phantom/files.h"
#include "tests/phantom/studies.h"

/** The dataset that will be written: animals, sessions, scans, from the tables and the seed. */

struct animal {
    const struct study *study;
    const struct group *group;
    unsigned index; /* within the study */
    uint64_t seed;
    char name[32];       /* Source Name; local to the study */
    char scanner_id[32]; /* the Patient ID that the scanner's operator typed */
};

struct session {
    const struct animal *animal;
    unsigned week;
    uint64_t seed;
    char sample[40];
    int day; /* days since 1970-01-01 */
    int age_days;
    double weight; /* grams */
    struct traits traits;
    struct liver_state liver;
    struct pose pose; /* how the mouse lies in the scanner */
};

struct scan {
    const struct session *session;
    const struct kind *kind;
    const struct style *style;
    unsigned number; /* 1.. within the session */
    uint64_t seed;
    struct grid grid;
    char name[80];            /* Assay Name, unique in its study */
    char path[PATH_SIZE / 2]; /* of the image, relative; a folder when DICOM */
};

struct plan {
    uint64_t seed;
    bool full;
    struct animal *animals;
    struct session *sessions;
    struct scan *scans;
    size_t animal_count, session_count, scan_count;
};

/** Makes the plan of 222 scans, or of a small dataset. Release with plan_clear(). */
struct plan plan_make(uint64_t seed, bool full);
void plan_clear(struct plan *plan);

/** Whether an organ is in the scan's outline; healthy mice have no tumours. */
bool scan_has_organ(const struct scan *scan, const struct organ *organ);

/** Relative path of the label file that holds @p organ; one for all with ONE_FILE. */
void scan_label_path(char out[PATH_SIZE], const struct scan *scan, const struct organ *organ);

/** The value that stands for @p label in its file. */
int scan_label_value(const struct scan *scan, const struct organ_label *label);

bool kind_is_ct(const struct kind *kind);

/** ISO 8601 date, or DICOM's DA without hyphens. */
void format_date(char out[16], int day, bool hyphens);

#endif
