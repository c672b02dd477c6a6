/* DICOM image series as NIfTI files. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/coerce.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/objects.h"
#include "converters/dicom_to_nii.h"
#include "core/json_write.h"
#include "core/own.h"
#include "core/progress.h"

static char *study;
static char *series;
static int allow_gaps;
static int keep_going;
static int plain;
static int no_sidecar;
static int compress;
static int level = 1;
static int json;

struct poptOption mur_dcm2nii_options[] = {
    {"study", '\0', POPT_ARG_STRING, &study, 0, "reads this study of the archive", "UID"},
    {"series", '\0', POPT_ARG_STRING, &series, 0,
     "takes only this series; without IN, of the archive", "UID"},
    {"allow-gaps", '\0', POPT_ARG_NONE, &allow_gaps, 0,
     "where slices are missing, a file for each part without a gap instead of an error", NULL},
    {"keep-going", '\0', POPT_ARG_NONE, &keep_going, 0,
     "series that are refused are told and left out (exit code 22), the others are written", NULL},
    {"plain", '\0', POPT_ARG_NONE, &plain, 0,
     "do not go back to the NIfTI file that a series was made from", NULL},
    {"no-json", '\0', POPT_ARG_NONE, &no_sidecar, 0, "write no JSON file beside the volume", NULL},
    {"gzip", 'z', POPT_ARG_NONE, &compress, 0, "in a folder: .nii.gz instead of .nii", NULL},
    {"gzip-level", '\0', POPT_ARG_INT, &level, 0, "1 (fast, the default) to 9", "LEVEL"},
    {"json", '\0', POPT_ARG_NONE, &json, 0, "print what was written as JSON", NULL},
    POPT_TABLEEND};

/* What is read, and where more is known of it. */
struct source {
    struct mur_cli_objects objects;
    struct mur_image_set *set;
};

/* The archive knows more of an animal than the header of its images. */
static enum mur_status complete(void *user, struct mur_dataset *header,
                                const struct mur_image_file *file, struct mur_error *error)
{
    const struct source *source = user;
    struct mur_instance instance;
    bool found = false, changed = false;
    if (source->objects.of.archive == NULL)
        return MUR_OK;
    enum mur_status status = mur_archive_look_up(&found, &instance, source->objects.of.archive,
                                                 file->sop_instance, error);
    if (status != MUR_OK || !found)
        return status;
    status = mur_archive_coerce(&changed, header, source->objects.of.archive, &instance, error);
    return status == MUR_UNSUPPORTED || status == MUR_NOT_FOUND ? MUR_OK : status;
}

static enum mur_status add_input(struct source *source, const char *argument,
                                 const struct mur_cli *cli, struct mur_warnings *warnings,
                                 struct mur_error *error)
{
    enum mur_status status = mur_cli_objects_find(&source->objects, cli->config, argument, error);
    if (status == MUR_OK && source->objects.count == 1 &&
        strcmp(source->objects.paths[0], argument) == 0) /* a path, not a UID */
        return mur_image_set_add(source->set, argument, series, warnings, error);
    for (size_t index = 0; status == MUR_OK && index < source->objects.count; index++)
        status = mur_image_set_add_member(source->set, source->objects.paths[index], series,
                                          warnings, error);
    return status;
}

