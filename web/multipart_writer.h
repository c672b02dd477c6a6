/**
 * Answers of several parts (RFC 2046 5.1, RFC 2387): parts are asked for one after another while
 * they are sent, so that memory stays constant. Internal to web/. Threads: those of the exchange.
 */
#ifndef MUR_WEB_MULTIPART_WRITER_H
#define MUR_WEB_MULTIPART_WRITER_H

#include "web/wado_body.h"

struct mur_part {
    char *type;     /**< malloc'ed; Content-Type */
    char *location; /**< malloc'ed; Content-Location; NULL: none */
    struct mur_body body;
};
void mur_part_free(struct mur_part *part); /**< the content */

struct mur_parts {
    /** @param[out] part  zeroed but for the body's descriptor, which is -1
     * @param[out] found  false: there is no more. A failure breaks the answer off. */
    enum mur_status (*next)(void *user, bool *found, struct mur_part *part,
                            struct mur_error *error);
    void (*free)(void *user);
    void *user;
};

/**
 * The first part is made before the answer begins: when that fails there is no answer yet.
 * @param type  of the parts: "application/dicom"; becomes the parameter "type"
 * @param[in] parts  the answer's on success
 * @retval MUR_NOT_FOUND  there is no part
 */
MUR_NODISCARD
enum mur_status mur_answer_multipart(struct mur_exchange *exchange, unsigned code, const char *type,
                                     const struct mur_parts *parts, struct mur_error *error);

#endif
