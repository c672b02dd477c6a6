/* How much projects have stored. */
#include "archive/quota.h"

#include <inttypes.h>

#include "cli/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/own.h"

static int as_json;

struct poptOption mur_usage_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON for each", NULL}, POPT_TABLEEND};

/* @param usage  name "": of the whole archive, which has no quota */
static enum mur_status append_usage(struct mur_buffer *out, const struct mur_usage *usage,
                                    struct mur_error *error)
{
    bool project = usage->name[0] != '\0';
    if (as_json == 0 && project)
        return mur_buffer_append_format(out, error, "%s: %.1f of %.1f MiB, %" PRIi64 " instances\n",
                                        usage->name, (double)usage->bytes / 1048576.0,
                                        (double)usage->quota / 1048576.0, usage->instances);
    if (as_json == 0)
        return mur_buffer_append_format(out, error, "all: %.1f MiB, %" PRIi64 " instances\n",
                                        (double)usage->bytes / 1048576.0, usage->instances);
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    if (project) {
        mur_json_member_string(&json, "project", usage->name);
        mur_json_member_int(&json, "quota", (int64_t)usage->quota);
    }
    mur_json_member_int(&json, "bytes", usage->bytes);
    mur_json_member_int(&json, "instances", usage->instances);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_usage(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO_FREE struct mur_usage *list = NULL;
    size_t count = 0;
    struct mur_counts counts = {0};
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_archive_usage(&list, &count, of.archive, &error);
    if (status == MUR_OK)
        status = mur_archive_count(&counts, of.archive, &error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = append_usage(&text, &list[i], &error);
    const struct mur_usage all = {.bytes = counts.bytes, .instances = counts.instances};
    if (status == MUR_OK)
        status = append_usage(&text, &all, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