static enum mur_status read_inputs(struct source *source, const struct mur_cli *cli,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    size_t count = cli->argument_count - 1;
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status = add_input(source, cli->arguments[index], cli, warnings, error);
    if (status == MUR_OK && study != NULL)
        status = add_input(source, study, cli, warnings, error);
    else if (status == MUR_OK && count == 0)
        status = add_input(source, series, cli, warnings, error);
    if (status == MUR_OK && series != NULL && mur_image_set_file_count(source->set) == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "no image of series %s is there", series);
    if (status == MUR_OK && count == 1 && mur_image_set_file_count(source->set) == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no DICOM images", cli->arguments[0]);
    const struct mur_stack_options options = {.allow_gaps = allow_gaps != 0,
                                              .keep_going = keep_going != 0};
    return status == MUR_OK ? mur_image_set_arrange(source->set, &options, warnings, error)
                            : status;
}

static int print_json(const struct mur_cli *cli, const struct mur_dicom_to_nii_report *report)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(&text));
    mur_json_begin_object(&writer);
    mur_json_key(&writer, "files");
    mur_json_begin_array(&writer);
    for (size_t index = 0; index < report->count; index++) {
        const struct mur_nifti_output *output = &report->outputs[index];
        mur_json_begin_object(&writer);
        mur_json_member_string(&writer, "file", output->path);
        mur_json_member_string(&writer, "SeriesInstanceUID", output->series_instance);
        mur_json_key(&writer, "size");
        mur_json_begin_array(&writer);
        for (unsigned axis = 0; axis < 3; axis++)
            mur_json_uint(&writer, output->dims[axis]);
        mur_json_end_array(&writer);
        mur_json_member_int(&writer, "volumes", output->volumes);
        mur_json_member_string(&writer, "type", output->type);
        mur_json_member_bool(&writer, "original", output->original);
        mur_json_member_int(&writer, "padded", (int64_t)output->padded);
        mur_json_end_object(&writer);
    }
    mur_json_end_array(&writer);
    mur_json_key(&writer, "warnings");
    mur_json_begin_array(&writer);
    for (size_t index = 0; index < report->warnings.count; index++)
        mur_json_string(&writer, report->warnings.texts[index]);
    mur_json_end_array(&writer);
    mur_json_end_object(&writer);
    if (mur_json_finish(&writer, &error) != MUR_OK ||
        mur_buffer_append_text(&text, "\n", &error) != MUR_OK)
        return mur_cli_fail(cli, &error);
    return mur_cli_print(cli, &text);
}

static int print_text(const struct mur_cli *cli, const struct mur_dicom_to_nii_report *report)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < report->count; index++) {
        const struct mur_nifti_output *output = &report->outputs[index];
        status = mur_buffer_append_format(&text, &error, "%s: %" PRIu32 " x %" PRIu32 " x %" PRIu32,
                                          output->path, output->dims[0], output->dims[1],
                                          output->dims[2]);
        if (status == MUR_OK && output->volumes > 1)
            status = mur_buffer_append_format(&text, &error, " x %" PRIu32, output->volumes);
        if (status == MUR_OK)
            status = mur_buffer_append_format(&text, &error, " %s%s\n", output->type,
                                              output->original ? ", the original NIfTI file" : "");
    }
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}

static enum mur_status convert(struct mur_dicom_to_nii_report *report, struct source *source,
                               const struct mur_cli *cli, struct mur_error *error)
{
    MUR_AUTO(mur_progress_line) *line = NULL;
    struct mur_nifti_output_options options = {
        .plain = plain != 0,
        .no_sidecar = no_sidecar != 0,
        .gzip_level = level,
        .compress = compress != 0,
        .cancelled = mur_cli_catch_interrupts(),
        .complete = complete,
        .complete_user = source,
    };
    if (level < 1 || level > 9)
        return mur_error_set(error, MUR_INVALID, "--gzip-level must be 1 to 9");
    if (!cli->quiet && mur_progress_line_create(&line, "dcm2nii", error) == MUR_OK)
        options.progress = mur_progress_line_reporter(line);
    enum mur_status status = mur_image_set_create(&source->set, error);
    if (status == MUR_OK) {
        mur_image_set_watch(source->set, options.cancelled, &options.progress);
        status = read_inputs(source, cli, &report->warnings, error);
    }
    if (status == MUR_OK)
        status = mur_dicom_to_nii(report, source->set, cli->arguments[cli->argument_count - 1],
                                  &options, error);
    return status;
}

int mur_command_dcm2nii(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_DICOM_TO_NII_REPORT struct mur_dicom_to_nii_report report =
        MUR_DICOM_TO_NII_REPORT_INIT;
    if (cli->argument_count < (study != NULL || series != NULL ? 1 : 2))
        return mur_cli_usage(cli, "images, or the UID of a study or series, and the name of a "
                                  "file or folder are needed");
    struct source source = {.set = NULL};
    enum mur_status status = convert(&report, &source, cli, &error);
    size_t refused = source.set != NULL ? mur_image_set_refused_count(source.set) : 0;
    mur_image_set_free(source.set);
    mur_cli_objects_free(&source.objects);
    for (size_t index = 0; !cli->quiet && index < report.warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command,
                      report.warnings.texts[index]);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    int code = json != 0 ? print_json(cli, &report) : print_text(cli, &report);
    return code == MUR_EXIT_OK && refused > 0 ? MUR_EXIT_INPUT_INVALID : code;
}
