/* The node: DICOM listener over the archive, until SIGTERM or SIGINT. */
#include <errno.h>
#include <pthread.h> /* ci-allow: signals are blocked in all threads but this one */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive.h"
#include "cli/archive.h"
#include "cli/cli.h"
#include "core/audit.h"
#include "core/log.h"
#include "scp/scp.h"
#include "web/web.h"

enum { GRACE_MS = 5000 };

struct poptOption mur_serve_options[] = {POPT_TABLEEND};

static enum mur_status say_address(struct mur_buffer *text, const struct mur_web *web,
                                   struct mur_error *error)
{
    bool ipv6 = strchr(mur_web_address(web), ':') != NULL;
    return mur_buffer_append_format(text, error, "serving HTTP at http://%s%s%s:%u/\n",
                                    ipv6 ? "[" : "", mur_web_address(web), ipv6 ? "]" : "",
                                    (unsigned)mur_web_port(web));
}

static enum mur_status say_what_is_served(const struct mur_cli *cli,
                                          const struct mur_config *config,
                                          struct mur_archive *archive, const struct mur_scp *scp,
                                          const struct mur_web *web, struct mur_error *error)
{
    struct mur_counts counts;
    enum mur_status status = mur_archive_count(&counts, archive, error);
    if (status != MUR_OK || cli->quiet)
        return status;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    status = mur_buffer_append_format(
        &text, error,
        "%s: %lld patients, %lld studies, %lld series, %lld instances (%.1f MB)\n"
        "serving DICOM as %s at %s port %u\n",
        mur_archive_directory(archive), (long long)counts.patients, (long long)counts.studies,
        (long long)counts.series, (long long)counts.instances, (double)counts.bytes / 1e6,
        config->node_ae_title, mur_scp_address(scp), (unsigned)mur_scp_port(scp));
    if (status == MUR_OK && mur_scp_tls_port(scp) != 0)
        status =
            mur_buffer_append_format(&text, error, "serving DICOM by TLS at %s port %u\n",
                                     mur_scp_tls_address(scp), (unsigned)mur_scp_tls_port(scp));
    if (status == MUR_OK && web != NULL)
        status = say_address(&text, web, error);
    if (status == MUR_OK)
        (void)mur_cli_print(cli, &text);
    return status;
}

/* SIGHUP: certificates are read again, and the file of audit lines may have been moved away. */
static void reload(struct mur_scp *scp)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_audit_reopen(&error) != MUR_OK)
        mur_log_error(MUR_LOG_MAIN, "%s", error.message);
    if (mur_scp_reload(scp, &error) != MUR_OK)
        mur_log_error(MUR_LOG_MAIN, "certificates stay as they were: %s", error.message);
    else if (mur_scp_tls_port(scp) != 0)
        mur_log_info(MUR_LOG_MAIN, "certificates were read again");
}

static void wait_for_the_end(const sigset_t *signals, struct mur_scp *scp)
{
    int received = 0;
    while (sigwait(signals, &received) != 0 || received == SIGHUP)
        if (received == SIGHUP)
            reload(scp);
    mur_log_info(MUR_LOG_MAIN, "%s: finishing what is under way",
                 received == SIGINT ? "interrupted" : "told to end");
}

/* Nobody was told that it is stored, so it is no loss. */
static void note_taken_out(void *user, const char *sop_instance, const char *why)
{
    (void)user;
    mur_log_warning(MUR_LOG_ARCHIVE, "%s is taken out again: it %s", sop_instance, why);
}

static unsigned count_associations(void *user)
{
    return mur_scp_association_count(user);
}

int mur_command_serve(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_config *config = cli->config;
    if (cli->argument_count > 0)
        return mur_cli_usage(cli, "unexpected argument \"%s\"", cli->arguments[0]);
    /* Blocked before any thread is made, so that they come to this one. */
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);

    MUR_AUTO_CLI_ARCHIVE struct mur_cli_archive of = {.archive = NULL};
    MUR_AUTO(mur_scp) *scp = NULL;
    MUR_AUTO(mur_web) *web = NULL;
    enum mur_status status = mur_cli_load_links(&of, config, &error);
    struct mur_archive_options options = mur_cli_archive_options(config, &of);
    options.serving = true;
    options.note = note_taken_out;
    mur_cli_private_files();
    if (status == MUR_OK)
        status = mur_audit_open(config->log_audit, &error);
    if (status == MUR_OK)
        status = mur_archive_open(&of.archive, &options, &error);
    if (status == MUR_OK)
        status = mur_scp_create(&scp, config, of.archive, &error);
    struct mur_web_node node = {.associations = count_associations, .user = scp};
    if (status == MUR_OK && config->web_enabled)
        status = mur_web_create(&web, config, of.archive, &node, &error);
    if (status == MUR_OK)
        status = mur_scp_start(scp, &error);
    if (status == MUR_OK && web != NULL)
        status = mur_web_start(web, &error);
    if (status == MUR_OK)
        status = say_what_is_served(cli, config, of.archive, scp, web, &error);
    if (status != MUR_OK)
        return mur_cli_fail(cli, &error);
    wait_for_the_end(&signals, scp);
    mur_scp_stop(scp, GRACE_MS);
    if (web != NULL)
        mur_web_stop(web);
    mur_audit_close();
    return MUR_EXIT_OK;
}
