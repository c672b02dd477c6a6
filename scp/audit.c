#include "scp/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scp/scp.h"

enum { STUDIES_LISTED = 256 };

static void tell(const struct mur_audit_entry *entry)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_audit_write(entry, &error) != MUR_OK)
        mur_log_error(MUR_LOG_SCP, "%s", error.message);
}

static struct mur_audit_party ourselves(const struct mur_scp *scp)
{
    return (struct mur_audit_party){.ae_title = scp->config->node_ae_title};
}

/* Who called us. */
static struct mur_audit_party caller(const struct mur_association *association)
{
    return (struct mur_audit_party){
        .ae_title = mur_association_calling_ae_title(association),
        .address = mur_association_peer_address(association),
        .security = mur_association_security(association),
    };
}

void mur_audit_service(const struct mur_scp *scp, enum mur_audit_event event)
{
    const struct mur_audit_entry entry = {
        .event = event,
        .source = {.ae_title = scp->config->node_ae_title, .address = mur_scp_address(scp)}};
    tell(&entry);
}

void mur_audit_stranger(const char *why)
{
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_NOT_AUTHENTICATED, .outcome = MUR_AUDIT_MINOR_FAILURE, .detail = why};
    tell(&entry);
}

void mur_audit_refusal(const struct mur_association *association, const char *name,
                       enum mur_audit_event event, const char *why)
{
    const struct mur_audit_entry entry = {
        .event = event,
        .outcome = MUR_AUDIT_MINOR_FAILURE,
        .association = name,
        .source = caller(association),
        .destination = {.ae_title = mur_association_called_ae_title(association)},
        .detail = why,
    };
    tell(&entry);
}

void mur_audit_find(const struct mur_session *session, const struct mur_identifier *identifier,
                    size_t answers, const struct mur_error *reason)
{
    bool failed = reason->status != MUR_OK;
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_QUERY,
        .outcome = failed ? MUR_AUDIT_MINOR_FAILURE : MUR_AUDIT_SUCCESS,
        .association = session->name,
        .source = caller(session->association),
        .destination = ourselves(session->scp),
        .what = "C-FIND",
        .level = identifier->has_level ? mur_level_name(identifier->query.level) : NULL,
        .answers = (int64_t)answers,
        .detail = failed ? mur_status_name(reason->status) : NULL,
    };
    tell(&entry);
}

void mur_audit_stores(struct mur_session *session)
{
    if (session->asked == 0)
        return;
    const char *studies[STUDIES_LISTED];
    for (size_t i = 0; i < session->study_count; i++)
        studies[i] = session->studies[i];
    const struct mur_audit_entry entry = {
        .event = MUR_AUDIT_TRANSFERRED,
        .outcome = session->stored < session->asked ? MUR_AUDIT_MINOR_FAILURE : MUR_AUDIT_SUCCESS,
        .association = session->name,
        .source = caller(session->association),
        .destination = ourselves(session->scp),
        .what = "C-STORE",
        .instances = session->stored,
        .studies = studies,
        .study_count = session->study_count,
    };
    tell(&entry);
    session->asked = session->stored = 0;
    session->study_count = 0;
}

/* Objects of a study mostly come one after the other. */
static bool is_noted(const struct mur_session *session, const char *study)
{
    for (size_t i = session->study_count; i > 0; i--)
        if (strcmp(session->studies[i - 1], study) == 0)
            return true;
    return false;
}

void mur_audit_stored(struct mur_session *session, const char *study)
{
    if (mur_audit_enabled() && !is_noted(session, study)) {
        if (session->study_count == STUDIES_LISTED) {
            session->asked--; /* this one stands in the next line */
            mur_audit_stores(session);
            session->asked = 1;
        }
        if (session->studies == NULL)
            session->studies = calloc(STUDIES_LISTED, sizeof *session->studies);
        if (session->studies != NULL) /* else the line has one study less */
            (void)snprintf(session->studies[session->study_count++], MUR_UID_TEXT_SIZE, "%s",
                           study);
    }
    session->stored++;
}

/* Instances are in the order of their series, so that those of a study mostly stand together. */
static size_t gather_studies(const char **out, const struct mur_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count && count < STUDIES_LISTED; i++) {
        const char *study = plan->items[i].study_instance;
        size_t k = count;
        while (k > 0 && strcmp(out[k - 1], study) != 0)
            k--;
        if (k == 0)
            out[count++] = study;
    }
    return count;
}

static struct mur_audit_party receiver(const struct mur_retrieval *retrieval)
{
    if (!retrieval->we_are_requestor)
        return caller(retrieval->session->association);
    const struct mur_peer *peer = mur_config_find_peer(
        retrieval->session->scp->config, retrieval->request->command.move_destination);
    return (struct mur_audit_party){
        .ae_title = retrieval->request->command.move_destination,
        .address = peer != NULL ? peer->host : NULL,
    };
}

void mur_audit_retrieval(const struct mur_retrieval *retrieval, enum mur_audit_event event,
                         const char *refusal)
{
    if (!mur_audit_enabled())
        return;
    const struct mur_session *session = retrieval->session;
    const char *studies[STUDIES_LISTED];
    bool begins = event == MUR_AUDIT_BEGIN_TRANSFERRING;
    struct mur_audit_entry entry = {
        .event = event,
        .outcome =
            refusal != NULL || retrieval->failed > 0 ? MUR_AUDIT_MINOR_FAILURE : MUR_AUDIT_SUCCESS,
        .association = session->name,
        .source = ourselves(session->scp),
        .destination = receiver(retrieval),
        .what = retrieval->we_are_requestor ? "C-MOVE" : "C-GET",
        .instances = begins ? retrieval->plan.count : retrieval->completed + retrieval->warning,
        .studies = studies,
        .study_count = gather_studies(studies, &retrieval->plan),
        .detail = refusal,
    };
    MUR_AUTO_BUFFER struct mur_buffer asker = MUR_BUFFER_INIT;
    if (retrieval->we_are_requestor &&
        mur_buffer_append_format(&asker, NULL, "asked for by %s at %s%s%s",
                                 mur_association_calling_ae_title(session->association),
                                 mur_association_peer_address(session->association),
                                 refusal != NULL ? ": " : "",
                                 refusal != NULL ? refusal : "") == MUR_OK)
        entry.detail = mur_buffer_text(&asker);
    tell(&entry);
}
