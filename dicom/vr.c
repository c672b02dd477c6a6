#include "dicom/vr.h"

static const struct mur_vr_traits table[MUR_VR_COUNT] = {
    [MUR_VR_NONE] = {.name = "", .class_ = MUR_VR_CLASS_NONE, .width = 1},
#define X(name_, class_name, width_, long_length_, padding_, maximum_, multi_)                     \
    [MUR_VR_##name_] = {.name = #name_,                                                            \
                        .class_ = MUR_VR_CLASS_##class_name,                                       \
                        .width = (width_),                                                         \
                        .long_length = (long_length_),                                             \
                        .padding = (padding_),                                                     \
                        .maximum = (maximum_),                                                     \
                        .multi = (multi_)},
#include "dicom/vr.def"
#undef X
};

const struct mur_vr_traits *mur_vr_info(enum mur_vr vr)
{
    return &table[(unsigned)vr < MUR_VR_COUNT ? vr : MUR_VR_NONE];
}

const char *mur_vr_name(enum mur_vr vr)
{
    return mur_vr_info(vr)->name;
}

enum mur_vr mur_vr_from_name(const char name[2])
{
#define X(name_, class_name, width_, long_length_, padding_, maximum_, multi_)                     \
    if (name[0] == (#name_)[0] && name[1] == (#name_)[1])                                          \
        return MUR_VR_##name_;
#include "dicom/vr.def"
#undef X
    return MUR_VR_NONE;
}

bool mur_vr_is_text(enum mur_vr vr)
{
    enum mur_vr_class class_ = mur_vr_info(vr)->class_;
    return class_ == MUR_VR_CLASS_TEXT || class_ == MUR_VR_CLASS_STRING;
}
