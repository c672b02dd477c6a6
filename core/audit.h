/**
 * Who did what, for those who have to answer for it: the events of PS3.15 A.5 that a node of this
 * kind knows, as one JSON object a line:
 *   {"time":"2026-05-06T07:08:09.123Z","event":"DICOM Instances Transferred","code":"110104",
 *    "outcome":0,"association":"A17","source":{"aeTitle":"MURPACS"},
 *    "destination":{"aeTitle":"VIEWER","address":"192.0.2.10"},"instances":120,
 *    "studies":["1.2.3"]}
 * "outcome" is 0 success, 4 minor, 8 serious failure (RFC 3881 5.1.4). Nothing of a patient but
 * the UIDs of studies is ever written: what was looked for may be a name, so values of keys are
 * not. One line, one write(): lines of several threads never mix.
 *
 * Threads: any, but opening and closing while no other writes.
 */
#ifndef MUR_CORE_AUDIT_H
#define MUR_CORE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/** In the order of PS3.15 A.5.3. */
enum mur_audit_event {
    MUR_AUDIT_STARTED,            /**< Application Activity: Application Start */
    MUR_AUDIT_STOPPED,            /**< Application Activity: Application Stop */
    MUR_AUDIT_BEGIN_TRANSFERRING, /**< Begin Transferring DICOM Instances */
    MUR_AUDIT_ACCESSED,           /**< DICOM Instances Accessed */
    MUR_AUDIT_TRANSFERRED,        /**< DICOM Instances Transferred */
    MUR_AUDIT_QUERY,              /**< Query */
    MUR_AUDIT_NOT_AUTHENTICATED,  /**< Security Alert: Node Authentication */
    MUR_AUDIT_NOT_ALLOWED,        /**< Security Alert: Use of Restricted Function */
};

enum mur_audit_outcome {
    MUR_AUDIT_SUCCESS = 0,
    MUR_AUDIT_MINOR_FAILURE = 4,
    MUR_AUDIT_SERIOUS_FAILURE = 8,
};

/** What is not known is NULL. */
struct mur_audit_party {
    const char *ae_title;
    const char *address;
    const char *user;     /**< that an HTTP client said and proved to be */
    const char *security; /**< by which TLS, with the name in its certificate */
};

struct mur_audit_entry {
    enum mur_audit_event event;
    enum mur_audit_outcome outcome;
    const char *association; /**< "A17", as in the log; or NULL */
    struct mur_audit_party source, destination;
    const char *what;           /**< the service, "C-MOVE"; or NULL */
    const char *level;          /**< of a query; or NULL */
    int64_t answers;            /**< of a query; written for one alone */
    uint64_t instances;         /**< written where objects are concerned */
    const char *const *studies; /**< Study Instance UIDs */
    size_t study_count;
    const char *detail; /**< why it failed; or NULL */
};

/** @param path  a file, which is made 0640 and appended to; "-" for stderr; "" for nowhere
 * @retval MUR_DENIED, MUR_IO, MUR_NOT_FOUND */
MUR_NODISCARD
enum mur_status mur_audit_open(const char *path, struct mur_error *error);
/** Opens the file anew, after it was moved away; lines may be written meanwhile. */
MUR_NODISCARD
enum mur_status mur_audit_reopen(struct mur_error *error);
void mur_audit_close(void);
/** Whether a line would be written: to spare the trouble. */
bool mur_audit_enabled(void);

/** Writes a line, if that is wanted. */
MUR_NODISCARD
enum mur_status mur_audit_write(const struct mur_audit_entry *entry, struct mur_error *error);

#endif
