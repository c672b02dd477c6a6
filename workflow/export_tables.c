/* The tables of a dataset: which rows, and what stands in their file columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "isa/write.h"
#include "workflow/export_parts.h"

enum { JSON_LIMIT = 64 << 20 };

void mur_export_writing_free(struct mur_export_writing *writing)
{
    for (size_t i = 0; i < writing->table_count; i++) {
        free(writing->tables[i].columns);
        free(writing->tables[i].scan_of_row);
    }
    free(writing->tables);
    free(writing->objects);
    free(writing->found);
    free(writing->kept);
    free(writing->first_kept);
}

static bool writes_all(const struct mur_export_writing *writing)
{
    return writing->export->options->query == NULL;
}

static struct mur_export_table *roles_of(const struct mur_export_writing *writing,
                                         const struct mur_isa_assay *assay)
{
    for (size_t i = 0; i < writing->table_count; i++)
        if (writing->tables[i].assay == assay)
            return &writing->tables[i];
    return NULL;
}

/* ---- which columns, which rows --------------------------------------------------------------- */

static enum mur_status add_column(struct mur_export_column *role, const struct mur_export *export,
                                  const struct mur_isa_column *column, const char *what,
                                  struct mur_error *error)
{
    size_t place = 0;
    while (role->added[place] != NULL)
        place++;
    MUR_AUTO_FREE char *header = NULL;
    enum mur_status status = mur_text_format(&header, error, "Comment[%s %s]", column->name, what);
    return status == MUR_OK ? mur_export_keep(&role->added[place], export, header, error) : status;
}

static enum mur_status find_roles(struct mur_export_table *to,
                                  const struct mur_export_writing *writing,
                                  const struct mur_isa_study *study, struct mur_error *error)
{
    const struct mur_isa_table *table = &to->assay->table;
    const struct mur_export *export = writing->export;
    bool has_image = false;
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; status == MUR_OK && c < table->column_count; c++) {
        struct mur_column_description description = {.target_count = 0};
        struct mur_export_column *role = &to->columns[c];
        status = mur_mapping_describe_column(&description, export->options->mapping, study, table,
                                             c, error);
        if (status != MUR_OK)
            break;
        const char *name = description.role;
        if (strcmp(name, "image") == 0 || strcmp(name, "image_fallback") == 0 ||
            strcmp(name, "segmentation") == 0)
            role->role = MUR_EXPORT_FILE; /* of images or outlines: the scan says which */
        role->first_image = !has_image && strcmp(name, "image") == 0;
        has_image = has_image || role->first_image;
        if (strcmp(name, "label_description") == 0)
            role->role = MUR_EXPORT_DESCRIPTION;
        if (strcmp(name, "label_value") == 0)
            role->role = MUR_EXPORT_LABEL;
        mur_column_description_free(&description);
        if (role->role == MUR_EXPORT_PLAIN)
            continue;
        status = add_column(role, export, &table->columns[c], "as delivered", error);
        if (status == MUR_OK && role->role == MUR_EXPORT_FILE)
            status = add_column(role, export, &table->columns[c], "Study Instance UID", error);
        if (status == MUR_OK && role->role == MUR_EXPORT_FILE)
            status = add_column(role, export, &table->columns[c], "Series Instance UID", error);
    }
    return status;
}

static enum mur_status prepare_tables(struct mur_export_writing *writing, struct mur_error *error)
{
    size_t count = 0;
    for (size_t i = 0; i < writing->isa->study_count; i++)
        count += writing->isa->studies[i].assay_count;
    writing->tables = calloc(count + 1, sizeof *writing->tables);
    if (writing->tables == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < writing->isa->study_count; i++) {
        const struct mur_isa_study *study = &writing->isa->studies[i];
        for (size_t a = 0; status == MUR_OK && a < study->assay_count; a++) {
            struct mur_export_table *table = &writing->tables[writing->table_count++];
            table->assay = &study->assays[a];
            const struct mur_isa_table *of = &table->assay->table;
            table->columns = calloc((size_t)of->column_count + 1, sizeof *table->columns);
            table->scan_of_row = malloc(((size_t)of->row_count + 1) * sizeof *table->scan_of_row);
            if (table->columns == NULL || table->scan_of_row == NULL)
                return mur_error_no_memory(error);
            for (uint32_t row = 0; row < of->row_count; row++)
                table->scan_of_row[row] = MUR_ISA_NONE;
            status = find_roles(table, writing, study, error);
        }
    }
    return status;
}

