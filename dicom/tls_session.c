#include "dicom/tls_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TEXT_SIZE = 256, NAME_SIZE = 160, READ_BUFFER = 65536 };

struct mur_tls_session {
    SSL *ssl;
    int descriptor; /* borrowed */
    bool established, ended, lost;
    char reason[TEXT_SIZE];
    char description[TEXT_SIZE];
    uint8_t record[MUR_TLS_RECORD];
};

/* ---- how OpenSSL reaches the socket: its own way raises SIGPIPE, and takes the end of a stream
 * that we shut down ourselves for an attack, after which nothing could be said any more ---- */

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int outcome(BIO *bio, struct mur_tls_session *session, ssize_t count, bool reading)
{
    BIO_clear_retry_flags(bio);
    if (count > 0)
        return (int)count;
    if (count == 0 && reading)
        session->lost = true;
    else if (errno != EAGAIN && errno != EINTR)
        return -1;
    if (reading)
        BIO_set_retry_read(bio);
    else
        BIO_set_retry_write(bio);
    return -1;
}

static int socket_read(BIO *bio, char *bytes, int capacity)
{
    struct mur_tls_session *session = BIO_get_data(bio);
    return outcome(bio, session, recv(session->descriptor, bytes, (size_t)capacity, 0), true);
}

static int socket_write(BIO *bio, const char *bytes, int length)
{
    struct mur_tls_session *session = BIO_get_data(bio);
    ssize_t count = send(session->descriptor, bytes, (size_t)length, MSG_NOSIGNAL);
    return outcome(bio, session, count, false);
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "association");
    if (made == NULL)
        return;
    (void)BIO_meth_set_read(made, socket_read);
    (void)BIO_meth_set_write(made, socket_write);
    (void)BIO_meth_set_ctrl(made, socket_control);
    method = made; /* as long as the process */
}

