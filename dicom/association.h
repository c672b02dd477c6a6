/**
 * Associations (PS3.8): negotiation, P-DATA-TF, release and abort. DCMTK's dcmnet reads and answers
 * the requests of others; all other PDUs are read and written here, over a stream that may be TLS.
 *
 * Threads: one at a time per association, except mur_association_interrupt(). Times are in
 * milliseconds; a timeout covers the whole call, however slowly bytes come in.
 */
#ifndef MUR_DICOM_ASSOCIATION_H
#define MUR_DICOM_ASSOCIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/tls.h"

struct mur_association;

enum {
    MUR_MAX_PRESENTATION_CONTEXTS = 128, /**< odd identifiers 1 to 255, PS3.8 9.3.2.2 */
    MUR_MAX_PDU_DEFAULT = 131072,        /**< what we announce: the largest dcmnet allows */
    MUR_EXTENDED_LIMIT = 64,             /**< bytes of an extended negotiation of ours */
    MUR_MIN_PEER_PDU = 128,              /**< a peer that can take less is not worth talking to */
};

/** PS3.8 9.3.3.2 */
enum mur_context_result {
    MUR_CONTEXT_ACCEPTED = 0,
    MUR_CONTEXT_USER_REJECTION = 1,
    MUR_CONTEXT_NO_REASON = 2,
    MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED = 3,
    MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED = 4,
};

/** What the association's requestor may be for an abstract syntax (PS3.7 D.3.3.4). */
enum mur_role {
    MUR_ROLE_DEFAULT, /**< nothing said: requestor is SCU */
    MUR_ROLE_SCU,
    MUR_ROLE_SCP, /**< C-GET: the requestor receives C-STORE */
    MUR_ROLE_BOTH,
};

struct mur_presentation_context {
    uint8_t id;
    const char *abstract_syntax;          /**< UID; borrowed from the association */
    const char *const *transfer_syntaxes; /**< UIDs as proposed, in the requestor's order */
    size_t transfer_syntax_count;         /**< at least 1 */
    enum mur_role proposed_role;          /**< acceptor: what was asked for */
    enum mur_role accepted_role;          /**< valid once acknowledged */
    enum mur_context_result result;       /**< MUR_CONTEXT_NO_REASON until decided */
    const char *accepted_transfer_syntax; /**< NULL unless result is MUR_CONTEXT_ACCEPTED */
};

/** How an association came to its end. */
enum mur_association_end {
    MUR_END_NONE,              /**< it is up */
    MUR_END_RELEASE_REQUESTED, /**< the peer asks; answer by mur_association_confirm_release() */
    MUR_END_RELEASED,
    MUR_END_ABORTED_BY_PEER,
    MUR_END_CONNECTION_LOST,
    MUR_END_PROTOCOL_ERROR, /**< the peer sent nonsense; A-ABORT was sent */
    MUR_END_ABORTED_BY_US,
};

/** One presentation data value (PS3.8 9.3.5.1) */
struct mur_pdv {
    const uint8_t *data;
    size_t length;
    uint8_t context_id;
    bool is_command;
    bool is_last; /**< last fragment of the command set or Data Set */
};

/* ---- once per process ---- */

/** Prepares dcmnet: no reverse look-ups, no Nagle, no listen socket. May be called again. Threads:
 * call it before the first thread is started (it sets environment variables). */
MUR_NODISCARD
enum mur_status mur_network_init(struct mur_error *error);

/* ---- both sides ---- */

/** Closes the connection, without a word if it is still up; accepts NULL. */
void mur_association_free(struct mur_association *association);
MUR_DEFINE_AUTO(mur_association, mur_association_free)

/** Without padding; borrowed from the association. */
const char *mur_association_calling_ae_title(const struct mur_association *association);
const char *mur_association_called_ae_title(const struct mur_association *association);
/** Application Context Name of the request (PS3.7 A.2.1); acceptor only; borrowed. */
const char *mur_association_application_context(const struct mur_association *association);
/** Numeric IPv4 or IPv6 address of the peer; an IPv4 address is written as such even when it came
 * in by an IPv6 socket; borrowed. */
