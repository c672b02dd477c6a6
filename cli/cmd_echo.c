/* C-ECHO: does a peer answer? */
#include <stdio.h>

#include "cli/client.h"
#include "scu/echo.h"

enum { REPEAT_LIMIT = 10000 };

static int repeat = 1;

struct poptOption mur_echo_options[] = {
    {"repeat", '\0', POPT_ARG_INT, &repeat, 0, "how often, over one association", "N"},
    MUR_CLIENT_OPTIONS,
    POPT_TABLEEND};

static int print_json(const struct mur_cli *cli, const struct mur_client *client,
                      const struct mur_echo_result *result)
{
    MUR_AUTO_BUFFER struct mur_buffer line = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(&line));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "aeTitle", client->address.called_ae_title);
    mur_json_member_string(&json, "host", client->address.host);
    mur_json_member_int(&json, "port", client->address.port);
    mur_client_json_outcome(&json, &result->outcome, MUR_C_ECHO_RQ);
    mur_json_member_int(&json, "count", result->count);
    mur_json_member_double(&json, "associateMs", (double)result->associate_us / 1000);
    mur_json_member_double(&json, "leastMs", (double)result->least_us / 1000);
    mur_json_member_double(&json, "meanMs", (double)result->mean_us / 1000);
    mur_json_member_string(&json, "implementation", result->implementation);
    mur_json_member_int(&json, "maxPdu", result->max_pdu);
    return mur_client_print_json(cli, &json, &line);
}

static int print_text(const struct mur_cli *cli, const struct mur_client *client,
                      const struct mur_echo_result *result)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    char address[MUR_ADDRESS_TEXT_SIZE];
    if (cli->quiet || result->outcome.status != 0 || result->count == 0)
        return MUR_EXIT_OK;
    enum mur_status status = mur_buffer_append_format(
        &text, &error, "%s answers: %.1f ms, after %.1f ms for the association",
        mur_address_format(address, &client->address), (double)result->mean_us / 1000,
        (double)result->associate_us / 1000);
    if (status == MUR_OK && result->count > 1)
        status = mur_buffer_append_format(&text, &error, " (mean of %u, least %.1f ms)",
                                          result->count, (double)result->least_us / 1000);
    if (status == MUR_OK && result->implementation[0] != '\0')
        status = mur_buffer_append_format(&text, &error, "; it is %s", result->implementation);
    if (status == MUR_OK)
        status = mur_buffer_append(&text, "\n", 1, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}

int mur_command_echo(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_client client;
    struct mur_echo_result result;
    size_t used = 0;
    int code = mur_client_begin(&client, &used, cli);
    if (code != MUR_EXIT_OK)
        return code;
    if (used < cli->argument_count)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[used]);
    if (repeat < 1 || repeat > REPEAT_LIMIT)
        return mur_cli_usage(cli, "--repeat is between 1 and %d", REPEAT_LIMIT);
    if (mur_scu_echo(&result, &client, (unsigned)repeat, &error) != MUR_OK)
        return mur_client_fail(cli, &error);
    code = mur_client_words.json != 0 ? print_json(cli, &client, &result)
                                      : print_text(cli, &client, &result);
    int ended = mur_client_finish(cli, &result.outcome, MUR_C_ECHO_RQ);
    return code != MUR_EXIT_OK ? code : ended;
}
