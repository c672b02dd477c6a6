/** How the listener makes associations. Internal to dicom/. */
#ifndef MUR_DICOM_ASSOCIATION_INTERNAL_H
#define MUR_DICOM_ASSOCIATION_INTERNAL_H

#include <sys/socket.h>

#include "core/buffer.h"
#include "dicom/association.h"
#include "dicom/stream.h"

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
