/**
 * Takes a multipart body (RFC 2046 5.1, PS3.18 8.6) apart as its bytes come, in constant memory.
 * Lines end in CRLF; what stands before the first boundary and after the last means nothing.
 * Internal to web/. Threads: one at a time per reader.
 */
#ifndef MUR_WEB_MULTIPART_READER_H
#define MUR_WEB_MULTIPART_READER_H

#include <stddef.h>

#include "core/error.h"
#include "core/own.h"

enum {
    MUR_BOUNDARY_LENGTH = 200,    /**< RFC 2046 5.1.1 has 70; Orthanc, as a client, sends 73 */
    MUR_PART_HEADERS = 16 * 1024, /**< bytes of the headers of one part */
    MUR_MULTIPART_PREAMBLE = 64 * 1024, /**< bytes before the first boundary */
};

struct mur_multipart_reader;

/** What is read. A failure ends the reading and is returned by mur_multipart_reader_write(). */
struct mur_multipart_events {
    /** A part begins. Both are borrowed for the call, and NULL where there is no such header. */
    enum mur_status (*begin)(void *user, const char *content_type, const char *content_encoding,
                             struct mur_error *error);
    enum mur_status (*write)(void *user, const void *bytes, size_t length, struct mur_error *error);
    enum mur_status (*end)(void *user, struct mur_error *error);
};

/** @param events  borrowed. @retval MUR_INVALID  no boundary: empty, too long, or other characters
 * than RFC 2046 5.1.1 allows */
MUR_NODISCARD
enum mur_status mur_multipart_reader_create(struct mur_multipart_reader **out, const char *boundary,
                                            const struct mur_multipart_events *events, void *user,
                                            struct mur_error *error);
void mur_multipart_reader_free(struct mur_multipart_reader *reader);
MUR_DEFINE_AUTO(mur_multipart_reader, mur_multipart_reader_free)

/** @retval MUR_PARSE  malformed; MUR_LIMIT  headers too long; or what an event returned */
MUR_NODISCARD
enum mur_status mur_multipart_reader_write(struct mur_multipart_reader *reader, const void *bytes,
                                           size_t length, struct mur_error *error);
/** The body has ended. @retval MUR_PARSE  before its last boundary */
MUR_NODISCARD
enum mur_status mur_multipart_reader_finish(struct mur_multipart_reader *reader,
                                            struct mur_error *error);

#endif
