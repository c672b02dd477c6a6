#include "workflow/import.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "archive/reports.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "isa/isa.h"
#include "workflow/internal.h"

/* ---- a dataset with its ISA-Tab -------------------------------------------------------------- */

struct dataset_run {
    struct mur_import_job job;
    const struct mur_import_options *options;
    struct mur_import_summary *summary;
    struct mur_import_report report;
    size_t reason_count;
    size_t done;
    pthread_mutex_t mutex; /* guards all from summary on, and the callbacks */
};

/* What the archive keeps of an import; without it the import is as good. */
static void note_import(struct mur_import_report *report, struct mur_archive *archive,
                        const struct mur_import_summary *summary, const char *source,
                        bool cancelled)
{
    report->imported = (int64_t)summary->imported;
    report->unchanged = (int64_t)summary->unchanged;
    report->failed = (int64_t)summary->failed;
    report->instances = (int64_t)summary->instances;
    report->cancelled = cancelled;
    struct mur_slice name = mur_slice_of(source);
    size_t length = mur_utf8_cut(name, sizeof report->source - 1);
    memcpy(report->source, name.data, length);
    report->source[length] = '\0';
    mur_clock_format_us(report->ended, mur_clock_now_us());
    (void)!mur_archive_note_import(archive, report, NULL);
}

