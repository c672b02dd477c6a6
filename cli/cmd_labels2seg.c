#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/label_names.h"
#include "converters/labels_to_seg.h"
#include "converters/value_check.h"
#include "core/file.h"
#include "core/json_write.h"
#include "core/own.h"
#include "dicom/attribute.h"
#include "mapping/organs.h"

static char *labels_path;
static char **label_texts;
static char **organ_names;
static char *series_uid;
static char *algorithm;
static char *algorithm_name;
static int ignore_unlisted;
static int keep_empty;
static char *organs_path;
static int labelmap;
static int deflate;
static char *resample;
static char *series_description;
static int series_number = 300;
static char *creator;
static int prefer_qform;
static char *when_unset;
static char *analyze_order;
static int as_json;

struct poptOption mur_labels2seg_options[] = {
    {"label", '\0', POPT_ARG_ARGV, &label_texts, 0,
     "name of a label of the map, such as 1=liver; may be repeated", "VALUE=NAME"},
    {"labels", '\0', POPT_ARG_STRING, &labels_path, 0,
     "names from a label description of ITK-SNAP, a .json of dcmqi or of seg2labels, or a .cfg "
     "with an "
     "organ table and the labels that it numbers",
     "FILE"},
    {"organ", '\0', POPT_ARG_ARGV, &organ_names, 0,
     "what a mask shows, one for each of several files; may be repeated", "NAME"},
    {"ignore-unlisted", '\0', POPT_ARG_NONE, &ignore_unlisted, 0,
     "leave out labels without a name instead of refusing them", NULL},
    {"keep-empty-segments", '\0', POPT_ARG_NONE, &keep_empty, 0,
     "keep segments without a voxel instead of leaving them out", NULL},
    {"series", '\0', POPT_ARG_STRING, &series_uid, 0,
     "Series Instance UID, where the source holds several", "UID"},
    {"algorithm", '\0', POPT_ARG_STRING, &algorithm, 0,
     "how it was made: manual, semiautomatic or automatic", "KIND"},
    {"algorithm-name", '\0', POPT_ARG_STRING, &algorithm_name, 0, "of what made it, unless manual",
     "NAME"},
    {"organs", '\0', POPT_ARG_STRING, &organs_path, 0,
     "codes of organs, instead of isa.organs_file", "FILE"},
    {"labelmap", '\0', POPT_ARG_NONE, &labelmap, 0,
     "write a Label Map Segmentation, of which few programs know yet", NULL},
    {"deflate", '\0', POPT_ARG_NONE, &deflate, 0, "compress as Deflated Explicit VR Little Endian",
     NULL},
    {"resample", '\0', POPT_ARG_STRING, &resample, 0,
     "nearest: where a map has another grid than the images, take the nearest label", "HOW"},
    {"series-number", '\0', POPT_ARG_INT, &series_number, 0, "instead of 300", "NUMBER"},
    {"series-description", '\0', POPT_ARG_STRING, &series_description, 0, "instead of Segmentation",
     "TEXT"},
    {"creator", '\0', POPT_ARG_STRING, &creator, 0, "who made it: Content Creator's Name", "NAME"},
    {"prefer-qform", '\0', POPT_ARG_NONE, &prefer_qform, 0,
     "where qform and sform differ, believe qform", NULL},
    {"codes-zero", '\0', POPT_ARG_STRING, &when_unset, 0,
     "without qform and sform: nifti (the standard) or spm (as nibabel)", "HOW"},
    {"analyze-lr", '\0', POPT_ARG_STRING, &analyze_order, 0,
     "Analyze 7.5: the order of its axes, las or ras", "ORDER"},
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "tell what was made as one line of JSON", NULL},
    POPT_TABLEEND};

