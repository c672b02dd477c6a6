/* C-STORE: files and folders to a peer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/own.h"
#include "scu/store.h"

enum { FAILURES_SHOWN = 20 };

static int jobs = 1;
static int attempts = MUR_SEND_ATTEMPTS;
static char *state_path;

struct poptOption mur_store_options[] = {
    {"jobs", 'j', POPT_ARG_INT, &jobs, 0, "associations at once", "N"},
    {"attempts", '\0', POPT_ARG_INT, &attempts, 0,
     "how often an object, or an association, is tried before it is given up", "N"},
    {"state", '\0', POPT_ARG_STRING, &state_path, 0,
     "keep in this file what the peer acknowledged, and leave that out next time", "FILE"},
    MUR_CLIENT_OPTIONS,
    POPT_TABLEEND};

struct printer {
    const struct mur_cli *cli;
    struct mur_buffer failures; /* lines, shown at the end: a terminal has the progress line now */
    size_t failure_count;
};

static void print_json(const struct mur_cli *cli, const struct mur_send_result *result)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "file", result->path);
    mur_json_member_string(&json, "outcome", mur_send_outcome_name(result->outcome));
    if (result->sop_instance[0] != '\0') {
        mur_json_member_string(&json, "SOPInstanceUID", result->sop_instance);
        mur_json_member_string(&json, "SOPClassUID", result->sop_class);
        mur_json_member_string(&json, "transferSyntax", result->transfer_syntax);
    }
    if (result->sent_as[0] != '\0')
        mur_json_member_string(&json, "sentAs", result->sent_as);
    if (result->answered) {
        char status[8];
        (void)snprintf(status, sizeof status, "%04X", result->status);
        mur_json_member_string(&json, "status", status);
    }
    if (result->reason[0] != '\0')
        mur_json_member_string(&json, "reason", result->reason);
    (void)mur_client_print_json(cli, &json, &line);
}

static void on_result(void *user, const struct mur_send_result *result)
{
    struct printer *printer = user;
    char status[8] = "";
    if (result->answered)
        (void)snprintf(status, sizeof status, "%04X ", result->status);
    mur_log_info(MUR_LOG_SCU, "%s: %s %s%s", result->path, mur_send_outcome_name(result->outcome),
                 status, result->reason);
    if (mur_client_words.json != 0)
        print_json(printer->cli, result);
    bool is_remarkable = result->outcome == MUR_SEND_FAILED ||
                         (result->outcome == MUR_SEND_STORED && result->reason[0] != '\0');
    if (!is_remarkable || printer->failure_count++ >= FAILURES_SHOWN)
        return;
    /* The reasons of our own name the file already. */
    bool named = strncmp(result->reason, result->path, strlen(result->path)) == 0;
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    if (mur_buffer_append_format(&line, NULL, "%s%s%s%s", named ? "" : result->path,
                                 named ? "" : ": ", status, result->reason) == MUR_OK &&
        mur_client_append_safe(&printer->failures, mur_buffer_text(&line), NULL) == MUR_OK)
        (void)!mur_buffer_append(&printer->failures, "\n", 1, NULL);
}

static int exit_code(const struct mur_send_summary *summary)
{
    if (summary->cancelled)
        return MUR_EXIT_CANCELLED;
    if (summary->reason.status == MUR_TIMEOUT)
        return MUR_EXIT_TIMEOUT;
    if (summary->reason.status == MUR_NO_SPACE || summary->refused > 0)
        return summary->stored + summary->known > 0 ? MUR_EXIT_WARNING : MUR_EXIT_REFUSED;
    if (summary->reason.status != MUR_OK || summary->unsent > 0)
        return MUR_EXIT_NETWORK;
    return summary->unreadable > 0 ? MUR_EXIT_INPUT_INVALID : MUR_EXIT_OK;
}

static int print_summary(const struct mur_cli *cli, const struct mur_send_summary *summary,
                         int64_t took_ms)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    const struct {
        size_t count;
        const char *what;
    } parts[] = {
        {summary->warnings, "of them with warnings"},
        {summary->known, "were known to be there"},
        {summary->skipped, "files are no DICOM objects"},
        {summary->unreadable, "could not be read"},
        {summary->refused, "failed"},
        {summary->unsent, "not sent"},
    };
    double seconds = took_ms > 0 ? (double)took_ms / 1000 : 0.001;
    enum mur_status status = mur_buffer_append_format(
        &text, &error, "%zu object%s stored (%.1f MB in %.1f s, %.0f/s)", summary->stored,
        summary->stored == 1 ? "" : "s", (double)summary->bytes / 1e6, seconds,
        (double)summary->stored / seconds);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(parts); i++)
        if (parts[i].count > 0)
            status =
                mur_buffer_append_format(&text, &error, ", %zu %s", parts[i].count, parts[i].what);
    if (status == MUR_OK)
        status = mur_buffer_append(&text, "\n", 1, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}

