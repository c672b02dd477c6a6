#include "scu/get.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "dicom/uid.h"
#include "scu/extended.h"
#include "scu/find.h"

enum {
    SYNTAXES_LIMIT = 96,
    SYNTAXES_IN_CONTEXT = 40, /* DCMTK's programs give up an association with more than 50 */
    IMAGES = 30,
};

void mur_class_list_free(struct mur_class_list *list)
{
    free(list->uids);
    *list = (struct mur_class_list){.uids = NULL};
}

static bool has_class(const struct mur_class_list *list, struct mur_slice uid)
{
    for (size_t i = 0; i < list->count; i++)
        if (mur_slice_equal(uid, list->uids[i]))
            return true;
    return false;
}

/* The classes beyond the limit go without a context: the peer reports their objects as failed. */
static enum mur_status add_class(struct mur_class_list *list, struct mur_slice uid,
                                 struct mur_error *error)
{
    if (list->count == MUR_GET_CLASSES || !mur_uid_acceptable(uid) || has_class(list, uid))
        return MUR_OK;
    if (list->uids == NULL) {
        list->uids = calloc(MUR_GET_CLASSES, sizeof *list->uids);
        if (list->uids == NULL)
            return mur_error_no_memory(error);
    }
    memcpy(list->uids[list->count++], uid.data, uid.length);
    return MUR_OK;
}

/* ---- what there will be ---------------------------------------------------------------------- */

static enum mur_status take_class(void *user, const struct mur_find_answer *answer,
                                  struct mur_error *error)
{
    struct mur_class_list *list = user;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    const char *uid = NULL;
    enum mur_status status =
        mur_dataset_read(&dataset, answer->bytes, answer->length, answer->transfer_syntax, error);
    if (status != MUR_OK)
        return status;
    if (mur_dataset_get_string(&uid, dataset, MUR_TAG_SOPClassUID, NULL) != MUR_OK)
        return mur_error_set(error, MUR_UNSUPPORTED, "the peer does not tell SOP Classes");
    return add_class(list, mur_uid_trim(mur_slice_of(uid)), error);
}

enum mur_status mur_scu_get_classes(struct mur_class_list *out, uint64_t *instances,
                                    const struct mur_client *client, enum mur_model model,
                                    const struct mur_dataset *identifier, struct mur_error *error)
{
    MUR_AUTO(mur_dataset) *question = NULL;
    MUR_AUTO_CLASS_LIST struct mur_class_list list = {.uids = NULL};
    enum mur_status status = mur_dataset_clone(&question, identifier, error);
    if (status == MUR_OK)
        status =
            mur_dataset_put_string(question, MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "IMAGE", error);
    if (status == MUR_OK)
        status = mur_dataset_put_empty(question, MUR_TAG_SOPClassUID, MUR_VR_UI, error);
    if (status != MUR_OK)
        return status;
    struct mur_find_options options = {.client = *client,
                                       .model = model,
                                       .identifiers = &question,
                                       .identifier_count = 1,
                                       .on_answer = take_class,
                                       .user = &list};
    struct mur_find_result result;
    status = mur_scu_find(&result, &options, error);
    if (status != MUR_OK)
        return status;
    if (result.outcome.status != 0)
        return mur_error_set(error, MUR_UNSUPPORTED, "%04X %s %s", result.outcome.status,
                             mur_dimse_status_name(result.outcome.status, MUR_C_FIND_RQ),
                             result.outcome.comment);
    *instances = result.answers;
    *out = list;
    list = (struct mur_class_list){.uids = NULL};
    return MUR_OK;
}

