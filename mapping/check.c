#include "mapping/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "mapping/builder.h"

/** What is the same for the whole check. */
struct checking {
    const struct mur_mapping *mapping;
    const struct mur_isa *isa;
    struct mur_scan_list *scans;
    struct mur_isa_diagnostics *diagnostics;
    struct mur_isa_index images;   /* path of an image -> scan that named it first */
    struct mur_isa_index unmapped; /* headers of columns that were reported */
};

/* ---- files ----------------------------------------------------------------------------------- */

/** Says why a file cannot be used, without the folder, which the reader of the message knows. */
static enum mur_status report_problem(const struct checking *checking, const struct mur_scan *scan,
                                      const struct mur_scan_file *file, const char *code,
                                      struct mur_error *error)
{
    const struct mur_isa_table *table = &scan->isa_assay->table;
    size_t line = table->lines[scan->first_row];
    if (mur_isa_is_url(file->cell))
        return mur_isa_diagnose(checking->diagnostics, MUR_ISA_WARNING, "url", table->path, line,
                                error, "scan %s: %s: a URL is recorded, never fetched", scan->assay,
                                file->cell);
    size_t length = strlen(file->problem);
    const char *folder = strstr(file->problem, checking->isa->root);
    if (folder != NULL && folder - file->problem > 4 && memcmp(folder - 4, " in ", 4) == 0)
        length = (size_t)(folder - 4 - file->problem);
    return mur_isa_diagnose(checking->diagnostics, MUR_ISA_ERROR, code, table->path, line, error,
                            "scan %s: %.*s", scan->assay, (int)length, file->problem);
}

static enum mur_status check_file(const struct checking *checking, const struct mur_scan *scan,
                                  const struct mur_scan_file *file, const char *code,
                                  struct mur_error *error)
{
    if (file->path[0] == '\0')
        return report_problem(checking, scan, file, code, error);
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_path_join(&path, checking->isa->root, file->path, error);
    struct stat details;
    if (status != MUR_OK || stat(path, &details) != 0 || !S_ISREG(details.st_mode) ||
        details.st_size > 0)
        return status;
    const struct mur_isa_table *table = &scan->isa_assay->table;
    return mur_isa_diagnose(checking->diagnostics, MUR_ISA_ERROR, "empty-file", table->path,
                            table->lines[scan->first_row], error, "scan %s: %s has no content",
                            scan->assay, file->cell);
}

/** Two scans of one image: perhaps a row was copied and not changed. */
static enum mur_status note_image(struct checking *checking, size_t index,
                                  const struct mur_scan_file *file, struct mur_error *error)
{
    const struct mur_scan *scan = &checking->scans->scans[index];
    const char *key = NULL;
    enum mur_status status =
        mur_isa_intern(&key, checking->scans->strings, mur_slice_of(file->path), error);
    if (status != MUR_OK || key[0] == '\0')
        return status;
    uint32_t first = mur_isa_index_get(&checking->images, key);
    if (first == MUR_ISA_NONE)
        return mur_isa_index_put(&checking->images, key, (uint32_t)index, error);
    const struct mur_isa_table *table = &scan->isa_assay->table;
    return mur_isa_diagnose(checking->diagnostics, MUR_ISA_WARNING, "duplicate-image", table->path,
                            table->lines[scan->first_row], error,
                            "scan %s: %s is the image of scan %s already", scan->assay, file->cell,
                            checking->scans->scans[first].assay);
}

