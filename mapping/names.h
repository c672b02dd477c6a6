/** What both kinds of tables need, those of the columns and that of the organs. Private to
 * mapping/. */
#ifndef MUR_MAPPING_NAMES_H
#define MUR_MAPPING_NAMES_H

#include "core/config_tree.h"
#include "core/text.h"
#include "dicom/attribute.h"

/** A table by its path, or with "" the one of that name that the program carries inside. */
MUR_NODISCARD
enum mur_status mur_mapping_tree(struct mur_config_tree **out, const char *path, const char *name,
                                 struct mur_error *error);

/** What two spellings of a name have in common: case, diacritics, blanks and ASCII punctuation do
 * not matter. @param[out] out  free() */
MUR_NODISCARD
enum mur_status mur_mapping_key(char **out, struct mur_slice name, struct mur_error *error);

/** An attribute as people know it, elements of our block too: its keyword, else its path.
 * @param at  which tag of the path; @return the dictionary's, or @p buffer */
const char *mur_mapping_attribute_name(const struct mur_attribute_path *path, unsigned at,
                                       char buffer[MUR_ATTRIBUTE_PATH_SIZE]);

#endif
