#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/objects.h"
#include "converters/seg_table.h"
#include "converters/seg_to_labels.h"
#include "core/file.h"
#include "core/own.h"
#include "core/progress.h"
#include "core/text.h"

enum { PRIORITY_LIMIT = 1024 };

static char *source_text;
static char *series_uid;
static char *overlap;
static double threshold = 0.5;
static int segment_numbers;
static int plain;
static int gzip_level = 1;
static int no_table;
static char *itksnap;
static int as_json;

struct poptOption mur_seg2labels_options[] = {
    {"source", '\0', POPT_ARG_STRING, &source_text, 0,
     "the DICOM images that were segmented: a folder, a file, or a UID in the archive; the label "
     "map gets all of their slices",
     "IMAGES"},
    {"series", '\0', POPT_ARG_STRING, &series_uid, 0,
     "Series Instance UID, where the source holds several; else the one that the segmentation "
     "names",
     "UID"},
    {"overlap", '\0', POPT_ARG_STRING, &overlap, 0,
     "where segments overlap: error (default), layers (a 4-D map), or first=NUMBER,... (segments "
     "that have a voxel before others)",
     "HOW"},
    {"threshold", '\0', POPT_ARG_DOUBLE, &threshold, 0,
     "of a fractional segmentation, the least part of a voxel that counts: above 0 to 1 "
     "(default: 0.5)",
     "PART"},
    {"segment-numbers", '\0', POPT_ARG_NONE, &segment_numbers, 0,
     "values are Segment Numbers, even where those of an original label map are known", NULL},
    {"plain", '\0', POPT_ARG_NONE, &plain, 0, "a new header, even where the original one is kept",
     NULL},
    {"level", '\0', POPT_ARG_INT, &gzip_level, 0, "of compression, 1 (default) to 9", "N"},
    {"no-table", '\0', POPT_ARG_NONE, &no_table, 0, "no table of the labels beside the map", NULL},
    {"itksnap", '\0', POPT_ARG_STRING, &itksnap, 0,
     "also writes the label description that ITK-SNAP reads, and labels2seg --labels", "FILE"},
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one JSON document", NULL},
    POPT_TABLEEND};

struct plan {
    struct mur_seg_to_labels_options options;
    uint16_t priority[PRIORITY_LIMIT];
};

static enum mur_status read_priority(struct plan *plan, const char *text, struct mur_error *error)
{
    size_t count = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        int64_t number = 0;
        if (count == PRIORITY_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "--overlap: more than %d segments",
                                 PRIORITY_LIMIT);
        if (mur_parse_int64(&number, (struct mur_slice){.data = at, .length = length}, 1,
                            UINT16_MAX, error) != MUR_OK)
            return mur_error_set(error, MUR_INVALID, "--overlap first=%s: Segment Numbers needed",
                                 text);
        plan->priority[count++] = (uint16_t)number;
        at += length;
        if (*at == '\0')
            break;
    }
    plan->options.volume.overlap = MUR_SEG_PRIORITY;
    plan->options.volume.priority = plan->priority;
    plan->options.volume.priority_count = count;
    return MUR_OK;
}

static enum mur_status read_options(struct plan *plan, struct mur_error *error)
{
    static const char first[] = "first=";
    struct mur_seg_volume_options *volume = &plan->options.volume;
    plan->options.plain = plain != 0;
    plan->options.no_table = no_table != 0;
    plan->options.itksnap = itksnap;
    plan->options.gzip_level = gzip_level;
    volume->numbers = segment_numbers != 0 ? MUR_SEG_SEGMENT_NUMBERS : MUR_SEG_ORIGINAL_NUMBERS;
    volume->threshold = threshold;
    volume->overlap = MUR_SEG_REFUSE;
    if (!(threshold > 0 && threshold <= 1))
        return mur_error_set(error, MUR_INVALID, "--threshold must be above 0, and at most 1");
    if (gzip_level < 1 || gzip_level > 9)
        return mur_error_set(error, MUR_INVALID, "--level is between 1 and 9");
    if (overlap == NULL || strcmp(overlap, "error") == 0)
        return MUR_OK;
    if (strncmp(overlap, first, sizeof first - 1) == 0)
        return read_priority(plan, overlap + sizeof first - 1, error);
    volume->overlap = MUR_SEG_LAYERS;
    return strcmp(overlap, "layers") == 0
               ? MUR_OK
               : mur_error_set(error, MUR_INVALID,
                               "--overlap must be error, layers or first=NUMBER,...");
}

/* The series that the segmentation says it belongs to, "" if none. */
static enum mur_status referenced_series(char out[MUR_UID_TEXT_SIZE], const char *path,
                                         struct mur_error *error)
{
    MUR_AUTO(mur_seg_reader) *reader = NULL;
    enum mur_status status = mur_seg_reader_open(&reader, path, NULL, error);
    if (status == MUR_OK)
        memcpy(out, mur_seg_reader_info(reader)->referenced_series, MUR_UID_TEXT_SIZE);
    return status;
}