static enum mur_status check_scan(struct checking *checking, size_t index, struct mur_error *error)
{
    const struct mur_scan *scan = &checking->scans->scans[index];
    const struct mur_isa_table *table = &scan->isa_assay->table;
    enum mur_status status = MUR_OK;
    if (scan->image_count == 0)
        status =
            mur_isa_diagnose(checking->diagnostics, MUR_ISA_ERROR, "no-image", table->path,
                             table->lines[scan->first_row], error,
                             "scan %s of %s: no column names an image", scan->assay, scan->sample);
    for (size_t i = 0; status == MUR_OK && i < scan->image_count; i++) {
        status = check_file(checking, scan, &scan->images[i], "missing-image", error);
        if (status == MUR_OK)
            status = note_image(checking, index, &scan->images[i], error);
    }
    for (size_t i = 0; status == MUR_OK && i < scan->segmentation_count; i++) {
        const struct mur_scan_segmentation *segmentation = &scan->segmentations[i];
        for (size_t f = 0; status == MUR_OK && f < segmentation->file_count; f++)
            status =
                check_file(checking, scan, &segmentation->files[f], "missing-segmentation", error);
        if (status == MUR_OK && segmentation->label_description.cell[0] != '\0')
            status = check_file(checking, scan, &segmentation->label_description,
                                "missing-label-description", error);
    }
    return status;
}

/* ---- fields that the profile wants ----------------------------------------------------------- */

static const struct mur_field *find_field(size_t *index, const struct mur_mapping *mapping,
                                          const char *name)
{
    for (size_t i = 0; i < mapping->field_count; i++)
        if (strcmp(mapping->fields[i].name, name) == 0) {
            *index = i;
            return &mapping->fields[i];
        }
    return NULL;
}

static bool node_says(const struct mur_view *view, size_t set, const struct mur_isa_node *node)
{
    for (uint32_t a = 0; a < node->attribute_count; a++)
        for (uint32_t m = view->begin[set]; m < view->begin[set + 1]; m++)
            if (node->attributes[a].column == view->matches[m].column)
                return true;
    return false;
}

/** Whether the row, its sample or the sample's sources have a value in a column of the set. */
static bool row_says(const struct mur_builder *builder, size_t set, uint32_t row)
{
    const struct mur_view *view = &builder->assay_view;
    for (uint32_t m = view->begin[set]; m < view->begin[set + 1]; m++)
        if (mur_isa_cell(view->table, row, view->matches[m].column)[0] != '\0')
            return true;
    const char *name = mur_builder_cell(NULL, builder, MUR_ROLE_SAMPLE, row);
    const struct mur_isa_node *sample =
        name[0] == '\0' ? NULL : mur_isa_find_sample(builder->study, name);
    if (sample == NULL)
        return false;
    if (node_says(&builder->study_view, set, sample))
        return true;
    for (uint32_t s = 0; s < sample->source_count; s++)
        if (node_says(&builder->study_view, set, &builder->study->sources[sample->sources[s]]))
            return true;
    return false;
}

static enum mur_status check_field(struct mur_builder *builder, size_t index,
                                   struct mur_error *error)
{
    const struct mur_field *field = &builder->mapping->fields[index];
    const struct mur_isa_table *table = builder->assay_view.table;
    size_t set = MUR_ROLES + index;
    struct mur_place_found outside;
    enum mur_status status =
        mur_builder_find(&outside, builder, set, &field->columns, field->name, field->level, error);
    if (status != MUR_OK || outside.found.value.value[0] != '\0')
        return status;
    uint32_t without = 0;
    uint32_t first = 0;
    for (uint32_t row = 0; row < table->row_count; row++)
        if (!row_says(builder, set, row) && without++ == 0)
            first = row;
    if (without == 0)
        return MUR_OK;
    return mur_isa_diagnose(
        builder->diagnostics, MUR_ISA_WARNING, "missing-field", table->path,
        without == table->row_count ? 0 : table->lines[first], error,
        "the profile requires '%s': %u of %u row(s) do not have it, nor do their samples, sources "
        "or study",
        field->name, without, table->row_count);
}

