/**
 * The files of a C-STORE: what each one is, and which presentation contexts their associations
 * need. Internal to scu/. Threads: one at a time while it is gathered; read-only afterwards.
 */
#ifndef MUR_SCU_SEND_LIST_H
#define MUR_SCU_SEND_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "core/progress.h"
#include "dicom/association.h"
#include "dicom/uid.h"
#include "scu/client.h"

/** A SOP Class and the transfer syntax that objects of it are in. */
struct mur_send_pair {
    char sop_class[MUR_UID_TEXT_SIZE];
    char transfer_syntax[MUR_UID_TEXT_SIZE];
    const char *syntax; /**< the same: a list of one, to propose */
    unsigned group;     /**< which associations take it */
};

struct mur_send_item {
    char *path; /**< owned */
    char sop_instance[MUR_UID_TEXT_SIZE];
    size_t pair;     /**< index */
    uint64_t offset; /**< of the Data Set */
    uint64_t size;   /**< of the file */
    int64_t modified_ns;
    unsigned attempts; /**< that an association broke on it */
};

struct mur_send_list {
    struct mur_send_item *items; /**< by group, in the order they were found */
    size_t count, capacity;
    struct mur_send_pair *pairs; /**< sorted, once gathered */
    size_t pair_count, pair_capacity;
    unsigned group_count;
};

struct mur_send_list_options {
    const char *const *paths; /**< files and folders */
    size_t path_count;
    bool recurse;                    /**< into folders in folders */
    const struct mur_client *client; /**< for cancelling */
    struct mur_progress progress;
    /** What is no object: @p named when it stands in paths itself, else it was met in a folder. */
    void (*passed_over)(void *user, const char *path, bool named, const struct mur_error *reason);
    void *user;
};

void mur_send_list_free(struct mur_send_list *list); /**< the content */
#define MUR_AUTO_SEND_LIST __attribute__((cleanup(mur_send_list_free)))

/** Looks at all files: SOP Class and Instance as the Data Set says. @param[out] out  zeroed before;
 * freed by the caller also after a failure. @retval MUR_CANCELLED, MUR_NO_MEMORY */
MUR_NODISCARD
enum mur_status mur_send_list_gather(struct mur_send_list *out,
                                     const struct mur_send_list_options *options,
                                     struct mur_error *error);

/** What to propose for a group: a context for each pair as it is, and one for each SOP Class in
 * what every peer knows (PS3.5 10.1), to decode to.
 * @param[out] out  borrowed from the list. @return how many, at most
 * MUR_MAX_PRESENTATION_CONTEXTS */
size_t mur_send_list_propose(struct mur_context_proposal out[MUR_MAX_PRESENTATION_CONTEXTS],
                             const struct mur_send_list *list, unsigned group);

#endif
