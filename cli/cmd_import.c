/* Import of a dataset with its ISA-Tab, or of a plain DICOM tree. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/archive.h"
#include "cli/cli.h"
#include "cli/isa.h"
#include "core/file.h"
#include "core/json_write.h"
#include "core/own.h"
#include "core/progress.h"
#include "core/text.h"
#include "isa/unpack.h"
#include "workflow/import.h"

static int dry_run;
static int as_json;
static int plain_dicom;
static int threads;

struct poptOption mur_import_options[] = {
    {"dry-run", '\0', POPT_ARG_NONE, &dry_run, 0, "look at everything, change nothing", NULL},
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON for each scan", NULL},
    {"dicom", '\0', POPT_ARG_NONE, &plain_dicom, 0, "a folder of DICOM files without an ISA-Tab",
     NULL},
    {"threads", 'j', POPT_ARG_INT, &threads, 0, "scans at once (default: import.threads)", "N"},
    POPT_TABLEEND};

static bool cancelled;

static void on_interrupt(int number)
{
    (void)number;
    __atomic_store_n(&cancelled, true, __ATOMIC_RELAXED);
}

/* ---- what is printed ------------------------------------------------------------------------- */

/* What came of the scans of one study. */
struct tally {
    char *study;
    size_t counts[3]; /* by enum mur_import_status */
};

struct printer {
    const struct mur_cli *cli;
    struct mur_progress_line *line;
    struct tally *tallies;
    size_t tally_count;
};

static void write_series(struct mur_json_writer *json, const struct mur_import_result *result,
                         bool segmentation)
{
    mur_json_begin_array(json);
    for (size_t i = 0; i < result->series_count; i++) {
        const struct mur_import_series *series = &result->series[i];
        if (series->segmentation != segmentation)
            continue;
        mur_json_begin_object(json);
        mur_json_member_string(json, "SeriesInstanceUID", series->series_instance);
        mur_json_member_string(json, "StudyInstanceUID", series->study_instance);
        mur_json_member_int(json, "instances", series->instances);
        mur_json_member_bool(json, "certified", series->certified);
        if (segmentation)
            mur_json_member_int(json, "segments", series->segments);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}

static void print_json(const struct mur_cli *cli, const struct mur_import_result *result)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "study", result->scan->study);
    mur_json_member_string(&json, "assay", result->scan->assay);
    mur_json_member_string(&json, "source", result->scan->source);
    mur_json_member_string(&json, "sample", result->scan->sample);
    mur_json_member_string(&json, "image", result->image);
    mur_json_member_string(&json, "status", mur_import_status_name(result->status));
    mur_json_key(&json, "reasons");
    mur_json_begin_array(&json);
    for (size_t i = 0; i < result->reason_count; i++)
        mur_json_string(&json, result->reasons[i]);
    mur_json_end_array(&json);
    const struct mur_import_series *first = NULL;
    for (size_t i = 0; first == NULL && i < result->series_count; i++)
        if (!result->series[i].segmentation)
            first = &result->series[i];
    if (first != NULL) {
        mur_json_member_string(&json, "StudyInstanceUID", first->study_instance);
        mur_json_member_string(&json, "SeriesInstanceUID", first->series_instance);
    }
    mur_json_key(&json, "images");
    write_series(&json, result, false);
    mur_json_key(&json, "segmentations");
    write_series(&json, result, true);
    mur_json_end_object(&json);
    if (mur_json_finish(&json, NULL) == MUR_OK && mur_buffer_append(&text, "\n", 1, NULL) == MUR_OK)
        (void)mur_cli_print(cli, &text);
}

/* The first ones, each behind @prefix. */
static void print_reasons(const struct mur_import_result *result, const char *prefix)
{
    enum { SHOWN = 20 };
    size_t shown = result->reason_count < SHOWN ? result->reason_count : SHOWN;
    size_t more = result->reason_count - shown + result->reasons_dropped;
    for (size_t i = 0; i < shown; i++)
        (void)fprintf(stderr, "%s%s\n", prefix, result->reasons[i]);
    if (more > 0)
        (void)fprintf(stderr, "%sand %zu more; --json lists all\n", prefix, more);
}

