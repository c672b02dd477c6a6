/**
 * TLS for associations, by the BCP 195 profile of PS3.15 B.12: TLS 1.2 and 1.3, ciphers with
 * forward secrecy and authenticated encryption (RFC 9325 4.2), no renegotiation, no compression, no
 * resumption. One of these serves both sides: what we accept and what we open.
 *
 * Threads: any.
 */
#ifndef MUR_DICOM_TLS_H
#define MUR_DICOM_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/error.h"
#include "core/own.h"

struct mur_tls;

struct mur_tls_options {
    const char *certificate; /**< PEM file: ours, then those that lead to its authority; "": none */
    const char *key;         /**< PEM file, without pass phrase; "" if there is no certificate */
    const char *const *authorities; /**< PEM files, or folders hashed by `openssl rehash`, of whose
                                         certificates to trust; empty names do not count */
    size_t authority_count;
    enum mur_tls_verify verify; /**< of who calls us. Whom we call must show a certificate that we
                                     trust, unless this is MUR_TLS_VERIFY_NONE */
    bool check_host;            /**< whom we call must be named in its certificate as we call it */
};

/** What "dicom.tls_..." of the configuration say; borrowed from it. */
struct mur_tls_options mur_tls_options_of(const struct mur_config *config);

/**
 * Reads the files.
 * @param options  not needed after the call
 * @retval MUR_INVALID  a file is missing or no PEM, key and certificate do not belong together, or
 *         nobody is said to trust although certificates are to be verified
 */
MUR_NODISCARD
enum mur_status mur_tls_create(struct mur_tls **out, const struct mur_tls_options *options,
                               struct mur_error *error);
/** Connections that use it live on; accepts NULL. */
void mur_tls_free(struct mur_tls *tls);
MUR_DEFINE_AUTO(mur_tls, mur_tls_free)

/** Whether we can be called: that takes a certificate. */
bool mur_tls_has_certificate(const struct mur_tls *tls);
/** What should be told of the files although they can be used: a private key that others may read,
 * a certificate of ours that is past its time. @return a text that lasts; NULL: nothing */
const char *mur_tls_remark(struct mur_tls *tls);
/** Reads the files again, for connections from now on. On failure all stays as it was. */
MUR_NODISCARD
enum mur_status mur_tls_reload(struct mur_tls *tls, struct mur_error *error);

#endif
