/** Audit lines of the service (core/audit.h): who asked for what, who got what, who was turned
 * away. Internal to scp/. A line that cannot be written is told in the log. Threads: any. */
#ifndef MUR_SCP_AUDIT_H
#define MUR_SCP_AUDIT_H

#include "core/audit.h"
#include "scp/retrieve.h"
#include "scp/session.h"

/** The service begins or ends. */
void mur_audit_service(const struct mur_scp *scp, enum mur_audit_event event);
/** A connection that never became an association: @p why names it. */
void mur_audit_stranger(const char *why);
/** An association, or part of what it asked for, is refused. @param name  "A17", or NULL */
void mur_audit_refusal(const struct mur_association *association, const char *name,
                       enum mur_audit_event event, const char *why);
/** @param reason  its status alone is told: its message may quote what was looked for */
void mur_audit_find(const struct mur_session *session, const struct mur_identifier *identifier,
                    size_t answers, const struct mur_error *reason);
/** Counts an object that is about to be answered with Success. */
void mur_audit_stored(struct mur_session *session, const char *study);
/** What an association brought since the last such line: at its end, and whenever as many studies
 * as one line names are full. */
void mur_audit_stores(struct mur_session *session);
/** @param event  MUR_AUDIT_BEGIN_TRANSFERRING or MUR_AUDIT_TRANSFERRED
 * @param refusal  why nothing is sent at all; NULL = it is or was */
void mur_audit_retrieval(const struct mur_retrieval *retrieval, enum mur_audit_event event,
                         const char *refusal);

#endif
