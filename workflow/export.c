#include "workflow/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/scan_series.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "isa/strings.h"
#include "isa/write.h"

enum { PIECE = 256 * 1024, JSON_LIMIT = 64 << 20, ADDED_LIMIT = 4, FOLDER_CHARACTERS = 64 };

/* ---- what there is --------------------------------------------------------------------------- */

/** A series of a scan; texts in the memory of the export. */
struct series {
    const char *study_uid;
    const char *uid;
    bool segmentation;
    uint32_t next; /* of the same scan */
};

/** A scan as the index knows it. */
struct known_scan {
    const char *key; /* study, table and name */
    uint32_t first_series;
    uint32_t last_series;
    bool found;
};

struct dataset {
    const char *identifier;
    const char *folder;         /* of its tables, relative to the archive */
    struct mur_isa_index scans; /* key -> known scan */
    bool found;                 /* one of its scans is */
};

struct export
{
    const struct mur_export_options *options;
    struct mur_archive *archive;
    struct mur_isa_strings *strings;
    struct mur_isa_index found; /* Series Instance UIDs of the query's answer */
    struct dataset *datasets;
    size_t dataset_count;
    struct known_scan *scans;
    size_t scan_count;
    struct series *series;
    size_t series_count;
    struct mur_export_summary summary;
    uint64_t total; /* scans that are found */
};

static void export_free(struct export *export)
{
    for (size_t i = 0; i < export->dataset_count; i++)
        mur_isa_index_free(&export->datasets[i].scans);
    mur_isa_index_free(&export->found);
    free(export->datasets);
    free(export->scans);
    free(export->series);
    mur_isa_strings_free(export->strings);
}

static bool is_cancelled(const struct export *export)
{
    const bool *flag = export->options->cancelled;
    return flag != NULL && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

/** Room for one more; capacities are powers of two. */
static enum mur_status grow(void *items, size_t count, size_t size, struct mur_error *error)
{
    void **place = items;
    if ((count & (count - 1)) != 0 && count != 0)
        return MUR_OK;
    void *grown = reallocarray(*place, count == 0 ? 1 : count * 2, size);
    if (grown == NULL)
        return mur_error_no_memory(error);
    *place = grown;
    return MUR_OK;
}

static enum mur_status keep(const char **out, const struct export *export, const char *text,
                            struct mur_error *error)
{
    return mur_isa_intern(out, export->strings, mur_slice_of(text), error);
}

static enum mur_status scan_key(const char **out, const struct export *export, const char *study,
                                const char *assay_file, const char *assay, struct mur_error *error)
{
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status =
        mur_text_format(&text, error, "%s\x1f%s\x1f%s", study, assay_file, assay);
    return status == MUR_OK ? keep(out, export, text, error) : status;
}

static enum mur_status find_scan(struct known_scan **out, struct export *export,
                                 struct dataset *dataset, const struct mur_scan_series *one,
                                 struct mur_error *error)
{
    const char *key = NULL;
    enum mur_status status = scan_key(&key, export, one->study, one->assay_file, one->assay, error);
    if (status != MUR_OK)
        return status;
    uint32_t known = mur_isa_index_get(&dataset->scans, key);
    if (known == MUR_ISA_NONE) {
        status = grow(&export->scans, export->scan_count, sizeof *export->scans, error);
        if (status == MUR_OK)
            status = mur_isa_index_put(&dataset->scans, key, (uint32_t) export->scan_count, error);
        if (status != MUR_OK)
            return status;
        known = (uint32_t) export->scan_count++;
        export->scans[known] = (struct known_scan){.key = key,
                                                   .first_series = MUR_ISA_NONE,
                                                   .last_series = MUR_ISA_NONE,
                                                   .found = export->options->query == NULL};
        dataset->found = dataset->found || export->scans[known].found;
    }
    *out = &export->scans[known];
    return MUR_OK;
}

static enum mur_status add_series(struct export *export, struct known_scan *scan,
                                  const struct mur_scan_series *one, struct mur_error *error)
{
    struct series series = {.segmentation = one->segmentation, .next = MUR_ISA_NONE};
    enum mur_status status = keep(&series.uid, export, one->series_uid, error);
    if (status == MUR_OK)
        status = keep(&series.study_uid, export, one->study_uid, error);
    if (status == MUR_OK)
        status = grow(&export->series, export->series_count, sizeof *export->series, error);
    if (status != MUR_OK)
        return status;
    uint32_t index = (uint32_t) export->series_count++;
    export->series[index] = series;
    if (scan->first_series == MUR_ISA_NONE)
        scan->first_series = index;
    else
        export->series[scan->last_series].next = index;
    scan->last_series = index;
    scan->found = scan->found || mur_isa_index_get(&export->found, series.uid) != MUR_ISA_NONE;
    return MUR_OK;
}

static enum mur_status note_series(void *user, const struct mur_scan_series *one,
                                   struct mur_error *error)
{
    struct export *export = user;
    enum mur_status status = MUR_OK;
    struct dataset *last =
        export->dataset_count == 0 ? NULL : &export->datasets[export->dataset_count - 1];
    if (last == NULL || strcmp(last->identifier, one->dataset) != 0) {
        status = grow(&export->datasets, export->dataset_count, sizeof *export->datasets, error);
        if (status != MUR_OK)
            return status;
        last = &export->datasets[export->dataset_count];
        *last = (struct dataset){.scans = {.strings = export->strings}};
        status = keep(&last->identifier, export, one->dataset, error);
        if (status == MUR_OK)
            status = keep(&last->folder, export, one->folder, error);
        if (status != MUR_OK)
            return status;
        export->dataset_count++;
    }
    if (one->assay_file[0] == '\0')
        return MUR_OK;
    struct known_scan *scan = NULL;
    status = find_scan(&scan, export, last, one, error);
    if (status == MUR_OK && one->series_uid[0] != '\0')
        status = add_series(export, scan, one, error);
    if (status == MUR_OK)
        last->found = last->found || scan->found;
    return status;
}

/** The series that the query finds. */
static enum mur_status run_query(struct export *export, struct mur_error *error)
{
    struct mur_query *query = export->options->query;
    const struct mur_attribute_path path = mur_attribute_path_of(MUR_TAG_SeriesInstanceUID);
    size_t place = 0;
    while (place < query->key_count && !mur_attribute_path_equal(&query->keys[place].path, &path))
        place++;
    enum mur_status status = MUR_OK;
    if (place == query->key_count)
        status = mur_query_add(query, &path, MUR_VR_UI, mur_slice_of(""), true, error);
    MUR_AUTO(mur_cursor) *cursor = NULL;
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, export->archive, query, error);
    while (status == MUR_OK) {
        const struct mur_value *values = NULL;
        bool found = false;
        status = mur_cursor_next(&values, &found, cursor, error);
        if (status != MUR_OK || !found)
            break;
        const char *uid = NULL;
        if (values[place].text == NULL)
            continue;
        status = keep(&uid, export, values[place].text, error);
        if (status == MUR_OK)
            status = mur_isa_index_put(&export->found, uid, 0, error);
    }
    return status;
}