/** Marks the rows of the study table that the samples of a scan stand in. */
static void keep_samples(struct mur_export_writing *writing, const struct mur_scan *scan)
{
    const struct mur_isa_study *study = scan->isa_study;
    const struct mur_isa_table *assay = &scan->isa_assay->table;
    const struct mur_isa_table *table = &study->table;
    bool *kept = writing->kept + writing->first_kept[study - writing->isa->studies];
    for (uint32_t r = 0; r < scan->row_count; r++)
        for (uint32_t c = 0; c < assay->column_count; c++) {
            if (assay->columns[c].kind != MUR_ISA_MATERIAL ||
                strcmp(assay->columns[c].header, "Sample Name") != 0)
                continue;
            const struct mur_isa_node *sample =
                mur_isa_find_sample(study, mur_isa_cell(assay, scan->rows[r], c));
            if (sample != NULL && sample->row < table->row_count)
                kept[sample->row] = true;
        }
}

/** A sample has several rows when it was pooled, or repeated: all of them or none. */
static void keep_all_rows(struct mur_export_writing *writing, const struct mur_isa_study *study)
{
    const struct mur_isa_table *table = &study->table;
    bool *kept = writing->kept + writing->first_kept[study - writing->isa->studies];
    for (uint32_t row = 0; row < table->row_count; row++)
        for (uint32_t c = 0; c < table->column_count; c++) {
            if (table->columns[c].kind != MUR_ISA_MATERIAL ||
                strcmp(table->columns[c].header, "Sample Name") != 0)
                continue;
            const struct mur_isa_node *sample =
                mur_isa_find_sample(study, mur_isa_cell(table, row, c));
            kept[row] = kept[row] || (sample != NULL && kept[sample->row]);
        }
}

static enum mur_status choose_scans(struct mur_export_writing *writing, struct mur_error *error)
{
    struct mur_export *export = writing->export;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < writing->scans->count; i++) {
        const struct mur_scan *scan = &writing->scans->scans[i];
        struct mur_export_table *table = roles_of(writing, scan->isa_assay);
        for (uint32_t r = 0; r < scan->row_count; r++)
            table->scan_of_row[scan->rows[r]] = (uint32_t)i;
        const char *key = NULL;
        status =
            mur_export_scan_key(&key, export, scan->study, scan->assay_file, scan->assay, error);
        if (status != MUR_OK)
            break;
        uint32_t known = mur_isa_index_get(&writing->dataset->scans, key);
        writing->found[i] =
            known == MUR_ISA_NONE ? writes_all(writing) : export->scans[known].found;
        if (!writing->found[i])
            continue;
        export->summary.scans++;
        keep_samples(writing, scan);
        if (known != MUR_ISA_NONE)
            status = mur_export_objects_of(writing, i, &export->scans[known], error);
        mur_progress_update(&export->options->progress, export->summary.scans, export->total,
                            scan->assay);
    }
    for (size_t i = 0; i < writing->isa->study_count; i++)
        keep_all_rows(writing, &writing->isa->studies[i]);
    return status;
}

/* ---- what is written ------------------------------------------------------------------------- */

static bool has_assay(const struct mur_export_writing *writing, const struct mur_isa_assay *assay)
{
    const struct mur_export_table *table = roles_of(writing, assay);
    for (uint32_t row = 0; row < assay->table.row_count; row++)
        if (table->scan_of_row[row] != MUR_ISA_NONE && writing->found[table->scan_of_row[row]])
            return true;
    return false;
}

static bool has_part(void *user, const struct mur_isa_study *study,
                     const struct mur_isa_assay *assay)
{
    const struct mur_export_writing *writing = user;
    if (writes_all(writing))
        return true;
    if (assay != NULL)
        return has_assay(writing, assay);
    for (size_t i = 0; i < study->assay_count; i++)
        if (has_assay(writing, &study->assays[i]))
            return true;
    return false;
}

