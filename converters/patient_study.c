#include "converters/patient_study.h"

#include <string.h>

#include "core/text.h"
#include "dicom/attribute.h"

/* Scanners write "3" for an age and "0.000kg" for a weight; such values would make what is derived
 * from them as wrong as they are. */
static bool is_sound(struct mur_dataset *dataset, uint32_t tag)
{
    enum mur_vr vr = mur_dataset_vr(dataset, tag);
    const char *text = NULL;
    if ((vr != MUR_VR_AS && vr != MUR_VR_DS && vr != MUR_VR_DA) ||
        !mur_dataset_has_value(dataset, tag) ||
        mur_dataset_get_string(&text, dataset, tag, NULL) != MUR_OK)
        return true;
    double number = 0;
    size_t digits = strspn(text, "0123456789");
    if (vr == MUR_VR_AS)
        return digits == 3 && strlen(text) == 4 && strchr("DWMY", text[3]) != NULL;
    if (vr == MUR_VR_DA)
        return digits == 8 && strlen(text) == 8;
    return mur_parse_double(&number, mur_slice_of(text), NULL) == MUR_OK;
}

enum mur_status mur_copy_patient_and_study(struct mur_dataset *target, struct mur_dataset *source,
                                           struct mur_error *error)
{
    size_t count = 0;
    const struct mur_attribute *attributes = mur_attributes(&count);
    for (size_t index = 0; index < count; index++) {
        const struct mur_attribute *attribute = &attributes[index];
        if (attribute->level > MUR_LEVEL_STUDY || attribute->storage == MUR_STORAGE_COMPUTED ||
            !mur_dataset_has(source, attribute->tag) || !is_sound(source, attribute->tag))
            continue;
        enum mur_status status = mur_dataset_copy(target, source, attribute->tag, error);
        if (status != MUR_OK)
            return status;
    }
    if (!mur_dataset_has(source, MUR_TAG_AnatomicalOrientationType))
        return MUR_OK;
    return mur_dataset_copy(target, source, MUR_TAG_AnatomicalOrientationType, error);
}