/* ---- one dataset ----------------------------------------------------------------------------- */

/** What stands in the file columns of a scan. */
struct objects {
    const char *image;       /* path or URN; NULL = nothing is stored */
    const char *image_study; /* UIDs, several joined by ';' */
    const char *image_series;
    struct segmentation_object {
        const char *name; /* path or URN; NULL = nothing is stored */
        const char *study;
        const char *series;
        const char *json; /* Segment Sequence; "" = not known */
    } * segmentations;    /* as those of the scan */
};

/** A column whose cells are replaced, and the columns behind it. */
struct role {
    enum { ROLE_NONE, ROLE_FILE, ROLE_DESCRIPTION, ROLE_LABEL } role;
    const char *added[ADDED_LIMIT]; /* headers; NULL-terminated */
};

struct table_roles {
    const struct mur_isa_assay *assay;
    struct role *columns;
    uint32_t *scan_of_row; /* index in the list of scans */
};

struct writing {
    struct export *export;
    struct dataset *dataset;
    const struct mur_isa *isa;
    const struct mur_scan_list *scans;
    struct objects *objects; /* of each scan */
    bool *found;             /* each scan */
    bool *kept;              /* each row of each study table, study by study */
    size_t *first_kept;      /* of each study */
    struct table_roles *tables;
    size_t table_count;
    const char *directory;
};

static void writing_free(struct writing *writing)
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

static bool writes_all(const struct writing *writing)
{
    return writing->export->options->query == NULL;
}

static struct table_roles *roles_of(const struct writing *writing,
                                    const struct mur_isa_assay *assay)
{
    for (size_t i = 0; i < writing->table_count; i++)
        if (writing->tables[i].assay == assay)
            return &writing->tables[i];
    return NULL;
}

