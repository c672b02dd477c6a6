/* A new version of an ISA-Tab on an archive that may be serving. */
#include <stdlib.h>
#include <string.h>

#include "archive/isa.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "cli/isa.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/own.h"
#include "core/text.h"

static int as_json;
static int dry_run;
static int list;
static char *dataset;

struct poptOption mur_isa_apply_options[] = {
    {"dry-run", '\0', POPT_ARG_NONE, &dry_run, 0, "say what would change, change nothing", NULL},
    {"dataset", '\0', POPT_ARG_STRING, &dataset, 0,
     "of which it is a new version, where its identifiers have changed", "NAME"},
    {"list", '\0', POPT_ARG_NONE, &list, 0, "list the versions that were applied", NULL},
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one JSON document", NULL},
    POPT_TABLEEND};

/* ---- changes --------------------------------------------------------------------------------- */

/* A change as text and as JSON: sorted by the text, in which those of an animal are alike. */
struct line {
    char *text, *json;
};
struct lines {
    struct line *items;
    size_t count, capacity;
};

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->items[i].text);
        free(lines->items[i].json);
    }
    free(lines->items);
}

static const char *const kinds[] = {
    [MUR_ISA_SCAN_NEW] = "new", [MUR_ISA_SCAN_GONE] = "gone", [MUR_ISA_SCAN_CHANGED] = "changed"};

static enum mur_status change_text(char **out, const struct mur_isa_change *change,
                                   struct mur_error *error)
{
    if (change->kind != MUR_ISA_SCAN_CHANGED)
        return mur_text_format(out, error, "%s/%s scan %s: %s", change->study, change->source,
                               change->assay, kinds[change->kind]);
    if (change->of_subject)
        return mur_text_format(out, error, "%s/%s: %s: \"%s\" -> \"%s\"", change->study,
                               change->source, change->attribute, change->before, change->now);
    return mur_text_format(out, error, "%s/%s scan %s: %s: \"%s\" -> \"%s\"", change->study,
                           change->source, change->assay, change->attribute, change->before,
                           change->now);
}

static enum mur_status change_json(char **out, const struct mur_isa_change *change,
                                   struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "change", kinds[change->kind]);
    mur_json_member_string(&json, "study", change->study);
    mur_json_member_string(&json, "subject", change->source);
    if (!change->of_subject) {
        mur_json_member_string(&json, "file", change->assay_file);
        mur_json_member_string(&json, "scan", change->assay);
    }
    if (change->kind == MUR_ISA_SCAN_CHANGED) {
        mur_json_member_string(&json, "attribute", change->attribute);
        mur_json_member_string(&json, "before", change->before);
        mur_json_member_string(&json, "now", change->now);
    }
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_take(out, &text, error) : status;
}

