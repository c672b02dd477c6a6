#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/identity.h"
#include "converters/labels_to_seg.h"
#include "core/own.h"
#include "core/text.h"
#include "mapping/organs.h"

static char *labels_path;
static char **label_texts;
static char **organ_names;
static char *series_uid;
static char *algorithm;
static char *algorithm_name;
static int ignore_unlisted;
static char *organs_path;

struct poptOption mur_labels2seg_options[] = {
    {"label", '\0', POPT_ARG_ARGV, &label_texts, 0,
     "name of a label of the map, such as 1=liver; may be repeated", "VALUE=NAME"},
    {"labels", '\0', POPT_ARG_STRING, &labels_path, 0, "names from a label description of ITK-SNAP",
     "FILE"},
    {"organ", '\0', POPT_ARG_ARGV, &organ_names, 0,
     "what a mask shows, one for each of several files; may be repeated", "NAME"},
    {"ignore-unlisted", '\0', POPT_ARG_NONE, &ignore_unlisted, 0,
     "leave out labels without a name instead of refusing them", NULL},
    {"series", '\0', POPT_ARG_STRING, &series_uid, 0,
     "Series Instance UID, where the source holds several", "UID"},
    {"algorithm", '\0', POPT_ARG_STRING, &algorithm, 0,
     "how it was made: manual, semiautomatic or automatic", "KIND"},
    {"algorithm-name", '\0', POPT_ARG_STRING, &algorithm_name, 0, "of what made it, unless manual",
     "NAME"},
    {"organs", '\0', POPT_ARG_STRING, &organs_path, 0,
     "codes of organs, instead of isa.organs_file", "FILE"},
    POPT_TABLEEND};

struct plan {
    struct mur_label_segment *segments;
    size_t count, capacity;
    const struct mur_organs *organs;
    enum mur_segment_algorithm algorithm;
};

static struct mur_code code_of(const struct mur_organ_code *code)
{
    return (struct mur_code){
        .value = code->value, .scheme = code->scheme, .meaning = code->meaning};
}

static enum mur_status add_segment(struct plan *plan, size_t file, int64_t value, const char *name,
                                   const uint8_t *rgb, struct mur_error *error)
{
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity == 0 ? 16 : plan->capacity * 2;
        struct mur_label_segment *segments = realloc(plan->segments, capacity * sizeof *segments);
        if (segments == NULL)
            return mur_error_no_memory(error);
        plan->segments = segments;
        plan->capacity = capacity;
    }
    const struct mur_organ *organ = mur_organs_find(plan->organs, name);
    if (organ == NULL)
        organ = mur_organs_unknown(plan->organs);
    struct mur_label_segment *added = &plan->segments[plan->count++];
    *added = (struct mur_label_segment){.file = file, .value = value};
    added->segment = (struct mur_segment){
        .label = name,
        .algorithm = plan->algorithm,
        .algorithm_name = algorithm_name,
        .category = code_of(&organ->category),
        .type = code_of(&organ->type),
        .type_modifier = code_of(&organ->modifier),
        .region = code_of(&organ->region),
        .has_color = rgb != NULL || organ->has_rgb,
    };
    memcpy(added->segment.rgb, rgb != NULL ? rgb : organ->rgb, sizeof added->segment.rgb);
    return MUR_OK;
}

static enum mur_status add_labels(struct plan *plan, const struct mur_labels *labels,
                                  struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (char **next = label_texts; status == MUR_OK && next != NULL && *next != NULL; next++) {
        const char *mark = strchr(*next, '=');
        int64_t value = 0;
        struct mur_slice number = {.data = *next,
                                   .length = mark == NULL ? 0 : (size_t)(mark - *next)};
        if (mark == NULL || mark[1] == '\0' ||
            mur_parse_int64(&value, number, 1, MUR_LABEL_LARGEST, error) != MUR_OK)
            return mur_error_set(error, MUR_INVALID, "--label %s: not VALUE=NAME", *next);
        status = add_segment(plan, 0, value, mark + 1, NULL, error);
    }
    for (size_t index = 0; status == MUR_OK && index < labels->count; index++)
        status = add_segment(plan, 0, labels->items[index].value, labels->items[index].name,
                             labels->items[index].rgb, error);
    return status;
}

