/** A scan while it is made. Private to mapping/. */
#ifndef MUR_MAPPING_BUILDER_H
#define MUR_MAPPING_BUILDER_H

#include "mapping/internal.h"
#include "mapping/view.h"

struct mur_builder {
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
    struct mur_scan_value *values; /* malloc'ed while they grow */
    size_t value_count;
    size_t value_capacity;
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
/** When all scans are there: those of one animal, or of one session, have the same values of that
 * level. Of contradicting ones the first is kept. */
MUR_NODISCARD
enum mur_status mur_builder_agree(struct mur_builder *builder, struct mur_error *error);

#endif