/* The images of every day first, since not all of our table fit into an association. */
static enum mur_status usual_classes(struct mur_class_list *out, struct mur_error *error)
{
    static const char *const first[] = {
        mur_uid_CTImageStorage,
        mur_uid_MRImageStorage,
        mur_uid_PositronEmissionTomographyImageStorage,
        mur_uid_NuclearMedicineImageStorage,
        mur_uid_UltrasoundImageStorage,
        mur_uid_UltrasoundMultiFrameImageStorage,
        mur_uid_PhotoacousticImageStorage,
        mur_uid_EnhancedCTImageStorage,
        mur_uid_EnhancedMRImageStorage,
        mur_uid_EnhancedMRColorImageStorage,
        mur_uid_EnhancedPETImageStorage,
        mur_uid_EnhancedUSVolumeStorage,
        mur_uid_LegacyConvertedEnhancedCTImageStorage,
        mur_uid_LegacyConvertedEnhancedMRImageStorage,
        mur_uid_LegacyConvertedEnhancedPETImageStorage,
        mur_uid_SecondaryCaptureImageStorage,
        mur_uid_MultiFrameSingleBitSecondaryCaptureImageStorage,
        mur_uid_MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        mur_uid_MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        mur_uid_MultiFrameTrueColorSecondaryCaptureImageStorage,
        mur_uid_VLWholeSlideMicroscopyImageStorage,
        mur_uid_VLMicroscopicImageStorage,
        mur_uid_VLPhotographicImageStorage,
        mur_uid_ComputedRadiographyImageStorage,
        mur_uid_DigitalXRayImageStorageForPresentation,
        mur_uid_XRayAngiographicImageStorage,
        mur_uid_ParametricMapStorage,
        mur_uid_SegmentationStorage,
        mur_uid_LabelMapSegmentationStorage,
        mur_uid_RTDoseStorage,
    };
    _Static_assert(MUR_COUNT(first) == IMAGES, "these have a context for compressed syntaxes too");
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(first); i++)
        status = add_class(out, mur_slice_of(first[i]), error);
    size_t count = 0;
    const struct mur_sop_class *rows = mur_sop_classes(&count);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        if (rows[i].kind == MUR_SOP_STORAGE && !rows[i].retired &&
            strstr(rows[i].keyword, "DICOS") != rows[i].keyword &&
            out->count < MUR_GET_CLASSES - IMAGES)
            status = add_class(out, mur_slice_of(rows[i].uid), error);
    return status;
}

/* ---- what is proposed ------------------------------------------------------------------------ */

/* Compressed and other syntaxes that a peer may have objects in, likely ones first. */
struct syntaxes {
    const char *uids[SYNTAXES_LIMIT];
    size_t count;
};

static void gather_syntaxes(struct syntaxes *out)
{
    static const char *const likely[] = {
        mur_uid_ImplicitVRLittleEndian,
        mur_uid_JPEGLosslessSV1,
        mur_uid_JPEG2000Lossless,
        mur_uid_JPEGLSLossless,
        mur_uid_RLELossless,
        mur_uid_JPEGBaseline8Bit,
        mur_uid_JPEG2000,
        mur_uid_HTJ2KLossless,
        mur_uid_HTJ2KLosslessRPCL,
        mur_uid_DeflatedExplicitVRLittleEndian,
        mur_uid_JPEGExtended12Bit,
        mur_uid_HTJ2K,
        mur_uid_JPEGLSNearLossless,
        mur_uid_ExplicitVRBigEndian,
        mur_uid_JPEGXLLossless,
    };
    out->count = 0;
    for (size_t i = 0; i < MUR_COUNT(likely); i++)
        out->uids[out->count++] = likely[i];
    size_t count = 0;
    const struct mur_transfer_syntax *rows = mur_transfer_syntaxes(&count);
    for (size_t i = 0; i < count && out->count < SYNTAXES_LIMIT; i++) {
        bool known = strcmp(rows[i].uid, mur_uid_ExplicitVRLittleEndian) == 0 ||
                     (rows[i].flags & (MUR_TS_NO_DATA_SET | MUR_TS_REFERENCED)) != 0;
        for (size_t k = 0; !known && k < out->count; k++)
            known = strcmp(out->uids[k], rows[i].uid) == 0;
        if (!known)
            out->uids[out->count++] = rows[i].uid;
    }
}

/* The C-GET itself; one context a class in what every peer can do; then one for each class and
 * other syntax as far as there is room, since a peer picks one syntax of a context and then has
 * none that fits the rest. Roles are asked for once a class (PS3.7 D.3.3.4). */
