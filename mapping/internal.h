/** What the parts of the room share. Private to mapping/. */
#ifndef MUR_MAPPING_INTERNAL_H
#define MUR_MAPPING_INTERNAL_H

#include "core/config_tree.h"
#include "core/text.h"
#include "isa/strings.h"
#include "mapping/decimal.h"
#include "mapping/mapping.h"
#include "mapping/names.h"

/** Where a field may be found: the kinds of columns (enum mur_isa_kind), and places outside of the
 * tables, where the names are the labels of the investigation file. */
enum {
    MUR_PLACE_STUDY = MUR_ISA_KINDS,
    MUR_PLACE_STUDY_COMMENT,
    MUR_PLACE_ASSAY,
    MUR_PLACE_ASSAY_COMMENT,
    MUR_PLACE_INVESTIGATION,
    MUR_PLACE_PERSON, /**< "name", "affiliation", "email" of a contact with a wanted role */
    MUR_PLACES,
};

/** A list of keys, folded. */
struct mur_keys {
    char **items;
    size_t count;
};

/** Which columns something is taken from. */
struct mur_column_set {
    struct mur_keys names;
    unsigned places[MUR_PLACES]; /**< in order of preference */
    size_t place_count;
    struct mur_keys persons; /**< roles of contacts; none = any */
};

struct mur_unit {
    const char *name; /**< as the mapping file writes the first one */
    struct mur_keys names;
    const char *dimension;
    uint32_t factor; /**< one of it is factor * 10 ^ power of the dimension's own */
    int power;
};

/** One line of a table: patterns and what they become. */
struct mur_table_entry {
    struct mur_keys patterns; /**< folded, with wildcards */
    const char *to;           /**< "" when it is a code */
    struct mur_organ_code code;
};
struct mur_table {
    const char *name;
    struct mur_table_entry *entries;
    size_t count;
};

/** How an ontology of the ISA-Tab is called in DICOM. */
struct mur_term_source {
    struct mur_keys names;
    const char *scheme;
};

enum mur_conversion {
    MUR_CONVERT_TEXT,     /**< as the VR wants it */
    MUR_CONVERT_TABLE,    /**< what a table says */
    MUR_CONVERT_MEANING,  /**< the meaning of the code that a table says; else the text */
    MUR_CONVERT_CODE,     /**< items of a code sequence, by table or by the author's term */
    MUR_CONVERT_NUMBER,   /**< in a unit */
    MUR_CONVERT_AGE,      /**< AS */
    MUR_CONVERT_DATE,     /**< DA of an ISO 8601 date or date and time */
    MUR_CONVERT_TIME,     /**< TM of an ISO 8601 date and time */
    MUR_CONVERT_PERSON,   /**< "Last, First" */
    MUR_CONVERT_CONSTANT, /**< a fixed text whenever the field has a value */
};

/** What becomes of a value that cannot be converted. */
enum mur_otherwise { MUR_OTHERWISE_DROP, MUR_OTHERWISE_KEEP, MUR_OTHERWISE_EMPTY };

/** Where a value goes. */
struct mur_target {
    struct mur_attribute_path path; /**< private: MUR_PRIVATE_TAG(0, element) */
    enum mur_vr vr;
    enum mur_level level;
    enum mur_conversion conversion;
    const struct mur_table *table; /**< NULL = none */
    bool terms;                    /**< the author's ontology term may be the code */
    const struct mur_unit *unit;   /**< wanted; NULL = as it comes */
    const struct mur_unit *assume; /**< when the table names none */
    struct mur_keys units; /**< folded: in one of these, or it is something else; none = any */
    const char *constant;
    struct mur_keys only;      /**< values, folded, with wildcards; none = any */
    struct mur_keys except;    /**< likewise: not for these */
    struct mur_target *unless; /**< not when any of these has a value already */
    size_t unless_count;
    const char *modalities[16];   /**< NULL-terminated; none = any */
    enum mur_otherwise otherwise; /**< of tables */
    bool quiet;         /**< what cannot be converted is not worth a word: another target has it */
    bool drop_too_long; /**< instead of cutting */
};

struct mur_field {
    const char *name;
    struct mur_column_set columns;
    enum mur_level
        level; /**< patient: the source is asked first; study: the sample; else the row */
    struct mur_target *targets;
    size_t target_count;
};

enum mur_role {
    MUR_ROLE_SCAN,
    MUR_ROLE_SAMPLE,
    MUR_ROLE_SOURCE,
    MUR_ROLE_SESSION,
    MUR_ROLE_IMAGE,
    MUR_ROLE_IMAGE_FALLBACK,
    MUR_ROLE_SEGMENTATION,
    MUR_ROLE_LABEL_DESCRIPTION,
    MUR_ROLE_ORGAN,
    MUR_ROLE_LABEL_VALUE,
    MUR_ROLE_SEGMENT_LABEL,
    MUR_ROLE_ORGAN_HEALTH,
    MUR_ROLE_ALGORITHM_TYPE,
    MUR_ROLE_ALGORITHM_NAME,
    MUR_ROLES,
};

/** Where the modality is looked for. */
struct mur_modality_source {
    size_t field;
    const struct mur_table *table;
};

