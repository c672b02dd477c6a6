#include <string.h>

#include "dicom/byte_order.h"
#include "dicom/scanner.h"

struct mur_slice mur_scan_text(const struct mur_scan_element *element)
{
    struct mur_slice text = {.data = "", .length = 0};
    if (element->value == NULL || element->length == 0)
        return text;
    text.data = (const char *)element->value;
    text.length = (size_t)element->length;
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\0'))
        text.length--;
    return text;
}

size_t mur_scan_count(const struct mur_scan_element *element)
{
    const struct mur_vr_traits *traits = mur_vr_info(element->vr);
    if (element->value == NULL)
        return 0;
    if (traits->class_ == MUR_VR_CLASS_TAGS)
        return (size_t)element->length / 4;
    return traits->class_ == MUR_VR_CLASS_BINARY ? (size_t)element->length / traits->width : 0;
}

static bool is_signed(enum mur_vr vr)
{
    return vr == MUR_VR_SS || vr == MUR_VR_SL || vr == MUR_VR_SV;
}

static bool is_floating(enum mur_vr vr)
{
    return vr == MUR_VR_FL || vr == MUR_VR_FD || vr == MUR_VR_OF || vr == MUR_VR_OD;
}

bool mur_scan_int(int64_t *out, const struct mur_scan_element *element, size_t index)
{
    if (index >= mur_scan_count(element) || is_floating(element->vr))
        return false;
    unsigned width = element->vr == MUR_VR_AT ? 4 : mur_vr_info(element->vr)->width;
    const unsigned char *at = element->value + index * width;
    if (element->vr == MUR_VR_AT)
        *out = mur_get_tag(at, element->big_endian);
    else if (width == 1)
        *out = *at;
    else if (width == 2)
        *out = is_signed(element->vr) ? (int16_t)mur_get16(at, element->big_endian)
                                      : mur_get16(at, element->big_endian);
    else if (width == 4)
        *out = is_signed(element->vr) ? (int64_t)(int32_t)mur_get32(at, element->big_endian)
                                      : (int64_t)mur_get32(at, element->big_endian);
    else
        *out = (int64_t)mur_get64(at, element->big_endian);
    return true;
}

bool mur_scan_double(double *out, const struct mur_scan_element *element, size_t index)
{
    if (index >= mur_scan_count(element))
        return false;
    if (!is_floating(element->vr)) {
        int64_t value;
        if (!mur_scan_int(&value, element, index))
            return false;
        *out = (double)value;
        return true;
    }
    unsigned width = mur_vr_info(element->vr)->width;
    const unsigned char *at = element->value + index * width;
    if (width == 4) {
        uint32_t bits = mur_get32(at, element->big_endian);
        float value;
        memcpy(&value, &bits, sizeof value);
        *out = (double)value;
    } else {
        uint64_t bits = mur_get64(at, element->big_endian);
        memcpy(out, &bits, sizeof *out);
    }
    return true;
}

bool mur_scan_path(struct mur_attribute_path *out, const struct mur_scan_element *element)
{
    if (element->depth >= MUR_ATTRIBUTE_DEPTH)
        return false;
    out->depth = element->depth + 1;
    for (unsigned i = 0; i < element->depth; i++)
        out->tags[i] = element->sequences[i];
    out->tags[element->depth] = element->tag;
    return true;
}
