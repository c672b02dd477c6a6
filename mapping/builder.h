/** A scan while it is made. Private to mapping/. */
#ifndef MUR_MAPPING_BUILDER_H
#define MUR_MAPPING_BUILDER_H

#include "mapping/internal.h"
#include "mapping/view.h"

/** The cells of one scan, each once, and a hash table of their places from 1. */
struct mur_gathered {
    struct mur_scan_attribute *items;
    size_t count, capacity;
    uint32_t *slots;
    size_t slot_count; /* a power of two; 0 while empty */
};
void mur_gathered_free(struct mur_gathered *gathered);

/** The values of one animal, or of one session. */
struct mur_shared_values {
    struct mur_scan_value *values; /* sorted by path */
    size_t count, capacity;
};

/** What all scans of an animal, or of a session, say alike. */
struct mur_agreement {
    struct mur_isa_index index; /* from animal or session to item */
    struct mur_shared_values *items;
    size_t count, capacity;
    uint32_t *of_scan; /* item of each scan */
    size_t scan_count, scan_capacity;
};

struct mur_builder {
    bool survey; /* nothing is kept of a scan but its names, files and outlines */
    const struct mur_mapping *mapping;
    const struct mur_isa *isa;
    struct mur_isa_diagnostics *diagnostics;
    struct mur_scan_list *list;
    struct mur_isa_index said; /* what was reported already */
    /* of the study and the assay */
    const struct mur_isa_study *study;
    const struct mur_isa_assay *assay;
    struct mur_view study_view;
    struct mur_view assay_view;
    /* of the scan */
    struct mur_scan *scan;
    const uint32_t *rows; /* of the assay's table */
    uint32_t row_count;
    const struct mur_isa_node **samples;
    uint32_t sample_count;
    const struct mur_isa_node **sources;
    uint32_t source_count;
    struct mur_gathered gathered;
    struct mur_scan_value *values; /* malloc'ed while they grow */
    size_t value_count;
    size_t value_capacity;
    /* of all scans so far */
    struct mur_agreement of_animals, of_sessions;
};

/** Where something was found, for diagnostics. */
struct mur_place_found {
    struct mur_found found;
    const char *file;
    size_t line;
};

/** Adds a diagnostic unless the same was said of this study already. */
MUR_NODISCARD
enum mur_status mur_builder_report(struct mur_builder *builder, enum mur_isa_severity severity,
                                   const char *code, const char *file, size_t line,
                                   struct mur_error *error, const char *format, ...)
    MUR_PRINTF(7, 8);

/** The value of a set for this scan. @param level  of what it describes, which says who is asked
 * first. @param[out] out  value.value is "" when nobody says anything */
MUR_NODISCARD
enum mur_status mur_builder_find(struct mur_place_found *out, struct mur_builder *builder,
                                 size_t set, const struct mur_column_set *columns, const char *name,
                                 enum mur_level level, struct mur_error *error);
/** The first cell of a role in one row; "" = none. @param[out] found  may be NULL */
const char *mur_builder_cell(struct mur_isa_value *found, const struct mur_builder *builder,
                             enum mur_role role, uint32_t row);

/** Whether a Date or Performer belongs to the protocol by which outlines were drawn. */
bool mur_builder_is_of_outlines(const struct mur_view *view, uint32_t column);

/** A malloc'ed text into the list's memory. */
MUR_NODISCARD
enum mur_status mur_builder_keep(const char **out, struct mur_builder *builder, const char *text,
                                 struct mur_error *error);

/** Resolves a file cell. */
MUR_NODISCARD
enum mur_status mur_builder_file(struct mur_scan_file *out, struct mur_builder *builder,
                                 const char *cell, struct mur_error *error);

/* What the parts do, in this order. */
MUR_NODISCARD
enum mur_status mur_builder_segmentations(struct mur_builder *builder, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_builder_attributes(struct mur_builder *builder, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_builder_modality(struct mur_builder *builder, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_builder_values(struct mur_builder *builder, struct mur_error *error);
/** Notes what the newest scan says of its animal and its session, to be called once for each. */
MUR_NODISCARD
enum mur_status mur_builder_note_scan(struct mur_builder *builder, struct mur_error *error);
/** When all scans are there: those of one animal, or of one session, have the same values of that
 * level. Of contradicting ones the first is kept. */
MUR_NODISCARD
enum mur_status mur_builder_agree(struct mur_builder *builder, struct mur_error *error);
void mur_agreement_free(struct mur_agreement *agreement);

#endif