static void print_warnings(const struct mur_import_result *result)
{
    MUR_AUTO_FREE char *prefix = NULL;
    if (mur_text_format(&prefix, NULL, "%s, scan %s: ", result->scan->study, result->scan->assay) ==
        MUR_OK)
        print_reasons(result, prefix);
}

/* For people: what failed, and why; a good scan needs no line. */
static void print_failure(const struct mur_import_result *result)
{
    (void)fprintf(stderr, "%s, scan %s (%s): %s\n", result->scan->study, result->scan->assay,
                  result->image, mur_import_status_name(result->status));
    print_reasons(result, "    ");
}

static void count_for_study(struct printer *printer, const struct mur_import_result *result)
{
    for (size_t i = 0; i < printer->tally_count; i++)
        if (strcmp(printer->tallies[i].study, result->scan->study) == 0) {
            printer->tallies[i].counts[result->status]++;
            return;
        }
    struct tally *tallies = realloc(printer->tallies, (printer->tally_count + 1) * sizeof *tallies);
    if (tallies == NULL)
        return; /* the sum of all is told in any case */
    printer->tallies = tallies;
    struct tally tally = {.study = NULL};
    if (mur_text_copy(&tally.study, mur_slice_of(result->scan->study), NULL) != MUR_OK)
        return;
    tally.counts[result->status] = 1;
    tallies[printer->tally_count++] = tally;
}

static void printer_free(struct printer *printer)
{
    mur_progress_line_free(printer->line);
    for (size_t i = 0; i < printer->tally_count; i++)
        free(printer->tallies[i].study);
    free(printer->tallies);
}

static void on_scan(void *user, const struct mur_import_result *result)
{
    struct printer *printer = user;
    count_for_study(printer, result);
    if (as_json != 0)
        print_json(printer->cli, result);
    else if (result->status == MUR_IMPORT_FAILED)
        print_failure(result);
    else if (!printer->cli->quiet)
        print_warnings(result);
}

static void on_file(void *user, const struct mur_import_file *file)
{
    struct printer *printer = user;
    if (as_json != 0) {
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        struct mur_json_writer json;
        mur_json_init(&json, mur_sink_buffer(&text));
        mur_json_begin_object(&json);
        mur_json_member_string(&json, "file", file->path);
        mur_json_member_string(&json, "status", mur_import_status_name(file->status));
        mur_json_member_string(&json, "reason", file->reason);
        mur_json_end_object(&json);
        if (mur_json_finish(&json, NULL) == MUR_OK &&
            mur_buffer_append(&text, "\n", 1, NULL) == MUR_OK)
            (void)mur_cli_print(printer->cli, &text);
    } else if (file->status == MUR_IMPORT_FAILED) {
        (void)fprintf(stderr, "%s: %s\n", file->path, file->reason);
    }
}

static void print_diagnostics(const struct mur_cli *cli,
                              const struct mur_isa_diagnostics *diagnostics)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (mur_cli_append_diagnostics(&text, diagnostics, cli->quiet ? MUR_ISA_ERROR : MUR_ISA_NOTE,
                                   NULL) == MUR_OK)
        (void)fputs(mur_buffer_text(&text), stderr);
}

static enum mur_status append_counts(struct mur_buffer *text, const char *name, size_t imported,
                                     size_t unchanged, size_t failed)
{
    return mur_buffer_append_format(text, NULL, "%-24s %5zu %s %5zu unchanged %5zu failed\n", name,
                                    imported, dry_run != 0 ? "would come in" : "imported",
                                    unchanged, failed);
}

static int finish(const struct printer *printer, const struct mur_import_summary *summary,
                  const char *what)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < printer->tally_count; i++) {
        const struct tally *tally = &printer->tallies[i];
        status =
            append_counts(&text, tally->study, tally->counts[MUR_IMPORTED],
                          tally->counts[MUR_IMPORT_UNCHANGED], tally->counts[MUR_IMPORT_FAILED]);
    }
    if (status == MUR_OK)
        status = append_counts(&text, what, summary->imported, summary->unchanged, summary->failed);
    if (status == MUR_OK)
        status = mur_buffer_append_format(&text, NULL, "%llu new instances%s\n",
                                          (unsigned long long)summary->instances,
                                          cancelled ? ", stopped by request" : "");
    if (status == MUR_OK && !printer->cli->quiet && as_json == 0)
        (void)mur_cli_print(printer->cli, &text);
    if (cancelled)
        return MUR_EXIT_CANCELLED;
    if (summary->failed == 0)
        return MUR_EXIT_OK;
    return summary->imported + summary->unchanged > 0 ? 1 : 2; /* some failed, or nothing came in */
}

