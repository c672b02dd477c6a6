/* What does not fit together: one study of two patients, one patient with two birth dates. */
#include <string.h>

#include "archive/archive.h"
#include "cli/cli.h"
#include "core/json_write.h"
#include "core/own.h"
#include "db/db.h"
#include "dicom/dictionary.h"

static int as_json;

struct poptOption mur_conflicts_options[] = {
    {"json", '\0', POPT_ARG_NONE, &as_json, 0, "one line of JSON for each", NULL}, POPT_TABLEEND};

static enum mur_status append_json(struct mur_buffer *out, const struct mur_conflict *one,
                                   const char *attribute, struct mur_error *error)
{
    struct mur_json_writer json;
    bool study = one->kind == MUR_CONFLICT_STUDY;
    mur_json_init(&json, mur_sink_buffer(out));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "kind", study ? "study" : "patient");
    mur_json_member_string(&json, "PatientID", one->patient_id);
    mur_json_member_string(&json, study ? "StudyInstanceUID" : "SeriesInstanceUID", one->uid);
    if (!study) {
        mur_json_member_string(&json, "attribute", attribute);
        mur_json_member_string(&json, "kept", one->kept);
        mur_json_member_string(&json, "other", one->other);
    }
    mur_json_end_object(&json);
    enum mur_status status = mur_json_finish(&json, error);
    return status == MUR_OK ? mur_buffer_append(out, "\n", 1, error) : status;
}

static enum mur_status append_conflict(void *user, const struct mur_conflict *one,
                                       struct mur_error *error)
{
    const char *attribute = mur_dictionary_keyword(one->path.tags[0]);
    if (as_json != 0)
        return append_json(user, one, attribute, error);
    if (one->kind == MUR_CONFLICT_PATIENT)
        return mur_buffer_append_format(
            user, error, "patient %s: %s is \"%s\", but \"%s\" in series %s\n", one->patient_id,
            attribute, one->kept, one->other, one->uid);
    return mur_buffer_append_format(user, error, "study %s: claimed by patients %s\n", one->uid,
                                    one->patient_id);
}

int mur_command_conflicts(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    MUR_AUTO(mur_archive) *archive = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    const struct mur_archive_options options = {.directory = cli->config->node_data_dir,
                                                .existing = true};
    enum mur_status status = mur_archive_open(&archive, &options, &error);
    if (status == MUR_OK)
        status = mur_archive_each_conflict(archive, append_conflict, &text, &error);
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
