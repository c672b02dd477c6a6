/* What is accepted of an association: PS3.8 9.3.3.2 results, roles, extended negotiation. */
#include <string.h>

#include "archive/encodings.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "dicom/uid.h"
#include "scp/access.h"
#include "scp/audit.h"
#include "scp/session.h"

#define STANDARD_ROOT "1.2.840.10008."
#define STORAGE_ROOT "1.2.840.10008.5.1.4.1.1."
#define TRANSFER_SYNTAX_ROOT "1.2.840.10008.1.2."

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Whether a SOP Class that is in no table of ours is one of objects: those of the standard stand
 * together; makers' own are under a root that somebody was given (ISO 3166 numbers of countries
 * begin at 4, those that give roots at 36; joint-iso-itu-t and identified organizations). */
static bool looks_like_storage(const char *uid)
{
    if (!mur_uid_acceptable(mur_slice_of(uid)))
        return false;
    if (begins_with(uid, STANDARD_ROOT))
        return begins_with(uid, STORAGE_ROOT);
    if (begins_with(uid, "1.2.")) {
        size_t digits = strspn(uid + 4, "0123456789");
        return digits >= 3 || (digits == 2 && strncmp(uid + 4, "36", 2) >= 0);
    }
    return begins_with(uid, "1.3.") || begins_with(uid, "2.");
}

static bool is_composite_model(const char *uid)
{
    /* Composite Instance Root and Retrieve Without Bulk Data (PS3.4 Annexes Y and Z) */
    return begins_with(uid, "1.2.840.10008.5.1.4.1.2.4.") ||
           begins_with(uid, "1.2.840.10008.5.1.4.1.2.5.");
}

enum mur_service mur_service_of(const char *abstract_syntax, bool accept_unknown)
{
    const struct mur_sop_class *known = mur_sop_class_find(abstract_syntax);
    if (known == NULL)
        return accept_unknown && looks_like_storage(abstract_syntax) ? MUR_SERVICE_STORE
                                                                     : MUR_SERVICE_NONE;
    switch (known->kind) {
    case MUR_SOP_VERIFICATION:
        return MUR_SERVICE_ECHO;
    case MUR_SOP_STORAGE:
        return MUR_SERVICE_STORE;
    case MUR_SOP_FIND:
        return MUR_SERVICE_FIND;
    case MUR_SOP_MOVE:
        return is_composite_model(abstract_syntax) ? MUR_SERVICE_NONE : MUR_SERVICE_MOVE;
    case MUR_SOP_GET:
        return is_composite_model(abstract_syntax) ? MUR_SERVICE_NONE : MUR_SERVICE_GET;
    case MUR_SOP_COMMITMENT:
        return MUR_SERVICE_COMMITMENT;
    case MUR_SOP_WORKLIST:
    case MUR_SOP_OTHER:
        return MUR_SERVICE_NONE;
    }
    return MUR_SERVICE_NONE;
}

/* ---- transfer syntaxes ---- */

static bool is_native_known(const char *uid)
{
    const struct mur_transfer_syntax *known = mur_transfer_syntax_find(uid);
    return known != NULL && (known->flags & (MUR_TS_DEFLATED | MUR_TS_ENCAPSULATED |
                                             MUR_TS_REFERENCED | MUR_TS_NO_DATA_SET)) == 0;
}

static bool is_storable(const char *uid)
{
    const struct mur_transfer_syntax *known = mur_transfer_syntax_find(uid);
    return known != NULL && (known->flags & MUR_TS_NO_DATA_SET) == 0;
}

/* One that the standard got after this was written. */
static bool is_of_the_future(const char *uid)
{
    return mur_transfer_syntax_find(uid) == NULL && begins_with(uid, TRANSFER_SYNTAX_ROOT) &&
           mur_uid_acceptable(mur_slice_of(uid));
}

static const char *first_that(const struct mur_presentation_context *context,
                              bool (*is_right)(const char *uid))
{
    for (size_t i = 0; i < context->transfer_syntax_count; i++)
        if (is_right(context->transfer_syntaxes[i]))
            return context->transfer_syntaxes[i];
    return NULL;
}

/* How many of the encodings that are stored of a SOP Class we can send in one transfer syntax;
 * those that need no decoding count a little more, and big endian, which is retired, a little less.
 */
static size_t worth(const char *offered, const struct mur_encodings *stored)
{
    bool retired = (mur_transfer_syntax_flags(offered) & MUR_TS_BIG_ENDIAN) != 0;
    size_t sum = 0;
    for (size_t i = 0; i < stored->count; i++)
        if (mur_transfer_syntax_converts(stored->uids[i], offered))
            sum += retired                                 ? MUR_ENCODINGS - 1
                   : strcmp(stored->uids[i], offered) == 0 ? MUR_ENCODINGS + 1
                                                           : MUR_ENCODINGS;
    return sum;
}

