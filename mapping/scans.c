#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "mapping/builder.h"

enum mur_status mur_builder_keep(const char **out, struct mur_builder *builder, const char *text,
                                 struct mur_error *error)
{
    return mur_isa_intern(out, builder->list->strings, mur_slice_of(text), error);
}

enum mur_status mur_builder_report(struct mur_builder *builder, enum mur_isa_severity severity,
                                   const char *code, const char *file, size_t line,
                                   struct mur_error *error, const char *format, ...)
{
    if (builder->diagnostics == NULL)
        return MUR_OK;
    va_list arguments;
    va_start(arguments, format);
    MUR_AUTO_FREE char *message = NULL;
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0) {
        message = NULL;
        return mur_error_no_memory(error);
    }
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_text_format(&text, error, "%s\x1f%s\x1f%s", code, file, message);
    const char *key = NULL;
    char digest[24]; /* the messages themselves would be kept with the scans */
    if (status == MUR_OK) {
        uint64_t hash = mur_xxh64_of(text, strlen(text));
        (void)snprintf(digest, sizeof digest, "\x1f%016" PRIx64, hash);
        status = mur_builder_keep(&key, builder, digest, error);
    }
    if (status != MUR_OK || mur_isa_index_get(&builder->said, key) != MUR_ISA_NONE)
        return status;
    status = mur_isa_index_put(&builder->said, key, 0, error);
    if (status == MUR_OK)
        status = mur_isa_diagnose(builder->diagnostics, severity, code, file, line, error, "%s",
                                  message);
    return status;
}

/* ---- looking up ------------------------------------------------------------------------------ */

const char *mur_builder_cell(struct mur_isa_value *found, const struct mur_builder *builder,
                             enum mur_role role, uint32_t row)
{
    const struct mur_view *view = &builder->assay_view;
    for (uint32_t m = view->begin[role]; m < view->begin[role + 1]; m++) {
        const char *cell = mur_isa_cell(view->table, row, view->matches[m].column);
        if (cell[0] == '\0')
            continue;
        if (found != NULL)
            *found = mur_isa_value_at(view->table, row, view->matches[m].column);
        return cell;
    }
    return "";
}

static bool says_something(const struct mur_builder *builder, const char *text)
{
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *folded = NULL;
    if (text[0] == '\0')
        return false;
    return mur_text_fold(&folded, mur_slice_of(text), &ignored) != MUR_OK ||
           !mur_keys_have(&builder->mapping->no_value, folded);
}

static void set_found(struct mur_place_found *out, const struct mur_isa_table *table, uint32_t row,
                      const struct mur_column_match *match)
{
    out->found.value = mur_isa_value_at(table, row, match->column);
    out->found.name_unit = match->unit;
    out->file = table->path;
    out->line = table->lines[row];
}

/* When the outlines were drawn, and by whom, is not when and by whom the image was made. */
bool mur_builder_is_of_outlines(const struct mur_view *view, uint32_t column)
{
    static const enum mur_role roles[] = {MUR_ROLE_ORGAN, MUR_ROLE_LABEL_VALUE,
                                          MUR_ROLE_ALGORITHM_TYPE};
    const struct mur_isa_column *columns = view->table->columns;
    uint32_t owner = columns[column].owner;
    if ((columns[column].kind != MUR_ISA_DATE && columns[column].kind != MUR_ISA_PERFORMER) ||
        owner == MUR_ISA_NONE)
        return false;
    bool first = true; /* one protocol for both: it says both */
    for (uint32_t c = 0; c < owner && first; c++)
        first = columns[c].kind != MUR_ISA_PROTOCOL;
    for (size_t r = 0; r < MUR_COUNT(roles) && !first; r++)
        for (uint32_t m = view->begin[roles[r]]; m < view->begin[roles[r] + 1]; m++)
            if (columns[view->matches[m].column].owner == owner)
                return true;
    return false;
}

