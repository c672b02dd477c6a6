#include "mapping/private_block.h"

#include "core/text.h"

const char *mur_block_kind(enum mur_isa_kind kind)
{
    switch (kind) {
    case MUR_ISA_CHARACTERISTIC:
    case MUR_ISA_FACTOR:
    case MUR_ISA_PARAMETER:
    case MUR_ISA_COMMENT:
    case MUR_ISA_FILE:
        return mur_isa_kind_name(kind);
    case MUR_ISA_MATERIAL:
    case MUR_ISA_NAME:
    case MUR_ISA_PROTOCOL:
        return "name";
    case MUR_ISA_OTHER:
    case MUR_ISA_DATE:
    case MUR_ISA_PERFORMER:
    case MUR_ISA_PLAIN:
    case MUR_ISA_QUALIFIER:
    case MUR_ISA_KINDS:
        break;
    }
    return "other";
}

enum mur_status mur_block_append_text(struct mur_buffer *out, const char *text,
                                      struct mur_error *error)
{
    struct mur_slice slice = mur_slice_trim(mur_slice_of(text));
    if (slice.length > MUR_BLOCK_TEXT_LIMIT)
        slice.length = mur_utf8_cut(slice, MUR_BLOCK_TEXT_LIMIT);
    enum mur_status status = mur_buffer_reserve(out, slice.length, error);
    for (size_t i = 0; i < slice.length && status == MUR_OK; i++) {
        unsigned char c = (unsigned char)slice.data[i];
        bool control = c < 0x20 || c == 0x7F;
        status = mur_buffer_append(out, c == '\\' ? "/" : control ? " " : &slice.data[i], 1, error);
    }
    return status;
}
