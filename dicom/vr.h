/**
 * Value Representations (PS3.5 6.2) and what is known of each. Constant tables: any thread.
 */
#ifndef MUR_DICOM_VR_H
#define MUR_DICOM_VR_H

#include <stdbool.h>
#include <stdint.h>

enum mur_vr {
    MUR_VR_NONE = 0, /**< not known, or to be looked up in the dictionary */
#define X(name, class_, width, long_length, padding, maximum, multi) MUR_VR_##name,
#include "dicom/vr.def"
#undef X
    MUR_VR_COUNT
};

enum mur_vr_class {
    MUR_VR_CLASS_NONE,
    MUR_VR_CLASS_TEXT,   /**< characters of the Specific Character Set */
    MUR_VR_CLASS_STRING, /**< characters of the default repertoire */
    MUR_VR_CLASS_BINARY, /**< numbers or bytes, in the byte order of the Data Set */
    MUR_VR_CLASS_TAGS,   /**< AT */
    MUR_VR_CLASS_ITEMS,  /**< SQ */
};

struct mur_vr_traits {
    char name[3];
    enum mur_vr_class class_;
    unsigned width;   /**< bytes of one number (1 for characters) */
    bool long_length; /**< 32-bit length in explicit VR */
    char padding;     /**< makes the length even */
    uint32_t maximum; /**< of one value: characters (TEXT) or bytes (STRING); 0 = no limit */
    bool multi;       /**< backslash separates values */
};

/** Never NULL; the row of MUR_VR_NONE for anything else. */
const struct mur_vr_traits *mur_vr_info(enum mur_vr vr);
/** "CS"; "" for MUR_VR_NONE. */
const char *mur_vr_name(enum mur_vr vr);
/** By its two letters; MUR_VR_NONE if there is no such VR. */
enum mur_vr mur_vr_from_name(const char name[2]);
/** Characters, of whatever repertoire. */
bool mur_vr_is_text(enum mur_vr vr);

#endif
