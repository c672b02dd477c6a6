/* Storage Commitment: does a peer keep what it was sent? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "core/own.h"
#include "dicom/sop_class.h"
#include "scu/commit.h"

enum { SECONDS_LIMIT = 7 * 86400 };

static char **instances;
static char *bind_address;
static int port = -1;
static int wait_s = MUR_COMMIT_WAIT_MS / 1000;

struct poptOption mur_commit_options[] = {
    {"instance", '\0', POPT_ARG_ARGV, &instances, 0,
     "an instance by its UIDs, beside or instead of files; may be repeated", "CLASS=UID"},
    {"port", '\0', POPT_ARG_INT, &port, 0, "where the peer reaches us (default: dicom.port)",
     "PORT"},
    {"bind", '\0', POPT_ARG_STRING, &bind_address, 0, "address to listen at (default: dicom.bind)",
     "ADDRESS"},
    {"wait", '\0', POPT_ARG_INT, &wait_s, 0,
     "seconds for the peer's report; 0 waits for ever (default: 300)", "S"},
    MUR_CLIENT_OPTIONS,
    POPT_TABLEEND};

struct run {
    const struct mur_cli *cli;
    struct mur_commit_options options;
    struct mur_commit_list list;
    size_t unreadable; /* files */
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static enum mur_status add_instances(struct mur_commit_list *list, struct mur_error *error)
{
    for (char *const *word = instances; word != NULL && *word != NULL; word++) {
        const char *equals = strchr(*word, '=');
        char sop_class[MUR_UID_TEXT_SIZE];
        if (equals == NULL || (size_t)(equals - *word) >= sizeof sop_class)
            return mur_error_set(error, MUR_INVALID,
                                 "--instance %s: SOP Class UID, '=', SOP Instance UID", *word);
        (void)snprintf(sop_class, sizeof sop_class, "%.*s", (int)(equals - *word), *word);
        enum mur_status status = mur_commit_list_add(list, sop_class, equals + 1, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "--instance %s", *word);
    }
    return MUR_OK;
}

static void on_passed_over(void *user, const char *path, bool named, const struct mur_error *reason)
{
    (void)path; /* the reason names it */
    struct run *run = user;
    if (!named && reason->status == MUR_PARSE)
        return; /* a folder may hold anything */
    run->unreadable++;
    (void)mur_cli_fail(run->cli, reason);
}

static void on_listening(void *user, const char *address, uint16_t at_port)
{
    const struct run *run = user;
    if (!run->cli->quiet && mur_client_words.json == 0)
        (void)fprintf(stderr, "waiting for the report as %s at %s port %u\n",
                      run->options.client.address.calling_ae_title, address, at_port);
}

/* ---- what was told --------------------------------------------------------------------------- */

static const char *failure_name(const struct mur_commit_reference *reference)
{
    if (reference->answer == MUR_COMMIT_UNTOLD)
        return "the report does not mention it";
    return reference->failure == 0 ? "no reason given"
                                   : mur_dimse_status_name(reference->failure, MUR_N_ACTION_RQ);
}

static enum mur_status append_rows(struct mur_buffer *text, const struct run *run,
                                   struct mur_error *error)
{
    const struct mur_commit_list *list = &run->list;
    enum mur_status status = MUR_OK;
    int width = 0;
    for (size_t i = 0; i < list->count; i++)
        if ((int)strlen(list->references[i].sop_instance) > width)
            width = (int)strlen(list->references[i].sop_instance);
    for (size_t i = 0; status == MUR_OK && i < list->count; i++) {
        const struct mur_commit_reference *reference = &list->references[i];
        const char *name = mur_sop_class_name(reference->sop_class);
        bool kept = reference->answer == MUR_COMMIT_KEPT;
        char code[8] = "";
        if (run->cli->quiet && kept)
            continue;
        if (reference->failure != 0)
            (void)snprintf(code, sizeof code, "%04X ", reference->failure);
        status = kept ? mur_buffer_append_format(text, error, "%-*s  committed  %s\n", width,
                                                 reference->sop_instance, name)
                      : mur_buffer_append_format(text, error, "%-*s  failed     %s: %s%s\n", width,
                                                 reference->sop_instance, name, code,
                                                 failure_name(reference));
    }
    return status;
}

static int print_text(const struct run *run, const struct mur_commit_result *result)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer reporter = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = append_rows(&text, run, &error);
    if (status == MUR_OK)
        status = mur_client_append_safe(&reporter, result->reporter, &error);
    if (status == MUR_OK && !run->cli->quiet)
        status = mur_buffer_append_format(
            &text, &error, "%zu of %zu instance%s committed by %s, transaction %s\n", result->kept,
            run->list.count, run->list.count == 1 ? "" : "s", mur_buffer_text(&reporter),
            result->transaction_uid);
    return status == MUR_OK ? mur_cli_print(run->cli, &text) : mur_cli_fail(run->cli, &error);
}

