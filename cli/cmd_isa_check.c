/* What is wrong with an ISA-Tab, before it is imported. */
#include "cli/cli.h"
#include "cli/isa.h"
#include "core/own.h"
#include "isa/isa.h"
#include "mapping/mapping.h"

static int as_json;

struct poptOption mur_isa_check_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one JSON document", NULL}, POPT_TABLEEND};

static enum mur_status append_summary(struct mur_buffer *out, const struct mur_isa *isa,
                                      const struct mur_scan_list *scans,
                                      const struct mur_isa_diagnostics *diagnostics,
                                      struct mur_error *error)
{
    return mur_buffer_append_format(
        out, error, "%zu studies, %zu scans: %zu errors, %zu warnings, %zu notes\n",
        isa->study_count, scans->count, diagnostics->counts[MUR_ISA_ERROR],
        diagnostics->counts[MUR_ISA_WARNING], diagnostics->counts[MUR_ISA_NOTE]);
}

static enum mur_status append_json(struct mur_buffer *out, const struct mur_isa *isa,
                                   const struct mur_scan_list *scans,
                                   const struct mur_isa_diagnostics *diagnostics,
                                   struct mur_error *error)
{
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_int(&json, "studies", (int64_t)isa->study_count);
    mur_json_member_int(&json, "scans", (int64_t)scans->count);
    mur_cli_json_diagnostics(&json, diagnostics);
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

int mur_command_isa_check(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder is needed");
    MUR_AUTO(mur_mapping) *mapping = NULL;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_mapping_load(&mapping, cli->config->isa_mapping_file,
                                              cli->config->isa_organs_file, &error);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    status = mur_isa_read(&isa, cli->arguments[0], &diagnostics, &error);
    if (status == MUR_OK)
        status = mur_mapping_scans(&scans, mapping, isa, &diagnostics, &error);
    if (status == MUR_OK && as_json != 0)
        status = append_json(&text, isa, scans, &diagnostics, &error);
    else if (status == MUR_OK)
        status = mur_cli_append_diagnostics(&text, &diagnostics,
                                            cli->quiet ? MUR_ISA_ERROR : MUR_ISA_NOTE, &error);
    if (status == MUR_OK && as_json == 0 && !cli->quiet)
        status = append_summary(&text, isa, scans, &diagnostics, &error);
    if (status != MUR_OK) {
        (void)mur_cli_fail(cli, &error);
        return MUR_ISA_EXIT_UNUSABLE;
    }
    int printed = mur_cli_print(cli, &text);
    if (printed != MUR_EXIT_OK)
        return printed;
    if (scans->count == 0)
        return MUR_ISA_EXIT_UNUSABLE;
    return diagnostics.counts[MUR_ISA_ERROR] > 0 ? MUR_ISA_EXIT_ERRORS : MUR_ISA_EXIT_OK;
}
