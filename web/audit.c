#include "web/audit.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "dicom/uid.h"
#include "web/address.h"
#include "web/json_answer.h"

enum { DETAIL = 256 };

static void tell(const struct mur_audit_entry *entry)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_audit_write(entry, &error) != MUR_OK)
        mur_log_error(MUR_LOG_WEB, "%s", error.message);
}

static struct mur_audit_party ourselves(const struct mur_exchange *exchange)
{
    return (struct mur_audit_party){.ae_title = exchange->config->node_ae_title};
}

static struct mur_audit_party caller(char address[NI_MAXHOST], const struct mur_exchange *exchange)
{
    mur_exchange_peer(address, exchange);
    return (struct mur_audit_party){.address = address, .user = exchange->user};
}

/* Whom a proxy, whose address it is, says to ask for. */
static const char *forwarded(char out[DETAIL], const struct mur_exchange *exchange)
{
    MUR_AUTO_FREE char *header = NULL;
    if (mur_exchange_header(&header, exchange, "X-Forwarded-For", NULL) != MUR_OK || header == NULL)
        return NULL;
    (void)snprintf(out, DETAIL, "for %.100s, as it says", header);
    return out;
}

static const char *level_of_search(const struct mur_exchange *exchange)
{
    static const struct {
        const char *end, *level;
    } levels[] = {{"/studies", "STUDY"}, {"/series", "SERIES"}, {"/instances", "IMAGE"}};
    const char *path = exchange->route->path;
    for (size_t i = 0; i < MUR_COUNT(levels); i++) {
        size_t length = strlen(levels[i].end);
        if (strlen(path) > length && strcmp(path + strlen(path) - length, levels[i].end) == 0)
            return levels[i].level;
    }
    return NULL;
}

static void tell_of_search(const struct mur_exchange *exchange, const char *level)
{
    char address[NI_MAXHOST];
    char detail[DETAIL];
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_QUERY,
        .outcome = exchange->code == MHD_HTTP_OK ? MUR_AUDIT_SUCCESS : MUR_AUDIT_MINOR_FAILURE,
        .source = caller(address, exchange),
        .destination = ourselves(exchange),
        .what = "QIDO-RS",
        .level = level,
        .answers = exchange->code == MHD_HTTP_OK ? (int64_t)exchange->told : 0,
        .detail = forwarded(detail, exchange),
    };
    tell(&entry);
}

static void tell_of_retrieval(const struct mur_exchange *exchange, bool sent)
{
    char address[NI_MAXHOST];
    char detail[DETAIL];
    char study[MUR_UID_TEXT_SIZE];
    const char *studies[] = {study};
    (void)snprintf(study, sizeof study, "%.*s", (int)exchange->parts[0].length,
                   exchange->parts[0].data);
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_TRANSFERRED,
        .outcome = sent ? MUR_AUDIT_SUCCESS : MUR_AUDIT_MINOR_FAILURE,
        .source = ourselves(exchange),
        .destination = caller(address, exchange),
        .what = "WADO-RS",
        .instances = exchange->told > 0 ? exchange->told : 1,
        .studies = studies,
        .study_count = 1,
        .detail = forwarded(detail, exchange),
    };
    tell(&entry);
}

void mur_web_audit(const struct mur_exchange *exchange, bool sent)
{
    const struct mur_route *route = exchange->route;
    if (!mur_audit_enabled() || route == NULL || exchange->response == NULL)
        return;
    if (exchange->code == MHD_HTTP_FORBIDDEN) {
        mur_web_audit_refusal(exchange, MUR_AUDIT_NOT_ALLOWED);
        return;
    }
    const char root[] = MUR_DICOMWEB_ROOT "/";
    if (strcmp(exchange->method, "GET") != 0 || exchange->code == MHD_HTTP_UNAUTHORIZED ||
        strncmp(route->path, root, sizeof root - 1) != 0)
        return;
    const char *level = level_of_search(exchange);
    if (level != NULL)
        tell_of_search(exchange, level);
    else if (strstr(route->path, "{}") != NULL &&
             (exchange->code == MHD_HTTP_OK || exchange->code == MHD_HTTP_PARTIAL_CONTENT))
        tell_of_retrieval(exchange, sent);
}

void mur_web_audit_refusal(const struct mur_exchange *exchange, enum mur_audit_event event)
{
    char address[NI_MAXHOST];
    char detail[DETAIL];
    const struct mur_audit_entry entry = {
        .event = event,
        .outcome = MUR_AUDIT_MINOR_FAILURE,
        .source = caller(address, exchange),
        .destination = ourselves(exchange),
        .what = "HTTP",
        .detail = forwarded(detail, exchange),
    };
    tell(&entry);
}

void mur_web_audit_stored(const struct mur_exchange *exchange, uint64_t stored, uint64_t failed,
                          const char *const *studies, size_t count)
{
    char address[NI_MAXHOST];
    char detail[DETAIL];
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_TRANSFERRED,
        .outcome = failed > 0 ? MUR_AUDIT_MINOR_FAILURE : MUR_AUDIT_SUCCESS,
        .source = caller(address, exchange),
        .destination = ourselves(exchange),
        .what = "STOW-RS",
        .instances = stored,
        .studies = studies,
        .study_count = count,
        .detail = forwarded(detail, exchange),
    };
    tell(&entry);
}
