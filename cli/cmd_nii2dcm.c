#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/objects.h"
#include "converters/attributes.h"
#include "converters/nii_to_dicom.h"
#include "converters/value_check.h"
#include "core/file.h"
#include "core/json_write.h"
#include "core/own.h"
#include "core/progress.h"
#include "core/text.h"
#include "scu/keys.h"

enum { ECHO_LIMIT = 1024 };

static char *modality;
static char **assignments;
static char *attributes_path;
static char *like_path;
static char *kind_text;
static char *echo_times;
static char *b_values_path;
static char *b_vectors_path;
static double time_step_ms;
static int lossless;
static int hounsfield;
static int keep_order;
static int biped;
static int allow_shear;
static int prefer_qform;
static char *when_unset;
static char *analyze_order;
static char *nan_text;
static int round_integers;
static int as_json;

struct poptOption mur_nii2dcm_options[] = {
    {"modality", 'm', POPT_ARG_STRING, &modality, 0, "CT or MR", "MODALITY"},
    {"set", '\0', POPT_ARG_ARGV, &assignments, 0,
     "an attribute of all images: PatientID=M1, (0010,0020)=M1, Sequence[0].Keyword=X; may be "
     "repeated",
     "KEY=VALUE"},
    {"attributes", '\0', POPT_ARG_STRING, &attributes_path, 0,
     "attributes of all images, in the DICOM JSON Model", "FILE"},
    {"like", '\0', POPT_ARG_STRING, &like_path, 0,
     "takes patient, study and acquisition from a DICOM file, the images in a folder or a series "
     "of "
     "the archive; with --lossless these are what a map was made of",
     "SERIES"},
    {"kind", '\0', POPT_ARG_STRING, &kind_text, 0,
     "what several volumes are: time, echo, diffusion, or dixon=WATER,FAT,... which become a "
     "series "
     "each",
     "KIND"},
    {"time-step", '\0', POPT_ARG_DOUBLE, &time_step_ms, 0,
     "milliseconds from volume to volume, instead of pixdim[4]", "MS"},
    {"echo-times", '\0', POPT_ARG_STRING, &echo_times, 0, "of each volume, in milliseconds",
     "MS,..."},
    {"bval", '\0', POPT_ARG_STRING, &b_values_path, 0, "b-values of the volumes, as FSL has them",
     "FILE"},
    {"bvec", '\0', POPT_ARG_STRING, &b_vectors_path, 0,
     "gradient directions of the volumes, as FSL has them", "FILE"},
    {"lossless", '\0', POPT_ARG_NONE, &lossless, 0,
     "floats as one Parametric Map instead of images of 16 bits", NULL},
    {"hu", '\0', POPT_ARG_NONE, &hounsfield, 0, "CT: the values are Hounsfield units", NULL},
    {"keep-order", '\0', POPT_ARG_NONE, &keep_order, 0,
     "do not turn rows and columns the way screens show them", NULL},
    {"biped", '\0', POPT_ARG_NONE, &biped, 0, "the animal is imaged as bipeds are", NULL},
    {"allow-shear", '\0', POPT_ARG_NONE, &allow_shear, 0,
     "write slices that follow each other obliquely; many readers do not see that", NULL},
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
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "tell what was made as one line of JSON", NULL},
    POPT_TABLEEND};

/* What options point to. */
struct plan {
    struct mur_conversion_options options;
    struct mur_dataset *attributes;
    struct mur_source_series *images; /* NULL: not known */
    struct mur_gradients gradients;
    double echo_times[ECHO_LIMIT];
    char *contrasts[MUR_VOLUME_SERIES_LIMIT];
};

static void free_plan(struct plan *plan)
{
    mur_dataset_free(plan->attributes);
    mur_source_series_free(plan->images);
    mur_gradients_free(&plan->gradients);
    for (size_t index = 0; index < MUR_COUNT(plan->contrasts); index++)
        free(plan->contrasts[index]);
}

/* Hands the parts between commas to @p take. */
static enum mur_status each_part(const char *list,
                                 enum mur_status (*take)(struct plan *plan, struct mur_slice part,
                                                         struct mur_error *error),
                                 struct plan *plan, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (const char *at = list; status == MUR_OK && at != NULL;) {
        const char *comma = strchr(at, ',');
        struct mur_slice part = {.data = at,
                                 .length = comma != NULL ? (size_t)(comma - at) : strlen(at)};
        status = take(plan, mur_slice_trim(part), error);
        at = comma != NULL ? comma + 1 : NULL;
    }
    return status;
}

