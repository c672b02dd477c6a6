/**
 * Storage Commitment, Push Model (PS3.4 Annex J), as SCU: asks a peer to be responsible for
 * instances (N-ACTION), and waits for what it says (N-EVENT-REPORT), on the association that asked
 * or on one that the peer opens to us. No thread of its own.
 *
 * Threads: one at a time per list.
 */
#ifndef MUR_SCU_COMMIT_H
#define MUR_SCU_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/progress.h"
#include "dicom/uid.h"
#include "scu/client.h"

enum {
    MUR_COMMIT_REFERENCES = 65536,     /**< in one transaction */
    MUR_COMMIT_WAIT_MS = 300000,       /**< for the report */
    MUR_COMMIT_REPORT_LIMIT = 1 << 24, /**< bytes of a report */
};

enum mur_commit_answer {
    MUR_COMMIT_UNTOLD, /**< the report does not mention it: it is not committed */
    MUR_COMMIT_KEPT,
    MUR_COMMIT_FAILED,
};

struct mur_commit_reference {
    char sop_class[MUR_UID_TEXT_SIZE], sop_instance[MUR_UID_TEXT_SIZE];
    enum mur_commit_answer answer;
    uint16_t failure; /**< Failure Reason (0008,1197), PS3.3 C.14.1.1: by mur_dimse_status_name();
                           0 = none was given */
};

struct mur_commit_list {
    struct mur_commit_reference *references; /**< owned */
    size_t count, capacity;
};

void mur_commit_list_free(struct mur_commit_list *list); /**< the content */
#define MUR_AUTO_COMMIT_LIST __attribute__((cleanup(mur_commit_list_free)))

/** Adds an instance. @retval MUR_INVALID  no UID; MUR_LIMIT  MUR_COMMIT_REFERENCES are there */
MUR_NODISCARD
enum mur_status mur_commit_list_add(struct mur_commit_list *list, const char *sop_class,
                                    const char *sop_instance, struct mur_error *error);

struct mur_commit_files {
    const char *const *paths; /**< DICOM files, and folders with all that is in them */
    size_t path_count;
    const struct mur_client *client; /**< for cancelling */
    struct mur_progress progress;
    /** What is no object: @p named when it stands in paths itself, else it was met in a folder. */
    void (*passed_over)(void *user, const char *path, bool named, const struct mur_error *reason);
    void *user;
};

/** Adds the objects in files. @retval as mur_commit_list_add(), MUR_CANCELLED, MUR_NO_MEMORY */
MUR_NODISCARD
enum mur_status mur_commit_list_gather(struct mur_commit_list *list,
                                       const struct mur_commit_files *files,
                                       struct mur_error *error);

struct mur_commit_options {
    struct mur_client client;     /**< its calling AE title is the one that reports must call */
    struct mur_commit_list *list; /**< gets the answers; sorted by SOP Instance UID, each once */
    const char *bind_address;     /**< where reports come in: numeric; "::" takes IPv4 too */
    uint16_t port;                /**< 0 = any free one */
    int wait_ms; /**< for the report, from the answer to the request; -1 = no limit */
    /** Told where we listen, before anything is asked; or NULL. */
    void (*listening)(void *user, const char *address, uint16_t port);
    void *user;
};

struct mur_commit_result {
    struct mur_outcome outcome; /**< of the N-ACTION; there is no report unless it is a success or a
                                     warning */
    char transaction_uid[MUR_UID_TEXT_SIZE];
    char reporter[MUR_AE_TITLE_SIZE]; /**< AE title that reported */
    size_t kept, failed;              /**< of the list; what was not mentioned has failed */
};

/**
 * @param[out] out  the transaction UID also after a failure
 * @retval MUR_OK       see outcome, and the answers in the list
 * @retval MUR_TIMEOUT  no answer, or no report in time; the message says what the peer must know
 * @retval MUR_BUSY, MUR_DENIED, MUR_INVALID  we cannot listen; MUR_DENIED also as
 *         mur_client_connect()
 * @retval MUR_UNSUPPORTED  the peer does not offer Storage Commitment
 * @return others as mur_client_connect()
 */
MUR_NODISCARD
enum mur_status mur_scu_commit(struct mur_commit_result *out,
                               const struct mur_commit_options *options, struct mur_error *error);

#endif
