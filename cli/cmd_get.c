/* C-GET: objects into a folder. */
#include <stdio.h>

#include "cli/client.h"
#include "core/log.h"
#include "core/own.h"
#include "dicom/sop_class.h"
#include "scu/get.h"

static char *folder;
static int no_survey;

struct poptOption mur_get_options[] = {
    {"od", '\0', POPT_ARG_STRING | POPT_ARGFLAG_ONEDASH, &folder, 0,
     "write to this folder (default: the working directory)", "DIR"},
    {"no-survey", '\0', POPT_ARG_NONE, &no_survey, 0,
     "do not ask by C-FIND first which SOP Classes there will be", NULL},
    MUR_LANDING_OPTIONS,
    MUR_QUERY_OPTIONS,
    MUR_CLIENT_OPTIONS,
    POPT_TABLEEND};

static void on_object(void *user, const struct mur_received *received)
{
    const struct mur_cli *cli = user;
    mur_log_info(MUR_LOG_SCU, "%s %s",
                 received->path != NULL ? received->path : "refused:", received->reason);
    if (mur_client_words.json == 0)
        return;
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    char status[8];
    struct mur_json_writer json;
    (void)snprintf(status, sizeof status, "%04X", received->status);
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "file", received->path);
    mur_json_member_string(&json, "SOPInstanceUID", received->sop_instance);
    mur_json_member_string(&json, "SOPClassUID", received->sop_class);
    mur_json_member_string(&json, "transferSyntax", received->transfer_syntax);
    mur_json_member_int(&json, "bytes", (int64_t)received->bytes);
    mur_json_member_string(&json, "status", status);
    if (received->existed)
        mur_json_member_bool(&json, "existed", true);
    if (received->reason[0] != '\0')
        mur_json_member_string(&json, "reason", received->reason);
    (void)mur_client_print_json(cli, &json, &line);
}

/* What there will be, if the peer tells; retrieving works without, only less surely. */
static enum mur_status survey(struct mur_class_list *out, const struct mur_get_options *options,
                              struct mur_error *error)
{
    struct mur_error reason = MUR_ERROR_INIT;
    uint64_t instances = 0;
    enum mur_status status = mur_scu_get_classes(out, &instances, &options->client, options->model,
                                                 options->identifier, &reason);
    if (status == MUR_OK) {
        mur_log_info(MUR_LOG_SCU, "%llu objects of %zu SOP Classes are there",
                     (unsigned long long)instances, out->count);
        for (size_t i = 0; i < out->count; i++)
            mur_log_debug(MUR_LOG_SCU, "%s", mur_sop_class_name(out->uids[i]));
        return MUR_OK;
    }
    mur_log_info(MUR_LOG_SCU, "the peer does not say what there will be: %s", reason.message);
    /* It said so; or it is not there at all. */
    if (status == MUR_UNSUPPORTED || status == MUR_PARSE)
        return MUR_OK;
    *error = reason;
    return status;
}

static int get(const struct mur_cli *cli, struct mur_get_options *options)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_CLASS_LIST struct mur_class_list classes = {.uids = NULL};
    MUR_AUTO_RETRIEVAL_RESULT struct mur_retrieval_result result = {.completed = 0};
    MUR_AUTO(mur_progress_line) *line = NULL;
    if (!cli->quiet && mur_client_words.json == 0 &&
        mur_progress_line_create(&line, "get", &error) == MUR_OK)
        options->progress = mur_progress_line_reporter(line);
    enum mur_status status = no_survey == 0 ? survey(&classes, options, &error) : MUR_OK;
    options->classes = &classes;
    if (status == MUR_OK)
        status = mur_scu_get(&result, options, &error);
    mur_progress_line_free(line);
    line = NULL;
    if (status != MUR_OK)
        return mur_client_fail(cli, &error);
    int code = mur_client_print_retrieval(cli, &result, MUR_C_GET_RQ, "came");
    if (mur_receiver_failure(options->receiver, &error) != MUR_OK)
        return mur_client_receiver_fail(cli, &error);
    return code;
}

int mur_command_get(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_get_options options = {.classes = NULL};
    MUR_AUTO(mur_receiver) *receiver = NULL;
    MUR_AUTO(mur_dataset) *identifier = NULL;
    size_t used = 0;
    int code = mur_client_begin(&options.client, &used, cli);
    if (code != MUR_EXIT_OK)
        return code;
    if (used + 1 < cli->argument_count)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[used + 1]);
    enum mur_status status =
        mur_query_retrieval(&identifier, &options.model,
                            used < cli->argument_count ? cli->arguments[used] : NULL, &error);
    if (status == MUR_OK)
        status = mur_query_receiver(&receiver, folder != NULL ? folder : ".", identifier, on_object,
                                    cli, &error);
    if (status == MUR_INVALID)
        return mur_cli_usage(cli, "%s", error.message);
    if (status != MUR_OK) /* an identifier is there: then it is the folder */
        return identifier != NULL ? mur_client_receiver_fail(cli, &error)
                                  : mur_cli_fail(cli, &error);
    options.identifier = identifier;
    options.receiver = receiver;
    return get(cli, &options);
}
