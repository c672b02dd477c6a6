/**
 * What was negotiated for an association. Internal to dicom/: an association holds one of these;
 * dicom/bridge/negotiation.cc fills it from the request of a peer, request.c from the answer of
 * one.
 * Threads: one at a time per struct.
 */
#ifndef MUR_DICOM_NEGOTIATION_H
#define MUR_DICOM_NEGOTIATION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/association.h"
#include "dicom/stream.h"
#include "dicom/uid.h"

/** dcmnet's own view, until the A-ASSOCIATE-AC is sent. */
struct mur_dcmnet;

struct mur_extended_negotiation {
    char abstract_syntax[MUR_UID_TEXT_SIZE];
    uint8_t *bytes; /**< owned */
    size_t length;
    uint8_t answer[MUR_EXTENDED_LIMIT];
    size_t answer_length; /**< 0 = not answered */
};

struct mur_pooled_uid {
    uint32_t hash;
    char *uid; /**< owned */
};

struct mur_negotiated {
    char calling_ae_title[17]; /**< printable ASCII, blanks off both ends */
    char called_ae_title[17];
    char application_context[MUR_UID_TEXT_SIZE];
    char peer_implementation[MUR_UID_TEXT_SIZE];
    uint32_t peer_max_pdu;
    struct mur_presentation_context *contexts; /**< texts belong to the pool */
    size_t context_count;
    struct mur_extended_negotiation *extended;
    size_t extended_count;
    struct mur_pooled_uid *pool; /**< each different UID once */
    size_t pool_count;
    struct mur_dcmnet *dcmnet; /**< acceptor, before the acknowledgement; else NULL */
};

void mur_negotiated_free(struct mur_negotiated *negotiated);
MUR_DEFINE_AUTO(mur_negotiated, mur_negotiated_free)

MUR_NODISCARD
enum mur_status mur_negotiated_create(struct mur_negotiated **out, struct mur_error *error);
/** The same text, in the pool. @retval MUR_LIMIT more different UIDs than anybody can mean */
MUR_NODISCARD
enum mur_status mur_negotiated_intern(const char **out, struct mur_negotiated *negotiated,
                                      const char *uid, struct mur_error *error);
/** Appends a context. @p transfer_syntaxes is copied into the pool. */
MUR_NODISCARD
enum mur_status mur_negotiated_add_context(struct mur_negotiated *negotiated, uint8_t id,
                                           const char *abstract_syntax,
                                           const char *const *transfer_syntaxes, size_t count,
                                           enum mur_role proposed, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_negotiated_add_extended(struct mur_negotiated *negotiated,
                                            const char *abstract_syntax, const uint8_t *bytes,
                                            size_t length, struct mur_error *error);
/** An AE title as it came: what is not printable ASCII becomes '?', blanks go. */
void mur_negotiated_set_title(char out[17], const char *title);

/* ---- dicom/bridge/negotiation.cc ---- */

void mur_dcmnet_free(struct mur_dcmnet *dcmnet);

/** Lets dcmnet parse an A-ASSOCIATE-RQ that is there as a whole and was checked.
 * @param stream   the connection, for the answer; borrowed until the acknowledgement
 * @param max_pdu  what we shall announce */
MUR_NODISCARD
enum mur_status mur_dcmnet_receive(struct mur_negotiated **out, const uint8_t *request,
                                   size_t length, struct mur_stream *stream, uint32_t max_pdu,
                                   struct mur_error *error);
/** Sends the A-ASSOCIATE-AC as the contexts' results say, and parts with dcmnet. */
MUR_NODISCARD
enum mur_status mur_dcmnet_acknowledge(struct mur_negotiated *negotiated, int64_t deadline_ms,
                                       struct mur_error *error);
/* ---- request.c ---- */

/**
 * Connects within the time that @p options say.
 * @param[out] descriptor  the caller's, nonblocking
 * @retval MUR_IO, MUR_TIMEOUT  not there: another address of the host may be tried
 * @retval MUR_CANCELLED  by options->cancelled
 */
MUR_NODISCARD
enum mur_status mur_request_connect(int *descriptor, const struct mur_association_options *options,
                                    const struct sockaddr *address, socklen_t length,
                                    struct mur_error *error);
/** Agrees on TLS, if options->tls says so. @retval MUR_CANCELLED, MUR_TIMEOUT, MUR_PARSE */
MUR_NODISCARD
enum mur_status mur_request_secure(struct mur_stream *stream,
                                   const struct mur_association_options *options,
                                   struct mur_error *error);
/** Sends the A-ASSOCIATE-RQ and reads what the peer answers (PS3.8 9.3.2 to 9.3.4). */
MUR_NODISCARD
enum mur_status mur_request_negotiate(struct mur_negotiated **out, struct mur_stream *stream,
                                      const struct mur_association_options *options,
                                      struct mur_error *error);

#endif
