#include "dicom/put.h"

#include <string.h>

#include "dicom/dictionary.h"

enum { SHORT_CODE_LENGTH = 16 };

bool mur_code_given(const struct mur_code *code)
{
    return code->value != NULL && code->value[0] != '\0';
}

void mur_put_text(struct mur_put *put, uint32_t tag, const char *text)
{
    if (put->status == MUR_OK)
        put->status = mur_dataset_put_string(put->dataset, tag, MUR_VR_NONE, text, put->error);
}

void mur_put_optional(struct mur_put *put, uint32_t tag, const char *text)
{
    if (text != NULL && text[0] != '\0')
        mur_put_text(put, tag, text);
}

void mur_put_needed(struct mur_put *put, uint32_t tag, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        mur_put_text(put, tag, text);
        return;
    }
    const char *keyword = mur_dictionary_keyword(tag);
    if (put->status == MUR_OK)
        put->status = mur_error_set(put->error, MUR_INVALID, "%s is needed",
                                    keyword != NULL ? keyword : "an attribute");
}

void mur_put_default(struct mur_put *put, uint32_t tag, const char *text)
{
    if (put->status != MUR_OK || mur_dataset_has(put->dataset, tag))
        return;
    if (text[0] == '\0')
        mur_put_empty(put, tag);
    else
        mur_put_text(put, tag, text);
}

void mur_put_default_value(struct mur_put *put, uint32_t tag, const char *text)
{
    if (put->status == MUR_OK && !mur_dataset_has_value(put->dataset, tag))
        mur_put_text(put, tag, text);
}

void mur_put_int(struct mur_put *put, uint32_t tag, int64_t value)
{
    if (put->status == MUR_OK)
        put->status = mur_dataset_put_int(put->dataset, tag, MUR_VR_NONE, value, put->error);
}

void mur_put_empty(struct mur_put *put, uint32_t tag)
{
    if (put->status == MUR_OK)
        put->status = mur_dataset_put_empty(put->dataset, tag, MUR_VR_NONE, put->error);
}

struct mur_put mur_put_item(struct mur_put *put, uint32_t sequence_tag)
{
    struct mur_put item = {.dataset = NULL, .status = put->status, .error = put->error};
    if (item.status == MUR_OK)
        item.status =
            mur_dataset_append_item(&item.dataset, put->dataset, sequence_tag, put->error);
    return item;
}

struct mur_put mur_put_code_item(struct mur_put *put, uint32_t sequence_tag,
                                 const struct mur_code *code)
{
    struct mur_put item = mur_put_item(put, sequence_tag);
    bool is_long = code->value != NULL && strlen(code->value) > SHORT_CODE_LENGTH;
    mur_put_needed(&item, is_long ? MUR_TAG_LongCodeValue : MUR_TAG_CodeValue, code->value);
    mur_put_needed(&item, MUR_TAG_CodingSchemeDesignator, code->scheme);
    mur_put_needed(&item, MUR_TAG_CodeMeaning, code->meaning);
    return item;
}

void mur_put_code(struct mur_put *put, uint32_t sequence_tag, const struct mur_code *code)
{
    put->status = mur_put_code_item(put, sequence_tag, code).status;
}

void mur_put_animal_defaults(struct mur_put *put)
{
    static const uint32_t type_2c[] = {
        MUR_TAG_PatientSexNeutered,       MUR_TAG_PatientBreedDescription,
        MUR_TAG_PatientBreedCodeSequence, MUR_TAG_BreedRegistrationSequence,
        MUR_TAG_ResponsiblePerson,        MUR_TAG_ResponsibleOrganization,
    };
    if (put->status != MUR_OK ||
        !(mur_dataset_has_value(put->dataset, MUR_TAG_PatientSpeciesDescription) ||
          mur_dataset_has_value(put->dataset, MUR_TAG_PatientSpeciesCodeSequence)))
        return;
    for (size_t index = 0; index < MUR_COUNT(type_2c); index++)
        mur_put_default(put, type_2c[index], "");
}

void mur_put_dimension(struct mur_put *put, const char *organization, uint32_t pointer,
                       uint32_t group, const char *label)
{
    struct mur_put item = mur_put_item(put, MUR_TAG_DimensionIndexSequence);
    mur_put_needed(&item, MUR_TAG_DimensionOrganizationUID, organization);
    mur_put_int(&item, MUR_TAG_DimensionIndexPointer, pointer);
    mur_put_int(&item, MUR_TAG_FunctionalGroupPointer, group);
    mur_put_text(&item, MUR_TAG_DimensionDescriptionLabel, label);
    put->status = item.status;
}
