#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "converters/nii_to_dicom.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/dictionary.h"

static char *modality;
static char **assignments;
static int hounsfield;
static int keep_order;
static int biped;
static int prefer_qform;
static char *when_unset;
static char *analyze_order;
static char *nan_text;
static int round_integers;

struct poptOption mur_nii2dcm_options[] = {
    {"modality", 'm', POPT_ARG_STRING, &modality, 0, "CT or MR", "MODALITY"},
    {"set", '\0', POPT_ARG_ARGV, &assignments, 0,
     "an attribute of all images, such as PatientID=M1; may be repeated", "KEYWORD=VALUE"},
    {"hu", '\0', POPT_ARG_NONE, &hounsfield, 0, "CT: the values are Hounsfield units", NULL},
    {"keep-order", '\0', POPT_ARG_NONE, &keep_order, 0,
     "do not turn rows and columns the way screens show them", NULL},
    {"biped", '\0', POPT_ARG_NONE, &biped, 0, "the animal is imaged as bipeds are", NULL},
    {"prefer-qform", '\0', POPT_ARG_NONE, &prefer_qform, 0,
     "where qform and sform differ, believe qform", NULL},
    {"codes-zero", '\0', POPT_ARG_STRING, &when_unset, 0,
     "without qform and sform: nifti (the standard) or spm (as nibabel)", "HOW"},
    {"analyze-lr", '\0', POPT_ARG_STRING, &analyze_order, 0,
     "Analyze 7.5: the order of its axes, las or ras", "ORDER"},
    {"nan", '\0', POPT_ARG_STRING, &nan_text, 0,
     "what NaN and infinity become: pad (Pixel Padding Value) or a number", "VALUE"},
    {"round-integers", '\0', POPT_ARG_NONE, &round_integers, 0,
     "map integers over more than 16 bits to the nearest of 65535 steps", NULL},
    POPT_TABLEEND};

static enum mur_status assign(struct mur_dataset *attributes, const char *assignment,
                              struct mur_error *error)
{
    const char *mark = strchr(assignment, '=');
    uint32_t tag = 0;
    struct mur_slice keyword = {.data = assignment,
                                .length = mark == NULL ? 0 : (size_t)(mark - assignment)};
    if (mark == NULL || !mur_dictionary_tag(&tag, keyword))
        return mur_error_set(error, MUR_INVALID, "--set %s: no attribute of this keyword",
                             assignment);
    if (mur_dataset_put_string(attributes, tag, MUR_VR_NONE, mark + 1, error) != MUR_OK)
        return mur_error_prefix(error, "--set %s", assignment);
    return MUR_OK;
}

static enum mur_status read_options(struct mur_conversion_options *options, struct mur_error *error)
{
    if (modality == NULL || (strcmp(modality, "CT") != 0 && strcmp(modality, "MR") != 0))
        return mur_error_set(error, MUR_INVALID, "--modality must be CT or MR");
    options->modality = modality[0] == 'C' ? MUR_CONVERT_TO_CT : MUR_CONVERT_TO_MR;
    options->hounsfield = hounsfield != 0;
    options->keep_order = keep_order != 0;
    options->anatomy = biped != 0 ? MUR_BIPED : MUR_QUADRUPED;
    options->values.round_integers = round_integers != 0;
    options->orientation.prefer_qform = prefer_qform != 0;
    if (when_unset != NULL && strcmp(when_unset, "spm") != 0 && strcmp(when_unset, "nifti") != 0)
        return mur_error_set(error, MUR_INVALID, "--codes-zero must be nifti or spm");
    options->orientation.spm_when_unset = when_unset != NULL && when_unset[0] == 's';
    if (analyze_order != NULL && strcmp(analyze_order, "las") != 0 &&
        strcmp(analyze_order, "ras") != 0)
        return mur_error_set(error, MUR_INVALID, "--analyze-lr must be las or ras");
    if (analyze_order != NULL)
        options->orientation.analyze_order =
            analyze_order[0] == 'l' ? MUR_ANALYZE_LAS : MUR_ANALYZE_RAS;
    if (nan_text != NULL && strcmp(nan_text, "pad") == 0) {
        options->values.nan = MUR_NAN_PAD;
    } else if (nan_text != NULL) {
        options->values.nan = MUR_NAN_REPLACE;
        if (mur_parse_double(&options->values.nan_value, mur_slice_of(nan_text), error) != MUR_OK)
            return mur_error_set(error, MUR_INVALID, "--nan must be pad or a number");
    }
    return MUR_OK;
}

/* The assignments are part of what distinguishes a series: other values, other UIDs. */
static enum mur_status gather_attributes(struct mur_dataset **out, struct mur_buffer *identity,
                                         struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *attributes = NULL;
    enum mur_status status = mur_dataset_create(&attributes, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(attributes, error);
    for (char **next = assignments; status == MUR_OK && next != NULL && *next != NULL; next++) {
        status = assign(attributes, *next, error);
        if (status == MUR_OK)
            status = mur_buffer_append_format(identity, error, "%s\n", *next);
    }
    if (status == MUR_OK)
        *out = MUR_STEAL(attributes);
    return status;
}

int mur_command_nii2dcm(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_conversion_options options = {.attributes = NULL};
    MUR_AUTO_CONVERSION_REPORT struct mur_conversion_report report = MUR_CONVERSION_REPORT_INIT;
    MUR_AUTO(mur_dataset) *attributes = NULL;
    MUR_AUTO(mur_file_output) *files = NULL;
    MUR_AUTO_BUFFER struct mur_buffer identity = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (cli->argument_count != 2)
        return mur_cli_usage(cli, "one NIfTI file and one folder are needed");
    enum mur_status status = read_options(&options, &error);
    if (status == MUR_OK)
        status = gather_attributes(&attributes, &identity, &error);
    if (status == MUR_OK)
        status = mur_file_output_create(&files, cli->arguments[1], NULL, &error);
    if (status == MUR_OK) {
        struct mur_output output = mur_file_output_of(files);
        options.attributes = attributes;
        options.identity = mur_buffer_text(&identity);
        status = mur_nii_to_dicom(&report, cli->arguments[0], &options, &output, &error);
    }
    if (status == MUR_OK)
        status = mur_file_output_commit(files, &error);
    for (size_t index = 0; !cli->quiet && index < report.warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command,
                      report.warnings.texts[index]);
    if (status == MUR_OK)
        status = mur_buffer_append_format(
            &text, &error, "%s: %" PRIu32 " images of series %s; corners within %.2g mm, ",
            cli->arguments[1], report.instances, report.series->series_instance,
            report.corner_error_mm);
    if (status == MUR_OK && report.values.error_bound > 0)
        status = mur_buffer_append_format(&text, &error, "values within %.3g\n",
                                          report.values.error_bound);
    else if (status == MUR_OK)
        status = mur_buffer_append_text(&text, "values exact\n", &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
