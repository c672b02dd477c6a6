#include "dicom/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/text.h"
#include "dicom/tls_session.h"

enum { AUTHORITIES_LIMIT = 64, CERTIFICATES_LIMIT = 64 * 1024, SECURITY_BITS_112 = 2 };

/* TLS 1.2: what RFC 9325 4.2 recommends, and ChaCha20 for machines without AES. TLS 1.3 has no
 * others to speak of. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct mur_tls {
    char *certificate, *key; /* owned */
    char *authorities[AUTHORITIES_LIMIT];
    size_t authority_count;
    enum mur_tls_verify verify;
    bool check_host;
    pthread_mutex_t mutex;
    SSL_CTX *context; /* under the mutex */
};

struct mur_tls_options mur_tls_options_of(const struct mur_config *config)
{
    return (struct mur_tls_options){
        .certificate = config->dicom_tls_certificate,
        .key = config->dicom_tls_key,
        .authorities = (const char *const *)&config->dicom_tls_ca,
        .authority_count = 1,
        .verify = config->dicom_tls_verify_peer,
        .check_host = config->dicom_tls_check_host,
    };
}

/* What OpenSSL says last is the most general; the first is what happened. */
static enum mur_status failed(const char *what, const char *path, struct mur_error *error)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (code != 0 && ERR_SYSTEM_ERROR(code))
        (void)mur_error_set_errno(error, ERR_GET_REASON(code), "%s %s", what, path);
    else
        (void)mur_error_set(error, MUR_INVALID, "%s %s: %s", what, path,
                            reason != NULL ? reason : "it cannot be used");
    ERR_clear_error();
    if (error != NULL)
        error->status = MUR_INVALID;
    return MUR_INVALID;
}

/* Nobody is there to be asked for a pass phrase. */
static int no_pass_phrase(char *out, int size, int writing, void *user)
{
    (void)writing;
    (void)user;
    if (size > 0)
        out[0] = '\0';
    return -1;
}

/* OpenSSL would wait for ever for who writes into a FIFO. */
static enum mur_status check_file(const char *what, const char *path, struct mur_error *error)
{
    struct stat details;
    if (stat(path, &details) == 0 && !S_ISREG(details.st_mode))
        return mur_error_set(error, MUR_INVALID, "%s %s: it is no file", what, path);
    return MUR_OK; /* else OpenSSL says what is wrong */
}

static enum mur_status add_authority(SSL_CTX *context, STACK_OF(X509_NAME) * names,
                                     const char *path, struct mur_error *error)
{
    struct stat details;
    if (stat(path, &details) != 0) {
        (void)mur_error_set_errno(error, errno, "certificates to trust: %s", path);
        if (error != NULL)
            error->status = MUR_INVALID;
        return MUR_INVALID;
    }
    if (S_ISDIR(details.st_mode))
        return SSL_CTX_load_verify_dir(context, path) == 1
                   ? MUR_OK
                   : failed("certificates to trust:", path, error);
    enum mur_status status = check_file("certificates to trust:", path, error);
    if (status != MUR_OK)
        return status;
    if (SSL_CTX_load_verify_file(context, path) != 1)
        return failed("certificates to trust:", path, error);
    /* Who has several certificates chooses by this list. */
    (void)SSL_add_file_cert_subjects_to_stack(names, path);
    ERR_clear_error();
    return MUR_OK;
}

static enum mur_status load_identity(SSL_CTX *context, const struct mur_tls *tls,
                                     struct mur_error *error)
{
    enum mur_status status = check_file("certificate", tls->certificate, error);
    if (status == MUR_OK)
        status = check_file("private key", tls->key, error);
    if (status != MUR_OK)
        return status;
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1)
        return failed("certificate", tls->certificate, error);
    if (SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM) != 1)
        return failed("private key", tls->key, error);
    return MUR_OK; /* that they belong together was checked with the key */
}

static void set_profile(SSL_CTX *context)
{
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_security_level(context, SECURITY_BITS_112);
    (void)SSL_CTX_set_cipher_list(context, ciphers);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_num_tickets(context, 0);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_max_cert_list(context, CERTIFICATES_LIMIT);
    SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
}

static enum mur_status load(SSL_CTX **out, const struct mur_tls *tls, struct mur_error *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL)
        return mur_error_no_memory(error);
    set_profile(context);
    enum mur_status status = MUR_OK;
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    if (names == NULL)
        status = mur_error_no_memory(error);
    if (status == MUR_OK && mur_tls_has_certificate(tls))
        status = load_identity(context, tls, error);
    for (size_t i = 0; status == MUR_OK && i < tls->authority_count; i++)
        status = add_authority(context, names, tls->authorities[i], error);
    SSL_CTX_set_client_CA_list(context, names); /* owns it from now on; NULL is fine */
    if (status != MUR_OK) {
        SSL_CTX_free(context);
        return status;
    }
    *out = context;
    return MUR_OK;
}

