/**
 * Attributes as searches name them (PS3.18 8.3.4.1): keywords, tags of eight hexadecimal digits,
 * and both joined by dots into sequences. A private tag needs its creator as a parameter of its
 * own, 00290010=ACME 1.1 (PS3.18 8.3.4.3; PS3.5 7.8.1); "[ACME 1.1]0029xx10" says both at once, and
 * our own private attributes have keywords ("ISAHealthStatus"). Internal to web/. Threads: one at a
 * time per struct.
 */
#ifndef MUR_WEB_ATTRIBUTE_NAMES_H
#define MUR_WEB_ATTRIBUTE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/text.h"
#include "dicom/attribute.h"

enum { MUR_NAME_BLOCKS = 64 };

/** Private blocks of one search, in groups of its answers; zero-initialise it. */
struct mur_attribute_names {
    struct {
        uint32_t place;      /**< group and block in the answer: (gggg,bb00) */
        uint32_t base;       /**< as the index knows it; 0: it does not */
        const char *creator; /**< lives as long as the process; NULL: the index does not know it */
    } blocks[MUR_NAME_BLOCKS];
    size_t count;
};

/** Whether a parameter's name is that of a Private Creator: "00290010". */
bool mur_names_is_creator(const char *name);

/** Takes a block that a parameter declares, before names in it are read.
 * @retval MUR_INVALID  declared twice, or too many */
MUR_NODISCARD
enum mur_status mur_names_declare(struct mur_attribute_names *names, const char *name,
                                  struct mur_slice creator, struct mur_error *error);

/**
 * Reads a name; tags of the path are as the index has them.
 * @param[out] known  false: private, and nobody has told the index of its creator
 * @retval MUR_INVALID  no attribute, with the nearest ones; a private tag without its creator
 */
MUR_NODISCARD
enum mur_status mur_names_parse(struct mur_attribute_path *out, bool *known,
                                const struct mur_attribute_names *names, struct mur_slice text,
                                struct mur_error *error);

/** MUR_VR_UN when the dictionary does not know it. */
enum mur_vr mur_names_vr(const struct mur_attribute_path *path);

/**
 * The tag of a top-level attribute in the answer: private ones in the block that the search has
 * declared, else in one that is free.
 * @param[out] creator  of a private one; else NULL
 */
MUR_NODISCARD
enum mur_status mur_names_answer(uint32_t *out, const char **creator,
                                 struct mur_attribute_names *names, uint32_t tag,
                                 struct mur_error *error);

#endif
