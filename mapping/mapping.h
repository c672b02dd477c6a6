/**
 * From ISA-Tab to DICOM, by configuration. Which column means what, its kind, place and spelling,
 * units, codes and the attribute that it becomes stand in etc/isa-mapping.cfg and etc/organs.cfg;
 * nothing of it is in the code.
 *
 * A scan is the rows of one assay table that share an assay name: one image, perhaps with outlines,
 * one row an organ. What its rows, its sample and its source say becomes
 * - values: standard attributes and plain elements of the private block, by level;
 * - isa_attributes: every cell, for the searchable part of the private block.
 * Threads: a mapping and a list of scans may be read by any thread.
 */
#ifndef MUR_MAPPING_MAPPING_H
#define MUR_MAPPING_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/attribute.h"
#include "isa/isa.h"
#include "mapping/organs.h"

struct mur_dataset;
struct mur_mapping;

/**
 * Loads the tables; a path of "" stands for the one that the program carries inside.
 * @param organs_path  may be NULL: no organ is known then
 * @param[out] out  the caller's, mur_mapping_free(); must outlive the scans made with it
 * @retval MUR_INVALID  "FILE:LINE: reason"; MUR_NOT_FOUND, MUR_DENIED, MUR_IO
 */
MUR_NODISCARD
enum mur_status mur_mapping_load(struct mur_mapping **out, const char *mapping_path,
                                 const char *organs_path, struct mur_error *error);
void mur_mapping_free(struct mur_mapping *mapping);
MUR_DEFINE_AUTO(mur_mapping, mur_mapping_free)
/** The organs of etc/organs.cfg; borrowed. */
const struct mur_organs *mur_mapping_organs(const struct mur_mapping *mapping);

/* All texts below are UTF-8, never NULL, and belong to the list of scans. */

/** A file that a cell names. */
struct mur_scan_file {
    const char *cell;    /**< as written */
    const char *path;    /**< relative to isa->root; "" when it cannot be used */
    const char *problem; /**< why, naming the file; "" when it is there */
};

/** One organ of a segmentation; or, without a file, what is said of the organ's state alone. */
struct mur_scan_segment {
    const char *organ;   /**< as written; at most 64 characters in label */
    const char *label;   /**< Segment Label (0062,0005) */
    size_t file;         /**< index of the segmentation's files */
    int64_t label_value; /**< in the label map; 0 = all voxels that are not zero */
    struct mur_organ_code category, type, modifier, region;
    bool has_rgb;
    uint8_t rgb[3];
    const char *algorithm_type; /**< MANUAL, SEMIAUTOMATIC or AUTOMATIC (0062,0008) */
    const char *algorithm_name; /**< "" unless given; type 1 unless MANUAL (0062,0009) */
    const char *health;         /**< as written */
    bool known;                 /**< the organ table, or a code of the author, says what it is */
    bool unverified;            /**< its code is doubtful, says the organ table */
};

/** What becomes one SEG: a label map of several organs, or one file for each organ. */
struct mur_scan_segmentation {
    struct mur_scan_file *files;
    size_t file_count;
    struct mur_scan_segment *segments; /**< none: the tables do not say what the labels mean */
    size_t segment_count;
    struct mur_scan_file label_description; /**< ITK-SNAP file that does; cell "" = none */
    const char *creator;                    /**< who drew it, as PN; "" = not said */
};

/** An attribute. Where a sequence is on the way, it has one item. */
struct mur_scan_value {
    enum mur_level level;
    /** Elements of our private block as MUR_PRIVATE_TAG(0, element): without a block number. */
    struct mur_attribute_path path;
    enum mur_vr vr;
    const char *text; /**< values separated by backslash; numbers in decimal; "" = zero length */
};

/** A cell that is not empty. Each kind, name, value and unit only once, at the highest level that
 * says it. */
struct mur_scan_attribute {
    enum mur_level level; /**< source: PATIENT, sample: STUDY, assay row: SERIES */
    enum mur_isa_kind kind;
    const char *name;
    const char *text;
    bool has_number;
    double number;
    const char *unit;
};

struct mur_scan {
    const struct mur_isa_study *isa_study; /**< borrowed from the archive */
    const struct mur_isa_assay *isa_assay; /**< borrowed from the archive */
    uint32_t first_row;                    /**< of the assay's table */
    const uint32_t *rows;                  /**< all of them, ascending */
    uint32_t row_count;
    const char *study; /**< identifier */
    const char *study_title;
    const char *source;  /**< the animal; several joined by '+' when pooled */
    const char *sample;  /**< the animal at a session */
    const char *session; /**< with study: what is one DICOM Study; the sample, unless configured */
    const char *assay_file;       /**< path of the table */
    const char *assay;            /**< the scan's name, unique in its table */
    const char *technology;       /**< of the assay, as written */
    const char *modality;         /**< "CT", "MR", ...; "" when only the image can tell */
    struct mur_scan_file *images; /**< usually one: a file, or a folder of DICOM files */
    size_t image_count;
    struct mur_scan_segmentation *segmentations;
    size_t segmentation_count;
    struct mur_scan_segment *organs; /**< what is said of organs without an outline */
    size_t organ_count;
    struct mur_scan_value *values; /**< sorted by path */
    size_t value_count;
    struct mur_scan_attribute *isa_attributes; /**< source's, sample's, then row by row */
    size_t isa_attribute_count;
};