static enum mur_status read_algorithm(enum mur_segment_algorithm *out, struct mur_error *error)
{
    *out = MUR_SEGMENT_MANUAL;
    if ((algorithm == NULL || strcmp(algorithm, "manual") == 0) && algorithm_name != NULL)
        return mur_error_set(error, MUR_INVALID,
                             "--algorithm-name needs --algorithm semiautomatic or automatic");
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

/* What is written as it was given must be what the attribute may hold. */
static enum mur_status check_texts(struct mur_error *error)
{
    const struct {
        const char *option, *text;
        uint32_t tag;
    } given[] = {
        {"--algorithm-name", algorithm_name, MUR_TAG_SegmentAlgorithmName},
        {"--series-description", series_description, MUR_TAG_SeriesDescription},
        {"--creator", creator, MUR_TAG_ContentCreatorName},
    };
    MUR_AUTO(mur_dataset) *dataset = NULL;
    enum mur_status status = mur_dataset_create(&dataset, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(dataset, error);
    for (size_t index = 0; status == MUR_OK && index < MUR_COUNT(given); index++) {
        if (given[index].text == NULL)
            continue;
        status = mur_dataset_put_string(dataset, given[index].tag, MUR_VR_NONE, given[index].text,
                                        error);
        if (status == MUR_OK)
            status = mur_value_check_element(dataset, given[index].tag, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "%s", given[index].option);
    }
    return status;
}

static enum mur_status read_options(struct mur_seg_options *options, struct mur_error *error)
{
    if (resample != NULL && strcmp(resample, "nearest") != 0)
        return mur_error_set(error, MUR_INVALID, "--resample must be nearest");
    options->other_grid = resample != NULL ? MUR_OTHER_GRID_NEAREST : MUR_OTHER_GRID_KEEP;
    if (series_number < 1)
        return mur_error_set(error, MUR_INVALID, "--series-number must be positive");
    if (when_unset != NULL && strcmp(when_unset, "spm") != 0 && strcmp(when_unset, "nifti") != 0)
        return mur_error_set(error, MUR_INVALID, "--codes-zero must be nifti or spm");
    if (analyze_order != NULL && strcmp(analyze_order, "las") != 0 &&
        strcmp(analyze_order, "ras") != 0)
        return mur_error_set(error, MUR_INVALID, "--analyze-lr must be las or ras");
    options->labelmap = labelmap != 0;
    options->deflate = deflate != 0;
    options->series_number = series_number;
    options->series_description = series_description;
    options->content_creator = creator;
    options->ignore_unlisted = ignore_unlisted != 0;
    options->keep_empty = keep_empty != 0;
    options->orientation.prefer_qform = prefer_qform != 0;
    options->orientation.spm_when_unset = when_unset != NULL && when_unset[0] == 's';
    if (analyze_order != NULL)
        options->orientation.analyze_order =
            analyze_order[0] == 'l' ? MUR_ANALYZE_LAS : MUR_ANALYZE_RAS;
    return check_texts(error);
}

/* A segmentation beside its images may be written anew, an image that it is made of not. */
static enum mur_status spare_image(const char *output, const struct mur_source_series *source,
                                   struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *there = NULL;
    const char *instance = NULL;
    if (!mur_file_exists(output) || mur_dataset_load(&there, output, MUR_HEADER, NULL) != MUR_OK ||
        mur_dataset_get_string(&instance, there, MUR_TAG_SOPInstanceUID, NULL) != MUR_OK)
        return MUR_OK;
    for (size_t index = 0; index < source->instance_count; index++)
        if (strcmp(source->instances[index], instance) == 0)
            return mur_error_set(error, MUR_INVALID,
                                 "%s is one of the images; name another file for what is written",
                                 output);
    return MUR_OK;
}

static enum mur_status convert(struct mur_seg_report *report, struct mur_seg_options *options,
                               const struct mur_cli *cli, struct mur_error *error)
{
    MUR_AUTO(mur_source_series) *source = NULL;
    MUR_AUTO(mur_file_output) *files = NULL;
    enum mur_status status = mur_source_series_read_path(
        &source, cli->arguments[options->file_count], series_uid, &report->warnings, error);
    const char *target = cli->arguments[options->file_count + 1];
    if (status == MUR_OK)
        status = mur_cli_spare_inputs(target, options->files, options->file_count, error);
    if (status == MUR_OK)
        status = spare_image(target, source, error);
    if (status == MUR_OK)
        status = mur_file_output_create(&files, NULL, target, error);
    if (status != MUR_OK)
        return status;
    struct mur_output output = mur_file_output_of(files);
    options->source = source;
    status = mur_labels_to_seg(report, options, &output, error);
    return status == MUR_OK ? mur_file_output_commit(files, error) : status;
}

static enum mur_status describe(struct mur_buffer *text, const struct mur_seg_report *report,
                                const struct mur_label_names *names, const char *path,
                                struct mur_error *error)
{
    enum mur_status status = mur_buffer_append_format(
        text, error, "%s: %" PRIu32 " frame%s of series %s\n", path, report->frames,
        report->frames == 1 ? "" : "s", report->series_instance);
    for (size_t index = 0; status == MUR_OK && index < report->segment_count; index++) {
        const struct mur_seg_segment_report *segment = &report->segments[index];
        if (segment->number > 0)
            status = mur_buffer_append_format(
                text, error, "%5u  %-24s %12" PRIu64 " voxel%s %12.6g mL\n", segment->number,
                names->segments[index].segment.label, segment->voxels,
                segment->voxels == 1 ? " " : "s", segment->volume_ml);
    }
    return status;
}

static enum mur_status describe_as_json(struct mur_buffer *text,
                                        const struct mur_seg_report *report,
                                        const struct mur_label_names *names, const char *path,
                                        struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(text));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "file", path);
    mur_json_member_string(&json, "SOPInstanceUID", report->sop_instance);
    mur_json_member_string(&json, "SeriesInstanceUID", report->series_instance);
    mur_json_member_int(&json, "frames", report->frames);
    mur_json_member_int(&json, "bytes", (int64_t)report->bytes);
    mur_json_member_bool(&json, "ownGrid", report->own_grid);
    mur_json_member_bool(&json, "resampled", report->resampled);
    mur_json_key(&json, "segments");
    mur_json_begin_array(&json);
    for (size_t index = 0; index < report->segment_count; index++) {
        const struct mur_seg_segment_report *segment = &report->segments[index];
        if (segment->number == 0)
            continue;
        mur_json_begin_object(&json);
        mur_json_member_int(&json, "number", segment->number);
        mur_json_member_string(&json, "label", names->segments[index].segment.label);
        mur_json_member_int(&json, "voxels", (int64_t)segment->voxels);
        mur_json_member_double(&json, "volumeML", segment->volume_ml);
        mur_json_end_object(&json);
    }
    mur_json_end_array(&json);
    mur_json_key(&json, "warnings");
    mur_json_begin_array(&json);
    for (size_t index = 0; index < report->warnings.count; index++)
        mur_json_string(&json, report->warnings.texts[index]);
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(text, "\n", 1, error) : status;
}