static enum mur_status check_assay_fields(struct checking *checking,
                                          const struct mur_isa_study *study,
                                          const struct mur_isa_assay *assay,
                                          const struct mur_setting *required,
                                          struct mur_error *error)
{
    struct mur_builder builder = {
        .mapping = checking->mapping,
        .isa = checking->isa,
        .diagnostics = checking->diagnostics,
        .list = checking->scans,
        .study = study,
        .assay = assay,
    };
    enum mur_status status =
        mur_view_make(&builder.study_view, checking->mapping, &study->table, error);
    if (status == MUR_OK)
        status = mur_view_make(&builder.assay_view, checking->mapping, &assay->table, error);
    for (size_t i = 0; status == MUR_OK && i < mur_setting_count(required); i++) {
        const char *name = NULL;
        size_t index = 0;
        status = mur_setting_text_at(&name, required, i, error);
        if (status == MUR_OK && find_field(&index, checking->mapping, name) == NULL)
            status = mur_setting_error(mur_setting_at(required, i), error,
                                       "required: there is no field '%s'", name);
        if (status == MUR_OK)
            status = check_field(&builder, index, error);
    }
    mur_view_free(&builder.study_view);
    mur_view_free(&builder.assay_view);
    return status;
}

static enum mur_status check_study_fields(struct checking *checking,
                                          const struct mur_isa_study *study,
                                          struct mur_error *error)
{
    const char *path = checking->isa->investigations[study->investigation].path;
    const struct mur_setting *root = mur_config_tree_root(checking->mapping->tree);
    const struct mur_setting *required = NULL;
    enum mur_status status =
        mur_setting_get_members(&required, root, "required", MUR_SETTING_LIST, error);
    if (status == MUR_OK && study->identifier[0] == '\0')
        status = mur_isa_diagnose(checking->diagnostics, MUR_ISA_WARNING, "missing-field", path, 0,
                                  error, "study '%s' has no Study Identifier", study->title);
    for (size_t i = 0; status == MUR_OK && i < study->assay_count; i++)
        if (study->assays[i].table.row_count > 0)
            status = check_assay_fields(checking, study, &study->assays[i], required, error);
    return status;
}

/* ---- columns --------------------------------------------------------------------------------- */

static enum mur_status check_columns(struct checking *checking, const struct mur_isa_study *study,
                                     const struct mur_isa_table *table, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; status == MUR_OK && c < table->column_count; c++) {
        const struct mur_isa_column *column = &table->columns[c];
        if (column->kind != MUR_ISA_CHARACTERISTIC && column->kind != MUR_ISA_FACTOR &&
            column->kind != MUR_ISA_PARAMETER && column->kind != MUR_ISA_COMMENT)
            continue;
        if (mur_isa_index_get(&checking->unmapped, column->header) != MUR_ISA_NONE)
            continue;
        struct mur_column_description description = {.target_count = 0};
        status =
            mur_mapping_describe_column(&description, checking->mapping, study, table, c, error);
        if (status == MUR_OK && description.use == MUR_COLUMN_UNMAPPED)
            status = mur_isa_index_put(&checking->unmapped, column->header, 0, error);
        if (status == MUR_OK && description.use == MUR_COLUMN_UNMAPPED)
            status = mur_isa_diagnose(
                checking->diagnostics, MUR_ISA_NOTE, "unmapped-column", table->path, 0, error,
                "%s becomes no attribute; it is searchable all the same", column->header);
        mur_column_description_free(&description);
    }
    return status;
}

static enum mur_status check_study(struct checking *checking, const struct mur_isa_study *study,
                                   struct mur_error *error)
{
    enum mur_status status = check_study_fields(checking, study, error);
    if (status == MUR_OK)
        status = check_columns(checking, study, &study->table, error);
    for (size_t i = 0; status == MUR_OK && i < study->assay_count; i++)
        status = check_columns(checking, study, &study->assays[i].table, error);
    return status;
}

enum mur_status mur_mapping_check(const struct mur_mapping *mapping, const struct mur_isa *isa,
                                  struct mur_scan_list *scans,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    struct checking checking = {.mapping = mapping,
                                .isa = isa,
                                .scans = scans,
                                .diagnostics = diagnostics,
                                .images = {.strings = scans->strings},
                                .unmapped = {.strings = isa->strings}};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < isa->study_count; i++)
        status = check_study(&checking, &isa->studies[i], error);
    for (size_t i = 0; status == MUR_OK && i < scans->count; i++)
        status = check_scan(&checking, i, error);
    mur_isa_index_free(&checking.images);
    mur_isa_index_free(&checking.unmapped);
    return status;
}