static enum mur_status take_options(struct mur_tls *tls, const struct mur_tls_options *options,
                                    struct mur_error *error)
{
    tls->verify = options->verify;
    tls->check_host = options->check_host;
    enum mur_status status =
        mur_text_copy(&tls->certificate, mur_slice_of(options->certificate), error);
    if (status == MUR_OK)
        status = mur_text_copy(&tls->key, mur_slice_of(options->key), error);
    for (size_t i = 0; status == MUR_OK && i < options->authority_count; i++) {
        if (options->authorities[i][0] == '\0')
            continue;
        if (tls->authority_count == AUTHORITIES_LIMIT)
            return mur_error_set(error, MUR_INVALID, "more than %d files of certificates to trust",
                                 AUTHORITIES_LIMIT);
        status = mur_text_copy(&tls->authorities[tls->authority_count],
                               mur_slice_of(options->authorities[i]), error);
        if (status == MUR_OK)
            tls->authority_count++;
    }
    if (status != MUR_OK)
        return status;
    if ((tls->certificate[0] == '\0') != (tls->key[0] == '\0'))
        return mur_error_set(error, MUR_INVALID,
                             "a certificate and its private key are needed, not one of them");
    if (tls->verify != MUR_TLS_VERIFY_NONE && tls->authority_count == 0)
        return mur_error_set(error, MUR_INVALID,
                             "certificates are to be verified, but it is not said whose to trust");
    return MUR_OK;
}

enum mur_status mur_tls_create(struct mur_tls **out, const struct mur_tls_options *options,
                               struct mur_error *error)
{
    MUR_AUTO(mur_tls) *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return mur_error_no_memory(error);
    (void)pthread_mutex_init(&tls->mutex, NULL);
    enum mur_status status = take_options(tls, options, error);
    if (status == MUR_OK)
        status = load(&tls->context, tls, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(tls);
    return MUR_OK;
}

void mur_tls_free(struct mur_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    (void)pthread_mutex_destroy(&tls->mutex);
    for (size_t i = 0; i < tls->authority_count; i++)
        free(tls->authorities[i]);
    free(tls->certificate);
    free(tls->key);
    free(tls);
}

bool mur_tls_has_certificate(const struct mur_tls *tls)
{
    return tls->certificate[0] != '\0';
}

const char *mur_tls_remark(struct mur_tls *tls)
{
    struct stat details;
    if (!mur_tls_has_certificate(tls))
        return NULL;
    if (stat(tls->key, &details) == 0 && (details.st_mode & (S_IWGRP | S_IRWXO)) != 0)
        return "the private key (dicom.tls_key) may be read or changed by others: chmod 600";
    SSL_CTX *context = mur_tls_context(tls);
    const X509 *ours = SSL_CTX_get0_certificate(context);
    bool begun = X509_cmp_current_time(X509_get0_notBefore(ours)) < 0;
    bool ended = X509_cmp_current_time(X509_get0_notAfter(ours)) < 0;
    SSL_CTX_free(context);
    return ended ? "our certificate (dicom.tls_certificate) has expired: nobody will trust it"
           : !begun
               ? "our certificate (dicom.tls_certificate) is not valid yet: nobody will trust it"
               : NULL;
}

enum mur_status mur_tls_reload(struct mur_tls *tls, struct mur_error *error)
{
    SSL_CTX *fresh = NULL;
    enum mur_status status = load(&fresh, tls, error);
    if (status != MUR_OK)
        return status;
    (void)pthread_mutex_lock(&tls->mutex);
    SSL_CTX *old = tls->context;
    tls->context = fresh;
    (void)pthread_mutex_unlock(&tls->mutex);
    SSL_CTX_free(old); /* connections hold references of their own */
    return MUR_OK;
}

struct ssl_ctx_st *mur_tls_context(struct mur_tls *tls)
{
    (void)pthread_mutex_lock(&tls->mutex);
    SSL_CTX *context = tls->context;
    (void)SSL_CTX_up_ref(context);
    (void)pthread_mutex_unlock(&tls->mutex);
    return context;
}

enum mur_tls_verify mur_tls_verifies(const struct mur_tls *tls)
{
    return tls->verify;
}

bool mur_tls_checks_host(const struct mur_tls *tls)
{
    return tls->check_host;
}