static enum mur_status add_organs(struct plan *plan, size_t file_count, struct mur_error *error)
{
    size_t count = 0;
    enum mur_status status = MUR_OK;
    for (char **next = organ_names; status == MUR_OK && next != NULL && *next != NULL; next++)
        status = add_segment(plan, count++, MUR_LABEL_ANY, *next, NULL, error);
    if (status == MUR_OK && count > 0 && count != file_count)
        return mur_error_set(error, MUR_INVALID, "%zu files, but %zu times --organ", file_count,
                             count);
    if (status == MUR_OK && count > 0 && plan->count != count)
        return mur_error_set(error, MUR_INVALID, "--organ and --label exclude each other");
    return status;
}

static enum mur_status read_algorithm(enum mur_segment_algorithm *out, struct mur_error *error)
{
    *out = MUR_SEGMENT_MANUAL;
    if (algorithm == NULL || strcmp(algorithm, "manual") == 0)
        return MUR_OK;
    *out = strcmp(algorithm, "automatic") == 0 ? MUR_SEGMENT_AUTOMATIC : MUR_SEGMENT_SEMIAUTOMATIC;
    if (*out == MUR_SEGMENT_SEMIAUTOMATIC && strcmp(algorithm, "semiautomatic") != 0)
        return mur_error_set(error, MUR_INVALID,
                             "--algorithm must be manual, semiautomatic or automatic");
    if (algorithm_name == NULL)
        return mur_error_set(error, MUR_INVALID, "--algorithm %s needs --algorithm-name",
                             algorithm);
    return MUR_OK;
}

static enum mur_status convert(struct mur_seg_report *report, const struct plan *plan,
                               const struct mur_cli *cli, struct mur_error *error)
{
    size_t file_count = cli->argument_count - 2;
    MUR_AUTO(mur_source_series) *source = NULL;
    MUR_AUTO(mur_file_output) *files = NULL;
    enum mur_status status = mur_source_series_read_path(&source, cli->arguments[file_count],
                                                         series_uid, &report->warnings, error);
    if (status == MUR_OK)
        status = mur_file_output_create(&files, NULL, cli->arguments[file_count + 1], error);
    if (status != MUR_OK)
        return status;
    struct mur_output output = mur_file_output_of(files);
    struct mur_seg_options options = {
        .source = source,
        .files = cli->arguments,
        .file_count = file_count,
        .segments = plan->segments,
        .segment_count = plan->count,
        .ignore_unlisted = ignore_unlisted != 0,
    };
    status = mur_labels_to_seg(report, &options, &output, error);
    return status == MUR_OK ? mur_file_output_commit(files, error) : status;
}

static enum mur_status describe(struct mur_buffer *text, const struct mur_seg_report *report,
                                const struct plan *plan, const char *path, struct mur_error *error)
{
    enum mur_status status =
        mur_buffer_append_format(text, error, "%s: %" PRIu32 " frames of series %s\n", path,
                                 report->frames, report->series_instance);
    for (size_t index = 0; status == MUR_OK && index < report->segment_count; index++) {
        const struct mur_seg_segment_report *segment = &report->segments[index];
        if (segment->number > 0)
            status = mur_buffer_append_format(
                text, error, "%5u  %-24s %12" PRIu64 " voxels %12.6g mL\n", segment->number,
                plan->segments[index].segment.label, segment->voxels, segment->volume_ml);
    }
    return status;
}

int mur_command_labels2seg(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_organs) *organs = NULL;
    MUR_AUTO_LABELS struct mur_labels labels = {.items = NULL, .count = 0};
    MUR_AUTO_SEG_REPORT struct mur_seg_report report = MUR_SEG_REPORT_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct plan plan = {.segments = NULL};
    if (cli->argument_count < 3)
        return mur_cli_usage(cli, "label maps, a DICOM image series and an output file are needed");
    enum mur_status status = read_algorithm(&plan.algorithm, &error);
    if (status == MUR_OK)
        status = mur_organs_load(
            &organs, organs_path != NULL ? organs_path : cli->config->isa_organs_file, &error);
    if (status == MUR_OK && labels_path != NULL)
        status = mur_labels_read(&labels, labels_path, &error);
    plan.organs = organs;
    if (status == MUR_OK)
        status = add_labels(&plan, &labels, &error);
    if (status == MUR_OK)
        status = add_organs(&plan, cli->argument_count - 2, &error);
    if (status == MUR_OK && plan.count == 0)
        status = mur_error_set(&error, MUR_INVALID,
                               "what the labels mean is not said: --label, --labels or --organ");
    if (status == MUR_OK)
        status = convert(&report, &plan, cli, &error);
    for (size_t index = 0; !cli->quiet && index < report.warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command,
                      report.warnings.texts[index]);
    if (status == MUR_OK)
        status = describe(&text, &report, &plan, cli->arguments[cli->argument_count - 1], &error);
    free(plan.segments);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
