#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "converters/certify.h"
#include "core/file.h"
#include "core/own.h"
#include "core/progress.h"

static char *series_uid;
static int ignore_unlisted;
static char *output;

struct poptOption mur_certify_options[] = {
    {"series", '\0', POPT_ARG_STRING, &series_uid, 0,
     "Series Instance UID, where the DICOM files are of several", "UID"},
    {"ignore-unlisted", '\0', POPT_ARG_NONE, &ignore_unlisted, 0,
     "labels that no segment was made of are no failure", NULL},
    {"output", 'o', POPT_ARG_STRING, &output, 0, "writes the certificate to a file", "FILE"},
    POPT_TABLEEND};

enum { FAILED = 1, OUTPUT_MODE = 0644 };

static enum mur_status certify(struct mur_certificate *certificate, struct mur_warnings *warnings,
                               const struct mur_cli *cli, struct mur_error *error)
{
    size_t last = cli->argument_count - 1;
    MUR_AUTO(mur_progress_line) *line = NULL;
    struct mur_certify_options options = {
        .series = series_uid,
        .ignore_unlisted = ignore_unlisted != 0,
        .cancelled = mur_cli_catch_interrupts(),
    };
    enum mur_status status =
        cli->quiet ? MUR_OK : mur_progress_line_create(&line, cli->command, error);
    if (status != MUR_OK)
        return status;
    if (line != NULL)
        options.progress = mur_progress_line_reporter(line);
    return mur_certify(certificate, cli->arguments, last, cli->arguments + last, 1, &options,
                       warnings, error);
}

int mur_command_certify(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_CERTIFICATE struct mur_certificate certificate = MUR_CERTIFICATE_INIT;
    MUR_AUTO_WARNINGS struct mur_warnings warnings = MUR_WARNINGS_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (cli->argument_count < 2)
        return mur_cli_usage(cli, "an original and what it was converted to are needed");
    enum mur_status status = MUR_OK;
    if (output != NULL)
        status = mur_cli_spare_inputs(output, cli->arguments, cli->argument_count, &error);
    if (status == MUR_OK)
        status = certify(&certificate, &warnings, cli, &error);
    for (size_t index = 0; !cli->quiet && index < warnings.count; index++)
        (void)fprintf(stderr, "murpacs %s: warning: %s\n", cli->command, warnings.texts[index]);
    if (status == MUR_OK)
        status = mur_certificate_json(&text, &certificate, &error);
    if (status == MUR_OK && output != NULL)
        status = mur_file_write_all(output, text.data, text.length, OUTPUT_MODE, &error);
    if (status == MUR_NOT_FOUND && text.length > 0) /* not that an input is missing */
        status = mur_error_set(&error, MUR_IO, "%s: its folder does not exist", output);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    for (size_t index = 0; index < certificate.failures.count; index++)
        (void)fprintf(stderr, "murpacs %s: %s\n", cli->command, certificate.failures.texts[index]);
    int code = output == NULL ? mur_cli_print(cli, &text) : MUR_EXIT_OK;
    return code != MUR_EXIT_OK || certificate.passed ? code : FAILED;
}
