#include "dicom/transfer_syntax.h"

#include <string.h>

#include "core/own.h"

#define X(keyword, uid, flags) const char mur_uid_##keyword[] = uid;
#include "dicom/transfer_syntaxes.def"
#undef X

static const struct mur_transfer_syntax syntaxes[] = {
#define X(keyword_, uid_, flags_)                                                                  \
    {.keyword = #keyword_, .uid = mur_uid_##keyword_, .flags = (flags_)},
#include "dicom/transfer_syntaxes.def"
#undef X
};

const struct mur_transfer_syntax *mur_transfer_syntaxes(size_t *count)
{
    *count = MUR_COUNT(syntaxes);
    return syntaxes;
}

const struct mur_transfer_syntax *mur_transfer_syntax_find(const char *uid)
{
    for (size_t i = 0; i < MUR_COUNT(syntaxes); i++)
        if (strcmp(syntaxes[i].uid, uid) == 0)
            return &syntaxes[i];
    return NULL;
}

unsigned mur_transfer_syntax_flags(const char *uid)
{
    const struct mur_transfer_syntax *found = mur_transfer_syntax_find(uid);
    return found != NULL ? found->flags : MUR_TS_ENCAPSULATED;
}

bool mur_transfer_syntax_is_native(const char *uid)
{
    return (mur_transfer_syntax_flags(uid) &
            (MUR_TS_ENCAPSULATED | MUR_TS_DEFLATED | MUR_TS_REFERENCED | MUR_TS_NO_DATA_SET)) == 0;
}

bool mur_transfer_syntax_converts(const char *from, const char *to)
{
    if (strcmp(from, to) == 0)
        return true;
    unsigned flags = mur_transfer_syntax_flags(from);
    return mur_transfer_syntax_is_native(to) &&
           (flags & (MUR_TS_REFERENCED | MUR_TS_NO_DATA_SET)) == 0 &&
           ((flags & MUR_TS_ENCAPSULATED) == 0 || (flags & MUR_TS_DECODED) != 0);
}

const char *mur_transfer_syntax_name(const char *uid)
{
    const struct mur_transfer_syntax *found = mur_transfer_syntax_find(uid);
    return found != NULL ? found->keyword : uid;
}
