/**
 * TLS over one connection that does not block: each call does what can be done at once and says
 * what to wait for. Internal to dicom/; dicom/stream.h does the waiting.
 * Threads: one at a time per session.
 */
#ifndef MUR_DICOM_TLS_SESSION_H
#define MUR_DICOM_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "dicom/tls.h"

/** OpenSSL's own, so that its headers stay in dicom/tls*.c. */
struct ssl_ctx_st;
/** One reference more to what is in force now; the caller's to free. */
struct ssl_ctx_st *mur_tls_context(struct mur_tls *tls);
enum mur_tls_verify mur_tls_verifies(const struct mur_tls *tls);
bool mur_tls_checks_host(const struct mur_tls *tls);

enum { MUR_TLS_RECORD = 16384 }; /**< bytes of plain text in a record, at most */

struct mur_tls_session;

enum mur_tls_step {
    MUR_TLS_DONE,
    MUR_TLS_WANTS_READ,  /**< call again when the descriptor is readable */
    MUR_TLS_WANTS_WRITE, /**< likewise, writable */
    MUR_TLS_ENDED,       /**< by the peer or by an error: mur_tls_session_reason() */
};

/** @param descriptor  borrowed @param host  whom we call; NULL: we are called */
MUR_NODISCARD
enum mur_status mur_tls_session_create(struct mur_tls_session **out, struct mur_tls *tls,
                                       int descriptor, const char *host, struct mur_error *error);
void mur_tls_session_free(struct mur_tls_session *session);

enum mur_tls_step mur_tls_handshake(struct mur_tls_session *session);
enum mur_tls_step mur_tls_read(size_t *count, struct mur_tls_session *session, void *bytes,
                               size_t capacity);
/** Whether a byte could be read. */
enum mur_tls_step mur_tls_peek(struct mur_tls_session *session);
/** Bytes that the system knows nothing of any more; some may be of no use yet. */
bool mur_tls_has_buffered(const struct mur_tls_session *session);
/** All of it, or nothing to speak of: after MUR_TLS_WANTS_* the call is to be repeated. */
enum mur_tls_step mur_tls_write(struct mur_tls_session *session, const void *bytes, size_t length);
/** Room for MUR_TLS_RECORD bytes, where pieces may be put together for writing. */
uint8_t *mur_tls_record(struct mur_tls_session *session);
/** Tells the peer that nothing more comes, if that can be done at once. */
void mur_tls_farewell(struct mur_tls_session *session);

bool mur_tls_is_established(const struct mur_tls_session *session);
/** Why it ended, without a full stop; "" when the peer just closed. */
const char *mur_tls_session_reason(const struct mur_tls_session *session);
/** "TLSv1.3, TLS_AES_256_GCM_SHA384, CN=SCANNER"; the last part only if the peer showed a
 * certificate. "" before the handshake's end. */
const char *mur_tls_session_description(const struct mur_tls_session *session);

#endif