int mur_command_labels2seg(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_organs) *organs = NULL;
    MUR_AUTO_LABEL_NAMES struct mur_label_names names = {.segments = NULL};
    MUR_AUTO_SEG_REPORT struct mur_seg_report report = MUR_SEG_REPORT_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (cli->argument_count < 3)
        return mur_cli_usage(cli, "label maps, a DICOM image series and an output file are needed");
    struct mur_seg_options options = {.files = cli->arguments,
                                      .file_count = cli->argument_count - 2,
                                      .cancelled = mur_cli_catch_interrupts()};
    struct mur_label_naming naming = {.files = cli->arguments,
                                      .file_count = options.file_count,
                                      .texts = label_texts,
                                      .masks = organ_names,
                                      .labels_path = labels_path,
                                      .algorithm_name = algorithm_name};
    enum mur_status status = read_algorithm(&naming.algorithm, &error);
    if (status == MUR_OK)
        status = read_options(&options, &error);
    if (status == MUR_OK)
        status = mur_organs_load(
            &organs, organs_path != NULL ? organs_path : cli->config->isa_organs_file, &error);
    naming.organs = organs;
    if (status == MUR_OK)
        status = mur_label_names_make(&names, &naming, &report.warnings, &error);
    options.segments = names.segments;
    options.segment_count = names.count;
    if (status == MUR_OK)
        status = convert(&report, &options, cli, &error);
    for (size_t index = 0; !cli->quiet && index < report.warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command,
                      report.warnings.texts[index]);
    const char *target = cli->arguments[cli->argument_count - 1];
    if (status == MUR_OK && as_json != 0)
        status = describe_as_json(&text, &report, &names, target, &error);
    else if (status == MUR_OK && !cli->quiet)
        status = describe(&text, &report, &names, target, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
