/** Audit lines of what is asked by HTTP (core/audit.h). Internal to web/. Threads: any. */
#ifndef MUR_WEB_AUDIT_H
#define MUR_WEB_AUDIT_H

#include "core/audit.h"
#include "web/exchange.h"

/** The exchange is over: a search, a retrieval or a request that was not allowed is told of.
 * @param sent  the whole answer was */
void mur_web_audit(const struct mur_exchange *exchange, bool sent);
void mur_web_audit_refusal(const struct mur_exchange *exchange, enum mur_audit_event event);
/** @param studies  of those stored, each once where they come together; NULL when @p count is 0 */
void mur_web_audit_stored(const struct mur_exchange *exchange, uint64_t stored, uint64_t failed,
                          const char *const *studies, size_t count);

#endif
