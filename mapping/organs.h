/**
 * Organs by the names that people write, with their codes: etc/organs.cfg. And the label
 * descriptions that ITK-SNAP writes beside a label map.
 * Threads: any may read a table.
 */
#ifndef MUR_MAPPING_ORGANS_H
#define MUR_MAPPING_ORGANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"

/** A coded concept (PS3.3 8.8); value "" = none. Texts are never NULL. */
struct mur_organ_code {
    const char *value;
    const char *scheme;
    const char *meaning;
};

struct mur_organ {
    const char *name; /**< "lung_left" */
    struct mur_organ_code category, type, modifier, region;
    bool has_rgb;
    uint8_t rgb[3];
    bool unverified; /**< no dictionary at hand has its code */
};

struct mur_organs;

/** @retval MUR_INVALID  "FILE:LINE: reason" */
MUR_NODISCARD
enum mur_status mur_organs_load(struct mur_organs **out, const char *path, struct mur_error *error);
void mur_organs_free(struct mur_organs *organs);
MUR_DEFINE_AUTO(mur_organs, mur_organs_free)

/** By any of its names; case, blanks, hyphens and underscores do not matter. NULL: not known. */
const struct mur_organ *mur_organs_find(const struct mur_organs *organs, const char *name);
/** By the code of its type, without a modifier; NULL: not known. */
const struct mur_organ *mur_organs_find_code(const struct mur_organs *organs, const char *scheme,
                                             const char *value);
/** What a label value means where a dataset does not say it: "labels" of the table; NULL: nothing.
 */
const struct mur_organ *mur_organs_find_label(const struct mur_organs *organs, int64_t value);
/** By the name of a file: "m1_w8_kidney_left.nii.gz" is the left kidney. NULL: no organ. */
const struct mur_organ *mur_organs_find_file(const struct mur_organs *organs, const char *path);
/** What stands for an organ that nobody knows: never NULL. */
const struct mur_organ *mur_organs_unknown(const struct mur_organs *organs);

/** One label of a label map. */
struct mur_label {
    int64_t value;
    uint8_t rgb[3];
    char *name; /**< owned */
};
struct mur_labels {
    struct mur_label *items;
    size_t count;
};
#define MUR_AUTO_LABELS __attribute__((cleanup(mur_labels_free)))
void mur_labels_free(struct mur_labels *labels); /**< leaves it empty */
/** Reads an ITK-SNAP label description (IDX R G B A VIS MSH "LABEL"); label 0 is left out.
 * @retval MUR_PARSE  with the line */
MUR_NODISCARD
enum mur_status mur_labels_read(struct mur_labels *out, const char *path, struct mur_error *error);

#endif
