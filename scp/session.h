/** One association and the server around it. Internal to scp/. */
#ifndef MUR_SCP_SESSION_H
#define MUR_SCP_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive/archive.h"
#include "core/config.h"
#include "core/error.h"
#include "core/last_thread.h"
#include "core/log.h"
#include "dicom/association.h"
#include "dicom/command.h"
#include "dicom/listener.h"
#include "dicom/message.h"
#include "scp/identifier.h"

struct mur_session;

/** A port, with the thread that waits there. */
struct mur_door {
    struct mur_scp *scp;           /* borrowed */
    struct mur_listener *listener; /* NULL: there is none */
    pthread_t thread;
    bool open; /* there is the thread */
};
enum { MUR_DOOR_PLAIN, MUR_DOOR_TLS, MUR_DOOR_COUNT };

struct mur_scp {
    const struct mur_config *config; /* borrowed */
    struct mur_archive *archive;     /* borrowed */
    struct mur_tls *tls;             /* NULL: nobody is to be met by TLS */
    struct mur_door doors[MUR_DOOR_COUNT];
    bool started, joined;
    int stop_event;        /* eventfd: readable when the server stops */
    int hurry;             /* by __atomic builtins: end long operations with what they have done */
    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t session_ended;
    struct mur_session *sessions;
    unsigned session_count;
    struct mur_last_thread last_session;
    uint64_t session_number;
    pthread_t reporter;
    bool reporter_started;
    bool stopping;
    bool report_wanted;
    pthread_cond_t reporter_woken;
    struct mur_association *report; /* that is being made; borrowed */
    pthread_cond_t memory_released;
    uint64_t transcoding; /* bytes that decoding takes now */
    uint64_t gathered;    /* bytes of long requests, of all sessions */
};

/** What an operation was, for the line at the end of an association. */
enum mur_operation {
    MUR_OPERATION_ECHO,
    MUR_OPERATION_STORE,
    MUR_OPERATION_FIND,
    MUR_OPERATION_MOVE,
    MUR_OPERATION_GET,
    MUR_OPERATION_COMMIT,
    MUR_OPERATION_COUNT
};

struct mur_session {
    struct mur_scp *scp;
    struct mur_association *association; /* owned */
    struct mur_association *outgoing;    /* of a C-MOVE; borrowed; changed under scp->mutex */
    struct mur_session *next, *previous;
    char name[MUR_LOG_ASSOCIATION_SIZE]; /* "A17" */
    enum mur_rights rights;
    int timeout_ms;    /* for each step of a peer */
    uint64_t gathered; /* of scp->gathered; until the request has been answered */
    unsigned done[MUR_OPERATION_COUNT], refused;
    /* Of C-STORE, since the last line of audit. */
    unsigned asked, stored;
    char (*studies)[MUR_UID_TEXT_SIZE]; /* owned */
    size_t study_count;
};

/** The request under way. */
struct mur_request {
    struct mur_command command;
    struct mur_presentation_context context;
};

/** What a presentation context is for. */
enum mur_service {
    MUR_SERVICE_NONE,
    MUR_SERVICE_ECHO,
    MUR_SERVICE_STORE,
    MUR_SERVICE_FIND,
    MUR_SERVICE_MOVE,
    MUR_SERVICE_GET,
    MUR_SERVICE_COMMITMENT,
};

/* ---- negotiate.c ---- */

/** NONE if it is neither known nor, where @p accept_unknown, to be taken for a storage class. */
enum mur_service mur_service_of(const char *abstract_syntax, bool accept_unknown);
/** Decides on all contexts and answers the association, or rejects it. */
MUR_NODISCARD
enum mur_status mur_session_negotiate(struct mur_session *session, struct mur_error *error);

/** Whether combined date-time matching was negotiated for a C-FIND model (PS3.4 C.5.1.1). */
bool mur_session_combines_datetime(const struct mur_session *session, const char *abstract_syntax);