/** In the rows of the scan, which ought to agree. */
static enum mur_status find_in_rows(struct mur_place_found *out, struct mur_builder *builder,
                                    size_t set, const char *name, struct mur_error *error)
{
    const struct mur_view *view = &builder->assay_view;
    for (uint32_t m = view->begin[set]; m < view->begin[set + 1]; m++) {
        const struct mur_column_match *match = &view->matches[m];
        const char *first = NULL;
        if (mur_builder_is_of_outlines(view, match->column))
            continue;
        for (uint32_t i = 0; i < builder->row_count; i++) {
            const char *cell = mur_isa_cell(view->table, builder->rows[i], match->column);
            if (!says_something(builder, cell))
                continue;
            if (first == NULL) {
                first = cell;
                set_found(out, view->table, builder->rows[i], match);
            } else if (strcmp(cell, first) != 0) {
                enum mur_status status =
                    mur_builder_report(builder, MUR_ISA_WARNING, "contradicting-value",
                                       view->table->path, view->table->lines[builder->rows[i]],
                                       error, "%s of scan '%s': '%s' / '%s': the first one is kept",
                                       name, builder->scan->assay, first, cell);
                if (status != MUR_OK)
                    return status;
            }
        }
        if (first != NULL)
            return MUR_OK;
    }
    return MUR_OK;
}

/** What the study table says of a node in a column; "" = nothing. */
static const char *node_cell(struct mur_isa_ref *at, const struct mur_builder *builder,
                             const struct mur_isa_node *node, uint32_t column)
{
    for (uint32_t a = 0; a < node->attribute_count; a++) {
        const struct mur_isa_ref *ref = &node->attributes[a];
        if (ref->column != column)
            continue;
        const char *cell = mur_isa_cell(builder->study_view.table, ref->row, ref->column);
        *at = *ref;
        return says_something(builder, cell) ? cell : "";
    }
    return "";
}

/** In what the study table says of sources or samples, which ought to agree when they are pooled.
 */
static enum mur_status find_in_nodes(struct mur_place_found *out, struct mur_builder *builder,
                                     size_t set, const char *name,
                                     const struct mur_isa_node *const *nodes, uint32_t count,
                                     struct mur_error *error)
{
    const struct mur_view *view = &builder->study_view;
    for (uint32_t m = view->begin[set]; m < view->begin[set + 1]; m++) {
        const char *first = "";
        uint32_t who = 0;
        for (uint32_t n = 0; n < count; n++) {
            struct mur_isa_ref at = {0, 0};
            const char *cell = node_cell(&at, builder, nodes[n], view->matches[m].column);
            if (cell[0] == '\0')
                continue;
            if (first[0] == '\0') {
                first = cell;
                who = n;
                set_found(out, view->table, at.row, &view->matches[m]);
            } else if (strcmp(cell, first) != 0) {
                enum mur_status status = mur_builder_report(
                    builder, MUR_ISA_WARNING, "contradicting-value", view->table->path,
                    view->table->lines[at.row], error,
                    "%s of scan '%s': '%s' (%s) / '%s' (%s): the first one is kept", name,
                    builder->scan->assay, first, nodes[who]->name, cell, nodes[n]->name);
                if (status != MUR_OK)
                    return status;
            }
        }
        if (first[0] != '\0')
            return MUR_OK;
    }
    return MUR_OK;
}

/** One named text outside of the tables. */
static void offer(struct mur_place_found *out, const struct mur_builder *builder,
                  const struct mur_column_set *columns, const char *label, struct mur_isa_value is)
{
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *key = NULL;
    if (out->found.value.value[0] != '\0' || !says_something(builder, is.value) ||
        mur_mapping_key(&key, mur_slice_of(label), &ignored) != MUR_OK ||
        !mur_keys_have(&columns->names, key))
        return;
    is.kind = MUR_ISA_OTHER;
    is.name = label;
    is.unit = is.unit_source = is.unit_accession = "";
    if (is.term_source == NULL)
        is.term_source = is.term_accession = "";
    out->found = (struct mur_found){.value = is, .name_unit = NULL};
    out->file = builder->isa->investigations[builder->study->investigation].path;
    out->line = 0;
}

