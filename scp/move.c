/* C-MOVE (PS3.4 C.4.2): instances go to a peer of the configuration over an association of ours. */
#include <stdio.h>
#include <string.h>

#include "dicom/transfer_syntax.h"
#include "scp/audit.h"
#include "scp/retrieve.h"

enum {
    STATUS_DESTINATION_UNKNOWN = 0xA801,
    CONNECT_MS = 5000, /* stopping the node waits for it */
    RELEASE_MS = 3000,
    LOSSES = 2, /* of the association, before the rest is given up */
};

/* ---- what to propose ---- */

static bool has_pair(const struct mur_retrieval *retrieval, const char *sop_class,
                     const char *transfer_syntax)
{
    for (size_t i = 0; i < retrieval->pair_count; i++)
        if (strcmp(retrieval->pairs[i].sop_class, sop_class) == 0 &&
            (transfer_syntax == NULL ||
             strcmp(retrieval->pairs[i].transfer_syntax, transfer_syntax) == 0))
            return true;
    return false;
}

/* As many different pairs of SOP Class and transfer syntax, from @p index on, as can be proposed
 * with one more context for each class. */
static void gather_pairs(struct mur_retrieval *retrieval, size_t index)
{
    size_t contexts = 0;
    retrieval->pair_count = 0;
    for (; index < retrieval->plan.count; index++) {
        const struct mur_instance *item = &retrieval->plan.items[index];
        if (has_pair(retrieval, item->sop_class, item->transfer_syntax))
            continue;
        contexts += has_pair(retrieval, item->sop_class, NULL) ? 1 : 2;
        if (contexts > MUR_MAX_PRESENTATION_CONTEXTS)
            return;
        retrieval->pairs[retrieval->pair_count++] =
            (struct mur_pair){item->sop_class, item->transfer_syntax};
    }
}

/* One context for each pair as it is stored and, while there is room, one for each class in what
 * every peer knows (PS3.5 10.1), to decode to. */
static size_t make_proposals(struct mur_context_proposal *out,
                             const struct mur_retrieval *retrieval)
{
    static const char *const native[] = {mur_uid_ExplicitVRLittleEndian,
                                         mur_uid_ImplicitVRLittleEndian};
    size_t count = 0;
    for (; count < retrieval->pair_count; count++)
        out[count] = (struct mur_context_proposal){
            .abstract_syntax = retrieval->pairs[count].sop_class,
            .transfer_syntaxes = &retrieval->pairs[count].transfer_syntax,
            .transfer_syntax_count = 1};
    for (size_t i = 0; i < retrieval->pair_count && count < MUR_MAX_PRESENTATION_CONTEXTS; i++) {
        const char *sop_class = retrieval->pairs[i].sop_class;
        bool first_of_class = true;
        for (size_t k = 0; k < i; k++)
            first_of_class =
                first_of_class && strcmp(retrieval->pairs[k].sop_class, sop_class) != 0;
        if (!first_of_class || has_pair(retrieval, sop_class, mur_uid_ImplicitVRLittleEndian))
            continue;
        bool has_explicit = has_pair(retrieval, sop_class, mur_uid_ExplicitVRLittleEndian);
        out[count++] =
            (struct mur_context_proposal){.abstract_syntax = sop_class,
                                          .transfer_syntaxes = has_explicit ? native + 1 : native,
                                          .transfer_syntax_count = has_explicit ? 1 : 2};
    }
    return count;
}

/* ---- the association to the destination ---- */

static void drop_target(struct mur_retrieval *retrieval)
{
    mur_store_sender_free(retrieval->sender);
    retrieval->sender = NULL;
    retrieval->routed.sop_class = NULL;
    mur_session_set_outgoing(retrieval->session, NULL);
    mur_association_free(retrieval->target);
    retrieval->target = NULL;
}

static void release_target(struct mur_retrieval *retrieval)
{
    struct mur_error reason = MUR_ERROR_INIT;
    if (retrieval->target != NULL &&
        mur_association_release(retrieval->target, RELEASE_MS, &reason) != MUR_OK)
        mur_log_info(MUR_LOG_SCP, "releasing the destination's association: %s", reason.message);
    drop_target(retrieval);
}

static bool must_hurry(void *user)
{
    const struct mur_session *session = user;
    return mur_session_must_hurry(session);
}