static int print_json_row(const struct run *run, const struct mur_commit_reference *reference)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    bool kept = reference->answer == MUR_COMMIT_KEPT;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "SOPInstanceUID", reference->sop_instance);
    mur_json_member_string(&json, "SOPClassUID", reference->sop_class);
    mur_json_member_string(&json, "outcome", kept ? "committed" : "failed");
    if (reference->failure != 0) {
        char code[8];
        (void)snprintf(code, sizeof code, "%04X", reference->failure);
        mur_json_member_string(&json, "failureReason", code);
    }
    if (!kept)
        mur_json_member_string(&json, "reason", failure_name(reference));
    return mur_client_print_json(run->cli, &json, &line);
}

static int print_json(const struct run *run, const struct mur_commit_result *result, bool reported)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    int code = MUR_EXIT_OK;
    for (size_t i = 0; reported && code == MUR_EXIT_OK && i < run->list.count; i++)
        code = print_json_row(run, &run->list.references[i]);
    if (code != MUR_EXIT_OK)
        return code;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_key(&json, "summary");
    mur_json_begin_object(&json);
    mur_client_json_outcome(&json, &result->outcome, MUR_N_ACTION_RQ);
    mur_json_member_string(&json, "transactionUID", result->transaction_uid);
    if (reported) {
        mur_json_member_string(&json, "reporter", result->reporter);
        mur_json_member_int(&json, "committed", (int64_t)result->kept);
        mur_json_member_int(&json, "failed", (int64_t)result->failed);
    }
    mur_json_member_int(&json, "unreadable", (int64_t)run->unreadable);
    mur_json_end_object(&json);
    return mur_client_print_json(run->cli, &json, &line);
}

static int finish(const struct run *run, const struct mur_commit_result *result)
{
    uint16_t answer = result->outcome.status;
    bool reported = answer == 0 || mur_dimse_status_is_warning(answer);
    int code = MUR_EXIT_OK;
    if (mur_client_words.json != 0)
        code = print_json(run, result, reported);
    else if (reported)
        code = print_text(run, result);
    int ended = mur_client_finish(run->cli, &result->outcome, MUR_N_ACTION_RQ);
    if (reported && result->failed > 0)
        ended = result->kept > 0 ? MUR_EXIT_WARNING : MUR_EXIT_REFUSED;
    else if (ended == MUR_EXIT_OK && run->unreadable > 0)
        ended = MUR_EXIT_INPUT_INVALID;
    return code != MUR_EXIT_OK ? code : ended;
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum mur_status gather(struct run *run, const char *const *paths, size_t count,
                              struct mur_error *error)
{
    MUR_AUTO(mur_progress_line) *line = NULL;
    struct mur_commit_files files = {
        .paths = paths,
        .path_count = count,
        .client = &run->options.client,
        .passed_over = on_passed_over,
        .user = run,
    };
    if (!run->cli->quiet && mur_client_words.json == 0 &&
        mur_progress_line_create(&line, "commit", error) == MUR_OK)
        files.progress = mur_progress_line_reporter(line);
    return mur_commit_list_gather(&run->list, &files, error);
}

static int commit(struct run *run, const char *const *paths, size_t count)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_commit_result result;
    if (add_instances(&run->list, &error) != MUR_OK)
        return mur_cli_usage(run->cli, "%s", error.message);
    if (gather(run, paths, count, &error) != MUR_OK)
        return mur_cli_fail(run->cli, &error);
    if (run->list.count == 0) {
        (void)fprintf(stderr, "murpacs %s: no DICOM object among the files\n", run->cli->command);
        return MUR_EXIT_INPUT_NONE;
    }
    enum mur_status status = mur_scu_commit(&result, &run->options, &error);
    if (status == MUR_BUSY)
        (void)mur_error_prefix(&error, "cannot listen for the report (--port)");
    return status == MUR_OK ? finish(run, &result) : mur_client_fail(run->cli, &error);
}

int mur_command_commit(struct mur_cli *cli)
{
    struct run run = {.cli = cli};
    size_t used = 0;
    int code = mur_client_begin(&run.options.client, &used, cli);
    if (code != MUR_EXIT_OK)
        return code;
    if (used == cli->argument_count && instances == NULL)
        return mur_cli_usage(cli, "which files, folders or --instance?");
    if (port > UINT16_MAX)
        return mur_cli_usage(cli, "--port is between 0 and 65535");
    if (wait_s < 0 || wait_s > SECONDS_LIMIT)
        return mur_cli_usage(cli, "--wait is between 0 and %d seconds", SECONDS_LIMIT);
    run.options.list = &run.list;
    run.options.bind_address = bind_address != NULL ? bind_address : cli->config->dicom_bind;
    run.options.port = (uint16_t)(port >= 0 ? port : cli->config->dicom_port);
    run.options.wait_ms = wait_s == 0 ? -1 : wait_s * 1000;
    run.options.listening = on_listening;
    run.options.user = &run;
    code = commit(&run, cli->arguments + used, cli->argument_count - used);
    mur_commit_list_free(&run.list);
    return code;
}
