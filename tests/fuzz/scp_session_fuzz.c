/* All that a peer may say to a node that serves: the input goes to its port. However it ends, the
 * node closes the connection, and nothing of it stays. */
#include <time.h>

#include "archive_support.h"
#include "core/log.h"
#include "scp/scp.h"
#include "socket_support.h"

enum {
    SILENCE_MS = 20,        /* of the node, which then has no more to say to this */
    PATIENCE_MS = 6000,     /* for the node to close, once it is told that nothing follows */
    ROUND_NS = 1000 * 1000, /* between two looks whether the association is gone */
};

static struct mur_config *config; /* these live as long as the process */
static struct mur_archive *archive;
static struct mur_scp *scp;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void stop(void)
{
    mur_scp_stop(scp, 0);
    mur_scp_free(scp);
    mur_archive_close(archive);
    mur_config_free(config);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const char *const settings[] = {"dicom.port=0", "dicom.unknown_peers=rw",
                                           "log.level=error"};
    struct mur_error error = MUR_ERROR_INIT;
    char directory[128];
    (void)signal(SIGPIPE, SIG_IGN);
    fuzz_check(mur_config_create(&config, &error) == MUR_OK, "%s", error.message);
    for (size_t i = 0; i < MUR_COUNT(settings); i++)
        fuzz_check(mur_config_set(config, settings[i], &error) == MUR_OK, "%s", error.message);
    mur_log_configure(config->log_level, MUR_LOG_FORMAT_TEXT);
    (void)snprintf(directory, sizeof directory, "%s/archive", fuzz_folder());
    archive = fuzz_open_archive(directory);
    fuzz_fill_archive(archive);
    fuzz_check(mur_scp_create(&scp, config, archive, &error) == MUR_OK &&
                   mur_scp_start(scp, &error) == MUR_OK,
               "%s", error.message);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(mur_scp_port(scp));
    return atexit(stop);
}

/* Reads what the node says. @return whether it ended the connection */
static bool listen_to(int connection, int patience_ms)
{
    char answer[4096];
    while (fuzz_wait(connection, POLLIN, patience_ms))
        if (recv(connection, answer, sizeof answer, 0) <= 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > FUZZ_SAID_LIMIT)
        return 0;
    MUR_AUTO_CLOSE int connection = fuzz_connect(&address);
    fuzz_say(connection, data, size);
    /* Half a connection is the end of it for the node: it may answer first. */
    if (!listen_to(connection, SILENCE_MS)) {
        (void)shutdown(connection, SHUT_WR);
        fuzz_check(listen_to(connection, PATIENCE_MS), "the node does not close");
    }
    const struct timespec round = {.tv_nsec = ROUND_NS};
    for (int i = 0; mur_scp_association_count(scp) > 0; i++) {
        fuzz_check(i < PATIENCE_MS, "an association stays");
        (void)nanosleep(&round, NULL);
    }
    return 0;
}
