#include <stdlib.h>
#include <string.h>

#include "dicom/data_set.h"
#include "dicom/dictionary.h"
#include "mapping/internal.h"
#include "mapping/private_block.h"

/** The single item of a sequence, made if need be. */
static enum mur_status only_item(struct mur_dataset **out, struct mur_dataset *dataset,
                                 uint32_t tag, struct mur_error *error)
{
    if (mur_dataset_has_value(dataset, tag))
        return mur_dataset_get_item(out, dataset, tag, 0, error);
    return mur_dataset_append_item(out, dataset, tag, error);
}

static enum mur_status put_number(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                  const char *text, struct mur_error *error)
{
    double number = 0;
    enum mur_status status = mur_parse_double(&number, mur_slice_of(text), error);
    return status != MUR_OK ? status : mur_dataset_put_double(dataset, tag, vr, number, error);
}

static enum mur_status put_leaf(struct mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                const char *text, struct mur_error *error)
{
    if (text[0] == '\0')
        return mur_dataset_put_empty(dataset, tag, vr, error);
    if (vr == MUR_VR_FD || vr == MUR_VR_FL)
        return put_number(dataset, tag, vr, text, error);
    return mur_dataset_put_string(dataset, tag, vr, text, error);
}

static enum mur_status put_value(struct mur_dataset *dataset, unsigned block,
                                 const struct mur_scan_value *value, struct mur_error *error)
{
    struct mur_dataset *at = dataset;
    enum mur_status status = MUR_OK;
    for (unsigned i = 0; i + 1 < value->path.depth && status == MUR_OK; i++)
        status = only_item(&at, at, value->path.tags[i], error);
    if (status != MUR_OK)
        return status;
    uint32_t tag = value->path.tags[value->path.depth - 1];
    if (MUR_TAG_IS_PRIVATE(tag))
        tag = MUR_PRIVATE_TAG(block, MUR_TAG_ELEMENT(tag));
    return put_leaf(at, tag, value->vr, value->text, error);
}

/** Sequences that we fill must not keep items of before. */
static enum mur_status remove_old(struct mur_dataset *dataset, const struct mur_scan *scan,
                                  enum mur_level deepest, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < scan->value_count && status == MUR_OK; i++)
        if (scan->values[i].level <= deepest && scan->values[i].path.depth > 1)
            status = mur_dataset_remove(dataset, scan->values[i].path.tags[0], error);
    return status;
}

static enum mur_status put_item(struct mur_dataset *dataset, unsigned block,
                                const struct mur_scan_attribute *attribute,
                                struct mur_isa_strings *strings, struct mur_error *error)
{
    struct mur_dataset *item = NULL;
    unsigned inner = 0;
    enum mur_status status = mur_dataset_append_item(
        &item, dataset, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_SEQUENCE), error);
    if (status == MUR_OK)
        status = mur_dataset_private_block(&inner, item, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, error);
    if (status != MUR_OK)
        return status;
    char kind[32] = "";
    const char *kind_name = mur_block_kind(attribute->kind);
    for (size_t i = 0; kind_name[i] != '\0' && i + 1 < sizeof kind; i++)
        kind[i] = (char)(kind_name[i] - 'a' + 'A'); /* CS has capitals only */
    const char *name = "";
    const char *unit = "";
    bool cut = false;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    status = mur_mapping_fit(&name, &cut, MUR_VR_LO, false, mur_slice_of(attribute->name), strings,
                             error);
    if (status == MUR_OK)
        status = mur_mapping_fit(&unit, &cut, MUR_VR_SH, false, mur_slice_of(attribute->unit),
                                 strings, error);
    if (status == MUR_OK)
        status = mur_block_append_text(&text, attribute->text, error);
    if (status == MUR_OK)
        status =
            put_leaf(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_KIND), MUR_VR_CS, kind, error);
    if (status == MUR_OK)
        status =
            put_leaf(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_NAME), MUR_VR_LO, name, error);
    if (status == MUR_OK)
        status = put_leaf(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_TEXT), MUR_VR_UC,
                          mur_buffer_text(&text), error);
    if (status == MUR_OK && attribute->has_number)
        status = mur_dataset_put_double(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_NUMBER),
                                        MUR_VR_FD, attribute->number, error);
    if (status == MUR_OK && unit[0] != '\0')
        status =
            put_leaf(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_UNIT), MUR_VR_SH, unit, error);
    return status;
}

/** Elements xx01 and xx02. */
static enum mur_status put_attributes(struct mur_dataset *dataset, unsigned block,
                                      const struct mur_scan *scan, enum mur_level deepest,
                                      struct mur_error *error)
{
    MUR_AUTO(mur_isa_strings) *strings = NULL;
    enum mur_status status = mur_isa_strings_create(&strings, error);
    if (status == MUR_OK)
        status =
            mur_dataset_remove(dataset, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_SEQUENCE), error);
    MUR_AUTO_BUFFER struct mur_buffer all = MUR_BUFFER_INIT;
    for (size_t i = 0; i < scan->isa_attribute_count && status == MUR_OK; i++) {
        const struct mur_scan_attribute *attribute = &scan->isa_attributes[i];
        if (attribute->level > deepest)
            continue;
        status = mur_buffer_append_format(&all, error, "%s%s:", all.length == 0 ? "" : "\\",
                                          mur_block_kind(attribute->kind));
        if (status == MUR_OK)
            status = mur_block_append_text(&all, attribute->name, error);
        if (status == MUR_OK)
            status = mur_buffer_append(&all, "=", 1, error);
        if (status == MUR_OK)
            status = mur_block_append_text(&all, attribute->text, error);
        if (status == MUR_OK)
            status = put_item(dataset, block, attribute, strings, error);
    }
    if (status == MUR_OK)
        status = put_leaf(dataset, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE), MUR_VR_UC,
                          mur_buffer_text(&all), error);
    return status;
}

enum mur_status mur_mapping_apply(struct mur_dataset *dataset, const struct mur_scan *scan,
                                  enum mur_level deepest, struct mur_error *error)
{
    unsigned block = 0;
    enum mur_status status = mur_dataset_set_utf8(dataset, error);
    if (status == MUR_OK)
        status = remove_old(dataset, scan, deepest, error);
    if (status == MUR_OK)
        status =
            mur_dataset_private_block(&block, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, error);
    for (size_t i = 0; i < scan->value_count && status == MUR_OK; i++)
        if (scan->values[i].level <= deepest)
            status = put_value(dataset, block, &scan->values[i], error);
    if (status == MUR_OK)
        status = put_attributes(dataset, block, scan, deepest, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "writing what the ISA-Tab says of scan '%s'", scan->assay);
    return MUR_OK;
}
