/* C-MOVE: to another peer, or with -od to a folder of ours. */
#include <stdio.h>

#include "cli/client.h"
#include "core/log.h"
#include "core/own.h"
#include "scu/find.h"
#include "scu/move.h"

static char *destination;
static char *folder;
static char *bind_address;
static int port = -1;

struct poptOption mur_move_options[] = {
    {"aem", '\0', POPT_ARG_STRING | POPT_ARGFLAG_ONEDASH, &destination, 0,
     "AE title of the destination, as the peer knows it (default: our own)", "AET"},
    {"od", '\0', POPT_ARG_STRING | POPT_ARGFLAG_ONEDASH, &folder, 0,
     "take the objects ourselves: listen at --port, write to this folder", "DIR"},
    {"port", '\0', POPT_ARG_INT, &port, 0,
     "where the peer reaches us, with -od (default: dicom.port)", "PORT"},
    {"bind", '\0', POPT_ARG_STRING, &bind_address, 0,
     "address to listen at, with -od (default: dicom.bind)", "ADDRESS"},
    MUR_LANDING_OPTIONS,
    MUR_QUERY_OPTIONS,
    MUR_CLIENT_OPTIONS,
    POPT_TABLEEND};

struct run {
    struct mur_move_options options;
    struct mur_receiver *receiver;
    struct mur_landing *landing;
    struct mur_progress_line *line;
};

static void on_object(void *user, const struct mur_received *received)
{
    (void)user;
    mur_log_info(MUR_LOG_SCU, "%s %s",
                 received->path != NULL ? received->path : "refused:", received->reason);
}

static void free_run(struct run *run)
{
    mur_progress_line_free(run->line);
    mur_landing_free(run->landing);
    mur_receiver_free(run->receiver);
    mur_dataset_free(run->options.identifier);
}

static enum mur_status open_landing(struct run *run, const struct mur_cli *cli,
                                    struct mur_error *error)
{
    if (folder == NULL)
        return MUR_OK;
    struct mur_landing_options options = {
        .bind_address = bind_address != NULL ? bind_address : cli->config->dicom_bind,
        .port = (uint16_t)(port >= 0 ? port : cli->config->dicom_port),
        .ae_title = run->options.destination,
        .timeout_ms = run->options.client.dimse_ms,
        .tls = run->options.client.tls,
    };
    enum mur_status status =
        mur_query_receiver(&run->receiver, folder, run->options.identifier, on_object, NULL, error);
    run->options.receiver = run->receiver;
    options.receiver = run->receiver;
    if (status == MUR_OK)
        status = mur_landing_create(&run->landing, &options, error);
    if (status == MUR_OK && !cli->quiet)
        (void)fprintf(stderr, "taking objects for %s at %s port %u\n", options.ae_title,
                      options.bind_address, mur_landing_port(run->landing));
    return status;
}

static int move(const struct mur_cli *cli, struct run *run)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = {.completed = 0};
    if (!cli->quiet && mur_client_words.json == 0 &&
        mur_progress_line_create(&run->line, "move", &error) == MUR_OK)
        run->options.progress = mur_progress_line_reporter(run->line);
    enum mur_status status = mur_scu_move(&result, &run->options, &error);
    mur_progress_line_free(run->line);
    run->line = NULL;
    mur_landing_free(run->landing);
    run->landing = NULL;
    if (status != MUR_OK)
        return mur_client_fail(cli, &error);
    int code = mur_client_print_retrieval(cli, &result, MUR_C_MOVE_RQ, "moved");
    if (run->receiver == NULL)
        return code;
    if (!cli->quiet && mur_client_words.json == 0)
        (void)fprintf(stderr, "%llu of them in %s\n",
                      (unsigned long long)mur_receiver_count(run->receiver), folder);
    if (mur_receiver_failure(run->receiver, &error) != MUR_OK)
        return mur_client_receiver_fail(cli, &error);
    return code;
}

static int prepare_and_move(struct mur_cli *cli, struct run *run, const char *path)
{
    struct mur_error error = MUR_ERROR_INIT;
    char title[MUR_AE_TITLE_SIZE];
    run->options.destination = run->options.client.address.calling_ae_title;
    enum mur_status status = MUR_OK;
    if (destination != NULL) {
        status = mur_ae_title_parse(title, destination, "-aem", &error);
        run->options.destination = title;
    }
    if (status == MUR_OK)
        status = mur_query_retrieval(&run->options.identifier, &run->options.model, path, &error);
    if (status == MUR_OK)
        status = open_landing(run, cli, &error);
    if (status == MUR_INVALID)
        return mur_cli_usage(cli, "%s", error.message);
    if (status == MUR_OK)
        return move(cli, run);
    bool is_folder = run->options.identifier != NULL && run->receiver == NULL;
    return is_folder ? mur_client_receiver_fail(cli, &error) : mur_cli_fail(cli, &error);
}

int mur_command_move(struct mur_cli *cli)
{
    struct run run = {.line = NULL};
    size_t used = 0;
    int code = mur_client_begin(&run.options.client, &used, cli);
    if (code != MUR_EXIT_OK)
        return code;
    if (used + 1 < cli->argument_count)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[used + 1]);
    if (port > UINT16_MAX)
        return mur_cli_usage(cli, "--port is between 0 and 65535");
    if (folder == NULL && (port >= 0 || bind_address != NULL))
        return mur_cli_usage(cli, "--port and --bind are about -od");
    code = prepare_and_move(cli, &run, used < cli->argument_count ? cli->arguments[used] : NULL);
    free_run(&run);
    return code;
}