struct mur_scan_list {
    struct mur_scan *scans; /**< study by study, assay by assay, in order of first appearance */
    size_t count;
    struct mur_isa_strings *strings; /**< private: all memory of the scans */
};

/**
 * The scans of an archive. What contradicts, is cut or cannot be converted is added to
 * @p diagnostics; of contradicting values the first is kept.
 * @param[out] out  the caller's, mur_scan_list_free(); @p isa and @p mapping must outlive it
 */
MUR_NODISCARD
enum mur_status mur_mapping_scans(struct mur_scan_list **out, const struct mur_mapping *mapping,
                                  const struct mur_isa *isa,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error);
/** The same scans and diagnostics, but neither values nor isa_attributes are kept: enough to tell
 * what there is and what is wrong, in a fraction of the memory. */
MUR_NODISCARD
enum mur_status mur_mapping_survey(struct mur_scan_list **out, const struct mur_mapping *mapping,
                                   const struct mur_isa *isa,
                                   struct mur_isa_diagnostics *diagnostics,
                                   struct mur_error *error);
void mur_scan_list_free(struct mur_scan_list *list);
MUR_DEFINE_AUTO(mur_scan_list, mur_scan_list_free)

/** The value at a path, or NULL. */
const struct mur_scan_value *mur_scan_find_value(const struct mur_scan *scan,
                                                 const struct mur_attribute_path *path);

/**
 * Puts the values of a scan and the private block MURPACS ISA 1.0 into a Data Set; what is there is
 * replaced. Text is UTF-8 afterwards (ISO_IR 192).
 * @param deepest  only values of this level and above it: MUR_LEVEL_STUDY suits a SEG
 */
MUR_NODISCARD
enum mur_status mur_mapping_apply(struct mur_dataset *dataset, const struct mur_scan *scan,
                                  enum mur_level deepest, struct mur_error *error);

/** What the mapping makes of a column. */
enum mur_column_use {
    MUR_COLUMN_QUALIFIER,  /**< unit or ontology term of another column */
    MUR_COLUMN_ROLE,       /**< says which scan, sample, file or organ it is about */
    MUR_COLUMN_MAPPED,     /**< becomes attributes */
    MUR_COLUMN_INDEX_ONLY, /**< known to the mapping, searchable in the private block */
    MUR_COLUMN_UNMAPPED,   /**< not known, searchable in the private block all the same */
};
/** "qualifier", "role", "mapped", "index only", "unmapped". */
const char *mur_column_use_name(enum mur_column_use use);

/** An attribute that a column may become. Texts live as long as the mapping. */
struct mur_column_target {
    struct mur_attribute_path path; /**< private elements: MUR_PRIVATE_TAG(0, element) */
    enum mur_vr vr;
    enum mur_level level;
    /** As the mapping calls it: "text", "table", "meaning", "code", "number", "age", "date",
     * "time", "person", "constant"; "template" when it is one part of a text of several. */
    const char *conversion;
    const char *unit;  /**< in which a number is written; "" = none */
    const char *table; /**< that codes or terms come from; "" = none */
};

/** Where a column goes. Texts live as long as the mapping. */
struct mur_column_description {
    enum mur_column_use use;
    enum mur_level level; /**< at which its cells are searchable as ISA attributes */
    const char *role;     /**< "scan", "image", "organ" ...; "" = none */
    const char *field;    /**< of the mapping, such as "Animal strain"; "" = none */
    const char *unit;     /**< that the column's own name tells, as in "Age (days)"; "" = none */
    struct mur_column_target *targets; /**< in the order of the mapping */
    size_t target_count;
};

/**
 * Where a column goes by this mapping: what scans it is in has no say, so a target may hold for one
 * modality alone, or another column be preferred.
 * @param table  the table of @p study, or of one of its assays
 * @param[out] out  mur_column_description_free()
 */
MUR_NODISCARD
enum mur_status mur_mapping_describe_column(struct mur_column_description *out,
                                            const struct mur_mapping *mapping,
                                            const struct mur_isa_study *study,
                                            const struct mur_isa_table *table, uint32_t column,
                                            struct mur_error *error);
void mur_column_description_free(struct mur_column_description *description);

#endif
