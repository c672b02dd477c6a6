/**
 * What the client side of every DIMSE service has in common: an association to a peer, times to
 * wait, cancelling, and what an answer means.
 *
 * Threads: one at a time per association; mur_network_init() must have been called before threads
 * that may use these functions are started (the functions call it themselves otherwise).
 */
#ifndef MUR_SCU_CLIENT_H
#define MUR_SCU_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "dicom/association.h"
#include "dicom/command.h"
#include "dicom/data_set.h"
#include "dicom/message.h"
#include "scu/address.h"

enum {
    MUR_CONNECT_MS = 15000,    /**< default of mur_client.connect_ms */
    MUR_ACSE_MS = 30000,       /**< of acse_ms */
    MUR_DIMSE_MS = 600000,     /**< of dimse_ms: a C-MOVE may be silent while it works */
    MUR_ANSWER_LIMIT = 1 << 24 /**< bytes of one answer to a C-FIND, and of a list of UIDs */
};

struct mur_client {
    struct mur_address address;
    struct mur_tls *tls; /**< borrowed; NULL: plain */
    int connect_ms;      /**< for the connection */
    int acse_ms;         /**< for the answers to A-ASSOCIATE and A-RELEASE; -1 = no limit */
    int dimse_ms;        /**< for each message of the peer; -1 = no limit */
    int cancel_fd; /**< an eventfd, say: readable from the moment the user wants to stop; or -1 */
    /** Told of each association that is up: for a log. Called from the thread that uses it. NULL.
     */
    void (*connected)(void *user, const struct mur_association *association);
    void *user;
};

/** The defaults, for @p address. */
struct mur_client mur_client_of(const struct mur_address *address);

/** Whether the user wants to stop. */
bool mur_client_cancelled(const struct mur_client *client);
/** Waits, unless the user wants to stop. @return false when he does */
bool mur_client_sleep(const struct mur_client *client, int milliseconds);

/**
 * Connects and negotiates.
 * @param[in] extended  one to propose; NULL for none
 * @retval MUR_CLOSED   nobody there, or the connection broke: the message says what to look at
 * @retval MUR_DENIED   the peer rejected us
 * @retval MUR_TIMEOUT, MUR_PARSE, MUR_CANCELLED
 */
MUR_NODISCARD
enum mur_status mur_client_connect(struct mur_association **out, const struct mur_client *client,
                                   const struct mur_context_proposal *contexts, size_t count,
                                   const struct mur_extended_proposal *extended,
                                   struct mur_error *error);
/** Releases and frees; what the peer makes of the release is of no consequence. NULL is fine. */
void mur_client_release(struct mur_association *association, const struct mur_client *client);

/** The first accepted context of a SOP Class.
 * @retval MUR_UNSUPPORTED  the peer accepted none; the message says why */
MUR_NODISCARD
enum mur_status mur_client_find_context(struct mur_presentation_context *out,
                                        const struct mur_association *association,
                                        const char *sop_class, struct mur_error *error);

/** Information models of query and retrieve (PS3.4 C.6). */
enum mur_model { MUR_MODEL_STUDY_ROOT, MUR_MODEL_PATIENT_ROOT };

/** How an operation ended: what its last response said. */
struct mur_outcome {
    uint16_t status; /**< (0000,0900) */
    char comment[MUR_ERROR_COMMENT_LENGTH + 1];
    uint32_t offending_element; /**< 0 = none named */
    bool cancelled;             /**< by cancel_fd, or by a limit of ours */
};

/** "refused: out of resources"; for any status (PS3.7 Annex C, PS3.4), never NULL.
 * @param field  of the request: some codes mean other things to other services */
const char *mur_dimse_status_name(uint16_t status, uint16_t field);
/** What to do about it, or "". */
const char *mur_dimse_status_remedy(uint16_t status, uint16_t field);

/** A request and its responses, up to the last one. Lives on the caller's stack. */
struct mur_exchange {
    const struct mur_client *client;         /**< borrowed */
    struct mur_association *association;     /**< borrowed */
    struct mur_presentation_context context; /**< private, as is what follows */
    uint16_t field;
    uint16_t message_id;
    bool cancelled; /**< a C-CANCEL was sent */
};

/**
 * Finds the context for the request's Affected SOP Class and sends the request; Message ID and
 * priority are set here.
 * @param[in] exchange  with client, association and the message_id to use
 * @param[in] identifier  NULL for none
 * @retval MUR_UNSUPPORTED  the peer did not accept the SOP Class; the message says why
 */
MUR_NODISCARD
enum mur_status mur_exchange_begin(struct mur_exchange *exchange, struct mur_command *request,
                                   struct mur_dataset *identifier, struct mur_error *error);

/**
 * The next message. Meanwhile cancel_fd, or mur_exchange_cancel(), makes it send one C-CANCEL-RQ
 * and wait on for what the peer says to it.
 * @param[out] context_id  the message's own; a C-STORE-RQ of a C-GET comes in another
 * @retval MUR_CLOSED, MUR_TIMEOUT, MUR_PARSE  the association is over
 */
MUR_NODISCARD
enum mur_status mur_exchange_next(struct mur_command *out, uint8_t *context_id,
                                  struct mur_exchange *exchange, struct mur_error *error);
/** Sends a C-CANCEL-RQ unless that was done. */
MUR_NODISCARD
enum mur_status mur_exchange_cancel(struct mur_exchange *exchange, struct mur_error *error);
/** Aborts what does not belong here: a response to something else. @return MUR_PARSE */
enum mur_status mur_exchange_breach(struct mur_exchange *exchange, const struct mur_command *got,
                                    struct mur_error *error);
/** Whether it is a response to the exchange's request. */
bool mur_exchange_is_answer(const struct mur_exchange *exchange, const struct mur_command *command);
/** Takes what the last response says. */
void mur_exchange_end(struct mur_outcome *out, const struct mur_exchange *exchange,
                      const struct mur_command *last);

#endif
