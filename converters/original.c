#include "converters/original.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/dictionary.h"

enum { LO_CHARACTERS = 64 };

enum mur_status mur_original_file_name(char **out, const char *path, struct mur_error *error)
{
    struct mur_slice base = mur_slice_of(mur_path_base(path));
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_utf8_valid(base) ? mur_text_normalise(&text, base, true, error)
                                                  : mur_utf8_from_cp1252(&text, base, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice name = mur_slice_of(text);
    if (name.length > 3 && strcasecmp(text + name.length - 3, ".gz") == 0)
        name.length -= 3;
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\\' || (unsigned char)*c < ' ')
            *c = '_';
    while (mur_utf8_count(name) > LO_CHARACTERS)
        name.length = mur_utf8_cut(name, name.length - 1);
    text[name.length] = '\0';
    *out = MUR_STEAL(text);
    return MUR_OK;
}

void mur_original_free(struct mur_original *original)
{
    free(original->extensions);
    free(original->file_name);
    *original = (struct mur_original){.header_length = 0};
}

enum mur_status mur_original_take(struct mur_original *out, const struct mur_nifti *nifti,
                                  struct mur_error *error)
{
    const struct mur_nifti_header *header = mur_nifti_header(nifti);
    struct mur_original made = {.header_length = header->raw_length};
    memcpy(made.header, header->raw, header->raw_length);
    const uint8_t *extensions = mur_nifti_extensions(&made.extension_length, nifti);
    if (made.extension_length > 0) {
        made.extensions = malloc(made.extension_length);
        if (made.extensions == NULL)
            return mur_error_no_memory(error);
        memcpy(made.extensions, extensions, made.extension_length);
    }
    enum mur_status status = mur_original_file_name(&made.file_name, mur_nifti_path(nifti), error);
    if (status != MUR_OK) {
        mur_original_free(&made);
        return status;
    }
    *out = made;
    return MUR_OK;
}

static bool find_block(unsigned *out, struct mur_dataset *dataset)
{
    for (unsigned block = 0x10; block <= 0xFF; block++) {
        uint32_t tag = MUR_TAG(MUR_PRIVATE_GROUP, block);
        const char *creator = NULL;
        if (mur_dataset_has_value(dataset, tag) &&
            mur_dataset_get_string(&creator, dataset, tag, NULL) == MUR_OK &&
            strcmp(creator, MUR_CREATOR_NIFTI) == 0) {
            *out = block;
            return true;
        }
    }
    return false;
}

static enum mur_status get_extensions(struct mur_original *out, struct mur_dataset *dataset,
                                      uint32_t tag, struct mur_error *error)
{
    const uint8_t *bytes = NULL;
    size_t length = 0;
    if (!mur_dataset_has_value(dataset, tag))
        return MUR_OK;
    enum mur_status status = mur_dataset_get_bytes(&bytes, &length, dataset, tag, error);
    if (status != MUR_OK)
        return status;
    out->extensions = malloc(length);
    if (out->extensions == NULL)
        return mur_error_no_memory(error);
    memcpy(out->extensions, bytes, length);
    out->extension_length = length;
    return MUR_OK;
}

enum mur_status mur_original_get(struct mur_original *out, struct mur_dataset *dataset,
                                 struct mur_error *error)
{
    unsigned block = 0;
    struct mur_original got = {.header_length = 0};
    const uint8_t *header = NULL, *digest = NULL;
    const char *axes = "", *name = "";
    size_t digest_length = 0;
    if (!find_block(&block, dataset) ||
        !mur_dataset_has_value(dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_HEADER)))
        return mur_error_set(error, MUR_NOT_FOUND, "no header of a NIfTI file is kept");
    if (mur_dataset_get_bytes(&header, &got.header_length, dataset,
                              MUR_PRIVATE_TAG(block, MUR_NIFTI_HEADER), NULL) != MUR_OK ||
        got.header_length > sizeof got.header ||
        mur_dataset_get_bytes(&digest, &digest_length, dataset,
                              MUR_PRIVATE_TAG(block, MUR_NIFTI_SHA256), NULL) != MUR_OK ||
        digest_length != sizeof got.voxel_digest)
        return mur_error_set(error, MUR_PARSE, "the kept header of a NIfTI file is not whole");
    memcpy(got.header, header, got.header_length);
    memcpy(got.voxel_digest, digest, digest_length);
    if (mur_dataset_get_string(&axes, dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_FLIPS), NULL) ==
        MUR_OK)
        for (unsigned axis = 0; axis < 3; axis++)
            got.reversed[axis] = strchr(axes, "IJK"[axis]) != NULL;
    if (mur_dataset_get_string(&name, dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_FILE_NAME), NULL) !=
        MUR_OK)
        name = "";
    enum mur_status status = mur_text_copy(&got.file_name, mur_slice_of(name), error);
    if (status == MUR_OK)
        status = get_extensions(&got, dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_EXTENSIONS), error);
    if (status == MUR_OK)
        *out = got;
    else
        mur_original_free(&got);
    return status;
}

static enum mur_status put_bytes(struct mur_dataset *dataset, unsigned block,
                                 enum mur_private_element element, const uint8_t *bytes,
                                 size_t length, struct mur_error *error)
{
    return mur_dataset_put_bytes(dataset, MUR_PRIVATE_TAG(block, element), MUR_VR_OB, bytes, length,
                                 error);
}

enum mur_status mur_original_put(struct mur_dataset *dataset, const struct mur_original *original,
                                 struct mur_error *error)
{
    unsigned block = 0;
    char axes[8] = "";
    (void)snprintf(axes, sizeof axes, "%s%s%s", original->reversed[0] ? "\\I" : "",
                   original->reversed[1] ? "\\J" : "", original->reversed[2] ? "\\K" : "");
    enum mur_status status =
        mur_dataset_private_block(&block, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_NIFTI, error);
    if (status == MUR_OK)
        status = put_bytes(dataset, block, MUR_NIFTI_HEADER, original->header,
                           original->header_length, error);
    if (status == MUR_OK && original->extension_length > 0)
        status = put_bytes(dataset, block, MUR_NIFTI_EXTENSIONS, original->extensions,
                           original->extension_length, error);
    if (status == MUR_OK)
        status = mur_dataset_put_string(dataset, MUR_PRIVATE_TAG(block, MUR_NIFTI_FILE_NAME),
                                        MUR_VR_LO, original->file_name, error);
    uint32_t axes_tag = MUR_PRIVATE_TAG(block, MUR_NIFTI_FLIPS);
    if (status == MUR_OK && axes[0] != '\0')
        status = mur_dataset_put_string(dataset, axes_tag, MUR_VR_CS, axes + 1, error);
    else if (status == MUR_OK)
        status = mur_dataset_put_empty(dataset, axes_tag, MUR_VR_CS, error);
    if (status == MUR_OK)
        status = put_bytes(dataset, block, MUR_NIFTI_SHA256, original->voxel_digest,
                           sizeof original->voxel_digest, error);
    return status;
}
