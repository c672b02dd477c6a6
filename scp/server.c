/* The listener's thread, the threads of the associations, and how they come to their end. */
#include "scp/scp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "archive/commitment.h"
#include "scp/activation.h"
#include "scp/audit.h"
#include "scp/session.h"

enum {
    STACK_SIZE = 1024 * 1024,
    PENDING_LIMIT = 2048,    /* connections without request */
    PENDING_TLS_LIMIT = 768, /* each takes some 50 kB once it has begun to talk */
    DESCRIPTORS = 16384,     /* that we should like to have */
    AFTER_INTERRUPTION_MS = 5000,
};

/* ---- sessions ---- */

static void session_add(struct mur_scp *scp, struct mur_session *session)
{
    session->next = scp->sessions;
    if (scp->sessions != NULL)
        scp->sessions->previous = session;
    scp->sessions = session;
    scp->session_count++;
}

static void session_remove(struct mur_scp *scp, struct mur_session *session)
{
    *(session->previous != NULL ? &session->previous->next : &scp->sessions) = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
}

static void *session_main(void *argument)
{
    struct mur_session *session = argument;
    struct mur_scp *scp = session->scp;
    mur_log_set_association(session->name);
    mur_session_serve(session);
    /* Out of the list first: what is in it may be interrupted, so must exist. */
    (void)pthread_mutex_lock(&scp->mutex);
    session_remove(scp, session);
    (void)pthread_mutex_unlock(&scp->mutex);
    mur_association_free(session->association);
    free(session->studies);
    free(session);
    /* And counted out last: after that the server may be gone. */
    (void)pthread_mutex_lock(&scp->mutex);
    scp->session_count--;
    struct mur_last_thread before = mur_last_thread_be(&scp->last_session);
    (void)pthread_cond_broadcast(&scp->session_ended);
    (void)pthread_mutex_unlock(&scp->mutex);
    mur_last_thread_join(before);
    return NULL;
}

static int start_thread(struct mur_session *session)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed != 0)
        return failed;
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_t thread;
    failed = pthread_create(&thread, &attributes, session_main, session);
    (void)pthread_attr_destroy(&attributes);
    return failed;
}

/* A transient rejection: the peer may try again (PS3.8 9.3.4). */
static void turn_away(struct mur_association *association, const char *name, const char *why)
{
    mur_log_set_association(name);
    mur_log_warning(MUR_LOG_SCP, "association from %s at %s rejected: %s",
                    mur_association_calling_ae_title(association),
                    mur_association_peer_address(association), why);
    mur_log_set_association(NULL);
    mur_audit_refusal(association, name, MUR_AUDIT_NOT_AUTHENTICATED, why);
    mur_association_reject(association, 2, 3, 2);
    mur_association_free(association);
}

static void begin_session(struct mur_scp *scp, struct mur_association *association)
{
    struct mur_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        turn_away(association, NULL, "out of memory");
        return;
    }
    session->scp = scp;
    session->association = association;
    session->timeout_ms = scp->config->dicom_idle_timeout_s * 1000;
    (void)pthread_mutex_lock(&scp->mutex);
    scp->session_number++;
    (void)snprintf(session->name, sizeof(session->name), "A%llu",
                   (unsigned long long)scp->session_number);
    bool room = scp->session_count < (unsigned)scp->config->dicom_max_associations;
    if (room)
        session_add(scp, session);
    (void)pthread_mutex_unlock(&scp->mutex);
    int failed = room ? start_thread(session) : 0;
    if (room && failed == 0)
        return; /* the thread's now */
    if (room) {
        (void)pthread_mutex_lock(&scp->mutex);
        session_remove(scp, session);
        scp->session_count--;
        (void)pthread_mutex_unlock(&scp->mutex);
    }
    turn_away(association, session->name,
              room ? "no thread can be started"
                   : "dicom.max_associations are being served already");
    free(session);
}

static void *listener_main(void *argument)
{
    const struct mur_door *door = argument;
    for (;;) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_association *association = NULL;
        enum mur_status status = mur_listener_next(&association, door->listener, -1, &error);
        if (status == MUR_OK)
            begin_session(door->scp, association);
        else if (status == MUR_CANCELLED)
            return NULL;
        else if (status == MUR_IO || status == MUR_NO_MEMORY)
            mur_log_error(MUR_LOG_SCP, "%s", error.message);
        else {
            mur_log_warning(MUR_LOG_SCP, "%s", error.message);
            mur_audit_stranger(error.message);
        }
    }
}

/* ---- the server ---- */