/* ---- session.c ---- */

/** Serves an association from its request to its end; frees nothing. */
void mur_session_serve(struct mur_session *session);
bool mur_session_must_hurry(const struct mur_session *session);
/** Makes the association of a C-MOVE known, so that it can be interrupted; NULL before it is freed.
 */
void mur_session_set_outgoing(struct mur_session *session, struct mur_association *outgoing);

/**
 * Answers with a status other than success: Error Comment and one line in the log, both @p why.
 * @return other than MUR_OK: the association is over
 */
MUR_NODISCARD
enum mur_status mur_session_refuse(struct mur_session *session, const struct mur_request *request,
                                   uint16_t status, const char *why, struct mur_error *error);
/** Likewise with what one of our own calls returned. The log has all of @p reason; the peer is not
 * told of our files and disks. */
MUR_NODISCARD
enum mur_status mur_session_fail(struct mur_session *session, const struct mur_request *request,
                                 const struct mur_error *reason, struct mur_error *error);
/** The line in the log alone, for responses that carry more than a status. */
void mur_session_log_refusal(struct mur_session *session, const struct mur_request *request,
                             uint16_t status, const char *why);
/** What a peer is told about an error of ours; borrowed from @p reason. */
const char *mur_session_comment(const struct mur_error *reason);

/**
 * Reads the identifier of a C-FIND, C-MOVE or C-GET.
 * @param[out] reason  why it is of no use, where its status is not MUR_OK; the request is not
 *         answered
 * @return other than MUR_OK: the association is over
 */
MUR_NODISCARD
enum mur_status mur_session_read_identifier(struct mur_identifier *out, struct mur_session *session,
                                            const struct mur_request *request,
                                            struct mur_error *reason, struct mur_error *error);

/** What a status of ours is to a peer, of C-STORE (PS3.4 B.2.3), C-FIND (C.4.1.1.4), C-MOVE and
 * C-GET (C.4.2.1.5, C.4.3.1.4). */
uint16_t mur_dimse_status(enum mur_service service, enum mur_status status);

/* ---- gather.c ---- */

/**
 * Reads the Data Set of a request as a whole. The memory for long ones is limited, for all
 * associations together, and this one's share counted until mur_session_forget_gathered().
 * @param[out] out  the caller's
 * @param[out] reason  why there is none, where its status is not MUR_OK: MUR_LIMIT longer than
 *         MUR_IDENTIFIER_LIMIT; MUR_BUSY too many long ones at once; MUR_NO_MEMORY
 * @return other than MUR_OK: the association is over
 */
MUR_NODISCARD
enum mur_status mur_session_gather(struct mur_buffer *out, struct mur_session *session,
                                   const struct mur_request *request, struct mur_error *reason,
                                   struct mur_error *error);
void mur_session_forget_gathered(struct mur_session *session);

/* ---- reporter.c ---- */

/** The thread that tells peers of commitments; ends when scp->stopping is set and it was woken. */
void *mur_scp_reporter(void *scp);
/** There is a new one to tell. */
void mur_scp_wake_reporter(struct mur_scp *scp);

/* ---- echo.c, store.c, find.c, move.c, get.c, commitment.c: one request each ---- */

/* Each reads the request's Data Set, if it has one, and answers. @return other than MUR_OK: the
 * association is over */
MUR_NODISCARD
enum mur_status mur_session_echo(struct mur_session *session, const struct mur_request *request,
                                 struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_session_store(struct mur_session *session, const struct mur_request *request,
                                  struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_session_find(struct mur_session *session, const struct mur_request *request,
                                 struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_session_move(struct mur_session *session, const struct mur_request *request,
                                 struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_session_get(struct mur_session *session, const struct mur_request *request,
                                struct mur_error *error);

MUR_NODISCARD
enum mur_status mur_session_commit(struct mur_session *session, const struct mur_request *request,
                                   struct mur_error *error);

#endif
