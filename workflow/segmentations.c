/* Outlines of a scan: label maps to SEG by what the tables say of each label. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/identity.h"
#include "converters/labels_to_seg.h"
#include "core/file.h"
#include "core/text.h"
#include "workflow/internal.h"

enum { SEG_SERIES_BASE = 300 };

/* Segments of one SEG, with the texts that they point into. */
struct segment_list {
    struct mur_label_segment *segments;
    size_t count, capacity;
    char (*tracking_uids)[MUR_UID_TEXT_SIZE];
    char **tracking_ids;
    struct mur_labels labels; /* of a label description file */
    char **names;             /* of labels that nothing names */
};

static void segment_list_free(struct segment_list *list)
{
    for (size_t i = 0; list->tracking_ids != NULL && i < list->capacity; i++)
        free(list->tracking_ids[i]);
    for (size_t i = 0; list->names != NULL && i < list->capacity; i++)
        free(list->names[i]);
    free(list->tracking_ids);
    free(list->names);
    free(list->tracking_uids);
    free(list->segments);
    mur_labels_free(&list->labels);
}

static enum mur_status segment_list_reserve(struct segment_list *list, size_t count,
                                            struct mur_error *error)
{
    list->segments = calloc(count + 1, sizeof *list->segments);
    list->tracking_uids = calloc(count + 1, sizeof *list->tracking_uids);
    list->tracking_ids = calloc(count + 1, sizeof *list->tracking_ids);
    list->names = calloc(count + 1, sizeof *list->names);
    list->capacity = count;
    return list->segments != NULL && list->tracking_uids != NULL && list->tracking_ids != NULL &&
                   list->names != NULL
               ? MUR_OK
               : mur_error_no_memory(error);
}

static struct mur_code code_of(const struct mur_organ_code *code)
{
    return (struct mur_code){code->value, code->scheme, code->meaning};
}

static enum mur_segment_algorithm algorithm_of(const char *type)
{
    if (strcmp(type, "AUTOMATIC") == 0)
        return MUR_SEGMENT_AUTOMATIC;
    return strcmp(type, "SEMIAUTOMATIC") == 0 ? MUR_SEGMENT_SEMIAUTOMATIC : MUR_SEGMENT_MANUAL;
}

/* The same organ of the same animal keeps its tracking UID over all sessions. */
static enum mur_status set_tracking(struct segment_list *list, size_t i,
                                    const struct mur_scan *scan, const char *organ,
                                    struct mur_error *error)
{
    enum mur_status status =
        mur_identity_tracking(list->tracking_uids[i], scan->study, scan->source, organ, error);
    if (status == MUR_OK)
        status = mur_text_format(&list->tracking_ids[i], error, "%s %s", scan->source, organ);
    if (status == MUR_OK) {
        list->segments[i].segment.tracking_uid = list->tracking_uids[i];
        list->segments[i].segment.tracking_id = list->tracking_ids[i];
    }
    return status;
}

static enum mur_status from_tables(struct segment_list *list, const struct mur_scan *scan,
                                   const struct mur_scan_segmentation *segmentation,
                                   struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < segmentation->segment_count; i++) {
        const struct mur_scan_segment *from = &segmentation->segments[i];
        struct mur_label_segment *to = &list->segments[i];
        to->file = from->file;
        to->value = from->label_value;
        to->segment = (struct mur_segment){
            .label = from->label,
            .description = from->health,
            .algorithm = algorithm_of(from->algorithm_type),
            .algorithm_name = from->algorithm_name,
            .category = code_of(&from->category),
            .type = code_of(&from->type),
            .type_modifier = code_of(&from->modifier),
            .region = code_of(&from->region),
            .has_color = from->has_rgb,
            .rgb = {from->rgb[0], from->rgb[1], from->rgb[2]},
            .has_source_value = from->label_value > 0,
            .source_value = (uint32_t)from->label_value,
        };
        list->count++;
        status =
            set_tracking(list, i, scan, from->organ[0] != '\0' ? from->organ : from->label, error);
    }
    return status;
}

static void set_organ(struct mur_label_segment *to, const struct mur_organ *organ,
                      const char *label, int64_t value)
{
    to->value = value;
    to->segment.label = label;
    to->segment.category = code_of(&organ->category);
    to->segment.type = code_of(&organ->type);
    to->segment.type_modifier = code_of(&organ->modifier);
    to->segment.region = code_of(&organ->region);
    to->segment.has_color = organ->has_rgb;
    memcpy(to->segment.rgb, organ->rgb, sizeof to->segment.rgb);
    to->segment.has_source_value = true;
    to->segment.source_value = (uint32_t)value;
}

static const struct mur_label *described(const struct segment_list *list, int64_t value)
{
    for (size_t i = 0; i < list->labels.count; i++)
        if (list->labels.items[i].value == value)
            return &list->labels.items[i];
    return NULL;
}