static enum mur_status take_echo_time(struct plan *plan, struct mur_slice part,
                                      struct mur_error *error)
{
    struct mur_volume_options *volumes = &plan->options.volumes;
    if (volumes->echo_count == ECHO_LIMIT)
        return mur_error_set(error, MUR_INVALID, "--echo-times: more than %d", ECHO_LIMIT);
    if (mur_parse_double(&plan->echo_times[volumes->echo_count], part, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "--echo-times: \"%.*s\" is no number",
                             (int)part.length, part.data);
    volumes->echo_times_ms = plan->echo_times;
    volumes->echo_count++;
    return MUR_OK;
}

static enum mur_status take_contrast(struct plan *plan, struct mur_slice part,
                                     struct mur_error *error)
{
    struct mur_volume_options *volumes = &plan->options.volumes;
    if (volumes->contrast_count == MUR_COUNT(plan->contrasts))
        return mur_error_set(error, MUR_INVALID, "--kind: more than %d contrasts",
                             (int)MUR_COUNT(plan->contrasts));
    enum mur_status status = mur_text_copy(&plan->contrasts[volumes->contrast_count], part, error);
    volumes->contrasts = (const char *const *)plan->contrasts;
    if (status == MUR_OK)
        volumes->contrast_count++;
    return status;
}

static enum mur_status read_kind(struct plan *plan, struct mur_error *error)
{
    static const struct {
        const char *name;
        enum mur_volume_kind kind;
    } kinds[] = {{"time", MUR_VOLUMES_TIME},
                 {"echo", MUR_VOLUMES_ECHO},
                 {"diffusion", MUR_VOLUMES_DIFFUSION}};
    static const char dixon[] = "dixon=";
    if (kind_text == NULL)
        return MUR_OK;
    if (strncmp(kind_text, dixon, sizeof dixon - 1) == 0) {
        plan->options.volumes.kind = MUR_VOLUMES_DIXON;
        return each_part(kind_text + sizeof dixon - 1, take_contrast, plan, error);
    }
    for (size_t index = 0; index < MUR_COUNT(kinds); index++)
        if (strcmp(kind_text, kinds[index].name) == 0) {
            plan->options.volumes.kind = kinds[index].kind;
            return MUR_OK;
        }
    return mur_error_set(error, MUR_INVALID,
                         "--kind must be time, echo, diffusion or dixon=NAME,NAME,...");
}

static enum mur_status read_volumes(struct plan *plan, struct mur_error *error)
{
    enum mur_status status = read_kind(plan, error);
    if (status == MUR_OK && echo_times != NULL)
        status = each_part(echo_times, take_echo_time, plan, error);
    if (status == MUR_OK && !(time_step_ms >= 0 && time_step_ms < 1e12))
        status = mur_error_set(error, MUR_INVALID, "--time-step must not be negative");
    plan->options.volumes.time_step_ms = time_step_ms;
    if (status == MUR_OK && b_vectors_path != NULL && b_values_path == NULL)
        status = mur_error_set(error, MUR_INVALID, "--bvec needs --bval");
    if (status == MUR_OK && b_values_path != NULL) {
        status = mur_gradients_read(&plan->gradients, b_values_path, b_vectors_path, error);
        plan->options.volumes.gradients = &plan->gradients;
    }
    return status;
}

static enum mur_status read_options(struct plan *plan, struct mur_error *error)
{
    struct mur_conversion_options *options = &plan->options;
    if (modality == NULL || (strcmp(modality, "CT") != 0 && strcmp(modality, "MR") != 0))
        return mur_error_set(error, MUR_INVALID, "--modality must be CT or MR");
    options->modality = modality[0] == 'C' ? MUR_CONVERT_TO_CT : MUR_CONVERT_TO_MR;
    options->hounsfield = hounsfield != 0;
    if (options->hounsfield && options->modality != MUR_CONVERT_TO_CT)
        return mur_error_set(error, MUR_INVALID, "--hu: only CT has Hounsfield units");
    options->keep_order = keep_order != 0;
    options->allow_shear = allow_shear != 0;
    options->lossless = lossless != 0;
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
    return read_volumes(plan, error);
}

static enum mur_status assign(struct mur_dataset *attributes, const char *assignment,
                              struct mur_error *error)
{
    struct mur_key key;
    if (strchr(assignment, '=') == NULL)
        return mur_error_set(error, MUR_INVALID, "--set %s: KEY=VALUE is needed", assignment);
    enum mur_status status = mur_key_parse(&key, assignment, error);
    if (status == MUR_OK)
        status = mur_keys_put(attributes, &key, 1, error);
    if (status == MUR_OK)
        status = mur_value_check(attributes, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "--set %s", assignment);
}

/* What --like names as a series. A single file may be anything that has attributes. */
static enum mur_status read_images(struct plan *plan, const struct mur_cli_objects *objects,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    struct mur_error why = MUR_ERROR_INIT;
    bool several = objects->count > 1 || mur_directory_exists(objects->paths[0]);
    if (!several && lossless == 0)
        return MUR_OK;
    enum mur_status status =
        objects->count > 1
            ? mur_source_series_read(&plan->images, (const char *const *)objects->paths,
                                     objects->count, NULL, warnings, &why)
            : mur_source_series_read_path(&plan->images, objects->paths[0], NULL, warnings, &why);
    if (!several && (status == MUR_PARSE || status == MUR_MISMATCH))
        return mur_warn(warnings, error, "a map will not name what it was made of: %s",
                        why.message);
    if (status != MUR_OK && error != NULL)
        *error = why;
    plan->options.images = plan->images;
    return status;
}

static enum mur_status read_like(struct plan *plan, struct mur_dataset *attributes,
                                 struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_config) *config = NULL; /* only the archive needs it */
    MUR_AUTO_CLI_OBJECTS struct mur_cli_objects objects = {.paths = NULL};
    bool there = mur_file_exists(like_path) || mur_directory_exists(like_path);
    enum mur_status status = there ? MUR_OK : mur_cli_load_config(&config, NULL, error);
    if (status == MUR_OK)
        status = mur_cli_objects_find(&objects, config, like_path, error);
    if (status == MUR_OK)
        status = read_images(plan, &objects, warnings, error);
    if (status != MUR_OK)
        return status;
    const char *path = plan->images != NULL ? plan->images->first_file : objects.paths[0];
    return mur_attributes_like(attributes, path, warnings, error);
}

