#include "db/cell_write.h"

#include <stdio.h>
#include <string.h>

#include "core/json_write.h"
#include "dicom/dictionary.h"

static void write_text(struct mur_json_writer *json, unsigned element, const char *vr,
                       struct mur_slice text)
{
    char key[9];
    (void)snprintf(key, sizeof key, "%08X", (unsigned)MUR_PRIVATE_TAG(0x10, element));
    mur_json_key(json, key);
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", vr);
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    mur_json_slice(json, text);
    mur_json_end_array(json);
    mur_json_end_object(json);
}

/* The characters that a VR has room for. */
static struct mur_slice cut(struct mur_slice text, size_t characters)
{
    size_t length = 0;
    for (size_t count = 0; length < text.length; length++) {
        bool begins = ((unsigned char)text.data[length] & 0xC0) != 0x80;
        if (begins && count++ == characters)
            break;
    }
    length = mur_utf8_cut(text, length);
    while (length > 0 && text.data[length - 1] == ' ')
        length--;
    return (struct mur_slice){.data = text.data, .length = length};
}

/* An item of element xx02, as mur_mapping_apply() writes it into objects. */
static void write_item(struct mur_json_writer *json, const struct mur_said_cell *cell)
{
    enum { LO_CHARACTERS = 64, SH_CHARACTERS = 16 };
    char kind[SH_CHARACTERS + 1];
    mur_json_begin_object(json);
    mur_json_key(json, "00990010");
    mur_json_begin_object(json);
    mur_json_member_string(json, "vr", "LO");
    mur_json_key(json, "Value");
    mur_json_begin_array(json);
    mur_json_string(json, MUR_CREATOR_ISA);
    mur_json_end_array(json);
    mur_json_end_object(json);
    (void)snprintf(kind, sizeof kind, "%s", cell->kind);
    for (char *c = kind; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    write_text(json, MUR_ISA_ATTRIBUTE_KIND, "CS", mur_slice_of(kind));
    write_text(json, MUR_ISA_ATTRIBUTE_NAME, "LO", cut(mur_slice_of(cell->name), LO_CHARACTERS));
    write_text(json, MUR_ISA_ATTRIBUTE_TEXT, "UC", cell->text);
    if (cell->has_number) {
        char key[9];
        (void)snprintf(key, sizeof key, "%08X",
                       (unsigned)MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_NUMBER));
        mur_json_key(json, key);
        mur_json_begin_object(json);
        mur_json_member_string(json, "vr", "FD");
        mur_json_key(json, "Value");
        mur_json_begin_array(json);
        mur_json_double(json, cell->number);
        mur_json_end_array(json);
        mur_json_end_object(json);
    }
    if (cell->unit.length > 0)
        write_text(json, MUR_ISA_ATTRIBUTE_UNIT, "SH", cut(cell->unit, SH_CHARACTERS));
    mur_json_end_object(json);
}

enum mur_status mur_write_cell(struct mur_buffer *out, unsigned element,
                               const struct mur_said_cell *cell, struct mur_error *error)
{
    if (element != MUR_ISA_ATTRIBUTE_SEQUENCE) {
        const char *const parts[] = {cell->kind, ":", cell->name, "="};
        enum mur_status status = MUR_OK;
        for (size_t i = 0; element == MUR_ISA_ATTRIBUTE && i < 4 && status == MUR_OK; i++)
            status = mur_buffer_append_text(out, parts[i], error);
        return status == MUR_OK ? mur_buffer_append(out, cell->text.data, cell->text.length, error)
                                : status;
    }
    struct mur_json_writer json;
    mur_json_init(&json, mur_sink_buffer(out));
    write_item(&json, cell);
    return mur_json_finish(&json, error);
}