/* For a context in which we are to send (C-GET): the one that serves most of what is stored. */
static const char *choose_for_sending(const struct mur_presentation_context *context,
                                      struct mur_archive *archive)
{
    struct mur_encodings stored = {.count = 0};
    struct mur_error reason = MUR_ERROR_INIT;
    if (mur_archive_encodings(&stored, archive, context->abstract_syntax, &reason) != MUR_OK)
        mur_log_warning(MUR_LOG_SCP, "which encodings are stored: %s", reason.message);
    const char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < context->transfer_syntax_count; i++) {
        size_t value = worth(context->transfer_syntaxes[i], &stored);
        if (value > most) {
            most = value;
            best = context->transfer_syntaxes[i];
        }
    }
    /* Nothing is stored yet: native syntaxes will serve most surely. */
    return best != NULL ? best : first_that(context, is_native_known);
}

/* The peer's own order counts, unless we are to send. */
static const char *choose_syntax(const struct mur_presentation_context *context,
                                 enum mur_service service, struct mur_archive *sends_from)
{
    if (service != MUR_SERVICE_STORE)
        return first_that(context, is_native_known);
    const char *chosen = sends_from != NULL ? choose_for_sending(context, sends_from) : NULL;
    if (chosen == NULL)
        chosen = first_that(context, is_storable);
    return chosen != NULL ? chosen : first_that(context, is_of_the_future);
}

/* ---- contexts ---- */

static bool has_right(const struct mur_session *session, enum mur_rights right)
{
    return ((unsigned)session->rights & (unsigned)right) != 0;
}

/* The requestor's role for a storage class: it sends (SCU), receives by C-GET (SCP), or both. */
static bool allowed_role(enum mur_role *out, const struct mur_session *session,
                         enum mur_role proposed)
{
    bool may_send = has_right(session, MUR_RIGHTS_WRITE) && proposed != MUR_ROLE_SCP;
    bool may_receive = has_right(session, MUR_RIGHTS_READ) &&
                       (proposed == MUR_ROLE_SCP || proposed == MUR_ROLE_BOTH);
    *out = may_send && may_receive        ? MUR_ROLE_BOTH
           : may_receive                  ? MUR_ROLE_SCP
           : proposed == MUR_ROLE_DEFAULT ? MUR_ROLE_DEFAULT
                                          : MUR_ROLE_SCU;
    return may_send || may_receive;
}

static bool is_allowed(enum mur_role *role, const struct mur_session *session,
                       const struct mur_presentation_context *context, enum mur_service service)
{
    *role = context->proposed_role == MUR_ROLE_DEFAULT ? MUR_ROLE_DEFAULT : MUR_ROLE_SCU;
    switch (service) {
    case MUR_SERVICE_ECHO:
        return true;
    case MUR_SERVICE_STORE:
        return allowed_role(role, session, context->proposed_role);
    case MUR_SERVICE_FIND:
    case MUR_SERVICE_MOVE:
    case MUR_SERVICE_GET:
        return has_right(session, MUR_RIGHTS_READ);
    case MUR_SERVICE_COMMITMENT:
        return has_right(session, MUR_RIGHTS_WRITE);
    case MUR_SERVICE_NONE:
        break;
    }
    return false;
}

/* PS3.4 C.5.1.1 for C-FIND: byte 1 relational queries, which we always do; byte 2 combined matching
 * of date and time; fuzzy names, adjusted time zones and what was added later are not claimed.
 * C.5.2.1 and C.5.3.1 for C-MOVE and C-GET: byte 1 relational retrieval. */
static enum mur_status answer_extended(struct mur_session *session, const char *abstract_syntax,
                                       enum mur_service service, struct mur_error *error)
{
    const uint8_t *asked = NULL;
    size_t length = 0;
    if (mur_association_get_extended(&asked, &length, session->association, abstract_syntax,
                                     NULL) != MUR_OK)
        return MUR_OK;
    uint8_t answer[8] = {0};
    if (length > sizeof(answer))
        length = sizeof(answer);
    if (length == 0)
        return MUR_OK;
    answer[0] = asked[0] == 1;
    if (service == MUR_SERVICE_FIND && length > 1)
        answer[1] = asked[1] == 1;
    return mur_association_set_extended(session->association, abstract_syntax, answer, length,
                                        error);
}