enum mur_variable {
    MUR_VARIABLE_STUDY,
    MUR_VARIABLE_STUDY_TITLE,
    MUR_VARIABLE_SOURCE,
    MUR_VARIABLE_SAMPLE,
    MUR_VARIABLE_SESSION,
    MUR_VARIABLE_SCAN,
    MUR_VARIABLE_MODALITY,
    MUR_VARIABLE_FIELD,
};

/** A piece of a template: literal text, or a variable. */
struct mur_piece {
    struct mur_slice literal; /**< data NULL: a variable */
    enum mur_variable variable;
    size_t field;
    unsigned limit; /**< characters; 0 = none */
    bool number; /**< a field's number, in the unit that its first target assumes; else nothing */
    bool text;   /**< a field's value that is no number; else nothing */
    unsigned group; /**< of an optional part [ ... ]; 0 = none */
};
struct mur_alternative {
    struct mur_piece *pieces;
    size_t count;
};
struct mur_template {
    struct mur_target target;
    struct mur_alternative *alternatives; /**< the first whose variables all have a value */
    size_t count;
    bool unique; /**< when it must be cut, the end becomes a digest of the whole */
};

/** Attributes as text for clients that know nothing of us. */
struct mur_summary {
    struct mur_target target;
    bool levels[MUR_LEVEL_COUNT];
};

/** What attributes want of each other. */
struct mur_rule {
    struct mur_target *if_any; /**< when any of these has a value ... */
    size_t if_any_count;
    struct mur_target *add; /**< ... these are there */
    size_t add_count;
    struct mur_target *append; /**< NULL = none: a further value of this */
    const char *value;         /**< of add and append; "" = zero length */
    struct mur_target *keep;   /**< one: this goes away ... */
    struct mur_target *only_with;
    size_t only_with_count;       /**< ... unless all of these have a value */
    const struct mur_field *when; /**< NULL = none: when this field's value ... */
    struct mur_keys is;           /**< ... is one of these, folded, with wildcards, ... */
    struct mur_target *remove;    /**< ... these go away */
    size_t remove_count;
    size_t when_set; /**< of the field */
    /** NULL = none: with any of if_any, this becomes the time of day in @c from less the minutes in
     * @c minus, unless that is another day. */
    struct mur_target *start;
    struct mur_target *from;
    struct mur_target *minus;
};

struct mur_mapping {
    struct mur_config_tree *tree; /* holds all texts */
    struct mur_organs *organs;    /* NULL when none were given */
    bool units_in_names;
    struct mur_keys no_value;
    struct mur_unit *units;
    size_t unit_count;
    struct mur_table *tables;
    size_t table_count;
    struct mur_term_source *term_sources;
    size_t term_source_count;
    struct mur_column_set roles[MUR_ROLES];
    const struct mur_table *algorithm_table; /* of MUR_ROLE_ALGORITHM_TYPE; NULL = none */
    struct mur_modality_source *modality;
    size_t modality_count;
    struct mur_field *fields;
    size_t field_count;
    struct mur_template *templates;
    size_t template_count;
    struct mur_summary *summaries;
    size_t summary_count;
    struct mur_rule *rules;
    size_t rule_count;
};

/** As the mapping file calls them. */
const char *mur_conversion_name(enum mur_conversion conversion);
const char *mur_role_name(enum mur_role role);

/** NULL: no such unit. */
const struct mur_unit *mur_mapping_unit(const struct mur_mapping *mapping, struct mur_slice name);
/** Whether any pattern matches the folded text. */
bool mur_keys_match(const struct mur_keys *patterns, const char *folded);
bool mur_keys_have(const struct mur_keys *keys, const char *key);
/** Which line of a table fits a value or its ontology accession; NULL = none. */
const struct mur_table_entry *mur_table_find(const struct mur_table *table, const char *value,
                                             const char *accession);
/** Splits "Age (days)": @p base is what stands before the brackets. NULL: no unit there. */
const struct mur_unit *mur_mapping_split_unit(struct mur_slice *base,
                                              const struct mur_mapping *mapping, const char *name);

/** A cell to be converted. */
struct mur_found {
    struct mur_isa_value value;
    const struct mur_unit *name_unit; /**< from "Age (days)"; NULL = none */
};

/** What a conversion gave. */
struct mur_converted {
    bool drop;                  /**< nothing to write */
    const char *text;           /**< in the memory of @p strings */
    struct mur_organ_code code; /**< of MUR_CONVERT_CODE */
    const char *problem_code;   /**< of a diagnostic; NULL = none */
    const char *problem;
};

MUR_NODISCARD
enum mur_status mur_mapping_convert(struct mur_converted *out, const struct mur_mapping *mapping,
                                    const struct mur_target *target, const struct mur_found *found,
                                    const struct mur_isa_study *study,
                                    struct mur_isa_strings *strings, struct mur_error *error);

/** Makes text fit a VR: control characters, backslashes, length in characters.
 * @param unique  a cut text ends in a digest of the whole. @param[out] cut  it was too long */
MUR_NODISCARD
enum mur_status mur_mapping_fit(const char **out, bool *cut, enum mur_vr vr, bool unique,
                                struct mur_slice text, struct mur_isa_strings *strings,
                                struct mur_error *error);

#endif