/* Idle connections cost one descriptor each, associations a few. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* A node that anybody on the network may write to shall be somebody's decision. */
static enum mur_status check_openness(const struct mur_scp *scp,
                                      const struct mur_listener *listener, struct mur_error *error)
{
    const struct mur_config *config = scp->config;
    if (mur_listener_is_local(listener) || config->peer_count > 0 ||
        config->dicom_unknown_peers == MUR_RIGHTS_NONE)
        return MUR_OK;
    if (!config->dicom_promiscuous)
        return mur_error_set(error, MUR_DENIED,
                             "%s can be reached from outside, no peers are listed, and "
                             "dicom.unknown_peers gives rights to everybody: list peers, or set "
                             "dicom.unknown_peers = \"\", or dicom.promiscuous = true",
                             mur_listener_address(listener));
    mur_log_warning(MUR_LOG_SCP, "everybody who reaches %s port %u has rights (dicom.promiscuous)",
                    mur_listener_address(listener), mur_listener_port(listener));
    return MUR_OK;
}

static struct mur_listener_options listener_options(const struct mur_config *config)
{
    return (struct mur_listener_options){
        .bind_address = config->dicom_bind,
        .port = (uint16_t)config->dicom_port,
        .artim_timeout_ms = config->dicom_artim_timeout_s * 1000,
        .max_pdu = (uint32_t)config->dicom_max_pdu,
        .max_pending = PENDING_LIMIT,
    };
}

static enum mur_status open_plain(struct mur_scp *scp, struct mur_error *error)
{
    struct mur_listener_options options = listener_options(scp->config);
    struct mur_listener **listener = &scp->doors[MUR_DOOR_PLAIN].listener;
    enum mur_status status = mur_activation_socket(&options.inherited, "dicom", true, error);
    if (status == MUR_OK)
        status = mur_listener_create(listener, &options, error);
    if (status == MUR_OK)
        status = check_openness(scp, *listener, error);
    return status;
}

static bool calls_by_tls(const struct mur_config *config)
{
    for (size_t i = 0; i < config->peer_count; i++)
        if (config->peers[i].tls)
            return true;
    return false;
}

static void remark_on_tls(const struct mur_scp *scp)
{
    const char *remark = mur_tls_remark(scp->tls);
    if (remark != NULL)
        mur_log_warning(MUR_LOG_SCP, "TLS: %s", remark);
}

static enum mur_status open_tls(struct mur_scp *scp, struct mur_error *error)
{
    const struct mur_config *config = scp->config;
    struct mur_listener_options options = listener_options(config);
    options.bind_address = config->dicom_tls_bind;
    options.port = (uint16_t)(config->dicom_tls_port > 0 ? config->dicom_tls_port : 0);
    options.max_pending = PENDING_TLS_LIMIT;
    enum mur_status status = mur_activation_socket(&options.inherited, "dicom-tls", false, error);
    if (status != MUR_OK)
        return status;
    bool called = config->dicom_tls_port != 0 || options.inherited > 0;
    if (!called && !calls_by_tls(config))
        return MUR_OK;
    const struct mur_tls_options files = mur_tls_options_of(config);
    struct mur_listener **listener = &scp->doors[MUR_DOOR_TLS].listener;
    status = mur_tls_create(&scp->tls, &files, error);
    options.tls = scp->tls;
    if (status == MUR_OK && called)
        status = mur_listener_create(listener, &options, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "TLS (dicom.tls_...)");
    remark_on_tls(scp);
    /* Who shows a certificate of our authority is not anybody. */
    if (!called || config->dicom_tls_verify_peer == MUR_TLS_VERIFY_REQUIRE)
        return MUR_OK;
    return check_openness(scp, *listener, error);
}