/* What the label description says: the name where the tables have none, and the colour. */
static void describe(struct mur_label_segment *to, const struct mur_label *label, bool name_it,
                     const char *file, const struct mur_import_job *job,
                     struct mur_import_result *result)
{
    const struct mur_organs *organs = mur_mapping_organs(job->mapping);
    if (name_it) {
        const struct mur_organ *organ = mur_organs_find(organs, label->name);
        if (organ == NULL)
            mur_import_reason(result, job,
                              "%s: label %lld is '%s', which is in no organ table: coded as %s, "
                              "labelled as written",
                              file, (long long)label->value, label->name,
                              mur_organs_unknown(organs)->type.meaning);
        set_organ(to, organ != NULL ? organ : mur_organs_unknown(organs), label->name,
                  label->value);
    }
    memcpy(to->segment.rgb, label->rgb, sizeof label->rgb);
    to->segment.has_color = true;
}

static bool is_named(const struct segment_list *list, int64_t value)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->segments[i].value == value)
            return true;
    return false;
}

/* A label of the map that no row of the tables names: by the label description, else by the site's
 * own meanings of labels, else, where nothing was said of any label, by the file's name or the
 * number. A label beside others that were named stays nameless, which the conversion refuses. */
static enum mur_status name_label(struct segment_list *list, int64_t value, bool said, bool alone,
                                  const struct mur_scan *scan, const char *file,
                                  const char *description, const struct mur_import_job *job,
                                  struct mur_import_result *result, struct mur_error *error)
{
    const struct mur_organs *organs = mur_mapping_organs(job->mapping);
    const struct mur_label *label = described(list, value);
    struct mur_label_segment *to = &list->segments[list->count];
    *to = (struct mur_label_segment){.segment = {.algorithm = MUR_SEGMENT_MANUAL}};
    if (label != NULL) {
        describe(to, label, true, description, job, result);
    } else {
        const struct mur_organ *organ = mur_organs_find_label(organs, value);
        if (organ == NULL && said)
            return MUR_OK;
        if (organ == NULL && alone)
            organ = mur_organs_find_file(organs, file);
        enum mur_status status =
            organ != NULL
                ? mur_text_copy(&list->names[list->count], mur_slice_of(organ->name), error)
                : mur_text_format(&list->names[list->count], error, "Label %lld", (long long)value);
        if (status != MUR_OK)
            return status;
        set_organ(to, organ != NULL ? organ : mur_organs_unknown(organs), list->names[list->count],
                  value);
        if (organ != NULL)
            mur_import_reason(result, job, "%s: label %lld is taken for '%s', %s", file,
                              (long long)value, organ->name,
                              mur_organs_find_label(organs, value) == organ
                                  ? "as the organ table says"
                                  : "which is the file's name");
        else
            mur_import_reason(result, job, "%s: nothing says what its label %lld means", file,
                              (long long)value);
    }
    list->count++;
    return set_tracking(list, list->count - 1, scan, to->segment.label, error);
}

/* What the labels mean: the tables say it first, then the label description file. */
static enum mur_status list_segments(struct segment_list *list, const struct mur_import_job *job,
                                     const struct mur_scan *scan,
                                     const struct mur_scan_segmentation *segmentation,
                                     char *const *files, struct mur_import_result *result,
                                     struct mur_error *error)
{
    MUR_AUTO_LABEL_LIST struct mur_label_list found = {.items = NULL};
    const struct mur_scan_file *description = &segmentation->label_description;
    enum mur_status status = MUR_OK;
    if (description->path[0] != '\0') {
        MUR_AUTO_FREE char *path = NULL;
        status = mur_path_join(&path, job->root, description->path, error);
        if (status == MUR_OK)
            status = mur_labels_read(&list->labels, path, error);
    } else if (description->cell[0] != '\0') {
        mur_import_reason(result, job, "label description: %s", description->problem);
    }
    bool all_voxels = false; /* of a file, whatever its labels */
    for (size_t i = 0; i < segmentation->segment_count; i++)
        all_voxels = all_voxels || segmentation->segments[i].label_value == MUR_LABEL_ANY;
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    bool rows_alone = segmentation->segment_count > 0 && list->labels.count == 0;
    if (status == MUR_OK && segmentation->file_count == 1 && !all_voxels && !rows_alone)
        status = mur_label_list_read(&found, files[0], &warnings, error);
    if (status == MUR_OK)
        status = segment_list_reserve(list, segmentation->segment_count + found.count, error);
    if (status == MUR_OK)
        status = from_tables(list, scan, segmentation, error);
    for (size_t i = 0; status == MUR_OK && i < list->count; i++) {
        const struct mur_label *label = described(list, list->segments[i].value);
        if (label != NULL)
            describe(&list->segments[i], label, segmentation->segments[i].organ[0] == '\0',
                     description->path, job, result);
    }
    bool said = list->count > 0 || list->labels.count > 0;
    for (size_t i = 0; status == MUR_OK && i < found.count; i++)
        if (!is_named(list, found.items[i].value))
            status = name_label(list, found.items[i].value, said, found.count == 1, scan, files[0],
                                description->path, job, result, error);
    return status;
}