static bool has_row(void *user, const struct mur_isa_study *study,
                    const struct mur_isa_assay *assay, uint32_t row)
{
    const struct mur_export_writing *writing = user;
    if (writes_all(writing))
        return true;
    if (assay == NULL)
        return writing->kept[writing->first_kept[study - writing->isa->studies] + row];
    uint32_t scan = roles_of(writing, assay)->scan_of_row[row];
    return scan != MUR_ISA_NONE && writing->found[scan];
}

static const char *const *columns_behind(void *user, const struct mur_isa_study *study,
                                         const struct mur_isa_assay *assay, uint32_t column)
{
    (void)study;
    return assay == NULL ? NULL : roles_of(user, assay)->columns[column].added;
}

/** Whether a cell, a file or a list of them with ';' between, names this one. */
static bool names_file(const char *cell, const char *file)
{
    if (strcmp(cell, file) == 0)
        return true;
    for (size_t length = strcspn(cell, ";"); cell[0] != '\0'; length = strcspn(cell, ";")) {
        if (mur_slice_equal(mur_slice_trim((struct mur_slice){cell, length}), file))
            return true;
        cell += length;
        cell += *cell == ';' ? 1 : 0;
    }
    return false;
}

/** The segmentation of a scan that a cell names files of. @param[out] of  what the tables say of it
 */
static const struct mur_export_outlines *segmentation_in(const struct mur_export_writing *writing,
                                                         const struct mur_export_table *table,
                                                         uint32_t row, const char *cell,
                                                         const struct mur_scan_segmentation **of)
{
    const struct mur_scan *scan = &writing->scans->scans[table->scan_of_row[row]];
    const struct mur_export_objects *objects = &writing->objects[table->scan_of_row[row]];
    for (size_t s = 0; s < scan->segmentation_count && objects->segmentations != NULL; s++)
        for (size_t f = 0; f < scan->segmentations[s].file_count; f++)
            if (names_file(cell, scan->segmentations[s].files[f].cell)) {
                *of = &scan->segmentations[s];
                return &objects->segmentations[s];
            }
    return NULL;
}

/** The segmentation that a row is about, and the cell that names its files. */
static const struct mur_export_outlines *segmentation_of(const struct mur_export_writing *writing,
                                                         const struct mur_export_table *table,
                                                         uint32_t row,
                                                         const struct mur_scan_segmentation **of,
                                                         const char **files)
{
    const struct mur_export_outlines *found = NULL;
    for (uint32_t c = 0; found == NULL && c < table->assay->table.column_count; c++) {
        *files = mur_isa_cell(&table->assay->table, row, c);
        if (table->columns[c].role == MUR_EXPORT_FILE && (*files)[0] != '\0')
            found = segmentation_in(writing, table, row, *files, of);
    }
    return found;
}

/** Segment Number (0062,0004) of the segment with a label, in DICOM JSON. @return 0 = none */
static int64_t segment_number(const struct mur_json *segments, const char *label)
{
    for (size_t i = 0; i < mur_json_count(segments); i++) {
        const struct mur_json *item = mur_json_at(segments, i);
        const char *text =
            mur_json_text(mur_json_at(mur_json_get(mur_json_get(item, "00620005"), "Value"), 0));
        int64_t number = 0;
        if (text != NULL && strcmp(text, label) == 0 &&
            mur_json_get_int(&number,
                             mur_json_at(mur_json_get(mur_json_get(item, "00620004"), "Value"), 0),
                             NULL) == MUR_OK)
            return number;
    }
    return 0;
}

/** Whether a cell, a number or a list of them, has this one. */
static bool has_number(const char *cell, int64_t number)
{
    char wanted[24];
    int length = snprintf(wanted, sizeof wanted, "%lld", (long long)number);
    while (*cell != '\0') {
        size_t digits = strspn(cell, "0123456789");
        if (digits == (size_t)length && memcmp(cell, wanted, digits) == 0)
            return true;
        cell += digits == 0 ? 1 : digits;
    }
    return false;
}

