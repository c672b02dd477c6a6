/**
 * Attributes by name: MUR_TAG_PatientID is 0x00100020. Those that can be asked for stand in
 * attributes.def (and, inside sequences, in attribute_paths.def), the others that the program
 * reads or writes in tags.def. Constant tables: any thread.
 */
#ifndef MUR_DICOM_ATTRIBUTE_H
#define MUR_DICOM_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/text.h"
#include "dicom/vr.h"

/** A tag is group << 16 | element in a uint32_t; private ones are made by MUR_TAG(). */
#define MUR_TAG(group, element) (((uint32_t)(group) << 16) | (uint32_t)(element))
#define MUR_TAG_GROUP(tag) ((uint16_t)((tag) >> 16))
#define MUR_TAG_ELEMENT(tag) ((uint16_t)((tag)&0xFFFFu))
#define MUR_TAG_IS_PRIVATE(tag) ((((tag) >> 16) & 1u) != 0)

enum mur_tag {
#define X(keyword, group, element, vr, level, match, column)                                       \
    MUR_TAG_##keyword = ((uint32_t)(group) << 16) | (element),
#include "dicom/attributes.def"
#undef X
#define T(keyword, group, element, vr) MUR_TAG_##keyword = ((uint32_t)(group) << 16) | (element),
#include "dicom/tags.def"
#undef T
};

/** Query/Retrieve level (PS3.4 C.3). In the Study Root the Patient's attributes belong to STUDY. */
enum mur_level { MUR_LEVEL_PATIENT, MUR_LEVEL_STUDY, MUR_LEVEL_SERIES, MUR_LEVEL_IMAGE };
enum { MUR_LEVEL_COUNT = 4 };

/** "PATIENT", "STUDY", "SERIES", "IMAGE" (0008,0052). */
const char *mur_level_name(enum mur_level level);
/** @retval MUR_PARSE  none of the four; blanks around it are allowed */
MUR_NODISCARD
enum mur_status mur_level_parse(enum mur_level *out, struct mur_slice text,
                                struct mur_error *error);

/** Type of a key (PS3.4 C.2.2.1). */
enum mur_match { MUR_MATCH_UNIQUE, MUR_MATCH_REQUIRED, MUR_MATCH_OPTIONAL };

/** Where its value is kept in the index. */
enum mur_storage {
    MUR_STORAGE_TABLE,    /**< the attribute table */
    MUR_STORAGE_COLUMN,   /**< a typed column of its level's table */
    MUR_STORAGE_COMPUTED, /**< computed from what is stored below, or from the node itself */
};

struct mur_attribute {
    uint32_t tag;
    const char *keyword;
    enum mur_vr vr;
    enum mur_level level;
    enum mur_match match;
    enum mur_storage storage;
    const char *column; /**< name of the column or computed value; "" in the attribute table */
    bool added;         /**< by mur_attributes_extend() */
};

/** All rows of attributes.def, sorted by tag. */
const struct mur_attribute *mur_attributes(size_t *count);
/** NULL: not one that can be asked for by itself. */
const struct mur_attribute *mur_attribute_find(uint32_t tag);
/** Eight hexadecimal digits, "00100020". @return false if it is not that */
bool mur_tag_parse(uint32_t *out, struct mur_slice text);

enum { MUR_ATTRIBUTE_DEPTH = 4, MUR_ATTRIBUTE_PATH_SIZE = 20 * MUR_ATTRIBUTE_DEPTH };

/** An attribute at the top of a Data Set (depth 1) or inside sequences (the tags on the way). */
struct mur_attribute_path {
    unsigned depth; /**< 1 to MUR_ATTRIBUTE_DEPTH */
    uint32_t tags[MUR_ATTRIBUTE_DEPTH];
};

/** The path of depth 1. */
struct mur_attribute_path mur_attribute_path_of(uint32_t tag);
bool mur_attribute_path_equal(const struct mur_attribute_path *a,
                              const struct mur_attribute_path *b);
/** Negative, 0, positive: sorted tag by tag. */
int mur_attribute_path_compare(const struct mur_attribute_path *a,
                               const struct mur_attribute_path *b);

/** "00100216.00100217" (upper case hexadecimal, as PS3.18 8.3.4.3); a private attribute's stand-in
 * as "00290010[3F2A91C0]", with a digest of its creator. @return @p out */
const char *mur_attribute_path_format(char out[MUR_ATTRIBUTE_PATH_SIZE],
                                      const struct mur_attribute_path *path);
/** Tags or keywords, mixed as one likes: "StrainStockSequence.00100217"; private attributes that
 * are known here with their creator: "[ACME 1.1]0029xx10".
 * @retval MUR_PARSE  neither tag nor keyword, or empty; MUR_LIMIT too deep */
MUR_NODISCARD
enum mur_status mur_attribute_path_parse(struct mur_attribute_path *out, struct mur_slice text,
                                         struct mur_error *error);

/**
 * A private attribute is its creator, group and element, whatever its block. One that a site has
 * named is known here, and to the index, by a stand-in: a tag of the same group and element in a
 * block that no object means. @return 0: nobody has named one of this creator in this group
 */
uint32_t mur_private_stand_in(uint32_t tag, const char *creator);
/** The creator of a stand-in; NULL: the tag is none. */
const char *mur_private_creator(uint32_t tag);

/** An attribute inside sequences that can be asked for. */
struct mur_attribute_key {
    struct mur_attribute_path path;
    enum mur_vr vr;
    enum mur_level level;
    bool added; /**< by mur_attributes_extend() */
};

/**
 * Adds attributes that can be asked for, to both tables, for the life of the process: once, before
 * any other thread is there.
 * @param list  "ReceiveCoilName, image:EchoTime, 00189087, study:SomeSequence.CodeValue,
 * [ACME 1.1]0029xx10/DS": separated by comma or blank; the level is SERIES where none is said; a
 * private attribute has its creator before it and may have its VR, of values that come as UN,
 * behind it (else LO)
 * @retval MUR_INVALID  not an attribute, not a level, not a VR; one of our own private block
 */
MUR_NODISCARD
enum mur_status mur_attributes_extend(const char *list, struct mur_error *error);
/** Whether attributes of IMAGE level were added: then instances have rows of their own. */
bool mur_attributes_of_images_added(void);

/** All rows of attribute_paths.def, sorted by path. */
const struct mur_attribute_key *mur_attribute_keys(size_t *count);
/** NULL: not one that can be asked for. */
const struct mur_attribute_key *mur_attribute_key_find(const struct mur_attribute_path *path);
/** Whether a sequence at this path leads to any row of attribute_paths.def. */
bool mur_attribute_key_below(const struct mur_attribute_path *path);

#endif
