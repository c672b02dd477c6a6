/* Answers out: rows of the archive as Data Sets. */
#include <string.h>

#include "core/digest.h"
#include "core/json.h"
#include "core/own.h"
#include "dicom/dictionary.h"
#include "dicom/encoder.h"
#include "dicom/json_value.h"
#include "scp/identifier.h"

enum { SEQUENCE_LIMIT = 4 * 1024 * 1024, KEPT_LENGTH = 4096 };

/* ---- sequences, from the DICOM JSON Model ---- */

struct item_writer {
    struct mur_encoder *encoder;
    struct mur_error *error;
    enum mur_status status;
};

static enum mur_status encode_items(struct mur_encoder *encoder, uint32_t tag,
                                    const struct mur_json *items, struct mur_error *error);

static bool parse_tag(uint32_t *out, const char *key)
{
    uint32_t tag = 0;
    for (size_t i = 0; i < 8; i++) {
        const char *digits = "0123456789ABCDEF";
        const char *digit = key[i] != '\0' ? strchr(digits, key[i]) : NULL;
        if (digit == NULL)
            return false;
        tag = tag << 4 | (uint32_t)(digit - digits);
    }
    *out = tag;
    return key[8] == '\0';
}

static enum mur_status encode_member(struct mur_encoder *encoder, uint32_t tag,
                                     const struct mur_json *element, struct mur_error *error)
{
    enum mur_vr vr = mur_json_element_vr(element);
    if (vr == MUR_VR_NONE)
        return MUR_OK;
    if (vr == MUR_VR_SQ)
        return encode_items(encoder, tag, mur_json_get(element, "Value"), error);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_json_append_values(&text, element, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice slice = {.data = mur_buffer_text(&text), .length = text.length};
    if (mur_encode_any(encoder, tag, vr, slice, NULL) == MUR_OK)
        return MUR_OK;
    return mur_encode_empty(encoder, tag, vr, error); /* what is no value of its VR any more */
}

static bool write_member(void *user, const char *key, const struct mur_json *element)
{
    struct item_writer *writer = user;
    uint32_t tag = 0;
    if (parse_tag(&tag, key))
        writer->status = encode_member(writer->encoder, tag, element, writer->error);
    return writer->status == MUR_OK;
}

/* As deep as the parser allows, 64. */
static enum mur_status encode_items(struct mur_encoder *encoder, uint32_t tag,
                                    const struct mur_json *items, struct mur_error *error)
{
    enum mur_status status = mur_encode_sequence_begin(encoder, tag, error);
    for (size_t i = 0; status == MUR_OK && i < mur_json_count(items); i++) {
        struct item_writer writer = {.encoder = encoder, .error = error, .status = MUR_OK};
        status = mur_encode_item_begin(encoder, error);
        if (status != MUR_OK)
            break;
        mur_json_each(mur_json_at(items, i), write_member, &writer);
        status = writer.status;
        if (status == MUR_OK)
            status = mur_encode_item_end(encoder, error);
    }
    if (status == MUR_OK)
        status = mur_encode_sequence_end(encoder, error);
    return status;
}

static enum mur_status encode_sequence(struct mur_encoder *encoder, uint32_t tag,
                                       const struct mur_value *value, struct mur_error *error)
{
    MUR_AUTO(mur_json) *items = NULL;
    struct mur_slice text = {.data = value->text, .length = value->length};
    if (value->text == NULL || mur_json_parse(&items, text, SEQUENCE_LIMIT, NULL) != MUR_OK)
        return mur_encode_empty(encoder, tag, MUR_VR_SQ, error);
    return encode_items(encoder, tag, items, error);
}

static enum mur_status keep(struct mur_answered_sequence *kept, uint32_t tag,
                            const struct mur_value *value, struct mur_slice bytes,
                            struct mur_error *error)
{
    kept->tag = 0;
    mur_buffer_clear(&kept->text_and_bytes);
    enum mur_status status =
        mur_buffer_append(&kept->text_and_bytes, value->text, value->length, error);
    if (status == MUR_OK)
        status = mur_buffer_append(&kept->text_and_bytes, bytes.data, bytes.length, error);
    if (status != MUR_OK)
        return status;
    kept->tag = tag;
    kept->text_length = value->length;
    return MUR_OK;
}

/* What was encoded for another row is not parsed again. */
static enum mur_status encode_sequence_once(struct mur_encoder *encoder,
                                            struct mur_identifier *identifier, uint32_t tag,
                                            const struct mur_value *value, struct mur_error *error)
{
    if (value->text == NULL || value->length > KEPT_LENGTH)
        return encode_sequence(encoder, tag, value, error);
    struct mur_answered_sequence *kept =
        &identifier->answered[mur_xxh64_of(value->text, value->length) % MUR_ANSWERED_SEQUENCES];
    const struct mur_buffer *both = &kept->text_and_bytes;
    if (kept->tag == tag && kept->text_length == value->length &&
        memcmp(both->data, value->text, value->length) == 0)
        return mur_buffer_append(encoder->out, both->data + value->length,
                                 both->length - value->length, error);
    size_t at = encoder->out->length;
    enum mur_status status = encode_sequence(encoder, tag, value, error);
    const struct mur_slice bytes = {.data = encoder->out->data + at,
                                    .length = encoder->out->length - at};
    return status == MUR_OK ? keep(kept, tag, value, bytes, error) : status;
}

/* ---- rows ---- */

static enum mur_status encode_key(struct mur_encoder *encoder, struct mur_identifier *identifier,
                                  uint32_t tag, enum mur_vr vr, const struct mur_value *value,
                                  struct mur_error *error)
{
    if (value->vr != MUR_VR_NONE)
        vr = value->vr;
    if (vr == MUR_VR_SQ)
        return encode_sequence_once(encoder, identifier, tag, value, error);
    if (vr == MUR_VR_NONE)
        vr = MUR_VR_UN;
    struct mur_slice text = {.data = value->text, .length = value->length};
    if (value->text != NULL && mur_encode_any(encoder, tag, vr, text, NULL) == MUR_OK)
        return MUR_OK;
    return mur_encode_empty(encoder, tag, vr, error);
}

static bool is_ascii(const struct mur_identifier *identifier, const struct mur_value *values)
{
    for (size_t i = 0; i < identifier->query.key_count; i++)
        for (size_t k = 0; values[i].text != NULL && k < values[i].length; k++)
            if ((values[i].text[k] & 0x80) != 0)
                return false;
    return true;
}

static enum mur_status encode_element(struct mur_encoder *encoder,
                                      struct mur_identifier *identifier,
                                      const struct mur_answer_element *element,
                                      const struct mur_value *values, const char *retrieve_ae_title,
                                      struct mur_error *error)
{
    switch (element->kind) {
    case MUR_ANSWER_CHARSET:
        /* Left out where the default repertoire does: not every client knows UTF-8. */
        if (!identifier->asked_for_charset && is_ascii(identifier, values))
            return MUR_OK;
        return mur_encode_text(encoder, element->tag, MUR_VR_CS, "ISO_IR 192", error);
    case MUR_ANSWER_LEVEL:
        return mur_encode_text(encoder, element->tag, MUR_VR_CS,
                               mur_level_name(identifier->query.level), error);
    case MUR_ANSWER_RETRIEVE_AE_TITLE:
        return mur_encode_text(encoder, element->tag, MUR_VR_AE, retrieve_ae_title, error);
    case MUR_ANSWER_PRIVATE_CREATOR:
        return mur_encode_text(encoder, element->tag, MUR_VR_LO, element->creator, error);
    case MUR_ANSWER_KEY:
        return encode_key(encoder, identifier, element->tag, element->vr, &values[element->key],
                          error);
    }
    return MUR_OK;
}

enum mur_status mur_identifier_answer(struct mur_buffer *out, struct mur_identifier *identifier,
                                      const struct mur_value *values, const char *transfer_syntax,
                                      const char *retrieve_ae_title, struct mur_error *error)
{
    struct mur_encoder encoder;
    enum mur_status status = mur_encoder_init(&encoder, out, transfer_syntax, error);
    uint32_t last = 0;
    for (size_t i = 0; status == MUR_OK && i < identifier->element_count; i++) {
        const struct mur_answer_element *element = &identifier->elements[i];
        if (element->tag == last)
            continue; /* a RetrieveAETitle that was asked for with a value */
        last = element->tag;
        status = encode_element(&encoder, identifier, element, values, retrieve_ae_title, error);
    }
    return status;
}