static void note_reason(struct mur_import_report *report, size_t *count, const char *what,
                        const char *why)
{
    MUR_AUTO_FREE char *text = NULL;
    if (*count == MUR_REPORT_REASONS || mur_text_format(&text, NULL, "%s: %s", what, why) != MUR_OK)
        return;
    char *out = report->reasons[(*count)++];
    size_t length = mur_utf8_cut(mur_slice_of(text), MUR_REPORT_REASON - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

static bool is_cancelled(const bool *flag)
{
    return flag != NULL && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

static void import_one(void *user, size_t index)
{
    struct dataset_run *run = user;
    if (is_cancelled(run->options->cancelled))
        return;
    struct mur_import_result result = {0};
    uint64_t new_instances = 0;
    mur_import_scan(&result, &new_instances, &run->job, index);
    (void)pthread_mutex_lock(&run->mutex);
    run->done++;
    run->summary->instances += new_instances;
    switch (result.status) {
    case MUR_IMPORTED:
        run->summary->imported++;
        break;
    case MUR_IMPORT_UNCHANGED:
        run->summary->unchanged++;
        break;
    case MUR_IMPORT_FAILED:
        run->summary->failed++;
        note_reason(&run->report, &run->reason_count, result.scan->assay,
                    result.reason_count > 0 ? result.reasons[0] : "");
        break;
    }
    mur_progress_update(&run->options->progress, run->done, run->job.scans->count,
                        result.scan->assay);
    if (run->options->on_scan != NULL)
        run->options->on_scan(run->options->user, &result);
    (void)pthread_mutex_unlock(&run->mutex);
    mur_import_result_free(&result);
}

static enum mur_status read_dataset(struct mur_isa **isa, struct mur_archive *archive,
                                    const struct mur_import_options *options,
                                    struct mur_isa_diagnostics *diagnostics,
                                    struct mur_error *error)
{
    if (!mur_directory_exists(options->directory))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such folder", options->directory);
    enum mur_status status =
        mur_archive_read_isa(isa, archive, NULL, options->directory, diagnostics, error);
    if (status == MUR_NOT_FOUND)
        return mur_error_set(error, MUR_NOT_FOUND,
                             "%s: no ISA-Tab here (a file i_*.txt); for DICOM files without one use"
                             " \"murpacs import --dicom %s\"",
                             options->directory, options->directory);
    return status;
}

enum mur_status mur_import(struct mur_import_summary *out, struct mur_archive *archive,
                           const struct mur_import_options *options,
                           struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    MUR_AUTO(mur_sessions) *sessions = NULL;
    MUR_AUTO_ISA_ROWS struct mur_isa_rows rows = {0};
    enum mur_status status =
        read_dataset(&isa, options->dry_run ? NULL : archive, options, diagnostics, error);
    if (status == MUR_OK)
        status = mur_mapping_scans(&scans, options->mapping, isa, diagnostics, error);
    if (status == MUR_OK && scans->count == 0)
        status =
            mur_error_set(error, MUR_NOT_FOUND,
                          "%s: its ISA-Tab names no scan; see etc/isa-mapping.cfg for the columns"
                          " that name scans and images",
                          options->directory);
    if (status == MUR_OK)
        status = mur_sessions_find(&sessions, scans, isa, error);
    if (status == MUR_OK && !options->dry_run)
        status = mur_archive_put_isa(&rows, archive, isa, scans,
                                     &(struct mur_isa_options){.dry_run = false}, error);
    if (status != MUR_OK)
        return status;
    struct mur_import_summary summary = {.new_isa_version = rows.new_version,
                                         .isa_scans_changed = rows.added + rows.changed};
    struct dataset_run run = {
        .job = {.archive = options->dry_run ? NULL : archive,
                .root = isa->root,
                .mapping = options->mapping,
                .sessions = sessions,
                .rows = options->dry_run ? NULL : &rows,
                .scans = scans},
        .options = options,
        .summary = &summary,
    };
    mur_clock_format_us(run.report.started, mur_clock_now_us());
    (void)pthread_mutex_init(&run.mutex, NULL);
    mur_parallel(scans->count, options->threads, import_one, &run);
    (void)pthread_mutex_destroy(&run.mutex);
    if (!options->dry_run)
        note_import(&run.report, archive, &summary, rows.dataset, is_cancelled(options->cancelled));
    *out = summary;
    return MUR_OK;
}

/* ---- a plain DICOM tree ---------------------------------------------------------------------- */

/* Each file waits for its commit: many threads share one. */
enum { FILES_A_PIECE = 16, WAITING_THREADS = 16 };

struct tree_run {
    struct mur_archive *archive;
    const struct mur_import_tree_options *options;
    struct mur_import_summary *summary;
    struct mur_import_report report;
    size_t reason_count;
    char **paths;
    size_t count;
    size_t capacity;
    size_t done;
    pthread_mutex_t mutex;
};

static enum mur_status note_path(void *user, const struct mur_walk_entry *entry, bool *skip,
                                 struct mur_error *error)
{
    (void)skip;
    struct tree_run *run = user;
    if (entry->kind != MUR_WALK_FILE || strcmp(mur_path_base(entry->path), "DICOMDIR") == 0 ||
        !mur_is_dicom_file(entry->path))
        return MUR_OK;
    if (run->count == run->capacity) {
        size_t capacity = run->capacity == 0 ? 256 : run->capacity * 2;
        char **paths = realloc(run->paths, capacity * sizeof *paths);
        if (paths == NULL)
            return mur_error_no_memory(error);
        run->paths = paths;
        run->capacity = capacity;
    }
    enum mur_status status =
        mur_text_copy(&run->paths[run->count], mur_slice_of(entry->path), error);
    run->count += status == MUR_OK ? 1 : 0;
    return status;
}

static void report_file(struct tree_run *run, const char *path, enum mur_import_status status,
                        const char *reason)
{
    (void)pthread_mutex_lock(&run->mutex);
    run->done++;
    run->summary->imported += status == MUR_IMPORTED ? 1 : 0;
    run->summary->unchanged += status == MUR_IMPORT_UNCHANGED ? 1 : 0;
    run->summary->failed += status == MUR_IMPORT_FAILED ? 1 : 0;
    run->summary->instances += status == MUR_IMPORTED ? 1 : 0;
    if (status == MUR_IMPORT_FAILED)
        note_reason(&run->report, &run->reason_count, mur_path_base(path), reason);
    mur_progress_update(&run->options->progress, run->done, run->count, mur_path_base(path));
    if (run->options->on_file != NULL)
        run->options->on_file(run->options->user, &(struct mur_import_file){path, status, reason});
    (void)pthread_mutex_unlock(&run->mutex);
}

/** A path as people know it. */
static enum mur_status shown_path(char **out, const struct tree_run *run, const char *path,
                                  struct mur_error *error)
{
    const char *directory = run->options->directory;
    size_t length = strlen(directory);
    if (run->options->shown == NULL || strncmp(path, directory, length) != 0)
        return mur_text_copy(out, mur_slice_of(path), error);
    path += length;
    path += strspn(path, "/");
    return mur_path_join(out, run->options->shown, path, error);
}

static void import_file(struct tree_run *run, const char *path)
{
    MUR_AUTO_FREE char *shown = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_intake) *intake = NULL;
    uint64_t new_instances = 0;
    bool linked = false;
    enum mur_status status =
        mur_intake_create(&intake, run->options->dry_run ? NULL : run->archive, NULL, &error);
    if (status == MUR_OK)
        status = shown_path(&shown, run, path, &error);
    if (status == MUR_OK)
        mur_intake_source(intake, shown, false);
    if (status == MUR_OK)
        status = mur_intake_file(intake, path, false, &error);
    if (status == MUR_OK)
        status = mur_intake_commit(intake, &new_instances, &linked, &error);
    if (status != MUR_OK)
        report_file(run, shown != NULL ? shown : path, MUR_IMPORT_FAILED, error.message);
    else
        report_file(
            run, shown,
            new_instances > 0 || run->options->dry_run ? MUR_IMPORTED : MUR_IMPORT_UNCHANGED, "");
}

static void import_piece(void *user, size_t piece)
{
    struct tree_run *run = user;
    size_t end =
        (piece + 1) * FILES_A_PIECE < run->count ? (piece + 1) * FILES_A_PIECE : run->count;
    for (size_t i = piece * FILES_A_PIECE; i < end && !is_cancelled(run->options->cancelled); i++)
        import_file(run, run->paths[i]);
}

enum mur_status mur_import_tree(struct mur_import_summary *out, struct mur_archive *archive,
                                const struct mur_import_tree_options *options,
                                struct mur_error *error)
{
    if (!mur_directory_exists(options->directory))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such folder", options->directory);
    struct mur_import_summary summary = {0};
    struct tree_run run = {.archive = archive, .options = options, .summary = &summary};
    mur_clock_format_us(run.report.started, mur_clock_now_us());
    (void)pthread_mutex_init(&run.mutex, NULL);
    enum mur_status status = mur_directory_walk(options->directory, note_path, &run, error);
    if (status == MUR_OK && run.count == 0)
        status = mur_error_set(error, MUR_NOT_FOUND, "%s: no DICOM file in it", options->directory);
    if (status == MUR_OK)
        mur_parallel((run.count + FILES_A_PIECE - 1) / FILES_A_PIECE,
                     options->threads != 0 ? options->threads : WAITING_THREADS, import_piece,
                     &run);
    for (size_t i = 0; i < run.count; i++)
        free(run.paths[i]);
    free(run.paths);
    (void)pthread_mutex_destroy(&run.mutex);
    if (status == MUR_OK && !options->dry_run)
        note_import(&run.report, archive, &summary,
                    options->shown != NULL ? options->shown : options->directory,
                    is_cancelled(options->cancelled));
    if (status == MUR_OK)
        *out = summary;
    return status;
}
