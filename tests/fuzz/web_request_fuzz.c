/* All that an HTTP client may say to a node: the input goes to its port. However it ends, the node
 * closes the connection, and never says that the defect is its own. */
#include "archive_support.h"
#include "core/log.h"
#include "socket_support.h"
#include "web/web.h"

enum {
    SILENCE_MS = 20,    /* of the node, which then has no more to say to this */
    PATIENCE_MS = 6000, /* for the node to close, once it is told that nothing follows */
};

static struct mur_config *config; /* these live as long as the process */
static struct mur_archive *archive;
static struct mur_web *web;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void stop(void)
{
    mur_web_stop(web);
    mur_web_free(web);
    mur_archive_close(archive);
    mur_config_free(config);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const char *const settings[] = {"web.enabled=true", "web.port=0", "log.level=error",
                                           "web.cors_origins=http://a http://b"};
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
    fuzz_check(mur_web_create(&web, config, archive, NULL, &error) == MUR_OK &&
                   mur_web_start(web, &error) == MUR_OK,
               "%s", error.message);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(mur_web_port(web));
    return atexit(stop);
}

/* Reads what the node says. @return whether it ended the connection */
static bool listen_to(int connection, int patience_ms)
{
    char answer[16384];
    bool first = true;
    while (fuzz_wait(connection, POLLIN, patience_ms)) {
        ssize_t got = recv(connection, answer, sizeof answer - 1, 0);
        if (got <= 0)
            return true;
        answer[got] = '\0';
        if (first && strncmp(answer, "HTTP/1.1 ", 9) == 0)
            fuzz_check(strncmp(answer + 9, "500", 3) != 0, "%s", answer);
        first = false;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > FUZZ_SAID_LIMIT)
        return 0;
    MUR_AUTO_CLOSE int connection = fuzz_connect(&address);
    fuzz_say(connection, data, size);
    if (!listen_to(connection, SILENCE_MS)) {
        (void)shutdown(connection, SHUT_WR);
        fuzz_check(listen_to(connection, PATIENCE_MS), "the node does not close");
    }
    return 0;
}