static void offer_text(struct mur_place_found *out, const struct mur_builder *builder,
                       const struct mur_column_set *columns, const char *label, const char *text)
{
    offer(out, builder, columns, label, (struct mur_isa_value){.value = text});
}

static void offer_term(struct mur_place_found *out, const struct mur_builder *builder,
                       const struct mur_column_set *columns, const char *label,
                       const struct mur_isa_term *term)
{
    offer(out, builder, columns, label,
          (struct mur_isa_value){.value = term->value,
                                 .term_source = term->source,
                                 .term_accession = term->accession});
}

static bool has_role(const struct mur_isa_contact *contact, const struct mur_keys *wanted)
{
    if (wanted->count == 0)
        return true;
    for (size_t i = 0; i < contact->role_count; i++) {
        struct mur_error ignored = MUR_ERROR_INIT;
        MUR_AUTO_FREE char *key = NULL;
        if (mur_mapping_key(&key, mur_slice_of(contact->roles[i].value), &ignored) == MUR_OK &&
            mur_keys_have(wanted, key))
            return true;
    }
    return false;
}

static enum mur_status find_person(struct mur_place_found *out, struct mur_builder *builder,
                                   const struct mur_column_set *columns, struct mur_error *error)
{
    for (size_t i = 0; i < builder->study->contact_count; i++) {
        const struct mur_isa_contact *contact = &builder->study->contacts[i];
        if (!has_role(contact, &columns->persons))
            continue;
        MUR_AUTO_FREE char *text = NULL;
        const char *name = NULL;
        enum mur_status status = mur_text_format(
            &text, error, "%s%s%s", contact->last_name,
            contact->last_name[0] != '\0' && contact->first_name[0] != '\0' ? ", " : "",
            contact->first_name);
        if (status == MUR_OK)
            status = mur_builder_keep(&name, builder, text, error);
        if (status != MUR_OK)
            return status;
        offer_text(out, builder, columns, "name", name);
        offer_text(out, builder, columns, "affiliation", contact->affiliation);
        offer_text(out, builder, columns, "email", contact->email);
    }
    return MUR_OK;
}

static enum mur_status find_outside(struct mur_place_found *out, struct mur_builder *builder,
                                    const struct mur_column_set *columns, unsigned place,
                                    struct mur_error *error)
{
    const struct mur_isa_study *study = builder->study;
    const struct mur_isa_assay *assay = builder->assay;
    const struct mur_isa_investigation *investigation =
        &builder->isa->investigations[study->investigation];
    switch (place) {
    case MUR_PLACE_STUDY:
        offer_text(out, builder, columns, "Study Identifier", study->identifier);
        offer_text(out, builder, columns, "Study Title", study->title);
        offer_text(out, builder, columns, "Study Description", study->description);
        offer_text(out, builder, columns, "Study Submission Date", study->submission_date);
        offer_text(out, builder, columns, "Study Public Release Date", study->public_release_date);
        break;
    case MUR_PLACE_STUDY_COMMENT:
        for (size_t i = 0; i < study->comment_count; i++)
            offer_text(out, builder, columns, study->comments[i].name, study->comments[i].value);
        break;
    case MUR_PLACE_ASSAY:
        offer_term(out, builder, columns, "Study Assay Technology Type", &assay->technology);
        offer_term(out, builder, columns, "Study Assay Measurement Type", &assay->measurement);
        offer_text(out, builder, columns, "Study Assay Technology Platform", assay->platform);
        break;
    case MUR_PLACE_ASSAY_COMMENT:
        for (size_t i = 0; i < assay->comment_count; i++)
            offer_text(out, builder, columns, assay->comments[i].name, assay->comments[i].value);
        break;
    case MUR_PLACE_INVESTIGATION:
        offer_text(out, builder, columns, "Investigation Identifier", investigation->identifier);
        offer_text(out, builder, columns, "Investigation Title", investigation->title);
        break;
    default:
        return find_person(out, builder, columns, error);
    }
    return MUR_OK;
}