static enum mur_status connect_target(struct mur_retrieval *retrieval, size_t index,
                                      struct mur_error *reason)
{
    const struct mur_config *config = retrieval->session->scp->config;
    const struct mur_peer *peer =
        mur_config_find_peer(config, retrieval->request->command.move_destination);
    if (peer == NULL)
        return mur_error_set(reason, MUR_NOT_FOUND, "no such destination");
    gather_pairs(retrieval, index);
    struct mur_context_proposal proposals[MUR_MAX_PRESENTATION_CONTEXTS];
    struct mur_association_options options = {
        .host = peer->host,
        .port = (uint16_t)peer->port,
        .calling_ae_title = config->node_ae_title,
        .called_ae_title = peer->ae_title,
        .tls = peer->tls ? retrieval->session->scp->tls : NULL,
        .contexts = proposals,
        .context_count = make_proposals(proposals, retrieval),
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = retrieval->session->timeout_ms,
        .cancelled = must_hurry,
        .user = retrieval->session,
    };
    enum mur_status status = mur_association_request(&retrieval->target, &options, reason);
    if (status != MUR_OK) {
        (void)mur_error_prefix(reason, "destination %s", peer->ae_title);
        return status;
    }
    mur_session_set_outgoing(retrieval->session, retrieval->target);
    return mur_store_sender_create(&retrieval->sender, retrieval->target, reason);
}

static enum mur_status prepare(struct mur_retrieval *retrieval, size_t index,
                               struct mur_error *reason)
{
    const struct mur_instance *item = &retrieval->plan.items[index];
    if (retrieval->target != NULL && has_pair(retrieval, item->sop_class, item->transfer_syntax))
        return MUR_OK;
    release_target(retrieval);
    if (retrieval->losses > LOSSES)
        return mur_error_set(reason, MUR_CLOSED,
                             "the destination ends the association again and "
                             "again");
    return connect_target(retrieval, index, reason);
}

static enum mur_status lost(struct mur_retrieval *retrieval, struct mur_error *error)
{
    (void)error;
    retrieval->losses++;
    drop_target(retrieval);
    return MUR_OK; /* the next instance gets a new one */
}

/* ---- the request ---- */

/* The destinations there are, for the log: nothing is more puzzling than A801. */
static void log_destinations(const struct mur_config *config)
{
    MUR_AUTO_BUFFER struct mur_buffer names = MUR_BUFFER_INIT;
    names.limit = 1000;
    for (size_t i = 0; i < config->peer_count; i++)
        if (mur_buffer_append_format(&names, NULL, "%s%s at %s port %d", i > 0 ? ", " : "",
                                     config->peers[i].ae_title, config->peers[i].host,
                                     config->peers[i].port) != MUR_OK)
            break;
    mur_log_warning(MUR_LOG_SCP, "known destinations (peers): %s",
                    names.length > 0 ? mur_buffer_text(&names) : "none");
}

static enum mur_status run(struct mur_retrieval *retrieval, const struct mur_request *request,
                           struct mur_error *error)
{
    struct mur_session *session = retrieval->session;
    const char *destination = request->command.move_destination;
    if (mur_config_find_peer(session->scp->config, destination) == NULL) {
        char why[96];
        (void)snprintf(why, sizeof(why), "unknown move destination \"%s\"", destination);
        log_destinations(session->scp->config);
        mur_audit_retrieval(retrieval, MUR_AUDIT_BEGIN_TRANSFERRING, "unknown move destination");
        return mur_session_refuse(session, request, STATUS_DESTINATION_UNKNOWN, why, error);
    }
    retrieval->move_originator = mur_association_calling_ae_title(session->association);
    return mur_retrieval_run(retrieval, error);
}

enum mur_status mur_session_move(struct mur_session *session, const struct mur_request *request,
                                 struct mur_error *error)
{
    static const struct mur_delivery delivery = {.prepare = prepare, .lost = lost};
    struct mur_retrieval retrieval = {.we_are_requestor = true};
    bool refused = false;
    enum mur_status status =
        mur_retrieval_begin(&retrieval, &refused, session, request, &delivery, error);
    if (status == MUR_OK && !refused)
        status = run(&retrieval, request, error);
    release_target(&retrieval);
    mur_retrieval_end(&retrieval);
    return status;
}