static size_t propose(struct mur_context_proposal out[MUR_MAX_PRESENTATION_CONTEXTS],
                      const char *model, const struct mur_class_list *classes,
                      const struct syntaxes *others)
{
    static const char *const native[] = {mur_uid_ExplicitVRLittleEndian,
                                         mur_uid_ImplicitVRLittleEndian};
    size_t count = 0;
    out[count++] = (struct mur_context_proposal){
        .abstract_syntax = model, .transfer_syntaxes = native, .transfer_syntax_count = 2};
    for (size_t i = 0; i < classes->count; i++)
        out[count++] = (struct mur_context_proposal){.abstract_syntax = classes->uids[i],
                                                     .transfer_syntaxes = native,
                                                     .transfer_syntax_count = 2,
                                                     .role = MUR_ROLE_SCP};
    size_t room = MUR_MAX_PRESENTATION_CONTEXTS - count;
    size_t single = classes->count > 0 ? room / classes->count : 0;
    single = single < others->count ? single : others->count;
    for (size_t k = 0; k < single; k++)
        for (size_t i = 0; i < classes->count; i++)
            out[count++] = (struct mur_context_proposal){.abstract_syntax = classes->uids[i],
                                                         .transfer_syntaxes = &others->uids[k],
                                                         .transfer_syntax_count = 1};
    /* The others in one context; Implicit VR, the first of them, stands in the native one. */
    size_t first = single > 0 ? single : 1;
    size_t rest = others->count - first;
    rest = rest < SYNTAXES_IN_CONTEXT ? rest : SYNTAXES_IN_CONTEXT;
    for (size_t i = 0; rest > 0 && i < classes->count && count < MUR_MAX_PRESENTATION_CONTEXTS; i++)
        out[count++] = (struct mur_context_proposal){.abstract_syntax = classes->uids[i],
                                                     .transfer_syntaxes = others->uids + first,
                                                     .transfer_syntax_count = rest};
    return count;
}

/* ---- the retrieval --------------------------------------------------------------------------- */

/* @return other than MUR_OK: the association is over */
static enum mur_status take_messages(struct mur_retrieval_result *result,
                                     struct mur_exchange *exchange,
                                     const struct mur_get_options *options, struct mur_error *error)
{
    for (bool last = false; !last;) {
        struct mur_command message;
        uint8_t context_id = 0;
        enum mur_status status = mur_exchange_next(&message, &context_id, exchange, error);
        if (status != MUR_OK)
            return status;
        if (message.field == MUR_C_STORE_RQ)
            status = mur_receiver_take(options->receiver, exchange->association, context_id,
                                       &message, options->client.address.called_ae_title,
                                       options->client.dimse_ms, error);
        else if (mur_exchange_is_answer(exchange, &message))
            status = mur_retrieval_take(result, &last, exchange, &message, context_id,
                                        &options->progress, error);
        else
            return mur_exchange_breach(exchange, &message, error);
        if (status == MUR_OK && !last && mur_receiver_is_full(options->receiver))
            status = mur_exchange_cancel(exchange, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static enum mur_status retrieve(struct mur_retrieval_result *result,
                                const struct mur_get_options *options,
                                const struct mur_class_list *classes, struct mur_error *error)
{
    const char *model = mur_model_sop_class(options->model, MUR_C_GET_RQ);
    struct syntaxes others;
    gather_syntaxes(&others);
    struct mur_context_proposal contexts[MUR_MAX_PRESENTATION_CONTEXTS];
    size_t count = propose(contexts, model, classes, &others);
    struct mur_exchange exchange = {.client = &options->client, .message_id = 1};
    struct mur_command request = {.field = MUR_C_GET_RQ};
    struct mur_extended_proposal extended;
    uint8_t bytes[MUR_EXTENDED_SIZE];
    unsigned needs = mur_retrieval_needs(options->identifier, options->model);
    bool proposes = mur_extended_propose(&extended, bytes, model, needs);
    (void)snprintf(request.affected_sop_class_uid, sizeof request.affected_sop_class_uid, "%s",
                   model);
    enum mur_status status = mur_client_connect(&exchange.association, &options->client, contexts,
                                                count, proposes ? &extended : NULL, error);
    if (status == MUR_OK)
        result->relational_not_agreed =
            mur_extended_unmet(exchange.association, model, needs) != MUR_NEED_NONE;
    if (status == MUR_OK)
        status = mur_exchange_begin(&exchange, &request, options->identifier, error);
    if (status == MUR_OK)
        status = take_messages(result, &exchange, options, error);
    mur_client_release(exchange.association, &options->client);
    return status;
}

enum mur_status mur_scu_get(struct mur_retrieval_result *out, const struct mur_get_options *options,
                            struct mur_error *error)
{
    MUR_AUTO_CLASS_LIST struct mur_class_list usual = {.uids = NULL};
    const struct mur_class_list *classes = options->classes;
    enum mur_status status = MUR_OK;
    *out = (struct mur_retrieval_result){.completed = 0};
    if (classes == NULL || classes->count == 0) {
        status = usual_classes(&usual, error);
        classes = &usual;
    }
    return status == MUR_OK ? retrieve(out, options, classes, error) : status;
}