const char *mur_association_peer_address(const struct mur_association *association);
uint16_t mur_association_peer_port(const struct mur_association *association);
/** By which TLS: "TLSv1.3, TLS_AES_256_GCM_SHA384, CN=SCANNER", the last part being the name in the
 * peer's certificate if it showed one; "" without TLS; borrowed. */
const char *mur_association_security(const struct mur_association *association);
/** Implementation Version Name the peer gave, or ""; borrowed. */
const char *mur_association_peer_implementation(const struct mur_association *association);
/** Largest P-DATA-TF the peer takes, in bytes after the PDU's head; 0 = no limit (PS3.8 D.1). */
uint32_t mur_association_peer_max_pdu(const struct mur_association *association);

size_t mur_association_context_count(const struct mur_association *association);
/** The @p index-th context in the order proposed; strings borrowed from the association. @return
 * false when out of range */
bool mur_association_get_context(struct mur_presentation_context *out,
                                 const struct mur_association *association, size_t index);
/** The accepted context of this identifier; @return false when there is none: a peer that uses it
 * breaks the protocol */
bool mur_association_find_accepted(struct mur_presentation_context *out,
                                   const struct mur_association *association, uint8_t id);
/** The first accepted context for the abstract syntax, and for the transfer syntax unless that is
 * NULL. */
bool mur_association_find_context_for(struct mur_presentation_context *out,
                                      const struct mur_association *association,
                                      const char *abstract_syntax, const char *transfer_syntax);

/**
 * SOP Class Extended Negotiation (PS3.7 D.3.3.5): the service-class application information
 * proposed for @p abstract_syntax, e.g. PS3.4 C.5.1.1 (byte 1: relational queries); for the
 * requestor, what the peer answered.
 * @param[out] out  borrowed from the association
 * @retval MUR_NOT_FOUND  none
 */
MUR_NODISCARD
enum mur_status mur_association_get_extended(const uint8_t **out, size_t *length,
                                             const struct mur_association *association,
                                             const char *abstract_syntax, struct mur_error *error);

/* ---- acceptor: between mur_listener_next() and mur_association_acknowledge() ---- */

/** Accepts a context with one of its transfer syntaxes. @p role: MUR_ROLE_DEFAULT, or what was
 * proposed or less. @retval MUR_INVALID unknown context or transfer syntax not proposed */