static enum mur_status note_change(void *user, const struct mur_isa_change *change,
                                   struct mur_error *error)
{
    struct lines *lines = user;
    MUR_AUTO_FREE char *text = NULL;
    MUR_AUTO_FREE char *json = NULL;
    if (lines->count == lines->capacity) {
        size_t capacity = lines->capacity == 0 ? 64 : lines->capacity * 2;
        struct line *grown = reallocarray(lines->items, capacity, sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        lines->items = grown;
        lines->capacity = capacity;
    }
    enum mur_status status = change_text(&text, change, error);
    if (status == MUR_OK)
        status = change_json(&json, change, error);
    if (status == MUR_OK)
        lines->items[lines->count++] =
            (struct line){.text = MUR_STEAL(text), .json = MUR_STEAL(json)};
    return status;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(((const struct line *)left)->text, ((const struct line *)right)->text);
}

static bool is_repeated(const struct lines *lines, size_t i)
{
    return i > 0 && strcmp(lines->items[i].text, lines->items[i - 1].text) == 0 &&
           strcmp(lines->items[i].json, lines->items[i - 1].json) == 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

static enum mur_status append_text(struct mur_buffer *out, const struct mur_cli *cli,
                                   const struct mur_isa_rows *rows, const struct lines *lines,
                                   const struct mur_isa_diagnostics *diagnostics,
                                   struct mur_error *error)
{
    enum mur_status status = mur_cli_append_diagnostics(
        out, diagnostics, cli->quiet ? MUR_ISA_ERROR : MUR_ISA_WARNING, error);
    for (size_t i = 0; status == MUR_OK && !cli->quiet && i < lines->count; i++)
        if (!is_repeated(lines, i))
            status = mur_buffer_append_format(out, error, "%s\n", lines->items[i].text);
    if (status != MUR_OK || cli->quiet)
        return status;
    return mur_buffer_append_format(
        out, error, "%s: version %lld%s%s: %zu scans new, %zu changed, %zu gone; %zu series %s\n",
        rows->dataset, (long long)rows->version,
        rows->new_version ? "" : " as before, its tables are the same",
        dry_run != 0 ? " (nothing was changed)" : "", rows->added, rows->changed, rows->gone,
        rows->relinked, "linked anew by rules");
}

static enum mur_status append_json(struct mur_buffer *out, const struct mur_isa_rows *rows,
                                   const struct lines *lines,
                                   const struct mur_isa_diagnostics *diagnostics,
                                   struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "dataset", rows->dataset);
    mur_json_member_int(&json, "version", rows->version);
    mur_json_member_bool(&json, "new_version", rows->new_version);
    mur_json_member_bool(&json, "dry_run", dry_run != 0);
    mur_json_member_int(&json, "new", (int64_t)rows->added);
    mur_json_member_int(&json, "changed", (int64_t)rows->changed);
    mur_json_member_int(&json, "gone", (int64_t)rows->gone);
    mur_json_member_int(&json, "relinked", (int64_t)rows->relinked);
    mur_cli_json_diagnostics(&json, diagnostics);
    mur_json_key(&json, "changes");
    mur_json_begin_array(&json);
    for (size_t i = 0; i < lines->count; i++)
        if (!is_repeated(lines, i))
            mur_json_raw(&json, mur_slice_of(lines->items[i].json));
    mur_json_end_array(&json);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

static enum mur_status append_version(void *user, const struct mur_isa_version *one,
                                      struct mur_error *error)
{
    char applied[MUR_ISO_SIZE];
    mur_clock_format_us(applied, one->applied_us);
    if (as_json == 0)
        return mur_buffer_append_format(user, error, "%s version %lld of %s: %s%s\n", one->dataset,
                                        (long long)one->version, applied, one->folder,
                                        one->in_force ? " (in force)" : "");
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(user));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "dataset", one->dataset);
    mur_json_member_int(&json, "version", one->version);
    mur_json_member_string(&json, "applied", applied);
    mur_json_member_string(&json, "folder", one->folder);
    mur_json_member_bool(&json, "in_force", one->in_force);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(user, "\n", 1, error) : status;
}

static int list_versions(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_archive_each_isa_version(of.archive, append_version, &text, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}

int mur_command_isa_apply(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (list != 0 && cli->argument_count == 0)
        return list_versions(cli);
    if (list != 0 || cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder or ZIP file is needed, or --list alone");
    MUR_AUTO_CLI_ISA struct mur_cli_isa tables = {.isa = NULL};
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO_ISA_ROWS struct mur_isa_rows rows = {.dataset = NULL};
    __attribute__((cleanup(free_lines))) struct lines lines = {.items = NULL};
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    const struct mur_cli_isa_version version = {.archive = of.archive, .dataset = dataset};
    if (status == MUR_OK)
        status = mur_cli_open_isa(&tables, cli, cli->arguments[0], MUR_CLI_WHOLE_SCANS, &version,
                                  &error);
    if (status == MUR_OK && tables.scans->count == 0)
        status =
            mur_error_set(&error, MUR_NOT_FOUND, "the tables name no scan; nothing is changed");
    const struct mur_isa_options options = {
        .dataset = dataset, .dry_run = dry_run != 0, .on_change = note_change, .user = &lines};
    if (status == MUR_OK)
        status = mur_archive_put_isa(&rows, of.archive, tables.isa, tables.scans, &options, &error);
    if (lines.count > 1)
        qsort(lines.items, lines.count, sizeof *lines.items, by_text);
    if (status == MUR_OK && as_json != 0)
        status = append_json(&text, &rows, &lines, &tables.diagnostics, &error);
    else if (status == MUR_OK)
        status = append_text(&text, cli, &rows, &lines, &tables.diagnostics, &error);
    if (status != MUR_OK) {
        (void)mur_cli_fail(cli, &error);
        return MUR_ISA_EXIT_UNUSABLE; /* whatever it was, nothing was changed */
    }
    if (dry_run == 0)
        mur_log_info(MUR_LOG_ARCHIVE,
                     "ISA-Tab %s version %lld: %zu scans new, %zu changed, %zu gone", rows.dataset,
                     (long long)rows.version, rows.added, rows.changed, rows.gone);
    int printed = mur_cli_print(cli, &text);
    if (printed != MUR_EXIT_OK)
        return printed;
    return tables.diagnostics.counts[MUR_ISA_ERROR] > 0 ? MUR_ISA_EXIT_ERRORS : MUR_ISA_EXIT_OK;
}