/* ---- objects of a scan ----------------------------------------------------------------------- */

static enum mur_status copy_instance(const struct export *export, const struct mur_instance *item,
                                     const char *path, struct mur_error *error)
{
    MUR_AUTO_CLOSE int from = -1;
    enum mur_status status = mur_archive_open_item(&from, export->archive, item, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_CLOSE int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (to < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    MUR_AUTO_FREE char *piece = malloc(PIECE);
    if (piece == NULL)
        return mur_error_no_memory(error);
    off_t at = 0;
    for (size_t got = PIECE; status == MUR_OK && got == PIECE; at += (off_t)got) {
        status = mur_pread_full(&got, from, piece, PIECE, at, path, error);
        if (status == MUR_OK)
            status = mur_write_full(to, piece, got, path, error);
    }
    return status;
}

static enum mur_status plan_series(struct mur_plan *out, const struct export *export,
                                   const char *uid, struct mur_error *error)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES};
    const struct mur_attribute_path path = mur_attribute_path_of(MUR_TAG_SeriesInstanceUID);
    enum mur_status status =
        mur_query_add(&query, &path, MUR_VR_UI, mur_slice_of(uid), true, error);
    return status == MUR_OK ? mur_archive_plan(out, export->archive, &query, error) : status;
}

/** Writes the instances of a series to @p folder, below the dataset's. */
static enum mur_status copy_series(const struct writing *writing, const struct mur_plan *plan,
                                   const char *folder, struct mur_error *error)
{
    struct export *export = writing->export;
    MUR_AUTO_FREE char *target = NULL;
    enum mur_status status = mur_path_join(&target, writing->directory, folder, error);
    if (status == MUR_OK)
        status = mur_directory_create(target, 0777, error);
    for (size_t i = 0; status == MUR_OK && i < plan->count; i++) {
        if (is_cancelled(export))
            return mur_error_set(error, MUR_CANCELLED, "stopped by request");
        MUR_AUTO_FREE char *path = NULL;
        status = mur_text_format(&path, error, "%s/%s.dcm", target, plan->items[i].sop_instance);
        if (status == MUR_OK)
            status = copy_instance(export, &plan->items[i], path, error);
        export->summary.instances += status == MUR_OK ? 1 : 0;
    }
    return status;
}

/** Adds a UID to a list joined by ';', unless it is the last one. */
static enum mur_status join_uid(const char **list, const struct export *export, const char *uid,
                                struct mur_error *error)
{
    const char *last = *list == NULL ? NULL : strrchr(*list, ';');
    last = last == NULL ? *list : last + 1;
    if (last != NULL && strcmp(last, uid) == 0)
        return MUR_OK;
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_text_format(&text, error, "%s%s%s", *list == NULL ? "" : *list,
                                             *list == NULL ? "" : ";", uid);
    return status == MUR_OK ? keep(list, export, text, error) : status;
}

static enum mur_status add_image(struct objects *to, const struct writing *writing, size_t index,
                                 const struct series *series, struct mur_error *error)
{
    const struct export *export = writing->export;
    char name[MUR_UID_TEXT_SIZE + 16];
    enum mur_status status = MUR_OK;
    if (export->options->files) {
        MUR_AUTO_PLAN struct mur_plan plan = {0};
        (void)snprintf(name, sizeof name, "dicom/scan-%05zu", index + 1);
        status = plan_series(&plan, export, series->uid, error);
        if (status == MUR_OK)
            status = copy_series(writing, &plan, name, error);
    } else {
        (void)snprintf(name, sizeof name, "urn:oid:%s", series->uid);
    }
    if (status == MUR_OK && to->image == NULL)
        status = keep(&to->image, export, name, error);
    if (status == MUR_OK)
        status = join_uid(&to->image_study, export, series->study_uid, error);
    return status == MUR_OK ? join_uid(&to->image_series, export, series->uid, error) : status;
}

/** The Segment Sequence of a series, as the index has it. */
static enum mur_status read_segments(const char **out, const struct export *export,
                                     const char *series, struct mur_error *error)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES};
    const struct mur_attribute_path uid = mur_attribute_path_of(MUR_TAG_SeriesInstanceUID);
    const struct mur_attribute_path segments = mur_attribute_path_of(MUR_TAG_SegmentSequence);
    enum mur_status status =
        mur_query_add(&query, &uid, MUR_VR_UI, mur_slice_of(series), true, error);
    if (status == MUR_OK)
        status = mur_query_add(&query, &segments, MUR_VR_SQ, mur_slice_of(""), true, error);
    MUR_AUTO(mur_cursor) *cursor = NULL;
    const struct mur_value *values = NULL;
    bool found = false;
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, export->archive, &query, error);
    if (status == MUR_OK)
        status = mur_cursor_next(&values, &found, cursor, error);
    if (status != MUR_OK)
        return status;
    return keep(out, export, found && values[1].text != NULL ? values[1].text : "", error);
}

