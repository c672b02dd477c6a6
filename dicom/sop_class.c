#include "dicom/sop_class.h"

#include <string.h>

#include "core/own.h"

#define X(keyword, uid, kind, state) const char mur_uid_##keyword[] = uid;
#include "dicom/sop_classes.def"
#undef X

const char mur_uid_StorageCommitmentPushModelInstance[] = "1.2.840.10008.1.20.1.1";

enum { STATE_CURRENT = 0, STATE_RETIRED = 1 };

static const struct mur_sop_class classes[] = {
#define X(keyword_, uid_, kind_, state)                                                            \
    {.keyword = #keyword_,                                                                         \
     .uid = mur_uid_##keyword_,                                                                    \
     .kind = MUR_SOP_##kind_,                                                                      \
     .retired = STATE_##state != 0},
#include "dicom/sop_classes.def"
#undef X
};

const struct mur_sop_class *mur_sop_classes(size_t *count)
{
    *count = MUR_COUNT(classes);
    return classes;
}

const struct mur_sop_class *mur_sop_class_find(const char *uid)
{
    size_t low = 0;
    size_t high = MUR_COUNT(classes);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(classes[middle].uid, uid) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < MUR_COUNT(classes) && strcmp(classes[low].uid, uid) == 0 ? &classes[low] : NULL;
}

const struct mur_sop_class *mur_sop_class_by_keyword(const char *keyword)
{
    for (size_t i = 0; i < MUR_COUNT(classes); i++)
        if (strcmp(classes[i].keyword, keyword) == 0)
            return &classes[i];
    return NULL;
}

bool mur_sop_class_is_image(const char *uid)
{
    const struct mur_sop_class *found = mur_sop_class_find(uid);
    return found != NULL && (strstr(found->keyword, "ImageStorage") != NULL ||
                             strcmp(uid, mur_uid_ParametricMapStorage) == 0);
}

const char *mur_sop_class_name(const char *uid)
{
    const struct mur_sop_class *found = mur_sop_class_find(uid);
    return found != NULL ? found->keyword : uid;
}
