/**
 * What C-MOVE and C-GET have in common (PS3.4 C.4.2, C.4.3): the list of instances, one C-STORE
 * sub-operation for each, pending responses, the last response. Internal to scp/.
 */
#ifndef MUR_SCP_RETRIEVE_H
#define MUR_SCP_RETRIEVE_H

#include "dicom/store_sender.h"
#include "scp/session.h"

struct mur_retrieval;

/** How instances reach their receiver. */
struct mur_delivery {
    /**
     * Makes retrieval->target and ->sender be there for plan.items[@p index].
     * @param[out] reason  why that cannot be; then this instance and all after it fail
     */
    enum mur_status (*prepare)(struct mur_retrieval *retrieval, size_t index,
                               struct mur_error *reason);
    /** The target was lost in mid-operation; @return other than MUR_OK: so is the request. */
    enum mur_status (*lost)(struct mur_retrieval *retrieval, struct mur_error *error);
};

/** What is proposed to the destination of a C-MOVE; borrowed from the plan. */
struct mur_pair {
    const char *sop_class, *transfer_syntax;
};

struct mur_retrieval {
    struct mur_session *session;
    const struct mur_request *request;
    const struct mur_delivery *delivery;
    struct mur_identifier identifier;
    struct mur_plan plan;

    struct mur_association *target;  /**< where instances go */
    struct mur_store_sender *sender; /**< over target */
    bool we_are_requestor;           /**< of target: C-MOVE */
    const char *move_originator;     /**< AE title, or NULL */
    struct mur_pair pairs[MUR_MAX_PRESENTATION_CONTEXTS];
    size_t pair_count;
    unsigned losses; /**< of target */

    struct mur_pair routed; /**< the last route found ... */
    uint8_t routed_context; /**< ... and its context */
    uint16_t message_id;    /**< of the last sub-operation */
    size_t completed, warning, failed;
    struct mur_buffer content;                  /**< of one instance that is not too large */
    struct mur_buffer failed_uids;              /**< separated by backslash */
    char first_failure[MUR_ERROR_MESSAGE_SIZE]; /**< for the log ... */
    char comment[MUR_ERROR_COMMENT_LENGTH + 1]; /**< ... and for the peer */
    bool cancelled;
    int64_t last_pending_ms;
};

/** Whether we may send in a context of the target: accepted, and we are its SCU. */
bool mur_retrieval_may_send_in(const struct mur_retrieval *retrieval,
                               const struct mur_presentation_context *context);

/* ---- transcode.c ---- */

/** An instance in another transfer syntax than the stored one. */
struct mur_transcoding {
    struct mur_buffer bytes; /**< the Data Set */
    uint8_t context_id;      /**< the context that takes it */
    struct mur_scp *scp;     /**< whose memory was taken, or NULL */
    uint64_t memory;
};
/**
 * Decodes an instance to native pixels in a transfer syntax that the receiver accepted. Waits while
 * others use up dicom.transcode_memory.
 * @param[out] out  zeroed before; mur_transcoding_end() also on failure
 * @retval MUR_UNSUPPORTED  no codec, or none of the contexts takes what there is
 * @retval MUR_LIMIT        it would need more than dicom.transcode_memory
 */
MUR_NODISCARD
enum mur_status mur_retrieval_transcode(struct mur_transcoding *out,
                                        struct mur_retrieval *retrieval,
                                        const struct mur_instance *item, int descriptor,
                                        struct mur_error *reason);
/**
 * The instance with the attributes by which the archive knows it (export.coerce, archive/coerce.h),
 * in its stored transfer syntax or, where @p context_id is 0, as by mur_retrieval_transcode().
 * @param context_id  the context that takes it as it is stored, or 0
 * @param[out] changed  false: the stored bytes say all that, nothing was made
 * @param[out] out  zeroed before; mur_transcoding_end() also on failure
 */
MUR_NODISCARD
enum mur_status mur_retrieval_coerce(bool *changed, struct mur_transcoding *out,
                                     struct mur_retrieval *retrieval,
                                     const struct mur_instance *item, int descriptor,
                                     uint8_t context_id, struct mur_error *reason);
void mur_transcoding_end(struct mur_transcoding *transcoding);

/** Reads the identifier, makes the plan. @param[out] refused the request is answered; nothing more
 * to do. @return other than MUR_OK: the association is over */
MUR_NODISCARD
enum mur_status mur_retrieval_begin(struct mur_retrieval *retrieval, bool *refused,
                                    struct mur_session *session, const struct mur_request *request,
                                    const struct mur_delivery *delivery, struct mur_error *error);
/** All sub-operations, and the last response. @return other than MUR_OK: the association is over */
MUR_NODISCARD
enum mur_status mur_retrieval_run(struct mur_retrieval *retrieval, struct mur_error *error);
/** Frees what it holds, but not the target. */
void mur_retrieval_end(struct mur_retrieval *retrieval);

#endif
