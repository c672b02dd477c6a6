/* Tables, and objects, of the scans that a query finds. */
#include <signal.h>

#include "archive/archive.h"
#include "cli/cli.h"
#include "core/own.h"
#include "core/progress.h"
#include "dicom/dictionary.h"
#include "scu/keys.h"
#include "workflow/export.h"

static const char **keys;
static int files;

struct poptOption mur_isa_export_options[] = {
    {"key", 'k', POPT_ARG_ARGV, &keys, 0,
     "only scans that match, as in murpacs find: StrainDescription=C57*, ISADiseaseModel=*MASH*, "
     "PatientID=, StudyInstanceUID=, Modality=MR; may be repeated",
     "KEY=VALUE"},
    {"files", '\0', POPT_ARG_NONE, &files, 0, "write the DICOM objects too", NULL},
    POPT_TABLEEND};

static bool cancelled;

static void on_interrupt(int number)
{
    (void)number;
    __atomic_store_n(&cancelled, true, __ATOMIC_RELAXED);
}

static enum mur_status add_key(struct mur_query *query, const char *text, struct mur_error *error)
{
    struct mur_key key;
    struct mur_attribute_path path = {.depth = 0};
    enum mur_vr vr = MUR_VR_UN;
    enum mur_status status = mur_key_parse(&key, text, error);
    if (status != MUR_OK)
        return status;
    for (unsigned i = 0; i < key.depth && path.depth < MUR_ATTRIBUTE_DEPTH; i++) {
        const struct mur_key_step *step = &key.steps[i];
        uint32_t tag = step->creator == NULL ? step->tag : step->tag | 0x1000; /* our block */
        const char *creator = MUR_TAG_IS_PRIVATE(tag) ? MUR_CREATOR_ISA : NULL;
        path.tags[path.depth++] = tag;
        vr = mur_dictionary_vr(tag, creator);
    }
    if (key.depth > MUR_ATTRIBUTE_DEPTH || key.value[0] == '\0')
        return mur_error_set(error, MUR_INVALID, "%s: no value, or too deep in sequences", text);
    status = mur_query_add(query, &path, vr, mur_slice_of(key.value), false, error);
    if (status == MUR_OK && mur_query_key_support(query, query->key_count - 1) != MUR_KEY_MATCHED)
        return mur_error_set(error, MUR_INVALID, "%s: cannot be searched for at series level",
                             text);
    return status;
}

static enum mur_status export(struct mur_export_summary *out, struct mur_cli *cli,
                              struct mur_error *error) {
    const struct mur_config *config = cli->config; MUR_AUTO(mur_archive) *archive = NULL;
    MUR_AUTO(mur_mapping) *mapping = NULL;
    MUR_AUTO(mur_progress_line) *line = NULL;
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES, .root = MUR_ROOT_PATIENT};
    const struct mur_archive_options archive_options =
        {
            .directory = config->node_data_dir,
            .existing = true,
            .ae_title = config->node_ae_title,
            .attributes = config->index_attributes,
            .header_wins = config->isa_precedence == MUR_PRECEDENCE_HEADER,
        };
    enum mur_status status = mur_archive_open(&archive, &archive_options, error);
    if (status == MUR_OK) status = mur_mapping_load(&mapping, config->isa_mapping_file,
                                                    config->isa_organs_file, error);
    for (const char **key = keys; status == MUR_OK && key != NULL && *key != NULL; key++)
        status = add_key(&query, *key, error);
    if (status == MUR_OK && !cli->quiet) status = mur_progress_line_create(&line, "export", error);
    const struct mur_export_options options =
        {
            .directory = cli->arguments[0],
            .mapping = mapping,
            .query = query.key_count > 0 ? &query : NULL,
            .files = files != 0,
            .coerce = config->export_coerce,
            .progress = line != NULL ? mur_progress_line_reporter(line)
                                     : (struct mur_progress){.update = NULL},
            .cancelled = &cancelled,
        };
    return status == MUR_OK ? mur_export_isa(out, archive, &options, error) : status;
}

int mur_command_isa_export(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one folder to write to is needed");
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    struct mur_export_summary summary = {.scans = 0};
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = export(&summary, cli, &error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(
            &text, &error, "%s: datasets %zu, studies %zu, scans %zu, DICOM files %llu\n",
            cli->arguments[0], summary.datasets, summary.studies, summary.scans,
            (unsigned long long)summary.instances);
    if (status == MUR_NOT_FOUND) {
        (void)mur_cli_fail(cli, &error);
        return MUR_EXIT_INPUT_NONE;
    }
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    return cli->quiet ? MUR_EXIT_OK : mur_cli_print(cli, &text);
}
