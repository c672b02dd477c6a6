#ifndef TESTS_PHANTOM_STUDIES_H
#define TESTS_PHANTOM_STUDIES_H

#include "tests/phantom/contrast.h"

#include <stdbool.h>
#include <stddef.h>

/** The five animal studies as tables: who was scanned, how, and into which kind of file. */

enum { STUDY_COUNT = 5, WEEKS_MAX = 3, KINDS_MAX = 5 };

struct term {
    const char *text;
    const char *source; /* "" when the text is free */
    const char *accession;
};

/** Animals that were treated alike. Pairs of values are those of the first and the last week. */
struct group {
    unsigned animals;
    const char *diet, *genotype, *treatment;
    struct term strain, disease;
    bool healthy;
    unsigned tumours;
    double liver[2], fat[2], liver_fat[2];
    double fibrosis, spleen, extra_grams;
};

struct device {
    const char *brand, *model, *coil;
    double field_tesla;
};

/** An organ as a set of tissues. In one file labels exclude each other; in files of their own the
 * liver keeps its tumours. */
struct organ {
    const char *name;
    const char *file_name;
    const char *sct_code;
    tissue_set tissues;
    tissue_set whole;
    bool diseased; /* unhealthy wherever it is found */
};

struct organ_label {
    const struct organ *organ;
    int value;
};

struct matrix {
    unsigned size[3];
    double spacing[3];
};

/** One kind of scan of a study. */
struct kind {
    const char *name;
    const struct device *device;
    struct acquisition acquisition;
    const char *sequence_name;     /* MR */
    const char *scanning_sequence; /* MR, DICOM's defined term */
    double averages;
    double kilovolt, microampere, exposure_ms; /* CT */
    const char *agent, *dose, *dose_unit;      /* NULL: native */
    int minutes_after_injection;
    const char *image_type; /* in DICOM */
    struct matrix full, small;
    double slice_gap; /* part of the slice distance that no slice covers */
    enum orientation orientation;
    const struct organ_label *organs; /* what an outline of such a scan shows */
    size_t organ_count;
};

enum container { NII, NII_GZ, DICOM_FOLDER };
enum sample_type { INT16, UINT16, FLOAT32 };
enum outline { NO_OUTLINE, ONE_FILE, FILE_PER_ORGAN, HEALTH_ONLY };

/** Deviations from a plain NIfTI file with both forms, and from a label map of bytes on its grid.
 */
enum style_flag {
    LEFT_HANDED = 1,
    OBLIQUE = 2,
    QFORM_ONLY = 4,
    MICRONS = 8,
    LABELS_INT16 = 16,
    LABEL_ROWS_FLIPPED = 32 /* outlined on a copy with the rows in the other order */
};

/** In which form a scan came down to us. */
struct style {
    enum container container;
    enum sample_type sample;
    enum outline outline;
    unsigned flags;
};

enum unit_place { UNIT_WITH_TERM, UNIT_ALONE, UNIT_IN_CELL, UNIT_IN_NAME };

/** How one study writes a column that the others write otherwise. */
struct variant {
    const char *header; /* what it stands for */
    const char *to; /* "" when this study has no such column; in its name, if so, with the unit */
    enum unit_place place;
    const char *unit; /* NULL: the usual one */
    double factor;    /* numbers are multiplied with; 0 = 1 */
};

enum factor { WEEK_FACTOR = 1, DIET_FACTOR = 2, GENOTYPE_FACTOR = 4, TREATMENT_FACTOR = 8 };

struct study {
    const char *id, *title, *description, *design;
    const char *creator_first, *creator_last, *second_first, *second_last;
    const char *affiliation, *ethics, *supplier, *sex;
    const char *animal_prefix; /* of the names; the same in two studies on purpose */
    const char *scanner_prefix;
    unsigned factors;
    int first_day;        /* days since 1970-01-01 of week 0 */
    int age_days;         /* at week 0 */
    double centre_z;      /* the mouse's z in the scanner's middle */
    bool both_modalities; /* metadata call both modalities MRI-CT */
    unsigned weeks[WEEKS_MAX];
    size_t week_count;
    const struct group *groups;
    size_t group_count;
    const struct kind *kinds;
    size_t kind_count;
    const struct style *styles; /* variant_count rows of kind_count styles */
    size_t variant_count;
    const struct variant *tables; /* of varied tables */
    size_t table_count;
    bool crlf, byte_order_mark; /* of varied tables */
};

extern const struct study studies[STUDY_COUNT];

/** One scan of the small dataset, by indexes into a study's tables. */
struct pick {
    unsigned study, animal, week, kind, variant;
};

extern const struct pick small_dataset[];
extern const size_t small_dataset_size;

#endif