enum mur_status mur_builder_find(struct mur_place_found *out, struct mur_builder *builder,
                                 size_t set, const struct mur_column_set *columns, const char *name,
                                 enum mur_level level, struct mur_error *error)
{
    enum { ROWS, SAMPLES, SOURCES };
    static const int orders[MUR_LEVEL_COUNT][3] = {
        [MUR_LEVEL_PATIENT] = {SOURCES, SAMPLES, ROWS},
        [MUR_LEVEL_STUDY] = {SAMPLES, ROWS, SOURCES},
        [MUR_LEVEL_SERIES] = {ROWS, SAMPLES, SOURCES},
        [MUR_LEVEL_IMAGE] = {ROWS, SAMPLES, SOURCES},
    };
    struct mur_place_found found = {.found = {.value = {.value = ""}}, .file = "", .line = 0};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < 3 && status == MUR_OK && found.found.value.value[0] == '\0'; i++) {
        if (orders[level][i] == ROWS)
            status = find_in_rows(&found, builder, set, name, error);
        else if (orders[level][i] == SAMPLES)
            status = find_in_nodes(&found, builder, set, name, builder->samples,
                                   builder->sample_count, error);
        else
            status = find_in_nodes(&found, builder, set, name, builder->sources,
                                   builder->source_count, error);
    }
    for (size_t p = 0; p < columns->place_count && status == MUR_OK; p++)
        if (columns->places[p] >= MUR_ISA_KINDS && found.found.value.value[0] == '\0')
            status = find_outside(&found, builder, columns, columns->places[p], error);
    if (status == MUR_OK)
        *out = found;
    return status;
}

/* ---- who is it ------------------------------------------------------------------------------- */

static enum mur_status add_node(const struct mur_isa_node ***nodes, uint32_t *count,
                                const struct mur_isa_node *node, struct mur_error *error)
{
    for (uint32_t i = 0; i < *count; i++)
        if ((*nodes)[i] == node)
            return MUR_OK;
    const struct mur_isa_node **grown = reallocarray(*nodes, *count + 1, sizeof *grown);
    if (grown == NULL)
        return mur_error_no_memory(error);
    *nodes = grown;
    grown[(*count)++] = node;
    return MUR_OK;
}

/** Sample and source nodes that the rows lead to. */
static enum mur_status resolve_nodes(struct mur_builder *builder, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; i < builder->row_count && status == MUR_OK; i++) {
        const char *name = mur_builder_cell(NULL, builder, MUR_ROLE_SAMPLE, builder->rows[i]);
        const struct mur_isa_node *sample = mur_isa_find_sample(builder->study, name);
        if (sample != NULL)
            status = add_node(&builder->samples, &builder->sample_count, sample, error);
        for (uint32_t s = 0; sample != NULL && s < sample->source_count && status == MUR_OK; s++)
            status = add_node(&builder->sources, &builder->source_count,
                              &builder->study->sources[sample->sources[s]], error);
        name = mur_builder_cell(NULL, builder, MUR_ROLE_SOURCE, builder->rows[i]);
        const struct mur_isa_node *source = mur_isa_find_source(builder->study, name);
        if (source != NULL && status == MUR_OK)
            status = add_node(&builder->sources, &builder->source_count, source, error);
    }
    return status;
}

/** The identifier, or what can stand for it. */
static const char *study_identifier(const struct mur_isa_study *study)
{
    if (study->identifier[0] != '\0')
        return study->identifier;
    return study->file[0] != '\0' ? study->file : "study";
}

static enum mur_status join_sources(char **out, const struct mur_builder *builder,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    for (uint32_t i = 0; i < builder->source_count && status == MUR_OK; i++)
        status = mur_buffer_append_format(&text, error, "%s%s", i == 0 ? "" : "+",
                                          builder->sources[i]->name);
    return status != MUR_OK ? status : mur_buffer_take(out, &text, error);
}