static int print_summary_json(const struct mur_cli *cli, const struct mur_send_summary *summary,
                              int64_t took_ms)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_key(&json, "summary");
    mur_json_begin_object(&json);
    mur_json_member_int(&json, "stored", (int64_t)summary->stored);
    mur_json_member_int(&json, "warnings", (int64_t)summary->warnings);
    mur_json_member_int(&json, "known", (int64_t)summary->known);
    mur_json_member_int(&json, "skipped", (int64_t)summary->skipped);
    mur_json_member_int(&json, "unreadable", (int64_t)summary->unreadable);
    mur_json_member_int(&json, "failed", (int64_t)summary->refused);
    mur_json_member_int(&json, "unsent", (int64_t)summary->unsent);
    mur_json_member_int(&json, "bytes", (int64_t)summary->bytes);
    mur_json_member_double(&json, "seconds", (double)took_ms / 1000);
    if (summary->reason.status != MUR_OK)
        mur_json_member_string(&json, "endedBy", summary->reason.message);
    mur_json_end_object(&json);
    return mur_client_print_json(cli, &json, &line);
}

static int finish(const struct mur_cli *cli, const struct mur_send_summary *summary,
                  const struct printer *printer, int64_t took_ms)
{
    if (printer->failures.length > 0 && mur_client_words.json == 0)
        (void)fprintf(stderr, "%s", mur_buffer_text(&printer->failures));
    if (mur_client_words.json == 0 && printer->failure_count > FAILURES_SHOWN)
        (void)fprintf(stderr, "and %zu more (-v or --json tells of all)\n",
                      printer->failure_count - FAILURES_SHOWN);
    int code = MUR_EXIT_OK;
    if (mur_client_words.json != 0)
        code = print_summary_json(cli, summary, took_ms);
    else if (!cli->quiet)
        code = print_summary(cli, summary, took_ms);
    if (summary->reason.status != MUR_OK)
        (void)fprintf(stderr, "murpacs %s: ended early: %s\n", cli->command,
                      summary->reason.message);
    if (summary->unsent > 0)
        (void)fprintf(stderr, "murpacs %s: %s\n", cli->command,
                      state_path != NULL
                          ? "the same command again goes on where this one ended"
                          : "with --state FILE the same command goes on where it ended");
    return code != MUR_EXIT_OK ? code : exit_code(summary);
}

static int store(const struct mur_cli *cli, struct mur_send_options *options)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_send_summary summary;
    struct printer printer = {.cli = cli};
    MUR_AUTO(mur_progress_line) *line = NULL;
    if (!cli->quiet && mur_client_words.json == 0 &&
        mur_progress_line_create(&line, "store", &error) == MUR_OK)
        options->progress = mur_progress_line_reporter(line);
    options->on_result = on_result;
    options->user = &printer;
    int64_t begun_ms = mur_clock_monotonic_ms();
    enum mur_status status = mur_scu_store(&summary, options, &error);
    mur_progress_line_free(line);
    line = NULL;
    int code = MUR_EXIT_OK;
    if (status == MUR_OK) {
        code = finish(cli, &summary, &printer, mur_clock_monotonic_ms() - begun_ms);
    } else {
        if (printer.failures.length > 0)
            (void)fprintf(stderr, "%s", mur_buffer_text(&printer.failures));
        code = status == MUR_NOT_FOUND ? mur_cli_fail(cli, &error) : mur_client_fail(cli, &error);
        code = status == MUR_NOT_FOUND ? MUR_EXIT_INPUT_NONE : code;
    }
    mur_buffer_free(&printer.failures);
    return code;
}

/* DCMTK's "+sd" and "+r" stand among the arguments. Folders are read here without +sd, and with
 * what is in them unless +sd is said without +r. @return how many paths there are */
static size_t take_paths(const char **paths, bool *recurse, const struct mur_cli *cli)
{
    size_t count = 0;
    bool scan = false, deep = false;
    for (size_t i = 0; i < cli->argument_count; i++) {
        const char *word = cli->arguments[i];
        if (strcmp(word, "+sd") == 0 || strcmp(word, "++scan-directories") == 0)
            scan = true;
        else if (strcmp(word, "+r") == 0 || strcmp(word, "++recurse") == 0)
            deep = true;
        else
            paths[count++] = word;
    }
    *recurse = deep || !scan;
    return count;
}

int mur_command_store(struct mur_cli *cli)
{
    struct mur_send_options options = {.state_path = state_path, .pause_ms = MUR_SEND_PAUSE_MS};
    size_t used = 0;
    MUR_AUTO_FREE const char **words = calloc(cli->argument_count + 1, sizeof *words);
    if (words == NULL)
        return MUR_EXIT_MEMORY;
    struct mur_cli without = *cli;
    without.arguments = (const char *const *)words;
    without.argument_count = take_paths(words, &options.recurse, cli);
    int code = mur_client_begin(&options.client, &used, &without);
    if (code != MUR_EXIT_OK)
        return code;
    options.paths = without.arguments + used;
    options.path_count = without.argument_count - used;
    if (options.path_count == 0)
        return mur_cli_usage(cli, "which files or folders?");
    if (jobs < 1 || jobs > MUR_SEND_ASSOCIATIONS)
        return mur_cli_usage(cli, "-j is between 1 and %d", MUR_SEND_ASSOCIATIONS);
    if (attempts < 1 || attempts > 1000)
        return mur_cli_usage(cli, "--attempts is between 1 and 1000");
    options.associations = (unsigned)jobs;
    options.attempts = (unsigned)attempts;
    return store(cli, &options);
}
