/**
 * SOP Classes (PS3.6 Annex A, PS3.4 Annex B), from sop_classes.def. Constant tables: any thread.
 */
#ifndef MUR_DICOM_SOP_CLASS_H
#define MUR_DICOM_SOP_CLASS_H

#include <stdbool.h>
#include <stddef.h>

enum mur_sop_kind {
    MUR_SOP_VERIFICATION,
    MUR_SOP_STORAGE,    /**< composite instances that C-STORE carries */
    MUR_SOP_FIND,       /**< query of the Patient Root or Study Root model */
    MUR_SOP_MOVE,       /**< retrieval of these models and of composite instances */
    MUR_SOP_GET,        /**< likewise */
    MUR_SOP_COMMITMENT, /**< Storage Commitment Push Model */
    MUR_SOP_WORKLIST,   /**< worklist and procedure step */
    MUR_SOP_OTHER,
};

struct mur_sop_class {
    const char *keyword; /**< "CTImageStorage" (PS3.6 Annex A) */
    const char *uid;
    enum mur_sop_kind kind;
    bool retired;
};

/** mur_uid_CTImageStorage and so on. */
#define X(keyword, uid, kind, state) extern const char mur_uid_##keyword[];
#include "dicom/sop_classes.def"
#undef X
/** The well-known instance of Storage Commitment (PS3.4 J.3.5). */
extern const char mur_uid_StorageCommitmentPushModelInstance[];

/** All rows, sorted by UID text. */
const struct mur_sop_class *mur_sop_classes(size_t *count);
/** NULL if unknown. */
const struct mur_sop_class *mur_sop_class_find(const char *uid);
const struct mur_sop_class *mur_sop_class_by_keyword(const char *keyword);
/** Whether instances of it are images, so that they have Pixel Data; false if unknown. */
bool mur_sop_class_is_image(const char *uid);
/** The keyword, or the UID itself if unknown: for messages. */
const char *mur_sop_class_name(const char *uid);

#endif