static BIO *make_bio(struct mur_tls_session *session)
{
    (void)pthread_once(&method_once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- beginning and end ---- */

static void be_called(SSL *ssl, enum mur_tls_verify verify)
{
    int mode = SSL_VERIFY_NONE;
    switch (verify) {
    case MUR_TLS_VERIFY_NONE:
        break;
    case MUR_TLS_VERIFY_REQUEST:
        mode = SSL_VERIFY_PEER;
        break;
    case MUR_TLS_VERIFY_REQUIRE:
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        break;
    }
    SSL_set_verify(ssl, mode, NULL);
    SSL_set_accept_state(ssl);
}

static bool is_numeric(const char *host)
{
    unsigned char binary[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
}

/* Names go along in the clear (SNI, RFC 6066 3), addresses do not. @return false: no memory */
static bool call(SSL *ssl, const struct mur_tls *tls, const char *host)
{
    bool numeric = is_numeric(host);
    bool verifies = mur_tls_verifies(tls) != MUR_TLS_VERIFY_NONE;
    SSL_set_verify(ssl, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_set_connect_state(ssl);
    if (!numeric && SSL_set_tlsext_host_name(ssl, host) != 1)
        return false;
    if (!verifies || !mur_tls_checks_host(tls))
        return true;
    if (numeric)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1;
}

enum mur_status mur_tls_session_create(struct mur_tls_session **out, struct mur_tls *tls,
                                       int descriptor, const char *host, struct mur_error *error)
{
    struct mur_tls_session *session = malloc(sizeof(*session)); /* the record is not touched yet */
    if (session == NULL)
        return mur_error_no_memory(error);
    SSL_CTX *context = mur_tls_context(tls);
    session->ssl = SSL_new(context);
    SSL_CTX_free(context);
    session->descriptor = descriptor;
    session->established = session->ended = session->lost = false;
    session->reason[0] = session->description[0] = '\0';
    BIO *bio = session->ssl != NULL ? make_bio(session) : NULL;
    if (bio == NULL) {
        mur_tls_session_free(session);
        return mur_error_no_memory(error);
    }
    SSL_set_bio(session->ssl, bio, bio);
    if (host == NULL)
        be_called(session->ssl, mur_tls_verifies(tls));
    else if (!call(session->ssl, tls, host)) {
        mur_tls_session_free(session);
        return mur_error_no_memory(error);
    }
    *out = session;
    return MUR_OK;
}

void mur_tls_session_free(struct mur_tls_session *session)
{
    if (session == NULL)
        return;
    SSL_free(session->ssl);
    free(session);
}

/* ---- steps ---- */

static void note_reason(struct mur_tls_session *session, int number)
{
    long verdict = SSL_get_verify_result(session->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (code != 0 && reason != NULL)
        (void)snprintf(session->reason, sizeof(session->reason), "%s%s%s", reason,
                       verdict != X509_V_OK ? ": " : "",
                       verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "");
    else if (number != 0) {
        struct mur_error error = MUR_ERROR_INIT;
        (void)mur_error_set_errno(&error, number, "the connection failed");
        (void)snprintf(session->reason, sizeof(session->reason), "%.*s", TEXT_SIZE - 1,
                       error.message);
    }
    ERR_clear_error();
}

static enum mur_tls_step end(struct mur_tls_session *session)
{
    session->ended = true;
    return MUR_TLS_ENDED;
}

/* What a call that did not succeed wants. */
static enum mur_tls_step step_of(struct mur_tls_session *session, int returned, int number)
{
    switch (SSL_get_error(session->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return session->lost ? end(session) : MUR_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return MUR_TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN: /* the peer said that nothing more comes */
        return end(session);
    case SSL_ERROR_SYSCALL:
        if (number != ECONNRESET && number != EPIPE)
            note_reason(session, number);
        return end(session);
    default:
        note_reason(session, 0);
        return end(session);
    }
}

static void describe(struct mur_tls_session *session)
{
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    char name[NAME_SIZE] = "";
    if (certificate != NULL) {
        BIO *text = BIO_new(BIO_s_mem());
        if (text != NULL) {
            (void)X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
            int length = BIO_read(text, name, sizeof(name) - 1);
            name[length > 0 ? length : 0] = '\0';
            BIO_free(text);
        }
    }
    (void)snprintf(session->description, sizeof(session->description), "%s, %s%s%s",
                   SSL_get_version(session->ssl), SSL_get_cipher_name(session->ssl),
                   name[0] != '\0' ? ", " : "", name);
}

enum mur_tls_step mur_tls_handshake(struct mur_tls_session *session)
{
    if (session->ended || session->established)
        return session->ended ? MUR_TLS_ENDED : MUR_TLS_DONE;
    ERR_clear_error();
    errno = 0;
    int returned = SSL_do_handshake(session->ssl);
    if (returned != 1)
        return step_of(session, returned, errno);
    session->established = true;
    describe(session);
    /* Several records with one system call, now that the peer is somebody. */
    SSL_set_default_read_buffer_len(session->ssl, READ_BUFFER);
    return MUR_TLS_DONE;
}

enum mur_tls_step mur_tls_read(size_t *count, struct mur_tls_session *session, void *bytes,
                               size_t capacity)
{
    if (session->ended)
        return MUR_TLS_ENDED;
    ERR_clear_error();
    errno = 0;
    int returned = SSL_read_ex(session->ssl, bytes, capacity, count);
    return returned == 1 ? MUR_TLS_DONE : step_of(session, returned, errno);
}

enum mur_tls_step mur_tls_peek(struct mur_tls_session *session)
{
    if (session->ended)
        return MUR_TLS_ENDED;
    ERR_clear_error();
    errno = 0;
    char byte;
    size_t count = 0;
    int returned = SSL_peek_ex(session->ssl, &byte, 1, &count);
    return returned == 1 ? MUR_TLS_DONE : step_of(session, returned, errno);
}

bool mur_tls_has_buffered(const struct mur_tls_session *session)
{
    return SSL_has_pending(session->ssl) == 1;
}

enum mur_tls_step mur_tls_write(struct mur_tls_session *session, const void *bytes, size_t length)
{
    if (session->ended && !session->lost) /* who reads no more may still listen */
        return MUR_TLS_ENDED;
    ERR_clear_error();
    errno = 0;
    size_t count = 0;
    int returned = SSL_write_ex(session->ssl, bytes, length, &count);
    return returned == 1 ? MUR_TLS_DONE : step_of(session, returned, errno);
}

uint8_t *mur_tls_record(struct mur_tls_session *session)
{
    return session->record;
}

void mur_tls_farewell(struct mur_tls_session *session)
{
    if (!session->established || (session->ended && !session->lost))
        return;
    ERR_clear_error();
    (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
}

bool mur_tls_is_established(const struct mur_tls_session *session)
{
    return session->established;
}

const char *mur_tls_session_reason(const struct mur_tls_session *session)
{
    return session->reason;
}

const char *mur_tls_session_description(const struct mur_tls_session *session)
{
    return session->description;
}