enum mur_status mur_scp_create(struct mur_scp **out, const struct mur_config *config,
                               struct mur_archive *archive, struct mur_error *error)
{
    MUR_AUTO(mur_scp) *scp = calloc(1, sizeof(*scp));
    if (scp == NULL)
        return mur_error_no_memory(error);
    scp->config = config;
    scp->archive = archive;
    (void)pthread_mutex_init(&scp->mutex, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&scp->session_ended, &attributes);
    (void)pthread_cond_init(&scp->memory_released, &attributes);
    (void)pthread_cond_init(&scp->reporter_woken, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    scp->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (scp->stop_event < 0)
        return mur_error_set_errno(error, errno, "preparing to serve");
    raise_descriptor_limit();
    for (size_t i = 0; i < MUR_DOOR_COUNT; i++)
        scp->doors[i].scp = scp;
    enum mur_status status = open_plain(scp, error);
    if (status == MUR_OK)
        status = open_tls(scp, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(scp);
    return MUR_OK;
}

enum mur_status mur_scp_start(struct mur_scp *scp, struct mur_error *error)
{
    enum mur_status status = mur_archive_hasten_commitments(scp->archive, error);
    if (status != MUR_OK)
        return status;
    scp->started = true;
    int failed = 0;
    for (struct mur_door *door = scp->doors; door < scp->doors + MUR_DOOR_COUNT; door++) {
        if (door->listener == NULL)
            continue;
        failed = pthread_create(&door->thread, NULL, listener_main, door);
        if (failed != 0)
            return mur_error_set_errno(error, failed, "starting the listener");
        door->open = true;
    }
    failed = pthread_create(&scp->reporter, NULL, mur_scp_reporter, scp);
    if (failed != 0)
        return mur_error_set_errno(error, failed, "starting the reporter of commitments");
    scp->reporter_started = true;
    mur_audit_service(scp, MUR_AUDIT_STARTED);
    return MUR_OK;
}

const char *mur_scp_address(const struct mur_scp *scp)
{
    return mur_listener_address(scp->doors[MUR_DOOR_PLAIN].listener);
}

uint16_t mur_scp_port(const struct mur_scp *scp)
{
    return mur_listener_port(scp->doors[MUR_DOOR_PLAIN].listener);
}

const char *mur_scp_tls_address(const struct mur_scp *scp)
{
    const struct mur_listener *listener = scp->doors[MUR_DOOR_TLS].listener;
    return listener != NULL ? mur_listener_address(listener) : "";
}

uint16_t mur_scp_tls_port(const struct mur_scp *scp)
{
    const struct mur_listener *listener = scp->doors[MUR_DOOR_TLS].listener;
    return listener != NULL ? mur_listener_port(listener) : 0;
}

enum mur_status mur_scp_reload(struct mur_scp *scp, struct mur_error *error)
{
    enum mur_status status = scp->tls != NULL ? mur_tls_reload(scp->tls, error) : MUR_OK;
    if (status == MUR_OK && scp->tls != NULL)
        remark_on_tls(scp);
    return status;
}

unsigned mur_scp_association_count(struct mur_scp *scp)
{
    (void)pthread_mutex_lock(&scp->mutex);
    unsigned count = scp->session_count;
    (void)pthread_mutex_unlock(&scp->mutex);
    return count;
}

/* With the mutex held; true when all have ended. */
static bool wait_for_sessions(struct mur_scp *scp, int timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (scp->session_count > 0)
        if (pthread_cond_timedwait(&scp->session_ended, &scp->mutex, &until) != 0)
            break;
    return scp->session_count == 0;
}

void mur_scp_stop(struct mur_scp *scp, int grace_ms)
{
    if (!scp->started || scp->joined)
        return;
    for (struct mur_door *door = scp->doors; door < scp->doors + MUR_DOOR_COUNT; door++) {
        if (!door->open)
            continue;
        mur_listener_wake(door->listener);
        (void)pthread_join(door->thread, NULL);
    }
    scp->joined = true;
    uint64_t one = 1;
    (void)!write(scp->stop_event, &one, sizeof(one));
    (void)pthread_mutex_lock(&scp->mutex);
    scp->stopping = true; /* no new report */
    (void)pthread_cond_signal(&scp->reporter_woken);
    if (!wait_for_sessions(scp, grace_ms)) {
        __atomic_store_n(&scp->hurry, 1, __ATOMIC_RELEASE);
        if (!wait_for_sessions(scp, grace_ms > 0 ? 1000 : 0)) {
            mur_log_warning(MUR_LOG_SCP, "%u associations are interrupted", scp->session_count);
            for (struct mur_session *at = scp->sessions; at != NULL; at = at->next) {
                mur_association_interrupt(at->association);
                if (at->outgoing != NULL)
                    mur_association_interrupt(at->outgoing);
            }
            /* Nothing of the network holds them now; the disk may, in a flush that nobody can
             * interrupt. It is waited for without limit: they work in the archive, which is closed
             * after this, and what has been acknowledged must not depend on who loses patience.
             * Who does may kill the process, as systemd will: acknowledged objects survive that. */
            while (!wait_for_sessions(scp, AFTER_INTERRUPTION_MS))
                mur_log_warning(MUR_LOG_SCP, "%u associations have not ended yet",
                                scp->session_count);
        }
    }
    if (scp->report != NULL)
        mur_association_interrupt(scp->report);
    struct mur_last_thread last = scp->last_session;
    (void)pthread_mutex_unlock(&scp->mutex);
    mur_last_thread_join(last);
    if (scp->reporter_started)
        (void)pthread_join(scp->reporter, NULL);
    scp->reporter_started = false;
    mur_audit_service(scp, MUR_AUDIT_STOPPED);
}

void mur_scp_free(struct mur_scp *scp)
{
    if (scp == NULL)
        return;
    mur_scp_stop(scp, 0);
    for (size_t i = 0; i < MUR_DOOR_COUNT; i++)
        mur_listener_free(scp->doors[i].listener);
    mur_tls_free(scp->tls);
    if (scp->stop_event >= 0)
        (void)close(scp->stop_event);
    (void)pthread_cond_destroy(&scp->reporter_woken);
    (void)pthread_cond_destroy(&scp->memory_released);
    (void)pthread_cond_destroy(&scp->session_ended);
    (void)pthread_mutex_destroy(&scp->mutex);
    free(scp);
}