static struct mur_progress reporter(const struct printer *printer)
{
    return printer->line != NULL ? mur_progress_line_reporter(printer->line)
                                 : (struct mur_progress){0};
}

/* ---- the command ----------------------------------------------------------------------------- */

/* The folder to import: that of the command line, or what was in a ZIP file. */
static enum mur_status open_source(struct mur_unpacked **out, const struct mur_cli *cli,
                                   const struct printer *printer, struct mur_error *error)
{
    MUR_AUTO_FREE char *parent = NULL;
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    enum mur_status status = mur_path_join(&parent, cli->config->node_data_dir, "unpacked", error);
    if (status != MUR_OK)
        return status;
    const struct mur_unpack_options options = {
        .parent = dry_run != 0 ? NULL : parent, /* a dry run writes nothing to the archive */
        .progress = reporter(printer),
        .cancelled = &cancelled,
    };
    status = mur_unpack(out, cli->arguments[0], &options, &diagnostics, error);
    print_diagnostics(cli, &diagnostics);
    return status;
}

static int run_tree(struct mur_archive *archive, struct printer *printer,
                    const struct mur_unpacked *source, struct mur_error *error)
{
    struct mur_import_summary summary = {0};
    const struct mur_import_tree_options options = {
        .directory = mur_unpacked_directory(source),
        .shown = mur_unpacked_is_copy(source) ? printer->cli->arguments[0] : NULL,
        .dry_run = dry_run != 0,
        .threads = (unsigned)threads,
        .progress = reporter(printer),
        .on_file = on_file,
        .user = printer,
        .cancelled = &cancelled,
    };
    enum mur_status status = mur_import_tree(&summary, archive, &options, error);
    mur_progress_line_free(printer->line);
    printer->line = NULL;
    return status == MUR_OK ? finish(printer, &summary, "all files") : -1;
}

static int run_dataset(struct mur_cli *cli, const struct mur_cli_archive *of,
                       struct printer *printer, const char *directory, struct mur_error *error)
{
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    struct mur_import_summary summary = {0};
    const struct mur_import_options options = {
        .directory = directory,
        .mapping = of->mapping,
        .dry_run = dry_run != 0,
        .threads = (unsigned)threads,
        .progress = reporter(printer),
        .on_scan = on_scan,
        .user = printer,
        .cancelled = &cancelled,
    };
    enum mur_status status = mur_import(&summary, of->archive, &options, &diagnostics, error);
    mur_progress_line_free(printer->line);
    printer->line = NULL;
    print_diagnostics(cli, &diagnostics);
    return status == MUR_OK ? finish(printer, &summary, "all scans") : -1;
}

int mur_command_import(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_config *config = cli->config;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder or ZIP file is needed");
    if (threads < 0 || threads > 256)
        return mur_cli_usage(cli, "--threads is between 1 and 256");
    if (threads == 0)
        threads = config->import_threads;
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);

    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    struct printer printer = {.cli = cli};
    mur_cli_private_files();
    enum mur_status status = mur_cli_load_links(&of, config, &error);
    const struct mur_archive_options options = mur_cli_archive_options(config, &of);
    if (status == MUR_OK && dry_run == 0)
        status = mur_archive_open(&of.archive, &options, &error);
    if (status == MUR_OK && as_json == 0 && !cli->quiet)
        status = mur_progress_line_create(&printer.line, "import", &error);
    MUR_AUTO(mur_unpacked) *source = NULL;
    if (status == MUR_OK)
        status = open_source(&source, cli, &printer, &error);
    int code = -1;
    if (status == MUR_OK)
        code = plain_dicom != 0
                   ? run_tree(of.archive, &printer, source, &error)
                   : run_dataset(cli, &of, &printer, mur_unpacked_directory(source), &error);
    printer_free(&printer);
    if (code >= 0)
        return code;
    (void)mur_cli_fail(cli, &error);
    return status == MUR_CANCELLED ? MUR_EXIT_CANCELLED : 2; /* nothing came in */
}