MUR_NODISCARD
enum mur_status mur_association_accept_context(struct mur_association *association, uint8_t id,
                                               const char *transfer_syntax, enum mur_role role,
                                               struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_association_refuse_context(struct mur_association *association, uint8_t id,
                                               enum mur_context_result result,
                                               struct mur_error *error);
/** Answers a proposed extended negotiation item; at most 64 bytes. */
MUR_NODISCARD
enum mur_status mur_association_set_extended(struct mur_association *association,
                                             const char *abstract_syntax, const uint8_t *bytes,
                                             size_t length, struct mur_error *error);
/** Sends the A-ASSOCIATE-AC. Contexts nobody decided on are refused without reason.
 * @retval MUR_LIMIT  the peer's maximum PDU is below MUR_MIN_PEER_PDU: it was aborted */
MUR_NODISCARD
enum mur_status mur_association_acknowledge(struct mur_association *association, int timeout_ms,
                                            struct mur_error *error);
/** Sends the A-ASSOCIATE-RJ (PS3.8 9.3.4: result 1 permanent, 2 transient; source 1 user, 2 ACSE,
 * 3 presentation; e.g. 2/3/2 local limit exceeded, 1/1/7 called AE title) and ends the association.
 */
void mur_association_reject(struct mur_association *association, uint8_t result, uint8_t source,
                            uint8_t reason);

/* ---- requestor ---- */

struct mur_context_proposal {
    const char *abstract_syntax;
    const char *const *transfer_syntaxes;
    size_t transfer_syntax_count;
    enum mur_role role;
};

/** SOP Class Extended Negotiation (PS3.7 D.3.3.5): what the peer answers to it tells
 * mur_association_get_extended(). */
struct mur_extended_proposal {
    const char *abstract_syntax; /**< of one of the contexts; each once */
    const uint8_t *bytes;        /**< service-class application information */
    size_t length;               /**< at most MUR_EXTENDED_LIMIT */
};

struct mur_association_options {
    const char *host; /**< name or numeric address */
    uint16_t port;
    const char *calling_ae_title; /**< 1 to 16 characters */
    const char *called_ae_title;
    const struct mur_context_proposal *contexts;  /**< get the identifiers 1, 3, 5 ... */
    size_t context_count;                         /**< 1 to MUR_MAX_PRESENTATION_CONTEXTS */
    const struct mur_extended_proposal *extended; /**< or NULL */
    size_t extended_count;
    struct mur_tls *tls;           /**< borrowed for the call; NULL: plain */
    int connect_timeout_ms;        /**< for each address of the host; 0 = timeout_ms */
    int timeout_ms;                /**< for agreeing on TLS, and for the answer */
    bool (*cancelled)(void *user); /**< asked now and then while waiting; or NULL */
    void *user;
};

/**
 * Connects over IPv4 or IPv6, whichever of the host's addresses answers first in their order,
 * proposes and waits for the answer. Contexts may have been refused: see
 * mur_association_find_context_for().
 * @retval MUR_DENIED   the peer rejected; the message says why in words
 * @retval MUR_NOT_FOUND  no such host
 * @retval MUR_CANCELLED  by options->cancelled
 * @retval MUR_PARSE  what comes is no answer; or no TLS could be agreed on, and the message says
 * why
 * @retval MUR_IO, MUR_TIMEOUT, MUR_CLOSED
 */
MUR_NODISCARD
enum mur_status mur_association_request(struct mur_association **out,
                                        const struct mur_association_options *options,
                                        struct mur_error *error);

/** A-RELEASE and wait for its confirmation (data that come meanwhile are dropped). The association
 * is over, whatever is returned. */
MUR_NODISCARD
enum mur_status mur_association_release(struct mur_association *association, int timeout_ms,
                                        struct mur_error *error);

/* ---- while it is up ---- */

/**
 * The next PDV. Its bytes are borrowed until the next call for this association.
 * @retval MUR_CLOSED     see mur_association_end()
 * @retval MUR_TIMEOUT    no whole PDU within @p timeout_ms; what came of it is kept
 * @retval MUR_PARSE      malformed PDU: A-ABORT was sent, the association is over
 * @retval MUR_CANCELLED  mur_association_interrupt()
 */
MUR_NODISCARD
enum mur_status mur_association_read_pdv(struct mur_pdv *out, struct mur_association *association,
                                         int timeout_ms, struct mur_error *error);

/** Whether something is there to be read (a PDV, a release, the end); waits at most @p timeout_ms.
 */
bool mur_association_data_waiting(struct mur_association *association, int timeout_ms);

/**
 * Waits until something is there to be read.
 * @param wake_fd  becomes readable to end the wait (an eventfd, say); -1 for none
 * @retval MUR_OK, MUR_TIMEOUT, MUR_CANCELLED (woken)
 */
MUR_NODISCARD
enum mur_status mur_association_wait(struct mur_association *association, int wake_fd,
                                     int timeout_ms, struct mur_error *error);

/**
 * Writes PDVs, each of any length, cut into P-DATA-TF PDUs as the peer's maximum demands (one PDV
 * a PDU), with as few system calls as can be. "is_last" goes to the last piece of each.
 * @retval MUR_CLOSED, MUR_TIMEOUT: the association is over
 */
MUR_NODISCARD
enum mur_status mur_association_write(struct mur_association *association,
                                      const struct mur_pdv *pdvs, size_t count, int timeout_ms,
                                      struct mur_error *error);

enum mur_association_end mur_association_end(const struct mur_association *association);
/** "released", "aborted by peer" ...; for log lines. */
const char *mur_association_end_name(enum mur_association_end end);

/** Sends A-RELEASE-RP after MUR_END_RELEASE_REQUESTED. */
void mur_association_confirm_release(struct mur_association *association);
/** Sends A-ABORT (as service user) if the association is up; it is over then. */
void mur_association_abort(struct mur_association *association);
/** Any thread, while the association exists: reading and writing fail with MUR_CANCELLED from now
 * on, at once if they are waiting. */
void mur_association_interrupt(struct mur_association *association);

#endif