static enum mur_status add_segmentation(struct segmentation_object *to,
                                        const struct writing *writing, size_t index,
                                        const struct series *series, struct mur_error *error)
{
    const struct export *export = writing->export;
    MUR_AUTO_PLAN struct mur_plan plan = {0};
    enum mur_status status = plan_series(&plan, export, series->uid, error);
    if (status != MUR_OK || plan.count == 0)
        return status;
    MUR_AUTO_FREE char *name = NULL;
    if (export->options->files) {
        char folder[64];
        (void)snprintf(folder, sizeof folder, "dicom/scan-%05zu-outlines", index + 1);
        status = copy_series(writing, &plan, folder, error);
        if (status == MUR_OK)
            status = mur_text_format(&name, error, "%s/%s.dcm", folder, plan.items[0].sop_instance);
    } else {
        status = mur_text_format(&name, error, "urn:oid:%s", plan.items[0].sop_instance);
    }
    if (status == MUR_OK && to->name == NULL)
        status = keep(&to->name, export, name, error);
    if (status == MUR_OK && to->json == NULL)
        status = read_segments(&to->json, export, series->uid, error);
    if (status == MUR_OK)
        status = join_uid(&to->study, export, series->study_uid, error);
    return status == MUR_OK ? join_uid(&to->series, export, series->uid, error) : status;
}

/** The series of segmentations came in the order of the tables, one each. */
static enum mur_status gather_objects(const struct writing *writing, size_t index,
                                      const struct known_scan *known, struct mur_error *error)
{
    const struct export *export = writing->export;
    const struct mur_scan *scan = &writing->scans->scans[index];
    struct objects *to = &writing->objects[index];
    enum mur_status status =
        mur_isa_allocate(&to->segmentations, export->strings, scan->segmentation_count,
                         sizeof *to->segmentations, error);
    size_t place = 0;
    for (uint32_t i = known->first_series; status == MUR_OK && i != MUR_ISA_NONE;
         i = export->series[i].next) {
        const struct series *series = &export->series[i];
        if (!series->segmentation) {
            status = add_image(to, writing, index, series, error);
        } else if (scan->segmentation_count > 0) {
            status = add_segmentation(&to->segmentations[place], writing, index, series, error);
            place += place + 1 < scan->segmentation_count ? 1 : 0;
        }
    }
    return status;
}

/* ---- which columns, which rows --------------------------------------------------------------- */

static enum mur_status add_column(struct role *role, const struct export *export,
                                  const struct mur_isa_column *column, const char *what,
                                  struct mur_error *error)
{
    size_t place = 0;
    while (role->added[place] != NULL)
        place++;
    MUR_AUTO_FREE char *header = NULL;
    enum mur_status status = mur_text_format(&header, error, "Comment[%s %s]", column->name, what);
    return status == MUR_OK ? keep(&role->added[place], export, header, error) : status;
}

static enum mur_status find_roles(struct table_roles *to, const struct writing *writing,
                                  const struct mur_isa_study *study, struct mur_error *error)
{
    const struct mur_isa_table *table = &to->assay->table;
    const struct export *export = writing->export;
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; status == MUR_OK && c < table->column_count; c++) {
        struct mur_column_description description = {.target_count = 0};
        struct role *role = &to->columns[c];
        status = mur_mapping_describe_column(&description, export->options->mapping, study, table,
                                             c, error);
        if (status != MUR_OK)
            break;
        const char *name = description.role;
        if (strcmp(name, "image") == 0 || strcmp(name, "image_fallback") == 0 ||
            strcmp(name, "segmentation") == 0)
            role->role = ROLE_FILE; /* of images or outlines: the scan says which */
        if (strcmp(name, "label_description") == 0)
            role->role = ROLE_DESCRIPTION;
        if (strcmp(name, "label_value") == 0)
            role->role = ROLE_LABEL;
        mur_column_description_free(&description);
        if (role->role == ROLE_NONE)
            continue;
        status = add_column(role, export, &table->columns[c], "as delivered", error);
        if (status == MUR_OK && role->role == ROLE_FILE)
            status = add_column(role, export, &table->columns[c], "Study Instance UID", error);
        if (status == MUR_OK && role->role == ROLE_FILE)
            status = add_column(role, export, &table->columns[c], "Series Instance UID", error);
    }
    return status;
}