bool mur_session_combines_datetime(const struct mur_session *session, const char *abstract_syntax)
{
    const uint8_t *asked = NULL;
    size_t length = 0;
    return mur_association_get_extended(&asked, &length, session->association, abstract_syntax,
                                        NULL) == MUR_OK &&
           length > 1 && asked[1] == 1; /* what is asked for is granted, above */
}

struct tally {
    unsigned accepted, not_allowed, unknown_class, unknown_syntax;
};

static enum mur_status decide(struct mur_session *session, struct tally *tally,
                              const struct mur_presentation_context *context,
                              struct mur_error *error)
{
    struct mur_association *association = session->association;
    enum mur_service service = mur_service_of(
        context->abstract_syntax, session->scp->config->dicom_accept_unknown_sop_classes);
    if (service == MUR_SERVICE_NONE) {
        tally->unknown_class++;
        return mur_association_refuse_context(association, context->id,
                                              MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED, error);
    }
    enum mur_role role = MUR_ROLE_DEFAULT;
    if (!is_allowed(&role, session, context, service)) {
        tally->not_allowed++;
        return mur_association_refuse_context(association, context->id, MUR_CONTEXT_USER_REJECTION,
                                              error);
    }
    const char *syntax =
        choose_syntax(context, service, role == MUR_ROLE_SCP ? session->scp->archive : NULL);
    if (syntax == NULL) {
        tally->unknown_syntax++;
        return mur_association_refuse_context(association, context->id,
                                              MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED, error);
    }
    tally->accepted++;
    enum mur_status status = MUR_OK;
    if (service == MUR_SERVICE_FIND || service == MUR_SERVICE_MOVE || service == MUR_SERVICE_GET)
        status = answer_extended(session, context->abstract_syntax, service, error);
    if (status != MUR_OK)
        return status;
    return mur_association_accept_context(association, context->id, syntax, role, error);
}

static void log_refused_contexts(const struct mur_session *session, const struct tally *tally)
{
    if (tally->not_allowed > 0) {
        mur_audit_refusal(session->association, session->name, MUR_AUDIT_NOT_ALLOWED,
                          "presentation contexts that it has no right to");
        mur_log_warning(MUR_LOG_SCP,
                        "%u presentation contexts refused: %s at %s has no right to it (peers, "
                        "dicom.unknown_peers)",
                        tally->not_allowed, mur_association_calling_ae_title(session->association),
                        mur_association_peer_address(session->association));
    }
    if (tally->unknown_class > 0 || tally->unknown_syntax > 0)
        mur_log_info(MUR_LOG_SCP,
                     "presentation contexts refused: %u of SOP Classes and %u of transfer syntaxes "
                     "that are not supported",
                     tally->unknown_class, tally->unknown_syntax);
}

enum mur_status mur_session_negotiate(struct mur_session *session, struct mur_error *error)
{
    struct mur_association *association = session->association;
    const struct mur_config *config = session->scp->config;
    const char *calling = mur_association_calling_ae_title(association);
    const char *called = mur_association_called_ae_title(association);
    const char *address = mur_association_peer_address(association);
    if (config->dicom_check_called_ae_title && strcmp(called, config->node_ae_title) != 0) {
        mur_log_warning(MUR_LOG_SCP,
                        "association from %s at %s rejected: it calls \"%s\", this is \"%s\" "
                        "(dicom.check_called_ae_title)",
                        calling, address, called, config->node_ae_title);
        mur_audit_refusal(association, session->name, MUR_AUDIT_NOT_AUTHENTICATED,
                          "association rejected: it calls another AE title");
        mur_association_reject(association, 1, 1, 7);
        return MUR_DENIED;
    }
    struct mur_access access = mur_access_of(config, calling, address);
    session->rights = access.rights;
    if (access.remark != NULL)
        mur_log_warning(MUR_LOG_SCP, "%s at %s has the rights of unknown peers: %s", calling,
                        address, access.remark);
    struct tally tally = {0};
    struct mur_presentation_context context;
    for (size_t i = 0; mur_association_get_context(&context, association, i); i++) {
        enum mur_status status = decide(session, &tally, &context, error);
        if (status != MUR_OK)
            return status;
    }
    log_refused_contexts(session, &tally);
    enum mur_status status = mur_association_acknowledge(association, session->timeout_ms, error);
    if (status != MUR_OK)
        return status;
    const char *security = mur_association_security(association);
    mur_log_info(MUR_LOG_SCP, "association from %s at %s port %u to %s: %u of %zu contexts, %s%s%s",
                 calling, address, mur_association_peer_port(association), called, tally.accepted,
                 mur_association_context_count(association),
                 mur_association_peer_implementation(association), security[0] != '\0' ? ", " : "",
                 security);
    return MUR_OK;
}
