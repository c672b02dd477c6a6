/**
 * One request and its answer. A handler reads the request, calls one mur_answer_...() and adds
 * headers to it; or it returns a failure, which becomes an answer with the message as text.
 * Internal to web/. Threads: an exchange belongs to the thread of its connection.
 */
#ifndef MUR_WEB_EXCHANGE_H
#define MUR_WEB_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "core/buffer.h"
#include "core/config.h"
#include "core/error.h"
#include "core/text.h"

struct MHD_Connection;
struct MHD_Response;
struct mur_exchange;
struct mur_web;

enum {
    MUR_EXCHANGE_PARTS = 8,         /**< variable parts of a path */
    MUR_EXCHANGE_PARAMETERS = 1024, /**< of a query string; more is refused (400) */
    MUR_STREAM_BLOCK = 128 * 1024,
};

/** A parameter of the query string, percent-decoded; borrowed from the exchange. */
struct mur_parameter {
    const char *name;
    struct mur_slice value;
};

/** Takes the body of a request as it comes. Each returns a failure to end the exchange with it; the
 * rest of the body is then not read. */
struct mur_receiver {
    enum mur_status (*begin)(struct mur_exchange *exchange, struct mur_error *error);
    enum mur_status (*write)(struct mur_exchange *exchange, const void *bytes, size_t length,
                             struct mur_error *error);
    void (*free)(
        void *state); /**< of exchange->state; also after failures and broken connections */
};

enum mur_access {
    MUR_ACCESS_OPEN,  /**< anybody: health */
    MUR_ACCESS_READ,  /**< who may see what is stored */
    MUR_ACCESS_WRITE, /**< who may store */
};

/** A row of web/routes.def. */
struct mur_route {
    const char *method;
    const char *path; /**< "{}" stands for one part, a last "*" for the rest */
    enum mur_access access;
    enum mur_status (*handle)(struct mur_exchange *exchange, struct mur_error *error);
    const struct mur_receiver *receiver; /**< NULL: a body is refused */
};

struct mur_exchange {
    struct mur_web *web;
    struct mur_archive *archive;
    const struct mur_config *config;
    const char *method;
    const char *path; /**< decoded; without scheme and host where a client sends them */
    const struct mur_route *route;
    struct mur_slice parts[MUR_EXCHANGE_PARTS]; /**< what stood for "{}" and "*" */
    size_t part_count;
    struct mur_parameter *parameters;
    size_t parameter_count;
    void *state;       /**< the receiver's */
    uint64_t received; /**< bytes of the body */
    uint64_t wasted;   /**< of these, after the answer was known */
    bool torn;         /**< where the request ends is not certain: nothing more is read */
    unsigned code;     /**< of the answer */
    const char *user;  /**< who asks, when they had to say so; the users' (auth.h) */
    uint64_t told;     /**< rows of a search, instances that are sent: for the audit */
    struct MHD_Connection *connection;
    struct MHD_Response *response; /**< NULL: not answered yet */
};

/** A header of the request, or NULL; borrowed. Repeated ones are joined by ", " (RFC 9110 5.3). */
MUR_NODISCARD
enum mur_status mur_exchange_header(char **out, const struct mur_exchange *exchange,
                                    const char *name, struct mur_error *error);
/** @param[out] out  NULL: it is not there. @retval MUR_INVALID  it is there more than once */
MUR_NODISCARD
enum mur_status mur_exchange_parameter(const struct mur_parameter **out,
                                       const struct mur_exchange *exchange, const char *name,
                                       struct mur_error *error);
/** A number from a parameter. @retval MUR_INVALID  not a number in range; names the parameter */
MUR_NODISCARD
enum mur_status mur_exchange_number(uint64_t *out, const struct mur_exchange *exchange,
                                    const char *name, uint64_t absent, uint64_t high,
                                    struct mur_error *error);
/** A variable part of the path as a copy. @retval MUR_INVALID  no UID (PS3.5 9.1) */
MUR_NODISCARD
enum mur_status mur_exchange_uid(char **out, const struct mur_exchange *exchange, size_t part,
                                 struct mur_error *error);

/* ---- answers: one of these for each exchange, then headers --------------------------------- */

/** @param text  copied; with @p type NULL there is none */
MUR_NODISCARD
enum mur_status mur_answer(struct mur_exchange *exchange, unsigned code, const char *type,
                           struct mur_slice text, struct mur_error *error);
/** Hands over what is in @p body, which is empty afterwards. */
MUR_NODISCARD
enum mur_status mur_answer_buffer(struct mur_exchange *exchange, unsigned code, const char *type,
                                  struct mur_buffer *body, struct mur_error *error);
/** Bytes that others use too: not copied. @param release  gives them back when the answer has been
 * sent, also on failure */
MUR_NODISCARD
enum mur_status mur_answer_shared(struct mur_exchange *exchange, unsigned code, const char *type,
                                  struct mur_slice bytes, void (*release)(void *user), void *user,
                                  struct mur_error *error);
/** @p length bytes of a file from @p offset. The descriptor is the answer's, also on failure. */
MUR_NODISCARD
enum mur_status mur_answer_file(struct mur_exchange *exchange, unsigned code, const char *type,
                                int descriptor, uint64_t offset, uint64_t length,
                                struct mur_error *error);

/** Makes a body piece by piece, in the thread of the connection. */
struct mur_stream {
    /** @param[out] length  written to @p bytes, at most @p room; 0 = the end. A failure breaks the
     * connection, so that the receiver sees that something is missing; it is logged. */
    enum mur_status (*read)(void *user, size_t *length, void *bytes, size_t room,
                            struct mur_error *error);
    void (*free)(void *user);
    void *user;
};
/** @param length  of the whole, or -1 when not known. The stream is the answer's on success. */
MUR_NODISCARD
enum mur_status mur_answer_stream(struct mur_exchange *exchange, unsigned code, const char *type,
                                  int64_t length, const struct mur_stream *stream,
                                  struct mur_error *error);
/** Adds a header to the answer; line ends in @p value are refused. */
MUR_NODISCARD
enum mur_status mur_answer_header(struct mur_exchange *exchange, const char *name,
                                  const char *value, struct mur_error *error);

/** "Warning: 299 /dicom-web: TEXT" (PS3.18 8.4.3, RFC 7234 5.5), of printable text. */
MUR_NODISCARD
enum mur_status mur_answer_warning(struct mur_exchange *exchange, struct mur_error *error,
                                   const char *format, ...) MUR_PRINTF(3, 4);

/** The HTTP status that a failure becomes. */
unsigned mur_http_code(enum mur_status status);

#endif
