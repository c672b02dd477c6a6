/* What is wrong with an ISA-Tab, before it is imported. */
#include "cli/cli.h"
#include "cli/isa.h"
#include "core/own.h"
#include "mapping/check.h"

static int as_json;

struct poptOption mur_isa_check_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one JSON document", NULL}, POPT_TABLEEND};

static enum mur_status append_text(struct mur_buffer *out, const struct mur_cli *cli,
                                   const struct mur_cli_isa *of, struct mur_error *error)
{
    const size_t *counts = of->diagnostics.counts;
    enum mur_status status = mur_cli_append_diagnostics(
        out, &of->diagnostics, cli->quiet ? MUR_ISA_ERROR : MUR_ISA_NOTE, error);
    if (status != MUR_OK || cli->quiet)
        return status;
    return mur_buffer_append_format(out, error,
                                    "studies %zu, scans %zu, errors %zu, warnings %zu, notes %zu\n",
                                    of->isa->study_count, of->scans->count, counts[MUR_ISA_ERROR],
                                    counts[MUR_ISA_WARNING], counts[MUR_ISA_NOTE]);
}

/** @param error_text  why nothing could be read; NULL = something could */
static enum mur_status append_json(struct mur_buffer *out, const struct mur_cli_isa *of, int code,
                                   const char *error_text, struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_int(&json, "exit", code);
    mur_json_key(&json, "unusable");
    mur_json_string(&json, error_text);
    mur_json_member_int(&json, "studies", of->isa == NULL ? 0 : (int64_t)of->isa->study_count);
    mur_json_member_int(&json, "scans", of->scans == NULL ? 0 : (int64_t)of->scans->count);
    mur_cli_json_diagnostics(&json, &of->diagnostics);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_isa_check(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder or ZIP file is needed");
    MUR_AUTO_CLI_ISA struct mur_cli_isa of = {0};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status =
        mur_cli_open_isa(&of, cli, cli->arguments[0], MUR_CLI_SURVEY, NULL, &error);
    if (status == MUR_OK)
        status = mur_mapping_check(of.mapping, of.isa, of.scans, &of.diagnostics, &error);
    if (of.mapping == NULL)
        return mur_cli_fail(cli, &error); /* of the configuration, not of the tables */
    int code = MUR_ISA_EXIT_OK;
    if (status != MUR_OK || of.scans->count == 0)
        code = MUR_ISA_EXIT_UNUSABLE;
    else if (of.diagnostics.counts[MUR_ISA_ERROR] > 0)
        code = MUR_ISA_EXIT_ERRORS;
    const char *why = status != MUR_OK                ? error.message
                      : code == MUR_ISA_EXIT_UNUSABLE ? "it names no scan"
                                                      : NULL;
    enum mur_status written = MUR_OK;
    if (as_json != 0)
        written = append_json(&text, &of, code, why, NULL);
    else if (status == MUR_OK)
        written = append_text(&text, cli, &of, NULL);
    if (written != MUR_OK || (status != MUR_OK && as_json == 0))
        return mur_cli_fail_isa(cli, &of, &error);
    int printed = mur_cli_print(cli, &text);
    if (code == MUR_ISA_EXIT_UNUSABLE && as_json == 0)
        (void)fprintf(stderr, "murpacs %s: %s: %s\n", cli->command, cli->arguments[0], why);
    return printed != MUR_EXIT_OK ? printed : code;
}
