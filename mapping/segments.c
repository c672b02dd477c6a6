#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dicom/vr.h"
#include "mapping/builder.h"

enum { LABEL_LIMIT = 65535, PIECE_LIMIT = 1000, SEGMENT_LIMIT = 10000 };

/** A segment while the scan's rows are read. */
struct draft {
    struct mur_scan_segment segment;
    const char *file; /* cell; "" = none */
    const char *description;
    const char *creator;
    uint32_t row;
    size_t of_file; /* how many have this file */
};

struct drafts {
    struct draft *items;
    size_t count;
    size_t capacity;
};

static enum mur_status add_draft(struct drafts *drafts, struct draft draft, struct mur_error *error)
{
    if (drafts->count == drafts->capacity) {
        size_t capacity = drafts->capacity == 0 ? 16 : drafts->capacity * 2;
        struct draft *items = reallocarray(drafts->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        drafts->items = items;
        drafts->capacity = capacity;
    }
    drafts->items[drafts->count++] = draft;
    return MUR_OK;
}

/* ---- one organ ------------------------------------------------------------------------------- */

/** What the organ is: by its name, else by the author's SNOMED CT code, else nobody knows. */
static enum mur_status identify(struct mur_scan_segment *segment, struct mur_builder *builder,
                                const struct mur_isa_value *cell, uint32_t row,
                                struct mur_error *error)
{
    const struct mur_organs *organs = builder->mapping->organs;
    const struct mur_isa_table *table = &builder->assay->table;
    const struct mur_organ *organ = mur_organs_find(organs, segment->organ);
    struct mur_organ_code author = {"", "", ""};
    enum mur_status status = MUR_OK;
    if (organ == NULL && cell->term_accession[0] != '\0') {
        struct mur_target target = {.vr = MUR_VR_SQ, .conversion = MUR_CONVERT_CODE, .terms = true};
        struct mur_found found = {.value = *cell};
        struct mur_converted converted;
        found.value.value = segment->organ;
        status = mur_mapping_convert(&converted, builder->mapping, &target, &found, builder->study,
                                     builder->list->strings, error);
        if (status != MUR_OK)
            return status;
        author = converted.code;
        if (author.value[0] != '\0')
            organ = mur_organs_find_code(organs, author.scheme, author.value);
    }
    segment->known = organ != NULL || author.value[0] != '\0';
    if (organ == NULL)
        organ = mur_organs_unknown(organs);
    segment->category = organ->category;
    segment->type = organ->type;
    segment->modifier = organ->modifier;
    segment->region = organ->region;
    segment->has_rgb = organ->has_rgb;
    memcpy(segment->rgb, organ->rgb, sizeof segment->rgb);
    segment->unverified = organ->unverified;
    if (segment->known && author.value[0] != '\0' && organ == mur_organs_unknown(organs))
        segment->type = author;
    if (!segment->known && segment->organ[0] != '\0')
        status = mur_builder_report(builder, MUR_ISA_WARNING, "unknown-organ", table->path,
                                    table->lines[row], error,
                                    "'%s' is in no organ table: coded as %s, labelled as written",
                                    segment->organ, segment->type.meaning);
    else if (segment->unverified)
        status = mur_builder_report(
            builder, MUR_ISA_NOTE, "unverified-code", table->path, table->lines[row], error,
            "the code (%s, %s, \"%s\") of '%s' stands in no dictionary at "
            "hand",
            segment->type.value, segment->type.scheme, segment->type.meaning, segment->organ);
    return status;
}

static enum mur_status report_cut(struct mur_builder *builder, uint32_t row, const char *what,
                                  const char *text, struct mur_error *error)
{
    return mur_builder_report(builder, MUR_ISA_WARNING, "value-cut", builder->assay->table.path,
                              builder->assay->table.lines[row], error,
                              "%s '%s' has more than 64 characters and was cut", what, text);
}

static enum mur_status set_label(struct mur_scan_segment *segment, struct mur_builder *builder,
                                 const char *given, uint32_t row, struct mur_error *error)
{
    const char *text = given[0] != '\0' ? given : segment->organ;
    bool cut = false;
    char number[32];
    if (text[0] == '\0') {
        (void)snprintf(number, sizeof number, "label %lld", (long long)segment->label_value);
        text = number;
    }
    enum mur_status status = mur_mapping_fit(&segment->label, &cut, MUR_VR_LO, false,
                                             mur_slice_of(text), builder->list->strings, error);
    return status == MUR_OK && cut ? report_cut(builder, row, "the label", text, error) : status;
}

/** How it was made (0062,0008): a term of the standard, by table. */
static enum mur_status set_algorithm(struct mur_scan_segment *segment, struct mur_builder *builder,
                                     uint32_t row, struct mur_error *error)
{
    const char *method = mur_builder_cell(NULL, builder, MUR_ROLE_ALGORITHM_TYPE, row);
    const char *name = mur_builder_cell(NULL, builder, MUR_ROLE_ALGORITHM_NAME, row);
    const struct mur_table_entry *entry =
        method[0] == '\0' ? NULL : mur_table_find(builder->mapping->algorithm_table, method, "");
    segment->algorithm_type = entry != NULL ? entry->to : "MANUAL";
    bool cut = false;
    bool manual = strcmp(segment->algorithm_type, "MANUAL") == 0;
    if (name[0] == '\0' && !manual)
        name = method; /* a name is wanted unless MANUAL (0062,0009) */
    enum mur_status status = mur_mapping_fit(&segment->algorithm_name, &cut, MUR_VR_LO, false,
                                             mur_slice_of(name), builder->list->strings, error);
    if (status == MUR_OK && cut)
        status = report_cut(builder, row, "the algorithm", name, error);
    if (status == MUR_OK && method[0] != '\0' && entry == NULL)
        status =
            mur_builder_report(builder, MUR_ISA_WARNING, "unknown-value",
                               builder->assay->table.path, builder->assay->table.lines[row], error,
                               "how the outlines were made: '%s' stands in no line of the "
                               "mapping's table: taken as manual",
                               method);
    return status;
}

/** The performer of the protocol by which the outlines were drawn. */
static enum mur_status find_creator(const char **out, struct mur_builder *builder, uint32_t row,
                                    struct mur_error *error)
{
    const struct mur_view *view = &builder->assay_view;
    *out = "";
    for (uint32_t c = 0; c < view->table->column_count; c++) {
        struct mur_found found = {.value = mur_isa_value_at(view->table, row, c)};
        if (view->table->columns[c].kind != MUR_ISA_PERFORMER || found.value.value[0] == '\0' ||
            !mur_builder_is_of_outlines(view, c))
            continue;
        const struct mur_target target = {.vr = MUR_VR_PN, .conversion = MUR_CONVERT_PERSON};
        struct mur_converted converted;
        enum mur_status status = mur_mapping_convert(&converted, builder->mapping, &target, &found,
                                                     builder->study, builder->list->strings, error);
        if (status == MUR_OK && !converted.drop)
            *out = converted.text;
        return status;
    }
    return MUR_OK;
}

/** A label description file of the row, else of the sample, the animal, the assay or the study. */
static enum mur_status find_description(const char **out, struct mur_builder *builder, uint32_t row,
                                        struct mur_error *error)
{
    struct mur_place_found found;
    *out = mur_builder_cell(NULL, builder, MUR_ROLE_LABEL_DESCRIPTION, row);
    if ((*out)[0] != '\0')
        return MUR_OK;
    enum mur_status status =
        mur_builder_find(&found, builder, MUR_ROLE_LABEL_DESCRIPTION,
                         &builder->mapping->roles[MUR_ROLE_LABEL_DESCRIPTION],
                         "the label description file", MUR_LEVEL_SERIES, error);
    if (status == MUR_OK)
        *out = found.found.value.value;
    return status;
}

/** @param[out] good  false: the label value cannot be used, which is said */
static enum mur_status read_label_value(int64_t *out, bool *good, struct mur_builder *builder,
                                        struct mur_slice text, uint32_t row,
                                        struct mur_error *error)
{
    *good = true;
    *out = 0;
    if (text.length == 0)
        return MUR_OK;
    struct mur_decimal number;
    struct mur_slice rest = {"", 0};
    struct mur_error cause = MUR_ERROR_INIT;
    if (mur_decimal_read(&number, &rest, text, &cause) == MUR_OK && rest.length == 0 &&
        mur_decimal_is_integer(&number) && mur_decimal_to_int(out, &number, &cause) == MUR_OK &&
        *out >= 1 && *out <= LABEL_LIMIT)
        return MUR_OK;
    *good = false;
    return mur_builder_report(builder, MUR_ISA_ERROR, "bad-label", builder->assay->table.path,
                              builder->assay->table.lines[row], error,
                              "'%.*s' is no label value of 1 to %d: this segment of scan '%s' is "
                              "left out",
                              (int)text.length, text.data, LABEL_LIMIT, builder->scan->assay);
}

/* ---- lists in one cell ----------------------------------------------------------------------- */

static size_t piece_count(const char *text)
{
    size_t count = 1;
    for (const char *c = text; *c != '\0'; c++)
        count += *c == ';';
    return count;
}

/** The piece at @p index of a ';' separated list. */
static struct mur_slice piece_at(const char *text, size_t index)
{
    for (; index > 0; index--)
        text = strchr(text, ';') + 1;
    return mur_slice_trim((struct mur_slice){text, strcspn(text, ";")});
}

/** The row's organs: one, or several where organs and label values are lists of one length. */
static enum mur_status read_row(struct drafts *drafts, struct mur_builder *builder, uint32_t row,
                                struct mur_error *error)
{
    struct mur_isa_value organ = {.value = "", .term_source = "", .term_accession = ""};
    (void)mur_builder_cell(&organ, builder, MUR_ROLE_ORGAN, row);
    const char *label = mur_builder_cell(NULL, builder, MUR_ROLE_LABEL_VALUE, row);
    const char *file = mur_builder_cell(NULL, builder, MUR_ROLE_SEGMENTATION, row);
    for (size_t i = 0; i < builder->scan->image_count; i++)
        if (strcmp(file, builder->scan->images[i].cell) == 0)
            file = ""; /* the image itself, by the fallback */
    if (organ.value[0] == '\0' && file[0] == '\0')
        return MUR_OK;
    size_t pieces = piece_count(organ.value);
    bool several_labels = piece_count(label) == pieces;
    bool several_files = piece_count(file) == pieces;
    if (pieces > PIECE_LIMIT || (!several_labels && !several_files))
        pieces = 1;
    const char *description = "";
    const char *creator = "";
    enum mur_status status = MUR_OK;
    if (file[0] != '\0')
        status = find_description(&description, builder, row, error);
    if (status == MUR_OK)
        status = find_creator(&creator, builder, row, error);
    for (size_t i = 0; i < pieces && status == MUR_OK; i++) {
        struct draft draft = {
            .file = file, .description = description, .creator = creator, .row = row};
        struct mur_scan_segment *segment = &draft.segment;
        struct mur_slice name = pieces == 1 ? mur_slice_of(organ.value) : piece_at(organ.value, i);
        struct mur_slice value =
            pieces == 1 || !several_labels ? mur_slice_of(label) : piece_at(label, i);
        bool good = true;
        if (pieces > 1 && several_files)
            status = mur_isa_intern(&draft.file, builder->list->strings, piece_at(file, i), error);
        if (status == MUR_OK)
            status = mur_isa_intern(&segment->organ, builder->list->strings, name, error);
        if (status == MUR_OK)
            status = read_label_value(&segment->label_value, &good, builder, value, row, error);
        if (status == MUR_OK)
            status = identify(segment, builder, &organ, row, error);
        if (status == MUR_OK)
            status =
                set_label(segment, builder,
                          mur_builder_cell(NULL, builder, MUR_ROLE_SEGMENT_LABEL, row), row, error);
        if (status == MUR_OK)
            status = set_algorithm(segment, builder, row, error);
        segment->health = mur_builder_cell(NULL, builder, MUR_ROLE_ORGAN_HEALTH, row);
        if (status == MUR_OK && good)
            status = add_draft(drafts, draft, error);
    }
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

/** A draft that says no more than that there is a file. */
static bool is_bare(const struct draft *draft)
{
    return draft->segment.organ[0] == '\0' && draft->segment.label_value == 0;
}

/** Cells are interned: one file is one pointer. */
static enum mur_status count_by_file(struct drafts *drafts, struct mur_error *error)
{
    struct mur_isa_index index = {.keys = NULL};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < drafts->count && status == MUR_OK; i++) {
        uint32_t before = mur_isa_index_get(&index, drafts->items[i].file);
        status = mur_isa_index_put(&index, drafts->items[i].file,
                                   before == MUR_ISA_NONE ? 1 : before + 1, error);
    }
    for (size_t i = 0; i < drafts->count && status == MUR_OK; i++)
        drafts->items[i].of_file = mur_isa_index_get(&index, drafts->items[i].file);
    mur_isa_index_free(&index);
    return status;
}

static bool same_segment(const struct draft *a, const struct draft *b)
{
    return strcmp(a->file, b->file) == 0 && a->segment.label_value == b->segment.label_value;
}

/** The same label of the same file twice: one meaning can stand. */
static enum mur_status drop_repeated(struct drafts *drafts, struct mur_builder *builder,
                                     struct mur_error *error)
{
    const struct mur_isa_table *table = &builder->assay->table;
    size_t kept = 0;
    for (size_t i = 0; i < drafts->count; i++) {
        const struct draft *draft = &drafts->items[i];
        size_t before = 0;
        while (before < kept &&
               (draft->file[0] == '\0' || !same_segment(&drafts->items[before], draft)))
            before++;
        if (before == kept) {
            drafts->items[kept++] = *draft;
            continue;
        }
        if (strcmp(drafts->items[before].segment.organ, draft->segment.organ) == 0)
            continue;
        enum mur_status status = mur_builder_report(
            builder, MUR_ISA_ERROR, "contradicting-label", table->path, table->lines[draft->row],
            error, "label %lld of %s is '%s' and '%s': the first one is kept",
            (long long)draft->segment.label_value, draft->file, drafts->items[before].segment.organ,
            draft->segment.organ);
        if (status != MUR_OK)
            return status;
    }
    drafts->count = kept;
    return MUR_OK;
}

/** Puts the drafts that @p wanted chooses into one segmentation. */
static enum mur_status make_segmentation(struct mur_scan_segmentation *out,
                                         struct mur_builder *builder, const struct drafts *drafts,
                                         const bool *wanted, struct mur_error *error)
{
    struct mur_scan_segmentation made = {.label_description = {"", "", ""}, .creator = ""};
    enum mur_status status = mur_isa_allocate(&made.files, builder->list->strings, drafts->count,
                                              sizeof *made.files, error);
    if (status == MUR_OK)
        status = mur_isa_allocate(&made.segments, builder->list->strings, drafts->count,
                                  sizeof *made.segments, error);
    for (size_t i = 0; i < drafts->count && status == MUR_OK; i++) {
        const struct draft *draft = &drafts->items[i];
        if (!wanted[i])
            continue;
        size_t file = 0;
        while (file < made.file_count && strcmp(made.files[file].cell, draft->file) != 0)
            file++;
        if (file == made.file_count)
            status = mur_builder_file(&made.files[made.file_count++], builder, draft->file, error);
        if (status == MUR_OK && draft->description[0] != '\0' &&
            made.label_description.cell[0] == '\0')
            status = mur_builder_file(&made.label_description, builder, draft->description, error);
        if (made.creator[0] == '\0')
            made.creator = draft->creator;
        if (is_bare(draft))
            continue;
        made.segments[made.segment_count] = draft->segment;
        made.segments[made.segment_count++].file = file;
    }
    if (status == MUR_OK)
        *out = made;
    return status;
}

/** One segmentation for each file with several segments, or of which nothing is said; and one for
 * all files with one segment each. */
static enum mur_status group_drafts(struct mur_builder *builder, const struct drafts *drafts,
                                    struct mur_error *error)
{
    struct mur_scan *scan = builder->scan;
    MUR_AUTO_FREE bool *done = calloc(drafts->count + 1, sizeof *done);
    MUR_AUTO_FREE bool *wanted = calloc(drafts->count + 1, sizeof *wanted);
    if (done == NULL || wanted == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_isa_allocate(&scan->segmentations, builder->list->strings,
                                              drafts->count, sizeof *scan->segmentations, error);
    if (status == MUR_OK)
        status = mur_isa_allocate(&scan->organs, builder->list->strings, drafts->count,
                                  sizeof *scan->organs, error);
    for (size_t i = 0; i < drafts->count && status == MUR_OK; i++) {
        const struct draft *draft = &drafts->items[i];
        if (done[i])
            continue;
        if (draft->file[0] == '\0') {
            scan->organs[scan->organ_count++] = draft->segment;
            continue;
        }
        bool alone = draft->of_file > 1 || is_bare(draft);
        for (size_t other = 0; other < drafts->count; other++) {
            const struct draft *with = &drafts->items[other];
            bool same_file = strcmp(with->file, draft->file) == 0;
            bool single = with->file[0] != '\0' && with->of_file == 1 && !is_bare(with);
            wanted[other] = !done[other] && (alone ? same_file : single);
            done[other] = done[other] || wanted[other];
        }
        status = make_segmentation(&scan->segmentations[scan->segmentation_count++], builder,
                                   drafts, wanted, error);
    }
    return status;
}

enum mur_status mur_builder_segmentations(struct mur_builder *builder, struct mur_error *error)
{
    struct drafts drafts = {.items = NULL};
    enum mur_status status = MUR_OK;
    uint32_t i = 0;
    for (; i < builder->row_count && drafts.count < SEGMENT_LIMIT && status == MUR_OK; i++)
        status = read_row(&drafts, builder, builder->rows[i], error);
    if (status == MUR_OK && i < builder->row_count)
        status = mur_builder_report(builder, MUR_ISA_ERROR, "too-many-segments",
                                    builder->assay->table.path,
                                    builder->assay->table.lines[builder->rows[i]], error,
                                    "scan '%s' has more than %d segments: the rest is left out",
                                    builder->scan->assay, SEGMENT_LIMIT);
    if (status == MUR_OK && drafts.count > 0)
        status = drop_repeated(&drafts, builder, error);
    if (status == MUR_OK)
        status = count_by_file(&drafts, error);
    if (status == MUR_OK && drafts.count > 0)
        status = group_drafts(builder, &drafts, error);
    free(drafts.items);
    return status;
}