static enum mur_status prepare_tables(struct writing *writing, struct mur_error *error)
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
            struct table_roles *table = &writing->tables[writing->table_count++];
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
static void keep_samples(struct writing *writing, const struct mur_scan *scan)
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
static void keep_all_rows(struct writing *writing, const struct mur_isa_study *study)
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

static enum mur_status choose_scans(struct writing *writing, struct mur_error *error)
{
    struct export *export = writing->export;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < writing->scans->count; i++) {
        const struct mur_scan *scan = &writing->scans->scans[i];
        struct table_roles *table = roles_of(writing, scan->isa_assay);
        for (uint32_t r = 0; r < scan->row_count; r++)
            table->scan_of_row[scan->rows[r]] = (uint32_t)i;
        const char *key = NULL;
        status = scan_key(&key, export, scan->study, scan->assay_file, scan->assay, error);
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
            status = gather_objects(writing, i, &export->scans[known], error);
        mur_progress_update(&export->options->progress, export->summary.scans, export->total,
                            scan->assay);
    }
    for (size_t i = 0; i < writing->isa->study_count; i++)
        keep_all_rows(writing, &writing->isa->studies[i]);
    return status;
}

/* ---- what is written ------------------------------------------------------------------------- */

static bool has_assay(const struct writing *writing, const struct mur_isa_assay *assay)
{
    const struct table_roles *table = roles_of(writing, assay);
    for (uint32_t row = 0; row < assay->table.row_count; row++)
        if (table->scan_of_row[row] != MUR_ISA_NONE && writing->found[table->scan_of_row[row]])
            return true;
    return false;
}