/* @param[out] out  stays NULL where nothing is said of the images, or the archive has them not */
static enum mur_status read_source(struct mur_source_series **out, struct mur_cli_objects *objects,
                                   const struct mur_cli *cli, const char *path, bool from_archive,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    char referenced[MUR_UID_TEXT_SIZE] = "";
    if (source_text == NULL && !from_archive)
        return MUR_OK;
    enum mur_status status = referenced_series(referenced, path, error);
    const char *wanted = source_text != NULL ? source_text : referenced;
    if (status != MUR_OK || wanted[0] == '\0')
        return status;
    status = mur_cli_objects_find(objects, cli->config, wanted, error);
    if (status == MUR_NOT_FOUND && source_text == NULL)
        return mur_warn(warnings, error, "%s: series %s, which it belongs to, is not there", path,
                        referenced);
    if (status != MUR_OK)
        return status;
    const char *series = series_uid != NULL      ? series_uid
                         : referenced[0] != '\0' ? referenced
                                                 : NULL;
    if (objects->count == 1)
        status = mur_source_series_read_path(out, objects->paths[0], series, warnings, error);
    else
        status = mur_source_series_read(out, (const char *const *)objects->paths, objects->count,
                                        series, warnings, error);
    if (status != MUR_NOT_FOUND || series_uid != NULL)
        return status;
    return mur_error_prefix(error, "the segmentation belongs to series %s; --series takes another",
                            series);
}

static const char *grid_name(const struct mur_seg_to_labels_report *report)
{
    static const char *const names[] = {"the original label map", "the images", "its frames"};
    return names[report->grid];
}

static enum mur_status describe(struct mur_buffer *text,
                                const struct mur_seg_to_labels_report *report, const char *path,
                                struct mur_error *error)
{
    const struct mur_seg_info *info = mur_seg_reader_info(report->reader);
    enum mur_status status =
        mur_buffer_append_format(text, error, "%s: %" PRIu32 " x %" PRIu32 " x %" PRIu32 " voxels",
                                 path, report->dims[0], report->dims[1], report->dims[2]);
    if (status == MUR_OK && report->layers > 1)
        status = mur_buffer_append_format(text, error, " in %" PRIu32 " layers", report->layers);
    if (status == MUR_OK)
        status = mur_buffer_append_format(text, error, ", on the grid of %s%s\n", grid_name(report),
                                          report->original ? ", the same file as before" : "");
    if (status == MUR_OK && info->kind == MUR_SEG_FRACTIONAL)
        status = mur_buffer_append_format(text, error,
                                          "  fractional: voxels of at least %g count\n", threshold);
    for (size_t index = 0; status == MUR_OK && index < info->segment_count; index++) {
        const struct mur_seg_label *label = &report->labels[index];
        if (label->value == 0)
            continue;
        status =
            mur_buffer_append_format(text, error, "  %5u %s: %" PRIu64 " voxel%s, %.4g ml",
                                     label->value, info->segments[index].about.label, label->voxels,
                                     label->voxels == 1 ? "" : "s", label->volume_ml);
        if (status == MUR_OK && report->layers > 1)
            status = mur_buffer_append_format(text, error, ", layer %" PRIu32, label->layer + 1);
        if (status == MUR_OK)
            status = mur_buffer_append_text(text, "\n", error);
    }
    return status;
}

static enum mur_status convert(struct mur_buffer *text, struct mur_seg_to_labels_report *report,
                               struct plan *plan, struct mur_cli_objects *objects,
                               const struct mur_cli *cli, struct mur_error *error)
{
    const char *output = cli->arguments[1];
    MUR_AUTO(mur_source_series) *source = NULL;
    MUR_AUTO(mur_progress_line) *line = NULL;
    MUR_AUTO_FREE char *path = NULL;
    enum mur_status status = mur_cli_objects_find(objects, cli->config, cli->arguments[0], error);
    if (status == MUR_OK && objects->count != 1)
        status =
            mur_error_set(error, MUR_INVALID, "%s holds %zu objects; one segmentation is needed",
                          cli->arguments[0], objects->count);
    if (status == MUR_OK)
        status = mur_text_copy(&path, mur_slice_of(objects->paths[0]), error);
    if (status == MUR_OK && mur_directory_exists(path))
        status =
            mur_error_set(error, MUR_INVALID, "%s is a folder; one segmentation is needed", path);
    const char *const inputs[] = {path};
    if (status == MUR_OK)
        status = mur_cli_spare_inputs(output, inputs, MUR_COUNT(inputs), error);
    if (status == MUR_OK && itksnap != NULL)
        status = mur_cli_spare_inputs(itksnap, inputs, MUR_COUNT(inputs), error);
    bool from_archive = status == MUR_OK && strcmp(path, cli->arguments[0]) != 0;
    if (status == MUR_OK)
        status = read_source(&source, objects, cli, path, from_archive, &report->warnings, error);
    if (status == MUR_OK && !cli->quiet && as_json == 0)
        status = mur_progress_line_create(&line, cli->command, error);
    if (status != MUR_OK)
        return status;
    plan->options.source = source;
    if (line != NULL)
        plan->options.progress = mur_progress_line_reporter(line);
    status = mur_seg_to_labels(report, path, output, &plan->options, error);
    if (status != MUR_OK || as_json == 0)
        return status == MUR_OK ? describe(text, report, output, error) : status;
    return mur_seg_table_json(text, mur_seg_reader_info(report->reader), report->labels,
                              report->layers, output, mur_label_grid_name(report->grid), threshold,
                              error);
}

int mur_command_seg2labels(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct plan plan = {.options = {.source = NULL}};
    MUR_AUTO_SEG_TO_LABELS_REPORT struct mur_seg_to_labels_report report =
        MUR_SEG_TO_LABELS_REPORT_INIT;
    MUR_AUTO_CLI_OBJECTS struct mur_cli_objects objects = {.count = 0};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (cli->argument_count != 2)
        return mur_cli_usage(cli, "one segmentation and one file to write are needed");
    plan.options.cancelled = mur_cli_catch_interrupts();
    enum mur_status status = read_options(&plan, &error);
    if (status == MUR_OK)
        status = convert(&text, &report, &plan, &objects, cli, &error);
    for (size_t index = 0; !cli->quiet && index < report.warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command,
                      report.warnings.texts[index]);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
