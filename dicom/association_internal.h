/** What associations are made of, and how the listener makes them. Internal to dicom/. */
#ifndef MUR_DICOM_ASSOCIATION_INTERNAL_H
#define MUR_DICOM_ASSOCIATION_INTERNAL_H

#include <sys/socket.h>

#include "core/buffer.h"
#include "dicom/association.h"
#include "dicom/negotiation.h"
#include "dicom/pdu.h"
#include "dicom/stream.h"

enum { MUR_PEER_ADDRESS_SIZE = 64 };

struct mur_association {
    struct mur_stream stream;
    struct mur_negotiated *negotiated; /* owned */
    bool up;                           /* acknowledged */
    enum mur_association_end end;
    char peer_address[MUR_PEER_ADDRESS_SIZE];
    uint16_t peer_port;
    uint32_t max_pdu;                               /* what we announced */
    struct mur_presentation_context *accepted[256]; /* by identifier; into negotiated */

    /* What was received: [start, stop) are bytes not used up; of the P-DATA-TF at start,
     * [pdv_at, pdv_stop) are the PDVs not yet handed out. */
    uint8_t *buffer;
    size_t start, stop, pdv_at, pdv_stop;
};

/** A peer's address in numbers; an IPv4 address mapped into IPv6 is written as IPv4. */
void mur_format_address(char *out, size_t size, uint16_t *port, const struct sockaddr *address);

/** Appends the P-DATA-TF PDUs of one PDV, cut as the peer's maximum demands. */
MUR_NODISCARD
enum mur_status mur_association_append_pdus(struct mur_buffer *out,
                                            const struct mur_association *association,
                                            const struct mur_pdv *pdv, struct mur_error *error);
/** Writes whole PDUs; the rest as mur_association_write(). */
MUR_NODISCARD
enum mur_status mur_association_write_pdus(struct mur_association *association, const void *bytes,
                                           size_t length, int timeout_ms, struct mur_error *error);

/** Sends a PDU of ten bytes, without waiting long for a peer that does not listen; the result
 * may be ignored where nothing follows it.
 * @param second,third,fourth  of its last four bytes (PS3.8 9.3.4, 9.3.6 to 9.3.8) */
enum mur_status mur_association_send_control(struct mur_association *association,
                                             enum mur_pdu_type type, uint8_t second, uint8_t third,
                                             uint8_t fourth, struct mur_error *error);
/** Sends an A-ABORT and closes the connection; the caller sets the end. */
void mur_association_send_abort(struct mur_association *association, uint8_t source,
                                uint8_t reason);

/** Sends an A-ABORT as service provider, if the connection takes it at once. */
void mur_abort_connection(struct mur_stream *stream, uint8_t reason);

/**
 * An association from an A-ASSOCIATE-RQ that is there as a whole; checks it.
 * @param[in,out] stream  taken (and MUR_STREAM_NONE left behind) on success
 * @retval MUR_PARSE, MUR_LIMIT  the request is malformed; the peer was told by an A-ABORT
 */
MUR_NODISCARD
enum mur_status mur_association_receive(struct mur_association **out, struct mur_stream *stream,
                                        const uint8_t *request, size_t length,
                                        const struct sockaddr *peer, uint32_t max_pdu,
                                        struct mur_error *error);

#endif