static bool has_part(void *user, const struct mur_isa_study *study,
                     const struct mur_isa_assay *assay)
{
    const struct writing *writing = user;
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
    const struct writing *writing = user;
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
static const struct segmentation_object *segmentation_in(const struct writing *writing,
                                                         const struct table_roles *table,
                                                         uint32_t row, const char *cell,
                                                         const struct mur_scan_segmentation **of)
{
    const struct mur_scan *scan = &writing->scans->scans[table->scan_of_row[row]];
    const struct objects *objects = &writing->objects[table->scan_of_row[row]];
    for (size_t s = 0; s < scan->segmentation_count && objects->segmentations != NULL; s++)
        for (size_t f = 0; f < scan->segmentations[s].file_count; f++)
            if (names_file(cell, scan->segmentations[s].files[f].cell)) {
                *of = &scan->segmentations[s];
                return &objects->segmentations[s];
            }
    return NULL;
}

/** The segmentation that a row is about, and the cell that names its files. */
static const struct segmentation_object *segmentation_of(const struct writing *writing,
                                                         const struct table_roles *table,
                                                         uint32_t row,
                                                         const struct mur_scan_segmentation **of,
                                                         const char **files)
{
    const struct segmentation_object *found = NULL;
    for (uint32_t c = 0; found == NULL && c < table->assay->table.column_count; c++) {
        *files = mur_isa_cell(&table->assay->table, row, c);
        if (table->columns[c].role == ROLE_FILE && (*files)[0] != '\0')
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
static enum mur_status label_cell(const char **out, const struct writing *writing,
                                  const struct table_roles *table, uint32_t row,
                                  struct mur_error *error)
{
    const struct mur_scan_segmentation *of = NULL;
    const char *files = "";
    const struct segmentation_object *object = segmentation_of(writing, table, row, &of, &files);
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
    return keep(out, writing->export, mur_buffer_text(&text), error);
}

static bool objects_known(const struct writing *writing, uint32_t scan)
{
    return writing->objects[scan].image != NULL;
}

static enum mur_status cell_of(const char **out, void *user, const struct mur_isa_study *study,
                               const struct mur_isa_assay *assay, uint32_t row, uint32_t column,
                               size_t number, struct mur_error *error)
{
    (void)study;
    const struct writing *writing = user;
    if (assay == NULL)
        return MUR_OK;
    const struct table_roles *table = roles_of(writing, assay);
    const struct role *role = &table->columns[column];
    uint32_t scan = table->scan_of_row[row];
    const char *delivered = mur_isa_cell(&assay->table, row, column);
    if (role->role == ROLE_NONE || delivered[0] == '\0' || scan == MUR_ISA_NONE)
        return MUR_OK;
    if (number == 1) { /* as delivered */
        *out = delivered;
        return MUR_OK;
    }
    if (role->role == ROLE_DESCRIPTION && number == 0 && objects_known(writing, scan)) {
        *out = ""; /* the segmentation itself says what its segments are */
        return MUR_OK;
    }
    if (role->role == ROLE_LABEL)
        return label_cell(out, writing, table, row, error);
    const struct objects *objects = &writing->objects[scan];
    const struct mur_scan_segmentation *of = NULL;
    const struct segmentation_object *outlines =
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

static enum mur_status write_dataset(struct writing *writing, struct mur_error *error)
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

/** Letters, digits, '-', '_' and '.' of an identifier: it may hold anything. */
static enum mur_status folder_of(char **out, const struct export *export, size_t index,
                                 struct mur_error *error)
{
    char name[FOLDER_CHARACTERS + 1];
    size_t length = 0;
    for (const char *c = export->datasets[index].identifier;
         *c != '\0' && length < FOLDER_CHARACTERS; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= 'a' && *c <= 'z') || *c == '-' || *c == '.';
        name[length++] = plain ? *c : '_';
    }
    name[length] = '\0';
    return mur_text_format(out, error, "%s/%zu-%s", export->options->directory, index + 1, name);
}

static enum mur_status export_dataset(struct export *export, size_t index, bool alone,
                                      struct mur_error *error)
{
    MUR_AUTO_FREE char *folder = NULL;
    MUR_AUTO_FREE char *target = NULL;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    enum mur_status status = mur_path_join(&folder, mur_archive_directory(export->archive),
                                           export->datasets[index].folder, error);
    if (status == MUR_OK)
        status = mur_isa_read(&isa, folder, NULL, error);
    if (status == MUR_OK)
        status = mur_mapping_scans(&scans, export->options->mapping, isa, NULL, error);
    if (status == MUR_OK)
        status = alone ? mur_text_copy(&target, mur_slice_of(export->options->directory), error)
                       : folder_of(&target, export, index, error);
    if (status != MUR_OK)
        return status;
    __attribute__((cleanup(writing_free))) struct writing writing = {
        .export = export,
        .dataset = &export->datasets[index],
        .isa = isa,
        .scans = scans,
        .directory = target,
    };
    export->summary.datasets++;
    return write_dataset(&writing, error);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum mur_status check_target(const char *directory, struct mur_error *error)
{
    enum mur_status status = mur_directory_create(directory, 0777, error);
    DIR *stream = status == MUR_OK ? opendir(directory) : NULL;
    if (status == MUR_OK && stream == NULL)
        return mur_error_set_errno(error, errno, "%s", directory);
    for (const struct dirent *entry = stream == NULL ? NULL : readdir(stream);
         status == MUR_OK && entry != NULL; entry = readdir(stream))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = mur_error_set(error, MUR_EXISTS, "%s: is not empty", directory);
    if (stream != NULL)
        (void)closedir(stream);
    return status;
}

enum mur_status mur_export_isa(struct mur_export_summary *out, struct mur_archive *archive,
                               const struct mur_export_options *options, struct mur_error *error)
{
    __attribute__((cleanup(export_free))) struct export export = {.options = options,
                                                                  .archive = archive};
    enum mur_status status = mur_isa_strings_create(&export.strings, error);
    export.found.strings = export.strings;
    if (status == MUR_OK && options->query != NULL)
        status = run_query(&export, error);
    if (status == MUR_OK)
        status = mur_archive_each_scan_series(archive, note_series, &export, error);
    if (status != MUR_OK)
        return status;
    size_t found = 0;
    for (size_t i = 0; i < export.dataset_count; i++)
        found += export.datasets[i].found ? 1 : 0;
    for (size_t i = 0; i < export.scan_count; i++)
        export.total += export.scans[i].found ? 1 : 0;
    if (export.dataset_count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "there is no ISA-Tab in this archive");
    if (found == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "no scan of an ISA-Tab is found");
    status = check_target(options->directory, error);
    for (size_t i = 0; status == MUR_OK && i < export.dataset_count; i++)
        if (export.datasets[i].found)
            status = export_dataset(&export, i, found == 1, error);
    if (status == MUR_OK)
        *out = export.summary;
    return status;
}
