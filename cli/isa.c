#include "cli/isa.h"

#include "archive/isa.h"

void mur_cli_isa_free(struct mur_cli_isa *of)
{
    mur_scan_list_free(of->scans);
    mur_isa_free(of->isa);
    mur_mapping_free(of->mapping);
    mur_unpacked_free(of->unpacked);
    mur_isa_diagnostics_free(&of->diagnostics);
}

enum mur_status mur_cli_open_isa(struct mur_cli_isa *out, const struct mur_cli *cli,
                                 const char *path, enum mur_cli_scans scans,
                                 const struct mur_cli_isa_version *version, struct mur_error *error)
{
    const struct mur_unpack_options options = {.tables_only = true};
    enum mur_status status = mur_mapping_load(&out->mapping, cli->config->isa_mapping_file,
                                              cli->config->isa_organs_file, error);
    if (status == MUR_OK)
        status = mur_unpack(&out->unpacked, path, &options, &out->diagnostics, error);
    if (status == MUR_OK)
        status =
            mur_archive_read_isa(&out->isa, version != NULL ? version->archive : NULL,
                                 version != NULL ? version->dataset : NULL,
                                 mur_unpacked_directory(out->unpacked), &out->diagnostics, error);
    if (status == MUR_NOT_FOUND && out->unpacked != NULL && mur_unpacked_is_copy(out->unpacked))
        return mur_error_set(error, MUR_NOT_FOUND,
                             "%s: no ISA-Tab investigation file (i_*.txt) in this ZIP file", path);
    if (status == MUR_OK && scans == MUR_CLI_SURVEY)
        status = mur_mapping_survey(&out->scans, out->mapping, out->isa, &out->diagnostics, error);
    if (status == MUR_OK && scans == MUR_CLI_WHOLE_SCANS)
        status = mur_mapping_scans(&out->scans, out->mapping, out->isa, &out->diagnostics, error);
    return status;
}

int mur_cli_fail_isa(const struct mur_cli *cli, const struct mur_cli_isa *of,
                     const struct mur_error *error)
{
    int code = mur_cli_fail(cli, error);
    return of->mapping == NULL ? code : MUR_ISA_EXIT_UNUSABLE;
}

enum mur_status mur_cli_append_diagnostics(struct mur_buffer *out,
                                           const struct mur_isa_diagnostics *diagnostics,
                                           enum mur_isa_severity least, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < diagnostics->count; i++) {
        const struct mur_isa_diagnostic *one = &diagnostics->items[i];
        if (one->severity < least)
            continue;
        const char *file = one->file[0] != '\0' ? one->file : "-";
        status = mur_buffer_append_format(out, error, "%s %s %s",
                                          mur_isa_severity_name(one->severity), one->code, file);
        if (status == MUR_OK && one->line > 0)
            status = mur_buffer_append_format(out, error, ":%zu", one->line);
        if (status == MUR_OK)
            status = mur_buffer_append_format(out, error, " %s\n", one->message);
    }
    if (status == MUR_OK && diagnostics->dropped > 0)
        status = mur_buffer_append_format(out, error, "and %zu more of the same kinds\n",
                                          diagnostics->dropped);
    return status;
}

void mur_cli_json_diagnostics(struct mur_json_writer *json,
                              const struct mur_isa_diagnostics *diagnostics)
{
    mur_json_member_int(json, "errors", (int64_t)diagnostics->counts[MUR_ISA_ERROR]);
    mur_json_member_int(json, "warnings", (int64_t)diagnostics->counts[MUR_ISA_WARNING]);
    mur_json_member_int(json, "notes", (int64_t)diagnostics->counts[MUR_ISA_NOTE]);
    mur_json_member_int(json, "dropped", (int64_t)diagnostics->dropped);
    mur_json_key(json, "diagnostics");
    mur_json_begin_array(json);
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct mur_isa_diagnostic *one = &diagnostics->items[i];
        mur_json_begin_object(json);
        mur_json_member_string(json, "severity", mur_isa_severity_name(one->severity));
        mur_json_member_string(json, "code", one->code);
        mur_json_member_string(json, "file", one->file);
        mur_json_key(json, "line");
        if (one->line > 0)
            mur_json_uint(json, one->line);
        else
            mur_json_null(json);
        mur_json_member_string(json, "message", one->message);
        mur_json_end_object(json);
    }
    mur_json_end_array(json);
}