/* Tells which labels of which files became which segments. */
static enum mur_status note_made(struct mur_intake *intake, const struct mur_seg_report *report,
                                 const struct mur_seg_options *options, struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_certify_segment *segments =
        calloc(report->segment_count + 1, sizeof *segments);
    if (segments == NULL)
        return mur_error_no_memory(error);
    size_t count = 0;
    for (size_t i = 0; i < report->segment_count; i++)
        if (report->segments[i].number != 0)
            segments[count++] = (struct mur_certify_segment){.number = report->segments[i].number,
                                                             .file = options->segments[i].file,
                                                             .layer = options->segments[i].layer,
                                                             .value = options->segments[i].value};
    const char *instance = report->sop_instance;
    const struct mur_made_series made = {
        .sources = options->files,
        .source_count = options->file_count,
        .instances = &instance,
        .instance_count = 1,
        .series = report->series_instance,
        .segments = segments,
        .segment_count = count,
    };
    return mur_intake_made(intake, &made, error);
}

static enum mur_status make_segmentation(struct mur_import_result *result,
                                         struct mur_intake *intake,
                                         const struct mur_import_job *job,
                                         const struct mur_scan *scan,
                                         const struct mur_source_series *image,
                                         const struct mur_scan_segmentation *segmentation,
                                         char **files, unsigned number, struct mur_error *error)
{
    struct segment_list list = {0};
    MUR_AUTO_SEG_REPORT struct mur_seg_report report = MUR_SEG_REPORT_INIT;
    MUR_AUTO(mur_dataset) *attributes = NULL;
    enum mur_status status = list_segments(&list, job, scan, segmentation, files, result, error);
    if (status == MUR_OK)
        status = mur_dataset_create(&attributes, error);
    if (status == MUR_OK)
        status = mur_mapping_apply(attributes, scan, MUR_LEVEL_STUDY, error);
    const struct mur_seg_options options = {
        .source = image,
        .files = (const char *const *)files,
        .file_count = segmentation->file_count,
        .segments = list.segments,
        .segment_count = list.count,
        .attributes = attributes,
        .series_number = SEG_SERIES_BASE + number,
        .series_description = "Segmentation",
        .content_label = "ORGANS",
        .content_creator = segmentation->creator[0] != '\0' ? segmentation->creator : NULL,
    };
    struct mur_output output = mur_intake_output(intake);
    if (status == MUR_OK)
        status = mur_labels_to_seg(&report, &options, &output, error);
    for (size_t i = 0; i < report.warnings.count; i++)
        mur_import_reason(result, job, "%s", report.warnings.texts[i]);
    uint32_t segments = 0;
    for (size_t i = 0; i < report.segment_count; i++)
        segments += report.segments[i].number != 0 ? 1 : 0;
    if (status == MUR_OK)
        mur_intake_set_segments(intake, segments);
    if (status == MUR_OK)
        status = note_made(intake, &report, &options, error);
    segment_list_free(&list);
    return status;
}

static enum mur_status one_segmentation(struct mur_import_result *result, struct mur_intake *intake,
                                        const struct mur_import_job *job,
                                        const struct mur_scan *scan,
                                        const struct mur_source_series *image,
                                        const struct mur_scan_segmentation *segmentation,
                                        unsigned number, struct mur_error *error)
{
    char **files = calloc(segmentation->file_count + 1, sizeof *files);
    if (files == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < segmentation->file_count; i++) {
        const struct mur_scan_file *file = &segmentation->files[i];
        if (file->path[0] == '\0')
            status = mur_error_set(error, MUR_NOT_FOUND, "%s", file->problem);
        else
            status = mur_path_join(&files[i], job->root, file->path, error);
    }
    if (status == MUR_OK && segmentation->file_count > 0) {
        mur_intake_source(intake, segmentation->files[0].path, true);
        if (mur_is_dicom_file(files[0])) {
            for (size_t i = 0; status == MUR_OK && i < segmentation->file_count; i++)
                status = mur_intake_file(intake, files[i], error);
        } else if (image == NULL) {
            status = mur_error_set(error, MUR_NOT_FOUND,
                                   "there is no image series that %s could be an outline of",
                                   segmentation->files[0].cell);
        } else {
            status = make_segmentation(result, intake, job, scan, image, segmentation, files,
                                       number, error);
        }
    }
    if (status != MUR_OK && segmentation->file_count > 0) {
        const struct mur_scan_file *file = &segmentation->files[0];
        status = mur_import_blame(error, job, file->path[0] != '\0' ? file->path : file->cell);
    }
    for (size_t i = 0; i < segmentation->file_count; i++)
        free(files[i]);
    free(files);
    return status;
}

enum mur_status mur_import_segmentations(
    struct mur_import_result *result, struct mur_intake *intake, const struct mur_import_job *job,
    const struct mur_scan *scan, const struct mur_source_series *image, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    unsigned base = mur_session_scan_number(job->sessions, scan) * 10;
    for (size_t i = 0; status == MUR_OK && i < scan->segmentation_count; i++)
        status = one_segmentation(result, intake, job, scan, image, &scan->segmentations[i],
                                  base + (unsigned)i, error);
    return status;
}
