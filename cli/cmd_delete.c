/* Removal of studies, series or instances by UID. */
#include <stdlib.h>
#include <unistd.h>

#include "archive/archive.h"
#include "archive/commitment.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/audit.h"
#include "core/log.h"
#include "core/own.h"

static int dry_run;
static int force;

struct poptOption mur_delete_options[] = {
    {"force", '\0', POPT_ARG_NONE, &force, 0,
     "also what a peer was told that we keep (storage commitment)", NULL},
    {"dry-run", '\0', POPT_ARG_NONE, &dry_run, 0, "say what would go, change nothing", NULL},
    POPT_TABLEEND};

/* A UID names a study, a series or an instance: the first level at which it is known.
 * @param[out] level  valid if plan->count > 0 */
static enum mur_status look_for(struct mur_plan *plan, enum mur_level *level,
                                struct mur_archive *archive, const char *uid,
                                struct mur_error *error)
{
    static const struct {
        enum mur_level level;
        uint32_t tag;
    } places[] = {{MUR_LEVEL_STUDY, MUR_TAG_StudyInstanceUID},
                  {MUR_LEVEL_SERIES, MUR_TAG_SeriesInstanceUID},
                  {MUR_LEVEL_IMAGE, MUR_TAG_SOPInstanceUID}};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && plan->count == 0 && i < MUR_COUNT(places); i++) {
        mur_plan_free(plan);
        MUR_AUTO_QUERY struct mur_query query = {.level = places[i].level};
        const struct mur_attribute_path path = mur_attribute_path_of(places[i].tag);
        status = mur_query_add(&query, &path, MUR_VR_UI, mur_slice_of(uid), true, error);
        if (status == MUR_OK)
            status = mur_archive_plan(plan, archive, &query, error);
        *level = places[i].level;
    }
    if (status == MUR_OK && plan->count == 0)
        status = mur_error_set(error, MUR_NOT_FOUND,
                               "%s: no study, series or instance of this UID is stored", uid);
    return status;
}

/* A peer that was told that we keep an object may have deleted its own copy (PS3.4 J.1). */
static enum mur_status check_commitments(struct mur_archive *archive, const struct mur_plan *plan,
                                         struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < plan->count; i++) {
        bool committed = false;
        status = mur_archive_is_committed(&committed, archive, plan->items[i].sop_instance, error);
        if (status == MUR_OK && committed)
            status = mur_error_set(error, MUR_DENIED,
                                   "instance %s: a peer was told that it is kept (storage"
                                   " commitment); --force deletes it all the same",
                                   plan->items[i].sop_instance);
    }
    return status;
}

static enum mur_status remove_uid(struct mur_cli *cli, struct mur_archive *archive, const char *uid,
                                  struct mur_error *error)
{
    if (!mur_uid_acceptable(mur_slice_of(uid)))
        return mur_error_set(error, MUR_INVALID, "%s is not a UID", uid);
    MUR_AUTO_PLAN struct mur_plan plan = {0};
    enum mur_level level = MUR_LEVEL_STUDY;
    enum mur_status status = look_for(&plan, &level, archive, uid, error);
    if (status != MUR_OK)
        return status;
    if (force == 0)
        status = check_commitments(archive, &plan, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_FREE const char **uids = calloc(plan.count, sizeof *uids);
    MUR_AUTO_FREE char *why = NULL;
    if (uids == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < plan.count; i++)
        uids[i] = plan.items[i].sop_instance;
    status = mur_text_format(&why, error, "deleted by user %lu as %s %s", (unsigned long)getuid(),
                             mur_level_name(level), uid);
    if (status == MUR_OK && dry_run == 0)
        status = mur_archive_remove(archive, uids, plan.count, why, error);
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_ACCESSED, .what = "delete", .instances = plan.count, .detail = why};
    if (status == MUR_OK && dry_run == 0)
        status = mur_audit_write(&entry, error);
    if (status != MUR_OK)
        return status;
    if (dry_run == 0)
        mur_log_info(MUR_LOG_ARCHIVE, "%s: %zu instances", why, plan.count);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    status =
        mur_buffer_append_format(&text, error, "%s %s: %zu instances %s\n", mur_level_name(level),
                                 uid, plan.count, dry_run != 0 ? "would go" : "deleted");
    if (status == MUR_OK && !cli->quiet)
        (void)mur_cli_print(cli, &text);
    return status;
}

int mur_command_delete(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count == 0)
        return mur_cli_usage(cli, "a UID is needed");
    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    enum mur_status status = mur_cli_open_archive(&of, cli->config, &error);
    if (status == MUR_OK)
        status = mur_audit_open(cli->config->log_audit, &error);
    for (size_t i = 0; status == MUR_OK && i < cli->argument_count; i++)
        status = remove_uid(cli, of.archive, cli->arguments[i], &error);
    return status == MUR_OK ? MUR_EXIT_OK : mur_cli_fail(cli, &error);
}