/* What is said last holds: an image of the same study, then the file, then single attributes. */
static enum mur_status gather_attributes(struct plan *plan, struct mur_warnings *warnings,
                                         struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *attributes = NULL;
    if (like_path == NULL && attributes_path == NULL && assignments == NULL)
        return MUR_OK;
    enum mur_status status = mur_dataset_create(&attributes, error);
    if (status == MUR_OK)
        status = mur_dataset_set_utf8(attributes, error);
    if (status == MUR_OK && like_path != NULL)
        status = read_like(plan, attributes, warnings, error);
    if (status == MUR_OK && attributes_path != NULL)
        status = mur_attributes_from_json(attributes, attributes_path, error);
    for (char **next = assignments; status == MUR_OK && next != NULL && *next != NULL; next++)
        status = assign(attributes, *next, error);
    plan->options.attributes = attributes;
    plan->attributes = MUR_STEAL(attributes);
    return status;
}

static void describe_series(struct mur_json_writer *json,
                            const struct mur_conversion_report *report)
{
    mur_json_key(json, "series");
    mur_json_begin_array(json);
    for (uint32_t index = 0; index < report->series_count; index++) {
        const struct mur_conversion_series *made = &report->made[index];
        mur_json_begin_object(json);
        mur_json_member_string(json, "SeriesInstanceUID", made->series_instance);
        mur_json_member_int(json, "instances", made->instances);
        if (made->contrast[0] != '\0')
            mur_json_member_string(json, "contrast", made->contrast);
        mur_json_member_string(json, "voxelsSHA256", made->voxels);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}

static enum mur_status describe_as_json(struct mur_buffer *text,
                                        const struct mur_conversion_report *report,
                                        const char *folder, struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(text));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "folder", folder);
    mur_json_member_string(&json, "SOPClassUID", report->series->sop_class);
    mur_json_member_string(&json, "StudyInstanceUID", report->series->study_instance);
    mur_json_member_string(&json, "FrameOfReferenceUID", report->series->frame_of_reference);
    describe_series(&json, report);
    mur_json_member_int(&json, "instances", report->instances);
    mur_json_member_int(&json, "bytes", (int64_t)report->bytes);
    mur_json_key(&json, "cornerErrorMM");
    mur_json_double(&json, report->corner_error_mm);
    mur_json_key(&json, "valueErrorBound");
    mur_json_double(&json, report->values.error_bound);
    mur_json_member_int(&json, "paddedVoxels", (int64_t)report->values.padded);
    mur_json_member_int(&json, "replacedVoxels", (int64_t)report->values.replaced);
    mur_json_member_bool(&json, "columnsReversed", report->order.flip_i);
    mur_json_member_bool(&json, "rowsReversed", report->order.flip_j);
    mur_json_member_bool(&json, "slicesReversed", report->order.reverse_k);
    mur_json_key(&json, "warnings");
    mur_json_begin_array(&json);
    for (size_t index = 0; index < report->warnings.count; index++)
        mur_json_string(&json, report->warnings.texts[index]);
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(text, "\n", 1, error) : status;
}