static enum mur_status name_scan(struct mur_builder *builder, struct mur_error *error)
{
    struct mur_scan *scan = builder->scan;
    const struct mur_isa_table *table = &builder->assay->table;
    size_t line = table->lines[builder->rows[0]];
    struct mur_place_found found;
    scan->sample = mur_builder_cell(NULL, builder, MUR_ROLE_SAMPLE, builder->rows[0]);
    enum mur_status status = MUR_OK;
    for (uint32_t i = 1; i < builder->row_count && status == MUR_OK; i++) {
        const char *other = mur_builder_cell(NULL, builder, MUR_ROLE_SAMPLE, builder->rows[i]);
        if (strcmp(other, scan->sample) != 0 && other[0] != '\0')
            status = mur_builder_report(builder, MUR_ISA_WARNING, "several-samples", table->path,
                                        table->lines[builder->rows[i]], error,
                                        "scan '%s' has the samples '%s' and '%s': the first one is "
                                        "its session",
                                        scan->assay, scan->sample, other);
    }
    if (status == MUR_OK)
        status = mur_builder_find(&found, builder, MUR_ROLE_SOURCE,
                                  &builder->mapping->roles[MUR_ROLE_SOURCE], "the animal",
                                  MUR_LEVEL_PATIENT, error);
    if (status != MUR_OK)
        return status;
    scan->source = found.found.value.value;
    if (scan->source[0] == '\0' && builder->source_count > 0) {
        MUR_AUTO_FREE char *joined = NULL;
        status = join_sources(&joined, builder, error);
        if (status == MUR_OK)
            status = mur_builder_keep(&scan->source, builder, joined, error);
        if (status == MUR_OK && builder->source_count > 1)
            status = mur_builder_report(builder, MUR_ISA_WARNING, "pooled-scan", table->path, line,
                                        error, "scan '%s' is of %u sources: '%s' is one patient",
                                        scan->assay, builder->source_count, scan->source);
    } else if (scan->source[0] == '\0') {
        scan->source = scan->sample[0] != '\0' ? scan->sample : scan->assay;
        status = mur_builder_report(builder, MUR_ISA_WARNING, "no-source", table->path, line, error,
                                    "scan '%s' leads to no source: '%s' stands for the animal",
                                    scan->assay, scan->source);
    }
    if (status == MUR_OK)
        status = mur_builder_find(&found, builder, MUR_ROLE_SESSION,
                                  &builder->mapping->roles[MUR_ROLE_SESSION], "the session",
                                  MUR_LEVEL_STUDY, error);
    if (status == MUR_OK)
        scan->session = found.found.value.value[0] != '\0' ? found.found.value.value
                        : scan->sample[0] != '\0'          ? scan->sample
                                                           : scan->source;
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum mur_status mur_builder_file(struct mur_scan_file *out, struct mur_builder *builder,
                                 const char *cell, struct mur_error *error)
{
    struct mur_scan_file file = {.cell = cell, .path = "", .problem = ""};
    struct mur_error cause = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status =
        mur_isa_resolve_path(&path, builder->isa, builder->study, cell, &cause);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (status == MUR_OK)
        status = mur_builder_keep(&file.path, builder, path, error);
    else
        status = mur_builder_keep(&file.problem, builder, cause.message, error);
    if (status == MUR_OK)
        *out = file;
    return status;
}

static enum mur_status add_image(struct mur_builder *builder, const char *cell,
                                 struct mur_error *error)
{
    struct mur_scan *scan = builder->scan;
    for (size_t i = 0; i < scan->image_count; i++)
        if (strcmp(scan->images[i].cell, cell) == 0)
            return MUR_OK;
    size_t count = scan->image_count;
    struct mur_scan_file *images = scan->images;
    enum mur_status status = MUR_OK;
    if ((count & (count - 1)) == 0) { /* all places are taken: twice as many */
        status = mur_isa_allocate(&images, builder->list->strings, count == 0 ? 1 : 2 * count,
                                  sizeof *images, error);
        if (status == MUR_OK && count > 0)
            memcpy(images, scan->images, count * sizeof *images);
    }
    if (status == MUR_OK)
        status = mur_builder_file(&images[count], builder, cell, error);
    if (status != MUR_OK)
        return status;
    scan->images = images;
    scan->image_count++;
    return MUR_OK;
}

enum { IMAGE_LIMIT = 10000 };

/** The images; where no image column has anything, the fallback, in rows that name no organ. */
static enum mur_status find_images(struct mur_builder *builder, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (int fallback = 0; fallback < 2 && builder->scan->image_count == 0; fallback++) {
        for (uint32_t i = 0; i < builder->row_count && status == MUR_OK; i++) {
            uint32_t row = builder->rows[i];
            const char *cell = mur_builder_cell(
                NULL, builder, fallback == 0 ? MUR_ROLE_IMAGE : MUR_ROLE_IMAGE_FALLBACK, row);
            if (cell[0] == '\0' || builder->scan->image_count == IMAGE_LIMIT)
                continue;
            if (fallback == 1 &&
                (mur_builder_cell(NULL, builder, MUR_ROLE_ORGAN, row)[0] != '\0' ||
                 mur_builder_cell(NULL, builder, MUR_ROLE_LABEL_VALUE, row)[0] != '\0'))
                continue;
            status = add_image(builder, cell, error);
        }
    }
    return status;
}

/* ---- rows to scans --------------------------------------------------------------------------- */

/** What holds the rows of a scan together. */
static enum mur_status scan_name(const char **out, struct mur_builder *builder, uint32_t row,
                                 struct mur_error *error)
{
    static const enum mur_role roles[] = {MUR_ROLE_SCAN, MUR_ROLE_IMAGE, MUR_ROLE_IMAGE_FALLBACK,
                                          MUR_ROLE_SAMPLE};
    for (size_t i = 0; i < MUR_COUNT(roles); i++) {
        const char *cell = mur_builder_cell(NULL, builder, roles[i], row);
        if (cell[0] != '\0')
            return mur_builder_keep(out, builder, cell, error);
    }
    char text[32];
    (void)snprintf(text, sizeof text, "row %u", row + 1);
    return mur_builder_keep(out, builder, text, error);
}

static enum mur_status add_scan(struct mur_builder *builder, const char *name, const uint32_t *rows,
                                uint32_t count, struct mur_error *error)
{
    struct mur_scan scan = {
        .isa_study = builder->study,
        .isa_assay = builder->assay,
        .first_row = rows[0],
        .study = study_identifier(builder->study),
        .study_title = builder->study->title,
        .assay_file = builder->assay->table.path,
        .assay = name,
        .technology = builder->assay->technology.value,
        .modality = "",
    };
    builder->scan = &scan;
    builder->rows = rows;
    builder->row_count = count;
    builder->sample_count = 0;
    builder->source_count = 0;
    builder->value_count = 0;
    uint32_t *kept = NULL;
    enum mur_status status =
        mur_isa_allocate(&kept, builder->list->strings, count, sizeof *kept, error);
    if (status != MUR_OK)
        return status;
    memcpy(kept, rows, count * sizeof *kept);
    scan.rows = kept;
    scan.row_count = count;
    status = resolve_nodes(builder, error);
    if (status == MUR_OK)
        status = name_scan(builder, error);
    if (status == MUR_OK)
        status = find_images(builder, error);
    if (status == MUR_OK)
        status = mur_builder_segmentations(builder, error);
    if (status == MUR_OK)
        status = mur_builder_attributes(builder, error);
    if (status == MUR_OK)
        status = mur_builder_modality(builder, error);
    if (status == MUR_OK)
        status = mur_builder_values(builder, error);
    if (status == MUR_OK)
        status = mur_builder_note_scan(builder, error);
    if (builder->survey) {
        scan.values = NULL;
        scan.value_count = 0;
        scan.isa_attributes = NULL;
        scan.isa_attribute_count = 0;
    }
    if (status == MUR_OK)
        builder->list->scans[builder->list->count++] = scan;
    builder->scan = NULL;
    return status;
}

/** Gathers the rows of each name, in order of first appearance. */
static enum mur_status scans_of_assay(struct mur_builder *builder, struct mur_error *error)
{
    uint32_t row_count = builder->assay->table.row_count;
    if (row_count == 0)
        return MUR_OK;
    enum mur_status status =
        mur_view_make(&builder->assay_view, builder->mapping, &builder->assay->table, error);
    if (status != MUR_OK)
        return status;
    struct mur_isa_index index = {.strings = builder->list->strings};
    MUR_AUTO_FREE uint32_t *group_of = calloc(row_count, sizeof *group_of);
    MUR_AUTO_FREE const char **names = calloc(row_count, sizeof *names);
    MUR_AUTO_FREE uint32_t *begin = calloc((size_t)row_count + 2, sizeof *begin);
    MUR_AUTO_FREE uint32_t *sorted = calloc(row_count, sizeof *sorted);
    if (group_of == NULL || names == NULL || begin == NULL || sorted == NULL)
        return mur_error_no_memory(error);
    uint32_t groups = 0;
    for (uint32_t row = 0; row < row_count && status == MUR_OK; row++) {
        const char *name = "";
        status = scan_name(&name, builder, row, error);
        if (status != MUR_OK)
            break;
        group_of[row] = mur_isa_index_get(&index, name);
        if (group_of[row] == MUR_ISA_NONE) {
            group_of[row] = groups;
            names[groups] = name;
            status = mur_isa_index_put(&index, name, groups++, error);
        }
        begin[group_of[row] + 2]++;
    }
    mur_isa_index_free(&index);
    for (uint32_t g = 0; g < groups; g++)
        begin[g + 2] += begin[g + 1];
    for (uint32_t row = 0; row < row_count && status == MUR_OK; row++)
        sorted[begin[group_of[row] + 1]++] = row;
    struct mur_scan *scans = NULL;
    if (status == MUR_OK) {
        scans = reallocarray(builder->list->scans, builder->list->count + groups, sizeof *scans);
        if (scans == NULL)
            return mur_error_no_memory(error);
        builder->list->scans = scans;
    }
    for (uint32_t g = 0; g < groups && status == MUR_OK; g++)
        status = add_scan(builder, names[g], sorted + begin[g], begin[g + 1] - begin[g], error);
    return status;
}

static enum mur_status make_scans(struct mur_scan_list **out, bool survey,
                                  const struct mur_mapping *mapping, const struct mur_isa *isa,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    MUR_AUTO(mur_scan_list) *list = calloc(1, sizeof *list);
    if (list == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_isa_strings_create(&list->strings, error);
    if (status != MUR_OK)
        return status;
    struct mur_builder builder = {
        .survey = survey, .mapping = mapping, .isa = isa, .diagnostics = diagnostics, .list = list};
    builder.said.strings = list->strings;
    for (size_t s = 0; s < isa->study_count && status == MUR_OK; s++) {
        builder.study = &isa->studies[s];
        status = mur_view_make(&builder.study_view, mapping, &builder.study->table, error);
        for (size_t a = 0; a < builder.study->assay_count && status == MUR_OK; a++) {
            builder.assay = &builder.study->assays[a];
            status = scans_of_assay(&builder, error);
        }
        mur_isa_index_free(&builder.said); /* the next study may hear it again */
    }
    if (status == MUR_OK && !survey)
        status = mur_builder_agree(&builder, error);
    mur_agreement_free(&builder.of_animals);
    mur_agreement_free(&builder.of_sessions);
    mur_gathered_free(&builder.gathered);
    mur_isa_index_free(&builder.said);
    mur_view_free(&builder.study_view);
    mur_view_free(&builder.assay_view);
    free(builder.samples);
    free(builder.sources);
    free(builder.values);
    if (status == MUR_OK)
        *out = MUR_STEAL(list);
    return status;
}

enum mur_status mur_mapping_scans(struct mur_scan_list **out, const struct mur_mapping *mapping,
                                  const struct mur_isa *isa,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    return make_scans(out, false, mapping, isa, diagnostics, error);
}

enum mur_status mur_mapping_survey(struct mur_scan_list **out, const struct mur_mapping *mapping,
                                   const struct mur_isa *isa,
                                   struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    return make_scans(out, true, mapping, isa, diagnostics, error);
}

void mur_scan_list_free(struct mur_scan_list *list)
{
    if (list == NULL)
        return;
    mur_isa_strings_free(list->strings);
    free(list->scans);
    free(list);
}
