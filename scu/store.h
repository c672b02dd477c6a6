/**
 * C-STORE (PS3.4 Annex B) of files and folders. Presentation contexts are proposed from what is to
 * be sent. An object goes as it stands in its file where the peer takes its transfer syntax, else
 * decoded to a native one; nothing is ever encoded lossy. Several associations may send at once; a
 * broken one is made anew.
 *
 * Threads: any; each call makes threads of its own and ends them.
 */
#ifndef MUR_SCU_STORE_H
#define MUR_SCU_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/progress.h"
#include "scu/client.h"

enum mur_send_outcome {
    MUR_SEND_STORED,  /**< acknowledged by success, or by a warning: see the status */
    MUR_SEND_KNOWN,   /**< not sent: the state file says that the peer acknowledged it */
    MUR_SEND_SKIPPED, /**< not sent: a file in a folder that is no object */
    MUR_SEND_FAILED,
};
const char *mur_send_outcome_name(enum mur_send_outcome outcome); /**< "stored" */

/** What became of one file. Borrowed for the call. */
struct mur_send_result {
    const char *path;
    const char *sop_class, *sop_instance; /**< "" where not known */
    const char *transfer_syntax;          /**< as it is; "" where not known */
    const char *sent_as;                  /**< transfer syntax; "" if it was not sent */
    enum mur_send_outcome outcome;
    bool answered;      /**< whether there is a status */
    uint16_t status;    /**< of the C-STORE-RSP */
    const char *reason; /**< in words, or "" */
};

struct mur_send_options {
    struct mur_client client;
    const char *const *paths; /**< files and folders */
    size_t path_count;
    bool recurse;           /**< into folders in folders */
    unsigned associations;  /**< at once, 1 to MUR_SEND_ASSOCIATIONS */
    unsigned attempts;      /**< for an object, and for an association, before it is given up */
    int pause_ms;           /**< before the second attempt; doubled for each further one */
    const char *state_path; /**< of the state file; NULL for none */
    struct mur_progress progress;
    /** Told of each file, one at a time, from any thread. NULL. */
    void (*on_result)(void *user, const struct mur_send_result *result);
    void *user;
};

enum { MUR_SEND_ASSOCIATIONS = 64, MUR_SEND_ATTEMPTS = 3, MUR_SEND_PAUSE_MS = 1000 };

struct mur_send_summary {
    size_t stored;
    size_t warnings; /**< of those */
    size_t known;
    size_t skipped;
    size_t unreadable;       /**< failed: no object, or a file that cannot be read */
    size_t refused;          /**< failed: by the peer, or for want of a context or a decoder */
    size_t unsent;           /**< nobody was told of them: see @p reason */
    uint64_t bytes;          /**< of Data Sets stored, as sent */
    struct mur_error reason; /**< why it ended early; status MUR_OK if it did not */
    bool cancelled;
};

/**
 * @retval MUR_OK  see the summary
 * @retval MUR_NOT_FOUND  no object among the files
 * @return others: nothing was sent; as mur_client_connect(), and of the state file
 */
MUR_NODISCARD
enum mur_status mur_scu_store(struct mur_send_summary *out, const struct mur_send_options *options,
                              struct mur_error *error);

#endif