static enum mur_status describe(struct mur_buffer *text, const struct mur_conversion_report *report,
                                const char *folder, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    const char *series = report->made[0].series_instance;
    if (report->series_count > 1)
        status = mur_buffer_append_format(
            text, error, "%s: %" PRIu32 " images of %" PRIu32 " series, %s and others", folder,
            report->instances, report->series_count, series);
    else
        status =
            mur_buffer_append_format(text, error, "%s: %" PRIu32 " image%s of series %s", folder,
                                     report->instances, report->instances == 1 ? "" : "s", series);
    if (status == MUR_OK)
        status = mur_buffer_append_format(text, error, "; corners within %.2g mm, ",
                                          report->corner_error_mm);
    if (status == MUR_OK && report->values.error_bound > 0)
        return mur_buffer_append_format(text, error, "values within %.3g\n",
                                        report->values.error_bound);
    return status == MUR_OK ? mur_buffer_append_text(text, "values exact\n", error) : status;
}

static enum mur_status convert(struct mur_conversion_report *report, struct plan *plan,
                               const struct mur_cli *cli, struct mur_error *error)
{
    MUR_AUTO(mur_file_output) *files = NULL;
    MUR_AUTO(mur_progress_line) *line = NULL;
    enum mur_status status = read_options(plan, error);
    if (status == MUR_OK)
        status = gather_attributes(plan, &report->warnings, error);
    if (status == MUR_OK && plan->options.modality == MUR_CONVERT_TO_CT && hounsfield == 0)
        status = mur_warn(&report->warnings, error,
                          "values are not said to be Hounsfield units (--hu): Rescale Type is US, "
                          "unspecified");
    if (status == MUR_OK)
        status = mur_file_output_create(&files, cli->arguments[1], NULL, error);
    if (status == MUR_OK && !cli->quiet)
        status = mur_progress_line_create(&line, "nii2dcm", error);
    if (status != MUR_OK)
        return status;
    if (line != NULL)
        plan->options.progress = mur_progress_line_reporter(line);
    struct mur_output output = mur_file_output_of(files);
    status = mur_nii_to_dicom(report, cli->arguments[0], &plan->options, &output, error);
    return status == MUR_OK ? mur_file_output_commit(files, error) : status;
}

int mur_command_nii2dcm(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct plan plan = {.attributes = NULL};
    MUR_AUTO_CONVERSION_REPORT struct mur_conversion_report report = MUR_CONVERSION_REPORT_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (cli->argument_count != 2)
        return mur_cli_usage(cli, "one NIfTI file and one folder are needed");
    plan.options.cancelled = mur_cli_catch_interrupts();
    plan.options.two_threads = true;
    enum mur_status status = convert(&report, &plan, cli, &error);
    for (size_t index = 0; !cli->quiet && index < report.warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command,
                      report.warnings.texts[index]);
    if (status == MUR_OK && as_json != 0)
        status = describe_as_json(&text, &report, cli->arguments[1], &error);
    else if (status == MUR_OK && !cli->quiet)
        status = describe(&text, &report, cli->arguments[1], &error);
    free_plan(&plan);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