/** In the file that is named now a label value is a Segment Number. What cannot be told stays. */
static enum mur_status label_cell(const char **out, const struct mur_export_writing *writing,
                                  const struct mur_export_table *table, uint32_t row,
                                  struct mur_error *error)
{
    const struct mur_scan_segmentation *of = NULL;
    const char *files = "";
    const struct mur_export_outlines *object = segmentation_of(writing, table, row, &of, &files);
    if (object == NULL || object->json == NULL || object->json[0] == '\0')
        return MUR_OK;
    MUR_AUTO(mur_json) *segments = NULL;
    enum mur_status status =
        mur_json_parse(&segments, mur_slice_of(object->json), JSON_LIMIT, error);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    for (size_t s = 0; status == MUR_OK && s < of->segment_count; s++) {
        const struct mur_scan_segment *segment = &of->segments[s];
        if (!has_number(*out, segment->label_value) ||
            !names_file(files, of->files[segment->file].cell))
            continue;
        int64_t number = segment_number(segments, segment->label);
        if (number > 0)
            status = mur_buffer_append_format(&text, error, "%s%lld", text.length > 0 ? ";" : "",
                                              (long long)number);
    }
    if (status != MUR_OK || text.length == 0)
        return status;
    return mur_export_keep(out, writing->export, mur_buffer_text(&text), error);
}

static bool objects_known(const struct mur_export_writing *writing, uint32_t scan)
{
    return writing->objects[scan].image != NULL;
}

static enum mur_status cell_of(const char **out, void *user, const struct mur_isa_study *study,
                               const struct mur_isa_assay *assay, uint32_t row, uint32_t column,
                               size_t number, struct mur_error *error)
{
    (void)study;
    const struct mur_export_writing *writing = user;
    if (assay == NULL)
        return MUR_OK;
    const struct mur_export_table *table = roles_of(writing, assay);
    const struct mur_export_column *role = &table->columns[column];
    uint32_t scan = table->scan_of_row[row];
    const char *delivered = mur_isa_cell(&assay->table, row, column);
    if (role->role == MUR_EXPORT_PLAIN || scan == MUR_ISA_NONE)
        return MUR_OK;
    /* An image that came late has no name in the tables. */
    bool late = role->first_image && writing->scans->scans[scan].image_count == 0;
    if (delivered[0] == '\0' && !late)
        return MUR_OK;
    if (number == 1) { /* as delivered */
        *out = delivered;
        return MUR_OK;
    }
    if (role->role == MUR_EXPORT_DESCRIPTION && number == 0 && objects_known(writing, scan)) {
        *out = ""; /* the segmentation itself says what its segments are */
        return MUR_OK;
    }
    if (role->role == MUR_EXPORT_LABEL)
        return label_cell(out, writing, table, row, error);
    const struct mur_export_objects *objects = &writing->objects[scan];
    const struct mur_scan_segmentation *of = NULL;
    const struct mur_export_outlines *outlines =
        segmentation_in(writing, table, row, delivered, &of);
    const char *texts[] = {objects->image, NULL, objects->image_study, objects->image_series};
    if (outlines != NULL) {
        texts[0] = outlines->name;
        texts[2] = outlines->study;
        texts[3] = outlines->series;
    }
    if (number < MUR_COUNT(texts) && texts[number] != NULL)
        *out = texts[number];
    return MUR_OK;
}

enum mur_status mur_export_tables(struct mur_export_writing *writing, struct mur_error *error)
{
    const struct mur_isa *isa = writing->isa;
    size_t rows = 0;
    writing->first_kept = calloc(isa->study_count + 1, sizeof *writing->first_kept);
    if (writing->first_kept == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < isa->study_count; i++) {
        writing->first_kept[i] = rows;
        rows += isa->studies[i].table.row_count;
    }
    writing->kept = calloc(rows + 1, sizeof *writing->kept);
    writing->found = calloc(writing->scans->count + 1, sizeof *writing->found);
    writing->objects = calloc(writing->scans->count + 1, sizeof *writing->objects);
    if (writing->kept == NULL || writing->found == NULL || writing->objects == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = prepare_tables(writing, error);
    if (status == MUR_OK)
        status = choose_scans(writing, error);
    const struct mur_isa_part part = {.has = has_part,
                                      .has_row = has_row,
                                      .columns = columns_behind,
                                      .cell = cell_of,
                                      .user = writing};
    if (status == MUR_OK)
        status = mur_isa_write(isa, writing->directory, &part, error);
    for (size_t i = 0; status == MUR_OK && i < isa->study_count; i++)
        writing->export->summary.studies += has_part(writing, &isa->studies[i], NULL) ? 1 : 0;
    return status;
}
