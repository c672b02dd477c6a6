/* A copy of the archive, made while it is served. */
#include "archive/backup.h"

#include "archive/archive.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/log.h"
#include "core/own.h"
#include "core/progress.h"

static int as_json;

struct poptOption mur_backup_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON at the end", NULL}, POPT_TABLEEND};

static void note_damaged(void *user, const char *what, const char *why)
{
    (void)user;
    mur_log_error(MUR_LOG_ARCHIVE, "%s is not copied: %s", what, why);
}

static enum mur_status append_summary(struct mur_buffer *out,
                                      const struct mur_backup_summary *summary,
                                      struct mur_error *error)
{
    if (as_json == 0)
        return mur_buffer_append_format(
            out, error, "%zu instances; %zu files copied (%.1f MiB), %zu removed, %zu damaged\n",
            summary->instances, summary->copied, (double)summary->bytes / (1024.0 * 1024.0),
            summary->removed, summary->damaged);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_int(&json, "instances", (int64_t)summary->instances);
    mur_json_member_int(&json, "copied", (int64_t)summary->copied);
    mur_json_member_int(&json, "bytes", (int64_t)summary->bytes);
    mur_json_member_int(&json, "removed", (int64_t)summary->removed);
    mur_json_member_int(&json, "damaged", (int64_t)summary->damaged);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_backup(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "a folder is needed, and nothing else");
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO(mur_progress_line) *line = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_backup_summary summary = {0};
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_progress_line_create(&line, "backup", &error);
    if (status == MUR_OK) {
        struct mur_progress progress = mur_progress_line_reporter(line);
        status = mur_archive_backup(&summary, of.archive, cli->arguments[0], note_damaged, NULL,
                                    &progress, &error);
    }
    mur_progress_line_free(MUR_STEAL(line));
    if (status == MUR_OK)
        status = append_summary(&text, &summary, &error);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    int code = cli->quiet ? MUR_EXIT_OK : mur_cli_print(cli, &text);
    return code == MUR_EXIT_OK && summary.damaged > 0 ? MUR_EXIT_INPUT_READ : code;
}
